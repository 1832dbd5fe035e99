//! Tickets that are opened at the same time share a transaction: while one is under way, those gather who want the same, and the next
//! one writes what they have. What each would cost the server and the disk, they cost together.
//!
//! Whoever may not write is refused and the others are written. When nothing could be written, each goes by itself, as all other
//! writes do.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;

use super::{
    commit::{IN_DOUBT, Outcome, Writer},
    fault::{Fault, is_lost, told},
    ids::Passed,
    judge, log,
    news::Reach,
    together::Together,
    write,
};
use crate::{
    auth::token::random,
    store::{Changes, Committed, Expect, Row, StoreError, Write},
    tickets::model::Ticket,
};

/// How long the statements before the commit are waited for, and how long the commit. The server's own limits end them before; this is
/// for a way to the server that has silently gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// Texts that are written together have so many bytes at most.
const MOST_BYTES: usize = 1 << 20;

/// What one of them wants to write, by a number of its own.
type Wanted = (u64, Arc<Changes>);

/// The number of a commit; `None` when it has not happened.
type Number = Shared<BoxFuture<'static, Result<Option<i64>, StoreError>>>;

/// How it went. Who is neither refused nor written goes by itself.
#[derive(Default)]
struct Group {
    refused: HashMap<u64, StoreError>,
    /// How many entries of the log follow on those of each.
    written: HashMap<u64, i64>,
    /// Known at once, but for a connection that was lost at the commit.
    number: Option<Number>,
}

/// Gathers them.
pub(super) struct Openings {
    together: Together<(), Wanted, Arc<Group>>,
    next: AtomicU64,
}

/// Whether changes open one ticket, and write nothing else but the log and a remembered answer.
pub(super) fn are(changes: &Changes) -> bool {
    let (mut tickets, mut others) = (0, 0);
    for write in &changes.writes {
        match write {
            Write::Put(row, Expect::New) if matches!(**row, Row::Ticket(_)) => tickets += 1,
            Write::Put(row, Expect::New) if matches!(**row, Row::Answer(_)) => {}
            _ => others += 1,
        }
    }
    tickets == 1 && others == 0 && changes.additions.is_empty()
}

impl Openings {
    pub(super) fn new() -> Self {
        Self { together: Together::unhurried(), next: AtomicU64::new(0) }
    }

    /// Applies changes that [`are`] an opening, all or none, perhaps together with those of others.
    pub(super) async fn commit(&self, writer: &Writer, changes: Changes) -> Result<Committed, StoreError> {
        let (number, changes) = (self.next.fetch_add(1, Ordering::Relaxed), Arc::new(changes));
        let one = writer.clone();
        let group = self.together.ask((), (number, changes.clone()), move |wanted| {
            let writer = one.clone();
            async move { Ok(Arc::new(together(&writer, &wanted).await)) }
        });
        // It ends without an answer when it ends in the middle, of whatever.
        let group = group.await.map_err(|_| StoreError::Unknown(IN_DOUBT.into()))?;
        if let Some(error) = group.refused.get(&number) {
            return Err(error.clone());
        }
        if let (Some(following), Some(commit)) = (group.written.get(&number), group.number.clone())
            && let Some(nr) = commit.await?
        {
            let seq = writer.numbers.place(nr).await.map_or_else(|end| end, |last| last - following);
            return Ok(Committed { seq });
        }
        writer.apply(&changes).await
    }
}

async fn together(writer: &Writer, wanted: &[Wanted]) -> Group {
    match attempt(writer, &gathered(wanted)).await {
        Ok(group) => group,
        // Nor would they find one by themselves.
        Err(Fault::Sql(error @ sqlx::Error::PoolTimedOut)) => {
            Group { refused: wanted.iter().map(|(number, _)| (*number, told(&error))).collect(), ..Group::default() }
        }
        Err(fault) => {
            if let Fault::Sql(error) = fault {
                if is_lost(&error) {
                    writer.lost.note();
                }
                tracing::debug!(%error, "tickets were not opened together");
            }
            Group::default()
        }
    }
}

