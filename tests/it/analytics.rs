//! Analytics: net figures of now and of the last days, exact in the very next answer.

use serde_json::{Value, json};
use taquilla::auth::model::Role;

use crate::support::{Client, Desk};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

async fn dashboard(client: &Client) -> Value {
    client.get("/analytics/dashboard").await.expect(200)
}

async fn open(client: &Client, priority: &str) -> i64 {
    let new = json!({ "title": "t", "description": "d", "priority": priority });
    client.post("/tickets", new).await.expect(201)["id"].as_i64().unwrap()
}

async fn change(client: &Client, ticket: i64, change: Value) {
    client.patch(&format!("/tickets/{ticket}"), change).await.expect(200);
}

async fn resolve(admin: &Client, ticket: i64) {
    change(admin, ticket, json!({ "status": "resolved" })).await;
}

async fn answer(agent: &Client, ticket: i64) {
    agent.post(&format!("/tickets/{ticket}/comments"), json!({ "content": "c" })).await.expect(201);
}

/// The same person by an API token, which does not expire while days go by.
async fn lasting(client: Client) -> Client {
    let token = client.post("/auth/tokens", json!({ "name": "test" })).await.expect(201)["token"].as_str().unwrap().to_owned();
    client.with_token(token)
}

/// The values of a series, oldest first.
fn values(series: &Value) -> Vec<i64> {
    series.as_array().unwrap().iter().map(|point| point["value"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn an_empty_desk_has_zeros_and_no_averages() {
    let desk = Desk::start().await;
    let admin = lasting(desk.admin().await).await;
    let shown = dashboard(&admin).await;
    let zero = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), json!(0))).collect::<serde_json::Map<_, _>>();
    let stats = ["total_tickets", "open_tickets", "in_progress_tickets", "pending_tickets", "resolved_tickets", "closed_tickets"];
    let verdicts = json!({ "met": 0, "breached": 0 });
    let mut expected = json!({
        "ticket_stats": zero(&stats),
        "priority_stats": zero(&["low", "medium", "high", "critical"]),
        "top_agents": [],
        "avg_resolution_time_hours": null,
        "median_resolution_time_hours": null,
        "p90_resolution_time_hours": null,
        "avg_first_response_time_hours": null,
        "sla": { "first_response": verdicts, "resolution": verdicts },
    });
    for series in ["tickets_over_time", "resolved_over_time"] {
        let points = shown[series].as_array().unwrap();
        assert_eq!(points.len(), 30);
        assert_eq!(
            (&points[0], &points[29]),
            (&json!({ "timestamp": "2026-02-01", "value": 0 }), &json!({ "timestamp": "2026-03-02", "value": 0 }))
        );
        assert_eq!(values(&shown[series]), [0; 30]);
        expected[series] = shown[series].clone();
    }
    assert_eq!(shown, expected);
    let row = admin.get(&format!("/analytics/agent/{}", admin.id)).await.expect(200);
    let nothing = json!({
        "agent_id": admin.id, "agent_name": "Admin Example", "assigned_tickets": 0, "open_tickets": 0, "resolved_tickets": 0,
        "avg_resolution_time_hours": null, "avg_first_response_time_hours": null,
    });
    assert_eq!(row, nothing);
}

#[tokio::test]
async fn days_are_one_to_365() {
    let desk = Desk::start().await;
    let admin = lasting(desk.admin().await).await;
    for path in ["/analytics/dashboard".to_owned(), "/analytics/performance".into(), format!("/analytics/agent/{}", admin.id)] {
        for bad in ["0", "366", "-1", "1.5", "x", "", "99999999999999999999"] {
            let refused = admin.get(&format!("{path}?days={bad}")).await.expect(422);
            assert_eq!(refused["errors"][0]["field"], "days", "{path} {bad}");
        }
        let refused = admin.get(&format!("{path}?day=3")).await.expect(422);
        assert_eq!(refused["errors"][0]["field"], "day");
        admin.get(&format!("{path}?days=1")).await.expect(200);
    }
    admin.get("/analytics/backlog?days=3").await.expect(422);
    for (days, first) in [(1, "2026-03-02"), (7, "2026-02-24"), (365, "2025-03-03")] {
        let shown = admin.get(&format!("/analytics/dashboard?days={days}")).await.expect(200);
        let points = shown["tickets_over_time"].as_array().unwrap();
        assert_eq!((points.len(), &points[0]["timestamp"]), (days, &json!(first)));
        assert_eq!(points[days - 1]["timestamp"], "2026-03-02");
    }
}

