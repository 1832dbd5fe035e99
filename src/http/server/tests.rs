//! Single connections over a pipe in memory, with short timers. Each test waits for what the connection does; the limit
//! is only for one that does nothing.

use std::{convert::Infallible, future::Future, net::IpAddr, sync::Arc, time::Duration};

use axum::body::Body;
use hyper::{Request, body::Incoming, service::service_fn};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Timers, connection,
    gate::{Client, Counts, Gate},
    io::WatchedIo,
    watch::{Upload, Watch, Watched},
};
use crate::config;

const LIMIT: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_millis(30);
const NEVER: Duration = Duration::from_secs(3_600);

/// Timers that never ring.
fn patient() -> Timers {
    Timers {
        head: NEVER,
        body: NEVER,
        idle: NEVER,
        write: NEVER,
        linger: NEVER,
        turn: NEVER,
        yields: NEVER,
        last_request: NEVER,
        drain: NEVER,
        stop: NEVER,
    }
}

/// A connection whose every request is answered with a body of this size.
struct Connection {
    client: DuplexStream,
    watch: Arc<Watch>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Connection {
    fn with(timers: Timers, answer: usize) -> Self {
        Self::answering(timers, move |request: Request<Incoming>, watch| async move {
            let mut upload = Body::new(Upload::new(request.into_body(), watch));
            while http_body_util::BodyExt::frame(&mut upload).await.is_some() {}
            Body::from(vec![b'x'; answer])
        })
    }

    fn answering<Fut>(timers: Timers, answer: impl Fn(Request<Incoming>, Arc<Watch>) -> Fut + Send + Sync + 'static) -> Self
    where
        Fut: Future<Output = Body> + Send + 'static,
    {
        let (client, server) = duplex(1024);
        let (watch, stop) = (Watch::new(Arc::new(timers)), CancellationToken::new());
        let (watched, stopping) = (watch.clone(), stop.clone());
        let task = tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let (watch, begun) = (watched.clone(), watched.begin());
                let body = answer(request, watch.clone());
                async move {
                    assert!(begun);
                    Ok::<_, Infallible>(axum::response::Response::new(Watched::new(body.await, watch)))
                }
            });
            connection::drive(WatchedIo::new(server, watched.clone()), service, &watched, &stopping).await;
        });
        Self { client, watch, stop, task }
    }

    async fn send(&mut self, bytes: &str) {
        self.client.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Everything until the other side closes.
    async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        timeout(LIMIT, self.client.read_to_end(&mut bytes)).await.expect("it closes").unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Everything up to the end of the first answer.
    async fn answer(&mut self) -> String {
        let mut seen = String::new();
        while !seen.ends_with("\r\n\r\nxx") {
            let mut byte = [0];
            timeout(LIMIT, self.client.read_exact(&mut byte)).await.expect("an answer").unwrap();
            seen.push(char::from(byte[0]));
        }
        seen
    }

    async fn ended(self) {
        timeout(LIMIT, self.task).await.expect("the connection ends").unwrap();
    }
}

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn whoever_says_nothing_is_let_go() {
    let mut silent = Connection::with(Timers { head: SOON, ..patient() }, 2);
    assert_eq!(silent.rest().await, "");
}

