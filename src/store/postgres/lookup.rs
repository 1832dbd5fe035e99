//! Looking words up in the search index. What it says of a word is remembered, and of that only what has changed since is read again;
//! those who look at the same time share a statement.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, btree_map},
    sync::Arc,
};

use futures_util::TryStreamExt as _;
use quick_cache::{Weighter, sync::Cache};
use sqlx::Row as _;

use super::{
    Lost,
    connections::Connections,
    postings::{Postings, ids_of, place, stretch},
    rows::Read,
    search::{asked, is_word},
    together::Together,
    values::Instant,
};
use crate::store::StoreError;

/// Memory for what is remembered, in bytes: of a million tickets a frequent word takes 127 KB.
const MEMORY: u64 = 24 * 1024 * 1024;
/// How many entries that is, roughly.
const ENTRIES: usize = 3_000;

/// The beginnings of words that the index has as such have at most so many letters: of those many words begin alike.
const BEGINNING: usize = 3;

/// The last character that there is: it follows on a beginning later than anything else.
const LAST: char = char::MAX;

/// Values of `search_index.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Word = 0,
    NoteWord = 1,
    Beginning = 2,
    NoteBeginning = 3,
}

/// What the index has of a term: itself, and the beginnings of a word.
pub(super) fn entries(term: &str, internal: bool) -> impl Iterator<Item = (Kind, &str)> {
    let (word, beginning) = if internal { (Kind::NoteWord, Kind::NoteBeginning) } else { (Kind::Word, Kind::Beginning) };
    let ends = term.char_indices().map(|(at, letter)| at + letter.len_utf8()).take(if is_word(term) { BEGINNING } else { 0 });
    std::iter::once((word, term)).chain(ends.map(move |end| (beginning, &term[..end])))
}

/// A word that is looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Term {
    pub(super) text: String,
    /// Whether it is the beginning of one.
    pub(super) begins: bool,
    /// Whether internal notes count.
    pub(super) notes: bool,
}

/// What the index has of a word or of several: those that begin so, when they are not one entry of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Entry {
    kind: Kind,
    first: String,
    last: Option<String>,
}

impl Term {
    /// Where the index has it.
    fn entries(&self) -> impl Iterator<Item = Entry> {
        let (kinds, last) = if !self.begins {
            ([Kind::Word, Kind::NoteWord], None)
        } else if self.text.chars().nth(BEGINNING).is_none() {
            ([Kind::Beginning, Kind::NoteBeginning], None)
        } else {
            ([Kind::Word, Kind::NoteWord], Some(format!("{}{LAST}", self.text)))
        };
        kinds.into_iter().take(1 + usize::from(self.notes)).map(move |kind| Entry { kind, first: self.text.clone(), last: last.clone() })
    }
}

/// What the index says of an entry, by stretch.
#[derive(Debug, Default)]
struct Values {
    /// The version of the index that says so.
    version: i64,
    values: BTreeMap<i64, Arc<Postings>>,
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<Entry, Arc<Values>> for ByBytes {
    fn weight(&self, entry: &Entry, values: &Arc<Values>) -> u64 {
        // A node of the tree is two thirds full, and both allocations of a value have their rounding.
        let each = size_of::<(i64, Arc<Postings>, Postings)>() + 6 * size_of::<usize>();
        let own = size_of::<(Entry, Values)>() + entry.first.len() * 2;
        values.values.values().map(|value| value.bytes() + each).fold(own, |sum, bytes| sum + bytes) as u64
    }
}

/// What no value of the index tells of a word, yet; in ascending order.
#[derive(Debug, Clone, Default)]
struct Beside {
    /// Tickets of which the index is not to be believed.
    wrong: Vec<i64>,
    /// Tickets that have the word, whatever it says.
    right: Vec<i64>,
}

/// Where words are, as of one moment.
#[derive(Debug, Default)]
pub(super) struct Looked {
    entries: HashMap<Entry, Arc<Values>>,
    beside: HashMap<Term, Beside>,
    /// Of each stretch, when the newest of the tickets was opened of which the index has told something, or later, in µs.
    pub(super) newest: Arc<HashMap<i64, i64>>,
}

impl Looked {
    /// What is said of a word.
    pub(super) fn word(&self, term: &Term) -> Word<'_> {
        Word {
            values: term.entries().filter_map(|entry| self.entries.get(&entry)).map(|values| &**values).collect(),
            beside: self.beside.get(term),
        }
    }
}

