//! What the desk tells of itself. For Prometheus: counters held in the process and read at `/metrics`; the registry is a
//! part of the desk, not of the process, so that two desks in one process do not mix. For InfluxDB: points derived from
//! the activity log ([`points`], [`backlog`]; pure) and pushed by a worker ([`influx`]).

pub mod backlog;
pub mod families;
pub mod http;
pub mod influx;
pub mod line_protocol;
pub mod points;
mod prometheus;
mod requests;
pub mod schema;
mod times;

pub use self::{
    prometheus::{Backups, LoginOutcome, Logins, Metrics},
    requests::{InFlight, Requests, UNMATCHED},
    times::{TicketMeters, TicketTimes},
};
