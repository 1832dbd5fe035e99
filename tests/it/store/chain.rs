//! The chain over the log: it holds on every store and after a move to another one, and every planted damage is found at its
//! place.

use proptest::{prelude::*, strategy::ValueTree};
use serde_json::{Value, json};
use taquilla::{
    activity::{
        audit::{Head, READER, Walk, extend, head, verify},
        chain::{BEGINNING, ChainBlock, Link},
        model::{Action, Entry, NewEntry},
    },
    store::{Changes, Expect, LogCursor, RowKey, Store},
    types::{CommentId, Seq, TicketId, UserId},
};

use super::{
    ask::entries,
    build::{commit, entry},
    site::Site,
};
use crate::support::open_engine;

on_every_store!(
    the_chain_follows_the_log_and_holds,
    readers_at_the_same_time_make_one_chain,
    a_copy_of_log_and_chain_has_the_same_head,
    every_changed_link_is_found_at_its_place,
    a_link_that_is_gone_is_found,
    a_head_from_before_must_be_in_the_chain,
);

/// An entry of some kind, as different as they come.
fn some(n: i64) -> NewEntry {
    let action =
        [Action::TicketUpdated, Action::CommentCreated, Action::UserLoggedIn, Action::SettingsUpdated][usize::try_from(n % 4).unwrap()];
    let mut new = entry(action).changed("n", Value::Null, json!(n));
    new.at = new.at.plus_seconds(n);
    new.actor.id = (n % 3 > 0).then_some(UserId(n));
    new.ticket_id = (n % 2 == 0).then_some(TicketId(n + 1));
    new.comment_id = (n % 5 == 0).then_some(CommentId(n + 2));
    new.internal = n % 7 == 0;
    new.changed(
        "text",
        json!("ñ €\u{1f600}\u{2028}\"\\\n"),
        json!({ "z": 1.0, "a": [n, -0.5, 2.25, true, null], "é": { "b": "", "A": n } }),
    )
}

async fn write(store: &dyn Store, numbers: std::ops::Range<i64>) {
    for n in numbers {
        let mut changes = Changes::new();
        for nth in 0..=n % 3 {
            changes = changes.log(some(3 * n + nth));
        }
        commit(store, changes).await;
    }
}

async fn end(store: &dyn Store) -> Seq {
    entries(store, None, true, true, 1).await.unwrap().first().map_or(0, |entry| entry.seq)
}

/// The walk along a chain that must be sound.
async fn sound(store: &dyn Store) -> Walk {
    let walk = verify(store, None).await.unwrap();
    assert_eq!(walk.broken, None);
    walk
}

/// Where the walk meets the first break.
async fn first_break(store: &dyn Store) -> Seq {
    let walk = verify(store, None).await.unwrap();
    let seq = walk.broken.unwrap_or_else(|| panic!("nothing is found after {}", walk.head)).seq;
    assert_eq!(walk.head.seq, seq - 1, "all before it is sound");
    seq
}

async fn the_chain_follows_the_log_and_holds(mut site: Site) {
    extend(&*site).await.unwrap();
    assert_eq!((head(&*site).await.unwrap(), sound(&*site).await.waiting), (Head::default(), 0));
    write(&*site, 0..40).await;
    let first = end(&*site).await;
    assert_eq!(sound(&*site).await, Walk { head: Head::default(), waiting: first, broken: None });
    extend(&*site).await.unwrap();
    let before = sound(&*site).await;
    assert_eq!((before.head, before.head.seq, before.waiting), (head(&*site).await.unwrap(), first, 0));
    extend(&*site).await.unwrap();
    assert_eq!(sound(&*site).await, before, "nothing new, nothing to do");
    write(&*site, 40..42).await;
    site.crash().await;
    assert_eq!(sound(&*site).await, Walk { waiting: end(&*site).await - first, ..before });
    extend(&*site).await.unwrap();
    site.reopen().await;
    assert_eq!(sound(&*site).await.head.seq, end(&*site).await);
    // More than is linked by one commit.
    for _ in 0..3 {
        commit(&*site, (0..400).fold(Changes::new(), |changes, n| changes.log(some(n)))).await;
    }
    extend(&*site).await.unwrap();
    assert_eq!(sound(&*site).await.head.seq, end(&*site).await);
}

