//! The calls of `/tickets/{id}/comments`.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use utoipa::IntoParams;

use super::ops;
use crate::{
    app::AppState,
    auth::model::Actor,
    error::AppError,
    http::{
        api::{Api, routes},
        body::{Body, Query},
        etag::Known,
        page::{self, Limit},
        path::{Id, Ids},
    },
    reply::{Once, Reply},
    tickets::{
        filters::{CursorText, ReadParameters, Render},
        inputs::{CommentChange, NewComment},
        model::CommentView,
    },
    types::{CommentId, Expected, TicketId},
};

/// The routes of comments.
pub fn router() -> Api {
    Api::new().routes(routes!(list_comments, create_comment)).routes(routes!(get_comment, edit_comment, delete_comment))
}

crate::input! {
    /// Page of a list of comments.
    #[derive(IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct CommentParameters {
        /// Rows in a page.
        #[param(inline)]
        limit: Option<Limit>,
        /// Where the page begins: taken from the `Link` header of the page before.
        #[param(inline)]
        cursor: Option<CursorText>,
        /// `html` adds `content_html`.
        #[param(inline)]
        render: Option<Render>,
    }
}

/// List a ticket's comments
///
/// Oldest first. Internal notes are among them for staff only.
#[utoipa::path(
    get, path = "/api/v1/tickets/{id}/comments", tag = "comments",
    params(("id" = TicketId, Path, description = "The ticket."), CommentParameters),
    responses((
        status = 200, body = Vec<CommentView>, description = "A page of comments.",
        headers(
            ("Link" = String, description = "The address of the next page (`rel=\"next\"`), when there is one."),
            ("X-Total-Count" = i64, description = "On the first page: how many there are."),
        ),
    )),
)]
async fn list_comments(
    State(app): State<AppState>,
    actor: Actor,
    Query(asked): Query<CommentParameters>,
    Id(id): Id<TicketId>,
    uri: Uri,
) -> Result<Response, AppError> {
    let bound = ("comments", id);
    let page = page::page(&bound, asked.limit, asked.cursor.as_ref().map(|cursor| cursor.0.as_str()))?;
    let found = ops::list(&app, &actor, id, page).await?;
    let headers = page::headers(&uri, &bound, found.next.as_ref(), found.total);
    Ok((headers, Json(ops::rendered(found.rows, asked.render).await?)).into_response())
}

/// Write a comment
///
/// Public ones are answers: the first by staff stops the clock of the first response, and a requester's brings a pending or
/// resolved ticket back. Internal notes do neither.
#[utoipa::path(
    post, path = "/api/v1/tickets/{id}/comments", tag = "comments", request_body = NewComment,
    params(("id" = TicketId, Path, description = "The ticket.")),
    responses((
        status = 201, body = CommentView, description = "The new comment.",
        headers(("Location" = String, description = "Its address."), ("ETag" = String, description = "Its tag.")),
    )),
)]
async fn create_comment(
    State(app): State<AppState>,
    actor: Actor,
    Id(id): Id<TicketId>,
    once: Once,
    Body(new): Body<NewComment>,
) -> Result<Reply, AppError> {
    ops::create(&app, &actor, id, &new, once).await
}

/// Get a comment
#[utoipa::path(
    get, path = "/api/v1/tickets/{id}/comments/{comment_id}", tag = "comments",
    params(("id" = TicketId, Path, description = "The ticket."), ("comment_id" = CommentId, Path, description = "The comment."),
        ReadParameters, ("If-None-Match" = Option<String>, Header, description = "The tag of the state that the client has.")),
    responses(
        (status = 200, body = CommentView, description = "The comment.", headers(("ETag" = String, description = "Its tag."))),
        (status = 304, description = "It has not changed.", headers(("ETag" = String, description = "Its tag."))),
    ),
)]
async fn get_comment(
    State(app): State<AppState>,
    actor: Actor,
    Query(read): Query<ReadParameters>,
    Ids(ticket, id): Ids<TicketId, CommentId>,
    known: Known,
) -> Result<Response, AppError> {
    let comment = ops::one(&app, &actor, ticket, id).await?;
    let views = ops::rendered(vec![ops::view(&app, &comment).await?], read.render).await?;
    Ok(known.or(&comment.etag(), || Json(views.into_iter().next()).into_response()))
}

/// Change a comment's text
///
/// By its author or an admin.
#[utoipa::path(
    put, path = "/api/v1/tickets/{id}/comments/{comment_id}", tag = "comments", request_body = CommentChange,
    params(("id" = TicketId, Path, description = "The ticket."), ("comment_id" = CommentId, Path, description = "The comment."),
        ("If-Match" = Option<String>, Header, description = "The tag that it must still have.")),
    responses((status = 200, body = CommentView, description = "The changed comment.", headers(("ETag" = String, description = "Its tag.")))),
)]
async fn edit_comment(
    State(app): State<AppState>,
    actor: Actor,
    Ids(ticket, id): Ids<TicketId, CommentId>,
    expected: Expected,
    Body(change): Body<CommentChange>,
) -> Result<Reply, AppError> {
    ops::edit(&app, &actor, (ticket, id), &change.content.0, &expected).await
}

/// Delete a comment
///
/// By its author or an admin.
#[utoipa::path(
    delete, path = "/api/v1/tickets/{id}/comments/{comment_id}", tag = "comments",
    params(("id" = TicketId, Path, description = "The ticket."), ("comment_id" = CommentId, Path, description = "The comment."),
        ("If-Match" = Option<String>, Header, description = "The tag that it must still have.")),
    responses((status = 204, description = "It is deleted.")),
)]
async fn delete_comment(
    State(app): State<AppState>,
    actor: Actor,
    Query(()): Query<()>,
    Ids(ticket, id): Ids<TicketId, CommentId>,
    expected: Expected,
) -> Result<StatusCode, AppError> {
    ops::delete(&app, &actor, ticket, id, &expected).await.map(|()| StatusCode::NO_CONTENT)
}
