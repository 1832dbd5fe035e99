//! The projections' file: written whole, with the log's end that it stands for and a checksum; a missing, damaged or
//! foreign one only costs the time to build them anew from the rows ([`super::catch_up`]).

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    panic::resume_unwind,
    path::Path,
    thread,
};

use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use super::{
    columns::{Cell, Columns, Outcome},
    durability,
    figures::Figures,
    open::Identity,
    projection::Projection,
    terms::{Index, Search},
};
use crate::{
    analytics::figures::{Amount, Key, Kind},
    store::fault,
    tickets::model::{Priority, Status},
    types::Seq,
};

/// Another one since what came after a checkpoint is [marked](super::keys::prefix::ANEW).
const MAGIC: &[u8; 8] = b"TAQPROJ3";
/// The bytes of the checksum at the end.
const SUM: u64 = 4;
/// How much is written and read at a time, in bytes.
const BUFFER: usize = 256 * 1024;

/// What passes through, with its checksum.
struct Summed<T> {
    inner: T,
    sum: crc32fast::Hasher,
}

impl<T> Summed<T> {
    fn new(inner: T) -> Self {
        Self { inner, sum: crc32fast::Hasher::new() }
    }
}

impl<T: Read> Read for Summed<T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.sum.update(&into[..read]);
        Ok(read)
    }
}

impl<T: Write> Write for Summed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Which file it is, for the [journal](super::journal) that follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// The last entry of the log that it has followed.
    pub(super) seq: Seq,
    /// Its checksum.
    sum: u32,
}

/// Writes the columns, the counters and the search index; people are few and are read from their rows. The file is never
/// whole in memory, nor when it is read: that of a million tickets has 130 MiB.
pub(super) fn save(path: &Path, identity: &str, projection: &Projection) -> io::Result<Stamp> {
    let mut stamp = Stamp { seq: projection.seq, sum: 0 };
    durability::replace_file(path, |file| {
        let mut to = BufWriter::with_capacity(BUFFER, Summed::new(file));
        put(&mut to, identity, projection)?;
        let Summed { inner: file, sum } = to.into_inner().map_err(io::IntoInnerError::into_error)?;
        stamp.sum = sum.finalize();
        file.write_all(&stamp.sum.to_le_bytes())
    })?;
    fault::point("checkpoint.written");
    Ok(stamp)
}

fn put(to: &mut impl Write, identity: &str, projection: &Projection) -> io::Result<()> {
    to.write_all(MAGIC)?;
    put_text(to, identity)?;
    to.write_all(&projection.seq.to_le_bytes())?;
    let columns = &projection.columns;
    to.write_all(&(columns.live.len() + columns.deleted.len()).to_le_bytes())?;
    for (id, cell) in columns.cells() {
        to.write_all(&id.to_le_bytes())?;
        let Outcome { first_response_at, resolved_at, first_response, resolution } = cell.outcome;
        for number in [cell.created_at, cell.updated_at, cell.due_at, cell.creator, cell.assignee, first_response_at, resolved_at] {
            to.write_all(&number.to_le_bytes())?;
        }
        for number in [first_response, resolution] {
            to.write_all(&number.to_le_bytes())?;
        }
        to.write_all(&[cell.status as u8, cell.priority as u8, u8::from(cell.deleted)])?;
    }
    put_figures(to, &projection.figures)?;
    put_bitmaps(to, columns.tags.iter().map(|(tag, ids)| (&**tag, ids)), columns.tags.len())?;
    for index in [&projection.search.public, &projection.search.notes] {
        put_bitmaps(to, index.0.iter().map(|(term, ids)| (&**term, ids)), index.0.len())?;
    }
    Ok(())
}

/// What such a file holds.
#[derive(Debug)]
pub(super) struct Saved {
    identity: String,
    pub(super) stamp: Stamp,
    pub(super) projection: Projection,
}

impl Saved {
    /// The projections, if they are those of this store, up to an entry that it has.
    pub(super) fn of(self, identity: &Identity) -> Option<Projection> {
        if self.identity != identity.id {
            tracing::warn!("the projections' file is another store's; they are built anew");
            return None;
        }
        if self.projection.seq > identity.seq {
            tracing::warn!(has = identity.seq, saved = self.projection.seq, "the projections are ahead of the log; they are built anew");
            return None;
        }
        Some(self.projection)
    }
}

