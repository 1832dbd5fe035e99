//! Pushing metrics: to a stub that misbehaves, to real receivers, by many instances, and by the command line.

mod docs;
mod instances;
mod outage;
mod pushing;
mod real;
mod series;
mod settings;
mod setup;
mod stub;

use std::time::Duration;

use serde_json::json;
use taquilla::{
    app::AppState,
    config::Influxdb,
    jobs::push,
    metrics::influx::{
        target::Target,
        worker::{READER, Waits},
    },
};
use tokio::task::JoinHandle;

use crate::{
    people::eventually,
    support::{Client, Desk},
};

/// Failures are waited out at once.
const WAITS: Waits = Waits { first: Duration::from_millis(1), most: Duration::from_millis(5), slow: Duration::from_millis(5) };

/// How often instances ask for their turn.
const RENEWAL: Duration = Duration::from_millis(100);

/// A worker that is stopped at the end of its test, as if its process were killed.
struct Worker(JoinHandle<()>);

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn settings(url: &str) -> Influxdb {
    Influxdb { url: Some(url.to_owned()), ..Influxdb::default() }
}

/// Starts the worker of a desk, which is patient with real receivers only.
fn start_with(app: &AppState, settings: &Influxdb, patience: Duration) -> Worker {
    let target = Target::new(settings, Some(patience)).unwrap().unwrap();
    Worker(tokio::spawn(push::metrics(app.clone(), target, WAITS, RENEWAL)))
}

fn start(app: &AppState, settings: &Influxdb) -> Worker {
    start_with(app, settings, Duration::from_secs(1))
}

async fn is_caught_up(desk: &Desk) -> bool {
    let end = *desk.app.store.durable_seq().borrow();
    desk.app.store.cursor(READER).await.unwrap().seq == end
}

/// Waits until everything in the log is dealt with, durably.
async fn caught_up(desk: &Desk) {
    eventually("all is dealt with", async || is_caught_up(desk).await.then_some(())).await;
}

/// Somebody whose token does not expire, however far the clock is moved.
async fn for_ever(client: &Client) -> Client {
    let token = client.post("/auth/tokens", json!({ "name": "test" })).await.expect(201);
    client.with_token(token["token"].as_str().unwrap())
}

async fn open(who: &Client, priority: &str) -> i64 {
    let new = json!({ "title": "A title, with=all \\ of it", "description": "d", "priority": priority });
    who.post("/tickets", new).await.expect(201)["id"].as_i64().unwrap()
}

/// A short life of two tickets.
async fn some_events(desk: &Desk) {
    let (eva, ann) = (desk.user("eva").await, desk.agent("ann").await);
    let (one, two) = (open(&eva, "high").await, open(&eva, "low").await);
    desk.advance(60);
    ann.patch(&format!("/tickets/{one}/assign"), json!({ "assigned_agent_id": ann.id })).await.expect(200);
    desk.advance(60);
    ann.post(&format!("/tickets/{one}/comments"), json!({ "content": "An answer" })).await.expect(201);
    ann.post(&format!("/tickets/{two}/comments"), json!({ "content": "A note", "is_internal": true })).await.expect(201);
    desk.advance(60);
    ann.patch(&format!("/tickets/{one}"), json!({ "status": "resolved" })).await.expect(200);
}
