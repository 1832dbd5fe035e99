//! A listener to the live stream.

use std::time::Duration;

use reqwest::{Method, header::HeaderMap};
use serde_json::Value;

use super::Client;

/// How long something is waited for that must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a stream may be read altogether.
const LONGEST: Duration = Duration::from_secs(120);

/// An event of the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: i64,
    pub name: String,
    pub data: Value,
}

/// An open stream.
#[derive(Debug)]
pub struct Listener {
    answer: reqwest::Response,
    text: String,
    /// Comments that came by.
    pub comments: usize,
}

impl Client {
    /// Listens from the log's end, or after the entry `last`.
    pub async fn listen(&self, last: impl Into<Option<i64>>) -> Listener {
        let mut request = self.request(Method::GET, "/events").timeout(LONGEST);
        if let Some(last) = last.into() {
            request = request.header("last-event-id", last);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        Listener { answer, text: String::new(), comments: 0 }
    }
}

impl Listener {
    pub fn headers(&self) -> &HeaderMap {
        self.answer.headers()
    }

    /// The next block of the stream as it is written, `None` at its end.
    pub async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            match self.answer.chunk().await {
                Ok(Some(bytes)) => self.text.push_str(std::str::from_utf8(&bytes).unwrap()),
                Ok(None) => {
                    assert_eq!(self.text, "", "it ends between events");
                    return None;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    /// The next event, `None` at the stream's end.
    pub async fn event(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            if block.starts_with(':') {
                self.comments += 1;
                continue;
            }
            let lines: Vec<&str> = block.lines().collect();
            let [id, name, data] = lines[..] else { panic!("three lines are expected: {block}") };
            let of = |line: &str, field: &str| line.strip_prefix(field).unwrap_or_else(|| panic!("no {field} in {block}")).to_owned();
            return Some(Event {
                id: of(id, "id: ").parse().unwrap(),
                name: of(name, "event: "),
                data: serde_json::from_str(&of(data, "data: ")).unwrap(),
            });
        }
    }

    /// The next event, which must come.
    pub async fn next(&mut self) -> Event {
        tokio::time::timeout(PATIENCE, self.event()).await.expect("an event comes").expect("the stream goes on")
    }

    /// The names of the next events up to the entry `last`.
    pub async fn names_up_to(&mut self, last: i64) -> Vec<String> {
        let mut names = Vec::new();
        loop {
            let event = self.next().await;
            names.push(event.name);
            if event.id >= last {
                return names;
            }
        }
    }

    /// The events that still come before the stream ends by itself.
    pub async fn rest(&mut self) -> Vec<Event> {
        let rest = async {
            let mut events = Vec::new();
            while let Some(event) = self.event().await {
                events.push(event);
            }
            events
        };
        tokio::time::timeout(PATIENCE, rest).await.expect("the stream ends")
    }
}
