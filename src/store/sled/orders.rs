//! Tickets in the order of a time. Only their ids are held, in blocks: a million tickets have two such orders, and each ticket's times are
//! in its cell already.

use std::ops::{Bound, RangeBounds};

/// A block has at most so many ids.
const MOST: usize = 512;
/// A block of less than so many is joined to the one before when there is room.
const FEW: usize = MOST / 4;

/// Ids of tickets by a time and then by id. What a ticket's time is, everyone who asks says. When it has changed, the ticket is taken out
/// and put in again before anything else is asked.
#[derive(Debug, Default)]
pub(super) struct Order(Vec<Vec<u32>>);

impl PartialEq for Order {
    /// However they are cut into blocks.
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().flatten().eq(other.0.iter().flatten())
    }
}

impl Order {
    /// Puts a ticket in its place, unless it is there.
    pub(super) fn insert(&mut self, at: i64, id: u32, time: impl Fn(u32) -> i64) {
        let (block, place) = self.place((at, id), false, &time);
        let Some(ids) = self.0.get_mut(block) else {
            self.0.push(vec![id]);
            return;
        };
        if ids.get(place) == Some(&id) {
            return;
        }
        if ids.len() < MOST {
            ids.insert(place, id);
            return;
        }
        // Most come at the end: a block that is full there stays full.
        let kept = if place == MOST { MOST } else { MOST / 2 };
        let mut rest = ids.split_off(kept);
        if place < kept {
            ids.insert(place, id);
        } else {
            rest.insert(place - kept, id);
        }
        self.0.insert(block + 1, rest);
    }

    /// Takes out a ticket that was at a time. Its time may be another one by now.
    pub(super) fn remove(&mut self, at: i64, id: u32, time: impl Fn(u32) -> i64) {
        let (block, place) = self.place((at, id), false, &|other| if other == id { at } else { time(other) });
        let Some(ids) = self.0.get_mut(block).filter(|ids| ids.get(place) == Some(&id)) else { return };
        ids.remove(place);
        if ids.is_empty() {
            self.0.remove(block);
        } else if ids.len() < FEW
            && let Some(before) = block.checked_sub(1)
            && self.0[before].len() <= MOST - FEW
        {
            let rest = self.0.remove(block);
            self.0[before].extend(rest);
        }
    }

    /// What is within these bounds.
    pub(super) fn range<'a>(
        &'a self,
        time: impl Fn(u32) -> i64 + 'a,
        bounds: impl RangeBounds<(i64, u32)>,
    ) -> impl DoubleEndedIterator<Item = (i64, u32)> + 'a {
        let begin = match bounds.start_bound() {
            Bound::Unbounded => (0, 0),
            Bound::Included(key) => self.place(*key, false, &time),
            Bound::Excluded(key) => self.place(*key, true, &time),
        };
        let end = match bounds.end_bound() {
            Bound::Unbounded => (self.0.len(), 0),
            Bound::Included(key) => self.place(*key, true, &time),
            Bound::Excluded(key) => self.place(*key, false, &time),
        };
        let blocks = if begin < end { begin.0..self.0.len().min(end.0 + 1) } else { 0..0 };
        let within = blocks.flat_map(move |block| {
            let ids = &self.0[block];
            let from = if block == begin.0 { begin.1 } else { 0 };
            let to = if block == end.0 { end.1 } else { ids.len() };
            ids[from..to].iter().copied()
        });
        within.map(move |id| (time(id), id))
    }

    /// The block and the place in it of the first ticket that does not come before a key; with `past`, of the first one behind it. When
    /// there is none, the end of the last block.
    fn place(&self, key: (i64, u32), past: bool, time: &impl Fn(u32) -> i64) -> (usize, usize) {
        let before = |id: u32| {
            let own = (time(id), id);
            own < key || past && own == key
        };
        let block = self.0.partition_point(|ids| ids.first().is_some_and(|first| before(*first))).saturating_sub(1);
        let Some(ids) = self.0.get(block) else { return (0, 0) };
        let place = ids.partition_point(|id| before(*id));
        if place == ids.len() && block + 1 < self.0.len() { (block + 1, 0) } else { (block, place) }
    }
}

impl FromIterator<(i64, u32)> for Order {
    fn from_iter<T: IntoIterator<Item = (i64, u32)>>(pairs: T) -> Self {
        let mut pairs: Vec<(i64, u32)> = pairs.into_iter().collect();
        pairs.sort_unstable();
        Self(pairs.chunks(MOST).map(|block| block.iter().map(|(_, id)| *id).collect()).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_order_is_that_of_the_pairs(
            first in prop::collection::vec(-3..3_i64, 0..700),
            moves in prop::collection::vec((0..2_000_u32, prop_oneof![any::<i64>(), -3..3_i64, 10..9_000_i64], any::<bool>()), 0..1_500),
            from in -3..3_i64, to in -3..9_000_i64,
        ) {
            let mut times: HashMap<u32, i64> = (0..).zip(first).collect();
            let mut expected: BTreeSet<(i64, u32)> = times.iter().map(|(id, at)| (*at, *id)).collect();
            let mut order: Order = expected.iter().copied().collect();
            for (id, at, stays) in moves {
                if let Some(old) = times.insert(id, at) {
                    expected.remove(&(old, id));
                    order.remove(old, id, |id| times[&id]);
                }
                if stays {
                    expected.insert((at, id));
                    // The second time nothing comes of it.
                    order.insert(at, id, |id| times[&id]);
                    order.insert(at, id, |id| times[&id]);
                } else {
                    times.remove(&id);
                    order.remove(at, id, |id| times[&id]);
                }
            }
            let time = |id: u32| times[&id];
            prop_assert!(order.range(time, ..).eq(expected.iter().copied()));
            prop_assert!(order.range(time, ..).rev().eq(expected.iter().rev().copied()));
            for bounds in [(Bound::Included((from, 1)), Bound::Unbounded), (Bound::Excluded((from, 1)), Bound::Included((to.max(from), 5)))] {
                prop_assert!(order.range(time, bounds).rev().eq(expected.range(bounds).rev().copied()));
            }
            prop_assert!(order.range(time, ..(to, 0)).eq(expected.range(..(to, 0)).copied()));
            prop_assert_eq!(&order, &expected.iter().copied().collect::<Order>());
            prop_assert!(order.0.iter().all(|ids| (1..=MOST).contains(&ids.len())));
        }
    }

    #[test]
    fn what_comes_at_the_end_leaves_no_room_behind() {
        let mut order = Order::default();
        for id in 0..10_000 {
            order.insert(i64::from(id), id, i64::from);
        }
        assert_eq!(order.0.len(), 10_000_usize.div_ceil(MOST));
        for id in (0..9_990).filter(|id| id % 20 > 0) {
            order.remove(i64::from(id), id, i64::from);
        }
        assert!(order.0.len() <= 5, "{}", order.0.len());
    }
}
