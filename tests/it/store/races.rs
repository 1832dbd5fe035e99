//! The planned races: two use cases have decided on the same state before either commits. Whichever comes first, what is
//! stored afterwards could have come from one after the other.

use taquilla::{
    activity::model::Action,
    auth::model::Role,
    store::{Changes, Field, IdKind, RowKey, Store, StoreError},
    tickets::{
        model::{Comment, Status},
        query::{Scope, TicketQuery},
    },
    types::{Page, Seq, UserId},
    users::model::User,
};

use super::{ask::entries, build::*, site::Site};

on_every_store!(
    a_public_comment_and_a_close_cannot_both_pass_on_the_same_state,
    an_assignment_and_a_deactivation_cannot_both_pass_on_the_same_state,
    two_admins_cannot_demote_each_other,
    one_address_goes_to_one_of_many_who_want_it,
    a_freed_address_goes_to_one_of_many_who_want_it,
    one_of_sixty_four_writers_of_one_ticket_wins_each_version,
    accepted_writes_are_the_versions_gained,
    one_of_many_requests_with_the_same_key_is_remembered,
    ids_reserved_at_once_are_all_different,
    a_session_that_ends_while_it_is_used_stays_away,
    a_row_is_never_read_half_old_and_half_new,
    a_list_never_shows_a_row_that_its_filter_excludes,
);

/// How often each race is run.
const ROUNDS: usize = 12;

/// Makes two commits: the first one first, the second one first, or at once, by turns. The outcomes are in the order given.
async fn race(site: &Site, round: usize, first: Changes, second: Changes) -> [Outcome; 2] {
    match round % 3 {
        0 => [site.commit(first).await, site.commit(second).await],
        1 => {
            let second = site.commit(second).await;
            [site.commit(first).await, second]
        }
        _ => at_once(&site.shared(), [first, second]).await.try_into().expect("two outcomes"),
    }
}

/// Where the log tells of this action, if it does.
async fn told(store: &dyn Store, action: Action, after: Seq) -> Option<Seq> {
    let log = entries(store, None, true, false, 50).await.unwrap();
    log.into_iter().find(|entry| entry.action == action && entry.seq > after).map(|entry| entry.seq)
}

/// Of two that exclude each other when `second` comes first: `first` passes and then `second` may, or only `second` passes.
fn excluded([first, second]: &[Outcome; 2]) {
    assert!(second.is_ok(), "{second:?}: nothing stands in its way");
    match (first, second) {
        (Ok(first), Ok(second)) => assert!(first.seq < second.seq, "it passed on a state that was gone"),
        (refused, _) => assert_eq!(*refused, Err(StoreError::Stale)),
    }
}

async fn a_public_comment_and_a_close_cannot_both_pass_on_the_same_state(site: Site) {
    for round in 0..ROUNDS {
        let ticket = open_ticket(&*site).await;
        let begin = *site.durable_seq().borrow();
        let comment = comment(ticket.id.0, site.id(IdKind::Comment).await, "one more thing");
        let closed = changed(&ticket, |t| (t.status, t.closed_at) = (Status::Closed, Some(at(9))));
        let close = Changes::new().update(closed).log(ticket_entry(Action::TicketStatusChanged, ticket.id));
        let outcomes = race(&site, round, commented(&comment, ticket.version), close).await;
        excluded(&outcomes);
        let kept = outcomes[0].is_ok();
        let now = stored(&*site, ticket.id).await;
        assert_eq!((now.status, now.version, now.public_comments), (Status::Closed, 2, i64::from(kept)));
        assert_eq!(site.comment(ticket.id, comment.id).await.unwrap().is_some(), kept);
        let page = site.comments(ticket.id, true, Page { after: None, limit: 9 }).await.unwrap();
        assert_eq!(page.rows.len(), usize::from(kept));
        let written = told(&*site, Action::CommentCreated, begin).await;
        assert_eq!(written.is_some(), kept);
        assert!(written < told(&*site, Action::TicketStatusChanged, begin).await);
    }
}

