//! What somebody may not see shows nowhere: not in a list, a search, a count, an activity, a live event, a figure or an
//! error. Random words are put where they must stay, and every answer that everybody can get is looked through for them.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use taquilla::auth::token::random;

use crate::{
    openapi,
    people::end_of_log,
    support::{Client, Desk, Response},
};

/// A word that stands nowhere else.
fn marker() -> String {
    let letters = random::<16>().map(|byte| char::from(b'a' + byte % 26));
    letters.iter().collect()
}

/// The words that are hidden in a ticket.
struct Hidden {
    ticket: i64,
    /// Of title, description, tag, name of the requester, and the public comments.
    public: Vec<String>,
    /// Of the internal note.
    note: String,
}

/// A ticket of `owner` with a word in each of its texts. `name` is the word in the owner's name.
async fn hide(owner: &Client, agent: &Client, name: &str) -> Hidden {
    let [title, description, tag, comment, answer, note] = std::array::from_fn(|_| marker());
    let ticket = owner.open(json!({ "title": title, "description": format!("It says {description}.") })).await;
    agent.change(ticket, json!({ "tags": [tag] })).await;
    owner.comment(ticket, &format!("**{comment}**")).await;
    agent.comment(ticket, &answer).await;
    agent.note(ticket, &note).await;
    Hidden { ticket, public: vec![title, description, tag, comment, answer, name.to_owned()], note }
}

/// Every reader's way in, and the words that must not show there.
struct Reader {
    who: &'static str,
    client: Client,
    secrets: Vec<String>,
}

impl Reader {
    /// Looks an answer through: its body and its headers.
    #[track_caller]
    fn look(&self, what: &str, answer: &Response) {
        let text = format!("{} {:?}", answer.body, answer.headers).to_lowercase();
        self.look_at(what, &text);
        assert!(answer.status < 500, "{what} as {}: {:#}", self.who, answer.body);
    }

    #[track_caller]
    fn look_at(&self, what: &str, text: &str) {
        for secret in &self.secrets {
            assert!(!text.contains(secret.as_str()), "{what} as {} shows {secret}: {text}", self.who);
        }
    }

    /// A search for a word that is hidden finds as much as one for a word that is nowhere.
    async fn search(&self, filter: &str) {
        let nothing = self.client.get(&format!("/tickets?{filter}{}", marker())).await;
        for secret in &self.secrets {
            for word in [secret.as_str(), &secret[..10], &secret.to_uppercase()] {
                let found = self.client.get(&format!("/tickets?{filter}{word}")).await;
                let told = |answer: &Response| (answer.status, answer.body.clone(), answer.header("x-total-count").to_owned());
                // The e-mail addresses and titles differ, what was found must not: nothing.
                let same = found.status == nothing.status && (found.status != 200 || told(&found) == told(&nothing));
                assert!(same, "{filter}{word} as {}: {:?}", self.who, told(&found));
            }
        }
    }
}

/// The path with one of the ids that could be of interest in each place.
fn filled(path: &str, ids: &BTreeSet<i64>) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else { return vec![path.to_owned()] };
    let after = rest.split_once('}').unwrap().1;
    ids.iter().flat_map(|id| filled(&format!("{before}{id}{after}"), ids)).collect()
}

/// The queries that a list of tickets can be asked with, beside words.
fn queries(hidden: &Hidden, owner: i64, agent: i64) -> Vec<String> {
    let mut queries = vec![
        String::new(),
        "?limit=200&sort=id".into(),
        "?render=html".into(),
        "?overdue=true".into(),
        "?deleted=true".into(),
        "?assigned_agent_id=none".into(),
        "?creator_id=me".into(),
        format!("?creator_id={owner}"),
        format!("?creator_id={owner}&limit=1&sort=-updated_at"),
        format!("?assigned_agent_id={agent}"),
        format!("?tag={}", hidden.public[2]),
    ];
    queries.extend(["open", "in_progress", "pending", "resolved", "closed"].map(|status| format!("?status={status}")));
    queries.extend(["low", "medium", "high", "critical"].map(|priority| format!("?priority={priority}&sort=-priority")));
    queries
}

