//! What the desk tells of itself: counters for Prometheus, held in the process and read at `/metrics`. The registry is a
//! part of the desk, not of the process, so that two desks in one process do not mix.

pub mod families;
pub mod http;
mod prometheus;
mod requests;
mod times;

pub use self::{
    prometheus::{LoginOutcome, Logins, Metrics},
    requests::{InFlight, Requests, UNMATCHED},
    times::{TicketMeters, TicketTimes},
};
