//! Who may do what to which ticket: the role table, and the order in which refusals come.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, Desk, Response};

/// The people of the role table: the requester, a stranger, the assignee, another agent, the admin.
struct People {
    desk: Desk,
    eva: Client,
    tom: Client,
    ana: Client,
    ben: Client,
    admin: Client,
}

impl People {
    async fn meet() -> Self {
        let desk = Desk::start().await;
        let (eva, tom) = (desk.user("eva").await, desk.user("tom").await);
        let (ana, ben, admin) = (desk.agent("ana").await, desk.agent("ben").await, desk.admin().await);
        Self { desk, eva, tom, ana, ben, admin }
    }

    fn all(&self) -> [&Client; 5] {
        [&self.eva, &self.tom, &self.ana, &self.ben, &self.admin]
    }

    /// A ticket of Eva's in this state: `open` and unassigned, or assigned to Ana and in the status named.
    async fn ticket(&self, state: &str) -> i64 {
        let id = self.eva.open(json!({})).await;
        if state != "open" {
            self.admin.change(id, json!({"assigned_agent_id": self.ana.id, "status": state})).await;
        }
        id
    }

    /// What each of the five gets for this request on a fresh ticket.
    async fn try_all(&self, state: &str, method: Method, path: &str, body: Value) -> [u16; 5] {
        let mut got = [0; 5];
        for (who, got) in self.all().into_iter().zip(&mut got) {
            let path = path.replace("ID", &self.ticket(state).await.to_string());
            let request = who.request(method.clone(), &path);
            let answer = who.send(if body.is_null() { request } else { request.json(&body) }).await;
            *got = answer.status;
            answer.expect(*got);
        }
        got
    }
}

