//! Filling a store with what another one had. While it is under way the target carries a mark: no desk works on it, and
//! whoever was broken off can go on. In the end the target is read again and compared with the source.

use std::sync::Arc;

use serde::Serialize;

use super::{
    Changes, Collection, Expect, LogCursor, NextId, Place, Record, Row, RowKey, RowKind, Snapshot, Store, StoreError, Sum, Tally, fault,
    portable::estimate,
};
use crate::{
    analytics::figures::{Kind, Span},
    types::Seq,
};

/// Records that are read together.
const TOGETHER: usize = 500;
/// Records are written when they have so many bytes.
const PART_BYTES: usize = 512 * 1024;
/// The mark of a store that is not complete yet: a reader of the log that there is not.
const MARK: &str = "unfinished transfer";

/// Why a store was not filled.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The source does not do what it should.
    #[error("the source cannot be read: {0}")]
    Source(StoreError),
    /// The target does not do what it should.
    #[error("the target cannot be written: {0}")]
    Target(StoreError),
    /// There is something in the target.
    #[error("the target is not empty; --force keeps what is there aside and begins anew")]
    NotEmpty,
    /// After all they are not the same.
    #[error("{name} in the target are not those of the source: {there} instead of {here}; empty the target and begin anew")]
    Different {
        /// Of which collection.
        name: &'static str,
        /// What the source has.
        here: String,
        /// What the target has.
        there: String,
    },
}

/// How far a long piece of work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What is being done.
    pub name: &'static str,
    /// How many records of all it has come to.
    pub done: u64,
    /// About how many there are.
    pub about: u64,
}

/// Who hears of steps.
pub type Progress<'a> = &'a (dyn Fn(Step) + Sync);

/// Whether a store holds only a part of what shall be in it.
///
/// # Errors
/// The store's.
pub async fn is_unfinished(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(store.cursor(MARK).await?.version > 0)
}

/// What a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing that somebody would miss.
    Nothing,
    /// A part of what was to be in it: a transfer or restore was broken off.
    Part,
    /// A desk.
    Desk,
}

impl Found {
    /// Looks.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(store: &dyn Store) -> Result<Self, StoreError> {
        if is_unfinished(store).await? {
            return Ok(Self::Part);
        }
        let empty = *store.durable_seq().borrow() == 0 && is_empty(store.snapshot().await?.as_ref()).await?;
        Ok(if empty { Self::Nothing } else { Self::Desk })
    }
}

fn is_mark(record: &Record) -> bool {
    matches!(record, Record::Row(row) if matches!(row.as_ref(), Row::LogCursor(cursor) if cursor.name == MARK))
}

/// A snapshot, read in its order, page by page.
pub struct Walk<'a> {
    snapshot: &'a dyn Snapshot,
    collection: usize,
    after: Option<Place>,
}

/// A page of it.
pub struct Page {
    /// Of which collection.
    pub collection: Collection,
    /// What it follows in its collection.
    pub after: Option<Place>,
    /// The records with their lines.
    pub records: Vec<(Record, Vec<u8>)>,
}

impl<'a> Walk<'a> {
    /// From its beginning.
    #[must_use]
    pub fn new(snapshot: &'a dyn Snapshot) -> Self {
        Self::from(snapshot, (0, None))
    }

    /// From where another walk through the same snapshot has come to.
    #[must_use]
    pub fn from(snapshot: &'a dyn Snapshot, (collection, after): (usize, Option<Place>)) -> Self {
        Self { snapshot, collection, after }
    }

    /// Where it has come to.
    #[must_use]
    pub fn place(self) -> (usize, Option<Place>) {
        (self.collection, self.after)
    }

    /// The next page; `None` at the end.
    ///
    /// # Errors
    /// The store's.
    pub async fn next(&mut self) -> Result<Option<Page>, StoreError> {
        while let Some(collection) = Collection::ALL.get(self.collection).copied() {
            let page = self.snapshot.page(collection, self.after.as_ref(), TOGETHER).await?;
            if let Some(last) = page.last() {
                let after = self.after.replace(last.place());
                let mut records = Vec::with_capacity(page.len());
                for record in page.into_iter().filter(|record| !is_mark(record)) {
                    let line = record.line()?;
                    records.push((record, line));
                }
                return Ok(Some(Page { collection, after, records }));
            }
            self.collection += 1;
            self.after = None;
        }
        Ok(None)
    }
}

