//! Tickets that are opened at the same time share a transaction: while one is under way, those gather who want the same, and the next
//! one writes what they have. What each would cost the server and the disk, they cost together.
//!
//! Whoever may not write is refused and the others are written. When anything else goes wrong, nothing has been written and each goes
//! by itself.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sqlx::Connection as _;

use super::{
    commit::{Outcome, Writer},
    fault::Fault,
    judge, log,
    together::Together,
    write,
};
use crate::{
    auth::token::random,
    store::{Changes, Committed, Expect, Row, StoreError, Write},
    tickets::model::Ticket,
};

/// What one of them wants to write, by a number of its own.
type Wanted = (u64, Arc<Changes>);

/// How it went; who is not among these goes by itself.
type Told = Arc<HashMap<u64, Result<Committed, StoreError>>>;

/// Gathers them.
pub(super) struct Openings {
    together: Together<(), Wanted, Told>,
    next: AtomicU64,
}

/// Whether changes open tickets, and write nothing else but the log.
pub(super) fn are(changes: &Changes) -> bool {
    let opens = |write: &Write| matches!(write, Write::Put(row, Expect::New) if matches!(**row, Row::Ticket(_)));
    changes.additions.is_empty() && !changes.writes.is_empty() && changes.writes.iter().all(opens)
}

impl Openings {
    pub(super) fn new() -> Self {
        Self { together: Together::unhurried(), next: AtomicU64::new(0) }
    }

    /// Applies changes that [`are`] openings, all or none, perhaps together with those of others.
    pub(super) async fn commit(&self, writer: &Writer, changes: Changes) -> Result<Committed, StoreError> {
        let (number, changes) = (self.next.fetch_add(1, Ordering::Relaxed), Arc::new(changes));
        let one = writer.clone();
        let told = self.together.ask((), (number, changes.clone()), move |wanted| {
            let writer = one.clone();
            async move { Ok(Arc::new(together(&writer, &wanted).await)) }
        });
        match told.await?.get(&number) {
            Some(told) => told.clone(),
            None => writer.apply(&changes).await,
        }
    }
}

async fn together(writer: &Writer, wanted: &[Wanted]) -> HashMap<u64, Result<Committed, StoreError>> {
    // By itself anyhow.
    if wanted.len() < 2 {
        return HashMap::new();
    }
    let (token, mut told) = (i64::from_be_bytes(random()), HashMap::new());
    let (outcome, written) = match attempt(writer, wanted, token, &mut told).await {
        Ok(Some(committed)) => committed,
        Ok(None) => return told,
        Err(Fault::Sql(error)) => {
            tracing::debug!(%error, "tickets were not opened together");
            return HashMap::new();
        }
        Err(Fault::Refused(_) | Fault::Overtaken) => return HashMap::new(),
    };
    match writer.decided(Ok(outcome), token).await {
        Ok(nr) => {
            // Of the last entry, so that of others is told by how many follow on theirs.
            let mut seq = writer.numbers.place(nr, written.len()).await;
            for (number, changes) in written.iter().rev() {
                told.insert(*number, Ok(Committed { seq }));
                seq -= i64::try_from(changes.log.len()).unwrap_or(0);
            }
            told
        }
        Err(Fault::Refused(error)) => {
            told.extend(written.iter().map(|(number, _)| (*number, Err(error.clone()))));
            told
        }
        Err(Fault::Sql(_) | Fault::Overtaken) => told,
    }
}

/// Writes those that may be written, and tells who may not; `None` when nobody may.
async fn attempt<'a>(
    writer: &Writer,
    wanted: &'a [Wanted],
    token: i64,
    told: &mut HashMap<u64, Result<Committed, StoreError>>,
) -> Result<Option<(Outcome, Vec<&'a Wanted>)>, Fault> {
    let mut connection = writer.pool.acquire().await?;
    let mut tx = connection.begin().await?;
    let all: Vec<&Changes> = wanted.iter().map(|(_, changes)| &**changes).collect();
    let versions = judge::lock(&mut tx, &all, false).await?;
    let mut allowed = Vec::new();
    for one in wanted {
        match judge::expectations(&one.1, &versions) {
            Ok(()) => allowed.push(one),
            Err(error) => drop(told.insert(one.0, Err(error))),
        }
    }
    if allowed.is_empty() {
        return Ok(None);
    }
    for (_, changes) in &allowed {
        writer.ids.pass(&mut tx, changes).await?;
    }
    let tickets: Vec<&Ticket> = allowed.iter().flat_map(|(_, changes)| &changes.writes).filter_map(ticket).collect();
    let entries: Vec<_> = allowed.iter().flat_map(|(_, changes)| &changes.log).collect();
    let derived = write::new_tickets(&mut tx, &tickets).await?;
    let nr = log::write(&mut tx, token, &entries, derived).await?;
    let outcome = writer.commit(tx, nr).await?;
    if matches!(outcome, Outcome::Done(_)) {
        connection.keep();
    }
    Ok(Some((outcome, allowed)))
}

fn ticket(write: &Write) -> Option<&Ticket> {
    match write {
        Write::Put(row, _) => match &**row {
            Row::Ticket(ticket) => Some(ticket),
            _ => None,
        },
        Write::Delete(..) => None,
    }
}
