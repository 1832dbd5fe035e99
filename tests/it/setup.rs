//! The set-up of a desk that has no admin.

use serde_json::{Value, json};
use taquilla::{
    app::{App, Clock},
    config::Config,
    types::Secret,
    users::setup,
};
use tokio::task::JoinSet;

use crate::{
    people::{actions_after, eventually, faults, log_after, login, text},
    support::Desk,
};

pub fn wanted(token: &str) -> Value {
    json!({
        "token": token, "organisation_name": " Ayuntamiento ", "locale": "es",
        "admin": { "email": "Ana@example.com", "full_name": "Ana", "password": "long enough" },
    })
}

/// A token like the one that was printed, after the one of the start, so that no other takes its place meanwhile.
pub async fn printed(desk: &Desk) -> String {
    eventually("the start has printed one", async || desk.app.store.setup_token().await.unwrap()).await;
    setup::new_token(&desk.app).await.unwrap().unwrap().expose().to_owned()
}

#[tokio::test]
async fn the_first_admin_is_made_with_the_printed_token_and_once() {
    let desk = Desk::start_empty(|_| {}).await;
    let anyone = desk.anonymous();
    assert_eq!(anyone.get("/setup").await.expect(200), json!({ "needed": true }));
    let registration = json!({ "email": "eva@example.com", "full_name": "Eva", "password": "long enough" });
    anyone.post("/auth/register", registration.clone()).await.expect(403);

    let token = printed(&desk).await;
    let answer = anyone.post("/setup", wanted(&token)).await;
    let location = answer.header("location").to_owned();
    let admin = answer.expect(201);
    assert_eq!(location, format!("/api/v1/users/{}", admin["id"]));
    assert_eq!(json!([admin["email"], admin["role"], admin["locale"]]), json!(["ana@example.com", "admin", "es"]));
    assert_eq!(anyone.get("/setup").await.expect(200), json!({ "needed": false }));
    let signed_in = anyone.with_token(text(&login(&desk, "ana@example.com", "long enough").await.expect(200), "access_token"));
    let settings = signed_in.get("/settings").await.expect(200);
    assert_eq!(json!([settings["organisation_name"], settings["locale"]]), json!(["Ayuntamiento", "es"]));
    assert_eq!(anyone.post("/auth/register", registration).await.expect(201)["locale"], "es");

    anyone.post("/setup", wanted(&token)).await.expect(409);
    anyone.post("/setup", wanted("x")).await.expect(409);
    assert_eq!(actions_after(&desk, 0).await[..2], ["user.created", "setup.completed"]);
    let log = serde_json::to_string(&log_after(&desk, 0).await).unwrap();
    assert!(!log.contains(&token) && !log.contains("long enough"));
    assert!(setup::new_token(&desk.app).await.unwrap().is_none(), "nothing is printed any more");
}

#[tokio::test]
async fn a_wrong_an_old_and_a_replaced_token_are_refused() {
    let desk = Desk::start_empty(|_| {}).await;
    let anyone = desk.anonymous();
    for wrong in ["", "x", &"A".repeat(43)] {
        anyone.post("/setup", wanted(wrong)).await.expect(403);
    }
    let first = printed(&desk).await;
    let second = printed(&desk).await;
    anyone.post("/setup", wanted(&first)).await.expect(403);
    desk.advance(30 * 60);
    anyone.post("/setup", wanted(&second)).await.expect(403);
    let third = printed(&desk).await;
    desk.advance(30 * 60 - 1);
    anyone.post("/setup", wanted(&third)).await.expect(201);
}

#[tokio::test]
async fn the_address_is_printed_anew_when_its_token_has_expired() {
    let desk = Desk::start_empty(|_| {}).await;
    let token = async || desk.app.store.setup_token().await.unwrap();
    let first = eventually("the start has printed one", token).await;
    let address = desk.url.strip_prefix("http://").unwrap().parse().unwrap();
    let print = async || setup::print_address(&desk.app, address, false).await.unwrap();
    desk.advance(30 * 60 - 1);
    assert!(!print().await);
    assert_eq!(token().await.unwrap().hash, first.hash, "it is still good");
    desk.advance(1);
    assert!(print().await);
    let second = token().await.unwrap();
    assert!(second.hash != first.hash && second.expires_at == desk.now().plus_seconds(30 * 60));
    assert!(!print().await);
    desk.anonymous().post("/setup", wanted(&printed(&desk).await)).await.expect(201);
    desk.advance(30 * 60);
    assert!(!print().await, "there is an admin");
}

