//! Tickets as JSON, without making every byte anew. Of what a ticket looks like, most depends on the ticket alone: those
//! parts are written once and remembered, and each answer copies them and fills in what depends on who looks and when.
//! Which parts belong to which state of a ticket is told by its version and the time of its last change. No two states of one history
//! have both alike, but for the numbers of comments, which are filled in; so whatever writes a ticket's row raises its version. A
//! state that is seen and then lost before it is durable may be followed by another one of the same version: later, by the clock.

use std::{collections::HashMap, sync::Arc};

use quick_cache::{Weighter, sync::Cache};
use serde::Serialize;

use super::model::{Channel, Priority, SlaState, Status, Ticket};
use crate::types::{TicketId, Timestamp, UserId};

/// Memory for what is remembered, in bytes.
const MEMORY: u64 = 8 * 1024 * 1024;
/// How many tickets that is, roughly.
const TICKETS: usize = 8 * 1024;

/// A ticket's JSON without what depends on who looks, and where that goes.
#[derive(Debug)]
struct Parts {
    json: Box<[u8]>,
    /// The places of the requester's name, the assignee's name and the number of comments, and from where to where the clocks are told.
    places: [usize; 5],
    /// The clocks as they are told: they seldom change by the time alone.
    sla: SlaState,
}

#[derive(Serialize)]
struct Head<'a> {
    id: TicketId,
    title: &'a str,
    description: &'a str,
    status: Status,
    priority: Priority,
    tags: &'a [String],
    channel: Channel,
    creator_id: UserId,
}

#[derive(Serialize)]
struct People {
    opened_by_id: UserId,
    assigned_agent_id: Option<UserId>,
}

#[derive(Serialize)]
struct Course {
    created_at: Timestamp,
    updated_at: Timestamp,
    first_response_at: Option<Timestamp>,
    first_response_due_at: Option<Timestamp>,
    resolved_at: Option<Timestamp>,
    resolution_due_at: Option<Timestamp>,
    first_resolved_at: Option<Timestamp>,
    closed_at: Option<Timestamp>,
    status_since: Timestamp,
    reopen_count: i64,
}

impl Parts {
    fn of(ticket: &Ticket, now: Timestamp) -> serde_json::Result<Self> {
        let mut json = Vec::with_capacity(1_024 + ticket.description.len());
        let head = Head {
            id: ticket.id,
            title: &ticket.title,
            description: &ticket.description,
            status: ticket.status,
            priority: ticket.priority,
            tags: &ticket.tags,
            channel: ticket.channel,
            creator_id: ticket.creator_id,
        };
        let people = People { opened_by_id: ticket.opened_by_id, assigned_agent_id: ticket.assigned_agent_id };
        let course = Course {
            created_at: ticket.created_at,
            updated_at: ticket.updated_at,
            first_response_at: ticket.first_response_at,
            first_response_due_at: ticket.first_response_due_at,
            resolved_at: ticket.resolved_at,
            resolution_due_at: ticket.resolution_due_at,
            first_resolved_at: ticket.first_resolved_at,
            closed_at: ticket.closed_at,
            status_since: ticket.status_since,
            reopen_count: ticket.reopen_count,
        };
        let creator = fields(&mut json, &head, "creator_name")?;
        let assignee = fields(&mut json, &people, "assigned_agent_name")?;
        let comments = fields(&mut json, &course, "comment_count")?;
        let (from, sla) = (name(&mut json, "sla"), ticket.sla(now));
        serde_json::to_writer(&mut json, &sla)?;
        let places = [creator, assignee, comments, from, json.len()];
        json.extend_from_slice(b",\"version\":");
        serde_json::to_writer(&mut json, &ticket.version)?;
        json.push(b'}');
        Ok(Self { json: json.into(), places, sla })
    }

