//! Accounts, set-up and settings on the wire.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};

use super::{
    model::{SettingsView, UserView},
    ops,
    preferences::{self, PreferencesChange, PreferencesView},
    rules::{NewUser, UserChange, UserListQuery},
    settings::{self, DeskView, SettingsChange},
    setup::{self, Setup, SetupState},
};
use crate::{
    app::AppState,
    auth::{
        extract::{AdminActor, AgentActor},
        http::created,
        model::Actor,
    },
    error::AppError,
    http::{
        api::{Api, routes},
        body::{Body, Query},
        etag, page,
        path::Id,
    },
    reply::{Once, Reply},
    types::{Expected, UserId},
};

/// The routes of `/users`, `/setup` and `/settings`.
pub fn router() -> Api {
    Api::new()
        .routes(routes!(list_users, create_user))
        .routes(routes!(read_user, change_user, deactivate_user))
        .routes(routes!(setup_state, set_up))
        .routes(routes!(read_settings, change_settings))
        .routes(routes!(read_preferences, change_preferences))
        .routes(routes!(about_desk))
}

/// 200 with an account.
pub(crate) fn answer(user: &UserView) -> Response {
    let mut response = Json(user).into_response();
    etag::set(&mut response, &user.etag());
    response
}

/// List accounts, by id
#[utoipa::path(
    get, path = "/api/v1/users", tag = "users", params(UserListQuery),
    responses((status = 200, description = "Accounts", body = [UserView], headers(("X-Total-Count" = i64), ("Link" = String)))),
)]
async fn list_users(
    State(app): State<AppState>,
    _: Actor,
    Query(query): Query<UserListQuery>,
    _: AgentActor,
    uri: Uri,
) -> Result<Response, AppError> {
    let list = query.list();
    let page = page::page(&list, query.limit, query.cursor.as_deref())?;
    let slice = if query.finds_nothing() { ops::nothing(&page) } else { ops::list(&app, &list, page).await? };
    let rows: Vec<UserView> = slice.rows.iter().map(|user| UserView::from(&**user)).collect();
    Ok((page::headers(&uri, &list, slice.next.as_ref(), slice.total), Json(rows)).into_response())
}

/// Make an account
#[utoipa::path(
    post, path = "/api/v1/users", tag = "users", request_body = NewUser,
    responses(
        (status = 201, description = "The account", body = UserView, headers(("Location" = String), ("ETag" = String))),
        (status = 400, description = "The e-mail address has an account already, or the body is unreadable"),
    ),
)]
async fn create_user(State(app): State<AppState>, actor: Actor, once: Once, Body(new): Body<NewUser>) -> Result<Reply, AppError> {
    ops::create(&app, &actor, &new, once).await.map(|(_, reply)| reply)
}

/// Look up an account
#[utoipa::path(
    get, path = "/api/v1/users/{id}", tag = "users",
    params(
        ("id" = UserId, Path, description = "The account"),
        ("If-None-Match" = Option<String>, Header, description = "ETags that the client has"),
    ),
    responses(
        (status = 200, description = "The account", body = UserView, headers(("ETag" = String))),
        (status = 304, description = "The client has it already"),
    ),
)]
async fn read_user(
    State(app): State<AppState>,
    _: Actor,
    Query(()): Query<()>,
    _: AgentActor,
    Id(id): Id<UserId>,
    known: etag::Known,
) -> Result<Response, AppError> {
    let user = UserView::from(&*ops::one(&app, id).await?);
    Ok(known.or(&user.etag(), || Json(&user).into_response()))
}

/// Change an account
///
/// A new password and deactivation end its sessions.
#[utoipa::path(
    patch, path = "/api/v1/users/{id}", tag = "users", request_body = UserChange,
    params(
        ("id" = UserId, Path, description = "The account"),
        ("If-Match" = Option<String>, Header, description = "ETags of which one must be the present one"),
    ),
    responses(
        (status = 200, description = "The account", body = UserView, headers(("ETag" = String))),
        (status = 400, description = "The e-mail address has an account already, or the body is unreadable"),
        (status = 409, description = "It is the last active admin"),
    ),
)]
async fn change_user(
    State(app): State<AppState>,
    actor: Actor,
    Id(id): Id<UserId>,
    expected: Expected,
    Body(change): Body<UserChange>,
) -> Result<Response, AppError> {
    ops::change(&app, &actor, id, &change, &expected).await.map(|user| answer(&user))
}

