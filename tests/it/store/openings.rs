//! Tickets that are opened at the same time, which a store may write together: each is there once, with its own entries at the
//! place that it was told, and whoever may not is refused alone.

use taquilla::{
    activity::model::Action,
    store::{Changes, Field, IdKind, RowKey, StoreError},
    tickets::{
        model::Ticket,
        query::{Scope, TicketQuery},
    },
    types::{Page, TicketId, Total},
};

use super::{
    ask::{entries, ids},
    build::*,
    site::Site,
};

on_every_store!(
    tickets_opened_at_once_are_all_there,
    whoever_may_not_open_a_ticket_is_refused_alone,
    an_id_that_is_taken_is_refused_alone,
    one_of_many_who_want_the_same_id_gets_it,
    one_of_many_openings_with_the_same_key_is_written,
    more_text_than_goes_together_is_written,
);

/// More than go together.
const MANY: usize = 300;

async fn new_ids(site: &Site, count: usize) -> Vec<i64> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(site.id(IdKind::Ticket).await);
    }
    ids
}

async fn total(site: &Site) -> Option<Total> {
    site.tickets(&TicketQuery::all(Scope::All), Page { after: None, limit: 1 }).await.unwrap().total
}

async fn tickets_opened_at_once_are_all_there(site: Site) {
    let made: Vec<_> = new_ids(&site, MANY).await.into_iter().map(ticket).collect();
    // Some with two entries, some with none.
    let changes = made.iter().enumerate().map(|(n, ticket)| match n % 3 {
        0 => opened(ticket).log(ticket_entry(Action::TicketAssigned, ticket.id)),
        1 => opened(ticket),
        _ => Changes::new().insert(ticket.clone()),
    });
    let outcomes = at_once(&site.shared(), changes).await;
    let log = entries(&*site, None, true, false, 50).await.unwrap();
    assert_eq!(log.len(), MANY, "a hundred times two, one and none");
    for (n, (ticket, outcome)) in made.iter().zip(&outcomes).enumerate() {
        assert_eq!(stored(&*site, ticket.id).await, *ticket);
        let own: Vec<_> = log.iter().filter(|entry| entry.ticket_id == Some(ticket.id)).map(|entry| entry.seq).collect();
        let last = outcome.as_ref().unwrap().seq;
        match n % 3 {
            0 => assert_eq!(own, [last - 1, last]),
            1 => assert_eq!(own, [last]),
            _ => assert_eq!(own, [0; 0]),
        }
    }
    assert_eq!(total(&site).await, Some(Total::Exact(MANY)));
    assert_eq!(site.ticket_stats().await.unwrap().total(), i64::try_from(MANY).unwrap());
}

async fn whoever_may_not_open_a_ticket_is_refused_alone(site: Site) {
    let ana = add_user(&*site, "ana@example.com").await;
    let made: Vec<_> = new_ids(&site, 60).await.into_iter().map(ticket).collect();
    let changes = made.iter().enumerate().map(|(n, ticket)| match n % 4 {
        0 => opened(ticket).guard(RowKey::User(ana.id), ana.version + 1),
        1 => opened(ticket).guard(RowKey::User(ana.id), ana.version),
        _ => opened(ticket),
    });
    let outcomes = at_once(&site.shared(), changes).await;
    for (n, (ticket, outcome)) in made.iter().zip(outcomes).enumerate() {
        if n % 4 == 0 {
            assert_eq!(outcome, Err(StoreError::Stale));
        } else {
            assert!(outcome.is_ok(), "{outcome:?}");
        }
        assert_eq!(site.ticket(ticket.id).await.unwrap().is_some(), n % 4 != 0);
    }
}

async fn an_id_that_is_taken_is_refused_alone(site: Site) {
    let first = open_ticket(&*site).await;
    let fresh = new_ids(&site, 40).await;
    let wanted: Vec<i64> = fresh.iter().copied().chain([first.id.0]).collect();
    let outcomes = at_once(&site.shared(), wanted.iter().map(|id| opened(&ticket(*id)))).await;
    assert_eq!(outcomes[40], Err(StoreError::Duplicate(Field::Id)));
    assert!(outcomes[..40].iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(total(&site).await, Some(Total::Exact(41)));
}

async fn one_of_many_who_want_the_same_id_gets_it(site: Site) {
    let id = site.id(IdKind::Ticket).await;
    let wanted: Vec<_> = (0..20).map(|n| Ticket { title: format!("number {n}"), ..ticket(id) }).collect();
    let outcomes = at_once(&site.shared(), wanted.iter().map(opened)).await;
    let won: Vec<usize> = outcomes.iter().enumerate().filter(|(_, outcome)| outcome.is_ok()).map(|(n, _)| n).collect();
    assert_eq!(won.len(), 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| outcome.is_ok() || *outcome == Err(StoreError::Duplicate(Field::Id))), "{outcomes:?}");
    assert_eq!(stored(&*site, TicketId(id)).await.title, format!("number {}", won[0]));
    assert_eq!(ids(&*site, &TicketQuery::all(Scope::All), 50).await, [id]);
}

async fn one_of_many_openings_with_the_same_key_is_written(site: Site) {
    let made: Vec<_> = new_ids(&site, 40).await.into_iter().map(ticket).collect();
    // Half of them are one request that was sent again and again, the others have keys of their own.
    let key = |n: i64| answer_key(1, if n % 2 == 0 { 0 } else { n });
    let changes = made.iter().zip(0..).map(|(ticket, n)| opened(ticket).insert(answer(key(n), 0, &format!("answer {n}"))));
    let outcomes = at_once(&site.shared(), changes).await;
    let won: Vec<i64> = outcomes.iter().zip(0..).filter(|(outcome, n)| n % 2 == 0 && outcome.is_ok()).map(|(_, n)| n).collect();
    assert_eq!(won.len(), 1, "{outcomes:?}");
    assert_eq!(site.answer(&key(0)).await.unwrap().unwrap().body, format!("answer {}", won[0]).into_bytes());
    for ((ticket, outcome), n) in made.iter().zip(outcomes).zip(0..) {
        let written = n % 2 == 1 || n == won[0];
        assert_eq!(outcome.map(drop), if written { Ok(()) } else { Err(StoreError::Duplicate(Field::IdempotencyKey)) });
        assert_eq!(site.ticket(ticket.id).await.unwrap().is_some(), written);
        assert!(site.answer(&key(n)).await.unwrap().is_some());
    }
    assert_eq!(total(&site).await, Some(Total::Exact(21)));
}

async fn more_text_than_goes_together_is_written(site: Site) {
    let long = |id| Ticket { description: "word ".repeat(13_000), ..ticket(id) };
    let made: Vec<_> = new_ids(&site, 40).await.into_iter().map(long).collect();
    let outcomes = at_once(&site.shared(), made.iter().map(opened)).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    for ticket in &made {
        assert_eq!(stored(&*site, ticket.id).await, *ticket);
    }
}
