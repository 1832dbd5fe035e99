//! One connection from its first byte to its last.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use axum::response::Response;
use hyper::{Request, body::Incoming, server::conn::http1, service::Service};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    io::WatchedIo,
    watch::{Watch, Watched},
};

/// The largest head that is read, in bytes. Those above 16 KiB are refused by the router in the form of all refusals;
/// larger ones than this by the parser, with a bare 431.
const LARGEST_HEAD: usize = 80 * 1024;

/// The largest buffer of a connection, in bytes; also how much of an answer is taken over before the client takes it.
const LARGEST_BUFFER: usize = 128 * 1024;

/// Serves a connection until it ends, its time is over, or the desk stops.
pub(super) async fn drive<I, S>(io: WatchedIo<I>, service: S, watch: &Watch, stop: &CancellationToken)
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<Incoming>, Response = Response<Watched>, Error = Infallible>,
{
    let mut http = http1::Builder::new();
    // The watch has the timers: hyper's one would count the pause between two requests as a slow head.
    http.max_header_size(LARGEST_HEAD).max_buf_size(LARGEST_BUFFER).header_read_timeout(None);
    let mut connection = pin!(http.serve_connection(TokioIo::new(io), service));
    let mut alarm = pin!(sleep_until(Instant::now()));
    let mut told_to_stop = pin!(stop.cancelled());
    let mut stopping = false;
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(outcome) = connection.as_mut().poll(cx) {
                if let Err(error) = outcome {
                    tracing::debug!(%error, "a connection broke");
                }
                return Poll::Ready(());
            }
            let mut closing = false;
            if !stopping && told_to_stop.as_mut().poll(cx).is_ready() {
                stopping = true;
                // What is under way is finished; what idles may have a request on its way.
                closing = !watch.call_last();
            }
            if stopping && watch.is_past_last_call() {
                closing = true;
            }
            if closing {
                connection.as_mut().graceful_shutdown();
                continue;
            }
            if is_over(watch, alarm.as_mut(), cx) {
                if stopping && watch.is_past_last_call() {
                    connection.as_mut().graceful_shutdown();
                    continue;
                }
                tracing::debug!("a connection took too long");
                return Poll::Ready(());
            }
            return Poll::Pending;
        }
    })
    .await;
}

/// Whether the connection's time is over. If not, the task is woken when that may be the case.
fn is_over(watch: &Watch, mut alarm: Pin<&mut Sleep>, cx: &mut Context<'_>) -> bool {
    while let Some(deadline) = watch.deadline() {
        // An alarm that is set too early is left as it is: most requests come and go before it rings.
        if alarm.is_elapsed() || alarm.deadline() > deadline {
            alarm.as_mut().reset(deadline);
        }
        if alarm.as_mut().poll(cx).is_pending() {
            return false;
        }
        if deadline <= Instant::now() {
            return true;
        }
    }
    false
}
