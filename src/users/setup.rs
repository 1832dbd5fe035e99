//! The first admin: made with a one-time token that the server prints, or from the configuration.

use std::net::SocketAddr;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    model::{Locale, SetupToken, UserView},
    ops::{make, with_roster},
    rules::{FullName, Making, is_own_name},
    settings::{OrganisationName, SettingsChange},
};
use crate::{
    activity::model::{Action, ActorRef, NewEntry},
    app::{AppState, HashAhead},
    auth::{
        model::{Actor, Role, Via},
        policy::NewPassword,
        token::{digest, random},
    },
    demo,
    error::AppError,
    input::FieldValue,
    store::{Changes, Expect, IdKind, RowKey},
    types::{Email, Secret, UserId},
};

/// How long a printed token is good: 30 minutes.
pub const TOKEN_SECONDS: i64 = 30 * 60;

crate::input! {
    /// Who becomes the first admin.
    #[derive(ToSchema)]
    pub struct FirstAdmin {
        /// Unique, without case.
        email: Email,
        /// The name that others see.
        full_name: FullName,
        /// None of the most common ones, nor the account's own names.
        password: NewPassword,
    }
    together |password, email, full_name| is_own_name(password, email, full_name)
}

crate::input! {
    /// The set-up of the desk.
    #[derive(ToSchema)]
    pub struct Setup {
        /// What stands behind the `#` of the printed address.
        #[schema(value_type = String)]
        token: Secret,
        /// The organisation's name.
        organisation_name: OrganisationName,
        /// The language of people who choose none.
        locale: Locale,
        /// The first admin.
        admin: FirstAdmin,
        /// Whether to fill the desk with believable people and tickets, to look around. Nobody can sign in as one of these
        /// people until an admin sets a password.
        demo_data: Option<bool>,
    }
}

/// Whether the desk has to be set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SetupState {
    /// Whether there is no admin yet.
    pub needed: bool,
}

/// Whether there is no admin.
///
/// # Errors
/// The storage's.
pub async fn state(app: &AppState) -> Result<SetupState, AppError> {
    Ok(SetupState { needed: app.store.roster().await?.admins.is_empty() })
}

/// Makes the first admin and the first settings, for whoever shows the printed token; with a demo, when that is wanted.
///
/// # Errors
/// 422; 403 for a bad or expired token; 409 when there is an admin; 400 for a taken address.
pub async fn set_up(app: &AppState, setup: &Setup) -> Result<UserView, AppError> {
    let admin = make_first_admin(app, setup).await?;
    if setup.demo_data == Some(true) {
        demo::ops::fill_aside(app, admin.id).await;
    }
    Ok(admin)
}

async fn make_first_admin(app: &AppState, setup: &Setup) -> Result<UserView, AppError> {
    let FirstAdmin { email, full_name, password } = &setup.admin;
    app.decide(|| async {
        if !state(app).await?.needed {
            return Err(AppError::conflict("The desk is set up already."));
        }
        let (now, shown) = (app.now(), digest(setup.token.expose()));
        let token = app.store.setup_token().await?.filter(|token| token.hash == shown && now < token.expires_at);
        let token = token
            .ok_or_else(|| AppError::forbidden("The set-up token is wrong or too old; the server prints a new one every 30 minutes."))?;
        let admin = Making { role: Role::Admin, locale: setup.locale, ..make(app, email, full_name, Some(password)).await? }.made(now);
        let actor = Actor::person(&admin, Via::Session, None);
        let change = SettingsChange {
            organisation_name: Some(setup.organisation_name.clone()),
            locale: Some(setup.locale),
            ..SettingsChange::default()
        };
        let (settings, fields) = app.store.settings().await?.changed(&change, &app.config.settings());
        let view = UserView::from(&admin);
        let changes = with_roster(app, Changes::new(), &admin)
            .await?
            .delete(RowKey::SetupToken, Expect::Version(token.version))
            .update(settings)
            .log(admin.made_entry(Action::UserCreated, Some(&actor)))
            .log(NewEntry::new(Action::SetupCompleted, &actor, now).about_user(admin.id).with_changes(fields))
            .insert(admin);
        Ok((changes, view))
    })
    .await
}

