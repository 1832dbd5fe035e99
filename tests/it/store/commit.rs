//! Commits: all or nothing, expectations, guards, additions, unique values, and that the very next read sees them.

use taquilla::{
    activity::{chain::ChainBlock, model::Action},
    auth::model::Session,
    store::{Addition, Changes, Expect, Field, IdKind, Row, RowKey, Store, StoreError, Write},
    tickets::{
        model::{Priority, Status, Ticket},
        query::{Scope, TicketQuery},
        search::Words,
    },
    types::{CommentId, SessionId, TicketId, UserId},
    users::model::{User, UserQuery},
};

use super::{
    ask::{Found, Question, about, ask, everything, ids},
    build::*,
    model::Model,
    site::Site,
};

on_every_store!(
    a_refused_commit_leaves_nothing,
    a_write_is_made_when_its_row_is_as_expected,
    a_removal_is_made_when_its_row_is_as_expected,
    tickets_comments_and_accounts_are_never_removed,
    expectations_are_judged_before_any_write,
    a_guard_holds_only_while_its_row_has_that_version,
    a_guard_leaves_its_row_alone,
    success_raises_the_version_by_one,
    a_commit_is_in_the_very_next_read,
    a_commit_of_nothing_is_accepted,
);

/// Rows of every kind, as they are when they are new.
fn one_of_each() -> Vec<Row> {
    vec![
        ticket(77).into(),
        comment(1, 77, "text").into(),
        user(77, "new@example.com").into(),
        session(77, 1, 100).into(),
        token(77, 1).into(),
        roster(&[1], 1).into(),
        settings("Desk", 1).into(),
        setup_token(1, 1).into(),
        signing_secret(1).into(),
        cursor("mail", 0, 1).into(),
        preferences(7, "mine", 1).into(),
        answer(answer_key(1, 77), 0, "{}").into(),
        ChainBlock::from_parts(77, vec![7; 80]).into(),
    ]
}

fn put(row: &Row, expect: Expect) -> Changes {
    let mut row = row.clone();
    row.set_version(match expect {
        Expect::Version(version) => version + 1,
        Expect::New | Expect::Any => 1,
    });
    Changes { writes: vec![Write::Put(Box::new(row), expect)], ..Changes::new() }
}

/// The version of a row as its readers see it; 0 when there is none.
async fn version(store: &dyn Store, row: &Row) -> i64 {
    match ask(store, &about(row)[0]).await.expect("the store reads") {
        Found::Ticket(found) => found.map_or(0, |row| row.version),
        Found::Comment(found) => found.map_or(0, |row| row.version),
        Found::User(found) => found.map_or(0, |row| row.version),
        Found::Session(found) => found.map_or(0, |row| row.version),
        Found::ApiToken(found) => found.map_or(0, |row| row.version),
        Found::Roster(row) => row.version,
        Found::Settings(row) => row.version,
        Found::SetupToken(found) => found.map_or(0, |row| row.version),
        Found::SigningSecret(found) => found.map_or(0, |row| row.version),
        Found::Cursor(row) => row.version,
        Found::Answer(found) => found.map_or(0, |_| 1),
        Found::Preferences(found) => found.map_or(0, |row| row.version),
        Found::Chain(found) => found.first().map_or(0, |row| row.version),
        found => panic!("no row: {found:?}"),
    }
}

/// Everything that can be asked about what these tests write.
async fn dump(store: &dyn Store, known: &Model) -> Vec<Found> {
    let mut found = Vec::new();
    for question in everything(&known.state()) {
        found.push(ask(store, &question).await.expect("the store reads"));
    }
    found
}

