//! The web app, as its build left it in web/dist: `index.html`, whose nonce is new in every answer; files under `assets/`,
//! whose names change with their content, so that they are kept for ever; and whatever else lies beside them.
//!
//! An address that is neither a file nor the API's is one of the app's own views: a browser gets `index.html` for it.

use std::{borrow::Cow, collections::HashMap, io::Write, sync::LazyLock};

use axum::{
    extract::Request,
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, VARY},
    },
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use parking_lot::Mutex;
use rust_embed::RustEmbed;

use super::{docs, etag};
use crate::error::AppError;

/// What stands in `index.html` for the nonce of an answer.
const NONCE: &str = "__CSP_NONCE__";

/// The first parts of addresses under which there are no views of the app.
const NO_VIEWS: &[&str] = &["api", "assets", "docs", "health", "metrics", "openapi.json", "redoc"];

/// Smaller files are not worth compressing, in bytes.
const WORTH_COMPRESSING: usize = 1024;

/// The built pages.
#[derive(RustEmbed)]
#[folder = "web/dist/"]
pub(super) struct Dist;

/// Answers what no route does: a file of the build, a view of the app, or nothing.
pub async fn fallback(request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return AppError::not_found().into_response();
    }
    let path = request.uri().path().trim_start_matches('/');
    if path != "index.html"
        && let Some(answer) = file(request.headers(), path)
    {
        return answer;
    }
    let first = path.split('/').next().unwrap_or_default();
    if NO_VIEWS.contains(&first) || !wants_page(request.headers()) {
        return AppError::not_found().into_response();
    }
    let mut response = index();
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    response
}

/// Whether whoever asks is a browser that opens a page.
#[must_use]
pub fn wants_page(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().any(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/html")))
}

/// The app's page, with a nonce of its own.
#[must_use]
pub fn index() -> Response {
    static PARTS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let page = Dist::get("index.html").map(|file| String::from_utf8_lossy(&file.data).into_owned()).unwrap_or_default();
        page.split(NONCE).map(str::to_owned).collect()
    });
    let nonce = BASE64_STANDARD.encode(crate::auth::token::random::<16>());
    let mut response = Response::new(PARTS.join(&nonce).into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.extend(HeaderValue::from_str(&policy(&nonce)).map(|policy| (CONTENT_SECURITY_POLICY, policy)));
    response
}

/// What the app's page may do.
fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data: blob:; font-src 'self'; \
         connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types taquilla"
    )
}

/// A file of the app, by its path in the build.
fn file(headers: &HeaderMap, path: &str) -> Option<Response> {
    if path.starts_with("docs/") || path.starts_with("redoc/") {
        return None;
    }
    let file = Dist::get(path)?;
    if !path.starts_with("assets/") {
        return Some(docs::page(headers, path));
    }
    let tag = docs::tag(&file.metadata.sha256_hash());
    Some(asset(headers, path, &tag, file.data))
}

/// A file whose name changes with its content.
fn asset(headers: &HeaderMap, path: &str, tag: &str, data: Cow<'static, [u8]>) -> Response {
    let packed = accepts_gzip(headers).then(|| packed(path, &data)).flatten();
    // Two forms of one file are two representations, so each has a tag of its own.
    let tag = if packed.is_some() { format!("{}-gzip\"", tag.trim_end_matches('"')) } else { tag.to_owned() };
    let mut response = if etag::Known::of(headers).has(&tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match &packed {
            Some(packed) => Response::new(packed.clone().into()),
            None => Response::new(data.into()),
        }
    };
    let sent = response.headers_mut();
    if packed.is_some() {
        sent.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    sent.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
    sent.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    sent.insert(VARY, HeaderValue::from_static("accept-encoding"));
    sent.extend(HeaderValue::from_str(&tag).map(|tag| (ETAG, tag)));
    response
}

/// The compressed form of a file, made once. `None` when it is hardly smaller.
fn packed(path: &str, data: &[u8]) -> Option<Bytes> {
    static PACKED: LazyLock<Mutex<HashMap<String, Option<Bytes>>>> = LazyLock::new(Mutex::default);
    if data.len() < WORTH_COMPRESSING || !is_text(path) {
        return None;
    }
    if let Some(known) = PACKED.lock().get(path) {
        return known.clone();
    }
    let made = gzip(data).filter(|packed| packed.len() < data.len() * 9 / 10);
    PACKED.lock().insert(path.to_owned(), made.clone());
    made
}

fn gzip(data: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(data.len() / 3), Compression::best());
    encoder.write_all(data).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// Whether the client takes gzip: it names it, or everything, and does not rule it out.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let sent = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let offers = sent.filter_map(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        let name = parts.next()?.to_ascii_lowercase();
        let refused = parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0)));
        matches!(name.as_str(), "gzip" | "x-gzip" | "*").then_some((name != "*", !refused))
    });
    // What is said of gzip itself counts more than what is said of everything.
    offers.max().is_some_and(|(_, taken)| taken)
}

