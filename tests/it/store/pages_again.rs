//! Pages of lists that were read before, of which a store may remember the tickets: they show what has changed since.

use std::collections::HashMap;

use taquilla::{
    store::{Changes, IdKind, Record, Row, Store, Tickets},
    tickets::{
        model::{Comment, Status, Ticket},
        query::{Scope, Sort, SortBy, TicketQuery},
        search::Words,
    },
    types::Page,
};

use super::{ask::ids, build::*, site::Site};
use crate::support::postgres::Database;

on_every_store!(
    a_page_that_is_read_again_shows_what_has_changed,
    a_page_that_is_read_again_has_the_right_length,
    a_page_that_is_found_by_a_comment_follows_it,
    a_page_that_is_read_again_shows_what_was_taken_in,
);

fn queries() -> Vec<TicketQuery> {
    let all = || TicketQuery::all(Scope::All);
    vec![
        all(),
        TicketQuery { sort: Sort { by: SortBy::UpdatedAt, descending: true }, ..all() },
        TicketQuery { status: vec![Status::Open], ..all() },
        TicketQuery { words: Words::parse("printer"), ..all() },
        TicketQuery { tags: vec!["x".into()], ..all() },
        TicketQuery { deleted: true, ..all() },
    ]
}

/// Every first page has the tickets that belong there, as they are stored.
async fn check(store: &dyn Store, tickets: &[Ticket], limit: usize, when: &str) {
    let mut now = Vec::new();
    for ticket in tickets {
        now.push(stored(store, ticket.id).await);
    }
    for query in queries() {
        let mut expected: Vec<&Ticket> = now.iter().filter(|ticket| query.matches(ticket, &[])).collect();
        expected.sort_by(|a, b| query.sort.cmp(query.sort.key(a), query.sort.key(b)));
        // The second time it has been read before in any case.
        for _ in 0..2 {
            let page = store.tickets(&query, Page { after: None, limit }).await.unwrap();
            let found: Vec<&Ticket> = page.rows.iter().map(|ticket| &**ticket).collect();
            assert_eq!(found, expected[..limit.min(expected.len())], "{when}: {query:?}");
            assert_eq!(page.next.is_some(), expected.len() > limit, "{when}: {query:?}");
        }
    }
}

/// What can happen to tickets, one after another, with what it is.
fn changes(tickets: &[Ticket]) -> Vec<(&'static str, Changes)> {
    let id = |n: usize| tickets[n].id.0;
    let public = comment(id(1), 900, "printer");
    let internal = note(id(2), 901, "nothing");
    vec![
        ("another title", Changes::new().update(changed(&tickets[0], |ticket| ticket.title = "Printer again".into()))),
        ("a comment", commented(&public, tickets[1].version)),
        ("a note", commented(&internal, tickets[2].version)),
        ("closed", Changes::new().update(changed(&tickets[3], |ticket| ticket.status = Status::Closed))),
        ("tagged", Changes::new().update(changed(&tickets[4], |ticket| ticket.tags = vec!["x".into()]))),
        ("deleted", Changes::new().update(changed(&tickets[5], |ticket| ticket.deleted_at = Some(at(99))))),
        ("a comment taken back", Changes::new().update(taken_back(&public)).add(counted(&public, -1))),
        ("touched", Changes::new().update(changed(&tickets[6], |ticket| ticket.updated_at = at(500)))),
    ]
}

async fn opened_tickets(store: &dyn Store, count: usize) -> Vec<Ticket> {
    let mut tickets = Vec::new();
    for n in 0..count {
        let tags = if n % 2 == 0 { vec!["x".into()] } else { Vec::new() };
        let ticket = Ticket { title: "printer".into(), tags, ..ticket(store.reserve(IdKind::Ticket).await.unwrap()) };
        commit(store, opened(&ticket)).await;
        tickets.push(stored(store, ticket.id).await);
    }
    tickets
}

async fn a_page_that_is_read_again_shows_what_has_changed(site: Site) {
    let tickets = opened_tickets(&*site, 8).await;
    check(&*site, &tickets, 50, "before").await;
    for (what, changes) in changes(&tickets) {
        commit(&*site, changes).await;
        check(&*site, &tickets, 50, what).await;
    }
}

async fn a_page_that_is_read_again_has_the_right_length(site: Site) {
    let mut tickets = opened_tickets(&*site, 3).await;
    for _ in 0..3 {
        check(&*site, &tickets, 4, "one more").await;
        tickets.extend(opened_tickets(&*site, 1).await);
        check(&*site, &tickets, 4, "one more").await;
    }
    let gone = changed(&tickets[5], |ticket| ticket.deleted_at = Some(at(99)));
    commit(&*site, Changes::new().update(gone)).await;
    check(&*site, &tickets, 4, "one less").await;
}

