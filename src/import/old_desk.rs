//! The former desk: its people with their passwords, its tickets and its comments, by the numbers that they had.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::{
    Faults, ImportError, Report,
    rules::{Brought, comment, text, texts, ticket},
    without_tickets,
};
use crate::{
    activity::model::{Action, NewEntry},
    app::App,
    auth::model::{Actor, Role},
    store::{
        Changes, IdKind,
        old_desk::{OldDesk, Table},
        transfer::{Progress, Step},
    },
    tickets::model::{Comment, Priority, Status},
    types::{CommentId, Email, Secret, TicketId, Timestamp, UserId},
    users::model::{Locale, User},
};

/// Rows that are read together.
const TOGETHER: i64 = 100;

/// A row of the former desk, by its columns.
struct Row<'a> {
    table: &'static str,
    id: i64,
    columns: &'a Value,
}

impl Row<'_> {
    /// The first of these columns that there is.
    fn value(&self, names: &[&str]) -> &Value {
        names.iter().map(|name| &self.columns[*name]).find(|value| !value.is_null()).unwrap_or(&Value::Null)
    }

    fn text(&self, names: &[&str]) -> String {
        match self.value(names) {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        }
    }

    fn number(&self, names: &[&str]) -> Option<i64> {
        self.value(names).as_i64()
    }

    fn truth(&self, names: &[&str], default: bool) -> bool {
        self.value(names).as_bool().unwrap_or(default)
    }

    /// A time; the former desk's have no zone and are UTC.
    fn at(&self, names: &[&str]) -> Result<Option<Timestamp>, String> {
        let text = self.text(names);
        if text.is_empty() {
            return Ok(None);
        }
        let text = text.replacen(' ', "T", 1);
        let parsed = text.parse().or_else(|_| format!("{text}Z").parse::<Timestamp>());
        parsed.map(Some).map_err(|_| self.fault(names[0], "is no time"))
    }

    fn fault(&self, column: &str, why: &str) -> String {
        format!("{} {}: {column} {why}", self.table, self.id)
    }

    /// One of a set, by its name in any case.
    fn one_of<T: Copy>(&self, column: &str, all: &[T], name: impl Fn(T) -> &'static str, default: T) -> Result<T, String> {
        let said = self.text(&[column]).to_lowercase();
        // The name of an enumeration of Python's may stand before it.
        let said = said.rsplit('.').next().unwrap_or_default().replace([' ', '-'], "_");
        if said.is_empty() {
            return Ok(default);
        }
        all.iter().copied().find(|one| name(*one) == said).ok_or_else(|| self.fault(column, &format!("is {said:?}, which there is not")))
    }
}

/// Somebody of the former desk.
struct Person {
    email: Email,
    full_name: String,
    role: Role,
    is_active: bool,
    password_hash: Option<Secret>,
    created_at: Option<Timestamp>,
}

fn person(row: &Row<'_>) -> Result<Person, String> {
    let email = row.text(&["email"]).parse::<Email>().map_err(|why| row.fault("email", why))?;
    let name = row.text(&["full_name", "name", "username"]).replace('\0', "");
    let name = if name.trim().is_empty() { email.local_part().to_owned() } else { name.trim().chars().take(100).collect() };
    let hash = row.text(&["hashed_password", "password_hash", "password"]);
    let known = hash.starts_with("$2") || hash.starts_with("$argon2id$");
    if !hash.is_empty() && !known {
        return Err(row.fault("hashed_password", "is neither bcrypt nor argon2id"));
    }
    Ok(Person {
        full_name: name,
        role: row.one_of("role", &Role::ALL, Role::name, Role::User)?,
        is_active: row.truth(&["is_active"], true),
        password_hash: known.then(|| Secret::new(hash)),
        created_at: row.at(&["created_at"])?,
        email,
    })
}

