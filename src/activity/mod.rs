//! The activity log: its entries, and the calls of the API that read it.

pub mod http;
pub mod model;
pub mod ops;
