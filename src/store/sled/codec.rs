//! How values look: an encoding version, the row's version, the number of further pieces, then a self-describing map,
//! so that a field added later does not break old rows; its known names are [shortened](super::names). No stored value is
//! over 4 KiB: sled moves larger leaves to files that it never syncs.

use serde::{Serialize, de::DeserializeOwned};

use super::{keys, names};
use crate::{
    activity::model::Entry,
    store::{Row, StoreError},
};

/// The present encoding: known names are numbers.
const ENCODING: u8 = 2;
/// The encoding before: all names stand as they are.
const WITH_NAMES: u8 = 1;
/// What a block of [log](super::log) entries or [comments](super::comments) begins with, in the place of an encoding.
pub(super) const BLOCK: u8 = 3;
/// Encoding, row version, number of further pieces.
const HEADER: usize = 1 + 8 + 2;
/// The largest stored value.
pub(super) const LARGEST: usize = 4_096;

/// A value cut into its first part and its further pieces.
pub(super) struct Encoded {
    /// What stands at the row's own key.
    pub(super) first: Vec<u8>,
    /// What stands at its piece keys, from 1.
    pub(super) pieces: Vec<Vec<u8>>,
}

impl Encoded {
    /// The map alone, when it is in one part: what [`decode_map`] reads.
    pub(super) fn map(&self) -> Option<&[u8]> {
        self.pieces.is_empty().then(|| &self.first[HEADER..])
    }
}

/// Encodes a value of the given row version.
pub(super) fn encode(value: &impl Serialize, version: i64) -> Result<Encoded, StoreError> {
    let bad = |why: &dyn std::fmt::Display| StoreError::Corrupt(format!("cannot encode a row: {why}"));
    let map = rmp_serde::to_vec_named(value).map_err(|e| bad(&e))?;
    let mut first = Vec::with_capacity(HEADER + map.len());
    first.resize(HEADER, 0);
    names::shorten(&map, &mut first).ok_or_else(|| bad(&"it has a value of a kind that no row has"))?;
    let mut pieces = Vec::new();
    if first.len() > LARGEST {
        pieces.extend(first.split_off(LARGEST).chunks(LARGEST).map(<[u8]>::to_vec));
    }
    let count = u16::try_from(pieces.len()).map_err(|_| StoreError::Corrupt("a row is too large".into()))?;
    first[0] = ENCODING;
    first[1..9].copy_from_slice(&version.to_be_bytes());
    first[9..11].copy_from_slice(&count.to_be_bytes());
    Ok(Encoded { first, pieces })
}

/// Encodes a row under its own version.
pub(super) fn encode_row(row: &Row) -> Result<Encoded, StoreError> {
    let version = row.version();
    match row {
        Row::Ticket(row) => encode(row, version),
        Row::Comment(row) => encode(row, version),
        Row::User(row) => encode(row, version),
        Row::Session(row) => encode(row, version),
        Row::ApiToken(row) => encode(row, version),
        Row::Roster(row) => encode(row, version),
        Row::Settings(row) => encode(row, version),
        Row::SetupToken(row) => encode(row, version),
        Row::SigningSecret(row) => encode(row, version),
        Row::LogCursor(row) => encode(row, version),
        Row::Answer(row) => encode(row, version),
        Row::Preferences(row) => encode(row, version),
        Row::ChainBlock(row) => encode(row, version),
    }
}

/// Encodes an entry of the log.
pub(super) fn encode_entry(entry: &Entry) -> Result<Encoded, StoreError> {
    encode(entry, 1)
}

/// The error for what stands at a key and cannot be read.
pub(super) fn damaged(key: &[u8], what: &str) -> StoreError {
    StoreError::Corrupt(format!("{what} at key {}", key.escape_ascii()))
}

/// The row version and the number of further pieces.
pub(super) fn header(key: &[u8], first: &[u8]) -> Result<(i64, u16), StoreError> {
    let bad = || damaged(key, "a value that is too short");
    if first.first().is_some_and(|encoding| ![ENCODING, WITH_NAMES].contains(encoding)) {
        return Err(damaged(key, "a value of an unknown encoding"));
    }
    let version = first.get(1..9).and_then(|b| b.try_into().ok()).ok_or_else(bad)?;
    let pieces = first.get(9..11).and_then(|b| b.try_into().ok()).ok_or_else(bad)?;
    Ok((i64::from_be_bytes(version), u16::from_be_bytes(pieces)))
}

/// The number of further pieces of what stands at a key, be it a row or a block.
pub(super) fn pieces(key: &[u8], first: &[u8]) -> Result<u16, StoreError> {
    if first.first() == Some(&BLOCK) { Ok(0) } else { Ok(header(key, first)?.1) }
}

