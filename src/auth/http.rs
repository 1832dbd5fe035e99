//! Registering, signing in and out, on the wire.

use axum::{
    Json,
    extract::{FromRequest, Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CONTENT_TYPE, LOCATION, SET_COOKIE, USER_AGENT},
    },
    response::{IntoResponse, Response},
};

use super::{
    cookie,
    model::{Actor, Credentials, LoginOptions, RefreshRequest, TokenPair},
    ops::{self, SignedIn},
    session::Client,
};
use crate::{
    app::{App, AppState},
    error::AppError,
    http::{
        api::{Api, routes},
        body::{self, Body, JsonOrForm, Query, parse_json},
        client::ClientAddress,
        etag,
    },
    input::FieldValue,
    types::Secret,
    users::{self, model::UserView, rules::Registration},
};

/// The routes under `/auth`.
pub fn router() -> Api {
    Api::new()
        .routes(routes!(register))
        .routes(routes!(login))
        .routes(routes!(refresh))
        .routes(routes!(logout))
        .merge(super::account::router())
}

/// Register an account with the role `user`
#[utoipa::path(
    post, path = "/api/v1/auth/register", tag = "auth", request_body = Registration,
    responses(
        (status = 201, description = "The account", body = UserView, headers(("Location" = String), ("ETag" = String))),
        (status = 400, description = "The e-mail address has an account already, or the body is unreadable"),
        (status = 403, description = "Registration is closed, the desk is not set up, or a role was asked for"),
        (status = 429, description = "Too many attempts from this address or with this account"),
    ),
)]
async fn register(
    State(app): State<AppState>,
    ClientAddress(address): ClientAddress,
    Body(new): Body<Registration>,
) -> Result<Response, AppError> {
    users::ops::register(&app, &new, address).await.map(|user| created(&user))
}

/// 201 with an account.
pub(crate) fn created(user: &UserView) -> Response {
    let mut response = (StatusCode::CREATED, Json(user)).into_response();
    if let Ok(location) = HeaderValue::try_from(format!("/api/v1/users/{}", user.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    etag::set(&mut response, &user.etag());
    response
}

/// Sign in
#[utoipa::path(
    post, path = "/api/v1/auth/login", tag = "auth", params(LoginOptions),
    request_body(content((Credentials = "application/x-www-form-urlencoded"), (Credentials = "application/json"))),
    responses(
        (status = 200, description = "An access token and a refresh token", body = TokenPair),
        (status = 400, description = "The account is disabled (told to whoever knows its password), or the body is unreadable"),
        (status = 401, description = "The e-mail address or the password is wrong"),
        (status = 429, description = "Too many failures from this address or with this account"),
    ),
)]
async fn login(
    State(app): State<AppState>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    JsonOrForm(credentials, options): JsonOrForm<Credentials, LoginOptions>,
) -> Result<Response, AppError> {
    let user_agent = headers.get(USER_AGENT).map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned()).unwrap_or_default();
    let client = Client { address, user_agent, cookie: options.session.is_some() };
    ops::login(&app, &credentials, &client).await.map(|signed_in| answer(&app, signed_in))
}

/// A pair of tokens; the refresh token in its cookie when it belongs there.
fn answer(app: &App, signed_in: SignedIn) -> Response {
    let mut response = Json(signed_in.pair).into_response();
    if let Some(token) = signed_in.cookie {
        set_cookie(&mut response, &cookie::keep(&app.config, &token));
    }
    response
}

fn set_cookie(response: &mut Response, cookie: &str) {
    if let Ok(mut value) = HeaderValue::from_str(cookie) {
        value.set_sensitive(true);
        response.headers_mut().insert(SET_COOKIE, value);
    }
}

/// A refresh token from the body or the cookie.
struct ShownToken(Secret);

impl FromRequest<AppState> for ShownToken {
    type Rejection = AppError;

    /// The body counts first. Without a body it is the web app's call, which is refused when another site makes it.
    async fn from_request(request: Request, app: &AppState) -> Result<Self, AppError> {
        let (parts, body) = request.into_parts();
        let bytes = body::read(body).await?;
        let query = body::query::<()>(&parts.uri);
        let in_cookie = cookie::read(&app.config, &parts.headers);
        if !bytes.is_empty() || (in_cookie.is_none() && parts.headers.contains_key(CONTENT_TYPE)) {
            body::require_json(&parts.headers)?;
            let (sent, ()) = body::together(RefreshRequest::from_json(parse_json(&bytes)?), query)?;
            if let Some(token) = sent.refresh_token {
                return Ok(Self(token));
            }
            if in_cookie.is_none() {
                return Err(AppError::invalid_field("refresh_token", "missing", "is required"));
            }
        } else {
            query.map_err(AppError::invalid)?;
        }
        cookie::refuse_cross_site(&app.config, &parts.headers)?;
        in_cookie.map(Self).ok_or_else(AppError::unauthorized)
    }
}

/// Exchange a refresh token for a new pair
///
/// Without a body the token is taken from the cookie.
#[utoipa::path(
    post, path = "/api/v1/auth/refresh", tag = "auth", request_body(content = RefreshRequest),
    responses(
        (status = 200, description = "A new pair; the old refresh token is spent", body = TokenPair),
        (status = 401, description = "The refresh token is unknown, expired, or was used before; the latter ends its session"),
        (status = 403, description = "Another site's page made the call with the cookie"),
    ),
)]
async fn refresh(State(app): State<AppState>, ShownToken(token): ShownToken) -> Result<Response, AppError> {
    ops::refresh(&app, &token).await.map(|signed_in| answer(&app, signed_in))
}

/// Sign out
///
/// The session's access and refresh tokens no longer work.
#[utoipa::path(
    post, path = "/api/v1/auth/logout", tag = "auth",
    responses(
        (status = 204, description = "Signed out"),
        (status = 400, description = "An API token is not signed in"),
    ),
)]
async fn logout(State(app): State<AppState>, actor: Actor, Query(()): Query<()>) -> Result<Response, AppError> {
    ops::logout(&app, &actor).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if actor.cookie {
        set_cookie(&mut response, &cookie::forget(&app.config));
    }
    Ok(response)
}
