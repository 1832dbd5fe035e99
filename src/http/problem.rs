//! The outermost layer: gives every request its id, and writes every refusal as `application/problem+json`.

use std::time::Duration;

use axum::{
    body::Body,
    extract::Request,
    http::{
        HeaderValue, StatusCode,
        header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    middleware::Next,
    response::Response,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use tracing::Instrument;

use crate::error::{AppError, Problem};

/// The longest request id that is taken over from a client.
const LONGEST_ID: usize = 64;

/// The id of a request.
#[derive(Debug, Clone)]
pub struct RequestId(pub HeaderValue);

/// The client's id when it is a sane one, else a random one of 96 bits.
fn request_id(request: &Request) -> HeaderValue {
    let sane = |id: &&HeaderValue| {
        let bytes = id.as_bytes();
        !bytes.is_empty() && bytes.len() <= LONGEST_ID && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(b))
    };
    if let Some(id) = request.headers().get("x-request-id").filter(sane) {
        return id.clone();
    }
    let random = BASE64_URL_SAFE_NO_PAD.encode(crate::auth::token::random::<12>());
    HeaderValue::try_from(random).unwrap_or(HeaderValue::from_static("none"))
}

/// Runs a request under its id.
pub async fn layer(mut request: Request, next: Next) -> Response {
    let id = request_id(&request);
    request.extensions_mut().insert(RequestId(id.clone()));
    let text = id.to_str().unwrap_or_default().to_owned();
    let api = request.uri().path().starts_with("/api");
    let span = tracing::info_span!("request", id = %text, method = %request.method(), path = %request.uri().path());
    let mut response = next.run(request).instrument(span.clone()).await;
    span.in_scope(|| finish(&mut response, text));
    if api {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response.headers_mut().insert("x-request-id", id);
    response
}

/// Writes the problem that a handler, an extractor or the router left.
fn finish(response: &mut Response, request_id: String) {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return;
    }
    let left = response.extensions_mut().remove::<Problem>();
    let Some(mut problem) = left.or_else(|| bare(response).map(|error| error.problem().clone())) else { return };
    if let Some(cause) = &problem.cause {
        tracing::error!(status = problem.status, %cause, "request failed");
    }
    problem.request_id = request_id;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.remove(CONTENT_LENGTH);
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = problem.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(Duration::from_secs(u64::from(seconds)).as_secs()));
    }
    *response.body_mut() = Body::from(serde_json::to_vec(&problem).unwrap_or_default());
}

/// The problem that a bare refusal of the router or of a layer stands for.
fn bare(response: &Response) -> Option<AppError> {
    if response.headers().get(CONTENT_TYPE).is_some_and(|t| t == "application/problem+json") {
        return None;
    }
    Some(match response.status() {
        StatusCode::NOT_FOUND => AppError::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => {
            let allowed = response.headers().get(ALLOW).and_then(|v| v.to_str().ok()).unwrap_or("other methods").to_owned();
            AppError::new("method-not-allowed", format!("This address answers to {allowed}."))
        }
        StatusCode::PAYLOAD_TOO_LARGE => super::body::too_large(),
        StatusCode::URI_TOO_LONG => AppError::new("uri-too-long", "The address is too long."),
        StatusCode::BAD_REQUEST => AppError::new("bad-request", "The request cannot be understood."),
        status => AppError::internal(format!("a bare answer {status}")),
    })
}
