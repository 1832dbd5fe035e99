//! Ids come from sequences: never issued twice, also across instances and crashes of the server, which sets some aside
//! before it gives one out.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use parking_lot::Mutex;
use sqlx::{PgConnection, Row as _};

use super::{Lost, connections::Connections, fault::Fault, together::Together};
use crate::store::{Changes, IdKind, Row, StoreError, Write};

/// Ids that were drawn for several, of whom each takes the next one.
type Drawn = Arc<Mutex<std::vec::IntoIter<i64>>>;

/// What an instance knows of the sequences.
#[derive(Default)]
pub(super) struct Ids {
    /// The highest ids that it knows to be below them.
    known: [AtomicI64; IdKind::ALL.len()],
    together: Together<IdKind, (), Drawn>,
}

/// Draws as many ids as the parameter says. One draw of many makes the sequence note how far it is, which takes a transaction that counts
/// as one that has changed something: it notes that it has not. (The server does so last, when all are drawn.)
const fn next(kind: IdKind) -> &'static str {
    macro_rules! of {
        ($name:literal) => {
            concat!(
                "WITH ids AS MATERIALIZED (SELECT nextval('taquilla.",
                $name,
                "') AS id FROM generate_series(1, $1)), \
                 noted AS MATERIALIZED (SELECT CASE WHEN pg_current_xact_id_if_assigned() IS NOT NULL THEN taquilla.note_aside()::text END \
                 FROM (SELECT count(*) FROM ids) AS all_of_them) SELECT id FROM ids, noted"
            )
        };
    }
    match kind {
        IdKind::Ticket => of!("ticket_ids"),
        IdKind::Comment => of!("comment_ids"),
        IdKind::User => of!("user_ids"),
        IdKind::Session => of!("session_ids"),
        IdKind::Token => of!("token_ids"),
    }
}

/// Statements that hold a sequence, so that nobody draws from it meanwhile, and move it forwards if it is behind.
const fn hold_and_move(kind: IdKind) -> [&'static str; 2] {
    macro_rules! of {
        ($name:literal) => {
            [
                concat!("ALTER SEQUENCE taquilla.", $name, " INCREMENT BY 1"),
                concat!("SELECT setval('taquilla.", $name, "', $1) FROM taquilla.", $name, " WHERE last_value < $1"),
            ]
        };
    }
    match kind {
        IdKind::Ticket => of!("ticket_ids"),
        IdKind::Comment => of!("comment_ids"),
        IdKind::User => of!("user_ids"),
        IdKind::Session => of!("session_ids"),
        IdKind::Token => of!("token_ids"),
    }
}

impl Ids {
    /// Draws the next id, together with whoever wants one at the same time. One that was drawn and not heard of is a gap.
    pub(super) async fn draw(&self, pool: &Connections, lost: &Arc<Lost>, kind: IdKind) -> Result<i64, StoreError> {
        let (pool, lost) = (pool.clone(), lost.clone());
        let drawn = self.together.ask(kind, (), move |wanted| {
            let (pool, lost) = (pool.clone(), lost.clone());
            async move {
                let count = i32::try_from(wanted.len()).unwrap_or(i32::MAX);
                let ids: Vec<i64> = asking!(lost, sqlx::query_scalar(next(kind)).bind(count).fetch_all(&pool))?;
                Ok(Arc::new(Mutex::new(ids.into_iter())))
            }
        });
        let id = drawn.await?.lock().next().ok_or(StoreError::Busy)?;
        self.known[kind as usize].fetch_max(id, Ordering::Relaxed);
        Ok(id)
    }

    /// Sees to it that ids which come with rows, as in an import, are never issued. What this moves goes back with the transaction, so
    /// the ids are [noted](Self::note) when it is committed.
    pub(super) async fn pass(&self, tx: &mut PgConnection, all: &[&Changes]) -> Result<Passed, Fault> {
        let mut passed = Passed::default();
        for write in all.iter().flat_map(|changes| &changes.writes) {
            if let Write::Put(row, _) = write
                && let Some((kind, id)) = id_of(row)
            {
                let highest = &mut passed.0[kind as usize];
                *highest = (*highest).max(id);
            }
        }
        for kind in IdKind::ALL {
            let id = passed.0[kind as usize];
            if id <= self.known[kind as usize].load(Ordering::Relaxed) {
                continue;
            }
            let last: i64 = sqlx::query(last_value(kind)).fetch_one(&mut *tx).await?.try_get(0)?;
            if last < id {
                let [hold, forwards] = hold_and_move(kind);
                sqlx::query(hold).execute(&mut *tx).await?;
                sqlx::query(forwards).bind(id).execute(&mut *tx).await?;
            }
        }
        Ok(passed)
    }

    /// Notes that the sequences are past these ids.
    pub(super) fn note(&self, passed: &Passed) {
        for (known, id) in self.known.iter().zip(passed.0) {
            known.fetch_max(id, Ordering::Relaxed);
        }
    }
}

/// The highest ids that came with rows, of each kind.
#[derive(Default)]
pub(super) struct Passed([i64; IdKind::ALL.len()]);

const fn last_value(kind: IdKind) -> &'static str {
    match kind {
        IdKind::Ticket => "SELECT last_value FROM taquilla.ticket_ids",
        IdKind::Comment => "SELECT last_value FROM taquilla.comment_ids",
        IdKind::User => "SELECT last_value FROM taquilla.user_ids",
        IdKind::Session => "SELECT last_value FROM taquilla.session_ids",
        IdKind::Token => "SELECT last_value FROM taquilla.token_ids",
    }
}

fn id_of(row: &Row) -> Option<(IdKind, i64)> {
    match row {
        Row::Ticket(row) => Some((IdKind::Ticket, row.id.0)),
        Row::Comment(row) => Some((IdKind::Comment, row.id.0)),
        Row::User(row) => Some((IdKind::User, row.id.0)),
        Row::Session(row) => Some((IdKind::Session, row.id.0)),
        Row::ApiToken(row) => Some((IdKind::Token, row.id.0)),
        _ => None,
    }
}
