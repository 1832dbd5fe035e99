//! The inverted index: term → tickets in which it occurs. Public texts and internal notes are separate, so that what a
//! requester cannot see cannot be found either.

use std::{collections::BTreeMap, ops::Bound};

use roaring::RoaringBitmap;

use super::{
    filters::AnyOf,
    moves::{Has, Moves},
};
use crate::tickets::search::Words;

/// One index.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Index(pub(super) BTreeMap<Box<str>, RoaringBitmap>);

impl Index {
    /// Follows a group of commits, or takes in what was read from the rows.
    pub(super) fn follow(&mut self, moves: Moves) {
        for (term, moves) in moves.0 {
            let ids = match self.0.get_mut(term.as_str()) {
                Some(ids) => ids,
                None => self.0.entry(term.as_str().into()).or_default(),
            };
            for alike in moves.chunk_by(|(_, one), (_, next)| one == next) {
                let tickets = alike.iter().map(|(id, _)| *id);
                if matches!(alike, [(_, Has::Yes), ..]) {
                    ids.extend(tickets);
                } else {
                    tickets.for_each(|id| _ = ids.remove(id));
                }
            }
            if ids.is_empty() {
                self.0.remove(term.as_str());
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
    /// Follows what becomes of both.
    pub(super) fn follow(&mut self, public: Moves, notes: Moves) {
        self.public.follow(public);
        self.notes.follow(notes);
    }

    /// Forgets the texts of these tickets.
    pub(super) fn forget(&mut self, tickets: &RoaringBitmap) {
        if !tickets.is_empty() {
            self.public.forget(tickets);
            self.notes.forget(tickets);
        }
    }

    /// Filters that are passed by the tickets in whose visible texts every word occurs.
    pub(super) fn filters(&self, words: &Words, notes: bool) -> Vec<AnyOf<'_>> {
        let indexes: Vec<&Index> = std::iter::once(&self.public).chain(notes.then_some(&self.notes)).collect();
        let of_word = |word: &String| indexes.iter().filter_map(|index| index.0.get(word.as_str())).collect();
        let beginning = indexes.iter().flat_map(|index| index.with_prefix(&words.prefix)).collect();
        words.whole.iter().map(of_word).chain(std::iter::once(beginning)).collect()
    }
}
