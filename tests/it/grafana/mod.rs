//! The boards and alerts of `grafana/`: that they are well made, that everything they name is there, and that they show
//! what the desk itself says.

mod alerts;
mod boards;
mod expected;
mod history;
mod influxql;
mod promql;
mod proof;
mod provisioning;
mod scraped;

use std::{fs, path::PathBuf};

use serde_json::Value;

/// A file or folder under `grafana/`.
fn place(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/grafana")).join(name)
}

/// A board.
#[derive(Debug)]
struct Board {
    /// Its file, without the folder and the ending.
    name: String,
    json: Value,
}

/// A panel of a board.
#[derive(Debug, Clone, Copy)]
struct Panel<'a>(&'a Value);

/// What a panel asks for.
#[derive(Debug, Clone, Copy)]
struct Target<'a>(&'a Value);

impl Board {
    fn text(&self, key: &str) -> &str {
        text(&self.json, key)
    }

    fn panels(&self) -> Vec<Panel<'_>> {
        list(&self.json, "panels").iter().map(Panel).collect()
    }

    /// Whether its figures come from Prometheus, not from InfluxDB.
    fn is_of_prometheus(&self) -> bool {
        self.variable("datasource")["query"] == "prometheus"
    }

    fn variables(&self) -> &[Value] {
        list(&self.json["templating"], "list")
    }

    fn variable(&self, name: &str) -> &Value {
        let mut found = self.variables().iter().filter(|variable| variable["name"] == name);
        found.next().unwrap_or_else(|| panic!("{} has no variable {name}", self.name))
    }
}

impl<'a> Panel<'a> {
    fn title(self) -> &'a str {
        text(self.0, "title")
    }

    fn targets(self) -> Vec<Target<'a>> {
        list(self.0, "targets").iter().map(Target).collect()
    }
}

impl<'a> Target<'a> {
    fn query(self) -> &'a str {
        text(self.0, "query")
    }

    fn expression(self) -> &'a str {
        text(self.0, "expr")
    }

    fn alias(self) -> Option<&'a str> {
        self.0["alias"].as_str()
    }

    fn reference(self) -> &'a str {
        text(self.0, "refId")
    }
}

#[track_caller]
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} is no text in {value}"))
}

#[track_caller]
fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("{key} is no list in {value}"))
}

/// All boards, by name.
fn all() -> Vec<Board> {
    let mut files: Vec<PathBuf> = fs::read_dir(place("dashboards")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let board = |file: &PathBuf| {
        assert_eq!(file.extension().unwrap(), "json", "{}", file.display());
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let json = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        Board { name, json }
    };
    files.iter().map(board).collect()
}
