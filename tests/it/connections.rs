//! Connections that do not behave: too many, too slow, cut; and the desk's stop while they are there.

use std::{collections::HashMap, time::Duration};

use rustix::process::{Resource, getrlimit};
use serde_json::json;
use taquilla::http::server::raise_descriptors;
use tokio::task::JoinSet;

use crate::support::{Answer, Desk, Raw};

const GET: &str = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
const SOON: Duration = Duration::from_millis(100);

/// A request whose body does not come.
async fn stuck(desk: &Desk) -> Raw {
    let mut raw = desk.raw().await;
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n";
    raw.send(head).await;
    assert_eq!(raw.answer().await.unwrap().status, 100, "the body is being waited for");
    raw
}

/// Checks a refusal for want of room.
#[track_caller]
fn is_refusal(answer: &Answer) {
    assert_eq!((answer.status, answer.header("retry-after"), answer.header("connection")), (503, "1", "close"), "{answer:?}");
    assert_eq!(answer.json()["type"], "/problems/unavailable");
    assert_eq!(answer.json()["request_id"], answer.header("x-request-id"));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn one_address_has_its_bound_and_leaves_room_for_others() {
    let desk = Desk::start_with(|config| {
        config.server.max_connections_per_address = 2;
        config.timers.yields = Duration::from_secs(3_600);
    })
    .await;
    let mut two = [Raw::connect_from(&desk.url, [127, 0, 0, 2]).await, Raw::connect_from(&desk.url, [127, 0, 0, 2]).await];
    for raw in &mut two {
        assert!(raw.is_served().await);
    }
    let mut third = Raw::connect_from(&desk.url, [127, 0, 0, 2]).await;
    third.send(GET).await;
    is_refusal(&third.answer().await.unwrap());
    assert!(third.is_closed().await);
    assert!(Raw::connect_from(&desk.url, [127, 0, 0, 3]).await.is_served().await);
    assert!(two[0].is_served().await && two[1].is_served().await);
}

#[tokio::test]
async fn the_longest_wait_gives_way_when_there_is_no_room() {
    let desk = Desk::start_with(|config| {
        config.server.max_connections = 16;
        config.timers.yields = Duration::ZERO;
    })
    .await;
    let mut waiting = Vec::new();
    for n in 2..18 {
        let mut raw = Raw::connect_from(&desk.url, [127, 0, 0, n]).await;
        assert!(raw.is_served().await);
        waiting.push(raw);
    }
    // The first one asks again, so that the second one has waited longest.
    assert!(waiting[0].is_served().await);
    assert!(Raw::connect_from(&desk.url, [127, 0, 0, 100]).await.is_served().await);
    assert!(waiting[1].is_closed().await);
    assert!(waiting[0].is_served().await && waiting[2].is_served().await);
}

#[tokio::test]
async fn a_thousand_slow_connections_do_not_keep_others_out() {
    let desk = Desk::start_with(|config| {
        config.server.max_connections = 64;
        config.timers.yields = Duration::ZERO;
    })
    .await;
    let user = desk.user("eva").await;
    let mut slow = Vec::new();
    for n in 0..1_000 {
        let mut raw = desk.raw().await;
        raw.send(if n % 2 == 0 { "GET / HT" } else { "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{" }).await;
        slow.push(raw);
        if n % 100 == 0 {
            user.post("/tickets", json!({"title": "t", "description": "d"})).await.expect(201);
        }
    }
    assert!(desk.raw().await.is_served().await);
    user.get("/tickets").await.expect(200);
    assert!(slow[0].is_closed().await, "it has given way");
}

#[tokio::test]
async fn two_thousand_clients_that_drip_are_cut_in_time_and_nobody_waits_for_them() {
    raise_descriptors();
    // Both ends of each are in this process; some are left for everything else.
    let granted = getrlimit(Resource::Nofile).current.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let count = (granted.saturating_sub(400) / 2).min(2_000);
    let time = Duration::from_secs(4);
    let desk = Desk::start_with(|config| (config.timers.head, config.timers.body) = (time, time)).await;
    let user = desk.user("eva").await;
    let mut slow = Vec::new();
    for n in 0..count {
        let mut raw = desk.raw().await;
        raw.send(if n % 2 == 0 { "GET / HT" } else { "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\n" }).await;
        if n % 2 == 1 {
            raw.send("content-type: application/json\r\ncontent-length: 9999\r\n\r\n{").await;
        }
        slow.push(raw);
    }
    let mut dripping = JoinSet::new();
    for mut raw in slow {
        dripping.spawn(async move { raw.drip(Duration::from_secs(1)).await.map_or(0, |answer| answer.status) });
    }
    let mut served = 0;
    let mut ends = HashMap::new();
    let all = async {
        while let Some(status) = dripping.join_next().await {
            *ends.entry(status.unwrap()).or_insert(0) += 1;
        }
    };
    let others = async {
        loop {
            user.post("/tickets", json!({"title": "t", "description": "d"})).await.expect(201);
            assert!(desk.raw().await.is_served().await);
            served += 1;
        }
    };
    tokio::select! {
        ended = tokio::time::timeout(Duration::from_secs(60), all) => ended.expect("all are cut"),
        () = others => {}
    }
    assert!(served > 0, "others are served meanwhile");
    // A head that does not end is cut without a word, a body is told why.
    assert_eq!(ends, HashMap::from([(0, count - count / 2), (408, count / 2)]));
    user.get("/tickets").await.expect(200);
}

#[tokio::test]
async fn heads_bodies_and_idle_connections_have_their_time() {
    let desk = Desk::start_with(|config| {
        (config.timers.head, config.timers.body, config.timers.idle) = (SOON, SOON, SOON);
    })
    .await;
    assert!(desk.raw().await.is_closed().await, "nothing came");
    let mut head = desk.raw().await;
    head.send("GET /health HTTP/1.1\r\nhost:").await;
    assert!(head.is_closed().await, "the head did not end");
    let mut idle = desk.raw().await;
    assert!(idle.is_served().await);
    assert!(idle.is_closed().await, "nothing more came");
    let answer = stuck(&desk).await.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (408, "close"));
    assert_eq!(answer.json()["type"], "/problems/timeout");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_stuck_clients_for_ever() {
    let mut desk = Desk::start_with(|config| config.timers.drain = SOON).await;
    let mut clients = [stuck(&desk).await, desk.raw().await, desk.raw().await];
    clients[1].send("GET /hea").await;
    assert!(clients[2].is_served().await);
    desk.restart().await;
    for client in &mut clients {
        assert!(client.is_closed().await);
    }
}

#[tokio::test]
async fn a_desk_that_stops_is_not_ready_and_finishes_what_it_has_begun() {
    let desk = Desk::start_with(|config| config.timers.last_request = Duration::from_secs(20)).await;
    let (mut busy, mut idle) = (stuck(&desk).await, desk.raw().await);
    assert!(idle.is_served().await);
    desk.stop();
    desk.app.shutdown.cancelled().await;
    idle.send("GET /health/ready HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let answer = idle.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (503, "close"));
    assert_eq!(answer.json()["detail"], "The desk is stopping.");
    assert!(idle.is_closed().await);
    busy.send("{\"a\": 1}x").await;
    let answer = busy.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (400, "close"), "it was read and judged");
    assert!(busy.is_closed().await);
}

#[tokio::test]
async fn whoever_goes_away_in_the_middle_does_no_harm() {
    let desk = Desk::start().await;
    for bytes in ["", "GET", GET, "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"] {
        for _ in 0..20 {
            desk.raw().await.send(bytes).await;
        }
    }
    assert!(desk.raw().await.is_served().await);
}
