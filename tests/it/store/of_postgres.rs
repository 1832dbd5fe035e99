//! What only the store on PostgreSQL can get wrong: strangers' transactions, writers that stall, servers that restart, and
//! the steps of its schema.

use std::{collections::HashMap, sync::Arc, time::Duration};

use sqlx::{Connection, PgConnection, Row as _};
use taquilla::{
    activity::{chain::ChainBlock, model::Action},
    store::{
        Activities, Changes, EntryQuery, From, IdKind, LogCursor, Store, StoreError, Users,
        postgres::{Options, PgStore, fsck, migrate},
    },
    tickets::{
        model::Ticket,
        query::{Scope, TicketQuery},
    },
    types::{Page, Secret, TicketId, UserId},
    users::model::UserQuery,
};
use tokio::time::timeout;

use super::{
    ask::{entries, ids},
    build::*,
};
use crate::support::postgres::{Cluster, Database, options};

/// How soon a follower must see an entry.
const SOON: Duration = Duration::from_secs(1);
/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

async fn open(database: &Database) -> Arc<PgStore> {
    PgStore::open(database.options()).await.expect("the store opens")
}

async fn execute(connection: &mut PgConnection, statement: &'static str) {
    sqlx::raw_sql(statement).execute(connection).await.unwrap();
}

fn told(n: i64) -> Changes {
    Changes::new().log(entry(Action::UserUpdated).about_user(UserId(n)))
}

/// The entries that a follower sees, by their accounts.
async fn followed(store: &dyn Store) -> Vec<i64> {
    let log = entries(store, None, true, false, 7).await.unwrap();
    log.into_iter().map(|entry| entry.user_id.unwrap().0).collect()
}

