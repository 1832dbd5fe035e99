//! Turns for those who lost a race: many losers of one row would else make each other lose again. Losers of different rows do
//! not wait for each other.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
};

use tokio::sync::{Mutex, MutexGuard};

use crate::store::{Changes, Write};

/// How many turns there are. Rows share them, so that they need no cleaning up.
const TURNS: u64 = 256;

/// One turn for each row, or nearly so.
#[derive(Debug)]
pub(super) struct Turns {
    of: Vec<Mutex<()>>,
    hasher: RandomState,
}

/// Which turns somebody needs; each only once, and in an order that is the same for all.
pub(super) type Needed = BTreeSet<usize>;

impl Default for Turns {
    fn default() -> Self {
        Self { of: (0..TURNS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }
}

impl Turns {
    /// The turns of all rows on which a commit depends.
    pub(super) fn needed(&self, changes: &Changes) -> Needed {
        let written = changes.writes.iter().map(|write| match write {
            Write::Put(row, _) => row.key(),
            Write::Delete(key, _) => key.clone(),
        });
        let guarded = changes.guards.iter().map(|(key, _)| key.clone());
        written.chain(guarded).map(|key| usize::try_from(self.hasher.hash_one(&key) % TURNS).unwrap_or(0)).collect()
    }

    /// Waits until nobody else has any of these turns. They are taken in order, so that no two wait for each other.
    pub(super) async fn take(&self, needed: &Needed) -> Vec<MutexGuard<'_, ()>> {
        let mut taken = Vec::with_capacity(needed.len());
        for turn in needed {
            taken.push(self.of[*turn].lock().await);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::{
        store::{Expect, RowKey},
        types::TicketId,
    };

    fn of(tickets: &[i64]) -> Changes {
        tickets.iter().fold(Changes::new(), |changes, id| changes.guard(RowKey::Ticket(TicketId(*id)), 1))
    }

    /// Another ticket than the first, whose turn is another one.
    fn elsewhere(turns: &Turns) -> i64 {
        (2..1_000).find(|id| turns.needed(&of(&[*id])).is_disjoint(&turns.needed(&of(&[1])))).unwrap()
    }

    #[test]
    fn losers_of_one_row_take_turns_and_others_do_not_wait() {
        let turns = Turns::default();
        let other = elsewhere(&turns);
        let first = turns.take(&turns.needed(&of(&[1]))).now_or_never().unwrap();
        assert!(turns.take(&turns.needed(&of(&[1]))).now_or_never().is_none(), "it is somebody's");
        assert!(turns.take(&turns.needed(&of(&[other, 1]))).now_or_never().is_none(), "one of two is");
        assert!(turns.take(&turns.needed(&of(&[other]))).now_or_never().is_some(), "another row's is free");
        drop(first);
        assert_eq!(turns.take(&turns.needed(&of(&[1, other, 1]))).now_or_never().unwrap().len(), 2, "each is taken once");
    }

    #[test]
    fn rows_that_are_written_and_those_that_are_guarded_have_the_same_turn() {
        let turns = Turns::default();
        let written = Changes::new().delete(RowKey::Ticket(TicketId(1)), Expect::Any);
        assert_eq!(turns.needed(&written), turns.needed(&of(&[1])));
        assert!(turns.needed(&Changes::new()).is_empty());
    }
}
