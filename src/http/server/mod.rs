//! The server under the router: accepts connections, bounds their number, gives each its timers, and ends them in good
//! order. Slow, hostile and broken clients are dealt with here, so that handlers meet only whole requests.

mod connection;
mod framing;
mod gate;
mod io;
mod watch;

use std::{
    convert::Infallible,
    io::ErrorKind,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, body::Body, extract::ConnectInfo, extract::Request, http::HeaderValue, http::header::CONNECTION, response::Response};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;
use tower_http::normalize_path::NormalizePath;

pub use gate::{Client, Counts, Place};
use gate::{Gate, Slot};
use watch::Watch;

use crate::app::AppState;

/// Connections that may be told at the same time that there is no room; further ones are closed without a word.
const MOST_TURNED_AWAY: usize = 128;

/// Descriptors that are kept for the storage and everything else that is no connection.
const OWN_DESCRIPTORS: u64 = 128;

/// The longest pause after an accept that failed because the machine has run out of something.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How often it is told that connections cannot be accepted: each accept that works may be followed by one that does not.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(10);

/// How long clients may take for what. Not settings: tests alone have others.
#[derive(Debug, Clone, PartialEq)]
pub struct Timers {
    /// From the connection, or the first byte of a further request, to the end of the request's head.
    pub head: Duration,
    /// From the first look at a body to its end.
    pub body: Duration,
    /// From an answer to the first byte of the next request.
    pub idle: Duration,
    /// In which a client that takes an answer must take `io::LEAST_TAKEN` bytes of it.
    pub write: Duration,
    /// In which what a client still sends is read and dropped, after the last answer, so that it can read that answer.
    pub linger: Duration,
    /// How long a request waits for its turn when too many are worked on.
    pub turn: Duration,
    /// How long a connection must have waited for a request before it gives way to a new one.
    pub yields: Duration,
    /// How long an idle connection may bring one last request when the desk stops.
    pub last_request: Duration,
    /// How long a stop waits for requests in flight.
    pub drain: Duration,
    /// How long a stop may take altogether.
    pub stop: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            write: Duration::from_secs(30),
            linger: Duration::from_secs(2),
            turn: Duration::from_secs(1),
            yields: Duration::from_millis(250),
            last_request: Duration::from_millis(300),
            drain: Duration::from_secs(7),
            stop: Duration::from_millis(9_500),
        }
    }
}

/// Marks a request whose connection has no room: it is only told so.
#[derive(Debug, Clone, Copy)]
pub struct TurnedAway;

/// Marks a request whose head frames its body in two ways, as request smuggling does.
#[derive(Debug, Clone, Copy)]
pub struct FramedTwice;

/// Serves connections until `stop` completes, then finishes the requests in flight, as far as they end in time.
/// [`App::shutdown`](crate::app::App::shutdown) is cancelled with the stop.
///
/// # Errors
/// A listener that does not work.
pub async fn serve(app: &AppState, listener: TcpListener, stop: impl Future<Output = ()>) -> std::io::Result<()> {
    let server = Server::new(app);
    let mut stop = pin!(stop);
    let mut pause = Duration::ZERO;
    let mut told: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = Duration::ZERO;
                server.admit(stream, peer);
            }
            // The client is gone already.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted) => {}
            Err(error) => {
                if told.is_none_or(|told| told.elapsed() >= BETWEEN_WARNINGS) {
                    told = Some(Instant::now());
                    tracing::warn!(%error, "no connection can be accepted; whoever waits without a request is let go");
                }
                server.gate.make_room();
                pause = (pause * 2).clamp(Duration::from_millis(10), LONGEST_PAUSE);
                tokio::select! {
                    () = &mut stop => break,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }
    app.shutdown.cancel();
    server.admit_backlog(listener)?;
    server.drain().await;
    Ok(())
}

struct Server {
    router: NormalizePath<Router>,
    gate: Gate,
    turned_away: Arc<tokio::sync::Semaphore>,
    connections: TaskTracker,
    stop: CancellationToken,
    timers: Arc<Timers>,
}

