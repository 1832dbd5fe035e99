//! The portable form of a desk: one stream of records, the rows as every store holds them, collection by collection. Moving
//! a desk to another storage, exporting it, importing it and backing it up all read and write this stream.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{IdKind, Row, RowKey, RowKind, StoreError};
use crate::{
    activity::model::Entry,
    types::{Secret, Seq, hex},
    users::model::{User, UserView},
};

/// The version of the stream's records. A reader refuses a higher one; a field that is only added does not raise it.
pub const FORMAT: u32 = 1;

/// A part of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Collection {
    /// Rows of a kind, by their keys.
    Rows(RowKind),
    /// The log, by `seq`.
    Log,
    /// With which ids each kind goes on.
    NextIds,
}

impl Collection {
    /// All of them, in the order of the stream: nothing comes before what it refers to.
    pub const ALL: [Self; 15] = [
        Self::Rows(RowKind::User),
        Self::Rows(RowKind::Session),
        Self::Rows(RowKind::ApiToken),
        Self::Rows(RowKind::Preferences),
        Self::Rows(RowKind::Ticket),
        Self::Rows(RowKind::Comment),
        Self::Rows(RowKind::Answer),
        Self::Rows(RowKind::LogCursor),
        Self::Rows(RowKind::Roster),
        Self::Rows(RowKind::Settings),
        Self::Rows(RowKind::SetupToken),
        Self::Rows(RowKind::SigningSecret),
        Self::Log,
        Self::Rows(RowKind::ChainBlock),
        Self::NextIds,
    ];

    /// Its name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rows(RowKind::User) => "users",
            Self::Rows(RowKind::Session) => "sessions",
            Self::Rows(RowKind::ApiToken) => "api_tokens",
            Self::Rows(RowKind::Preferences) => "preferences",
            Self::Rows(RowKind::Ticket) => "tickets",
            Self::Rows(RowKind::Comment) => "comments",
            Self::Rows(RowKind::Answer) => "answers",
            Self::Rows(RowKind::LogCursor) => "log_readers",
            Self::Rows(RowKind::Roster) => "roster",
            Self::Rows(RowKind::Settings) => "settings",
            Self::Rows(RowKind::SetupToken) => "setup_token",
            Self::Rows(RowKind::SigningSecret) => "signing_secret",
            Self::Rows(RowKind::ChainBlock) => "chain",
            Self::Log => "log",
            Self::NextIds => "next_ids",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|collection| collection.name() == name)
    }

    /// Whether it is left out where credentials are: who has it could act as somebody else, or it says what was answered to whom.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Rows(RowKind::Session | RowKind::ApiToken | RowKind::Answer | RowKind::SetupToken | RowKind::SigningSecret))
    }
}

/// With which id a kind goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextId {
    /// The kind.
    pub kind: IdKind,
    /// No id below this is issued again.
    pub next: i64,
}

/// A record of the stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A row, with the version that it has.
    Row(Box<Row>),
    /// An entry of the log, with its place.
    Entry(Box<Entry>),
    /// With which id a kind goes on.
    NextId(NextId),
}

/// Where a record stands in its collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The row's name.
    Row(RowKey),
    /// The entry's number.
    Seq(Seq),
    /// The kind.
    Id(IdKind),
}

impl From<Row> for Record {
    fn from(row: Row) -> Self {
        Self::Row(Box::new(row))
    }
}

impl Record {
    /// Where it stands in its collection.
    #[must_use]
    pub fn place(&self) -> Place {
        match self {
            Self::Row(row) => Place::Row(row.key()),
            Self::Entry(entry) => Place::Seq(entry.seq),
            Self::NextId(id) => Place::Id(id.kind),
        }
    }

    /// It as one line of JSON, without the line end: equal records give equal bytes, whatever store they are from.
    ///
    /// # Errors
    /// A value that JSON cannot hold.
    pub fn line(&self) -> Result<Vec<u8>, StoreError> {
        let line = match self {
            Self::Row(row) => row_line(row),
            Self::Entry(entry) => serde_json::to_vec(entry),
            Self::NextId(id) => serde_json::to_vec(id),
        };
        line.map_err(|error| StoreError::Corrupt(format!("a record cannot be written: {error}")))
    }

    /// Reads a line of a collection.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(collection: Collection, line: &[u8]) -> Result<Self, serde_json::Error> {
        match collection {
            Collection::Rows(kind) => Row::from_json(kind, line).map(|row| Self::Row(Box::new(row))),
            Collection::Log => serde_json::from_slice(line).map(|entry| Self::Entry(Box::new(entry))),
            Collection::NextIds => serde_json::from_slice(line).map(Self::NextId),
        }
    }

    /// The same without what proves who somebody is; `None` when nothing is left.
    #[must_use]
    pub fn without_credentials(mut self, collection: Collection) -> Option<Self> {
        if collection.is_secret() {
            return None;
        }
        if let Self::Row(row) = &mut self
            && let Row::User(user) = row.as_mut()
        {
            user.password_hash = None;
        }
        Some(self)
    }
}