#[tokio::test]
async fn a_strangers_open_transaction_stalls_nobody() {
    let database = Database::new().await;
    let store = open(&database).await;
    let other = Database::empty().await;
    // One that reads for long, as a dump does, one that has written, and one in another database.
    let [mut reader, mut writer, mut elsewhere] = [database.connect().await, database.connect().await, other.connect().await];
    execute(&mut reader, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM taquilla.commits").await;
    execute(&mut writer, "CREATE TABLE stranger (id bigint); BEGIN; INSERT INTO stranger VALUES (1)").await;
    execute(&mut elsewhere, "CREATE TABLE stranger (id bigint); BEGIN; INSERT INTO stranger VALUES (1)").await;
    for n in 1..=50 {
        let seq = timeout(SOON, commit(&*store, told(n))).await.expect("nobody waits");
        assert_eq!(seq, n);
        assert_eq!(*store.durable_seq().borrow(), n);
    }
    assert_eq!(followed(&*store).await, (1..=50).collect::<Vec<_>>());
    for mut connection in [reader, writer, elsewhere] {
        execute(&mut connection, "ROLLBACK").await;
    }
}

#[tokio::test]
async fn a_writer_that_stalls_in_mid_transaction_stalls_nobody_and_loses_nothing() {
    let database = Database::new().await;
    let store = open(&database).await;
    commit(&*store, told(1)).await;
    let mut stalled = database.connect().await;
    let body =
        serde_json::to_value(taquilla::activity::model::Entry::at_seq(0, entry(Action::UserUpdated).about_user(UserId(77)))).unwrap();
    execute(&mut stalled, "BEGIN").await;
    sqlx::query(
        "WITH made AS (INSERT INTO taquilla.commits (token, entries) VALUES (1, 1) RETURNING nr) \
         INSERT INTO taquilla.entries (commit_nr, follow, action, user_id, internal, body) SELECT nr, 0, 'user.updated', 77, false, $1 FROM made",
    )
    .bind(body)
    .execute(&mut stalled)
    .await
    .unwrap();
    for n in 2..=20 {
        assert_eq!(timeout(SOON, commit(&*store, told(n))).await.expect("nobody waits"), n);
    }
    assert_eq!(followed(&*store).await, (1..=20).collect::<Vec<_>>());
    let mut end = store.durable_seq();
    end.borrow_and_update();
    execute(&mut stalled, "COMMIT").await;
    timeout(2 * SOON, end.changed()).await.expect("it is found by the next look").unwrap();
    let after = EntryQuery { ticket: None, internal: true, from: From::After(20), limit: 9 };
    let late: Vec<_> = store.entries(&after).await.unwrap().iter().map(|entry| (entry.seq, entry.user_id)).collect();
    assert_eq!(late, [(21, Some(UserId(77)))], "it comes after what was seen, not before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_hear_of_each_others_entries() {
    let database = Database::new().await;
    let stores = [open(&database).await, open(&database).await, open(&database).await];
    let mut ends: Vec<_> = stores.iter().map(|store| store.durable_seq()).collect();
    for n in 1..=30 {
        let from = usize::try_from(n).unwrap() % 3;
        assert_eq!(commit(&*stores[from], told(n)).await, n);
        for end in &mut ends {
            timeout(2 * SOON, end.wait_for(|end| *end >= n)).await.expect("a message").unwrap();
        }
    }
    for store in &stores {
        assert_eq!(followed(&**store).await, (1..=30).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_of_many_instances_make_one_log() {
    let database = Database::new().await;
    let stores = [open(&database).await, open(&database).await, open(&database).await];
    let tasks: Vec<_> = (0..64_i64)
        .map(|writer| {
            let store = stores[usize::try_from(writer % 3).unwrap()].clone();
            tokio::spawn(async move {
                let mut places = HashMap::new();
                for n in 0..6 {
                    let name = writer * 100 + n;
                    places.insert(name, commit(&*store, told(name)).await);
                }
                places
            })
        })
        .collect();
    let mut places = HashMap::new();
    for task in tasks {
        places.extend(task.await.unwrap());
    }
    let mut end = stores[0].durable_seq();
    timeout(2 * SOON, end.wait_for(|end| *end == 64 * 6)).await.expect("a message").unwrap();
    let log = entries(&*stores[0], None, true, false, 50).await.unwrap();
    assert_eq!(log.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=64 * 6).collect::<Vec<_>>());
    for entry in log {
        assert_eq!(places.remove(&entry.user_id.unwrap().0), Some(entry.seq));
    }
    assert!(places.is_empty());
}

/// The first of a kind is made once, and whoever comes late is told so at once, also when more than one row is made for the first time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_make_the_same_rows_for_the_first_time_never_lock_each_other_out() {
    let database = Database::new().await;
    let store = open(&database).await;
    let shared: Arc<dyn Store> = store.clone();
    let first = |round: i64, block: i64, seq: i64| {
        let cursor = LogCursor { name: format!("reader {round}"), seq, version: 1 };
        (Changes::new().insert(ChainBlock::from_parts(100 * round + block + 1, vec![0; 80])), cursor)
    };
    for round in 0..20 {
        let wanted = (0..8).map(|n| first(round, n % 3, 1)).map(|(changes, cursor)| changes.update(cursor));
        let ended = at_once(&shared, wanted).await;
        assert_eq!(ended.iter().filter(|ended| ended.is_ok()).count(), 1, "{ended:?}");
        assert_eq!(ended.iter().filter(|ended| **ended == Err(StoreError::Stale)).count(), 7, "{ended:?}");
    }
    for round in 20..40 {
        let wanted = (0..8).map(|n| first(round, n, n)).map(|(changes, cursor)| changes.overwrite(cursor));
        for ended in at_once(&shared, wanted).await {
            ended.expect("whoever takes what is there is not refused");
        }
    }
    // What a connection knows of deadlocks is told by its end at the latest.
    store.close().await.unwrap();
    let mut connection = database.connect().await;
    let others =
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    let gone = async { while sqlx::query(others).fetch_optional(&mut connection).await.unwrap().is_some() {} };
    timeout(PATIENCE, gone).await.expect("closed connections go");
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(sqlx::query(deadlocks).fetch_one(&mut connection).await.unwrap().get::<i64, _>(0), 0);
}

/// Writers that go on through restarts: each ticket that was acknowledged is there, and none that was refused.
async fn load(store: Arc<PgStore>, stop: tokio_util::sync::CancellationToken) -> (Vec<i64>, Vec<i64>) {
    let (mut accepted, mut refused) = (Vec::new(), Vec::new());
    while !stop.is_cancelled() {
        let Ok(id) = store.reserve(IdKind::Ticket).await else { continue };
        match store.commit(opened(&ticket(id))).await {
            Ok(_) => accepted.push(id),
            Err(StoreError::Busy | StoreError::Unavailable(_)) => refused.push(id),
            Err(error) => panic!("{error}"),
        }
    }
    (accepted, refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_of_the_server_lose_nothing_and_double_nothing() {
    let cluster = tokio::task::spawn_blocking(|| Arc::new(Cluster::start(&["fsync=on", "max_connections=60"]))).await.unwrap();
    cluster.run("postgres", &["CREATE DATABASE desk"]).await;
    let store = PgStore::open(options(cluster.url("desk"))).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let writers: Vec<_> = (0..16).map(|_| tokio::spawn(load(store.clone(), stop.clone()))).collect();
    for signal in ["INT", "QUIT", "KILL"] {
        // Some more commits, then the restart, then some more: nothing is left to chance but the moment within a commit.
        let mut end = store.durable_seq();
        let seen = *end.borrow_and_update();
        timeout(PATIENCE, end.wait_for(|end| *end > seen + 100)).await.expect("it goes on").unwrap();
        let server = cluster.clone();
        tokio::task::spawn_blocking(move || {
            server.stop(signal);
            server.start_again();
        })
        .await
        .unwrap();
    }
    let mut end = store.durable_seq();
    let seen = *end.borrow_and_update();
    timeout(PATIENCE, end.wait_for(|end| *end > seen + 100)).await.expect("it goes on").unwrap();
    stop.cancel();
    let (mut accepted, mut refused) = (Vec::new(), Vec::new());
    for writer in writers {
        let (yes, no) = writer.await.unwrap();
        accepted.extend(yes);
        refused.extend(no);
    }
    accepted.sort_unstable();
    let mut there = ids(&*store, &TicketQuery::all(Scope::All), 200).await;
    there.sort_unstable();
    assert_eq!(there, accepted, "refused: {refused:?}");
    for id in &accepted {
        assert_eq!(store.count_entries(TicketId(*id), true).await.unwrap(), 1);
    }
    assert_eq!(*store.durable_seq().borrow(), i64::try_from(accepted.len()).unwrap());
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_question_whose_connection_was_lost_is_asked_again() {
    let database = Database::new().await;
    let store = open(&database).await;
    open_ticket(&*store).await;
    let mut other = database.connect().await;
    let log = EntryQuery { ticket: None, internal: true, from: From::After(0), limit: 9 };
    let page = Page { after: None, limit: 0 };
    for _ in 0..3 {
        for question in 0..3 {
            let cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
                       WHERE datname = current_database() AND application_name = 'taquilla'";
            execute(&mut other, cut).await;
            match question {
                0 => assert_eq!(store.entries(&log).await.unwrap().len(), 1),
                1 => assert_eq!(store.users(&UserQuery::default(), page).await.unwrap().rows.len(), 0),
                _ => assert_eq!(store.count_entries(TicketId(1), true).await.unwrap(), 1),
            }
        }
    }
}

async fn tables(database: &Database) -> Vec<String> {
    let mut connection = database.connect().await;
    let rows = sqlx::query("SELECT relname::text FROM pg_class WHERE relnamespace = to_regnamespace('taquilla') ORDER BY 1")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn every_step_of_the_schema_can_be_taken_back_and_applied_again() {
    let database = Database::empty().await;
    let url = Secret::new(database.url());
    let steps = migrate::status(&url).await.unwrap();
    assert!(!steps.is_empty() && steps.iter().all(|step| !step.applied));
    let strict = Options { auto_migrate: false, ..database.options() };
    let refused = PgStore::open(strict.clone()).await.err().expect("steps are pending").to_string();
    assert!(refused.contains("taquilla migrate up"), "{refused}");
    migrate::up(&url).await.unwrap();
    let whole = tables(&database).await;
    // Down one by one, and up again from each.
    for step in steps.iter().rev() {
        migrate::down(&url, step.version - 1).await.unwrap();
        let now = migrate::status(&url).await.unwrap();
        assert!(now.iter().all(|s| s.applied == (s.version < step.version)), "{now:?}");
        if step.version == 1 {
            assert_eq!(tables(&database).await, ["migrations", "migrations_pkey"], "something is left");
        }
        migrate::up(&url).await.unwrap();
        assert_eq!(tables(&database).await, whole);
        migrate::down(&url, step.version - 1).await.unwrap();
    }
    migrate::up(&url).await.unwrap();
    let store = PgStore::open(strict).await.unwrap();
    open_ticket(&*store).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let database = Database::new().await;
    let mut connection = database.connect().await;
    execute(&mut connection, "INSERT INTO taquilla.migrations VALUES (999, 'to come', now(), true, '', 0)").await;
    let refused = PgStore::open(database.options()).await.err().expect("it is newer").to_string();
    assert!(refused.contains("newer version") && refused.contains("999"), "{refused}");
}

#[tokio::test]
async fn a_lease_is_held_by_one_until_it_gives_it_back_or_is_gone() {
    let database = Database::new().await;
    let (one, other) = (open(&database).await, open(&database).await);
    assert!(one.lease("job", 1, 60).await.unwrap());
    assert!(one.lease("job", 1, 60).await.unwrap(), "it is renewed");
    assert!(!other.lease("job", 2, 60).await.unwrap());
    assert!(other.lease("another job", 2, 60).await.unwrap());
    assert!(one.lease("job", 1, 0).await.unwrap(), "it is given back");
    let mut connection = database.connect().await;
    execute(&mut connection, "UPDATE taquilla.leases SET expires_at = now() - interval '1 second' WHERE name = 'job'").await;
    assert!(other.lease("job", 2, 60).await.unwrap());
    assert!(!one.lease("job", 1, 60).await.unwrap());
    execute(&mut connection, "UPDATE taquilla.leases SET expires_at = now() - interval '1 second'").await;
    assert!(one.lease("job", 1, 60).await.unwrap(), "whoever had it is gone");
}

async fn finds_and_mends(connection: &mut PgConnection, url: &Secret, damage: &'static str) {
    execute(connection, damage).await;
    let found = fsck::fsck(url, true).await.unwrap();
    assert!(!found.problems.is_empty(), "{damage}");
    let mended = fsck::fsck(url, false).await.unwrap();
    assert!(mended.problems.is_empty(), "after {damage}: {:?}", mended.problems);
}

#[tokio::test]
async fn a_check_finds_what_does_not_agree_and_mends_it() {
    let database = Database::new().await;
    let url = Secret::new(database.url());
    let store = open(&database).await;
    for n in 0..12 {
        let ticket = open_ticket(&*store).await;
        for m in 0..n % 3 {
            add_comment(&*store, &ticket, &format!("word{n} {m}"), m == 1).await;
        }
    }
    let sound = fsck::fsck(&url, false).await.unwrap();
    assert_eq!((sound.tickets, sound.comments, sound.entries, &sound.problems[..]), (12, 12, 24, &[][..]));
    let mut connection = database.connect().await;
    for damage in [
        "UPDATE taquilla.tickets SET public_comments = 7 WHERE id = 3",
        "UPDATE taquilla.tickets SET due_at = now() WHERE id = 4",
        "DELETE FROM taquilla.search_new WHERE ticket_id = 5 AND comment_id = 0",
        "UPDATE taquilla.search_new SET internal = true WHERE ticket_id = 6 AND comment_id = 0",
        "INSERT INTO taquilla.figure_moves VALUES (1, 0, 0, 5, 0)",
        "DELETE FROM taquilla.figures; DELETE FROM taquilla.figure_moves",
    ] {
        finds_and_mends(&mut connection, &url, damage).await;
    }
    store.index_texts().await.unwrap();
    let edited = changed(&stored(&*store, TicketId(9)).await, |ticket| ticket.title = "other words".into());
    let gone = changed(&stored(&*store, TicketId(10)).await, |ticket| ticket.deleted_at = Some(at(99)));
    commit(&*store, Changes::new().update(edited).update(gone)).await;
    assert_eq!(fsck::fsck(&url, false).await.unwrap().problems, [""; 0]);
    for damage in [
        "DELETE FROM taquilla.search_stale",
        "DELETE FROM taquilla.search_kept WHERE ticket_id = 5 AND comment_id = 0",
        "DELETE FROM taquilla.search_kept WHERE ticket_id = 5; DELETE FROM taquilla.search_new WHERE ticket_id = 5",
        "DELETE FROM taquilla.search_index WHERE term = 'ticket'",
        "UPDATE taquilla.search_index SET tickets = '\\x' WHERE term = 'special'",
        "UPDATE taquilla.search_index SET tickets = tickets || '\\x0100' WHERE term = 'word7'",
        "INSERT INTO taquilla.search_index VALUES (0, 'nobody', 7, '\\x0100')",
        "UPDATE taquilla.search_index SET tickets = '\\x01'",
        "DELETE FROM taquilla.search_stretches",
        "UPDATE taquilla.search_stretches SET newest = '1970-01-01'",
    ] {
        finds_and_mends(&mut connection, &url, damage).await;
    }
    execute(&mut connection, "DELETE FROM taquilla.entries WHERE commit_nr = (SELECT min(commit_nr) FROM taquilla.entries)").await;
    assert!(fsck::fsck(&url, false).await.unwrap().problems[0].contains("log entries"));
}

/// The sequence goes back with a transaction that moved it.
#[tokio::test]
async fn an_id_that_came_with_a_row_is_never_drawn_also_when_its_first_commit_failed() {
    let database = Database::new().await;
    let store = open(&database).await;
    let fails = Changes::new().insert(Ticket { title: "a character that the server refuses: \0".into(), ..ticket(3) });
    assert!(store.commit(fails).await.is_err());
    commit(&*store, opened(&ticket(3))).await;
    assert_eq!(store.reserve(IdKind::Ticket).await.unwrap(), 4);
}
