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
            self.watch.received(|| is_framed_twice(come));
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

/// Whether the head that begins here, as far as it has come, says in two ways where its body ends. Two readers could
/// take it for one request and for two.
fn is_framed_twice(come: &[u8]) -> bool {
    let (mut by_length, mut by_coding) = (false, false);
    for line in come.split(|byte| *byte == b'\n').skip(1) {
        match line.first() {
            None | Some(b'\r') => break,
            Some(b'c' | b'C') => by_length |= is_named(line, b"content-length"),
            Some(b't' | b'T') => by_coding |= is_named(line, b"transfer-encoding"),
            _ => {}
        }
    }
    by_length && by_coding
}

fn is_named(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)) && line.get(name.len()) == Some(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_with_two_framings_is_known() {
        let head = |lines: &str| is_framed_twice(format!("POST / HTTP/1.1\r\nhost: x\r\n{lines}\r\n").as_bytes());
        assert!(head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"));
        assert!(head("transfer-encoding: chunked\r\naccept: */*\r\nCONTENT-LENGTH: 5\r\n"));
        assert!(!head("content-length: 5\r\ncontent-length: 5\r\n"));
        assert!(!head("transfer-encoding: chunked\r\n"));
        assert!(!head("content-length-x: 5\r\ntransfer-encoding: chunked\r\n"));
        assert!(!head("content-length: 5\r\n\r\ntransfer-encoding: chunked\r\n"), "that is the body");
        assert!(!is_framed_twice(b"") && !is_framed_twice(b"content-length: 5"));
    }
}
