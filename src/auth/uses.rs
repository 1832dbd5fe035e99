//! When sessions and tokens were used last, to the minute: who uses one many times at once writes it down once.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::types::{SessionId, Timestamp, TokenId};

/// The shortest time between two last-used times of a session or a token.
const SECONDS: i64 = 60;

/// More than so many are not kept without looking for those that are over.
const MOST: usize = 10_000;

/// What is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Used {
    /// A session.
    Session(SessionId),
    /// An API token.
    Token(TokenId),
}

/// The uses that this instance has written down within the last minute. Those who are under way then have read what was before.
#[derive(Debug, Default)]
pub struct Uses(Mutex<HashMap<Used, Timestamp>>);

impl Uses {
    /// Whether a use is to be written down, when the last one that has been read of was then. It counts as written down from here on.
    pub fn is_due(&self, of: Used, last: Option<Timestamp>, now: Timestamp) -> bool {
        let over = |at: Timestamp| at.plus_seconds(SECONDS) <= now;
        if !last.is_none_or(over) {
            return false;
        }
        let mut written = self.0.lock();
        if !written.get(&of).copied().is_none_or(over) {
            return false;
        }
        if written.len() >= MOST {
            written.retain(|_, at| !over(*at));
        }
        written.insert(of, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Used = Used::Session(SessionId(1));

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_use_is_written_once_a_minute_however_many_there_are_before_that_is_read() {
        let uses = Uses::default();
        assert!(!uses.is_due(SESSION, Some(at(100)), at(159)));
        assert_eq!((0..64).filter(|_| uses.is_due(SESSION, Some(at(100)), at(160))).count(), 1);
        assert!(uses.is_due(Used::Token(TokenId(1)), None, at(160)), "that is another thing");
        assert!(!uses.is_due(SESSION, Some(at(100)), at(219)));
        assert!(uses.is_due(SESSION, Some(at(100)), at(220)), "whatever became of the write before");
        assert!(!uses.is_due(SESSION, Some(at(220)), at(230)));
    }

    #[test]
    fn what_is_over_is_not_kept() {
        let uses = Uses::default();
        for id in 0..30_000 {
            assert!(uses.is_due(Used::Session(SessionId(id)), None, at(id)));
        }
        assert!(uses.0.lock().len() <= MOST);
    }
}
