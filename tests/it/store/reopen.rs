//! Closing, dropping and opening again: everything acknowledged is there, rows and what is derived from them, and no id
//! comes twice.

use std::{collections::HashMap, path::Path, time::Duration};

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use taquilla::{
    activity::model::Action,
    store::{Answer, Changes, IdKind, Store, StoreError},
    tickets::{
        model::{Comment, Ticket},
        query::{Scope, TicketQuery},
    },
    types::{Page, SessionId, TicketId, UserId},
};

use super::{
    arbitrary,
    ask::{Question, ask, everything},
    build::*,
    model::Model,
    site::Site,
};

on_every_store!(
    everything_is_there_after_a_stop_and_after_a_crash,
    long_texts_are_kept_whole,
    large_values_never_leave_the_synced_file,
    ids_are_never_issued_twice,
    ids_reserved_during_a_close_are_not_issued_again,
    a_stop_leaves_no_gap_in_the_ids,
    an_id_that_came_with_a_row_is_not_issued,
    a_closed_store_says_so,
    what_was_acknowledged_before_a_close_is_kept_and_the_rest_is_not,
    acknowledged_commits_survive_being_dropped_again_and_again,
    a_store_can_be_opened_again_at_once,
);

/// The longest text that a ticket or a comment can have: 65,536 characters of four bytes.
fn longest(c: char) -> String {
    std::iter::repeat_n(c, 65_536).collect()
}

/// Fills a store with a bit of everything, and gives the model of it.
pub async fn populate(store: &dyn Store) -> Model {
    let model = Model::default();
    let mut runner = TestRunner::deterministic();
    for n in 1..=12 {
        let user = user(store.reserve(IdKind::User).await.unwrap(), &format!("user{n}@example.com"));
        both(store, &model, Changes::new().insert(user).log(entry(Action::UserCreated).about_user(UserId(n)))).await;
        let session = session(store.reserve(IdKind::Session).await.unwrap(), n, n);
        let token = token(store.reserve(IdKind::Token).await.unwrap(), n);
        both(store, &model, Changes::new().insert(session).insert(token).insert(answer(answer_key(n, n), n, "{}"))).await;
    }
    for n in 0..60 {
        let arbitrary = arbitrary::ticket().new_tree(&mut runner).expect("a ticket").current();
        let ticket = Ticket { id: TicketId(store.reserve(IdKind::Ticket).await.unwrap()), ..arbitrary };
        both(store, &model, opened(&ticket)).await;
        for m in 0..n % 4 {
            let text = arbitrary::text().new_tree(&mut runner).expect("a text").current();
            let comment = Comment { is_internal: m == 1, ..comment(ticket.id.0, store.reserve(IdKind::Comment).await.unwrap(), &text) };
            both(store, &model, commented(&comment, 1)).await;
            if m == 2 {
                both(store, &model, Changes::new().update(taken_back(&comment)).add(counted(&comment, -1))).await;
            }
        }
        if n % 5 == 0 {
            let moved = arbitrary::ticket().new_tree(&mut runner).expect("a ticket").current();
            both(store, &model, Changes::new().update(arbitrary::moved(&ticket, &moved))).await;
        }
    }
    let single = Changes::new().insert(roster(&[1], 1)).insert(settings("Desk", 1)).insert(setup_token(1, 1)).insert(signing_secret(3));
    both(
        store,
        &model,
        single.insert(cursor("mail", 17, 1)).insert(preferences(1, &"long ".repeat(2_000), 1)).log(entry(Action::SettingsUpdated)),
    )
    .await;
    model
}

async fn both(store: &dyn Store, model: &Model, changes: Changes) {
    model.apply(&changes).expect("a good commit");
    commit(store, changes).await;
}

/// Everything that can be asked, and every filter, order and search.
pub fn questions(model: &Model) -> Vec<Question> {
    let mut all = everything(&model.state());
    for query in super::queries::filters() {
        all.push(Question::Tickets { query: Box::new(query), limit: 50 });
    }
    let mut runner = TestRunner::deterministic();
    for _ in 0..100 {
        let query = arbitrary::query().new_tree(&mut runner).expect("a query").current();
        all.push(Question::Tickets { query: Box::new(query), limit: 7 });
        let query = arbitrary::user_query().new_tree(&mut runner).expect("a query").current();
        all.push(Question::Users { query, limit: 7 });
    }
    all
}

