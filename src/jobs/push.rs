//! Pushing metrics: by one instance at a time, of those that share a storage.

use std::time::Duration;

use super::lease::Lease;
use crate::{
    app::AppState,
    metrics::influx::{
        target::Target,
        worker::{Pusher, READER, Waits},
    },
};

/// How often the lease is renewed, and how often others ask for it. It expires after three times as long.
pub const RENEWAL: Duration = Duration::from_secs(10);

/// Pushes, or waits until it is this instance's turn, until the desk stops. When the storage fails, it begins again.
pub async fn metrics(app: AppState, target: Target, waits: Waits, renewal: Duration) {
    let lease = Lease::new(&app, "push metrics", renewal, renewal * 2);
    while !app.shutdown.is_cancelled() {
        if lease.take().await {
            match lease.while_held(Pusher::new(app.clone(), target.clone(), waits).follow()).await {
                Some(Ok(())) => break,
                Some(Err(error)) => tracing::warn!(%error, "metrics are not pushed for the moment: the log cannot be read"),
                None => tracing::info!("this instance does not push the metrics any more"),
            }
        } else if let Ok(cursor) = app.store.cursor(READER).await {
            app.metrics.influx.stand_by(cursor.seq);
        }
        tokio::select! {
            () = app.shutdown.cancelled() => break,
            () = tokio::time::sleep(renewal) => {}
        }
    }
    lease.release().await;
}