/// Reads the file; `None` when there is none that can be used. What else is made of the search index is done while the columns are
/// made, which takes as long as to read all of the file.
pub(super) fn load<T>(path: &Path, meanwhile: impl FnOnce(Stamp, &mut Search) -> T) -> Option<(Saved, T)> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(%error, "the projections' file cannot be read; they are built anew");
            return None;
        }
    };
    let read = read(file, meanwhile);
    if read.is_none() {
        tracing::warn!("the projections' file is damaged or an earlier version's; they are built anew");
    }
    read
}

/// The file as it is read.
type Content = BufReader<Summed<io::Take<File>>>;

fn read<T>(file: File, meanwhile: impl FnOnce(Stamp, &mut Search) -> T) -> Option<(Saved, T)> {
    let content = file.metadata().ok()?.len().checked_sub(SUM)?;
    // It may be anything until the sum has been compared.
    let mut from = BufReader::with_capacity(BUFFER, Summed::new(file.take(content)));
    if get(&mut from)? != *MAGIC {
        return None;
    }
    let identity = get_text(&mut from)?;
    let seq = Seq::from_le_bytes(get(&mut from)?);
    let count = u64::from_le_bytes(get(&mut from)?);
    let mut columns = Columns::of((0..count).map(|_| get_cell(&mut from).ok_or(()))).ok()?;
    let (derived, rest) = thread::scope(|scope| {
        let deriving = thread::Builder::new().name("columns".into()).spawn_scoped(scope, || columns.derive());
        let rest = read_rest(from).map(|mut rest| {
            let stamp = Stamp { seq, sum: rest.sum };
            let done = meanwhile(stamp, &mut rest.search);
            (stamp, rest, done)
        });
        (deriving.map(|deriving| deriving.join().unwrap_or_else(|panic| resume_unwind(panic))), rest)
    });
    if derived.is_err() {
        // There was no room for a thread.
        columns.derive();
    }
    let (stamp, Rest { figures, tags, search, .. }, done) = rest?;
    columns.tags = tags;
    Some((Saved { identity, stamp, projection: Projection { columns, figures, search, seq, ..Projection::default() } }, done))
}

/// What comes after the cells.
struct Rest {
    figures: Figures,
    tags: HashMap<Box<str>, RoaringBitmap>,
    search: Search,
    /// The checksum of the whole content, as it should be and is.
    sum: u32,
}

fn read_rest(mut from: Content) -> Option<Rest> {
    let figures = get_figures(&mut from)?;
    let tags = get_bitmaps(&mut from)?.into_iter().collect();
    let search = Search { public: Index(get_bitmaps(&mut from)?), notes: Index(get_bitmaps(&mut from)?) };
    if !from.fill_buf().ok()?.is_empty() {
        return None;
    }
    let Summed { inner, sum } = from.into_inner();
    let sum = sum.finalize();
    (u32::from_le_bytes(get(&mut inner.into_inner())?) == sum).then_some(Rest { figures, tags, search, sum })
}

fn get_cell(from: &mut impl Read) -> Option<(u32, Cell)> {
    let id = u32::from_le_bytes(get(from)?);
    let mut number = || get(from).map(i64::from_le_bytes);
    let (created_at, updated_at, due_at, creator, assignee) = (number()?, number()?, number()?, number()?, number()?);
    let (first_response_at, resolved_at) = (number()?, number()?);
    let mut verdict = || get(from).map(i32::from_le_bytes);
    let outcome = Outcome { first_response_at, resolved_at, first_response: verdict()?, resolution: verdict()? };
    let [status, priority, deleted] = get(from)?;
    let status = *Status::ALL.get(usize::from(status))?;
    let priority = *Priority::ALL.get(usize::from(priority))?;
    Some((id, Cell { created_at, updated_at, due_at, creator, assignee, status, priority, deleted: deleted != 0, outcome }))
}

fn put_text(to: &mut impl Write, text: &str) -> io::Result<()> {
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(text.as_bytes())
}