#[tokio::test]
async fn requesters_see_nothing_agents_the_desk_and_themselves_admins_everybody() {
    let desk = Desk::start().await;
    let (admin, eva, ana, ben) = (
        lasting(desk.admin().await).await,
        lasting(desk.user("eva").await).await,
        lasting(desk.agent("ana").await).await,
        lasting(desk.agent("ben").await).await,
    );
    let row = |id: i64| format!("/analytics/agent/{id}");
    for path in [
        "/analytics/dashboard".to_owned(),
        "/analytics/performance".into(),
        "/analytics/backlog".into(),
        row(eva.id),
        row(ana.id),
        row(9_999),
    ] {
        eva.get(&path).await.expect(403);
        desk.anonymous().get(&path).await.expect(401);
    }
    ana.get(&row(ana.id)).await.expect(200);
    ana.get(&row(ben.id)).await.expect(403);
    ana.get(&row(admin.id)).await.expect(403);
    for id in [ana.id, ben.id, admin.id] {
        assert_eq!(admin.get(&row(id)).await.expect(200)["agent_id"], id);
    }
    for client in [&ana, &admin] {
        for unknown in ["9999", "0", "-1", "x"] {
            client.get(&format!("/analytics/agent/{unknown}")).await.expect(404);
        }
        client.get(&row(eva.id)).await.expect(404);
    }
    // Whoever is an agent no more is found as long as tickets are theirs.
    let ticket = open(&eva, "low").await;
    change(&admin, ticket, json!({ "assigned_agent_id": ben.id })).await;
    admin.patch(&format!("/users/{}", ben.id), json!({ "role": "user" })).await.expect(200);
    assert_eq!(admin.get(&row(ben.id)).await.expect(200)["open_tickets"], 1);
    change(&admin, ticket, json!({ "assigned_agent_id": null })).await;
    admin.get(&row(ben.id)).await.expect(404);
}

#[tokio::test]
async fn every_acknowledged_change_is_in_the_very_next_answer() {
    let desk = Desk::start().await;
    let (admin, eva, ana) =
        (lasting(desk.admin().await).await, lasting(desk.user("eva").await).await, lasting(desk.agent("ana").await).await);
    let stats = async |name: &str| dashboard(&admin).await["ticket_stats"][format!("{name}_tickets")].as_i64().unwrap();
    let ticket = open(&eva, "high").await;
    assert_eq!((stats("total").await, stats("open").await), (1, 1));
    assert_eq!(dashboard(&admin).await["priority_stats"], json!({ "low": 0, "medium": 0, "high": 1, "critical": 0 }));
    change(&admin, ticket, json!({ "assigned_agent_id": ana.id })).await;
    assert_eq!((stats("open").await, stats("in_progress").await), (0, 1));
    change(&ana, ticket, json!({ "status": "pending", "priority": "low" })).await;
    assert_eq!((stats("in_progress").await, stats("pending").await), (0, 1));
    assert_eq!(dashboard(&admin).await["priority_stats"]["low"], 1);
    eva.post(&format!("/tickets/{ticket}/comments"), json!({ "content": "c" })).await.expect(201);
    assert_eq!((stats("in_progress").await, stats("pending").await), (1, 0));
    desk.advance(HOUR);
    answer(&admin, ticket).await;
    assert_eq!(dashboard(&admin).await["avg_first_response_time_hours"], 1.0);
    admin.delete(&format!("/tickets/{ticket}")).await.expect(204);
    assert_eq!((stats("total").await, dashboard(&admin).await["avg_first_response_time_hours"].clone()), (0, Value::Null));
}

