//! What analytics show, and how it is made from counters. Pure.

use std::collections::{BTreeMap, HashMap};

use jiff::{ToSpan, civil::Date};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    figures::{Amount, Key, Kind, Span, Work, day},
    times::{Times, mean},
};
use crate::{
    input::{Faults, FieldError, FieldValue},
    tickets::model::{Priority, Status},
    types::{Timestamp, UserId},
};

/// How many agents the dashboard names.
const TOP: usize = 10;

/// How many UTC days are looked at, today included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = i64, minimum = 1, maximum = 365, default = 30)]
pub struct Days(pub u16);

impl Default for Days {
    fn default() -> Self {
        Self(30)
    }
}

impl FieldValue for Days {
    fn from_json(value: Value) -> Result<Self, Faults> {
        let days = i64::from_json(value)?;
        u16::try_from(days)
            .ok()
            .filter(|days| (1..=365).contains(days))
            .map(Self)
            .ok_or_else(|| vec![FieldError::here("out_of_range", "must be between 1 and 365")])
    }

    fn from_text(text: &str) -> Result<Self, Faults> {
        Self::from_json(i64::from_text(text)?.into())
    }
}

/// Days since 1970, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    first: i32,
    last: i32,
}

impl Window {
    /// The last so many UTC days; the last one is today's.
    #[must_use]
    pub fn ending(now: Timestamp, days: Days) -> Self {
        let last = day(now);
        Self { first: last.saturating_sub(i32::from(days.0) - 1), last }
    }

    /// Each day's value, zeros included.
    fn series(self, counters: &Counters, kind: Kind) -> Vec<DayValue> {
        let mut values: BTreeMap<i32, i64> = (self.first..=self.last).map(|day| (day, 0)).collect();
        for (key, amount) in counters.of(kind) {
            if let Some(value) = values.get_mut(&key.at) {
                *value += amount.tickets;
            }
        }
        values.into_iter().map(|(day, value)| DayValue { timestamp: date(day), value }).collect()
    }
}

fn date(day: i32) -> String {
    Date::constant(1970, 1, 1).saturating_add(day.days()).to_string()
}

/// Counters as a store gave them, by kind.
#[derive(Debug, PartialEq)]
pub struct Counters(Vec<(Key, Amount)>);

