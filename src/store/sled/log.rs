//! The activity log as it is stored. sled splits a page at 16 keys and holds something in memory for every page, so
//! entries that follow one another share a value, a block, under the number of the first of them.
//!
//! A block is its encoding's number, then each entry with its length before it. An entry of an earlier layout, or one
//! that is too long for a block, stands alone at its own number.

use std::ops::{Range, RangeInclusive};

use serde::de::DeserializeOwned;
use sled::IVec;

use super::{
    codec::{self, Encoded},
    engine::Engine,
    keys,
    own::{self, Pair},
};
use crate::{activity::model::Entry, store::StoreError, types::Seq};

/// A block has at most so many entries. Never less than any version before had: readers look so far back for it.
const MOST_ENTRIES: Seq = 16;
/// The bytes that tell an entry's length.
const LENGTH: usize = 2;

/// An entry where it is stored.
pub(super) struct Stored {
    /// Its number in the log.
    pub(super) seq: Seq,
    key: IVec,
    value: IVec,
    /// Where it is in its block; `None` when it stands alone.
    at: Option<Range<usize>>,
}

impl Stored {
    /// Reads it, or of it what `T` has.
    pub(super) fn read<T: DeserializeOwned>(&self, engine: &Engine) -> Result<T, StoreError> {
        match &self.at {
            Some(at) => codec::decode_map(&self.key, &self.value[at.clone()]),
            None => engine.decode(&self.key, &self.value),
        }
    }

    /// About how many bytes it has.
    pub(super) fn size(&self) -> Result<usize, StoreError> {
        self.at.as_ref().map_or_else(|| codec::size(&self.key, &self.value), |at| Ok(at.len()))
    }
}

/// The entries at one key, up to the first that cannot be told from the rest.
pub(super) fn split((key, value): (IVec, IVec)) -> Vec<Result<Stored, StoreError>> {
    let Some(mut seq) = keys::last_id(&key) else { return vec![Err(codec::damaged(&key, "no number of an entry"))] };
    if value.first() != Some(&codec::BLOCK) {
        return vec![Ok(Stored { seq, key, value, at: None })];
    }
    let mut entries = Vec::new();
    let mut begin = 1;
    while begin < value.len() {
        let length = value.get(begin..begin + LENGTH).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes);
        let at = length.map(|length| begin + LENGTH..begin + LENGTH + usize::from(length));
        let Some(at) = at.filter(|at| at.end <= value.len()) else {
            entries.push(Err(codec::damaged(&key, &format!("no log entry {seq} that is whole"))));
            break;
        };
        begin = at.end;
        entries.push(Ok(Stored { seq, key: key.clone(), value: value.clone(), at: Some(at) }));
        seq += 1;
    }
    entries
}

/// The key that an entry is at, if it is anywhere.
fn home(engine: &Engine, seq: Seq) -> Result<Option<(IVec, IVec)>, StoreError> {
    let earliest = seq.saturating_sub(MOST_ENTRIES - 1).max(0);
    engine.range(keys::entry(earliest)..=keys::entry(seq)).next_back().transpose()
}

/// The entries with these numbers, in order.
pub(super) fn entries(
    engine: &Engine,
    numbers: RangeInclusive<Seq>,
) -> Result<impl DoubleEndedIterator<Item = Result<Stored, StoreError>> + '_, StoreError> {
    let begin = home(engine, *numbers.start())?.map_or_else(|| keys::entry(*numbers.start()), |(key, _)| key.to_vec());
    let found = engine.range(begin..=keys::entry(*numbers.end())).flat_map(|pair| pair.map_or_else(|error| vec![Err(error)], split));
    Ok(found.filter(move |stored| stored.as_ref().map_or(true, |stored| numbers.contains(&stored.seq))))
}

/// One entry, which the store should have.
pub(super) fn entry(engine: &Engine, seq: Seq) -> Result<Entry, StoreError> {
    let found = home(engine, seq)?.into_iter().flat_map(split);
    for stored in found {
        let stored = stored?;
        if stored.seq == seq {
            return stored.read(engine);
        }
    }
    Err(StoreError::Corrupt(format!("log entry {seq} is missing")))
}

/// The number of the last entry; 0 when there is none.
pub(super) fn last(engine: &Engine) -> Result<Seq, StoreError> {
    let mut blocks = engine.scan(&[keys::prefix::ENTRY]);
    let last = blocks.next_back().transpose()?.and_then(|block| split(block).pop()).transpose()?;
    Ok(last.map_or(0, |stored| stored.seq))
}

