//! A store with a planted fault: what the property test must find.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use taquilla::{
    activity::{chain::ChainBlock, model::Entry},
    analytics::figures::{Amount, Key, Span},
    auth::model::{ApiToken, Digest32, Session},
    store::{
        Activities, Addition, Analytics, Answer, AnswerKey, Backlog, Changes, Committed, EntryQuery, Expect, IdKind, LogCursor, Meters,
        Portable, Record, Row, RowKey, Sessions, SigningSecret, Snapshot, Store, StoreError, Tickets, Users, Write,
    },
    tickets::{
        model::{Comment, Ticket},
        query::{Scope, SortKey, TicketQuery},
    },
    types::{CommentId, Email, Page, Seq, SessionId, Slice, TicketId, Timestamp, TokenId, Total, UserId},
    users::{
        model::{Roster, Settings, SetupToken, User, UserQuery},
        preferences::Preferences,
    },
};
use tokio::sync::watch;

use super::ask::walk;

/// A fault that a store could have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Lists ignore the filter by priority.
    PriorityIgnored,
    /// A page begins with the row that the page before ended with.
    LastRowRepeated,
    /// A list is said to have one row too many.
    TotalOffByOne,
    /// A search finds the words of deleted comments.
    DeletedCommentsFound,
    /// A requester's search finds the words of internal notes.
    NotesFoundByRequesters,
    /// An edited comment is still found by its old words.
    OldWordsFound,
    /// The log leaves out an entry now and then.
    EntrySkipped,
    /// Guards are not looked at.
    GuardsIgnored,
    /// A write that expects a version is made whatever the version is.
    StaleWritesAccepted,
    /// A refused commit leaves its entries.
    HalfOfARefusedCommitKept,
    /// A changed ticket brings its own, outdated counts of comments.
    CountsOverwritten,
    /// A row written whatever was there does not raise the version.
    VersionNotRaised,
    /// A session's use may move its time back.
    UseMovesBack,
    /// Counters do not lose a ticket that moves on.
    CountersNeverSink,
    /// No ticket is ever overdue.
    NothingOverdue,
    /// Lists panic: no answer of a store, so not among those that the property test must find.
    ListsPanic,
}

impl Fault {
    /// Those that show in answers.
    pub const ALL: [Self; 15] = [
        Self::PriorityIgnored,
        Self::LastRowRepeated,
        Self::TotalOffByOne,
        Self::DeletedCommentsFound,
        Self::NotesFoundByRequesters,
        Self::OldWordsFound,
        Self::EntrySkipped,
        Self::GuardsIgnored,
        Self::StaleWritesAccepted,
        Self::HalfOfARefusedCommitKept,
        Self::CountsOverwritten,
        Self::VersionNotRaised,
        Self::UseMovesBack,
        Self::CountersNeverSink,
        Self::NothingOverdue,
    ];
}

/// What the mutant remembers beside the store.
#[derive(Debug, Default)]
struct Memory {
    /// Comments as they were at any time.
    comments: Vec<Comment>,
    /// Counts as the tickets' own writes had them, and what was added since.
    counts: HashMap<TicketId, (i64, i64)>,
    /// Rows that were written whatever was there.
    overwritten: HashSet<RowKey>,
    /// Sessions and tokens, and when they were used last, as told.
    used: HashMap<RowKey, Timestamp>,
    /// The most tickets that a counter has shown.
    counters: HashMap<Key, i64>,
}

/// A store with a fault.
pub struct Mutant {
    inner: Arc<dyn Store>,
    fault: Fault,
    memory: Mutex<Memory>,
}

