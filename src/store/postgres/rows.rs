//! Rows as the database gives them, made into what they are.

use serde::de::DeserializeOwned;
use sqlx::{Decode, Postgres, Row as _, Type, postgres::PgRow, types::Json};

use super::values::{Instant, of_word};
use crate::{
    activity::{chain::ChainBlock, model::Entry},
    analytics::figures::{Decided, Standing},
    auth::model::{ApiToken, Digest32, Session},
    store::{Answer, AnswerKey, LogCursor},
    tickets::{
        model::{Comment, Priority, Ticket},
        sla,
    },
    types::{CommentId, Secret, SessionId, TicketId, Timestamp, TokenId, UserId},
    users::{model::User, preferences::Preferences},
};

/// What reading a row gives.
pub(super) type Read<T> = Result<T, sqlx::Error>;

/// A statement that gives tickets: their columns in the order in which [`ticket`] reads them, and what follows on those.
macro_rules! tickets {
    ($($rest:literal),+) => {
        concat!(
            "SELECT id, title, description, status, priority, tags, channel, creator_id, opened_by_id, assigned_agent_id, created_at, \
             updated_at, first_response_at, first_response_due_at, resolved_at, resolution_due_at, first_resolved_at, closed_at, \
             status_since, reopen_count, first_response, resolution, first_response_decided_at, resolution_decided_at, targets, \
             public_comments, internal_notes, deleted_at, version",
            $($rest),+
        )
    };
}
pub(super) use tickets;

/// The columns of an account, without its terms: the driver looks their type up by a statement of its own, which ends one that has
/// no name.
pub(super) const USER: &str = "id, email, full_name, role, is_active, locale, password_hash, created_at, updated_at, version";

fn damaged(what: impl Into<String>) -> sqlx::Error {
    sqlx::Error::Decode(what.into().into())
}

fn at(row: &PgRow, column: &str) -> Read<Timestamp> {
    Ok(row.try_get::<Instant, _>(column)?.stamp())
}

fn maybe_at(row: &PgRow, column: &str) -> Read<Option<Timestamp>> {
    Ok(row.try_get::<Option<Instant>, _>(column)?.map(Instant::stamp))
}

fn named<T: DeserializeOwned>(row: &PgRow, column: &str) -> Read<T> {
    of_word(row.try_get(column)?)
}

fn json<T: DeserializeOwned>(row: &PgRow, column: &str) -> Read<T> {
    Ok(row.try_get::<Json<T>, _>(column)?.0)
}

fn digest(row: &PgRow, column: &str) -> Read<Digest32> {
    row.try_get::<&[u8], _>(column)?.try_into().map_err(|_| damaged("a digest has 32 bytes"))
}

fn priority(place: i16) -> Read<Priority> {
    usize::try_from(place).ok().and_then(|place| Priority::ALL.get(place).copied()).ok_or_else(|| damaged("no such priority"))
}

/// Columns by their place: looking each of them up by its name takes a good part of reading a page of tickets.
struct Columns<'r> {
    row: &'r PgRow,
    next: usize,
}

impl<'r> Columns<'r> {
    fn next<T: Decode<'r, Postgres> + Type<Postgres>>(&mut self) -> Read<T> {
        self.next += 1;
        self.row.try_get(self.next - 1)
    }

    fn user(&mut self) -> Read<UserId> {
        self.next().map(UserId)
    }

    fn at(&mut self) -> Read<Timestamp> {
        self.next().map(Instant::stamp)
    }

    fn maybe_at(&mut self) -> Read<Option<Timestamp>> {
        Ok(self.next::<Option<Instant>>()?.map(Instant::stamp))
    }

    fn named<T: DeserializeOwned>(&mut self) -> Read<T> {
        of_word(self.next()?)
    }
}

/// A ticket, of a row that begins with its columns ([`TICKET`]).
pub(super) fn ticket(row: &PgRow) -> Read<Ticket> {
    let mut columns = Columns { row, next: 0 };
    Ok(Ticket {
        id: TicketId(columns.next()?),
        title: columns.next()?,
        description: columns.next()?,
        status: columns.named()?,
        priority: priority(columns.next()?)?,
        tags: columns.next()?,
        channel: columns.named()?,
        creator_id: columns.user()?,
        opened_by_id: columns.user()?,
        assigned_agent_id: columns.next::<Option<i64>>()?.map(UserId),
        created_at: columns.at()?,
        updated_at: columns.at()?,
        first_response_at: columns.maybe_at()?,
        first_response_due_at: columns.maybe_at()?,
        resolved_at: columns.maybe_at()?,
        resolution_due_at: columns.maybe_at()?,
        first_resolved_at: columns.maybe_at()?,
        closed_at: columns.maybe_at()?,
        status_since: columns.at()?,
        reopen_count: columns.next()?,
        first_response: columns.named()?,
        resolution: columns.named()?,
        first_response_decided_at: columns.maybe_at()?,
        resolution_decided_at: columns.maybe_at()?,
        targets: columns.next::<Json<Targets>>()?.0.0,
        public_comments: columns.next()?,
        internal_notes: columns.next()?,
        deleted_at: columns.maybe_at()?,
        version: columns.next()?,
    })
}

