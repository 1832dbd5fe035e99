//! Accounts, as admins manage them and agents look them up.

use reqwest::Method;
use serde_json::{Value, json};
use taquilla::auth::model::Role;
use tokio::task::JoinSet;

use crate::{
    people::{actions_after, end_of_log, faults, log_after, login, refresh, signed_in, text, with_headers},
    support::{Client, Desk, PASSWORD},
};

fn new_user(email: &str, role: &str) -> Value {
    json!({ "email": email, "full_name": "New One", "role": role })
}

async fn names(client: &Client, path: &str) -> Vec<String> {
    client.get(path).await.expect(200).as_array().unwrap().iter().map(|user| text(user, "full_name")).collect()
}

#[tokio::test]
async fn an_admin_makes_accounts_of_every_role() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    for role in ["user", "agent", "admin"] {
        let before = end_of_log(&desk).await;
        let body = json!({ "email": format!("{role}1@Example.com"), "full_name": " Who ", "role": role, "password": "long enough" });
        let answer = admin.post("/users", body).await;
        let (location, etag) = (answer.header("location").to_owned(), answer.header("etag").to_owned());
        let made = answer.expect(201);
        assert_eq!((location, etag), (format!("/api/v1/users/{}", made["id"]), "\"1\"".to_owned()));
        assert_eq!(json!([made["email"], made["full_name"], made["role"]]), json!([format!("{role}1@example.com"), "Who", role]));
        assert_eq!(actions_after(&desk, before).await, ["user.created"]);
        let token = text(&login(&desk, &format!("{role}1@example.com"), "long enough").await.expect(200), "access_token");
        assert_eq!(desk.anonymous().with_token(token).get("/settings").await.status, if role == "admin" { 200 } else { 403 });
        assert_eq!(admin.get(&format!("/users/{}", made["id"])).await.expect(200), made);
    }
}

#[tokio::test]
async fn an_account_without_a_password_cannot_sign_in_until_it_has_one() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    let made = admin.post("/users", new_user("eva@example.com", "user")).await.expect(201);
    for guess in ["", "x", "null", "long enough"] {
        login(&desk, "eva@example.com", guess).await.expect(401);
    }
    admin.patch(&format!("/users/{}", made["id"]), json!({ "password": "long enough" })).await.expect(200);
    login(&desk, "eva@example.com", "long enough").await.expect(200);
}

#[tokio::test]
async fn what_an_account_is_made_of_is_checked() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    let bad = json!({ "email": "x", "full_name": "", "password": "password", "is_active": false });
    let expected =
        [("email", "invalid"), ("full_name", "too_short"), ("password", "invalid"), ("role", "missing"), ("is_active", "unknown_field")];
    assert_eq!(faults(admin.post("/users", bad).await), expected.map(|(field, code)| (field.to_owned(), code.to_owned())));
    let taken = admin.post("/users", new_user("ADMIN@example.com", "user")).await.expect(400);
    assert_eq!(taken["type"], "/problems/already-registered");
    assert_eq!(admin.get("/users").await.expect(200).as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_account_is_made_once_under_an_idempotency_key() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    let post = async |body: Value| with_headers(&admin, Method::POST, "/users", &[("idempotency-key", "k1")], Some(body)).await;
    let first = post(new_user("eva@example.com", "user")).await;
    let again = post(new_user("eva@example.com", "user")).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(first.header("location"), again.header("location"));
    assert_eq!(first.expect(201), again.expect(201));
    post(new_user("tom@example.com", "user")).await.expect(422);
    assert_eq!(admin.get("/users").await.header("x-total-count"), "2");
}

