//! How the desk does: figures of now and of the last days, read from counters that every commit moves, never by looking at
//! all tickets.

pub mod figures;
pub mod http;
pub mod insight;
mod kept;
pub mod model;
pub mod ops;
mod times;

pub use kept::Dashboards;
pub use times::Times;
