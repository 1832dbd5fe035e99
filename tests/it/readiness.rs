//! What a desk says of itself while its database is away.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use crate::support::{Client, Desk, Response, postgres::Cluster};

/// How soon readiness tells what is.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

async fn ready(client: &Client) -> u16 {
    client.get("//health/ready").await.status
}

async fn write(client: &Client) -> Response {
    client.post("/tickets", json!({ "title": "t", "description": "d" })).await
}

/// Asks until the answer is this one.
async fn until(status: u16, mut ask: impl AsyncFnMut() -> u16) {
    let asking = async { while ask().await != status {} };
    tokio::time::timeout(TOLD_WITHIN, asking).await.unwrap_or_else(|_| panic!("not {status} within {TOLD_WITHIN:?}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_not_ready_while_its_database_is_away_and_is_again_when_that_is_back() {
    let cluster = tokio::task::spawn_blocking(|| Arc::new(Cluster::start(&["fsync=off", "max_connections=40"]))).await.unwrap();
    cluster.run("postgres", &["CREATE DATABASE desk"]).await;
    let desk = Desk::start_with(|config| config.storage.url = cluster.url("desk")).await;
    let (eva, anyone) = (desk.user("eva").await, desk.anonymous());
    for signal in ["INT", "KILL"] {
        assert_eq!(ready(&anyone).await, 200);
        write(&eva).await.expect(201);
        let server = cluster.clone();
        tokio::task::spawn_blocking(move || server.stop(signal)).await.unwrap();
        until(503, async || ready(&anyone).await).await;
        let refused = write(&eva).await;
        assert!(!refused.header("retry-after").is_empty());
        assert_eq!(refused.expect(503)["type"], "/problems/unavailable");
        assert_eq!(anyone.get("//health").await.status, 200, "the process serves");
        let server = cluster.clone();
        tokio::task::spawn_blocking(move || server.start_again()).await.unwrap();
        until(200, async || ready(&anyone).await).await;
        until(201, async || write(&eva).await.status).await;
    }
}
