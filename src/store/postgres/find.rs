//! The tickets that have every word of a search, a tag, a priority.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    lookup::{Looked, Term, Word},
    postings::{Postings, TicketSet},
    search::{priority_term, tag_term},
};
use crate::{tickets::query::TicketQuery, types::Timestamp};

/// Tickets that have every word.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// All of them, and perhaps deleted ones.
    pub(super) tickets: TicketSet,
    /// Those that were found without the index, among which deleted ones are.
    beside: Vec<i64>,
    /// Of each stretch, when the newest of the other tickets was opened, or later, in µs.
    newest: Arc<HashMap<i64, i64>>,
}

/// What is looked up for a list: of each of these at least one must be there. Words of internal notes count for those who see them.
/// Priorities are looked up beside words and tags; alone they leave too many tickets.
pub(super) fn wanted(query: &TicketQuery) -> Vec<Vec<Term>> {
    let notes = query.scope.sees_notes();
    let words = query.words.iter().flat_map(|words| {
        let whole = words.whole.iter().map(|word| (word, false)).chain([(&words.prefix, true)]);
        whole.map(|(word, begins)| vec![Term { text: word.clone(), begins, notes }])
    });
    let mark = |text| Term { text, begins: false, notes: false };
    let mut wanted: Vec<Vec<Term>> = words.collect();
    if !query.tags.is_empty() {
        wanted.push(query.tags.iter().map(|tag| mark(tag_term(tag))).collect());
    }
    if !wanted.is_empty() && !query.priority.is_empty() {
        wanted.push(query.priority.iter().map(|priority| mark(priority_term(*priority))).collect());
    }
    wanted
}

/// What a list's tickets must be beside what was looked up.
pub(super) fn rest(query: &TicketQuery) -> TicketQuery {
    TicketQuery { words: None, tags: Vec::new(), priority: Vec::new(), ..query.clone() }
}

/// The tickets of a stretch that have of each of these at least one.
fn with_all(wanted: &[Vec<Word<'_>>], stretch: i64) -> Arc<Postings> {
    let mut all: Option<Arc<Postings>> = None;
    for words in wanted {
        let mut each = words.iter().map(|word| word.tickets(stretch));
        let mut any = each.next().unwrap_or_default();
        each.for_each(|tickets| Arc::make_mut(&mut any).unite_with(&tickets));
        let both = all.map_or_else(|| any.clone(), |before| Arc::new(before.and(&any)));
        if both.is_empty() {
            return both;
        }
        all = Some(both);
    }
    all.unwrap_or_default()
}

impl Found {
    /// Those that have what is wanted, of which there is something. One stretch after another: most have none that has everything.
    pub(super) fn of(wanted: &[Vec<Term>], looked: &Looked) -> Self {
        let wanted: Vec<Vec<Word<'_>>> = wanted.iter().map(|terms| terms.iter().map(|term| looked.word(term)).collect()).collect();
        let mut tickets = TicketSet::default();
        let stretches: BTreeSet<i64> = wanted.first().into_iter().flatten().flat_map(Word::stretches).collect();
        for stretch in stretches {
            tickets.put(stretch, with_all(&wanted, stretch));
        }
        let beside = wanted.iter().flatten().flat_map(Word::beside).copied().filter(|id| tickets.contains(*id));
        let beside: BTreeSet<i64> = beside.collect();
        Self { beside: beside.into_iter().collect(), tickets, newest: looked.newest.clone() }
    }

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
        (some.len() * 4 < self.tickets.len() * 3).then_some((some, newest))
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
        Found { tickets, beside: beside.to_vec(), newest: Arc::new((0..9).map(|stretch| (stretch, 10 * stretch)).collect()) }
    }

    #[test]
    fn the_newest_are_in_the_highest_stretches_or_not_indexed_yet() {
        let found = found((0..300).map(|n| n * 1_000), &[3_000]);
        let (some, newest) = found.newest(60).unwrap();
        assert_eq!(some.ids(), [3_000].into_iter().chain((230..300).map(|n| n * 1_000)).collect::<Vec<_>>());
        assert_eq!(newest, Timestamp::from_micros(60), "of stretch 6, the next lower one");
        assert_eq!(found.newest(150).unwrap().0.ids()[1..], (132..300).map(|n| n * 1_000).collect::<Vec<_>>());
        assert!(found.newest(220).is_none(), "that would be nearly all of them");
    }

    #[test]
    fn a_size_is_known_unless_deleted_tickets_make_a_difference() {
        assert_eq!(found(1..=9, &[]).size(10), Some(9));
        assert_eq!(found(1..=9, &[3]).size(10), None);
        assert_eq!(found(1..=12, &[3]).size(10), Some(12));
        assert_eq!(found(1..=12, &[3, 4]).size(10), None);
    }
}
