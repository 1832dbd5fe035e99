//! The configuration tree, its layers and its checks. From the lowest layer to the highest: defaults, the variables of
//! the desk that this one replaces, the file, the environment, the flags. Whatever is wrong is told with the key and
//! with where its value came from, everything at once.

mod check;
mod example;
mod influx;
mod key;
mod layers;
mod load;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

pub use example::example;
pub use key::{Key, Kind, Section, Shown};
pub use load::{Flag, Loaded, Problem, Refused, Sources, load};

use crate::{
    http::server::Timers,
    tickets::sla::{LONGEST_TARGET_MINUTES, SlaTargets},
    types::Secret,
    users::model::{Locale, SettingsView},
};
use key::{key, section};

/// Everything that can be configured.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where and how the desk listens.
    pub server: Server,
    /// Where it keeps its data.
    pub storage: Storage,
    /// Signing in.
    pub auth: Auth,
    /// The first admin, for starts without a person.
    pub bootstrap: Bootstrap,
    /// Defaults of what admins may set.
    pub desk: Desk,
    /// Service-level targets of later tickets.
    pub sla: SlaTargets,
    /// What Prometheus scrapes.
    pub prometheus: Prometheus,
    /// Where metrics are pushed to.
    pub influxdb: Influxdb,
    /// Backups on a clock.
    pub backup: Backup,
    /// The log.
    pub log: Log,
    /// How long clients may take. Not a setting.
    #[serde(skip)]
    pub timers: Timers,
}

section! {
    /// Where and how the desk listens.
    pub struct Server in server {
        /// Address and port. 127.0.0.1 is this machine alone, 0.0.0.0 every network that it is in.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8000));
        /// The address that people type, when it is another one (behind a proxy): scheme, host and port, without a path.
        /// `https` makes cookies `Secure`.
        public_url: Option<String> = None, like "https://desk.example.com";
        /// Origins of foreign web pages that may call the API, such as `https://intranet.example.com`; none by default.
        cors_origins: Vec<String> = Vec::new();
        /// Addresses or networks (CIDR) of proxies whose `X-Forwarded-For` is believed, such as `10.0.0.0/8`.
        trusted_proxies: Vec<String> = Vec::new();
        /// Live streams (`GET /events`) that may be open at once.
        live_streams: u32 = 4_096, in 1..=65_536;
        /// Live streams of one account that may be open at once.
        live_streams_per_account: u32 = 1_024, in 1..=65_536;
        /// Connections at a time. Beyond it, the one that has waited longest for its client gives way.
        max_connections: u32 = 8_192, in 16..=1_000_000;
        /// Connections at a time from one address (from one /64 network for IPv6); trusted proxies may have more, and each
        /// address behind them as many requests.
        max_connections_per_address: u32 = 2_048, in 1..=1_000_000;
        /// Requests worked on at a time. Others wait for a second at most, then are told to come back (503).
        max_requests: u32 = 512, in 1..=65_536;
    }
}

