//! The portable form of the naive model.

use std::sync::Arc;

use async_trait::async_trait;
use taquilla::{
    store::{Collection, IdKind, NextId, Place, Portable, Record, RowKey, Snapshot, StoreError},
    types::Seq,
};

use super::model::{Model, State};

/// Where a row stands among those of its kind.
fn order(key: &RowKey) -> (i64, i64, Vec<u8>) {
    match key {
        RowKey::Ticket(id) => (id.0, 0, Vec::new()),
        RowKey::Comment(ticket, id) => (ticket.0, id.0, Vec::new()),
        RowKey::User(id) | RowKey::Preferences(id) => (id.0, 0, Vec::new()),
        RowKey::Session(id) => (id.0, 0, Vec::new()),
        RowKey::ApiToken(id) => (id.0, 0, Vec::new()),
        RowKey::LogCursor(name) => (0, 0, name.as_bytes().to_vec()),
        RowKey::Answer(key) => (key.user_id.0, 0, key.key.to_vec()),
        _ => (0, 0, Vec::new()),
    }
}

fn after(place: &Place, other: &Place) -> bool {
    match (place, other) {
        (Place::Row(a), Place::Row(b)) => order(a) > order(b),
        (Place::Seq(a), Place::Seq(b)) => a > b,
        (Place::Id(a), Place::Id(b)) => a > b,
        _ => false,
    }
}

struct Held(State);

#[async_trait]
impl Snapshot for Held {
    fn end(&self) -> Seq {
        self.0.seq()
    }

    async fn page(&self, collection: Collection, from: Option<&Place>, limit: usize) -> Result<Vec<Record>, StoreError> {
        let mut all: Vec<Record> = match collection {
            Collection::Rows(kind) => self.0.rows.values().filter(|row| row.kind() == kind).cloned().map(Record::from).collect(),
            Collection::Log => self.0.log.iter().map(|entry| Record::Entry(Box::new(entry.clone()))).collect(),
            Collection::NextIds => {
                let next = |kind| self.0.ids.get(&kind).copied().unwrap_or(0) + 1;
                IdKind::ALL.into_iter().map(|kind| Record::NextId(NextId { kind, next: next(kind) })).collect()
            }
        };
        all.sort_by(|a, b| if after(&a.place(), &b.place()) { std::cmp::Ordering::Greater } else { std::cmp::Ordering::Less });
        all.retain(|record| from.is_none_or(|from| after(&record.place(), from)));
        all.truncate(limit);
        Ok(all)
    }
}

#[async_trait]
impl Portable for Model {
    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError> {
        self.read(|state| Arc::new(Held(state.clone())) as Arc<dyn Snapshot>)
    }

    async fn take_in(&self, records: Vec<Record>) -> Result<(), StoreError> {
        self.read(|_| ())?;
        let mut state = self.state.lock();
        let entries = records.iter().filter_map(|record| if let Record::Entry(entry) = record { Some(entry.seq) } else { None });
        if entries.zip(state.seq() + 1..).any(|(seq, next)| seq != next) {
            return Err(StoreError::Corrupt("a hole in the log".into()));
        }
        for record in records {
            match record {
                Record::Row(row) => drop(state.rows.insert(row.key(), *row)),
                Record::Entry(entry) => state.log.push(*entry),
                Record::NextId(id) => {
                    let last = state.ids.entry(id.kind).or_default();
                    *last = (id.next - 1).max(*last);
                }
            }
        }
        self.durable.send_replace(state.seq());
        Ok(())
    }

    async fn settle(&self) -> Result<(), StoreError> {
        self.read(|_| ())
    }
}
