//! Places where a test can make the process die: `TAQUILLA_FAULT=name` aborts it there. Debug builds only.

/// Every place, in the order of a start.
pub const POINTS: &[&str] = &[
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

/// Dies here when the test asked for it.
#[inline]
pub(super) fn point(name: &str) {
    #[cfg(debug_assertions)]
    {
        debug_assert!(POINTS.contains(&name), "an unlisted fault point: {name}");
        if std::env::var_os("TAQUILLA_FAULT").is_some_and(|wanted| wanted == name) {
            std::process::abort();
        }
    }
    #[cfg(not(debug_assertions))]
    let _ = name;
}
