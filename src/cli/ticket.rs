//! `ticket …`: tickets of a running desk, for scripts and for people at a terminal.

mod list;
mod person;
mod show;

use std::{
    io::{IsTerminal, Read},
    path::{Path, PathBuf},
};

use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use serde_json::{Value, json};

use self::person::{Person, somebody};
use super::{
    Context, Exit, Failure, block_on,
    output::{pretty, print},
    remote::{Desk, Remote},
};
use crate::{
    tickets::model::{Priority, Status},
    types::TicketId,
};

/// The longest text that is read; the desk takes less.
const LONGEST_TEXT: u64 = 1024 * 1024;

#[derive(Debug, Args)]
pub(super) struct Tickets {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: TicketVerb,
}

#[derive(Debug, Subcommand)]
enum TicketVerb {
    /// List tickets, newest first.
    List(list::List),
    /// Show a ticket with its comments.
    Show {
        /// The ticket's id.
        id: TicketId,
    },
    /// Open a ticket; prints its id.
    Create(Create),
    /// Comment a ticket; prints the comment's id.
    Comment(Comment),
    /// Give a ticket to an agent, or to nobody.
    Assign {
        /// The ticket's id.
        id: TicketId,
        /// The agent's e-mail address or id, `me`, or `none` for nobody.
        agent: Person,
    },
    /// Say that a ticket is resolved.
    Resolve {
        /// The ticket's id.
        id: TicketId,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// One line: what it is about.
    #[arg(long)]
    title: String,
    /// The description, in Markdown; read from stdin when neither this nor a file is given.
    #[arg(long, value_name = "TEXT", conflicts_with = "description_file")]
    description: Option<String>,
    /// Read the description from a file; - is stdin.
    #[arg(long, value_name = "FILE")]
    description_file: Option<PathBuf>,
    /// How urgent it is; medium when left out.
    #[arg(long, value_parser = priority())]
    priority: Option<Priority>,
    /// A tag, or several with commas between them.
    #[arg(long = "tag", value_name = "TAG", value_delimiter = ',')]
    tags: Vec<String>,
    /// On whose behalf, by e-mail address or id, or `me`; for agents and admins.
    #[arg(long, value_name = "E-MAIL|ID|me", value_parser = somebody)]
    creator: Option<Person>,
}

#[derive(Debug, Args)]
struct Comment {
    /// The ticket's id.
    id: TicketId,
    /// The text, in Markdown; read from stdin when neither this nor a file is given.
    #[arg(value_name = "TEXT", conflicts_with = "file")]
    text: Option<String>,
    /// Read the text from a file; - is stdin.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// An internal note, which only agents and admins see.
    #[arg(long)]
    internal: bool,
}

fn priority() -> impl TypedValueParser<Value = Priority> {
    named(&Priority::ALL, Priority::name)
}

fn status() -> impl TypedValueParser<Value = Status> {
    named(&Status::ALL, Status::name)
}

/// One of a set of names.
fn named<T: Copy + Send + Sync + 'static>(all: &'static [T], name: fn(T) -> &'static str) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all.iter().map(|one| name(*one)))
        .try_map(move |text| all.iter().copied().find(|one| name(*one) == text).ok_or("is no such name"))
}

impl Tickets {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let desk = self.remote.desk(context)?;
        block_on(async {
            match self.verb {
                TicketVerb::List(verb) => verb.run(context, &desk).await,
                TicketVerb::Show { id } => show::run(context, &desk, id).await,
                TicketVerb::Create(verb) => verb.run(context, &desk).await,
                TicketVerb::Comment(verb) => verb.run(context, &desk).await,
                TicketVerb::Assign { id, agent } => assign(context, &desk, id, &agent).await,
                TicketVerb::Resolve { id } => resolve(context, &desk, id).await,
            }
        })?
        .map(|()| Exit::Ok)
    }
}

