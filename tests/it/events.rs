//! Live events: who is told what, in which form, from where on, and when it ends.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{extract::FromRequestParts, http::Request};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use taquilla::{
    activity::{
        live::{self, Timers},
        model::{Action, ActorRef, Entry, NewEntry},
    },
    auth::extract::Standing,
    store::{Changes, EntryQuery, From},
};
use tokio::{sync::watch, time::Instant};

use crate::{
    people::{anonymised, end_of_log},
    support::{Client, Desk, Listener},
    tickets::faults,
};

async fn desk() -> (Desk, Client, Client, Client) {
    let desk = Desk::start().await;
    let (eva, ana, admin) = (desk.user("eva").await, desk.agent("ana").await, desk.admin().await);
    (desk, eva, ana, admin)
}

/// Entries about nobody, which admins alone see.
fn many(count: usize, desk: &Desk) -> Changes {
    let entry = || NewEntry::new(Action::SettingsUpdated, ActorRef::system(), desk.now());
    (0..count).fold(Changes::new(), |changes, _| changes.log(entry()))
}

#[tokio::test]
async fn a_stream_begins_with_a_comment_and_tells_each_entry_without_its_changes() {
    let (_desk, eva, _, admin) = desk().await;
    let mut stream = admin.listen(None).await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert_eq!(stream.headers()["cache-control"], "no-store");
    let first = stream.block().await.unwrap();
    assert!(first.starts_with(':') && first.lines().count() == 1, "{first}");
    let id = eva.open(json!({"title": "line\u{2028}breaks\r\nin it"})).await;
    let block = stream.block().await.unwrap();
    let lines: Vec<&str> = block.split('\n').collect();
    let mut entry = admin.activity(id).await.remove(0);
    entry.as_object_mut().unwrap().remove("changes").unwrap();
    assert_eq!(lines[..2], [format!("id: {}", entry["seq"]), "event: ticket.created".to_owned()]);
    assert_eq!(serde_json::from_str::<Value>(lines[2].strip_prefix("data: ").unwrap()).unwrap(), entry);
    assert_eq!(lines.len(), 3);
}

#[tokio::test]
async fn an_event_is_told_within_a_second() {
    let (_desk, eva, ana, _) = desk().await;
    let (mut of_requester, mut of_staff) = (eva.listen(None).await, ana.listen(None).await);
    for _ in 0..5 {
        let id = eva.open(json!({})).await;
        let told = async { (of_requester.next().await, of_staff.next().await) };
        let (one, other) = tokio::time::timeout(Duration::from_secs(1), told).await.expect("within its second");
        assert_eq!(one.data["ticket_id"], id);
        assert_eq!(one, other);
    }
}

#[tokio::test]
async fn it_begins_at_the_end_of_the_log_or_after_the_entry_that_was_seen_last() {
    let (desk, eva, _, admin) = desk().await;
    let old = eva.open(json!({})).await;
    let mut fresh = eva.listen(None).await;
    let mut resumed = eva.listen(0).await;
    let mut beyond = eva.listen(i64::MAX).await;
    let mut just_beyond = eva.listen(end_of_log(&desk).await + 1).await;
    let new = eva.open(json!({})).await;
    assert_eq!(fresh.next().await.data["ticket_id"], new);
    assert_eq!(beyond.next().await.data["ticket_id"], new);
    assert_eq!(just_beyond.next().await.data["ticket_id"], new);
    let (first, second) = (resumed.next().await, resumed.next().await);
    assert_eq!((&first.data["ticket_id"], &second.data["ticket_id"]), (&json!(old), &json!(new)));
    assert_eq!(eva.listen(first.id).await.next().await, second);
    // An admin who begins at the very beginning gets all of it.
    let mut all = admin.listen(0).await;
    for seq in 1..=second.id {
        assert_eq!(all.next().await.id, seq);
    }
}

#[tokio::test]
async fn a_place_that_is_no_number_is_refused() {
    let (desk, eva, ..) = desk().await;
    for bad in ["x", "-1", "1.5", "0x1"] {
        let request = eva.request(reqwest::Method::GET, "/events").header("last-event-id", bad);
        assert_eq!(faults(&eva.send(request).await.expect(422)), [("Last-Event-ID", "wrong_type")]);
    }
    let nobody = desk.anonymous();
    nobody.send(nobody.request(reqwest::Method::GET, "/events").header("last-event-id", "x")).await.expect(401);
}

