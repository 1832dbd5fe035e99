//! Lists of tickets: what they hold, in which order, page by page, and how long they are said to be.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use taquilla::{
    store::{Changes, IdKind, Store},
    tickets::{
        model::{Priority, Status, Ticket},
        query::{Assignee, COUNT_CAP, Scope, Sort, SortKey, TicketQuery},
        search::Words,
    },
    types::{Page, TicketId, Total, UserId},
};

use super::{
    arbitrary::{self, sorts},
    ask::{ids, walk},
    build::*,
    site::Site,
};

on_every_store!(
    every_filter_and_every_order_means_what_the_reference_says,
    pages_of_every_size_make_up_the_list,
    a_page_can_begin_at_any_key_and_in_either_direction,
    combined_filters_mean_what_the_reference_says,
    long_lists_are_read_page_by_page_like_short_ones,
    pages_hold_while_other_rows_are_written,
    totals_are_exact_for_simple_lists_and_counted_up_to_a_thousand_for_others,
    a_total_is_told_for_the_first_page_only,
    deleted_tickets_are_listed_apart,
    a_requesters_lists_hold_own_tickets_only,
);

/// How many tickets the generated set has.
const MANY: usize = 300;

/// Fills a store with arbitrary tickets, always the same ones, and gives them as stored.
async fn fill(store: &dyn Store) -> Vec<Ticket> {
    fill_with(store, MANY).await
}

async fn fill_with(store: &dyn Store, many: usize) -> Vec<Ticket> {
    let mut runner = TestRunner::deterministic();
    let mut tickets = Vec::new();
    for _ in 0..many {
        let arbitrary = arbitrary::ticket().new_tree(&mut runner).expect("a ticket").current();
        tickets.push(Ticket { id: TicketId(store.reserve(IdKind::Ticket).await.unwrap()), ..arbitrary });
    }
    for some in tickets.chunks(50) {
        commit(store, some.iter().cloned().fold(Changes::new(), Changes::insert)).await;
    }
    tickets
}

/// What the list must be, by `matches_row` and `Sort`.
fn expected(tickets: &[Ticket], query: &TicketQuery) -> Vec<i64> {
    let mut found: Vec<&Ticket> = tickets.iter().filter(|ticket| query.matches(ticket, &[])).collect();
    found.sort_by(|a, b| query.sort.cmp(query.sort.key(a), query.sort.key(b)));
    found.into_iter().map(|ticket| ticket.id.0).collect()
}

/// A query for each filter with each of its values, a few for combinations of one filter's values.
pub fn filters() -> Vec<TicketQuery> {
    let all = || TicketQuery::all(Scope::All);
    let mut queries = vec![
        TicketQuery { status: vec![Status::Open, Status::Closed], ..all() },
        TicketQuery { priority: vec![Priority::Critical, Priority::Low], ..all() },
        TicketQuery { tags: vec!["vpn".into(), "néw".into()], ..all() },
        TicketQuery { tags: vec!["vp".into()], ..all() },
        TicketQuery { tags: vec!["vpn".into(), "vpn".into()], status: vec![Status::Open, Status::Open], ..all() },
        TicketQuery { assignee: Some(Assignee::None), ..all() },
        TicketQuery { deleted: true, ..all() },
        TicketQuery { words: Words::parse("printer vp"), ..all() },
    ];
    queries.extend(Status::ALL.map(|status| TicketQuery { status: vec![status], ..all() }));
    queries.extend(Priority::ALL.map(|priority| TicketQuery { priority: vec![priority], ..all() }));
    queries.extend(["billing", "printer", "nobody"].map(|tag| TicketQuery { tags: vec![tag.into()], ..all() }));
    queries.extend([1, 2, 5, 6].map(|id| TicketQuery { assignee: Some(Assignee::Is(UserId(id))), ..all() }));
    queries.extend([1, 3, 6].map(|id| TicketQuery { creator: Some(UserId(id)), ..all() }));
    queries.extend([1, 4, 6].map(|id| TicketQuery::all(Scope::Requester(UserId(id)))));
    for seconds in [-1, 0, 1, 17, 39, 40, 79, 80] {
        let t = at(seconds);
        queries.extend([
            TicketQuery { created_after: Some(t), ..all() },
            TicketQuery { created_before: Some(t), ..all() },
            TicketQuery { updated_after: Some(t), ..all() },
            TicketQuery { updated_before: Some(t), ..all() },
            TicketQuery { overdue_at: Some(t), ..all() },
            TicketQuery { created_after: Some(t), created_before: Some(at(30)), ..all() },
        ]);
    }
    queries
}

