//! What a store on PostgreSQL has read it need not read again for as long as nothing has changed. These tests have a server of their own,
//! since every write on a server counts as a change; and lock tables to see from where an answer comes.

use std::sync::Arc;

use sqlx::{Connection as _, PgConnection};
use taquilla::{
    activity::model::Action,
    store::{Activities, Addition, Analytics, Changes, IdKind, Sessions, Store, Tickets, Users, moment, postgres::PgStore},
    tickets::{
        model::{Comment, Priority, Status, Ticket},
        query::{Scope, Sort, SortBy, TicketQuery},
        search::Words,
    },
    types::{Page, SessionId, UserId},
    users::model::User,
};

use super::build::{self, *};
use crate::support::{
    cluster::Cluster,
    postgres::{options, quiet},
};

/// Two instances on a database of a server that nobody else uses.
struct Quiet {
    cluster: Cluster,
    store: Arc<PgStore>,
    other: Arc<PgStore>,
    ticket: Ticket,
    user: User,
}

/// All that an instance remembers, as it answers.
#[derive(Debug, PartialEq)]
struct Answers {
    ticket: Ticket,
    name: String,
    active: bool,
    organisation: Option<String>,
    list: Vec<Ticket>,
    found: Vec<Ticket>,
    revision: Option<u64>,
    live: bool,
}

const SESSION: SessionId = SessionId(1_000);

impl Quiet {
    async fn new() -> Self {
        let cluster = quiet().await;
        let (store, other) = (open(&cluster).await, open(&cluster).await);
        let user = add_user(&*other, "ana@example.org").await;
        commit(&*other, Changes::new().insert(session(SESSION.0, user.id.0, 9_000)).overwrite(settings("Desk", 1))).await;
        let ticket = open_ticket(&*other).await;
        let ticket = stored(&*other, ticket.id).await;
        let desk = Self { cluster, store, other, ticket, user };
        desk.settle().await;
        desk
    }

    /// Waits until nothing is under way any more: counters that are to be summed up, an end of the log that is to be told.
    async fn settle(&self) {
        sqlx::query("SELECT taquilla.sum_figures()").execute(&mut self.connect().await).await.unwrap();
        let end = (*self.store.durable_seq().borrow()).max(*self.other.durable_seq().borrow());
        for store in [&self.store, &self.other] {
            store.durable_seq().wait_for(|known| *known >= end).await.unwrap();
        }
    }

    async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.cluster.url("desk")).await.unwrap()
    }

    /// What the first instance answers within one request.
    async fn answers(&self) -> Answers {
        moment::within(self.answers_of(&self.store)).await
    }

    /// What an instance answers that remembers nothing.
    async fn truth(&self) -> Answers {
        self.answers_of(&*open(&self.cluster).await).await
    }

    async fn answers_of(&self, store: &PgStore) -> Answers {
        let page = Page { after: None, limit: 10 };
        let list = async |query: TicketQuery| -> Vec<Ticket> {
            store.tickets(&query, page).await.unwrap().rows.iter().map(|ticket| (**ticket).clone()).collect()
        };
        let user = store.user(self.user.id).await.unwrap().unwrap();
        Answers {
            ticket: stored(store, self.ticket.id).await,
            name: store.names(&[self.user.id, UserId(77)]).await.unwrap().remove(&self.user.id).unwrap(),
            active: user.is_active,
            organisation: store.settings().await.unwrap().organisation_name.clone(),
            list: list(TicketQuery::all(Scope::All)).await,
            found: list(TicketQuery { words: Words::parse("ticket"), ..TicketQuery::all(Scope::All) }).await,
            revision: store.revision().await.unwrap(),
            live: store.session(SESSION).await.unwrap().is_some(),
        }
    }

    /// The same, after it has been asked twice, so that all of it is remembered.
    async fn remembered(&self) -> Answers {
        self.answers().await;
        self.answers().await
    }

    /// Has nobody read tables of the content for as long as the connection has its transaction.
    async fn locked(&self) -> PgConnection {
        let mut connection = self.connect().await;
        sqlx::raw_sql("BEGIN; LOCK TABLE taquilla.tickets, taquilla.users, taquilla.singles").execute(&mut connection).await.unwrap();
        connection
    }
}

