//! Which changes of a commit a start after a crash does not find by the log's entries, which it follows
//! ([`super::catch_up`]): their tickets are marked.

use std::collections::BTreeSet;

use super::moves::has_same_texts;
use crate::{
    activity::model::NewEntry,
    tickets::model::{Comment, Ticket},
    types::{CommentId, TicketId},
};

/// Tickets and texts that a commit has changed.
#[derive(Default)]
pub(super) struct Touched {
    tickets: BTreeSet<TicketId>,
    /// New comments.
    comments: BTreeSet<(TicketId, CommentId)>,
    /// Tickets of which a text is gone or another one. What it was, no entry tells.
    anew: BTreeSet<TicketId>,
}

impl Touched {
    /// A ticket is written.
    pub(super) fn ticket(&mut self, before: Option<&Ticket>, after: &Ticket) {
        self.tickets.insert(after.id);
        if before.is_some_and(|before| !has_same_texts(before, after)) {
            self.anew.insert(after.id);
        }
    }

    /// A comment is written.
    pub(super) fn comment(&mut self, before: Option<&Comment>, after: &Comment) {
        if before.is_some() {
            self.anew.insert(after.ticket_id);
        } else {
            self.comments.insert((after.ticket_id, after.id));
        }
    }

    /// The tickets that a start has to take in anew, because these entries do not lead it to all that was touched.
    pub(super) fn but_told(mut self, entries: &[NewEntry]) -> BTreeSet<TicketId> {
        for (ticket, entry) in entries.iter().filter_map(|entry| Some((entry.ticket_id?, entry))) {
            self.tickets.remove(&ticket);
            if let Some(comment) = entry.comment_id {
                self.comments.remove(&(ticket, comment));
            }
        }
        self.anew.into_iter().chain(self.tickets).chain(self.comments.into_iter().map(|(ticket, _)| ticket)).collect()
    }
}
