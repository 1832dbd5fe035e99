//! Registering, signing in, the caller's own account.

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    people::{actions_after, anonymised, end_of_log, faults, log_after, login, signed_in, text, with_headers},
    support::{Client, Desk, PASSWORD},
};

async fn register(client: &Client, email: &str, password: &str) -> crate::support::Response {
    client.post("/auth/register", json!({ "email": email, "full_name": "Eva Sanz", "password": password })).await
}

#[tokio::test]
async fn whoever_registers_becomes_a_requester() {
    let desk = Desk::start().await;
    let answer = register(&desk.anonymous(), " Eva@Example.com ", "long enough").await;
    let (location, etag) = (answer.header("location").to_owned(), answer.header("etag").to_owned());
    let user = answer.expect(201);
    assert_eq!(location, format!("/api/v1/users/{}", user["id"]));
    assert_eq!(etag, "\"1\"");
    let fields: Vec<&String> = user.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["created_at", "email", "full_name", "id", "is_active", "locale", "role", "updated_at", "version"]);
    let shown =
        json!([user["email"], user["full_name"], user["role"], user["is_active"], user["locale"], user["version"], user["created_at"]]);
    assert_eq!(shown, json!(["eva@example.com", "Eva Sanz", "user", true, "en", 1, "2026-03-02T09:00:00Z"]));
    let entries = log_after(&desk, 0).await;
    let entry = entries.last().unwrap();
    assert_eq!((entry.action.name(), entry.user_id.unwrap().0.into()), ("user.registered", user["id"].clone()));
    assert_eq!(entry.actor.id, entry.user_id);
    login(&desk, "EVA@example.COM", "long enough").await.expect(200);
}

#[tokio::test]
async fn an_address_registers_once_whatever_its_case() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    for email in ["eva@example.com", "EVA@example.com"] {
        let problem = register(&desk.anonymous(), email, "long enough").await.expect(400);
        assert_eq!(problem["type"], "/problems/already-registered");
    }
    desk.admin().await.delete(&format!("/users/{}", eva.id)).await.expect(204);
    register(&desk.anonymous(), "eva@example.com", "long enough").await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_registered_many_times_at_once_has_one_account() {
    let desk = Desk::start().await;
    let mut tries = JoinSet::new();
    for n in 0..16 {
        let client = desk.anonymous();
        let email = if n % 2 == 0 { "eva@example.com" } else { "Eva@Example.Com" };
        tries.spawn(async move { register(&client, email, "long enough").await });
    }
    let answers = tries.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for refused in answers.into_iter().filter(|answer| answer.status != 201) {
        assert_eq!(refused.expect(400)["type"], "/problems/already-registered");
    }
    assert_eq!(desk.admin().await.get("/users?q=eva").await.expect(200).as_array().unwrap().len(), 1);
    let registered = log_after(&desk, 0).await.iter().filter(|entry| entry.action.name() == "user.registered").count();
    assert_eq!(registered, 1);
}

#[tokio::test]
async fn nobody_gives_a_role_to_themselves() {
    let desk = Desk::start().await;
    let asking = async |role: serde_json::Value| {
        let body = json!({ "email": "eva@example.com", "full_name": "Eva", "password": "long enough", "role": role });
        desk.anonymous().post("/auth/register", body).await
    };
    asking(json!("admin")).await.expect(403);
    asking(json!("agent")).await.expect(403);
    assert_eq!(faults(asking(json!("root")).await), [("role".into(), "unknown_value".into())]);
    assert_eq!(asking(json!("user")).await.expect(201)["role"], "user");
}

