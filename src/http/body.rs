//! Bodies and queries: read once, checked by their types, every fault told at once.

use std::{collections::HashSet, fmt};

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, Uri, header::CONTENT_TYPE, request::Parts},
    response::Response,
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use percent_encoding::percent_decode;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::intake::Broken;
use crate::{
    error::AppError,
    input::{Faults, FieldError, FieldValue, Input, note},
    store::moment,
};

/// The largest body: 1 MiB.
pub const LARGEST_BODY: usize = 1024 * 1024;

/// An answer that is JSON already.
pub fn written(json: impl Into<axum::body::Body>) -> Response {
    let mut response = Response::new(json.into());
    let headers = response.headers_mut();
    headers.reserve(super::headers::USUAL);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A JSON body that has been checked, of a call without query parameters: one that is there is told with the faults of
/// the body.
#[derive(Debug)]
pub struct Body<T>(pub T);

/// Query parameters that have been checked.
#[derive(Debug)]
pub struct Query<T>(pub T);

/// A JSON body or a form, for calls that old clients make with forms, and the query beside it.
#[derive(Debug)]
pub struct JsonOrForm<T, Q>(pub T, pub Q);

impl<S: Send + Sync, T: FieldValue> FromRequest<S> for Body<T> {
    type Rejection = AppError;

    async fn from_request(request: Request, _: &S) -> Result<Self, AppError> {
        require_json(request.headers())?;
        let (parts, body) = request.into_parts();
        let sent = parse_json(&read(body).await?)?;
        together(T::from_json(sent), query::<()>(&parts.uri)).map(|(body, ())| Self(body))
    }
}

impl<S: Send + Sync, T: FieldValue + Input, Q: Input> FromRequest<S> for JsonOrForm<T, Q> {
    type Rejection = AppError;

    async fn from_request(request: Request, _: &S) -> Result<Self, AppError> {
        let json = has_type(request.headers(), "application/json");
        if !json && !has_type(request.headers(), "application/x-www-form-urlencoded") {
            return Err(unsupported("application/json or application/x-www-form-urlencoded"));
        }
        let (parts, body) = request.into_parts();
        let bytes = read(body).await?;
        let sent = if json { T::from_json(parse_json(&bytes)?) } else { pairs(&bytes).and_then(T::from_pairs) };
        together(sent, query(&parts.uri)).map(|(body, query)| Self(body, query))
    }
}

impl<S: Send + Sync, T: Input> FromRequestParts<S> for Query<T> {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AppError> {
        query(&parts.uri).map(Self).map_err(AppError::invalid)
    }
}

/// Reads the query of an address.
///
/// # Errors
/// Every fault of every parameter.
pub fn query<T: Input>(uri: &Uri) -> Result<T, Faults> {
    pairs(uri.query().unwrap_or_default().as_bytes()).and_then(T::from_pairs)
}

/// A body and the query beside it, with the faults of both in one answer: what is wrong with the body's form (413, 415,
/// 400) has been told before.
///
/// # Errors
/// 422.
pub fn together<B, Q>(body: Result<B, Faults>, query: Result<Q, Faults>) -> Result<(B, Q), AppError> {
    match (body, query) {
        (Ok(body), Ok(query)) => Ok((body, query)),
        (body, query) => Err(AppError::invalid([body.err(), query.err()].into_iter().flatten().flatten().collect())),
    }
}

/// Reads a whole body of at most [`LARGEST_BODY`] bytes.
///
/// # Errors
/// 413 when it is larger, without reading it when it says so itself; 400 when it breaks off, 408 when it takes too long,
/// 503 when too many requests wait.
pub async fn read(body: axum::body::Body) -> Result<Bytes, AppError> {
    if hyper::body::Body::size_hint(&body).lower() > LARGEST_BODY as u64 {
        return Err(too_large());
    }
    match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(collected) => {
            moment::begin_anew();
            Ok(collected.to_bytes())
        }
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(match broken(error.as_ref()) {
            Some(broken) => broken.into(),
            None => AppError::bad_request("unreadable-body", "The body broke off."),
        }),
    }
}

