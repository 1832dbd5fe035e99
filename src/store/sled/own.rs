//! Tickets' own logs as they are stored: the numbers of a ticket's entries in the log. sled holds something in memory for every page,
//! and a page has 16 keys at most, so tickets whose ids follow one another share values, stretches, each under the number of its first
//! entry. Other tickets' entries are passed over when one ticket's log is read.
//!
//! An entry is a byte for whose it is and whether it is internal, and four for its distance from the first. A stretch of an earlier layout
//! is one ticket's: whether its first entry is internal, then eight bytes for each further one.

use std::{
    collections::{HashMap, hash_map},
    ops::RangeInclusive,
};

use sled::IVec;

use super::{
    codec,
    engine::Engine,
    keys::{self, prefix},
};
use crate::{
    store::StoreError,
    types::{Seq, TicketId},
};

/// Tickets whose ids differ in so many of the lowest bits only share stretches.
const SHARED_BITS: u32 = 3;
/// A stretch has at most so many entries: it is written anew with each.
const MOST: usize = 64;
/// The bytes of an entry.
const EACH: usize = 5;
/// The bytes of a further entry in a stretch of an earlier layout.
const FURTHER: usize = 8;

/// Tickets that share stretches, by what their ids have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Neighbours(i64);

impl Neighbours {
    pub(super) const fn of(ticket: TicketId) -> Self {
        Self(ticket.0 >> SHARED_BITS)
    }

    /// All of them.
    pub(super) fn tickets(self) -> impl Iterator<Item = TicketId> {
        (0..1 << SHARED_BITS).map(move |low| TicketId(self.0 << SHARED_BITS | low))
    }

    /// Those of whom something stands at this key; `None` for a key that is too short.
    pub(super) fn at(key: &[u8]) -> Option<Self> {
        let first = keys::first_id(key)?;
        Some(if key.first() == Some(&prefix::TICKET_ENTRY) { Self::of(TicketId(first)) } else { Self(first) })
    }

    fn key(self, seq: Seq) -> Vec<u8> {
        keys::own_log(self.0, seq)
    }
}

/// What is told of an entry of some ticket among its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// Its number in the log.
    pub(super) seq: Seq,
    /// The lowest bits of the ticket's id, and a bit for whether it is internal.
    whose: u8,
}

impl Told {
    pub(super) fn new(ticket: TicketId, seq: Seq, internal: bool) -> Self {
        let [low, ..] = (ticket.0 & ((1 << SHARED_BITS) - 1)).to_le_bytes();
        Self { seq, whose: low << 1 | u8::from(internal) }
    }

    pub(super) const fn internal(self) -> bool {
        self.whose & 1 == 1
    }

    /// Whether it is this ticket's, who is one of the neighbours.
    pub(super) fn is_of(self, ticket: TicketId) -> bool {
        Self::new(ticket, self.seq, self.internal()) == self
    }
}

/// What a stretch tells, of this or an earlier layout.
pub(super) fn told(key: &[u8], value: &[u8]) -> Result<Vec<Told>, StoreError> {
    let bad = || codec::damaged(key, "a ticket's log that cannot be read");
    let first = keys::last_id(key).ok_or_else(bad)?;
    if key.first() == Some(&prefix::TICKET_ENTRY) {
        let ticket = keys::first_id(key).map(TicketId).ok_or_else(bad)?;
        let (internal, further) = value.split_first().filter(|(internal, _)| **internal <= 1).ok_or_else(bad)?;
        let (further, []) = further.as_chunks::<FURTHER>() else { return Err(bad()) };
        let further = further.iter().map(|bytes| i64::from_be_bytes(*bytes)).map(|number| Told::new(ticket, number >> 1, number & 1 == 1));
        return Ok(std::iter::once(Told::new(ticket, first, *internal == 1)).chain(further).collect());
    }
    let (entries, []) = value.as_chunks::<EACH>() else { return Err(bad()) };
    let told = entries.iter().map(|[whose, after @ ..]| {
        let known = u32::from(*whose) < 2 << SHARED_BITS;
        known.then_some(Told { seq: first.saturating_add(u32::from_be_bytes(*after).into()), whose: *whose }).ok_or_else(bad)
    });
    told.collect()
}

