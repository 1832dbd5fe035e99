//! A live stream ends with the right to it: whatever takes that right away ends it within two seconds, and nothing that
//! happened afterwards is told.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    people::signed_in,
    support::{Client, Desk, Listener, PASSWORD},
};

/// The longest that a stream may go on.
const SOON: Duration = Duration::from_secs(2);

/// A desk with an admin who watches, and an agent with a stream.
struct Scene {
    desk: Desk,
    admin: Client,
    ana: Client,
    stream: Listener,
    other: Listener,
}

impl Scene {
    async fn new() -> Self {
        let desk = Desk::start().await;
        let (admin, ana) = (desk.admin().await, desk.agent("ana").await);
        let (mut stream, mut other) = (ana.listen(None).await, admin.listen(None).await);
        stream.block().await.unwrap();
        other.block().await.unwrap();
        Self { desk, admin, ana, stream, other }
    }

    /// The stream ends soon, without what happened after its end was decided; somebody else's goes on.
    async fn ends(mut self) {
        let start = Instant::now();
        let later = self.admin.open(json!({})).await;
        let rest = self.stream.rest().await;
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        assert!(rest.iter().all(|event| event.data["ticket_id"] != later), "{rest:#?}");
        while self.other.next().await.data["ticket_id"] != later {}
    }

    async fn goes_on(mut self) {
        let later = self.admin.open(json!({})).await;
        assert_eq!(self.stream.next().await.data["ticket_id"], later);
    }

    fn account(&self) -> String {
        format!("/users/{}", self.ana.id)
    }
}

#[tokio::test]
async fn it_ends_with_the_sign_out_of_its_session() {
    let scene = Scene::new().await;
    scene.ana.post("/auth/logout", json!({})).await.expect(204);
    scene.ends().await;
}

#[tokio::test]
async fn it_ends_when_its_session_is_ended_elsewhere() {
    let scene = Scene::new().await;
    let sessions = scene.ana.get("/auth/sessions").await.expect(200);
    let id = sessions.as_array().unwrap().iter().find(|session| session["current"] == true).unwrap()["id"].clone();
    let elsewhere = scene.desk.sign_in("ana").await;
    elsewhere.delete(&format!("/auth/sessions/{id}")).await.expect(204);
    scene.ends().await;
}

#[tokio::test]
async fn it_ends_when_the_account_is_disabled() {
    let scene = Scene::new().await;
    scene.admin.delete(&scene.account()).await.expect(204);
    scene.ends().await;
}

#[tokio::test]
async fn it_ends_when_the_role_changes_up_or_down() {
    for role in ["user", "admin"] {
        let scene = Scene::new().await;
        scene.admin.patch(&scene.account(), json!({ "role": role })).await.expect(200);
        scene.ends().await;
    }
}

#[tokio::test]
async fn it_ends_when_the_password_changes() {
    let scene = Scene::new().await;
    scene.admin.patch(&scene.account(), json!({ "password": "another pass phrase" })).await.expect(200);
    scene.ends().await;
    // The session that makes the change stays, and so does its stream.
    let scene = Scene::new().await;
    let change = json!({ "password": "another pass phrase", "current_password": PASSWORD });
    scene.ana.patch("/auth/me", change).await.expect(200);
    scene.goes_on().await;
}

#[tokio::test]
async fn it_ends_when_a_spent_refresh_token_gives_the_session_away() {
    let desk = Desk::start().await;
    desk.agent("ana").await;
    let (ana, token) = signed_in(&desk, "ana@example.com").await;
    let mut stream = ana.listen(None).await;
    crate::people::refresh(&desk, &token).await.expect(200);
    desk.advance(11);
    crate::people::refresh(&desk, &token).await.expect(401);
    let start = Instant::now();
    stream.rest().await;
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[tokio::test]
async fn it_ends_with_the_access_token() {
    let scene = Scene::new().await;
    scene.desk.advance(30 * 60);
    let Scene { admin: _admin, mut stream, .. } = scene;
    let start = Instant::now();
    assert_eq!(stream.rest().await, []);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[tokio::test]
async fn it_ends_with_the_api_token() {
    for revoked in [true, false] {
        let desk = Desk::start().await;
        let ana = desk.agent("ana").await;
        let end = desk.now().plus_seconds(600).to_string();
        let made = ana.post("/auth/tokens", json!({ "name": "script", "expires_at": end })).await.expect(201);
        let mut stream = ana.with_token(made["token"].as_str().unwrap()).listen(None).await;
        let mut own = ana.listen(None).await;
        stream.block().await.unwrap();
        if revoked {
            ana.delete(&format!("/auth/tokens/{}", made["id"])).await.expect(204);
        } else {
            desk.advance(600);
        }
        let start = Instant::now();
        assert_eq!(stream.rest().await, []);
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        let id = ana.open(json!({})).await;
        assert_eq!(own.next().await.data["ticket_id"], id, "the session's own stream goes on");
    }
}

#[tokio::test]
async fn what_does_not_touch_its_right_leaves_it() {
    let scene = Scene::new().await;
    scene.ana.patch("/auth/me", json!({ "full_name": "Ana Other" })).await.expect(200);
    scene.desk.sign_in("ana").await.post("/auth/logout", json!({})).await.expect(204);
    crate::people::login(&scene.desk, "ana@example.com", "wrong password").await.expect(401);
    scene.goes_on().await;
}