/// What is said of a word.
pub(super) struct Word<'a> {
    values: Vec<&'a Values>,
    beside: Option<&'a Beside>,
}

impl Word<'_> {
    /// The stretches in which it may be.
    pub(super) fn stretches(&self) -> impl Iterator<Item = i64> {
        self.values.iter().flat_map(|values| values.values.keys().copied()).chain(self.beside().iter().map(|id| stretch(*id)))
    }

    /// The tickets of a stretch that have it, deleted ones only where the index does not know of them.
    pub(super) fn tickets(&self, stretch: i64) -> Arc<Postings> {
        let mut values = self.values.iter().filter_map(|values| values.values.get(&stretch));
        let mut tickets = values.next().cloned().unwrap_or_default();
        values.for_each(|value| Arc::make_mut(&mut tickets).unite_with(value));
        if let Some(beside) = self.beside {
            within(&beside.wrong, stretch).for_each(|place| Arc::make_mut(&mut tickets).remove(place));
            within(&beside.right, stretch).for_each(|place| Arc::make_mut(&mut tickets).insert(place));
        }
        tickets
    }

    /// The tickets with it of which the index does not know it.
    pub(super) fn beside(&self) -> &[i64] {
        self.beside.map_or(&[], |beside| &beside.right)
    }
}

/// The places of those of these tickets, in ascending order, that are in a stretch.
fn within(ids: &[i64], stretch: i64) -> impl Iterator<Item = u16> {
    let (first, last) = ids_of(stretch);
    let range = ids.partition_point(|id| *id < first)..ids.partition_point(|id| *id <= last);
    ids[range].iter().map(|id| place(*id).1)
}

/// Entries by their number, from 1, as far as they have changed since the version that is known of each. Words by theirs: tickets
/// of which the index does not count (`wrong`), or which have a text with the word all the same (`right`); none when no text waits to be
/// moved to the index. And all stretches.
///
/// The server does not look at what it is asked for when it plans (`SELECT $1`): it would find each plan better than one for any
/// words, and take longer to plan than to read.
///
/// Of an entry nothing is looked at unless anything has changed. Of many words that begin so, all of them are then, since most stretches
/// have.
const LOOK_UP: &str = "\
    WITH entries AS MATERIALIZED (SELECT kind, first, last, nr, \
    CASE WHEN version <= (SELECT max(version) FROM taquilla.search_stretches) THEN version ELSE -1 END AS version FROM unnest((SELECT $1::smallint[]), (SELECT $2::text[]), (SELECT $3::text[]), (SELECT $4::bigint[])) \
    WITH ORDINALITY AS e(kind, first, last, version, nr)) \
    SELECT e.nr AS entry, NULL::bigint AS word, i.stretch, i.tickets, NULL::bigint[] AS wrong, NULL::bigint[] AS right_ids, \
    NULL::timestamptz AS newest, NULL::bigint AS version FROM entries e JOIN taquilla.search_stretches s ON s.version > e.version \
    JOIN taquilla.search_index i ON i.kind = e.kind AND i.term = e.first AND i.stretch = s.stretch WHERE e.last IS NULL \
    AND e.version < (SELECT max(version) FROM taquilla.search_stretches) \
    UNION ALL \
    SELECT e.nr, NULL, i.stretch, i.tickets, NULL, NULL, NULL, NULL FROM entries e, LATERAL (SELECT i.stretch, i.tickets \
    FROM taquilla.search_index i WHERE i.kind = e.kind AND i.term >= e.first AND i.term <= e.last OFFSET 0) i \
    JOIN taquilla.search_stretches s USING (stretch) WHERE e.last IS NOT NULL AND s.version > e.version \
    AND e.version < (SELECT max(version) FROM taquilla.search_stretches) \
    UNION ALL \
    SELECT NULL, q.nr, NULL, NULL, wrong.ids, new.ids || kept.ids, NULL, NULL \
    FROM unnest((SELECT $5::text[]), (SELECT $6::boolean[])) WITH ORDINALITY AS q(asked, notes, nr), \
    LATERAL (SELECT coalesce(array_agg(s.ticket_id), '{}') AS ids FROM taquilla.search_new s \
    WHERE s.terms @@ q.asked::tsquery AND (q.notes OR NOT s.internal)) AS new, \
    LATERAL (SELECT coalesce(array_agg(s.ticket_id), '{}') AS ids FROM taquilla.search_stale s \
    WHERE s.terms @@ q.asked::tsquery AND (q.notes OR NOT s.internal)) AS wrong, \
    LATERAL (SELECT coalesce(array_agg(s.ticket_id), '{}') AS ids FROM taquilla.search_kept s \
    WHERE s.ticket_id = ANY(wrong.ids) AND s.terms @@ q.asked::tsquery AND (q.notes OR NOT s.internal)) AS kept \
    WHERE (SELECT max(ticket_id) FROM taquilla.search_new) IS NOT NULL OR (SELECT max(ticket_id) FROM taquilla.search_stale) IS NOT NULL \
    UNION ALL \
    SELECT NULL, NULL, stretch, NULL, NULL, NULL, newest, version FROM taquilla.search_stretches";

