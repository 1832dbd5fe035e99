//! The projections' file: written whole, with the log's end that it stands for and a checksum; a missing, damaged or
//! foreign one only costs the time to build them anew from the rows.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    path::Path,
};

use roaring::RoaringBitmap;

use super::{
    columns::{Cell, Columns, Outcome},
    durability,
    engine::Engine,
    figures::Figures,
    keys, log,
    projection::{Projection, next_revision, position},
    terms::{Index, Search},
};
use crate::{
    analytics::figures::{Amount, Key, Kind},
    store::{Row, StoreError, fault},
    tickets::model::{Priority, Status, Ticket},
    types::{Seq, TicketId},
};

const MAGIC: &[u8; 8] = b"TAQPROJ2";

/// Writes the columns, the counters and the search index; people are few and are read from their rows.
pub(super) fn save(path: &Path, identity: &str, projection: &Projection) -> io::Result<()> {
    let mut bytes = MAGIC.to_vec();
    put_text(&mut bytes, identity)?;
    bytes.extend_from_slice(&projection.seq.to_le_bytes());
    let columns = &projection.columns;
    let ids: RoaringBitmap = &columns.live | &columns.deleted;
    bytes.extend_from_slice(&ids.len().to_le_bytes());
    for (id, cell) in columns.cells() {
        bytes.extend_from_slice(&id.to_le_bytes());
        let Outcome { first_response_at, resolved_at, first_response, resolution } = cell.outcome;
        for number in [cell.created_at, cell.updated_at, cell.due_at, cell.creator, cell.assignee, first_response_at, resolved_at] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for number in [first_response, resolution] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&[cell.status as u8, cell.priority as u8, u8::from(cell.deleted)]);
    }
    put_figures(&mut bytes, &projection.figures);
    put_bitmaps(&mut bytes, columns.tags.iter().map(|(tag, ids)| (&**tag, ids)), columns.tags.len())?;
    for index in [&projection.search.public, &projection.search.notes] {
        put_bitmaps(&mut bytes, index.0.iter().map(|(term, ids)| (&**term, ids)), index.0.len())?;
    }
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    durability::replace_file(path, &bytes)?;
    fault::point("checkpoint.written");
    Ok(())
}

/// Reads the file; `None` when there is none that can be used.
pub(super) fn load(path: &Path, identity: &str) -> Option<Projection> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(%error, "the projections' file cannot be read; they are built anew");
            return None;
        }
    };
    let read = parse(&bytes, identity);
    if read.is_none() {
        tracing::warn!("the projections' file is damaged or foreign; they are built anew");
    }
    read
}

fn parse(bytes: &[u8], identity: &str) -> Option<Projection> {
    let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    if crc32fast::hash(content).to_le_bytes() != sum {
        return None;
    }
    let mut rest = content.strip_prefix(MAGIC)?;
    if get_text(&mut rest)? != identity {
        return None;
    }
    let seq = Seq::from_le_bytes(get(&mut rest)?);
    let count = u64::from_le_bytes(get(&mut rest)?);
    let mut columns = Columns::of((0..count).map(|_| get_cell(&mut rest).ok_or(()))).ok()?;
    let figures = get_figures(&mut rest)?;
    columns.tags = get_bitmaps(&mut rest)?.into_iter().collect();
    let search = Search { public: Index(get_bitmaps(&mut rest)?), notes: Index(get_bitmaps(&mut rest)?) };
    rest.is_empty().then(|| Projection { columns, figures, search, seq, ..Projection::default() })
}

fn get_cell(rest: &mut &[u8]) -> Option<(u32, Cell)> {
    let id = u32::from_le_bytes(get(rest)?);
    let mut number = || get(rest).map(i64::from_le_bytes);
    let (created_at, updated_at, due_at, creator, assignee) = (number()?, number()?, number()?, number()?, number()?);
    let (first_response_at, resolved_at) = (number()?, number()?);
    let mut verdict = || get(rest).map(i32::from_le_bytes);
    let outcome = Outcome { first_response_at, resolved_at, first_response: verdict()?, resolution: verdict()? };
    let [status, priority, deleted] = get(rest)?;
    let status = *Status::ALL.get(usize::from(status))?;
    let priority = *Priority::ALL.get(usize::from(priority))?;
    Some((id, Cell { created_at, updated_at, due_at, creator, assignee, status, priority, deleted: deleted != 0, outcome }))
}

fn put_text(bytes: &mut Vec<u8>, text: &str) -> io::Result<()> {
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.write_all(text.as_bytes())
}

fn put_bitmaps<'a>(bytes: &mut Vec<u8>, maps: impl Iterator<Item = (&'a str, &'a RoaringBitmap)>, count: usize) -> io::Result<()> {
    bytes.extend_from_slice(&(count as u64).to_le_bytes());
    for (key, ids) in maps {
        put_text(bytes, key)?;
        ids.serialize_into(&mut *bytes)?;
    }
    Ok(())
}

