//! Whether anything has changed. Which transactions are over is what decides which rows a statement sees, and the server tells it
//! (`pg_current_snapshot`): two snapshots that are equal show the same rows, and one that differs from the one before never comes again,
//! since what is over stays so. So whatever was read is as it was for as long as the snapshot is. Looking at that costs a statement that
//! touches no table, and all who want to know it at the same time share it.
//!
//! It is the snapshot of the whole server: other databases' writes count as changes, too. Where there is something new each time, nobody
//! looks, and all is read as if nothing were known.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sqlx::Row as _;

use super::{Lost, connections::Connections, rows::Read, together::Together, values};
use crate::store::{StoreError, moment};

/// The transactions that are over, and since when the server runs: the numbers of those that it had forgotten when it fell may come again.
const LOOK: &str = "SELECT pg_current_snapshot()::text, pg_postmaster_start_time()";

/// After so many looks each of which has found something new, the next one waits for a while.
const RESTLESS: u32 = 8;
/// For so long.
const REST: Duration = Duration::from_millis(5);

/// One of the states that the database has had, by its number; the first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View(u64);

/// What a look has found.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    snapshot: String,
    up_since: values::Instant,
    /// How many connections had been lost: another server may answer since.
    lost: u64,
}

/// What the latest look has found.
#[derive(Debug)]
struct Latest {
    look: u64,
    view: View,
    seen: Option<Seen>,
    /// So many looks in a row have found something new.
    news: u32,
    at: Instant,
}

impl Latest {
    /// Notes what a look has found.
    fn note(&mut self, look: u64, seen: Seen) -> View {
        let seen = Some(seen);
        if self.seen == seen {
            self.news = 0;
        } else {
            self.view.0 += 1;
            self.seen = seen;
            self.news = self.news.saturating_add(1);
        }
        self.look = look;
        self.at = Instant::now();
        self.view
    }

    fn rests(&self) -> bool {
        self.news >= RESTLESS && self.at.elapsed() < REST
    }
}

/// Looks for all readers of this instance.
pub(super) struct Snapshots {
    pub(super) pool: Connections,
    pub(super) lost: Arc<Lost>,
    together: Together<(), (), View>,
    latest: Arc<Mutex<Latest>>,
}

impl Snapshots {
    pub(super) fn new(pool: Connections, lost: Arc<Lost>) -> Self {
        let latest = Latest { look: 0, view: View(0), seen: None, news: 0, at: Instant::now() };
        Self { pool, lost, together: Together::default(), latest: Arc::new(Mutex::new(latest)) }
    }

    /// The state that was found latest. What is read from here on is of this one, or of a later one if there is one by then; the former is
    /// what is noted of it, since nobody finds it again in the latter case.
    pub(super) fn latest(&self) -> View {
        self.latest.lock().view
    }

    /// Whether what was read when this was the latest state is as it was. It may be when it is not known.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn is_still(&self, view: View) -> Result<bool, StoreError> {
        let too_old = moment::too_old();
        {
            let latest = self.latest.lock();
            if latest.look > too_old {
                return Ok(latest.view == view);
            }
            if latest.view != view || latest.rests() {
                return Ok(false);
            }
        }
        let (pool, lost, latest) = (self.pool.clone(), self.lost.clone(), self.latest.clone());
        let looked = self.together.ask((), (), move |_| {
            let (pool, lost, latest) = (pool.clone(), lost.clone(), latest.clone());
            async move {
                let look = moment::look();
                let seen = asking!(lost, look_at(&pool, &lost))?;
                Ok(latest.lock().note(look, seen))
            }
        });
        Ok(looked.await? == view)
    }
}

async fn look_at(pool: &Connections, lost: &Lost) -> Read<Seen> {
    let row = sqlx::query(LOOK).fetch_one(pool).await?;
    // Counted after the answer, so that it is the server of before that has given it if the count is that of before.
    Ok(Seen { snapshot: row.try_get(0)?, up_since: row.try_get(1)?, lost: lost.count() })
}
