//! A believable desk to look at, to try things on and to measure with: its people, and the history of its tickets.
//!
//! The history is decided by a seed (`history`, `plan`, `calendar`, `texts`; all pure) and carried out by the
//! same rules as everybody's changes, with past times, oldest first ([`ops`]).

mod batch;
mod calendar;
mod history;
pub mod ops;
mod people;
mod plan;
mod texts;

pub use people::{PEOPLE, Person};