#[tokio::test]
async fn everybody_is_told_what_they_may_see() {
    let (desk, eva, ana, admin) = desk().await;
    let tom = desk.user("tom").await;
    let (mut of_eva, mut of_tom, mut of_ana, mut of_admin) =
        (eva.listen(None).await, tom.listen(None).await, ana.listen(None).await, admin.listen(None).await);
    let id = eva.open(json!({})).await;
    ana.note(id, "secret").await;
    ana.comment(id, "hello").await;
    admin.patch("/settings", json!({"locale": "es"})).await.expect(200);
    admin.delete(&format!("/tickets/{id}")).await.expect(204);
    tom.open(json!({})).await;
    eva.open(json!({})).await;
    let end = end_of_log(&desk).await;
    let own = ["ticket.created", "comment.created", "ticket.updated", "ticket.deleted", "ticket.created"];
    assert_eq!(of_eva.names_up_to(end).await, own);
    assert_eq!(of_tom.next().await.name, "ticket.created");
    let all = [
        "ticket.created",
        "comment.created",
        "comment.created",
        "ticket.updated",
        "settings.updated",
        "ticket.deleted",
        "ticket.created",
        "ticket.created",
    ];
    let staff: Vec<&str> = all.into_iter().filter(|name| *name != "settings.updated").collect();
    assert_eq!(of_ana.names_up_to(end).await, staff);
    assert_eq!(of_admin.names_up_to(end).await, all);
}

#[tokio::test]
async fn api_tokens_listen_too() {
    let (_desk, eva, ..) = desk().await;
    let eva = eva.lasting().await;
    let mut stream = eva.listen(None).await;
    eva.open(json!({})).await;
    assert_eq!(stream.next().await.data["actor"]["via"], "api_token");
}

/// What a request with this client's token stands on.
async fn standing(desk: &Desk, client: &Client) -> Standing {
    let request = Request::get("/").header("authorization", format!("Bearer {}", client.token.as_ref().unwrap())).body(()).unwrap();
    Standing::from_request_parts(&mut request.into_parts().0, &desk.app).await.unwrap()
}

#[tokio::test]
async fn a_comment_comes_at_each_beat_which_is_every_fifteen_seconds() {
    assert_eq!(Timers::default().beat, Duration::from_secs(15));
    let (desk, eva, ..) = desk().await;
    let timers = Timers { beat: Duration::from_millis(20), ..Timers::default() };
    let end = end_of_log(&desk).await;
    let mut pieces = live::open(&desk.app, standing(&desk, &eva).await, None, end, timers).unwrap();
    let start = Instant::now();
    for _ in 0..=4 {
        assert_eq!(pieces.recv().await.unwrap()[..], *b": live\n\n");
    }
    assert!(start.elapsed() >= 4 * timers.beat, "one at once, then one for each beat");
}

#[tokio::test]
async fn an_account_and_the_desk_have_a_bounded_number_of_streams() {
    let desk = Desk::start_with(|config| {
        config.server.live_streams_per_account = 3;
        config.server.live_streams = 5;
    })
    .await;
    let (eva, ana) = (desk.user("eva").await, desk.agent("ana").await);
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(eva.listen(None).await);
    }
    let refused = eva.get("/events").await;
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
    let detail = refused.expect(429)["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("3 live streams"), "{detail}");
    streams.insert(0, ana.listen(None).await);
    streams.insert(0, ana.listen(None).await);
    let full = ana.get("/events").await;
    assert!(full.header("retry-after").parse::<u32>().unwrap() > 0);
    full.expect(503);
    // A stream that is closed makes room.
    streams.pop();
    crate::people::eventually("room again", async || (eva.get("/events").await.status == 200).then_some(())).await;
    drop(streams);
    crate::people::eventually("all are gone", async || (desk.app.live.streams() == 0).then_some(())).await;
}

#[tokio::test]
async fn a_stop_ends_the_streams_and_the_next_start_resumes_them() {
    let (mut desk, eva, ana, _) = desk().await;
    let mut stream = ana.listen(None).await;
    eva.open(json!({})).await;
    let last = stream.next().await.id;
    let missed = eva.open(json!({})).await;
    desk.restart().await;
    assert!(stream.rest().await.len() <= 1);
    let mut resumed = ana.listen(last).await;
    assert_eq!(resumed.next().await.data["ticket_id"], missed);
    let new = eva.open(json!({})).await;
    assert_eq!(resumed.next().await.data["ticket_id"], new);
}

