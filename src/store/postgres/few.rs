//! Lists of few tickets of which the ids are known: those that are wanted at the same time are looked up by one statement, and each list
//! is put in order here.

use std::{collections::HashSet, sync::Arc};

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

/// Of how many tickets it is remembered what their rows have said. More can be wanted at the same time, but hardly are.
const LISTED: usize = 32 * 1024;

/// A ticket, with all that lists are ordered by, as its row has said.
#[derive(Debug, Clone, Copy)]
struct Listed {
    state: State,
    created_at: i64,
    priority: i16,
    due_at: i64,
    deleted: bool,
    place: Tid,
}

/// Those of these rows that are not in the state in which they were, by their number, from 1.
///
/// They are found by their places, without the index, and most have nothing to tell: this takes the server a third of the time of
/// [`BY_ID`], and the desk none. One that has changed places, or whose place is another row's now, counts as changed.
const CHANGED: &str = "\
    SELECT k.nr FROM unnest((SELECT $1::tid[])::tid[], (SELECT $2::bigint[])::bigint[], (SELECT $3::xid[])::xid[], \
    (SELECT $4::timestamptz[])::timestamptz[]) WITH ORDINALITY AS k(place, id, by, at, nr) WHERE NOT EXISTS \
    (SELECT FROM taquilla.tickets t WHERE t.ctid = k.place AND t.id = k.id AND t.xmin = k.by AND t.updated_at = k.at)";

/// Tickets as [`Listed::read`] reads them.
const BY_ID: &str = states!(
    ", created_at, priority, due_at, deleted_at IS NOT NULL, ctid FROM taquilla.tickets t WHERE id = ANY((SELECT $1::bigint[])::bigint[])"
);

impl Listed {
    fn read(row: &PgRow) -> Read<Self> {
        let state = State::read(row)?;
        let (created_at, due_at): (Instant, Instant) = (row.try_get(3)?, row.try_get(5)?);
        let (priority, deleted, place) = (row.try_get(4)?, row.try_get(6)?, row.try_get(7)?);
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
    known: Arc<Cache<i64, Listed>>,
}

impl Few {
    pub(super) fn new() -> Self {
        Self { together: Together::default(), known: Arc::new(Cache::new(LISTED)) }
    }

    /// Forgets everything.
    pub(super) fn forget(&self) {
        self.known.clear();
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
    let mut found = unchanged(pool, ids.iter().filter_map(|id| known.get(id)).collect()).await?;
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

/// Those of these tickets of which the rows are still the same, in their order.
async fn unchanged(pool: &Connections, known: Vec<Listed>) -> Read<Vec<Listed>> {
    if known.is_empty() {
        return Ok(known);
    }
    let changed: Vec<i64> = sqlx::query_scalar(CHANGED)
        .bind(known.iter().map(|listed| listed.place).collect::<Vec<Tid>>())
        .bind(known.iter().map(|listed| listed.state.id).collect::<Vec<_>>())
        .bind(known.iter().map(|listed| listed.state.by).collect::<Vec<Xid>>())
        .bind(known.iter().map(|listed| Instant::from(listed.state.updated_at)).collect::<Vec<_>>())
        .fetch_all(pool)
        .await?;
    let changed: HashSet<i64> = changed.into_iter().collect();
    Ok((1..).zip(known).filter(|(nr, _)| !changed.contains(nr)).map(|(_, listed)| listed).collect())
}
