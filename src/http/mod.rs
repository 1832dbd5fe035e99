//! The wire: the router and its layers, extractors for bodies, queries, tags and idempotency keys, and the pages that
//! document the API. Handlers live with their features.

pub mod api;
pub mod assets;
pub mod body;
pub mod client;
pub mod docs;
pub mod document;
pub mod etag;
pub mod headers;
pub mod health;
pub mod idempotency;
pub mod intake;
pub mod limits;
pub mod measure;
pub mod page;
pub mod path;
pub mod problem;
pub mod server;
pub mod shapes;
pub mod throttle;

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tower::Layer;
use tower_http::normalize_path::{NormalizePath, NormalizePathLayer};

use self::api::Api;
use crate::{app::AppState, error::AppError};

/// Every route of the API, as it comes from the features.
fn api() -> Api {
    Api::new()
        .merge(crate::auth::http::router())
        .merge(crate::users::http::router())
        .merge(crate::tickets::http::router())
        .merge(crate::activity::http::router())
        .merge(crate::analytics::http::router())
        .merge(crate::metrics::http::router())
        .merge(crate::backup::http::router())
        .merge(health::router())
}

/// The OpenAPI document of the API.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    document::finish(api().document(document::base()))
}

/// The whole service, for [`server::serve`].
#[must_use]
pub fn service(app: AppState) -> NormalizePath<Router> {
    layered(app, api().into_router().merge(docs::router()))
}

/// The routes under the layers that every request passes. Two functions hold all that are the desk's own: each layer of a router boxes
/// its future, and copies the services below it, for every request.
fn layered(app: AppState, routes: Router<AppState>) -> NormalizePath<Router> {
    let inner = Inner { intake: Arc::new(intake::Intake::new(&app.config)), app: app.clone() };
    let mut routes = routes.fallback(assets::fallback).layer(from_fn_with_state(inner, within));
    // It answers preflights itself, so it is within the layer that gives every answer its id and its line in the log.
    if let Some(cors) = headers::cors(&app.config.server) {
        routes = routes.layer(cors);
    }
    let layered = routes.layer(from_fn_with_state(app.clone(), around)).with_state(app);
    // Outside of the router, so that it acts before a route is chosen.
    NormalizePathLayer::trim_trailing_slash().layer(layered)
}

/// What every request passes first: whatever comes of it is counted, told in the log, and has its id and the headers of all answers.
async fn around(State(app): State<AppState>, request: Request, next: Next) -> Response {
    measure::layer(&app, request, async |request| headers::secure(problem::layer(&app, request, |request| next.run(request)).await)).await
}

/// What the inner layers need.
#[derive(Clone)]
struct Inner {
    app: AppState,
    intake: Arc<intake::Intake>,
}

/// What decides whether a request comes to its handler.
async fn within(State(Inner { app, intake }): State<Inner>, request: Request, next: Next) -> Response {
    if let Err(refused) = limits::check(&request) {
        return refused.into_response();
    }
    let handled = async |request| idempotency::layer(&app, request, |request| next.run(request)).await.into_response();
    let caught = async |request| {
        let handling = AssertUnwindSafe(throttle::layer(&app, request, handled));
        handling.catch_unwind().await.unwrap_or_else(|panic| panicked(&*panic))
    };
    intake::layer(&intake, request, caught).await
}

/// A panic in a handler is a bug: logged with its message, told as 500.
fn panicked(panic: &(dyn Any + Send)) -> Response {
    let message = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    AppError::internal(format!("panic: {}", message.unwrap_or("unknown"))).into_response()
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        sync::{Mutex, PoisonError},
    };

    use axum::{
        body::Body,
        extract::Request,
        routing::{get, post},
    };
    use http_body_util::BodyExt;
    use serde_json::Value;
    use tower::ServiceExt;
    use tracing_subscriber::{fmt::MakeWriter, layer::SubscriberExt};

    use super::*;
    use crate::{
        app::{App, Clock},
        config::Config,
    };

    /// What has been logged.
    #[derive(Debug, Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Log {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    impl Log {
        fn lines(&self) -> Vec<Value> {
            let bytes = self.0.lock().unwrap().clone();
            String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }
    }

    async fn desk(dir: &tempfile::TempDir, routes: Router<AppState>) -> NormalizePath<Router> {
        let mut config = Config::default();
        config.storage.url = format!("sled:{}", dir.path().display());
        layered(App::build(config, Clock::System).await.unwrap(), routes)
    }

    async fn broken() -> &'static str {
        panic!("a planted {}", "bug")
    }

    fn ask(method: &str, path: &str) -> Request {
        let request = Request::builder().method(method).uri(path).header("host", "desk").header("x-request-id", "id-1");
        request.header("authorization", "Bearer SECRET").body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn a_panic_in_a_handler_is_a_logged_500_and_the_next_request_is_answered() {
        let dir = tempfile::tempdir().unwrap();
        let routes = Router::new().route("/panic/{id}", get(broken)).route("/good", get(|| async { "good" }));
        let desk = desk(&dir, routes).await;
        let log = Log::default();
        let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(log.clone());
        let _logging = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        let answer = desk.clone().oneshot(ask("GET", "/panic/7?token=SECRET")).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["x-request-id"].to_str().unwrap()), (500, "id-1"));
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        let problem: Value = serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap();
        assert_eq!((&problem["type"], &problem["request_id"]), (&"/problems/internal".into(), &"id-1".into()));
        assert!(!problem.to_string().contains("planted"), "{problem}");
        assert_eq!(desk.oneshot(ask("GET", "/good")).await.unwrap().status(), 200);

        let lines = log.lines();
        let [panicked, good] = lines.as_slice() else { panic!("one line for each request: {lines:#?}") };
        assert_eq!((&panicked["level"], &panicked["cause"]), (&"ERROR".into(), &"panic: a planted bug".into()));
        assert_eq!((&panicked["method"], &panicked["route"], &panicked["status"]), (&"GET".into(), &"/panic/{id}".into(), &500.into()));
        assert_eq!((&good["level"], &good["status"], &good["request_id"]), (&"INFO".into(), &200.into(), &"id-1".into()));
        assert!(good["duration_us"].as_u64().is_some_and(|us| us > 0), "{good}");
        assert!(!format!("{lines:?}").contains("SECRET"));
    }

    #[tokio::test]
    async fn what_no_route_answers_is_logged_without_its_address() {
        let dir = tempfile::tempdir().unwrap();
        let desk = desk(&dir, Router::new().route("/api/v1/x", post(|| async {}))).await;
        let log = Log::default();
        let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(log.clone());
        let _logging = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        assert_eq!(desk.clone().oneshot(ask("GET", "/reset/SECRET")).await.unwrap().status(), 404);
        assert_eq!(desk.oneshot(ask("GET", "/api/v1/x")).await.unwrap().status(), 405);
        let routes: Vec<_> = log.lines().iter().map(|line| (line["route"].clone(), line["status"].clone())).collect();
        assert_eq!(routes, [("none".into(), 404.into()), ("/api/v1/x".into(), 405.into())]);
        assert!(!format!("{:?}", log.lines()).contains("SECRET"));
    }
}
