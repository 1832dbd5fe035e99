//! What the search index should have: the words of the texts that were moved to it, but for those of deleted tickets.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt as _;
use sqlx::{PgConnection, Row as _};

use super::{
    fold::{self, Put},
    lookup::entries,
    postings::{self, Postings},
    values::Instant,
};

/// By kind and term, the places of tickets, as the index keeps them.
type Values = BTreeMap<(i16, String), Vec<u8>>;

/// What the index says of a stretch.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    values: Values,
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
               ORDER BY k.ticket_id";
    let (first, last) = postings::ids_of(stretch);
    let (mut places, mut newest) = (BTreeMap::<(i16, String), Vec<u16>>::new(), None);
    let mut rows = sqlx::query(sql).bind(first).bind(last).fetch(tx);
    while let Some(row) = rows.try_next().await? {
        newest = newest.max(Some(row.try_get::<Instant, _>("created_at")?));
        let (_, place) = postings::place(row.try_get("ticket_id")?);
        let (terms, internal): (Vec<String>, bool) = (row.try_get("terms")?, row.try_get("internal")?);
        for (kind, term) in terms.iter().flat_map(|term| entries(term, internal)) {
            let places = places.entry((kind as i16, term.to_owned())).or_default();
            if places.last() != Some(&place) {
                places.push(place);
            }
        }
    }
    let values = places.into_iter().map(|(key, places)| {
        let mut value = Postings::default();
        for place in places {
            value.insert(place);
        }
        (key, value.to_bytes())
    });
    Ok(Stretch { values: values.collect(), newest })
}

/// What the index says of a stretch, but for that which does not count: of this, what is right.
pub(super) async fn found(tx: &mut PgConnection, stretch: i64, right: &Stretch) -> Result<Stretch, sqlx::Error> {
    let (first, last) = postings::ids_of(stretch);
    let sql = "SELECT ticket_id, internal, tsvector_to_array(terms) AS terms FROM taquilla.search_stale WHERE ticket_id BETWEEN $1 AND $2";
    let mut stale = BTreeMap::<(i16, String), BTreeSet<u16>>::new();
    let mut rows = sqlx::query(sql).bind(first).bind(last).fetch(&mut *tx);
    while let Some(row) = rows.try_next().await? {
        let (_, place) = postings::place(row.try_get("ticket_id")?);
        let (terms, internal): (Vec<String>, bool) = (row.try_get("terms")?, row.try_get("internal")?);
        for (kind, term) in terms.iter().flat_map(|term| entries(term, internal)) {
            stale.entry((kind as i16, term.to_owned())).or_default().insert(place);
        }
    }
    drop(rows);
    let newest = "SELECT newest FROM taquilla.search_stretches WHERE stretch = $1";
    let newest: Option<Instant> = sqlx::query_scalar(newest).bind(stretch).fetch_optional(&mut *tx).await?;
    let sql = "SELECT kind, term, tickets FROM taquilla.search_index WHERE stretch = $1";
    let mut values = Values::new();
    let mut rows = sqlx::query(sql).bind(stretch).fetch(tx);
    while let Some(row) = rows.try_next().await? {
        values.insert((row.try_get("kind")?, row.try_get("term")?), row.try_get("tickets")?);
    }
    for (key, places) in stale {
        let read = |values: &Values| values.get(&key).map_or_else(|| Ok(Postings::default()), |bytes| Postings::from_bytes(bytes));
        // One that cannot be understood stays as it is, which is not right.
        let (Ok(mut is), Ok(should)) = (read(&values), read(&right.values)) else { continue };
        for place in places {
            if should.contains(place) {
                is.insert(place);
            } else {
                is.remove(place);
            }
        }
        if is.is_empty() {
            values.remove(&key);
        } else {
            values.insert(key, is.to_bytes());
        }
    }
    Ok(Stretch { values, newest })
}

/// Has the index say of a stretch what is right.
pub(super) async fn rebuild(tx: &mut PgConnection, stretch: i64, right: &Stretch) -> Result<(), sqlx::Error> {
    fold::note(tx, stretch, right.newest).await?;
    sqlx::query("DELETE FROM taquilla.search_index WHERE stretch = $1").bind(stretch).execute(&mut *tx).await?;
    let mut put = Put::default();
    for (at, ((kind, term), value)) in right.values.iter().enumerate() {
        put.add(*kind, term, value.clone());
        if at % TOGETHER == TOGETHER - 1 {
            std::mem::take(&mut put).write(tx, stretch).await?;
        }
    }
    put.write(tx, stretch).await
}
