//! What the load does next: requests whose effect can be told afterwards from their unique words.

use reqwest::Method;
use serde_json::{Map, Value, json};
use taquilla::activity::model::text_value;

use crate::{api::Person, ledger::Ledger, rng::Rng};

/// Fields of a ticket as the activity log tells them.
pub type Fields = Map<String, Value>;

/// A text that begins with a word which occurs nowhere else, and can be written again from it.
#[derive(Debug, Clone)]
pub struct Text {
    /// The word.
    pub word: String,
    /// Roughly how many characters.
    pub length: usize,
}

impl Text {
    fn new(ledger: &Ledger, rng: &mut Rng) -> Self {
        // Some are longer than the chunks in which texts are stored.
        let length = if rng.chance(2) { rng.between(4_000, 16_000) } else { rng.between(20, 300) };
        Self { word: ledger.word(), length: usize::try_from(length).unwrap() }
    }

    /// The text itself.
    pub fn written(&self) -> String {
        let filler = format!(" the printer of {} is out of paper again,", &self.word[self.word.len() - 4..]);
        self.word.clone() + &filler.repeat(self.length / filler.len())
    }
}

/// The word that a text begins with.
pub fn word_of(text: &str) -> &str {
    text.split([' ', ',']).next().unwrap_or_default()
}

/// One request.
#[derive(Debug, Clone)]
pub struct Op {
    /// Who makes it: a place in the list of people.
    pub by: usize,
    pub method: Method,
    pub path: String,
    pub body: Value,
    /// Its `Idempotency-Key`.
    pub key: Option<String>,
    /// What it does.
    pub kind: Kind,
}

/// What a request does.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Opens a ticket with these fields; the word begins its title.
    Create { word: String, creator: i64, fields: Fields },
    /// Comments on a ticket.
    Comment { ticket: i64, text: Text, internal: bool },
    /// Changes these fields of a ticket.
    Change { ticket: i64, fields: Fields },
}

/// The next request of somebody.
pub fn next(ledger: &Ledger, people: &[Person], by: usize, rng: &mut Rng) -> Op {
    let me = &people[by];
    let staff = me.role != "user";
    let Some(ticket) = ledger.a_ticket(rng, (!staff).then_some(me.id)) else { return create(ledger, people, by, rng) };
    match (staff, rng.below(100)) {
        (true, 0..15) | (false, 0..30) => create(ledger, people, by, rng),
        (true, 15..50) | (false, 30..85) => comment(ledger, ticket, by, staff && rng.chance(30), rng),
        (true, 50..62) => {
            let agent = if rng.chance(20) { Value::Null } else { json!(people[usize::try_from(rng.below(3)).unwrap()].id) };
            change(format!("/tickets/{ticket}/assign"), ticket, by, &[("assigned_agent_id", agent)])
        }
        (true, 62..80) => edit(ledger, ticket, by, rng),
        (true, _) => {
            let status = *rng.pick(&["open", "in_progress", "pending", "pending", "resolved", "resolved", "closed"]);
            // Agents resolve what is theirs, so they take it with the same request.
            let mut fields = vec![("status", json!(status))];
            // (A ticket that is taken while open becomes in progress, whatever else is asked.)
            if status != "open" && (me.role == "agent" || rng.chance(30)) {
                fields.push(("assigned_agent_id", json!(me.id)));
            }
            change(format!("/tickets/{ticket}"), ticket, by, &fields)
        }
        (false, _) => change(format!("/tickets/{ticket}"), ticket, by, &[("status", json!(*rng.pick(&["closed", "open"])))]),
    }
}

fn create(ledger: &Ledger, people: &[Person], by: usize, rng: &mut Rng) -> Op {
    let me = &people[by];
    let (title, description) = (Text { word: ledger.word(), length: 60 }, Text::new(ledger, rng));
    let priority = *rng.pick(&["low", "medium", "high", "critical"]);
    let creator = if me.role == "user" || rng.chance(30) { me.id } else { people[usize::try_from(rng.between(3, 4)).unwrap()].id };
    let (title_text, description_text) = (title.written(), description.written());
    let tags = tags(rng);
    let mut body = json!({ "title": title_text, "description": description_text, "priority": priority, "tags": tags });
    if creator != me.id {
        body["creator_id"] = json!(creator);
    }
    let fields =
        [("title", json!(title_text)), ("description", text_value(&description_text)), ("priority", json!(priority)), ("tags", tags)];
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let key = rng.chance(50).then(|| format!("key-{}", title.word));
    Op { by, method: Method::POST, path: "/tickets".into(), body, key, kind: Kind::Create { word: title.word, creator, fields } }
}

fn comment(ledger: &Ledger, ticket: i64, by: usize, internal: bool, rng: &mut Rng) -> Op {
    let text = Text::new(ledger, rng);
    let body = json!({ "content": text.written(), "is_internal": internal });
    let key = rng.chance(30).then(|| format!("key-{}", text.word));
    Op { by, method: Method::POST, path: format!("/tickets/{ticket}/comments"), body, key, kind: Kind::Comment { ticket, text, internal } }
}

fn edit(ledger: &Ledger, ticket: i64, by: usize, rng: &mut Rng) -> Op {
    let path = format!("/tickets/{ticket}");
    match rng.below(4) {
        0 => change(path, ticket, by, &[("priority", json!(*rng.pick(&["low", "medium", "high", "critical"]))), ("tags", tags(rng))]),
        1 => change(path, ticket, by, &[("description", json!(Text::new(ledger, rng).written()))]),
        _ => change(path, ticket, by, &[("title", json!(Text { word: ledger.word(), length: 60 }.written()))]),
    }
}

fn change(path: String, ticket: i64, by: usize, sent: &[(&str, Value)]) -> Op {
    let body: Fields = sent.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let mut fields = body.clone();
    if let Some(Value::String(description)) = body.get("description") {
        fields.insert("description".into(), text_value(description));
    }
    Op { by, method: Method::PATCH, path, body: Value::Object(body), key: None, kind: Kind::Change { ticket, fields } }
}

/// Up to three tags, in their stored order.
fn tags(rng: &mut Rng) -> Value {
    let names = ["hardware", "network", "printer", "vpn"];
    json!(names.into_iter().filter(|_| rng.chance(40)).collect::<Vec<_>>())
}
