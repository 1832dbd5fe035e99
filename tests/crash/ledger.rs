//! What the desk has promised: everything acknowledged, everything of which nobody knows whether it was done, and every
//! id and log entry that somebody saw.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Mutex,
};

use serde_json::Value;

use crate::{
    api::{Answer, Person},
    plan::{Fields, Kind, Op, Text},
    rng::Rng,
};

/// How many tickets a round of load works on at most.
const POOL: usize = 300;

/// The book.
#[derive(Default)]
pub struct Ledger(Mutex<Book>);

/// Its pages.
#[derive(Default, Clone)]
pub struct Book {
    words: u64,
    /// 2xx answers to writes.
    pub acknowledged: u64,
    /// How many answers had which status.
    pub statuses: BTreeMap<u16, u64>,
    /// The title's first word of each acknowledged ticket.
    pub opened: HashMap<i64, String>,
    /// The same of those that were not answered.
    pub maybe_opened: HashSet<String>,
    /// Ticket → version → what was acknowledged with it.
    pub changes: HashMap<i64, BTreeMap<i64, Vec<Fields>>>,
    /// Changes that were not answered.
    pub maybe_changes: HashMap<i64, Vec<Fields>>,
    /// Ticket → comment → what was acknowledged.
    pub said: HashMap<i64, BTreeMap<i64, Said>>,
    /// By their first words, comments that were not answered.
    pub maybe_said: HashMap<String, Said>,
    /// Requests with a key that were not answered, to be sent again.
    pub to_retry: Vec<Op>,
    /// Requests with a key that were answered since the last crash, with the answers' bodies.
    pub keyed: Vec<(Op, u16, Value)>,
    /// What a ticket (`true`) or comment (`false`) with this id is known by: when it was made.
    seen: HashMap<(bool, i64), String>,
    /// Digests of the log's entries as the follower saw them, from seq 1.
    pub followed: Vec<u64>,
    /// Tickets written to since the last crash.
    pub touched: HashSet<i64>,
    /// Tickets that the load works on, with their creators.
    pool: Vec<(i64, i64)>,
    /// Tickets that are only ever changed together.
    pub group: Group,
    /// Whether the power is being cut, which takes a moment here and none in life. Whatever is answered from then on, a
    /// refusal or not, leaves open what was done: in life nobody would hear it. In that moment Linux lets one `fdatasync`
    /// in fifty succeed whose data is lost, as a program that only appends and syncs has shown.
    pub dark: bool,
    /// Answers that came in the dark.
    pub in_the_dark: u64,
    /// Requests that were never answered.
    pub unheard: u64,
    /// Whether the storage is away for a while, so that reads may be refused, too.
    pub away: bool,
    /// What should not have been.
    pub wrong: Vec<String>,
}

/// A comment.
#[derive(Debug, Clone)]
pub struct Said {
    pub author: i64,
    pub text: Text,
    pub internal: bool,
}

/// Tickets that are only ever changed together, by one bulk change after another that gives them all the same tag.
#[derive(Debug, Clone, Default)]
pub struct Group {
    pub ids: Vec<i64>,
    /// The tag that they have for certain.
    pub tag: Option<String>,
    /// The tag that they may have instead.
    pub maybe: Option<String>,
}

impl Ledger {
    /// A copy, for a copy of the data.
    pub fn copied(&self) -> Self {
        Self(Mutex::new(self.book().clone()))
    }

    /// A look at the pages.
    pub fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A word that occurs nowhere else and begins no other word.
    pub fn word(&self) -> String {
        let mut book = self.book();
        book.words += 1;
        format!("q{:010x}", book.words)
    }

    /// A ticket to work on, of this creator if one is named; now and then one that everybody works on.
    pub fn a_ticket(&self, rng: &mut Rng, creator: Option<i64>) -> Option<i64> {
        let book = self.book();
        let crowd = if rng.chance(30) { 4 } else { book.pool.len() };
        let fit: Vec<i64> = book.pool.iter().take(crowd).filter(|(_, by)| creator.is_none_or(|c| c == *by)).map(|(id, _)| *id).collect();
        (!fit.is_empty()).then(|| *rng.pick(&fit))
    }

    /// A request was answered.
    pub fn answered(&self, people: &[Person], op: Op, answer: Answer) {
        let mut book = self.book();
        if book.dark {
            book.in_the_dark += 1;
            return book.unanswered(people, op);
        }
        *book.statuses.entry(answer.status).or_default() += 1;
        match answer.status {
            200 | 201 => book.acknowledge(people, op, answer),
            // By right, by the ticket's state, or by the storage: nothing was written.
            503 if answer.header("retry-after").is_empty() => {
                book.wrong.push(format!("503 without Retry-After to {} {}", op.method, op.path));
            }
            403 | 409 | 503 => {}
            status => book.wrong.push(format!("{status} to {} {}: {}", op.method, op.path, answer.body)),
        }
    }

