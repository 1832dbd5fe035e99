//! The activity log: its entries, the calls of the API that read it, and the live stream of what is added to it.

pub mod audit;
mod canonical;
pub mod chain;
pub mod http;
pub mod live;
pub mod model;
pub mod ops;
pub mod rules;