#[tokio::test]
async fn what_the_set_up_says_is_checked() {
    let desk = Desk::start_empty(|_| {}).await;
    let anyone = desk.anonymous();
    let token = printed(&desk).await;
    let bad =
        json!({ "token": token, "organisation_name": "", "admin": { "email": "x", "password": "password", "role": "admin" }, "theme": 1 });
    let expected = [
        ("organisation_name", "too_short"),
        ("locale", "missing"),
        ("admin.email", "invalid"),
        ("admin.full_name", "missing"),
        ("admin.password", "invalid"),
        ("admin.role", "unknown_field"),
        ("theme", "unknown_field"),
    ];
    assert_eq!(faults(anyone.post("/setup", bad).await), expected.map(|(field, code)| (field.to_owned(), code.to_owned())));
    let mut named = wanted(&token);
    named["admin"]["password"] = json!("ANA@example.com");
    named["locale"] = json!("fr");
    let expected = [("locale".into(), "unknown_value".into()), ("admin.password".into(), "invalid".into())];
    assert_eq!(faults(anyone.post("/setup", named).await), expected, "in one answer");
    let mut demo = wanted(&token);
    demo["demo_data"] = json!("yes");
    assert_eq!(faults(anyone.post("/setup", demo.clone()).await), [("demo_data".into(), "wrong_type".into())]);
    demo["demo_data"] = json!(false);
    anyone.post("/setup", demo).await.expect(201);
    assert!(!actions_after(&desk, 0).await.contains(&"ticket.created"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_set_ups_at_once_make_one_admin() {
    let desk = Desk::start_empty(|_| {}).await;
    let token = printed(&desk).await;
    let mut tries = JoinSet::new();
    for n in 0..8 {
        let (client, mut body) = (desk.anonymous(), wanted(&token));
        body["admin"]["email"] = json!(format!("ana{n}@example.com"));
        tries.spawn(async move { client.post("/setup", body).await.status });
    }
    let mut statuses = tries.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [&[201][..], &[409; 7]].concat());
    assert_eq!(desk.app.store.roster().await.unwrap().admins.len(), 1);
}

#[tokio::test]
async fn the_configuration_makes_the_first_admin_when_there_is_none() {
    let mut desk = Desk::start_empty(|config| {
        config.bootstrap.admin_email = Some("Root@Example.com".into());
        config.bootstrap.admin_password = Some(Secret::new("long enough"));
    })
    .await;
    assert_eq!(desk.anonymous().get("/setup").await.expect(200), json!({ "needed": false }));
    let token = text(&login(&desk, "root@example.com", "long enough").await.expect(200), "access_token");
    let admin = desk.anonymous().with_token(token);
    assert_eq!(admin.get("/auth/me").await.expect(200)["role"], "admin");
    assert_eq!(json!(log_after(&desk, 0).await[0].actor), json!({ "id": null, "name": "system", "via": "system" }));

    admin.patch("/auth/me", json!({ "password": "another one", "current_password": "long enough" })).await.expect(200);
    desk.restart().await;
    login(&desk, "root@example.com", "another one").await.expect(200);
    assert_eq!(admin.get("/users").await.header("x-total-count"), "1");
}

#[tokio::test]
async fn a_bad_first_admin_stops_the_start_and_names_its_key() {
    let email = "root@example.com";
    for (address, password, key) in [
        (Some("nobody"), Some("long enough"), "bootstrap.admin_email"),
        (Some(email), None, "bootstrap.admin_password"),
        (None, Some("long enough"), "bootstrap.admin_email"),
        (Some(email), Some("short"), "bootstrap.admin_password"),
        (Some(email), Some("password1"), "bootstrap.admin_password"),
        (Some(email), Some(email), "bootstrap.admin_password"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.storage.url = format!("sled:{}", dir.path().join("data").display());
        config.bootstrap.admin_email = address.map(str::to_owned);
        config.bootstrap.admin_password = password.map(Secret::new);
        let error = App::build(config, Clock::System).await.err().expect("it does not start").to_string();
        assert!(error.contains(key), "{error}");
        assert!(password.is_none_or(|password| password == email || !error.contains(password)), "{error}");
    }
}
