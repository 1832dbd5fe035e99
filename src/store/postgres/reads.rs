//! Reading. Each question is one statement, or two where a list is counted; a statement whose connection was lost is
//! asked again.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use sqlx::{Postgres, QueryBuilder, Row as _, postgres::PgRow};
use tokio::sync::watch;

use super::{
    Lost, PgStore,
    connections::Connections,
    known::{self, Known, Present},
    lists,
    news::{Part, View},
    remembered::Remembered,
    rows::{self, Read},
    search::asked,
    snapshot::Snapshots,
    together::{ByKey, Together},
    values::Instant,
};
use crate::{
    activity::{chain::ChainBlock, model::Entry},
    analytics::figures::{Amount, Key, Span},
    auth::model::{ApiToken, Digest32, Session},
    store::{Activities, Answer, AnswerKey, EntryQuery, From, LogCursor, Sessions, SigningSecret, StoreError, Tickets, Users, asked},
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

/// A page of tickets that several have asked for.
type List = Arc<Slice<Arc<Ticket>, SortKey>>;

/// Counters that several have asked for.
type Counters = Arc<Vec<(Key, Amount)>>;

/// How many accounts, sessions and tokens are remembered, each; and how many names.
const REMEMBERED: usize = 2_048;
const NAMES: usize = 8_192;
/// How many rows of which there is one: more than there are.
const SINGLES: usize = 16;

/// Questions of many requests, which are asked together, and what is remembered of the answers.
pub(super) struct Asked {
    pub(super) snapshots: Arc<Snapshots>,
    tickets: Arc<ByKey<i64, Present>>,
    known: Arc<Known>,
    users: Remembered<i64, Arc<User>>,
    names: Remembered<i64, String>,
    sessions: Remembered<i64, Arc<Session>>,
    api_tokens: Remembered<Digest32, Arc<ApiToken>>,
    singles: Remembered<String, (serde_json::Value, i64)>,
    source: lists::Source,
    lists: Together<asked::Asked, (), List>,
    pub(super) counters: Together<Vec<Span>, (), Counters>,
}

impl Asked {
    pub(super) fn new(pool: Connections, lost: Arc<Lost>) -> Self {
        let (snapshots, known) = (Arc::new(Snapshots::new(pool, lost)), Arc::new(Known::new()));
        let users = "SELECT * FROM taquilla.users WHERE id = ANY((SELECT $1::bigint[])::bigint[])";
        let names = "SELECT id, full_name FROM taquilla.users WHERE id = ANY((SELECT $1::bigint[])::bigint[])";
        let sessions = "SELECT * FROM taquilla.sessions WHERE id = ANY((SELECT $1::bigint[])::bigint[])";
        let api_tokens = "SELECT * FROM taquilla.api_tokens WHERE hash = ANY($1) ORDER BY id";
        let singles = "SELECT name, body, version FROM taquilla.singles WHERE name = ANY($1)";
        let tickets = Arc::new(known::tickets_by_id());
        Self {
            users: Remembered::new(&snapshots, Part::People, REMEMBERED, users, "id", |row| rows::user(row).map(Arc::new)),
            names: Remembered::new(&snapshots, Part::People, NAMES, names, "id", |row| row.try_get(1)),
            sessions: Remembered::new(&snapshots, Part::All, REMEMBERED, sessions, "id", |row| rows::session(row).map(Arc::new)),
            api_tokens: Remembered::new(&snapshots, Part::All, REMEMBERED, api_tokens, "hash", |row| rows::api_token(row).map(Arc::new)),
            singles: Remembered::new(&snapshots, Part::People, SINGLES, singles, "name", |row| {
                Ok((row.try_get("body")?, row.try_get("version")?))
            }),
            source: lists::Source::new(snapshots.clone(), known.clone(), tickets.clone()),
            tickets,
            lists: Together::default(),
            counters: Together::default(),
            snapshots,
            known,
        }
    }
}

fn maybe<T>(row: Option<&PgRow>, read: fn(&PgRow) -> Read<T>) -> Result<Option<T>, StoreError> {
    row.map(read).transpose().map_err(|error| super::fault::told(&error))
}

fn all<T>(found: &[PgRow], read: impl Fn(&PgRow) -> Read<T>) -> Result<Vec<T>, StoreError> {
    found.iter().map(read).collect::<Read<Vec<T>>>().map_err(|error| super::fault::told(&error))
}

fn limit(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Cuts off the row that was only asked for to see whether there is more.
fn cut<T, K>(mut rows: Vec<T>, at: usize, total: Option<Total>, key: impl Fn(&T) -> K) -> Slice<T, K> {
    let more = rows.len() > at;
    rows.truncate(at);
    Slice { next: rows.last().filter(|_| more).map(key), rows, total }
}

#[async_trait]
impl Tickets for PgStore {
    async fn ticket(&self, id: TicketId) -> Result<Option<Arc<Ticket>>, StoreError> {
        let Asked { snapshots, tickets, known, .. } = &self.asked;
        if let Some((view, ticket)) = known.ticket(id.0)
            && snapshots.is_still(view, Part::Ticket(id.0)).await?
        {
            return Ok(Some(ticket));
        }
        let view = snapshots.latest();
        let found = tickets.get(&self.pool, &self.lost, id.0).await?;
        if let Some(one) = &found {
            known.put_ticket(view, one);
        }
        Ok(found.map(|one| one.ticket))
    }

    async fn lists_state(&self) -> Result<u64, StoreError> {
        Ok(self.asked.snapshots.latest().0)
    }

    async fn is_still(&self, state: u64, query: &TicketQuery, shown: &[TicketId]) -> Result<bool, StoreError> {
        self.asked.snapshots.is_still(View(state), Part::Page(query, shown)).await
    }

    async fn tickets(&self, query: &TicketQuery, page: Page<SortKey>) -> Result<Slice<Arc<Ticket>, SortKey>, StoreError> {
        let Asked { source, lists, .. } = &self.asked;
        let asked = (query.clone(), page);
        if let Some(page) = source.known(&asked).await? {
            return Ok(page);
        }
        let (source, wanted) = (source.clone(), asked.clone());
        let read = lists.ask(asked, (), move |_| {
            let (source, wanted) = (source.clone(), wanted.clone());
            async move { source.page(&wanted).await.map(Arc::new) }
        });
        Ok(Arc::unwrap_or_clone(read.await?))
    }

    async fn comment(&self, ticket: TicketId, id: CommentId) -> Result<Option<Comment>, StoreError> {
        let sql = "SELECT * FROM taquilla.comments WHERE id = $1 AND ticket_id = $2";
        let row = asking!(self.lost, sqlx::query(sql).bind(id.0).bind(ticket.0).fetch_optional(&self.pool))?;
        maybe(row.as_ref(), rows::comment)
    }

    async fn comments(&self, ticket: TicketId, notes: bool, page: Page<CommentId>) -> Result<Slice<Comment, CommentId>, StoreError> {
        let sql = "SELECT * FROM taquilla.comments \
                   WHERE ticket_id = $1 AND id > $2 AND deleted_at IS NULL AND ($3 OR NOT is_internal) ORDER BY id LIMIT $4";
        let after = page.after.map_or(0, |id| id.0);
        let found = asking!(
            self.lost,
            sqlx::query(sql).bind(ticket.0).bind(after).bind(notes).bind(limit(page.limit.saturating_add(1))).fetch_all(&self.pool)
        )?;
        let total = if page.after.is_none() {
            let sql = "SELECT public_comments + CASE WHEN $2 THEN internal_notes ELSE 0 END FROM taquilla.tickets WHERE id = $1";
            let row = asking!(self.lost, sqlx::query_scalar::<_, i64>(sql).bind(ticket.0).bind(notes).fetch_optional(&self.pool))?;
            Some(Total::Exact(usize::try_from(row.unwrap_or(0)).unwrap_or(0)))
        } else {
            None
        };
        Ok(cut(all(&found, rows::comment)?, page.limit, total, |comment| comment.id))
    }
}

impl PgStore {
    /// A row of which there is one, with its version.
    async fn single<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<(T, i64)>, StoreError> {
        let Some((body, version)) = self.asked.singles.get(name.to_owned()).await? else { return Ok(None) };
        let body = serde_json::from_value(body).map_err(|error| StoreError::Corrupt(format!("{name}: {error}")))?;
        Ok(Some((body, version)))
    }
}

fn users_filter(select: &mut QueryBuilder<Postgres>, query: &UserQuery) {
    if let Some(role) = query.role {
        select.push(" AND role = ").push_bind(role.name());
    }
    if let Some(active) = query.is_active {
        select.push(" AND is_active = ").push_bind(active);
    }
    if let Some(words) = &query.words {
        let whole = words.whole.iter().map(|word| asked(word, false));
        let asked: Vec<String> = whole.chain([asked(&words.prefix, true)]).collect();
        select.push(" AND terms @@ ").push_bind(asked.join(" & ")).push("::tsquery");
    }
}

fn some_users(query: &UserQuery, page: Page<UserId>) -> QueryBuilder<Postgres> {
    let mut select = QueryBuilder::new("SELECT ");
    select.push(rows::USER).push(" FROM taquilla.users WHERE id > ").push_bind(page.after.map_or(0, |id| id.0));
    users_filter(&mut select, query);
    select.push(" ORDER BY id LIMIT ").push_bind(limit(page.limit.saturating_add(1)));
    select
}

fn count_users(query: &UserQuery) -> QueryBuilder<Postgres> {
    let mut count = QueryBuilder::new("SELECT count(*) FROM taquilla.users WHERE true");
    users_filter(&mut count, query);
    count
}

#[async_trait]
impl Users for PgStore {
    async fn user(&self, id: UserId) -> Result<Option<Arc<User>>, StoreError> {
        self.asked.users.get(id.0).await
    }

    async fn user_by_email(&self, email: &Email) -> Result<Option<Arc<User>>, StoreError> {
        let sql = "SELECT * FROM taquilla.users WHERE email = $1";
        let row = asking!(self.lost, sqlx::query(sql).bind(email.as_str()).fetch_optional(&self.pool))?;
        Ok(maybe(row.as_ref(), rows::user)?.map(Arc::new))
    }

    async fn users(&self, query: &UserQuery, page: Page<UserId>) -> Result<Slice<Arc<User>, UserId>, StoreError> {
        let found =
            asking!(self.lost, async { some_users(query, page).build().persistent(query.words.is_none()).fetch_all(&self.pool).await })?;
        let users: Vec<Arc<User>> = all(&found, |row| rows::user(row).map(Arc::new))?;
        let total = match page.after {
            Some(_) => None,
            None if users.len() <= page.limit => Some(Total::Exact(users.len())),
            None => {
                let n: i64 = asking!(self.lost, async {
                    count_users(query).build_query_scalar().persistent(query.words.is_none()).fetch_one(&self.pool).await
                })?;
                Some(Total::Exact(usize::try_from(n).unwrap_or(0)))
            }
        };
        Ok(cut(users, page.limit, total, |user| user.id))
    }

    async fn names(&self, ids: &[UserId]) -> Result<HashMap<UserId, String>, StoreError> {
        let keys: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let names = self.asked.names.all(&keys).await?;
        Ok(ids.iter().zip(names).filter_map(|(id, name)| Some((*id, name?))).collect())
    }

    async fn roster(&self) -> Result<Roster, StoreError> {
        Ok(self.single("roster").await?.map_or_else(Roster::default, |(roster, version)| Roster { version, ..roster }))
    }

    async fn settings(&self) -> Result<Arc<Settings>, StoreError> {
        let found = self.single("settings").await?;
        Ok(Arc::new(found.map_or_else(Settings::default, |(settings, version)| Settings { version, ..settings })))
    }

    async fn setup_token(&self) -> Result<Option<SetupToken>, StoreError> {
        Ok(self.single("setup_token").await?.map(|(token, version)| SetupToken { version, ..token }))
    }

    async fn preferences(&self, user: UserId) -> Result<Option<Preferences>, StoreError> {
        let sql = "SELECT body, version FROM taquilla.preferences WHERE user_id = $1";
        let row = asking!(self.lost, sqlx::query(sql).bind(user.0).fetch_optional(&self.pool))?;
        maybe(row.as_ref(), rows::preferences)
    }

    async fn signing_secret(&self) -> Result<Option<SigningSecret>, StoreError> {
        Ok(self.single("signing_secret").await?.map(|(secret, version)| SigningSecret { version, ..secret }))
    }
}

#[async_trait]
impl Sessions for PgStore {
    async fn session(&self, id: SessionId) -> Result<Option<Arc<Session>>, StoreError> {
        self.asked.sessions.get(id.0).await
    }

    async fn sessions_of(&self, user: UserId) -> Result<Vec<Arc<Session>>, StoreError> {
        let sql = "SELECT * FROM taquilla.sessions WHERE user_id = $1 ORDER BY id";
        let found = asking!(self.lost, sqlx::query(sql).bind(user.0).fetch_all(&self.pool))?;
        all(&found, |row| rows::session(row).map(Arc::new))
    }

    async fn expired_sessions(&self, now: Timestamp, most: usize) -> Result<Vec<SessionId>, StoreError> {
        let sql = "SELECT id FROM taquilla.sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2";
        let found = asking!(self.lost, sqlx::query(sql).bind(Instant::from(now)).bind(limit(most)).fetch_all(&self.pool))?;
        all(&found, |row| row.try_get(0).map(SessionId))
    }

    async fn api_token(&self, hash: &Digest32) -> Result<Option<Arc<ApiToken>>, StoreError> {
        self.asked.api_tokens.get(*hash).await
    }

    async fn api_tokens_of(&self, user: UserId) -> Result<Vec<Arc<ApiToken>>, StoreError> {
        let sql = "SELECT * FROM taquilla.api_tokens WHERE user_id = $1 ORDER BY id";
        let found = asking!(self.lost, sqlx::query(sql).bind(user.0).fetch_all(&self.pool))?;
        all(&found, |row| rows::api_token(row).map(Arc::new))
    }

    async fn api_token_by_id(&self, id: TokenId) -> Result<Option<Arc<ApiToken>>, StoreError> {
        let sql = "SELECT * FROM taquilla.api_tokens WHERE id = $1";
        let row = asking!(self.lost, sqlx::query(sql).bind(id.0).fetch_optional(&self.pool))?;
        Ok(maybe(row.as_ref(), rows::api_token)?.map(Arc::new))
    }

    async fn answer(&self, key: &AnswerKey) -> Result<Option<Answer>, StoreError> {
        let sql = "SELECT * FROM taquilla.answers WHERE user_id = $1 AND key = $2";
        let row = asking!(self.lost, sqlx::query(sql).bind(key.user_id.0).bind(&key.key[..]).fetch_optional(&self.pool))?;
        maybe(row.as_ref(), rows::answer)
    }

    async fn old_answers(&self, before: Timestamp, most: usize) -> Result<Vec<AnswerKey>, StoreError> {
        let sql = "SELECT user_id, key FROM taquilla.answers WHERE at < $1 ORDER BY at LIMIT $2";
        let found = asking!(self.lost, sqlx::query(sql).bind(Instant::from(before)).bind(limit(most)).fetch_all(&self.pool))?;
        all(&found, rows::answer_key)
    }
}

/// The statement for a stretch of the log. An entry's place is its commit's, less the entries that follow it.
fn stretch(query: &EntryQuery, end: Seq) -> QueryBuilder<Postgres> {
    let mut select = QueryBuilder::new("SELECT c.last_seq - e.follow AS seq, e.body FROM taquilla.commits c ");
    select.push("JOIN taquilla.entries e ON e.commit_nr = c.nr WHERE c.entries > 0 AND c.last_seq IS NOT NULL");
    if let Some(ticket) = query.ticket {
        select.push(" AND e.ticket_id = ").push_bind(ticket.0);
    }
    if !query.internal {
        select.push(" AND NOT e.internal");
    }
    match query.from {
        From::After(seq) => {
            // The first condition is the index's, the second one cuts within a commit.
            select.push(" AND c.last_seq > ").push_bind(seq);
            select.push(" AND c.last_seq - e.follow > ").push_bind(seq);
        }
        From::Before(seq) => {
            select.push(" AND c.last_seq - e.follow < ").push_bind(seq);
            select.push(" AND c.last_seq - c.entries + 1 < ").push_bind(seq);
        }
    }
    if query.ticket.is_none() {
        select.push(" AND c.last_seq <= ").push_bind(end);
    }
    select.push(match query.from {
        From::After(_) => " ORDER BY c.last_seq, e.follow DESC LIMIT ",
        From::Before(_) => " ORDER BY c.last_seq DESC, e.follow LIMIT ",
    });
    select.push_bind(limit(query.limit));
    select
}

#[async_trait]
impl Activities for PgStore {
    async fn entries(&self, query: &EntryQuery) -> Result<Vec<Entry>, StoreError> {
        let end = *self.numbers.subscribe().borrow();
        let found = asking!(self.lost, async { stretch(query, end).build().fetch_all(&self.pool).await })?;
        all(&found, rows::entry)
    }

    async fn count_entries(&self, ticket: TicketId, internal: bool) -> Result<usize, StoreError> {
        let sql = "SELECT count(*) FROM taquilla.entries e JOIN taquilla.commits c ON c.nr = e.commit_nr \
                   WHERE e.ticket_id = $1 AND ($2 OR NOT e.internal) AND c.last_seq IS NOT NULL";
        let n: i64 = asking!(self.lost, sqlx::query_scalar(sql).bind(ticket.0).bind(internal).fetch_one(&self.pool))?;
        Ok(usize::try_from(n).unwrap_or(0))
    }

    fn durable_seq(&self) -> watch::Receiver<Seq> {
        self.numbers.subscribe()
    }

    async fn cursor(&self, name: &str) -> Result<LogCursor, StoreError> {
        let sql = "SELECT seq, version FROM taquilla.cursors WHERE name = $1";
        let row = asking!(self.lost, sqlx::query(sql).bind(name).fetch_optional(&self.pool))?;
        let found = maybe(row.as_ref(), |row| Ok((row.try_get(0)?, row.try_get(1)?)))?;
        let (seq, version) = found.unwrap_or((0, 0));
        Ok(LogCursor { name: name.to_owned(), seq, version })
    }

    async fn chain(&self, after: Seq, most: usize) -> Result<Vec<ChainBlock>, StoreError> {
        let sql = "SELECT last_seq, links FROM taquilla.chain WHERE last_seq > $1 ORDER BY last_seq LIMIT $2";
        let found = asking!(self.lost, sqlx::query(sql).bind(after).bind(limit(most)).fetch_all(&self.pool))?;
        all(&found, rows::chain_block)
    }
}
