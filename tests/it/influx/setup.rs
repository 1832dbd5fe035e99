//! `influx init`, `test` and `backfill`, as a process of their own.

use std::net::TcpListener;

use super::stub::{Reply, Stub};
use crate::{binary::Place, support::servers::InfluxDb};

const DEMO: [&str; 5] = ["demo", "--tickets=60", "--until=2026-10-01T00:00:00Z", "--seed=3", "--quiet"];

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_made_tried_and_filled_and_filling_it_again_changes_nothing() {
    let (place, database) = (Place::new(), InfluxDb::unused());
    let environment = [("TAQUILLA_INFLUXDB__URL", database.url.as_str()), ("TAQUILLA_INFLUXDB__BUCKET", database.name.as_str())];
    let run = |arguments: &[&str]| place.run_in(&environment, arguments);
    run(&DEMO).expect(0);
    run(&["influx", "test"]).expect(1).says("taquilla influx init");
    let backfill = ["--json", "influx", "backfill", "--since", "2026-01-01", "--until", "2026-10-02"];
    run(&backfill).expect(1).says("taquilla influx init");
    for _ in 0..2 {
        assert_eq!(run(&["--json", "influx", "init"]).expect(0).json()["bucket"], database.name);
    }
    run(&["influx", "test"]).expect(0);
    let first = run(&backfill).expect(0).json();
    let filled = database.dump().await;
    // The trial's point comes beside them.
    assert_eq!(first["points"].as_u64().unwrap() + 1, filled.len() as u64);
    assert_eq!(database.number("SELECT sum(\"count\") FROM ticket_created").await, 60);
    assert_eq!(run(&backfill).expect(0).json(), first);
    assert_eq!(database.dump().await, filled);
    // A part is just that part.
    let part = run(&["--json", "influx", "backfill", "--since=2026-09-01", "--until=2026-09-01T12:00:00Z"]).expect(0).json();
    assert!((1..1_000).contains(&part["points"].as_u64().unwrap()), "{part}");
    assert_eq!(database.dump().await, filled);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_by_its_key() {
    let (place, stub) = (Place::new(), Stub::start().await);
    let url = [("TAQUILLA_INFLUXDB__URL", stub.url.as_str())];
    place.run(&["influx", "test"]).expect(3).says("influxdb.url is not set");
    place.run_in(&[("TAQUILLA_INFLUXDB__URL", "localhost:8086")], &["influx", "test"]).expect(3).says("influxdb.url");
    let closed = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    for verb in ["init", "test"] {
        place.run_in(&[("TAQUILLA_INFLUXDB__URL", &closed)], &["influx", verb]).expect(1).says("look at influxdb.url").says("refused");
        stub.script([], Reply::Say(401, None, r#"{"error":"unable to parse authentication credentials"}"#));
        place.run_in(&url, &["influx", verb]).expect(1).says("influxdb.token").says("authentication credentials");
        stub.script([], Reply::Say(404, None, "page not found"));
        place.run_in(&url, &["influx", verb]).expect(1).says("page not found");
    }
    stub.script([], Reply::Say(400, None, "what is that?"));
    place.run_in(&url, &["influx", "test"]).expect(1).says("is that an address of InfluxDB?");
    for since in ["yesterday", "2026-13-01", ""] {
        place.run_in(&url, &["influx", "backfill", "--since", since]).expect(2).says("must be a day such as 2026-11-01");
    }
    place
        .run_in(&url, &["influx", "backfill", "--since=2026-02-01", "--until=2026-01-01"])
        .expect(2)
        .says("--until must lie after --since");
    place.run_in(&url, &["influx", "backfill", "--since=2026-02-01"]).expect(4).says("there is no storage");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_2_x_and_a_database_of_3_x_are_made_by_their_own_calls() {
    let place = Place::new();
    let stub = Stub::start().await;
    let base = [("TAQUILLA_INFLUXDB__URL", stub.url.as_str()), ("TAQUILLA_INFLUXDB__TOKEN", "abc")];
    let v2 = [&base[..], &[("TAQUILLA_INFLUXDB__ORG", "town")]].concat();
    let orgs = Reply::Say(200, None, r#"{"orgs":[{"id":"0a","name":"town"}]}"#);
    stub.script([orgs.clone(), Reply::Say(200, None, r#"{"buckets":[]}"#), Reply::Say(201, None, "{}")], Reply::Hang);
    place.run_in(&v2, &["influx", "init"]).expect(0);
    let asked: Vec<String> = stub.seen().iter().map(|seen| format!("{} {} {}", seen.method, seen.uri, seen.text)).collect();
    assert_eq!(
        asked,
        [
            "GET /api/v2/orgs?org=town ",
            "GET /api/v2/buckets?orgID=0a&name=taquilla ",
            r#"POST /api/v2/buckets {"name":"taquilla","orgID":"0a","retentionRules":[]}"#
        ]
    );
    assert!(stub.seen().iter().all(|seen| seen.headers["authorization"] == "Token abc"));
    stub.script([orgs, Reply::Say(200, None, r#"{"buckets":[{"id":"0b"}]}"#)], Reply::Hang);
    place.run_in(&v2, &["influx", "init"]).expect(0);
    stub.script([Reply::Say(404, None, r#"{"message":"organization name \"town\" not found"}"#)], Reply::Hang);
    place.run_in(&v2, &["influx", "init"]).expect(1).says("influxdb.org");

    let v3 = [&base[..], &[("TAQUILLA_INFLUXDB__API", "v3")]].concat();
    stub.script([Reply::Say(200, None, ""), Reply::Say(409, None, "there already")], Reply::Hang);
    for _ in 0..2 {
        place.run_in(&v3, &["influx", "init"]).expect(0);
        let seen = stub.seen().pop().unwrap();
        assert_eq!((seen.uri.path(), seen.text.as_str()), ("/api/v3/configure/database", r#"{"db":"taquilla"}"#));
        assert_eq!(seen.headers["authorization"], "Bearer abc");
    }
}
