//! In which tickets a word is, as the search index keeps it, and sets of tickets made of that.

use std::collections::BTreeMap;

use super::rows::Read;

/// Tickets whose ids follow each other, of which one value of the index tells. The migration says the same.
pub(super) const STRETCH: i64 = 1 << STRETCH_BITS;
const STRETCH_BITS: u32 = 15;
/// Numbers of 64 bits that a stretch has.
const WORDS: usize = 1 << (STRETCH_BITS - 6);
/// Bytes of a stretch with a bit for each ticket.
const BYTES: usize = WORDS * 8;

/// Where a ticket's id stands: its stretch, and its place in there.
pub(super) const fn place(id: i64) -> (i64, u16) {
    let [low, high, ..] = (id & (STRETCH - 1)).to_le_bytes();
    (stretch(id), u16::from_le_bytes([low, high]))
}

/// The stretch of a ticket's id.
pub(super) const fn stretch(id: i64) -> i64 {
    id >> STRETCH_BITS
}

/// The ids of a stretch, from the first to the last one.
pub(super) const fn ids_of(stretch: i64) -> (i64, i64) {
    (stretch << STRETCH_BITS, (stretch << STRETCH_BITS) + STRETCH - 1)
}

/// Some of the tickets of one stretch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Postings(Box<[u64; WORDS]>);

impl Default for Postings {
    fn default() -> Self {
        Self(Box::new([0; WORDS]))
    }
}

impl Postings {
    /// Reads what [`Self::to_bytes`] made.
    pub(super) fn from_bytes(bytes: &[u8]) -> Read<Self> {
        let mut postings = Self::default();
        postings.unite(bytes)?;
        Ok(postings)
    }

    /// Adds those that these bytes tell of.
    pub(super) fn unite(&mut self, bytes: &[u8]) -> Read<()> {
        if bytes.len() == BYTES {
            let (eights, _) = bytes.as_chunks::<8>();
            for (word, eight) in self.0.iter_mut().zip(eights) {
                *word |= u64::from_le_bytes(*eight);
            }
            return Ok(());
        }
        let (twos, rest) = bytes.as_chunks::<2>();
        let places = || twos.iter().map(|two| u16::from_le_bytes(*two));
        if bytes.len() > BYTES || !rest.is_empty() || places().any(|place| i64::from(place) >= STRETCH) {
            return Err(sqlx::Error::Decode("a value of the search index cannot be understood".into()));
        }
        places().for_each(|place| self.insert(place));
        Ok(())
    }

    /// As the index keeps them: places of two bytes, or a bit for each where that is shorter. The lowest bit is the first.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        if self.len() * 2 < BYTES { self.places().flat_map(u16::to_le_bytes).collect() } else { self.bits() }
    }

    /// A bit for each ticket.
    fn bits(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub(super) fn insert(&mut self, place: u16) {
        self.0[usize::from(place >> 6)] |= 1 << (place & 63);
    }

    pub(super) fn remove(&mut self, place: u16) {
        self.0[usize::from(place >> 6)] &= !(1 << (place & 63));
    }

    pub(super) fn contains(&self, place: u16) -> bool {
        self.0[usize::from(place >> 6)] & (1 << (place & 63)) != 0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Adds those of the other one.
    pub(super) fn unite_with(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(other.0.iter()) {
            *word |= other;
        }
    }

    /// Leaves those that the other one has too.
    pub(super) fn intersect(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(other.0.iter()) {
            *word &= other;
        }
    }

    /// The places, the lowest first.
    fn places(&self) -> impl Iterator<Item = u16> + '_ {
        (0_u16..).step_by(64).zip(self.0.iter()).flat_map(|(base, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = u16::try_from(left.trailing_zeros()).ok().filter(|bit| *bit < 64)?;
                left &= left - 1;
                Some(base + bit)
            })
        })
    }
}

/// Tickets, by stretch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TicketSet(BTreeMap<i64, Postings>);

impl TicketSet {
    /// Sets which tickets of a stretch it has.
    pub(super) fn put(&mut self, stretch: i64, postings: Postings) {
        if !postings.is_empty() {
            self.0.insert(stretch, postings);
        }
    }

    pub(super) fn insert(&mut self, id: i64) {
        let (stretch, place) = place(id);
        self.0.entry(stretch).or_default().insert(place);
    }

    pub(super) fn contains(&self, id: i64) -> bool {
        let (stretch, place) = place(id);
        self.0.get(&stretch).is_some_and(|postings| postings.contains(place))
    }