async fn an_assignment_and_a_deactivation_cannot_both_pass_on_the_same_state(site: Site) {
    for round in 0..ROUNDS {
        let ticket = open_ticket(&*site).await;
        let agent = add_user(&*site, &format!("agent{round}@example.com")).await;
        let assigned = changed(&ticket, |t| (t.status, t.assigned_agent_id) = (Status::InProgress, Some(agent.id)));
        let assign = Changes::new()
            .update(assigned)
            .guard(RowKey::User(agent.id), agent.version)
            .log(ticket_entry(Action::TicketAssigned, ticket.id));
        let gone = User { is_active: false, version: 2, ..agent.clone() };
        let deactivate = Changes::new().update(gone).log(entry(Action::UserDeactivated).about_user(agent.id));
        let outcomes = race(&site, round, assign, deactivate).await;
        excluded(&outcomes);
        let now = stored(&*site, ticket.id).await;
        assert_eq!(now.assigned_agent_id, outcomes[0].is_ok().then_some(agent.id));
        assert_eq!(now.version, 1 + i64::from(outcomes[0].is_ok()));
        assert!(!site.user(agent.id).await.unwrap().unwrap().is_active);
    }
}

async fn two_admins_cannot_demote_each_other(site: Site) {
    for round in 0..ROUNDS {
        let mut admins = Vec::new();
        for name in ["ana", "bea"] {
            let id = site.id(IdKind::User).await;
            admins.push(User { role: Role::Admin, ..user(id, &format!("{name}{round}@example.com")) });
        }
        let ids: Vec<i64> = admins.iter().map(|admin| admin.id.0).collect();
        let made = admins.iter().cloned().fold(Changes::new(), Changes::insert).overwrite(roster(&ids, 1));
        commit(&*site, made).await;
        let before = site.roster().await.unwrap();
        let [demote_ana, demote_bea] = [0, 1].map(|n: usize| {
            let demoted = User { role: Role::Agent, version: 2, ..admins[n].clone() };
            let rest = before.with(&demoted).expect("one is left").expect("it changes");
            Changes::new().update(demoted).update(rest).log(entry(Action::UserUpdated).about_user(UserId(ids[n])))
        });
        let outcomes = race(&site, round, demote_ana, demote_bea).await;
        let passed: Vec<usize> = (0..2).filter(|n| outcomes[*n].is_ok()).collect();
        assert_eq!(passed.len(), 1, "{outcomes:?}");
        assert_eq!(outcomes[1 - passed[0]], Err(StoreError::Stale));
        let after = site.roster().await.unwrap();
        assert_eq!(after, roster(&[ids[1 - passed[0]]], before.version + 1));
        for (n, admin) in admins.iter().enumerate() {
            let role = if n == passed[0] { Role::Agent } else { Role::Admin };
            assert_eq!(site.user(admin.id).await.unwrap().unwrap().role, role);
        }
    }
}

