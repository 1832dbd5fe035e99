//! What every test stands on: a running [`Desk`], the [`Client`]s that talk to it, and [`Raw`] connections for those who
//! do not talk as they should.

mod client;
pub mod cluster;
mod desk;
mod engine;
pub mod postgres;
mod raw;
pub mod servers;
mod stream;

pub use client::{Client, Response};
pub use desk::{Desk, ON_POSTGRES, PASSWORD};
pub use engine::open_engine;
pub use raw::{Answer, Raw};
pub use stream::Listener;
