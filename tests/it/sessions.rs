//! Sessions and their refresh tokens.

use std::net::Ipv4Addr;

use reqwest::Method;
use serde_json::{Value, json};
use taquilla::{
    auth::{
        model::Session,
        session::{self, RefreshToken},
    },
    store::{Changes, IdKind},
    types::{SessionId, UserId},
};
use tokio::task::JoinSet;

use crate::{
    people::{actions_after, end_of_log, eventually, login, refresh, signed_in, text, with_headers},
    support::{Client, Desk, PASSWORD, Response},
};

const MINUTE: i64 = 60;
const DAY: i64 = 24 * 60 * MINUTE;

async fn pair_of(desk: &Desk, token: &str) -> (Client, String) {
    let pair = refresh(desk, token).await.expect(200);
    (desk.anonymous().with_token(text(&pair, "access_token")), text(&pair, "refresh_token"))
}

async fn sessions(client: &Client) -> Vec<Value> {
    client.get("/auth/sessions?limit=200").await.expect(200).as_array().unwrap().clone()
}

/// Begins sessions without the work of signing in.
pub async fn begin_sessions(desk: &Desk, user: i64, count: usize) {
    let client = session::Client { address: Ipv4Addr::LOCALHOST.into(), user_agent: String::new(), cookie: false };
    let mut changes = Changes::new();
    for _ in 0..count {
        let first = RefreshToken::first(SessionId(desk.app.store.reserve(IdKind::Session).await.unwrap()));
        changes = changes.insert(Session::begin(UserId(user), &first, &client, desk.now(), 30));
    }
    desk.app.store.commit(changes).await.unwrap();
}

#[tokio::test]
async fn an_access_token_lives_thirty_minutes() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    desk.advance(30 * MINUTE - 1);
    eva.get("/auth/me").await.expect(200);
    desk.advance(1);
    eva.get("/auth/me").await.expect(401);
}

#[tokio::test]
async fn the_lifetimes_are_configured() {
    let desk = Desk::start_with(|config| {
        config.auth.access_token_minutes = 1;
        config.auth.refresh_token_days = 1;
    })
    .await;
    let (client, token) = signed_in(&desk, "admin@example.com").await;
    desk.advance(MINUTE);
    client.get("/auth/me").await.expect(401);
    desk.advance(DAY - MINUTE);
    refresh(&desk, &token).await.expect(401);
}

#[tokio::test]
async fn a_refresh_gives_a_new_pair_and_spends_the_old_token() {
    let desk = Desk::start().await;
    let (_, first) = signed_in(&desk, "admin@example.com").await;
    let before = end_of_log(&desk).await;
    desk.advance(30 * MINUTE);
    let (client, second) = pair_of(&desk, &first).await;
    assert_ne!(first, second);
    client.get("/auth/me").await.expect(200);
    assert!(actions_after(&desk, before).await.is_empty(), "rotation is no entry");
}

#[tokio::test]
async fn a_refresh_token_lives_thirty_days_after_its_last_use() {
    let desk = Desk::start().await;
    let (_, mut token) = signed_in(&desk, "admin@example.com").await;
    for _ in 0..3 {
        desk.advance(29 * DAY);
        token = pair_of(&desk, &token).await.1;
    }
    desk.advance(30 * DAY);
    refresh(&desk, &token).await.expect(401);
}

#[tokio::test]
async fn a_spent_token_answers_for_ten_seconds_with_a_further_live_pair() {
    let desk = Desk::start().await;
    let (_, first) = signed_in(&desk, "admin@example.com").await;
    let (_, second) = pair_of(&desk, &first).await;
    desk.advance(9);
    let (client, third) = pair_of(&desk, &first).await;
    client.get("/auth/me").await.expect(200);
    let (_, fourth) = pair_of(&desk, &second).await;
    let (_, _) = pair_of(&desk, &third).await;
    pair_of(&desk, &fourth).await.0.get("/auth/me").await.expect(200);
}

