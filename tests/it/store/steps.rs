//! What may happen to a store in the property test: commits good and bad, questions, stops.

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};
use taquilla::{
    auth::model::Role,
    tickets::{model::Ticket, query::TicketQuery},
    types::{Timestamp, UserId},
    users::model::UserQuery,
};

use super::arbitrary::{self, EMAILS, instant, person, text};

/// One step.
#[derive(Debug, Clone)]
pub enum Step {
    /// A commit.
    Commit(Vec<Act>),
    /// Commits decided on the same state and made at once.
    Together(Vec<Vec<Act>>),
    /// A question about tickets, by pages of so many.
    Tickets(Box<TicketQuery>, usize),
    /// A question about accounts, by pages of so many.
    Users(UserQuery, usize),
    /// The store puts in order what it reads by.
    Settle,
    /// The store is closed and opened again.
    Reopen,
    /// The store is dropped and opened again.
    Crash,
}

/// Which version a write expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hope {
    /// The one that is there, or none if there is none.
    Right,
    /// Another one.
    Wrong,
    /// None, whether there is one or not.
    New,
    /// Whatever there is.
    Any,
}

/// One part of a commit. An [`Index`] picks one of the rows that are there; without any, the part is left out.
#[derive(Debug, Clone)]
pub enum Act {
    Open { ticket: Box<Ticket>, logged: bool },
    Move { which: Index, to: Box<Ticket>, hope: Hope, logged: bool },
    Comment { on: Index, text: String, internal: bool, guarded: bool },
    EditComment { which: Index, text: String, hope: Hope },
    DeleteComment { which: Index, hope: Hope },
    AddUser { email: &'static str, role: Role },
    MoveUser { which: Index, email: &'static str, role: Role, active: bool, hope: Hope },
    AddSession { user: UserId, expires: i64 },
    MoveSession { which: Index, expires: i64, hope: Hope },
    EndSession { which: Index, hope: Hope },
    UseSession { which: Index, at: Timestamp },
    AddToken { user: UserId },
    EndToken { which: Index, hope: Hope },
    UseToken { which: Index, at: Timestamp },
    Roster { admins: Vec<i64>, hope: Hope },
    Settings { name: String, hope: Hope },
    SetupToken { n: i64, hope: Hope },
    EndSetupToken { hope: Hope },
    SigningSecret,
    Cursor { name: &'static str, seq: i64, hope: Hope },
    Preferences { user: i64, view: String, hope: Hope },
    EndPreferences { user: i64, hope: Hope },
    Answer { n: i64, at: i64, body: String, hope: Hope },
    ForgetAnswer { n: i64, hope: Hope },
    Guard { which: Index, hope: Hope },
}

/// A history: up to so many steps.
pub fn history(length: usize) -> impl Strategy<Value = Vec<Step>> {
    let query = arbitrary::query().prop_map(Box::new);
    let limit = || select(&[1_usize, 2, 3, 7, 50][..]);
    let step = prop_oneof![
        18 => vec(act(), 1..=3).prop_map(Step::Commit),
        4 => vec(vec(act(), 1..=2), 2..=3).prop_map(Step::Together),
        11 => (query, limit()).prop_map(|(query, limit)| Step::Tickets(query, limit)),
        2 => (arbitrary::user_query(), limit()).prop_map(|(query, limit)| Step::Users(query, limit)),
        2 => Just(Step::Settle),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
    ];
    vec(step, 1..=length)
}

fn hope() -> impl Strategy<Value = Hope> {
    prop_oneof![7 => Just(Hope::Right), 2 => Just(Hope::Any), 1 => Just(Hope::Wrong), 1 => Just(Hope::New)]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![10 => of_tickets(), 6 => of_comments(), 3 => of_users(), 4 => of_sessions(), 4 => of_the_desk(), 2 => guard()]
}

fn of_tickets() -> impl Strategy<Value = Act> {
    let ticket = || arbitrary::ticket().prop_map(Box::new);
    let logged = || prop::bool::weighted(0.85);
    prop_oneof![
        3 => (ticket(), logged()).prop_map(|(ticket, logged)| Act::Open { ticket, logged }),
        4 => (any::<Index>(), ticket(), hope(), logged()).prop_map(|(which, to, hope, logged)| Act::Move { which, to, hope, logged }),
    ]
}

fn of_comments() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (any::<Index>(), text(), prop::bool::weighted(0.35), prop::bool::weighted(0.9))
            .prop_map(|(on, text, internal, guarded)| Act::Comment { on, text, internal, guarded }),
        2 => (any::<Index>(), text(), hope()).prop_map(|(which, text, hope)| Act::EditComment { which, text, hope }),
        2 => (any::<Index>(), hope()).prop_map(|(which, hope)| Act::DeleteComment { which, hope }),
    ]
}

fn of_users() -> impl Strategy<Value = Act> {
    let role = || select(&Role::ALL[..]);
    let email = || select(&EMAILS[..]);
    prop_oneof![
        (email(), role()).prop_map(|(email, role)| Act::AddUser { email, role }),
        (any::<Index>(), email(), role(), any::<bool>(), hope()).prop_map(|(which, email, role, active, hope)| Act::MoveUser {
            which,
            email,
            role,
            active,
            hope
        }),
    ]
}

fn of_sessions() -> impl Strategy<Value = Act> {
    let which = any::<Index>;
    prop_oneof![
        1 => (person(), 0..100_i64).prop_map(|(user, expires)| Act::AddSession { user, expires }),
        1 => (which(), 0..100_i64, hope()).prop_map(|(which, expires, hope)| Act::MoveSession { which, expires, hope }),
        1 => (which(), hope()).prop_map(|(which, hope)| Act::EndSession { which, hope }),
        2 => (which(), instant(0..50)).prop_map(|(which, at)| Act::UseSession { which, at }),
        1 => person().prop_map(|user| Act::AddToken { user }),
        1 => (which(), hope()).prop_map(|(which, hope)| Act::EndToken { which, hope }),
        2 => (which(), instant(0..50)).prop_map(|(which, at)| Act::UseToken { which, at }),
    ]
}

fn of_the_desk() -> impl Strategy<Value = Act> {
    let name = || select(&["metrics", "live", "mail"][..]);
    prop_oneof![
        (vec(1..=9_i64, 1..=3), hope()).prop_map(|(admins, hope)| Act::Roster { admins, hope }),
        (text(), hope()).prop_map(|(name, hope)| Act::Settings { name, hope }),
        (0..100_i64, hope()).prop_map(|(n, hope)| Act::SetupToken { n, hope }),
        hope().prop_map(|hope| Act::EndSetupToken { hope }),
        Just(Act::SigningSecret),
        (name(), 0..60_i64, hope()).prop_map(|(name, seq, hope)| Act::Cursor { name, seq, hope }),
        (1..4_i64, text(), hope()).prop_map(|(user, view, hope)| Act::Preferences { user, view, hope }),
        (1..4_i64, hope()).prop_map(|(user, hope)| Act::EndPreferences { user, hope }),
        (0..6_i64, 0..100_i64, text(), hope()).prop_map(|(n, at, body, hope)| Act::Answer { n, at, body, hope }),
        (0..6_i64, hope()).prop_map(|(n, hope)| Act::ForgetAnswer { n, hope }),
    ]
}

fn guard() -> impl Strategy<Value = Act> {
    (any::<Index>(), hope()).prop_map(|(which, hope)| Act::Guard { which, hope })
}
