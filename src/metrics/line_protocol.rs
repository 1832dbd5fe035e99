//! Points as lines. The crate that writes them trusts its caller, so this wrapper is the only way to it: tags are slugs,
//! numbers are finite, and every point has exactly the tags and fields of its measurement.

use std::borrow::Cow;

use influxdb_line_protocol::{LineProtocolBuilder, builder::AfterField};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::schema::{Kind, Measurement};

/// The longest value of a tag, in bytes.
const LONGEST_SLUG: usize = 64;

/// The value of a tag that has none.
pub const NONE: Slug = Slug(Cow::Borrowed("none"));

/// The value of a tag: 1 to 64 of `a-z`, `0-9`, `_`, `.`, `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slug(Cow<'static, str>);

impl Slug {
    /// A word of the code's own, which must be a slug already; anything else is made one.
    #[must_use]
    pub fn word(text: &'static str) -> Self {
        if is_slug(text) { Self(Cow::Borrowed(text)) } else { Self::of(text) }
    }

    /// Makes a slug of any text: letters lose their case and their marks, all else becomes single hyphens; of what has no
    /// letter or digit, `none` is left.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut slug = String::new();
        let letters = text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase);
        for c in letters {
            let plain = c.is_ascii_lowercase() || c.is_ascii_digit() || (matches!(c, '_' | '.') && !slug.is_empty());
            if plain {
                slug.push(c);
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
            if slug.len() == LONGEST_SLUG {
                break;
            }
        }
        let slug = slug.trim_end_matches(['-', '_', '.']);
        if slug.is_empty() { NONE } else { Self(Cow::Owned(slug.to_owned())) }
    }

    /// This slug with a number at its end, which is never cut off.
    #[must_use]
    pub fn numbered(&self, number: i64) -> Self {
        let end = format!("-{}", number.unsigned_abs());
        let begin = &self.0[..self.0.len().min(LONGEST_SLUG - end.len())];
        Self(Cow::Owned(format!("{}{end}", begin.trim_end_matches(['-', '_', '.']))))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_slug(text: &str) -> bool {
    (1..=LONGEST_SLUG).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-'))
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// A number; what is not finite is written as 0.
    Float(f64),
}

impl Value {
    const fn kind(self) -> Kind {
        match self {
            Self::Integer(_) => Kind::Integer,
            Self::Float(_) => Kind::Float,
        }
    }
}

/// One point.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    measurement: &'static Measurement,
    tags: Vec<Slug>,
    fields: Vec<Value>,
    /// Nanoseconds since 1970.
    at: i64,
}

impl Point {
    /// A point, with tags and fields in the order of the schema.
    #[must_use]
    pub fn new(measurement: &'static Measurement, at: i64, tags: Vec<Slug>, fields: Vec<Value>) -> Self {
        debug_assert_eq!(tags.len(), measurement.tags.len(), "tags of {}", measurement.name);
        debug_assert!(
            fields.iter().map(|value| value.kind()).eq(measurement.fields.iter().map(|(_, kind)| *kind)),
            "fields of {}: {fields:?}",
            measurement.name
        );
        Self { measurement, tags, fields, at }
    }

    /// What it is a point of.
    #[must_use]
    pub const fn measurement(&self) -> &'static Measurement {
        self.measurement
    }

    /// Its time in nanoseconds since 1970.
    #[must_use]
    pub const fn at(&self) -> i64 {
        self.at
    }

    /// The value of a tag.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<&str> {
        let place = self.measurement.tags.iter().position(|tag| *tag == key)?;
        self.tags.get(place).map(Slug::as_str)
    }

    /// The value of a field.
    #[must_use]
    pub fn field(&self, key: &str) -> Option<Value> {
        let place = self.measurement.fields.iter().position(|(field, _)| *field == key)?;
        self.fields.get(place).copied()
    }

    /// Appends its line, with the newline.
    pub fn write(&self, lines: &mut Vec<u8>) {
        let mut line = LineProtocolBuilder::new_with(std::mem::take(lines)).measurement(self.measurement.name);
        for (key, value) in self.measurement.tags.iter().zip(&self.tags) {
            line = line.tag(key, value.as_str());
        }
        let mut fields = self.measurement.fields.iter().map(|(key, _)| *key).zip(&self.fields);
        let Some((key, value)) = fields.next() else { return };
        let first = match *value {
            Value::Integer(number) => line.field(key, number),
            Value::Float(number) => line.field(key, finite(number)),
        };
        let all = fields.fold(first, |line, (key, value)| with_field(line, key, *value));
        *lines = all.timestamp(self.at).close_line().build();
    }
}

