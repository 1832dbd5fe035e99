//! What is done with accounts.

use std::{net::IpAddr, sync::Arc};

use super::{
    model::{User, UserQuery, UserView},
    rules::{FullName, Making, NewUser, ProfileChange, Registration, Step, UserChange, may_register_as},
};
use crate::{
    activity::model::Action,
    app::{App, AppState},
    auth::{
        model::{Actor, Role},
        ops::{revoke_latecomers, revoking_sessions},
        policy::NewPassword,
        throttle::Kind,
    },
    error::AppError,
    reply::{Once, Reply},
    store::{Changes, IdKind},
    types::{Email, Expected, Page, Secret, SessionId, Slice, Total, UserId},
};

/// Registers an account with the role `user`.
///
/// # Errors
/// 422 for a password that is one of the account's names; 403 for another role, while set-up is needed, and while
/// registration is closed; 400 for a taken address; 429 after too many tries from the client's address, or with a taken one.
pub async fn register(app: &AppState, new: &Registration, client: IpAddr) -> Result<UserView, AppError> {
    let attempt = app.throttle.begin(Kind::Register, new.email.as_str(), client)?;
    let registered = app.decide(|| async {
        may_register_as(new.role)?;
        if app.store.roster().await?.admins.is_empty() {
            return Err(AppError::forbidden("The desk has to be set up first."));
        }
        let settings = app.settings().await?;
        if !settings.registration_open {
            return Err(AppError::forbidden("Registration is closed; ask an admin for an account."));
        }
        let making =
            Making { role: Role::User, locale: settings.locale, ..make(app, &new.email, &new.full_name, Some(&new.password)).await? };
        let user = making.made(app.now());
        let (entry, view) = (user.made_entry(Action::UserRegistered, None), UserView::from(&user));
        Ok((Changes::new().insert(user).log(entry), view))
    });
    let registered = registered.await;
    if registered.as_ref().is_err_and(|refusal| refusal.status() == 400) {
        attempt.failed()?;
    }
    registered
}

/// Makes an account, as an admin.
///
/// # Errors
/// 422 for a password that is one of the account's names, 403 for others than admins, 400 for a taken address.
pub async fn create(app: &AppState, actor: &Actor, new: &NewUser, once: Once) -> Result<(UserView, Reply), AppError> {
    // Told with the other faults of a body; this is for the command line.
    check_password(new.password.as_ref(), &new.email, &new.full_name.0)?;
    actor.require_admin()?;
    app.decide(|| async {
        let locale = app.settings().await?.locale;
        let making = Making { role: new.role, locale, ..make(app, &new.email, &new.full_name, new.password.as_ref()).await? };
        let user = making.made(app.now());
        let (entry, view) = (user.made_entry(Action::UserCreated, Some(actor)), UserView::from(&user));
        let reply = Reply::created(format!("/api/v1/users/{}", user.id), Some(view.etag()), &view);
        let changes = with_roster(app, Changes::new(), &user).await?.insert(user).log(entry);
        Ok((once.remember(changes, &reply, app.now()), (view, reply)))
    })
    .await
}

/// A page of accounts, by id.
///
/// # Errors
/// The storage's.
pub async fn list(app: &AppState, query: &UserQuery, page: Page<UserId>) -> Result<Slice<Arc<User>, UserId>, AppError> {
    Ok(app.store.users(query, page).await?)
}

/// The page of a list that has no account in it.
#[must_use]
pub fn nothing(page: &Page<UserId>) -> Slice<Arc<User>, UserId> {
    Slice { rows: Vec::new(), next: None, total: page.after.is_none().then_some(Total::Exact(0)) }
}

/// An account.
///
/// # Errors
/// 404.
pub async fn one(app: &App, id: UserId) -> Result<Arc<User>, AppError> {
    app.store.user(id).await?.ok_or_else(AppError::not_found)
}

/// Changes an account, as an admin.
///
/// # Errors
/// 404; 403 for others than admins; 412; 422 for a password that is one of the account's names; 400 for a taken
/// address; 409 when no active admin would be left.
pub async fn change(app: &AppState, actor: &Actor, id: UserId, change: &UserChange, expected: &Expected) -> Result<UserView, AppError> {
    actor.require_staff()?;
    commit_step(app, actor, id, None, || async {
        let before = one(app, id).await?;
        actor.require_admin()?;
        expected.check(before.version)?;
        let email = change.email.as_ref().unwrap_or(&before.email);
        let name = change.full_name.as_ref().map_or(&before.full_name, |name| &name.0);
        check_password(change.password.as_ref(), email, name)?;
        let hash = hash(app, change.password.as_ref()).await?;
        let step = before.changed_by_admin(change, hash, actor, app.now());
        Ok((before, step))
    })
    .await
}

