//! P3: a start that is interrupted at any of its steps never blocks the next one.

use std::{
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use reqwest::Method;
use serde_json::json;
use taquilla::store::fault;

use crate::{
    ONE_AT_A_TIME,
    api::{Person, people},
    check::Check,
    desk::{Desk, Work, fsck},
    ledger::Ledger,
    load::{self, Running},
    rng::Rng,
    tell,
};

/// A data folder in some condition, and what it must hold.
struct Before {
    name: &'static str,
    data: PathBuf,
    people: Arc<Vec<Person>>,
    ledger: Ledger,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_interrupted_at_any_step_does_not_block_the_next_one() {
    let _alone = ONE_AT_A_TIME.lock().await;
    if !cfg!(debug_assertions) {
        return tell("NOT RUN: interrupted starts (only debug builds have fault points)");
    }
    let mut rng = Rng::for_rig("interrupted starts");
    let work = Work::new();
    let log = work.path("desk.log");
    let empty = Before { name: "empty", data: work.path("empty"), people: Arc::default(), ledger: Ledger::default() };
    std::fs::create_dir(&empty.data).unwrap();
    let before = [empty, filled(&work, "stopped", &mut rng).await, filled(&work, "killed", &mut rng).await];
    let mut missed = Vec::new();
    for point in fault::OPENING {
        let mut reached = false;
        for Before { name, data: original, people, ledger } in &before {
            let (data, ledger) = (work.path("tried"), Arc::new(ledger.copied()));
            copy(original, &data);
            reached |= interrupt(&data, &log, point, people, &ledger).await;
            let desk = Desk::start(&data, &log).await;
            if people.is_empty() {
                works(&desk).await;
            } else {
                Check::new(&desk, people, &ledger).everything(&mut rng).await;
            }
            assert!(desk.stop().success(), "the desk did not stop well after {point} on the {name} folder");
            fsck(&data, &log);
            std::fs::remove_dir_all(&data).unwrap();
        }
        if !reached {
            missed.push(*point);
        }
    }
    assert!(missed.is_empty(), "no start came to {missed:?}");
    tell(&format!("interrupted starts: {} points on {} folders", fault::OPENING.len(), before.len()));
}

/// Starts with a fault point, then writes and stops, as some points are there: whether it was interrupted.
async fn interrupt(data: &Path, log: &Path, point: &str, people: &[Person], ledger: &Ledger) -> bool {
    let mut desk = Desk::spawn(data, log, Some(point));
    let ready = desk.ready().await;
    if ready.is_ok()
        && let Some(admin) = people.first()
    {
        let word = ledger.word();
        ledger.book().maybe_opened.insert(word.clone());
        let new = json!({ "title": word, "description": "Written while the desk may die." });
        let _ = desk.api(&admin.token).send(Method::POST, "/tickets", Some(&new), &[]).await;
    }
    let tail = desk.log_tail();
    let ended = desk.stop();
    assert!(ended.success() || ended.signal().is_some(), "a start that should abort at {point} ended with {ended}:\n{tail}");
    ended.signal().is_some()
}

/// A folder with data in it, stopped or killed under load.
async fn filled(work: &Work, how: &'static str, rng: &mut Rng) -> Before {
    let (data, log) = (work.path(how), work.path("desk.log"));
    let mut desk = Desk::start(&data, &log).await;
    let people = Arc::new(people(&desk).await);
    let ledger = Arc::new(Ledger::default());
    load::make_group(&desk.api(&people[0].token), &ledger).await;
    let load = Running::start(&desk, &people, &ledger, 8, rng);
    tokio::time::sleep(Duration::from_millis(200)).await;
    if how == "killed" {
        desk.kill();
        load.ended().await;
    } else {
        load.finish().await;
        assert!(desk.stop().success());
    }
    Before { name: how, data, people, ledger: ledger.copied() }
}

/// The first admin is there and can work.
async fn works(desk: &Desk) {
    let people = people(desk).await;
    let new = json!({ "title": "After an interrupted start", "description": "It works." });
    desk.api(&people[0].token).post("/tickets", new).await.expect(201);
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
