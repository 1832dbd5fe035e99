//! What happened at a desk, by its log alone: the events that points are made of, and how things stood at any instant.

use std::collections::{BTreeMap, BTreeSet};

use taquilla::{
    activity::model::{Action, Entry},
    demo::PEOPLE,
    tickets::model::{Priority, Status},
    types::TicketId,
};

use crate::analytics_log::Told;

/// An event, as a row of the measurement that it belongs to.
#[derive(Debug, Clone)]
pub struct Event {
    pub measurement: &'static str,
    /// When, in µs.
    pub at: i64,
    pub ticket: TicketId,
    pub tags: BTreeMap<&'static str, String>,
    /// How long it took, where something did.
    pub seconds: f64,
    /// How often the ticket had been reopened by then.
    pub reopens: i64,
}

impl Event {
    pub fn tag(&self, name: &str) -> &str {
        self.tags.get(name).map_or("", String::as_str)
    }

    pub fn is_one_of(&self, tag: &str, values: &[&str]) -> bool {
        values.contains(&self.tag(tag))
    }
}

/// The log of a desk.
pub struct History {
    log: Vec<Entry>,
    names: BTreeMap<i64, String>,
    /// When each agent was first given a ticket, by tag.
    begun: BTreeMap<String, i64>,
    pub events: Vec<Event>,
}

/// A person's tag: the letters of the name, without accents.
fn slug(name: &str) -> String {
    let plain = name.to_lowercase().replace('í', "i");
    assert!(plain.is_ascii(), "{name}");
    plain.replace(' ', "-")
}

impl History {
    /// Reads the log; `names` are those of the accounts by id.
    pub fn new(log: Vec<Entry>, names: BTreeMap<i64, String>) -> Self {
        let mut history = Self { log, names, begun: BTreeMap::new(), events: Vec::new() };
        for entry in history.log.iter().rev() {
            if let Some(agent) = entry.facts.assigned_agent_id {
                history.begun.insert(slug(&history.names[&agent.0]), entry.at.as_micros());
            }
        }
        let mut reopens: BTreeMap<TicketId, i64> = BTreeMap::new();
        let events = history.log.iter().flat_map(|entry| history.of(entry, &mut reopens)).collect();
        history.events = events;
        history
    }

    /// An agent's tag.
    pub fn agent(&self, id: Option<i64>) -> String {
        id.map_or_else(|| "none".to_owned(), |id| slug(&self.names[&id]))
    }

