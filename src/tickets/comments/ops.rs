//! What people do with comments. Every write guards the ticket, so that none slips past its closing or deletion; it does
//! not raise the ticket's version, so that many can comment at once.

use crate::{
    app::App,
    auth::model::Actor,
    error::AppError,
    reply::{Once, Reply},
    store::{Addition, Changes, IdKind, RowKey},
    tickets::{
        filters::Render,
        inputs::NewComment,
        markdown,
        model::{Comment, CommentView, Ticket},
        ops::ticket,
    },
    types::{CommentId, Expected, Page, Slice, TicketId, Timestamp},
};

/// A page of the comments that `actor` may see, oldest first.
///
/// # Errors
/// Not found when they may not see the ticket.
pub async fn list(app: &App, actor: &Actor, id: TicketId, page: Page<CommentId>) -> Result<Slice<CommentView, CommentId>, AppError> {
    ticket(app, actor, id).await?;
    let found = app.store.comments(id, actor.role.is_staff(), page).await?;
    let mut authors: Vec<_> = found.rows.iter().map(|comment| comment.author_id).collect();
    authors.sort_unstable();
    authors.dedup();
    let names = app.store.names(&authors).await?;
    let rows = found.rows.iter().map(|comment| comment.view(names.get(&comment.author_id).cloned().unwrap_or_default())).collect();
    Ok(Slice { rows, next: found.next, total: found.total })
}

/// Adds the texts as HTML, when that was asked for.
///
/// # Errors
/// A bug in the renderer.
pub async fn rendered(mut views: Vec<CommentView>, render: Option<Render>) -> Result<Vec<CommentView>, AppError> {
    if render.is_none() {
        return Ok(views);
    }
    let work = tokio::task::spawn_blocking(move || {
        for view in &mut views {
            view.content_html = Some(markdown::to_html(&view.content));
        }
        views
    });
    work.await.map_err(AppError::internal)
}

/// A comment as the API shows it.
///
/// # Errors
/// The storage's.
pub async fn view(app: &App, comment: &Comment) -> Result<CommentView, AppError> {
    let mut names = app.store.names(&[comment.author_id]).await?;
    Ok(comment.view(names.remove(&comment.author_id).unwrap_or_default()))
}

/// The answer that shows a comment, with its tag.
async fn shown(app: &App, comment: &Comment) -> Result<Reply, AppError> {
    Ok(Reply::ok(Some(comment.etag()), &view(app, comment).await?))
}

/// A comment that `actor` may see, found through its ticket.
///
/// # Errors
/// Not found.
pub async fn one(app: &App, actor: &Actor, ticket_id: TicketId, id: CommentId) -> Result<Comment, AppError> {
    ticket(app, actor, ticket_id).await?;
    comment(app, actor, ticket_id, id).await
}

/// The same, of a ticket that is known to be visible.
async fn comment(app: &App, actor: &Actor, ticket: TicketId, id: CommentId) -> Result<Comment, AppError> {
    let comment = app.store.comment(ticket, id).await?.ok_or_else(AppError::not_found)?;
    comment.visible_to(actor)?;
    Ok(comment)
}

/// Writes a comment, with what it does to its ticket.
///
/// # Errors
/// Not found, forbidden, or conflict on a closed ticket.
pub async fn create(app: &App, actor: &Actor, id: TicketId, new: &NewComment, once: Once) -> Result<Reply, AppError> {
    app.decide(|| async {
        let ticket = ticket(app, actor, id).await?;
        ticket.may_get(actor, new)?;
        let comment_id = CommentId(app.store.reserve(IdKind::Comment).await?);
        let now = app.now();
        let written = ticket.comment(comment_id, new.clone(), actor, now)?;
        let reply = Reply::created(
            format!("/api/v1/tickets/{id}/comments/{comment_id}"),
            Some(written.comment.etag()),
            &written.comment.view(actor.name.to_string()),
        );
        let counted = counted(&written.comment, 1, now);
        let changes = Changes::new().insert(written.comment).add(counted).log(written.entry);
        let changes = match written.moved {
            Some((moved, entry)) => changes.update(moved).log(entry),
            None => guarded(changes, &ticket),
        };
        Ok((once.remember(changes, &reply, now), reply))
    })
    .await
}

/// Changes a comment's text. As for tickets, the answer is read before the commit.
///
/// # Errors
/// Not found, forbidden, stale, or conflict on a closed ticket.
pub async fn edit(
    app: &App,
    actor: &Actor,
    (ticket_id, id): (TicketId, CommentId),
    content: &str,
    expected: &Expected,
) -> Result<Reply, AppError> {
    app.decide(|| async {
        let ticket = ticket(app, actor, ticket_id).await?;
        let comment = comment(app, actor, ticket_id, id).await?;
        comment.may_change(actor)?;
        expected.check(comment.version)?;
        let now = app.now();
        let Some((next, entry)) = comment.edit(content, actor, &ticket, now) else {
            return Ok((Changes::new(), shown(app, &comment).await?));
        };
        ticket.open_for_comments(comment.is_internal)?;
        let reply = shown(app, &next).await?;
        let counted = counted(&next, 0, now);
        Ok((guarded(Changes::new().update(next).add(counted).log(entry), &ticket), reply))
    })
    .await
}

/// Deletes a comment.
///
/// # Errors
/// Not found, forbidden, stale, or conflict on a closed ticket.
pub async fn delete(app: &App, actor: &Actor, ticket_id: TicketId, id: CommentId, expected: &Expected) -> Result<(), AppError> {
    app.decide(|| async {
        let ticket = ticket(app, actor, ticket_id).await?;
        let comment = comment(app, actor, ticket_id, id).await?;
        comment.may_change(actor)?;
        expected.check(comment.version)?;
        ticket.open_for_comments(comment.is_internal)?;
        let now = app.now();
        let (next, entry) = comment.delete(actor, &ticket, now);
        let counted = counted(&next, -1, now);
        Ok((guarded(Changes::new().update(next).add(counted).log(entry), &ticket), ()))
    })
    .await
}

/// What one comment more, one less or a changed one does to the counts of its ticket. Internal notes leave no public trace.
fn counted(comment: &Comment, by: i64, now: Timestamp) -> Addition {
    let (public, internal) = if comment.is_internal { (0, by) } else { (by, 0) };
    Addition::Comments { ticket: comment.ticket_id, public, internal, touched_at: (!comment.is_internal).then_some(now) }
}

/// Insists that the ticket still is what was judged.
fn guarded(changes: Changes, ticket: &Ticket) -> Changes {
    changes.guard(RowKey::Ticket(ticket.id), ticket.version)
}
