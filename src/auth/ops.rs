//! Signing in and out, and what becomes of sessions.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    model::{Actor, Credentials, Session, TokenPair, Via},
    session::{Client, MOST_SESSIONS, RefreshToken, Shown, surplus},
    throttle::{Attempt, Kind},
};
use crate::{
    activity::model::{Action, ActorRef, NewEntry},
    app::{App, AppState},
    error::AppError,
    metrics::LoginOutcome,
    store::{Changes, Expect, IdKind, RowKey},
    types::{Email, Secret, SessionId, Timestamp, UserId},
    users::model::User,
};

/// What a sign-in and a refresh give: the answer, and the refresh token where it goes into a cookie.
#[derive(Debug)]
pub struct SignedIn {
    /// The answer.
    pub pair: TokenPair,
    /// The refresh token that is not in the answer.
    pub cookie: Option<Secret>,
}

impl SignedIn {
    fn new(app: &App, session: &Session, refresh: RefreshToken, now: Timestamp) -> Result<Self, AppError> {
        let refresh = refresh.into_text();
        let (told, cookie) = if session.cookie { (None, Some(refresh)) } else { (Some(refresh.expose().to_owned()), None) };
        let pair = TokenPair {
            access_token: app.keys.access_token(session, now)?.expose().to_owned(),
            token_type: "bearer".into(),
            expires_in: app.keys.lifetime(),
            refresh_token: told,
        };
        Ok(Self { pair, cookie })
    }
}

/// How a sign-in ends.
enum Login {
    Done(Box<SignedIn>, Actor),
    /// Refused, for this account if there is one.
    Refused(Option<UserId>, AppError),
    /// The account has come into a wait while the password was checked: whether it was right is not told.
    Waits(AppError),
}

/// Signs in. An unknown address, a wrong password and the wrong password of a disabled account are told apart neither
/// by the answer nor by the time that it takes.
///
/// # Errors
/// 401; 400 for the right password of a disabled account; 429 after too many failures.
pub async fn login(app: &AppState, credentials: &Credentials, client: &Client) -> Result<SignedIn, AppError> {
    let throttled = || app.metrics.logins.count(LoginOutcome::Throttled);
    let attempt = app.throttle.begin(Kind::Login, &credentials.username, client.address).inspect_err(|_| throttled())?;
    let email: Option<Email> = credentials.username.parse().ok();
    match app.decide(|| decide_login(app, email.as_ref(), &credentials.password, client, &attempt)).await? {
        Login::Done(signed_in, actor) => {
            app.metrics.logins.count(LoginOutcome::Success);
            attempt.succeeded();
            make_room(app, &actor).await?;
            Ok(*signed_in)
        }
        Login::Waits(refusal) => {
            throttled();
            Err(refusal)
        }
        Login::Refused(user, refusal) => {
            app.metrics.logins.count(if refusal.status() == 401 { LoginOutcome::WrongCredentials } else { LoginOutcome::Disabled });
            attempt.failed()?;
            if let Some(changes) = app.failed_logins.note(user, client.address, app.now()) {
                app.commit_aside(changes);
            }
            Err(refusal)
        }
    }
}

async fn decide_login(
    app: &App,
    email: Option<&Email>,
    password: &Secret,
    client: &Client,
    attempt: &Attempt<'_>,
) -> Result<(Changes, Login), AppError> {
    let user = match email {
        Some(email) => app.store.user_by_email(email).await?,
        None => None,
    };
    let hash = user.as_ref().and_then(|user| user.password_hash.as_ref());
    let verified = app.hasher.verify(password.expose(), hash).await?;
    let known = user.as_ref().map(|user| user.id);
    let (true, Some(user)) = (verified.matches, user) else {
        let refusal = AppError::new("wrong-credentials", "The e-mail address or the password is wrong.");
        return Ok((Changes::new(), Login::Refused(known, refusal)));
    };
    if !user.is_active {
        let refusal = AppError::bad_request("account-disabled", "The account is disabled; an admin can open it again.");
        return Ok((Changes::new(), Login::Refused(known, refusal)));
    }
    if let Err(waits) = attempt.is_due() {
        return Ok((Changes::new(), Login::Waits(waits)));
    }
    let now = app.now();
    let first = RefreshToken::first(SessionId(app.store.reserve(IdKind::Session).await?));
    let session = Session::begin(user.id, &first, client, now, app.config.auth.refresh_token_days);
    let actor = Actor::person(&user, Via::Session, Some(&session));
    let entry = NewEntry::new(Action::UserLoggedIn, &actor, now).about_user(user.id).changed("session_id", Value::Null, json!(session.id));
    // The guard makes a sign-in lose against a change of the account that comes in between: disabling, a new password.
    let mut changes = if verified.outdated {
        let password_hash = Some(app.hasher.hash(password.expose()).await?);
        Changes::new().update(User { password_hash, version: user.version + 1, ..User::clone(&user) })
    } else {
        Changes::new().guard(RowKey::User(user.id), user.version)
    };
    let others = app.store.sessions_of(user.id).await?;
    changes = revoke(changes, &surplus(&others, MOST_SESSIONS - 1, now), &ActorRef::from(&actor), now);
    let signed_in = SignedIn::new(app, &session, first, now)?;
    Ok((changes.insert(session).log(entry), Login::Done(Box::new(signed_in), actor)))
}