#[tokio::test]
async fn agents_look_people_up_and_change_nobody_and_requesters_do_neither() {
    let desk = Desk::start().await;
    let (ana, eva) = (desk.agent("ana").await, desk.user("eva").await);
    let own = format!("/users/{}", eva.id);
    ana.get("/users").await.expect(200);
    assert_eq!(ana.get(&own).await.expect(200)["email"], "eva@example.com");
    ana.get("/users/99999").await.expect(404);
    ana.post("/users", new_user("x@example.com", "user")).await.expect(403);
    ana.patch(&own, json!({ "full_name": "X" })).await.expect(403);
    ana.patch(&format!("/users/{}", ana.id), json!({ "role": "admin" })).await.expect(403);
    ana.delete(&own).await.expect(403);
    ana.patch("/users/99999", json!({ "full_name": "X" })).await.expect(404);

    eva.get("/users").await.expect(403);
    for path in [own.as_str(), "/users/1", "/users/99999", "/users/x"] {
        eva.get(path).await.expect(403);
        eva.patch(path, json!({ "full_name": "X" })).await.expect(403);
        eva.delete(path).await.expect(403);
    }
    eva.post("/users", new_user("x@example.com", "admin")).await.expect(403);
}

#[tokio::test]
async fn refusals_come_in_the_order_of_the_contract() {
    let desk = Desk::start().await;
    let (admin, ana) = (desk.admin().await, desk.agent("ana").await);
    let own = format!("/users/{}", ana.id);
    ana.post("/users", json!({})).await.expect(422);
    ana.patch("/users/99999", json!({ "nmae": "X" })).await.expect(422);
    let stale = [("if-match", "\"7\"")];
    with_headers(&ana, Method::PATCH, &own, &stale, Some(json!({ "full_name": "X" }))).await.expect(403);
    with_headers(&ana, Method::PATCH, "/users/99999", &stale, Some(json!({ "full_name": "X" }))).await.expect(404);
    let only = format!("/users/{}", admin.id);
    with_headers(&admin, Method::DELETE, &only, &stale, None).await.expect(412);
    admin.send(admin.request(Method::PATCH, &only).body("{}")).await.expect(415);
    admin.patch(&only, json!(null)).await.expect(422);
    admin.send(admin.request(Method::PATCH, &only).header("content-type", "application/json").body("{")).await.expect(400);
}

#[tokio::test]
async fn a_change_raises_the_version_tells_what_changed_and_obeys_if_match() {
    let desk = Desk::start().await;
    let (admin, eva) = (desk.admin().await, desk.user("eva").await);
    let path = format!("/users/{}", eva.id);
    let before = end_of_log(&desk).await;
    desk.advance(60);
    let change = json!({ "email": "Eva.Sanz@example.com", "full_name": "Eva Sanz", "role": "agent" });
    let answer = with_headers(&admin, Method::PATCH, &path, &[("if-match", "\"1\"")], Some(change.clone())).await;
    assert_eq!(answer.header("etag"), "\"2\"");
    let user = answer.expect(200);
    assert_eq!(
        json!([user["email"], user["role"], user["version"], user["updated_at"]]),
        json!(["eva.sanz@example.com", "agent", 2, "2026-03-02T09:01:00Z"])
    );
    assert_eq!(eva.get("/auth/me").await.expect(200), user, "the token goes on, with the new role");
    eva.get("/users").await.expect(200);
    with_headers(&admin, Method::PATCH, &path, &[("if-match", "\"1\"")], Some(change.clone())).await.expect(412);
    assert_eq!(admin.patch(&path, change).await.expect(200)["version"], 2, "setting what is set already is no change");
    assert_eq!(admin.patch(&path, json!({})).await.expect(200)["version"], 2);
    assert_eq!(with_headers(&admin, Method::GET, &path, &[("if-none-match", "\"2\"")], None).await.status, 304);
    with_headers(&admin, Method::GET, &path, &[("if-none-match", "\"1\"")], None).await.expect(200);

    let entries = log_after(&desk, before).await;
    assert_eq!(entries.len(), 1);
    let expected = json!({ "email": ["eva@example.com", "eva.sanz@example.com"], "full_name": ["Eva Example", "Eva Sanz"], "role": ["user", "agent"] });
    assert_eq!((entries[0].action.name(), json!(entries[0].changes)), ("user.updated", expected));
    login(&desk, "eva@example.com", PASSWORD).await.expect(401);
    login(&desk, "eva.sanz@example.com", PASSWORD).await.expect(200);
    let taken = admin.patch(&path, json!({ "email": "ADMIN@example.com" })).await.expect(400);
    assert_eq!(taken["type"], "/problems/already-registered");
    admin.post("/users", new_user("eva@example.com", "user")).await.expect(201);
    admin.patch(&path, json!({ "role": null })).await.expect(422);
}

