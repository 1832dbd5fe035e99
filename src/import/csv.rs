//! Tickets from a CSV file.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufReader, Seek},
    sync::Arc,
};

use super::{
    Faults, ImportError, Report,
    rules::{Brought, texts, ticket},
};
use crate::{
    app::App,
    auth::model::Actor,
    input::FieldValue,
    store::{
        Changes, IdKind, RowKey,
        transfer::{Progress, Step},
    },
    tickets::{
        model::{Priority, Status, Tags},
        rules::{may_be_assigned, may_be_helped},
    },
    types::{Email, TicketId, Timestamp},
    users::model::User,
};

/// The columns that are read.
const COLUMNS: [&str; 9] = ["title", "description", "priority", "status", "tags", "requester", "assignee", "created_at", "resolved_at"];
/// Columns of an exported list that follow from the others, or are given anew.
const PASSED_OVER: [&str; 10] = [
    "id",
    "channel",
    "updated_at",
    "first_response_due_at",
    "first_response_at",
    "first_response_sla",
    "resolution_due_at",
    "resolution_sla",
    "reopen_count",
    "comment_count",
];
/// Tickets that are written together.
const TOGETHER: usize = 50;

/// Accounts by their addresses, as far as they were asked for.
type People = HashMap<Email, Option<Arc<User>>>;

/// Brings the tickets of a file over, beside those that are there. Every line is judged before the first one is written.
///
/// # Errors
/// Every line at fault, with the column.
pub async fn import(app: &App, actor: &Actor, mut file: File, dry_run: bool, progress: Progress<'_>) -> Result<Report, ImportError> {
    let (mut people, mut faults, mut about) = (People::new(), Faults::default(), 0);
    let now = app.now();
    let mut lines = Lines::begin(&file)?;
    while let Some(line) = lines.next() {
        about += 1;
        match line {
            Ok(line) => drop(judged(app, &line, now, &mut people, &mut faults).await?),
            Err(fault) => faults.note(fault),
        }
    }
    faults.check()?;
    let report = Report { tickets: about, ..Report::default() };
    if dry_run {
        return Ok(report);
    }
    file.rewind()?;
    let targets = app.settings().await?.sla;
    let (mut lines, mut done, mut faults) = (Lines::begin(&file)?, 0, Faults::default());
    let (mut changes, mut waiting) = (Changes::new(), 0);
    loop {
        let line = lines.next().transpose().map_err(|fault| ImportError::Unfit { faults: vec![fault], more: 0 })?;
        let last = line.is_none();
        if let Some(line) = line
            && let Some((brought, relied)) = judged(app, &line, now, &mut people, &mut faults).await?
        {
            let id = TicketId(app.store.reserve(IdKind::Ticket).await?);
            let (ticket, entry) = ticket(id, brought, targets, actor);
            changes = changes.insert(ticket).log(entry);
            for user in relied {
                if !changes.guards.iter().any(|(key, _)| *key == RowKey::User(user.id)) {
                    changes = changes.guard(RowKey::User(user.id), user.version);
                }
            }
            waiting += 1;
        }
        if waiting >= TOGETHER || last {
            done += waiting as u64;
            waiting = 0;
            let ready = std::mem::take(&mut changes);
            if !ready.is_empty() {
                app.store.commit(ready).await?;
            }
            progress(Step { name: "importing", done, about });
        }
        if last {
            faults.check()?;
            return Ok(report);
        }
    }
}

/// A line, by the names of its columns.
struct Line {
    number: u64,
    cells: HashMap<&'static str, String>,
}

impl Line {
    fn cell(&self, column: &str) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }
}

/// The lines of a file.
struct Lines<'a> {
    reader: csv::Reader<BufReader<&'a File>>,
    columns: Vec<Option<&'static str>>,
}

impl<'a> Lines<'a> {
    fn begin(file: &'a File) -> Result<Self, ImportError> {
        let mut reader = csv::ReaderBuilder::new().from_reader(BufReader::new(file));
        let unfit = |fault: String| ImportError::Unfit { faults: vec![fault], more: 0 };
        let heads = reader.headers().map_err(|error| unfit(error.to_string()))?.clone();
        let mut columns = Vec::new();
        for head in &heads {
            let name = head.trim().trim_start_matches('\u{feff}').to_lowercase();
            let known = COLUMNS.into_iter().find(|column| *column == name);
            if known.is_none() && !PASSED_OVER.contains(&name.as_str()) && name != "closed_at" {
                return Err(unfit(format!("line 1: there is no column {head:?}; those that are read are {}", COLUMNS.join(", "))));
            }
            if known.is_some() && columns.contains(&known) {
                return Err(unfit(format!("line 1: the column {name} is there twice")));
            }
            columns.push(known);
        }
        for needed in ["title", "requester"] {
            if !columns.contains(&Some(needed)) {
                return Err(unfit(format!("line 1: the column {needed} is missing")));
            }
        }
        Ok(Self { reader, columns })
    }

