//! What has become of the projections since their file was written: every group of commits adds what it did to them, so that
//! an opening after a crash need not read it from the rows, which are all over sled's file. It is never synced: what is
//! missing at its end, the log and the rows tell ([`super::catch_up`]).

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::Path,
};

use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    catch_up::BATCH,
    checkpoint::{self, Saved, Stamp},
    gathered::{Bare, Gathered},
    moves::{Moves, TextMoves},
    open::Folder,
    projection::Effect,
    terms::Search,
};
use crate::{store::StoreError, types::Seq};

/// Another one when [`Told`], or anything in it, is another.
const MAGIC: &str = "TAQJRNL1";
/// How much is written at a time, in bytes: at most so much is missing after a crash of the process.
const BUFFER: usize = 256 * 1024;
/// Bytes of a piece besides what it tells: its length, and a checksum.
const FRAME: u64 = 8;

/// What a step tells.
#[derive(Serialize, Deserialize)]
struct Told<T, M> {
    /// The last entry of the log that it follows.
    seq: Seq,
    /// Tickets whose texts are forgotten first.
    forgotten: Vec<u32>,
    /// Those whose cells are others, one after another.
    tickets: T,
    /// What becomes of both indexes.
    public: M,
    notes: M,
}

impl<T: Serialize, M: Serialize> Told<T, M> {
    fn encode(&self) -> io::Result<Vec<u8>> {
        rmp_serde::to_vec(self).map_err(io::Error::other)
    }
}

/// What a group of commits does to the projections, to be noted when it has been written; `None` when nobody wants to know.
pub(super) struct Step(Option<io::Result<Vec<u8>>>);

/// The journal, at its end. When something cannot be written, it ends there, and the next checkpoint begins another one.
#[derive(Debug, Default)]
pub(super) struct Journal(Option<Open>);

#[derive(Debug)]
struct Open {
    file: BufWriter<File>,
    /// The checksum of all that is in it.
    sum: crc32fast::Hasher,
    /// How much that is.
    bytes: u64,
}

impl Journal {
    /// One that follows this file of the projections.
    fn begin(path: &Path, follows: Stamp) -> Self {
        let begun = File::create(path).and_then(|file| {
            let mut open = Open { file: BufWriter::with_capacity(BUFFER, file), sum: crc32fast::Hasher::new(), bytes: 0 };
            open.add(&rmp_serde::to_vec(&(MAGIC, follows)).map_err(io::Error::other)?)?;
            open.file.flush()?;
            Ok(open)
        });
        Self(begun.inspect_err(not_written).ok())
    }

    /// Ends, and begins another one.
    pub(super) fn begin_anew(&mut self, path: &Path, follows: Stamp) {
        // First it lets go of its file, and with that hands over what is not in it yet.
        self.0 = None;
        *self = Self::begin(path, follows);
    }

    /// What this group of commits does, which brings the log from one entry to another.
    pub(super) fn step(&self, effects: &[Effect], texts: &TextMoves, before: Seq, seq: Seq) -> Step {
        if self.0.is_none() {
            return Step(None);
        }
        let tickets = effects.iter().filter_map(|effect| match effect {
            Effect::Ticket { after, .. } => Some(Bare::of(after)),
            _ => None,
        });
        let tickets: Result<Vec<Bare>, StoreError> = tickets.collect();
        if seq == before && tickets.as_ref().is_ok_and(Vec::is_empty) && texts.is_empty() {
            return Step(None);
        }
        let (public, notes) = (&texts.public, &texts.notes);
        let told =
            tickets.map_err(io::Error::other).and_then(|tickets| Told { seq, forgotten: Vec::new(), tickets, public, notes }.encode());
        Step(Some(told))
    }

    /// Adds what a group of commits has done.
    pub(super) fn note(&mut self, step: Step) {
        if let Some(told) = step.0 {
            self.keep(|open| open.add(&told?));
        }
    }

    /// Adds that the texts of these tickets are forgotten.
    pub(super) fn note_forgotten(&mut self, tickets: &RoaringBitmap, seq: Seq) {
        let (forgotten, none) = (tickets.iter().collect(), Moves::default());
        self.keep(|open| open.add(&Told { seq, forgotten, tickets: [(); 0], public: &none, notes: &none }.encode()?));
    }

    /// Adds what was read from rows.
    pub(super) fn note_rows(&mut self, gathered: &Gathered, seq: Seq) {
        let Gathered { tickets, public, notes } = gathered;
        self.keep(|open| open.add(&Told { seq, forgotten: Vec::new(), tickets, public, notes }.encode()?));
    }

    /// Hands over what is not in the file yet.
    pub(super) fn flush(&mut self) {
        self.keep(|open| open.file.flush());
    }

    /// How much there is of it.
    pub(super) fn bytes(&self) -> u64 {
        self.0.as_ref().map_or(0, |open| open.bytes)
    }

    fn keep(&mut self, write: impl FnOnce(&mut Open) -> io::Result<()>) {
        if let Some(open) = self.0.as_mut()
            && let Err(error) = write(open)
        {
            not_written(&error);
            self.0 = None;
        }
    }
}

fn not_written(error: &io::Error) {
    tracing::warn!(%error, "the projections' journal could not be written; the next start may take longer");
}

