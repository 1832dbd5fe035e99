//! Who has an account here: nobody learns it by signing in, neither from the answer nor from its time.

use std::time::{Duration, Instant};

use crate::{
    people::{anonymised, login},
    support::Desk,
};

#[tokio::test]
async fn unknown_wrong_and_disabled_look_the_same() {
    let desk = Desk::start().await;
    let (admin, eva) = (desk.admin().await, desk.user("eva").await);
    let tom = desk.user("tom").await;
    admin.delete(&format!("/users/{}", tom.id)).await.expect(204);
    let body = serde_json::json!({ "email": "nopass@example.com", "full_name": "No Password", "role": "user" });
    admin.post("/users", body).await.expect(201);
    let mut answers = Vec::new();
    for email in [eva.email.as_str(), tom.email.as_str(), "unknown@example.com", "nopass@example.com", "no address at all", ""] {
        let answer = login(&desk, email, "wrong password").await;
        let mut headers: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
        headers.sort();
        answers.push((anonymised(answer.expect(401)), headers));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
}

/// A coarse check that every kind of refusal hashes once: without, it would be some fifty times as quick. The fine one
/// measures a release build on a quiet machine.
#[tokio::test]
async fn unknown_wrong_and_disabled_take_as_long() {
    let desk = Desk::start().await;
    let (admin, eva, tom) = (desk.admin().await, desk.user("eva").await, desk.user("tom").await);
    admin.delete(&format!("/users/{}", tom.id)).await.expect(204);
    let emails = [eva.email.as_str(), tom.email.as_str(), "unknown@example.com", "no address at all"];
    let mut times = [const { Vec::<Duration>::new() }; 4];
    for _ in 0..9 {
        for (email, times) in emails.iter().zip(&mut times) {
            let start = Instant::now();
            login(&desk, email, "wrong password").await.expect(401);
            times.push(start.elapsed());
        }
    }
    // The quickest of each: it is the least disturbed by what else runs on the machine.
    let quickest = times.map(|times| times.into_iter().min().unwrap());
    let (least, most) = (quickest.iter().min().unwrap(), quickest.iter().max().unwrap());
    assert!(*most < *least * 4, "{quickest:?}");
}
