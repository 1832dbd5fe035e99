//! The activity log: who did what to what, and when. An entry is written in the commit of the change that it tells
//! of, and never changed. It is also the outbox: whatever leaves the process is derived from it.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::chain::hex;
use crate::{
    auth::model::{Actor, Role, Via},
    tickets::model::{Channel, Priority, Status, Ticket},
    types::{CommentId, Seq, TicketId, Timestamp, UserId},
};

/// Texts longer than this many characters appear in `changes` as length and digest.
const LONGEST_TEXT: usize = 1_000;

/// Declares the actions with the names that they have on the wire.
macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $wire:tt,)*) => {
        /// What happened. Clients must accept names that they do not know.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        pub enum Action { $($(#[$doc])* #[serde(rename = $wire)] $name,)* }

        impl Action {
            /// The name on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }
        }
    };
}

actions! {
    /// A ticket was opened.
    TicketCreated = "ticket.created",
    /// Fields other than status and assignee changed.
    TicketUpdated = "ticket.updated",
    /// The status changed, perhaps with other fields.
    TicketStatusChanged = "ticket.status_changed",
    /// The assignee changed, perhaps with other fields.
    TicketAssigned = "ticket.assigned",
    /// The ticket was put away.
    TicketDeleted = "ticket.deleted",
    /// The ticket was brought back.
    TicketRestored = "ticket.restored",
    /// A comment or an internal note was written.
    CommentCreated = "comment.created",
    /// Its text changed.
    CommentUpdated = "comment.updated",
    /// It was deleted.
    CommentDeleted = "comment.deleted",
    /// Somebody registered an account.
    UserRegistered = "user.registered",
    /// An admin made an account.
    UserCreated = "user.created",
    /// A profile or a role changed.
    UserUpdated = "user.updated",
    /// The account was closed.
    UserDeactivated = "user.deactivated",
    /// The account was opened again.
    UserReactivated = "user.reactivated",
    /// The password changed.
    UserPasswordChanged = "user.password_changed",
    /// A sign-in.
    UserLoggedIn = "user.logged_in",
    /// A sign-out.
    UserLoggedOut = "user.logged_out",
    /// Failed sign-ins: at most one entry a minute for an account and address, with a count.
    UserLoginFailed = "user.login_failed",
    /// A session was ended by something else than its own sign-out.
    SessionRevoked = "session.revoked",
    /// An API token was made.
    TokenCreated = "token.created",
    /// An API token was withdrawn.
    TokenRevoked = "token.revoked",
    /// The desk's settings changed.
    SettingsUpdated = "settings.updated",
    /// The first admin was made.
    SetupCompleted = "setup.completed",
}

/// Who did it, as known when it was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActorRef {
    /// The account; null for the system and for strangers.
    pub id: Option<UserId>,
    /// Its full name at the time.
    pub name: String,
    /// By which door.
    pub via: Via,
}

impl ActorRef {
    /// The desk itself.
    #[must_use]
    pub fn system() -> Self {
        Self { id: None, name: "system".into(), via: Via::System }
    }
}

impl From<&Actor> for ActorRef {
    fn from(actor: &Actor) -> Self {
        Self { id: actor.id, name: actor.name.to_string(), via: actor.via }
    }
}

/// What changed: field → [value before, value after].
pub type FieldChanges = BTreeMap<Cow<'static, str>, [Value; 2]>;

/// What the log's readers (metrics, live events) need beside the changes, as it was after the event. It is not
/// shown by the API; it makes every later derivation possible from the log alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The ticket's state after the event.
    pub status: Option<Status>,
    /// Its priority after the event.
    pub priority: Option<Priority>,
    /// How it came in.
    pub channel: Option<Channel>,
    /// Whose request it is; decides which requester may see the entry.
    pub creator_id: Option<UserId>,
    /// Its agent after the event.
    pub assigned_agent_id: Option<UserId>,
    /// When it was opened.
    pub created_at: Option<Timestamp>,
    /// When it entered the status that it had before the event.
    pub status_since: Option<Timestamp>,
    /// The role of whoever commented.
    pub author_role: Option<Role>,
}

impl Facts {
    /// The facts of a ticket that an event has moved from `before` to `after`.
    #[must_use]
    pub fn of(before: &Ticket, after: &Ticket) -> Self {
        Self {
            status: Some(after.status),
            priority: Some(after.priority),
            channel: Some(after.channel),
            creator_id: Some(after.creator_id),
            assigned_agent_id: after.assigned_agent_id,
            created_at: Some(after.created_at),
            status_since: Some(before.status_since),
            author_role: None,
        }
    }
}

