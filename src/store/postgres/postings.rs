//! In which tickets a word is, as the search index keeps it, and sets of tickets made of that.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

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
#[derive(Debug, Clone)]
pub(super) enum Postings {
    /// Few: their places, the lowest first. Most words are in few tickets, and most searches want those that have several words.
    Places(Vec<u16>),
    /// A bit for each ticket, of which so many are set. The lowest bit is the first.
    Bits(Box<[u64; WORDS]>, usize),
}

impl Default for Postings {
    fn default() -> Self {
        Self::Places(Vec::new())
    }
}

/// Equal are those that have the same tickets.
impl PartialEq for Postings {
    fn eq(&self, other: &Self) -> bool {
        self.places() == other.places()
    }
}

impl Eq for Postings {}

impl Postings {
    /// Reads what [`Self::to_bytes`] made.
    pub(super) fn from_bytes(bytes: &[u8]) -> Read<Self> {
        if bytes.len() == BYTES {
            let mut bits = Box::new([0; WORDS]);
            for (word, eight) in bits.iter_mut().zip(bytes.as_chunks::<8>().0) {
                *word = u64::from_le_bytes(*eight);
            }
            return Ok(Self::of_bits(bits));
        }
        let (twos, rest) = bytes.as_chunks::<2>();
        let mut places: Vec<u16> = twos.iter().map(|two| u16::from_le_bytes(*two)).collect();
        places.sort_unstable();
        places.dedup();
        if bytes.len() > BYTES || !rest.is_empty() || places.last().is_some_and(|last| i64::from(*last) >= STRETCH) {
            return Err(sqlx::Error::Decode("a value of the search index cannot be understood".into()));
        }
        Ok(Self::Places(places))
    }

    /// As the index keeps them: places of two bytes, or a bit for each where that is shorter.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        if self.len() * 2 < BYTES { self.places().iter().flat_map(|place| place.to_le_bytes()).collect() } else { self.map() }
    }

    /// Those of which a bit is set.
    fn of_bits(bits: Box<[u64; WORDS]>) -> Self {
        let size: usize = bits.iter().map(|word| word.count_ones() as usize).sum();
        let all = Self::Bits(bits, size);
        if size * 2 < BYTES { Self::Places(all.places().into_owned()) } else { all }
    }

    /// Those at these places.
    fn of_places(places: Vec<u16>) -> Self {
        let places = Self::Places(places);
        if places.len() * 2 < BYTES { places } else { Self::of_bits(Box::new(places.bits().into_owned())) }
    }

    /// A bit for each ticket.
    fn bits(&self) -> Cow<'_, [u64; WORDS]> {
        match self {
            Self::Places(places) => {
                let mut bits = [0; WORDS];
                for place in places {
                    bits[usize::from(place >> 6)] |= 1 << (place & 63);
                }
                Cow::Owned(bits)
            }
            Self::Bits(bits, _) => Cow::Borrowed(bits),
        }
    }

    /// The same as bytes.
    fn map(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BYTES);
        for word in self.bits().iter() {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    pub(super) fn insert(&mut self, place: u16) {
        match self {
            Self::Places(places) => {
                if let Err(at) = places.binary_search(&place) {
                    places.insert(at, place);
                    *self = Self::of_places(std::mem::take(places));
                }
            }
            Self::Bits(bits, size) => {
                let (word, bit) = (&mut bits[usize::from(place >> 6)], 1 << (place & 63));
                *size += usize::from(*word & bit == 0);
                *word |= bit;
            }
        }
    }

    pub(super) fn remove(&mut self, place: u16) {
        match self {
            Self::Places(places) => {
                if let Ok(at) = places.binary_search(&place) {
                    places.remove(at);
                }
            }
            Self::Bits(bits, size) => {
                let (word, bit) = (&mut bits[usize::from(place >> 6)], 1 << (place & 63));
                *size -= usize::from(*word & bit != 0);
                *word &= !bit;
            }
        }
    }

    pub(super) fn contains(&self, place: u16) -> bool {
        match self {
            Self::Places(places) => places.binary_search(&place).is_ok(),
            Self::Bits(bits, _) => bits[usize::from(place >> 6)] & (1 << (place & 63)) != 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Places(places) => places.len(),
            Self::Bits(_, size) => *size,
        }
    }

    /// Memory that they take beside themselves, in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Places(places) => places.capacity() * 2,
            Self::Bits(..) => BYTES,
        }
    }

    /// Adds those of the other one.
    pub(super) fn unite_with(&mut self, other: &Self) {
        *self = match (std::mem::take(self), other) {
            (Self::Places(one), Self::Places(other)) => Self::of_places(merged(&one, other)),
            (Self::Bits(mut bits, _), Self::Bits(other, _)) => {
                for (word, other) in bits.iter_mut().zip(other.iter()) {
                    *word |= other;
                }
                Self::of_bits(bits)
            }
            (Self::Bits(bits, size), Self::Places(few)) => Self::Bits(bits, size).with(few),
            (Self::Places(few), many @ Self::Bits(..)) => many.clone().with(&few),
        };
    }

    fn with(mut self, places: &[u16]) -> Self {
        for place in places {
            self.insert(*place);
        }
        self
    }

    /// Those that the other one has too.
    pub(super) fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Bits(one, _), Self::Bits(other, _)) => {
                let mut bits = one.clone();
                for (word, other) in bits.iter_mut().zip(other.iter()) {
                    *word &= other;
                }
                Self::of_bits(bits)
            }
            (Self::Places(one), Self::Places(few)) if few.len() < one.len() => other.and(self),
            (Self::Places(few), many) | (many, Self::Places(few)) => {
                Self::Places(few.iter().copied().filter(|place| many.contains(*place)).collect())
            }
        }
    }

    /// The places, the lowest first.
    fn places(&self) -> Cow<'_, [u16]> {
        let (bits, size) = match self {
            Self::Places(places) => return Cow::Borrowed(places),
            Self::Bits(bits, size) => (bits, *size),
        };
        let mut places = Vec::with_capacity(size);
        for (base, word) in (0_u16..).step_by(64).zip(bits.iter()) {
            let mut left = *word;
            while left != 0 {
                let [bit, ..] = left.trailing_zeros().to_le_bytes();
                places.push(base + u16::from(bit));
                left &= left - 1;
            }
        }
        Cow::Owned(places)
    }
}

