//! The names of fields, left out of what is stored. A row is a map that says what each value is, so that a field added
//! later does not break old rows; but half of its bytes would be names that every row repeats. A known name is stored as
//! two bytes: one that stands nowhere else in MessagePack, and its number here. A name that is not known stays as it is.

use std::{collections::HashMap, sync::LazyLock};

/// The known names. A number means its name for ever: names are only added, at the end. They stand in the order of the
/// rows' fields, so that the next one is found at once.
const NAMES: &[&str] = &[
    // Tickets.
    "id",
    "title",
    "description",
    "status",
    "priority",
    "tags",
    "channel",
    "creator_id",
    "opened_by_id",
    "assigned_agent_id",
    "created_at",
    "updated_at",
    "first_response_at",
    "first_response_due_at",
    "resolved_at",
    "resolution_due_at",
    "first_resolved_at",
    "closed_at",
    "status_since",
    "reopen_count",
    "first_response",
    "resolution",
    "first_response_decided_at",
    "resolution_decided_at",
    "targets",
    "public_comments",
    "internal_notes",
    "deleted_at",
    "version",
    // Comments.
    "ticket_id",
    "author_id",
    "content",
    "is_internal",
    // Entries of the log.
    "seq",
    "at",
    "actor",
    "name",
    "via",
    "action",
    "comment_id",
    "user_id",
    "changes",
    "internal",
    "facts",
    "author_role",
    "due_at",
    "cause",
    // Sessions and API tokens.
    "family",
    "live",
    "hash",
    "issued_at",
    "spent",
    "spent_at",
    "cookie",
    "last_used_at",
    "expires_at",
    "address",
    "user_agent",
    // Accounts.
    "email",
    "full_name",
    "role",
    "is_active",
    "locale",
    "password_hash",
    // Answers.
    "key",
    "request",
    "location",
    "etag",
    "body",
    // The chain over the log.
    "last",
    "links",
    "salt",
];

/// The byte before a number. MessagePack never uses it.
const NUMBERED: u8 = 0xc1;

/// How deep values may be nested: far deeper than any row.
const DEEPEST: u8 = 64;

static NUMBERS: LazyLock<HashMap<&'static [u8], u8>> =
    LazyLock::new(|| (0..).zip(NAMES).map(|(number, name)| (name.as_bytes(), number)).collect());

/// Adds `map`, a MessagePack value, to `to`, with numbers in place of known names. `None` for what is no such value.
pub(super) fn shorten(map: &[u8], to: &mut Vec<u8>) -> Option<()> {
    let mut walk = Walk { from: map, plain: 0, at: 0, to, next: 0 };
    walk.value(DEEPEST, &mut |walk| {
        let begin = walk.at;
        let marker = walk.byte()?;
        let name = match marker {
            0xa0..=0xbf => walk.take(usize::from(marker & 31))?,
            0xd9 => {
                let length = walk.number(1)?;
                walk.take(length)?
            }
            _ => {
                walk.at = begin;
                return walk.plain_value();
            }
        };
        let number = match NAMES.get(usize::from(walk.next)) {
            Some(expected) if expected.as_bytes() == name => walk.next,
            _ => match NUMBERS.get(name) {
                Some(number) => *number,
                None => return Some(()),
            },
        };
        walk.next = number + 1;
        walk.replace(begin, |to| to.extend_from_slice(&[NUMBERED, number]));
        Some(())
    })?;
    walk.end()
}

/// Brings the names back. `None` for what [`shorten`] did not write.
pub(super) fn lengthen(short: &[u8]) -> Option<Vec<u8>> {
    let mut map = Vec::with_capacity(short.len() * 2 + 64);
    let mut walk = Walk { from: short, plain: 0, at: 0, to: &mut map, next: 0 };
    walk.value(DEEPEST, &mut |walk| {
        let begin = walk.at;
        if walk.byte()? != NUMBERED {
            walk.at = begin;
            return walk.plain_value();
        }
        let number = walk.byte()?;
        let name = NAMES.get(usize::from(number))?.as_bytes();
        // The longest name has 25 bytes.
        let marker = 0xa0 | u8::try_from(name.len()).ok()?;
        walk.replace(begin, |to| {
            to.push(marker);
            to.extend_from_slice(name);
        });
        Some(())
    })?;
    walk.end()?;
    Some(map)
}

/// A way through a value. What is not replaced is copied in pieces as long as can be.
struct Walk<'a, 'b> {
    from: &'a [u8],
    /// Where what has not been copied yet begins.
    plain: usize,
    at: usize,
    to: &'b mut Vec<u8>,
    /// The number that is likely to come next.
    next: u8,
}

