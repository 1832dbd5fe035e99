//! `user …`: the use cases of accounts, for the machine's administrator.

use std::io::{BufRead, IsTerminal, Write};

use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};

use super::{
    Context, Exit, Failure,
    desk::{Missing, Way, offline},
    output::{table, wire_name},
    password::PasswordFrom,
};
use crate::{
    app::AppState,
    auth::{
        model::{Actor, Role},
        policy::NewPassword,
    },
    input::{Faults, FieldValue},
    reply::Once,
    types::{Email, Expected, Page, UserId},
    users::{
        model::{User, UserQuery, UserView},
        ops,
        rules::{FullName, NewUser, UserChange},
    },
};

/// How many rows are read at once.
const PAGE: usize = 200;

#[derive(Debug, Subcommand)]
pub(super) enum UserVerb {
    /// Make an account; also the first admin, before the first start.
    Create(Create),
    /// List accounts.
    List(List),
    /// Deactivate an account: it can do nothing any more, its tickets and comments stay.
    Disable(Who),
    /// Open a deactivated account again.
    Enable(Who),
    /// Give an account another role.
    SetRole {
        #[command(flatten)]
        who: Who,
        /// The new role.
        #[arg(value_parser = role())]
        role: Role,
    },
    /// Give an account a new password; its sessions end, its API tokens stay.
    SetPassword {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        password: PasswordFrom,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The e-mail address; asked for at a terminal when left out.
    #[arg(long)]
    email: Option<Email>,
    /// The full name; asked for at a terminal when left out.
    #[arg(long, visible_alias = "full-name", value_parser = full_name)]
    name: Option<FullName>,
    /// The role.
    #[arg(long, value_parser = role(), default_value = "user")]
    role: Role,
    #[command(flatten)]
    password: PasswordFrom,
    /// Set no password: nobody can sign in until one is set.
    #[arg(long, conflicts_with_all = ["password_stdin", "password_file"])]
    no_password: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only this role.
    #[arg(long, value_parser = role())]
    role: Option<Role>,
    /// Only active accounts.
    #[arg(long, conflicts_with = "disabled")]
    active: bool,
    /// Only deactivated accounts.
    #[arg(long)]
    disabled: bool,
    /// Words of name and e-mail address; the last one may be a beginning.
    #[arg(long, value_name = "WORDS")]
    search: Option<String>,
}

/// An account, by address or by id.
#[derive(Debug, Args)]
pub(super) struct Who {
    /// The account's e-mail address or id.
    #[arg(value_name = "E-MAIL|ID")]
    who: Named,
}

/// What names an account.
#[derive(Debug, Clone)]
pub(super) enum Named {
    Email(Email),
    Id(UserId),
}

impl std::str::FromStr for Named {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self::Id).or_else(|_| text.parse().map(Self::Email)).map_err(|_: &str| "must be an e-mail address or an id")
    }
}

impl Named {
    /// The account.
    pub(super) async fn find(&self, app: &AppState) -> Result<std::sync::Arc<User>, Failure> {
        let found = match self {
            Self::Email(email) => app.store.user_by_email(email).await,
            Self::Id(id) => app.store.user(*id).await,
        };
        let nobody = || Failure::new(Exit::NotFound, format!("there is no account {self}"));
        found.map_err(|error| Failure::new(Exit::Storage, error.to_string()))?.ok_or_else(nobody)
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Email(email) => email.fmt(f),
            Self::Id(id) => id.fmt(f),
        }
    }
}

impl UserVerb {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::Create(verb) => verb.run(context),
            Self::List(verb) => verb.run(context),
            Self::Disable(Who { who }) => change(context, &who, &UserChange { is_active: Some(false), ..UserChange::default() }),
            Self::Enable(Who { who }) => change(context, &who, &UserChange { is_active: Some(true), ..UserChange::default() }),
            Self::SetRole { who: Who { who }, role } => change(context, &who, &UserChange { role: Some(role), ..UserChange::default() }),
            Self::SetPassword { who: Who { who }, password } => {
                let password = Some(checked(&password)?);
                change(context, &who, &UserChange { password, ..UserChange::default() })
            }
        }
    }
}

