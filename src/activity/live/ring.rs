//! The newest entries of the log as they go out, kept for all streams at once.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use serde::Serialize;

use crate::{
    activity::{
        model::{Action, ActorRef, Entry},
        rules::{Concern, Sight},
    },
    types::{CommentId, Seq, TicketId, Timestamp, UserId},
};

/// Entries that are kept.
pub const KEPT: usize = 4_096;

/// Bytes of one piece of a stream, as a rule; one entry more may fit.
const PIECE: usize = 16 * 1_024;

/// An entry as it goes out.
#[derive(Debug)]
struct Event {
    seq: Seq,
    concern: Concern,
    text: Bytes,
}

/// An entry without its changes.
#[derive(Serialize)]
struct Told<'a> {
    seq: Seq,
    at: Timestamp,
    actor: &'a ActorRef,
    action: Action,
    ticket_id: Option<TicketId>,
    comment_id: Option<CommentId>,
    user_id: Option<UserId>,
}

/// An entry in the form of Server-Sent Events. JSON has no line breaks outside of its texts, and writes those in them as `\n`.
fn written(entry: &Entry) -> String {
    let &Entry { seq, at, ref actor, action, ticket_id, comment_id, user_id, .. } = entry;
    let told = Told { seq, at, actor, action, ticket_id, comment_id, user_id };
    let data = serde_json::to_string(&told).unwrap_or_default();
    format!("id: {seq}\nevent: {}\ndata: {data}\n\n", action.name())
}

/// What a stream is to send next.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    /// The events, written.
    pub text: Bytes,
    /// The last entry that was looked at: the stream goes on after it.
    pub upto: Seq,
    /// Whether an entry in between may have changed the right of whom the stream is for.
    pub rights: bool,
}

/// Puts a piece together.
struct Gathering {
    text: BytesMut,
    upto: Seq,
    rights: bool,
}

impl Gathering {
    fn after(cursor: Seq) -> Self {
        Self { text: BytesMut::new(), upto: cursor, rights: false }
    }

    fn is_full(&self) -> bool {
        self.text.len() >= PIECE
    }

    fn take(&mut self, seq: Seq, concern: Concern, user: UserId, seen: bool, text: &[u8]) {
        self.upto = seq;
        self.rights |= concern.rights_of == Some(user);
        if seen {
            self.text.extend_from_slice(text);
        }
    }

    fn done(self) -> Piece {
        Piece { text: self.text.freeze(), upto: self.upto, rights: self.rights }
    }
}

/// A piece of what the storage gave after `cursor`, for `user` with this sight. `complete` says that there was no more than
/// `entries` up to the entry given.
#[must_use]
pub fn piece_of(entries: &[Entry], cursor: Seq, complete: Option<Seq>, user: UserId, sight: Sight) -> Piece {
    let mut gathering = Gathering::after(cursor);
    for entry in entries {
        if gathering.is_full() {
            return gathering.done();
        }
        let concern = Concern::of(entry);
        let seen = sight.sees(concern);
        let text = if seen { written(entry) } else { String::new() };
        gathering.take(entry.seq, concern, user, seen, text.as_bytes());
    }
    gathering.upto = gathering.upto.max(complete.unwrap_or(cursor));
    gathering.done()
}

/// The newest entries, each written once.
#[derive(Debug)]
pub struct Ring {
    /// All entries after this one are here.
    floor: Seq,
    /// Up to this one.
    head: Seq,
    events: VecDeque<Event>,
}

impl Ring {
    /// A ring without entries, which goes on after `seq`.
    #[must_use]
    pub const fn at(seq: Seq) -> Self {
        Self { floor: seq, head: seq, events: VecDeque::new() }
    }

    /// The last entry that it knows of.
    #[must_use]
    pub const fn head(&self) -> Seq {
        self.head
    }

    /// Takes the entries between its head and `head`; the oldest ones give way.
    pub fn push(&mut self, entries: &[Entry], head: Seq) {
        for entry in entries {
            if self.events.len() == KEPT
                && let Some(oldest) = self.events.pop_front()
            {
                self.floor = oldest.seq;
            }
            self.events.push_back(Event { seq: entry.seq, concern: Concern::of(entry), text: written(entry).into() });
        }
        self.head = head;
    }

