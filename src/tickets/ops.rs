//! What people do with tickets: load, judge, decide, commit.

use std::{collections::HashMap, sync::Arc};

use super::{
    filters::Asked,
    inputs::{BulkChange, NewTicket, TicketChange},
    markdown,
    model::{BulkResult, BulkResults, Ticket, TicketView},
    pages,
    query::SortKey,
    rules::{may_be_assigned, may_be_helped, may_open_for},
    written::Shown,
};
use crate::{
    activity::model::NewEntry,
    app::App,
    auth::model::Actor,
    error::AppError,
    reply::{Once, Reply},
    store::{Changes, IdKind, RowKey},
    types::{Expected, Page, Slice, TicketId, Timestamp, Total, UserId},
    users::model::User,
};

/// Full names by account.
type Names = HashMap<UserId, String>;

/// A ticket that `actor` may see.
///
/// # Errors
/// Not found.
pub async fn ticket(app: &App, actor: &Actor, id: TicketId) -> Result<Arc<Ticket>, AppError> {
    let ticket = app.store.ticket(id).await?.ok_or_else(AppError::not_found)?;
    ticket.visible_to(actor)?;
    Ok(ticket)
}

/// A ticket as `actor` sees it.
///
/// # Errors
/// The storage's.
pub async fn view(app: &App, actor: &Actor, ticket: &Ticket) -> Result<TicketView, AppError> {
    let people: Vec<UserId> = [Some(ticket.creator_id), ticket.assigned_agent_id].into_iter().flatten().collect();
    let names = app.store.names(&people).await?;
    Ok(named(ticket, actor, app.now(), &names))
}

/// The answer that shows a ticket, with its tag.
///
/// # Errors
/// The storage's.
pub async fn shown(app: &App, actor: &Actor, ticket: &Ticket) -> Result<Reply, AppError> {
    Ok(Reply::ok(Some(ticket.etag(actor.role.is_staff())), &view(app, actor, ticket).await?))
}

fn named(ticket: &Ticket, actor: &Actor, now: Timestamp, names: &Names) -> TicketView {
    ticket.view(actor.role.is_staff(), now, |id| names.get(&id).cloned().unwrap_or_default())
}

/// A ticket as `actor` sees it, as JSON.
///
/// # Errors
/// The storage's.
pub async fn json(app: &App, actor: &Actor, ticket: &Arc<Ticket>) -> Result<Vec<u8>, AppError> {
    let names = names(app, std::slice::from_ref(ticket)).await?;
    let mut json = Vec::with_capacity(2_048 + ticket.description.len());
    let shown = Shown { notes: actor.role.is_staff(), now: app.now(), names: &names };
    app.written.put(&mut json, ticket, &shown).map_err(AppError::internal)?;
    Ok(json)
}

/// The names of those whom the API names with these tickets.
async fn names(app: &App, tickets: &[Arc<Ticket>]) -> Result<Names, AppError> {
    let mut people: Vec<UserId> = tickets.iter().flat_map(|ticket| [Some(ticket.creator_id), ticket.assigned_agent_id]).flatten().collect();
    people.sort_unstable();
    people.dedup();
    Ok(app.store.names(&people).await?)
}

/// A page of a list of tickets, and the names that belong to it.
async fn page(app: &App, asked: &Asked, page: Page<SortKey>) -> Result<(Slice<Arc<Ticket>, SortKey>, Names), AppError> {
    if asked.nothing {
        let total = page.after.is_none().then_some(Total::Exact(0));
        return Ok((Slice { rows: Vec::new(), next: None, total }, Names::new()));
    }
    let found = app.store.tickets(&asked.query, page).await?;
    let names = names(app, &found.rows).await?;
    Ok((found, names))
}

/// A page of a list of tickets, as `actor` sees them.
///
/// # Errors
/// Forbidden for lists that `actor` may not ask for.
pub async fn list(app: &App, actor: &Actor, asked: &Asked, from: Page<SortKey>) -> Result<Slice<TicketView, SortKey>, AppError> {
    asked.may_be_asked_by(actor)?;
    let (Slice { rows, next, total }, names) = page(app, asked, from).await?;
    let now = app.now();
    Ok(Slice { rows: rows.iter().map(|ticket| named(ticket, actor, now, &names)).collect(), next, total })
}

