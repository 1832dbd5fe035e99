//! `backup` and `restore`: a desk in one file, and back.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use rustix::{
    io::Errno,
    process::{Pid, test_kill_process},
};
use serde_json::json;

use super::{Context, Exit, Failure, block_on, desk, progress::Bar, remote::Remote, transfer::table};
use crate::{
    backup::{
        archive::Content,
        create::{self, CreateError, Wanted},
        restore::{self, RestoreError},
    },
    store::{self, transfer::Step},
    types::Timestamp,
};

#[derive(Debug, Subcommand)]
pub(super) enum BackupVerb {
    /// Write the whole desk into one file.
    Create(Create),
    /// Restore a backup into a scratch store, check that, and remove it again.
    Verify(Verify),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Without --server and --token the storage itself is read: on PostgreSQL also while the desk runs, on the embedded store while it does not. \
                  With an admin's token the running desk is asked. The file holds every credential: keep it as safe as the desk."
)]
pub(super) struct Create {
    /// The file, or a folder for it [default: ./taquilla-TIME.jsonl.gz].
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The backup.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only compare the checksums.
    #[arg(long)]
    quick: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Stop the desk first. A desk that is in the storage already is refused, or with --force kept aside under another name."
)]
pub(super) struct Restore {
    /// The backup.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Keep aside the desk that is there, instead of refusing.
    #[arg(long)]
    force: bool,
}

impl BackupVerb {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::Create(verb) => verb.run(context),
            Self::Verify(verb) => verb.run(context),
        }
    }
}

/// Where a file shall be that people name, or do not.
fn destination(to: Option<PathBuf>, now: Timestamp) -> Result<PathBuf, Failure> {
    let path = match to {
        Some(folder) if folder.is_dir() => folder.join(create::name(now)),
        Some(file) => file,
        None => PathBuf::from(create::name(now)),
    };
    free(&path)?;
    // What one that was killed has left in the same folder; where that cannot be looked at, nothing is amiss.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _ = create::sweep(folder);
    Ok(path)
}

/// Refuses to write over something.
pub(super) fn free(path: &Path) -> Result<(), Failure> {
    if path.exists() { Err(Failure::new(Exit::Failure, format!("{} exists already", path.display()))) } else { Ok(()) }
}

/// Why a file was not made.
#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
pub(super) fn unmade(error: CreateError) -> Failure {
    let exit = if matches!(error, CreateError::Store(_)) { Exit::Storage } else { Exit::Failure };
    Failure::new(exit, error.to_string())
}

impl Create {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let now = Timestamp::now_by_the_clock();
        let offline_meant = context.global.storage_url.is_some();
        if offline_meant && self.remote.is_named() {
            return Err(Failure::new(Exit::Usage, "--storage-url: --server, --token and --token-file ask a running desk instead"));
        }
        let path = destination(self.to, now)?;
        let held = if self.remote.is_meant() && !offline_meant {
            context.load_for_verb()?;
            let desk = self.remote.desk(context)?;
            block_on(async {
                desk.download("/api/v1/backup", &path).await?;
                let verified = restore::verify(&path, &|_| ()).await;
                verified.map_err(|error| {
                    let _ = std::fs::remove_file(&path);
                    Failure::new(Exit::Failure, format!("what the desk sent is no whole backup: {error}"))
                })
            })??
        } else {
            offline(context, &path, now)?
        };
        told(context, &path, &held, "was made")?;
        Ok(Exit::Ok)
    }
}

fn offline(context: &Context, path: &Path, now: Timestamp) -> Result<Content, Failure> {
    let mut config = context.load_for_verb()?.config;
    let url = desk::existing(&config)?;
    // A desk of an older version may be at work on it.
    config.storage.auto_migrate = false;
    let way = format!("taquilla backup create --server {} --token-file FILE", desk::local(config.server.listen));
    let bar = Bar::new(context, "records");
    let made = block_on(async {
        let store = store::open(&config).await.map_err(|error| desk::unopened(&error, Some(&way)))?;
        let heard = |step: Step| {
            bar.step(step);
            true
        };
        let wanted = Wanted { now, store: url.name(), credentials: true };
        let made = create::to_file(store.as_ref(), wanted, path, &heard).await.map_err(unmade);
        store.close().await.map_err(|error| Failure::new(Exit::Storage, error.to_string()))?;
        made
    })?;
    bar.finish();
    made
}

/// Says what is in a file.
pub(super) fn told(context: &Context, path: &Path, held: &Content, what: &str) -> Result<(), Failure> {
    let bytes = size(path);
    let value = json!({ "file": path, "bytes": bytes, "header": held.header, "collections": held.manifest.collections });
    context.out.data(&value, || {
        format!("{}{} {what}: {bytes} bytes, the desk as of {}.", table(&held.manifest.collections), path.display(), held.header.made_at)
    })
}

/// How many bytes a file has, or all files of a folder.
fn size(path: &Path) -> u64 {
    let file = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    match std::fs::read_dir(path) {
        Ok(entries) => entries.flatten().map(|entry| file(&entry.path())).sum(),
        Err(_) => file(path),
    }
}

/// Why a file was not restored.
pub(super) fn unrestored(error: RestoreError) -> Failure {
    match error {
        RestoreError::Storage(error) => desk::unopened(&error, None),
        RestoreError::Transfer(_) => Failure::new(Exit::Storage, error.to_string()),
        error => Failure::new(Exit::Failure, error.to_string()),
    }
}

/// How folders are called in which `verify` restores, before the number of its process.
const SCRATCH: &str = "taquilla-verify-";

/// Removes the folders of those that were killed: everything that a desk holds is in them.
fn sweep_scratches() {
    for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(SCRATCH)?.parse().ok()).and_then(Pid::from_raw);
        if process.is_some_and(|process| test_kill_process(process) == Err(Errno::SRCH)) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

impl Verify {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let config = context.load_for_verb()?.config;
        let bar = Bar::new(context, "records");
        let scratch = std::env::temp_dir().join(format!("{SCRATCH}{}", std::process::id()));
        sweep_scratches();
        let verified = block_on(async {
            if self.quick {
                return restore::verify(&self.file, &|step| bar.step(step)).await;
            }
            restore::drill(&self.file, &config, &scratch, &|step| bar.step(step)).await.map(|(held, _)| held)
        })?;
        bar.finish();
        let held = verified.map_err(unrestored)?;
        told(context, &self.file, &held, if self.quick { "is whole" } else { "is whole, and was restored for a test" })?;
        Ok(Exit::Ok)
    }
}

impl Restore {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let config = context.load_for_verb()?.config;
        let url = config.storage_url().map_err(|error| Failure::new(Exit::Config, format!("storage.url: {error}")))?;
        let bar = Bar::new(context, "records");
        let now = Timestamp::now_by_the_clock();
        let restored = block_on(restore::restore(&self.file, &config, &url, self.force, now, &|step| bar.step(step)))?;
        bar.finish();
        let restored = restored.map_err(unrestored)?;
        for kept in &restored.aside {
            context.out.say(&format!("The desk that was there is kept in {kept}."));
        }
        if !restored.content.header.credentials {
            context.out.say("There are no passwords in it: `taquilla user set-password` gives one to an admin.");
        }
        told(context, &self.file, &restored.content, "was restored")?;
        Ok(Exit::Ok)
    }
}
