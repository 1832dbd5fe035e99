//! What has become of the projections since their file was written: every group of commits adds what it did to them, so that
//! an opening after a crash need not read it from the rows, which are all over sled's file. It is never synced: what is
//! missing at its end, the log and the rows tell ([`super::catch_up`]).

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::Path,
};

use roaring::RoaringBitmap;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    checkpoint::{self, Saved, Stamp},
    gathered::{Bare, Gathered},
    moves::{Moves, TextMoves},
    open::Folder,
    projection::Effect,
    terms::Search,
};
use crate::{store::StoreError, types::Seq};

const MAGIC: &str = "TAQJRNL1";
/// How much is written at a time, in bytes: at most so much is missing after a crash of the process.
const BUFFER: usize = 256 * 1024;
/// So many tickets are gathered before they are put into place.
const BATCH: usize = 16_384;

/// What a step says: the last entry of the log that it follows, the tickets whose texts are forgotten first, then those whose
/// cells are others, and what becomes of both indexes.
type Told = (Seq, Vec<u32>, Vec<Bare>, Moves, Moves);

/// What a group of commits did to the projections, or a part of what was taken in at an opening.
#[derive(Debug)]
pub(super) struct Step(Vec<u8>);

impl Step {
    /// That of a group of commits which ends with this entry; an empty one when there is nothing to follow.
    pub(super) fn of_group(effects: &[Effect], texts: &TextMoves, before: Seq, seq: Seq) -> Result<Self, StoreError> {
        let tickets = effects.iter().filter_map(|effect| match effect {
            Effect::Ticket { after, .. } => Some(Bare::of(after)),
            _ => None,
        });
        let tickets: Vec<Bare> = tickets.collect::<Result<_, _>>()?;
        if seq == before && tickets.is_empty() && texts.is_empty() {
            return Ok(Self(Vec::new()));
        }
        Self::encode(&(seq, [(); 0], tickets, &texts.public, &texts.notes))
    }

    /// The texts of these tickets are forgotten.
    pub(super) fn of_forgotten(tickets: &RoaringBitmap, seq: Seq) -> Result<Self, StoreError> {
        Self::encode(&(seq, tickets.iter().collect::<Vec<_>>(), [(); 0], Moves::default(), Moves::default()))
    }

    /// This was read from rows.
    pub(super) fn of_rows(gathered: &Gathered, seq: Seq) -> Result<Self, StoreError> {
        Self::encode(&(seq, [(); 0], &gathered.tickets, &gathered.public, &gathered.notes))
    }

    fn encode(told: &impl Serialize) -> Result<Self, StoreError> {
        rmp_serde::to_vec(told).map(Self).map_err(|error| StoreError::Corrupt(error.to_string()))
    }
}

/// The journal, at its end. What cannot be written is not kept, and nothing after it: the next checkpoint begins another one.
#[derive(Debug, Default)]
pub(super) struct Journal(Option<End>);

#[derive(Debug)]
struct End {
    file: BufWriter<File>,
    /// The checksum of all that comes before.
    sum: crc32fast::Hasher,
    /// Of all of it.
    bytes: u64,
}

impl Journal {
    /// One that follows this file of the projections.
    pub(super) fn begin(path: &Path, follows: Stamp) -> Self {
        let begun = File::create(path).and_then(|file| {
            let mut end = End { file: BufWriter::with_capacity(BUFFER, file), sum: crc32fast::Hasher::new(), bytes: 0 };
            end.add(&rmp_serde::to_vec(&(MAGIC, follows)).map_err(io::Error::other)?)?;
            end.file.flush()?;
            Ok(end)
        });
        Self(begun.inspect_err(not_written).ok())
    }

    /// The same, in this one's place.
    pub(super) fn begin_anew(&mut self, path: &Path, follows: Stamp) {
        // First it lets go of its file, and with that hands over what is not in it yet.
        self.0 = None;
        *self = Self::begin(path, follows);
    }

