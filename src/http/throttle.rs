//! Tells the callers of throttled calls what they have left, in the headers of draft-ietf-httpapi-ratelimit-headers.

use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode},
    response::Response,
};

use super::client::ClientAddress;
use crate::{
    app::AppState,
    auth::throttle::{
        Kind,
        accounts::{FREE, LONGEST_WAIT},
        addresses::{BURST, Left, REFILL_SECONDS},
    },
    error::Problem,
};

/// The kind of a call, when it is throttled, and the name of its policies.
fn kind_of(request: &Request) -> Option<(Kind, &'static str)> {
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/api/v1/auth/login") => Some((Kind::Login, "login")),
        (&Method::POST, "/api/v1/auth/register") => Some((Kind::Register, "register")),
        _ => None,
    }
}

/// Adds the headers to every answer of a throttled call.
pub async fn layer<F: Future<Output = Response>>(app: &AppState, request: Request, next: impl FnOnce(Request) -> F) -> Response {
    let Some((kind, name)) = kind_of(&request).filter(|_| app.throttle.is_on()) else { return next(request).await };
    let (mut parts, body) = request.into_parts();
    let Ok(ClientAddress(address)) = ClientAddress::from_request_parts(&mut parts, app).await;
    let mut response = next(Request::from_parts(parts, body)).await;
    let left = app.throttle.addresses(kind).left(address);
    let refused = response.status() == StatusCode::TOO_MANY_REQUESTS;
    let wait = response.extensions().get::<Problem>().and_then(|problem| problem.retry_after).filter(|_| refused);
    for (header, value) in headers(name, left, wait) {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(HeaderName::from_static(header), value);
        }
    }
    response
}

/// The policies and what is left of them. When a call was refused although its address has tries left, it was for the
/// account.
fn headers(name: &str, left: Left, wait: Option<u32>) -> [(&'static str, String); 2] {
    let window = u64::from(BURST) * REFILL_SECONDS;
    let policy = format!("\"{name}\";q={BURST};w={window}, \"{name}-account\";q={FREE};w={LONGEST_WAIT}");
    let of_address = format!("\"{name}\";r={};t={}", left.tries, left.full_in);
    let limit = match wait.filter(|_| left.tries > 0) {
        Some(wait) => format!("{of_address}, \"{name}-account\";r=0;t={wait}"),
        None => of_address,
    };
    [("ratelimit-policy", policy), ("ratelimit", limit)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_and_what_is_left_are_told_as_structured_fields() {
        let told = |left, wait| headers("login", left, wait).map(|(_, value)| value);
        let policy = r#""login";q=10;w=60, "login-account";q=5;w=900"#;
        assert_eq!(told(Left { tries: 9, full_in: 6 }, None), [policy, r#""login";r=9;t=6"#]);
        assert_eq!(told(Left { tries: 0, full_in: 60 }, Some(6)), [policy, r#""login";r=0;t=60"#]);
        assert_eq!(told(Left { tries: 4, full_in: 36 }, Some(5)), [policy, r#""login";r=4;t=36, "login-account";r=0;t=5"#]);
    }
}