    fn fill(&self, out: &mut Vec<u8>, shown: &Shown<'_>, ticket: &Ticket) -> serde_json::Result<()> {
        let [creator, assignee, comments, from, to] = self.places;
        out.extend_from_slice(&self.json[..creator]);
        serde_json::to_writer(&mut *out, shown.name(ticket.creator_id))?;
        out.extend_from_slice(&self.json[creator..assignee]);
        serde_json::to_writer(&mut *out, &ticket.assigned_agent_id.map(|id| shown.name(id)))?;
        out.extend_from_slice(&self.json[assignee..comments]);
        serde_json::to_writer(&mut *out, &ticket.comment_count(shown.notes))?;
        let sla = ticket.sla(shown.now);
        if sla == self.sla {
            out.extend_from_slice(&self.json[comments..]);
            return Ok(());
        }
        out.extend_from_slice(&self.json[comments..from]);
        serde_json::to_writer(&mut *out, &sla)?;
        out.extend_from_slice(&self.json[to..]);
        Ok(())
    }
}

/// Writes the fields of an object, then the name of the one that follows; gives the place of its value.
fn fields(json: &mut Vec<u8>, object: &impl Serialize, next: &str) -> serde_json::Result<usize> {
    let begin = json.len();
    serde_json::to_writer(&mut *json, object)?;
    if begin > 0 {
        // It goes on where others have been written.
        json[begin] = b',';
    }
    json.pop();
    Ok(name(json, next))
}

/// Writes the name of a further field; gives the place of its value.
fn name(json: &mut Vec<u8>, name: &str) -> usize {
    json.extend_from_slice(b",\"");
    json.extend_from_slice(name.as_bytes());
    json.extend_from_slice(b"\":");
    json.len()
}

/// To whom tickets are shown, and when.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Whether internal notes are counted: staff see them.
    pub notes: bool,
    /// The present instant.
    pub now: Timestamp,
    /// The full names of requesters and assignees.
    pub names: &'a HashMap<UserId, String>,
}

impl Shown<'_> {
    fn name(&self, of: UserId) -> &str {
        self.names.get(&of).map_or("", String::as_str)
    }
}

/// A state of a ticket, and its parts.
#[derive(Clone)]
struct Remembered {
    version: i64,
    updated_at: Timestamp,
    parts: Arc<Parts>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<TicketId, Remembered> for ByBytes {
    fn weight(&self, _: &TicketId, one: &Remembered) -> u64 {
        (size_of::<Remembered>() + one.parts.json.len() + size_of::<Parts>()) as u64
    }
}

/// The JSON of the tickets that were shown last.
pub struct Written(Cache<TicketId, Remembered, ByBytes>);

impl Default for Written {
    fn default() -> Self {
        Self(Cache::with_weighter(TICKETS, MEMORY, ByBytes))
    }
}

impl Written {
    /// Adds a ticket's JSON to `out`, as [`TicketView`](super::model::TicketView) would be written.
    ///
    /// # Errors
    /// A bug: everything in a ticket can be written.
    pub fn put(&self, out: &mut Vec<u8>, ticket: &Arc<Ticket>, shown: &Shown<'_>) -> serde_json::Result<()> {
        let (version, updated_at) = (ticket.version, ticket.updated_at);
        let known = self.0.get(&ticket.id).filter(|known| (known.version, known.updated_at) == (version, updated_at));
        if let Some(known) = known {
            return known.parts.fill(out, shown, ticket);
        }
        let parts = Arc::new(Parts::of(ticket, shown.now)?);
        parts.fill(out, shown, ticket)?;
        // A change that is lost now can be followed by another one at this very time, but not by one at a time that is past.
        if updated_at < shown.now {
            self.0.insert(ticket.id, Remembered { version, updated_at, parts });
        }
        Ok(())
    }

    /// The JSON of a list of tickets.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn list(&self, tickets: &[Arc<Ticket>], shown: &Shown<'_>) -> serde_json::Result<Vec<u8>> {
        let texts: usize = tickets.iter().map(|ticket| ticket.title.len() + ticket.description.len()).sum();
        let mut out = Vec::with_capacity(2 + texts + texts / 8 + tickets.len() * 1_024);
        out.push(b'[');
        for (at, ticket) in tickets.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            self.put(&mut out, ticket, shown)?;
        }
        out.push(b']');
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tickets::{
        model::{TicketView, Verdict},
        sla::SlaTargets,
    };

