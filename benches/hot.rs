//! The pure parts that run with every request, every change and every point, and the reference that stores are tested against: `cargo bench`.

use std::{collections::HashMap, hint::black_box, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use taquilla::{
    activity::model::Entry,
    app::{App, AppState, Clock},
    auth::model::{Actor, Session, Via},
    config::Config,
    input::FieldValue,
    metrics::{line_protocol::Point, points},
    tickets::{
        inputs::{NewComment, NewTicket},
        model::{Comment, Priority, Status, Ticket, TicketView},
        pages::{Page, Pages},
        query::{Scope, TicketQuery},
        search::{Words, terms},
        sla::SlaTargets,
        written::{Shown, Written},
    },
    types::{self, CommentId, Secret, SessionId, TicketId, Timestamp, UserId},
    users::model::User,
};

/// As in the desk.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const DESCRIPTION: &str = "Since this morning the laptop does not find the printer on the third floor. Wi-Fi works, the VPN too, and the \
                           other people of the office print without trouble. I have restarted both twice; after that the queue \
                           shows “waiting for the device” and nothing else happens. The serial number is PC-0421.";
const SPANISH: &str = "Desde esta mañana el portátil no encuentra la impresora de la tercera planta. La conexión funciona, la VPN también, \
                       y los demás imprimen sin problemas. He reiniciado los dos equipos dos veces; después la cola muestra «esperando \
                       al dispositivo» y no ocurre nada más. ¿Qué puedo hacer? El número de serie es PC-0421.";

/// So many milliseconds after the day that all of this happens on.
fn at(millis: i64) -> Timestamp {
    Timestamp::from_micros(1_790_000_000_000_000 + millis * 1_000)
}

/// Reads what somebody sends.
fn input<T: FieldValue>(value: Value) -> T {
    T::from_json(value).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// A desk with one admin, for its keys and its account.
fn desk() -> (tempfile::TempDir, AppState, User) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = Config::default();
    config.storage.url = format!("sled:{}", folder.path().join("data").display());
    config.bootstrap.admin_email = Some("admin@example.com".into());
    config.bootstrap.admin_password = Some(Secret::new("an opening pass phrase"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (app, admin) = runtime.block_on(async {
        let app = App::build(config, Clock::System).await.expect("a desk");
        let admin = app.store.user(UserId(1)).await.expect("a storage").expect("an admin");
        (app, admin.as_ref().clone())
    });
    (folder, app, admin)
}

/// A ticket, its entry, and three comments on it.
fn ticket(id: i64, admin: &User) -> (Ticket, Entry, Vec<Comment>) {
    let actor = Actor::person(admin, Via::Session, None);
    let new = json!({
        "title": format!("Laptop {id} does not print on floor 3"), "description": DESCRIPTION, "priority": "high", "tags": ["printer", "vpn"],
    });
    let opened = Ticket::open(TicketId(id), input::<NewTicket>(new), &actor, admin, SlaTargets::default(), at(id));
    let (ticket, entry) = opened.expect("a ticket");
    let say = |number: i64| {
        let content = json!({ "content": format!("Try number {number}: please switch the printer off for a minute. {DESCRIPTION}") });
        ticket.comment(CommentId(id * 3 + number), input::<NewComment>(content), &actor, at(id + number)).expect("a comment").comment
    };
    let comments = (0..3).map(say).collect();
    (ticket, Entry::at_seq(id, entry), comments)
}

fn tokens(c: &mut Criterion) {
    let (_folder, app, admin) = desk();
    let now = Timestamp::now_by_the_clock();
    let session = Session {
        id: SessionId(1),
        user_id: admin.id,
        family: [0; 32],
        live: Vec::new(),
        spent: Vec::new(),
        cookie: false,
        created_at: now,
        last_used_at: now,
        expires_at: now,
        address: String::new(),
        user_agent: String::new(),
        version: 1,
    };
    // More than are remembered as well signed, so that by turns none of them is.
    let all: Vec<Secret> = (0..16_384).map(|_| app.keys.access_token(&session, now).expect("a token")).collect();
    let known = all[0].expose();
    c.bench_function("token check, seen before", |b| b.iter(|| app.keys.check(black_box(known), now)));
    let mut turns = all.iter().cycle();
    c.bench_function("token check, new", |b| b.iter(|| app.keys.check(black_box(turns.next().expect("endless").expose()), now)));
}

fn queries(c: &mut Criterion) {
    let (_folder, _, admin) = desk();
    let tickets: Vec<_> = (1..=100).map(|id| ticket(id, &admin)).collect();
    let filters = TicketQuery {
        status: vec![Status::Open, Status::Pending],
        priority: vec![Priority::High],
        tags: vec!["vpn".into()],
        ..TicketQuery::all(Scope::All)
    };
    let words = TicketQuery { words: Words::parse("printer minute seri"), ..filters.clone() };
    let mut group = c.benchmark_group("query matching, 100 tickets");
    group.throughput(Throughput::Elements(100));
    group.bench_function("filters", |b| b.iter(|| tickets.iter().filter(|(ticket, ..)| filters.matches_row(black_box(ticket))).count()));
    group.bench_function("words too", |b| {
        b.iter(|| tickets.iter().filter(|(ticket, _, comments)| words.matches(black_box(ticket), comments)).count());
    });
    group.finish();
}

fn cutting(c: &mut Criterion) {
    let mut group = c.benchmark_group("term cutting");
    for (language, text) in [("English", DESCRIPTION), ("Spanish", SPANISH)] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(language, |b| b.iter(|| terms(black_box(text)).count()));
    }
    group.finish();
}

fn lists(c: &mut Criterion) {
    let (_folder, _, admin) = desk();
    let tickets: Vec<_> = (1..=50).map(|id| Arc::new(ticket(id, &admin).0)).collect();
    let view = |ticket: &Arc<Ticket>| ticket.view(true, at(60_000), |_| admin.full_name.clone());
    let names: HashMap<_, _> = [(admin.id, admin.full_name.clone())].into();
    let shown = Shown { notes: true, now: at(60_000), names: &names };
    let written = Written::default();
    let mut group = c.benchmark_group("list of 50");
    group.throughput(Throughput::Elements(50));
    group.bench_function("views", |b| b.iter(|| black_box(&tickets).iter().map(view).collect::<Vec<_>>()));
    group.bench_function("views as JSON", |b| {
        b.iter(|| serde_json::to_vec(&black_box(&tickets).iter().map(view).collect::<Vec<TicketView>>()).expect("JSON"));
    });
    group.bench_function("JSON that is remembered", |b| b.iter(|| written.list(black_box(&tickets), &shown).expect("JSON")));
    group.finish();
}

/// A page of 50 that is kept, and given again after so many others that it has been left packed alone.
fn pages(c: &mut Criterion) {
    let (_folder, _, admin) = desk();
    let tickets: Vec<_> = (1..=50).map(|id| Arc::new(ticket(id, &admin).0)).collect();
    let names: HashMap<_, _> = [(admin.id, admin.full_name.clone())].into();
    let shown = Shown { notes: true, now: at(60_000), names: &names };
    let json = Written::default().list(&tickets, &shown).expect("JSON").into();
    let page = Page { json, next: None, total: None };
    let asked =
        |number| (TicketQuery { creator: Some(UserId(number)), ..TicketQuery::all(Scope::All) }, types::Page { after: None, limit: 50 });
    let pages = Pages::default();
    let mut group = c.benchmark_group("page of 50");
    let mut numbers = (0..1_000).cycle();
    let mut next = || asked(numbers.next().expect("endless"));
    group.bench_function("kept", |b| b.iter(|| pages.keep(next(), 0, at(60_000), black_box(&tickets), &page)));
    for number in 0..1_000 {
        pages.keep(asked(number), 0, at(60_000), &tickets, &page);
    }
    group.bench_function("given again", |b| {
        b.iter(|| {
            let asked = next();
            let kept = pages.of(&asked, at(60_000)).expect("there is room for it");
            pages.page(&asked, &kept).expect("memory")
        });
    });
    group.finish();
}

fn lines(c: &mut Criterion) {
    let (_folder, _, admin) = desk();
    let entries: Vec<Entry> = (1..=500).map(|id| ticket(id, &admin).1).collect();
    let mut agents = points::Agents::default();
    let all: Vec<Point> = entries.iter().flat_map(|entry| points::points(entry, &mut agents)).collect();
    assert_eq!(all.len(), entries.len(), "each entry gives its point");
    let mut group = c.benchmark_group("line protocol, 500 entries");
    group.throughput(Throughput::Elements(500));
    group.bench_function("points", |b| {
        b.iter(|| black_box(&entries).iter().flat_map(|entry| points::points(entry, &mut agents)).count());
    });
    group.bench_function("lines", |b| {
        b.iter(|| {
            let mut lines = Vec::with_capacity(all.len() * 128);
            for point in black_box(&all) {
                point.write(&mut lines);
            }
            lines
        });
    });
    group.finish();
}

criterion_group!(hot, tokens, queries, cutting, lists, pages, lines);
criterion_main!(hot);
