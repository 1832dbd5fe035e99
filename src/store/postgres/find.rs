//! In which tickets words are: what the index says, what has changed since, and what it does not have yet, as of one moment.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
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

/// Words by their number, from 1: the whole ones in their order, then the beginning. Of each, values of the index; and tickets
/// of which the index does not count (`wrong`), or which have a text with the word all the same (`right`). As word 0 comes, of each
/// stretch, when its newest ticket was opened. Deleted tickets are not in the index, but may be in the rest.
///
/// The server does not look at what it is asked for when it plans (`SELECT $4`): it would find each plan better than one for any
/// words, and take four times as long to plan as to read.
const FIND: &str = "\
    SELECT array_position($2::text[], i.term)::bigint AS word, i.stretch, i.tickets, NULL::bigint[] AS wrong_ids, NULL::bigint[] AS right_ids, \
    NULL::timestamptz AS newest FROM taquilla.search_index i WHERE i.kind = ANY((SELECT $1::smallint[])::smallint[]) \
    AND i.term = ANY((SELECT $2::text[])::text[]) \
    UNION ALL \
    SELECT cardinality($2::text[]) + 1, i.stretch, i.tickets, NULL, NULL, NULL FROM taquilla.search_index i \
    WHERE i.kind = ANY((SELECT $3::smallint[])::smallint[]) AND i.term >= (SELECT $4::text) AND i.term <= (SELECT $5::text) \
    UNION ALL \
    SELECT q.word, NULL, NULL, wrong.ids, new.ids || kept.ids, NULL FROM unnest((SELECT $6::text[])::text[]) WITH ORDINALITY AS q(asked, word), \
    LATERAL (SELECT coalesce(array_agg(s.ticket_id), '{}') AS ids FROM taquilla.search_new s \
    WHERE s.terms @@ q.asked::tsquery AND ($7 OR NOT s.internal)) AS new, \
    LATERAL (SELECT coalesce(array_agg(s.ticket_id), '{}') AS ids FROM taquilla.search_stale s \
    WHERE s.terms @@ q.asked::tsquery AND ($7 OR NOT s.internal)) AS wrong, \
    LATERAL (SELECT coalesce(array_agg(s.ticket_id), '{}') AS ids FROM taquilla.search_kept s \
    WHERE s.ticket_id = ANY(wrong.ids) AND s.terms @@ q.asked::tsquery AND ($7 OR NOT s.internal)) AS kept \
    UNION ALL \
    SELECT 0, stretch, NULL, NULL, NULL, newest FROM taquilla.search_stretches";

/// Tickets that have every word.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// All of them, and perhaps deleted ones.
    pub(super) tickets: TicketSet,
    /// Those that were found without the index, among which deleted ones are.
    beside: Vec<i64>,
    /// Of each stretch, when the newest of the other tickets was opened, or later, in µs.
    newest: HashMap<i64, i64>,
}

/// Finds the tickets that have every word, deleted ones only by chance; `notes` says whether those of internal notes count.
pub(super) async fn tickets_with(pool: &PgPool, words: &Words, notes: bool) -> Read<Found> {
    let kinds = |word: Kind, note: Kind| if notes { vec![word as i16, note as i16] } else { vec![word as i16] };
    let (beginnings, last) = if words.prefix.chars().nth(BEGINNING).is_none() {
        (kinds(Kind::Beginning, Kind::NoteBeginning), words.prefix.clone())
    } else {
        (kinds(Kind::Word, Kind::NoteWord), format!("{}{LAST}", words.prefix))
    };
    let asked: Vec<String> = words.whole.iter().map(|word| asked(word, false)).chain([asked(&words.prefix, true)]).collect();
    let mut rows = sqlx::query(FIND)
        .bind(kinds(Kind::Word, Kind::NoteWord))
        .bind(&words.whole)
        .bind(beginnings)
        .bind(&words.prefix)
        .bind(last)
        .bind(&asked)
        .bind(notes)
        .fetch(pool);
    let (mut parts, mut newest) = (vec![Part::default(); asked.len()], HashMap::new());
    while let Some(row) = rows.try_next().await? {
        let word = usize::try_from(row.try_get::<i64, _>("word")?).ok().and_then(|word| word.checked_sub(1));
        match (word.and_then(|word| parts.get_mut(word)), row.try_get::<Option<i64>, _>("stretch")?) {
            (Some(part), Some(stretch)) => part.tickets.unite(stretch, row.try_get("tickets")?)?,
            (Some(part), None) => (part.wrong, part.right) = (row.try_get("wrong_ids")?, row.try_get("right_ids")?),
            (None, Some(stretch)) => drop(newest.insert(stretch, row.try_get::<Instant, _>("newest")?.stamp().as_micros())),
            (None, None) => {}
        }
    }
    Ok(together(parts, newest))
}

