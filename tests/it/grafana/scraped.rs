//! A real Prometheus scrapes the program and answers every panel and every alert.

use std::{
    collections::BTreeMap,
    fs,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};

use super::{Board, alerts::RULES, all, list, place, text};
use crate::{
    binary::{Place, Server},
    people::eventually,
};

/// The token that the desk and Prometheus share.
const TOKEN: &str = "k3Jx0w9ZrT5uQ2vBk3Jx";
const PASSWORD: &str = "a shared pass phrase";

/// A Prometheus that ends with its test.
struct Prometheus {
    child: Child,
    url: String,
    http: reqwest::Client,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// Starts one with the repository's own configuration, but for places and times.
    fn start(place_of_test: &Place, desk: &str) -> Self {
        let (dir, rules) = (place_of_test.path(), place(RULES));
        fs::write(dir.join("token"), TOKEN).unwrap();
        let config = fs::read_to_string(place("prometheus/prometheus.yml")).unwrap();
        let mut changed = config.clone();
        for (from, to) in [
            ("15s", "200ms"),
            ("/etc/prometheus/alerts/*.rules.yml", rules.to_str().unwrap()),
            ("/run/secrets/prometheus_token", dir.join("token").to_str().unwrap()),
            ("desk:8000", desk.trim_start_matches("http://")),
        ] {
            assert!(changed.contains(from), "{from} is not in the configuration");
            changed = changed.replace(from, to);
        }
        fs::write(dir.join("prometheus.yml"), changed).unwrap();
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={}", dir.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("series").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--log.format=json"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("prometheus runs; `./dev setup` installs it");
        let lines = lines(child.stderr.take().unwrap());
        let listening = loop {
            let line = lines.recv_timeout(Duration::from_secs(20)).expect("it says where it listens");
            let line: Value = serde_json::from_str(&line).unwrap_or_default();
            if line["msg"] == "Listening on" {
                break line;
            }
        };
        let url = format!("http://{}", text(&listening, "address"));
        Self { child, url, http: client() }
    }

    /// It listens before it has read its storage.
    async fn is_ready(&self) {
        eventually("Prometheus is ready", async || {
            let answer = self.http.get(format!("{}/-/ready", self.url)).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let answer = self.http.get(format!("{}{path}", self.url)).query(query).send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["status"], "success", "{query:?}: {body}");
        body["data"].clone()
    }

    /// The value of each series, by its labels.
    async fn ask(&self, expression: &str) -> BTreeMap<String, f64> {
        let data = self.get("/api/v1/query", &[("query", expression)]).await;
        let number = |sample: &Value| sample["value"][1].as_str().unwrap().parse::<f64>().unwrap();
        list(&data, "result").iter().map(|sample| (sample["metric"].to_string(), number(sample))).collect()
    }
}

fn client() -> reqwest::Client {
    taquilla::outgoing::install_tls();
    taquilla::outgoing::client("http:").no_proxy().build().unwrap()
}

/// The lines of a program, for as long as it runs.
fn lines(from: impl std::io::Read + Send + 'static) -> Receiver<String> {
    use std::io::BufRead;
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for line in std::io::BufReader::new(from).lines().map_while(Result::ok) {
            // The pipe is read to its end also when nobody listens any more.
            let _ = send.send(line);
        }
    });
    receive
}

/// An expression as Grafana would send it.
fn expanded(expression: &str) -> String {
    let text = expression.replace("$__rate_interval", "1m").replace("$instance", ".*");
    assert!(!text.contains('$'), "{text}");
    text
}

/// Does a little of everything at the desk: what nothing happens to has no rate.
async fn do_something(http: &reqwest::Client, desk: &Server) {
    sign_in(http, desk, "irene.vidal@demo.example", "not this one").await.unwrap_err();
    let [ana, irene] = ["ana.ruiz", "irene.vidal"].map(|name| format!("{name}@demo.example"));
    let ana = sign_in(http, desk, &ana, PASSWORD).await.unwrap();
    let irene = sign_in(http, desk, &irene, PASSWORD).await.unwrap();
    let send = async |method, path: &str, token: &str, body: Value| {
        let request = http.request(method, format!("{}/api/v1{path}", desk.url)).bearer_auth(token);
        let answer = request.json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json::<Value>().await.unwrap()
    };
    let new = json!({ "title": "The printer smokes", "description": "Really.", "priority": "high" });
    let ticket = send(Method::POST, "/tickets", &ana, new).await;
    let path = format!("/tickets/{}", ticket["id"]);
    send(Method::POST, &format!("{path}/comments"), &irene, json!({ "content": "Unplug it." })).await;
    send(Method::PATCH, &path, &irene, json!({ "status": "resolved" })).await;
    let nowhere = http.get(format!("{}/api/v1/tickets/999999", desk.url)).bearer_auth(&irene).send().await.unwrap();
    assert_eq!(nowhere.status(), 404);
}

/// The access token of somebody at the demo desk, or the status of the refusal.
async fn sign_in(http: &reqwest::Client, desk: &Server, username: &str, password: &str) -> Result<String, u16> {
    let form = [("username", username), ("password", password)];
    let answer = http.post(format!("{}/api/v1/auth/login", desk.url)).form(&form).send().await.unwrap();
    let status = answer.status();
    let pair: Value = answer.json().await.unwrap();
    if status.is_success() { Ok(text(&pair, "access_token").to_owned()) } else { Err(status.as_u16()) }
}

