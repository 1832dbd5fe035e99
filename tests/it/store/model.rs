//! The naive model of a store: rows in a map, the log in a list, every question answered by looking at everything. It is
//! the reference that stores are compared with, built from `matches` and `Sort`.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use parking_lot::Mutex;
use taquilla::{
    activity::{chain::ChainBlock, model::Entry},
    auth::model::{ApiToken, Digest32, Session},
    store::{
        Activities, Addition, Answer, AnswerKey, Changes, Committed, EntryQuery, Expect, Field, From, IdKind, LogCursor, Meters, Row,
        RowKey, Sessions, SigningSecret, Store, StoreError, Tickets, Users, Write,
    },
    tickets::{
        model::{Comment, Ticket},
        query::{COUNT_CAP, SortKey, TicketQuery},
    },
    types::{CommentId, Email, Page, Seq, SessionId, Slice, TicketId, Timestamp, TokenId, Total, UserId},
    users::{
        model::{Roster, Settings, SetupToken, User, UserQuery},
        preferences::Preferences,
    },
};
use tokio::sync::watch;

/// Everything that is stored.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub rows: HashMap<RowKey, Row>,
    pub log: Vec<Entry>,
    pub ids: HashMap<IdKind, i64>,
}

impl State {
    /// Applies a commit, or gives every reason why it must be refused: a store may name any of them.
    pub fn apply(&mut self, changes: &Changes) -> Result<Committed, Vec<StoreError>> {
        let faults = self.faults(changes);
        if !faults.is_empty() {
            return Err(faults);
        }
        for write in &changes.writes {
            match write {
                Write::Put(row, _) => self.put(row.as_ref().clone()),
                Write::Delete(key, _) => drop(self.rows.remove(key)),
            }
        }
        for addition in &changes.additions {
            self.add(*addition);
        }
        for entry in &changes.log {
            self.log.push(Entry::at_seq(self.seq() + 1, entry.clone()));
        }
        Ok(Committed { seq: self.seq() })
    }

    /// The last entry of the log.
    pub fn seq(&self) -> Seq {
        self.log.last().map_or(0, |entry| entry.seq)
    }

    /// The version of a row; 0 when there is none.
    pub fn version(&self, key: &RowKey) -> i64 {
        self.rows.get(key).map_or(0, Row::version)
    }

    /// The names of all rows.
    pub fn keys(&self) -> Vec<RowKey> {
        self.rows.keys().cloned().collect()
    }

    /// The tickets, by id.
    pub fn tickets(&self) -> Vec<&Ticket> {
        let mut found: Vec<&Ticket> = self.all(|row| if let Row::Ticket(ticket) = row { Some(ticket) } else { None }).collect();
        found.sort_unstable_by_key(|ticket| ticket.id);
        found
    }

    /// The comments of all tickets, by id, deleted ones included.
    pub fn comments(&self) -> Vec<&Comment> {
        let mut found: Vec<&Comment> = self.all(|row| if let Row::Comment(comment) = row { Some(comment) } else { None }).collect();
        found.sort_unstable_by_key(|comment| comment.id);
        found
    }

    /// The accounts, by id.
    pub fn users(&self) -> Vec<&User> {
        let mut found: Vec<&User> = self.all(|row| if let Row::User(user) = row { Some(user) } else { None }).collect();
        found.sort_unstable_by_key(|user| user.id);
        found
    }

    /// The sessions, by id.
    pub fn sessions(&self) -> Vec<&Session> {
        let mut found: Vec<&Session> = self.all(|row| if let Row::Session(session) = row { Some(session) } else { None }).collect();
        found.sort_unstable_by_key(|session| session.id);
        found
    }

    /// The API tokens, by id.
    pub fn tokens(&self) -> Vec<&ApiToken> {
        let mut found: Vec<&ApiToken> = self.all(|row| if let Row::ApiToken(token) = row { Some(token) } else { None }).collect();
        found.sort_unstable_by_key(|token| token.id);
        found
    }

