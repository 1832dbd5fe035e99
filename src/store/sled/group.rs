//! A group of commits on its way to the disk: each is judged against the store and the group so far, then staged whole.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use serde::de::DeserializeOwned;
use sled::{Batch, IVec};

use super::{
    codec::{self, Encoded},
    comments,
    engine::Engine,
    ids::Ids,
    keys,
    log::Additions,
    projection::{Effect, position},
    touched::Touched,
};
use crate::{
    activity::model::{Entry, NewEntry},
    auth::model::{ApiToken, Session},
    store::{Addition, Changes, Expect, Field, IdKind, Record, Row, RowKey, StoreError, Write},
    tickets::model::{Comment, Ticket},
    types::{CommentId, Seq, TicketId},
    users::model::User,
};

/// Finds a ticket's present row without reading it from the engine, when it is cached.
pub(super) type Cached<'a> = &'a dyn Fn(TicketId) -> Option<Arc<Ticket>>;

/// Key → value, `None` for removed: what a group does to the engine.
pub(super) type Staged = HashMap<Vec<u8>, Option<Vec<u8>>>;

/// What to hand to the engine.
pub(super) fn batch(staged: Staged) -> Batch {
    let mut batch = Batch::default();
    for (key, value) in staged {
        match value {
            Some(value) => batch.insert(key, value),
            None => batch.remove(key),
        }
    }
    batch
}

/// What is staged so far.
pub(super) struct Group<'a> {
    engine: &'a Engine,
    cached: Cached<'a>,
    ids: &'a Ids,
    pub(super) staged: Staged,
    pub(super) log: Additions<'a>,
    /// The keys of comments among what is staged.
    comment_keys: BTreeSet<Vec<u8>>,
    tickets: HashMap<TicketId, Arc<Ticket>>,
    /// Marks below which ids have been used, to be made durable with the group.
    pub(super) passed: HashMap<IdKind, i64>,
    /// Marks up to which ids may be given out once the group is durable.
    pub(super) raised: HashMap<IdKind, i64>,
    pub(super) effects: Vec<Effect>,
    pub(super) seq: Seq,
    pub(super) bytes: usize,
    /// Whether staging failed half-way, so that nothing of the group may be written.
    pub(super) broken: bool,
}

impl<'a> Group<'a> {
    pub(super) fn new(engine: &'a Engine, cached: Cached<'a>, ids: &'a Ids, seq: Seq) -> Self {
        Self {
            engine,
            cached,
            ids,
            staged: HashMap::new(),
            log: Additions::new(engine, seq),
            comment_keys: BTreeSet::new(),
            tickets: HashMap::new(),
            passed: HashMap::new(),
            raised: HashMap::new(),
            effects: Vec::new(),
            seq,
            bytes: 0,
            broken: false,
        }
    }

    /// Judges a commit and stages all of it, or nothing.
    pub(super) fn add(&mut self, changes: Changes) -> Result<Seq, StoreError> {
        self.judge(&changes)?;
        self.stage_all(changes).inspect_err(|_| self.broken = true)
    }

    /// Stages records as another store had them, or nothing. The projections do not follow.
    pub(super) fn take_in(&mut self, records: Vec<Record>) -> Result<(), StoreError> {
        let mut next = self.seq + 1;
        for record in &records {
            match record {
                Record::Entry(entry) if entry.seq != next => {
                    return Err(StoreError::Corrupt(format!("log entry {} does not follow entry {}", entry.seq, next - 1)));
                }
                Record::Entry(_) => next += 1,
                Record::Row(row) => {
                    if let Row::Ticket(ticket) = row.as_ref() {
                        position(ticket.id)?;
                    }
                }
                Record::NextId(_) => {}
            }
        }
        self.stage_records(records).inspect_err(|_| self.broken = true)
    }

    fn stage_records(&mut self, records: Vec<Record>) -> Result<(), StoreError> {
        for record in records {
            match record {
                Record::Row(row) => self.row(&row)?,
                Record::Entry(entry) => {
                    self.seq = entry.seq;
                    self.entry(&entry)?;
                }
                Record::NextId(id) => self.used(id.kind, id.next - 1),
            }
        }
        Ok(())
    }

