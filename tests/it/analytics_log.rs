//! Every figure of analytics, rebuilt from the activity log alone after a random history, must be what the API shows.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};
use taquilla::{
    activity::model::{Action, Entry},
    store::{EntryQuery, From},
    types::{TicketId, Timestamp},
};

use crate::support::{Client, Desk};

const STATUSES: [&str; 5] = ["open", "in_progress", "pending", "resolved", "closed"];
const PRIORITIES: [&str; 4] = ["low", "medium", "high", "critical"];
const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// A ticket as the log tells it: its fields by name, and the day and result of each verdict.
#[derive(Default)]
pub struct Told {
    fields: BTreeMap<String, Value>,
    verdicts: BTreeMap<&'static str, (i64, bool)>,
    pub created_at: i64,
}

impl Told {
    pub fn take(&mut self, entry: &Entry) {
        self.created_at = entry.facts.created_at.unwrap().as_micros();
        for (field, [_, after]) in &entry.changes {
            for clock in ["sla.first_response", "sla.resolution"] {
                if field == clock && (after == "met" || after == "breached") {
                    self.verdicts.insert(clock, (day(entry.at.as_micros()), after == "met"));
                }
            }
            self.fields.insert(field.to_string(), after.clone());
        }
        assert_eq!(self.fields["status"], json!(entry.facts.status), "facts and changes agree");
    }

    pub fn text(&self, field: &str) -> &str {
        self.fields.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    fn instant(&self, field: &str) -> Option<i64> {
        self.text(field).parse::<Timestamp>().ok().map(Timestamp::as_micros)
    }

    pub fn agent(&self) -> Option<i64> {
        self.fields.get("assigned_agent_id").and_then(Value::as_i64)
    }

    pub fn is_live(&self) -> bool {
        self.text("deleted_at").is_empty()
    }

    pub fn is_active(&self) -> bool {
        !["resolved", "closed"].contains(&self.text("status"))
    }

    pub fn resolved_at(&self) -> Option<i64> {
        self.instant("resolved_at").filter(|_| !self.is_active())
    }

    pub fn is_overdue(&self, now: i64) -> bool {
        let clocks = [("sla.first_response", "first_response_due_at"), ("sla.resolution", "resolution_due_at")];
        self.is_active()
            && clocks.iter().any(|(clock, due)| self.text(clock) == "running" && self.instant(due).is_some_and(|due| due < now))
    }
}

fn day(micros: i64) -> i64 {
    micros.div_euclid(DAY)
}

/// The whole log, oldest first.
pub async fn log(desk: &Desk) -> Vec<Entry> {
    let mut log: Vec<Entry> = Vec::new();
    loop {
        let from = From::After(log.last().map_or(0, |entry| entry.seq));
        let more = desk.app.store.entries(&EntryQuery { ticket: None, internal: true, from, limit: 200 }).await.unwrap();
        if more.is_empty() {
            return log;
        }
        log.extend(more);
    }
}

/// All live tickets, from the log.
async fn told(desk: &Desk) -> Vec<Told> {
    let mut tickets: BTreeMap<TicketId, Told> = BTreeMap::new();
    for entry in log(desk).await.iter().filter(|entry| entry.action.name().starts_with("ticket.")) {
        tickets.entry(entry.ticket_id.unwrap()).or_default().take(entry);
    }
    tickets.into_values().filter(Told::is_live).collect()
}

/// Mean, median and p90 in hours.
fn summary(mut took: Vec<i64>) -> [Option<f64>; 3] {
    took.sort_unstable();
    let Some(last) = took.len().checked_sub(1) else { return [None; 3] };
    #[expect(clippy::cast_precision_loss, reason = "waits of days in µs are exact in an f64")]
    let hours: Vec<f64> = took.iter().map(|micros| *micros as f64 / HOUR as f64).collect();
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ranks are small")]
    let quantile = |q: f64| {
        let rank = q * last as f64;
        let (low, high) = (hours[rank.floor() as usize], hours[rank.ceil() as usize]);
        low + (high - low) * rank.fract()
    };
    #[expect(clippy::cast_precision_loss, reason = "few")]
    let mean = hours.iter().sum::<f64>() / hours.len() as f64;
    [Some(mean), Some(quantile(0.5)), Some(quantile(0.9))]
}

/// Whether hours are shown as they are: two decimals, quantiles within 1 %.
#[track_caller]
fn same_hours(what: &str, shown: &Value, exact: Option<f64>, tolerance: f64) {
    let same = match (shown.as_f64(), exact) {
        (Some(shown), Some(exact)) => (shown - exact).abs() <= exact * tolerance + 0.005_001,
        (None, None) => shown.is_null(),
        _ => false,
    };
    assert!(same, "{what}: {shown} instead of {exact:?}");
}

fn count(tickets: &[Told], belongs: impl Fn(&Told) -> bool) -> usize {
    tickets.iter().filter(|ticket| belongs(ticket)).count()
}

/// The part of the figures that does not lie in the days asked for.
fn check_now(shown: &Value, tickets: &[Told]) {
    let mut stats = json!({ "total_tickets": tickets.len() });
    for status in STATUSES {
        stats[format!("{status}_tickets")] = count(tickets, |t| t.text("status") == status).into();
    }
    assert_eq!(shown["ticket_stats"], stats);
    let priorities = PRIORITIES.map(|priority| (priority.to_owned(), json!(count(tickets, |t| t.text("priority") == priority))));
    assert_eq!(shown["priority_stats"], Value::Object(priorities.into_iter().collect()));
}

struct Window {
    first: i64,
    last: i64,
}

impl Window {
    fn has(&self, at: Option<i64>) -> bool {
        at.is_some_and(|at| (self.first..=self.last).contains(&day(at)))
    }