fn is_text(path: &str) -> bool {
    !content_type(path).starts_with("image/") && !content_type(path).starts_with("font/") || content_type(path) == "image/svg+xml"
}

/// The media type of a file, by the end of its name.
pub(super) fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        Some("avif") => "image/avif",
        Some("ico") => "image/vnd.microsoft.icon",
        Some("woff2") => "font/woff2",
        Some("woff") => "font/woff",
        Some("wasm") => "application/wasm",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: axum::http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for taken in ["gzip", "br, gzip;q=0.5", "*", "GZIP", "gzip;q=1.0, *;q=0", "deflate, x-gzip"] {
            assert!(accepts_gzip(&with(ACCEPT_ENCODING, taken)), "{taken}");
        }
        for refused in ["", "identity", "br", "gzip;q=0", "gzip;q=0, *", "*;q=0"] {
            assert!(!accepts_gzip(&with(ACCEPT_ENCODING, refused)), "{refused}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn the_nonce_of_a_page_is_the_one_of_its_policy_and_never_the_same() {
        let nonce = |response: &Response| {
            let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
            policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned()
        };
        let (one, other) = (nonce(&index()), nonce(&index()));
        assert_ne!(one, other);
        assert_eq!(one.len(), 24, "{one}");
    }

    #[test]
    fn a_file_with_a_hash_in_its_name_is_kept_for_ever() {
        let data: Cow<'static, [u8]> = b"body { color: red }".repeat(200).into();
        let ask = |headers: HeaderMap| asset(&headers, "assets/index-1a2b.css", "\"tag\"", data.clone());
        let plain = ask(HeaderMap::new());
        let header = |response: &Response, name: &str| response.headers().get(name).map_or("", |v| v.to_str().unwrap()).to_owned();
        assert_eq!(header(&plain, "cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(header(&plain, "content-type"), "text/css; charset=utf-8");
        assert_eq!((header(&plain, "etag"), header(&plain, "vary")), ("\"tag\"".into(), "accept-encoding".into()));
        let packed = ask(with(ACCEPT_ENCODING, "gzip"));
        assert_eq!((header(&packed, "etag"), header(&packed, "content-encoding")), ("\"tag-gzip\"".into(), "gzip".into()));
        assert_eq!(ask(with(axum::http::header::IF_NONE_MATCH, "\"tag\"")).status(), 304);
        assert_eq!(ask(with(axum::http::header::IF_NONE_MATCH, "\"other\"")).status(), 200);
    }

    #[test]
    fn a_compressed_file_is_the_file() {
        let data = b"let text = 'the same again';".repeat(200);
        let packed = packed("assets/test.js", &data).unwrap();
        let mut read = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut read).unwrap();
        assert_eq!(read, data);
        assert_eq!(packed.as_ptr(), super::packed("assets/test.js", &data).unwrap().as_ptr(), "made once");
        assert!(super::packed("assets/test.woff2", &data).is_none());
        assert!(super::packed("assets/small.js", b"x").is_none());
    }
}
