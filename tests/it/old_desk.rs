//! A client that was written for the small FastAPI desk which this one replaces: its addresses, its form login, the fields
//! that it read. It knows nothing of what is new.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, Desk, Response};

/// What the old client did for every call: a whole address, and the token that it held.
struct OldClient(Client);

impl OldClient {
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let mut request = self.0.request(method, &format!("/{path}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.0.send(request).await
    }

    async fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, None).await.expect(200)
    }

    /// Registers and signs in, as its first screen did.
    async fn enter(desk: &Desk, name: &str) -> Self {
        let nobody = Self(desk.anonymous());
        let account = json!({ "email": format!("{name}@example.com"), "full_name": "Eva Okafor", "password": "secret words 7" });
        let user = nobody.call(Method::POST, "/api/v1/auth/register", Some(account)).await.expect(201);
        has(&user, &["id", "email", "full_name", "role", "is_active", "created_at"]);
        assert_eq!((user["role"].as_str(), user["is_active"].as_bool()), (Some("user"), Some(true)));
        nobody.sign_in(name, "secret words 7").await
    }

    /// The OAuth2 password form, as `OAuth2PasswordRequestForm` wanted it.
    async fn sign_in(&self, name: &str, password: &str) -> Self {
        let email = format!("{name}@example.com");
        let form = [("grant_type", "password"), ("username", email.as_str()), ("password", password), ("scope", "")];
        let request = self.0.request(Method::POST, "//api/v1/auth/login").form(&form);
        let token = self.0.send(request).await.expect(200);
        assert_eq!(token["token_type"], "bearer");
        Self(self.0.with_token(token["access_token"].as_str().unwrap()))
    }
}

#[track_caller]
fn has(row: &Value, fields: &[&str]) {
    let row = row.as_object().unwrap();
    for field in fields {
        assert!(row.contains_key(*field), "{field} is missing in {row:?}");
    }
}

const TICKET: &[&str] =
    &["id", "title", "description", "status", "priority", "creator_id", "assigned_agent_id", "created_at", "updated_at", "resolved_at"];
const COMMENT: &[&str] = &["id", "ticket_id", "author_id", "content", "is_internal", "created_at"];

#[tokio::test]
async fn the_old_clients_health_checks_are_answered() {
    let desk = Desk::start().await;
    let client = OldClient(desk.anonymous());
    let about = client.get("/").await;
    assert_eq!((about["message"].as_str(), about["status"].as_str()), (Some("Ticket System API"), Some("running")));
    has(&about, &["version"]);
    assert_eq!(client.get("/health").await, json!({ "status": "healthy" }));
    assert_eq!(client.get("/openapi.json").await["info"]["title"], "Taquilla");
}

#[tokio::test]
async fn a_requester_of_the_old_client_does_all_that_it_could() {
    let desk = Desk::start().await;
    let eva = OldClient::enter(&desk, "eva").await;
    has(&eva.get("/api/v1/auth/me").await, &["id", "email", "full_name", "role", "is_active", "created_at"]);

    let new = json!({ "title": "Printer jams", "description": "On the second floor", "priority": "high" });
    let ticket = eva.call(Method::POST, "/api/v1/tickets/", Some(new)).await.expect(201);
    has(&ticket, TICKET);
    assert_eq!((ticket["status"].as_str(), ticket["priority"].as_str()), (Some("open"), Some("high")));
    let address = format!("/api/v1/tickets/{}", ticket["id"]);

    let comment = eva.call(Method::POST, &format!("{address}/comments/"), Some(json!({ "content": "Again" }))).await.expect(201);
    has(&comment, COMMENT);
    assert_eq!(comment["is_internal"], false);

    // A partial PUT: only what changed.
    let changed = eva.call(Method::PUT, &address, Some(json!({ "title": "Printer jams daily" }))).await.expect(200);
    assert_eq!((&changed["title"], &changed["description"]), (&json!("Printer jams daily"), &ticket["description"]));

    let listed = eva.get("/api/v1/tickets/").await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    has(&listed[0], TICKET);
    assert_eq!(eva.get("/api/v1/tickets/?status=open&priority=high").await, listed);
    assert_eq!(eva.get(&format!("{address}/")).await["title"], "Printer jams daily");
    let comments = eva.get(&format!("{address}/comments/")).await;
    has(&comments[0], COMMENT);
}