async fn every_filter_and_every_order_means_what_the_reference_says(site: Site) {
    let tickets = fill(&*site).await;
    for query in filters() {
        for sort in sorts() {
            let query = TicketQuery { sort, ..query.clone() };
            assert_eq!(ids(&*site, &query, 200).await, expected(&tickets, &query), "{query:?}");
        }
    }
}

async fn combined_filters_mean_what_the_reference_says(site: Site) {
    let tickets = fill(&*site).await;
    let mut runner = TestRunner::deterministic();
    for _ in 0..200 {
        let query = arbitrary::query().new_tree(&mut runner).expect("a query").current();
        let list = expected(&tickets, &query);
        assert_eq!(ids(&*site, &query, 20).await, list, "{query:?}");
        let first = site.tickets(&query, Page { after: None, limit: 1 }).await.unwrap();
        assert_eq!(first.total, Some(Total::Exact(list.len())), "{query:?}");
    }
}

/// A store may read a long list in another way than a short one.
async fn long_lists_are_read_page_by_page_like_short_ones(site: Site) {
    let tickets = fill_with(&*site, 3_000).await;
    let all = || TicketQuery::all(Scope::All);
    let queries = [
        all(),
        TicketQuery { created_after: Some(at(1)), updated_before: Some(at(78)), ..all() },
        TicketQuery { updated_after: Some(at(2)), ..all() },
        TicketQuery { status: Status::ALL[..4].to_vec(), created_before: Some(at(39)), ..all() },
    ];
    // Every order of the whole list, and every third one of the others.
    let ordered = queries.iter().enumerate().flat_map(|(n, query)| {
        let step = if n == 0 { 1 } else { 3 };
        sorts().into_iter().skip(n / 2).step_by(step).map(move |sort| TicketQuery { sort, ..query.clone() })
    });
    for query in ordered {
        let list = expected(&tickets, &query);
        assert!(list.len() > 2_048, "{query:?} gives {}", list.len());
        assert_eq!(ids(&*site, &query, 200).await, list, "{query:?}");
        for place in [0, 5, 1_111, list.len() - 4] {
            let key = query.sort.key(tickets.iter().find(|ticket| ticket.id.0 == list[place]).unwrap());
            assert_eq!(from(&*site, &query, key, 3).await, list[place + 1..place + 4], "{query:?} from {place}");
        }
        let total = if query.counts_exactly() { Total::Exact(list.len()) } else { Total::MoreThan(COUNT_CAP) };
        assert_eq!(site.tickets(&query, Page { after: None, limit: 1 }).await.unwrap().total, Some(total), "{query:?}");
    }
}

async fn pages_of_every_size_make_up_the_list(site: Site) {
    let tickets = fill(&*site).await;
    for sort in sorts() {
        for limit in [1, 2, 7, 50] {
            let query = TicketQuery { sort, ..TicketQuery::all(Scope::All) };
            let pages = walk(limit, |page| site.tickets(&query, page)).await.unwrap();
            let list = expected(&tickets, &query);
            assert!(pages.iter().rev().skip(1).all(|page| page.rows.len() == limit), "{sort:?}: a page before the last one is short");
            assert!(pages.iter().all(|page| !page.rows.is_empty()), "{sort:?}: an empty page");
            let walked: Vec<&Arc<Ticket>> = pages.iter().flat_map(|page| &page.rows).collect();
            assert_eq!(walked.iter().map(|ticket| ticket.id.0).collect::<Vec<_>>(), list, "{sort:?} by {limit}");
            for ticket in walked {
                assert_eq!(Some(ticket.as_ref()), tickets.iter().find(|t| t.id == ticket.id));
            }
        }
    }
}