async fn analytics(http: &reqwest::Client, desk: &Server, path: &str) -> Value {
    let token = sign_in(http, desk, "irene.vidal@demo.example", PASSWORD).await.unwrap();
    let answer = http.get(format!("{}/api/v1{path}", desk.url)).bearer_auth(token);
    answer.send().await.unwrap().json().await.unwrap()
}

/// The only panel with this title, asked for its targets.
async fn shown(prometheus: &Prometheus, board: &Board, title: &str) -> Vec<BTreeMap<String, f64>> {
    let panels = board.panels();
    let panel = panels.iter().find(|panel| panel.title() == title).unwrap_or_else(|| panic!("{title}"));
    let mut answers = Vec::new();
    for target in panel.targets() {
        answers.push(prometheus.ask(&expanded(target.expression())).await);
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_and_every_alert_is_answered_by_a_prometheus_that_scrapes_the_desk() {
    let place_of_test = Place::new();
    let demo = ["demo", "--tickets", "80", "--seed", "4", "--password-stdin"];
    place_of_test.run_with(&[], &demo, &format!("{PASSWORD}\n")).expect(0);
    let desk = place_of_test.serve(&[("TAQUILLA_PROMETHEUS__TOKEN", TOKEN)], &[]);
    let prometheus = Prometheus::start(&place_of_test, &desk.url);
    prometheus.is_ready().await;
    eventually("the desk is scraped", async || {
        let up = prometheus.ask(r#"up{job="taquilla"}"#).await;
        up.values().any(|up| *up > 0.5).then_some(())
    })
    .await;
    do_something(&prometheus.http, &desk).await;
    let boards = all();
    let board = boards.iter().find(|board| board.is_of_prometheus()).unwrap();
    // Rates need two scrapes; each panel is asked again until it shows numbers.
    let mut asked = 0;
    for panel in board.panels() {
        for target in panel.targets() {
            let expression = expanded(target.expression());
            eventually(&format!("{} {} shows numbers: {expression}", panel.title(), target.reference()), async || {
                let found = prometheus.ask(&expression).await;
                found.values().any(|value| value.is_finite()).then_some(())
            })
            .await;
            asked += 1;
        }
    }
    assert!(asked >= 30, "{asked}");
    the_figures_are_the_desks(&prometheus, board, &desk).await;
    every_alert_is_watched(&prometheus).await;
}

async fn the_figures_are_the_desks(prometheus: &Prometheus, board: &Board, desk: &Server) {
    let backlog = analytics(&prometheus.http, desk, "/analytics/backlog").await;
    let dashboard = analytics(&prometheus.http, desk, "/analytics/dashboard").await;
    let sum = |answer: &BTreeMap<String, f64>| answer.values().sum::<f64>();
    let same = |shown: f64, told: &Value| (shown - told.as_f64().unwrap()).abs() < 0.5;
    eventually("the figures are those of the desk", async || {
        let active = shown(prometheus, board, "Active tickets").await;
        let waiting = shown(prometheus, board, "Overdue and unassigned").await;
        let ages = shown(prometheus, board, "Ageing").await;
        let all_same = same(sum(&active[0]), &backlog["active_tickets"])
            && same(sum(&waiting[0]), &backlog["overdue_tickets"])
            && same(sum(&waiting[1]), &backlog["unassigned_tickets"])
            && list(&backlog, "ages").iter().all(|age| {
                let bucket = format!(r#"{{"age":"{}"}}"#, text(age, "bucket"));
                same(ages[0][&bucket], &age["tickets"])
            });
        all_same.then_some(())
    })
    .await;
    let tickets = prometheus.ask("sum(taquilla_tickets)").await;
    assert!(same(sum(&tickets), &dashboard["ticket_stats"]["total_tickets"]), "{tickets:?}");
    let up = shown(prometheus, board, "Instances up").await;
    assert_eq!(up[0].values().copied().collect::<Vec<_>>(), [1.0]);
    let store = shown(prometheus, board, "Store").await;
    assert_eq!(store[0].values().copied().collect::<Vec<_>>(), [0.0], "it is not read-only");
    let version = shown(prometheus, board, "Version").await;
    let labels: Value = serde_json::from_str(version[0].keys().next().unwrap()).unwrap();
    assert_eq!((&labels["version"], &labels["store"]), (&json!(env!("CARGO_PKG_VERSION")), &json!("sled")));
}

async fn every_alert_is_watched(prometheus: &Prometheus) {
    let told = eventually("every rule has been evaluated", async || {
        let told = prometheus.get("/api/v1/rules", &[]).await;
        let rules: Vec<Value> = list(&told, "groups").iter().flat_map(|group| list(group, "rules").to_vec()).collect();
        rules.iter().all(|rule| rule["health"] != "unknown").then_some(rules)
    })
    .await;
    assert_eq!(told.len(), super::alerts::expressions().len());
    for rule in told {
        assert_eq!((&rule["health"], &rule["lastError"]), (&json!("ok"), &Value::Null), "{rule}");
        // What this desk does is no cause for alarm.
        assert_ne!(rule["state"], "firing", "{rule}");
    }
}
