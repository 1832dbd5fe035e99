//! In which tickets words are: what the index says, what has changed since, and what it does not have yet, as of one moment.

use sqlx::{PgPool, Row as _};

use super::{postings::TicketSet, rows::Read, search::asked};
use crate::tickets::search::Words;

/// The beginnings of words that the index has as such have at most so many letters: of those many words begin alike.
const BEGINNING: usize = 3;

/// The last character that there is: it follows on a beginning later than anything else.
const LAST: char = char::MAX;

/// Values of `search_index.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Word = 0,
    NoteWord = 1,
    Beginning = 2,
    NoteBeginning = 3,
}

/// What the index has of a term: itself, and its beginnings.
pub(super) fn entries(term: &str, internal: bool) -> impl Iterator<Item = (Kind, &str)> {
    let (word, beginning) = if internal { (Kind::NoteWord, Kind::NoteBeginning) } else { (Kind::Word, Kind::Beginning) };
    let ends = term.char_indices().map(|(at, letter)| at + letter.len_utf8()).take(BEGINNING);
    std::iter::once((word, term)).chain(ends.map(move |end| (beginning, &term[..end])))
}

/// Words by their number, from 1: the whole ones in their order, then the beginning. Of each, values of the index, and tickets
/// with texts that it does not have yet. As word 0 come tickets of which the index does not speak the truth. Deleted tickets are in
/// none of these.
const FIND: &str = "\
    SELECT array_position($2, i.term)::bigint AS word, i.stretch, i.tickets, NULL::bigint[] AS ids FROM taquilla.search_index i \
    WHERE i.kind = ANY($1) AND i.term = ANY($2) \
    UNION ALL \
    SELECT cardinality($2) + 1, i.stretch, i.tickets, NULL FROM taquilla.search_index i \
    WHERE i.kind = ANY($3) AND i.term >= $4 AND i.term <= $5 \
    UNION ALL \
    SELECT q.word, NULL, NULL, new.ids FROM unnest($6::text[]) WITH ORDINALITY AS q(asked, word), LATERAL (\
    SELECT array_agg(s.ticket_id) AS ids FROM taquilla.search_terms s JOIN taquilla.tickets t ON t.id = s.ticket_id \
    WHERE s.terms @@ q.asked::tsquery AND ($7 OR NOT s.internal) AND t.deleted_at IS NULL) AS new \
    UNION ALL \
    SELECT 0, NULL, NULL, array_agg(ticket_id) FROM taquilla.search_stale";

/// The tickets, deleted ones excepted, that have every word; `notes` says whether those of internal notes count.
pub(super) async fn tickets_with(pool: &PgPool, words: &Words, notes: bool) -> Read<TicketSet> {
    let kinds = |word: Kind, note: Kind| if notes { vec![word as i16, note as i16] } else { vec![word as i16] };
    let (beginnings, last) = if words.prefix.chars().nth(BEGINNING).is_none() {
        (kinds(Kind::Beginning, Kind::NoteBeginning), words.prefix.clone())
    } else {
        (kinds(Kind::Word, Kind::NoteWord), format!("{}{LAST}", words.prefix))
    };
    let new: Vec<String> = words.whole.iter().map(|word| asked(word, false)).chain([asked(&words.prefix, true)]).collect();
    let rows = sqlx::query(FIND)
        .bind(kinds(Kind::Word, Kind::NoteWord))
        .bind(&words.whole)
        .bind(beginnings)
        .bind(&words.prefix)
        .bind(last)
        .bind(&new)
        .bind(notes)
        .fetch_all(pool)
        .await?;
    let mut stale = Vec::new();
    let mut indexed = vec![TicketSet::default(); new.len()];
    let mut unindexed = vec![Vec::new(); new.len()];
    for row in &rows {
        let word = usize::try_from(row.try_get::<i64, _>("word")?).ok().and_then(|word| word.checked_sub(1));
        if let Some(ids) = row.try_get::<Option<Vec<i64>>, _>("ids")? {
            *word.and_then(|word| unindexed.get_mut(word)).unwrap_or(&mut stale) = ids;
        } else if let (Some(stretch), Some(tickets)) = (row.try_get("stretch")?, word.and_then(|word| indexed.get_mut(word))) {
            tickets.unite(stretch, row.try_get("tickets")?)?;
        }
    }
    Ok(together(indexed, &unindexed, &stale))
}

/// The tickets that have every word.
fn together(indexed: Vec<TicketSet>, unindexed: &[Vec<i64>], stale: &[i64]) -> TicketSet {
    let each = indexed.into_iter().zip(unindexed).map(|(mut tickets, new)| {
        for id in stale {
            tickets.remove(*id);
        }
        for id in new {
            tickets.insert(*id);
        }
        tickets
    });
    each.reduce(|mut all, tickets| {
        all.intersect(&tickets);
        all
    })
    .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_found_by_itself_and_by_its_beginnings() {
        let entries = |term, internal| entries(term, internal).collect::<Vec<_>>();
        assert_eq!(
            entries("añil", false),
            [(Kind::Word, "añil"), (Kind::Beginning, "a"), (Kind::Beginning, "añ"), (Kind::Beginning, "añi")]
        );
        assert_eq!(entries("x", true), [(Kind::NoteWord, "x"), (Kind::NoteBeginning, "x")]);
    }
}
