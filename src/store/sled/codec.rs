//! How values look: an encoding version, the row's version, the number of further pieces, then a self-describing map,
//! so that a field added later does not break old rows. No stored value is over 4 KiB: sled moves larger leaves to files
//! that it never syncs.

use serde::{Serialize, de::DeserializeOwned};

use super::keys;
use crate::{
    activity::model::Entry,
    store::{Row, StoreError},
};

/// The present encoding.
const ENCODING: u8 = 1;
/// Encoding, row version, number of further pieces.
const HEADER: usize = 1 + 8 + 2;
/// The largest stored value.
const LARGEST: usize = 4_096;

/// A value cut into its first part and its further pieces.
pub(super) struct Encoded {
    /// What stands at the row's own key.
    pub(super) first: Vec<u8>,
    /// What stands at its piece keys, from 1.
    pub(super) pieces: Vec<Vec<u8>>,
}

/// Encodes a value of the given row version.
pub(super) fn encode(value: &impl Serialize, version: i64) -> Result<Encoded, StoreError> {
    let mut first = vec![0_u8; HEADER];
    rmp_serde::encode::write_named(&mut first, value).map_err(|e| StoreError::Corrupt(format!("cannot encode a row: {e}")))?;
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

fn damaged(key: &[u8], what: &str) -> StoreError {
    StoreError::Corrupt(format!("{what} at key {}", key.escape_ascii()))
}

/// The row version and the number of further pieces.
pub(super) fn header(key: &[u8], first: &[u8]) -> Result<(i64, u16), StoreError> {
    let bad = || damaged(key, "a value that is too short");
    if first.first().is_some_and(|encoding| *encoding != ENCODING) {
        return Err(damaged(key, "a value of an unknown encoding"));
    }
    let version = first.get(1..9).and_then(|b| b.try_into().ok()).ok_or_else(bad)?;
    let pieces = first.get(9..11).and_then(|b| b.try_into().ok()).ok_or_else(bad)?;
    Ok((i64::from_be_bytes(version), u16::from_be_bytes(pieces)))
}

/// Puts a value together; `piece` finds what stands at another key.
pub(super) fn decode<T, V, F>(key: &[u8], first: &[u8], piece: F) -> Result<T, StoreError>
where
    T: DeserializeOwned,
    V: AsRef<[u8]>,
    F: Fn(&[u8]) -> Result<Option<V>, StoreError>,
{
    let (_, pieces) = header(key, first)?;
    let map = &first[HEADER..];
    let unreadable = |e: rmp_serde::decode::Error| damaged(key, &format!("an unreadable value ({e})"));
    if pieces == 0 {
        return rmp_serde::from_slice(map).map_err(unreadable);
    }
    let mut whole = map.to_vec();
    for index in 1..=pieces {
        let found = piece(&keys::piece(key, index))?.ok_or_else(|| damaged(key, "a missing piece of a value"))?;
        whole.extend_from_slice(found.as_ref());
    }
    rmp_serde::from_slice(&whole).map_err(unreadable)
}
