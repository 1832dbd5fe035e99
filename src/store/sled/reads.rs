//! Reading. What is in memory is read at once; what may touch the disk goes to a thread that may wait.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use tokio::sync::watch;

use super::{Shared, SledStore, comments, engine::Engine, keys, log, own, projection::Projection};
use crate::{
    activity::{chain::ChainBlock, model::Entry},
    auth::model::{ApiToken, Digest32, Session},
    store::{Activities, Answer, AnswerKey, EntryQuery, From, LogCursor, Sessions, SigningSecret, StoreError, Tickets, Users},
    tickets::{
        model::{Comment, Ticket},
        query::{SortKey, TicketQuery},
    },
    types::{CommentId, Email, Page, Seq, SessionId, Slice, TicketId, Timestamp, TokenId, Total, UserId},
    users::{
        model::{Roster, Settings, SetupToken, User, UserQuery},
        preferences::Preferences,
    },
};

impl SledStore {
    /// Reads what is held in memory.
    pub(super) fn memory<T>(&self, read: impl FnOnce(&Projection) -> T) -> Result<T, StoreError> {
        self.shared.with(|projection, _| Ok(read(projection)))
    }

    /// Reads what may be on the disk.
    pub(super) async fn disk<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Shared, &Projection, &Engine) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = self.shared.clone();
        let reading = tokio::task::spawn_blocking(move || shared.with(|projection, engine| read(&shared, projection, engine)));
        reading.await.unwrap_or_else(|error| Err(StoreError::Unavailable(format!("a read failed: {error}"))))
    }
}

/// Whether reading this list takes so little that it need not leave its thread.
fn is_light(query: &TicketQuery) -> bool {
    query.words.is_none()
        && query.tags.is_empty()
        && [query.created_after, query.created_before, query.updated_after, query.updated_before, query.overdue_at]
            .iter()
            .all(Option::is_none)
}

#[async_trait]
impl Tickets for SledStore {
    async fn ticket(&self, id: TicketId) -> Result<Option<Arc<Ticket>>, StoreError> {
        match self.memory(|_| self.shared.cache.get(&id))? {
            Some(ticket) => Ok(Some(ticket)),
            None => self.disk(move |shared, _, engine| shared.ticket(engine, id)).await,
        }
    }

    async fn tickets(&self, query: &TicketQuery, page: Page<SortKey>) -> Result<Slice<Arc<Ticket>, SortKey>, StoreError> {
        let Shared { cache, pages, .. } = &*self.shared;
        let asked = (query.clone(), page);
        let at_hand = self.memory(|projection| {
            let page = if is_light(query) { Some(pages.page(projection, &asked)) } else { pages.known(projection, &asked) }?;
            let rows: Option<Vec<_>> = page.ids.iter().map(|id| cache.get(&TicketId(i64::from(*id)))).collect();
            Some(Slice { rows: rows?, next: page.next, total: page.total })
        })?;
        if let Some(slice) = at_hand {
            return Ok(slice);
        }
        self.disk(move |shared, projection, engine| {
            let page = shared.pages.page(projection, &asked);
            Ok(Slice { rows: shared.tickets(engine, &page.ids)?, next: page.next, total: page.total })
        })
        .await
    }

    async fn lists_state(&self) -> Result<u64, StoreError> {
        self.memory(|p| p.lists.state())
    }

    async fn is_still(&self, state: u64, query: &TicketQuery, shown: &[TicketId]) -> Result<bool, StoreError> {
        self.memory(|p| p.lists.is_still(state, query, shown.iter().map(|id| id.0)))
    }

    async fn comment(&self, ticket: TicketId, id: CommentId) -> Result<Option<Comment>, StoreError> {
        self.disk(move |_, _, engine| comments::comment(engine, ticket, id)).await
    }

    async fn comments(&self, ticket: TicketId, notes: bool, page: Page<CommentId>) -> Result<Slice<Comment, CommentId>, StoreError> {
        self.disk(move |shared, _, engine| {
            let shown = |c: &Comment| c.deleted_at.is_none() && (notes || !c.is_internal);
            let from = CommentId(page.after.map_or(0, |id| id.0.saturating_add(1)));
            let mut rows = Vec::with_capacity(page.limit + 1);
            for comment in comments::of_ticket(engine, ticket, from)? {
                let comment = comment?;
                if shown(&comment) {
                    rows.push(comment);
                    if rows.len() > page.limit {
                        break;
                    }
                }
            }
            let more = rows.len() > page.limit;
            rows.truncate(page.limit);
            let total = if page.after.is_none() {
                let count = shared.ticket(engine, ticket)?.map_or(0, |ticket| ticket.comment_count(notes));
                Some(Total::Exact(usize::try_from(count).unwrap_or(0)))
            } else {
                None
            };
            Ok(Slice { next: rows.last().map(|c| c.id).filter(|_| more), rows, total })
        })
        .await
    }
}

