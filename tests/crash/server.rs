//! A PostgreSQL of a rig's own, which waits for the disk.

use std::{sync::Arc, time::Duration};

use sqlx::{Connection, PgConnection, Row as _};
use tokio::time::{Instant, sleep, timeout};

use crate::{cluster::Cluster, desk::Storage};

/// How long the server may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks; a pace, not a wait for something.
const PACE: Duration = Duration::from_millis(5);

/// The server.
pub struct Server(Arc<Cluster>);

impl Server {
    /// Makes it and starts it.
    pub async fn start() -> Self {
        Self(tokio::task::spawn_blocking(|| Arc::new(Cluster::start(&["fsync=on", "max_connections=100"]))).await.unwrap())
    }

    /// A new database, copied from another one or empty.
    pub async fn database(&self, name: &str, of: Option<&str>) -> Storage {
        let of = of.map(|of| format!("TEMPLATE {of}")).unwrap_or_default();
        self.0.run("postgres", &[&format!("CREATE DATABASE \"{name}\" {of}")]).await;
        Storage(self.0.url(name))
    }

    /// The address of a database.
    pub fn database_url(&self, name: &str) -> String {
        self.0.url(name)
    }

    /// Runs statements in a database.
    pub async fn run(&self, database: &str, statements: &[&str]) {
        self.0.run(database, statements).await;
    }

    /// Another connection to a database.
    pub async fn connect(&self, database: &str) -> PgConnection {
        PgConnection::connect(&self.0.url(database)).await.unwrap()
    }

    /// Stops the server by a signal: INT fast, QUIT at once, KILL as in a crash.
    pub async fn stop(&self, signal: &'static str) {
        let cluster = self.0.clone();
        tokio::task::spawn_blocking(move || cluster.stop(signal)).await.unwrap();
    }

    /// Starts it again, and waits until it takes connections.
    pub async fn start_again(&self) {
        let cluster = self.0.clone();
        tokio::task::spawn_blocking(move || cluster.start_again()).await.unwrap();
    }

    /// The connections of desks to a database, by their processes.
    pub async fn desks(&self, database: &str) -> Vec<i32> {
        let mut connection = self.connect(database).await;
        let sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'taquilla'";
        let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Waits until none of these connections is left: what a dead desk had sent may still be carried out before.
    pub async fn are_gone(&self, database: &str, of_the_dead: &[i32]) {
        until("connections of a dead desk end", async || !self.desks(database).await.iter().any(|pid| of_the_dead.contains(pid))).await;
    }

    /// Waits until somebody waits for a lock of this kind in a database; tells the waiting connection's process.
    pub async fn waiting(&self, database: &str, kind: &str) -> i32 {
        let mut connection = self.connect(database).await;
        let sql = "SELECT pid FROM pg_locks WHERE NOT granted AND locktype = $1 \
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let begun = Instant::now();
        loop {
            if let Some(row) = sqlx::query(sql).bind(kind).fetch_optional(&mut connection).await.unwrap() {
                connection.close().await.unwrap();
                return row.get(0);
            }
            assert!(begun.elapsed() < PATIENCE, "nobody waits for a lock ({kind}) in {database}");
            sleep(PACE).await;
        }
    }
}

/// Looks until something is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !is_so().await {
            sleep(PACE).await;
        }
    };
    timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"));
}
