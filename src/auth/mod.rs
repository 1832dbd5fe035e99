//! Signing in: who acts, with which token, and what a password has to be.
//!
//! `model.rs`, `policy.rs` and `session.rs` are pure. `extract.rs` turns a request's token into an [`Actor`](model::Actor).

pub mod account;
pub mod api_tokens;
pub mod cookie;
pub mod extract;
pub mod failures;
mod few;
pub mod http;
pub mod model;
pub mod ops;
pub mod password;
pub mod policy;
pub mod session;
pub mod throttle;
pub mod token;
pub mod uses;
