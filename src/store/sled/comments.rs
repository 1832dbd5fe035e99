//! Comments as they are stored. sled splits a page at 16 keys and holds something in memory for every page, so comments of a
//! ticket that follow one another share a value, a block, under the id of the first of them.
//!
//! A block is its encoding's number, then each comment with its id and its length before it, by id. A comment of an earlier
//! layout, or one that is too long for a block, stands alone at its own id.

use std::ops::Range;

use sled::IVec;

use super::{
    codec::{self, Encoded},
    engine::Engine,
    keys,
};
use crate::{
    store::StoreError,
    tickets::model::Comment,
    types::{CommentId, TicketId},
};

/// A block has at most so many bytes: it is written anew with each comment, and a page has up to 16 of them.
const MOST_BYTES: usize = 2_048;
/// The bytes of a comment's id,
const ID: usize = 8;
/// and of its length.
const LENGTH: usize = 2;

/// A comment where it is stored.
pub(super) struct Stored {
    pub(super) ticket: TicketId,
    pub(super) id: CommentId,
    key: IVec,
    value: IVec,
    /// Where it is in its block; `None` when it stands alone.
    at: Option<Range<usize>>,
}

impl Stored {
    /// Reads it; `piece` finds what stands at another key.
    pub(super) fn read<V: AsRef<[u8]>>(&self, piece: impl Fn(&[u8]) -> Result<Option<V>, StoreError>) -> Result<Comment, StoreError> {
        match &self.at {
            Some(at) => codec::decode_map(&self.key, &self.value[at.clone()]),
            None => codec::decode(&self.key, &self.value, piece),
        }
    }

    /// About how many bytes it has.
    pub(super) fn size(&self) -> Result<usize, StoreError> {
        self.at.as_ref().map_or_else(|| codec::size(&self.key, &self.value), |at| Ok(at.len()))
    }
}

/// The comments at one key, up to the first that cannot be told from the rest.
pub(super) fn split((key, value): (IVec, IVec)) -> Vec<Result<Stored, StoreError>> {
    let (Some(ticket), Some(first)) = (keys::first_id(&key), keys::last_id(&key)) else {
        return vec![Err(codec::damaged(&key, "no ids of a comment"))];
    };
    let ticket = TicketId(ticket);
    if value.first() != Some(&codec::BLOCK) {
        return vec![Ok(Stored { ticket, id: CommentId(first), key, value, at: None })];
    }
    let mut comments = Vec::new();
    let (mut begin, mut least) = (1, first);
    // A block has one at the least.
    while begin < value.len() || begin == 1 {
        let Some((id, at)) = part(&value, begin).filter(|(id, _)| if begin == 1 { *id == first } else { *id >= least }) else {
            comments.push(Err(codec::damaged(&key, &format!("no comment from {least} on that is whole"))));
            break;
        };
        (begin, least) = (at.end, id.saturating_add(1));
        comments.push(Ok(Stored { ticket, id: CommentId(id), key: key.clone(), value: value.clone(), at: Some(at) }));
    }
    comments
}

/// The id of the comment that begins here in a block, and where its map is.
fn part(value: &[u8], begin: usize) -> Option<(i64, Range<usize>)> {
    let (id, rest) = value.get(begin..)?.split_first_chunk::<ID>()?;
    let (length, rest) = rest.split_first_chunk::<LENGTH>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    let at = begin + ID + LENGTH;
    (rest.len() >= length).then(|| (i64::from_be_bytes(*id), at..at + length))
}

/// The key that a comment is at, if it is anywhere.
pub(super) fn home(engine: &Engine, ticket: TicketId, id: CommentId) -> Result<Option<(IVec, IVec)>, StoreError> {
    engine.range(keys::comment(ticket, CommentId(0))..=keys::comment(ticket, id)).next_back().transpose()
}

/// The comments of a ticket from an id on, deleted ones included, by id.
pub(super) fn of_ticket(
    engine: &Engine,
    ticket: TicketId,
    from: CommentId,
) -> Result<impl Iterator<Item = Result<Comment, StoreError>> + '_, StoreError> {
    // The first one is at home nowhere before.
    let home = if from == CommentId(0) { None } else { home(engine, ticket, from)? };
    let begin = home.map_or_else(|| keys::comment(ticket, from), |(key, _)| key.to_vec());
    let found = engine.range(begin..=keys::comment(ticket, CommentId(i64::MAX)));
    let found = found.flat_map(|pair| pair.map_or_else(|error| vec![Err(error)], split));
    let found = found.filter(move |stored| stored.as_ref().map_or(true, |stored| stored.id >= from));
    Ok(found.map(|stored| stored?.read(|piece| engine.get(piece))))
}

