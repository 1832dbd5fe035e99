//! Pages of lists as JSON that were made already. Many people have the same list open and turn the same pages, and most of what an
//! answer costs is to find fifty tickets and their JSON in memory; so it is given again for as long as nothing that it shows has changed, which
//! the store tells ([`Tickets::is_still`](crate::store::Tickets::is_still)), and no clock of its tickets.

use std::sync::Arc;

use bytes::Bytes;
use quick_cache::{Weighter, sync::Cache};

use super::{model::Ticket, packed::Packed, query::SortKey};
use crate::{
    store::asked::{self, Asked},
    types::{TicketId, Timestamp, Total},
};

/// Memory for packed pages, in bytes; of 50 tickets one takes 7 KB, and 43 KB as it is. (To pack it takes 60 µs, to unpack it 30.)
const MEMORY: u64 = 20 * 1024 * 1024;
/// How many pages that is, roughly: many have fewer tickets.
const PAGES: usize = 4_096;
/// Longer ones are not kept: few of them would leave no room, and packing one would hold up its answer.
const LONGEST: usize = 512 * 1024;
/// Memory for those of them that were unpacked last.
const PLAIN_MEMORY: u64 = 12 * 1024 * 1024;
/// How many pages that is, roughly.
const PLAIN_PAGES: usize = 300;

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

/// A page that was made, packed, and what it was made from.
#[derive(Debug)]
pub struct Kept {
    /// The state that lists had been in before it was read.
    pub state: u64,
    /// Its tickets.
    pub shown: Box<[TicketId]>,
    /// The instants between which all clocks of its tickets stand as they did, both included.
    from: Timestamp,
    until: Timestamp,
    packed: Packed,
    next: Option<SortKey>,
    total: Option<Total>,
}

impl Kept {
    /// A page of these tickets that was made at `now`. `None` when it cannot be packed.
    fn new(state: u64, now: Timestamp, tickets: &[Arc<Ticket>], page: &Page) -> Option<Self> {
        let until = tickets.iter().filter_map(|ticket| ticket.next_breach(now)).min().unwrap_or(Timestamp::from_micros(i64::MAX));
        let shown = tickets.iter().map(|ticket| ticket.id).collect();
        let packed = Packed::new(&page.json)?;
        Some(Self { state, shown, from: now, until, packed, next: page.next, total: page.total })
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.shown) + self.packed.bytes()
    }
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<Asked, Arc<Kept>> for ByBytes {
    fn weight(&self, asked: &Asked, kept: &Arc<Kept>) -> u64 {
        (asked::bytes(asked) + kept.bytes()) as u64
    }
}

impl Weighter<Asked, (Arc<Kept>, Bytes)> for ByBytes {
    fn weight(&self, asked: &Asked, (kept, json): &(Arc<Kept>, Bytes)) -> u64 {
        (asked::bytes(asked) + kept.bytes() + json.len()) as u64
    }
}

/// The pages that were made last.
#[derive(Debug)]
pub struct Pages {
    packed: Cache<Asked, Arc<Kept>, ByBytes>,
    plain: Cache<Asked, (Arc<Kept>, Bytes), ByBytes>,
}

impl Default for Pages {
    fn default() -> Self {
        Self { packed: Cache::with_weighter(PAGES, MEMORY, ByBytes), plain: Cache::with_weighter(PLAIN_PAGES, PLAIN_MEMORY, ByBytes) }
    }
}

impl Pages {
    /// A page that was made and looks the same at `now`, if it is still of the same tickets.
    #[must_use]
    pub fn of(&self, asked: &Asked, now: Timestamp) -> Option<Arc<Kept>> {
        self.packed.get(asked).filter(|kept| (kept.from..=kept.until).contains(&now))
    }

