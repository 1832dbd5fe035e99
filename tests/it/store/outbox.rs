//! The log as outbox: every follower sees every entry once and in order, and none that a power cut could take back.

use std::collections::HashMap;

use taquilla::{
    activity::model::{Action, Entry, NewEntry},
    store::{Changes, EntryQuery, From, Store},
    types::{Seq, TicketId, UserId},
};
use tokio::time::{Duration, timeout};

use super::{ask::entries, build::*, site::Site};

on_every_store!(
    followers_miss_nothing_and_see_nothing_twice_under_sixty_four_writers,
    entries_are_numbered_without_holes_and_kept_as_written,
    a_commit_answers_with_the_logs_end,
    the_durable_end_is_told_and_signalled,
    a_tickets_own_log_shows_an_entry_at_once,
    the_log_is_read_forwards_and_backwards,
    entries_of_internal_notes_are_for_staff,
    a_readers_place_is_kept_and_never_moves_back,
    a_refused_commit_leaves_no_hole,
);

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Writers at once, and commits of each.
const WRITERS: i64 = 64;
const COMMITS: i64 = 12;

fn stretch(from: From, limit: usize) -> EntryQuery {
    EntryQuery { ticket: None, internal: true, from, limit }
}

/// An entry that tells which commit it is of, and which of its entries.
fn told(writer: i64, commit: i64, nth: i64, ticket: Option<TicketId>) -> NewEntry {
    let entry = ticket.map_or_else(|| entry(Action::UserUpdated), |id| ticket_entry(Action::TicketUpdated, id));
    entry.about_user(UserId(writer)).changed("n", commit.into(), nth.into())
}

/// Reads the log as a follower does, until it has seen `last`: waits for the signal, then takes what is there.
async fn follow(store: &dyn Store, last: Seq, limit: usize) -> Vec<Entry> {
    let mut durable = store.durable_seq();
    let mut seen: Vec<Entry> = Vec::new();
    loop {
        let after = seen.last().map_or(0, |entry| entry.seq);
        let more = store.entries(&stretch(From::After(after), limit)).await.unwrap();
        assert!(more.len() <= limit);
        // The end only ever grows, so what was read lies below it now as well.
        let end = *durable.borrow_and_update();
        assert!(more.iter().all(|entry| entry.seq <= end), "an entry beyond the durable end {end}");
        let done = more.is_empty();
        seen.extend(more);
        if seen.last().is_some_and(|entry| entry.seq >= last) {
            return seen;
        }
        if done && *store.durable_seq().borrow() == after {
            durable.changed().await.unwrap();
        }
    }
}

async fn followers_miss_nothing_and_see_nothing_twice_under_sixty_four_writers(site: Site) {
    let mut tickets = Vec::new();
    for _ in 0..4 {
        tickets.push(open_ticket(&*site).await.id);
    }
    let begin = *site.durable_seq().borrow();
    let total = begin + (0..WRITERS).flat_map(|w| (0..COMMITS).map(move |c| 1 + (w + c) % 3)).sum::<i64>();
    let followers: Vec<_> = [1, 7, 500]
        .map(|limit| {
            let store = site.shared();
            tokio::spawn(async move { timeout(PATIENCE, follow(store.as_ref(), total, limit)).await.expect("the log goes on") })
        })
        .into();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, ticket) = (site.shared(), tickets[usize::try_from(writer % 4).unwrap()]);
            tokio::spawn(async move {
                let mut ends = Vec::new();
                for n in 0..COMMITS {
                    let mut changes = Changes::new().overwrite(cursor(&format!("writer {writer}"), n, 1));
                    for nth in 0..=(writer + n) % 3 {
                        changes = changes.log(told(writer, n, nth, (nth == 0).then_some(ticket)));
                    }
                    ends.push(((writer, n), commit(store.as_ref(), changes).await));
                }
                ends
            })
        })
        .collect();
    let mut ends = HashMap::new();
    for writer in writers {
        ends.extend(writer.await.unwrap());
    }
    let mut logs = Vec::new();
    for follower in followers {
        logs.push(follower.await.unwrap());
    }
    let log = &logs[0];
    assert!(logs.iter().all(|other| other == log), "followers have seen different logs");
    assert_eq!(log.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=total).collect::<Vec<_>>(), "in order, each once");
    // Each commit's entries stand together, in the order given, and end where the commit said.
    for ((writer, n), end) in ends {
        let first = end - (writer + n) % 3;
        for (nth, seq) in (first..=end).enumerate() {
            let (entry, nth) = (&log[usize::try_from(seq - 1).unwrap()], i64::try_from(nth).unwrap());
            let ticket = (nth == 0).then(|| tickets[usize::try_from(writer % 4).unwrap()]);
            assert_eq!(*entry, Entry::at_seq(seq, told(writer, n, nth, ticket)));
        }
    }
    for ticket in tickets {
        let own: Vec<Entry> = log.iter().filter(|entry| entry.ticket_id == Some(ticket)).cloned().collect();
        assert_eq!(entries(&*site, Some(ticket), true, false, 50).await.unwrap(), own);
        assert_eq!(site.count_entries(ticket, true).await.unwrap(), own.len());
    }
}

