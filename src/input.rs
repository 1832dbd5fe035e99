//! What comes in from outside: typed fields that check themselves, and bodies that report every fault at once.
//!
//! A value's type says what it may be (`Title`, `Email`, `Priority`), and its [`FieldValue`] is the only place that
//! checks it. [`input!`](crate::input!) declares a body or a query; unknown, missing and unfit fields are all listed
//! together. serde alone would stop at the first.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::types::{CommentId, Email, SessionId, TicketId, Timestamp, TokenId, UserId};

/// One thing wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// The field, with a path for nested ones (`change.status`, `ids[3]`).
    #[schema(example = "title")]
    pub field: String,
    /// For programs: `missing`, `unknown_field`, `wrong_type`, `null`, `too_short`, `too_long`, `out_of_range`,
    /// `invalid`, `unknown_value`, `repeated`.
    #[schema(example = "too_short")]
    pub code: String,
    /// For people.
    #[schema(example = "must be at least 1 character long")]
    pub message: String,
}

impl FieldError {
    /// A fault of the named field.
    pub fn new(field: impl Into<String>, code: &str, message: impl Into<String>) -> Self {
        Self { field: field.into(), code: code.into(), message: message.into() }
    }

    /// A fault of the value itself; whoever holds the value gives it its name by [`FieldError::under`].
    pub fn here(code: &str, message: impl Into<String>) -> Self {
        Self::new("", code, message)
    }

    /// The same fault, seen from the holder of the field `name`.
    #[must_use]
    pub fn under(mut self, name: &str) -> Self {
        let joint = if self.field.is_empty() || self.field.starts_with('[') { "" } else { "." };
        self.field = format!("{name}{joint}{}", self.field);
        self
    }
}

/// Everything wrong with a value.
pub type Faults = Vec<FieldError>;

/// Faults that are told of one request at most: a megabyte of nonsense is not answered with thirty.
pub const MOST_FAULTS: usize = 100;

/// Adds a fault, as long as there are not too many to be told.
pub fn note(faults: &mut Faults, fault: FieldError) {
    if faults.len() < MOST_FAULTS {
        faults.push(fault);
    }
}

fn fault<T>(code: &str, message: impl Into<String>) -> Result<T, Faults> {
    Err(vec![FieldError::here(code, message)])
}

/// A value that comes from outside and checks itself.
pub trait FieldValue: Sized {
    /// Reads it from JSON.
    ///
    /// # Errors
    /// Everything wrong with it.
    fn from_json(value: Value) -> Result<Self, Faults>;

    /// Reads it from a query parameter.
    ///
    /// # Errors
    /// Everything wrong with it.
    fn from_text(text: &str) -> Result<Self, Faults> {
        Self::from_json(Value::String(text.to_owned()))
    }
}

/// A field of an input: required (`T`), optional (`Option<T>`) or optional and nullable (`Option<Option<T>>`).
pub trait Field: Sized {
    /// Takes it out of `fields`; `None` when it is at fault, which is then recorded there.
    fn take(fields: &mut Fields, name: &str) -> Option<Self>;
}

impl<T: FieldValue> Field for T {
    fn take(fields: &mut Fields, name: &str) -> Option<Self> {
        if let Some(value) = fields.raw(name) {
            return fields.checked(name, value);
        }
        fields.faults.push(FieldError::new(name, "missing", "is required"));
        None
    }
}

impl<T: FieldValue> Field for Option<T> {
    fn take(fields: &mut Fields, name: &str) -> Option<Self> {
        match fields.raw(name) {
            None => Some(None),
            Some(Raw::Json(Value::Null)) if fields.null_is_absent => Some(None),
            Some(value) => fields.checked(name, value).map(Some),
        }
    }
}

impl<T: FieldValue> Field for Option<Option<T>> {
    fn take(fields: &mut Fields, name: &str) -> Option<Self> {
        match fields.raw(name) {
            None => Some(None),
            Some(Raw::Json(Value::Null)) => Some(Some(None)),
            Some(value) => fields.checked(name, value).map(|v| Some(Some(v))),
        }
    }
}

enum Raw {
    Json(Value),
    Text(String),
}

/// The fields of one input, taken out one by one.
pub struct Fields {
    rest: Vec<(String, Raw)>,
    faults: Faults,
    null_is_absent: bool,
}

impl Fields {
    fn json(map: Map<String, Value>, null_is_absent: bool) -> Self {
        Self { rest: map.into_iter().map(|(k, v)| (k, Raw::Json(v))).collect(), faults: Faults::new(), null_is_absent }
    }

