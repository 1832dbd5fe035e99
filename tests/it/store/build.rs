//! Rows and entries in their plainest form; a test changes what it is about.

use std::sync::Arc;

use taquilla::{
    activity::model::{Action, ActorRef, Facts, NewEntry},
    auth::model::{ApiToken, LiveToken, Role, Session},
    store::{Addition, Answer, AnswerKey, Changes, Committed, IdKind, LogCursor, RowKey, SigningSecret, Store, StoreError},
    tickets::{
        model::{Channel, Comment, Priority, Status, Ticket, Verdict},
        sla::SlaTargets,
    },
    types::{CommentId, Secret, SessionId, TicketId, Timestamp, TokenId, UserId},
    users::{
        model::{Locale, Roster, Settings, SetupToken, User},
        preferences::{Preferences, SavedView, Theme},
    },
};

/// So many seconds after 2026-03-02T09:00:00Z.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros((1_772_442_000 + seconds) * 1_000_000)
}

/// An open ticket of the first user.
pub fn ticket(id: i64) -> Ticket {
    Ticket {
        id: TicketId(id),
        title: format!("Ticket {id}"),
        description: "Nothing special.".into(),
        status: Status::Open,
        priority: Priority::Medium,
        tags: Vec::new(),
        channel: Channel::Api,
        creator_id: UserId(1),
        opened_by_id: UserId(1),
        assigned_agent_id: None,
        created_at: at(id),
        updated_at: at(id),
        first_response_at: None,
        first_response_due_at: None,
        resolved_at: None,
        resolution_due_at: None,
        first_resolved_at: None,
        closed_at: None,
        status_since: at(id),
        reopen_count: 0,
        first_response: Verdict::None,
        resolution: Verdict::None,
        first_response_decided_at: None,
        resolution_decided_at: None,
        targets: SlaTargets::default(),
        public_comments: 0,
        internal_notes: 0,
        deleted_at: None,
        version: 1,
    }
}

/// The ticket after a change of its own fields.
pub fn changed(ticket: &Ticket, change: impl FnOnce(&mut Ticket)) -> Ticket {
    let mut next = Ticket { version: ticket.version + 1, ..ticket.clone() };
    change(&mut next);
    next
}

/// A public comment of the first user.
pub fn comment(ticket: i64, id: i64, content: &str) -> Comment {
    Comment {
        id: CommentId(id),
        ticket_id: TicketId(ticket),
        author_id: UserId(1),
        content: content.into(),
        is_internal: false,
        created_at: at(id),
        updated_at: at(id),
        deleted_at: None,
        version: 1,
    }
}

/// An internal note of the first user.
pub fn note(ticket: i64, id: i64, content: &str) -> Comment {
    Comment { is_internal: true, ..comment(ticket, id, content) }
}

/// What a comment adds to its ticket's counts.
pub fn counted(comment: &Comment, by: i64) -> Addition {
    let (public, internal) = if comment.is_internal { (0, by) } else { (by, 0) };
    let touched_at = (!comment.is_internal).then_some(comment.updated_at);
    Addition::Comments { ticket: comment.ticket_id, public, internal, touched_at }
}

/// Writing a comment: its row, its guard, its count and its entry.
pub fn commented(comment: &Comment, guarded: i64) -> Changes {
    Changes::new()
        .insert(comment.clone())
        .guard(RowKey::Ticket(comment.ticket_id), guarded)
        .add(counted(comment, 1))
        .log(comment_entry(Action::CommentCreated, comment))
}

/// An active account.
pub fn user(id: i64, email: &str) -> User {
    User {
        id: UserId(id),
        email: email.parse().expect("an e-mail address"),
        full_name: format!("User {id}"),
        role: Role::User,
        is_active: true,
        locale: Locale::En,
        password_hash: Some(Secret::new(format!("$hash${id}"))),
        created_at: at(id),
        updated_at: at(id),
        version: 1,
    }
}

/// A sign-in that ends after so many seconds.
pub fn session(id: i64, user: i64, expires: i64) -> Session {
    Session {
        id: SessionId(id),
        user_id: UserId(user),
        family: digest(id),
        live: vec![LiveToken { hash: digest(id + 1), issued_at: at(0) }],
        spent: Vec::new(),
        cookie: false,
        created_at: at(0),
        last_used_at: at(0),
        expires_at: at(expires),
        address: "127.0.0.1".into(),
        user_agent: "test".into(),
        version: 1,
    }
}

/// An API token whose hash is [`digest`] of its id.
pub fn token(id: i64, user: i64) -> ApiToken {
    ApiToken {
        id: TokenId(id),
        user_id: UserId(user),
        name: format!("token {id}"),
        hash: digest(id),
        expires_at: None,
        created_at: at(0),
        last_used_at: None,
        version: 1,
    }
}

