//! What people keep for the app, what strangers may know, and how texts and lists are given for people to read.

use reqwest::Method;
use serde_json::json;

use crate::{
    people::{actions_after, end_of_log, faults, log_after, with_headers},
    support::Desk,
};

fn pair(field: &str, code: &str) -> (String, String) {
    (field.into(), code.into())
}

#[tokio::test]
async fn preferences_are_ones_own_and_kept() {
    let mut desk = Desk::start().await;
    let (ana, eva) = (desk.agent("ana").await, desk.user("eva").await);
    let none = json!({ "theme": "auto", "saved_views": [] });
    assert_eq!(ana.get("/preferences").await.expect(200), none);
    let before = end_of_log(&desk).await;
    let change = json!({ "theme": "dark", "saved_views": [{ "name": " VPN ", "query": "vpn status:open" }, { "name": "Mine", "query": "", "sort": "-id" }] });
    let answer = with_headers(&ana, Method::PATCH, "/preferences", &[("if-match", "\"0\"")], Some(change.clone())).await;
    assert_eq!(answer.header("etag"), "\"1\"");
    let views = json!([{ "name": "VPN", "query": "vpn status:open", "sort": "" }, { "name": "Mine", "query": "", "sort": "-id" }]);
    let saved = json!({ "theme": "dark", "saved_views": views });
    assert_eq!(answer.expect(200), saved);
    ana.patch("/preferences", change).await.expect(200);
    with_headers(&ana, Method::PATCH, "/preferences", &[("if-match", "\"0\"")], Some(json!({ "theme": "light" }))).await.expect(412);
    assert_eq!(actions_after(&desk, before).await, ["user.updated"], "what changes nothing is not told");
    let changes = log_after(&desk, before).await.pop().unwrap().changes;
    assert_eq!(changes["saved_views"], [json!([]), json!(["VPN", "Mine"])]);
    assert_eq!(eva.get("/preferences").await.expect(200), none);
    desk.restart().await;
    assert_eq!(ana.get("/preferences").await.expect(200), saved);
}

#[tokio::test]
async fn preferences_that_do_not_fit_are_refused_with_their_place() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let bad = json!({ "theme": "pink", "saved_views": [{ "name": "a", "query": "x", "colour": 1 }] });
    assert_eq!(
        faults(eva.patch("/preferences", bad).await),
        [pair("theme", "unknown_value"), pair("saved_views[0].colour", "unknown_field")]
    );
}

#[tokio::test]
async fn strangers_know_the_desks_name_and_whether_they_may_register() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    admin.patch("/settings", json!({ "organisation_name": "Town hall", "registration_open": false, "locale": "es" })).await.expect(200);
    let about = json!({ "organisation_name": "Town hall", "locale": "es", "time_zone": "UTC", "registration_open": false });
    assert_eq!(desk.anonymous().get("/desk").await.expect(200), about);
}

#[tokio::test]
async fn markdown_is_shown_as_it_will_look_and_sanitised() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let html = eva.post("/markdown", json!({ "text": "**now** <script>alert(1)</script>" })).await.expect(200)["html"].clone();
    assert_eq!(html, "<p><strong>now</strong> &lt;script&gt;alert(1)&lt;/script&gt;</p>\n");
    assert_eq!(eva.post("/markdown", json!({ "text": "" })).await.expect(200)["html"], "");
    let before = end_of_log(&desk).await;
    for replayed in ["", "true"] {
        let answer = with_headers(&eva, Method::POST, "/markdown", &[("idempotency-key", "k")], Some(json!({ "text": "a" }))).await;
        assert_eq!((answer.header("idempotent-replayed"), &answer.body["html"]), (replayed, &json!("<p>a</p>\n")));
    }
    assert_eq!(end_of_log(&desk).await, before);
    eva.post("/markdown", json!({ "text": "x".repeat(65_537) })).await.expect(422);
}

#[tokio::test]
async fn a_whole_list_is_given_as_csv_in_its_order() {
    let desk = Desk::start().await;
    let (ana, eva) = (desk.agent("ana").await, desk.user("eva").await);
    for n in 0..205 {
        let title = if n == 204 { "=HYPERLINK(\"x\")".to_owned() } else { format!("Printer {n}, slow") };
        eva.post("/tickets", json!({ "title": title, "description": "d", "tags": ["b", "a"] })).await.expect(201);
    }
    let answer = ana.get("/tickets/export?sort=id&tag=a").await;
    assert_eq!(
        (answer.header("content-type"), answer.header("content-disposition")),
        ("text/csv; charset=utf-8", "attachment; filename=\"tickets.csv\"")
    );
    let text = answer.expect(200).as_str().unwrap().to_owned();
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(lines.len(), 207, "names, tickets, the end");
    assert!(lines[0].starts_with("id,title,status,priority,tags,channel,requester,assignee,"), "{}", lines[0]);
    assert!(lines[1].starts_with("1,\"Printer 0, slow\",open,medium,\"a, b\",api,Eva Example,,2026-03-02T09:00:00Z,"), "{}", lines[1]);
    assert!(lines[205].starts_with("205,\"'=HYPERLINK(\"\"x\"\")\",open,"), "{}", lines[205]);
    let stranger = desk.user("tom").await.get("/tickets/export").await.expect(200);
    assert_eq!(stranger.as_str().unwrap().lines().count(), 1, "requesters get their own tickets only");
    let refused = faults(ana.get("/tickets/export?limit=5&cursor=x&stauts=open").await);
    assert_eq!(refused, ["limit", "cursor", "stauts"].map(|field| pair(field, "unknown_field")));
}
