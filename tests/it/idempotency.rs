//! `Idempotency-Key`: the same request sent twice is done once.

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use taquilla::{
    auth::model::{Actor, Via},
    input::FieldValue,
    reply::Once,
    store::AnswerKey,
    tickets::{inputs::NewTicket, ops},
    types::UserId,
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    people::{end_of_log, eventually},
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

fn answer_key(user: i64, key: &str) -> AnswerKey {
    AnswerKey { user_id: UserId(user), key: Sha256::digest(key).into() }
}

#[tokio::test]
async fn while_the_first_is_running_its_twin_is_a_conflict() {
    let desk = Desk::start().await;
    let (eva, tom) = (desk.user("eva").await, desk.user("tom").await);
    let running = desk.app.running_keys.hold(answer_key(eva.id, "k")).unwrap();
    assert_eq!(keyed(&eva, "/tickets", "k", ticket("t")).await.expect(409)["type"], "/problems/already-running");
    keyed(&tom, "/tickets", "k", ticket("t")).await.expect(201);
    keyed(&eva, "/tickets", "another", ticket("t")).await.expect(201);
    drop(running);
    keyed(&eva, "/tickets", "k", ticket("t")).await.expect(201);
}

#[tokio::test]
async fn the_storage_itself_lets_only_one_of_two_be_done() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let account = desk.app.store.user(UserId(eva.id)).await.unwrap().unwrap();
    let (actor, once) = (Actor::person(&account, Via::Session, None), Once::under(answer_key(eva.id, "k"), [7; 32]));
    let new = NewTicket::from_json(ticket("t")).unwrap();
    // As when the first one's client is gone, and with it the mark that it is running, but its commit is on its way.
    let (first, second) = tokio::join!(ops::create(&desk.app, &actor, &new, once), ops::create(&desk.app, &actor, &new, once));
    assert_eq!([&first, &second].iter().filter(|one| one.is_ok()).count(), 1);
    assert_eq!(first.err().or(second.err()).unwrap().problem().kind, "/problems/already-running");
    assert_eq!(eva.ids("/tickets").await.len(), 1);
    assert_eq!(eva.get("/tickets?q=t").await.header("x-total-count"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_and_tries_again_is_served_once() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let (address, token) = (desk.url.strip_prefix("http://").unwrap(), eva.token.clone().unwrap());
    let body = ticket("once").to_string();
    for round in 0..48_u32 {
        let key = format!("k{round}");
        let head = format!(
            "POST /api/v1/tickets HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
             idempotency-key: {key}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut hasty = TcpStream::connect(address).await.unwrap();
        hasty.write_all(head.as_bytes()).await.unwrap();
        // Gone at another moment in each round.
        for _ in 0..round * 8 {
            tokio::task::yield_now().await;
        }
        drop(hasty);
        eventually("the retry is served", async || {
            let answer = keyed(&eva, "/tickets", &key, ticket("once")).await;
            assert!([201, 409].contains(&answer.status), "{}", answer.body);
            (answer.status == 201).then_some(())
        })
        .await;
    }
    assert_eq!(eva.get("/tickets").await.header("x-total-count"), "48");
}

#[tokio::test]
async fn the_path_counts_a_trailing_slash_does_not_and_a_replay_leaves_no_entry() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    let (one, two) = (admin.open(json!({})).await, admin.open(json!({})).await);
    for id in [one, two] {
        admin.delete(&format!("/tickets/{id}")).await.expect(204);
    }
    keyed(&admin, &format!("/tickets/{one}/restore"), "k", json!({})).await.expect(200);
    let before = end_of_log(&desk).await;
    let again = keyed(&admin, &format!("/tickets/{one}/restore/"), "k", json!({})).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, "true"));
    keyed(&admin, &format!("/tickets/{two}/restore"), "k", json!({})).await.expect(422);
    assert_eq!(admin.ids("/tickets?deleted=true").await, [two]);
    assert_eq!(end_of_log(&desk).await, before);
}
