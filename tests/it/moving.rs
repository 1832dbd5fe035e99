//! Moving a desk by the command line, with the real program: there and back, on the demo.

use serde_json::{Value, json};

use crate::{
    binary::{Place, Ran, Server},
    support::postgres::Database,
};

const PASSWORD: &str = "a shared pass phrase";

/// A demo desk in `./data`.
pub fn demo(place: &Place, tickets: &str) -> Value {
    let arguments = ["--json", "demo", "--tickets", tickets, "--seed", "9", "--until", "2026-11-25T11:30:00Z", "--password-stdin"];
    place.run_with(&[], &arguments, &format!("{PASSWORD}\n")).expect(0).json()
}

pub fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(work)
}

pub fn fsck(place: &Place, storage: &str) {
    let report = place.run_in(&[("TAQUILLA_STORAGE__URL", storage)], &["--json", "fsck"]).expect(0).json();
    assert_eq!(report["problems"], json!([]));
}

/// What a desk tells of itself: with a password, with an API token of before, and everything that lists show.
pub fn told(server: &Server, token: &str) -> Vec<Value> {
    block(async {
        let http = taquilla::outgoing::client("http:").no_proxy().build().unwrap();
        let form = [("username", "irene.vidal@demo.example"), ("password", PASSWORD)];
        let pair = http.post(format!("{}/api/v1/auth/login", server.url)).form(&form).send().await.unwrap();
        assert_eq!(pair.status(), 200, "the password still fits");
        let mut answers = Vec::new();
        for path in ["/tickets?limit=200", "/tickets/7/comments", "/activity?limit=100", "/users", "/auth/tokens", "/tickets?q=the"] {
            let answer = http.get(format!("{}/api/v1{path}", server.url)).bearer_auth(token).send().await.unwrap();
            assert_eq!(answer.status(), 200, "the token still opens {path}");
            answers.push(answer.json::<Value>().await.unwrap());
        }
        // The token's own last use is of now.
        for token in answers[4].as_array_mut().unwrap() {
            token["last_used_at"].take();
        }
        answers
    })
}

pub fn api_token(place: &Place) -> String {
    let made = place.run(&["--json", "token", "create", "--user", "irene.vidal@demo.example", "--name", "of before"]).expect(0).json();
    made["token"].as_str().unwrap().to_owned()
}

fn transfer(place: &Place, from: &str, to: &str, more: &[&str]) -> Ran {
    place.run(&[&["--json", "transfer", "--from", from, "--to", to], more].concat())
}

#[test]
fn a_desk_moves_to_postgresql_and_back_with_everything() {
    let place = Place::new();
    demo(&place, "150");
    let token = api_token(&place);
    let database = block(Database::empty());
    let url = database.url();
    let there = transfer(&place, "sled:./data", &url, &[]).expect(0).json();
    let of = |name: &str| there["collections"].as_array().unwrap().iter().find(|c| c["name"] == name).unwrap()["rows"].as_u64();
    assert_eq!((of("tickets"), of("api_tokens"), of("signing_secret")), (Some(150), Some(1), Some(1)));
    let back = transfer(&place, &url, "sled:./back", &[]).expect(0).json();
    assert_eq!(there, back, "equal counts and hashes");
    fsck(&place, "sled:./data");
    fsck(&place, "sled:./back");
    fsck(&place, &url);
    let mut answers = Vec::new();
    for storage in ["sled:./back", &url, "sled:./data"] {
        let mut server = place.serve(&[], &["--storage-url", storage]);
        answers.push(told(&server, &token));
        server.stop();
    }
    assert_eq!(answers[0], answers[2]);
    assert_eq!(answers[1], answers[2]);
}

#[test]
fn a_target_in_use_or_not_empty_is_refused_and_can_be_kept_aside() {
    let place = Place::new();
    demo(&place, "20");
    let database = block(Database::empty());
    let url = database.url();
    transfer(&place, "sled:./data", &url, &[]).expect(0);
    assert_eq!(transfer(&place, "sled:./data", &url, &[]).expect(1).error()["code"], "failure");
    transfer(&place, "sled:./data", &url, &[]).expect(1).says("--force");
    let mut server = place.serve(&[], &["--storage-url", &url]);
    transfer(&place, "sled:./data", &url, &["--force"]).expect(4).says("stop it first");
    transfer(&place, &url, "sled:./other", &[]).expect(4).says("stop it first");
    server.stop();
    let forced = place
        .run(&["transfer", "--from", "sled:./data", "--to", &url, "--force"])
        .expect(0)
        .says("kept aside in the schema taquilla_before_");
    assert!(forced.out.contains("tickets") && !forced.err.contains('\r'), "no bar off a terminal: {forced:?}");
    fsck(&place, &url);
    // The other way: a folder.
    place.run_in(&[("TAQUILLA_STORAGE__URL", "sled:./other")], &["--json", "demo", "--tickets", "5"]).expect(0);
    transfer(&place, &url, "sled:./other", &[]).expect(1);
    place.run(&["transfer", "--from", &url, "--to", "sled:./other", "--force"]).expect(0).says("kept aside in the folder");
    fsck(&place, "sled:./other");
    let kept: Vec<_> = std::fs::read_dir(place.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("other.before-"))
        .collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    fsck(&place, &format!("sled:./{}", kept[0]));
}

#[test]
fn wrong_addresses_are_told() {
    let place = Place::new();
    transfer(&place, "sled:./none", "sled:./other", &[]).expect(4).says("--from: there is no storage in ./none");
    transfer(&place, "file:./none", "sled:./other", &[]).expect(2).says("--from must be sled:FOLDER");
    transfer(&place, "sled:./data", "nothing", &[]).expect(2).says("--to must be");
    transfer(&place, "sled:./data", "sled:data", &[]).expect(4);
    demo(&place, "5");
    transfer(&place, "sled:./data", "sled:data", &[]).expect(2).says("the same");
    assert!(!place.path().join("other").exists());
}
