//! Ids in paths. A malformed id is the id of nothing: the request goes on, and ends with 404 where a well-formed id of
//! something absent would, after the faults of its body and query.

use std::{convert::Infallible, str::FromStr};

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};

use crate::types::{CommentId, SessionId, TicketId, TokenId, UserId};

/// An id that can stand in a path.
pub trait PathId: FromStr + Copy + Send {
    /// The id that no row has.
    const NOTHING: Self;

    /// The name of its parameter where it stands second.
    const NAME: &'static str;
}

macro_rules! path_ids {
    ($($id:ident = $name:literal),*) => {$(
        impl PathId for $id {
            const NOTHING: Self = Self(0);
            const NAME: &'static str = $name;
        }
    )*};
}

path_ids!(TicketId = "ticket_id", CommentId = "comment_id", UserId = "user_id", SessionId = "session_id", TokenId = "token_id");

/// The id in `{id}`.
#[derive(Debug, Clone, Copy)]
pub struct Id<T>(pub T);

/// The ids in `{id}` and in, for instance, `{comment_id}`.
#[derive(Debug, Clone, Copy)]
pub struct Ids<A, B>(pub A, pub B);

impl<S: Send + Sync, T: PathId> FromRequestParts<S> for Id<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let sent = parameters(parts, state).await;
        Ok(Self(read(sent.iter(), "id")))
    }
}

impl<S: Send + Sync, A: PathId, B: PathId> FromRequestParts<S> for Ids<A, B> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let sent = parameters(parts, state).await;
        Ok(Self(read(sent.iter(), "id"), read(sent.iter(), B::NAME)))
    }
}

/// The decoded parameters of the path; none when one is not even text.
async fn parameters<S: Send + Sync>(parts: &mut Parts, state: &S) -> Parameters {
    Parameters(RawPathParams::from_request_parts(parts, state).await.ok())
}

/// Names and texts.
struct Parameters(Option<RawPathParams>);

impl Parameters {
    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flatten()
    }
}

fn read<'a, T: PathId>(mut sent: impl Iterator<Item = (&'a str, &'a str)>, name: &str) -> T {
    sent.find_map(|(of, text)| (of == name).then(|| text.parse().ok())?).unwrap_or(T::NOTHING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_id_is_the_id_of_nothing() {
        let sent = || [("id", "7"), (CommentId::NAME, "07")].into_iter();
        assert_eq!(read::<TicketId>(sent(), "id"), TicketId(7));
        assert_eq!(read::<CommentId>(sent(), CommentId::NAME), CommentId::NOTHING);
        assert_eq!(read::<UserId>(sent(), UserId::NAME), UserId::NOTHING);
    }
}
