//! Reading the log: who may read which part of it.

use super::model::{Entry, EntryView};
use crate::{
    app::App,
    auth::model::Actor,
    error::AppError,
    store::{EntryQuery, From},
    tickets,
    types::{Seq, TicketId},
};

/// A stretch of the log.
#[derive(Debug)]
pub struct Stretch {
    /// The entries, in the order of the direction asked for.
    pub rows: Vec<EntryView>,
    /// The entry to go on from, when there are more.
    pub next: Option<Seq>,
    /// How many there are altogether; told at the beginning only.
    pub total: Option<usize>,
}

/// Entries of a ticket: all for staff, the public ones for its requester.
///
/// # Errors
/// Not found when `actor` may not see the ticket.
pub async fn of_ticket(app: &App, actor: &Actor, id: TicketId, from: Option<From>, limit: usize) -> Result<Stretch, AppError> {
    tickets::ops::ticket(app, actor, id).await?;
    let internal = actor.role.is_staff();
    let total = match from {
        None => Some(app.store.count_entries(id, internal).await?),
        Some(_) => None,
    };
    read(app, EntryQuery { ticket: Some(id), internal, from: from.unwrap_or(From::After(0)), limit }, total).await
}

/// Entries of the whole desk; only admins come here. They end where the log is durable.
///
/// # Errors
/// The storage's.
pub async fn of_desk(app: &App, from: Option<From>, limit: usize) -> Result<Stretch, AppError> {
    // Entries are numbered without holes.
    let total = from.is_none().then(|| usize::try_from(*app.store.durable_seq().borrow()).unwrap_or(0));
    read(app, EntryQuery { ticket: None, internal: true, from: from.unwrap_or(From::After(0)), limit }, total).await
}

async fn read(app: &App, query: EntryQuery, total: Option<usize>) -> Result<Stretch, AppError> {
    let mut rows = app.store.entries(&EntryQuery { limit: query.limit + 1, ..query }).await?;
    let more = rows.len() > query.limit;
    rows.truncate(query.limit);
    let next = rows.last().map(|entry: &Entry| entry.seq).filter(|_| more);
    Ok(Stretch { rows: rows.into_iter().map(EntryView::from).collect(), next, total })
}