pub async fn agrees(store: &dyn Store, model: &Model, when: &str) {
    for question in questions(model) {
        assert_eq!(ask(store, &question).await, ask(model, &question).await, "{when}: {question:?}");
    }
}

async fn everything_is_there_after_a_stop_and_after_a_crash(mut site: Site) {
    let model = populate(&*site).await;
    agrees(&*site, &model, "as written").await;
    site.reopen().await;
    agrees(&*site, &model, "after a stop").await;
    // Something on top of what the stop has saved, with entries and without.
    let moved = |state: &super::model::State, n: usize| changed(state.tickets()[n], |t| t.title = format!("Moved {n}"));
    let (one, two) = (moved(&model.state(), 3), moved(&model.state(), 4));
    both(&*site, &model, Changes::new().update(one.clone()).log(ticket_entry(Action::TicketUpdated, one.id))).await;
    both(&*site, &model, Changes::new().update(two)).await;
    site.crash().await;
    agrees(&*site, &model, "after a crash").await;
    site.crash().await;
    agrees(&*site, &model, "after another crash").await;
    site.reopen().await;
    agrees(&*site, &model, "after another stop").await;
}

async fn long_texts_are_kept_whole(mut site: Site) {
    let id = site.id(IdKind::Ticket).await;
    let ticket = Ticket { title: "😀".repeat(200), description: longest('😀'), ..ticket(id) };
    commit(
        &*site,
        opened(&ticket).log(ticket_entry(Action::TicketUpdated, ticket.id).changed("text", longest('a').into(), longest('é').into())),
    )
    .await;
    let comment = add_comment(&*site, &ticket, &longest('𝄞'), false).await;
    let key = answer_key(1, 1);
    let kept = Answer { body: vec![200; 900_000], ..answer(key, 0, "") };
    commit(&*site, Changes::new().insert(kept.clone())).await;
    let check = async |site: &Site, ticket: &Ticket, comment: &Comment| {
        assert_eq!(stored(&**site, ticket.id).await.description, ticket.description);
        let page = site.tickets(&TicketQuery::all(Scope::All), Page { after: None, limit: 5 }).await.unwrap();
        assert_eq!(page.rows[0].description, ticket.description);
        assert_eq!(site.comment(ticket.id, comment.id).await.unwrap().as_ref(), Some(comment));
        assert_eq!(site.comments(ticket.id, true, Page { after: None, limit: 5 }).await.unwrap().rows, std::slice::from_ref(comment));
        assert_eq!(site.answer(&key).await.unwrap().as_ref(), Some(&kept));
        let log = super::ask::entries(&**site, Some(ticket.id), true, false, 50).await.unwrap();
        assert_eq!(log[1].changes["text"][1].as_str().map(str::len), Some(2 * 65_536));
    };
    check(&site, &ticket, &comment).await;
    site.reopen().await;
    check(&site, &ticket, &comment).await;
    // Shorter, then as long again: nothing of the longer text may be left, nor missing.
    let comment = Comment { content: "short".into(), version: 2, ..comment };
    let ticket = changed(&stored(&*site, ticket.id).await, |t| t.description = "short".into());
    commit(&*site, Changes::new().update(ticket.clone()).update(comment.clone())).await;
    site.crash().await;
    check(&site, &ticket, &comment).await;
    let comment = Comment { content: longest('é'), version: 3, ..comment };
    let ticket = changed(&ticket, |t| t.description = longest('日'));
    commit(&*site, Changes::new().update(ticket.clone()).update(comment.clone())).await;
    check(&site, &ticket, &comment).await;
    site.crash().await;
    check(&site, &ticket, &comment).await;
}

