//! What goes wrong on the way to the database and in it, and what that means for whoever asked.

use sqlx::postgres::PgDatabaseError;

use crate::store::StoreError;

/// Why a statement or a commit did not do what it should.
#[derive(Debug)]
pub(super) enum Fault {
    /// It must not be done.
    Refused(StoreError),
    /// Somebody else was faster: judge again.
    Overtaken,
    /// The database or the way to it.
    Sql(sqlx::Error),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

/// The five characters by which the server names an error.
fn code(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error().and_then(|e| e.try_downcast_ref::<PgDatabaseError>()).map(PgDatabaseError::code)
}

/// Whether the connection is gone, or the server does not serve: nothing is known of a statement that was under way.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        // 57P01–57P05: shut down, crashed, starting up, idle for too long. 25P03: idle in a transaction for too long.
        error => code(error).is_some_and(|code| code.starts_with("08") || code.starts_with("57P") || code == "25P03"),
    }
}

/// Whether the same, done again, may go well: a deadlock, a serialisation failure, or a unique value that somebody else
/// took meanwhile (judging again tells which).
pub(super) fn is_conflict(error: &sqlx::Error) -> bool {
    matches!(code(error), Some("40001" | "40P01" | "23505"))
}

/// What the caller is told.
pub(super) fn told(error: &sqlx::Error) -> StoreError {
    let text = || error.to_string();
    match error {
        sqlx::Error::PoolTimedOut => StoreError::Busy,
        sqlx::Error::PoolClosed => super::closed(),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) | sqlx::Error::Decode(_) => StoreError::Corrupt(text()),
        _ => match code(error) {
            // Statement and lock time limits, too many connections, conflicts that did not end.
            Some("57014" | "55P03" | "53300" | "40001" | "40P01" | "23505") => StoreError::Busy,
            Some("53100") => StoreError::Full(text()),
            // What a constraint refuses, or damage that the server has found.
            Some(code) if code.starts_with("23") || code.starts_with("XX") => StoreError::Corrupt(text()),
            _ => StoreError::Unavailable(text()),
        },
    }
}