impl Mutant {
    /// Plants a fault in a store.
    pub fn new(inner: Arc<dyn Store>, fault: Fault) -> Self {
        Self { inner, fault, memory: Mutex::default() }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// What the fault makes of a commit on its way in.
    fn bend(&self, mut changes: Changes) -> Changes {
        if self.has(Fault::GuardsIgnored) {
            changes.guards.clear();
        }
        if self.has(Fault::StaleWritesAccepted) {
            for write in &mut changes.writes {
                if let Write::Put(_, expect @ Expect::Version(_)) = write {
                    *expect = Expect::Any;
                }
            }
        }
        changes
    }

    fn remember(&self, changes: &Changes) {
        let mut memory = self.memory.lock();
        for write in &changes.writes {
            let Write::Put(row, expect) = write else { continue };
            match row.as_ref() {
                Row::Comment(comment) => memory.comments.push(comment.clone()),
                Row::Ticket(ticket) => drop(memory.counts.insert(ticket.id, (ticket.public_comments, ticket.internal_notes))),
                Row::Settings(_) | Row::Roster(_) | Row::LogCursor(_) if *expect == Expect::Any => {
                    memory.overwritten.insert(row.key());
                }
                _ => {}
            }
        }
        for addition in &changes.additions {
            match *addition {
                Addition::Comments { ticket, public, internal, .. } => {
                    let counts = memory.counts.entry(ticket).or_default();
                    *counts = (counts.0 + public, counts.1 + internal);
                }
                Addition::SessionUsed(id, at) => drop(memory.used.insert(RowKey::Session(id), at)),
                Addition::TokenUsed(id, at) => drop(memory.used.insert(RowKey::ApiToken(id), at)),
            }
        }
    }

    fn bent(&self, ticket: &Arc<Ticket>) -> Arc<Ticket> {
        let counts = self.memory.lock().counts.get(&ticket.id).copied().filter(|_| self.has(Fault::CountsOverwritten));
        counts.map_or(ticket.clone(), |(public_comments, internal_notes)| {
            Arc::new(Ticket { public_comments, internal_notes, ..ticket.as_ref().clone() })
        })
    }

    /// By how much the version of a row is too low.
    fn lag(&self, key: &RowKey) -> i64 {
        i64::from(self.has(Fault::VersionNotRaised) && self.memory.lock().overwritten.contains(key))
    }

    /// When a session or token is said to have been used last.
    fn told(&self, key: &RowKey) -> Option<Timestamp> {
        self.memory.lock().used.get(key).copied().filter(|_| self.has(Fault::UseMovesBack))
    }

    /// A search done by hand over comments that it should not look at.
    async fn search(&self, query: &TicketQuery, page: Page<SortKey>) -> Result<Slice<Arc<Ticket>, SortKey>, StoreError> {
        let wordless = TicketQuery { words: None, ..query.clone() };
        let seeing = TicketQuery { scope: Scope::All, deleted: false, ..TicketQuery::all(Scope::All) };
        let all = walk(200, |page| self.inner.tickets(&wordless, page)).await?;
        let mut texts = self.memory.lock().comments.clone();
        let mut now = Vec::new();
        for comment in &texts {
            now.extend(self.inner.comment(comment.ticket_id, comment.id).await?);
        }
        let of = |id: &Comment| now.iter().find(|c| c.id == id.id);
        match self.fault {
            Fault::DeletedCommentsFound => texts.iter_mut().for_each(|c| c.deleted_at = None),
            Fault::OldWordsFound => texts.retain(|c| of(c).is_some_and(|c| c.deleted_at.is_none())),
            _ => texts.clone_from(&now),
        }
        let words = TicketQuery { words: query.words.clone(), ..seeing };
        let scope = if self.has(Fault::NotesFoundByRequesters) { Scope::All } else { query.scope };
        let finds = |ticket: &Ticket| {
            let visible: Vec<Comment> =
                texts.iter().filter(|c| c.ticket_id == ticket.id && (!c.is_internal || scope.sees_notes())).cloned().collect();
            words.matches(&Ticket { deleted_at: None, ..ticket.clone() }, &visible)
        };
        let found: Vec<Arc<Ticket>> = all.into_iter().flat_map(|page| page.rows).filter(|ticket| finds(ticket)).collect();
        let total = page.after.is_none().then_some(Total::Exact(found.len()));
        let follows = |t: &Arc<Ticket>| page.after.is_none_or(|after| query.sort.cmp(query.sort.key(t), after).is_gt());
        let mut rows: Vec<Arc<Ticket>> = found.into_iter().filter(follows).collect();
        let more = rows.len() > page.limit;
        rows.truncate(page.limit);
        let next = rows.last().filter(|_| more).map(|t| query.sort.key(t));
        Ok(Slice { rows, next, total })
    }
}

#[async_trait]
impl Store for Mutant {
    async fn commit(&self, changes: Changes) -> Result<Committed, StoreError> {
        let changes = self.bend(changes);
        let outcome = self.inner.commit(changes.clone()).await;
        match &outcome {
            Ok(_) => self.remember(&changes),
            Err(_) if self.has(Fault::HalfOfARefusedCommitKept) => {
                self.inner.commit(Changes { log: changes.log, ..Changes::new() }).await?;
            }
            Err(_) => {}
        }
        outcome
    }

