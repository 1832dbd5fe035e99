//! The counters of analytics: each commit adds by what it moves them, and their sums are read.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sqlx::{PgConnection, Row as _};

use super::{
    PgStore,
    fault::{Fault, told},
    values::Instant,
};
use crate::{
    analytics::figures::{Amount, Key, Kind, Span, hour, hour_begin},
    store::{Analytics, Backlog, StoreError},
    types::Timestamp,
};

/// By what a commit moves the counters.
pub(super) type Moves = BTreeMap<Key, Amount>;

/// Adds the moves of a commit.
pub(super) async fn moved(tx: &mut PgConnection, moves: &Moves) -> Result<(), Fault> {
    let moves: Vec<(&Key, &Amount)> = moves.iter().filter(|(_, amount)| !amount.is_zero()).collect();
    if moves.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO taquilla.figure_moves (kind, at, of, tickets, micros) \
               SELECT * FROM unnest($1::smallint[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[])";
    sqlx::query(sql)
        .bind(moves.iter().map(|(key, _)| i16::from(key.kind.code())).collect::<Vec<_>>())
        .bind(moves.iter().map(|(key, _)| key.at).collect::<Vec<_>>())
        .bind(moves.iter().map(|(key, _)| key.of).collect::<Vec<_>>())
        .bind(moves.iter().map(|(_, amount)| amount.tickets).collect::<Vec<_>>())
        .bind(moves.iter().map(|(_, amount)| amount.micros).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}

/// The counters of spans, in their order; the number of the span says of which kind each is.
const COUNTERS: &str = "SELECT s.n, CASE WHEN s.merged THEN s.from_at ELSE c.at END AS place, c.of, sum(c.tickets)::bigint, \
    sum(c.micros)::bigint \
    FROM unnest($1::smallint[], $2::integer[], $3::integer[], $4::boolean[]) WITH ORDINALITY AS s(kind, from_at, to_at, merged, n) \
    JOIN taquilla.counters c ON c.kind = s.kind AND c.at BETWEEN s.from_at AND s.to_at \
    GROUP BY s.n, place, c.of HAVING sum(c.tickets) <> 0 OR sum(c.micros) <> 0 ORDER BY s.n, place, c.of";

/// Counters for whole hours, rows within the hours that are divided; all in one statement, so as of one moment.
const BACKLOG: &str = "SELECT \
    coalesce((SELECT sum(c.tickets) FROM taquilla.counters c WHERE c.kind = $1 AND c.at < $2), 0)::bigint \
    + (SELECT count(*) FROM taquilla.tickets t WHERE t.deleted_at IS NULL AND t.due_at >= $3 AND t.due_at < $4), \
    (SELECT array_agg(coalesce((SELECT sum(c.tickets) FROM taquilla.counters c WHERE c.kind = $5 AND c.at < o.hour), 0)::bigint \
    + (SELECT count(*) FROM taquilla.tickets t WHERE t.deleted_at IS NULL AND t.status IN ('open', 'in_progress', 'pending') \
    AND t.created_at >= o.begin AND t.created_at <= o.at) ORDER BY o.n) \
    FROM unnest($6::integer[], $7::timestamptz[], $8::timestamptz[]) WITH ORDINALITY AS o(hour, begin, at, n)), \
    (SELECT min(first) FROM (VALUES ('open'), ('in_progress'), ('pending')) AS active(status), LATERAL \
    (SELECT min(t.created_at) AS first FROM taquilla.tickets t WHERE t.deleted_at IS NULL AND t.status = active.status) AS oldest)";

#[async_trait]
impl Analytics for PgStore {
    async fn counters(&self, spans: &[Span]) -> Result<Vec<(Key, Amount)>, StoreError> {
        let kinds: Vec<i16> = spans.iter().map(|span| i16::from(span.kind.code())).collect();
        let from: Vec<i32> = spans.iter().map(|span| span.from).collect();
        let to: Vec<i32> = spans.iter().map(|span| span.to).collect();
        let merged: Vec<bool> = spans.iter().map(|span| span.merged).collect();
        let found = asking!(self, sqlx::query(COUNTERS).bind(&kinds).bind(&from).bind(&to).bind(&merged).fetch_all(&self.pool))?;
        let mut counters = Vec::with_capacity(found.len());
        for row in &found {
            let place: i64 = row.try_get(0).map_err(|error| told(&error))?;
            let span = usize::try_from(place - 1).ok().and_then(|n| spans.get(n));
            let Some(kind) = span.map(|span| span.kind) else { continue };
            let read = || -> Result<(Key, Amount), sqlx::Error> {
                let key = Key { kind, at: row.try_get(1)?, of: row.try_get(2)? };
                Ok((key, Amount { tickets: row.try_get(3)?, micros: row.try_get(4)? }))
            };
            counters.push(read().map_err(|error| told(&error))?);
        }
        Ok(counters)
    }

    async fn backlog(&self, now: Timestamp, opened_by: &[Timestamp]) -> Result<Backlog, StoreError> {
        let this_hour = hour(now);
        let hours: Vec<i32> = opened_by.iter().map(|at| hour(*at)).collect();
        let begins: Vec<Instant> = hours.iter().map(|hour| hour_begin(*hour).into()).collect();
        let instants: Vec<Instant> = opened_by.iter().map(|at| Instant::from(*at)).collect();
        let row = asking!(
            self,
            sqlx::query(BACKLOG)
                .bind(i16::from(Kind::ActiveByDue.code()))
                .bind(this_hour)
                .bind(Instant::from(hour_begin(this_hour)))
                .bind(Instant::from(now))
                .bind(i16::from(Kind::ActiveByCreated.code()))
                .bind(&hours)
                .bind(&begins)
                .bind(&instants)
                .fetch_one(&self.pool)
        )?;
        let read = || -> Result<Backlog, sqlx::Error> {
            Ok(Backlog {
                overdue: row.try_get(0)?,
                opened_by: row.try_get::<Option<Vec<i64>>, _>(1)?.unwrap_or_default(),
                oldest: row.try_get::<Option<Instant>, _>(2)?.map(Instant::stamp),
            })
        };
        read().map_err(|error| told(&error))
    }
}
