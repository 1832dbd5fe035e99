//! Every question that a store answers, as data: so that two stores can be asked the same and their answers compared.

use std::{collections::HashMap, sync::Arc};

use taquilla::{
    activity::{chain::ChainBlock, model::Entry},
    analytics::figures::{Amount, Key, Kind, Span, day},
    auth::model::{ApiToken, Digest32, Session},
    store::{Answer, AnswerKey, Backlog, EntryQuery, From, LogCursor, Row, RowKey, SigningSecret, Store, StoreError, TicketStats},
    tickets::{
        model::{Comment, Ticket},
        query::{Scope, SortKey, TicketQuery},
    },
    types::{CommentId, Email, Page, Seq, SessionId, Slice, TicketId, Timestamp, TokenId, UserId},
    users::{
        model::{Roster, Settings, SetupToken, User, UserQuery},
        preferences::Preferences,
    },
};

use super::{build::at, model::State};

/// A question. Lists are walked to their end, by pages of `limit`.
#[derive(Debug, Clone)]
pub enum Question {
    Ticket(TicketId),
    Tickets { query: Box<TicketQuery>, limit: usize },
    Comment(TicketId, CommentId),
    Comments { ticket: TicketId, notes: bool, limit: usize },
    User(UserId),
    UserByEmail(Email),
    Users { query: UserQuery, limit: usize },
    Names(Vec<UserId>),
    Roster,
    Settings,
    SetupToken,
    SigningSecret,
    Session(SessionId),
    SessionsOf(UserId),
    Expired(Timestamp),
    ApiToken(Digest32),
    ApiTokensOf(UserId),
    ApiTokenById(TokenId),
    Answer(AnswerKey),
    OldAnswers(Timestamp),
    Entries { ticket: Option<TicketId>, internal: bool, backwards: bool, limit: usize },
    CountEntries(TicketId, bool),
    DurableSeq,
    Cursor(String),
    Counters(Vec<Span>),
    Backlog(Timestamp, Vec<Timestamp>),
    TicketStats,
    Preferences(UserId),
    Chain(Seq),
}

/// What was found. Sets without an order of their own are sorted.
#[derive(Debug, PartialEq)]
pub enum Found {
    Ticket(Option<Arc<Ticket>>),
    Tickets(Vec<Slice<Arc<Ticket>, SortKey>>),
    Comment(Option<Comment>),
    Comments(Vec<Slice<Comment, CommentId>>),
    User(Option<Arc<User>>),
    Users(Vec<Slice<Arc<User>, UserId>>),
    Names(HashMap<UserId, String>),
    Roster(Roster),
    Settings(Arc<Settings>),
    SetupToken(Option<SetupToken>),
    SigningSecret(Option<SigningSecret>),
    Session(Option<Arc<Session>>),
    Sessions(Vec<Arc<Session>>),
    SessionIds(Vec<SessionId>),
    ApiToken(Option<Arc<ApiToken>>),
    ApiTokens(Vec<Arc<ApiToken>>),
    Answer(Option<Answer>),
    AnswerKeys(Vec<[u8; 32]>),
    Entries(Vec<Entry>),
    Count(usize),
    Seq(Seq),
    Cursor(LogCursor),
    Counters(Vec<(Key, Amount)>),
    Backlog(Backlog),
    TicketStats(TicketStats),
    Preferences(Option<Preferences>),
    Chain(Vec<ChainBlock>),
}

/// More pages than any list of these tests has: a list that does not end is a fault, not a hang.
const MOST_PAGES: usize = 2_000;
/// More rows than any set of these tests has.
const ALL: usize = 10_000;

/// Walks a list from page to page to its end.
pub async fn walk<T, K, F>(limit: usize, next_page: impl Fn(Page<K>) -> F) -> Result<Vec<Slice<T, K>>, StoreError>
where
    K: Copy,
    F: Future<Output = Result<Slice<T, K>, StoreError>>,
{
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = next_page(Page { after, limit }).await?;
        after = page.next;
        pages.push(page);
        if pages.len() > MOST_PAGES {
            return Err(StoreError::Corrupt("the list does not end".into()));
        }
        if after.is_none() {
            return Ok(pages);
        }
    }
}

