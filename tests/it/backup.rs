//! Backups: made offline, through the running desk and on a clock; restored whole or not at all; damage is told.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::{Value, json};
use taquilla::{
    app::App,
    backup::{
        archive::{Next, Reader},
        restore, schedule,
    },
    store::{Record, Row},
    tickets::query::{Scope, TicketQuery},
    types::Page,
};

use crate::{
    binary::Place,
    moving::{api_token, block, demo, fsck, told},
    support::{Desk, postgres::Database},
};

/// Names of files in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut found: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    found
}

fn sums(value: &Value) -> Value {
    value["collections"].clone()
}

#[test]
fn a_backup_brings_the_whole_desk_back_on_either_store() {
    let place = Place::new();
    demo(&place, "60");
    let token = api_token(&place);
    let made = place.run(&["--json", "backup", "create", "--to", "desk.backup"]).expect(0).json();
    assert_eq!(made["header"]["credentials"], true);
    place.run(&["backup", "create", "--to", "desk.backup"]).expect(1).says("exists already");
    let verified = place.run(&["--json", "backup", "verify", "desk.backup"]).expect(0).json();
    assert_eq!(sums(&verified), sums(&made));
    assert_eq!(sums(&place.run(&["--json", "backup", "verify", "--quick", "desk.backup"]).expect(0).json()), sums(&made));

    // Over a desk only when that is wanted; the old one is kept.
    place.run(&["restore", "desk.backup"]).expect(1).says("--force");
    place.run(&["restore", "not there"]).expect(1).says("--force");
    fsck(&place, "sled:./data");
    let database = block(Database::empty());
    let url = database.url();
    for storage in ["sled:./restored", &url] {
        place.run(&["--json", "restore", "desk.backup", "--storage-url", storage]).expect(0);
        fsck(&place, storage);
        place.run(&["restore", "desk.backup", "--storage-url", storage]).expect(1).says("--force");
        place.run(&["restore", "desk.backup", "--storage-url", storage, "--force"]).expect(0).says("kept in the");
        fsck(&place, storage);
        let again = place
            .run_in(&[("TAQUILLA_STORAGE__URL", storage)], &["--json", "backup", "create", "--to", &format!("again-{}", storage.len())]);
        assert_eq!(sums(&again.expect(0).json()), sums(&made), "a backup of what was restored is the same");
    }
    let mut answers = Vec::new();
    for storage in ["sled:./data", "sled:./restored", &url] {
        let mut server = place.serve(&[], &["--storage-url", storage]);
        answers.push(told(&server, &token));
        // A running desk is not touched.
        place.run(&["restore", "desk.backup", "--storage-url", storage, "--force"]).expect(4).says("stop it first");
        server.stop();
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
    let left: Vec<_> = names(place.path()).into_iter().filter(|name| name.contains("partial") || name.contains("restoring")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_running_desk_gives_its_backup_to_an_admin() {
    let place = Place::new();
    demo(&place, "30");
    let token = api_token(&place);
    let agents = place.run(&["--json", "token", "create", "--user", "eva.okafor@demo.example", "--name", "agents"]).expect(0).json();
    let mut server = place.serve(&[], &[]);
    place.run(&["backup", "create", "--to", "x"]).expect(4).says("taquilla backup create --server");
    let url = server.url.clone();
    let ask = |token: &str, to: &str| {
        place.run_in(&[("TAQUILLA_TOKEN", token), ("TAQUILLA_SERVER", &url)], &["--json", "backup", "create", "--to", to])
    };
    assert_eq!(ask(agents["token"].as_str().unwrap(), "agents.gz").expect(6).out, "");
    ask("tqp_nothing", "nobodys.gz").expect(6);
    let made = ask(&token, "online.gz").expect(0).json();
    assert_eq!(made["collections"].as_array().unwrap().iter().find(|sum| sum["name"] == "tickets").unwrap()["rows"], 30);
    server.stop();
    place.run(&["--json", "backup", "verify", "online.gz"]).expect(0);
    assert!(!names(place.path()).iter().any(|name| name.contains("partial") || name.contains("agents.gz")));
    // That it was taken is in the log, and in the backup itself.
    let last = place.run(&["restore", "online.gz", "--storage-url", "sled:./restored"]).expect(0);
    assert!(last.out.contains("was restored"), "{last:?}");
    let server = place.serve(&[], &["--storage-url", "sled:./restored"]);
    let log = block(async {
        let http = taquilla::outgoing::client("http:").no_proxy().build().unwrap();
        let path = format!("{}/api/v1/activity?before=999999&limit=5", server.url);
        http.get(path).bearer_auth(&token).send().await.unwrap().json::<Value>().await.unwrap()
    });
    assert!(log.as_array().unwrap().iter().any(|entry| entry["action"] == "backup.created"), "{log:#}");
}

#[test]
fn what_is_not_a_whole_backup_is_refused_and_the_desk_stays_as_it_is() {
    let place = Place::new();
    demo(&place, "20");
    place.run(&["backup", "create", "--to", "good"]).expect(0);
    let good = std::fs::read(place.path().join("good")).unwrap();
    let middle = good.len() / 2;
    let mut flipped = good.clone();
    flipped[middle] ^= 1;
    for (name, bytes, why) in [
        ("cut", &good[..middle], "cut off"),
        ("end", &good[..good.len() - 1], ""),
        ("flipped", &flipped[..], ""),
        ("text", b"a shopping list", "not a backup"),
        ("nothing", b"", "not a backup"),
        ("twice", &[&good[..], &good[..]].concat(), "follows its end"),
    ] {
        std::fs::write(place.path().join(name), bytes).unwrap();
        place.run(&["backup", "verify", name]).expect(1).says(why);
        place.run(&["restore", name, "--force"]).expect(1).says(why);
    }
    place.run(&["restore", "missing", "--force"]).expect(1).says("No such file");
    fsck(&place, "sled:./data");
    assert_eq!(names(place.path()).iter().filter(|name| name.starts_with("data")).count(), 1, "nothing was kept aside");
}

#[test]
fn what_a_killed_restore_left_does_not_stand_in_the_way() {
    let place = Place::new();
    demo(&place, "10");
    place.run(&["backup", "create", "--to", "good"]).expect(0);
    // A workshop that was left, and a database that holds a part only.
    std::fs::create_dir_all(place.path().join("data.restoring/store")).unwrap();
    std::fs::write(place.path().join("data.restoring/NEW"), "").unwrap();
    place.run(&["restore", "good", "--force"]).expect(0);
    fsck(&place, "sled:./data");
    assert_eq!(names(place.path()).iter().filter(|name| name.starts_with("data")).count(), 2, "the desk, and the one kept");
    let database = block(Database::empty());
    let url = database.url();
    block(async {
        let store = taquilla::store::postgres::PgStore::open(database.options()).await.unwrap();
        let filling = taquilla::store::transfer::Filling::begin(store.as_ref()).await.unwrap();
        drop(filling);
        taquilla::store::Store::close(store.as_ref()).await.unwrap();
    });
    let mut server = place.start(&[], &["serve", "--listen", "127.0.0.1:0", "--storage-url", &url]);
    assert_eq!(server.end(), Some(4), "{}", server.said);
    assert!(server.said.contains("a part of a desk only"), "{}", server.said);
    place.run(&["restore", "good", "--storage-url", &url]).expect(0);
    fsck(&place, &url);
}

/// Everything that a backup holds of tickets and comments: title of each ticket, and how many comments it counts and has.
fn consistent(file: &Path) -> usize {
    let mut reader = Reader::begin(std::fs::File::open(file).unwrap()).unwrap();
    let (mut counted, mut found, mut tickets) = (0, 0, 0);
    while let Next::Record { record, .. } = reader.next_record().unwrap() {
        if let Record::Row(row) = *record {
            match *row {
                Row::Ticket(ticket) => {
                    tickets += 1;
                    counted += ticket.public_comments + ticket.internal_notes;
                }
                Row::Comment(comment) => found += i64::from(comment.deleted_at.is_none()),
                _ => {}
            }
        }
    }
    assert_eq!(counted, found, "the comments are those that the tickets count");
    tickets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_desk_that_is_written_to_restores_exactly() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    let agent = desk.agent("eva").await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for _ in 0..4 {
        let (agent, stop) = (agent.clone(), stop.clone());
        writers.push(tokio::spawn(async move {
            let mut made = 0;
            while !stop.load(Ordering::SeqCst) {
                let ticket = agent.post("/tickets", json!({ "title": "t", "description": "d" })).await.expect(201)["id"].as_i64().unwrap();
                agent.post(&format!("/tickets/{ticket}/comments"), json!({ "content": "c" })).await.expect(201);
                agent.patch(&format!("/tickets/{ticket}"), json!({ "title": "changed" })).await.expect(200);
                made += 1;
            }
            made
        }));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut sizes = Vec::new();
    for round in 0..3 {
        let acknowledged = desk.app.store.tickets(&TicketQuery::all(Scope::All), Page { after: None, limit: 1 }).await.unwrap();
        let path: PathBuf = folder.path().join(format!("{round}.gz"));
        let answer = admin.bytes("/backup").await;
        std::fs::write(&path, answer).unwrap();
        let (content, report) = restore::drill(&path, &desk.config, &folder.path().join("scratch"), &|_| ()).await.unwrap();
        let tickets = consistent(&path);
        assert_eq!((report.tickets, i64::try_from(report.entries).unwrap()), (tickets, content.header.log_end));
        if let Some(newest) = acknowledged.rows.first() {
            // Each of the four writers may have had one under way.
            assert!(i64::try_from(tickets).unwrap() >= newest.id.0 - 4, "what was acknowledged before is in it");
        }
        sizes.push(tickets);
    }
    stop.store(true, Ordering::SeqCst);
    let mut made = 0;
    for writer in writers {
        made += writer.await.unwrap();
    }
    assert!(sizes.is_sorted() && sizes[2] <= made && made > 0, "{sizes:?} of {made}");
    assert_eq!(names(folder.path()), ["0.gz", "1.gz", "2.gz"]);
}

#[tokio::test]
async fn scheduled_backups_are_tested_counted_and_limited() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("backups");
    let desk = Desk::start().await;
    let mut config = desk.config.clone();
    config.backup.every = Some("24h".into());
    config.backup.keep = 2;
    config.backup.dir = dir.display().to_string();
    // Beside the one that serves, so that no job comes in between.
    let app = App::build_on(config, desk.app.clock.clone(), desk.app.store.clone()).await.unwrap();
    let verified = || app.metrics.backups.last_verified.get();
    schedule::step(&app).await.unwrap();
    let first = names(&dir);
    assert_eq!((first.len(), verified()), (1, desk.now().as_seconds()), "{first:?}");
    schedule::step(&app).await.unwrap();
    assert_eq!(names(&dir), first, "it is not due");
    for _ in 0..3 {
        desk.advance(24 * 3_600);
        std::fs::write(dir.join("taquilla-20200101T000000Z.jsonl.gz.partial"), "left").unwrap();
        schedule::step(&app).await.unwrap();
    }
    let kept = names(&dir);
    assert_eq!((kept.len(), kept.contains(&first[0])), (2, false), "{kept:?}");
    assert_eq!((verified(), app.metrics.backups.failures.get()), (desk.now().as_seconds(), 0));
    restore::verify(&dir.join(&kept[1]), &|_| ()).await.unwrap();
    let told = desk.anonymous().get("//metrics").await.expect(200).as_str().unwrap().to_owned();
    assert!(told.contains("\ntaquilla_backup_last_verified_timestamp_seconds 0\n"), "a desk without a schedule");
    // A folder that cannot be used: counted, and nothing breaks.
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::write(&dir, "in the way").unwrap();
    desk.advance(24 * 3_600);
    schedule::step(&app).await.unwrap();
    assert_eq!(app.metrics.backups.failures.get(), 1);
}
