//! How a ticket moves: what statuses, comments, deletions and restorations do to its times, counts and version.

use serde_json::{Value, json};

use crate::support::{Client, Desk};

/// A desk with a requester, an agent and an admin.
async fn desk() -> (Desk, Client, Client, Client) {
    let desk = Desk::start().await;
    let (eva, ana, admin) = (desk.user("eva").await, desk.agent("ana").await, desk.admin().await);
    (desk, eva, ana, admin)
}

#[tokio::test]
async fn resolving_and_reopening_set_and_clear_the_times() {
    let (desk, eva, ana, _) = desk().await;
    let id = eva.open(json!({})).await;
    ana.assign(id, ana.id).await;
    desk.advance(60);
    let first = desk.now().to_string();
    let resolved = ana.change(id, json!({"status": "resolved"})).await;
    for field in ["resolved_at", "first_resolved_at", "status_since", "updated_at"] {
        assert_eq!(resolved[field], first, "{field}");
    }
    assert_eq!((&resolved["closed_at"], &resolved["reopen_count"]), (&Value::Null, &json!(0)));

    desk.advance(60);
    let closed = ana.change(id, json!({"status": "closed"})).await;
    assert_eq!((&closed["resolved_at"], &closed["closed_at"]), (&json!(first), &json!(desk.now().to_string())));

    desk.advance(60);
    let open = eva.change(id, json!({"status": "open"})).await;
    assert_eq!((&open["resolved_at"], &open["closed_at"], &open["first_resolved_at"]), (&Value::Null, &Value::Null, &json!(first)));
    assert_eq!((&open["reopen_count"], &open["status_since"]), (&json!(1), &json!(desk.now().to_string())));

    desk.advance(60);
    let again = ana.change(id, json!({"status": "resolved"})).await;
    assert_eq!((&again["first_resolved_at"], &again["resolved_at"]), (&json!(first), &json!(desk.now().to_string())));
    let pending = ana.change(id, json!({"status": "pending"})).await;
    assert_eq!((&pending["reopen_count"], &pending["resolved_at"]), (&json!(2), &Value::Null));
}

#[tokio::test]
async fn closing_directly_leaves_resolved_at_null() {
    let (desk, eva, ..) = desk().await;
    let id = eva.open(json!({})).await;
    let closed = eva.change(id, json!({"status": "closed"})).await;
    assert_eq!((&closed["resolved_at"], &closed["first_resolved_at"]), (&Value::Null, &Value::Null));
    assert_eq!(closed["closed_at"], desk.now().to_string());
}

#[tokio::test]
async fn a_closed_ticket_changes_only_by_reopening() {
    let (_desk, eva, ana, admin) = desk().await;
    let id = eva.open(json!({})).await;
    ana.assign(id, ana.id).await;
    let comment = ana.comment(id, "answer").await;
    ana.change(id, json!({"status": "closed"})).await;
    let path = format!("/tickets/{id}");
    let before = admin.ticket(id).await;
    for body in [
        json!({"title": "x"}),
        json!({"description": "x"}),
        json!({"priority": "low"}),
        json!({"tags": ["x"]}),
        json!({"assigned_agent_id": null}),
        json!({"status": "resolved"}),
    ] {
        for who in [&ana, &admin] {
            assert_eq!(who.put(&path, body.clone()).await.expect(409)["type"], "/problems/ticket-closed");
        }
    }
    eva.post(&format!("{path}/comments"), json!({"content": "thanks"})).await.expect(409);
    admin.post(&format!("{path}/comments"), json!({"content": "thanks"})).await.expect(409);
    ana.put(&format!("{path}/comments/{comment}"), json!({"content": "changed"})).await.expect(409);
    ana.delete(&format!("{path}/comments/{comment}")).await.expect(409);
    admin.put(&path, json!({"status": "closed", "title": "Printer"})).await.expect(200);
    ana.put(&format!("{path}/comments/{comment}"), json!({"content": "answer"})).await.expect(200);
    assert_eq!(admin.ticket(id).await, before);

    let note = ana.note(id, "for the record").await;
    ana.put(&format!("{path}/comments/{note}"), json!({"content": "for the file"})).await.expect(200);
    ana.delete(&format!("{path}/comments/{note}")).await.expect(204);
    admin.delete(&path).await.expect(204);
    assert_eq!(admin.post(&format!("{path}/restore"), json!({})).await.expect(200)["status"], "closed");

    let reopened = ana.change(id, json!({"status": "in_progress", "title": "x"})).await;
    assert_eq!((&reopened["status"], &reopened["title"]), (&json!("in_progress"), &json!("x")));
}

#[tokio::test]
async fn a_requesters_answer_brings_a_waiting_ticket_back() {
    let (_desk, eva, ana, admin) = desk().await;
    for (agent, status, back, reopened) in [
        (Some(ana.id), "pending", "in_progress", 0),
        (None, "pending", "open", 0),
        (Some(ana.id), "resolved", "in_progress", 1),
        (None, "resolved", "open", 1),
    ] {
        let id = eva.open(json!({})).await;
        admin.change(id, json!({"assigned_agent_id": agent, "status": status})).await;
        ana.comment(id, "anything else?").await;
        assert_eq!(eva.ticket(id).await["status"], status, "staff's own comments move nothing");
        ana.note(id, "hm").await;
        let before = eva.ticket(id).await["version"].as_i64().unwrap();
        eva.comment(id, "yes").await;
        let after = eva.ticket(id).await;
        assert_eq!((&after["status"], &after["reopen_count"], &after["resolved_at"]), (&json!(back), &json!(reopened), &Value::Null));
        assert_eq!(after["version"], before + 1);
    }
}

