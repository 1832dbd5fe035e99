//! Additions: changes that commute with all others, so that many people can write at once.

use taquilla::{
    auth::model::{ApiToken, Session},
    store::{Addition, Changes, Expect, IdKind, RowKey},
    tickets::model::Status,
    types::{Page, TicketId, TokenId, Total},
};

use super::{build::*, site::Site};

on_every_store!(
    sixty_four_comments_at_once_do_not_conflict_and_sum_up,
    a_write_of_a_ticket_keeps_its_counts_and_never_moves_its_time_back,
    use_only_raises_the_time_and_leaves_the_version,
    additions_to_rows_that_are_gone_are_left_out,
    additions_apply_to_rows_of_the_same_commit,
);
async fn sixty_four_comments_at_once_do_not_conflict_and_sum_up(site: Site) {
    let ticket = open_ticket(&*site).await;
    let tasks: Vec<_> = (0..64)
        .map(|i| {
            let store = site.shared();
            tokio::spawn(async move {
                let id = store.reserve(IdKind::Comment).await.unwrap();
                let comment = if i % 4 == 0 { note(ticket.id.0, id, "note") } else { comment(ticket.id.0, id, "comment") };
                store.commit(commented(&comment, 1)).await.map(|_| comment.updated_at)
            })
        })
        .collect();
    let mut latest = ticket.updated_at;
    for (i, task) in tasks.into_iter().enumerate() {
        let touched = task.await.unwrap().unwrap_or_else(|error| panic!("comment {i}: {error}"));
        latest = if i % 4 == 0 { latest } else { latest.max(touched) };
    }
    let after = stored(&*site, ticket.id).await;
    assert_eq!((after.public_comments, after.internal_notes, after.version, after.updated_at), (48, 16, 1, latest));
    for (notes, count) in [(false, 48), (true, 64)] {
        let page = site.comments(ticket.id, notes, Page { after: None, limit: 200 }).await.unwrap();
        assert_eq!((page.rows.len(), page.total), (count, Some(Total::Exact(count))));
        assert_eq!(site.count_entries(ticket.id, notes).await.unwrap(), count + 1);
    }
}

async fn a_write_of_a_ticket_keeps_its_counts_and_never_moves_its_time_back(site: Site) {
    let ticket = open_ticket(&*site).await;
    let add = |public, internal, touched| Addition::Comments { ticket: ticket.id, public, internal, touched_at: touched };
    commit(&*site, Changes::new().add(add(3, 2, Some(at(500))))).await;
    // Decided before the comments came: its counts and its time are out of date.
    commit(&*site, Changes::new().update(changed(&ticket, |t| t.status = Status::Pending))).await;
    let now = stored(&*site, ticket.id).await;
    assert_eq!((now.public_comments, now.internal_notes, now.updated_at, now.version), (3, 2, at(500), 2));
    assert_eq!(now.status, Status::Pending);
    // Counts that a write claims are not believed, whatever it expects.
    let boast = changed(&now, |t| (t.public_comments, t.internal_notes, t.updated_at) = (100, 100, at(600)));
    commit(&*site, Changes::new().overwrite(boast).add(add(-1, 1, Some(at(10))))).await;
    let now = stored(&*site, ticket.id).await;
    assert_eq!((now.public_comments, now.internal_notes, now.updated_at, now.version), (2, 3, at(600), 3));
}

async fn use_only_raises_the_time_and_leaves_the_version(site: Site) {
    let (session, token) = (session(site.id(IdKind::Session).await, 1, 100), token(site.id(IdKind::Token).await, 1));
    commit(&*site, Changes::new().insert(session.clone()).insert(token.clone())).await;
    for (used, shown) in [(20, 20), (10, 20), (20, 20), (30, 30)] {
        commit(&*site, Changes::new().add(Addition::SessionUsed(session.id, at(used))).add(Addition::TokenUsed(token.id, at(used)))).await;
        let now = site.session(session.id).await.unwrap().unwrap();
        assert_eq!(*now, Session { last_used_at: at(shown), ..session.clone() });
        assert_eq!(site.sessions_of(session.user_id).await.unwrap(), [now]);
        let now = site.api_token(&token.hash).await.unwrap().unwrap();
        assert_eq!(*now, ApiToken { last_used_at: Some(at(shown)), ..token.clone() });
        assert_eq!(site.api_tokens_of(token.user_id).await.unwrap(), [now]);
    }
}

async fn additions_to_rows_that_are_gone_are_left_out(site: Site) {
    let session = session(site.id(IdKind::Session).await, 1, 100);
    commit(&*site, Changes::new().insert(session.clone())).await;
    let gone = Changes::new()
        .delete(RowKey::Session(session.id), Expect::Version(1))
        .add(Addition::SessionUsed(session.id, at(5)))
        .add(Addition::TokenUsed(TokenId(5), at(5)))
        .add(Addition::Comments { ticket: TicketId(5), public: 1, internal: 0, touched_at: Some(at(5)) });
    commit(&*site, gone).await;
    commit(&*site, Changes::new().add(Addition::SessionUsed(session.id, at(6)))).await;
    assert_eq!(site.session(session.id).await.unwrap(), None);
    assert_eq!(site.api_token_by_id(TokenId(5)).await.unwrap(), None);
    assert_eq!(site.ticket(TicketId(5)).await.unwrap(), None);
}

async fn additions_apply_to_rows_of_the_same_commit(site: Site) {
    let ticket = ticket(site.id(IdKind::Ticket).await);
    let comment = comment(ticket.id.0, site.id(IdKind::Comment).await, "first");
    let changes = Changes::new().add(counted(&comment, 1)).add(counted(&comment, 1)).insert(ticket.clone()).insert(comment);
    commit(&*site, changes).await;
    assert_eq!(stored(&*site, ticket.id).await.public_comments, 2);
}
