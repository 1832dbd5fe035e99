//! Where ticket systems get hurt: one file for each class.

mod enumeration;
mod malformed;
mod passwords;
mod requests;
mod tokens;
