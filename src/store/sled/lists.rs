//! In which state lists are: what of a commit shows in which of them. Most of what a desk commits are comments, and of all lists those only
//! that ask for their words, or go by the time of updates, are others after one.

use super::{
    columns::Cell,
    projection::{Effect, next_revision},
};
use crate::{
    store::{Row, RowKey, changed::Changed},
    tickets::{
        model::Ticket,
        query::{SortBy, TicketQuery},
        search::terms,
    },
};

/// The states that lists have been in.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// The present one.
    now: u64,
    /// The last one in which other tickets may have come to belong to any list, or in another order; or names have changed.
    places: u64,
    /// The last one in which something else may have come to be due.
    due: u64,
    changed: Changed,
}

/// How far a change shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shows {
    /// In no list.
    Nowhere,
    /// Where the ticket is shown, or its words are asked for, or the time of its update.
    There,
    /// Also in lists in the order of what is due.
    Due,
    /// Perhaps everywhere.
    Everywhere,
}

impl Lists {
    /// The present state.
    pub(super) const fn state(&self) -> u64 {
        self.now
    }

    /// Anything may have changed.
    pub(super) fn renew(&mut self) {
        self.now = next_revision();
        (self.places, self.due) = (self.now, self.now);
        self.changed.all(self.now);
    }

    /// Follows a commit.
    pub(super) fn follow(&mut self, effects: &[Effect]) {
        match effects.iter().map(shows).max() {
            None | Some(Shows::Nowhere) => {}
            Some(Shows::Everywhere) => self.renew(),
            Some(shows) => {
                self.now = next_revision();
                if shows == Shows::Due {
                    self.due = self.now;
                }
                let tickets = effects.iter().filter_map(|effect| match effect {
                    Effect::Ticket { after, .. } => Some(after.id.0),
                    _ => None,
                });
                let texts = effects.iter().filter_map(|effect| match effect {
                    Effect::Comment { before, after } => Some(before.iter().chain([after])),
                    _ => None,
                });
                self.changed.note(self.now, tickets, texts.flatten().flat_map(|comment| terms(&comment.content)));
            }
        }
    }

    /// Whether a list that was found in this state has the same tickets in the same order, and these among them are as they were. (A ticket's
    /// comments are counted in it.)
    pub(super) fn is_still(&self, state: u64, query: &TicketQuery, shown: impl IntoIterator<Item = i64>) -> bool {
        state == self.now
            || self.places <= state
                && !query.goes_by_updates()
                && (query.sort.by != SortBy::DueAt || self.due <= state)
                && query.words.as_ref().is_none_or(|words| self.changed.has_kept_words(state, words))
                && self.changed.has_kept(state, shown)
    }
}

fn shows(effect: &Effect) -> Shows {
    match effect {
        Effect::Ticket { before: Some(before), after } if has_same_place(before, after) => {
            if Cell::of(before).due_at == Cell::of(after).due_at { Shows::There } else { Shows::Due }
        }
        Effect::Comment { .. } => Shows::There,
        Effect::Ticket { .. } | Effect::Gone(RowKey::Ticket(_) | RowKey::Comment(..) | RowKey::User(_)) => Shows::Everywhere,
        Effect::People(row) if matches!(**row, Row::User(_)) => Shows::Everywhere,
        Effect::Gone(_) | Effect::People(_) => Shows::Nowhere,
    }
}

/// Whether two states of a ticket belong to the same lists at the same places, but for when it was updated and what is due.
fn has_same_place(before: &Ticket, after: &Ticket) -> bool {
    let place = |ticket: &Ticket| {
        let Cell { created_at, updated_at: _, due_at: _, creator, assignee, status, priority, deleted, outcome: _ } = Cell::of(ticket);
        (created_at, creator, assignee, status, priority, deleted)
    };
    place(before) == place(after) && before.tags == after.tags && before.title == after.title && before.description == after.description
}