    fn series(&self, tickets: &[Told], at: impl Fn(&Told) -> Option<i64>) -> Vec<usize> {
        (self.first..=self.last).map(|wanted| count(tickets, |t| at(t).is_some_and(|at| day(at) == wanted))).collect()
    }

    /// How long the tickets took that `at` happened to in these days.
    fn took(&self, tickets: &[Told], at: impl Fn(&Told) -> Option<i64>) -> Vec<i64> {
        tickets.iter().filter(|t| self.has(at(t))).map(|t| at(t).unwrap() - t.created_at).collect()
    }

    fn verdicts(&self, tickets: &[Told], clock: &str) -> Value {
        let n = |met: bool| {
            count(tickets, |t| t.verdicts.get(clock).is_some_and(|(day, was)| *was == met && (self.first..=self.last).contains(day)))
        };
        json!({ "met": n(true), "breached": n(false) })
    }
}

fn answered_at(ticket: &Told) -> Option<i64> {
    ticket.instant("first_response_at")
}

fn check_agent(row: &Value, tickets: &[Told], window: &Window) {
    let id = row["agent_id"].as_i64().unwrap();
    let theirs = |t: &Told| t.agent() == Some(id);
    let counts = [
        ("assigned_tickets", count(tickets, theirs)),
        ("open_tickets", count(tickets, |t| theirs(t) && t.is_active())),
        ("resolved_tickets", count(tickets, |t| theirs(t) && t.resolved_at().is_some())),
    ];
    for (name, expected) in counts {
        if let Some(shown) = row.get(name) {
            assert_eq!(*shown, expected, "{name} of agent {id}");
        }
    }
    let mean = |at: fn(&Told) -> Option<i64>| summary(window.took(tickets, |t| at(t).filter(|_| theirs(t))))[0];
    same_hours("resolution", &row["avg_resolution_time_hours"], mean(Told::resolved_at), 0.0);
    if let Some(shown) = row.get("avg_first_response_time_hours") {
        same_hours("first response", shown, mean(answered_at), 0.0);
    }
}

/// Compares every figure of every call.
async fn check(desk: &Desk, admin: &Client, agents: &[i64]) {
    let tickets = told(desk).await;
    let now = desk.now().as_micros();
    for days in [1, 7, 30, 365] {
        let window = Window { first: day(now) - days + 1, last: day(now) };
        let shown = admin.get(&format!("/analytics/dashboard?days={days}")).await.expect(200);
        check_now(&shown, &tickets);
        let series = |name: &str| shown[name].as_array().unwrap().iter().map(|p| usize::try_from(p["value"].as_u64().unwrap()).unwrap());
        assert!(series("tickets_over_time").eq(window.series(&tickets, |t| Some(t.created_at))));
        assert!(series("resolved_over_time").eq(window.series(&tickets, Told::resolved_at)));
        let (resolution, answers) = (window.took(&tickets, Told::resolved_at), window.took(&tickets, answered_at));
        let [mean, median, p90] = summary(resolution.clone());
        same_hours("mean", &shown["avg_resolution_time_hours"], mean, 0.0);
        same_hours("median", &shown["median_resolution_time_hours"], median, 0.01);
        same_hours("p90", &shown["p90_resolution_time_hours"], p90, 0.01);
        same_hours("first response", &shown["avg_first_response_time_hours"], summary(answers.clone())[0], 0.0);
        let (first, last) = (window.verdicts(&tickets, "sla.first_response"), window.verdicts(&tickets, "sla.resolution"));
        assert_eq!(shown["sla"], json!({ "first_response": first, "resolution": last }));

        let further = admin.get(&format!("/analytics/performance?days={days}")).await.expect(200);
        for (part, took, sla) in [("first_response", answers, first), ("resolution", resolution, last)] {
            let shown = &further[part];
            assert_eq!((&shown["tickets"], &shown["sla"]), (&json!(took.len()), &sla), "{part}");
            for (name, (exact, tolerance)) in ["avg", "median", "p90"].iter().zip(summary(took).into_iter().zip([0.0, 0.01, 0.01])) {
                same_hours(part, &shown[format!("{name}_time_hours")], exact, tolerance);
            }
        }
        let named: Vec<i64> = shown["top_agents"].as_array().unwrap().iter().map(|row| row["agent_id"].as_i64().unwrap()).collect();
        let mut expected: Vec<i64> = agents.iter().copied().filter(|id| tickets.iter().any(|t| t.agent() == Some(*id))).collect();
        let resolved = |id: i64| count(&tickets, |t| t.agent() == Some(id) && t.resolved_at().is_some());
        expected.sort_by_key(|id| (std::cmp::Reverse(resolved(*id)), std::cmp::Reverse(count(&tickets, |t| t.agent() == Some(*id))), *id));
        assert_eq!(named, expected);
        for row in [&shown["top_agents"], &further["agents"]].into_iter().flat_map(|rows| rows.as_array().unwrap()) {
            check_agent(row, &tickets, &window);
        }
        for id in agents {
            let row = admin.get(&format!("/analytics/agent/{id}?days={days}")).await.expect(200);
            check_agent(&row, &tickets, &window);
        }
    }
    let active: Vec<Told> = tickets.into_iter().filter(Told::is_active).collect();
    let shown = admin.get("/analytics/backlog").await.expect(200);
    let older = |hours: i64| count(&active, |t| t.created_at <= now - hours * HOUR);
    let (limits, mut ages) = ([4, 24, 72, 168, 720].map(older), Vec::new());
    for (older, next) in [active.len()].into_iter().chain(limits).zip(limits.into_iter().chain([0])) {
        ages.push(older - next);
    }
    assert_eq!(shown["ages"].as_array().unwrap().iter().map(|age| age["tickets"].clone()).collect::<Vec<_>>(), ages);
    let counts = (active.len(), count(&active, |t| t.is_overdue(now)), count(&active, |t| t.agent().is_none()));
    assert_eq!(
        (&shown["active_tickets"], &shown["overdue_tickets"], &shown["unassigned_tickets"]),
        (&json!(counts.0), &json!(counts.1), &json!(counts.2))
    );
    assert_eq!(shown["oldest_created_at"], json!(active.iter().map(|t| t.created_at).min().map(Timestamp::from_micros)));
}

/// By an API token, which does not expire while days go by.
async fn lasting(client: Client) -> Client {
    let token = client.post("/auth/tokens", json!({ "name": "test" })).await.expect(201)["token"].as_str().unwrap().to_owned();
    client.with_token(token)
}

/// Does something; what the ticket's state forbids is left undone.
async fn act(desk: &Desk, people: &[Client; 5], tickets: &mut Vec<i64>, (what, which, how): (u8, u16, u16)) {
    let [admin, eva, agents @ ..] = people;
    let (n, agent) = (usize::from(how), &agents[usize::from(how) % agents.len()]);
    if what < 10 || tickets.is_empty() {
        let by = if how % 7 == 0 { agent } else { eva };
        let new = json!({ "title": "t", "description": "d", "priority": PRIORITIES[n % 4] });
        tickets.push(by.post("/tickets", new).await.expect(201)["id"].as_i64().unwrap());
        return;
    }
    let path = format!("/tickets/{}", tickets[usize::from(which) % tickets.len()]);
    let comments = format!("{path}/comments");
    let answer = match what {
        10..34 => admin.patch(&path, json!({ "assigned_agent_id": agent.id })).await,
        34..37 => admin.patch(&path, json!({ "assigned_agent_id": null })).await,
        37..62 => admin.patch(&path, json!({ "status": STATUSES[n % 5] })).await,
        62..66 => admin.patch(&path, json!({ "priority": PRIORITIES[n % 4] })).await,
        66..78 => agent.post(&comments, json!({ "content": "c", "is_internal": how % 5 == 0 })).await,
        78..83 => eva.post(&comments, json!({ "content": "c" })).await,
        83..87 => admin.delete(&path).await,
        87..92 => admin.send(admin.request(reqwest::Method::POST, &format!("{path}/restore"))).await,
        _ => {
            desk.advance(i64::from(how) * 3);
            return;
        }
    };
    assert!([200, 201, 204, 404, 409].contains(&answer.status), "{}", answer.body);
}

#[tokio::test]
async fn every_figure_can_be_rebuilt_from_the_log_alone() {
    let mut desk = Desk::start().await;
    let mut people = Vec::new();
    for client in [desk.admin().await, desk.user("eva").await, desk.agent("ana").await, desk.agent("ben").await, desk.agent("cem").await] {
        people.push(lasting(client).await);
    }
    let people: [Client; 5] = people.try_into().unwrap();
    let agents = [people[2].id, people[3].id, people[4].id];
    let steps = vec((0..100_u8, any::<u16>(), any::<u16>()), 900..=900);
    let steps = steps.new_tree(&mut TestRunner::deterministic()).unwrap().current();
    let mut tickets = Vec::new();
    for (n, step) in steps.into_iter().enumerate() {
        act(&desk, &people, &mut tickets, step).await;
        if n % 150 == 149 {
            check(&desk, &people[0], &agents).await;
        }
    }
    let log = log(&desk).await;
    let happened = |belongs: &dyn Fn(&Entry) -> bool| log.iter().filter(|entry| belongs(entry)).count();
    let given_on = |entry: &Entry| entry.changes.get("assigned_agent_id").is_some_and(|[before, after]| before.is_i64() && after.is_i64());
    assert!(happened(&|entry| entry.changes.contains_key("reopen_count")) > 20, "tickets were reopened");
    assert!(happened(&given_on) > 20, "tickets were reassigned");
    for action in [Action::TicketDeleted, Action::TicketRestored] {
        assert!(happened(&|entry| entry.action == action) > 5, "{action:?}");
    }
    assert!(day(desk.now().as_micros()) - day(log[0].at.as_micros()) > 3, "days went by");
    desk.restart().await;
    check(&desk, &people[0], &agents).await;
    desk.advance(6 * 24 * 3_600);
    check(&desk, &people[0], &agents).await;
}