/// The places of both, each once, in order as these are.
fn merged(mut one: &[u16], mut other: &[u16]) -> Vec<u16> {
    let mut all = Vec::with_capacity(one.len() + other.len());
    while let (Some((a, after_a)), Some((b, after_b))) = (one.split_first(), other.split_first()) {
        all.push(*a.min(b));
        if a <= b {
            one = after_a;
        }
        if b <= a {
            other = after_b;
        }
    }
    all.extend_from_slice(one);
    all.extend_from_slice(other);
    all
}

/// Tickets, by stretch. What was looked up is shared with what is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TicketSet(BTreeMap<i64, Arc<Postings>>);

impl TicketSet {
    /// Sets which tickets of a stretch it has.
    pub(super) fn put(&mut self, stretch: i64, postings: Arc<Postings>) {
        if !postings.is_empty() {
            self.0.insert(stretch, postings);
        }
    }

    pub(super) fn insert(&mut self, id: i64) {
        let (stretch, place) = place(id);
        Arc::make_mut(self.0.entry(stretch).or_default()).insert(place);
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
        self.0.values().map(|postings| postings.len()).sum()
    }

    /// The ids, the lowest first.
    pub(super) fn ids(&self) -> Vec<i64> {
        let mut ids = Vec::with_capacity(self.len());
        for (stretch, postings) in &self.0 {
            let (first, _) = ids_of(*stretch);
            ids.extend(postings.places().iter().map(|place| first + i64::from(*place)));
        }
        ids
    }

    /// From the lowest stretch to the highest, both of which have tickets; `None` when there is no ticket.
    pub(super) fn span(&self) -> Option<(i64, i64)> {
        Some((*self.0.keys().next()?, *self.0.keys().next_back()?))
    }

    /// A bit for each ticket of each stretch of the span, the highest stretch first: what the server then asks for is near the
    /// beginning, since the newest tickets are asked for most.
    pub(super) fn maps(&self) -> Vec<Option<Vec<u8>>> {
        let Some((lowest, highest)) = self.span() else { return Vec::new() };
        (lowest..=highest).rev().map(|stretch| self.0.get(&stretch).map(|postings| postings.map())).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn postings<'a>(places: impl IntoIterator<Item = &'a u16>) -> Postings {
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
        let few = proptest::collection::btree_set(prop_oneof![0..200_u16, 0..32_768_u16], 0..60);
        let many = (1..9_u16, 1_900..2_900_u16).prop_map(|(step, size)| (0..size).map(|n| n * step).collect());
        prop_oneof![few, many]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(places in proptest::collection::btree_set(0..32_768_u16, 0..3_000)) {
            let written = postings(&places).to_bytes();
            prop_assert!(written.len() <= BYTES && written.len() <= places.len() * 2);
            let read = Postings::from_bytes(&written).unwrap();
            prop_assert_eq!(read.places().iter().copied().collect::<BTreeSet<_>>(), places);
        }

        #[test]
        fn sets_are_sets(one in places(), other in places()) {
            let read = |postings: &Postings| postings.places().iter().copied().collect::<BTreeSet<_>>();
            let sound = |postings: &Postings| postings.len() == postings.places().len();
            let (a, b) = (postings(&one), postings(&other));
            prop_assert_eq!((a.len(), b.len()), (one.len(), other.len()));
            let both = a.and(&b);
            prop_assert_eq!(read(&both), &one & &other);
            prop_assert_eq!(&both, &b.and(&a));
            let mut all = a.clone();
            all.unite_with(&b);
            prop_assert_eq!(read(&all), &one | &other);
            let mut left = a.clone();
            for place in &other {
                left.remove(*place);
            }
            prop_assert_eq!(read(&left), &one - &other);
            prop_assert!([&both, &all, &left].into_iter().all(sound));
            for postings in [&both, &all, &left] {
                let places = read(postings);
                prop_assert!(one.iter().chain(&other).all(|place| postings.contains(*place) == places.contains(place)));
            }
        }

        #[test]
        fn tickets_are_told_by_their_ids(ids in ids()) {
            let set = set(&ids);
            prop_assert_eq!(set.ids(), ids.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(set.len(), ids.len());
            let mut put = TicketSet::default();
            for stretch in ids.iter().map(|id| stretch(*id)).chain([7]) {
                put.put(stretch, Arc::new(postings(&ids.iter().filter(|id| place(**id).0 == stretch).map(|id| place(*id).1).collect::<Vec<_>>())));
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
