//! The caller's own account on the wire: profile, sessions, API tokens.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use utoipa::IntoParams;

use super::{
    api_tokens,
    model::{Actor, ApiTokenView, CreatedToken, NewApiToken, SessionView},
    ops,
};
use crate::{
    app::AppState,
    error::AppError,
    http::{
        api::{Api, routes},
        body::{Body, Query},
        etag::Known,
        page::{self, Limit},
        path::Id,
    },
    types::{Expected, SessionId, TokenId, Total},
    users::{self, model::UserView, rules::ProfileChange},
};

/// The routes of the caller's own account.
pub fn router() -> Api {
    Api::new()
        .routes(routes!(me, change_me))
        .routes(routes!(sessions))
        .routes(routes!(end_session))
        .routes(routes!(tokens, create_token))
        .routes(routes!(revoke_token))
}

crate::input! {
    /// Which page of a list.
    #[derive(IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct PageQuery {
        /// Rows of a page.
        #[param(inline)]
        limit: Option<Limit>,
        /// Where the page begins, from the `Link` of the page before.
        cursor: Option<String>,
    }
}

/// One page of rows that are all at hand, in the order of their ids.
fn paged<T: serde::Serialize>(
    name: &str,
    rows: Vec<T>,
    id: impl Fn(&T) -> i64,
    query: &PageQuery,
    uri: &Uri,
) -> Result<Response, AppError> {
    let page = page::page::<i64>(&name, query.limit, query.cursor.as_deref())?;
    let total = page.after.is_none().then_some(Total::Exact(rows.len()));
    let mut rows: Vec<T> = rows.into_iter().filter(|row| page.after.is_none_or(|after| id(row) > after)).collect();
    let more = rows.len() > page.limit;
    rows.truncate(page.limit);
    let next = rows.last().filter(|_| more).map(&id);
    Ok((page::headers(uri, &name, next.as_ref(), total), Json(rows)).into_response())
}

/// The caller
#[utoipa::path(
    get, path = "/api/v1/auth/me", tag = "auth",
    params(("If-None-Match" = Option<String>, Header, description = "ETags that the client has")),
    responses(
        (status = 200, description = "The account", body = UserView, headers(("ETag" = String))),
        (status = 304, description = "The client has it already"),
    ),
)]
async fn me(State(app): State<AppState>, actor: Actor, Query(()): Query<()>, known: Known) -> Result<Response, AppError> {
    let user = UserView::from(&*users::ops::one(&app, actor.require_id()?).await?);
    Ok(known.or(&user.etag(), || Json(&user).into_response()))
}

/// Change the caller's name, language or password
///
/// A new password needs the present one and ends the other sessions; API tokens stay.
#[utoipa::path(
    patch, path = "/api/v1/auth/me", tag = "auth", request_body = ProfileChange,
    params(("If-Match" = Option<String>, Header, description = "ETags of which one must be the present one")),
    responses(
        (status = 200, description = "The account", body = UserView, headers(("ETag" = String))),
        (status = 403, description = "The present password is wrong"),
    ),
)]
async fn change_me(
    State(app): State<AppState>,
    actor: Actor,
    expected: Expected,
    Body(change): Body<ProfileChange>,
) -> Result<Response, AppError> {
    users::ops::change_own(&app, &actor, &change, &expected).await.map(|user| users::http::answer(&user))
}

/// The caller's live sessions, oldest first
#[utoipa::path(
    get, path = "/api/v1/auth/sessions", tag = "auth", params(PageQuery),
    responses((status = 200, description = "Sessions", body = [SessionView], headers(("X-Total-Count" = i64), ("Link" = String)))),
)]
async fn sessions(State(app): State<AppState>, actor: Actor, Query(query): Query<PageQuery>, uri: Uri) -> Result<Response, AppError> {
    let rows = ops::sessions(&app, &actor).await?.iter().map(|session| session.view(&actor)).collect();
    paged("sessions", rows, |row: &SessionView| row.id.0, &query, &uri)
}

/// End one of the caller's sessions
#[utoipa::path(
    delete, path = "/api/v1/auth/sessions/{id}", tag = "auth", params(("id" = SessionId, Path, description = "The session")),
    responses((status = 204, description = "Its tokens no longer work")),
)]
async fn end_session(
    State(app): State<AppState>,
    actor: Actor,
    Query(()): Query<()>,
    Id(id): Id<SessionId>,
) -> Result<StatusCode, AppError> {
    ops::end_session(&app, &actor, id).await.map(|()| StatusCode::NO_CONTENT)
}

/// The caller's API tokens, oldest first
#[utoipa::path(
    get, path = "/api/v1/auth/tokens", tag = "auth", params(PageQuery),
    responses((status = 200, description = "API tokens", body = [ApiTokenView], headers(("X-Total-Count" = i64), ("Link" = String)))),
)]
async fn tokens(State(app): State<AppState>, actor: Actor, Query(query): Query<PageQuery>, uri: Uri) -> Result<Response, AppError> {
    let rows = api_tokens::list(&app, actor.require_id()?).await?.iter().map(|token| ApiTokenView::from(&**token)).collect();
    paged("tokens", rows, |row: &ApiTokenView| row.id.0, &query, &uri)
}

/// Make an API token
///
/// It has the rights of the caller. The token itself is shown this once.
#[utoipa::path(
    post, path = "/api/v1/auth/tokens", tag = "auth", request_body = NewApiToken,
    responses((status = 201, description = "The token", body = CreatedToken)),
)]
async fn create_token(State(app): State<AppState>, actor: Actor, Body(new): Body<NewApiToken>) -> Result<Response, AppError> {
    let created = api_tokens::create(&app, &actor, actor.require_id()?, &new).await?;
    Ok((StatusCode::CREATED, Json(created)).into_response())
}

/// Revoke an API token
#[utoipa::path(
    delete, path = "/api/v1/auth/tokens/{id}", tag = "auth", params(("id" = TokenId, Path, description = "The API token")),
    responses((status = 204, description = "It no longer works")),
)]
async fn revoke_token(
    State(app): State<AppState>,
    actor: Actor,
    Query(()): Query<()>,
    Id(id): Id<TokenId>,
) -> Result<StatusCode, AppError> {
    let owner = actor.require_id()?;
    api_tokens::revoke(&app, &actor, Some(owner), id).await.map(|()| StatusCode::NO_CONTENT)
}
