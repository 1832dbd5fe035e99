//! A desk for one test: the real server in this process, on a free port, with a storage and a clock of its own.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use taquilla::{
    activity::model::{Action, ActorRef, NewEntry},
    app::{App, AppState, Clock},
    auth::model::Role,
    config::{Config, RateLimit},
    store::{Changes, IdKind},
    types::{Email, Secret, Timestamp, UserId},
    users::model::{Locale, User},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::OnceCell, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{Client, postgres::Database};

/// Everybody's password.
pub const PASSWORD: &str = "correct horse 1";

/// When every test begins.
const BEGINNING: &str = "2026-03-02T09:00:00Z";

/// No answer takes longer.
const DEADLINE: Duration = Duration::from_secs(10);

/// The environment variable that makes desks store in PostgreSQL.
pub const ON_POSTGRES: &str = "TAQUILLA_TESTS_ON_POSTGRES";

fn on_postgres() -> bool {
    std::env::var_os(ON_POSTGRES).is_some()
}

/// A running desk.
pub struct Desk {
    pub app: AppState,
    pub url: String,
    pub config: Config,
    clock: Arc<AtomicI64>,
    base: Arc<Mutex<String>>,
    http: reqwest::Client,
    server: Server,
    _dir: TempDir,
    _database: Option<Database>,
}

/// The part of a desk that ends with a stop.
struct Server {
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Desk {
    /// Starts a desk that has an admin, with the login throttle off.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same with another configuration.
    pub async fn start_with(configure: impl FnOnce(&mut Config)) -> Self {
        Self::begin(configure, true).await
    }

    /// A desk without any account: set-up is needed.
    pub async fn start_empty(configure: impl FnOnce(&mut Config)) -> Self {
        Self::begin(configure, false).await
    }

    async fn begin(configure: impl FnOnce(&mut Config), with_admin: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        let database = if on_postgres() { Some(Database::new().await) } else { None };
        config.storage.url = database.as_ref().map_or_else(|| format!("sled:{}", dir.path().join("data").display()), Database::url);
        config.storage.connections = 6;
        config.storage.cache_mib = 16;
        config.auth.rate_limit = RateLimit::Off;
        configure(&mut config);
        let clock = Arc::new(AtomicI64::new(BEGINNING.parse::<Timestamp>().unwrap().as_micros()));
        let app = App::build(config.clone(), Clock::Manual(clock.clone())).await.unwrap();
        if with_admin {
            add(&app, "admin", Role::Admin).await;
        }
        let (url, server) = serve(&app).await;
        let http =
            taquilla::outgoing::client("http:").no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(DEADLINE).build().unwrap();
        Self { app, base: Arc::new(Mutex::new(url.clone())), url, config, clock, http, server, _dir: dir, _database: database }
    }

    /// Stops the desk in good order, then starts it on the same data. Clients go on.
    pub async fn restart(&mut self) {
        self.server.stop.cancel();
        tokio::time::timeout(DEADLINE, &mut self.server.task).await.expect("it stops").unwrap().unwrap();
        self.app = App::build(self.config.clone(), Clock::Manual(self.clock.clone())).await.unwrap();
        (self.url, self.server) = serve(&self.app).await;
        self.base.lock().unwrap().clone_from(&self.url);
    }

    /// Tells the desk to stop, and does not wait for it.
    pub fn stop(&self) {
        self.server.stop.cancel();
    }

    /// Starts another instance on the same storage, with the same clock, which must be one that instances can share.
    pub async fn another(&self) -> Self {
        let app = App::build(self.config.clone(), Clock::Manual(self.clock.clone())).await.unwrap();
        let (url, server) = serve(&app).await;
        Self {
            app,
            base: Arc::new(Mutex::new(url.clone())),
            url,
            config: self.config.clone(),
            clock: self.clock.clone(),
            http: self.http.clone(),
            server,
            _dir: tempfile::tempdir().unwrap(),
            _database: None,
        }
    }

    /// What time it is at the desk.
    pub fn now(&self) -> Timestamp {
        self.app.now()
    }

    /// Moves the desk's clock.
    pub fn advance(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// Nobody in particular.
    pub fn anonymous(&self) -> Client {
        Client::nobody(self.base.clone(), self.http.clone())
    }

    /// The admin that every desk has.
    pub async fn admin(&self) -> Client {
        self.sign_in("admin").await
    }

    /// The agent `name`, made when there is none.
    pub async fn agent(&self, name: &str) -> Client {
        self.person(name, Role::Agent).await
    }

    /// The requester `name`, made when there is none.
    pub async fn user(&self, name: &str) -> Client {
        self.person(name, Role::User).await
    }

    /// Somebody with this role, signed in.
    pub async fn person(&self, name: &str, role: Role) -> Client {
        if self.app.store.user_by_email(&address(name)).await.unwrap().is_none() {
            add(&self.app, name, role).await;
        }
        self.sign_in(name).await
    }

    /// Signs in an account that exists, by the API.
    pub async fn sign_in(&self, name: &str) -> Client {
        let email = address(name).to_string();
        let mut client = self.anonymous();
        let pair = client.post("/auth/login", json!({ "username": email, "password": PASSWORD })).await.expect(200);
        client.token = Some(pair["access_token"].as_str().unwrap().to_owned());
        client.id = self.app.store.user_by_email(&address(name)).await.unwrap().unwrap().id.0;
        client.email = email;
        client
    }
}

/// Writes an account into the storage: the common password is hashed once, not once per account.
async fn add(app: &AppState, name: &str, role: Role) {
    let (store, now) = (&app.store, app.now());
    let id = UserId(store.reserve(IdKind::User).await.unwrap());
    let user = User {
        id,
        email: address(name),
        full_name: full_name(name),
        role,
        is_active: true,
        locale: Locale::En,
        password_hash: Some(common_hash(app).await),
        created_at: now,
        updated_at: now,
        version: 1,
    };
    let mut changes = Changes::new().log(NewEntry::new(Action::UserCreated, ActorRef::system(), now).about_user(id));
    if let Some(roster) = store.roster().await.unwrap().with(&user).unwrap() {
        changes = changes.update(roster);
    }
    store.commit(changes.insert(user)).await.unwrap();
}

async fn common_hash(app: &AppState) -> Secret {
    static HASH: OnceCell<Secret> = OnceCell::const_new();
    HASH.get_or_init(|| async { app.hasher.hash(PASSWORD).await.unwrap() }).await.clone()
}

async fn serve(app: &AppState) -> (String, Server) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let (running, stopped) = (app.clone(), stop.clone());
    let task = tokio::spawn(async move { running.run(listener, stopped.cancelled_owned()).await });
    (url, Server { stop, task })
}

fn address(name: &str) -> Email {
    format!("{name}@example.com").parse().unwrap()
}

/// `ana` is called Ana Example.
fn full_name(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    format!("{}{rest} Example", first.to_uppercase())
}
