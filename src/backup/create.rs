//! Making a file: page by page from a snapshot, under a name of its own until it is whole and on the disk.

use std::{
    fs::File,
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures_util::stream::{self, Stream};

use super::archive::{Content, Header, Writer};
use crate::{
    activity::model::{Action, NewEntry},
    app::AppState,
    auth::model::Actor,
    error::AppError,
    store::{
        Changes, Place, Snapshot, Store, StoreError, estimate,
        transfer::{Page, Step, Walk},
    },
    types::Timestamp,
};

/// How files are called that are not whole yet.
pub const PARTIAL: &str = ".partial";

/// Why a file was not made. Nothing is left of it.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The storage.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The disk.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The desk stops.
    #[error("it was broken off, since the desk stops")]
    Stopped,
}

/// The name of a backup made at this moment, such as `taquilla-20261126T010203Z.jsonl.gz`.
#[must_use]
pub fn name(now: Timestamp) -> String {
    let stamp: String = now.to_string().chars().take_while(|c| *c != '.' && *c != 'Z').filter(char::is_ascii_alphanumeric).collect();
    format!("taquilla-{stamp}Z.jsonl.gz")
}

/// What shall be made.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// When that is.
    pub now: Timestamp,
    /// The name of the kind of store.
    pub store: &'a str,
    /// Whether credentials shall be in it.
    pub credentials: bool,
}

/// The lines of a page, with credentials or without.
pub(super) fn lines(page: Page, credentials: bool) -> Result<Vec<Vec<u8>>, StoreError> {
    let Page { collection, records, .. } = page;
    if credentials {
        return Ok(records.into_iter().map(|(_, line)| line).collect());
    }
    records.into_iter().filter_map(|(record, _)| record.without_credentials(collection)).map(|record| record.line()).collect()
}

/// Writes a store into a file. `heard` is told how far it has come, and says whether to go on.
///
/// # Errors
/// The store's or the disk's; the file is not there then, and one of that name that was there is as it was.
pub async fn to_file(
    store: &dyn Store,
    wanted: Wanted<'_>,
    path: &Path,
    heard: &(dyn Fn(Step) -> bool + Sync),
) -> Result<Content, CreateError> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(PARTIAL);
    let partial = PathBuf::from(partial);
    let written = write(store, wanted, &partial, heard).await;
    let finished = match written {
        Ok(content) => settle(&partial, path).map(|()| content).map_err(|source| CreateError::Io { path: path.to_owned(), source }),
        Err(error) => Err(error),
    };
    if finished.is_err() {
        // What is left of it is of no use to anybody.
        let _ = std::fs::remove_file(&partial);
    }
    finished
}

async fn write(
    store: &dyn Store,
    wanted: Wanted<'_>,
    partial: &Path,
    heard: &(dyn Fn(Step) -> bool + Sync),
) -> Result<Content, CreateError> {
    let failed = |source| CreateError::Io { path: partial.to_owned(), source };
    let snapshot = store.snapshot().await?;
    let about = estimate(snapshot.as_ref()).await?;
    let header = Header::new(wanted.now, wanted.store, wanted.credentials, snapshot.end());
    let file = private(partial).map_err(failed)?;
    let mut writer = Writer::begin(BufWriter::new(file), header.clone()).map_err(failed)?;
    let (mut walk, mut done) = (Walk::new(snapshot.as_ref()), 0);
    while let Some(page) = walk.next().await? {
        let collection = page.collection;
        let lines = lines(page, wanted.credentials)?;
        done += lines.len() as u64;
        writer = aside(move || lines.iter().try_for_each(|line| writer.record(collection, line)).map(|()| writer)).await.map_err(failed)?;
        if !heard(Step { name: collection.name(), done, about }) {
            return Err(CreateError::Stopped);
        }
    }
    let finished = aside(move || {
        let (file, manifest) = writer.finish()?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(manifest)
    });
    Ok(Content { header, manifest: finished.await.map_err(failed)? })
}

/// A new file that only its owner can read.
///
/// # Errors
/// The disk's.
pub fn private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    let _ = std::fs::remove_file(path);
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

/// Gives a file that is on the disk its name.
///
/// # Errors
/// The disk's.
pub fn settle(partial: &Path, path: &Path) -> io::Result<()> {
    std::fs::rename(partial, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Runs what blocks on a thread that may.
pub(super) async fn aside<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// A backup of the running desk in pieces, as it is made. That somebody has taken one is in the log, and in the backup.
///
/// # Errors
/// Forbidden for all but admins; `unavailable` while another one is being made on an embedded store.
pub async fn stream(app: AppState, actor: &Actor) -> Result<impl Stream<Item = Result<Bytes, AppError>> + Send + use<>, AppError> {
    actor.require_admin()?;
    app.store.commit(Changes::new().log(NewEntry::new(Action::BackupCreated, actor, app.now()))).await?;
    let snapshot = app.store.snapshot().await?;
    let kind = app.config.storage_url().map_or("", |url| url.name());
    let header = Header::new(app.now(), kind, true, snapshot.end());
    let writer = Writer::begin(Vec::new(), header).map_err(|error| AppError::internal(error.to_string()))?;
    let state = Streaming { snapshot, writer: Some(writer), place: (0, None) };
    Ok(stream::try_unfold(state, |mut state| async move {
        let piece = state.next().await?;
        Ok(piece.map(|piece| (Bytes::from(piece), state)))
    }))
}

/// A backup on its way to a client.
struct Streaming {
    snapshot: std::sync::Arc<dyn Snapshot>,
    writer: Option<Writer<Vec<u8>>>,
    place: (usize, Option<Place>),
}

impl Streaming {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, AppError> {
        let failed = |error: io::Error| AppError::internal(error.to_string());
        while let Some(mut writer) = self.writer.take() {
            let mut walk = Walk::from(self.snapshot.as_ref(), std::mem::take(&mut self.place));
            let Some(page) = walk.next().await? else {
                let (rest, _) = aside(move || writer.finish()).await.map_err(failed)?;
                return Ok(Some(rest));
            };
            self.place = walk.place();
            let collection = page.collection;
            let lines = lines(page, true)?;
            let (writer, piece) = aside(move || {
                lines.iter().try_for_each(|line| writer.record(collection, line))?;
                let piece = std::mem::take(writer.get_mut());
                Ok((writer, piece))
            })
            .await
            .map_err(failed)?;
            self.writer = Some(writer);
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }
}
