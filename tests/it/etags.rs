//! Tags: `If-Match` guards a change, `If-None-Match` spares an answer.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, Desk, Response};

async fn if_match(who: &Client, method: Method, path: &str, tag: &str, body: Value) -> Response {
    let request = who.request(method, path).header("if-match", tag);
    who.send(if body.is_null() { request } else { request.json(&body) }).await
}

async fn if_none_match(who: &Client, path: &str, tag: &str) -> Response {
    who.send(who.request(Method::GET, path).header("if-none-match", tag)).await
}

#[tokio::test]
async fn a_tickets_tag_is_its_version_and_the_comments_shown() {
    let desk = Desk::start().await;
    let (eva, ana) = (desk.user("eva").await, desk.agent("ana").await);
    let path = format!("/tickets/{}", eva.open(json!({})).await);
    let tag = |answer: Response| answer.header("etag").to_owned();
    assert_eq!(tag(eva.get(&path).await), "\"1-0\"");
    let id = eva.get(&path).await.body["id"].as_i64().unwrap();
    eva.comment(id, "c").await;
    ana.note(id, "n").await;
    assert_eq!(tag(eva.get(&path).await), "\"1-1\"");
    assert_eq!(tag(ana.get(&path).await), "\"1-2\"");
    let changed = ana.put(&path, json!({"priority": "low"})).await;
    assert_eq!(tag(changed), "\"2-2\"");
    assert_eq!(tag(eva.put(&path, json!({"title": "x"})).await), "\"3-1\"");
}

#[tokio::test]
async fn if_match_compares_the_version_part() {
    let desk = Desk::start().await;
    let (eva, ana, admin) = (desk.user("eva").await, desk.agent("ana").await, desk.admin().await);
    let id = eva.open(json!({})).await;
    let path = format!("/tickets/{id}");
    let assign = format!("{path}/assign");
    ana.change(id, json!({"title": "second"})).await;
    eva.comment(id, "a comment changes no version").await;
    for stale in ["\"1-0\"", "\"1-1\"", "\"3-1\"", "\"\"", "\"x\"", "W/\"2-1\"", "2-1", "\"1-0\", \"7-0\""] {
        assert_eq!(
            if_match(&ana, Method::PUT, &path, stale, json!({"title": "x"})).await.expect(412)["type"],
            "/problems/stale",
            "{stale}"
        );
        if_match(&ana, Method::PATCH, &path, stale, json!({"title": "x"})).await.expect(412);
        if_match(&ana, Method::PATCH, &assign, stale, json!({"assigned_agent_id": ana.id})).await.expect(412);
        if_match(&admin, Method::DELETE, &path, stale, Value::Null).await.expect(412);
        if_match(&ana, Method::PUT, &path, stale, json!({})).await.expect(412);
    }
    assert_eq!(eva.ticket(id).await["version"], 2);
    let fresh = [(2, "\"2-0\""), (3, "\"3-99\""), (4, "\"9-0\", \"4-1\""), (5, "*"), (6, "\"6\"")];
    for (version, tag) in fresh {
        let changed = if_match(&ana, Method::PUT, &path, tag, json!({"title": format!("v{version}")})).await;
        assert_eq!(changed.expect(200)["version"], version + 1, "{tag}");
    }
    assert_eq!(if_match(&ana, Method::PATCH, &assign, "\"7-1\"", json!({"assigned_agent_id": ana.id})).await.expect(200)["version"], 8);
    if_match(&admin, Method::DELETE, &path, "\"8-1\"", Value::Null).await.expect(204);
}

#[tokio::test]
async fn comments_are_guarded_likewise() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let id = eva.open(json!({})).await;
    let comment = eva.comment(id, "one").await;
    let path = format!("/tickets/{id}/comments/{comment}");
    if_match(&eva, Method::PUT, &path, "\"2\"", json!({"content": "two"})).await.expect(412);
    let changed = if_match(&eva, Method::PUT, &path, "\"1\"", json!({"content": "two"})).await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""));
    if_match(&eva, Method::DELETE, &path, "\"1\"", Value::Null).await.expect(412);
    assert_eq!(if_none_match(&eva, &path, "\"2\"").await.status, 304);
    if_match(&eva, Method::DELETE, &path, "\"2\"", Value::Null).await.expect(204);
}