fn put_bitmaps<'a>(to: &mut impl Write, maps: impl Iterator<Item = (&'a str, &'a RoaringBitmap)>, count: usize) -> io::Result<()> {
    to.write_all(&(count as u64).to_le_bytes())?;
    for (key, ids) in maps {
        put_text(to, key)?;
        ids.serialize_into(&mut *to)?;
    }
    Ok(())
}

fn put_figures(to: &mut impl Write, figures: &Figures) -> io::Result<()> {
    to.write_all(&(figures.counters.len() as u64).to_le_bytes())?;
    for (key, amount) in &figures.counters {
        to.write_all(&[key.kind.code()])?;
        to.write_all(&key.at.to_le_bytes())?;
        for number in [key.of, amount.tickets, amount.micros] {
            to.write_all(&number.to_le_bytes())?;
        }
    }
    Ok(())
}

fn get_figures(from: &mut impl Read) -> Option<Figures> {
    let count = u64::from_le_bytes(get(from)?);
    let mut figures = Figures::default();
    for _ in 0..count {
        let [kind] = get(from)?;
        let at = i32::from_le_bytes(get(from)?);
        let mut number = || get(from).map(i64::from_le_bytes);
        let key = Key { kind: Kind::from_code(kind)?, at, of: number()? };
        figures.counters.insert(key, Amount { tickets: number()?, micros: number()? });
    }
    Some(figures)
}

pub(super) fn get<const N: usize>(from: &mut impl Read) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn get_text(from: &mut impl Read) -> Option<String> {
    let length = u32::from_le_bytes(get(from)?);
    let mut text = String::new();
    from.by_ref().take(length.into()).read_to_string(&mut text).ok()?;
    (text.len() == usize::try_from(length).ok()?).then_some(text)
}

fn get_bitmaps(from: &mut impl Read) -> Option<BTreeMap<Box<str>, RoaringBitmap>> {
    let count = u64::from_le_bytes(get(from)?);
    // A map is made of all of them at once; terms are written in their order.
    (0..count).map(|_| Some((get_text(from)?.into(), RoaringBitmap::deserialize_from(from.by_ref()).ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: &str = "0123456789abcdef";

    fn own(saved: Saved) -> Option<Projection> {
        saved.of(&Identity { id: IDENTITY.into(), seq: 41 })
    }

    /// A projection with something of every kind.
    fn projection() -> Projection {
        let mut projection = Projection { seq: 41, ..Projection::default() };
        for id in [1, 2, 5_000] {
            let outcome = Outcome { first_response_at: 7, resolved_at: i64::MIN, first_response: 3, resolution: i32::MIN };
            let (created_at, updated_at, due_at) = (i64::from(id), 9, i64::MAX);
            let (status, priority, deleted) = (Status::Pending, Priority::High, id == 2);
            let cell = Cell { created_at, updated_at, due_at, creator: 1, assignee: 0, status, priority, deleted, outcome };
            projection.columns.put(id, cell, &[], &["vpn".into()]);
            for term in ["the", "printer", "is", "on", "fire"] {
                projection.search.public.0.entry(term.into()).or_default().insert(id);
            }
        }
        projection.search.notes.0.entry("again".into()).or_default().insert(1);
        projection.figures.counters.insert(Key { kind: Kind::Created, at: 3, of: -1 }, Amount { tickets: 2, micros: -5 });
        projection
    }

    #[test]
    fn what_was_saved_is_loaded_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("projection");
        let saved = projection();
        save(&path, IDENTITY, &saved).unwrap();
        let load = |path: &Path| Some(load(path, |_, _| ())?.0);
        let loaded = load(&path).and_then(own).unwrap();
        assert_eq!((loaded.seq, loaded.columns, loaded.search), (saved.seq, saved.columns, saved.search));
        assert_eq!(loaded.figures, saved.figures);

        for (id, seq) in [("another", 41), (IDENTITY, 40)] {
            assert!(load(&path).unwrap().of(&Identity { id: id.into(), seq }).is_none(), "{id}, {seq}");
        }
        assert!(load(&dir.path().join("missing")).is_none());
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(&path, &bytes).unwrap();
            assert!(load(&path).is_none(), "byte {at} is another one");
            std::fs::write(&path, &whole[..at]).unwrap();
            assert!(load(&path).is_none(), "it ends after {at} bytes");
        }
        std::fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
        assert!(load(&path).is_none(), "there is more than there was");
    }
}
