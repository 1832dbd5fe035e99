//! Tickets with their JSON, so that it is not made anew, byte by byte, for every answer. Of what a ticket looks like, most depends on
//! the ticket alone: those parts are written when it is first shown and are kept with the very state that they are of; each answer copies
//! them and fills in what depends on who looks and when.

use std::{
    collections::HashMap,
    fmt,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use serde::Serialize;

use super::model::{Channel, Priority, Status, Ticket};
use crate::types::{TicketId, Timestamp, UserId};

/// A ticket's JSON without what depends on who looks and when, and where that goes.
#[derive(Debug)]
struct Parts {
    json: Box<[u8]>,
    /// The places of the requester's name, the assignee's name, the number of comments and the clocks.
    places: [usize; 4],
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
    fn of(ticket: &Ticket) -> serde_json::Result<Self> {
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
        let places = [
            fields(&mut json, &head, "creator_name")?,
            fields(&mut json, &people, "assigned_agent_name")?,
            fields(&mut json, &course, "comment_count")?,
            name(&mut json, "sla"),
        ];
        json.extend_from_slice(b",\"version\":");
        serde_json::to_writer(&mut json, &ticket.version)?;
        json.push(b'}');
        Ok(Self { json: json.into(), places })
    }

    fn fill(&self, out: &mut Vec<u8>, shown: &Shown<'_>, ticket: &Ticket) -> serde_json::Result<()> {
        let [creator, assignee, comments, sla] = self.places;
        out.extend_from_slice(&self.json[..creator]);
        serde_json::to_writer(&mut *out, shown.name(ticket.creator_id))?;
        out.extend_from_slice(&self.json[creator..assignee]);
        serde_json::to_writer(&mut *out, &ticket.assigned_agent_id.map(|id| shown.name(id)))?;
        out.extend_from_slice(&self.json[assignee..comments]);
        serde_json::to_writer(&mut *out, &ticket.comment_count(shown.notes))?;
        out.extend_from_slice(&self.json[comments..sla]);
        serde_json::to_writer(&mut *out, &ticket.sla(shown.now))?;
        out.extend_from_slice(&self.json[sla..]);
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

/// A state of a ticket as a store gives it. Whoever keeps it keeps its JSON, too.
pub struct StoredTicket {
    ticket: Ticket,
    parts: OnceLock<Parts>,
}

impl fmt::Debug for StoredTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ticket.fmt(f)
    }
}

impl PartialEq for StoredTicket {
    fn eq(&self, other: &Self) -> bool {
        self.ticket == other.ticket
    }
}

impl From<Ticket> for StoredTicket {
    fn from(ticket: Ticket) -> Self {
        Self { ticket, parts: OnceLock::new() }
    }
}

impl Deref for StoredTicket {
    type Target = Ticket;

    fn deref(&self) -> &Ticket {
        &self.ticket
    }
}

impl StoredTicket {
    /// Memory that it takes at most, roughly: with its JSON, whether that has been written or not.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() - size_of::<Ticket>() + self.ticket.bytes() + self.usual_json()
    }

    /// What the JSON takes, in bytes, unless much of its texts has to be escaped.
    fn usual_json(&self) -> usize {
        let texts = self.title.len() + self.description.len();
        1_024 + texts + texts / 8
    }

    /// Adds its JSON to `out`, as [`TicketView`](super::model::TicketView) would be written.
    ///
    /// # Errors
    /// A bug: everything in a ticket can be written.
    pub fn put(&self, out: &mut Vec<u8>, shown: &Shown<'_>) -> serde_json::Result<()> {
        if let Some(parts) = self.parts.get() {
            return parts.fill(out, shown, self);
        }
        let parts = Parts::of(self)?;
        parts.fill(out, shown, self)?;
        // What is longer than it was weighed is not kept. Whoever came first has kept the same.
        if parts.json.len() <= self.usual_json() {
            let _ = self.parts.set(parts);
        }
        Ok(())
    }

    /// Its JSON.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn json(&self, shown: &Shown<'_>) -> serde_json::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(self.usual_json());
        self.put(&mut out, shown)?;
        Ok(out)
    }
}

/// The JSON of a list of tickets.
///
/// # Errors
/// As [`StoredTicket::put`].
pub fn json_list(tickets: &[Arc<StoredTicket>], shown: &Shown<'_>) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(2 + tickets.iter().map(|ticket| ticket.usual_json() + 1).sum::<usize>());
    out.push(b'[');
    for (at, ticket) in tickets.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        ticket.put(&mut out, shown)?;
    }
    out.push(b']');
    Ok(out)
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
    fn tickets() -> Vec<Arc<StoredTicket>> {
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
        [full, bare].into_iter().map(|ticket| Arc::new(ticket.into())).collect()
    }

    fn views(tickets: &[Arc<StoredTicket>], shown: &Shown<'_>) -> Vec<TicketView> {
        tickets.iter().map(|ticket| ticket.view(shown.notes, shown.now, |id| shown.name(id).to_owned())).collect()
    }

    #[test]
    fn what_is_written_is_the_view_for_everybody_at_any_time_first_and_again() {
        let (tickets, names) = (tickets(), names());
        for (notes, now) in [(true, at(0)), (false, at(0)), (true, at(100))] {
            let shown = Shown { notes, now, names: &names };
            let expected = views(&tickets, &shown);
            for _ in 0..2 {
                assert_eq!(String::from_utf8(json_list(&tickets, &shown).unwrap()).unwrap(), serde_json::to_string(&expected).unwrap());
            }
            let alone = String::from_utf8(tickets[0].json(&shown).unwrap()).unwrap();
            assert_eq!(alone, serde_json::to_string(&expected[0]).unwrap());
        }
        assert_eq!(json_list(&[], &Shown { notes: true, now: at(0), names: &names }).unwrap(), b"[]");
    }

    #[test]
    fn json_that_takes_more_than_was_weighed_is_not_kept() {
        let names = names();
        let shown = Shown { notes: true, now: at(100), names: &names };
        let with = |description: String| StoredTicket::from(Ticket { description, ..Ticket::clone(&tickets()[0]) });
        let (plain, escaped) = (with("x".repeat(20_000)), with("\u{1}".repeat(20_000)));
        for (ticket, kept) in [(&plain, true), (&escaped, false)] {
            let json = ticket.json(&shown).unwrap();
            assert_eq!(serde_json::from_slice::<TicketView>(&json).unwrap().description, ticket.description);
            assert_eq!(ticket.parts.get().is_some(), kept);
            assert!(ticket.bytes() > ticket.parts.get().map_or(0, |parts| parts.json.len()) + ticket.description.len());
        }
    }
}
