//! Where ticket systems get hurt: one file for each class.

mod enumeration;
mod live_streams;
mod malformed;
mod passwords;
mod requests;
mod tokens;