impl Server {
    fn new(app: &AppState) -> Self {
        let timers = Arc::new(app.config.timers.clone());
        Self {
            router: super::service(app.clone()),
            gate: Gate::new(&app.config.server, most_by_descriptors(), timers.yields),
            turned_away: Arc::new(tokio::sync::Semaphore::new(MOST_TURNED_AWAY)),
            connections: TaskTracker::new(),
            stop: app.shutdown.clone(),
            timers,
        }
    }

    /// Begins to serve a connection, or tells it that there is no room.
    fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        // Answers are small and whole: waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        let watch = Watch::new(self.timers.clone());
        if let Some(slot) = self.gate.enter(peer.ip(), &watch) {
            let (id, serving) = (slot.id(), self.serve(stream, peer, watch, Some(slot)));
            self.gate.attach(id, self.connections.spawn(serving).abort_handle());
        } else if let Ok(permit) = self.turned_away.clone().try_acquire_owned() {
            tracing::debug!(%peer, "no room for a connection");
            let hurried = Timers { head: self.timers.linger, ..(*self.timers).clone() };
            let serving = self.serve(stream, peer, Watch::new(Arc::new(hurried)), None);
            self.connections.spawn(async move {
                serving.await;
                drop(permit);
            });
        }
    }

    /// Serves a connection to its end. Without a slot, its one request is turned away.
    fn serve(&self, stream: TcpStream, peer: SocketAddr, watch: Arc<Watch>, slot: Option<Slot>) -> impl Future<Output = ()> + use<> {
        let (router, stop, away) = (self.router.clone(), self.stop.clone(), slot.is_none());
        let (watched, stopping) = (watch.clone(), stop.clone());
        let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let begun = watched.begin();
            let (router, watch, stopping) = (router.clone(), watched.clone(), stopping.clone());
            async move {
                if !begun {
                    // Its connection has been given to another one and is about to be closed.
                    std::future::pending::<()>().await;
                }
                let mut request: Request = request.map(|body| Body::new(watch::Upload::new(body, watch.clone())));
                request.extensions_mut().insert(ConnectInfo(peer));
                if away {
                    request.extensions_mut().insert(TurnedAway);
                }
                if watch.took_framed_twice() {
                    request.extensions_mut().insert(FramedTwice);
                }
                let Ok(mut response) = router.oneshot(request).await;
                if away || stopping.is_cancelled() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<Response<watch::Watched>, Infallible>(response.map(|body| watch::Watched::new(body, watch)))
            }
        });
        async move {
            connection::drive(io::WatchedIo::new(stream, watch.clone()), service, &watch, &stop).await;
            drop(slot);
        }
    }

    /// Serves those whom the system has let in already, and listens no more: what they have sent would be lost.
    fn admit_backlog(&self, listener: TcpListener) -> std::io::Result<()> {
        let listener = listener.into_std()?;
        while let Ok((stream, peer)) = listener.accept() {
            stream.set_nonblocking(true)?;
            self.admit(TcpStream::from_std(stream)?, peer);
        }
        Ok(())
    }

    /// Waits until every connection has ended; those that do not end in time are cut.
    async fn drain(&self) {
        let begun = Instant::now();
        self.connections.close();
        if tokio::time::timeout(self.timers.drain, self.connections.wait()).await.is_err() {
            let cut = self.gate.cut();
            tracing::warn!(connections = cut, seconds = begun.elapsed().as_secs(), "connections that did not end were cut");
        }
    }
}

/// How many connections the process may have, by the descriptors that the system grants it.
fn most_by_descriptors() -> usize {
    let granted = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(granted.saturating_sub(OWN_DESCRIPTORS).max(granted / 2)).unwrap_or(usize::MAX)
}

/// Asks the system for as many descriptors as it grants: each connection is one.
pub fn raise_descriptors() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Nofile, limit) {
        tracing::debug!(%error, "the number of descriptors stays as it is");
    }
}

#[cfg(test)]
mod tests;