#[async_trait]
impl Users for SledStore {
    async fn user(&self, id: UserId) -> Result<Option<Arc<User>>, StoreError> {
        self.memory(|p| p.people.users.get(&id).cloned())
    }

    async fn user_by_email(&self, email: &Email) -> Result<Option<Arc<User>>, StoreError> {
        self.memory(|p| p.people.by_email.get(email.as_str()).and_then(|id| p.people.users.get(id).cloned()))
    }

    async fn users(&self, query: &UserQuery, page: Page<UserId>) -> Result<Slice<Arc<User>, UserId>, StoreError> {
        let from = UserId(page.after.map_or(0, |id| id.0.saturating_add(1)));
        if query.words.is_none() {
            return self.memory(|p| people_page(p.people.users.range(from..).map(|(_, user)| user), query, page));
        }
        // Cutting the words of many accounts takes a while: neither under the lock nor on a thread that serves others.
        let query = query.clone();
        let all: Vec<Arc<User>> = self.memory(|p| p.people.users.range(from..).map(|(_, user)| user.clone()).collect())?;
        let searching = tokio::task::spawn_blocking(move || people_page(all.iter(), &query, page));
        searching.await.map_err(|error| StoreError::Unavailable(format!("a search failed: {error}")))
    }

    async fn names(&self, ids: &[UserId]) -> Result<HashMap<UserId, String>, StoreError> {
        self.memory(|p| ids.iter().filter_map(|id| Some((*id, p.people.users.get(id)?.full_name.clone()))).collect())
    }

    async fn preferences(&self, user: UserId) -> Result<Option<Preferences>, StoreError> {
        self.disk(move |_, _, engine| engine.read(&keys::preferences(user))).await
    }

    async fn roster(&self) -> Result<Roster, StoreError> {
        self.memory(|p| p.people.roster.clone())
    }

    async fn settings(&self) -> Result<Arc<Settings>, StoreError> {
        self.memory(|p| p.people.settings.clone())
    }

    async fn setup_token(&self) -> Result<Option<SetupToken>, StoreError> {
        self.memory(|p| p.people.setup_token.clone())
    }

    async fn signing_secret(&self) -> Result<Option<SigningSecret>, StoreError> {
        self.memory(|p| p.people.secret.clone())
    }
}

#[async_trait]
impl Sessions for SledStore {
    async fn session(&self, id: SessionId) -> Result<Option<Arc<Session>>, StoreError> {
        self.memory(|p| p.people.sessions.get(&id).cloned())
    }

    async fn sessions_of(&self, user: UserId) -> Result<Vec<Arc<Session>>, StoreError> {
        self.memory(|p| {
            let ids = p.people.sessions_of.get(&user).into_iter().flatten();
            ids.filter_map(|id| p.people.sessions.get(id).cloned()).collect()
        })
    }

    async fn expired_sessions(&self, now: Timestamp, limit: usize) -> Result<Vec<SessionId>, StoreError> {
        self.memory(|p| p.people.sessions.values().filter(|s| s.expires_at < now).map(|s| s.id).take(limit).collect())
    }

    async fn api_token(&self, hash: &Digest32) -> Result<Option<Arc<ApiToken>>, StoreError> {
        self.memory(|p| p.people.token_by_hash.get(hash).and_then(|id| p.people.tokens.get(id)).cloned())
    }

    async fn api_tokens_of(&self, user: UserId) -> Result<Vec<Arc<ApiToken>>, StoreError> {
        self.memory(|p| p.people.tokens.values().filter(|token| token.user_id == user).cloned().collect())
    }

    async fn api_token_by_id(&self, id: TokenId) -> Result<Option<Arc<ApiToken>>, StoreError> {
        self.memory(|p| p.people.tokens.get(&id).cloned())
    }

