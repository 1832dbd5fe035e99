//! The store on PostgreSQL, for many instances of the desk on one database. It interprets the same changes as the
//! embedded store: judge all, then write, in one transaction.

/// Asks, and asks again when the connection was lost. The question is made anew each time: a builder gives one only once.
macro_rules! asking {
    ($lost:expr, $question:expr) => {{
        let mut tries = 0;
        loop {
            match $question.await {
                Err(error) if $lost.may_ask_again(&error, tries) => tries += 1,
                answer => break answer.map_err(|error| $crate::store::postgres::fault::told(&error)),
            }
        }
    }};
}

pub(super) mod aside;
mod commit;
mod connections;
mod fault;
mod few;
mod figures;
mod find;
mod fold;
pub mod fsck;
mod fsck_index;
mod ids;
mod judge;
mod known;
mod lists;
mod log;
mod lookup;
pub mod migrate;
mod news;
mod openings;
mod portable;
mod postings;
mod reads;
mod remembered;
mod rows;
mod search;
mod snapshot;
mod take_in;
mod together;
mod values;
mod write;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use sqlx::{
    ConnectOptions as _, Connection as _, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use self::{
    commit::Writer,
    connections::Connections,
    fault::told,
    ids::Ids,
    log::{AbortOnDrop, Numbers, Sequencer},
    openings::Openings,
};
use crate::store::{Changes, Committed, IdKind, Meters, Store, StoreError};

/// How long a request waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(2);
/// How long a statement may take, in ms; and a transaction of which the client says nothing.
const STATEMENT_MS: &str = "5000";
/// A connection that was idle for longer is tried before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(30);
/// Connections beside the pool: one to number commits, one to tell other instances, one to hear them, one for the house, one to
/// move texts to the search index.
const INNER_CONNECTIONS: u32 = 5;
/// How often a question is asked when its connection is lost.
const MOST_ASKED: u32 = 3;

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct Options {
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…`
    pub url: crate::types::Secret,
    /// Connections that requests share.
    pub connections: u32,
    /// Whether pending steps of the schema are applied.
    pub auto_migrate: bool,
}

/// The store on PostgreSQL.
pub struct PgStore {
    /// For requests.
    pool: Connections,
    /// For what runs beside them, so that it never waits for them.
    inner: PgPool,
    /// How a connection beside them is made.
    connect: PgConnectOptions,
    ids: Arc<Ids>,
    numbers: Numbers,
    lost: Arc<Lost>,
    asked: reads::Asked,
    meters: Arc<Meters>,
    writer: Writer,
    openings: Openings,
    _sequencer: AbortOnDrop,
    folder: AbortOnDrop,
}

/// Counts a commit among those that wait, for as long as it does.
struct Waits<'a>(&'a prometheus::IntGauge);

impl<'a> Waits<'a> {
    fn new(gauge: &'a prometheus::IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// When a connection was lost last: those that are idle since before are tried before they are used.
#[derive(Debug, Default)]
struct Lost {
    last: Mutex<Option<Instant>>,
    count: AtomicU64,
}

impl Lost {
    /// It was just now.
    fn note(&self) {
        *self.last.lock() = Some(Instant::now());
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were lost so far. As long as none is, it is the same server that answers.
    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// It was, if that is what this error tells.
    fn note_if_lost(&self, error: &sqlx::Error) {
        if fault::is_lost(error) {
            self.note();
        }
    }

    /// Whether a question that failed is asked again: when its connection was lost.
    fn may_ask_again(&self, error: &sqlx::Error, tries: u32) -> bool {
        let again = fault::is_lost(error) && tries + 1 < MOST_ASKED;
        if again {
            self.note();
        }
        again
    }

    /// Whether a connection that is idle for so long may be broken.
    fn doubts(&self, idle: Duration) -> bool {
        idle > TRUSTED_IDLE || self.last.lock().is_some_and(|at| at.elapsed() <= idle)
    }
}

/// What is said after a close.
fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".into())
}

impl PgStore {
    /// Connects, and brings the schema up to date when that is wanted.
    ///
    /// # Errors
    /// Why the database cannot be used.
    pub async fn open(options: Options) -> Result<Arc<Self>, StoreError> {
        let connect = connection(options.url.expose())?;
        migrate::bring_up(&connect, options.auto_migrate).await?;
        let lost = Arc::new(Lost::default());
        let pool = pool_of(options.connections, &lost).connect_lazy_with(connect.clone());
        let pool = Connections::new(pool, options.connections, lost.clone());
        let inner = pool_of(INNER_CONNECTIONS, &lost).connect_lazy_with(connect.clone());
        warn_of_shortcuts(&inner).await.map_err(|error| told(&error))?;
        let meters = Arc::new(Meters::new().map_err(|error| StoreError::Unavailable(error.to_string()))?);
        let asked = reads::Asked::new(pool.clone(), lost.clone());
        let too_old = asked.snapshots.too_old.clone();
        let begun = Sequencer::begin(inner.clone(), lost.clone(), meters.clone(), too_old).await;
        let (sequencer, numbers) = begun.map_err(|error| told(&error))?;
        let (sequencer, folder) = (AbortOnDrop(tokio::spawn(sequencer.run())), AbortOnDrop(tokio::spawn(fold::run(inner.clone()))));
        let ids = Arc::new(Ids::default());
        let writer = Writer { pool: pool.clone(), ids: ids.clone(), numbers: numbers.clone(), lost: lost.clone(), meters: meters.clone() };
        Ok(Arc::new(Self {
            pool,
            inner,
            connect,
            ids,
            numbers,
            lost,
            asked,
            meters,
            writer,
            openings: Openings::new(),
            _sequencer: sequencer,
            folder,
        }))
    }
}

/// Says so when the server may forget what it has acknowledged.
async fn warn_of_shortcuts(pool: &PgPool) -> Result<(), sqlx::Error> {
    for setting in ["fsync", "synchronous_commit"] {
        let value: String = sqlx::query_scalar("SELECT current_setting($1)").bind(setting).fetch_one(pool).await?;
        if value == "off" {
            tracing::warn!(setting, "PostgreSQL is set not to wait for the disk: a crash can lose what was acknowledged");
        }
    }
    Ok(())
}

/// How each connection is made.
fn connection(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options: PgConnectOptions = url.parse().map_err(|error: sqlx::Error| StoreError::Unavailable(error.to_string()))?;
    let options = options.application_name("taquilla").disable_statement_logging().options([
        ("search_path", "taquilla"),
        ("timezone", "UTC"),
        ("default_transaction_isolation", "read committed"),
        ("statement_timeout", STATEMENT_MS),
        ("idle_in_transaction_session_timeout", STATEMENT_MS),
        // Statements are short and many: compiling one takes longer than running it, and workers that each would start are those
        // that others wait for.
        ("jit", "off"),
        ("max_parallel_workers_per_gather", "0"),
    ]);
    Ok(options)
}

fn pool_of(connections: u32, lost: &Arc<Lost>) -> PgPoolOptions {
    let lost = lost.clone();
    PgPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE).test_before_acquire(false).before_acquire(
        move |connection, idle| {
            let (lost, doubtful) = (lost.clone(), lost.doubts(idle.idle_for));
            Box::pin(async move {
                if doubtful {
                    connection.ping().await.inspect_err(|_| lost.note())?;
                }
                Ok(true)
            })
        },
    )
}

#[async_trait]
impl Store for PgStore {
    async fn commit(&self, changes: Changes) -> Result<Committed, StoreError> {
        let _waits = Waits::new(&self.meters.queue_depth);
        let start = Instant::now();
        let committed =
            if openings::are(&changes) { self.openings.commit(&self.writer, changes).await } else { self.writer.apply(&changes).await };
        self.meters.commit_seconds.observe(start.elapsed().as_secs_f64());
        // Also what was refused, because somebody else was faster, is decided again by what is read afterwards.
        self.asked.snapshots.too_old.renew();
        committed
    }

    async fn reserve(&self, kind: IdKind) -> Result<i64, StoreError> {
        self.ids.draw(&self.pool, &self.lost, kind).await
    }

    async fn lease(&self, name: &str, holder: i64, seconds: u32) -> Result<bool, StoreError> {
        // By the server's clock, since those of the instances may differ.
        // Of somebody else's it is seen before, since a row that is there would be locked by a transaction that has changed nothing.
        let sql = "INSERT INTO taquilla.leases AS l (name, holder, expires_at, xid) \
                   SELECT $1, $2, now() + make_interval(secs => $3), pg_current_xact_id()::text::bigint WHERE NOT EXISTS \
                   (SELECT FROM taquilla.leases o WHERE o.name = $1 AND o.holder <> $2 AND o.expires_at >= now()) \
                   ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at, xid = excluded.xid \
                   WHERE l.holder = excluded.holder OR l.expires_at < now()";
        let taken = asking!(self.lost, sqlx::query(sql).bind(name).bind(holder).bind(f64::from(seconds)).execute(&self.pool))?;
        Ok(taken.rows_affected() > 0)
    }

    async fn ready(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT taquilla.note_aside()").execute(&self.pool).await.map(drop).map_err(|error| told(&error))
    }

    fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Of the whole database, in which nothing else need be.
    async fn size_bytes(&self) -> Result<u64, StoreError> {
        let sql = "SELECT pg_database_size(current_database())";
        let bytes: i64 = asking!(self.lost, sqlx::query_scalar(sql).fetch_one(&self.pool))?;
        Ok(u64::try_from(bytes).unwrap_or(0))
    }

    async fn close(&self) -> Result<(), StoreError> {
        // What it has not moved yet, it moves the next time.
        self.folder.0.abort();
        self.pool.close().await;
        self.inner.close().await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_neither_compiled_nor_spread_over_workers() {
        let options = connection("postgres://localhost/desk").unwrap();
        let told = options.get_options().unwrap();
        assert!(told.contains("jit=off") && told.contains("max_parallel_workers_per_gather=0"), "{told}");
    }
}
