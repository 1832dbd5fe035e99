//! Rows as the database gives them, made into what they are.

use serde::de::DeserializeOwned;
use sqlx::{Row as _, postgres::PgRow, types::Json};

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

pub(super) const TICKET: &str = "id, title, description, status, priority, tags, channel, creator_id, opened_by_id, assigned_agent_id, \
     created_at, updated_at, first_response_at, first_response_due_at, resolved_at, resolution_due_at, first_resolved_at, closed_at, \
     status_since, reopen_count, first_response, resolution, first_response_decided_at, resolution_decided_at, \
     targets, public_comments, internal_notes, deleted_at, version";

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

fn priority(row: &PgRow) -> Read<Priority> {
    let place = usize::try_from(row.try_get::<i16, _>("priority")?).ok();
    place.and_then(|place| Priority::ALL.get(place).copied()).ok_or_else(|| damaged("no such priority"))
}

pub(super) fn ticket(row: &PgRow) -> Read<Ticket> {
    Ok(Ticket {
        id: TicketId(row.try_get("id")?),
        title: row.try_get("title")?,
        description: row.try_get("description")?,
        status: named(row, "status")?,
        priority: priority(row)?,
        tags: row.try_get("tags")?,
        channel: named(row, "channel")?,
        creator_id: UserId(row.try_get("creator_id")?),
        opened_by_id: UserId(row.try_get("opened_by_id")?),
        assigned_agent_id: row.try_get::<Option<i64>, _>("assigned_agent_id")?.map(UserId),
        created_at: at(row, "created_at")?,
        updated_at: at(row, "updated_at")?,
        first_response_at: maybe_at(row, "first_response_at")?,
        first_response_due_at: maybe_at(row, "first_response_due_at")?,
        resolved_at: maybe_at(row, "resolved_at")?,
        resolution_due_at: maybe_at(row, "resolution_due_at")?,
        first_resolved_at: maybe_at(row, "first_resolved_at")?,
        closed_at: maybe_at(row, "closed_at")?,
        status_since: at(row, "status_since")?,
        reopen_count: row.try_get("reopen_count")?,
        first_response: named(row, "first_response")?,
        resolution: named(row, "resolution")?,
        first_response_decided_at: maybe_at(row, "first_response_decided_at")?,
        resolution_decided_at: maybe_at(row, "resolution_decided_at")?,
        targets: row.try_get::<Json<Targets>, _>("targets")?.0.0,
        public_comments: row.try_get("public_comments")?,
        internal_notes: row.try_get("internal_notes")?,
        deleted_at: maybe_at(row, "deleted_at")?,
        version: row.try_get("version")?,
    })
}

/// What a ticket counted for before a write, with the columns that decide it.
pub(super) fn standing(row: &PgRow) -> Read<Standing> {
    let due: Instant = row.try_get("due_at")?;
    Ok(Standing {
        created_at: at(row, "created_at")?,
        status: named(row, "status")?,
        priority: priority(row)?,
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
