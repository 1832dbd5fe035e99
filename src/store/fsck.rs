//! What a check of a store tells, whichever store it is.

use serde::Serialize;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FsckReport {
    /// Tickets, deleted ones included.
    pub tickets: usize,
    /// Comments, deleted ones included.
    pub comments: usize,
    /// Accounts.
    pub users: usize,
    /// Entries of the log.
    pub entries: usize,
    /// What is wrong, in sentences; empty for a sound store.
    pub problems: Vec<String>,
    /// Whether indexes, counters and projections were made anew.
    pub rebuilt: bool,
}
