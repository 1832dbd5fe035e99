//! P9: concurrent edits never vanish.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    ONE_AT_A_TIME,
    api::{Answer, Api, people},
    desk::{Desk, Work},
    tell,
};

/// Writers, each with a connection of its own.
const WRITERS: usize = 64;

/// How often they all write at once.
const ROUNDS: usize = 5;

/// A desk with one ticket, its admin, and the ticket's path.
async fn one_ticket(work: &Work) -> (Desk, Api, String) {
    let desk = Desk::start(&work.path("data"), &work.path("desk.log")).await;
    let admin = desk.api(&people(&desk).await[0].token);
    let new = json!({ "title": "Nobody yet", "description": "Everybody writes here." });
    let id = admin.post("/tickets", new).await.expect(201)["id"].clone();
    (desk, admin, format!("/tickets/{id}"))
}

/// Every writer writes once, at the same time; the answers by writer.
async fn all_at_once<Fut>(desk: &Desk, admin: &Api, write: impl Fn(Api, usize) -> Fut) -> Vec<(usize, Answer)>
where
    Fut: Future<Output = Answer> + Send + 'static,
{
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let answer = write(desk.api("").with_token(admin.token()), writer);
        writers.spawn(async move { (writer, answer.await) });
    }
    let mut answers = writers.join_all().await;
    answers.sort_by_key(|(writer, _)| *writer);
    answers
}

/// The titles that the ticket has had, as its activity tells them, and whether each took the place of the one before.
async fn titles(admin: &Api, path: &str) -> Vec<String> {
    let mut titles: Vec<Value> = Vec::new();
    let mut after = 0;
    loop {
        let page = admin.get(&format!("{path}/activity?after={after}&limit=200")).await.expect(200);
        let entries = page.as_array().unwrap();
        let Some(last) = entries.last() else { break };
        after = last["seq"].as_i64().unwrap();
        for change in entries.iter().map(|entry| &entry["changes"]["title"]).filter(|change| !change.is_null()) {
            assert_eq!(change[0], titles.last().cloned().unwrap_or_default(), "a title took the place of another than the one before");
            titles.push(change[1].clone());
        }
    }
    titles.iter().map(|title| title.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_concurrent_edits_with_if_match_as_many_are_accepted_as_versions_are_gained() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let work = Work::new();
    let (desk, admin, path) = one_ticket(&work).await;
    let mut accepted = vec!["Nobody yet".to_owned()];
    for round in 0..ROUNDS {
        let before = admin.get(&path).await;
        let tag = before.header("etag").to_owned();
        let version = before.expect(200)["version"].as_i64().unwrap();
        let answers = all_at_once(&desk, &admin, |api, writer| {
            let (path, tag) = (path.clone(), tag.clone());
            async move {
                let change = json!({ "title": format!("Writer {writer} in round {round}") });
                api.send(Method::PATCH, &path, Some(&change), &[("if-match", &tag)]).await.unwrap()
            }
        })
        .await;
        let gained = admin.get(&path).await.expect(200)["version"].as_i64().unwrap() - version;
        let won: Vec<_> = answers.iter().filter(|(_, answer)| answer.status == 200).map(|(writer, _)| *writer).collect();
        let refused = answers.iter().filter(|(_, answer)| answer.status == 412).count();
        assert_eq!((won.len(), refused), (1, WRITERS - 1), "all had the same version: one wins");
        assert_eq!(gained, 1);
        accepted.extend(won.iter().map(|writer| format!("Writer {writer} in round {round}")));
    }
    assert_eq!(titles(&admin, &path).await, accepted, "what was refused left no trace, what was accepted left one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_edits_that_follow_the_tag_all_come_through() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let work = Work::new();
    let (desk, admin, path) = one_ticket(&work).await;
    let answers = all_at_once(&desk, &admin, |api, writer| {
        let path = path.clone();
        async move {
            loop {
                let tag = api.get(&path).await.header("etag").to_owned();
                let change = json!({ "title": format!("Writer {writer}") });
                let answer = api.send(Method::PATCH, &path, Some(&change), &[("if-match", &tag)]).await.unwrap();
                if answer.status != 412 {
                    return answer;
                }
            }
        }
    })
    .await;
    let versions: BTreeSet<i64> = answers.into_iter().map(|(_, answer)| answer.expect(200)["version"].as_i64().unwrap()).collect();
    assert_eq!(versions, (2..).take(WRITERS).collect(), "each was given a version of its own");
    assert_eq!(titles(&admin, &path).await.len(), WRITERS + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_edits_without_if_match_are_all_accepted_and_none_vanishes() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let work = Work::new();
    let (desk, admin, path) = one_ticket(&work).await;
    for round in 0..ROUNDS {
        let before = admin.get(&path).await.expect(200)["version"].as_i64().unwrap();
        let answers = all_at_once(&desk, &admin, |api, writer| {
            let path = path.clone();
            async move {
                let change = json!({ "title": format!("Writer {writer} in round {round}") });
                api.send(Method::PATCH, &path, Some(&change), &[]).await.unwrap()
            }
        })
        .await;
        let mut versions = BTreeSet::new();
        for (writer, answer) in answers {
            let body = answer.expect(200);
            assert_eq!(body["title"], format!("Writer {writer} in round {round}"), "the answer shows the writer's own change");
            versions.insert(body["version"].as_i64().unwrap() - before);
        }
        assert_eq!(versions, (1..).take(WRITERS).collect(), "each gained a version of its own");
    }
    let titles = titles(&admin, &path).await;
    assert_eq!(titles.len(), 1 + ROUNDS * WRITERS);
    assert_eq!(titles.iter().collect::<BTreeSet<_>>().len(), titles.len(), "every accepted title was there once");
    tell(&format!("concurrent edits: {WRITERS} writers, {ROUNDS} rounds, none vanished"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_comments_are_all_there_and_counted() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let work = Work::new();
    let (desk, admin, path) = one_ticket(&work).await;
    let before = admin.get(&path).await.expect(200)["version"].clone();
    for _ in 0..ROUNDS {
        let answers = all_at_once(&desk, &admin, |api, writer| {
            let path = format!("{path}/comments");
            async move { api.post(&path, json!({ "content": format!("Writer {writer}"), "is_internal": writer % 2 == 0 })).await }
        })
        .await;
        for (_, answer) in answers {
            answer.expect(201);
        }
    }
    let mut comments = 0;
    admin.pages(&format!("{path}/comments"), |_| comments += 1).await;
    let ticket = admin.get(&path).await.expect(200);
    assert_eq!((comments, &ticket["comment_count"]), (ROUNDS * WRITERS, &json!(ROUNDS * WRITERS)));
    assert_eq!(ticket["version"], before, "comments that change nothing of the ticket leave its version");
}
