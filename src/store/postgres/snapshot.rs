//! Whether anything has changed. Which transactions are over is what decides which rows a statement sees, and the server tells it
//! (`pg_current_snapshot`): two snapshots that are equal show the same rows, and one that differs from the one before never comes again,
//! since what is over stays so. So whatever was read is as it was for as long as the snapshot is. Looking at that costs a statement that
//! touches no table, and all who want to know it at the same time share it.
//!
//! It is the snapshot of the whole server: other databases' writes count as changes, too. Where there is something new each time, it is
//! seldom looked, and all is read as if nothing were known. What the desks themselves write is told apart (`news.rs`).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sqlx::Row as _;

use super::{
    Lost,
    connections::Connections,
    known::State,
    news::{News, Part, Reach, Recent, View},
    rows::Read,
    together::Together,
    values,
};
use crate::{
    store::{
        StoreError,
        moment::{self, TooOld},
    },
    tickets::query::TicketQuery,
};

/// The transactions that are over, and since when the server runs: the numbers of those that it had forgotten when it fell may come again.
const LOOK: &str = "SELECT pg_current_snapshot()::text, pg_postmaster_start_time()";

/// When more transactions than this have ended, some of them are taken to have changed something.
const MOST_ASIDE: usize = 16;

/// After so many looks each of which has found that tickets have moved, the next one waits for a while.
const RESTLESS: u32 = 8;
/// For so long.
const REST: Duration = Duration::from_millis(5);

/// Which transactions are over.
#[derive(Debug, PartialEq, Eq)]
struct Snapshot {
    /// This one and all later ones are not.
    end: u64,
    /// Nor are these, which are earlier.
    running: Vec<u64>,
}

impl Snapshot {
    /// As the server writes it: the first one that is not over, the end, and all between them that are not over.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':').skip(1);
        let end = parts.next()?.parse().ok()?;
        let running =
            parts.next()?.split(',').filter(|number| !number.is_empty()).map(|number| number.parse().ok()).collect::<Option<_>>()?;
        Some(Self { end, running })
    }

    /// Whether a transaction was over. `false` also for one of ages ago, whose number may be taken for one that is to come.
    fn has(&self, xid: values::Xid) -> bool {
        xid.is_before(self.end) && !self.running.iter().any(|number| xid.is_of(*number))
    }

    /// Those that are over and were not before; `None` when they are too many.
    fn ended_since(&self, before: &Self) -> Option<Vec<u64>> {
        let begun = usize::try_from(self.end.checked_sub(before.end)?).ok().filter(|begun| *begun <= MOST_ASIDE)?;
        let ended = before.running.iter().copied().chain((before.end..).take(begun)).filter(|number| !self.running.contains(number));
        Some(ended.collect()).filter(|ended: &Vec<u64>| ended.len() <= MOST_ASIDE)
    }
}

/// What a look has found.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    snapshot: Snapshot,
    up_since: values::Instant,
    /// How many connections had been lost before it was told.
    lost: u64,
}

impl Seen {
    /// Whether it is the server of before that has told it, when so many connections have been lost by now.
    fn is_of(&self, before: &Self, lost: u64) -> bool {
        self.up_since == before.up_since && lost == before.lost
    }
}

/// What a look has found of a page that has the same tickets in the same order as before.
pub(super) struct SamePage {
    pub(super) view: View,
    /// Those of its tickets that have changed.
    pub(super) changed: Vec<i64>,
    seen: Arc<Seen>,
}

impl SamePage {
    /// Whether a row was there when it was looked, by who wrote it.
    pub(super) fn shows(&self, by: values::Xid) -> bool {
        self.seen.snapshot.has(by)
    }
}

/// What the latest look has found.
#[derive(Debug)]
struct Latest {
    look: u64,
    recent: Recent,
    seen: Option<Arc<Seen>>,
    /// So many looks in a row have found that tickets may have other places in lists.
    news: u32,
    at: Instant,
}

