//! The storage trait: one door for writes, nouns for reads. A use case hands over one [`Changes`] value; a store applies
//! all of it or none of it, makes it durable, and answers. Every backend interprets the same value.
//!
//! The contract, each sentence a test on every store: all or nothing · expectations are judged before any write · success
//! raises the version by one · a taken unique value is `Duplicate` · a commit is visible to the next read · pages are
//! ordered, without repeats or holes for rows unchanged meanwhile · a reader that follows the log by `seq` misses none and
//! sees none twice · ids are never issued twice, also across crashes · reopening keeps all.

pub mod aside;
pub(crate) mod asked;
mod changed;
mod changes;
pub mod fault;
mod fsck;
mod meters;
pub mod moment;
pub mod old_desk;
mod portable;
pub mod postgres;
mod rows;
pub mod sled;
pub mod transfer;

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use changes::{Addition, Changes, Committed, Expect, Write};
pub use fsck::FsckReport;
pub use meters::Meters;
pub use portable::{Collection, FORMAT, NextId, Place, Portable, Record, Snapshot, Sum, Tally, estimate};
pub use rows::{Answer, AnswerKey, LogCursor, Row, RowKey, RowKind, SigningSecret};

use crate::{
    activity::{chain::ChainBlock, model::Entry},
    analytics::figures::{Amount, Key, Kind, Span},
    auth::model::{ApiToken, Digest32, Session},
    config::{Config, StorageUrl},
    tickets::{
        model::{Comment, Priority, Status, Ticket},
        query::{SortKey, TicketQuery},
    },
    types::{CommentId, Email, Page, Seq, SessionId, Slice, TicketId, Timestamp, TokenId, UserId},
    users::{
        model::{Roster, Settings, SetupToken, User, UserQuery},
        preferences::Preferences,
    },
};

/// Why a store did not do what was asked. Whatever it is, nothing was written, but for [`StoreError::Unknown`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// An expectation or a guard does not hold any more: load and decide again.
    #[error("a row was changed meanwhile")]
    Stale,
    /// A unique value is taken.
    #[error("the {0} is taken")]
    Duplicate(Field),
    /// The queue is full; try again soon.
    #[error("the storage is busy")]
    Busy,
    /// The storage cannot be reached or does not work.
    #[error("the storage is not available: {0}")]
    Unavailable(String),
    /// The way to the storage was lost while it committed, and it could not be asked since: it may have happened or not.
    #[error("it is not known whether it was written: {0}")]
    Unknown(String),
    /// There is no room.
    #[error("the storage is full: {0}")]
    Full(String),
    /// Something stored cannot be understood.
    #[error("the storage is damaged: {0}")]
    Corrupt(String),
}

/// A unique value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// An account's e-mail address.
    Email,
    /// An idempotency key of a user.
    IdempotencyKey,
    /// An id that was not reserved.
    Id,
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Email => "e-mail address",
            Self::IdempotencyKey => "idempotency key",
            Self::Id => "id",
        })
    }
}

/// A kind of row that has ids of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdKind {
    /// Tickets.
    Ticket,
    /// Comments, counted over all tickets.
    Comment,
    /// Accounts.
    User,
    /// Sessions.
    Session,
    /// API tokens.
    Token,
}

impl IdKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ticket, Self::Comment, Self::User, Self::Session, Self::Token];
}

/// Whether the configured store is one that will be empty when it is opened, as far as that can be told without opening it.
#[must_use]
pub fn will_begin(config: &Config) -> bool {
    matches!(config.storage_url(), Ok(StorageUrl::Sled(dir)) if !sled::holds_a_store(&dir))
}

/// Opens the configured store, for a desk to work on.
///
/// # Errors
/// Why it cannot be opened; one that has only been filled in part is not.
pub async fn open(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    let part = || {
        StoreError::Unavailable(
            "it holds a part of a desk only: what was to fill it was broken off; run the same transfer or restore again".into(),
        )
    };
    let url = config.storage_url()?;
    if aside::is_claimed(&url).await? {
        return Err(part().into());
    }
    let store = open_with(config, url, config.storage.cache_mib).await?;
    if transfer::is_unfinished(store.as_ref()).await? {
        store.close().await?;
        return Err(part().into());
    }
    Ok(store)
}

/// What sled may keep in memory of a store that is read or written from one end to the other, in MiB: it looks at each page
/// once, or at those that it writes to at the moment.
const CACHE_OF_A_MOVE_MIB: u64 = 4;

/// Opens the store at another address than the configured one, to move a desk from or to there, whether it is complete or
/// not.
///
/// # Errors
/// Why it cannot be opened.
pub async fn open_at(config: &Config, url: StorageUrl) -> anyhow::Result<Arc<dyn Store>> {
    open_with(config, url, CACHE_OF_A_MOVE_MIB).await
}

async fn open_with(config: &Config, url: StorageUrl, cache_mib: u64) -> anyhow::Result<Arc<dyn Store>> {
    let storage = &config.storage;
    Ok(match url {
        StorageUrl::Sled(dir) => {
            let options = sled::Options { dir, cache_mib };
            tokio::task::spawn_blocking(move || sled::SledStore::open(options)).await??
        }
        StorageUrl::Postgres(url) => {
            let options = postgres::Options { url, connections: storage.connections, auto_migrate: storage.auto_migrate };
            postgres::PgStore::open(options).await?
        }
    })
}

