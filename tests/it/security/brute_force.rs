//! Guessing passwords: a few tries are free, then they cost time, by account and by address. Nobody else's guesses touch a
//! session that lives.

use reqwest::Method;
use serde_json::{Value, json};
use taquilla::config::RateLimit;

use crate::{
    people::{anonymised, with_headers},
    support::{Client, Desk, PASSWORD, Response},
};

/// A desk that throttles, behind a proxy which tells the addresses of its clients.
async fn desk() -> Desk {
    Desk::start_with(|config| {
        config.auth.rate_limit = RateLimit::On;
        config.server.trusted_proxies = vec!["127.0.0.0/8".into()];
    })
    .await
}

async fn from(desk: &Desk, address: &str, path: &str, body: Value) -> Response {
    with_headers(&desk.anonymous(), Method::POST, path, &[("x-forwarded-for", address)], Some(body)).await
}

async fn login(desk: &Desk, address: &str, email: &str, password: &str) -> Response {
    from(desk, address, "/auth/login", json!({ "username": email, "password": password })).await
}

/// The address of a client that has not been here before.
fn fresh() -> String {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0x0a00_0001);
    std::net::Ipv4Addr::from(NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)).to_string()
}

/// The seconds to wait of a refusal.
#[track_caller]
fn wait_of(refused: &Response) -> i64 {
    refused.clone().expect(429);
    refused.header("retry-after").parse().unwrap()
}

/// Uses up what is free.
async fn five_failures(desk: &Desk, email: &str) {
    for _ in 0..5 {
        login(desk, &fresh(), email, "wrong password").await.expect(401);
    }
}

#[tokio::test]
async fn an_account_has_five_free_failures_then_waits_that_double() {
    let desk = desk().await;
    let eva = desk.user("eva").await;
    five_failures(&desk, &eva.email).await;
    for wait in [5, 10, 20, 40, 80, 160, 320, 640, 900, 900] {
        assert_eq!(wait_of(&login(&desk, &fresh(), &eva.email, "wrong password").await), wait);
        let right = login(&desk, &fresh(), &eva.email.to_uppercase(), PASSWORD).await;
        assert_eq!(wait_of(&right), wait, "the right password waits too");
        desk.advance(wait - 1);
        assert_eq!(wait_of(&login(&desk, &fresh(), &eva.email, PASSWORD).await), 1);
        desk.advance(1);
        login(&desk, &fresh(), &eva.email, "wrong password").await.expect(401);
    }
    desk.advance(900);
    login(&desk, &fresh(), &eva.email, PASSWORD).await.expect(200);
    // Whoever knows the password begins anew.
    five_failures(&desk, &eva.email).await;
    assert_eq!(wait_of(&login(&desk, &fresh(), &eva.email, "wrong password").await), 5);
}

