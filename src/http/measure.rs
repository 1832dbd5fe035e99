//! The layer that counts and times requests, and tells the storage when each began. It is the outermost one, so that it sees what is
//! really answered.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    http::{Method, StatusCode},
    response::Response,
};

use crate::{app::AppState, metrics::UNMATCHED, store::moment};

/// Measures a request.
pub async fn layer<F: Future<Output = Response>>(app: &AppState, request: Request, next: impl FnOnce(Request) -> F) -> Response {
    let start = Instant::now();
    let requests = &app.metrics.requests;
    let (method, route) = (request.method().clone(), request.extensions().get::<MatchedPath>().cloned());
    let under_way = requests.begin();
    let response = moment::within(next(request)).await;
    drop(under_way);
    let status = response.status();
    // A path with another method is no route either; nor is a preflight, which no route answers itself.
    let matched = route.as_ref().filter(|_| status != StatusCode::METHOD_NOT_ALLOWED && method != Method::OPTIONS);
    requests.answered(method.as_str(), matched.map_or(UNMATCHED, MatchedPath::as_str), status.as_u16(), start.elapsed());
    response
}
