//! What can go wrong, as people and programs are told: `application/problem+json` of RFC 9457.

use std::borrow::Cow;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    input::FieldError,
    store::{Field, StoreError},
    types::Expected,
};

/// A refusal or a failure on its way to the client.
#[derive(Debug)]
pub struct AppError(Box<Problem>);

/// The body of an error answer.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `/problems/<slug>`; the slugs are listed in docs/API.md. Clients translate by it.
    #[serde(rename = "type")]
    #[schema(example = "/problems/not-found")]
    pub kind: Cow<'static, str>,
    /// The problem in two or three words.
    pub title: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// A sentence for people.
    pub detail: Cow<'static, str>,
    /// The id of the request, as in `X-Request-Id`.
    pub request_id: String,
    /// For 422: every field at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Seconds until another try may succeed; sent as `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<u32>,
    /// What happened inside, for the log only.
    #[serde(skip)]
    pub cause: Option<String>,
}

/// Every kind of problem: its slug, its status, its title. docs/API.md lists the same, and a test compares them.
pub const PROBLEMS: &[(&str, u16, &str)] = &[
    ("unreadable-body", 400, "Unreadable body"),
    ("bad-request", 400, "Bad request"),
    ("already-registered", 400, "Already registered"),
    ("account-disabled", 400, "Account disabled"),
    ("not-an-agent", 400, "Not an agent"),
    ("inactive-creator", 400, "Inactive account"),
    ("unauthorized", 401, "Not signed in"),
    ("wrong-credentials", 401, "Wrong e-mail or password"),
    ("forbidden", 403, "Not allowed"),
    ("not-found", 404, "Not found"),
    ("method-not-allowed", 405, "Method not allowed"),
    ("timeout", 408, "Request timeout"),
    ("conflict", 409, "Conflict"),
    ("ticket-closed", 409, "Ticket closed"),
    ("already-running", 409, "Already running"),
    ("stale", 412, "Changed meanwhile"),
    ("too-large", 413, "Body too large"),
    ("uri-too-long", 414, "Address too long"),
    ("unsupported-media-type", 415, "Unsupported media type"),
    ("invalid", 422, "Invalid input"),
    ("too-many-requests", 429, "Too many requests"),
    ("headers-too-large", 431, "Headers too large"),
    ("internal", 500, "Internal error"),
    ("unavailable", 503, "Not available"),
    ("outcome-unknown", 504, "Outcome unknown"),
];

impl AppError {
    /// A problem of the kind `slug`, one of [`PROBLEMS`].
    #[must_use]
    pub fn new(slug: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        let (_, status, title) = PROBLEMS.iter().find(|(known, ..)| *known == slug).unwrap_or(&("internal", 500, "Internal error"));
        Self(Box::new(Problem {
            kind: format!("/problems/{slug}").into(),
            title: (*title).into(),
            status: *status,
            detail: detail.into(),
            request_id: String::new(),
            errors: Vec::new(),
            retry_after: None,
            cause: None,
        }))
    }

    /// 400 of a kind of its own.
    #[must_use]
    pub fn bad_request(slug: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(slug, detail)
    }

    /// 400: the e-mail address has an account already.
    #[must_use]
    pub fn already_registered() -> Self {
        Self::new("already-registered", "This e-mail address is already registered.")
    }

    /// 401: no token, or none that is good any more.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new("unauthorized", "A valid access token or API token is required.")
    }

    /// 403: known, able to see the thing, and not allowed to do this to it.
    #[must_use]
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new("forbidden", detail)
    }

    /// 404: there is no such thing, or the caller may not know of it. The body is the same.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new("not-found", "There is no such resource.")
    }

    /// 409: the state of the thing does not allow it.
    #[must_use]
    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new("conflict", detail)
    }

    /// 409: the ticket is closed.
    #[must_use]
    pub fn closed() -> Self {
        Self::new("ticket-closed", "The ticket is closed; reopen it first.")
    }

    /// 409: the twin of a request that has not come to its end.
    #[must_use]
    pub fn already_running() -> Self {
        Self::new("already-running", "The first request with this idempotency key is still running.")
    }

    /// 412: the caller's version is not the present one.
    #[must_use]
    pub fn stale() -> Self {
        Self::new("stale", "It was changed meanwhile: read it again, then decide.")
    }

    /// 422, with every field at fault.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let told =
            |e: &FieldError| if e.field.is_empty() { format!("The body {}.", e.message) } else { format!("{}: {}.", e.field, e.message) };
        let detail = match errors.as_slice() {
            [] => "The input is invalid.".to_owned(),
            [one] => told(one),
            [one, rest @ ..] => format!("{} And {} more.", told(one), rest.len()),
        };
        let mut error = Self::new("invalid", detail);
        error.0.errors = errors;
        error
    }

    /// 422 for one field.
    #[must_use]
    pub fn invalid_field(field: &str, code: &str, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError::new(field, code, message)])
    }

    /// 429, with the seconds to wait.
    #[must_use]
    pub fn too_many(detail: impl Into<Cow<'static, str>>, seconds: u32) -> Self {
        Self::new("too-many-requests", detail).retry_after(seconds)
    }

    /// The same with other seconds until another try may succeed.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// 503: nothing was written.
    #[must_use]
    pub fn unavailable(detail: impl Into<Cow<'static, str>>, cause: Option<String>) -> Self {
        let mut error = Self::new("unavailable", detail);
        error.0.retry_after = Some(1);
        error.0.cause = cause;
        error
    }

    /// 504: it may have been written or not.
    #[must_use]
    pub fn outcome_unknown(cause: String) -> Self {
        let detail = "The storage was lost while it wrote this, so it may have been done or not. Look before you send it again; \
                      with the same Idempotency-Key it is done once in any case.";
        let mut error = Self::new("outcome-unknown", detail);
        error.0.cause = Some(cause);
        error
    }

    /// 500: a bug or a broken machine. The cause goes to the log, never to the client.
    #[must_use]
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let mut error = Self::new("internal", "Something went wrong on the server. The request id helps to find it in the log.");
        error.0.cause = Some(format!("{cause:#}"));
        error
    }

    /// What will be told.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.0
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status
    }
}

impl std::fmt::Display for AppError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.detail)
    }
}

impl std::error::Error for AppError {}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Stale => Self::unavailable("Too many changes at once; try again.", None),
            StoreError::Duplicate(Field::Email) => Self::already_registered(),
            StoreError::Duplicate(Field::IdempotencyKey) => Self::already_running(),
            StoreError::Duplicate(field) => Self::new("conflict", format!("The {field} is taken.")),
            StoreError::Busy => Self::unavailable("The storage is busy; try again.", None),
            StoreError::Unavailable(cause) => Self::unavailable("The storage is not available; nothing was written.", Some(cause)),
            StoreError::Unknown(cause) => Self::outcome_unknown(cause),
            StoreError::Full(cause) => Self::unavailable("The storage is full; nothing was written.", Some(cause)),
            StoreError::Corrupt(cause) => Self::internal(cause),
        }
    }
}

impl IntoResponse for AppError {
    /// Hands the problem to the outermost layer, which knows the request's id and writes the body.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(*self.0);
        response
    }
}

impl Expected {
    /// Refuses when the present version is not an expected one.
    ///
    /// # Errors
    /// 412.
    pub fn check(&self, version: i64) -> Result<(), AppError> {
        match self {
            Self::Anything => Ok(()),
            Self::OneOf(versions) if versions.contains(&version) => Ok(()),
            Self::OneOf(_) => Err(AppError::stale()),
        }
    }
}
