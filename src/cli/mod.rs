//! The command line: one small file for each family of verbs. Verbs that change something call the same use cases as
//! the HTTP handlers, as the machine's administrator.

mod audit;
mod backup;
mod config;
mod demo;
mod desk;
mod export;
mod fsck;
mod import;
mod influx;
mod migrate;
mod output;
mod password;
mod plain;
mod progress;
mod remote;
mod serve;
mod ticket;
mod token;
mod transfer;
mod user;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

pub use output::{Exit, Failure};

use crate::config::{Flag, Loaded, Sources};
use output::Output;

/// A service desk in one binary: REST API, roles, tickets and an activity log, on an embedded store.
#[derive(Debug, Parser)]
#[command(name = "taquilla", version, about, arg_required_else_help = true, after_help = Exit::table(), max_term_width = 120)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// What every verb understands.
#[derive(Debug, Clone, clap::Args)]
struct Global {
    /// Read this configuration file instead of ./config.toml or /etc/taquilla/config.toml.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    config: Option<PathBuf>,
    /// Where the data is kept, for verbs that open it themselves [setting storage.url; sled:./data]. Others on this machine
    /// can see a password in it; one in a variable or a file they cannot.
    #[arg(long, global = true, value_name = "sled:FOLDER|postgres://…", help_heading = "Everywhere")]
    storage_url: Option<String>,
    /// Print data and errors as JSON.
    #[arg(long, global = true, help_heading = "Everywhere")]
    json: bool,
    /// Print data and errors only, no messages.
    #[arg(long, short, global = true, help_heading = "Everywhere")]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the desk until it is told to stop.
    Serve(serve::Serve),
    /// Make and change accounts, also the first admin.
    #[command(subcommand, arg_required_else_help = true)]
    User(user::UserVerb),
    /// Make, list and revoke API tokens.
    #[command(subcommand, arg_required_else_help = true)]
    Token(token::TokenVerb),
    /// List, show, open, comment, assign and resolve tickets of a running desk.
    #[command(arg_required_else_help = true)]
    Ticket(Box<ticket::Tickets>),
    /// Check and show the configuration.
    #[command(subcommand, arg_required_else_help = true)]
    Config(config::ConfigVerb),
    /// Check that nobody has changed the activity log.
    #[command(subcommand, arg_required_else_help = true)]
    Audit(audit::AuditVerb),
    /// Check the storage, and rebuild what can be derived.
    Fsck(fsck::Fsck),
    /// Fill an empty desk with believable people and tickets, to look at it or to measure it.
    Demo(demo::Demo),
    /// Bring the storage's schema up or down, or show its steps.
    #[command(subcommand, arg_required_else_help = true)]
    Migrate(migrate::MigrateVerb),
    /// Make, try and fill the InfluxDB that metrics are pushed to.
    #[command(subcommand, arg_required_else_help = true)]
    Influx(influx::InfluxVerb),
    /// Write the whole desk into one file, or check such a file.
    #[command(subcommand, arg_required_else_help = true)]
    Backup(Box<backup::BackupVerb>),
    /// Put the desk of a backup into the storage.
    Restore(backup::Restore),
    /// Write the desk as JSON Lines, without credentials.
    Export(export::Export),
    /// Bring over an export, a CSV file of tickets, or the former desk.
    Import(import::Import),
    /// Move a desk from one storage to another.
    Transfer(transfer::Transfer),
    #[command(about = "Print the OpenAPI document")]
    Openapi,
    /// Ask a running desk whether it is ready.
    Healthcheck(plain::Healthcheck),
    /// Print a completion script for a shell.
    Completions(plain::Completions),
    /// Print the version.
    Version,
}

impl Verb {
    /// What a verb goes by that does not open the configured storage.
    const fn instead_of_storage_url(&self) -> Option<&'static str> {
        match self {
            Self::Ticket(_) => Some("`ticket` asks a running desk; --server says which"),
            Self::Healthcheck(_) => Some("`healthcheck` asks a running desk; --url says which"),
            Self::Transfer(_) => Some("`transfer` takes --from and --to"),
            Self::Openapi | Self::Completions(_) | Self::Version => Some("this verb opens no storage"),
            Self::Serve(_)
            | Self::User(_)
            | Self::Token(_)
            | Self::Config(_)
            | Self::Audit(_)
            | Self::Fsck(_)
            | Self::Demo(_)
            | Self::Migrate(_)
            | Self::Influx(_)
            | Self::Backup(_)
            | Self::Restore(_)
            | Self::Export(_)
            | Self::Import(_) => None,
        }
    }
}

