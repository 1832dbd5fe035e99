//! Every panel over InfluxDB, with figures: the history of a desk is pushed by the desk's own worker into a real InfluxDB,
//! each panel's query runs there, and what it gives is what the log says and what the API's analytics say.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use taquilla::{
    auth::model::Actor,
    config::Influxdb,
    demo::ops::{self, SignIn, Wanted},
    types::TicketId,
};

use super::{
    Board, Panel, Target, all,
    expected::{Asked, Shown, expected},
    history::{Event, History},
    list, text,
};
use crate::{
    analytics_log::{Told, log},
    support::{Client, Desk, servers::InfluxDb},
};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// The series that a query gives: by the values of their tags, times in µs.
async fn ask(database: &InfluxDb, query: &str) -> Shown {
    let series = database.ask(query).await;
    let told = series.into_iter().map(|(name, _, rows)| {
        let tags: Vec<&str> = name.split(',').skip(1).map(|tag| tag.split_once('=').unwrap().1).collect();
        let values = rows.iter().filter_map(|row| Some((row[0].as_i64().unwrap() / 1_000, row[1].as_f64()?)));
        (tags.join(" "), values.collect())
    });
    told.collect()
}

/// What is chosen at the top of a board.
#[derive(Clone, Copy)]
struct Choice {
    agent: Option<&'static str>,
    priorities: Option<&'static [&'static str]>,
}

/// The steps of a panel.
fn interval(panel: Panel<'_>) -> &str {
    match panel.0["interval"].as_str() {
        // A minute is the least; with the widths of screens and of ranges it is more.
        None | Some("1m") => "1h",
        Some(interval) => interval,
    }
}

/// The range that a panel shows, when it is not the board's: so far in this week or month, and as long before.
fn range_of(panel: Panel<'_>, range: (i64, i64)) -> (i64, i64) {
    let Some(from) = panel.0["timeFrom"].as_str() else { return range };
    let now = jiff::Timestamp::from_microsecond(range.1).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
    let midnight = now.start_of_day().unwrap();
    let begin = match from {
        "now/w" => midnight.saturating_sub(jiff::Span::new().days(midnight.weekday().to_monday_zero_offset())),
        "now/M" => midnight.first_of_month().unwrap(),
        other => panic!("{other}"),
    };
    let shift = match panel.0["timeShift"].as_str() {
        None => jiff::Span::new(),
        Some("1w") => jiff::Span::new().weeks(1),
        Some("1M") => jiff::Span::new().months(1),
        Some(other) => panic!("{other}"),
    };
    let micros = |at: &jiff::Zoned| at.saturating_sub(shift).timestamp().as_microsecond();
    (micros(&begin), micros(&now))
}

/// A query as Grafana would send it.
fn expanded(panel: Panel<'_>, target: Target<'_>, (from, to): (i64, i64), choice: Choice) -> String {
    let pattern = |chosen: &[&str]| if let [one] = chosen { (*one).to_owned() } else { format!("({})", chosen.join("|")) };
    let agent = choice.agent.map_or_else(|| ".*".to_owned(), |agent| pattern(&[agent]));
    let priority = choice.priorities.map_or_else(|| ".*".to_owned(), pattern);
    let filter = format!("time >= {}ms and time <= {}ms", from / 1_000, to / 1_000);
    let query = target.query().replace("$timeFilter", &filter).replace("$__interval", interval(panel));
    let query = query.replace("$agent", &agent).replace("$priority", &priority);
    assert!(!query.trim_end_matches("$/").replace("$/", "").contains('$'), "{query}");
    query
}

