//! The database as of one moment, and taking in what another store had.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use sqlx::{Connection, PgConnection, Row as _, postgres::PgRow};
use tokio::sync::Mutex;

use super::{
    PgStore,
    fault::{Fault, told},
    figures::{self, Moves},
    fold, migrate,
    rows::{self, Read},
    take_in,
};
use crate::{
    activity::model::Entry,
    analytics::figures::Standing,
    store::{
        AnswerKey, Collection, IdKind, LogCursor, Place, Portable, Record, Row, RowKey, RowKind, SigningSecret, Snapshot, StoreError,
        portable::next_ids,
    },
    types::{CommentId, Seq, TicketId, UserId},
    users::model::{Roster, Settings, SetupToken},
};

/// Tickets that are counted together.
const TOGETHER: i64 = 1_000;

/// A transaction that sees the database as it was when it began. It ends with its connection.
struct View {
    connection: Mutex<PgConnection>,
    /// The last entry that had its place.
    numbered: Seq,
    /// Entries that had none yet, with the places that they get in the order of their commits.
    late: Vec<Entry>,
    next_ids: BTreeMap<IdKind, i64>,
}

impl View {
    async fn begin(mut connection: PgConnection) -> Result<Self, Fault> {
        sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut connection).await?;
        let end = "SELECT coalesce(max(last_seq), 0) FROM taquilla.commits WHERE entries > 0";
        let numbered: Seq = sqlx::query_scalar(end).fetch_one(&mut connection).await?;
        let waiting = "SELECT e.body, $1 + row_number() OVER (ORDER BY c.nr, e.follow DESC) AS seq FROM taquilla.commits c \
                       JOIN taquilla.entries e ON e.commit_nr = c.nr WHERE c.last_seq IS NULL AND c.entries > 0 ORDER BY seq";
        let found = sqlx::query(waiting).bind(numbered).fetch_all(&mut connection).await?;
        let late = found.iter().map(rows::entry).collect::<Read<Vec<_>>>()?;
        // Sequences are not part of a transaction: what they say now is later than every row that is seen.
        let mut next = BTreeMap::new();
        for kind in IdKind::ALL {
            let row = sqlx::query(take_in::state_of(kind)).fetch_one(&mut connection).await?;
            let (last, called): (i64, bool) = (row.try_get(0)?, row.try_get(1)?);
            next.insert(kind, if called { last + 1 } else { last });
        }
        Ok(Self { connection: Mutex::new(connection), numbered, late, next_ids: next })
    }

    async fn rows(&self, kind: RowKind, after: Option<&Place>, limit: i64) -> Result<Vec<Record>, sqlx::Error> {
        let mut connection = self.connection.lock().await;
        let key = if let Some(Place::Row(key)) = after { Some(key) } else { None };
        let found = match kind {
            RowKind::Comment => {
                let (ticket, id) = if let Some(RowKey::Comment(ticket, id)) = key { (*ticket, *id) } else { (TicketId(0), CommentId(0)) };
                let sql = "SELECT * FROM taquilla.comments WHERE (ticket_id, id) > ($1, $2) ORDER BY ticket_id, id LIMIT $3";
                sqlx::query(sql).bind(ticket.0).bind(id.0).bind(limit).fetch_all(&mut *connection).await?
            }
            RowKind::Answer => {
                let key = if let Some(RowKey::Answer(key)) = key { *key } else { AnswerKey { user_id: UserId(0), key: [0; 32] } };
                let sql = "SELECT * FROM taquilla.answers WHERE (user_id, key) > ($1, $2) ORDER BY user_id, key LIMIT $3";
                sqlx::query(sql).bind(key.user_id.0).bind(&key.key[..]).bind(limit).fetch_all(&mut *connection).await?
            }
            RowKind::LogCursor => {
                let name = if let Some(RowKey::LogCursor(name)) = key { name.as_str() } else { "" };
                let sql = "SELECT * FROM taquilla.cursors WHERE name COLLATE \"C\" > $1 ORDER BY name COLLATE \"C\" LIMIT $2";
                sqlx::query(sql).bind(name).bind(limit).fetch_all(&mut *connection).await?
            }
            RowKind::ChainBlock => {
                let last = if let Some(RowKey::ChainBlock(last)) = key { *last } else { 0 };
                let sql = "SELECT last_seq, links FROM taquilla.chain WHERE last_seq > $1 ORDER BY last_seq LIMIT $2";
                sqlx::query(sql).bind(last).bind(limit).fetch_all(&mut *connection).await?
            }
            RowKind::Roster | RowKind::Settings | RowKind::SetupToken | RowKind::SigningSecret if key.is_some() => Vec::new(),
            RowKind::Roster => single("roster", &mut connection).await?,
            RowKind::Settings => single("settings", &mut connection).await?,
            RowKind::SetupToken => single("setup_token", &mut connection).await?,
            RowKind::SigningSecret => single("signing_secret", &mut connection).await?,
            RowKind::User | RowKind::Session | RowKind::ApiToken | RowKind::Preferences | RowKind::Ticket => {
                let id = match key {
                    Some(RowKey::User(id) | RowKey::Preferences(id)) => id.0,
                    Some(RowKey::Session(id)) => id.0,
                    Some(RowKey::ApiToken(id)) => id.0,
                    Some(RowKey::Ticket(id)) => id.0,
                    _ => 0,
                };
                sqlx::query(by_id(kind)).bind(id).bind(limit).fetch_all(&mut *connection).await?
            }
        };
        found.iter().map(|row| read(kind, row).map(Record::from)).collect()
    }

    async fn log(&self, after: Seq, limit: usize) -> Result<Vec<Record>, sqlx::Error> {
        let sql = "SELECT e.body, c.last_seq - e.follow AS seq FROM taquilla.commits c JOIN taquilla.entries e ON e.commit_nr = c.nr \
                   WHERE c.entries > 0 AND c.last_seq > $1 AND c.last_seq - e.follow > $1 ORDER BY c.last_seq, e.follow DESC LIMIT $2";
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut entries = Vec::new();
        if after < self.numbered {
            let mut connection = self.connection.lock().await;
            let found = sqlx::query(sql).bind(after).bind(most).fetch_all(&mut *connection).await?;
            entries = found.iter().map(rows::entry).collect::<Read<_>>()?;
        }
        let room = limit - entries.len();
        entries.extend(self.late.iter().filter(|entry| entry.seq > after).take(room).cloned());
        Ok(entries.into_iter().map(|entry| Record::Entry(Box::new(entry))).collect())
    }
}

