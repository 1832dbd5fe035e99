//! Tickets that were read before, for lists: of a page that was read before, too, it is asked in which state its tickets are, and the
//! rows are read of those only that have another one now. Most of what a page costs the server and the desk is its rows.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use quick_cache::sync::Cache;
use sqlx::{Row as _, postgres::PgRow};

use super::{
    connections::Connections,
    rows::{self, Read},
    values::Instant,
};
use crate::{
    store::rows::TicketBytes,
    tickets::{
        model::Ticket,
        query::{SortKey, TicketQuery},
    },
    types::{Page, Timestamp},
};

/// Memory for tickets, in bytes.
const MEMORY: u64 = 24 * 1024 * 1024;
/// How many tickets that is, roughly.
const TICKETS: usize = 24 * 1024;
/// How many pages are remembered to have been read.
const PAGES: usize = 8 * 1024;
/// Longer pages are not: whoever reads all tickets reads each once.
const LONGEST_PAGE: usize = 200;

/// The state of a ticket's row. No two states of one ticket have version and time alike, but for the numbers of comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) id: i64,
    version: i64,
    pub(super) updated_at: Timestamp,
    public_comments: i64,
    internal_notes: i64,
}

/// A statement that gives states: their columns in the order in which [`State::read`] reads them, and what follows on those.
macro_rules! states {
    ($rest:literal) => {
        concat!("SELECT id, version, updated_at, public_comments, internal_notes", $rest)
    };
}
pub(super) use states;

impl State {
    /// That of a row.
    pub(super) fn read(row: &PgRow) -> Read<Self> {
        Ok(Self {
            id: row.try_get(0)?,
            version: row.try_get(1)?,
            updated_at: row.try_get::<Instant, _>(2)?.stamp(),
            public_comments: row.try_get(3)?,
            internal_notes: row.try_get(4)?,
        })
    }

    /// The ticket in this state, if it is but for the numbers of comments.
    fn of(&self, ticket: &Arc<Ticket>) -> Option<Arc<Ticket>> {
        if (ticket.version, ticket.updated_at) != (self.version, self.updated_at) {
            return None;
        }
        let (public_comments, internal_notes) = (self.public_comments, self.internal_notes);
        if (ticket.public_comments, ticket.internal_notes) == (public_comments, internal_notes) {
            return Some(ticket.clone());
        }
        Some(Arc::new(Ticket { public_comments, internal_notes, ..Ticket::clone(ticket) }))
    }
}

/// A page of a list, as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place(u64);

/// What is remembered.
pub(super) struct Known {
    tickets: Cache<i64, Arc<Ticket>, TicketBytes>,
    pages: Cache<Place, ()>,
    hasher: RandomState,
}

impl Known {
    pub(super) fn new() -> Self {
        Self { tickets: Cache::with_weighter(TICKETS, MEMORY, TicketBytes), pages: Cache::new(PAGES), hasher: RandomState::new() }
    }

    /// Where a page is remembered; `None` for one that is not.
    pub(super) fn place(&self, query: &TicketQuery, page: Page<SortKey>) -> Option<Place> {
        (page.limit <= LONGEST_PAGE).then(|| Place(self.hasher.hash_one((query, page))))
    }

    /// Whether a page was read before. Two pages at one place do no harm: it only decides what is read first.
    pub(super) fn has(&self, place: Place) -> bool {
        self.pages.get(&place).is_some()
    }

    /// Remembers a page, and its tickets.
    pub(super) fn remember(&self, place: Place, tickets: &[Arc<Ticket>]) {
        self.pages.insert(place, ());
        for ticket in tickets {
            self.tickets.insert(ticket.id.0, ticket.clone());
        }
    }

    /// The tickets of these states, in their order. `None` when one has changed since.
    ///
    /// # Errors
    /// The database's; a row that cannot be understood.
    pub(super) async fn tickets(&self, pool: &Connections, states: &[State]) -> Read<Option<Vec<Arc<Ticket>>>> {
        let mut found: Vec<Option<Arc<Ticket>>> =
            states.iter().map(|state| self.tickets.get(&state.id).and_then(|ticket| state.of(&ticket))).collect();
        let missing: Vec<i64> = states.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(state, _)| state.id).collect();
        if !missing.is_empty() {
            let rows = sqlx::query(rows::TICKETS_BY_ID).bind(missing).fetch_all(pool).await?;
            let read = rows.iter().map(|row| rows::ticket(row).map(|ticket| (ticket.id.0, Arc::new(ticket))));
            let read = read.collect::<Read<HashMap<_, _>>>()?;
            for (state, found) in states.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
                *found = read.get(&state.id).and_then(|ticket| state.of(ticket));
                if let Some(ticket) = found {
                    self.tickets.insert(state.id, ticket.clone());
                }
            }
        }
        Ok(found.into_iter().collect())
    }
}