/// The comment alone is written anew: no counter of its ticket changes.
async fn a_page_that_is_found_by_a_comment_follows_it(site: Site) {
    let tickets = opened_tickets(&*site, 1).await;
    let before = comment(tickets[0].id.0, 900, "alpha");
    commit(&*site, commented(&before, tickets[0].version)).await;
    let words = ["alpha", "beta"].map(|word| TicketQuery { words: Words::parse(word), ..TicketQuery::all(Scope::All) });
    let found = async |query: &TicketQuery| ids(&*site, query, 50).await.len();
    assert_eq!((found(&words[0]).await, found(&words[1]).await), (1, 0));
    commit(&*site, Changes::new().update(Comment { content: "beta".into(), version: 2, ..before })).await;
    assert_eq!((found(&words[0]).await, found(&words[1]).await), (0, 1));
}

async fn a_page_that_is_read_again_shows_what_was_taken_in(site: Site) {
    let all = TicketQuery::all(Scope::All);
    let found = async || ids(&*site, &all, 50).await;
    assert!(found().await.is_empty());
    let row = Row::from(Ticket { version: 1, ..ticket(7) });
    site.take_in(vec![Record::Row(Box::new(row))]).await.unwrap();
    site.settle().await.unwrap();
    assert_eq!(found().await, [7]);
}

#[tokio::test]
async fn what_another_instance_changes_is_shown() {
    let database = Database::new().await;
    let open = async || taquilla::store::postgres::PgStore::open(database.options()).await.expect("the store opens");
    let (store, other) = (open().await, open().await);
    let tickets = opened_tickets(&*other, 8).await;
    check(&*store, &tickets, 50, "before").await;
    for (what, changes) in changes(&tickets) {
        commit(&*other, changes).await;
        check(&*store, &tickets, 50, what).await;
    }
}

/// Where rows were is remembered, and the server gives the place of one that has gone to another one.
#[tokio::test]
async fn tickets_whose_rows_have_changed_places_are_found() {
    let database = Database::new().await;
    let store = taquilla::store::postgres::PgStore::open(database.options()).await.expect("the store opens");
    let mut tickets = opened_tickets(&*store, 40).await;
    check(&*store, &tickets, 50, "before").await;
    let mut connection = database.connect().await;
    for round in 0..3 {
        for ticket in &mut tickets {
            *ticket = changed(ticket, |ticket| ticket.title = format!("printer {round}"));
            commit(&*store, Changes::new().update(ticket.clone())).await;
        }
        sqlx::query("VACUUM taquilla.tickets").execute(&mut connection).await.unwrap();
        tickets.extend(opened_tickets(&*store, 3).await);
        check(&*store, &tickets, 50, "after").await;
    }
}

/// Tickets that an import has written at once differ in their ids alone, and the whole table may be written anew.
#[tokio::test]
async fn a_ticket_whose_place_another_one_of_its_import_has_now_is_shown_as_it_is() {
    let database = Database::new().await;
    let store = taquilla::store::postgres::PgStore::open(database.options()).await.expect("the store opens");
    let mut changes = Changes::new();
    let mut tickets = Vec::new();
    for _ in 0..3 {
        let id = store.reserve(IdKind::Ticket).await.unwrap();
        let imported = Ticket { title: "printer".into(), created_at: at(1), updated_at: at(2), ..ticket(id) };
        tickets.push(imported.clone());
        changes = changes.insert(imported);
    }
    commit(&*store, changes).await;
    let search = TicketQuery { words: Words::parse("printer"), ..TicketQuery::all(Scope::All) };
    let titles = async || {
        let page = store.tickets(&search, Page { after: None, limit: 50 }).await.unwrap();
        page.rows.iter().map(|ticket| (ticket.id, ticket.title.clone())).collect::<HashMap<_, _>>()
    };
    // It is remembered what the first one has found.
    assert_eq!(titles().await, titles().await);
    let later = changed(&tickets[0], |ticket| (ticket.title, ticket.updated_at) = ("printer again".into(), at(3)));
    commit(&*store, Changes::new().update(later)).await;
    let mut connection = database.connect().await;
    sqlx::query("VACUUM FULL taquilla.tickets").execute(&mut connection).await.unwrap();
    let title = |n: usize| if n == 0 { "printer again" } else { "printer" };
    assert_eq!(titles().await, tickets.iter().enumerate().map(|(n, ticket)| (ticket.id, title(n).to_owned())).collect());
}