/// Checks a storage that no desk works on.
///
/// # Errors
/// One that cannot be read.
pub async fn check(config: &Config, url: &StorageUrl) -> anyhow::Result<FsckReport> {
    Ok(match url {
        StorageUrl::Sled(dir) => {
            let options = sled::Options { dir: dir.clone(), cache_mib: config.storage.cache_mib };
            tokio::task::spawn_blocking(move || sled::fsck(&options, false)).await??
        }
        StorageUrl::Postgres(url) => postgres::fsck::fsck(url, false).await?,
    })
}

/// What every store can do.
#[async_trait]
pub trait Store: Tickets + Users + Sessions + Activities + Analytics + Portable + Send + Sync + 'static {
    /// The only write: all or nothing, durable when it returns.
    async fn commit(&self, changes: Changes) -> Result<Committed, StoreError>;

    /// An id for a row to be decided; never issued again, also after a crash.
    async fn reserve(&self, kind: IdKind) -> Result<i64, StoreError>;

    /// Whether the instance `holder` may do what only one instance shall do, for so many seconds from now: it is the first to
    /// ask, it has the lease already, or the one that had it has let it expire. Who shares its storage with nobody always may.
    async fn lease(&self, name: &str, holder: i64, seconds: u32) -> Result<bool, StoreError> {
        let _ = (name, holder, seconds);
        Ok(true)
    }

    /// Whether it can read and write, really.
    async fn ready(&self) -> Result<(), StoreError>;

    /// What it tells of its work, for `/metrics`.
    fn meters(&self) -> &Meters;

    /// Bytes that the data takes where it is stored.
    async fn size_bytes(&self) -> Result<u64, StoreError>;

    /// Finishes what is under way and lets go of the storage. Later calls are `Unavailable`.
    async fn close(&self) -> Result<(), StoreError>;
}

/// Reading tickets and comments.
#[async_trait]
pub trait Tickets {
    /// A ticket, also a deleted one.
    async fn ticket(&self, id: TicketId) -> Result<Option<Arc<Ticket>>, StoreError>;

    /// A page of a list, in its order.
    async fn tickets(&self, query: &TicketQuery, page: Page<SortKey>) -> Result<Slice<Arc<Ticket>, SortKey>, StoreError>;

    /// The state that tickets, comments and the names of accounts are in, which lists are made of, or one before it: states have numbers
    /// that grow. What is read from here on is of this state or of a later one.
    async fn lists_state(&self) -> Result<u64, StoreError>;

    /// Whether a list of which a page with these tickets was read after it had been in this state is as it was: its tickets, their order,
    /// their number; and these and their names. `false` also when that is not known.
    async fn is_still(&self, state: u64, query: &TicketQuery, shown: &[TicketId]) -> Result<bool, StoreError>;

    /// A comment of a ticket, also a deleted one.
    async fn comment(&self, ticket: TicketId, id: CommentId) -> Result<Option<Comment>, StoreError>;

    /// The comments of a ticket that are not deleted, oldest first, with internal notes or without.
    async fn comments(&self, ticket: TicketId, notes: bool, page: Page<CommentId>) -> Result<Slice<Comment, CommentId>, StoreError>;
}

/// Reading people and settings.
#[async_trait]
pub trait Users {
    /// An account.
    async fn user(&self, id: UserId) -> Result<Option<Arc<User>>, StoreError>;

    /// The account with this address.
    async fn user_by_email(&self, email: &Email) -> Result<Option<Arc<User>>, StoreError>;

    /// A page of accounts, by id.
    async fn users(&self, query: &UserQuery, page: Page<UserId>) -> Result<Slice<Arc<User>, UserId>, StoreError>;

    /// The full names of accounts.
    async fn names(&self, ids: &[UserId]) -> Result<HashMap<UserId, String>, StoreError>;

    /// What a person keeps for the app, once there is something.
    async fn preferences(&self, user: UserId) -> Result<Option<Preferences>, StoreError>;

    /// The active admins.
    async fn roster(&self) -> Result<Roster, StoreError>;

    /// What admins have set.
    async fn settings(&self) -> Result<Arc<Settings>, StoreError>;

    /// The right to make the first admin, when one was printed.
    async fn setup_token(&self) -> Result<Option<SetupToken>, StoreError>;

    /// The key that signs access tokens, once made.
    async fn signing_secret(&self) -> Result<Option<SigningSecret>, StoreError>;
}

/// Reading sessions, tokens and remembered answers.
#[async_trait]
pub trait Sessions {
    /// A session.
    async fn session(&self, id: SessionId) -> Result<Option<Arc<Session>>, StoreError>;

    /// A user's sessions, by id, expired ones included.
    async fn sessions_of(&self, user: UserId) -> Result<Vec<Arc<Session>>, StoreError>;

