//! The store as of an earlier moment: while somebody reads it that way, each commit first sets aside what it is about to
//! overwrite. That costs memory for the rows that are changed meanwhile, however many there are, and holds up nobody.

use std::{
    collections::BTreeMap,
    iter::Peekable,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use sled::IVec;

use super::{
    Shared, SledStore, codec, comments,
    commit::Command,
    engine::Engine,
    keys::{self, prefix},
    log,
};
use crate::{
    activity::chain::ChainBlock,
    auth::model::{ApiToken, Session},
    store::{
        Answer, Collection, IdKind, LogCursor, Place, Portable, Record, Row, RowKey, RowKind, SigningSecret, Snapshot, StoreError,
        portable::next_ids,
    },
    tickets::model::{Comment, Ticket},
    types::{CommentId, Seq, TicketId},
    users::{
        model::{Roster, Settings, SetupToken, User},
        preferences::Preferences,
    },
};

/// A page ends when it has so many bytes.
const PAGE_BYTES: usize = 512 * 1024;

/// What was there before the commits since a moment; `None` for what was not there.
#[derive(Debug, Default)]
pub(super) struct Before {
    id: u64,
    values: BTreeMap<Vec<u8>, Option<IVec>>,
}

impl Before {
    /// Sets aside what stands at these keys, unless it came after the moment.
    pub(super) fn keep<'a>(&mut self, engine: &Engine, keys: impl Iterator<Item = &'a Vec<u8>>) -> Result<(), StoreError> {
        for key in keys {
            // The log is only added to, and what is derived is not read.
            let read = !matches!(key.first(), Some(&(prefix::ENTRY | prefix::OWN_LOG | prefix::EMAIL | prefix::ANEW)));
            if read && !self.values.contains_key(key) {
                self.values.insert(key.clone(), engine.get(key)?);
            }
        }
        Ok(())
    }

    fn get(&self, engine: &Engine, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        match self.values.get(key) {
            Some(value) => Ok(value.clone()),
            None => engine.get(key),
        }
    }

    /// The pairs after `from` up to `to`, in order.
    fn range<'a>(&'a self, engine: &'a Engine, from: Vec<u8>, to: Vec<u8>) -> Merged<'a> {
        let before = self.values.range(from.clone()..=to.clone());
        Merged { now: (Box::new(engine.range(from..=to)) as Now<'_>).peekable(), before: before.peekable() }
    }
}

type Now<'a> = Box<dyn Iterator<Item = Result<(IVec, IVec), StoreError>> + 'a>;

/// What is there now, with what was there before in its place.
struct Merged<'a> {
    now: Peekable<Now<'a>>,
    before: Peekable<std::collections::btree_map::Range<'a, Vec<u8>, Option<IVec>>>,
}

impl Iterator for Merged<'_> {
    type Item = Result<(IVec, IVec), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let kept = match (self.now.peek(), self.before.peek()) {
                (Some(Err(_)), _) | (_, None) => return self.now.next(),
                (Some(Ok((now, _))), Some((before, _))) if now.as_ref() < before.as_slice() => return self.now.next(),
                (Some(Ok((now, _))), Some((before, _))) if now.as_ref() == before.as_slice() => {
                    self.now.next();
                    self.before.next()
                }
                _ => self.before.next(),
            };
            if let Some((key, Some(value))) = kept {
                return Some(Ok((key.as_slice().into(), value.clone())));
            }
        }
    }
}

/// The right to read the store as of the moment when this was made.
pub(super) struct View {
    shared: Arc<Shared>,
    id: u64,
    end: Seq,
    next_ids: BTreeMap<IdKind, i64>,
}

