//! How a list of tickets is read off the columns: bitmaps narrow it, then either the few that are left are sorted, or
//! an ordered set is walked from the cursor until the page is full.

use std::ops::{
    Bound::{self, Excluded, Included, Unbounded},
    RangeBounds,
};

use roaring::RoaringBitmap;

use super::{
    bounds::first_opened,
    columns::{Cell, Columns, NEVER, Ordered},
    filters::{AnyOf, Filters},
    terms::Search,
};
use crate::{
    tickets::query::{Assignee, COUNT_CAP, Scope, Sort, SortBy, SortKey, TicketQuery},
    types::{Page, TicketId, Timestamp, Total},
};

/// Up to this many are collected and sorted; above, an ordered set is walked.
const FEW: u64 = 2_048;
/// With one ticket of so many in the set, or fewer, the newest are looked for by their ids: an order would be walked for long
/// from one to the next.
const SPARSE: u64 = 4;

/// The ids of a page, whether more follow, and the length of the list.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) ids: Vec<u32>,
    pub(super) next: Option<SortKey>,
    pub(super) total: Option<Total>,
}

/// Reads one page of a list.
pub(super) fn select(columns: &Columns, search: &Search, query: &TicketQuery, page: Page<SortKey>) -> Selected {
    let filters = filters(columns, search, query);
    let times = Times::of(query);
    let few = gather(columns, &filters, &times, query.sort);
    let newest = is_long(columns, &filters, &times, few.as_deref(), query.sort, page)
        .then(|| first_opened(columns, &filters, |cell| times.passes(cell), query.sort, page));
    let mut found = match (newest.flatten(), &few) {
        (Some(found), _) => found,
        (None, Some(ids)) => sorted(columns, ids, query.sort, page),
        (None, None) => walked(columns, &filters, &times, query.sort, page),
    };
    let more = found.len() > page.limit;
    found.truncate(page.limit);
    let total = page.after.is_none().then(|| {
        if query.counts_exactly() {
            return Total::Exact(count(filters.count()));
        }
        let n = few.map_or_else(
            || {
                let ids = filters.stretches(query.sort.descending).flatten();
                ids.filter(|id| times.pass(columns, *id)).take(COUNT_CAP + 1).count()
            },
            |few| few.len(),
        );
        if n > COUNT_CAP { Total::MoreThan(COUNT_CAP) } else { Total::Exact(n) }
    });
    let next = found.last().copied().filter(|_| more);
    Selected { ids: found.iter().filter_map(|key| u32::try_from(key.id.0).ok()).collect(), next, total }
}