/// One comment.
pub(super) fn comment(engine: &Engine, ticket: TicketId, id: CommentId) -> Result<Option<Comment>, StoreError> {
    find(home(engine, ticket, id)?, id, |piece| engine.get(piece))
}

/// A comment among those at its [home]. What stands beside it must be whole, too: it may be written anew.
pub(super) fn find<V: AsRef<[u8]>>(
    home: Option<(IVec, IVec)>,
    id: CommentId,
    piece: impl Fn(&[u8]) -> Result<Option<V>, StoreError>,
) -> Result<Option<Comment>, StoreError> {
    let beside = home.map(split).unwrap_or_default().into_iter().collect::<Result<Vec<_>, _>>()?;
    beside.iter().find(|stored| stored.id == id).map(|stored| stored.read(piece)).transpose()
}

/// What is to stand at the keys of a ticket's comments after one was put among those at `home`, its [home].
pub(super) fn put(
    home: Option<(IVec, IVec)>,
    ticket: TicketId,
    id: CommentId,
    comment: Encoded,
) -> Result<Vec<(Vec<u8>, Encoded)>, StoreError> {
    let mut laid = Laid { ticket, values: Vec::new() };
    let mut comment = Some(comment);
    // One that stands alone stays as it is, unless it is this one.
    let neighbours = home.filter(|(_, value)| value.first() == Some(&codec::BLOCK));
    for stored in neighbours.map(split).unwrap_or_default() {
        let stored = stored?;
        if stored.id >= id
            && let Some(comment) = comment.take()
        {
            laid.add(id, comment);
        }
        if stored.id != id
            && let Some(at) = stored.at
        {
            laid.add_map(stored.id, &stored.value[at]);
        }
    }
    if let Some(comment) = comment {
        laid.add(id, comment);
    }
    Ok(laid.values)
}

/// Comments as they are to stand, by id.
struct Laid {
    ticket: TicketId,
    values: Vec<(Vec<u8>, Encoded)>,
}

impl Laid {
    fn add(&mut self, id: CommentId, comment: Encoded) {
        match comment.map().filter(|map| 1 + ID + LENGTH + map.len() <= MOST_BYTES) {
            Some(map) => self.add_map(id, map),
            None => self.values.push((keys::comment(self.ticket, id), comment)),
        }
    }

    fn add_map(&mut self, id: CommentId, map: &[u8]) {
        let size = ID + LENGTH + map.len();
        let has_room = |(_, block): &(_, Encoded)| block.first.first() == Some(&codec::BLOCK) && block.first.len() + size <= MOST_BYTES;
        if !self.values.last().is_some_and(has_room) {
            let block = Encoded { first: vec![codec::BLOCK], pieces: Vec::new() };
            self.values.push((keys::comment(self.ticket, id), block));
        }
        let Some((_, Encoded { first: block, .. })) = self.values.last_mut() else { return };
        block.extend_from_slice(&id.0.to_be_bytes());
        // A map is never longer than a block, whose length fits.
        block.extend_from_slice(&u16::try_from(map.len()).unwrap_or(u16::MAX).to_be_bytes());
        block.extend_from_slice(map);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        store::sled::{
            group::{Group, batch},
            ids::Ids,
            keys::prefix,
        },
        store::{Record, Row},
        types::{Timestamp, UserId},
    };

    fn some(ticket: i64, id: i64, length: usize, version: i64) -> Comment {
        let at = Timestamp::from_micros(id);
        Comment {
            id: CommentId(id),
            ticket_id: TicketId(ticket),
            author_id: UserId(1),
            content: "x".repeat(length),
            is_internal: id % 3 == 0,
            created_at: at,
            updated_at: at,
            deleted_at: None,
            version,
        }
    }

    /// Commits these as one group.
    fn commit(engine: &Engine, comments: impl IntoIterator<Item = Comment>) {
        let ids = Ids::default();
        let mut group = Group::new(engine, &|_| None, &ids, 0);
        group.take_in(comments.into_iter().map(|comment| Record::from(Row::Comment(comment))).collect()).unwrap();
        engine.apply(batch(group.staged)).unwrap();
    }

    /// As layout 3 had it: each comment at a key of its own.
    fn commit_alone(engine: &Engine, comment: &Comment) {
        let mut batch = sled::Batch::default();
        let key = keys::comment(comment.ticket_id, comment.id);
        let Encoded { first, pieces } = codec::encode(comment, comment.version).unwrap();
        (1..).zip(pieces).for_each(|(index, piece)| batch.insert(keys::piece(&key, index), piece));
        batch.insert(key, first);
        engine.apply(batch).unwrap();
    }