/// A block to which entries are added.
struct Block {
    first: Seq,
    count: Seq,
    value: Vec<u8>,
}

impl Block {
    const fn new(first: Seq, value: Vec<u8>) -> Self {
        Self { first, count: 0, value }
    }

    /// The one that ends with this entry.
    fn ending_with(engine: &Engine, seq: Seq) -> Result<Option<Self>, StoreError> {
        let Some((key, value)) = home(engine, seq)?.filter(|(_, value)| value.first() == Some(&codec::BLOCK)) else { return Ok(None) };
        let entries = split((key, value.clone())).into_iter().collect::<Result<Vec<_>, _>>()?;
        let ends = entries.last().is_some_and(|last| last.seq == seq);
        Ok(entries.first().filter(|_| ends).map(|first| Self { first: first.seq, count: seq - first.seq + 1, value: value.to_vec() }))
    }

    fn has_room(&self, map: &[u8]) -> bool {
        self.count < MOST_ENTRIES && self.value.len() + LENGTH + map.len() <= codec::LARGEST
    }

    fn add(&mut self, length: u16, map: &[u8]) {
        self.value.extend_from_slice(&length.to_be_bytes());
        self.value.extend_from_slice(map);
        self.count += 1;
    }

    fn pair(self) -> Pair {
        (keys::entry(self.first), self.value)
    }
}

/// What a group of commits adds to the log.
pub(super) struct Additions<'a> {
    engine: &'a Engine,
    /// The end of the log before.
    end: Seq,
    /// The last block, once an entry has been added.
    block: Option<Block>,
    full: Vec<Pair>,
    own: own::Additions,
}

impl<'a> Additions<'a> {
    pub(super) fn new(engine: &'a Engine, end: Seq) -> Self {
        Self { engine, end, block: None, full: Vec::new(), own: own::Additions::default() }
    }

    /// Adds the entry that follows; gives about how many bytes that takes.
    pub(super) fn add(&mut self, entry: &Entry) -> Result<usize, StoreError> {
        let encoded = codec::encode_entry(entry)?;
        let size = encoded.first.len() + encoded.pieces.iter().map(Vec::len).sum::<usize>();
        if let Some(ticket) = entry.ticket_id {
            self.own.add(self.engine, ticket, entry.seq, entry.internal)?;
        }
        self.append(entry.seq, encoded)?;
        Ok(size)
    }

    fn append(&mut self, seq: Seq, encoded: Encoded) -> Result<(), StoreError> {
        if self.block.is_none() && self.full.is_empty() {
            self.block = Block::ending_with(self.engine, self.end)?;
        }
        let map = encoded.map().filter(|map| Block::new(seq, vec![codec::BLOCK]).has_room(map));
        let Some((map, length)) = map.and_then(|map| Some((map, u16::try_from(map.len()).ok()?))) else {
            self.full.extend(self.block.take().map(Block::pair));
            let key = keys::entry(seq);
            self.full.extend((1..).zip(encoded.pieces).map(|(index, piece)| (keys::piece(&key, index), piece)));
            self.full.push((key, encoded.first));
            return Ok(());
        };
        if let Some(full) = self.block.take_if(|block| !block.has_room(map)) {
            self.full.push(full.pair());
        }
        self.block.get_or_insert_with(|| Block::new(seq, vec![codec::BLOCK])).add(length, map);
        Ok(())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.full.is_empty() && self.block.is_none()
    }