impl View {
    /// Begins one; called by the committer, between two groups, when everything is durable.
    pub(super) fn begin(shared: &Arc<Shared>, end: Seq) -> Result<Self, StoreError> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut view = shared.view.lock();
        if view.is_some() {
            return Err(StoreError::Busy);
        }
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        *view = Some(Before { id, values: BTreeMap::new() });
        let next_ids = IdKind::ALL.into_iter().map(|kind| (kind, shared.ids.next(kind))).collect();
        Ok(Self { shared: shared.clone(), id, end, next_ids })
    }

    fn read(&self, collection: Collection, after: Option<&Place>, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.shared.with(|_, engine| {
            let view = self.shared.view.lock();
            let before = view.as_ref().filter(|before| before.id == self.id);
            let before = before.ok_or_else(|| StoreError::Unavailable("the storage was opened anew meanwhile".into()))?;
            let page = Page { engine, before, limit };
            match collection {
                Collection::Rows(kind) => page.rows(kind, after),
                Collection::Log => page.log(after, self.end),
                Collection::NextIds if after.is_some() => Ok(Vec::new()),
                Collection::NextIds => Ok(next_ids(&self.next_ids)),
            }
        })
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let mut view = self.shared.view.lock();
        if view.as_ref().is_some_and(|before| before.id == self.id) {
            *view = None;
        }
    }
}

/// Where rows of a kind are.
enum Home {
    Under(u8),
    At(RowKey),
}

const fn home(kind: RowKind) -> Home {
    match kind {
        RowKind::User => Home::Under(prefix::USER),
        RowKind::Session => Home::Under(prefix::SESSION),
        RowKind::ApiToken => Home::Under(prefix::API_TOKEN),
        RowKind::Preferences => Home::Under(prefix::PREFERENCES),
        RowKind::Ticket => Home::Under(prefix::TICKET),
        RowKind::Comment => Home::Under(prefix::COMMENT),
        RowKind::Answer => Home::Under(prefix::ANSWER),
        RowKind::LogCursor => Home::Under(prefix::CURSOR),
        RowKind::ChainBlock => Home::Under(prefix::CHAIN),
        RowKind::Roster => Home::At(RowKey::Roster),
        RowKind::Settings => Home::At(RowKey::Settings),
        RowKind::SetupToken => Home::At(RowKey::SetupToken),
        RowKind::SigningSecret => Home::At(RowKey::SigningSecret),
    }
}

/// A page being read.
struct Page<'a> {
    engine: &'a Engine,
    before: &'a Before,
    limit: usize,
}

