//! The demo desk: by the set-up, by the command line, and by any seed.

use std::time::Duration;

use serde_json::{Value, json};
use taquilla::{
    auth::model::Actor,
    demo::{
        PEOPLE,
        ops::{self, SignIn, Wanted},
    },
    tickets::query::{Scope, TicketQuery},
    types::{Page, Total},
};

use crate::{
    binary::{Place, Server},
    people::{log_after, login, text},
    setup::{printed, wanted},
    support::{Client, Desk},
};

/// Waits until the desk has so many tickets, deleted ones included: the set-up may answer before its demo is complete.
async fn all_there(desk: &Desk, tickets: usize) {
    let mut log = desk.app.store.durable_seq();
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            log.borrow_and_update();
            let mut found = 0;
            for deleted in [false, true] {
                let query = TicketQuery { deleted, ..TicketQuery::all(Scope::All) };
                match desk.app.store.tickets(&query, Page { after: None, limit: 1 }).await.unwrap().total {
                    Some(Total::Exact(total)) => found += total,
                    other => panic!("no exact total: {other:?}"),
                }
            }
            if found == tickets {
                return;
            }
            log.changed().await.unwrap();
        }
    });
    waited.await.expect("the demo is there");
}

async fn total(client: &Client, path: &str) -> usize {
    client.get(path).await.header("x-total-count").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_set_up_fills_the_desk_when_that_is_wanted() {
    let desk = Desk::start_empty(|_| {}).await;
    let mut body = wanted(&printed(&desk).await);
    body["demo_data"] = json!(true);
    desk.anonymous().post("/setup", body).await.expect(201);
    let admin = desk.anonymous().with_token(text(&login(&desk, "ana@example.com", "long enough").await.expect(200), "access_token"));
    all_there(&desk, 400).await;
    for status in ["open", "in_progress", "pending", "resolved", "closed"] {
        assert!(total(&admin, &format!("/tickets?status={status}")).await > 0, "{status}");
    }
    for filter in ["overdue=true", "tag=vpn", "q=contraseña", "q=password", "priority=critical", "assigned_agent_id=none"] {
        assert!(total(&admin, &format!("/tickets?{filter}")).await > 0, "{filter}");
    }
    let reopened = admin.get("/tickets?limit=200").await.expect(200);
    assert!(reopened.as_array().unwrap().iter().any(|ticket| ticket["reopen_count"].as_i64() > Some(0)));

    // Nobody comes in by it, and the only admin is the one that was made.
    assert_eq!(total(&admin, "/users").await, PEOPLE.len() + 1);
    assert_eq!(total(&admin, "/users?role=admin").await, 1);
    for person in PEOPLE {
        login(&desk, person.email, "password").await.expect(401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_seed_plans_what_the_rules_refuse_and_the_log_runs_forward() {
    let desk = Desk::start().await;
    let mut told = Vec::new();
    for seed in 0..8 {
        let wanted = Wanted { tickets: 60, seed, until: desk.now(), sign_in: SignIn::Nobody, beside: true };
        let before = desk.app.store.durable_seq().borrow().to_owned();
        let commits = || desk.app.store.meters().commit_seconds.get_sample_count();
        let commits_before = commits();
        let made = ops::fill(&desk.app, &Actor::cli(), &wanted, |_| {}).await.unwrap();
        assert_eq!((made.tickets, made.people.len()), (60, PEOPLE.len()));
        assert_eq!(made.known, if seed == 0 { 0 } else { PEOPLE.len() });
        let log = log_after(&desk, before).await;
        // A commit costs a sync, and only the people are made one by one; the desk has a few commits of its own meanwhile.
        let people = if seed == 0 { PEOPLE.len() as u64 } else { 0 };
        let commits = commits() - commits_before;
        assert!(commits <= people + log.len() as u64 / 20, "{commits} commits for {} entries", log.len());
        assert!(log.iter().is_sorted_by_key(|entry| entry.at) && log.iter().all(|entry| entry.at <= desk.now()));
        let created: Vec<_> = log.iter().filter(|entry| entry.action.name() == "ticket.created").map(|entry| entry.ticket_id).collect();
        assert!(created.len() == 60 && created.is_sorted(), "ids follow time");
        told.push(made.comments);
        // Without leave a desk that has tickets is let be.
        let refused = ops::fill(&desk.app, &Actor::cli(), &Wanted { beside: false, ..wanted }, |_| {}).await;
        assert_eq!(refused.unwrap_err().status(), 409);
    }
    told.dedup();
    assert!(told.len() > 1, "seeds differ");
    assert_eq!(total(&desk.admin().await, "/tickets?limit=1").await + total(&desk.admin().await, "/tickets?deleted=true").await, 480);
}

const SEEDED: &[&str] = &["--json", "demo", "--tickets", "40", "--seed", "9", "--until", "2026-11-25T11:30:00Z", "--password-stdin"];

/// What the server answers to somebody of the demo.
fn read(server: &Server, email: &str, password: &str, paths: &[&str]) -> Vec<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let http = taquilla::outgoing::client("http:").no_proxy().build().unwrap();
        let form = [("username", email), ("password", password)];
        let pair = http.post(format!("{}/api/v1/auth/login", server.url)).form(&form).send().await.unwrap();
        assert_eq!(pair.status(), 200, "{email} signs in");
        let pair: Value = pair.json().await.unwrap();
        let mut answers = Vec::new();
        for path in paths {
            let answer = http.get(format!("{}/api/v1{path}", server.url)).bearer_auth(pair["access_token"].as_str().unwrap());
            answers.push(answer.send().await.unwrap().json().await.unwrap());
        }
        answers
    })
}

#[test]
fn the_same_seed_gives_the_same_desk() {
    let told: Vec<_> = (0..2)
        .map(|_| {
            let place = Place::new();
            let made = place.run_with(&[], SEEDED, "a shared pass phrase\n").expect(0).json();
            assert_eq!(
                (made["tickets"].as_u64(), made["password"].as_str(), made["people"].as_array().unwrap().len()),
                (Some(40), None, 12)
            );
            let report = place.run(&["--json", "fsck"]).expect(0).json();
            assert_eq!((report["tickets"].as_u64(), &report["problems"]), (Some(40), &json!([])));
            let server = place.serve(&[], &[]);
            let paths = ["/tickets?limit=200", "/tickets/7/comments", "/activity?limit=40", "/users"];
            (made, read(&server, "irene.vidal@demo.example", "a shared pass phrase", &paths))
        })
        .collect();
    assert_eq!(told[0], told[1]);
    let (made, answers) = &told[0];
    let listed = answers[0].as_array().unwrap().len() as u64;
    assert_eq!(made["withdrawn"].as_u64(), Some(40 - listed), "lists do not show what was withdrawn");
}

#[test]
fn a_demo_says_who_can_sign_in_and_keeps_off_a_desk_in_use() {
    let place = Place::new();
    for arguments in [
        &["demo", "--tickets", "0"][..],
        &["demo", "--tickets", "many"],
        &["demo", "--seed", "-1"],
        &["demo", "--until", "tomorrow"],
        &["demo", "--until", "2999-01-01T00:00:00Z"],
        &["demo", "--password", "x"],
    ] {
        place.run(arguments).expect(2);
    }
    place.run_with(&[], &["demo", "--password-stdin"], "Eva Okafor").expect(2).says("full name");
    place.run(&["demo", "--storage-url", "nothing:"]).expect(3).says("--storage-url");

    let elsewhere = ["demo", "--tickets", "30", "--storage-url", "sled:./elsewhere"];
    let ran = place.run(&elsewhere).expect(0).says("30 tickets").says("deactivate them");
    assert!(!ran.err.contains('\r') && !ran.err.contains('█'), "no bar off a terminal: {ran:?}");
    assert!(ran.out.contains("eva.okafor@demo.example      Eva Okafor      agent"), "{ran:?}");
    let password = ran.out.lines().last().unwrap().rsplit(' ').next().unwrap();
    assert!(password.len() >= 20, "{password}");
    place.run(&elsewhere).expect(1).says("has tickets already").says("--force");
    let more = place.run(&[&["--json"][..], &elsewhere, &["--force"]].concat()).expect(0).json();
    assert_eq!((more["password"].as_str(), more["tickets"].as_u64()), (None, Some(30)), "the people keep their passwords");

    let mut server = place.serve(&[], &["--storage-url", "sled:./elsewhere"]);
    let me = read(&server, "eva.okafor@demo.example", password, &["/auth/me", "/tickets?limit=1"]);
    assert_eq!((me[0]["role"].as_str(), me[1].as_array().unwrap().len()), (Some("agent"), 1));
    place.run(&elsewhere).expect(4).says("stop it first");
    server.stop();
    let quiet = place.run(&["-q", "demo", "--tickets", "5"]).expect(0);
    assert_eq!(quiet.err, "");
}
