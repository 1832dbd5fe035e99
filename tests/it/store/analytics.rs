//! Counters and backlog: what every commit moves, what they show, and that reading them does not depend on how many tickets
//! there are.

use std::collections::BTreeSet;

use taquilla::{
    activity::model::Action,
    analytics::figures::{Amount, Key, Kind, Span, Work, bucket, day, hour},
    store::{
        Changes, IdKind, Store,
        sled::{Options, fsck},
    },
    tickets::model::{Priority, Status, Ticket, Verdict},
    types::{TicketId, UserId},
    users::model::User,
};

use super::{build::*, site::Site};

on_every_store!(
    a_ticket_is_counted_where_it_stands,
    a_changed_ticket_leaves_where_it_was_counted,
    a_deleted_ticket_counts_for_nothing_until_it_is_restored,
    spans_are_read_in_order_and_merged_ones_are_added_up,
    the_backlog_is_exact_within_its_hours,
    reading_does_not_grow_with_the_number_of_tickets,
    counters_survive_stops_and_crashes,
);
// On PostgreSQL whatever is written on the same server may be news.
on_store!(revision_on_model, model, the_revision_is_another_one_after_whatever_counters_or_names_show);
on_store!(revision_on_sled, sled, the_revision_is_another_one_after_whatever_counters_or_names_show);
on_store!(revision_on_quiet_postgres, quiet, the_revision_is_another_one_after_whatever_counters_or_names_show);

const HOUR: i64 = 3_600;

async fn counters(store: &dyn Store, kind: Kind) -> Vec<(i32, i64, i64, i64)> {
    let read = store.counters(&[Span::all(kind)]).await.unwrap();
    read.into_iter().map(|(key, amount)| (key.at, key.of, amount.tickets, amount.micros)).collect()
}

/// Every counter, zeros left out.
async fn all(store: &dyn Store) -> Vec<(Key, Amount)> {
    store.counters(&Kind::ALL.map(Span::all)).await.unwrap()
}

/// A ticket of agent 3 that was answered after one hour and resolved after three, the latter too late.
fn resolved(id: i64) -> Ticket {
    Ticket {
        status: Status::Resolved,
        priority: Priority::High,
        assigned_agent_id: Some(UserId(3)),
        created_at: at(0),
        first_response_at: Some(at(HOUR)),
        first_response: Verdict::Met,
        first_response_decided_at: Some(at(HOUR)),
        resolved_at: Some(at(3 * HOUR)),
        resolution: Verdict::Breached,
        resolution_decided_at: Some(at(3 * HOUR)),
        ..ticket(id)
    }
}

async fn put(store: &dyn Store, ticket: impl Fn(i64) -> Ticket) -> Ticket {
    let ticket = ticket(store.reserve(IdKind::Ticket).await.unwrap());
    commit(store, opened(&ticket)).await;
    ticket
}

async fn change(store: &dyn Store, ticket: &Ticket, change: impl FnOnce(&mut Ticket)) -> Ticket {
    let next = changed(ticket, change);
    commit(store, Changes::new().update(next.clone()).log(ticket_entry(Action::TicketUpdated, next.id))).await;
    next
}