async fn a_refused_commit_leaves_nothing(site: Site) {
    let (ticket, user) = (open_ticket(&*site).await, add_user(&*site, "ana@example.com").await);
    let session = session(site.id(IdKind::Session).await, user.id.0, 100);
    commit(&*site, Changes::new().insert(session.clone())).await;
    let (fresh_ticket, fresh_user) = (site.id(IdKind::Ticket).await, site.id(IdKind::User).await);
    let fresh_comment = site.id(IdKind::Comment).await;

    let blank_ticket = super::build::ticket(fresh_ticket);

    // Everything that a commit can do, good as such, in three parts between which the bad one stands.
    let newcomer = user_named(fresh_user, "bea@example.com", "Bea Newcomer");
    let good: [Box<dyn Fn(Changes) -> Changes>; 3] = [
        Box::new(|changes| changes.insert(Ticket { title: "zebra crossing".into(), ..blank_ticket.clone() }).insert(newcomer.clone())),
        Box::new(|changes| {
            let comment = comment(ticket.id.0, fresh_comment, "giraffe");
            changes.add(counted(&comment, 1)).insert(comment).overwrite(settings("Other", 1)).overwrite(cursor("mail", 9, 1))
        }),
        Box::new(|changes| {
            let moved = changed(&ticket, |t| t.priority = Priority::Critical);
            changes.update(moved).add(Addition::SessionUsed(session.id, at(99))).guard(RowKey::User(user.id), 1)
        }),
    ];
    let stale = || Changes::new().update(Session { version: 9, ..session.clone() });
    let bad: Vec<(&str, Changes, StoreError)> = vec![
        ("a version that is not there", stale(), StoreError::Stale),
        ("a row that is there already", Changes::new().insert(session.clone()), StoreError::Duplicate(Field::Id)),
        ("a removal of another version", Changes::new().delete(RowKey::Session(session.id), Expect::Version(2)), StoreError::Stale),
        (
            "a removal of a row that is not there",
            Changes::new().delete(RowKey::Session(SessionId(99)), Expect::Version(1)),
            StoreError::Stale,
        ),
        ("a guard of another version", Changes::new().guard(RowKey::Session(session.id), 2), StoreError::Stale),
        ("a guard of no row", Changes::new().guard(RowKey::Session(session.id), 0), StoreError::Stale),
        ("a guard of a row that is not there", Changes::new().guard(RowKey::Ticket(TicketId(fresh_ticket)), 1), StoreError::Stale),
        (
            "a taken address",
            Changes::new().insert(user_named(fresh_user + 1, "ana@example.com", "Another Ana")),
            StoreError::Duplicate(Field::Email),
        ),
    ];

    let known = Model::default();
    let all_good = good.iter().fold(Changes::new(), |changes, part| part(changes));
    let rows = |write: &Write| if let Write::Put(row, _) = write { Some(row.as_ref().clone()) } else { None };
    let wished = all_good.writes.iter().filter_map(rows).chain([Row::Session(session.clone()), Row::User(user.clone())]);
    known.apply(&wished.fold(Changes::new(), Changes::overwrite)).expect("what could have been written");
    let before = dump(&*site, &known).await;
    let seq = *site.durable_seq().borrow();

    for (what, bad, reason) in bad {
        for place in 0..=good.len() {
            let mut changes = Changes::new().log(ticket_entry(Action::TicketUpdated, ticket.id));
            for (i, part) in good.iter().enumerate() {
                if i == place {
                    changes = joined(changes, &bad);
                }
                changes = part(changes);
            }
            if place == good.len() {
                changes = joined(changes, &bad);
            }
            let refused = site.commit(changes.log(entry(Action::SettingsUpdated))).await;
            assert_eq!(refused, Err(reason.clone()), "{what}, at place {place}");
            assert_eq!(dump(&*site, &known).await, before, "{what}, at place {place}, left something");
        }
    }
    for typed in ["zebra", "giraffe"] {
        let query = TicketQuery { words: Words::parse(typed), ..TicketQuery::all(Scope::All) };
        assert_eq!(ids(&*site, &query, 50).await, [0_i64; 0], "{typed}");
    }
    // What was refused can be had now: the address is free, the log has no hole.
    let last = commit(&*site, all_good.log(entry(Action::UserCreated))).await;
    assert_eq!(last, seq + 1);
    assert_eq!(site.user_by_email(&newcomer.email).await.unwrap().unwrap().id, newcomer.id);
}

fn user_named(id: i64, email: &str, name: &str) -> User {
    User { full_name: name.into(), ..user(id, email) }
}

fn joined(mut changes: Changes, more: &Changes) -> Changes {
    changes.writes.extend(more.writes.iter().cloned());
    changes.guards.extend(more.guards.iter().cloned());
    changes.additions.extend(more.additions.iter().copied());
    changes.log.extend(more.log.iter().cloned());
    changes
}

