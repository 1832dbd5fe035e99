//! The rules that move a ticket: who may do what, and what it does to status, clocks and counts. All pure: `now`,
//! the actor and reserved ids come in as arguments.

mod comments;
#[cfg(test)]
mod tests;
mod view;

use serde_json::{Value, json};

pub use self::comments::Commented;
use super::{
    inputs::{BulkFields, NewTicket, TicketChange},
    model::{Channel, Priority, Status, Tags, Ticket, Verdict},
    query::Scope,
    sla::SlaTargets,
};
use crate::{
    activity::model::{Action, Facts, FieldChanges, NewEntry, text_value},
    auth::model::{Actor, Role, Via},
    error::AppError,
    types::{TicketId, Timestamp, UserId},
    users::model::User,
};

impl Actor {
    /// Which tickets this actor may see.
    ///
    /// # Errors
    /// Forbidden for a requester without an account, which does not exist.
    pub fn scope(&self) -> Result<Scope, AppError> {
        if self.role.is_staff() { Ok(Scope::All) } else { self.require_id().map(Scope::Requester) }
    }

    /// The channel of the tickets that this actor opens.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        match self.via {
            Via::Session if self.cookie => Channel::Web,
            Via::Session | Via::ApiToken => Channel::Api,
            Via::Cli => Channel::Cli,
            Via::System => Channel::System,
        }
    }
}

/// Whether `actor` may open tickets that are requests of `creator`.
///
/// # Errors
/// Forbidden for requesters on behalf of somebody else, whether that account exists or not.
pub fn may_open_for(actor: &Actor, creator: UserId) -> Result<(), AppError> {
    if actor.is(creator) || actor.role.is_staff() {
        Ok(())
    } else {
        Err(AppError::forbidden("Only agents and admins may open tickets on behalf of others."))
    }
}

/// Whether tickets may be opened on behalf of `creator`.
///
/// # Errors
/// Bad request for a deactivated account.
pub fn may_be_helped(creator: &User) -> Result<(), AppError> {
    if creator.is_active {
        Ok(())
    } else {
        Err(AppError::bad_request("inactive-creator", "The account on whose behalf the ticket is opened is deactivated."))
    }
}

/// Whether a ticket may be assigned to `agent`.
///
/// # Errors
/// Bad request for whoever is not an active agent or admin.
pub fn may_be_assigned(agent: &User) -> Result<(), AppError> {
    if agent.is_active && agent.role.is_staff() {
        Ok(())
    } else {
        Err(AppError::bad_request("not-an-agent", "A ticket can only be assigned to an active agent or admin."))
    }
}

/// What a ticket begins with.
#[derive(Debug, Clone)]
pub struct FirstState {
    /// Its title.
    pub title: String,
    /// What it is about.
    pub description: String,
    /// How urgent it is.
    pub priority: Priority,
    /// Its tags, in their stored form.
    pub tags: Vec<String>,
    /// How it came.
    pub channel: Channel,
    /// The requester.
    pub creator_id: UserId,
    /// Whoever typed it.
    pub opened_by_id: UserId,
    /// When that was.
    pub created_at: Timestamp,
}

impl Ticket {
    /// A ticket that nobody has touched since it was opened.
    #[must_use]
    pub fn untouched(id: TicketId, first: FirstState, targets: SlaTargets, clock: Verdict) -> Self {
        let FirstState { title, description, priority, tags, channel, creator_id, opened_by_id, created_at } = first;
        Self {
            id,
            title,
            description,
            status: Status::Open,
            priority,
            tags,
            channel,
            creator_id,
            opened_by_id,
            assigned_agent_id: None,
            created_at,
            updated_at: created_at,
            first_response_at: None,
            first_response_due_at: None,
            resolved_at: None,
            resolution_due_at: None,
            first_resolved_at: None,
            closed_at: None,
            status_since: created_at,
            reopen_count: 0,
            first_response: clock,
            resolution: clock,
            first_response_decided_at: None,
            resolution_decided_at: None,
            targets,
            public_comments: 0,
            internal_notes: 0,
            deleted_at: None,
            version: 1,
        }
    }

    /// Opens a ticket: `creator` is the requester, `actor` whoever types it.
    ///
    /// # Errors
    /// Forbidden for an actor without an account.
    pub fn open(
        id: TicketId,
        new: NewTicket,
        actor: &Actor,
        creator: &User,
        targets: SlaTargets,
        now: Timestamp,
    ) -> Result<(Self, NewEntry), AppError> {
        let opened_by_id = actor.require_id()?;
        let clock = if creator.role.is_staff() && opened_by_id == creator.id { Verdict::None } else { Verdict::Running };
        let first = FirstState {
            title: new.title.0,
            description: new.description.0,
            priority: new.priority.unwrap_or(Priority::Medium),
            tags: new.tags.unwrap_or_default().0,
            channel: actor.channel(),
            creator_id: creator.id,
            opened_by_id,
            created_at: now,
        };
        let mut ticket = Self::untouched(id, first, targets, clock);
        ticket.set_due_times();
        let changes =
            ticket.tracked().into_iter().filter(|(_, value)| !value.is_null()).map(|(field, value)| (field.into(), [Value::Null, value]));
        let entry = NewEntry::new(Action::TicketCreated, actor, now)
            .with_changes(changes.collect())
            .changed("creator_id", Value::Null, json!(creator.id))
            .about_ticket(id, Facts::of(&ticket, &ticket));
        Ok((ticket, entry))
    }

