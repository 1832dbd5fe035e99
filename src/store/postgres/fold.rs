//! Moving texts to the search index: many at a time, so that each value of the index is written once for all of them.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use futures_util::TryStreamExt as _;
use sqlx::{Connection as _, PgConnection, PgPool, Row as _};
use tokio::time::{MissedTickBehavior, interval};

use super::{
    find::{Kind, entries},
    postings::{self, Postings},
    values::Instant,
};

/// How often it is looked whether there is something to do.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// So many texts of one stretch are worth a writing of its values, most of which they touch.
const WORTH: i64 = 2_000;
/// When more than this wait in all stretches together, all of them are moved.
const MOST_WAITING: i64 = 20_000;
/// Texts that are moved together, but for those of one ticket, which are never parted.
const TOGETHER: i64 = 20_000;
/// Values of the index that are read and written together; one has 4 KiB at most.
const VALUES: usize = 500;

/// Whoever moves texts because they are many holds this, so that other instances leave it to them.
const ONE: &str = "SELECT pg_try_advisory_xact_lock(8391837, 4)";
/// Waits for those who take texts out of the index, or move them, and holds them off.
const ALONE: &str = "SELECT pg_advisory_xact_lock(8391837, 3)";

/// Texts and tickets that wait, by stretch. The number of bits is that of the postings.
const WAITING: &str = "SELECT stretch, sum(n)::bigint FROM (\
    SELECT ticket_id >> 15 AS stretch, count(*) AS n FROM taquilla.search_terms GROUP BY 1 UNION ALL \
    SELECT ticket_id >> 15, count(*) FROM taquilla.search_stale GROUP BY 1) AS waiting GROUP BY stretch ORDER BY stretch DESC";

/// Takes the texts of tickets from the first to the last one, and what the index must forget of them. Deleted tickets are not in
/// the index.
const TAKE: &str = "WITH taken AS (DELETE FROM taquilla.search_terms WHERE ticket_id BETWEEN $1 AND $2 RETURNING *), \
    kept AS (INSERT INTO taquilla.search_kept SELECT * FROM taken), \
    gone AS (DELETE FROM taquilla.search_stale WHERE ticket_id BETWEEN $1 AND $2 RETURNING *) \
    SELECT k.ticket_id, k.internal, tsvector_to_array(k.terms) AS terms, t.created_at FROM taken k \
    JOIN taquilla.tickets t ON t.id = k.ticket_id WHERE t.deleted_at IS NULL \
    UNION ALL SELECT ticket_id, false, terms, NULL FROM gone";

/// Moves texts when there are enough of them. Ends when it is aborted.
pub(super) async fn run(pool: PgPool) {
    let mut look = interval(BETWEEN_LOOKS);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        if let Err(error) = tend(&pool).await {
            tracing::debug!(%error, "texts were not moved to the search index; they are found without it");
        }
        if pool.is_closed() {
            return;
        }
    }
}

async fn tend(pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let waiting = waiting(&mut connection).await?;
    let all = waiting.iter().map(|(_, n)| n).sum::<i64>() > MOST_WAITING;
    for (stretch, _) in waiting.into_iter().filter(|(_, n)| all || *n >= WORTH) {
        if !fold(&mut connection, stretch, true).await? {
            break;
        }
    }
    Ok(())
}

/// Moves all texts that wait.
pub(super) async fn fold_all(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    for (stretch, _) in waiting(connection).await? {
        fold(connection, stretch, false).await?;
    }
    Ok(())
}

