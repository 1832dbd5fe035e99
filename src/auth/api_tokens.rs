//! API tokens: making, listing and revoking them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    model::{Actor, ApiToken, CreatedToken, NewApiToken},
    token::{digest, new_api_token},
};
use crate::{
    activity::model::{Action, NewEntry},
    app::AppState,
    error::AppError,
    store::{Changes, Expect, IdKind, RowKey},
    types::{TokenId, UserId},
};

/// API tokens that an account may have, expired ones included. Several that are made at the same moment may go beyond it.
pub const MOST_TOKENS: usize = 50;

/// Makes an API token with the rights of the account `owner`. The secret is in the answer and nowhere else.
///
/// # Errors
/// 422 for an end in the past, 404 for no such account, 409 when it has [`MOST_TOKENS`].
pub async fn create(app: &AppState, actor: &Actor, owner: UserId, new: &NewApiToken) -> Result<CreatedToken, AppError> {
    let now = app.now();
    if new.expires_at.is_some_and(|end| end <= now) {
        return Err(AppError::invalid_field("expires_at", "out_of_range", "must lie in the future"));
    }
    let (secret, id) = (new_api_token(), TokenId(app.store.reserve(IdKind::Token).await?));
    app.decide(|| async {
        let user = app.store.user(owner).await?.ok_or_else(AppError::not_found)?;
        if app.store.api_tokens_of(owner).await?.len() >= MOST_TOKENS {
            return Err(AppError::conflict(format!("The account has {MOST_TOKENS} API tokens; revoke one that is not needed first.")));
        }
        let token = ApiToken {
            id,
            user_id: owner,
            name: new.name.0.clone(),
            hash: digest(secret.expose()),
            expires_at: new.expires_at,
            created_at: now,
            last_used_at: None,
            version: 1,
        };
        let entry = NewEntry::new(Action::TokenCreated, actor, now).about_user(owner).with_changes(
            [("token_id", json!(id)), ("name", json!(token.name)), ("expires_at", json!(token.expires_at))]
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(field, value)| (field.into(), [Value::Null, value]))
                .collect(),
        );
        let created =
            CreatedToken { id, name: token.name.clone(), token: secret.expose().to_owned(), expires_at: token.expires_at, created_at: now };
        // Guarded, so that an account that is being disabled does not get another key at the same moment.
        let changes = Changes::new().guard(RowKey::User(owner), user.version).insert(token).log(entry);
        Ok((changes, created))
    })
    .await
}

/// The API tokens of `owner`, oldest first, expired ones included.
///
/// # Errors
/// The storage's.
pub async fn list(app: &AppState, owner: UserId) -> Result<Vec<Arc<ApiToken>>, AppError> {
    Ok(app.store.api_tokens_of(owner).await?)
}

/// Revokes an API token; with an `owner`, only one of theirs.
///
/// # Errors
/// 404.
pub async fn revoke(app: &AppState, actor: &Actor, owner: Option<UserId>, id: TokenId) -> Result<(), AppError> {
    app.decide(|| async move {
        let token = app.store.api_token_by_id(id).await?.filter(|token| owner.is_none_or(|owner| owner == token.user_id));
        let token = token.ok_or_else(AppError::not_found)?;
        let entry = NewEntry::new(Action::TokenRevoked, actor, app.now())
            .about_user(token.user_id)
            .changed("token_id", json!(id), Value::Null)
            .changed("name", json!(token.name), Value::Null);
        Ok((Changes::new().delete(RowKey::ApiToken(id), Expect::Version(token.version)).log(entry), ()))
    })
    .await
}
