//! Tickets: their fields, how they are opened, changed, assigned, deleted and brought back.

use serde_json::{Value, json};

use crate::support::{Client, Desk};

/// What tests about tickets do all the time.
impl Client {
    /// The same person with an API token, which outlives the hours that a test lets pass.
    pub async fn lasting(self) -> Self {
        let made = self.post("/auth/tokens", json!({"name": "lasting"})).await.expect(201);
        self.with_token(made["token"].as_str().unwrap())
    }

    /// Opens a ticket, with these fields beside title and description.
    pub async fn open(&self, extra: Value) -> i64 {
        let mut body = json!({"title": "Printer", "description": "It burns"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        self.post("/tickets", body).await.expect(201)["id"].as_i64().unwrap()
    }

    /// The ticket as this client sees it.
    pub async fn ticket(&self, id: i64) -> Value {
        self.get(&format!("/tickets/{id}")).await.expect(200)
    }

    /// Changes a ticket, which succeeds.
    pub async fn change(&self, id: i64, body: Value) -> Value {
        self.patch(&format!("/tickets/{id}"), body).await.expect(200)
    }

    /// Gives a ticket to somebody.
    pub async fn assign(&self, id: i64, agent: i64) -> Value {
        self.patch(&format!("/tickets/{id}/assign"), json!({"assigned_agent_id": agent})).await.expect(200)
    }

    /// Writes a public comment.
    pub async fn comment(&self, id: i64, content: &str) -> i64 {
        self.post(&format!("/tickets/{id}/comments"), json!({"content": content})).await.expect(201)["id"].as_i64().unwrap()
    }

    /// Writes an internal note.
    pub async fn note(&self, id: i64, content: &str) -> i64 {
        let body = json!({"content": content, "is_internal": true});
        self.post(&format!("/tickets/{id}/comments"), body).await.expect(201)["id"].as_i64().unwrap()
    }

    /// The ids of a list.
    pub async fn ids(&self, path: &str) -> Vec<i64> {
        self.get(path).await.expect(200).as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
    }

    /// The activity of a ticket.
    pub async fn activity(&self, id: i64) -> Vec<Value> {
        self.get(&format!("/tickets/{id}/activity?limit=200")).await.expect(200).as_array().unwrap().clone()
    }
}

/// The fields at fault of a 422, with their codes.
pub fn faults(problem: &Value) -> Vec<(&str, &str)> {
    let mut faults: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|e| (e["field"].as_str().unwrap(), e["code"].as_str().unwrap())).collect();
    faults.sort_unstable();
    faults
}

#[tokio::test]
async fn a_new_ticket_has_every_field_and_the_same_ones_everywhere() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let made = eva.post("/tickets", json!({"title": "  VPN drops ", "description": "Every *hour*"})).await;
    let id = made.body["id"].as_i64().unwrap();
    assert_eq!(made.header("location"), format!("/api/v1/tickets/{id}"));
    assert_eq!(made.header("etag"), "\"1-0\"");
    let made = made.expect(201);
    assert_eq!(
        made,
        json!({
            "id": id, "title": "VPN drops", "description": "Every *hour*", "status": "open", "priority": "medium", "tags": [],
            "channel": "api", "creator_id": eva.id, "creator_name": "Eva Example", "opened_by_id": eva.id,
            "assigned_agent_id": null, "assigned_agent_name": null,
            "created_at": "2026-03-02T09:00:00Z", "updated_at": "2026-03-02T09:00:00Z", "status_since": "2026-03-02T09:00:00Z",
            "first_response_at": null, "first_response_due_at": "2026-03-02T17:00:00Z",
            "resolved_at": null, "resolution_due_at": "2026-03-05T09:00:00Z", "first_resolved_at": null, "closed_at": null,
            "reopen_count": 0, "comment_count": 0, "sla": {"first_response": "running", "resolution": "running"}, "version": 1,
        })
    );
    assert_eq!(eva.ticket(id).await, made);
    assert_eq!(eva.get("/tickets").await.expect(200), json!([made]));
    assert_eq!(eva.get("/tickets/").await.expect(200), json!([made]), "a trailing slash means the same");
    assert_eq!(eva.get(&format!("/tickets/{id}/")).await.expect(200), made);
}

#[tokio::test]
async fn ids_grow_in_creation_order() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let mut last = 0;
    for _ in 0..5 {
        let id = eva.open(json!({})).await;
        assert!(id > last);
        last = id;
        eva.post("/tickets", json!({"title": ""})).await.expect(422);
    }
}