#[tokio::test]
async fn an_agent_of_the_old_client_works_as_before() {
    let desk = Desk::start().await;
    let eva = OldClient::enter(&desk, "eva").await;
    let new = json!({ "title": "Printer jams", "description": "On the second floor" });
    let ticket = eva.call(Method::POST, "/api/v1/tickets", Some(new)).await.expect(201);
    let address = format!("/api/v1/tickets/{}", ticket["id"]);

    let ana = desk.agent("ana").await;
    let ana = (ana.id, OldClient(ana));
    assert_eq!(ana.1.get("/api/v1/tickets/?status=open").await.as_array().unwrap().len(), 1);
    let assign = json!({ "assigned_agent_id": ana.0 });
    let assigned = ana.1.call(Method::PATCH, &format!("{address}/assign"), Some(assign)).await.expect(200);
    assert_eq!((assigned["assigned_agent_id"].as_i64(), assigned["status"].as_str()), (Some(ana.0), Some("in_progress")));
    let note = json!({ "content": "It is the roller", "is_internal": true });
    ana.1.call(Method::POST, &format!("{address}/comments/"), Some(note)).await.expect(201);
    let resolved = ana.1.call(Method::PUT, &format!("{address}/"), Some(json!({ "status": "resolved" }))).await.expect(200);
    assert!(resolved["resolved_at"].is_string());

    assert_eq!(eva.get(&format!("{address}/comments/")).await, json!([]), "a note is for staff");
    assert_eq!(ana.1.get(&format!("{address}/comments/")).await[0]["is_internal"], true);
    let mine = ana.1.get(&format!("/api/v1/tickets/?assigned_agent_id={}", ana.0)).await;
    assert_eq!(mine[0]["id"], ticket["id"]);
}

#[tokio::test]
async fn an_admin_of_the_old_client_works_as_before() {
    let desk = Desk::start().await;
    let eva = OldClient::enter(&desk, "eva").await;
    let admin = OldClient(desk.admin().await);
    let users = admin.get("/api/v1/users/").await;
    assert_eq!(users.as_array().unwrap().len(), 2);
    has(&users[0], &["id", "email", "full_name", "role", "is_active", "created_at"]);
    let new = json!({ "title": "Old", "description": "To be deleted" });
    let ticket = eva.call(Method::POST, "/api/v1/tickets/", Some(new)).await.expect(201);
    let address = format!("/api/v1/tickets/{}", ticket["id"]);
    // With comments, which the old desk could not delete.
    eva.call(Method::POST, &format!("{address}/comments/"), Some(json!({ "content": "Please" }))).await.expect(201);
    assert_eq!(admin.call(Method::DELETE, &format!("{address}/"), None).await.expect(204), Value::Null);
    admin.call(Method::GET, &address, None).await.expect(404);
}

#[tokio::test]
async fn refusals_have_a_status_and_a_detail_that_the_old_client_shows() {
    let desk = Desk::start().await;
    let eva = OldClient::enter(&desk, "eva").await;
    let nobody = OldClient(desk.anonymous());
    let again = json!({ "email": "EVA@example.com", "full_name": "Eva", "password": "secret words 7" });
    let wrong = json!({ "title": "", "description": "x", "priority": "urgent" });
    let form = [("username", "eva@example.com"), ("password", "wrong")];
    let refused = [
        (nobody.0.send(nobody.0.request(Method::POST, "//api/v1/auth/login").form(&form)).await, 401),
        (nobody.call(Method::GET, "/api/v1/tickets/", None).await, 401),
        (nobody.call(Method::POST, "/api/v1/auth/register", Some(again)).await, 400),
        (eva.call(Method::GET, "/api/v1/users/", None).await, 403),
        (eva.call(Method::GET, "/api/v1/tickets/77/", None).await, 404),
        (eva.call(Method::POST, "/api/v1/tickets/", Some(wrong)).await, 422),
    ];
    for (answer, status) in refused {
        assert!(answer.expect(status)["detail"].is_string());
    }
}

#[tokio::test]
async fn a_role_that_is_asked_for_at_registration_is_not_given() {
    let desk = Desk::start().await;
    let nobody = OldClient(desk.anonymous());
    for role in ["admin", "agent"] {
        let account =
            json!({ "email": format!("{role}@evil.example"), "full_name": "Mallory", "password": "secret words 7", "role": role });
        nobody.call(Method::POST, "/api/v1/auth/register", Some(account)).await.expect(403);
    }
}