async fn a_page_can_begin_at_any_key_and_in_either_direction(site: Site) {
    let tickets = fill(&*site).await;
    for Sort { by, .. } in sorts() {
        let [up, down] = [false, true].map(|descending| TicketQuery { sort: Sort { by, descending }, ..TicketQuery::all(Scope::All) });
        let list = expected(&tickets, &up);
        for place in [0, 1, 100, list.len() - 1] {
            let here = tickets.iter().find(|ticket| ticket.id.0 == list[place]).unwrap();
            let key = up.sort.key(here);
            let page = |query| {
                let site = &site;
                async move { from(&**site, query, key, 200).await }
            };
            assert_eq!(page(&up).await, list[place + 1..list.len().min(place + 201)], "{by:?} upwards from {place}");
            let before: Vec<i64> = list[..place].iter().rev().copied().take(200).collect();
            assert_eq!(page(&down).await, before, "{by:?} downwards from {place}");
            // A key between rows: the row that it was made for is gone from the list.
            let between = SortKey { id: TicketId(key.id.0 - 1), ..key };
            assert_eq!(from(&*site, &up, between, 1).await, expected_after(&tickets, &up, between), "{by:?} after {between:?}");
            assert_eq!(from(&*site, &down, between, 1).await, expected_after(&tickets, &down, between), "{by:?} after {between:?}");
        }
    }
}

async fn from(store: &dyn Store, query: &TicketQuery, key: SortKey, limit: usize) -> Vec<i64> {
    let page = store.tickets(query, Page { after: Some(key), limit }).await.unwrap();
    page.rows.iter().map(|ticket| ticket.id.0).collect()
}

/// The first row after a key.
fn expected_after(tickets: &[Ticket], query: &TicketQuery, key: SortKey) -> Vec<i64> {
    let follows = |id: &i64| tickets.iter().any(|t| t.id.0 == *id && query.sort.cmp(query.sort.key(t), key).is_gt());
    expected(tickets, query).into_iter().find(follows).into_iter().collect()
}