async fn a_ticket_is_counted_where_it_stands(site: Site) {
    put(&*site, resolved).await;
    put(&*site, |id| Ticket { created_at: at(0), ..ticket(id) }).await;
    let (today, one, three) = (day(at(0)), HOUR * 1_000_000, 3 * HOUR * 1_000_000);
    let count = async |kind| counters(&*site, kind).await;
    let (open, resolved) = (Status::Open as i32, Status::Resolved as i32);
    assert_eq!(count(Kind::Tickets).await, [(open, Priority::Medium as i64, 1, 0), (resolved, Priority::High as i64, 1, 0)]);
    assert_eq!(count(Kind::Work).await, [(Work::Active as i32, 0, 1, 0), (Work::Resolved as i32, 3, 1, 0)]);
    assert_eq!(count(Kind::Created).await, [(today, 0, 2, 0)]);
    assert_eq!(count(Kind::Resolved).await, [(today, 3, 1, three)]);
    assert_eq!(count(Kind::ResolutionTime).await, [(today, bucket(three), 1, three)]);
    assert_eq!(count(Kind::Answered).await, [(today, 3, 1, one)]);
    assert_eq!(count(Kind::FirstResponseTime).await, [(today, bucket(one), 1, one)]);
    assert_eq!(count(Kind::FirstResponseVerdict).await, [(today, 1, 1, 0)]);
    assert_eq!(count(Kind::ResolutionVerdict).await, [(today, 0, 1, 0)]);
    assert_eq!(count(Kind::ActiveByCreated).await, [(hour(at(0)), 0, 1, 0)]);
    assert_eq!(count(Kind::ActiveByDue).await, []);
    let stats = site.ticket_stats().await.unwrap();
    assert_eq!((stats.total(), stats.count(Status::Resolved, Priority::High), stats.with_priority(Priority::Medium)), (2, 1, 1));
}

async fn a_changed_ticket_leaves_where_it_was_counted(site: Site) {
    let resolved = put(&*site, resolved).await;
    let reopened = change(&*site, &resolved, |t| (t.status, t.resolved_at) = (Status::InProgress, None)).await;
    assert_eq!(counters(&*site, Kind::Resolved).await, []);
    assert_eq!(counters(&*site, Kind::ResolutionTime).await, []);
    assert_eq!(counters(&*site, Kind::Work).await, [(Work::Active as i32, 3, 1, 0)]);
    let moved = change(&*site, &reopened, |t| (t.assigned_agent_id, t.priority) = (Some(UserId(4)), Priority::Low)).await;
    assert_eq!(counters(&*site, Kind::Work).await, [(Work::Active as i32, 4, 1, 0)]);
    assert_eq!(counters(&*site, Kind::Tickets).await, [(Status::InProgress as i32, Priority::Low as i64, 1, 0)]);
    assert_eq!(counters(&*site, Kind::Answered).await, [(day(at(0)), 4, 1, HOUR * 1_000_000)], "what it was answered with goes along");
    change(&*site, &moved, |t| (t.status, t.closed_at) = (Status::Closed, Some(at(9)))).await;
    assert_eq!(counters(&*site, Kind::Work).await, [(Work::Closed as i32, 4, 1, 0)]);
    assert_eq!(counters(&*site, Kind::ActiveByCreated).await, []);
}

async fn a_deleted_ticket_counts_for_nothing_until_it_is_restored(site: Site) {
    let ticket = put(&*site, resolved).await;
    let before = all(&*site).await;
    assert!(before.len() >= 9);
    let deleted = change(&*site, &ticket, |t| t.deleted_at = Some(at(4 * HOUR))).await;
    assert_eq!(all(&*site).await, []);
    add_comment(&*site, &deleted, "a word", false).await;
    assert_eq!(all(&*site).await, []);
    let now = stored(&*site, ticket.id).await;
    change(&*site, &now, |t| t.deleted_at = None).await;
    assert_eq!(all(&*site).await, before);
}

