//! Where ticket systems get hurt: one file for each class.

mod brute_force;
mod enumeration;
mod leaks;
mod live_streams;
mod passwords;
mod tokens;
