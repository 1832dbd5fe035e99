//! What the filters and orders of ticket lists mean. `TicketQuery::matches` and `Sort::key` are the reference that
//! every store is tested against.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::{
    model::{Comment, Priority, Status, Ticket},
    search::Words,
};
use crate::types::{TicketId, Timestamp, UserId};

/// Which tickets somebody may see. It is applied inside the store, so that lists, totals and searches all obey it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything: agents and admins.
    All,
    /// The tickets of one requester, without internal notes.
    Requester(UserId),
}

impl Scope {
    /// Whether a live ticket lies within it.
    #[must_use]
    pub fn covers(self, ticket: &Ticket) -> bool {
        match self {
            Self::All => true,
            Self::Requester(id) => ticket.creator_id == id,
        }
    }

    /// Whether internal notes are visible within it.
    #[must_use]
    pub const fn sees_notes(self) -> bool {
        matches!(self, Self::All)
    }
}

/// A filter by assignee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignee {
    /// Nobody.
    None,
    /// This agent.
    Is(UserId),
}

/// What a list is narrowed by; filters are combined by AND, the values of one by OR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketQuery {
    /// What the caller may see.
    pub scope: Scope,
    /// Any of these; empty means any at all.
    pub status: Vec<Status>,
    /// Any of these; empty means any at all.
    pub priority: Vec<Priority>,
    /// Any of these tags; empty means any at all.
    pub tags: Vec<String>,
    /// Whose work it is.
    pub assignee: Option<Assignee>,
    /// Whose request it is.
    pub creator: Option<UserId>,
    /// Opened after this instant (itself excluded).
    pub created_after: Option<Timestamp>,
    /// Opened before this instant (itself excluded).
    pub created_before: Option<Timestamp>,
    /// Updated after this instant (itself excluded).
    pub updated_after: Option<Timestamp>,
    /// Updated before this instant (itself excluded).
    pub updated_before: Option<Timestamp>,
    /// Active and waiting since before this instant for something that was due.
    pub overdue_at: Option<Timestamp>,
    /// Words in title, description and visible comments.
    pub words: Option<Words>,
    /// Deleted tickets only, instead of live ones only.
    pub deleted: bool,
    /// The order.
    pub sort: Sort,
}

impl TicketQuery {
    /// Every live ticket in scope, newest first.
    #[must_use]
    pub const fn all(scope: Scope) -> Self {
        Self {
            scope,
            status: Vec::new(),
            priority: Vec::new(),
            tags: Vec::new(),
            assignee: None,
            creator: None,
            created_after: None,
            created_before: None,
            updated_after: None,
            updated_before: None,
            overdue_at: None,
            words: None,
            deleted: false,
            sort: Sort { by: SortBy::CreatedAt, descending: true },
        }
    }

    /// Whether a ticket with these comments belongs to the list.
    #[must_use]
    pub fn matches(&self, ticket: &Ticket, comments: &[Comment]) -> bool {
        self.matches_row(ticket) && self.words.as_ref().is_none_or(|words| {
            let visible = comments.iter().filter(|c| c.deleted_at.is_none() && (!c.is_internal || self.scope.sees_notes()));
            let mut texts = vec![ticket.title.as_str(), ticket.description.as_str()];
            texts.extend(visible.map(|c| c.content.as_str()));
            words.found_in(&texts)
        })
    }

    /// The part of [`Self::matches`] that the ticket's own fields decide.
    #[must_use]
    pub fn matches_row(&self, ticket: &Ticket) -> bool {
        let one_of = |tag: &String| ticket.tags.binary_search(tag).is_ok();
        self.scope.covers(ticket)
            && self.deleted == ticket.deleted_at.is_some()
            && (self.status.is_empty() || self.status.contains(&ticket.status))
            && (self.priority.is_empty() || self.priority.contains(&ticket.priority))
            && (self.tags.is_empty() || self.tags.iter().any(one_of))
            && self.assignee.is_none_or(|wanted| match wanted {
                Assignee::None => ticket.assigned_agent_id.is_none(),
                Assignee::Is(id) => ticket.assigned_agent_id == Some(id),
            })
            && self.creator.is_none_or(|id| id == ticket.creator_id)
            && self.created_after.is_none_or(|t| ticket.created_at > t)
            && self.created_before.is_none_or(|t| ticket.created_at < t)
            && self.updated_after.is_none_or(|t| ticket.updated_at > t)
            && self.updated_before.is_none_or(|t| ticket.updated_at < t)
            && self.overdue_at.is_none_or(|now| ticket.is_overdue(now))
    }

    /// Whether the size of the list is always told exactly: without filters, and with just one of the filters status,
    /// priority, assignee and creator, however many values it has. Other lists are counted up to 1,000.
    #[must_use]
    pub fn counts_exactly(&self) -> bool {
        let simple = [!self.status.is_empty(), !self.priority.is_empty(), self.assignee.is_some(), self.creator.is_some()];
        let others = !self.tags.is_empty()
            || self.created_after.is_some()
            || self.created_before.is_some()
            || self.updated_after.is_some()
            || self.updated_before.is_some()
            || self.overdue_at.is_some()
            || self.words.is_some();
        !others && simple.into_iter().filter(|given| *given).count() <= 1
    }
}

/// Above this a list that is not counted exactly is reported as "more than".
pub const COUNT_CAP: usize = 1_000;

/// What a list is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SortBy {
    /// When it was opened.
    CreatedAt,
    /// When it was last touched in public.
    UpdatedAt,
    /// low < medium < high < critical.
    Priority,
    /// The next thing due; tickets that wait for nothing come last (first when descending).
    DueAt,
    /// The id.
    Id,
}

/// An order; ties go by id in the same direction, so that it is total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sort {
    /// What by.
    pub by: SortBy,
    /// Largest first.
    pub descending: bool,
}

/// Where a ticket stands in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SortKey {
    /// The value sorted by, as a number that orders the same.
    pub value: i64,
    /// Breaks ties.
    pub id: TicketId,
}

impl Sort {
    /// Where `ticket` stands.
    #[must_use]
    pub fn key(self, ticket: &Ticket) -> SortKey {
        let value = match self.by {
            SortBy::CreatedAt => ticket.created_at.as_micros(),
            SortBy::UpdatedAt => ticket.updated_at.as_micros(),
            SortBy::Priority => ticket.priority as i64,
            SortBy::DueAt => ticket.due_at().map_or(i64::MAX, Timestamp::as_micros),
            SortBy::Id => ticket.id.0,
        };
        SortKey { value, id: ticket.id }
    }

    /// Which of two keys comes first.
    #[must_use]
    pub fn cmp(self, a: SortKey, b: SortKey) -> Ordering {
        if self.descending { b.cmp(&a) } else { a.cmp(&b) }
    }
}
