//! The filters of a list as sets of ids, intersected a stretch of ids at a time: a page and a capped count seldom need more
//! than the stretches with the newest tickets, however many tickets there are.

use std::{borrow::Cow, cell::OnceCell};

use roaring::{MultiOps, RoaringBitmap};

/// The ids of a stretch: as many as a container of the bitmaps has, so that one costs a container of each set.
const STRETCH: u64 = 1 << 16;
/// All ids of a stretch. As bits: against a run of ids, as which it would take less room, sets are matched one by one.
static WHOLE: [u8; 8_192] = [0xff; 8_192];
/// Sets that have no more than this are intersected whole at once.
const SMALL: u64 = 8_192;

/// One filter: the tickets in any of these sets.
pub(super) type AnyOf<'a> = Vec<&'a RoaringBitmap>;

/// The tickets that pass every filter.
pub(super) struct Filters<'a> {
    /// The narrowest comes first: only what is left of it has to be looked up in the others.
    all: Vec<AnyOf<'a>>,
    /// How many ids each of these has.
    stretch: u64,
    stretches: Vec<OnceCell<Cow<'a, RoaringBitmap>>>,
}

impl<'a> Filters<'a> {
    /// Those of `base` that pass the other filters.
    pub(super) fn new(base: &'a RoaringBitmap, mut all: Vec<AnyOf<'a>>) -> Self {
        all.push(vec![base]);
        all.sort_by_cached_key(|any| most(any));
        let ids = base.max().map_or(0, |max| u64::from(max) + 1);
        let whole = match &all[..] {
            [any] => Some(union(any)),
            [narrowest, ..] if most(narrowest) <= SMALL => Some(narrowed(None, &all)),
            _ => None,
        };
        if let Some(whole) = whole {
            return Self { all, stretch: ids.max(1), stretches: vec![OnceCell::from(whole)] };
        }
        let count = usize::try_from(ids.div_ceil(STRETCH)).unwrap_or(usize::MAX);
        Self { all, stretch: STRETCH, stretches: vec![OnceCell::new(); count] }
    }

    /// What passes in the stretch that an id is in; nothing for an id beyond all.
    pub(super) fn around(&self, id: u32) -> Option<&RoaringBitmap> {
        self.stretch(usize::try_from(u64::from(id) / self.stretch).ok()?)
    }

    pub(super) fn contains(&self, id: u32) -> bool {
        self.around(id).is_some_and(|stretch| stretch.contains(id))
    }

    /// What passes, stretch by stretch, in either direction. Each is intersected when it is asked for.
    pub(super) fn stretches(&self, descending: bool) -> impl Iterator<Item = &RoaringBitmap> {
        let last = self.stretches.len().saturating_sub(1);
        (0..self.stretches.len()).filter_map(move |n| self.stretch(if descending { last - n } else { n }))
    }

    /// All that pass, unless they are more than `most`. Looks where a list in this direction begins.
    pub(super) fn few(&self, most: u64, descending: bool) -> Option<Vec<u32>> {
        let mut few = Vec::new();
        for stretch in self.stretches(descending) {
            if few.len() as u64 + stretch.len() > most {
                return None;
            }
            few.extend(stretch);
        }
        Some(few)
    }

    /// How many pass.
    pub(super) fn count(&self) -> u64 {
        match &self.all[..] {
            // No set is made for it. Of two filters one is the base, and a ticket is in one set of the other: those that can have
            // several, tags and words, make lists that are not counted.
            [one, other] if self.stretches.len() > 1 => {
                one.iter().flat_map(|one| other.iter().map(|other| one.intersection_len(other))).sum()
            }
            _ => self.stretches(false).map(RoaringBitmap::len).sum(),
        }
    }

    /// Whether few of all tickets pass, to judge by the narrowest filter, and by where a list in this direction begins.
    pub(super) fn are_sparse(&self, base: u64, share: u64, descending: bool) -> bool {
        let ids = base.min(self.stretch);
        self.all.first().is_none_or(|narrowest| most(narrowest).saturating_mul(share) <= base)
            || self.stretches(descending).next().is_none_or(|stretch| stretch.len().saturating_mul(share) <= ids)
    }

    fn stretch(&self, n: usize) -> Option<&RoaringBitmap> {
        let stretch = self.stretches.get(n)?.get_or_init(|| {
            let first = u32::try_from(n as u64 * self.stretch).unwrap_or(u32::MAX);
            narrowed(Some(RoaringBitmap::from_lsb0_bytes(first, &WHOLE)), &self.all)
        });
        Some(stretch)
    }
}

