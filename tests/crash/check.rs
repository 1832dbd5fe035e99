//! Holds a restarted desk against the ledger.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    api::{Api, Person},
    desk::Desk,
    ledger::{Ledger, digest},
    load,
    plan::{Kind, word_of},
    replay::{Replay, Row},
    rng::Rng,
};

/// How many tickets are looked at one by one after each crash.
const SAMPLE: usize = 60;

/// How many searches are made at the end.
const SEARCHES: usize = 150;

/// How many requests of a check run at once.
const AT_ONCE: usize = 16;

/// What a check needs.
pub struct Check<'a> {
    desk: &'a Desk,
    people: &'a [Person],
    ledger: &'a Arc<Ledger>,
    admin: Api,
}

impl<'a> Check<'a> {
    /// A check of this desk.
    pub fn new(desk: &'a Desk, people: &'a [Person], ledger: &'a Arc<Ledger>) -> Self {
        Self { desk, people, ledger, admin: desk.api(&people[0].token) }
    }

    /// After a crash: requests whose answer was lost are sent again, answered ones are replayed, and some of the tickets
    /// that were being written are looked at.
    pub async fn after_a_crash(&self, rng: &mut Rng) {
        self.retry(rng).await;
        self.group().await;
        let (touched, group) = {
            let mut book = self.ledger.book();
            (std::mem::take(&mut book.touched), book.group.ids.clone())
        };
        let chosen = rng.sample(touched.into_iter().filter(|id| !group.contains(id)).collect(), SAMPLE);
        self.each(chosen, |api, ledger, ticket| async move { one_ticket(&api, &ledger, ticket).await }).await;
        self.report("after a crash");
        self.ledger.next_round();
    }

    /// Everything, at the end.
    pub async fn everything(&self, rng: &mut Rng) {
        self.look_at_everything(rng).await;
        self.report("at the end");
    }

    /// Looks at everything and notes what is wrong.
    pub async fn look_at_everything(&self, rng: &mut Rng) {
        self.retry(rng).await;
        self.read_everything(rng).await;
    }

    /// The part of it that only reads.
    pub async fn read_everything(&self, rng: &mut Rng) {
        self.group().await;
        let rows = self.rows().await;
        let replays = self.log().await;
        {
            let mut book = self.ledger.book();
            let mut wrong = Vec::new();
            for (id, row) in &rows {
                match replays.get(id) {
                    Some(replay) => replay.compare(row, &book, &mut wrong),
                    None => wrong.push(format!("ticket {id} has no activity")),
                }
            }
            wrong.extend(replays.keys().filter(|id| !rows.contains_key(id)).map(|id| format!("ticket {id} is in the log and in no list")));
            wrong.extend(
                book.opened.iter().filter(|(id, _)| !rows.contains_key(id)).map(|(id, word)| format!("ticket {id} ({word}) is gone")),
            );
            book.wrong.extend(wrong);
        }
        self.counts(&rows).await;
        let mut with_comments: HashSet<i64> = self.ledger.book().said.keys().copied().collect();
        with_comments.extend(rows.values().filter(|row| row.comments > 0).map(|row| row.id));
        self.each(with_comments.into_iter().collect(), |api, ledger, ticket| async move { comments(&api, &ledger, ticket).await }).await;
        self.own_activity(rng.sample(replays.into_iter().collect(), SAMPLE)).await;
        self.searches(&rows, rng).await;
    }

    /// Fails when something is wrong.
    pub fn report(&self, when: &str) {
        let wrong = std::mem::take(&mut self.ledger.book().wrong);
        let first = wrong.iter().take(20).map(|line| line.chars().take(600).collect::<String>()).collect::<Vec<_>>().join("\n");
        assert!(wrong.is_empty(), "{when}, {} things are wrong:\n{first}\nThe log ends with:\n{}", wrong.len(), self.desk.log_tail());
    }

