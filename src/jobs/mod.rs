//! What runs on a clock. A job is one `step`, which tests call without waiting, and the loop here that repeats it.

pub mod purge;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    activity::{audit, live},
    app::AppState,
    auth::failures,
    error::AppError,
    types::Timestamp,
    users::setup,
};

/// How often expired rows are looked for.
const PURGE: Duration = Duration::from_secs(10 * 60);

/// How often counted failures of signing in get their entries.
const FAILURES: Duration = Duration::from_secs(60);

/// How often it is looked whether the address of the set-up has to be printed anew.
const SETUP: Duration = Duration::from_secs(30);

/// How often entries of the log get their links.
const CHAIN: Duration = Duration::from_secs(10);

/// Starts the jobs of a desk that listens at `address`; they end with [`App::shutdown`](crate::app::App::shutdown).
pub fn start(app: &AppState, address: SocketAddr) {
    every(app, "purge sessions", By::OneInstance, PURGE, |app| async move { purge::sessions(&app).await });
    every(app, "purge answers", By::OneInstance, PURGE, |app| async move { purge::answers(&app).await });
    // A token is kept as its hash, so whoever has not printed it does not know it.
    let printed = Arc::new(AtomicBool::new(false));
    every(app, "print the set-up address", By::OneInstance, SETUP, move |app| {
        let printed = printed.clone();
        async move {
            let anew = !printed.load(Ordering::Relaxed);
            setup::print_address(&app, address, anew).await.map(|_| printed.store(true, Ordering::Relaxed))
        }
    });
    every(app, audit::READER, By::OneInstance, CHAIN, |app| async move { Ok(audit::extend(app.store.as_ref()).await?) });
    every(app, "log failed sign-ins", By::EachInstance, FAILURES, |app| async move { failures::write_due(&app, app.now()).await });
    app.tasks.spawn(live::follow(app.clone()));
    // What was only counted when the desk stops is written then.
    let app = app.clone();
    app.tasks.clone().spawn(async move {
        app.shutdown.cancelled().await;
        if let Err(error) = failures::write_due(&app, Timestamp::MAX).await {
            tracing::warn!(%error, "failed sign-ins were not logged");
        }
    });
}

/// Who does a job, of the instances that share a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// One of them, by a lease; another one when it is gone.
    OneInstance,
    /// Each, since it is about something of its own.
    EachInstance,
}

/// By how much a lease outlives the time at which it is renewed.
const LEASE_MARGIN_SECONDS: u64 = 30;

/// Repeats a step, at once for the first time, until the desk stops. A step that fails is tried again at its next time.
fn every<Fut>(app: &AppState, name: &'static str, by: By, period: Duration, step: impl Fn(AppState) -> Fut + Send + 'static)
where
    Fut: Future<Output = Result<(), AppError>> + Send,
{
    let app = app.clone();
    app.tasks.clone().spawn(async move {
        let mut times = tokio::time::interval(period);
        times.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = app.shutdown.cancelled() => break,
                _ = times.tick() => {}
            }
            if by == By::OneInstance && !may(&app, name, period.as_secs() + LEASE_MARGIN_SECONDS).await {
                continue;
            }
            if let Err(error) = step(app.clone()).await {
                tracing::warn!(job = name, %error, cause = error.problem().cause, "a job failed; it is tried again");
            }
        }
        if by == By::OneInstance {
            // Another instance need not wait until it expires.
            may(&app, name, 0).await;
        }
    });
}

/// Whether this instance has the lease of a job, for so many seconds.
async fn may(app: &AppState, name: &str, seconds: u64) -> bool {
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    app.store.lease(name, app.instance, seconds).await.unwrap_or_else(|error| {
        tracing::warn!(job = name, %error, "whether a job is this instance's is not known; it is left out once");
        false
    })
}
