//! One change for many tickets.

use serde_json::{Value, json};

use crate::{
    support::{Client, Desk},
    tickets::faults,
};

async fn bulk(who: &Client, ids: &[i64], change: Value) -> Vec<(i64, u64)> {
    let answer = who.post("/tickets/bulk", json!({"ids": ids, "change": change})).await.expect(200);
    let results = answer["results"].as_array().unwrap();
    for result in results {
        let fields: Vec<_> = result.as_object().unwrap().keys().collect();
        let refused = result["status"] != 200;
        assert_eq!(fields.len(), if refused { 3 } else { 2 }, "{result}");
        assert_eq!(result["detail"].is_string(), refused, "{result}");
    }
    results.iter().map(|r| (r["id"].as_i64().unwrap(), r["status"].as_u64().unwrap())).collect()
}

#[tokio::test]
async fn every_field_of_a_bulk_change_is_applied() {
    let desk = Desk::start().await;
    let (eva, ana) = (desk.user("eva").await, desk.agent("ana").await);
    let a = eva.open(json!({"tags": ["old", "keep"]})).await;
    let b = eva.open(json!({})).await;
    let change = json!({"status": "pending", "priority": "high", "assigned_agent_id": ana.id, "add_tags": ["NEW"], "remove_tags": ["old"]});
    assert_eq!(bulk(&ana, &[b, a], change).await, [(b, 200), (a, 200)]);
    for (id, tags) in [(a, json!(["keep", "new"])), (b, json!(["new"]))] {
        let ticket = ana.ticket(id).await;
        assert_eq!((&ticket["status"], &ticket["priority"], &ticket["tags"]), (&json!("pending"), &json!("high"), &tags));
        assert_eq!((&ticket["assigned_agent_id"], &ticket["version"]), (&json!(ana.id), &json!(2)));
        let log = ana.activity(id).await;
        assert_eq!((log.len(), &log[1]["action"]), (2, &json!("ticket.assigned")), "one entry for each");
    }
    assert_eq!(bulk(&ana, &[a], json!({"assigned_agent_id": null})).await, [(a, 200)]);
    assert_eq!(ana.ticket(a).await["assigned_agent_id"], Value::Null);
}

#[tokio::test]
async fn the_rights_and_the_state_of_each_ticket_are_checked() {
    let desk = Desk::start().await;
    let (eva, tom, ana, admin) = (desk.user("eva").await, desk.user("tom").await, desk.agent("ana").await, desk.admin().await);
    let (own, foreign, closed) = (eva.open(json!({})).await, tom.open(json!({})).await, eva.open(json!({})).await);
    let (assigned, gone) = (eva.open(json!({})).await, eva.open(json!({})).await);
    admin.change(closed, json!({"status": "closed"})).await;
    admin.assign(assigned, ana.id).await;
    admin.delete(&format!("/tickets/{gone}")).await.expect(204);
    let all = [closed, own, 999_999, foreign, own, assigned, gone];
    let expect = |codes: [u64; 6]| [closed, own, 999_999, foreign, assigned, gone].into_iter().zip(codes).collect::<Vec<_>>();

    assert_eq!(bulk(&eva, &all, json!({"priority": "low"})).await, expect([403, 403, 404, 404, 403, 404]));
    assert_eq!(bulk(&ana, &all, json!({"status": "resolved"})).await, expect([403, 403, 404, 403, 200, 404]));
    assert_eq!(bulk(&ana, &all, json!({"priority": "low"})).await, expect([409, 200, 404, 200, 200, 404]));
    assert_eq!(bulk(&ana, &all, json!({"assigned_agent_id": eva.id})).await, expect([400, 400, 404, 400, 400, 404]));
    assert_eq!(bulk(&ana, &all, json!({"assigned_agent_id": 999_999})).await, expect([404; 6]));
    assert_eq!(bulk(&ana, &all, json!({})).await, expect([200, 200, 404, 200, 200, 404]), "no change is no offence");
    assert_eq!(ana.ticket(own).await["version"], 2);
    assert_eq!(bulk(&eva, &all, json!({"status": "closed"})).await, expect([200, 200, 404, 404, 200, 404]));
    assert_eq!(ana.ticket(foreign).await["status"], "open");
}

#[tokio::test]
async fn too_many_tags_are_refused_for_the_ticket_concerned() {
    let desk = Desk::start().await;
    let (eva, ana) = (desk.user("eva").await, desk.agent("ana").await);
    let full: Vec<_> = (0..20).map(|n| format!("t{n:02}")).collect();
    let (full, empty) = (eva.open(json!({"tags": full})).await, eva.open(json!({})).await);
    assert_eq!(bulk(&ana, &[full, empty], json!({"add_tags": ["x"]})).await, [(full, 422), (empty, 200)]);
    assert_eq!(bulk(&eva, &[full], json!({"add_tags": ["x"]})).await, [(full, 403)]);
    assert_eq!(bulk(&ana, &[full], json!({"add_tags": ["x"], "remove_tags": ["t00"]})).await, [(full, 200)]);
    assert_eq!(bulk(&ana, &[full], json!({"add_tags": ["t01"]})).await, [(full, 200)]);
}

#[tokio::test]
async fn five_hundred_tickets_change_in_one_commit() {
    let desk = Desk::start().await;
    let (eva, ana, admin) = (desk.user("eva").await, desk.agent("ana").await, desk.admin().await);
    let opening: Vec<_> = (0..500)
        .map(|_| {
            let eva = eva.clone();
            tokio::spawn(async move { eva.open(json!({})).await })
        })
        .collect();
    let mut ids = Vec::new();
    for one in opening {
        ids.push(one.await.unwrap());
    }
    let results = bulk(&ana, &ids, json!({"assigned_agent_id": ana.id})).await;
    assert_eq!(results, ids.iter().map(|id| (*id, 200)).collect::<Vec<_>>());
    let list = ana.get("/tickets?status=in_progress&limit=1").await;
    assert_eq!(list.header("x-total-count"), "500");
    let log = admin.get("/activity?before=9223372036854775807&limit=200").await.expect(200);
    assert!(log.as_array().unwrap().iter().all(|entry| entry["action"] == "ticket.assigned"), "one after the other in the log");
}

#[tokio::test]
async fn bad_bulk_changes_are_refused_with_every_fault() {
    let desk = Desk::start().await;
    let ana = desk.agent("ana").await;
    let refused = |body: Value| ana.post("/tickets/bulk", body);
    assert_eq!(faults(&refused(json!({})).await.expect(422)), [("change", "missing"), ("ids", "missing")]);
    assert_eq!(faults(&refused(json!({"ids": [], "change": {}})).await.expect(422)), [("ids", "out_of_range")]);
    let many: Vec<_> = (1..=501).collect();
    assert_eq!(faults(&refused(json!({"ids": many, "change": {}})).await.expect(422)), [("ids", "out_of_range")]);
    let body = json!({"ids": [1, "x", 0], "change": {"status": "opne", "title": "x", "add_tags": [""], "priority": null}, "dry": true});
    assert_eq!(
        faults(&refused(body).await.expect(422)),
        [
            ("change.add_tags[0]", "too_short"),
            ("change.priority", "null"),
            ("change.status", "unknown_value"),
            ("change.title", "unknown_field"),
            ("dry", "unknown_field"),
            ("ids[1]", "wrong_type"),
            ("ids[2]", "out_of_range"),
        ]
    );
}