    fn text(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { rest: pairs.into_iter().map(|(k, v)| (k, Raw::Text(v))).collect(), faults: Faults::new(), null_is_absent: false }
    }

    /// Takes the field `name`; `None` when it is at fault.
    pub fn take<T: Field>(&mut self, name: &str) -> Option<T> {
        T::take(self, name)
    }

    /// Whether the field `name` was sent and not yet taken.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.rest.iter().any(|(key, _)| key == name)
    }

    /// Records faults, or one, or none.
    pub fn refuse(&mut self, faults: impl IntoIterator<Item = FieldError>) {
        self.faults.extend(faults);
    }

    fn raw(&mut self, name: &str) -> Option<Raw> {
        let at = self.rest.iter().position(|(key, _)| key == name)?;
        let found = self.rest.remove(at).1;
        if self.rest.iter().any(|(key, _)| key == name) {
            self.rest.retain(|(key, _)| key != name);
            self.faults.push(FieldError::new(name, "repeated", "is given more than once"));
        }
        Some(found)
    }

    fn checked<T: FieldValue>(&mut self, name: &str, value: Raw) -> Option<T> {
        let read = match value {
            Raw::Json(Value::Null) => fault("null", "must not be null"),
            Raw::Json(value) => T::from_json(value),
            Raw::Text(text) => T::from_text(&text),
        };
        read.map_err(|faults| self.faults.extend(faults.into_iter().map(|f| f.under(name)))).ok()
    }

    fn finish<T>(mut self, read: Option<T>, what: &str) -> Result<T, Faults> {
        for (name, _) in self.rest {
            if self.faults.len() >= MOST_FAULTS {
                break;
            }
            self.faults.push(FieldError::new(name, "unknown_field", format!("is not a known {what}")));
        }
        match read {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => Err(self.faults),
        }
    }
}

/// A set of named fields; declared by [`input!`](crate::input!).
pub trait Input: Sized {
    /// Whether `null` says the same as leaving an optional field out: so when something is made, not when it is changed.
    const NULL_IS_ABSENT: bool;

    /// Takes every field; `None` when one is at fault.
    fn read(fields: &mut Fields) -> Option<Self>;

    /// Reads a JSON object.
    ///
    /// # Errors
    /// Every fault of every field.
    fn from_object(map: Map<String, Value>) -> Result<Self, Faults> {
        let mut fields = Fields::json(map, Self::NULL_IS_ABSENT);
        let read = Self::read(&mut fields);
        fields.finish(read, "field")
    }

    /// Reads the pairs of a query or of a form.
    ///
    /// # Errors
    /// Every fault of every field.
    fn from_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, Faults> {
        let mut fields = Fields::text(pairs);
        let read = Self::read(&mut fields);
        fields.finish(read, "parameter")
    }
}

/// No fields at all: what calls without parameters take.
impl Input for () {
    const NULL_IS_ABSENT: bool = true;

    fn read(_: &mut Fields) -> Option<Self> {
        Some(())
    }
}