    fn read(engine: &Engine, ticket: i64, from: i64) -> Vec<Comment> {
        of_ticket(engine, TicketId(ticket), CommentId(from)).unwrap().map(Result::unwrap).collect()
    }

    fn keys_under(engine: &Engine, prefix: u8) -> usize {
        engine.scan(&[prefix]).count()
    }

    const LENGTHS: [usize; 7] = [0, 5, 300, 1_000, 1_900, 3_000, 9_000];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn comments_read_as_they_were_written_in_whatever_order_and_by_whatever_version(
            alone in prop::collection::btree_map((1..3_i64, 1..30_i64), prop::sample::select(LENGTHS.to_vec()), 0..8),
            groups in prop::collection::vec(
                prop::collection::vec((1..3_i64, 1..30_i64, prop::sample::select(LENGTHS.to_vec())), 1..12), 1..8),
            from in 0..32_i64,
        ) {
            let (engine, _dir) = Engine::temporary().unwrap();
            let mut all: BTreeMap<(i64, i64), Comment> = BTreeMap::new();
            for ((ticket, id), length) in alone {
                let comment = some(ticket, id, length, 1);
                commit_alone(&engine, &comment);
                all.insert((ticket, id), comment);
            }
            for group in groups {
                let mut written = Vec::new();
                for (ticket, id, length) in group {
                    let version = all.get(&(ticket, id)).map_or(1, |before| before.version + 1);
                    let comment = some(ticket, id, length, version);
                    all.insert((ticket, id), comment.clone());
                    written.push(comment);
                }
                commit(&engine, written);
            }
            for ticket in 1..3 {
                let expected: Vec<_> = all.range((ticket, from)..(ticket + 1, 0)).map(|(_, comment)| comment.clone()).collect();
                prop_assert_eq!(read(&engine, ticket, from), expected);
                for id in 1..30 {
                    let found = comment(&engine, TicketId(ticket), CommentId(id)).unwrap();
                    prop_assert_eq!(found.as_ref(), all.get(&(ticket, id)));
                }
            }
            // Nothing is left of what was long before, and no value is longer than sled may have.
            let wanted: usize = all.values().map(|comment| codec::encode(comment, comment.version).unwrap().pieces.len()).sum();
            prop_assert_eq!(keys_under(&engine, prefix::PIECE), wanted);
            for pair in engine.scan(&[]) {
                prop_assert!(pair.unwrap().1.len() <= codec::LARGEST);
            }
        }

        #[test]
        fn a_block_of_which_a_byte_was_changed_is_read_or_told_as_damage(at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
            let (engine, _dir) = Engine::temporary().unwrap();
            commit(&engine, (1..=4).map(|id| some(1, id, 20, 1)));
            let key = keys::comment(TicketId(1), CommentId(1));
            let mut value = engine.get(&key).unwrap().unwrap();
            let place = at.index(value.len());
            value[place] ^= flip;
            for stored in split((key.into(), value)) {
                let _ = stored.and_then(|stored| stored.read(|piece| engine.get(piece)));
            }
        }
    }

    #[test]
    fn comments_share_keys_until_a_block_is_full() {
        let (engine, _dir) = Engine::temporary().unwrap();
        for id in 1..=100 {
            commit(&engine, [some(1 + id % 2, id, 100, 1)]);
        }
        assert!(keys_under(&engine, prefix::COMMENT) <= 12, "{}", keys_under(&engine, prefix::COMMENT));
        assert_eq!(read(&engine, 1, 0).len() + read(&engine, 2, 0).len(), 100);
    }

    #[test]
    fn what_stands_before_a_damage_is_read_and_the_damage_is_told() {
        let (engine, _dir) = Engine::temporary().unwrap();
        commit(&engine, (5..=8).map(|id| some(1, id, 20, 1)));
        let key = keys::comment(TicketId(1), CommentId(5));
        let whole = engine.get(&key).unwrap().unwrap();
        let damaged = |value: &[u8]| split((key.as_slice().into(), value.into()));
        let cut = damaged(&whole[..whole.len() - 3]);
        assert_eq!(cut.iter().filter(|stored| stored.is_ok()).count(), 3);
        let Some(Err(StoreError::Corrupt(what))) = cut.last() else { panic!() };
        assert!(what.starts_with("no comment from 8 on that is whole"), "{what}");
        assert!(matches!(&damaged(&[codec::BLOCK])[..], [Err(StoreError::Corrupt(_))]), "a block of nothing");
        let foreign = split((keys::comment(TicketId(1), CommentId(4)).into(), whole));
        assert!(matches!(&foreign[..], [Err(StoreError::Corrupt(_))]), "the first is not that of the key");
    }
}
