//! Who acts: roles, actors, and what a session and an API token are.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    error::AppError,
    types::{SessionId, Timestamp, TokenId, UserId},
    users::model::User,
};

/// What somebody may do in general.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A requester: sees own tickets only.
    User,
    /// Works on all tickets.
    Agent,
    /// An agent who also manages people and settings.
    Admin,
}

impl Role {
    /// Every role, from the least to the most mighty.
    pub const ALL: [Self; 3] = [Self::User, Self::Agent, Self::Admin];

    /// Agents and admins.
    #[must_use]
    pub const fn is_staff(self) -> bool {
        matches!(self, Self::Agent | Self::Admin)
    }

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Agent => "agent",
            Self::Admin => "admin",
        }
    }
}

/// By which door somebody came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// A sign-in.
    Session,
    /// An API token.
    ApiToken,
    /// The command line, on the machine itself.
    Cli,
    /// The desk.
    System,
}

/// Whoever makes a request, as their account stands right now.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The account; none for the command line and for the system.
    pub id: Option<UserId>,
    /// Full name.
    pub name: Arc<str>,
    /// The role that the account has now, not the one that it had when the token was made.
    pub role: Role,
    /// By which door.
    pub via: Via,
    /// The session, when there is one.
    pub session: Option<SessionId>,
    /// Whether that session is the web app's (its refresh token is a cookie).
    pub cookie: bool,
}

impl Actor {
    /// The administrator of the machine, at its command line.
    #[must_use]
    pub fn cli() -> Self {
        Self { id: None, name: "command line".into(), role: Role::Admin, via: Via::Cli, session: None, cookie: false }
    }

    /// Somebody with an account.
    #[must_use]
    pub fn person(user: &User, via: Via, session: Option<&Session>) -> Self {
        Self {
            id: Some(user.id),
            name: user.full_name.as_str().into(),
            role: user.role,
            via,
            session: session.map(|s| s.id),
            cookie: session.is_some_and(|s| s.cookie),
        }
    }

    /// The account's id.
    ///
    /// # Errors
    /// Forbidden for whoever has no account (the command line): such an actor owns nothing.
    pub fn require_id(&self) -> Result<UserId, AppError> {
        self.id.ok_or_else(|| AppError::forbidden("This needs an account."))
    }

    /// Whether this is the account `id`.
    #[must_use]
    pub fn is(&self, id: UserId) -> bool {
        self.id == Some(id)
    }
}

/// A SHA-256 digest of a secret: secrets themselves are never stored.
pub type Digest32 = [u8; 32];

/// A refresh token of a session that can still be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveToken {
    /// SHA-256 of the token.
    pub hash: Digest32,
    /// When it was handed out.
    pub issued_at: Timestamp,
}

/// A refresh token that has been used, while its grace lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpentToken {
    /// SHA-256 of the token.
    pub hash: Digest32,
    /// When it was first used.
    pub spent_at: Timestamp,
}

/// A sign-in and its family of refresh tokens. Ending a session deletes the row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id, carried by its access tokens.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// SHA-256 of the secret that all refresh tokens of this family share: whoever shows it without a live token reuses a spent one.
    pub family: Digest32,
    /// Refresh tokens that can still be used: one, or a few within the grace after a lost answer.
    pub live: Vec<LiveToken>,
    /// Tokens spent within the grace.
    pub spent: Vec<SpentToken>,
    /// Whether the refresh token is the web app's cookie.
    pub cookie: bool,
    /// When it began.
    pub created_at: Timestamp,
    /// Last use, to the minute.
    pub last_used_at: Timestamp,
    /// When its last refresh token expires.
    pub expires_at: Timestamp,
    /// The client's address at sign-in.
    pub address: String,
    /// The client's name at sign-in, cut to 200 characters.
    pub user_agent: String,
    /// Counts the changes of this row.
    pub version: i64,
}

/// A long-lived API token; the secret itself is shown once and not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// Its id.
    pub id: TokenId,
    /// Whose rights it has.
    pub user_id: UserId,
    /// What it is for.
    pub name: String,
    /// SHA-256 of the token.
    pub hash: Digest32,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Last use, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// Counts the changes of this row.
    pub version: i64,
}