    /// Those of the highest stretches that together have at least so many, and the other stretches, from the highest one down; `None`
    /// when it has fewer.
    pub(super) fn highest(&self, wanted: usize) -> Option<(Self, Vec<i64>)> {
        let (mut some, mut size) = (BTreeMap::new(), 0);
        let mut stretches = self.0.iter().rev();
        while size < wanted {
            let (stretch, postings) = stretches.next()?;
            size += postings.len();
            some.insert(*stretch, postings.clone());
        }
        Some((Self(some), stretches.map(|(stretch, _)| *stretch).collect()))
    }

    pub(super) fn len(&self) -> usize {
        self.0.values().map(Postings::len).sum()
    }

    /// The ids, the lowest first.
    pub(super) fn ids(&self) -> Vec<i64> {
        self.0.iter().flat_map(|(stretch, postings)| postings.places().map(|place| ids_of(*stretch).0 + i64::from(place))).collect()
    }

    /// From the lowest stretch to the highest, both of which have tickets; `None` when there is no ticket.
    pub(super) fn span(&self) -> Option<(i64, i64)> {
        Some((*self.0.keys().next()?, *self.0.keys().next_back()?))
    }

    /// A bit for each ticket of each stretch of the span, the highest stretch first: what the server then asks for is near the
    /// beginning, since the newest tickets are asked for most.
    pub(super) fn maps(&self) -> Vec<Option<Vec<u8>>> {
        let Some((lowest, highest)) = self.span() else { return Vec::new() };
        (lowest..=highest).rev().map(|stretch| self.0.get(&stretch).map(Postings::bits)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn postings(places: &BTreeSet<u16>) -> Postings {
        let mut postings = Postings::default();
        for place in places {
            postings.insert(*place);
        }
        postings
    }

    fn set(ids: &BTreeSet<i64>) -> TicketSet {
        let mut set = TicketSet::default();
        for id in ids {
            set.insert(*id);
        }
        set
    }

    fn ids() -> impl Strategy<Value = BTreeSet<i64>> {
        proptest::collection::btree_set(prop_oneof![1..200_i64, 32_700..32_900_i64, 1..1_000_000_000_000_i64], 0..60)
    }

    fn places() -> impl Strategy<Value = BTreeSet<u16>> {
        proptest::collection::btree_set(prop_oneof![0..200_u16, 0..32_768_u16], 0..60)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(places in proptest::collection::btree_set(0..32_768_u16, 0..3_000)) {
            let written = postings(&places).to_bytes();
            prop_assert!(written.len() <= BYTES && written.len() <= places.len() * 2);
            let read = Postings::from_bytes(&written).unwrap();
            prop_assert_eq!(read.places().collect::<BTreeSet<_>>(), places);
        }

        #[test]
        fn sets_are_sets(one in places(), other in places()) {
            let read = |postings: &Postings| postings.places().collect::<BTreeSet<_>>();
            let mut both = postings(&one);
            both.intersect(&postings(&other));
            prop_assert_eq!(read(&both), &one & &other);
            let mut all = postings(&one);
            all.unite_with(&postings(&other));
            prop_assert_eq!(read(&all), &one | &other);
            let mut left = postings(&one);
            for place in &other {
                left.remove(*place);
            }
            prop_assert_eq!(read(&left), &one - &other);
        }

        #[test]
        fn tickets_are_told_by_their_ids(ids in ids()) {
            let set = set(&ids);
            prop_assert_eq!(set.ids(), ids.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(set.len(), ids.len());
            let mut put = TicketSet::default();
            for stretch in ids.iter().map(|id| stretch(*id)).chain([7]) {
                put.put(stretch, postings(&ids.iter().filter(|id| place(**id).0 == stretch).map(|id| place(*id).1).collect()));
            }
            prop_assert_eq!(put, set);
        }
    }

    #[test]
    fn maps_go_from_the_newest_stretch_to_the_oldest() {
        let maps = set(&[5, 70_000].into()).maps();
        assert_eq!(maps.len(), 3);
        assert_eq!(maps[0].as_ref().unwrap()[(70_000 - 65_536) / 8], 1 << ((70_000 - 65_536) % 8));
        assert!(maps[1].is_none());
        assert_eq!(maps[2].as_ref().unwrap()[0], 1 << 5);
    }

    #[test]
    fn damage_is_told() {
        for bytes in [&[1][..], &[0, 0x80], &[0; BYTES + 2]] {
            assert!(Postings::from_bytes(bytes).is_err(), "{} bytes", bytes.len());
        }
    }
}