/// A new one-time token, in place of the one before; none when the desk is set up.
///
/// # Errors
/// The storage's.
pub async fn new_token(app: &AppState) -> Result<Option<Secret>, AppError> {
    app.decide(|| async {
        if !state(app).await?.needed {
            return Ok((Changes::new(), None));
        }
        let token = BASE64_URL_SAFE_NO_PAD.encode(random::<32>());
        let row = SetupToken { hash: digest(&token), expires_at: app.now().plus_seconds(TOKEN_SECONDS), version: 1 };
        Ok((Changes::new().overwrite(row), Some(Secret::new(token))))
    })
    .await
}

/// Makes the first admin from the configuration, when it names one and there is none. `ahead` is the hash of the
/// configured password, when somebody has begun to make it.
///
/// # Errors
/// Values that do not fit, with the name of their key; the storage's.
pub async fn bootstrap(app: &AppState, ahead: Option<HashAhead>) -> anyhow::Result<()> {
    let bootstrap = &app.config.bootstrap;
    let (email, password) = match (&bootstrap.admin_email, &bootstrap.admin_password) {
        (None, None) => return Ok(()),
        (Some(email), Some(password)) => (email, password),
        (Some(_), None) => anyhow::bail!("bootstrap.admin_email needs bootstrap.admin_password beside it"),
        (None, Some(_)) => anyhow::bail!("bootstrap.admin_password needs bootstrap.admin_email beside it"),
    };
    let unused = || tracing::info!("the desk has an admin: bootstrap.admin_email and bootstrap.admin_password are not used");
    if !state(app).await?.needed {
        unused();
        return Ok(());
    }
    let email: Email = email.parse().map_err(|message| anyhow::anyhow!("bootstrap.admin_email {message}"))?;
    let full_name = FullName("Administrator".into());
    let password = NewPassword::from_json(password.expose().into())
        .and_then(|password| password.fault_for("", Some(&email), Some(&full_name.0)).map_or(Ok(password), |fault| Err(vec![fault])));
    let password = password.map_err(|faults| {
        let told: Vec<String> = faults.into_iter().map(|fault| fault.message).collect();
        anyhow::anyhow!("bootstrap.admin_password {}", told.join(", "))
    })?;
    // Unless another instance has made it meanwhile.
    if app.store.user_by_email(&email).await?.is_some() && state(app).await?.needed {
        anyhow::bail!("bootstrap.admin_email is the address of an account that is no active admin; `taquilla user` can make it one");
    }
    let hash = match ahead {
        Some(hash) => hash.await??,
        None => app.hasher.hash(password.expose()).await?,
    };
    let made = app.decide(|| async {
        if !state(app).await?.needed {
            return Ok((Changes::new(), false));
        }
        let (id, locale) = (UserId(app.store.reserve(IdKind::User).await?), app.settings().await?.locale);
        let password_hash = Some(hash.clone());
        let admin = Making { id, email: &email, full_name: &full_name, role: Role::Admin, locale, password_hash }.made(app.now());
        let entry = NewEntry { actor: ActorRef::system(), ..admin.made_entry(Action::UserCreated, None) };
        let changes = with_roster(app, Changes::new(), &admin).await?.insert(admin).log(entry);
        Ok((changes, true))
    });
    if made.await? {
        tracing::info!("the first admin was made of bootstrap.admin_email and bootstrap.admin_password");
    } else {
        unused();
    }
    Ok(())
}

/// Prints the address at which the first admin is made, with a new token, while there is none: `anew`, or when the token
/// printed last has expired. Whether it did.
///
/// # Errors
/// The storage's.
pub async fn print_address(app: &AppState, listening: SocketAddr, anew: bool) -> Result<bool, AppError> {
    if !anew && app.store.setup_token().await?.is_some_and(|token| app.now() < token.expires_at) {
        return Ok(false);
    }
    let Some(token) = new_token(app).await? else { return Ok(false) };
    // For the person at the terminal: not through the log, which is kept and shipped elsewhere.
    eprintln!("Set up the desk: {}/setup#{}", app.public_url(listening), token.expose());
    Ok(true)
}
