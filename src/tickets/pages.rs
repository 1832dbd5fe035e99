//! Pages of lists as JSON that were made already. Many people have the same list open and turn the same pages, and most of what an
//! answer costs is to find fifty tickets and their JSON in memory; so it is given again for as long as nothing that it shows has changed, which
//! the store tells ([`Tickets::is_still`](crate::store::Tickets::is_still)), and no clock of its tickets.

use std::sync::Arc;

use bytes::Bytes;
use quick_cache::{Weighter, sync::Cache};

use super::{model::Ticket, query::SortKey};
use crate::{
    store::asked::{self, Asked},
    types::{TicketId, Timestamp, Total},
};

/// Memory for pages, in bytes; of 50 tickets one takes 40 KB.
const MEMORY: u64 = 16 * 1024 * 1024;
/// How many pages that is, roughly.
const PAGES: usize = 400;

/// A page as JSON, and what belongs to it.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its tickets.
    pub json: Bytes,
    /// Where the next one begins.
    pub next: Option<SortKey>,
    /// How long the list is, as far as it was asked.
    pub total: Option<Total>,
}

/// A page, and what it was made from.
#[derive(Debug)]
pub struct Made {
    /// The state that lists had been in before it was read.
    pub state: u64,
    /// Its tickets.
    pub shown: Box<[TicketId]>,
    /// The instants between which all clocks of its tickets stand as they did, both included.
    from: Timestamp,
    until: Timestamp,
    /// What it looks like.
    pub page: Page,
}

impl Made {
    /// A page of these tickets that was made at `now`.
    #[must_use]
    pub fn new(state: u64, now: Timestamp, tickets: &[Arc<Ticket>], page: Page) -> Self {
        let until = tickets.iter().filter_map(|ticket| ticket.next_breach(now)).min().unwrap_or(Timestamp::from_micros(i64::MAX));
        Self { state, shown: tickets.iter().map(|ticket| ticket.id).collect(), from: now, until, page }
    }
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<Asked, Arc<Made>> for ByBytes {
    fn weight(&self, asked: &Asked, made: &Arc<Made>) -> u64 {
        (asked::bytes(asked) + size_of::<Made>() + size_of_val(&*made.shown) + made.page.json.len()) as u64
    }
}

/// The pages that were made last.
#[derive(Debug)]
pub struct Pages(Cache<Asked, Arc<Made>, ByBytes>);

impl Default for Pages {
    fn default() -> Self {
        Self(Cache::with_weighter(PAGES, MEMORY, ByBytes))
    }
}

impl Pages {
    /// A page that was made and looks the same at `now`, if it is still of the same tickets.
    #[must_use]
    pub fn of(&self, asked: &Asked, now: Timestamp) -> Option<Arc<Made>> {
        self.0.get(asked).filter(|made| (made.from..=made.until).contains(&now))
    }

    /// Remembers a page.
    pub fn keep(&self, asked: Asked, made: Made) {
        if asked::comes_again(&asked) {
            self.0.insert(asked, Arc::new(made));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        tickets::query::{Scope, TicketQuery},
        types::{Page as Cut, UserId},
    };

    fn asked(overdue_at: Option<Timestamp>) -> Asked {
        (TicketQuery { overdue_at, ..TicketQuery::all(Scope::All) }, Cut { after: None, limit: 50 })
    }

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn a_page_is_given_again_at_a_time_at_which_it_looks_like_that() {
        let (pages, page) = (Pages::default(), Page { json: "[1]".into(), next: None, total: Some(Total::Exact(1)) });
        pages.keep(asked(None), Made::new(7, at(100), &[], page));
        let found = |now| pages.of(&asked(None), at(now)).map(|made| (made.state, made.page.json.clone()));
        assert_eq!((found(100), found(900)), (Some((7, "[1]".into())), Some((7, "[1]".into()))));
        assert_eq!(found(99), None, "the clock was set back");
        let mine = (TicketQuery::all(Scope::Requester(UserId(1))), asked(None).1);
        assert!(pages.of(&mine, at(100)).is_none(), "of somebody who sees other tickets");
    }

    #[test]
    fn what_nobody_asks_for_again_is_not_kept() {
        let (pages, page) = (Pages::default(), Page { json: "[]".into(), next: None, total: None });
        pages.keep(asked(Some(at(5))), Made::new(7, at(100), &[], page));
        assert!(pages.of(&asked(Some(at(5))), at(100)).is_none());
    }
}
