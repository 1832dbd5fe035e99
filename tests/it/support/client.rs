//! An HTTP client of a desk, and what it gets back.

use std::sync::{Arc, Mutex};

use reqwest::{Method, RequestBuilder, header::HeaderMap};
use serde_json::Value;
use taquilla::error::PROBLEMS;

/// Somebody who talks to a desk: signed in, or nobody.
#[derive(Debug, Clone)]
pub struct Client {
    /// The account; 0 for nobody.
    pub id: i64,
    /// Its address; empty for nobody.
    pub email: String,
    /// The access token that every request carries.
    pub token: Option<String>,
    base: Arc<Mutex<String>>,
    http: reqwest::Client,
}

impl Client {
    /// Nobody, at the desk whose address is in `base`.
    pub fn nobody(base: Arc<Mutex<String>>, http: reqwest::Client) -> Self {
        Self { id: 0, email: String::new(), token: None, base, http }
    }

    /// The same desk with another token.
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// The address of `path`: `/tickets` means `/api/v1/tickets`, `//health` means `/health`.
    fn url(&self, path: &str) -> String {
        let base = self.base.lock().unwrap();
        match path.strip_prefix("//") {
            Some(from_root) => format!("{base}/{from_root}"),
            None if path.starts_with("/api/v1") => format!("{base}{path}"),
            None => format!("{base}/api/v1{path}"),
        }
    }

    /// A request with the token, to be completed and given to [`Client::send`]. Paths that begin with `/api/v1`, such
    /// as those of `Location` and `Link`, are taken as they are.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, self.url(path));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request.
    pub async fn send(&self, request: RequestBuilder) -> Response {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        // A live stream has no end to wait for.
        let endless = headers.get("content-type").is_some_and(|t| t == "text/event-stream");
        let bytes = if endless { bytes::Bytes::new() } else { answer.bytes().await.unwrap() };
        let json = headers.get("content-type").is_some_and(|t| t.to_str().unwrap().contains("json"));
        let body = match (bytes.is_empty(), json) {
            (true, _) => Value::Null,
            (false, true) => serde_json::from_slice(&bytes).unwrap(),
            (false, false) => String::from_utf8_lossy(&bytes).into_owned().into(),
        };
        Response { status, headers, body }
    }

    /// The bytes of an answer that is no JSON.
    pub async fn bytes(&self, path: &str) -> Vec<u8> {
        let answer = self.request(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap().to_vec()
    }

    pub async fn get(&self, path: &str) -> Response {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Response {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Response {
        self.send(self.request(Method::PUT, path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Response {
        self.send(self.request(Method::PATCH, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Response {
        self.send(self.request(Method::DELETE, path)).await
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    /// The JSON; null without a body, a text when it is not JSON.
    pub body: Value,
}

impl Response {
    /// The body, when the status is this one. A refusal must be a well-formed problem.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        assert!(!self.header("x-request-id").is_empty(), "every answer has a request id");
        if status >= 400 {
            self.check_problem();
        }
        self.body
    }

    /// A header's value; empty when there is none.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The address of the next page, if there is one.
    pub fn next(&self) -> Option<String> {
        let link = self.header("link").strip_suffix(">; rel=\"next\"")?;
        Some(link.strip_prefix('<')?.to_owned())
    }

    #[track_caller]
    fn check_problem(&self) {
        let problem = &self.body;
        assert_eq!(self.header("content-type"), "application/problem+json", "{problem}");
        let slug = problem["type"].as_str().unwrap().strip_prefix("/problems/").unwrap();
        let (_, status, title) = PROBLEMS.iter().find(|(known, ..)| *known == slug).expect("a documented slug");
        assert_eq!((problem["status"].as_u64(), problem["title"].as_str()), (Some((*status).into()), Some(*title)), "{problem}");
        assert_eq!(self.status, *status, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|d| !d.is_empty()), "{problem}");
        assert_eq!(problem["request_id"], self.header("x-request-id"), "{problem}");
        match self.status {
            401 => assert_eq!(self.header("www-authenticate"), "Bearer"),
            422 => {
                for error in problem["errors"].as_array().expect("422 lists the fields at fault") {
                    assert!(error["field"].is_string() && error["code"].is_string() && error["message"].is_string(), "{problem}");
                }
            }
            429 | 503 => assert!(self.header("retry-after").parse::<u32>().is_ok_and(|s| s >= 1), "{:?}", self.headers),
            _ => assert_eq!(problem.get("errors"), None, "{problem}"),
        }
    }
}
