//! What may be sent: JSON of limited size, read strictly, and refused in one form.

use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::json;

use crate::{
    support::{Client, Desk, Response},
    tickets::faults,
};

async fn send(who: &Client, body: impl Into<reqwest::Body>) -> Response {
    send_as(who, "application/json", body).await
}

async fn send_as(who: &Client, media_type: &str, body: impl Into<reqwest::Body>) -> Response {
    who.send(who.request(Method::POST, "/tickets").header(CONTENT_TYPE, media_type).body(body)).await
}

#[tokio::test]
async fn empty_and_unreadable_bodies_are_400() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    for bad in
        ["", " \n", "{", "{\"title\": }", "nonsense", "{}{}", "{\"title\": 1e999}", "{'title': 't'}", "{\"a\": \"\\ud800\"}", "\u{feff}{}"]
    {
        assert_eq!(send(&eva, bad).await.expect(400)["type"], "/problems/unreadable-body", "{bad}");
    }
    send(&eva, b"{\"title\": \"\xff\"}".to_vec()).await.expect(400);
    send(&eva, "[".repeat(100_000)).await.expect(400);
    send(&eva, "{\"a\":".repeat(100_000)).await.expect(400);
}

#[tokio::test]
async fn json_that_is_no_object_is_422() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    for bad in ["[]", "null", "1", "\"x\"", "true", "[{}]"] {
        assert_eq!(faults(&send(&eva, bad).await.expect(422)), [("", "wrong_type")], "{bad}");
    }
    assert_eq!(faults(&send(&eva, "{}").await.expect(422)), [("description", "missing"), ("title", "missing")]);
    let problem = send(&eva, r#"{"title": "a", "title": "b", "description": "d"}"#).await.expect(422);
    assert_eq!(faults(&problem), [("title", "repeated")]);
}

#[tokio::test]
async fn a_detail_is_a_sentence_and_the_fields_are_in_errors() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let problem = send(&eva, r#"{"title": "", "description": 1, "colour": "red"}"#).await.expect(422);
    assert!(problem["detail"].is_string());
    assert_eq!(faults(&problem), [("colour", "unknown_field"), ("description", "wrong_type"), ("title", "too_short")]);
}

#[tokio::test]
async fn other_media_types_are_415() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let good = json!({"title": "t", "description": "d"}).to_string();
    for bad in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "multipart/form-data; boundary=x", ""] {
        send_as(&eva, bad, good.clone()).await.expect(415);
    }
    eva.send(eva.request(Method::POST, "/tickets").body(good.clone())).await.expect(415);
    for ok in ["application/json", "Application/JSON; charset=utf-8", "application/json ;charset=UTF-8"] {
        send_as(&eva, ok, good.clone()).await.expect(201);
    }
}

#[tokio::test]
async fn bodies_up_to_a_mebibyte_are_read_and_larger_ones_are_413() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let padded = |size: usize| {
        let body = json!({"title": "t", "description": "d"}).to_string();
        format!("{body}{}", " ".repeat(size - body.len()))
    };
    send(&eva, padded(1024 * 1024)).await.expect(201);
    send(&eva, padded(1024 * 1024 + 1)).await.expect(413);
    let keyed = eva.request(Method::POST, "/tickets").header("idempotency-key", "k").header(CONTENT_TYPE, "application/json");
    eva.send(keyed.body(padded(1024 * 1024 + 1))).await.expect(413);
    send(&desk.anonymous(), padded(1024 * 1024 + 1)).await.expect(401);
}

#[tokio::test]
async fn unknown_methods_and_routes_are_told_in_the_same_form() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let id = eva.open(json!({})).await;
    assert_eq!(eva.post(&format!("/tickets/{id}"), json!({})).await.expect(405)["type"], "/problems/method-not-allowed");
    eva.delete("/tickets").await.expect(405);
    eva.get("/tickets/1/nonsense").await.expect(404);
    eva.get("/nonsense").await.expect(404);
}