    /// A page of which that is so. `None` when it cannot be unpacked.
    #[must_use]
    pub fn page(&self, asked: &Asked, kept: &Arc<Kept>) -> Option<Page> {
        let plain = self.plain.get(asked).filter(|(of, _)| Arc::ptr_eq(of, kept)).map(|(_, json)| json);
        let json = if let Some(json) = plain {
            json
        } else {
            let json = kept.packed.text()?;
            self.plain.insert(asked.clone(), (kept.clone(), json.clone()));
            json
        };
        Some(Page { json, next: kept.next, total: kept.total })
    }

    /// Remembers a page of these tickets that was made at `now` from this state of lists or a later one.
    pub fn keep(&self, asked: Asked, state: u64, now: Timestamp, tickets: &[Arc<Ticket>], page: &Page) {
        if asked::comes_again(&asked)
            && page.json.len() <= LONGEST
            && let Some(kept) = Kept::new(state, now, tickets, page)
        {
            self.packed.insert(asked, Arc::new(kept));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        tickets::query::{Scope, TicketQuery, tests::ticket},
        types::{Page as Cut, UserId},
    };

    fn asked(overdue_at: Option<Timestamp>) -> Asked {
        (TicketQuery { overdue_at, ..TicketQuery::all(Scope::All) }, Cut { after: None, limit: 50 })
    }

    fn page(json: &str, total: Option<Total>) -> Page {
        Page { json: Bytes::copy_from_slice(json.as_bytes()), next: None, total }
    }

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn a_page_is_given_again_at_a_time_at_which_it_looks_like_that() {
        let (pages, made) = (Pages::default(), page("[1]", Some(Total::Exact(1))));
        pages.keep(asked(None), 7, at(100), &[], &made);
        let found = |now| pages.of(&asked(None), at(now)).map(|kept| kept.state);
        assert_eq!((found(100), found(900)), (Some(7), Some(7)));
        assert_eq!(found(99), None, "the clock was set back");
        let mine = (TicketQuery::all(Scope::Requester(UserId(1))), asked(None).1);
        assert!(pages.of(&mine, at(100)).is_none(), "of somebody who sees other tickets");
    }

    #[test]
    fn a_page_lasts_until_the_first_clock_of_its_tickets_runs_out() {
        let (soon, later) = (ticket(), Ticket { first_response_due_at: Some(at(900)), ..ticket() });
        let pages = Pages::default();
        pages.keep(asked(None), 7, at(100), &[later.into(), soon.into()], &page("[1,2]", None));
        assert_eq!([299, 300, 301].map(|now| pages.of(&asked(None), at(now)).is_some()), [true, true, false]);
    }

    #[test]
    fn what_is_too_long_is_not_kept() {
        for (length, kept) in [(LONGEST, true), (LONGEST + 1, false)] {
            let pages = Pages::default();
            pages.keep(asked(None), 7, at(100), &[], &page(&" ".repeat(length), None));
            assert_eq!(pages.of(&asked(None), at(100)).is_some(), kept, "{length}");
        }
    }

    #[test]
    fn a_page_is_given_as_it_was_made_last() {
        let pages = Pages::default();
        for (state, json) in [(7, "[1]".repeat(20_000)), (8, "[2]".into())] {
            pages.keep(asked(None), state, at(100), &[], &page(&json, Some(Total::Exact(1))));
            let kept = pages.of(&asked(None), at(100)).unwrap();
            assert!(kept.bytes() < 2_000, "{} of {}", kept.bytes(), json.len());
            for _ in 0..2 {
                let page = pages.page(&asked(None), &kept).unwrap();
                assert_eq!((&page.json[..], page.total), (json.as_bytes(), Some(Total::Exact(1))), "{state}");
            }
        }
    }

    #[test]
    fn what_nobody_asks_for_again_is_not_kept() {
        let pages = Pages::default();
        pages.keep(asked(Some(at(5))), 7, at(100), &[], &page("[]", None));
        assert!(pages.of(&asked(Some(at(5))), at(100)).is_none());
    }
}