#[tokio::test]
async fn what_somebody_may_not_see_shows_nowhere() {
    let desk = Desk::start().await;
    let (admin, ana, eva, tom) = (desk.admin().await, desk.agent("ana").await, desk.user("eva").await, desk.user("tom").await);
    let name = marker();
    eva.patch("/auth/me", json!({ "full_name": format!("Eva {name}") })).await.expect(200);
    let (live, gone) = (hide(&eva, &ana, &name).await, hide(&eva, &ana, &name).await);
    admin.delete(&format!("/tickets/{}", gone.ticket)).await.expect(204);
    let token = marker();
    eva.post("/auth/tokens", json!({ "name": token })).await.expect(201);
    tom.open(json!({})).await;

    let of_gone: Vec<String> = gone.public[..5].iter().chain([&gone.note]).cloned().collect();
    let of_both: Vec<String> = live.public.iter().chain([&live.note, &token]).chain(&of_gone).cloned().collect();
    let readers = [
        Reader { who: "nobody", client: desk.anonymous(), secrets: of_both.clone() },
        Reader { who: "another requester", client: tom.clone(), secrets: of_both },
        Reader { who: "the requester", client: eva.clone(), secrets: of_gone.iter().chain([&live.note]).cloned().collect() },
        Reader { who: "an agent", client: ana.clone(), secrets: of_gone.into_iter().chain([token]).collect() },
    ];
    // Ids of everything: tickets, comments, accounts, sessions and tokens are all small numbers here.
    let ids: BTreeSet<i64> = (1..=8).collect();
    for reader in &readers {
        for operation in openapi::operations().into_iter().filter(|o| o.method == Method::GET && o.path != "/api/v1/events") {
            for path in filled(&operation.path, &ids) {
                reader.look(&path, &reader.client.get(&format!("/{path}")).await);
            }
        }
        for query in queries(&gone, eva.id, ana.id) {
            reader.look(&query, &reader.client.get(&format!("/tickets{query}")).await);
        }
        for filter in ["q=", "tag=", &format!("creator_id={}&q=", eva.id)] {
            reader.search(filter).await;
        }
        for path in ["/users?q=eva", &format!("/users?q={name}")] {
            // An agent may look people up.
            reader.look(path, &reader.client.get(path).await);
        }
        refusals(reader, &live, &gone).await;
    }
    streams(&desk, &readers, &live).await;
    counts(&readers, &live).await;
}

/// Errors tell nothing either.
async fn refusals(reader: &Reader, live: &Hidden, gone: &Hidden) {
    let mut tickets = vec![gone.ticket];
    if !matches!(reader.who, "an agent" | "the requester") {
        tickets.push(live.ticket);
    }
    for ticket in tickets {
        let calls = [
            (Method::PUT, format!("/tickets/{ticket}"), json!({ "title": "x" })),
            (Method::PATCH, format!("/tickets/{ticket}/assign"), json!({ "assigned_agent_id": 1 })),
            (Method::POST, format!("/tickets/{ticket}/comments"), json!({ "content": "x" })),
            (Method::POST, format!("/tickets/{ticket}/restore"), Value::Null),
            (Method::POST, "/tickets/bulk".to_owned(), json!({ "ids": [ticket], "change": { "priority": "low" } })),
            (Method::DELETE, format!("/tickets/{ticket}"), Value::Null),
        ];
        for (method, path, body) in calls {
            let mut request = reader.client.request(method.clone(), &path);
            if !body.is_null() {
                request = request.json(&body);
            }
            let answer = reader.client.send(request).await;
            assert!(answer.status >= 400 || path.ends_with("/bulk"), "{method} {path} as {}", reader.who);
            reader.look(&format!("{method} {path}"), &answer);
        }
    }
}

/// A stream from the very beginning shows neither the words nor the tickets of others.
async fn streams(desk: &Desk, readers: &[Reader], live: &Hidden) {
    for reader in readers.iter().filter(|reader| reader.who != "nobody") {
        let mut stream = reader.client.listen(0).await;
        let own = reader.client.open(json!({})).await;
        let end = end_of_log(desk).await;
        loop {
            let event = stream.next().await;
            reader.look_at("the live stream", &event.data.to_string());
            assert_eq!(event.data.get("changes"), None);
            let foreign = reader.who == "another requester" && event.data["ticket_id"] == live.ticket;
            assert!(!foreign, "{event:?}");
            if event.data["ticket_id"] == own {
                break;
            }
            assert!(event.id <= end);
        }
    }
}

/// Counts are of what the reader may see.
async fn counts(readers: &[Reader], live: &Hidden) {
    for reader in readers.iter().filter(|reader| reader.who != "nobody") {
        let list = reader.client.get("/tickets?limit=200").await;
        let counted = list.header("x-total-count").to_owned();
        assert_eq!(counted, list.expect(200).as_array().unwrap().len().to_string(), "{}", reader.who);
        if reader.who == "the requester" {
            let ticket = reader.client.ticket(live.ticket).await;
            assert_eq!(ticket["comment_count"], 2, "the note is not counted");
            let log = reader.client.get(&format!("/tickets/{}/activity", live.ticket)).await;
            let counted = log.header("x-total-count").to_owned();
            assert_eq!(counted, log.expect(200).as_array().unwrap().len().to_string());
        }
    }
}
