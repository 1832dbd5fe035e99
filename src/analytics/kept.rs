//! Dashboards that were made already. Many people look at the same one again and again, and most of what an answer costs is
//! to read the counters, to work it out and to write it; so it is given again for as long as nothing has changed.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;

use super::model::Window;

/// As many windows as people choose from, and a few more.
const MOST: usize = 8;

/// A dashboard as JSON, and what it was made from: the state in which the store's counters and names were.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) window: Window,
    pub(super) revision: u64,
    pub(super) json: Bytes,
}

/// The newest dashboard of each window, those last made at the end.
#[derive(Debug, Default)]
pub struct Dashboards(Mutex<VecDeque<Made>>);

impl Dashboards {
    /// The one that was made in this state.
    pub(super) fn of(&self, window: Window, revision: u64) -> Option<Bytes> {
        let all = self.0.lock();
        all.iter().find(|made| made.window == window && made.revision == revision).map(|made| made.json.clone())
    }

    pub(super) fn keep(&self, made: Made) {
        let mut all = self.0.lock();
        all.retain(|other| other.window != made.window);
        all.push_back(made);
        if all.len() > MOST {
            all.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{analytics::model::Days, types::Timestamp};

    #[test]
    fn a_dashboard_is_given_again_while_nothing_has_changed() {
        let (now, kept) = (Timestamp::from_micros(0), Dashboards::default());
        let window = |days| Window::ending(now, Days(days));
        let keep = |days, revision: u64| kept.keep(Made { window: window(days), revision, json: revision.to_string().into() });
        let json = |days, revision| kept.of(window(days), revision);
        keep(30, 1);
        assert_eq!(json(30, 1), Some("1".into()));
        assert_eq!(json(30, 2), None, "something has changed since");
        assert_eq!(json(7, 1), None, "other days");
        keep(30, 2);
        assert_eq!((json(30, 1), json(30, 2)), (None, Some("2".into())));
        for days in 1..=8 {
            keep(days, 3);
        }
        assert_eq!((json(30, 2), json(1, 3)), (None, Some("3".into())), "a few are kept");
    }
}
