//! Receivers of metrics of the tests' own: InfluxDB 1.x and VictoriaMetrics, one of each for the run, in temporary folders,
//! on free ports; a database of its own for each test.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    io::{BufRead, BufReader},
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;

/// A server that runs until the tests end.
#[derive(Debug)]
struct Running {
    url: String,
    /// Ends the server when its input is closed, which it is at the latest when this process ends.
    _keeper: Child,
}

/// Starts a program in a folder of its own and waits until its log has a line with `words`.
#[expect(clippy::zombie_processes, reason = "the keeper ends when this process does")]
fn start(program: &str, package: &str, arguments: impl FnOnce(&Path) -> Vec<String>, words: &str) -> (String, Child) {
    let there = Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    assert!(
        there.is_ok_and(|status| status.success()),
        "{program} is needed for these tests: run ./dev setup, or apt-get install {package}"
    );
    let dir = tempfile::Builder::new().prefix("taquilla-tests-").tempdir().unwrap().keep();
    let mut keeper = Command::new("bash")
        .args(["-c", include_str!("servers.sh"), "keeper"])
        .arg(&dir)
        .arg(program)
        .args(arguments(&dir))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("bash runs");
    let mut log = BufReader::new(keeper.stdout.take().unwrap()).lines();
    let mut said = String::new();
    loop {
        let line = log.next().and_then(Result::ok).unwrap_or_else(|| panic!("{program} does not start:\n{said}"));
        if line.contains(words) {
            // The rest is read, so that the server can write on.
            std::thread::spawn(move || log.for_each(drop));
            return (line, keeper);
        }
        said.extend([line.as_str(), "\n"]);
    }
}

fn influxd() -> &'static Running {
    static RUNNING: OnceLock<Running> = OnceLock::new();
    RUNNING.get_or_init(|| {
        let config = |dir: &Path| {
            let file = dir.join("influxdb.conf");
            let at = |name: &str| dir.join(name).display().to_string();
            let text = format!(
                "reporting-disabled = true\nbind-address = \"127.0.0.1:0\"\n[meta]\ndir = {:?}\n[data]\ndir = {:?}\nwal-dir = {:?}\n\
                 query-log-enabled = false\n[monitor]\nstore-enabled = false\n[http]\nbind-address = \"127.0.0.1:0\"\nlog-enabled = false\n",
                at("meta"),
                at("data"),
                at("wal")
            );
            fs::write(&file, text).unwrap();
            vec!["-config".to_owned(), file.display().to_string()]
        };
        let (line, keeper) = start("influxd", "influxdb", config, "Listening on HTTP");
        let address = line.split(' ').find_map(|word| word.strip_prefix("addr=")).unwrap();
        Running { url: format!("http://{address}"), _keeper: keeper }
    })
}

fn victoria() -> &'static Running {
    static RUNNING: OnceLock<Running> = OnceLock::new();
    RUNNING.get_or_init(|| {
        // It does not tell which port it took, so it is given one that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let arguments = |dir: &Path| {
            vec![
                format!("-httpListenAddr={address}"),
                format!("-storageDataPath={}", dir.join("data").display()),
                "-retentionPeriod=100y".into(),
                "-memory.allowedBytes=64MB".into(),
            ]
        };
        let (_, keeper) = start("victoria-metrics", "victoria-metrics", arguments, "starting http server at");
        // It says so a moment before it listens.
        let soon = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < soon, "VictoriaMetrics does not listen");
            std::thread::yield_now();
        }
        Running { url: format!("http://{address}"), _keeper: keeper }
    })
}

/// What tells a series from others: its measurement and its tags, as text.
pub type Series = String;

async fn body(request: reqwest::RequestBuilder) -> String {
    let answer = request.send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{status}: {text}");
    text
}

fn client() -> reqwest::Client {
    taquilla::outgoing::client("http:").no_proxy().build().unwrap()
}

fn unused_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A database in a real InfluxDB 1.x, which need not exist yet.
#[derive(Debug)]
pub struct InfluxDb {
    pub url: String,
    pub name: String,
}

impl InfluxDb {
    /// A name that no other test uses.
    pub fn unused() -> Self {
        Self { url: influxd().url.clone(), name: unused_name() }
    }

    /// One that is there.
    pub async fn new() -> Self {
        let database = Self::unused();
        database.ask(&format!("CREATE DATABASE {}", database.name)).await;
        database
    }

    /// The series that answer a query, each with its name and tags, its columns and its rows. Times are ns since 1970.
    pub async fn ask(&self, query: &str) -> Vec<(Series, Vec<String>, Vec<Vec<Value>>)> {
        let request = client().post(format!("{}/query", self.url)).form(&[("db", self.name.as_str()), ("epoch", "ns"), ("q", query)]);
        let answer: Value = serde_json::from_str(&body(request).await).unwrap();
        let result = &answer["results"][0];
        assert!(result["error"].is_null(), "{query}: {answer}");
        let series = result["series"].as_array().cloned().unwrap_or_default();
        let texts = |list: &Value| list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
        series
            .iter()
            .map(|one| {
                let mut name = one["name"].as_str().unwrap().to_owned();
                for (key, value) in one["tags"].as_object().into_iter().flatten() {
                    let _ = write!(name, ",{key}={}", value.as_str().unwrap());
                }
                let rows = one["values"].as_array().unwrap().iter().map(|row| row.as_array().unwrap().clone());
                (name, texts(&one["columns"]), rows.collect())
            })
            .collect()
    }

    /// The only number that a query for one gives; null when there is no series.
    pub async fn number(&self, query: &str) -> Value {
        self.ask(query).await.first().map_or(Value::Null, |(_, _, rows)| rows[0][1].clone())
    }

    /// Everything that is in it, as text, to be compared.
    pub async fn dump(&self) -> Vec<String> {
        let all = self.ask("SELECT * FROM /.*/ GROUP BY *").await;
        let mut lines: Vec<String> = Vec::new();
        for (series, columns, rows) in all {
            lines.extend(rows.iter().map(|row| format!("{series} {columns:?} {}", Value::from(row.clone()))));
        }
        lines.sort_unstable();
        lines
    }
}

/// Samples in a real VictoriaMetrics, by metric: those that came by `/write` have the label `db`, of which each test has one
/// of its own; `/api/v2/write` gives none, and its lines are told apart by nothing.
#[derive(Debug)]
pub struct Victoria {
    pub url: String,
    pub name: String,
}

impl Victoria {
    /// A name that no other test uses.
    pub fn new() -> Self {
        Self { url: victoria().url.clone(), name: unused_name() }
    }

    /// How many samples each metric with these labels has.
    pub async fn samples(&self, labels: &str) -> BTreeMap<String, usize> {
        body(client().get(format!("{}/internal/force_flush", self.url))).await;
        let request = client().get(format!("{}/api/v1/export", self.url)).query(&[("match[]", labels)]);
        let mut samples = BTreeMap::new();
        for line in body(request).await.lines() {
            let series: Value = serde_json::from_str(line).unwrap();
            let name = series["metric"]["__name__"].as_str().unwrap().to_owned();
            *samples.entry(name).or_default() += series["values"].as_array().unwrap().len();
        }
        samples
    }
}