#[tokio::test]
async fn answers_carry_the_callers_request_id_when_it_is_a_sane_one() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let with = |id: &str| eva.send(eva.request(Method::GET, "/tickets/999999").header("x-request-id", id));
    assert_eq!(with("trace-1.a:b_c").await.expect(404)["request_id"], "trace-1.a:b_c");
    for bad in ["", "a b", "<script>", &"x".repeat(65)] {
        let answer = with(bad).await;
        assert_ne!(answer.header("x-request-id"), bad);
        answer.expect(404);
    }
}

#[tokio::test]
async fn times_are_utc_with_microseconds_at_most_and_nothing_is_missing() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let id = eva.open(json!({})).await;
    let ticket = eva.ticket(id).await;
    for (field, value) in ticket.as_object().unwrap().iter().filter(|(field, _)| field.ends_with("_at") || *field == "status_since") {
        let Some(text) = value.as_str() else {
            assert!(value.is_null(), "{field}");
            continue;
        };
        assert!(text.ends_with('Z') && text.len() <= "2026-03-02T09:00:00.123456Z".len(), "{field}: {text}");
    }
}

#[tokio::test]
async fn a_megabyte_of_faults_is_answered_in_short() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let list = |field: &str, item: &str, n: usize| format!("{{\"{field}\": [{}]}}", vec![item; n].join(","));
    let unknown: Vec<String> = (0..60_000).map(|n| format!("\"f{n}\":0")).collect();
    for body in [list("tags", "0", 500_000), list("tags", "{}", 300_000), format!("{{{}}}", unknown.join(","))] {
        let problem = send(&eva, body).await.expect(422);
        let told = problem["errors"].as_array().unwrap().len();
        assert!((100..=110).contains(&told), "{told}");
    }
    let bulk = eva.request(Method::POST, "/tickets/bulk").header(CONTENT_TYPE, "application/json");
    let problem = eva.send(bulk.body(list("ids", "0", 500_000))).await.expect(422);
    assert!(problem["errors"].as_array().unwrap().len() <= 110);
}

#[tokio::test]
async fn parameters_and_forms_that_are_not_utf8_are_refused() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    for (query, field) in [("q=%ff", "q"), ("q=caf%e9", "q"), ("status=open&tag=%c3", "tag"), ("%ff=1", "\u{fffd}")] {
        assert_eq!(faults(&eva.get(&format!("/tickets?{query}")).await.expect(422)), [(field, "invalid")], "{query}");
    }
    eva.get("/tickets?q=caf%C3%A9+con+leche&tag=%2B").await.expect(200);
    let nobody = desk.anonymous();
    let form = nobody.request(Method::POST, "/auth/login").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    assert_eq!(faults(&nobody.send(form.body("username=a&password=%ff%fe")).await.expect(422)), [("password", "invalid")]);
}

#[tokio::test]
async fn what_does_not_fit_together_is_told_with_what_does_not_fit_alone() {
    let desk = Desk::start().await;
    let (admin, nobody, eva) = (desk.admin().await, desk.anonymous(), desk.user("eva").await);
    let told = async |answer: Response| faults(&answer.expect(422)).iter().map(|(f, c)| format!("{f} {c}")).collect::<Vec<_>>().join(", ");
    let named = json!({ "email": "Robert.Paulson@example.com", "password": "robert.paulson", "rank": 1 });
    let mut wrong = named.clone();
    wrong["full_name"] = json!("");
    let expected = "full_name too_short, password invalid, rank unknown_field";
    assert_eq!(told(nobody.post("/auth/register", wrong.clone()).await).await, expected);
    wrong["role"] = json!("agent");
    assert_eq!(told(admin.post("/users", wrong).await).await, expected);
    assert_eq!(told(admin.patch(&format!("/users/{}", eva.id), named).await).await, "password invalid, rank unknown_field");
    let own = json!({ "full_name": "Robert Paulson", "password": "ROBERT PAULSON", "locale": "fr" });
    assert_eq!(told(eva.patch("/auth/me", own).await).await, "current_password missing, locale unknown_value, password invalid");
    let short = json!({ "password": "short" });
    assert_eq!(told(eva.patch("/auth/me", short).await).await, "current_password missing, password too_short");
    let both = admin.get("/activity?after=1&before=2&limit=0&x=1").await;
    assert_eq!(told(both).await, "before invalid, limit out_of_range, x unknown_field");
}
