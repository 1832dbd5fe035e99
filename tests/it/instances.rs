//! Several instances on one PostgreSQL behave like one desk.

use serde_json::{Value, json};
use taquilla::{auth::model::Role, types::Seq};
use tokio::time::{Duration, timeout};

use crate::support::{Client, Desk, postgres::Database};

/// Within this an entry is in every instance's log.
const SOON: Duration = Duration::from_secs(1);

/// Three instances and their database.
struct Instances {
    desks: Vec<Desk>,
    _database: Database,
}

impl Instances {
    async fn start() -> Self {
        let database = Database::new().await;
        let first = Desk::start_with(|config| config.storage.url = database.url()).await;
        let desks = vec![first.another().await, first.another().await, first];
        Self { desks, _database: database }
    }

    /// The same person at each instance.
    fn at_each(&self, client: &Client) -> Vec<Client> {
        self.desks.iter().map(|desk| desk.anonymous().with_token(client.token.clone().unwrap())).collect()
    }

    /// Waits until every instance's log goes as far as the furthest.
    async fn log_is_level(&self) -> Seq {
        let ends: Vec<_> = self.desks.iter().map(|desk| desk.app.store.durable_seq()).collect();
        let furthest = ends.iter().map(|end| *end.borrow()).max().unwrap();
        for mut end in ends {
            timeout(SOON, end.wait_for(|end| *end >= furthest)).await.expect("within a second").unwrap();
        }
        furthest
    }
}

#[tokio::test]
async fn three_instances_behind_one_client_behave_like_one() {
    let instances = Instances::start().await;
    let desks = &instances.desks;
    let [admin, agent, user] =
        [desks[0].admin().await, desks[1].person("ada", Role::Agent).await, desks[2].person("uma", Role::User).await];
    let [admins, agents, users] = [&admin, &agent, &user].map(|client| instances.at_each(client));
    // Written at one, read at another, changed at the third: at once, totals and all.
    for n in 0..9_usize {
        let title = format!("Printer {n}");
        let made = users[n % 3].post("/tickets", json!({ "title": title, "description": "It burns" })).await.expect(201);
        let path = format!("/tickets/{}", made["id"]);
        assert_eq!(agents[(n + 1) % 3].get(&path).await.expect(200)["title"], title);
        let taken = agents[(n + 2) % 3].patch(&path, json!({ "assigned_agent_id": agent.id })).await.expect(200);
        assert_eq!(taken["status"], "in_progress");
        users[(n + 1) % 3].post(&format!("{path}/comments"), json!({ "content": "Still burning" })).await.expect(201);
        for (at, client) in agents.iter().enumerate() {
            let list = client.get("/tickets?q=burning").await;
            assert_eq!(list.header("x-total-count"), (n + 1).to_string(), "at {at}");
            assert_eq!(list.expect(200)[0]["id"], made["id"]);
        }
        let dashboard = agents[n % 3].get("/analytics/dashboard").await.expect(200);
        assert_eq!(dashboard["ticket_stats"]["in_progress_tickets"], n + 1);
    }
    // One log, the same at each.
    instances.log_is_level().await;
    let logs: Vec<Value> = at_all(&admins, "/activity?after=0&limit=200").await;
    assert!(logs.iter().all(|log| *log == logs[0] && log.as_array().unwrap().len() >= 27));
}

async fn at_all(clients: &[Client], path: &str) -> Vec<Value> {
    let mut answers = Vec::new();
    for client in clients {
        answers.push(client.get(path).await.expect(200));
    }
    answers
}

#[tokio::test]
async fn what_ends_a_session_at_one_instance_ends_it_at_all() {
    let instances = Instances::start().await;
    let desks = &instances.desks;
    let admin = desks[0].admin().await;
    let agent = desks[1].person("ada", Role::Agent).await;
    let agents = instances.at_each(&agent);
    for client in &agents {
        client.get("/users").await.expect(200);
    }
    admin.patch(&format!("/users/{}", agent.id), json!({ "role": "user" })).await.expect(200);
    for client in &agents {
        client.get("/users").await.expect(403);
    }
    agents[2].post("/auth/logout", json!({})).await.expect(204);
    for client in &agents {
        client.get("/auth/me").await.expect(401);
    }
    let again = instances.at_each(&desks[0].sign_in("ada").await);
    again[1].get("/auth/me").await.expect(200);
    admin.delete(&format!("/users/{}", agent.id)).await.expect(204);
    for client in &again {
        client.get("/auth/me").await.expect(401);
    }
}

#[tokio::test]
async fn a_retry_at_another_instance_is_not_done_twice() {
    let instances = Instances::start().await;
    let users = instances.at_each(&instances.desks[0].person("uma", Role::User).await);
    let mut made = Vec::new();
    for client in &users {
        let request = client.request(reqwest::Method::POST, "/tickets").header("idempotency-key", "once");
        let answer = client.send(request.json(&json!({ "title": "Printer", "description": "It burns" }))).await;
        made.push(answer.expect(201));
    }
    assert!(made.iter().all(|ticket| *ticket == made[0]));
    assert_eq!(users[0].get("/tickets").await.header("x-total-count"), "1");
}
