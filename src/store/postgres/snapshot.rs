//! Whether anything has changed. Which transactions are over is what decides which rows a statement sees, and the server tells it
//! (`pg_current_snapshot`): two snapshots that are equal show the same rows, and one that differs from the one before never comes again,
//! since what is over stays so. So whatever was read is as it was for as long as the snapshot is. Looking at that costs a statement that
//! touches no table, and all who want to know it at the same time share it.
//!
//! It is the snapshot of the whole server: other databases' writes count as changes, too. Where there is something new each time, it is
//! seldom looked, and all is read as if nothing were known. What the desks themselves write all the time, without changing what they are about,
//! is told apart: leases, when a session was used, which places commits have in the log, and that others are told of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sqlx::Row as _;

use super::{Lost, connections::Connections, rows::Read, together::Together, values, values::Xid};
use crate::store::{
    StoreError,
    moment::{self, TooOld},
};

/// The transactions that are over, and since when the server runs: the numbers of those that it had forgotten when it fell may come again.
const LOOK: &str = "SELECT pg_current_snapshot()::text, pg_postmaster_start_time()";

/// Transactions that changed no content, by their numbers or the lower halves of them, and whether they have changed nothing else either.
/// Leases, probes and messages have transactions of their own, which leave their numbers in those tables; so do commits in theirs. The row of a commit is written
/// again by the transaction that gives it a place in the log, and does that and nothing else: it is another one than that which wrote it first.
const ASIDE: &str = "\
    SELECT xid, NULL::bytea, true FROM taquilla.leases UNION ALL SELECT xid, NULL, true FROM taquilla.probes UNION ALL \
    SELECT CASE WHEN entries = 0 AND NOT content THEN xid END, CASE WHEN last_seq IS NOT NULL AND written_by <> xid & 4294967295 THEN by END, \
    false FROM (SELECT *, xmin::text::bigint AS written_by, xidsend(xmin) AS by FROM taquilla.commits ORDER BY nr DESC LIMIT 64) AS latest \
    WHERE made_at > now() - interval '1 minute'";

/// When more transactions than this have ended, some of them are taken to have changed something.
const MOST_ASIDE: usize = 16;

/// After so many looks each of which has found something new, the next one waits for a while.
const RESTLESS: u32 = 8;
/// For so long.
const REST: Duration = Duration::from_millis(5);

/// One of the states that the database has had, by the numbers of all of it and of its content; the first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View {
    all: u64,
    content: u64,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Everything.
    All,
    /// Tickets, accounts and settings.
    Content,
}

impl View {
    /// Whether a part is the same in both.
    pub(super) const fn is(self, other: Self, part: Part) -> bool {
        match part {
            Part::All => self.all == other.all,
            Part::Content => self.content == other.content,
        }
    }
}

/// What has changed between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    None,
    /// No content.
    Aside,
    Content,
}

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

/// What the latest look has found.
#[derive(Debug)]
struct Latest {
    look: u64,
    view: View,
    seen: Option<Arc<Seen>>,
    /// So many looks in a row have found something new.
    news: u32,
    at: Instant,
}

impl Latest {
    /// Notes what a look has found, and what of it is new.
    fn note(&mut self, look: u64, seen: Seen, news: News) -> View {
        self.view.all += u64::from(news != News::None);
        self.view.content += u64::from(news == News::Content);
        self.news = if news == News::Content { self.news.saturating_add(1) } else { 0 };
        self.seen = Some(Arc::new(seen));
        self.look = look;
        self.at = Instant::now();
        self.view
    }

    fn rests(&self) -> bool {
        self.news >= RESTLESS && self.at.elapsed() < REST
    }
}

/// Looks for all readers of this instance.
pub(super) struct Snapshots {
    pub(super) pool: Connections,
    pub(super) lost: Arc<Lost>,
    together: Together<(), (), View>,
    latest: Arc<Mutex<Latest>>,
    pub(super) too_old: TooOld,
}

impl Snapshots {
    pub(super) fn new(pool: Connections, lost: Arc<Lost>) -> Self {
        let latest = Latest { look: 0, view: View { all: 0, content: 0 }, seen: None, news: 0, at: Instant::now() };
        Self { pool, lost, together: Together::default(), latest: Arc::new(Mutex::new(latest)), too_old: TooOld::default() }
    }

    /// The state that was found latest. What is read from here on is of this one, or of a later one if there is one by then; the former is
    /// what is noted of it, since nobody finds it again in the latter case.
    pub(super) fn latest(&self) -> View {
        self.latest.lock().view
    }

