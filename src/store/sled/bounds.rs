//! Where the newest tickets of a set are. Ids and the times of opening go up together, or nearly so; where they do, the newest
//! of a set are found among its last ids, without walking past all the newer tickets that are not in it.

use super::{
    cells::BLOCK,
    columns::{Cell, Columns},
    filters::Filters,
    select::{keep_first, key},
};
use crate::{
    tickets::query::{Sort, SortKey},
    types::Page,
};

/// How many tickets are looked at for each one that is wanted, before the order itself is walked after all: where ids and
/// times have nothing to do with each other, after an import for example.
const PATIENCE: usize = 64;

/// Between which times the tickets of each block of ids were opened. Bounds may be wider than they need be, never narrower.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    least: Vec<i64>,
    /// The latest time in this block and in all before it.
    most_so_far: Vec<i64>,
    /// The earliest time in this block and in all after it.
    least_from_here: Vec<i64>,
    most: Vec<i64>,
}

impl PartialEq for Bounds {
    /// They follow from the cells.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Bounds {
    /// Those of all these tickets: one by one they would be taken note of in the square of their number, were the newest ids
    /// those of the oldest tickets.
    pub(super) fn of(opened: impl Iterator<Item = (u32, i64)>) -> Self {
        let mut bounds = Self::default();
        for (id, at) in opened {
            let block = bounds.block(id);
            bounds.least[block] = bounds.least[block].min(at);
            bounds.most[block] = bounds.most[block].max(at);
        }
        let (mut most, mut least) = (i64::MIN, i64::MAX);
        for (so_far, here) in bounds.most_so_far.iter_mut().zip(&bounds.most) {
            most = most.max(*here);
            *so_far = most;
        }
        for (from_here, here) in bounds.least_from_here.iter_mut().zip(&bounds.least).rev() {
            least = least.min(*here);
            *from_here = least;
        }
        bounds
    }

    /// Takes note of a ticket.
    pub(super) fn take(&mut self, id: u32, at: i64) {
        let block = self.block(id);
        self.least[block] = self.least[block].min(at);
        self.most[block] = self.most[block].max(at);
        self.most_so_far[block..].iter_mut().take_while(|most| **most < at).for_each(|most| *most = at);
        self.least_from_here[..=block].iter_mut().rev().take_while(|least| **least > at).for_each(|least| *least = at);
    }

    /// The block of an id, which is there from now on.
    fn block(&mut self, id: u32) -> usize {
        let block = id as usize / BLOCK;
        if self.least.len() <= block {
            let most = self.most_so_far.last().copied().unwrap_or(i64::MIN);
            self.least.resize(block + 1, i64::MAX);
            self.least_from_here.resize(block + 1, i64::MAX);
            self.most.resize(block + 1, i64::MIN);
            self.most_so_far.resize(block + 1, most);
        }
        block
    }

    /// The blocks with tickets, in the order in which they are looked through.
    fn blocks(&self, descending: bool) -> impl Iterator<Item = usize> {
        let all = self.least.len();
        (0..all).map(move |n| if descending { all - 1 - n } else { n }).filter(|block| self.least[*block] <= self.most[*block])
    }

    /// Whether neither this block nor one that is looked through later has a time that comes before `at`, or is it.
    fn all_later(&self, block: usize, descending: bool, at: i64) -> bool {
        if descending { self.most_so_far[block] < at } else { self.least_from_here[block] > at }
    }

    /// Whether all times of this block come before `at`.
    fn all_before(&self, block: usize, descending: bool, at: i64) -> bool {
        if descending { self.least[block] > at } else { self.most[block] < at }
    }
}

