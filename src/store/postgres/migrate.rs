//! The schema and its steps, which are embedded in the binary. A step is applied under a lock of the database, so that of
//! many instances which start at once one does it.

use serde::Serialize;
use sqlx::{
    Connection, PgConnection, Row as _,
    migrate::{MigrateError, Migrator},
    postgres::PgConnectOptions,
};

use super::fault::told;
use crate::{store::StoreError, types::Secret};

static STEPS: Migrator = sqlx::migrate!("src/store/postgres/migrations");

/// The steps, with their own table in the desk's schema.
fn steps() -> Migrator {
    let mut steps = Migrator { migrations: STEPS.migrations.clone(), ..Migrator::DEFAULT };
    steps.create_schema("taquilla");
    steps.dangerous_set_table_name("taquilla.migrations");
    steps
}

/// A step of the schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its number.
    pub version: i64,
    /// What it is about.
    pub description: String,
    /// Whether the database has it.
    pub applied: bool,
}

/// The steps of a database, known and unknown ones, in their order.
///
/// # Errors
/// A database that cannot be reached.
pub async fn status(url: &Secret) -> Result<Vec<Step>, StoreError> {
    let mut connection = connect(&super::connection(url.expose())?).await?;
    let steps = all(&mut connection).await?;
    close(connection).await?;
    Ok(steps)
}

/// Applies every pending step.
///
/// # Errors
/// A database that cannot be reached, or one that a newer version has used.
pub async fn up(url: &Secret) -> Result<(), StoreError> {
    bring_up(&super::connection(url.expose())?, true).await
}

/// Takes back every step above `to`, the latest first; what only they hold is gone then.
///
/// # Errors
/// As [`up`].
pub async fn down(url: &Secret, to: i64) -> Result<(), StoreError> {
    let mut connection = connect(&super::connection(url.expose())?).await?;
    pending(&mut connection).await?;
    steps().undo(&mut connection, to).await.map_err(|error| failed(&error))?;
    close(connection).await
}

async fn close(connection: PgConnection) -> Result<(), StoreError> {
    connection.close().await.map_err(|error| told(&error))
}

async fn all(connection: &mut PgConnection) -> Result<Vec<Step>, StoreError> {
    let applied = applied(connection).await.map_err(|error| told(&error))?;
    let known = STEPS.iter().filter(|step| step.migration_type.is_up_migration());
    let mut all: Vec<Step> = known
        .map(|step| Step {
            version: step.version,
            description: step.description.clone().into_owned(),
            applied: applied.iter().any(|(version, _)| *version == step.version),
        })
        .collect();
    for (version, description) in applied {
        if !all.iter().any(|step| step.version == version) {
            all.push(Step { version, description, applied: true });
        }
    }
    all.sort_by_key(|step| step.version);
    Ok(all)
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<(i64, String)>, sqlx::Error> {
    let there: Option<String> = sqlx::query_scalar("SELECT to_regclass('taquilla.migrations')::text").fetch_one(&mut *connection).await?;
    if there.is_none() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query("SELECT version, description FROM taquilla.migrations ORDER BY version").fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// The steps that are pending; an error when the database has one that this version does not know.
pub(super) async fn pending(connection: &mut PgConnection) -> Result<Vec<Step>, StoreError> {
    let all = all(connection).await?;
    if let Some(unknown) = all.iter().find(|step| !STEPS.version_exists(step.version)) {
        let text = "the database has been used by a newer version of taquilla: it has step";
        return Err(StoreError::Unavailable(format!("{text} {} ({}) of the schema", unknown.version, unknown.description)));
    }
    Ok(all.into_iter().filter(|step| !step.applied).collect())
}

/// Applies pending steps, or with `auto` off insists that there are none.
pub(super) async fn bring_up(options: &PgConnectOptions, auto: bool) -> Result<(), StoreError> {
    let mut connection = connect(options).await?;
    let pending = pending(&mut connection).await?;
    let outcome = match pending.as_slice() {
        [] => Ok(()),
        _ if auto => steps().run_direct(None, &mut connection, false).await.map_err(|error| failed(&error)),
        [first, ..] => Err(StoreError::Unavailable(format!(
            "step {} of the schema is pending and storage.auto_migrate is off: run `taquilla migrate up`",
            first.version
        ))),
    };
    outcome.and(close(connection).await)
}

/// A connection whose statements may take as long as they take.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let unhurried = options.clone().options([("statement_timeout", "0"), ("idle_in_transaction_session_timeout", "0")]);
    PgConnection::connect_with(&unhurried).await.map_err(|error| told(&error))
}

fn failed(error: &MigrateError) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