#[tokio::test]
async fn a_token_used_again_later_ends_its_whole_family() {
    let desk = Desk::start().await;
    let (_, first) = signed_in(&desk, "admin@example.com").await;
    let (bystander, _) = signed_in(&desk, "admin@example.com").await;
    let (client, second) = pair_of(&desk, &first).await;
    desk.advance(6);
    let (_, third) = pair_of(&desk, &first).await;
    desk.advance(6);
    let before = end_of_log(&desk).await;
    refresh(&desk, &first).await.expect(401);
    client.get("/auth/me").await.expect(401);
    for token in [second, third, first] {
        refresh(&desk, &token).await.expect(401);
    }
    bystander.get("/auth/me").await.expect(200);
    assert_eq!(actions_after(&desk, before).await, ["session.revoked"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tabs_may_refresh_with_the_same_token_at_once() {
    let desk = Desk::start().await;
    let (_, first) = signed_in(&desk, "admin@example.com").await;
    let mut tabs = JoinSet::new();
    for _ in 0..8 {
        let (client, body) = (desk.anonymous(), json!({ "refresh_token": first }));
        tabs.spawn(async move { client.post("/auth/refresh", body).await });
    }
    let mut tokens = Vec::new();
    for answer in tabs.join_all().await {
        let pair = answer.expect(200);
        desk.anonymous().with_token(text(&pair, "access_token")).get("/auth/me").await.expect(200);
        tokens.push(text(&pair, "refresh_token"));
    }
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 8);
    for token in tokens {
        refresh(&desk, &token).await.expect(200);
    }
}

#[tokio::test]
async fn what_is_no_refresh_token_of_a_session_changes_nothing() {
    let desk = Desk::start().await;
    let (client, good) = signed_in(&desk, "admin@example.com").await;
    let (_, other) = signed_in(&desk, "admin@example.com").await;
    // The other session's id at the front of this session's family.
    let crossed = format!("{}{}", &other[..15], &good[15..]);
    let access = client.token.clone().unwrap();
    for bad in [
        "",
        "tqr_",
        "x",
        &good[..good.len() - 1],
        &format!("{good}A"),
        &good.replace("tqr_", "tqp_"),
        &crossed,
        &access,
        &"tqr_".repeat(1_000),
    ] {
        refresh(&desk, bad).await.expect(401);
    }
    client.get("/auth/me").await.expect(200);
    refresh(&desk, &good).await.expect(200);
    refresh(&desk, &other).await.expect(200);
    desk.anonymous().with_token(good).get("/auth/me").await.expect(401);
}

#[tokio::test]
async fn a_refresh_is_read_strictly() {
    let desk = Desk::start().await;
    let client = desk.anonymous();
    let fields = |answer: Response| crate::people::faults(answer);
    assert_eq!(fields(client.post("/auth/refresh", json!({})).await), [("refresh_token".into(), "missing".into())]);
    assert_eq!(fields(client.post("/auth/refresh", json!({ "refresh_token": 1 })).await), [("refresh_token".into(), "wrong_type".into())]);
    assert_eq!(fields(client.post("/auth/refresh", json!([])).await), [(String::new(), "wrong_type".into())]);
    client.send(client.request(Method::POST, "/auth/refresh").header("content-type", "application/json")).await.expect(400);
    client.send(client.request(Method::POST, "/auth/refresh").body("refresh_token=x")).await.expect(415);
    client.send(client.request(Method::POST, "/auth/refresh")).await.expect(401);
}

#[tokio::test]
async fn signing_out_ends_access_and_refresh_tokens() {
    let desk = Desk::start().await;
    let (client, token) = signed_in(&desk, "admin@example.com").await;
    let (other, _) = signed_in(&desk, "admin@example.com").await;
    let (same, next) = pair_of(&desk, &token).await;
    assert_eq!(client.post("/auth/logout", json!(null)).await.expect(204), json!(null));
    for ended in [&client, &same] {
        ended.get("/auth/me").await.expect(401);
        ended.post("/auth/logout", json!(null)).await.expect(401);
    }
    refresh(&desk, &next).await.expect(401);
    other.get("/auth/me").await.expect(200);
}

#[tokio::test]
async fn sessions_survive_a_restart() {
    let mut desk = Desk::start().await;
    let (client, first) = signed_in(&desk, "admin@example.com").await;
    let (_, second) = pair_of(&desk, &first).await;
    let (gone, _) = signed_in(&desk, "admin@example.com").await;
    gone.post("/auth/logout", json!(null)).await.expect(204);
    desk.restart().await;
    client.get("/auth/me").await.expect(200);
    gone.get("/auth/me").await.expect(401);
    desk.advance(11);
    refresh(&desk, &second).await.expect(200);
    refresh(&desk, &first).await.expect(401);
    client.get("/auth/me").await.expect(401);
}

#[tokio::test]
async fn the_caller_sees_their_own_live_sessions_and_ends_them() {
    let desk = Desk::start().await;
    let (eva, tom) = (desk.user("eva").await, desk.user("tom").await);
    desk.advance(5 * MINUTE);
    let agent = format!("Browser {}", "x".repeat(300));
    let body = json!({ "username": eva.email, "password": PASSWORD });
    let pair = with_headers(&desk.anonymous(), Method::POST, "/auth/login", &[("user-agent", &agent)], Some(body)).await.expect(200);
    let second = desk.anonymous().with_token(text(&pair, "access_token"));

    let list = sessions(&second).await;
    assert_eq!(list.len(), 2);
    let fields: Vec<&String> = list[1].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["address", "created_at", "current", "expires_at", "id", "last_used_at", "user_agent"]);
    let shown = json!([list[1]["address"], list[1]["created_at"], list[1]["current"], list[0]["current"]]);
    assert_eq!(shown, json!(["127.0.0.1", "2026-03-02T09:05:00Z", true, false]));
    assert_eq!(text(&list[1], "user_agent"), agent[..200]);

    let first = list[0]["id"].as_i64().unwrap();
    tom.delete(&format!("/auth/sessions/{first}")).await.expect(404);
    for nothing in ["0", "999999", "x", "01"] {
        second.delete(&format!("/auth/sessions/{nothing}")).await.expect(404);
    }
    let before = end_of_log(&desk).await;
    second.delete(&format!("/auth/sessions/{first}")).await.expect(204);
    assert_eq!(actions_after(&desk, before).await, ["session.revoked"]);
    eva.get("/auth/me").await.expect(401);
    second.delete(&format!("/auth/sessions/{first}")).await.expect(404);
    second.delete(&format!("/auth/sessions/{}", list[1]["id"])).await.expect(204);
    second.get("/auth/me").await.expect(401);
}

#[tokio::test]
async fn a_clients_address_is_told_by_trusted_proxies_only() {
    for (trusted, address) in
        [(vec![], "127.0.0.1"), (vec!["10.0.0.0/8".to_owned()], "127.0.0.1"), (vec!["127.0.0.0/8".to_owned()], "1.2.3.4")]
    {
        let desk = Desk::start_with(|config| config.server.trusted_proxies = trusted).await;
        let headers = [("x-forwarded-for", "6.6.6.6, 1.2.3.4"), ("forwarded", "for=7.7.7.7"), ("x-real-ip", "8.8.8.8")];
        let body = json!({ "username": "admin@example.com", "password": PASSWORD });
        let pair = with_headers(&desk.anonymous(), Method::POST, "/auth/login", &headers, Some(body)).await.expect(200);
        let list = sessions(&desk.anonymous().with_token(text(&pair, "access_token"))).await;
        assert_eq!(list[0]["address"], address);
    }
}

#[tokio::test]
async fn sessions_are_paged_like_every_list() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    for _ in 0..4 {
        signed_in(&desk, &eva.email).await;
    }
    let first = eva.get("/auth/sessions?limit=3").await;
    assert_eq!(first.header("x-total-count"), "5");
    let next = first.next().unwrap();
    assert!(next.starts_with("/api/v1/auth/sessions?limit=3&cursor="), "{next}");
    let second = eva.get(&next).await;
    assert_eq!((second.header("x-total-count"), second.next()), ("", None));
    let ids: Vec<i64> =
        [first, second].into_iter().flat_map(|a| a.expect(200).as_array().unwrap().clone()).map(|s| s["id"].as_i64().unwrap()).collect();
    assert!(ids.len() == 5 && ids.is_sorted());
    eva.get("/auth/sessions?limit=0").await.expect(422);
    eva.get(&next.replace("sessions", "tokens")).await.expect(422);
}