    fn row(&mut self, row: &Row) -> Result<(), StoreError> {
        let key = row.key();
        match row {
            Row::User(user) => {
                let before: Option<User> = self.read(&keys::user(user.id))?;
                if let Some(before) = before.filter(|before| before.email != user.email) {
                    self.stage(keys::email(before.email.as_str()), None);
                }
                self.stage(keys::email(user.email.as_str()), Some(user.id.0.to_be_bytes().to_vec()));
                self.used(IdKind::User, user.id.0);
            }
            Row::Ticket(ticket) => self.used(IdKind::Ticket, ticket.id.0),
            Row::Comment(comment) => {
                self.used(IdKind::Comment, comment.id.0);
                let home = self.comment_home(comment.ticket_id, comment.id)?;
                return self.put_comment(home, comment);
            }
            Row::Session(session) => self.used(IdKind::Session, session.id.0),
            Row::ApiToken(token) => self.used(IdKind::Token, token.id.0),
            _ => {}
        }
        self.encode(keys::row(&key), codec::encode_row(row)?)
    }

    fn stage_all(&mut self, changes: Changes) -> Result<Seq, StoreError> {
        let mut touched = Touched::default();
        for write in changes.writes {
            match write {
                Write::Put(row, expect) => self.put(*row, expect, &mut touched)?,
                Write::Delete(key, _) => self.delete(key)?,
            }
        }
        for addition in changes.additions {
            self.addition(addition, &mut touched)?;
        }
        let anew = touched.but_told(&changes.log);
        for entry in changes.log {
            self.log(entry)?;
        }
        for ticket in anew {
            self.stage(keys::anew(ticket), Some(self.seq.to_be_bytes().to_vec()));
        }
        Ok(self.seq)
    }

    /// Reserves further ids of a kind.
    pub(super) fn raise(&mut self, kind: IdKind) {
        let limit = self.ids.next_limit(kind);
        self.raised.insert(kind, limit);
        self.mark(kind);
    }

    /// Stages a value under a key of its own.
    pub(super) fn stage(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        self.staged.insert(key, value);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.staged.is_empty() && self.log.is_empty()
    }

    /// Every expectation, before any write.
    fn judge(&self, changes: &Changes) -> Result<(), StoreError> {
        let mut emails = HashSet::new();
        for write in &changes.writes {
            match write {
                Write::Put(row, expect) => {
                    self.expect(&row.key(), *expect)?;
                    if let Row::Ticket(ticket) = row.as_ref() {
                        position(ticket.id)?;
                    }
                    if let Row::User(user) = row.as_ref() {
                        let holder = self.get(&keys::email(user.email.as_str()))?;
                        let free = holder.is_none_or(|id| id == user.id.0.to_be_bytes());
                        if !free || !emails.insert(&user.email) {
                            return Err(StoreError::Duplicate(Field::Email));
                        }
                    }
                }
                Write::Delete(RowKey::Ticket(_) | RowKey::Comment(..) | RowKey::User(_), _) => {
                    return Err(StoreError::Corrupt("tickets, comments and accounts are never removed".into()));
                }
                Write::Delete(key, expect) => self.expect(key, *expect)?,
            }
        }
        for (key, version) in &changes.guards {
            if self.version(key)?.unwrap_or(0) != *version {
                return Err(StoreError::Stale);
            }
        }
        Ok(())
    }

    fn expect(&self, key: &RowKey, expect: Expect) -> Result<(), StoreError> {
        match (expect, self.version(key)?) {
            (Expect::Any, _) | (Expect::New, None) => Ok(()),
            (Expect::Version(expected), Some(version)) if expected == version => Ok(()),
            (Expect::New, Some(_)) => Err(match key {
                RowKey::Answer(_) => StoreError::Duplicate(Field::IdempotencyKey),
                RowKey::Ticket(_) | RowKey::Comment(..) | RowKey::User(_) | RowKey::Session(_) | RowKey::ApiToken(_) => {
                    StoreError::Duplicate(Field::Id)
                }
                _ => StoreError::Stale,
            }),
            (Expect::Version(_), _) => Err(StoreError::Stale),
        }
    }

    fn version(&self, key: &RowKey) -> Result<Option<i64>, StoreError> {
        if let RowKey::Ticket(id) = key
            && let Some(ticket) = self.tickets.get(id).cloned().or_else(|| (self.cached)(*id))
        {
            return Ok(Some(ticket.version));
        }
        if let RowKey::Comment(ticket, id) = key {
            return Ok(self.comment(*ticket, *id)?.map(|comment| comment.version));
        }
        let key = keys::row(key);
        self.get(&key)?.map(|first| codec::header(&key, &first).map(|(version, _)| version)).transpose()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.staged.get(key) {
            Some(value) => Ok(value.clone()),
            None => Ok(self.engine.get(key)?.map(|v| v.to_vec())),
        }
    }