/// Zeros of steps in which nothing happened do not matter, and single figures have no time.
fn tidy(shown: &Shown, is_over_time: bool) -> Shown {
    let tidy = |values: &BTreeMap<i64, f64>| -> BTreeMap<i64, f64> {
        if is_over_time {
            values.iter().filter(|(_, value)| **value != 0.0).map(|(at, value)| (*at, *value)).collect()
        } else {
            values.values().next_back().map(|value| (0, *value)).into_iter().collect()
        }
    };
    let tidied = shown.iter().map(|(key, values)| (key.clone(), tidy(values)));
    tidied.filter(|(_, values)| !values.is_empty()).collect()
}

/// Where two answers differ.
fn difference(shown: &Shown, wanted: &Shown) -> Option<String> {
    if shown.keys().ne(wanted.keys()) {
        return Some(format!("series {:?}, wanted {:?}", shown.keys(), wanted.keys()));
    }
    for (key, values) in wanted {
        let found = &shown[key];
        for at in values.keys().chain(found.keys()) {
            let (is, should) = (found.get(at).copied().unwrap_or(0.0), values.get(at).copied().unwrap_or(0.0));
            if (is - should).abs() > 1e-6 * should.abs().max(1.0) {
                return Some(format!("{key:?} at {at}: {is}, wanted {should}"));
            }
        }
    }
    None
}

/// A desk whose history is in an InfluxDB.
struct Pushed {
    desk: Desk,
    database: InfluxDb,
    history: History,
    minutes: Vec<i64>,
    admin: Client,
}

impl Pushed {
    /// Starts a desk that pushes, lets `happen` happen, and waits until everything is there.
    async fn when(happen: impl AsyncFnOnce(&Desk)) -> Self {
        let database = InfluxDb::new().await;
        let mut desk = Desk::start_with(|config| config.auth.access_token_minutes = 1_440).await;
        happen(&desk).await;
        // The last minutes have passed, so that their backlog is due.
        desk.advance(300);
        desk.config.influxdb = Influxdb {
            url: Some(database.url.clone()),
            bucket: database.name.clone(),
            batch_lines: 5_000,
            flush_seconds: 1,
            ..Influxdb::default()
        };
        desk.restart().await;
        let admin = desk.admin().await;
        let mut names = BTreeMap::new();
        for user in admin.get("/users?limit=200").await.expect(200).as_array().unwrap() {
            names.insert(user["id"].as_i64().unwrap(), text(user, "full_name").to_owned());
        }
        let last_minute = (desk.now().as_micros() - 30 * SECOND).div_euclid(60 * SECOND) * 60 * SECOND;
        let of_points = r#"FROM "ticket_backlog" WHERE "status" = 'open' AND "priority" = 'low'"#;
        let last = format!("SELECT last(\"count\") {of_points}");
        let wait = async {
            // Not at once again: the server has the points to take meanwhile.
            let mut times = tokio::time::interval(Duration::from_millis(100));
            while ask(&database, &last).await.values().all(|last| last.keys().next_back() < Some(&last_minute)) {
                times.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(300), wait).await.expect("everything is pushed");
        let there = ask(&database, &format!("SELECT \"count\" {of_points}")).await;
        let minutes = there[""].keys().copied().collect();
        let history = History::new(log(&desk).await, names);
        Self { desk, database, history, minutes, admin }
    }

    /// Runs every panel of every board, compares it with the log, and gives what it shows.
    async fn run(&self, range: (i64, i64), choice: Choice, may_be_empty: bool) -> BTreeMap<(String, String, String), Shown> {
        let (mut answers, mut wrong) = (BTreeMap::new(), Vec::new());
        let boards = all();
        for board in boards.iter().filter(|board| !board.is_of_prometheus()) {
            for panel in board.panels() {
                let range = range_of(panel, range);
                for target in panel.targets() {
                    let query = expanded(panel, target, range, choice);
                    let is_over_time = query.contains("GROUP BY time(");
                    let minutes = &self.minutes;
                    let Choice { agent, priorities } = choice;
                    let asked = Asked { history: &self.history, range, agent, priorities, minutes };
                    let wanted = tidy(&expected(panel.title(), target.reference(), &asked), is_over_time);
                    let name = format!("{} / {} {}", board.name, panel.title(), target.reference());
                    let shown = tidy(&ask(&self.database, &query).await, is_over_time);
                    if shown.is_empty() && !may_be_empty {
                        wrong.push(format!("{name} shows nothing\n  {query}"));
                    }
                    if let Some(difference) = difference(&shown, &wanted) {
                        wrong.push(format!("{name}: {difference}\n  {query}"));
                    }
                    answers.insert((board.name.clone(), panel.title().to_owned(), target.reference().to_owned()), shown);
                }
            }
        }
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), answers.len() + wrong.len(), wrong.join("\n"));
        answers
    }
}

