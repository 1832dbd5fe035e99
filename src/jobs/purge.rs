//! Removes what is over and seen by nobody: expired sessions, and answers that are too old to be given again.

use crate::{
    app::AppState,
    error::AppError,
    http::idempotency::REMEMBERED_SECONDS,
    store::{Changes, Expect, RowKey},
};

/// Rows removed by one commit at most.
const BATCH: usize = 500;

/// Removes every expired session.
///
/// # Errors
/// The storage's.
pub async fn sessions(app: &AppState) -> Result<(), AppError> {
    loop {
        let expired = app.store.expired_sessions(app.now(), BATCH).await?;
        if expired.is_empty() {
            return Ok(());
        }
        // An expired session is never used again, so whatever its version is, it goes.
        let changes = expired.iter().fold(Changes::new(), |changes, &id| changes.delete(RowKey::Session(id), Expect::Any));
        app.store.commit(changes).await?;
    }
}

/// Removes every remembered answer that is too old.
///
/// # Errors
/// The storage's.
pub async fn answers(app: &AppState) -> Result<(), AppError> {
    loop {
        let oldest = app.now().plus_seconds(-REMEMBERED_SECONDS);
        let found = app.store.old_answers(oldest, BATCH).await?;
        let (mut changes, mut held) = (Changes::new(), Vec::new());
        for key in &found {
            // Held like a running request's, so that none writes a new answer under it between this look and the commit.
            let Some(running) = app.running_keys.hold(*key) else { continue };
            if app.store.answer(key).await?.is_some_and(|answer| answer.at < oldest) {
                changes = changes.delete(RowKey::Answer(*key), Expect::Any);
                held.push(running);
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        app.store.commit(changes).await?;
    }
}
