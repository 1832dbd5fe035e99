//! Fills a desk: makes the people, then carries the history out by the rules of tickets, with the times of the history.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use serde::Serialize;

use super::{
    PEOPLE, Person,
    batch::Batches,
    calendar::Calendar,
    history::{Event, History, What},
    plan::{Opening, Step, Who, language},
    texts::say,
};
use crate::{
    activity::model::{Action, NewEntry},
    app::{App, AppState},
    auth::{
        model::{Actor, Role, Via},
        policy::NewPassword,
    },
    error::AppError,
    store::{Addition, Changes, IdKind},
    tickets::{
        inputs::{Content, Description, NewComment, NewTicket, TicketChange, Title},
        model::{Tags, Ticket},
        query::{Scope, TicketQuery},
        rules::{may_be_assigned, may_be_helped, may_open_for},
        sla::SlaTargets,
    },
    types::{CommentId, Email, Page, TicketId, Timestamp, Total, UserId},
    users::{
        model::{User, UserView},
        rules::{FullName, Making},
    },
};

/// How many tickets a demo desk has when nothing else is said.
pub const TICKETS: u64 = 400;

/// The seed when nothing else is said.
pub const SEED: u64 = 1;

/// How long the set-up waits for its demo.
const PATIENCE: Duration = Duration::from_secs(3);

/// Who may sign in as one of the demo's people.
#[derive(Debug, Clone)]
pub enum SignIn {
    /// Whoever knows this password, which is the same for all of them.
    With(NewPassword),
    /// Nobody, until an admin sets a password. There is no admin among them then: one that nobody can sign in as would
    /// count as the last.
    Nobody,
}

/// What a demo desk shall be.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// How many tickets.
    pub tickets: u64,
    /// The same seed, end and time zone give the same desk.
    pub seed: u64,
    /// When the history ends; it begins 90 days earlier.
    pub until: Timestamp,
    /// Who may sign in.
    pub sign_in: SignIn,
    /// Whether it may come beside tickets that are there.
    pub beside: bool,
}

/// What was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Made {
    /// The people, those included who were there already.
    pub people: Vec<UserView>,
    /// Of those, how many were there already: they keep their passwords.
    pub known: usize,
    /// Tickets, withdrawn ones included.
    pub tickets: u64,
    /// Of those, how many were withdrawn: lists do not show them.
    pub withdrawn: u64,
    /// Public comments.
    pub comments: u64,
    /// Internal notes.
    pub notes: u64,
}

/// Somebody who acts in the history.
struct Player {
    user: Arc<User>,
    web: Actor,
    api: Actor,
}

/// Fills the desk. `tell` is told how many tickets have come in, now and then.
///
/// # Errors
/// Conflict when there are tickets already, or when the address of one of the people is that of an account with another
/// role; the storage's. What was committed before stays.
pub async fn fill(app: &App, actor: &Actor, wanted: &Wanted, tell: impl Fn(u64) + Send + Sync) -> Result<Made, AppError> {
    if !wanted.beside && has_tickets(app).await? {
        return Err(AppError::conflict("The desk has tickets already."));
    }
    check_password(&wanted.sign_in)?;
    let settings = app.settings().await?;
    let zone = TimeZone::get(&settings.time_zone).map_err(AppError::internal)?;
    let calendar = Calendar::up_to(wanted.until, &zone).map_err(AppError::internal)?;
    let mut made = Made::default();
    let mut players = Vec::with_capacity(PEOPLE.len());
    for person in &PEOPLE {
        let user = account(app, actor, person, wanted, calendar.beginning(), &mut made).await?;
        let api = Actor::person(&user, Via::Session, None);
        players.push(Player { web: Actor { cookie: true, ..api.clone() }, api, user });
    }
    let history = History::new(wanted.tickets, wanted.seed, wanted.until, calendar);
    let mut stage = Stage {
        app,
        players,
        targets: settings.sla,
        rng: fastrand::Rng::with_seed(wanted.seed ^ 0x5EED),
        batches: Batches::new(app.store.clone()),
        live: HashMap::new(),
        made,
    };
    for event in history {
        if app.shutdown.is_cancelled() {
            stage.batches.finish().await?;
            return Err(AppError::unavailable("The desk is stopping; the demo ends here.", None));
        }
        stage.play(event).await?;
        if stage.made.tickets.is_multiple_of(100) {
            tell(stage.made.tickets);
        }
    }
    stage.batches.finish().await?;
    tell(stage.made.tickets);
    Ok(stage.made)
}

