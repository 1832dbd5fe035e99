//! From a request's token to whoever acts, as their account stands right now.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header::AUTHORIZATION, request::Parts},
};

use super::{
    model::{Actor, Via},
    token::{API_TOKEN_PREFIX, digest},
    uses::Used,
};
use crate::{
    app::AppState,
    error::AppError,
    store::{Addition, Changes},
    types::{Secret, Timestamp},
};

/// An agent or an admin.
#[derive(Debug, Clone)]
pub struct AgentActor(pub Actor);

/// An admin.
#[derive(Debug, Clone)]
pub struct AdminActor(pub Actor);

impl FromRequestParts<AppState> for Actor {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, AppError> {
        // Of a request with an idempotency key it has been asked already.
        if let Some(actor) = parts.extensions.get::<Self>() {
            return Ok(actor.clone());
        }
        let token = bearer(&parts.headers).ok_or_else(AppError::unauthorized)?;
        authenticated(app, token).await.map(|(actor, _)| actor)
    }
}

/// Whoever makes a request whose answer lasts, with the credentials, so that these can be judged again meanwhile.
pub struct Standing {
    /// Who it is.
    pub actor: Actor,
    token: Secret,
    until: Option<Timestamp>,
}

impl FromRequestParts<AppState> for Standing {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, AppError> {
        let token = bearer(&parts.headers).ok_or_else(AppError::unauthorized)?;
        let (actor, until) = authenticated(app, token).await?;
        Ok(Self { actor, token: Secret::new(token), until })
    }
}

impl Standing {
    /// Whether the credentials have expired.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|end| end <= now)
    }

    /// Whether a request with these credentials would still be the same account's, with the same role. A storage that does
    /// not answer says no.
    pub async fn holds(&self, app: &AppState) -> bool {
        let now = authenticated(app, self.token.expose()).await;
        now.is_ok_and(|(actor, _)| actor.id == self.actor.id && actor.role == self.actor.role)
    }
}

impl FromRequestParts<AppState> for AgentActor {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, AppError> {
        let actor = Actor::from_request_parts(parts, app).await?;
        actor.require_staff()?;
        Ok(Self(actor))
    }
}

impl FromRequestParts<AppState> for AdminActor {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, AppError> {
        let actor = Actor::from_request_parts(parts, app).await?;
        actor.require_admin()?;
        Ok(Self(actor))
    }
}

/// The token of the one `Authorization: Bearer …` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (sent.next(), sent.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Whom a token stands for right now, and until when by itself.
async fn authenticated(app: &AppState, token: &str) -> Result<(Actor, Option<Timestamp>), AppError> {
    if token.starts_with(API_TOKEN_PREFIX) { by_api_token(app, token).await } else { by_session(app, token).await }
}

async fn by_session(app: &AppState, token: &str) -> Result<(Actor, Option<Timestamp>), AppError> {
    let now = app.now();
    let bearer = app.keys.check(token, now).ok_or_else(AppError::unauthorized)?;
    // Both at once: a store on another machine is asked in the time of one question.
    let (session, user) = tokio::join!(app.store.session(bearer.session), app.store.user(bearer.user));
    let session = session?.filter(|session| session.user_id == bearer.user && session.is_live(now));
    let session = session.ok_or_else(AppError::unauthorized)?;
    let user = user?.filter(|user| user.is_active).ok_or_else(AppError::unauthorized)?;
    if app.uses.is_due(Used::Session(session.id), Some(session.last_used_at), now) {
        app.commit_aside(Changes::new().add(Addition::SessionUsed(session.id, now)));
    }
    Ok((Actor::person(&user, Via::Session, Some(&session)), Some(bearer.until)))
}

async fn by_api_token(app: &AppState, token: &str) -> Result<(Actor, Option<Timestamp>), AppError> {
    let now = app.now();
    let token = app.store.api_token(&digest(token)).await?.filter(|token| token.is_live(now)).ok_or_else(AppError::unauthorized)?;
    let user = app.store.user(token.user_id).await?.filter(|user| user.is_active).ok_or_else(AppError::unauthorized)?;
    if app.uses.is_due(Used::Token(token.id), token.last_used_at, now) {
        app.commit_aside(Changes::new().add(Addition::TokenUsed(token.id, now)));
    }
    Ok((Actor::person(&user, Via::ApiToken, None), token.expires_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_well_formed_header_carries_a_token() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(of(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(of(&["bEARER  abc "]).as_deref(), Some("abc"));
        for bad in [&[][..], &["Bearer"], &["Bearer "], &["abc"], &["Basic abc"], &["Bearer a", "Bearer b"], &["Bearera b"]] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
    }
}
