//! sled itself: typed reads of rows, and the one durable write.

use std::{
    ops::RangeInclusive,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use serde::de::DeserializeOwned;
use sled::{Batch, Db, IVec};

use super::{codec, durability, keys};
use crate::{
    store::{StoreError, fault},
    tickets::model::Ticket,
    types::TicketId,
};

/// The open storage engine.
#[derive(Debug)]
pub(super) struct Engine {
    db: Db,
    folder: PathBuf,
    logged: AtomicU64,
}

impl Engine {
    pub(super) const fn new(db: Db, folder: PathBuf) -> Self {
        Self { db, folder, logged: AtomicU64::new(0) }
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        self.db.get(key).map_err(failed)
    }

    /// Reads a value with its pieces.
    pub(super) fn read<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.get(key)?.map(|first| self.decode(key, &first)).transpose()
    }

    pub(super) fn decode<T: DeserializeOwned>(&self, key: &[u8], first: &[u8]) -> Result<T, StoreError> {
        codec::decode(key, first, |piece| self.get(piece))
    }

    pub(super) fn ticket(&self, id: TicketId) -> Result<Option<Ticket>, StoreError> {
        self.read(&keys::ticket(id))
    }

    /// All pairs under a prefix.
    pub(super) fn scan<'a>(&'a self, prefix: &[u8]) -> impl DoubleEndedIterator<Item = Result<(IVec, IVec), StoreError>> + use<'a> {
        self.db.scan_prefix(prefix).map(|pair| pair.map_err(failed))
    }

    /// All pairs in a range of keys.
    pub(super) fn range(&self, range: RangeInclusive<Vec<u8>>) -> impl DoubleEndedIterator<Item = Result<(IVec, IVec), StoreError>> + '_ {
        self.db.range(range).map(|pair| pair.map_err(failed))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.db.is_empty()
    }

    /// Bytes on disk.
    pub(super) fn size_on_disk(&self) -> Result<u64, StoreError> {
        self.db.size_on_disk().map_err(failed)
    }

    /// Bytes that it has written to its log since it was opened, but for some that a long batch writes before it is made durable.
    pub(super) fn logged(&self) -> u64 {
        self.logged.load(Ordering::Relaxed)
    }

    /// Applies a batch and makes it durable.
    pub(super) fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let before = durability::syncs();
        self.apply(batch)?;
        self.flush(before)
    }

    /// Applies a batch: it can be read, and is not durable yet. When this fails, the engine must not be written to again
    /// before it is reopened.
    pub(super) fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        fault::point("commit.before_apply");
        Self::guarded(|| self.db.apply_batch(batch))?;
        fault::point("commit.applied");
        Ok(())
    }

    /// Makes durable what was applied; `before` is the number of syncs before that. When this fails, likewise.
    pub(super) fn flush(&self, before: u64) -> Result<(), StoreError> {
        let logged = Self::guarded(|| self.db.flush())?;
        self.logged.fetch_add(logged as u64, Ordering::Relaxed);
        if durability::syncs() == before {
            durability::sync_file(&self.folder).map_err(io_failed)?;
        }
        fault::point("commit.flushed");
        Ok(())
    }

    /// Makes an error of a panic.
    fn guarded<T>(write: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
        match catch_unwind(AssertUnwindSafe(write)) {
            Ok(written) => written.map_err(failed),
            Err(_) => Err(StoreError::Unavailable("the storage engine panicked while writing".into())),
        }
    }
}

#[cfg(test)]
impl Engine {
    /// One in a folder of its own.
    pub(super) fn temporary() -> std::io::Result<(Self, tempfile::TempDir)> {
        let dir = tempfile::tempdir()?;
        let db = sled::Config::new().path(dir.path()).cache_capacity(1 << 20).flush_every_ms(None).open()?;
        Ok((Self::new(db, dir.path().to_owned()), dir))
    }

    /// Puts values at their keys.
    pub(super) fn put(&self, pairs: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        pairs.for_each(|(key, value)| batch.insert(key, value));
        self.apply(batch)
    }
}

/// Keys of which a batch leaves about as much as one call to the collector clears up.
const KEYS_PER_COLLECTION: usize = 128;

/// Frees what a batch of so many keys has replaced. sled leaves that to the collector, which clears up a little at every
/// 128th look at the tree: fewer than there are in a long batch, so that a desk that is being filled would grow by all that
/// it ever replaced.
pub(super) fn clear_up(keys: usize) {
    for _ in 0..=keys / KEYS_PER_COLLECTION {
        crossbeam_epoch::pin().flush();
    }
}

/// sled's errors in our terms.
pub(super) fn failed(error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(error) => io_failed(error),
        sled::Error::Corruption { .. } => StoreError::Corrupt(error.to_string()),
        other => StoreError::Unavailable(other.to_string()),
    }
}

/// Errors of files in our terms.
#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
pub(super) fn io_failed(error: std::io::Error) -> StoreError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        StoreError::Full(error.to_string())
    } else {
        StoreError::Unavailable(error.to_string())
    }
}