    /// What is to be written.
    pub(super) fn pairs(self) -> impl Iterator<Item = Pair> {
        self.full.into_iter().chain(self.block.map(Block::pair)).chain(self.own.pairs())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{
        activity::model::{Action, ActorRef, NewEntry},
        types::{TicketId, Timestamp},
    };

    /// An entry about a ticket, or about none, with a text of some length.
    fn some(seq: Seq, ticket: i64, length: usize) -> Entry {
        let mut entry = NewEntry::new(Action::TicketUpdated, ActorRef::system(), Timestamp::from_micros(0));
        entry.ticket_id = (ticket > 0).then_some(TicketId(ticket));
        entry.internal = (seq + ticket) % 3 == 0;
        let texts = ["a", "b", "c", "d", "e", "f"].into_iter().zip(std::iter::successors(Some(length), |left| left.checked_sub(1_000)));
        let entry = texts.fold(entry, |entry, (name, left)| entry.changed(name, json!(null), json!("x".repeat(left.min(1_000)))));
        Entry::at_seq(seq, entry)
    }

    fn add(engine: &Engine, entries: &[Entry]) {
        let mut additions = Additions::new(engine, entries[0].seq - 1);
        for entry in entries {
            additions.add(entry).unwrap();
        }
        engine.put(additions.pairs()).unwrap();
    }

    /// As layout 2 had it: each entry at a key of its own.
    fn add_alone(engine: &Engine, entries: &[Entry]) {
        engine.put(entries.iter().map(|entry| (keys::entry(entry.seq), codec::encode_entry(entry).unwrap().first))).unwrap();
    }

    fn read(engine: &Engine, numbers: RangeInclusive<Seq>) -> Vec<Entry> {
        entries(engine, numbers).unwrap().map(|stored| stored.unwrap().read(engine).unwrap()).collect()
    }

    fn end(entries: &[Entry]) -> Seq {
        entries.last().map_or(0, |entry| entry.seq)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn the_log_reads_as_it_was_written_however_it_was_grouped_and_by_whatever_version(
            alone in 0..12_usize,
            groups in prop::collection::vec(
                prop::collection::vec((0..4_i64, prop::sample::select(vec![0, 5, 300, 1_000, 3_000, 5_000])), 1..20), 1..12),
            low in 1..80_i64,
            length in 0..80_i64,
        ) {
            let (engine, _dir) = Engine::temporary().unwrap();
            let mut all: Vec<Entry> = (1..).take(alone).map(|seq| some(seq, seq % 4, 5)).collect();
            add_alone(&engine, &all);
            for group in groups {
                let group: Vec<_> =
                    (end(&all) + 1..).zip(group).map(|(seq, (ticket, length))| some(seq, ticket, length)).collect();
                add(&engine, &group);
                all.extend(group);
                prop_assert_eq!(last(&engine).unwrap(), end(&all));
            }
            prop_assert_eq!(&read(&engine, 0..=Seq::MAX), &all);
            let within = |seq: Seq| (low..=low + length).contains(&seq);
            let expected: Vec<_> = all.iter().filter(|entry| within(entry.seq)).cloned().collect();
            prop_assert_eq!(&read(&engine, low..=low + length), &expected);
            let back = entries(&engine, low..=low + length).unwrap().rev().map(|stored| stored.unwrap().seq);
            prop_assert!(back.eq(expected.iter().rev().map(|entry| entry.seq)));
            for expected in &all {
                prop_assert_eq!(&entry(&engine, expected.seq).unwrap(), expected);
            }
            prop_assert!(entry(&engine, end(&all) + 1).is_err());
        }
    }

    #[test]
    fn short_entries_share_keys_and_no_value_is_too_long() {
        let (engine, _dir) = Engine::temporary().unwrap();
        for seq in 1..=800 {
            add(&engine, &[some(seq, seq % 2, 100)]);
        }
        assert_eq!(engine.scan(&[keys::prefix::ENTRY]).count(), 50);
        let group: Vec<_> = (801..).take(100).map(|seq| some(seq, 0, usize::try_from(seq - 801).unwrap() * 30)).collect();
        add(&engine, &group);
        for pair in engine.scan(&[]) {
            assert!(pair.unwrap().1.len() <= codec::LARGEST);
        }
    }

    #[test]
    fn what_stands_before_a_damage_is_read_and_the_damage_is_told_with_its_number() {
        let (engine, _dir) = Engine::temporary().unwrap();
        add(&engine, &(1..=20).map(|seq| some(seq, 1, 5)).collect::<Vec<_>>());
        let whole = engine.get(&keys::entry(1)).unwrap().unwrap();
        engine.put(std::iter::once((keys::entry(1), whole[..whole.len() / 2].to_vec()))).unwrap();
        let all: Vec<_> = entries(&engine, 1..=20).unwrap().collect();
        let sound: Vec<_> = all.iter().filter_map(|stored| Some(stored.as_ref().ok()?.seq)).collect();
        let [Err(StoreError::Corrupt(what))] = &all.iter().filter(|stored| stored.is_err()).collect::<Vec<_>>()[..] else { panic!() };
        let lost = sound.iter().zip(1..).find(|(seq, expected)| *seq != expected).unwrap().1;
        assert!((2..16).contains(&lost) && what.contains(&format!("log entry {lost} ")), "{what}");
        assert_eq!(read(&engine, 17..=20).len(), 4, "the next block is whole");
    }
}
