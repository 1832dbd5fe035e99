//! What a process writes to its log: in lines for people or for machines, each request with its id, and nothing that must
//! stay secret.

use std::{process::Command, sync::Arc};

use reqwest::Method;
use serde_json::{Value, json};
use taquilla::{
    app::{App, Clock},
    auth::token::random,
    config::{Config, LogFormat},
    store, telemetry,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    binary::Place,
    store::mutant::{Fault, Mutant},
};

/// A password that stands nowhere else.
fn password() -> String {
    random::<16>().map(|byte| char::from(b'a' + byte % 26)).iter().collect()
}

/// Does all kinds of things with secrets at a desk, under the request id `id`; gives the secrets.
async fn work(url: &str, id: &str) -> Vec<String> {
    let http = taquilla::outgoing::client("http:").no_proxy().build().unwrap();
    let ask = async |method: Method, path: &str, token: &str, body: Value| {
        let request = http.request(method, format!("{url}{path}")).header("x-request-id", id).bearer_auth(token);
        let answer = request.json(&body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap_or_default())
    };
    let (old, wrong, new) = ("correct horse 1", password(), password());
    let sign_in = |password: &str| json!({ "username": "ana@example.com", "password": password });
    let (status, pair) = ask(Method::POST, "/api/v1/auth/login", "x", sign_in(old)).await;
    assert_eq!(status, 200, "{pair}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (access, refresh) = (text(&pair["access_token"]), text(&pair["refresh_token"]));
    ask(Method::POST, "/api/v1/auth/login", "x", sign_in(&wrong)).await;
    ask(Method::POST, "/api/v1/auth/login", "x", json!({ "username": wrong, "password": wrong, "token": wrong })).await;
    ask(Method::PATCH, "/api/v1/auth/me", &access, json!({ "password": new, "current_password": old })).await;
    let (_, api) = ask(Method::POST, "/api/v1/auth/tokens", &access, json!({ "name": "x" })).await;
    let api = text(&api["token"]);
    ask(Method::GET, &format!("/api/v1/tickets?access_token={access}&q={api}"), &api, Value::Null).await;
    ask(Method::GET, &format!("/reset/{api}"), &api, Value::Null).await;
    ask(Method::POST, "/api/v1/setup", &api, json!({ "token": wrong })).await;
    let (_, pair) = ask(Method::POST, "/api/v1/auth/refresh", "x", json!({ "refresh_token": refresh })).await;
    let (access_2, refresh_2) = (text(&pair["access_token"]), text(&pair["refresh_token"]));
    ask(Method::POST, "/api/v1/auth/logout", &access_2, Value::Null).await;
    let (status, _) = ask(Method::GET, "/api/v1/auth/me", &access_2, Value::Null).await;
    assert_eq!(status, 401);
    vec![old.to_owned(), wrong, new, access, refresh, api, access_2, refresh_2]
}

/// What the desk has written when all of that was done.
async fn log(format: &str) -> String {
    let place = Place::new();
    place.add_user("ana@example.com", "admin");
    let level = ("TAQUILLA_LOG__LEVEL", "debug");
    let mut server = place.start(&[level], &["serve", "--listen", "127.0.0.1:0", "--log-format", format]);
    let line = server.until("http://127.0.0.1:");
    let url = line.split_once("http://").unwrap().1;
    let url = format!("http://{}", url.split(|c: char| c != '.' && c != ':' && !c.is_ascii_digit()).next().unwrap());
    let secrets = work(&url, "request-of-the-test").await;
    server.stop();
    for secret in secrets {
        assert!(!server.said.contains(&secret), "{secret} is in the log:\n{}", server.said);
    }
    server.said.clone()
}

#[tokio::test]
async fn machines_get_a_json_object_for_each_line_with_the_request_id() {
    let log = log("json").await;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect();
    assert!(lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string() && line["message"].is_string()), "{log}");
    let requests: Vec<_> = lines.iter().filter(|line| line["request_id"] == "request-of-the-test").collect();
    let told: Vec<_> =
        requests.iter().map(|line| format!("{} {} {}", line["method"], line["route"], line["status"]).replace('"', "")).collect();
    assert_eq!(told[0], "POST /api/v1/auth/login 200");
    assert_eq!(told[1], "POST /api/v1/auth/login 401");
    assert!(told.contains(&"GET none 404".to_owned()), "an address that is no route is not told: {told:?}");
    assert_eq!(told.len(), 11);
    assert!(requests.iter().all(|line| line["client"] == "127.0.0.1" && line["duration_us"].as_u64().is_some()));
}

