//! Dashboards that were made already. Many people look at the same one again and again, and most of what an answer costs is
//! to work it out and to write it; so it is kept together with everything that it was made from, and given again for as long
//! as all of that reads the same.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;

use super::model::{Counters, Names, Window};
use crate::types::UserId;

/// As many windows as people choose from, and a few more.
const MOST: usize = 8;

/// A dashboard as JSON, and what it was made from.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) window: Window,
    pub(super) counters: Counters,
    pub(super) agents: Vec<UserId>,
    pub(super) names: Names,
    pub(super) json: Bytes,
}

/// The newest dashboard of each window, those last made at the end.
#[derive(Debug, Default)]
pub struct Dashboards(Mutex<VecDeque<Arc<Made>>>);

impl Dashboards {
    /// The one that was made from these counters; whether the names are still the same is for the caller to see.
    pub(super) fn of(&self, window: Window, counters: &Counters) -> Option<Arc<Made>> {
        let made = self.0.lock().iter().find(|made| made.window == window).cloned();
        made.filter(|made| made.counters == *counters)
    }

    pub(super) fn keep(&self, made: Made) {
        let mut all = self.0.lock();
        all.retain(|other| other.window != made.window);
        all.push_back(Arc::new(made));
        if all.len() > MOST {
            all.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analytics::{
            figures::{Amount, Key, Kind},
            model::Days,
        },
        types::Timestamp,
    };

    fn made(window: Window, tickets: i64) -> Made {
        Made { window, counters: counters(tickets), agents: Vec::new(), names: Names::new(), json: tickets.to_string().into() }
    }

    fn counters(tickets: i64) -> Counters {
        Counters::new(vec![(Key { kind: Kind::Tickets, at: 0, of: 0 }, Amount { tickets, micros: 0 })])
    }

    #[test]
    fn a_dashboard_is_given_again_while_its_counters_stay() {
        let (now, kept) = (Timestamp::from_micros(0), Dashboards::default());
        let window = |days| Window::ending(now, Days(days));
        kept.keep(made(window(30), 1));
        let json = |days, tickets| kept.of(window(days), &counters(tickets)).map(|made| made.json.clone());
        assert_eq!(json(30, 1), Some("1".into()));
        assert_eq!(json(30, 2), None, "something was counted since");
        assert_eq!(json(7, 1), None, "other days");
        kept.keep(made(window(30), 2));
        assert_eq!((json(30, 1), json(30, 2)), (None, Some("2".into())));
        for days in 1..=8 {
            kept.keep(made(window(days), 1));
        }
        assert_eq!((json(30, 2), json(1, 1)), (None, Some("1".into())), "a few are kept");
    }
}