fn put_figures(bytes: &mut Vec<u8>, figures: &Figures) {
    bytes.extend_from_slice(&(figures.counters.len() as u64).to_le_bytes());
    for (key, amount) in &figures.counters {
        bytes.push(key.kind.code());
        bytes.extend_from_slice(&key.at.to_le_bytes());
        for number in [key.of, amount.tickets, amount.micros] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    }
}

fn get_figures(rest: &mut &[u8]) -> Option<Figures> {
    let count = u64::from_le_bytes(get(rest)?);
    let mut figures = Figures::default();
    for _ in 0..count {
        let [kind] = get(rest)?;
        let at = i32::from_le_bytes(get(rest)?);
        let mut number = || get(rest).map(i64::from_le_bytes);
        let key = Key { kind: Kind::from_code(kind)?, at, of: number()? };
        figures.counters.insert(key, Amount { tickets: number()?, micros: number()? });
    }
    Some(figures)
}

fn get<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk::<N>()?;
    *rest = left;
    Some(*taken)
}

fn get_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(u32::from_le_bytes(get(rest)?)).ok()?;
    let (text, left) = rest.split_at_checked(length)?;
    *rest = left;
    std::str::from_utf8(text).ok()
}

fn get_bitmaps(rest: &mut &[u8]) -> Option<BTreeMap<Box<str>, RoaringBitmap>> {
    let count = u64::from_le_bytes(get(rest)?);
    let mut maps = BTreeMap::new();
    for _ in 0..count {
        let key = get_text(rest)?.into();
        maps.insert(key, RoaringBitmap::deserialize_from(rest.by_ref()).ok()?);
    }
    Some(maps)
}

/// Brings a checkpoint up to the end of the log, or builds everything from the rows.
pub(super) fn catch_up(saved: Option<Projection>, engine: &Engine, seq: Seq) -> Result<Projection, StoreError> {
    let mut projection = match saved.filter(|saved| saved.seq <= seq) {
        Some(mut saved) => {
            replay(&mut saved, engine)?;
            saved
        }
        None => rebuild(engine)?,
    };
    projection.seq = seq;
    projection.revision = next_revision();
    load_people(&mut projection, engine)?;
    Ok(projection)
}

/// Takes in anew the tickets that the log's tail or a mark names.
fn replay(projection: &mut Projection, engine: &Engine) -> Result<(), StoreError> {
    let mut touched = RoaringBitmap::new();
    for stored in log::entries(engine, projection.seq + 1..=Seq::MAX)? {
        if let Some(ticket) = stored?.read(engine)?.ticket_id {
            touched.insert(position(ticket)?);
        }
    }
    for pair in engine.scan(&[keys::prefix::UNLOGGED]) {
        if let Some(id) = keys::first_id(&pair?.0) {
            touched.insert(position(TicketId(id))?);
        }
    }
    if touched.is_empty() {
        return Ok(());
    }
    projection.search.public.forget(&touched);
    projection.search.notes.forget(&touched);
    for id in touched {
        if let Some(ticket) = engine.ticket(TicketId(i64::from(id)))? {
            projection.take_in(engine, &ticket)?;
        }
    }
    Ok(())
}

/// Builds the columns and the search index from the rows alone.
pub(super) fn rebuild(engine: &Engine) -> Result<Projection, StoreError> {
    let mut projection = Projection::default();
    for pair in engine.scan(&[keys::prefix::TICKET]) {
        let (key, value) = pair?;
        let ticket: Ticket = engine.decode(&key, &value)?;
        projection.take_in(engine, &ticket)?;
    }
    Ok(projection)
}

/// Reads the rows about people and the single ones.
fn load_people(projection: &mut Projection, engine: &Engine) -> Result<(), StoreError> {
    let people = &mut projection.people;
    for pair in engine.scan(&[keys::prefix::USER]) {
        let (key, value) = pair?;
        people.put(&Row::User(engine.decode(&key, &value)?));
    }
    for pair in engine.scan(&[keys::prefix::SESSION]) {
        let (key, value) = pair?;
        people.put(&Row::Session(engine.decode(&key, &value)?));
    }
    for pair in engine.scan(&[keys::prefix::API_TOKEN]) {
        let (key, value) = pair?;
        people.put(&Row::ApiToken(engine.decode(&key, &value)?));
    }
    people.roster = engine.read(b"mroster")?.unwrap_or_default();
    people.settings = engine.read::<crate::users::model::Settings>(b"msettings")?.unwrap_or_default().into();
    people.setup_token = engine.read(b"msetup")?;
    people.secret = engine.read(b"msecret")?;
    Ok(())
}