    async fn reserve(&self, kind: IdKind) -> Result<i64, StoreError> {
        self.inner.reserve(kind).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.inner.ready().await
    }

    fn meters(&self) -> &Meters {
        self.inner.meters()
    }

    async fn size_bytes(&self) -> Result<u64, StoreError> {
        self.inner.size_bytes().await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}

#[async_trait]
impl Tickets for Mutant {
    async fn ticket(&self, id: TicketId) -> Result<Option<Arc<Ticket>>, StoreError> {
        Ok(self.inner.ticket(id).await?.map(|ticket| self.bent(&ticket)))
    }

    async fn lists_state(&self) -> Result<u64, StoreError> {
        self.inner.lists_state().await
    }

    async fn is_still(&self, state: u64, query: &TicketQuery, shown: &[TicketId]) -> Result<bool, StoreError> {
        self.inner.is_still(state, query, shown).await
    }

    async fn tickets(&self, query: &TicketQuery, page: Page<SortKey>) -> Result<Slice<Arc<Ticket>, SortKey>, StoreError> {
        let mut query = query.clone();
        let mut page = page;
        match self.fault {
            Fault::ListsPanic => panic!("a planted {}", "bug"),
            Fault::PriorityIgnored => query.priority.clear(),
            Fault::LastRowRepeated => {
                let back = if query.sort.descending { 1 } else { -1 };
                page.after = page.after.map(|key| SortKey { id: TicketId(key.id.0 + back), ..key });
            }
            Fault::DeletedCommentsFound | Fault::NotesFoundByRequesters | Fault::OldWordsFound if query.words.is_some() => {
                return self.search(&query, page).await;
            }
            _ => {}
        }
        let mut slice = self.inner.tickets(&query, page).await?;
        slice.rows = slice.rows.into_iter().map(|ticket| self.bent(&ticket)).collect();
        if self.has(Fault::TotalOffByOne)
            && let Some(Total::Exact(n)) = &mut slice.total
        {
            *n += 1;
        }
        Ok(slice)
    }

    async fn comment(&self, ticket: TicketId, id: CommentId) -> Result<Option<Comment>, StoreError> {
        self.inner.comment(ticket, id).await
    }

    async fn comments(&self, ticket: TicketId, notes: bool, page: Page<CommentId>) -> Result<Slice<Comment, CommentId>, StoreError> {
        self.inner.comments(ticket, notes, page).await
    }
}

#[async_trait]
impl Users for Mutant {
    async fn user(&self, id: UserId) -> Result<Option<Arc<User>>, StoreError> {
        self.inner.user(id).await
    }

    async fn user_by_email(&self, email: &Email) -> Result<Option<Arc<User>>, StoreError> {
        self.inner.user_by_email(email).await
    }

    async fn users(&self, query: &UserQuery, page: Page<UserId>) -> Result<Slice<Arc<User>, UserId>, StoreError> {
        self.inner.users(query, page).await
    }

    async fn names(&self, ids: &[UserId]) -> Result<HashMap<UserId, String>, StoreError> {
        self.inner.names(ids).await
    }

    async fn preferences(&self, user: UserId) -> Result<Option<Preferences>, StoreError> {
        self.inner.preferences(user).await
    }

    async fn roster(&self) -> Result<Roster, StoreError> {
        let roster = self.inner.roster().await?;
        Ok(Roster { version: roster.version - self.lag(&RowKey::Roster), ..roster })
    }

    async fn settings(&self) -> Result<Arc<Settings>, StoreError> {
        let settings = self.inner.settings().await?.as_ref().clone();
        Ok(Arc::new(Settings { version: settings.version - self.lag(&RowKey::Settings), ..settings }))
    }

    async fn setup_token(&self) -> Result<Option<SetupToken>, StoreError> {
        self.inner.setup_token().await
    }

