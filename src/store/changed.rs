//! What has changed in lists since when, so that a page of one can be told to be as it was although something else has changed. Most of what a
//! desk commits are comments, and of all lists those only that ask for their words, or go by the time of updates, are others after one.
//! Both stores tell it of what they commit or find committed.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

use crate::{
    analytics::figures::Standing,
    tickets::{
        query::{SortBy, TicketQuery},
        search::Words,
    },
};

/// So many tickets and words it is remembered of when they changed last; beyond that, everything counts as changed.
const MOST_TICKETS: usize = 4_096;
const MOST_WORDS: usize = 8_192;
/// So many words are looked at in what is told at a time.
pub(super) const MOST_WORDS_AT_ONCE: usize = 4_096;

/// How far a change shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shows {
    /// In no list.
    Nowhere,
    /// Where its ticket is shown, or its words are asked for, or the time of updates.
    There,
    /// Also in lists that go by what is due.
    Dues,
    /// Any ticket may have come to belong to any list, or to another place in it.
    Places,
    /// In all of what lists show; they show names, too.
    Everywhere,
}

/// What has changed. States have numbers that grow.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// The last state in which anything has.
    last: u64,
    /// The last ones in which something else may have come to be due, and in which tickets may have moved.
    dues: u64,
    places: u64,
    /// The state in which a ticket changed last, of those that have changed since `since`.
    tickets: HashMap<i64, u64>,
    /// The same of the words of comments.
    words: BTreeMap<String, u64>,
    /// The state before which it is not known.
    since: u64,
}

impl Changed {
    /// Notes what is other in this state than in the one before: these tickets, and comments with these words.
    pub(super) fn note(&mut self, now: u64, shows: Shows, tickets: impl IntoIterator<Item = i64>, words: impl IntoIterator<Item = String>) {
        if shows == Shows::Nowhere {
            return;
        }
        self.last = now;
        if shows >= Shows::Dues {
            self.dues = now;
        }
        if shows >= Shows::Places {
            self.places = now;
        }
        let mut words = words.into_iter();
        if shows < Shows::Everywhere {
            self.tickets.extend(tickets.into_iter().map(|id| (id, now)));
            self.words.extend(words.by_ref().take(MOST_WORDS_AT_ONCE).map(|word| (word, now)));
        }
        if shows == Shows::Everywhere || words.next().is_some() || self.tickets.len() > MOST_TICKETS || self.words.len() > MOST_WORDS {
            self.tickets.clear();
            self.words.clear();
            self.since = now;
        }
    }

    /// Whether a ticket is as it was in this state.
    pub(super) fn ticket_is_still(&self, state: u64, ticket: i64) -> bool {
        self.last <= state || self.has_kept(state, [ticket])
    }

    /// Whether a list that was found in this state has the same tickets in the same order, and these among them are as they were. (A ticket's
    /// comments are counted in it.)
    pub(super) fn list_is_still(&self, state: u64, query: &TicketQuery, shown: impl IntoIterator<Item = i64>) -> bool {
        self.last <= state
            || self.places <= state
                && !query.goes_by_updates()
                && (self.dues <= state || query.sort.by != SortBy::DueAt && query.overdue_at.is_none())
                && query.words.as_ref().is_none_or(|words| self.has_kept_words(state, words))
                && self.has_kept(state, shown)
    }

    fn has_kept(&self, state: u64, tickets: impl IntoIterator<Item = i64>) -> bool {
        let changed = |id| self.tickets.get(&id).is_some_and(|at| *at > state);
        state >= self.since && !tickets.into_iter().any(changed)
    }

    /// Whether no comment with one of these words has come, changed or gone after this state.
    fn has_kept_words(&self, state: u64, words: &Words) -> bool {
        let whole = |word: &String| self.words.get(word).is_some_and(|at| *at > state);
        let from = self.words.range::<str, _>((Bound::Included(words.prefix.as_str()), Bound::Unbounded));
        let mut begun = from.take_while(|(word, _)| word.starts_with(&words.prefix));
        state >= self.since && !words.whole.iter().any(whole) && !begun.any(|(_, at)| *at > state)
    }
}