async fn single(name: &str, connection: &mut PgConnection) -> Result<Vec<PgRow>, sqlx::Error> {
    sqlx::query("SELECT * FROM taquilla.singles WHERE name = $1").bind(name).fetch_all(connection).await
}

/// The statement that gives rows of a kind that has one number for its key.
const fn by_id(kind: RowKind) -> &'static str {
    match kind {
        RowKind::Session => "SELECT * FROM taquilla.sessions WHERE id > $1 ORDER BY id LIMIT $2",
        RowKind::ApiToken => "SELECT * FROM taquilla.api_tokens WHERE id > $1 ORDER BY id LIMIT $2",
        RowKind::Preferences => "SELECT * FROM taquilla.preferences WHERE user_id > $1 ORDER BY user_id LIMIT $2",
        RowKind::Ticket => rows::tickets!(" FROM taquilla.tickets WHERE id > $1 ORDER BY id LIMIT $2"),
        _ => "SELECT * FROM taquilla.users WHERE id > $1 ORDER BY id LIMIT $2",
    }
}

fn read(kind: RowKind, row: &PgRow) -> Read<Row> {
    let version = |row: &PgRow| row.try_get::<i64, _>("version");
    Ok(match kind {
        RowKind::User => rows::user(row)?.into(),
        RowKind::Session => rows::session(row)?.into(),
        RowKind::ApiToken => rows::api_token(row)?.into(),
        RowKind::Preferences => rows::preferences(row)?.into(),
        RowKind::Ticket => rows::ticket(row)?.into(),
        RowKind::Comment => rows::comment(row)?.into(),
        RowKind::Answer => rows::answer(row)?.into(),
        RowKind::LogCursor => LogCursor { version: version(row)?, ..rows::cursor(row)? }.into(),
        RowKind::ChainBlock => rows::chain_block(row)?.into(),
        RowKind::Roster => Roster { version: version(row)?, ..rows::single(row)? }.into(),
        RowKind::Settings => Settings { version: version(row)?, ..rows::single(row)? }.into(),
        RowKind::SetupToken => SetupToken { version: version(row)?, ..rows::single(row)? }.into(),
        RowKind::SigningSecret => SigningSecret { version: version(row)?, ..rows::single(row)? }.into(),
    })
}