impl Open {
    /// Adds a piece: its length, itself, and the checksum of all that comes before, so that nothing stands for another.
    fn add(&mut self, piece: &[u8]) -> io::Result<()> {
        let length = u32::try_from(piece.len()).map_err(io::Error::other)?.to_le_bytes();
        self.sum.update(&length);
        self.sum.update(piece);
        self.bytes += FRAME + piece.len() as u64;
        self.file.write_all(&length)?;
        self.file.write_all(piece)?;
        self.file.write_all(&self.sum.clone().finalize().to_le_bytes())
    }
}

/// The saved projections of a folder, brought up to the end of their journal, and where that is. The folder stays as it is.
pub(super) fn load(folder: &Folder) -> Option<(Saved, End)> {
    let path = folder.journal();
    let (mut saved, replayed) = checkpoint::load(&folder.projection(), |follows, search| replay(&path, follows, search))?;
    let mut end = End { follows: saved.stamp, read: None };
    if let Some(Replayed { seq, tickets, bytes, sum }) = replayed {
        saved.projection.take_in(Gathered { tickets: tickets.into_values().collect(), ..Gathered::default() });
        saved.projection.seq = seq;
        end.read = Some((bytes, sum));
    }
    Some((saved, end))
}

/// The end of a journal that was read.
#[derive(Debug)]
pub(super) struct End {
    follows: Stamp,
    /// So many bytes, with their checksum; `None` when there is no journal that follows this file.
    read: Option<(u64, crc32fast::Hasher)>,
}

impl End {
    /// From here on, without what was cut off; or a new one.
    pub(super) fn go_on(self, path: &Path) -> Journal {
        let Some((bytes, sum)) = self.read else { return Journal::begin(path, self.follows) };
        let open = File::options().write(true).open(path).and_then(|mut file| {
            file.set_len(bytes)?;
            file.seek(SeekFrom::End(0))?;
            Ok(Open { file: BufWriter::with_capacity(BUFFER, file), sum, bytes })
        });
        Journal(open.inspect_err(not_written).ok())
    }
}

/// What a journal tells, besides what it has done to the search index.
struct Replayed {
    seq: Seq,
    /// The tickets that have changed, as they came to be.
    tickets: BTreeMap<u32, Bare>,
    bytes: u64,
    sum: crc32fast::Hasher,
}

/// Has the search index follow the steps that come after this file.
fn replay(path: &Path, follows: Stamp, search: &mut Search) -> Option<Replayed> {
    let file = File::open(path).ok()?;
    let size = file.metadata().ok()?.len();
    let mut from = Pieces { from: BufReader::with_capacity(BUFFER, file), left: size, sum: crc32fast::Hasher::new() };
    if from.next::<(String, Stamp)>()? != (MAGIC.into(), follows) {
        return None;
    }
    let (mut end, mut changed) = (follows.seq, BTreeMap::new());
    // A term is looked up once for many steps.
    let (mut steps, mut public, mut notes) = (0, Moves::default(), Moves::default());
    while let Some(told) = from.next::<Told<Vec<Bare>, Moves>>() {
        if steps > BATCH || !told.forgotten.is_empty() {
            search.follow(std::mem::take(&mut public), std::mem::take(&mut notes));
            search.forget(&told.forgotten.into_iter().collect());
            steps = 0;
        }
        steps += told.tickets.len();
        public.join(told.public);
        notes.join(told.notes);
        changed.extend(told.tickets.into_iter().map(|ticket| (ticket.id, ticket)));
        end = told.seq;
    }
    search.follow(public, notes);
    Some(Replayed { seq: end, tickets: changed, bytes: size - from.left, sum: from.sum })
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
        let length = checkpoint::get(&mut self.from)?;
        let size = u64::from(u32::from_le_bytes(length));
        let left = self.left.checked_sub(FRAME + size)?;
        let mut piece = vec![0; usize::try_from(size).ok()?];
        self.from.read_exact(&mut piece).ok()?;
        let mut sum = self.sum.clone();
        sum.update(&length);
        sum.update(&piece);
        if u32::from_le_bytes(checkpoint::get(&mut self.from)?) != sum.clone().finalize() {
            return None;
        }
        let told = rmp_serde::from_slice(&piece).ok()?;
        (self.sum, self.left) = (sum, left);
        Some(told)
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
            journal.note_rows(&gathered, id.into());
        }
        (folder, dir)
    }

    /// What is loaded: the end, how many tickets are known, and how many are found by a word.
    fn loaded(folder: &Folder) -> (Seq, u64, u64) {
        let projection = load(folder).unwrap().0.projection;
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
                assert_eq!(std::fs::read(folder.journal()).unwrap(), bytes, "it stays as it is");
                seen[usize::try_from(known).unwrap()] += 1;
                // What was read is still there, and what comes then is read too.
                load(&folder).unwrap().1.go_on(&folder.journal()).note_rows(&Gathered::default(), 9);
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
    fn what_cannot_be_written_ends_it() {
        let (folder, _dir) = folder();
        let full = || File::options().write(true).open("/dev/full").unwrap();
        let open = Open { file: BufWriter::with_capacity(BUFFER, full()), sum: crc32fast::Hasher::new(), bytes: 0 };
        let mut journal = Journal(Some(open));
        journal.note_rows(&Gathered::default(), 1);
        assert!(journal.bytes() > 0, "it waits to be handed over");
        journal.flush();
        assert!(journal.0.is_none());
        journal.note_rows(&Gathered::default(), 2);

        std::fs::remove_file(folder.journal()).unwrap();
        std::fs::create_dir(folder.journal()).unwrap();
        assert!(load(&folder).unwrap().1.go_on(&folder.journal()).0.is_none());
    }
}