/// Why the desk itself has stopped reading, if it was the desk.
fn broken(error: &(dyn std::error::Error + 'static)) -> Option<Broken> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref::<Broken>().copied())
}

/// 413.
#[must_use]
pub fn too_large() -> AppError {
    AppError::new("too-large", "The body must be at most 1 MiB long.")
}

/// Insists that the body is sent as JSON.
///
/// # Errors
/// 415.
pub fn require_json(headers: &HeaderMap) -> Result<(), AppError> {
    if has_type(headers, "application/json") { Ok(()) } else { Err(unsupported("application/json")) }
}

fn unsupported(wanted: &str) -> AppError {
    AppError::new("unsupported-media-type", format!("The body must be {wanted}."))
}

/// The decoded pairs of a query or a form.
///
/// # Errors
/// The pairs that are not UTF-8: replacing what cannot be read would look for something else than was sent.
fn pairs(encoded: &[u8]) -> Result<Vec<(String, String)>, Faults> {
    let mut faults = Faults::new();
    for pair in encoded.split(|byte| *byte == b'&') {
        if percent_decode(pair).decode_utf8().is_err() {
            let name = form_urlencoded::parse(pair).next().map(|(name, _)| name.into_owned()).unwrap_or_default();
            note(&mut faults, FieldError::new(name, "invalid", "must be UTF-8"));
        }
    }
    if faults.is_empty() { Ok(form_urlencoded::parse(encoded).into_owned().collect()) } else { Err(faults) }
}

fn has_type(headers: &HeaderMap, wanted: &str) -> bool {
    let Some(Ok(sent)) = headers.get(CONTENT_TYPE).map(|v| v.to_str()) else { return false };
    sent.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case(wanted))
}

/// Parses JSON, refusing what two readers could understand differently: repeated keys.
///
/// # Errors
/// 400 for what is not JSON, 422 for a repeated key.
pub fn parse_json(bytes: &[u8]) -> Result<Value, AppError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(AppError::bad_request("unreadable-body", "A body is required."));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value)).map_err(|error| {
        let text = error.to_string();
        match text.strip_prefix(REPEATED).and_then(|rest| rest.split('\u{1}').next()) {
            Some(key) => AppError::invalid(vec![FieldError::new(key, "repeated", "is given more than once")]),
            None => AppError::bad_request("unreadable-body", format!("The body is not valid JSON: {text}.")),
        }
    })?;
    Ok(value)
}

/// Marks a repeated key in serde's error text; the key ends at `\u{1}`.
const REPEATED: &str = "\u{1}repeated:";

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element_seed(Strict)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let (mut map, mut seen) = (Map::new(), HashSet::new());
        while let Some(key) = entries.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(de::Error::custom(format_args!("{REPEATED}{key}\u{1}")));
            }
            map.insert(key, entries.next_value_seed(Strict)?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn json_is_read_strictly() {
        assert_eq!(parse_json(br#"{"a": [1, "x", null, 1.5, true]}"#).unwrap(), serde_json::json!({"a": [1, "x", null, 1.5, true]}));
        let repeated = parse_json(br#"{"a": 1, "b": {"c": 1, "c": 2}}"#).unwrap_err();
        assert_eq!((repeated.status(), repeated.problem().errors[0].field.as_str()), (422, "c"));
        for bad in ["", "  ", "{", "{}x", "1e999", "\u{feff}{}", &"[".repeat(100_000)] {
            assert_eq!(parse_json(bad.as_bytes()).unwrap_err().status(), 400, "{bad:.20}");
        }
        assert_eq!(parse_json(b"\"\xff\"").unwrap_err().status(), 400);
    }

    proptest! {
        #[test]
        fn bytes_are_json_or_a_refusal(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}:,\"0-9a-z\\\\ .-]{0,60}") {
            for bytes in [bytes.as_slice(), text.as_bytes()] {
                let lenient = serde_json::from_slice::<Value>(bytes);
                match parse_json(bytes) {
                    Ok(value) => prop_assert_eq!(Some(value), lenient.ok()),
                    Err(refused) => prop_assert!(refused.status() == 422 || lenient.is_err()),
                }
            }
        }
    }
}
