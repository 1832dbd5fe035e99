//! Reading the database of the former desk: its tables `users`, `tickets` and `comments`, which are never changed.

use serde_json::Value;
use sqlx::{ConnectOptions, Connection, PgConnection, Row as _, postgres::PgConnectOptions};

use super::StoreError;
use crate::types::Secret;

/// A table of the former desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Its people.
    Users,
    /// Its tickets.
    Tickets,
    /// Their comments.
    Comments,
}

impl Table {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Tickets => "tickets",
            Self::Comments => "comments",
        }
    }

    const fn page(self) -> &'static str {
        match self {
            Self::Users => "SELECT id::bigint, to_jsonb(t) FROM users t WHERE id > $1 ORDER BY id LIMIT $2",
            Self::Tickets => "SELECT id::bigint, to_jsonb(t) FROM tickets t WHERE id > $1 ORDER BY id LIMIT $2",
            Self::Comments => "SELECT id::bigint, to_jsonb(t) FROM comments t WHERE id > $1 ORDER BY id LIMIT $2",
        }
    }
}

/// The former desk, as of the moment when it was opened.
pub struct OldDesk {
    connection: PgConnection,
}

impl OldDesk {
    /// Connects, and sees whether the tables are there.
    ///
    /// # Errors
    /// A database that cannot be reached, or that is none of the former desk.
    pub async fn open(url: &Secret) -> Result<Self, StoreError> {
        let options: PgConnectOptions = url.expose().parse().map_err(failed)?;
        let options = options.application_name("taquilla import").disable_statement_logging();
        let mut connection = PgConnection::connect_with(&options).await.map_err(failed)?;
        sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut connection).await.map_err(failed)?;
        for table in [Table::Users, Table::Tickets, Table::Comments] {
            let name = table.name();
            let there: Option<String> =
                sqlx::query_scalar("SELECT to_regclass($1)::text").bind(name).fetch_one(&mut connection).await.map_err(failed)?;
            if there.is_none() {
                return Err(StoreError::Unavailable(format!("the database has no table {name}: it is none of the former desk")));
            }
        }
        Ok(Self { connection })
    }

    /// How many rows there are.
    ///
    /// # Errors
    /// The database's.
    pub async fn rows(&mut self) -> Result<u64, StoreError> {
        let sql = "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM tickets) + (SELECT count(*) FROM comments)";
        let rows: i64 = sqlx::query_scalar(sql).fetch_one(&mut self.connection).await.map_err(failed)?;
        Ok(u64::try_from(rows).unwrap_or(0))
    }

    /// Rows of a table by their numbers, after this one: each with its columns.
    ///
    /// # Errors
    /// The database's.
    pub async fn page(&mut self, table: Table, after: i64, limit: i64) -> Result<Vec<(i64, Value)>, StoreError> {
        let found = sqlx::query(table.page()).bind(after).bind(limit).fetch_all(&mut self.connection).await.map_err(failed)?;
        found.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, sqlx::Error>>().map_err(failed)
    }

    /// The comments of these tickets, by their numbers.
    ///
    /// # Errors
    /// The database's.
    pub async fn comments_of(&mut self, tickets: &[i64]) -> Result<Vec<(i64, Value)>, StoreError> {
        let sql = "SELECT id::bigint, to_jsonb(t) FROM comments t WHERE ticket_id = ANY($1) ORDER BY id";
        let found = sqlx::query(sql).bind(tickets).fetch_all(&mut self.connection).await.map_err(failed)?;
        found.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, sqlx::Error>>().map_err(failed)
    }

    /// How many comments belong to no ticket.
    ///
    /// # Errors
    /// The database's.
    pub async fn strays(&mut self) -> Result<i64, StoreError> {
        let sql = "SELECT count(*) FROM comments c WHERE NOT EXISTS (SELECT FROM tickets t WHERE t.id = c.ticket_id)";
        sqlx::query_scalar(sql).fetch_one(&mut self.connection).await.map_err(failed)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn failed(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