section! {
    /// Where the desk keeps its data.
    pub struct Storage in storage {
        /// `sled:FOLDER`, the embedded store; a relative folder is one of the folder in which the desk is started. Or
        /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, for many instances on one database; `?sslmode=verify-full` (or
        /// disable, allow, prefer, require, verify-ca) says how the connection is encrypted, `sslrootcert=FILE` by whom.
        url: String = "sled:./data".into();
        /// Memory for the pages of the embedded store, in MiB.
        cache_mib: u64 = 16, in 16..=65_536;
        /// Connections to PostgreSQL that the requests of this instance share; a few more are its own.
        connections: u32 = 10, in 2..=1_000;
        /// Whether a start applies pending steps of PostgreSQL's schema. When false, it is refused until `taquilla migrate up`.
        auto_migrate: bool = true;
    }
}

section! {
    /// Signing in.
    pub struct Auth in auth {
        /// Signs access tokens: at least 32 random bytes, such as the output of `openssl rand -base64 48`.
        /// Made at first start and kept in the storage when unset.
        /// Whoever knows it can sign in as anybody; another one ends every access token.
        secret_key: Option<Secret> = None, like "change-this-to-a-long-random-string";
        /// How long an access token lives, in minutes.
        access_token_minutes: i64 = 30, in 1..=1_440;
        /// How long a refresh token lives unless it is used, in days.
        refresh_token_days: i64 = 30, in 1..=365;
        /// Whether login and registration are throttled: "on", or "off" for tests.
        rate_limit: RateLimit = RateLimit::On;
        /// Memory of a password hash (argon2id), in KiB.
        argon2_memory_kib: u32 = 19_456, in 19_456..=1_048_576;
        /// Passes of a password hash (argon2id).
        argon2_passes: u32 = 2, in 2..=16;
    }
}

section! {
    /// The first admin, for starts without a person. Used only while there is no admin; both or neither.
    pub struct Bootstrap in bootstrap {
        /// Their e-mail address.
        admin_email: Option<String> = None, like "admin@example.com";
        /// Their password, 8–128 characters.
        admin_password: Option<Secret> = None, like "a long pass phrase";
    }
}

section! {
    /// Defaults of what admins may set; what they have set wins.
    pub struct Desk in desk {
        /// The organisation's name, 1–100 characters.
        organisation_name: String = "Taquilla".into();
        /// The language of people who chose none: "en" or "es".
        locale: Locale = Locale::En;
        /// The IANA time zone in which days are shown.
        time_zone: String = "UTC".into();
        /// Whether strangers may register.
        registration_open: bool = true;
    }
}

section! {
    /// The metrics at `/metrics`, for Prometheus.
    pub struct Prometheus in prometheus {
        /// The bearer token that a scrape must carry, at least 16 characters without blanks. As long as it is unset, the
        /// metrics are for callers on this machine only, and not for what comes through a proxy.
        token: Option<Secret> = None, like "the-output-of-openssl-rand-hex-24";
    }
}

section! {
    /// Pushing metrics to InfluxDB or VictoriaMetrics. Off as long as there is no address.
    pub struct Influxdb in influxdb {
        /// Its address: scheme, host and port, perhaps a path; no user and no password.
        url: Option<String> = None, like "http://localhost:8086";
        /// "v1", "v2", "v3", or "auto": v2 when `org` is set, else v1. VictoriaMetrics understands v1 and v2.
        api: InfluxApi = InfluxApi::Auto;
        /// The organisation, for InfluxDB 2.x.
        org: Option<String> = None, like "my-org";
        /// The bucket of InfluxDB 2.x, the database of 1.x and 3.x.
        bucket: String = "taquilla".into();
        /// The token, for InfluxDB 2.x and 3.x.
        token: Option<Secret> = None, like "a-token-that-may-write-to-the-bucket";
        /// The user, for InfluxDB 1.x with authentication.
        username: Option<String> = None, like "taquilla";
        /// Their password.
        password: Option<Secret> = None, like "the-password-of-that-user";
        /// Lines in a request.
        batch_lines: usize = 500, in 1..=50_000;
        /// How long points may wait for more of them, in seconds.
        flush_seconds: u64 = 5, in 1..=3_600;
        /// Whether requests are compressed.
        gzip: bool = true;
    }
}

section! {
    /// Backups on a clock. Each is restored into a scratch store and checked before it counts.
    pub struct Backup in backup {
        /// How often one is made, such as "24h" or "90m"; never when unset.
        every: Option<String> = None, like "24h";
        /// How many are kept; the oldest give way.
        keep: u32 = 7, in 1..=10_000;
        /// The folder for them, of this machine. It should be on another disk than the data, and as safe: whoever reads a
        /// backup has every credential in it.
        dir: String = "./backups".into();
    }
}

/// A length of time as people write it, such as `24h` or `90m`; `None` for what is none, or shorter than a minute.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let duration: jiff::SignedDuration = text.trim().parse().ok()?;
    Duration::try_from(duration).ok().filter(|duration| *duration >= Duration::from_secs(60))
}

section! {
    /// The log, on the standard error stream.
    pub struct Log in log {
        /// "text", "json", or "auto": text on a terminal, JSON otherwise.
        format: LogFormat = LogFormat::Auto;
        /// A level (error, warn, info, debug, trace, off), or directives by module such as "info,taquilla=debug".
        level: String = "info".into();
    }
}

macro_rules! sla_keys {
    ($($priority:ident)*) => {
        &[$(
            key!(
                concat!("sla.", stringify!($priority), ".first_response_minutes"),
                [" From opening to the first public answer, in minutes."],
                u32, [sla.$priority.first_response_minutes], in 1..=LONGEST_TARGET_MINUTES,
            ),
            key!(
                concat!("sla.", stringify!($priority), ".resolution_minutes"),
                [" From opening to the resolution, in minutes."],
                u32, [sla.$priority.resolution_minutes], in 1..=LONGEST_TARGET_MINUTES,
            ),
        )*]
    };
}

/// Service-level targets.
const SLA: Section = Section {
    name: "sla",
    doc: &[" Service-level targets of later tickets, by priority, in wall-clock time. A default of what admins may set."],
    keys: sla_keys!(critical high medium low),
};