fn with_field(line: LineProtocolBuilder<Vec<u8>, AfterField>, key: &str, value: Value) -> LineProtocolBuilder<Vec<u8>, AfterField> {
    match value {
        Value::Integer(number) => line.field(key, number),
        Value::Float(number) => line.field(key, finite(number)),
    }
}

const fn finite(number: f64) -> f64 {
    if number.is_finite() { number } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use influxdb_line_protocol::{FieldValue, parse_lines};
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::schema::{SCHEMA, TICKET_FIRST_RESPONSE};

    #[test]
    fn slugs_are_plain_short_and_never_empty() {
        for (text, slug) in [
            ("Ana Belén Ruiz", "ana-belen-ruiz"),
            ("  O'Neill,  Sør=en\n", "o-neill-s-r-en"),
            ("İ", "i"),
            ("#comment", "comment"),
            ("a\\", "a"),
            ("...", "none"),
            ("", "none"),
            ("張偉", "none"),
            ("v1.2_x", "v1.2_x"),
        ] {
            assert_eq!(Slug::of(text).as_str(), slug, "{text:?}");
        }
        assert_eq!(Slug::of(&"x".repeat(200)).as_str().len(), 64);
        assert_eq!(Slug::of(&"x".repeat(200)).numbered(i64::MAX).as_str().len(), 64);
        assert_eq!(Slug::of("Ana").numbered(17).as_str(), "ana-17");
    }

    #[test]
    fn a_line_is_as_the_protocol_wants_it() {
        let fields = vec![Value::Integer(1), Value::Float(90.5), Value::Integer(7)];
        let point = Point::new(&TICKET_FIRST_RESPONSE, 1_000_000_007, vec![Slug::of("Ana Ruiz"), NONE, Slug::word("high")], fields);
        let mut lines = Vec::new();
        point.write(&mut lines);
        let expected = "ticket_first_response,agent=ana-ruiz,met=none,priority=high count=1i,seconds=90.5,ticket_id=7i 1000000007\n";
        assert_eq!(String::from_utf8(lines).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn whatever_the_texts_and_numbers_are_a_line_reads_as_the_point_it_was(
            which in 0..SCHEMA.len(),
            texts in proptest::collection::vec(any::<String>(), 3),
            integers in proptest::collection::vec(any::<i64>(), 4),
            floats in proptest::collection::vec(any::<f64>(), 4),
            at in 0..i64::MAX,
        ) {
            let measurement = SCHEMA[which];
            let tags: Vec<Slug> = measurement.tags.iter().zip(&texts).map(|(_, text)| Slug::of(text)).collect();
            let fields: Vec<Value> = measurement.fields.iter().enumerate().map(|(n, (_, kind))| match kind {
                Kind::Integer => Value::Integer(integers[n]),
                Kind::Float => Value::Float(floats[n]),
            }).collect();
            let mut lines = Vec::new();
            Point::new(measurement, at, tags.clone(), fields.clone()).write(&mut lines);
            let text = String::from_utf8(lines).unwrap();
            prop_assert_eq!(text.matches('\n').count(), 1);
            let parsed: Vec<_> = parse_lines(&text).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(parsed.len(), 1);
            let line = &parsed[0];
            prop_assert_eq!(line.series.measurement.as_str(), measurement.name);
            prop_assert_eq!(line.timestamp, Some(at));
            for (key, slug) in measurement.tags.iter().zip(&tags) {
                prop_assert!(is_slug(slug.as_str()), "{:?}", slug);
                prop_assert_eq!(line.tag_value(key).unwrap().as_str(), slug.as_str());
            }
            for ((key, _), value) in measurement.fields.iter().zip(&fields) {
                match (line.field_value(key).unwrap(), value) {
                    (FieldValue::I64(read), Value::Integer(written)) => prop_assert_eq!(read, written),
                    (FieldValue::F64(read), Value::Float(written)) => prop_assert_eq!(read.to_bits(), finite(*written).to_bits()),
                    (read, written) => prop_assert!(false, "{:?} read for {:?}", read, written),
                }
            }
        }
    }
}