/// The same as JSON.
///
/// # Errors
/// As [`list`].
pub async fn list_json(app: &App, actor: &Actor, asked: &Asked, from: Page<SortKey>) -> Result<pages::Page, AppError> {
    asked.may_be_asked_by(actor)?;
    let (now, key) = (app.now(), (asked.query.clone(), from));
    // What cannot be found has no query of its own.
    if !asked.nothing
        && let Some(kept) = app.pages.of(&key, now)
        && app.store.is_still(kept.state, &asked.query, &kept.shown).await?
        && let Some(page) = app.pages.page(&key, &kept)
    {
        return Ok(page);
    }
    // Before what it is made from: should that change meanwhile, it is not given again.
    let state = app.store.lists_state().await?;
    let (Slice { rows, next, total }, names) = page(app, asked, from).await?;
    let shown = Shown { notes: actor.role.is_staff(), now, names: &names };
    let json = app.written.list(&rows, &shown).map_err(AppError::internal)?;
    let page = pages::Page { json: json.into(), next, total };
    if !asked.nothing {
        app.pages.keep(key, state, now, &rows, &page);
    }
    Ok(page)
}

/// Adds the descriptions as HTML.
///
/// # Errors
/// A bug in the renderer.
pub async fn rendered(mut views: Vec<TicketView>) -> Result<Vec<TicketView>, AppError> {
    // A page of long texts takes a while, and other requests wait for this thread.
    let work = tokio::task::spawn_blocking(move || {
        for view in &mut views {
            view.description_html = Some(markdown::to_html(&view.description));
        }
        views
    });
    work.await.map_err(AppError::internal)
}

/// A text as it will look.
///
/// # Errors
/// A bug in the renderer.
pub async fn preview(app: &App, text: String, once: Once) -> Result<Reply, AppError> {
    let html = tokio::task::spawn_blocking(move || markdown::to_html(&text)).await.map_err(AppError::internal)?;
    let reply = Reply::ok(None, &markdown::Html { html });
    app.decide(|| async { Ok((once.remember(Changes::new(), &reply, app.now()), ())) }).await?;
    Ok(reply)
}

/// Opens a ticket.
///
/// # Errors
/// Forbidden, not found or bad request because of the requester on whose behalf it is opened.
pub async fn create(app: &App, actor: &Actor, new: &NewTicket, once: Once) -> Result<Reply, AppError> {
    let creator_id = new.creator_id.map_or_else(|| actor.require_id(), Ok)?;
    may_open_for(actor, creator_id)?;
    let targets = app.settings().await?.sla;
    app.decide(|| async {
        let creator = app.store.user(creator_id).await?.ok_or_else(AppError::not_found)?;
        may_be_helped(&creator)?;
        let id = TicketId(app.store.reserve(IdKind::Ticket).await?);
        let now = app.now();
        let (ticket, entry) = Ticket::open(id, new.clone(), actor, &creator, targets, now)?;
        let notes = actor.role.is_staff();
        let view = ticket.view(notes, now, |_| creator.full_name.clone());
        let reply = Reply::created(format!("/api/v1/tickets/{id}"), Some(ticket.etag(notes)), &view);
        let mut changes = Changes::new().insert(ticket).log(entry);
        if !actor.is(creator.id) {
            changes = changes.guard(RowKey::User(creator.id), creator.version);
        }
        Ok((once.remember(changes, &reply, now), reply))
    })
    .await
}

/// Changes the fields that were sent. What is answered is read before the commit: what fails after it must not be told as
/// something that was not done.
///
/// # Errors
/// Not found, forbidden, bad request because of the assignee, stale, or conflict.
pub async fn change(app: &App, actor: &Actor, id: TicketId, change: &TicketChange, expected: &Expected) -> Result<Reply, AppError> {
    app.decide(|| async {
        let ticket = ticket(app, actor, id).await?;
        ticket.may_change(actor, change)?;
        let agent = new_assignee(app, &ticket, change).await?;
        expected.check(ticket.version)?;
        let Some((next, entry)) = ticket.change(actor, change, app.now())? else {
            return Ok((Changes::new(), shown(app, actor, &ticket).await?));
        };
        let reply = shown(app, actor, &next).await?;
        Ok((guarded(written(Changes::new(), next, entry), agent.as_deref()), reply))
    })
    .await
}

