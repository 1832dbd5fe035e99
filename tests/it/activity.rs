//! The activity log: what is told of each change, to whom, and how it is read.

use serde_json::{Value, json};

use crate::{
    people::{eventually, login},
    setup::printed,
    support::{Client, Desk, PASSWORD},
    tickets::faults,
};

async fn desk() -> (Desk, Client, Client, Client) {
    let desk = Desk::start().await;
    let (eva, ana, admin) = (desk.user("eva").await, desk.agent("ana").await, desk.admin().await);
    (desk, eva, ana, admin)
}

fn actions(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect()
}

fn seqs(entries: &Value) -> Vec<i64> {
    entries.as_array().unwrap().iter().map(|entry| entry["seq"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn every_change_of_a_ticket_is_one_entry_with_all_its_fields() {
    let (desk, eva, ana, admin) = desk().await;
    let id = eva.open(json!({})).await;
    desk.advance(60);
    ana.assign(id, ana.id).await;
    ana.change(id, json!({"status": "pending", "title": "x"})).await;
    ana.change(id, json!({"tags": ["a"], "title": "y"})).await;
    eva.comment(id, "c").await;
    admin.delete(&format!("/tickets/{id}")).await.expect(204);
    admin.post(&format!("/tickets/{id}/restore"), json!({})).await.expect(200);
    let log = ana.activity(id).await;
    assert_eq!(
        actions(&log),
        [
            "ticket.created",
            "ticket.assigned",
            "ticket.status_changed",
            "ticket.updated",
            "comment.created",
            "ticket.status_changed",
            "ticket.deleted",
            "ticket.restored",
        ]
    );
    assert_eq!(
        log[1],
        json!({
            "seq": log[1]["seq"], "at": desk.now().to_string(), "actor": {"id": ana.id, "name": "Ana Example", "via": "session"},
            "action": "ticket.assigned", "ticket_id": id, "comment_id": null, "user_id": null,
            "changes": {"assigned_agent_id": [null, ana.id], "status": ["open", "in_progress"]},
        })
    );
    assert_eq!(log[2]["changes"], json!({"status": ["in_progress", "pending"], "title": ["Printer", "x"]}));
    assert_eq!(log[3]["changes"], json!({"tags": [[], ["a"]], "title": ["x", "y"]}));
    assert_eq!(log[5]["changes"], json!({"status": ["pending", "in_progress"]}));
    assert_eq!(log[0]["changes"]["title"], json!([null, "Printer"]));
    assert_eq!(log[0]["at"], "2026-03-02T09:00:00Z");
    assert!(seqs(&json!(log)).is_sorted_by(|a, b| a < b));
}

#[tokio::test]
async fn changes_that_change_nothing_or_are_refused_leave_no_entry() {
    let (_desk, eva, ana, admin) = desk().await;
    let id = eva.open(json!({})).await;
    let path = format!("/tickets/{id}");
    admin.put(&path, json!({})).await.expect(200);
    admin.put(&path, json!({"title": "Printer", "status": "open"})).await.expect(200);
    eva.put(&path, json!({"priority": "high"})).await.expect(403);
    ana.put(&path, json!({"assigned_agent_id": eva.id})).await.expect(400);
    ana.put(&path, json!({"title": ""})).await.expect(422);
    ana.delete(&path).await.expect(403);
    admin.send(admin.request(reqwest::Method::PUT, &path).header("if-match", "\"9-0\"").json(&json!({"title": "x"}))).await.expect(412);
    admin.post(&format!("{path}/restore"), json!({})).await.expect(409);
    assert_eq!(ana.activity(id).await.len(), 1);
}

#[tokio::test]
async fn a_comment_has_its_entry_and_the_ticket_that_it_moves_another_after_it() {
    let (_desk, eva, ana, _) = desk().await;
    let id = eva.open(json!({})).await;
    let comment = ana.comment(id, "hello").await;
    ana.put(&format!("/tickets/{id}/comments/{comment}"), json!({"content": "hi"})).await.expect(200);
    ana.delete(&format!("/tickets/{id}/comments/{comment}")).await.expect(204);
    let log = eva.activity(id).await;
    assert_eq!(actions(&log), ["ticket.created", "comment.created", "ticket.updated", "comment.updated", "comment.deleted"]);
    for entry in [&log[1], &log[3], &log[4]] {
        assert_eq!((&entry["ticket_id"], &entry["comment_id"]), (&json!(id), &json!(comment)));
    }
    assert_eq!(log[1]["changes"]["content"], json!([null, "hello"]));
    assert_eq!(log[3]["changes"], json!({"content": ["hello", "hi"]}));
    assert_eq!(log[4]["changes"]["content"], json!(["hi", null]));
    assert_eq!(log[2]["comment_id"], Value::Null);
    assert!(log[2]["changes"]["first_response_at"].is_array());
}

#[tokio::test]
async fn entries_of_internal_notes_are_hidden_from_requesters() {
    let (_desk, eva, ana, _) = desk().await;
    let id = eva.open(json!({})).await;
    let note = ana.note(id, "secret").await;
    ana.put(&format!("/tickets/{id}/comments/{note}"), json!({"content": "still secret"})).await.expect(200);
    ana.delete(&format!("/tickets/{id}/comments/{note}")).await.expect(204);
    assert_eq!(actions(&ana.activity(id).await), ["ticket.created", "comment.created", "comment.updated", "comment.deleted"]);
    let seen = eva.get(&format!("/tickets/{id}/activity")).await;
    assert_eq!(seen.header("x-total-count"), "1");
    assert_eq!(actions(seen.expect(200).as_array().unwrap()), ["ticket.created"]);
}

#[tokio::test]
async fn long_texts_stand_as_length_and_digest() {
    let (_desk, eva, ana, _) = desk().await;
    let long = "é".repeat(1_001);
    let id = eva.open(json!({"description": "é".repeat(1_000)})).await;
    eva.change(id, json!({"description": long})).await;
    let entries = ana.activity(id).await;
    assert_eq!(entries[0]["changes"]["description"], json!([null, "é".repeat(1_000)]));
    let after = &entries[1]["changes"]["description"][1];
    assert_eq!(after["length"], 1_001);
    assert_eq!(after["sha256"].as_str().unwrap().len(), 64);
    let comment = eva.comment(id, &long).await;
    eva.put(&format!("/tickets/{id}/comments/{comment}"), json!({"content": "short"})).await.expect(200);
    eva.delete(&format!("/tickets/{id}/comments/{comment}")).await.expect(204);
    let entries = ana.activity(id).await;
    assert_eq!(entries[2]["changes"]["content"], json!([null, after]), "the same text has the same digest");
    assert_eq!(entries[3]["changes"]["content"], json!([after, "short"]));
    assert_eq!(entries[4]["changes"]["content"], json!(["short", null]));
}

#[tokio::test]
async fn the_actor_is_told_with_the_door_that_they_came_by() {
    let (_desk, eva, ana, _) = desk().await;
    let id = eva.clone().lasting().await.open(json!({})).await;
    assert_eq!(ana.activity(id).await[0]["actor"], json!({"id": eva.id, "name": "Eva Example", "via": "api_token"}));
}

#[tokio::test]
async fn a_tickets_log_is_paged_in_both_directions() {
    let (_desk, eva, ana, _) = desk().await;
    let id = eva.open(json!({})).await;
    for n in 0..4 {
        eva.change(id, json!({"title": format!("t{n}")})).await;
        eva.open(json!({})).await;
    }
    let path = format!("/tickets/{id}/activity");
    let all = seqs(&ana.get(&path).await.expect(200));
    assert_eq!(all.len(), 5);
    let first = ana.get(&format!("{path}?limit=2")).await;
    assert_eq!(first.header("x-total-count"), "5");
    let next = first.next().unwrap();
    assert_eq!(next, format!("/api/v1{path}?limit=2&after={}", all[1]));
    let (mut seen, mut next) = (seqs(&first.expect(200)), Some(next));
    while let Some(page) = next {
        let page = ana.get(&page).await;
        assert_eq!(page.header("x-total-count"), "");
        next = page.next();
        seen.extend(seqs(&page.expect(200)));
    }
    assert_eq!(seen, all);
    let (mut seen, mut next) = (Vec::new(), Some(format!("{path}?limit=2&before={}", i64::MAX)));
    while let Some(page) = next {
        let page = ana.get(&page).await;
        next = page.next();
        seen.extend(seqs(&page.expect(200)));
    }
    assert_eq!(seen, all.iter().rev().copied().collect::<Vec<_>>());
    assert_eq!(seqs(&ana.get(&format!("{path}?after={}", all[2])).await.expect(200)), all[3..]);
    assert_eq!(seqs(&ana.get(&format!("{path}?before={}", all[1])).await.expect(200)), all[..1]);
    assert_eq!(seqs(&ana.get(&format!("{path}?after={}", all[4])).await.expect(200)), [0; 0]);
}

#[tokio::test]
async fn bad_stretches_are_refused() {
    let (_desk, eva, _, admin) = desk().await;
    let id = eva.open(json!({})).await;
    for path in [format!("/tickets/{id}/activity"), "/activity".to_owned()] {
        assert_eq!(
            faults(&admin.get(&format!("{path}?after=-1&before=x&limit=0")).await.expect(422)),
            [("after", "out_of_range"), ("before", "invalid"), ("before", "wrong_type"), ("limit", "out_of_range")]
        );
        assert_eq!(faults(&admin.get(&format!("{path}?after=1&before=2")).await.expect(422)), [("before", "invalid")]);
        assert_eq!(faults(&admin.get(&format!("{path}?cursor=1")).await.expect(422)), [("cursor", "unknown_field")]);
    }
}

#[tokio::test]
async fn a_reader_of_the_desks_log_misses_nothing_and_sees_nothing_twice() {
    let (_desk, eva, ana, admin) = desk().await;
    let mut made = Vec::new();
    let (mut seen, mut last) = (Vec::new(), 0);
    for round in 0..6 {
        let writing: Vec<_> = (0..8)
            .map(|n| {
                let who = if n % 2 == 0 { eva.clone() } else { ana.clone() };
                tokio::spawn(async move { who.open(json!({"title": format!("{round} {n}")})).await })
            })
            .collect();
        let page = admin.get(&format!("/activity?after={last}&limit=5")).await.expect(200);
        seen.extend(page.as_array().unwrap().clone());
        last = seqs(&page).last().copied().unwrap_or(last);
        for one in writing {
            made.push(one.await.unwrap());
        }
    }
    loop {
        let page = admin.get(&format!("/activity?after={last}&limit=200")).await.expect(200);
        let Some(seq) = seqs(&page).last().copied() else { break };
        seen.extend(page.as_array().unwrap().clone());
        last = seq;
    }
    let order = seqs(&json!(seen));
    assert!(order.is_sorted_by(|a, b| a < b));
    let mut opened: Vec<_> = seen.iter().filter(|e| e["action"] == "ticket.created").map(|e| e["ticket_id"].as_i64().unwrap()).collect();
    opened.sort_unstable();
    made.sort_unstable();
    assert_eq!(opened, made);
    let newest = admin.get("/activity?before=9223372036854775807&limit=3").await.expect(200);
    assert_eq!(seqs(&newest), order.iter().rev().take(3).copied().collect::<Vec<_>>());
}

#[tokio::test]
async fn the_desks_log_begins_with_its_oldest_entry_and_tells_how_many_there_are() {
    let (_desk, eva, _, admin) = desk().await;
    eva.open(json!({})).await;
    let log = admin.get("/activity?limit=200").await;
    let total = log.header("x-total-count").to_owned();
    let entries = log.expect(200);
    let seqs = seqs(&entries);
    assert_eq!((seqs[0], total), (1, seqs.len().to_string()));
    let entries = entries.as_array().unwrap();
    for expected in ["user.created", "user.logged_in", "ticket.created"] {
        assert!(actions(entries).contains(&expected), "{expected}");
    }
    for secret in ["password", "hash", "token", crate::support::PASSWORD, "argon2"] {
        assert!(!entries.iter().any(|e| e["changes"].to_string().contains(secret)), "{secret}");
    }
}

#[tokio::test]
async fn the_log_survives_a_restart() {
    let (mut desk, eva, ana, admin) = desk().await;
    let id = eva.open(json!({})).await;
    ana.note(id, "n").await;
    let before = (ana.activity(id).await, eva.activity(id).await, admin.get("/activity?limit=200").await.expect(200));
    desk.restart().await;
    assert_eq!((ana.activity(id).await, eva.activity(id).await, admin.get("/activity?limit=200").await.expect(200)), before);
}

#[tokio::test]
async fn every_action_of_the_contract_is_told_in_the_shape_of_the_contract() {
    let desk = Desk::start_empty(|_| {}).await;
    let nobody = desk.anonymous();
    let first = json!({ "email": "admin@example.com", "full_name": "Admin Example", "password": PASSWORD });
    let setup = json!({ "token": printed(&desk).await, "organisation_name": "O", "locale": "en", "admin": first });
    nobody.post("/setup", setup).await.expect(201);
    let admin = desk.admin().await;
    let new = json!({ "email": "eva@example.com", "full_name": "Eva Example", "password": PASSWORD });
    nobody.post("/auth/register", new).await.expect(201);
    let (eva, other) = (desk.sign_in("eva").await, desk.sign_in("eva").await);
    login(&desk, "eva@example.com", "wrong one").await.expect(401);
    eva.patch("/auth/me", json!({ "full_name": "Eva Sanz" })).await.expect(200);
    eva.patch("/auth/me", json!({ "password": "another one", "current_password": PASSWORD })).await.expect(200);
    other.get("/auth/me").await.expect(401);
    let token = eva.post("/auth/tokens", json!({ "name": "t" })).await.expect(201)["id"].clone();
    eva.delete(&format!("/auth/tokens/{token}")).await.expect(204);
    let id = eva.open(json!({})).await;
    let comment = eva.comment(id, "one").await;
    eva.put(&format!("/tickets/{id}/comments/{comment}"), json!({ "content": "two" })).await.expect(200);
    eva.delete(&format!("/tickets/{id}/comments/{comment}")).await.expect(204);
    admin.assign(id, admin.id).await;
    admin.change(id, json!({ "status": "pending" })).await;
    admin.change(id, json!({ "priority": "high" })).await;
    admin.delete(&format!("/tickets/{id}")).await.expect(204);
    admin.post(&format!("/tickets/{id}/restore"), json!({})).await.expect(200);
    eva.post("/auth/logout", json!(null)).await.expect(204);
    let path = format!("/users/{}", eva.id);
    admin.delete(&path).await.expect(204);
    admin.patch(&path, json!({ "is_active": true })).await.expect(200);
    admin.patch("/settings", json!({ "locale": "es" })).await.expect(200);

    let log = || async { admin.get("/activity?limit=200").await.expect(200).as_array().unwrap().clone() };
    eventually("the failed sign-in is told", async || actions(&log().await).contains(&"user.login_failed").then_some(())).await;
    let log = log().await;
    let told: std::collections::BTreeSet<&str> = actions(&log).into_iter().collect();
    let contract = "ticket.created ticket.updated ticket.status_changed ticket.assigned ticket.deleted ticket.restored comment.created \
                    comment.updated comment.deleted user.registered user.created user.updated user.deactivated user.reactivated \
                    user.password_changed user.logged_in user.logged_out user.login_failed session.revoked token.created token.revoked \
                    settings.updated setup.completed";
    assert_eq!(told, contract.split_whitespace().collect());
    for entry in &log {
        let fields: Vec<&String> = entry.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["action", "actor", "at", "changes", "comment_id", "seq", "ticket_id", "user_id"]);
        let actor: Vec<&String> = entry["actor"].as_object().unwrap().keys().collect();
        assert_eq!(actor, ["id", "name", "via"]);
        assert!(["session", "api_token", "cli", "system"].contains(&entry["actor"]["via"].as_str().unwrap()), "{entry}");
        assert!(entry["changes"].as_object().unwrap().values().all(|pair| pair.as_array().is_some_and(|pair| pair.len() == 2)), "{entry}");
        let about = |kind: &str| entry["action"].as_str().unwrap().starts_with(kind);
        assert_eq!(entry["ticket_id"].is_null(), !about("ticket.") && !about("comment."), "{entry}");
        assert_eq!(entry["comment_id"].is_null(), !about("comment."), "{entry}");
    }
}