/// Ends what is too much after sign-ins at the same moment, which do not see each other's sessions.
async fn make_room(app: &App, actor: &Actor) -> Result<(), AppError> {
    let user = actor.require_id()?;
    app.decide(|| async move {
        let (sessions, now) = (app.store.sessions_of(user).await?, app.now());
        Ok((revoke(Changes::new(), &surplus(&sessions, MOST_SESSIONS, now), &actor.into(), now), ()))
    })
    .await
}

/// Exchanges a refresh token for a new pair. One that was used before, outside of its grace, ends the whole session:
/// either its holder or whoever had it then is not the one who signed in.
///
/// # Errors
/// 401.
pub async fn refresh(app: &AppState, shown: &Secret) -> Result<SignedIn, AppError> {
    let shown = RefreshToken::read(shown.expose()).ok_or_else(AppError::unauthorized)?;
    app.decide(|| decide_refresh(app, &shown)).await?.ok_or_else(AppError::unauthorized)
}

async fn decide_refresh(app: &App, shown: &RefreshToken) -> Result<(Changes, Option<SignedIn>), AppError> {
    let refused = || Ok((Changes::new(), None));
    let Some(session) = app.store.session(shown.session()).await? else { return refused() };
    let Some(user) = app.store.user(session.user_id).await?.filter(|user| user.is_active) else { return refused() };
    let (now, next) = (app.now(), shown.next());
    match session.show(shown, &next, now, app.config.auth.refresh_token_days) {
        Shown::Good(after) => {
            let signed_in = SignedIn::new(app, &after, next, now)?;
            Ok((Changes::new().update(*after), Some(signed_in)))
        }
        Shown::UsedBefore => {
            let actor = ActorRef::from(&Actor::person(&user, Via::Session, Some(&session)));
            Ok((revoke(Changes::new(), &[session], &actor, now), None))
        }
        Shown::Foreign => refused(),
    }
}

/// Signs out: ends the actor's session.
///
/// # Errors
/// 400 for an API token, which is no session.
pub async fn logout(app: &AppState, actor: &Actor) -> Result<(), AppError> {
    let id = actor.session.ok_or_else(|| AppError::bad_request("bad-request", "An API token is not signed in; revoke it instead."))?;
    app.decide(|| async move {
        let Some(session) = app.store.session(id).await? else { return Ok((Changes::new(), ())) };
        let entry = NewEntry::new(Action::UserLoggedOut, actor, app.now()).about_user(session.user_id).changed(
            "session_id",
            json!(id),
            Value::Null,
        );
        Ok((Changes::new().delete(RowKey::Session(id), Expect::Version(session.version)).log(entry), ()))
    })
    .await
}

/// The actor's live sessions, oldest first.
///
/// # Errors
/// Forbidden without an account; the storage's.
pub async fn sessions(app: &AppState, actor: &Actor) -> Result<Vec<Arc<Session>>, AppError> {
    let now = app.now();
    let mut sessions = app.store.sessions_of(actor.require_id()?).await?;
    sessions.retain(|session| session.is_live(now));
    Ok(sessions)
}

/// Ends one of the actor's own sessions.
///
/// # Errors
/// 404 for a session that is not the actor's, or over.
pub async fn end_session(app: &AppState, actor: &Actor, id: SessionId) -> Result<(), AppError> {
    let user = actor.require_id()?;
    app.decide(|| async move {
        let now = app.now();
        let session = app.store.session(id).await?.filter(|session| session.user_id == user && session.is_live(now));
        let session = session.ok_or_else(AppError::not_found)?;
        Ok((revoke(Changes::new(), &[session], &actor.into(), now), ()))
    })
    .await
}

/// Ends an account's sessions but one, as a part of the change that makes this necessary.
///
/// # Errors
/// The storage's.
pub async fn revoking_sessions(
    app: &App,
    changes: Changes,
    user: UserId,
    keep: Option<SessionId>,
    actor: &Actor,
) -> Result<Changes, AppError> {
    let mut sessions = app.store.sessions_of(user).await?;
    sessions.retain(|session| Some(session.id) != keep);
    Ok(revoke(changes, &sessions, &actor.into(), app.now()))
}

/// Ends those of an account's sessions that began while [`revoking_sessions`] was decided, before its commit. After the
/// commit no sign-in can succeed that was decided before.
///
/// # Errors
/// The storage's.
pub async fn revoke_latecomers(app: &App, user: UserId, keep: Option<SessionId>, actor: &Actor) -> Result<(), AppError> {
    app.decide(|| async move { Ok((revoking_sessions(app, Changes::new(), user, keep, actor).await?, ())) }).await
}

fn revoke(mut changes: Changes, sessions: &[Arc<Session>], actor: &ActorRef, now: Timestamp) -> Changes {
    for session in sessions {
        let entry = NewEntry::new(Action::SessionRevoked, actor.clone(), now).about_user(session.user_id).changed(
            "session_id",
            json!(session.id),
            Value::Null,
        );
        changes = changes.delete(RowKey::Session(session.id), Expect::Version(session.version)).log(entry);
    }
    changes
}
