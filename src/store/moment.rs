//! As of when a read may be. Within one request all reads may be as of its beginning, or of any moment since, so that one look at a shared
//! database can serve them all: whatever anybody has been told to be committed before the request began is seen by it. What this
//! instance itself commits meanwhile, or knows to be in the log, is seen by all reads after that.
//!
//! Looks are numbered as they begin. A look that began after a moment is one with a number above that which the moment has.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// How many looks have begun.
static LOOKS: AtomicU64 = AtomicU64::new(0);

tokio::task_local! {
    /// How many looks had begun when the request did.
    static BEGAN: Cell<u64>;
}

fn looks() -> u64 {
    LOOKS.load(Ordering::SeqCst)
}

/// Does what one request asks for.
pub async fn within<F: Future>(request: F) -> F::Output {
    BEGAN.scope(Cell::new(looks()), request).await
}

/// From here on the request is answered as of now: it has had to wait for its client.
pub fn begin_anew() {
    // Who is not within a request reads as of now in any case.
    let _ = BEGAN.try_with(|began| began.set(looks()));
}

/// Begins a look; gives its number.
pub(super) fn look() -> u64 {
    LOOKS.fetch_add(1, Ordering::SeqCst) + 1
}

/// The looks that are too old, also for requests that began before them.
#[derive(Debug, Clone, Default)]
pub(super) struct TooOld(Arc<AtomicU64>);

impl TooOld {
    /// From here on nobody is answered by what was looked at before.
    pub(super) fn renew(&self) {
        self.0.fetch_max(looks(), Ordering::SeqCst);
    }

    /// The number of the last look that is too old for a read that is made now.
    pub(super) fn last(&self) -> u64 {
        let began = BEGAN.try_with(Cell::get).unwrap_or_else(|_| looks());
        began.max(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_may_see_what_was_looked_at_since_it_began_until_that_is_renewed() {
        let (too_old, before) = (TooOld::default(), look());
        within(async {
            assert!(before <= too_old.last());
            let since = look();
            assert!(since > too_old.last(), "it began within the request");
            too_old.renew();
            assert!(since <= too_old.last());
            let next = look();
            assert!(next > too_old.last());
            begin_anew();
            assert!(next <= too_old.last());
        })
        .await;
        let last = look();
        assert!(last <= too_old.last(), "outside of requests a look serves those only who waited for it");
    }
}
