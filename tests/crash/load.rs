//! The mixed load: workers that write and note every answer, a follower of the log, and readers that note the ids they see.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    api::{Api, Lost, Person},
    desk::Desk,
    ledger::Ledger,
    plan,
    rng::Rng,
};

/// How often readers read: a pace, so that the load is mostly writes.
const READERS_PACE: Duration = Duration::from_millis(30);

/// How many tickets are changed together.
const GROUP: usize = 8;

/// A load that is running.
pub struct Running {
    tasks: JoinSet<()>,
    stop: Arc<AtomicBool>,
}

impl Running {
    /// Starts `connections` workers and some readers.
    pub fn start(desk: &Desk, people: &Arc<Vec<Person>>, ledger: &Arc<Ledger>, connections: usize, rng: &mut Rng) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for worker in 0..connections {
            let by = worker % people.len();
            let api = desk.api(&people[by].token);
            tasks.spawn(work(api, people.clone(), by, ledger.clone(), stop.clone(), rng.fork()));
        }
        let admin = desk.api(&people[0].token);
        tasks.spawn(change_together(admin.clone(), ledger.clone(), stop.clone()));
        tasks.spawn(follow(admin.clone(), ledger.clone(), stop.clone()));
        tasks.spawn(watch(admin.clone(), ledger.clone(), stop.clone(), rng.fork()));
        Self { tasks, stop }
    }

    /// Waits until every task has ended, as they do when nobody answers any more.
    pub async fn ended(mut self) {
        while let Some(task) = self.tasks.join_next().await {
            task.unwrap();
        }
    }

    /// Lets every task finish its request, then ends.
    pub async fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.ended().await;
    }
}

async fn work(api: Api, people: Arc<Vec<Person>>, by: usize, ledger: Arc<Ledger>, stop: Arc<AtomicBool>, mut rng: Rng) {
    while !stop.load(Ordering::Relaxed) {
        let op = plan::next(&ledger, &people, by, &mut rng);
        match send(&api, &op).await {
            Ok(answer) => ledger.answered(&people, op, answer),
            Err(Lost::NotSent) => return,
            Err(Lost::Unanswered) => return ledger.unanswered(&people, op),
        }
    }
}

/// Makes a planned request.
pub async fn send(api: &Api, op: &plan::Op) -> Result<crate::api::Answer, Lost> {
    let key = op.key.as_deref().map(|key| ("idempotency-key", key));
    api.send(op.method.clone(), &op.path, Some(&op.body), key.as_slice()).await
}

/// Opens the tickets that are only changed together.
pub async fn make_group(admin: &Api, ledger: &Ledger) {
    for _ in 0..GROUP {
        let word = ledger.word();
        let new = json!({ "title": word, "description": "one of those that are changed together", "tags": [] });
        let id = admin.post("/tickets", new).await.expect(201)["id"].as_i64().unwrap();
        let mut book = ledger.book();
        book.group.ids.push(id);
        book.opened.insert(id, word);
    }
}

/// One bulk change after another: all tickets of the group get a new tag instead of the old one.
async fn change_together(admin: Api, ledger: Arc<Ledger>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let (next, group) = (ledger.word(), ledger.book().group.clone());
        let mut change = json!({ "add_tags": [next] });
        if let Some(old) = &group.tag {
            change["remove_tags"] = json!([old]);
        }
        match admin.send(Method::POST, "/tickets/bulk", Some(&json!({ "ids": group.ids, "change": change })), &[]).await {
            Ok(answer) if answer.status == 200 => {
                let mut book = ledger.book();
                let all = answer.body["results"].as_array().is_some_and(|r| r.len() == GROUP && r.iter().all(|one| one["status"] == 200));
                if !all {
                    book.wrong.push(format!("the bulk change was answered with {}", answer.body));
                }
                book.acknowledged += 1;
                book.group.tag = Some(next);
            }
            Ok(_) if ledger.book().dark => return ledger.book().group.maybe = Some(next),
            Ok(answer) if answer.status == 503 => {}
            Ok(answer) => return ledger.book().wrong.push(format!("{} to the bulk change: {}", answer.status, answer.body)),
            Err(Lost::NotSent) => return,
            Err(Lost::Unanswered) => return ledger.book().group.maybe = Some(next),
        }
    }
}

/// Follows the log: what it saw must stay.
async fn follow(admin: Api, ledger: Arc<Ledger>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let after = ledger.book().followed.len();
        let Ok(answer) = admin.send(Method::GET, &format!("/activity?after={after}&limit=200"), None, &[]).await else { return };
        match answer.body {
            _ if answer.status == 503 && ledger.book().away => {}
            Value::Array(entries) if answer.status == 200 => entries.iter().for_each(|entry| ledger.follow(entry)),
            // A disk that is gone may also be gone for reads.
            _ if ledger.book().dark => return,
            body => return ledger.book().wrong.push(format!("{} to the log's follower: {body}", answer.status)),
        }
        tokio::time::sleep(READERS_PACE).await;
    }
}

/// Looks at the newest tickets and at comments, which may not have reached the disk yet.
async fn watch(admin: Api, ledger: Arc<Ledger>, stop: Arc<AtomicBool>, mut rng: Rng) {
    while !stop.load(Ordering::Relaxed) {
        let mut paths = vec![(true, "/tickets?sort=-id&limit=10".to_owned())];
        if let Some(ticket) = ledger.a_ticket(&mut rng, None) {
            paths.push((false, format!("/tickets/{ticket}/comments?limit=20")));
        }
        for (is_ticket, path) in paths {
            let Ok(answer) = admin.send(Method::GET, &path, None, &[]).await else { return };
            match answer.body {
                _ if answer.status == 503 && ledger.book().away => {}
                Value::Array(rows) if answer.status == 200 => rows.iter().for_each(|row| ledger.saw(is_ticket, row)),
                _ if ledger.book().dark => return,
                body => return ledger.book().wrong.push(format!("{} to {path}: {body}", answer.status)),
            }
        }
        tokio::time::sleep(READERS_PACE).await;
    }
}
