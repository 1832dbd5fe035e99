//! How single values stand in the database.

use serde::{
    Serialize,
    de::{DeserializeOwned, IntoDeserializer as _, value::StrDeserializer},
};
use sqlx::{
    Decode, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef, types::Oid},
};

use crate::{store::StoreError, types::Timestamp};

/// 2000-01-01, from which the server counts, in µs since 1970.
const SERVER_EPOCH: i64 = 946_684_800_000_000;
/// The earliest instant that the server knows, 4714 BC, in µs since 2000.
const SERVER_MIN: i64 = -211_813_488_000_000_000;

/// An instant as `timestamptz`; the largest number stands for infinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instant(pub(super) i64);

impl Instant {
    /// As the type that everybody else uses.
    pub(super) fn stamp(self) -> Timestamp {
        Timestamp::from_micros(self.0)
    }
}

impl From<Timestamp> for Instant {
    fn from(at: Timestamp) -> Self {
        Self(at.as_micros())
    }
}

/// Where in its table a row is: a page and a place in there. A row that is changed is elsewhere afterwards, and another one may take the
/// place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tid(u32, u16);

impl Type<Postgres> for Tid {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(27))
    }
}

impl PgHasArrayType for Tid {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1010))
    }
}

impl Encode<'_, Postgres> for Tid {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend(self.0.to_be_bytes().into_iter().chain(self.1.to_be_bytes()));
        Ok(IsNull::No)
    }
}

impl<'r> Decode<'r, Postgres> for Tid {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let (page, place) = value.as_bytes()?.split_at_checked(4).ok_or("a row's place has six bytes")?;
        Ok(Self(u32::from_be_bytes(page.try_into()?), u16::from_be_bytes(place.try_into()?)))
    }
}

/// The number of a transaction, the lower half of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Xid(pub(super) u32);

impl Xid {
    /// Whether it is the lower half of this one.
    pub(super) const fn is_of(self, whole: u64) -> bool {
        self.0 as u64 == whole & u32::MAX as u64
    }

    /// Whether it came before this one, of which it is less than half of all numbers away, as the server compares them.
    pub(super) fn is_before(self, whole: u64) -> bool {
        let lower = u32::try_from(whole & u64::from(u32::MAX)).unwrap_or_default();
        self.0.wrapping_sub(lower) > u32::MAX / 2
    }
}

impl Type<Postgres> for Xid {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(28))
    }

    /// Its bytes will do.
    fn compatible(given: &PgTypeInfo) -> bool {
        *given == <[u8] as Type<Postgres>>::type_info()
    }
}

impl PgHasArrayType for Xid {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1011))
    }
}

impl Encode<'_, Postgres> for Xid {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend(self.0.to_be_bytes());
        Ok(IsNull::No)
    }
}

impl<'r> Decode<'r, Postgres> for Xid {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(u32::from_be_bytes(value.as_bytes()?.try_into()?)))
    }
}

impl Type<Postgres> for Instant {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1184))
    }
}

impl PgHasArrayType for Instant {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1185))
    }
}

impl Encode<'_, Postgres> for Instant {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let micros = if self.0 == i64::MAX { i64::MAX } else { self.0.saturating_sub(SERVER_EPOCH).max(SERVER_MIN) };
        <i64 as Encode<Postgres>>::encode(micros, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for Instant {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        // Prepared statements answer in the binary form: µs since 2000.
        let micros = <i64 as Decode<Postgres>>::decode(value)?;
        Ok(Self(if micros == i64::MAX { i64::MAX } else { micros + SERVER_EPOCH }))
    }
}

/// The word by which a value is known, such as `agent`.
pub(super) fn word<T: Serialize>(value: &T) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        other => Err(StoreError::Corrupt(format!("not a word: {other:?}"))),
    }
}

/// The value that a word stands for.
pub(super) fn of_word<T: DeserializeOwned>(word: &str) -> Result<T, sqlx::Error> {
    let word: StrDeserializer<'_, serde::de::value::Error> = word.into_deserializer();
    T::deserialize(word).map_err(|error| sqlx::Error::Decode(error.into()))
}