#[tokio::test]
async fn deactivating_ends_everything_at_once_and_once() {
    let desk = Desk::start().await;
    let (admin, eva) = (desk.admin().await, desk.user("eva").await);
    let (_, token) = signed_in(&desk, &eva.email).await;
    let ticket = eva.post("/tickets", json!({ "title": "t", "description": "d" })).await.expect(201);
    let path = format!("/users/{}", eva.id);
    let before = end_of_log(&desk).await;
    assert_eq!(admin.delete(&path).await.expect(204), json!(null));
    eva.get("/auth/me").await.expect(401);
    refresh(&desk, &token).await.expect(401);
    assert_eq!(actions_after(&desk, before).await, ["user.deactivated", "session.revoked", "session.revoked"]);
    let user = admin.get(&path).await.expect(200);
    assert_eq!(json!([user["is_active"], user["version"]]), json!([false, 2]));
    assert_eq!(admin.get(&format!("/tickets/{}", ticket["id"])).await.expect(200)["creator_name"], "Eva Example");

    let before = end_of_log(&desk).await;
    admin.delete(&path).await.expect(204);
    assert!(actions_after(&desk, before).await.is_empty(), "it is deactivated already");
    admin.patch(&path, json!({ "is_active": true, "full_name": "Eva II" })).await.expect(200);
    assert_eq!(actions_after(&desk, before).await, ["user.reactivated"]);
    eva.get("/auth/me").await.expect(401);
    login(&desk, &eva.email, PASSWORD).await.expect(200);
    admin.delete("/users/99999").await.expect(404);
    admin.delete("/users/x").await.expect(404);
}

#[tokio::test]
async fn an_admins_reset_of_a_password_ends_all_sessions() {
    let desk = Desk::start().await;
    let (admin, eva) = (desk.admin().await, desk.user("eva").await);
    let path = format!("/users/{}", eva.id);
    let before = end_of_log(&desk).await;
    admin.patch(&path, json!({ "password": "another one" })).await.expect(200);
    eva.get("/auth/me").await.expect(401);
    login(&desk, &eva.email, PASSWORD).await.expect(401);
    login(&desk, &eva.email, "another one").await.expect(200);
    assert_eq!(actions_after(&desk, before).await[..2], ["user.password_changed", "session.revoked"]);
    let own_name = admin.patch(&path, json!({ "password": "Eva Example" })).await;
    assert_eq!(faults(own_name), [("password".into(), "invalid".into())]);
}

