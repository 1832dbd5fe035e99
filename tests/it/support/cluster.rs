//! A PostgreSQL of the tests' own, in a temporary folder, reached by a socket in it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Mutex,
};

use sqlx::{Connection, PgConnection};

/// How folders of clusters are called.
const NAME: &str = "taquilla-tests-pg-";
/// What is said when there is no PostgreSQL.
const MISSING: &str = "PostgreSQL is needed for these tests: run ./dev setup, or apt-get install postgresql";
/// A server with its folder.
#[derive(Debug)]
pub struct Cluster {
    dir: PathBuf,
    keeper: Mutex<Keeper>,
}

#[derive(Debug)]
struct Keeper {
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    child: Child,
}

/// The folder of the server's programs: the newest of Debian's, or where `postgres` is found.
fn programs() -> PathBuf {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            Some((version, path.join("bin")))
        })
        .filter(|(_, bin)| bin.join("postgres").is_file() && bin.join("initdb").is_file())
        .collect();
    versions.sort();
    if let Some((_, bin)) = versions.pop() {
        return bin;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).find(|bin| bin.join("postgres").is_file()).expect(MISSING)
}

/// Removes what a run left whose keeper was killed.
fn clean_up() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let dir = entry.path();
        if !entry.file_name().to_string_lossy().starts_with(NAME) {
            continue;
        }
        let first_line = |file: &str| fs::read_to_string(dir.join(file)).ok()?.lines().next().map(str::to_owned);
        let Some(keeper) = first_line("keeper.pid") else { continue };
        let runs = |pid: &str| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(NAME));
        if runs(&keeper) {
            continue;
        }
        if let Some(server) = first_line("data/postmaster.pid").filter(|pid| runs(pid)) {
            let _ = Command::new("kill").args(["-QUIT", &server]).status();
        }
        let _ = fs::remove_dir_all(dir);
    }
}

impl Cluster {
    /// Makes a cluster and starts it.
    pub fn start(settings: &[&str]) -> Self {
        clean_up();
        let bin = programs();
        let dir = tempfile::Builder::new().prefix(NAME).tempdir().unwrap().keep();
        let mut child = Command::new("bash")
            .args(["-c", include_str!("postgres.sh"), "keeper"])
            .arg(&dir)
            .arg(bin)
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("bash runs");
        let (commands, answers) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut keeper = Keeper { commands, answers, child };
        keeper.expect("started");
        Self { dir, keeper: Mutex::new(keeper) }
    }

    /// Stops the server by a signal: INT fast, QUIT at once, KILL as in a crash.
    pub fn stop(&self, signal: &str) {
        self.keeper.lock().unwrap().ask(&format!("stop {signal}"), "stopped");
    }

    /// Starts the stopped server again.
    pub fn start_again(&self) {
        self.keeper.lock().unwrap().ask("start", "started");
    }

    /// The address of one of its databases.
    pub fn url(&self, database: &str) -> String {
        let host: String = form_urlencoded::byte_serialize(self.dir.to_str().unwrap().as_bytes()).collect();
        format!("postgres://postgres@localhost/{database}?host={host}")
    }

    /// Runs statements in a database.
    pub async fn run(&self, database: &str, statements: &[&str]) {
        let mut connection = PgConnection::connect(&self.url(database)).await.unwrap();
        for statement in statements {
            sqlx::raw_sql(sqlx::AssertSqlSafe(*statement)).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut().unwrap();
        keeper.commands.take();
        let _ = keeper.child.wait();
    }
}

impl Keeper {
    fn ask(&mut self, command: &str, answer: &str) {
        writeln!(self.commands.as_mut().unwrap(), "{command}").unwrap();
        self.expect(answer);
    }

    fn expect(&mut self, answer: &str) {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), answer, "the server does not do what it should. {MISSING}");
    }
}
