//! What becomes of a ticket of another desk. Pure.

use serde_json::{Value, json};

use crate::{
    activity::model::{Action, Facts, NewEntry, text_value},
    auth::model::{Actor, Role},
    tickets::{
        model::{Channel, Comment, Priority, Status, Ticket, Verdict},
        rules::FirstState,
        sla::SlaTargets,
    },
    types::{TicketId, Timestamp, UserId},
};

/// The longest title, in characters.
const LONGEST_TITLE: usize = 200;
/// The longest text, in characters.
const LONGEST_TEXT: usize = 65_536;

/// A ticket of another desk.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Brought {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) status: Status,
    pub(super) priority: Priority,
    pub(super) tags: Vec<String>,
    pub(super) creator_id: UserId,
    pub(super) assigned_agent_id: Option<UserId>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Option<Timestamp>,
    pub(super) resolved_at: Option<Timestamp>,
    pub(super) closed_at: Option<Timestamp>,
}

/// Title and description as this desk takes them: a title that is too long moves to the top of the description, and an
/// empty description says what the title says. An error names what does not fit.
pub(super) fn texts(title: &str, description: &str) -> Result<(String, String), String> {
    let title = title.replace('\0', "").split_whitespace().collect::<Vec<_>>().join(" ");
    let mut description = description.replace('\0', "");
    if title.is_empty() {
        return Err("title is empty".into());
    }
    let mut short = title.clone();
    if title.chars().count() > LONGEST_TITLE {
        short = title.chars().take(LONGEST_TITLE - 1).chain(['…']).collect();
        description = format!("{title}\n\n{description}");
    }
    if description.trim().is_empty() {
        description = title;
    }
    text(&description).map_err(|why| format!("description {why}"))?;
    Ok((short, description))
}

/// Insists that a text is not too long.
pub(super) fn text(text: &str) -> Result<(), String> {
    let length = text.chars().count();
    if length > LONGEST_TEXT { Err(format!("has {length} characters; at most {LONGEST_TEXT} are possible")) } else { Ok(()) }
}

/// The ticket here, and its entry. It has no service-level clocks: what was promised for it was not promised here.
pub(super) fn ticket(id: TicketId, brought: Brought, targets: SlaTargets, actor: &Actor) -> (Ticket, NewEntry) {
    let Brought { status, created_at, .. } = brought;
    let resolved_at = brought.resolved_at.filter(|_| !status.is_active()).or_else(|| {
        // One that is resolved was so at some time: when it was touched last.
        (status == Status::Resolved).then(|| brought.updated_at.unwrap_or(created_at))
    });
    let closed_at = (status == Status::Closed).then(|| brought.closed_at.or(brought.updated_at).or(resolved_at).unwrap_or(created_at));
    let since = closed_at.or(resolved_at).unwrap_or(created_at);
    let first = FirstState {
        title: brought.title,
        description: brought.description,
        priority: brought.priority,
        tags: brought.tags,
        channel: Channel::Import,
        creator_id: brought.creator_id,
        opened_by_id: brought.creator_id,
        created_at,
    };
    let ticket = Ticket {
        status,
        assigned_agent_id: brought.assigned_agent_id,
        updated_at: brought.updated_at.unwrap_or(since).max(created_at),
        resolved_at,
        first_resolved_at: resolved_at,
        closed_at,
        status_since: since,
        ..Ticket::untouched(id, first, targets, Verdict::None)
    };
    let told = [
        ("title", text_value(&ticket.title)),
        ("description", text_value(&ticket.description)),
        ("status", json!(ticket.status)),
        ("priority", json!(ticket.priority)),
        ("tags", json!(ticket.tags)),
        ("creator_id", json!(ticket.creator_id)),
        ("assigned_agent_id", json!(ticket.assigned_agent_id)),
        ("resolved_at", json!(ticket.resolved_at)),
        ("closed_at", json!(ticket.closed_at)),
    ];
    let entry = NewEntry::new(Action::TicketCreated, actor, created_at).about_ticket(id, Facts::of(&ticket, &ticket));
    let entry = told
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .fold(entry, |entry, (field, value)| entry.changed(field, Value::Null, value));
    (ticket, entry)
}

