//! A connection that is lost at the COMMIT: what is answered is what happened, and what is sent again is done once.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    api::{Answer, Api, people},
    desk::{Desk, Storage, Work, fsck},
    proxy::{Cut, Proxy},
    server::{Server, until},
    tell,
};

/// How often each kind of cut is made.
const ROUNDS: usize = 4;

/// A desk behind a proxy.
struct Rig {
    server: Server,
    proxy: Proxy,
    desk: Desk,
    admin: Api,
    work: Work,
}

impl Rig {
    async fn start() -> Self {
        let (work, server) = (Work::new(), Server::start().await);
        let Storage(url) = server.database("desk", None).await;
        let folder = reqwest::Url::parse(&url).unwrap().query_pairs().find(|(name, _)| name == "host").unwrap().1.into_owned();
        let proxy = Proxy::start(PathBuf::from(folder).join(".s.PGSQL.5432")).await;
        let through = Storage(format!("postgres://postgres@{}/desk?sslmode=disable", proxy.address));
        let desk = Desk::start(&through, &work.path("desk.log")).await;
        let admin = desk.api(&people(&desk).await[0].token);
        Self { server, proxy, desk, admin, work }
    }

    async fn open(&self, word: &str, key: Option<&str>) -> Answer {
        let body = json!({ "title": word, "description": "its commit may be cut" });
        let key = key.map(|key| ("idempotency-key", key));
        self.admin.send(Method::POST, "/tickets", Some(&body), key.as_slice()).await.unwrap()
    }

    /// How many tickets there are with a word, and how many entries tell that they were opened.
    async fn found(&self, word: &str) -> usize {
        let list = self.admin.get(&format!("/tickets?q={word}")).await.expect(200);
        let ids: Vec<i64> = list.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
        for id in &ids {
            let log = format!("/tickets/{id}/activity");
            let entries = async || self.admin.get(&log).await.expect(200).as_array().map_or(0, Vec::len);
            // An entry whose writer was cut off gets its place in the log by the next look at what has none.
            until("the ticket is in the log", async || entries().await > 0).await;
            assert_eq!(entries().await, 1);
        }
        ids.len()
    }

    fn end(self) {
        assert!(self.desk.stop().success());
        fsck(Storage(self.server.database_url("desk")), &self.work.path("desk.log"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_at_the_commit_is_answered_by_what_happened() {
    let rig = Rig::start().await;
    for (kind, cut) in [("before", Cut::Before), ("after", Cut::After)] {
        for n in 0..ROUNDS {
            let (plain, keyed) = (format!("plain{kind}{n}"), format!("keyed{kind}{n}"));
            rig.proxy.cut_next(cut, &plain);
            let answer = rig.open(&plain, None).await;
            assert!(!rig.proxy.waits(), "nothing was cut");
            assert_eq!((answer.status, rig.found(&plain).await), (201, 1), "cut {kind} the COMMIT: {}", answer.body);

            rig.proxy.cut_next(cut, &keyed);
            let first = rig.open(&keyed, Some(&keyed)).await;
            assert!(!rig.proxy.waits(), "nothing was cut");
            let again = rig.open(&keyed, Some(&keyed)).await;
            assert_eq!((first.status, again.status, again.header("idempotent-replayed")), (201, 201, "true"), "{}", first.body);
            assert_eq!((&first.body, rig.found(&keyed).await), (&again.body, 1));

            let path = format!("/tickets/{}", first.body["id"]);
            rig.proxy.cut_next(cut, "critical");
            let changed = rig.admin.send(Method::PATCH, &path, Some(&json!({ "priority": "critical" })), &[]).await.unwrap();
            assert!(!rig.proxy.waits(), "nothing was cut");
            assert_eq!(changed.expect(200)["version"], 2, "a change that is cut {kind} the COMMIT is made once");
            let entries = rig.admin.get(&format!("{path}/activity")).await.expect(200);
            assert_eq!(entries.as_array().map(Vec::len), Some(2), "{entries}");
        }
    }
    rig.end();
    tell(&format!("cut at the COMMIT: {} times, each answered by what happened", 6 * ROUNDS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_nobody_can_tell_what_happened_that_is_what_is_answered() {
    let rig = Rig::start().await;
    rig.proxy.cut_next(Cut::AfterAndAway, "doubtful");
    // Asked without the usual time limit: the desk looks for an answer as long as that may take.
    let http = taquilla::outgoing::client("http:").timeout(Duration::from_secs(90)).build().unwrap();
    let request = http.post(format!("{}/tickets", rig.desk.base)).bearer_auth(rig.admin.token()).header("idempotency-key", "k");
    let request = request.json(&json!({ "title": "doubtful", "description": "its commit may be cut" }));
    let begun = Instant::now();
    let answer = request.send().await.unwrap();
    assert!(!rig.proxy.waits(), "nothing was cut");
    let asked_for = begun.elapsed();
    let status = answer.status().as_u16();
    let problem: Value = answer.json().await.unwrap();
    assert_eq!((status, &problem["type"]), (504, &json!("/problems/outcome-unknown")), "{problem}");
    let refused = rig.open("meanwhile", None).await;
    assert_eq!(refused.status, 503, "of this one it is known that it was not done: {}", refused.body);
    rig.proxy.set_away(false);
    until("the server is reached again", async || rig.admin.get("//health/ready").await.status == 200).await;
    let again = rig.open("doubtful", Some("k")).await;
    assert_eq!(again.status, 201, "{}", again.body);
    assert_eq!((rig.found("doubtful").await, rig.found("meanwhile").await), (1, 0));
    rig.end();
    tell(&format!("cut at the COMMIT and away: answered 504 after {asked_for:?}, done once when sent again"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_is_never_answered_as_not_done_because_a_later_read_fails() {
    let rig = Rig::start().await;
    let ticket = rig.open("whole", None).await.expect(201)["id"].clone();
    let comments = format!("/tickets/{ticket}/comments");
    let comment = rig.admin.post(&comments, json!({ "content": "first" })).await.expect(201)["id"].clone();
    for (path, body, word) in [
        (format!("/tickets/{ticket}"), json!({ "title": "changed" }), "changed"),
        (format!("{comments}/{comment}"), json!({ "content": "second" }), "second"),
    ] {
        rig.proxy.cut_next(Cut::Behind, word);
        let answer = rig.admin.send(Method::PUT, &path, Some(&body), &[]).await.unwrap();
        assert!(!rig.proxy.waits(), "nothing was cut");
        assert_eq!((answer.status, answer.body["version"].as_i64()), (200, Some(2)), "{}", answer.body);
        rig.proxy.set_away(false);
        until("the server is reached again", async || rig.admin.get("//health/ready").await.status == 200).await;
    }
    rig.end();
}