/// A ticket before its people are known here.
fn brought(row: &Row<'_>, people: &HashMap<i64, (UserId, Role)>, now: Timestamp) -> Result<Brought, String> {
    let texts = texts(&row.text(&["title", "subject"]), &row.text(&["description", "body"]));
    let (title, description) = texts.map_err(|why| format!("tickets {}: {why}", row.id))?;
    let who = |names: &[&str]| match row.number(names) {
        None => Ok(None),
        Some(id) => {
            people.get(&id).map(|(id, _)| Some(*id)).ok_or_else(|| row.fault(names[0], &format!("is {id}, whom users do not have")))
        }
    };
    let creator = who(&["creator_id", "created_by_id", "user_id"])?.ok_or_else(|| row.fault("creator_id", "is missing"))?;
    let created_at = row.at(&["created_at"])?.unwrap_or(now).min(now);
    Ok(Brought {
        title,
        description,
        status: row.one_of("status", &Status::ALL, Status::name, Status::Open)?,
        priority: row.one_of("priority", &Priority::ALL, Priority::name, Priority::Medium)?,
        tags: Vec::new(),
        creator_id: creator,
        assigned_agent_id: who(&["assigned_agent_id", "agent_id", "assignee_id"])?,
        created_at,
        updated_at: row.at(&["updated_at"])?.map(|at| at.clamp(created_at, now.max(created_at))),
        resolved_at: row.at(&["resolved_at"])?,
        closed_at: row.at(&["closed_at"])?,
    })
}

/// A comment; its number is kept.
fn remark(row: &Row<'_>, people: &HashMap<i64, (UserId, Role)>, now: Timestamp) -> Result<(Comment, Role), String> {
    let author = row.number(&["author_id", "user_id"]).ok_or_else(|| row.fault("author_id", "is missing"))?;
    let (author_id, role) =
        people.get(&author).copied().ok_or_else(|| row.fault("author_id", &format!("is {author}, whom users do not have")))?;
    let ticket = row.number(&["ticket_id"]).ok_or_else(|| row.fault("ticket_id", "is missing"))?;
    let content = row.text(&["content", "body", "text"]).replace('\0', "");
    text(&content).map_err(|why| row.fault("content", &why))?;
    let created_at = row.at(&["created_at"])?.unwrap_or(now).min(now);
    let comment = Comment {
        id: CommentId(row.id),
        ticket_id: TicketId(ticket),
        author_id,
        content: if content.trim().is_empty() { "…".to_owned() } else { content },
        is_internal: row.truth(&["is_internal", "internal"], false),
        created_at,
        updated_at: row.at(&["updated_at"])?.unwrap_or(created_at).min(now).max(created_at),
        deleted_at: None,
        version: 1,
    };
    Ok((comment, role))
}

/// Brings a former desk over into one without tickets. Everything is read and judged before anything is written.
///
/// # Errors
/// Everything at fault, with its table, number and column.
pub async fn import(app: &App, from: &Secret, dry_run: bool, progress: Progress<'_>) -> Result<Report, ImportError> {
    without_tickets(app).await?;
    let mut old = OldDesk::open(from).await.map_err(ImportError::Source)?;
    let about = old.rows().await.map_err(ImportError::Source)?;
    let step = |name, done| progress(Step { name, done, about: 2 * about });
    let mut work = Work { app, now: app.now(), actor: Actor::cli(), people: HashMap::new(), report: Report::default(), done: 0 };
    let mut faults = Faults::default();
    work.look(&mut old, &mut faults, &step).await?;
    faults.check()?;
    if !dry_run {
        work.report = Report { notes: std::mem::take(&mut work.report.notes), ..Report::default() };
        work.users(&mut old, &step).await?;
        work.tickets(&mut old, &step).await?;
    }
    Ok(work.report)
}

/// An import under way.
struct Work<'a> {
    app: &'a App,
    now: Timestamp,
    actor: Actor,
    /// Number there → account here and role.
    people: HashMap<i64, (UserId, Role)>,
    report: Report,
    done: u64,
}

type Heard<'a> = dyn Fn(&'static str, u64) + Sync + 'a;