/// Declares a body or a query. `pub struct` for something to be made or asked, `pub patch` for a change, in which
/// `null` is refused unless the field is an `Option<Option<…>>`. After the fields, `together |a, b| fault` says what must
/// hold between some of them: each is given as `Option<&_>`, `None` when it is at fault itself, and the faults that come out
/// are told with those of the single fields.
#[macro_export]
macro_rules! input {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$fmeta:meta])* $field:ident: $type:ty,)* } $($rule:tt)*) => {
        $crate::input!(@declare true, $(#[$meta])* $name { $($(#[$fmeta])* $field: $type,)* } $($rule)*);
    };
    ($(#[$meta:meta])* pub patch $name:ident { $($(#[$fmeta:meta])* $field:ident: $type:ty,)* } $($rule:tt)*) => {
        $crate::input!(@declare false, $(#[$meta])* $name { $($(#[$fmeta])* $field: $type,)* } $($rule)*);
    };
    (@declare $nulls:literal, $(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident: $type:ty,)* }
        $(together |$($part:ident),*| $rule:expr)?) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        pub struct $name { $($(#[$fmeta])* pub $field: $type,)* }

        impl $crate::input::Input for $name {
            const NULL_IS_ABSENT: bool = $nulls;

            fn read(fields: &mut $crate::input::Fields) -> Option<Self> {
                $(let $field = fields.take::<$type>(stringify!($field));)*
                $({
                    $(let $part = $part.as_ref();)*
                    fields.refuse($rule);
                })?
                Some(Self { $($field: $field?,)* })
            }
        }

        impl $crate::input::FieldValue for $name {
            fn from_json(value: ::serde_json::Value) -> Result<Self, $crate::input::Faults> {
                match value {
                    ::serde_json::Value::Object(map) => <Self as $crate::input::Input>::from_object(map),
                    _ => Err(vec![$crate::input::FieldError::here("wrong_type", "must be an object")]),
                }
            }
        }
    };
}

/// A text of limited length, without NUL. `TRIM` says whether blanks around it are taken off first.
///
/// # Errors
/// Wrong type, too short, too long (in characters), or a NUL in it.
pub fn text(value: Value, min: usize, max: usize, trim: bool) -> Result<String, Faults> {
    let Value::String(mut text) = value else { return fault("wrong_type", "must be a text") };
    if trim {
        let trimmed = text.trim();
        if trimmed.len() != text.len() {
            text = trimmed.to_owned();
        }
    }
    let plural = |n: usize| if n == 1 { "character" } else { "characters" };
    // A character takes one to four bytes, so counting is only needed in between.
    if text.len() < min || (text.len() < 4 * min && text.chars().count() < min) {
        return fault("too_short", format!("must be at least {min} {} long", plural(min)));
    }
    if text.len() > max && text.chars().count() > max {
        return fault("too_long", format!("must be at most {max} {} long", plural(max)));
    }
    if text.contains('\0') {
        return fault("invalid", "must not contain the character NUL");
    }
    Ok(text)
}

/// Declares texts of limited length: a type of its own each, so that a checked text cannot be mistaken for another.
#[macro_export]
macro_rules! text_type {
    ($($(#[$doc:meta])* $name:ident, $min:tt, $max:tt, $trim:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, ::serde::Serialize, ::utoipa::ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String, min_length = $min, max_length = $max)]
        pub struct $name(pub String);

        impl $crate::input::FieldValue for $name {
            fn from_json(value: ::serde_json::Value) -> Result<Self, $crate::input::Faults> {
                $crate::input::text(value, $min, $max, $trim).map(Self)
            }
        }
    )*};
}

/// Reads one of a fixed set of names.
///
/// # Errors
/// Wrong type, or a name that is not in the set.
pub fn choice<T: Copy>(value: &Value, all: &[T], name: impl Fn(T) -> &'static str) -> Result<T, Faults> {
    let Value::String(text) = value else { return fault("wrong_type", "must be a text") };
    all.iter().copied().find(|&one| name(one) == text).map_or_else(
        || fault("unknown_value", format!("must be one of {}", all.iter().map(|&one| name(one)).collect::<Vec<_>>().join(", "))),
        Ok,
    )
}

impl FieldValue for bool {
    fn from_json(value: Value) -> Result<Self, Faults> {
        value.as_bool().map_or_else(|| fault("wrong_type", "must be true or false"), Ok)
    }

    fn from_text(text: &str) -> Result<Self, Faults> {
        match text {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => fault("wrong_type", "must be true or false"),
        }
    }
}

impl FieldValue for i64 {
    fn from_json(value: Value) -> Result<Self, Faults> {
        value.as_i64().map_or_else(|| fault("wrong_type", "must be a whole number"), Ok)
    }

    fn from_text(text: &str) -> Result<Self, Faults> {
        text.parse().or_else(|_| fault("wrong_type", "must be a whole number"))
    }
}

impl FieldValue for String {
    fn from_json(value: Value) -> Result<Self, Faults> {
        text(value, 0, usize::MAX, false)
    }
}

impl FieldValue for Email {
    fn from_json(value: Value) -> Result<Self, Faults> {
        text(value, 0, usize::MAX, false)?.parse().or_else(|message: &str| fault("invalid", message))
    }
}

impl FieldValue for Timestamp {
    fn from_json(value: Value) -> Result<Self, Faults> {
        text(value, 0, usize::MAX, false)?.parse().or_else(|_| fault("invalid", "must be a time such as 2026-01-31T09:30:00Z"))
    }

    fn from_text(text: &str) -> Result<Self, Faults> {
        // A "+02:00" that was not percent-encoded arrives as a blank.
        Self::from_json(Value::String(text.replace(' ', "+")))
    }
}

macro_rules! id_values {
    ($($id:ident),*) => {$(
        impl FieldValue for $id {
            fn from_json(value: Value) -> Result<Self, Faults> {
                let id = i64::from_json(value)?;
                if id > 0 { Ok(Self(id)) } else { fault("out_of_range", "must be a positive whole number") }
            }

            fn from_text(text: &str) -> Result<Self, Faults> {
                text.parse().or_else(|_| fault("wrong_type", "must be a positive whole number"))
            }
        }
    )*};
}

id_values!(TicketId, CommentId, UserId, SessionId, TokenId);

impl<T: FieldValue> FieldValue for Vec<T> {
    fn from_json(value: Value) -> Result<Self, Faults> {
        let Value::Array(items) = value else { return fault("wrong_type", "must be a list") };
        let (mut list, mut faults) = (Self::with_capacity(items.len().min(1_000)), Faults::new());
        for (i, item) in items.into_iter().enumerate() {
            match T::from_json(item) {
                Ok(item) => list.push(item),
                Err(found) => faults.extend(found.into_iter().map(|f| f.under(&format!("[{i}]")))),
            }
            if faults.len() >= MOST_FAULTS {
                break;
            }
        }
        if faults.is_empty() { Ok(list) } else { Err(faults) }
    }
}

/// Several values in one query parameter, with commas between them.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, example = "open,pending")]
pub struct CommaList<T>(pub Vec<T>);

impl<T: FieldValue> FieldValue for CommaList<T> {
    fn from_json(value: Value) -> Result<Self, Faults> {
        Self::from_text(&String::from_json(value)?)
    }

    fn from_text(text: &str) -> Result<Self, Faults> {
        text.split(',').map(|part| T::from_text(part.trim())).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    text_type! { /// A name.
    Name, 1, 3, true; }

    input! {
        /// Something to be made.
        pub struct Made {
            /// Required.
            name: Name,
            /// Optional.
            count: Option<i64>,
        }
    }

    input! {
        /// A change.
        pub patch Change {
            /// May not be null.
            name: Option<Name>,
            /// May be null.
            owner: Option<Option<UserId>>,
        }
    }

    fn codes(faults: Faults) -> Vec<(String, String)> {
        faults.into_iter().map(|f| (f.field, f.code)).collect()
    }

    fn pair(field: &str, code: &str) -> (String, String) {
        (field.into(), code.into())
    }

    #[test]
    fn every_fault_is_listed_at_once() {
        let faults = Made::from_json(json!({"name": 5, "count": "x", "colour": 1})).unwrap_err();
        assert_eq!(codes(faults), [pair("name", "wrong_type"), pair("count", "wrong_type"), pair("colour", "unknown_field")]);
        assert_eq!(codes(Made::from_json(json!({"nmae": "x"})).unwrap_err()), [pair("name", "missing"), pair("nmae", "unknown_field")]);
        assert_eq!(codes(Made::from_json(json!([])).unwrap_err()), [pair("", "wrong_type")]);
    }

    #[test]
    fn lengths_are_counted_in_characters_after_trimming() {
        assert_eq!(Made::from_json(json!({"name": " éüñ "})).unwrap().name.0, "éüñ");
        assert_eq!(codes(Made::from_json(json!({"name": "  "})).unwrap_err()), [pair("name", "too_short")]);
        assert_eq!(codes(Made::from_json(json!({"name": "abcd"})).unwrap_err()), [pair("name", "too_long")]);
        assert_eq!(codes(Made::from_json(json!({"name": "a\0"})).unwrap_err()), [pair("name", "invalid")]);
    }

    #[test]
    fn null_is_absence_when_made_and_a_value_when_changed() {
        assert_eq!(Made::from_json(json!({"name": "a", "count": null})).unwrap().count, None);
        assert_eq!(codes(Change::from_json(json!({"name": null})).unwrap_err()), [pair("name", "null")]);
        assert_eq!(Change::from_json(json!({"owner": null})).unwrap().owner, Some(None));
        assert_eq!(Change::from_json(json!({"name": "a"})).unwrap().name, Some(Name("a".into())));
        assert_eq!(Change::from_json(json!({})).unwrap().owner, None);
    }

    #[test]
    fn query_parameters_are_read_from_text_and_may_not_repeat() {
        let pairs = |list: &[(&str, &str)]| list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>();
        assert_eq!(Made::from_pairs(pairs(&[("name", "a"), ("count", "7")])).unwrap().count, Some(7));
        let faults = Made::from_pairs(pairs(&[("name", "a"), ("name", "b"), ("x", "1")])).unwrap_err();
        assert_eq!(codes(faults), [pair("name", "repeated"), pair("x", "unknown_field")]);
    }

    #[test]
    fn faults_inside_lists_carry_their_place() {
        assert_eq!(
            codes(Vec::<UserId>::from_json(json!([1, 0, "a"])).unwrap_err()),
            [pair("[1]", "out_of_range"), pair("[2]", "wrong_type")]
        );
    }
}
