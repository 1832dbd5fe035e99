//! `/metrics` under strangers: however they ask, the number of series is bounded, and nothing that they typed is in it.

use reqwest::Method;
use serde_json::json;

use crate::{
    metrics::scrape,
    openapi::{filled, operations},
    support::Desk,
};

/// The most series that there may be.
const MOST: usize = 2_000;

/// What nobody must find in the metrics.
const MARK: &str = "mark7041";

#[tokio::test]
async fn fuzzing_leaves_at_most_two_thousand_series_and_no_trace() {
    let desk = Desk::start().await;
    let (admin, eva) = (desk.admin().await, desk.user(MARK).await);
    let callers = [desk.anonymous(), desk.anonymous().with_token(MARK), admin, eva];
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", MARK];
    for operation in operations() {
        let path = format!("/{}", filled(&operation.path));
        for method in methods {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            for caller in &callers {
                let asked = |path: &str| caller.request(method.clone(), path);
                for request in [
                    asked(&path),
                    asked(&path).json(&json!({ "title": MARK })),
                    asked(&path).body(MARK).header("content-type", MARK),
                    asked(&format!("{path}?{MARK}={MARK}")),
                ] {
                    // A caller that signs itself out or is shut out goes on as a stranger.
                    request.send().await.unwrap();
                }
            }
        }
    }
    for n in 0..500 {
        let caller = &callers[n % 4];
        let method = Method::from_bytes(format!("M{n}").as_bytes()).unwrap();
        caller.request(method, &format!("//{MARK}/{n}")).send().await.unwrap();
        caller.get(&format!("/tickets/{MARK}{n}")).await;
    }
    let text = scrape(&desk).await;
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    eprintln!("{series} series");
    assert!((200..=MOST).contains(&series), "{series} series");
    assert!(!text.to_lowercase().contains(MARK), "something that was typed is in the metrics");
    assert!(!text.contains("example.com") && !text.contains("127.0.0.1"), "something personal is in the metrics");
}
