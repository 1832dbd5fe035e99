//! Passwords for accounts: typed at a prompt, read from stdin or from a file. Never an argument: arguments are seen by
//! every process of the machine, and kept in the shell's history.

use std::{
    io::{self, IsTerminal, Read},
    path::PathBuf,
};

use clap::Args;

use super::{Exit, Failure};
use crate::types::Secret;

/// No password is longer; more is not read.
const LONGEST: u64 = 64 * 1024;

#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct PasswordFrom {
    /// Read the password from stdin; a line end after it is left out.
    #[arg(long)]
    password_stdin: bool,
    /// Read the password from a file; a line end after it is left out.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl PasswordFrom {
    /// Whether it is said where the password comes from.
    pub(super) const fn is_given(&self) -> bool {
        self.password_stdin || self.password_file.is_some()
    }

    /// The password; asked for at the terminal, twice, when nothing else is said.
    pub(super) fn read(&self) -> Result<Secret, Failure> {
        let read = if self.password_stdin {
            text(io::stdin().lock(), "stdin")?
        } else if let Some(path) = &self.password_file {
            let name = path.display().to_string();
            text(std::fs::File::open(path).map_err(|error| unreadable(&name, &error))?, &name)?
        } else if io::stdin().is_terminal() {
            return ask();
        } else {
            let message = "a password is needed: give it by --password-stdin or --password-file (there is no terminal to ask at)";
            return Err(Failure::new(Exit::Usage, message));
        };
        let line = read.strip_suffix('\n').map_or(read.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        Ok(Secret::new(line))
    }
}

fn text(from: impl Read, name: &str) -> Result<String, Failure> {
    let mut text = String::new();
    from.take(LONGEST).read_to_string(&mut text).map_err(|error| unreadable(name, &error))?;
    Ok(text)
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::Failure, format!("the password cannot be read from {name}: {error}"))
}

fn ask() -> Result<Secret, Failure> {
    let prompt = |words: &str| rpassword::prompt_password(words).map_err(|error| unreadable("the terminal", &error));
    let password = prompt("Password: ")?;
    if prompt("Again: ")? != password {
        return Err(Failure::new(Exit::Usage, "the two passwords differ"));
    }
    Ok(Secret::new(password))
}
