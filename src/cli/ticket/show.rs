//! `ticket show`: a ticket with its comments.

use std::fmt::Write;

use serde_json::Value;

use super::{minute, shown};
use crate::{
    cli::{Context, Failure, remote::Desk},
    types::TicketId,
};

pub(super) async fn run(context: &Context, desk: &Desk, id: TicketId) -> Result<(), Failure> {
    let mut ticket = desk.get(&format!("/api/v1/tickets/{id}"), &[]).await?.body;
    let mut comments = Vec::new();
    let mut page = desk.get(&format!("/api/v1/tickets/{id}/comments"), &[("limit", "200".to_owned())]).await?;
    loop {
        let next = page.next();
        if let Value::Array(more) = page.body {
            comments.extend(more);
        }
        match next {
            Some(path) => page = desk.get(&path, &[]).await?,
            None => break,
        }
    }
    ticket["comments"] = comments.into();
    context.out.data(&ticket, || told(&ticket))
}

/// What could steer a terminal is taken out; lines stay lines.
fn clean(text: &str) -> String {
    text.replace("\r\n", "\n").replace(|c: char| c.is_control() && c != '\n' && c != '\t', "\u{fffd}")
}

fn told(ticket: &Value) -> String {
    let field = |name: &str| clean(&shown(&ticket[name])).replace('\n', " ");
    let tags = ticket["tags"].as_array().map(|tags| tags.iter().map(shown).collect::<Vec<_>>().join(", ")).unwrap_or_default();
    let sla = &ticket["sla"];
    let mut text = format!("#{}  {}\n\n", field("id"), field("title"));
    let rows = [
        ("Status", format!("{} since {}", field("status"), minute(&ticket["status_since"]))),
        ("Priority", field("priority")),
        ("Requester", field("creator_name")),
        ("Assignee", field("assigned_agent_name")),
        ("Tags", if tags.is_empty() { "-".to_owned() } else { clean(&tags) }),
        ("Opened", minute(&ticket["created_at"])),
        ("First answer", format!("{}, due {}", shown(&sla["first_response"]), minute(&ticket["first_response_due_at"]))),
        ("Resolution", format!("{}, due {}", shown(&sla["resolution"]), minute(&ticket["resolution_due_at"]))),
    ];
    for (name, value) in rows {
        let _ = writeln!(text, "{name:<14}{value}");
    }
    let _ = writeln!(text, "\n{}", clean(&shown(&ticket["description"])));
    for comment in ticket["comments"].as_array().into_iter().flatten() {
        let kind = if comment["is_internal"] == true { " (internal note)" } else { "" };
        let author = clean(&shown(&comment["author_name"])).replace('\n', " ");
        let _ = writeln!(text, "\n--- {author}, {}{kind}\n{}", minute(&comment["created_at"]), clean(&shown(&comment["content"])));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_ticket_is_told_with_its_comments_and_cannot_steer_a_terminal() {
        let ticket = json!({
            "id": 7, "title": "Broken\u{1b}[2J\nprinter", "status": "open", "status_since": "2026-11-25T08:00:01.5Z", "priority": "high",
            "creator_name": "Ana", "assigned_agent_name": null, "tags": ["a", "b"], "created_at": "2026-11-25T08:00:01.5Z",
            "first_response_due_at": null, "resolution_due_at": null, "sla": { "first_response": "running", "resolution": "none" },
            "description": "Two\r\nlines\u{7}",
            "comments": [{ "author_name": "Eva", "content": "Seen", "is_internal": true, "created_at": "2026-11-25T09:10:00Z" }],
        });
        let text = told(&ticket);
        assert!(text.starts_with("#7  Broken\u{fffd}[2J printer\n"), "{text}");
        for line in ["Status        open since 2026-11-25 08:00", "Assignee      -", "Tags          a, b", "Two\nlines\u{fffd}"] {
            assert!(text.contains(line), "{line:?} is not in {text}");
        }
        assert!(text.ends_with("--- Eva, 2026-11-25 09:10 (internal note)\nSeen\n"), "{text}");
    }
}
