//! Writes as data: what a use case decided, for any store to apply.

use crate::{
    activity::model::NewEntry,
    store::rows::{Row, RowKey},
    types::{Seq, SessionId, TicketId, Timestamp, TokenId},
};

/// What a write expects of the row that it replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// There is none.
    New,
    /// It has this version.
    Version(i64),
    /// Whatever there is.
    Any,
}

/// One row written or removed.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// The row shall be this; its version is the expected one plus one.
    Put(Box<Row>, Expect),
    /// There shall be no such row.
    Delete(RowKey, Expect),
}

/// A change that commutes with every other: it needs no expectation and raises no version. A row that is gone is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addition {
    /// Comments were added to a ticket or (negative) taken away.
    Comments {
        /// The ticket.
        ticket: TicketId,
        /// Public comments.
        public: i64,
        /// Internal notes.
        internal: i64,
        /// Raises the ticket's `updated_at` to at least this.
        touched_at: Option<Timestamp>,
    },
    /// A session was used.
    SessionUsed(SessionId, Timestamp),
    /// An API token was used.
    TokenUsed(TokenId, Timestamp),
}

/// Everything that one use case writes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// Rows written or removed.
    pub writes: Vec<Write>,
    /// Rows that must still have these versions, though they are not written; 0 stands for "there is none".
    pub guards: Vec<(RowKey, i64)>,
    /// Additions, applied after the writes.
    pub additions: Vec<Addition>,
    /// Entries of the log, in order.
    pub log: Vec<NewEntry>,
}

impl Changes {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Inserts a row that must not exist.
    #[must_use]
    pub fn insert(mut self, row: impl Into<Row>) -> Self {
        self.writes.push(Write::Put(Box::new(row.into()), Expect::New));
        self
    }

    /// Replaces a row of which the version before was one less than the new row's.
    #[must_use]
    pub fn update(mut self, row: impl Into<Row>) -> Self {
        let row = row.into();
        let expected = row.version() - 1;
        let expect = if expected == 0 { Expect::New } else { Expect::Version(expected) };
        self.writes.push(Write::Put(Box::new(row), expect));
        self
    }

    /// Writes a row whatever was there.
    #[must_use]
    pub fn overwrite(mut self, row: impl Into<Row>) -> Self {
        self.writes.push(Write::Put(Box::new(row.into()), Expect::Any));
        self
    }

    /// Removes a row.
    #[must_use]
    pub fn delete(mut self, key: RowKey, expect: Expect) -> Self {
        self.writes.push(Write::Delete(key, expect));
        self
    }

    /// Insists that a row still has this version; 0: that there is none.
    #[must_use]
    pub fn guard(mut self, key: RowKey, version: i64) -> Self {
        self.guards.push((key, version));
        self
    }

    /// Adds a commuting change.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "it is one of several things to put in, not a sum")]
    pub fn add(mut self, addition: Addition) -> Self {
        self.additions.push(addition);
        self
    }

    /// Adds an entry of the log.
    #[must_use]
    pub fn log(mut self, entry: NewEntry) -> Self {
        self.log.push(entry);
        self
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.additions.is_empty() && self.log.is_empty()
    }
}

/// What a commit gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The last entry of the log after the commit; its own entries end here.
    pub seq: Seq,
}
