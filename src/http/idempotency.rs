//! `Idempotency-Key`: the same request sent twice is done once. The answer is remembered in the commit of the change
//! itself, so a retry after a crash or a lost answer never doubles.

use std::{collections::HashSet, sync::Arc};

use axum::{
    body::Body,
    extract::{FromRequestParts, Request},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{CONTENT_TYPE, LOCATION},
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::{body, etag};
use crate::{
    app::AppState,
    auth::model::{Actor, Digest32},
    error::AppError,
    reply::{Once, Reply},
    store::{Answer, AnswerKey, Changes, Expect, RowKey},
};

/// The longest key, in bytes.
const LONGEST_KEY: usize = 255;

/// How long an answer is remembered: 24 hours.
pub const REMEMBERED_SECONDS: i64 = 24 * 3_600;

/// The keys whose first request is still running in this process.
#[derive(Debug, Default)]
pub struct RunningKeys(Arc<Mutex<HashSet<AnswerKey>>>);

/// Holds a key while its request runs.
#[derive(Debug)]
pub struct Running {
    keys: Arc<Mutex<HashSet<AnswerKey>>>,
    key: AnswerKey,
}

impl RunningKeys {
    /// Holds a key, unless it is held already.
    #[must_use]
    pub fn hold(&self, key: AnswerKey) -> Option<Running> {
        self.0.lock().insert(key).then(|| Running { keys: self.0.clone(), key })
    }

    fn begin(&self, key: AnswerKey) -> Result<Running, AppError> {
        self.hold(key).ok_or_else(AppError::already_running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.keys.lock().remove(&self.key);
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Once {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().copied().unwrap_or(Self::NONE))
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(location) = self.location.and_then(|l| HeaderValue::try_from(l).ok()) {
            response.headers_mut().insert(LOCATION, location);
        }
        if let Some(tag) = self.etag {
            etag::set(&mut response, &tag);
        }
        response
    }
}

/// What is sent without a token, so that there is nobody whose key it could be.
const ANONYMOUS: &[&str] = &["/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/auth/register"];

/// The layer of every authenticated POST outside `/auth`.
///
/// # Errors
/// 401 without a good token, 400 under `/auth`, 413 and 400 for the body, 422 for a bad key or one used for another request, 409 while its
/// first request is running.
pub async fn layer<F: Future<Output = Response>>(
    app: &AppState,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Result<Response, AppError> {
    if request.method() != Method::POST || !request.headers().contains_key("idempotency-key") {
        return Ok(next(request).await);
    }
    // Its own token makes the set-up happen once.
    if request.uri().path() == "/api/v1/setup" {
        return Ok(next(request).await);
    }
    let (mut parts, body) = request.into_parts();
    if ANONYMOUS.contains(&parts.uri.path()) {
        return Err(not_here());
    }
    let actor = Actor::from_request_parts(&mut parts, app).await?;
    if parts.uri.path().starts_with("/api/v1/auth/") {
        return Err(not_here());
    }
    let bytes = body::read(body).await?;
    let sent = read_key(&parts.headers)?;
    let key = AnswerKey { user_id: actor.require_id()?, key: Sha256::digest(sent).into() };
    let digest: Digest32 = Sha256::new()
        .chain_update(parts.method.as_str())
        .chain_update([0])
        .chain_update(parts.uri.path_and_query().map_or("/", |p| p.as_str()))
        .chain_update([0])
        .chain_update(&bytes)
        .finalize()
        .into();
    let _running = app.running_keys.begin(key)?;
    if let Some(answer) = app.store.answer(&key).await? {
        if answer.at.plus_seconds(REMEMBERED_SECONDS) > app.now() {
            return replay(answer, digest);
        }
        app.store.commit(Changes::new().delete(RowKey::Answer(key), Expect::Any)).await?;
    }
    parts.extensions.insert(Once::under(key, digest));
    parts.extensions.insert(actor);
    Ok(next(Request::from_parts(parts, Body::from(bytes))).await)
}

/// Tokens are shown once, so an answer with one is not kept for a second time.
fn not_here() -> AppError {
    AppError::bad_request("bad-request", "Idempotency-Key is not accepted under /auth.")
}

fn read_key(headers: &HeaderMap) -> Result<&[u8], AppError> {
    let mut sent = headers.get_all("idempotency-key").iter();
    match (sent.next().map(HeaderValue::as_bytes), sent.next()) {
        (Some(key), None) if !key.is_empty() && key.len() <= LONGEST_KEY => Ok(key),
        _ => Err(AppError::invalid_field("Idempotency-Key", "invalid", format!("must be one key of 1 to {LONGEST_KEY} bytes"))),
    }
}

fn replay(answer: Answer, request: Digest32) -> Result<Response, AppError> {
    if answer.request != request {
        return Err(AppError::invalid_field("Idempotency-Key", "invalid", "was used for a different request"));
    }
    let Answer { status, location, etag, body, .. } = answer;
    let mut response = Reply { status, location, etag, body }.into_response();
    response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    Ok(response)
}
