//! `migrate`: the steps of a storage's schema.

use std::fmt::Write;

use clap::Subcommand;
use serde_json::json;

use super::{Context, Exit, Failure, block_on};
use crate::{
    config::StorageUrl,
    store::{StoreError, postgres::migrate, sled::SCHEMA},
    types::Secret,
};

#[derive(Debug, Subcommand)]
pub(super) enum MigrateVerb {
    /// Apply every pending step of PostgreSQL's schema.
    Up,
    /// Take back steps of PostgreSQL's schema, the latest first. What only they hold is gone then.
    Down {
        /// Take back every step above this one; 0 takes back all [default: the latest step only].
        #[arg(long, value_name = "STEP")]
        to: Option<i64>,
    },
    /// Show the steps, and which of them the storage has.
    Status,
}

impl MigrateVerb {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let loaded = context.load_for_verb()?;
        let url = loaded.config.storage_url().map_err(|error| Failure::new(Exit::Config, format!("storage.url: {error}")))?;
        match url {
            StorageUrl::Sled(_) => self.of_sled(context),
            StorageUrl::Postgres(url) => block_on(self.of_postgres(context, &url))?,
        }
    }

    fn of_sled(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::Up | Self::Status => {
                let layout = SCHEMA;
                context.out.data(&json!({ "store": "sled", "layout": layout }), || {
                    format!("The embedded store has layout {layout}; it is brought up to date when it is opened.")
                })?;
                Ok(Exit::Ok)
            }
            Self::Down { .. } => Err(Failure::new(Exit::Failure, "the embedded store has one layout: there is nothing to take back")),
        }
    }

    async fn of_postgres(self, context: &Context, url: &Secret) -> Result<Exit, Failure> {
        let failed = |error: StoreError| Failure::new(Exit::Storage, error.to_string());
        match self {
            Self::Up => migrate::up(url).await.map_err(failed)?,
            Self::Down { to } => {
                let applied = migrate::status(url).await.map_err(failed)?;
                let latest = applied.iter().filter(|step| step.applied).map(|step| step.version).max().unwrap_or(0);
                migrate::down(url, to.unwrap_or(latest - 1)).await.map_err(failed)?;
            }
            Self::Status => {}
        }
        let steps = migrate::status(url).await.map_err(failed)?;
        context.out.data(&json!({ "store": "postgres", "steps": steps }), || {
            steps.iter().fold(String::new(), |mut text, step| {
                let state = if step.applied { "applied" } else { "pending" };
                let _ = write!(text, "{}{:04} {:<24} {state}", if text.is_empty() { "" } else { "\n" }, step.version, step.description);
                text
            })
        })?;
        Ok(Exit::Ok)
    }
}
