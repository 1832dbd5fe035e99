//! A transfer or restore that is killed: what was to be filled is untouched or known to be a part, no desk begins on it, and
//! done again it ends as if nothing had happened; what was there before is never lost.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use sqlx::Connection;

use crate::{
    ONE_AT_A_TIME,
    desk::{PASSWORD, Storage, Work, command, verb},
    interrupted_starts::copy,
    server::Server,
    tell,
};

/// What a start says on a storage that was filled in part.
const PART: &str = "a part of a desk only";
/// Where a process dies that fills a store, and whether the store then is a whole desk.
const FILLING: [(&str, bool); 6] = [
    ("fill.begun", false),
    ("fill.part", false),
    ("fill.part:2", false),
    ("fill.settled", false),
    ("fill.compared", false),
    ("fill.done", true),
];

fn fault_points() -> bool {
    if !cfg!(debug_assertions) {
        tell("NOT RUN: interrupted moves (only debug builds have fault points)");
    }
    cfg!(debug_assertions)
}

/// Makes a desk with so many tickets.
fn demo(work: &Work, name: &str, tickets: &str) -> Storage {
    let storage = Storage::from(&work.path(name));
    let password = work.path("password");
    std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    let mut command = command(&storage);
    command.args(["--quiet", "demo", "--tickets", tickets, "--seed", "9", "--password-stdin"]);
    let status = command.stdin(std::fs::File::open(password).unwrap()).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "demo: {status}");
    storage
}

/// The tickets of a storage, which must be sound.
fn tickets(work: &Work, storage: &Storage) -> Value {
    let report = verb(storage, &work.path(""), None, &["fsck"]).json();
    assert_eq!(report["problems"], serde_json::json!([]));
    report["tickets"].clone()
}

/// A desk does not begin on it, and says what to do.
fn is_refused(work: &Work, storage: &Storage) {
    verb(storage, &work.path(""), None, &["serve", "--listen", "127.0.0.1:0"]).refused(4, PART);
}