    fn answers(&self) -> impl Iterator<Item = &Answer> {
        self.all(|row| if let Row::Answer(answer) = row { Some(answer) } else { None })
    }

    fn all<'a, T: 'a>(&'a self, pick: impl Fn(&'a Row) -> Option<&'a T>) -> impl Iterator<Item = &'a T> {
        self.rows.values().filter_map(pick)
    }

    fn faults(&self, changes: &Changes) -> Vec<StoreError> {
        let mut faults = Vec::new();
        let mut addresses = HashSet::new();
        for write in &changes.writes {
            let (key, expect) = match write {
                Write::Put(row, expect) => (row.key(), *expect),
                Write::Delete(key, expect) => (key.clone(), *expect),
            };
            faults.extend(self.unmet(&key, expect));
            if matches!(write, Write::Delete(RowKey::Ticket(_) | RowKey::Comment(..) | RowKey::User(_), _)) {
                faults.push(StoreError::Corrupt("tickets, comments and accounts are never removed".into()));
            }
            if let Write::Put(row, _) = write
                && let Row::User(user) = row.as_ref()
            {
                let taken = self.users().iter().any(|other| other.email == user.email && other.id != user.id);
                if taken || !addresses.insert(&user.email) {
                    faults.push(StoreError::Duplicate(Field::Email));
                }
            }
        }
        if changes.guards.iter().any(|(key, version)| self.version(key) != *version) {
            faults.push(StoreError::Stale);
        }
        faults
    }

    fn unmet(&self, key: &RowKey, expect: Expect) -> Option<StoreError> {
        match (expect, self.version(key)) {
            (Expect::Any, _) | (Expect::New, 0) => None,
            (Expect::Version(expected), present) if expected == present && present > 0 => None,
            (Expect::Version(_), _) => Some(StoreError::Stale),
            (Expect::New, _) => Some(match key {
                RowKey::Answer(_) => StoreError::Duplicate(Field::IdempotencyKey),
                RowKey::Ticket(_) | RowKey::Comment(..) | RowKey::User(_) | RowKey::Session(_) | RowKey::ApiToken(_) => {
                    StoreError::Duplicate(Field::Id)
                }
                _ => StoreError::Stale,
            }),
        }
    }

    fn put(&mut self, mut row: Row) {
        let key = row.key();
        if let Some((kind, id)) = id_of(&row) {
            let last = self.ids.entry(kind).or_default();
            *last = id.max(*last);
        }
        let before = self.rows.remove(&key);
        row.set_version(before.as_ref().map_or(0, Row::version) + 1);
        match (&mut row, before) {
            (Row::Ticket(next), Some(Row::Ticket(before))) => {
                next.public_comments = before.public_comments;
                next.internal_notes = before.internal_notes;
                next.updated_at = next.updated_at.max(before.updated_at);
            }
            (Row::LogCursor(next), Some(Row::LogCursor(before))) => next.seq = next.seq.max(before.seq),
            _ => {}
        }
        self.rows.insert(key, row);
    }

    fn add(&mut self, addition: Addition) {
        let key = match addition {
            Addition::Comments { ticket, .. } => RowKey::Ticket(ticket),
            Addition::SessionUsed(id, _) => RowKey::Session(id),
            Addition::TokenUsed(id, _) => RowKey::ApiToken(id),
        };
        match (addition, self.rows.get_mut(&key)) {
            (Addition::Comments { public, internal, touched_at, .. }, Some(Row::Ticket(ticket))) => {
                ticket.public_comments += public;
                ticket.internal_notes += internal;
                ticket.updated_at = touched_at.map_or(ticket.updated_at, |at| ticket.updated_at.max(at));
            }
            (Addition::SessionUsed(_, at), Some(Row::Session(session))) => session.last_used_at = session.last_used_at.max(at),
            (Addition::TokenUsed(_, at), Some(Row::ApiToken(token))) => token.last_used_at = token.last_used_at.max(Some(at)),
            _ => {}
        }
    }
}

