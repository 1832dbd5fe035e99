//! Pages of lists that were found before. For as long as nothing has changed that decides what belongs to them they are as they were; so a
//! list that many have open, all of whom ask for it again when something has happened, is found once.

use std::sync::Arc;

use quick_cache::{Weighter, sync::Cache};

use super::{
    projection::Projection,
    select::{Selected, select},
};
use crate::store::asked::{self, Asked};

/// Memory for pages, in bytes; one of 50 tickets takes half a kilobyte.
const MEMORY: u64 = 2 * 1024 * 1024;
/// How many pages that is, roughly.
const PAGES: usize = 4 * 1024;

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<Asked, (u64, Arc<Selected>)> for ByBytes {
    fn weight(&self, asked: &Asked, (_, page): &(u64, Arc<Selected>)) -> u64 {
        (asked::bytes(asked) + size_of::<Selected>() + size_of_val(page.ids.as_slice())) as u64
    }
}

/// What is remembered.
pub(super) struct Pages(Cache<Asked, (u64, Arc<Selected>), ByBytes>);

impl Pages {
    pub(super) fn new() -> Self {
        Self(Cache::with_weighter(PAGES, MEMORY, ByBytes))
    }

    /// A page that was found before, if it is as it was.
    pub(super) fn known(&self, projection: &Projection, asked: &Asked) -> Option<Arc<Selected>> {
        self.0.get(asked).filter(|(state, _)| projection.lists.is_still(*state, &asked.0, [])).map(|(_, page)| page)
    }

    /// A page. The projection does not change meanwhile.
    pub(super) fn page(&self, projection: &Projection, asked: &Asked) -> Arc<Selected> {
        self.known(projection, asked).unwrap_or_else(|| {
            let page = Arc::new(select(&projection.columns, &projection.search, &asked.0, asked.1));
            if asked::comes_again(asked) {
                self.0.insert(asked.clone(), (projection.lists.state(), page.clone()));
            }
            page
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        store::{
            RowKey, StoreError,
            sled::{engine::Engine, moves::TextMoves, projection::Effect},
        },
        tickets::query::{Scope, TicketQuery},
        types::{CommentId, Page, SessionId, TicketId, Timestamp},
    };

    #[test]
    fn a_page_is_found_once_until_what_decides_it_changes() -> Result<(), StoreError> {
        let (engine, _dir) = Engine::temporary().unwrap();
        let (mut projection, pages) = (Projection::default(), Pages::new());
        let asked = (TicketQuery::all(Scope::All), Page { after: None, limit: 50 });
        let found = pages.page(&projection, &asked);
        let gone = |projection: &mut Projection, key| {
            let effects = [Effect::Gone(key)];
            projection.apply(&effects, TextMoves::by(&engine, &effects)?)
        };
        gone(&mut projection, RowKey::Session(SessionId(1)))?;
        assert!(Arc::ptr_eq(&found, &pages.page(&projection, &asked)), "a session is in no list");
        gone(&mut projection, RowKey::Comment(TicketId(1), CommentId(1)))?;
        assert!(pages.known(&projection, &asked).is_none());
        assert!(!Arc::ptr_eq(&found, &pages.page(&projection, &asked)), "a word of a comment may be what is searched for");
        Ok(())
    }

    #[test]
    fn what_nobody_asks_for_again_is_not_remembered() {
        let (projection, pages) = (Projection::default(), Pages::new());
        let all = TicketQuery::all(Scope::All);
        let overdue = TicketQuery { overdue_at: Some(Timestamp::from_micros(7)), ..all.clone() };
        for asked in [(overdue, Page { after: None, limit: 50 }), (all, Page { after: None, limit: 200 })] {
            pages.page(&projection, &asked);
            assert!(pages.known(&projection, &asked).is_none(), "{asked:?}");
        }
    }
}
