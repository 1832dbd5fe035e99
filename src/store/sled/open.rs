//! Opening the folder safely: one process at a time, room to work in, leftovers of a crash cleaned, and a store that is
//! empty or older than what was promised refused.

use std::{
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
    os::unix::fs::DirBuilderExt,
    panic::catch_unwind,
    path::{Path, PathBuf},
    sync::mpsc,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    durability,
    engine::{Engine, failed},
    keys, log,
};
use crate::{
    auth::token::random,
    store::{StoreError, fault},
    types::{Seq, Timestamp},
};

/// The layout that this version writes; a newer one is refused. Older ones are read as they are, and what is written becomes
/// this one: in layout 1 rows have all their names, in layout 2 each entry of the log has a key of its own, in layout 3 each
/// comment, in layout 4 each ticket's own log; in layout 5 texts that have changed since a checkpoint are not marked.
pub const SCHEMA: u32 = 6;
/// The oldest layout that can be read.
const OLDEST_SCHEMA: u32 = 1;
/// Room that must be free before the store is opened.
pub(super) const ROOM: u64 = 8 * 1024 * 1024;
/// Bytes of a segment, the unit in which sled takes and frees room in its file, of a store that is made anew. By itself sled takes a quarter
/// of it: with a million tickets 27,000 of them, each of which is looked at for each of them at the first write after an opening.
pub const SEGMENT: usize = 2 * 1024 * 1024;
/// Bytes of a segment of a store that was made before: what sled takes by itself.
const OLDER_SEGMENT: usize = 512 * 1024;
/// The sizes of segments that sled takes, of which only powers of two.
const SEGMENTS: std::ops::RangeInclusive<usize> = 256..=1 << 24;
/// sled reads all of its log that its index does not hold yet; it never takes longer than this unless it hangs.
const LONGEST_OPEN: Duration = Duration::from_secs(600);

/// How to open an embedded store.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data folder; made when missing.
    pub dir: PathBuf,
    /// Memory for pages, in MiB.
    pub cache_mib: u64,
}

/// Who holds a data folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Since when.
    pub since: Timestamp,
    /// What it runs as.
    pub command: String,
}

