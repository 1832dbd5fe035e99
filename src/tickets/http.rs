//! The calls of `/tickets`.

use axum::{
    Json,
    extract::State,
    http::{
        StatusCode, Uri,
        header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};

use super::{
    comments, export,
    filters::{ReadParameters, Render, TicketFilters, WholeList},
    inputs::{Assignment, BulkChange, MarkdownText, NewTicket, TicketChange},
    markdown::Html,
    model::{BulkResults, TicketView},
    ops,
};
use crate::{
    app::AppState,
    auth::{extract::AdminActor, model::Actor},
    error::AppError,
    http::{
        api::{Api, routes},
        body::{Body, Query, written},
        etag::Known,
        page,
        path::Id,
    },
    reply::{Once, Reply},
    types::{Expected, TicketId},
};

/// The routes of tickets and their comments.
pub fn router() -> Api {
    Api::new()
        .routes(routes!(list_tickets, create_ticket))
        .routes(routes!(bulk_change))
        .routes(routes!(get_ticket, put_ticket, patch_ticket, delete_ticket))
        .routes(routes!(assign_ticket))
        .routes(routes!(restore_ticket))
        .routes(routes!(export_tickets))
        .routes(routes!(render_markdown))
        .merge(comments::http::router())
}

/// List tickets
///
/// Staff see every ticket, requesters their own.
#[utoipa::path(
    get, path = "/api/v1/tickets", tag = "tickets", params(TicketFilters),
    responses((
        status = 200, body = Vec<TicketView>, description = "A page of tickets.",
        headers(
            ("Link" = String, description = "The address of the next page (`rel=\"next\"`), when there is one."),
            ("X-Total-Count" = i64, description = "On the first page: how many there are; up to 1,000 for combined filters."),
            ("X-Total-Count-Capped" = String, description = "`true` when there are more than `X-Total-Count`."),
        ),
    )),
)]
async fn list_tickets(
    State(app): State<AppState>,
    actor: Actor,
    Query(filters): Query<TicketFilters>,
    uri: Uri,
) -> Result<Response, AppError> {
    let asked = filters.resolve(&actor, app.now())?;
    let bound = asked.without_now();
    let page = page::page(&bound, filters.limit, filters.cursor.as_ref().map(|cursor| cursor.0.as_str()))?;
    let (body, next, total) = match filters.render {
        None => {
            let page = ops::list_json(&app, &actor, &asked, page).await?;
            (written(page.json), page.next, page.total)
        }
        Some(Render::Html) => {
            let found = ops::list(&app, &actor, &asked, page).await?;
            (Json(ops::rendered(found.rows).await?).into_response(), found.next, found.total)
        }
    };
    Ok((page::headers(&uri, &bound, next.as_ref(), total), body).into_response())
}

/// Open a ticket
///
/// With `creator_id` staff open it on behalf of somebody else.
#[utoipa::path(
    post, path = "/api/v1/tickets", tag = "tickets", request_body = NewTicket,
    responses((
        status = 201, body = TicketView, description = "The new ticket.",
        headers(("Location" = String, description = "Its address."), ("ETag" = String, description = "Its tag.")),
    ), (status = 404, description = "There is no account on whose behalf it could be opened.")),
)]
async fn create_ticket(State(app): State<AppState>, actor: Actor, once: Once, Body(new): Body<NewTicket>) -> Result<Reply, AppError> {
    ops::create(&app, &actor, &new, once).await
}

/// Get a ticket
#[utoipa::path(
    get, path = "/api/v1/tickets/{id}", tag = "tickets",
    params(("id" = TicketId, Path, description = "The ticket."), ReadParameters,
        ("If-None-Match" = Option<String>, Header, description = "The tag of the state that the client has.")),
    responses(
        (status = 200, body = TicketView, description = "The ticket.", headers(("ETag" = String, description = "Its tag."))),
        (status = 304, description = "It has not changed.", headers(("ETag" = String, description = "Its tag."))),
    ),
)]
async fn get_ticket(
    State(app): State<AppState>,
    actor: Actor,
    Query(read): Query<ReadParameters>,
    Id(id): Id<TicketId>,
    known: Known,
) -> Result<Response, AppError> {
    let ticket = ops::ticket(&app, &actor, id).await?;
    let body = match read.render {
        None => written(ops::json(&app, &actor, &ticket).await?),
        Some(Render::Html) => {
            let views = ops::rendered(vec![ops::view(&app, &actor, &ticket).await?]).await?;
            Json(views.into_iter().next()).into_response()
        }
    };
    Ok(known.or(&ticket.etag(actor.role.is_staff()), || body))
}

/// Change a ticket (PUT)
///
/// Just the fields that are sent, as with PATCH.
#[utoipa::path(
    put, path = "/api/v1/tickets/{id}", tag = "tickets", request_body = TicketChange,
    params(("id" = TicketId, Path, description = "The ticket."),
        ("If-Match" = Option<String>, Header, description = "The tag that it must still have.")),
    responses((status = 200, body = TicketView, description = "The changed ticket.", headers(("ETag" = String, description = "Its tag.")))),
)]
async fn put_ticket(
    State(app): State<AppState>,
    actor: Actor,
    Id(id): Id<TicketId>,
    expected: Expected,
    Body(change): Body<TicketChange>,
) -> Result<Reply, AppError> {
    ops::change(&app, &actor, id, &change, &expected).await
}