/// What a verb works with.
struct Context {
    global: Global,
    out: Output,
}

impl Context {
    /// The flags that stand over the configuration: a verb's, and those of all.
    fn flags(&self, mut flags: Vec<Flag>) -> Vec<Flag> {
        flags.extend(self.global.storage_url.clone().map(|value| Flag { name: "--storage-url", key: "storage.url", value }));
        flags
    }

    /// Reads the configuration, with the flags of a verb over it.
    fn load(&self, flags: Vec<Flag>) -> Result<Loaded, Failure> {
        let flags = self.flags(flags);
        crate::config::load(&Sources::of_process(self.global.config.clone(), flags)).map_err(Failure::from)
    }

    /// Reads the configuration for a verb that is done at once: it logs what is wrong, nothing else.
    fn load_for_verb(&self) -> Result<Loaded, Failure> {
        let loaded = self.load(Vec::new())?;
        crate::telemetry::start(loaded.config.log.format, if self.global.quiet { "error" } else { "warn" });
        crate::telemetry::log_panics();
        for warning in &loaded.warnings {
            self.out.say(&format!("warning: {warning}"));
        }
        Ok(loaded)
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help that was asked for goes to stdout with code 0, everything else to stderr with code 2.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok }.into();
        }
    };
    let out = Output { json: cli.global.json, quiet: cli.global.quiet };
    let outcome = run(cli.verb, &Context { global: cli.global, out });
    crate::telemetry::flush();
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            out.fail(&failure);
            failure.exit.into()
        }
    }
}

fn run(verb: Verb, context: &Context) -> Result<Exit, Failure> {
    if context.global.storage_url.is_some()
        && let Some(instead) = verb.instead_of_storage_url()
    {
        return Err(Failure::new(Exit::Usage, format!("--storage-url: {instead}")));
    }
    crate::outgoing::install_tls();
    match verb {
        Verb::Serve(verb) => verb.run(context),
        Verb::User(verb) => verb.run(context),
        Verb::Token(verb) => verb.run(context),
        Verb::Ticket(verb) => verb.run(context),
        Verb::Config(verb) => verb.run(context),
        Verb::Audit(verb) => verb.run(context),
        Verb::Fsck(verb) => verb.run(context),
        Verb::Demo(verb) => verb.run(context),
        Verb::Migrate(verb) => verb.run(context),
        Verb::Influx(verb) => verb.run(context),
        Verb::Backup(verb) => verb.run(context),
        Verb::Restore(verb) => verb.run(context),
        Verb::Export(verb) => verb.run(context),
        Verb::Import(verb) => verb.run(context),
        Verb::Transfer(verb) => verb.run(context),
        Verb::Openapi => plain::openapi(context),
        Verb::Healthcheck(verb) => verb.run(context),
        Verb::Completions(verb) => verb.run(context),
        Verb::Version => plain::version(context),
    }
}

/// How many reads of the disk and searches run at a time. More are no faster, and each thread keeps memory of its own.
const BLOCKING_THREADS: usize = 16;

/// Runs something that waits, on a runtime of its own.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(BLOCKING_THREADS).build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failure, format!("the runtime does not start: {error}")))?;
    let outcome = runtime.block_on(work);
    // What still runs on a thread of its own (a password being hashed for a client that is gone) is not waited for.
    runtime.shutdown_background();
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::Cli;

    fn walk(command: &Command, path: &str) {
        assert!(command.get_about().is_some(), "{path} says what it is for");
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{path} {}: says what it is for", argument.get_id());
        }
        for verb in command.get_subcommands() {
            walk(verb, &format!("{path} {}", verb.get_name()));
        }
    }

    #[test]
    fn every_verb_and_every_flag_says_what_it_is_for() {
        let command = Cli::command();
        command.clone().debug_assert();
        walk(&command, "taquilla");
    }
}
