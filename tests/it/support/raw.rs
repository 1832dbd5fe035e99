//! A client that sends any bytes it likes, and reads what comes back byte by byte.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::Desk;

/// No answer takes longer.
const DEADLINE: Duration = Duration::from_secs(20);

/// A connection to a desk.
pub struct Raw {
    stream: TcpStream,
    seen: Vec<u8>,
}

impl Raw {
    /// Connects to a desk, or to another address of the form `http://127.0.0.1:PORT`.
    pub async fn connect(url: &str) -> Self {
        Self::connect_from(url, [127, 0, 0, 1]).await
    }

    /// The same from a given address of this machine.
    pub async fn connect_from(url: &str, from: [u8; 4]) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        let to: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
        Self { stream: socket.connect(to).await.unwrap(), seen: Vec::new() }
    }

    /// Sends bytes. What the other side does not take any more is dropped.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = timeout(DEADLINE, self.stream.write_all(bytes.as_ref())).await.expect("it reads");
    }

    /// The next answer; `None` when the connection ends without one. A reset is a failure.
    pub async fn answer(&mut self) -> Option<Answer> {
        timeout(DEADLINE, self.read()).await.expect("an answer or the end").expect("no reset")
    }

    /// The next answer, however long it takes; `None` when the connection ends without one.
    async fn read(&mut self) -> std::io::Result<Option<Answer>> {
        loop {
            if let Some(answer) = Answer::take(&mut self.seen) {
                return Ok(Some(answer));
            }
            let mut buf = [0; 8192];
            match self.stream.read(&mut buf).await? {
                0 => {
                    assert!(self.seen.is_empty(), "half an answer: {}", String::from_utf8_lossy(&self.seen));
                    return Ok(None);
                }
                n => self.seen.extend(&buf[..n]),
            }
        }
    }

    /// Sends a byte at a time, at this pace, until something comes; `None` when the connection ends without an answer.
    pub async fn drip(&mut self, pace: Duration) -> Option<Answer> {
        let mut beats = tokio::time::interval(pace);
        loop {
            tokio::select! {
                answer = self.read() => return answer.ok().flatten(),
                _ = beats.tick() => self.send("x").await,
            }
        }
    }

    /// Asks whether the desk is healthy, on this connection.
    pub async fn is_served(&mut self) -> bool {
        self.send("GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await;
        self.answer().await.is_some_and(|answer| answer.status == 200)
    }

    /// Whether the other side closes the connection, without saying anything more.
    pub async fn is_closed(&mut self) -> bool {
        let mut buf = [0; 1];
        matches!(timeout(DEADLINE, self.stream.read(&mut buf)).await.expect("the end"), Ok(0) | Err(_))
    }
}

impl Desk {
    /// A raw connection to this desk.
    pub async fn raw(&self) -> Raw {
        Raw::connect(&self.url).await
    }
}

/// An answer as it came over the wire.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Takes one from the beginning of what has come, when it is whole.
    fn take(seen: &mut Vec<u8>) -> Option<Self> {
        let end = seen.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(seen[..end].to_vec()).unwrap();
        let mut lines = head.lines();
        let status = lines.next()?.strip_prefix("HTTP/1.").unwrap_or_else(|| panic!("no answer: {head}"))[2..5].parse().unwrap();
        let headers: Vec<_> =
            lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        let mut answer = Self { status, headers, body: Vec::new() };
        let length = match (answer.header("content-length"), status) {
            (_, 100..200 | 204 | 304) => 0,
            (length, _) => length.parse().unwrap_or_else(|_| panic!("an answer without a length: {head}")),
        };
        if seen.len() < end + length {
            return None;
        }
        answer.body = seen[end..end + length].to_vec();
        seen.drain(..end + length);
        Some(answer)
    }

    /// A header's value; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}
