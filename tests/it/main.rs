//! Black-box tests: each starts the real desk on a free port with a storage of its own, and talks HTTP to it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

mod activity;
mod api_tokens;
mod authz_matrix;
mod auth;
mod binary;
mod bodies;
mod bulk;
mod cli;
mod comments;
mod config;
mod etags;
mod idempotency;
mod jobs;
mod licences;
mod lists;
mod old_desk;
mod openapi;
mod pages;
mod people;
mod problems;
mod readme;
mod rooms;
mod search;
mod security;
mod serve;
mod sessions;
mod settings;
mod setup;
mod sla;
mod support;
mod ticket_races;
mod ticket_rights;
mod ticket_state;
mod tickets;
mod users;
