//! How tickets and comments look from outside: counts, clocks and tags by who looks and when.

use crate::{
    tickets::model::{Comment, CommentView, SlaState, Ticket, TicketView, Verdict},
    types::{Timestamp, UserId},
};

impl Ticket {
    /// The earliest due time of a clock that still runs.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        if !self.status.is_active() {
            return None;
        }
        self.running_until().min()
    }

    /// The due times of the clocks that still run.
    fn running_until(&self) -> impl Iterator<Item = Timestamp> {
        let clocks = [(self.first_response, self.first_response_due_at), (self.resolution, self.resolution_due_at)];
        clocks.into_iter().filter(|(verdict, _)| *verdict == Verdict::Running).filter_map(|(_, due)| due)
    }

    /// Whether it is active and past a due time that it still waits for.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.due_at().is_some_and(|due| due < now)
    }

    /// How the clocks stand at `now`: a running one that is past its due time shows as breached.
    #[must_use]
    pub fn sla(&self, now: Timestamp) -> SlaState {
        let shown = |verdict, due: Option<Timestamp>| match verdict {
            Verdict::Running if due.is_some_and(|due| due < now) => Verdict::Breached,
            verdict => verdict,
        };
        SlaState {
            first_response: shown(self.first_response, self.first_response_due_at),
            resolution: shown(self.resolution, self.resolution_due_at),
        }
    }

    /// When the clocks will next change by the time alone: the last instant at which they stand as at `now`.
    #[must_use]
    pub fn next_breach(&self, now: Timestamp) -> Option<Timestamp> {
        self.running_until().filter(|due| *due >= now).min()
    }

    /// Comments that a scope shows.
    #[must_use]
    pub const fn comment_count(&self, notes: bool) -> i64 {
        if notes { self.public_comments + self.internal_notes } else { self.public_comments }
    }

    /// The tag of the ticket as shown to staff (`notes`) or to its requester.
    #[must_use]
    pub fn etag(&self, notes: bool) -> String {
        format!("\"{}-{}\"", self.version, self.comment_count(notes))
    }

    /// The ticket as shown to staff (`notes`) or to its requester.
    #[must_use]
    pub fn view(&self, notes: bool, now: Timestamp, name: impl Fn(UserId) -> String) -> TicketView {
        TicketView {
            id: self.id,
            title: self.title.clone(),
            description: self.description.clone(),
            description_html: None,
            status: self.status,
            priority: self.priority,
            tags: self.tags.clone(),
            channel: self.channel,
            creator_id: self.creator_id,
            creator_name: name(self.creator_id),
            opened_by_id: self.opened_by_id,
            assigned_agent_id: self.assigned_agent_id,
            assigned_agent_name: self.assigned_agent_id.map(&name),
            created_at: self.created_at,
            updated_at: self.updated_at,
            first_response_at: self.first_response_at,
            first_response_due_at: self.first_response_due_at,
            resolved_at: self.resolved_at,
            resolution_due_at: self.resolution_due_at,
            first_resolved_at: self.first_resolved_at,
            closed_at: self.closed_at,
            status_since: self.status_since,
            reopen_count: self.reopen_count,
            comment_count: self.comment_count(notes),
            sla: self.sla(now),
            version: self.version,
        }
    }
}

impl Comment {
    /// The comment's tag.
    #[must_use]
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    /// The comment as the API shows it.
    #[must_use]
    pub fn view(&self, author_name: String) -> CommentView {
        CommentView {
            id: self.id,
            ticket_id: self.ticket_id,
            author_id: self.author_id,
            author_name,
            content: self.content.clone(),
            content_html: None,
            is_internal: self.is_internal,
            created_at: self.created_at,
            updated_at: self.updated_at,
            version: self.version,
        }
    }
}
