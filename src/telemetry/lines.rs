//! Lines on their way to the standard error stream. A busy desk answers tens of thousands of requests a second, and a
//! write for each of their lines costs more than many of the requests: those are gathered for a moment and written
//! together. Every other line is written at once, after those that came before it.

use std::{
    io::{self, Stderr, Write},
    sync::LazyLock,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// The target of the lines that are gathered, unless they are warnings or errors.
pub const REQUESTS: &str = "taquilla::request";

/// How long a line is kept at the most: what a killed process loses.
const LONGEST: Duration = Duration::from_millis(25);

/// So many gathered bytes are written by whoever brings them, so that a slow reader slows the desk and not its memory.
const MOST: usize = 1024 * 1024;

/// The lines of this process.
static LINES: LazyLock<Lines<Stderr>> = LazyLock::new(|| Lines::to(io::stderr()));

/// Writes what has been gathered.
pub(super) fn flush() {
    LINES.flush();
}

/// The way to the standard error stream. Without the thread that writes what has been gathered, nothing is gathered.
pub(super) fn to_stderr() -> To<Stderr> {
    let writing = std::thread::Builder::new().name("log".into()).spawn(|| LINES.write_on());
    To { lines: &LINES, gathers: writing.is_ok() }
}

struct Lines<W> {
    gathered: Mutex<Vec<u8>>,
    come: Condvar,
    out: Mutex<Out<W>>,
}

struct Out<W> {
    sink: W,
    /// Takes the place of what is being written.
    spare: Vec<u8>,
}

impl<W: Write> Lines<W> {
    const fn to(sink: W) -> Self {
        Self { gathered: Mutex::new(Vec::new()), come: Condvar::new(), out: Mutex::new(Out { sink, spare: Vec::new() }) }
    }

    fn gather(&self, line: &[u8]) {
        let mut gathered = self.gathered.lock();
        if gathered.is_empty() {
            self.come.notify_one();
        }
        gathered.extend_from_slice(line);
        if gathered.len() > MOST {
            drop(gathered);
            self.flush();
        }
    }

    fn flush(&self) {
        self.write_then(&[]);
    }

    /// Writes what has been gathered, then `line`. A log that cannot be written is nothing that could be logged.
    fn write_then(&self, line: &[u8]) {
        let mut out = self.out.lock();
        let Out { sink, spare } = &mut *out;
        std::mem::swap(&mut *self.gathered.lock(), spare);
        spare.extend_from_slice(line);
        let _ = sink.write_all(spare).and_then(|()| sink.flush());
        spare.clear();
    }

    /// Writes what is gathered, again and again.
    fn write_on(&self) {
        loop {
            let mut gathered = self.gathered.lock();
            self.come.wait_while(&mut gathered, |gathered| gathered.is_empty());
            drop(gathered);
            std::thread::park_timeout(LONGEST);
            self.flush();
        }
    }
}

/// Where the log writes its lines.
pub(super) struct To<W: 'static> {
    lines: &'static Lines<W>,
    gathers: bool,
}

/// Takes one line.
pub(super) struct Line<W: 'static> {
    lines: &'static Lines<W>,
    gathered: bool,
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.gathered {
            self.lines.gather(line);
        } else {
            self.lines.write_then(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write + 'static> MakeWriter<'_> for To<W> {
    type Writer = Line<W>;

    fn make_writer(&self) -> Line<W> {
        Line { lines: self.lines, gathered: false }
    }

    fn make_writer_for(&self, line: &Metadata<'_>) -> Line<W> {
        Line { lines: self.lines, gathered: self.gathers && line.target() == REQUESTS && *line.level() >= Level::INFO }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Tells what is written.
    struct Sent(std::sync::mpsc::Sender<Vec<u8>>);

    impl Write for Sent {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines() -> &'static Lines<Vec<u8>> {
        Box::leak(Box::new(Lines::to(Vec::new())))
    }

    fn written(lines: &Lines<Vec<u8>>) -> String {
        String::from_utf8(lines.out.lock().sink.clone()).unwrap()
    }

    #[test]
    fn lines_of_requests_wait_for_others_and_all_keep_their_order() {
        let lines = lines();
        let to = To { lines, gathers: true };
        let log = tracing_subscriber::registry()
            .with(tracing_subscriber::fmt::layer().without_time().with_target(false).with_ansi(false).with_writer(to));
        tracing::subscriber::with_default(log, || {
            tracing::info!("one");
            tracing::info!(target: REQUESTS, "two");
            tracing::info!(target: REQUESTS, "three");
            assert_eq!(written(lines), " INFO one\n");
            tracing::warn!(target: REQUESTS, "four");
            assert_eq!(written(lines), " INFO one\n INFO two\n INFO three\n WARN four\n");
            tracing::info!(target: REQUESTS, "five");
        });
        lines.flush();
        assert!(written(lines).ends_with(" WARN four\n INFO five\n"));
    }

    #[test]
    fn what_is_gathered_is_bounded() {
        let lines = lines();
        lines.gather(&vec![b'x'; MOST]);
        assert_eq!(written(lines), "");
        lines.gather(b"y");
        assert_eq!(written(lines).len(), MOST + 1);
    }

    #[test]
    fn what_is_gathered_is_written_soon_without_being_asked_for() {
        let (send, receive) = std::sync::mpsc::channel();
        let lines: &'static Lines<Sent> = Box::leak(Box::new(Lines::to(Sent(send))));
        std::thread::spawn(|| lines.write_on());
        for line in [b"one", b"two"] {
            lines.gather(line);
            assert_eq!(receive.recv_timeout(Duration::from_secs(20)).unwrap(), line);
        }
    }
}
