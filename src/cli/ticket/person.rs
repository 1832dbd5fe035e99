//! People as `ticket …` names them: by e-mail address or id, as oneself, or as nobody.

use serde_json::Value;

use crate::{
    cli::{Exit, Failure, remote::Desk, user::Named},
    types::{Email, UserId},
};

/// Accounts of a page.
const PAGE: &str = "200";
/// Characters by which the API searches at most.
const LONGEST_SEARCH: usize = 200;

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

/// The API finds accounts by the words of their names and addresses, the last one as a beginning: others may have them, too.
async fn of_address(desk: &Desk, email: &Email) -> Result<UserId, Failure> {
    let words = email.as_str().chars().take(LONGEST_SEARCH).collect();
    let mut page = desk.get("/api/v1/users", &[("q", words), ("limit", PAGE.to_owned())]).await?;
    loop {
        let rows = page.body.as_array().map(Vec::as_slice).unwrap_or_default();
        let one = rows.iter().find(|user| user["email"].as_str() == Some(email.as_str()));
        if let Some(id) = one.and_then(|user| user["id"].as_i64()) {
            return Ok(UserId(id));
        }
        match page.next() {
            Some(path) => page = desk.get(&path, &[]).await?,
            None => return Err(Failure::new(Exit::NotFound, format!("there is no account {email}"))),
        }
    }
}
