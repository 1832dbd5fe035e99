//! What a request may look like before anybody looks at it: the size of its head, and that it can be understood in one
//! way only.

use axum::{
    extract::Request,
    http::{Version, header::HOST},
};

use super::server::{FramedTwice, TurnedAway};
use crate::error::AppError;

/// The longest address, in bytes.
const LONGEST_URI: usize = 8 * 1024;

/// The largest headers together, in bytes.
const LARGEST_HEADERS: usize = 16 * 1024;

/// Refuses what is too large or ambiguous.
///
/// # Errors
/// 503 without room for the connection, 400, 414, 431.
pub fn check(request: &Request) -> Result<(), AppError> {
    if request.extensions().get::<TurnedAway>().is_some() {
        return Err(AppError::unavailable("The desk has too many connections; try again.", None));
    }
    if request.extensions().get::<FramedTwice>().is_some() {
        return Err(bad("The length of the body is told in two ways."));
    }
    let uri = request.uri();
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    if authority + uri.path_and_query().map_or(0, |path| path.as_str().len()) > LONGEST_URI {
        return Err(AppError::new("uri-too-long", "The address must be at most 8 KiB long."));
    }
    if request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>() > LARGEST_HEADERS {
        return Err(AppError::new("headers-too-large", "The headers must be at most 16 KiB long together."));
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), None) => {}
        (None, _) if request.version() == Version::HTTP_10 => {}
        _ => return Err(bad("One Host header is required.")),
    }
    Ok(())
}

fn bad(detail: &'static str) -> AppError {
    AppError::bad_request("bad-request", detail)
}
