//! The second half of a commit: everything has been judged, and its rows are locked; now they are written.

use std::collections::HashSet;

use serde_json::{Value, json};
use sqlx::{PgConnection, Postgres, Row as _, postgres::PgArguments, query::Query, types::Json};

use super::{
    fault::Fault,
    figures::Moves,
    judge::single_name,
    rows::{Targets, standing},
    search::{self, Terms},
    take_in,
    values::{Instant, word},
};
use crate::{
    activity::chain::ChainBlock,
    analytics::figures::{Standing, moves},
    auth::model::{ApiToken, Session},
    store::{Addition, Answer, Changes, Expect, LogCursor, Row, RowKey, StoreError, Write, changed::has_same_place},
    tickets::model::{Comment, Ticket},
    users::{model::User, preferences::Preferences},
};

/// A statement with its values.
type Statement<'a> = Query<'a, Postgres, PgArguments>;

/// An insertion that leaves alone what is there, or one that replaces it: the first for a row that must be new.
macro_rules! put {
    ($new:expr, $insert:literal, on $key:literal, set $set:literal $(, then $rest:literal)?) => {
        if $new {
            concat!($insert, " ON CONFLICT (", $key, ") DO NOTHING" $(, $rest)?)
        } else {
            concat!($insert, " ON CONFLICT (", $key, ") DO UPDATE SET ", $set $(, $rest)?)
        }
    };
}

/// What follows from the rows of a commit, for its last statement to write.
#[derive(Default)]
pub(super) struct Derived {
    /// By what the counters move.
    pub(super) moves: Moves,
    /// What texts are found by.
    pub(super) terms: Terms,
    /// Whether a ticket may be in other lists, or elsewhere in one that does not go by when something is due.
    pub(super) moved: bool,
    /// Whether something else is due.
    pub(super) moved_due: bool,
}

impl Derived {
    pub(super) fn is_empty(&self) -> bool {
        self.moves.is_empty() && self.terms.is_empty()
    }
}

/// Writes the rows of a commit, in its order; gives what follows from them.
pub(super) async fn rows(tx: &mut PgConnection, changes: &Changes) -> Result<Derived, Fault> {
    let mut written = HashSet::new();
    let mut derived = Derived::default();
    for write in &changes.writes {
        match write {
            Write::Put(row, expect) => {
                let key = row.key();
                let new = *expect == Expect::New && !written.contains(&key);
                put(tx, row, new, &mut derived).await?;
                written.insert(key);
            }
            Write::Delete(key, _) => {
                delete(tx, key).await?;
                written.insert(key.clone());
            }
        }
    }
    for addition in &changes.additions {
        add(tx, *addition).await?;
    }
    Ok(derived)
}

async fn put(tx: &mut PgConnection, row: &Row, new: bool, derived: &mut Derived) -> Result<(), Fault> {
    let statement = match row {
        Row::Ticket(row) => return ticket(tx, row, new, derived).await,
        Row::Comment(row) => {
            made(comment(row, new).execute(&mut *tx).await?.rows_affected())?;
            return derived.terms.comment(tx, row, new).await;
        }
        Row::User(row) => user(row, new)?,
        Row::Session(row) => session(row, new),
        Row::ApiToken(row) => api_token(row, new),
        Row::LogCursor(row) => cursor(row, new),
        Row::Answer(row) => answer(row, new),
        Row::Roster(body) => single(row, body, new)?,
        Row::Settings(body) => single(row, body, new)?,
        Row::SetupToken(body) => single(row, body, new)?,
        Row::SigningSecret(body) => single(row, body, new)?,
        Row::Preferences(body) => preferences(body, new)?,
        Row::ChainBlock(row) => chain(row, new),
    };
    made(statement.execute(tx).await?.rows_affected())
}

/// A row that should be new and was not written: somebody has made it since it was judged.
fn made(rows: u64) -> Result<(), Fault> {
    if rows == 0 { Err(Fault::Overtaken) } else { Ok(()) }
}

fn instant(at: Option<crate::types::Timestamp>) -> Option<Instant> {
    at.map(Instant::from)
}

