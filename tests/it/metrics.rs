//! `/metrics`: what is told, to whom, and in a form that Prometheus' own checker likes.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use reqwest::Method;
use serde_json::json;
use taquilla::types::Secret;

use crate::{
    people::{login, with_headers},
    support::{Desk, PASSWORD},
};

/// Every family and its type.
const FAMILIES: &[(&str, &str)] = &[
    ("http_request_duration_seconds", "histogram"),
    ("http_requests_in_flight", "gauge"),
    ("http_requests_total", "counter"),
    ("process_cpu_seconds_total", "counter"),
    ("process_max_fds", "gauge"),
    ("process_open_fds", "gauge"),
    ("process_resident_memory_bytes", "gauge"),
    ("process_start_time_seconds", "gauge"),
    ("process_threads", "gauge"),
    ("process_virtual_memory_bytes", "gauge"),
    ("taquilla_activity_seq", "gauge"),
    ("taquilla_audit_head", "gauge"),
    ("taquilla_build_info", "gauge"),
    ("taquilla_live_streams", "gauge"),
    ("taquilla_login_total", "counter"),
    ("taquilla_store_commit_group_size", "histogram"),
    ("taquilla_store_commit_seconds", "histogram"),
    ("taquilla_store_queue_depth", "gauge"),
    ("taquilla_store_read_only", "gauge"),
    ("taquilla_store_size_bytes", "gauge"),
    ("taquilla_store_sync_seconds", "histogram"),
    ("taquilla_ticket_first_response_seconds", "histogram"),
    ("taquilla_ticket_resolution_seconds", "histogram"),
    ("taquilla_tickets", "gauge"),
];

/// The metrics of a desk.
pub async fn scrape(desk: &Desk) -> String {
    let answer = desk.anonymous().get("//metrics").await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4");
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.expect(200).as_str().unwrap().to_owned()
}

/// The value of a series, a whole number; 0 when there is no such series.
pub fn count(text: &str, series: &str) -> i64 {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{series} ")));
    line.map_or(0, |number| number.parse().unwrap())
}

