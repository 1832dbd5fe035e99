//! From a file back to a desk. The file is read to its end before anything is touched; the desk that is there is kept aside,
//! and the new one takes its place whole or not at all.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use super::{
    archive::{ArchiveError, Content, Header, Manifest, Next, Reader},
    create::aside as on_a_thread,
    folder,
};
use crate::{
    config::{Config, StorageUrl},
    store::{
        self, FsckReport, NextId, Record, Store, StoreError,
        aside::{self, Aside},
        transfer::{Filling, Progress, Step, TransferError, is_unfinished},
    },
    types::Timestamp,
};

/// Records that are read from the file together.
const TOGETHER: usize = 200;

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: ArchiveError,
    },
    /// There is a desk.
    #[error("there is a desk in the storage already; --force keeps it aside and puts this one in its place")]
    NotEmpty,
    /// It does not go in.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// The storage.
    #[error("{0:#}")]
    Storage(anyhow::Error),
    /// What was restored is not sound.
    #[error("what was restored is not sound: {0}")]
    Unsound(String),
}

impl From<anyhow::Error> for RestoreError {
    fn from(error: anyhow::Error) -> Self {
        Self::Storage(error)
    }
}

impl From<StoreError> for RestoreError {
    fn from(error: StoreError) -> Self {
        Self::Storage(error.into())
    }
}

/// Records with the lengths of their lines, and the manifest at the end.
type Part = (Vec<(Record, usize)>, Option<Manifest>);

/// A file or folder being read.
enum Source {
    File(Box<Reader<File>>),
    Folder(Box<folder::Reader>),
}

impl Source {
    fn open(path: &Path) -> Result<Self, ArchiveError> {
        if path.is_dir() {
            folder::Reader::begin(path).map(|reader| Self::Folder(Box::new(reader)))
        } else {
            Ok(Self::File(Box::new(Reader::begin(File::open(path)?)?)))
        }
    }

    fn header(&self) -> &Header {
        match self {
            Self::File(reader) => reader.header(),
            Self::Folder(reader) => reader.header(),
        }
    }

    fn next(&mut self) -> Result<Next, ArchiveError> {
        match self {
            Self::File(reader) => reader.next_record(),
            Self::Folder(reader) => reader.next_record(),
        }
    }

    /// The next records with the lengths of their lines, and the manifest at the end.
    fn part(&mut self) -> Result<Part, ArchiveError> {
        let mut part = Vec::new();
        while part.len() < TOGETHER {
            match self.next()? {
                Next::Record { record, bytes } => part.push((*record, bytes)),
                Next::End(manifest) => return Ok((part, Some(manifest))),
            }
        }
        Ok((part, None))
    }
}

/// Reads a file to its end, and tells what is in it.
///
/// # Errors
/// One that is damaged, cut off, foreign, or of a newer version.
pub async fn verify(path: &Path, progress: Progress<'_>) -> Result<Content, RestoreError> {
    let failed = |source| RestoreError::File { path: path.to_owned(), source };
    let mut source = Source::open(path).map_err(failed)?;
    let header = source.header().clone();
    let mut done = 0;
    loop {
        let read;
        (source, read) = reading(source).await.map_err(failed)?;
        let (part, end) = read;
        done += part.len() as u64;
        progress(Step { name: "reading", done, about: done });
        if let Some(manifest) = end {
            return Ok(Content { header, manifest });
        }
    }
}

async fn reading(mut source: Source) -> Result<(Source, Part), ArchiveError> {
    let read = on_a_thread(move || {
        let part = source.part();
        Ok(part.map(|part| (source, part)))
    });
    read.await?
}

/// Fills an empty store from a file that has been verified.
async fn fill(path: &Path, content: &Content, to: &dyn Store, filling: Filling<'_>, progress: Progress<'_>) -> Result<(), RestoreError> {
    let failed = |source| RestoreError::File { path: path.to_owned(), source };
    let mut filling = filling;
    let mut source = Source::open(path).map_err(failed)?;
    let (mut ids, mut done, about) = (Vec::<NextId>::new(), 0, content.records());
    loop {
        let read;
        (source, read) = reading(source).await.map_err(failed)?;
        let (part, end) = read;
        for (record, bytes) in part {
            if let Record::NextId(id) = &record {
                ids.push(*id);
            }
            filling.add(record, bytes).await?;
            done += 1;
        }
        progress(Step { name: "restoring", done, about });
        if end.is_some() {
            break;
        }
    }
    filling.complete(&content.manifest.collections, &ids, &|done| progress(Step { name: "comparing", done, about })).await?;
    to.close().await?;
    Ok(())
}

/// What a restore did.
#[derive(Debug)]
pub struct Restored {
    /// What was in the file.
    pub content: Content,
    /// Where the desk is kept that was there before.
    pub aside: Option<Aside>,
}