/// About how many bytes a value has, with its pieces.
pub(super) fn size(key: &[u8], first: &[u8]) -> Result<usize, StoreError> {
    Ok(first.len() + usize::from(header(key, first)?.1) * LARGEST)
}

/// Puts a value together; `piece` finds what stands at another key.
pub(super) fn decode<T, V, F>(key: &[u8], first: &[u8], piece: F) -> Result<T, StoreError>
where
    T: DeserializeOwned,
    V: AsRef<[u8]>,
    F: Fn(&[u8]) -> Result<Option<V>, StoreError>,
{
    let (_, pieces) = header(key, first)?;
    let read = |stored: &[u8]| match first[0] {
        WITH_NAMES => rmp_serde::from_slice(stored).map_err(|e| unreadable(key, &e)),
        _ => decode_map(key, stored),
    };
    let map = &first[HEADER..];
    if pieces == 0 {
        return read(map);
    }
    let mut whole = map.to_vec();
    for index in 1..=pieces {
        let found = piece(&keys::piece(key, index))?.ok_or_else(|| damaged(key, "a missing piece of a value"))?;
        whole.extend_from_slice(found.as_ref());
    }
    read(&whole)
}

/// Reads a map whose known names are numbers.
pub(super) fn decode_map<T: DeserializeOwned>(key: &[u8], map: &[u8]) -> Result<T, StoreError> {
    let map = names::lengthen(map).ok_or_else(|| unreadable(key, &"no map of fields"))?;
    rmp_serde::from_slice(&map).map_err(|e| unreadable(key, &e))
}

fn unreadable(key: &[u8], why: &dyn std::fmt::Display) -> StoreError {
    damaged(key, &format!("an unreadable value ({why})"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::tickets::model::Ticket;

    fn read(first: &[u8], pieces: &[Vec<u8>]) -> Result<Value, StoreError> {
        decode(b"t", first, |key| Ok((1..).zip(pieces).find(|(index, _)| keys::piece(b"t", *index) == key).map(|(_, piece)| piece)))
    }

    #[test]
    fn values_come_back_whole_and_their_known_names_are_not_stored() {
        for length in [0, 4_000, 4_200, 20_000] {
            let value = json!({ "description": "d".repeat(length), "of a later version": [1, null] });
            let Encoded { first, pieces } = encode(&value, 7).unwrap();
            assert!(first.len() <= LARGEST && pieces.iter().all(|piece| piece.len() <= LARGEST));
            assert!(!first.windows(11).any(|bytes| bytes == b"description"));
            assert_eq!(header(b"t", &first).unwrap(), (7, u16::try_from(pieces.len()).unwrap()));
            assert_eq!(read(&first, &pieces).unwrap(), value);
        }
    }

    #[test]
    fn a_value_of_the_encoding_before_is_read() {
        let value = json!({ "description": "d".repeat(5_000), "version": 3 });
        let map = rmp_serde::to_vec_named(&value).unwrap();
        let first = [&[WITH_NAMES, 0, 0, 0, 0, 0, 0, 0, 3, 0, 1][..], &map[..4_000]].concat();
        assert_eq!(read(&first, &[map[4_000..].to_vec()]).unwrap(), value);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let Encoded { mut first, .. } = encode(&json!({ "id": 1 }), 1).unwrap();
        first.push(0);
        assert!(matches!(read(&first, &[]), Err(StoreError::Corrupt(_))));
        first[0] = ENCODING + 1;
        assert!(matches!(read(&first, &[]), Err(StoreError::Corrupt(_))));
    }

    proptest! {
        #[test]
        fn whatever_bytes_are_stored_are_read_or_told_as_damage(
            encoding in prop::sample::select(vec![ENCODING, WITH_NAMES]), bytes in prop::collection::vec(any::<u8>(), 0..200),
            pieces in 0..3_u16,
        ) {
            let first = [&[encoding][..], &[0; 8], &pieces.to_be_bytes(), &bytes].concat();
            let piece = |_: &[u8]| Ok(Some(bytes.clone()));
            let _ = decode::<Value, _, _>(b"t", &first, piece);
            prop_assert!(decode::<Ticket, _, _>(b"t", &first, piece).is_err());
            prop_assert!(decode::<Entry, _, _>(b"l", &first, piece).is_err());
            prop_assert!(decode::<Ticket, _, _>(b"t", &bytes, piece).is_err());
        }

        #[test]
        fn a_row_of_which_a_byte_was_changed_is_read_or_told_as_damage(at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
            let value = json!({ "id": 1, "title": "VPN drops", "tags": ["vpn"], "later": { "status": null, "x": [1.5, -7, true] } });
            let Encoded { mut first, pieces } = encode(&value, 7).unwrap();
            let place = at.index(first.len());
            first[place] ^= flip;
            let _ = read(&first, &pieces);
        }
    }
}
