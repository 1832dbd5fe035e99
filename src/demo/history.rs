//! The history of a whole desk: the plans of all requests, merged into one stream that runs forward in time. Only the
//! requests under way are held, however long the history is.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use fastrand::Rng;

use super::{
    calendar::Calendar,
    plan::{Opening, Step, plan},
};
use crate::types::Timestamp;

/// Of a hundred requests that came in less than so many hours before the end, how many nobody has looked at yet.
const UNTOUCHED: [(i64, u8); 4] = [(8, 70), (24, 50), (72, 25), (240, 8)];

/// Something that happens at the desk.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) at: Timestamp,
    /// Which request, counted from 0 in the order in which they come in.
    pub(super) number: u64,
    pub(super) what: What,
    /// Whether nothing more happens to it.
    pub(super) last: bool,
}

/// What happens.
#[derive(Debug, Clone)]
pub(super) enum What {
    /// A request comes in.
    Opens(Box<Opening>),
    /// Something becomes of it.
    Goes(Step),
}

/// All events, oldest first.
#[derive(Debug)]
pub(super) struct History {
    rng: Rng,
    calendar: Calendar,
    until: i64,
    /// Requests of each day.
    counts: Vec<u64>,
    day: usize,
    /// The rest of the day's arrivals, the next one last.
    arrivals: Vec<i64>,
    number: u64,
    /// When the next step of a request is due.
    due: BinaryHeap<Reverse<(i64, u64)>>,
    /// The steps that are left of each request, the next one last.
    steps: BTreeMap<u64, Vec<(i64, Step)>>,
}

impl History {
    pub(super) fn new(tickets: u64, seed: u64, until: Timestamp, calendar: Calendar) -> Self {
        let mut rng = Rng::with_seed(seed);
        let counts = calendar.counts(tickets, &mut rng);
        Self {
            rng,
            calendar,
            until: until.as_micros(),
            counts,
            day: 0,
            arrivals: Vec::new(),
            number: 0,
            due: BinaryHeap::new(),
            steps: BTreeMap::new(),
        }
    }

    /// When the next request comes in.
    fn next_arrival(&mut self) -> Option<i64> {
        while self.arrivals.is_empty() {
            let count = *self.counts.get(self.day)?;
            self.arrivals = self.calendar.arrivals(self.day, count, &mut self.rng);
            self.arrivals.reverse();
            self.day += 1;
        }
        self.arrivals.last().copied()
    }

    /// Whether a request is still waiting for somebody to take it: the newest often are, an older one has been overlooked.
    fn waits(&mut self, at: i64) -> bool {
        let age = self.until.saturating_sub(at) / 3_600_000_000;
        UNTOUCHED.iter().find(|(hours, _)| age < *hours).is_some_and(|(_, percent)| self.rng.u8(0..100) < *percent)
    }

    fn opens(&mut self, at: i64) -> Event {
        self.arrivals.pop();
        let number = self.number;
        self.number += 1;
        let mut plan = plan(&mut self.rng, &self.calendar, at);
        plan.steps.retain(|(then, _)| *then <= self.until);
        if self.waits(at) {
            plan.steps.clear();
        }
        plan.steps.reverse();
        let last = plan.steps.is_empty();
        if let Some((then, _)) = plan.steps.last() {
            self.due.push(Reverse((*then, number)));
            self.steps.insert(number, plan.steps);
        }
        Event { at: Timestamp::from_micros(at), number, what: What::Opens(Box::new(plan.opening)), last }
    }

    fn goes(&mut self, number: u64) -> Option<Event> {
        self.due.pop();
        let left = self.steps.get_mut(&number)?;
        let (at, step) = left.pop()?;
        let next = left.last().map(|(then, _)| *then);
        match next {
            Some(then) => self.due.push(Reverse((then, number))),
            None => drop(self.steps.remove(&number)),
        }
        Some(Event { at: Timestamp::from_micros(at), number, what: What::Goes(step), last: next.is_none() })
    }
}

impl Iterator for History {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let arrival = self.next_arrival();
        let due = self.due.peek().map(|Reverse(due)| *due);
        match (arrival, due) {
            (Some(at), Some((then, number))) if then < at => {
                let _ = at;
                self.goes(number)
            }
            (Some(at), _) => Some(self.opens(at)),
            (None, Some((_, number))) => self.goes(number),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use jiff::tz::TimeZone;

    use super::*;

    fn history(tickets: u64, seed: u64) -> History {
        let until = "2026-11-25T11:30:00Z".parse().unwrap();
        History::new(tickets, seed, until, Calendar::up_to(until, &TimeZone::UTC).unwrap())
    }

    #[test]
    fn it_runs_forward_in_time_and_each_request_once_to_its_end() {
        let (mut before, mut opened, mut ended) = (Timestamp::MIN, 0, 0);
        let mut lives: HashMap<u64, Timestamp> = HashMap::new();
        for event in history(2_000, 5) {
            assert!(before <= event.at && event.at <= "2026-11-25T11:30:00Z".parse().unwrap());
            before = event.at;
            match event.what {
                What::Opens(_) => {
                    assert_eq!(event.number, opened);
                    opened += 1;
                    lives.insert(event.number, event.at);
                }
                What::Goes(_) => assert!(lives.insert(event.number, event.at).expect("it was opened and goes on") < event.at),
            }
            if event.last {
                lives.remove(&event.number);
                ended += 1;
            }
        }
        assert_eq!((opened, ended, lives.len()), (2_000, 2_000, 0));
    }

    #[test]
    fn a_seed_always_gives_the_same_history_and_another_one_another() {
        let told = |seed| format!("{:?}", history(60, seed).collect::<Vec<_>>());
        assert_eq!(told(7), told(7));
        assert_ne!(told(7), told(8));
    }

    #[test]
    fn of_the_newest_requests_some_wait_for_somebody_to_take_them() {
        let until: Timestamp = "2026-11-25T11:30:00Z".parse().unwrap();
        let (mut recent, mut waiting, mut overlooked) = (0, 0, 0);
        for event in history(20_000, 3) {
            let hours = (until.as_micros() - event.at.as_micros()) / 3_600_000_000;
            if !matches!(event.what, What::Opens(_)) || hours >= 240 {
                continue;
            }
            recent += 1;
            waiting += usize::from(event.last);
            overlooked += usize::from(event.last && hours >= 24);
        }
        let percent = waiting * 100 / recent;
        assert!((15..=25).contains(&percent), "{percent} % of {recent}");
        assert!(overlooked > 0);
    }

    #[test]
    fn only_what_is_under_way_is_held() {
        let mut history = history(20_000, 1);
        let mut most = 0;
        while history.next().is_some() {
            most = most.max(history.steps.len());
        }
        assert!(most < 5_000, "{most}");
    }
}
