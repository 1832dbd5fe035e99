//! Laying the layers over each other, and judging the outcome: every fault at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fmt,
    path::PathBuf,
};

use figment::Figment;
use serde::Serialize;

use super::{
    Config, Key, Kind, check, keys,
    layers::{Layers, OLD_VARIABLES, find, variable_origin},
};

/// The origin of what nobody has set.
pub(super) const DEFAULT: &str = "default";

/// Where values come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file that was named; it must be there.
    pub file: Option<PathBuf>,
    /// Where a file may be when none was named; the first that exists is read.
    pub places: Vec<PathBuf>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The flags of the command line.
    pub flags: Vec<Flag>,
}

/// A setting given on the command line.
#[derive(Debug, Clone)]
pub struct Flag {
    /// As it is typed: `--listen`.
    pub name: &'static str,
    /// The key that it sets.
    pub key: &'static str,
    /// Its value.
    pub value: String,
}

impl Sources {
    /// Those of this process.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<Flag>) -> Self {
        let places = vec!["./config.toml".into(), "/etc/taquilla/config.toml".into()];
        Self { file, places, environment: std::env::vars_os().collect(), flags }
    }
}

/// Something that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The key's full name; the file's, when it cannot be read.
    pub key: String,
    /// Where its value came from.
    pub origin: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.key, self.message, self.origin)
    }
}

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Everything that is wrong with it.
    pub problems: Vec<Problem>,
    /// What one should know besides.
    pub warnings: Vec<String>,
}

/// A configuration that can be used.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What one should know about it.
    pub warnings: Vec<String>,
    origins: BTreeMap<&'static str, String>,
}

impl Loaded {
    /// Where the value of a key came from.
    #[must_use]
    pub fn origin(&self, key: &str) -> &str {
        self.origins.get(key).map_or(DEFAULT, String::as_str)
    }
}

/// Reads every layer and checks the outcome.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(sources: &Sources) -> Result<Loaded, Refused> {
    Layers::read(sources).finish()
}

impl Layers {
    fn finish(mut self) -> Result<Loaded, Refused> {
        let figment = self.figment();
        let origins: BTreeMap<&'static str, String> =
            keys().filter_map(|key| Some((key.name, figment.find_metadata(key.name)?.name.clone().into_owned()))).collect();
        for (name, key) in OLD_VARIABLES {
            if origins.get(key).is_some_and(|origin| *origin == variable_origin(name)) {
                let now = find(key).map(Key::variable).unwrap_or_default();
                self.warnings.push(format!("{key} is taken from {name}, a variable of the former desk: use {now}, or the file"));
            }
        }
        self.types(&figment, &origins);
        // What is not of its type is taken out, so that the rest is judged all the same.
        let unfit: BTreeSet<String> = self.problems.iter().map(|problem| problem.key.clone()).collect();
        self.given.retain(|given| given.origin == DEFAULT || !unfit.contains(given.key.name));
        let config = match self.figment().extract::<Config>() {
            Ok(mut config) => {
                check::tidy(&mut config);
                let origin = |key: &str| origins.get(key).map_or(DEFAULT, String::as_str).to_owned();
                let found = check::check(&config).into_iter();
                let found = found.map(|(key, message)| Problem { key: key.to_owned(), origin: origin(key), message });
                self.problems.extend(found.filter(|problem| !unfit.contains(&problem.key)));
                config
            }
            Err(error) => {
                self.problems.extend(error.into_iter().map(|error| Problem {
                    key: error.path.join("."),
                    origin: error.metadata.as_ref().map_or(DEFAULT.to_owned(), |m| m.name.clone().into_owned()),
                    message: error.kind.to_string(),
                }));
                Config::default()
            }
        };
        let Self { mut problems, warnings, .. } = self;
        if problems.is_empty() {
            return Ok(Loaded { config, warnings, origins });
        }
        problems.sort();
        problems.dedup();
        Err(Refused { problems, warnings })
    }

    /// Refuses values that are not of their type, or numbers that are out of bounds.
    fn types(&mut self, figment: &Figment, origins: &BTreeMap<&'static str, String>) {
        for key in keys() {
            let Ok(value) = figment.find_value(key.name) else { continue };
            let number = value.to_i128().or_else(|| value.to_u128().map(|n| i128::try_from(n).unwrap_or(i128::MAX)));
            let bounds = key.range.filter(|(low, high)| number.is_none_or(|n| n < *low || n > *high));
            if bounds.is_none() && (key.fits)(figment, key.name) {
                continue;
            }
            let bounds = key.range.map(|(low, high)| format!(" from {low} to {high}")).unwrap_or_default();
            let found = match serde_json::to_string(&value) {
                Ok(text) if key.kind != Kind::Secret && key.name != "storage.url" => format!(", not {text:.100}"),
                _ => String::new(),
            };
            let origin = origins.get(key.name).map_or(DEFAULT, String::as_str);
            self.refuse(key.name, origin, format!("must be {}{bounds}{found}", key.expected));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_looked_for_here_and_then_in_etc() {
        let places = Sources::of_process(None, Vec::new()).places;
        assert_eq!(places, [PathBuf::from("./config.toml"), PathBuf::from("/etc/taquilla/config.toml")]);
    }

    #[test]
    fn the_first_file_that_is_there_is_the_one_that_counts_and_a_named_one_before_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let organisation = |file: Option<&str>| {
            let places = vec![path("here.toml"), path("etc.toml")];
            let sources = Sources { file: file.map(path), places, ..Sources::default() };
            super::super::load(&sources).map(|loaded| loaded.config.desk.organisation_name)
        };
        let default = Config::default().desk.organisation_name;
        let write = |name: &str| std::fs::write(path(name), format!("[desk]\norganisation_name = \"{name}\"\n")).unwrap();
        assert_eq!(organisation(None).unwrap(), default);
        write("etc.toml");
        assert_eq!(organisation(None).unwrap(), "etc.toml");
        write("here.toml");
        assert_eq!(organisation(None).unwrap(), "here.toml");
        write("named.toml");
        assert_eq!(organisation(Some("named.toml")).unwrap(), "named.toml");
        assert!(organisation(Some("absent.toml")).is_err(), "a named file must be there");
        std::fs::write(path("here.toml"), "[desk]\nmotto = 1\n").unwrap();
        assert!(organisation(None).is_err(), "a wrong file is not passed over for the next one");
    }
}
