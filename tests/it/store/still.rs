//! Which lists are as they were after something has changed. What a store says of it decides whether a page is given again that was made before.

use taquilla::{
    activity::model::Action,
    store::{Changes, IdKind, Store},
    tickets::{
        model::{Comment, Priority, Status, Ticket, Verdict},
        query::{Assignee, Scope, Sort, SortBy, TicketQuery},
        search::Words,
    },
    types::{Page, TicketId, UserId},
    users::model::User,
};

use super::{build::*, site::Site};

on_store!(
    on_sled,
    sled,
    a_list_that_has_changed_is_told_to_be_another,
    a_comment_leaves_alone_what_does_not_show_it,
    what_is_no_ticket_leaves_lists_alone,
    an_answer_leaves_alone_what_shows_neither_it_nor_what_is_due
);
on_store!(
    on_postgres,
    quiet,
    a_list_that_has_changed_is_told_to_be_another,
    a_comment_leaves_alone_what_does_not_show_it,
    what_is_no_ticket_leaves_lists_alone,
    an_answer_leaves_alone_what_shows_neither_it_nor_what_is_due
);

fn searched(words: &str) -> TicketQuery {
    TicketQuery { words: Words::parse(words), ..TicketQuery::all(Scope::All) }
}

fn sorted(by: SortBy) -> TicketQuery {
    TicketQuery { sort: Sort { by, descending: true }, ..TicketQuery::all(Scope::All) }
}

fn queries() -> Vec<TicketQuery> {
    let all = || TicketQuery::all(Scope::All);
    vec![
        all(),
        sorted(SortBy::UpdatedAt),
        sorted(SortBy::DueAt),
        sorted(SortBy::Priority),
        TicketQuery { updated_after: Some(at(50)), ..all() },
        TicketQuery { status: vec![Status::Open], ..all() },
        TicketQuery { tags: vec!["x".into()], ..all() },
        TicketQuery { assignee: Some(Assignee::Is(UserId(2))), ..all() },
        TicketQuery { creator: Some(UserId(1)), ..all() },
        TicketQuery { overdue_at: Some(at(20_003)), ..all() },
        TicketQuery { deleted: true, ..all() },
        searched("ticket"),
        searched("printer"),
        searched("ticket pri"),
        TicketQuery { scope: Scope::Requester(UserId(1)), ..searched("printer") },
    ]
}

/// What can happen, one after another.
async fn changes(store: &dyn Store, tickets: &[Ticket], someone: &User) -> Vec<(&'static str, Changes)> {
    let [public, internal, answer] = [(0, 900), (1, 901), (7, 902)].map(|(n, id)| comment(tickets[n].id.0, id, "a printer"));
    let internal = Comment { is_internal: true, ..internal };
    let edited = Comment { content: "other words".into(), version: 2, ..public.clone() };
    let put = |ticket: Ticket| {
        let entry = ticket_entry(Action::TicketUpdated, ticket.id);
        Changes::new().update(ticket).log(entry)
    };
    let updated = |n: usize, change: fn(&mut Ticket)| put(changed(&tickets[n], change));
    let deleted = changed(&tickets[5], |ticket| ticket.deleted_at = Some(at(99)));
    let answered = changed(&tickets[7], |ticket| (ticket.first_response, ticket.first_response_at) = (Verdict::Met, Some(at(80))));
    let answered = put(answered).insert(answer.clone()).add(counted(&answer, 1)).log(comment_entry(Action::CommentCreated, &answer));
    let renamed = User { full_name: "Nora L.".into(), version: someone.version + 1, ..someone.clone() };
    vec![
        ("a comment", commented(&Comment { updated_at: at(100), ..public.clone() }, tickets[0].version)),
        ("a note", commented(&internal, tickets[1].version)),
        ("other words", Changes::new().update(edited.clone()).log(comment_entry(Action::CommentUpdated, &edited))),
        (
            "taken back",
            Changes::new().update(taken_back(&internal)).add(counted(&internal, -1)).log(comment_entry(Action::CommentDeleted, &internal)),
        ),
        ("closed", updated(2, |ticket| ticket.status = Status::Closed)),
        ("tagged", updated(3, |ticket| ticket.tags = vec!["x".into()])),
        ("critical", updated(4, |ticket| ticket.priority = Priority::Critical)),
        ("deleted", put(deleted.clone())),
        ("restored", put(changed(&deleted, |ticket| ticket.deleted_at = None))),
        ("another title", updated(6, |ticket| ticket.title = "Printer".into())),
        ("answered", answered),
        ("touched", updated(8, |ticket| ticket.updated_at = at(500))),
        ("another agent", updated(9, |ticket| ticket.assigned_agent_id = Some(UserId(3)))),
        ("another description", updated(10, |ticket| ticket.description = "A printer.".into())),
        ("another requester", updated(11, |ticket| ticket.creator_id = UserId(2))),
        ("another time", updated(12, |ticket| ticket.created_at = at(-5))),
        ("another due", updated(13, |ticket| ticket.resolution_due_at = Some(at(1)))),
        ("opened", opened(&ticket(store.reserve(IdKind::Ticket).await.unwrap()))),
        ("renamed", Changes::new().update(renamed).log(entry(Action::UserUpdated))),
    ]
}

/// What a list is by its definition, and the names that may be shown with it.
async fn truth(store: &dyn Store, ids: &[TicketId], query: &TicketQuery, someone: &User) -> (Vec<Ticket>, String) {
    let mut found = Vec::new();
    for id in ids {
        let Some(ticket) = store.ticket(*id).await.unwrap() else { continue };
        let comments = store.comments(*id, true, Page { after: None, limit: 50 }).await.unwrap().rows;
        if query.matches(&ticket, &comments) {
            found.push((*ticket).clone());
        }
    }
    found.sort_by(|a, b| query.sort.cmp(query.sort.key(a), query.sort.key(b)));
    (found, store.user(someone.id).await.unwrap().unwrap().full_name.clone())
}