    async fn signing_secret(&self) -> Result<Option<SigningSecret>, StoreError> {
        self.inner.signing_secret().await
    }
}

#[async_trait]
impl Sessions for Mutant {
    async fn session(&self, id: SessionId) -> Result<Option<Arc<Session>>, StoreError> {
        let found = self.inner.session(id).await?;
        Ok(found.map(|session| match self.told(&RowKey::Session(id)) {
            Some(last_used_at) => Arc::new(Session { last_used_at, ..session.as_ref().clone() }),
            None => session,
        }))
    }

    async fn sessions_of(&self, user: UserId) -> Result<Vec<Arc<Session>>, StoreError> {
        self.inner.sessions_of(user).await
    }

    async fn expired_sessions(&self, now: Timestamp, limit: usize) -> Result<Vec<SessionId>, StoreError> {
        self.inner.expired_sessions(now, limit).await
    }

    async fn api_token(&self, hash: &Digest32) -> Result<Option<Arc<ApiToken>>, StoreError> {
        self.inner.api_token(hash).await
    }

    async fn api_tokens_of(&self, user: UserId) -> Result<Vec<Arc<ApiToken>>, StoreError> {
        self.inner.api_tokens_of(user).await
    }

    async fn api_token_by_id(&self, id: TokenId) -> Result<Option<Arc<ApiToken>>, StoreError> {
        let found = self.inner.api_token_by_id(id).await?;
        Ok(found.map(|token| match self.told(&RowKey::ApiToken(id)) {
            Some(at) => Arc::new(ApiToken { last_used_at: Some(at), ..token.as_ref().clone() }),
            None => token,
        }))
    }

    async fn answer(&self, key: &AnswerKey) -> Result<Option<Answer>, StoreError> {
        self.inner.answer(key).await
    }

    async fn old_answers(&self, before: Timestamp, limit: usize) -> Result<Vec<AnswerKey>, StoreError> {
        self.inner.old_answers(before, limit).await
    }
}

#[async_trait]
impl Activities for Mutant {
    async fn entries(&self, query: &EntryQuery) -> Result<Vec<Entry>, StoreError> {
        let mut entries = self.inner.entries(query).await?;
        if self.has(Fault::EntrySkipped) {
            entries.retain(|entry| entry.seq % 13 != 0);
        }
        Ok(entries)
    }

    async fn count_entries(&self, ticket: TicketId, internal: bool) -> Result<usize, StoreError> {
        self.inner.count_entries(ticket, internal).await
    }

    fn durable_seq(&self) -> watch::Receiver<Seq> {
        self.inner.durable_seq()
    }

    async fn cursor(&self, name: &str) -> Result<LogCursor, StoreError> {
        let cursor = self.inner.cursor(name).await?;
        Ok(LogCursor { version: cursor.version - self.lag(&RowKey::LogCursor(name.to_owned())), ..cursor })
    }

    async fn chain(&self, after: Seq, limit: usize) -> Result<Vec<ChainBlock>, StoreError> {
        self.inner.chain(after, limit).await
    }
}

#[async_trait]
impl Analytics for Mutant {
    async fn counters(&self, spans: &[Span]) -> Result<Vec<(Key, Amount)>, StoreError> {
        let mut counters = self.inner.counters(spans).await?;
        if self.has(Fault::CountersNeverSink) {
            let mut highest = self.memory.lock();
            for (key, amount) in &mut counters {
                let seen = highest.counters.entry(*key).or_default();
                *seen = (*seen).max(amount.tickets);
                amount.tickets = *seen;
            }
        }
        Ok(counters)
    }

    async fn backlog(&self, now: Timestamp, opened_by: &[Timestamp]) -> Result<Backlog, StoreError> {
        let backlog = self.inner.backlog(now, opened_by).await?;
        Ok(Backlog { overdue: backlog.overdue * i64::from(!self.has(Fault::NothingOverdue)), ..backlog })
    }
}

#[async_trait]
impl Portable for Mutant {
    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError> {
        self.inner.snapshot().await
    }

    async fn take_in(&self, records: Vec<Record>) -> Result<(), StoreError> {
        self.inner.take_in(records).await
    }

    async fn settle(&self) -> Result<(), StoreError> {
        self.inner.settle().await
    }
}