impl Latest {
    /// Nobody has looked yet.
    fn none() -> Self {
        Self { look: 0, recent: Recent::default(), seen: None, news: 0, at: Instant::now() }
    }

    /// Notes what a look has found, and what of it is new.
    fn note(&mut self, look: u64, seen: Seen, news: News) {
        self.news = if news.reach.is_some_and(|reach| reach.has(Reach::PLACES)) { self.news.saturating_add(1) } else { 0 };
        self.recent.note(news);
        self.seen = Some(Arc::new(seen));
        self.look = look;
        self.at = Instant::now();
    }

    /// Whether this part is taken for another one than in this state without another look.
    fn is_taken_for_another(&self, view: View, part: Part<'_>) -> bool {
        !self.recent.is_still(view, part) || self.rests()
    }

    fn rests(&self) -> bool {
        self.news >= RESTLESS && self.at.elapsed() < REST
    }
}

/// Looks for all readers of this instance.
pub(super) struct Snapshots {
    pub(super) pool: Connections,
    pub(super) lost: Arc<Lost>,
    together: Together<(), (), ()>,
    latest: Arc<Mutex<Latest>>,
    pub(super) too_old: TooOld,
}

impl Snapshots {
    pub(super) fn new(pool: Connections, lost: Arc<Lost>) -> Self {
        Self { pool, lost, together: Together::default(), latest: Arc::new(Mutex::new(Latest::none())), too_old: TooOld::default() }
    }

    /// The state that was found latest. What is read from here on is of this one, or of a later one if there is one by then; the former is
    /// what is noted of it, since nobody finds it again in the latter case.
    pub(super) fn latest(&self) -> View {
        self.latest.lock().recent.view
    }

    /// The last state in which counters of analytics or names have changed, as of now or of any moment since the request began.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn counters(&self) -> Result<u64, StoreError> {
        self.told(|_| None, |latest| latest.recent.counters.0).await
    }

    /// Whether this part is as it was when this was the latest state. `false` also when that is not known.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn is_still(&self, view: View, part: Part<'_>) -> Result<bool, StoreError> {
        self.told(|latest| latest.is_taken_for_another(view, part).then_some(false), |latest| latest.recent.is_still(view, part)).await
    }

    /// How a page of a list stands that was read when this was the latest state, with its tickets in these states. `None` when other ones may
    /// belong to it, or in another order, and when that is not known.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn same_page(&self, view: View, query: &TicketQuery, shown: &[State]) -> Result<Option<SamePage>, StoreError> {
        let part = Part::Page(query, &[]);
        let same = |latest: &Latest| {
            let seen = latest.seen.clone().filter(|_| latest.recent.is_still(view, part))?;
            let changed = |id: &i64| !latest.recent.is_still(view, Part::Ticket(*id));
            Some(SamePage { view: latest.recent.view, changed: shown.iter().map(|state| state.id).filter(changed).collect(), seen })
        };
        self.told(|latest| latest.is_taken_for_another(view, part).then_some(None), same).await
    }

    /// What the latest look tells, when that is not too old; else what the one before tells all the same, or another one.
    async fn told<T>(&self, before: impl FnOnce(&Latest) -> Option<T>, tells: impl Fn(&Latest) -> T) -> Result<T, StoreError> {
        let too_old = self.too_old.last();
        {
            let latest = self.latest.lock();
            if latest.look > too_old {
                return Ok(tells(&latest));
            }
            if let Some(told) = before(&latest) {
                return Ok(told);
            }
        }
        self.look().await?;
        Ok(tells(&self.latest.lock()))
    }

    async fn look(&self) -> Result<(), StoreError> {
        let (pool, lost, latest) = (self.pool.clone(), self.lost.clone(), self.latest.clone());
        let looked = self.together.ask((), (), move |_| {
            let (pool, lost, latest) = (pool.clone(), lost.clone(), latest.clone());
            async move {
                let look = moment::look();
                let before = latest.lock().seen.clone();
                let (seen, news) = asking!(lost, look_at(&pool, &lost, before.as_deref()))?;
                latest.lock().note(look, seen, news);
                Ok(())
            }
        });
        looked.await
    }
}