/// At most so many pass a filter.
fn most(any: &AnyOf<'_>) -> u64 {
    any.iter().map(|ids| ids.len()).sum()
}

/// What is left of `found`, or of all tickets, after every filter.
fn narrowed<'a>(found: Option<RoaringBitmap>, all: &[AnyOf<'a>]) -> Cow<'a, RoaringBitmap> {
    let mut found: Option<Cow<'a, RoaringBitmap>> = found.map(Cow::Owned);
    for any in all {
        let left = match (found, &any[..]) {
            (None, any) => union(any),
            (Some(Cow::Owned(mut found)), [ids]) => {
                found &= *ids;
                Cow::Owned(found)
            }
            (Some(found), any) => Cow::Owned(any.iter().map(|ids| found.as_ref() & *ids).union()),
        };
        if left.is_empty() {
            return left;
        }
        found = Some(left);
    }
    found.unwrap_or_default()
}

/// What is in any of the sets; a single one is not copied.
fn union<'a>(any: &[&'a RoaringBitmap]) -> Cow<'a, RoaringBitmap> {
    match any {
        [ids] => Cow::Borrowed(ids),
        any => Cow::Owned(any.iter().copied().union()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One id of so many, beginning somewhere.
    fn every(step: usize, from: u32, ids: u32) -> RoaringBitmap {
        (from..ids).step_by(step).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_passes_is_in_one_set_of_every_filter(
            ids in prop::sample::select(vec![0, 1, 1_000, 65_536, 65_537, 200_000]),
            sets in prop::collection::vec(
                prop::collection::vec((prop::sample::select(vec![1, 2, 3, 7, 50, 1_000]), 0..70_000_u32), 0..4), 0..4),
            probe in 0..210_000_u32,
        ) {
            let base = every(1, 0, ids);
            let sets: Vec<Vec<_>> =
                sets.into_iter().map(|any| any.into_iter().map(|(step, from)| every(step, from, ids)).collect()).collect();
            let expected: RoaringBitmap =
                base.iter().filter(|id| sets.iter().all(|any: &Vec<RoaringBitmap>| any.iter().any(|ids| ids.contains(*id)))).collect();
            let filters = || Filters::new(&base, sets.iter().map(|any| any.iter().collect()).collect());
            for descending in [false, true] {
                let filters = filters();
                let found: Vec<RoaringBitmap> = filters.stretches(descending).cloned().collect();
                prop_assert_eq!(&found.iter().union(), &expected);
                prop_assert!(found.iter().filter(|stretch| !stretch.is_empty()).is_sorted_by(|a, b| (a.max() < b.min()) != descending));
                let few = filters.few(2_048, descending);
                prop_assert_eq!(few.map(|few| few.into_iter().collect()), (expected.len() <= 2_048).then(|| expected.clone()));
            }
            prop_assert_eq!(filters().contains(probe), expected.contains(probe));
            if let [] | [_] = &sets[..] && sets.iter().all(|any| any.len() < 2) {
                prop_assert_eq!(filters().count(), expected.len());
            }
        }
    }

    #[test]
    fn values_that_exclude_each_other_are_counted_once() {
        let base = every(1, 0, 200_000);
        let values = [every(4, 0, 200_000), every(4, 1, 200_000), every(2, 2, 300_000)];
        let filters = Filters::new(&base, vec![values[..2].iter().collect()]);
        assert_eq!(filters.count(), 100_000);
        assert!(filters.stretches.iter().all(|stretch| stretch.get().is_none()), "without making a set");
        let filters = Filters::new(&base, vec![values[..2].iter().collect(), vec![&values[2]]]);
        assert_eq!(filters.count(), 50_000 - 1);
    }

    #[test]
    fn the_newest_are_found_without_the_rest() {
        let base = every(1, 0, 1_000_000);
        let (odd, third) = (every(2, 1, 1_000_000), every(3, 0, 1_000_000));
        let filters = Filters::new(&base, vec![vec![&odd], vec![&third]]);
        assert_eq!(filters.few(2_048, true), None);
        assert!(filters.contains(999_999) && !filters.contains(999_998));
        assert!(filters.stretches.iter().filter(|stretch| stretch.get().is_some()).count() <= 2);
        let nothing = RoaringBitmap::new();
        let filters = Filters::new(&base, vec![vec![&odd], vec![&nothing], vec![]]);
        assert_eq!((filters.few(0, true), filters.count(), filters.contains(1)), (Some(Vec::new()), 0, false));
    }
}
