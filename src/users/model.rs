//! People: what an account is, who may change it, the roster of admins, and the desk's settings.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    activity::model::FieldChanges,
    auth::model::{Digest32, Role},
    error::AppError,
    tickets::sla::SlaTargets,
    types::{Email, Secret, Timestamp, UserId},
};

/// A language that the desk speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Locale {
    /// English.
    #[default]
    En,
    /// Spanish.
    Es,
}

/// An account. Accounts are deactivated, never deleted: tickets and the log keep pointing at them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Unique, without case.
    pub email: Email,
    /// The name that others see.
    pub full_name: String,
    /// What it may do.
    pub role: Role,
    /// Whether it may do anything at all.
    pub is_active: bool,
    /// Its language.
    pub locale: Locale,
    /// argon2id in PHC form; none until a password is set.
    #[serde(serialize_with = "in_storage_only")]
    pub password_hash: Option<Secret>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its own fields changed last.
    pub updated_at: Timestamp,
    /// Counts the changes of this row.
    pub version: i64,
}

/// Writes a secret into a row of a store, and refuses any form that people read.
#[expect(clippy::ref_option, reason = "the signature is serde's")]
fn in_storage_only<S: serde::Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        return Err(serde::ser::Error::custom("a secret has no readable form"));
    }
    secret.as_ref().map(Secret::expose).serialize(serializer)
}

/// An account as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserView {
    /// Its id.
    pub id: UserId,
    /// Unique, in lower case.
    pub email: Email,
    /// The name that others see.
    pub full_name: String,
    /// What it may do.
    pub role: Role,
    /// Whether it may do anything at all.
    pub is_active: bool,
    /// Its language.
    pub locale: Locale,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its own fields changed last.
    pub updated_at: Timestamp,
    /// Counts the changes of its own fields; also its `ETag`.
    pub version: i64,
}

impl UserView {
    /// Its `ETag`.
    #[must_use]
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }
}

impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        Self {
            id: user.id,
            email: user.email.clone(),
            full_name: user.full_name.clone(),
            role: user.role,
            is_active: user.is_active,
            locale: user.locale,
            created_at: user.created_at,
            updated_at: user.updated_at,
            version: user.version,
        }
    }
}

impl User {
    /// Whether this account counts among the admins that the desk cannot do without.
    #[must_use]
    pub fn is_active_admin(&self) -> bool {
        self.is_active && self.role == Role::Admin
    }

    /// The fields in which `after` differs, for the log. Hashes are not among them.
    #[must_use]
    pub fn diff(&self, after: &Self) -> FieldChanges {
        let mut changes = FieldChanges::new();
        let mut note = |field: &'static str, before: serde_json::Value, after: serde_json::Value| {
            if before != after {
                changes.insert(field.into(), [before, after]);
            }
        };
        note("email", json!(self.email), json!(after.email));
        note("full_name", json!(self.full_name), json!(after.full_name));
        note("role", json!(self.role), json!(after.role));
        note("is_active", json!(self.is_active), json!(after.is_active));
        note("locale", json!(self.locale), json!(after.locale));
        changes
    }
}

/// What a list of users is narrowed by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserQuery {
    /// Only this role.
    pub role: Option<Role>,
    /// Only active or only deactivated ones.
    pub is_active: Option<bool>,
    /// Words of name and e-mail; every one must occur, the last as a prefix.
    pub words: Option<crate::tickets::search::Words>,
}

impl UserQuery {
    /// Whether `user` belongs to the list: the meaning that every store must reproduce.
    #[must_use]
    pub fn matches(&self, user: &User) -> bool {
        self.role.is_none_or(|role| role == user.role)
            && self.is_active.is_none_or(|active| active == user.is_active)
            && self.words.as_ref().is_none_or(|words| words.found_in(&[&user.full_name, user.email.as_str()]))
    }
}

/// The active admins. Every change that could leave the desk without one writes or guards this row, so that two such
/// changes cannot both pass.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// Ids of active admins, ascending.
    pub admins: Vec<UserId>,
    /// Counts the changes of this row; 0 while there is none.
    pub version: i64,
}

impl Roster {
    /// The roster after `user` has become what it now is; `None` when that changes nothing.
    ///
    /// # Errors
    /// Conflict when nobody would be left.
    pub fn with(&self, user: &User) -> Result<Option<Self>, AppError> {
        let mut admins = self.admins.clone();
        match (admins.binary_search(&user.id), user.is_active_admin()) {
            (Err(at), true) => admins.insert(at, user.id),
            (Ok(at), false) => {
                admins.remove(at);
            }
            _ => return Ok(None),
        }
        if admins.is_empty() {
            return Err(AppError::conflict("The last active admin can be neither deactivated nor demoted."));
        }
        Ok(Some(Self { admins, version: self.version + 1 }))
    }
}

/// What admins have set; what they have not comes from the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The organisation's name.
    pub organisation_name: Option<String>,
    /// The language of people who chose none.
    pub locale: Option<Locale>,
    /// The IANA time zone in which days are shown.
    pub time_zone: Option<String>,
    /// Whether strangers may register.
    pub registration_open: Option<bool>,
    /// Targets for later tickets.
    pub sla: Option<SlaTargets>,
    /// Counts the changes of this row; 0 while there is none.
    pub version: i64,
}

/// The settings in force: what admins have set over what the configuration says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingsView {
    /// The organisation's name.
    pub organisation_name: String,
    /// The language of people who chose none.
    pub locale: Locale,
    /// The IANA time zone in which days are shown.
    pub time_zone: String,
    /// Whether strangers may register.
    pub registration_open: bool,
    /// Service-level targets of new tickets.
    pub sla: SlaTargets,
}

impl Settings {
    /// Lays these settings over the configuration's.
    #[must_use]
    pub fn over(&self, defaults: &SettingsView) -> SettingsView {
        SettingsView {
            organisation_name: self.organisation_name.clone().unwrap_or_else(|| defaults.organisation_name.clone()),
            locale: self.locale.unwrap_or(defaults.locale),
            time_zone: self.time_zone.clone().unwrap_or_else(|| defaults.time_zone.clone()),
            registration_open: self.registration_open.unwrap_or(defaults.registration_open),
            sla: self.sla.unwrap_or(defaults.sla),
        }
    }
}

/// The one-time right to make the first admin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupToken {
    /// SHA-256 of the token that was printed.
    pub hash: Digest32,
    /// When another one takes its place.
    pub expires_at: Timestamp,
    /// Counts the changes of this row.
    pub version: i64,
}
