//! The tamper-evident chain over the log. Each entry has a link that rests on the link before it, so that nobody can change,
//! remove or put in an entry without making every later link anew; and whoever knows a later link sees that. Pure.
//!
//! A link is `SHA-256(previous ‖ canonical JSON of the entry)`, in which `changes` stand as `SHA-256(salt ‖ canonical JSON)`: they
//! can be erased one day, with their salt, and the chain still holds. Canonical JSON is RFC 8785's, so a link is the same
//! wherever the entry is stored.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{canonical::canonical, model::Entry};
use crate::{auth::model::Digest32, types::Seq};

/// What stands before the first link.
pub const BEGINNING: Digest32 = [0; 32];

/// The bytes of a salt.
const SALT: usize = 16;

/// The bytes of a link as it is kept: salt, salted digest of the changes, hash.
const LINK: usize = SALT + 32 + 32;

/// Random bytes that keep the changes from being guessed by their digest.
pub type Salt = [u8; SALT];

/// What ties an entry to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Put before the changes.
    pub salt: Salt,
    /// The digest of salt and changes.
    pub changes: Digest32,
    /// The link itself.
    pub hash: Digest32,
}

impl Link {
    /// The link of an entry after the one whose hash is `previous`.
    #[must_use]
    pub fn after(previous: &Digest32, entry: &Entry, salt: Salt) -> Self {
        let changes = salted(entry, &salt);
        Self { salt, changes, hash: hash(previous, entry, &changes) }
    }

    /// What is wrong with this link of an entry after `previous`; `None` when nothing is.
    #[must_use]
    pub fn fault(&self, previous: &Digest32, entry: &Entry) -> Option<&'static str> {
        if self.changes != salted(entry, &self.salt) {
            Some("its changes are not those that were chained")
        } else if self.hash != hash(previous, entry, &self.changes) {
            Some("it is not the entry that was chained, or its link was changed")
        } else {
            None
        }
    }
}

/// The digest of an entry's changes.
fn salted(entry: &Entry, salt: &Salt) -> Digest32 {
    Sha256::new().chain_update(salt).chain_update(canonical(&json!(entry.changes))).finalize().into()
}

fn hash(previous: &Digest32, entry: &Entry, changes: &Digest32) -> Digest32 {
    let written = json!({
        "seq": entry.seq,
        "at": entry.at,
        "actor_id": entry.actor.id,
        "action": entry.action,
        "ticket_id": entry.ticket_id,
        "comment_id": entry.comment_id,
        "user_id": entry.user_id,
        "changes": hex(changes),
    });
    Sha256::new().chain_update(previous).chain_update(canonical(&written)).finalize().into()
}

/// A digest as people read it.
#[must_use]
pub fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(2 * digest.len()), |text, byte| text + &format!("{byte:02x}"))
}

/// Links of entries that follow each other, as they are kept: many in one row, because each row costs more than a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainBlock {
    /// The entry of its last link, by which it is named.
    pub last: Seq,
    /// The links, one after the other.
    #[serde(with = "serde_bytes")]
    links: Vec<u8>,
    /// Blocks are written once; always 1.
    pub version: i64,
}

impl ChainBlock {
    /// Of the links whose last one is that of the entry `last`.
    #[must_use]
    pub fn new(last: Seq, links: &[Link]) -> Self {
        let parts = links.iter().flat_map(|link| [&link.salt[..], &link.changes[..], &link.hash[..]]);
        Self { last, links: parts.flatten().copied().collect(), version: 1 }
    }

    /// From its stored parts.
    #[must_use]
    pub const fn from_parts(last: Seq, links: Vec<u8>) -> Self {
        Self { last, links, version: 1 }
    }