/// Every section, in the order of the file.
pub const SECTIONS: &[Section] = &[
    Server::SECTION,
    Storage::SECTION,
    Auth::SECTION,
    Bootstrap::SECTION,
    Desk::SECTION,
    SLA,
    Prometheus::SECTION,
    Influxdb::SECTION,
    Backup::SECTION,
    Log::SECTION,
];

/// Every key, in the order of the file.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

/// Whether login and registration are throttled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateLimit {
    /// As documented.
    On,
    /// Not at all, for tests.
    Off,
}

/// The dialect in which metrics are pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InfluxApi {
    /// v2 with an organisation, else v1.
    Auto,
    /// `/write`.
    V1,
    /// `/api/v2/write`.
    V2,
    /// `/api/v3/write_lp`.
    V3,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The configured storage, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageUrl {
    /// An embedded store in this folder.
    Sled(PathBuf),
    /// A database at this address, which may hold a password.
    Postgres(Secret),
}

impl StorageUrl {
    /// The name of the kind of store.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sled(_) => "sled",
            Self::Postgres(_) => "postgres",
        }
    }
}

/// An address of a storage that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadStorageUrl(pub &'static str);

impl Config {
    /// The desk's settings as long as no admin has set others.
    #[must_use]
    pub fn settings(&self) -> SettingsView {
        SettingsView {
            organisation_name: self.desk.organisation_name.clone(),
            locale: self.desk.locale,
            time_zone: self.desk.time_zone.clone(),
            registration_open: self.desk.registration_open,
            sla: self.sla,
        }
    }

    /// Where the data is.
    ///
    /// # Errors
    /// An address that this version cannot use. The message does not repeat it: it may hold a password.
    pub fn storage_url(&self) -> Result<StorageUrl, BadStorageUrl> {
        storage_url(&self.storage.url)
    }
}

/// Understands the address of a storage.
///
/// # Errors
/// An address that this version cannot use. The message does not repeat it: it may hold a password.
pub fn storage_url(url: &str) -> Result<StorageUrl, BadStorageUrl> {
    let scheme = url.split(':').next().unwrap_or_default().to_lowercase();
    if scheme.starts_with("postgres") {
        return postgres_url(url, &scheme).map(StorageUrl::Postgres);
    }
    match url.strip_prefix("sled:") {
        Some(folder) if folder.starts_with("//") => Err(BadStorageUrl("must be sled:FOLDER, without slashes before the folder")),
        Some(folder) if folder.starts_with('~') => Err(BadStorageUrl("must name the folder in full: ~ is not replaced here")),
        Some(folder) if !folder.is_empty() && !folder.contains('\0') => Ok(StorageUrl::Sled(folder.into())),
        _ => Err(BadStorageUrl("must be sled:FOLDER, such as sled:./data, or postgres://USER:PASSWORD@HOST/DATABASE")),
    }
}

/// An address of PostgreSQL. The driver that the former desk names in it (`postgresql+asyncpg`) is left out.
fn postgres_url(url: &str, scheme: &str) -> Result<Secret, BadStorageUrl> {
    const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
    const NOT_ONE: BadStorageUrl = BadStorageUrl("must be postgres://USER:PASSWORD@HOST:PORT/DATABASE");
    let known = scheme == "postgres" || scheme == "postgresql" || scheme.starts_with("postgresql+");
    let rest = url.get(scheme.len()..).filter(|rest| known && rest.starts_with("://")).ok_or(NOT_ONE)?;
    let url = format!("postgres{rest}");
    let parsed = reqwest::Url::parse(&url).map_err(|_| NOT_ONE)?;
    if parsed.path().trim_matches('/').is_empty() {
        return Err(BadStorageUrl("must name a database: postgres://USER:PASSWORD@HOST:PORT/DATABASE"));
    }
    let unknown_mode = parsed.query_pairs().any(|(name, value)| name == "sslmode" && !SSL_MODES.contains(&value.as_ref()));
    if unknown_mode {
        return Err(BadStorageUrl("has an sslmode that there is not: disable, allow, prefer, require, verify-ca or verify-full"));
    }
    Ok(Secret::new(url))
}

/// An address without the password in it.
#[must_use]
pub fn without_password(address: &str) -> String {
    match reqwest::Url::parse(address) {
        Ok(mut url) if url.password().is_some() => {
            // Only addresses without a host refuse it, and those have no password.
            let _ = url.set_password(Some("***"));
            url.to_string()
        }
        _ => address.to_owned(),
    }
}
