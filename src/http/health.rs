//! Whether the desk runs, and the address `/`.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, header::VARY},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    api::{Api, routes},
    assets,
};
use crate::{app::AppState, error::AppError, metrics::influx::status::InfluxState};

/// How long a storage may take to show that it works.
const PATIENCE: Duration = Duration::from_secs(4);

/// The routes.
pub fn router() -> Api {
    Api::new().routes(routes!(root)).routes(routes!(health)).routes(routes!(ready))
}

/// What the desk is.
#[derive(Debug, Serialize, ToSchema)]
pub struct About {
    /// Always the same, for old clients.
    #[schema(example = "Ticket System API")]
    pub message: &'static str,
    /// The version of the desk.
    pub version: &'static str,
    /// Always `running`.
    #[schema(example = "running")]
    pub status: &'static str,
}

/// That all is well.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `healthy` or `ready`.
    #[schema(example = "healthy")]
    pub status: &'static str,
    /// How pushing metrics goes; it never makes the desk unready. Only at `/health/ready`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub influxdb: Option<InfluxState>,
}

/// What this is
///
/// A browser gets a page, any other client this JSON.
#[utoipa::path(get, path = "/", tag = "operations", responses((status = 200, body = About)))]
async fn root(headers: HeaderMap) -> Response {
    let mut response = if assets::wants_page(&headers) {
        assets::index()
    } else {
        Json(About { message: "Ticket System API", version: env!("CARGO_PKG_VERSION"), status: "running" }).into_response()
    };
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    response
}

/// Whether the process serves
#[utoipa::path(get, path = "/health", tag = "operations", responses((status = 200, body = Health)))]
async fn health() -> Json<Health> {
    Json(Health { status: "healthy", influxdb: None })
}

/// Whether the storage can be read and written
#[utoipa::path(get, path = "/health/ready", tag = "operations", responses((status = 200, body = Health)))]
async fn ready(State(app): State<AppState>) -> Result<Json<Health>, AppError> {
    if app.shutdown.is_cancelled() {
        return Err(AppError::unavailable("The desk is stopping.", None));
    }
    let unfit = |cause: String| AppError::unavailable("The storage cannot be read and written.", Some(cause));
    match tokio::time::timeout(PATIENCE, app.store.ready()).await {
        Ok(Ok(())) => {
            let end = *app.store.durable_seq().borrow();
            Ok(Json(Health { status: "ready", influxdb: Some(app.metrics.influx.brief(end)) }))
        }
        Ok(Err(error)) => Err(unfit(error.to_string())),
        Err(_) => Err(unfit(format!("no answer from the storage within {} s", PATIENCE.as_secs()))),
    }
}
