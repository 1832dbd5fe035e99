//! The wire: the router and its layers, extractors for bodies, queries, tags and idempotency keys, and the pages that
//! document the API. Handlers live with their features.

pub mod body;
pub mod client;
pub mod docs;
pub mod document;
pub mod etag;
pub mod headers;
pub mod health;
pub mod idempotency;
pub mod page;
pub mod path;
pub mod problem;
pub mod shapes;
pub mod throttle;

use std::net::SocketAddr;

use axum::{
    Router, ServiceExt,
    extract::{Request, connect_info::IntoMakeServiceWithConnectInfo},
    middleware::{from_fn, from_fn_with_state, map_response},
};
use tower::{Layer, util::option_layer};
use tower_http::{
    catch_panic::CatchPanicLayer,
    normalize_path::{NormalizePath, NormalizePathLayer},
};
use utoipa_axum::router::OpenApiRouter;

use crate::{app::AppState, error::AppError};

/// Every route of the API with its documentation, as it comes from the features.
fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(document::base())
        .merge(crate::auth::http::router())
        .merge(crate::users::http::router())
        .merge(crate::tickets::http::router())
        .merge(crate::activity::http::router())
        .merge(crate::analytics::http::router())
        .merge(health::router())
}

/// The OpenAPI document of the API.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    document::finish(routes().into_openapi())
}

/// The whole service, for a listener.
#[must_use]
pub fn service(app: AppState) -> IntoMakeServiceWithConnectInfo<NormalizePath<Router>, SocketAddr> {
    let router = routes()
        .split_for_parts()
        .0
        .merge(docs::router())
        .fallback(|| async { AppError::not_found() })
        .layer(from_fn_with_state(app.clone(), idempotency::layer))
        .layer(from_fn_with_state(app.clone(), throttle::layer))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(problem::layer))
        .layer(option_layer(headers::cors(&app.config.server)))
        .layer(map_response(headers::secure))
        .with_state(app);
    // Outside of the router, so that it acts before a route is chosen.
    let service = NormalizePathLayer::trim_trailing_slash().layer(router);
    ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(service)
}

/// A panic in a handler is a bug: logged with its message, told as 500.
#[expect(clippy::needless_pass_by_value, reason = "the signature is tower-http's")]
fn panicked(panic: Box<dyn std::any::Any + Send + 'static>) -> axum::response::Response {
    let message = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    axum::response::IntoResponse::into_response(AppError::internal(format!("panic: {}", message.unwrap_or("unknown"))))
}
