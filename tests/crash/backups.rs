//! P7: a backup that is made while everybody writes restores exactly.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    path::Path,
    sync::Arc,
    time::Instant,
};

use taquilla::{
    backup::archive::{Next, Reader},
    store::{Record, Row},
};

use crate::{
    ONE_AT_A_TIME,
    api::people,
    check::Check,
    desk::{Desk, Storage, Work, fsck, verb},
    ledger::Ledger,
    load::{self, Running},
    rng::Rng,
    setting, tell,
};

/// Workers, each with a connection of its own.
const CONNECTIONS: usize = 64;

/// What of a file is held against what was acknowledged before it was made.
#[derive(Default)]
struct Held {
    tickets: HashMap<i64, String>,
    comments: HashSet<i64>,
    /// Comments as tickets count them.
    counted: i64,
    log_end: i64,
}

fn read(file: &Path) -> Held {
    let mut reader = Reader::begin(File::open(file).unwrap()).unwrap();
    let mut held = Held { log_end: reader.header().log_end, ..Held::default() };
    while let Next::Record { record, .. } = reader.next_record().unwrap() {
        let Record::Row(row) = *record else { continue };
        match *row {
            Row::Ticket(ticket) => {
                held.counted += ticket.public_comments + ticket.internal_notes;
                held.tickets.insert(ticket.id.0, ticket.title);
            }
            Row::Comment(comment) => _ = held.comments.insert(comment.id.0),
            _ => {}
        }
    }
    held
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_under_load_restore_exactly() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let backups = setting("TAQUILLA_CRASH_BACKUPS", 3);
    if backups == 0 {
        return;
    }
    let mut rng = Rng::for_rig("backups");
    let work = Work::new();
    let (storage, log) = (Storage::from(&work.path("data")), work.path("desk.log"));
    let desk = Desk::start(&storage, &log).await;
    let people = Arc::new(people(&desk).await);
    let ledger = Arc::new(Ledger::default());
    load::make_group(&desk.api(&people[0].token), &ledger).await;
    std::fs::write(work.path("token"), &people[0].token).unwrap();
    let create = async |name: String| {
        let (storage, folder, url) = (storage.clone(), work.path(""), desk.root().to_owned());
        let made = tokio::task::spawn_blocking(move || {
            verb(&storage, &folder, None, &["backup", "create", "--to", &name, "--server", &url, "--token-file", "token"]).json()
        });
        made.await.unwrap()
    };
    let (mut written, mut seconds, mut largest) = (0, 0.0, 0);
    for n in 1..=backups {
        let load = Running::start(&desk, &people, &ledger, CONNECTIONS, &mut rng);
        let (begun, before) = (Instant::now(), ledger.book().acknowledged);
        crate::server::until("some is written first", async || ledger.book().acknowledged > before + 200).await;
        let (opened, said, seen) = {
            let book = ledger.book();
            let said: Vec<i64> = book.said.values().flat_map(|said| said.keys().copied()).collect();
            (book.opened.clone(), said, book.followed.len())
        };
        let name = format!("{n}.gz");
        let made = create(name.clone()).await;
        written += ledger.book().acknowledged - before;
        seconds += begun.elapsed().as_secs_f64();
        load.finish().await;
        largest = made["bytes"].as_u64().unwrap().max(largest);
        // Restored into a scratch store, compared collection by collection, and checked.
        verb(&storage, &work.path(""), None, &["backup", "verify", &name]).json();
        let held = read(&work.path(&name));
        for (id, word) in opened {
            assert!(held.tickets.contains_key(&id), "backup {n}: ticket {id} ({word}) had been acknowledged and is not in it");
        }
        for id in said {
            assert!(held.comments.contains(&id), "backup {n}: comment {id} had been acknowledged and is not in it");
        }
        assert_eq!(held.counted, i64::try_from(held.comments.len()).unwrap(), "backup {n} is not of one moment");
        assert!(held.log_end >= i64::try_from(seen).unwrap(), "backup {n} ends before what a follower had seen");
        Check::new(&desk, &people, &ledger).after_a_crash(&mut rng).await;
        if n < backups {
            std::fs::remove_file(work.path(&name)).unwrap();
        }
    }
    // Nobody writes any more: the desk of the last one is the desk itself.
    let last = create("last.gz".into()).await;
    assert!(desk.stop().success());
    let restored = Storage::from(&work.path("restored"));
    let again = verb(&restored, &work.path(""), None, &["restore", "last.gz"]).json();
    assert_eq!(again["collections"], last["collections"]);
    fsck(&restored, &log);
    let desk = Desk::start(&restored, &log).await;
    ledger.book().followed.clear();
    Check::new(&desk, &people, &ledger).read_everything(&mut rng).await;
    Check::new(&desk, &people, &ledger).report("after the restore");
    tell(&format!(
        "backups under load: {backups}, the largest of {largest} bytes, at {:.0} writes a second; all restored exactly",
        f64::from(u32::try_from(written).unwrap()) / seconds
    ));
}