#[tokio::test]
async fn an_expired_session_is_neither_shown_nor_kept() {
    let desk = Desk::start().await;
    let (old, _) = signed_in(&desk, "admin@example.com").await;
    let id = sessions(&old).await[0]["id"].as_i64().unwrap();
    desk.advance(30 * DAY);
    let (new, _) = signed_in(&desk, "admin@example.com").await;
    assert_eq!(sessions(&new).await.len(), 1);
    new.delete(&format!("/auth/sessions/{id}")).await.expect(404);
    let before = end_of_log(&desk).await;
    desk.advance(1);
    taquilla::jobs::purge::sessions(&desk.app).await.unwrap();
    assert_eq!(desk.app.store.session(SessionId(id)).await.unwrap(), None);
    assert!(actions_after(&desk, before).await.is_empty());
    new.get("/auth/me").await.expect(200);
}

#[tokio::test]
async fn last_use_is_noted_to_the_minute() {
    let desk = Desk::start().await;
    let (client, _) = signed_in(&desk, "admin@example.com").await;
    let before = end_of_log(&desk).await;
    let seen = async || text(&sessions(&client).await[0], "last_used_at");
    desk.advance(59);
    assert_eq!(seen().await, "2026-03-02T09:00:00Z");
    desk.advance(1);
    eventually("the use is noted", async || (seen().await == "2026-03-02T09:01:00Z").then_some(())).await;
    assert!(actions_after(&desk, before).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_recently_used_of_a_hundred_sessions_gives_way() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    desk.advance(1);
    let (second, _) = signed_in(&desk, &eva.email).await;
    desk.advance(1);
    begin_sessions(&desk, eva.id, 98).await;
    assert_eq!(sessions(&eva).await.len(), 100);
    desk.advance(MINUTE);
    eventually("the first one is used again", async || {
        (text(&sessions(&eva).await[0], "last_used_at") == "2026-03-02T09:01:02Z").then_some(())
    })
    .await;

    let before = end_of_log(&desk).await;
    let (last, _) = signed_in(&desk, &eva.email).await;
    second.get("/auth/me").await.expect(401);
    eva.get("/auth/me").await.expect(200);
    assert_eq!(sessions(&last).await.len(), 100);
    assert_eq!(actions_after(&desk, before).await, ["session.revoked", "user.logged_in"]);

    let mut logins = JoinSet::new();
    for _ in 0..8 {
        let (client, body) = (desk.anonymous(), json!({ "username": eva.email, "password": PASSWORD }));
        logins.spawn(async move { client.post("/auth/login", body).await.expect(200) });
    }
    logins.join_all().await;
    assert_eq!(sessions(&last).await.len(), 100, "also after sign-ins at the same moment");
}

#[tokio::test]
async fn the_web_apps_refresh_token_is_a_cookie_that_no_script_and_no_other_site_can_use() {
    let desk = Desk::start().await;
    let body = json!({ "username": "admin@example.com", "password": PASSWORD });
    let answer = desk.anonymous().post("/auth/login?session=cookie", body).await;
    let cookie = answer.header("set-cookie").to_owned();
    let pair = answer.expect(200);
    assert_eq!(pair.get("refresh_token"), None);
    let (token, attributes) = cookie.strip_prefix("taquilla=").unwrap().split_once(';').unwrap();
    assert_eq!(attributes, " Path=/api/v1/auth; Max-Age=2592000; HttpOnly; SameSite=Strict");

    let by_cookie = async |token: &str, headers: &[(&str, &str)]| {
        let cookie = format!("other=1; taquilla={token}");
        let headers = [headers, &[("cookie", cookie.as_str())]].concat();
        with_headers(&desk.anonymous(), Method::POST, "/auth/refresh", &headers, None).await
    };
    for foreign in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
    ] {
        by_cookie(token, foreign).await.expect(403);
    }
    let origin = desk.url.clone();
    let answer = by_cookie(token, &[("origin", &origin), ("sec-fetch-site", "same-origin")]).await;
    let next = answer.header("set-cookie").strip_prefix("taquilla=").unwrap().split(';').next().unwrap().to_owned();
    let pair = answer.expect(200);
    assert_eq!(pair.get("refresh_token"), None);
    assert_ne!(next, token);

    let client = desk.anonymous().with_token(text(&pair, "access_token"));
    let ticket = client.post("/tickets", json!({ "title": "t", "description": "d" })).await.expect(201);
    assert_eq!(ticket["channel"], "web");
    let answer = client.post("/auth/logout", json!(null)).await;
    assert!(answer.header("set-cookie").starts_with("taquilla=; Path=/api/v1/auth; Max-Age=0; HttpOnly"));
    answer.expect(204);
    by_cookie(&next, &[]).await.expect(401);
}

