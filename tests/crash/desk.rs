//! The real binary as a process, in a folder of its own.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    net::TcpListener,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{api::Api, rng::Rng};

/// The program that was built with the tests.
pub const BUILT: &str = env!("CARGO_BIN_EXE_taquilla");

/// The program under test: the one that `TAQUILLA_BIN` names, such as a release build, or the one of this build. Only builds
/// for development have fault points.
pub fn binary() -> OsString {
    std::env::var_os("TAQUILLA_BIN").unwrap_or_else(|| BUILT.into())
}

/// The first admin.
pub const ADMIN: &str = "admin@example.com";

/// Everybody's password.
pub const PASSWORD: &str = "correct horse 1";

/// How long a start may take before it counts as failed: a dev build on a busy machine reads a long log slowly.
const LONGEST_START: Duration = Duration::from_secs(120);

/// A working folder on a real disk. It is kept when the test fails.
pub struct Work {
    dir: tempfile::TempDir,
}

impl Work {
    /// A new one.
    pub fn new() -> Self {
        Self { dir: tempfile::Builder::new().prefix("crash-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() }
    }

    /// A path inside.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if std::thread::panicking() {
            crate::tell(&format!("kept for a look: {}", self.dir.path().display()));
            self.dir.disable_cleanup(true);
        }
    }
}

/// Where a desk keeps its data.
#[derive(Debug, Clone)]
pub struct Storage(pub String);

impl From<&Path> for Storage {
    fn from(data: &Path) -> Self {
        Self(format!("sled:{}", data.display()))
    }
}

impl From<&PathBuf> for Storage {
    fn from(data: &PathBuf) -> Self {
        data.as_path().into()
    }
}

impl From<&Self> for Storage {
    fn from(storage: &Self) -> Self {
        storage.clone()
    }
}

/// A running desk. It is killed when dropped.
pub struct Desk {
    child: Child,
    log: PathBuf,
    /// Its address, up to `/api/v1`.
    pub base: String,
}

impl Desk {
    /// Starts it on a data folder or a database and waits until it can read and write.
    pub async fn start(storage: impl Into<Storage>, log: &Path) -> Self {
        let mut desk = Self::spawn(storage, log, None);
        if let Err(why) = desk.ready().await {
            panic!("the desk does not start: {why}\n{}", desk.log_tail());
        }
        desk
    }

    /// Starts it and does not wait; with a fault point it shall abort there.
    pub fn spawn(storage: impl Into<Storage>, log: &Path, fault: Option<&str>) -> Self {
        Self::spawn_with(storage, log, fault, &[])
    }

    /// The same with variables.
    pub fn spawn_with(storage: impl Into<Storage>, log: &Path, fault: Option<&str>, variables: &[(&str, &str)]) -> Self {
        let port = free_port();
        let log_file = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = taquilla(&storage.into(), &log_file);
        command.envs(variables.iter().copied()).arg("serve").env("TAQUILLA_SERVER__LISTEN", format!("127.0.0.1:{port}"));
        if let Some(name) = fault {
            command.env("TAQUILLA_FAULT", name);
        }
        Self { child: command.spawn().unwrap(), log: log.to_owned(), base: format!("http://127.0.0.1:{port}/api/v1") }
    }

    /// Waits until it answers that it is ready, or has ended.
    pub async fn ready(&mut self) -> Result<(), String> {
        let http = taquilla::outgoing::client("http:").timeout(Duration::from_secs(2)).build().unwrap();
        let address = format!("{}/health/ready", self.root());
        let deadline = Instant::now() + LONGEST_START;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Err(format!("it ended with {status}"));
            }
            if http.get(&address).send().await.is_ok_and(|answer| answer.status() == 200) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("it is not ready after {LONGEST_START:?}"));
            }
            tokio::time::sleep(Duration::from_millis(4)).await;
        }
    }

    /// The address without `/api/v1`.
    pub fn root(&self) -> &str {
        self.base.trim_end_matches("/api/v1")
    }

    /// A caller with a token.
    pub fn api(&self, token: &str) -> Api {
        Api::new(&self.base, token)
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, and the exit status.
    pub fn stop(mut self) -> ExitStatus {
        if self.ended().is_none() {
            assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success(), "kill -TERM");
        }
        self.child.wait().unwrap()
    }

    /// Its exit status, when it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `taquilla fsck` on a storage that nobody serves; panics unless it is clean.
pub fn fsck(storage: impl Into<Storage>, log: &Path) {
    let log_file = OpenOptions::new().create(true).append(true).open(log).unwrap();
    let status = taquilla(&storage.into(), &log_file).arg("fsck").status().unwrap();
    assert!(status.success(), "fsck ended with {status}:\n{}", std::fs::read_to_string(log).unwrap());
}

/// What a verb has left when it ended.
#[derive(Debug)]
pub struct Ended {
    status: ExitStatus,
    out: String,
    err: String,
}

impl Ended {
    /// Checks that it died at its fault point.
    #[track_caller]
    pub fn died(&self) {
        assert!(self.status.signal().is_some(), "it should have died and ended with {self:?}");
    }

    /// Checks the exit code, and that it says something.
    #[track_caller]
    pub fn refused(&self, code: i32, words: &str) {
        assert!(self.status.code() == Some(code) && self.err.contains(words), "not {code} with {words:?}: {self:?}");
    }

    /// What it printed, as JSON, when all went well.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert!(self.status.success(), "{self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}

/// Runs a verb to its end, in a folder; with a fault point it shall abort there.
pub fn verb(storage: impl Into<Storage>, folder: &Path, fault: Option<&str>, arguments: &[&str]) -> Ended {
    let mut command = command(&storage.into());
    command.current_dir(folder).arg("--json").args(arguments);
    if let Some(name) = fault {
        command.env("TAQUILLA_FAULT", name);
    }
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ended { status, out: text(stdout), err: text(stderr) }
}

/// The program, saying everything into a log.
fn taquilla(storage: &Storage, log: &File) -> Command {
    let mut command = command(storage);
    command.stdout(log.try_clone().unwrap()).stderr(log.try_clone().unwrap());
    command
}

/// The program with nothing of this process's environment.
pub fn command(storage: &Storage) -> Command {
    let mut command = Command::new(binary());
    command
        .env_clear()
        .env("TAQUILLA_STORAGE__URL", &storage.0)
        .env("TAQUILLA_BOOTSTRAP__ADMIN_EMAIL", ADMIN)
        .env("TAQUILLA_BOOTSTRAP__ADMIN_PASSWORD", PASSWORD)
        .env("TAQUILLA_AUTH__RATE_LIMIT", "off")
        .env("TAQUILLA_LOG__LEVEL", "warn")
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::null());
    command
}

/// A port below those that the system gives to outgoing connections, so that no client takes it meanwhile.
fn free_port() -> u16 {
    let mut rng = Rng::anew();
    loop {
        let port = u16::try_from(rng.between(20_000, 32_000)).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