impl Counters {
    /// Takes what was read.
    #[must_use]
    pub fn new(mut read: Vec<(Key, Amount)>) -> Self {
        // Stable, for the order within a kind means something; and nothing to do where spans were asked for in this order.
        read.sort_by_key(|(key, _)| key.kind);
        Self(read)
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = (Key, Amount)> {
        let begin = self.0.partition_point(|(key, _)| key.kind < kind);
        let end = self.0.partition_point(|(key, _)| key.kind <= kind);
        self.0[begin..end].iter().copied()
    }

    pub(super) fn tickets(&self, kind: Kind, belongs: impl Fn(Key) -> bool) -> i64 {
        self.of(kind).filter(|(key, _)| belongs(*key)).map(|(_, amount)| amount.tickets).sum()
    }

    pub(super) fn times(&self, kind: Kind) -> Times {
        Times::new(self.of(kind).map(|(_, amount)| amount))
    }

    pub(super) fn verdicts(&self, kind: Kind) -> Verdicts {
        Verdicts { met: self.tickets(kind, |key| key.of == 1), breached: self.tickets(kind, |key| key.of == 0) }
    }

    fn with_status(&self, status: Status) -> i64 {
        self.tickets(Kind::Tickets, |key| key.at == status as i32)
    }

    fn with_priority(&self, priority: Priority) -> i64 {
        self.tickets(Kind::Tickets, |key| key.of == priority as i64)
    }

    /// Everybody who has a ticket or a time here, and nobody (0).
    fn agents(&self) -> BTreeMap<i64, Agent> {
        let mut agents: BTreeMap<i64, Agent> = BTreeMap::new();
        for (key, amount) in self.of(Kind::Work) {
            let agent = agents.entry(key.of).or_default();
            agent.assigned += amount.tickets;
            if key.at == Work::Active as i32 {
                agent.active += amount.tickets;
            } else if key.at == Work::Resolved as i32 {
                agent.resolved += amount.tickets;
            }
        }
        for (key, amount) in self.of(Kind::Resolved) {
            agents.entry(key.of).or_default().resolution += amount;
        }
        for (key, amount) in self.of(Kind::Answered) {
            agents.entry(key.of).or_default().first_response += amount;
        }
        agents
    }
}

/// An agent's counters.
#[derive(Debug, Clone, Copy, Default)]
struct Agent {
    assigned: i64,
    active: i64,
    resolved: i64,
    resolution: Amount,
    first_response: Amount,
}

/// The counters that [`Dashboard`] and [`Performance`](super::insight::Performance) are made from.
#[must_use]
pub fn spans(window: Window) -> Vec<Span> {
    let Window { first, last } = window;
    vec![
        Span::all(Kind::Tickets),
        Span::all(Kind::Work),
        Span::each(Kind::Created, first, last),
        Span::each(Kind::Resolved, first, last),
        Span::merged(Kind::ResolutionTime, first, last),
        Span::merged(Kind::Answered, first, last),
        Span::merged(Kind::FirstResponseTime, first, last),
        Span::merged(Kind::FirstResponseVerdict, first, last),
        Span::merged(Kind::ResolutionVerdict, first, last),
    ]
}

/// The counters that one agent's row is made from.
#[must_use]
pub fn agent_spans(window: Window) -> Vec<Span> {
    let Window { first, last } = window;
    vec![Span::all(Kind::Work), Span::merged(Kind::Resolved, first, last), Span::merged(Kind::Answered, first, last)]
}

/// The ids of the agents in these counters, whose names are needed to show them.
#[must_use]
pub fn agent_ids(counters: &Counters) -> Vec<UserId> {
    counters.agents().into_keys().filter(|id| *id != 0).map(UserId).collect()
}

/// Names by account.
pub type Names = HashMap<UserId, String>;

/// Tickets of now by status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusCounts {
    /// All of them.
    pub total_tickets: i64,
    /// Nobody works on them yet.
    pub open_tickets: i64,
    /// An agent works on them.
    pub in_progress_tickets: i64,
    /// They wait for somebody.
    pub pending_tickets: i64,
    /// Answered for good.
    pub resolved_tickets: i64,
    /// Over.
    pub closed_tickets: i64,
}

/// Tickets of now by priority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriorityCounts {
    /// Can wait.
    pub low: i64,
    /// The usual.
    pub medium: i64,
    /// Soon.
    pub high: i64,
    /// Now.
    pub critical: i64,
}

/// An agent's work, as the dashboard shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TopAgent {
    /// The account.
    pub agent_id: UserId,
    /// Its full name.
    pub agent_name: String,
    /// Tickets of now that are theirs, whatever their status.
    pub assigned_tickets: i64,
    /// Tickets of now that are theirs and resolved, or closed after that.
    pub resolved_tickets: i64,
    /// Mean hours from opening to resolution, of their tickets resolved in these days.
    pub avg_resolution_time_hours: Option<f64>,
}

/// A day and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DayValue {
    /// The UTC day.
    #[schema(format = Date, example = "2026-03-02")]
    pub timestamp: String,
    /// Tickets.
    pub value: i64,
}

/// Verdicts on a service level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verdicts {
    /// In time.
    pub met: i64,
    /// Too late.
    pub breached: i64,
}

/// Verdicts recorded in these days, of tickets of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SlaCounts {
    /// On first responses.
    pub first_response: Verdicts,
    /// On resolutions.
    pub resolution: Verdicts,
}

/// The desk at a glance. Counts are of now; times, series and verdicts are of the last days, by the day of the event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Dashboard {
    /// Tickets by status.
    pub ticket_stats: StatusCounts,
    /// Tickets by priority.
    pub priority_stats: PriorityCounts,
    /// The agents with most resolved tickets, 10 at most.
    pub top_agents: Vec<TopAgent>,
    /// Tickets opened on each day, today last.
    pub tickets_over_time: Vec<DayValue>,
    /// Tickets resolved on each day, today last.
    pub resolved_over_time: Vec<DayValue>,
    /// Mean hours from opening to resolution.
    pub avg_resolution_time_hours: Option<f64>,
    /// Their median, within 1 %.
    pub median_resolution_time_hours: Option<f64>,
    /// What nine of ten did not exceed, within 1 %.
    pub p90_resolution_time_hours: Option<f64>,
    /// Mean hours from opening to the first public answer.
    pub avg_first_response_time_hours: Option<f64>,
    /// Service levels.
    pub sla: SlaCounts,
}

