//! The call of the live stream.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::{FromRequestParts, State},
    http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE, request::Parts},
    response::Response,
};
use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::{Timers, open};
use crate::{
    app::AppState,
    auth::extract::Standing,
    error::AppError,
    http::{
        api::{Api, routes},
        body::Query,
    },
    types::Seq,
};

/// The route of the live stream.
pub fn router() -> Api {
    Api::new().routes(routes!(events))
}

/// Where the log ended when the request arrived: before anything else is asked.
struct LogEnd(Seq);

impl FromRequestParts<AppState> for LogEnd {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, app: &AppState) -> Result<Self, Infallible> {
        Ok(Self(*app.store.durable_seq().borrow()))
    }
}

/// The log as it grows
///
/// Server-Sent Events, with the fields `id` (the `seq`), `event` (the action) and `data` (the entry without `changes`, JSON
/// in one line). The stream begins at the log's end, or after `Last-Event-ID`, and misses nothing from there. Agents get
/// the entries of tickets and comments, admins all, requesters the public ones of their own tickets. A comment line is sent
/// at once and every 15 seconds. The stream ends when the caller signs out, is disabled, changes roles, or when the token
/// expires; also when a reader takes nothing for long. Resume with the last `id` then.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "activity",
    params(("Last-Event-ID" = Option<i64>, Header, description = "The last entry that the client has seen.")),
    responses(
        (status = 200, body = String, content_type = "text/event-stream", description = "The stream"),
        (status = 429, description = "The account has too many streams"),
    ),
)]
async fn events(
    State(app): State<AppState>,
    LogEnd(end): LogEnd,
    standing: Standing,
    Query(()): Query<()>,
    headers: HeaderMap,
) -> Result<Response, AppError> {
    let pieces = open(&app, standing, last_seen(&headers)?, end, Timers::default())?;
    let mut response = Response::new(Body::new(Pieces(pieces)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // For proxies that would else collect an answer before they pass it on.
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// The entry that the client saw last. An empty one is none: so a new `EventSource` begins.
fn last_seen(headers: &HeaderMap) -> Result<Option<Seq>, AppError> {
    let refused = |message: &str| Err(AppError::invalid_field("Last-Event-ID", "wrong_type", message));
    let mut sent = headers.get_all("last-event-id").iter().map(HeaderValue::as_bytes);
    match (sent.next(), sent.next()) {
        (None | Some(b""), None) => Ok(None),
        (Some(id), None) if id.iter().all(u8::is_ascii_digit) => {
            // What is too large to be a place lies beyond every end.
            Ok(Some(std::str::from_utf8(id).ok().and_then(|id| id.parse().ok()).unwrap_or(Seq::MAX)))
        }
        (_, None) => refused("must be the seq of an entry, a whole number"),
        (_, Some(_)) => refused("must be given once"),
    }
}

/// A body that comes piece by piece, for as long as the stream runs.
struct Pieces(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_a_number_or_nothing() {
        let seen = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("last-event-id", value.parse().unwrap());
            }
            last_seen(&headers).map_err(|error| error.status())
        };
        assert_eq!(seen(&[]), Ok(None));
        assert_eq!(seen(&[""]), Ok(None));
        assert_eq!(seen(&["0"]), Ok(Some(0)));
        assert_eq!(seen(&["17"]), Ok(Some(17)));
        assert_eq!(seen(&["99999999999999999999"]), Ok(Some(Seq::MAX)));
        for bad in [&["x"][..], &["-1"], &["1.5"], &["1 2"], &["1", "2"], &["1", ""], &["é"]] {
            assert_eq!(seen(bad), Err(422), "{bad:?}");
        }
    }
}
