//! Everything that is stored in rows of its own, and how rows are named.

use std::sync::Arc;

use quick_cache::Weighter;
use serde::{Deserialize, Serialize};

use crate::{
    activity::chain::ChainBlock,
    auth::model::{ApiToken, Digest32, Session},
    tickets::model::{Comment, Ticket},
    types::{CommentId, Seq, SessionId, TicketId, Timestamp, TokenId, UserId},
    users::{
        model::{Roster, Settings, SetupToken, User},
        preferences::Preferences,
    },
};

/// Weighs tickets that are kept in memory, by whatever key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TicketBytes;

impl<K> Weighter<K, Arc<Ticket>> for TicketBytes {
    fn weight(&self, _: &K, ticket: &Arc<Ticket>) -> u64 {
        ticket.bytes() as u64
    }
}

/// The key that signs access tokens: 32 random bytes, made at first start.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningSecret {
    /// The key.
    #[serde(with = "serde_bytes")]
    pub key: Vec<u8>,
    /// Always 1: it is never replaced.
    pub version: i64,
}

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningSecret")
    }
}

/// How far a reader of the log has come. Saving it never moves it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogCursor {
    /// The reader's name.
    pub name: String,
    /// The last entry that it has dealt with; 0 before the first.
    pub seq: Seq,
    /// Counts the changes of this row.
    pub version: i64,
}

/// Whose idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AnswerKey {
    /// The user who sent it.
    pub user_id: UserId,
    /// SHA-256 of the key.
    pub key: Digest32,
}

/// The first 2xx given to a request with an idempotency key, to be given again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Whose key.
    pub key: AnswerKey,
    /// SHA-256 of method, path and body.
    pub request: Digest32,
    /// The status.
    pub status: u16,
    /// The header `Location`.
    pub location: Option<String>,
    /// The header `ETag`.
    pub etag: Option<String>,
    /// The body, JSON.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
    /// When it was given; forgotten 24 hours later.
    pub at: Timestamp,
}

macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident($type:ty),)*) => {
        /// A stored row.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Row { $($(#[$doc])* $name($type),)* }

        $(impl From<$type> for Row {
            fn from(row: $type) -> Self {
                Self::$name(row)
            }
        })*

        /// A kind of row.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RowKind { $($(#[$doc])* $name,)* }

        impl RowKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }

        impl Row {
            /// What kind of row it is.
            #[must_use]
            pub const fn kind(&self) -> RowKind {
                match self { $(Self::$name(_) => RowKind::$name,)* }
            }

            /// Reads a row of this kind from JSON.
            ///
            /// # Errors
            /// What is wrong with it.
            pub fn from_json(kind: RowKind, json: &[u8]) -> Result<Self, serde_json::Error> {
                match kind { $(RowKind::$name => serde_json::from_slice::<$type>(json).map(Self::$name),)* }
            }
        }
    };
}

rows! {
    /// A ticket.
    Ticket(Ticket),
    /// A comment.
    Comment(Comment),
    /// An account.
    User(User),
    /// A session.
    Session(Session),
    /// An API token.
    ApiToken(ApiToken),
    /// The active admins.
    Roster(Roster),
    /// What admins have set.
    Settings(Settings),
    /// The right to make the first admin.
    SetupToken(SetupToken),
    /// The signing key.
    SigningSecret(SigningSecret),
    /// How far a reader of the log has come.
    LogCursor(LogCursor),
    /// A remembered answer.
    Answer(Answer),
    /// What a person keeps for the app.
    Preferences(Preferences),
    /// Links of the chain over the log.
    ChainBlock(ChainBlock),
}

/// The name of a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RowKey {
    /// A ticket.
    Ticket(TicketId),
    /// A comment, under its ticket.
    Comment(TicketId, CommentId),
    /// An account.
    User(UserId),
    /// A session.
    Session(SessionId),
    /// An API token.
    ApiToken(TokenId),
    /// The active admins.
    Roster,
    /// What admins have set.
    Settings,
    /// The right to make the first admin.
    SetupToken,
    /// The signing key.
    SigningSecret,
    /// How far a reader of the log has come.
    LogCursor(String),
    /// A remembered answer.
    Answer(AnswerKey),
    /// What a person keeps for the app.
    Preferences(UserId),
    /// The links that end with this entry's.
    ChainBlock(Seq),
}

impl Row {
    /// Its name.
    #[must_use]
    pub fn key(&self) -> RowKey {
        match self {
            Self::Ticket(row) => RowKey::Ticket(row.id),
            Self::Comment(row) => RowKey::Comment(row.ticket_id, row.id),
            Self::User(row) => RowKey::User(row.id),
            Self::Session(row) => RowKey::Session(row.id),
            Self::ApiToken(row) => RowKey::ApiToken(row.id),
            Self::Roster(_) => RowKey::Roster,
            Self::Settings(_) => RowKey::Settings,
            Self::SetupToken(_) => RowKey::SetupToken,
            Self::SigningSecret(_) => RowKey::SigningSecret,
            Self::LogCursor(row) => RowKey::LogCursor(row.name.clone()),
            Self::Answer(row) => RowKey::Answer(row.key),
            Self::Preferences(row) => RowKey::Preferences(row.user_id),
            Self::ChainBlock(row) => RowKey::ChainBlock(row.last),
        }
    }

    /// Its version; answers and links are written once.
    #[must_use]
    pub const fn version(&self) -> i64 {
        match self {
            Self::Ticket(row) => row.version,
            Self::Comment(row) => row.version,
            Self::User(row) => row.version,
            Self::Session(row) => row.version,
            Self::ApiToken(row) => row.version,
            Self::Roster(row) => row.version,
            Self::Settings(row) => row.version,
            Self::SetupToken(row) => row.version,
            Self::SigningSecret(row) => row.version,
            Self::LogCursor(row) => row.version,
            Self::Answer(_) | Self::ChainBlock(_) => 1,
            Self::Preferences(row) => row.version,
        }
    }

    /// Sets the version; what a store does to a row written under [`super::Expect::Any`].
    pub fn set_version(&mut self, version: i64) {
        match self {
            Self::Ticket(row) => row.version = version,
            Self::Comment(row) => row.version = version,
            Self::User(row) => row.version = version,
            Self::Session(row) => row.version = version,
            Self::ApiToken(row) => row.version = version,
            Self::Roster(row) => row.version = version,
            Self::Settings(row) => row.version = version,
            Self::SetupToken(row) => row.version = version,
            Self::SigningSecret(row) => row.version = version,
            Self::LogCursor(row) => row.version = version,
            Self::Answer(_) | Self::ChainBlock(_) => {}
            Self::Preferences(row) => row.version = version,
        }
    }
}
