//! What a store tells of its work, for `/metrics`. Every store has one of these and keeps it current itself.

use prometheus::{Histogram, IntGauge, Result, proto::MetricFamily};

use crate::metrics::families::Families;

/// Bounds of the times of commits and syncs, in seconds.
const SECONDS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// Bounds of the sizes of groups.
const GROUPS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// The families of a store.
#[derive(Debug)]
pub struct Meters {
    families: Families,
    /// Seconds from handing a commit over to its answer, refused ones included.
    pub commit_seconds: Histogram,
    /// How many commits were made durable together.
    pub group_size: Histogram,
    /// Seconds of making a group durable.
    pub sync_seconds: Histogram,
    /// Commits that wait.
    pub queue_depth: IntGauge,
    /// 1 while nothing can be written.
    pub read_only: IntGauge,
    /// Bytes that the data takes; set by [`Self::gather`].
    size_bytes: IntGauge,
}

impl Meters {
    /// Families that have measured nothing yet.
    ///
    /// # Errors
    /// None in fact: the names are well-formed.
    pub fn new() -> Result<Self> {
        let families = Families::default();
        Ok(Self {
            commit_seconds: families.histogram(
                "taquilla_store_commit_seconds",
                "Time from handing a commit to the store to its answer.",
                SECONDS,
            )?,
            group_size: families.histogram(
                "taquilla_store_commit_group_size",
                "Number of commits that were made durable together.",
                GROUPS,
            )?,
            sync_seconds: families.histogram("taquilla_store_sync_seconds", "Time of making a group of commits durable.", SECONDS)?,
            queue_depth: families.gauge("taquilla_store_queue_depth", "Number of commits that wait for the store.")?,
            read_only: families.gauge("taquilla_store_read_only", "Whether nothing can be written: 1 or 0.")?,
            size_bytes: families.gauge("taquilla_store_size_bytes", "Bytes that the data takes where it is stored.")?,
            families,
        })
    }

    /// What has been measured; `size_bytes` as asked just now, if that could be told.
    #[must_use]
    pub fn gather(&self, size_bytes: Option<u64>) -> Vec<MetricFamily> {
        if let Some(bytes) = size_bytes {
            self.size_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
        self.families.gather()
    }
}
