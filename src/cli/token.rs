//! `token …`: API tokens of an account, for the machine's administrator.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    Context, Exit, Failure,
    desk::{Missing, Way, offline},
    output::{print, table},
    user::Named,
};
use crate::{
    auth::{
        api_tokens,
        model::{Actor, ApiTokenView, NewApiToken, TokenName},
    },
    input::FieldValue,
    types::{Timestamp, TokenId},
};

const SECONDS_OF_A_DAY: i64 = 24 * 3_600;

#[derive(Debug, Subcommand)]
pub(super) enum TokenVerb {
    /// Make an API token; it is printed this once and cannot be shown again.
    Create(Create),
    /// List the API tokens of an account, without the tokens themselves.
    List {
        /// Whose: e-mail address or id.
        #[arg(long, value_name = "E-MAIL|ID")]
        user: Named,
    },
    /// Revoke an API token: it works no more from now on.
    Revoke {
        /// The token's id, as listed.
        id: TokenId,
        /// Only when it belongs to this account: e-mail address or id.
        #[arg(long, value_name = "E-MAIL|ID")]
        user: Option<Named>,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Whose rights it has: e-mail address or id.
    #[arg(long, value_name = "E-MAIL|ID")]
    user: Named,
    /// What it is for.
    #[arg(long, value_parser = name)]
    name: TokenName,
    /// When it ends by itself, such as 2027-01-31T00:00:00Z; never when left out.
    #[arg(long, value_name = "TIME")]
    expires_at: Option<Timestamp>,
    /// After how many days it ends by itself.
    #[arg(long, value_name = "N", conflicts_with = "expires_at", value_parser = clap::value_parser!(i64).range(1..=36_500))]
    days: Option<i64>,
}

impl TokenVerb {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::Create(verb) => verb.run(context),
            Self::List { user } => list(context, &user),
            Self::Revoke { id, user } => revoke(context, id, user.as_ref()),
        }
    }
}

impl Create {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let Self { user, name, expires_at, days } = self;
        let made = offline(context, Missing::Refuse, Way("POST", "/api/v1/auth/tokens"), async |app| {
            let owner = user.find(app).await?;
            if !owner.is_active {
                let message = format!("the account {user} is disabled: an API token of it would not work");
                return Err(Failure::new(Exit::NotPermitted, message));
            }
            let expires_at = days.map(|days| app.now().plus_seconds(days * SECONDS_OF_A_DAY)).or(expires_at);
            let new = NewApiToken { name: name.clone(), expires_at };
            Ok(api_tokens::create(app, &Actor::cli(), owner.id, &new).await?)
        })?;
        context.out.data(&made, || made.token.clone())?;
        let end = made.expires_at.map_or_else(|| "does not end by itself".to_owned(), |end| format!("ends at {end}"));
        context.out.say(&format!("token {} of {user} {end}; it is shown this once", made.id));
        Ok(Exit::Ok)
    }
}

fn list(context: &Context, user: &Named) -> Result<Exit, Failure> {
    let rows = offline(context, Missing::Refuse, Way("GET", "/api/v1/auth/tokens"), async |app| {
        let owner = user.find(app).await?;
        let tokens = api_tokens::list(app, owner.id).await?;
        Ok(tokens.iter().map(|token| ApiTokenView::from(&**token)).collect::<Vec<_>>())
    })?;
    context.out.data(&rows, || {
        let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
        let cells = |row: &ApiTokenView| {
            [row.id.to_string(), row.name.clone(), row.created_at.to_string(), time(row.last_used_at), time(row.expires_at)]
        };
        table(["ID", "NAME", "CREATED", "LAST USED", "EXPIRES"], &rows.iter().map(cells).collect::<Vec<_>>())
    })?;
    Ok(Exit::Ok)
}

fn revoke(context: &Context, id: TokenId, user: Option<&Named>) -> Result<Exit, Failure> {
    offline(context, Missing::Refuse, Way("DELETE", "/api/v1/auth/tokens/{id}"), async |app| {
        let owner = match user {
            Some(user) => Some(user.find(app).await?.id),
            None => None,
        };
        Ok(api_tokens::revoke(app, &Actor::cli(), owner, id).await?)
    })?;
    if context.out.json {
        print(&json!({ "id": id, "revoked": true }).to_string())?;
    }
    context.out.say(&format!("token {id} is revoked"));
    Ok(Exit::Ok)
}

fn name(text: &str) -> Result<TokenName, String> {
    TokenName::from_json(text.into()).map_err(|faults| faults.iter().map(|fault| fault.message.as_str()).collect::<Vec<_>>().join("; "))
}