async fn spans_are_read_in_order_and_merged_ones_are_added_up(site: Site) {
    let day_of = |n: i64| at(n * 24 * HOUR);
    for (n, agent) in [(2, 5), (0, 5), (0, 4), (1, 5), (0, 9_999_999_999), (2, 9_999_999_999)] {
        put(&*site, |id| Ticket {
            created_at: day_of(n),
            resolved_at: Some(day_of(n) + jiff::SignedDuration::from_hours(1 + n)),
            assigned_agent_id: Some(UserId(agent)),
            ..resolved(id)
        })
        .await;
    }
    let (first, hours) = (day(at(0)), |n: i64| n * HOUR * 1_000_000);
    let key = |at, of| Key { kind: Kind::Resolved, at, of };
    let amount = |tickets, micros| Amount { tickets, micros };
    let read = site.counters(&[Span::each(Kind::Resolved, first, first + 1), Span::merged(Kind::Resolved, first - 9, first + 9)]).await;
    let expected = [
        (key(first, 4), amount(1, hours(1))),
        (key(first, 5), amount(1, hours(1))),
        (key(first, 9_999_999_999), amount(1, hours(1))),
        (key(first + 1, 5), amount(1, hours(2))),
        (key(first - 9, 4), amount(1, hours(1))),
        (key(first - 9, 5), amount(3, hours(6))),
        (key(first - 9, 9_999_999_999), amount(2, hours(4))),
    ];
    assert_eq!(read.unwrap(), expected);
    assert_eq!(site.counters(&[Span::each(Kind::Resolved, first + 1, first)]).await.unwrap(), [], "an empty span");
    assert_eq!(site.counters(&[]).await.unwrap(), []);
}

async fn the_backlog_is_exact_within_its_hours(site: Site) {
    let due = |seconds: i64| {
        move |id: i64| Ticket {
            created_at: at(seconds - 600),
            first_response: Verdict::Running,
            first_response_due_at: Some(at(seconds)),
            ..ticket(id)
        }
    };
    for seconds in [-2 * HOUR, 10, 20, 21, 2 * HOUR] {
        put(&*site, due(seconds)).await;
    }
    put(&*site, |id| Ticket { deleted_at: Some(at(1)), ..due(15)(id) }).await;
    put(&*site, |id| Ticket { status: Status::Closed, ..due(15)(id) }).await;
    let overdue = async |seconds| site.backlog(at(seconds), &[]).await.unwrap().overdue;
    assert_eq!([overdue(10).await, overdue(11).await, overdue(20).await, overdue(21).await, overdue(22).await], [1, 2, 2, 3, 4]);
    assert_eq!([overdue(2 * HOUR).await, overdue(2 * HOUR + 1).await, overdue(-3 * HOUR).await], [4, 5, 0]);
    let backlog = site.backlog(at(0), &[at(-581), at(-580), at(-579), at(9 * HOUR), at(-9 * HOUR)]).await.unwrap();
    assert_eq!(backlog.opened_by, [2, 3, 4, 5, 0]);
    assert_eq!(backlog.oldest, Some(at(-2 * HOUR - 600)));
    let empty = site.fresh().await.backlog(at(0), &[at(0)]).await.unwrap();
    assert_eq!((empty.overdue, empty.opened_by, empty.oldest), (0, vec![0], None));
}

async fn reading_does_not_grow_with_the_number_of_tickets(site: Site) {
    let one_of_each = async |store: &dyn Store| {
        let mut changes = Changes::new();
        for n in 0..40 {
            let id = store.reserve(IdKind::Ticket).await.unwrap();
            let agent = Some(UserId(n % 4 + 1));
            let (created_at, resolved_at) = (at(n % 5 * 24 * HOUR), Some(at(n % 5 * 24 * HOUR + 3 * HOUR)));
            changes = changes.insert(Ticket { id: TicketId(id), assigned_agent_id: agent, created_at, resolved_at, ..resolved(id) });
        }
        commit(store, changes).await;
    };
    one_of_each(&*site).await;
    let few = all(&*site).await;
    for _ in 0..24 {
        one_of_each(&*site).await;
    }
    let many = all(&*site).await;
    assert_eq!(many.len(), few.len(), "the same counters hold 25 times as many tickets");
    assert!(few.iter().zip(&many).all(|(few, many)| few.0 == many.0 && few.1.tickets * 25 == many.1.tickets));
}