async fn a_write_is_made_when_its_row_is_as_expected(site: Site) {
    open_ticket(&*site).await;
    for row in one_of_each() {
        let taken = match row {
            Row::Ticket(_) | Row::Comment(_) | Row::User(_) | Row::Session(_) | Row::ApiToken(_) => StoreError::Duplicate(Field::Id),
            Row::Answer(_) => StoreError::Duplicate(Field::IdempotencyKey),
            _ => StoreError::Stale,
        };
        let key = row.key();
        assert_eq!(site.commit(put(&row, Expect::Version(1))).await, Err(StoreError::Stale), "{key:?} is not there");
        assert_eq!(version(&*site, &row).await, 0, "{key:?}");
        commit(&*site, put(&row, Expect::New)).await;
        assert_eq!(version(&*site, &row).await, 1, "{key:?}");
        assert_eq!(site.commit(put(&row, Expect::New)).await, Err(taken), "{key:?} is there");
        assert_eq!(site.commit(put(&row, Expect::Version(2))).await, Err(StoreError::Stale), "{key:?} has version 1");
        assert_eq!(version(&*site, &row).await, 1, "{key:?}");
        if matches!(row, Row::Answer(_) | Row::ChainBlock(_)) {
            continue;
        }
        commit(&*site, put(&row, Expect::Version(1))).await;
        assert_eq!(version(&*site, &row).await, 2, "{key:?}");
        assert_eq!(site.commit(put(&row, Expect::Version(1))).await, Err(StoreError::Stale), "{key:?} has version 2");
        commit(&*site, put(&row, Expect::Any)).await;
        assert_eq!(version(&*site, &row).await, 3, "{key:?}");
    }
}

async fn a_removal_is_made_when_its_row_is_as_expected(site: Site) {
    for row in one_of_each() {
        let key = row.key();
        if matches!(row, Row::Ticket(_) | Row::Comment(_) | Row::User(_)) {
            continue;
        }
        let delete = |expect| Changes::new().delete(key.clone(), expect);
        commit(&*site, delete(Expect::Any)).await;
        commit(&*site, delete(Expect::New)).await;
        assert_eq!(site.commit(delete(Expect::Version(1))).await, Err(StoreError::Stale), "{key:?} is not there");
        commit(&*site, put(&row, Expect::New)).await;
        assert!(site.commit(delete(Expect::New)).await.is_err(), "{key:?} is there");
        assert_eq!(site.commit(delete(Expect::Version(2))).await, Err(StoreError::Stale), "{key:?} has version 1");
        assert_eq!(version(&*site, &row).await, 1, "{key:?}");
        commit(&*site, delete(Expect::Version(1))).await;
        assert_eq!(version(&*site, &row).await, 0, "{key:?}");
        commit(&*site, put(&row, Expect::New)).await;
        commit(&*site, delete(Expect::Any)).await;
        assert_eq!(version(&*site, &row).await, 0, "{key:?}");
    }
}

async fn tickets_comments_and_accounts_are_never_removed(site: Site) {
    let ticket = open_ticket(&*site).await;
    let (comment, user) = (add_comment(&*site, &ticket, "text", false).await, add_user(&*site, "ana@example.com").await);
    for key in [RowKey::Ticket(ticket.id), RowKey::Comment(ticket.id, comment.id), RowKey::User(user.id)] {
        for expect in [Expect::Any, Expect::Version(1)] {
            assert!(site.commit(Changes::new().delete(key.clone(), expect)).await.is_err(), "{key:?}");
        }
    }
    assert_eq!(stored(&*site, ticket.id).await.public_comments, 1);
    assert_eq!(site.comment(ticket.id, comment.id).await.unwrap(), Some(comment));
    assert_eq!(site.user(user.id).await.unwrap().as_deref(), Some(&user));
}

async fn expectations_are_judged_before_any_write(site: Site) {
    // A guard of a row that the same commit writes speaks of the row as it was.
    let ticket = open_ticket(&*site).await;
    let next = changed(&ticket, |t| t.status = Status::Pending);
    commit(&*site, Changes::new().update(next.clone()).guard(RowKey::Ticket(ticket.id), 1)).await;
    let again = changed(&next, |t| t.status = Status::Open);
    assert_eq!(site.commit(Changes::new().update(again.clone()).guard(RowKey::Ticket(ticket.id), 3)).await, Err(StoreError::Stale));
    let id = site.id(IdKind::Session).await;
    commit(&*site, Changes::new().insert(session(id, 1, 9)).guard(RowKey::Session(SessionId(id)), 0)).await;
    commit(&*site, Changes::new().delete(RowKey::Session(SessionId(id)), Expect::Any).guard(RowKey::Session(SessionId(id)), 1)).await;
    // So does the second of two writes of one row.
    let twice = Changes::new().update(again.clone()).update(changed(&again, |_| ()));
    assert_eq!(site.commit(twice).await, Err(StoreError::Stale));
    assert_eq!(stored(&*site, ticket.id).await, next);
}

