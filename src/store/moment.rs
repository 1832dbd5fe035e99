//! As of when a read may be. Within one request all reads may be as of its beginning, or of any moment since, so that one look at a shared
//! database can serve them all: whatever anybody has been told to be committed before the request began is seen by it. What this
//! instance itself commits meanwhile, or hears to be in the log, is seen by all reads after that.
//!
//! Looks are numbered as they begin. A look that began after a moment is one with a number above that which the moment has.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many looks have begun.
static LOOKS: AtomicU64 = AtomicU64::new(0);
/// How many of them are too old for everybody.
static TOO_OLD: AtomicU64 = AtomicU64::new(0);

tokio::task_local! {
    /// How many looks had begun when the request did.
    static BEGAN: u64;
}

/// Does what one request asks for.
pub async fn within<F: Future>(request: F) -> F::Output {
    BEGAN.scope(LOOKS.load(Ordering::SeqCst), request).await
}

/// From here on nobody is answered by what was looked at before.
pub(super) fn renew() {
    TOO_OLD.fetch_max(LOOKS.load(Ordering::SeqCst), Ordering::SeqCst);
}

/// The number of the last look that is too old for a read that is made now.
pub(super) fn too_old() -> u64 {
    // Who is not within a request reads as of now.
    let began = BEGAN.try_with(|began| *began).unwrap_or_else(|_| LOOKS.load(Ordering::SeqCst));
    began.max(TOO_OLD.load(Ordering::SeqCst))
}

/// Begins a look; gives its number.
pub(super) fn look() -> u64 {
    LOOKS.fetch_add(1, Ordering::SeqCst) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_may_see_what_was_looked_at_since_it_began_until_that_is_renewed() {
        let before = look();
        within(async {
            assert!(before <= too_old());
            let since = look();
            assert!(since > too_old(), "it began within the request");
            renew();
            assert!(since <= too_old());
            assert!(look() > too_old());
        })
        .await;
        let last = look();
        assert!(last <= too_old(), "outside of requests a look serves those only who waited for it");
    }
}