    fn names() -> HashMap<UserId, String> {
        [(UserId(3), "Ana \"the\" Ruiz".to_owned()), (UserId(5), "Eva\n".to_owned())].into()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000 + 7)
    }

    /// Tickets that differ in everything that a view shows.
    fn tickets() -> Vec<Arc<Ticket>> {
        let full = Ticket {
            id: TicketId(i64::MAX),
            title: "a \"title\" \\ \u{1}".into(),
            description: "línea\n\u{2028}🦊".into(),
            status: Status::Closed,
            priority: Priority::Critical,
            tags: vec!["a".into(), "ü\"".into()],
            channel: Channel::Import,
            creator_id: UserId(3),
            opened_by_id: UserId(4),
            assigned_agent_id: Some(UserId(5)),
            created_at: at(1),
            updated_at: at(2),
            first_response_at: Some(at(3)),
            first_response_due_at: Some(at(4)),
            resolved_at: Some(at(5)),
            resolution_due_at: Some(at(6)),
            first_resolved_at: Some(at(7)),
            closed_at: Some(at(8)),
            status_since: at(9),
            reopen_count: 2,
            first_response: Verdict::Met,
            resolution: Verdict::Running,
            first_response_decided_at: Some(at(3)),
            resolution_decided_at: None,
            targets: SlaTargets::default(),
            public_comments: 11,
            internal_notes: 13,
            deleted_at: None,
            version: 17,
        };
        let bare = Ticket {
            id: TicketId(7),
            tags: Vec::new(),
            creator_id: UserId(8),
            assigned_agent_id: None,
            first_response_at: None,
            first_response_due_at: None,
            resolved_at: None,
            resolution_due_at: None,
            first_resolved_at: None,
            closed_at: None,
            ..full.clone()
        };
        [full, bare].into_iter().map(Arc::new).collect()
    }

    fn views(tickets: &[Arc<Ticket>], shown: &Shown<'_>) -> Vec<TicketView> {
        tickets.iter().map(|ticket| ticket.view(shown.notes, shown.now, |id| shown.name(id).to_owned())).collect()
    }

    #[test]
    fn what_is_written_is_the_view_for_everybody_at_any_time_first_and_again() {
        let (written, tickets, names) = (Written::default(), tickets(), names());
        for (notes, now) in [(true, at(0)), (false, at(0)), (true, at(100))] {
            let shown = Shown { notes, now, names: &names };
            let expected = serde_json::to_string(&views(&tickets, &shown)).unwrap();
            for _ in 0..2 {
                assert_eq!(String::from_utf8(written.list(&tickets, &shown).unwrap()).unwrap(), expected);
            }
        }
        assert_eq!(written.list(&[], &Shown { notes: true, now: at(0), names: &names }).unwrap(), b"[]");
    }

    #[test]
    fn a_change_shows_at_once_and_an_older_state_is_shown_as_it_was() {
        let (written, names) = (Written::default(), names());
        let shown = Shown { notes: true, now: at(100), names: &names };
        let before = tickets().remove(0);
        let after = Arc::new(Ticket { title: "another".into(), version: before.version + 1, ..before.as_ref().clone() });
        // A comment changes no version.
        let commented = Arc::new(Ticket { public_comments: 12, updated_at: at(9), ..after.as_ref().clone() });
        let noted = Arc::new(Ticket { internal_notes: 14, ..commented.as_ref().clone() });
        for one in [&before, &after, &before, &before, &after, &after, &commented, &after, &commented, &noted, &commented] {
            let mut json = Vec::new();
            written.put(&mut json, one, &shown).unwrap();
            assert_eq!(serde_json::from_slice::<TicketView>(&json).unwrap(), views(std::slice::from_ref(one), &shown)[0]);
        }
    }

    #[test]
    fn a_state_that_may_be_lost_and_followed_by_another_like_it_is_not_remembered() {
        let (written, names) = (Written::default(), names());
        let lost = tickets().remove(0);
        let next = Arc::new(Ticket { title: "decided once more".into(), ..lost.as_ref().clone() });
        let shown = Shown { notes: true, now: lost.updated_at, names: &names };
        for one in [&lost, &next] {
            let mut json = Vec::new();
            written.put(&mut json, one, &shown).unwrap();
            assert_eq!(serde_json::from_slice::<TicketView>(&json).unwrap(), views(std::slice::from_ref(one), &shown)[0]);
        }
        written.put(&mut Vec::new(), &next, &Shown { now: at(3), ..shown }).unwrap();
        assert_eq!(written.0.len(), 1);
    }
}