#[tokio::test]
async fn every_fault_of_a_registration_is_told_at_once() {
    let desk = Desk::start().await;
    let body = json!({ "email": "nobody", "password": "short", "is_active": true });
    let found = faults(desk.anonymous().post("/auth/register", body).await);
    let expected = [("email", "invalid"), ("full_name", "missing"), ("password", "too_short"), ("is_active", "unknown_field")];
    assert_eq!(found, expected.map(|(field, code)| (field.to_owned(), code.to_owned())));
    let names = json!({ "email": "e@example.com", "full_name": " ", "password": "long enough" });
    assert_eq!(faults(desk.anonymous().post("/auth/register", names).await), [("full_name".into(), "too_short".into())]);
    let long = json!({ "email": "e@example.com", "full_name": "é".repeat(101), "password": "long enough" });
    assert_eq!(faults(desk.anonymous().post("/auth/register", long).await), [("full_name".into(), "too_long".into())]);
    let just = json!({ "email": "e@example.com", "full_name": "é".repeat(100), "password": "long enough" });
    desk.anonymous().post("/auth/register", just).await.expect(201);
}

#[tokio::test]
async fn a_closed_desk_registers_nobody() {
    let desk = Desk::start_with(|config| config.desk.registration_open = false).await;
    register(&desk.anonymous(), "eva@example.com", "long enough").await.expect(403);
    desk.admin().await.patch("/settings", json!({ "registration_open": true })).await.expect(200);
    register(&desk.anonymous(), "eva@example.com", "long enough").await.expect(201);
}

#[tokio::test]
async fn signing_in_works_by_form_and_by_json() {
    let desk = Desk::start().await;
    desk.user("eva").await;
    let client = desk.anonymous();
    let form = [
        ("username", "Eva@example.com"),
        ("password", PASSWORD),
        ("grant_type", "password"),
        ("scope", ""),
        ("client_id", "x"),
        ("client_secret", "y"),
    ];
    let by_form = client.send(client.request(Method::POST, "/auth/login").form(&form)).await.expect(200);
    let by_json =
        client.post("/auth/login/", json!({ "username": "eva@example.com", "password": PASSWORD, "scope": null })).await.expect(200);
    for pair in [by_form, by_json] {
        assert_eq!((&pair["token_type"], &pair["expires_in"]), (&json!("bearer"), &json!(1800)));
        assert!(text(&pair, "refresh_token").starts_with("tqr_"));
        let me = client.with_token(text(&pair, "access_token")).get("/auth/me").await.expect(200);
        assert_eq!(me["email"], "eva@example.com");
        assert_eq!(pair.as_object().unwrap().len(), 4);
    }
}

#[tokio::test]
async fn a_sign_in_is_read_strictly() {
    let desk = Desk::start().await;
    let client = desk.anonymous();
    let form = client.request(Method::POST, "/auth/login").form(&[("username", "a"), ("username", "b"), ("remember", "1")]);
    let found = faults(client.send(form).await);
    let expected = [("username", "repeated"), ("password", "missing"), ("remember", "unknown_field")];
    assert_eq!(found, expected.map(|(field, code)| (field.to_owned(), code.to_owned())));
    assert_eq!(
        faults(client.post("/auth/login", json!({ "username": 1, "password": "x" })).await),
        [("username".into(), "wrong_type".into())]
    );
    let good = json!({ "username": "admin@example.com", "password": PASSWORD });
    assert_eq!(faults(client.post("/auth/login?session=local", good.clone()).await), [("session".into(), "unknown_value".into())]);
    assert_eq!(faults(client.post("/auth/login?remember=1", good).await), [("remember".into(), "unknown_field".into())]);
    client.send(client.request(Method::POST, "/auth/login").body("username=a")).await.expect(415);
    client.send(client.request(Method::POST, "/auth/login").header("content-type", "application/json")).await.expect(400);
}

#[tokio::test]
async fn a_disabled_account_is_told_only_to_whoever_knows_its_password() {
    let desk = Desk::start().await;
    let (admin, eva) = (desk.admin().await, desk.user("eva").await);
    admin.delete(&format!("/users/{}", eva.id)).await.expect(204);
    assert_eq!(login(&desk, &eva.email, PASSWORD).await.expect(400)["type"], "/problems/account-disabled");
    let wrong = anonymised(login(&desk, &eva.email, "wrong one").await.expect(401));
    let unknown = anonymised(login(&desk, "nobody@example.com", "wrong one").await.expect(401));
    let known = anonymised(login(&desk, "admin@example.com", "wrong one").await.expect(401));
    let no_address = anonymised(login(&desk, "no address", "wrong one").await.expect(401));
    assert_eq!((&wrong, &known, &no_address), (&unknown, &unknown, &unknown));
    assert_eq!(unknown["type"], "/problems/wrong-credentials");
}

