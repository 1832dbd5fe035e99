//! Pushing metrics: the real worker against a receiver that can misbehave.

mod pushing;
mod stub;
