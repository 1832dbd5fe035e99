//! The desk, opened by a verb itself while no server runs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Context, Exit, Failure, block_on};
use crate::{
    app::{App, AppState, Clock},
    config::{Bootstrap, Config, StorageUrl},
    store::{StoreError, sled::OpenError},
};

/// Whether a verb begins a storage where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// It does.
    Begin,
    /// It has nothing to do there.
    Refuse,
}

/// The API call by which a running server does the same: method and path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way(pub(super) &'static str, pub(super) &'static str);

/// Opens the desk, does the work, closes it.
pub(super) fn offline<T>(
    context: &Context,
    missing: Missing,
    Way(method, path): Way,
    work: impl AsyncFnOnce(&AppState) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut config = context.load_for_verb()?.config;
    // The first admin is the server's to make: a verb must be able to mend what it stumbles over.
    config.bootstrap = Bootstrap::default();
    if missing == Missing::Refuse {
        existing(&config)?;
    }
    let server = config.server.public_url.clone().unwrap_or_else(|| local(config.server.listen));
    let way = format!("{method} {server}{path}");
    block_on(async {
        let app = App::build(config, Clock::System).await.map_err(|error| unopened(&error, Some(&way)))?;
        let outcome = work(&app).await;
        let closed = close(&app).await;
        let value = outcome?;
        closed.map(|()| value)
    })?
}

/// The address at which this machine reaches a server on it, also one that listens on all addresses.
pub(super) fn local(listen: SocketAddr) -> String {
    let address = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(address, listen.port()))
}

/// The storage, when there is one.
pub(super) fn existing(config: &Config) -> Result<StorageUrl, Failure> {
    let url = config.storage_url().map_err(|error| Failure::new(Exit::Config, format!("storage.url: {error}")))?;
    // Whether there is a database, connecting to it tells.
    let StorageUrl::Sled(dir) = &url else { return Ok(url) };
    if dir.is_dir() {
        return Ok(url);
    }
    let message = format!("there is no storage in {}: `taquilla serve` and `taquilla user create` begin one", dir.display());
    Err(Failure::new(Exit::Storage, message))
}

/// Finishes what is under way and lets go of the storage.
pub(super) async fn close(app: &AppState) -> Result<(), Failure> {
    app.shutdown.cancel();
    app.tasks.close();
    app.tasks.wait().await;
    app.store.close().await.map_err(|error| Failure::new(Exit::Storage, format!("the storage was not closed in good order: {error}")))
}

/// Why the desk could not be opened.
pub(super) fn unopened(error: &anyhow::Error, way: Option<&str>) -> Failure {
    match error.downcast_ref::<OpenError>() {
        Some(error) => shut(error, way),
        None if error.is::<StoreError>() => Failure::new(Exit::Storage, format!("{error:#}")),
        None => Failure::new(Exit::Failure, format!("{error:#}")),
    }
}

/// Why the storage could not be opened.
pub(super) fn shut(error: &OpenError, way: Option<&str>) -> Failure {
    let advice = match (error, way) {
        (OpenError::Locked { .. }, Some(way)) => format!("; stop it first, or ask it, when it is the desk: {way}"),
        (OpenError::Locked { .. }, None) => "; stop it first".to_owned(),
        _ => String::new(),
    };
    Failure::new(Exit::Storage, format!("{error}{advice}"))
}