/// Writes a ticket, and notes what follows from that.
async fn ticket(tx: &mut PgConnection, row: &Ticket, new: bool, derived: &mut Derived) -> Result<(), Fault> {
    let sql = put!(
        new,
        "WITH old AS (SELECT * FROM taquilla.tickets WHERE id = $1), put AS (INSERT INTO taquilla.tickets AS t (id, title, description, status, priority, tags, channel, creator_id, opened_by_id, \
         assigned_agent_id, created_at, updated_at, first_response_at, first_response_due_at, resolved_at, resolution_due_at, \
         first_resolved_at, closed_at, status_since, reopen_count, first_response, resolution, targets, deleted_at, due_at, \
         public_comments, internal_notes, first_response_decided_at, resolution_decided_at, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, \
         $26, $27, $28, $29, 1)",
        on "id",
        set "title = excluded.title, description = excluded.description, status = excluded.status, priority = excluded.priority, \
         tags = excluded.tags, channel = excluded.channel, creator_id = excluded.creator_id, opened_by_id = excluded.opened_by_id, \
         assigned_agent_id = excluded.assigned_agent_id, created_at = excluded.created_at, \
         updated_at = greatest(t.updated_at, excluded.updated_at), first_response_at = excluded.first_response_at, \
         first_response_due_at = excluded.first_response_due_at, resolved_at = excluded.resolved_at, \
         resolution_due_at = excluded.resolution_due_at, first_resolved_at = excluded.first_resolved_at, \
         closed_at = excluded.closed_at, status_since = excluded.status_since, reopen_count = excluded.reopen_count, \
         first_response = excluded.first_response, resolution = excluded.resolution, targets = excluded.targets, \
         first_response_decided_at = excluded.first_response_decided_at, resolution_decided_at = excluded.resolution_decided_at, \
         deleted_at = excluded.deleted_at, due_at = excluded.due_at, version = t.version + 1",
        then " RETURNING t.id) SELECT old.id IS NOT NULL, (old.title, old.description, old.tags, old.priority) IS DISTINCT FROM ($2, $3, $6, $5), old.status, \
         old.priority, old.assigned_agent_id, old.created_at, old.due_at, old.first_response_at, old.resolved_at, old.first_response, \
         old.first_response_decided_at, old.resolution, old.resolution_decided_at, old.deleted_at, old.creator_id FROM put LEFT JOIN old ON true"
    );
    let due = row.due_at().map_or(Instant(i64::MAX), Instant::from);
    let statement = sqlx::query(sql)
        .bind(row.id.0)
        .bind(&row.title)
        .bind(&row.description)
        .bind(row.status.name())
        .bind(row.priority as i16)
        .bind(&row.tags)
        .bind(row.channel.name())
        .bind(row.creator_id.0)
        .bind(row.opened_by_id.0)
        .bind(row.assigned_agent_id.map(|id| id.0))
        .bind(Instant::from(row.created_at))
        .bind(Instant::from(row.updated_at))
        .bind(instant(row.first_response_at))
        .bind(instant(row.first_response_due_at))
        .bind(instant(row.resolved_at))
        .bind(instant(row.resolution_due_at))
        .bind(instant(row.first_resolved_at))
        .bind(instant(row.closed_at))
        .bind(Instant::from(row.status_since))
        .bind(row.reopen_count)
        .bind(row.first_response.name())
        .bind(row.resolution.name())
        .bind(Json(Targets(row.targets)))
        .bind(instant(row.deleted_at))
        .bind(due)
        .bind(row.public_comments)
        .bind(row.internal_notes)
        .bind(instant(row.first_response_decided_at))
        .bind(instant(row.resolution_decided_at));
    let Some(old) = statement.fetch_optional(&mut *tx).await? else { return Err(Fault::Overtaken) };
    let was_there: bool = old.try_get(0)?;
    if was_there {
        let was_deleted = old.try_get::<Option<Instant>, _>("deleted_at")?.is_some();
        let was_created_at = old.try_get::<Instant, _>("created_at")?.stamp();
        if was_deleted != row.deleted_at.is_some() || was_created_at != row.created_at {
            search::leave(tx, &[row.id.0]).await?;
        }
    }
    let before = if was_there { Some(standing(&old)?) } else { None };
    let (now, has_other_texts): (_, bool) = (Standing::from(row), old.try_get(1)?);
    for (key, amount) in moves(before.as_ref(), Some(&now)) {
        *derived.moves.entry(key).or_default() += amount;
    }
    derived.moved_due |= before.as_ref().is_none_or(|before| before.due_at != now.due_at);
    derived.moved |= has_other_texts
        || old.try_get::<Option<i64>, _>("creator_id")? != Some(row.creator_id.0)
        || before.is_none_or(|before| !has_same_place(&before, &now));
    if has_other_texts { derived.terms.ticket(tx, row, !was_there).await } else { Ok(()) }
}

