//! The OpenAPI document: locked, complete, and true to the router.

use std::{collections::BTreeSet, fs, path::PathBuf};

use reqwest::Method;
use serde_json::Value;

use crate::support::Desk;

/// One operation of the document.
pub struct Operation {
    pub method: Method,
    pub path: String,
    pub spec: Value,
}

/// The document, as JSON.
pub fn document() -> Value {
    serde_json::to_value(taquilla::http::openapi()).unwrap()
}

/// Every operation of the document.
pub fn operations() -> Vec<Operation> {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let methods = item.as_object().unwrap().clone();
        let path = path.clone();
        methods.into_iter().map(move |(method, spec)| Operation {
            method: method.to_uppercase().parse().unwrap(),
            path: path.clone(),
            spec,
        })
    };
    paths.iter().flat_map(of_path).collect()
}

#[test]
fn the_committed_document_is_the_one_that_the_code_gives() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let now = taquilla::http::openapi().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("TAQUILLA_BLESS").is_some() {
        fs::write(&file, &now).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == now, "docs/openapi.json is not current; run ./dev openapi");
}

/// The names of a set are those on the wire, not those in the code.
#[test]
fn sets_of_names_are_written_as_they_are_sent() {
    fn check(value: &Value) {
        match value {
            Value::Object(map) => {
                for name in map.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
                    assert_eq!(name, name.to_lowercase(), "a name of the code");
                }
                map.values().for_each(check);
            }
            Value::Array(items) => items.iter().for_each(check),
            _ => {}
        }
    }
    check(&document());
    assert_eq!(
        document()["components"]["schemas"]["Status"]["enum"],
        serde_json::json!(["open", "in_progress", "pending", "resolved", "closed"])
    );
}

#[test]
fn every_operation_is_described_and_tells_its_refusals() {
    let mut ids = BTreeSet::new();
    let document = document();
    let tags: BTreeSet<&str> = document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    for Operation { method, path, spec } in operations() {
        let what = format!("{method} {path}");
        assert!(
            spec["summary"].as_str().is_some_and(|s| !s.is_empty() && !s.ends_with('.')),
            "{what}: no summary, or one with a full stop"
        );
        assert!(ids.insert(spec["operationId"].as_str().unwrap().to_owned()), "{what}: its operation id is taken");
        assert!(spec["tags"].as_array().is_some_and(|t| t.len() == 1 && tags.contains(t[0].as_str().unwrap())), "{what}: {}", spec["tags"]);
        let responses = spec["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{what}: no success");
        assert!(responses.contains_key("default"), "{what}");
        for (status, response) in responses.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
            let shared = response["$ref"].as_str().map(|name| document.pointer(&name[1..]).expect("the shared response exists"));
            let content = &shared.unwrap_or(response)["content"];
            assert_eq!(content["application/problem+json"]["schema"]["$ref"], "#/components/schemas/Problem", "{what} {status}");
        }
        let in_path = |p: &Value| p["in"] == "path";
        let named = spec["parameters"].as_array().map_or(0, |list| list.iter().filter(|p| in_path(p)).count());
        assert_eq!(named, path.matches('{').count(), "{what}: its path parameters are not all described");
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    fn walk(value: &Value, document: &Value) {
        match value {
            Value::Object(map) => {
                if let Some(name) = map.get("$ref").and_then(Value::as_str) {
                    assert!(document.pointer(&name[1..]).is_some(), "{name} is missing");
                }
                map.values().for_each(|value| walk(value, document));
            }
            Value::Array(list) => list.iter().for_each(|value| walk(value, document)),
            _ => {}
        }
    }
    let document = document();
    walk(&document, &document);
}

#[tokio::test]
async fn every_operation_of_the_document_is_a_route() {
    let desk = Desk::start().await;
    let nobody = desk.anonymous();
    for Operation { method, path, .. } in operations() {
        let answer = nobody.send(nobody.request(method.clone(), &format!("/{}", filled(&path)))).await;
        assert!(answer.status != 404 && answer.status != 405, "{method} {path} answers {}", answer.status);
    }
}

#[tokio::test]
async fn other_methods_of_a_documented_path_are_refused() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    let known: BTreeSet<(String, String)> = operations().into_iter().map(|o| (o.path, o.method.to_string())).collect();
    let paths: BTreeSet<&String> = known.iter().map(|(path, _)| path).collect();
    for path in paths {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            if !known.contains(&(path.clone(), method.to_string())) {
                let answer = admin.send(admin.request(method.clone(), &format!("/{}", filled(path)))).await;
                assert_eq!(answer.status, 405, "{method} {path} is served but not documented");
                answer.expect(405);
            }
        }
    }
}

