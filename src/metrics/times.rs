//! How long tickets took and whether in time, as the entries of their changes tell it.

use prometheus::{Histogram, IntCounter, Result};

use super::families::Families;
use crate::{
    activity::model::{Facts, FieldChanges, NewEntry},
    tickets::model::{Status, Verdict},
    types::Timestamp,
};

const MINUTE: f64 = 60.0;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;

/// Seconds from the opening to the first public answer, when this event is that answer.
#[must_use]
pub fn first_response(changes: &FieldChanges, facts: &Facts, at: Timestamp) -> Option<f64> {
    let [before, after] = changes.get("first_response_at")?;
    (before.is_null() && !after.is_null()).then(|| facts.created_at.map(|opened| at.seconds_since(opened)))?
}

/// Seconds from the opening to the resolution, when this event is one.
#[must_use]
pub fn resolution(changes: &FieldChanges, facts: &Facts, at: Timestamp) -> Option<f64> {
    let [_, after] = changes.get("status")?;
    (after == Status::Resolved.name()).then(|| facts.created_at.map(|opened| at.seconds_since(opened)))?
}

/// The service-level clocks, by their fields in `changes`.
const CLOCKS: [&str; 2] = ["sla.first_response", "sla.resolution"];

/// The verdicts that are counted.
const VERDICTS: [Verdict; 2] = [Verdict::Met, Verdict::Breached];

/// The times and verdicts that a commit decides.
#[derive(Debug, Default, PartialEq)]
pub struct TicketTimes {
    first_responses: Vec<f64>,
    resolutions: Vec<f64>,
    /// By clock and verdict, in the order of [`CLOCKS`] and [`VERDICTS`].
    verdicts: [[u64; 2]; 2],
}

impl TicketTimes {
    /// What these entries tell.
    #[must_use]
    pub fn of(entries: &[NewEntry]) -> Self {
        Self {
            first_responses: entries.iter().filter_map(|e| first_response(&e.changes, &e.facts, e.at)).collect(),
            resolutions: entries.iter().filter_map(|e| resolution(&e.changes, &e.facts, e.at)).collect(),
            verdicts: CLOCKS
                .map(|clock| VERDICTS.map(|verdict| entries.iter().filter(|e| decides(&e.changes, clock, verdict)).count() as u64)),
        }
    }
}

/// Whether a change gives this verdict on a clock.
fn decides(changes: &FieldChanges, clock: &str, verdict: Verdict) -> bool {
    changes.get(clock).is_some_and(|[before, after]| after == verdict.name() && before != after)
}

/// The families of tickets' times and verdicts.
#[derive(Debug)]
pub struct TicketMeters {
    first_response: Histogram,
    resolution: Histogram,
    /// As in [`TicketTimes`].
    verdicts: [[IntCounter; 2]; 2],
}

impl TicketMeters {
    pub(super) fn new(families: &Families) -> Result<Self> {
        let verdicts =
            families.counters("taquilla_sla_verdicts_total", "Service-level clocks that were decided, by how.", &["clock", "verdict"])?;
        let of = |clock: &str, verdict: Verdict| verdicts.with_label_values(&[clock.trim_start_matches("sla."), verdict.name()]);
        Ok(Self {
            verdicts: CLOCKS.map(|clock| VERDICTS.map(|verdict| of(clock, verdict))),
            first_response: families.histogram(
                "taquilla_ticket_first_response_seconds",
                "Time from opening a ticket to its first public answer.",
                &[5.0 * MINUTE, 15.0 * MINUTE, 30.0 * MINUTE, HOUR, 2.0 * HOUR, 4.0 * HOUR, 8.0 * HOUR, DAY, 3.0 * DAY, 7.0 * DAY],
            )?,
            resolution: families.histogram(
                "taquilla_ticket_resolution_seconds",
                "Time from opening a ticket to each of its resolutions.",
                &[HOUR, 4.0 * HOUR, 8.0 * HOUR, DAY, 2.0 * DAY, 3.0 * DAY, 5.0 * DAY, 7.0 * DAY, 14.0 * DAY, 30.0 * DAY],
            )?,
        })
    }

    /// Takes over what a commit has decided.
    pub fn observe(&self, times: &TicketTimes) {
        times.first_responses.iter().for_each(|seconds| self.first_response.observe(*seconds));
        times.resolutions.iter().for_each(|seconds| self.resolution.observe(*seconds));
        for (counter, many) in self.verdicts.as_flattened().iter().zip(times.verdicts.as_flattened()) {
            counter.inc_by(*many);
        }
    }
}