#[tokio::test]
async fn the_role_table_holds() {
    let p = People::meet().await;
    let (ana, ben) = (p.ana.id, p.ben.id);
    let (put, post, delete, get) = (Method::PUT, Method::POST, Method::DELETE, Method::GET);
    let one = "/tickets/ID";
    // state of the ticket, request, and what requester, stranger, assignee, other agent and admin get
    let table = [
        ("open", get.clone(), one, Value::Null, [200, 404, 200, 200, 200]),
        ("closed", get.clone(), one, Value::Null, [200, 404, 200, 200, 200]),
        // title, description: own while not closed; staff
        ("open", put.clone(), one, json!({"title": "x", "description": "y"}), [200, 404, 200, 200, 200]),
        ("resolved", put.clone(), one, json!({"title": "x"}), [200, 404, 200, 200, 200]),
        ("closed", put.clone(), one, json!({"title": "x"}), [409, 404, 409, 409, 409]),
        // priority, tags: staff
        ("open", put.clone(), one, json!({"priority": "high"}), [403, 404, 200, 200, 200]),
        ("open", put.clone(), one, json!({"tags": ["a"]}), [403, 404, 200, 200, 200]),
        ("closed", put.clone(), one, json!({"priority": "high"}), [403, 404, 409, 409, 409]),
        // resolved, closed: own closed; assignee; admin
        ("in_progress", put.clone(), one, json!({"status": "resolved"}), [403, 404, 200, 403, 200]),
        ("in_progress", put.clone(), one, json!({"status": "closed"}), [200, 404, 200, 403, 200]),
        ("open", put.clone(), one, json!({"status": "resolved"}), [403, 404, 403, 403, 200]),
        ("open", put.clone(), one, json!({"status": "closed"}), [200, 404, 403, 403, 200]),
        ("resolved", put.clone(), one, json!({"status": "closed"}), [200, 404, 200, 403, 200]),
        ("closed", put.clone(), one, json!({"status": "resolved"}), [403, 404, 409, 403, 409]),
        // other statuses: own reopening; staff
        ("resolved", put.clone(), one, json!({"status": "open"}), [200, 404, 200, 200, 200]),
        ("closed", put.clone(), one, json!({"status": "open"}), [200, 404, 200, 200, 200]),
        ("closed", put.clone(), one, json!({"status": "in_progress"}), [403, 404, 200, 200, 200]),
        ("in_progress", put.clone(), one, json!({"status": "open"}), [403, 404, 200, 200, 200]),
        ("in_progress", put.clone(), one, json!({"status": "pending"}), [403, 404, 200, 200, 200]),
        // assign, reassign, unassign: staff
        ("open", put.clone(), one, json!({"assigned_agent_id": ana}), [403, 404, 200, 200, 200]),
        ("open", Method::PATCH, "/tickets/ID/assign", json!({"assigned_agent_id": ana}), [403, 404, 200, 200, 200]),
        ("in_progress", Method::PATCH, "/tickets/ID/assign", json!({"assigned_agent_id": ben}), [403, 404, 200, 200, 200]),
        ("in_progress", Method::PATCH, "/tickets/ID/assign", json!({"assigned_agent_id": null}), [403, 404, 200, 200, 200]),
        ("closed", Method::PATCH, "/tickets/ID/assign", json!({"assigned_agent_id": ben}), [403, 404, 409, 409, 409]),
        // delete: own while open and unassigned; admin
        ("open", delete.clone(), one, Value::Null, [204, 404, 403, 403, 204]),
        ("in_progress", delete.clone(), one, Value::Null, [403, 404, 403, 403, 204]),
        ("closed", delete.clone(), one, Value::Null, [403, 404, 403, 403, 204]),
        ("open", post.clone(), "/tickets/ID/restore", Value::Null, [403, 403, 403, 403, 409]),
        // comments and notes
        ("open", post.clone(), "/tickets/ID/comments", json!({"content": "c"}), [201, 404, 201, 201, 201]),
        ("resolved", post.clone(), "/tickets/ID/comments", json!({"content": "c"}), [201, 404, 201, 201, 201]),
        ("closed", post.clone(), "/tickets/ID/comments", json!({"content": "c"}), [409, 404, 409, 409, 409]),
        ("open", post.clone(), "/tickets/ID/comments", json!({"content": "c", "is_internal": true}), [403, 404, 201, 201, 201]),
        ("closed", post.clone(), "/tickets/ID/comments", json!({"content": "c", "is_internal": true}), [403, 404, 201, 201, 201]),
        ("open", get.clone(), "/tickets/ID/comments", Value::Null, [200, 404, 200, 200, 200]),
        ("open", get.clone(), "/tickets/ID/activity", Value::Null, [200, 404, 200, 200, 200]),
        ("open", get.clone(), "/activity", Value::Null, [403, 403, 403, 403, 200]),
    ];
    for (state, method, path, body, expected) in table {
        let got = p.try_all(state, method.clone(), path, body.clone()).await;
        assert_eq!(got, expected, "{method} {path} {body} on one that is {state}");
    }
    drop(p.desk);
}

#[tokio::test]
async fn comments_belong_to_their_authors_and_to_admins() {
    let p = People::meet().await;
    let id = p.ticket("open").await;
    let by_eva = p.eva.comment(id, "by Eva").await;
    let by_ana = p.ana.comment(id, "by Ana").await;
    let note = p.ana.note(id, "by Ana, for staff").await;
    let table = [(by_eva, [200, 404, 403, 403, 200]), (by_ana, [403, 404, 200, 403, 200]), (note, [404, 404, 200, 403, 200])];
    for (comment, expected) in table {
        let path = format!("/tickets/{id}/comments/{comment}");
        for (who, expected) in p.all().into_iter().zip(expected) {
            let answer = who.put(&path, json!({"content": format!("edited by {}", who.id)})).await;
            answer.expect(expected);
        }
        for (who, expected) in p.all().into_iter().zip(expected).filter(|(_, status)| *status != 200) {
            who.delete(&path).await.expect(expected);
        }
    }
    p.eva.delete(&format!("/tickets/{id}/comments/{by_eva}")).await.expect(204);
    p.ana.delete(&format!("/tickets/{id}/comments/{by_ana}")).await.expect(204);
    p.admin.delete(&format!("/tickets/{id}/comments/{note}")).await.expect(204);
    drop(p.desk);
}

