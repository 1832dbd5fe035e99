//! How often the password of an account may be guessed, from wherever: a few times, then after waits that double.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::{
    auth::{model::Digest32, token::digest},
    types::Timestamp,
};

/// Failures after which no wait is due.
pub const FREE: u32 = 5;

/// The wait after the last free failure, in seconds; each further one doubles it.
const FIRST_WAIT: i64 = 5;

/// The longest wait, in seconds.
pub const LONGEST_WAIT: i64 = 15 * 60;

/// How long after the end of its last wait an account's failures are forgotten, in seconds.
const FORGOTTEN_AFTER: i64 = 60 * 60;

/// Accounts that are remembered at once.
const MOST: usize = 100_000;

#[derive(Debug, Clone, Copy)]
struct Record {
    failures: u32,
    until: Timestamp,
}

impl Record {
    fn is_forgotten(self, now: Timestamp) -> bool {
        self.until.plus_seconds(FORGOTTEN_AFTER) <= now
    }

    /// Seconds until the next try.
    fn wait(self, now: Timestamp) -> Result<(), u32> {
        let micros = self.until.as_micros() - now.as_micros();
        if micros <= 0 { Ok(()) } else { Err(u32::try_from((micros + 999_999) / 1_000_000).unwrap_or(u32::MAX)) }
    }
}

/// The account that somebody names, whether it exists or not, in the form in which it is remembered: what was typed there,
/// perhaps a password by mistake, is nowhere kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Named(Digest32);

impl Named {
    /// The account of this name or address, in any case.
    #[must_use]
    pub fn by(name: &str) -> Self {
        Self(digest(&name.trim().to_lowercase()))
    }
}

/// Failures by account.
#[derive(Debug)]
pub struct Accounts {
    records: Mutex<HashMap<Named, Record>>,
    most: usize,
}

impl Default for Accounts {
    fn default() -> Self {
        Self { records: Mutex::default(), most: MOST }
    }
}

impl Accounts {
    /// Whether a try is due.
    ///
    /// # Errors
    /// The seconds until it will be.
    pub fn may_try(&self, account: Named, now: Timestamp) -> Result<(), u32> {
        self.records.lock().get(&account).map_or(Ok(()), |record| record.wait(now))
    }

    /// Counts a failure. One that ends within a wait, because it ran beside those that led to it, is not told: of many
    /// guesses at once no more than the free ones get an answer.
    ///
    /// # Errors
    /// The seconds to wait, for a try that is not told how it ended.
    pub fn failed(&self, account: Named, now: Timestamp) -> Result<(), u32> {
        let mut records = self.records.lock();
        if records.len() >= self.most && !records.contains_key(&account) {
            forget_half(&mut records, now);
        }
        let fresh = Record { failures: 0, until: now };
        let record = records.entry(account).or_insert(fresh);
        record.wait(now)?;
        if record.is_forgotten(now) {
            *record = fresh;
        }
        record.failures = record.failures.saturating_add(1);
        let wait = record.failures.checked_sub(FREE).map_or(0, |over| (FIRST_WAIT << over.min(16)).min(LONGEST_WAIT));
        record.until = now.plus_seconds(wait);
        Ok(())
    }

    /// Forgets the failures of an account, whose password somebody knows.
    pub fn succeeded(&self, account: Named) {
        self.records.lock().remove(&account);
    }
}

/// Makes room: what is over goes, and if that is too little, the half with the fewest failures.
fn forget_half(records: &mut HashMap<Named, Record>, now: Timestamp) {
    let before = records.len();
    records.retain(|_, record| !record.is_forgotten(now));
    if records.len() > before / 2 {
        let mut all: Vec<_> = records.iter().map(|(account, record)| ((record.failures, record.until), *account)).collect();
        let middle = all.len() / 2;
        all.select_nth_unstable_by_key(middle, |(weight, _)| *weight);
        for (_, account) in &all[..=middle] {
            records.remove(account);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn five_are_free_then_waits_double_to_a_quarter_of_an_hour() {
        let (accounts, eva) = (Accounts::default(), Named::by("eva@example.com"));
        let mut now = 0;
        for _ in 1..FREE {
            assert_eq!(accounts.failed(eva, at(now)), Ok(()));
            assert_eq!(accounts.may_try(eva, at(now)), Ok(()));
        }
        for wait in [5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900] {
            assert_eq!(accounts.failed(eva, at(now)), Ok(()));
            assert_eq!(accounts.may_try(eva, at(now)), Err(wait));
            now += i64::from(wait);
            assert_eq!(accounts.may_try(eva, at(now - 1)), Err(1));
            assert_eq!(accounts.may_try(eva, at(now)), Ok(()));
        }
        assert_eq!(accounts.may_try(Named::by("tom@example.com"), at(0)), Ok(()), "others are free");
        accounts.succeeded(eva);
        for _ in 1..FREE {
            assert_eq!(accounts.failed(eva, at(now)), Ok(()));
        }
        assert_eq!(accounts.may_try(eva, at(now)), Ok(()), "who knows the password begins anew");
    }

    #[test]
    fn guesses_that_end_within_a_wait_are_not_told_and_do_not_extend_it() {
        let (accounts, eva) = (Accounts::default(), Named::by("eva@example.com"));
        let told = (0..100).filter(|_| accounts.failed(eva, at(0)).is_ok()).count();
        assert_eq!(told, 5);
        assert_eq!(accounts.may_try(eva, at(0)), Err(5));
    }

    #[test]
    fn failures_are_forgotten_in_the_end_and_names_are_compared_without_case() {
        let accounts = Accounts::default();
        for _ in 0..FREE {
            assert_eq!(accounts.failed(Named::by("eva@example.com"), at(0)), Ok(()));
        }
        assert_eq!(accounts.may_try(Named::by(" EVA@example.com "), at(0)), Err(5));
        assert_eq!(accounts.failed(Named::by("eva@example.com"), at(3_605)), Ok(()));
        assert_eq!(accounts.may_try(Named::by("eva@example.com"), at(3_605)), Ok(()));
    }

    #[test]
    fn memory_is_bounded_and_the_most_tried_are_remembered() {
        let accounts = Accounts { most: 100, ..Accounts::default() };
        let eva = Named::by("eva@example.com");
        for _ in 0..FREE {
            assert_eq!(accounts.failed(eva, at(0)), Ok(()));
        }
        for n in 0..5_000 {
            let _ = accounts.failed(Named::by(&format!("{n}@example.com")), at(0));
        }
        assert!(accounts.records.lock().len() <= 100);
        assert_eq!(accounts.may_try(eva, at(0)), Err(5));
    }
}
