//! What runs on a clock. A job is one `step`, which tests call without waiting, and the loop here that repeats it.

mod lease;
pub mod purge;
pub mod push;

use std::{
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use self::lease::Lease;
use crate::{
    activity::{audit, live},
    app::AppState,
    auth::failures,
    backup::schedule,
    error::AppError,
    metrics::influx::{target::Target, worker::Waits},
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

/// How often it is looked whether a backup is due.
const BACKUP: Duration = Duration::from_secs(60);

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
    every(app, audit::READER, By::OneInstance, CHAIN, |app| async move {
        // After an import it takes minutes, for which a stop would wait. What is dropped half-way goes on from its cursor.
        Ok(app.shutdown.run_until_cancelled(audit::extend(app.store.as_ref())).await.unwrap_or(Ok(()))?)
    });
    every(app, "log failed sign-ins", By::EachInstance, FAILURES, |app| async move { failures::write_due(&app, app.now()).await });
    if schedule::period(&app.config.backup).is_some() {
        every(app, "backup", By::OneInstance, BACKUP, |app| async move { schedule::step(&app).await });
    }
    app.tasks.spawn(live::follow(app.clone()));
    match Target::new(&app.config.influxdb, None) {
        Ok(Some(target)) => drop(app.tasks.spawn(push::metrics(app.clone(), target, Waits::default(), push::RENEWAL))),
        Ok(None) => {}
        Err(error) => tracing::error!(%error, "metrics are not pushed"),
    }
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
const LEASE_MARGIN: Duration = Duration::from_secs(30);

/// Repeats a step, at once for the first time, until the desk stops. A step that fails is tried again at its next time.
fn every<Fut>(app: &AppState, name: &'static str, by: By, period: Duration, step: impl Fn(AppState) -> Fut + Send + 'static)
where
    Fut: Future<Output = Result<(), AppError>> + Send,
{
    let app = app.clone();
    app.tasks.clone().spawn(async move {
        let lease = Lease::new(&app, name, period, LEASE_MARGIN);
        let mut times = tokio::time::interval(period);
        times.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = app.shutdown.cancelled() => break,
                _ = times.tick() => {}
            }
            if by == By::OneInstance && !lease.take().await {
                continue;
            }
            let mut working = pin!(step(app.clone()));
            let outcome = loop {
                tokio::select! {
                    outcome = &mut working => break outcome,
                    // One that takes long keeps its lease.
                    () = tokio::time::sleep(period), if by == By::OneInstance => {
                        lease.take().await;
                    }
                }
            };
            if let Err(error) = outcome {
                tracing::warn!(job = name, %error, cause = error.problem().cause, "a job failed; it is tried again");
            }
        }
        if by == By::OneInstance {
            lease.release().await;
        }
    });
}
