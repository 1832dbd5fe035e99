//! Calls to the desk, with the one distinction that matters here: answered, or nobody knows.

use std::{sync::Arc, time::Duration};

use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};

use crate::desk::{ADMIN, Desk, PASSWORD};

/// A caller.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    base: Arc<str>,
    token: Arc<str>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

/// No answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The request cannot have arrived.
    NotSent,
    /// It may have been carried out.
    Unanswered,
}

impl Answer {
    /// A header's text, or the empty one.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body, when the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }
}

impl Api {
    /// A caller at this address.
    pub fn new(base: &str, token: &str) -> Self {
        let http = taquilla::outgoing::client("http:").timeout(Duration::from_secs(20)).pool_max_idle_per_host(256).build().unwrap();
        Self { http, base: base.into(), token: token.into() }
    }

    /// Its token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The same connections for another caller.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.into(), ..self.clone() }
    }

    /// Sends a request under `/api/v1`, or, when the path starts with `//`, under the root.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>, headers: &[(&'static str, &str)]) -> Result<Answer, Lost> {
        let url = match path.strip_prefix('/') {
            Some(rooted) if rooted.starts_with('/') => format!("{}{rooted}", self.base.trim_end_matches("/api/v1")),
            _ => format!("{}{path}", self.base),
        };
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let lost = |error: reqwest::Error| if error.is_connect() { Lost::NotSent } else { Lost::Unanswered };
        let response = request.send().await.map_err(lost)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.map_err(|_| Lost::Unanswered)?;
        Ok(Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }

    /// A POST that must be answered.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(&body), &[]).await.unwrap_or_else(|lost| panic!("POST {path}: {lost:?}"))
    }

    /// A read that must be answered.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, &[]).await.unwrap_or_else(|lost| panic!("GET {path}: {lost:?}"))
    }

    /// Every row of a list, page after page of 200, and the total that the first page told.
    pub async fn pages(&self, path: &str, mut each: impl FnMut(Value)) -> Option<u64> {
        let mark = if path.contains('?') { '&' } else { '?' };
        let mut next = format!("{path}{mark}limit=200");
        let mut total = None;
        loop {
            let page = self.get(&next).await;
            total = total.or_else(|| page.header("x-total-count").parse().ok());
            let link = page.header("link").split_once('>').map(|(link, _)| link.trim_start_matches('<').replacen("/api/v1", "", 1));
            let Value::Array(rows) = page.expect(200) else { panic!("{next} is no list") };
            rows.into_iter().for_each(&mut each);
            match link {
                Some(link) => next = link,
                None => return total,
            }
        }
    }
}

/// Somebody who works with the desk.
#[derive(Clone)]
pub struct Person {
    pub id: i64,
    pub role: &'static str,
    pub token: String,
}

/// The admin, two agents and two requesters, with API tokens that outlive every crash.
pub async fn people(desk: &Desk) -> Vec<Person> {
    let stranger = desk.api("");
    let session = sign_in(&stranger, ADMIN).await;
    let admin = desk.api(&session);
    let id = admin.get("/auth/me").await.expect(200)["id"].as_i64().unwrap();
    let mut people = vec![Person { id, role: "admin", token: api_token(&admin).await }];
    for (role, name) in [("agent", "ana"), ("agent", "tom"), ("user", "eva"), ("user", "wei")] {
        let email = format!("{name}@example.com");
        let new = json!({ "email": email, "full_name": name, "role": role, "password": PASSWORD });
        let id = admin.post("/users", new).await.expect(201)["id"].as_i64().unwrap();
        let session = sign_in(&stranger, &email).await;
        people.push(Person { id, role, token: api_token(&desk.api(&session)).await });
    }
    people
}

async fn sign_in(api: &Api, email: &str) -> String {
    let answer = api.post("/auth/login", json!({ "username": email, "password": PASSWORD })).await.expect(200);
    answer["access_token"].as_str().unwrap().to_owned()
}

async fn api_token(api: &Api) -> String {
    api.post("/auth/tokens", json!({ "name": "rig" })).await.expect(201)["token"].as_str().unwrap().to_owned()
}
