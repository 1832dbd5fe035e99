//! An outage of the receiver, with the desk killed in the middle of it: nothing is lost, nothing is doubled.

use std::{collections::BTreeSet, net::TcpListener};

use reqwest::Method;
use serde_json::{Value, json};

use super::stub::{Reply, Stub};
use crate::{
    binary::{Place, Server},
    people::eventually,
};

/// A caller of a server that runs as a process.
struct Caller {
    url: String,
    token: String,
    http: reqwest::Client,
}

impl Caller {
    async fn sign_in(server: &Server, email: &str) -> Self {
        let http = taquilla::outgoing::client("http:").no_proxy().build().unwrap();
        let caller = Self { url: server.url.clone(), token: String::new(), http };
        let pair = caller.ask(Method::POST, "/auth/login", json!({ "username": email, "password": "correct horse 1" })).await;
        Self { token: pair["access_token"].as_str().unwrap().to_owned(), ..caller }
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> Value {
        let mut request = self.http.request(method.clone(), format!("{}/api/v1{path}", self.url));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        let request = if method == Method::GET { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {answer:?}");
        answer.json().await.unwrap()
    }

    async fn life_of_a_ticket(&self) {
        let ticket = self.ask(Method::POST, "/tickets", json!({ "title": "t", "description": "d" })).await;
        let path = format!("/tickets/{}", ticket["id"]);
        self.ask(Method::POST, &format!("{path}/comments"), json!({ "content": "c" })).await;
        self.ask(Method::PATCH, &path, json!({ "status": "resolved" })).await;
    }
}

/// The points that come from entries, which no clock makes.
fn of_events(stub: &Stub) -> BTreeSet<String> {
    stub.lines().into_iter().filter(|line| !line.starts_with("ticket_backlog") && !line.starts_with("taquilla_test")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_with_kill_9_in_the_middle_loses_and_doubles_nothing() {
    let place = Place::new();
    place.add_user("ada@example.com", "admin");
    // Nobody listens there yet: connections are refused.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{address}");
    let environment = [("TAQUILLA_INFLUXDB__URL", url.as_str()), ("TAQUILLA_INFLUXDB__FLUSH_SECONDS", "1")];
    let mut server = place.serve(&environment, &[]);
    let ada = Caller::sign_in(&server, "ada@example.com").await;
    for _ in 0..5 {
        ada.life_of_a_ticket().await;
    }
    server.until("does not take the metrics");
    let stub = Stub::start_at(&address.to_string()).await;
    stub.script([Reply::Say(500, None, ""), Reply::StoreAndFail], Reply::Hang);
    // The last request hangs, after one that was stored without saying so: the desk does not know what is there.
    eventually("a request hangs", async || (stub.seen().len() > 2).then_some(())).await;
    ada.life_of_a_ticket().await;
    server.signal("KILL");
    server.end();
    stub.script([], Reply::Store);
    let server = place.serve(&environment, &[]);
    let ada = Caller::sign_in(&server, "ada@example.com").await;
    ada.life_of_a_ticket().await;
    eventually("all is there", async || {
        let status = ada.ask(Method::GET, "/admin/status", Value::Null).await;
        (status["influxdb"]["lag_events"] == 0 && status["influxdb"]["state"] == "ok").then_some(())
    })
    .await;
    assert_eq!((stub.of("ticket_created").len(), stub.of("ticket_resolved").len(), stub.of("comment_created").len()), (7, 7, 7));

    // What the log says there must be, asked of it anew.
    drop(server);
    let empty = Stub::start().await;
    place.run_in(&[("TAQUILLA_INFLUXDB__URL", &empty.url)], &["influx", "backfill", "--since", "2020-01-01"]).expect(0);
    assert_eq!(of_events(&stub), of_events(&empty));
}
