//! The same stream as a folder: one file of JSON Lines for each collection, and `manifest.json` with counts and hashes,
//! which `sha256sum` gives, too.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    archive::{ArchiveError, Content, Header, Manifest, Next, next_line},
    create::{CreateError, Form, Wanted, make},
};
use crate::store::{Collection, Record, Store, Sum, Tally, transfer::Step};

/// The file that says what is in the others.
const MANIFEST: &str = "manifest.json";

#[derive(Serialize, Deserialize)]
struct Whole {
    taquilla_export: Header,
    collections: Vec<Sum>,
}

fn file_of(collection: Collection) -> String {
    format!("{}.jsonl", collection.name())
}

/// Writes a store into a folder that does not exist yet, or is empty. It has another name until it is whole.
///
/// # Errors
/// The store's or the disk's; nothing is left then.
pub async fn to_folder(
    store: &dyn Store,
    wanted: Wanted<'_>,
    path: &Path,
    heard: &(dyn Fn(Step) -> bool + Sync),
) -> Result<Content, CreateError> {
    // An empty folder is as good as none.
    if path.exists() {
        std::fs::remove_dir(path).map_err(|source| CreateError::Io { path: path.to_owned(), source })?;
    }
    make::<Folder>(store, wanted, path, heard).await
}

/// The files of a folder that is being written.
struct Folder {
    dir: PathBuf,
    header: Header,
    files: Vec<(Collection, BufWriter<File>, Tally)>,
}

impl Form for Folder {
    fn begin(at: &Path, header: &Header) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;

        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(at)?;
        let mut files = Vec::new();
        for collection in Collection::ALL.into_iter().filter(|collection| header.credentials || !collection.is_secret()) {
            files.push((collection, BufWriter::new(File::create(at.join(file_of(collection)))?), Tally::default()));
        }
        Ok(Self { dir: at.to_owned(), header: header.clone(), files })
    }

    fn lines(&mut self, collection: Collection, lines: &[Vec<u8>]) -> io::Result<()> {
        let Some((_, file, tally)) = self.files.iter_mut().find(|(of, ..)| *of == collection) else { return Ok(()) };
        for line in lines {
            tally.add(line);
            file.write_all(line)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    }

    fn end(self) -> io::Result<(Manifest, File)> {
        let mut collections = Vec::new();
        for (collection, file, tally) in self.files {
            file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            collections.push(tally.end(collection));
        }
        let text = serde_json::to_vec_pretty(&Whole { taquilla_export: self.header, collections: collections.clone() })?;
        let mut file = File::create(self.dir.join(MANIFEST))?;
        file.write_all(&text)?;
        file.sync_all()?;
        Ok((Manifest { collections, sha256: String::new() }, file))
    }
}

/// Reads a folder, checking it on the way.
pub struct Reader {
    dir: PathBuf,
    header: Header,
    wanted: Vec<Sum>,
    at: usize,
    open: Option<BufReader<File>>,
    tally: Tally,
    sums: Vec<Sum>,
}

impl Reader {
    /// Begins with the manifest.
    ///
    /// # Errors
    /// What is not such a folder, or one of a newer format.
    pub fn begin(dir: &Path) -> Result<Self, ArchiveError> {
        let text = std::fs::read(dir.join(MANIFEST)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ArchiveError::Foreign,
            _ => ArchiveError::Io(error),
        })?;
        let value: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| ArchiveError::Damaged(format!("{MANIFEST}: {error}")))?;
        let said = value.get("taquilla_export").ok_or(ArchiveError::Foreign)?;
        let format = said.get("format").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if format > u64::from(crate::store::FORMAT) {
            let version = said.get("version").and_then(serde_json::Value::as_str).unwrap_or("?").to_owned();
            return Err(ArchiveError::Newer { format: u32::try_from(format).unwrap_or(u32::MAX), version });
        }
        let Whole { taquilla_export: header, collections } =
            serde_json::from_value(value).map_err(|error| ArchiveError::Damaged(format!("{MANIFEST}: {error}")))?;
        header.check()?;
        Ok(Self { dir: dir.to_owned(), header, wanted: collections, at: 0, open: None, tally: Tally::default(), sums: Vec::new() })
    }

    /// What it says of itself.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The next record.
    ///
    /// # Errors
    /// What is wrong with the folder.
    pub fn next_record(&mut self) -> Result<Next, ArchiveError> {
        loop {
            let Some(collection) = Collection::ALL.get(self.at).copied() else {
                let collections = std::mem::take(&mut self.sums);
                return Ok(Next::End(Manifest { collections, sha256: String::new() }));
            };
            let name = file_of(collection);
            let damaged = |what: String| ArchiveError::Damaged(format!("{name}: {what}"));
            let wanted = self.wanted.iter().find(|sum| sum.name == collection.name());
            if self.open.is_none() && wanted.is_some() {
                let file = File::open(self.dir.join(&name)).map_err(|error| damaged(error.to_string()))?;
                self.open = Some(BufReader::new(file));
            }
            let line = match &mut self.open {
                Some(file) => next_line(file)?,
                None => None,
            };
            if let Some(line) = line {
                self.tally.add(&line);
                let record = Record::parse(collection, &line).map_err(|error| damaged(format!("line {}: {error}", self.tally.rows())))?;
                return Ok(Next::Record { record: Box::new(record), bytes: line.len() });
            }
            let sum = std::mem::take(&mut self.tally).end(collection);
            if wanted.is_some_and(|wanted| *wanted != sum) {
                return Err(damaged("it is not the file that the manifest was made of".into()));
            }
            self.sums.push(sum);
            self.open = None;
            self.at += 1;
        }
    }
}
