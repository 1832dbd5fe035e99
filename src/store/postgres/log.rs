//! The log: how entries are written with their commit, how commits get their places afterwards, and how the log's end is
//! told to those who follow it, here and in other instances.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_json::Value;
use sqlx::{
    PgConnection, PgPool, Postgres, Row as _,
    postgres::{PgArguments, PgListener},
    query::Query,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};

use super::{
    Lost,
    fault::{Fault, is_lost},
    figures::{self, add_moves},
    news::Reach,
    search::add_terms,
    write::Derived,
};
use crate::{
    activity::model::{Entry, NewEntry},
    store::{Meters, StoreError, moment::TooOld},
    types::Seq,
};

/// The channel on which instances tell each other where the log ends.
const CHANNEL: &str = "taquilla_log";
/// Sends a message. Its transaction counts as one that has changed something, and so it notes that it has not; without waiting for the disk,
/// since what is lost with it is only that.
const TELL: &str = "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2), taquilla.note_aside()";
/// At most one message in this time.
const BETWEEN_MESSAGES: Duration = Duration::from_millis(20);
/// How often an instance looks for itself, whatever it is told.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// How long a commit waits for its place. It has happened by then: what is late is only the number.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often old rows of commits without entries are removed, in looks.
const LOOKS_BETWEEN_PURGES: u32 = 300;

/// How often a numbering is tried again at once, when its connection is lost.
const MOST_TRIES: u32 = 2;

/// A commit that waits for its place.
#[derive(Debug)]
struct Waiting {
    nr: i64,
    answer: oneshot::Sender<Seq>,
}

/// Where commits are handed in to get their places.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    waiting: mpsc::UnboundedSender<Waiting>,
    end: End,
}

impl Numbers {
    /// The place of a commit's last entry; an error when it is not given in time, which is the end that is known.
    pub(super) async fn place(&self, nr: i64) -> Result<Seq, Seq> {
        let (answer, answered) = oneshot::channel();
        let handed_in = self.waiting.send(Waiting { nr, answer }).is_ok();
        match timeout(PATIENCE, answered).await {
            Ok(Ok(seq)) if handed_in => Ok(seq),
            _ => Err(*self.end.at.borrow()),
        }
    }

    /// Notes that the log goes at least as far as this.
    pub(super) fn advance(&self, to: Seq) {
        self.end.advance(to);
    }

    /// The log's end, and a signal at each advance.
    pub(super) fn subscribe(&self) -> watch::Receiver<Seq> {
        self.end.at.subscribe()
    }
}

/// Entries as arrays, one for each column of their table: action, ticket, comment, account, whether internal, body.
#[derive(Default)]
pub(super) struct Columns {
    actions: Vec<&'static str>,
    tickets: Vec<Option<i64>>,
    comments: Vec<Option<i64>>,
    users: Vec<Option<i64>>,
    internal: Vec<bool>,
    bodies: Vec<Value>,
}

impl Columns {
    /// Those of these entries. Their places are not in their bodies: they are given after the commit.
    pub(super) fn of(entries: impl Iterator<Item = Entry>) -> Result<Self, StoreError> {
        let mut columns = Self::default();
        for entry in entries {
            columns.actions.push(entry.action.name());
            columns.tickets.push(entry.ticket_id.map(|id| id.0));
            columns.comments.push(entry.comment_id.map(|id| id.0));
            columns.users.push(entry.user_id.map(|id| id.0));
            columns.internal.push(entry.internal);
            let body = serde_json::to_value(Entry { seq: 0, ..entry });
            columns.bodies.push(body.map_err(|error| StoreError::Corrupt(format!("an entry cannot be written: {error}")))?);
        }
        Ok(columns)
    }

