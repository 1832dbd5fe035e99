//! Tickets in the order of a time.

use std::{
    collections::BTreeSet,
    ops::{Bound, RangeBounds},
};

/// A time and a ticket, in twelve bytes: as a pair it would have sixteen, and a million tickets have millions of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    high: i32,
    low: u32,
    id: u32,
}

impl Place {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "both halves of the number are kept")]
    const fn new((at, id): (i64, u32)) -> Self {
        Self { high: (at >> 32) as i32, low: at as u32, id }
    }

    fn pair(self) -> (i64, u32) {
        (i64::from(self.high) << 32 | i64::from(self.low), self.id)
    }
}

/// An ordered set of times in microseconds, each with the id of its ticket.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Order(BTreeSet<Place>);

impl Order {
    pub(super) fn insert(&mut self, at: i64, id: u32) {
        self.0.insert(Place::new((at, id)));
    }

    pub(super) fn remove(&mut self, at: i64, id: u32) {
        self.0.remove(&Place::new((at, id)));
    }

    /// What is within these bounds, which must not be the wrong way round.
    pub(super) fn range(&self, bounds: impl RangeBounds<(i64, u32)>) -> impl DoubleEndedIterator<Item = (i64, u32)> {
        let bound = |bound: Bound<&(i64, u32)>| bound.map(|pair| Place::new(*pair));
        self.0.range((bound(bounds.start_bound()), bound(bounds.end_bound()))).map(|place| place.pair())
    }
}

impl FromIterator<(i64, u32)> for Order {
    fn from_iter<T: IntoIterator<Item = (i64, u32)>>(pairs: T) -> Self {
        Self(pairs.into_iter().map(Place::new).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_order_is_that_of_the_pairs(pairs in prop::collection::vec((prop_oneof![any::<i64>(), -3..3_i64], 0..3_u32), 0..20), from in -3..3_i64) {
            let expected: BTreeSet<(i64, u32)> = pairs.iter().copied().collect();
            let mut order: Order = pairs.iter().copied().collect();
            prop_assert!(order.range(..).eq(expected.iter().copied()));
            prop_assert!(order.range((from, 1)..).rev().eq(expected.range((from, 1)..).rev().copied()));
            for (at, id) in pairs {
                order.remove(at, id);
            }
            prop_assert_eq!(order, Order::default());
        }
    }
}
