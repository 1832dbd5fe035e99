//! Checks a closed store: every row can be read, indexes and rows agree both ways, counters and projections are what the
//! rows say. With `rebuild` it makes indexes, counters and projections anew from the rows.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use sled::{Batch, IVec};

use super::{
    catch_up, checkpoint, codec, comments,
    engine::{Engine, io_failed},
    gathered::Gathered,
    journal::{self, Journal},
    keys::{self, prefix},
    log,
    open::{Folder, OpenError, Options},
    own::{self, Neighbours, Told},
    projection::Projection,
};
use crate::{
    activity::{chain::ChainBlock, model::Entry},
    auth::model::{ApiToken, Session},
    store::{Answer, FsckReport, IdKind, LogCursor, StoreError},
    tickets::model::Ticket,
    types::{Seq, TicketId, UserId},
    users::{
        model::{Roster, User},
        preferences::Preferences,
    },
};

/// At most so many problems are spelled out.
const MOST_PROBLEMS: usize = 1_000;

/// Checks the store in a folder, which no process may hold, and mends what can be mended when `rebuild` is set. The
/// problems are those found before.
///
/// # Errors
/// When the store cannot be opened at all.
pub fn fsck(options: &Options, rebuild: bool) -> Result<FsckReport, OpenError> {
    let folder = Folder::lock(&options.dir)?;
    let (engine, identity) = folder.open(options.cache_mib)?;
    let mut check = Check { engine: &engine, report: FsckReport::default(), batch: Batch::default() };
    check.log(identity.seq)?;
    check.people()?;
    let projection = check.tickets()?;
    check.small_rows()?;
    let saved = journal::load(&folder).and_then(|(saved, _)| saved.of(&identity));
    check.projection(saved, &projection, identity.seq)?;
    check.ids()?;
    let Check { mut report, batch, .. } = check;
    if rebuild {
        engine.write(batch)?;
        match catch_up::rebuild(&engine) {
            Ok(mut fresh) => {
                fresh.seq = identity.seq;
                folder.forget_projections().map_err(io_failed)?;
                checkpoint::save(&folder.projection(), &identity.id, &fresh).map_err(io_failed)?;
                super::commit::forget_marks(&engine)?;
                report.rebuilt = true;
            }
            // It has been told above, with what else there is.
            Err(StoreError::Corrupt(what)) => report.problems.push(format!("what lists are read from cannot be made anew: {what}")),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(report)
}

/// The own logs of neighbours.
#[derive(Default)]
struct OwnLogs {
    /// What they should tell, by the log,
    wanted: Vec<Told>,
    /// and what they do.
    told: Vec<Told>,
    keys: Vec<IVec>,
    /// Whether they are to be made anew.
    wrong: bool,
}

struct Check<'a> {
    engine: &'a Engine,
    report: FsckReport,
    /// What mends the problems found so far.
    batch: Batch,
}

impl Check<'_> {
    fn problem(&mut self, what: String) {
        if self.report.problems.len() < MOST_PROBLEMS {
            self.report.problems.push(what);
        }
    }

    fn problems(&mut self, found: Vec<String>) {
        for what in found {
            self.problem(what);
        }
    }

    /// Every readable value under a prefix; unreadable ones are problems.
    fn all<T: DeserializeOwned>(&mut self, prefix: u8) -> Result<Vec<(Vec<u8>, T)>, StoreError> {
        let mut rows = Vec::new();
        let mut bad = Vec::new();
        for pair in self.engine.scan(&[prefix]) {
            let (key, value) = pair?;
            match self.engine.decode(&key, &value) {
                Ok(row) => rows.push((key.to_vec(), row)),
                Err(error) => bad.push(error.to_string()),
            }
        }
        self.problems(bad);
        Ok(rows)
    }

    /// The log has no holes, and each ticket's own log tells all of its entries and nothing else.
    fn log(&mut self, end: Seq) -> Result<(), StoreError> {
        let mut own_logs: BTreeMap<Neighbours, OwnLogs> = BTreeMap::new();
        let mut next: Seq = 1;
        let mut problems = Vec::new();
        for pair in self.engine.scan(&[prefix::ENTRY]) {
            // What the engine itself cannot read ends it: it would give the same error for ever.
            for stored in log::split(pair?) {
                let stored = match stored {
                    Ok(stored) => stored,
                    Err(error) => {
                        problems.push(error.to_string());
                        continue;
                    }
                };
                let seq = stored.seq;
                if seq != next {
                    problems.push(format!("log entries {next} to {} are missing", seq - 1));
                }
                next = seq + 1;
                match stored.read(self.engine) {
                    Ok(entry) if entry.seq != seq => problems.push(format!("log entry {seq} says that it is {}", entry.seq)),
                    Ok(Entry { ticket_id: Some(ticket), internal, .. }) => {
                        own_logs.entry(Neighbours::of(ticket)).or_default().wanted.push(Told::new(ticket, seq, internal));
                    }
                    Ok(_) => {}
                    Err(error) => problems.push(error.to_string()),
                }
                self.report.entries += 1;
            }
        }
        if next != end + 1 {
            problems.push(format!("the log ends at {}, not at {end}", next - 1));
        }
        self.own_logs(own_logs, &mut problems)?;
        self.problems(problems);
        Ok(())
    }

    fn own_logs(&mut self, mut all: BTreeMap<Neighbours, OwnLogs>, problems: &mut Vec<String>) -> Result<(), StoreError> {
        for prefix in [prefix::TICKET_ENTRY, prefix::OWN_LOG] {
            for pair in self.engine.scan(&[prefix]) {
                let (key, value) = pair?;
                let Some(neighbours) = Neighbours::at(&key) else {
                    problems.push(codec::damaged(&key, "no number of a ticket").to_string());
                    self.batch.remove(key);
                    continue;
                };
                let logs = all.entry(neighbours).or_default();
                match own::told(&key, &value) {
                    Ok(entries) => logs.told.extend(entries),
                    Err(error) => {
                        problems.push(error.to_string());
                        logs.wrong = true;
                    }
                }
                logs.keys.push(key);
            }
        }
        for (neighbours, mut logs) in all {
            for ticket in neighbours.tickets() {
                let of = |all: &[Told]| -> Vec<Told> { all.iter().copied().filter(|told| told.is_of(ticket)).collect() };
                let (wanted, told) = (of(&logs.wanted), of(&logs.told));
                if told == wanted {
                    continue;
                }
                logs.wrong = true;
                problems.push(if told.is_empty() {
                    format!("ticket {ticket} lacks its log")
                } else {
                    format!("the log of ticket {ticket} does not tell just its own entries")
                });
            }
            if logs.wrong {
                for key in logs.keys {
                    self.batch.remove(key);
                }
                for (key, value) in own::stored(neighbours, logs.wanted) {
                    self.batch.insert(key, value);
                }
            }
        }
        Ok(())
    }

    /// The unique index of addresses and the accounts agree, and the roster holds just the active admins.
    fn people(&mut self) -> Result<(), StoreError> {
        let users: Vec<(_, User)> = self.all(prefix::USER)?;
        self.report.users = users.len();
        let mut wanted: BTreeMap<Vec<u8>, UserId> = users.iter().map(|(_, user)| (keys::email(user.email.as_str()), user.id)).collect();
        if wanted.len() != users.len() {
            self.problem("two accounts have the same e-mail address".into());
        }
        let mut problems = Vec::new();
        for pair in self.engine.scan(&[prefix::EMAIL]) {
            let (key, value) = pair?;
            match wanted.remove(key.as_ref()) {
                Some(id) if value.as_ref() == id.0.to_be_bytes() => {}
                found => {
                    problems.push(format!("the index of addresses is wrong (key {})", key.escape_ascii()));
                    match found {
                        Some(id) => self.batch.insert(key, &id.0.to_be_bytes()),
                        None => self.batch.remove(key),
                    }
                }
            }
        }
        for (key, id) in wanted {
            problems.push(format!("the address of account {id} is not indexed"));
            self.batch.insert(key, &id.0.to_be_bytes());
        }
        let admins: Vec<UserId> = users.iter().map(|(_, user)| user).filter(|user| user.is_active_admin()).map(|user| user.id).collect();
        let roster: Roster = self.engine.read(b"mroster")?.unwrap_or_default();
        if roster.admins != admins {
            problems.push("the roster of admins is not what the accounts say".into());
            let mended = Roster { admins, version: roster.version + 1 };
            self.batch.insert(b"mroster", codec::encode(&mended, mended.version)?.first);
        }
        let known: BTreeSet<UserId> = users.iter().map(|(_, user)| user.id).collect();
        for (_, session) in self.all::<Session>(prefix::SESSION)? {
            if !known.contains(&session.user_id) {
                problems.push(format!("session {} belongs to no account", session.id));
            }
        }
        for (_, token) in self.all::<ApiToken>(prefix::API_TOKEN)? {
            if !known.contains(&token.user_id) {
                problems.push(format!("API token {} belongs to no account", token.id));
            }
        }
        self.problems(problems);
        Ok(())
    }

    /// Tickets and comments can be read and the counts are right; gives the projection that follows from the rows.
    fn tickets(&mut self) -> Result<Projection, StoreError> {
        let mut counts: BTreeMap<TicketId, (i64, i64)> = BTreeMap::new();
        let (mut owners, mut unreadable) = (BTreeSet::new(), BTreeSet::new());
        let mut problems = Vec::new();
        let mut last = None;
        for pair in self.engine.scan(&[prefix::COMMENT]) {
            let pair = pair?;
            let ticket = TicketId(keys::first_id(&pair.0).unwrap_or(0));
            for stored in comments::split(pair) {
                let read = stored.and_then(|stored| Ok((stored.id, stored.read(|piece| self.engine.get(piece))?)));
                let (id, comment) = match read {
                    Ok(read) => read,
                    Err(error) => {
                        unreadable.insert(ticket);
                        problems.push(error.to_string());
                        continue;
                    }
                };
                self.report.comments += 1;
                owners.insert(comment.ticket_id);
                if (ticket, id) != (comment.ticket_id, comment.id) || last.is_some_and(|last| last >= (ticket, id)) {
                    problems.push(format!("comment {} stands at a foreign key", comment.id));
                }
                last = Some((ticket, id));
                if comment.deleted_at.is_none() {
                    let (public, internal) = counts.entry(comment.ticket_id).or_default();
                    *if comment.is_internal { internal } else { public } += 1;
                }
            }
        }
        self.problems(problems);
        let mut projection = Projection::default();
        for (key, mut ticket) in self.all::<Ticket>(prefix::TICKET)? {
            self.report.tickets += 1;
            owners.remove(&ticket.id);
            if key != keys::ticket(ticket.id) {
                self.problem(format!("ticket {} stands at a foreign key", ticket.id));
            }
            let (public, internal) = counts.get(&ticket.id).copied().unwrap_or_default();
            // How many there are of which one cannot be read, nobody knows.
            if !unreadable.contains(&ticket.id) && (ticket.public_comments, ticket.internal_notes) != (public, internal) {
                self.problem(format!("ticket {} counts its comments wrongly", ticket.id));
                (ticket.public_comments, ticket.internal_notes) = (public, internal);
                let encoded = codec::encode(&ticket, ticket.version)?;
                for (index, piece) in (1..).zip(encoded.pieces) {
                    self.batch.insert(keys::piece(&key, index), piece);
                }
                self.batch.insert(key, encoded.first);
            }
            let mut gathered = Gathered::default();
            if let Err(error) = gathered.whole(self.engine, &ticket) {
                self.problem(format!("the texts of ticket {} cannot be indexed: {error}", ticket.id));
            }
            projection.take_in(gathered);
        }
        for ticket in owners {
            self.problem(format!("comments belong to ticket {ticket}, which does not exist"));
        }
        Ok(projection)
    }

    fn small_rows(&mut self) -> Result<(), StoreError> {
        self.all::<Answer>(prefix::ANSWER)?;
        self.all::<LogCursor>(prefix::CURSOR)?;
        self.all::<Preferences>(prefix::PREFERENCES)?;
        // Whether they fit the log, `audit verify` tells.
        self.all::<ChainBlock>(prefix::CHAIN)?;
        Ok(())
    }

    /// The saved projections, brought up to the log's end, are those that follow from the rows.
    fn projection(&mut self, saved: Option<Projection>, wanted: &Projection, seq: Seq) -> Result<(), StoreError> {
        let Some(saved) = saved else { return Ok(()) };
        let caught_up = match catch_up::catch_up(Some(saved), self.engine, seq, &mut Journal::default()) {
            Ok(caught_up) => caught_up,
            Err(StoreError::Corrupt(what)) => {
                self.problem(format!("what lists are read from cannot be brought up to date: {what}"));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if caught_up.columns != wanted.columns {
            self.problem("the columns that lists are read from are not what the rows say".into());
        }
        if caught_up.figures != wanted.figures {
            self.problem("the counters that analytics are read from are not what the rows say".into());
        }
        if caught_up.search != wanted.search {
            self.problem("the search index is not what the texts say".into());
        }
        Ok(())
    }

    /// No row has an id that could be given out again.
    fn ids(&mut self) -> Result<(), StoreError> {
        let kinds = [
            (IdKind::Ticket, prefix::TICKET),
            (IdKind::Comment, prefix::COMMENT),
            (IdKind::User, prefix::USER),
            (IdKind::Session, prefix::SESSION),
            (IdKind::Token, prefix::API_TOKEN),
        ];
        for (kind, prefix) in kinds {
            let mark = self.engine.get(keys::high_water(kind))?;
            let mark = mark.and_then(|v| v.as_ref().try_into().ok().map(i64::from_be_bytes)).unwrap_or(1);
            let mut highest = 0;
            for pair in self.engine.scan(&[prefix]) {
                let pair = pair?;
                let id = match kind {
                    IdKind::Comment => comments::split(pair.clone()).into_iter().rev().find_map(|stored| Some(stored.ok()?.id.0)),
                    _ => None,
                };
                highest = highest.max(id.or_else(|| keys::last_id(&pair.0)).unwrap_or(0));
            }
            if highest >= mark {
                self.problem(format!("ids up to {highest} are in use, but only those below {mark} are reserved ({kind:?})"));
                self.batch.insert(keys::high_water(kind), &(highest + 1).to_be_bytes());
            }
        }
        Ok(())
    }
}