    /// The saved projections of a folder, brought up to the end of their journal, and that; a new one when none follows them.
    pub(super) fn load(folder: &Folder) -> Option<(Saved, Self)> {
        let path = folder.journal();
        let (mut saved, replayed) = checkpoint::load(&folder.projection(), |follows, search| replay(&path, follows, search))?;
        let journal = match replayed {
            Some(Replayed { seq, tickets, end }) => {
                saved.projection.take_in(Gathered { tickets, ..Gathered::default() });
                saved.projection.seq = seq;
                Self(Some(end))
            }
            None => Self::begin(&path, saved.stamp),
        };
        Some((saved, journal))
    }

    /// Adds a step.
    pub(super) fn note(&mut self, step: Result<Step, StoreError>) {
        self.keep(|end| match step.map_err(io::Error::other)? {
            Step(nothing) if nothing.is_empty() => Ok(()),
            Step(told) => end.add(&told),
        });
    }

    /// Hands over what is not in the file yet.
    pub(super) fn flush(&mut self) {
        self.keep(|end| end.file.flush());
    }

    /// How much there is of it.
    pub(super) fn bytes(&self) -> u64 {
        self.0.as_ref().map_or(0, |end| end.bytes)
    }

    fn keep(&mut self, write: impl FnOnce(&mut End) -> io::Result<()>) {
        if let Some(end) = self.0.as_mut()
            && let Err(error) = write(end)
        {
            not_written(&error);
            self.0 = None;
        }
    }
}

fn not_written(error: &io::Error) {
    tracing::warn!(%error, "the projections' journal could not be written; the next start may take longer");
}

impl End {
    /// Adds a piece: its length, itself, and the checksum of all that comes before, so that nothing stands for another.
    fn add(&mut self, piece: &[u8]) -> io::Result<()> {
        let length = u32::try_from(piece.len()).map_err(io::Error::other)?.to_le_bytes();
        self.sum.update(&length);
        self.sum.update(piece);
        self.bytes += 2 * size_of::<u32>() as u64 + piece.len() as u64;
        self.file.write_all(&length)?;
        self.file.write_all(piece)?;
        self.file.write_all(&self.sum.clone().finalize().to_le_bytes())
    }
}

/// What a journal tells besides what it has done to the search index.
struct Replayed {
    /// The last entry of the log that it follows.
    seq: Seq,
    /// The tickets that have changed, one after another.
    tickets: Vec<Bare>,
    end: End,
}

/// Has the search index follow the steps that come after this file.
fn replay(path: &Path, follows: Stamp, search: &mut Search) -> Option<Replayed> {
    let file = File::options().read(true).write(true).open(path).ok()?;
    let size = file.metadata().ok()?.len();
    let mut from = Pieces { from: BufReader::with_capacity(BUFFER, file), left: size, sum: crc32fast::Hasher::new() };
    if from.next::<(String, Stamp)>()? != (MAGIC.into(), follows) {
        return None;
    }
    let (mut end, mut changed) = (follows.seq, Vec::new());
    let mut pending = Pending::default();
    while let Some((seq, forgotten, tickets, public, notes)) = from.next::<Told>() {
        if !forgotten.is_empty() || pending.tickets > BATCH {
            std::mem::take(&mut pending).follow_in(search);
            search.forget(&forgotten.into_iter().collect());
        }
        pending.tickets += tickets.len();
        pending.public.join(public);
        pending.notes.join(notes);
        changed.extend(tickets);
        end = seq;
    }
    pending.follow_in(search);
    let Pieces { from, left, sum } = from;
    let (mut file, bytes) = (from.into_inner(), size - left);
    // What was cut off does not come between.
    file.set_len(bytes).and_then(|()| file.seek(SeekFrom::End(0))).inspect_err(not_written).ok()?;
    Some(Replayed { seq: end, tickets: changed, end: End { file: BufWriter::with_capacity(BUFFER, file), sum, bytes } })
}

/// What is to become of both indexes, for a term to be looked up once for many steps.
#[derive(Default)]
struct Pending {
    tickets: usize,
    public: Moves,
    notes: Moves,
}

impl Pending {
    fn follow_in(self, search: &mut Search) {
        search.public.follow(self.public);
        search.notes.follow(self.notes);
    }
}