    /// Whether this part is as it was when this was the latest state. `false` also when that is not known.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn is_still(&self, view: View, part: Part) -> Result<bool, StoreError> {
        let too_old = self.too_old.last();
        {
            let latest = self.latest.lock();
            if latest.look > too_old {
                return Ok(latest.view.is(view, part));
            }
            if !latest.view.is(view, part) || latest.rests() {
                return Ok(false);
            }
        }
        let (pool, lost, latest) = (self.pool.clone(), self.lost.clone(), self.latest.clone());
        let looked = self.together.ask((), (), move |_| {
            let (pool, lost, latest) = (pool.clone(), lost.clone(), latest.clone());
            async move {
                let look = moment::look();
                let before = latest.lock().seen.clone();
                let (seen, news) = asking!(lost, look_at(&pool, &lost, before.as_deref()))?;
                Ok(latest.lock().note(look, seen, news))
            }
        });
        Ok(looked.await?.is(view, part))
    }
}

/// Looks; and tells what is new since another look.
async fn look_at(pool: &Connections, lost: &Lost, before: Option<&Seen>) -> Read<(Seen, News)> {
    let lost_before = lost.count();
    let row = sqlx::query(LOOK).fetch_one(pool).await?;
    let snapshot = Snapshot::read(row.try_get(0)?).ok_or_else(|| sqlx::Error::Decode("a snapshot that is none".into()))?;
    let seen = Seen { snapshot, up_since: row.try_get(1)?, lost: lost_before };
    let Some(before) = before.filter(|before| seen.is_of(before, lost.count())) else { return Ok((seen, News::Content)) };
    let news = match seen.snapshot.ended_since(&before.snapshot) {
        Some(ended) if ended.is_empty() => News::None,
        Some(ended) => told_apart(pool, &ended).await.unwrap_or_else(|error| {
            // It need not be known: everything can be read again.
            tracing::debug!(%error, "what has changed could not be told apart");
            News::Content
        }),
        None => News::Content,
    };
    Ok((seen, news))
}

/// What these transactions have changed.
async fn told_apart(pool: &Connections, ended: &[u64]) -> Read<News> {
    let mut news = vec![News::Content; ended.len()];
    for row in sqlx::query(ASIDE).fetch_all(pool).await? {
        let (whole, lower, nothing): (Option<i64>, Option<Xid>, bool) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let is = |number: u64| whole.is_some_and(|whole| u64::try_from(whole) == Ok(number)) || lower.is_some_and(|xid| xid.is_of(number));
        for (_, of) in ended.iter().zip(&mut news).filter(|(number, _)| is(**number)) {
            *of = if nothing { News::None } else { News::Aside };
        }
    }
    Ok(news.into_iter().max().unwrap_or(News::None))
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
    fn another_server_is_told_by_its_start_and_by_what_was_lost() {
        let seen = |up_since, lost| Seen { snapshot: snapshot("7:7:"), up_since: values::Instant(up_since), lost };
        assert!(seen(1, 3).is_of(&seen(1, 3), 3));
        assert!(!seen(2, 3).is_of(&seen(1, 3), 3), "it was started since");
        assert!(!seen(1, 3).is_of(&seen(1, 3), 4), "a connection was lost meanwhile");
        assert!(!seen(1, 4).is_of(&seen(1, 3), 4), "one was lost before");
    }

    #[test]
    fn a_state_has_one_number_until_it_changes_and_who_finds_changes_only_rests() {
        let seen = || Seen { snapshot: snapshot("7:7:"), up_since: values::Instant(0), lost: 0 };
        let mut latest = Latest { look: 0, view: View { all: 0, content: 0 }, seen: None, news: 0, at: Instant::now() };
        let mut note = |look, news| latest.note(look, seen(), news);
        let (first, same) = (note(1, News::Content), note(2, News::None));
        assert!(first.is(same, Part::All) && first.is(same, Part::Content));
        let used = note(3, News::Aside);
        assert!(!first.is(used, Part::All) && first.is(used, Part::Content));
        let changed = note(4, News::Content);
        assert!(!first.is(changed, Part::All) && !first.is(changed, Part::Content));
        for look in 5..20 {
            note(look, News::Content);
        }
        latest.at = Instant::now() + REST;
        assert!(latest.rests());
        latest.note(20, seen(), News::None);
        assert!(!latest.rests());
    }
}