    /// Up to `limit` sessions that expired before `now`.
    async fn expired_sessions(&self, now: Timestamp, limit: usize) -> Result<Vec<SessionId>, StoreError>;

    /// The API token with this hash.
    async fn api_token(&self, hash: &Digest32) -> Result<Option<Arc<ApiToken>>, StoreError>;

    /// A user's API tokens, by id.
    async fn api_tokens_of(&self, user: UserId) -> Result<Vec<Arc<ApiToken>>, StoreError>;

    /// An API token by its id.
    async fn api_token_by_id(&self, id: TokenId) -> Result<Option<Arc<ApiToken>>, StoreError>;

    /// The answer remembered for an idempotency key.
    async fn answer(&self, key: &AnswerKey) -> Result<Option<Answer>, StoreError>;

    /// Up to `limit` answers given before `before`.
    async fn old_answers(&self, before: Timestamp, limit: usize) -> Result<Vec<AnswerKey>, StoreError>;
}

/// A stretch of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryQuery {
    /// Of one ticket only.
    pub ticket: Option<TicketId>,
    /// With the entries of internal notes.
    pub internal: bool,
    /// Where from and in which direction.
    pub from: From,
    /// At most so many.
    pub limit: usize,
}

/// Where a stretch of the log begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// After this entry, oldest first.
    After(Seq),
    /// Before this entry, newest first.
    Before(Seq),
}

/// Reading the log.
#[async_trait]
pub trait Activities {
    /// A stretch of the log. Without a ticket it ends at [`Self::durable_seq`], so that a follower never sees an entry
    /// that a power cut could take back.
    async fn entries(&self, query: &EntryQuery) -> Result<Vec<Entry>, StoreError>;

    /// How many entries a ticket has.
    async fn count_entries(&self, ticket: TicketId, internal: bool) -> Result<usize, StoreError>;

    /// The last durable entry, and a signal at each advance.
    fn durable_seq(&self) -> watch::Receiver<Seq>;

    /// How far the reader `name` has come; 0 when it has not begun.
    async fn cursor(&self, name: &str) -> Result<LogCursor, StoreError>;

    /// The links of the entries after `after`, in blocks that end after it, in their order; at most `limit` blocks.
    async fn chain(&self, after: Seq, limit: usize) -> Result<Vec<ChainBlock>, StoreError>;
}

/// How old the work is that waits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Active tickets past a due time that they still wait for.
    pub overdue: i64,
    /// For each instant asked for: active tickets opened then or earlier.
    pub opened_by: Vec<i64>,
    /// When the oldest active ticket was opened.
    pub oldest: Option<Timestamp>,
}

/// How many tickets there are, deleted ones not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TicketStats([[i64; Priority::ALL.len()]; Status::ALL.len()]);

impl TicketStats {
    /// Reads them off the counters of [`Kind::Tickets`]; others are passed over.
    #[must_use]
    pub fn new(counters: &[(Key, Amount)]) -> Self {
        let mut stats = Self::default();
        for (key, amount) in counters.iter().filter(|(key, _)| key.kind == Kind::Tickets) {
            let row = usize::try_from(key.at).ok().and_then(|at| stats.0.get_mut(at));
            if let Some(count) = row.and_then(|row| row.get_mut(usize::try_from(key.of).ok()?)) {
                *count += amount.tickets;
            }
        }
        stats
    }

    /// With this status and this priority.
    #[must_use]
    pub const fn count(&self, status: Status, priority: Priority) -> i64 {
        self.0[status as usize][priority as usize]
    }

    /// With this status.
    #[must_use]
    pub fn with_status(&self, status: Status) -> i64 {
        self.0[status as usize].iter().sum()
    }

    /// With this priority.
    #[must_use]
    pub fn with_priority(&self, priority: Priority) -> i64 {
        Status::ALL.into_iter().map(|status| self.count(status, priority)).sum()
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> i64 {
        Status::ALL.into_iter().map(|status| self.with_status(status)).sum()
    }
}

/// Reading the counters of [`crate::analytics::figures`], which every commit moves by
/// [`moves`](crate::analytics::figures::moves) of each ticket that it writes. No read looks at more than the counters asked
/// for, however many tickets there are.
#[async_trait]
pub trait Analytics {
    /// The counters of these spans that are not zero, all as of one moment: span by span, each in the order of the names,
    /// a merged one by `of`.
    async fn counters(&self, spans: &[Span]) -> Result<Vec<(Key, Amount)>, StoreError>;

    /// The state that counters and names are in: another number once one of them may have changed, and never the same
    /// again. `None` while a change is under way, and from a store that cannot tell.
    async fn revision(&self) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }

    /// How old the active tickets are, exactly: counters for whole hours, rows only within the hours that the asked-for
    /// instants divide.
    async fn backlog(&self, now: Timestamp, opened_by: &[Timestamp]) -> Result<Backlog, StoreError>;

    /// How many tickets there are by status and priority, from their counters.
    async fn ticket_stats(&self) -> Result<TicketStats, StoreError> {
        Ok(TicketStats::new(&self.counters(&[Span::all(Kind::Tickets)]).await?))
    }
}