#[tokio::test]
async fn lengths_are_counted_in_characters() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let longest = eva.post("/tickets", json!({"title": "é".repeat(200), "description": "ñ".repeat(65_536)})).await.expect(201);
    assert_eq!(eva.ticket(longest["id"].as_i64().unwrap()).await["description"].as_str().unwrap().chars().count(), 65_536);
    let body = json!({"title": "é".repeat(201), "description": "ñ".repeat(65_537), "tags": ["ü".repeat(51)]});
    let problem = eva.post("/tickets", body).await.expect(422);
    assert_eq!(faults(&problem), [("description", "too_long"), ("tags[0]", "too_long"), ("title", "too_long")]);
    let problem = eva.post("/tickets", json!({"title": " \t ", "description": ""})).await.expect(422);
    assert_eq!(faults(&problem), [("description", "too_short"), ("title", "too_short")]);
}

#[tokio::test]
async fn text_may_hold_any_character_but_nul() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let strange = "\u{1} \u{7f} \u{feff} \u{202e} 👩‍👩‍👧 𝒳 \" \\ <script> \u{2028} \r\n\t %00 ' OR 1=1";
    let made = eva.post("/tickets", json!({"title": format!("a{strange}z"), "description": strange})).await.expect(201);
    assert_eq!((made["title"].as_str().unwrap(), made["description"].as_str().unwrap()), (format!("a{strange}z").as_str(), strange));
    let problem = eva.post("/tickets", json!({"title": "a\0b", "description": "\0", "tags": ["\0"]})).await.expect(422);
    assert_eq!(faults(&problem), [("description", "invalid"), ("tags[0]", "invalid"), ("title", "invalid")]);
}

#[tokio::test]
async fn tags_are_lower_cased_unique_and_few() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let made = eva.post("/tickets", json!({"title": "t", "description": "d", "tags": ["VPN", " vpn ", "Ärger", "a b"]})).await.expect(201);
    assert_eq!(made["tags"], json!(["a b", "vpn", "ärger"]));
    let many = |n: usize| (0..n).map(|i| format!("t{i}")).collect::<Vec<_>>();
    eva.open(json!({"tags": many(20)})).await;
    let refused = |tags: Value| eva.post("/tickets", json!({"title": "t", "description": "d", "tags": tags}));
    assert_eq!(faults(&refused(json!(many(21))).await.expect(422)), [("tags", "too_long")]);
    assert_eq!(faults(&refused(json!(["a,b", ""])).await.expect(422)), [("tags[0]", "invalid"), ("tags[1]", "too_short")]);
    assert_eq!(faults(&refused(json!("a")).await.expect(422)), [("tags", "wrong_type")]);
    refused(json!(["x".repeat(50)])).await.expect(201);
}

#[tokio::test]
async fn the_server_sets_the_channel() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let channel = |client: Client| async move { client.ticket(client.open(json!({})).await).await["channel"].clone() };
    assert_eq!(channel(eva.clone()).await, "api");
    assert_eq!(channel(eva.clone().lasting().await).await, "api");
    let web =
        desk.anonymous().post("/auth/login?session=cookie", json!({"username": eva.email, "password": crate::support::PASSWORD})).await;
    let access = web.expect(200)["access_token"].as_str().unwrap().to_owned();
    assert_eq!(channel(eva.with_token(access)).await, "web");
    let problem = eva.post("/tickets", json!({"title": "t", "description": "d", "channel": "import"})).await.expect(422);
    assert_eq!(faults(&problem), [("channel", "unknown_field")]);
}

#[tokio::test]
async fn staff_open_tickets_on_behalf_of_others() {
    let desk = Desk::start().await;
    let (admin, ana, eva, tom) = (desk.admin().await, desk.agent("ana").await, desk.user("eva").await, desk.user("tom").await);
    let id = ana.open(json!({"creator_id": eva.id})).await;
    let seen = eva.ticket(id).await;
    assert_eq!(
        (&seen["creator_id"], &seen["opened_by_id"], &seen["creator_name"]),
        (&json!(eva.id), &json!(ana.id), &json!("Eva Example"))
    );
    tom.get(&format!("/tickets/{id}")).await.expect(404);
    admin.open(json!({"creator_id": ana.id})).await;
    eva.open(json!({"creator_id": eva.id})).await;
    eva.open(json!({"creator_id": null})).await;
    let asked = |who: Client, creator: i64| async move {
        who.post("/tickets", json!({"title": "t", "description": "d", "creator_id": creator})).await
    };
    asked(eva.clone(), tom.id).await.expect(403);
    asked(eva.clone(), 999_999).await.expect(403);
    asked(ana.clone(), 999_999).await.expect(404);
    admin.delete(&format!("/users/{}", tom.id)).await.expect(204);
    asked(ana.clone(), tom.id).await.expect(400);
}