    /// Binds them as the next parameters of a statement.
    pub(super) fn bound(self, query: Query<'_, Postgres, PgArguments>) -> Query<'_, Postgres, PgArguments> {
        let Self { actions, tickets, comments, users, internal, bodies } = self;
        query.bind(actions).bind(tickets).bind(comments).bind(users).bind(internal).bind(bodies)
    }
}

/// Writes the row of a commit without entries of which nothing follows; gives the commit's number.
pub(super) async fn write_quiet(tx: &mut PgConnection, token: i64, reach: Reach) -> Result<i64, Fault> {
    let sql = "INSERT INTO taquilla.commits (token, entries, reach) VALUES ($1, 0, $2) RETURNING nr";
    Ok(sqlx::query_scalar(sql).bind(token).bind(reach.number()).fetch_one(tx).await?)
}

/// Writes the row of a commit, its entries and what follows from its rows; gives the commit's number.
pub(super) async fn write(tx: &mut PgConnection, token: i64, entries: &[&NewEntry], derived: Derived, reach: Reach) -> Result<i64, Fault> {
    let count = i32::try_from(entries.len()).map_err(|_| StoreError::Corrupt("too many entries".into()))?;
    let Derived { moves, terms, .. } = derived;
    let columns = Columns::of(entries.iter().map(|entry| Entry::at_seq(0, (*entry).clone())))?;
    // One statement, since each is a way to the server and back while the rows are locked.
    let made = sqlx::query(concat!(
        "WITH made AS (INSERT INTO taquilla.commits (token, entries, reach) VALUES ($1, $2, $16) RETURNING nr), \
         told AS (INSERT INTO taquilla.entries (commit_nr, follow, action, ticket_id, comment_id, user_id, internal, body) \
         SELECT made.nr, e.* FROM made, unnest($3::integer[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::boolean[], \
         $9::jsonb[]) AS e), found AS (",
        add_terms!("$10"),
        "), counted AS (",
        add_moves!("$11", "$12", "$13", "$14", "$15"),
        ") SELECT nr FROM made"
    ))
    .bind(token)
    .bind(count)
    .bind((0..count).rev().collect::<Vec<i32>>());
    let made = figures::bound(columns.bound(made).bind(terms.into_rows()), &moves);
    Ok(made.bind(reach.number()).fetch_one(tx).await?.try_get(0)?)
}

/// Gives commits their places, tells other instances, and listens to them. Ends when it is aborted.
pub(super) struct Sequencer {
    pool: PgPool,
    lost: Arc<Lost>,
    meters: Arc<Meters>,
    waiting: mpsc::UnboundedReceiver<Waiting>,
    end: End,
    /// Transactions below this are known to have their places.
    below: i64,
}

/// What one numbering gave.
struct Numbered {
    places: HashMap<i64, Seq>,
}

impl Sequencer {
    /// Numbers what is left over, and gives the log's end with the way to hand in.
    pub(super) async fn begin(pool: PgPool, lost: Arc<Lost>, meters: Arc<Meters>, too_old: TooOld) -> Result<(Self, Numbers), sqlx::Error> {
        let (sender, waiting) = mpsc::unbounded_channel();
        let end = End { at: watch::Sender::new(0), too_old };
        let mut sequencer = Self { pool, lost, meters, waiting, end: end.clone(), below: 0 };
        sequencer.number().await?;
        Ok((sequencer, Numbers { waiting: sender, end }))
    }

    /// Works for as long as somebody can hand in.
    pub(super) async fn run(mut self) {
        let (messages, outgoing) = watch::channel(*self.end.at.borrow());
        let told = tokio::spawn(tell(self.pool.clone(), outgoing));
        let heard = tokio::spawn(listen(self.pool.clone(), self.end.clone()));
        let _helpers = [AbortOnDrop(told), AbortOnDrop(heard)];
        let mut look = interval(BETWEEN_LOOKS);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks = 0_u32;
        loop {
            let mut handed_in = Vec::new();
            tokio::select! {
                biased;
                first = self.waiting.recv() => match first {
                    Some(first) => handed_in.push(first),
                    None => return,
                },
                _ = look.tick() => {
                    looks = looks.wrapping_add(1);
                    self.keep_house(looks).await;
                }
            }
            while let Ok(more) = self.waiting.try_recv() {
                handed_in.push(more);
            }
            if !handed_in.is_empty() {
                self.meters.group_size.observe(f64::from(u16::try_from(handed_in.len()).unwrap_or(u16::MAX)));
            }
            match self.number().await {
                Ok(numbered) => self.answer(handed_in, &numbered.places).await,
                // They are told the end that is known; the next look numbers them.
                Err(error) => tracing::warn!(%error, "commits could not be numbered; they are tried again"),
            }
            messages.send_if_modified(|last| {
                let end = *self.end.at.borrow();
                let moved = end > *last;
                *last = end.max(*last);
                moved
            });
        }
    }

