//! Pushing to InfluxDB: what is sent where ([`target`]), what an answer means ([`answer`]), and the worker that reads the
//! log ([`worker`]). An outage of any length loses nothing that the log holds, and what is sent twice is stored once.

pub mod answer;
pub mod backfill;
pub mod setup;
pub mod status;
pub mod target;
pub mod worker;