fn count(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// The filters that a bitmap can judge.
fn filters<'a>(columns: &'a Columns, search: &'a Search, query: &TicketQuery) -> Filters<'a> {
    let mut all: Vec<AnyOf<'_>> = Vec::new();
    let mut of_value = |sets: Option<&'a RoaringBitmap>| all.push(sets.into_iter().collect());
    if let Scope::Requester(id) = query.scope {
        of_value(columns.creator.get(&id.0));
    }
    if let Some(id) = query.creator {
        of_value(columns.creator.get(&id.0));
    }
    match query.assignee {
        Some(Assignee::None) => of_value(columns.assignee.get(&0)),
        Some(Assignee::Is(id)) => of_value(columns.assignee.get(&id.0)),
        None => {}
    }
    if !query.status.is_empty() {
        all.push(query.status.iter().map(|status| &columns.status[*status as usize]).collect());
    }
    if !query.priority.is_empty() {
        all.push(query.priority.iter().map(|priority| &columns.priority[*priority as usize]).collect());
    }
    if !query.tags.is_empty() {
        all.push(query.tags.iter().filter_map(|tag| columns.tags.get(tag.as_str())).collect());
    }
    if let Some(words) = &query.words {
        all.extend(search.filters(words, query.scope.sees_notes()));
    }
    Filters::new(if query.deleted { &columns.deleted } else { &columns.live }, all)
}

/// The filters by time, as open intervals.
struct Times {
    created: (Bound<i64>, Bound<i64>),
    updated: (Bound<i64>, Bound<i64>),
    due: (Bound<i64>, Bound<i64>),
    /// Whether there are none.
    none: bool,
}

impl Times {
    fn of(query: &TicketQuery) -> Self {
        let bound = |t: Option<Timestamp>| t.map_or(Unbounded, |t| Excluded(t.as_micros()));
        let created = (bound(query.created_after), bound(query.created_before));
        let updated = (bound(query.updated_after), bound(query.updated_before));
        let due = (Unbounded, bound(query.overdue_at));
        Self { created, updated, due, none: [created, updated, due].iter().all(|range| *range == (Unbounded, Unbounded)) }
    }

    /// Whether a ticket passes. Without such filters its cell is not looked at, which takes longer than all the rest.
    fn pass(&self, columns: &Columns, id: u32) -> bool {
        self.none || columns.cell(id).is_some_and(|cell| self.passes(&cell))
    }

    fn passes(&self, cell: &Cell) -> bool {
        self.created.contains(&cell.created_at) && self.updated.contains(&cell.updated_at) && self.due.contains(&cell.due_at)
    }
}

/// Whether the newest are looked for by their ids: of a list that is longer than its page, but not of nearly all tickets.
fn is_long(columns: &Columns, filters: &Filters<'_>, times: &Times, few: Option<&[u32]>, sort: Sort, page: Page<SortKey>) -> bool {
    sort.by == SortBy::CreatedAt
        && match few {
            Some(few) => times.none && few.len() > 2 * page.limit,
            None => filters.are_sparse(columns.live.len() + columns.deleted.len(), SPARSE, sort.descending),
        }
}

/// All that pass, when they are few: by the bitmap, or by the ordered set of a narrow time filter.
fn gather(columns: &Columns, filters: &Filters<'_>, times: &Times, sort: Sort) -> Option<Vec<u32>> {
    let passes = |id: &u32| times.pass(columns, *id);
    // The newest need not be sorted out of all, so that it is enough to count them.
    let most = if sort.by == SortBy::CreatedAt && times.none { COUNT_CAP as u64 } else { FEW };
    if let Some(mut few) = filters.few(most, sort.descending) {
        few.retain(passes);
        return Some(few);
    }
    let ranges = [(columns.by_created(), times.created), (columns.by_updated(), times.updated), (columns.by_due(), times.due)];
    for (ordered, range) in ranges {
        if range == (Unbounded, Unbounded) {
            continue;
        }
        let Some(bounds) = pairs(range) else { return Some(Vec::new()) };
        let most = count(FEW);
        let ids: Vec<u32> = ordered.range(bounds).take(most + 1).map(|(_, id)| id).collect();
        if ids.len() <= most {
            return Some(ids.into_iter().filter(|id| filters.contains(*id) && passes(id)).collect());
        }
    }
    None
}

/// A stretch of an ordered set.
type Stretch = (Bound<(i64, u32)>, Bound<(i64, u32)>);

/// A range of values as one of (value, id) pairs; `None` when it is empty.
fn pairs((low, high): (Bound<i64>, Bound<i64>)) -> Option<Stretch> {
    if let (Excluded(low), Excluded(high)) = (low, high)
        && low >= high
    {
        return None;
    }
    let low = match low {
        Excluded(value) => Excluded((value, u32::MAX)),
        Included(value) => Included((value, 0)),
        Unbounded => Unbounded,
    };
    let high = match high {
        Excluded(value) => Excluded((value, 0)),
        Included(value) => Included((value, u32::MAX)),
        Unbounded => Unbounded,
    };
    match (low, high) {
        (Excluded(a), Excluded(b)) if a >= b => None,
        range => Some(range),
    }
}

pub(super) fn key(cell: &Cell, id: u32, by: SortBy) -> SortKey {
    let value = match by {
        SortBy::CreatedAt => cell.created_at,
        SortBy::UpdatedAt => cell.updated_at,
        SortBy::DueAt => cell.due_at,
        SortBy::Priority => cell.priority as i64,
        SortBy::Id => i64::from(id),
    };
    SortKey { value, id: TicketId(i64::from(id)) }
}

/// Keeps the first keys of a page and one more, when there are so many; the last of them then stands at its end.
pub(super) fn keep_first(keys: &mut Vec<SortKey>, sort: Sort, limit: usize) {
    if keys.len() > limit {
        keys.select_nth_unstable_by(limit, |a, b| sort.cmp(*a, *b));
        keys.truncate(limit + 1);
    }
}

/// The keys of a page (one more when there is more) out of few candidates.
fn sorted(columns: &Columns, ids: &[u32], sort: Sort, page: Page<SortKey>) -> Vec<SortKey> {
    let keys = ids.iter().filter_map(|id| columns.cell(*id).map(|cell| key(&cell, *id, sort.by)));
    let mut keys: Vec<SortKey> = keys.filter(|key| page.after.is_none_or(|after| sort.cmp(*key, after).is_gt())).collect();
    keep_first(&mut keys, sort, page.limit);
    keys.sort_unstable_by(|a, b| sort.cmp(*a, *b));
    keys
}

/// The keys of a page (one more when there is more), walking an order from the cursor.
fn walked(columns: &Columns, filters: &Filters<'_>, times: &Times, sort: Sort, page: Page<SortKey>) -> Vec<SortKey> {
    let passes = |id: &u32| times.pass(columns, *id);
    let most = page.limit + 1;
    let with_value = |value: i64| move |id: u32| SortKey { value, id: TicketId(i64::from(id)) };
    match columns.ordered(sort.by) {
        Some(ordered) => {
            let dated = along(ordered, sort.descending, page.after).filter(|(_, id)| filters.contains(*id) && passes(id));
            let dated = dated.map(|(value, id)| with_value(value)(id));
            if sort.by != SortBy::DueAt {
                return dated.take(most).collect();
            }
            // What is never due stands where the latest times are, by id.
            let within = page.after.filter(|after| after.value == NEVER);
            let skipped = sort.descending && page.after.is_some() && within.is_none() || !times.due.contains(&NEVER);
            let ids = filters.stretches(sort.descending).flat_map(|stretch| by_id(stretch, sort.descending, within.map(|key| key.id)));
            let ids = ids.filter(|id| columns.cell(*id).is_some_and(|cell| cell.due_at == NEVER && times.passes(&cell)));
            let never = ids.map(with_value(NEVER)).take(if skipped { 0 } else { most });
            if sort.descending { never.chain(dated).take(most).collect() } else { dated.chain(never).take(most).collect() }
        }
        None if sort.by == SortBy::Id => {
            let after = page.after.map(|key| key.id);
            let ids = filters.stretches(sort.descending).flat_map(|stretch| by_id(stretch, sort.descending, after));
            ids.filter(passes).map(|id| with_value(i64::from(id))(id)).take(most).collect()
        }
        None => {
            let mut levels: Vec<usize> = (0..columns.priority.len()).collect();
            if sort.descending {
                levels.reverse();
            }
            let mut keys = Vec::with_capacity(most);
            for level in levels {
                let value = i64::try_from(level).unwrap_or(i64::MAX);
                let after = match page.after.map(|after| (value.cmp(&after.value), after.id)) {
                    Some((order, _)) if order.is_lt() != sort.descending && order.is_ne() => continue,
                    Some((order, id)) if order.is_eq() => Some(id),
                    _ => None,
                };
                for stretch in filters.stretches(sort.descending) {
                    let wanted = most - keys.len();
                    let level = &columns.priority[level] & stretch;
                    keys.extend(by_id(&level, sort.descending, after).filter(passes).map(with_value(value)).take(wanted));
                    if keys.len() == most {
                        return keys;
                    }
                }
            }
            keys
        }
    }
}

/// What is in an ordered set after a key, in either direction.
fn along(ordered: Ordered<'_>, descending: bool, after: Option<SortKey>) -> Box<dyn Iterator<Item = (i64, u32)> + '_> {
    let after = after.map(|key| (key.value, u32::try_from(key.id.0).unwrap_or(u32::MAX)));
    if descending {
        Box::new(ordered.range((Unbounded, after.map_or(Unbounded, Excluded))).rev())
    } else {
        Box::new(ordered.range((after.map_or(Unbounded, Excluded), Unbounded)))
    }
}

/// The ids of a bitmap after an id, in either direction.
fn by_id(set: &RoaringBitmap, descending: bool, after: Option<TicketId>) -> Box<dyn Iterator<Item = u32> + '_> {
    let after = after.map(|id| u32::try_from(id.0).unwrap_or(u32::MAX));
    let mut ids = set.iter();
    if descending {
        match after {
            Some(0) => return Box::new(std::iter::empty()),
            Some(after) => ids.advance_back_to(after - 1),
            None => {}
        }
        Box::new(ids.rev())
    } else {
        match after {
            Some(u32::MAX) => return Box::new(std::iter::empty()),
            Some(after) => ids.advance_to(after + 1),
            None => {}
        }
        Box::new(ids)
    }
}
