//! API tokens.

use serde_json::json;

use crate::{
    people::{actions_after, end_of_log, eventually, faults, log_after, text},
    support::Desk,
};

#[tokio::test]
async fn an_api_token_is_shown_once_and_has_its_owners_rights() {
    let desk = Desk::start().await;
    let ana = desk.agent("ana").await;
    let before = end_of_log(&desk).await;
    let made = ana.post("/auth/tokens", json!({ "name": " nightly script " })).await.expect(201);
    let fields: Vec<&String> = made.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["created_at", "expires_at", "id", "name", "token"]);
    assert_eq!(json!([made["name"], made["expires_at"], made["created_at"]]), json!(["nightly script", null, "2026-03-02T09:00:00Z"]));
    let secret = text(&made, "token");
    assert!(secret.starts_with("tqp_") && secret.len() == 47, "{secret}");

    let script = ana.with_token(&secret);
    assert_eq!(script.get("/auth/me").await.expect(200)["id"], ana.id);
    script.get("/users").await.expect(200);
    script.get("/settings").await.expect(403);
    script.post("/tickets", json!({ "title": "t", "description": "d" })).await.expect(201);
    let list = ana.get("/auth/tokens").await.expect(200);
    let fields: Vec<&String> = list[0].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["created_at", "expires_at", "id", "last_used_at", "name"]);

    let entries = log_after(&desk, before).await;
    assert_eq!(entries[0].action.name(), "token.created");
    assert_eq!(entries[0].user_id.unwrap().0, ana.id);
    let ticket = entries.iter().find(|entry| entry.action.name() == "ticket.created").unwrap();
    assert_eq!(json!(ticket.actor.via), "api_token");
    assert!(!serde_json::to_string(&entries).unwrap().contains(&secret[4..]));
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_once() {
    let desk = Desk::start().await;
    let (eva, tom) = (desk.user("eva").await, desk.user("tom").await);
    let made = eva.post("/auth/tokens", json!({ "name": "x" })).await.expect(201);
    let (path, script) = (format!("/auth/tokens/{}", made["id"]), eva.with_token(text(&made, "token")));
    script.get("/auth/me").await.expect(200);
    tom.delete(&path).await.expect(404);
    desk.admin().await.delete(&path).await.expect(404);
    for nothing in ["0", "99999", "x"] {
        eva.delete(&format!("/auth/tokens/{nothing}")).await.expect(404);
    }
    let before = end_of_log(&desk).await;
    eva.delete(&path).await.expect(204);
    assert_eq!(actions_after(&desk, before).await, ["token.revoked"]);
    script.get("/auth/me").await.expect(401);
    eva.delete(&path).await.expect(404);
    assert_eq!(eva.get("/auth/tokens").await.expect(200), json!([]));
}

#[tokio::test]
async fn a_token_ends_when_it_was_said_to() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let until = |end: &str| json!({ "name": "x", "expires_at": end });
    let made = eva.post("/auth/tokens", until("2026-03-02T10:01:00.5+01:00")).await.expect(201);
    assert_eq!(made["expires_at"], "2026-03-02T09:01:00.5Z");
    let script = eva.with_token(text(&made, "token"));
    desk.advance(60);
    script.get("/auth/me").await.expect(200);
    desk.advance(1);
    script.get("/auth/me").await.expect(401);
    assert_eq!(eva.get("/auth/tokens").await.expect(200).as_array().unwrap().len(), 1, "it is still listed");
    assert_eq!(faults(eva.post("/auth/tokens", until("2026-03-02T09:01:01Z")).await), [("expires_at".into(), "out_of_range".into())]);
}

#[tokio::test]
async fn what_a_token_is_made_of_is_checked() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let bad = json!({ "expires_at": "tomorrow", "role": "admin", "user_id": 1 });
    let expected = [("name", "missing"), ("expires_at", "invalid"), ("role", "unknown_field"), ("user_id", "unknown_field")];
    assert_eq!(faults(eva.post("/auth/tokens", bad).await), expected.map(|(field, code)| (field.to_owned(), code.to_owned())));
    assert_eq!(faults(eva.post("/auth/tokens", json!({ "name": "x".repeat(101) })).await), [("name".into(), "too_long".into())]);
    eva.post("/auth/tokens", json!({ "name": "x".repeat(100), "expires_at": null })).await.expect(201);
}

#[tokio::test]
async fn last_use_is_noted_to_the_minute_and_without_an_entry() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let script = eva.with_token(text(&eva.post("/auth/tokens", json!({ "name": "x" })).await.expect(201), "token"));
    let before = end_of_log(&desk).await;
    let used = async || eva.get("/auth/tokens").await.expect(200)[0]["last_used_at"].clone();
    assert_eq!(used().await, json!(null));
    for (seconds, shown) in [(1, "2026-03-02T09:00:01Z"), (59, "2026-03-02T09:00:01Z"), (1, "2026-03-02T09:01:01Z")] {
        desk.advance(seconds);
        script.get("/auth/me").await.expect(200);
        eventually("the use is noted", async || (used().await == shown).then_some(())).await;
    }
    assert!(actions_after(&desk, before).await.is_empty());
}

#[tokio::test]
async fn an_account_has_fifty_tokens_at_most() {
    let desk = Desk::start().await;
    let (eva, tom) = (desk.user("eva").await, desk.user("tom").await);
    let make = async || eva.post("/auth/tokens", json!({ "name": "x", "expires_at": "2026-03-02T09:00:01Z" })).await;
    for _ in 0..50 {
        make().await.expect(201);
    }
    desk.advance(2);
    let refused = eva.post("/auth/tokens", json!({ "name": "x" })).await.expect(409);
    assert!(text(&refused, "detail").contains("50 API tokens"), "{refused}");
    tom.post("/auth/tokens", json!({ "name": "x" })).await.expect(201);
    let list = eva.get("/auth/tokens?limit=200").await.expect(200);
    eva.delete(&format!("/auth/tokens/{}", list[0]["id"])).await.expect(204);
    eva.post("/auth/tokens", json!({ "name": "x" })).await.expect(201);
    eva.post("/auth/tokens", json!({ "name": "x" })).await.expect(409);
}

#[tokio::test]
async fn tokens_are_paged_like_every_list() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    for n in 0..5 {
        eva.post("/auth/tokens", json!({ "name": format!("token {n}") })).await.expect(201);
    }
    let (mut path, mut names) = ("/auth/tokens?limit=2".to_owned(), Vec::new());
    for total in ["5", "", ""] {
        let page = eva.get(&path).await;
        assert_eq!(page.header("x-total-count"), total);
        path = page.next().unwrap_or_default();
        names.extend(page.expect(200).as_array().unwrap().iter().map(|token| text(token, "name")));
    }
    assert_eq!((path.as_str(), names), ("", (0..5).map(|n| format!("token {n}")).collect()));
}

#[tokio::test]
async fn a_disabled_accounts_tokens_sleep_with_it_and_a_restart_changes_nothing() {
    let mut desk = Desk::start().await;
    let (admin, eva) = (desk.admin().await, desk.user("eva").await);
    let script = eva.with_token(text(&eva.post("/auth/tokens", json!({ "name": "x" })).await.expect(201), "token"));
    let path = format!("/users/{}", eva.id);
    admin.delete(&path).await.expect(204);
    script.get("/auth/me").await.expect(401);
    desk.restart().await;
    script.get("/auth/me").await.expect(401);
    admin.patch(&path, json!({ "is_active": true })).await.expect(200);
    script.get("/auth/me").await.expect(200);
    script.post("/auth/logout", json!(null)).await.expect(400);
}
