//! The role table: every route of the OpenAPI document, for everybody, on things that are theirs and things that are not.
//! A route without a row fails, so that a new one cannot be forgotten.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    openapi,
    support::{Client, Desk},
};

/// A request, and what each of u1, u2, ag1, ag2 and the admin get for it: one status, or one for each of the things that
/// [`things`] lists for the path. Nobody, the disabled and the expired get 401 everywhere but on public routes, which
/// have one status for all.
///
/// In bodies `$ag2` is that account's id, `$new` a fresh e-mail address.
pub struct Row(pub &'static str, pub &'static str, pub &'static str, &'static str);

/// Every row.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [TICKETS, COMMENTS, PEOPLE, PUBLIC].into_iter().flatten()
}

#[rustfmt::skip]
const TICKETS: &[Row] = &[
    // own: u1's, of ag1 · foreign: u2's, of ag2 · unassigned: u1's · deleted: u1's · absent
    Row("GET", "/api/v1/tickets", "", "200 | 200 | 200 | 200 | 200"),
    Row("GET", "/api/v1/tickets/export", "", "200 | 200 | 200 | 200 | 200"),
    Row("GET", "/api/v1/tickets/export?deleted=true", "", "403 | 403 | 403 | 403 | 200"),
    Row("POST", "/api/v1/markdown", r#"{"text": "*t*"}"#, "200 | 200 | 200 | 200 | 200"),
    Row("GET", "/api/v1/tickets?deleted=true", "", "403 | 403 | 403 | 403 | 200"),
    Row("POST", "/api/v1/tickets", r#"{"title": "t", "description": "d"}"#, "201 | 201 | 201 | 201 | 201"),
    Row("POST", "/api/v1/tickets", r#"{"title": "t", "description": "d", "creator_id": $u2}"#, "403 | 201 | 201 | 201 | 201"),
    Row("POST", "/api/v1/tickets/bulk", r#"{"ids": [1], "change": {"priority": "low"}}"#, "200 | 200 | 200 | 200 | 200"),
    Row("GET", "/api/v1/tickets/{id}", "",
        "200 404 200 404 404 | 404 200 404 404 404 | 200 200 200 404 404 | 200 200 200 404 404 | 200 200 200 404 404"),
    Row("PUT", "/api/v1/tickets/{id}", r#"{"title": "new", "description": "new"}"#,
        "200 404 200 404 404 | 404 200 404 404 404 | 200 200 200 404 404 | 200 200 200 404 404 | 200 200 200 404 404"),
    Row("PATCH", "/api/v1/tickets/{id}", r#"{"title": "new"}"#,
        "200 404 200 404 404 | 404 200 404 404 404 | 200 200 200 404 404 | 200 200 200 404 404 | 200 200 200 404 404"),
    Row("PATCH", "/api/v1/tickets/{id}", r#"{"priority": "low"}"#,
        "403 404 403 404 404 | 404 403 404 404 404 | 200 200 200 404 404 | 200 200 200 404 404 | 200 200 200 404 404"),
    Row("PATCH", "/api/v1/tickets/{id}", r#"{"tags": ["vpn"]}"#,
        "403 404 403 404 404 | 404 403 404 404 404 | 200 200 200 404 404 | 200 200 200 404 404 | 200 200 200 404 404"),
    Row("PATCH", "/api/v1/tickets/{id}", r#"{"status": "pending"}"#,
        "403 404 403 404 404 | 404 403 404 404 404 | 200 200 200 404 404 | 200 200 200 404 404 | 200 200 200 404 404"),
    Row("PATCH", "/api/v1/tickets/{id}", r#"{"status": "resolved"}"#,
        "403 404 403 404 404 | 404 403 404 404 404 | 200 403 403 404 404 | 403 200 403 404 404 | 200 200 200 404 404"),
    Row("PUT", "/api/v1/tickets/{id}", r#"{"status": "resolved"}"#,
        "403 404 403 404 404 | 404 403 404 404 404 | 200 403 403 404 404 | 403 200 403 404 404 | 200 200 200 404 404"),
    Row("PATCH", "/api/v1/tickets/{id}", r#"{"status": "closed"}"#,
        "200 404 200 404 404 | 404 200 404 404 404 | 200 403 403 404 404 | 403 200 403 404 404 | 200 200 200 404 404"),
    Row("PATCH", "/api/v1/tickets/{id}", r#"{"assigned_agent_id": $ag2}"#,
        "403 404 403 404 404 | 404 403 404 404 404 | 200 200 200 404 404 | 200 200 200 404 404 | 200 200 200 404 404"),
    Row("PATCH", "/api/v1/tickets/{id}/assign", r#"{"assigned_agent_id": $ag2}"#,
        "403 404 403 404 404 | 404 403 404 404 404 | 200 200 200 404 404 | 200 200 200 404 404 | 200 200 200 404 404"),
    Row("PATCH", "/api/v1/tickets/{id}/assign", r#"{"assigned_agent_id": null}"#,
        "403 404 403 404 404 | 404 403 404 404 404 | 200 200 200 404 404 | 200 200 200 404 404 | 200 200 200 404 404"),
    Row("DELETE", "/api/v1/tickets/{id}", "",
        "403 404 204 404 404 | 404 403 404 404 404 | 403 403 403 404 404 | 403 403 403 404 404 | 204 204 204 404 404"),
    Row("POST", "/api/v1/tickets/{id}/restore", "",
        "403 403 403 403 403 | 403 403 403 403 403 | 403 403 403 403 403 | 403 403 403 403 403 | 409 409 409 200 404"),
    Row("GET", "/api/v1/tickets/{id}/activity", "",
        "200 404 200 404 404 | 404 200 404 404 404 | 200 200 200 404 404 | 200 200 200 404 404 | 200 200 200 404 404"),
    Row("GET", "/api/v1/tickets/{id}/comments", "",
        "200 404 200 404 404 | 404 200 404 404 404 | 200 200 200 404 404 | 200 200 200 404 404 | 200 200 200 404 404"),
    Row("POST", "/api/v1/tickets/{id}/comments", r#"{"content": "c"}"#,
        "201 404 201 404 404 | 404 201 404 404 404 | 201 201 201 404 404 | 201 201 201 404 404 | 201 201 201 404 404"),
    Row("POST", "/api/v1/tickets/{id}/comments", r#"{"content": "c", "is_internal": true}"#,
        "403 404 403 404 404 | 404 403 404 404 404 | 201 201 201 404 404 | 201 201 201 404 404 | 201 201 201 404 404"),
];

#[rustfmt::skip]
const COMMENTS: &[Row] = &[
    // own: u1's · foreign: u2's · answer: ag1's to u1 · note: ag1's on u1's ticket · deleted: u1's · buried: u1's, on a
    // deleted ticket · astray: u1's, asked for under u2's ticket · absent
    Row("GET", "/api/v1/tickets/{id}/comments/{comment_id}", "",
        "200 404 200 404 404 404 404 404 | 404 200 404 404 404 404 404 404 | 200 200 200 200 404 404 404 404 | 200 200 200 200 404 404 404 404 | 200 200 200 200 404 404 404 404"),
    Row("PUT", "/api/v1/tickets/{id}/comments/{comment_id}", r#"{"content": "new"}"#,
        "200 404 403 404 404 404 404 404 | 404 200 404 404 404 404 404 404 | 403 403 200 200 404 404 404 404 | 403 403 403 403 404 404 404 404 | 200 200 200 200 404 404 404 404"),
    Row("DELETE", "/api/v1/tickets/{id}/comments/{comment_id}", "",
        "204 404 403 404 404 404 404 404 | 404 204 404 404 404 404 404 404 | 403 403 204 204 404 404 404 404 | 403 403 403 403 404 404 404 404 | 204 204 204 204 404 404 404 404"),
];

#[rustfmt::skip]
const PEOPLE: &[Row] = &[
    Row("GET", "/api/v1/auth/me", "", "200 | 200 | 200 | 200 | 200"),
    Row("PATCH", "/api/v1/auth/me", r#"{"full_name": "New Name"}"#, "200 | 200 | 200 | 200 | 200"),
    Row("POST", "/api/v1/auth/logout", "", "204 | 204 | 204 | 204 | 204"),
    Row("GET", "/api/v1/auth/sessions", "", "200 | 200 | 200 | 200 | 200"),
    // own: another session of the caller's · foreign: somebody else's · absent
    Row("DELETE", "/api/v1/auth/sessions/{id}", "", "204 404 404 | 204 404 404 | 204 404 404 | 204 404 404 | 204 404 404"),
    Row("GET", "/api/v1/auth/tokens", "", "200 | 200 | 200 | 200 | 200"),
    Row("POST", "/api/v1/auth/tokens", r#"{"name": "script"}"#, "201 | 201 | 201 | 201 | 201"),
    Row("DELETE", "/api/v1/auth/tokens/{id}", "", "204 404 404 | 204 404 404 | 204 404 404 | 204 404 404 | 204 404 404"),
    Row("GET", "/api/v1/users", "", "403 | 403 | 200 | 200 | 200"),
    Row("POST", "/api/v1/users", r#"{"email": "$new", "full_name": "New", "password": "secret words 7", "role": "agent"}"#,
        "403 | 403 | 403 | 403 | 201"),
    // own: the caller's account · foreign: another requester's · absent
    Row("GET", "/api/v1/users/{id}", "", "403 403 403 | 403 403 403 | 200 200 404 | 200 200 404 | 200 200 404"),
    Row("PATCH", "/api/v1/users/{id}", r#"{"full_name": "New Name"}"#,
        "403 403 403 | 403 403 403 | 403 403 404 | 403 403 404 | 200 200 404"),
    Row("PATCH", "/api/v1/users/{id}", r#"{"role": "agent"}"#,
        "403 403 403 | 403 403 403 | 403 403 404 | 403 403 404 | 409 200 404"),
    Row("DELETE", "/api/v1/users/{id}", "", "403 403 403 | 403 403 403 | 403 403 404 | 403 403 404 | 409 204 404"),
    Row("GET", "/api/v1/activity", "", "403 | 403 | 403 | 403 | 200"),
    Row("GET", "/api/v1/analytics/dashboard", "", "403 | 403 | 200 | 200 | 200"),
    Row("GET", "/api/v1/analytics/performance", "", "403 | 403 | 200 | 200 | 200"),
    Row("GET", "/api/v1/analytics/backlog", "", "403 | 403 | 200 | 200 | 200"),
    // A requester's account is no agent; the admin may be one.
    Row("GET", "/api/v1/analytics/agent/{id}", "", "403 403 403 | 403 403 403 | 200 404 404 | 200 404 404 | 200 404 404"),
    Row("GET", "/api/v1/backup", "", "403 | 403 | 403 | 403 | 200"),
    Row("GET", "/api/v1/events", "", "200 | 200 | 200 | 200 | 200"),
    Row("GET", "/api/v1/preferences", "", "200 | 200 | 200 | 200 | 200"),
    Row("PATCH", "/api/v1/preferences", r#"{"theme": "dark"}"#, "200 | 200 | 200 | 200 | 200"),
    Row("GET", "/api/v1/admin/status", "", "403 | 403 | 403 | 403 | 200"),
    Row("GET", "/api/v1/settings", "", "403 | 403 | 403 | 403 | 200"),
    Row("PATCH", "/api/v1/settings", r#"{"locale": "es"}"#, "403 | 403 | 403 | 403 | 200"),
];

#[rustfmt::skip]
const PUBLIC: &[Row] = &[
    Row("GET", "/", "", "200"),
    Row("GET", "/health", "", "200"),
    Row("GET", "/health/ready", "", "200"),
    Row("GET", "/metrics", "", "200"),
    Row("GET", "/api/v1/setup", "", "200"),
    Row("GET", "/api/v1/desk", "", "200"),
    Row("POST", "/api/v1/setup",
        r#"{"token": "x", "organisation_name": "O", "locale": "en", "admin": {"email": "$new", "full_name": "A", "password": "secret words 7"}}"#, "409"),
    Row("POST", "/api/v1/auth/register", r#"{"email": "$new", "full_name": "New", "password": "secret words 7"}"#, "201"),
    Row("POST", "/api/v1/auth/login", r#"{"username": "u1@example.com", "password": "correct horse 1"}"#, "200"),
    Row("POST", "/api/v1/auth/refresh", r#"{"refresh_token": "never given"}"#, "401"),
];

/// An id that is never given.
const ABSENT: i64 = 999_999;

/// The things that a path can be asked for.
pub fn things(path: &str) -> &'static [&'static str] {
    if path.contains("{comment_id}") {
        &["own", "foreign", "answer", "note", "deleted", "buried", "astray", "absent"]
    } else if path.starts_with("/api/v1/tickets/{id}") {
        &["own", "foreign", "unassigned", "deleted", "absent"]
    } else if path.contains("{id}") {
        &["own", "foreign", "absent"]
    } else {
        &[""]
    }
}

/// A desk with everybody in it.
pub struct World {
    pub desk: Desk,
    /// u1, u2, ag1, ag2, admin.
    people: Vec<(&'static str, Client)>,
    /// Nobody, the disabled, the expired.
    strangers: Vec<(&'static str, Client)>,
}

impl World {
    pub async fn new() -> Self {
        let desk = Desk::start().await;
        let expired = desk.user("expired").await;
        desk.advance(31 * 60);
        let admin = desk.admin().await;
        let disabled = desk.user("disabled").await;
        admin.delete(&format!("/users/{}", disabled.id)).await.expect(204);
        let strangers = vec![("nobody", desk.anonymous()), ("disabled", disabled), ("expired", expired)];
        let people = vec![
            ("u1", desk.user("u1").await),
            ("u2", desk.user("u2").await),
            ("ag1", desk.agent("ag1").await),
            ("ag2", desk.agent("ag2").await),
            ("admin", admin),
        ];
        Self { desk, people, strangers }
    }

    pub fn of(&self, name: &str) -> &Client {
        &self.people.iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// A fresh ticket of `creator`, given to `agent`.
    async fn ticket(&self, creator: &str, agent: Option<&str>) -> i64 {
        let ticket =
            self.of(creator).post("/tickets", json!({ "title": "t", "description": "d" })).await.expect(201)["id"].as_i64().unwrap();
        if let Some(agent) = agent {
            let change = json!({ "assigned_agent_id": self.of(agent).id });
            self.of("admin").patch(&format!("/tickets/{ticket}"), change).await.expect(200);
        }
        ticket
    }

    async fn deleted(&self, path: &str) {
        self.of("admin").delete(path).await.expect(204);
    }

    /// A fresh comment of `author`, with its ticket.
    async fn comment(&self, author: &str, internal: bool) -> (i64, i64) {
        let creator = if author == "u2" { "u2" } else { "u1" };
        let ticket = self.ticket(creator, Some(if creator == "u2" { "ag2" } else { "ag1" })).await;
        let new = json!({ "content": "c", "is_internal": internal });
        (ticket, self.of(author).post(&format!("/tickets/{ticket}/comments"), new).await.expect(201)["id"].as_i64().unwrap())
    }

    /// Makes the thing, and gives the address of it for `who`.
    pub async fn address(&self, path: &str, thing: &str, who: &str) -> String {
        let (id, comment) = match (thing, path) {
            ("", _) => return path.to_owned(),
            (_, path) if path.contains("{comment_id}") => self.commented(thing).await,
            (_, path) if path.starts_with("/api/v1/tickets/") => (self.ticketed(thing).await, 0),
            ("absent", _) => (ABSENT, 0),
            (_, path) if path.contains("/sessions/") => (self.session(thing, who).await, 0),
            (_, path) if path.contains("/tokens/") => (self.token(thing, who).await, 0),
            ("own", _) => (self.people.iter().find(|(name, _)| *name == who).map_or(ABSENT, |(_, client)| client.id), 0),
            _ => {
                (self.desk.user(&format!("other{}", self.desk.app.store.reserve(taquilla::store::IdKind::User).await.unwrap())).await.id, 0)
            }
        };
        path.replace("{id}", &id.to_string()).replace("{comment_id}", &comment.to_string())
    }

    async fn ticketed(&self, thing: &str) -> i64 {
        match thing {
            "own" => self.ticket("u1", Some("ag1")).await,
            "foreign" => self.ticket("u2", Some("ag2")).await,
            "unassigned" => self.ticket("u1", None).await,
            "deleted" => {
                let id = self.ticket("u1", Some("ag1")).await;
                self.deleted(&format!("/tickets/{id}")).await;
                id
            }
            _ => ABSENT,
        }
    }

    async fn commented(&self, thing: &str) -> (i64, i64) {
        let (author, internal) = match thing {
            "foreign" => ("u2", false),
            "answer" => ("ag1", false),
            "note" => ("ag1", true),
            _ => ("u1", false),
        };
        let (ticket, comment) = self.comment(author, internal).await;
        match thing {
            "deleted" => self.deleted(&format!("/tickets/{ticket}/comments/{comment}")).await,
            "buried" => self.deleted(&format!("/tickets/{ticket}")).await,
            "astray" => return (self.ticket("u2", Some("ag2")).await, comment),
            "absent" => return (ticket, ABSENT),
            _ => {}
        }
        (ticket, comment)
    }

    /// Whose session or API token is meant.
    fn owner(&self, thing: &str, who: &'_ str) -> &Client {
        let other = if who == "u1" { "u2" } else { "u1" };
        self.people.iter().find(|(name, _)| *name == who && thing == "own").map_or_else(|| self.of(other), |(_, client)| client)
    }

    async fn session(&self, thing: &str, who: &str) -> i64 {
        let owner = self.owner(thing, who);
        self.desk.sign_in(owner.email.split('@').next().unwrap()).await;
        let sessions = self.desk.app.store.sessions_of(taquilla::types::UserId(owner.id)).await.unwrap();
        sessions.iter().map(|session| session.id.0).max().unwrap()
    }

    async fn token(&self, thing: &str, who: &str) -> i64 {
        self.owner(thing, who).post("/auth/tokens", json!({ "name": "t" })).await.expect(201)["id"].as_i64().unwrap()
    }

    pub fn body(&self, text: &str) -> Option<Value> {
        static FRESH: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        if text.is_empty() {
            return None;
        }
        let fresh = FRESH.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let named = text.replace("$new", &format!("new{fresh}@example.com")).replace("$u2", &self.of("u2").id.to_string());
        Some(serde_json::from_str(&named.replace("$ag2", &self.of("ag2").id.to_string())).unwrap())
    }

    /// The status that `client` gets.
    async fn ask(&self, client: &Client, row: &Row, address: &str) -> u16 {
        let request = client.request(row.0.parse::<Method>().unwrap(), &format!("/{address}"));
        let request = match self.body(row.2) {
            Some(body) => request.json(&body),
            None => request,
        };
        let before = *self.desk.app.store.durable_seq().borrow();
        let answer = client.send(request).await;
        let status = answer.status;
        if status >= 400 {
            let after = *self.desk.app.store.durable_seq().borrow();
            assert_eq!(after, before, "{} {} left an entry although it was refused with {status}", row.0, row.1);
        }
        // Refusals are well-formed, whoever gets them.
        answer.expect(status);
        status
    }

    /// Whether the row holds: every deviation, in words.
    async fn deviations(&self, row: &Row) -> Vec<String> {
        let mut found = Vec::new();
        let mut note = |who: &str, thing: &str, expected: u16, real: u16| {
            if expected != real {
                found.push(format!("{} {} {} as {who}, {thing}: {real} instead of {expected}", row.0, row.1, row.2));
            }
        };
        let cells: Vec<Vec<u16>> = row.3.split('|').map(|cell| cell.split_whitespace().map(|s| s.parse().unwrap()).collect()).collect();
        let things = things(row.1);
        let public = cells.len() == 1;
        assert!(public || cells.len() == self.people.len() && cells.iter().all(|cell| cell.len() == things.len()), "{} {}", row.0, row.1);
        for (at, (who, client)) in self.people.iter().enumerate() {
            for (thing, expected) in things.iter().zip(&cells[if public { 0 } else { at }]) {
                let address = self.address(row.1, thing, who).await;
                // Signing out must not end the session that the other rows use.
                let passing = if row.1.ends_with("/logout") { Some(self.desk.sign_in(who).await) } else { None };
                note(who, thing, *expected, self.ask(passing.as_ref().unwrap_or(client), row, &address).await);
            }
        }
        for (who, client) in &self.strangers {
            for thing in things {
                let address = self.address(row.1, thing, who).await;
                note(who, thing, if public { cells[0][0] } else { 401 }, self.ask(client, row, &address).await);
            }
        }
        found
    }
}

async fn check(rows: &[Row]) {
    let world = World::new().await;
    let mut found = Vec::new();
    for row in rows {
        found.extend(world.deviations(row).await);
    }
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[tokio::test]
async fn tickets_are_for_whom_the_table_says() {
    check(TICKETS).await;
}

#[tokio::test]
async fn comments_are_for_whom_the_table_says() {
    check(COMMENTS).await;
}

#[tokio::test]
async fn accounts_settings_and_the_log_are_for_whom_the_table_says() {
    check(PEOPLE).await;
}

#[tokio::test]
async fn public_routes_are_the_same_for_everybody() {
    check(PUBLIC).await;
}

#[tokio::test]
async fn a_deviation_from_the_table_is_found() {
    let world = World::new().await;
    let wrong = Row(
        "GET",
        "/api/v1/tickets/{id}",
        "",
        "200 200 200 404 404 | 404 200 404 404 404 | 200 200 200 404 404 | 200 200 200 404 404 | 200 200 200 404 404",
    );
    assert_eq!(world.deviations(&wrong).await, ["GET /api/v1/tickets/{id}  as u1, foreign: 404 instead of 200"]);
    let open = Row("GET", "/api/v1/settings", "", "200");
    assert_eq!(world.deviations(&open).await.len(), 7, "all but the admin");
}

#[test]
fn every_route_of_the_document_has_a_row_and_every_row_a_route() {
    let documented: BTreeSet<(String, String)> = openapi::operations().into_iter().map(|o| (o.method.to_string(), o.path)).collect();
    let route = |row: &Row| (row.0.to_owned(), row.1.split('?').next().unwrap().to_owned());
    let rows: BTreeSet<_> = rows().map(route).collect();
    assert_eq!(rows.difference(&documented).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "rows without a route");
    assert_eq!(documented.difference(&rows).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "routes without a row");
}
