//! The index of words on PostgreSQL: what is moved to it, taken out of it and looked for at the same time stays right, and the
//! steps of the schema take it along.

use std::sync::Arc;

use futures_util::future::join_all;
use taquilla::{
    store::{
        Changes, IdKind, Store, Tickets as _,
        postgres::{PgStore, fsck, migrate},
    },
    tickets::{
        model::{Priority, Ticket},
        query::{Scope, TicketQuery},
        search::Words,
    },
    types::{Page, Secret, TicketId, Total},
};

use super::{ask::ids, build::*};
use crate::support::postgres::Database;

async fn open(database: &Database) -> Arc<PgStore> {
    PgStore::open(database.options()).await.expect("the store opens")
}

/// The tickets with these words, the oldest first.
async fn found(store: &dyn Store, typed: &str) -> Vec<i64> {
    let mut found = ids(store, &TicketQuery { words: Words::parse(typed), ..TicketQuery::all(Scope::All) }, 50).await;
    found.sort_unstable();
    found
}

/// A ticket with this title.
async fn titled(store: &dyn Store, title: &str) -> Ticket {
    let made = Ticket { title: title.into(), ..ticket(store.reserve(IdKind::Ticket).await.unwrap()) };
    commit(store, opened(&made)).await;
    made
}

#[tokio::test]
async fn texts_are_found_after_a_step_back_and_forth() {
    let database = Database::new().await;
    let url = Secret::new(database.url());
    let store = open(&database).await;
    let one = titled(&*store, "zebra").await;
    titled(&*store, "okapi").await;
    store.index_texts().await.unwrap();
    commit(&*store, Changes::new().update(changed(&one, |ticket| ticket.title = "lion".into()))).await;
    store.close().await.unwrap();
    migrate::down(&url, 2).await.unwrap();
    let mut connection = database.connect().await;
    let sql = "SELECT ticket_id FROM taquilla.search_terms WHERE terms @@ 'okapi'::tsquery OR terms @@ 'lion'::tsquery ORDER BY 1";
    assert_eq!(sqlx::query_scalar::<_, i64>(sql).fetch_all(&mut connection).await.unwrap(), [1, 2], "as the version before has them");
    let store = open(&database).await;
    for _ in 0..2 {
        assert_eq!(
            [found(&*store, "lion").await, found(&*store, "okapi").await, found(&*store, "zebra").await],
            [vec![1], vec![2], vec![]]
        );
        store.index_texts().await.unwrap();
    }
}

/// How many terms of texts begin with this sign.
async fn terms_with(database: &Database, sign: &str) -> i64 {
    let sql = "SELECT count(*) FROM (SELECT terms FROM taquilla.search_new UNION ALL SELECT terms FROM taquilla.search_kept UNION ALL \
               SELECT terms FROM taquilla.search_stale) s, unnest(tsvector_to_array(terms)) AS term WHERE starts_with(term, $1)";
    sqlx::query_scalar(sql).bind(sign).fetch_one(&mut database.connect().await).await.unwrap()
}

/// The tickets with this tag, the oldest first.
async fn tagged(store: &dyn Store, tag: &str) -> Vec<i64> {
    marked(store, tag, &[]).await
}

/// Before step 6 tags were no terms: a desk that has been open since before has its tickets in all places where texts are.
#[tokio::test]
async fn tickets_have_their_tags_after_a_step_back_and_forth() {
    let database = Database::new().await;
    let url = Secret::new(database.url());
    let store = open(&database).await;
    let mut changes = Changes::new();
    // Frequent enough for a bit for each ticket, in one of two stretches.
    for n in (1..=2_100).chain([40_000, 40_001]) {
        let tags = if n % 500 == 0 { vec!["all".into(), "néw \\ 'one'".into()] } else { vec!["all".into()] };
        changes = changes.insert(Ticket { tags, ..ticket(n) });
    }
    commit(&*store, changes).await;
    store.index_texts().await.unwrap();
    // One with nothing but a tag, one changed, one deleted, one new.
    let (title, description) = ("?".to_owned(), "!".to_owned());
    let bare = Ticket { title, description, tags: vec!["all".into()], ..ticket(50_000) };
    commit(&*store, Changes::new().insert(bare).insert(Ticket { tags: vec!["late".into()], ..ticket(50_001) })).await;
    let edited = changed(&stored(&*store, TicketId(500)).await, |ticket| ticket.tags = vec!["late".into()]);
    let gone = changed(&stored(&*store, TicketId(1_000)).await, |ticket| ticket.deleted_at = Some(at(99)));
    commit(&*store, Changes::new().update(edited).update(gone)).await;
    let all: Vec<i64> = (1..=2_100).chain([40_000, 40_001, 50_000]).filter(|n| ![500, 1_000].contains(n)).collect();
    let check = async |store: &dyn Store| {
        assert_eq!(tagged(store, "all").await, all);
        assert_eq!(tagged(store, "néw \\ 'one'").await, [1_500, 2_000, 40_000]);
        assert_eq!(tagged(store, "late").await, [500, 50_001]);
        assert_eq!(tagged(store, "al").await, [0; 0]);
        assert_eq!(found(store, "#all").await, [0; 0], "no word is a tag");
        let deleted = TicketQuery { tags: vec!["all".into()], deleted: true, ..TicketQuery::all(Scope::All) };
        assert_eq!(ids(store, &deleted, 50).await, [1_000]);
    };
    check(&*store).await;
    store.close().await.unwrap();
    migrate::down(&url, 5).await.unwrap();
    assert_eq!(terms_with(&database, "#").await, 0);
    let store = open(&database).await;
    for _ in 0..2 {
        check(&*store).await;
        assert_eq!(fsck::fsck(&url, false).await.unwrap().problems, [""; 0]);
        store.index_texts().await.unwrap();
    }
}

