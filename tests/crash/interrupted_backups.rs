//! A backup that is killed, made by hand or on the desk's clock: nothing half has the final name, what is left over goes
//! with the next one, and the desk has not been touched.

use std::path::Path;

use reqwest::Method;

use crate::{
    ONE_AT_A_TIME,
    api::people,
    desk::{Desk, Storage, Work, fsck, verb},
    ledger::Ledger,
    load::{self, Running},
    rng::Rng,
    server::until,
    tell,
};

/// Where a process dies that makes a scheduled backup and holds the drill.
const SCHEDULED: [&str; 4] = ["backup.page", "backup.written", "fill.part", "backup.drilled"];

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut found: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    found
}

/// The names that only whole backups have.
fn whole(folder: &Path) -> Vec<String> {
    names(folder).into_iter().filter(|name| name.ends_with(".jsonl.gz")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_killed_leaves_nothing_half() {
    let _alone = ONE_AT_A_TIME.lock().await;
    if !cfg!(debug_assertions) {
        return tell("NOT RUN: interrupted backups (only debug builds have fault points)");
    }
    let work = Work::new();
    let (data, log) = (work.path("data"), work.path("desk.log"));
    let storage = Storage::from(&data);
    let desk = Desk::start(&storage, &log).await;
    let admin = desk.api(&people(&desk).await[0].token);
    for n in 0..20 {
        admin.post("/tickets", serde_json::json!({ "title": format!("ticket {n}"), "description": "one of those kept" })).await.expect(201);
    }
    assert!(desk.stop().success());

    // By hand.
    let folder = work.path("by-hand");
    std::fs::create_dir(&folder).unwrap();
    for fault in ["backup.begun", "backup.page", "backup.written"] {
        verb(&storage, &folder, Some(fault), &["backup", "create"]).died();
        assert_eq!((whole(&folder).len(), names(&folder).len()), (0, 1), "after {fault}: {:?}", names(&folder));
        let made = verb(&storage, &folder, None, &["backup", "create"]).json();
        assert_eq!(names(&folder), whole(&folder), "after {fault} something is left over");
        let file = made["file"].as_str().unwrap();
        verb(&storage, &folder, None, &["backup", "verify", file]).json();
        std::fs::remove_file(folder.join(file)).unwrap();
    }
    fsck(&storage, &log);

    // On the clock.
    for fault in SCHEDULED {
        let dir = work.path(&fault.replace('.', "-"));
        let variables = [("TAQUILLA_BACKUP__EVERY", "24h"), ("TAQUILLA_BACKUP__DIR", dir.to_str().unwrap())];
        let mut desk = Desk::spawn_with(&storage, &log, Some(fault), &variables);
        until("the desk dies in its backup", async || desk.ended().is_some()).await;
        assert_eq!(whole(&dir), Vec::<String>::new(), "after {fault}");
        let mut desk = Desk::spawn_with(&storage, &log, None, &variables);
        desk.ready().await.unwrap();
        until("the next backup is made", async || !whole(&dir).is_empty()).await;
        assert!(desk.stop().success());
        assert_eq!((names(&dir), whole(&dir).len()), (whole(&dir), 1), "after {fault}");
        verb(&storage, &dir, None, &["backup", "verify", "--quick", &whole(&dir)[0]]).json();
        fsck(&storage, &log);
    }
    tell(&format!("interrupted backups: 3 by hand, {} on the clock; nothing half, nothing left over", SCHEDULED.len()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_dies_while_it_fetches_a_backup_leaves_the_desk_as_it_was() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut rng = Rng::for_rig("broken downloads");
    let work = Work::new();
    let (data, log) = (work.path("data"), work.path("desk.log"));
    let desk = Desk::start(&data, &log).await;
    let people = std::sync::Arc::new(people(&desk).await);
    let ledger = std::sync::Arc::new(Ledger::default());
    load::make_group(&desk.api(&people[0].token), &ledger).await;
    let load = Running::start(&desk, &people, &ledger, 8, &mut rng);
    until("there is something to fetch", async || ledger.book().acknowledged > 300).await;
    let http = taquilla::outgoing::client("http:").build().unwrap();
    for _ in 0..3 {
        let request = http.request(Method::GET, format!("{}/backup", desk.base)).bearer_auth(&people[0].token);
        let mut answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "the one before has been let go");
        assert!(answer.chunk().await.unwrap().is_some());
        drop(answer);
        // One at a time is made: the desk has to notice that nobody reads this one any more.
        until("the desk lets go", async || {
            let again = http.request(Method::GET, format!("{}/backup", desk.base)).bearer_auth(&people[0].token).send().await.unwrap();
            let status = again.status();
            assert!(status == 200 || status == 503, "{status}");
            status == 200 && again.bytes().await.is_ok()
        })
        .await;
    }
    load.finish().await;
    crate::check::Check::new(&desk, &people, &ledger).everything(&mut rng).await;
    assert!(desk.stop().success());
    fsck(&data, &log);
}
