//! What the naive model counts: every figure anew, from all of its tickets.

use std::collections::BTreeMap;

use async_trait::async_trait;
use taquilla::{
    analytics::figures::{Amount, Key, Span, Standing},
    store::{Analytics, Backlog, StoreError},
    tickets::model::Ticket,
    types::Timestamp,
};

use super::model::Model;

#[async_trait]
impl Analytics for Model {
    async fn counters(&self, spans: &[Span]) -> Result<Vec<(Key, Amount)>, StoreError> {
        self.read(|state| {
            let figures: Vec<(Key, Amount)> = state.tickets().into_iter().flat_map(|ticket| Standing::from(ticket).figures()).collect();
            let counters = |span: &Span| {
                let mut sums: BTreeMap<Key, Amount> = BTreeMap::new();
                for (key, amount) in figures.iter().filter(|(key, _)| key.kind == span.kind && (span.from..=span.to).contains(&key.at)) {
                    *sums.entry(Key { at: if span.merged { span.from } else { key.at }, ..*key }).or_default() += *amount;
                }
                sums
            };
            spans.iter().flat_map(counters).collect()
        })
    }

    async fn revision(&self) -> Result<Option<u64>, StoreError> {
        Ok(u64::try_from(*self.durable.borrow()).ok())
    }

    async fn backlog(&self, now: Timestamp, opened_by: &[Timestamp]) -> Result<Backlog, StoreError> {
        self.read(|state| {
            let tickets = state.tickets();
            let active: Vec<&&Ticket> = tickets.iter().filter(|t| t.status.is_active() && t.deleted_at.is_none()).collect();
            let count = |belongs: &dyn Fn(&Ticket) -> bool| i64::try_from(active.iter().filter(|t| belongs(t)).count()).expect("few");
            Backlog {
                overdue: count(&|t| t.is_overdue(now)),
                opened_by: opened_by.iter().map(|at| count(&|t| t.created_at <= *at)).collect(),
                oldest: active.iter().map(|t| t.created_at).min(),
            }
        })
    }
}
