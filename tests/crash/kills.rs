//! P1: `kill -9` at any moment, under load and while starting, takes back nothing that was acknowledged.

use std::{sync::Arc, time::Duration};

use crate::{
    ONE_AT_A_TIME,
    api::people,
    check::Check,
    desk::{Desk, Storage, Work, fsck},
    ledger::{Book, Ledger},
    load::{self, Running},
    rng::Rng,
    server::Server,
    setting, tell,
};

/// Workers, each with a connection of its own.
const CONNECTIONS: usize = 64;

/// Falsifies what was acknowledged, given a ticket.
type Lie = fn(&mut Book, i64);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_halved_when_the_desk_is_killed() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let work = Work::new();
    let storage = Storage::from(&work.path("data"));
    kill(&work, &storage, None, "kills", setting("TAQUILLA_CRASH_KILLS", 20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_halved_when_a_desk_on_postgresql_is_killed() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let kills = setting("TAQUILLA_CRASH_PG_KILLS", 4);
    if kills == 0 {
        return;
    }
    let (work, server) = (Work::new(), Server::start().await);
    let storage = server.database("desk", None).await;
    kill(&work, &storage, Some(&server), "kills on PostgreSQL", kills).await;
}

/// Kills a desk so many times, and holds it against the ledger each time.
async fn kill(work: &Work, storage: &Storage, server: Option<&Server>, rig: &str, kills: u64) {
    // A short series has short rounds; a database needs a moment until it is warm.
    let longest = match server {
        None if kills < 100 => 900,
        None => 3_000,
        Some(_) => 2_000,
    };
    let mut rng = Rng::for_rig(rig);
    let log = work.path("desk.log");
    let mut desk = Desk::start(storage, &log).await;
    let people = Arc::new(people(&desk).await);
    let ledger = Arc::new(Ledger::default());
    load::make_group(&desk.api(&people[0].token), &ledger).await;
    for kill in 1..=kills {
        let load = Running::start(&desk, &people, &ledger, CONNECTIONS, &mut rng);
        tokio::time::sleep(Duration::from_millis(rng.between(50, longest))).await;
        desk.kill();
        load.ended().await;
        let of_the_dead = if let Some(server) = server { server.desks("desk").await } else { Vec::new() };
        if rng.chance(25) {
            let mut starting = Desk::spawn(storage, &log, None);
            tokio::time::sleep(Duration::from_millis(rng.between(0, 150))).await;
            starting.kill();
        }
        desk = Desk::start(storage, &log).await;
        if let Some(server) = server {
            server.are_gone("desk", &of_the_dead).await;
        }
        Check::new(&desk, &people, &ledger).after_a_crash(&mut rng).await;
        if kill % 20 == 0 {
            tell(&format!("{rig}: {kill} of {kills}, {} acknowledgements", ledger.book().acknowledged));
        }
    }
    Check::new(&desk, &people, &ledger).everything(&mut rng).await;
    assert!(desk.stop().success());
    fsck(storage, &log);
    let book = ledger.book();
    assert!(book.acknowledged > kills * 10, "hardly anything was written: {} acknowledgements", book.acknowledged);
    tell(&format!("{rig}: {kills}, acknowledgements: {}, lost or halved: 0; answers by status {:?}", book.acknowledged, book.statuses));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_checks_notice_what_is_missing_changed_or_nobodys() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut rng = Rng::for_rig("checks");
    let work = Work::new();
    let desk = Desk::start(&work.path("data"), &work.path("desk.log")).await;
    let people = Arc::new(people(&desk).await);
    let ledger = Arc::new(Ledger::default());
    load::make_group(&desk.api(&people[0].token), &ledger).await;
    let load = Running::start(&desk, &people, &ledger, 8, &mut rng);
    tokio::time::sleep(Duration::from_millis(400)).await;
    load.finish().await;
    Check::new(&desk, &people, &ledger).everything(&mut rng).await;
    let ticket = *ledger.book().said.keys().min().unwrap();
    let lies: [(&str, Lie); 10] = [
        ("a ticket is gone", |book, _| _ = book.opened.insert(999_999, "gone".into())),
        ("a ticket that nobody opened", |book, ticket| _ = book.opened.remove(&ticket)),
        ("a version is gone", |book, ticket| book.note(ticket, 999_999, "status", "open")),
        ("a change is another one", |book, ticket| book.note(ticket, 1, "title", "another title")),
        ("a change that nobody made", |book, _| book.changes.clear()),
        ("a comment is gone", |book, ticket| {
            let said = book.said.get_mut(&ticket).unwrap();
            let one = said.first_key_value().unwrap().1.clone();
            said.insert(999_999, one);
        }),
        ("a comment that nobody wrote", |book, ticket| _ = book.said.remove(&ticket)),
        ("an id was issued twice", |book, ticket| book.saw(true, &serde_json::json!({ "id": ticket, "created_at": "before" }))),
        ("an entry of the log was another one", |book, _| book.followed[3] += 1),
        ("a bulk change is gone", |book, _| book.group.tag = Some("gone".into())),
    ];
    for (what, lie) in lies {
        let told = Arc::new(ledger.copied());
        lie(&mut told.book(), ticket);
        Check::new(&desk, &people, &told).look_at_everything(&mut rng).await;
        assert!(!told.book().wrong.is_empty(), "nothing was noticed though {what}");
    }
}
