//! The first start: nothing is known to everybody. No account, no key, no open port.

use serde_json::{Value, json};
use taquilla::config::{self, Config};

use crate::{
    binary::Place,
    people::{login, text},
    setup::printed,
    support::Desk,
};

/// What installers of other desks leave behind.
const USUAL: &[(&str, &str)] = &[
    ("admin@example.com", "admin"),
    ("admin@example.com", "admin123"),
    ("admin@example.com", "password"),
    ("admin@example.com", "changeme"),
    ("admin@admin.com", "admin"),
    ("admin@localhost", "admin"),
    ("root@localhost", "root"),
    ("agent@example.com", "agent123"),
    ("user@example.com", "user123"),
    ("admin", "admin"),
    ("", ""),
];

#[tokio::test]
async fn there_is_no_account_before_the_set_up() {
    let desk = Desk::start_empty(|_| {}).await;
    for (email, password) in USUAL {
        login(&desk, email, password).await.expect(401);
    }
    let anyone = desk.anonymous();
    assert_eq!(anyone.get("/setup").await.expect(200), json!({ "needed": true }));
    let body = json!({ "email": "eva@example.com", "full_name": "Eva", "password": "long enough" });
    anyone.post("/auth/register", body).await.expect(403);
    assert!(desk.app.store.roster().await.unwrap().admins.is_empty());
    assert_eq!(desk.app.store.names(&(1..50).map(taquilla::types::UserId).collect::<Vec<_>>()).await.unwrap().len(), 0);
}

#[tokio::test]
async fn the_link_is_good_for_thirty_minutes_and_once() {
    let desk = Desk::start_empty(|_| {}).await;
    let anyone = desk.anonymous();
    let admin = json!({ "email": "ana@example.com", "full_name": "Ana", "password": "long enough" });
    let wanted = |token: &str| json!({ "token": token, "organisation_name": "O", "locale": "en", "admin": admin });
    let late = printed(&desk).await;
    desk.advance(30 * 60);
    anyone.post("/setup", wanted(&late)).await.expect(403);
    let good = printed(&desk).await;
    assert!(good.len() >= 43, "256 random bits");
    desk.advance(30 * 60 - 1);
    anyone.post("/setup", wanted(&good)).await.expect(201);
    let another = json!({ "email": "eve@example.com", "full_name": "Eve", "password": "long enough" });
    anyone.post("/setup", json!({ "token": good, "organisation_name": "E", "locale": "en", "admin": another })).await.expect(409);
    login(&desk, "eve@example.com", "long enough").await.expect(401);
    assert!(desk.app.store.setup_token().await.unwrap().is_none(), "nothing of it is left");
}

#[test]
fn the_desk_listens_on_its_own_machine_only() {
    assert!(Config::default().server.listen.ip().is_loopback());
    let place = Place::new();
    let shown = place.run(&["config", "show", "--json"]).expect(0).out;
    assert!(shown.contains("127.0.0.1:8000"), "{shown}");
    let mut server = place.serve(&[], &[]);
    assert!(server.url.starts_with("http://127.0.0.1:"), "{}", server.url);
    // The link is told once it listens, with a token that no other desk has.
    let token = |line: &str| line.split("/setup#").nth(1).unwrap().chars().take_while(|c| !"\" \\".contains(*c)).collect::<String>();
    let first = token(&server.until("/setup#"));
    server.stop();
    let other = Place::new();
    let mut server = other.serve(&[], &[]);
    assert_ne!(token(&server.until("/setup#")), first);
    server.stop();
}

#[test]
fn every_secret_that_the_example_shows_is_refused() {
    let place = Place::new();
    let secrets: Vec<_> = config::keys().filter(|key| key.kind == config::Kind::Secret).collect();
    assert!(secrets.len() >= 3);
    for key in secrets {
        let sample = key.sample.expect("the example shows one");
        let variables = [(key.variable(), sample), ("TAQUILLA_BOOTSTRAP__ADMIN_EMAIL".to_owned(), "root@example.com")];
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        place.run_in(&variables, &["config", "check"]).expect(3).says(key.name);
    }
}

#[test]
fn short_and_shapeless_scrape_tokens_stop_the_start() {
    let place = Place::new();
    for token in ["short", "fifteen-letters", "sixteen letters with blanks", "ñandú-ñandú-ñandú"] {
        let ran =
            place.run_in(&[("TAQUILLA_PROMETHEUS__TOKEN", token)], &["config", "check"]).expect(3).says("prometheus.token: must have");
        assert!(!ran.err.contains(token), "{ran:?}");
    }
    place.run_in(&[("TAQUILLA_PROMETHEUS__TOKEN", "k3Jx0w9ZrT5uQ2vB")], &["config", "check"]).expect(0);
}

#[tokio::test]
async fn the_key_of_each_desk_is_its_own() {
    let (one, other) = (Desk::start().await, Desk::start().await);
    let key = async |desk: &Desk| desk.app.store.signing_secret().await.unwrap().unwrap().key;
    assert_eq!(key(&one).await.len(), 32);
    assert_ne!(key(&one).await, key(&other).await);
    let pair: Value = login(&one, "admin@example.com", crate::support::PASSWORD).await.expect(200);
    other.anonymous().with_token(text(&pair, "access_token")).get("/auth/me").await.expect(401);
}
