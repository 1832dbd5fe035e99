//! Many small changes in few commits. A ticket is changed at most once in a commit, and never by two commits that are
//! under way at the same time, so that any store may carry them out in any order.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use tokio::task::JoinHandle;

use crate::{
    error::AppError,
    store::{Changes, Committed, RowKey, Store, StoreError},
    types::UserId,
    users::model::User,
};

/// Changes that share a commit.
const MOST_CHANGES: usize = 128;
/// Commits under way. With two, the store always has the next one at hand while it syncs.
const MOST_UNDER_WAY: usize = 3;

/// A commit under way, and the tickets that it changes.
struct UnderWay {
    tickets: HashSet<u64>,
    commit: JoinHandle<Result<Committed, StoreError>>,
}

/// Collects changes and commits them.
pub(super) struct Batches {
    store: Arc<dyn Store>,
    changes: Changes,
    tickets: HashSet<u64>,
    guarded: HashSet<UserId>,
    under_way: VecDeque<UnderWay>,
}

impl Batches {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, changes: Changes::new(), tickets: HashSet::new(), guarded: HashSet::new(), under_way: VecDeque::new() }
    }

    /// Waits until the ticket can be changed, and commits what has gathered when it is enough.
    pub(super) async fn make_room(&mut self, ticket: u64) -> Result<(), AppError> {
        if self.tickets.contains(&ticket) || self.tickets.len() >= MOST_CHANGES {
            self.send().await?;
        }
        while self.under_way.iter().any(|one| one.tickets.contains(&ticket)) {
            self.wait().await?;
        }
        Ok(())
    }

    /// Adds a change of a ticket that there is room for.
    pub(super) fn put(&mut self, ticket: u64, add: impl FnOnce(Changes) -> Changes) {
        self.changes = add(std::mem::take(&mut self.changes));
        self.tickets.insert(ticket);
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
        while self.under_way.len() >= MOST_UNDER_WAY {
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
