//! Backups: the portable stream of a desk in one file that tells itself whether it is whole. They are made offline, through
//! the running desk, and on a clock; each of the last is restored into a scratch store and checked.

pub mod archive;
pub mod create;
pub mod folder;
pub mod http;
pub mod restore;
pub mod schedule;