#[tokio::test]
async fn a_head_must_end_in_time_however_busily_it_drips() {
    let connection = Connection::with(Timers { head: SOON * 3, ..patient() }, 2);
    let (mut from, mut to) = tokio::io::split(connection.client);
    let drip = async {
        let head = GET.trim_end().bytes().cycle();
        for byte in head {
            if to.write_all(&[byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(1)).await;
        }
    };
    let mut bytes = Vec::new();
    tokio::select! {
        () = drip => {}
        closed = timeout(LIMIT, from.read_to_end(&mut bytes)) => { closed.expect("it closes").unwrap(); }
    }
    timeout(LIMIT, connection.task).await.expect("it ends").unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_answer() {
    let mut idle = Connection::with(Timers { idle: SOON, ..patient() }, 2);
    idle.send(GET).await;
    assert!(idle.rest().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_connection_is_kept_for_its_next_request() {
    let mut kept = Connection::with(patient(), 2);
    for _ in 0..3 {
        kept.send(GET).await;
        assert!(kept.answer().await.starts_with("HTTP/1.1 200"));
    }
    assert!(kept.watch.waiting(tokio::time::Instant::now()).is_some());
}

#[tokio::test]
async fn whoever_takes_nothing_of_an_answer_is_cut() {
    let mut slow = Connection::with(Timers { write: SOON, ..patient() }, 1_000_000);
    slow.send(GET).await;
    slow.ended().await;
}

#[tokio::test]
async fn whoever_takes_an_answer_bit_by_bit_is_cut() {
    let connection = Connection::with(Timers { write: SOON * 3, ..patient() }, 1_000_000);
    let (mut from, mut to) = tokio::io::split(connection.client);
    to.write_all(GET.as_bytes()).await.unwrap();
    let mut taken = 0;
    while let Ok(1..) = timeout(LIMIT, from.read(&mut [0])).await.expect("bytes or the end") {
        taken += 1;
        sleep(Duration::from_millis(1)).await;
    }
    assert!(taken < 500_000, "{taken}");
    timeout(LIMIT, connection.task).await.expect("it ends").unwrap();
}

#[tokio::test]
async fn whoever_takes_a_large_answer_steadily_gets_it_whole() {
    let mut steady = Connection::with(Timers { write: SOON * 100, idle: SOON, ..patient() }, 3_000_000);
    steady.send(GET).await;
    assert!(steady.rest().await.len() > 3_000_000);
}

#[tokio::test]
async fn a_stop_ends_idle_connections_after_a_last_call() {
    let mut idle = Connection::with(Timers { last_request: SOON, linger: SOON, ..patient() }, 2);
    idle.send(GET).await;
    idle.answer().await;
    idle.stop.cancel();
    assert_eq!(idle.rest().await, "");
    idle.ended().await;
}

#[tokio::test]
async fn a_stop_finishes_the_request_in_flight_and_says_that_it_closes() {
    let asked = CancellationToken::new();
    let answered = CancellationToken::new();
    let (seen, may) = (asked.clone(), answered.clone());
    let mut busy = Connection::answering(Timers { linger: SOON, ..patient() }, move |_, _| {
        let (seen, may) = (seen.clone(), may.clone());
        async move {
            seen.cancel();
            may.cancelled().await;
            Body::from("xx")
        }
    });
    busy.send(GET).await;
    timeout(LIMIT, asked.cancelled()).await.unwrap();
    busy.stop.cancel();
    // The connection's turn comes: it sees that the desk stops before its handler may go on.
    tokio::task::yield_now().await;
    answered.cancel();
    let answer = busy.rest().await;
    assert!(answer.contains("\r\nconnection: close\r\n") && answer.ends_with("xx"), "{answer}");
    busy.ended().await;
}

#[tokio::test]
async fn a_stop_waits_for_a_head_that_has_begun() {
    let mut begun = Connection::with(Timers { linger: SOON, ..patient() }, 2);
    begun.send("GET / HTTP/1.1\r\n").await;
    begun.stop.cancel();
    begun.send("host: x\r\n\r\n").await;
    assert!(begun.answer().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_answer_is_not_lost_by_what_the_client_still_sends() {
    let (linger, close) = (SOON * 100, "connection: close\r\n");
    let mut talkative = Connection::answering(Timers { linger, ..patient() }, |_, _| async { Body::from("xx") });
    talkative.send(&format!("POST / HTTP/1.1\r\nhost: x\r\n{close}content-length: 100000\r\n\r\n")).await;
    // More than the pipe holds: it must be read by the other side.
    timeout(LIMIT, talkative.client.write_all(&vec![b'y'; 50_000])).await.expect("it is read").unwrap();
    assert!(talkative.answer().await.starts_with("HTTP/1.1 200"));
}

fn gate(max_connections: u32, max_connections_per_address: u32, proxies: &[&str], yields: Duration) -> Gate {
    let trusted_proxies = proxies.iter().map(|&proxy| proxy.to_owned()).collect();
    let server = config::Server { trusted_proxies, max_connections, max_connections_per_address, ..config::Server::default() };
    Gate::new(&server, usize::MAX, yields)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[tokio::test]
async fn one_address_does_not_take_the_room_of_others() {
    let gate = gate(16, 2, &[], NEVER);
    let enter = |address: &str| gate.enter(ip(address), &Watch::new(Arc::new(patient())));
    let (one, _two) = (enter("192.0.2.1").unwrap(), enter("::ffff:192.0.2.1").unwrap());
    assert!(enter("192.0.2.1").is_none());
    let _other = enter("192.0.2.2").unwrap();
    drop(one);
    assert!(enter("192.0.2.1").is_some());
    let _v6 = (enter("2001:db8::1").unwrap(), enter("2001:db8::ffff:1").unwrap());
    assert!(enter("2001:db8::2").is_none(), "a /64 network is one client");
    assert!(enter("2001:db8:0:1::2").is_some());
}

#[tokio::test]
async fn a_trusted_proxy_has_no_bound_of_its_own() {
    let gate = gate(16, 1, &["10.0.0.0/8"], NEVER);
    let slots: Vec<_> = (0..17).map(|_| gate.enter(ip("10.1.2.3"), &Watch::new(Arc::new(patient())))).collect();
    assert_eq!(slots.iter().flatten().count(), 16, "only the bound of all");
}

#[tokio::test]
async fn whoever_has_waited_longest_gives_way_and_whoever_is_served_does_not() {
    let gate = gate(16, 2, &[], Duration::ZERO);
    let enter = |watch: &Arc<Watch>| gate.enter(ip("192.0.2.1"), watch);
    let watches: Vec<_> = (0..4).map(|_| Watch::new(Arc::new(patient()))).collect();
    let mut slots = vec![enter(&watches[0]).unwrap(), enter(&watches[1]).unwrap()];
    assert!(watches[0].begin(), "the first one has a request");
    slots.extend(enter(&watches[2]));
    assert_eq!(slots.len(), 3);
    assert!(!watches[1].begin(), "the second one has been given up");
    assert!(watches[2].begin());
    assert!(enter(&watches[3]).is_none(), "both have requests");
    // A slot that was taken away is not given back twice.
    slots.remove(1);
    assert!(enter(&watches[3]).is_none());
    slots.remove(0);
    assert!(enter(&watches[3]).is_some());
}

#[tokio::test]
async fn nobody_gives_way_who_has_only_just_come() {
    let gate = gate(16, 1, &[], NEVER);
    let _slot = gate.enter(ip("192.0.2.1"), &Watch::new(Arc::new(patient()))).unwrap();
    assert!(gate.enter(ip("192.0.2.1"), &Watch::new(Arc::new(patient()))).is_none());
}

#[test]
fn counts_are_given_back() {
    let counts = Counts::default();
    let client = Client::from(ip("192.0.2.1"));
    let (one, two) = (counts.take(client, 2), counts.take(client, 2));
    assert!(one.is_some() && two.is_some() && counts.take(client, 2).is_none());
    assert!(counts.take(Client::from(ip("192.0.2.2")), 2).is_some());
    drop(one);
    assert!(counts.take(client, 2).is_some());
    assert!(counts.take(client, 0).is_none());
}
