//! Where ticket systems get hurt: one file for each class.

mod enumeration;
mod live_streams;
mod passwords;
mod tokens;
