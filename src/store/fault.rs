//! Places where a test can make the process die: `TAQUILLA_FAULT=name` aborts it there, `TAQUILLA_FAULT=name:3` when it
//! comes there for the third time. Debug builds only.

/// Places of a start and of a commit on the embedded store, in their order.
pub const OPENING: &[&str] = &[
    "open.folder",
    "open.locked",
    "open.cleaned",
    "open.engine",
    "open.schema",
    "open.self_test",
    "open.identity",
    "open.projection",
    "open.ids",
    "checkpoint.written",
    "commit.before_apply",
    "commit.applied",
    "commit.flushed",
];

/// Places where a store is filled, by a transfer or a restore, in their order.
pub const FILLING: &[&str] = &["fill.begun", "fill.part", "fill.settled", "fill.compared", "fill.done"];

/// Places where a storage is set aside and another one takes its place.
pub const REPLACING: &[&str] = &["aside.renamed", "replace.ready", "replace.exchanged", "replace.kept"];

/// Places of a backup and of its restore drill, in their order.
pub const BACKING_UP: &[&str] = &["backup.begun", "backup.page", "backup.written", "backup.drilled"];

/// Dies here when the test asked for it.
#[inline]
pub(crate) fn point(name: &str) {
    #[cfg(debug_assertions)]
    {
        use std::sync::atomic::{AtomicU64, Ordering};

        static PASSED: AtomicU64 = AtomicU64::new(0);
        debug_assert!(
            [OPENING, FILLING, REPLACING, BACKING_UP].iter().any(|points| points.contains(&name)),
            "an unlisted fault point: {name}"
        );
        let Some(wanted) = std::env::var("TAQUILLA_FAULT").ok() else { return };
        let (place, time) = wanted.split_once(':').unwrap_or((&wanted, "1"));
        if place == name && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == time.parse().unwrap_or(1) {
            std::process::abort();
        }
    }
    #[cfg(not(debug_assertions))]
    let _ = name;
}