#[tokio::test]
async fn if_none_match_spares_the_answer() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let id = eva.open(json!({})).await;
    let path = format!("/tickets/{id}");
    for known in ["\"1-0\"", "W/\"1-0\"", "\"7-0\", \"1-0\"", "*"] {
        let spared = if_none_match(&eva, &path, known).await;
        assert_eq!((spared.status, spared.header("etag"), &spared.body), (304, "\"1-0\"", &Value::Null), "{known}");
    }
    eva.comment(id, "c").await;
    let told = if_none_match(&eva, &path, "\"1-0\"").await;
    assert_eq!((told.status, told.header("etag"), &told.body["comment_count"]), (200, "\"1-1\"", &json!(1)), "a new comment is news");
    let tom = desk.user("tom").await;
    if_none_match(&tom, &path, "*").await.expect(404);
}

#[tokio::test]
async fn a_tag_of_a_write_is_that_of_the_next_read() {
    let desk = Desk::start().await;
    let (eva, ana, admin) = (desk.user("eva").await, desk.agent("ana").await, desk.admin().await);
    let made = ana.post("/tickets", json!({"title": "t", "description": "d", "creator_id": eva.id})).await;
    let path = made.header("location").to_owned();
    let check = |answer: Response, who: Client| {
        let path = path.clone();
        async move {
            let read = who.get(&path).await;
            assert_eq!((answer.header("etag"), &answer.body), (read.header("etag"), &read.body));
        }
    };
    check(made, ana.clone()).await;
    check(ana.put(&path, json!({"priority": "high"})).await, ana.clone()).await;
    check(ana.patch(&format!("{path}/assign"), json!({"assigned_agent_id": ana.id})).await, ana.clone()).await;
    check(eva.put(&path, json!({"title": "x"})).await, eva.clone()).await;
    admin.delete(&path).await.expect(204);
    check(admin.post(&format!("{path}/restore"), json!({})).await, admin.clone()).await;
}

#[tokio::test]
async fn a_header_without_a_readable_tag_matches_nothing() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    let id = admin.open(json!({})).await;
    let comment = admin.comment(id, "c").await;
    let (ticket, own) = (format!("/tickets/{id}"), format!("/users/{}", admin.id));
    let calls = [
        (Method::PUT, ticket.clone(), json!({"title": "x"})),
        (Method::PATCH, ticket.clone(), json!({"title": "x"})),
        (Method::PATCH, format!("{ticket}/assign"), json!({"assigned_agent_id": admin.id})),
        (Method::PUT, format!("{ticket}/comments/{comment}"), json!({"content": "x"})),
        (Method::DELETE, format!("{ticket}/comments/{comment}"), Value::Null),
        (Method::DELETE, ticket.clone(), Value::Null),
        (Method::PATCH, own.clone(), json!({"full_name": "X"})),
        (Method::DELETE, own, Value::Null),
        (Method::PATCH, "/auth/me".to_owned(), json!({"full_name": "X"})),
        (Method::PATCH, "/settings".to_owned(), json!({"locale": "es"})),
    ];
    for (method, path, body) in calls {
        for tag in [&b""[..], b" , ", b"\xff", b"\"99\""] {
            let tag = reqwest::header::HeaderValue::from_bytes(tag).unwrap();
            let request = admin.request(method.clone(), &path).header("if-match", tag.clone());
            let answer = admin.send(if body.is_null() { request } else { request.json(&body) }).await;
            assert_eq!(answer.status, 412, "{method} {path} with {tag:?}: {}", answer.body);
            answer.expect(412);
        }
    }
    assert_eq!(admin.ticket(id).await["version"], 1);
}
