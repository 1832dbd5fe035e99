//! Live events: the log as it grows, for everybody who listens.
//!
//! One follower per process reads each new entry once, writes it once, and puts it into a ring. A stream is a place in the
//! log: it takes what comes after that from the ring, or from the storage when the ring does not reach back so far. So
//! one that resumes, or that has fallen behind, joins without a gap and without seeing anything twice.

pub mod http;
mod ring;
mod stream;

use std::{collections::HashMap, time::Duration};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, Semaphore, watch};

use self::ring::{KEPT, Piece, Ring};
use super::{model::Entry, rules::Sight};
use crate::{
    app::{App, AppState},
    error::AppError,
    store::{EntryQuery, From},
    types::{Seq, UserId},
};

pub use stream::{Timers, open};

/// Entries that are read from the storage at once.
const PAGE: usize = 256;

/// Reads from the storage at once, for all streams that are behind the ring.
const READS: usize = 4;

/// How long the follower rests after each look, so that a burst of commits wakes the streams once, not for each commit.
const REST: Duration = Duration::from_millis(10);

/// How long the follower waits after a read that failed.
const RETRY: Duration = Duration::from_millis(500);

/// The live part of the desk.
#[derive(Debug)]
pub struct Live {
    ring: RwLock<Ring>,
    head: watch::Sender<Seq>,
    streams: Mutex<Streams>,
    /// Told when the first stream begins.
    wanted: Notify,
    reads: Semaphore,
}

/// Who listens.
#[derive(Debug, Default)]
struct Streams {
    of: HashMap<UserId, usize>,
    all: usize,
}

impl Live {
    /// A desk without listeners, whose log ends at `seq`.
    #[must_use]
    pub fn at(seq: Seq) -> Self {
        Self {
            ring: RwLock::new(Ring::at(seq)),
            head: watch::Sender::new(seq),
            streams: Mutex::default(),
            wanted: Notify::new(),
            reads: Semaphore::new(READS),
        }
    }

    /// How many streams there are.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.lock().all
    }

    /// What comes after `cursor` in the ring; `None` when it does not reach back so far.
    fn after(&self, cursor: Seq, user: UserId, sight: Sight) -> Option<Piece> {
        self.ring.read().after(cursor, user, sight)
    }

    /// Reads the next entries into the ring; whether there may be more at once.
    async fn advance(&self, app: &App, end: Seq) -> Result<bool, AppError> {
        let head = self.ring.read().head();
        // After a time without listeners only the newest entries are fetched; who wants older ones asks the storage.
        let from = head.max(end.saturating_sub(Seq::try_from(KEPT).unwrap_or(Seq::MAX)));
        let entries = read(app, from).await?;
        let more = entries.len() == PAGE;
        let upto = entries.last().map_or(from, |entry| entry.seq).max(if more { from } else { end });
        let mut ring = self.ring.write();
        if from > head {
            *ring = Ring::at(from);
        }
        ring.push(&entries, upto);
        drop(ring);
        self.head.send_replace(upto);
        Ok(more)
    }
}

async fn read(app: &App, after: Seq) -> Result<Vec<Entry>, AppError> {
    Ok(app.store.entries(&EntryQuery { ticket: None, internal: true, from: From::After(after), limit: PAGE }).await?)
}

/// A stream's place among all streams; given back when it is dropped.
struct Place {
    app: AppState,
    user: UserId,
}

impl Place {
    fn take(app: &AppState, user: UserId) -> Result<Self, AppError> {
        let mut streams = app.live.streams.lock();
        let most = &app.config.server;
        if streams.all >= most.live_streams as usize {
            return Err(AppError::unavailable("Too many live streams are open; try again later.", None).retry_after(30));
        }
        let own = streams.of.entry(user).or_default();
        if *own >= most.live_streams_per_account as usize {
            return Err(AppError::too_many(format!("This account has {own} live streams; close one first."), 30));
        }
        *own += 1;
        streams.all += 1;
        drop(streams);
        app.live.wanted.notify_one();
        Ok(Self { app: app.clone(), user })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut streams = self.app.live.streams.lock();
        streams.all -= 1;
        if let Some(own) = streams.of.get_mut(&self.user) {
            *own -= 1;
            if *own == 0 {
                streams.of.remove(&self.user);
            }
        }
    }
}

/// Follows the log for all streams, until the desk stops.
pub async fn follow(app: AppState) {
    let mut durable = app.store.durable_seq();
    loop {
        let end = *durable.borrow_and_update();
        let pause = if app.live.streams() == 0 || *app.live.head.borrow() >= end {
            Duration::MAX
        } else {
            match app.live.advance(&app, end).await {
                Ok(true) => continue,
                Ok(false) => REST,
                Err(error) => {
                    tracing::warn!(%error, cause = error.problem().cause, "live events wait for the storage");
                    RETRY
                }
            }
        };
        if pause == Duration::MAX {
            tokio::select! {
                () = app.shutdown.cancelled() => return,
                () = app.live.wanted.notified() => {}
                changed = durable.changed() => if changed.is_err() { return },
            }
        } else {
            tokio::select! {
                () = app.shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}
