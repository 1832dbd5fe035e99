//! Backups on the wire.

use axum::{
    extract::State,
    http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE},
    response::{IntoResponse, Response},
};

use super::create;
use crate::{
    app::AppState,
    auth::{extract::AdminActor, model::Actor},
    error::AppError,
    http::{
        api::{Api, routes},
        body::Query,
    },
};

/// The route.
pub fn router() -> Api {
    Api::new().routes(routes!(take_backup))
}

/// Take a backup
///
/// The whole desk as of this moment, as one file that `taquilla restore` takes; the desk goes on meanwhile. It holds
/// everything, the hashes of passwords and the signing key too: keep it as safe as the desk. A file without its end is
/// refused by `taquilla backup verify`. On an embedded store one is made at a time; a second caller gets 503.
#[utoipa::path(
    get, path = "/api/v1/backup", tag = "operations",
    responses(
        (status = 200, body = String, content_type = "application/gzip", description = "JSON Lines in gzip, ended by a manifest of checksums."),
        (status = 503, description = "Another backup is being made"),
    ),
)]
async fn take_backup(
    State(app): State<AppState>,
    _: Actor,
    Query(()): Query<()>,
    AdminActor(actor): AdminActor,
) -> Result<Response, AppError> {
    let name = create::name(app.now());
    let pieces = create::stream(app, &actor).await?;
    let headers = [
        (CONTENT_TYPE, "application/gzip".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, axum::body::Body::from_stream(pieces)).into_response())
}
