//! What all requests together may take: how many are worked on at a time, how much of their bodies is held in memory, and
//! how long each may take to bring its body. What goes beyond is told to come back, quickly, rather than left waiting.
//!
//! Waiting for a client takes no turn: a request with a body gets its turn when the body is there. Live streams give
//! theirs back when they begin.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use hyper::body::{Body as _, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep, timeout},
};

use super::{
    client::{self, Network},
    server::{Client, Counts, Place, Timers},
};
use crate::{config::Config, error::AppError};

/// Bodies held in memory together, in bytes: 256 MiB.
const MOST_HELD: usize = 256 * 1024 * 1024;

/// What is answered however much there is to do: whoever watches over the desk asks it.
const ALWAYS: &[&str] = &["/health", "/health/ready", "/metrics"];

/// What all requests share.
#[derive(Debug)]
pub struct Intake {
    turns: Arc<Semaphore>,
    held: Arc<AtomicUsize>,
    behind_proxies: Counts<Client>,
    most_by_client: usize,
    proxies: Vec<Network>,
    timers: Timers,
}

impl Intake {
    /// With the bounds of the configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let server = &config.server;
        let whole = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        Self {
            turns: Arc::new(Semaphore::new(whole(server.max_requests))),
            held: Arc::default(),
            behind_proxies: Counts::default(),
            most_by_client: whole(server.max_connections_per_address),
            proxies: client::networks(&server.trusted_proxies),
            timers: config.timers.clone(),
        }
    }

    /// Behind a trusted proxy, the bound of connections from one address holds for the requests of one client:
    /// connections are the proxy's.
    fn place_behind_proxy(&self, request: &Request) -> Result<Option<Place>, Broken> {
        let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() else { return Ok(None) };
        if !client::is_among(peer.ip(), &self.proxies) {
            return Ok(None);
        }
        let client = client::address(peer.ip(), request.headers(), &self.proxies);
        self.behind_proxies.take(client.into(), self.most_by_client).map(Some).ok_or(Broken::NoRoom)
    }
}

/// Why the reading of a body ended before the body did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Its time was over.
    #[error("the body took too long")]
    Slow,
    /// There is too much to do.
    #[error("there is too much to do")]
    NoRoom,
}

impl From<Broken> for AppError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Slow => Self::new("timeout", "The body took too long to arrive."),
            Broken::NoRoom => Self::unavailable("The desk has too much to do; try again.", None),
        }
    }
}

/// Lets a request in when it is its turn.
pub async fn layer<F: Future<Output = Response>>(intake: &Intake, request: Request, next: impl FnOnce(Request) -> F) -> Response {
    if ALWAYS.contains(&request.uri().path()) {
        return next(request).await;
    }
    let place = match intake.place_behind_proxy(&request) {
        Ok(place) => place,
        Err(broken) => return AppError::from(broken).into_response(),
    };
    let response = if request.body().is_end_stream() {
        let _turn = match turn(intake.turns.clone(), intake.timers.turn).await {
            Ok(turn) => turn,
            Err(broken) => return AppError::from(broken).into_response(),
        };
        next(request).await
    } else {
        let (turns, patience, time) = (intake.turns.clone(), intake.timers.turn, intake.timers.body);
        let share = Arc::new(Share { held: intake.held.clone(), own: AtomicUsize::new(0), turn: Mutex::default() });
        let upload = share.clone();
        let response =
            next(request.map(|body| Body::new(Upload { body, share: upload, turns, patience, time, stage: Stage::Reading(None) }))).await;
        drop(share);
        response
    };
    match place {
        Some(place) => response.map(|body| Body::new(Placed { body, _place: place })),
        None => response,
    }
}

async fn turn(turns: Arc<Semaphore>, patience: Duration) -> Result<OwnedSemaphorePermit, Broken> {
    if let Ok(turn) = turns.clone().try_acquire_owned() {
        return Ok(turn);
    }
    timeout(patience, turns.acquire_owned()).await.ok().and_then(Result::ok).ok_or(Broken::NoRoom)
}

