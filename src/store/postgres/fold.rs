//! Moving texts to the search index: many at a time, so that each value of the index is written once for all of them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::Duration,
};

use futures_util::TryStreamExt as _;
use sqlx::{Connection as _, PgConnection, PgPool, Row as _, postgres::PgRow};
use tokio::time::{MissedTickBehavior, interval};

use super::{
    fault::is_conflict,
    lookup::{Kind, entries},
    postings::{self, Postings},
    values::Instant,
};

/// How often it is looked whether there is something to do.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// So many texts of one stretch are worth a writing of its values, most of which they touch.
const WORTH: i64 = 4_000;
/// When more than this wait in all stretches together, all of them are moved.
const MOST_WAITING: i64 = 20_000;
/// At the first of so many looks all of them are moved, too, when there are some: searches are quicker then.
const LOOKS_BETWEEN_SWEEPS: u32 = 30;
/// How many are some.
const SOME: i64 = 200;
/// Texts and terms that are moved together, but for those of one ticket, which are never parted.
const MOST_TEXTS: i64 = 5_000;
const MOST_TERMS: i64 = 250_000;
/// Values of the index that are read and written together; one has 4 KiB at most.
const VALUES: usize = 500;
/// How often a movement is tried against others that are faster.
const MOST_TRIES: u32 = 5;
/// Failures that follow one another after which it is told.
const TELLING: u32 = 10;

/// Whoever moves texts because they are many holds this, so that other instances leave it to them.
const ONE: &str = "SELECT pg_try_advisory_xact_lock(8391837, 4)";
/// Waits for those who take tickets out of the index, or move texts, and holds them off. Not for long: others queue behind it.
const ALONE: [&str; 2] = ["SET LOCAL lock_timeout = '500ms'", "SELECT pg_advisory_xact_lock(8391837, 3)"];

/// Texts that wait, by stretch, the highest first; of more than so many, only those of the highest. The number of bits is that of
/// the postings.
const WAITING: &str = "SELECT ticket_id >> 15, count(*) FROM (\
    (SELECT ticket_id FROM taquilla.search_new ORDER BY ticket_id DESC LIMIT $1) UNION ALL \
    (SELECT ticket_id FROM taquilla.search_stale ORDER BY ticket_id DESC LIMIT $1)) AS waiting GROUP BY 1 ORDER BY 1 DESC";
const MOST_SEEN: i64 = 100_000;

/// The tickets of texts that wait, from the first to the last one, and how many terms the texts have.
const AHEAD: &str =
    "SELECT ticket_id, length(terms) FROM taquilla.search_new WHERE ticket_id BETWEEN $1 AND $2 ORDER BY ticket_id LIMIT $3";

/// Takes the texts of tickets. Deleted tickets are not in the index.
const TAKE: &str = "WITH taken AS (DELETE FROM taquilla.search_new WHERE ticket_id BETWEEN $1 AND $2 RETURNING *), \
    kept AS (INSERT INTO taquilla.search_kept SELECT * FROM taken) \
    SELECT k.ticket_id, k.internal, tsvector_to_array(k.terms) AS terms, t.created_at FROM taken k \
    JOIN taquilla.tickets t ON t.id = k.ticket_id WHERE t.id BETWEEN $1 AND $2 AND t.deleted_at IS NULL";

/// Takes the texts that the index must forget.
const FORGET: &str =
    "DELETE FROM taquilla.search_stale WHERE ticket_id BETWEEN $1 AND $2 RETURNING ticket_id, internal, tsvector_to_array(terms) AS terms";

/// All other texts of such tickets, which may have the same terms.
const REMEMBER: &str = "SELECT k.ticket_id, k.internal, tsvector_to_array(k.terms) AS terms FROM taquilla.search_kept k \
    JOIN taquilla.tickets t ON t.id = k.ticket_id WHERE k.ticket_id = ANY($1) AND t.deleted_at IS NULL";

