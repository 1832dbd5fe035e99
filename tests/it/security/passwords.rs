//! Passwords: what they must be, how they are kept.

use serde_json::json;
use taquilla::{store::Store, types::UserId};

use crate::{
    binary::Place,
    people::{faults, login},
    setup::printed,
    support::{Desk, PASSWORD},
};

async fn stored(desk: &Desk, id: i64) -> String {
    let store: &dyn Store = desk.app.store.as_ref();
    store.user(UserId(id)).await.unwrap().unwrap().password_hash.clone().unwrap().expose().to_owned()
}

#[tokio::test]
async fn only_length_common_passwords_and_own_names_are_judged() {
    let desk = Desk::start().await;
    let client = desk.anonymous();
    let register = async |n: usize, password: &str| {
        let body = json!({ "email": format!("anabelle{n}@example.com"), "full_name": "Ana Belén Ruiz", "password": password });
        client.post("/auth/register", body).await
    };
    let (shortest, longest) = ("ñ".repeat(8), "ñ".repeat(128));
    for (n, fine) in
        ["        ", "aaaaaaab", "no digits here", "88888889", &shortest, &longest, "🔑🔑🔑🔑🔑🔑🔑🔑", "Ana Belen Ruiz"].iter().enumerate()
    {
        register(n, fine).await.expect(201);
        login(&desk, &format!("anabelle{n}@example.com"), fine).await.expect(200);
    }
    for (bad, code) in [
        ("ñ".repeat(7).as_str(), "too_short"),
        (&"ñ".repeat(129), "too_long"),
        ("with a \0 in it", "invalid"),
        ("PassWord123", "invalid"),
        ("ILoveYou", "invalid"),
        ("ANABELLE99@example.com", "invalid"),
        ("Anabelle99", "invalid"),
        ("ana belén ruiz", "invalid"),
    ] {
        assert_eq!(faults(register(99, bad).await), [("password".into(), code.into())], "{bad}");
    }
}

#[tokio::test]
async fn they_are_hashed_by_argon2id_with_a_salt_each() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    let mut hashes = Vec::new();
    for name in ["x", "y"] {
        let body = json!({ "email": format!("{name}@example.com"), "full_name": name, "role": "user", "password": PASSWORD });
        hashes.push(stored(&desk, admin.post("/users", body).await.expect(201)["id"].as_i64().unwrap()).await);
    }
    assert!(hashes.iter().all(|hash| hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$")), "{hashes:?}");
    assert_ne!(hashes[0], hashes[1]);
}

#[tokio::test]
async fn a_raised_effort_reaches_each_password_at_its_next_sign_in() {
    let mut desk = Desk::start().await;
    let eva = desk.user("eva").await;
    desk.config.auth.argon2_passes = 3;
    desk.restart().await;
    login(&desk, &eva.email, "wrong password").await.expect(401);
    assert!(stored(&desk, eva.id).await.contains("t=2,"));
    login(&desk, &eva.email, PASSWORD).await.expect(200);
    let raised = stored(&desk, eva.id).await;
    assert!(raised.contains("m=19456,t=3,p=1"), "{raised}");
    login(&desk, &eva.email, PASSWORD).await.expect(200);
    assert_eq!(stored(&desk, eva.id).await, raised, "once is enough");
    eva.get("/auth/me").await.expect(200);
    desk.restart().await;
    login(&desk, &eva.email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn no_answer_and_no_entry_holds_a_hash_or_a_password() {
    let desk = Desk::start().await;
    let (admin, eva) = (desk.admin().await, desk.user("eva").await);
    let secret = "marked Secret 7041";
    admin.patch(&format!("/users/{}", eva.id), json!({ "password": secret, "full_name": "Eva" })).await.expect(200);
    login(&desk, &eva.email, secret).await.expect(200);
    login(&desk, secret, secret).await.expect(401);
    let mut seen = String::new();
    for path in ["/users", "/auth/me", "/activity?limit=200", "/settings", "/auth/sessions", "/auth/tokens"] {
        seen.push_str(&admin.get(path).await.expect(200).to_string());
    }
    seen.push_str(&admin.get(&format!("/users/{}", eva.id)).await.expect(200).to_string());
    for hidden in ["7041", "argon2", "password_hash"] {
        assert!(!seen.contains(hidden), "{hidden}");
    }
}

/// Passwords that no door takes for this account.
const BAD: &[&str] = &["7 chars", "PassWord123", "eva@example.com", "EVA Example"];

#[tokio::test]
async fn every_door_judges_alike() {
    let desk = Desk::start().await;
    let (admin, eva) = (desk.admin().await, desk.user("eva").await);
    let too_long = "x".repeat(129);
    for bad in BAD.iter().copied().chain([too_long.as_str()]) {
        let account = json!({ "email": "eva@example.com", "full_name": "Eva Example", "password": bad });
        let mut with_role = account.clone();
        with_role["role"] = json!("user");
        for answer in [
            desk.anonymous().post("/auth/register", account).await,
            admin.post("/users", with_role).await,
            admin.patch(&format!("/users/{}", eva.id), json!({ "password": bad })).await,
            eva.patch("/auth/me", json!({ "password": bad, "current_password": PASSWORD })).await,
        ] {
            assert_eq!(faults(answer).iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>(), ["password"], "{bad}");
        }
    }
    login(&desk, &eva.email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn the_set_up_judges_alike() {
    let desk = Desk::start_empty(|_| {}).await;
    let token = printed(&desk).await;
    for bad in BAD {
        let admin = json!({ "email": "eva@example.com", "full_name": "Eva Example", "password": bad });
        let body = json!({ "token": token, "organisation_name": "O", "locale": "en", "admin": admin });
        let found = faults(desk.anonymous().post("/setup", body).await);
        assert_eq!(found.iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>(), ["admin.password"], "{bad}");
    }
}

#[test]
fn the_command_line_judges_alike() {
    let place = Place::new();
    let arguments = ["user", "create", "--email", "eva@example.com", "--name", "Eva Example", "--role", "admin", "--password-stdin"];
    for bad in BAD {
        let ran = place.run_with(&[], &arguments, &format!("{bad}\n"));
        assert!(ran.code != 0 && ran.err.contains("password"), "{bad}: {ran:?}");
    }
    assert_eq!(place.run_with(&[], &arguments, "long enough\n").code, 0);
}

#[test]
fn the_effort_has_a_floor_and_the_list_of_common_ones_an_end() {
    let place = Place::new();
    for (key, low, floor) in [("ARGON2_MEMORY_KIB", "19455", "19456"), ("ARGON2_PASSES", "1", "2")] {
        let variable = format!("TAQUILLA_AUTH__{key}");
        place.run_in(&[(&variable, low)], &["config", "check"]).expect(3).says(&key.to_lowercase());
        place.run_in(&[(&variable, floor)], &["config", "check"]).expect(0);
    }
    let listed = include_str!("../../../src/auth/common_passwords.txt").lines().count();
    assert!((500..=1_000).contains(&listed), "{listed}");
}
