//! The file: JSON Lines in gzip. The first line says what it is, the last one is the manifest with counts and hashes, and
//! between them stands one record a line, such as `{"tickets":{…}}`, in the order of the stream. `zcat` shows it.

use std::io::{self, BufRead, BufReader, Read, Write};

use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::{
    store::{Collection, FORMAT, Record, Sum, transfer::Tallies},
    types::{Seq, Timestamp, hex},
};

/// The longest line; the longest values that the desk takes stay far below.
const LONGEST_LINE: u64 = 64 * 1024 * 1024;

/// What a file says of itself first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format.
    pub format: u32,
    /// The version of taquilla that made it.
    pub version: String,
    /// As of when the desk is in it.
    pub made_at: Timestamp,
    /// From which kind of store it comes.
    pub store: String,
    /// Whether passwords' hashes, sessions, tokens and keys are in it.
    pub credentials: bool,
    /// The last entry of the log in it.
    pub log_end: Seq,
}

impl Header {
    /// The header of a file made now.
    #[must_use]
    pub fn new(made_at: Timestamp, store: &str, credentials: bool, log_end: Seq) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT, version, made_at, store: store.to_owned(), credentials, log_end }
    }

    /// Refuses what a newer version has made.
    ///
    /// # Errors
    /// A format that is not known.
    pub fn check(&self) -> Result<(), ArchiveError> {
        if self.format == 0 || self.format > FORMAT {
            return Err(ArchiveError::Newer { format: self.format, version: self.version.clone() });
        }
        Ok(())
    }
}

/// What a file says of itself at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Counts and hashes, in the order of the stream.
    pub collections: Vec<Sum>,
    /// SHA-256 of all lines before this one, in hexadecimal.
    pub sha256: String,
}

/// What is in a file.
#[derive(Debug, Clone, Serialize)]
pub struct Content {
    /// What it says first.
    pub header: Header,
    /// What it says in the end.
    pub manifest: Manifest,
}

impl Content {
    /// How many records there are.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.manifest.collections.iter().map(|sum| sum.rows).sum()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct First {
    taquilla_backup: Header,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Last {
    manifest: Manifest,
}

/// Why a file is not taken for what it says it is.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("it is not a backup or export of Taquilla")]
    Foreign,
    /// A newer version made it.
    #[error("it was made by taquilla {version} in format {format}, and this version reads formats up to {FORMAT}: use the newer taquilla")]
    Newer {
        /// The format.
        format: u32,
        /// The version that made it.
        version: String,
    },
    /// It ends too early.
    #[error("it is cut off: its end, with the manifest, is missing")]
    CutOff,
    /// It is not what was written.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

fn damaged(what: impl Into<String>) -> ArchiveError {
    ArchiveError::Damaged(what.into())
}

/// What decoding says of damage, apart from errors of the disk.
fn unreadable(error: io::Error) -> ArchiveError {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => damaged(error.to_string()),
        io::ErrorKind::UnexpectedEof => ArchiveError::CutOff,
        _ => ArchiveError::Io(error),
    }
}

/// Writes a file.
pub struct Writer<W: Write> {
    out: GzEncoder<W>,
    hash: Sha256,
    tallies: Tallies,
}

impl<W: Write> Writer<W> {
    /// Begins with the first line.
    ///
    /// # Errors
    /// The writer's.
    pub fn begin(out: W, header: Header) -> io::Result<Self> {
        let mut writer = Self { out: GzEncoder::new(out, Compression::fast()), hash: Sha256::new(), tallies: Tallies::default() };
        let line = serde_json::to_vec(&First { taquilla_backup: header })?;
        writer.line(&[&line])?;
        Ok(writer)
    }

    fn line(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        for part in parts.iter().chain(&[&b"\n"[..]]) {
            self.hash.update(part);
            self.out.write_all(part)?;
        }
        Ok(())
    }

    /// Writes a record, given as its line.
    ///
    /// # Errors
    /// The writer's.
    pub fn record(&mut self, collection: Collection, line: &[u8]) -> io::Result<()> {
        self.tallies.add(collection, line);
        self.line(&[b"{\"", collection.name().as_bytes(), b"\":", line, b"}"])
    }

