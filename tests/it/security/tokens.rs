//! Forged, foreign, stale and damaged tokens: all get the same 401.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto::sign};
use reqwest::Method;
use serde_json::{Value, json};
use taquilla::{
    app::{App, Clock},
    config::Config,
    types::Secret,
};

use crate::{
    people::{anonymised, login, refresh, signed_in, text, with_headers},
    support::Desk,
};

/// The key of the desk under attack, which the test knows so that it can sign what a thief of the key could not hide.
const KEY: &str = "Zq7!vT2#mK9$wX4%pL8^rN6&yB3*hC1(";

/// What a tutorial's desk would be signed with.
const WELL_KNOWN: &str = "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7";

fn encoded(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

fn signed(header: &Value, claims: &Value, key: &str, algorithm: Algorithm) -> String {
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let signature = sign(message.as_bytes(), &EncodingKey::from_secret(key.as_bytes()), algorithm).unwrap();
    format!("{message}.{signature}")
}

/// A copy of `value` with another value of one field.
fn with(value: &Value, field: &str, other: Value) -> Value {
    let mut changed = value.clone();
    changed[field] = other;
    changed
}

#[tokio::test]
async fn every_bad_token_gets_the_same_401() {
    let desk = Desk::start_with(|config| config.auth.secret_key = Some(Secret::new(KEY))).await;
    let (admin, refresh) = signed_in(&desk, "admin@example.com").await;
    let good = admin.token.clone().unwrap();
    let [header, claims, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("{good}") };
    let decoded = |part: &str| serde_json::from_slice::<Value>(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let (head, body) = (decoded(header), decoded(claims));
    let fields: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["aud", "exp", "iat", "iss", "jti", "sid", "sub", "typ"]);
    assert_eq!(body["exp"].as_i64().unwrap() - body["iat"].as_i64().unwrap(), 30 * 60);
    let own = |header: &Value, claims: &Value| signed(header, claims, KEY, Algorithm::HS256);
    desk.anonymous().with_token(own(&head, &body)).get("/auth/me").await.expect(200);

    let mut bad = vec![
        String::new(),
        "x".into(),
        "..".into(),
        "a.b.c".into(),
        refresh,
        "tqp_".into(),
        format!("tqp_{}", "A".repeat(43)),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{header}.{claims}.{}", &signature[..signature.len() - 1]),
        format!("{header}.{claims}.{signature}A"),
        format!("{header}.{claims}.{signature}="),
        format!("{header}.{claims}.{signature}.{signature}"),
        format!("{header}.{}.{signature}", encoded(&with(&body, "sub", json!("2")))),
        format!("{good}{}", "A".repeat(12_000)),
        signed(&head, &body, WELL_KNOWN, Algorithm::HS256),
        signed(&head, &body, "secret", Algorithm::HS256),
        signed(&head, &body, "", Algorithm::HS256),
        signed(&with(&head, "alg", json!("HS384")), &body, KEY, Algorithm::HS384),
        signed(&with(&head, "alg", json!("HS512")), &body, KEY, Algorithm::HS512),
    ];
    for algorithm in ["none", "None", "NONE", "nOnE", ""] {
        bad.push(format!("{}.{claims}.", encoded(&json!({ "typ": "JWT", "alg": algorithm }))));
        bad.push(format!("{}.{claims}.{signature}", encoded(&json!({ "typ": "JWT", "alg": algorithm }))));
    }
    for algorithm in ["RS256", "ES256", "PS256", "EdDSA", "HS1"] {
        bad.push(own(&with(&head, "alg", json!(algorithm)), &body));
    }
    for (name, value) in [
        ("kid", json!("../../../dev/null")),
        ("kid", json!("1' or '1'='1")),
        ("jku", json!("https://evil.example/keys.json")),
        ("x5u", json!("https://evil.example/cert.pem")),
        ("jwk", json!({ "kty": "oct", "k": "c2VjcmV0" })),
        ("crit", json!(["exp"])),
        ("zip", json!("DEF")),
        ("typ", json!("at+jwt")),
    ] {
        bad.push(own(&with(&head, name, value), &body));
    }
    for (name, values) in [
        ("typ", vec![json!("refresh"), json!("")]),
        ("iss", vec![json!("evil"), json!(["taquilla"])]),
        ("aud", vec![json!("evil"), json!([])]),
        ("exp", vec![json!(0), json!(-1), json!(1e300), json!(i64::MAX), json!("9999999999"), body["iat"].clone()]),
        ("iat", vec![json!(9_999_999_999_i64), json!("now")]),
        ("sub", vec![json!("2"), json!("0"), json!("-1"), json!(1), json!("admin")]),
        ("sid", vec![json!(999_999), json!(0), json!(-1), json!("1")]),
    ] {
        for value in values {
            bad.push(own(&head, &with(&body, name, value)));
        }
        let mut without = body.clone();
        without.as_object_mut().unwrap().remove(name);
        bad.push(own(&head, &without));
    }
    assert!(bad.len() >= 40);

    let nothing = anonymised(desk.anonymous().get("/auth/me").await.expect(401));
    for token in bad {
        let problem = desk.anonymous().with_token(&token).get("/auth/me").await.expect(401);
        assert_eq!(anonymised(problem), nothing, "{token:.200}");
    }
    for header in ["Basic YWRtaW46YWRtaW4=", "Bearer", good.as_str(), &format!("Token {good}"), &format!("Bearer {good}, Bearer {good}")] {
        let problem = with_headers(&desk.anonymous(), Method::GET, "/auth/me", &[("authorization", header)], None).await.expect(401);
        assert_eq!(anonymised(problem), nothing, "{header:.50}");
    }
    let twice = [("authorization", "Bearer x"), ("authorization", &format!("Bearer {good}"))];
    with_headers(&desk.anonymous(), Method::GET, "/auth/me", &twice, None).await.expect(401);
    // No token is taken from anywhere else.
    desk.anonymous().get(&format!("/users?access_token={good}")).await.expect(401);
    with_headers(&desk.anonymous(), Method::GET, "/auth/me", &[("cookie", &format!("taquilla={good}; access_token={good}"))], None)
        .await
        .expect(401);
    admin.get("/auth/me").await.expect(200);
}

/// A token is not looked at when the headers are larger than headers may be: that is told first, whatever is in them.
#[tokio::test]
async fn a_token_that_is_larger_than_headers_may_be_is_431() {
    let desk = Desk::start().await;
    let good = desk.admin().await.token.unwrap();
    for kib in [17, 32, 64] {
        let problem = desk.anonymous().with_token(format!("{good}{}", "A".repeat(kib * 1024))).get("/auth/me").await.expect(431);
        assert_eq!(problem["type"], "/problems/headers-too-large");
    }
    // What even the parser does not read has no body; the refusal comes through, however much more is sent after it.
    for _ in 0..20 {
        let mut raw = desk.raw().await;
        let head = "GET /api/v1/auth/me HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ";
        raw.send(format!("{head}{}\r\n\r\n", "A".repeat(1024 * 1024))).await;
        assert_eq!(raw.answer().await.expect("an answer").status, 431);
        assert!(raw.is_closed().await);
    }
}

#[tokio::test]
async fn another_desks_token_is_refused() {
    let (one, other) = (Desk::start().await, Desk::start().await);
    let admin = one.admin().await;
    other.admin().await.get("/auth/me").await.expect(200);
    other.anonymous().with_token(admin.token.unwrap()).get("/auth/me").await.expect(401);
}

#[tokio::test]
async fn the_generated_key_is_kept_and_a_configured_one_ends_its_tokens() {
    let mut desk = Desk::start().await;
    let (admin, refresh) = signed_in(&desk, "admin@example.com").await;
    desk.restart().await;
    admin.get("/auth/me").await.expect(200);
    desk.config.auth.secret_key = Some(Secret::new(KEY));
    desk.restart().await;
    admin.get("/auth/me").await.expect(401);
    let pair = crate::people::refresh(&desk, &refresh).await.expect(200);
    desk.anonymous().with_token(text(&pair, "access_token")).get("/auth/me").await.expect(200);
}

#[tokio::test]
async fn disabling_and_a_role_bite_on_the_next_request() {
    let desk = Desk::start().await;
    let (admin, ana) = (desk.admin().await, desk.agent("ana").await);
    let path = format!("/users/{}", ana.id);
    ana.get("/users").await.expect(200);
    admin.patch(&path, json!({ "role": "user" })).await.expect(200);
    ana.get("/users").await.expect(403);
    admin.patch(&path, json!({ "role": "admin" })).await.expect(200);
    ana.get("/settings").await.expect(200);
    admin.patch(&path, json!({ "role": "agent", "is_active": false })).await.expect(200);
    ana.get("/auth/me").await.expect(401);
}

#[tokio::test]
async fn known_and_short_secrets_stop_the_start() {
    for key in
        ["secret", "changeme", WELL_KNOWN, "your-secret-key-change-in-production", "0123456789012345678901234567890", &"ab".repeat(32)]
    {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.storage.url = format!("sled:{}", dir.path().join("data").display());
        config.auth.secret_key = Some(Secret::new(key));
        let error = App::build(config, Clock::System).await.err().expect("it does not start").to_string();
        assert!(error.contains("auth.secret_key") && (key == "secret" || !error.contains(key)), "{error}");
    }
}

#[tokio::test]
async fn a_new_password_bites_on_the_next_request() {
    let desk = Desk::start().await;
    let (admin, eva) = (desk.admin().await, desk.user("eva").await);
    let (other, refresh_token) = signed_in(&desk, &eva.email).await;
    // One's own ends the other sessions and leaves this one.
    let change = json!({ "password": "another pass phrase", "current_password": crate::support::PASSWORD });
    eva.patch("/auth/me", change).await.expect(200);
    other.get("/auth/me").await.expect(401);
    refresh(&desk, &refresh_token).await.expect(401);
    eva.get("/auth/me").await.expect(200);
    // An admin's ends them all.
    admin.patch(&format!("/users/{}", eva.id), json!({ "password": "a third pass phrase" })).await.expect(200);
    eva.get("/auth/me").await.expect(401);
    login(&desk, &eva.email, "another pass phrase").await.expect(401);
}

#[tokio::test]
async fn signing_out_and_revoking_bite_on_the_next_request() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let (other, refresh_token) = signed_in(&desk, &eva.email).await;
    other.post("/auth/logout", Value::Null).await.expect(204);
    other.get("/auth/me").await.expect(401);
    refresh(&desk, &refresh_token).await.expect(401);
    let (third, refresh_token) = signed_in(&desk, &eva.email).await;
    let sessions = eva.get("/auth/sessions").await.expect(200);
    let newest = sessions.as_array().unwrap().iter().map(|session| session["id"].as_i64().unwrap()).max().unwrap();
    eva.delete(&format!("/auth/sessions/{newest}")).await.expect(204);
    third.get("/auth/me").await.expect(401);
    refresh(&desk, &refresh_token).await.expect(401);
    eva.get("/auth/me").await.expect(200);
}

#[tokio::test]
async fn api_tokens_end_with_their_revocation_and_with_their_account() {
    let desk = Desk::start().await;
    let (admin, eva) = (desk.admin().await, desk.user("eva").await);
    let made = eva.post("/auth/tokens", json!({ "name": "one" })).await.expect(201);
    let script = desk.anonymous().with_token(text(&made, "token"));
    script.get("/auth/me").await.expect(200);
    eva.delete(&format!("/auth/tokens/{}", made["id"])).await.expect(204);
    script.get("/auth/me").await.expect(401);
    let made = eva.post("/auth/tokens", json!({ "name": "two" })).await.expect(201);
    let script = desk.anonymous().with_token(text(&made, "token"));
    admin.delete(&format!("/users/{}", eva.id)).await.expect(204);
    script.get("/auth/me").await.expect(401);
    // A role that is gone is gone for scripts, too.
    let ann = desk.agent("ann").await;
    let made = ann.post("/auth/tokens", json!({ "name": "three" })).await.expect(201);
    let script = desk.anonymous().with_token(text(&made, "token"));
    script.get("/users").await.expect(200);
    admin.patch(&format!("/users/{}", ann.id), json!({ "role": "user" })).await.expect(200);
    script.get("/users").await.expect(403);
}