impl<'a> Walk<'a, '_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.from.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.from.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    /// A length of so many bytes.
    fn number(&mut self, bytes: usize) -> Option<usize> {
        Some(self.take(bytes)?.iter().fold(0, |number, byte| (number << 8) | usize::from(*byte)))
    }

    /// Writes something in place of what stands from `begin` to here.
    fn replace(&mut self, begin: usize, write: impl FnOnce(&mut Vec<u8>)) {
        self.to.extend_from_slice(&self.from[self.plain..begin]);
        write(self.to);
        self.plain = self.at;
    }

    fn end(self) -> Option<()> {
        self.to.extend_from_slice(&self.from[self.plain..]);
        (self.at == self.from.len()).then_some(())
    }

    /// A value that has no map in it.
    fn plain_value(&mut self) -> Option<()> {
        self.value(1, &mut |_| None)
    }

    /// Passes a value; `key` passes the name of each field of a map in it.
    fn value(&mut self, depth: u8, key: &mut impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        let marker = self.byte()?;
        let (values, named) = match marker {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => return Some(()),
            0xa0..=0xbf => return self.take(usize::from(marker & 31)).map(drop),
            0xcc | 0xd0 => return self.take(1).map(drop),
            0xcd | 0xd1 => return self.take(2).map(drop),
            0xca | 0xce | 0xd2 => return self.take(4).map(drop),
            0xcb | 0xcf | 0xd3 => return self.take(8).map(drop),
            0xc4 | 0xd9 => return self.number(1).and_then(|length| self.take(length)).map(drop),
            0xc5 | 0xda => return self.number(2).and_then(|length| self.take(length)).map(drop),
            0xc6 | 0xdb => return self.number(4).and_then(|length| self.take(length)).map(drop),
            0x90..=0x9f => (usize::from(marker & 15), false),
            0xdc => (self.number(2)?, false),
            0xdd => (self.number(4)?, false),
            0x80..=0x8f => (usize::from(marker & 15), true),
            0xde => (self.number(2)?, true),
            0xdf => (self.number(4)?, true),
            // No row has extension types.
            _ => return None,
        };
        let depth = depth.checked_sub(1)?;
        for _ in 0..values {
            if named {
                key(self)?;
            }
            self.value(depth, key)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn there_and_back(value: &impl serde::Serialize) -> (usize, usize) {
        let map = rmp_serde::to_vec_named(value).unwrap();
        let mut short = b"before".to_vec();
        shorten(&map, &mut short).unwrap();
        let short = short.strip_prefix(b"before").unwrap();
        assert_eq!(lengthen(short).unwrap(), map);
        (map.len(), short.len())
    }

    #[test]
    fn numbers_keep_their_names() {
        let told: Vec<_> = [0, 28, 29, 33, 47, 58, 64, 69, 71].map(|number| NAMES[number]).to_vec();
        assert_eq!(told, ["id", "version", "ticket_id", "seq", "family", "email", "key", "last", "salt"]);
        assert_eq!(NAMES.iter().collect::<BTreeSet<_>>().len(), NAMES.len(), "none stands twice");
        assert!(NAMES.len() < 256 && NAMES.iter().all(|name| name.len() < 32));
    }

    #[test]
    fn known_names_take_two_bytes_and_all_others_stay() {
        assert_eq!(there_and_back(&json!({ "id": 1, "description": "id", "of its own": ["status"] })), (39, 28));
        assert_eq!(there_and_back(&json!({ "facts": { "status": null, "name": { "status": { "": [{ "id": {} }] } } } })), (37, 19));
    }

    #[test]
    fn every_kind_of_value_is_passed() {
        let long = |length: usize| "x".repeat(length);
        let numbers = json!([0, 127, 128, 255, 256, 65_535, 65_536, u64::MAX, -1, -32, -33, -128, -129, -32_769, i64::MIN, 0.5]);
        there_and_back(&json!([
            true,
            false,
            null,
            numbers,
            long(31),
            long(32),
            long(255),
            long(256),
            long(65_536),
            vec![1; 16],
            vec![1; 70_000]
        ]));
        let many = |count: usize| (0..count).map(|n| (n.to_string(), n)).collect::<BTreeMap<_, _>>();
        there_and_back(&[many(15), many(16), many(70_000)]);
        for length in [0, 255, 256, 65_535, 65_536] {
            there_and_back(&serde_bytes::ByteBuf::from(vec![NUMBERED; length]));
        }
        there_and_back(&(0.25_f32, i8::MIN, BTreeMap::from([(long(40), 1), (long(300), 2)])));
    }

    #[test]
    fn what_is_no_value_is_refused() {
        let mut deep = vec![0x91; 100];
        deep.push(0);
        for bad in
            [&[][..], &[0xc1], &[0x81], &[0x81, 0xa1, b'a'], &[0x92, 1], &[0xdb, 0xff, 0xff, 0xff, 0xff, 1], &[1, 1], &[0xd4, 1, 1], &deep]
        {
            assert_eq!((shorten(bad, &mut Vec::new()), lengthen(bad)), (None, None), "{bad:?}");
        }
        assert_eq!(lengthen(&[0x81, NUMBERED, u8::try_from(NAMES.len()).unwrap(), 1]), None);
    }

    /// JSON of any shape, with known names and others.
    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,40}".prop_map(Value::from),
        ];
        let name = prop_oneof![(0..NAMES.len()).prop_map(|number| NAMES[number].to_owned()), ".{0,40}"];
        leaf.prop_recursive(4, 64, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map(name.clone(), inner, 0..8).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_shortened_comes_back(value in values()) {
            let (long, short) = there_and_back(&value);
            prop_assert!(short <= long);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (shorten(&bytes, &mut Vec::new()), lengthen(&bytes));
        }
    }
}