/// A roster of these admins.
pub fn roster(admins: &[i64], version: i64) -> Roster {
    Roster { admins: admins.iter().copied().map(UserId).collect(), version }
}

/// Settings with this name.
pub fn settings(name: &str, version: i64) -> Settings {
    Settings { organisation_name: Some(name.into()), version, ..Settings::default() }
}

/// A setup token.
pub fn setup_token(n: i64, version: i64) -> SetupToken {
    SetupToken { hash: digest(n), expires_at: at(n), version }
}

/// A signing key.
pub fn signing_secret(byte: u8) -> SigningSecret {
    SigningSecret { key: vec![byte; 32], version: 1 }
}

/// A reader's place in the log.
pub fn cursor(name: &str, seq: i64, version: i64) -> LogCursor {
    LogCursor { name: name.into(), seq, version }
}

/// What a person keeps for the app: one view with this name and query.
pub fn preferences(user: i64, view: &str, version: i64) -> Preferences {
    let view = SavedView { name: view.into(), query: view.into(), sort: "-id".into() };
    Preferences { user_id: UserId(user), theme: Theme::Dark, saved_views: vec![view], version }
}

/// The name of a remembered answer.
pub fn answer_key(user: i64, n: i64) -> AnswerKey {
    AnswerKey { user_id: UserId(user), key: digest(n) }
}

/// A remembered answer, given after so many seconds.
pub fn answer(key: AnswerKey, seconds: i64, body: &str) -> Answer {
    Answer {
        key,
        request: digest(7),
        status: 201,
        location: Some("/api/v1/tickets/1".into()),
        etag: None,
        body: body.as_bytes().to_vec(),
        at: at(seconds),
    }
}

/// Thirty-two bytes that differ with `n`.
pub fn digest(n: i64) -> [u8; 32] {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    bytes
}

/// An entry about nothing.
pub fn entry(action: Action) -> NewEntry {
    NewEntry::new(action, ActorRef::system(), at(0))
}

/// An entry about a ticket.
pub fn ticket_entry(action: Action, ticket: TicketId) -> NewEntry {
    entry(action).about_ticket(ticket, Facts::default())
}

/// An entry about a comment.
pub fn comment_entry(action: Action, comment: &Comment) -> NewEntry {
    ticket_entry(action, comment.ticket_id).about_comment(comment.id, comment.is_internal)
}

/// Opening a ticket: its row and its entry.
pub fn opened(ticket: &Ticket) -> Changes {
    Changes::new().insert(ticket.clone()).log(ticket_entry(Action::TicketCreated, ticket.id))
}

/// Commits what must be accepted, and gives the log's end.
#[track_caller]
pub fn commit(store: &dyn Store, changes: Changes) -> impl Future<Output = i64> + Send {
    let caller = std::panic::Location::caller();
    async move {
        match store.commit(changes).await {
            Ok(committed) => committed.seq,
            Err(error) => panic!("the commit at {caller} was refused: {error}"),
        }
    }
}

/// Opens a plain ticket and gives it as stored.
pub async fn open_ticket(store: &dyn Store) -> Ticket {
    let ticket = ticket(store.reserve(IdKind::Ticket).await.expect("an id"));
    commit(store, opened(&ticket)).await;
    ticket
}

/// Makes an account with this address.
pub async fn add_user(store: &dyn Store, email: &str) -> User {
    let user = user(store.reserve(IdKind::User).await.expect("an id"), email);
    commit(store, Changes::new().insert(user.clone()).log(entry(Action::UserCreated).about_user(user.id))).await;
    user
}

/// Writes a comment on a ticket, internal or not.
pub async fn add_comment(store: &dyn Store, ticket: &Ticket, content: &str, internal: bool) -> Comment {
    let id = store.reserve(IdKind::Comment).await.expect("an id");
    let comment = Comment { is_internal: internal, ..comment(ticket.id.0, id, content) };
    commit(store, commented(&comment, ticket.version)).await;
    comment
}

/// The ticket as it is stored now.
pub async fn stored(store: &dyn Store, id: TicketId) -> Ticket {
    let found = store.ticket(id).await.expect("the store reads");
    found.expect("the ticket is there").as_ref().clone()
}

/// The comment, deleted.
pub fn taken_back(comment: &Comment) -> Comment {
    Comment { deleted_at: Some(at(999)), version: comment.version + 1, ..comment.clone() }
}

/// How a commit went.
pub type Outcome = Result<Committed, StoreError>;

/// Makes commits at once; the outcomes are in the order given.
pub async fn at_once(store: &Arc<dyn Store>, commits: impl IntoIterator<Item = Changes>) -> Vec<Outcome> {
    let tasks: Vec<_> = commits
        .into_iter()
        .map(|changes| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(changes).await })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}
