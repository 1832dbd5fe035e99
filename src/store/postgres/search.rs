//! The search terms of texts: the same terms as everywhere, as `tsvector`s that are made of them, and of a ticket's tags and
//! priority, and of nothing else. A text that is new is added to those which the index does not have yet; of one that is changed it is noted what it was.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sqlx::PgConnection;

use super::fault::Fault;
use crate::tickets::{
    model::{Comment, Priority, Ticket},
    search::terms,
};

/// Bytes of terms that a row holds at most; a `tsvector` may have a mebibyte.
const MOST_BYTES: usize = 500_000;

/// The terms of texts, each once.
pub(super) fn terms_of(texts: &[&str]) -> Vec<String> {
    texts.iter().flat_map(|text| terms(text)).collect::<BTreeSet<_>>().into_iter().collect()
}

/// What a tag is found by.
pub(super) fn tag_term(tag: &str) -> String {
    format!("{TAG}{tag}")
}

/// What a priority is found by.
pub(super) fn priority_term(priority: Priority) -> String {
    format!("{PRIORITY}{}", priority as i16)
}

/// What terms begin with that are no words: no word of a text has these signs. The migrations say the same.
const TAG: char = '#';
const PRIORITY: char = '!';

/// Whether a term is a word.
pub(super) fn is_word(term: &str) -> bool {
    !term.starts_with([TAG, PRIORITY])
}

/// The terms of a ticket's own texts, with its tags and its priority, each once.
pub(super) fn ticket_terms(row: &Ticket) -> Vec<String> {
    let mut terms = terms_of(&[&row.title, &row.description]);
    terms.extend(row.tags.iter().map(|tag| tag_term(tag)));
    terms.push(priority_term(row.priority));
    terms
}

/// An `INSERT` of rows of terms, which the parameter of this name holds as JSON.
macro_rules! add_terms {
    ($rows:literal) => {
        concat!(
            "INSERT INTO taquilla.search_new (ticket_id, comment_id, part, internal, terms) \
             SELECT t.ticket_id, t.comment_id, t.part, t.internal, array_to_tsvector(t.terms) FROM jsonb_to_recordset(",
            $rows,
            ") AS t (ticket_id bigint, comment_id bigint, part smallint, internal boolean, terms text[])"
        )
    };
}
pub(super) use add_terms;

/// Terms that are still to be added: by ticket and comment (0 for the ticket's own texts), the rows that they make.
#[derive(Debug, Default)]
pub(super) struct Terms(BTreeMap<(i64, i64), Vec<Value>>);

impl Terms {
    /// Brings the terms of a ticket's own texts to their present state: those of before go at once.
    pub(super) async fn ticket(&mut self, tx: &mut PgConnection, row: &Ticket, new: bool) -> Result<(), Fault> {
        if !new {
            forget(tx, row.id.0, 0).await?;
        }
        self.put(row.id.0, 0, ticket_rows(row));
        Ok(())
    }

    /// Brings the terms of a comment to their present state, likewise; a deleted one has none.
    pub(super) async fn comment(&mut self, tx: &mut PgConnection, row: &Comment, new: bool) -> Result<(), Fault> {
        let (ticket, comment) = (row.ticket_id.0, row.id.0);
        if !new {
            forget(tx, ticket, comment).await?;
        }
        self.put(ticket, comment, comment_rows(row));
        Ok(())
    }

    fn put(&mut self, ticket: i64, comment: i64, rows: impl Iterator<Item = Value>) {
        self.0.insert((ticket, comment), rows.collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All rows, as [`add_terms`] takes them.
    pub(super) fn into_rows(self) -> Value {
        self.0.into_values().flatten().collect()
    }

    /// Adds them.
    pub(super) async fn add(self, tx: &mut PgConnection) -> Result<(), Fault> {
        add(tx, self.into_rows()).await
    }
}

/// Adds rows of terms.
pub(super) async fn add(tx: &mut PgConnection, rows: Value) -> Result<(), Fault> {
    sqlx::query(add_terms!("$1")).bind(rows).execute(tx).await?;
    Ok(())
}

async fn forget(tx: &mut PgConnection, ticket: i64, comment: i64) -> Result<(), Fault> {
    forget_all(tx, &[ticket], &[comment]).await
}

/// Removes the terms of texts: tickets and their comments (0 for the ticket's own texts), pair by pair.
pub(super) async fn forget_all(tx: &mut PgConnection, tickets: &[i64], comments: &[i64]) -> Result<(), Fault> {
    sqlx::query("SELECT taquilla.forget_texts($1, $2)").bind(tickets).bind(comments).execute(tx).await?;
    Ok(())
}

/// Takes tickets out of the index that are deleted, of which it has none, or restored, of which it should have all texts again; or
/// those of which the time of opening changes, by which they are ordered.
pub(super) async fn leave(tx: &mut PgConnection, tickets: &[i64]) -> Result<(), Fault> {
    sqlx::query("SELECT taquilla.leave_index($1)").bind(tickets).execute(tx).await?;
    Ok(())
}

/// The rows that the terms of a ticket's own texts make, as their columns.
pub(super) fn ticket_rows(row: &Ticket) -> impl Iterator<Item = Value> + use<> {
    term_rows(row.id.0, 0, false, ticket_terms(row))
}

/// Those of a comment; a deleted one has none.
pub(super) fn comment_rows(row: &Comment) -> impl Iterator<Item = Value> + use<> {
    let terms = if row.deleted_at.is_none() { terms_of(&[&row.content]) } else { Vec::new() };
    term_rows(row.ticket_id.0, row.id.0, row.is_internal, terms)
}

fn term_rows(ticket: i64, comment: i64, internal: bool, terms: Vec<String>) -> impl Iterator<Item = Value> {
    (0_i16..)
        .zip(parts(terms))
        .map(move |(part, terms)| json!({ "ticket_id": ticket, "comment_id": comment, "part": part, "internal": internal, "terms": terms }))
}

/// Cuts terms into portions that a row can hold.
fn parts(terms: Vec<String>) -> Vec<Vec<String>> {
    let mut parts: Vec<Vec<String>> = Vec::new();
    let mut bytes = MOST_BYTES;
    for term in terms {
        if bytes + term.len() > MOST_BYTES {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += term.len();
        if let Some(part) = parts.last_mut() {
            part.push(term);
        }
    }
    parts
}

/// A query for a term, whole or as a beginning, in the form that `::tsquery` reads.
pub(super) fn asked(term: &str, prefix: bool) -> String {
    let quoted = term.replace('\\', "\\\\").replace('\'', "''");
    if prefix { format!("'{quoted}':*") } else { format!("'{quoted}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_cut_into_portions_without_loss() {
        let terms: Vec<String> = (0..30_000).map(|n| format!("{n:050}")).collect();
        let parts = parts(terms.clone());
        assert_eq!(parts.concat(), terms);
        assert_eq!(parts.len(), 3);
        assert!(parts.iter().all(|part| part.iter().map(String::len).sum::<usize>() <= MOST_BYTES));
    }

    #[test]
    fn quotes_and_backslashes_are_asked_for_as_they_are() {
        assert_eq!(asked("don't", true), "'don''t':*");
        assert_eq!(asked("a\\b", false), "'a\\\\b'");
    }
}