#[tokio::test]
async fn staff_never_reopen_by_a_comment_not_even_their_own_requests() {
    let (_desk, _, ana, admin) = desk().await;
    let id = ana.open(json!({})).await;
    admin.change(id, json!({"status": "resolved"})).await;
    ana.comment(id, "thanks").await;
    assert_eq!(ana.ticket(id).await["status"], "resolved");
    admin.change(id, json!({"status": "pending"})).await;
    ana.comment(id, "here you are").await;
    assert_eq!(ana.ticket(id).await["status"], "open", "but the requester's answer ends the waiting");
}

#[tokio::test]
async fn the_requester_is_the_creator_whoever_typed_the_ticket() {
    let (_desk, eva, ana, _) = desk().await;
    let id = ana.open(json!({"creator_id": eva.id})).await;
    ana.change(id, json!({"status": "pending"})).await;
    ana.comment(id, "from the one who typed it").await;
    assert_eq!(eva.ticket(id).await["status"], "pending");
    eva.comment(id, "from the requester").await;
    assert_eq!(eva.ticket(id).await["status"], "open");
}

#[tokio::test]
async fn the_first_public_answer_of_staff_is_the_first_response() {
    let (desk, eva, ana, admin) = desk().await;
    let id = eva.open(json!({})).await;
    eva.comment(id, "hello?").await;
    ana.note(id, "busy").await;
    assert_eq!(eva.ticket(id).await["first_response_at"], Value::Null);
    desk.advance(60);
    ana.comment(id, "here").await;
    let first = desk.now().to_string();
    assert_eq!(eva.ticket(id).await["first_response_at"], first);
    desk.advance(60);
    admin.comment(id, "here, too").await;
    assert_eq!(eva.ticket(id).await["first_response_at"], first);

    let own = ana.open(json!({})).await;
    ana.comment(own, "note to self").await;
    assert_eq!(ana.ticket(own).await["first_response_at"], Value::Null);
    admin.comment(own, "I see").await;
    assert_eq!(ana.ticket(own).await["first_response_at"], desk.now().to_string());
}

#[tokio::test]
async fn versions_count_the_tickets_own_changes_and_public_comments_touch_it() {
    let (desk, eva, ana, _) = desk().await;
    let id = eva.open(json!({})).await;
    let now = || desk.now().to_string();
    let stands = |version: i64, updated_at: String, who: Client| async move {
        let ticket = who.ticket(id).await;
        assert_eq!((&ticket["version"], &ticket["updated_at"]), (&json!(version), &json!(updated_at)));
    };
    desk.advance(1);
    let comment = eva.comment(id, "a comment").await;
    let (mut version, mut touched) = (1, now());
    stands(version, touched.clone(), eva.clone()).await;
    desk.advance(1);
    ana.comment(id, "the first response").await;
    (version, touched) = (version + 1, now());
    stands(version, touched.clone(), eva.clone()).await;
    desk.advance(1);
    let note = ana.note(id, "a note").await;
    ana.put(&format!("/tickets/{id}/comments/{note}"), json!({"content": "another"})).await.expect(200);
    ana.delete(&format!("/tickets/{id}/comments/{note}")).await.expect(204);
    stands(version, touched.clone(), eva.clone()).await;
    eva.put(&format!("/tickets/{id}/comments/{comment}"), json!({"content": "changed"})).await.expect(200);
    touched = now();
    stands(version, touched.clone(), eva.clone()).await;
    desk.advance(1);
    eva.delete(&format!("/tickets/{id}/comments/{comment}")).await.expect(204);
    stands(version, now(), eva.clone()).await;
    desk.advance(1);
    ana.change(id, json!({"priority": "low"})).await;
    stands(version + 1, now(), eva.clone()).await;
}

#[tokio::test]
async fn notes_count_for_staff_only() {
    let (_desk, eva, ana, _) = desk().await;
    let id = eva.open(json!({})).await;
    eva.comment(id, "one").await;
    let note = ana.note(id, "two").await;
    let counts = |eva: Client, ana: Client| async move {
        let of = |ticket: Value| ticket["comment_count"].as_i64().unwrap();
        let listed = of(eva.get("/tickets").await.expect(200)[0].clone());
        let shown = (of(eva.ticket(id).await), of(ana.ticket(id).await));
        assert_eq!(listed, shown.0);
        shown
    };
    assert_eq!(counts(eva.clone(), ana.clone()).await, (1, 2));
    ana.delete(&format!("/tickets/{id}/comments/{note}")).await.expect(204);
    assert_eq!(counts(eva.clone(), ana.clone()).await, (1, 1));
}

#[tokio::test]
async fn an_open_ticket_that_gets_an_assignee_is_in_progress() {
    let (_desk, eva, ana, _) = desk().await;
    let id = eva.open(json!({})).await;
    let whole_form =
        json!({"title": "Printer", "description": "It burns", "status": "open", "priority": "medium", "assigned_agent_id": ana.id});
    assert_eq!(ana.put(&format!("/tickets/{id}"), whole_form).await.expect(200)["status"], "in_progress");
    let id = eva.open(json!({})).await;
    let told = ana.change(id, json!({"assigned_agent_id": ana.id, "status": "pending"})).await;
    assert_eq!(told["status"], "pending");
}
