//! Bringing over what another desk has: its people, tickets and comments, with their times. Everything is read and judged
//! first; with a fault in it nothing is written.

pub mod csv;
pub mod old_desk;
mod rules;

use serde::Serialize;

use crate::{app::App, error::AppError, store::StoreError};

/// At most so many faults are told.
const MOST_FAULTS: usize = 50;

/// What was brought over, or could be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Accounts that were made.
    pub users: u64,
    /// Tickets.
    pub tickets: u64,
    /// Comments and notes.
    pub comments: u64,
    /// What is worth knowing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Why nothing was brought over.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// What is there does not fit.
    #[error("{}", told(.faults, *.more))]
    Unfit {
        /// Where and why, the first ones.
        faults: Vec<String>,
        /// How many more there are.
        more: usize,
    },
    /// The desk does not take it.
    #[error("{0}")]
    Refused(String),
    /// The former desk's database.
    #[error("the former desk cannot be read: {0}")]
    Source(StoreError),
    /// The desk's own storage.
    #[error("the desk's storage: {0}")]
    Store(#[from] StoreError),
    /// A file.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The desk.
    #[error("{0}")]
    Desk(AppError),
}

impl From<AppError> for ImportError {
    fn from(error: AppError) -> Self {
        Self::Desk(error)
    }
}

fn told(faults: &[String], more: usize) -> String {
    let rest = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    format!("nothing was imported:\n  {}{rest}", faults.join("\n  "))
}

/// Collects faults.
#[derive(Debug, Default)]
struct Faults {
    told: Vec<String>,
    more: usize,
}

impl Faults {
    fn note(&mut self, fault: String) {
        if self.told.len() < MOST_FAULTS {
            self.told.push(fault);
        } else {
            self.more += 1;
        }
    }

    fn check(self) -> Result<(), ImportError> {
        if self.told.is_empty() { Ok(()) } else { Err(ImportError::Unfit { faults: self.told, more: self.more }) }
    }
}

/// Refuses a desk that has tickets: those of another desk keep their numbers.
async fn without_tickets(app: &App) -> Result<(), ImportError> {
    use crate::store::{Collection, RowKind};

    let snapshot = app.store.snapshot().await?;
    if snapshot.page(Collection::Rows(RowKind::Ticket), None, 1).await?.is_empty() {
        return Ok(());
    }
    Err(ImportError::Refused(
        "the desk has tickets already, and those of the former desk keep their numbers: import into an empty one".into(),
    ))
}
