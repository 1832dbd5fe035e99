//! Service level: due times, verdicts, and what is overdue.

use serde_json::{Value, json};
use taquilla::types::Timestamp;

use crate::support::{Client, Desk};

const HOUR: i64 = 3_600;

async fn desk() -> (Desk, Client, Client, Client) {
    let desk = Desk::start().await;
    let (eva, ana, admin) = (desk.user("eva").await, desk.agent("ana").await, desk.admin().await);
    let (eva, ana, admin) = (eva.lasting().await, ana.lasting().await, admin.lasting().await);
    (desk, eva, ana, admin)
}

/// The due times of a ticket, in seconds after its opening.
fn due(ticket: &Value) -> (i64, i64) {
    let instant = |field: &str| ticket[field].as_str().unwrap().parse::<Timestamp>().unwrap().as_seconds();
    (instant("first_response_due_at") - instant("created_at"), instant("resolution_due_at") - instant("created_at"))
}

fn sla(ticket: &Value) -> (&str, &str) {
    (ticket["sla"]["first_response"].as_str().unwrap(), ticket["sla"]["resolution"].as_str().unwrap())
}

#[tokio::test]
async fn due_times_follow_the_priority_from_creation() {
    let (desk, eva, ana, _) = desk().await;
    for (priority, first_response, resolution) in [("critical", 1, 4), ("high", 4, 24), ("medium", 8, 72), ("low", 24, 120)] {
        let expected = (first_response * HOUR, resolution * HOUR);
        let id = eva.open(json!({"priority": priority})).await;
        assert_eq!(due(&eva.ticket(id).await), expected, "{priority}");
        let id = eva.open(json!({"priority": if priority == "low" { "high" } else { "low" }})).await;
        desk.advance(1_000);
        assert_eq!(due(&ana.change(id, json!({"priority": priority})).await), expected, "{priority}, changed");
    }
}

#[tokio::test]
async fn a_running_clock_past_its_time_shows_breached_and_a_verdict_stays() {
    let (desk, eva, ana, _) = desk().await;
    let id = eva.open(json!({"priority": "critical"})).await;
    assert_eq!(sla(&eva.ticket(id).await), ("running", "running"));
    desk.advance(HOUR);
    assert_eq!(sla(&eva.ticket(id).await), ("running", "running"), "the due time itself is in time");
    desk.advance(1);
    assert_eq!(sla(&eva.ticket(id).await), ("breached", "running"));
    ana.change(id, json!({"priority": "low"})).await;
    assert_eq!(sla(&eva.ticket(id).await), ("running", "running"), "not decided yet, so the new target counts");
    ana.comment(id, "here").await;
    assert_eq!(sla(&eva.ticket(id).await), ("met", "running"));
    let urgent = ana.change(id, json!({"priority": "critical"})).await;
    assert_eq!(sla(&urgent), ("met", "running"), "decided once, with the target then in force");
    assert_eq!(due(&urgent), (HOUR, 4 * HOUR), "due times follow the priority all the same");
    desk.advance(3 * HOUR);
    assert_eq!(sla(&eva.ticket(id).await), ("met", "breached"));
    ana.assign(id, ana.id).await;
    ana.change(id, json!({"status": "resolved"})).await;
    ana.change(id, json!({"status": "open"})).await;
    ana.change(id, json!({"priority": "low"})).await;
    assert_eq!(sla(&ana.change(id, json!({"status": "resolved"})).await), ("met", "breached"));
}

#[tokio::test]
async fn verdicts_are_recorded_in_the_entry_of_the_event_that_decides_them() {
    let (desk, eva, ana, admin) = desk().await;
    let id = eva.open(json!({})).await;
    desk.advance(9 * HOUR);
    ana.comment(id, "late").await;
    let last = ana.activity(id).await.pop().unwrap();
    assert_eq!((&last["action"], &last["changes"]["sla.first_response"]), (&json!("ticket.updated"), &json!(["running", "breached"])));
    admin.change(id, json!({"status": "resolved"})).await;
    let last = ana.activity(id).await.pop().unwrap();
    assert_eq!((&last["action"], &last["changes"]["sla.resolution"]), (&json!("ticket.status_changed"), &json!(["running", "met"])));
    assert_eq!(last["changes"].get("sla.first_response"), None);
}

#[tokio::test]
async fn the_end_of_a_ticket_ends_the_wait_for_an_answer() {
    let (desk, eva, ana, admin) = desk().await;
    let in_time = eva.open(json!({})).await;
    assert_eq!(sla(&admin.change(in_time, json!({"status": "resolved"})).await), ("met", "met"));
    let late = eva.open(json!({})).await;
    desk.advance(9 * HOUR);
    let closed = eva.change(late, json!({"status": "closed"})).await;
    assert_eq!(sla(&closed), ("breached", "met"));
    desk.advance(100 * HOUR);
    assert_eq!(sla(&ana.ticket(in_time).await), ("met", "met"), "nothing runs any more");
}