/// The id of a row that has one.
pub fn id_of(row: &Row) -> Option<(IdKind, i64)> {
    match row {
        Row::Ticket(row) => Some((IdKind::Ticket, row.id.0)),
        Row::Comment(row) => Some((IdKind::Comment, row.id.0)),
        Row::User(row) => Some((IdKind::User, row.id.0)),
        Row::Session(row) => Some((IdKind::Session, row.id.0)),
        Row::ApiToken(row) => Some((IdKind::Token, row.id.0)),
        _ => None,
    }
}

/// The model as a store.
#[derive(Debug)]
pub struct Model {
    pub state: Arc<Mutex<State>>,
    pub durable: watch::Sender<Seq>,
    closed: AtomicBool,
    meters: Meters,
}

impl Default for Model {
    fn default() -> Self {
        Self::of(State::default())
    }
}

impl Model {
    /// A store that holds this.
    pub fn of(state: State) -> Self {
        let durable = watch::Sender::new(state.seq());
        Self { state: Arc::new(Mutex::new(state)), durable, closed: AtomicBool::new(false), meters: Meters::new().unwrap() }
    }

    /// The same store, opened again.
    pub fn reopened(&self) -> Self {
        let durable = watch::Sender::new(self.state.lock().seq());
        Self { state: self.state.clone(), durable, closed: AtomicBool::new(false), meters: Meters::new().unwrap() }
    }

    /// Applies a commit, or gives every reason why it must be refused.
    pub fn apply(&self, changes: &Changes) -> Result<Committed, Vec<StoreError>> {
        let mut state = self.state.lock();
        let committed = state.apply(changes)?;
        self.durable.send_replace(committed.seq);
        Ok(committed)
    }

    /// A copy of everything stored.
    pub fn state(&self) -> State {
        self.state.lock().clone()
    }

    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> Result<T, StoreError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("it is closed".into()));
        }
        Ok(look(&self.state.lock()))
    }

    fn row<T>(&self, key: &RowKey, pick: impl FnOnce(Row) -> Option<T>) -> Result<Option<T>, StoreError> {
        self.read(|state| state.rows.get(key).cloned().and_then(pick))
    }
}

/// Picks the one kind of row that has this name.
macro_rules! pick {
    ($kind:ident) => {
        |row| if let Row::$kind(row) = row { Some(row) } else { None }
    };
}

/// Cuts a page out of a list that is in order.
fn page<T, K: Copy>(list: &[T], page: Page<K>, total: Total, key: impl Fn(&T) -> K, follows: impl Fn(K, K) -> bool) -> Slice<T, K>
where
    T: Clone,
{
    let begin = page.after.map_or(0, |after| list.iter().position(|row| follows(key(row), after)).unwrap_or(list.len()));
    let end = list.len().min(begin + page.limit);
    let rows = list[begin..end].to_vec();
    let next = rows.last().filter(|_| end < list.len()).map(&key);
    Slice { rows, next, total: page.after.is_none().then_some(total) }
}

#[async_trait]
impl Store for Model {
    async fn commit(&self, changes: Changes) -> Result<Committed, StoreError> {
        self.read(|_| ())?;
        self.meters.commit_seconds.observe(0.0);
        let committed = self.apply(&changes).map_err(|faults| faults[0].clone())?;
        self.meters.group_size.observe(1.0);
        self.meters.sync_seconds.observe(0.0);
        Ok(committed)
    }

    async fn reserve(&self, kind: IdKind) -> Result<i64, StoreError> {
        self.read(|_| ())?;
        let mut state = self.state.lock();
        let last = state.ids.entry(kind).or_default();
        *last += 1;
        Ok(*last)
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.read(|_| ())
    }

    fn meters(&self) -> &Meters {
        &self.meters
    }

    async fn size_bytes(&self) -> Result<u64, StoreError> {
        self.read(|state| state.log.len() as u64)
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.closed.store(true, Ordering::SeqCst);
        Ok(())
    }
}

