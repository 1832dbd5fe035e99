//! In which state lists are: what of a commit shows in which of them.

use super::projection::{Effect, next_revision};
use crate::{
    analytics::figures::Standing,
    store::{
        Row, RowKey,
        changed::{Changed, Shows, has_same_place},
    },
    tickets::{model::Ticket, query::TicketQuery},
};

/// The states that lists have been in.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// The present one.
    now: u64,
    changed: Changed,
}

impl Lists {
    /// The present state.
    pub(super) const fn state(&self) -> u64 {
        self.now
    }

    /// Anything may have changed.
    pub(super) fn renew(&mut self) {
        self.now = next_revision();
        self.changed.note(self.now, Shows::Everywhere, [], []);
    }

    /// Follows a group of commits that has changed comments with these words.
    pub(super) fn follow(&mut self, effects: &[Effect], words: Vec<String>) {
        let shows = effects.iter().map(shows).max().unwrap_or(Shows::Nowhere);
        if shows == Shows::Nowhere {
            return;
        }
        self.now = next_revision();
        let tickets = effects.iter().filter_map(|effect| match effect {
            Effect::Ticket { after, .. } => Some(after.id.0),
            _ => None,
        });
        self.changed.note(self.now, shows, tickets, words);
    }

    /// Whether a list that was found in this state has the same tickets in the same order, and these among them are as they were.
    pub(super) fn is_still(&self, state: u64, query: &TicketQuery, shown: impl IntoIterator<Item = i64>) -> bool {
        self.changed.list_is_still(state, query, shown)
    }
}

fn shows(effect: &Effect) -> Shows {
    match effect {
        Effect::Ticket { before, after } => before.as_ref().map_or(Shows::Places, |before| shows_of(before, after)),
        Effect::Comment { .. } => Shows::There,
        Effect::Gone(RowKey::Ticket(_) | RowKey::Comment(..) | RowKey::User(_)) => Shows::Everywhere,
        Effect::People(row) if matches!(**row, Row::User(_)) => Shows::Everywhere,
        Effect::Gone(_) | Effect::People(_) => Shows::Nowhere,
    }
}

/// What decides the lists and places of a ticket beside its [`Standing`].
fn others(ticket: &Ticket) -> impl PartialEq {
    (ticket.creator_id, &ticket.title, &ticket.description, &ticket.tags)
}

fn shows_of(before: &Ticket, after: &Ticket) -> Shows {
    let (was, is) = (Standing::from(before), Standing::from(after));
    if !has_same_place(&was, &is) || others(before) != others(after) {
        Shows::Places
    } else if was.due_at == is.due_at {
        Shows::There
    } else {
        Shows::Dues
    }
}