#[tokio::test]
async fn people_get_lines_of_text_with_the_request_id() {
    let log = log("text").await;
    let requests: Vec<_> = log.lines().filter(|line| line.contains("request_id=\"request-of-the-test\"")).collect();
    assert_eq!(requests.len(), 11, "{log}");
    assert!(requests[1].contains("INFO") && requests[1].contains("method=POST"), "{}", requests[1]);
    assert!(requests[1].contains("route=\"/api/v1/auth/login\"") && requests[1].contains("status=401"), "{}", requests[1]);
    assert!(!log.contains('\u{1b}'), "no colours where there is no terminal");
}

/// Tells the test below that it is the process in which a handler panics.
const PANICKING: &str = "TAQUILLA_TESTS_PANICKING";

/// A desk whose lists panic, asked for one.
async fn panic_in(format: &str) {
    let dir = tempfile::tempdir().unwrap();
    telemetry::start(if format == "json" { LogFormat::Json } else { LogFormat::Text }, "info");
    telemetry::log_panics();
    let mut config = Config::default();
    config.storage.url = format!("sled:{}", dir.path().join("data").display());
    let store = Arc::new(Mutant::new(store::open(&config).await.unwrap(), Fault::ListsPanic));
    config.bootstrap.admin_email = Some("ana@example.com".into());
    config.bootstrap.admin_password = Some(taquilla::types::Secret::new("correct horse 1"));
    let app = App::build_on(config, Clock::System, store).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, stop) = (format!("http://{}/api/v1", listener.local_addr().unwrap()), CancellationToken::new());
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { app.run(listener, stop.cancelled_owned()).await }
    });
    let http = taquilla::outgoing::client("http:").no_proxy().build().unwrap();
    let form = [("username", "ana@example.com"), ("password", "correct horse 1")];
    let pair: Value = http.post(format!("{url}/auth/login")).form(&form).send().await.unwrap().json().await.unwrap();
    let token = pair["access_token"].as_str().unwrap();
    let get = |path: &str| http.get(format!("{url}{path}")).bearer_auth(token).header("x-request-id", "the-one-that-panics").send();
    let answer = get("/tickets").await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()), (500, "application/problem+json"));
    let problem: Value = answer.json().await.unwrap();
    assert_eq!((&problem["type"], &problem["request_id"]), (&json!("/problems/internal"), &json!("the-one-that-panics")));
    assert!(!problem.to_string().contains("planted"), "{problem}");
    assert_eq!(get("/auth/me").await.unwrap().status(), 200, "the desk goes on");
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_panic_is_a_500_and_stands_in_the_log_with_its_place() {
    if let Ok(format) = std::env::var(PANICKING) {
        return panic_in(&format).await;
    }
    for format in ["json", "text"] {
        let name = "logs::a_panic_is_a_500_and_stands_in_the_log_with_its_place";
        let mut child = Command::new(std::env::current_exe().unwrap());
        let ran = child.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(PANICKING, format).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success() && out.contains("1 passed"), "{out}{err}");
        let of = |words: &str| err.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{words:?} is not in {err}"));
        let (panicked, answered) = (of("something panicked"), of("/api/v1/tickets"));
        for line in [panicked, answered] {
            assert!(line.contains("ERROR") && line.contains("a planted bug") && line.contains("the-one-that-panics"), "{line}");
        }
        assert!(panicked.contains("mutant.rs:"), "{panicked}");
        assert!(answered.contains("500"), "{answered}");
    }
}
