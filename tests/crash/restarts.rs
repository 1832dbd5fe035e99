//! P8: PostgreSQL restarts under load; nothing acknowledged is lost, nothing is done twice, and the desk is back with it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    ONE_AT_A_TIME,
    api::people,
    check::Check,
    desk::{Desk, Work, fsck},
    ledger::Ledger,
    load::{self, Running},
    rng::Rng,
    server::{Server, until},
    setting, tell,
};

/// Workers, each with a connection of its own.
const CONNECTIONS: usize = 64;

/// How soon the desk must be ready when the server takes connections again.
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// How the server ends, one after the other: fast, at once, and as in a crash.
const SIGNALS: [&str; 3] = ["INT", "QUIT", "KILL"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled_when_postgresql_restarts() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let restarts = setting("TAQUILLA_CRASH_RESTARTS", 3);
    if restarts == 0 {
        return;
    }
    let mut rng = Rng::for_rig("restarts");
    let (work, server) = (Work::new(), Server::start().await);
    let (storage, log) = (server.database("desk", None).await, work.path("desk.log"));
    let mut desk = Desk::start(&storage, &log).await;
    let people = Arc::new(people(&desk).await);
    let ledger = Arc::new(Ledger::default());
    load::make_group(&desk.api(&people[0].token), &ledger).await;
    let (mut longest, mut longest_write) = (Duration::ZERO, Duration::ZERO);
    for (restart, signal) in (1..=restarts).zip(SIGNALS.into_iter().cycle()) {
        let load = Running::start(&desk, &people, &ledger, CONNECTIONS, &mut rng);
        tokio::time::sleep(Duration::from_millis(rng.between(100, 900))).await;
        ledger.book().away = true;
        server.stop(signal).await;
        // Sometimes for so short a time that a request only waits, sometimes for so long that it is refused.
        tokio::time::sleep(Duration::from_millis(rng.between(0, 2_500))).await;
        server.start_again().await;
        let (back, before) = (Instant::now(), ledger.book().acknowledged);
        desk.ready().await.unwrap();
        longest = longest.max(back.elapsed());
        until("writes go on", async || ledger.book().acknowledged > before).await;
        longest_write = longest_write.max(back.elapsed());
        until("writes go on", async || ledger.book().acknowledged > before + 100).await;
        load.finish().await;
        ledger.book().away = false;
        assert!(longest <= BACK_WITHIN, "restart {restart} ({signal}): ready after {longest:?}\n{}", desk.log_tail());
        Check::new(&desk, &people, &ledger).after_a_crash(&mut rng).await;
    }
    Check::new(&desk, &people, &ledger).everything(&mut rng).await;
    assert!(desk.stop().success());
    fsck(&storage, &log);
    let book = ledger.book();
    assert_eq!(book.unheard, 0, "requests that were never answered");
    tell(&format!(
        "restarts of PostgreSQL: {restarts}, acknowledgements: {}, lost or doubled: 0; ready again after {longest:?} at most, first \
         write after {longest_write:?} at most; answers by status {:?}",
        book.acknowledged, book.statuses
    ));
}