/// The ids of a list, walked by pages of `limit`.
pub async fn ids(store: &dyn Store, query: &TicketQuery, limit: usize) -> Vec<i64> {
    let pages = walk(limit, |page| store.tickets(query, page)).await.expect("the list is read");
    pages.iter().flat_map(|page| &page.rows).map(|ticket| ticket.id.0).collect()
}

/// The log, walked by stretches of `limit`.
pub async fn entries(
    store: &dyn Store,
    ticket: Option<TicketId>,
    internal: bool,
    backwards: bool,
    limit: usize,
) -> Result<Vec<Entry>, StoreError> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let last = all.last().map(|entry| entry.seq);
        let from = if backwards { From::Before(last.unwrap_or(i64::MAX)) } else { From::After(last.unwrap_or(0)) };
        let stretch = store.entries(&EntryQuery { ticket, internal, from, limit }).await?;
        if stretch.len() > limit || all.len() > ALL {
            return Err(StoreError::Corrupt("more than was asked for, or a log that does not end".into()));
        }
        if stretch.is_empty() {
            return Ok(all);
        }
        all.extend(stretch);
    }
}

/// Asks a store.
pub async fn ask(store: &dyn Store, question: &Question) -> Result<Found, StoreError> {
    Ok(match question.clone() {
        Question::Ticket(id) => Found::Ticket(store.ticket(id).await?),
        Question::Tickets { query, limit } => Found::Tickets(walk(limit, |page| store.tickets(&query, page)).await?),
        Question::Comment(ticket, id) => Found::Comment(store.comment(ticket, id).await?),
        Question::Comments { ticket, notes, limit } => Found::Comments(walk(limit, |page| store.comments(ticket, notes, page)).await?),
        Question::User(id) => Found::User(store.user(id).await?),
        Question::UserByEmail(email) => Found::User(store.user_by_email(&email).await?),
        Question::Users { query, limit } => Found::Users(walk(limit, |page| store.users(&query, page)).await?),
        Question::Names(ids) => Found::Names(store.names(&ids).await?),
        Question::Roster => Found::Roster(store.roster().await?),
        Question::Settings => Found::Settings(store.settings().await?),
        Question::SetupToken => Found::SetupToken(store.setup_token().await?),
        Question::SigningSecret => Found::SigningSecret(store.signing_secret().await?),
        Question::Session(id) => Found::Session(store.session(id).await?),
        Question::SessionsOf(user) => Found::Sessions(store.sessions_of(user).await?),
        Question::Expired(now) => {
            let mut ids = store.expired_sessions(now, ALL).await?;
            ids.sort_unstable();
            Found::SessionIds(ids)
        }
        Question::ApiToken(hash) => Found::ApiToken(store.api_token(&hash).await?),
        Question::ApiTokensOf(user) => Found::ApiTokens(store.api_tokens_of(user).await?),
        Question::ApiTokenById(id) => Found::ApiToken(store.api_token_by_id(id).await?),
        Question::Answer(key) => Found::Answer(store.answer(&key).await?),
        Question::OldAnswers(before) => {
            let mut keys: Vec<_> = store.old_answers(before, ALL).await?.into_iter().map(|key| key.key).collect();
            keys.sort_unstable();
            Found::AnswerKeys(keys)
        }
        Question::Entries { ticket, internal, backwards, limit } => {
            Found::Entries(entries(store, ticket, internal, backwards, limit).await?)
        }
        Question::CountEntries(ticket, internal) => Found::Count(store.count_entries(ticket, internal).await?),
        Question::DurableSeq => Found::Seq(*store.durable_seq().borrow()),
        Question::Cursor(name) => Found::Cursor(store.cursor(&name).await?),
        Question::Counters(spans) => Found::Counters(store.counters(&spans).await?),
        Question::Backlog(now, opened_by) => Found::Backlog(store.backlog(now, &opened_by).await?),
        Question::TicketStats => Found::TicketStats(store.ticket_stats().await?),
        Question::Preferences(user) => Found::Preferences(store.preferences(user).await?),
        Question::Chain(last) => Found::Chain(store.chain(last - 1, 1).await?),
    })
}

