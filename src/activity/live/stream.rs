//! One stream: from its place in the log onward, for as long as its caller may listen.

use std::{future::pending, pin::Pin, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    PAGE, Place,
    ring::{self, Piece},
};
use crate::{
    activity::rules::Sight,
    app::AppState,
    auth::extract::Standing,
    error::AppError,
    store::{EntryQuery, From},
    types::{Seq, UserId},
};

/// What a stream does by the clock.
#[derive(Debug, Clone, Copy)]
pub struct Timers {
    /// How often a comment is sent, so that whoever is in between does not take the connection for dead.
    pub beat: Duration,
    /// How often it is judged whether the credentials have expired, and whether the reader is stuck.
    pub look: Duration,
    /// How long a reader may take nothing although something waits for it. It is cut then, and can resume.
    pub patience: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self { beat: Duration::from_secs(15), look: Duration::from_secs(1), patience: Duration::from_secs(20) }
    }
}

/// Pieces that wait for the reader.
const WAITING: usize = 2;

/// A comment: a line that clients skip.
const COMMENT: Bytes = Bytes::from_static(b": live\n\n");

type Reading = Pin<Box<dyn Future<Output = Result<Piece, AppError>> + Send>>;

/// A stream.
struct Stream {
    app: AppState,
    standing: Standing,
    user: UserId,
    sight: Sight,
    cursor: Seq,
    out: mpsc::Sender<Bytes>,
    _place: Place,
}

/// Opens a stream for `standing`: what comes after the entry `after`, else after `end`, where the log ended when it was
/// asked for. It ends when its receiver is dropped, with the right to it, and with the desk.
///
/// # Errors
/// 429 and 503 when there are too many; forbidden without an account.
pub fn open(app: &AppState, standing: Standing, after: Option<Seq>, end: Seq, timers: Timers) -> Result<mpsc::Receiver<Bytes>, AppError> {
    let (user, sight) = (standing.actor.require_id()?, Sight::of(&standing.actor)?);
    let place = Place::take(app, user)?;
    let (out, pieces) = mpsc::channel(WAITING);
    let stream = Stream { app: app.clone(), standing, user, sight, cursor: end, out, _place: place };
    app.tasks.spawn(stream.begin(after, timers));
    Ok(pieces)
}

impl Stream {
    async fn begin(mut self, after: Option<Seq>, timers: Timers) {
        if self.out.send(COMMENT).await.is_err() {
            return;
        }
        if let Some(after) = after {
            let Ok(end) = self.end_before(after).await else { return };
            self.cursor = after.min(end);
        }
        self.run(timers).await;
    }

    /// The end of the log, for somebody who has seen the entry `after`. When that lies beyond the end that this process
    /// knows of, another one may have told of it already: then the storage is asked.
    async fn end_before(&self, after: Seq) -> Result<Seq, AppError> {
        if after <= self.cursor {
            return Ok(self.cursor);
        }
        let newest = EntryQuery { ticket: None, internal: true, from: From::Before(Seq::MAX), limit: 1 };
        let newest = self.app.store.entries(&newest).await?;
        Ok(newest.first().map_or(self.cursor, |entry| entry.seq.max(self.cursor)))
    }

    async fn run(&mut self, timers: Timers) {
        let mut head = self.app.live.head.subscribe();
        let mut beat = interval(timers.beat);
        let mut look = interval(timers.look);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first ticks are at once, and the first comment is sent already.
        beat.reset();
        let mut waiting: Option<(Bytes, Instant)> = None;
        let mut reading: Option<Reading> = None;
        loop {
            let free = waiting.is_none();
            let piece = tokio::select! {
                biased;
                () = self.app.shutdown.cancelled() => return,
                () = self.out.closed() => return,
                _ = look.tick() => {
                    let stuck = waiting.as_ref().is_some_and(|(_, since)| since.elapsed() > timers.patience);
                    if stuck || self.standing.is_over(self.app.now()) {
                        return;
                    }
                    continue;
                }
                room = self.out.reserve(), if !free => {
                    let Ok(room) = room else { return };
                    if let Some((text, _)) = waiting.take() {
                        room.send(text);
                    }
                    continue;
                }
                _ = beat.tick(), if free => {
                    waiting = Some((COMMENT, Instant::now()));
                    continue;
                }
                piece = read(&mut reading), if free => {
                    reading = None;
                    piece
                }
                piece = self.next(&mut head), if free && reading.is_none() => {
                    let Some(piece) = piece else {
                        reading = Some(Box::pin(stored(self.app.clone(), self.cursor, self.user, self.sight)));
                        continue;
                    };
                    Ok(piece)
                }
            };
            // Whoever is behind a failed read resumes when the storage works again.
            let Ok(piece) = piece else { return };
            if piece.rights && !self.standing.holds(&self.app).await {
                return;
            }
            self.cursor = piece.upto;
            if !piece.text.is_empty() {
                waiting = Some((piece.text, Instant::now()));
            }
        }
    }

    /// Waits for the next piece of the ring; `None` when the storage has to be asked. It can be called again after it was
    /// dropped half-way.
    async fn next(&self, head: &mut watch::Receiver<Seq>) -> Option<Piece> {
        loop {
            let piece = self.app.live.after(self.cursor, self.user, self.sight)?;
            if piece.upto > self.cursor {
                return Some(piece);
            }
            if head.changed().await.is_err() {
                return pending().await;
            }
        }
    }
}

async fn read(reading: &mut Option<Reading>) -> Result<Piece, AppError> {
    match reading {
        Some(reading) => reading.await,
        None => pending().await,
    }
}

/// What comes after `cursor`, from the storage.
async fn stored(app: AppState, cursor: Seq, user: UserId, sight: Sight) -> Result<Piece, AppError> {
    let _turn = app.live.reads.acquire().await.map_err(AppError::internal)?;
    let end = *app.store.durable_seq().borrow();
    let entries = super::read(&app, cursor).await?;
    let complete = (entries.len() < PAGE).then_some(end);
    Ok(ring::piece_of(&entries, cursor, complete, user, sight))
}
