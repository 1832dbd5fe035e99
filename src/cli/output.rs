//! What a verb says: data on stdout, messages on stderr, and the exit code.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    process::ExitCode,
};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    config::{Problem, Refused},
    error::AppError,
};

/// How a verb ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// It was not done.
    Failure = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The configuration is wrong.
    Config = 3,
    /// The storage is held by another process or cannot be opened, or the desk cannot be reached.
    Storage = 4,
    /// There is no such thing.
    NotFound = 5,
    /// It is not allowed.
    NotPermitted = 6,
}

impl Exit {
    /// All of them, with their names in JSON and what they say.
    const ALL: [(Self, &'static str, &'static str); 7] = [
        (Self::Ok, "ok", "done"),
        (Self::Failure, "failure", "not done; the message says why"),
        (Self::Usage, "usage", "an unknown verb or flag, or a value that does not fit"),
        (Self::Config, "configuration", "the configuration is wrong"),
        (Self::Storage, "storage", "the storage is in use by another process or cannot be opened, or the desk cannot be reached"),
        (Self::NotFound, "not_found", "there is no such account, token or ticket"),
        (Self::NotPermitted, "not_permitted", "this is not allowed"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(exit, ..)| *exit == self).map_or("failure", |(_, name, _)| name)
    }

    /// The end of the help.
    pub(super) fn table() -> String {
        let mut text = "Exit codes:\n".to_owned();
        for (exit, _, meaning) in Self::ALL {
            let _ = writeln!(text, "  {}  {meaning}", exit as u8);
        }
        text
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a verb was not done.
#[derive(Debug)]
pub struct Failure {
    /// Its exit code.
    pub exit: Exit,
    /// For people.
    pub message: String,
    /// For a wrong configuration: everything that is wrong.
    pub problems: Vec<Problem>,
}

impl Failure {
    /// A failure with a message.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), problems: Vec::new() }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let lines: Vec<_> = refused.problems.iter().map(ToString::to_string).collect();
        let message = format!("the configuration cannot be used:\n  {}", lines.join("\n  "));
        Self { exit: Exit::Config, message, problems: refused.problems }
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        let exit = match error.status() {
            401 | 403 => Exit::NotPermitted,
            404 => Exit::NotFound,
            422 => Exit::Usage,
            503 => Exit::Storage,
            _ => Exit::Failure,
        };
        let problem = error.problem();
        let message = match (&problem.cause, problem.errors.as_slice()) {
            (Some(cause), _) => format!("{} {cause}", problem.detail),
            (None, []) => problem.detail.to_string(),
            (None, errors) => errors.iter().map(|e| format!("{} {}", e.field, e.message)).collect::<Vec<_>>().join("; "),
        };
        Self::new(exit, message)
    }
}

/// Where a verb's words go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    pub(super) json: bool,
    pub(super) quiet: bool,
}

impl Output {
    /// Prints data: as JSON when that is wanted, else as text.
    pub(super) fn data(self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json { print(&pretty(value)?) } else { print(&text()) }
    }

    /// Says something besides.
    pub(super) fn say(self, message: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "{message}");
        }
    }

    /// Says why it was not done.
    pub(super) fn fail(self, failure: &Failure) {
        let text = if self.json {
            let mut error = json!({ "code": failure.exit.name(), "exit_code": failure.exit as u8, "message": failure.message });
            if !failure.problems.is_empty() {
                error["problems"] = json!(failure.problems);
            }
            json!({ "error": error }).to_string()
        } else {
            format!("error: {}", failure.message)
        };
        let _ = writeln!(io::stderr(), "{text}");
    }
}

/// A value as JSON for people and programs.
pub(super) fn pretty(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map_err(|error| Failure::new(Exit::Failure, format!("cannot be written as JSON: {error}")))
}

/// Writes to stdout, with one line end. A reader that has gone away (`| head`) wants no more, which is fine.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Failure, format!("stdout cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Rows in columns, under their headings. What could steer a terminal is taken out of the cells.
pub(super) fn table<const N: usize>(heads: [&str; N], rows: &[[String; N]]) -> String {
    let clean = |cell: &str| cell.replace(|c: char| c.is_control(), "\u{fffd}");
    let rows: Vec<[String; N]> =
        std::iter::once(heads.map(str::to_owned)).chain(rows.iter().cloned()).map(|row| row.map(|c| clean(&c))).collect();
    let widths: [usize; N] = std::array::from_fn(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for row in rows {
        let line: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(text, "{}", line.join("  ").trim_end());
    }
    text
}

/// The name of a value on the wire.
pub(super) fn wire_name(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        Ok(Value::Null) => "-".to_owned(),
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_cannot_steer_a_terminal() {
        let text = table(["id", "name"], &[["1".into(), "\x1b[2Jx\ny".into()], ["22".into(), "é".into()]]);
        assert_eq!(text, "id  name\n1   \u{fffd}[2Jx\u{fffd}y\n22  é\n");
    }

    #[test]
    fn every_exit_code_is_in_the_help() {
        for code in 0..=6 {
            assert!(Exit::table().contains(&format!("\n  {code}  ")), "{code}");
        }
    }
}
