//! A running desk, asked by its API: address, token, requests, and what its refusals mean for the exit code.

use std::{
    io::Write,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use clap::Args;
use reqwest::{
    Client, Method, Response, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, LINK, LOCATION},
};
use serde_json::Value;

use super::{Context, Exit, Failure};
use crate::{
    auth::token::random,
    backup::create::{partial, private, remove, settle},
    types::Secret,
};

/// Where a desk is when nothing else is said.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8000";
/// How long it may take to be reached.
const TO_CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take.
const TO_ANSWER: Duration = Duration::from_secs(30);
/// How long a file may take.
const TO_DOWNLOAD: Duration = Duration::from_secs(24 * 3_600);
/// How often and how long to wait for the first of two equal requests to end.
const WAITS: (u32, Duration) = (10, Duration::from_millis(500));
/// The longest file of a token.
const LONGEST_TOKEN: usize = 16 * 1024;

#[derive(Debug, Args)]
pub(super) struct Remote {
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help_heading = "Desk",
        help = "The desk's address [variable TAQUILLA_SERVER; http://127.0.0.1:8000]"
    )]
    server: Option<String>,
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        help_heading = "Desk",
        conflicts_with = "token_file",
        value_parser = secret,
        help = "An API token or access token. Other people on this machine can see it: better use --token-file or the variable TAQUILLA_TOKEN"
    )]
    token: Option<Secret>,
    /// Read the token from a file; a line end after it is left out.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Desk")]
    token_file: Option<PathBuf>,
}

#[expect(clippy::unnecessary_wraps, reason = "the signature is clap's")]
fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

/// A variable that is set to something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn usage(message: impl Into<String>) -> Failure {
    Failure::new(Exit::Usage, message)
}

impl Remote {
    /// Whether a running desk is named by a flag.
    pub(super) const fn is_named(&self) -> bool {
        self.server.is_some() || self.token.is_some() || self.token_file.is_some()
    }

    /// Whether a running desk is meant, by a flag or a variable.
    pub(super) fn is_meant(&self) -> bool {
        self.is_named() || variable("TAQUILLA_TOKEN").is_some()
    }

    /// Everything that is needed to ask the desk; nothing is sent yet.
    pub(super) fn desk(&self, context: &Context) -> Result<Desk, Failure> {
        let (server, origin) = match (&self.server, variable("TAQUILLA_SERVER")) {
            (Some(server), _) => (server.clone(), "--server"),
            (None, Some(server)) => (server, "TAQUILLA_SERVER"),
            (None, None) => (DEFAULT_SERVER.to_owned(), "default"),
        };
        let bad = |why: &str| usage(format!("{origin}: {server:?} {why}"));
        let url = Url::parse(&server).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| bad("is no address: it must begin with http:// or https://, as http://127.0.0.1:8000 does"))?;
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(usage(format!("{origin} must be an address alone, without credentials, ? or #")));
        }
        let own = url.host_str().is_some_and(is_own);
        let token = self.token()?;
        if !token.expose().bytes().all(|b| b.is_ascii_graphic()) || token.expose().is_empty() {
            return Err(usage("the token is empty, or has characters that no token has"));
        }
        if url.scheme() == "http" && !own {
            context.out.say(&format!("warning: the token goes to {server} unencrypted; https would protect it"));
        }
        let builder = crate::outgoing::client(url.as_str()).connect_timeout(TO_CONNECT).timeout(TO_ANSWER);
        // A redirect could take the token elsewhere.
        let builder = builder.redirect(reqwest::redirect::Policy::none()).user_agent(concat!("taquilla/", env!("CARGO_PKG_VERSION")));
        let http = if own { builder.no_proxy() } else { builder }.build();
        let http = http.map_err(|error| Failure::new(Exit::Failure, format!("TLS cannot be used here: {}", deepest(&error))))?;
        Ok(Desk { http, base: url.as_str().trim_end_matches('/').to_owned(), token })
    }

    fn token(&self) -> Result<Secret, Failure> {
        if let Some(token) = &self.token {
            return Ok(token.clone());
        }
        if let Some(path) = &self.token_file {
            let read = std::fs::read_to_string(path);
            let text = read.map_err(|error| Failure::new(Exit::Failure, format!("--token-file {}: {error}", path.display())))?;
            if text.len() > LONGEST_TOKEN {
                return Err(usage(format!("--token-file {}: is too long for a token", path.display())));
            }
            return Ok(Secret::new(text.trim_end_matches(['\r', '\n'])));
        }
        let needed = "a token is needed: --token-file FILE or the variable TAQUILLA_TOKEN (`taquilla token create` and POST /api/v1/auth/tokens make one)";
        variable("TAQUILLA_TOKEN").map(Secret::new).ok_or_else(|| usage(needed))
    }
}

