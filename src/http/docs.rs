//! The pages that the binary carries: Swagger UI at `/docs`, ReDoc at `/redoc`, the document at `/openapi.json`, and files
//! beside the web app. They need no internet. Scripts are files of their own, so that none is inline.

use std::sync::LazyLock;

use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use tower_http::compression::CompressionLayer;

use super::{
    assets::{Dist, content_type},
    etag,
};
use crate::{app::AppState, error::AppError};

/// The policy of the two pages that show the document; both put styles into the page.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                           font-src 'self'; connect-src 'self'; worker-src blob:; frame-ancestors 'none'";

/// The policy of the other pages.
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes. They are no part of the API, so the document does not list them.
pub fn router() -> Router<AppState> {
    let file = |name: &'static str| get(move |headers: HeaderMap| async move { page(&headers, name) });
    Router::new()
        .route("/docs", file("docs/index.html"))
        .route("/docs/{file}", get(docs_file))
        .route("/redoc", file("redoc/index.html"))
        .route("/redoc/{file}", get(redoc_file))
        .route("/favicon.ico", file("favicon.svg"))
        .route("/openapi.json", get(document))
        .layer(CompressionLayer::new())
}

async fn docs_file(headers: HeaderMap, Path(name): Path<String>) -> Response {
    page(&headers, &format!("docs/{name}"))
}

async fn redoc_file(headers: HeaderMap, Path(name): Path<String>) -> Response {
    page(&headers, &format!("redoc/{name}"))
}

/// A file of the built pages, by its path.
#[must_use]
pub fn page(headers: &HeaderMap, path: &str) -> Response {
    let Some(file) = Dist::get(path) else { return AppError::not_found().into_response() };
    let policy = if path.starts_with("docs/") || path.starts_with("redoc/") { DOCS_POLICY } else { PAGE_POLICY };
    answer(headers, &tag(&file.metadata.sha256_hash()), content_type(path), policy, file.data)
}

/// The OpenAPI document.
async fn document(headers: HeaderMap) -> Response {
    static DOCUMENT: LazyLock<(String, String)> = LazyLock::new(|| {
        let json = serde_json::to_string(&super::openapi()).unwrap_or_default();
        (tag(&Sha256::digest(&json)), json)
    });
    let (tag, json) = &*DOCUMENT;
    answer(&headers, tag, "application/json", PAGE_POLICY, json.as_str())
}

/// Answers with a file, or with 304 when the client has it. The tag is weak: it names the file, compressed or not.
fn answer(headers: &HeaderMap, tag: &str, content_type: &str, policy: &'static str, bytes: impl Into<Body>) -> Response {
    let mut response =
        if etag::Known::of(headers).has(tag) { StatusCode::NOT_MODIFIED.into_response() } else { Response::new(bytes.into()) };
    let sent = response.headers_mut();
    sent.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    sent.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    for (name, value) in [(CONTENT_TYPE, content_type), (ETAG, &format!("W/{tag}"))] {
        sent.extend(HeaderValue::from_str(value).map(|value| (name, value)));
    }
    response
}

/// The tag of a file with this digest.
pub(super) fn tag(hash: &[u8]) -> String {
    format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(hash))
}
