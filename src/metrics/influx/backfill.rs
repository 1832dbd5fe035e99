//! Writing a stretch of the past again, from the log: into an empty InfluxDB, or over what is there. What is written twice
//! is stored once.

use std::cell::Cell;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    target::Target,
    worker::{Sender, Undelivered, Waits},
};
use crate::{
    app::AppState,
    error::AppError,
    metrics::{backlog::Fold, line_protocol::Point, points::instant},
    store::{EntryQuery, From},
    types::{Seq, Timestamp},
};

/// Entries read at once.
const PAGE: usize = 1_000;

/// Lines sent at once: more than by the worker, since there are many.
const BATCH: usize = 5_000;

/// Batches that are ready while one is sent.
const QUEUE: usize = 2;

/// After how many failures in a row it ends.
const TRIES: u32 = 6;

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Filled {
    /// Entries of the log that were read.
    pub entries: i64,
    /// Points that were sent.
    pub points: u64,
}

/// Sends every point from `since` until before `until`. `tell` is told how far the reading of the log has come, and how
/// many points are sent.
///
/// # Errors
/// The storage's; unavailable when it is stopped before its end, or the receiver does not take the points.
pub async fn fill(
    app: &AppState,
    target: &Target,
    range: (Timestamp, Timestamp),
    stop: &CancellationToken,
    tell: impl Fn(Seq, u64),
) -> Result<Filled, AppError> {
    let sender = Sender::new(app, target, Waits::default(), stop).giving_up_after(TRIES);
    let sent = Cell::new(0);
    // The log is read while the receiver works.
    let (queue, batches) = mpsc::channel(QUEUE);
    let reading = read(app, range, queue, |seq| tell(seq, sent.get()));
    // When sending fails, reading ends: nobody takes its batches.
    let (entries, outcome) = tokio::join!(reading, send(&sender, batches, &sent));
    outcome.map_err(|why| match why {
        Undelivered::Stopped => AppError::unavailable("It was stopped before its end; it can be begun again.", None),
        Undelivered::Failed(message) => AppError::unavailable(format!("It is not finished, and can be begun again: {message}"), None),
    })?;
    let filled = Filled { entries: entries?, points: sent.get() };
    tell(filled.entries, filled.points);
    Ok(filled)
}

/// Sends what is queued, and counts the points.
async fn send(sender: &Sender<'_>, mut batches: mpsc::Receiver<Vec<Point>>, sent: &Cell<u64>) -> Result<(), Undelivered> {
    while let Some(batch) = batches.recv().await {
        sender.deliver(&batch).await?;
        sent.set(sent.get() + batch.len() as u64);
    }
    Ok(())
}

/// Reads the log to its end and queues the wanted points; gives the last entry.
async fn read(app: &AppState, (since, until): (Timestamp, Timestamp), queue: Queue, tell: impl Fn(Seq)) -> Result<Seq, AppError> {
    let wanted = |point: &Point| (instant(since)..instant(until)).contains(&point.at());
    let (end, now) = (*app.store.durable_seq().borrow(), app.now());
    let (mut fold, mut pending, mut read) = (Fold::default(), Pending::new(queue), 0);
    while read < end {
        let query = EntryQuery { ticket: None, internal: true, from: From::After(read), limit: PAGE };
        let entries = app.store.entries(&query).await?;
        let known = read;
        for entry in entries.iter().take_while(|entry| entry.seq <= end) {
            while let Some(points) = fold.next_backlog(entry.at, now) {
                pending.put(points.into_iter().filter(wanted));
                if pending.send_full().await.is_err() {
                    return Ok(read);
                }
            }
            pending.put(fold.take(entry).into_iter().filter(wanted));
            read = entry.seq;
            if pending.send_full().await.is_err() {
                return Ok(read);
            }
        }
        tell(read);
        if read == known {
            break;
        }
    }
    while let Some(points) = fold.next_backlog(until.min(now), now) {
        pending.put(points.into_iter().filter(wanted));
        if pending.send_full().await.is_err() {
            return Ok(read);
        }
    }
    // Whether the last ones arrive, sending tells.
    let _ = pending.send_all().await;
    Ok(read)
}

type Queue = mpsc::Sender<Vec<Point>>;

/// Points that are not queued yet.
struct Pending {
    points: Vec<Point>,
    queue: Queue,
}

/// Nobody takes batches any more.
struct Closed;

impl Pending {
    fn new(queue: Queue) -> Self {
        Self { points: Vec::new(), queue }
    }

    fn put(&mut self, points: impl Iterator<Item = Point>) {
        self.points.extend(points);
    }

    async fn send_full(&mut self) -> Result<(), Closed> {
        if self.points.len() >= BATCH { self.send_all().await } else { Ok(()) }
    }

    async fn send_all(&mut self) -> Result<(), Closed> {
        self.queue.send(std::mem::take(&mut self.points)).await.map_err(|_| Closed)
    }
}
