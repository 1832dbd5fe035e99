//! What a connection is waiting for, and until when. The connection's task, its stream and its service share it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Timers, framing::Framing};

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Accepted, and nothing has come yet.
    Fresh,
    /// Between two requests; the end of an answer may still be in a buffer.
    Idle,
    /// Within a request's head.
    Head,
    /// A request is worked on, or its answer is being sent.
    Busy,
    /// A request is worked on, and the rest of its body is waited for.
    Body,
    /// Everything has been sent; what still comes is dropped.
    Lingering,
    /// Given up for another connection.
    Evicted,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    /// Since when the client has taken too little of an answer, and how much of it.
    stalled: Option<(Instant, usize)>,
    /// When an idle connection is closed because the desk stops.
    last_call: Option<Instant>,
    /// The head of the request that is being read.
    framing: Framing,
}

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Watch {
    timers: Arc<Timers>,
    state: Mutex<State>,
}

impl Watch {
    /// Of a connection that has just been accepted.
    pub(super) fn new(timers: Arc<Timers>) -> Arc<Self> {
        let state = State { phase: Phase::Fresh, since: Instant::now(), stalled: None, last_call: None, framing: Framing::default() };
        Arc::new(Self { timers, state: Mutex::new(state) })
    }

    /// A request has come whole, but for its body. False when the connection has been given up meanwhile.
    pub(super) fn begin(&self) -> bool {
        let mut state = self.state.lock();
        let begun = state.phase != Phase::Evicted;
        if begun {
            state.phase = Phase::Busy;
        }
        begun
    }

    /// An answer has been handed over to the end.
    fn answered(&self) {
        let mut state = self.state.lock();
        if matches!(state.phase, Phase::Busy | Phase::Body) {
            (state.phase, state.since) = (Phase::Idle, Instant::now());
        }
    }

    /// The rest of a body is waited for, or no more.
    fn uploading(&self, waits: bool) {
        let mut state = self.state.lock();
        match (state.phase, waits) {
            (Phase::Busy, true) => (state.phase, state.since) = (Phase::Body, Instant::now()),
            (Phase::Body, false) => state.phase = Phase::Busy,
            _ => {}
        }
    }

    /// Bytes have come.
    pub(super) fn received(&self, come: &[u8]) {
        let mut state = self.state.lock();
        if matches!(state.phase, Phase::Fresh | Phase::Idle) {
            if state.phase == Phase::Idle {
                state.since = Instant::now();
            }
            state.phase = Phase::Head;
            state.framing = Framing::default();
        }
        if state.phase == Phase::Head {
            state.framing.take(come);
        }
    }

    /// Whether the request that has just begun frames its body in two ways. Of one that was sent before the answer to the
    /// one before it this is not known; the connection ends after it, so that nothing hidden in it is answered either way.
    pub(super) fn took_framed_twice(&self) -> bool {
        std::mem::take(&mut self.state.lock().framing).is_twice()
    }

    /// The client has taken `bytes` of an answer, and more are waiting for it.
    pub(super) fn stalled(&self, bytes: usize) {
        let mut state = self.state.lock();
        let (since, taken) = state.stalled.unwrap_or_else(|| (Instant::now(), 0));
        let taken = taken + bytes;
        state.stalled = Some(if taken < super::io::LEAST_TAKEN { (since, taken) } else { (Instant::now(), 0) });
    }

    /// The client has taken all that there was.
    pub(super) fn flowing(&self) {
        let mut state = self.state.lock();
        state.stalled = None;
        if state.phase == Phase::Idle {
            state.since = Instant::now();
        }
    }

    /// Everything has been sent.
    pub(super) fn linger(&self) {
        let mut state = self.state.lock();
        (state.phase, state.since, state.stalled) = (Phase::Lingering, Instant::now(), None);
    }

    /// The desk stops: whoever waits without having begun a request has a moment left. Whether that is the case.
    pub(super) fn call_last(&self) -> bool {
        let mut state = self.state.lock();
        let waits = matches!(state.phase, Phase::Fresh | Phase::Idle);
        if waits {
            state.last_call = Some(Instant::now() + self.timers.last_request);
        }
        waits
    }

    /// Whether that moment is over, without a request.
    pub(super) fn is_past_last_call(&self) -> bool {
        let mut state = self.state.lock();
        let past = matches!(state.phase, Phase::Fresh | Phase::Idle) && state.last_call.is_some_and(|at| at <= Instant::now());
        if past {
            state.last_call = None;
        }
        past
    }

    /// When something must be done about the connection, if it stays as it is.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let state = self.state.lock();
        let own = match state.phase {
            Phase::Fresh | Phase::Head => Some(state.since + self.timers.head),
            // What is left of an answer is still being sent.
            Phase::Idle if state.stalled.is_some() => None,
            Phase::Idle => Some(state.since + self.timers.idle),
            Phase::Lingering => Some(state.since + self.timers.linger),
            Phase::Busy | Phase::Body | Phase::Evicted => None,
        };
        let stalled = state.stalled.map(|(since, _)| since + self.timers.write);
        let last = state.last_call.filter(|_| matches!(state.phase, Phase::Fresh | Phase::Idle));
        [own, stalled, last].into_iter().flatten().min()
    }

    /// How long it has been waiting for its client, by `now`; `None` while the client waits for the desk.
    pub(super) fn waiting(&self, now: Instant) -> Option<Duration> {
        self.state.lock().waits_since().map(|since| now.saturating_duration_since(since))
    }

    /// Gives the connection up, unless its client waits for the desk. Whether it did.
    pub(super) fn evict(&self) -> bool {
        let mut state = self.state.lock();
        let waits = state.waits_since().is_some();
        if waits {
            state.phase = Phase::Evicted;
        }
        waits
    }
}

impl State {
    fn waits_since(&self) -> Option<Instant> {
        match self.phase {
            Phase::Fresh | Phase::Idle | Phase::Head | Phase::Body | Phase::Lingering => Some(self.since),
            Phase::Busy => self.stalled.map(|(since, _)| since),
            Phase::Evicted => None,
        }
    }
}

/// The body of a request.
#[derive(Debug)]
pub(super) struct Upload {
    body: Incoming,
    watch: Arc<Watch>,
    waits: bool,
}

impl Upload {
    pub(super) fn new(body: Incoming, watch: Arc<Watch>) -> Self {
        Self { body, watch, waits: false }
    }

    fn waits(&mut self, waits: bool) {
        if waits != self.waits {
            self.waits = waits;
            self.watch.uploading(waits);
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.waits(false);
    }
}

impl hyper::body::Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        match &frame {
            // Whoever sends bit by bit waits since the first one.
            Poll::Pending => self.waits(true),
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(_) => self.waits(false),
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer. When it is over, the connection waits for its next request.
#[derive(Debug)]
pub(super) struct Watched {
    body: Body,
    watch: Arc<Watch>,
}

impl Watched {
    pub(super) fn new(body: Body, watch: Arc<Watch>) -> Self {
        Self { body, watch }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watch.answered();
    }
}

impl hyper::body::Body for Watched {
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
