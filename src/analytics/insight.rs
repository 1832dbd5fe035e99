//! What the dashboard of the web app shows beside the figures of [`Dashboard`](super::model::Dashboard): how long things
//! took, agent by agent, and how old the work is that waits. Pure.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    figures::{HOUR, Kind, Span, Work},
    model::{AgentStats, Counters, Names, Verdicts, all_agents},
};
use crate::types::Timestamp;

/// How long something took and how often in time, over the tickets of some days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TimeStats {
    /// Tickets to which it happened.
    pub tickets: i64,
    /// The mean in hours.
    pub avg_time_hours: Option<f64>,
    /// The median, within 1 %.
    pub median_time_hours: Option<f64>,
    /// What nine of ten did not exceed, within 1 %.
    pub p90_time_hours: Option<f64>,
    /// Verdicts recorded in these days.
    pub sla: Verdicts,
}

impl TimeStats {
    fn new(counters: &Counters, times: Kind, verdicts: Kind) -> Self {
        let times = counters.times(times);
        Self {
            tickets: times.total().tickets,
            avg_time_hours: times.mean(),
            median_time_hours: times.quantile(0.5),
            p90_time_hours: times.quantile(0.9),
            sla: counters.verdicts(verdicts),
        }
    }
}

/// How fast the desk answers and resolves, and who does the work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Performance {
    /// From opening to the first public answer.
    pub first_response: TimeStats,
    /// From opening to resolution.
    pub resolution: TimeStats,
    /// Everybody who has tickets, by resolved ones, most first.
    pub agents: Vec<AgentStats>,
}

impl Performance {
    /// Makes it from the counters of [`spans`](super::model::spans).
    #[must_use]
    pub fn new(counters: &Counters, names: &Names) -> Self {
        Self {
            first_response: TimeStats::new(counters, Kind::FirstResponseTime, Kind::FirstResponseVerdict),
            resolution: TimeStats::new(counters, Kind::ResolutionTime, Kind::ResolutionVerdict),
            agents: all_agents(counters, names).collect(),
        }
    }
}

/// Active tickets of one age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgeCount {
    /// `00_lt4h`, `01_lt1d`, `02_lt3d`, `03_lt7d`, `04_lt30d` or `05_ge30d`: since they were opened.
    #[schema(example = "00_lt4h")]
    pub bucket: String,
    /// Tickets.
    pub tickets: i64,
}

/// The names of the ages, each with the hours at which it ends.
const AGES: [(&str, i64); 5] = [("00_lt4h", 4), ("01_lt1d", 24), ("02_lt3d", 72), ("03_lt7d", 168), ("04_lt30d", 720)];
/// The name of every further age.
const OLDEST: &str = "05_ge30d";

/// The work that waits: active tickets of now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BacklogView {
    /// Neither resolved nor closed.
    pub active_tickets: i64,
    /// Of these, past a due time that they still wait for: those of `/tickets?overdue=true`.
    pub overdue_tickets: i64,
    /// Of these, nobody's work.
    pub unassigned_tickets: i64,
    /// When the oldest of these was opened.
    pub oldest_created_at: Option<Timestamp>,
    /// These by their age; every age is listed.
    pub ages: Vec<AgeCount>,
}

/// The counters that the backlog needs beside its ages.
#[must_use]
pub fn backlog_spans() -> Vec<Span> {
    vec![Span::each(Kind::Work, Work::Active as i32, Work::Active as i32)]
}

/// The instants at which ages end: tickets opened then or earlier are older. The first one counts them all.
#[must_use]
pub fn age_limits(now: Timestamp) -> Vec<Timestamp> {
    let limits = AGES.iter().map(|(_, hours)| Timestamp::from_micros(now.as_micros() - hours * HOUR));
    std::iter::once(Timestamp::MAX).chain(limits).collect()
}

impl BacklogView {
    /// Makes it from the store's counts for [`age_limits`] and the counters of [`backlog_spans`].
    #[must_use]
    pub fn new(overdue_tickets: i64, opened_by: &[i64], oldest_created_at: Option<Timestamp>, counters: &Counters) -> Self {
        let names = AGES.iter().map(|(name, _)| *name).chain([OLDEST]);
        let younger = opened_by.iter().skip(1).copied().chain([0]);
        let ages = names.zip(opened_by).zip(younger);
        Self {
            active_tickets: opened_by.first().copied().unwrap_or(0),
            overdue_tickets,
            unassigned_tickets: counters.tickets(Kind::Work, |key| key.of == 0),
            oldest_created_at,
            ages: ages.map(|((bucket, older), next)| AgeCount { bucket: bucket.to_owned(), tickets: older - next }).collect(),
        }
    }
}
