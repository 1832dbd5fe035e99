//! Answers to POSTs, in the form in which they are remembered for a retry.

use serde::Serialize;

use crate::{
    auth::model::Digest32,
    store::{Answer, AnswerKey, Changes},
    types::Timestamp,
};

/// The key under which the present request's answer is to be remembered; handlers of POST take it as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Once(Option<(AnswerKey, Digest32)>);

impl Once {
    /// For callers that have no key.
    pub const NONE: Self = Self(None);

    /// For the request with this digest, sent under `key`.
    #[must_use]
    pub const fn under(key: AnswerKey, request: Digest32) -> Self {
        Self(Some((key, request)))
    }

    /// Adds the answer to the changes that it belongs to, when there is a key.
    #[must_use]
    pub fn remember(self, changes: Changes, reply: &Reply, now: Timestamp) -> Changes {
        let Some((key, request)) = self.0 else { return changes };
        // New, so that of two requests under one key only one is done, also when the first one's client has gone away
        // and its commit is still on its way.
        changes.insert(Answer {
            key,
            request,
            status: reply.status,
            location: reply.location.clone(),
            etag: reply.etag.clone(),
            body: reply.body.clone(),
            at: now,
        })
    }
}

/// An answer that can be given again: status, two headers and a JSON body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// 2xx.
    pub status: u16,
    /// The header `Location`.
    pub location: Option<String>,
    /// The header `ETag`.
    pub etag: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// 201 for something made at `location`.
    #[must_use]
    pub fn created(location: String, etag: Option<String>, body: &impl Serialize) -> Self {
        Self { status: 201, location: Some(location), etag, body: json(body) }
    }

    /// 200.
    #[must_use]
    pub fn ok(etag: Option<String>, body: &impl Serialize) -> Self {
        Self { status: 200, location: None, etag, body: json(body) }
    }
}

fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}
