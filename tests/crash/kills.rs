//! P1: `kill -9` at any moment, under load and while starting, takes back nothing that was acknowledged.

use std::{sync::Arc, time::Duration};

use crate::{
    ONE_AT_A_TIME,
    api::people,
    check::Check,
    desk::{Desk, Work, fsck},
    ledger::Ledger,
    load::{self, Running},
    rng::Rng,
    setting, tell,
};

/// Workers, each with a connection of its own.
const CONNECTIONS: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_halved_when_the_desk_is_killed() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let kills = setting("TAQUILLA_CRASH_KILLS", 20);
    // A short series has short rounds.
    let longest = if kills < 100 { 900 } else { 3_000 };
    let mut rng = Rng::for_rig("kills");
    let work = Work::new();
    let (data, log) = (work.path("data"), work.path("desk.log"));
    let mut desk = Desk::start(&data, &log).await;
    let people = Arc::new(people(&desk).await);
    let ledger = Arc::new(Ledger::default());
    load::make_group(&desk.api(&people[0].token), &ledger).await;
    for kill in 1..=kills {
        let load = Running::start(&desk, &people, &ledger, CONNECTIONS, &mut rng);
        tokio::time::sleep(Duration::from_millis(rng.between(50, longest))).await;
        desk.kill();
        let t0=std::time::Instant::now();load.ended().await;
        if rng.chance(25) {
            let mut starting = Desk::spawn(&data, &log, None);
            tokio::time::sleep(Duration::from_millis(rng.between(0, 150))).await;
            starting.kill();
        }
        let t1=t0.elapsed();desk = Desk::start(&data, &log).await;let t2=t0.elapsed();
        Check::new(&desk, &people, &ledger).after_a_crash(&mut rng).await;
        tell(&format!("ended {t1:?} start {:?} check {:?} acks {}", t2-t1, t0.elapsed()-t2, ledger.book().acknowledged));
        if kill % 20 == 0 {
            tell(&format!("kills: {kill} of {kills}, {} acknowledgements", ledger.book().acknowledged));
        }
    }
    Check::new(&desk, &people, &ledger).everything(&mut rng).await;
    desk.kill();
    fsck(&data, &log);
    let book = ledger.book();
    assert!(book.acknowledged > kills * 10, "hardly anything was written: {} acknowledgements", book.acknowledged);
    tell(&format!("kills: {kills}, acknowledgements: {}, lost or halved: 0; answers by status {:?}", book.acknowledged, book.statuses));
}