/// Writes tickets that must be new, all at once; gives what follows from that.
pub(super) async fn new_tickets(tx: &mut PgConnection, rows: &[&Ticket]) -> Result<Derived, Fault> {
    let sql = "INSERT INTO taquilla.tickets SELECT * FROM jsonb_populate_recordset(NULL::taquilla.tickets, $1) ON CONFLICT (id) DO NOTHING";
    let mut columns = rows.iter().map(|row| take_in::ticket(row)).collect::<Result<Vec<Value>, _>>().map_err(take_in::unwritable)?;
    for columns in &mut columns {
        columns["version"] = json!(1);
    }
    let written = sqlx::query(sql).bind(Value::Array(columns)).execute(&mut *tx).await?.rows_affected();
    if usize::try_from(written) != Ok(rows.len()) {
        return Err(Fault::Overtaken);
    }
    let mut derived = Derived { moved: true, moved_due: true, ..Derived::default() };
    for row in rows {
        for (key, amount) in moves(None, Some(&Standing::from(*row))) {
            *derived.moves.entry(key).or_default() += amount;
        }
        derived.terms.ticket(tx, row, true).await?;
    }
    Ok(derived)
}

/// Remembers an answer that must be new.
pub(super) async fn new_answer(tx: &mut PgConnection, row: &Answer) -> Result<(), Fault> {
    made(answer(row, true).execute(tx).await?.rows_affected())
}

fn comment(row: &Comment, new: bool) -> Statement<'_> {
    let sql = put!(
        new,
        "INSERT INTO taquilla.comments AS c (id, ticket_id, author_id, content, is_internal, created_at, updated_at, deleted_at, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)",
        on "id",
        set "author_id = excluded.author_id, content = excluded.content, is_internal = excluded.is_internal, \
         created_at = excluded.created_at, updated_at = excluded.updated_at, deleted_at = excluded.deleted_at, version = c.version + 1"
    );
    sqlx::query(sql)
        .bind(row.id.0)
        .bind(row.ticket_id.0)
        .bind(row.author_id.0)
        .bind(&row.content)
        .bind(row.is_internal)
        .bind(Instant::from(row.created_at))
        .bind(Instant::from(row.updated_at))
        .bind(instant(row.deleted_at))
}

fn user(row: &User, new: bool) -> Result<Statement<'_>, StoreError> {
    let sql = put!(
        new,
        "INSERT INTO taquilla.users AS u (id, email, full_name, role, is_active, locale, password_hash, created_at, updated_at, terms, \
         version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, array_to_tsvector($10), 1)",
        on "id",
        set "email = excluded.email, full_name = excluded.full_name, role = excluded.role, is_active = excluded.is_active, \
         locale = excluded.locale, password_hash = excluded.password_hash, created_at = excluded.created_at, \
         updated_at = excluded.updated_at, terms = excluded.terms, version = u.version + 1"
    );
    Ok(sqlx::query(sql)
        .bind(row.id.0)
        .bind(row.email.as_str())
        .bind(&row.full_name)
        .bind(row.role.name())
        .bind(row.is_active)
        .bind(word(&row.locale)?)
        .bind(row.password_hash.as_ref().map(crate::types::Secret::expose))
        .bind(Instant::from(row.created_at))
        .bind(Instant::from(row.updated_at))
        .bind(search::terms_of(&[&row.full_name, row.email.as_str()])))
}

fn session(row: &Session, new: bool) -> Statement<'_> {
    let sql = put!(
        new,
        "INSERT INTO taquilla.sessions AS s (id, user_id, family, live, spent, cookie, created_at, last_used_at, expires_at, address, \
         user_agent, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1)",
        on "id",
        set "user_id = excluded.user_id, family = excluded.family, live = excluded.live, spent = excluded.spent, \
         cookie = excluded.cookie, created_at = excluded.created_at, last_used_at = excluded.last_used_at, \
         expires_at = excluded.expires_at, address = excluded.address, user_agent = excluded.user_agent, version = s.version + 1"
    );
    sqlx::query(sql)
        .bind(row.id.0)
        .bind(row.user_id.0)
        .bind(&row.family[..])
        .bind(Json(&row.live))
        .bind(Json(&row.spent))
        .bind(row.cookie)
        .bind(Instant::from(row.created_at))
        .bind(Instant::from(row.last_used_at))
        .bind(Instant::from(row.expires_at))
        .bind(&row.address)
        .bind(&row.user_agent)
}

fn api_token(row: &ApiToken, new: bool) -> Statement<'_> {
    let sql = put!(
        new,
        "INSERT INTO taquilla.api_tokens AS t (id, user_id, name, hash, expires_at, created_at, last_used_at, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 1)",
        on "id",
        set "user_id = excluded.user_id, name = excluded.name, hash = excluded.hash, expires_at = excluded.expires_at, \
         created_at = excluded.created_at, last_used_at = excluded.last_used_at, version = t.version + 1"
    );
    sqlx::query(sql)
        .bind(row.id.0)
        .bind(row.user_id.0)
        .bind(&row.name)
        .bind(&row.hash[..])
        .bind(instant(row.expires_at))
        .bind(Instant::from(row.created_at))
        .bind(instant(row.last_used_at))
}

