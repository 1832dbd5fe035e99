//! From a file back to a desk. The file is read to its end before anything is touched; the desk that is there is kept aside,
//! and the new one takes its place whole or not at all.

use std::{
    fs::File,
    io,
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
        transfer::{Filling, Found, Progress, Step, TransferError},
    },
    types::{Secret, Timestamp},
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

/// What a restore did.
#[derive(Debug)]
pub struct Restored {
    /// What was in the file.
    pub content: Content,
    /// Where desks are kept that were in its place before: the one that was there now, and one of an earlier restore that was
    /// killed before it could tell.
    pub aside: Vec<Aside>,
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
    aside::unused(url).await?;
    let found = found(config, url).await?;
    if found == Found::Desk && !force {
        return Err(RestoreError::NotEmpty);
    }
    let content = verify(path, progress).await?;
    let mut kept: Vec<Aside> = aside::recover(url, now).await?.into_iter().collect();
    let job = Job { path, content: &content, config, progress };
    kept.extend(match url {
        StorageUrl::Sled(dir) => job.into_folder(dir, now).await?,
        StorageUrl::Postgres(database) => job.into_database(url, database, found, now).await?,
    });
    Ok(Restored { content, aside: kept })
}

/// What is in the place. What there is in a folder is not opened: it may be damaged, and is kept in any case.
async fn found(config: &Config, url: &StorageUrl) -> Result<Found, RestoreError> {
    match url {
        StorageUrl::Sled(dir) if store::sled::holds_a_store(dir) => Ok(Found::Desk),
        StorageUrl::Sled(_) => Ok(Found::Nothing),
        StorageUrl::Postgres(database) if !aside::is_begun(database).await? => Ok(Found::Nothing),
        StorageUrl::Postgres(_) if aside::is_claimed(url).await? => Ok(Found::Part),
        StorageUrl::Postgres(_) => {
            let there = store::open_at(config, url.clone()).await?;
            let found = Found::of(there.as_ref()).await;
            there.close().await?;
            Ok(found?)
        }
    }
}

/// A file that has been verified, on its way into a store.
#[derive(Clone, Copy)]
struct Job<'a> {
    path: &'a Path,
    content: &'a Content,
    config: &'a Config,
    progress: Progress<'a>,
}

impl Job<'_> {
    /// Builds the desk beside the folder, then exchanges the two.
    async fn into_folder(self, dir: &Path, now: Timestamp) -> Result<Option<Aside>, RestoreError> {
        let workshop = store::sled::workshop(dir).map_err(storage)?;
        let replaced = async {
            self.build(&StorageUrl::Sled(workshop.clone())).await?;
            store::sled::replace(dir, &workshop, &aside::stamp(now)).map_err(storage)
        };
        let kept = replaced.await;
        if kept.is_err() {
            let _ = store::sled::discard(&workshop);
        }
        Ok(kept?.map(Aside::Folder))
    }

    /// Builds the desk in its place, from which what was there has gone; it goes back there when that fails.
    async fn into_database(self, url: &StorageUrl, database: &Secret, found: Found, now: Timestamp) -> Result<Option<Aside>, RestoreError> {
        let mut kept = None;
        if found == Found::Desk {
            kept = aside::set_aside(url, now).await?;
        } else {
            aside::clear(database).await?;
        }
        let built = self.build(url).await;
        if built.is_err() {
            match found {
                // Where a part was, there still is no whole desk, and what was there before is kept elsewhere.
                Found::Part => aside::clear(database).await?,
                Found::Nothing | Found::Desk => aside::put_back(database, kept.as_ref()).await?,
            }
        }
        built.map(|_| kept)
    }

    /// Fills an empty store, and checks it.
    async fn build(self, url: &StorageUrl) -> Result<FsckReport, RestoreError> {
        let to = store::open_at(self.config, url.clone()).await?;
        let filled = self.fill(url, to.as_ref()).await;
        to.close().await?;
        drop(to);
        filled?;
        let report = store::check(self.config, url).await?;
        match report.problems.first() {
            None => Ok(report),
            Some(first) => Err(RestoreError::Unsound(format!("{first} ({} problems)", report.problems.len()))),
        }
    }

    async fn fill(self, url: &StorageUrl, to: &dyn Store) -> Result<(), RestoreError> {
        let failed = |source| RestoreError::File { path: self.path.to_owned(), source };
        let mut filling = Filling::begin(to).await?;
        aside::unclaim(url).await?;
        let mut source = Source::open(self.path).map_err(failed)?;
        let (mut ids, mut done, about) = (Vec::<NextId>::new(), 0, self.content.records());
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
            (self.progress)(Step { name: "restoring", done, about });
            if end.is_some() {
                break;
            }
        }
        let compared = |done| (self.progress)(Step { name: "comparing", done, about });
        Ok(filling.complete(&self.content.manifest.collections, &ids, &compared).await?)
    }
}

fn storage(error: impl Into<anyhow::Error>) -> RestoreError {
    RestoreError::Storage(error.into())
}

/// The restore drill: restores a file into a scratch store in this folder, checks it, and removes it, and what an earlier one
/// has left there that was killed.
///
/// # Errors
/// Why it could not be relied on.
pub async fn drill(path: &Path, config: &Config, dir: &Path, progress: Progress<'_>) -> Result<(Content, FsckReport), RestoreError> {
    let content = verify(path, progress).await?;
    let url = StorageUrl::Sled(dir.to_owned());
    // Not one that is still at work.
    aside::unused(&url).await?;
    let remove = || if dir.exists() { std::fs::remove_dir_all(dir) } else { Ok(()) };
    let unremoved = |error: io::Error| RestoreError::Storage(error.into());
    remove().map_err(unremoved)?;
    let built = Job { path, content: &content, config, progress }.build(&url).await;
    let removed = remove();
    let report = built?;
    removed.map_err(unremoved)?;
    Ok((content, report))
}