/// Change a ticket
///
/// Just the fields that are sent; `assigned_agent_id: null` unassigns.
#[utoipa::path(
    patch, path = "/api/v1/tickets/{id}", tag = "tickets", request_body = TicketChange,
    params(("id" = TicketId, Path, description = "The ticket."),
        ("If-Match" = Option<String>, Header, description = "The tag that it must still have.")),
    responses((status = 200, body = TicketView, description = "The changed ticket.", headers(("ETag" = String, description = "Its tag.")))),
)]
async fn patch_ticket(
    State(app): State<AppState>,
    actor: Actor,
    Id(id): Id<TicketId>,
    expected: Expected,
    Body(change): Body<TicketChange>,
) -> Result<Reply, AppError> {
    ops::change(&app, &actor, id, &change, &expected).await
}

/// Assign a ticket
///
/// To an active agent or admin, or to nobody. An open ticket that gets an assignee is in progress.
#[utoipa::path(
    patch, path = "/api/v1/tickets/{id}/assign", tag = "tickets", request_body = Assignment,
    params(("id" = TicketId, Path, description = "The ticket."),
        ("If-Match" = Option<String>, Header, description = "The tag that it must still have.")),
    responses((status = 200, body = TicketView, description = "The assigned ticket.", headers(("ETag" = String, description = "Its tag.")))),
)]
async fn assign_ticket(
    State(app): State<AppState>,
    actor: Actor,
    Id(id): Id<TicketId>,
    expected: Expected,
    Body(assignment): Body<Assignment>,
) -> Result<Reply, AppError> {
    let change = TicketChange { assigned_agent_id: Some(assignment.assigned_agent_id.0), ..TicketChange::default() };
    ops::change(&app, &actor, id, &change, &expected).await
}

/// Delete a ticket
///
/// It vanishes from every list and count, with its comments. Requesters withdraw their own while they are open and
/// unassigned; admins delete any, and can bring it back.
#[utoipa::path(
    delete, path = "/api/v1/tickets/{id}", tag = "tickets",
    params(("id" = TicketId, Path, description = "The ticket."),
        ("If-Match" = Option<String>, Header, description = "The tag that it must still have.")),
    responses((status = 204, description = "It is deleted.")),
)]
async fn delete_ticket(
    State(app): State<AppState>,
    actor: Actor,
    Query(()): Query<()>,
    Id(id): Id<TicketId>,
    expected: Expected,
) -> Result<StatusCode, AppError> {
    ops::delete(&app, &actor, id, &expected).await.map(|()| StatusCode::NO_CONTENT)
}

/// Restore a deleted ticket (admins)
#[utoipa::path(
    post, path = "/api/v1/tickets/{id}/restore", tag = "tickets",
    params(("id" = TicketId, Path, description = "The deleted ticket.")),
    responses((status = 200, body = TicketView, description = "The ticket.", headers(("ETag" = String, description = "Its tag.")))),
)]
async fn restore_ticket(
    State(app): State<AppState>,
    _: Actor,
    Query(()): Query<()>,
    AdminActor(actor): AdminActor,
    Id(id): Id<TicketId>,
    once: Once,
) -> Result<Reply, AppError> {
    ops::restore(&app, &actor, id, once).await
}

/// Change many tickets
///
/// One change for up to 500 tickets, in one commit. Each is judged as if it were changed alone; those that the caller may
/// not change, or that are in no state to be changed, are reported and left out.
#[utoipa::path(
    post, path = "/api/v1/tickets/bulk", tag = "tickets", request_body = BulkChange,
    responses((status = 200, body = BulkResults, description = "What became of each.")),
)]
async fn bulk_change(State(app): State<AppState>, actor: Actor, once: Once, Body(bulk): Body<BulkChange>) -> Result<Reply, AppError> {
    ops::bulk(&app, &actor, &bulk, once).await
}

/// Export tickets as CSV
///
/// All tickets of a list, in its order, with the filters of `GET /api/v1/tickets`. Cells that a spreadsheet could take
/// for a formula begin with an apostrophe.
#[utoipa::path(
    get, path = "/api/v1/tickets/export", tag = "tickets", params(WholeList),
    responses((status = 200, body = String, content_type = "text/csv", description = "One line for each ticket, after the names of the columns.")),
)]
async fn export_tickets(
    State(app): State<AppState>,
    actor: Actor,
    Query(WholeList(filters)): Query<WholeList>,
) -> Result<Response, AppError> {
    let asked = filters.resolve(&actor, app.now())?;
    let lines = export::begin(app, actor, asked).await?;
    let headers = [(CONTENT_TYPE, "text/csv; charset=utf-8"), (CONTENT_DISPOSITION, "attachment; filename=\"tickets.csv\"")];
    Ok((headers, axum::body::Body::from_stream(lines)).into_response())
}

/// Show Markdown as HTML
///
/// As descriptions and comments are shown, sanitised. Nothing is kept.
#[utoipa::path(
    post, path = "/api/v1/markdown", tag = "tickets", request_body = MarkdownText,
    responses((status = 200, body = Html, description = "The HTML.")),
)]
async fn render_markdown(State(app): State<AppState>, _: Actor, once: Once, Body(markdown): Body<MarkdownText>) -> Result<Reply, AppError> {
    ops::preview(&app, markdown.text.0, once).await
}