/// Values of a quarter of a segment, alone or as neighbours, would be put into files that are never synced. Of a store that an earlier
/// version made that is the least, 128 KiB.
async fn large_values_never_leave_the_synced_file(mut site: Site) {
    if let Some(data) = site.folder().map(|folder| folder.join("data")) {
        let made_before = || {
            std::fs::remove_dir_all(&data).unwrap();
            drop(sled::open(data.join("store")).unwrap());
        };
        site.while_closed(made_before).await;
    }
    let ticket = open_ticket(&*site).await;
    for n in 0..40_i64 {
        add_comment(&*site, &ticket, &"x".repeat(20_000), n % 2 == 0).await;
        commit(&*site, Changes::new().insert(answer(answer_key(1, n), 0, &"y".repeat(30_000)))).await;
    }
    let large = changed(&stored(&*site, ticket.id).await, |t| t.description = longest('😀'));
    commit(&*site, Changes::new().update(large).overwrite(settings(&"z".repeat(300_000), 1))).await;
    for n in 0..4 {
        if let Some(folder) = site.folder() {
            assert_eq!(files_in_blob_folders(folder), Vec::<String>::new(), "after {n} openings");
        }
        site.reopen().await;
    }
}

fn files_in_blob_folders(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for item in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if item.file_type().unwrap().is_dir() {
            found.extend(files_in_blob_folders(&item.path()));
        } else if folder.file_name().is_some_and(|name| name == "blobs") {
            found.push(item.path().display().to_string());
        }
    }
    found
}

async fn ids_are_never_issued_twice(mut site: Site) {
    let mut last: HashMap<IdKind, i64> = HashMap::new();
    for round in 0..8 {
        for kind in IdKind::ALL {
            // Few of one kind, more of another than are set aside at once.
            let n = if kind == IdKind::Comment { 1_500 } else { 3 };
            for _ in 0..n {
                let id = site.id(kind).await;
                let before = last.insert(kind, id).unwrap_or(0);
                assert!(id > before, "{kind:?} {id} came after {before}, in round {round}");
            }
        }
        // An id that is used, and one that is not: either is gone.
        let used = ticket(last[&IdKind::Ticket]);
        if round % 2 == 0 {
            commit(&*site, opened(&used)).await;
        }
        if round % 3 == 0 {
            site.reopen().await;
        } else {
            site.crash().await;
        }
    }
}

async fn ids_reserved_during_a_close_are_not_issued_again(mut site: Site) {
    for _ in 0..4 {
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let store = site.shared();
                tokio::spawn(async move {
                    let mut last = 0;
                    for _ in 0..2_000 {
                        let Ok(id) = store.reserve(IdKind::Ticket).await else { break };
                        last = id;
                        tokio::task::yield_now().await;
                    }
                    last
                })
            })
            .collect();
        site.id(IdKind::Ticket).await;
        site.close().await.unwrap();
        let mut last = 0;
        for task in tasks {
            last = last.max(task.await.unwrap());
        }
        site.crash().await;
        let next = site.id(IdKind::Ticket).await;
        assert!(next > last, "{next} after {last}");
    }
}

async fn a_stop_leaves_no_gap_in_the_ids(mut site: Site) {
    for kind in IdKind::ALL {
        let before = site.id(kind).await;
        site.reopen().await;
        assert_eq!(site.id(kind).await, before + 1, "{kind:?}");
    }
}

async fn an_id_that_came_with_a_row_is_not_issued(mut site: Site) {
    assert_eq!(site.id(IdKind::Ticket).await, 1);
    commit(&*site, opened(&ticket(5_000))).await;
    assert!(site.id(IdKind::Ticket).await > 5_000);
    commit(&*site, Changes::new().insert(user(2_000, "ana@example.com"))).await;
    site.crash().await;
    assert!(site.id(IdKind::User).await > 2_000);
    assert!(site.id(IdKind::Ticket).await > 5_000);
    commit(&*site, Changes::new().insert(session(9_000, 1, 1)).insert(token(9_000, 1)).insert(comment(5_000, 9_000, "text"))).await;
    site.reopen().await;
    for kind in [IdKind::Session, IdKind::Token, IdKind::Comment] {
        assert!(site.id(kind).await > 9_000, "{kind:?}");
    }
}

