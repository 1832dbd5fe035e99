//! The layers one by one: defaults, the former desk's variables, the file, the environment, the flags.

use std::{collections::BTreeSet, io, path::Path};

use figment::{
    Error, Figment, Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};
use toml::{Spanned, de::DeTable};

use super::{Config, Key, Kind, Problem, Shown, Sources, keys, load::DEFAULT};

/// The variables of the desk that this one replaces, and what they set.
pub(super) const OLD_VARIABLES: [(&str, &str); 7] = [
    ("DATABASE_URL", "storage.url"),
    ("SECRET_KEY", "auth.secret_key"),
    ("ACCESS_TOKEN_EXPIRE_MINUTES", "auth.access_token_minutes"),
    ("INFLUXDB_URL", "influxdb.url"),
    ("INFLUXDB_TOKEN", "influxdb.token"),
    ("INFLUXDB_ORG", "influxdb.org"),
    ("INFLUXDB_BUCKET", "influxdb.bucket"),
];

/// A value that a layer gives.
pub(super) struct Given {
    pub(super) key: &'static Key,
    value: Value,
    pub(super) origin: String,
}

impl Provider for &Given {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let mut parts = self.key.name.rsplit('.');
        let innermost = Dict::from([(parts.next().unwrap_or_default().to_owned(), self.value.clone())]);
        let tree = parts.fold(innermost, |tree, part| Dict::from([(part.to_owned(), tree.into())]));
        Ok(Map::from([(Profile::Default, tree)]))
    }
}

/// What has been read so far.
#[derive(Default)]
pub(super) struct Layers {
    pub(super) given: Vec<Given>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

impl Layers {
    /// Reads them all.
    pub(super) fn read(sources: &Sources) -> Self {
        let mut layers = Self::default();
        layers.defaults();
        layers.old_variables(sources);
        layers.file(sources);
        layers.variables(sources);
        layers.flags(sources);
        layers
    }

    pub(super) fn refuse(&mut self, key: impl Into<String>, origin: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem { key: key.into(), origin: origin.into(), message: message.into() });
    }

    fn give(&mut self, key: &'static Key, value: Value, origin: String) {
        self.given.push(Given { key, value, origin });
    }

    fn defaults(&mut self) {
        let defaults = Config::default();
        for key in keys() {
            if let Shown::Value(value) = key.shown(&defaults)
                && let Ok(value) = Value::serialize(value)
            {
                self.give(key, value, DEFAULT.to_owned());
            }
        }
    }

    fn old_variables(&mut self, sources: &Sources) {
        for (name, key) in OLD_VARIABLES {
            let Some(text) = sources.variable(name) else { continue };
            let Some(key) = find(key) else { continue };
            match text {
                Ok(text) => self.give(key, read(key.kind, &text), variable_origin(name)),
                Err(message) => self.refuse(key.name, variable_origin(name), message),
            }
        }
    }

    fn file(&mut self, sources: &Sources) {
        let candidates = sources.file.as_ref().map_or(sources.places.as_slice(), std::slice::from_ref);
        for path in candidates {
            match std::fs::read_to_string(path) {
                Ok(text) => return self.toml(path, &text),
                Err(error) if error.kind() == io::ErrorKind::NotFound && sources.file.is_none() => {}
                Err(error) => return self.refuse(path.display().to_string(), "configuration file", format!("cannot be read: {error}")),
            }
        }
    }

    fn toml(&mut self, path: &Path, text: &str) {
        let at = |place: usize| format!("file {}, line {}", path.display(), text[..place.min(text.len())].matches('\n').count() + 1);
        match (DeTable::parse(text), toml::from_str::<toml::Table>(text)) {
            (Ok(places), Ok(values)) => self.table("", places.get_ref(), &values, &at),
            // The error's own text would repeat the line, which may hold a secret.
            (Err(error), _) | (_, Err(error)) => {
                let place = error.span().map_or(0, |span| span.start);
                self.refuse(path.display().to_string(), at(place), format!("is not valid TOML: {}", error.message().trim_end()));
            }
        }
    }

    /// Takes the values of a table of the file; `places` is the same table with the place of each value in the text.
    fn table(&mut self, of: &str, places: &DeTable<'_>, values: &toml::Table, at: &dyn Fn(usize) -> String) {
        for (name, value) in values {
            let full = if of.is_empty() { name.clone() } else { format!("{of}.{name}") };
            let found = places.get_key_value(name.as_str());
            let origin = at(found.map_or(0, |(name, _)| name.span().start));
            let inner = found.and_then(|(_, value)| Spanned::get_ref(value).as_table());
            if let Some(key) = find(&full) {
                match Value::serialize(value) {
                    Ok(value) => self.give(key, value, origin),
                    Err(_) => self.refuse(full, origin, format!("must be {}", key.expected)),
                }
            } else if !keys().any(|key| key.name.starts_with(&format!("{full}."))) {
                self.unknown(full, origin);
            } else if let (Some(values), Some(places)) = (value.as_table(), inner) {
                self.table(&full, places, values, at);
            } else {
                self.refuse(full.clone(), origin, format!("is a section: its settings stand under [{full}]"));
            }
        }
    }