async fn entries_are_numbered_without_holes_and_kept_as_written(mut site: Site) {
    let mut written = Vec::new();
    for n in 0..20 {
        let mut changes = Changes::new();
        for nth in 0..n % 4 {
            let new = told(n, n, nth, (n % 2 == 0).then_some(TicketId(n + 1)));
            written.push(Entry::at_seq(i64::try_from(written.len()).unwrap() + 1, new.clone()));
            changes = changes.log(new);
        }
        commit(&*site, changes).await;
    }
    assert_eq!(entries(&*site, None, true, false, 50).await.unwrap(), written);
    site.reopen().await;
    assert_eq!(entries(&*site, None, true, false, 50).await.unwrap(), written);
    let next = commit(&*site, Changes::new().log(entry(Action::SettingsUpdated))).await;
    assert_eq!(next, i64::try_from(written.len()).unwrap() + 1, "the log goes on where it ended");
}

async fn a_commit_answers_with_the_logs_end(site: Site) {
    let logged = |n: usize| (0..n).fold(Changes::new(), |changes, _| changes.log(entry(Action::SettingsUpdated)));
    assert_eq!(commit(&*site, logged(3)).await, 3);
    assert_eq!(commit(&*site, Changes::new().overwrite(settings("Desk", 1))).await, 3);
    assert_eq!(commit(&*site, logged(1)).await, 4);
}

async fn the_durable_end_is_told_and_signalled(site: Site) {
    let mut durable = site.durable_seq();
    assert_eq!(*durable.borrow_and_update(), 0);
    for expected in 1..=5 {
        let seq = commit(&*site, Changes::new().log(entry(Action::SettingsUpdated))).await;
        assert_eq!(seq, expected);
        timeout(PATIENCE, durable.changed()).await.expect("a signal").unwrap();
        assert_eq!(*durable.borrow_and_update(), expected, "what is answered is durable");
        assert_eq!(*site.durable_seq().borrow(), expected);
        assert_eq!(site.entries(&stretch(From::After(expected - 1), 5)).await.unwrap().len(), 1);
    }
}

async fn a_tickets_own_log_shows_an_entry_at_once(site: Site) {
    let ticket = open_ticket(&*site).await;
    for n in 1..=10 {
        let seq = commit(&*site, Changes::new().log(told(1, n, 0, Some(ticket.id)))).await;
        let own = entries(&*site, Some(ticket.id), false, true, 1).await.unwrap();
        assert_eq!((own.len(), own[0].seq), (usize::try_from(n).unwrap() + 1, seq));
    }
}

