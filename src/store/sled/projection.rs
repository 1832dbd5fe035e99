//! What is held in memory beside the rows, and how a commit moves it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{
    columns::{Cell, Columns},
    figures::Figures,
    gathered::{Bare, Gathered},
    lists::Lists,
    moves::TextMoves,
    people::People,
    terms::Search,
};
use crate::{
    analytics::figures::Standing,
    store::{Row, RowKey, StoreError},
    tickets::model::{Comment, Ticket},
    types::{Seq, TicketId},
};

/// What a commit did, for the projection to follow.
#[derive(Debug)]
pub(super) enum Effect {
    /// A ticket is new or has changed.
    Ticket { before: Option<Arc<Ticket>>, after: Arc<Ticket> },
    /// A comment is new or has changed.
    Comment { before: Option<Box<Comment>>, after: Box<Comment> },
    /// A ticket's row is gone (only tests and imports remove tickets).
    Gone(RowKey),
    /// A row about people, or a single one.
    People(Box<Row>),
}

impl Effect {
    /// Whether counters or names may be others after it.
    fn shows_in_analytics(&self) -> bool {
        match self {
            Self::Ticket { before, after } => {
                before.as_ref().is_none_or(|before| Standing::from(before.as_ref()) != Standing::from(after.as_ref()))
            }
            Self::Gone(key) => matches!(key, RowKey::Ticket(_) | RowKey::User(_)),
            Self::Comment { .. } => false,
            Self::People(row) => matches!(**row, Row::User(_)),
        }
    }
}

/// Everything that is held in memory.
#[derive(Debug, Default)]
pub(super) struct Projection {
    pub(super) columns: Columns,
    pub(super) figures: Figures,
    pub(super) search: Search,
    pub(super) people: People,
    /// The last entry of the log that it has followed.
    pub(super) seq: Seq,
    /// The state that counters and names are in: another number at each change, in the whole process, so that it is not the
    /// same again either when the store is opened anew.
    pub(super) revision: u64,
    pub(super) lists: Lists,
}

/// A number that no state has had yet; the first state of all has 0.
pub(super) fn next_revision() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// A ticket's place in the bitmaps.
pub(super) fn position(id: TicketId) -> Result<u32, StoreError> {
    u32::try_from(id.0).map_err(|_| StoreError::Full("the embedded store holds tickets up to id 4,294,967,295".into()))
}

impl Projection {
    /// Follows a group of commits, which does this to the search index.
    pub(super) fn apply(&mut self, effects: &[Effect], moves: TextMoves) -> Result<(), StoreError> {
        if effects.iter().any(Effect::shows_in_analytics) {
            self.revision = next_revision();
        }
        self.lists.follow(effects, moves.of_comments);
        for effect in effects {
            match effect {
                Effect::Ticket { before, after } => {
                    let old_tags: &[String] = before.as_ref().map_or(&[], |old| &old.tags);
                    self.put_cell(position(after.id)?, Cell::of(after), old_tags, &after.tags);
                }
                Effect::Comment { .. } => {}
                Effect::Gone(key) => self.people.remove(key),
                Effect::People(row) => self.people.put(row),
            }
        }
        self.search.follow(moves.public, moves.notes);
        Ok(())
    }

    /// Moves a ticket's cell, and with it the counters. `old_tags` are those that it had here.
    fn put_cell(&mut self, id: u32, cell: Cell, old_tags: &[String], tags: &[String]) {
        let before = self.columns.cell(id).as_ref().map(Cell::standing);
        self.figures.follow(before.as_ref(), &cell.standing());
        self.columns.put(id, cell, old_tags, tags);
    }

    /// Brings in what was read from the rows, each ticket once; what was gathered with its texts has none in the index yet.
    pub(super) fn take_in(&mut self, gathered: Gathered) {
        let Gathered { tickets, public, notes } = gathered;
        let known = tickets.iter().map(|ticket| ticket.id).filter(|id| self.columns.cell(*id).is_some()).collect();
        let mut old_tags = self.columns.tags_of(&known);
        for Bare { id, cell, tags } in tickets {
            self.put_cell(id, cell, &old_tags.remove(&id).unwrap_or_default(), &tags);
        }
        self.search.follow(public, notes);
    }
}