    fn variables(&mut self, sources: &Sources) {
        let names: BTreeSet<&str> = sources.environment.iter().filter_map(|(name, _)| name.to_str()).collect();
        for name in names {
            let Some(text) = name.strip_prefix("TAQUILLA_").and_then(|_| sources.variable(name)) else { continue };
            let origin = variable_origin(name);
            let direct = keys().find(|key| key.variable() == name);
            let by_file = || keys().find(|key| key.may_stand_in_a_file() && name.strip_suffix("_FILE") == Some(&key.variable()));
            match (direct, text) {
                (Some(key), Ok(text)) => self.give(key, read(key.kind, &text), origin),
                (Some(key), Err(message)) => self.refuse(key.name, origin, message),
                (None, text) => {
                    if let Some(key) = by_file() {
                        self.secret_file(key, text, &origin, sources);
                    } else if name["TAQUILLA_".len()..].contains("__") {
                        self.unknown(name["TAQUILLA_".len()..].replace("__", ".").to_lowercase(), origin);
                    } else if let Some(key) = keys().find(|key| key.variable().replace("__", "_") == name) {
                        self.warnings.push(format!("{name} is not a setting: {} is, with two underscores", key.variable()));
                    }
                }
            }
        }
    }

    fn secret_file(&mut self, key: &'static Key, path: Result<String, &'static str>, origin: &str, sources: &Sources) {
        let path = match path {
            Ok(path) => path,
            Err(message) => return self.refuse(key.name, origin, message),
        };
        if sources.variable(&key.variable()).is_some() {
            return self.refuse(key.name, origin, format!("is also set by {}: set one of the two", key.variable()));
        }
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let secret = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
                if secret.is_empty() {
                    self.refuse(key.name, origin, format!("the file {path} is empty"));
                } else {
                    self.give(key, Value::from(secret), format!("file {path}, named by {origin}"));
                }
            }
            Err(error) => self.refuse(key.name, origin, format!("the file {path} cannot be read: {error}")),
        }
    }

    fn flags(&mut self, sources: &Sources) {
        for flag in &sources.flags {
            if let Some(key) = find(flag.key) {
                self.give(key, read(key.kind, &flag.value), format!("flag {}", flag.name));
            }
        }
    }

    fn unknown(&mut self, name: String, origin: String) {
        let (table, _) = name.rsplit_once('.').unwrap_or(("", &name));
        let inside = format!("{table}.");
        let siblings: Vec<_> = keys().filter_map(|key| key.name.strip_prefix(&inside)).collect();
        let known = if siblings.is_empty() {
            format!("the sections are {}", super::SECTIONS.iter().map(|section| section.name).collect::<Vec<_>>().join(", "))
        } else {
            format!("{table} has {}", siblings.join(", "))
        };
        self.refuse(name, origin, format!("is not a setting; {known}"));
    }

    /// All layers together, the highest on top.
    pub(super) fn figment(&self) -> Figment {
        self.given.iter().fold(Figment::new(), Figment::merge)
    }
}

impl Sources {
    /// A variable that is set to something.
    fn variable(&self, name: &str) -> Option<Result<String, &'static str>> {
        let (_, value) = self.environment.iter().find(|(known, _)| known == name)?;
        if value.is_empty() {
            return None;
        }
        Some(value.to_str().map(str::to_owned).ok_or("is not valid UTF-8"))
    }
}

/// The key with this name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    keys().find(|key| key.name == name)
}

/// What is said of a value that came from a variable.
pub(super) fn variable_origin(name: &str) -> String {
    format!("environment variable {name}")
}

/// The value that a text stands for. A text that is not of its kind stays one, and is refused by the check of types.
fn read(kind: Kind, text: &str) -> Value {
    let trimmed = text.trim();
    let read = match kind {
        Kind::Text | Kind::Secret => None,
        Kind::Number => trimmed.parse::<i64>().ok().map(Value::from),
        Kind::Truth => trimmed.parse::<bool>().ok().map(Value::from),
        Kind::List if trimmed.starts_with('[') => {
            let table = toml::from_str::<toml::Table>(&format!("list = {trimmed}")).ok();
            table.as_ref().and_then(|table| table.get("list")).and_then(|list| Value::serialize(list).ok())
        }
        Kind::List => Some(trimmed.split(',').map(str::trim).filter(|one| !one.is_empty()).collect::<Vec<_>>().into()),
    };
    read.unwrap_or_else(|| text.into())
}