#[tokio::test]
async fn a_resolution_is_counted_on_its_day_until_it_is_undone() {
    let desk = Desk::start().await;
    let (admin, eva) = (lasting(desk.admin().await).await, lasting(desk.user("eva").await).await);
    let ticket = open(&eva, "medium").await;
    desk.advance(DAY + 2 * HOUR);
    resolve(&admin, ticket).await;
    let shown = dashboard(&admin).await;
    assert_eq!(values(&shown["tickets_over_time"])[28..], [1, 0]);
    assert_eq!(values(&shown["resolved_over_time"])[28..], [0, 1]);
    for name in ["avg", "median", "p90"] {
        assert_eq!(shown[format!("{name}_resolution_time_hours")], 26.0, "{name}");
    }
    assert_eq!(shown["sla"]["resolution"], json!({ "met": 1, "breached": 0 }));
    // Only the days asked for.
    let today = admin.get("/analytics/dashboard?days=1").await.expect(200);
    assert_eq!((values(&today["tickets_over_time"]), values(&today["resolved_over_time"])), (vec![0], vec![1]));
    assert_eq!(today["ticket_stats"]["resolved_tickets"], 1);
    // Closing it keeps the resolution, reopening undoes it; the verdict stands as the ticket shows it.
    change(&admin, ticket, json!({ "status": "closed" })).await;
    assert_eq!(dashboard(&admin).await["resolved_over_time"], shown["resolved_over_time"]);
    change(&admin, ticket, json!({ "status": "open" })).await;
    let reopened = dashboard(&admin).await;
    assert_eq!((values(&reopened["resolved_over_time"]), reopened["avg_resolution_time_hours"].clone()), (vec![0; 30], Value::Null));
    assert_eq!(reopened["sla"]["resolution"], json!({ "met": 1, "breached": 0 }));
    // Resolved again, it counts on its new day, from its opening on.
    desk.advance(DAY);
    resolve(&admin, ticket).await;
    let again = dashboard(&admin).await;
    assert_eq!(
        (values(&again["resolved_over_time"])[28..].to_vec(), again["avg_resolution_time_hours"].clone()),
        (vec![0, 1], json!(50.0))
    );
    // What is deleted leaves everything, and comes back as it was.
    admin.delete(&format!("/tickets/{ticket}")).await.expect(204);
    let gone = dashboard(&admin).await;
    assert_eq!((values(&gone["tickets_over_time"]), gone["median_resolution_time_hours"].clone()), (vec![0; 30], Value::Null));
    assert_eq!(gone["sla"]["resolution"], json!({ "met": 0, "breached": 0 }));
    admin.send(admin.request(reqwest::Method::POST, &format!("/tickets/{ticket}/restore"))).await.expect(200);
    assert_eq!(dashboard(&admin).await, again);
    // After 30 days it is out of sight, but not out of the counts of now.
    desk.advance(30 * DAY);
    let later = dashboard(&admin).await;
    assert_eq!((values(&later["resolved_over_time"]), later["p90_resolution_time_hours"].clone()), (vec![0; 30], Value::Null));
    assert_eq!(later["ticket_stats"]["resolved_tickets"], 1);
}

