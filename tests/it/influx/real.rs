//! Against real receivers: InfluxDB 1.x and VictoriaMetrics take what the worker sends, and give the figures of the API.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::{
    prelude::any,
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::{Value as Json, json};
use taquilla::{
    activity::model::{Action, Entry},
    auth::model::Actor,
    config::{InfluxApi, Influxdb},
    demo::ops::{self, SignIn, Wanted},
    metrics::{
        influx::{answer::Answer, backfill, target::Target},
        line_protocol::{Point, Slug, Value},
        schema::{Kind, SCHEMA},
    },
    tickets::model::Status,
    types::Timestamp,
};
use tokio_util::sync::CancellationToken;

use super::{Worker, for_ever, is_caught_up, open, settings, start_with, stub::Stub};
use crate::{
    people::log_after,
    support::{
        Client, Desk,
        servers::{InfluxDb, Victoria},
    },
};

/// How long a real receiver may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Nothing takes longer.
const DEADLINE: Duration = Duration::from_secs(120);

fn into(database: &InfluxDb) -> Influxdb {
    Influxdb { bucket: database.name.clone(), flush_seconds: 1, batch_lines: 5_000, ..settings(&database.url) }
}

/// Waits until a database has all there is to have: every entry, and the backlog of the last whole minute.
async fn complete(desk: &Desk, database: &InfluxDb) {
    let minute = 60_000_000_000;
    let last = desk.now().as_micros() * 1_000 / minute * minute;
    let query = format!("SELECT count(\"count\") FROM ticket_backlog WHERE time = {last}");
    let all = async { while !is_caught_up(desk).await || database.number(&query).await != 20 {} };
    tokio::time::timeout(DEADLINE, all).await.expect("all is pushed");
}

async fn pushed(desk: &Desk) -> (InfluxDb, Worker) {
    let database = InfluxDb::new().await;
    let worker = start_with(&desk.app, &into(&database), PATIENCE);
    complete(desk, &database).await;
    (database, worker)
}

/// The sums of `count` by the value of a tag.
async fn by_tag(database: &InfluxDb, measurement: &str, tag: &str) -> BTreeMap<String, i64> {
    let rows = database.ask(&format!("SELECT sum(\"count\") FROM {measurement} GROUP BY {tag}")).await;
    rows.iter().map(|(series, _, rows)| (series.rsplit_once('=').unwrap().1.to_owned(), rows[0][1].as_i64().unwrap())).collect()
}

/// The sums of `count` by UTC day, from the first day with one.
async fn by_day(database: &InfluxDb, measurement: &str) -> BTreeMap<String, i64> {
    let rows = database.ask(&format!("SELECT sum(\"count\") FROM {measurement} WHERE time > 0 GROUP BY time(1d)")).await;
    let counts = rows.iter().flat_map(|(_, _, rows)| rows).filter_map(|row| Some((day(row[0].as_i64()? / 1_000), row[1].as_i64()?)));
    counts.filter(|(_, count)| *count != 0).collect()
}

fn day(micros: i64) -> String {
    Timestamp::from_micros(micros).to_string()[..10].to_owned()
}

/// A series of the API, without its zeros.
fn series(of: &Json) -> BTreeMap<String, i64> {
    let days = of.as_array().unwrap().iter().map(|day| (day["timestamp"].as_str().unwrap().to_owned(), day["value"].as_i64().unwrap()));
    days.filter(|(_, value)| *value != 0).collect()
}

async fn mean_hours(database: &InfluxDb, measurement: &str) -> f64 {
    (database.number(&format!("SELECT mean(seconds) FROM {measurement}")).await.as_f64().unwrap() / 36.0).round() / 100.0
}

/// The backlog of the last whole minute by the value of a tag, only what is not 0.
async fn backlog_by(database: &InfluxDb, tag: &str) -> BTreeMap<String, i64> {
    let query = format!("SELECT sum(last) FROM (SELECT last(\"count\") FROM ticket_backlog GROUP BY status, priority) GROUP BY {tag}");
    let rows = database.ask(&query).await;
    rows.iter()
        .map(|(series, _, rows)| (series.rsplit_once('=').unwrap().1.to_owned(), rows[0][1].as_i64().unwrap()))
        .filter(|(_, count)| *count != 0)
        .collect()
}