async fn one_address_goes_to_one_of_many_who_want_it(site: Site) {
    for round in 0..ROUNDS {
        let (mut users, mut commits) = (Vec::new(), Vec::new());
        for _ in 0..16 {
            let user = user(site.id(IdKind::User).await, &format!("wanted{round}@example.com"));
            commits.push(Changes::new().insert(user.clone()).log(entry(Action::UserRegistered).about_user(user.id)));
            users.push(user);
        }
        let begin = *site.durable_seq().borrow();
        let outcomes = at_once(&site.shared(), commits).await;
        let winners: Vec<usize> = (0..16).filter(|n| outcomes[*n].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        for (n, user) in users.iter().enumerate() {
            let won = n == winners[0];
            assert!(won || outcomes[n] == Err(StoreError::Duplicate(Field::Email)));
            assert_eq!(site.user(user.id).await.unwrap().is_some(), won);
        }
        assert_eq!(site.user_by_email(&users[0].email).await.unwrap().unwrap().id, users[winners[0]].id);
        assert_eq!(*site.durable_seq().borrow(), begin + 1, "one entry");
    }
}

async fn a_freed_address_goes_to_one_of_many_who_want_it(site: Site) {
    for round in 0..ROUNDS {
        let holder = add_user(&*site, &format!("old{round}@example.com")).await;
        let moved = User { email: format!("new{round}@example.com").parse().unwrap(), version: 2, ..holder.clone() };
        let (mut ids, mut commits) = (vec![holder.id], vec![Changes::new().update(moved)]);
        for _ in 0..8 {
            let user = user(site.id(IdKind::User).await, holder.email.as_str());
            ids.push(user.id);
            commits.push(Changes::new().insert(user));
        }
        if round % 2 == 0 {
            ids.reverse();
            commits.reverse();
        }
        let outcomes = at_once(&site.shared(), commits).await;
        let winners: Vec<UserId> = ids.iter().zip(&outcomes).filter(|(id, o)| o.is_ok() && **id != holder.id).map(|(id, _)| *id).collect();
        assert!(winners.len() <= 1, "{outcomes:?}");
        assert_eq!(site.user_by_email(&holder.email).await.unwrap().map(|user| user.id), winners.first().copied());
        let now = site.user(holder.id).await.unwrap().unwrap();
        assert_eq!(site.user_by_email(&now.email).await.unwrap().unwrap().id, holder.id);
        assert_eq!(now.version, 2, "nothing stood in the holder's way");
    }
}

async fn one_of_sixty_four_writers_of_one_ticket_wins_each_version(site: Site) {
    let mut ticket = open_ticket(&*site).await;
    for version in 2..8 {
        let commits = (0..64).map(|n| {
            let next = changed(&ticket, |t| t.title = format!("by {n}"));
            Changes::new().update(next).log(ticket_entry(Action::TicketUpdated, ticket.id))
        });
        let outcomes = at_once(&site.shared(), commits).await;
        let winners: Vec<usize> = (0..64).filter(|n| outcomes[*n].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        assert!(outcomes.iter().all(|outcome| outcome.is_ok() || *outcome == Err(StoreError::Stale)));
        ticket = stored(&*site, ticket.id).await;
        assert_eq!((ticket.version, ticket.title.as_str()), (version, format!("by {}", winners[0]).as_str()));
        assert_eq!(site.count_entries(ticket.id, true).await.unwrap(), usize::try_from(version).unwrap());
    }
}

async fn accepted_writes_are_the_versions_gained(site: Site) {
    let ticket = open_ticket(&*site).await;
    // Each tries again on the new state a few times, as a use case does; what gives up is not written.
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let (store, id) = (site.shared(), ticket.id);
            tokio::spawn(async move {
                for _ in 0..4 {
                    let now = stored(store.as_ref(), id).await;
                    let next = changed(&now, |t| t.title = format!("{} {n}", t.title));
                    match store.commit(Changes::new().update(next).log(ticket_entry(Action::TicketUpdated, id))).await {
                        Ok(_) => return Some(n),
                        Err(error) => assert_eq!(error, StoreError::Stale),
                    }
                }
                None
            })
        })
        .collect();
    let mut accepted = Vec::new();
    for task in tasks {
        accepted.extend(task.await.unwrap());
    }
    assert!(!accepted.is_empty());
    let now = stored(&*site, ticket.id).await;
    assert_eq!(now.version, 1 + i64::try_from(accepted.len()).unwrap());
    let mut written: Vec<i32> = now.title.split(' ').skip(2).map(|n| n.parse().unwrap()).collect();
    written.sort_unstable();
    assert_eq!(written, accepted, "each accepted change is in the text, and no other");
}

async fn one_of_many_requests_with_the_same_key_is_remembered(site: Site) {
    for round in 0..4 {
        let key = answer_key(1, round);
        let (mut tickets, mut commits) = (Vec::new(), Vec::new());
        for n in 0..16 {
            let ticket = ticket(site.id(IdKind::Ticket).await);
            commits.push(opened(&ticket).insert(answer(key, 0, &n.to_string())));
            tickets.push(ticket.id);
        }
        let outcomes = at_once(&site.shared(), commits).await;
        let winners: Vec<usize> = (0..16).filter(|n| outcomes[*n].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        for (n, ticket) in tickets.into_iter().enumerate() {
            let won = n == winners[0];
            assert!(won || outcomes[n] == Err(StoreError::Duplicate(Field::IdempotencyKey)));
            assert_eq!(site.ticket(ticket).await.unwrap().is_some(), won);
        }
        assert_eq!(site.answer(&key).await.unwrap().unwrap().body, winners[0].to_string().into_bytes());
    }
}

async fn ids_reserved_at_once_are_all_different(site: Site) {
    for kind in IdKind::ALL {
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let store = site.shared();
                tokio::spawn(async move {
                    let mut ids = Vec::new();
                    for _ in 0..40 {
                        ids.push(store.reserve(kind).await.unwrap());
                    }
                    ids
                })
            })
            .collect();
        let mut all = Vec::new();
        for task in tasks {
            let ids = task.await.unwrap();
            assert!(ids.is_sorted(), "{kind:?}: an earlier id was given later");
            all.extend(ids);
        }
        all.sort_unstable();
        assert_eq!(all, (1..=64 * 40).collect::<Vec<_>>(), "{kind:?}");
    }
}

