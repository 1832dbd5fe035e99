//! The real program: started as a process of its own, in a folder of its own, with an environment of its own.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use serde_json::Value;

/// Nothing takes longer.
const DEADLINE: Duration = Duration::from_secs(60);

/// A folder in which programs are started.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file into it.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taquilla"));
        command.current_dir(self.dir.path()).env_clear().envs(environment.iter().copied()).args(arguments);
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(&[], arguments, "")
    }

    /// Runs the program to its end, with variables.
    pub fn run_in(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Ran {
        self.run_with(environment, arguments, "")
    }

    /// Runs the program to its end, with variables and with something to read.
    pub fn run_with(&self, environment: &[(&str, &str)], arguments: &[&str], input: &str) -> Ran {
        let mut command = self.command(environment, arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A program that does not read its input may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let (out, err) = (read_all(child.stdout.take().unwrap()), read_all(child.stderr.take().unwrap()));
        let (out, err) = (out.recv_timeout(DEADLINE), err.recv_timeout(DEADLINE));
        let (Ok(out), Ok(err)) = (out, err) else {
            child.kill().unwrap();
            panic!("it does not end: {arguments:?}");
        };
        Ran { code: child.wait().unwrap().code().unwrap_or(-1), out, err }
    }

    /// Makes an account with the password `correct horse 1`.
    pub fn add_user(&self, email: &str, role: &str) -> Value {
        let arguments = ["--json", "user", "create", "--email", email, "--name", "Somebody", "--role", role, "--password-stdin"];
        self.run_with(&[], &arguments, "correct horse 1\n").expect(0).json()
    }

    /// Starts the server on a free port and waits until it listens.
    pub fn serve(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Server {
        let arguments = [&["serve", "--listen", "127.0.0.1:0", "--log-format", "json"], arguments].concat();
        let mut server = Server::start(self.command(environment, &arguments));
        let line = server.until("listening");
        serde_json::from_str::<Value>(&line).unwrap()["url"].as_str().unwrap().clone_into(&mut server.url);
        server
    }

    /// Starts the server without waiting for anything.
    pub fn start(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Server {
        Server::start(self.command(environment, arguments))
    }
}

fn read_all(mut from: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let _ = from.read_to_string(&mut text);
        let _ = send.send(text);
    });
    receive
}

/// A program that has ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Checks the exit code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// What it printed, as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// Its error, as JSON.
    #[track_caller]
    pub fn error(&self) -> Value {
        let line = self.err.lines().last().unwrap_or_default();
        serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("not JSON: {self:?}"))["error"].clone()
    }

    /// Checks that its messages say something.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.err.contains(words), "{words:?} is not in {self:?}");
        self
    }
}

/// A server that runs.
pub struct Server {
    child: Child,
    lines: Receiver<String>,
    /// Everything that it has said.
    pub said: String,
    /// Where it listens.
    pub url: String,
}

impl Server {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { child, lines, said: String::new(), url: String::new() }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line with these words.
    #[track_caller]
    pub fn until(&mut self, words: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("it never said {words:?}:\n{}", self.said));
            self.said.extend([line.as_str(), "\n"]);
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.pid())]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end, and gives its exit code.
    #[track_caller]
    pub fn end(&mut self) -> Option<i32> {
        while let Ok(line) = self.lines.recv_timeout(DEADLINE) {
            self.said.extend([line.as_str(), "\n"]);
        }
        self.child.wait().unwrap().code()
    }

    /// Stops it in good order.
    #[track_caller]
    pub fn stop(&mut self) {
        self.signal("TERM");
        assert_eq!(self.end(), Some(0), "{}", self.said);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
