//! What a setting is: its name, its type, its bounds, its text. Sections are declared by the macro `section!`, which
//! makes the struct, its defaults and the table of its keys out of one text, so that they cannot drift apart.

use std::net::SocketAddr;

use figment::Figment;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Config, InfluxApi, LogFormat, RateLimit};
use crate::{types::Secret, users::model::Locale};

/// A group of settings: a table of the file.
#[derive(Debug)]
pub struct Section {
    /// Its name, the first part of its keys.
    pub name: &'static str,
    /// What it is about.
    pub doc: &'static [&'static str],
    /// Its keys, in order.
    pub keys: &'static [Key],
}

/// One setting.
#[derive(Debug)]
pub struct Key {
    /// Its full name, `server.listen`.
    pub name: &'static str,
    /// What it means, line by line.
    pub doc: &'static [&'static str],
    /// How its text is read.
    pub kind: Kind,
    /// What a value must be, as in "must be …".
    pub expected: &'static str,
    /// The least and the greatest number that it may be.
    pub range: Option<(i128, i128)>,
    /// A value to show where the default is none.
    pub sample: Option<&'static str>,
    pub(super) fits: fn(&Figment, &str) -> bool,
    pub(super) shown: fn(&Config) -> Shown,
}

impl Key {
    /// Its environment variable.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("TAQUILLA_{}", self.name.replace('.', "__").to_uppercase())
    }

    /// The value that a configuration has for it.
    #[must_use]
    pub fn shown(&self, config: &Config) -> Shown {
        (self.shown)(config)
    }
}

/// How the text of an environment variable or a flag is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As it is.
    Text,
    /// As it is, and it is never shown.
    Secret,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Truth,
    /// Texts with commas between them, or a list as in the file.
    List,
}

/// A value as it may be shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// There is none.
    Unset,
    /// There is one, a secret.
    Hidden,
    /// This one.
    Value(Value),
}

/// The setting that is an address, and may have a password in it.
const ADDRESS: &str = "storage.url";

impl Key {
    /// Whether a variable may name a file in which the value stands, so that no secret need be in the environment.
    pub(super) fn may_stand_in_a_file(&self) -> bool {
        self.kind == Kind::Secret || self.name == ADDRESS
    }
}

/// The type of a setting.
pub(super) trait Setting: DeserializeOwned {
    const KIND: Kind;
    const EXPECTED: &'static str;

    fn shown(&self) -> Shown;
}

macro_rules! settings {
    ($($type:ty: $kind:ident, $expected:literal;)*) => {$(
        impl Setting for $type {
            const KIND: Kind = Kind::$kind;
            const EXPECTED: &'static str = $expected;

            fn shown(&self) -> Shown {
                Shown::Value(serde_json::json!(self))
            }
        }
    )*};
}

impl Setting for String {
    const KIND: Kind = Kind::Text;
    const EXPECTED: &'static str = "a text";

    /// Addresses may hold a password.
    fn shown(&self) -> Shown {
        Shown::Value(Value::from(super::without_password(self)))
    }
}

settings! {
    SocketAddr: Text, "an address and port such as 127.0.0.1:8000";
    RateLimit: Text, "\"on\" or \"off\"";
    InfluxApi: Text, "\"auto\", \"v1\", \"v2\" or \"v3\"";
    LogFormat: Text, "\"auto\", \"text\" or \"json\"";
    Locale: Text, "\"en\" or \"es\"";
    Vec<String>: List, "a list of texts";
    bool: Truth, "true or false";
    i64: Number, "a whole number";
    u64: Number, "a whole number";
    usize: Number, "a whole number";
    u32: Number, "a whole number";
}

impl Setting for Secret {
    const KIND: Kind = Kind::Secret;
    const EXPECTED: &'static str = "a text";

    fn shown(&self) -> Shown {
        Shown::Hidden
    }
}

impl<T: Setting> Setting for Option<T> {
    const KIND: Kind = T::KIND;
    const EXPECTED: &'static str = T::EXPECTED;

    fn shown(&self) -> Shown {
        self.as_ref().map_or(Shown::Unset, T::shown)
    }
}

/// Declares a section: `field: Type = default;`, optionally with `in LOW..=HIGH` or `like "an example"`.
macro_rules! section {
    ($(#[doc = $about:literal])* pub struct $section:ident in $name:ident {
        $(
            $(#[doc = $doc:literal])*
            $field:ident: $type:ty = $default:expr $(, in $low:literal..=$high:literal)? $(, like $sample:literal)?;
        )*
    }) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq, ::serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $section {
            $(
                $(#[doc = $doc])*
                $(#[doc = concat!("\nFrom ", stringify!($low), " to ", stringify!($high), ".")])?
                pub $field: $type,
            )*
        }

        impl Default for $section {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $section {
            pub(super) const SECTION: $crate::config::key::Section = $crate::config::key::Section {
                name: stringify!($name),
                doc: &[$($about),*],
                keys: &[$($crate::config::key::key!(
                    concat!(stringify!($name), ".", stringify!($field)), [$($doc),*], $type, [$name.$field],
                    $(in $low..=$high)?, $(like $sample)?
                ),)*],
            };
        }
    };
}

/// Describes one key.
macro_rules! key {
    ($name:expr, [$($doc:literal),*], $type:ty, [$($path:tt)*], $(in $low:literal..=$high:expr)?, $(like $sample:literal)?) => {
        $crate::config::key::Key {
            name: $name,
            doc: &[$($doc),*],
            kind: <$type as $crate::config::key::Setting>::KIND,
            expected: <$type as $crate::config::key::Setting>::EXPECTED,
            range: $crate::config::key::first([$(($low, $high as i128))?]),
            sample: $crate::config::key::first([$($sample)?]),
            fits: |figment, name| figment.extract_inner::<$type>(name).is_ok(),
            shown: |config| $crate::config::key::Setting::shown(&config.$($path)*),
        }
    };
}

/// The element of a list that has one at most.
pub(super) const fn first<T: Copy, const N: usize>(list: [T; N]) -> Option<T> {
    match list.as_slice() {
        [] => None,
        [one, ..] => Some(*one),
    }
}

pub(super) use {key, section};