async fn counters_survive_stops_and_crashes(mut site: Site) {
    for n in 0..30 {
        put(&*site, |id| Ticket { created_at: at(n * HOUR), assigned_agent_id: Some(UserId(n % 3 + 1)), ..resolved(id) }).await;
    }
    site.reopen().await;
    let ticket = stored(&*site, TicketId(7)).await;
    let reopened = change(&*site, &ticket, |t| (t.status, t.resolved_at) = (Status::Open, None)).await;
    // Also what the log does not tell.
    commit(&*site, Changes::new().update(changed(&stored(&*site, TicketId(8)).await, |t| t.assigned_agent_id = None))).await;
    put(&*site, resolved).await;
    let before = all(&*site).await;
    site.crash().await;
    assert_eq!(all(&*site).await, before);
    change(&*site, &reopened, |t| t.deleted_at = Some(at(1))).await;
    let before = all(&*site).await;
    site.crash().await;
    assert_eq!(all(&*site).await, before);
    site.reopen().await;
    assert_eq!(all(&*site).await, before);
}

/// A checkpoint that is whole but counts wrongly is noticed and mended.
#[tokio::test]
async fn fsck_compares_the_saved_counters_with_the_rows() {
    let site = Site::sled().await;
    put(&*site, |id| Ticket { status: Status::Pending, priority: Priority::Critical, ..ticket(id) }).await;
    site.close().await.unwrap();
    let options = Options { dir: site.folder().unwrap().join("data"), cache_mib: 16 };
    let place = site.let_go().await;
    assert_eq!(fsck(&options, false).unwrap().problems, Vec::<String>::new());
    let file = options.dir.join("projection");
    let mut bytes = std::fs::read(&file).unwrap();
    // The counter of pending, critical tickets: its name, then how many there are.
    let name = [&[Kind::Tickets.code()][..], &(Status::Pending as i32).to_le_bytes(), &(Priority::Critical as i64).to_le_bytes()].concat();
    let found = bytes.windows(name.len() + 1).position(|window| window[..name.len()] == name && window[name.len()] == 1).unwrap();
    bytes[found + name.len()] = 2;
    let end = bytes.len() - 4;
    let sum = crc32fast::hash(&bytes[..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&sum);
    std::fs::write(&file, bytes).unwrap();
    let wrong = ["the counters that analytics are read from are not what the rows say"];
    assert_eq!(fsck(&options, true).unwrap().problems, wrong);
    assert_eq!(fsck(&options, false).unwrap().problems, Vec::<String>::new(), "it was mended");
    drop(place);
}

async fn the_revision_is_another_one_after_whatever_counters_or_names_show(site: Site) {
    let mut seen = Vec::new();
    let mut at_rest = async || {
        let revision = site.revision().await.unwrap().expect("nothing is under way");
        assert_eq!(site.revision().await.unwrap(), Some(revision), "it stays while nothing happens");
        assert!(!seen.contains(&revision), "{revision} was there before: {seen:?}");
        seen.push(revision);
    };
    at_rest().await;
    let opened = put(&*site, ticket).await;
    at_rest().await;
    change(&*site, &opened, |ticket| ticket.priority = Priority::Critical).await;
    at_rest().await;
    let nora = user(site.reserve(IdKind::User).await.unwrap(), "nora@example.com");
    commit(&*site, Changes::new().insert(nora.clone()).log(entry(Action::UserCreated))).await;
    at_rest().await;
    let renamed = User { full_name: "Nora L.".into(), version: nora.version + 1, ..nora };
    commit(&*site, Changes::new().update(renamed).log(entry(Action::UserUpdated))).await;
    at_rest().await;
}

/// What the embedded store makes anew is another state, also where the log ends at the same entry.
#[tokio::test]
async fn the_revision_is_another_one_when_the_embedded_store_is_opened_or_settled() {
    let mut site = Site::sled().await;
    put(&*site, ticket).await;
    let mut seen = BTreeSet::from([site.revision().await.unwrap().unwrap()]);
    for _ in 0..2 {
        site.settle().await.unwrap();
        assert!(seen.insert(site.revision().await.unwrap().unwrap()), "{seen:?}");
        site.reopen().await;
        assert!(seen.insert(site.revision().await.unwrap().unwrap()), "{seen:?}");
    }
}
