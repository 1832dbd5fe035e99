//! Many small changes in few commits. What happens to a ticket within a commit is one write of its row, with all its entries
//! in the log, and no two commits under way are about the same ticket, so that any store may carry them out in any order.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use tokio::task::JoinHandle;

use crate::{
    error::AppError,
    store::{Changes, Committed, Row, RowKey, Store, StoreError, Write},
    tickets::model::Ticket,
    types::UserId,
    users::model::User,
};

/// Changes that share a commit.
const MOST_CHANGES: usize = 256;
/// Commits under way. With two, the store always has the next one at hand while it syncs.
const MOST_UNDER_WAY: usize = 3;

/// The tickets that a commit is about: where their rows are among its writes, for those that it writes.
type About = HashMap<u64, Option<usize>>;

/// A commit under way, and the tickets that it is about.
struct UnderWay {
    tickets: About,
    commit: JoinHandle<Result<Committed, StoreError>>,
}

/// Collects changes and commits them.
pub(super) struct Batches {
    store: Arc<dyn Store>,
    changes: Changes,
    tickets: About,
    guarded: HashSet<UserId>,
    under_way: VecDeque<UnderWay>,
}

impl Batches {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, changes: Changes::new(), tickets: About::new(), guarded: HashSet::new(), under_way: VecDeque::new() }
    }

    /// Commits what has gathered when it is enough.
    pub(super) async fn make_room(&mut self) -> Result<(), AppError> {
        if self.changes.log.len() >= MOST_CHANGES { self.send().await } else { Ok(()) }
    }

    /// Adds something about a ticket that is no write of its row.
    pub(super) fn put(&mut self, ticket: u64, add: impl FnOnce(Changes) -> Changes) {
        self.changes = add(std::mem::take(&mut self.changes));
        self.tickets.entry(ticket).or_insert(None);
    }

    /// Writes a ticket's row, which has the version after the one that was written last; gives the version that it gets. What
    /// the same commit would have written before is left out, and with it a version.
    pub(super) fn write(&mut self, number: u64, mut ticket: Ticket) -> i64 {
        let written = self.tickets.entry(number).or_insert(None);
        if let Some(Write::Put(row, _)) = written.and_then(|at| self.changes.writes.get_mut(at)) {
            ticket.version = row.version();
            **row = Row::from(ticket);
            return row.version();
        }
        *written = Some(self.changes.writes.len());
        let version = ticket.version;
        self.changes = std::mem::take(&mut self.changes).update(ticket);
        version
    }

    /// Insists that a ticket still has this version, unless the same commit writes it, which insists on that by itself.
    pub(super) fn rely_on_ticket(&mut self, number: u64, ticket: &Ticket) {
        if self.tickets.get(&number).is_none_or(Option::is_none) {
            self.put(number, |changes| changes.guard(RowKey::Ticket(ticket.id), ticket.version));
        }
    }

    /// Insists that this account is still as it was judged.
    pub(super) fn rely_on(&mut self, user: &User) {
        if self.guarded.insert(user.id) {
            self.changes.guards.push((RowKey::User(user.id), user.version));
        }
    }

    /// Commits everything and waits for it.
    pub(super) async fn finish(&mut self) -> Result<(), AppError> {
        self.send().await?;
        while !self.under_way.is_empty() {
            self.wait().await?;
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<(), AppError> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let at_once = |one: &UnderWay| self.tickets.keys().all(|ticket| !one.tickets.contains_key(ticket));
        // The oldest ends first, and so all do that are as old as the youngest that is about one of these tickets.
        let youngest = self.under_way.iter().rposition(|one| !at_once(one)).map_or(0, |at| at + 1);
        for _ in 0..youngest.max((self.under_way.len() + 1).saturating_sub(MOST_UNDER_WAY)) {
            self.wait().await?;
        }
        self.guarded.clear();
        let (store, changes) = (self.store.clone(), std::mem::take(&mut self.changes));
        let mut commit = Box::pin(async move { store.commit(changes).await });
        // Asked once right here, so that commits queue up in the order of the history.
        let early = tokio::select! {
            biased;
            done = &mut commit => Some(done),
            () = std::future::ready(()) => None,
        };
        let commit = match early {
            Some(done) => tokio::spawn(std::future::ready(done)),
            None => tokio::spawn(commit),
        };
        self.under_way.push_back(UnderWay { tickets: std::mem::take(&mut self.tickets), commit });
        Ok(())
    }

    /// Waits for the oldest commit.
    async fn wait(&mut self) -> Result<(), AppError> {
        let Some(oldest) = self.under_way.pop_front() else { return Ok(()) };
        oldest.commit.await.map_err(AppError::internal)??;
        Ok(())
    }
}
