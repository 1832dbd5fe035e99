//! `config check`, `config show`, `config example`.

use std::fmt::Write;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Context, Exit, Failure, output};
use crate::config::{self, Shown};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigVerb {
    /// Say whether the configuration can be used, and everything that is wrong with it.
    Check,
    /// Print every setting with its value; secrets are not shown.
    Show {
        /// Also print where each value came from.
        #[arg(long)]
        origin: bool,
    },
    /// Print a configuration file with every setting, its meaning and its default.
    Example,
}

impl ConfigVerb {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::Check => check(context),
            Self::Show { origin } => show(context, origin),
            Self::Example => example(context),
        }
    }
}

fn check(context: &Context) -> Result<Exit, Failure> {
    let sources = config::Sources::of_process(context.global.config.clone(), context.flags(Vec::new()));
    let (refused, warnings) = match config::load(&sources) {
        Ok(loaded) => (None, loaded.warnings),
        Err(refused) => (Some(Failure::from(refused.clone())), refused.warnings),
    };
    if context.out.json {
        let problems = refused.as_ref().map_or(&[][..], |failure| &failure.problems);
        let answer = json!({ "ok": refused.is_none(), "problems": problems, "warnings": warnings });
        output::print(&output::pretty(&answer)?)?;
        return Ok(refused.map_or(Exit::Ok, |failure| failure.exit));
    }
    for warning in &warnings {
        context.out.say(&format!("warning: {warning}"));
    }
    if let Some(failure) = refused {
        return Err(failure);
    }
    output::print("OK")?;
    Ok(Exit::Ok)
}

fn show(context: &Context, origin: bool) -> Result<Exit, Failure> {
    let loaded = context.load(Vec::new())?;
    let rows: Vec<(&str, Value, &str)> = config::keys()
        .map(|key| {
            let value = match key.shown(&loaded.config) {
                Shown::Unset => Value::Null,
                Shown::Hidden => "[set]".into(),
                Shown::Value(value) => value,
            };
            (key.name, value, loaded.origin(key.name))
        })
        .collect();
    let list: Vec<Value> = rows.iter().map(|(key, value, from)| json!({ "key": key, "value": value, "origin": from })).collect();
    context.out.data(&list, || {
        let mut text = String::new();
        for (key, value, from) in &rows {
            let value = if value.is_null() { "(unset)".to_owned() } else { value.to_string() };
            let from = if origin { format!("  # {from}") } else { String::new() };
            let _ = writeln!(text, "{key} = {value}{from}");
        }
        text
    })?;
    for warning in &loaded.warnings {
        context.out.say(&format!("warning: {warning}"));
    }
    Ok(Exit::Ok)
}

fn example(context: &Context) -> Result<Exit, Failure> {
    let example = config::example();
    if !context.out.json {
        output::print(&example)?;
        return Ok(Exit::Ok);
    }
    let defaults = config::Config::default();
    let keys: Vec<Value> = config::keys()
        .map(|key| {
            let default = match key.shown(&defaults) {
                Shown::Value(value) => value,
                Shown::Unset | Shown::Hidden => Value::Null,
            };
            let doc = key.doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
            json!({ "key": key.name, "default": default, "variable": key.variable(), "doc": doc })
        })
        .collect();
    output::print(&output::pretty(&keys)?)?;
    Ok(Exit::Ok)
}
