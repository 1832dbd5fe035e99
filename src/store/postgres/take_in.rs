//! Writing rows as another store had them, many at once: each kind of row is one statement, which reads its columns from
//! one JSON value. Rows that are there are written over.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::{fault::Fault, judge::single_name, log::Columns, search};
use crate::{
    activity::model::Entry,
    auth::model::Digest32,
    store::{Answer, IdKind, NextId, Record, Row, RowKind, StoreError, portable::user_value},
    tickets::model::Ticket,
    types::{Seq, hex},
};

/// Writes records within a transaction.
pub(super) async fn records(tx: &mut PgConnection, records: Vec<Record>) -> Result<(), Fault> {
    let mut rows: BTreeMap<RowKind, Vec<Row>> = BTreeMap::new();
    let mut entries = Vec::new();
    for record in records {
        match record {
            Record::Row(row) => rows.entry(row.kind()).or_default().push(*row),
            Record::Entry(entry) => entries.push(*entry),
            Record::NextId(id) => next_id(tx, id).await?,
        }
    }
    for (kind, rows) in rows {
        let columns = rows.iter().map(columns).collect::<Result<Vec<Value>, _>>().map_err(unwritable)?;
        sqlx::query(statement(kind)).bind(Value::Array(columns)).execute(&mut *tx).await?;
        terms(tx, &rows).await?;
    }
    log(tx, &entries).await
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
pub(super) fn unwritable(error: serde_json::Error) -> StoreError {
    StoreError::Corrupt(format!("a row cannot be written: {error}"))
}

/// How the server reads bytes.
fn bytes(digest: &[u8]) -> String {
    format!("\\x{}", hex(digest))
}

/// A row as its columns.
fn columns(row: &Row) -> Result<Value, serde_json::Error> {
    match row {
        Row::Ticket(row) => ticket(row),
        Row::Comment(row) => serde_json::to_value(row),
        Row::User(row) => {
            let mut columns = user_value(row)?;
            columns["terms"] = json!(search::terms_of(&[&row.full_name, row.email.as_str()]));
            Ok(columns)
        }
        Row::Session(row) => Ok(with_digest(serde_json::to_value(row)?, "family", &row.family)),
        Row::ApiToken(row) => Ok(with_digest(serde_json::to_value(row)?, "hash", &row.hash)),
        Row::Answer(row) => Ok(answer(row)),
        Row::LogCursor(row) => serde_json::to_value(row),
        Row::Preferences(body) => Ok(json!({ "user_id": body.user_id, "body": body, "version": body.version })),
        Row::ChainBlock(row) => Ok(json!({ "last_seq": row.last, "links": bytes(row.bytes()) })),
        Row::Roster(body) => single(row, body),
        Row::Settings(body) => single(row, body),
        Row::SetupToken(body) => single(row, body),
        Row::SigningSecret(body) => single(row, body),
    }
}

/// A ticket as its columns.
pub(super) fn ticket(row: &Ticket) -> Result<Value, serde_json::Error> {
    let mut columns = serde_json::to_value(row)?;
    columns["priority"] = json!(row.priority as i16);
    columns["due_at"] = row.due_at().map_or_else(|| json!("infinity"), |at| json!(at));
    Ok(columns)
}

fn with_digest(mut columns: Value, name: &str, digest: &Digest32) -> Value {
    columns[name] = json!(bytes(digest));
    columns
}

fn answer(row: &Answer) -> Value {
    json!({
        "user_id": row.key.user_id, "key": bytes(&row.key.key), "request": bytes(&row.request), "status": row.status,
        "location": row.location, "etag": row.etag, "body": bytes(&row.body), "at": row.at,
    })
}

fn single(row: &Row, body: &impl Serialize) -> Result<Value, serde_json::Error> {
    let body = serde_json::to_value(body)?;
    Ok(json!({ "name": single_name(&row.key()), "body": body, "version": row.version() }))
}

/// Reads rows of a table from JSON and writes them, over those with the same key.
macro_rules! put {
    ($table:literal, key $key:literal, $($column:literal),+) => {
        concat!(
            "INSERT INTO taquilla.", $table, " SELECT * FROM jsonb_populate_recordset(NULL::taquilla.", $table, ", $1) ",
            "ON CONFLICT (", $key, ") DO UPDATE SET ", put!(@set $($column),+)
        )
    };
    (@set $first:literal $(, $column:literal)*) => {
        concat!($first, " = excluded.", $first $(, ", ", $column, " = excluded.", $column)*)
    };
}

const fn statement(kind: RowKind) -> &'static str {
    match kind {
        RowKind::User => {
            "INSERT INTO taquilla.users (id, email, full_name, role, is_active, locale, password_hash, created_at, updated_at, version, \
             terms) SELECT u.id, u.email, u.full_name, u.role, u.is_active, u.locale, u.password_hash, u.created_at, u.updated_at, \
             u.version, array_to_tsvector(u.terms) FROM jsonb_to_recordset($1) AS u (id bigint, email text, full_name text, role text, \
             is_active boolean, locale text, password_hash text, created_at timestamptz, updated_at timestamptz, version bigint, \
             terms text[]) ON CONFLICT (id) DO UPDATE SET email = excluded.email, full_name = excluded.full_name, role = excluded.role, \
             is_active = excluded.is_active, locale = excluded.locale, password_hash = excluded.password_hash, \
             created_at = excluded.created_at, updated_at = excluded.updated_at, version = excluded.version, terms = excluded.terms"
        }
        RowKind::Session => put!(
            "sessions", key "id", "user_id", "family", "live", "spent", "cookie", "created_at", "last_used_at", "expires_at", "address",
            "user_agent", "version"
        ),
        RowKind::ApiToken => {
            put!("api_tokens", key "id", "user_id", "name", "hash", "expires_at", "created_at", "last_used_at", "version")
        }
        RowKind::Preferences => put!("preferences", key "user_id", "body", "version"),
        RowKind::Ticket => put!(
            "tickets", key "id", "title", "description", "status", "priority", "tags", "channel", "creator_id", "opened_by_id",
            "assigned_agent_id", "created_at", "updated_at", "first_response_at", "first_response_due_at", "resolved_at",
            "resolution_due_at", "first_resolved_at", "closed_at", "status_since", "reopen_count", "first_response", "resolution",
            "first_response_decided_at", "resolution_decided_at", "targets", "public_comments", "internal_notes", "deleted_at",
            "version", "due_at"
        ),
        RowKind::Comment => put!(
            "comments", key "id", "ticket_id", "author_id", "content", "is_internal", "created_at", "updated_at", "deleted_at", "version"
        ),
        RowKind::Answer => put!("answers", key "user_id, key", "request", "status", "location", "etag", "body", "at"),
        RowKind::LogCursor => put!("cursors", key "name", "seq", "version"),
        RowKind::ChainBlock => put!("chain", key "last_seq", "links"),
        RowKind::Roster | RowKind::Settings | RowKind::SetupToken | RowKind::SigningSecret => {
            put!("singles", key "name", "body", "version")
        }
    }
}

