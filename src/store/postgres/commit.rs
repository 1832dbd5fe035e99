//! The one way to write: judge everything, write everything, commit; again when somebody else was faster. A connection
//! that is lost at the commit leaves a question, and the commit's own row answers it.

use std::{sync::Arc, time::Duration};

use sqlx::{Connection, PgTransaction};
use tokio::time::{Instant, sleep};

use super::{
    Lost,
    connections::Connections,
    fault::{Fault, is_conflict, is_lost, told},
    ids::Ids,
    judge,
    log::{self, Numbers},
    news::Reach,
    write,
};
use crate::{
    auth::token::random,
    store::{Changes, Committed, Meters, StoreError},
};

/// How often a commit is tried against others that are faster.
const MOST_TRIES: u32 = 12;
/// How long a commit that could not begin, for want of a connection, is tried.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it is asked whether a commit happened, when its connection was lost at that moment.
const LONGEST_DOUBT: Duration = Duration::from_secs(20);
/// The first wait before trying again; it doubles, and varies at random.
const FIRST_WAIT_MS: u64 = 4;
/// The longest one.
const LONGEST_WAIT_MS: u64 = 250;

/// How one try ended.
pub(super) enum Outcome {
    /// It is committed, under this number.
    Done(i64),
    /// The connection was lost when it was told to commit.
    Unknown(i64),
}

/// What is told when it stays open whether a commit happened.
pub(super) const IN_DOUBT: &str = "the connection was lost during a commit";

/// What writing needs.
#[derive(Clone)]
pub(super) struct Writer {
    pub(super) pool: Connections,
    pub(super) ids: Arc<Ids>,
    pub(super) numbers: Numbers,
    pub(super) lost: Arc<Lost>,
    pub(super) meters: Arc<Meters>,
}

impl Writer {
    /// Applies changes, all or none.
    pub(super) async fn apply(&self, changes: &Changes) -> Result<Committed, StoreError> {
        let begun = Instant::now();
        let mut tries = 0;
        loop {
            // Another one for each try: that of a try which did not happen must not be found.
            let token = i64::from_be_bytes(random());
            let attempt = async { self.decided(self.try_once(changes, token, tries > 0).await?, token).await };
            let fault = match attempt.await {
                Ok(nr) => {
                    let seq = self.numbers.place(nr).await.unwrap_or_else(|end| end);
                    return Ok(Committed { seq });
                }
                Err(fault) => fault,
            };
            tries += 1;
            match fault {
                Fault::Refused(error) => return Err(error),
                Fault::Overtaken if tries < MOST_TRIES => {}
                Fault::Overtaken => return Err(StoreError::Busy),
                Fault::Sql(error) if is_conflict(&error) && tries < MOST_TRIES => {}
                Fault::Sql(error) if is_lost(&error) && begun.elapsed() < PATIENCE => self.lost.note(),
                Fault::Sql(error) => {
                    tracing::debug!(%error, "a commit was not made");
                    return Err(told(&error));
                }
            }
            pause(tries).await;
        }
    }

    /// The number of a commit, once it is known whether it happened.
    pub(super) async fn decided(&self, outcome: Outcome, token: i64) -> Result<i64, Fault> {
        match outcome {
            Outcome::Done(nr) => Ok(nr),
            Outcome::Unknown(nr) => match self.happened(nr, token).await {
                Some(true) => Ok(nr),
                Some(false) => Err(Fault::Overtaken),
                None => Err(StoreError::Unknown(IN_DOUBT.into()).into()),
            },
        }
    }

    async fn try_once(&self, changes: &Changes, token: i64, wary: bool) -> Result<Outcome, Fault> {
        let mut connection = self.pool.acquire().await?;
        let mut tx = connection.begin().await?;
        judge::judge(&mut tx, changes, wary).await?;
        let passed = self.ids.pass(&mut tx, &[changes]).await?;
        let derived = write::rows(&mut tx, changes).await?;
        let reach = Reach::of(changes, &derived);
        let nr = if changes.log.is_empty() && derived.is_empty() {
            log::write_quiet(&mut tx, token, reach).await?
        } else {
            log::write(&mut tx, token, &changes.log.iter().collect::<Vec<_>>(), derived, reach).await?
        };
        let outcome = self.commit(tx, nr).await?;
        if matches!(outcome, Outcome::Done(_)) {
            self.ids.note(&passed);
            connection.keep();
        }
        Ok(outcome)
    }

    /// Tells the server to commit what has this number.
    pub(super) async fn commit(&self, tx: PgTransaction<'_>, nr: i64) -> Result<Outcome, Fault> {
        let start = Instant::now();
        let committed = tx.commit().await;
        self.meters.sync_seconds.observe(start.elapsed().as_secs_f64());
        match committed {
            Ok(()) => Ok(Outcome::Done(nr)),
            Err(error) if is_lost(&error) => {
                self.lost.note();
                Ok(Outcome::Unknown(nr))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a commit happened. Its row is written a second time, in a transaction that is then given up: that waits for
    /// the first transaction when the server has not finished it yet, and only works when it never will.
    async fn happened(&self, nr: i64, token: i64) -> Option<bool> {
        let begun = Instant::now();
        let mut tries = 0;
        while begun.elapsed() < LONGEST_DOUBT {
            match self.look_for(nr, token).await {
                Ok(found) => return Some(found),
                Err(sqlx::Error::PoolClosed) => return None,
                Err(error) => tracing::debug!(%error, "it is not known yet whether a commit happened"),
            }
            self.lost.note();
            tries += 1;
            pause(tries).await;
        }
        None
    }

    async fn look_for(&self, nr: i64, token: i64) -> Result<bool, sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        let mut tx = connection.begin().await?;
        let again =
            "INSERT INTO taquilla.commits (nr, token, entries) OVERRIDING SYSTEM VALUE VALUES ($1, $2, 0) ON CONFLICT (nr) DO NOTHING";
        let written = sqlx::query(again).bind(nr).bind(token).execute(&mut *tx).await?.rows_affected();
        // After a crash of the server, which forgot it, the number may be somebody else's.
        let found = written == 0
            && sqlx::query("SELECT FROM taquilla.commits WHERE nr = $1 AND token = $2")
                .bind(nr)
                .bind(token)
                .fetch_optional(&mut *tx)
                .await?
                .is_some();
        tx.rollback().await?;
        connection.keep();
        Ok(found)
    }
}

/// Waits a little, longer each time, and not as long as others.
async fn pause(tries: u32) {
    let most = FIRST_WAIT_MS.saturating_mul(1 << tries.min(10)).min(LONGEST_WAIT_MS);
    let jitter = u64::from_be_bytes(random()) % most;
    sleep(Duration::from_millis(1 + jitter)).await;
}