impl Work<'_> {
    /// Judges everything, with the numbers of accounts as they are there.
    async fn look(&mut self, old: &mut OldDesk, faults: &mut Faults, step: &Heard<'_>) -> Result<(), ImportError> {
        for table in [Table::Users, Table::Tickets, Table::Comments] {
            let mut after = 0;
            loop {
                let page = old.page(table, after, TOGETHER).await.map_err(ImportError::Source)?;
                let Some((last, _)) = page.last() else { break };
                after = *last;
                self.done += page.len() as u64;
                step("reading", self.done);
                for (id, columns) in &page {
                    let row = Row { table: table.name(), id: *id, columns };
                    let judged = match table {
                        Table::Users => person(&row).map(|person| {
                            self.people.insert(*id, (UserId(*id), person.role));
                            self.report.users += 1;
                        }),
                        Table::Tickets => brought(&row, &self.people, self.now).map(|_| self.report.tickets += 1),
                        Table::Comments => remark(&row, &self.people, self.now).map(|_| self.report.comments += 1),
                    };
                    if let Err(fault) = judged {
                        faults.note(fault);
                    }
                }
            }
        }
        let strays = old.strays().await.map_err(ImportError::Source)?;
        if strays > 0 {
            faults.note(format!("{strays} comments belong to tickets that there are not"));
        }
        Ok(())
    }

    async fn users(&mut self, old: &mut OldDesk, step: &Heard<'_>) -> Result<(), ImportError> {
        self.people.clear();
        let mut after = 0;
        loop {
            let page = old.page(Table::Users, after, TOGETHER).await.map_err(ImportError::Source)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = *last;
            for (id, columns) in &page {
                let row = Row { table: Table::Users.name(), id: *id, columns };
                let person = person(&row).map_err(|fault| ImportError::Unfit { faults: vec![fault], more: 0 })?;
                self.user(*id, person).await?;
            }
            self.done += page.len() as u64;
            step("accounts", self.done);
        }
    }

    /// An account: the one that has the address here, or a new one with the number that it had, when that is free.
    async fn user(&mut self, old_id: i64, person: Person) -> Result<(), ImportError> {
        let store = &self.app.store;
        if let Some(known) = store.user_by_email(&person.email).await? {
            self.report.notes.push(format!("{} has an account here already, which stays as it is.", person.email));
            self.people.insert(old_id, (known.id, known.role));
            return Ok(());
        }
        let wanted = UserId(old_id);
        let id = if store.user(wanted).await?.is_none() { wanted } else { UserId(store.reserve(IdKind::User).await?) };
        let created_at = person.created_at.unwrap_or(self.now).min(self.now);
        let user = User {
            id,
            email: person.email,
            full_name: person.full_name,
            role: person.role,
            is_active: person.is_active,
            locale: Locale::default(),
            password_hash: person.password_hash,
            created_at,
            updated_at: created_at,
            version: 1,
        };
        let none = serde_json::Value::Null;
        let entry = NewEntry::new(Action::UserCreated, &self.actor, self.now)
            .about_user(id)
            .changed("email", none.clone(), serde_json::json!(user.email))
            .changed("full_name", none.clone(), serde_json::json!(user.full_name))
            .changed("role", none, serde_json::json!(user.role));
        let mut changes = Changes::new().log(entry);
        if user.is_active_admin()
            && let Some(roster) = store.roster().await?.with(&user)?
        {
            changes = changes.update(roster);
        }
        self.people.insert(old_id, (id, user.role));
        store.commit(changes.insert(user)).await?;
        self.report.users += 1;
        Ok(())
    }

    async fn tickets(&mut self, old: &mut OldDesk, step: &Heard<'_>) -> Result<(), ImportError> {
        let targets = self.app.settings().await?.sla;
        let unfit = |fault| ImportError::Unfit { faults: vec![fault], more: 0 };
        let mut after = 0;
        loop {
            let page = old.page(Table::Tickets, after, TOGETHER).await.map_err(ImportError::Source)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = *last;
            let ids: Vec<i64> = page.iter().map(|(id, _)| *id).collect();
            let mut comments: BTreeMap<i64, Vec<(Comment, Role)>> = BTreeMap::new();
            for (id, columns) in old.comments_of(&ids).await.map_err(ImportError::Source)? {
                let row = Row { table: Table::Comments.name(), id, columns: &columns };
                let remark = remark(&row, &self.people, self.now).map_err(unfit)?;
                comments.entry(remark.0.ticket_id.0).or_default().push(remark);
            }
            let mut changes = Changes::new();
            for (id, columns) in &page {
                let row = Row { table: Table::Tickets.name(), id: *id, columns };
                let brought = brought(&row, &self.people, self.now).map_err(unfit)?;
                let (mut made, entry) = ticket(TicketId(*id), brought, targets, &self.actor);
                let mut told = vec![entry];
                let remarks = comments.remove(id).unwrap_or_default();
                for (remark, role) in &remarks {
                    told.push(comment(remark, *role, &mut made, &self.actor));
                    self.report.comments += 1;
                    self.done += 1;
                }
                changes = told.into_iter().fold(changes.insert(made), Changes::log);
                changes = remarks.into_iter().fold(changes, |changes, (remark, _)| changes.insert(remark));
                self.report.tickets += 1;
            }
            self.app.store.commit(changes).await?;
            self.done += page.len() as u64;
            step("tickets", self.done);
        }
    }
}
