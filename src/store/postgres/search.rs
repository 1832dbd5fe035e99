//! The search terms of texts: the same terms as everywhere, as `tsvector`s that are made of them and of nothing else.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sqlx::PgConnection;

use super::fault::Fault;
use crate::tickets::{
    model::{Comment, Ticket},
    search::terms,
};

/// Bytes of terms that a row holds at most; a `tsvector` may have a mebibyte.
const MOST_BYTES: usize = 500_000;

/// The terms of texts, each once.
pub(super) fn terms_of(texts: &[&str]) -> Vec<String> {
    texts.iter().flat_map(|text| terms(text)).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Brings the terms of a ticket's own texts to their present state.
pub(super) async fn ticket(tx: &mut PgConnection, row: &Ticket, new: bool) -> Result<(), Fault> {
    if !new {
        forget(tx, row.id.0, 0).await?;
    }
    remember(tx, row.id.0, 0, false, terms_of(&[&row.title, &row.description])).await
}

/// Brings the terms of a comment to their present state; a deleted one has none.
pub(super) async fn comment(tx: &mut PgConnection, row: &Comment, new: bool) -> Result<(), Fault> {
    if !new {
        forget(tx, row.ticket_id.0, row.id.0).await?;
    }
    if row.deleted_at.is_some() {
        return Ok(());
    }
    remember(tx, row.ticket_id.0, row.id.0, row.is_internal, terms_of(&[&row.content])).await
}

async fn forget(tx: &mut PgConnection, ticket: i64, comment: i64) -> Result<(), Fault> {
    sqlx::query("DELETE FROM taquilla.search_terms WHERE ticket_id = $1 AND comment_id = $2")
        .bind(ticket)
        .bind(comment)
        .execute(tx)
        .await?;
    Ok(())
}

async fn remember(tx: &mut PgConnection, ticket: i64, comment: i64, internal: bool, terms: Vec<String>) -> Result<(), Fault> {
    for (part, terms) in (0_i16..).zip(parts(terms)) {
        sqlx::query(
            "INSERT INTO taquilla.search_terms (ticket_id, comment_id, part, internal, terms) \
             VALUES ($1, $2, $3, $4, array_to_tsvector($5))",
        )
        .bind(ticket)
        .bind(comment)
        .bind(part)
        .bind(internal)
        .bind(terms)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// The rows that a text's terms make, as their columns.
pub(super) fn term_rows(ticket: i64, comment: i64, internal: bool, texts: &[&str]) -> impl Iterator<Item = Value> {
    (0_i16..)
        .zip(parts(terms_of(texts)))
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