#[tokio::test]
async fn the_last_active_admin_stays() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    let own = format!("/users/{}", admin.id);
    let before = end_of_log(&desk).await;
    admin.delete(&own).await.expect(409);
    admin.patch(&own, json!({ "is_active": false })).await.expect(409);
    admin.patch(&own, json!({ "role": "agent", "full_name": "X" })).await.expect(409);
    assert!(actions_after(&desk, before).await.is_empty());
    assert_eq!(admin.get(&own).await.expect(200)["full_name"], "Admin Example");

    let second = desk.person("bea", Role::Admin).await;
    let theirs = format!("/users/{}", second.id);
    admin.patch(&theirs, json!({ "role": "agent" })).await.expect(200);
    second.get("/settings").await.expect(403);
    admin.delete(&own).await.expect(409);
    admin.patch(&theirs, json!({ "role": "admin" })).await.expect(200);
    admin.delete(&theirs).await.expect(204);
    admin.delete(&own).await.expect(409);
    admin.patch(&theirs, json!({ "is_active": true })).await.expect(200);
    admin.patch(&own, json!({ "role": "user" })).await.expect(200);
    admin.get("/users").await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_admins_who_demote_each_other_at_once_leave_one() {
    let desk = Desk::start().await;
    let (admin, bea) = (desk.admin().await, desk.person("bea", Role::Admin).await);
    for round in 0..20 {
        let change = if round % 2 == 0 { json!({ "role": "agent" }) } else { json!({ "is_active": false }) };
        let mut both = JoinSet::new();
        for (who, whom) in [(admin.clone(), bea.id), (bea.clone(), admin.id)] {
            let change = change.clone();
            both.spawn(async move { (who.id, who.patch(&format!("/users/{whom}"), change).await) });
        }
        let answers = both.join_all().await;
        let winners: Vec<i64> = answers.iter().filter(|(_, answer)| answer.status == 200).map(|(who, _)| *who).collect();
        assert_eq!(winners.len(), 1, "{answers:?}");
        assert!(answers.iter().all(|(_, answer)| [200, 401, 403, 409].contains(&answer.status)), "{answers:?}");
        let roster = desk.app.store.roster().await.unwrap();
        assert_eq!(roster.admins.iter().map(|id| id.0).collect::<Vec<_>>(), winners);
        let (winner, loser) = if winners[0] == admin.id { (&admin, &bea) } else { (&bea, &admin) };
        winner.patch(&format!("/users/{}", loser.id), json!({ "role": "admin", "is_active": true })).await.expect(200);
        if change.get("is_active").is_some() {
            // Their sessions ended: the next round begins with new ones.
            return Box::pin(rounds_with_new_sessions(&desk)).await;
        }
    }
}