/// Whether a ticket of the same texts, tags and requester belongs to the same lists at the same places, but for when it was updated and what is due.
pub(super) fn has_same_place(before: &Standing, now: &Standing) -> bool {
    let place = |of: &Standing| {
        let Standing { created_at, status, priority, assigned_agent_id, deleted, .. } = *of;
        (created_at, status, priority, assigned_agent_id, deleted)
    };
    place(before) == place(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        tickets::query::{Scope, Sort},
        types::Timestamp,
    };

    fn words<const N: usize>(words: [&str; N]) -> [String; N] {
        words.map(str::to_owned)
    }

    fn all() -> TicketQuery {
        TicketQuery::all(Scope::All)
    }

    fn searched(typed: &str) -> TicketQuery {
        TicketQuery { words: Words::parse(typed), ..all() }
    }

    #[test]
    fn what_has_not_changed_is_as_it_was() {
        let mut changed = Changed::default();
        changed.note(5, Shows::There, [1, 2], words(["printer"]));
        changed.note(7, Shows::There, [2], words(["vpn"]));
        let kept = |state| [&[1, 3][..], &[2], &[]].map(|shown| changed.list_is_still(state, &all(), shown.iter().copied()));
        assert_eq!([4, 5, 6, 7].map(kept), [[false, false, true], [true, false, true], [true, false, true], [true, true, true]]);
        assert_eq!([4, 5, 7].map(|state| changed.ticket_is_still(state, 1)), [false, true, true]);
        let found = |state| {
            ["printer x", "x printers", "x pr", "x vpns", "vpn vp", "v"].map(|typed| changed.list_is_still(state, &searched(typed), []))
        };
        assert_eq!(found(4), [false, true, false, true, false, false]);
        assert_eq!(found(5), [true, true, true, true, false, false]);
        assert_eq!(found(7), [true; 6]);
    }

    #[test]
    fn a_list_is_another_one_when_what_it_goes_by_has_changed() {
        let sorted = |by| TicketQuery { sort: Sort { by, descending: false }, ..all() };
        let lists = [
            all(),
            sorted(SortBy::Priority),
            sorted(SortBy::DueAt),
            TicketQuery { overdue_at: Some(Timestamp::from_micros(1)), ..all() },
            sorted(SortBy::UpdatedAt),
            TicketQuery { updated_before: Some(Timestamp::from_micros(1)), ..all() },
            TicketQuery { updated_after: Some(Timestamp::from_micros(1)), ..all() },
        ];
        for (shows, still) in [
            (Shows::Nowhere, [true; 7]),
            (Shows::There, [true, true, true, true, false, false, false]),
            (Shows::Dues, [true, true, false, false, false, false, false]),
            (Shows::Places, [false; 7]),
            (Shows::Everywhere, [false; 7]),
        ] {
            let mut changed = Changed::default();
            changed.note(3, shows, [1], []);
            assert_eq!(lists.each_ref().map(|query| changed.list_is_still(2, query, [2])), still, "{shows:?}");
            assert_eq!(lists.each_ref().map(|query| changed.list_is_still(3, query, [1])), [true; 7], "{shows:?}");
            assert_eq!(changed.ticket_is_still(2, 2), shows < Shows::Everywhere, "{shows:?}");
        }
    }

    #[test]
    fn what_has_been_forgotten_may_have_changed() {
        let mut changed = Changed::default();
        let kept = |changed: &Changed, state| changed.ticket_is_still(state, 1) && changed.list_is_still(state, &searched("vpn"), []);
        changed.note(3, Shows::There, (10..).take(MOST_TICKETS), []);
        assert!(kept(&changed, 2));
        changed.note(4, Shows::There, [9], []);
        assert!(!kept(&changed, 3));
        changed.note(5, Shows::There, [9], []);
        assert!(kept(&changed, 4) && !changed.ticket_is_still(4, 9));
        let many = |count: usize| (0..count).map(|n| n.to_string());
        changed.note(6, Shows::There, [], many(MOST_WORDS_AT_ONCE));
        assert!(kept(&changed, 5));
        changed.note(7, Shows::There, [], many(MOST_WORDS_AT_ONCE + 1));
        assert!(!kept(&changed, 6));
        for round in 0..=MOST_WORDS / MOST_WORDS_AT_ONCE {
            let state = 8 + u64::try_from(round).unwrap();
            changed.note(state, Shows::There, [], many(MOST_WORDS_AT_ONCE).map(|word| format!("{round}x{word}")));
        }
        assert!(!kept(&changed, 7));
    }
}
