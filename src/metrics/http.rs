//! `/metrics`, and who may read it.

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::{
        HeaderValue,
        header::{CACHE_CONTROL, CONTENT_TYPE},
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use serde::Serialize;
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use super::influx::status::InfluxReport;
use crate::{
    app::AppState,
    auth::{
        extract::{AdminActor, bearer},
        model::Actor,
        token::digest,
    },
    error::AppError,
    http::{
        api::{Api, routes},
        body::Query,
        client::Peer,
    },
    types::Seq,
};

/// The route.
pub fn router() -> Api {
    Api::new().routes(routes!(metrics)).routes(routes!(status))
}

/// Whoever may read the metrics: with a configured token its holder; without, somebody on this machine whom no proxy lets
/// in from elsewhere.
struct Scraper;

impl FromRequestParts<AppState> for Scraper {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, AppError> {
        if let Some(token) = &app.config.prometheus.token {
            // Compared by their hashes, so that the time tells nothing, the length neither.
            let sent = bearer(&parts.headers).map(digest);
            let good = sent.is_some_and(|sent| sent.ct_eq(&digest(token.expose())).into());
            return if good {
                Ok(Self)
            } else {
                Err(AppError::new("unauthorized", "The metrics need the bearer token of prometheus.token."))
            };
        }
        let Ok(peer) = Peer::from_request_parts(parts, app).await;
        if is_near(peer) {
            Ok(Self)
        } else {
            Err(AppError::forbidden("Without prometheus.token the metrics are for callers on the desk's own machine."))
        }
    }
}

/// Whether a caller is on the desk's own machine, and not only its proxy.
fn is_near(peer: Peer) -> bool {
    peer.address.is_loopback() && !peer.forwarded
}

/// What the desk tells of itself, for Prometheus
///
/// With the setting `prometheus.token` it needs that token as bearer; without, it answers callers on the same machine only,
/// and none through a proxy.
#[utoipa::path(
    get, path = "/metrics", tag = "operations",
    responses(
        (status = 200, description = "The metrics in Prometheus' text format", body = String, content_type = "text/plain"),
        (status = 401, description = "The token of `prometheus.token` is missing or wrong"),
        (status = 403, description = "There is no `prometheus.token`, and the caller is elsewhere"),
    ),
)]
async fn metrics(_: Scraper, State(app): State<AppState>) -> Result<Response, AppError> {
    let text = app.metrics.text(app.store.as_ref(), &app.live, app.now()).await;
    let text = text.map_err(|error| AppError::internal(error.to_string()))?;
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(prometheus::TEXT_FORMAT));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// How the desk is.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeskStatus {
    /// The version of the desk.
    pub version: &'static str,
    /// The kind of store: `sled` or `postgresql`.
    pub store: &'static str,
    /// The last durable entry of the log.
    #[schema(value_type = i64)]
    pub activity_seq: Seq,
    /// How pushing metrics to InfluxDB goes.
    pub influxdb: InfluxReport,
}

/// How the desk is (admins)
///
/// What runs, how far the log has come, and how pushing metrics to InfluxDB goes: what is wrong with it, and since when.
#[utoipa::path(get, path = "/api/v1/admin/status", tag = "operations", responses((status = 200, body = DeskStatus)))]
async fn status(
    State(app): State<AppState>,
    _: Actor,
    Query(()): Query<()>,
    admin: Result<AdminActor, AppError>,
) -> Result<Json<DeskStatus>, AppError> {
    admin?;
    let activity_seq = *app.store.durable_seq().borrow();
    let store = app.config.storage_url().map_err(AppError::internal)?.name();
    Ok(Json(DeskStatus { version: env!("CARGO_PKG_VERSION"), store, activity_seq, influxdb: app.metrics.influx.report(activity_seq) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_callers_on_the_same_machine_are_near() {
        let near = |address: &str, forwarded| is_near(Peer { address: address.parse().unwrap(), forwarded });
        for (address, expected) in
            [("127.0.0.1", true), ("127.9.9.9", true), ("::1", true), ("10.0.0.1", false), ("0.0.0.0", false), ("fe80::1", false)]
        {
            assert_eq!(near(address, false), expected, "{address}");
            assert!(!near(address, true), "{address} through a proxy");
        }
    }
}
