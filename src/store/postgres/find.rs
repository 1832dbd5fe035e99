//! In which tickets words are: what the index says, what has changed since, and what it does not have yet, as of one moment.

use std::collections::HashMap;

use sqlx::{PgPool, Row as _};

use super::{postings::TicketSet, rows::Read, search::asked, values::Instant};
use crate::{tickets::search::Words, types::Timestamp};

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
/// with texts that it does not have yet. As word 0 come tickets of which the index does not speak the truth, and of each stretch
/// when its newest ticket was opened. Deleted tickets are in none of these.
const FIND: &str = "\
    SELECT array_position($2, i.term)::bigint AS word, i.stretch, i.tickets, NULL::bigint[] AS ids, NULL::timestamptz AS newest \
    FROM taquilla.search_index i WHERE i.kind = ANY($1) AND i.term = ANY($2) \
    UNION ALL \
    SELECT cardinality($2) + 1, i.stretch, i.tickets, NULL, NULL FROM taquilla.search_index i \
    WHERE i.kind = ANY($3) AND i.term >= $4 AND i.term <= $5 \
    UNION ALL \
    SELECT q.word, NULL, NULL, new.ids, NULL FROM unnest($6::text[]) WITH ORDINALITY AS q(asked, word), LATERAL (\
    SELECT array_agg(s.ticket_id) AS ids FROM taquilla.search_terms s JOIN taquilla.tickets t ON t.id = s.ticket_id \
    WHERE s.terms @@ q.asked::tsquery AND ($7 OR NOT s.internal) AND t.deleted_at IS NULL) AS new \
    UNION ALL \
    SELECT 0, NULL, NULL, array_agg(ticket_id), NULL FROM taquilla.search_stale \
    UNION ALL \
    SELECT 0, stretch, NULL, NULL, newest FROM taquilla.search_stretches";

/// Tickets that have every word.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// All of them.
    pub(super) tickets: TicketSet,
    /// Tickets, not only of those, of which the index does not have every text.
    unindexed: Vec<i64>,
    /// Of each stretch, when the newest of the other tickets was opened, or later, in µs.
    newest: HashMap<i64, i64>,
}

/// Finds the tickets, deleted ones excepted, that have every word; `notes` says whether those of internal notes count.
pub(super) async fn tickets_with(pool: &PgPool, words: &Words, notes: bool) -> Read<Found> {
    let kinds = |word: Kind, note: Kind| if notes { vec![word as i16, note as i16] } else { vec![word as i16] };
    let (beginnings, last) = if words.prefix.chars().nth(BEGINNING).is_none() {
        (kinds(Kind::Beginning, Kind::NoteBeginning), words.prefix.clone())
    } else {
        (kinds(Kind::Word, Kind::NoteWord), format!("{}{LAST}", words.prefix))
    };
    let asked: Vec<String> = words.whole.iter().map(|word| asked(word, false)).chain([asked(&words.prefix, true)]).collect();
    let rows = sqlx::query(FIND)
        .bind(kinds(Kind::Word, Kind::NoteWord))
        .bind(&words.whole)
        .bind(beginnings)
        .bind(&words.prefix)
        .bind(last)
        .bind(&asked)
        .bind(notes)
        .fetch_all(pool)
        .await?;
    let mut read = Parts { indexed: vec![TicketSet::default(); asked.len()], unindexed: vec![Vec::new(); asked.len()], ..Parts::default() };
    for row in &rows {
        let word = usize::try_from(row.try_get::<i64, _>("word")?).ok().and_then(|word| word.checked_sub(1));
        if let Some(ids) = row.try_get::<Option<Vec<i64>>, _>("ids")? {
            *word.and_then(|word| read.unindexed.get_mut(word)).unwrap_or(&mut read.stale) = ids;
        } else if let Some(stretch) = row.try_get("stretch")? {
            match word.and_then(|word| read.indexed.get_mut(word)) {
                Some(tickets) => tickets.unite(stretch, row.try_get("tickets")?)?,
                None => drop(read.newest.insert(stretch, row.try_get::<Instant, _>("newest")?.stamp().as_micros())),
            }
        }
    }
    Ok(read.together())
}

/// What the statement told, the first two by word.
#[derive(Debug, Default)]
struct Parts {
    indexed: Vec<TicketSet>,
    unindexed: Vec<Vec<i64>>,
    stale: Vec<i64>,
    newest: HashMap<i64, i64>,
}

impl Parts {
    fn together(self) -> Found {
        let each = self.indexed.into_iter().zip(&self.unindexed).map(|(mut tickets, new)| {
            for id in &self.stale {
                tickets.remove(*id);
            }
            for id in new {
                tickets.insert(*id);
            }
            tickets
        });
        let tickets = each.reduce(|mut all, tickets| {
            all.intersect(&tickets);
            all
        });
        Found { tickets: tickets.unwrap_or_default(), unindexed: self.unindexed.concat(), newest: self.newest }
    }
}

impl Found {
    /// Some of the tickets, at least so many, and an instant: none of the others was opened after it. They are those of the highest
    /// ids, which are the newest in the main, so that these are enough for a list of the newest in all but rare cases. `None` when
    /// that would be nearly all of them.
    pub(super) fn newest(&self, wanted: usize) -> Option<(TicketSet, Timestamp)> {
        let (mut some, others) = self.tickets.highest(wanted)?;
        for id in self.unindexed.iter().filter(|id| self.tickets.contains(**id)) {
            some.insert(*id);
        }
        let newest = others.iter().filter_map(|stretch| self.newest.get(stretch)).max();
        let newest = newest.map_or(Timestamp::from_micros(i64::MIN), |micros| Timestamp::from_micros(*micros));
        (some.len() * 2 < self.tickets.len()).then_some((some, newest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ids: impl IntoIterator<Item = i64>, unindexed: &[i64]) -> Found {
        let mut tickets = TicketSet::default();
        for id in ids {
            tickets.insert(id);
        }
        Found { tickets, unindexed: unindexed.to_vec(), newest: (0..9).map(|stretch| (stretch, 10 * stretch)).collect() }
    }

    #[test]
    fn the_newest_are_in_the_highest_stretches_or_not_indexed_yet() {
        let found = found((0..300).map(|n| n * 1_000), &[3_000, 3_001]);
        let (some, newest) = found.newest(60).unwrap();
        assert_eq!(some.ids(), [3_000].into_iter().chain((230..300).map(|n| n * 1_000)).collect::<Vec<_>>());
        assert_eq!(newest, Timestamp::from_micros(60), "of stretch 6, the next lower one");
        assert!(found.newest(150).is_none(), "that would be more than half of them");
    }

    #[test]
    fn words_may_be_in_texts_of_which_the_index_has_some() {
        let set = |ids: &[i64]| found(ids.iter().copied(), &[]).tickets;
        let parts = |stale: &[i64]| Parts {
            indexed: vec![set(&[1, 2, 3]), set(&[2, 3, 4])],
            unindexed: vec![vec![4, 40_000], vec![1, 40_000]],
            stale: stale.to_vec(),
            newest: HashMap::new(),
        };
        assert_eq!(parts(&[]).together().tickets.ids(), [1, 2, 3, 4, 40_000]);
        assert_eq!(parts(&[1, 2]).together().tickets.ids(), [3, 4, 40_000]);
    }

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
