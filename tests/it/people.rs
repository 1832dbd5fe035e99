//! What the tests about people share.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use taquilla::{
    activity::model::Entry,
    store::{EntryQuery, From},
};

use crate::support::{Client, Desk, PASSWORD, Response};

/// The log after the entry `seq`.
pub async fn log_after(desk: &Desk, seq: i64) -> Vec<Entry> {
    let query = EntryQuery { ticket: None, internal: true, from: From::After(seq), limit: 1_000 };
    desk.app.store.entries(&query).await.unwrap()
}

/// The end of the log.
pub async fn end_of_log(desk: &Desk) -> i64 {
    log_after(desk, 0).await.last().map_or(0, |entry| entry.seq)
}

/// The names of what happened after the entry `seq`.
pub async fn actions_after(desk: &Desk, seq: i64) -> Vec<&'static str> {
    log_after(desk, seq).await.iter().map(|entry| entry.action.name()).collect()
}

/// Asks again until the answer is right: for what is written without anybody waiting for it.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap_or_else(|_| panic!("{what}"))
}

/// Signs in by JSON.
pub async fn login(desk: &Desk, email: &str, password: &str) -> Response {
    desk.anonymous().post("/auth/login", json!({ "username": email, "password": password })).await
}

/// Signs in with everybody's password: the client with its access token, and the refresh token.
pub async fn signed_in(desk: &Desk, email: &str) -> (Client, String) {
    let pair = login(desk, email, PASSWORD).await.expect(200);
    (desk.anonymous().with_token(text(&pair, "access_token")), text(&pair, "refresh_token"))
}

/// Exchanges a refresh token.
pub async fn refresh(desk: &Desk, token: &str) -> Response {
    desk.anonymous().post("/auth/refresh", json!({ "refresh_token": token })).await
}

/// A text field.
#[track_caller]
pub fn text(body: &Value, field: &str) -> String {
    body[field].as_str().unwrap_or_else(|| panic!("no text {field} in {body:#}")).to_owned()
}

/// The fields at fault of a 422, with their codes.
#[track_caller]
pub fn faults(answer: Response) -> Vec<(String, String)> {
    let problem = answer.expect(422);
    problem["errors"].as_array().unwrap().iter().map(|error| (text(error, "field"), text(error, "code"))).collect()
}

/// A request with headers.
pub async fn with_headers(client: &Client, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Response {
    let mut request = client.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client.send(if let Some(body) = body { request.json(&body) } else { request }).await
}

/// The problem without its request id: what must be the same for things that are not to be told apart.
pub fn anonymised(mut problem: Value) -> Value {
    problem.as_object_mut().unwrap().remove("request_id");
    problem
}
