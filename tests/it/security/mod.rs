//! Where ticket systems get hurt: one file for each class.

mod audit;
mod enumeration;
mod first_start;
mod live_streams;
mod mass_assignment;
mod passwords;
mod series;
mod tokens;