/// Whoever is to get the ticket, when that changes; they can be assigned.
async fn new_assignee(app: &App, ticket: &Ticket, change: &TicketChange) -> Result<Option<Arc<User>>, AppError> {
    let Some(id) = change.assigned_agent_id.flatten().filter(|id| ticket.assigned_agent_id != Some(*id)) else { return Ok(None) };
    let agent = app.store.user(id).await?.ok_or_else(AppError::not_found)?;
    may_be_assigned(&agent)?;
    Ok(Some(agent))
}

fn written(changes: Changes, ticket: Ticket, entry: NewEntry) -> Changes {
    changes.update(ticket).log(entry)
}

/// Insists that the assignee is still who was judged.
fn guarded(changes: Changes, agent: Option<&User>) -> Changes {
    match agent {
        Some(agent) => changes.guard(RowKey::User(agent.id), agent.version),
        None => changes,
    }
}

/// Puts a ticket away.
///
/// # Errors
/// Not found, forbidden, or stale.
pub async fn delete(app: &App, actor: &Actor, id: TicketId, expected: &Expected) -> Result<(), AppError> {
    app.decide(|| async {
        let ticket = ticket(app, actor, id).await?;
        let (next, entry) = ticket.delete(actor, app.now())?;
        expected.check(ticket.version)?;
        Ok((written(Changes::new(), next, entry), ()))
    })
    .await
}

/// Brings a deleted ticket back; only admins come here.
///
/// # Errors
/// Not found, or conflict when it is not deleted.
pub async fn restore(app: &App, actor: &Actor, id: TicketId, once: Once) -> Result<Reply, AppError> {
    app.decide(|| async {
        let deleted = app.store.ticket(id).await?.ok_or_else(AppError::not_found)?;
        let now = app.now();
        let (ticket, entry) = deleted.restore(actor, now)?;
        let reply = Reply::ok(Some(ticket.etag(true)), &view(app, actor, &ticket).await?);
        Ok((once.remember(written(Changes::new(), ticket, entry), &reply, now), reply))
    })
    .await
}

/// Changes many tickets in one commit. Those that may not be changed are reported and left out.
///
/// # Errors
/// The storage's.
pub async fn bulk(app: &App, actor: &Actor, bulk: &BulkChange, once: Once) -> Result<Reply, AppError> {
    app.decide(|| async {
        let now = app.now();
        let mut changes = Changes::new();
        let mut results = Vec::with_capacity(bulk.ids.0.len());
        let mut assignee = None;
        for &id in &bulk.ids.0 {
            let refused = match bulk_one(app, actor, id, bulk, now).await {
                Ok(Some((ticket, entry, agent))) => {
                    changes = written(changes, ticket, entry);
                    assignee = agent.or(assignee);
                    None
                }
                Ok(None) => None,
                Err(error) if error.status() < 500 => Some(error),
                Err(error) => return Err(error),
            };
            let (status, detail) = refused.map_or((200, None), |error| (error.status(), Some(error.to_string())));
            results.push(BulkResult { id, status, detail });
        }
        let reply = Reply::ok(None, &BulkResults { results });
        Ok((once.remember(guarded(changes, assignee.as_deref()), &reply, now), reply))
    })
    .await
}

/// What a bulk change does to one ticket, and to whom it gives it; `None` when it changes nothing.
async fn bulk_one(
    app: &App,
    actor: &Actor,
    id: TicketId,
    bulk: &BulkChange,
    now: Timestamp,
) -> Result<Option<(Ticket, NewEntry, Option<Arc<User>>)>, AppError> {
    let ticket = ticket(app, actor, id).await?;
    let change = ticket.bulk_change(&bulk.change);
    ticket.may_change(actor, &change)?;
    let agent = new_assignee(app, &ticket, &change).await?;
    Ok(ticket.change(actor, &change, now)?.map(|(next, entry)| (next, entry, agent)))
}
