//! Comments and internal notes: they belong to a ticket, and are reached through it alone.

pub mod http;
pub mod ops;