fn is_own(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// The cause that says most.
fn deepest(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).last().map(ToString::to_string).unwrap_or_default()
}

/// A desk that can be asked.
pub(super) struct Desk {
    http: Client,
    base: String,
    token: Secret,
}

/// An answer that is no refusal.
pub(super) struct Answer {
    pub(super) body: Value,
    headers: HeaderMap,
}

impl Answer {
    /// The path of the next page.
    pub(super) fn next(&self) -> Option<String> {
        let link = self.headers.get(LINK)?.to_str().ok()?.strip_prefix('<')?;
        let (path, _) = link.split_once(">; rel=\"next\"")?;
        path.starts_with("/api/").then(|| path.to_owned())
    }

    /// How many rows the list has, as the desk tells it (`1000` may be the most that it counts).
    pub(super) fn total(&self) -> Option<String> {
        let header = |name: &str| self.headers.get(name)?.to_str().ok();
        let more = if header("x-total-count-capped").is_some() { "more than " } else { "" };
        header("x-total-count").map(|total| format!("{more}{total}"))
    }
}

/// What becomes of an attempt.
enum Attempt {
    Answered(Answer),
    Refused(Failure),
    /// The request may have arrived, the answer did not.
    Lost(Failure),
    /// An equal request is still running.
    Running(Failure),
}

impl Desk {
    /// The address of a path, for people.
    pub(super) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Reads something.
    pub(super) async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Answer, Failure> {
        self.attempt(Method::GET, path, query, None, None).await.ended()
    }

    /// Changes something; a change that is made twice is one.
    pub(super) async fn patch(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        self.attempt(Method::PATCH, path, &[], Some(body), None).await.ended()
    }

