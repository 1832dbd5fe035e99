//! What the search index should have: the words of the texts that were moved to it, but for those of deleted tickets and of
//! those of which it is known not to speak the truth.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use sqlx::{PgConnection, Row as _};

use super::{
    find::entries,
    fold::{Put, set_newest},
    postings::{self, Postings},
    values::Instant,
};

/// What the index says of a stretch.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    /// By kind and term.
    values: BTreeMap<(i16, String), Postings>,
    /// When its newest ticket was opened.
    newest: Option<Instant>,
}

impl Stretch {
    /// Whether it is right when it should be this. The newest may be one that has gone since.
    pub(super) fn is(&self, right: &Self) -> bool {
        self.values == right.values && self.newest >= right.newest
    }
}

/// Values that are written together.
const TOGETHER: usize = 500;

/// The stretches of which the index says something, or should.
pub(super) async fn stretches(tx: &mut PgConnection) -> Result<Vec<i64>, sqlx::Error> {
    let sql =
        "SELECT DISTINCT ticket_id >> 15 FROM taquilla.search_kept UNION SELECT DISTINCT stretch FROM taquilla.search_index ORDER BY 1";
    sqlx::query_scalar(sql).fetch_all(tx).await
}

/// What the index should say of a stretch.
pub(super) async fn right(tx: &mut PgConnection, stretch: i64) -> Result<Stretch, sqlx::Error> {
    let sql = "SELECT k.ticket_id, k.internal, tsvector_to_array(k.terms) AS terms, t.created_at FROM taquilla.search_kept k \
               JOIN taquilla.tickets t ON t.id = k.ticket_id WHERE k.ticket_id BETWEEN $1 AND $2 AND t.deleted_at IS NULL \
               AND NOT EXISTS (SELECT FROM taquilla.search_stale s WHERE s.ticket_id = k.ticket_id)";
    let (first, last) = postings::ids_of(stretch);
    let mut right = Stretch::default();
    let mut rows = sqlx::query(sql).bind(first).bind(last).fetch(tx);
    while let Some(row) = rows.try_next().await? {
        right.newest = right.newest.max(Some(row.try_get("created_at")?));
        let (_, place) = postings::place(row.try_get("ticket_id")?);
        let (terms, internal): (Vec<String>, bool) = (row.try_get("terms")?, row.try_get("internal")?);
        for (kind, term) in terms.iter().flat_map(|term| entries(term, internal)) {
            right.values.entry((kind as i16, term.to_owned())).or_default().insert(place);
        }
    }
    Ok(right)
}

/// What the index says of a stretch, without what it says of tickets of which it is known not to speak the truth. A value that
/// cannot be understood says nothing.
pub(super) async fn found(tx: &mut PgConnection, stretch: i64) -> Result<Stretch, sqlx::Error> {
    let (first, last) = postings::ids_of(stretch);
    let stale = "SELECT ticket_id FROM taquilla.search_stale WHERE ticket_id BETWEEN $1 AND $2";
    let stale: Vec<i64> = sqlx::query_scalar(stale).bind(first).bind(last).fetch_all(&mut *tx).await?;
    let newest = "SELECT newest FROM taquilla.search_stretches WHERE stretch = $1";
    let newest: Option<Instant> = sqlx::query_scalar(newest).bind(stretch).fetch_optional(&mut *tx).await?;
    let sql = "SELECT kind, term, tickets FROM taquilla.search_index WHERE stretch = $1";
    let mut found = Stretch { newest, ..Stretch::default() };
    let mut rows = sqlx::query(sql).bind(stretch).fetch(tx);
    while let Some(row) = rows.try_next().await? {
        let mut value = Postings::from_bytes(row.try_get("tickets")?).unwrap_or_default();
        let was_empty = value.is_empty();
        for id in &stale {
            value.remove(postings::place(*id).1);
        }
        // One that only stale tickets had is right; one that nobody had is not.
        if was_empty || !value.is_empty() {
            found.values.insert((row.try_get("kind")?, row.try_get("term")?), value);
        }
    }
    Ok(found)
}

/// Has the index say of a stretch what is right.
pub(super) async fn rebuild(tx: &mut PgConnection, stretch: i64, right: &Stretch) -> Result<(), sqlx::Error> {
    if let Some(newest) = right.newest {
        set_newest(tx, stretch, newest).await?;
    }
    sqlx::query("DELETE FROM taquilla.search_index WHERE stretch = $1").bind(stretch).execute(&mut *tx).await?;
    let mut put = Put::default();
    for (at, ((kind, term), value)) in right.values.iter().enumerate() {
        put.add(*kind, term, value);
        if at % TOGETHER == TOGETHER - 1 {
            std::mem::take(&mut put).write(tx, stretch).await?;
        }
    }
    put.write(tx, stretch).await
}
