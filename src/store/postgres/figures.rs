//! The counters of analytics: each commit adds by what it moves them, and their sums are read.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use sqlx::{PgConnection, Postgres, Row as _, postgres::PgArguments, query::Query};

use super::{
    PgStore,
    connections::Connections,
    fault::{Fault, told},
    rows::Read,
    values::Instant,
};
use crate::{
    analytics::figures::{Amount, Key, Kind, Span, hour, hour_begin},
    store::{Analytics, Backlog, StoreError},
    types::Timestamp,
};

/// By what a commit moves the counters.
pub(super) type Moves = BTreeMap<Key, Amount>;

/// An `INSERT` of moves, of which the parameters of these names hold the columns.
macro_rules! add_moves {
    ($kind:literal, $at:literal, $of:literal, $tickets:literal, $micros:literal) => {
        concat!(
            "INSERT INTO taquilla.figure_moves (kind, at, of, tickets, micros) SELECT * FROM unnest(",
            $kind,
            "::smallint[], ",
            $at,
            "::integer[], ",
            $of,
            "::bigint[], ",
            $tickets,
            "::bigint[], ",
            $micros,
            "::bigint[])"
        )
    };
}
pub(super) use add_moves;

/// Binds moves as the next parameters of a statement with [`add_moves`].
pub(super) fn bound<'q>(query: Query<'q, Postgres, PgArguments>, moves: &Moves) -> Query<'q, Postgres, PgArguments> {
    let moves: Vec<(&Key, &Amount)> = moves.iter().filter(|(_, amount)| !amount.is_zero()).collect();
    query
        .bind(moves.iter().map(|(key, _)| i16::from(key.kind.code())).collect::<Vec<_>>())
        .bind(moves.iter().map(|(key, _)| key.at).collect::<Vec<_>>())
        .bind(moves.iter().map(|(key, _)| key.of).collect::<Vec<_>>())
        .bind(moves.iter().map(|(_, amount)| amount.tickets).collect::<Vec<_>>())
        .bind(moves.iter().map(|(_, amount)| amount.micros).collect::<Vec<_>>())
}

/// Adds moves.
pub(super) async fn moved(tx: &mut PgConnection, moves: &Moves) -> Result<(), Fault> {
    bound(sqlx::query(add_moves!("$1", "$2", "$3", "$4", "$5")), moves).execute(tx).await?;
    Ok(())
}

/// The counters of spans; the number of the span says of which kind each is. Hundreds of them come as one row of columns, which costs both
/// sides much less than as many rows. Each span is added up by itself, since the server guesses that for all of them together it had to sort
/// what is there, which takes most of the time.
const COUNTERS: &str = "SELECT array_agg(s.n), array_agg(c.place), array_agg(c.of), array_agg(c.tickets), array_agg(c.micros) \
    FROM unnest($1::smallint[], $2::integer[], $3::integer[], $4::boolean[]) WITH ORDINALITY AS s(kind, from_at, to_at, merged, n), LATERAL \
    (SELECT CASE WHEN s.merged THEN s.from_at ELSE c.at END AS place, c.of, sum(c.tickets)::bigint AS tickets, \
    sum(c.micros)::bigint AS micros FROM taquilla.counters c WHERE c.kind = s.kind AND c.at BETWEEN s.from_at AND s.to_at \
    GROUP BY place, c.of OFFSET 0) AS c WHERE c.tickets <> 0 OR c.micros <> 0";

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

async fn counters(pool: &Connections, spans: &[Span]) -> Read<Vec<(Key, Amount)>> {
    let kinds: Vec<i16> = spans.iter().map(|span| i16::from(span.kind.code())).collect();
    let from: Vec<i32> = spans.iter().map(|span| span.from).collect();
    let to: Vec<i32> = spans.iter().map(|span| span.to).collect();
    let merged: Vec<bool> = spans.iter().map(|span| span.merged).collect();
    let row = sqlx::query(COUNTERS).bind(&kinds).bind(&from).bind(&to).bind(&merged).fetch_one(pool).await?;
    // Without any counter there are no columns.
    let longs = |column: usize| -> Read<Vec<i64>> { Ok(row.try_get::<Option<Vec<i64>>, _>(column)?.unwrap_or_default()) };
    let (places, of, tickets, micros) = (longs(0)?, longs(2)?, longs(3)?, longs(4)?);
    let at: Vec<i32> = row.try_get::<Option<_>, _>(1)?.unwrap_or_default();
    let mut counters: Vec<((i64, i32, i64), Amount)> = places
        .into_iter()
        .zip(at)
        .zip(of)
        .zip(tickets.into_iter().zip(micros))
        .map(|(((n, at), of), (tickets, micros))| ((n, at, of), Amount { tickets, micros }))
        .collect();
    counters.sort_unstable_by_key(|(place, _)| *place);
    let named = |((n, at, of), amount)| {
        let span = usize::try_from(n - 1).ok().and_then(|n| spans.get(n))?;
        Some((Key { kind: span.kind, at, of }, amount))
    };
    Ok(counters.into_iter().filter_map(named).collect())
}

#[async_trait]
impl Analytics for PgStore {
    async fn counters(&self, spans: &[Span]) -> Result<Vec<(Key, Amount)>, StoreError> {
        let (pool, lost, wanted) = (self.pool.clone(), self.lost.clone(), spans.to_vec());
        let read = self.asked.counters.ask(spans.to_vec(), (), move |_| {
            let (pool, lost, spans) = (pool.clone(), lost.clone(), wanted.clone());
            async move { asking!(lost, counters(&pool, &spans)).map(Arc::new) }
        });
        Ok(Arc::unwrap_or_clone(read.await?))
    }

    async fn revision(&self) -> Result<Option<u64>, StoreError> {
        Ok(Some(self.asked.snapshots.counters().await?))
    }

    async fn backlog(&self, now: Timestamp, opened_by: &[Timestamp]) -> Result<Backlog, StoreError> {
        let this_hour = hour(now);
        let hours: Vec<i32> = opened_by.iter().map(|at| hour(*at)).collect();
        let begins: Vec<Instant> = hours.iter().map(|hour| hour_begin(*hour).into()).collect();
        let instants: Vec<Instant> = opened_by.iter().map(|at| Instant::from(*at)).collect();
        let row = asking!(
            self.lost,
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