/// Puts the desk of a file into a storage on which no desk works.
///
/// # Errors
/// A file that is not whole, a storage that is in use, or one that is not empty, unless `force`. The storage is as it was then.
pub async fn restore(
    path: &Path,
    config: &Config,
    url: &StorageUrl,
    force: bool,
    now: Timestamp,
    progress: Progress<'_>,
) -> Result<Restored, RestoreError> {
    let content = verify(path, progress).await?;
    aside::unused(url).await?;
    match url {
        StorageUrl::Sled(dir) => into_folder(path, content, config, dir, force, now, progress).await,
        StorageUrl::Postgres(_) => into_database(path, content, config, url, force, now, progress).await,
    }
}

async fn into_folder(
    path: &Path,
    content: Content,
    config: &Config,
    dir: &Path,
    force: bool,
    now: Timestamp,
    progress: Progress<'_>,
) -> Result<Restored, RestoreError> {
    if !force && store::sled::holds_a_store(dir) {
        return Err(RestoreError::NotEmpty);
    }
    let workshop = store::sled::workshop(dir);
    scratch(path, &content, config, &workshop, progress).await?;
    let stamp = aside::stamp(now);
    let kept = store::sled::replace(dir, &workshop, &stamp).map_err(|error| RestoreError::Storage(error.into()));
    if kept.is_err() {
        let _ = std::fs::remove_dir_all(&workshop);
    }
    Ok(Restored { content, aside: kept?.map(Aside::Folder) })
}

/// Builds a desk in a folder of its own, and checks it. Nothing is left when that fails.
async fn scratch(path: &Path, content: &Content, config: &Config, dir: &Path, progress: Progress<'_>) -> Result<FsckReport, RestoreError> {
    // What an earlier one left that was killed; not one that is still at work.
    aside::unused(&StorageUrl::Sled(dir.to_owned())).await?;
    let remove = || if dir.exists() { std::fs::remove_dir_all(dir) } else { Ok(()) };
    remove().map_err(|error| RestoreError::Storage(error.into()))?;
    let built = build(path, content, config, dir, progress).await;
    if built.is_err() {
        let _ = remove();
    }
    built
}

async fn build(path: &Path, content: &Content, config: &Config, dir: &Path, progress: Progress<'_>) -> Result<FsckReport, RestoreError> {
    let url = StorageUrl::Sled(dir.to_owned());
    let to = store::open_at(config, url.clone()).await?;
    let filling = Filling::begin(to.as_ref()).await?;
    fill(path, content, to.as_ref(), filling, progress).await?;
    drop(to);
    sound(store::check(config, &url).await?)
}

fn sound(report: FsckReport) -> Result<FsckReport, RestoreError> {
    match report.problems.first() {
        None => Ok(report),
        Some(first) => Err(RestoreError::Unsound(format!("{first} ({} problems)", report.problems.len()))),
    }
}

async fn into_database(
    path: &Path,
    content: Content,
    config: &Config,
    url: &StorageUrl,
    force: bool,
    now: Timestamp,
    progress: Progress<'_>,
) -> Result<Restored, RestoreError> {
    let to = store::open_at(config, url.clone()).await?;
    let mut kept = None;
    let unfinished = is_unfinished(to.as_ref()).await?;
    if unfinished {
        to.close().await?;
        drop(to);
        aside::clear(url).await?;
    } else {
        // Whether it is empty is seen by beginning; what was begun is given up at once.
        let begun = Filling::begin(to.as_ref()).await.map(drop);
        to.close().await?;
        drop(to);
        match begun {
            Ok(()) => aside::put_back(url, None).await?,
            Err(TransferError::NotEmpty) if force => kept = aside::set_aside(url, now).await?,
            Err(TransferError::NotEmpty) => return Err(RestoreError::NotEmpty),
            Err(error) => return Err(error.into()),
        }
    }
    let filled = fill_database(path, &content, config, url, progress).await;
    if let Err(error) = filled {
        aside::put_back(url, kept.as_ref()).await?;
        return Err(error);
    }
    Ok(Restored { content, aside: kept })
}

async fn fill_database(
    path: &Path,
    content: &Content,
    config: &Config,
    url: &StorageUrl,
    progress: Progress<'_>,
) -> Result<(), RestoreError> {
    let to = store::open_at(config, url.clone()).await?;
    let filled = async {
        let filling = Filling::begin(to.as_ref()).await?;
        aside::unclaim(url).await?;
        fill(path, content, to.as_ref(), filling, progress).await
    };
    if let Err(error) = filled.await {
        to.close().await?;
        return Err(error);
    }
    sound(store::check(config, url).await?).map(drop)
}

/// The restore drill: restores a file into a scratch store in this folder, checks it, and removes it.
///
/// # Errors
/// Why it could not be relied on.
pub async fn drill(path: &Path, config: &Config, dir: &Path, progress: Progress<'_>) -> Result<(Content, FsckReport), RestoreError> {
    let content = verify(path, progress).await?;
    let report = scratch(path, &content, config, dir, progress).await?;
    std::fs::remove_dir_all(dir).map_err(|error| RestoreError::Storage(error.into()))?;
    Ok((content, report))
}
