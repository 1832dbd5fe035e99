//! A receiver of lines that can be told to misbehave.

use std::{
    collections::{BTreeMap, VecDeque},
    io::Read,
    sync::Arc,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use flate2::read::GzDecoder;
use parking_lot::Mutex;

/// What the stub does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Stores the lines and says so.
    Store,
    /// Stores the lines, and breaks off in the middle of saying so.
    StoreAndBreakOff,
    /// Stores the lines, and says that it failed.
    StoreAndFail,
    /// Stores nothing: status, `Retry-After`, text.
    Say(u16, Option<&'static str>, &'static str),
    /// Stores nothing and never answers.
    Hang,
    /// Stores all lines or none: none when one has this text.
    StoreWithout(&'static str),
    /// Stores the lines when there are no more than so many.
    StoreUpTo(usize),
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub text: String,
}

#[derive(Debug, Default)]
struct Kept {
    script: VecDeque<Reply>,
    then: Option<Reply>,
    seen: Vec<Seen>,
    /// By series and time, as a database keeps them: what is sent again replaces.
    points: BTreeMap<(String, i64), String>,
    writes: usize,
}

/// A receiver that runs.
#[derive(Clone)]
pub struct Stub {
    pub url: String,
    kept: Arc<Mutex<Kept>>,
}

impl Stub {
    /// Starts one that stores everything.
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    /// The same at an address.
    pub async fn start_at(address: &str) -> Self {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let kept = Arc::<Mutex<Kept>>::default();
        let router = Router::new().fallback(answer).with_state(kept.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, kept }
    }

    /// The next requests are answered so, then as `then` says.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>, then: Reply) {
        let mut kept = self.kept.lock();
        kept.script = replies.into_iter().collect();
        kept.then = Some(then);
    }

    /// Whether the script is at its end.
    pub fn script_is_over(&self) -> bool {
        self.kept.lock().script.is_empty()
    }

    /// The stored lines.
    pub fn lines(&self) -> Vec<String> {
        self.kept.lock().points.iter().map(|((series, at), fields)| format!("{series} {fields} {at}")).collect()
    }

    /// The stored lines of one measurement.
    pub fn of(&self, measurement: &str) -> Vec<String> {
        self.lines().into_iter().filter(|line| line.split([',', ' ']).next() == Some(measurement)).collect()
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.kept.lock().seen.clone()
    }

    /// How many lines were stored, those that replaced one included.
    pub fn writes(&self) -> usize {
        self.kept.lock().writes
    }
}

async fn answer(State(kept): State<Arc<Mutex<Kept>>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let text = if headers.get("content-encoding").is_some_and(|value| value == "gzip") {
        let mut text = String::new();
        GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
        text
    } else {
        String::from_utf8(body.to_vec()).unwrap()
    };
    let (reply, lines) = {
        let mut kept = kept.lock();
        kept.seen.push(Seen { method, uri, headers, text: text.clone() });
        let next = kept.script.pop_front();
        (next.or_else(|| kept.then.clone()).unwrap_or(Reply::Store), text.lines().count())
    };
    let store = || {
        let mut kept = kept.lock();
        for line in text.lines() {
            // None of our tags holds an escaped blank.
            let [series, fields, at] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            kept.points.insert((series.to_owned(), at.parse().unwrap()), fields.to_owned());
            kept.writes += 1;
        }
    };
    let refused = r#"{"error":"unable to parse 'x': missing fields"}"#;
    match reply {
        Reply::StoreAndBreakOff => {
            store();
            let broken = broken_off();
            return (StatusCode::OK, broken).into_response();
        }
        Reply::StoreAndFail => {
            store();
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        Reply::StoreWithout(poison) if text.contains(poison) => return (StatusCode::BAD_REQUEST, refused).into_response(),
        Reply::StoreUpTo(most) if lines > most => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Reply::Store | Reply::StoreWithout(_) | Reply::StoreUpTo(_) => store(),
        Reply::Say(status, retry_after, text) => {
            let mut response = (StatusCode::from_u16(status).unwrap(), text).into_response();
            if let Some(value) = retry_after {
                response.headers_mut().insert("retry-after", value.parse().unwrap());
            }
            return response;
        }
        Reply::Hang => std::future::pending().await,
    }
    StatusCode::NO_CONTENT.into_response()
}

/// A body that breaks off.
fn broken_off() -> Body {
    struct Broken;
    impl axum::body::HttpBody for Broken {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, std::io::Error>>> {
            std::task::Poll::Ready(Some(Err(std::io::Error::other("broken off"))))
        }
    }
    Body::new(Broken)
}