/// Counts and hashes of everything in a snapshot, and with which ids it goes on.
///
/// # Errors
/// The store's.
pub async fn sums(snapshot: &dyn Snapshot, heard: &(dyn Fn(u64) + Sync)) -> Result<(Vec<Sum>, Vec<NextId>), StoreError> {
    let (mut tallies, mut ids, mut walk) = (Tallies::default(), Vec::new(), Walk::new(snapshot));
    while let Some(page) = walk.next().await? {
        tallies.page(&page, &mut ids);
        heard(tallies.records());
    }
    Ok((tallies.end(), ids))
}

/// Sums of all collections.
#[derive(Debug, Clone, Default)]
pub struct Tallies {
    tallies: [Tally; Collection::ALL.len()],
    records: u64,
}

impl Tallies {
    /// Adds a line of a collection.
    pub fn add(&mut self, collection: Collection, line: &[u8]) {
        if let Some(at) = Collection::ALL.iter().position(|c| *c == collection) {
            self.tallies[at].add(line);
            self.records += 1;
        }
    }

    fn page(&mut self, page: &Page, ids: &mut Vec<NextId>) {
        for (record, line) in &page.records {
            self.add(page.collection, line);
            if let Record::NextId(id) = record {
                ids.push(*id);
            }
        }
    }

    /// How many lines there were.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// What they come to, in the order of the stream.
    #[must_use]
    pub fn end(self) -> Vec<Sum> {
        Collection::ALL.into_iter().zip(self.tallies).map(|(collection, tally)| tally.end(collection)).collect()
    }
}

/// A store that is being filled.
pub struct Filling<'a> {
    to: &'a dyn Store,
    waiting: Vec<Record>,
    bytes: usize,
    /// The end of the log that was there when it began.
    end: Seq,
    /// What was there when it began, while what comes is the same.
    found: Option<Arc<dyn Snapshot>>,
}

impl<'a> Filling<'a> {
    /// Begins, or goes on with what was broken off.
    ///
    /// # Errors
    /// A target that is not empty.
    pub async fn begin(to: &'a dyn Store) -> Result<Self, TransferError> {
        let state = Found::of(to).await.map_err(TransferError::Target)?;
        let end = *to.durable_seq().borrow();
        let found = to.snapshot().await.map_err(TransferError::Target)?;
        match state {
            Found::Part => return Ok(Self { to, waiting: Vec::new(), bytes: 0, end, found: Some(found) }),
            Found::Desk => return Err(TransferError::NotEmpty),
            Found::Nothing => {}
        }
        let mut changes = Changes::new().overwrite(LogCursor { name: MARK.into(), seq: 0, version: 1 });
        // What a desk makes when it starts is nothing to keep.
        for kind in [RowKind::SetupToken, RowKind::SigningSecret, RowKind::LogCursor] {
            for record in found.page(Collection::Rows(kind), None, usize::MAX).await.map_err(TransferError::Target)? {
                if let Place::Row(key) = record.place() {
                    changes = changes.delete(key, Expect::Any);
                }
            }
        }
        to.commit(changes).await.map_err(TransferError::Target)?;
        fault::point("fill.begun");
        Ok(Self { to, waiting: Vec::new(), bytes: 0, end, found: None })
    }

    /// Takes in a page, unless it is there already.
    ///
    /// # Errors
    /// The target's.
    pub async fn page(&mut self, page: Page) -> Result<(), TransferError> {
        let Page { collection, after, records } = page;
        if let Some(found) = &self.found {
            let mut there = found.page(collection, after.as_ref(), records.len() + 1).await.map_err(TransferError::Target)?;
            there.retain(|record| !is_mark(record));
            if there.iter().take(records.len()).eq(records.iter().map(|(record, _)| record)) {
                return Ok(());
            }
            self.found = None;
        }
        for (record, line) in records {
            self.add(record, line.len()).await?;
        }
        Ok(())
    }

    /// Takes in a record whose line has so many bytes.
    ///
    /// # Errors
    /// The target's.
    pub async fn add(&mut self, record: Record, bytes: usize) -> Result<(), TransferError> {
        if matches!(&record, Record::Entry(entry) if entry.seq <= self.end) {
            return Ok(());
        }
        self.waiting.push(record);
        self.bytes += bytes;
        if self.bytes >= PART_BYTES || self.waiting.len() >= TOGETHER { self.write().await } else { Ok(()) }
    }