    /// Whether `actor` may see it at all; who may not is told that it does not exist.
    ///
    /// # Errors
    /// Not found.
    pub fn visible_to(&self, actor: &Actor) -> Result<(), AppError> {
        if self.deleted_at.is_none() && actor.scope()?.covers(self) { Ok(()) } else { Err(AppError::not_found()) }
    }

    /// Whether `actor` has the right to change these fields. A field that somebody may never change is refused even
    /// when it would stay the same; for the others only real changes count.
    ///
    /// # Errors
    /// Forbidden, with the reason.
    pub fn may_change(&self, actor: &Actor, change: &TicketChange) -> Result<(), AppError> {
        if actor.role == Role::Admin {
            return Ok(());
        }
        if actor.role == Role::User {
            if change.priority.is_some() || change.tags.is_some() {
                return Err(AppError::forbidden("Only agents and admins may change priority and tags."));
            }
            if change.assigned_agent_id.is_some() {
                return Err(AppError::forbidden("Only agents and admins may assign tickets."));
            }
        }
        let Some(status) = change.status.filter(|s| *s != self.status) else { return Ok(()) };
        if actor.role == Role::User {
            return match status {
                Status::Closed => Ok(()),
                Status::Open if !self.status.is_active() => Ok(()),
                Status::Open => Err(AppError::forbidden("You may set a ticket to open only to reopen it.")),
                _ => Err(AppError::forbidden("Requesters may only close or reopen their tickets.")),
            };
        }
        let assignee = change.assigned_agent_id.unwrap_or(self.assigned_agent_id);
        let theirs = [self.assigned_agent_id, assignee].into_iter().flatten().any(|agent| actor.is(agent));
        if !status.is_active() && !theirs {
            return Err(AppError::forbidden("Agents resolve and close only tickets that are assigned to them."));
        }
        Ok(())
    }

    /// The ticket after `change`, and its entry; `None` when nothing changes. Rights have been judged by [`Self::may_change`].
    ///
    /// # Errors
    /// Conflict when it is closed and stays so; unfit when it would have too many tags.
    pub fn change(&self, actor: &Actor, change: &TicketChange, now: Timestamp) -> Result<Option<(Self, NewEntry)>, AppError> {
        let mut next = self.clone();
        if let Some(title) = &change.title {
            next.title.clone_from(&title.0);
        }
        if let Some(description) = &change.description {
            next.description.clone_from(&description.0);
        }
        if let Some(priority) = change.priority {
            next.priority = priority;
            next.set_due_times();
        }
        if let Some(tags) = &change.tags {
            next.tags.clone_from(&tags.0);
        }
        if let Some(assignee) = change.assigned_agent_id {
            next.assigned_agent_id = assignee;
        }
        let taken = next.assigned_agent_id.is_some() && next.assigned_agent_id != self.assigned_agent_id;
        match change.status {
            // A status that it has already is no wish to keep it: whole forms are sent, too.
            Some(status) if status != self.status => next.enter(status, now),
            _ if taken && self.status == Status::Open => next.enter(Status::InProgress, now),
            _ => {}
        }
        let Some(entry) = self.entry_for(&next, actor, now) else { return Ok(None) };
        if self.status == Status::Closed && !next.status.is_active() {
            return Err(AppError::closed());
        }
        if next.tags.len() > Tags::MAX {
            return Err(AppError::invalid_field("change.add_tags", "too_long", "would give the ticket more than 20 tags"));
        }
        Ok(Some((next.stamped(now), entry)))
    }

    /// The change that one ticket of a bulk change undergoes. A tag that is both added and taken off is added.
    #[must_use]
    pub fn bulk_change(&self, fields: &BulkFields) -> TicketChange {
        let retagged = fields.add_tags.is_some() || fields.remove_tags.is_some();
        let tags = retagged.then(|| {
            let removed = fields.remove_tags.as_ref().map_or(&[][..], |t| &t.0);
            let added = fields.add_tags.as_ref().map_or(&[][..], |t| &t.0);
            Tags::new(self.tags.iter().filter(|tag| !removed.contains(tag)).chain(added).cloned())
        });
        let BulkFields { status, priority, assigned_agent_id, .. } = *fields;
        TicketChange { status, priority, tags, assigned_agent_id, ..TicketChange::default() }
    }