/// The search terms of tickets' and comments' texts.
async fn terms(tx: &mut PgConnection, rows: &[Row]) -> Result<(), Fault> {
    let (mut tickets, mut comments, mut terms) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        match row {
            Row::Ticket(row) => {
                tickets.push(row.id.0);
                comments.push(0);
                terms.extend(search::ticket_rows(row));
            }
            Row::Comment(row) => {
                tickets.push(row.ticket_id.0);
                comments.push(row.id.0);
                terms.extend(search::comment_rows(row));
            }
            _ => return Ok(()),
        }
    }
    if matches!(rows.first(), Some(Row::Ticket(_))) {
        // One that is there may have been deleted since.
        search::leave(tx, &tickets).await?;
    }
    search::forget_all(tx, &tickets, &comments).await?;
    search::add(tx, Value::Array(terms)).await
}

/// Entries with their places, each as a commit of its own; they must follow the log.
async fn log(tx: &mut PgConnection, entries: &[Entry]) -> Result<(), Fault> {
    let Some(first) = entries.first() else { return Ok(()) };
    let sql = "SELECT coalesce(max(last_seq), 0) FROM taquilla.commits WHERE entries > 0";
    let end: Seq = sqlx::query_scalar(sql).fetch_one(&mut *tx).await?;
    if let Some((entry, _)) = entries.iter().zip(end + 1..).find(|(entry, seq)| entry.seq != *seq) {
        let before = if entry.seq == first.seq { end } else { entry.seq - 1 };
        return Err(StoreError::Corrupt(format!("log entry {} does not follow entry {before}", entry.seq)).into());
    }
    let columns = Columns::of(entries.iter().cloned())?;
    let made = sqlx::query(
        "WITH told AS (SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::boolean[], \
         $7::jsonb[]) AS e(seq, action, ticket_id, comment_id, user_id, internal, body)), \
         made AS (INSERT INTO taquilla.commits (token, entries, last_seq) SELECT 0, 1, seq FROM told ORDER BY seq RETURNING nr, last_seq) \
         INSERT INTO taquilla.entries (commit_nr, follow, action, ticket_id, comment_id, user_id, internal, body) \
         SELECT made.nr, 0, e.action, e.ticket_id, e.comment_id, e.user_id, e.internal, e.body FROM made \
         JOIN told e ON e.seq = made.last_seq",
    )
    .bind(entries.iter().map(|e| e.seq).collect::<Vec<_>>());
    columns.bound(made).execute(tx).await?;
    Ok(())
}

/// How a kind's sequence stands: the last value, and whether that has been given.
pub(super) const fn state_of(kind: IdKind) -> &'static str {
    match kind {
        IdKind::Ticket => "SELECT last_value, is_called FROM taquilla.ticket_ids",
        IdKind::Comment => "SELECT last_value, is_called FROM taquilla.comment_ids",
        IdKind::User => "SELECT last_value, is_called FROM taquilla.user_ids",
        IdKind::Session => "SELECT last_value, is_called FROM taquilla.session_ids",
        IdKind::Token => "SELECT last_value, is_called FROM taquilla.token_ids",
    }
}

/// Moves a sequence forwards, so that it goes on with this id or a later one.
async fn next_id(tx: &mut PgConnection, id: NextId) -> Result<(), Fault> {
    let sql = match id.kind {
        IdKind::Ticket => "SELECT setval('taquilla.ticket_ids', $1, false) FROM taquilla.ticket_ids WHERE last_value < $1",
        IdKind::Comment => "SELECT setval('taquilla.comment_ids', $1, false) FROM taquilla.comment_ids WHERE last_value < $1",
        IdKind::User => "SELECT setval('taquilla.user_ids', $1, false) FROM taquilla.user_ids WHERE last_value < $1",
        IdKind::Session => "SELECT setval('taquilla.session_ids', $1, false) FROM taquilla.session_ids WHERE last_value < $1",
        IdKind::Token => "SELECT setval('taquilla.token_ids', $1, false) FROM taquilla.token_ids WHERE last_value < $1",
    };
    sqlx::query(sql).bind(id.next).execute(tx).await?;
    Ok(())
}
