//! Black-box tests: each starts the real desk on a free port with a storage of its own, and talks HTTP to it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

mod support;
