//! Where ticket systems get hurt: one file for each class.

mod enumeration;
mod passwords;
mod tokens;