/// Those that can go together: not two with one idempotency key, and not too much text.
fn gathered(wanted: &[Wanted]) -> Vec<&Wanted> {
    let (mut keys, mut bytes) = (HashSet::new(), 0);
    let fits = |(_, changes): &&Wanted| {
        let rows = || changes.writes.iter().filter_map(row);
        bytes += rows().map(|row| if let Row::Ticket(ticket) = row { ticket.bytes() } else { 0 }).sum::<usize>();
        bytes <= MOST_BYTES && rows().all(|row| if let Row::Answer(answer) = row { keys.insert(answer.key) } else { true })
    };
    wanted.iter().filter(fits).collect()
}

/// Writes those that may be written.
async fn attempt(writer: &Writer, wanted: &[&Wanted]) -> Result<Group, Fault> {
    let token = i64::from_be_bytes(random());
    let mut group = Group::default();
    let mut connection = writer.pool.acquire().await?;
    let mut tx = connection.begin().await?;
    let Ok(written) = timeout(PATIENCE, write(writer, &mut tx, wanted, token, &mut group.refused)).await else {
        drop(tx);
        connection.give_up();
        return Ok(Group::default());
    };
    let Some(Written { nr, passed, by: written }) = written? else { return Ok(group) };
    let outcome = timeout(PATIENCE, writer.commit(tx, nr)).await;
    let outcome = match outcome {
        Ok(outcome) => outcome?,
        Err(_) => Outcome::Unknown(nr),
    };
    match outcome {
        Outcome::Done(_) => {
            writer.ids.note(&passed);
            connection.keep();
        }
        Outcome::Unknown(_) => connection.give_up(),
    }
    let mut following = 0;
    for (number, changes) in written.iter().rev() {
        group.written.insert(*number, following);
        following += i64::try_from(changes.log.len()).unwrap_or(0);
    }
    let writer = writer.clone();
    let number = async move {
        match writer.decided(outcome, token).await {
            Ok(nr) => Ok(Some(nr)),
            Err(Fault::Refused(error)) => Err(error),
            Err(Fault::Sql(_) | Fault::Overtaken) => Ok(None),
        }
    };
    group.number = Some(number.boxed().shared());
    Ok(group)
}

/// What was written within a transaction: the commit's number, the ids that came with rows, and those who wrote.
struct Written<'a> {
    nr: i64,
    passed: Passed,
    by: Vec<&'a Wanted>,
}

/// Writes those that may be written; nothing when nobody may.
async fn write<'a>(
    writer: &Writer,
    tx: &mut PgConnection,
    wanted: &[&'a Wanted],
    token: i64,
    refused: &mut HashMap<u64, StoreError>,
) -> Result<Option<Written<'a>>, Fault> {
    let all: Vec<&Changes> = wanted.iter().map(|(_, changes)| &**changes).collect();
    let versions = judge::lock(tx, &all, false).await?;
    let mut written = Vec::new();
    for one in wanted {
        match judge::expectations(&one.1, &versions) {
            Ok(()) => written.push(*one),
            Err(error) => drop(refused.insert(one.0, error)),
        }
    }
    if written.is_empty() {
        return Ok(None);
    }
    let all: Vec<&Changes> = written.iter().map(|(_, changes)| &**changes).collect();
    let passed = writer.ids.pass(tx, &all).await?;
    let rows: Vec<&Row> = all.iter().flat_map(|changes| &changes.writes).filter_map(row).collect();
    let tickets: Vec<&Ticket> = rows.iter().filter_map(|row| if let Row::Ticket(ticket) = row { Some(ticket) } else { None }).collect();
    let entries: Vec<_> = all.iter().flat_map(|changes| &changes.log).collect();
    let derived = write::new_tickets(tx, &tickets).await?;
    for row in rows {
        if let Row::Answer(answer) = row {
            write::new_answer(tx, answer).await?;
        }
    }
    let reach = all.iter().map(|changes| Reach::of(changes, &derived)).fold(Reach::ASIDE, Reach::and);
    let nr = log::write(tx, token, &entries, derived, reach).await?;
    Ok(Some(Written { nr, passed, by: written }))
}

fn row(write: &Write) -> Option<&Row> {
    match write {
        Write::Put(row, _) => Some(row),
        Write::Delete(..) => None,
    }
}
