//! Tickets and their comments: what they are, who may do what with them, and the calls of the API.

pub mod comments;
pub mod export;
pub mod filters;
pub mod http;
pub mod inputs;
pub mod markdown;
pub mod model;
pub mod ops;
mod packed;
pub mod pages;
pub mod query;
pub mod rules;
pub mod search;
pub mod sla;
pub mod written;