#[tokio::test]
async fn nobody_can_lock_a_live_session_out() {
    let desk = desk().await;
    let (eva, ana) = (desk.user("eva").await, desk.agent("ana").await);
    let stream = eva.listen(None).await;
    five_failures(&desk, &eva.email).await;
    assert!(wait_of(&login(&desk, &fresh(), &eva.email, PASSWORD).await) > 0);
    eva.get("/auth/me").await.expect(200);
    let id = eva.open(json!({})).await;
    assert_eq!({ stream }.next().await.data["ticket_id"], id);
    eva.patch("/auth/me", json!({ "password": "another pass phrase", "current_password": PASSWORD })).await.expect(200);
    login(&desk, &fresh(), &ana.email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn unknown_addresses_wait_like_known_ones() {
    let desk = desk().await;
    let (admin, eva, tom) = (desk.admin().await, desk.user("eva").await, desk.user("tom").await);
    admin.delete(&format!("/users/{}", tom.id)).await.expect(204);
    let mut told = Vec::new();
    for email in [eva.email.as_str(), tom.email.as_str(), "unknown@example.com", "no address at all"] {
        let mut answers = Vec::new();
        for _ in 0..7 {
            let answer = login(&desk, &fresh(), email, "wrong password").await;
            answers.push((answer.status, answer.header("retry-after").to_owned(), answer.header("ratelimit").to_owned()));
            answers.push((0, anonymised(answer.body).to_string(), String::new()));
        }
        told.push(answers);
    }
    assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{told:#?}");
}

#[tokio::test]
async fn of_many_guesses_at_once_no_more_are_told_than_are_free() {
    let desk = desk().await;
    let eva = desk.user("eva").await;
    let mut guesses = Vec::new();
    for n in 0..40 {
        let (client, email) = (desk.anonymous(), eva.email.clone());
        // The right one is among them, somewhere behind the free ones.
        let password = if n == 30 { PASSWORD } else { "wrong password" };
        guesses.push(tokio::spawn(async move {
            let body = json!({ "username": email, "password": password });
            with_headers(&client, Method::POST, "/auth/login", &[("x-forwarded-for", &fresh())], Some(body)).await.status
        }));
    }
    let mut answers = Vec::new();
    for guess in guesses {
        answers.push(guess.await.unwrap());
    }
    let told = |status| answers.iter().filter(|answer| **answer == status).count();
    // When the right one came through early it began the count anew.
    let free = if told(200) == 1 { 5..=9 } else { 5..=5 };
    assert!(free.contains(&told(401)), "{answers:?}");
    assert_eq!(told(200) + told(401) + told(429), 40);
}

#[tokio::test]
async fn an_address_has_ten_failures_then_one_every_six_seconds() {
    let desk = desk().await;
    let guess = async |address: &str, n: usize| login(&desk, address, &format!("nobody{n}@example.com"), "wrong password").await;
    for n in 0..10 {
        let answer = guess("192.0.2.1", n).await;
        assert_eq!(answer.header("ratelimit"), format!("\"login\";r={};t={}", 9 - n, (n + 1) * 6));
        answer.expect(401);
    }
    let refused = guess("192.0.2.1", 10).await;
    assert_eq!((wait_of(&refused), refused.header("ratelimit")), (6, "\"login\";r=0;t=60"));
    guess("192.0.2.2", 10).await.expect(401);
    for n in 11..14 {
        desk.advance(6);
        guess("192.0.2.1", n).await.expect(401);
        assert_eq!(wait_of(&guess("192.0.2.1", n).await), 6);
    }
    desk.advance(60);
    for n in 20..30 {
        guess("192.0.2.1", n).await.expect(401);
    }
    // A network of IPv6 is one client.
    for n in 30..40 {
        guess(&format!("2001:db8::{n}"), n).await.expect(401);
    }
    assert_eq!(wait_of(&guess("2001:db8::ffff", 40).await), 6);
}

#[tokio::test]
async fn a_header_of_a_stranger_makes_no_new_address() {
    let desk = Desk::start_with(|config| config.auth.rate_limit = RateLimit::On).await;
    for n in 0..10 {
        login(&desk, &fresh(), &format!("nobody{n}@example.com"), "wrong password").await.expect(401);
    }
    assert_eq!(wait_of(&login(&desk, &fresh(), "nobody@example.com", "wrong password").await), 6);
}

#[tokio::test]
async fn sign_ins_that_succeed_cost_an_address_nothing() {
    let desk = desk().await;
    let eva = desk.user("eva").await;
    for _ in 0..15 {
        let answer = login(&desk, "192.0.2.1", &eva.email, PASSWORD).await;
        assert_eq!(answer.header("ratelimit"), "\"login\";r=10;t=0");
        answer.expect(200);
    }
}

#[tokio::test]
async fn registering_is_throttled_by_address_and_by_account() {
    let desk = desk().await;
    let register = async |address: &str, email: &str| {
        let body = json!({ "email": email, "full_name": "Eva", "password": "secret words 7" });
        from(&desk, address, "/auth/register", body).await
    };
    for n in 0..10 {
        let answer = register("192.0.2.1", &format!("eva{n}@example.com")).await;
        assert_eq!(answer.header("ratelimit"), format!("\"register\";r={};t={}", 9 - n, (n + 1) * 6));
        answer.expect(201);
    }
    assert_eq!(wait_of(&register("192.0.2.1", "eva10@example.com").await), 6);
    // Signing in has its own count.
    login(&desk, "192.0.2.1", "eva1@example.com", "secret words 7").await.expect(200);
    desk.advance(6);
    register("192.0.2.1", "eva10@example.com").await.expect(201);
    for _ in 0..5 {
        register(&fresh(), "EVA1@example.com").await.expect(400);
    }
    assert_eq!(wait_of(&register(&fresh(), "eva1@example.com").await), 5);
}

#[tokio::test]
async fn the_present_password_cannot_be_guessed_by_whoever_has_a_session() {
    let desk = desk().await;
    let (eva, tom) = (desk.user("eva").await, desk.user("tom").await);
    let change = async |client: &Client, present: &str| {
        client.patch("/auth/me", json!({ "password": "another pass phrase", "current_password": present })).await
    };
    for _ in 0..5 {
        change(&eva, "wrong password").await.expect(403);
    }
    assert_eq!(wait_of(&change(&eva, "wrong password").await), 5);
    assert_eq!(wait_of(&change(&eva, PASSWORD).await), 5);
    eva.patch("/auth/me", json!({ "full_name": "Eva Other" })).await.expect(200);
    change(&tom, PASSWORD).await.expect(200);
    desk.advance(5);
    change(&eva, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn every_answer_of_a_throttled_call_tells_the_policy_and_no_other_does() {
    let desk = desk().await;
    let eva = desk.user("eva").await;
    let policy = "\"login\";q=10;w=60, \"login-account\";q=5;w=900";
    let tell = |answer: Response, status: u16| {
        let told = (answer.header("ratelimit-policy").to_owned(), answer.header("ratelimit").to_owned());
        answer.expect(status);
        told
    };
    assert_eq!(tell(login(&desk, "192.0.2.1", &eva.email, PASSWORD).await, 200), (policy.into(), "\"login\";r=10;t=0".into()));
    assert_eq!(tell(login(&desk, "192.0.2.1", &eva.email, "wrong password").await, 401), (policy.into(), "\"login\";r=9;t=6".into()));
    assert_eq!(tell(from(&desk, "192.0.2.1", "/auth/login/", json!({})).await, 422), (policy.into(), "\"login\";r=9;t=6".into()));
    five_failures(&desk, "nobody@example.com").await;
    let refused = login(&desk, "192.0.2.1", "nobody@example.com", "wrong password").await;
    assert_eq!(tell(refused, 429).1, "\"login\";r=9;t=6, \"login-account\";r=0;t=5");
    for path in ["/auth/me", "/tickets", "//health"] {
        assert_eq!(eva.get(path).await.header("ratelimit-policy"), "", "{path}");
    }
}

#[tokio::test]
async fn it_can_be_turned_off() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    for _ in 0..12 {
        let answer = login(&desk, "192.0.2.1", &eva.email, "wrong password").await;
        assert_eq!((answer.header("ratelimit"), answer.header("ratelimit-policy")), ("", ""));
        answer.expect(401);
    }
    login(&desk, "192.0.2.1", &eva.email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn what_is_refused_leaves_no_session_and_no_entry() {
    let desk = desk().await;
    let eva = desk.user("eva").await;
    let start = crate::people::end_of_log(&desk).await;
    five_failures(&desk, &eva.email).await;
    // The entries of these failures, one for each address, are written beside their answers.
    desk.app.store.durable_seq().wait_for(|seq| *seq >= start + 5).await.unwrap();
    let before = (crate::people::end_of_log(&desk).await, eva.get("/auth/sessions").await.expect(200));
    login(&desk, &fresh(), &eva.email, PASSWORD).await.expect(429);
    assert_eq!((crate::people::end_of_log(&desk).await, eva.get("/auth/sessions").await.expect(200)), before);
}