    /// A request was sent and not answered.
    pub fn unanswered(&self, people: &[Person], op: Op) {
        let mut book = self.book();
        book.unheard += 1;
        book.unanswered(people, op);
    }

    /// The power is about to be cut.
    pub fn go_dark(&self) {
        self.book().dark = true;
    }

    /// Somebody saw a ticket (`true`) or a comment (`false`).
    pub fn saw(&self, is_ticket: bool, row: &Value) {
        let mut book = self.book();
        if !book.dark {
            book.saw(is_ticket, row);
        }
    }

    /// The follower saw an entry of the log.
    pub fn follow(&self, entry: &Value) {
        let mut book = self.book();
        if book.dark {
            return;
        }
        let expected = book.followed.len() as u64 + 1;
        if entry["seq"].as_u64() != Some(expected) {
            book.wrong.push(format!("the log's follower expected seq {expected} and got {}", entry["seq"]));
        }
        book.followed.push(digest(entry));
    }

    /// After a crash and its checks: the load turns to newer tickets.
    pub fn next_round(&self) {
        let mut book = self.book();
        let old = book.pool.len().saturating_sub(POOL / 3);
        book.pool.drain(..old);
        book.touched.clear();
        book.keyed.clear();
    }
}

impl Book {
    fn acknowledge(&mut self, people: &[Person], op: Op, answer: Answer) {
        self.acknowledged += 1;
        let body = answer.body;
        let replayed = answer.headers.contains_key("idempotent-replayed");
        if op.key.is_some() && !replayed {
            self.keyed.push((op.clone(), answer.status, body.clone()));
        }
        let id = body["id"].as_i64().unwrap_or_default();
        match op.kind {
            Kind::Create { word, creator, fields } => {
                self.saw(true, &body);
                self.maybe_opened.remove(&word);
                if body["version"] != 1 || body["title"] != fields["title"] || body["creator_id"] != creator {
                    self.wrong.push(format!("a new ticket was answered with {body}"));
                }
                if let Some(other) = self.opened.insert(id, word.clone()).filter(|other| *other != word) {
                    self.wrong.push(format!("ticket {id} was given to {other} and to {word}"));
                }
                self.changes.entry(id).or_default().entry(1).or_default().push(fields);
                if self.pool.len() < POOL {
                    self.pool.push((id, creator));
                }
                self.touched.insert(id);
            }
            Kind::Comment { ticket, text, internal } => {
                self.saw(false, &body);
                self.maybe_said.remove(&text.word);
                if body["content"] != text.written() || body["is_internal"] != internal || body["ticket_id"] != ticket {
                    self.wrong.push(format!("comment {} was answered with {body}", text.word));
                }
                let said = Said { author: people[op.by].id, text, internal };
                let word = said.text.word.clone();
                if let Some(other) = self.said.entry(ticket).or_default().insert(id, said).filter(|other| other.text.word != word) {
                    self.wrong.push(format!("comment {id} was given to {} and to {word}", other.text.word));
                }
                self.touched.insert(ticket);
            }
            Kind::Change { ticket, fields } => {
                let version = body["version"].as_i64().unwrap_or_default();
                self.changes.entry(ticket).or_default().entry(version).or_default().push(fields);
                self.touched.insert(ticket);
            }
        }
    }

    fn unanswered(&mut self, people: &[Person], op: Op) {
        match &op.kind {
            Kind::Create { word, .. } => _ = self.maybe_opened.insert(word.clone()),
            Kind::Comment { text, internal, ticket } => {
                let said = Said { author: people[op.by].id, text: text.clone(), internal: *internal };
                self.maybe_said.insert(text.word.clone(), said);
                self.touched.insert(*ticket);
            }
            Kind::Change { ticket, fields } => {
                self.maybe_changes.entry(*ticket).or_default().push(fields.clone());
                self.touched.insert(*ticket);
            }
        }
        if op.key.is_some() {
            self.to_retry.push(op);
        }
    }

    /// A change of one field was acknowledged with this version.
    pub fn note(&mut self, ticket: i64, version: i64, field: &str, value: &str) {
        let fields = Fields::from_iter([(field.to_owned(), Value::from(value))]);
        self.changes.entry(ticket).or_default().entry(version).or_default().push(fields);
    }

    /// An id stands for one row for ever, also for one that a crash took back after somebody saw it.
    pub fn saw(&mut self, is_ticket: bool, row: &Value) {
        let (id, made) = (row["id"].as_i64().unwrap_or_default(), row["created_at"].as_str().unwrap_or_default());
        let known = self.seen.entry((is_ticket, id)).or_insert_with(|| made.to_owned());
        if known != made {
            let what = if is_ticket { "ticket" } else { "comment" };
            self.wrong.push(format!("id {id} was issued twice: a {what} made at {known} and one made at {made}"));
        }
    }
}

/// A digest of an entry of the log.
pub fn digest(entry: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    entry.to_string().hash(&mut hasher);
    hasher.finish()
}
