//! Tickets and comments: what they are, and what their rows, views and inputs look like. The rules that move a
//! ticket are in `rules.rs`, what people send in `inputs.rs`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::sla::{SlaTargets, compact};
use crate::{
    input::{Faults, FieldError, FieldValue, choice, text},
    types::{CommentId, TicketId, Timestamp, UserId},
};

/// Declares an ordered set of names: its order, its names on the wire, and how it is read from outside.
macro_rules! names {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $wire:tt,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $wire)] $variant,)* }

        impl $name {
            /// All of them, in order.
            pub const ALL: [Self; [$($wire),*].len()] = [$(Self::$variant),*];

            /// The name on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $wire,)* }
            }
        }

        impl FieldValue for $name {
            fn from_json(value: Value) -> Result<Self, Faults> {
                choice(&value, &Self::ALL, Self::name)
            }
        }
    };
}

names! {
    /// Where the work stands.
    Status {
        /// Nobody works on it yet.
        Open = "open",
        /// An agent works on it.
        InProgress = "in_progress",
        /// It waits for the requester or somebody else.
        Pending = "pending",
        /// Answered for good, as far as the agent knows.
        Resolved = "resolved",
        /// Over: it changes only by being reopened.
        Closed = "closed",
    }
}

impl Status {
    /// Whether somebody still has to do something.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Open | Self::InProgress | Self::Pending)
    }
}

names! {
    /// How urgent it is; ordered low < medium < high < critical.
    Priority {
        /// Can wait.
        Low = "low",
        /// The usual.
        Medium = "medium",
        /// Soon.
        High = "high",
        /// Now.
        Critical = "critical",
    }
}

names! {
    /// How a ticket came in; set by the server.
    Channel {
        /// The web app.
        Web = "web",
        /// Another client of the API.
        Api = "api",
        /// The command line on the machine itself.
        Cli = "cli",
        /// Brought over from another desk.
        Import = "import",
        /// The desk itself.
        System = "system",
    }
}

names! {
    /// How a service-level clock stands.
    Verdict {
        /// Still waiting, within time.
        Running = "running",
        /// Done in time.
        Met = "met",
        /// Not done in time.
        Breached = "breached",
        /// There is no such clock.
        None = "none",
    }
}

/// A ticket, as stored. Comment counts belong to the store: they are only ever added to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its id.
    pub id: TicketId,
    /// One line.
    pub title: String,
    /// Markdown.
    pub description: String,
    /// Where the work stands.
    pub status: Status,
    /// How urgent it is.
    pub priority: Priority,
    /// Ascending, unique, lower case.
    pub tags: Vec<String>,
    /// How it came in.
    pub channel: Channel,
    /// Whose request it is.
    pub creator_id: UserId,
    /// Who typed it.
    pub opened_by_id: UserId,
    /// Whose work it is.
    pub assigned_agent_id: Option<UserId>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When its own fields changed last, or a public comment was written, changed or deleted.
    pub updated_at: Timestamp,
    /// First public answer of somebody else than the requester, by staff.
    pub first_response_at: Option<Timestamp>,
    /// When that answer is due.
    pub first_response_due_at: Option<Timestamp>,
    /// When it was resolved, while it is.
    pub resolved_at: Option<Timestamp>,
    /// When the resolution is due.
    pub resolution_due_at: Option<Timestamp>,
    /// When it was resolved for the first time; kept for ever.
    pub first_resolved_at: Option<Timestamp>,
    /// When it was closed, while it is.
    pub closed_at: Option<Timestamp>,
    /// When it entered its status.
    pub status_since: Timestamp,
    /// How often it came back from resolved or closed.
    pub reopen_count: i64,
    /// The recorded verdict on the first response; `Running` until it is decided.
    pub first_response: Verdict,
    /// The recorded verdict on the resolution; `Running` until it is decided.
    pub resolution: Verdict,
    /// When the verdict on the first response was recorded.
    #[serde(default)]
    pub first_response_decided_at: Option<Timestamp>,
    /// When the verdict on the resolution was recorded.
    #[serde(default)]
    pub resolution_decided_at: Option<Timestamp>,
    /// The targets in force when it was opened.
    #[serde(with = "compact")]
    pub targets: SlaTargets,
    /// Public comments that are not deleted.
    pub public_comments: i64,
    /// Internal notes that are not deleted.
    pub internal_notes: i64,
    /// When it was put away, while it is.
    pub deleted_at: Option<Timestamp>,
    /// Counts the changes of the ticket's own fields.
    pub version: i64,
}

impl Ticket {
    /// Memory that it takes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let tags: usize = self.tags.iter().map(|tag| size_of::<String>() + tag.len()).sum();
        size_of::<Self>() + self.title.len() + self.description.len() + tags
    }
}