    /// Makes something, once: when the answer is lost, the desk is asked again with the same key and does nothing twice.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        let key = BASE64_URL_SAFE_NO_PAD.encode(random::<16>());
        let once = || self.attempt(Method::POST, path, &[], Some(body), Some(&key));
        let mut attempt = once().await;
        if matches!(attempt, Attempt::Lost(_)) {
            attempt = once().await;
        }
        for _ in 0..WAITS.0 {
            if !matches!(attempt, Attempt::Running(_)) {
                break;
            }
            tokio::time::sleep(WAITS.1).await;
            attempt = once().await;
        }
        if let Attempt::Lost(failure) = attempt {
            return Err(Failure::new(failure.exit, format!("{}; whether it was done is not known", failure.message)));
        }
        attempt.ended()
    }

    /// Fetches a file, however long it takes. It gets its name when it is here and on the disk.
    pub(super) async fn download(&self, path: &str, to: &Path) -> Result<(), Failure> {
        let partial = partial(to);
        let fetched = self.fetch(path, &partial).await;
        let named =
            fetched.and_then(|()| settle(&partial, to).map_err(|error| Failure::new(Exit::Failure, format!("{}: {error}", to.display()))));
        if named.is_err() {
            // A part of it is of no use.
            let _ = remove(&partial);
        }
        named
    }

    async fn fetch(&self, path: &str, to: &Path) -> Result<(), Failure> {
        let lost = |error: &reqwest::Error| {
            Failure::new(Exit::Storage, format!("the desk at {} cannot be reached, or broke off: {}", self.base, deepest(error)))
        };
        let request = self.http.get(self.address(path)).bearer_auth(self.token.expose()).timeout(TO_DOWNLOAD);
        let mut response = request.send().await.map_err(|error| lost(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        if !status.is_success() {
            return match read(response).await.map_err(|error| lost(&error))? {
                Some(problem) if is_problem(&headers) => refused(status, &problem, path).ended().map(drop),
                _ => Err(self.no_desk(status, &headers)),
            };
        }
        let failed = |error: std::io::Error| Failure::new(Exit::Failure, format!("{}: {error}", to.display()));
        let mut file = private(to).map_err(failed)?;
        while let Some(piece) = response.chunk().await.map_err(|error| lost(&error))? {
            file.write_all(&piece).map_err(failed)?;
        }
        file.sync_all().map_err(failed)
    }

    async fn attempt(&self, method: Method, path: &str, query: &[(&str, String)], body: Option<&Value>, key: Option<&str>) -> Attempt {
        let mut request = self.http.request(method, self.address(path)).bearer_auth(self.token.expose());
        if !query.is_empty() {
            request = request.query(query);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let lost = |error: &reqwest::Error| {
            let why = if error.is_timeout() { "it does not answer in time".to_owned() } else { deepest(error) };
            Failure::new(Exit::Storage, format!("the desk at {} cannot be reached: {why}", self.base))
        };
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() || error.is_builder() => return Attempt::Refused(lost(&error)),
            Err(error) => return Attempt::Lost(lost(&error)),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        match read(response).await {
            Ok(body) if status.is_success() => match body {
                Some(body) => Attempt::Answered(Answer { body, headers }),
                None => Attempt::Refused(self.no_desk(status, &headers)),
            },
            Ok(Some(problem)) if is_problem(&headers) => refused(status, &problem, path),
            Ok(_) => Attempt::Refused(self.no_desk(status, &headers)),
            Err(error) => Attempt::Lost(lost(&error)),
        }
    }

    /// An answer that no desk gives.
    fn no_desk(&self, status: StatusCode, headers: &HeaderMap) -> Failure {
        let elsewhere = headers.get(LOCATION).and_then(|to| to.to_str().ok()).filter(|_| status.is_redirection());
        let advice = elsewhere.map_or_else(|| "is that a Taquilla desk?".to_owned(), |to| format!("it points to {to}"));
        Failure::new(Exit::Failure, format!("{} answers {status}: {advice}", self.base))
    }
}

impl Attempt {
    fn ended(self) -> Result<Answer, Failure> {
        match self {
            Self::Answered(answer) => Ok(answer),
            Self::Refused(failure) | Self::Lost(failure) | Self::Running(failure) => Err(failure),
        }
    }
}

/// The body, when it is JSON.
async fn read(response: Response) -> Result<Option<Value>, reqwest::Error> {
    Ok(serde_json::from_slice(&response.bytes().await?).ok())
}

fn is_problem(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/problem+json"))
}

/// What a refusal of a request for `path` means.
fn refused(status: StatusCode, problem: &Value, path: &str) -> Attempt {
    let exit = match status.as_u16() {
        401 | 403 => Exit::NotPermitted,
        404 => Exit::NotFound,
        422 => Exit::Usage,
        503 => Exit::Storage,
        _ => Exit::Failure,
    };
    let said = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let errors = problem["errors"].as_array().filter(|errors| !errors.is_empty());
    let message = match errors {
        Some(errors) => errors.iter().map(|e| format!("{} {}", said(&e["field"]), said(&e["message"]))).collect::<Vec<_>>().join("; "),
        // The desk does not repeat what it does not have.
        None if status == StatusCode::NOT_FOUND => format!("{} ({path})", said(&problem["detail"])),
        None => said(&problem["detail"]),
    };
    let failure = Failure::new(exit, message);
    match problem["type"].as_str() {
        Some("/problems/already-running") => Attempt::Running(failure),
        Some("/problems/outcome-unknown") => Attempt::Lost(failure),
        _ => Attempt::Refused(failure),
    }
}
