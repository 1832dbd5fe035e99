//! What a group of commits does to the search index. A text is cut into its terms once for all that need them, before the lock is
//! taken; and a term is looked up in the index once for the whole group.

use std::collections::{BTreeSet, HashMap};

use super::projection::Effect;
use crate::tickets::{
    model::{Comment, Ticket},
    search::terms,
};

/// The terms of the texts that each effect has written, where they are others than before.
pub(super) struct Written(pub(super) Vec<Vec<String>>);

impl Written {
    pub(super) fn by(effects: &[Effect]) -> Self {
        Self(effects.iter().map(written).collect())
    }
}

fn written(effect: &Effect) -> Vec<String> {
    match effect {
        Effect::Ticket { before, after } if before.as_ref().is_none_or(|before| !has_same_texts(before, after)) => {
            terms(&after.title).chain(terms(&after.description)).collect()
        }
        Effect::Comment { before, after } if before.as_ref().is_none_or(|before| !has_same_text(before, after)) => text_of(after).collect(),
        Effect::Ticket { .. } | Effect::Comment { .. } | Effect::Gone(_) | Effect::People(_) => Vec::new(),
    }
}

/// Whether a ticket's own texts are the same.
pub(super) fn has_same_texts(one: &Ticket, other: &Ticket) -> bool {
    one.title == other.title && one.description == other.description
}

/// Whether a comment can be found by the same words.
pub(super) fn has_same_text(one: &Comment, other: &Comment) -> bool {
    present(one) == present(other) && one.is_internal == other.is_internal
}

/// The terms of a comment; a deleted one has none.
pub(super) fn text_of(comment: &Comment) -> impl Iterator<Item = String> + '_ {
    present(comment).into_iter().flat_map(terms)
}

fn present(comment: &Comment) -> Option<&str> {
    comment.deleted_at.is_none().then_some(comment.content.as_str())
}

/// Whether a ticket has a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Has {
    Yes,
    NoMore,
}

/// What becomes of an index: by term, the tickets that come to have it or have it no more, one after another.
#[derive(Debug, Default)]
pub(super) struct Moves(pub(super) HashMap<String, Vec<(u32, Has)>>);

impl Moves {
    /// A ticket has these terms from here on.
    pub(super) fn add(&mut self, id: u32, terms: Vec<String>) {
        self.note(id, terms, Has::Yes);
    }

    /// A ticket has these no more.
    pub(super) fn remove(&mut self, id: u32, gone: BTreeSet<String>) {
        self.note(id, gone, Has::NoMore);
    }

    fn note(&mut self, id: u32, terms: impl IntoIterator<Item = String>, has: Has) {
        for term in terms {
            let moves = self.0.entry(term).or_default();
            if moves.last() != Some(&(id, has)) {
                moves.push((id, has));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::terms::Index, *};

    #[test]
    fn each_term_is_as_the_last_commit_of_the_group_left_it() {
        let term = |term: &str| term.to_owned();
        let mut index = Index::default();
        let mut before = Moves::default();
        before.add(1, vec![term("mail"), term("slow"), term("slow")]);
        before.add(2, vec![term("slow")]);
        index.follow(before);
        let mut moves = Moves::default();
        moves.remove(1, [term("mail"), term("slow")].into());
        moves.add(1, vec![term("fire"), term("slow")]);
        moves.remove(1, [term("fire")].into());
        index.follow(moves);
        let found: Vec<(&str, Vec<u32>)> = index.0.iter().map(|(term, ids)| (&**term, ids.iter().collect())).collect();
        assert_eq!(found, [("slow", vec![1, 2])], "a term that no ticket has is not kept");
    }
}