/// The same with deactivation, which ends sessions.
async fn rounds_with_new_sessions(desk: &Desk) {
    for _ in 0..5 {
        let (admin, bea) = (desk.admin().await, desk.person("bea", Role::Admin).await);
        let mut both = JoinSet::new();
        for (who, whom) in [(admin.clone(), bea.id), (bea.clone(), admin.id)] {
            both.spawn(async move { who.delete(&format!("/users/{whom}")).await.status });
        }
        let statuses = both.join_all().await;
        assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
        let left = desk.app.store.roster().await.unwrap().admins;
        assert_eq!(left.len(), 1);
        let (winner, loser) = if left[0].0 == admin.id { (&admin, &bea) } else { (&bea, &admin) };
        winner.patch(&format!("/users/{}", loser.id), json!({ "is_active": true })).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_one_account_at_once_all_count() {
    let desk = Desk::start().await;
    let (admin, eva) = (desk.admin().await, desk.user("eva").await);
    let mut writers = JoinSet::new();
    for n in 0..8 {
        let (admin, path) = (admin.clone(), format!("/users/{}", eva.id));
        writers.spawn(async move { admin.patch(&path, json!({ "full_name": format!("Eva {n}") })).await.expect(200) });
    }
    let versions: std::collections::BTreeSet<i64> = writers.join_all().await.iter().map(|user| user["version"].as_i64().unwrap()).collect();
    assert_eq!(versions, (2..=9).collect());
}

#[tokio::test]
async fn the_list_is_filtered_searched_and_paged() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    for (name, role) in [("ana", Role::Agent), ("andrés", Role::User), ("bea", Role::Agent), ("eva", Role::User)] {
        desk.person(name, role).await;
    }
    let gone = desk.user("gone").await;
    admin.delete(&format!("/users/{}", gone.id)).await.expect(204);
    let all = ["Admin Example", "Ana Example", "Andrés Example", "Bea Example", "Eva Example", "Gone Example"];
    assert_eq!(names(&admin, "/users").await, all);
    assert_eq!(names(&admin, "/users?role=agent").await, ["Ana Example", "Bea Example"]);
    assert_eq!(names(&admin, "/users?is_active=false").await, ["Gone Example"]);
    assert_eq!(names(&admin, "/users?is_active=true&role=user").await, ["Andrés Example", "Eva Example"]);
    assert_eq!(names(&admin, "/users?q=andres").await, ["Andrés Example"]);
    assert_eq!(names(&admin, "/users?q=example+AN").await, ["Ana Example", "Andrés Example"]);
    assert_eq!(names(&admin, "/users?q=exam+an").await, [""; 0], "only the last word is a prefix");
    assert_eq!(names(&admin, "/users?q=bea@example.com").await, ["Bea Example"]);
    assert_eq!(names(&admin, "/users?q=").await, all);

    let (mut path, mut found) = ("/users?limit=4".to_owned(), Vec::new());
    for total in ["6", ""] {
        let page = admin.get(&path).await;
        assert_eq!(page.header("x-total-count"), total);
        path = page.next().unwrap_or_default();
        found.extend(page.expect(200).as_array().unwrap().iter().map(|user| text(user, "full_name")));
    }
    assert_eq!((path.as_str(), found), ("", all.map(str::to_owned).to_vec()));
    let next = admin.get("/users?role=agent&limit=1").await.next().unwrap();
    assert_eq!(names(&admin, &next).await, ["Bea Example"]);
    assert_eq!(faults(admin.get(&next.replace("agent", "user")).await), [("cursor".into(), "invalid".into())]);
    let bad = [("role", "unknown_value"), ("is_active", "wrong_type"), ("limit", "out_of_range"), ("sort", "unknown_field")];
    let found = faults(admin.get("/users?role=root&is_active=maybe&limit=201&sort=id").await);
    assert_eq!(found, bad.map(|(field, code)| (field.to_owned(), code.to_owned())));
}

#[tokio::test]
async fn accounts_survive_a_restart() {
    let mut desk = Desk::start().await;
    let (admin, eva) = (desk.admin().await, desk.user("eva").await);
    admin.patch(&format!("/users/{}", eva.id), json!({ "full_name": "Eva Sanz", "role": "agent" })).await.expect(200);
    let before = admin.get("/users").await.expect(200);
    desk.restart().await;
    assert_eq!(admin.get("/users").await.expect(200), before);
    assert_eq!(names(&admin, "/users?q=sanz").await, ["Eva Sanz"]);
    admin.delete(&format!("/users/{}", admin.id)).await.expect(409);
}

#[tokio::test]
async fn a_row_of_the_list_is_the_account_and_a_search_means_its_words() {
    let desk = Desk::start().await;
    let (admin, eva) = (desk.admin().await, desk.user("eva").await);
    let one = admin.get(&format!("/users/{}", eva.id)).await.expect(200);
    assert_eq!(admin.get("/users?q=EVA%40exam").await.expect(200), json!([one]));
    assert_eq!(admin.get("/users/?q=eva").await.expect(200), json!([one]), "a trailing slash means the same");
    for typed in ["!!!", "?", "%25"] {
        let list = admin.get(&format!("/users?q={typed}")).await;
        assert_eq!((list.header("x-total-count"), list.next()), ("0", None), "{typed}");
        assert_eq!(list.expect(200), json!([]), "{typed}");
    }
    assert_eq!(names(&admin, "/users?q=%20").await.len(), 2);
    admin.get(&format!("/users?q={}", "x".repeat(200))).await.expect(200);
    assert_eq!(faults(admin.get(&format!("/users?q={}", "x".repeat(201))).await), [("q".into(), "too_long".into())]);
}

#[tokio::test]
async fn what_a_deactivated_person_wrote_stays() {
    let desk = Desk::start().await;
    let (admin, eva) = (desk.admin().await, desk.user("eva").await);
    let id = eva.open(json!({})).await;
    eva.comment(id, "before I went").await;
    admin.delete(&format!("/users/{}", eva.id)).await.expect(204);
    let comments = admin.get(&format!("/tickets/{id}/comments")).await.expect(200);
    assert_eq!(json!([comments[0]["content"], comments[0]["author_name"]]), json!(["before I went", "Eva Example"]));
    assert_eq!(admin.ids(&format!("/tickets?creator_id={}", eva.id)).await, [id]);
}