/// Deactivates an account; one that is deactivated stays so.
///
/// # Errors
/// As [`change`].
pub async fn deactivate(app: &AppState, actor: &Actor, id: UserId, expected: &Expected) -> Result<UserView, AppError> {
    change(app, actor, id, &UserChange { is_active: Some(false), ..UserChange::default() }, expected).await
}

/// Changes the actor's own account. A new password ends the other sessions; API tokens stay.
///
/// # Errors
/// 422 for a new password without the present one, and for one that is one of the account's names; 403 for a wrong
/// present one; 412.
pub async fn change_own(app: &AppState, actor: &Actor, change: &ProfileChange, expected: &Expected) -> Result<UserView, AppError> {
    let id = actor.require_id()?;
    commit_step(app, actor, id, actor.session, || async {
        let before = one(app, id).await?;
        let name = change.full_name.as_ref().map_or(&before.full_name, |name| &name.0);
        check_password(change.password.as_ref(), &before.email, name)?;
        if change.password.is_some() {
            let current = change.current_password.as_ref();
            let current =
                current.ok_or_else(|| AppError::invalid_field("current_password", "missing", "is required with a new password"))?;
            prove(app, &before, current).await?;
        }
        expected.check(before.version)?;
        let hash = hash(app, change.password.as_ref()).await?;
        let step = before.changed_by_owner(change, hash, actor, app.now());
        Ok((before, step))
    })
    .await
}

/// Whether `password` is the present one of this account. Whoever has got hold of a session cannot go on guessing.
async fn prove(app: &App, user: &User, password: &Secret) -> Result<(), AppError> {
    let account = user.id.to_string();
    app.throttle.may_prove(&account)?;
    let right = app.hasher.verify(password.expose(), user.password_hash.as_ref()).await?.matches;
    app.throttle.proved(&account, right)?;
    if right { Ok(()) } else { Err(AppError::forbidden("The present password is wrong.")) }
}

/// Commits what was decided about an account, with all that follows from it: the roster of admins, the end of sessions.
async fn commit_step<F, Fut>(app: &AppState, actor: &Actor, id: UserId, keep: Option<SessionId>, decide: F) -> Result<UserView, AppError>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<(Arc<User>, Option<Step>), AppError>>,
{
    let (view, ended) = app
        .decide(|| async {
            let (before, step) = decide().await?;
            let Some(Step { user, entry, ends_sessions }) = step else {
                return Ok((Changes::new(), (UserView::from(&*before), false)));
            };
            let view = UserView::from(&user);
            let mut changes = Changes::new();
            if user.is_active_admin() != before.is_active_admin() {
                changes = with_roster(app, changes, &user).await?;
            }
            changes = changes.update(user).log(entry);
            if ends_sessions {
                changes = revoking_sessions(app, changes, id, keep, actor).await?;
            }
            Ok((changes, (view, ends_sessions)))
        })
        .await?;
    if ended {
        revoke_latecomers(app, id, keep, actor).await?;
    }
    Ok(view)
}

/// Adds the roster of admins as it is with `user`, when that changes it.
///
/// # Errors
/// 409 when nobody would be left.
pub(super) async fn with_roster(app: &App, changes: Changes, user: &User) -> Result<Changes, AppError> {
    let roster = app.store.roster().await?.with(user)?;
    Ok(roster.into_iter().fold(changes, Changes::update))
}

/// Reserves what a new account needs; role and locale are the caller's to set.
pub(super) async fn make<'a>(
    app: &App,
    email: &'a Email,
    full_name: &'a FullName,
    password: Option<&NewPassword>,
) -> Result<Making<'a>, AppError> {
    // The commit judges it again; here it spares the work of hashing.
    if app.store.user_by_email(email).await?.is_some() {
        return Err(AppError::already_registered());
    }
    let password_hash = hash(app, password).await?;
    let id = UserId(app.store.reserve(IdKind::User).await?);
    Ok(Making { id, email, full_name, role: Role::User, locale: app.config.desk.locale, password_hash })
}

/// Refuses a password that is one of the account's own names.
///
/// # Errors
/// 422 for the field `password`.
fn check_password(password: Option<&NewPassword>, email: &Email, full_name: &str) -> Result<(), AppError> {
    let fault = password.and_then(|password| password.fault_for("password", Some(email), Some(full_name)));
    fault.map_or(Ok(()), |fault| Err(AppError::invalid(vec![fault])))
}

async fn hash(app: &App, password: Option<&NewPassword>) -> Result<Option<Secret>, AppError> {
    match password {
        Some(password) => app.hasher.hash(password.expose()).await.map(Some),
        None => Ok(None),
    }
}
