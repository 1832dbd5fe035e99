//! What every test stands on: a running [`Desk`] and the [`Client`]s that talk to it.

mod client;
mod desk;
mod stream;

pub use client::{Client, Response};
pub use desk::{Desk, PASSWORD};
pub use stream::Listener;