/// What the panels have shown.
struct Answers(BTreeMap<(String, String, String), Shown>);

impl Answers {
    fn series(&self, board: &str, title: &str, reference: &str) -> &Shown {
        &self.0[&(board.to_owned(), title.to_owned(), reference.to_owned())]
    }

    /// A single figure, of the series with this key.
    fn figure(&self, board: &str, title: &str, reference: &str, key: &str) -> f64 {
        self.series(board, title, reference).get(key).and_then(|values| values.get(&0)).copied().unwrap_or(0.0)
    }
}

/// Whether a figure is the API's, when so many of it are not the API's any more.
#[track_caller]
fn same(what: &str, shown: f64, told: &Value, undone: usize) {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    let told = told.as_i64().unwrap_or_else(|| panic!("{what}: {told}")) as f64 + undone as f64;
    assert!((shown - told).abs() < 1e-9, "{what}: {shown} in the panel, {told} by the API");
}

/// Compares what the panels show with what the API's analytics say of the same days.
async fn agree_with_the_api(pushed: &Pushed, answers: &Answers, days: i64) {
    let now = pushed.history.now();
    let dashboard = pushed.admin.get(&format!("/analytics/dashboard?days={days}")).await.expect(200);
    let performance = pushed.admin.get(&format!("/analytics/performance?days={days}")).await.expect(200);
    let backlog = pushed.admin.get("/analytics/backlog").await.expect(200);
    let undone = |measurement: &str, belongs: &dyn Fn(&Event) -> bool| {
        let events = pushed.history.events.iter().filter(|event| event.measurement == measurement && belongs(event));
        events.filter(|event| !History::stands(event, &now)).count()
    };
    let all = |_: &Event| true;

    // Of now.
    same("active", answers.figure("overview", "Active tickets", "A", ""), &backlog["active_tickets"], 0);
    same("overdue", answers.figure("overview", "Overdue tickets", "A", ""), &backlog["overdue_tickets"], 0);
    same("unassigned", answers.figure("overview", "Unassigned tickets", "A", ""), &backlog["unassigned_tickets"], 0);
    for status in ["open", "in_progress", "pending", "resolved", "closed"] {
        let told = &dashboard["ticket_stats"][format!("{status}_tickets")];
        same(status, answers.figure("overview", "Tickets by status", "A", status), told, 0);
    }
    for age in list(&backlog, "ages") {
        same(text(age, "bucket"), answers.figure("backlog", "Backlog by age", "A", text(age, "bucket")), &age["tickets"], 0);
    }
    for priority in ["low", "medium", "high", "critical"] {
        let active = pushed.admin.get(&format!("/tickets?status=open,in_progress,pending&priority={priority}&limit=1")).await;
        let told: Value = active.header("x-total-count").parse::<i64>().unwrap().into();
        same(priority, answers.figure("overview", "Active tickets by priority", "A", priority), &told, 0);
    }
    for agent in list(&performance, "agents") {
        let tag = pushed.history.agent(agent["agent_id"].as_i64());
        same(&tag, answers.figure("overview", "Tickets per agent", "A", &tag), &agent["open_tickets"], 0);
    }

    // Of these days.
    same_by_day(pushed, answers, &dashboard["tickets_over_time"], "A", "ticket_created", &now);
    same_by_day(pushed, answers, &dashboard["resolved_over_time"], "B", "ticket_resolved", &now);
    for (clock, what) in [("first_response", "First-response verdicts"), ("resolution", "Resolution verdicts")] {
        for (verdict, met, reference) in [("met", "true", "A"), ("breached", "false", "B")] {
            let gone = undone("ticket_sla", &|event| event.tag("clock") == clock && event.tag("met") == met);
            same(what, answers.figure("sla", what, reference, ""), &dashboard["sla"][clock][verdict], gone);
        }
    }
    let total = |title| answers.figure("overview", title, "A", "");
    same("resolutions", total("Resolved"), &performance["resolution"]["tickets"], undone("ticket_resolved", &all));

    // Times: of the events that still count they are the API's, of all of them the panel's.
    for (measurement, board, of, key) in [
        ("ticket_resolved", "overview", "resolution time", "resolution"),
        ("ticket_first_response", "sla", "first response time", "first_response"),
    ] {
        let shown = answers.figure(board, &format!("Mean {of}"), "A", "");
        let events: Vec<&Event> = pushed.history.events.iter().filter(|event| event.measurement == measurement).collect();
        let net: Vec<f64> = events.iter().filter(|event| History::stands(event, &now)).map(|event| event.seconds).collect();
        let gross: Vec<f64> = events.iter().map(|event| event.seconds).collect();
        let told = performance[key]["avg_time_hours"].as_f64().unwrap();
        assert!((mean(&gross) - shown).abs() < 1e-3, "{of}: {shown} in the panel, {} by the log", mean(&gross));
        assert!((mean(&net) / 3_600.0 - told).abs() <= 0.005_001, "{of}: {told} h by the API, {} s by the log", mean(&net));
        if net.len() == gross.len() {
            assert!((shown / 3_600.0 - told).abs() <= 0.005_001, "{of}: {shown} s in the panel, {told} h by the API");
            let median = answers.figure(board, &format!("Median {of}"), "A", "") / 3_600.0;
            let told = performance[key]["median_time_hours"].as_f64().unwrap();
            assert!((median - told).abs() <= told * 0.01 + 0.005_001, "{of}: a median of {median} h, {told} h by the API");
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred")]
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Compares day by day, but for what is undone.
fn same_by_day(pushed: &Pushed, answers: &Answers, told: &Value, reference: &str, measurement: &str, now: &BTreeMap<TicketId, Told>) {
    let shown = answers.series("overview", "Created and resolved", reference);
    for day in told.as_array().unwrap() {
        let midnight: jiff::Timestamp = format!("{}T00:00:00Z", text(day, "timestamp")).parse().unwrap();
        let midnight = midnight.as_microsecond();
        let events = pushed.history.events.iter().filter(|event| event.measurement == measurement);
        let on_day = events.filter(|event| event.at.div_euclid(DAY) == midnight.div_euclid(DAY));
        let gone = on_day.filter(|event| !History::stands(event, now)).count();
        let value = shown.get("").and_then(|days| days.get(&midnight)).copied().unwrap_or(0.0);
        same(&format!("{measurement} on {}", text(day, "timestamp")), value, &day["value"], gone);
    }
}

/// The whole days up to now.
fn last_days(desk: &Desk, days: i64) -> (i64, i64) {
    let now = desk.now().as_micros();
    (now.div_euclid(DAY) * DAY - (days - 1) * DAY, now)
}

const EVERYTHING: Choice = Choice { agent: None, priorities: None };

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_shows_the_demo_as_the_log_and_the_analytics_tell_it() {
    let pushed = Pushed::when(async |desk| {
        // A Thursday, so that there is something in this week and in this month.
        desk.advance(3 * 86_400 + 6 * 3_600);
        let wanted = Wanted { tickets: 150, seed: 3, until: desk.now(), sign_in: SignIn::Nobody, beside: false };
        ops::fill(&desk.app, &Actor::cli(), &wanted, |_| {}).await.unwrap();
    })
    .await;
    let days = 92;
    let range = last_days(&pushed.desk, days);
    let answers = Answers(pushed.run(range, EVERYTHING, false).await);
    assert!(answers.0.len() >= 70, "{}", answers.0.len());
    agree_with_the_api(&pushed, &answers, days).await;
    let now = pushed.history.now();
    let undone = pushed.history.events.iter().filter(|event| !History::stands(event, &now)).count();
    assert!(undone > 0, "the demo has tickets that were reopened or deleted");
    // What is chosen at the top counts, and the range does.
    let choice = Choice { agent: Some("eva-okafor"), priorities: Some(&["high", "critical"]) };
    pushed.run(last_days(&pushed.desk, 20), choice, true).await;
    let choice = Choice { agent: Some("marco-bianchi"), priorities: Some(&["low"]) };
    pushed.run((range.0 + 3 * 3_600 * SECOND, range.1 - 5 * DAY), choice, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_reopened_and_deleted_tickets_panels_and_analytics_are_equal() {
    let pushed = Pushed::when(a_plain_week).await;
    let now = pushed.history.now();
    assert!(pushed.history.events.iter().all(|event| History::stands(event, &now)));
    let answers = Answers(pushed.run(last_days(&pushed.desk, 7), EVERYTHING, true).await);
    agree_with_the_api(&pushed, &answers, 7).await;
    let dashboard = pushed.admin.get("/analytics/dashboard?days=7").await.expect(200);
    for agent in list(&dashboard, "top_agents") {
        let tag = pushed.history.agent(agent["agent_id"].as_i64());
        same(&tag, answers.figure("agents", "Resolved by agent", "A", &tag), &agent["resolved_tickets"], 0);
        let hours = answers.figure("agents", "Mean resolution time by agent", "A", &tag) / 3_600.0;
        let told = agent["avg_resolution_time_hours"].as_f64().unwrap_or(0.0);
        assert!((hours - told).abs() <= 0.005_001, "{tag}: {hours} h in the panel, {told} h by the API");
    }
    assert!(list(&dashboard, "top_agents").len() == 2);
}

/// Five days of work in which nothing is undone.
async fn a_plain_week(desk: &Desk) {
    for day in 0..5 {
        let (eva, ann, ben) = (desk.user("eva").await, desk.agent("ann").await, desk.agent("ben").await);
        let mut opened = Vec::new();
        for priority in ["low", "medium", "high", "critical", "medium"] {
            let new = json!({ "title": "It does not work", "description": "Since today.", "priority": priority });
            opened.push(eva.post("/tickets", new).await.expect(201)["id"].as_i64().unwrap());
            desk.advance(17 * 60);
        }
        for (turn, ticket) in opened.iter().enumerate() {
            let agent = if (turn + day) % 2 == 0 { &ann } else { &ben };
            // The last one of each day waits for somebody.
            if turn == 4 {
                continue;
            }
            agent.patch(&format!("/tickets/{ticket}/assign"), json!({ "assigned_agent_id": agent.id })).await.expect(200);
            desk.advance(23 * 60 + 7);
            agent.post(&format!("/tickets/{ticket}/comments"), json!({ "content": "Try this." })).await.expect(201);
            desk.advance(31 * 60);
            let status = if turn == 3 { "pending" } else { "resolved" };
            agent.patch(&format!("/tickets/{ticket}"), json!({ "status": status })).await.expect(200);
        }
        desk.advance(18 * 3_600);
    }
}

/// The boards over InfluxDB, to be sure that there are some.
#[test]
fn five_boards_are_over_influxdb() {
    assert_eq!(all().iter().filter(|board| !Board::is_of_prometheus(board)).count(), 5);
}
