//! What comes in about people, and what a change does to an account. All pure.

use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::model::{Locale, User, UserQuery};
use crate::{
    activity::model::{Action, ActorRef, NewEntry},
    auth::{
        model::{Actor, Role, Via},
        policy::NewPassword,
    },
    error::AppError,
    http::page::Limit,
    input::{Faults, FieldError, FieldValue, choice},
    tickets::{filters::Typed, search::Words},
    types::{Email, Secret, Timestamp, UserId},
};

crate::text_type! {
    /// The name that others see: 1–100 characters after trimming.
    FullName, 1, 100, true;
}

impl FieldValue for Locale {
    fn from_json(value: Value) -> Result<Self, Faults> {
        choice(&value, &[Self::En, Self::Es], |locale| match locale {
            Self::En => "en",
            Self::Es => "es",
        })
    }
}

crate::input! {
    /// Somebody who registers.
    #[derive(ToSchema)]
    pub struct Registration {
        /// Unique, without case.
        email: Email,
        /// The name that others see.
        full_name: FullName,
        /// None of the most common ones, nor the account's own names.
        password: NewPassword,
        /// `user`, or left out: nobody gives a role to themselves.
        role: Option<Role>,
    }
    together |password, email, full_name| is_own_name(password, email, full_name)
}

crate::input! {
    /// An account to be made.
    #[derive(ToSchema)]
    pub struct NewUser {
        /// Unique, without case.
        email: Email,
        /// The name that others see.
        full_name: FullName,
        /// Without one nobody can sign in until it is set.
        password: Option<NewPassword>,
        /// What it may do.
        role: Role,
    }
    together |password, email, full_name| is_own_name(sent(password), email, full_name)
}

crate::input! {
    /// A change of an account: just the fields sent.
    #[derive(Default, ToSchema)]
    pub patch UserChange {
        /// Unique, without case.
        #[schema(nullable = false)]
        email: Option<Email>,
        /// The name that others see.
        #[schema(nullable = false)]
        full_name: Option<FullName>,
        /// What it may do.
        #[schema(nullable = false)]
        role: Option<Role>,
        /// Whether it may do anything at all.
        #[schema(nullable = false)]
        is_active: Option<bool>,
        /// A new password; it ends all sessions of the account.
        #[schema(nullable = false)]
        password: Option<NewPassword>,
    }
    together |password, email, full_name| is_own_name(sent(password), sent(email), sent(full_name))
}

crate::input! {
    /// A change of the caller's own account: just the fields sent.
    #[derive(Default, ToSchema)]
    pub patch ProfileChange {
        /// The name that others see.
        #[schema(nullable = false)]
        full_name: Option<FullName>,
        /// The language.
        #[schema(nullable = false)]
        locale: Option<Locale>,
        /// A new password; it ends the other sessions.
        #[schema(nullable = false)]
        password: Option<NewPassword>,
        /// The present password; required with a new one.
        #[schema(value_type = Option<String>, format = Password, nullable = false)]
        current_password: Option<Secret>,
    }
    together |password, current_password, full_name| {
        let unproven = !matches!(password, Some(None)) && matches!(current_password, Some(None));
        let unproven = unproven.then(|| FieldError::new("current_password", "missing", "is required with a new password"));
        unproven.into_iter().chain(is_own_name(sent(password), None, sent(full_name)))
    }
}

/// The value of an optional field that is there and not at fault.
fn sent<T>(field: Option<&Option<T>>) -> Option<&T> {
    field.and_then(Option::as_ref)
}

/// Whether a password is one of the names that are sent with it, as a fault of the field `password`.
pub(super) fn is_own_name(password: Option<&NewPassword>, email: Option<&Email>, full_name: Option<&FullName>) -> Option<FieldError> {
    password?.fault_for("password", email, full_name.map(|name| name.0.as_str()))
}

crate::input! {
    /// What a list of accounts is narrowed by, and which page of it.
    #[derive(IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct UserListQuery {
        /// Only this role.
        #[param(inline)]
        role: Option<Role>,
        /// Only active or only deactivated ones.
        is_active: Option<bool>,
        /// Words of name and e-mail address; every one must occur, the last one as a prefix.
        #[param(inline)]
        q: Option<Typed>,
        /// Rows of a page.
        #[param(inline)]
        limit: Option<Limit>,
        /// Where the page begins, from the `Link` of the page before.
        cursor: Option<String>,
    }
}

impl UserListQuery {
    /// The list itself, without the page.
    #[must_use]
    pub fn list(&self) -> UserQuery {
        UserQuery { role: self.role, is_active: self.is_active, words: Words::parse(self.typed()) }
    }

    /// Whether nothing can be found: what was typed to search has no word in it.
    #[must_use]
    pub fn finds_nothing(&self) -> bool {
        !self.typed().is_empty() && Words::parse(self.typed()).is_none()
    }

    fn typed(&self) -> &str {
        self.q.as_ref().map_or("", |q| &q.0)
    }
}

/// What becomes of an account.
#[derive(Debug, Clone)]
pub struct Step {
    /// The account after the change.
    pub user: User,
    /// The entry of the log.
    pub entry: NewEntry,
    /// Whether its sessions have to end.
    pub ends_sessions: bool,
}

/// An account that is made now.
#[derive(Debug, Clone)]
pub struct Making<'a> {
    /// Its id.
    pub id: UserId,
    /// Its address.
    pub email: &'a Email,
    /// Its name.
    pub full_name: &'a FullName,
    /// What it may do.
    pub role: Role,
    /// Its language.
    pub locale: Locale,
    /// The hash of its password.
    pub password_hash: Option<Secret>,
}

