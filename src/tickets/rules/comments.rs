//! The rules of comments and internal notes: who may write, change and delete them, and what that does to their ticket.

use serde_json::{Value, json};

use crate::{
    activity::model::{Action, Facts, NewEntry, text_value},
    auth::model::{Actor, Role},
    error::AppError,
    tickets::{
        inputs::NewComment,
        model::{Comment, Status, Ticket},
    },
    types::{CommentId, Timestamp},
};

/// What [`Ticket::comment`] decided.
#[derive(Debug)]
pub struct Commented {
    /// The comment to insert.
    pub comment: Comment,
    /// Its entry, to be written first.
    pub entry: NewEntry,
    /// The ticket and its entry, when the comment moves it.
    pub moved: Option<(Ticket, NewEntry)>,
}

impl Ticket {
    /// Whether this comment may be written by `actor`, who sees the ticket.
    ///
    /// # Errors
    /// Forbidden for a requester's internal note; conflict for a public comment on a closed ticket.
    pub fn may_get(&self, actor: &Actor, new: &NewComment) -> Result<(), AppError> {
        let internal = new.is_internal.unwrap_or(false);
        if internal && !actor.role.is_staff() {
            return Err(AppError::forbidden("Only agents and admins may write internal notes."));
        }
        self.open_for_comments(internal)
    }

    /// What a comment does: the comment itself, the ticket where the comment moves it, and their entries.
    ///
    /// # Errors
    /// As [`Self::may_get`].
    pub fn comment(&self, id: CommentId, new: NewComment, actor: &Actor, now: Timestamp) -> Result<Commented, AppError> {
        let author_id = actor.require_id()?;
        self.may_get(actor, &new)?;
        let is_internal = new.is_internal.unwrap_or(false);
        let comment = Comment {
            id,
            ticket_id: self.id,
            author_id,
            content: new.content.0,
            is_internal,
            created_at: now,
            updated_at: now,
            deleted_at: None,
            version: 1,
        };
        let mut next = self.clone();
        if !is_internal {
            let by_requester = author_id == self.creator_id;
            if by_requester && (self.status == Status::Pending || (self.status == Status::Resolved && actor.role == Role::User)) {
                next.enter(if self.assigned_agent_id.is_some() { Status::InProgress } else { Status::Open }, now);
            }
            if actor.role.is_staff() && !by_requester && self.first_response_at.is_none() {
                next.first_response_at = Some(now);
                next.decide_first_response(now);
            }
        }
        let moved = self.entry_for(&next, actor, now).map(|entry| (next.stamped(now), entry));
        let after = moved.as_ref().map_or(self, |(ticket, _)| ticket);
        let entry = comment
            .entry(Action::CommentCreated, actor, self, after, now)
            .changed("content", Value::Null, text_value(&comment.content))
            .changed("is_internal", Value::Null, json!(is_internal));
        Ok(Commented { comment, entry, moved })
    }

    /// Whether comments of this kind may be written, changed and deleted.
    ///
    /// # Errors
    /// Conflict for public ones on a closed ticket.
    pub fn open_for_comments(&self, internal: bool) -> Result<(), AppError> {
        if self.status == Status::Closed && !internal { Err(AppError::closed()) } else { Ok(()) }
    }
}

impl Comment {
    /// Whether `actor`, who sees the ticket, may see this comment of it.
    ///
    /// # Errors
    /// Not found.
    pub fn visible_to(&self, actor: &Actor) -> Result<(), AppError> {
        if self.deleted_at.is_none() && (!self.is_internal || actor.role.is_staff()) { Ok(()) } else { Err(AppError::not_found()) }
    }

    /// Whether `actor` may change or delete it.
    ///
    /// # Errors
    /// Forbidden for everybody but its author and admins.
    pub fn may_change(&self, actor: &Actor) -> Result<(), AppError> {
        if actor.is(self.author_id) || actor.role == Role::Admin {
            Ok(())
        } else {
            Err(AppError::forbidden("Only its author and admins may change or delete a comment."))
        }
    }

    /// The comment with another text; `None` when it is the same.
    #[must_use]
    pub fn edit(&self, content: &str, actor: &Actor, ticket: &Ticket, now: Timestamp) -> Option<(Self, NewEntry)> {
        if content == self.content {
            return None;
        }
        let next = Self { content: content.to_owned(), updated_at: now, version: self.version + 1, ..self.clone() };
        let entry = self.entry(Action::CommentUpdated, actor, ticket, ticket, now).changed(
            "content",
            text_value(&self.content),
            text_value(content),
        );
        Some((next, entry))
    }

    /// The comment deleted.
    #[must_use]
    pub fn delete(&self, actor: &Actor, ticket: &Ticket, now: Timestamp) -> (Self, NewEntry) {
        let next = Self { deleted_at: Some(now), version: self.version + 1, ..self.clone() };
        let entry =
            self.entry(Action::CommentDeleted, actor, ticket, ticket, now).changed("content", text_value(&self.content), Value::Null);
        (next, entry)
    }

    fn entry(&self, action: Action, actor: &Actor, before: &Ticket, after: &Ticket, now: Timestamp) -> NewEntry {
        let facts = Facts { author_role: Some(actor.role), ..Facts::of(before, after) };
        NewEntry::new(action, actor, now).about_ticket(self.ticket_id, facts).about_comment(self.id, self.is_internal)
    }
}