/// A comment beside its ticket: what it adds there, and its entry.
pub(super) fn comment(comment: &Comment, author: Role, ticket: &mut Ticket, actor: &Actor) -> NewEntry {
    if comment.is_internal {
        ticket.internal_notes += 1;
    } else {
        ticket.public_comments += 1;
        if author.is_staff() && comment.author_id != ticket.creator_id && ticket.first_response_at.is_none() {
            ticket.first_response_at = Some(comment.created_at);
        }
        ticket.updated_at = ticket.updated_at.max(comment.updated_at);
    }
    let facts = Facts { author_role: Some(author), ..Facts::of(ticket, ticket) };
    NewEntry::new(Action::CommentCreated, actor, comment.created_at)
        .about_ticket(ticket.id, facts)
        .about_comment(comment.id, comment.is_internal)
        .changed("content", Value::Null, text_value(&comment.content))
        .changed("is_internal", Value::Null, json!(comment.is_internal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::CommentId;

    fn at(hour: i64) -> Timestamp {
        "2025-01-01T00:00:00Z".parse::<Timestamp>().unwrap().plus_seconds(hour * 3_600)
    }

    fn brought(status: Status) -> Brought {
        Brought {
            title: "t".into(),
            description: "d".into(),
            status,
            priority: Priority::High,
            tags: Vec::new(),
            creator_id: UserId(1),
            assigned_agent_id: None,
            created_at: at(0),
            updated_at: Some(at(5)),
            resolved_at: Some(at(3)),
            closed_at: None,
        }
    }

    fn made(status: Status) -> Ticket {
        ticket(TicketId(7), brought(status), SlaTargets::default(), &Actor::cli()).0
    }

    #[test]
    fn times_fit_the_status() {
        let times = |ticket: Ticket| (ticket.resolved_at, ticket.closed_at, ticket.status_since, ticket.channel);
        assert_eq!(times(made(Status::Open)), (None, None, at(0), Channel::Import));
        assert_eq!(times(made(Status::Resolved)), (Some(at(3)), None, at(3), Channel::Import));
        assert_eq!(times(made(Status::Closed)), (Some(at(3)), Some(at(5)), at(5), Channel::Import));
        let without = Brought { resolved_at: None, ..brought(Status::Resolved) };
        assert_eq!(ticket(TicketId(1), without, SlaTargets::default(), &Actor::cli()).0.resolved_at, Some(at(5)));
        assert_eq!(made(Status::Open).due_at(), None, "nothing is overdue that was never promised here");
    }

    #[test]
    fn the_first_answer_of_staff_is_the_first_response() {
        let mut ticket = made(Status::Open);
        let of = |id, author, hour, is_internal| Comment {
            id: CommentId(id),
            ticket_id: TicketId(7),
            author_id: UserId(author),
            content: "c".into(),
            is_internal,
            created_at: at(hour),
            updated_at: at(hour),
            deleted_at: None,
            version: 1,
        };
        comment(&of(1, 1, 1, false), Role::User, &mut ticket, &Actor::cli());
        comment(&of(2, 2, 2, true), Role::Agent, &mut ticket, &Actor::cli());
        assert_eq!(ticket.first_response_at, None);
        comment(&of(3, 2, 9, false), Role::Agent, &mut ticket, &Actor::cli());
        assert_eq!((ticket.first_response_at, ticket.public_comments, ticket.internal_notes), (Some(at(9)), 2, 1));
        assert_eq!(ticket.updated_at, at(9));
    }

    #[test]
    fn long_titles_lose_nothing() {
        let long = "word ".repeat(60);
        let (title, description) = texts(&long, "more").unwrap();
        assert_eq!(title.chars().count(), 200);
        assert!(description.starts_with(long.trim_end()) && description.ends_with("\n\nmore"));
        assert_eq!(texts(" a\0 \n b ", " ").unwrap(), ("a b".to_owned(), "a b".to_owned()));
        assert!(texts(" ", "x").is_err());
        assert!(texts("x", &"y".repeat(65_537)).unwrap_err().contains("65537"));
    }
}