impl Page<'_> {
    fn rows(&self, kind: RowKind, after: Option<&Place>) -> Result<Vec<Record>, StoreError> {
        match home(kind) {
            Home::At(_) if after.is_some() => Ok(Vec::new()),
            Home::At(key) => {
                let key = keys::row(&key);
                let found = self.before.get(self.engine, &key)?;
                found.map(|value| self.row(kind, &key, &value)).into_iter().collect()
            }
            Home::Under(prefix::COMMENT) => self.comments(after),
            Home::Under(prefix) => {
                let mut from = vec![prefix];
                if let Some(Place::Row(key)) = after {
                    from = keys::row(key);
                    // The least key that follows.
                    from.push(0);
                }
                self.pairs(from, vec![prefix + 1], |key, value| self.row(kind, key, value))
            }
        }
    }

    fn comments(&self, after: Option<&Place>) -> Result<Vec<Record>, StoreError> {
        let (mut from, mut last) = (vec![prefix::COMMENT], None);
        if let Some(Place::Row(RowKey::Comment(ticket, id))) = after {
            last = Some((*ticket, *id));
            from = self.comment_home(*ticket, *id)?;
        }
        let pairs = self.before.range(self.engine, from, vec![prefix::COMMENT + 1]);
        let found = pairs.flat_map(|pair| pair.map_or_else(|error| vec![Err(error)], comments::split));
        let found = found.filter(|stored| stored.as_ref().map_or(true, |stored| Some((stored.ticket, stored.id)) > last));
        self.filled(found.map(|stored| {
            let stored = stored?;
            let comment = stored.read(|piece| self.before.get(self.engine, piece))?;
            Ok((Record::Row(Box::new(Row::Comment(comment))), stored.size()?))
        }))
    }

    /// The key that a comment was at; keys of comments are never removed.
    fn comment_home(&self, ticket: TicketId, id: CommentId) -> Result<Vec<u8>, StoreError> {
        for pair in self.engine.range(keys::comment(ticket, CommentId(0))..=keys::comment(ticket, id)).rev() {
            let (key, _) = pair?;
            if self.before.values.get(key.as_ref()) != Some(&None) {
                return Ok(key.to_vec());
            }
        }
        Ok(keys::comment(ticket, id))
    }

    fn log(&self, after: Option<&Place>, end: Seq) -> Result<Vec<Record>, StoreError> {
        let after = if let Some(Place::Seq(seq)) = after { *seq } else { 0 };
        if after >= end {
            return Ok(Vec::new());
        }
        self.filled(log::entries(self.engine, after + 1..=end)?.map(|stored| {
            let stored = stored?;
            Ok((Record::Entry(Box::new(stored.read(self.engine)?)), stored.size()?))
        }))
    }

    fn pairs(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        record: impl Fn(&[u8], &[u8]) -> Result<Record, StoreError>,
    ) -> Result<Vec<Record>, StoreError> {
        self.filled(self.before.range(self.engine, from, to).map(|pair| {
            let (key, value) = pair?;
            Ok((record(&key, &value)?, codec::size(&key, &value)?))
        }))
    }

    /// As many records, of which each comes with its size in bytes, as a page has.
    fn filled(&self, mut found: impl Iterator<Item = Result<(Record, usize), StoreError>>) -> Result<Vec<Record>, StoreError> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        while records.len() < self.limit && bytes <= PAGE_BYTES {
            let Some(next) = found.next() else { break };
            let (record, size) = next?;
            records.push(record);
            bytes += size;
        }
        Ok(records)
    }

    fn decode<T: DeserializeOwned>(&self, key: &[u8], value: &[u8]) -> Result<T, StoreError> {
        codec::decode(key, value, |piece| self.before.get(self.engine, piece))
    }

    fn row(&self, kind: RowKind, key: &[u8], value: &[u8]) -> Result<Record, StoreError> {
        let row = match kind {
            RowKind::User => Row::User(self.decode::<User>(key, value)?),
            RowKind::Session => Row::Session(self.decode::<Session>(key, value)?),
            RowKind::ApiToken => Row::ApiToken(self.decode::<ApiToken>(key, value)?),
            RowKind::Preferences => Row::Preferences(self.decode::<Preferences>(key, value)?),
            RowKind::Ticket => Row::Ticket(self.decode::<Ticket>(key, value)?),
            RowKind::Comment => Row::Comment(self.decode::<Comment>(key, value)?),
            RowKind::Answer => Row::Answer(self.decode::<Answer>(key, value)?),
            RowKind::LogCursor => Row::LogCursor(self.decode::<LogCursor>(key, value)?),
            RowKind::ChainBlock => Row::ChainBlock(self.decode::<ChainBlock>(key, value)?),
            RowKind::Roster => Row::Roster(self.decode::<Roster>(key, value)?),
            RowKind::Settings => Row::Settings(self.decode::<Settings>(key, value)?),
            RowKind::SetupToken => Row::SetupToken(self.decode::<SetupToken>(key, value)?),
            RowKind::SigningSecret => Row::SigningSecret(self.decode::<SigningSecret>(key, value)?),
        };
        Ok(Record::Row(Box::new(row)))
    }
}

#[async_trait]
impl Snapshot for Arc<View> {
    fn end(&self) -> Seq {
        self.end
    }

    async fn page(&self, collection: Collection, after: Option<&Place>, limit: usize) -> Result<Vec<Record>, StoreError> {
        let (view, after) = (self.clone(), after.cloned());
        let reading = tokio::task::spawn_blocking(move || view.read(collection, after.as_ref(), limit));
        reading.await.unwrap_or_else(|error| Err(StoreError::Unavailable(format!("a read failed: {error}"))))
    }
}

#[async_trait]
impl Portable for SledStore {
    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError> {
        let view = self.ask(Command::View).await?;
        Ok(Arc::new(Arc::new(view)))
    }

    async fn take_in(&self, records: Vec<Record>) -> Result<(), StoreError> {
        self.ask(|answer| Command::TakeIn(records, answer)).await
    }

    async fn settle(&self) -> Result<(), StoreError> {
        self.ask(Command::Settle).await
    }
}