    fn read<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.get(key)?.map(|first| codec::decode(key, &first, |piece| self.get(piece))).transpose()
    }

    fn ticket(&self, id: TicketId) -> Result<Option<Arc<Ticket>>, StoreError> {
        if let Some(ticket) = self.tickets.get(&id).cloned().or_else(|| (self.cached)(id)) {
            return Ok(Some(ticket));
        }
        Ok(self.read::<Ticket>(&keys::ticket(id))?.map(Arc::new))
    }

    /// The key that a comment is at, if it is anywhere, with what stands there.
    fn comment_home(&self, ticket: TicketId, id: CommentId) -> Result<Option<(IVec, IVec)>, StoreError> {
        let staged = self.comment_keys.range(keys::comments(ticket)..=keys::comment(ticket, id)).next_back();
        let stored = comments::home(self.engine, ticket, id)?;
        match (staged, stored) {
            (Some(key), stored) if stored.as_ref().is_none_or(|(stored, _)| stored.as_ref() <= key.as_slice()) => {
                Ok(self.get(key)?.map(|value| (key.as_slice().into(), value.into())))
            }
            (_, stored) => Ok(stored),
        }
    }

    fn comment(&self, ticket: TicketId, id: CommentId) -> Result<Option<Comment>, StoreError> {
        comments::find(self.comment_home(ticket, id)?, id, |piece| self.get(piece))
    }

    /// Stages a comment, and what stands beside it at its home.
    fn put_comment(&mut self, home: Option<(IVec, IVec)>, comment: &Comment) -> Result<(), StoreError> {
        let encoded = codec::encode(comment, comment.version)?;
        for (key, value) in comments::put(home, comment.ticket_id, comment.id, encoded)? {
            self.comment_keys.insert(key.clone());
            self.encode(key, value)?;
        }
        Ok(())
    }

    fn put(&mut self, mut row: Row, expect: Expect, touched: &mut Touched) -> Result<(), StoreError> {
        let version = match expect {
            Expect::New => 1,
            Expect::Version(expected) => expected + 1,
            Expect::Any => self.version(&row.key())?.unwrap_or(0) + 1,
        };
        row.set_version(version);
        match row {
            Row::Ticket(mut ticket) => {
                // What has been judged to be new can only have come with this very commit: the engine need not be asked again.
                let before = if expect == Expect::New { self.tickets.get(&ticket.id).cloned() } else { self.ticket(ticket.id)? };
                if let Some(before) = &before {
                    // These belong to the additions: a change decided earlier must not undo them.
                    ticket.public_comments = before.public_comments;
                    ticket.internal_notes = before.internal_notes;
                    ticket.updated_at = ticket.updated_at.max(before.updated_at);
                } else {
                    self.used(IdKind::Ticket, ticket.id.0);
                }
                touched.ticket(before.as_deref(), &ticket);
                self.put_ticket(before, ticket)?;
            }
            Row::Comment(comment) => {
                let home = self.comment_home(comment.ticket_id, comment.id)?;
                let before = comments::find(home.clone(), comment.id, |piece| self.get(piece))?;
                if before.is_none() {
                    self.used(IdKind::Comment, comment.id.0);
                }
                touched.comment(before.as_ref(), &comment);
                self.put_comment(home, &comment)?;
                self.effects.push(Effect::Comment { before: before.map(Box::new), after: Box::new(comment) });
            }
            Row::User(user) => {
                let before: Option<User> = self.read(&keys::user(user.id))?;
                match before {
                    Some(before) if before.email != user.email => self.stage(keys::email(before.email.as_str()), None),
                    Some(_) => {}
                    None => self.used(IdKind::User, user.id.0),
                }
                self.stage(keys::email(user.email.as_str()), Some(user.id.0.to_be_bytes().to_vec()));
                self.put_plain(Row::User(user))?;
            }
            Row::LogCursor(mut cursor) => {
                let before = self.read::<crate::store::LogCursor>(&keys::cursor(&cursor.name))?;
                cursor.seq = cursor.seq.max(before.map_or(0, |before| before.seq));
                self.put_plain(Row::LogCursor(cursor))?;
            }
            row => {
                match &row {
                    Row::Session(session) => self.used(IdKind::Session, session.id.0),
                    Row::ApiToken(token) => self.used(IdKind::Token, token.id.0),
                    _ => {}
                }
                self.put_plain(row)?;
            }
        }
        Ok(())
    }

    fn put_plain(&mut self, row: Row) -> Result<(), StoreError> {
        self.encode(keys::row(&row.key()), codec::encode_row(&row)?)?;
        self.effects.push(Effect::People(Box::new(row)));
        Ok(())
    }

    fn put_ticket(&mut self, before: Option<Arc<Ticket>>, ticket: Ticket) -> Result<(), StoreError> {
        let after = Arc::new(ticket);
        let encoded = codec::encode(after.as_ref(), after.version)?;
        match before {
            Some(_) => self.encode(keys::ticket(after.id), encoded)?,
            None => self.encode_new(keys::ticket(after.id), encoded),
        }
        self.tickets.insert(after.id, after.clone());
        self.effects.push(Effect::Ticket { before, after });
        Ok(())
    }

    fn delete(&mut self, key: RowKey) -> Result<(), StoreError> {
        let at = keys::row(&key);
        if let Some(first) = self.get(&at)? {
            for index in 1..=codec::header(&at, &first)?.1 {
                self.stage(keys::piece(&at, index), None);
            }
            self.stage(at, None);
            self.effects.push(Effect::Gone(key));
        }
        Ok(())
    }

    fn addition(&mut self, addition: Addition, touched: &mut Touched) -> Result<(), StoreError> {
        match addition {
            Addition::Comments { ticket: id, public, internal, touched_at } => {
                let Some(before) = self.ticket(id)? else { return Ok(()) };
                let mut ticket = before.as_ref().clone();
                ticket.public_comments += public;
                ticket.internal_notes += internal;
                ticket.updated_at = touched_at.map_or(ticket.updated_at, |at| ticket.updated_at.max(at));
                touched.ticket(Some(&before), &ticket);
                self.put_ticket(Some(before), ticket)
            }
            Addition::SessionUsed(id, at) => {
                let Some(mut session) = self.read::<Session>(&keys::row(&RowKey::Session(id)))? else { return Ok(()) };
                session.last_used_at = session.last_used_at.max(at);
                self.put_plain(Row::Session(session))
            }
            Addition::TokenUsed(id, at) => {
                let Some(mut token) = self.read::<ApiToken>(&keys::row(&RowKey::ApiToken(id)))? else { return Ok(()) };
                token.last_used_at = token.last_used_at.max(Some(at));
                self.put_plain(Row::ApiToken(token))
            }
        }
    }

    fn log(&mut self, entry: NewEntry) -> Result<(), StoreError> {
        self.seq += 1;
        self.entry(&Entry::at_seq(self.seq, entry))
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), StoreError> {
        self.bytes += self.log.add(entry)?;
        Ok(())
    }

    /// Stages a value with its pieces, and removes the pieces that it no longer has.
    fn encode(&mut self, key: Vec<u8>, value: Encoded) -> Result<(), StoreError> {
        let old = match self.get(&key)? {
            Some(first) => codec::pieces(&key, &first)?,
            None => 0,
        };
        let pieces = u16::try_from(value.pieces.len()).unwrap_or(u16::MAX);
        for index in pieces + 1..=old {
            self.stage(keys::piece(&key, index), None);
        }
        self.encode_new(key, value);
        Ok(())
    }

    /// Stages a value at a key where there was none.
    fn encode_new(&mut self, key: Vec<u8>, value: Encoded) {
        for (index, piece) in (1..).zip(value.pieces) {
            self.stage(keys::piece(&key, index), Some(piece));
        }
        self.stage(key, Some(value.first));
    }

    /// Sees to it that an id is never given out again.
    fn used(&mut self, kind: IdKind, id: i64) {
        if let Some(mark) = self.ids.used(kind, id) {
            let passed = self.passed.entry(kind).or_insert(mark);
            *passed = mark.max(*passed);
            self.mark(kind);
        }
    }

    fn mark(&mut self, kind: IdKind) {
        let mark = self.raised.get(&kind).copied().max(self.passed.get(&kind).copied());
        self.stage(keys::high_water(kind).to_vec(), mark.map(|mark| mark.to_be_bytes().to_vec()));
    }
}