    /// What has been written so far and is ready, to be taken away.
    pub fn get_mut(&mut self) -> &mut W {
        self.out.get_mut()
    }

    /// Ends with the manifest.
    ///
    /// # Errors
    /// The writer's.
    pub fn finish(mut self) -> io::Result<(W, Manifest)> {
        let manifest = Manifest { collections: self.tallies.end(), sha256: hex(&self.hash.finalize()) };
        serde_json::to_writer(&mut self.out, &Last { manifest: manifest.clone() })?;
        self.out.write_all(b"\n")?;
        Ok((self.out.finish()?, manifest))
    }
}

/// Reads a file, checking it on the way.
pub struct Reader<R: Read> {
    lines: BufReader<GzDecoder<BufReader<R>>>,
    header: Header,
    hash: Sha256,
    tallies: Tallies,
    collection: usize,
}

impl<R: Read> Reader<R> {
    /// Begins with the first line.
    ///
    /// # Errors
    /// What is not such a file, or one of a newer format.
    pub fn begin(from: R) -> Result<Self, ArchiveError> {
        let mut from = BufReader::new(from);
        if !from.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
            return Err(ArchiveError::Foreign);
        }
        let mut lines = BufReader::new(GzDecoder::new(from));
        let mut hash = Sha256::new();
        let line = next_line(&mut lines)?.ok_or(ArchiveError::Foreign)?;
        // Read loosely: a newer format may say more.
        let first: serde_json::Value = serde_json::from_slice(&line).map_err(|_| ArchiveError::Foreign)?;
        let said = first.get("taquilla_backup").ok_or(ArchiveError::Foreign)?;
        let format = said.get("format").and_then(serde_json::Value::as_u64).ok_or(ArchiveError::Foreign)?;
        if format > u64::from(FORMAT) {
            let version = said.get("version").and_then(serde_json::Value::as_str).unwrap_or("?").to_owned();
            return Err(ArchiveError::Newer { format: u32::try_from(format).unwrap_or(u32::MAX), version });
        }
        let First { taquilla_backup: header } =
            serde_json::from_slice(&line).map_err(|error| damaged(format!("its first line: {error}")))?;
        header.check()?;
        hash.update(&line);
        hash.update(b"\n");
        Ok(Self { lines, header, hash, tallies: Tallies::default(), collection: 0 })
    }

    /// What it says of itself.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The next record, or the manifest when that was the last one and the file is whole.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn next_record(&mut self) -> Result<Next, ArchiveError> {
        let line = next_line(&mut self.lines)?.ok_or(ArchiveError::CutOff)?;
        let tagged: std::collections::BTreeMap<&str, &RawValue> =
            serde_json::from_slice(&line).map_err(|error| damaged(format!("a line that is none of its own: {error}")))?;
        let (Some((name, value)), 1) = (tagged.first_key_value(), tagged.len()) else {
            return Err(damaged("a line that is none of its own"));
        };
        if *name == "manifest" {
            let Last { manifest } = serde_json::from_slice(&line).map_err(|error| damaged(format!("its manifest: {error}")))?;
            return self.end(manifest).map(Next::End);
        }
        let at = Collection::ALL.iter().position(|collection| collection.name() == *name);
        let at = at.ok_or_else(|| damaged(format!("an unknown collection {name:?}")))?;
        if at < self.collection {
            return Err(damaged(format!("{name} are not in their place")));
        }
        self.collection = at;
        let collection = Collection::ALL[at];
        let json = value.get().as_bytes();
        self.tallies.add(collection, json);
        let record = Record::parse(collection, json).map_err(|error| damaged(format!("a record of {name}: {error}")))?;
        let bytes = json.len();
        self.hash.update(&line);
        self.hash.update(b"\n");
        Ok(Next::Record { record: Box::new(record), bytes })
    }

    /// The manifest agrees with what was read, and nothing follows it.
    fn end(&mut self, manifest: Manifest) -> Result<Manifest, ArchiveError> {
        let hash = std::mem::take(&mut self.hash);
        if next_line(&mut self.lines)?.is_some() {
            return Err(damaged("something follows its manifest"));
        }
        if !self.lines.get_mut().get_mut().fill_buf()?.is_empty() {
            return Err(damaged("something follows its end"));
        }
        if hex(&hash.finalize()) != manifest.sha256 {
            return Err(damaged("its lines are not those that its manifest was made of"));
        }
        if std::mem::take(&mut self.tallies).end() != manifest.collections {
            return Err(damaged("its records are not those of its manifest"));
        }
        Ok(manifest)
    }
}

