//! Whether the time of a refused sign-in tells who has an account: `./dev bench login-times`.
//!
//! Starts a desk in this process, refuses 200 sign-ins of each kind over HTTP, one after the other and by turns, and
//! compares the medians. They must lie within 10 % of each other; the exit code says whether they do.
#![expect(clippy::print_stdout, reason = "its figures are what it is for")]

use std::{process::ExitCode, time::Duration, time::Instant};

use anyhow::{Context, ensure};
use serde_json::json;
use taquilla::{
    app::{App, Clock},
    config::{Config, RateLimit},
    types::Secret,
};
use tokio_util::sync::CancellationToken;

/// Sign-ins of each kind.
const EACH: usize = 200;

/// How far the slowest median may lie above the quickest.
const WITHIN: f64 = 0.10;

const PASSWORD: &str = "an opening pass phrase";

/// What is told apart by nobody, if all is well: the name, and the address that is tried.
const KINDS: [(&str, &str); 3] =
    [("unknown e-mail", "unknown@example.com"), ("wrong password", "known@example.com"), ("disabled account", "disabled@example.com")];

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let mut config = Config::default();
    config.storage.url = format!("sled:{}", folder.path().join("data").display());
    config.auth.rate_limit = RateLimit::Off;
    config.bootstrap.admin_email = Some("admin@example.com".into());
    config.bootstrap.admin_password = Some(Secret::new(PASSWORD));
    let app = App::build(config, Clock::System).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let desk = Desk { api: format!("http://{}/api/v1", listener.local_addr()?), http: reqwest::Client::builder().no_proxy().build()? };
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (app, stop) = (app.clone(), stop.clone());
        async move { app.run(listener, stop.cancelled_owned()).await }
    });
    let times = measured(&desk).await;
    stop.cancel();
    running.await??;
    let medians = times?.map(median);
    for ((name, _), median) in KINDS.iter().zip(medians) {
        println!("{name:<18} {:>8.3} ms", median.as_secs_f64() * 1e3);
    }
    let (least, most) = (medians.iter().min().context("a median")?, medians.iter().max().context("a median")?);
    let apart = most.as_secs_f64() / least.as_secs_f64() - 1.0;
    let good = apart <= WITHIN;
    println!("medians of {EACH}, {:.1} % apart: {}", apart * 100.0, if good { "nobody can tell" } else { "TOO FAR" });
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A desk as its clients see it.
struct Desk {
    api: String,
    http: reqwest::Client,
}

impl Desk {
    async fn login(&self, email: &str, password: &str) -> anyhow::Result<reqwest::Response> {
        let body = json!({ "username": email, "password": password });
        Ok(self.http.post(format!("{}/auth/login", self.api)).json(&body).send().await?)
    }

    /// Makes an account, as the admin whose token this is.
    async fn account(&self, token: &str, email: &str) -> anyhow::Result<i64> {
        let body = json!({ "email": email, "full_name": "Somebody", "role": "user", "password": "correct horse 1" });
        let made = self.http.post(format!("{}/users", self.api)).bearer_auth(token).json(&body).send().await?.error_for_status()?;
        made.json::<serde_json::Value>().await?["id"].as_i64().context("an account has an id")
    }
}

/// The times of the refusals of each kind, by turns, so that whatever else the machine does hits all alike.
async fn measured(desk: &Desk) -> anyhow::Result<[Vec<Duration>; 3]> {
    let pair: serde_json::Value = desk.login("admin@example.com", PASSWORD).await?.error_for_status()?.json().await?;
    let token = pair["access_token"].as_str().context("a sign-in gives a token")?;
    desk.account(token, "known@example.com").await?;
    let disabled = desk.account(token, "disabled@example.com").await?;
    desk.http.delete(format!("{}/users/{disabled}", desk.api)).bearer_auth(token).send().await?.error_for_status()?;
    let mut times = [const { Vec::new() }; 3];
    for round in 0..EACH + 10 {
        for ((_, email), times) in KINDS.iter().zip(&mut times) {
            let start = Instant::now();
            let answer = desk.login(email, "a wrong password").await?;
            let took = start.elapsed();
            ensure!(answer.status() == 401, "{} instead of 401", answer.status());
            // The first ones warm everything up.
            if round >= 10 {
                times.push(took);
            }
        }
    }
    Ok(times)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
