//! P5: a stop under load answers every request that it has received, and ends in time, whatever clients do.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
};

use crate::{
    ONE_AT_A_TIME,
    api::people,
    desk::{Desk, Work, fsck},
    setting, tell,
};

/// Workers, each with a connection of its own.
const CONNECTIONS: usize = 64;

/// Answers before the stop.
const BEFORE: u32 = 300;

/// The longest stop.
const LONGEST: Duration = Duration::from_secs(10);

/// What a worker has seen.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    opened: u64,
    answered: u64,
    refused: u64,
}

/// Sends requests, one after the other, until nobody listens any more.
async fn work(address: SocketAddr, request: Arc<str>, answers: Arc<Semaphore>) -> Result<Seen, String> {
    let mut seen = Seen::default();
    loop {
        let mut stream = match TcpStream::connect(address).await {
            Ok(stream) => stream,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(seen),
            Err(error) => return Err(format!("connecting: {error}")),
        };
        let mut served = 0;
        loop {
            let answer = exchange(&mut stream, &request).await;
            let (status, closes) = answer.map_err(|error| format!("after {served} answers on the connection: {error}"))?;
            answers.add_permits(1);
            served += 1;
            match status {
                201 => seen.opened += 1,
                200 => seen.answered += 1,
                503 => seen.refused += 1,
                other => return Err(format!("an answer {other}")),
            }
            if closes {
                break;
            }
        }
    }
}

/// Sends a request and reads its whole answer: its status, and whether it is the last one.
async fn exchange(stream: &mut TcpStream, request: &str) -> io::Result<(u16, bool)> {
    stream.write_all(request.as_bytes()).await?;
    let (mut bytes, mut buf) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let n = stream.read(&mut buf).await?;
        if n == 0 {
            return Err(io::Error::other(format!("the end instead of an answer, {} bytes of it", bytes.len())));
        }
        bytes.extend(&buf[..n]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let value = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned));
        let length: usize = value("content-length").and_then(|n| n.parse().ok()).unwrap_or_default();
        if bytes.len() >= end + 4 + length {
            return Ok((head[9..12].parse().map_err(io::Error::other)?, value("connection").is_some_and(|v| v == "close")));
        }
    }
}

fn requests(token: &str) -> [Arc<str>; 2] {
    let head = |line: &str| format!("{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n");
    let body = r#"{"title": "under load", "description": "when it stops"}"#;
    let post = format!("{}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", head("POST /api/v1/tickets"), body.len());
    let get = format!("{}\r\n", head("GET /api/v1/tickets?limit=20"));
    [post.into(), get.into()]
}

/// Tells a desk to stop, and how long that took.
async fn stop(desk: Desk) -> Duration {
    let begun = Instant::now();
    let status = tokio::task::spawn_blocking(move || desk.stop()).await.unwrap();
    assert_eq!(status.code(), Some(0));
    begun.elapsed()
}

fn address(desk: &Desk) -> SocketAddr {
    desk.root().strip_prefix("http://").unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_answers_every_request_that_it_has_received() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let rounds = setting("TAQUILLA_CRASH_STOPS", 20);
    let work_dir = Work::new();
    let (data, log) = (work_dir.path("data"), work_dir.path("desk.log"));
    let mut desk = Desk::start(&data, &log).await;
    let token = people(&desk).await[0].token.clone();
    let (mut total, mut longest) = (Seen::default(), Duration::ZERO);
    for round in 1..=rounds {
        let (mut workers, answers) = (JoinSet::new(), Arc::new(Semaphore::new(0)));
        let requests = requests(&token);
        for n in 0..CONNECTIONS {
            workers.spawn(work(address(&desk), requests[n % 2].clone(), answers.clone()));
        }
        let _ = answers.acquire_many(BEFORE).await.unwrap();
        longest = longest.max(stop(desk).await);
        for seen in workers.join_all().await {
            let seen = seen.unwrap_or_else(|lost| panic!("round {round}: a request was lost: {lost}"));
            total.opened += seen.opened;
            total.answered += seen.answered;
            total.refused += seen.refused;
        }
        assert!(longest <= LONGEST, "round {round}: {longest:?}");
        desk = Desk::start(&data, &log).await;
        let list = desk.api(&token).get("/tickets?limit=1").await;
        assert_eq!(list.header("x-total-count"), total.opened.to_string(), "round {round}");
    }
    desk.kill();
    fsck(&data, &log);
    tell(&format!("stops: {rounds} under {CONNECTIONS} connections, requests lost: 0, longest {longest:?}; {total:?}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stuck_clients_do_not_hold_a_stop_up() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let work_dir = Work::new();
    let desk = Desk::start(&work_dir.path("data"), &work_dir.path("desk.log")).await;
    let mut stuck = Vec::new();
    for bytes in
        ["", "GET /", "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"]
    {
        let mut stream = TcpStream::connect(address(&desk)).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stuck.push(stream);
    }
    // A request on a connection that was made later is answered, so the others have been accepted.
    let mut stream = TcpStream::connect(address(&desk)).await.unwrap();
    assert_eq!(exchange(&mut stream, "GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap().0, 200);
    let took = stop(desk).await;
    assert!(took <= LONGEST, "{took:?}");
    tell(&format!("stops: with stuck clients {took:?}"));
}