#[tokio::test]
async fn every_route_refuses_query_parameters_that_it_does_not_know() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    for Operation { method, path, spec } in operations().into_iter().filter(|o| o.path.starts_with("/api/")) {
        let mut request = admin.request(method.clone(), &format!("{}?nonsense=1", filled(&path)));
        if spec.get("requestBody").is_some() {
            request = request.json(&serde_json::json!({}));
        }
        let problem = admin.send(request).await.expect(422);
        let named =
            problem["errors"].as_array().unwrap().iter().any(|error| error["field"] == "nonsense" && error["code"] == "unknown_field");
        assert!(named, "{method} {path}: {problem}");
    }
}

#[tokio::test]
async fn the_served_document_is_the_committed_one() {
    let desk = Desk::start().await;
    assert_eq!(desk.anonymous().get("//openapi.json").await.expect(200), document());
}

/// The path with an id in each place.
pub fn filled(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect::<Vec<_>>().join("/")
}

/// A form of the body comes first, then every fault of body and query together.
#[tokio::test]
async fn a_body_that_cannot_be_read_is_told_before_what_does_not_fit() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    for Operation { method, path, .. } in operations().into_iter().filter(|o| o.spec.get("requestBody").is_some()) {
        let send = |media_type: &str, body: String| {
            let address = format!("/{}?nonsense=1", filled(&path));
            admin.send(admin.request(method.clone(), &address).header("content-type", media_type).body(body))
        };
        let what = |answer: &crate::support::Response| format!("{method} {path}: {} {}", answer.status, answer.body);
        for (media_type, body, status) in [
            ("text/plain", "{}".to_owned(), 415),
            ("application/json", "{".to_owned(), 400),
            ("application/json", " ".repeat(1024 * 1024 + 1), 413),
        ] {
            let answer = send(media_type, body).await;
            assert_eq!(answer.status, status, "{}", what(&answer));
        }
        let answer = send("application/json", r#"{"absurd": 1}"#.to_owned()).await;
        assert_eq!(answer.status, 422, "{}", what(&answer));
        let problem = answer.expect(422);
        let named: BTreeSet<&str> = problem["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
        assert!(named.contains("nonsense") && named.contains("absurd"), "{method} {path}: {problem}");
    }
}

/// Absent values are null, never missing; and nothing is told that is not documented.
#[tokio::test]
async fn answers_have_exactly_the_documented_fields_and_times_in_utc() {
    fn check_times(value: &Value) {
        match value {
            Value::Object(map) => {
                for (field, value) in map {
                    if let (true, Some(time)) = (field == "at" || field.ends_with("_at") || field == "status_since", value.as_str()) {
                        assert!(time.ends_with('Z') && time.len() <= "2026-03-02T09:00:00.123456Z".len(), "{field}: {time}");
                    }
                    check_times(value);
                }
            }
            Value::Array(list) => list.iter().for_each(check_times),
            _ => {}
        }
    }
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    let id = admin.open(serde_json::json!({})).await;
    admin.note(id, "n").await;
    admin.post("/auth/tokens", serde_json::json!({"name": "t"})).await.expect(201);
    let document = document();
    for (path, schema) in [
        ("/tickets", "TicketView"),
        (&format!("/tickets/{id}"), "TicketView"),
        (&format!("/tickets/{id}/comments"), "CommentView"),
        (&format!("/tickets/{id}/activity"), "EntryView"),
        ("/activity", "EntryView"),
        ("/users", "UserView"),
        ("/users/1", "UserView"),
        ("/auth/me", "UserView"),
        ("/auth/sessions", "SessionView"),
        ("/auth/tokens", "ApiTokenView"),
        ("/settings", "SettingsView"),
        ("/setup", "SetupState"),
    ] {
        let body = admin.get(path).await.expect(200);
        check_times(&body);
        let row = body.get(0).unwrap_or(&body);
        let told: BTreeSet<&String> = row.as_object().unwrap().keys().collect();
        let documented = document["components"]["schemas"][schema]["properties"].as_object().unwrap();
        let documented: BTreeSet<&String> = documented.keys().filter(|field| !field.ends_with("_html")).collect();
        assert_eq!(told, documented, "{path}");
    }
}
