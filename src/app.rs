//! Puts the desk together, starts it and stops it.

use std::{
    future::Future,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use turns::Turns;

use crate::{
    activity::live::Live,
    analytics::Dashboards,
    auth::{failures::FailedLogins, password::Hasher, throttle::Throttle, token::TokenKeys, uses::Uses},
    config::Config,
    error::AppError,
    http::idempotency::RunningKeys,
    jobs,
    metrics::{Metrics, TicketTimes},
    store::{self, Changes, Store, StoreError},
    tickets::{pages::Pages, written::Written},
    types::{Secret, Timestamp},
    users::model::SettingsView,
};

mod turns;

/// How often a use case is decided again when somebody else's change came in between.
const MOST_TRIES: usize = 16;

/// Where `now` comes from. Tests set their own.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's.
    System,
    /// A clock that stands still until it is moved; the value is in µs since 1970.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now_by_the_clock(),
            Self::Manual(micros) => Timestamp::from_micros(micros.load(Ordering::SeqCst)),
        }
    }
}

/// The desk: what every use case needs.
pub struct App {
    /// The configuration.
    pub config: Config,
    /// Where the data is.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Clock,
    /// Hashes and checks passwords.
    pub hasher: Hasher,
    /// Signs and checks access tokens.
    pub keys: TokenKeys,
    /// Counts tries with passwords.
    pub throttle: Throttle,
    /// Failed sign-ins that have no entry in the log yet.
    pub failed_logins: FailedLogins,
    /// Last-used times that were written a moment ago.
    pub uses: Uses,
    /// Idempotency keys whose first request is still running.
    pub running_keys: RunningKeys,
    /// The JSON of tickets that were shown a moment ago.
    pub written: Written,
    /// Pages of lists that were made already.
    pub pages: Pages,
    /// Dashboards that were made already.
    pub dashboards: Dashboards,
    /// Who listens to the log as it grows.
    pub live: Live,
    /// What the desk tells of itself at `/metrics`.
    pub metrics: Metrics,
    /// Tells this process from others on the same storage.
    pub instance: i64,
    /// Held by the use cases that are being decided again.
    turns: Turns,
    /// Ends everything that runs beside requests.
    pub shutdown: CancellationToken,
    /// What runs beside requests.
    pub tasks: TaskTracker,
}

/// The hash of a password that is being made.
pub type HashAhead = tokio::task::JoinHandle<Result<Secret, AppError>>;

/// The desk as handlers hold it.
pub type AppState = Arc<App>;

impl App {
    /// Opens the storage and makes what is missing: the signing key, the first admin of the configuration.
    ///
    /// # Errors
    /// A storage that cannot be opened, or a configuration that cannot be used.
    pub async fn build(config: Config, clock: Clock) -> anyhow::Result<AppState> {
        // A desk that begins needs the hash of its first admin's password, which takes as long as all the rest of the start.
        let ahead = match &config.bootstrap.admin_password {
            Some(password) if store::will_begin(&config) => {
                let (hasher, password) = (Hasher::new(&config.auth)?, password.clone());
                Some(tokio::spawn(async move { hasher.hash(password.expose()).await }))
            }
            _ => None,
        };
        let store = store::open(&config).await?;
        Self::assemble(config, clock, store, ahead).await
    }

    /// Builds the desk on a store that is open already.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub async fn build_on(config: Config, clock: Clock, store: Arc<dyn Store>) -> anyhow::Result<AppState> {
        Self::assemble(config, clock, store, None).await
    }

    async fn assemble(config: Config, clock: Clock, store: Arc<dyn Store>, first_hash: Option<HashAhead>) -> anyhow::Result<AppState> {
        crate::outgoing::install_tls();
        let keys = TokenKeys::load(store.as_ref(), &config.auth).await?;
        let app = Arc::new(Self {
            hasher: Hasher::new(&config.auth)?,
            keys,
            throttle: Throttle::new(&config.auth, &clock),
            failed_logins: FailedLogins::default(),
            uses: Uses::default(),
            running_keys: RunningKeys::default(),
            written: Written::default(),
            pages: Pages::default(),
            dashboards: Dashboards::default(),
            live: Live::at(*store.durable_seq().borrow()),
            metrics: Metrics::new(config.storage_url()?.name())?,
            instance: i64::from_be_bytes(crate::auth::token::random()),
            turns: Turns::default(),
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
            config,
            store,
            clock,
        });
        crate::users::setup::bootstrap(&app, first_hash).await?;
        Ok(app)
    }

    /// Serves requests until `shutdown` completes, then finishes those in flight and closes the storage, all within the
    /// time that a stop may take.
    ///
    /// # Errors
    /// A broken listener, or a storage that does not close.
    pub async fn run(
        self: &Arc<Self>,
        listener: tokio::net::TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        jobs::start(self, listener.local_addr()?);
        let limit = self.config.timers.stop;
        let mut end = pin!(async {
            self.shutdown.cancelled().await;
            tokio::time::sleep(limit).await;
        });
        let outcome = tokio::select! {
            outcome = self.serve_and_close(listener, shutdown) => outcome,
            () = &mut end => {
                // Nothing that was acknowledged depends on an orderly end: it is on the disk already.
                tracing::warn!(seconds = limit.as_secs_f32(), "not everything has ended in time; the next start takes longer");
                Ok(())
            }
        };
        self.shutdown.cancel();
        outcome
    }

    async fn serve_and_close(
        self: &Arc<Self>,
        listener: tokio::net::TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let served = crate::http::server::serve(self, listener, shutdown).await;
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.store.close().await?;
        Ok(served?)
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The settings in force.
    ///
    /// # Errors
    /// The storage's.
    pub async fn settings(&self) -> Result<SettingsView, AppError> {
        Ok(self.store.settings().await?.over(&self.config.settings()))
    }

    /// Decides and commits. `decide` loads, judges, and gives what shall be written and what to answer; when the rows that
    /// it judged by changed before the commit, it is asked again, with the new state.
    ///
    /// # Errors
    /// What `decide` refuses, or the storage's.
    pub async fn decide<T, F, Fut>(&self, decide: F) -> Result<T, AppError>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<(Changes, T), AppError>>,
    {
        let mut turn = None;
        for _ in 0..MOST_TRIES {
            let (changes, answer) = decide().await?;
            if changes.is_empty() {
                return Ok(answer);
            }
            let times = TicketTimes::of(&changes.log);
            let turns = self.turns.needed(&changes);
            match self.store.commit(changes).await {
                Ok(_) => {
                    self.metrics.tickets.observe(&times);
                    return Ok(answer);
                }
                Err(StoreError::Stale) if turn.is_none() => turn = Some(self.turns.take(&turns).await),
                Err(StoreError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Stale.into())
    }

    /// Writes something that nobody waits for, such as a last-used time. A failure is only logged.
    pub fn commit_aside(self: &Arc<Self>, changes: Changes) {
        let app = self.clone();
        self.tasks.spawn(async move {
            if let Err(error) = app.store.commit(changes).await {
                tracing::debug!(%error, "a write aside was not made");
            }
        });
    }

    /// The address that people type.
    #[must_use]
    pub fn public_url(&self, listening: SocketAddr) -> String {
        self.config.server.public_url.clone().unwrap_or_else(|| format!("http://{listening}"))
    }
}
