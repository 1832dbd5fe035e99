//! The layer that gives every request its id, writes every refusal as `application/problem+json`, and logs each
//! request in one line, without anything that could be a secret: no query, no headers, no address that is no route.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{ConnectInfo, MatchedPath, Request},
    http::{
        HeaderValue, Method, StatusCode,
        header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::Response,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use tracing::Instrument;

use super::client;
use crate::{
    app::AppState,
    error::{AppError, Problem},
    telemetry::REQUESTS,
};

/// The longest request id that is taken over from a client.
const LONGEST_ID: usize = 64;

/// The client's id when it is a sane one, else a fresh one.
fn request_id(request: &Request) -> HeaderValue {
    let sane = |id: &&HeaderValue| {
        let bytes = id.as_bytes();
        !bytes.is_empty() && bytes.len() <= LONGEST_ID && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(b))
    };
    if let Some(id) = request.headers().get("x-request-id").filter(sane) {
        return id.clone();
    }
    HeaderValue::try_from(fresh_id()).unwrap_or(HeaderValue::from_static("none"))
}

/// A random id of 96 bits. It has to be told apart only, not to be hard to guess, and so the system need not be asked for each.
fn fresh_id() -> String {
    let mut id = [0; 12];
    fastrand::fill(&mut id);
    BASE64_URL_SAFE_NO_PAD.encode(id)
}

/// Runs a request under its id.
pub async fn layer<F: Future<Output = Response>>(app: &AppState, request: Request, next: impl FnOnce(Request) -> F) -> Response {
    let began = Instant::now();
    let id = request_id(&request);
    let text = id.to_str().unwrap_or_default();
    let line = Line::begin(app, &request);
    let api = request.uri().path().starts_with("/api");
    let span = tracing::info_span!("request", id = %text);
    let mut response = next(request).instrument(span).await;
    let cause = finish(&mut response, text);
    line.write(response.status(), began.elapsed(), text, cause.as_deref());
    if api {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response.headers_mut().insert("x-request-id", id);
    response
}

/// The line that the log gets for a request.
struct Line {
    method: Method,
    route: Option<MatchedPath>,
    client: IpAddr,
}

impl Line {
    fn begin(app: &AppState, request: &Request) -> Self {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip());
        Self {
            method: request.method().clone(),
            route: request.extensions().get::<MatchedPath>().cloned(),
            client: client::address(peer, request.headers(), &client::networks(&app.config.server.trusted_proxies)),
        }
    }

    fn write(&self, status: StatusCode, took: Duration, id: &str, cause: Option<&str>) {
        let route = self.route.as_ref().map_or("none", MatchedPath::as_str);
        let (status, ms) = (status.as_u16(), u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: REQUESTS, method = %self.method, route, status, duration_us = ms, request_id = id, client = %self.client, cause, "request"
                )
            };
        }
        match status {
            503 => line!(warn),
            500.. => line!(error),
            // They come every few seconds, from whoever watches over the desk.
            _ if route.starts_with("/health") || route == "/metrics" => line!(debug),
            _ => line!(info),
        }
    }
}

/// Writes the problem that a handler, an extractor or the router left, and gives what the log alone may know about it.
fn finish(response: &mut Response, request_id: &str) -> Option<String> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    let left = response.extensions_mut().remove::<Problem>();
    let mut problem = left.or_else(|| bare(response).map(|error| error.problem().clone()))?;
    request_id.clone_into(&mut problem.request_id);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.remove(CONTENT_LENGTH);
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = problem.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    // What the client still sends is not read.
    if matches!(status.as_u16(), 408 | 413 | 414 | 431) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    *response.body_mut() = Body::from(serde_json::to_vec(&problem).unwrap_or_default());
    problem.cause
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn requests_have_different_ids_and_each_could_be_a_clients_own() {
        let ids: HashSet<String> = (0..1_000).map(|_| fresh_id()).collect();
        assert_eq!(ids.len(), 1_000);
        for id in ids {
            let request = Request::builder().header("x-request-id", &id).body(Body::empty()).unwrap();
            assert_eq!(request_id(&request), id);
        }
    }
}
