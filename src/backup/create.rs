//! Making a file: page by page from a snapshot, under a name of its own until it is whole and on the disk.

use std::{
    fs::{File, TryLockError},
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures_util::stream::{self, Stream};

use super::archive::{Content, Header, Manifest, Writer};
use crate::{
    activity::model::{Action, NewEntry},
    app::AppState,
    auth::model::Actor,
    error::AppError,
    store::{
        Changes, Collection, Place, Snapshot, Store, StoreError, estimate, fault,
        transfer::{Page, Step, Walk},
    },
    types::Timestamp,
};

/// How files are called that are not whole yet.
const PARTIAL: &str = ".partial";

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
fn lines(page: Page, credentials: bool) -> Result<Vec<Vec<u8>>, StoreError> {
    let Page { collection, records, .. } = page;
    if credentials {
        return Ok(records.into_iter().map(|(_, line)| line).collect());
    }
    records.into_iter().filter_map(|(record, _)| record.without_credentials(collection)).map(|record| record.line()).collect()
}

/// How the stream is written down.
pub(super) trait Form: Send + Sized + 'static {
    /// Begins, where nothing is.
    fn begin(at: &Path, header: &Header) -> io::Result<Self>;

    /// Writes lines of a collection, which come in the order of the stream.
    fn lines(&mut self, collection: Collection, lines: &[Vec<u8>]) -> io::Result<()>;

    /// Ends with the manifest, and sees to it that everything is on the disk. Who holds the file tells others that it is not
    /// left over.
    fn end(self) -> io::Result<(Manifest, File)>;
}

/// Writes a store down under a name that is not its own until it is whole. `heard` is told how far it has come, and says
/// whether to go on. When it fails, nothing is left, and what has that name is as it was.
pub(super) async fn make<F: Form>(
    store: &dyn Store,
    wanted: Wanted<'_>,
    path: &Path,
    heard: &(dyn Fn(Step) -> bool + Sync),
) -> Result<Content, CreateError> {
    let failed = |source| CreateError::Io { path: path.to_owned(), source };
    let partial = partial(path);
    remove(&partial).map_err(failed)?;
    let made = write::<F>(store, wanted, &partial, heard).await.and_then(|(content, held)| {
        settle(&partial, path).map_err(failed)?;
        drop(held);
        Ok(content)
    });
    if made.is_err() {
        let _ = remove(&partial);
    }
    made
}

async fn write<F: Form>(
    store: &dyn Store,
    wanted: Wanted<'_>,
    partial: &Path,
    heard: &(dyn Fn(Step) -> bool + Sync),
) -> Result<(Content, File), CreateError> {
    let failed = |source| CreateError::Io { path: partial.to_owned(), source };
    let snapshot = store.snapshot().await?;
    let about = estimate(snapshot.as_ref()).await?;
    let header = Header::new(wanted.now, wanted.store, wanted.credentials, snapshot.end());
    let mut form = F::begin(partial, &header).map_err(failed)?;
    fault::point("backup.begun");
    let (mut walk, mut done) = (Walk::new(snapshot.as_ref()), 0);
    while let Some(page) = walk.next().await? {
        let collection = page.collection;
        let lines = lines(page, wanted.credentials)?;
        done += lines.len() as u64;
        form = aside(move || form.lines(collection, &lines).map(|()| form)).await.map_err(failed)?;
        fault::point("backup.page");
        if !heard(Step { name: collection.name(), done, about }) {
            return Err(CreateError::Stopped);
        }
    }
    let (manifest, held) = aside(move || form.end()).await.map_err(failed)?;
    fault::point("backup.written");
    Ok((Content { header, manifest }, held))
}

/// One file: what [`super::archive`] reads.
struct OneFile(Writer<BufWriter<File>>);

impl Form for OneFile {
    fn begin(at: &Path, header: &Header) -> io::Result<Self> {
        Writer::begin(BufWriter::new(private(at)?), header.clone()).map(Self)
    }

    fn lines(&mut self, collection: Collection, lines: &[Vec<u8>]) -> io::Result<()> {
        lines.iter().try_for_each(|line| self.0.record(collection, line))
    }

    fn end(self) -> io::Result<(Manifest, File)> {
        let (file, manifest) = self.0.finish()?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok((manifest, file))
    }
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
    make::<OneFile>(store, wanted, path, heard).await
}

/// The name that something has until it is whole.
#[must_use]
pub fn partial(path: &Path) -> PathBuf {
    let mut name = path.components().as_path().as_os_str().to_owned();
    name.push(PARTIAL);
    name.into()
}

/// A new file that only its owner can read, held against [`sweep`] for as long as it is open.
///
/// # Errors
/// The disk's, or another process that is writing it.
pub fn private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    remove(path)?;
    let file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    // Where the file system has no locks, nobody can tell that it is left over.
    let _ = file.try_lock();
    Ok(file)
}

/// Removes what is left over of something that was not finished, if it is there.
///
/// # Errors
/// The disk's, or another process that is writing it.
pub fn remove(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return std::fs::remove_dir_all(path);
    }
    match File::open(path) {
        Ok(file) if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) => Err(io::Error::other("another process is writing it")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => std::fs::remove_file(path),
    }
}

/// Removes the files of backups that were killed from a folder, but not one that is being written.
///
/// # Errors
/// The disk's.
pub fn sweep(dir: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let left_over = name.starts_with("taquilla-") && name.ends_with(PARTIAL);
        if left_over && File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Gives a file or folder that is on the disk its name.
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
