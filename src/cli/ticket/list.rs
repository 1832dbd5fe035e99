//! `ticket list`: the filters of the API as flags, all pages up to a limit.

use clap::{Args, builder::PossibleValuesParser};
use serde_json::Value;

use super::{Person, minute, priority, shown, somebody, status};
use crate::{
    cli::{Context, Failure, output::table, remote::Desk},
    tickets::model::{Priority, Status},
    types::Timestamp,
};

/// Rows of a page.
const PAGE: usize = 200;
/// Characters of a title in the table.
const TITLE: usize = 60;

const SORTS: [&str; 10] =
    ["created_at", "-created_at", "updated_at", "-updated_at", "priority", "-priority", "due_at", "-due_at", "id", "-id"];

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only these, with commas between them.
    #[arg(long, value_delimiter = ',', value_parser = status())]
    status: Vec<Status>,
    /// Only these, with commas between them.
    #[arg(long, value_delimiter = ',', value_parser = priority())]
    priority: Vec<Priority>,
    /// Only with one of these tags, with commas between them.
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    tag: Vec<String>,
    /// Only this agent's, by id or, for agents and admins, by e-mail address; or `me`; or `none` for nobody's.
    #[arg(long, value_name = "E-MAIL|ID|me|none")]
    assignee: Option<Person>,
    /// Only this requester's, by id or, for agents and admins, by e-mail address; or `me`.
    #[arg(long, value_name = "E-MAIL|ID|me", value_parser = somebody)]
    creator: Option<Person>,
    /// Only those opened after this instant.
    #[arg(long, value_name = "TIME")]
    created_after: Option<Timestamp>,
    /// Only those opened before this instant.
    #[arg(long, value_name = "TIME")]
    created_before: Option<Timestamp>,
    /// Only those touched after this instant.
    #[arg(long, value_name = "TIME")]
    updated_after: Option<Timestamp>,
    /// Only those touched before this instant.
    #[arg(long, value_name = "TIME")]
    updated_before: Option<Timestamp>,
    /// Only those that are active and past a due time.
    #[arg(long)]
    overdue: bool,
    /// Words that must occur, the last one as a beginning.
    #[arg(long, short = 's', value_name = "WORDS")]
    search: Option<String>,
    /// Deleted tickets instead of the others; for admins.
    #[arg(long)]
    deleted: bool,
    #[arg(long, allow_hyphen_values = true, value_parser = PossibleValuesParser::new(SORTS), help = "The order; - in front reverses it [-created_at]")]
    sort: Option<String>,
    /// At most so many.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
}

impl List {
    pub(super) async fn run(self, context: &Context, desk: &Desk) -> Result<(), Failure> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let mut page = desk.get("/api/v1/tickets", &self.query(desk, limit).await?).await?;
        let total = page.total();
        let mut rows: Vec<Value> = Vec::new();
        loop {
            let next = page.next();
            if let Value::Array(more) = page.body {
                rows.extend(more);
            }
            match next {
                Some(path) if rows.len() < limit => page = desk.get(&path, &[]).await?,
                _ => break,
            }
        }
        rows.truncate(limit);
        context.out.data(&rows, || {
            let cells: Vec<[String; 7]> = rows.iter().map(cells).collect();
            table(["ID", "TITLE", "STATUS", "PRIORITY", "ASSIGNEE", "REQUESTER", "UPDATED"], &cells)
        })?;
        match total {
            Some(total) if total != rows.len().to_string() => context.out.say(&format!("{} of {total} tickets", rows.len())),
            _ => {}
        }
        Ok(())
    }

    async fn query(&self, desk: &Desk, limit: usize) -> Result<Vec<(&'static str, String)>, Failure> {
        let list = |names: Vec<&str>| (!names.is_empty()).then(|| names.join(","));
        let time = |time: &Option<Timestamp>| time.map(|time| time.to_string());
        let flag = |flag: bool| flag.then(|| "true".to_owned());
        let (assignee, creator) = (filter(self.assignee.as_ref(), desk).await?, filter(self.creator.as_ref(), desk).await?);
        let given = [
            ("status", list(self.status.iter().map(|s| s.name()).collect())),
            ("priority", list(self.priority.iter().map(|p| p.name()).collect())),
            ("tag", list(self.tag.iter().map(String::as_str).collect())),
            ("assigned_agent_id", assignee),
            ("creator_id", creator),
            ("created_after", time(&self.created_after)),
            ("created_before", time(&self.created_before)),
            ("updated_after", time(&self.updated_after)),
            ("updated_before", time(&self.updated_before)),
            ("overdue", flag(self.overdue)),
            ("q", self.search.clone()),
            ("deleted", flag(self.deleted)),
            ("sort", self.sort.clone()),
            ("limit", Some(limit.min(PAGE).to_string())),
        ];
        Ok(given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }
}

async fn filter(person: Option<&Person>, desk: &Desk) -> Result<Option<String>, Failure> {
    match person {
        Some(person) => person.filter(desk).await.map(Some),
        None => Ok(None),
    }
}

fn cells(ticket: &Value) -> [String; 7] {
    let title = shown(&ticket["title"]);
    let short = if title.chars().count() > TITLE { title.chars().take(TITLE - 1).chain(['…']).collect() } else { title };
    let field = |name: &str| shown(&ticket[name]);
    [
        field("id"),
        short,
        field("status"),
        field("priority"),
        field("assigned_agent_name"),
        field("creator_name"),
        minute(&ticket["updated_at"]),
    ]
}