async fn a_list_that_has_changed_is_told_to_be_another(site: Site) {
    let (store, other) = (site.shared(), site.anew().await);
    let someone = add_user(&*store, "nora@example.com").await;
    let mut tickets = Vec::new();
    for n in 0..14 {
        let id = store.reserve(IdKind::Ticket).await.unwrap();
        let (first_response, first_response_due_at) =
            if n % 2 == 1 { (Verdict::Running, Some(at(10_000 - n))) } else { (Verdict::None, None) };
        let ticket = Ticket {
            title: "ticket".into(),
            assigned_agent_id: Some(UserId(2)),
            first_response,
            first_response_due_at,
            resolution: Verdict::Running,
            resolution_due_at: Some(at(20_000 + n)),
            ..ticket(id)
        };
        commit(&*store, opened(&ticket)).await;
        tickets.push(stored(&*store, ticket.id).await);
    }
    let mut ids: Vec<TicketId> = tickets.iter().map(|ticket| ticket.id).collect();
    ids.push(TicketId(ids.last().unwrap().0 + 1));
    let (mut kept, mut renewed) = (0, 0);
    for (what, changes) in changes(&*store, &tickets, &someone).await {
        let mut before = Vec::new();
        let state = seen(&site, &*other).await;
        let was = site.anew().await;
        for query in queries() {
            before.push((truth(&*was, &ids, &query, &someone).await, query));
        }
        commit(&*store, changes).await;
        let is = site.anew().await;
        for (before, query) in before {
            let shown: Vec<TicketId> = before.0.iter().map(|ticket| ticket.id).collect();
            let now = truth(&*is, &ids, &query, &someone).await;
            let still = store.is_still(state, &query, &shown).await.unwrap();
            assert!(now == before || !still, "{what}: {query:?} was {before:?}, and is {now:?}");
            if still { kept += 1 } else { renewed += 1 }
        }
    }
    assert!(kept > 0 && renewed > 0, "{kept} are as they were, {renewed} are not");
}

/// The present state, after the store has looked whether there is a later one; nothing is under way that would be one more.
async fn seen(site: &Site, other: &dyn Store) -> u64 {
    site.rest(other).await;
    let known = site.lists_state().await.unwrap();
    site.is_still(known, &TicketQuery::all(Scope::All), &[]).await.unwrap();
    site.lists_state().await.unwrap()
}

async fn a_comment_leaves_alone_what_does_not_show_it(site: Site) {
    let (store, other) = (site.shared(), site.anew().await);
    let (one, two) = (open_ticket(&*store).await, open_ticket(&*store).await);
    let written = comment(one.id.0, store.reserve(IdKind::Comment).await.unwrap(), "printer");
    let state = seen(&site, &*other).await;
    commit(&*store, commented(&written, one.version)).await;
    for (query, shown, still) in [
        (TicketQuery::all(Scope::All), vec![two.id], true),
        (TicketQuery::all(Scope::All), vec![two.id, one.id], false),
        (sorted(SortBy::Priority), vec![two.id], true),
        (sorted(SortBy::DueAt), vec![two.id], true),
        (sorted(SortBy::UpdatedAt), vec![two.id], false),
        (TicketQuery { updated_before: Some(at(50)), ..TicketQuery::all(Scope::All) }, vec![two.id], false),
        (searched("ticket"), vec![two.id], true),
        (searched("printers"), vec![], true),
        (searched("ticket pri"), vec![two.id], false),
        (searched("printer ticket"), vec![two.id], false),
    ] {
        assert_eq!(store.is_still(state, &query, &shown).await.unwrap(), still, "{query:?} with {shown:?}");
    }
}

async fn what_is_no_ticket_leaves_lists_alone(site: Site) {
    let (store, other) = (site.shared(), site.anew().await);
    let one = open_ticket(&*store).await;
    let state = seen(&site, &*other).await;
    commit(&*store, Changes::new().insert(session(9_000, 1, 90))).await;
    for query in queries() {
        assert!(store.is_still(state, &query, &[one.id]).await.unwrap(), "{query:?}");
    }
}

/// An agent's first comment changes more of its ticket than the number of comments: it is answered, and something else is due.
async fn an_answer_leaves_alone_what_shows_neither_it_nor_what_is_due(site: Site) {
    let another = site.anew().await;
    let id = site.reserve(IdKind::Ticket).await.unwrap();
    let one = Ticket { first_response: Verdict::Running, first_response_due_at: Some(at(90)), ..ticket(id) };
    commit(&*site, opened(&one)).await;
    let other = open_ticket(&*site).await;
    let state = seen(&site, &*another).await;
    let answered = changed(&one, |ticket| (ticket.first_response_at, ticket.first_response) = (Some(at(80)), Verdict::Met));
    commit(&*site, Changes::new().update(answered).log(ticket_entry(Action::TicketUpdated, one.id))).await;
    for (query, shown, still) in [
        (TicketQuery::all(Scope::All), other.id, true),
        (TicketQuery::all(Scope::All), one.id, false),
        (sorted(SortBy::DueAt), other.id, false),
        (sorted(SortBy::UpdatedAt), other.id, false),
        (searched("ticket"), other.id, true),
    ] {
        assert_eq!(site.is_still(state, &query, &[shown]).await.unwrap(), still, "{query:?} with {shown:?}");
    }
}