#[tokio::test]
async fn a_sign_in_has_its_entry_and_names_its_session() {
    let desk = Desk::start().await;
    desk.user("eva").await;
    let before = end_of_log(&desk).await;
    let (eva, _) = signed_in(&desk, "eva@example.com").await;
    let session = eva.get("/auth/sessions").await.expect(200).as_array().unwrap().last().unwrap()["id"].clone();
    eva.post("/auth/logout", json!(null)).await.expect(204);
    let entries = log_after(&desk, before).await;
    let told: Vec<_> = entries.iter().map(|e| (e.action.name(), e.user_id, e.changes["session_id"].clone())).collect();
    let user = entries[0].actor.id;
    assert_eq!(told, [("user.logged_in", user, [json!(null), session.clone()]), ("user.logged_out", user, [session, json!(null)]),]);
}

#[tokio::test]
async fn failed_sign_ins_are_logged_once_a_minute_with_a_count() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let before = end_of_log(&desk).await;
    let failures = async || {
        let entries = log_after(&desk, before).await;
        entries.into_iter().map(|e| (e.user_id.map(|id| id.0), e.changes["count"][1].as_i64().unwrap())).collect::<Vec<_>>()
    };
    for _ in 0..3 {
        login(&desk, &eva.email, "wrong one").await.expect(401);
        login(&desk, "nobody@example.com", "wrong one").await.expect(401);
    }
    crate::people::eventually("the first entries", async || (failures().await.len() == 2).then_some(())).await;
    desk.advance(60);
    login(&desk, &eva.email, "wrong one").await.expect(401);
    crate::people::eventually("the next entry", async || (failures().await.len() == 3).then_some(())).await;
    let mut found = failures().await;
    found.sort_unstable();
    assert_eq!(found, [(None, 1), (Some(eva.id), 1), (Some(eva.id), 3)]);
    taquilla::auth::failures::write_due(&desk.app, desk.now()).await.unwrap();
    assert_eq!(failures().await.last(), Some(&(None, 2)), "counted failures get an entry without a further one");
    let entry = log_after(&desk, before).await.pop().unwrap();
    assert_eq!((entry.action.name(), entry.actor.id, &entry.changes["address"][1]), ("user.login_failed", None, &json!("127.0.0.1")));
    assert!(!serde_json::to_string(&entry).unwrap().contains("nobody@"), "what was typed is not kept");
}

#[tokio::test]
async fn the_caller_sees_and_changes_their_own_account() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let answer = eva.get("/auth/me").await;
    let etag = answer.header("etag").to_owned();
    let me = answer.expect(200);
    assert_eq!((&me["id"], &me["version"], etag.as_str()), (&json!(eva.id), &json!(1), "\"1\""));
    assert_eq!(with_headers(&eva, Method::GET, "/auth/me", &[("if-none-match", &etag)], None).await.status, 304);

    let before = end_of_log(&desk).await;
    desk.advance(60);
    let change = json!({ "full_name": " Eva Sanz ", "locale": "es" });
    let answer = with_headers(&eva, Method::PATCH, "/auth/me", &[("if-match", &etag)], Some(change.clone())).await;
    assert_eq!(answer.header("etag"), "\"2\"");
    let me = answer.expect(200);
    assert_eq!(
        json!([me["full_name"], me["locale"], me["version"], me["updated_at"]]),
        json!(["Eva Sanz", "es", 2, "2026-03-02T09:01:00Z"])
    );
    with_headers(&eva, Method::PATCH, "/auth/me", &[("if-match", &etag)], Some(json!({ "locale": "en" }))).await.expect(412);
    assert_eq!(eva.patch("/auth/me", change).await.expect(200)["version"], 2, "no change");
    assert_eq!(eva.patch("/auth/me", json!({})).await.expect(200)["version"], 2);
    assert_eq!(actions_after(&desk, before).await, ["user.updated"]);
    let changes = log_after(&desk, before).await.pop().unwrap().changes;
    assert_eq!(json!(changes), json!({ "full_name": ["Eva Example", "Eva Sanz"], "locale": ["en", "es"] }));

    for field in ["role", "is_active", "email", "id", "version"] {
        assert_eq!(faults(eva.patch("/auth/me", json!({ field: "admin" })).await), [(field.into(), "unknown_field".into())]);
    }
    let bad = json!({ "full_name": null, "locale": "de", "password": "short" });
    let expected = [("full_name", "null"), ("locale", "unknown_value"), ("password", "too_short"), ("current_password", "missing")];
    assert_eq!(faults(eva.patch("/auth/me", bad).await), expected.map(|(field, code)| (field.to_owned(), code.to_owned())));
}

