//! Requests that are too large, broken, ambiguous or nonsense, as raw bytes: each gets one refusal that says what is wrong
//! (or, where not even the parser understands it, a bare one), never a failure of the server, never silence on an open
//! connection, and never a second answer to something hidden inside.

use std::time::Duration;

use tokio::task::JoinSet;

use super::requests::{Case, cases};
use crate::support::{Answer, Desk, Raw};

/// Sent after the answer on a connection that stays open: whatever of the case was left over would be answered before it.
const PROBE: &str = "GET /health HTTP/1.1\r\nhost: x\r\nx-request-id: probe\r\nconnection: close\r\n\r\n";

/// What is wrong with how a case was answered.
async fn fault(url: String, case: Case) -> Option<String> {
    let mut raw = Raw::connect(&url).await;
    raw.send(&case.bytes).await;
    let mut answers = Vec::new();
    while let Some(answer) = raw.answer().await {
        if answers.is_empty() && answer.status >= 200 && answer.header("connection") != "close" {
            raw.send(PROBE).await;
        }
        answers.push(answer);
    }
    answers.retain(|answer| answer.header("x-request-id") != "probe" && answer.status != 100);
    let wrong = match answers.as_slice() {
        [] if case.expected.contains(&0) => return None,
        [one] if case.expected.contains(&one.status) => form(one, case.bare)?,
        answers => format!("answers {:?} where {:?} is expected", answers.iter().map(|a| a.status).collect::<Vec<_>>(), case.expected),
    };
    Some(format!("{}: {wrong}", case.name))
}

/// What is wrong with the form of a refusal.
fn form(answer: &Answer, bare: bool) -> Option<String> {
    if bare && answer.body.is_empty() {
        return None;
    }
    let problem = answer.json();
    let good = answer.header("content-type") == "application/problem+json"
        && problem["status"] == answer.status
        && problem["detail"].as_str().is_some_and(|detail| !detail.is_empty())
        && problem["request_id"] == answer.header("x-request-id")
        && (answer.status != 422 || problem["errors"].as_array().is_some_and(|errors| !errors.is_empty()));
    (!good).then(|| format!("{} is no well-formed problem: {}", answer.status, String::from_utf8_lossy(&answer.body)))
}

#[tokio::test]
async fn every_malformed_request_gets_one_refusal_and_nothing_else() {
    let desk = Desk::start_with(|config| {
        (config.timers.head, config.timers.body) = (Duration::from_secs(4), Duration::from_secs(4));
    })
    .await;
    let token = desk.agent("eva").await.token.unwrap();
    let cases = cases(&token);
    assert!(cases.len() >= 300, "{}", cases.len());
    let mut names: Vec<_> = cases.iter().map(|case| case.name.clone()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), cases.len(), "each case is another one");
    let mut running = JoinSet::new();
    for case in cases {
        running.spawn(fault(desk.url.clone(), case));
    }
    let faults: Vec<String> = running.join_all().await.into_iter().flatten().collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    // Nothing of it has been taken for a ticket, and the desk is well.
    let list = desk.agent("eva").await.get("/tickets").await;
    assert_eq!((list.header("x-total-count"), desk.raw().await.is_served().await), ("0", true));
}

#[tokio::test]
async fn a_large_body_is_refused_before_it_is_sent() {
    let desk = Desk::start().await;
    let token = desk.agent("eva").await.token.unwrap();
    let mut raw = desk.raw().await;
    let head = "POST /api/v1/tickets HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n";
    raw.send(format!("{head}authorization: Bearer {token}\r\ncontent-length: 1048577\r\n\r\n")).await;
    let answer = raw.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (413, "close"));
    assert!(raw.is_closed().await);
}

#[tokio::test]
async fn a_client_that_sends_a_large_body_all_the_same_can_read_the_refusal() {
    let desk = Desk::start().await;
    let token = desk.agent("eva").await.token.unwrap();
    let mut raw = desk.raw().await;
    let head = format!("POST /api/v1/tickets HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer {token}\r\n");
    raw.send(format!("{head}content-length: 8000000\r\n\r\n{}", "x".repeat(8_000_000))).await;
    assert_eq!(raw.answer().await.unwrap().status, 413);
}
