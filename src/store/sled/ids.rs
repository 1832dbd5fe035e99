//! Ids are given out in memory, below a mark that is durable already: an id that somebody has seen is never given to
//! another row, also after a power cut. A crash leaves a gap, a clean stop does not.

use parking_lot::Mutex;

use super::{engine::Engine, keys};
use crate::store::{IdKind, StoreError};

/// How many ids are reserved at once.
pub(super) const AHEAD: i64 = 1_024;

#[derive(Debug, Default, Clone, Copy)]
struct Range {
    next: i64,
    /// Ids below this may be given out.
    limit: i64,
}

/// The ids of every kind.
#[derive(Debug, Default)]
pub(super) struct Ids([Mutex<Range>; IdKind::ALL.len()]);

impl Ids {
    /// Continues where the store says.
    pub(super) fn load(&self, engine: &Engine) -> Result<(), StoreError> {
        for kind in IdKind::ALL {
            let stored = engine.get(keys::high_water(kind))?;
            let next = stored.and_then(|v| v.as_ref().try_into().ok().map(i64::from_be_bytes)).unwrap_or(1);
            *self.0[kind as usize].lock() = Range { next, limit: next };
        }
        Ok(())
    }

    /// The next id, when the durable mark allows it.
    pub(super) fn take(&self, kind: IdKind) -> Option<i64> {
        let mut range = self.0[kind as usize].lock();
        (range.next < range.limit).then(|| {
            range.next += 1;
            range.next - 1
        })
    }

    /// The next mark to make durable.
    pub(super) fn next_limit(&self, kind: IdKind) -> i64 {
        self.0[kind as usize].lock().limit.saturating_add(AHEAD)
    }

    /// Ids up to the mark may be given out now: it is durable.
    pub(super) fn raise(&self, kind: IdKind, limit: i64) {
        let mut range = self.0[kind as usize].lock();
        range.limit = range.limit.max(limit);
    }

    /// An id that came with a row (an import, a transfer) is never given out again; the mark that must be made durable, if any.
    pub(super) fn used(&self, kind: IdKind, id: i64) -> Option<i64> {
        let mut range = self.0[kind as usize].lock();
        if id < range.limit {
            range.next = range.next.max(id.saturating_add(1)).min(range.limit);
            return None;
        }
        Some(id.saturating_add(1))
    }

    /// Never gives out ids below the mark, which is durable now.
    pub(super) fn pass(&self, kind: IdKind, mark: i64) {
        let mut range = self.0[kind as usize].lock();
        range.next = range.next.max(mark);
        range.limit = range.limit.max(mark);
    }

    /// The id that is given out next.
    pub(super) fn next(&self, kind: IdKind) -> i64 {
        self.0[kind as usize].lock().next
    }

    /// Gives out no more ids of a kind, and tells the next one: after a clean stop it follows the last one given.
    pub(super) fn seal(&self, kind: IdKind) -> i64 {
        let mut range = self.0[kind as usize].lock();
        range.limit = range.next;
        range.next
    }
}
