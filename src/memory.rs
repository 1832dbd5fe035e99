//! Memory that is free again. The allocator keeps it for a while, in case more is wanted, and gives back what has been free for longer
//! when a thread ends; else it stays until some thread happens to.

use std::{thread, time::Duration};

/// A little longer than the allocator keeps freed memory (mimalloc's `purge_delay`, 1 s).
const KEPT: Duration = Duration::from_millis(1_200);

/// Waits until what is free now is given back by the end of the thread.
pub fn outlive_what_is_kept() {
    thread::park_timeout(KEPT);
}

/// Gives back at once what this thread has allocated and is free again.
#[expect(unsafe_code, reason = "the allocator can only be told so by a C function")]
pub fn give_back() {
    // SAFETY: it takes no pointers, and may be called by any thread at any time.
    unsafe { libmimalloc_sys::mi_collect(true) };
}