/// Rows are written as they are, but for the one secret that has no readable form elsewhere.
fn row_line(row: &Row) -> Result<Vec<u8>, serde_json::Error> {
    match row {
        Row::Ticket(row) => serde_json::to_vec(row),
        Row::Comment(row) => serde_json::to_vec(row),
        Row::User(row) => serde_json::to_vec(&user_value(row)?),
        Row::Session(row) => serde_json::to_vec(row),
        Row::ApiToken(row) => serde_json::to_vec(row),
        Row::Roster(row) => serde_json::to_vec(row),
        Row::Settings(row) => serde_json::to_vec(row),
        Row::SetupToken(row) => serde_json::to_vec(row),
        Row::SigningSecret(row) => serde_json::to_vec(row),
        Row::LogCursor(row) => serde_json::to_vec(row),
        Row::Answer(row) => serde_json::to_vec(row),
        Row::Preferences(row) => serde_json::to_vec(row),
        Row::ChainBlock(row) => serde_json::to_vec(row),
    }
}

/// An account with its hash, to be kept in a storage or a backup.
pub(super) fn user_value(user: &User) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(UserView::from(user))?;
    value["password_hash"] = user.password_hash.as_ref().map(Secret::expose).into();
    Ok(value)
}

/// What is known of a collection without its records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Its name.
    pub name: String,
    /// How many records.
    pub rows: u64,
    /// SHA-256 of its lines, each with its line end, in hexadecimal.
    pub sha256: String,
}

/// Sums a collection up, line by line.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    hash: Sha256,
    rows: u64,
}

impl Tally {
    /// Adds a line, given without its end.
    pub fn add(&mut self, line: &[u8]) {
        self.hash.update(line);
        self.hash.update(b"\n");
        self.rows += 1;
    }

    /// How many lines there were.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// What they come to.
    #[must_use]
    pub fn end(self, collection: Collection) -> Sum {
        Sum { name: collection.name().to_owned(), rows: self.rows, sha256: hex(&self.hash.finalize()) }
    }
}

/// Being read as of one moment, and taking in what another store had.
#[async_trait]
pub trait Portable {
    /// Everything as it is now: what is written later is not in it. The desk goes on meanwhile. An embedded store gives one
    /// at a time, and is `Busy` until that one is dropped.
    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError>;

    /// Takes in records as another store had them, with their ids, versions and places: all of them or none, durable when
    /// it returns. Rows that are there are written over; entries must follow the log. Nobody else writes meanwhile, and
    /// nothing that is derived from rows is right before [`Self::settle`].
    async fn take_in(&self, records: Vec<Record>) -> Result<(), StoreError>;

    /// Makes anew what is derived from rows, when the last of them has been taken in.
    async fn settle(&self) -> Result<(), StoreError>;
}

/// A store as of one moment.
#[async_trait]
pub trait Snapshot: Send + Sync {
    /// The last entry of the log in it.
    fn end(&self) -> Seq;

    /// Records of a collection in their order, after this place: at most `limit`, fewer when they are large, none at its end.
    async fn page(&self, collection: Collection, after: Option<&Place>, limit: usize) -> Result<Vec<Record>, StoreError>;
}

/// About how many records a snapshot has, for bars: ids and entries that were ever given.
///
/// # Errors
/// The store's.
pub async fn estimate(snapshot: &dyn Snapshot) -> Result<u64, StoreError> {
    let ids = snapshot.page(Collection::NextIds, None, usize::MAX).await?;
    let issued: i64 = ids.iter().map(|record| if let Record::NextId(id) = record { id.next - 1 } else { 0 }).sum();
    Ok(u64::try_from(issued + snapshot.end()).unwrap_or(0))
}

/// The next ids as records, by kind.
pub(super) fn next_ids(next: &BTreeMap<IdKind, i64>) -> Vec<Record> {
    next.iter().map(|(kind, next)| Record::NextId(NextId { kind: *kind, next: *next })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_row_is_in_the_stream_once_and_names_find_their_collections() {
        for kind in RowKind::ALL {
            assert_eq!(Collection::ALL.iter().filter(|c| **c == Collection::Rows(*kind)).count(), 1, "{kind:?}");
        }
        assert_eq!(Collection::ALL.len(), RowKind::ALL.len() + 2);
        for collection in Collection::ALL {
            assert_eq!(Collection::named(collection.name()), Some(collection));
        }
        assert_eq!(Collection::named("nothing"), None);
    }

    #[test]
    fn an_account_keeps_its_hash_only_where_credentials_are_wanted() {
        let line = br#"{"id":1,"email":"ana@example.com","full_name":"Ana","role":"admin","is_active":true,"locale":"en","created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z","version":1,"password_hash":"$argon2id$x"}"#;
        let users = Collection::Rows(RowKind::User);
        let record = Record::parse(users, line).unwrap();
        let written = record.line().unwrap();
        assert_eq!(Record::parse(users, &written).unwrap(), record);
        assert!(String::from_utf8(written).unwrap().contains("$argon2id$x"));
        let without = record.without_credentials(users).unwrap().line().unwrap();
        assert!(String::from_utf8(without).unwrap().contains("\"password_hash\":null"));
    }
}
