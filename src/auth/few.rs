//! Heavy work on threads of its own, a few pieces at a time. A thread goes from one piece to the next by itself: to hand over to another
//! one, by way of the threads that answer requests, takes long just when all processors have work.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::error::AppError;

/// A little longer than the allocator keeps freed memory (mimalloc's `purge_delay`, 1 s).
const KEPT_BY_ALLOCATOR: Duration = Duration::from_millis(1_200);

/// Does the work, in the order in which it comes.
#[derive(Clone)]
pub(super) struct Few {
    /// So many pieces are worked on at a time,
    most: usize,
    /// and so many more wait.
    most_waiting: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Piece>,
    /// Threads that work.
    threads: usize,
    last_id: u64,
}

struct Piece {
    id: u64,
    work: Box<dyn FnOnce() + Send>,
}

/// Takes a piece that waits out when nobody wants it any more.
struct Wanted<'a> {
    state: &'a Mutex<State>,
    id: u64,
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.state.lock().waiting.retain(|piece| piece.id != self.id);
    }
}

impl Few {
    pub(super) fn new(most: usize, most_waiting: usize) -> Self {
        Self { most, most_waiting, state: Arc::default() }
    }

    /// Does a piece of work as soon as it is its turn. What has begun is finished also when nobody waits for it any more, and keeps its
    /// place until then.
    ///
    /// # Errors
    /// Unavailable when too many wait. Internal, for work that ends without an answer.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, AppError> {
        let (answer, answered) = oneshot::channel();
        // Whoever hung up does not want the answer.
        let id = self.hand_in(Box::new(move || drop(answer.send(work()))))?;
        let _wanted = Wanted { state: &self.state, id };
        answered.await.map_err(AppError::internal)
    }

    fn hand_in(&self, work: Box<dyn FnOnce() + Send>) -> Result<u64, AppError> {
        let mut state = self.state.lock();
        if state.threads >= self.most && state.waiting.len() >= self.most_waiting {
            return Err(AppError::unavailable("Too many passwords are being checked; try again.", None).retry_after(2));
        }
        state.last_id += 1;
        let id = state.last_id;
        state.waiting.push_back(Piece { id, work });
        if state.threads < self.most {
            let shared = self.state.clone();
            match std::thread::Builder::new().name("password".into()).spawn(move || work_off(&shared)) {
                Ok(_) => state.threads += 1,
                // Those that work will come to it.
                Err(_) if state.threads > 0 => {}
                Err(error) => {
                    state.waiting.pop_back();
                    return Err(AppError::internal(error));
                }
            }
        }
        Ok(id)
    }
}

/// Works until nothing waits.
fn work_off(state: &Mutex<State>) {
    loop {
        let piece = {
            let mut state = state.lock();
            let Some(piece) = state.waiting.pop_front() else {
                state.threads -= 1;
                break;
            };
            piece
        };
        // Who waits for it hears that there is no answer.
        let _ = catch_unwind(AssertUnwindSafe(piece.work));
    }
    // The allocator keeps freed memory for a while, in case more is wanted, and gives back what has been free for longer when a thread
    // ends. The last one of a burst sees to it; else the 19 MiB of a hash stay until some other thread happens to end.
    if state.lock().threads == 0 {
        std::thread::park_timeout(KEPT_BY_ALLOCATOR);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Begins work that goes on until it is told to end.
    async fn begun(few: &Few) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<(), AppError>>) {
        let ((end, told), (started, starts)) = (mpsc::channel::<()>(), oneshot::channel());
        let few = few.clone();
        let work = move || {
            let _ = started.send(());
            let _ = told.recv();
        };
        let task = tokio::spawn(async move { few.run(work).await });
        starts.await.unwrap();
        (end, task)
    }

    #[tokio::test]
    async fn those_who_wait_are_bounded_and_served_in_their_order() {
        let few = Few::new(1, 2);
        let (end, first) = begun(&few).await;
        let done = Arc::new(Mutex::new(Vec::new()));
        let piece = |n: u32| {
            let done = done.clone();
            few.run(move || done.lock().push(n))
        };
        let (second, third, refused) = tokio::join!(piece(2), piece(3), async {
            let refused = piece(4).await.unwrap_err();
            drop(end);
            refused
        });
        assert!(second.is_ok() && third.is_ok() && first.await.unwrap().is_ok());
        assert_eq!((refused.status(), refused.problem().retry_after), (503, Some(2)));
        assert_eq!(*done.lock(), [2, 3]);
        assert!(few.run(|| ()).await.is_ok(), "there is room again");
    }

    #[tokio::test]
    async fn who_hangs_up_leaves_the_queue_and_what_has_begun_keeps_its_place() {
        let few = Few::new(1, 1);
        let (end, first) = begun(&few).await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert!(tokio::time::timeout(Duration::ZERO, few.run(|| panic!("nobody wants it"))).await.is_err(), "the first one still works");
        assert!(few.state.lock().waiting.is_empty());
        drop(end);
        assert_eq!(few.run(|| 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn work_that_panics_is_an_error_and_no_end_of_all_work() {
        let few = Few::new(1, 1);
        assert_eq!(few.run(|| panic!("on purpose")).await.unwrap_err().status(), 500);
        assert_eq!(few.run(|| 7).await.unwrap(), 7);
    }
}
