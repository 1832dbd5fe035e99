//! The audit is complete: what is accepted has exactly its entries, what is refused has none but `user.login_failed`. That
//! refusals by right leave none is checked at every row of the role table as well.

use std::{cell::RefCell, collections::BTreeSet};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::{
    openapi::operations,
    people::{actions_after, end_of_log, eventually, log_after, login, refresh, signed_in, with_headers},
    setup::printed,
    support::{Client, Desk, PASSWORD, Response},
};

/// What changes nothing that anybody could ask about later: a new pair of tokens for the same session.
const WITHOUT_ENTRY: &[(&str, &str)] = &[("POST", "/api/v1/auth/refresh")];

/// A desk whose log is watched.
struct Watched {
    desk: Desk,
    /// The routes that were called with success.
    covered: RefCell<BTreeSet<(String, String)>>,
}

impl Watched {
    /// Makes a call that must succeed and leave exactly these entries.
    #[track_caller]
    fn call(
        &self,
        who: &Client,
        route: (&'static str, &'static str),
        ids: &[&Value],
        body: Value,
        actions: &[&'static str],
    ) -> impl Future<Output = Value> {
        let (method, template) = route;
        let mut path = template.to_owned();
        for id in ids {
            let (open, close) = (path.find('{').unwrap(), path.find('}').unwrap());
            path.replace_range(open..=close, &id.to_string());
        }
        self.covered.borrow_mut().insert((method.to_owned(), format!("/api/v1{template}")));
        let request = who.request(method.parse().unwrap(), &path);
        let request = if body.is_null() { request } else { request.json(&body) };
        let (who, actions) = (who.clone(), actions.to_vec());
        async move {
            let before = end_of_log(&self.desk).await;
            let answer = who.send(request).await;
            assert!(answer.status < 300, "{method} {template}: {:#}", answer.body);
            assert_eq!(actions_after(&self.desk, before).await, actions, "{method} {template} {body}");
            for entry in log_after(&self.desk, before).await {
                assert_eq!(entry.at, self.desk.now());
                assert!(entry.actor.id.is_some_and(|id| id.0 == who.id) || who.id == 0, "{:?}", entry.actor);
            }
            answer.body
        }
    }
}

#[tokio::test]
async fn every_accepted_change_has_exactly_its_entries() {
    let empty = Watched { desk: Desk::start_empty(|_| {}).await, covered: RefCell::default() };
    let first = json!({ "email": "ana@example.com", "full_name": "Ana", "password": "long enough" });
    let set_up = json!({ "token": printed(&empty.desk).await, "organisation_name": "O", "locale": "en", "admin": first });
    empty.call(&empty.desk.anonymous(), ("POST", "/setup"), &[], set_up, &["user.created", "setup.completed"]).await;

    let w = Watched { desk: Desk::start().await, covered: empty.covered };
    let (admin, eva, ann) = (w.desk.admin().await, w.desk.user("eva").await, w.desk.agent("ann").await);
    let new = json!({ "title": "t", "description": "d", "tags": ["vpn"] });
    let ticket = w.call(&eva, ("POST", "/tickets"), &[], new.clone(), &["ticket.created"]).await["id"].clone();
    let other = w.call(&ann, ("POST", "/tickets"), &[], new, &["ticket.created"]).await["id"].clone();
    let (one, on_one) = ("/tickets/{id}", &[&ticket][..]);
    for (method, who, body, actions) in [
        ("PUT", &eva, json!({ "title": "new" }), &["ticket.updated"][..]),
        ("PUT", &eva, json!({ "title": "new" }), &[]),
        ("PATCH", &eva, json!({}), &[]),
        ("PATCH", &ann, json!({ "priority": "high", "tags": [] }), &["ticket.updated"]),
        ("PATCH", &ann, json!({ "status": "pending", "title": "more" }), &["ticket.status_changed"]),
        ("PATCH", &ann, json!({ "assigned_agent_id": ann.id, "priority": "low", "status": "open" }), &["ticket.assigned"]),
    ] {
        w.call(who, (method, one), on_one, body, actions).await;
    }
    w.call(&ann, ("PATCH", "/tickets/{id}/assign"), on_one, json!({ "assigned_agent_id": null }), &["ticket.assigned"]).await;
    w.call(&ann, ("PATCH", "/tickets/{id}/assign"), on_one, json!({ "assigned_agent_id": null }), &[]).await;
    let bulk = json!({ "ids": [ticket, other, 999_999], "change": { "priority": "critical" } });
    w.call(&ann, ("POST", "/tickets/bulk"), &[], bulk.clone(), &["ticket.updated", "ticket.updated"]).await;
    w.call(&ann, ("POST", "/tickets/bulk"), &[], bulk, &[]).await;

    let comments = ("POST", "/tickets/{id}/comments");
    let note = json!({ "content": "n", "is_internal": true });
    w.call(&ann, comments, on_one, note, &["comment.created"]).await;
    let comment = w.call(&ann, comments, on_one, json!({ "content": "c" }), &["comment.created", "ticket.updated"]).await["id"].clone();
    w.call(&eva, comments, on_one, json!({ "content": "c" }), &["comment.created"]).await;
    let (this, both) = ("/tickets/{id}/comments/{comment_id}", &[&ticket, &comment][..]);
    w.call(&ann, ("PUT", this), both, json!({ "content": "new" }), &["comment.updated"]).await;
    w.call(&ann, ("PUT", this), both, json!({ "content": "new" }), &[]).await;
    w.call(&ann, ("DELETE", this), both, Value::Null, &["comment.deleted"]).await;
    w.call(&admin, ("DELETE", one), on_one, Value::Null, &["ticket.deleted"]).await;
    w.call(&admin, ("POST", "/tickets/{id}/restore"), on_one, Value::Null, &["ticket.restored"]).await;

    of_people(&w, &admin, &eva).await;

    let changing = |o: &crate::openapi::Operation| o.method != Method::GET;
    let all: BTreeSet<_> = operations().into_iter().filter(changing).map(|o| (o.method.to_string(), o.path)).collect();
    let mut covered = w.covered.take();
    covered.extend(WITHOUT_ENTRY.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())));
    assert_eq!(all.difference(&covered).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "changing routes without a case here");
}