async fn a_closed_store_says_so(mut site: Site) {
    let ticket = open_ticket(&*site).await;
    site.ready().await.unwrap();
    let model = Model::default();
    model.apply(&opened(&ticket)).unwrap();
    let store = site.shared();
    store.close().await.unwrap();
    let changes = Changes::new().insert(session(1, 1, 1)).log(entry(Action::SettingsUpdated));
    let mut answers = vec![
        ("commit".to_owned(), store.commit(changes).await.err()),
        ("reserve".to_owned(), store.reserve(IdKind::Ticket).await.err()),
        ("ready".to_owned(), store.ready().await.err()),
    ];
    for question in everything(&model.state()) {
        if !matches!(question, Question::DurableSeq) {
            answers.push((format!("{question:?}"), ask(store.as_ref(), &question).await.err()));
        }
    }
    answers.retain(|(_, refused)| !matches!(refused, Some(StoreError::Unavailable(_))));
    assert_eq!(answers, [], "answered after the close");
    drop(store);
    site.crash().await;
    site.ready().await.unwrap();
    assert_eq!(stored(&*site, ticket.id).await, ticket);
    assert_eq!(site.session(SessionId(1)).await.unwrap(), None);
}

async fn what_was_acknowledged_before_a_close_is_kept_and_the_rest_is_not(mut site: Site) {
    for _ in 0..4 {
        let mut tasks = Vec::new();
        for _ in 0..64 {
            let (store, id) = (site.shared(), site.id(IdKind::Ticket).await);
            tasks.push(tokio::spawn(async move { (id, store.commit(opened(&ticket(id))).await.is_ok()) }));
        }
        site.close().await.unwrap();
        let mut outcomes = Vec::new();
        for task in tasks {
            outcomes.push(task.await.unwrap());
        }
        site.crash().await;
        for (id, accepted) in outcomes {
            assert_eq!(site.ticket(TicketId(id)).await.unwrap().is_some(), accepted, "{id}");
        }
    }
}

async fn acknowledged_commits_survive_being_dropped_again_and_again(mut site: Site) {
    let model = Model::default();
    let mut seq = 0;
    for round in 0..6 {
        let ticket = ticket(site.id(IdKind::Ticket).await);
        both(&*site, &model, opened(&ticket)).await;
        let comment = comment(ticket.id.0, site.id(IdKind::Comment).await, &format!("word{round}"));
        both(&*site, &model, commented(&comment, 1)).await;
        both(&*site, &model, Changes::new().overwrite(settings(&format!("Desk {round}"), 1))).await;
        seq += 2;
        site.crash().await;
        assert_eq!(*site.durable_seq().borrow(), seq);
        for question in everything(&model.state()) {
            assert_eq!(ask(&*site, &question).await, ask(&model, &question).await, "round {round}: {question:?}");
        }
    }
}

