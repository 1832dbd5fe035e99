//! Headers that every answer carries, so that a browser does nothing with it that was not meant; and those that let foreign
//! pages call the API, where the configuration names them.

use std::time::Duration;

use axum::{
    http::{
        HeaderName, HeaderValue, Method,
        header::{AUTHORIZATION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
        header::{ETAG, IF_MATCH, IF_NONE_MATCH, LINK, LOCATION, RETRY_AFTER},
    },
    response::Response,
};
use tower_http::cors::CorsLayer;

use crate::config::Server;

/// How many there are.
const OWN: usize = 4;

/// The headers and their values. The policy is the one of answers that are no pages: nothing may be loaded from them.
const HEADERS: [(HeaderName, HeaderValue); OWN] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
];

/// As many headers an answer has: these, and those that tell of its body, its request, its tag and how long it may be kept.
pub const USUAL: usize = OWN + 5;

/// Adds the headers that the answer does not have yet.
pub fn secure(mut response: Response) -> Response {
    let headers = response.headers_mut();
    // And one for the length, which comes last.
    headers.reserve(OWN + 1);
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
    response
}

/// Lets the pages of the configured origins call the API with a token; `None` when there are none. Cookies stay out:
/// they are for the desk's own pages.
#[must_use]
pub fn cors(server: &Server) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> = server.cors_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    let own = HeaderName::from_static;
    let layer = || {
        CorsLayer::new()
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
            .allow_headers([AUTHORIZATION, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH, own("idempotency-key"), own("x-request-id")])
            .expose_headers([
                ETAG,
                LINK,
                LOCATION,
                RETRY_AFTER,
                own("idempotent-replayed"),
                own("ratelimit"),
                own("ratelimit-policy"),
                own("x-request-id"),
                own("x-total-count"),
                own("x-total-count-capped"),
            ])
            .max_age(Duration::from_secs(600))
    };
    (!origins.is_empty()).then(|| layer().allow_origin(origins))
}
