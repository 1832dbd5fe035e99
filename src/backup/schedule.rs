//! Backups on a clock. A file gets its name only after it has been restored into a scratch store and found sound, so
//! whatever has such a name has been verified.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    create::{self, CreateError, Wanted},
    restore::{RestoreError, drill},
};
use crate::{
    app::AppState,
    config,
    error::AppError,
    store::{fault, transfer::Step},
    types::Timestamp,
};

/// How a file is called that waits for its drill.
const WAITING: &str = ".unverified";
/// Where the drill is held.
const DRILL: &str = ".drill";

/// Why a scheduled backup was not made.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("backup.dir {}: {source}", dir.display())]
    Folder { dir: PathBuf, source: io::Error },
    #[error(transparent)]
    Create(#[from] CreateError),
    #[error("the restore drill failed: {0}")]
    Drill(#[from] RestoreError),
}

/// How often backups are made, when they are.
#[must_use]
pub fn period(config: &config::Backup) -> Option<Duration> {
    config.every.as_deref().and_then(config::duration)
}

/// The moment that is in a name of a backup, and the file.
fn dated(path: PathBuf) -> Option<(Timestamp, PathBuf)> {
    let name = path.file_name()?.to_str()?;
    let stamp = name.strip_prefix("taquilla-")?.strip_suffix(".jsonl.gz")?;
    let (date, time) = stamp.strip_suffix('Z')?.split_once('T')?;
    if date.len() != 8 || time.len() != 6 {
        return None;
    }
    let at =
        format!("{}-{}-{}T{}:{}:{}Z", date.get(..4)?, date.get(4..6)?, date.get(6..)?, time.get(..2)?, time.get(2..4)?, time.get(4..)?);
    Some((at.parse().ok()?, path))
}

/// The verified backups of a folder, the oldest first.
fn kept(dir: &Path) -> io::Result<Vec<(Timestamp, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        found.extend(dated(entry?.path()));
    }
    found.sort();
    Ok(found)
}

/// Makes a backup when the last one is old enough, holds the drill, and removes those that are too many.
///
/// # Errors
/// None: what fails is logged and counted, and tried again at the next look.
pub async fn step(app: &AppState) -> Result<(), AppError> {
    let Some(period) = period(&app.config.backup) else { return Ok(()) };
    match due(app, period).await {
        Ok(()) | Err(Failed::Create(CreateError::Stopped)) => {}
        Err(error) => {
            app.metrics.backups.failures.inc();
            tracing::error!(%error, "no backup was made; it is tried again");
        }
    }
    Ok(())
}

async fn due(app: &AppState, period: Duration) -> Result<(), Failed> {
    let settings = &app.config.backup;
    let dir = PathBuf::from(&settings.dir);
    let failed = |source| Failed::Folder { dir: dir.clone(), source };
    folder(&dir).map_err(failed)?;
    let last = kept(&dir).map_err(failed)?.pop();
    if let Some((at, _)) = &last {
        app.metrics.backups.last_verified.set(at.as_seconds());
    }
    let seconds = i64::try_from(period.as_secs()).unwrap_or(i64::MAX);
    if last.is_some_and(|(at, _)| at.plus_seconds(seconds) > app.now()) {
        return Ok(());
    }
    clean(&dir).map_err(failed)?;
    let now = app.now();
    let path = dir.join(create::name(now));
    let mut waiting = path.as_os_str().to_owned();
    waiting.push(WAITING);
    let waiting = PathBuf::from(waiting);
    let kind = app.config.storage_url().map_or("", |url| url.name());
    let goes_on = |_: Step| !app.shutdown.is_cancelled();
    create::to_file(app.store.as_ref(), Wanted { now, store: kind, credentials: true }, &waiting, &goes_on).await?;
    let drilled = drill(&waiting, &app.config, &dir.join(DRILL), &|_| ()).await;
    if let Err(error) = drilled {
        let _ = std::fs::remove_file(&waiting);
        return Err(error.into());
    }
    fault::point("backup.drilled");
    create::settle(&waiting, &path).map_err(failed)?;
    app.metrics.backups.last_verified.set(now.as_seconds());
    tracing::info!(file = %path.display(), "a backup was made and restored for a test");
    let mut all = kept(&dir).map_err(failed)?;
    let most = usize::try_from(settings.keep).unwrap_or(usize::MAX);
    while all.len() > most {
        std::fs::remove_file(all.remove(0).1).map_err(failed)?;
    }
    Ok(())
}

/// Makes the folder when it is missing; only its owner may look into it.
fn folder(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Removes what one that was killed has left.
fn clean(dir: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("taquilla-") && name.ends_with(WAITING) {
            std::fs::remove_file(&path)?;
        }
    }
    create::sweep(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_backup_tells_its_moment() {
        let now: Timestamp = "2026-11-26T01:02:03.5Z".parse().unwrap();
        let (at, path) = dated(PathBuf::from("backups").join(create::name(now))).unwrap();
        assert_eq!(at.to_string(), "2026-11-26T01:02:03Z");
        assert_eq!(path, PathBuf::from("backups/taquilla-20261126T010203Z.jsonl.gz"));
        for other in
            ["notes.txt", "taquilla-20261126T010203Z.jsonl.gz.partial", "taquilla-2026Z.jsonl.gz", "taquilla-20269926T010203Z.jsonl.gz"]
        {
            assert_eq!(dated(other.into()), None, "{other}");
        }
    }
}
