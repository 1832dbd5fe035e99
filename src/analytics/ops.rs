//! Reading analytics: who may see what, which counters are read.

use super::{
    insight::{BacklogView, Performance, age_limits, backlog_spans},
    model::{AgentStats, Counters, Dashboard, Days, Names, Window, agent_ids, agent_spans, spans},
};
use crate::{
    app::App,
    auth::model::Actor,
    error::AppError,
    store::{Store, StoreError},
    types::{Timestamp, UserId},
};

/// The desk at a glance; only staff come here.
///
/// # Errors
/// The storage's.
pub async fn dashboard(app: &App, days: Days) -> Result<Dashboard, AppError> {
    let window = Window::ending(app.now(), days);
    let counters = Counters::new(app.store.counters(&spans(window)).await?);
    Ok(Dashboard::new(&counters, window, &names(app, &counters).await?))
}

/// How fast the desk answers and resolves, and everybody's row; only staff come here.
///
/// # Errors
/// The storage's.
pub async fn performance(app: &App, days: Days) -> Result<Performance, AppError> {
    let counters = Counters::new(app.store.counters(&spans(Window::ending(app.now(), days))).await?);
    Ok(Performance::new(&counters, &names(app, &counters).await?))
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

async fn names(app: &App, counters: &Counters) -> Result<Names, AppError> {
    Ok(app.store.names(&agent_ids(counters)).await?)
}
