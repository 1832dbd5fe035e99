//! Ids come from sequences: never issued twice, also across instances and crashes of the server, which sets some aside
//! before it gives one out.

use std::sync::atomic::{AtomicI64, Ordering};

use sqlx::{PgConnection, PgPool, Row as _};

use super::fault::Fault;
use crate::store::{Changes, IdKind, Row, Write};

/// The highest ids that this instance knows to be below their sequences.
#[derive(Debug, Default)]
pub(super) struct Ids([AtomicI64; IdKind::ALL.len()]);

const fn next(kind: IdKind) -> &'static str {
    match kind {
        IdKind::Ticket => "SELECT nextval('taquilla.ticket_ids')",
        IdKind::Comment => "SELECT nextval('taquilla.comment_ids')",
        IdKind::User => "SELECT nextval('taquilla.user_ids')",
        IdKind::Session => "SELECT nextval('taquilla.session_ids')",
        IdKind::Token => "SELECT nextval('taquilla.token_ids')",
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
    /// Draws the next id.
    pub(super) async fn draw(&self, pool: &PgPool, kind: IdKind) -> Result<i64, sqlx::Error> {
        let id: i64 = sqlx::query(next(kind)).fetch_one(pool).await?.try_get(0)?;
        self.0[kind as usize].fetch_max(id, Ordering::Relaxed);
        Ok(id)
    }

    /// Sees to it that ids which come with rows, as in an import, are never issued.
    pub(super) async fn pass(&self, tx: &mut PgConnection, changes: &Changes) -> Result<(), Fault> {
        let mut highest: [Option<i64>; IdKind::ALL.len()] = [None; IdKind::ALL.len()];
        for write in &changes.writes {
            if let Write::Put(row, _) = write
                && let Some((kind, id)) = id_of(row)
            {
                highest[kind as usize] = highest[kind as usize].max(Some(id));
            }
        }
        for kind in IdKind::ALL {
            let known = &self.0[kind as usize];
            let Some(id) = highest[kind as usize].filter(|id| *id > known.load(Ordering::Relaxed)) else { continue };
            let last: i64 = sqlx::query(last_value(kind)).fetch_one(&mut *tx).await?.try_get(0)?;
            if last < id {
                let [hold, forwards] = hold_and_move(kind);
                sqlx::query(hold).execute(&mut *tx).await?;
                sqlx::query(forwards).bind(id).execute(&mut *tx).await?;
            }
            known.fetch_max(id, Ordering::Relaxed);
        }
        Ok(())
    }
}

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
