//! Tickets and pages of lists that were read before. A page to which the same tickets belong is given again, with the rows of those that
//! have changed; of another one it is asked in which state its tickets are, and the rows are read of those only that have another one now.
//! Most of what a page costs the server and the desk is its rows.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use quick_cache::{Weighter, sync::Cache};
use sqlx::{Row as _, postgres::PgRow};

use super::{
    connections::Connections,
    news::View,
    rows::{self, Read},
    together::ByKey,
    values::{Instant, Xid},
};
use crate::{
    store::{
        asked::{self, Asked},
        rows::TicketBytes,
    },
    tickets::{model::Ticket, query::SortKey},
    types::{Slice, Timestamp, Total},
};

/// Memory for tickets, in bytes.
const MEMORY: u64 = 10 * 1024 * 1024;
/// How many tickets that is, roughly.
const TICKETS: usize = 10 * 1024;
/// Memory for pages, in bytes; of 50 tickets one takes nearly two kilobytes.
const PAGE_MEMORY: u64 = 4 * 1024 * 1024;
/// How many pages that is, roughly.
const PAGES: usize = 4 * 1024;

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

    /// The state of its row.
    pub(super) fn state(&self) -> State {
        State { id: self.ticket.id.0, by: self.by, updated_at: self.ticket.updated_at }
    }
}

/// A page as it was read.
pub(super) struct Leaf {
    /// The state of everything in which it was so.
    pub(super) view: View,
    pub(super) states: Box<[State]>,
    pub(super) next: Option<SortKey>,
    pub(super) total: Option<Total>,
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<i64, (View, Present)> for ByBytes {
    fn weight(&self, id: &i64, (_, one): &(View, Present)) -> u64 {
        TicketBytes.weight(id, &one.ticket)
    }
}

impl Weighter<Asked, Arc<Leaf>> for ByBytes {
    fn weight(&self, asked: &Asked, leaf: &Arc<Leaf>) -> u64 {
        (asked::bytes(asked) + size_of::<Leaf>() + size_of_val(&*leaf.states)) as u64
    }
}

/// The tickets whose ids are in the array `$1`. (`ANY((SELECT $1))`, since the server would plan for each array anew if it saw how
/// many ids are in it.)
const BY_ID: &str = present!(" FROM taquilla.tickets t WHERE id = ANY((SELECT $1::bigint[])::bigint[])");

/// The tickets whose ids are in an array, one by one.
pub(super) fn tickets_by_id() -> ByKey<i64, Present> {
    ByKey::new(BY_ID, "id", Present::read)
}

/// What is remembered.
pub(super) struct Known {
    tickets: Cache<i64, (View, Present), ByBytes>,
    pages: Cache<Asked, Arc<Leaf>, ByBytes>,
    /// How many connections had been lost when nothing was remembered yet.
    lost: AtomicU64,
}

impl Known {
    pub(super) fn new() -> Self {
        Self {
            tickets: Cache::with_weighter(TICKETS, MEMORY, ByBytes),
            pages: Cache::with_weighter(PAGES, PAGE_MEMORY, ByBytes),
            lost: AtomicU64::new(0),
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

    /// A ticket, and in which state of everything it was so.
    pub(super) fn ticket(&self, id: i64) -> Option<(View, Arc<Ticket>)> {
        self.tickets.get(&id).map(|(view, one)| (view, one.ticket))
    }

    /// Remembers a ticket that was read when this was the latest state.
    pub(super) fn put_ticket(&self, view: View, one: &Present) {
        self.tickets.insert(one.ticket.id.0, (view, one.clone()));
    }

    /// A page.
    pub(super) fn page(&self, asked: &Asked) -> Option<Arc<Leaf>> {
        self.pages.get(asked)
    }

    /// Remembers a page that was read when this was the latest state.
    pub(super) fn put_page(&self, view: View, asked: &Asked, page: &Slice<Present, SortKey>) {
        if asked::comes_again(asked) {
            let states = page.rows.iter().map(Present::state).collect();
            self.pages.insert(asked.clone(), Arc::new(Leaf { view, states, next: page.next, total: page.total }));
        }
    }

    /// Remembers tickets of a page that was read when this was the latest state.
    pub(super) fn put_tickets(&self, view: View, asked: &Asked, tickets: &[Present]) {
        if asked::is_looked_at(asked) {
            for one in tickets {
                self.put_ticket(view, one);
            }
        }
    }

    /// The tickets of these states, in their order, when this is the latest state of the content. `None` when one has changed since.
    ///
    /// # Errors
    /// The database's; a row that cannot be understood.
    pub(super) async fn tickets(&self, pool: &Connections, view: View, states: &[State]) -> Read<Option<Vec<Present>>> {
        let known = |state: &State| self.tickets.get(&state.id).map(|(_, one)| one).filter(|one| one.state() == *state);
        let mut found: Vec<Option<Present>> = states.iter().map(known).collect();
        let missing: Vec<i64> = states.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(state, _)| state.id).collect();
        if !missing.is_empty() {
            let rows = sqlx::query(BY_ID).bind(missing).fetch_all(pool).await?;
            let read = rows.iter().map(|row| Present::read(row).map(|one| (one.ticket.id.0, one))).collect::<Read<HashMap<_, _>>>()?;
            for (state, found) in states.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
                *found = read.get(&state.id).filter(|now| now.state() == *state).cloned();
                if let Some(now) = found {
                    self.put_ticket(view, now);
                }
            }
        }
        Ok(found.into_iter().collect())
    }
}
