//! The projection that analytics are read from: the counters of all tickets, moved with their cells.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{SledStore, columns::Columns};
use crate::{
    analytics::figures::{Amount, Key, Kind, Span, Standing, hour, hour_begin, moves},
    store::{Analytics, Backlog, StoreError},
    types::Timestamp,
};

/// Every counter that is not zero.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Figures(pub(super) BTreeMap<Key, Amount>);

impl Figures {
    /// Moves the counters as a ticket moves.
    pub(super) fn follow(&mut self, before: Option<&Standing>, after: &Standing) {
        for (key, amount) in moves(before, Some(after)) {
            let counter = self.0.entry(key).or_default();
            *counter += amount;
            if counter.is_zero() {
                self.0.remove(&key);
            }
        }
    }

    fn read(&self, span: &Span) -> Vec<(Key, Amount)> {
        if span.from > span.to {
            return Vec::new();
        }
        let counters = self.0.range(span.first()..=span.last()).map(|(key, amount)| (*key, *amount));
        if !span.merged {
            return counters.collect();
        }
        let mut merged: BTreeMap<Key, Amount> = BTreeMap::new();
        for (key, amount) in counters {
            *merged.entry(span.given(key)).or_default() += amount;
        }
        merged.into_iter().collect()
    }

    /// How many tickets the counters of a kind have in the hours before this one.
    fn before(&self, kind: Kind, hour: i32) -> i64 {
        let end = Key { kind, at: hour, of: i64::MIN };
        self.0.range(Span::all(kind).first()..end).map(|(_, amount)| amount.tickets).sum()
    }

    fn backlog(&self, columns: &Columns, now: Timestamp, opened_by: &[Timestamp]) -> Backlog {
        let active = |id: u32| columns.cell(id).is_some_and(|cell| cell.status.is_active() && !cell.deleted);
        let (now, this_hour) = (now.as_micros(), hour(now));
        let due_this_hour = columns.by_due.range((hour_begin(this_hour).as_micros(), 0)..(now, 0));
        let overdue = self.before(Kind::ActiveByDue, this_hour) + count(due_this_hour.filter(|(_, id)| active(*id)));
        let opened_by = opened_by.iter().map(|at| {
            let its_hour = hour(*at);
            let in_it = columns.by_created.range((hour_begin(its_hour).as_micros(), 0)..=(at.as_micros(), u32::MAX));
            self.before(Kind::ActiveByCreated, its_hour) + count(in_it.filter(|(_, id)| active(*id)))
        });
        let opened_by = opened_by.collect();
        let eldest = self.0.range(Span::all(Kind::ActiveByCreated).first()..=Span::all(Kind::ActiveByCreated).last()).next();
        let oldest = eldest.and_then(|(key, _)| {
            let from = (hour_begin(key.at).as_micros(), 0);
            columns.by_created.range(from..).find(|(_, id)| active(*id)).map(|(at, _)| Timestamp::from_micros(*at))
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

    async fn backlog(&self, now: Timestamp, opened_by: &[Timestamp]) -> Result<Backlog, StoreError> {
        self.memory(|p| p.figures.backlog(&p.columns, now, opened_by))
    }
}
