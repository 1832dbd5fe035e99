//! A list of tickets as CSV, written while it is read: page by page, so that a long one takes no room.

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};

use super::{filters::Asked, model::TicketView, ops, query::SortKey};
use crate::{
    app::AppState,
    auth::model::Actor,
    error::AppError,
    types::{Page, Timestamp},
};

/// How many tickets are read at a time.
const PAGE: usize = 200;

const COLUMNS: [&str; 19] = [
    "id",
    "title",
    "status",
    "priority",
    "tags",
    "channel",
    "requester",
    "assignee",
    "created_at",
    "updated_at",
    "first_response_due_at",
    "first_response_at",
    "first_response_sla",
    "resolution_due_at",
    "resolved_at",
    "resolution_sla",
    "closed_at",
    "reopen_count",
    "comment_count",
];

/// The lines of a list, in pieces. The first page is read here, so that a refusal is an answer of its own; what fails
/// later breaks the answer off.
///
/// # Errors
/// Forbidden for lists that `actor` may not ask for; the storage's.
pub async fn begin(app: AppState, actor: Actor, asked: Asked) -> Result<impl Stream<Item = Result<Bytes, AppError>>, AppError> {
    let (first, next) = page(&app, &actor, &asked, None).await?;
    let mut head = lines([COLUMNS.map(str::to_owned).to_vec()])?;
    head.extend(first);
    let rest = stream::try_unfold((app, actor, asked, next), |(app, actor, asked, next)| async move {
        let Some(after) = next else { return Ok(None) };
        let (lines, next) = page(&app, &actor, &asked, Some(after)).await?;
        Ok(Some((Bytes::from(lines), (app, actor, asked, next))))
    });
    Ok(stream::once(async { Ok(Bytes::from(head)) }).chain(rest))
}

async fn page(app: &AppState, actor: &Actor, asked: &Asked, after: Option<SortKey>) -> Result<(Vec<u8>, Option<SortKey>), AppError> {
    let found = ops::list(app, actor, asked, Page { after, limit: PAGE }).await?;
    Ok((lines(found.rows.iter().map(cells))?, found.next))
}

fn lines(rows: impl IntoIterator<Item = Vec<String>>) -> Result<Vec<u8>, AppError> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(AppError::internal)?;
    }
    writer.into_inner().map_err(|error| AppError::internal(error.to_string()))
}

fn cells(ticket: &TicketView) -> Vec<String> {
    let time = |at: Option<Timestamp>| at.map_or_else(String::new, |at| at.to_string());
    vec![
        ticket.id.to_string(),
        defused(&ticket.title),
        ticket.status.name().to_owned(),
        ticket.priority.name().to_owned(),
        defused(&ticket.tags.join(", ")),
        ticket.channel.name().to_owned(),
        defused(&ticket.creator_name),
        defused(ticket.assigned_agent_name.as_deref().unwrap_or_default()),
        time(Some(ticket.created_at)),
        time(Some(ticket.updated_at)),
        time(ticket.first_response_due_at),
        time(ticket.first_response_at),
        ticket.sla.first_response.name().to_owned(),
        time(ticket.resolution_due_at),
        time(ticket.resolved_at),
        ticket.sla.resolution.name().to_owned(),
        time(ticket.closed_at),
        ticket.reopen_count.to_string(),
        ticket.comment_count.to_string(),
    ]
}

/// A text that no spreadsheet takes for a formula.
fn defused(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_formula_is_defused() {
        for (text, cell) in [("=1+1", "'=1+1"), ("+1", "'+1"), ("-1", "'-1"), ("@x", "'@x"), ("\tx", "'\tx"), ("a=1", "a=1"), ("", "")] {
            assert_eq!(defused(text), cell);
        }
    }

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let row = ["a, b", "say \"no\"", "two\nlines", "plain"].map(str::to_owned).to_vec();
        assert_eq!(lines([row]).unwrap(), b"\"a, b\",\"say \"\"no\"\"\",\"two\nlines\",plain\r\n");
    }
}