#[tokio::test]
async fn put_and_patch_both_change_just_the_fields_sent() {
    let desk = Desk::start().await;
    let (admin, ana) = (desk.admin().await, desk.agent("ana").await);
    for method in [reqwest::Method::PUT, reqwest::Method::PATCH] {
        let id = ana.open(json!({"creator_id": admin.id, "tags": ["a"]})).await;
        let before = admin.ticket(id).await;
        desk.advance(60);
        let path = format!("/tickets/{id}");
        let send = |body: Value| admin.send(admin.request(method.clone(), &path).json(&body));
        let changed = send(json!({"title": " New "})).await;
        assert_eq!(changed.header("etag"), "\"2-0\"");
        let mut expected = before.clone();
        expected["title"] = json!("New");
        expected["version"] = json!(2);
        expected["updated_at"] = json!(desk.now().to_string());
        assert_eq!(changed.expect(200), expected);
        let all =
            json!({"title": "T", "description": "D", "status": "pending", "priority": "low", "tags": ["b"], "assigned_agent_id": ana.id});
        let changed = send(all.clone()).await.expect(200);
        for (field, value) in all.as_object().unwrap() {
            assert_eq!(&changed[field], value, "{field}");
        }
        assert_eq!(changed["assigned_agent_name"], "Ana Example");
        assert_eq!(admin.ticket(id).await, changed);
        let unassigned = send(json!({"assigned_agent_id": null})).await.expect(200);
        assert_eq!((&unassigned["assigned_agent_id"], &unassigned["assigned_agent_name"]), (&Value::Null, &Value::Null));
    }
}

#[tokio::test]
async fn an_empty_change_and_one_to_the_same_values_change_nothing() {
    let desk = Desk::start().await;
    let (admin, eva) = (desk.admin().await, desk.user("eva").await);
    let id = eva.open(json!({"tags": ["b", "a"]})).await;
    let before = admin.ticket(id).await;
    desk.advance(60);
    let path = format!("/tickets/{id}");
    let same = json!({
        "title": "Printer ", "description": "It burns", "status": "open", "priority": "medium", "tags": ["A", "b"], "assigned_agent_id": null,
    });
    for body in [json!({}), same] {
        for answer in [admin.put(&path, body.clone()).await, admin.patch(&path, body.clone()).await] {
            assert_eq!(answer.header("etag"), "\"1-0\"");
            assert_eq!(answer.expect(200), before);
        }
    }
    assert_eq!(eva.put(&path, json!({})).await.expect(200), before);
    assert_eq!(admin.activity(id).await.len(), 1, "no activity");
}

#[tokio::test]
async fn bad_changes_are_refused_with_every_fault() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    let path = format!("/tickets/{}", admin.open(json!({})).await);
    let body = json!({
        "title": null, "description": 1, "status": "opne", "priority": null, "tags": {}, "assigned_agent_id": "me", "creator_id": 1, "version": 3,
    });
    let expected = [
        ("assigned_agent_id", "wrong_type"),
        ("creator_id", "unknown_field"),
        ("description", "wrong_type"),
        ("priority", "null"),
        ("status", "unknown_value"),
        ("tags", "wrong_type"),
        ("title", "null"),
        ("version", "unknown_field"),
    ];
    assert_eq!(faults(&admin.put(&path, body.clone()).await.expect(422)), expected);
    assert_eq!(faults(&admin.patch(&path, body).await.expect(422)), expected);
    let body = json!({"titel": "t", "priority": 3});
    let expected = [("description", "missing"), ("priority", "wrong_type"), ("titel", "unknown_field"), ("title", "missing")];
    assert_eq!(faults(&admin.post("/tickets", body).await.expect(422)), expected);
    let assign = format!("{path}/assign");
    assert_eq!(faults(&admin.patch(&assign, json!({})).await.expect(422)), [("assigned_agent_id", "missing")]);
    assert_eq!(faults(&admin.patch(&assign, json!({"assigned_agent_id": 0})).await.expect(422)), [("assigned_agent_id", "out_of_range")]);
    assert_eq!(
        faults(&admin.patch(&assign, json!({"agent": 1})).await.expect(422)),
        [("agent", "unknown_field"), ("assigned_agent_id", "missing")]
    );
}