/// Looks words up for all searches of this desk.
pub(super) struct Lookup {
    known: Arc<Cache<Entry, Arc<Values>, ByBytes>>,
    together: Together<Way, Vec<Term>, Arc<Looked>>,
}

/// Who shares a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Way {
    /// Those who look for what is known already; they do not wait for those who do not.
    Known,
    /// Those who look for something else, in several parts: reading it keeps a processor of the server busy for a while.
    Unknown(usize),
}

/// How many parts.
const WAYS: usize = 4;

impl Lookup {
    pub(super) fn new() -> Self {
        Self { known: Arc::new(Cache::with_weighter(ENTRIES, MEMORY, ByBytes)), together: Together::default() }
    }

    /// Where words are.
    ///
    /// # Errors
    /// The database's; an index that cannot be understood.
    pub(super) async fn look_up(&self, pool: &Connections, lost: &Arc<Lost>, terms: Vec<Term>) -> Result<Arc<Looked>, StoreError> {
        let unknown = terms.iter().flat_map(Term::entries).find(|entry| !self.known.contains_key(entry));
        // Whoever looks for the same is in the same part.
        let way = unknown.map_or(Way::Known, |entry| Way::Unknown(entry.first.bytes().map(usize::from).sum::<usize>() % WAYS));
        let (pool, lost, known) = (pool.clone(), lost.clone(), self.known.clone());
        let read = self.together.ask(way, terms, move |wanted: Vec<Vec<Term>>| {
            let (pool, lost, known) = (pool.clone(), lost.clone(), known.clone());
            async move {
                let terms: BTreeSet<Term> = wanted.into_iter().flatten().collect();
                asking!(lost, look_up(&pool, &known, &terms)).map(Arc::new)
            }
        });
        read.await
    }
}

async fn look_up(pool: &Connections, known: &Cache<Entry, Arc<Values>, ByBytes>, terms: &BTreeSet<Term>) -> Read<Looked> {
    let entries: BTreeSet<Entry> = terms.iter().flat_map(Term::entries).collect();
    // What is nowhere in the index is as of before everything.
    let before: Vec<Arc<Values>> = entries
        .iter()
        .map(|entry| known.get(entry).unwrap_or_else(|| Arc::new(Values { version: i64::MIN, ..Values::default() })))
        .collect();
    let mut rows = sqlx::query(LOOK_UP)
        .bind(entries.iter().map(|entry| entry.kind as i16).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.first.as_str()).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.last.as_deref()).collect::<Vec<_>>())
        .bind(before.iter().map(|values| values.version).collect::<Vec<_>>())
        .bind(terms.iter().map(|term| asked(&term.text, term.begins)).collect::<Vec<_>>())
        .bind(terms.iter().map(|term| term.notes).collect::<Vec<_>>())
        .fetch(pool);
    let mut changed: Vec<BTreeMap<i64, Postings>> = vec![BTreeMap::new(); entries.len()];
    let (mut beside, mut newest, mut versions) = (vec![Beside::default(); terms.len()], HashMap::new(), HashMap::new());
    let place = |nr: Option<i64>| nr.and_then(|nr| usize::try_from(nr).ok()?.checked_sub(1));
    while let Some(row) = rows.try_next().await? {
        if let Some(values) = place(row.try_get("entry")?).and_then(|at| changed.get_mut(at)) {
            add(values, row.try_get("stretch")?, row.try_get("tickets")?)?;
        } else if let Some(beside) = place(row.try_get("word")?).and_then(|at| beside.get_mut(at)) {
            let (mut wrong, mut right): (Vec<i64>, Vec<i64>) = (row.try_get("wrong")?, row.try_get("right_ids")?);
            wrong.sort_unstable();
            right.sort_unstable();
            *beside = Beside { wrong, right };
        } else {
            let stretch: i64 = row.try_get("stretch")?;
            newest.insert(stretch, row.try_get::<Instant, _>("newest")?.stamp().as_micros());
            versions.insert(stretch, row.try_get::<i64, _>("version")?);
        }
    }
    let now = entries.into_iter().zip(before).zip(changed).map(|((entry, before), changed)| {
        let values = before.changed(changed, &versions);
        if !Arc::ptr_eq(&before, &values) {
            known.insert(entry.clone(), values.clone());
        }
        (entry, values)
    });
    Ok(Looked { entries: now.collect(), beside: terms.iter().cloned().zip(beside).collect(), newest: Arc::new(newest) })
}

