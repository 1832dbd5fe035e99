//! Turns the acts of a step into a commit, decided on a given state as a use case would decide it.

use std::collections::HashSet;

use proptest::sample::Index;
use taquilla::{
    activity::model::Action,
    auth::model::Session,
    store::{Addition, Changes, Expect, IdKind, Row, RowKey, Store, StoreError, Write},
    tickets::model::{Comment, Ticket},
    types::{CommentId, TicketId, UserId},
    users::model::User,
};

use super::{
    arbitrary::moved,
    build,
    model::State,
    steps::{Act, Hope},
};

/// A commit in the making.
pub struct Draft<'a> {
    store: &'a dyn Store,
    state: &'a State,
    touched: HashSet<RowKey>,
    readdressed: bool,
    changes: Changes,
}

/// Decides a commit on this state. Ids are reserved from the store.
pub async fn decide(store: &dyn Store, state: &State, acts: &[Act]) -> Result<Changes, StoreError> {
    let mut draft = Draft { store, state, touched: HashSet::new(), readdressed: false, changes: Changes::new() };
    for act in acts {
        draft.act(act).await?;
    }
    Ok(draft.changes)
}

impl Draft<'_> {
    async fn act(&mut self, act: &Act) -> Result<(), StoreError> {
        match act {
            Act::Open { ticket, logged } => {
                let ticket = Ticket { id: TicketId(self.store.reserve(IdKind::Ticket).await?), ..ticket.as_ref().clone() };
                self.note(*logged, build::ticket_entry(Action::TicketCreated, ticket.id));
                self.put(ticket, Hope::Right);
            }
            Act::Move { which, to, hope, logged } => {
                if let Some(&ticket) = pick(*which, &self.state.tickets())
                    && self.put(moved(ticket, to), *hope)
                {
                    self.note(*logged, build::ticket_entry(Action::TicketUpdated, ticket.id));
                }
            }
            Act::Comment { .. } | Act::EditComment { .. } | Act::DeleteComment { .. } => self.comment(act).await?,
            Act::AddUser { email, role } => {
                let user = User { role: *role, ..build::user(self.store.reserve(IdKind::User).await?, email) };
                self.user(user, Hope::Right);
            }
            Act::MoveUser { which, email, role, active, hope } => {
                if let Some(&user) = pick(*which, &self.state.users()) {
                    let email = email.parse().expect("an e-mail address");
                    self.user(User { email, role: *role, is_active: *active, ..user.clone() }, *hope);
                }
            }
            Act::Guard { which, hope } => {
                let mut keys = self.state.keys();
                keys.extend([RowKey::Ticket(TicketId(999)), RowKey::Roster, RowKey::LogCursor("nobody".into())]);
                keys.sort_by_cached_key(|key| format!("{key:?}"));
                let key = which.get(&keys).clone();
                let version = self.state.version(&key);
                let guarded = match hope {
                    Hope::Right | Hope::Any => version,
                    Hope::New => 0,
                    Hope::Wrong => version + 1,
                };
                self.changes.guards.push((key, guarded));
            }
            act => self.other(act).await?,
        }
        Ok(())
    }

    /// Comments are never written whatever was there: their counts would be wrong.
    async fn comment(&mut self, act: &Act) -> Result<(), StoreError> {
        let sure = |hope: Hope| if hope == Hope::Any { Hope::Right } else { hope };
        match act {
            Act::Comment { on, text, internal, guarded } => {
                let Some(&ticket) = pick(*on, &self.state.tickets()) else { return Ok(()) };
                let id = CommentId(self.store.reserve(IdKind::Comment).await?);
                let comment = Comment { is_internal: *internal, ..build::comment(ticket.id.0, id.0, text) };
                if *guarded {
                    self.changes.guards.push((RowKey::Ticket(ticket.id), ticket.version));
                }
                self.changes.additions.push(build::counted(&comment, 1));
                self.note(true, build::comment_entry(Action::CommentCreated, &comment));
                self.put(comment, Hope::Right);
            }
            Act::EditComment { which, text, hope } => {
                let Some(&comment) = pick(*which, &self.state.comments()) else { return Ok(()) };
                let next = Comment { content: text.clone(), version: comment.version + 1, ..comment.clone() };
                if self.put(next, sure(*hope)) {
                    self.changes.additions.push(build::counted(comment, 0));
                    self.note(true, build::comment_entry(Action::CommentUpdated, comment));
                }
            }
            Act::DeleteComment { which, hope } => {
                let Some(&comment) = pick(*which, &self.state.comments()) else { return Ok(()) };
                let next = build::taken_back(comment);
                if comment.deleted_at.is_none() && self.put(next, sure(*hope)) {
                    self.changes.additions.push(build::counted(comment, -1));
                    self.note(true, build::comment_entry(Action::CommentDeleted, comment));
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn other(&mut self, act: &Act) -> Result<(), StoreError> {
        match act {
            Act::AddSession { user, expires } => {
                let id = self.store.reserve(IdKind::Session).await?;
                self.put(build::session(id, user.0, *expires), Hope::Right);
                self.note(true, build::entry(Action::UserLoggedIn).about_user(*user));
            }
            Act::MoveSession { which, expires, hope } => {
                if let Some(&session) = pick(*which, &self.state.sessions()) {
                    let expires_at = build::at(*expires);
                    self.put(Session { expires_at, ..session.clone() }, *hope);
                }
            }
            Act::EndSession { which, hope } => {
                if let Some(&session) = pick(*which, &self.state.sessions()) {
                    self.delete(RowKey::Session(session.id), *hope);
                }
            }
            Act::UseSession { which, at } => {
                if let Some(&session) = pick(*which, &self.state.sessions()) {
                    self.changes.additions.push(Addition::SessionUsed(session.id, *at));
                }
            }
            Act::AddToken { user } => {
                let id = self.store.reserve(IdKind::Token).await?;
                self.put(build::token(id, user.0), Hope::Right);
            }
            Act::EndToken { which, hope } => {
                if let Some(&token) = pick(*which, &self.state.tokens()) {
                    self.delete(RowKey::ApiToken(token.id), *hope);
                }
            }
            Act::UseToken { which, at } => {
                if let Some(&token) = pick(*which, &self.state.tokens()) {
                    self.changes.additions.push(Addition::TokenUsed(token.id, *at));
                }
            }
            act => self.of_the_desk(act),
        }
        Ok(())
    }

    fn of_the_desk(&mut self, act: &Act) {
        match act {
            Act::Roster { admins, hope } => drop(self.put(build::roster(admins, 1), *hope)),
            Act::Settings { name, hope } => {
                self.put(build::settings(name, 1), *hope);
                self.note(true, build::entry(Action::SettingsUpdated));
            }
            Act::SetupToken { n, hope } => drop(self.put(build::setup_token(*n, 1), *hope)),
            Act::EndSetupToken { hope } => self.delete(RowKey::SetupToken, *hope),
            Act::SigningSecret => drop(self.put(build::signing_secret(9), Hope::New)),
            Act::Cursor { name, seq, hope } => drop(self.put(build::cursor(name, *seq, 1), *hope)),
            Act::Preferences { user, view, hope } => drop(self.put(build::preferences(*user, view, 1), *hope)),
            Act::EndPreferences { user, hope } => self.delete(RowKey::Preferences(UserId(*user)), *hope),
            Act::Answer { n, at, body, hope } => drop(self.put(build::answer(build::answer_key(1, *n), *at, body), *hope)),
            Act::ForgetAnswer { n, hope } => self.delete(RowKey::Answer(build::answer_key(1, *n)), *hope),
            _ => {}
        }
    }

    /// At most one account of a commit has another address than before: whether it may take one that the same commit frees
    /// is nothing that the contract decides.
    fn user(&mut self, user: User, hope: Hope) {
        if std::mem::replace(&mut self.readdressed, true) {
            return;
        }
        let entry = build::entry(Action::UserUpdated).about_user(user.id);
        if self.put(user, hope) {
            self.note(true, entry);
        }
    }

    /// Writes a row, unless this commit has written it already.
    fn put(&mut self, row: impl Into<Row>, hope: Hope) -> bool {
        let mut row = row.into();
        let key = row.key();
        let expect = self.expect(&key, hope);
        let fresh = self.touched.insert(key);
        if fresh {
            row.set_version(match expect {
                Expect::Version(version) => version + 1,
                Expect::New | Expect::Any => 1,
            });
            self.changes.writes.push(Write::Put(Box::new(row), expect));
        }
        fresh
    }

    fn delete(&mut self, key: RowKey, hope: Hope) {
        let expect = self.expect(&key, hope);
        if self.touched.insert(key.clone()) {
            self.changes.writes.push(Write::Delete(key, expect));
        }
    }

    fn expect(&self, key: &RowKey, hope: Hope) -> Expect {
        match (hope, self.state.version(key)) {
            (Hope::Right, 0) | (Hope::New, _) => Expect::New,
            (Hope::Right, version) => Expect::Version(version),
            // What is to come may make the next version right, but for comments: an edit of a deleted one would spoil the counts.
            (Hope::Wrong, version) => Expect::Version(match (key, version) {
                (RowKey::Comment(..), _) => version + 100,
                (_, ..=1) => version + 1,
                _ => version - 1,
            }),
            (Hope::Any, _) => Expect::Any,
        }
    }

    fn note(&mut self, logged: bool, entry: taquilla::activity::model::NewEntry) {
        if logged {
            self.changes.log.push(entry);
        }
    }
}

fn pick<T>(which: Index, rows: &[T]) -> Option<&T> {
    (!rows.is_empty()).then(|| which.get(rows))
}