impl Making<'_> {
    /// The account.
    #[must_use]
    pub fn made(self, now: Timestamp) -> User {
        User {
            id: self.id,
            email: self.email.clone(),
            full_name: self.full_name.0.clone(),
            role: self.role,
            is_active: true,
            locale: self.locale,
            password_hash: self.password_hash,
            created_at: now,
            updated_at: now,
            version: 1,
        }
    }
}

impl User {
    /// The entry of the account's beginning; the actor is the account itself when it registers.
    #[must_use]
    pub fn made_entry(&self, action: Action, actor: Option<&Actor>) -> NewEntry {
        let own = || ActorRef { id: Some(self.id), name: self.full_name.clone(), via: Via::Session };
        let fields = [
            ("email", json!(self.email)),
            ("full_name", json!(self.full_name)),
            ("role", json!(self.role)),
            ("locale", json!(self.locale)),
        ];
        NewEntry::new(action, actor.map_or_else(own, ActorRef::from), self.created_at)
            .about_user(self.id)
            .with_changes(fields.into_iter().map(|(field, value)| (field.into(), [Value::Null, value])).collect())
    }

    /// What an admin's change does, given the hash of a new password; `None` when it changes nothing.
    #[must_use]
    pub fn changed_by_admin(&self, change: &UserChange, password: Option<Secret>, actor: &Actor, now: Timestamp) -> Option<Step> {
        let mut after = self.clone();
        if let Some(email) = &change.email {
            after.email = email.clone();
        }
        if let Some(FullName(name)) = &change.full_name {
            after.full_name.clone_from(name);
        }
        after.role = change.role.unwrap_or(self.role);
        after.is_active = change.is_active.unwrap_or(self.is_active);
        self.become_(after, password, actor, now)
    }

    /// What the account's own change does, given the hash of a new password; `None` when it changes nothing.
    #[must_use]
    pub fn changed_by_owner(&self, change: &ProfileChange, password: Option<Secret>, actor: &Actor, now: Timestamp) -> Option<Step> {
        let mut after = self.clone();
        if let Some(FullName(name)) = &change.full_name {
            after.full_name.clone_from(name);
        }
        after.locale = change.locale.unwrap_or(self.locale);
        self.become_(after, password, actor, now)
    }

    /// One entry for the whole change, named by its weightiest part. That a password changed is told, nothing of it.
    fn become_(&self, mut after: Self, password: Option<Secret>, actor: &Actor, now: Timestamp) -> Option<Step> {
        let fields = self.diff(&after);
        let action = match (self.is_active, after.is_active) {
            (true, false) => Action::UserDeactivated,
            (false, true) => Action::UserReactivated,
            _ if !fields.is_empty() => Action::UserUpdated,
            _ if password.is_some() => Action::UserPasswordChanged,
            _ => return None,
        };
        let mut entry = NewEntry::new(action, actor, now).about_user(self.id).with_changes(fields);
        // Sessions left over from before are not to come back to life with their account.
        let ends_sessions = password.is_some() || self.is_active != after.is_active;
        if password.is_some() {
            entry = entry.changed("password", Value::Null, Value::Null);
            after.password_hash = password;
        }
        after.updated_at = now;
        after.version += 1;
        Some(Step { user: after, entry, ends_sessions })
    }
}

/// Refuses a role that somebody who registers gives to themselves.
///
/// # Errors
/// Forbidden.
pub fn may_register_as(role: Option<Role>) -> Result<(), AppError> {
    match role {
        None | Some(Role::User) => Ok(()),
        Some(_) => Err(AppError::forbidden("A role is given by an admin, never by registering.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> User {
        let (email, full_name) = ("ana@example.com".parse().unwrap(), FullName("Ana".into()));
        let making =
            Making { id: UserId(2), email: &email, full_name: &full_name, role: Role::Agent, locale: Locale::En, password_hash: None };
        making.made(Timestamp::from_micros(0))
    }

    fn step(change: &UserChange, password: Option<&str>) -> Option<Step> {
        user().changed_by_admin(change, password.map(Secret::new), &Actor::cli(), Timestamp::from_micros(9))
    }

    #[test]
    fn setting_what_is_set_already_is_no_change() {
        let same = UserChange {
            email: Some("ANA@example.com".parse().unwrap()),
            is_active: Some(true),
            role: Some(Role::Agent),
            ..UserChange::default()
        };
        assert!(step(&same, None).is_none());
    }

    #[test]
    fn one_entry_is_named_by_the_weightiest_change_and_keeps_passwords_out() {
        let name = Some(FullName("Eva".into()));
        let off = UserChange { is_active: Some(false), full_name: name.clone(), ..UserChange::default() };
        let both = step(&off, Some("hash")).unwrap();
        assert_eq!((both.entry.action, both.ends_sessions), (Action::UserDeactivated, true));
        assert_eq!(both.entry.changes.keys().collect::<Vec<_>>(), ["full_name", "is_active", "password"]);
        assert!(!format!("{:?}", both.entry).contains("hash"));
        let named = step(&UserChange { full_name: name, ..UserChange::default() }, None).unwrap();
        assert_eq!((named.entry.action, named.ends_sessions), (Action::UserUpdated, false));
        assert_eq!((named.user.version, named.user.updated_at), (2, Timestamp::from_micros(9)));
        let password = step(&UserChange::default(), Some("hash")).unwrap();
        assert_eq!((password.entry.action, password.ends_sessions), (Action::UserPasswordChanged, true));
    }
}