/// Every question of which the answer is not trivial in this state.
pub fn everything(state: &State) -> Vec<Question> {
    let mut all = vec![
        Question::Roster,
        Question::Settings,
        Question::SetupToken,
        Question::SigningSecret,
        Question::Users { query: UserQuery::default(), limit: 3 },
        Question::Names(state.users().iter().map(|user| user.id).chain([UserId(i64::MAX)]).collect()),
        Question::Expired(at(50)),
        Question::Expired(Timestamp::MAX),
        Question::OldAnswers(at(50)),
        Question::OldAnswers(Timestamp::MAX),
        Question::DurableSeq,
        Question::Entries { ticket: None, internal: true, backwards: false, limit: 7 },
        Question::Entries { ticket: None, internal: false, backwards: true, limit: 50 },
    ];
    all.extend(figures());
    for scope in [Scope::All, Scope::Requester(UserId(1)), Scope::Requester(UserId(2))] {
        for deleted in [false, true] {
            all.push(Question::Tickets { query: Box::new(TicketQuery { deleted, ..TicketQuery::all(scope) }), limit: 7 });
        }
    }
    for key in state.keys() {
        match key {
            RowKey::Ticket(id) => {
                all.extend([Question::Ticket(id), Question::CountEntries(id, false), Question::CountEntries(id, true)]);
                for notes in [false, true] {
                    all.push(Question::Comments { ticket: id, notes, limit: 2 });
                    all.push(Question::Entries { ticket: Some(id), internal: notes, backwards: notes, limit: 3 });
                }
            }
            RowKey::Comment(ticket, id) => all.push(Question::Comment(ticket, id)),
            RowKey::User(id) => all.extend([Question::User(id), Question::SessionsOf(id), Question::ApiTokensOf(id)]),
            RowKey::Session(id) => all.push(Question::Session(id)),
            RowKey::ApiToken(id) => all.push(Question::ApiTokenById(id)),
            RowKey::LogCursor(name) => all.push(Question::Cursor(name)),
            RowKey::Answer(key) => all.push(Question::Answer(key)),
            RowKey::Preferences(user) => all.push(Question::Preferences(user)),
            RowKey::ChainBlock(last) => all.push(Question::Chain(last)),
            RowKey::Roster | RowKey::Settings | RowKey::SetupToken | RowKey::SigningSecret => {}
        }
    }
    all.extend(state.users().iter().map(|user| Question::UserByEmail(user.email.clone())));
    all.extend(state.tokens().iter().map(|token| Question::ApiToken(token.hash)));
    all
}

/// What analytics ask: every counter, alone and added up, and how old the work is at some instants.
pub fn figures() -> Vec<Question> {
    let today = day(at(0));
    vec![
        Question::TicketStats,
        Question::Counters(Kind::ALL.map(Span::all).to_vec()),
        Question::Counters(Kind::ALL.map(|kind| Span::merged(kind, today - 1, today)).to_vec()),
        Question::Backlog(at(0), vec![at(-1), at(0)]),
        Question::Backlog(at(60), vec![at(20), at(39), at(40)]),
        Question::Backlog(at(90_000), vec![at(90_000), at(-90_000)]),
    ]
}

/// The questions that a row's change bears on most; the first one is for the row itself.
pub fn about(row: &Row) -> Vec<Question> {
    match row {
        Row::Ticket(ticket) => [Question::Ticket(ticket.id)].into_iter().chain(figures()).collect(),
        Row::Comment(comment) => {
            let ticket = comment.ticket_id;
            let lists = [false, true].map(|notes| Question::Comments { ticket, notes, limit: 50 });
            [Question::Comment(ticket, comment.id), Question::Ticket(ticket)].into_iter().chain(lists).collect()
        }
        Row::User(user) => vec![Question::User(user.id), Question::UserByEmail(user.email.clone()), Question::Names(vec![user.id])],
        Row::Session(session) => vec![Question::Session(session.id), Question::SessionsOf(session.user_id)],
        Row::ApiToken(token) => {
            vec![Question::ApiTokenById(token.id), Question::ApiToken(token.hash), Question::ApiTokensOf(token.user_id)]
        }
        Row::Roster(_) => vec![Question::Roster],
        Row::Settings(_) => vec![Question::Settings],
        Row::SetupToken(_) => vec![Question::SetupToken],
        Row::SigningSecret(_) => vec![Question::SigningSecret],
        Row::LogCursor(cursor) => vec![Question::Cursor(cursor.name.clone())],
        Row::Answer(answer) => vec![Question::Answer(answer.key)],
        Row::Preferences(preferences) => vec![Question::Preferences(preferences.user_id)],
        Row::ChainBlock(block) => vec![Question::Chain(block.last)],
    }
}