/// An entry to be written; the store gives it its `seq`.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEntry {
    /// When it happened.
    pub at: Timestamp,
    /// Who did it.
    pub actor: ActorRef,
    /// What it was.
    pub action: Action,
    /// The ticket concerned.
    pub ticket_id: Option<TicketId>,
    /// The comment concerned.
    pub comment_id: Option<CommentId>,
    /// The account concerned.
    pub user_id: Option<UserId>,
    /// What changed.
    pub changes: FieldChanges,
    /// Whether requesters must not see it.
    pub internal: bool,
    /// For the log's readers.
    pub facts: Facts,
}

impl NewEntry {
    /// An entry about nothing yet; the `about_…` methods say what it concerns.
    #[must_use]
    pub fn new(action: Action, actor: impl Into<ActorRef>, at: Timestamp) -> Self {
        Self {
            at,
            actor: actor.into(),
            action,
            ticket_id: None,
            comment_id: None,
            user_id: None,
            changes: FieldChanges::new(),
            internal: false,
            facts: Facts::default(),
        }
    }

    /// It concerns this account.
    #[must_use]
    pub fn about_user(mut self, id: UserId) -> Self {
        self.user_id = Some(id);
        self
    }

    /// It concerns this ticket, with the facts of it.
    #[must_use]
    pub fn about_ticket(mut self, id: TicketId, facts: Facts) -> Self {
        self.ticket_id = Some(id);
        self.facts = facts;
        self
    }

    /// It concerns this comment of its ticket; an internal note's entry is hidden from requesters.
    #[must_use]
    pub fn about_comment(mut self, id: CommentId, internal: bool) -> Self {
        self.comment_id = Some(id);
        self.internal = internal;
        self
    }

    /// Adds one changed field.
    #[must_use]
    pub fn changed(mut self, field: impl Into<Cow<'static, str>>, before: Value, after: Value) -> Self {
        self.changes.insert(field.into(), [before, after]);
        self
    }

    /// Adds changed fields.
    #[must_use]
    pub fn with_changes(mut self, changes: FieldChanges) -> Self {
        self.changes.extend(changes);
        self
    }
}

/// An entry of the log, as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place in the log, strictly growing, without holes.
    pub seq: Seq,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it.
    pub actor: ActorRef,
    /// What it was.
    pub action: Action,
    /// The ticket concerned.
    pub ticket_id: Option<TicketId>,
    /// The comment concerned.
    pub comment_id: Option<CommentId>,
    /// The account concerned.
    pub user_id: Option<UserId>,
    /// What changed.
    pub changes: FieldChanges,
    /// Whether requesters must not see it.
    #[serde(default)]
    pub internal: bool,
    /// For the log's readers.
    #[serde(default)]
    pub facts: Facts,
    /// The chain of rules that led to it; empty for what people do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cause: Vec<i64>,
}

impl Entry {
    /// Gives an entry its place in the log.
    #[must_use]
    pub fn at_seq(seq: Seq, new: NewEntry) -> Self {
        let NewEntry { at, actor, action, ticket_id, comment_id, user_id, changes, internal, facts } = new;
        Self { seq, at, actor, action, ticket_id, comment_id, user_id, changes, internal, facts, cause: Vec::new() }
    }
}

/// An entry as the API shows it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EntryView {
    /// Its place in the log, strictly growing.
    #[schema(value_type = i64)]
    pub seq: Seq,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it.
    pub actor: ActorRef,
    /// What it was.
    pub action: Action,
    /// The ticket concerned.
    pub ticket_id: Option<TicketId>,
    /// The comment concerned.
    pub comment_id: Option<CommentId>,
    /// The account concerned.
    pub user_id: Option<UserId>,
    /// Field → [value before, value after]. Texts over 1,000 characters stand as `{"length", "sha256"}`.
    #[schema(value_type = BTreeMap<String, Vec<Value>>)]
    pub changes: FieldChanges,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        let Entry { seq, at, actor, action, ticket_id, comment_id, user_id, changes, .. } = entry;
        Self { seq, at, actor, action, ticket_id, comment_id, user_id, changes }
    }
}

/// A text as it stands in `changes`: itself, or length and SHA-256 when it is longer than 1,000 characters.
#[must_use]
pub fn text_value(text: &str) -> Value {
    let length = text.chars().count();
    if length <= LONGEST_TEXT {
        return Value::from(text);
    }
    json!({ "length": length, "sha256": hex(&Sha256::digest(text.as_bytes())) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_stand_as_length_and_digest() {
        assert_eq!(text_value(&"é".repeat(1_000)), Value::from("é".repeat(1_000)));
        let long = text_value(&"é".repeat(1_001));
        assert_eq!(long["length"], 1_001);
        assert_eq!(long["sha256"].as_str().unwrap().len(), 64);
    }

    #[test]
    fn an_action_is_written_by_its_name() {
        assert_eq!(serde_json::to_value(Action::TicketStatusChanged).unwrap(), "ticket.status_changed");
        assert_eq!(Action::TicketStatusChanged.name(), "ticket.status_changed");
    }
}