/// The tickets with this tag and one of these priorities, or any, the oldest first.
async fn marked(store: &dyn Store, tag: &str, priority: &[Priority]) -> Vec<i64> {
    let query = TicketQuery { tags: vec![tag.into()], priority: priority.to_vec(), ..TicketQuery::all(Scope::All) };
    let mut found = ids(store, &query, 50).await;
    found.sort_unstable();
    found
}

/// Before step 9 priorities were no terms.
#[tokio::test]
async fn tickets_have_their_priorities_after_a_step_back_and_forth() {
    let database = Database::new().await;
    let url = Secret::new(database.url());
    let store = open(&database).await;
    let with = |n: i64, priority| Ticket { tags: vec!["all".into()], priority, ..ticket(n) };
    let mut changes = Changes::new();
    for n in (1..=2_100).chain([40_000, 40_001]) {
        changes = changes.insert(with(n, if n % 500 == 0 { Priority::Critical } else { Priority::Medium }));
    }
    commit(&*store, changes).await;
    store.index_texts().await.unwrap();
    // One without any word, one changed, one deleted, one new.
    let bare = Ticket { title: "?".into(), description: "!".into(), ..with(50_000, Priority::Low) };
    commit(&*store, Changes::new().insert(bare).insert(with(50_001, Priority::Critical))).await;
    let edited = changed(&stored(&*store, TicketId(500)).await, |ticket| ticket.priority = Priority::Low);
    let gone = changed(&stored(&*store, TicketId(1_000)).await, |ticket| ticket.deleted_at = Some(at(99)));
    commit(&*store, Changes::new().update(edited).update(gone)).await;
    let medium: Vec<i64> = (1..=2_100).chain([40_001]).filter(|n| n % 500 > 0).collect();
    let check = async |store: &dyn Store| {
        assert_eq!(marked(store, "all", &[Priority::Medium]).await, medium);
        assert_eq!(marked(store, "all", &[Priority::Critical]).await, [1_500, 2_000, 40_000, 50_001]);
        assert_eq!(marked(store, "all", &[Priority::Low, Priority::High]).await, [500, 50_000]);
        assert_eq!(marked(store, "none", &[Priority::Medium]).await, [0; 0]);
        let deleted = TicketQuery { priority: vec![Priority::Critical], deleted: true, ..TicketQuery::all(Scope::All) };
        assert_eq!(ids(store, &deleted, 50).await, [1_000]);
    };
    check(&*store).await;
    store.close().await.unwrap();
    migrate::down(&url, 8).await.unwrap();
    assert_eq!(terms_with(&database, "!").await, 0);
    let store = open(&database).await;
    for _ in 0..2 {
        check(&*store).await;
        assert_eq!(fsck::fsck(&url, false).await.unwrap().problems, [""; 0]);
        store.index_texts().await.unwrap();
    }
}

/// What a desk remembers of the index is as old as when it read it; another instance changes it meanwhile.
#[tokio::test]
async fn what_another_instance_moves_is_found() {
    let database = Database::new().await;
    let (store, other) = (open(&database).await, open(&database).await);
    let mut expected = Vec::new();
    for round in 0..4_i64 {
        let (kept, gone) = (round * 40_000 + 1, round * 40_000 + 2);
        for n in [kept, gone] {
            commit(&*other, opened(&Ticket { title: "zebra zebu".into(), ..ticket(n) })).await;
        }
        other.index_texts().await.unwrap();
        let without = |ids: &[i64]| ids.iter().copied().chain([kept, gone]).collect::<Vec<_>>();
        for typed in ["zebra", "zeb", "z", "zebra ze"] {
            assert_eq!(found(&*store, typed).await, without(&expected), "{typed}, round {round}");
        }
        let renamed = changed(&stored(&*other, TicketId(gone)).await, |ticket| ticket.title = "okapi".into());
        commit(&*other, Changes::new().update(renamed)).await;
        other.index_texts().await.unwrap();
        expected.push(kept);
        for typed in ["zebra", "zeb", "z", "zebra ze"] {
            assert_eq!(found(&*store, typed).await, expected, "{typed}, round {round}, one less");
        }
        assert_eq!(found(&*store, "oka").await.len(), expected.len());
    }
}