async fn a_guard_holds_only_while_its_row_has_that_version(site: Site) {
    open_ticket(&*site).await;
    for row in one_of_each() {
        let guarded = |version| Changes::new().guard(row.key(), version).log(entry(Action::SettingsUpdated));
        commit(&*site, guarded(0)).await;
        assert_eq!(site.commit(guarded(1)).await, Err(StoreError::Stale), "{:?} is not there", row.key());
        commit(&*site, put(&row, Expect::New)).await;
        assert_eq!(site.commit(guarded(0)).await, Err(StoreError::Stale), "{:?} is there", row.key());
        assert_eq!(site.commit(guarded(2)).await, Err(StoreError::Stale), "{:?} has version 1", row.key());
        commit(&*site, guarded(1)).await;
    }
    // A guard alone is judged too, and one bad guard among good ones is enough.
    assert_eq!(site.commit(Changes::new().guard(RowKey::Roster, 7)).await, Err(StoreError::Stale));
    commit(&*site, Changes::new().guard(RowKey::Roster, 1)).await;
    let mixed = Changes::new().guard(RowKey::Roster, 1).guard(RowKey::Settings, 7).guard(RowKey::SetupToken, 1);
    assert_eq!(site.commit(mixed).await, Err(StoreError::Stale));
}

async fn a_guard_leaves_its_row_alone(site: Site) {
    let ticket = open_ticket(&*site).await;
    let before = stored(&*site, ticket.id).await;
    commit(&*site, Changes::new().guard(RowKey::Ticket(ticket.id), 1).log(entry(Action::SettingsUpdated))).await;
    assert_eq!(stored(&*site, ticket.id).await, before);
}

async fn success_raises_the_version_by_one(site: Site) {
    let mut ticket = open_ticket(&*site).await;
    for expected in 2..=9 {
        ticket = changed(&ticket, |t| t.title = format!("version {expected}"));
        if expected % 3 == 0 {
            commit(&*site, Changes::new().overwrite(Ticket { version: 99, ..ticket.clone() })).await;
        } else {
            commit(&*site, Changes::new().update(ticket.clone())).await;
        }
        ticket = stored(&*site, ticket.id).await;
        assert_eq!(ticket.version, expected);
    }
}

async fn a_commit_is_in_the_very_next_read(site: Site) {
    let model = Model::default();
    for round in 1..=12 {
        let (ticket_id, user_id) = (site.id(IdKind::Ticket).await, site.id(IdKind::User).await);
        let comment = comment(ticket_id, site.id(IdKind::Comment).await, &format!("word{round}"));
        let changes = Changes::new()
            .insert(Ticket { title: format!("Title{round}"), creator_id: UserId(user_id), ..ticket(ticket_id) })
            .insert(user(user_id, &format!("user{round}@example.com")))
            .add(counted(&comment, 1))
            .insert(comment)
            .insert(session(site.id(IdKind::Session).await, user_id, round))
            .insert(token(site.id(IdKind::Token).await, user_id))
            .insert(answer(answer_key(user_id, round), round, "{}"))
            .overwrite(roster(&[user_id], round))
            .overwrite(settings(&format!("Desk {round}"), round))
            .overwrite(cursor("mail", round, round))
            .log(ticket_entry(Action::TicketCreated, TicketId(ticket_id)).about_comment(CommentId(1), round % 2 == 0));
        assert_eq!(site.commit(changes.clone()).await, model.apply(&changes).map_err(|mut reasons| reasons.remove(0)));
        let search = |typed: String| Question::Tickets {
            query: Box::new(TicketQuery { words: Words::parse(&typed), ..TicketQuery::all(Scope::Requester(UserId(user_id))) }),
            limit: 50,
        };
        let found = UserQuery { words: Words::parse(&format!("user{round}")), ..UserQuery::default() };
        let searches = [search(format!("word{round}")), search(format!("title{round}")), Question::Users { query: found, limit: 50 }];
        for question in everything(&model.state()).into_iter().chain(searches) {
            assert_eq!(ask(&*site, &question).await, ask(&model, &question).await, "{question:?}");
        }
    }
}

async fn a_commit_of_nothing_is_accepted(site: Site) {
    assert_eq!(commit(&*site, Changes::new()).await, 0);
    let ticket = open_ticket(&*site).await;
    assert_eq!(commit(&*site, Changes::new()).await, 1);
    assert_eq!(
        commit(&*site, Changes::new().add(Addition::Comments { ticket: ticket.id, public: 0, internal: 0, touched_at: None })).await,
        1
    );
}