async fn waiting(connection: &mut PgConnection) -> Result<Vec<(i64, i64)>, sqlx::Error> {
    let rows = sqlx::query(WAITING).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Moves the texts of a stretch; with `leave` it does not when another instance is at it, and tells so by `false`.
async fn fold(connection: &mut PgConnection, stretch: i64, leave: bool) -> Result<bool, sqlx::Error> {
    let (mut first, last) = postings::ids_of(stretch);
    while first <= last {
        let mut tx = connection.begin().await?;
        if leave && !sqlx::query_scalar::<_, bool>(ONE).fetch_one(&mut *tx).await? {
            return Ok(false);
        }
        sqlx::query(ALONE).execute(&mut *tx).await?;
        let until = "SELECT ticket_id FROM taquilla.search_terms WHERE ticket_id BETWEEN $1 AND $2 ORDER BY ticket_id OFFSET $3 LIMIT 1";
        let until: Option<i64> = sqlx::query_scalar(until).bind(first).bind(last).bind(TOGETHER).fetch_optional(&mut *tx).await?;
        let until = until.unwrap_or(last);
        let changes = Changes::taken(&mut tx, first, until).await?;
        changes.write(&mut tx, stretch).await?;
        tx.commit().await?;
        first = until + 1;
    }
    Ok(true)
}

/// How a value of the index changes: places that come, and places that go before.
#[derive(Debug, Default)]
struct Change {
    come: Vec<u16>,
    go: Vec<u16>,
}

/// How a stretch changes.
#[derive(Debug, Default)]
struct Changes {
    /// Its values, by kind and term.
    values: BTreeMap<(i16, String), Change>,
    /// When the newest ticket that comes was opened.
    newest: Option<Instant>,
}

impl Changes {
    /// Takes what waits of these tickets, which lie in one stretch.
    async fn taken(tx: &mut PgConnection, first: i64, last: i64) -> Result<Self, sqlx::Error> {
        // Sorted in the end, since most terms come many times.
        let mut changes: HashMap<(Kind, String), Change> = HashMap::new();
        let mut newest = None;
        let mut rows = sqlx::query(TAKE).bind(first).bind(last).fetch(tx);
        while let Some(row) = rows.try_next().await? {
            let (_, place) = postings::place(row.try_get("ticket_id")?);
            let terms: Vec<String> = row.try_get("terms")?;
            if let Some(created_at) = row.try_get::<Option<Instant>, _>("created_at")? {
                newest = newest.max(Some(created_at));
                let internal = row.try_get("internal")?;
                for (kind, term) in terms.iter().flat_map(|term| entries(term, internal)) {
                    changes.entry((kind, term.to_owned())).or_default().come.push(place);
                }
            } else {
                for (kind, term) in terms.iter().flat_map(|term| entries(term, false).chain(entries(term, true))) {
                    changes.entry((kind, term.to_owned())).or_default().go.push(place);
                }
            }
        }
        let values = changes.into_iter().map(|((kind, term), change)| ((kind as i16, term), change)).collect();
        Ok(Self { values, newest })
    }

    /// Makes them.
    async fn write(self, tx: &mut PgConnection, stretch: i64) -> Result<(), sqlx::Error> {
        if let Some(newest) = self.newest {
            set_newest(tx, stretch, newest).await?;
        }
        let changes: Vec<((i16, String), Change)> = self.values.into_iter().collect();
        for changes in changes.chunks(VALUES) {
            let (kinds, terms): (Vec<i16>, Vec<&str>) = changes.iter().map(|((kind, term), _)| (*kind, term.as_str())).unzip();
            let sql = "SELECT w.at, i.tickets FROM unnest($1::smallint[], $2::text[]) WITH ORDINALITY AS w(kind, term, at) \
                       JOIN taquilla.search_index i ON i.kind = w.kind AND i.term = w.term WHERE i.stretch = $3";
            let rows = sqlx::query(sql).bind(&kinds).bind(&terms).bind(stretch).fetch_all(&mut *tx).await?;
            let mut values: Vec<Option<Postings>> = vec![None; changes.len()];
            for row in &rows {
                let at = usize::try_from(row.try_get::<i64, _>(0)? - 1).unwrap_or(usize::MAX);
                if let Some(value) = values.get_mut(at) {
                    *value = Some(Postings::from_bytes(row.try_get(1)?)?);
                }
            }
            let mut put = Put::default();
            let mut emptied = (Vec::new(), Vec::new());
            for (((kind, term), change), value) in changes.iter().zip(values) {
                let was_there = value.is_some();
                let mut value = value.unwrap_or_default();
                change.go.iter().for_each(|place| value.remove(*place));
                change.come.iter().for_each(|place| value.insert(*place));
                if !value.is_empty() {
                    put.add(*kind, term, &value);
                } else if was_there {
                    emptied.0.push(*kind);
                    emptied.1.push(term.as_str());
                }
            }
            put.write(tx, stretch).await?;
            let sql = "DELETE FROM taquilla.search_index i USING unnest($1::smallint[], $2::text[]) AS w(kind, term) \
                       WHERE i.kind = w.kind AND i.term = w.term AND i.stretch = $3";
            if !emptied.0.is_empty() {
                sqlx::query(sql).bind(&emptied.0).bind(&emptied.1).bind(stretch).execute(&mut *tx).await?;
            }
        }
        Ok(())
    }
}

/// Notes that a ticket of a stretch was opened then, for which there may be a newer one.
pub(super) async fn set_newest(tx: &mut PgConnection, stretch: i64, newest: Instant) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO taquilla.search_stretches AS s (stretch, newest) VALUES ($1, $2) \
               ON CONFLICT (stretch) DO UPDATE SET newest = greatest(s.newest, excluded.newest)";
    sqlx::query(sql).bind(stretch).bind(newest).execute(tx).await?;
    Ok(())
}

/// Values of a stretch that are written together, as columns.
#[derive(Debug, Default)]
pub(super) struct Put<'a> {
    kinds: Vec<i16>,
    terms: Vec<&'a str>,
    tickets: Vec<Vec<u8>>,
}

impl<'a> Put<'a> {
    pub(super) fn add(&mut self, kind: i16, term: &'a str, value: &Postings) {
        self.kinds.push(kind);
        self.terms.push(term);
        self.tickets.push(value.to_bytes());
    }

    pub(super) async fn write(self, tx: &mut PgConnection, stretch: i64) -> Result<(), sqlx::Error> {
        let sql = "INSERT INTO taquilla.search_index (kind, term, stretch, tickets) \
                   SELECT w.kind, w.term, $3, w.tickets FROM unnest($1::smallint[], $2::text[], $4::bytea[]) AS w(kind, term, tickets) \
                   ON CONFLICT (kind, term, stretch) DO UPDATE SET tickets = excluded.tickets";
        sqlx::query(sql).bind(self.kinds).bind(self.terms).bind(stretch).bind(self.tickets).execute(tx).await?;
        Ok(())
    }
}
