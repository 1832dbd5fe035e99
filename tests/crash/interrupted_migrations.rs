//! P3 on PostgreSQL: a process that dies anywhere in the steps of the schema, forwards or backwards, never blocks the next
//! start. The server itself says where it stands: a trigger of the test's own stalls the step after its n-th statement.

use std::process::Stdio;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{
    ONE_AT_A_TIME,
    api::people,
    desk::{Desk, Storage, Work, command, fsck},
    rng::Rng,
    server::Server,
    setting, tell,
};

/// Stalls whoever is at the statement whose number is in `stall_at`, until the lock 4711 is let go.
const TRIGGER: &[&str] = &[
    "CREATE TABLE stall_at (n bigint)",
    "INSERT INTO stall_at VALUES (0)",
    "CREATE SEQUENCE statements",
    "CREATE FUNCTION stall() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
     IF nextval('public.statements') = (SELECT n FROM public.stall_at) THEN PERFORM pg_advisory_lock(4711); END IF; END $$",
    "CREATE EVENT TRIGGER stall ON ddl_command_end EXECUTE FUNCTION stall()",
];

async fn ask(connection: &mut PgConnection, sql: String) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await.unwrap()
}

/// How many statements all steps have, up and down.
async fn statements(server: &Server) -> (i64, i64) {
    let storage = server.database("counted", Some("stalling")).await;
    let count = async |arguments: &[&str]| {
        assert!(command(&storage).args(arguments).stdout(Stdio::null()).status().unwrap().success(), "{arguments:?}");
        let mut connection = server.connect("counted").await;
        let passed = ask(&mut connection, "SELECT last_value FROM statements".into()).await;
        ask(&mut connection, "SELECT setval('statements', 1, false)".into()).await;
        connection.close().await.unwrap();
        passed
    };
    let up = count(&["migrate", "up"]).await;
    let down = count(&["migrate", "down", "--to", "0"]).await;
    (up, down)
}

/// Kills a process at the n-th statement; sometimes the server goes on for a while without it, sometimes it does not.
async fn interrupt(server: &Server, database: &str, storage: &Storage, n: i64, arguments: &[&str], at_once: bool) {
    let mut holder = server.connect(database).await;
    ask(&mut holder, "SELECT 1::bigint FROM (SELECT pg_advisory_lock(4711)) AS held".into()).await;
    ask(&mut holder, "SELECT setval('statements', 1, false)".into()).await;
    ask(&mut holder, format!("UPDATE stall_at SET n = {n} RETURNING n")).await;
    let mut child = command(storage).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let stalled = server.waiting(database, "advisory").await;
    child.kill().unwrap();
    child.wait().unwrap();
    ask(&mut holder, "UPDATE stall_at SET n = 0 RETURNING n".into()).await;
    if at_once {
        ask(&mut holder, format!("SELECT pg_terminate_backend({stalled})::int::bigint")).await;
    }
    holder.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_interrupted_anywhere_does_not_block_the_next_start() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let times = setting("TAQUILLA_CRASH_MIGRATIONS", 4);
    if times == 0 {
        return;
    }
    let mut rng = Rng::for_rig("interrupted migrations");
    let (work, server) = (Work::new(), Server::start().await);
    let log = work.path("desk.log");
    server.database("stalling", None).await;
    server.run("stalling", TRIGGER).await;
    let (up, down) = statements(&server).await;
    for time in 1..=times {
        let database = format!("desk_{time}");
        let storage = server.database(&database, Some("stalling")).await;
        let backwards = time % 3 == 0;
        // The first and the last statement, and others between them.
        let most = if backwards { down } else { up };
        let n = match time {
            1 => 1,
            2 => most,
            _ => i64::try_from(rng.between(1, most.unsigned_abs())).unwrap(),
        };
        if backwards {
            assert!(command(&storage).args(["migrate", "up"]).stdout(Stdio::null()).status().unwrap().success());
            interrupt(&server, &database, &storage, n, &["migrate", "down", "--to", "0"], rng.chance(50)).await;
        } else {
            interrupt(&server, &database, &storage, n, &["serve", "--listen", "127.0.0.1:0"], rng.chance(50)).await;
        }
        let mut desk = Desk::spawn(&storage, &log, None);
        if let Err(why) = desk.ready().await {
            panic!("not after statement {n} of {most} (backwards: {backwards}): {why}\n{}", desk.log_tail());
        }
        if time <= 2 {
            people(&desk).await;
        }
        assert!(desk.stop().success());
        fsck(&storage, &log);
    }
    tell(&format!("interrupted migrations: {times}, of {up} statements up and {down} down; every next start worked"));
}