/// An engine may have threads of its own that have not yet let go.
async fn a_store_can_be_opened_again_at_once(site: Site) {
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let mut site = site.fresh().await;
        tasks.push(tokio::spawn(async move {
            for round in 0..25 {
                let reads = (0..4).map(|_| {
                    let store = site.shared();
                    tokio::spawn(async move { super::ask::entries(store.as_ref(), None, true, true, 50).await.unwrap().len() })
                });
                let reads: Vec<_> = reads.collect();
                let ticket = Ticket { description: "x".repeat(50_000), ..ticket(site.id(IdKind::Ticket).await) };
                commit(&*site, opened(&ticket)).await;
                for read in reads {
                    read.await.unwrap();
                }
                if round % 2 == 0 {
                    site.reopen().await;
                } else {
                    site.crash().await;
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// What the embedded store holds in memory is saved beside its rows; the file is a convenience.
mod of_the_embedded_store {
    use super::*;

    async fn without(spoil: impl Fn(&Path)) {
        let mut site = Site::sled().await;
        let model = populate(&*site).await;
        site.reopen().await;
        both(&*site, &model, opened(&ticket(site.id(IdKind::Ticket).await))).await;
        site.close().await.unwrap();
        let file = site.folder().unwrap().join("data/projection");
        assert!(file.is_file(), "{} is where the projections are", file.display());
        spoil(&file);
        site.crash().await;
        agrees(&*site, &model, "with the projections built anew").await;
    }

    #[tokio::test]
    async fn commits_since_the_file_are_there_with_and_without_their_journal() {
        let mut site = Site::sled().await;
        let model = populate(&*site).await;
        site.reopen().await;
        let journal = site.folder().unwrap().join("data/journal");
        for left in [u64::MAX, 900, 150, 0, u64::MAX] {
            for n in 0..4 {
                both(&*site, &model, opened(&ticket(site.id(IdKind::Ticket).await))).await;
                let moved = changed(model.state().tickets()[n], |t| t.title = format!("Of {left}, {n}"));
                both(&*site, &model, Changes::new().update(moved)).await;
            }
            site.crash_and(|| {
                let bytes = std::fs::metadata(&journal).unwrap().len();
                assert!(bytes > 1_000, "{} has {bytes} bytes", journal.display());
                std::fs::File::options().write(true).open(&journal).unwrap().set_len(left.min(bytes)).unwrap();
            })
            .await;
            agrees(&*site, &model, "after a crash").await;
        }
        site.crash_and(|| std::fs::remove_file(&journal).unwrap()).await;
        agrees(&*site, &model, "without the journal").await;
    }

    /// Up to where sled's index stands for its log, by the name of the index's file: what follows is read at the next opening.
    fn index(site: &Site) -> String {
        let files = std::fs::read_dir(site.folder().unwrap().join("data/store")).unwrap();
        let mut names = files.map(|file| file.unwrap().file_name().into_string().unwrap()).filter(|name| name.starts_with("snap."));
        let name = names.next().expect("an index");
        assert_eq!(names.next(), None, "another index beside {name}");
        name
    }

    /// Writes so many MiB.
    async fn write(site: &Site, mib: i64) {
        for n in 0..mib {
            let kept = Answer { body: vec![200; 1 << 20], ..answer(answer_key(1, n), n, "") };
            commit(&**site, Changes::new().overwrite(kept)).await;
        }
    }

    #[tokio::test]
    async fn what_was_written_while_it_was_open_is_not_read_again_after_a_stop_when_it_is_much() {
        let mut site = Site::sled().await;
        site.reopen().await;
        for (mib, is_much) in [(1, false), (160, true), (1, false)] {
            let opened = index(&site);
            write(&site, mib).await;
            assert_eq!(index(&site), opened, "only an opening writes it");
            site.close().await.unwrap();
            assert_eq!(index(&site) > opened, is_much, "after {mib} MiB");
            site.crash().await;
            assert!(site.answer(&answer_key(1, mib - 1)).await.unwrap().is_some());
        }
    }

    #[tokio::test]
    async fn whoever_gives_up_waiting_for_a_close_does_not_wait_for_it_when_the_store_is_dropped() {
        let site = Site::sled().await;
        write(&site, 160).await;
        // An index that never ends while it is read.
        let endless = site.folder().unwrap().join("data/store/snap.FFFFFFFFFFFFFFFF");
        rustix::fs::mknodat(rustix::fs::CWD, endless, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        tokio::time::timeout(Duration::from_millis(500), site.close()).await.expect_err("the close does not end");
        let (dropped, wait) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            drop(site);
            dropped.send(())
        });
        wait.recv_timeout(Duration::from_secs(20)).expect("the store is let go of");
    }

    #[tokio::test]
    async fn lists_and_searches_are_built_anew_without_their_file() {
        without(|file| std::fs::remove_file(file).unwrap()).await;
    }

    #[tokio::test]
    async fn lists_and_searches_are_built_anew_when_their_file_is_damaged() {
        for place in [0, 40, 1_000, usize::MAX] {
            without(|file| {
                let mut bytes = std::fs::read(file).unwrap();
                let at = place.min(bytes.len() - 1);
                bytes[at] ^= 1;
                std::fs::write(file, bytes).unwrap();
            })
            .await;
        }
    }

    #[tokio::test]
    async fn lists_and_searches_are_built_anew_when_their_file_is_cut_or_empty() {
        for length in [0, 3, 500] {
            without(|file| {
                let bytes = std::fs::read(file).unwrap();
                std::fs::write(file, &bytes[..length]).unwrap();
            })
            .await;
        }
    }
}
