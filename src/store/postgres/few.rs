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
    values::{Instant, Tid, Xid},
};
use crate::{
    store::StoreError,
    tickets::query::{Sort, SortBy, SortKey},
    types::{Page, TicketId},
};

/// So many are few.
pub(super) const FEW: usize = 400;

/// Of how many tickets it is remembered what their rows have said.
const LISTED: usize = 64 * 1024;

/// A ticket, with all that lists are ordered by, as its row has said.
#[derive(Debug, Clone, Copy)]
struct Listed {
    state: State,
    created_at: i64,
    priority: i16,
    due_at: i64,
    deleted: bool,
    place: Tid,
    by: Xid,
}

/// Of the rows that are at these places, those that are the present ones: who wrote them, and when. A row is never changed where it is,
/// so that one which was written by the same transaction at the same place is the one that was read before. The time tells it from one
/// that a server has lost since, which may have used the transaction's number again.
///
/// A row is found by its place without the index, and tells three values instead of ten: this takes a fifth of the time of [`BY_ID`].
const BY_PLACE: &str = "SELECT ctid, xmin, updated_at FROM taquilla.tickets WHERE ctid = ANY((SELECT $1::tid[])::tid[])";
/// Tickets as [`Listed::read`] reads them.
const BY_ID: &str = states!(
    ", created_at, priority, due_at, deleted_at IS NOT NULL, ctid, xmin FROM taquilla.tickets WHERE id = ANY((SELECT $1::bigint[])::bigint[])"
);

impl Listed {
    fn read(row: &PgRow) -> Read<Self> {
        let state = State::read(row)?;
        let (created_at, due_at): (Instant, Instant) = (row.try_get(5)?, row.try_get(7)?);
        let (priority, deleted, place, by) = (row.try_get(6)?, row.try_get(8)?, row.try_get(9)?, row.try_get(10)?);
        Ok(Self { state, created_at: created_at.0, priority, due_at: due_at.0, deleted, place, by })
    }

    /// Whether its row is the one of which [`BY_PLACE`] tells.
    fn is(&self, row: &PgRow) -> Read<bool> {
        Ok(self.by == row.try_get(1)? && self.state.updated_at == row.try_get::<Instant, _>(2)?.stamp())
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
    known: Arc<Cache<i64, Listed>>,
}

impl Few {
    pub(super) fn new() -> Self {
        Self { together: Together::default(), known: Arc::new(Cache::new(LISTED)) }
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
        let (pool, lost, known) = (pool.clone(), lost.clone(), self.known.clone());
        let read = self.together.ask((), ids.to_vec(), move |wanted: Vec<Vec<i64>>| {
            let (pool, lost, known) = (pool.clone(), lost.clone(), known.clone());
            let mut ids = wanted.concat();
            ids.sort_unstable();
            ids.dedup();
            async move { asking!(lost, look_up(&pool, &known, &ids)).map(Arc::new) }
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

async fn look_up(pool: &Connections, known: &Cache<i64, Listed>, ids: &[i64]) -> Read<Vec<Listed>> {
    let mut found = present(pool, ids.iter().filter_map(|id| known.get(id)).collect()).await?;
    found.sort_unstable_by_key(|listed| listed.state.id);
    let missing: Vec<i64> = ids.iter().copied().filter(|id| found.binary_search_by_key(id, |listed| listed.state.id).is_err()).collect();
    if !missing.is_empty() {
        for row in sqlx::query(BY_ID).bind(missing).fetch_all(pool).await? {
            let listed = Listed::read(&row)?;
            known.insert(listed.state.id, listed);
            found.push(listed);
        }
        found.sort_unstable_by_key(|listed| listed.state.id);
    }
    Ok(found)
}

/// Those of these tickets of which the rows are still the same.
async fn present(pool: &Connections, mut known: Vec<Listed>) -> Read<Vec<Listed>> {
    if known.is_empty() {
        return Ok(known);
    }
    known.sort_unstable_by_key(|listed| listed.place);
    let places: Vec<Tid> = known.iter().map(|listed| listed.place).collect();
    let mut found = Vec::with_capacity(known.len());
    for row in sqlx::query(BY_PLACE).bind(places).fetch_all(pool).await? {
        let place: Tid = row.try_get(0)?;
        if let Some(listed) = known.binary_search_by_key(&place, |listed| listed.place).ok().and_then(|at| known.get(at))
            && listed.is(&row)?
        {
            found.push(*listed);
        }
    }
    Ok(found)
}