#[tokio::test]
async fn verdicts_are_counted_on_the_day_that_decides_them() {
    let desk = Desk::start().await;
    let (admin, eva, ana) =
        (lasting(desk.admin().await).await, lasting(desk.user("eva").await).await, lasting(desk.agent("ana").await).await);
    let (answered, closed, own) = (open(&eva, "critical").await, open(&eva, "critical").await, open(&ana, "critical").await);
    answer(&ana, answered).await;
    resolve(&admin, own).await;
    let shown = dashboard(&admin).await;
    assert_eq!(shown["sla"], json!({ "first_response": { "met": 1, "breached": 0 }, "resolution": { "met": 0, "breached": 0 } }));
    desk.advance(DAY);
    // Nobody answered this one; closing it decides both, too late.
    change(&admin, closed, json!({ "status": "closed" })).await;
    let shown = dashboard(&admin).await;
    assert_eq!(shown["sla"], json!({ "first_response": { "met": 1, "breached": 1 }, "resolution": { "met": 0, "breached": 1 } }));
    assert_eq!(values(&shown["resolved_over_time"])[29], 0, "closed is not resolved");
    // Reopened and resolved later, it is not judged again, and its day stays.
    change(&admin, closed, json!({ "status": "open" })).await;
    desk.advance(DAY);
    resolve(&admin, closed).await;
    let today = admin.get("/analytics/dashboard?days=1").await.expect(200);
    assert_eq!(today["sla"], json!({ "first_response": { "met": 0, "breached": 0 }, "resolution": { "met": 0, "breached": 0 } }));
    assert_eq!(dashboard(&admin).await["sla"], shown["sla"]);
}

#[tokio::test]
async fn agents_have_what_is_theirs_now() {
    let desk = Desk::start().await;
    let (admin, eva, ana, ben) = (
        lasting(desk.admin().await).await,
        lasting(desk.user("eva").await).await,
        lasting(desk.agent("ana").await).await,
        lasting(desk.agent("ben").await).await,
    );
    let mut tickets = Vec::new();
    for _ in 0..4 {
        let ticket = open(&eva, "medium").await;
        change(&admin, ticket, json!({ "assigned_agent_id": ana.id })).await;
        tickets.push(ticket);
    }
    desk.advance(HOUR / 2);
    answer(&ana, tickets[0]).await;
    desk.advance(HOUR);
    resolve(&admin, tickets[0]).await;
    resolve(&admin, tickets[1]).await;
    change(&admin, tickets[1], json!({ "status": "closed" })).await;
    change(&admin, tickets[2], json!({ "status": "closed" })).await;
    let row = async |id: i64| admin.get(&format!("/analytics/agent/{id}")).await.expect(200);
    let anas = json!({
        "agent_id": ana.id, "agent_name": "Ana Example", "assigned_tickets": 4, "open_tickets": 1, "resolved_tickets": 2,
        "avg_resolution_time_hours": 1.5, "avg_first_response_time_hours": 0.5,
    });
    assert_eq!(row(ana.id).await, anas);
    let top = |row: &Value| {
        let mut row = row.clone();
        row.as_object_mut().unwrap().retain(|name, _| name != "open_tickets" && name != "avg_first_response_time_hours");
        row
    };
    assert_eq!(dashboard(&admin).await["top_agents"], json!([top(&anas)]), "whoever has nothing is not named");
    // Given to somebody else, a ticket takes its times along.
    change(&admin, tickets[0], json!({ "assigned_agent_id": ben.id })).await;
    let (anas, bens) = (row(ana.id).await, row(ben.id).await);
    assert_eq!((&anas["resolved_tickets"], &anas["avg_first_response_time_hours"]), (&json!(1), &Value::Null));
    assert_eq!((&bens["resolved_tickets"], &bens["avg_first_response_time_hours"]), (&json!(1), &json!(0.5)));
    // As many resolved, so whoever has more comes first.
    assert_eq!(dashboard(&admin).await["top_agents"], json!([top(&anas), top(&bens)]));
    assert_eq!(admin.get("/analytics/performance").await.expect(200)["agents"], json!([anas, bens]));
}

