//! Black-box tests: each starts the real desk on a free port with a storage of its own, and talks HTTP to it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

mod api_tokens;
mod auth;
mod binary;
mod cli;
mod config;
mod licences;
mod openapi;
mod pages;
mod people;
mod problems;
mod rooms;
mod security;
mod serve;
mod sessions;
mod settings;
mod setup;
mod support;
mod users;
