//! Reading analytics: who may see what, which counters are read.

use bytes::Bytes;

use super::{
    insight::{BacklogView, Performance, age_limits, backlog_spans},
    kept::Made,
    model::{AgentStats, Counters, Dashboard, Days, Window, agent_ids, agent_spans, spans},
};
use crate::{
    app::App,
    auth::model::Actor,
    error::AppError,
    store::{Store, StoreError},
    types::{Timestamp, UserId},
};

/// The desk at a glance, as JSON; only staff come here.
///
/// # Errors
/// The storage's.
pub async fn dashboard(app: &App, days: Days) -> Result<Bytes, AppError> {
    let window = Window::ending(app.now(), days);
    // Before what it is made from: should that change meanwhile, it is not given again.
    let revision = app.store.revision().await?;
    if let Some(json) = revision.and_then(|revision| app.dashboards.of(window, revision)) {
        return Ok(json);
    }
    let counters = Counters::new(app.store.counters(&spans(window)).await?);
    let names = app.store.names(&agent_ids(&counters)).await?;
    let json = Bytes::from(serde_json::to_vec(&Dashboard::new(&counters, window, &names)).map_err(AppError::internal)?);
    if let Some(revision) = revision {
        app.dashboards.keep(Made { window, revision, json: json.clone() });
    }
    Ok(json)
}

/// How fast the desk answers and resolves, and everybody's row; only staff come here.
///
/// # Errors
/// The storage's.
pub async fn performance(app: &App, days: Days) -> Result<Performance, AppError> {
    let counters = Counters::new(app.store.counters(&spans(Window::ending(app.now(), days))).await?);
    Ok(Performance::new(&counters, &app.store.names(&agent_ids(&counters)).await?))
}

/// The work that waits; only staff come here.
///
/// # Errors
/// The storage's.
pub async fn backlog(app: &App) -> Result<BacklogView, AppError> {
    Ok(backlog_at(app.store.as_ref(), app.now()).await?)
}

/// The work that waits at this instant.
///
/// # Errors
/// The storage's.
pub async fn backlog_at(store: &dyn Store, now: Timestamp) -> Result<BacklogView, StoreError> {
    let backlog = store.backlog(now, &age_limits(now)).await?;
    let counters = Counters::new(store.counters(&backlog_spans()).await?);
    Ok(BacklogView::new(backlog.overdue, &backlog.opened_by, backlog.oldest, &counters))
}

/// One agent's row: agents see their own, admins everybody's. An account that may not be assigned tickets and has none is
/// no agent.
///
/// # Errors
/// Not found for what is no agent, forbidden for another agent's row.
pub async fn agent(app: &App, actor: &Actor, id: UserId, days: Days) -> Result<AgentStats, AppError> {
    let window = Window::ending(app.now(), days);
    let user = app.store.user(id).await?.ok_or_else(AppError::not_found)?;
    let counters = Counters::new(app.store.counters(&agent_spans(window)).await?);
    let row = AgentStats::of(&counters, id, user.full_name.clone());
    if !user.role.is_staff() && row.assigned_tickets == 0 {
        return Err(AppError::not_found());
    }
    if !actor.is(id) {
        actor.require_admin()?;
    }
    Ok(row)
}