#[async_trait]
impl Snapshot for View {
    fn end(&self) -> Seq {
        self.late.last().map_or(self.numbered, |entry| entry.seq)
    }

    async fn page(&self, collection: Collection, after: Option<&Place>, limit: usize) -> Result<Vec<Record>, StoreError> {
        let found = match collection {
            Collection::Rows(kind) => self.rows(kind, after, i64::try_from(limit).unwrap_or(i64::MAX)).await,
            Collection::Log => self.log(if let Some(Place::Seq(seq)) = after { *seq } else { 0 }, limit).await,
            Collection::NextIds if after.is_some() => Ok(Vec::new()),
            Collection::NextIds => Ok(next_ids(&self.next_ids)),
        };
        found.map_err(|error| told(&error))
    }
}

#[async_trait]
impl Portable for PgStore {
    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError> {
        if self.pool.is_closed() {
            return Err(super::closed());
        }
        let connection = migrate::connect(&self.connect).await?;
        Ok(Arc::new(View::begin(connection).await.map_err(unfit)?))
    }

    async fn take_in(&self, records: Vec<Record>) -> Result<(), StoreError> {
        let end = records.iter().rev().find_map(|record| if let Record::Entry(entry) = record { Some(entry.seq) } else { None });
        let done = async {
            let mut connection = self.pool.acquire().await?;
            let mut tx = connection.begin().await?;
            take_in::records(&mut tx, records).await?;
            tx.commit().await?;
            connection.keep();
            Ok(())
        };
        done.await.map_err(unfit)?;
        if let Some(seq) = end {
            self.numbers.advance(seq);
        }
        Ok(())
    }

    async fn settle(&self) -> Result<(), StoreError> {
        let mut connection = migrate::connect(&self.connect).await?;
        settle(&mut connection).await.map_err(unfit)?;
        self.index_texts().await?;
        sqlx::query(ANALYZE).execute(&mut connection).await.map_err(|error| told(&error))?;
        connection.close().await.map_err(|error| told(&error))
    }
}

/// The planner learns what there is now.
const ANALYZE: &str = "ANALYZE taquilla.tickets, taquilla.comments, taquilla.search_new, taquilla.search_kept, \
                       taquilla.search_index, taquilla.search_stretches, taquilla.search_stale, taquilla.entries";

impl PgStore {
    /// Moves all texts to the search index, however few wait for it. Others may read and write meanwhile.
    ///
    /// # Errors
    /// The database's.
    pub async fn index_texts(&self) -> Result<(), StoreError> {
        let mut connection = migrate::connect(&self.connect).await?;
        fold::fold_all(&mut connection).await.map_err(|error| told(&error))?;
        connection.close().await.map_err(|error| told(&error))
    }
}

fn unfit(fault: Fault) -> StoreError {
    match fault {
        Fault::Refused(error) => error,
        Fault::Overtaken => StoreError::Busy,
        Fault::Sql(error) => told(&error),
    }
}

/// The counters anew.
async fn settle(connection: &mut PgConnection) -> Result<(), Fault> {
    let mut tx = connection.begin().await?;
    for table in ["DELETE FROM taquilla.figures", "DELETE FROM taquilla.figure_moves"] {
        sqlx::query(table).execute(&mut *tx).await?;
    }
    let mut sums = Moves::new();
    let mut after = 0_i64;
    loop {
        let found = sqlx::query(by_id(RowKind::Ticket)).bind(after).bind(TOGETHER).fetch_all(&mut *tx).await?;
        let Some(last) = found.last() else { break };
        after = last.try_get("id")?;
        for row in &found {
            for (key, amount) in Standing::from(&rows::ticket(row)?).figures() {
                *sums.entry(key).or_default() += amount;
            }
        }
    }
    figures::moved(&mut tx, &sums).await?;
    tx.commit().await?;
    Ok(())
}
