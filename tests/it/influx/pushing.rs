//! What is sent, in which dialect, and what becomes of it when the receiver is away, overloaded or wrong.

use serde_json::json;
use taquilla::{
    config::{InfluxApi, Influxdb},
    metrics::influx::{setup::trial, target::Target},
    types::Secret,
};

use super::{
    caught_up, open, settings, some_events, start,
    stub::{Reply, Stub},
};
use crate::{people::eventually, support::Desk};

/// The lines without their times.
fn timeless(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| line.rsplit_once(' ').unwrap().0).collect()
}

#[tokio::test]
async fn events_become_the_points_of_the_table() {
    let (desk, stub) = (Desk::start().await, Stub::start().await);
    some_events(&desk).await;
    let _worker = start(&desk.app, &settings(&stub.url));
    caught_up(&desk).await;
    let ann = desk.agent("ann").await.id;
    assert_eq!(
        timeless(&stub.of("ticket_created")),
        ["ticket_created,channel=api,priority=high count=1i,ticket_id=1i", "ticket_created,channel=api,priority=low count=1i,ticket_id=2i"]
    );
    assert_eq!(
        timeless(&stub.of("ticket_status_change")),
        [
            "ticket_status_change,from=in_progress,priority=high,to=resolved count=1i,ticket_id=1i,seconds_in_from=120",
            "ticket_status_change,from=open,priority=high,to=in_progress count=1i,ticket_id=1i,seconds_in_from=60"
        ]
    );
    let assigned = format!("ticket_assigned,agent=ann-example,reason=claim count=1i,ticket_id=1i,assigned_by_id={ann}i");
    assert_eq!(timeless(&stub.of("ticket_assigned")), [assigned]);
    assert_eq!(
        timeless(&stub.of("ticket_first_response")),
        ["ticket_first_response,agent=ann-example,met=true,priority=high count=1i,seconds=120,ticket_id=1i"]
    );
    assert_eq!(
        timeless(&stub.of("ticket_resolved")),
        ["ticket_resolved,agent=ann-example,met=true,priority=high count=1i,seconds=180,reopens=0i,ticket_id=1i"]
    );
    assert_eq!(
        timeless(&stub.of("ticket_sla")),
        [
            "ticket_sla,clock=first_response,met=true,priority=high count=1i,ticket_id=1i",
            "ticket_sla,clock=resolution,met=true,priority=high count=1i,ticket_id=1i"
        ]
    );
    assert_eq!(
        timeless(&stub.of("comment_created")),
        [
            "comment_created,role=agent,visibility=internal count=1i,ticket_id=2i",
            "comment_created,role=agent,visibility=public count=1i,ticket_id=1i"
        ]
    );
    // After two minutes one ticket was under way, with its agent, and one waited.
    let backlog = stub.lines();
    let minute: Vec<&String> = backlog.iter().filter(|line| line.starts_with("ticket_backlog,")).collect();
    assert_eq!(minute.len() % 20, 0, "all combinations, zeros too");
    let two_minutes = "ticket_backlog,priority=high,status=in_progress count=1i 1772442120000000000";
    assert!(minute.iter().any(|line| *line == two_minutes), "{minute:#?}");
    assert!(backlog.contains(&"ticket_backlog_agent,agent=ann-example count=1i,overdue=0i 1772442120000000000".to_owned()));
    assert!(!backlog.iter().any(|line| line.contains("title") || line.contains("example.com")));
}

#[tokio::test]
async fn each_dialect_has_its_address_and_its_way_to_sign_in() {
    let desk = Desk::start().await;
    some_events(&desk).await;
    let token = || Some(Secret::new("a token"));
    let name = || Some("me".to_owned());
    for (api, org, token, username, path, authorization) in [
        (InfluxApi::Auto, None, None, None, "/write?db=taquilla&precision=ns", None),
        (InfluxApi::V1, None, None, name(), "/write?db=taquilla&precision=ns", Some("Basic bWU6bXkgb3du")),
        (InfluxApi::Auto, Some("a&b"), token(), None, "/api/v2/write?org=a%26b&bucket=taquilla&precision=ns", Some("Token a token")),
        (InfluxApi::V3, None, token(), None, "/api/v3/write_lp?db=taquilla&precision=nanosecond", Some("Bearer a token")),
    ] {
        let stub = Stub::start().await;
        let password = username.as_ref().map(|_| Secret::new("my own"));
        let settings = Influxdb { api, org: org.map(str::to_owned), token, username, password, ..settings(&stub.url) };
        let target = Target::new(&settings, None).unwrap().unwrap();
        trial(&target, desk.now()).await.unwrap();
        let seen = &stub.seen()[0];
        assert_eq!(seen.uri.to_string(), path);
        assert_eq!(seen.headers.get("authorization").map(|value| value.to_str().unwrap()), authorization);
        assert_eq!((seen.method.as_str(), seen.headers["content-encoding"].to_str().unwrap()), ("POST", "gzip"));
        assert!(seen.text.ends_with('\n') && !format!("{target:?}").contains("a token"), "{}", seen.text);
    }
}

