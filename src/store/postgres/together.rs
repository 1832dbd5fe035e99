//! Questions that are asked at the same time share a statement. The way to the server and back costs as much for one row
//! as for fifty, so while a statement is under way, those who want the same kind of thing gather, and the next one asks for
//! all of them. None is answered by a statement that began before the question was asked: what a caller has been told to be
//! committed, they read.

use std::{
    collections::{HashMap, hash_map},
    hash::Hash,
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use parking_lot::Mutex;
use sqlx::{
    Decode, Encode, Postgres, Row as _, Type,
    postgres::{PgHasArrayType, PgRow},
};
use tokio::{sync::oneshot, time::timeout};

use super::{Lost, connections::Connections, fault::told, rows::Read};
use crate::store::StoreError;

/// Those who go with the next statement: what each of them wants, and where the answer goes.
type Waiting<W, A> = Vec<(W, oneshot::Sender<Result<A, StoreError>>)>;

/// Statements under way, and who waits for the next one of each kind.
type Kinds<K, W, A> = Arc<Mutex<HashMap<K, Waiting<W, A>>>>;

/// How many questions go with one statement at most: all of its rows are in memory at once.
const MOST_TOGETHER: usize = 256;
/// How long they wait for it. The server's own limits end it before; this is for a way to the server that has silently gone.
const PATIENCE: Duration = Duration::from_secs(15);

/// Gathers questions by their kind `K`. Of a kind there is one statement under way at most; it is made of all that is wanted
/// (`W`), and its answer (`A`) goes to all.
pub(super) struct Together<K, W, A> {
    kinds: Kinds<K, W, A>,
    patience: Duration,
}

impl<K, W, A> Default for Together<K, W, A> {
    fn default() -> Self {
        Self { kinds: Arc::default(), patience: PATIENCE }
    }
}

impl<K, W, A> Together<K, W, A>
where
    K: Hash + Eq + Clone + Send + 'static,
    W: Send + 'static,
    A: Clone + Send + 'static,
{
    /// One whose statements are waited for however long they take.
    pub(super) fn unhurried() -> Self {
        Self { kinds: Arc::default(), patience: Duration::MAX }
    }

    /// What `ask` answers when it is asked for `wanted`, perhaps together with others.
    ///
    /// # Errors
    /// Those of `ask`.
    pub(super) async fn ask<Ask, Asked>(&self, kind: K, wanted: W, ask: Ask) -> Result<A, StoreError>
    where
        Ask: Fn(Vec<W>) -> Asked + Send + 'static,
        Asked: Future<Output = Result<A, StoreError>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let first = match self.kinds.lock().entry(kind.clone()) {
            hash_map::Entry::Occupied(mut waiting) => {
                waiting.get_mut().push((wanted, answer));
                None
            }
            hash_map::Entry::Vacant(none) => {
                none.insert(Vec::new());
                Some((wanted, answer))
            }
        };
        if let Some(first) = first {
            // By itself: whoever asked first may hang up, the others still wait.
            tokio::spawn(Way { kinds: self.kinds.clone(), kind, patience: self.patience, open: true }.go(vec![first], ask));
        }
        answered.await.unwrap_or_else(|_| Err(StoreError::Unavailable("a question ended in the middle".into())))
    }
}

/// The statements of one kind, one after another for as long as somebody waits.
struct Way<K: Hash + Eq, W, A> {
    kinds: Kinds<K, W, A>,
    kind: K,
    patience: Duration,
    open: bool,
}

impl<K: Hash + Eq, W, A: Clone> Way<K, W, A> {
    async fn go<Ask, Asked>(mut self, mut waiting: Waiting<W, A>, ask: Ask)
    where
        Ask: Fn(Vec<W>) -> Asked,
        Asked: Future<Output = Result<A, StoreError>>,
    {
        loop {
            let (wanted, mut answers): (Vec<W>, Vec<_>) = waiting.into_iter().unzip();
            // Nothing is asked on for nobody.
            let found = tokio::select! {
                found = timeout(self.patience, ask(wanted)) => Some(found.unwrap_or(Err(StoreError::Busy))),
                _ = join_all(answers.iter_mut().map(oneshot::Sender::closed)) => None,
            };
            for answer in answers {
                if let Some(found) = &found {
                    // Whoever hung up does not want it.
                    drop(answer.send(found.clone()));
                }
            }
            let mut kinds = self.kinds.lock();
            waiting = kinds.get_mut(&self.kind).map(next).unwrap_or_default();
            if waiting.is_empty() {
                kinds.remove(&self.kind);
                self.open = false;
                return;
            }
        }
    }
}