/// Fills the desk with the usual demo, in the name of its first admin. Returns when it is there, or after a few seconds;
/// it is then finished in the background, also when whoever asked has gone.
pub async fn fill_aside(app: &AppState, admin: UserId) {
    let desk = app.clone();
    let filling = app.tasks.spawn(async move {
        let wanted = Wanted { tickets: TICKETS, seed: SEED, until: desk.now(), sign_in: SignIn::Nobody, beside: false };
        let filled = match desk.store.user(admin).await {
            Ok(Some(admin)) => fill(&desk, &Actor::person(&admin, Via::Session, None), &wanted, |_| {}).await,
            Ok(None) => Err(AppError::not_found()),
            Err(error) => Err(error.into()),
        };
        match filled {
            Ok(made) => tracing::info!(tickets = made.tickets, "the desk is filled with a demo"),
            Err(error) => tracing::error!(%error, "the desk could not be filled with a demo"),
        }
    });
    let _ = tokio::time::timeout(PATIENCE, filling).await;
}

/// Refuses a password that is a name of one of the people.
fn check_password(sign_in: &SignIn) -> Result<(), AppError> {
    let SignIn::With(password) = sign_in else { return Ok(()) };
    for person in &PEOPLE {
        let email: Email = person.email.parse().map_err(AppError::internal)?;
        if let Some(fault) = password.fault_for("password", Some(&email), Some(person.full_name)) {
            return Err(AppError::invalid(vec![fault]));
        }
    }
    Ok(())
}