    fn of(&self, entry: &Entry, reopens: &mut BTreeMap<TicketId, i64>) -> Vec<Event> {
        let facts = &entry.facts;
        let at = entry.at.as_micros();
        let mut events = Vec::new();
        let Some(ticket) = entry.ticket_id else { return events };
        let mut add = |measurement, seconds, reopens, tags: &[(&'static str, &str)]| {
            let tags = tags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            events.push(Event { measurement, at, ticket, tags, seconds, reopens });
        };
        if entry.action == Action::CommentCreated {
            let visibility = if entry.internal { "internal" } else { "public" };
            add("comment_created", 0.0, 0, &[("role", facts.author_role.unwrap().name()), ("visibility", visibility)]);
            return events;
        }
        let (Some(priority), Some(opened)) = (facts.priority.map(Priority::name), facts.created_at) else { return events };
        let after = |field: &str| entry.changes.get(field).map(|[_, after]| after.as_str().unwrap_or_default());
        let met = |clock: &str| match after(clock) {
            Some("met") => "true",
            Some("breached") => "false",
            _ => "none",
        };
        let agent = self.agent(facts.assigned_agent_id.map(|id| id.0));
        let took = entry.at.seconds_since(opened);
        match entry.action {
            Action::TicketCreated => {
                add("ticket_created", 0.0, 0, &[("channel", facts.channel.unwrap().name()), ("priority", priority)]);
                return events;
            }
            Action::TicketUpdated | Action::TicketStatusChanged | Action::TicketAssigned => {}
            _ => return events,
        }
        if let Some([from, to]) = entry.changes.get("status") {
            let (from, to) = (from.as_str().unwrap(), to.as_str().unwrap());
            let active = |status| ["open", "in_progress", "pending"].contains(&status);
            if !active(from) && active(to) {
                *reopens.entry(ticket).or_default() += 1;
            }
            let stayed = facts.status_since.map_or(0.0, |since| entry.at.seconds_since(since));
            add("ticket_status_change", stayed, 0, &[("from", from), ("to", to), ("priority", priority)]);
        }
        if entry.action == Action::TicketAssigned {
            let reason = match facts.assigned_agent_id {
                None => "unassign",
                same if same == entry.actor.id => "claim",
                _ => "manual",
            };
            add("ticket_assigned", 0.0, 0, &[("agent", &agent), ("reason", reason)]);
        }
        for (clock, field) in [("first_response", "sla.first_response"), ("resolution", "sla.resolution")] {
            if met(field) != "none" {
                add("ticket_sla", 0.0, 0, &[("clock", clock), ("met", met(field)), ("priority", priority)]);
            }
        }
        if after("first_response_at").is_some_and(|at| !at.is_empty()) {
            let tags = [("agent", agent.as_str()), ("met", met("sla.first_response")), ("priority", priority)];
            add("ticket_first_response", took, 0, &tags);
        }
        if after("status") == Some(Status::Resolved.name()) {
            let tags = [("agent", agent.as_str()), ("met", met("sla.resolution")), ("priority", priority)];
            add("ticket_resolved", took, reopens.get(&ticket).copied().unwrap_or(0), &tags);
        }
        events
    }

    /// The tickets as they stood before whatever happened at these instants (µs, ascending), deleted ones left out.
    pub fn at_each<T>(&self, instants: impl IntoIterator<Item = i64>, look: impl Fn(i64, &[&Told]) -> T) -> Vec<T> {
        let mut tickets: BTreeMap<TicketId, Told> = BTreeMap::new();
        let mut entries = self.log.iter().filter(|entry| entry.action.name().starts_with("ticket.")).peekable();
        let stand = |instant: i64| {
            while let Some(entry) = entries.next_if(|entry| entry.at.as_micros() < instant) {
                tickets.entry(entry.ticket_id.unwrap()).or_default().take(entry);
            }
            let live: Vec<&Told> = tickets.values().filter(|ticket| ticket.is_live()).collect();
            look(instant, &live)
        };
        instants.into_iter().map(stand).collect()
    }

    /// Everybody who has had a ticket before this instant, by tag, and nobody: who has a row in the backlog.
    pub fn known_agents(&self, instant: i64) -> BTreeSet<String> {
        let begun = self.begun.iter().filter(|(_, at)| **at < instant).map(|(agent, _)| agent.clone());
        begun.chain(["none".to_owned()]).collect()
    }

    /// Events that stand in the desk's own figures: not of deleted tickets, and of resolutions only the one that holds now.
    pub fn stands(event: &Event, now: &BTreeMap<TicketId, Told>) -> bool {
        let Some(ticket) = now.get(&event.ticket).filter(|ticket| ticket.is_live()) else { return false };
        event.measurement != "ticket_resolved" || ticket.resolved_at() == Some(event.at)
    }

    /// All tickets as they are, deleted ones too.
    pub fn now(&self) -> BTreeMap<TicketId, Told> {
        let mut tickets: BTreeMap<TicketId, Told> = BTreeMap::new();
        for entry in self.log.iter().filter(|entry| entry.action.name().starts_with("ticket.")) {
            tickets.entry(entry.ticket_id.unwrap()).or_default().take(entry);
        }
        tickets
    }
}

#[test]
fn the_names_of_the_demo_have_tags() {
    let tags: BTreeSet<String> = PEOPLE.iter().map(|person| slug(person.full_name)).collect();
    assert!(tags.len() == PEOPLE.len() && tags.contains("lucia-ortega"));
}