async fn open(cluster: &Cluster) -> Arc<PgStore> {
    PgStore::open(options(cluster.url("desk"))).await.expect("the store opens")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_is_told_again_without_reading_it_and_what_is_written_all_the_time_changes_nothing() {
    let desk = Quiet::new().await;
    let before = desk.remembered().await;
    desk.other.index_texts().await.unwrap();
    let _lock = desk.locked().await;
    assert_eq!(desk.answers().await, before, "texts are found as before when they have been moved to the index");
    for n in 1..=3 {
        assert!(desk.other.lease("job", 1, 60).await.unwrap());
        assert!(!desk.store.lease("job", 2, 60).await.unwrap(), "whoever does not get one writes nothing");
        for _ in 0..5 {
            desk.other.ready().await.unwrap();
        }
        // In all more than a sequence gives out before it notes how far it is.
        for _ in 0..14 {
            desk.other.reserve(IdKind::Comment).await.unwrap();
        }
        commit(&*desk.other, Changes::new().add(Addition::SessionUsed(SESSION, at(n)))).await;
        assert_eq!(desk.answers().await, before);
        let used = moment::within(desk.store.session(SESSION)).await.unwrap().unwrap();
        assert_eq!(used.last_used_at, at(n), "the session itself is read again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_in_the_log_is_no_news_of_tickets() {
    let desk = Quiet::new().await;
    desk.remembered().await;
    let mut connection = desk.connect().await;
    // As a desk writes, but for the place, which follows in a transaction of its own.
    let rename = "WITH made AS (INSERT INTO taquilla.commits (token, entries) VALUES (1, 1) RETURNING nr) \
                  INSERT INTO taquilla.entries (commit_nr, follow, action, internal, body) SELECT nr, 0, 'ticket.updated', false, '{}' FROM made";
    let title = async |desk: &Quiet| moment::within(stored(&*desk.store, desk.ticket.id)).await.title;
    for n in 1..=3 {
        let named = format!("By hand {n}");
        sqlx::raw_sql("BEGIN; SELECT pg_advisory_xact_lock(8391837, 1)").execute(&mut connection).await.unwrap();
        sqlx::query(rename).execute(&mut connection).await.unwrap();
        sqlx::query("UPDATE taquilla.tickets SET title = $1").bind(&named).execute(&mut connection).await.unwrap();
        sqlx::raw_sql("COMMIT").execute(&mut connection).await.unwrap();
        assert_eq!(title(&desk).await, named);
        let lock = desk.locked().await;
        sqlx::query("SELECT taquilla.number_log(0)").execute(&mut connection).await.unwrap();
        assert_eq!(title(&desk).await, named, "it is not read again");
        drop(lock);
    }
}

/// A comment is what a desk writes most. What it does not reach is not read again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comment_is_no_news_of_people_counters_other_tickets_and_searches_for_other_words() {
    let desk = Quiet::new().await;
    let Quiet { store, other, ticket, .. } = &desk;
    let about = open_ticket(&**other).await;
    let of_another = TicketQuery { creator: Some(UserId(999)), ..TicketQuery::all(Scope::All) };
    let found = async |typed: &str| {
        let query = TicketQuery { words: Words::parse(typed), ..TicketQuery::all(Scope::All) };
        store.tickets(&query, Page { after: None, limit: 10 }).await.unwrap().rows.iter().map(|found| found.id).collect::<Vec<_>>()
    };
    let read = async || {
        let list = store.tickets(&of_another, Page { after: None, limit: 10 }).await.unwrap().rows;
        let revision = store.revision().await.unwrap();
        let (user, settings) = (store.user(desk.user.id).await.unwrap(), store.settings().await.unwrap());
        (
            stored(&**store, ticket.id).await,
            list,
            found("elephant").await,
            revision,
            user,
            settings,
            store.names(&[desk.user.id]).await.unwrap(),
        )
    };
    desk.settle().await;
    read().await;
    let before = moment::within(read()).await;
    for (n, words) in (0..).zip(["paper", "tonerless", "elephan and lephant"]) {
        let written = comment(about.id.0, other.reserve(IdKind::Comment).await.unwrap(), words);
        commit(&**other, commented(&written, about.version)).await;
        // A look at what has changed needs the texts of comments, and no more.
        let mut connection = desk.connect().await;
        let lock = "BEGIN; LOCK TABLE taquilla.tickets, taquilla.users, taquilla.singles, taquilla.figures, taquilla.figure_moves";
        sqlx::raw_sql(lock).execute(&mut connection).await.unwrap();
        assert_eq!(moment::within(read()).await, before);
        drop(connection);
        assert_eq!(moment::within(stored(&**store, about.id)).await.public_comments, n + 1);
        assert_eq!(moment::within(found(words.split(' ').next().unwrap())).await, [about.id]);
    }
    assert_eq!(moment::within(found("elephan")).await, [about.id]);
    for (words, whom) in [("An elephant!", &about), ("elephants", ticket)] {
        let mut expected = moment::within(found("elephant")).await;
        let written = comment(whom.id.0, other.reserve(IdKind::Comment).await.unwrap(), words);
        commit(&**other, commented(&written, whom.version)).await;
        expected.push(whom.id);
        let mut now = moment::within(found("elephant")).await;
        now.sort();
        expected.sort();
        assert_eq!(now, expected, "{words}");
    }
}

/// Which tickets belong to a page, and in which order, is not looked for again when one of them has changed and stays where it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_page_that_shows_what_has_changed_that_alone_is_read_again() {
    let desk = Quiet::new().await;
    let Quiet { store, other, .. } = &desk;
    let about = open_ticket(&**other).await;
    let query = TicketQuery { words: Words::parse("ticket"), ..TicketQuery::all(Scope::All) };
    let page = async |store: &PgStore| moment::within(store.tickets(&query, Page { after: None, limit: 10 })).await.unwrap();
    desk.settle().await;
    page(store).await;
    // The first time nobody had looked yet.
    page(store).await;
    for n in 1..=3 {
        let written = comment(about.id.0, other.reserve(IdKind::Comment).await.unwrap(), "paper");
        commit(&**other, commented(&written, about.version)).await;
        let mut connection = desk.connect().await;
        sqlx::raw_sql("BEGIN; LOCK TABLE taquilla.search_stretches").execute(&mut connection).await.unwrap();
        let now = page(store).await;
        assert_eq!(now.rows.iter().map(|ticket| ticket.public_comments).collect::<Vec<_>>(), [n, 0]);
        sqlx::raw_sql("LOCK TABLE taquilla.tickets").execute(&mut connection).await.unwrap();
        assert_eq!(page(store).await, now, "nor is that read once more");
        drop(connection);
        assert_eq!(page(&*open(&desk.cluster).await).await, now);
    }
}

/// Whatever is said of a commit's reach, what comes is what a store that remembers nothing reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_and_searches_are_those_of_a_store_that_remembers_nothing_after_comments_and_their_changes() {
    let desk = Quiet::new().await;
    let Quiet { store, other, .. } = &desk;
    let mut tickets = Vec::new();
    for _ in 0..3 {
        tickets.push(open_ticket(&**other).await);
    }
    let queries: Vec<TicketQuery> = [None, Words::parse("paper"), Words::parse("paper jam"), Words::parse("ticket")]
        .into_iter()
        .flat_map(|words| [SortBy::CreatedAt, SortBy::UpdatedAt].map(|by| (words.clone(), by)))
        .map(|(words, by)| TicketQuery { words, sort: Sort { by, descending: true }, ..TicketQuery::all(Scope::All) })
        .chain([
            TicketQuery { updated_after: Some(at(50)), ..TicketQuery::all(Scope::All) },
            TicketQuery { updated_before: Some(at(50)), ..TicketQuery::all(Scope::All) },
            TicketQuery { words: Words::parse("paper"), ..TicketQuery::all(Scope::Requester(tickets[0].creator_id)) },
        ])
        .collect();
    let answers = async |store: &PgStore| {
        let mut answers = Vec::new();
        for query in &queries {
            let page = store.tickets(query, Page { after: None, limit: 2 }).await.unwrap();
            answers.push((page.rows, page.next, page.total));
        }
        answers
    };
    let check = async |what: &str| {
        let remembered = moment::within(answers(store)).await;
        assert_eq!(remembered, answers(&*open(&desk.cluster).await).await, "{what}");
    };
    check("at first").await;
    for (n, ticket) in tickets.iter().enumerate() {
        // More words than are looked at one by one.
        let long = (0..2_000).map(|n| format!("w{n}")).chain(["paper".into()]).collect::<Vec<_>>().join(" ");
        for (words, internal) in
            [("paper", true), ("paper", false), ("a jam of the paper", false), ("nothing of note", false), (&long, false)]
        {
            let written = comment(ticket.id.0, other.reserve(IdKind::Comment).await.unwrap(), words);
            let written = Comment { is_internal: internal, updated_at: at(100), ..written };
            commit(&**other, commented(&written, ticket.version)).await;
            check(words).await;
            let edited = Comment { content: "other words".into(), version: 2, ..written.clone() };
            if n == 0 {
                commit(&**other, Changes::new().update(edited).log(comment_entry(Action::CommentUpdated, &written))).await;
                check("edited").await;
            }
        }
    }
    let closed = changed(&stored(&**other, tickets[1].id).await, |ticket| ticket.status = Status::Closed);
    commit(&**other, Changes::new().update(closed).log(ticket_entry(Action::TicketUpdated, tickets[1].id))).await;
    check("closed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_anybody_changes_is_seen_by_the_next_request() {
    let desk = Quiet::new().await;
    let mut connection = desk.connect().await;
    assert!(desk.store.lease("job", 1, 60).await.unwrap());
    let mut before = desk.remembered().await;
    let mut now = async |what: &str| {
        let after = desk.answers().await;
        // A revision counts the states that an instance has seen.
        assert_eq!(after, Answers { revision: after.revision, ..desk.truth().await }, "{what}");
        assert_ne!(after, before, "{what}");
        before = desk.remembered().await;
    };
    // By another instance, by this one, and by hand.
    let renamed = changed(&desk.ticket, |ticket| ticket.title = "Another ticket".into());
    commit(&*desk.other, Changes::new().update(renamed.clone())).await;
    now("a title").await;
    let closed = changed(&renamed, |ticket| ticket.status = Status::Closed);
    commit(&*desk.store, Changes::new().update(closed)).await;
    now("a status").await;
    commit(&*desk.other, opened(&ticket(desk.other.reserve(IdKind::Ticket).await.unwrap()))).await;
    now("one more ticket").await;
    commit(&*desk.other, Changes::new().overwrite(settings("Another desk", 2))).await;
    now("a setting").await;
    for (statement, what) in [
        ("UPDATE taquilla.users SET full_name = 'Eva'", "a name"),
        ("UPDATE taquilla.users SET is_active = false", "an account"),
        ("UPDATE taquilla.tickets SET title = 'By hand'", "a title by hand"),
        ("BEGIN; UPDATE taquilla.users SET is_active = true; UPDATE taquilla.leases SET expires_at = now(); COMMIT", "beside a lease"),
        ("DELETE FROM taquilla.sessions", "a session that is gone"),
    ] {
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
        now(what).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_answered_as_of_its_beginning_until_it_writes_or_hears_something() {
    let desk = Quiet::new().await;
    desk.remembered().await;
    desk.settle().await;
    let Quiet { store, other, .. } = &desk;
    let title = async || stored(&**store, desk.ticket.id).await.title;
    let rename = async |store: &PgStore, to: &str| {
        let renamed = changed(&stored(store, desk.ticket.id).await, |ticket| ticket.title = to.into());
        commit(store, Changes::new().update(renamed).log(ticket_entry(Action::TicketUpdated, desk.ticket.id))).await
    };
    moment::within(async {
        let first = title().await;
        let mut connection = desk.connect().await;
        sqlx::query("UPDATE taquilla.tickets SET title = 'By hand'").execute(&mut connection).await.unwrap();
        assert_eq!(title().await, first, "one look serves the whole request");
        rename(store, "By this one").await;
        assert_eq!(title().await, "By this one");
    })
    .await;
    desk.remembered().await;
    desk.settle().await;
    moment::within(async {
        assert_eq!(title().await, "By this one");
        let mut end = store.durable_seq();
        let (seq, heard) = tokio::join!(rename(other, "By another one"), end.changed());
        heard.unwrap();
        assert!(*end.borrow() >= seq);
        assert_eq!(title().await, "By another one");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_is_not_taken_for_the_one_of_before() {
    let desk = Quiet::new().await;
    let before = desk.remembered().await;
    desk.cluster.stop("KILL");
    desk.cluster.start_again();
    let after = desk.answers().await;
    assert_ne!(after.revision, before.revision);
    assert_eq!(after, Answers { revision: after.revision, ..before });
    let mut connection = desk.connect().await;
    sqlx::query("UPDATE taquilla.tickets SET title = 'By hand'").execute(&mut connection).await.unwrap();
    assert_eq!(desk.answers().await.ticket.title, "By hand");
}

/// A dashboard is kept under the revision that was asked for before it was made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_revision_is_another_one_after_whatever_shows_in_a_dashboard_and_only_then() {
    let desk = Quiet::new().await;
    let Quiet { store, other, ticket, .. } = &desk;
    desk.settle().await;
    let revision = async || moment::within(store.revision()).await.unwrap().unwrap();
    let mut seen = vec![revision().await];
    let urgent = changed(ticket, |ticket| ticket.priority = Priority::Critical);
    let before = stored_user(other, desk.user.id).await;
    let renamed = User { full_name: "Eva".into(), version: before.version + 1, ..before };
    for changes in [
        Changes::new().update(urgent.clone()).log(ticket_entry(Action::TicketUpdated, ticket.id)),
        Changes::new().update(renamed.clone()).log(entry(Action::UserUpdated).about_user(renamed.id)),
        opened(&build::ticket(other.reserve(IdKind::Ticket).await.unwrap())),
    ] {
        commit(&**other, changes).await;
        desk.settle().await;
        let now = revision().await;
        assert!(!seen.contains(&now), "{now} was there before: {seen:?}");
        let written = comment(ticket.id.0, other.reserve(IdKind::Comment).await.unwrap(), "words");
        commit(&**other, commented(&written, urgent.version)).await;
        desk.settle().await;
        assert_eq!(revision().await, now, "no dashboard shows a comment");
        seen.push(now);
    }
    let mut connection = desk.connect().await;
    sqlx::query("UPDATE taquilla.users SET full_name = 'By hand'").execute(&mut connection).await.unwrap();
    let now = revision().await;
    assert!(!seen.contains(&now), "{now} was there before: {seen:?}");
    assert_eq!(store.names(&[renamed.id]).await.unwrap()[&renamed.id], "By hand");
}

async fn stored_user(store: &PgStore, id: UserId) -> User {
    (*store.user(id).await.unwrap().unwrap()).clone()
}
