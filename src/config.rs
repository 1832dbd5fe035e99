//! The configuration tree and its defaults.

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{tickets::sla::SlaTargets, types::Secret, users::model::Locale};

/// Everything that can be configured.
#[derive(Debug, Clone, Default, Deserialize)]
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
    /// The log.
    pub log: Log,
}

/// Where and how the desk listens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address and port.
    pub listen: SocketAddr,
    /// The address that people type, when it is another one (behind a proxy); `https` makes cookies `Secure`.
    pub public_url: Option<String>,
    /// Origins of foreign web pages that may call the API; none by default.
    pub cors_origins: Vec<String>,
    /// Addresses or networks (CIDR) of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8000)), public_url: None, cors_origins: Vec::new(), trusted_proxies: Vec::new() }
    }
}

/// Where the desk keeps its data.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// `sled:FOLDER`.
    pub url: String,
    /// Memory for the pages of the embedded store, in MiB (16–65,536).
    pub cache_mib: u64,
}

impl Default for Storage {
    fn default() -> Self {
        Self { url: "sled:./data".into(), cache_mib: 64 }
    }
}

/// Signing in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// Signs access tokens; at least 32 bytes. Generated at first start and kept in the storage when unset.
    pub secret_key: Option<Secret>,
    /// How long an access token lives, in minutes (1–1,440).
    pub access_token_minutes: i64,
    /// How long a refresh token lives unless it is used, in days (1–365).
    pub refresh_token_days: i64,
    /// Whether login and registration are throttled.
    pub rate_limit: RateLimit,
    /// argon2id memory in KiB (19,456–1,048,576).
    pub argon2_memory_kib: u32,
    /// argon2id passes (2–16).
    pub argon2_passes: u32,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            secret_key: None,
            access_token_minutes: 30,
            refresh_token_days: 30,
            rate_limit: RateLimit::On,
            argon2_memory_kib: 19_456,
            argon2_passes: 2,
        }
    }
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

/// The first admin, for starts without a person.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bootstrap {
    /// Makes an admin with this address when there is no admin.
    pub admin_email: Option<String>,
    /// Their password.
    pub admin_password: Option<Secret>,
}

/// Defaults of what admins may set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Desk {
    /// The organisation's name.
    pub organisation_name: String,
    /// The language of people who chose none.
    pub locale: Locale,
    /// The IANA time zone in which days are shown.
    pub time_zone: String,
    /// Whether strangers may register.
    pub registration_open: bool,
}

impl Default for Desk {
    fn default() -> Self {
        Self { organisation_name: "Taquilla".into(), locale: Locale::En, time_zone: "UTC".into(), registration_open: true }
    }
}

/// The log.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `auto`: text on a terminal, JSON otherwise.
    pub format: LogFormat,
    /// A level, or directives of `tracing` (`info,taquilla=debug`).
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Auto, level: "info".into() }
    }
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
}
