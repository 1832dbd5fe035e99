//! The right of one instance, of those that share a storage, to do a job.

use std::time::Duration;

use crate::app::AppState;

/// The lease of a job, as this instance sees it.
#[derive(Clone, Copy)]
pub(super) struct Lease<'a> {
    app: &'a AppState,
    name: &'a str,
    renewal: Duration,
    margin: Duration,
}

impl<'a> Lease<'a> {
    /// A lease that is renewed after so much time, and outlives that by a margin.
    pub(super) const fn new(app: &'a AppState, name: &'a str, renewal: Duration, margin: Duration) -> Self {
        Self { app, name, renewal, margin }
    }

    /// Takes or renews it; whether this instance has it.
    pub(super) async fn take(&self) -> bool {
        let whole = self.renewal.saturating_add(self.margin);
        let seconds = whole.as_secs().saturating_add(u64::from(whole.subsec_nanos() > 0));
        self.ask(u32::try_from(seconds).unwrap_or(u32::MAX)).await
    }

    /// Works as long as this instance has the lease, which it took before; `None` when it has lost it.
    pub(super) async fn while_held<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let lost = async {
            loop {
                tokio::time::sleep(self.renewal).await;
                if !self.take().await {
                    return;
                }
            }
        };
        tokio::select! {
            done = work => Some(done),
            () = lost => None,
        }
    }

    /// Gives it up, so that another instance need not wait until it expires.
    pub(super) async fn release(&self) {
        self.ask(0).await;
    }

    async fn ask(&self, seconds: u32) -> bool {
        let Self { app, name, .. } = self;
        app.store.lease(name, app.instance, seconds).await.unwrap_or_else(|error| {
            tracing::warn!(job = name, %error, "whether a job is this instance's is not known; it is left out once");
            false
        })
    }
}
