//! People as `ticket …` names them: by e-mail address or id, as oneself, or as nobody.

use serde_json::Value;

use crate::{
    cli::{Exit, Failure, remote::Desk, user::Named},
    types::{Email, UserId},
};

/// Accounts that are looked at: hardly any other has all words of an address.
const PAGE: &str = "200";

/// Somebody.
#[derive(Debug, Clone)]
pub(super) enum Person {
    Me,
    Nobody,
    Is(Named),
}

impl std::str::FromStr for Person {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "me" => Ok(Self::Me),
            "none" => Ok(Self::Nobody),
            named => named.parse().map(Self::Is).map_err(|_| "must be an e-mail address, an id, me or none"),
        }
    }
}

/// Anybody but nobody.
pub(super) fn somebody(text: &str) -> Result<Person, &'static str> {
    const MUST: &str = "must be an e-mail address, an id or me";
    text.parse().map_err(|_| MUST).and_then(|person| if matches!(person, Person::Nobody) { Err(MUST) } else { Ok(person) })
}

impl Person {
    /// As the filters of the API name them.
    pub(super) async fn filter(&self, desk: &Desk) -> Result<String, Failure> {
        match self {
            Self::Me => Ok("me".to_owned()),
            Self::Nobody => Ok("none".to_owned()),
            Self::Is(named) => id(desk, named).await.map(|id| id.to_string()),
        }
    }

    /// The account's id; `null` for nobody.
    pub(super) async fn id(&self, desk: &Desk) -> Result<Value, Failure> {
        match self {
            Self::Me => Ok(desk.get("/api/v1/auth/me", &[]).await?.body["id"].clone()),
            Self::Nobody => Ok(Value::Null),
            Self::Is(named) => id(desk, named).await.map(|id| id.0.into()),
        }
    }
}

async fn id(desk: &Desk, named: &Named) -> Result<UserId, Failure> {
    match named {
        Named::Id(id) => Ok(*id),
        Named::Email(email) => of_address(desk, email).await,
    }
}

/// The API finds accounts by the words of their names and addresses.
async fn of_address(desk: &Desk, email: &Email) -> Result<UserId, Failure> {
    let found = desk.get("/api/v1/users", &[("q", email.to_string()), ("limit", PAGE.to_owned())]).await?.body;
    let rows = found.as_array().map(Vec::as_slice).unwrap_or_default();
    let one = rows.iter().find(|user| user["email"].as_str() == Some(email.as_str()));
    let id = one.and_then(|user| user["id"].as_i64()).map(UserId);
    id.ok_or_else(|| Failure::new(Exit::NotFound, format!("there is no account {email}")))
}