    fn next(&mut self) -> Option<Result<Line, String>> {
        let mut record = csv::StringRecord::new();
        match self.reader.read_record(&mut record) {
            Ok(false) => None,
            Ok(true) => {
                let number = record.position().map_or(0, csv::Position::line);
                let cells = self.columns.iter().zip(&record).filter_map(|(column, cell)| Some(((*column)?, plain(cell)))).collect();
                Some(Ok(Line { number, cells }))
            }
            Err(error) => Some(Err(error.to_string())),
        }
    }
}

/// A cell without the apostrophe that keeps spreadsheets from taking it for a formula.
fn plain(cell: &str) -> String {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@', '\t', '\r']) => rest.to_owned(),
        _ => cell.to_owned(),
    }
}

/// A value of a set, by its name.
fn named<T: FieldValue>(cell: &str, default: T) -> Result<T, String> {
    let cell = cell.trim().to_lowercase();
    if cell.is_empty() {
        return Ok(default);
    }
    T::from_json(cell.into()).map_err(|faults| faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>().join("; "))
}

fn instant(cell: &str) -> Result<Option<Timestamp>, String> {
    let cell = cell.trim();
    if cell.is_empty() {
        return Ok(None);
    }
    cell.parse().map(Some).map_err(|_| "must be a time such as 2026-11-25T12:00:00Z".to_owned())
}

/// What a line says, with the accounts that it relies on; `None` when something is wrong with it.
async fn judged(
    app: &App,
    line: &Line,
    now: Timestamp,
    people: &mut People,
    faults: &mut Faults,
) -> Result<Option<(Brought, Vec<Arc<User>>)>, ImportError> {
    let mut found = Vec::new();
    let mut take = |column: &str, why: String| found.push(format!("line {}: {column} {why}", line.number));
    let texts = texts(line.cell("title"), line.cell("description")).map_err(|why| found_text(&mut take, &why)).ok();
    let status = named(line.cell("status"), Status::Open).map_err(|why| take("status", why)).ok();
    let priority = named(line.cell("priority"), Priority::Medium).map_err(|why| take("priority", why)).ok();
    let words = line.cell("tags").split([',', ';', ' ']).filter(|tag| !tag.is_empty()).collect::<Vec<_>>();
    let tags =
        Tags::from_json(serde_json::json!(words)).map_err(|f| take("tags", f.first().map_or_else(String::new, |f| f.message.clone()))).ok();
    let created_at = instant(line.cell("created_at")).map_err(|why| take("created_at", why)).ok().flatten().unwrap_or(now);
    let resolved_at = instant(line.cell("resolved_at")).map_err(|why| take("resolved_at", why)).ok().flatten();
    if created_at > now {
        take("created_at", "lies in the future".into());
    }
    if resolved_at.is_some_and(|at| at < created_at) {
        take("resolved_at", "lies before created_at".into());
    }
    let requester = account(app, line.cell("requester"), people).await?.map_err(|why| take("requester", why)).ok().flatten();
    if let Some(user) = &requester {
        if let Err(error) = may_be_helped(user) {
            take("requester", format!("cannot be helped: {error}"));
        }
    } else if line.cell("requester").trim().is_empty() {
        take("requester", "is missing".into());
    }
    let assignee = account(app, line.cell("assignee"), people).await?.map_err(|why| take("assignee", why)).ok().flatten();
    if let Some(user) = &assignee
        && let Err(error) = may_be_assigned(user)
    {
        take("assignee", format!("cannot be it: {error}"));
    }
    let (Some((title, description)), Some(status), Some(priority), Some(tags), Some(requester), true) =
        (texts, status, priority, tags, requester, found.is_empty())
    else {
        for fault in found {
            faults.note(fault);
        }
        return Ok(None);
    };
    let brought = Brought {
        title,
        description,
        status,
        priority,
        tags: tags.0,
        creator_id: requester.id,
        assigned_agent_id: assignee.as_ref().map(|user| user.id),
        created_at,
        updated_at: None,
        resolved_at,
        closed_at: None,
    };
    Ok(Some((brought, [Some(requester), assignee].into_iter().flatten().collect())))
}

/// A fault of title and description names its column itself.
fn found_text(take: &mut impl FnMut(&str, String), why: &str) {
    let (column, why) = why.split_once(' ').unwrap_or(("title", why));
    take(column, why.to_owned());
}

/// The account with an address; `None` for an empty cell.
async fn account(app: &App, cell: &str, people: &mut People) -> Result<Result<Option<Arc<User>>, String>, ImportError> {
    let cell = cell.trim();
    if cell.is_empty() {
        return Ok(Ok(None));
    }
    let Ok(email) = cell.parse::<Email>() else { return Ok(Err("must be an e-mail address".to_owned())) };
    let user = if let Some(known) = people.get(&email) {
        known.clone()
    } else {
        let user = app.store.user_by_email(&email).await?;
        people.insert(email.clone(), user.clone());
        user
    };
    Ok(user.map_or_else(|| Err(format!("{email} has no account here")), |user| Ok(Some(user))))
}