#[tokio::test]
async fn an_outage_of_every_kind_loses_nothing_and_doubles_nothing() {
    let desk = Desk::start().await;
    let (good, bad) = (Stub::start().await, Stub::start().await);
    some_events(&desk).await;
    let worker = start(&desk.app, &settings(&good.url));
    caught_up(&desk).await;
    drop(worker);
    // The second desk has the same log, and a worse receiver.
    let mut far = Desk::start().await;
    some_events(&far).await;
    let say = |status| Reply::Say(status, None, "no");
    let script = [
        say(500),
        Reply::Say(429, Some("0"), "slow down"),
        Reply::Say(503, Some("Mon, 02 Mar 2026 08:00:00 GMT"), ""),
        Reply::Hang,
        Reply::StoreAndFail,
        Reply::StoreAndBreakOff,
        say(502),
        say(307),
    ];
    bad.script(script, Reply::Store);
    let settings = Influxdb { batch_lines: 7, ..settings(&bad.url) };
    let worker = start(&far.app, &settings);
    eventually("half of the script", async || (bad.seen().len() >= 4).then_some(())).await;
    far.anonymous().get("//health/ready").await.expect(200);
    drop(worker);
    far.restart().await;
    let _worker = start(&far.app, &settings);
    caught_up(&far).await;
    assert!(bad.script_is_over());
    assert_eq!(bad.lines(), good.lines(), "the same points, each once");
    assert!(bad.writes() > bad.lines().len(), "some were sent again");
}

#[tokio::test]
async fn a_refused_line_is_put_aside_and_the_others_are_stored() {
    let (desk, stub) = (Desk::start().await, Stub::start().await);
    some_events(&desk).await;
    stub.script([], Reply::StoreWithout("ticket_resolved"));
    let _worker = start(&desk.app, &settings(&stub.url));
    caught_up(&desk).await;
    assert_eq!((stub.of("ticket_resolved").len(), stub.of("ticket_created").len(), stub.of("ticket_sla").len()), (0, 2, 2));
    let report = desk.app.metrics.influx.report(0);
    // A plain line was tried as well.
    assert_eq!((report.points_rejected, report.points_written + 1), (1, stub.lines().len() as u64));
}

#[tokio::test]
async fn batches_that_are_too_large_are_halved() {
    let (desk, stub) = (Desk::start().await, Stub::start().await);
    some_events(&desk).await;
    stub.script([], Reply::StoreUpTo(9));
    let _worker = start(&desk.app, &settings(&stub.url));
    caught_up(&desk).await;
    let report = desk.app.metrics.influx.report(0);
    assert_eq!((report.points_rejected, report.points_written), (0, stub.lines().len() as u64));
    assert!(stub.seen().iter().any(|request| request.text.lines().count() > 9));
}

#[tokio::test]
async fn a_partly_stored_batch_is_counted_and_not_sent_again() {
    let (desk, stub) = (Desk::start().await, Stub::start().await);
    some_events(&desk).await;
    let partial = r#"{"error":"partial write: points beyond retention policy dropped=2"}"#;
    stub.script([Reply::Say(400, None, partial)], Reply::Store);
    let _worker = start(&desk.app, &settings(&stub.url));
    caught_up(&desk).await;
    let report = desk.app.metrics.influx.report(0);
    assert_eq!((report.points_dropped, report.points_rejected), (2, 0));
    let texts: Vec<String> = stub.seen().into_iter().map(|request| request.text).collect();
    assert!(!texts[1..].contains(&texts[0]));
}

#[tokio::test]
async fn what_somebody_has_to_mend_is_said_and_everything_is_kept_until_then() {
    let (desk, stub) = (Desk::start().await, Stub::start().await);
    some_events(&desk).await;
    let admin = desk.admin().await;
    let off = admin.get("/admin/status").await.expect(200);
    assert_eq!(off["influxdb"]["state"], "off");
    let _worker = start(&desk.app, &settings(&stub.url));
    for (reply, words) in [
        (Reply::Say(404, None, r#"{"error":"database not found: \"taquilla\""}"#), "taquilla influx init"),
        (Reply::Say(401, None, r#"{"error":"authorization failed"}"#), "token or the password"),
    ] {
        stub.script([], reply);
        open(&desk.user("eva").await, "low").await;
        eventually(words, async || {
            let status = admin.get("/admin/status").await.expect(200);
            let told = status["influxdb"]["last_error"]["message"].as_str().is_some_and(|message| message.contains(words));
            (told && status["influxdb"]["state"] == "failing").then_some(())
        })
        .await;
        let ready = desk.anonymous().get("//health/ready").await.expect(200);
        assert_eq!((&ready["status"], &ready["influxdb"]["state"]), (&json!("ready"), &json!("failing")));
        stub.script([], Reply::Store);
        caught_up(&desk).await;
        assert_eq!(admin.get("/admin/status").await.expect(200)["influxdb"]["state"], "ok");
    }
    assert_eq!(stub.of("ticket_created").len(), 4);
}

#[tokio::test]
async fn who_refuses_every_line_gets_them_all_when_that_is_mended() {
    let (desk, stub) = (Desk::start().await, Stub::start().await);
    some_events(&desk).await;
    stub.script([], Reply::Say(400, None, "what is that?"));
    let _worker = start(&desk.app, &settings(&stub.url));
    let state = async || {
        let ready = desk.anonymous().get("//health/ready").await.expect(200);
        (ready["influxdb"]["error"] == "refused").then_some(())
    };
    eventually("it is said", state).await;
    stub.script([], Reply::Store);
    caught_up(&desk).await;
    assert_eq!((stub.of("ticket_created").len(), desk.app.metrics.influx.report(0).points_rejected), (2, 0));
}