/// A comment or an internal note, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// Its id.
    pub id: CommentId,
    /// Its ticket.
    pub ticket_id: TicketId,
    /// Who wrote it.
    pub author_id: UserId,
    /// Markdown.
    pub content: String,
    /// Whether only staff may see it.
    pub is_internal: bool,
    /// When it was written.
    pub created_at: Timestamp,
    /// When its text changed last.
    pub updated_at: Timestamp,
    /// When it was deleted, if it is.
    pub deleted_at: Option<Timestamp>,
    /// Counts its changes.
    pub version: i64,
}

/// How the two service-level clocks of a ticket stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SlaState {
    /// The first public answer.
    pub first_response: Verdict,
    /// The resolution.
    pub resolution: Verdict,
}

/// A ticket as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TicketView {
    /// Its id.
    pub id: TicketId,
    /// One line.
    pub title: String,
    /// Markdown.
    pub description: String,
    /// The description as sanitised HTML; only with `?render=html`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description_html: Option<String>,
    /// Where the work stands.
    pub status: Status,
    /// How urgent it is.
    pub priority: Priority,
    /// Ascending, unique, lower case.
    pub tags: Vec<String>,
    /// How it came in.
    pub channel: Channel,
    /// Whose request it is.
    pub creator_id: UserId,
    /// Their name.
    pub creator_name: String,
    /// Who typed it.
    pub opened_by_id: UserId,
    /// Whose work it is.
    pub assigned_agent_id: Option<UserId>,
    /// Their name.
    pub assigned_agent_name: Option<String>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was last touched in public.
    pub updated_at: Timestamp,
    /// First public answer.
    pub first_response_at: Option<Timestamp>,
    /// When that is due.
    pub first_response_due_at: Option<Timestamp>,
    /// When it was resolved, while it is.
    pub resolved_at: Option<Timestamp>,
    /// When the resolution is due.
    pub resolution_due_at: Option<Timestamp>,
    /// When it was resolved for the first time.
    pub first_resolved_at: Option<Timestamp>,
    /// When it was closed, while it is.
    pub closed_at: Option<Timestamp>,
    /// When it entered its status.
    pub status_since: Timestamp,
    /// How often it came back from resolved or closed.
    pub reopen_count: i64,
    /// Comments that the caller may see.
    pub comment_count: i64,
    /// The service-level clocks.
    pub sla: SlaState,
    /// Counts the changes of the ticket's own fields.
    pub version: i64,
}

/// A comment as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommentView {
    /// Its id.
    pub id: CommentId,
    /// Its ticket.
    pub ticket_id: TicketId,
    /// Who wrote it.
    pub author_id: UserId,
    /// Their name.
    pub author_name: String,
    /// Markdown.
    pub content: String,
    /// The content as sanitised HTML; only with `?render=html`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub content_html: Option<String>,
    /// Whether only staff may see it.
    pub is_internal: bool,
    /// When it was written.
    pub created_at: Timestamp,
    /// When its text changed last.
    pub updated_at: Timestamp,
    /// Counts its changes; also its tag.
    pub version: i64,
}

/// A tag: 1–50 characters after trimming, in lower case, without a comma.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, min_length = 1, max_length = 50, example = "vpn")]
pub struct Tag(pub String);

impl FieldValue for Tag {
    fn from_json(value: Value) -> Result<Self, Faults> {
        let tag = text(value, 1, 50, true)?.to_lowercase();
        if tag.contains(',') {
            return Err(vec![FieldError::here("invalid", "must not contain a comma")]);
        }
        // Lower-casing may lengthen a text ("İ" becomes two characters).
        text(Value::String(tag), 1, 50, true).map(Self)
    }
}

/// The tags of a ticket: up to 20, unique, in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, Default, ToSchema)]
#[schema(value_type = Vec<Tag>, max_items = 20)]
pub struct Tags(pub Vec<String>);

impl Tags {
    /// The most that a ticket may have.
    pub const MAX: usize = 20;

    /// Orders tags and drops repetitions.
    #[must_use]
    pub fn new(tags: impl IntoIterator<Item = String>) -> Self {
        let mut tags: Vec<String> = tags.into_iter().collect();
        tags.sort_unstable();
        tags.dedup();
        Self(tags)
    }
}

impl FieldValue for Tags {
    fn from_json(value: Value) -> Result<Self, Faults> {
        let tags = Self::new(Vec::<Tag>::from_json(value)?.into_iter().map(|tag| tag.0));
        if tags.0.len() > Self::MAX {
            return Err(vec![FieldError::here("too_long", "must be at most 20 tags")]);
        }
        Ok(tags)
    }
}

/// What a bulk change did to one ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkResult {
    /// The ticket.
    pub id: TicketId,
    /// The status that this change would have had as a request of its own.
    pub status: u16,
    /// Why it was left out; absent when it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub detail: Option<String>,
}

/// What a bulk change did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkResults {
    /// In the order of `ids`.
    pub results: Vec<BulkResult>,
}