async fn of_people(w: &Watched, admin: &Client, eva: &Client) {
    let anyone = w.desk.anonymous();
    let (me, users) = ("/auth/me", "/users/{id}");
    w.call(eva, ("PATCH", me), &[], json!({ "full_name": "Eva New" }), &["user.updated"]).await;
    w.call(eva, ("PATCH", me), &[], json!({ "full_name": "Eva New" }), &[]).await;
    w.desk.sign_in("eva").await;
    let password = json!({ "password": "another pass phrase", "current_password": PASSWORD });
    w.call(eva, ("PATCH", me), &[], password, &["user.password_changed", "session.revoked"]).await;
    let token = w.call(eva, ("POST", "/auth/tokens"), &[], json!({ "name": "t" }), &["token.created"]).await["id"].clone();
    w.call(eva, ("DELETE", "/auth/tokens/{id}"), &[&token], Value::Null, &["token.revoked"]).await;
    let tom = w.desk.user("tom").await;
    let (_, shown) = signed_in(&w.desk, &tom.email).await;
    let sessions = tom.get("/auth/sessions").await.expect(200);
    let last = sessions.as_array().unwrap().iter().map(|session| session["id"].as_i64().unwrap()).max().unwrap();
    let before = end_of_log(&w.desk).await;
    refresh(&w.desk, &shown).await.expect(200);
    assert_eq!(end_of_log(&w.desk).await, before, "a new pair is no event");
    w.call(&tom, ("DELETE", "/auth/sessions/{id}"), &[&json!(last)], Value::Null, &["session.revoked"]).await;
    w.call(&tom, ("POST", "/auth/logout"), &[], Value::Null, &["user.logged_out"]).await;
    let credentials = json!({ "username": tom.email, "password": PASSWORD });
    w.call(&anyone, ("POST", "/auth/login"), &[], credentials, &["user.logged_in"]).await;
    let account = json!({ "email": "new@example.com", "full_name": "New", "password": "secret words 7" });
    w.call(&anyone, ("POST", "/auth/register"), &[], account, &["user.registered"]).await;

    let made = json!({ "email": "made@example.com", "full_name": "Made", "role": "user", "password": PASSWORD });
    let made = w.call(admin, ("POST", "/users"), &[], made, &["user.created"]).await["id"].clone();
    let on_made = &[&made][..];
    w.call(admin, ("PATCH", users), on_made, json!({ "role": "agent" }), &["user.updated"]).await;
    w.call(admin, ("PATCH", users), on_made, json!({ "role": "agent" }), &[]).await;
    w.desk.sign_in("made").await;
    w.call(admin, ("PATCH", users), on_made, json!({ "is_active": false }), &["user.deactivated", "session.revoked"]).await;
    w.call(admin, ("PATCH", users), on_made, json!({ "is_active": true }), &["user.reactivated"]).await;
    w.call(admin, ("PATCH", users), on_made, json!({ "password": "third pass phrase" }), &["user.password_changed"]).await;
    w.call(admin, ("DELETE", users), on_made, Value::Null, &["user.deactivated"]).await;
    w.call(admin, ("DELETE", users), on_made, Value::Null, &[]).await;
    w.call(admin, ("PATCH", "/settings"), &[], json!({ "locale": "es" }), &["settings.updated"]).await;
    w.call(admin, ("PATCH", "/settings"), &[], json!({ "locale": "es" }), &[]).await;
}

