//! The inverted index: term → tickets in which it occurs. Public texts and internal notes are separate, so that what a
//! requester cannot see cannot be found either.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use roaring::RoaringBitmap;

use super::{filters::AnyOf, gathered::Terms};
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

    /// Adds what was gathered.
    pub(super) fn take_in(&mut self, gathered: Terms) {
        for (term, tickets) in gathered.0 {
            if let Some(ids) = self.0.get_mut(term.as_str()) {
                ids.extend(tickets);
            } else {
                self.0.insert(term.into(), tickets.into_iter().collect());
            }
        }
    }

    /// Takes a ticket out of terms.
    pub(super) fn remove(&mut self, id: u32, gone: &BTreeSet<String>) {
        for term in gone {
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
    /// Filters that are passed by the tickets in whose visible texts every word occurs.
    pub(super) fn filters(&self, words: &Words, notes: bool) -> Vec<AnyOf<'_>> {
        let indexes: Vec<&Index> = std::iter::once(&self.public).chain(notes.then_some(&self.notes)).collect();
        let of_word = |word: &String| indexes.iter().filter_map(|index| index.0.get(word.as_str())).collect();
        let beginning = indexes.iter().flat_map(|index| index.with_prefix(&words.prefix)).collect();
        words.whole.iter().map(of_word).chain(std::iter::once(beginning)).collect()
    }
}
