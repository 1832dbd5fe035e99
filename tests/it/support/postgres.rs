//! Databases of the tests' own: one cluster for the run, and for each test a database copied from one in which the desk's
//! schema is ready.

use std::sync::{
    Mutex, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use sqlx::{Connection, PgConnection};
use taquilla::{
    store::{
        Store,
        postgres::{Options, PgStore},
    },
    types::Secret,
};
use tokio::sync::OnceCell;

pub use super::cluster::Cluster;

/// Settings of the cluster that all tests share: fast, since nobody cuts its power.
const FAST: [&str; 9] = [
    "fsync=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_connections=400",
    "shared_buffers=64MB",
    "autovacuum=off",
    "checkpoint_timeout=1h",
    "max_wal_size=4GB",
];

/// The cluster that all tests of the run share.
pub fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(|| Cluster::start(&FAST))
}

/// Databases that are not needed any more; the next test removes them.
static LEFT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A server on which nobody else writes, not even by itself, with an empty database `desk`.
pub async fn quiet() -> Cluster {
    let cluster = tokio::task::spawn_blocking(|| Cluster::start(&["fsync=off", "autovacuum=off"])).await.unwrap();
    cluster.run("postgres", &["CREATE DATABASE desk"]).await;
    cluster
}

/// How a store is opened at an address.
pub fn options(url: String) -> Options {
    Options { url: Secret::new(url), connections: 8, auto_migrate: true }
}

/// A database of a test's own.
#[derive(Debug)]
pub struct Database {
    name: String,
}

impl Database {
    /// One in which the schema is ready.
    pub async fn new() -> Self {
        static TEMPLATE: OnceCell<()> = OnceCell::const_new();
        TEMPLATE
            .get_or_init(|| async {
                shared().run("postgres", &["CREATE DATABASE ready"]).await;
                let options = Options { url: Secret::new(shared().url("ready")), connections: 2, auto_migrate: true };
                PgStore::open(options).await.unwrap().close().await.unwrap();
            })
            .await;
        Self::make("TEMPLATE ready").await
    }

    /// One with nothing in it.
    pub async fn empty() -> Self {
        Self::make("").await
    }

    async fn make(how: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let left = std::mem::take(&mut *LEFT.lock().unwrap());
        let mut statements: Vec<String> = left.iter().map(|name| format!("DROP DATABASE {name} WITH (FORCE)")).collect();
        statements.push(format!("CREATE DATABASE {name} {how}"));
        shared().run("postgres", &statements.iter().map(String::as_str).collect::<Vec<_>>()).await;
        Self { name }
    }

    /// Its address.
    pub fn url(&self) -> String {
        shared().url(&self.name)
    }

    /// How a store is opened in it.
    pub fn options(&self) -> Options {
        options(self.url())
    }

    /// Another connection to it.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        LEFT.lock().unwrap().push(std::mem::take(&mut self.name));
    }
}