    /// The links as they are stored.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.links
    }

    /// The entry of its first link.
    #[must_use]
    pub fn first(&self) -> Seq {
        self.last - Seq::try_from(self.links.len() / LINK).unwrap_or(0) + 1
    }

    /// The links; `None` when the bytes are not links.
    #[must_use]
    pub fn links(&self) -> Option<Vec<Link>> {
        let (links, rest) = self.links.as_chunks::<LINK>();
        let link = |bytes: &[u8; LINK]| {
            let (salt, digests) = bytes.split_first_chunk::<SALT>()?;
            let (changes, hash) = digests.split_first_chunk::<32>()?;
            Some(Link { salt: *salt, changes: *changes, hash: hash.try_into().ok()? })
        };
        if rest.is_empty() && !links.is_empty() { links.iter().map(link).collect() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::{
        activity::model::{Action, ActorRef, NewEntry},
        auth::model::Via,
        types::{TicketId, UserId},
    };

    fn entry(seq: Seq, changes: &[(&'static str, Value, Value)]) -> Entry {
        let actor = ActorRef { id: Some(UserId(7)), name: "Ana".into(), via: Via::Session };
        let at = "2026-03-02T09:00:00.5Z".parse().unwrap();
        let mut new = NewEntry::new(Action::TicketUpdated, actor, at);
        new.ticket_id = Some(TicketId(3));
        for (field, before, after) in changes {
            new = new.changed(*field, before.clone(), after.clone());
        }
        Entry::at_seq(seq, new)
    }

    /// Worked out by another program from the description above.
    #[test]
    fn a_link_is_what_the_description_says() {
        let entry = entry(5, &[("title", json!("Ñandú \u{20ac}\n"), json!("b")), ("sla", json!(1.0), json!([null, true, 1e21]))]);
        let link = Link::after(&[1; 32], &entry, [2; SALT]);
        assert_eq!(hex(&link.changes), "2d6a409ef08c459f938665f615e9efa7a943137b1ee913fcb2e32239e0d68738");
        assert_eq!(hex(&link.hash), "4393763e48b3563b16eeb3d139cf214291c304785e5c8e920a5c8c8275533d18");
    }

    #[test]
    fn a_block_keeps_its_links_and_knows_what_is_none() {
        let link = Link::after(&BEGINNING, &entry(1, &[]), [9; SALT]);
        let block = ChainBlock::new(12, &[link, link, link]);
        assert_eq!((block.first(), block.last, block.links()), (10, 12, Some(vec![link; 3])));
        assert_eq!(ChainBlock::from_parts(12, block.bytes().to_vec()), block);
        assert_eq!(ChainBlock::from_parts(12, block.bytes()[1..].to_vec()).links(), None);
        assert_eq!(ChainBlock::from_parts(12, Vec::new()).links(), None);
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-1_000_000_i64..1_000_000).prop_map(Value::from),
            any::<i32>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
            "\\PC{0,12}".prop_map(Value::from),
        ]
    }

    proptest! {
        #[test]
        fn any_other_entry_and_any_other_past_have_another_link(
            seq in 1..1_000_000_i64, before in value(), after in value(), other in value(), salt in any::<Salt>(), past in any::<[u8; 32]>(),
        ) {
            let good = entry(seq, &[("f", before.clone(), after.clone())]);
            let link = Link::after(&past, &good, salt);
            prop_assert_eq!(link.fault(&past, &good), None);
            prop_assert!(link.fault(&BEGINNING, &good).is_some() || past == BEGINNING);
            let altered: [&dyn Fn(&mut Entry); 7] = [
                &|e| e.seq += 1,
                &|e| e.at = e.at.plus_seconds(1),
                &|e| e.actor.id = None,
                &|e| e.action = Action::TicketDeleted,
                &|e| e.ticket_id = Some(TicketId(4)),
                &|e| e.user_id = Some(UserId(1)),
                &|e| drop(e.changes.insert("g".into(), [Value::Null, Value::Null])),
            ];
            for alter in altered {
                let mut bad = good.clone();
                alter(&mut bad);
                prop_assert!(link.fault(&past, &bad).is_some(), "{:?}", bad);
            }
            let changed = entry(seq, &[("f", before, other.clone())]);
            let same = canonical(&other) == canonical(&after);
            prop_assert_eq!(link.fault(&past, &changed).is_none(), same);
            // What a database makes of JSON (another order of keys, 1.0 for 1) changes nothing.
            let copied: Entry = serde_json::from_slice(&serde_json::to_vec(&good).unwrap()).unwrap();
            prop_assert_eq!(link.fault(&past, &copied), None);
        }
    }
}
