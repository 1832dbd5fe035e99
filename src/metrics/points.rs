//! From entries of the log to points. Pure: the same entry, in the same log, always gives the same points, so that sending
//! them again changes nothing.

use std::collections::{HashMap, HashSet};

use serde_json::Value as Json;

use super::{
    line_protocol::{NONE, Point, Slug, Value},
    schema::{COMMENT_CREATED, TICKET_ASSIGNED, TICKET_CREATED, TICKET_FIRST_RESPONSE, TICKET_RESOLVED, TICKET_SLA, TICKET_STATUS_CHANGE},
    times,
};
use crate::{
    activity::model::{Action, Entry},
    tickets::model::{Status, Verdict},
    types::{Timestamp, UserId},
};

/// The tags that stand for agents: made once for each, from the name at that time, and never changed.
#[derive(Debug, Default)]
pub struct Agents {
    names: HashMap<UserId, Box<str>>,
    slugs: HashMap<UserId, Slug>,
    taken: HashSet<Slug>,
    /// In the order in which they were made.
    order: Vec<UserId>,
}

impl Agents {
    /// Learns the names that an entry tells.
    pub(super) fn learn(&mut self, entry: &Entry) {
        if let (Some(user), Some([_, Json::String(name)])) = (entry.user_id, entry.changes.get("full_name")) {
            self.names.insert(user, name.as_str().into());
        }
        if let Some(actor) = entry.actor.id
            && !self.names.contains_key(&actor)
        {
            self.names.insert(actor, entry.actor.name.as_str().into());
        }
    }

    /// The tag of an agent; `none` for nobody.
    pub fn slug(&mut self, agent: Option<UserId>) -> Slug {
        let Some(id) = agent else { return NONE };
        if let Some(slug) = self.slugs.get(&id) {
            return slug.clone();
        }
        let wanted = self.names.get(&id).map_or(NONE, |name| Slug::of(name));
        let slug = match wanted {
            none if none == NONE => Slug::word("agent").numbered(id.0),
            taken if self.taken.contains(&taken) => taken.numbered(id.0),
            free => free,
        };
        self.taken.insert(slug.clone());
        self.slugs.insert(id, slug.clone());
        self.order.push(id);
        slug
    }

    /// All that have a tag so far.
    pub fn known(&self) -> impl Iterator<Item = (UserId, &Slug)> {
        self.order.iter().filter_map(|id| self.slugs.get(id).map(|slug| (*id, slug)))
    }
}

/// The time of an entry's points, in ns: the µs of the event, and below them a part of its place in the log, so that two
/// events of the same µs do not overwrite each other.
fn nanoseconds(entry: &Entry) -> i64 {
    entry.at.as_micros().saturating_mul(1_000).saturating_add(entry.seq.rem_euclid(1_000))
}

/// The time of a point at an instant.
pub(super) const fn instant(at: Timestamp) -> i64 {
    at.as_micros().saturating_mul(1_000)
}

/// The points of an entry.
pub fn points(entry: &Entry, agents: &mut Agents) -> Vec<Point> {
    match entry.action {
        Action::CommentCreated => comment(entry),
        Action::TicketCreated | Action::TicketUpdated | Action::TicketStatusChanged | Action::TicketAssigned => ticket(entry, agents),
        _ => Vec::new(),
    }
}

fn comment(entry: &Entry) -> Vec<Point> {
    let (Some(ticket), Some(role)) = (entry.ticket_id, entry.facts.author_role) else { return Vec::new() };
    let visibility = if entry.internal { "internal" } else { "public" };
    let tags = vec![Slug::word(role.name()), Slug::word(visibility)];
    vec![Point::new(&COMMENT_CREATED, nanoseconds(entry), tags, vec![Value::Integer(1), Value::Integer(ticket.0)])]
}

fn ticket(entry: &Entry, agents: &mut Agents) -> Vec<Point> {
    let facts = &entry.facts;
    let (Some(ticket), Some(priority)) = (entry.ticket_id, facts.priority) else { return Vec::new() };
    let (at, one, id, priority) = (nanoseconds(entry), Value::Integer(1), Value::Integer(ticket.0), Slug::word(priority.name()));
    let mut points = Vec::new();
    if entry.action == Action::TicketCreated {
        let channel = facts.channel.map_or(NONE, |channel| Slug::word(channel.name()));
        points.push(Point::new(&TICKET_CREATED, at, vec![channel, priority], vec![one, id]));
        return points;
    }
    if let Some((from, to)) = status_change(entry) {
        let seconds = facts.status_since.map_or(0.0, |since| entry.at.seconds_since(since).max(0.0));
        let tags = vec![Slug::word(from.name()), priority.clone(), Slug::word(to.name())];
        points.push(Point::new(&TICKET_STATUS_CHANGE, at, tags, vec![one, id, Value::Float(seconds)]));
    }
    if entry.action == Action::TicketAssigned {
        let (agent, by) = (facts.assigned_agent_id, entry.actor.id);
        let reason = match agent {
            None => "unassign",
            Some(_) if agent == by => "claim",
            Some(_) => "manual",
        };
        let fields = vec![one, id, Value::Integer(by.map_or(0, |by| by.0))];
        points.push(Point::new(&TICKET_ASSIGNED, at, vec![agents.slug(agent), Slug::word(reason)], fields));
    }
    let mut verdict = |clock: &'static str| {
        let met = verdict(entry, clock);
        let clock = clock.trim_start_matches("sla.");
        if let Some(met) = met {
            points.push(Point::new(&TICKET_SLA, at, vec![Slug::word(clock), Slug::word(met), priority.clone()], vec![one, id]));
        }
        met.map_or(NONE, Slug::word)
    };
    let (answered_in_time, resolved_in_time) = (verdict("sla.first_response"), verdict("sla.resolution"));
    if let Some(seconds) = times::first_response(&entry.changes, facts, entry.at) {
        let tags = vec![agents.slug(facts.assigned_agent_id), answered_in_time, priority.clone()];
        points.push(Point::new(&TICKET_FIRST_RESPONSE, at, tags, vec![one, Value::Float(seconds.max(0.0)), id]));
    }
    if let Some(seconds) = times::resolution(&entry.changes, facts, entry.at) {
        let tags = vec![agents.slug(facts.assigned_agent_id), resolved_in_time, priority];
        let fields = vec![one, Value::Float(seconds.max(0.0)), Value::Integer(facts.reopen_count), id];
        points.push(Point::new(&TICKET_RESOLVED, at, tags, fields));
    }
    points
}

/// The status with this name.
fn status(value: &Json) -> Option<Status> {
    Status::ALL.into_iter().find(|status| value == status.name())
}

/// From which status to which an entry moves its ticket.
pub(super) fn status_change(entry: &Entry) -> Option<(Status, Status)> {
    let [from, to] = entry.changes.get("status")?;
    status(from).zip(status(to))
}

/// What an entry decides about a service-level clock, as a tag.
fn verdict(entry: &Entry, clock: &str) -> Option<&'static str> {
    let [_, after] = entry.changes.get(clock)?;
    if after == Verdict::Met.name() {
        Some("true")
    } else if after == Verdict::Breached.name() {
        Some("false")
    } else {
        None
    }
}