/// The first tickets of a set by the time of opening that pass, with one more than the page when there is one; `None` when
/// that would take longer than to walk the order.
pub(super) fn first_opened(
    columns: &Columns,
    filters: &Filters<'_>,
    passes: impl Fn(&Cell) -> bool,
    sort: Sort,
    page: Page<SortKey>,
) -> Option<Vec<SortKey>> {
    let (bounds, most) = (&columns.opened, page.limit + 1);
    let mut looked_at = 0;
    let mut found: Vec<SortKey> = Vec::with_capacity(2 * most);
    for block in bounds.blocks(sort.descending) {
        if found.get(page.limit).is_some_and(|last| bounds.all_later(block, sort.descending, last.value)) {
            break;
        }
        if page.after.is_some_and(|after| bounds.all_before(block, sort.descending, after.value)) {
            continue;
        }
        let first = u32::try_from(block * BLOCK).ok()?;
        let last = u32::try_from(block * BLOCK + BLOCK - 1).ok()?;
        for id in filters.around(first).into_iter().flat_map(|stretch| stretch.range(first..=last)) {
            looked_at += 1;
            let Some(cell) = columns.cell(id).filter(&passes) else { continue };
            let key = key(&cell, id, sort.by);
            if page.after.is_none_or(|after| sort.cmp(key, after).is_gt()) {
                found.push(key);
            }
        }
        if looked_at > PATIENCE * most + BLOCK {
            return None;
        }
        keep_first(&mut found, sort, page.limit);
    }
    found.sort_unstable_by(|a, b| sort.cmp(*a, *b));
    Some(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use roaring::RoaringBitmap;

    use super::*;
    use crate::{
        store::sled::columns::Outcome,
        tickets::{
            model::{Priority, Status},
            query::SortBy,
        },
        types::TicketId,
    };

    fn cell(created_at: i64) -> Cell {
        let outcome = Outcome { first_response_at: i64::MIN, resolved_at: i64::MIN, first_response: i32::MIN, resolution: i32::MIN };
        let (updated_at, due_at, creator, assignee) = (0, i64::MAX, 1, 0);
        Cell { created_at, updated_at, due_at, creator, assignee, status: Status::Open, priority: Priority::Low, deleted: false, outcome }
    }

    proptest! {
        #[test]
        fn the_first_of_a_set_are_those_of_the_whole_order(
            // Blocks apart, some of them in order and some not.
            tickets in prop::collection::btree_map(0_u32..12_000, (0_i64..40, any::<bool>()), 1..300),
            in_order in any::<bool>(), descending in any::<bool>(), limit in 1_usize..20,
            after in prop::option::of((0_i64..20, 0_i64..12_000)), odd in any::<bool>(),
        ) {
            let mut columns = Columns::default();
            let cells: Vec<(u32, Cell)> =
                tickets.iter().map(|(id, (at, _))| (*id, cell(if in_order { i64::from(*id) / 300 } else { *at }))).collect();
            for (id, cell) in &cells {
                columns.put(*id, *cell, &[], &[]);
            }
            let mut at_once = Columns::of(cells.into_iter().map(Ok::<_, ()>)).unwrap();
            at_once.derive();
            prop_assert_eq!(&at_once, &columns);
            let set: RoaringBitmap = tickets.iter().filter(|(_, (_, is_in))| *is_in).map(|(id, _)| *id).collect();
            let sort = Sort { by: SortBy::CreatedAt, descending };
            let after = after.map(|(value, id)| SortKey { value, id: TicketId(id) });
            let passes = |cell: &Cell| !odd || cell.created_at % 2 == 1;
            let mut wanted: Vec<SortKey> = columns
                .cells()
                .filter(|(id, cell)| set.contains(*id) && passes(cell))
                .map(|(id, cell)| SortKey { value: cell.created_at, id: TicketId(i64::from(id)) })
                .filter(|key| after.is_none_or(|after| sort.cmp(*key, after).is_gt()))
                .collect();
            wanted.sort_by(|a, b| sort.cmp(*a, *b));
            wanted.truncate(limit + 1);
            for columns in [columns, at_once] {
                prop_assert_eq!(first_opened(&columns, &Filters::new(&set, Vec::new()), passes, sort, Page { after, limit }), Some(wanted.clone()));
            }
        }
    }

    #[test]
    fn few_blocks_are_looked_through_in_order_and_the_search_is_given_up_out_of_order() {
        let (mut ordered, mut shuffled) = (Columns::default(), Columns::default());
        for id in 0..200_000_u32 {
            ordered.put(id, cell(i64::from(id)), &[], &[]);
            shuffled.put(id, cell(i64::from(id.wrapping_mul(2_654_435_761))), &[], &[]);
        }
        let set: RoaringBitmap = (0..200_000).step_by(7).collect();
        let looked_at = std::cell::Cell::new(0);
        let passes = |_: &Cell| {
            looked_at.set(looked_at.get() + 1);
            true
        };
        let first = |columns| {
            first_opened(
                columns,
                &Filters::new(&set, Vec::new()),
                passes,
                Sort { by: SortBy::CreatedAt, descending: true },
                Page { after: None, limit: 50 },
            )
        };
        assert_eq!(first(&ordered).map(|keys| keys.len()), Some(51));
        assert!(looked_at.get() < 500, "{}", looked_at.get());
        assert_eq!(first(&shuffled), None);
        assert!(looked_at.get() < 10_000, "{}", looked_at.get());
    }
}