    async fn number(&mut self) -> Result<Numbered, sqlx::Error> {
        let mut tries = 0;
        let row = loop {
            let numbering = sqlx::query("SELECT below, log_end, numbers, places FROM taquilla.number_log($1)").bind(self.below);
            match numbering.fetch_one(&self.pool).await {
                // What a lost try has numbered is found as if another instance had done it.
                Err(error) if is_lost(&error) && tries < MOST_TRIES => {
                    self.lost.note();
                    tries += 1;
                }
                numbered => break numbered?,
            }
        };
        self.below = row.try_get(0)?;
        self.end.advance(row.try_get(1)?);
        let (numbers, places): (Vec<i64>, Vec<i64>) = (row.try_get(2)?, row.try_get(3)?);
        Ok(Numbered { places: numbers.into_iter().zip(places).collect() })
    }

    async fn answer(&self, handed_in: Vec<Waiting>, places: &HashMap<i64, Seq>) {
        let mut by_others = Vec::new();
        for one in handed_in {
            match places.get(&one.nr) {
                // Whoever stopped waiting does not want the answer.
                Some(seq) => {
                    let _ = one.answer.send(*seq);
                }
                None => by_others.push(one),
            }
        }
        if by_others.is_empty() {
            return;
        }
        let numbers: Vec<i64> = by_others.iter().map(|one| one.nr).collect();
        let found = sqlx::query("SELECT nr, last_seq FROM taquilla.commits WHERE nr = ANY($1) AND last_seq IS NOT NULL")
            .bind(numbers)
            .fetch_all(&self.pool)
            .await;
        let Ok(found) = found else { return };
        let found: HashMap<i64, Seq> = found.iter().filter_map(|row| Some((row.try_get(0).ok()?, row.try_get(1).ok()?))).collect();
        for one in by_others {
            if let Some(seq) = found.get(&one.nr) {
                let _ = one.answer.send(*seq);
            }
        }
    }

    async fn keep_house(&self, looks: u32) {
        if let Err(error) = sqlx::query("SELECT taquilla.sum_figures()").execute(&self.pool).await {
            self.lost.note_if_lost(&error);
            tracing::debug!(%error, "counters were not summed up");
        }
        if looks.is_multiple_of(LOOKS_BETWEEN_PURGES) {
            let purge = "WITH gone AS (DELETE FROM taquilla.commits WHERE entries = 0 AND last_seq IS NOT NULL \
                         AND made_at < now() - interval '1 hour') SELECT taquilla.note_aside()";
            if let Err(error) = sqlx::query(purge).execute(&self.pool).await {
                self.lost.note_if_lost(&error);
                tracing::debug!(%error, "old commits were not removed");
            }
        }
    }
}

/// Where the log ends, as far as this instance knows.
#[derive(Debug, Clone)]
struct End {
    at: watch::Sender<Seq>,
    too_old: TooOld,
}

impl End {
    /// Notes that it goes at least as far as this.
    fn advance(&self, to: Seq) {
        self.at.send_if_modified(|end| {
            let moved = to > *end;
            if moved {
                // Whoever hears of it reads what has happened.
                self.too_old.renew();
            }
            *end = to.max(*end);
            moved
        });
    }
}

/// Ends a task with its holder.
pub(super) struct AbortOnDrop(pub(super) tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Tells other instances where the log ends: the latest end only, and not too often, since each message takes a lock of
/// the whole server.
async fn tell(pool: PgPool, mut end: watch::Receiver<Seq>) {
    while end.changed().await.is_ok() {
        let next = Instant::now() + BETWEEN_MESSAGES;
        let seq = *end.borrow_and_update();
        let sent = sqlx::query(TELL).bind(CHANNEL).bind(seq.to_string()).execute(&pool).await;
        if let Err(error) = sent {
            tracing::debug!(%error, "other instances were not told; they look for themselves");
        }
        sleep_until(next).await;
    }
}

/// Hears where other instances say that the log ends.
async fn listen(pool: PgPool, end: End) {
    loop {
        let heard = hear(&pool, &end).await;
        if pool.is_closed() {
            return;
        }
        tracing::debug!(error = ?heard.err(), "listening again");
        sleep_until(Instant::now() + BETWEEN_LOOKS).await;
    }
}

async fn hear(pool: &PgPool, end: &End) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        let message = listener.recv().await?;
        if let Ok(seq) = message.payload().parse() {
            end.advance(seq);
        }
    }
}
