//! Mass assignment: no field of a stored row can be set by naming it where it does not belong. Every field of every
//! stored type is tried on every input of the document.

use std::{any::type_name, collections::BTreeSet};

use reqwest::Method;
use serde::{
    Deserializer,
    de::{DeserializeOwned, Error as _, Visitor, value::Error},
    forward_to_deserialize_any,
};
use serde_json::{Value, json};
use taquilla::{
    activity::model::{Entry, Facts},
    auth::model::{ApiToken, Session},
    store::{Answer, LogCursor, SigningSecret},
    tickets::model::{Comment, Ticket},
    users::model::{Roster, Settings, SetupToken, User},
};

use crate::{
    authz_matrix::{World, rows, things},
    openapi::{document, filled, operations},
};

/// Reads nothing; remembers the names of the fields that a type asks for.
struct Names(&'static [&'static str]);

impl<'de> Deserializer<'de> for &mut Names {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("there is nothing to read"))
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.0 = fields;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple tuple_struct map enum identifier ignored_any
    }
}

/// The names of a stored type's fields.
fn fields_of<T: DeserializeOwned>() -> BTreeSet<&'static str> {
    let mut names = Names(&[]);
    let _ = T::deserialize(&mut names);
    assert!(!names.0.is_empty(), "{} has fields", type_name::<T>());
    names.0.iter().copied().collect()
}

/// The names of all stored fields.
fn stored_fields() -> BTreeSet<&'static str> {
    let mut all = BTreeSet::new();
    for fields in [
        fields_of::<Ticket>(),
        fields_of::<Comment>(),
        fields_of::<User>(),
        fields_of::<Session>(),
        fields_of::<ApiToken>(),
        fields_of::<Roster>(),
        fields_of::<Settings>(),
        fields_of::<SetupToken>(),
        fields_of::<SigningSecret>(),
        fields_of::<LogCursor>(),
        fields_of::<Answer>(),
        fields_of::<Entry>(),
        fields_of::<Facts>(),
    ] {
        all.extend(fields);
    }
    all
}

/// What a schema accepts: the fields of its object, followed through references and choices.
fn accepted(document: &Value, schema: &Value, into: &mut Vec<(String, Value)>) {
    if let Some(name) = schema["$ref"].as_str() {
        return accepted(document, document.pointer(&name[1..]).unwrap(), into);
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        schema[choice].as_array().into_iter().flatten().for_each(|one| accepted(document, one, into));
    }
    into.extend(schema["properties"].as_object().into_iter().flatten().map(|(name, schema)| (name.clone(), schema.clone())));
}

/// The schema of an operation's JSON body.
fn body_schema(method: &str, path: &str) -> Value {
    let operation = operations().into_iter().find(|o| o.method.as_str() == method && o.path == path).unwrap();
    operation.spec["requestBody"]["content"]["application/json"]["schema"].clone()
}

/// `body` with each foreign field in turn, at its top and in each object inside, and the field's full name.
fn with_foreign_fields(document: &Value, schema: &Value, body: &Value, fields: &BTreeSet<&'static str>) -> Vec<(String, Value)> {
    let mut known = Vec::new();
    accepted(document, schema, &mut known);
    let mut tries = Vec::new();
    for field in fields.iter().filter(|field| !known.iter().any(|(name, _)| name == *field)) {
        let mut changed = body.clone();
        changed[*field] = json!(1);
        tries.push(((*field).to_owned(), changed));
    }
    for (name, schema) in &known {
        let Some(inner) = body.get(name).filter(|inner| inner.is_object()) else { continue };
        for (field, changed) in with_foreign_fields(document, schema, inner, fields) {
            let mut outer = body.clone();
            outer[name] = changed;
            tries.push((format!("{name}.{field}"), outer));
        }
    }
    tries
}

#[tokio::test]
async fn no_stored_field_is_taken_by_an_input_that_does_not_have_it() {
    let (world, fields, document) = (World::new().await, stored_fields(), document());
    for wanted in ["version", "creator_id", "password_hash", "resolved_at", "deleted_at", "is_active", "seq", "hash"] {
        assert!(fields.contains(wanted), "{wanted}");
    }
    let mut tried = 0;
    for row in rows().filter(|row| !row.2.is_empty()) {
        let path = row.1.split('?').next().unwrap();
        let address = world.address(row.1, things(row.1)[0], "admin").await;
        let schema = body_schema(row.0, path);
        for (field, body) in with_foreign_fields(&document, &schema, &world.body(row.2).unwrap(), &fields) {
            let before = *world.desk.app.store.durable_seq().borrow();
            let admin = world.of("admin");
            let request = admin.request(row.0.parse::<Method>().unwrap(), &format!("/{address}")).json(&body);
            let problem = admin.send(request).await.expect(422);
            let errors = problem["errors"].as_array().unwrap();
            assert!(
                errors.len() == 1 && errors[0]["field"] == field && errors[0]["code"] == "unknown_field",
                "{} {path}: {problem}",
                row.0
            );
            assert_eq!(*world.desk.app.store.durable_seq().borrow(), before, "{} {path} with {field} was written", row.0);
            tried += 1;
        }
    }
    eprintln!("{tried} inputs were refused");
    assert!(tried > 1_000, "{tried}");
}

#[tokio::test]
async fn no_stored_field_is_taken_as_a_query_parameter() {
    let (world, fields) = (World::new().await, stored_fields());
    let admin = world.of("admin");
    for operation in operations().into_iter().filter(|o| o.path.starts_with("/api/")) {
        let known: Vec<&str> = operation.spec["parameters"].as_array().into_iter().flatten().filter_map(|p| p["name"].as_str()).collect();
        for field in fields.iter().filter(|field| !known.contains(field)) {
            let request = admin.request(operation.method.clone(), &format!("/{}?{field}=1", filled(&operation.path)));
            let request = if operation.spec.get("requestBody").is_some() { request.json(&json!({})) } else { request };
            let problem = admin.send(request).await.expect(422);
            let named = |error: &Value| error["field"] == *field && error["code"] == "unknown_field";
            assert!(problem["errors"].as_array().unwrap().iter().any(named), "{} {}: {problem}", operation.method, operation.path);
        }
    }
}

#[tokio::test]
async fn nobody_gives_themselves_a_role_or_a_state() {
    let world = World::new().await;
    let desk = &world.desk;
    let anyone = desk.anonymous();
    for role in ["admin", "agent"] {
        let body = json!({ "email": "new@example.com", "full_name": "New", "password": "secret words 7", "role": role });
        anyone.post("/auth/register", body).await.expect(403);
    }
    let u1 = world.of("u1");
    for (field, value) in [("role", json!("admin")), ("is_active", json!(true)), ("email", json!("root@example.com")), ("id", json!(1))] {
        u1.patch("/auth/me", json!({ "full_name": "New Name", field: value })).await.expect(422);
    }
    let me = u1.get("/auth/me").await.expect(200);
    assert_eq!((&me["role"], &me["full_name"]), (&json!("user"), &json!("U1 Example")));
    let form = [("username", u1.email.as_str()), ("password", crate::support::PASSWORD), ("role", "admin")];
    anyone.send(anyone.request(Method::POST, "/auth/login").form(&form)).await.expect(422);
}
