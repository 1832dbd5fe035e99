//! The worker: follows the log with a durable cursor, folds it into points, and sends them in batches, until it is told
//! to stop. Nothing is given up but single lines that the receiver refuses.

use std::{convert::Infallible, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    answer::{Answer, backoff},
    status::{Fault, InfluxMeters},
    target::{Dialect, Target},
};
use crate::{
    app::AppState,
    error::AppError,
    metrics::{backlog::Fold, line_protocol::Point},
    store::{Changes, EntryQuery, From, LogCursor, StoreError},
    types::{Seq, Timestamp},
};

/// The name of the log's reader.
pub const READER: &str = "influxdb";

/// Entries read at once.
const PAGE: usize = 500;

/// How long after a whole minute its backlog is taken: entries of that minute may still be on their way.
const GRACE_SECONDS: i64 = 5;

/// How long the worker waits. Tests wait less.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    /// The first wait after a failure; doubled with each.
    pub first: Duration,
    /// The longest.
    pub most: Duration,
    /// The wait when somebody has to do something: a wrong token, no database.
    pub slow: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), most: Duration::from_secs(60), slow: Duration::from_secs(60) }
    }
}

/// Sends batches until they are dealt with.
pub struct Sender<'a> {
    target: &'a Target,
    meters: &'a InfluxMeters,
    waits: Waits,
    stop: &'a CancellationToken,
    app: &'a AppState,
    /// After how many failures in a row it gives up; never, when there is no number.
    tries: Option<u32>,
}

/// Why a batch was not dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undelivered {
    /// The desk is stopping: what was not dealt with is sent after the next start.
    Stopped,
    /// It was tried often enough.
    Failed(String),
}

impl<'a> Sender<'a> {
    /// A sender to this receiver that never gives up.
    #[must_use]
    pub fn new(app: &'a AppState, target: &'a Target, waits: Waits, stop: &'a CancellationToken) -> Self {
        Self { target, meters: &app.metrics.influx, waits, stop, app, tries: None }
    }

    /// Gives up after so many failures in a row, and at once when somebody has to mend something.
    #[must_use]
    pub const fn giving_up_after(mut self, tries: u32) -> Self {
        self.tries = Some(tries);
        self
    }

    /// Sends points until each is stored or refused for good.
    ///
    /// # Errors
    /// The desk is stopping, or it was tried often enough.
    pub async fn deliver(&self, points: &[Point]) -> Result<(), Undelivered> {
        // What is left to send, the next part last.
        let mut parts = vec![points];
        let mut failures = 0;
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let mut lines = Vec::with_capacity(part.len() * 128);
            for point in part {
                point.write(&mut lines);
            }
            let (mut answer, mut text) = self.unless_stopped(self.target.send(&lines, self.app.now())).await?;
            if part.len() == 1 && matches!(answer, Answer::Refused | Answer::TooLarge) {
                // Whoever refuses every line is not the one to say that this one is bad: then nothing may be put aside.
                let (plain, said) = self.unless_stopped(self.target.send_plain(self.app.now())).await?;
                if matches!(plain, Answer::Stored | Answer::Partly(_)) {
                    let line = String::from_utf8_lossy(&lines);
                    tracing::error!(line = line.trim_end(), answer = %text, "InfluxDB refuses a line; it is put aside");
                    self.meters.rejected();
                    continue;
                }
                (answer, text) = (plain, said);
            }
            let all = part.len() as u64;
            match answer {
                Answer::Stored => self.meters.stored(all, 0, self.app.now()),
                Answer::Partly(lost) => {
                    let lost = lost.min(all);
                    tracing::warn!(lines = lost, answer = %text, "InfluxDB stored a batch but for some lines");
                    self.meters.stored(all - lost, lost, self.app.now());
                }
                Answer::Refused | Answer::TooLarge if part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.push(second);
                    parts.push(first);
                    continue;
                }
                failed => {
                    let (fault, message, wait) = self.failure(&failed, &text, failures);
                    failures += 1;
                    if self.tries.is_some_and(|tries| fault != Fault::Unavailable || failures >= tries) {
                        return Err(Undelivered::Failed(message));
                    }
                    parts.push(part);
                    self.wait(fault, message, wait).await?;
                    continue;
                }
            }
            failures = 0;
        }
        Ok(())
    }

    /// What an answer that stored nothing means: for the meters, for people, and how long to wait after it.
    fn failure(&self, answer: &Answer, text: &str, failures: u32) -> (Fault, String, Duration) {
        match answer {
            Answer::NoDatabase => {
                let what = if self.target.dialect() == Dialect::V2 { "bucket, organisation" } else { "database" };
                let advice = format!("there is no such {what} or address; `taquilla influx init` makes it ({text})");
                (Fault::NoDatabase, advice, self.waits.slow)
            }
            Answer::Denied => (Fault::Denied, format!("the token or the password of [influxdb] is refused ({text})"), self.waits.slow),
            Answer::Later(asked) => {
                let own = backoff(failures, self.waits.first, self.waits.most, fastrand::f64());
                (Fault::Unavailable, text.to_owned(), asked.map_or(own, |asked| asked.max(own)))
            }
            _ => {
                let advice = format!("a plain line is refused; is influxdb.url an address of InfluxDB? ({text})");
                (Fault::Refused, advice, self.waits.slow)
            }
        }
    }

    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Undelivered> {
        tokio::select! {
            () = self.stop.cancelled() => Err(Undelivered::Stopped),
            done = work => Ok(done),
        }
    }

    async fn wait(&self, fault: Fault, message: String, wait: Duration) -> Result<(), Undelivered> {
        let (address, seconds) = (self.target.address(), wait.as_secs());
        if self.meters.failed(fault, message.clone(), self.app.now()) {
            tracing::warn!(address, error = message, "InfluxDB does not take the metrics; they are kept in the log and sent later");
        } else {
            tracing::debug!(address, error = message, seconds, "InfluxDB still does not take the metrics");
        }
        self.unless_stopped(tokio::time::sleep(wait)).await
    }
}

