//! Entity tags: `If-Match` guards a change, `If-None-Match` spares an answer.

use axum::{
    extract::FromRequestParts,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{ETAG, IF_MATCH, IF_NONE_MATCH},
        request::Parts,
    },
    response::{IntoResponse, Response},
};

use crate::types::Expected;

impl<S: Send + Sync> FromRequestParts<S> for Expected {
    type Rejection = std::convert::Infallible;

    /// Reads `If-Match`. A tag's version part is what stands before the first dash; a weak tag never matches, nor does a
    /// header without one that can be read: whoever sends it does not mean "whatever it is".
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        if !parts.headers.contains_key(IF_MATCH) {
            return Ok(Self::Anything);
        }
        let mut versions = Vec::new();
        for tag in list(parts.headers.get_all(IF_MATCH)) {
            if tag == "*" {
                return Ok(Self::Anything);
            }
            let version = tag.strip_prefix('"').and_then(|t| t.strip_suffix('"')).and_then(|t| t.split('-').next());
            versions.extend(version.and_then(|v| v.parse::<i64>().ok()));
        }
        Ok(Self::OneOf(versions))
    }
}

/// What `If-None-Match` says: the tags of the states that the client has.
#[derive(Debug)]
pub struct Known(Vec<HeaderValue>);

impl Known {
    /// What the headers say.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        Self(headers.get_all(IF_NONE_MATCH).iter().cloned().collect())
    }

    /// Whether this tag is among them.
    #[must_use]
    pub fn has(&self, etag: &str) -> bool {
        list(&self.0).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    }

    /// Answers 304 when the client has this state already, else what `body` makes, with its tag.
    pub fn or(&self, etag: &str, body: impl FnOnce() -> Response) -> Response {
        let mut response = if self.has(etag) { StatusCode::NOT_MODIFIED.into_response() } else { body() };
        set(&mut response, etag);
        response
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Known {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.headers))
    }
}

/// Puts a tag on an answer.
pub fn set(response: &mut Response, etag: &str) {
    if let Ok(value) = HeaderValue::from_str(etag) {
        response.headers_mut().insert(ETAG, value);
    }
}

/// The members of a list that may be spread over several headers of its name.
fn list<'a>(headers: impl IntoIterator<Item = &'a HeaderValue>) -> impl Iterator<Item = &'a str> {
    headers.into_iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).map(str::trim).filter(|t| !t.is_empty())
}
