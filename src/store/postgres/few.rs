//! Lists of few tickets of which the ids are known: those that are wanted at the same time are looked up by one statement, and each list
//! is put in order here.

use std::sync::Arc;

use quick_cache::sync::Cache;
use sqlx::{Row as _, postgres::PgRow};

use super::{
    Lost,
    connections::Connections,
    known::{State, states},
    rows::Read,
    together::Together,
    values::{Instant, Tid},
};
use crate::{
    store::StoreError,
    tickets::query::{Sort, SortBy, SortKey},
    types::{Page, TicketId},
};

/// So many are few.
pub(super) const FEW: usize = 200;

/// Of how many tickets it is remembered where their rows are.
const PLACES: usize = 64 * 1024;

/// A ticket, with all that lists are ordered by.
#[derive(Debug, Clone, Copy)]
struct Listed {
    state: State,
    created_at: i64,
    priority: i16,
    due_at: i64,
    deleted: bool,
    place: Tid,
}

/// A statement that gives tickets as [`Listed::read`] reads them.
macro_rules! listed {
    ($condition:literal) => {
        concat!(states!(", created_at, priority, due_at, deleted_at IS NOT NULL, ctid FROM taquilla.tickets WHERE "), $condition)
    };
}

/// Where a row was the last time, it is found without the index, which takes three times as long. What is found there is the row of
/// some ticket in its present state, or nothing; the others are looked for by their ids.
const BY_PLACE: &str = listed!("ctid = ANY((SELECT $1::tid[])::tid[])");
const BY_ID: &str = listed!("id = ANY((SELECT $1::bigint[])::bigint[])");

impl Listed {
    fn read(row: &PgRow) -> Read<Self> {
        let state = State::read(row)?;
        let (created_at, due_at): (Instant, Instant) = (row.try_get(5)?, row.try_get(7)?);
        let (priority, deleted, place) = (row.try_get(6)?, row.try_get(8)?, row.try_get(9)?);
        Ok(Self { state, created_at: created_at.0, priority, due_at: due_at.0, deleted, place })
    }

    /// Where it stands, as [`Sort::key`] says of the whole ticket.
    fn key(&self, by: SortBy) -> SortKey {
        let value = match by {
            SortBy::CreatedAt => self.created_at,
            SortBy::UpdatedAt => self.state.updated_at.as_micros(),
            SortBy::Priority => self.priority.into(),
            SortBy::DueAt => self.due_at,
            SortBy::Id => self.state.id,
        };
        SortKey { value, id: TicketId(self.state.id) }
    }
}

/// Tickets that were found, by their ids, the lowest first.
type Found = Arc<Vec<Listed>>;

/// Looks tickets up for all lists.
pub(super) struct Few {
    together: Together<(), Vec<i64>, Found>,
    places: Arc<Cache<i64, Tid>>,
}

impl Few {
    pub(super) fn new() -> Self {
        Self { together: Together::default(), places: Arc::new(Cache::new(PLACES)) }
    }

    /// Those of these tickets that are on a page, in order, and one more if others follow; and how many there are in all, without
    /// deleted ones.
    ///
    /// # Errors
    /// The database's; a row that cannot be understood.
    pub(super) async fn page(
        &self,
        pool: &Connections,
        lost: &Arc<Lost>,
        ids: &[i64],
        sort: Sort,
        page: Page<SortKey>,
    ) -> Result<(Vec<State>, usize), StoreError> {
        let (pool, lost, places) = (pool.clone(), lost.clone(), self.places.clone());
        let read = self.together.ask((), ids.to_vec(), move |wanted: Vec<Vec<i64>>| {
            let (pool, lost, places) = (pool.clone(), lost.clone(), places.clone());
            let mut ids = wanted.concat();
            ids.sort_unstable();
            ids.dedup();
            async move { asking!(lost, look_up(&pool, &places, &ids)).map(Arc::new) }
        });
        let found = read.await?;
        let mut listed: Vec<(SortKey, State)> = ids
            .iter()
            .filter_map(|id| found.binary_search_by_key(id, |listed| listed.state.id).ok().and_then(|at| found.get(at)))
            .filter(|listed| !listed.deleted)
            .map(|listed| (listed.key(sort.by), listed.state))
            .collect();
        let size = listed.len();
        if let Some(after) = page.after {
            listed.retain(|(key, _)| sort.cmp(*key, after).is_gt());
        }
        listed.sort_unstable_by(|(a, _), (b, _)| sort.cmp(*a, *b));
        listed.truncate(page.limit.saturating_add(1));
        Ok((listed.into_iter().map(|(_, state)| state).collect(), size))
    }
}

async fn look_up(pool: &Connections, places: &Cache<i64, Tid>, ids: &[i64]) -> Read<Vec<Listed>> {
    let known: Vec<Tid> = ids.iter().filter_map(|id| places.get(id)).collect();
    let mut found = if known.is_empty() { Vec::new() } else { listed(&sqlx::query(BY_PLACE).bind(known).fetch_all(pool).await?)? };
    let missing: Vec<i64> = ids.iter().copied().filter(|id| found.binary_search_by_key(id, |listed| listed.state.id).is_err()).collect();
    if !missing.is_empty() {
        let more = listed(&sqlx::query(BY_ID).bind(missing).fetch_all(pool).await?)?;
        for one in &more {
            places.insert(one.state.id, one.place);
        }
        found.extend(more);
        found.sort_unstable_by_key(|listed| listed.state.id);
    }
    Ok(found)
}

/// What rows tell of, by ids.
fn listed(rows: &[PgRow]) -> Read<Vec<Listed>> {
    let mut listed = rows.iter().map(Listed::read).collect::<Read<Vec<_>>>()?;
    listed.sort_unstable_by_key(|listed| listed.state.id);
    Ok(listed)
}