/// Reads the log for InfluxDB.
pub struct Pusher {
    app: AppState,
    target: Target,
    waits: Waits,
    fold: Fold,
    /// Points that are not sent yet.
    pending: Vec<Point>,
    /// The last entry that is folded in.
    read: Seq,
    /// The last entry of which all points are dealt with, durably.
    sent: Seq,
}

/// Why the worker ended.
enum Ended {
    Stopped,
    Failed(AppError),
}

impl std::convert::From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl Pusher {
    /// A worker that has not begun.
    #[must_use]
    pub fn new(app: AppState, target: Target, waits: Waits) -> Self {
        Self { app, target, waits, fold: Fold::default(), pending: Vec::new(), read: 0, sent: 0 }
    }

    /// Follows the log until the desk stops.
    ///
    /// # Errors
    /// The storage's. A worker that failed is not to be used again.
    pub async fn follow(mut self) -> Result<(), AppError> {
        match self.push().await {
            Ended::Stopped => Ok(()),
            Ended::Failed(error) => Err(error),
        }
    }

    async fn push(&mut self) -> Ended {
        let Err(ended) = self.push_on().await;
        ended
    }

    async fn push_on(&mut self) -> Result<Infallible, Ended> {
        self.sent = self.app.store.cursor(READER).await?.seq;
        self.app.metrics.influx.begin(self.sent);
        self.replay().await?;
        let mut durable = self.app.store.durable_seq();
        let pulse = Duration::from_secs(self.app.config.influxdb.flush_seconds);
        let mut times = tokio::time::interval(pulse);
        times.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            durable.borrow_and_update();
            while self.read_page().await? {}
            tokio::select! {
                () = self.app.shutdown.cancelled() => return Err(Ended::Stopped),
                _ = times.tick() => self.flush_all().await?,
                changed = durable.changed() => if changed.is_err() { return Err(Ended::Stopped) },
            }
        }
    }

    /// Folds what was dealt with before the start, without sending it.
    async fn replay(&mut self) -> Result<(), Ended> {
        while self.read < self.sent {
            let entries = self.page(self.read).await?;
            let Some(last) = entries.last() else { return Ok(()) };
            let end = last.seq;
            for entry in entries.iter().filter(|entry| entry.seq <= self.sent) {
                drop(self.fold.take(entry));
            }
            self.read = end.min(self.sent);
            if self.app.shutdown.is_cancelled() {
                return Err(Ended::Stopped);
            }
        }
        Ok(())
    }

    async fn page(&self, after: Seq) -> Result<Vec<crate::activity::model::Entry>, Ended> {
        let query = EntryQuery { ticket: None, internal: true, from: From::After(after), limit: PAGE };
        Ok(self.app.store.entries(&query).await?)
    }

    /// Takes in the next page of the log; whether there was anything.
    async fn read_page(&mut self) -> Result<bool, Ended> {
        let entries = self.page(self.read).await?;
        for entry in &entries {
            self.backlog(entry.at).await?;
            self.pending.extend(self.fold.take(entry));
            self.read = entry.seq;
            self.flush_full().await?;
        }
        Ok(!entries.is_empty())
    }

    /// Takes the backlog of every whole minute up to `until`.
    async fn backlog(&mut self, until: Timestamp) -> Result<(), Ended> {
        while let Some(points) = self.fold.next_backlog(until, self.app.now()) {
            self.pending.extend(points);
            self.flush_full().await?;
        }
        Ok(())
    }

    async fn flush_full(&mut self) -> Result<(), Ended> {
        if self.pending.len() >= self.app.config.influxdb.batch_lines { self.flush().await } else { Ok(()) }
    }

    /// Sends all there is, with the backlog of now.
    async fn flush_all(&mut self) -> Result<(), Ended> {
        self.backlog(self.app.now().plus_seconds(-GRACE_SECONDS)).await?;
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), Ended> {
        let sender = Sender::new(&self.app, &self.target, self.waits, &self.app.shutdown);
        for batch in self.pending.chunks(self.app.config.influxdb.batch_lines) {
            // It never gives up, so that it can only have been stopped.
            sender.deliver(batch).await.map_err(|_| Ended::Stopped)?;
        }
        self.pending.clear();
        if self.read > self.sent {
            // Every point of the entries up to here is dealt with: pending ones are always those of the newest entries.
            let cursor = LogCursor { name: READER.into(), seq: self.read, version: 1 };
            self.app.store.commit(Changes::new().overwrite(cursor)).await?;
            self.sent = self.read;
            self.app.metrics.influx.reached(self.sent);
        }
        Ok(())
    }
}