/// Why a data folder was not opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds it.
    #[error("the data folder {} is held by {}", dir.display(), holder.as_ref().map_or_else(|| "another process".to_owned(), |h| format!("process {} ({}) since {}", h.pid, h.command, h.since)))]
    Locked {
        /// The folder.
        dir: PathBuf,
        /// The process, when it could be told.
        holder: Option<Holder>,
    },
    /// The folder cannot be made or used.
    #[error("cannot use the data folder {}: {source}", dir.display())]
    Folder {
        /// The folder.
        dir: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is too little room.
    #[error("only {free} bytes are free on the disk of {}; at least {ROOM} are needed to open the store", dir.display())]
    NoRoom {
        /// The folder.
        dir: PathBuf,
        /// Bytes that are free.
        free: u64,
    },
    /// It was written by a newer version.
    #[error("the store has the layout {found}, and this version knows layouts up to {SCHEMA}: use the newer taquilla that wrote it")]
    Newer {
        /// The layout found.
        found: u32,
    },
    /// It is not what it was: empty, or older than what was acknowledged.
    #[error("the store in {} {what}; put a backup in its place, which keeps what is there: taquilla restore FILE --force --storage-url sled:{}; or move the folder away to begin anew", dir.display(), dir.display())]
    Damaged {
        /// The folder.
        dir: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Syncs cannot be relied on.
    #[error("writes would not survive a power cut on this platform: the self-test saw no sync")]
    NoSync,
    /// The storage engine failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the store says of itself outside of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// The same random id as inside.
    pub(super) id: String,
    /// A log entry that was durable when this was written.
    pub(super) seq: Seq,
}

/// The folder, locked for this process.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) dir: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder when it is missing (0700) and locks it.
    pub(super) fn lock(dir: &Path) -> Result<Self, OpenError> {
        let folder = |source| OpenError::Folder { dir: dir.to_owned(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(folder)?;
        fault::point("open.folder");
        let path = dir.join("LOCK");
        let mut lock = File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(folder)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let holder = lock.read_to_string(&mut text).ok().and_then(|_| serde_json::from_str(&text).ok());
                return Err(OpenError::Locked { dir: dir.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(folder(source)),
        }
        let command =
            std::env::args().take(2).map(|arg| arg.rsplit('/').next().unwrap_or_default().to_owned()).collect::<Vec<_>>().join(" ");
        let holder = Holder { pid: std::process::id(), since: Timestamp::now_by_the_clock(), command };
        let text = serde_json::to_string(&holder).unwrap_or_default();
        lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(text.as_bytes())).map_err(folder)?;
        fault::point("open.locked");
        Ok(Self { dir: dir.to_owned(), _lock: lock })
    }

    pub(super) fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    pub(super) fn projection(&self) -> PathBuf {
        self.dir.join("projection")
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.dir.join("journal")
    }

    /// Removes what is saved of the projections.
    pub(super) fn forget_projections(&self) -> std::io::Result<()> {
        [self.journal(), self.projection()].iter().try_for_each(|file| durability::remove_file(file))
    }

    fn identity(&self) -> PathBuf {
        self.dir.join("IDENTITY")
    }

    /// Bytes that are free on its disk.
    pub(super) fn free(&self) -> std::io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Writes down which store this is and how far it has come.
    pub(super) fn write_identity(&self, identity: &Identity) -> std::io::Result<()> {
        let content = serde_json::to_vec(identity)?;
        durability::replace_file(&self.identity(), |file| file.write_all(&content))
    }

    fn read_identity(&self) -> Result<Option<Identity>, OpenError> {
        match std::fs::read(self.identity()) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map(Some).map_err(|e| self.damaged(format!("has an unreadable IDENTITY file ({e})")))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(OpenError::Folder { dir: self.dir.clone(), source }),
        }
    }

    /// Writes as much as a commit may need, durably, and removes it again.
    pub(super) fn try_writing(&self) -> std::io::Result<()> {
        let path = self.dir.join("probe");
        let written = File::create(&path).and_then(|mut file| file.write_all(&vec![1; 4 * 1024 * 1024]).and_then(|()| file.sync_all()));
        let removed = std::fs::remove_file(&path);
        written.and(removed)
    }

    pub(super) fn damaged(&self, what: impl Into<String>) -> OpenError {
        OpenError::Damaged { dir: self.dir.clone(), what: what.into() }
    }

    /// Removes what a crash during an earlier opening left: with it, sled would never open again.
    fn clean(&self) -> Result<(), OpenError> {
        let folder = |source| OpenError::Folder { dir: self.dir.clone(), source };
        let Ok(files) = std::fs::read_dir(self.store()) else { return Ok(()) };
        for file in files {
            let path = file.map_err(folder)?.path();
            if path.extension().is_some_and(|e| e == "generating") {
                std::fs::remove_file(path).map_err(folder)?;
            }
        }
        Ok(())
    }

    /// The size of the segments of sled's file. sled opens a file only with the size that it was made with, which its own page of settings
    /// says; where that is gone, sled would write down another and take the file's content for garbage.
    fn segment_size(&self) -> Result<usize, OpenError> {
        let absent = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
        let folder = |source| OpenError::Folder { dir: self.dir.clone(), source };
        // Lines of text, and four bytes of a checksum.
        let settings = std::fs::read(self.store().join("conf")).or_else(|e| if absent(&e) { Ok(Vec::new()) } else { Err(folder(e)) })?;
        let said = String::from_utf8_lossy(&settings).lines().find_map(|line| line.strip_prefix("segment_size: ")?.parse().ok());
        if let Some(size) = said.filter(|size: &usize| size.is_power_of_two() && SEGMENTS.contains(size)) {
            return Ok(size);
        }
        let log = std::fs::metadata(self.store().join("db")).map(|log| usize::try_from(log.len()).unwrap_or(usize::MAX));
        match log.or_else(|e| if absent(&e) { Ok(0) } else { Err(folder(e)) })? {
            0 => Ok(SEGMENT),
            // Within the first segment a file is the same, whatever their size.
            1..=OLDER_SEGMENT => Ok(OLDER_SEGMENT),
            _ => Err(self.damaged("has no readable file store/conf")),
        }
    }

    /// Opens the engine in it, and checks that it is the store that was promised.
    pub(super) fn open(&self, cache_mib: u64) -> Result<(Engine, Identity), OpenError> {
        let free = self.free().map_err(|source| OpenError::Folder { dir: self.dir.clone(), source })?;
        if free < ROOM {
            return Err(OpenError::NoRoom { dir: self.dir.clone(), free });
        }
        self.clean()?;
        fault::point("open.cleaned");
        let engine = Engine::new(self.open_sled(cache_mib)?, self.store());
        fault::point("open.engine");
        let promised = self.read_identity()?;
        // At every opening, for a store that an earlier version made.
        durability::sync_settings(&self.store()).map_err(|source| OpenError::Folder { dir: self.dir.clone(), source })?;
        let id = match (promised.as_ref(), engine.get(keys::IDENTITY)?) {
            (None, None) if engine.is_empty() => begin(&engine)?,
            (None, Some(id)) => String::from_utf8_lossy(&id).into_owned(),
            (Some(promised), Some(id)) if *id == *promised.id.as_bytes() => promised.id.clone(),
            (Some(_), Some(_)) => return Err(self.damaged("is not the one that its IDENTITY file names")),
            (Some(_), None) => return Err(self.damaged("is empty, though it was not")),
            (None, None) => return Err(self.damaged("is not a Taquilla store")),
        };
        check_schema(&engine)?;
        fault::point("open.schema");
        let seq = log::last(&engine)?;
        if let Some(promised) = promised.filter(|promised| promised.seq > seq) {
            return Err(self.damaged(format!("ends at log entry {seq}, though entry {} had been acknowledged", promised.seq)));
        }
        // As early as can be: at its first write sled counts all segments of its file for each of them, in a thread of its own (1.5 to 3.5 s
        // with a million tickets and the segments of an older store), and a read that splits a page has to wait for that when it needs room in the log.
        self_test(&engine)?;
        fault::point("open.self_test");
        let identity = Identity { id, seq };
        self.write_identity(&identity).map_err(|source| OpenError::Folder { dir: self.dir.clone(), source })?;
        fault::point("open.identity");
        Ok((engine, identity))
    }

    /// Opens sled, which goes through the log that it has written since it was opened last, and writes an index of it.
    /// sled panics on some damage and could hang on other: both become errors.
    pub(super) fn open_sled(&self, cache_mib: u64) -> Result<sled::Db, OpenError> {
        let (path, segment) = (self.store(), self.segment_size()?);
        let (send, receive) = mpsc::channel();
        let opening = std::thread::Builder::new().name("open".into()).spawn(move || {
            let opened = catch_unwind(|| {
                let config = sled::Config::new().path(path).segment_size(segment).cache_capacity(cache_mib * 1024 * 1024);
                open_patiently(&config.flush_every_ms(None))
            });
            // Nobody listens any more after the time limit.
            let _ = send.send(opened);
        });
        opening.map_err(|source| OpenError::Folder { dir: self.dir.clone(), source })?;
        match receive.recv_timeout(LONGEST_OPEN) {
            Ok(Ok(Ok(db))) => Ok(db),
            Ok(Ok(Err(error))) => match failed(error) {
                StoreError::Corrupt(what) => Err(self.damaged(format!("is damaged ({what})"))),
                error => Err(error.into()),
            },
            Ok(Err(_)) => Err(self.damaged("is damaged (the storage engine panicked)")),
            Err(_) => Err(self.damaged("does not open in time")),
        }
    }
}

/// Opens sled, waiting for the threads of one that was closed in this process a moment ago: they let go of its lock late.
/// No other process can hold it, for the folder is ours.
fn open_patiently(config: &sled::Config) -> sled::Result<sled::Db> {
    let mut tries = 0;
    loop {
        match config.open() {
            Err(sled::Error::Io(error)) if tries < 250 && error.to_string().contains("could not acquire lock") => {
                tries += 1;
                std::thread::park_timeout(Duration::from_millis(20));
            }
            opened => return opened,
        }
    }
}

/// Gives an empty store its identity and its schema number.
fn begin(engine: &Engine) -> Result<String, OpenError> {
    let id = format!("{:032x}", u128::from_be_bytes(random::<16>()));
    let mut batch = sled::Batch::default();
    batch.insert(keys::IDENTITY, id.as_bytes());
    batch.insert(keys::SCHEMA, &SCHEMA.to_be_bytes());
    engine.write(batch)?;
    Ok(id)
}

fn check_schema(engine: &Engine) -> Result<(), OpenError> {
    let stored = engine.get(keys::SCHEMA)?;
    let found = stored.and_then(|v| v.as_ref().try_into().ok().map(u32::from_be_bytes));
    match found {
        Some(SCHEMA) => Ok(()),
        Some(OLDEST_SCHEMA..SCHEMA) => {
            // Before the first row of the new layout, so that an older program refuses the store from now on.
            let mut batch = sled::Batch::default();
            batch.insert(keys::SCHEMA, &SCHEMA.to_be_bytes());
            Ok(engine.write(batch)?)
        }
        Some(found) => Err(OpenError::Newer { found }),
        None => Err(StoreError::Corrupt("the schema number is missing".into()).into()),
    }
}

/// Writes something and looks whether it was synced by us; where sled cannot be bound to our sync, files are synced after each flush.
fn self_test(engine: &Engine) -> Result<(), OpenError> {
    let before = durability::syncs();
    let mut batch = sled::Batch::default();
    batch.insert(keys::PROBE, &random::<16>());
    engine.write(batch)?;
    if durability::syncs() > before {
        return Ok(());
    }
    if cfg!(target_os = "linux") {
        return Err(OpenError::NoSync);
    }
    tracing::warn!("the storage engine does not sync by itself on this platform; its file is synced after each flush");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes another layout down, whatever the store has.
    fn leave(dir: &Path, layout: u32) {
        let db = Folder::lock(dir).and_then(|folder| folder.open_sled(16)).unwrap();
        db.insert(keys::SCHEMA, &layout.to_be_bytes()).unwrap();
        db.flush().unwrap();
    }

    fn open(dir: &Path) -> Result<(Engine, Identity), OpenError> {
        Folder::lock(dir).and_then(|folder| folder.open(16))
    }

    fn settings(dir: &Path) -> String {
        String::from_utf8_lossy(&std::fs::read(dir.join("store/conf")).unwrap()).into_owned()
    }

    #[test]
    fn a_store_keeps_the_segments_that_it_was_made_with() {
        let dir = tempfile::tempdir().unwrap();
        // As stores were made until now: with what sled takes by itself.
        drop(sled::Config::new().path(dir.path().join("store")).open().unwrap());
        let promised = open(dir.path()).unwrap().1.id;
        assert_eq!(open(dir.path()).unwrap().1.id, promised);
        assert!(settings(dir.path()).contains("segment_size: 524288\n"), "{}", settings(dir.path()));

        let dir = tempfile::tempdir().unwrap();
        let promised = open(dir.path()).unwrap().1.id;
        assert_eq!(open(dir.path()).unwrap().1.id, promised);
        assert!(settings(dir.path()).contains(&format!("segment_size: {SEGMENT}\n")), "{}", settings(dir.path()));
    }

    #[test]
    fn a_store_without_its_settings_is_refused_and_left_as_it_is_once_they_make_a_difference() {
        let dir = tempfile::tempdir().unwrap();
        let promised = open(dir.path()).unwrap().1.id;
        let (conf, log) = (dir.path().join("store/conf"), dir.path().join("store/db"));
        // As of an earlier version, which did not sync it: cut off soon after the first start.
        std::fs::write(&conf, "").unwrap();
        assert_eq!(open(dir.path()).unwrap().1.id, promised);

        let db = Folder::lock(dir.path()).and_then(|folder| folder.open_sled(16)).unwrap();
        for key in 0..200_u8 {
            db.insert([b'x', key], vec![key; 4_096]).unwrap();
        }
        db.flush().unwrap();
        drop(db);
        let (said, held) = (settings(dir.path()), std::fs::read(&log).unwrap());
        for lost in ["", &said.replace("size: 5", "size: 4"), &said.replace("segment", "sigment")] {
            std::fs::write(&conf, lost).unwrap();
            let refused = open(dir.path()).unwrap_err();
            assert!(matches!(&refused, OpenError::Damaged { what, .. } if what.contains("store/conf")), "{refused}");
            assert_eq!(std::fs::read(&log).unwrap(), held);
        }
    }

    #[test]
    fn an_older_layout_is_brought_up_to_date_and_a_newer_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path()).unwrap());
        leave(dir.path(), OLDEST_SCHEMA);
        let (engine, _) = open(dir.path()).unwrap();
        assert_eq!(engine.get(keys::SCHEMA).unwrap().unwrap(), SCHEMA.to_be_bytes());
        drop(engine);
        for unknown in [SCHEMA + 1, 0] {
            leave(dir.path(), unknown);
            let refused = open(dir.path()).unwrap_err();
            assert!(matches!(refused, OpenError::Newer { found } if found == unknown), "{refused}");
        }
    }
}