#[tokio::test]
async fn refused_changes_leave_nothing() {
    let desk = Desk::start().await;
    let (admin, eva) = (desk.admin().await, desk.user("eva").await);
    let ticket = eva.post("/tickets", json!({ "title": "t", "description": "d" })).await.expect(201)["id"].clone();
    let closed = eva.post("/tickets", json!({ "title": "t", "description": "d" })).await.expect(201)["id"].clone();
    admin.patch(&format!("/tickets/{closed}"), json!({ "status": "closed" })).await.expect(200);
    let (one, over) = (format!("/tickets/{ticket}"), format!("/tickets/{closed}"));
    let before = end_of_log(&desk).await;
    let raw = |path: &str, kind: &str, body: String| admin.request(Method::POST, path).header("content-type", kind).body(body);
    let stale = admin.request(Method::PATCH, &one).header("if-match", "\"99-0\"").json(&json!({ "title": "new" }));
    let keyed = |body: Value| admin.request(Method::POST, "/auth/tokens").header("idempotency-key", "k").json(&body);
    let json = "application/json";
    let requests: Vec<(u16, RequestBuilder)> = vec![
        (400, raw("/tickets", json, "{".into())),
        (400, raw("/tickets", json, String::new())),
        (415, raw("/tickets", "text/plain", "{}".into())),
        (413, raw("/tickets", json, " ".repeat(1_100_000))),
        (422, raw("/tickets", json, r#"{"title": "t", "description": "d", "id": 7}"#.into())),
        (422, raw("/users", json, r#"{"email": "x@example.com", "full_name": "X", "role": "user", "password": "password"}"#.into())),
        (400, raw("/users", json, format!(r#"{{"email": "{}", "full_name": "X", "role": "user"}}"#, eva.email))),
        (400, raw("/auth/register", json, format!(r#"{{"email": "{}", "full_name": "X", "password": "secret words 7"}}"#, eva.email))),
        (400, keyed(json!({ "name": "t" }))),
        (412, stale),
        (409, admin.request(Method::PATCH, &over).json(&json!({ "title": "new" }))),
        (409, admin.request(Method::DELETE, &format!("/users/{}", admin.id))),
        (409, admin.request(Method::POST, &format!("{one}/restore"))),
        (400, admin.request(Method::PATCH, &one).json(&json!({ "assigned_agent_id": eva.id }))),
        (404, admin.request(Method::PATCH, &one).json(&json!({ "assigned_agent_id": 999_999 }))),
        (403, eva.request(Method::PATCH, "/auth/me").json(&json!({ "password": "long enough", "current_password": "wrong" }))),
        (401, desk.anonymous().request(Method::POST, "/auth/refresh").json(&json!({ "refresh_token": "x" }))),
    ];
    for (status, request) in requests {
        admin.send(request).await.expect(status);
    }
    assert_eq!(actions_after(&desk, before).await, [""; 0]);
}

#[tokio::test]
async fn a_failed_sign_in_is_the_one_refusal_that_is_logged_and_once_a_minute() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let before = end_of_log(&desk).await;
    let fail = async || -> Response { login(&desk, &eva.email, "wrong password").await };
    fail().await.expect(401);
    eventually("an entry", async || (actions_after(&desk, before).await == ["user.login_failed"]).then_some(())).await;
    for _ in 0..5 {
        fail().await.expect(401);
    }
    desk.advance(60);
    fail().await.expect(401);
    eventually("a second entry", async || (actions_after(&desk, before).await.len() == 2).then_some(())).await;
    let log = log_after(&desk, before).await;
    assert_eq!(log[1].changes["count"][1], 6, "all that failed since");
    assert!(log.iter().all(|entry| entry.user_id.is_some_and(|id| id.0 == eva.id) && entry.actor.id.is_none()));
}

#[tokio::test]
async fn no_call_changes_or_removes_an_entry() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    for path in ["/activity", "/tickets/1/activity"] {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            with_headers(&admin, method, path, &[], Some(json!({}))).await.expect(405);
        }
    }
    let before = serde_json::to_value(log_after(&desk, 0).await).unwrap();
    let ticket = admin.post("/tickets", json!({ "title": "t", "description": "d" })).await.expect(201)["id"].clone();
    admin.delete(&format!("/tickets/{ticket}")).await.expect(204);
    let after = serde_json::to_value(log_after(&desk, 0).await).unwrap();
    let kept = before.as_array().unwrap().len();
    assert_eq!(after.as_array().unwrap()[..kept], before.as_array().unwrap()[..]);
}
