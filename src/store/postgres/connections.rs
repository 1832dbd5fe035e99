//! The connections that requests share. The driver's pool asks the server whether a connection works each time it is given back, and has
//! nobody use it meanwhile: one way there and back more for each statement. Here those that have done their work stay at hand, and the
//! pool has them back when something has gone wrong with them, or after a while, to renew them.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt as _, StreamExt as _, TryFutureExt as _, TryStreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use parking_lot::Mutex;
use sqlx::{
    Connection as _, Describe, Either, Execute, Executor, PgConnection, PgPool, Postgres, SqlStr,
    pool::PoolConnection,
    postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{ACQUIRE, Lost};

/// For how long a connection stays away from the pool.
const LONGEST: Duration = Duration::from_secs(60);
/// How long one is waited for of which it is not known whether it works.
const PING: Duration = Duration::from_secs(1);
/// One that was idle for so long is closed: a burst is over.
const TOO_MANY: Duration = Duration::from_secs(300);

/// Connections to one database; statements can be sent to it as to a pool.
#[derive(Clone)]
pub(super) struct Connections(Arc<Shared>);

struct Shared {
    pool: PgPool,
    lost: Arc<Lost>,
    /// As many as the pool has connections, so that whoever has one and finds none at hand gets one of the pool's.
    permits: Arc<Semaphore>,
    /// The one that was used last is the last.
    at_hand: Mutex<Vec<AtHand>>,
}

struct AtHand {
    connection: PoolConnection<Postgres>,
    /// When the pool gave it.
    taken: Instant,
    idle_since: Instant,
}

impl Connections {
    /// Those of a pool of so many, which nobody else uses.
    pub(super) fn new(pool: PgPool, size: u32, lost: Arc<Lost>) -> Self {
        let permits = Arc::new(Semaphore::new(size as usize));
        Self(Arc::new(Shared { pool, lost, permits, at_hand: Mutex::default() }))
    }

    /// A connection.
    ///
    /// # Errors
    /// That of the pool, also when there is none for too long.
    pub(super) async fn acquire(&self) -> Result<Connection, sqlx::Error> {
        if self.is_closed() {
            return Err(sqlx::Error::PoolClosed);
        }
        let permit = timeout(ACQUIRE, self.0.permits.clone().acquire_owned()).await.map_err(|_| sqlx::Error::PoolTimedOut)?;
        let permit = permit.map_err(|_| sqlx::Error::PoolClosed)?;
        let (connection, taken) = match self.at_hand().await {
            Some(AtHand { connection, taken, .. }) => (connection, taken),
            None => (self.0.pool.acquire().await?, Instant::now()),
        };
        Ok(Connection { pooled: Some(connection), taken, shared: self.0.clone(), _permit: permit })
    }

    /// One that is at hand and works.
    async fn at_hand(&self) -> Option<AtHand> {
        loop {
            let mut found = self.0.at_hand.lock().pop()?;
            if self.0.lost.doubts(found.idle_since.elapsed()) {
                // Not left to the pool, which would wait for the answer of one that is silently gone, and have nobody in its place.
                if !matches!(timeout(PING, found.connection.ping()).await, Ok(Ok(()))) {
                    self.0.lost.note();
                    drop(found.connection.detach());
                    continue;
                }
            }
            if found.taken.elapsed() < LONGEST {
                return Some(found);
            }
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.pool.is_closed()
    }

    /// Closes all; waits for those that are in use.
    pub(super) async fn close(&self) {
        // From here on none stays at hand.
        self.0.permits.close();
        let at_hand = std::mem::take(&mut *self.0.at_hand.lock());
        // It is closed from the call on, and closes those that it has back.
        let closed = self.0.pool.close();
        drop(at_hand);
        closed.await;
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for AtHand { connection, .. } in std::mem::take(self.at_hand.get_mut()) {
            // Not back to the pool, which would have to be waited for.
            drop(connection.detach());
        }
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.pool.fmt(f)
    }
}

/// A connection in use. Unless it is kept in the end, the pool has it back, and has what was begun on it undone.
pub(super) struct Connection {
    pooled: Option<PoolConnection<Postgres>>,
    taken: Instant,
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    /// Keeps it at hand, now that everything which was begun on it has ended well.
    pub(super) fn keep(mut self) {
        let mut at_hand = self.shared.at_hand.lock();
        // The one that was used the longest ago is the first.
        let idle = at_hand.first().is_some_and(|first| first.idle_since.elapsed() > TOO_MANY).then(|| at_hand.remove(0));
        // Looked at under the lock, which the closing takes afterwards.
        if !self.shared.permits.is_closed()
            && let Some(connection) = self.pooled.take()
        {
            at_hand.push(AtHand { connection, taken: self.taken, idle_since: Instant::now() });
        }
        drop(at_hand);
        drop(idle.map(|idle| idle.connection.detach()));
    }

    /// Closes it without a word: nothing is known of the way to the server any more, and the pool would wait for an answer.
    pub(super) fn give_up(mut self) {
        drop(self.pooled.take().map(PoolConnection::detach));
    }
}

/// What can only be when it was given away, which [`Connection::keep`] and [`Connection::give_up`] do at their end.
const GONE: &str = "a connection in use is there";

impl Deref for Connection {
    type Target = PgConnection;

    #[expect(clippy::expect_used, reason = "only `keep` and `give_up`, which take it, leave none")]
    fn deref(&self) -> &PgConnection {
        self.pooled.as_ref().expect(GONE)
    }
}

impl DerefMut for Connection {
    #[expect(clippy::expect_used, reason = "only `keep` and `give_up`, which take it, leave none")]
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.pooled.as_mut().expect(GONE)
    }
}

impl<'p> Executor<'p> for &'_ Connections {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let connections = self.clone();
        let all = async move {
            let mut connection = connections.acquire().await?;
            let all: Vec<_> = connection.fetch_many(query).try_collect().await?;
            connection.keep();
            Ok(stream::iter(all.into_iter().map(Ok)))
        };
        all.try_flatten_stream().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let connections = self.clone();
        let first = async move {
            let mut connection = connections.acquire().await?;
            let first = connection.fetch_optional(query).await?;
            connection.keep();
            Ok(first)
        };
        first.boxed()
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'p: 'e,
    {
        let connections = self.clone();
        async move { connections.acquire().await?.prepare_with(sql, parameters).await }.boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'p: 'e,
    {
        let connections = self.clone();
        async move { connections.acquire().await?.describe(sql).await }.boxed()
    }
}