    async fn write(&mut self) -> Result<(), TransferError> {
        self.bytes = 0;
        let part = std::mem::take(&mut self.waiting);
        if !part.is_empty() {
            self.to.take_in(part).await.map_err(TransferError::Target)?;
            fault::point("fill.part");
        }
        Ok(())
    }

    /// Writes what waits, makes anew what is derived from it, and compares what is there now with these sums.
    ///
    /// # Errors
    /// The target's, or a difference.
    pub async fn complete(mut self, wanted: &[Sum], ids: &[NextId], heard: &(dyn Fn(u64) + Sync)) -> Result<(), TransferError> {
        self.write().await?;
        self.found = None;
        self.to.settle().await.map_err(TransferError::Target)?;
        fault::point("fill.settled");
        let now = self.to.snapshot().await.map_err(TransferError::Target)?;
        let (there, next) = sums(now.as_ref(), heard).await.map_err(TransferError::Target)?;
        drop(now);
        let shown = |sum: &Sum| format!("{} ({})", sum.rows, sum.sha256.get(..12).unwrap_or_default());
        for collection in Collection::ALL.into_iter().filter(|collection| *collection != Collection::NextIds) {
            let of = |sums: &[Sum]| sums.iter().find(|sum| sum.name == collection.name()).cloned();
            let (here, there) = (of(wanted), of(&there));
            if here != there {
                let shown = |sum: Option<Sum>| sum.as_ref().map_or_else(|| "none".to_owned(), shown);
                return Err(TransferError::Different { name: collection.name(), here: shown(here), there: shown(there) });
            }
        }
        // An empty target may have issued ids of its own.
        for id in ids {
            let there = next.iter().find(|other| other.kind == id.kind).map_or(0, |other| other.next);
            if there < id.next {
                let name = Collection::NextIds.name();
                return Err(TransferError::Different { name, here: id.next.to_string(), there: there.to_string() });
            }
        }
        let done = Changes::new().delete(RowKey::LogCursor(MARK.into()), Expect::Any);
        fault::point("fill.compared");
        self.to.commit(done).await.map_err(TransferError::Target)?;
        fault::point("fill.done");
        Ok(())
    }
}

/// Whether nothing is there that somebody would miss.
async fn is_empty(found: &dyn Snapshot) -> Result<bool, StoreError> {
    let kinds = RowKind::ALL.iter().filter(|kind| !matches!(kind, RowKind::SetupToken | RowKind::SigningSecret | RowKind::LogCursor));
    for kind in kinds {
        if !found.page(Collection::Rows(*kind), None, 1).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Moves everything that one store has into an empty one, or into one that a transfer of the same store has begun to fill.
/// Nobody else may write to either meanwhile. Gives what was moved, collection by collection.
///
/// # Errors
/// A target that is not empty, a store that fails, or a difference in the end.
pub async fn transfer(from: &dyn Store, to: &dyn Store, progress: Progress<'_>) -> Result<Vec<Sum>, TransferError> {
    let source = from.snapshot().await.map_err(TransferError::Source)?;
    let about = estimate(source.as_ref()).await.map_err(TransferError::Source)?;
    let mut filling = Filling::begin(to).await?;
    let (mut tallies, mut ids, mut walk) = (Tallies::default(), Vec::new(), Walk::new(source.as_ref()));
    while let Some(page) = walk.next().await.map_err(TransferError::Source)? {
        let name = page.collection.name();
        tallies.page(&page, &mut ids);
        filling.page(page).await?;
        progress(Step { name, done: tallies.records(), about });
    }
    let sums = tallies.end();
    let total = sums.iter().map(|sum| sum.rows).sum();
    filling.complete(&sums, &ids, &|done| progress(Step { name: "comparing", done, about: total })).await?;
    let spans: Vec<Span> = Kind::ALL.into_iter().map(Span::all).collect();
    let here = from.counters(&spans).await.map_err(TransferError::Source)?;
    let there = to.counters(&spans).await.map_err(TransferError::Target)?;
    if here != there {
        return Err(TransferError::Different { name: "counters", here: here.len().to_string(), there: there.len().to_string() });
    }
    Ok(sums)
}
