//! A ticket as its activity tells it, held against what was acknowledged and against its row.

use serde_json::{Value, json};
use taquilla::activity::model::text_value;

use crate::{
    ledger::{Book, digest},
    plan::{Fields, word_of},
};

/// What a comment that moves its ticket may change in it.
const MOVED_BY_COMMENTS: [&str; 6] = ["status", "first_response_at", "sla.first_response", "resolved_at", "closed_at", "reopen_count"];

/// Fields that the activity tells and rows show.
const SHOWN: [&str; 13] = [
    "title",
    "description",
    "status",
    "priority",
    "tags",
    "assigned_agent_id",
    "first_response_at",
    "first_response_due_at",
    "resolved_at",
    "resolution_due_at",
    "first_resolved_at",
    "closed_at",
    "reopen_count",
];

/// A ticket after the entries applied so far.
#[derive(Debug, Default)]
pub struct Replay {
    pub version: i64,
    pub fields: Fields,
    /// Comments and notes that are not deleted.
    pub comments: i64,
    after_comment: bool,
    /// A digest of all entries, in order.
    pub digest: u64,
}

/// What of a row is compared.
#[derive(Debug)]
pub struct Row {
    pub id: i64,
    pub version: i64,
    pub comments: i64,
    pub creator: i64,
    pub fields: Fields,
}

impl Row {
    /// Reads a ticket as the API shows it.
    pub fn read(row: &Value) -> Self {
        let mut fields: Fields = SHOWN.iter().map(|name| ((*name).to_owned(), row[*name].clone())).collect();
        fields["description"] = text_value(row["description"].as_str().unwrap_or_default());
        let number = |name: &str| row[name].as_i64().unwrap_or_default();
        Self { id: number("id"), version: number("version"), comments: number("comment_count"), creator: number("creator_id"), fields }
    }
}

impl Replay {
    /// Applies an entry of this ticket's activity; notes what it tells that nobody asked for, and what it should tell.
    pub fn apply(&mut self, ticket: i64, entry: &Value, book: &Book, wrong: &mut Vec<String>) {
        self.digest = self.digest.rotate_left(5) ^ digest(entry);
        let after_comment = std::mem::replace(&mut self.after_comment, false);
        match entry["action"].as_str().unwrap_or_default() {
            "comment.created" => {
                self.comments += 1;
                self.after_comment = true;
            }
            action if action.starts_with("ticket.") => {
                self.version += 1;
                let changes = entry["changes"].as_object().cloned().unwrap_or_default();
                let first = self.version == 1;
                if first != (action == "ticket.created") {
                    wrong.push(format!("ticket {ticket}: {action} makes version {}", self.version));
                }
                for (field, change) in &changes {
                    let before = self.fields.insert(field.clone(), change[1].clone()).unwrap_or_default();
                    if before != change[0] {
                        wrong
                            .push(format!("ticket {ticket}, version {}: {field} was {before}, the entry says {}", self.version, change[0]));
                    }
                }
                self.judge(ticket, &changes, after_comment, book, wrong);
            }
            action => wrong.push(format!("ticket {ticket}: nobody asked for {action}")),
        }
    }

    /// Whether this version has what was acknowledged with it, and comes from something that somebody asked for.
    fn judge(&self, ticket: i64, changes: &Fields, after_comment: bool, book: &Book, wrong: &mut Vec<String>) {
        let has = |asked: &Fields| asked.iter().all(|(field, value)| self.fields.get(field).unwrap_or(&Value::Null) == value);
        let acknowledged = book.changes.get(&ticket).and_then(|versions| versions.get(&self.version));
        for asked in acknowledged.into_iter().flatten().filter(|asked| !has(asked)) {
            wrong.push(format!(
                "ticket {ticket}, version {}: acknowledged {}, recorded {}",
                self.version,
                json!(asked),
                json!(self.fields)
            ));
        }
        let asked_for = if self.version == 1 {
            let word = word_of(self.fields.get("title").and_then(Value::as_str).unwrap_or_default());
            book.opened.contains_key(&ticket) || book.maybe_opened.contains(word)
        } else {
            acknowledged.is_some_and(|all| all.iter().any(|asked| asked.keys().any(|field| changes.contains_key(field))))
                || book.maybe_changes.get(&ticket).is_some_and(|all| all.iter().any(has))
                || (after_comment && changes.keys().all(|field| MOVED_BY_COMMENTS.contains(&field.as_str())))
                || (book.group.ids.contains(&ticket) && changes.keys().all(|field| field == "tags"))
        };
        if !asked_for {
            wrong.push(format!("ticket {ticket}, version {}: nobody asked for {}", self.version, json!(changes)));
        }
    }

    /// Whether the activity goes as far as was acknowledged, and the row is what it tells.
    pub fn compare(&self, row: &Row, book: &Book, wrong: &mut Vec<String>) {
        let ticket = row.id;
        let acknowledged = book.changes.get(&ticket).and_then(|versions| versions.last_key_value()).map_or(0, |(version, _)| *version);
        if acknowledged > self.version {
            wrong.push(format!("ticket {ticket}: version {acknowledged} was acknowledged, {} is the last in its activity", self.version));
        }
        if (row.version, row.comments) != (self.version, self.comments) {
            let (version, comments) = (self.version, self.comments);
            wrong.push(format!(
                "ticket {ticket}: the row has version {} and {} comments, its activity {version} and {comments}",
                row.version, row.comments
            ));
        }
        for (field, shown) in &row.fields {
            let told = self.fields.get(field).unwrap_or(&Value::Null);
            if shown != told {
                wrong.push(format!("ticket {ticket}: {field} is {shown} in the row and {told} in the activity"));
            }
        }
    }
}