/// Adds a value of a stretch, which may have one from another word.
fn add(values: &mut BTreeMap<i64, Postings>, stretch: i64, value: &[u8]) -> Read<()> {
    let postings = Postings::from_bytes(value)?;
    match values.entry(stretch) {
        btree_map::Entry::Vacant(none) => drop(none.insert(postings)),
        btree_map::Entry::Occupied(mut other) => other.get_mut().unite_with(&postings),
    }
    Ok(())
}

impl Values {
    /// As they are now that the stretches have these versions, the changed ones with these values or none.
    fn changed(self: &Arc<Self>, changed: BTreeMap<i64, Postings>, versions: &HashMap<i64, i64>) -> Arc<Self> {
        let version = versions.values().copied().max().unwrap_or(i64::MIN);
        if version == self.version {
            return self.clone();
        }
        // A database that was set back to an earlier state tells everything anew.
        let mut values = if version < self.version { BTreeMap::new() } else { self.values.clone() };
        values.retain(|stretch, _| versions.get(stretch).is_some_and(|version| *version <= self.version));
        values.extend(changed.into_iter().map(|(stretch, value)| (stretch, Arc::new(value))));
        Arc::new(Self { version, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn postings(bytes: &[u8]) -> Postings {
        Postings::from_bytes(bytes).unwrap()
    }

    #[test]
    fn a_term_is_found_by_itself_and_by_its_beginnings() {
        let entries = |term, internal| entries(term, internal).collect::<Vec<_>>();
        assert_eq!(
            entries("añil", false),
            [(Kind::Word, "añil"), (Kind::Beginning, "a"), (Kind::Beginning, "añ"), (Kind::Beginning, "añi")]
        );
        assert_eq!(entries("x", true), [(Kind::NoteWord, "x"), (Kind::NoteBeginning, "x")]);
        assert_eq!(entries("#vpn", false), [(Kind::Word, "#vpn")]);
        assert_eq!(entries("!2", false), [(Kind::Word, "!2")]);
    }

    #[test]
    fn only_stretches_that_have_changed_are_read_again() {
        let values = |version, values: &[(i64, u8)]| Values {
            version,
            values: values.iter().map(|(stretch, place)| (*stretch, Arc::new(postings(&[*place, 0])))).collect(),
        };
        let before = Arc::new(values(20, &[(0, 1), (1, 2), (2, 3), (9, 9)]));
        let now = |versions: &[(i64, i64)], changed: &[(i64, u8)]| {
            let changed = changed.iter().map(|(stretch, place)| (*stretch, postings(&[*place, 0]))).collect();
            before.changed(changed, &versions.iter().copied().collect())
        };
        assert!(Arc::ptr_eq(&before, &now(&[(0, 10), (1, 20), (2, 15), (9, 9)], &[])), "nothing has changed");
        let now = now(&[(0, 10), (1, 21), (2, 23), (3, 22)], &[(2, 4), (3, 5)]);
        let expected = values(23, &[(0, 1), (2, 4), (3, 5)]);
        assert_eq!((now.version, &now.values), (expected.version, &expected.values), "1 has none any more, 9 has gone");
        let back = before.changed([(2, postings(&[7, 0]))].into(), &[(0, 10), (2, 15)].into());
        assert_eq!((back.version, &back.values), (15, &values(15, &[(2, 7)]).values), "set back, all is told anew");
    }

    #[test]
    fn values_of_words_that_begin_alike_are_joined() {
        let mut values = BTreeMap::new();
        for (stretch, place) in [(0, 1), (0, 5), (3, 4), (0, 1)] {
            add(&mut values, stretch, &[place, 0]).unwrap();
        }
        assert_eq!(values, [(0, postings(&[1, 0, 5, 0])), (3, postings(&[4, 0]))].into());
        assert!(add(&mut values, 0, &[1]).is_err());
    }
}
