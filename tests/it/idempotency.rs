//! `Idempotency-Key`: the same request sent twice is done once.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    support::{Client, Desk, Response},
    tickets::faults,
};

async fn keyed(who: &Client, path: &str, key: &str, body: Value) -> Response {
    who.send(who.request(Method::POST, path).header("idempotency-key", key).json(&body)).await
}

fn ticket(title: &str) -> Value {
    json!({"title": title, "description": "d"})
}

/// What must be equal in a first answer and its replay.
fn kept(answer: &Response) -> (u16, &str, &str, &Value) {
    (answer.status, answer.header("location"), answer.header("etag"), &answer.body)
}

#[tokio::test]
async fn a_retry_gets_the_first_answer_and_does_nothing() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await.lasting().await;
    let first = keyed(&eva, "/tickets", "k1", ticket("one")).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (201, ""));
    desk.advance(3_600);
    let id = first.body["id"].as_i64().unwrap();
    eva.change(id, json!({"title": "changed meanwhile"})).await;
    let again = keyed(&eva, "/tickets", "k1", ticket("one")).await;
    assert_eq!((kept(&again), again.header("idempotent-replayed")), (kept(&first), "true"));
    assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    assert_eq!(eva.ids("/tickets").await, [id]);

    let comments = format!("/tickets/{id}/comments");
    let first = keyed(&eva, &comments, "k2", json!({"content": "c"})).await;
    let again = keyed(&eva, &comments, "k2", json!({"content": "c"})).await;
    assert_eq!((kept(&again), again.header("idempotent-replayed")), (kept(&first), "true"));
    assert_eq!(eva.ticket(id).await["comment_count"], 1);
}

#[tokio::test]
async fn restoring_and_bulk_changes_are_done_once_too() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    let id = admin.open(json!({})).await;
    admin.delete(&format!("/tickets/{id}")).await.expect(204);
    let first = keyed(&admin, &format!("/tickets/{id}/restore"), "r", json!({})).await;
    let again = keyed(&admin, &format!("/tickets/{id}/restore"), "r", json!({})).await;
    assert_eq!((first.status, kept(&again)), (200, kept(&first)));
    let bulk = json!({"ids": [id], "change": {"add_tags": ["a"]}});
    let first = keyed(&admin, "/tickets/bulk", "b", bulk.clone()).await;
    admin.change(id, json!({"tags": []})).await;
    let again = keyed(&admin, "/tickets/bulk", "b", bulk).await;
    assert_eq!((first.status, kept(&again), again.header("idempotent-replayed")), (200, kept(&first), "true"));
    assert_eq!(admin.ticket(id).await["tags"], json!([]));
    // A bulk change that changes nothing is remembered as well.
    let nothing = json!({"ids": [id], "change": {}});
    let first = keyed(&admin, "/tickets/bulk", "n", nothing.clone()).await;
    let again = keyed(&admin, "/tickets/bulk", "n", nothing).await;
    assert_eq!((kept(&again), again.header("idempotent-replayed")), (kept(&first), "true"));
}

#[tokio::test]
async fn a_key_stands_for_one_request() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let id = keyed(&eva, "/tickets", "k", ticket("one")).await.expect(201)["id"].as_i64().unwrap();
    let problem = keyed(&eva, "/tickets", "k", ticket("two")).await.expect(422);
    assert_eq!(faults(&problem), [("Idempotency-Key", "invalid")]);
    keyed(&eva, &format!("/tickets/{id}/comments"), "k", ticket("one")).await.expect(422);
    keyed(&eva, "/tickets", "another", ticket("two")).await.expect(201);
    assert_eq!(eva.ids("/tickets").await.len(), 2);
}

#[tokio::test]
async fn keys_are_each_users_own() {
    let desk = Desk::start().await;
    let (eva, tom) = (desk.user("eva").await, desk.user("tom").await);
    let one = keyed(&eva, "/tickets", "k", ticket("t")).await.expect(201);
    let other = keyed(&tom, "/tickets", "k", ticket("t")).await;
    assert_eq!(other.header("idempotent-replayed"), "");
    assert_ne!(one["id"], other.expect(201)["id"]);
}

#[tokio::test]
async fn a_refused_request_may_be_repeated_under_its_key() {
    let desk = Desk::start().await;
    let (eva, admin) = (desk.user("eva").await, desk.admin().await);
    let id = eva.open(json!({})).await;
    admin.change(id, json!({"status": "closed"})).await;
    let path = format!("/tickets/{id}/comments");
    keyed(&eva, &path, "k", json!({"content": "c"})).await.expect(409);
    admin.change(id, json!({"status": "open"})).await;
    let done = keyed(&eva, &path, "k", json!({"content": "c"})).await;
    assert_eq!((done.status, done.header("idempotent-replayed")), (201, ""));
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let desk = Desk::start().await;
    let token = desk.user("eva").await.lasting().await;
    let first = keyed(&token, "/tickets", "k", ticket("t")).await.expect(201)["id"].clone();
    desk.advance(24 * 3_600 - 1);
    assert_eq!(keyed(&token, "/tickets", "k", ticket("t")).await.expect(201)["id"], first);
    desk.advance(1);
    let anew = keyed(&token, "/tickets", "k", ticket("t")).await;
    assert_eq!(anew.header("idempotent-replayed"), "");
    assert_ne!(anew.expect(201)["id"], first);
}

#[tokio::test]
async fn a_key_is_remembered_across_a_restart() {
    let mut desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let first = keyed(&eva, "/tickets", "k", ticket("t")).await;
    desk.restart().await;
    let again = keyed(&eva, "/tickets", "k", ticket("t")).await;
    assert_eq!((kept(&again), again.header("idempotent-replayed")), (kept(&first), "true"));
}

#[tokio::test]
async fn twins_sent_at_once_are_done_once() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    for round in 0..8 {
        let key = format!("k{round}");
        let twins: Vec<_> = (0..8)
            .map(|_| {
                let (eva, key) = (eva.clone(), key.clone());
                tokio::spawn(async move { keyed(&eva, "/tickets", &key, ticket("t")).await })
            })
            .collect();
        let mut made = Vec::new();
        for twin in twins {
            let answer = twin.await.unwrap();
            match answer.status {
                201 => made.push(answer.body["id"].as_i64().unwrap()),
                _ => assert_eq!(answer.expect(409)["type"], "/problems/already-running"),
            }
        }
        made.dedup();
        assert_eq!(made.len(), 1, "{made:?}");
    }
    assert_eq!(eva.ids("/tickets").await.len(), 8);
}

#[tokio::test]
async fn bad_keys_are_refused() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    assert_eq!(faults(&keyed(&eva, "/tickets", "", ticket("t")).await.expect(422)), [("Idempotency-Key", "invalid")]);
    keyed(&eva, "/tickets", &"k".repeat(256), ticket("t")).await.expect(422);
    keyed(&eva, "/tickets", &"k".repeat(255), ticket("t")).await.expect(201);
    let two = eva.request(Method::POST, "/tickets").header("idempotency-key", "a").header("idempotency-key", "b").json(&ticket("t"));
    eva.send(two).await.expect(422);
    keyed(&desk.anonymous(), "/tickets", "k", ticket("t")).await.expect(401);
    // Elsewhere than on POST the header says nothing.
    eva.send(eva.request(Method::GET, "/tickets").header("idempotency-key", "a")).await.expect(200);
}
