//! Where lines are sent, and in which dialect.

use std::{io::Write, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compression, write::GzEncoder};
use reqwest::{
    Client, Method, RequestBuilder, Url,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};

use super::answer::{Answer, brief, judge};
use crate::{
    config::{InfluxApi, Influxdb},
    outgoing,
    types::{Secret, Timestamp},
};

/// How long a write may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much of an answer is read, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// A line that every receiver takes: always the same, so that it is stored once.
const PLAIN: &[u8] = b"taquilla_test count=1i 1000000000\n";

/// The dialect in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// InfluxDB 1.x, VictoriaMetrics.
    V1,
    /// InfluxDB 2.x.
    V2,
    /// InfluxDB 3.x.
    V3,
}

impl Dialect {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::V3 => "v3",
        }
    }

    const fn write_path(self) -> &'static str {
        match self {
            Self::V1 => "write",
            Self::V2 => "api/v2/write",
            Self::V3 => "api/v3/write_lp",
        }
    }
}

/// A receiver of lines.
#[derive(Debug, Clone)]
pub struct Target {
    base: Url,
    write: Url,
    dialect: Dialect,
    org: Option<String>,
    bucket: String,
    authorization: Option<HeaderValue>,
    gzip: bool,
    client: Client,
}

/// A receiver that cannot be spoken to.
#[derive(Debug, thiserror::Error)]
#[error("influxdb.{key}: {message}")]
pub struct BadTarget {
    /// The key of the configuration.
    pub key: &'static str,
    /// What is wrong with it.
    pub message: String,
}

impl Target {
    /// The configured receiver; `None` when none is configured.
    ///
    /// # Errors
    /// A configuration that cannot be used.
    pub fn new(config: &Influxdb, patience: Option<Duration>) -> Result<Option<Self>, BadTarget> {
        let Some(url) = &config.url else { return Ok(None) };
        let bad = |key, message: String| BadTarget { key, message };
        let base = Url::parse(url).map_err(|error| bad("url", error.to_string()))?;
        let dialect = match config.api {
            InfluxApi::V2 => Dialect::V2,
            InfluxApi::V3 => Dialect::V3,
            InfluxApi::Auto if config.org.is_some() => Dialect::V2,
            InfluxApi::V1 | InfluxApi::Auto => Dialect::V1,
        };
        let mut write = joined(&base, dialect.write_path());
        {
            let mut query = write.query_pairs_mut();
            match dialect {
                Dialect::V1 => query.append_pair("db", &config.bucket).append_pair("precision", "ns"),
                Dialect::V2 => query
                    .append_pair("org", config.org.as_deref().unwrap_or_default())
                    .append_pair("bucket", &config.bucket)
                    .append_pair("precision", "ns"),
                Dialect::V3 => query.append_pair("db", &config.bucket).append_pair("precision", "nanosecond"),
            };
        }
        let authorization = authorization(config, dialect).map_err(|_| bad("token", "cannot be sent as a header".into()))?;
        let client = outgoing::client(url).redirect(Policy::none()).timeout(patience.unwrap_or(PATIENCE)).build();
        let client = client.map_err(|error| bad("url", error.to_string()))?;
        let (org, bucket) = (config.org.clone(), config.bucket.clone());
        Ok(Some(Self { base, write, dialect, org, bucket, authorization, gzip: config.gzip, client }))
    }

    /// The dialect in use.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The address, which holds no secret.
    #[must_use]
    pub fn address(&self) -> &str {
        self.base.as_str()
    }

    /// The database or bucket.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The organisation, for 2.x.
    #[must_use]
    pub fn org(&self) -> Option<&str> {
        self.org.as_deref()
    }

    /// A request to another path of the receiver, with the same rights.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.authorized(self.client.request(method, joined(&self.base, path)))
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value.clone()),
            None => request,
        }
    }

    /// Sends a line with which nothing can be wrong, of the measurement `taquilla_test`: what is refused then is not the
    /// line's fault.
    pub async fn send_plain(&self, now: Timestamp) -> (Answer, String) {
        self.send(PLAIN, now).await
    }

    /// Sends lines, and gives what became of them, with a text for people where it is not well.
    pub async fn send(&self, lines: &[u8], now: Timestamp) -> (Answer, String) {
        let request = self.authorized(self.client.post(self.write.clone())).header(CONTENT_TYPE, "text/plain; charset=utf-8");
        let request = match self.gzip.then(|| compressed(lines)).flatten() {
            Some(bytes) => request.header(CONTENT_ENCODING, "gzip").body(bytes),
            None => request.body(lines.to_vec()),
        };
        match request.send().await {
            Ok(mut response) => {
                let status = response.status().as_u16();
                let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
                let mut bytes = Vec::new();
                // An answer that breaks off after a good status was a good one: the lines are stored before it is sent.
                while let Ok(Some(chunk)) = response.chunk().await {
                    bytes.extend_from_slice(&chunk);
                    if bytes.len() > LONGEST_ANSWER {
                        break;
                    }
                }
                let text = String::from_utf8_lossy(&bytes);
                (judge(status, retry_after.as_deref(), &text, now), brief(&format!("status {status}: {text}")))
            }
            // The address is left out of the message: it is told beside it.
            Err(error) => (Answer::Later(None), brief(&causes(&error.without_url()))),
        }
    }
}

/// An error with what caused it.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The address of a path below the base, whatever path that has itself.
fn joined(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

fn authorization(config: &Influxdb, dialect: Dialect) -> Result<Option<HeaderValue>, reqwest::header::InvalidHeaderValue> {
    let text = match (&config.token, &config.username, &config.password) {
        (Some(token), ..) if dialect == Dialect::V3 => format!("Bearer {}", token.expose()),
        (Some(token), ..) => format!("Token {}", token.expose()),
        (None, Some(name), password) => {
            let password = password.as_ref().map_or("", Secret::expose);
            format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")))
        }
        (None, None, _) => return Ok(None),
    };
    let mut value = HeaderValue::from_str(&text)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// The lines in gzip; `None` when that fails, which a `Vec` never makes it.
fn compressed(lines: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(lines.len() / 4), Compression::fast());
    encoder.write_all(lines).ok()?;
    encoder.finish().ok()
}
