//! `import`: what another desk has, into this one.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{
    Context, Exit, Failure,
    backup::{told, unrestored},
    block_on,
    desk::{self, Missing, Way},
    progress::Bar,
};
use crate::{
    auth::model::Actor,
    backup::restore,
    config::{StorageUrl, storage_url},
    import::{csv, old_desk},
    types::Timestamp,
};

#[derive(Debug, Args)]
#[command(after_help = "What is imported:\n  \
                  FILE or FOLDER of `taquilla export`  the whole desk, into a storage that holds none\n  \
                  FILE.csv                             tickets, beside those that are there; columns: title, description, priority, status, tags, requester, \
                  assignee, created_at, resolved_at\n  \
                  --from old-desk postgres://…         people, tickets and comments of the former desk, into one without tickets")]
pub(super) struct Import {
    /// The file, the folder, or the address of the former desk's database.
    #[arg(value_name = "SOURCE")]
    source: String,
    /// What it is, when it is no export or CSV.
    #[arg(long, value_name = "KIND", value_parser = ["old-desk"])]
    from: Option<String>,
    /// Read and check everything, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Import {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let path = PathBuf::from(&self.source);
        if self.from.is_some() {
            return self.old_desk(context);
        }
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
            return self.csv(context, &path);
        }
        let config = context.load_for_verb()?.config;
        let url = config.storage_url().map_err(|error| Failure::new(Exit::Config, format!("storage.url: {error}")))?;
        let bar = Bar::new(context, "records");
        let held = block_on(async {
            if self.dry_run {
                return restore::verify(&path, &|step| bar.step(step)).await;
            }
            let now = Timestamp::now_by_the_clock();
            restore::restore(&path, &config, &url, false, now, &|step| bar.step(step)).await.map(|restored| restored.content)
        })?;
        bar.finish();
        let held = held.map_err(unrestored)?;
        if !held.header.credentials && !self.dry_run {
            context.out.say("There are no passwords in it: `taquilla user set-password` gives one to an admin.");
        }
        told(context, &path, &held, if self.dry_run { "is whole; nothing was imported" } else { "was imported" })?;
        Ok(Exit::Ok)
    }

    fn csv(&self, context: &Context, path: &std::path::Path) -> Result<Exit, Failure> {
        let text = std::fs::File::open(path);
        let text = text.map_err(|error| Failure::new(Exit::Failure, format!("{}: {error}", path.display())))?;
        let bar = Bar::new(context, "tickets");
        let outcome = desk::offline(context, Missing::Refuse, Way("POST", "/api/v1/tickets"), async |app| {
            Ok(csv::import(app, &Actor::cli(), text, self.dry_run, &|step| bar.step(step)).await)
        })?;
        bar.finish();
        let report = outcome.map_err(|error| Failure::new(Exit::Failure, format!("{}: {error}", path.display())))?;
        context.out.data(&report, || {
            let tickets = if report.tickets == 1 { "1 ticket".to_owned() } else { format!("{} tickets", report.tickets) };
            if self.dry_run { format!("{tickets} could be imported; nothing was.") } else { format!("Imported: {tickets}.") }
        })?;
        Ok(Exit::Ok)
    }

    fn old_desk(&self, context: &Context) -> Result<Exit, Failure> {
        let Ok(StorageUrl::Postgres(from)) = storage_url(&self.source) else {
            return Err(Failure::new(Exit::Usage, "the former desk's address must be postgres://USER:PASSWORD@HOST:PORT/DATABASE"));
        };
        let bar = Bar::new(context, "rows");
        let report = desk::offline(context, Missing::Begin, Way("POST", "/api/v1/tickets"), async |app| {
            Ok(old_desk::import(app, &from, self.dry_run, &|step| bar.step(step)).await)
        })?;
        bar.finish();
        let report = report.map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
        for note in &report.notes {
            context.out.say(note);
        }
        context.out.data(&json!(report), || {
            let done = if self.dry_run { "could be imported; nothing was" } else { "were imported" };
            format!("{} accounts, {} tickets and {} comments {done}.", report.users, report.tickets, report.comments)
        })?;
        Ok(Exit::Ok)
    }
}
