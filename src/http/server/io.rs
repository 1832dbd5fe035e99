//! A connection's stream, with its comings and goings told to the [`Watch`].

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::watch::Watch;

/// What a client must take of an answer in [`Timers::write`](super::Timers::write), in bytes: as long as more is waiting
/// for it, less means that it reads slowly on purpose, or not at all.
pub(super) const LEAST_TAKEN: usize = 16 * 1024;

/// What is read and dropped after the last answer, in bytes.
const MOST_DROPPED: usize = 16 * 1024 * 1024;

/// A stream that is watched.
pub(super) struct WatchedIo<S> {
    stream: S,
    watch: Arc<Watch>,
    stalled: bool,
    shut: bool,
    dropped: usize,
}

impl<S> WatchedIo<S> {
    pub(super) fn new(stream: S, watch: Arc<Watch>) -> Self {
        Self { stream, watch, stalled: false, shut: false, dropped: 0 }
    }

    /// Notes how a write of `wanted` bytes went.
    fn wrote(&mut self, outcome: &Poll<io::Result<usize>>, wanted: usize) {
        let taken = match outcome {
            Poll::Pending => Some(0),
            Poll::Ready(Ok(n)) if self.stalled || *n < wanted => Some(*n),
            Poll::Ready(_) => None,
        };
        if let Some(taken) = taken {
            self.stalled = true;
            self.watch.stalled(taken);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedIo<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let come = &buf.filled()[before..];
        if !come.is_empty() {
            self.watch.received(come);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WatchedIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(&outcome, buf.len());
        outcome
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(&outcome, bufs.iter().map(|buf| buf.len()).sum());
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        // The HTTP connection flushes when it has nothing left to write.
        if std::mem::take(&mut self.stalled) {
            self.watch.flowing();
        }
        Poll::Ready(Ok(()))
    }

    /// Says that nothing more will come, then reads on until the client closes, too: a close with unread data would make
    /// the system reset the connection, and the client might lose an answer that it has not read yet.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.shut = true;
            self.watch.linger();
        }
        let mut scratch = [0; 4096];
        while self.dropped < MOST_DROPPED {
            let mut buf = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => self.dropped += buf.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