/// Moves texts when there are enough of them. Ends when it is aborted.
pub(super) async fn run(pool: PgPool) {
    let mut look = interval(BETWEEN_LOOKS);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut looks, mut failures) = (0_u32, 0);
    loop {
        look.tick().await;
        let most = if looks.is_multiple_of(LOOKS_BETWEEN_SWEEPS) { SOME } else { MOST_WAITING };
        looks = looks.wrapping_add(1);
        match tend(&pool, most).await {
            Ok(()) => failures = 0,
            Err(error) => {
                failures += 1;
                if failures == TELLING {
                    tracing::warn!(%error, "texts cannot be moved to the search index: they are found, but more slowly; it is tried again");
                }
            }
        }
    }
}

/// Moves the texts of stretches that are worth it; those of all when they are more than `most`.
async fn tend(pool: &PgPool, most: i64) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let waiting = waiting(&mut connection).await?;
    let all = waiting.iter().map(|(_, n)| n).sum::<i64>() > most;
    let mut outcome = Ok(());
    for (stretch, _) in waiting.into_iter().filter(|(_, n)| all || *n >= WORTH) {
        // One that cannot be moved does not hold up the others.
        outcome = outcome.and(fold(&mut connection, stretch, true).await);
    }
    outcome
}

/// Moves all texts that wait.
pub(super) async fn fold_all(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    loop {
        let waiting = waiting(connection).await?;
        let seen: i64 = waiting.iter().map(|(_, n)| n).sum();
        for (stretch, _) in waiting {
            let mut tries = 1;
            while let Err(error) = fold(connection, stretch, false).await {
                if !is_conflict(&error) || tries == MOST_TRIES {
                    return Err(error);
                }
                tries += 1;
            }
        }
        // What has come since is not waited for.
        if seen < MOST_SEEN {
            return Ok(());
        }
    }
}