/// A journal as it is read.
struct Pieces {
    from: BufReader<File>,
    /// Bytes after the last piece.
    left: u64,
    /// The checksum of what was read.
    sum: crc32fast::Hasher,
}

impl Pieces {
    /// The next piece; `None` at the end, and at what is not whole.
    fn next<T: DeserializeOwned>(&mut self) -> Option<T> {
        let length = self.bytes()?;
        let whole = u64::from(u32::from_le_bytes(length)) + 8;
        if whole > self.left {
            return None;
        }
        let mut piece = vec![0; usize::try_from(whole - 8).ok()?];
        self.from.read_exact(&mut piece).ok()?;
        let mut sum = self.sum.clone();
        sum.update(&length);
        sum.update(&piece);
        if u32::from_le_bytes(self.bytes()?) != sum.clone().finalize() {
            return None;
        }
        let told = rmp_serde::from_slice(&piece).ok()?;
        self.sum = sum;
        self.left -= whole;
        Some(told)
    }

    fn bytes(&mut self) -> Option<[u8; 4]> {
        let mut bytes = [0; 4];
        self.from.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::columns::Cell, *};
    use crate::{store::sled::projection::Projection, tickets::query::tests::ticket};

    /// A folder with the file of empty projections and the journal of three steps, of one ticket each.
    fn folder() -> (Folder, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::lock(dir.path()).unwrap();
        let stamp = checkpoint::save(&folder.projection(), "0123456789abcdef", &Projection::default()).unwrap();
        let mut journal = Journal::begin(&folder.journal(), stamp);
        for id in 1..=3 {
            let mut gathered = Gathered { tickets: vec![Bare { id, cell: Cell::of(&ticket()), tags: Vec::new() }], ..Gathered::default() };
            gathered.public.add(id, ["printer".to_owned()]);
            journal.note(Step::of_rows(&gathered, id.into()));
        }
        (folder, dir)
    }

    /// What is loaded: the end, how many tickets are known, and how many are found by a word.
    fn loaded(folder: &Folder) -> (Seq, u64, u64) {
        let projection = Journal::load(folder).unwrap().0.projection;
        (projection.seq, projection.columns.live.len(), projection.search.public.0.get("printer").map_or(0, RoaringBitmap::len))
    }

    #[test]
    fn of_a_journal_that_is_cut_or_damaged_what_comes_before_is_read_and_goes_on() {
        let (folder, _dir) = folder();
        let whole = std::fs::read(folder.journal()).unwrap();
        assert_eq!(loaded(&folder), (3, 3, 3));
        let mut seen = [0; 3];
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            for bytes in [&whole[..at], &damaged] {
                std::fs::write(folder.journal(), bytes).unwrap();
                let (seq, known, found) = loaded(&folder);
                assert!(seq < 3 && known.cast_signed() == seq && found == known, "{at}: {seq}, {known}, {found}");
                seen[usize::try_from(known).unwrap()] += 1;
                // What was read is still there, and what comes then is read too.
                Journal::load(&folder).unwrap().1.note(Step::of_rows(&Gathered::default(), 9));
                assert_eq!(loaded(&folder), (9, known, found), "{at}");
            }
        }
        assert!(seen.iter().all(|times| *times > 50), "{seen:?}");
    }

    #[test]
    fn the_journal_of_another_file_is_not_read_even_if_that_ended_with_the_same_entry() {
        let (folder, _dir) = folder();
        checkpoint::save(&folder.projection(), "another store's", &Projection::default()).unwrap();
        assert_eq!(loaded(&folder), (0, 0, 0));
    }

    #[test]
    fn where_nothing_can_be_written_there_is_none() {
        let (folder, _dir) = folder();
        std::fs::remove_file(folder.journal()).unwrap();
        std::fs::create_dir(folder.journal()).unwrap();
        let mut journal = Journal::load(&folder).unwrap().1;
        journal.note(Step::of_rows(&Gathered::default(), 1));
        journal.flush();
        assert!(journal.0.is_none());
    }
}
