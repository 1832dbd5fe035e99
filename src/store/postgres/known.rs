//! Tickets that were read before, for lists: of a page that was read before, too, it is asked in which state its tickets are, and the
//! rows are read of those only that have another one now. Most of what a page costs the server and the desk is its rows.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use quick_cache::{Weighter, sync::Cache};
use sqlx::{Row as _, postgres::PgRow};

use super::{
    connections::Connections,
    rows::{self, Read},
    values::{Instant, Xid},
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

/// The state of a ticket's row: who wrote it, and when. A transaction leaves one row of a ticket. Its number may come again on a server
/// that has lost what another one had committed: the time tells that, and what was remembered before is forgotten ([`Known::forget`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) id: i64,
    pub(super) by: Xid,
    pub(super) updated_at: Timestamp,
}

/// A statement that gives states: their columns in the order in which [`State::read`] reads them, and what follows on those.
/// Who wrote a row comes as bytes: the driver looks a type that it does not know up by a statement of its own, which ends one that has
/// no name.
macro_rules! states {
    ($rest:literal) => {
        concat!("SELECT id, xidsend(t.xmin), updated_at", $rest)
    };
}
pub(super) use states;

/// A statement that gives tickets as [`Present::read`] reads them, and what follows.
macro_rules! present {
    ($rest:literal) => {
        rows::tickets!(", xidsend(t.xmin) AS written_by", $rest)
    };
}
pub(super) use present;

impl State {
    /// That of a row.
    pub(super) fn read(row: &PgRow) -> Read<Self> {
        Ok(Self { id: row.try_get(0)?, by: row.try_get(1)?, updated_at: row.try_get::<Instant, _>(2)?.stamp() })
    }
}

/// A ticket as its row says, and who wrote that.
#[derive(Debug, Clone)]
pub(super) struct Present {
    pub(super) ticket: Arc<Ticket>,
    by: Xid,
}

impl Present {
    /// That of a row.
    pub(super) fn read(row: &PgRow) -> Read<Self> {
        Ok(Self { ticket: Arc::new(rows::ticket(row)?), by: row.try_get("written_by")? })
    }

    fn is(&self, state: &State) -> bool {
        (self.by, self.ticket.updated_at) == (state.by, state.updated_at)
    }
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<i64, Present> for ByBytes {
    fn weight(&self, id: &i64, one: &Present) -> u64 {
        TicketBytes.weight(id, &one.ticket)
    }
}

const BY_ID: &str = present!(" FROM taquilla.tickets t WHERE id = ANY((SELECT $1::bigint[])::bigint[])");

/// A page of a list, as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place(u64);

/// What is remembered.
pub(super) struct Known {
    tickets: Cache<i64, Present, ByBytes>,
    pages: Cache<Place, ()>,
    /// How many connections had been lost when nothing was remembered yet.
    lost: AtomicU64,
    hasher: RandomState,
}

impl Known {
    pub(super) fn new() -> Self {
        Self {
            tickets: Cache::with_weighter(TICKETS, MEMORY, ByBytes),
            pages: Cache::new(PAGES),
            lost: AtomicU64::new(0),
            hasher: RandomState::new(),
        }
    }

    /// Forgets everything when so many connections have been lost and it were fewer before, and tells whether it did.
    pub(super) fn forget(&self, lost: u64) -> bool {
        let forgets = self.lost.swap(lost, Ordering::Relaxed) != lost;
        if forgets {
            self.tickets.clear();
            self.pages.clear();
        }
        forgets
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
    pub(super) fn remember(&self, place: Place, tickets: &[Present]) {
        self.pages.insert(place, ());
        for one in tickets {
            self.tickets.insert(one.ticket.id.0, one.clone());
        }
    }

    /// The tickets of these states, in their order. `None` when one has changed since.
    ///
    /// # Errors
    /// The database's; a row that cannot be understood.
    pub(super) async fn tickets(&self, pool: &Connections, states: &[State]) -> Read<Option<Vec<Arc<Ticket>>>> {
        let mut found: Vec<Option<Present>> =
            states.iter().map(|state| self.tickets.get(&state.id).filter(|known| known.is(state))).collect();
        let missing: Vec<i64> = states.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(state, _)| state.id).collect();
        if !missing.is_empty() {
            let rows = sqlx::query(BY_ID).bind(missing).fetch_all(pool).await?;
            let read = rows.iter().map(|row| Present::read(row).map(|one| (one.ticket.id.0, one))).collect::<Read<HashMap<_, _>>>()?;
            for (state, found) in states.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
                *found = read.get(&state.id).filter(|now| now.is(state)).cloned();
                if let Some(now) = found {
                    self.tickets.insert(state.id, now.clone());
                }
            }
        }
        Ok(found.into_iter().map(|found| found.map(|one| one.ticket)).collect())
    }
}