async fn the_log_is_read_forwards_and_backwards(site: Site) {
    let (one, other) = (open_ticket(&*site).await.id, open_ticket(&*site).await.id);
    for n in 0..20 {
        commit(&*site, Changes::new().log(told(1, n, 0, [Some(one), Some(other), None][usize::try_from(n % 3).unwrap()]))).await;
    }
    let whole = entries(&*site, None, true, false, 100).await.unwrap();
    assert_eq!(whole.len(), 22);
    for ticket in [None, Some(one), Some(other), Some(TicketId(99))] {
        let upwards: Vec<Entry> = whole.iter().filter(|entry| ticket.is_none_or(|id| entry.ticket_id == Some(id))).cloned().collect();
        let downwards: Vec<Entry> = upwards.iter().rev().cloned().collect();
        for limit in [1, 2, 7, 50] {
            assert_eq!(entries(&*site, ticket, true, false, limit).await.unwrap(), upwards, "{ticket:?} by {limit}");
            assert_eq!(entries(&*site, ticket, true, true, limit).await.unwrap(), downwards, "{ticket:?} by {limit}");
        }
        for middle in [1, 7, 8, 21, 22, 23, 1_000] {
            let query = |from| EntryQuery { ticket, internal: true, from, limit: 3 };
            let after: Vec<Entry> = upwards.iter().filter(|entry| entry.seq > middle).take(3).cloned().collect();
            assert_eq!(site.entries(&query(From::After(middle))).await.unwrap(), after);
            let before: Vec<Entry> = downwards.iter().filter(|entry| entry.seq < middle).take(3).cloned().collect();
            assert_eq!(site.entries(&query(From::Before(middle))).await.unwrap(), before);
        }
    }
}

async fn entries_of_internal_notes_are_for_staff(site: Site) {
    let ticket = open_ticket(&*site).await;
    for n in 0..24 {
        add_comment(&*site, &ticket, "text", n % 8 < 5).await;
    }
    for (internal, expected) in [(true, 25), (false, 10)] {
        for of in [None, Some(ticket.id)] {
            for (backwards, limit) in [(false, 1), (false, 2), (true, 2), (false, 50)] {
                // A run of notes longer than the limit is no end of the log.
                let seen = entries(&*site, of, internal, backwards, limit).await.unwrap();
                assert_eq!(seen.len(), expected, "{of:?}, backwards: {backwards}, by {limit}");
                assert!(internal || seen.iter().all(|entry| !entry.internal));
            }
        }
        assert_eq!(site.count_entries(ticket.id, internal).await.unwrap(), expected);
    }
    assert_eq!(site.count_entries(TicketId(99), true).await.unwrap(), 0);
}

async fn a_readers_place_is_kept_and_never_moves_back(mut site: Site) {
    assert_eq!(site.cursor("mail").await.unwrap(), cursor("mail", 0, 0));
    for (saved, kept, version) in [(5, 5, 1), (9, 9, 2), (3, 9, 3), (9, 9, 4), (10, 10, 5)] {
        commit(&*site, Changes::new().overwrite(cursor("mail", saved, 1))).await;
        assert_eq!(site.cursor("mail").await.unwrap(), cursor("mail", kept, version));
    }
    let expected = Changes::new().update(cursor("mail", 4, 6));
    commit(&*site, expected.clone()).await;
    assert_eq!(site.cursor("mail").await.unwrap(), cursor("mail", 10, 6), "nor when its version was as expected");
    assert!(site.commit(expected).await.is_err());
    commit(&*site, Changes::new().overwrite(cursor("metrics", 2, 1))).await;
    site.crash().await;
    assert_eq!(site.cursor("mail").await.unwrap().seq, 10);
    assert_eq!(site.cursor("metrics").await.unwrap().seq, 2);
    assert_eq!(site.cursor("live").await.unwrap().seq, 0);
}

async fn a_refused_commit_leaves_no_hole(site: Site) {
    let ticket = open_ticket(&*site).await;
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let store = site.shared();
            let guard = if n % 2 == 0 { 1 } else { 7 };
            let changes =
                Changes::new().guard(taquilla::store::RowKey::Ticket(ticket.id), guard).log(told(n, 0, 0, None)).log(told(n, 0, 1, None));
            tokio::spawn(async move { store.commit(changes).await })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap().is_ok(), n % 2 == 0);
    }
    let log = entries(&*site, None, true, false, 10).await.unwrap();
    assert_eq!(log.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=65).collect::<Vec<_>>());
    assert!(log[1..].iter().all(|entry| entry.user_id.is_some_and(|id| id.0 % 2 == 0)));
}