/// Deactivate an account
///
/// Its tickets and comments stay.
#[utoipa::path(
    delete, path = "/api/v1/users/{id}", tag = "users",
    params(
        ("id" = UserId, Path, description = "The account"),
        ("If-Match" = Option<String>, Header, description = "ETags of which one must be the present one"),
    ),
    responses(
        (status = 204, description = "It is deactivated"),
        (status = 409, description = "It is the last active admin"),
    ),
)]
async fn deactivate_user(
    State(app): State<AppState>,
    actor: Actor,
    Query(()): Query<()>,
    Id(id): Id<UserId>,
    expected: Expected,
) -> Result<StatusCode, AppError> {
    ops::deactivate(&app, &actor, id, &expected).await.map(|_| StatusCode::NO_CONTENT)
}

/// Whether the desk has to be set up
#[utoipa::path(
    get, path = "/api/v1/setup", tag = "setup",
    responses((status = 200, description = "Whether there is no admin yet", body = SetupState)),
)]
async fn setup_state(State(app): State<AppState>, Query(()): Query<()>) -> Result<Json<SetupState>, AppError> {
    setup::state(&app).await.map(Json)
}

/// Make the first admin
#[utoipa::path(
    post, path = "/api/v1/setup", tag = "setup", request_body = Setup,
    responses(
        (status = 201, description = "The admin", body = UserView, headers(("Location" = String), ("ETag" = String))),
        (status = 403, description = "The token is wrong or too old"),
        (status = 409, description = "The desk is set up already"),
    ),
)]
async fn set_up(State(app): State<AppState>, Body(wanted): Body<Setup>) -> Result<Response, AppError> {
    setup::set_up(&app, &wanted).await.map(|admin| created(&admin))
}

fn settings_answer((settings, version): (SettingsView, i64)) -> Response {
    let mut response = Json(settings).into_response();
    etag::set(&mut response, &format!("\"{version}\""));
    response
}

/// Read the settings
#[utoipa::path(
    get, path = "/api/v1/settings", tag = "settings",
    responses((status = 200, description = "The settings in force", body = SettingsView, headers(("ETag" = String)))),
)]
async fn read_settings(State(app): State<AppState>, _: Actor, Query(()): Query<()>, _: AdminActor) -> Result<Response, AppError> {
    settings::read(&app).await.map(settings_answer)
}

/// Change the settings
#[utoipa::path(
    patch, path = "/api/v1/settings", tag = "settings", request_body = SettingsChange,
    params(("If-Match" = Option<String>, Header, description = "ETags of which one must be the present one")),
    responses((status = 200, description = "The settings in force", body = SettingsView, headers(("ETag" = String)))),
)]
async fn change_settings(
    State(app): State<AppState>,
    actor: Actor,
    expected: Expected,
    Body(change): Body<SettingsChange>,
) -> Result<Response, AppError> {
    settings::change(&app, &actor, &change, &expected).await.map(settings_answer)
}

fn preferences_answer((preferences, version): (PreferencesView, i64)) -> Response {
    let mut response = Json(preferences).into_response();
    etag::set(&mut response, &format!("\"{version}\""));
    response
}

/// Read one's preferences
///
/// What the caller keeps for the app. Nobody else sees it.
#[utoipa::path(
    get, path = "/api/v1/preferences", tag = "settings",
    responses((status = 200, description = "The caller's preferences", body = PreferencesView, headers(("ETag" = String)))),
)]
async fn read_preferences(State(app): State<AppState>, actor: Actor, Query(()): Query<()>) -> Result<Response, AppError> {
    preferences::read(&app, &actor).await.map(preferences_answer)
}

/// Change one's preferences
#[utoipa::path(
    patch, path = "/api/v1/preferences", tag = "settings", request_body = PreferencesChange,
    params(("If-Match" = Option<String>, Header, description = "ETags of which one must be the present one")),
    responses((status = 200, description = "The caller's preferences", body = PreferencesView, headers(("ETag" = String)))),
)]
async fn change_preferences(
    State(app): State<AppState>,
    actor: Actor,
    expected: Expected,
    Body(change): Body<PreferencesChange>,
) -> Result<Response, AppError> {
    preferences::change(&app, &actor, &change, &expected).await.map(preferences_answer)
}

/// What strangers may know of the desk
#[utoipa::path(
    get, path = "/api/v1/desk", tag = "setup",
    responses((status = 200, description = "Its name, and how it greets people", body = DeskView)),
)]
async fn about_desk(State(app): State<AppState>, Query(()): Query<()>) -> Result<Json<DeskView>, AppError> {
    settings::about(&app).await.map(Json)
}