#[tokio::test]
async fn own_comments_go_with_the_right_to_see_the_ticket() {
    let p = People::meet().await;
    let id = p.ticket("open").await;
    let (comment, note) = (p.ana.comment(id, "answer").await, p.ana.note(id, "note").await);
    p.admin.patch(&format!("/users/{}", p.ana.id), json!({"role": "user"})).await.expect(200);
    for comment in [comment, note] {
        let path = format!("/tickets/{id}/comments/{comment}");
        p.ana.put(&path, json!({"content": "x"})).await.expect(404);
        p.ana.delete(&path).await.expect(404);
    }
    // The same person as requester of the ticket: the note stays hidden, though she wrote it.
    let own = p.admin.open(json!({"creator_id": p.ana.id})).await;
    p.admin.patch(&format!("/users/{}", p.ana.id), json!({"role": "agent"})).await.expect(200);
    let (comment, note) = (p.ana.comment(own, "mine").await, p.ana.note(own, "note").await);
    p.admin.patch(&format!("/users/{}", p.ana.id), json!({"role": "user"})).await.expect(200);
    p.ana.put(&format!("/tickets/{own}/comments/{comment}"), json!({"content": "x"})).await.expect(200);
    p.ana.put(&format!("/tickets/{own}/comments/{note}"), json!({"content": "x"})).await.expect(404);
    drop(p.desk);
}

/// A refusal without what is the request's own.
fn anonymised(answer: &Response) -> (u16, Vec<(String, String)>, Value) {
    let own = ["x-request-id", "date"];
    let headers = answer.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let mut headers: Vec<_> = headers.filter(|(name, _)| !own.contains(&name.as_str())).collect();
    headers.sort();
    let mut body = answer.body.clone();
    body["request_id"] = Value::Null;
    (answer.status, headers, body)
}

#[tokio::test]
async fn not_yours_and_not_there_are_told_in_the_same_words() {
    let p = People::meet().await;
    let foreign = p.ticket("in_progress").await;
    let comment = p.eva.comment(foreign, "c").await;
    let gone = p.ticket("open").await;
    p.admin.delete(&format!("/tickets/{gone}")).await.expect(204);
    let own = p.tom.open(json!({})).await;
    let calls = [
        (Method::GET, "", Value::Null),
        (Method::PUT, "", json!({"priority": "high"})),
        (Method::PATCH, "", json!({"assigned_agent_id": 999_999})),
        (Method::DELETE, "", Value::Null),
        (Method::PATCH, "/assign", json!({"assigned_agent_id": null})),
        (Method::GET, "/comments", Value::Null),
        (Method::POST, "/comments", json!({"content": "x", "is_internal": true})),
        (Method::PUT, &format!("/comments/{comment}"), json!({"content": "x"})),
        (Method::DELETE, &format!("/comments/{comment}"), Value::Null),
        (Method::GET, "/activity", Value::Null),
    ];
    for (method, rest, body) in calls {
        let mut told = Vec::new();
        for id in [foreign, gone, 999_999] {
            let request = p.tom.request(method.clone(), &format!("/tickets/{id}{rest}"));
            told.push(anonymised(&p.tom.send(if body.is_null() { request } else { request.json(&body) }).await));
        }
        assert_eq!(told[0].0, 404, "{method} {rest}");
        assert!(told.iter().all(|one| *one == told[0]), "{method} {rest}: {told:#?}");
    }
    // A foreign comment under one's own ticket is as absent as any.
    let told: Vec<_> =
        [p.tom.delete(&format!("/tickets/{own}/comments/{comment}")).await, p.tom.delete(&format!("/tickets/{own}/comments/999999")).await]
            .iter()
            .map(anonymised)
            .collect();
    assert_eq!((told[0].0, &told[0]), (404, &told[1]));
    drop(p.desk);
}