#[tokio::test]
async fn unknown_parameters_are_refused_by_name_on_every_call() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    let id = admin.open(json!({})).await;
    let path = format!("/tickets/{id}?foo=1");
    let body = json!({"title": "t", "description": "d"});
    for answer in [
        admin.get("/tickets?foo=1").await,
        admin.get(&path).await,
        admin.post("/tickets?foo=1", body.clone()).await,
        admin.put(&path, body.clone()).await,
        admin.patch(&path, body).await,
        admin.delete(&path).await,
        admin.post(&format!("/tickets/{id}/restore?foo=1"), json!({})).await,
        admin.patch(&format!("/tickets/{id}/assign?foo=1"), json!({"assigned_agent_id": null})).await,
        admin.get(&format!("/tickets/{id}/comments?foo=1")).await,
        admin.get(&format!("/tickets/{id}/activity?foo=1")).await,
        admin.get("/activity?foo=1").await,
    ] {
        assert_eq!(faults(&answer.expect(422)), [("foo", "unknown_field")]);
    }
    assert_eq!(admin.ticket(id).await["version"], 1);
}

#[tokio::test]
async fn assigning_goes_to_active_staff_only() {
    let desk = Desk::start().await;
    let (admin, ana, ben, eva) = (desk.admin().await, desk.agent("ana").await, desk.agent("ben").await, desk.user("eva").await);
    let id = eva.open(json!({})).await;
    let assign = format!("/tickets/{id}/assign");
    let to = |agent: Value| json!({"assigned_agent_id": agent});
    admin.delete(&format!("/users/{}", ben.id)).await.expect(204);
    for path in [assign.clone(), format!("/tickets/{id}")] {
        ana.patch(&path, to(json!(eva.id))).await.expect(400);
        ana.patch(&path, to(json!(ben.id))).await.expect(400);
        ana.patch(&path, to(json!(999_999))).await.expect(404);
    }
    ana.put(&format!("/tickets/{id}"), to(json!(eva.id))).await.expect(400);
    assert_eq!(ana.ticket(id).await["version"], 1);

    let taken = ana.patch(&assign, to(json!(ana.id))).await;
    assert_eq!(taken.header("etag"), "\"2-0\"");
    let taken = taken.expect(200);
    assert_eq!((&taken["status"], &taken["assigned_agent_name"]), (&json!("in_progress"), &json!("Ana Example")));
    let passed_on = ana.patch(&assign, to(json!(admin.id))).await.expect(200);
    assert_eq!((&passed_on["assigned_agent_id"], &passed_on["status"]), (&json!(admin.id), &json!("in_progress")));
    let dropped = ana.patch(&assign, to(Value::Null)).await.expect(200);
    assert_eq!((&dropped["assigned_agent_id"], &dropped["status"]), (&Value::Null, &json!("in_progress")), "unassigning keeps the status");
    assert_eq!(ana.patch(&assign, to(Value::Null)).await.expect(200)["version"], dropped["version"]);
}

#[tokio::test]
async fn a_ticket_may_keep_an_assignee_who_left() {
    let desk = Desk::start().await;
    let (admin, ana, eva) = (desk.admin().await, desk.agent("ana").await, desk.user("eva").await);
    let id = eva.open(json!({})).await;
    admin.assign(id, ana.id).await;
    admin.delete(&format!("/users/{}", ana.id)).await.expect(204);
    let changed = admin.change(id, json!({"title": "x", "assigned_agent_id": ana.id})).await;
    assert_eq!((&changed["assigned_agent_id"], &changed["assigned_agent_name"]), (&json!(ana.id), &json!("Ana Example")));
}

