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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Assignee {
    /// Nobody.
    None,
    /// This agent.
    Is(UserId),
}

/// What a list is narrowed by; filters are combined by AND, the values of one by OR.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
        self.matches_row(ticket)
            && self.words.as_ref().is_none_or(|words| {
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

    /// Whether it is asked when tickets were updated, or they are in that order.
    #[must_use]
    pub fn goes_by_updates(&self) -> bool {
        self.sort.by == SortBy::UpdatedAt || self.updated_after.is_some() || self.updated_before.is_some()
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

#[cfg(test)]
pub(crate) mod tests {
    use rstest::rstest;

    use super::*;
    use crate::{
        tickets::{
            model::{Channel, Verdict},
            sla::SlaTargets,
        },
        types::CommentId,
    };

    fn t(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    /// Open, medium, tagged a and b, of user 1, unassigned, opened at 100, touched at 200, due at 300 and 400.
    pub(crate) fn ticket() -> Ticket {
        Ticket {
            id: TicketId(5),
            title: "Printer".into(),
            description: "It burns".into(),
            status: Status::Open,
            priority: Priority::Medium,
            tags: vec!["a".into(), "b".into()],
            channel: Channel::Api,
            creator_id: UserId(1),
            opened_by_id: UserId(1),
            assigned_agent_id: None,
            created_at: t(100),
            updated_at: t(200),
            first_response_at: None,
            first_response_due_at: Some(t(300)),
            resolved_at: None,
            resolution_due_at: Some(t(400)),
            first_resolved_at: None,
            closed_at: None,
            status_since: t(100),
            reopen_count: 0,
            first_response: Verdict::Running,
            resolution: Verdict::Running,
            first_response_decided_at: None,
            resolution_decided_at: None,
            targets: SlaTargets::default(),
            public_comments: 0,
            internal_notes: 0,
            deleted_at: None,
            version: 1,
        }
    }

    fn comment(content: &str, is_internal: bool, deleted: bool) -> Comment {
        Comment {
            id: CommentId(1),
            ticket_id: TicketId(5),
            author_id: UserId(2),
            content: content.into(),
            is_internal,
            created_at: t(100),
            updated_at: t(100),
            deleted_at: deleted.then_some(t(101)),
            version: 1,
        }
    }

    fn all() -> TicketQuery {
        TicketQuery::all(Scope::All)
    }

    #[rstest]
    #[case::all(all(), true)]
    #[case::own(TicketQuery::all(Scope::Requester(UserId(1))), true)]
    #[case::foreign(TicketQuery::all(Scope::Requester(UserId(2))), false)]
    #[case::status(TicketQuery { status: vec![Status::Pending, Status::Open], ..all() }, true)]
    #[case::other_status(TicketQuery { status: vec![Status::Pending], ..all() }, false)]
    #[case::priority(TicketQuery { priority: vec![Priority::Medium], ..all() }, true)]
    #[case::other_priority(TicketQuery { priority: vec![Priority::High, Priority::Low], ..all() }, false)]
    #[case::tag(TicketQuery { tags: vec!["x".into(), "b".into()], ..all() }, true)]
    #[case::other_tag(TicketQuery { tags: vec!["ab".into()], ..all() }, false)]
    #[case::unassigned(TicketQuery { assignee: Some(Assignee::None), ..all() }, true)]
    #[case::assigned(TicketQuery { assignee: Some(Assignee::Is(UserId(1))), ..all() }, false)]
    #[case::creator(TicketQuery { creator: Some(UserId(1)), ..all() }, true)]
    #[case::other_creator(TicketQuery { creator: Some(UserId(2)), ..all() }, false)]
    #[case::created_after(TicketQuery { created_after: Some(t(99)), ..all() }, true)]
    #[case::created_at_the_instant(TicketQuery { created_after: Some(t(100)), ..all() }, false)]
    #[case::created_before(TicketQuery { created_before: Some(t(101)), ..all() }, true)]
    #[case::created_before_the_instant(TicketQuery { created_before: Some(t(100)), ..all() }, false)]
    #[case::updated_after(TicketQuery { updated_after: Some(t(199)), ..all() }, true)]
    #[case::updated_at_the_instant(TicketQuery { updated_after: Some(t(200)), ..all() }, false)]
    #[case::updated_before(TicketQuery { updated_before: Some(t(201)), ..all() }, true)]
    #[case::updated_before_the_instant(TicketQuery { updated_before: Some(t(200)), ..all() }, false)]
    #[case::overdue(TicketQuery { overdue_at: Some(t(301)), ..all() }, true)]
    #[case::due_right_now(TicketQuery { overdue_at: Some(t(300)), ..all() }, false)]
    #[case::deleted(TicketQuery { deleted: true, ..all() }, false)]
    #[case::one_of_two_filters(TicketQuery { status: vec![Status::Open], priority: vec![Priority::Low], ..all() }, false)]
    fn filters_are_combined_by_and_their_values_by_or(#[case] query: TicketQuery, #[case] found: bool) {
        assert_eq!(query.matches(&ticket(), &[]), found);
    }

    #[rstest]
    #[case::live(all(), false)]
    #[case::deleted(TicketQuery { deleted: true, ..all() }, true)]
    fn deleted_tickets_are_in_their_own_list_only(#[case] query: TicketQuery, #[case] found: bool) {
        assert_eq!(query.matches(&Ticket { deleted_at: Some(t(250)), ..ticket() }, &[]), found);
    }

    #[rstest]
    #[case::title(Scope::All, "print", true)]
    #[case::both(Scope::All, "printer burns", true)]
    #[case::comment(Scope::Requester(UserId(1)), "extinguisher", true)]
    #[case::across_texts(Scope::Requester(UserId(1)), "printer exting", true)]
    #[case::note_for_staff(Scope::All, "arson", true)]
    #[case::note_for_the_requester(Scope::Requester(UserId(1)), "arson", false)]
    #[case::deleted_comment(Scope::All, "sorry", false)]
    #[case::absent(Scope::All, "printer water", false)]
    fn words_are_sought_in_what_the_caller_may_see(#[case] scope: Scope, #[case] typed: &str, #[case] found: bool) {
        let comments = [comment("Take the extinguisher", false, false), comment("Arson?", true, false), comment("Sorry", false, true)];
        let query = TicketQuery { words: Words::parse(typed), ..TicketQuery::all(scope) };
        assert_eq!(query.matches(&ticket(), &comments), found);
    }

    #[rstest]
    #[case::nothing(all(), true)]
    #[case::own(TicketQuery::all(Scope::Requester(UserId(1))), true)]
    #[case::status(TicketQuery { status: vec![Status::Open, Status::Pending], ..all() }, true)]
    #[case::priority(TicketQuery { priority: vec![Priority::Low], ..all() }, true)]
    #[case::assignee(TicketQuery { assignee: Some(Assignee::None), ..all() }, true)]
    #[case::creator(TicketQuery { creator: Some(UserId(1)), ..all() }, true)]
    #[case::two(TicketQuery { status: vec![Status::Open], creator: Some(UserId(1)), ..all() }, false)]
    #[case::tag(TicketQuery { tags: vec!["a".into()], ..all() }, false)]
    #[case::time(TicketQuery { updated_after: Some(t(1)), ..all() }, false)]
    #[case::overdue(TicketQuery { overdue_at: Some(t(1)), ..all() }, false)]
    #[case::words(TicketQuery { words: Words::parse("x"), ..all() }, false)]
    fn simple_lists_are_counted_exactly(#[case] query: TicketQuery, #[case] exact: bool) {
        assert_eq!(query.counts_exactly(), exact);
    }

    #[rstest]
    #[case(SortBy::CreatedAt, 100)]
    #[case(SortBy::UpdatedAt, 200)]
    #[case(SortBy::Priority, 1)]
    #[case(SortBy::DueAt, 300)]
    #[case(SortBy::Id, 5)]
    fn a_key_orders_by_the_field(#[case] by: SortBy, #[case] value: i64) {
        assert_eq!(Sort { by, descending: false }.key(&ticket()), SortKey { value, id: TicketId(5) });
    }

    #[test]
    fn ties_go_by_id_in_the_same_direction() {
        let [low, high] = [3, 4].map(|id| SortKey { value: 7, id: TicketId(id) });
        assert_eq!(Sort { by: SortBy::Priority, descending: false }.cmp(low, high), Ordering::Less);
        assert_eq!(Sort { by: SortBy::Priority, descending: true }.cmp(low, high), Ordering::Greater);
        let waits_for_nothing = Ticket { status: Status::Resolved, ..ticket() };
        let due = Sort { by: SortBy::DueAt, descending: false };
        assert_eq!(due.cmp(due.key(&ticket()), due.key(&waits_for_nothing)), Ordering::Less);
    }
}
