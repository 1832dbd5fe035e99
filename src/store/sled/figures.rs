//! The projection that analytics are read from: the counters of all tickets, moved with their cells.

use std::collections::{BTreeMap, VecDeque};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{SledStore, columns::Columns};
use crate::{
    analytics::figures::{Amount, Key, Kind, Span, Standing, hour, hour_begin, moves},
    store::{Analytics, Backlog, StoreError},
    types::Timestamp,
};

/// Below this, what counters are merged by has its place in a list: every bucket, and the agents of most desks.
const LOW: usize = 4_096;

/// How many merged spans are kept: seven belong to a dashboard, and there are few windows that people look at.
const MOST_SUMS: usize = 35;

/// Every counter that is not zero, and the sums of those that were asked for.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) counters: BTreeMap<Key, Amount>,
    /// Merged spans, the one asked for last at the end. They move with the counters, so that a dashboard costs the same
    /// however many counters a month or a year has.
    sums: Mutex<VecDeque<Sums>>,
}

/// The counters of a span, added up over `at`: by what they are of, none of them zero.
#[derive(Debug)]
struct Sums {
    span: Span,
    by: BTreeMap<i64, Amount>,
}

impl Sums {
    fn follow(&mut self, key: Key, amount: Amount) {
        if self.span.kind == key.kind && (self.span.from..=self.span.to).contains(&key.at) {
            add(&mut self.by, key.of, amount);
        }
    }
}

/// Adds to a counter; one that is zero is not kept.
fn add<K: Ord + Copy>(counters: &mut BTreeMap<K, Amount>, key: K, amount: Amount) {
    let counter = counters.entry(key).or_default();
    *counter += amount;
    if counter.is_zero() {
        counters.remove(&key);
    }
}

impl PartialEq for Figures {
    /// Sums follow from the counters.
    fn eq(&self, other: &Self) -> bool {
        self.counters == other.counters
    }
}

impl Figures {
    /// Moves the counters as a ticket moves.
    pub(super) fn follow(&mut self, before: Option<&Standing>, after: &Standing) {
        for (key, amount) in moves(before, Some(after)) {
            add(&mut self.counters, key, amount);
            self.sums.get_mut().iter_mut().for_each(|sums| sums.follow(key, amount));
        }
    }

    fn read(&self, span: &Span) -> Vec<(Key, Amount)> {
        if span.from > span.to {
            return Vec::new();
        }
        if !span.merged {
            return self.counters.range(span.first()..=span.last()).map(|(key, amount)| (*key, *amount)).collect();
        }
        let mut kept = self.sums.lock();
        let known = kept.iter().position(|sums| sums.span == *span).and_then(|at| kept.remove(at));
        let sums = known.unwrap_or_else(|| Sums { span: *span, by: self.merged(span) });
        let read = sums.by.iter().map(|(of, amount)| (Key { kind: span.kind, at: span.from, of: *of }, *amount)).collect();
        kept.push_back(sums);
        if kept.len() > MOST_SUMS {
            kept.pop_front();
        }
        read
    }

    /// Adds the counters of a span up.
    fn merged(&self, span: &Span) -> BTreeMap<i64, Amount> {
        // Readers hold up the committer, so the many counters of a year are not looked up one by one.
        let mut low = Vec::new();
        let mut others: BTreeMap<i64, Amount> = BTreeMap::new();
        for (key, amount) in self.counters.range(span.first()..=span.last()) {
            match usize::try_from(key.of) {
                Ok(of) if of < LOW => {
                    if low.len() <= of {
                        low.resize(of + 1, Amount::default());
                    }
                    low[of] += *amount;
                }
                _ => add(&mut others, key.of, *amount),
            }
        }
        others.extend((0..).zip(low).filter(|(_, amount)| !amount.is_zero()));
        others
    }

    /// How many tickets the counters of a kind have in the hours before this one.
    fn before(&self, kind: Kind, hour: i32) -> i64 {
        let end = Key { kind, at: hour, of: i64::MIN };
        self.counters.range(Span::all(kind).first()..end).map(|(_, amount)| amount.tickets).sum()
    }