impl Dashboard {
    /// Makes it from the counters of [`spans`].
    #[must_use]
    pub fn new(counters: &Counters, window: Window, names: &Names) -> Self {
        let resolution = counters.times(Kind::ResolutionTime);
        let mut agents: Vec<AgentStats> = all_agents(counters, names).filter(|agent| agent.assigned_tickets > 0).collect();
        agents.truncate(TOP);
        Self {
            ticket_stats: StatusCounts {
                total_tickets: counters.tickets(Kind::Tickets, |_| true),
                open_tickets: counters.with_status(Status::Open),
                in_progress_tickets: counters.with_status(Status::InProgress),
                pending_tickets: counters.with_status(Status::Pending),
                resolved_tickets: counters.with_status(Status::Resolved),
                closed_tickets: counters.with_status(Status::Closed),
            },
            priority_stats: PriorityCounts {
                low: counters.with_priority(Priority::Low),
                medium: counters.with_priority(Priority::Medium),
                high: counters.with_priority(Priority::High),
                critical: counters.with_priority(Priority::Critical),
            },
            top_agents: agents.into_iter().map(TopAgent::from).collect(),
            tickets_over_time: window.series(counters, Kind::Created),
            resolved_over_time: window.series(counters, Kind::Resolved),
            avg_resolution_time_hours: resolution.mean(),
            median_resolution_time_hours: resolution.quantile(0.5),
            p90_resolution_time_hours: resolution.quantile(0.9),
            avg_first_response_time_hours: counters.times(Kind::FirstResponseTime).mean(),
            sla: SlaCounts {
                first_response: counters.verdicts(Kind::FirstResponseVerdict),
                resolution: counters.verdicts(Kind::ResolutionVerdict),
            },
        }
    }
}

/// An agent's work in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AgentStats {
    /// The account.
    pub agent_id: UserId,
    /// Its full name.
    pub agent_name: String,
    /// Tickets of now that are theirs, whatever their status.
    pub assigned_tickets: i64,
    /// Tickets of now that are theirs and neither resolved nor closed.
    pub open_tickets: i64,
    /// Tickets of now that are theirs and resolved, or closed after that.
    pub resolved_tickets: i64,
    /// Mean hours from opening to resolution, of their tickets resolved in these days.
    pub avg_resolution_time_hours: Option<f64>,
    /// Mean hours from opening to the first public answer, of their tickets answered in these days.
    pub avg_first_response_time_hours: Option<f64>,
}

impl AgentStats {
    /// The row of one agent, also of one who has nothing; from the counters of [`agent_spans`].
    #[must_use]
    pub fn of(counters: &Counters, id: UserId, name: String) -> Self {
        Self::new(id, name, counters.agents().remove(&id.0).unwrap_or_default())
    }

    fn new(agent_id: UserId, agent_name: String, agent: Agent) -> Self {
        Self {
            agent_id,
            agent_name,
            assigned_tickets: agent.assigned,
            open_tickets: agent.active,
            resolved_tickets: agent.resolved,
            avg_resolution_time_hours: mean(agent.resolution),
            avg_first_response_time_hours: mean(agent.first_response),
        }
    }
}

impl From<AgentStats> for TopAgent {
    fn from(agent: AgentStats) -> Self {
        let AgentStats { agent_id, agent_name, assigned_tickets, resolved_tickets, avg_resolution_time_hours, .. } = agent;
        Self { agent_id, agent_name, assigned_tickets, resolved_tickets, avg_resolution_time_hours }
    }
}

/// Everybody's row, by resolved tickets, then by assigned ones, then by id.
pub(super) fn all_agents(counters: &Counters, names: &Names) -> impl Iterator<Item = AgentStats> {
    let agents = counters.agents().into_iter().filter(|(id, _)| *id != 0);
    let mut rows: Vec<AgentStats> = agents
        .map(|(id, agent)| {
            let id = UserId(id);
            AgentStats::new(id, names.get(&id).cloned().unwrap_or_default(), agent)
        })
        .collect();
    rows.sort_by_key(|row| (-row.resolved_tickets, -row.assigned_tickets, row.agent_id));
    rows.into_iter()
}