async fn pages_hold_while_other_rows_are_written(site: Site) {
    let mut tickets = fill(&*site).await;
    tickets.retain(|ticket| ticket.deleted_at.is_none());
    // Every third one is changed all the time, the others stay as they are.
    let (moving, still): (Vec<Ticket>, Vec<Ticket>) = tickets.into_iter().partition(|ticket| ticket.id.0 % 3 == 0);
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4_usize)
        .map(|n| {
            let (store, done) = (site.shared(), done.clone());
            let mine: Vec<Ticket> = moving.iter().skip(n).step_by(4).cloned().collect();
            tokio::spawn(async move {
                let mut round = 0_i64;
                while !done.load(Ordering::SeqCst) {
                    round += 1;
                    for ticket in &mine {
                        let priority = Priority::ALL[usize::try_from(round % 4).unwrap()];
                        let deleted_at = (round % 3 == 0).then_some(at(1));
                        let next = Ticket { priority, deleted_at, updated_at: at(100 + round), ..ticket.clone() };
                        commit(store.as_ref(), Changes::new().overwrite(next)).await;
                    }
                    if round <= 20 {
                        let id = store.reserve(IdKind::Ticket).await.unwrap();
                        commit(store.as_ref(), Changes::new().insert(Ticket { created_at: at(20), ..ticket(id) })).await;
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for sort in sorts() {
        let query = TicketQuery { sort, ..TicketQuery::all(Scope::All) };
        let walked = ids(&*site, &query, 7).await;
        let unmoved: Vec<i64> = walked.into_iter().filter(|id| still.iter().any(|ticket| ticket.id.0 == *id)).collect();
        assert_eq!(unmoved, expected(&still, &query), "{sort:?}");
    }
    done.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
}

async fn totals_are_exact_for_simple_lists_and_counted_up_to_a_thousand_for_others(site: Site) {
    let add = async |n: usize| {
        let mut changes = Changes::new();
        for _ in 0..n {
            let id = site.id(IdKind::Ticket).await;
            changes = changes.insert(Ticket { assigned_agent_id: Some(UserId(2)), tags: vec!["vpn".into()], ..ticket(id) });
        }
        commit(&*site, changes).await;
    };
    let total = async |query: &TicketQuery| site.tickets(query, Page { after: None, limit: 1 }).await.unwrap().total.expect("a total");
    let all = || TicketQuery::all(Scope::All);
    let simple = [
        all(),
        TicketQuery { status: vec![Status::Open, Status::Closed], ..all() },
        TicketQuery { priority: vec![Priority::Medium], ..all() },
        TicketQuery { assignee: Some(Assignee::Is(UserId(2))), ..all() },
        TicketQuery { creator: Some(UserId(1)), ..all() },
        TicketQuery::all(Scope::Requester(UserId(1))),
    ];
    let others = [
        TicketQuery { status: vec![Status::Open], priority: vec![Priority::Medium], ..all() },
        TicketQuery { tags: vec!["vpn".into()], ..all() },
        TicketQuery { words: Words::parse("tick"), ..all() },
        TicketQuery { words: Words::parse("special"), ..TicketQuery::all(Scope::Requester(UserId(1))) },
        TicketQuery { created_after: Some(at(-1)), ..all() },
        TicketQuery { updated_before: Some(at(9_999)), ..all() },
    ];
    for (more, count) in [(COUNT_CAP - 1, 999), (1, 1_000), (1, 1_001), (99, 1_100)] {
        add(more).await;
        for query in &simple {
            assert_eq!(total(query).await, Total::Exact(count), "{query:?}");
        }
        let capped = if count > COUNT_CAP { Total::MoreThan(COUNT_CAP) } else { Total::Exact(count) };
        for query in &others {
            assert_eq!(total(query).await, capped, "{query:?}");
        }
    }
    assert_eq!(total(&TicketQuery { status: vec![Status::Closed], ..all() }).await, Total::Exact(0));
    assert_eq!(total(&TicketQuery { words: Words::parse("nowhere"), ..all() }).await, Total::Exact(0));
}

async fn a_total_is_told_for_the_first_page_only(site: Site) {
    fill(&*site).await;
    let query = TicketQuery::all(Scope::All);
    let pages = walk(50, |page| site.tickets(&query, page)).await.unwrap();
    assert!(pages.len() > 2);
    assert!(pages[0].total.is_some());
    assert!(pages[1..].iter().all(|page| page.total.is_none()));
    assert!(pages.last().unwrap().next.is_none());
}

async fn deleted_tickets_are_listed_apart(site: Site) {
    let ticket = open_ticket(&*site).await;
    let (live, deleted) = (TicketQuery::all(Scope::All), TicketQuery { deleted: true, ..TicketQuery::all(Scope::All) });
    let put_away = changed(&ticket, |t| t.deleted_at = Some(at(9)));
    commit(&*site, Changes::new().update(put_away.clone())).await;
    assert_eq!((ids(&*site, &live, 9).await, ids(&*site, &deleted, 9).await), (vec![], vec![ticket.id.0]));
    assert_eq!(stored(&*site, ticket.id).await, put_away, "it can still be read by its id");
    commit(&*site, Changes::new().update(changed(&put_away, |t| t.deleted_at = None))).await;
    assert_eq!((ids(&*site, &live, 9).await, ids(&*site, &deleted, 9).await), (vec![ticket.id.0], vec![]));
}

async fn a_requesters_lists_hold_own_tickets_only(site: Site) {
    let tickets = fill(&*site).await;
    for (user, other) in [(1, 2), (3, 3)] {
        let scope = Scope::Requester(UserId(user));
        let theirs = TicketQuery { creator: Some(UserId(other)), ..TicketQuery::all(scope) };
        let list = ids(&*site, &theirs, 50).await;
        assert_eq!(list, expected(&tickets, &theirs));
        assert_eq!(list.is_empty(), user != other);
    }
}
