//! Failed sign-ins, counted so that a guesser cannot flood the log: one entry a minute for an account and an address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{
    activity::model::{Action, ActorRef, NewEntry},
    app::App,
    auth::model::Via,
    error::AppError,
    store::Changes,
    types::{Timestamp, UserId},
};

/// The shortest time between two entries of one account and address.
const WINDOW_SECONDS: i64 = 60;

/// Pairs that are told apart at once; what comes beyond is counted together.
const MOST_PAIRS: usize = 10_000;

/// Who was tried, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Pair {
    /// None for addresses that have no account, so that what was typed there is nowhere kept.
    user: Option<UserId>,
    /// Unspecified for the pairs that are counted together.
    address: IpAddr,
}

const OTHERS: Pair = Pair { user: None, address: IpAddr::V4(Ipv4Addr::UNSPECIFIED) };

#[derive(Debug, Clone, Copy)]
struct Window {
    written_at: Timestamp,
    unwritten: i64,
}

/// Failed sign-ins that have no entry yet.
#[derive(Debug, Default)]
pub struct FailedLogins(Mutex<HashMap<Pair, Window>>);

impl FailedLogins {
    /// Counts a failure; an entry to write when the last one for this account and address is a minute old.
    #[must_use]
    pub fn note(&self, user: Option<UserId>, address: IpAddr, now: Timestamp) -> Option<Changes> {
        let mut windows = self.0.lock();
        let mut pair = Pair { user, address };
        if !windows.contains_key(&pair) && windows.len() >= MOST_PAIRS {
            windows.retain(|_, window| !(window.is_over(now) && window.unwritten == 0));
            if windows.len() >= MOST_PAIRS {
                pair = OTHERS;
            }
        }
        let fresh = Window { written_at: Timestamp::MIN, unwritten: 0 };
        let window = windows.entry(pair).or_insert(fresh);
        window.unwritten += 1;
        window.take(now).map(|count| Changes::new().log(entry(pair, count, now)))
    }

    /// The entries of failures that were only counted and whose minute is over; with [`Timestamp::MAX`] as `now` of all
    /// of them. `at` is the time of the entries.
    #[must_use]
    pub fn due(&self, now: Timestamp, at: Timestamp) -> Changes {
        let mut windows = self.0.lock();
        let mut changes = Changes::new();
        for (pair, window) in windows.iter_mut().filter(|(_, window)| window.unwritten > 0) {
            if let Some(count) = window.take(now) {
                changes = changes.log(entry(*pair, count, at));
            }
        }
        windows.retain(|_, window| !window.is_over(now));
        changes
    }
}

/// Writes the entries of counted failures that are due at `due`.
///
/// # Errors
/// The storage's.
pub async fn write_due(app: &App, due: Timestamp) -> Result<(), AppError> {
    let changes = app.failed_logins.due(due, app.now());
    if !changes.is_empty() {
        app.store.commit(changes).await?;
    }
    Ok(())
}

impl Window {
    fn is_over(&self, now: Timestamp) -> bool {
        self.written_at.plus_seconds(WINDOW_SECONDS) <= now
    }

    fn take(&mut self, now: Timestamp) -> Option<i64> {
        if !self.is_over(now) {
            return None;
        }
        self.written_at = now;
        Some(std::mem::take(&mut self.unwritten))
    }
}

fn entry(pair: Pair, count: i64, at: Timestamp) -> NewEntry {
    let address = if pair == OTHERS { "various".to_owned() } else { pair.address.to_string() };
    let stranger = ActorRef { id: None, name: "stranger".into(), via: Via::Session };
    let entry = NewEntry::new(Action::UserLoginFailed, stranger, at).changed("count", Value::Null, json!(count)).changed(
        "address",
        Value::Null,
        json!(address),
    );
    match pair.user {
        Some(id) => entry.about_user(id),
        None => entry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(changes: &Changes) -> i64 {
        changes.log.iter().map(|entry| entry.changes["count"][1].as_i64().unwrap()).sum()
    }

    #[test]
    fn one_entry_a_minute_tells_of_all_failures() {
        let (failures, start) = (FailedLogins::default(), Timestamp::from_micros(0));
        let note = |seconds| failures.note(Some(UserId(1)), IpAddr::from([10, 0, 0, 1]), start.plus_seconds(seconds));
        assert_eq!(count(&note(0).unwrap()), 1);
        for second in 1..60 {
            assert!(note(second).is_none());
        }
        assert_eq!(count(&note(60).unwrap()), 60);
        assert!(note(61).is_none());
        assert!(failures.due(start.plus_seconds(119), start).log.is_empty());
        assert_eq!(count(&failures.due(start.plus_seconds(120), start)), 1, "counted failures get their entry without another one");
        assert!(note(150).is_none());
        assert_eq!(count(&failures.due(Timestamp::MAX, start)), 1, "all of them, at the end");
        assert!(failures.0.lock().is_empty());
    }

    #[test]
    fn accounts_and_addresses_are_told_apart_until_there_are_too_many() {
        let (failures, now) = (FailedLogins::default(), Timestamp::from_micros(0));
        let from = |n: u32| IpAddr::from(n.to_be_bytes());
        assert!(failures.note(None, from(1), now).is_some());
        assert!(failures.note(Some(UserId(1)), from(1), now).is_some());
        assert!(failures.note(Some(UserId(1)), from(2), now).is_some());
        for n in 0..20_000 {
            let _ = failures.note(None, from(1_000 + n), now);
        }
        assert_eq!(failures.0.lock().len(), MOST_PAIRS + 1);
        let others = failures.due(now.plus_seconds(60), now);
        assert_eq!(others.log.len(), 1);
        assert_eq!(others.log[0].changes["address"][1], "various");
        assert_eq!(count(&others), 20_000 - (10_000 - 3) - 1);
    }
}
