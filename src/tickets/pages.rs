//! Pages of lists as JSON that were made already. Many people have the same list open and turn the same pages, and most of what an
//! answer costs is to find fifty tickets and their JSON in memory; so it is given again for as long as no ticket, no comment, no name and no
//! clock of its tickets has changed. Only where the store tells that exactly ([`Tickets::lists_revision`](crate::store::Tickets::lists_revision)).

use std::sync::Arc;

use bytes::Bytes;
use quick_cache::{Weighter, sync::Cache};

use super::{model::Ticket, query::SortKey};
use crate::{
    store::asked::{self, Asked},
    types::{Timestamp, Total},
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
struct Made {
    /// The state that tickets, comments and names were in.
    revision: u64,
    /// The instants between which all clocks of its tickets stand as they did, both included.
    from: Timestamp,
    until: Timestamp,
    page: Page,
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<Asked, Arc<Made>> for ByBytes {
    fn weight(&self, asked: &Asked, made: &Arc<Made>) -> u64 {
        (asked::bytes(asked) + size_of::<Made>() + made.page.json.len()) as u64
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
    /// A page that was made in this state, as it looks at `now`.
    #[must_use]
    pub fn of(&self, asked: &Asked, revision: u64, now: Timestamp) -> Option<Page> {
        let made = self.0.get(asked)?;
        (made.revision == revision && (made.from..=made.until).contains(&now)).then(|| made.page.clone())
    }

    /// Remembers a page of these tickets that was made at `now` from this state or a later one.
    pub fn keep(&self, asked: Asked, revision: u64, now: Timestamp, tickets: &[Arc<Ticket>], page: &Page) {
        if asked::comes_again(&asked) {
            let until = tickets.iter().filter_map(|ticket| ticket.next_breach(now)).min().unwrap_or(Timestamp::from_micros(i64::MAX));
            self.0.insert(asked, Arc::new(Made { revision, from: now, until, page: page.clone() }));
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
    fn a_page_is_given_again_in_the_state_and_the_time_in_which_it_looks_like_that() {
        let (pages, page) = (Pages::default(), Page { json: "[1]".into(), next: None, total: Some(Total::Exact(1)) });
        pages.keep(asked(None), 7, at(100), &[], &page);
        let found = |revision, now| pages.of(&asked(None), revision, at(now)).map(|page| page.json);
        assert_eq!((found(7, 100), found(7, 900)), (Some("[1]".into()), Some("[1]".into())));
        assert_eq!(found(8, 100), None, "something has changed since");
        assert_eq!(found(7, 99), None, "the clock was set back");
        let mine = (TicketQuery::all(Scope::Requester(UserId(1))), asked(None).1);
        assert!(pages.of(&mine, 7, at(100)).is_none(), "of somebody who sees other tickets");
    }

    #[test]
    fn what_nobody_asks_for_again_is_not_kept() {
        let (pages, page) = (Pages::default(), Page { json: "[]".into(), next: None, total: None });
        pages.keep(asked(Some(at(5))), 7, at(100), &[], &page);
        assert!(pages.of(&asked(Some(at(5))), 7, at(100)).is_none());
    }
}