    fn backlog(&self, columns: &Columns, now: Timestamp, opened_by: &[Timestamp]) -> Backlog {
        let active = |id: u32| columns.cell(id).is_some_and(|cell| cell.status.is_active() && !cell.deleted);
        let (now, this_hour) = (now.as_micros(), hour(now));
        let due_this_hour = columns.by_due().range((hour_begin(this_hour).as_micros(), 0)..(now, 0));
        let overdue = self.before(Kind::ActiveByDue, this_hour) + count(due_this_hour.filter(|(_, id)| active(*id)));
        let opened_by = opened_by.iter().map(|at| {
            let its_hour = hour(*at);
            let in_it = columns.by_created().range((hour_begin(its_hour).as_micros(), 0)..=(at.as_micros(), u32::MAX));
            self.before(Kind::ActiveByCreated, its_hour) + count(in_it.filter(|(_, id)| active(*id)))
        });
        let opened_by = opened_by.collect();
        let eldest = self.counters.range(Span::all(Kind::ActiveByCreated).first()..=Span::all(Kind::ActiveByCreated).last()).next();
        let oldest = eldest.and_then(|(key, _)| {
            let from = (hour_begin(key.at).as_micros(), 0);
            columns.by_created().range(from..).find(|(_, id)| active(*id)).map(|(at, _)| Timestamp::from_micros(at))
        });
        Backlog { overdue, opened_by, oldest }
    }
}

fn count<T>(rows: impl Iterator<Item = T>) -> i64 {
    i64::try_from(rows.count()).unwrap_or(i64::MAX)
}

#[async_trait]
impl Analytics for SledStore {
    async fn counters(&self, spans: &[Span]) -> Result<Vec<(Key, Amount)>, StoreError> {
        self.memory(|p| spans.iter().flat_map(|span| p.figures.read(span)).collect())
    }

    async fn revision(&self) -> Result<Option<u64>, StoreError> {
        self.memory(|p| Some(p.revision))
    }

    async fn backlog(&self, now: Timestamp, opened_by: &[Timestamp]) -> Result<Backlog, StoreError> {
        self.memory(|p| p.figures.backlog(&p.columns, now, opened_by))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        analytics::figures::Decided,
        tickets::model::{Priority, Status},
        types::UserId,
    };

    fn standing((created, took, agent, resolved): (i64, i64, i64, bool)) -> Standing {
        let at = |hours: i64| Timestamp::from_micros(hours * 3_600_000_000);
        Standing {
            created_at: at(created),
            status: if resolved { Status::Resolved } else { Status::Open },
            priority: Priority::Low,
            assigned_agent_id: (agent != 0).then_some(UserId(agent)),
            due_at: None,
            first_response_at: (took > 3).then(|| at(created + took)),
            resolved_at: resolved.then(|| at(created + took)),
            first_response: Some(Decided { day: i32::try_from(created / 24).unwrap(), met: resolved }),
            resolution: None,
            deleted: took == 5,
        }
    }

    proptest! {
        /// Sums that are kept while tickets move are those that the counters give, also after many others were asked for.
        #[test]
        fn kept_sums_are_those_of_the_counters(
            tickets in prop::collection::vec((0_usize..6, 0_i64..200, 0_i64..9, prop_oneof![0_i64..4, Just(9_999_999_999)], any::<bool>()), 1..60),
            spans in prop::collection::vec((0..Kind::ALL.len(), 0_i32..9, 0_i32..9), 1..60),
        ) {
            let spans: Vec<Span> = spans.into_iter().map(|(kind, from, to)| Span::merged(Kind::ALL[kind], from, to)).collect();
            let (mut figures, mut present) = (Figures::default(), BTreeMap::new());
            for (id, created, took, agent, resolved) in tickets {
                let after = standing((created, took, agent, resolved));
                figures.follow(present.insert(id, after).as_ref(), &after);
                for span in &spans {
                    let fresh = Figures { counters: figures.counters.clone(), ..Figures::default() };
                    prop_assert_eq!(figures.read(span), fresh.read(span));
                }
                prop_assert!(figures.sums.lock().len() <= MOST_SUMS);
            }
        }
    }
}