/// Looks; and tells what is new since another look.
async fn look_at(pool: &Connections, lost: &Lost, before: Option<&Seen>) -> Read<(Seen, News)> {
    let lost_before = lost.count();
    let row = sqlx::query(LOOK).fetch_one(pool).await?;
    let snapshot = Snapshot::read(row.try_get(0)?).ok_or_else(|| sqlx::Error::Decode("a snapshot that is none".into()))?;
    let seen = Seen { snapshot, up_since: row.try_get(1)?, lost: lost_before };
    let Some(before) = before.filter(|before| seen.is_of(before, lost.count())) else { return Ok((seen, News::anything())) };
    let news = match seen.snapshot.ended_since(&before.snapshot) {
        Some(ended) if ended.is_empty() => News::default(),
        Some(ended) => News::told(pool, &ended).await.unwrap_or_else(|error| {
            // It need not be known: everything can be read again.
            tracing::debug!(%error, "what has changed could not be told apart");
            News::anything()
        }),
        None => {
            tracing::debug!("too many transactions have ended to tell what they have changed: what was read before is read anew");
            News::anything()
        }
    };
    Ok((seen, news))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(text: &str) -> Snapshot {
        Snapshot::read(text).unwrap()
    }

    #[test]
    fn it_is_told_which_transactions_have_ended() {
        let before = snapshot("100:105:100,103");
        let ended = |text| snapshot(text).ended_since(&before);
        assert_eq!(ended("100:105:100,103"), Some(vec![]));
        assert_eq!(ended("103:105:103"), Some(vec![100]));
        assert_eq!(ended("105:105:"), Some(vec![100, 103]));
        assert_eq!(ended("100:108:100,103,106"), Some(vec![105, 107]));
        assert_eq!(ended("100:119:100,103").map(|ended| ended.len()), Some(14));
        assert_eq!(ended("121:121:"), None, "18 have");
        assert_eq!(ended("90:95:"), None, "that is another server's");
        assert_eq!([Snapshot::read("7"), Snapshot::read("7:x:"), Snapshot::read("7:8:y")], [None, None, None]);
    }

    #[test]
    fn what_a_transaction_has_written_is_there_when_it_is_over() {
        let has = |text, numbers: [u32; 5]| numbers.map(|number| snapshot(text).has(values::Xid(number)));
        assert_eq!(has("100:105:100,103", [99, 100, 104, 103, 105]), [true, false, true, false, false]);
        let next_epoch = "4294967290:4294967300:4294967292";
        assert_eq!(has(next_epoch, [u32::MAX, u32::MAX - 3, 3, 4, 5]), [true, false, true, false, false]);
    }

    #[test]
    fn another_server_is_told_by_its_start_and_by_what_was_lost() {
        let seen = |up_since, lost| Seen { snapshot: snapshot("7:7:"), up_since: values::Instant(up_since), lost };
        assert!(seen(1, 3).is_of(&seen(1, 3), 3));
        assert!(!seen(2, 3).is_of(&seen(1, 3), 3), "it was started since");
        assert!(!seen(1, 3).is_of(&seen(1, 3), 4), "a connection was lost meanwhile");
        assert!(!seen(1, 4).is_of(&seen(1, 3), 4), "one was lost before");
    }

    #[test]
    fn who_finds_changes_only_rests() {
        let seen = || Seen { snapshot: snapshot("7:7:"), up_since: values::Instant(0), lost: 0 };
        let mut latest = Latest::none();
        for look in 1..=u64::from(RESTLESS) {
            assert!(!latest.rests());
            latest.note(look, seen(), News::anything());
        }
        latest.at = Instant::now() + REST;
        assert!(latest.rests());
        latest.note(20, seen(), News::default());
        assert!(!latest.rests());
    }
}