#[tokio::test]
async fn every_family_is_told_and_the_checker_of_prometheus_likes_them() {
    let desk = Desk::start().await;
    let (eva, admin) = (desk.user("eva").await, desk.admin().await);
    let ticket = eva.post("/tickets", json!({ "title": "t", "description": "d" })).await.expect(201)["id"].clone();
    admin.patch(&format!("/tickets/{ticket}"), json!({ "status": "resolved" })).await.expect(200);
    let text = scrape(&desk).await;
    let mut told: Vec<(&str, &str)> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(|line| line.split_once(' ').unwrap()).collect();
    told.sort_unstable();
    assert_eq!(told, FAMILIES);

    let promtool = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut promtool = promtool.expect("promtool runs; `./dev setup` installs it");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let checked = promtool.wait_with_output().unwrap();
    assert!(checked.status.success() && checked.stderr.is_empty(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[tokio::test]
async fn requests_are_counted_by_method_route_and_status() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    for title in ["one", "two", ""] {
        eva.post("/tickets", json!({ "title": title, "description": "d" })).await;
    }
    for path in ["/tickets/1", "/tickets/2", "/tickets/99", "/tickets/99/"] {
        eva.get(path).await;
    }
    eva.send(eva.request(Method::DELETE, "/tickets")).await.expect(405);
    eva.get("//nowhere/at/all").await.expect(404);
    eva.send(eva.request(Method::from_bytes(b"BREW").unwrap(), "//nowhere")).await.expect(404);
    let text = scrape(&desk).await;
    for (labels, expected) in [
        (r#"method="POST",route="/api/v1/tickets",status="201""#, 2),
        (r#"method="POST",route="/api/v1/tickets",status="422""#, 1),
        (r#"method="GET",route="/api/v1/tickets/{id}",status="200""#, 2),
        (r#"method="GET",route="/api/v1/tickets/{id}",status="404""#, 2),
        (r#"method="DELETE",route="unmatched",status="405""#, 1),
        (r#"method="GET",route="unmatched",status="404""#, 1),
        (r#"method="other",route="unmatched",status="404""#, 1),
    ] {
        assert_eq!(count(&text, &format!("http_requests_total{{{labels}}}")), expected, "{labels}\n{text}");
    }
    let timed = r#"http_request_duration_seconds_count{method="GET",route="/api/v1/tickets/{id}"}"#;
    assert_eq!(count(&text, timed), 4);
    assert_eq!(count(&text, "http_requests_in_flight"), 1, "the scrape itself");
}

#[tokio::test]
async fn sign_ins_are_counted_by_their_outcome() {
    let desk = Desk::start().await;
    let (eva, tom) = (desk.user("eva").await, desk.user("tom").await);
    desk.admin().await.delete(&format!("/users/{}", tom.id)).await.expect(204);
    let before = scrape(&desk).await;
    login(&desk, &eva.email, "wrong password").await.expect(401);
    login(&desk, "nobody@example.com", PASSWORD).await.expect(401);
    login(&desk, &tom.email, "wrong password").await.expect(401);
    login(&desk, &tom.email, PASSWORD).await.expect(400);
    login(&desk, &eva.email, PASSWORD).await.expect(200);
    let after = scrape(&desk).await;
    for (outcome, expected) in [("success", 1), ("wrong_credentials", 3), ("disabled", 1)] {
        let series = format!("taquilla_login_total{{outcome=\"{outcome}\"}}");
        assert_eq!(count(&after, &series) - count(&before, &series), expected, "{outcome}");
    }
}

#[tokio::test]
async fn times_of_tickets_are_those_of_their_events() {
    let desk = Desk::start_with(|config| config.auth.access_token_minutes = 1_440).await;
    let (eva, admin) = (desk.user("eva").await, desk.admin().await);
    for minutes in [10, 20] {
        let id = eva.post("/tickets", json!({ "title": "t", "description": "d" })).await.expect(201)["id"].clone();
        desk.advance(minutes * 60);
        let comment = format!("/tickets/{id}/comments");
        admin.post(&comment, json!({ "content": "a note", "is_internal": true })).await.expect(201);
        admin.post(&comment, json!({ "content": "an answer" })).await.expect(201);
        admin.post(&comment, json!({ "content": "another" })).await.expect(201);
    }
    let change = json!({ "ids": [1, 2], "change": { "status": "resolved" } });
    admin.post("/tickets/bulk", change).await.expect(200);
    eva.patch("/tickets/1", json!({ "status": "open" })).await.expect(200);
    desk.advance(3_600 - 25 * 60);
    admin.patch("/tickets/1", json!({ "status": "resolved" })).await.expect(200);
    admin.patch("/tickets/1", json!({ "status": "closed" })).await.expect(200);
    let text = scrape(&desk).await;
    assert_eq!(count(&text, "taquilla_ticket_first_response_seconds_count"), 2);
    assert_eq!(count(&text, "taquilla_ticket_first_response_seconds_sum"), 30 * 60);
    assert_eq!(count(&text, r#"taquilla_ticket_first_response_seconds_bucket{le="900"}"#), 1);
    assert_eq!(count(&text, "taquilla_ticket_resolution_seconds_count"), 3);
    assert_eq!(count(&text, "taquilla_ticket_resolution_seconds_sum"), (30 + 20 + 65) * 60);
}

#[tokio::test]
async fn tickets_are_counted_by_status_and_priority_as_they_are_now() {
    let desk = Desk::start().await;
    let (eva, admin) = (desk.user("eva").await, desk.admin().await);
    for priority in ["low", "high", "high", "high"] {
        eva.post("/tickets", json!({ "title": "t", "description": "d", "priority": priority })).await.expect(201);
    }
    admin.patch("/tickets/2", json!({ "status": "closed" })).await.expect(200);
    admin.delete("/tickets/3").await.expect(204);
    let text = scrape(&desk).await;
    let mut all = 0;
    for (status, priority, expected) in [("open", "low", 1), ("open", "high", 1), ("closed", "high", 1), ("pending", "critical", 0)] {
        let series = format!("taquilla_tickets{{priority=\"{priority}\",status=\"{status}\"}}");
        assert_eq!(count(&text, &series), expected, "{series}");
        all += expected;
    }
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("taquilla_tickets{")).collect();
    let total: i64 = lines.iter().map(|line| line.rsplit(' ').next().unwrap().parse::<i64>().unwrap()).sum();
    assert_eq!((lines.len(), total), (20, all));
}

#[tokio::test]
async fn the_log_the_store_and_the_build_are_told() {
    let (desk, other) = (Desk::start().await, Desk::start().await);
    let eva = desk.user("eva").await;
    eva.post("/tickets", json!({ "title": "t", "description": "d" })).await.expect(201);
    let text = scrape(&desk).await;
    assert_eq!(count(&text, "taquilla_activity_seq"), *desk.app.store.durable_seq().borrow());
    assert_eq!(count(&text, "taquilla_live_streams"), 0);
    let stream = eva.request(Method::GET, "/events").send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert_eq!(count(&scrape(&desk).await, "taquilla_live_streams"), 1);
    drop(stream);
    assert!(count(&text, "taquilla_store_size_bytes") > 0);
    assert!(count(&text, "taquilla_store_commit_seconds_count") >= 4);
    let build = format!(r#"taquilla_build_info{{store="sled",version="{}"}}"#, env!("CARGO_PKG_VERSION"));
    assert_eq!(count(&text, &build), 1);
    // Two desks in one process do not mix.
    assert_eq!(count(&scrape(&other).await, r#"taquilla_login_total{outcome="success"}"#), 0);
}

#[tokio::test]
async fn without_a_token_no_proxy_lets_anybody_in() {
    let desk = Desk::start().await;
    let nobody = desk.anonymous();
    nobody.get("//metrics").await.expect(200);
    for header in [("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=127.0.0.1"), ("x-forwarded-for", "")] {
        with_headers(&nobody, Method::GET, "//metrics", &[header], None).await.expect(403);
    }
    // No account opens it either: it is not a matter of roles.
    with_headers(&desk.admin().await, Method::GET, "//metrics", &[("x-forwarded-for", "10.0.0.1")], None).await.expect(403);
}

#[tokio::test]
async fn with_a_token_only_the_token_opens_it() {
    let token = "k3Jx0w9ZrT5uQ2vB";
    let desk = Desk::start_with(|config| config.prometheus.token = Some(Secret::new(token))).await;
    let nobody = desk.anonymous();
    nobody.get("//metrics").await.expect(401);
    for wrong in ["", "k3Jx0w9ZrT5uQ2v", "k3Jx0w9ZrT5uQ2vBB", "K3JX0W9ZRT5UQ2VB"] {
        nobody.with_token(wrong).get("//metrics").await.expect(401);
    }
    desk.admin().await.get("//metrics").await.expect(401);
    let text = nobody.with_token(token).get("//metrics").await.expect(200);
    assert!(!text.as_str().unwrap().contains(token));
    let proxied = [("x-forwarded-for", "203.0.113.9")];
    with_headers(&nobody.with_token(token), Method::GET, "//metrics", &proxied, None).await.expect(200);
    nobody.with_token(token).get("/auth/me").await.expect(401);
}
