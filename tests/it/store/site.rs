//! Where a store under test lives: it can be closed, dropped and opened again.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use taquilla::store::{
    IdKind, Store,
    postgres::PgStore,
    sled::{Options, SledStore},
};
use tempfile::TempDir;

use super::{
    model::Model,
    mutant::{Fault, Mutant},
};
use crate::support::{
    cluster::Cluster,
    postgres::{Database, options, quiet},
};

/// How many databases tests have made on servers of their own.
static DATABASES: AtomicU32 = AtomicU32::new(1);

enum Home {
    Model(Model),
    Sled(TempDir),
    Postgres(Database),
    /// A database of a server of its own.
    Quiet(Arc<Cluster>, String),
}

/// A store and its home. It can be used like the store itself.
pub struct Site {
    home: Home,
    fault: Option<Fault>,
    store: Option<Arc<dyn Store>>,
}

impl Site {
    /// The naive model.
    pub async fn model() -> Self {
        Self::at(Home::Model(Model::default())).await
    }

    /// The embedded store, in a folder of its own.
    pub async fn sled() -> Self {
        Self::at(Home::Sled(tempfile::tempdir().expect("a temporary folder"))).await
    }

    /// The store on PostgreSQL, in a database of its own.
    pub async fn postgres() -> Self {
        Self::at(Home::Postgres(Database::new().await)).await
    }

    /// The same on a server of its own, where nobody else's writes are seen as changes.
    pub async fn quiet() -> Self {
        Self::in_cluster(Arc::new(quiet().await)).await
    }

    async fn in_cluster(cluster: Arc<Cluster>) -> Self {
        let name = format!("desk_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        cluster.run("postgres", &[&format!("CREATE DATABASE {name}")]).await;
        Self::at(Home::Quiet(cluster, name)).await
    }

    /// Another, empty store of the same kind.
    pub async fn fresh(&self) -> Self {
        match self.home {
            Home::Model(_) => Self::model().await,
            Home::Sled(_) => Self::sled().await,
            Home::Postgres(_) => Self::postgres().await,
            Home::Quiet(ref cluster, _) => Self::in_cluster(cluster.clone()).await,
        }
    }

    /// Another, empty store of the same kind, with a planted fault.
    pub async fn faulty(&self, fault: Fault) -> Self {
        let mut site = self.fresh().await;
        site.fault = Some(fault);
        site.reopen().await;
        site
    }

    async fn at(home: Home) -> Self {
        let mut site = Self { home, fault: None, store: None };
        site.open().await;
        site
    }

    async fn open(&mut self) {
        let store: Arc<dyn Store> = match &self.home {
            Home::Model(model) => Arc::new(model.reopened()),
            Home::Sled(folder) => {
                let options = Options { dir: folder.path().join("data"), cache_mib: 16 };
                let opening = tokio::task::spawn_blocking(move || SledStore::open(options));
                opening.await.expect("opening does not panic").expect("the store opens")
            }
            Home::Postgres(database) => PgStore::open(database.options()).await.expect("the store opens"),
            Home::Quiet(cluster, name) => PgStore::open(options(cluster.url(name))).await.expect("the store opens"),
        };
        self.store = Some(match self.fault {
            Some(fault) => Arc::new(Mutant::new(store, fault)),
            None => store,
        });
    }

    /// The store, to be held by several tasks. They must have let go of it before it is opened again.
    pub fn shared(&self) -> Arc<dyn Store> {
        self.store.clone().expect("the store is open")
    }

    /// The same data, seen by an instance that remembers nothing; the store itself where there can be only one.
    pub async fn anew(&self) -> Arc<dyn Store> {
        match &self.home {
            Home::Postgres(database) => PgStore::open(database.options()).await.expect("the store opens"),
            Home::Quiet(cluster, name) => PgStore::open(options(cluster.url(name))).await.expect("the store opens"),
            Home::Model(_) | Home::Sled(_) => self.shared(),
        }
    }

    /// Waits until nothing that a commit leaves to be done is under way any more, as another instance of before the commit sees it.
    pub async fn rest(&self, other: &dyn Store) {
        if let Home::Quiet(cluster, name) = &self.home {
            cluster.run(name, &["SELECT taquilla.sum_figures()"]).await;
        }
        let end = *self.durable_seq().borrow();
        other.durable_seq().wait_for(|known| *known >= end).await.expect("the other instance lives");
    }

    /// The folder of a store that has one.
    pub fn folder(&self) -> Option<&std::path::Path> {
        match &self.home {
            Home::Model(_) | Home::Postgres(_) | Home::Quiet(..) => None,
            Home::Sled(folder) => Some(folder.path()),
        }
    }

    /// How many histories of a property test are worth their time: each question costs more where a server is asked.
    pub fn histories(&self) -> u32 {
        match self.home {
            Home::Model(_) | Home::Sled(_) => 64,
            Home::Postgres(_) | Home::Quiet(..) => 12,
        }
    }

    /// Closes the store and opens it again.
    pub async fn reopen(&mut self) {
        self.close().await.expect("the store closes");
        self.drop_it().await;
        self.open().await;
    }

    /// Closes the store, does something to its home, and opens it again.
    pub async fn while_closed(&mut self, work: impl FnOnce()) {
        self.close().await.expect("the store closes");
        self.drop_it().await;
        work();
        self.open().await;
    }

    /// The database of a store that has one.
    pub fn database(&self) -> Option<&Database> {
        match &self.home {
            Home::Postgres(database) => Some(database),
            Home::Model(_) | Home::Sled(_) | Home::Quiet(..) => None,
        }
    }

    /// Drops the store without closing it, and opens it again.
    pub async fn crash(&mut self) {
        self.crash_and(|| ()).await;
    }

    /// Drops the store without closing it, does something to its home, and opens it again.
    pub async fn crash_and(&mut self, work: impl FnOnce()) {
        self.drop_it().await;
        work();
        self.open().await;
    }

    /// Drops the store and keeps its home.
    pub async fn let_go(mut self) -> impl Sized {
        self.drop_it().await;
        self.home
    }

    async fn drop_it(&mut self) {
        let store = self.store.take().expect("the store is open");
        let alone = Arc::strong_count(&store) == 1;
        assert!(alone, "somebody still holds the store");
        tokio::task::spawn_blocking(move || drop(store)).await.expect("dropping does not panic");
    }

    /// Reserves an id.
    pub async fn id(&self, kind: IdKind) -> i64 {
        self.reserve(kind).await.expect("an id")
    }
}

impl Deref for Site {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        self.store.as_deref().expect("the store is open")
    }
}
