//! Schemas that take each other's place.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{fault::told, migrate};
use crate::{
    store::{StoreError, fault},
    types::Secret,
};

/// How often, and how long apart, it is looked whether connections that were just closed are gone.
const LOOKS: (u32, Duration) = (20, Duration::from_millis(100));
/// The schema in which the desk is.
const SCHEMA: &str = "taquilla";

async fn connect(url: &Secret) -> Result<PgConnection, StoreError> {
    migrate::connect(&super::connection(url.expose())?).await
}

/// Whether there is the desk's schema.
pub(in crate::store) async fn is_begun(url: &Secret) -> Result<bool, StoreError> {
    let mut connection = connect(url).await?;
    let begun = exists(&mut connection, SCHEMA).await.map_err(|error| told(&error))?;
    connection.close().await.map_err(|error| told(&error))?;
    Ok(begun)
}

/// Insists that no desk is connected to a database.
pub(in crate::store) async fn unused(url: &Secret) -> Result<(), StoreError> {
    let mut connection = connect(url).await?;
    let outcome = alone(&mut connection).await;
    connection.close().await.map_err(|error| told(&error))?;
    outcome
}

async fn alone(connection: &mut PgConnection) -> Result<(), StoreError> {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'taquilla' \
               AND pid <> pg_backend_pid()";
    for look in 1.. {
        let others: i64 = sqlx::query_scalar(sql).fetch_one(&mut *connection).await.map_err(|error| told(&error))?;
        if others == 0 {
            break;
        }
        if look == LOOKS.0 {
            return Err(StoreError::Unavailable(format!("{others} connections of a desk to the database are open: stop it first")));
        }
        tokio::time::sleep(LOOKS.1).await;
    }
    Ok(())
}

/// Gives the desk's schema another name; `None` when there is none.
pub(in crate::store) async fn set_aside(url: &Secret, stamp: &str) -> Result<Option<String>, StoreError> {
    let mut connection = connect(url).await?;
    alone(&mut connection).await?;
    let renamed = rename(&mut connection, stamp).await.map_err(|error| told(&error))?;
    fault::point("aside.renamed");
    connection.close().await.map_err(|error| told(&error))?;
    Ok(renamed)
}

async fn exists(connection: &mut PgConnection, name: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)").bind(name).fetch_one(connection).await
}

async fn rename(connection: &mut PgConnection, stamp: &str) -> Result<Option<String>, sqlx::Error> {
    if !exists(connection, SCHEMA).await? {
        return Ok(None);
    }
    let mut name = format!("{SCHEMA}_before_{stamp}");
    let mut further = 2;
    while exists(connection, &name).await? {
        name = format!("{SCHEMA}_before_{stamp}_{further}");
        further += 1;
    }
    let mut tx = connection.begin().await?;
    // The stamp is digits and one letter, so the name needs no quotes.
    sqlx::query(AssertSqlSafe(format!("ALTER SCHEMA {SCHEMA} RENAME TO {name}"))).execute(&mut *tx).await?;
    claim(&mut tx).await?;
    tx.commit().await?;
    Ok(Some(name))
}

/// Marks an empty schema, so that no desk begins in it.
async fn claim(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    for sql in ["CREATE SCHEMA taquilla", "CREATE TABLE taquilla.claimed ()"] {
        sqlx::query(sql).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Whether the schema is marked.
pub(in crate::store) async fn is_claimed(url: &Secret) -> Result<bool, StoreError> {
    let mut connection = connect(url).await?;
    let sql = "SELECT to_regclass('taquilla.claimed') IS NOT NULL";
    let claimed = sqlx::query_scalar(sql).fetch_one(&mut connection).await.map_err(|error| told(&error))?;
    connection.close().await.map_err(|error| told(&error))?;
    Ok(claimed)
}

/// Takes the mark away.
pub(in crate::store) async fn unclaim(url: &Secret) -> Result<(), StoreError> {
    let mut connection = connect(url).await?;
    sqlx::query("DROP TABLE IF EXISTS taquilla.claimed").execute(&mut connection).await.map_err(|error| told(&error))?;
    connection.close().await.map_err(|error| told(&error))
}

/// Removes the desk's schema, and marks the place.
pub(in crate::store) async fn clear(url: &Secret) -> Result<(), StoreError> {
    let mut connection = connect(url).await?;
    alone(&mut connection).await?;
    let done = async {
        let mut tx = connection.begin().await?;
        sqlx::query("DROP SCHEMA IF EXISTS taquilla CASCADE").execute(&mut *tx).await?;
        claim(&mut tx).await?;
        tx.commit().await
    };
    done.await.map_err(|error| told(&error))?;
    connection.close().await.map_err(|error| told(&error))
}

/// Removes the desk's schema, and gives one that was set aside its name again.
pub(in crate::store) async fn put_back(url: &Secret, aside: Option<&str>) -> Result<(), StoreError> {
    let mut connection = connect(url).await?;
    alone(&mut connection).await?;
    let done = async {
        let mut tx = connection.begin().await?;
        sqlx::query(AssertSqlSafe(format!("DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"))).execute(&mut *tx).await?;
        if let Some(aside) = aside.filter(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')) {
            sqlx::query(AssertSqlSafe(format!("ALTER SCHEMA {aside} RENAME TO {SCHEMA}"))).execute(&mut *tx).await?;
        }
        tx.commit().await
    };
    done.await.map_err(|error| told(&error))?;
    connection.close().await.map_err(|error| told(&error))
}