/// What was told of a word.
#[derive(Debug, Clone, Default)]
struct Part {
    /// What the index says.
    tickets: TicketSet,
    /// Where it is not to be believed.
    wrong: Vec<i64>,
    /// Tickets that have the word, whatever it says.
    right: Vec<i64>,
}

fn together(parts: Vec<Part>, newest: HashMap<i64, i64>) -> Found {
    let mut beside = Vec::new();
    let each = parts.into_iter().map(|mut part| {
        for id in part.wrong {
            part.tickets.remove(id);
        }
        for id in part.right {
            part.tickets.insert(id);
            beside.push(id);
        }
        part.tickets
    });
    let tickets = each.reduce(|mut all, tickets| {
        all.intersect(&tickets);
        all
    });
    let tickets = tickets.unwrap_or_default();
    beside.retain(|id| tickets.contains(*id));
    beside.sort_unstable();
    beside.dedup();
    Found { tickets, beside, newest }
}

impl Found {
    /// How many tickets there are, without deleted ones, as far as it is known: exactly, or that there are more than so many.
    pub(super) fn size(&self, cap: usize) -> Option<usize> {
        let size = self.tickets.len();
        (self.beside.is_empty() || size - self.beside.len() > cap).then_some(size)
    }

    /// The highest stretch of which anything is known.
    pub(super) fn highest_stretch(&self) -> i64 {
        self.newest.keys().copied().chain(self.tickets.span().map(|(_, highest)| highest)).max().unwrap_or(0)
    }

    /// Some of the tickets, at least so many, and an instant: none of the others was opened after it. They are those of the highest
    /// ids, which are the newest in the main, so that these are enough for a list of the newest in all but rare cases. `None` when
    /// that would be nearly all of them.
    pub(super) fn newest(&self, wanted: usize) -> Option<(TicketSet, Timestamp)> {
        let (mut some, others) = self.tickets.highest(wanted)?;
        for id in &self.beside {
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

    fn found(ids: impl IntoIterator<Item = i64>, beside: &[i64]) -> Found {
        let mut tickets = TicketSet::default();
        for id in ids {
            tickets.insert(id);
        }
        Found { tickets, beside: beside.to_vec(), newest: (0..9).map(|stretch| (stretch, 10 * stretch)).collect() }
    }

    #[test]
    fn the_newest_are_in_the_highest_stretches_or_not_indexed_yet() {
        let found = found((0..300).map(|n| n * 1_000), &[3_000]);
        let (some, newest) = found.newest(60).unwrap();
        assert_eq!(some.ids(), [3_000].into_iter().chain((230..300).map(|n| n * 1_000)).collect::<Vec<_>>());
        assert_eq!(newest, Timestamp::from_micros(60), "of stretch 6, the next lower one");
        assert!(found.newest(150).is_none(), "that would be more than half of them");
    }

    #[test]
    fn a_size_is_known_unless_deleted_tickets_make_a_difference() {
        assert_eq!(found(1..=9, &[]).size(10), Some(9));
        assert_eq!(found(1..=9, &[3]).size(10), None);
        assert_eq!(found(1..=12, &[3]).size(10), Some(12));
        assert_eq!(found(1..=12, &[3, 4]).size(10), None);
    }

    #[test]
    fn words_may_be_in_texts_of_which_the_index_has_some() {
        let part = |tickets: &[i64], wrong: &[i64], right: &[i64]| Part {
            tickets: found(tickets.iter().copied(), &[]).tickets,
            wrong: wrong.to_vec(),
            right: right.to_vec(),
        };
        let ids = |parts| together(parts, HashMap::new()).tickets.ids();
        assert_eq!(ids(vec![part(&[1, 2, 3], &[], &[4, 40_000]), part(&[2, 3, 4], &[], &[1, 40_000])]), [1, 2, 3, 4, 40_000]);
        assert_eq!(ids(vec![part(&[1, 2, 3], &[1, 2], &[2]), part(&[1, 2, 3], &[], &[])]), [2, 3]);
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