/// What comes next in a file.
#[derive(Debug)]
pub enum Next {
    /// A record, and how many bytes its line has.
    Record {
        /// The record.
        record: Box<Record>,
        /// The length of its line.
        bytes: usize,
    },
    /// The end: everything has been read, and it is whole.
    End(Manifest),
}

/// The next line without its end.
pub(super) fn next_line(from: &mut impl BufRead) -> Result<Option<Vec<u8>>, ArchiveError> {
    let mut line = Vec::new();
    from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(unreadable)?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() as u64 + 1 == LONGEST_LINE => Err(damaged("a line that is too long")),
        Some(_) => Err(ArchiveError::CutOff),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{IdKind, NextId};

    fn header() -> Header {
        Header::new("2026-11-26T01:02:03Z".parse().unwrap(), "sled", true, 0)
    }

    fn small() -> Vec<u8> {
        let mut writer = Writer::begin(Vec::new(), header()).unwrap();
        for (kind, next) in [(IdKind::Ticket, 8), (IdKind::User, 3)] {
            writer.record(Collection::NextIds, &Record::NextId(NextId { kind, next }).line().unwrap()).unwrap();
        }
        writer.finish().unwrap().0
    }

    fn read(file: &[u8]) -> Result<(Vec<Record>, Manifest), ArchiveError> {
        let mut reader = Reader::begin(file)?;
        let mut records = Vec::new();
        loop {
            match reader.next_record()? {
                Next::Record { record, .. } => records.push(*record),
                Next::End(manifest) => return Ok((records, manifest)),
            }
        }
    }

    fn zipped(lines: &str) -> Vec<u8> {
        let mut out = GzEncoder::new(Vec::new(), Compression::fast());
        out.write_all(lines.as_bytes()).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn what_was_written_is_read() {
        let (records, manifest) = read(&small()).unwrap();
        assert_eq!(records.len(), 2);
        assert_eq!(manifest.collections.last().map(|sum| sum.rows), Some(2));
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_noticed() {
        let file = small();
        // Time, flags and system in the gzip header carry nothing.
        for at in (0..4).chain(10..file.len()) {
            let mut flipped = file.clone();
            flipped[at] ^= 0x10;
            // Before the eight bytes of length and sum, some bits only fill up the last byte of the stream.
            let fills = at == file.len() - 9 && read(&flipped).is_ok_and(|same| same == read(&file).unwrap());
            assert!(fills || read(&flipped).is_err(), "byte {at}");
        }
        for length in 0..file.len() {
            assert!(read(&file[..length]).is_err(), "{length} bytes");
        }
        assert!(read(&[&file[..], b"x"].concat()).is_err());
        assert!(read(&[&file[..], &file[..]].concat()).is_err());
    }

    #[test]
    fn foreign_and_future_files_are_told_apart() {
        assert!(matches!(read(b"PK\x03\x04"), Err(ArchiveError::Foreign)));
        assert!(matches!(read(b""), Err(ArchiveError::Foreign)));
        assert!(matches!(read(&zipped("hello\n")), Err(ArchiveError::Foreign)));
        assert!(matches!(read(&zipped("{\"a\":1}\n")), Err(ArchiveError::Foreign)));
        let future = "{\"taquilla_backup\":{\"format\":99,\"version\":\"9.0.0\",\"more\":1}}\n";
        let error = read(&zipped(future)).unwrap_err();
        assert!(matches!(&error, ArchiveError::Newer { format: 99, .. }) && error.to_string().contains("taquilla 9.0.0"));
    }
}