/// What one request has of it all, given back when both its body and its handler are done with it.
#[derive(Debug)]
struct Share {
    held: Arc<AtomicUsize>,
    own: AtomicUsize,
    turn: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Share {
    /// Holds more bytes. Whether there was room.
    fn hold(&self, bytes: usize) -> bool {
        self.own.fetch_add(bytes, Ordering::Relaxed);
        self.held.fetch_add(bytes, Ordering::Relaxed) + bytes <= MOST_HELD
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.fetch_sub(*self.own.get_mut(), Ordering::Relaxed);
    }
}

/// How far the reading of a body has come.
enum Stage {
    /// The timer runs from the first wait on.
    Reading(Option<Pin<Box<Sleep>>>),
    Waiting(Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, Broken>> + Send>>),
    Over,
}

/// A request's body, which takes a turn before it ends.
struct Upload {
    body: Body,
    share: Arc<Share>,
    turns: Arc<Semaphore>,
    patience: Duration,
    time: Duration,
    stage: Stage,
}

impl hyper::body::Body for Upload {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = &mut *self;
        loop {
            match &mut this.stage {
                Stage::Reading(timer) => match Pin::new(&mut this.body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        if frame.data_ref().is_some_and(|data| !this.share.hold(data.len())) {
                            this.stage = Stage::Over;
                            return Poll::Ready(Some(Err(Broken::NoRoom.into())));
                        }
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    Poll::Ready(Some(Err(error))) => {
                        this.stage = Stage::Over;
                        return Poll::Ready(Some(Err(error.into())));
                    }
                    Poll::Ready(None) => {
                        if let Ok(turn) = this.turns.clone().try_acquire_owned() {
                            *this.share.turn.lock() = Some(turn);
                            this.stage = Stage::Over;
                        } else {
                            this.stage = Stage::Waiting(Box::pin(turn(this.turns.clone(), this.patience)));
                        }
                    }
                    Poll::Pending => {
                        let time = this.time;
                        ready!(timer.get_or_insert_with(|| Box::pin(sleep(time))).as_mut().poll(cx));
                        this.stage = Stage::Over;
                        return Poll::Ready(Some(Err(Broken::Slow.into())));
                    }
                },
                Stage::Waiting(turn) => {
                    let outcome = ready!(turn.as_mut().poll(cx));
                    this.stage = Stage::Over;
                    match outcome {
                        Ok(turn) => *this.share.turn.lock() = Some(turn),
                        Err(broken) => return Poll::Ready(Some(Err(broken.into()))),
                    }
                }
                Stage::Over => return Poll::Ready(None),
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer that keeps its client's place until it has been sent.
struct Placed {
    body: Body,
    _place: Place,
}

impl hyper::body::Body for Placed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        Router,
        http::StatusCode,
        middleware::{Next, from_fn},
        routing::get,
    };
    use tokio::sync::Notify;
    use tower::ServiceExt;

    use super::*;
    use crate::http::body;

    const SOON: Duration = Duration::from_millis(30);
    const NEVER: Duration = Duration::from_secs(3_600);

    fn config(max_requests: u32, turn: Duration, body: Duration) -> Config {
        let mut config = Config::default();
        config.server.max_requests = max_requests;
        (config.timers.turn, config.timers.body) = (turn, body);
        config
    }

    /// `/held` is worked on until it is let go of, `/read` reads its body, `/health` is health.
    fn desk(config: &Config) -> (Router, Arc<Notify>, Arc<Notify>) {
        let (begun, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (has_begun, may_end) = (begun.clone(), end.clone());
        let held = get(async move || {
            has_begun.notify_one();
            may_end.notified().await;
        });
        let read = |body: Body| async { body::read(body).await.map(|bytes| bytes.len().to_string()) };
        let router = Router::new().route("/held", held).route("/health", get(|| async {})).route("/read", get(read));
        (within(router, config), begun, end)
    }

    /// Under the layer.
    fn within(routes: Router, config: &Config) -> Router {
        let intake = Arc::new(Intake::new(config));
        routes.layer(from_fn(move |request, next: Next| {
            let intake = intake.clone();
            async move { layer(&intake, request, |request| next.run(request)).await }
        }))
    }

    fn request(path: &str, body: Body) -> Request {
        Request::builder().uri(path).body(body).unwrap()
    }

    async fn status(desk: &Router, path: &str, body: Body) -> StatusCode {
        desk.clone().oneshot(request(path, body)).await.unwrap().status()
    }

    /// A body whose end never comes.
    struct Endless;

    impl hyper::body::Body for Endless {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn beyond_the_bound_requests_wait_for_a_turn_and_are_then_told_to_come_back() {
        let (desk, begun, end) = desk(&config(1, SOON, NEVER));
        let held = tokio::spawn(desk.clone().oneshot(request("/held", Body::empty())));
        begun.notified().await;
        for body in [Body::empty(), Body::from("x")] {
            let refused = desk.clone().oneshot(request("/read", body)).await.unwrap();
            assert_eq!(refused.status(), 503);
            assert_eq!(refused.extensions().get::<crate::error::Problem>().unwrap().retry_after, Some(1));
        }
        assert_eq!(status(&desk, "/health", Body::empty()).await, 200, "whoever watches is always answered");
        end.notify_one();
        assert_eq!(held.await.unwrap().unwrap().status(), 200);
        assert_eq!(status(&desk, "/read", Body::from("x")).await, 200);
    }

    #[tokio::test]
    async fn whoever_waits_for_a_turn_gets_it() {
        let (desk, begun, end) = desk(&config(1, NEVER, NEVER));
        let held = tokio::spawn(desk.clone().oneshot(request("/held", Body::empty())));
        begun.notified().await;
        let waiting = tokio::spawn(desk.clone().oneshot(request("/read", Body::from("x"))));
        end.notify_one();
        assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
        held.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_takes_no_turn_and_ends_in_time() {
        let (desk, ..) = desk(&config(1, SOON, SOON * 3));
        let slow: Vec<_> = (0..8).map(|_| tokio::spawn(desk.clone().oneshot(request("/read", Body::new(Endless))))).collect();
        assert_eq!(status(&desk, "/read", Body::from("x")).await, 200);
        for one in slow {
            assert_eq!(one.await.unwrap().unwrap().status(), 408);
        }
    }

    #[tokio::test]
    async fn an_answer_that_streams_takes_no_turn() {
        let streaming = Router::new().route("/stream", get(|| async { Body::new(Endless) }));
        let desk = within(streaming, &config(1, SOON, NEVER));
        let streams =
            [desk.clone().oneshot(request("/stream", Body::empty())).await, desk.oneshot(request("/stream", Body::empty())).await];
        assert!(streams.iter().all(|stream| stream.as_ref().unwrap().status() == 200));
    }

    #[test]
    fn bodies_in_memory_are_bounded_together() {
        let held = Arc::new(AtomicUsize::new(0));
        let share = || Share { held: held.clone(), own: AtomicUsize::new(0), turn: Mutex::default() };
        let (one, other) = (share(), share());
        assert!(one.hold(MOST_HELD - 10) && other.hold(10));
        assert!(!other.hold(1));
        drop(one);
        assert!(other.hold(1));
        drop(other);
        assert_eq!(held.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn behind_a_proxy_each_client_has_a_bound_of_its_own() {
        let mut config = config(64, NEVER, NEVER);
        config.server.max_connections_per_address = 1;
        config.server.trusted_proxies = vec!["10.0.0.1".into()];
        let (desk, begun, end) = desk(&config);
        let ask = |path: &str, client: &str| {
            let mut request = request(path, Body::empty());
            request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 1))));
            request.headers_mut().insert("x-forwarded-for", client.parse().unwrap());
            desk.clone().oneshot(request)
        };
        let held = tokio::spawn(ask("/held", "192.0.2.1"));
        begun.notified().await;
        assert_eq!(ask("/read", "192.0.2.1").await.unwrap().status(), 503);
        assert_eq!(ask("/read", "192.0.2.2").await.unwrap().status(), 200);
        end.notify_one();
        held.await.unwrap().unwrap();
        assert_eq!(ask("/read", "192.0.2.1").await.unwrap().status(), 200);
    }
}