#[tokio::test]
async fn what_the_ring_no_longer_holds_comes_from_the_storage() {
    let (desk, _, _, admin) = desk().await;
    let mut idle = admin.listen(None).await;
    idle.block().await.unwrap();
    let start = end_of_log(&desk).await;
    for _ in 0..12 {
        desk.app.store.commit(many(500, &desk)).await.unwrap();
    }
    let mut resumed = admin.listen(start).await;
    for seq in start + 1..=start + 6_000 {
        assert_eq!(idle.next().await.id, seq);
        assert_eq!(resumed.next().await.id, seq);
    }
    desk.app.store.commit(many(1, &desk)).await.unwrap();
    assert_eq!((idle.next().await.id, resumed.next().await.id), (start + 6_001, start + 6_001));
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_and_holds_little() {
    let (desk, _, _, admin) = desk().await;
    desk.app.store.commit(many(2_000, &desk)).await.unwrap();
    let timers = Timers { look: Duration::from_millis(10), patience: Duration::from_millis(100), ..Timers::default() };
    let end = end_of_log(&desk).await;
    let start = Instant::now();
    let mut pieces = live::open(&desk.app, standing(&desk, &admin).await, Some(0), end, timers).unwrap();
    crate::people::eventually("it is cut", async || (desk.app.live.streams() == 0).then_some(())).await;
    assert!(start.elapsed() >= timers.patience, "{:?}", start.elapsed());
    let mut held = 0;
    while let Some(piece) = pieces.recv().await {
        held += piece.len();
    }
    assert!(held > 0 && held < 64 * 1_024, "{held} bytes were waiting");
}

/// A reproducible source of odd numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What is known of the writing: whose each ticket is, and which comments are internal.
#[derive(Default)]
struct Written {
    creators: HashMap<i64, i64>,
    notes: HashSet<i64>,
}

impl Written {
    /// Whether an account may see an entry, by what the test itself did.
    fn may_see(&self, reader: (i64, Kind), entry: &Entry) -> bool {
        let public = entry.comment_id.is_none_or(|id| !self.notes.contains(&id.0));
        match reader {
            (_, Kind::Admin) => true,
            (_, Kind::Agent) => entry.ticket_id.is_some(),
            (id, Kind::Requester) => entry.ticket_id.is_some_and(|ticket| self.creators.get(&ticket.0) == Some(&id)) && public,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Requester,
    Agent,
    Admin,
}

/// The entries that each account shall see.
type Expected = HashMap<i64, Vec<i64>>;

/// Opens tickets as `eva`, who are answered, noted and changed.
async fn write(eva: Client, ana: Client, written: Arc<Mutex<Written>>) {
    for _ in 0..3 {
        let id = eva.open(json!({})).await;
        written.lock().unwrap().creators.insert(id, eva.id);
        ana.comment(id, "an answer").await;
        let note = ana.note(id, "a note").await;
        written.lock().unwrap().notes.insert(note);
        eva.change(id, json!({"title": "Other"})).await;
    }
}

/// Listens after `start` until the last entry that `expected` tells has come, cut and resumed at odd moments.
async fn listen(client: Client, start: i64, mut dice: Dice, mut expected: watch::Receiver<Option<Arc<Expected>>>) {
    let (mut seen, mut cuts) = (Vec::new(), 0);
    let mut stream: Listener = client.listen(start).await;
    let mut left = 1 + dice.below(40);
    loop {
        if let Some(expected) = expected.borrow_and_update().as_ref().map(|all| all[&client.id].clone())
            && seen.last() >= expected.last()
        {
            assert_eq!(seen, expected, "{} after {cuts} cuts", client.email);
            return;
        }
        tokio::select! {
            event = stream.event() => {
                seen.push(event.expect("the stream goes on").id);
                left -= 1;
                if left == 0 {
                    (left, cuts) = (1 + dice.below(120), cuts + 1);
                    stream = client.listen(*seen.last().unwrap()).await;
                }
            }
            _ = expected.changed() => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_streams_see_each_entry_once_while_many_write() {
    // Both ends of every connection are files of this process.
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files }).unwrap();
    let desk = Desk::start().await;
    let mut people = vec![(desk.admin().await, Kind::Admin)];
    for n in 0..4 {
        people.push((desk.agent(&format!("agent{n}")).await, Kind::Agent));
    }
    for n in 0..35 {
        people.push((desk.user(&format!("user{n}")).await, Kind::Requester));
    }
    let start = end_of_log(&desk).await;
    let (told, expected) = watch::channel(None);
    let listeners: Vec<_> =
        (0..500_usize).map(|n| tokio::spawn(listen(people[n % people.len()].0.clone(), start, Dice(n as u64), expected.clone()))).collect();
    let written = Arc::new(Mutex::new(Written::default()));
    let writers: Vec<_> = (0..64)
        .map(|n| {
            let (eva, ana) = (people[5 + n % 35].0.clone(), people[1 + n % 4].0.clone());
            tokio::spawn(write(eva, ana, written.clone()))
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    // One last thing of each requester, so that every stream has an end to wait for.
    for (eva, _) in people.iter().filter(|(_, kind)| *kind == Kind::Requester) {
        let id = eva.open(json!({})).await;
        written.lock().unwrap().creators.insert(id, eva.id);
    }
    let query = EntryQuery { ticket: None, internal: true, from: From::After(start), limit: 100_000 };
    let log = desk.app.store.entries(&query).await.unwrap();
    assert!(log.len() > 64 * 3 * 4, "{}", log.len());
    let visible = |who: &(Client, Kind)| {
        let written = written.lock().unwrap();
        log.iter().filter(|entry| written.may_see((who.0.id, who.1), entry)).map(|entry| entry.seq).collect::<Vec<_>>()
    };
    told.send_replace(Some(Arc::new(people.iter().map(|who| (who.0.id, visible(who))).collect())));
    for listener in listeners {
        tokio::time::timeout(Duration::from_secs(60), listener).await.expect("it sees all that it may").unwrap();
    }
}

#[tokio::test]
async fn the_same_answer_is_given_to_everybody_without_a_good_token() {
    let desk = Desk::start().await;
    let nobody = anonymised(desk.anonymous().get("/events").await.expect(401));
    assert_eq!(anonymised(desk.anonymous().with_token("x").get("/events").await.expect(401)), nobody);
}
