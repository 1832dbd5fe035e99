//! Accounts, sessions, API tokens and the single rows, whole and in memory: every request needs them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    auth::model::{ApiToken, Digest32, Session},
    store::{Row, RowKey, SigningSecret},
    types::{SessionId, TokenId, UserId},
    users::model::{Roster, Settings, SetupToken, User},
};

/// Everything about people, by what it is looked up by.
#[derive(Debug, Default)]
pub(super) struct People {
    pub(super) users: BTreeMap<UserId, Arc<User>>,
    pub(super) by_email: HashMap<String, UserId>,
    pub(super) sessions: HashMap<SessionId, Arc<Session>>,
    pub(super) sessions_of: HashMap<UserId, BTreeSet<SessionId>>,
    pub(super) tokens: BTreeMap<TokenId, Arc<ApiToken>>,
    pub(super) token_by_hash: HashMap<Digest32, TokenId>,
    pub(super) roster: Roster,
    pub(super) settings: Arc<Settings>,
    pub(super) setup_token: Option<SetupToken>,
    pub(super) secret: Option<SigningSecret>,
}

impl People {
    /// Brings a row to its present state; rows of other kinds are not kept here.
    pub(super) fn put(&mut self, row: &Row) {
        match row {
            Row::User(user) => {
                if let Some(old) = self.users.insert(user.id, Arc::new(user.clone()))
                    && old.email != user.email
                    && self.by_email.get(old.email.as_str()) == Some(&user.id)
                {
                    self.by_email.remove(old.email.as_str());
                }
                self.by_email.insert(user.email.as_str().to_owned(), user.id);
            }
            Row::Session(session) => {
                self.sessions_of.entry(session.user_id).or_default().insert(session.id);
                self.sessions.insert(session.id, Arc::new(session.clone()));
            }
            Row::ApiToken(token) => {
                self.token_by_hash.insert(token.hash, token.id);
                self.tokens.insert(token.id, Arc::new(token.clone()));
            }
            Row::Roster(roster) => self.roster = roster.clone(),
            Row::Settings(settings) => self.settings = Arc::new(settings.clone()),
            Row::SetupToken(token) => self.setup_token = Some(token.clone()),
            Row::SigningSecret(secret) => self.secret = Some(secret.clone()),
            Row::Ticket(_) | Row::Comment(_) | Row::LogCursor(_) | Row::Answer(_) | Row::Preferences(_) | Row::ChainBlock(_) => {}
        }
    }

    /// Takes a row out.
    pub(super) fn remove(&mut self, key: &RowKey) {
        match key {
            RowKey::User(id) => {
                if let Some(old) = self.users.remove(id) {
                    self.by_email.remove(old.email.as_str());
                }
            }
            RowKey::Session(id) => {
                if let Some(old) = self.sessions.remove(id)
                    && let Some(ids) = self.sessions_of.get_mut(&old.user_id)
                {
                    ids.remove(id);
                    if ids.is_empty() {
                        self.sessions_of.remove(&old.user_id);
                    }
                }
            }
            RowKey::ApiToken(id) => {
                if let Some(old) = self.tokens.remove(id) {
                    self.token_by_hash.remove(&old.hash);
                }
            }
            RowKey::Roster => self.roster = Roster::default(),
            RowKey::Settings => self.settings = Arc::default(),
            RowKey::SetupToken => self.setup_token = None,
            RowKey::SigningSecret => self.secret = None,
            RowKey::Ticket(_)
            | RowKey::Comment(..)
            | RowKey::LogCursor(_)
            | RowKey::Answer(_)
            | RowKey::Preferences(_)
            | RowKey::ChainBlock(_) => {}
        }
    }
}