/// What a ticket counted for before a write, with the columns that decide it.
pub(super) fn standing(row: &PgRow) -> Read<Standing> {
    let due: Instant = row.try_get("due_at")?;
    Ok(Standing {
        created_at: at(row, "created_at")?,
        status: named(row, "status")?,
        priority: priority(row.try_get("priority")?)?,
        assigned_agent_id: row.try_get::<Option<i64>, _>("assigned_agent_id")?.map(UserId),
        due_at: (due.0 != i64::MAX).then(|| due.stamp()),
        first_response_at: maybe_at(row, "first_response_at")?,
        resolved_at: maybe_at(row, "resolved_at")?,
        first_response: Decided::of(named(row, "first_response")?, maybe_at(row, "first_response_decided_at")?),
        resolution: Decided::of(named(row, "resolution")?, maybe_at(row, "resolution_decided_at")?),
        deleted: maybe_at(row, "deleted_at")?.is_some(),
    })
}

/// The targets as eight numbers.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(super) struct Targets(#[serde(with = "sla::compact")] pub(super) sla::SlaTargets);

pub(super) fn comment(row: &PgRow) -> Read<Comment> {
    Ok(Comment {
        id: CommentId(row.try_get("id")?),
        ticket_id: TicketId(row.try_get("ticket_id")?),
        author_id: UserId(row.try_get("author_id")?),
        content: row.try_get("content")?,
        is_internal: row.try_get("is_internal")?,
        created_at: at(row, "created_at")?,
        updated_at: at(row, "updated_at")?,
        deleted_at: maybe_at(row, "deleted_at")?,
        version: row.try_get("version")?,
    })
}

pub(super) fn user(row: &PgRow) -> Read<User> {
    let email: String = row.try_get("email")?;
    Ok(User {
        id: UserId(row.try_get("id")?),
        email: email.parse().map_err(|_| damaged("an e-mail address that is none"))?,
        full_name: row.try_get("full_name")?,
        role: named(row, "role")?,
        is_active: row.try_get("is_active")?,
        locale: named(row, "locale")?,
        password_hash: row.try_get::<Option<String>, _>("password_hash")?.map(Secret::new),
        created_at: at(row, "created_at")?,
        updated_at: at(row, "updated_at")?,
        version: row.try_get("version")?,
    })
}

pub(super) fn session(row: &PgRow) -> Read<Session> {
    Ok(Session {
        id: SessionId(row.try_get("id")?),
        user_id: UserId(row.try_get("user_id")?),
        family: digest(row, "family")?,
        live: json(row, "live")?,
        spent: json(row, "spent")?,
        cookie: row.try_get("cookie")?,
        created_at: at(row, "created_at")?,
        last_used_at: at(row, "last_used_at")?,
        expires_at: at(row, "expires_at")?,
        address: row.try_get("address")?,
        user_agent: row.try_get("user_agent")?,
        version: row.try_get("version")?,
    })
}

pub(super) fn api_token(row: &PgRow) -> Read<ApiToken> {
    Ok(ApiToken {
        id: TokenId(row.try_get("id")?),
        user_id: UserId(row.try_get("user_id")?),
        name: row.try_get("name")?,
        hash: digest(row, "hash")?,
        expires_at: maybe_at(row, "expires_at")?,
        created_at: at(row, "created_at")?,
        last_used_at: maybe_at(row, "last_used_at")?,
        version: row.try_get("version")?,
    })
}

pub(super) fn answer(row: &PgRow) -> Read<Answer> {
    let status: i32 = row.try_get("status")?;
    Ok(Answer {
        key: answer_key(row)?,
        request: digest(row, "request")?,
        status: u16::try_from(status).map_err(|_| damaged("no such status"))?,
        location: row.try_get("location")?,
        etag: row.try_get("etag")?,
        body: row.try_get("body")?,
        at: at(row, "at")?,
    })
}

pub(super) fn chain_block(row: &PgRow) -> Read<ChainBlock> {
    Ok(ChainBlock::from_parts(row.try_get("last_seq")?, row.try_get("links")?))
}

pub(super) fn cursor(row: &PgRow) -> Read<LogCursor> {
    Ok(LogCursor { name: row.try_get("name")?, seq: row.try_get("seq")?, version: row.try_get("version")? })
}

pub(super) fn preferences(row: &PgRow) -> Read<Preferences> {
    Ok(Preferences { version: row.try_get("version")?, ..single(row)? })
}

pub(super) fn answer_key(row: &PgRow) -> Read<AnswerKey> {
    Ok(AnswerKey { user_id: UserId(row.try_get("user_id")?), key: digest(row, "key")? })
}

/// An entry; its place is a column of its own.
pub(super) fn entry(row: &PgRow) -> Read<Entry> {
    let mut entry: Entry = json(row, "body")?;
    entry.seq = row.try_get("seq")?;
    Ok(entry)
}

/// The body of a row of which there is one.
pub(super) fn single<T: DeserializeOwned>(row: &PgRow) -> Read<T> {
    json(row, "body")
}