#[tokio::test]
async fn a_deleted_ticket_is_gone_for_everything_but_restore() {
    let desk = Desk::start().await;
    let (admin, ana, eva) = (desk.admin().await, desk.agent("ana").await, desk.user("eva").await);
    let id = eva.open(json!({"title": "Unmistakable"})).await;
    let other = eva.open(json!({})).await;
    let comment = ana.comment(id, "Something special").await;
    let before = admin.ticket(id).await;
    let gone = admin.delete(&format!("/tickets/{id}")).await;
    assert_eq!((gone.status, gone.body), (204, Value::Null));

    let (path, text) = (format!("/tickets/{id}"), json!({"content": "x"}));
    for who in [&admin, &ana, &eva] {
        who.get(&path).await.expect(404);
        who.put(&path, json!({})).await.expect(404);
        who.patch(&path, json!({"title": "x"})).await.expect(404);
        who.patch(&format!("{path}/assign"), json!({"assigned_agent_id": null})).await.expect(404);
        who.delete(&path).await.expect(404);
        who.get(&format!("{path}/comments")).await.expect(404);
        who.post(&format!("{path}/comments"), text.clone()).await.expect(404);
        who.put(&format!("{path}/comments/{comment}"), text.clone()).await.expect(404);
        who.delete(&format!("{path}/comments/{comment}")).await.expect(404);
        who.get(&format!("{path}/activity")).await.expect(404);
        let list = who.get("/tickets").await;
        assert_eq!(list.header("x-total-count"), "1");
        assert_eq!(list.expect(200)[0]["id"], other);
        assert_eq!(who.ids("/tickets?q=unmistakable").await, [0; 0]);
        assert_eq!(who.ids("/tickets?q=special").await, [0; 0]);
    }
    let deleted = admin.get("/tickets?deleted=true").await;
    assert_eq!(deleted.header("x-total-count"), "1");
    assert_eq!(deleted.expect(200)[0]["id"], id);
    ana.get("/tickets?deleted=true").await.expect(403);
    eva.get("/tickets?deleted=true").await.expect(403);
    eva.get("/tickets?deleted=false").await.expect(200);

    let restore = format!("{path}/restore");
    ana.post(&restore, json!({})).await.expect(403);
    eva.post(&restore, json!({})).await.expect(403);
    eva.post("/tickets/999999/restore", json!({})).await.expect(403);
    admin.post("/tickets/999999/restore", json!({})).await.expect(404);
    admin.post("/tickets/x/restore", json!({})).await.expect(404);
    admin.post(&format!("/tickets/{other}/restore"), json!({})).await.expect(409);
    let back = admin.post(&restore, json!({})).await;
    assert_eq!(back.header("etag"), format!("\"{}-1\"", before["version"].as_i64().unwrap() + 2));
    let back = back.expect(200);
    assert_eq!((&back["title"], &back["comment_count"], &back["status"]), (&json!("Unmistakable"), &json!(1), &before["status"]));
    assert_eq!(eva.ids("/tickets?q=special").await, [id]);
    assert_eq!(eva.get(&format!("{path}/comments")).await.expect(200)[0]["id"], comment);
    admin.post(&restore, json!({})).await.expect(409);
}

#[tokio::test]
async fn what_is_no_id_names_nothing() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    admin.open(json!({})).await;
    for bad in ["0", "-1", "01", "+1", "1.0", "x", "9223372036854775808", "%00", "%ff", "1%20", "９"] {
        admin.get(&format!("/tickets/{bad}")).await.expect(404);
        admin.put(&format!("/tickets/{bad}"), json!({})).await.expect(404);
        admin.delete(&format!("/tickets/{bad}")).await.expect(404);
        admin.get(&format!("/tickets/{bad}/comments")).await.expect(404);
        admin.delete(&format!("/tickets/1/comments/{bad}")).await.expect(404);
        admin.get(&format!("/tickets/{bad}/activity")).await.expect(404);
    }
    admin.put("/tickets/x", json!({"title": ""})).await.expect(422);
}

#[tokio::test]
async fn markdown_is_rendered_safely_when_asked_for() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let text = "**Help** <script>alert(1)</script> ![x](http://x.org/y.png) [a](javascript:alert(1))";
    let id = eva.open(json!({"description": text})).await;
    let html = "<p><strong>Help</strong> &lt;script&gt;alert(1)&lt;/script&gt; \
                <a href=\"http://x.org/y.png\" rel=\"noopener nofollow\">x</a> <a rel=\"noopener nofollow\">a</a></p>\n";
    let one = eva.get(&format!("/tickets/{id}?render=html")).await.expect(200);
    assert_eq!((&one["description"], &one["description_html"]), (&json!(text), &json!(html)));
    assert_eq!(eva.get("/tickets?render=html").await.expect(200)[0]["description_html"], html);
    assert_eq!(eva.ticket(id).await.get("description_html"), None);
    eva.get("/tickets?render=text").await.expect(422);
    let comment = eva.comment(id, "_hi_").await;
    let path = format!("/tickets/{id}/comments");
    assert_eq!(eva.get(&format!("{path}?render=html")).await.expect(200)[0]["content_html"], "<p><em>hi</em></p>\n");
    assert_eq!(eva.get(&format!("{path}/{comment}?render=html")).await.expect(200)["content_html"], "<p><em>hi</em></p>\n");
    assert_eq!(eva.get(&path).await.expect(200)[0].get("content_html"), None);
}