#[tokio::test]
async fn an_own_new_password_needs_the_present_one_and_ends_the_other_sessions() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let (other, other_refresh) = signed_in(&desk, &eva.email).await;
    let token = text(&eva.post("/auth/tokens", json!({ "name": "script" })).await.expect(201), "token");
    let with = |current: serde_json::Value| json!({ "password": "another one", "current_password": current });
    assert_eq!(faults(eva.patch("/auth/me", json!({ "password": "another one" })).await), [("current_password".into(), "missing".into())]);
    eva.patch("/auth/me", with(json!("wrong one"))).await.expect(403);
    other.get("/auth/me").await.expect(200);

    let before = end_of_log(&desk).await;
    eva.patch("/auth/me", with(json!(PASSWORD))).await.expect(200);
    eva.get("/auth/me").await.expect(200);
    other.get("/auth/me").await.expect(401);
    crate::people::refresh(&desk, &other_refresh).await.expect(401);
    desk.anonymous().with_token(token).get("/auth/me").await.expect(200);
    login(&desk, &eva.email, PASSWORD).await.expect(401);
    login(&desk, &eva.email, "another one").await.expect(200);
    assert_eq!(actions_after(&desk, before).await[..2], ["user.password_changed", "session.revoked"]);
    let log = serde_json::to_string(&log_after(&desk, 0).await).unwrap();
    assert!(!log.contains("another one") && !log.contains("argon2") && !log.contains(PASSWORD));
}

#[tokio::test]
async fn an_idempotency_key_is_refused_under_auth() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let key = [("idempotency-key", "k")];
    for (path, body) in [
        ("/auth/login", json!({ "username": eva.email, "password": PASSWORD })),
        ("/auth/register", json!({ "email": "x@example.com", "full_name": "X", "password": "long enough" })),
        ("/auth/refresh", json!({ "refresh_token": "x" })),
    ] {
        with_headers(&desk.anonymous(), Method::POST, path, &key, Some(body)).await.expect(400);
    }
    with_headers(&eva, Method::POST, "/auth/tokens", &key, Some(json!({ "name": "x" }))).await.expect(400);
    with_headers(&desk.anonymous(), Method::POST, "/auth/tokens", &key, Some(json!({ "name": "x" }))).await.expect(401);
    with_headers(&eva, Method::POST, "/auth/logout", &key, None).await.expect(400);
    eva.get("/auth/me").await.expect(200);
}

#[tokio::test]
async fn everything_about_the_caller_needs_a_token() {
    let desk = Desk::start().await;
    let nobody = desk.anonymous();
    for (method, path) in [
        (Method::GET, "/auth/me"),
        (Method::PATCH, "/auth/me"),
        (Method::POST, "/auth/logout"),
        (Method::GET, "/auth/sessions"),
        (Method::DELETE, "/auth/sessions/1"),
        (Method::GET, "/auth/tokens"),
        (Method::POST, "/auth/tokens"),
        (Method::DELETE, "/auth/tokens/1"),
        (Method::GET, "/users"),
        (Method::POST, "/users"),
        (Method::GET, "/users/1"),
        (Method::PATCH, "/users/1"),
        (Method::DELETE, "/users/1"),
        (Method::GET, "/settings"),
        (Method::PATCH, "/settings"),
    ] {
        let problem = nobody.send(nobody.request(method, path)).await.expect(401);
        assert_eq!(problem["type"], "/problems/unauthorized");
    }
}
