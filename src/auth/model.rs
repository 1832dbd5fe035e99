//! Who acts: roles, actors, and what a session and an API token are.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    error::AppError,
    input::{Faults, FieldValue, choice},
    types::{Secret, SessionId, Timestamp, TokenId, UserId},
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

impl FieldValue for Role {
    fn from_json(value: serde_json::Value) -> Result<Self, Faults> {
        choice(&value, &Self::ALL, Self::name)
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

    /// Refuses requesters.
    ///
    /// # Errors
    /// Forbidden.
    pub fn require_staff(&self) -> Result<(), AppError> {
        if self.role.is_staff() { Ok(()) } else { Err(AppError::forbidden("This is for agents and admins.")) }
    }

    /// Refuses whoever is no admin.
    ///
    /// # Errors
    /// Forbidden.
    pub fn require_admin(&self) -> Result<(), AppError> {
        if self.role == Role::Admin { Ok(()) } else { Err(AppError::forbidden("This is for admins.")) }
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

impl ApiToken {
    /// Whether it can still be used.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// A session as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// Its id.
    pub id: SessionId,
    /// When it began.
    pub created_at: Timestamp,
    /// Last use, to the minute.
    pub last_used_at: Timestamp,
    /// When it ends unless it is used.
    pub expires_at: Timestamp,
    /// The client's address at sign-in.
    pub address: String,
    /// The client's name at sign-in.
    pub user_agent: String,
    /// Whether this request belongs to it.
    pub current: bool,
}

impl Session {
    /// This session as `actor`, its owner, sees it.
    #[must_use]
    pub fn view(&self, actor: &Actor) -> SessionView {
        SessionView {
            id: self.id,
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            expires_at: self.expires_at,
            address: self.address.clone(),
            user_agent: self.user_agent.clone(),
            current: actor.session == Some(self.id),
        }
    }
}

/// An API token as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiTokenView {
    /// Its id.
    pub id: TokenId,
    /// What it is for.
    pub name: String,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Last use, to the minute.
    pub last_used_at: Option<Timestamp>,
}

impl From<&ApiToken> for ApiTokenView {
    fn from(token: &ApiToken) -> Self {
        Self {
            id: token.id,
            name: token.name.clone(),
            expires_at: token.expires_at,
            created_at: token.created_at,
            last_used_at: token.last_used_at,
        }
    }
}

/// A new API token, with the secret that is shown this once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedToken {
    /// Its id.
    pub id: TokenId,
    /// What it is for.
    pub name: String,
    /// The token itself; it cannot be shown again.
    #[schema(example = "tqp_…")]
    pub token: String,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a sign-in and a refresh give.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TokenPair {
    /// To be sent as `Authorization: Bearer …`.
    pub access_token: String,
    /// Always `bearer`.
    #[schema(example = "bearer")]
    pub token_type: String,
    /// Seconds until the access token expires.
    pub expires_in: i64,
    /// Good for one refresh; absent when it is the cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub refresh_token: Option<String>,
}

crate::text_type! {
    /// What an API token is for: 1–100 characters after trimming.
    TokenName, 1, 100, true;
}

crate::input! {
    /// An API token to be made.
    #[derive(ToSchema)]
    pub struct NewApiToken {
        /// What it is for.
        name: TokenName,
        /// When it shall end by itself; never when left out.
        expires_at: Option<Timestamp>,
    }
}

crate::input! {
    /// Who wants to sign in, in the fields of the password form of `OAuth2`.
    #[derive(ToSchema)]
    pub struct Credentials {
        /// The e-mail address, in any case.
        username: String,
        /// The password.
        #[schema(value_type = String, format = Password)]
        password: Secret,
        /// Ignored.
        grant_type: Option<String>,
        /// Ignored.
        scope: Option<String>,
        /// Ignored.
        client_id: Option<String>,
        /// Ignored.
        #[schema(value_type = Option<String>)]
        client_secret: Option<Secret>,
    }
}

crate::input! {
    /// How the refresh token shall be kept.
    #[derive(IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct LoginOptions {
        /// `cookie`: in a cookie that scripts cannot read, instead of the body.
        #[param(inline)]
        session: Option<SessionKind>,
    }
}

/// How a refresh token is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum SessionKind {
    /// In a cookie.
    Cookie,
}

impl FieldValue for SessionKind {
    fn from_json(value: serde_json::Value) -> Result<Self, Faults> {
        choice(&value, &[Self::Cookie], |_| "cookie")
    }
}

crate::input! {
    /// A refresh token to be exchanged.
    #[derive(ToSchema)]
    pub struct RefreshRequest {
        /// The one handed out last; left out when it is in the cookie.
        #[schema(value_type = Option<String>)]
        refresh_token: Option<Secret>,
    }
}