    /// What comes after `cursor`; `None` when some of that is not here any more.
    #[must_use]
    pub fn after(&self, cursor: Seq, user: UserId, sight: Sight) -> Option<Piece> {
        if cursor < self.floor {
            return None;
        }
        let mut gathering = Gathering::after(cursor);
        let from = self.events.partition_point(|event| event.seq <= cursor);
        for Event { seq, concern, text } in self.events.range(from..) {
            if gathering.is_full() {
                return Some(gathering.done());
            }
            gathering.take(*seq, *concern, user, sight.sees(*concern), text);
        }
        gathering.upto = gathering.upto.max(self.head);
        Some(gathering.done())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::model::{Facts, NewEntry};

    const EVA: UserId = UserId(7);

    fn entry(seq: Seq, creator: i64) -> Entry {
        let facts = Facts { creator_id: Some(UserId(creator)), ..Facts::default() };
        let new = NewEntry::new(Action::TicketUpdated, ActorRef { name: "a\nb".into(), ..ActorRef::system() }, Timestamp::from_micros(0));
        Entry::at_seq(seq, new.about_ticket(TicketId(3), facts))
    }

    fn ids(piece: &Piece) -> Vec<Seq> {
        let text = std::str::from_utf8(&piece.text).unwrap();
        text.lines().filter_map(|line| line.strip_prefix("id: ")).map(|id| id.parse().unwrap()).collect()
    }

    #[test]
    fn an_event_has_its_fields_in_order_and_its_data_in_one_line() {
        let data = r#"{"seq":5,"at":"1970-01-01T00:00:00Z","actor":{"id":null,"name":"a\nb","via":"system"},"action":"ticket.updated","ticket_id":3,"comment_id":null,"user_id":null}"#;
        assert_eq!(written(&entry(5, 7)), format!("id: 5\nevent: ticket.updated\ndata: {data}\n\n"));
    }

    #[test]
    fn a_stream_gets_what_it_may_see_after_its_place() {
        let mut ring = Ring::at(10);
        ring.push(&[entry(11, 7), entry(12, 8), entry(13, 7)], 14);
        let of = |cursor, sight| ring.after(cursor, EVA, sight).map(|piece| (ids(&piece), piece.upto));
        assert_eq!(of(10, Sight::Own(EVA)), Some((vec![11, 13], 14)));
        assert_eq!(of(11, Sight::All), Some((vec![12, 13], 14)));
        assert_eq!(of(14, Sight::All), Some((vec![], 14)));
        assert_eq!(of(20, Sight::All), Some((vec![], 20)), "it never goes back");
        assert_eq!(of(9, Sight::All), None, "that is the storage's");
    }

    #[test]
    fn the_oldest_give_way_and_pieces_are_bounded() {
        let mut ring = Ring::at(0);
        let last = Seq::try_from(KEPT).unwrap() + 100;
        for seq in 1..=last {
            ring.push(&[entry(seq, 7)], seq);
        }
        assert_eq!(ring.events.len(), KEPT);
        assert_eq!(ring.after(99, EVA, Sight::All), None);
        let (mut cursor, mut seen, mut pieces) = (100, Vec::new(), 0);
        while cursor < last {
            let piece = ring.after(cursor, EVA, Sight::All).unwrap();
            assert!(piece.text.len() < PIECE + 1_000);
            seen.extend(ids(&piece));
            (cursor, pieces) = (piece.upto, pieces + 1);
        }
        assert_eq!(seen, (101..=last).collect::<Vec<_>>());
        assert!(pieces > 10);
    }

    #[test]
    fn what_the_storage_gives_is_cut_alike() {
        let entries: Vec<Entry> = (1..=500).map(|seq| entry(seq, 7)).collect();
        let first = piece_of(&entries, 0, Some(600), EVA, Sight::All);
        let seen = ids(&first);
        assert_eq!((seen[0], seen.last()), (1, Some(&first.upto)), "it ends before all are sent");
        assert_eq!(piece_of(&entries, 0, Some(600), EVA, Sight::Own(UserId(8))).upto, 600, "nothing to send, all looked at");
        assert_eq!(piece_of(&entries[..2], 0, None, EVA, Sight::All).upto, 2);
    }
}