#[tokio::test]
async fn behind_https_the_cookie_is_secure_and_only_the_own_origin_counts() {
    let desk = Desk::start_with(|config| config.server.public_url = Some("https://desk.example.com".into())).await;
    let body = json!({ "username": "admin@example.com", "password": PASSWORD });
    let answer = desk.anonymous().post("/auth/login?session=cookie", body).await;
    let cookie = answer.header("set-cookie").to_owned();
    answer.expect(200);
    assert!(cookie.starts_with("__Secure-taquilla=tqr_") && cookie.ends_with("; HttpOnly; SameSite=Strict; Secure"), "{cookie}");
    let sent = cookie.split(';').next().unwrap();
    let from = async |origin: &str| {
        with_headers(&desk.anonymous(), Method::POST, "/auth/refresh", &[("cookie", sent), ("origin", origin)], None).await
    };
    from("https://desk.example.com.evil.example").await.expect(403);
    from("http://desk.example.com").await.expect(403);
    from("https://desk.example.com").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_races_with_deactivation_does_not_survive_it() {
    let desk = Desk::start().await;
    let (admin, eva) = (desk.admin().await, desk.user("eva").await);
    let path = format!("/users/{}", eva.id);
    for _ in 0..5 {
        let mut logins = JoinSet::new();
        for _ in 0..4 {
            let (client, body) = (desk.anonymous(), json!({ "username": eva.email, "password": PASSWORD }));
            logins.spawn(async move { client.post("/auth/login", body).await });
        }
        // As soon as one is in, while others are under way.
        let first = logins.join_next().await.unwrap().unwrap();
        admin.delete(&path).await.expect(204);
        let mut answers = logins.join_all().await;
        answers.push(first);
        let tokens: Vec<String> = answers.iter().filter(|a| a.status == 200).map(|a| text(&a.body, "access_token")).collect();
        assert!(answers.iter().all(|answer| [200, 400].contains(&answer.status)));
        admin.patch(&path, json!({ "is_active": true })).await.expect(200);
        for token in tokens {
            desk.anonymous().with_token(token).get("/auth/me").await.expect(401);
        }
        assert!(desk.app.store.sessions_of(UserId(eva.id)).await.unwrap().is_empty());
    }
    login(&desk, &eva.email, PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_with_the_old_password_does_not_survive_its_reset() {
    let desk = Desk::start().await;
    let (admin, eva) = (desk.admin().await, desk.user("eva").await);
    let mut password = PASSWORD.to_owned();
    for round in 0..5 {
        let mut logins = JoinSet::new();
        for _ in 0..4 {
            let (client, body) = (desk.anonymous(), json!({ "username": eva.email, "password": password }));
            logins.spawn(async move { client.post("/auth/login", body).await });
        }
        let first = logins.join_next().await.unwrap().unwrap();
        password = format!("password of round {round}");
        admin.patch(&format!("/users/{}", eva.id), json!({ "password": password })).await.expect(200);
        let mut answers = logins.join_all().await;
        answers.push(first);
        for answer in answers {
            if answer.status == 200 {
                desk.anonymous().with_token(text(&answer.body, "access_token")).get("/auth/me").await.expect(401);
            } else {
                answer.expect(401);
            }
        }
    }
    login(&desk, &eva.email, &password).await.expect(200);
}