/// Takes those who go with the next statement: who came first, and has not hung up.
fn next<W, A>(waiting: &mut Waiting<W, A>) -> Waiting<W, A> {
    waiting.retain(|(_, answer)| !answer.is_closed());
    let later = waiting.split_off(waiting.len().min(MOST_TOGETHER));
    std::mem::replace(waiting, later)
}

impl<K: Hash + Eq, W, A> Drop for Way<K, W, A> {
    /// Ended in the middle, it leaves nobody who waits for what does not come.
    fn drop(&mut self) {
        if self.open {
            let left = self.kinds.lock().remove(&self.kind);
            // Those are woken when nothing is locked any more.
            drop(left);
        }
    }
}

/// What rows of a table are found by, one value for each row.
pub(super) trait Key:
    Clone + Ord + Hash + Send + Sync + Type<Postgres> + PgHasArrayType + for<'q> Encode<'q, Postgres> + for<'r> Decode<'r, Postgres> + 'static
{
}

impl<K> Key for K where
    K: Clone
        + Ord
        + Hash
        + Send
        + Sync
        + Type<Postgres>
        + PgHasArrayType
        + for<'q> Encode<'q, Postgres>
        + for<'r> Decode<'r, Postgres>
        + 'static
{
}

/// The rows that one statement found. One that cannot be understood is an error for whoever wants that row, not for the others.
type Found<K, V> = Arc<HashMap<K, Result<V, StoreError>>>;

/// Rows of one table, each wanted by its key.
pub(super) struct ByKey<K, V> {
    together: Together<(), Vec<K>, Found<K, V>>,
    /// Asks for the rows whose key is in the array `$1`. Of several with one key the last is the one. (`ANY((SELECT $1))`, since the
    /// server would plan for each array anew if it saw how many keys are in it.)
    statement: &'static str,
    /// The name of the key's column.
    column: &'static str,
    read: fn(&PgRow) -> Read<V>,
}