#[tokio::test]
async fn tickets_that_staff_open_for_themselves_have_no_clocks() {
    let (desk, eva, ana, admin) = desk().await;
    let own = ana.open(json!({"priority": "critical"})).await;
    let ticket = ana.ticket(own).await;
    assert_eq!(sla(&ticket), ("none", "none"));
    assert_eq!((&ticket["first_response_due_at"], &ticket["resolution_due_at"]), (&Value::Null, &Value::Null));
    let changed = ana.change(own, json!({"priority": "low"})).await;
    assert_eq!((sla(&changed), &changed["resolution_due_at"]), (("none", "none"), &Value::Null));
    desk.advance(1_000 * HOUR);
    admin.comment(own, "done").await;
    assert_eq!(sla(&admin.change(own, json!({"status": "resolved"})).await), ("none", "none"));
    for id in [ana.open(json!({"creator_id": eva.id})).await, admin.open(json!({"creator_id": ana.id})).await] {
        assert_eq!(sla(&ana.ticket(id).await), ("running", "running"));
    }
}

#[tokio::test]
async fn overdue_is_what_is_active_and_past_a_due_time() {
    let (desk, eva, ana, _) = desk().await;
    let (unanswered, answered, closed) = (eva.open(json!({})).await, eva.open(json!({})).await, eva.open(json!({})).await);
    let own = ana.open(json!({})).await;
    ana.comment(answered, "here").await;
    eva.change(closed, json!({"status": "closed"})).await;
    desk.advance(8 * HOUR);
    assert_eq!(ana.ids("/tickets?overdue=true").await, [0; 0]);
    desk.advance(1);
    assert_eq!(ana.ids("/tickets?overdue=true").await, [unanswered]);
    assert_eq!(eva.ids("/tickets?overdue=true").await, [unanswered]);
    assert_eq!(ana.ids("/tickets?overdue=false&sort=id").await, [unanswered, answered, closed, own], "that is no filter");
    desk.advance(64 * HOUR);
    assert_eq!(ana.ids("/tickets?overdue=true&sort=id").await, [unanswered, answered]);
    ana.change(unanswered, json!({"assigned_agent_id": ana.id, "status": "pending"})).await;
    assert_eq!(ana.ids("/tickets?overdue=true&sort=id").await, [unanswered, answered], "pending is active");
    ana.change(unanswered, json!({"status": "resolved"})).await;
    assert_eq!(ana.ids("/tickets?overdue=true").await, [answered]);
}

#[tokio::test]
async fn changed_targets_touch_later_tickets_only() {
    let (_desk, eva, ana, admin) = desk().await;
    let before = eva.open(json!({})).await;
    let mut settings = admin.get("/settings").await.expect(200)["sla"].clone();
    settings["medium"] = json!({"first_response_minutes": 5, "resolution_minutes": 10});
    settings["high"] = json!({"first_response_minutes": 3, "resolution_minutes": 6});
    admin.patch("/settings", json!({"sla": settings})).await.expect(200);
    assert_eq!(due(&eva.ticket(before).await), (8 * HOUR, 72 * HOUR));
    assert_eq!(due(&ana.change(before, json!({"priority": "high"})).await), (4 * HOUR, 24 * HOUR), "as it was opened");
    let after = eva.open(json!({})).await;
    assert_eq!(due(&eva.ticket(after).await), (300, 600));
}

#[tokio::test]
async fn targets_come_from_the_configuration() {
    let desk = Desk::start_with(|config| config.sla.medium.first_response_minutes = 7).await;
    let eva = desk.user("eva").await;
    let id = eva.open(json!({})).await;
    assert_eq!(due(&eva.ticket(id).await), (420, 72 * HOUR));
}

#[tokio::test]
async fn sorting_by_due_time_puts_the_next_thing_due_first() {
    let (desk, eva, ana, _) = desk().await;
    let medium = eva.open(json!({})).await;
    desk.advance(1);
    let critical = eva.open(json!({"priority": "critical"})).await;
    let low = eva.open(json!({"priority": "low"})).await;
    let none = ana.open(json!({})).await;
    assert_eq!(ana.ids("/tickets?sort=due_at").await, [critical, medium, low, none]);
    assert_eq!(ana.ids("/tickets?sort=-due_at").await, [none, low, medium, critical]);
    ana.comment(critical, "here").await;
    ana.comment(medium, "here").await;
    assert_eq!(ana.ids("/tickets?sort=due_at").await, [critical, low, medium, none], "answered ones wait for their resolution");
}