    async fn answer(&self, key: &AnswerKey) -> Result<Option<Answer>, StoreError> {
        let key = keys::answer(key);
        self.disk(move |_, _, engine| engine.read(&key)).await
    }

    async fn old_answers(&self, before: Timestamp, limit: usize) -> Result<Vec<AnswerKey>, StoreError> {
        self.disk(move |_, _, engine| {
            let mut old = Vec::new();
            for pair in engine.scan(&[keys::prefix::ANSWER]) {
                if old.len() == limit {
                    break;
                }
                let (key, value) = pair?;
                let answer: Answer = engine.decode(&key, &value)?;
                if answer.at < before {
                    old.push(answer.key);
                }
            }
            Ok(old)
        })
        .await
    }
}

/// The page of those of `accounts` that belong to a list; they begin where the page begins.
fn people_page<'a>(accounts: impl Iterator<Item = &'a Arc<User>>, query: &UserQuery, page: Page<UserId>) -> Slice<Arc<User>, UserId> {
    let mut matching = accounts.filter(|user| query.matches(user));
    let rows: Vec<_> = matching.by_ref().take(page.limit).cloned().collect();
    let further = if page.after.is_none() { matching.count() } else { usize::from(matching.next().is_some()) };
    Slice {
        next: rows.last().map(|user| user.id).filter(|_| further > 0),
        total: page.after.is_none().then_some(Total::Exact(rows.len() + further)),
        rows,
    }
}

/// A stretch of the log up to `end`, in its direction.
fn stretch(engine: &Engine, query: &EntryQuery, end: Seq) -> Result<Vec<Entry>, StoreError> {
    let (low, high, newest_first) = match query.from {
        From::After(seq) => (seq.max(0).saturating_add(1), end, false),
        From::Before(seq) => (1, end.min(seq.saturating_sub(1)), true),
    };
    if low > high {
        return Ok(Vec::new());
    }
    if let Some(ticket) = query.ticket {
        // A ticket's own log says of each entry where it is and whether it is internal.
        let own = own::of_ticket(engine, ticket, low..=high)?;
        let own = own.filter(|told| told.as_ref().map_or(true, |told| query.internal || !told.internal()));
        return in_direction(own, newest_first).take(query.limit).map(|told| log::entry(engine, told?.seq)).collect();
    }
    let mut entries = Vec::new();
    for stored in in_direction(log::entries(engine, low..=high)?, newest_first) {
        if entries.len() == query.limit {
            break;
        }
        let entry: Entry = stored?.read(engine)?;
        if query.internal || !entry.internal {
            entries.push(entry);
        }
    }
    Ok(entries)
}

fn in_direction<'a, T>(all: impl DoubleEndedIterator<Item = T> + 'a, reversed: bool) -> Box<dyn Iterator<Item = T> + 'a> {
    if reversed { Box::new(all.rev()) } else { Box::new(all) }
}

#[async_trait]
impl Activities for SledStore {
    async fn entries(&self, query: &EntryQuery) -> Result<Vec<Entry>, StoreError> {
        let query = *query;
        let durable = *self.shared.durable.borrow();
        self.disk(move |_, _, engine| stretch(engine, &query, durable)).await
    }

    async fn count_entries(&self, ticket: TicketId, internal: bool) -> Result<usize, StoreError> {
        self.disk(move |_, _, engine| {
            let mut count = 0;
            for told in own::of_ticket(engine, ticket, 0..=Seq::MAX)? {
                count += usize::from(internal || !told?.internal());
            }
            Ok(count)
        })
        .await
    }

    fn durable_seq(&self) -> watch::Receiver<Seq> {
        self.shared.durable.subscribe()
    }

    async fn cursor(&self, name: &str) -> Result<LogCursor, StoreError> {
        let name = name.to_owned();
        self.disk(move |_, _, engine| {
            let stored = engine.read(&keys::cursor(&name))?;
            Ok(stored.unwrap_or(LogCursor { name, seq: 0, version: 0 }))
        })
        .await
    }

    async fn chain(&self, after: Seq, limit: usize) -> Result<Vec<ChainBlock>, StoreError> {
        self.disk(move |_, _, engine| {
            let blocks = engine.range(keys::chain(after.max(0).saturating_add(1))..=keys::chain(Seq::MAX));
            blocks.take(limit).map(|pair| pair.and_then(|(key, value)| engine.decode(&key, &value))).collect()
        })
        .await
    }
}
