//! Where ticket systems get hurt: one file for each class.

mod audit;
mod brute_force;
mod enumeration;
mod first_start;
mod leaks;
mod live_streams;
mod malformed;
mod mass_assignment;
mod passwords;
mod requests;
mod series;
mod tokens;
