//! The calls of `/analytics`.

use axum::{Json, extract::State, response::Response};
use utoipa::IntoParams;

use super::{
    insight::{BacklogView, Performance},
    model::{AgentStats, Dashboard, Days},
    ops,
};
use crate::{
    app::AppState,
    auth::{extract::AgentActor, model::Actor},
    error::AppError,
    http::{
        api::{Api, routes},
        body::{Query, written},
        path::Id,
    },
    types::UserId,
};

/// The routes of analytics.
pub fn router() -> Api {
    Api::new().routes(routes!(read_dashboard)).routes(routes!(read_agent)).routes(routes!(read_performance)).routes(routes!(read_backlog))
}

crate::input! {
    /// Which days.
    #[derive(IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct DaysQuery {
        /// How many UTC days, today included.
        #[param(inline)]
        days: Option<Days>,
    }
}

/// The desk at a glance (agents and admins)
///
/// Counts are of now; times, series and verdicts cover the last days, by the UTC day of the event. Tickets that were
/// reopened or deleted are not counted where they were.
#[utoipa::path(
    get, path = "/api/v1/analytics/dashboard", tag = "analytics", params(DaysQuery),
    responses((status = 200, description = "The dashboard", body = Dashboard)),
)]
async fn read_dashboard(
    State(app): State<AppState>,
    _: Actor,
    Query(asked): Query<DaysQuery>,
    _: AgentActor,
) -> Result<Response, AppError> {
    Ok(written(ops::dashboard(&app, asked.days.unwrap_or_default()).await?))
}

/// One agent's work
///
/// Agents see their own, admins everybody's.
#[utoipa::path(
    get, path = "/api/v1/analytics/agent/{id}", tag = "analytics",
    params(("id" = UserId, Path, description = "The agent"), DaysQuery),
    responses((status = 200, description = "The agent's row", body = AgentStats)),
)]
async fn read_agent(
    State(app): State<AppState>,
    _: Actor,
    Query(asked): Query<DaysQuery>,
    AgentActor(actor): AgentActor,
    Id(id): Id<UserId>,
) -> Result<Json<AgentStats>, AppError> {
    Ok(Json(ops::agent(&app, &actor, id, asked.days.unwrap_or_default()).await?))
}

/// How fast the desk answers and resolves, agent by agent (agents and admins)
///
/// Over the last days, by the UTC day of the event, as the dashboard.
#[utoipa::path(
    get, path = "/api/v1/analytics/performance", tag = "analytics", params(DaysQuery),
    responses((status = 200, description = "Times and agents", body = Performance)),
)]
async fn read_performance(
    State(app): State<AppState>,
    _: Actor,
    Query(asked): Query<DaysQuery>,
    _: AgentActor,
) -> Result<Json<Performance>, AppError> {
    Ok(Json(ops::performance(&app, asked.days.unwrap_or_default()).await?))
}

/// The work that waits, by its age (agents and admins)
#[utoipa::path(
    get, path = "/api/v1/analytics/backlog", tag = "analytics",
    responses((status = 200, description = "The backlog of now", body = BacklogView)),
)]
async fn read_backlog(State(app): State<AppState>, _: Actor, Query(()): Query<()>, _: AgentActor) -> Result<Json<BacklogView>, AppError> {
    Ok(Json(ops::backlog(&app).await?))
}
