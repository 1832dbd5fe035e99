//! The calls of `/activity`.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Uri},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{
    model::EntryView,
    ops::{self, Stretch},
};
use crate::{
    app::AppState,
    auth::{extract::AdminActor, model::Actor},
    error::AppError,
    http::{
        api::{Api, routes},
        body::Query,
        page::{self, Limit},
        path::Id,
    },
    input::{Faults, FieldError, FieldValue},
    store::From,
    types::{Seq, TicketId},
};

/// The routes of the log.
pub fn router() -> Api {
    Api::new().routes(routes!(list_activity)).routes(routes!(list_ticket_activity)).merge(super::live::http::router())
}

/// A place in the log; 0 is before the first entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = i64, minimum = 0)]
pub struct Place(Seq);

impl FieldValue for Place {
    fn from_json(value: Value) -> Result<Self, Faults> {
        match i64::from_json(value)? {
            seq @ 0.. => Ok(Self(seq)),
            _ => Err(vec![FieldError::here("out_of_range", "must not be negative")]),
        }
    }

    fn from_text(text: &str) -> Result<Self, Faults> {
        Self::from_json(i64::from_text(text)?.into())
    }
}

crate::input! {
    /// Which stretch of the log.
    #[derive(IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct StretchParameters {
        /// Entries after this one, oldest first. From the first one on when left out.
        #[param(inline)]
        after: Option<Place>,
        /// Entries before this one, newest first. Not together with `after`.
        #[param(inline)]
        before: Option<Place>,
        /// Rows in a page.
        #[param(inline)]
        limit: Option<Limit>,
    }
    together |after, before| {
        let both = !matches!(after, Some(None)) && !matches!(before, Some(None));
        both.then(|| FieldError::new("before", "invalid", "must not be given together with after"))
    }
}

impl StretchParameters {
    fn from(&self) -> Option<From> {
        self.after.map(|Place(seq)| From::After(seq)).or(self.before.map(|Place(seq)| From::Before(seq)))
    }

    fn limit(&self) -> usize {
        self.limit.unwrap_or_default().0
    }
}

/// The log of the desk (admins)
///
/// Every change to anything, by anyone. Oldest first; newest first with `before`. A reader that keeps the last `seq` it saw
/// and asks `?after=` misses no entry and sees none twice.
#[utoipa::path(
    get, path = "/api/v1/activity", tag = "activity", params(StretchParameters),
    responses((
        status = 200, body = Vec<EntryView>, description = "A page of entries.",
        headers(
            ("Link" = String, description = "The address of the next page (`rel=\"next\"`), when there is one."),
            ("X-Total-Count" = i64, description = "On the first page: how many there are."),
        ),
    )),
)]
async fn list_activity(
    State(app): State<AppState>,
    _: Actor,
    Query(asked): Query<StretchParameters>,
    uri: Uri,
    admin: Result<AdminActor, AppError>,
) -> Result<Response, AppError> {
    let from = asked.from();
    // Only now: what does not fit is told before what is not allowed.
    admin?;
    Ok(answer(&uri, from, ops::of_desk(&app, from, asked.limit()).await?))
}

/// The log of a ticket
///
/// As the desk's, for one ticket. Requesters see the public entries of their own.
#[utoipa::path(
    get, path = "/api/v1/tickets/{id}/activity", tag = "activity",
    params(("id" = TicketId, Path, description = "The ticket."), StretchParameters),
    responses((
        status = 200, body = Vec<EntryView>, description = "A page of entries.",
        headers(
            ("Link" = String, description = "The address of the next page (`rel=\"next\"`), when there is one."),
            ("X-Total-Count" = i64, description = "On the first page: how many there are."),
        ),
    )),
)]
async fn list_ticket_activity(
    State(app): State<AppState>,
    actor: Actor,
    Query(asked): Query<StretchParameters>,
    Id(id): Id<TicketId>,
    uri: Uri,
) -> Result<Response, AppError> {
    let from = asked.from();
    Ok(answer(&uri, from, ops::of_ticket(&app, &actor, id, from, asked.limit()).await?))
}

fn answer(uri: &Uri, from: Option<From>, stretch: Stretch) -> Response {
    let mut headers = HeaderMap::new();
    if let Some(seq) = stretch.next {
        let name = if matches!(from, Some(From::Before(_))) { "before" } else { "after" };
        page::link(&mut headers, uri, name, &seq.to_string());
    }
    if let Some(total) = stretch.total {
        headers.insert(HeaderName::from_static("x-total-count"), HeaderValue::from(total));
    }
    (headers, Json(stretch.rows)).into_response()
}
