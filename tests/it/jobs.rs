//! What runs on a clock, step by step.

use reqwest::Method;
use serde_json::json;
use taquilla::{
    jobs::purge,
    types::{Timestamp, UserId},
};

use crate::{
    people::{end_of_log, with_headers},
    sessions::begin_sessions,
    support::Desk,
};

#[tokio::test]
async fn expired_sessions_go_however_many_there_are() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    begin_sessions(&desk, admin.id, 1_200).await;
    desk.advance(30 * 24 * 3_600 + 1);
    assert_eq!(desk.app.store.expired_sessions(desk.now(), 2_000).await.unwrap().len(), 1_201);
    let before = end_of_log(&desk).await;
    purge::sessions(&desk.app).await.unwrap();
    assert!(desk.app.store.sessions_of(UserId(admin.id)).await.unwrap().is_empty());
    assert_eq!(end_of_log(&desk).await, before);
}

#[tokio::test]
async fn answers_are_remembered_for_a_day() {
    let desk = Desk::start().await;
    let token = desk.admin().await.post("/auth/tokens", json!({ "name": "x" })).await.expect(201);
    let admin = desk.anonymous().with_token(token["token"].as_str().unwrap());
    let make = async |key: &str, name: &str| {
        let body = json!({ "email": format!("{name}@example.com"), "full_name": "X", "role": "user" });
        with_headers(&admin, Method::POST, "/users", &[("idempotency-key", key)], Some(body)).await
    };
    make("one", "ana").await.expect(201);
    desk.advance(12 * 3_600);
    make("two", "bea").await.expect(201);
    desk.advance(12 * 3_600 + 1);
    let remembered = async || desk.app.store.old_answers(Timestamp::MAX, 10).await.unwrap().len();
    assert_eq!(remembered().await, 2);
    purge::answers(&desk.app).await.unwrap();
    assert_eq!(remembered().await, 1);
    assert_eq!(make("two", "bea").await.header("idempotent-replayed"), "true");
    make("one", "eva").await.expect(201);
    purge::answers(&desk.app).await.unwrap();
    assert_eq!(make("one", "eva").await.header("idempotent-replayed"), "true", "the new answer stays");
}