#[tokio::test]
async fn texts_that_wait_are_moved_when_they_are_many() {
    let database = Database::new().await;
    let store = open(&database).await;
    let mut changes = Changes::new();
    for _ in 0..4_100 {
        changes = changes.insert(ticket(store.reserve(IdKind::Ticket).await.unwrap()));
    }
    commit(&*store, changes).await;
    let mut connection = database.connect().await;
    let moved = async {
        while sqlx::query_scalar::<_, i64>("SELECT count(*) FROM taquilla.search_new").fetch_one(&mut connection).await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), moved).await.expect("they are moved");
    assert_eq!(found(&*store, "special 4077").await, [4_077]);
}

/// Ids that are far from each other: lists of the newest begin with the highest of them, unless others were opened later.
#[tokio::test]
async fn the_newest_tickets_with_a_word_are_found_wherever_their_ids_are() {
    let database = Database::new().await;
    let store = open(&database).await;
    let mut all: Vec<Ticket> = Vec::new();
    let check = async |all: &[Ticket], what: &str| {
        let query = TicketQuery { words: Words::parse("special"), ..TicketQuery::all(Scope::All) };
        let mut live: Vec<&Ticket> = all.iter().filter(|ticket| query.matches(ticket, &[])).collect();
        live.sort_by(|a, b| query.sort.cmp(query.sort.key(a), query.sort.key(b)));
        let expected: Vec<i64> = live.iter().map(|ticket| ticket.id.0).collect();
        for limit in [1, 3, 50] {
            assert_eq!(ids(&*store, &query, limit).await, expected, "{what}, {limit}");
            let first = store.tickets(&query, Page { after: None, limit }).await.unwrap();
            assert_eq!(first.total, Some(Total::Exact(expected.len())), "{what}, {limit}");
        }
    };
    let mut changes = Changes::new();
    for n in 1..=40_i64 {
        // In the main the newest have the highest ids; two have not.
        let created_at = if n % 17 == 0 { at(900 + n) } else { at(n) };
        all.push(Ticket { created_at, ..ticket(n * 20_000) });
        changes = changes.insert(all.last().unwrap().clone());
    }
    commit(&*store, changes).await;
    check(&all, "before they are moved").await;
    store.index_texts().await.unwrap();
    check(&all, "as they are").await;
    for (n, created_at, deleted_at) in [(3, at(1_000), None), (4, at(4), Some(at(1_001))), (39, at(0), None), (40, at(40), Some(at(1_001)))]
    {
        all[n - 1] = changed(&all[n - 1], |ticket| (ticket.created_at, ticket.deleted_at) = (created_at, deleted_at));
        commit(&*store, Changes::new().update(all[n - 1].clone())).await;
        check(&all, "one has changed").await;
        if n % 2 == 0 {
            store.index_texts().await.unwrap();
            check(&all, "it is moved").await;
        }
    }
    assert_eq!(fsck::fsck(&Secret::new(database.url()), false).await.unwrap().problems, [""; 0]);
}

/// Two writers for each ticket, who change its texts, delete and restore it, and add to it, while two others move texts and one looks.
#[tokio::test(flavor = "multi_thread")]
async fn what_changes_while_it_is_moved_is_found_as_it_is() {
    const TICKETS: i64 = 6;
    const ROUNDS: i64 = 25;
    let database = Database::new().await;
    let (store, other) = (open(&database).await, open(&database).await);
    for n in 1..=TICKETS {
        titled(&*store, &format!("stays{n}")).await;
    }
    let writer = async |n: i64, who: i64| {
        for round in 0..ROUNDS {
            let id = store.reserve(IdKind::Comment).await.unwrap();
            let made = comment(n, id, &format!("writer{who} round{round}"));
            commit(&*store, Changes::new().insert(made.clone()).add(counted(&made, 1))).await;
            if round % 3 == who {
                commit(&*store, Changes::new().update(taken_back(&made)).add(counted(&made, -1))).await;
            }
            // Whoever is overtaken leaves it at that.
            let ticket = stored(&*store, TicketId(n)).await;
            let edited = changed(&ticket, |ticket| match round % 4 {
                0 => ticket.deleted_at = Some(at(99)),
                1 => ticket.deleted_at = None,
                _ => ticket.title = format!("stays{n} title{who} of{round}"),
            });
            drop(store.commit(Changes::new().update(edited)).await);
        }
    };
    let writers = join_all((1..=TICKETS).flat_map(|n| [writer(n, 0), writer(n, 1)]));
    let moving = async {
        for _ in 0..ROUNDS {
            let (one, two) = tokio::join!(store.index_texts(), other.index_texts());
            one.and(two).unwrap();
        }
    };
    tokio::join!(writers, moving);
    for n in 1..=TICKETS {
        let ticket = stored(&*store, TicketId(n)).await;
        let live: &[i64] = if ticket.deleted_at.is_none() { &[n] } else { &[] };
        assert_eq!(found(&*store, &format!("writer1 round0 {}", ticket.title)).await, live, "ticket {n}");
    }
    for _ in 0..2 {
        assert_eq!(fsck::fsck(&Secret::new(database.url()), false).await.unwrap().problems, [""; 0]);
        store.index_texts().await.unwrap();
    }
}