    /// Puts it away. Requesters may withdraw what nobody has touched yet; admins may delete anything.
    ///
    /// # Errors
    /// Forbidden.
    pub fn delete(&self, actor: &Actor, now: Timestamp) -> Result<(Self, NewEntry), AppError> {
        match actor.role {
            Role::Admin => {}
            Role::Agent => return Err(AppError::forbidden("Only admins may delete tickets.")),
            Role::User if self.status == Status::Open && self.assigned_agent_id.is_none() => {}
            Role::User => return Err(AppError::forbidden("A ticket can be withdrawn only while it is open and unassigned.")),
        }
        let next = Self { deleted_at: Some(now), ..self.clone() }.stamped(now);
        let entry = NewEntry::new(Action::TicketDeleted, actor, now)
            .changed("deleted_at", Value::Null, json!(now))
            .about_ticket(self.id, Facts::of(self, &next));
        Ok((next, entry))
    }

    /// Brings a deleted ticket back.
    ///
    /// # Errors
    /// Conflict when it is not deleted.
    pub fn restore(&self, actor: &Actor, now: Timestamp) -> Result<(Self, NewEntry), AppError> {
        let Some(deleted_at) = self.deleted_at else { return Err(AppError::conflict("The ticket is not deleted.")) };
        let next = Self { deleted_at: None, ..self.clone() }.stamped(now);
        let entry = NewEntry::new(Action::TicketRestored, actor, now)
            .changed("deleted_at", json!(deleted_at), Value::Null)
            .about_ticket(self.id, Facts::of(self, &next));
        Ok((next, entry))
    }

    /// Sets the due times by the priority, counted from the opening. A clock that is decided keeps its verdict.
    fn set_due_times(&mut self) {
        let target = self.targets.of(self.priority);
        let due = |minutes: u32| Some(self.created_at.plus_seconds(i64::from(minutes) * 60));
        let (first_response, resolution) = (due(target.first_response_minutes), due(target.resolution_minutes));
        if self.first_response != Verdict::None {
            self.first_response_due_at = first_response;
        }
        if self.resolution != Verdict::None {
            self.resolution_due_at = resolution;
        }
    }

    /// Moves to `status`, with everything that this brings about.
    fn enter(&mut self, status: Status, now: Timestamp) {
        if status == self.status {
            return;
        }
        if status.is_active() && !self.status.is_active() {
            self.resolved_at = None;
            self.closed_at = None;
            self.reopen_count += 1;
        }
        if status == Status::Resolved {
            self.resolved_at = Some(now);
            self.first_resolved_at.get_or_insert(now);
            self.closed_at = None;
        }
        if status == Status::Closed {
            self.closed_at = Some(now);
        }
        if !status.is_active() {
            self.decide_first_response(now);
            decide(&mut self.resolution, &mut self.resolution_decided_at, self.resolution_due_at, now);
        }
        self.status = status;
        self.status_since = now;
    }

    /// Ends the wait for the first response.
    fn decide_first_response(&mut self, now: Timestamp) {
        decide(&mut self.first_response, &mut self.first_response_decided_at, self.first_response_due_at, now);
    }

    fn stamped(mut self, now: Timestamp) -> Self {
        self.updated_at = self.updated_at.max(now);
        self.version += 1;
        self
    }

    /// The entry that tells how `next` differs; `None` when it does not.
    fn entry_for(&self, next: &Self, actor: &Actor, now: Timestamp) -> Option<NewEntry> {
        let pairs = self.tracked().into_iter().zip(next.tracked());
        let changes: FieldChanges = pairs
            .filter(|((_, before), (_, after))| before != after)
            .map(|((field, before), (_, after))| (field.into(), [before, after]))
            .collect();
        if changes.is_empty() {
            return None;
        }
        let action = if self.assigned_agent_id != next.assigned_agent_id {
            Action::TicketAssigned
        } else if self.status != next.status {
            Action::TicketStatusChanged
        } else {
            Action::TicketUpdated
        };
        Some(NewEntry::new(action, actor, now).with_changes(changes).about_ticket(self.id, Facts::of(self, next)))
    }

    /// The fields whose changes the log tells.
    fn tracked(&self) -> [(&'static str, Value); 15] {
        [
            ("title", text_value(&self.title)),
            ("description", text_value(&self.description)),
            ("status", json!(self.status)),
            ("priority", json!(self.priority)),
            ("tags", json!(self.tags)),
            ("assigned_agent_id", json!(self.assigned_agent_id)),
            ("first_response_at", json!(self.first_response_at)),
            ("first_response_due_at", json!(self.first_response_due_at)),
            ("resolved_at", json!(self.resolved_at)),
            ("resolution_due_at", json!(self.resolution_due_at)),
            ("first_resolved_at", json!(self.first_resolved_at)),
            ("closed_at", json!(self.closed_at)),
            ("reopen_count", json!(self.reopen_count)),
            ("sla.first_response", json!(self.first_response)),
            ("sla.resolution", json!(self.resolution)),
        ]
    }
}

/// Decides a running clock for good.
fn decide(verdict: &mut Verdict, decided_at: &mut Option<Timestamp>, due: Option<Timestamp>, now: Timestamp) {
    if *verdict == Verdict::Running {
        *decided_at = Some(now);
        *verdict = if due.is_none_or(|due| now <= due) { Verdict::Met } else { Verdict::Breached };
    }
}
