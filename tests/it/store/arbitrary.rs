//! Arbitrary tickets, texts and queries, from small sets of values, so that they meet.

use proptest::{collection::vec, option::weighted, prelude::*, sample::select};
use taquilla::{
    auth::model::Role,
    tickets::{
        model::{Priority, Status, Tags, Ticket, Verdict},
        query::{Assignee, Scope, Sort, SortBy, TicketQuery},
        search::Words,
    },
    types::{Timestamp, UserId},
    users::model::UserQuery,
};

use super::build;

/// The accounts that every world begins with have the ids from 1 to this.
pub const USERS: i64 = 5;
/// Addresses that accounts want.
pub const EMAILS: [&str; 8] = [
    "ana@example.com",
    "bea@example.com",
    "cem@example.com",
    "dan@example.org",
    "eva@example.org",
    "fay@a.example",
    "gus@a.example",
    "hal@x.y",
];

const TAGS: [&str; 5] = ["billing", "néw", "printer", "urgent", "vpn"];
/// With beginnings in common, accents, capitals, digits, a script without blanks, and a term longer than what is indexed.
const WORDS: [&str; 16] = [
    "printer",
    "print",
    "Printing",
    "Éxito",
    "exito",
    "exit",
    "VPN",
    "vpn2",
    "fire",
    "Straße",
    "10.0.0.1",
    "naïve",
    "日本",
    "the",
    "™",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];
/// What people type: whole words, beginnings, several, none at all.
const SEARCHES: [&str; 16] = [
    "printer",
    "prin",
    "p",
    "exi",
    "éxito",
    "EXITO vpn",
    "vpn",
    "fire the",
    "the fire prin",
    "strasse",
    "Straß",
    "10.0",
    "naive",
    "日",
    "tm",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];

/// One to five words.
pub fn text() -> impl Strategy<Value = String> {
    vec(select(&WORDS[..]), 1..=5).prop_map(|words| words.join(" "))
}

/// An instant within the first seconds of the world.
pub fn instant(range: std::ops::Range<i64>) -> impl Strategy<Value = Timestamp> {
    range.prop_map(build::at)
}

/// An instant within the first days of the world, or the seconds before it.
pub fn moment() -> impl Strategy<Value = Timestamp> {
    prop_oneof![instant(-10..100), instant(0..1_000_000)]
}

/// One of the first accounts.
pub fn person() -> impl Strategy<Value = UserId> {
    (1..=USERS).prop_map(UserId)
}

/// A ticket with any fields; its id is yet to be reserved.
pub fn ticket() -> impl Strategy<Value = Ticket> {
    let texts = (text(), text(), vec(select(&TAGS[..]), 0..=3));
    let state = (select(&Status::ALL[..]), select(&Priority::ALL[..]), person(), weighted(0.6, person()), weighted(0.1, instant(0..90)));
    let times = (instant(0..40), instant(0..80), weighted(0.7, instant(0..120)), weighted(0.7, instant(0..120)));
    let verdict = || (select(&Verdict::ALL[..]), weighted(0.7, moment()));
    let done = (weighted(0.5, moment()), weighted(0.5, moment()));
    (texts, state, times, verdict(), verdict(), done).prop_map(
        |(texts, state, times, (first_response, first_response_decided_at), (resolution, resolution_decided_at), done)| {
            let (status, priority, creator_id, assigned_agent_id, deleted_at) = state;
            let (created_at, updated_at, first_response_due_at, resolution_due_at) = times;
            Ticket {
                title: texts.0,
                description: texts.1,
                tags: Tags::new(texts.2.into_iter().map(str::to_owned)).0,
                status,
                priority,
                creator_id,
                opened_by_id: creator_id,
                assigned_agent_id,
                deleted_at,
                created_at,
                updated_at,
                status_since: created_at,
                first_response_due_at,
                resolution_due_at,
                first_response,
                resolution,
                first_response_decided_at,
                resolution_decided_at,
                first_response_at: done.0,
                resolved_at: done.1,
                ..build::ticket(0)
            }
        },
    )
}

/// A ticket with any changeable fields; id, requester and time of opening are those of `of`.
pub fn moved(of: &Ticket, to: &Ticket) -> Ticket {
    Ticket {
        id: of.id,
        creator_id: of.creator_id,
        opened_by_id: of.opened_by_id,
        created_at: of.created_at,
        version: of.version + 1,
        public_comments: of.public_comments,
        internal_notes: of.internal_notes,
        ..to.clone()
    }
}

/// The words of a search.
pub fn words() -> impl Strategy<Value = Words> {
    select(&SEARCHES[..]).prop_map(|typed| Words::parse(typed).expect("a search with words"))
}

/// An order.
pub fn sort() -> impl Strategy<Value = Sort> {
    select(sorts())
}

/// Every order.
pub fn sorts() -> Vec<Sort> {
    let by = [SortBy::CreatedAt, SortBy::UpdatedAt, SortBy::Priority, SortBy::DueAt, SortBy::Id];
    by.into_iter().flat_map(|by| [false, true].map(|descending| Sort { by, descending })).collect()
}

/// A query with a few filters.
pub fn query() -> impl Strategy<Value = TicketQuery> {
    let scope = prop_oneof![2 => Just(Scope::All), 1 => person().prop_map(Scope::Requester)];
    let assignee = prop_oneof![Just(Assignee::None), person().prop_map(Assignee::Is)];
    let sets = (few(&Status::ALL), few(&Priority::ALL), few(&TAGS));
    let people = (weighted(0.25, assignee), weighted(0.25, person()));
    let created = (weighted(0.15, instant(0..40)), weighted(0.15, instant(0..40)));
    let updated = (weighted(0.15, instant(0..80)), weighted(0.15, instant(0..80)));
    let rest = (weighted(0.2, instant(0..130)), weighted(0.35, words()), prop::bool::weighted(0.1));
    (scope, sets, people, created, updated, rest, sort()).prop_map(|(scope, sets, people, created, updated, rest, sort)| TicketQuery {
        status: sets.0,
        priority: sets.1,
        tags: sets.2.into_iter().map(str::to_owned).collect(),
        assignee: people.0,
        creator: people.1,
        created_after: created.0,
        created_before: created.1,
        updated_after: updated.0,
        updated_before: updated.1,
        overdue_at: rest.0,
        words: rest.1,
        deleted: rest.2,
        sort,
        ..TicketQuery::all(scope)
    })
}

/// None, mostly, or one or two of a set.
fn few<T: Copy + std::fmt::Debug + 'static, const N: usize>(all: &'static [T; N]) -> impl Strategy<Value = Vec<T>> {
    prop_oneof![2 => Just(Vec::new()), 1 => vec(select(&all[..]), 1..=2)]
}

/// A query for accounts.
pub fn user_query() -> impl Strategy<Value = UserQuery> {
    let typed = select(&["user", "us", "ana", "example", "example.com", "example org", "a.ex", "hal x.y", "éva", "user 3"][..]);
    let words = typed.prop_map(|typed| Words::parse(typed).expect("a search with words"));
    (weighted(0.3, select(&Role::ALL[..])), weighted(0.3, any::<bool>()), weighted(0.5, words))
        .prop_map(|(role, is_active, words)| UserQuery { role, is_active, words })
}