async fn a_session_that_ends_while_it_is_used_stays_away(site: Site) {
    use taquilla::store::{Addition, Expect};
    for round in 0..ROUNDS {
        let session = session(site.id(IdKind::Session).await, 1, 100);
        commit(&*site, Changes::new().insert(session.clone())).await;
        let used = Changes::new().add(Addition::SessionUsed(session.id, at(50)));
        let ended = Changes::new().delete(RowKey::Session(session.id), Expect::Version(1));
        let outcomes = race(&site, round, used, ended).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        assert_eq!(site.session(session.id).await.unwrap(), None);
        assert!(site.sessions_of(session.user_id).await.unwrap().is_empty());
    }
}

/// Long texts are stored in pieces.
async fn a_row_is_never_read_half_old_and_half_new(mut site: Site) {
    let ticket = open_ticket(&*site).await;
    let text =
        |n: i64| char::from(b'a' + u8::try_from(n % 26).unwrap()).to_string().repeat(30_000 + 7_000 * usize::try_from(n % 5).unwrap());
    let comment = add_comment(&*site, &ticket, &text(0), false).await;
    let key = answer_key(1, 1);
    commit(&*site, Changes::new().insert(answer(key, 0, &text(0)))).await;
    // Nothing is cached after this.
    site.reopen().await;
    let writer = {
        let (store, ticket, mut comment) = (site.shared(), ticket.clone(), comment.clone());
        tokio::spawn(async move {
            let mut ticket = ticket;
            for n in 1..60 {
                comment = Comment { content: text(n), version: comment.version + 1, ..comment };
                ticket = changed(&stored(store.as_ref(), ticket.id).await, |t| t.description = text(n));
                let changes = Changes::new().update(comment.clone()).overwrite(answer(key, n, &text(n))).update(ticket.clone());
                commit(store.as_ref(), changes).await;
            }
        })
    };
    let whole = |text: &[u8], what: &str| {
        let first = text[0];
        assert!(text.iter().all(|byte| *byte == first) && text.len().is_multiple_of(1_000), "{what} is of two texts");
    };
    while !writer.is_finished() {
        let read = site.comment(ticket.id, comment.id).await.expect("a readable comment").unwrap();
        whole(read.content.as_bytes(), "a comment");
        let list = site.comments(ticket.id, true, Page { after: None, limit: 5 }).await.expect("readable comments");
        whole(list.rows[0].content.as_bytes(), "a listed comment");
        whole(&site.answer(&key).await.expect("a readable answer").unwrap().body, "an answer");
        let read = stored(&*site, ticket.id).await;
        if read.version > 1 {
            whole(read.description.as_bytes(), "a ticket");
        }
    }
    writer.await.unwrap();
}

async fn a_list_never_shows_a_row_that_its_filter_excludes(mut site: Site) {
    let mut tickets = Vec::new();
    for _ in 0..200 {
        tickets.push(open_ticket(&*site).await);
    }
    // Nothing is cached after this.
    site.reopen().await;
    let writer = {
        let store = site.shared();
        tokio::spawn(async move {
            for ticket in tickets {
                let next = changed(&ticket, |t| (t.status, t.updated_at) = (Status::Closed, at(999)));
                commit(store.as_ref(), Changes::new().update(next)).await;
            }
        })
    };
    let open = TicketQuery { status: vec![Status::Open], ..TicketQuery::all(Scope::All) };
    let late = TicketQuery { updated_after: Some(at(998)), ..TicketQuery::all(Scope::All) };
    while !writer.is_finished() {
        for query in [&open, &late] {
            let page = site.tickets(query, Page { after: None, limit: 200 }).await.unwrap();
            let strange = page.rows.iter().find(|ticket| !query.matches_row(ticket));
            assert_eq!(strange, None, "{query:?}");
        }
    }
    writer.await.unwrap();
}
