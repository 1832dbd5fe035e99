//! Taquilla: a service desk in one binary.
//!
//! A request walks http → ops → model → store and does not return to an earlier room:
//!
//! - [`http`]: the router, its layers and extractors, documentation pages; each feature's `http.rs` holds its handlers.
//! - [`auth`], [`users`], [`tickets`], [`activity`], [`analytics`]: the features. `model.rs` (and `rules.rs`, `query.rs`) are pure,
//!   `ops.rs` loads, decides and commits, `http.rs` is wire only.
//! - [`store`]: the storage trait and its backends; nothing else names a storage engine.
//! - [`jobs`]: what runs on a clock. [`metrics`]: what the desk tells of itself to Prometheus and InfluxDB.
//! - [`app`]: puts it together, starts and stops it. [`cli`]: the command line. [`config`]: the configuration tree.
//! - [`backup`]: a desk in one file, and back. [`import`]: what other desks have. [`demo`]: a desk to look at. [`outgoing`]: requests to other systems.
//! - [`mod@input`], [`reply`], [`types`], [`error`], [`telemetry`]: what all rooms share.

pub mod activity;
pub mod analytics;
pub mod app;
pub mod auth;
pub mod backup;
pub mod cli;
pub mod config;
pub mod demo;
pub mod error;
pub mod http;
pub mod import;
pub mod input;
pub mod jobs;
pub mod metrics;
pub mod outgoing;
pub mod reply;
pub mod store;
pub mod telemetry;
pub mod tickets;
pub mod types;
pub mod users;