#[tokio::test]
async fn ten_agents_at_most_are_named_by_resolved_tickets() {
    let desk = Desk::start().await;
    let (admin, eva) = (lasting(desk.admin().await).await, lasting(desk.user("eva").await).await);
    let mut agents = Vec::new();
    for n in 0..12 {
        let agent = desk.person(&format!("agent{n}"), Role::Agent).await;
        for _ in 0..n / 3 {
            let ticket = open(&eva, "low").await;
            change(&admin, ticket, json!({ "assigned_agent_id": agent.id, "status": "resolved" })).await;
        }
        let ticket = open(&eva, "low").await;
        change(&admin, ticket, json!({ "assigned_agent_id": agent.id })).await;
        agents.push(agent.id);
    }
    let shown = dashboard(&admin).await;
    let named: Vec<(i64, i64)> = shown["top_agents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["agent_id"].as_i64().unwrap(), row["resolved_tickets"].as_i64().unwrap()))
        .collect();
    let expected: Vec<(i64, i64)> = [9, 10, 11, 6, 7, 8, 3, 4, 5, 0].map(|n| (agents[n], i64::try_from(n / 3).unwrap())).to_vec();
    assert_eq!(named, expected);
    assert_eq!(admin.get("/analytics/performance").await.expect(200)["agents"].as_array().unwrap().len(), 12);
}

#[tokio::test]
async fn the_backlog_shows_what_waits_by_age() {
    let desk = Desk::start().await;
    let (eva, admin) = (lasting(desk.user("eva").await).await, lasting(desk.admin().await).await);
    open(&eva, "low").await;
    desk.advance(27 * DAY);
    open(&eva, "low").await;
    desk.advance(2 * DAY);
    let (taken, done, gone) = (open(&eva, "low").await, open(&eva, "low").await, open(&eva, "low").await);
    change(&admin, taken, json!({ "assigned_agent_id": admin.id })).await;
    resolve(&admin, done).await;
    admin.delete(&format!("/tickets/{gone}")).await.expect(204);
    desk.advance(DAY);
    open(&eva, "critical").await;
    let shown = admin.get("/analytics/backlog").await.expect(200);
    let ages = |counts: [i64; 6]| {
        let names = ["00_lt4h", "01_lt1d", "02_lt3d", "03_lt7d", "04_lt30d", "05_ge30d"];
        names.iter().zip(counts).map(|(bucket, tickets)| json!({ "bucket": bucket, "tickets": tickets })).collect::<Value>()
    };
    let expected = json!({
        "active_tickets": 4, "overdue_tickets": 2, "unassigned_tickets": 3, "oldest_created_at": "2026-03-02T09:00:00Z",
        "ages": ages([1, 0, 1, 1, 0, 1]),
    });
    assert_eq!(shown, expected);
    desk.advance(HOUR);
    let overdue = async || admin.get("/analytics/backlog").await.expect(200)["overdue_tickets"].clone();
    assert_eq!(overdue().await, 3, "due this very moment is not over");
    desk.advance(1);
    assert_eq!(overdue().await, 4);
    assert_eq!(admin.get("/tickets?overdue=true").await.header("x-total-count"), "4");
}

#[tokio::test]
async fn medians_and_p90_are_within_one_percent() {
    let desk = Desk::start().await;
    let (admin, eva) = (lasting(desk.admin().await).await, lasting(desk.user("eva").await).await);
    let mut tickets = Vec::new();
    for _ in 0..60 {
        tickets.push(open(&eva, "medium").await);
    }
    let mut took: Vec<f64> = Vec::new();
    let mut waited = 0;
    for (n, ticket) in (1_i64..).zip(tickets) {
        // Ever longer, at odd times, all within the life of a token.
        let wait = 1 + n * n % 53;
        desk.advance(wait);
        waited += wait;
        answer(&admin, ticket).await;
        took.push(f64::from(i32::try_from(waited).unwrap()) / 3_600.0);
    }
    let exact = |q: f64| {
        let rank = q * 59.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank below 60")]
        let (low, high) = (took[rank.floor() as usize], took[rank.ceil() as usize]);
        low + (high - low) * rank.fract()
    };
    let shown = admin.get("/analytics/performance").await.expect(200)["first_response"].clone();
    assert_eq!(shown["tickets"], 60);
    for (name, exact) in [("median", exact(0.5)), ("p90", exact(0.9)), ("avg", took.iter().sum::<f64>() / 60.0)] {
        let found = shown[format!("{name}_time_hours")].as_f64().unwrap();
        assert!((found - exact).abs() <= exact * 0.01 + 0.005, "{name}: {found} instead of {exact}");
    }
}