async fn readers_at_the_same_time_make_one_chain(site: Site) {
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let store = site.shared();
            tokio::spawn(async move {
                for round in 0..5 {
                    commit(store.as_ref(), Changes::new().log(some(8 * round + n))).await;
                    extend(store.as_ref()).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    extend(&*site).await.unwrap();
    assert_eq!(sound(&*site).await.head.seq, 40);
}

async fn a_copy_of_log_and_chain_has_the_same_head(site: Site) {
    write(&*site, 0..30).await;
    extend(&*site).await.unwrap();
    write(&*site, 30..60).await;
    extend(&*site).await.unwrap();
    let (log, blocks) = (entries(&*site, None, true, false, 1_000).await.unwrap(), site.chain(0, 100).await.unwrap());
    assert_eq!(blocks.len(), 2);
    assert_eq!(site.chain(0, 1).await.unwrap(), blocks[..1]);
    assert_eq!(site.chain(blocks[0].last - 1, 9).await.unwrap(), blocks);
    assert_eq!(site.chain(blocks[0].last, 9).await.unwrap(), blocks[1..]);
    for other in [Site::model().await, Site::sled().await, Site::postgres().await] {
        for entry in log.clone() {
            let Entry { at, actor, action, ticket_id, comment_id, user_id, changes, internal, facts, .. } = entry;
            let new = NewEntry { at, actor, action, ticket_id, comment_id, user_id, changes, internal, facts };
            commit(&*other, Changes::new().log(new)).await;
        }
        for block in blocks.clone() {
            let cursor = LogCursor { name: READER.into(), seq: block.last, version: 1 };
            commit(&*other, Changes::new().insert(block).overwrite(cursor)).await;
        }
        assert_eq!(sound(&*other).await, sound(&*site).await);
        commit(&*other, Changes::new().log(some(1))).await;
        extend(&*other).await.unwrap();
        assert_eq!(sound(&*other).await.head.seq, Seq::try_from(log.len()).unwrap() + 1, "it goes on");
    }
}

async fn every_changed_link_is_found_at_its_place(site: Site) {
    write(&*site, 0..20).await;
    extend(&*site).await.unwrap();
    let block = site.chain(0, 1).await.unwrap().remove(0);
    let put = async |bytes: Vec<u8>| commit(&*site, Changes::new().overwrite(ChainBlock::from_parts(block.last, bytes))).await;
    for at in (0..block.bytes().len()).step_by(7) {
        let mut bytes = block.bytes().to_vec();
        bytes[at] ^= 0x10;
        put(bytes).await;
        assert_eq!(first_break(&*site).await, Seq::try_from(at / 80).unwrap() + 1, "byte {at}");
    }
    put(block.bytes()[1..].to_vec()).await;
    assert_eq!(first_break(&*site).await, 1, "no whole links");
    put(block.bytes()[80..].to_vec()).await;
    assert_eq!(first_break(&*site).await, 1, "the first one is gone");
    // Whoever makes a changed link and all after it anew is seen by those who know a later one.
    put(block.bytes().to_vec()).await;
    let good = sound(&*site).await.head;
    let (mut previous, mut links) = (BEGINNING, Vec::new());
    for entry in entries(&*site, None, true, false, 100).await.unwrap() {
        let link = Link::after(&previous, &entry, [1; 16]);
        previous = link.hash;
        links.push(link);
    }
    commit(&*site, Changes::new().overwrite(ChainBlock::new(block.last, &links))).await;
    assert_ne!(sound(&*site).await.head, good);
    let walk = verify(&*site, Some((good.seq, &good.hash))).await.unwrap();
    assert_eq!(walk.broken.unwrap().seq, good.seq);
}

async fn a_link_that_is_gone_is_found(site: Site) {
    for n in 0..4 {
        write(&*site, 10 * n..10 * (n + 1)).await;
        extend(&*site).await.unwrap();
    }
    let blocks = site.chain(0, 10).await.unwrap();
    for at in [3, 1, 0] {
        commit(&*site, Changes::new().delete(RowKey::ChainBlock(blocks[at].last), Expect::Any)).await;
        assert_eq!(first_break(&*site).await, blocks[at].first());
    }
    write(&*site, 40..41).await;
    assert!(extend(&*site).await.is_err(), "a chain without its end is not continued");
}

async fn a_head_from_before_must_be_in_the_chain(site: Site) {
    write(&*site, 0..10).await;
    extend(&*site).await.unwrap();
    let early = head(&*site).await.unwrap();
    write(&*site, 10..20).await;
    extend(&*site).await.unwrap();
    for known in [&early.hash[..], &early.hash[..8]] {
        assert_eq!(verify(&*site, Some((early.seq, known))).await.unwrap(), sound(&*site).await);
    }
    let walk = verify(&*site, Some((early.seq, &[0; 8]))).await.unwrap();
    assert_eq!(walk.broken.unwrap().seq, early.seq);
    let last = end(&*site).await;
    let walk = verify(&*site, Some((last + 1, &early.hash))).await.unwrap();
    assert_eq!(walk.broken.unwrap().seq, last + 1, "the log was longer");
}

/// A chained log of forty-odd entries.
async fn chained(site: &Site) -> Seq {
    write(&**site, 0..20).await;
    extend(&**site).await.unwrap();
    end(&**site).await
}

/// What can be done to an entry in PostgreSQL, as a statement with the place of the entry's commit in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_changed_in_the_database_are_found_at_their_place() {
    let of = "commit_nr = (SELECT nr FROM taquilla.commits WHERE last_seq >= 17 AND entries > 0 ORDER BY last_seq LIMIT 1) AND follow = \
              (SELECT last_seq - 17 FROM taquilla.commits WHERE last_seq >= 17 AND entries > 0 ORDER BY last_seq LIMIT 1)";
    for damage in [
        "UPDATE taquilla.entries SET body = jsonb_set(body, '{changes,n,1}', '4711') WHERE ",
        "UPDATE taquilla.entries SET body = jsonb_set(body, '{changes}', '{}') WHERE ",
        "UPDATE taquilla.entries SET body = jsonb_set(body, '{at}', '\"2026-01-01T00:00:00Z\"') WHERE ",
        "UPDATE taquilla.entries SET body = jsonb_set(body, '{actor,id}', '99') WHERE ",
        "UPDATE taquilla.entries SET body = jsonb_set(body, '{action}', '\"ticket.deleted\"') WHERE ",
        "UPDATE taquilla.entries SET body = jsonb_set(body, '{user_id}', '1') WHERE ",
        "UPDATE taquilla.entries SET body = '{}' WHERE ",
        "DELETE FROM taquilla.entries WHERE ",
    ] {
        let site = Site::postgres().await;
        chained(&site).await;
        let mut connection = site.database().unwrap().connect().await;
        let statement = sqlx::AssertSqlSafe(format!("{damage}{of}"));
        let done = sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
        assert_eq!(done.rows_affected(), 1, "{damage}");
        assert_eq!(first_break(&*site).await, 17, "{damage}");
    }
}

/// Flips a byte of each of some entries in the folder of a closed store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_changed_in_the_folder_are_found_at_their_place() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 24, ..ProptestConfig::default() });
    let mut site = Site::sled().await;
    chained(&site).await;
    let dir = site.folder().unwrap().join("data");
    // Without its last block a store does not open.
    let mut end = 0;
    site.while_closed(|| end = number(&open_engine(&dir).scan_prefix(b"l").next_back().unwrap().unwrap().0)).await;
    let strategy = (1..end, any::<proptest::sample::Index>(), 0..8_u32, any::<bool>());
    for _ in 0..24 {
        let (seq, place, bit, gone) = strategy.new_tree(&mut runner).unwrap().current();
        let mut before = Default::default();
        site.while_closed(|| {
            let db = open_engine(&dir);
            let (key, block) = db.range(..=[&b"l"[..], &seq.to_be_bytes()].concat()).next_back().unwrap().unwrap();
            let mut bytes = block.to_vec();
            let entry = in_block(&bytes, seq - number(&key));
            bytes[entry.start + place.index(entry.len())] ^= 1 << bit;
            before = (key.clone(), block);
            if gone {
                drop(db.remove(&key).unwrap());
            } else {
                drop(db.insert(&key, bytes).unwrap());
            }
            db.flush().unwrap();
        })
        .await;
        let walk = verify(&*site, None).await.unwrap();
        // Names, the way in and what the log's readers need are not in the chain.
        let chained: Vec<Entry> = if gone { Vec::new() } else { entries(&*site, None, true, false, 100).await.unwrap_or_default() };
        let outside = chained.iter().find(|e| e.seq == seq).is_some_and(|e| {
            let whole = some_of(seq);
            (e.at, e.actor.id, e.action, e.ticket_id, e.comment_id, e.user_id, &e.changes)
                == (whole.at, whole.actor.id, whole.action, whole.ticket_id, whole.comment_id, whole.user_id, &whole.changes)
        });
        let (key, block) = before;
        match walk.broken {
            Some(broken) => assert_eq!(broken.seq, if gone { number(&key) } else { seq }),
            None => assert!(outside, "entry {seq} was changed, and that is not found"),
        }
        site.while_closed(|| drop(open_engine(&dir).insert(&key, block.clone()).unwrap())).await;
        sound(&*site).await;
    }
}

/// The number in the last eight bytes of a key.
fn number(key: &[u8]) -> Seq {
    Seq::from_be_bytes(key[key.len() - 8..].try_into().unwrap())
}

/// Where the entry that is so many behind the first is in a block: its length, and what is so long.
fn in_block(block: &[u8], behind: Seq) -> std::ops::Range<usize> {
    let end = |at: usize| at + 2 + usize::from(u16::from_be_bytes(block[at..at + 2].try_into().unwrap()));
    let at = (0..behind).fold(1, |at, _| end(at));
    at..end(at)
}

/// The entry that [`write`] put at this place.
fn some_of(seq: Seq) -> NewEntry {
    let numbers = (0..20).flat_map(|n| (0..=n % 3).map(move |nth| 3 * n + nth));
    some(numbers.clone().nth(usize::try_from(seq - 1).unwrap()).unwrap())
}