async fn has_tickets(app: &App) -> Result<bool, AppError> {
    for deleted in [false, true] {
        let query = TicketQuery { deleted, ..TicketQuery::all(Scope::All) };
        if !matches!(app.store.tickets(&query, Page { after: None, limit: 1 }).await?.total, Some(Total::Exact(0))) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The account of one of the people, made when there is none.
async fn account(
    app: &App,
    actor: &Actor,
    person: &Person,
    wanted: &Wanted,
    at: Timestamp,
    made: &mut Made,
) -> Result<Arc<User>, AppError> {
    let email: Email = person.email.parse().map_err(AppError::internal)?;
    let (role, password_hash) = match &wanted.sign_in {
        SignIn::With(password) => (person.role, Some(app.hasher.hash(password.expose()).await?)),
        SignIn::Nobody => (person.role.min(Role::Agent), None),
    };
    if let Some(user) = app.store.user_by_email(&email).await? {
        if !user.is_active || user.role.is_staff() != role.is_staff() {
            return Err(AppError::conflict(format!("The account {email} is deactivated, or has another role than in the demo.")));
        }
        made.known += 1;
        made.people.push(UserView::from(&*user));
        return Ok(user);
    }
    let user = app
        .decide(|| async {
            let id = UserId(app.store.reserve(IdKind::User).await?);
            let full_name = FullName(person.full_name.into());
            let making =
                Making { id, email: &email, full_name: &full_name, role, locale: person.locale, password_hash: password_hash.clone() };
            let user = making.made(at);
            let entry: NewEntry = user.made_entry(Action::UserCreated, Some(actor));
            let roster = app.store.roster().await?.with(&user)?;
            let changes = roster.into_iter().fold(Changes::new(), Changes::update);
            Ok((changes.insert(user.clone()).log(entry), user))
        })
        .await?;
    made.people.push(UserView::from(&user));
    Ok(Arc::new(user))
}

/// A ticket under way, and its requester.
struct Live {
    ticket: Ticket,
    creator: Who,
}

impl Live {
    /// Writes the ticket as it is next.
    fn write(&mut self, number: u64, next: Ticket, batches: &mut Batches) {
        let version = batches.write(number, next.clone());
        self.ticket = Ticket { version, ..next };
    }
}

struct Stage<'a> {
    app: &'a App,
    players: Vec<Player>,
    targets: SlaTargets,
    /// For the blanks in texts; what happens is decided by the history's own.
    rng: fastrand::Rng,
    batches: Batches,
    live: HashMap<u64, Live>,
    made: Made,
}

impl Stage<'_> {
    async fn play(&mut self, event: Event) -> Result<(), AppError> {
        self.batches.make_room().await?;
        match event.what {
            What::Opens(opening) => self.open(event.number, *opening, event.at).await?,
            What::Goes(step) => self.go(event.number, &step, event.at).await?,
        }
        if event.last {
            self.live.remove(&event.number);
        }
        Ok(())
    }

    async fn open(&mut self, number: u64, opening: Opening, at: Timestamp) -> Result<(), AppError> {
        let id = TicketId(self.app.store.reserve(IdKind::Ticket).await?);
        let (by, creator) = (&self.players[opening.by], &self.players[opening.creator].user);
        let actor = if opening.web { &by.web } else { &by.api };
        let new = NewTicket {
            title: Title(opening.title),
            description: Description(opening.description),
            priority: Some(opening.priority),
            tags: Some(Tags::new(opening.tags)),
            creator_id: Some(creator.id),
        };
        may_open_for(actor, creator.id)?;
        may_be_helped(creator)?;
        let (ticket, entry) = Ticket::open(id, new, actor, creator, self.targets, at)?;
        self.batches.rely_on(creator);
        self.batches.write(number, ticket.clone());
        self.batches.put(number, |changes| changes.log(entry));
        self.live.insert(number, Live { ticket, creator: opening.creator });
        self.made.tickets += 1;
        Ok(())
    }

    async fn go(&mut self, number: u64, step: &Step, at: Timestamp) -> Result<(), AppError> {
        match *step {
            Step::Say { by, texts, internal } => self.say(number, by, texts, internal, at).await,
            Step::Withdraw { by } => self.withdraw(number, by, at),
            Step::Assign { by, to } => {
                let agent = &self.players[to].user;
                may_be_assigned(agent)?;
                self.batches.rely_on(agent);
                let change = TicketChange { assigned_agent_id: Some(Some(agent.id)), ..TicketChange::default() };
                self.change(number, by, &change, at)
            }
            Step::Priority { by, to } => self.change(number, by, &TicketChange { priority: Some(to), ..TicketChange::default() }, at),
            Step::Status { by, to } => self.change(number, by, &TicketChange { status: Some(to), ..TicketChange::default() }, at),
            Step::Tag { by, tag } => {
                let Some(live) = self.live.get(&number) else { return Ok(()) };
                let tags = Tags::new(live.ticket.tags.iter().cloned().chain([tag.to_owned()]));
                self.change(number, by, &TicketChange { tags: Some(tags), ..TicketChange::default() }, at)
            }
        }
    }

    fn change(&mut self, number: u64, by: Who, change: &TicketChange, at: Timestamp) -> Result<(), AppError> {
        let Some(live) = self.live.get_mut(&number) else { return Ok(()) };
        let actor = &self.players[by].web;
        live.ticket.may_change(actor, change)?;
        // What is so already is no change.
        let Some((next, entry)) = live.ticket.change(actor, change, at)? else { return Ok(()) };
        live.write(number, next, &mut self.batches);
        self.batches.put(number, |changes| changes.log(entry));
        Ok(())
    }

    fn withdraw(&mut self, number: u64, by: Who, at: Timestamp) -> Result<(), AppError> {
        let Some(live) = self.live.get_mut(&number) else { return Ok(()) };
        let (next, entry) = live.ticket.delete(&self.players[by].web, at)?;
        live.write(number, next, &mut self.batches);
        self.batches.put(number, |changes| changes.log(entry));
        self.made.withdrawn += 1;
        Ok(())
    }

    async fn say(&mut self, number: u64, by: Who, texts: &[&'static str], internal: bool, at: Timestamp) -> Result<(), AppError> {
        let id = CommentId(self.app.store.reserve(IdKind::Comment).await?);
        let Some(live) = self.live.get_mut(&number) else { return Ok(()) };
        let actor = &self.players[by].web;
        let text = say(&mut self.rng, texts, language(live.creator));
        let new = NewComment { content: Content(text), is_internal: Some(internal) };
        let written = live.ticket.comment(id, new, actor, at)?;
        let (public, notes) = if internal { (0, 1) } else { (1, 0) };
        let ticket = live.ticket.id;
        let counted = Addition::Comments { ticket, public, internal: notes, touched_at: (!internal).then_some(at) };
        self.batches.rely_on_ticket(number, &live.ticket);
        self.batches.put(number, |changes| changes.insert(written.comment).add(counted).log(written.entry));
        if let Some((moved, entry)) = written.moved {
            live.write(number, moved, &mut self.batches);
            self.batches.put(number, |changes| changes.log(entry));
        }
        self.made.comments += u64::from(!internal);
        self.made.notes += u64::from(internal);
        Ok(())
    }
}