/// The numbers of a ticket's entries among `numbers`, and whether they are internal, in order.
pub(super) fn of_ticket(
    engine: &Engine,
    ticket: TicketId,
    numbers: RangeInclusive<Seq>,
) -> Result<impl DoubleEndedIterator<Item = Result<Told, StoreError>> + '_, StoreError> {
    let neighbours = Neighbours::of(ticket);
    // What is added to a store of an earlier layout follows on all that it had.
    let earlier = stretches(engine, move |seq| keys::ticket_entry(ticket, seq), &numbers)?;
    let found = earlier.chain(stretches(engine, move |seq| neighbours.key(seq), &numbers)?);
    Ok(found.filter(move |told| told.as_ref().map_or(true, |told| told.is_of(ticket) && numbers.contains(&told.seq))))
}

/// What stretches tell that may have some of these numbers.
fn stretches<'a, K: Fn(Seq) -> Vec<u8>>(
    engine: &'a Engine,
    key: K,
    numbers: &RangeInclusive<Seq>,
) -> Result<impl DoubleEndedIterator<Item = Result<Told, StoreError>> + use<'a, K>, StoreError> {
    // The stretch that the first number may be in begins before it.
    let begin = engine.range(key(0)..=key(*numbers.start())).next_back().transpose()?;
    let begin = begin.map_or_else(|| key(*numbers.start()), |(key, _)| key.to_vec());
    Ok(engine.range(begin..=key(*numbers.end())).flat_map(|pair: Result<(IVec, IVec), StoreError>| {
        let told = pair.and_then(|(key, value)| told(&key, &value));
        told.map_or_else(|error| vec![Err(error)], |told| told.into_iter().map(Ok).collect())
    }))
}

/// A key and what is to stand there.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// Stretches of neighbours; further entries are added to the last.
#[derive(Default)]
struct Stretches(Vec<Pair>);

impl Stretches {
    fn add(&mut self, neighbours: Neighbours, entry: Told) {
        let last = self.0.last_mut().and_then(|(key, value)| {
            let after = entry.seq.checked_sub(keys::last_id(key)?)?;
            (value.len() < MOST * EACH).then_some((u32::try_from(after).ok()?, value))
        });
        match last {
            Some((after, value)) => {
                value.push(entry.whose);
                value.extend_from_slice(&after.to_be_bytes());
            }
            None => self.0.push((neighbours.key(entry.seq), vec![entry.whose, 0, 0, 0, 0])),
        }
    }
}

/// The log of neighbours, as it is stored: their entries by their numbers.
pub(super) fn stored(neighbours: Neighbours, entries: impl IntoIterator<Item = Told>) -> Vec<Pair> {
    let mut stretches = Stretches::default();
    for entry in entries {
        stretches.add(neighbours, entry);
    }
    stretches.0
}

/// What a group of commits adds to tickets' own logs.
#[derive(Default)]
pub(super) struct Additions(HashMap<Neighbours, Stretches>);