#[tokio::test]
async fn a_change_of_role_is_felt_on_the_next_request() {
    let p = People::meet().await;
    let id = p.ticket("open").await;
    p.tom.get(&format!("/tickets/{id}")).await.expect(404);
    p.admin.patch(&format!("/users/{}", p.tom.id), json!({"role": "agent"})).await.expect(200);
    p.tom.get(&format!("/tickets/{id}")).await.expect(200);
    p.admin.patch(&format!("/users/{}", p.tom.id), json!({"role": "user"})).await.expect(200);
    p.tom.get(&format!("/tickets/{id}")).await.expect(404);
    p.admin.patch(&format!("/users/{}", p.tom.id), json!({"is_active": false})).await.expect(200);
    p.tom.get(&format!("/tickets/{id}")).await.expect(401);
    drop(p.desk);
}

#[tokio::test]
async fn refusals_come_in_a_fixed_order() {
    let p = People::meet().await;
    let id = p.ticket("closed").await;
    let nobody = p.desk.anonymous();
    let path = format!("/tickets/{id}");
    let stale = |who: &Client, body: &str, path: &str| {
        let request = who.request(Method::PUT, path).header("if-match", "\"1-0\"").header("content-type", "application/json");
        let (who, request) = (who.clone(), request.body(body.to_owned()));
        async move { who.send(request).await.status }
    };
    // 401 before all: nobody, with everything wrong
    assert_eq!(stale(&nobody, "{", "/tickets/999999").await, 401);
    // 400 before 422 and 404; 422 before 404
    assert_eq!(stale(&p.tom, "{", "/tickets/999999").await, 400);
    assert_eq!(stale(&p.tom, r#"{"title": ""}"#, "/tickets/999999").await, 422);
    // 404 before 403
    assert_eq!(stale(&p.tom, r#"{"priority": "high"}"#, &path).await, 404);
    // 403 before 412
    assert_eq!(stale(&p.eva, r#"{"priority": "high"}"#, &path).await, 403);
    // 412 before 409
    assert_eq!(stale(&p.eva, r#"{"title": "x"}"#, &path).await, 412);
    assert_eq!(p.eva.put(&path, json!({"title": "x"})).await.status, 409);
    // the same for lists and the log, where rights are known before anything is read
    p.eva.get("/tickets?deleted=true&sort=x").await.expect(422);
    p.eva.get("/tickets?deleted=true&cursor=x").await.expect(422);
    p.eva.get("/activity?limit=0").await.expect(422);
    p.eva.get("/activity?after=1&before=2").await.expect(422);
    nobody.get("/activity?limit=0").await.expect(401);
    drop(p.desk);
}

#[tokio::test]
async fn every_call_needs_a_token() {
    let desk = Desk::start().await;
    let nobody = desk.anonymous();
    let id = desk.admin().await.open(json!({})).await;
    let one = format!("/tickets/{id}");
    for answer in [
        nobody.get("/tickets").await,
        nobody.post("/tickets", json!({})).await,
        nobody.post("/tickets/bulk", json!({})).await,
        nobody.get(&one).await,
        nobody.put(&one, json!({})).await,
        nobody.patch(&one, json!({})).await,
        nobody.delete(&one).await,
        nobody.patch(&format!("{one}/assign"), json!({})).await,
        nobody.post(&format!("{one}/restore"), json!({})).await,
        nobody.get(&format!("{one}/comments")).await,
        nobody.post(&format!("{one}/comments"), json!({})).await,
        nobody.get(&format!("{one}/activity")).await,
        nobody.get("/activity").await,
    ] {
        answer.expect(401);
    }
}