fn cursor(row: &LogCursor, new: bool) -> Statement<'_> {
    let sql = put!(
        new,
        "INSERT INTO taquilla.cursors AS c (name, seq, version) VALUES ($1, $2, 1)",
        on "name",
        set "seq = greatest(c.seq, excluded.seq), version = c.version + 1"
    );
    sqlx::query(sql).bind(&row.name).bind(row.seq)
}

fn answer(row: &Answer, new: bool) -> Statement<'_> {
    let sql = put!(
        new,
        "INSERT INTO taquilla.answers AS a (user_id, key, request, status, location, etag, body, at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        on "user_id, key",
        set "request = excluded.request, status = excluded.status, location = excluded.location, etag = excluded.etag, \
         body = excluded.body, at = excluded.at"
    );
    sqlx::query(sql)
        .bind(row.key.user_id.0)
        .bind(&row.key.key[..])
        .bind(&row.request[..])
        .bind(i32::from(row.status))
        .bind(&row.location)
        .bind(&row.etag)
        .bind(&row.body)
        .bind(Instant::from(row.at))
}

/// A row of which there is one. Its version is the column; the one in the body is not looked at.
fn single<'a, T: serde::Serialize>(row: &Row, body: &'a T, new: bool) -> Result<Statement<'a>, StoreError> {
    let sql = put!(
        new,
        "INSERT INTO taquilla.singles AS s (name, body, version) VALUES ($1, $2, 1)",
        on "name",
        set "body = excluded.body, version = s.version + 1"
    );
    let body = serde_json::to_value(body).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(sqlx::query(sql).bind(single_name(&row.key()).unwrap_or_default()).bind(body))
}

fn preferences(row: &Preferences, new: bool) -> Result<Statement<'_>, StoreError> {
    let sql = put!(
        new,
        "INSERT INTO taquilla.preferences AS p (user_id, body, version) VALUES ($1, $2, 1)",
        on "user_id",
        set "body = excluded.body, version = p.version + 1"
    );
    let body = serde_json::to_value(row).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(sqlx::query(sql).bind(row.user_id.0).bind(body))
}

fn chain(row: &ChainBlock, new: bool) -> Statement<'_> {
    let sql = put!(new, "INSERT INTO taquilla.chain (last_seq, links) VALUES ($1, $2)", on "last_seq", set "links = excluded.links");
    sqlx::query(sql).bind(row.last).bind(row.bytes())
}

async fn delete(tx: &mut PgConnection, key: &RowKey) -> Result<(), Fault> {
    let statement = match key {
        RowKey::Session(id) => sqlx::query("DELETE FROM taquilla.sessions WHERE id = $1").bind(id.0),
        RowKey::ApiToken(id) => sqlx::query("DELETE FROM taquilla.api_tokens WHERE id = $1").bind(id.0),
        RowKey::Preferences(user) => sqlx::query("DELETE FROM taquilla.preferences WHERE user_id = $1").bind(user.0),
        RowKey::ChainBlock(last) => sqlx::query("DELETE FROM taquilla.chain WHERE last_seq = $1").bind(last),
        RowKey::LogCursor(name) => sqlx::query("DELETE FROM taquilla.cursors WHERE name = $1").bind(name),
        RowKey::Answer(key) => {
            sqlx::query("DELETE FROM taquilla.answers WHERE user_id = $1 AND key = $2").bind(key.user_id.0).bind(&key.key[..])
        }
        // Judged already: rows of the other kinds are never removed.
        key => sqlx::query("DELETE FROM taquilla.singles WHERE name = $1").bind(single_name(key).unwrap_or_default()),
    };
    statement.execute(tx).await?;
    Ok(())
}

async fn add(tx: &mut PgConnection, addition: Addition) -> Result<(), Fault> {
    let statement = match addition {
        Addition::Comments { ticket, public, internal, touched_at } => sqlx::query(
            "UPDATE taquilla.tickets SET public_comments = public_comments + $2, internal_notes = internal_notes + $3, \
             updated_at = greatest(updated_at, $4) WHERE id = $1",
        )
        .bind(ticket.0)
        .bind(public)
        .bind(internal)
        .bind(instant(touched_at)),
        Addition::SessionUsed(id, at) => {
            sqlx::query("UPDATE taquilla.sessions SET last_used_at = greatest(last_used_at, $2) WHERE id = $1")
                .bind(id.0)
                .bind(Instant::from(at))
        }
        Addition::TokenUsed(id, at) => {
            sqlx::query("UPDATE taquilla.api_tokens SET last_used_at = greatest(last_used_at, $2) WHERE id = $1")
                .bind(id.0)
                .bind(Instant::from(at))
        }
    };
    statement.execute(tx).await?;
    Ok(())
}