impl Create {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let new = NewUser {
            email: given(self.email, "E-mail", "--email", |text| text.parse().map_err(str::to_owned))?,
            full_name: given(self.name, "Full name", "--name", full_name)?,
            password: if self.no_password { None } else { Some(checked(&self.password)?) },
            role: self.role,
        };
        let view = offline(context, Missing::Begin, Way("POST", "/api/v1/users"), async |app| {
            Ok(ops::create(app, &Actor::cli(), &new, Once::NONE).await?.0)
        })?;
        show(context, &view)
    }
}

impl List {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let is_active = if self.active || self.disabled { Some(self.active) } else { None };
        let words = self.search.as_deref().and_then(crate::tickets::search::Words::parse);
        let query = UserQuery { role: self.role, is_active, words };
        let rows = offline(context, Missing::Refuse, Way("GET", "/api/v1/users"), async |app| {
            let (mut rows, mut after) = (Vec::new(), None);
            loop {
                let slice = ops::list(app, &query, Page { after, limit: PAGE }).await?;
                rows.extend(slice.rows.iter().map(|user| UserView::from(&**user)));
                after = slice.next;
                if after.is_none() {
                    return Ok(rows);
                }
            }
        })?;
        context.out.data(&rows, || text(&rows))?;
        Ok(Exit::Ok)
    }
}

fn change(context: &Context, who: &Named, change: &UserChange) -> Result<Exit, Failure> {
    let view = offline(context, Missing::Refuse, Way("PATCH", "/api/v1/users/{id}"), async |app| {
        let user = who.find(app).await?;
        Ok(ops::change(app, &Actor::cli(), user.id, change, &Expected::Anything).await?)
    })?;
    show(context, &view)
}

fn show(context: &Context, view: &UserView) -> Result<Exit, Failure> {
    context.out.data(view, || text(std::slice::from_ref(view)))?;
    Ok(Exit::Ok)
}

fn text(rows: &[UserView]) -> String {
    let cells = |user: &UserView| {
        let state = if user.is_active { "active" } else { "disabled" };
        [user.id.to_string(), user.email.to_string(), user.full_name.clone(), wire_name(&user.role), state.to_owned()]
    };
    table(["ID", "E-MAIL", "NAME", "ROLE", "STATE"], &rows.iter().map(cells).collect::<Vec<_>>())
}

/// What was given, or what somebody at the terminal types.
fn given<T>(value: Option<T>, prompt: &str, flag: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, Failure> {
    if let Some(value) = value {
        return Ok(value);
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Usage, format!("{flag} is required (there is no terminal to ask at)")));
    }
    let mut line = String::new();
    let typed = write!(std::io::stderr(), "{prompt}: ").and_then(|()| std::io::stdin().lock().read_line(&mut line));
    typed.map_err(|error| Failure::new(Exit::Failure, format!("nothing can be read from the terminal: {error}")))?;
    parse(line.trim_end_matches(['\r', '\n'])).map_err(|message| Failure::new(Exit::Usage, format!("{flag}: {message}")))
}

pub(super) fn checked(password: &PasswordFrom) -> Result<NewPassword, Failure> {
    let read = NewPassword::from_json(password.read()?.expose().into());
    read.map_err(|faults| Failure::new(Exit::Usage, format!("the password {}", told(&faults))))
}

fn full_name(text: &str) -> Result<FullName, String> {
    FullName::from_json(text.into()).map_err(|faults| told(&faults))
}

fn told(faults: &Faults) -> String {
    faults.iter().map(|fault| fault.message.as_str()).collect::<Vec<_>>().join("; ")
}

/// Reads a role by its name.
fn role() -> impl TypedValueParser<Value = Role> {
    let names = PossibleValuesParser::new(Role::ALL.map(Role::name));
    names.map(|name| Role::ALL.into_iter().find(|role| role.name() == name).unwrap_or(Role::User))
}