/// Folders beside a data folder in which desks are kept that were there before, or are left over.
fn beside(data: &Path) -> Vec<PathBuf> {
    let name = format!("{}.", data.file_name().unwrap().to_str().unwrap());
    let found = std::fs::read_dir(data.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    found.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&name)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_that_is_killed_is_finished_by_the_next_one() {
    let _alone = ONE_AT_A_TIME.lock().await;
    if !fault_points() {
        return;
    }
    let (work, server) = (Work::new(), Server::start().await);
    let here = demo(&work, "here", "60");
    let there = server.database("there", None).await;
    let transfer = |from: &Storage, to: &Storage, fault, more: &[&str]| {
        verb(from, &work.path(""), fault, &[&["transfer", "--from", &from.0, "--to", &to.0], more].concat())
    };
    let whole = transfer(&here, &there, None, &[]).json();
    for (n, (fault, complete)) in FILLING.into_iter().enumerate() {
        // One way after the other.
        let (from, to) = if n % 2 == 0 {
            (&here, server.database(&format!("to_{n}"), None).await)
        } else {
            (&there, Storage::from(&work.path(&format!("to-{n}"))))
        };
        transfer(from, &to, Some(fault), &[]).died();
        if complete {
            assert_eq!(tickets(&work, &to), 60, "after {fault}");
        } else {
            is_refused(&work, &to);
            assert_eq!(transfer(from, &to, None, &[]).json(), whole, "after {fault}");
        }
    }
    tell(&format!("interrupted transfers: {}, each finished by the next one with equal hashes", FILLING.len()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_that_is_killed_in_the_middle_of_a_collection_goes_on() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let (work, server) = (Work::new(), Server::start().await);
    let (here, to) = (demo(&work, "here", "20"), server.database("to", None).await);
    let arguments = ["--json", "transfer", "--from", &here.0, "--to", &to.0];
    assert!(command(&to).args(["migrate", "up"]).stdout(Stdio::null()).status().unwrap().success());
    // Whoever writes comments now waits, and everything that comes before them is there.
    let mut holder = server.connect("to").await;
    sqlx::raw_sql("BEGIN; LOCK TABLE taquilla.comments IN EXCLUSIVE MODE").execute(&mut holder).await.unwrap();
    let mut child = command(&to).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    server.waiting("to", "relation").await;
    child.kill().unwrap();
    child.wait().unwrap();
    holder.close().await.unwrap();
    is_refused(&work, &to);
    verb(&to, &work.path(""), None, &arguments[1..]).json();
    assert_eq!(tickets(&work, &to), tickets(&work, &here));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forced_transfer_that_is_killed_loses_nothing_of_what_was_there() {
    let _alone = ONE_AT_A_TIME.lock().await;
    if !fault_points() {
        return;
    }
    let (work, server) = (Work::new(), Server::start().await);
    let here = demo(&work, "here", "30");
    let other = demo(&work, "other", "7");
    // A folder: what was there is one of those beside it in the end, and no desk begins before the new one is there.
    for fault in ["replace.ready", "replace.exchanged", "fill.part"] {
        let data = work.path(&fault.replace([':', '.'], "-"));
        copy(&work.path("other"), &data);
        let to = Storage::from(&data);
        let forced = ["transfer", "--from", &here.0, "--to", &to.0, "--force"];
        verb(&to, &work.path(""), Some(fault), &forced).died();
        if fault == "replace.ready" {
            assert_eq!(tickets(&work, &to), 7);
        } else {
            is_refused(&work, &to);
        }
        verb(&to, &work.path(""), None, &forced).json();
        assert_eq!(tickets(&work, &to), 30, "after {fault}");
        let kept = beside(&data);
        assert_eq!(kept.len(), 1, "after {fault}: {kept:?}");
        assert_eq!(tickets(&work, &kept[0].as_path().into()), 7, "after {fault}");
    }
    // A database.
    let to = server.database("to", None).await;
    verb(&to, &work.path(""), None, &["transfer", "--from", &other.0, "--to", &to.0]).json();
    let forced = ["transfer", "--from", &here.0, "--to", &to.0, "--force"];
    verb(&to, &work.path(""), Some("aside.renamed"), &forced).died();
    is_refused(&work, &to);
    verb(&to, &work.path(""), None, &forced).json();
    assert_eq!(tickets(&work, &to), 30);
    assert_eq!(schemas_aside(&server).await, 1);
}

/// How many desks are kept in the database `to` beside the one in use.
async fn schemas_aside(server: &Server) -> i64 {
    let mut connection = server.connect("to").await;
    let sql = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'taquilla_before_%'";
    let count = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_is_killed_is_finished_by_the_next_one() {
    let _alone = ONE_AT_A_TIME.lock().await;
    if !fault_points() {
        return;
    }
    let (work, server) = (Work::new(), Server::start().await);
    let (here, other) = (demo(&work, "here", "30"), demo(&work, "other", "7"));
    verb(&here, &work.path(""), None, &["backup", "create", "--to", "file"]).json();
    // Into a folder: until the moment of the exchange it is untouched.
    for fault in ["fill.part", "fill.done", "replace.ready", "replace.exchanged", "replace.kept"] {
        let data = work.path(&fault.replace('.', "-"));
        copy(&work.path("other"), &data);
        let to = Storage::from(&data);
        verb(&to, &work.path(""), Some(fault), &["restore", "file", "--force"]).died();
        let replaced = ["replace.exchanged", "replace.kept"].contains(&fault);
        assert_eq!(tickets(&work, &to), if replaced { 30 } else { 7 }, "after {fault}");
        verb(&to, &work.path(""), None, &["restore", "file", "--force"]).json();
        assert_eq!(tickets(&work, &to), 30, "after {fault}");
        let kept: Vec<Value> = beside(&data).iter().map(|path| tickets(&work, &path.as_path().into())).collect();
        assert!(kept.contains(&7.into()), "after {fault} the desk that was there is gone: {kept:?}");
    }
    // Into a database: an empty one, and one with a desk in it.
    for (n, (fault, complete)) in [FILLING[1], FILLING[4]].into_iter().enumerate() {
        let to = server.database(&format!("empty_{n}"), None).await;
        verb(&to, &work.path(""), Some(fault), &["restore", "file"]).died();
        if !complete {
            is_refused(&work, &to);
            verb(&to, &work.path(""), None, &["restore", "file"]).json();
        }
        assert_eq!(tickets(&work, &to), 30, "after {fault}");
    }
    let to = server.database("to", None).await;
    verb(&to, &work.path(""), None, &["transfer", "--from", &other.0, "--to", &to.0]).json();
    for fault in ["aside.renamed", "fill.part"] {
        let force: &[&str] = if fault == "aside.renamed" { &["--force"] } else { &[] };
        verb(&to, &work.path(""), Some(fault), &[&["restore", "file"], force].concat()).died();
        is_refused(&work, &to);
    }
    // One that fails leaves a place where still no desk begins: the one that was there is kept elsewhere.
    std::fs::write(work.path("broken"), "no backup").unwrap();
    verb(&to, &work.path(""), None, &["restore", "broken"]).refused(1, "not a backup");
    is_refused(&work, &to);
    verb(&to, &work.path(""), None, &["restore", "file"]).json();
    assert_eq!((tickets(&work, &to), schemas_aside(&server).await), (30.into(), 1));
}
