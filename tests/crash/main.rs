//! The rigs that break the desk on purpose: the real binary is killed, its power is cut, its disk fills up, its starts are
//! interrupted; then everything that it acknowledged must be there, whole.
//!
//! `TAQUILLA_CRASH_KILLS`, `TAQUILLA_CRASH_PG_KILLS`, `TAQUILLA_CRASH_POWER`, `TAQUILLA_CRASH_RESTARTS`, `TAQUILLA_CRASH_BACKUPS`,
//! `TAQUILLA_CRASH_MIGRATIONS` and `TAQUILLA_CRASH_STOPS` set the number of kills (20; 4 on PostgreSQL), power cuts (10), restarts
//! of PostgreSQL under load (3), backups under load (3), interrupted migrations (4) and orderly stops under load (20);
//! `TAQUILLA_CRASH_SEED` repeats the random choices of a run, whose seed is printed. The moments of crashes are timers, on
//! purpose: the point is that no moment is safe to choose.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod api;
mod backups;
mod check;
#[path = "../it/support/cluster.rs"]
mod cluster;
mod concurrent_edits;
mod desk;
mod full_disk;
mod interrupted_backups;
mod interrupted_migrations;
mod interrupted_moves;
mod interrupted_starts;
mod kills;
mod ledger;
mod load;
mod lost_commits;
mod plan;
mod power_cuts;
mod proxy;
mod replay;
mod restarts;
mod rng;
mod server;
mod stops;
mod volume;

use std::io::Write;

/// One rig at a time: they measure, and they share two cores.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Tells something to whoever watches, also when the test's own output is captured.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}
