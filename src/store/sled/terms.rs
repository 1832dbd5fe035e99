//! The inverted index: term → tickets in which it occurs. Public texts and internal notes are separate, so that what a
//! requester cannot see cannot be found either.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use roaring::{MultiOps, RoaringBitmap};

use crate::tickets::search::{Words, terms};

/// One index.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Index(pub(super) BTreeMap<Box<str>, RoaringBitmap>);

impl Index {
    pub(super) fn add(&mut self, id: u32, text: &str) {
        for term in terms(text) {
            if let Some(ids) = self.0.get_mut(term.as_str()) {
                ids.insert(id);
            } else {
                self.0.insert(term.into(), RoaringBitmap::from_iter([id]));
            }
        }
    }

    /// Takes a ticket out of the terms of `old` that none of its present texts has.
    pub(super) fn remove(&mut self, id: u32, old: &str, present: &BTreeSet<String>) {
        for term in terms(old).filter(|term| !present.contains(term)) {
            if let Some(ids) = self.0.get_mut(term.as_str()) {
                ids.remove(id);
                if ids.is_empty() {
                    self.0.remove(term.as_str());
                }
            }
        }
    }

    /// Takes tickets out of every term.
    pub(super) fn forget(&mut self, tickets: &RoaringBitmap) {
        self.0.retain(|_, ids| {
            *ids -= tickets;
            !ids.is_empty()
        });
    }

    fn with_prefix<'a, 'p>(&'a self, prefix: &'p str) -> impl Iterator<Item = &'a RoaringBitmap> + use<'a, 'p> {
        self.0
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(move |(term, _)| term.starts_with(prefix))
            .map(|(_, ids)| ids)
    }
}

/// Both indexes.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Search {
    /// Titles, descriptions, public comments.
    pub(super) public: Index,
    /// Internal notes.
    pub(super) notes: Index,
}

impl Search {
    /// The tickets in whose visible texts every word occurs.
    pub(super) fn find(&self, words: &Words, notes: bool) -> Cow<'_, RoaringBitmap> {
        let indexes: Vec<&Index> = std::iter::once(&self.public).chain(notes.then_some(&self.notes)).collect();
        let of_word = |word: &String| indexes.iter().filter_map(|index| index.0.get(word.as_str())).collect();
        let mut whole: Vec<Vec<&RoaringBitmap>> = words.whole.iter().map(of_word).collect();
        // The rarest word first, since only what is left of it can still count.
        whole.sort_by_cached_key(|sets| sets.iter().map(|ids| ids.len()).sum::<u64>());
        let mut found: Option<Cow<'_, RoaringBitmap>> = None;
        for sets in whole {
            let left = within(found.as_deref(), sets.into_iter());
            if left.is_empty() {
                return left;
            }
            found = Some(left);
        }
        within(found.as_deref(), indexes.iter().flat_map(|index| index.with_prefix(&words.prefix)))
    }
}

/// What is in one of the sets, and in `found` if there is such a set.
fn within<'a>(found: Option<&RoaringBitmap>, sets: impl Iterator<Item = &'a RoaringBitmap>) -> Cow<'a, RoaringBitmap> {
    match found {
        Some(found) => Cow::Owned(sets.map(|ids| found & ids).union()),
        None => union(sets),
    }
}

/// What is in one of the sets; a single one is not copied.
pub(super) fn union<'a>(sets: impl IntoIterator<Item = &'a RoaringBitmap>) -> Cow<'a, RoaringBitmap> {
    let mut sets = sets.into_iter().peekable();
    let Some(first) = sets.next() else { return Cow::Owned(RoaringBitmap::new()) };
    if sets.peek().is_none() {
        return Cow::Borrowed(first);
    }
    Cow::Owned(std::iter::once(first).chain(sets).union())
}