impl Additions {
    pub(super) fn add(&mut self, engine: &Engine, ticket: TicketId, seq: Seq, internal: bool) -> Result<(), StoreError> {
        let neighbours = Neighbours::of(ticket);
        let stretches = match self.0.entry(neighbours) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(place) => {
                let last = engine.range(neighbours.key(0)..=neighbours.key(Seq::MAX)).next_back().transpose()?;
                place.insert(Stretches(last.map(|(key, value)| (key.to_vec(), value.to_vec())).into_iter().collect()))
            }
        };
        stretches.add(neighbours, Told::new(ticket, seq, internal));
        Ok(())
    }

    pub(super) fn pairs(self) -> impl Iterator<Item = Pair> {
        self.0.into_values().flat_map(|stretches| stretches.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As layouts up to 4 had a ticket's own log.
    fn earlier(ticket: TicketId, entries: &[(Seq, bool)]) -> Vec<Pair> {
        let stretch = |part: &[(Seq, bool)]| {
            let further = part[1..].iter().flat_map(|(seq, internal)| (seq << 1 | i64::from(*internal)).to_be_bytes());
            (keys::ticket_entry(ticket, part[0].0), std::iter::once(u8::from(part[0].1)).chain(further).collect())
        };
        entries.chunks(3).map(stretch).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_ticket_has_its_own_entries_and_no_others_whatever_version_wrote_them(
            before in prop::collection::vec((0..20_i64, any::<bool>()), 0..20),
            groups in prop::collection::vec(prop::collection::vec((0..20_i64, any::<bool>(), 1..9_i64), 1..60), 0..8),
            wide in prop::sample::select(vec![1, 1 << 31, 1 << 33]),
            low in 0..90_i64, length in 0..90_i64,
        ) {
            let (engine, _dir) = Engine::temporary().unwrap();
            let mut all: Vec<(i64, Seq, bool)> = (1..).zip(before).map(|(seq, (ticket, internal))| (ticket, seq * wide, internal)).collect();
            let of = |all: &[(i64, Seq, bool)], ticket: i64, numbers: &RangeInclusive<Seq>| -> Vec<(Seq, bool)> {
                all.iter().filter(|(of, seq, _)| *of == ticket && numbers.contains(seq)).map(|(_, seq, internal)| (*seq, *internal)).collect()
            };
            let everything = 0..=Seq::MAX;
            engine.put((0..20).flat_map(|ticket| earlier(TicketId(ticket), &of(&all, ticket, &everything)))).unwrap();
            for group in groups {
                let mut additions = Additions::default();
                for (ticket, internal, step) in group {
                    let seq = all.last().map_or(0, |(_, seq, _)| *seq) + step * wide;
                    additions.add(&engine, TicketId(ticket), seq, internal).unwrap();
                    all.push((ticket, seq, internal));
                }
                engine.put(additions.pairs()).unwrap();
            }
            let some = low * wide..=(low + length) * wide;
            for ticket in 0..20 {
                for numbers in [&everything, &some] {
                    let told = || of_ticket(&engine, TicketId(ticket), numbers.clone()).unwrap().map(Result::unwrap);
                    let told = || told().map(|told| (told.seq, told.internal()));
                    prop_assert!(told().eq(of(&all, ticket, numbers)));
                    prop_assert!(told().rev().eq(of(&all, ticket, numbers).into_iter().rev()));
                }
            }
        }
    }

    #[test]
    fn neighbours_share_stretches_that_do_not_get_long() {
        let (engine, _dir) = Engine::temporary().unwrap();
        let mut additions = Additions::default();
        for seq in 1..=800 {
            additions.add(&engine, TicketId(seq % 16), seq, false).unwrap();
        }
        let pairs: Vec<Pair> = additions.pairs().collect();
        assert_eq!(pairs.len(), 2 * 400_usize.div_ceil(MOST));
        assert!(pairs.iter().all(|(_, value)| value.len() <= MOST * EACH));
        let told: Vec<Told> = (1..=800).filter(|seq| seq % 16 < 8).map(|seq| Told::new(TicketId(seq % 16), seq, false)).collect();
        assert!(stored(Neighbours::of(TicketId(7)), told).iter().all(|pair| pairs.contains(pair)));
        assert!(Neighbours::of(TicketId(13)).tickets().eq((8..16).map(TicketId)));
    }

    #[test]
    fn damage_is_told() {
        let own = Neighbours::of(TicketId(1)).key(1);
        for (key, bad) in [
            (&keys::ticket_entry(TicketId(1), 1), &[][..]),
            (&keys::ticket_entry(TicketId(1), 1), &[2]),
            (&keys::ticket_entry(TicketId(1), 1), &[0, 1]),
            (&own, &[0, 0, 0, 0]),
            (&own, &[16, 0, 0, 0, 0]),
            (&vec![prefix::OWN_LOG], &[]),
        ] {
            assert!(told(key, bad).is_err(), "{bad:?}");
        }
    }
}