#[async_trait]
impl Tickets for Model {
    async fn ticket(&self, id: TicketId) -> Result<Option<Arc<Ticket>>, StoreError> {
        Ok(self.row(&RowKey::Ticket(id), pick!(Ticket))?.map(Arc::new))
    }

    async fn lists_state(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn is_still(&self, _state: u64, _query: &TicketQuery, _shown: &[TicketId]) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn tickets(&self, query: &TicketQuery, cut: Page<SortKey>) -> Result<Slice<Arc<Ticket>, SortKey>, StoreError> {
        self.read(|state| {
            let mut comments: HashMap<TicketId, Vec<Comment>> = HashMap::new();
            if query.words.is_some() {
                state.comments().into_iter().for_each(|c| comments.entry(c.ticket_id).or_default().push(c.clone()));
            }
            let belongs = |ticket: &&Ticket| query.matches(ticket, comments.get(&ticket.id).map_or(&[], Vec::as_slice));
            let mut found: Vec<&Ticket> = state.tickets().into_iter().filter(belongs).collect();
            found.sort_by(|a, b| query.sort.cmp(query.sort.key(a), query.sort.key(b)));
            let capped = !query.counts_exactly() && found.len() > COUNT_CAP;
            let total = if capped { Total::MoreThan(COUNT_CAP) } else { Total::Exact(found.len()) };
            let cut = page(&found, cut, total, |t| query.sort.key(t), |a, b| query.sort.cmp(a, b).is_gt());
            Slice { rows: cut.rows.into_iter().cloned().map(Arc::new).collect(), next: cut.next, total: cut.total }
        })
    }

    async fn comment(&self, ticket: TicketId, id: CommentId) -> Result<Option<Comment>, StoreError> {
        self.row(&RowKey::Comment(ticket, id), pick!(Comment))
    }

    async fn comments(&self, ticket: TicketId, notes: bool, cut: Page<CommentId>) -> Result<Slice<Comment, CommentId>, StoreError> {
        self.read(|state| {
            let visible = |c: &&Comment| c.ticket_id == ticket && c.deleted_at.is_none() && (notes || !c.is_internal);
            let found: Vec<Comment> = state.comments().into_iter().filter(visible).cloned().collect();
            page(&found, cut, Total::Exact(found.len()), |c| c.id, |a, b| a > b)
        })
    }
}

#[async_trait]
impl Users for Model {
    async fn user(&self, id: UserId) -> Result<Option<Arc<User>>, StoreError> {
        Ok(self.row(&RowKey::User(id), pick!(User))?.map(Arc::new))
    }

    async fn user_by_email(&self, email: &Email) -> Result<Option<Arc<User>>, StoreError> {
        self.read(|state| state.users().into_iter().find(|user| user.email == *email).cloned().map(Arc::new))
    }

    async fn users(&self, query: &UserQuery, cut: Page<UserId>) -> Result<Slice<Arc<User>, UserId>, StoreError> {
        self.read(|state| {
            let found: Vec<Arc<User>> = state.users().into_iter().filter(|u| query.matches(u)).cloned().map(Arc::new).collect();
            page(&found, cut, Total::Exact(found.len()), |u| u.id, |a, b| a > b)
        })
    }

    async fn names(&self, ids: &[UserId]) -> Result<HashMap<UserId, String>, StoreError> {
        self.read(|state| state.users().into_iter().filter(|u| ids.contains(&u.id)).map(|u| (u.id, u.full_name.clone())).collect())
    }

    async fn preferences(&self, user: UserId) -> Result<Option<Preferences>, StoreError> {
        self.row(&RowKey::Preferences(user), pick!(Preferences))
    }

    async fn roster(&self) -> Result<Roster, StoreError> {
        Ok(self.row(&RowKey::Roster, pick!(Roster))?.unwrap_or_default())
    }

    async fn settings(&self) -> Result<Arc<Settings>, StoreError> {
        Ok(Arc::new(self.row(&RowKey::Settings, pick!(Settings))?.unwrap_or_default()))
    }