async fn waiting(connection: &mut PgConnection) -> Result<Vec<(i64, i64)>, sqlx::Error> {
    let rows = sqlx::query(WAITING).bind(MOST_SEEN).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Moves the texts of a stretch; with `leave` not when another instance is at it.
async fn fold(connection: &mut PgConnection, stretch: i64, leave: bool) -> Result<(), sqlx::Error> {
    let (mut first, last) = postings::ids_of(stretch);
    loop {
        let mut tx = connection.begin().await?;
        if leave && !sqlx::query_scalar::<_, bool>(ONE).fetch_one(&mut *tx).await? {
            return Ok(());
        }
        for statement in ALONE.into_iter().skip(usize::from(!leave)) {
            sqlx::query(statement).execute(&mut *tx).await?;
        }
        let until = portion(&mut tx, first, last).await?;
        Changes::taken(&mut tx, first, until).await?.write(&mut tx, stretch).await?;
        // Wherever their texts are, the same tickets are found.
        sqlx::query("SELECT taquilla.note_aside()").execute(&mut *tx).await?;
        tx.commit().await?;
        if until == last {
            return Ok(());
        }
        first = until + 1;
    }
}

/// The last of the tickets whose texts are moved together.
async fn portion(tx: &mut PgConnection, first: i64, last: i64) -> Result<i64, sqlx::Error> {
    let rows = sqlx::query(AHEAD).bind(first).bind(last).bind(MOST_TEXTS).fetch_all(tx).await?;
    let mut terms = 0;
    for row in &rows {
        terms += i64::from(row.try_get::<i32, _>(1)?);
        if terms > MOST_TERMS {
            return row.try_get(0);
        }
    }
    let full = i64::try_from(rows.len()).is_ok_and(|n| n == MOST_TEXTS);
    rows.last().filter(|_| full).map_or(Ok(last), |row| row.try_get(0))
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
    /// Takes what waits of these tickets, which lie in one stretch. Each statement sees what was committed before it: a text that
    /// is changed after it was taken is then among those to be forgotten, now or the next time.
    async fn taken(tx: &mut PgConnection, first: i64, last: i64) -> Result<Self, sqlx::Error> {
        // Sorted in the end, since most terms come many times.
        let mut values: HashMap<(Kind, String), Change> = HashMap::new();
        let mut newest = None;
        let mut rows = sqlx::query(TAKE).bind(first).bind(last).fetch(&mut *tx);
        while let Some(row) = rows.try_next().await? {
            newest = newest.max(Some(row.try_get::<Instant, _>("created_at")?));
            let text = Text::read(&row)?;
            for (kind, term) in text.entries() {
                values.entry((kind, term.to_owned())).or_default().come.push(text.place);
            }
        }
        drop(rows);
        let mut forgotten: HashMap<u16, HashSet<(Kind, String)>> = HashMap::new();
        let mut tickets = BTreeSet::new();
        let mut rows = sqlx::query(FORGET).bind(first).bind(last).fetch(&mut *tx);
        while let Some(row) = rows.try_next().await? {
            let text = Text::read(&row)?;
            tickets.insert(row.try_get::<i64, _>("ticket_id")?);
            let forgotten = forgotten.entry(text.place).or_default();
            forgotten.extend(text.entries().map(|(kind, term)| (kind, term.to_owned())));
        }
        drop(rows);
        for (place, entries) in &forgotten {
            for entry in entries {
                values.entry(entry.clone()).or_default().go.push(*place);
            }
        }
        let tickets: Vec<i64> = tickets.into_iter().collect();
        let mut rows = sqlx::query(REMEMBER).bind(tickets).fetch(tx);
        while let Some(row) = rows.try_next().await? {
            let text = Text::read(&row)?;
            let Some(forgotten) = forgotten.get(&text.place) else { continue };
            for (kind, term) in text.entries() {
                let entry = (kind, term.to_owned());
                if forgotten.contains(&entry) {
                    values.entry(entry).or_default().come.push(text.place);
                }
            }
        }
        let values = values.into_iter().map(|((kind, term), change)| ((kind as i16, term), change)).collect();
        Ok(Self { values, newest })
    }

    /// Makes them.
    async fn write(self, tx: &mut PgConnection, stretch: i64) -> Result<(), sqlx::Error> {
        if !self.values.is_empty() {
            note(tx, stretch, self.newest).await?;
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
                    put.add(*kind, term, value.to_bytes());
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

/// A text, as its terms.
struct Text {
    place: u16,
    internal: bool,
    terms: Vec<String>,
}

impl Text {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let (_, place) = postings::place(row.try_get("ticket_id")?);
        Ok(Self { place, internal: row.try_get("internal")?, terms: row.try_get("terms")? })
    }

    /// What the index has of it.
    fn entries(&self) -> impl Iterator<Item = (Kind, &str)> {
        self.terms.iter().flat_map(|term| entries(term, self.internal))
    }
}

/// Notes that what the index says of a stretch changes, and when its newest ticket was opened, for which there may be a newer one.
///
/// Whoever changes the index is alone, so each version is above those of all changes that can be seen by then; and above those of an
/// index that was thrown away, since it is at least the time of the server's clock, in µs.
pub(super) async fn note(tx: &mut PgConnection, stretch: i64, newest: Option<Instant>) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO taquilla.search_stretches AS s (stretch, newest, version) SELECT $1, coalesce($2, '-infinity'), \
               greatest((SELECT max(version) + 1 FROM taquilla.search_stretches), extract(epoch FROM clock_timestamp()) * 1000000)::bigint \
               ON CONFLICT (stretch) DO UPDATE SET newest = greatest(s.newest, excluded.newest), version = excluded.version";
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
    pub(super) fn add(&mut self, kind: i16, term: &'a str, value: Vec<u8>) {
        self.kinds.push(kind);
        self.terms.push(term);
        self.tickets.push(value);
    }

    pub(super) async fn write(self, tx: &mut PgConnection, stretch: i64) -> Result<(), sqlx::Error> {
        let sql = "INSERT INTO taquilla.search_index (kind, term, stretch, tickets) \
                   SELECT w.kind, w.term, $3, w.tickets FROM unnest($1::smallint[], $2::text[], $4::bytea[]) AS w(kind, term, tickets) \
                   ON CONFLICT (kind, term, stretch) DO UPDATE SET tickets = excluded.tickets";
        sqlx::query(sql).bind(self.kinds).bind(self.terms).bind(stretch).bind(self.tickets).execute(tx).await?;
        Ok(())
    }
}
