//! The settings of the desk.

use reqwest::Method;
use serde_json::json;

use crate::{
    people::{actions_after, end_of_log, faults, log_after, with_headers},
    support::Desk,
};

#[tokio::test]
async fn the_configuration_gives_the_defaults() {
    let desk = Desk::start_with(|config| {
        config.desk.organisation_name = "Town hall".into();
        config.desk.time_zone = "Europe/Madrid".into();
    })
    .await;
    let settings = desk.admin().await.get("/settings").await.expect(200);
    let target = |first: i64, resolution: i64| json!({ "first_response_minutes": first, "resolution_minutes": resolution });
    let expected = json!({
        "organisation_name": "Town hall", "locale": "en", "time_zone": "Europe/Madrid", "registration_open": true,
        "sla": { "critical": target(60, 240), "high": target(240, 1_440), "medium": target(480, 4_320), "low": target(1_440, 7_200) },
    });
    assert_eq!(settings, expected);
}

#[tokio::test]
async fn settings_are_for_admins() {
    let desk = Desk::start().await;
    for client in [desk.user("eva").await, desk.agent("ana").await] {
        client.get("/settings").await.expect(403);
        client.patch("/settings", json!({ "locale": "es" })).await.expect(403);
        client.patch("/settings", json!({ "locale": "de" })).await.expect(422);
    }
}

#[tokio::test]
async fn what_an_admin_sets_is_kept_and_told_once() {
    let mut desk = Desk::start().await;
    let admin = desk.admin().await;
    let before = end_of_log(&desk).await;
    let change = json!({
        "organisation_name": " Town hall ", "locale": "es", "time_zone": "europe/madrid", "registration_open": false,
        "sla": { "high": { "first_response_minutes": 30 } },
    });
    let answer = with_headers(&admin, Method::PATCH, "/settings", &[("if-match", "\"0\"")], Some(change.clone())).await;
    assert_eq!(answer.header("etag"), "\"1\"");
    let settings = answer.expect(200);
    assert_eq!((&settings["organisation_name"], &settings["time_zone"]), (&json!("Town hall"), &json!("Europe/Madrid")));
    assert_eq!(settings["sla"]["high"], json!({ "first_response_minutes": 30, "resolution_minutes": 1_440 }));
    with_headers(&admin, Method::PATCH, "/settings", &[("if-match", "\"0\"")], Some(json!({ "locale": "en" }))).await.expect(412);
    admin.patch("/settings", change).await.expect(200);
    admin.patch("/settings", json!({})).await.expect(200);
    assert_eq!(actions_after(&desk, before).await, ["settings.updated"]);
    let changes = log_after(&desk, before).await.pop().unwrap().changes;
    assert_eq!(changes.keys().collect::<Vec<_>>(), ["locale", "organisation_name", "registration_open", "sla", "time_zone"]);
    assert_eq!(changes["locale"], [json!("en"), json!("es")]);

    desk.restart().await;
    let answer = admin.get("/settings").await;
    assert_eq!(answer.header("etag"), "\"1\"");
    assert_eq!(answer.expect(200), settings);
    let made = admin.post("/users", json!({ "email": "x@example.com", "full_name": "X", "role": "user" })).await.expect(201);
    assert_eq!(made["locale"], "es", "new accounts speak the desk's language");
}

#[tokio::test]
async fn a_changed_target_holds_for_later_tickets_only() {
    let desk = Desk::start().await;
    let (admin, eva) = (desk.admin().await, desk.user("eva").await);
    let open = async || eva.post("/tickets", json!({ "title": "t", "description": "d" })).await.expect(201);
    let early = open().await;
    admin.patch("/settings", json!({ "sla": { "medium": { "resolution_minutes": 10 } } })).await.expect(200);
    assert_eq!(open().await["resolution_due_at"], "2026-03-02T09:10:00Z");
    let again = eva.get(&format!("/tickets/{}", early["id"])).await.expect(200);
    assert_eq!(again["resolution_due_at"], early["resolution_due_at"]);
}

#[tokio::test]
async fn settings_that_do_not_fit_are_all_named() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    let bad = json!({
        "organisation_name": "x".repeat(101), "locale": null, "time_zone": "Mars/Olympus", "registration_open": "yes",
        "sla": { "high": { "resolution_minutes": 527_041 }, "low": { "first_response_minutes": 0 }, "urgent": {} }, "logo": 1,
    });
    let expected = [
        ("organisation_name", "too_long"),
        ("locale", "null"),
        ("time_zone", "unknown_value"),
        ("registration_open", "wrong_type"),
        ("sla.high.resolution_minutes", "out_of_range"),
        ("sla.low.first_response_minutes", "out_of_range"),
        ("sla.urgent", "unknown_field"),
        ("logo", "unknown_field"),
    ];
    assert_eq!(faults(admin.patch("/settings", bad).await), expected.map(|(field, code)| (field.to_owned(), code.to_owned())));
    let fits = json!({ "sla": { "high": { "resolution_minutes": 527_040 } }, "organisation_name": "x".repeat(100) });
    admin.patch("/settings", fits).await.expect(200);
}
