//! What holds for every body, written into the document once: requests with unknown fields are refused, and absent values
//! of answers are null, never missing.

use std::collections::BTreeSet;

use serde_json::Value;
use utoipa::openapi::{
    OpenApi, RefOr,
    schema::{AdditionalProperties, Schema},
};

/// Where schemas are in the document.
const SCHEMAS: &str = "#/components/schemas/";

/// Writes both rules into the schemas that they concern.
pub fn complete(document: &mut OpenApi) {
    let json = serde_json::to_value(&*document).unwrap_or_default();
    let (asked, told) = (reached(&json, "requestBody"), reached(&json, "responses"));
    for (name, schema) in document.components.iter_mut().flat_map(|components| &mut components.schemas) {
        let RefOr::T(Schema::Object(object)) = schema else { continue };
        if object.properties.is_empty() {
            continue;
        }
        if asked.contains(name) {
            object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        } else if told.contains(name) {
            let nullable = object.properties.iter().filter(|(_, property)| may_be_null(property)).map(|(field, _)| field.clone());
            let required: BTreeSet<String> = object.required.drain(..).chain(nullable).collect();
            object.required = required.into_iter().collect();
        }
    }
}

fn may_be_null(property: &RefOr<Schema>) -> bool {
    let json = serde_json::to_value(property).unwrap_or_default();
    let null = |kind: &Value| kind == "null";
    let one_of = json["oneOf"].as_array().is_some_and(|list| list.iter().any(|one| null(&one["type"])));
    one_of || json["type"].as_array().is_some_and(|kinds| kinds.iter().any(null))
}

/// The schemas that this part of some operation leads to, directly or by others.
fn reached(document: &Value, part: &str) -> BTreeSet<String> {
    let operations = document["paths"].as_object().into_iter().flatten().filter_map(|(_, item)| item.as_object()).flatten();
    let mut reached = BTreeSet::new();
    for (_, operation) in operations {
        follow(&operation[part], document, &mut reached);
    }
    reached
}

fn follow(value: &Value, document: &Value, reached: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            let schema = map.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix(SCHEMAS));
            if let Some(name) = schema.filter(|name| reached.insert((*name).to_owned())) {
                follow(&document["components"]["schemas"][name], document, reached);
            }
            map.values().for_each(|value| follow(value, document, reached));
        }
        Value::Array(list) => list.iter().for_each(|value| follow(value, document, reached)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn bodies_are_described_as_they_are() {
        let document = serde_json::to_value(crate::http::openapi()).unwrap();
        let schema = |name: &str| document["components"]["schemas"][name].clone();
        let required = |name: &str, field: &str| schema(name)["required"].as_array().unwrap().contains(&json!(field));
        assert!(required("TicketView", "closed_at") && required("EntryView", "comment_id") && required("ActorRef", "id"));
        assert!(!required("TicketView", "description_html") && !required("NewTicket", "priority"));
        for name in ["NewTicket", "TicketChange", "BulkFields", "NewComment"] {
            assert_eq!(schema(name)["additionalProperties"], false, "{name}");
        }
        assert_eq!(schema("TicketView").get("additionalProperties"), None);
        assert_eq!(schema("TicketChange")["properties"]["title"]["$ref"], "#/components/schemas/Title", "null is refused");
    }
}