/// Six days in the life of forty tickets, none of which comes back or is deleted.
async fn plain_history(desk: &Desk) -> (Client, Vec<Client>) {
    let eva = for_ever(&desk.user("eva").await).await;
    let agents = [for_ever(&desk.agent("ann").await).await, for_ever(&desk.agent("bob").await).await];
    for (n, minutes) in (0..40_usize).zip(30..) {
        let ticket = open(&eva, ["low", "medium", "high", "critical"][n % 4]).await;
        let agent = &agents[n % 3 / 2];
        let path = format!("/tickets/{ticket}");
        desk.advance(60 * minutes);
        if n % 5 != 4 {
            agent.patch(&format!("{path}/assign"), json!({ "assigned_agent_id": agent.id })).await.expect(200);
        }
        desk.advance(977);
        if n % 7 != 6 {
            agent.post(&format!("{path}/comments"), json!({ "content": "An answer" })).await.expect(201);
        }
        desk.advance(7_013);
        if n % 5 != 4 && n % 3 != 1 {
            agent.patch(&path, json!({ "status": "resolved" })).await.expect(200);
        }
        if n % 5 != 4 && n % 3 == 0 {
            agent.patch(&path, json!({ "status": "closed" })).await.expect(200);
        }
    }
    desk.advance(75);
    (eva, agents.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_in_which_nothing_comes_back_has_the_figures_of_the_api() {
    let desk = Desk::start().await;
    let (_, agents) = plain_history(&desk).await;
    let (database, _worker) = pushed(&desk).await;
    let ann = &agents[0];
    let dashboard = ann.get("/analytics/dashboard?days=30").await.expect(200);
    assert_eq!(by_day(&database, "ticket_created").await, series(&dashboard["tickets_over_time"]));
    assert!(series(&dashboard["tickets_over_time"]).len() >= 5, "{dashboard:#}");
    assert_eq!(by_day(&database, "ticket_resolved").await, series(&dashboard["resolved_over_time"]));
    assert_eq!(json!(mean_hours(&database, "ticket_resolved").await), dashboard["avg_resolution_time_hours"]);
    assert_eq!(json!(mean_hours(&database, "ticket_first_response").await), dashboard["avg_first_response_time_hours"]);
    for clock in ["first_response", "resolution"] {
        let sum = async |met: &str| {
            let query = format!("SELECT sum(\"count\") FROM ticket_sla WHERE clock = '{clock}' AND met = '{met}'");
            // No series is none.
            database.number(&query).await.as_i64().unwrap_or(0)
        };
        let sla = &dashboard["sla"][clock];
        assert_eq!((json!(sum("true").await), json!(sum("false").await)), (sla["met"].clone(), sla["breached"].clone()), "{clock}");
    }
    let resolved = by_tag(&database, "ticket_resolved", "agent").await;
    let rows = dashboard["top_agents"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let slug = Slug::of(row["agent_name"].as_str().unwrap());
        assert_eq!(json!(resolved[slug.as_str()]), row["resolved_tickets"], "{slug:?}");
    }
    let named = |of: &Json, suffix: &str| -> BTreeMap<String, i64> {
        let all = of.as_object().unwrap().iter().filter_map(|(key, value)| Some((key.strip_suffix(suffix)?.to_owned(), value.as_i64()?)));
        all.filter(|(key, value)| key != "total" && *value != 0).collect()
    };
    assert_eq!(backlog_by(&database, "status").await, named(&dashboard["ticket_stats"], "_tickets"));
    assert_eq!(backlog_by(&database, "priority").await, named(&dashboard["priority_stats"], ""));
    let backlog = ann.get("/analytics/backlog").await.expect(200);
    let last =
        |of: &str, tag: &str| format!("SELECT last({of}) FROM ticket_backlog_{tag} GROUP BY {}", if tag == "age" { "bucket" } else { tag });
    let ages: i64 = database.ask(&last("\"count\"", "age")).await.iter().map(|(_, _, rows)| rows[0][1].as_i64().unwrap()).sum();
    assert_eq!(json!(ages), backlog["active_tickets"]);
    let overdue: i64 = database.ask(&last("overdue", "agent")).await.iter().map(|(_, _, rows)| rows[0][1].as_i64().unwrap()).sum();
    assert_eq!(json!(overdue), backlog["overdue_tickets"]);
    assert!(overdue > 0 && ages > 0);
}

async fn whole_log(desk: &Desk) -> Vec<Entry> {
    let mut log: Vec<Entry> = Vec::new();
    loop {
        let page = log_after(desk, log.last().map_or(0, |entry| entry.seq)).await;
        if page.is_empty() {
            return log;
        }
        log.extend(page);
    }
}

async fn demo(tickets: u64) -> Desk {
    let desk = Desk::start().await;
    let wanted = Wanted { tickets, seed: 5, until: desk.now(), sign_in: SignIn::Nobody, beside: true };
    ops::fill(&desk.app, &Actor::cli(), &wanted, |_| {}).await.unwrap();
    desk.advance(75);
    desk
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_back_or_was_deleted_is_the_whole_difference_to_the_api() {
    let desk = demo(250).await;
    let (database, _worker) = pushed(&desk).await;
    let admin = desk.admin().await;
    let dashboard = admin.get("/analytics/dashboard?days=120").await.expect(200);
    let mut superseded = [BTreeMap::new(), BTreeMap::new()];
    let log = whole_log(&desk).await;
    let deleted: BTreeSet<_> = log.iter().filter(|entry| entry.action == Action::TicketDeleted).map(|entry| entry.ticket_id).collect();
    assert!(!log.iter().any(|entry| entry.action == Action::TicketRestored));
    let moves =
        |entry: &Entry, to: &dyn Fn(&str) -> bool| entry.changes.get("status").is_some_and(|[_, after]| after.as_str().is_some_and(to));
    for (place, entry) in log.iter().enumerate() {
        let gone = entry.ticket_id.is_some() && deleted.contains(&entry.ticket_id);
        let day = day(entry.at.as_micros());
        if entry.action == Action::TicketCreated && gone {
            *superseded[0].entry(day.clone()).or_insert(0) += 1;
        }
        if moves(entry, &|to| to == Status::Resolved.name()) && entry.action != Action::TicketCreated {
            let active = ["open", "in_progress", "pending"];
            let came_back =
                log[place + 1..].iter().any(|later| later.ticket_id == entry.ticket_id && moves(later, &|to| active.contains(&to)));
            if gone || came_back {
                *superseded[1].entry(day).or_insert(0) += 1;
            }
        }
    }
    assert!(superseded.iter().all(|days| !days.is_empty()), "the demo has both: {superseded:?}");
    for (measurement, name, without) in
        [("ticket_created", "tickets_over_time", &superseded[0]), ("ticket_resolved", "resolved_over_time", &superseded[1])]
    {
        let mut net = by_day(&database, measurement).await;
        for (day, count) in without {
            *net.get_mut(day).unwrap() -= count;
        }
        net.retain(|_, count| *count != 0);
        assert_eq!(net, series(&dashboard[name]), "{name}");
    }
    // The backlog knows what came back and what is gone.
    let stats = &dashboard["ticket_stats"];
    let open = backlog_by(&database, "status").await.values().sum::<i64>();
    assert_eq!(json!(open), stats["total_tickets"]);

    // Written again from the log, once and once more, nothing changes; an empty database gets the same.
    let digest = digest(&database).await;
    let target = Target::new(&into(&database), Some(PATIENCE)).unwrap().unwrap();
    let ever = (Timestamp::from_micros(0), desk.now());
    for _ in 0..2 {
        let filled = backfill::fill(&desk.app, &target, ever, &CancellationToken::new(), |_, _| {}).await.unwrap();
        assert!(filled.points > 50_000 && usize::try_from(filled.entries) == Ok(log.len()), "{filled:?}");
        assert_eq!(self::digest(&database).await, digest);
    }
    let empty = InfluxDb::new().await;
    let target = Target::new(&into(&empty), Some(PATIENCE)).unwrap().unwrap();
    backfill::fill(&desk.app, &target, ever, &CancellationToken::new(), |_, _| {}).await.unwrap();
    assert_eq!(self::digest(&empty).await, digest);
}

/// What a database holds: every field of every series, counted and summed.
async fn digest(database: &InfluxDb) -> Vec<String> {
    let all = database.ask("SELECT count(*), sum(*), max(*) FROM /ticket.*|comment.*/ GROUP BY *").await;
    assert!(all.len() > 50);
    all.into_iter().map(|(series, columns, rows)| format!("{series} {columns:?} {rows:?}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_text_a_tag_comes_from_it_is_accepted_and_read_back() {
    let database = InfluxDb::new().await;
    let target = Target::new(&into(&database), Some(PATIENCE)).unwrap().unwrap();
    let mut runner = TestRunner::deterministic();
    let strategy = (proptest::collection::vec(any::<String>(), 3), any::<i64>(), any::<f64>());
    let awkward = ["", "\n", "a\nb c=1 1", "tab\tcr\r", "back\\", "#x", "a,b=c d", "\"", "ñ", "張", "\u{202e}x", "'; DROP DATABASE x"];
    let (mut lines, mut expected) = (Vec::new(), BTreeMap::new());
    let mut slugs = BTreeSet::new();
    for (n, at) in (0..600_usize).zip(1_700_000_000_000_000_000..) {
        let (mut texts, integer, float) = strategy.new_tree(&mut runner).unwrap().current();
        if n < awkward.len() {
            texts = vec![awkward[n].to_owned(); 3];
        }
        let measurement = SCHEMA[n % SCHEMA.len()];
        let tags: Vec<Slug> = measurement.tags.iter().zip(&texts).map(|(_, text)| Slug::of(text)).collect();
        slugs.extend(tags.iter().map(|slug| slug.as_str().to_owned()));
        let fields = measurement.fields.iter().map(|(_, kind)| match kind {
            Kind::Integer => Value::Integer(integer),
            Kind::Float => Value::Float(float),
        });
        Point::new(measurement, at, tags, fields.collect()).write(&mut lines);
        *expected.entry(measurement.name).or_insert(0) += 1;
    }
    let text = String::from_utf8(lines.clone()).unwrap();
    assert_eq!(influxdb_line_protocol::parse_lines(&text).collect::<Result<Vec<_>, _>>().unwrap().len(), 600);
    let (answer, said) = target.send(&lines, Timestamp::from_micros(0)).await;
    assert_eq!(answer, Answer::Stored, "{said}");
    for (measurement, count) in expected {
        assert_eq!(database.number(&format!("SELECT count(\"count\") FROM {measurement}")).await, count, "{measurement}");
    }
    let mut read = BTreeSet::new();
    for tag in SCHEMA.iter().flat_map(|measurement| measurement.tags) {
        for (_, _, rows) in database.ask(&format!("SHOW TAG VALUES WITH KEY = \"{tag}\"")).await {
            read.extend(rows.iter().map(|row| row[1].as_str().unwrap().to_owned()));
        }
    }
    assert_eq!(read, slugs);
}

#[tokio::test(flavor = "multi_thread")]
async fn victoria_metrics_has_as_many_samples_by_either_address() {
    let desk = Desk::start().await;
    plain_history(&desk).await;
    let stub = Stub::start().await;
    let ever = (Timestamp::from_micros(0), desk.now());
    let fill = async |settings: Influxdb| {
        let target = Target::new(&settings, Some(PATIENCE)).unwrap().unwrap();
        backfill::fill(&desk.app, &target, ever, &CancellationToken::new(), |_, _| {}).await.unwrap().points
    };
    let points = fill(settings(&stub.url)).await;
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    for measurement in SCHEMA {
        for (field, _) in measurement.fields {
            expected.insert(format!("{}_{field}", measurement.name), stub.of(measurement.name).len());
        }
    }
    let victoria = Victoria::new();
    let v1 = Influxdb { bucket: victoria.name.clone(), ..settings(&victoria.url) };
    let v2 = Influxdb { api: InfluxApi::V2, org: Some("any".into()), ..v1.clone() };
    assert_eq!((fill(v1).await, fill(v2).await), (points, points));
    assert_eq!(victoria.samples(&format!("{{db=\"{}\"}}", victoria.name)).await, expected);
    assert_eq!(victoria.samples("{db=\"\",__name__=~\"(ticket|comment)_.*\"}").await, expected);
}
