//! Small types that every feature shares: ids, instants, e-mail addresses, secrets, pages.

use std::{fmt, str::FromStr};

use jiff::{SignedDuration, fmt::temporal::DateTimePrinter};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use utoipa::ToSchema;

/// Declares an id: a positive integer of its own type, so that a ticket's id cannot be passed for a user's.
macro_rules! id_type {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = i64, minimum = 1, example = 1)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                // Only the canonical form is an id: "+1" and "01" name nothing.
                match text.parse::<i64>() {
                    Ok(id) if id > 0 && text.as_bytes()[0].is_ascii_digit() && text.as_bytes()[0] != b'0' => Ok(Self(id)),
                    _ => Err(BadId),
                }
            }
        }
    )*};
}

id_type! {
    /// A ticket.
    TicketId;
    /// A comment or internal note.
    CommentId;
    /// A person's account.
    UserId;
    /// A sign-in: one family of refresh tokens and the access tokens made from them.
    SessionId;
    /// A long-lived API token.
    TokenId;
}

/// A text that is not a positive integer in its canonical form.
#[derive(Debug, thiserror::Error)]
#[error("not an id: a positive whole number is expected")]
pub struct BadId;

/// The position of an entry in the activity log; 0 is before the first.
pub type Seq = i64;

/// An instant in UTC, in whole microseconds since 1970. On the wire RFC 3339 with a `Z`, in storage the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Earliest instant there is (year −9999), for open ranges.
    pub const MIN: Self = Self(-377_705_023_201_000_000);
    /// Latest instant there is (year 9999), for open ranges.
    pub const MAX: Self = Self(253_402_207_200_000_000);

    /// From microseconds since 1970, held inside the range that RFC 3339 can write.
    #[must_use]
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Microseconds since 1970.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down: what a JWT carries.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This instant moved by a (possibly negative) number of seconds.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_micros(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// Seconds from `earlier` until this instant; negative when it lies before.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a difference of µs within 285 years is exact in an f64")]
    pub fn seconds_since(self, earlier: Self) -> f64 {
        (self.0 - earlier.0) as f64 / 1e6
    }

    /// The present instant by the machine's clock. Rules never call this: they take `now` as an argument.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    pub fn now_by_the_clock() -> Self {
        Self::from_micros(jiff::Timestamp::now().as_microsecond())
    }
}

/// An instant in RFC 3339, on the stack: a list of tickets has hundreds of them.
struct Written {
    bytes: [u8; 48],
    len: usize,
}

impl Written {
    fn of(at: Timestamp) -> Result<Self, jiff::Error> {
        const PRINTER: DateTimePrinter = DateTimePrinter::new();
        let mut written = Self { bytes: [0; 48], len: 0 };
        PRINTER.print_timestamp(&jiff::Timestamp::from_microsecond(at.0)?, &mut written)?;
        Ok(written)
    }

    fn as_str(&self) -> &str {
        self.bytes.get(..self.len).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

impl jiff::fmt::Write for Written {
    fn write_str(&mut self, text: &str) -> Result<(), jiff::Error> {
        let end = self.len + text.len();
        let room = self.bytes.get_mut(self.len..end).ok_or_else(|| jiff::Error::from_args(format_args!("an instant is too long")))?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Written::of(*self).map_err(|_| fmt::Error)?.as_str())
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        let instant: jiff::Timestamp = text.parse()?;
        // Truncated towards the past, so that both stores hold the same microsecond.
        let micros = instant.as_nanosecond().div_euclid(1_000);
        Ok(Self::from_micros(i64::try_from(micros).unwrap_or(i64::MAX)))
    }
}

impl std::ops::Add<SignedDuration> for Timestamp {
    type Output = Self;

    fn add(self, duration: SignedDuration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_add(micros))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(Written::of(*self).map_err(S::Error::custom)?.as_str())
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
            text.parse().map_err(D::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Self::from_micros)
        }
    }
}

impl utoipa::PartialSchema for Timestamp {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::{KnownFormat, ObjectBuilder, SchemaFormat, schema::Type};
        ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into()
    }
}

impl ToSchema for Timestamp {}

/// An e-mail address, trimmed and in lower case: the form in which it is stored, compared and shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, format = Email, min_length = 3, max_length = 254, example = "ana@example.com")]
pub struct Email(String);

impl Email {
    /// Longest address that SMTP can carry (RFC 5321 §4.5.3.1.3, less the angle brackets).
    pub const MAX: usize = 254;

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or(&self.0, |(local, _)| local)
    }
}

impl FromStr for Email {
    type Err = &'static str;

    /// Accepts `local@domain` without blanks or control characters; whether it can be delivered to, only a message tells.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const BAD: &str = "must be an e-mail address such as name@example.com";
        let address = text.trim().to_lowercase();
        if address.len() > Self::MAX {
            return Err("must be at most 254 bytes long");
        }
        let (local, domain) = address.rsplit_once('@').ok_or(BAD)?;
        let strange = |c: char| c.is_whitespace() || c.is_control() || "@,;:<>()[]\\\"".contains(c);
        let domain_ok = domain.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'));
        if local.is_empty() || local.chars().any(strange) || domain.chars().any(strange) || !domain_ok {
            return Err(BAD);
        }
        Ok(Self(address))
    }
}

impl TryFrom<String> for Email {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value that must not reach a log, an error or an answer: it has neither a readable `Debug` nor `Serialize`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret into keeping.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself; every call is a place to look at in a review.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Bytes in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(nibble), 16));
        }
        text
    })
}

/// The versions that a client expects of what it changes (`If-Match`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is.
    Anything,
    /// One of these.
    OneOf(Vec<i64>),
}

/// A stretch of a list: at most `limit` rows after the row at `after`, an ordering key of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Page<K> {
    /// The last row of the page before, if any.
    pub after: Option<K>,
    /// 1–200.
    pub limit: usize,
}

/// One page of rows, and where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice<T, K> {
    /// The rows, in the list's order.
    pub rows: Vec<T>,
    /// The key to continue after, when there is more.
    pub next: Option<K>,
    /// How many rows the whole list has; only counted for its first page.
    pub total: Option<Total>,
}

/// The size of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// Exactly so many.
    Exact(usize),
    /// More than this many, not counted further.
    MoreThan(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_truncated_to_microseconds_and_written_in_utc() {
        let t: Timestamp = "2026-01-02T03:04:05.1234567+01:00".parse().unwrap();
        assert_eq!(t.to_string(), "2026-01-02T02:04:05.123456Z");
        assert_eq!(serde_json::to_string(&t).unwrap(), "\"2026-01-02T02:04:05.123456Z\"");
        assert_eq!(rmp_serde::to_vec(&t).unwrap(), rmp_serde::to_vec(&t.as_micros()).unwrap());
        assert!("2026-01-02".parse::<Timestamp>().is_err());
    }

    #[test]
    fn ids_have_one_spelling() {
        assert_eq!("42".parse::<TicketId>().unwrap(), TicketId(42));
        for bad in ["", "0", "-1", "+1", "01", "1.0", "9223372036854775808", "a", " 1"] {
            assert!(bad.parse::<TicketId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn emails_are_trimmed_lower_cased_and_checked() {
        assert_eq!(" Ana@Example.COM ".parse::<Email>().unwrap().as_str(), "ana@example.com");
        for bad in ["", "ana", "@x", "a@", "a b@x.org", "a@x..org", "a@@x.org", "a@-x.org", "<a@x.org>", "a@x.org\0"] {
            assert!(bad.parse::<Email>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[secret]");
    }
}
