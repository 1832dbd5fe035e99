//! The backlog, folded from the log: how many tickets stood where at each whole minute of event time. The fold holds the
//! active tickets and some counts, so that its size follows the work at hand and not the age of the desk.

use std::collections::HashMap;

use super::{
    line_protocol::{NONE, Point, Slug, Value},
    points::{self, Agents, instant, status_change},
    schema::{AGES, TICKET_BACKLOG, TICKET_BACKLOG_AGE, TICKET_BACKLOG_AGENT},
};
use crate::{
    activity::model::{Action, Entry},
    tickets::model::{Priority, Status},
    types::{TicketId, Timestamp, UserId},
};

const MINUTE: i64 = 60 * 1_000_000;
const HOUR: i64 = 60 * MINUTE;

/// What lies longer back than this gets points at whole hours only.
const RECENT: i64 = 48 * HOUR;

/// A ticket that somebody still has to do something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Active {
    agent: Option<UserId>,
    created_at: Timestamp,
    due_at: Option<Timestamp>,
}

/// The log, folded up to some entry.
#[derive(Debug, Default)]
pub struct Fold {
    agents: Agents,
    counts: [[i64; Priority::ALL.len()]; Status::ALL.len()],
    active: HashMap<TicketId, Active>,
    /// The latest event of a ticket so far, or the last instant for which points were made; none before the first ticket.
    clock: Option<Timestamp>,
}

impl Fold {
    /// The points of the next whole minute (or hour, long ago) that is due when the time has come to `until`: the state
    /// before whatever happens at or after that minute. `None` when no more is due.
    #[must_use]
    pub fn next_backlog(&mut self, until: Timestamp, now: Timestamp) -> Option<Vec<Point>> {
        let clock = self.clock?.as_micros();
        let next_of = |step: i64| clock.div_euclid(step).saturating_add(1).saturating_mul(step);
        let recent = now.as_micros().saturating_sub(RECENT);
        let (minute, hour) = (next_of(MINUTE), next_of(HOUR));
        let next = if minute >= recent { minute } else { hour.min(recent.div_euclid(HOUR).saturating_add(1).saturating_mul(HOUR)) };
        if next > until.as_micros() {
            return None;
        }
        let at = Timestamp::from_micros(next);
        self.clock = Some(at);
        Some(self.backlog(at))
    }

    /// Takes the next entry in, and gives its points. The backlog up to its time is to be asked for before.
    pub fn take(&mut self, entry: &Entry) -> Vec<Point> {
        self.agents.learn(entry);
        let points = points::points(entry, &mut self.agents);
        self.fold(entry);
        points
    }

    fn fold(&mut self, entry: &Entry) {
        let facts = &entry.facts;
        let moves = matches!(
            entry.action,
            Action::TicketCreated
                | Action::TicketUpdated
                | Action::TicketStatusChanged
                | Action::TicketAssigned
                | Action::TicketDeleted
                | Action::TicketRestored
        );
        let (true, Some(id), Some(status), Some(priority), Some(created_at)) =
            (moves, entry.ticket_id, facts.status, facts.priority, facts.created_at)
        else {
            return;
        };
        self.clock = self.clock.max(Some(entry.at));
        if !matches!(entry.action, Action::TicketCreated | Action::TicketRestored) {
            let before = status_change(entry).map_or(status, |(from, _)| from);
            self.counts[before as usize][priority_before(entry).unwrap_or(priority) as usize] -= 1;
        }
        let lives = entry.action != Action::TicketDeleted;
        if lives {
            self.counts[status as usize][priority as usize] += 1;
        }
        if lives && status.is_active() {
            self.agents.slug(facts.assigned_agent_id);
            self.active.insert(id, Active { agent: facts.assigned_agent_id, created_at, due_at: facts.due_at });
        } else {
            self.active.remove(&id);
        }
    }

    fn backlog(&self, at: Timestamp) -> Vec<Point> {
        let ns = instant(at);
        let mut all = Vec::new();
        for status in Status::ALL {
            for priority in Priority::ALL {
                let tags = vec![Slug::word(priority.name()), Slug::word(status.name())];
                let count = self.counts[status as usize][priority as usize];
                all.push(Point::new(&TICKET_BACKLOG, ns, tags, vec![Value::Integer(count)]));
            }
        }
        let mut by_agent: HashMap<Option<UserId>, (i64, i64)> = HashMap::new();
        let mut by_age = [(0, 0.0_f64); AGES.len()];
        for ticket in self.active.values() {
            let (count, overdue) = by_agent.entry(ticket.agent).or_default();
            *count += 1;
            *overdue += i64::from(ticket.due_at.is_some_and(|due| due < at));
            let age = at.seconds_since(ticket.created_at).max(0.0);
            let whole = (at.as_micros() - ticket.created_at.as_micros()).div_euclid(1_000_000);
            let bucket = AGES.iter().position(|(_, end)| whole < *end).unwrap_or(AGES.len() - 1);
            by_age[bucket].0 += 1;
            by_age[bucket].1 = by_age[bucket].1.max(age);
        }
        let agents = std::iter::once((None, &NONE)).chain(self.agents.known().map(|(id, slug)| (Some(id), slug)));
        for (agent, slug) in agents {
            let (count, overdue) = by_agent.get(&agent).copied().unwrap_or_default();
            all.push(Point::new(&TICKET_BACKLOG_AGENT, ns, vec![slug.clone()], vec![Value::Integer(count), Value::Integer(overdue)]));
        }
        for ((name, _), (count, oldest)) in AGES.iter().zip(by_age) {
            all.push(Point::new(&TICKET_BACKLOG_AGE, ns, vec![Slug::word(name)], vec![Value::Integer(count), Value::Float(oldest)]));
        }
        all
    }
}

/// The priority that a ticket had before an entry, when that changes it.
fn priority_before(entry: &Entry) -> Option<Priority> {
    let [before, _] = entry.changes.get("priority")?;
    Priority::ALL.into_iter().find(|priority| before == priority.name())
}