    /// Does something for each of many tickets, several at once.
    async fn each<F, Fut>(&self, tickets: Vec<i64>, act: F)
    where
        F: Fn(Api, Arc<Ledger>, i64) -> Fut + Copy + Send + 'static,
        Fut: Future<Output = ()> + Send,
    {
        let mut tasks = JoinSet::new();
        for share in tickets.chunks(tickets.len().div_ceil(AT_ONCE).max(1)) {
            let (api, ledger, share) = (self.desk.api(self.admin.token()), self.ledger.clone(), share.to_vec());
            tasks.spawn(async move {
                for ticket in share {
                    act(api.clone(), ledger.clone(), ticket).await;
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
    }

    /// Sends unanswered requests with a key again, twice, and some answered ones: each must be done exactly once.
    async fn retry(&self, rng: &mut Rng) {
        let (unanswered, answered) = {
            let mut book = self.ledger.book();
            (std::mem::take(&mut book.to_retry), std::mem::take(&mut book.keyed))
        };
        let connection = &self.admin;
        for op in unanswered {
            let api = connection.with_token(&self.people[op.by].token);
            let answer = load::send(&api, &op).await.unwrap_or_else(|lost| panic!("{} again: {lost:?}", op.path));
            let (status, kind) = (answer.status, op.kind.clone());
            self.ledger.answered(self.people, op.clone(), answer);
            let Kind::Create { word, .. } = kind else { continue };
            let second = load::send(&api, &op).await.unwrap();
            let found = self.admin.get(&format!("/tickets?q={word}")).await.expect(200);
            let found = found.as_array().map_or(0, Vec::len);
            if (status, second.status, second.header("idempotent-replayed"), found) != (201, 201, "true", 1) {
                let line = format!("{word} sent again with its key: {status}, then {}, and {found} tickets", second.status);
                self.ledger.book().wrong.push(line);
            }
        }
        for (op, status, body) in rng.sample(answered, 10) {
            let again = load::send(&connection.with_token(&self.people[op.by].token), &op).await.unwrap();
            if (again.status, &again.body, again.header("idempotent-replayed")) != (status, &body, "true") {
                self.ledger.book().wrong.push(format!("{} sent again with its key: {} {}", op.path, again.status, again.body));
            }
        }
    }

    /// The tickets that are changed together have the same tag, and it is the last one acknowledged or the one under way.
    async fn group(&self) {
        let group = self.ledger.book().group.clone();
        let mut found = HashSet::new();
        for id in &group.ids {
            let tags = self.admin.get(&format!("/tickets/{id}")).await.expect(200)["tags"].clone();
            found.insert(tags.to_string());
        }
        let tag_of = |tag: &Option<String>| json!(tag.iter().collect::<Vec<_>>()).to_string();
        let mut book = self.ledger.book();
        let moved = group.maybe.is_some() && found.contains(&tag_of(&group.maybe));
        if moved {
            book.group.tag.clone_from(&group.maybe);
        }
        book.group.maybe = None;
        if !group.ids.is_empty() && (found.len() != 1 || !(moved || found.contains(&tag_of(&group.tag)))) {
            book.wrong.push(format!("the tickets changed together have {found:?}, not {:?} or {:?}", group.tag, group.maybe));
        }
    }

    /// Every ticket of the list.
    async fn rows(&self) -> BTreeMap<i64, Row> {
        let mut rows = BTreeMap::new();
        let mut last = 0;
        let total = self
            .admin
            .pages("/tickets?sort=id", |row| {
                self.ledger.saw(true, &row);
                let row = Row::read(&row);
                assert!(row.id > last, "ticket {} comes after {last} in the list", row.id);
                last = row.id;
                rows.insert(row.id, row);
            })
            .await;
        if total != Some(rows.len() as u64) {
            self.ledger.book().wrong.push(format!("the list tells {total:?} tickets and has {}", rows.len()));
        }
        rows
    }

    /// The whole log, replayed: contiguous, as its follower saw it, and each ticket's activity.
    async fn log(&self) -> HashMap<i64, Replay> {
        let admin = &self.admin;
        let mut replays: HashMap<i64, Replay> = HashMap::new();
        let mut words = HashSet::new();
        let mut last = 0_usize;
        loop {
            let page = admin.get(&format!("/activity?after={last}&limit=200")).await.expect(200);
            let entries = page.as_array().unwrap();
            let mut book = self.ledger.book();
            let mut wrong = Vec::new();
            for entry in entries {
                last += 1;
                if entry["seq"] != last {
                    wrong.push(format!("the log has {} in place {last}", entry["seq"]));
                }
                if book.followed.get(last - 1).is_some_and(|seen| *seen != digest(entry)) {
                    wrong.push(format!("entry {last} is not the one that the follower saw: {entry}"));
                }
                if entry["action"] == "ticket.created"
                    && let Some(title) = entry["changes"]["title"][1].as_str()
                    && !words.insert(word_of(title).to_owned())
                {
                    wrong.push(format!("there are two tickets {title}"));
                }
                if let Some(ticket) = entry["ticket_id"].as_i64() {
                    replays.entry(ticket).or_default().apply(ticket, entry, &book, &mut wrong);
                }
            }
            if entries.is_empty() && book.followed.len() > last {
                wrong.push(format!("the follower saw {} entries and the log has {last}", book.followed.len()));
            }
            book.wrong.extend(wrong);
            if entries.is_empty() {
                return replays;
            }
        }
    }

    /// Totals and filtered lists against the rows.
    async fn counts(&self, rows: &BTreeMap<i64, Row>) {
        let mut filters = Vec::new();
        for (field, values) in [
            ("status", &["open", "in_progress", "pending", "resolved", "closed"][..]),
            ("priority", &["low", "medium", "high", "critical"]),
            ("tag", &["hardware", "network", "printer", "vpn"]),
        ] {
            filters.extend(values.iter().map(|value| (field, json!(value))));
        }
        for person in self.people {
            filters.extend([("assigned_agent_id", json!(person.id)), ("creator_id", json!(person.id))]);
        }
        for (name, value) in filters {
            let fits = |row: &&Row| match name {
                "creator_id" => value == row.creator,
                "tag" => row.fields["tags"].as_array().is_some_and(|tags| tags.contains(&value)),
                name => row.fields[name] == value,
            };
            let expected: Vec<i64> = rows.values().filter(fits).map(|row| row.id).collect();
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let mut found = Vec::new();
            let total = self.admin.pages(&format!("/tickets?sort=id&{name}={text}"), |row| found.extend(row["id"].as_i64())).await;
            let told = if name == "tag" { expected.len().min(1_000) } else { expected.len() };
            if found != expected || total != Some(told as u64) {
                let line = format!("{name}={text}: the rows make {}, the list has {}, the total is {total:?}", expected.len(), found.len());
                self.ledger.book().wrong.push(line);
            }
        }
    }

    /// A ticket's own activity is its part of the log.
    async fn own_activity(&self, sample: Vec<(i64, Replay)>) {
        for (ticket, told) in sample {
            let own = replay(&self.admin, self.ledger, ticket).await;
            if own.digest != told.digest {
                self.ledger.book().wrong.push(format!("ticket {ticket}: its activity is not its part of the log"));
            }
        }
    }

    /// Unique words find their ticket and nothing else; words of replaced titles find nothing.
    async fn searches(&self, rows: &BTreeMap<i64, Row>, rng: &mut Rng) {
        let mut wanted: Vec<(String, Vec<i64>)> = Vec::new();
        {
            let book = self.ledger.book();
            let title = |row: &Row| word_of(row.fields["title"].as_str().unwrap_or_default()).to_owned();
            wanted.extend(rng.sample(rows.values().map(|row| (title(row), vec![row.id])).collect(), SEARCHES / 3));
            let replaced = book.opened.iter().filter(|(id, word)| rows.get(id).is_some_and(|row| title(row) != **word));
            wanted.extend(rng.sample(replaced.map(|(_, word)| (word.clone(), Vec::new())).collect(), SEARCHES / 3));
            let said = book.said.iter().flat_map(|(ticket, said)| said.values().map(move |said| (said.text.word.clone(), vec![*ticket])));
            wanted.extend(rng.sample(said.collect(), SEARCHES / 3));
        }
        for (word, expected) in wanted {
            let found = self.admin.get(&format!("/tickets?q={word}")).await.expect(200);
            let found: Vec<i64> = found.as_array().unwrap().iter().filter_map(|row| row["id"].as_i64()).collect();
            if found != expected {
                self.ledger.book().wrong.push(format!("a search for {word} finds {found:?}, not {expected:?}"));
            }
        }
    }
}

/// A ticket's own activity, replayed.
async fn replay(api: &Api, ledger: &Ledger, ticket: i64) -> Replay {
    let mut replay = Replay::default();
    let mut after = 0;
    loop {
        let page = api.get(&format!("/tickets/{ticket}/activity?after={after}&limit=200")).await.expect(200);
        let entries = page.as_array().unwrap();
        let Some(last) = entries.last() else { return replay };
        after = last["seq"].as_i64().unwrap();
        let mut book = ledger.book();
        let mut wrong = Vec::new();
        for entry in entries {
            replay.apply(ticket, entry, &book, &mut wrong);
        }
        book.wrong.extend(wrong);
    }
}

/// One ticket's row, activity and comments.
async fn one_ticket(api: &Api, ledger: &Ledger, ticket: i64) {
    let answer = api.get(&format!("/tickets/{ticket}")).await;
    if answer.status != 200 {
        return ledger.book().wrong.push(format!("ticket {ticket} was acknowledged and answers {}", answer.status));
    }
    let row = Row::read(&answer.body);
    let told = replay(api, ledger, ticket).await;
    let mut wrong = Vec::new();
    told.compare(&row, &ledger.book(), &mut wrong);
    ledger.book().wrong.extend(wrong);
    comments(api, ledger, ticket).await;
}

/// A ticket's comments: every one acknowledged, and none that nobody wrote.
async fn comments(api: &Api, ledger: &Ledger, ticket: i64) {
    let mut rows = Vec::new();
    api.pages(&format!("/tickets/{ticket}/comments"), |row| rows.push(row)).await;
    let mut book = ledger.book();
    let mut wrong = Vec::new();
    let mut words = HashSet::new();
    let said = book.said.get(&ticket);
    for row in &rows {
        let (id, content) = (row["id"].as_i64().unwrap_or_default(), row["content"].as_str().unwrap_or_default());
        let word = word_of(content);
        match said.and_then(|said| said.get(&id)).or_else(|| book.maybe_said.get(word)) {
            Some(one) if content == one.text.written() && row["author_id"] == one.author && row["is_internal"] == one.internal => {}
            Some(one) => wrong.push(format!("comment {id} of ticket {ticket} is {row}, acknowledged was {one:?}")),
            None => wrong.push(format!("comment {id} of ticket {ticket}: nobody wrote {word}")),
        }
        if !words.insert(word) {
            wrong.push(format!("ticket {ticket} has two comments {word}"));
        }
    }
    let listed: HashSet<i64> = rows.iter().filter_map(|row: &Value| row["id"].as_i64()).collect();
    let gone = said.into_iter().flatten().filter(|(id, _)| !listed.contains(id));
    wrong.extend(gone.map(|(id, said)| format!("comment {id} ({}) of ticket {ticket} is gone", said.text.word)));
    book.wrong.extend(wrong);
    for row in &rows {
        book.saw(false, row);
    }
}