impl Create {
    async fn run(self, context: &Context, desk: &Desk) -> Result<(), Failure> {
        let description = text(self.description, self.description_file.as_deref(), "a description", "--description or --description-file")?;
        let mut new = json!({ "title": self.title, "description": description });
        if let Some(priority) = self.priority {
            new["priority"] = json!(priority);
        }
        if !self.tags.is_empty() {
            new["tags"] = json!(self.tags);
        }
        if let Some(creator) = self.creator {
            new["creator_id"] = creator.id(desk).await?;
        }
        let ticket = desk.post("/api/v1/tickets", &new).await?.body;
        made(context, &ticket)?;
        context.out.say(&format!("ticket {} is opened: {}", ticket["id"], desk.address(&format!("/tickets/{}", ticket["id"]))));
        Ok(())
    }
}

impl Comment {
    async fn run(self, context: &Context, desk: &Desk) -> Result<(), Failure> {
        let words = text(self.text, self.file.as_deref(), "a text", "the argument TEXT or --file")?;
        let mut new = json!({ "content": words });
        if self.internal {
            new["is_internal"] = json!(true);
        }
        let comment = desk.post(&format!("/api/v1/tickets/{}/comments", self.id), &new).await?.body;
        made(context, &comment)?;
        context.out.say(&format!("comment {} is on ticket {}", comment["id"], self.id));
        Ok(())
    }
}

async fn assign(context: &Context, desk: &Desk, id: TicketId, agent: &Person) -> Result<(), Failure> {
    let change = json!({ "assigned_agent_id": agent.id(desk).await? });
    let ticket = desk.patch(&format!("/api/v1/tickets/{id}/assign"), &change).await?.body;
    changed(context, &ticket)?;
    let to = ticket["assigned_agent_name"].as_str().unwrap_or("nobody");
    context.out.say(&format!("ticket {id} is assigned to {to}"));
    Ok(())
}

async fn resolve(context: &Context, desk: &Desk, id: TicketId) -> Result<(), Failure> {
    let ticket = desk.patch(&format!("/api/v1/tickets/{id}"), &json!({ "status": "resolved" })).await?.body;
    changed(context, &ticket)?;
    context.out.say(&format!("ticket {id} is resolved"));
    Ok(())
}

/// What was made: its id for people and scripts, all of it as JSON.
fn made(context: &Context, row: &Value) -> Result<(), Failure> {
    context.out.data(row, || row["id"].to_string())
}

/// What was changed is printed only as JSON: a message tells the rest.
fn changed(context: &Context, row: &Value) -> Result<(), Failure> {
    if context.out.json { print(&pretty(row)?) } else { Ok(()) }
}

/// A text that is given, or in a file, or on stdin; a line end after it is left out.
fn text(given: Option<String>, file: Option<&Path>, what: &str, flags: &str) -> Result<String, Failure> {
    if let Some(text) = given {
        return Ok(text);
    }
    let unreadable =
        |from: &str, error: &std::io::Error| Failure::new(Exit::Failure, format!("{what} cannot be read from {from}: {error}"));
    let mut text = String::new();
    match file.filter(|path| path.as_os_str() != "-") {
        Some(path) => {
            let name = path.display().to_string();
            let file = std::fs::File::open(path).map_err(|error| unreadable(&name, &error))?;
            file.take(LONGEST_TEXT).read_to_string(&mut text).map_err(|error| unreadable(&name, &error))?;
        }
        None if file.is_none() && std::io::stdin().is_terminal() => {
            return Err(Failure::new(Exit::Usage, format!("{what} is needed: by {flags}, or on stdin")));
        }
        None => {
            std::io::stdin().lock().take(LONGEST_TEXT).read_to_string(&mut text).map_err(|error| unreadable("stdin", &error))?;
        }
    }
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        return Err(Failure::new(Exit::Usage, format!("{what} is needed: by {flags}, or on stdin")));
    }
    Ok(text.to_owned())
}

/// A field as people read it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// An instant as people read it: to the minute, in UTC.
fn minute(value: &Value) -> String {
    match value.as_str().and_then(|text| text.get(..16)) {
        Some(minute) => minute.replace('T', " "),
        None => "-".to_owned(),
    }
}