impl<K: Key, V: Clone + Send + Sync + 'static> ByKey<K, V> {
    pub(super) fn new(statement: &'static str, column: &'static str, read: fn(&PgRow) -> Read<V>) -> Self {
        Self { together: Together::default(), statement, column, read }
    }

    /// The row with this key.
    ///
    /// # Errors
    /// The database's; a row that cannot be understood.
    pub(super) async fn get(&self, pool: &Connections, lost: &Arc<Lost>, key: K) -> Result<Option<V>, StoreError> {
        Ok(self.all(pool, lost, &[key]).await?.pop().flatten())
    }

    /// The rows with these keys, in their order.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(super) async fn all(&self, pool: &Connections, lost: &Arc<Lost>, keys: &[K]) -> Result<Vec<Option<V>>, StoreError> {
        let (pool, lost) = (pool.clone(), lost.clone());
        let (statement, column, read) = (self.statement, self.column, self.read);
        let found = self.together.ask((), keys.to_vec(), move |wanted: Vec<Vec<K>>| {
            let mut keys = wanted.concat();
            keys.sort_unstable();
            keys.dedup();
            let (pool, lost) = (pool.clone(), lost.clone());
            async move {
                let rows = asking!(lost, sqlx::query(statement).bind(&keys).fetch_all(&pool))?;
                let keyed = rows.iter().map(|row| {
                    let key: K = row.try_get(column)?;
                    Ok((key, read(row).map_err(|error| told(&error))))
                });
                keyed.collect::<Read<HashMap<_, _>>>().map(Arc::new).map_err(|error| told(&error))
            }
        });
        let found = found.await?;
        keys.iter().map(|key| found.get(key).cloned().transpose()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn those_who_come_meanwhile_share_the_next_statement() {
        let (together, go, log) = (Together::default(), Arc::new(Semaphore::new(0)), Arc::new(Mutex::new(Vec::new())));
        let ask = |wanted: u32| {
            let (go, log) = (go.clone(), log.clone());
            together.ask((), wanted, move |all: Vec<u32>| {
                let (go, log) = (go.clone(), log.clone());
                async move {
                    log.lock().push(all.clone());
                    go.acquire().await.unwrap().forget();
                    Ok(Arc::new(all))
                }
            })
        };
        let all = join_all((0..5).map(ask));
        go.add_permits(2);
        let answers: Vec<Vec<u32>> = all.await.into_iter().map(|answer| answer.unwrap().to_vec()).collect();
        assert_eq!(answers[0], [0], "the first one goes at once");
        assert!(answers[1..].iter().all(|answer| *answer == [1, 2, 3, 4]), "{answers:?}");
        assert_eq!(log.lock().len(), 2);
        assert!(together.kinds.lock().is_empty());
    }

    #[tokio::test]
    async fn an_answer_is_never_older_than_its_question() {
        let (together, clock) = (Arc::new(Together::default()), Arc::new(AtomicUsize::new(0)));
        let one = |_: usize| {
            let (together, clock) = (together.clone(), clock.clone());
            tokio::spawn(async move {
                for _ in 0..200 {
                    let asked = clock.fetch_add(1, Ordering::SeqCst);
                    let clock = clock.clone();
                    let read = together.ask((), (), move |_| {
                        let now = clock.fetch_add(1, Ordering::SeqCst);
                        async move {
                            tokio::task::yield_now().await;
                            Ok(now)
                        }
                    });
                    assert!(read.await.unwrap() > asked);
                }
            })
        };
        for task in join_all((0..16).map(one)).await {
            task.unwrap();
        }
    }

    #[tokio::test]
    async fn kinds_do_not_wait_for_each_other_and_errors_reach_all() {
        let (together, go) = (Together::<u8, u8, u8>::default(), Arc::new(Semaphore::new(0)));
        let held = {
            let go = go.clone();
            together.ask(0, 0, move |_| {
                let go = go.clone();
                async move {
                    go.acquire().await.unwrap().forget();
                    Err(StoreError::Busy)
                }
            })
        };
        let mut held = std::pin::pin!(held);
        assert!(futures_util::poll!(held.as_mut()).is_pending());
        assert_eq!(together.ask(1, 7, |wanted| async move { Ok(wanted[0]) }).await, Ok(7));
        go.add_permits(1);
        assert_eq!(held.await, Err(StoreError::Busy));
    }

    #[tokio::test]
    async fn a_statement_that_ends_in_the_middle_leaves_nobody_waiting() {
        let together = Together::<(), bool, ()>::default();
        let ask = |fails| together.ask((), fails, |wanted| async move { if wanted[0] { panic!("as a test wants it") } else { Ok(()) } });
        let (first, second) = tokio::join!(ask(true), ask(true));
        let ended = Err(StoreError::Unavailable("a question ended in the middle".into()));
        assert_eq!((first, second), (ended.clone(), ended));
        assert_eq!(ask(false).await, Ok(()));
    }

    #[tokio::test]
    async fn a_statement_without_an_answer_is_given_up() {
        let together = Together::<(), bool, ()> { patience: Duration::ZERO, ..Together::default() };
        let ask = |silent| {
            together.ask((), silent, |wanted: Vec<bool>| async move { if wanted[0] { std::future::pending().await } else { Ok(()) } })
        };
        assert_eq!(tokio::join!(ask(true), ask(false)), (Err(StoreError::Busy), Ok(())));
    }

    #[tokio::test]
    async fn nothing_is_asked_for_those_who_hung_up() {
        let (together, asked) = (Together::<(), u8, ()>::default(), Arc::new(Mutex::new(Vec::new())));
        let ask = |wanted| {
            let asked = asked.clone();
            together.ask((), wanted, move |all: Vec<u8>| {
                asked.lock().push(all.clone());
                async move { if all == [0] { std::future::pending().await } else { Ok(()) } }
            })
        };
        let mut gone: Vec<_> = (0..3).map(|wanted| Box::pin(ask(wanted))).collect();
        for one in &mut gone {
            assert!(futures_util::poll!(one.as_mut()).is_pending());
        }
        tokio::task::yield_now().await;
        let stays = ask(3);
        // All but the last one hang up, the first with its statement under way.
        drop(gone);
        assert_eq!(stays.await, Ok(()));
        assert_eq!(*asked.lock(), [vec![0], vec![3]]);
    }

    #[tokio::test]
    async fn a_crowd_goes_in_portions() {
        let (together, go) = (Together::<(), usize, usize>::default(), Arc::new(Semaphore::new(0)));
        let ask = |wanted| {
            let go = go.clone();
            together.ask((), wanted, move |all| {
                let go = go.clone();
                async move {
                    go.acquire().await.unwrap().forget();
                    Ok(all.len())
                }
            })
        };
        let all = join_all((0..600).map(ask));
        go.add_permits(4);
        let sizes = all.await.into_iter().map(Result::unwrap).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(sizes, [1, 87, 256].into());
    }

    #[tokio::test]
    async fn who_hangs_up_does_not_stop_the_others() {
        let (together, go) = (Together::<(), u8, Vec<u8>>::default(), Arc::new(Semaphore::new(0)));
        let ask = |wanted| {
            let go = go.clone();
            together.ask((), wanted, move |all| {
                let go = go.clone();
                async move {
                    go.acquire().await.unwrap().forget();
                    Ok(all)
                }
            })
        };
        let mut first = Box::pin(ask(1));
        let mut second = Box::pin(ask(2));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        drop(first);
        go.add_permits(2);
        assert_eq!(second.await, Ok(vec![2]));
    }
}