    async fn setup_token(&self) -> Result<Option<SetupToken>, StoreError> {
        self.row(&RowKey::SetupToken, pick!(SetupToken))
    }

    async fn signing_secret(&self) -> Result<Option<SigningSecret>, StoreError> {
        self.row(&RowKey::SigningSecret, pick!(SigningSecret))
    }
}

#[async_trait]
impl Sessions for Model {
    async fn session(&self, id: SessionId) -> Result<Option<Arc<Session>>, StoreError> {
        Ok(self.row(&RowKey::Session(id), pick!(Session))?.map(Arc::new))
    }

    async fn sessions_of(&self, user: UserId) -> Result<Vec<Arc<Session>>, StoreError> {
        self.read(|state| state.sessions().into_iter().filter(|s| s.user_id == user).cloned().map(Arc::new).collect())
    }

    async fn expired_sessions(&self, now: Timestamp, limit: usize) -> Result<Vec<SessionId>, StoreError> {
        self.read(|state| state.sessions().into_iter().filter(|s| s.expires_at < now).map(|s| s.id).take(limit).collect())
    }

    async fn api_token(&self, hash: &Digest32) -> Result<Option<Arc<ApiToken>>, StoreError> {
        self.read(|state| state.tokens().into_iter().find(|t| t.hash == *hash).cloned().map(Arc::new))
    }

    async fn api_tokens_of(&self, user: UserId) -> Result<Vec<Arc<ApiToken>>, StoreError> {
        self.read(|state| state.tokens().into_iter().filter(|t| t.user_id == user).cloned().map(Arc::new).collect())
    }

    async fn api_token_by_id(&self, id: TokenId) -> Result<Option<Arc<ApiToken>>, StoreError> {
        Ok(self.row(&RowKey::ApiToken(id), pick!(ApiToken))?.map(Arc::new))
    }

    async fn answer(&self, key: &AnswerKey) -> Result<Option<Answer>, StoreError> {
        self.row(&RowKey::Answer(*key), pick!(Answer))
    }

    async fn old_answers(&self, before: Timestamp, limit: usize) -> Result<Vec<AnswerKey>, StoreError> {
        self.read(|state| state.answers().filter(|a| a.at < before).map(|a| a.key).take(limit).collect())
    }
}

#[async_trait]
impl Activities for Model {
    async fn entries(&self, query: &EntryQuery) -> Result<Vec<Entry>, StoreError> {
        self.read(|state| {
            let wanted = |e: &&Entry| query.ticket.is_none_or(|t| e.ticket_id == Some(t)) && (query.internal || !e.internal);
            let found = state.log.iter().filter(wanted);
            match query.from {
                From::After(seq) => found.filter(|e| e.seq > seq).take(query.limit).cloned().collect(),
                From::Before(seq) => found.rev().filter(|e| e.seq < seq).take(query.limit).cloned().collect(),
            }
        })
    }

    async fn count_entries(&self, ticket: TicketId, internal: bool) -> Result<usize, StoreError> {
        self.read(|state| state.log.iter().filter(|e| e.ticket_id == Some(ticket) && (internal || !e.internal)).count())
    }

    fn durable_seq(&self) -> watch::Receiver<Seq> {
        self.durable.subscribe()
    }

    async fn cursor(&self, name: &str) -> Result<LogCursor, StoreError> {
        let found = self.row(&RowKey::LogCursor(name.to_owned()), pick!(LogCursor))?;
        Ok(found.unwrap_or_else(|| LogCursor { name: name.to_owned(), seq: 0, version: 0 }))
    }

    async fn chain(&self, after: Seq, limit: usize) -> Result<Vec<ChainBlock>, StoreError> {
        self.read(|state| {
            let mut found: Vec<&ChainBlock> = state.all(|row| if let Row::ChainBlock(block) = row { Some(block) } else { None }).collect();
            found.sort_unstable_by_key(|block| block.last);
            found.into_iter().filter(|block| block.last > after).take(limit).cloned().collect()
        })
    }
}
