//! Which tickets and words have changed since when, so that a page of a list can be told to be as it was although something else has changed.
//! Both stores tell it of what they commit or find committed.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

use crate::tickets::search::Words;

/// So many tickets and words it is remembered of when they changed last; beyond that, all count as changed.
pub(super) const MOST_TICKETS: usize = 4_096;
const MOST_WORDS: usize = 32_768;

/// What has changed. States have numbers that grow.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// The state in which a ticket changed last, of those that have changed since `since`.
    tickets: HashMap<i64, u64>,
    /// The same of the words of comments.
    words: BTreeMap<String, u64>,
    /// The state before which it is not known.
    since: u64,
}

impl Changed {
    /// Notes what is other in this state than in the one before.
    pub(super) fn note(&mut self, now: u64, tickets: impl IntoIterator<Item = i64>, words: impl IntoIterator<Item = String>) {
        self.tickets.extend(tickets.into_iter().map(|id| (id, now)));
        self.words.extend(words.into_iter().map(|word| (word, now)));
        if self.tickets.len() > MOST_TICKETS || self.words.len() > MOST_WORDS {
            self.all(now);
        }
    }

    /// Anything may be other in this state.
    pub(super) fn all(&mut self, now: u64) {
        self.tickets.clear();
        self.words.clear();
        self.since = now;
    }

    /// Whether none of these tickets has changed after this state.
    pub(super) fn has_kept(&self, state: u64, tickets: impl IntoIterator<Item = i64>) -> bool {
        let changed = |id| self.tickets.get(&id).is_some_and(|at| *at > state);
        state >= self.since && !tickets.into_iter().any(changed)
    }

    /// Whether no comment with one of these words has come, changed or gone after this state.
    pub(super) fn has_kept_words(&self, state: u64, words: &Words) -> bool {
        let whole = |word: &String| self.words.get(word).is_some_and(|at| *at > state);
        let from = self.words.range::<str, _>((Bound::Included(words.prefix.as_str()), Bound::Unbounded));
        let mut begun = from.take_while(|(word, _)| word.starts_with(&words.prefix));
        state >= self.since && !words.whole.iter().any(whole) && !begun.any(|(_, at)| *at > state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words<const N: usize>(words: [&str; N]) -> [String; N] {
        words.map(str::to_owned)
    }

    #[test]
    fn what_has_not_changed_is_as_it_was() {
        let mut changed = Changed::default();
        changed.note(5, [1, 2], words(["printer"]));
        changed.note(7, [2], words(["vpn"]));
        let kept = |state| [changed.has_kept(state, [1, 3]), changed.has_kept(state, [2]), changed.has_kept(state, [])];
        assert_eq!([4, 5, 6, 7].map(kept), [[false, false, true], [true, false, true], [true, false, true], [true, true, true]]);
        let searched = |state| {
            ["printer x", "x printers", "x pr", "x vpns", "vpn vp", "v"]
                .map(|typed| changed.has_kept_words(state, &Words::parse(typed).unwrap()))
        };
        assert_eq!(searched(4), [false, true, false, true, false, false]);
        assert_eq!(searched(5), [true, true, true, true, false, false]);
        assert_eq!(searched(7), [true; 6]);
    }

    #[test]
    fn what_has_been_forgotten_may_have_changed() {
        let mut changed = Changed::default();
        changed.note(3, (10..).take(MOST_TICKETS), []);
        assert!(changed.has_kept(2, [1]));
        changed.note(4, [9], []);
        assert!(!changed.has_kept(3, [1]) && !changed.has_kept_words(3, &Words::parse("vpn").unwrap()));
        changed.note(5, [9], []);
        assert!(changed.has_kept(4, [1]) && !changed.has_kept(4, [9]));
        changed.note(6, [], (0..=MOST_WORDS).map(|n| n.to_string()));
        assert!(!changed.has_kept(5, [1]) && changed.has_kept(6, [1]));
    }
}
