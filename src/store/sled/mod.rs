//! The embedded store on sled, used the one way in which it keeps its word: one committer, one tree, every commit synced
//! before it is answered; what lists and searches need is held in memory and follows the commits.

pub(super) mod aside;
mod bounds;
mod catch_up;
mod cells;
mod checkpoint;
mod codec;
mod columns;
mod comments;
mod commit;
mod due;
mod durability;
mod engine;
mod figures;
mod filters;
mod fsck;
mod gathered;
mod group;
mod ids;
mod journal;
mod keys;
mod lists;
mod log;
mod moves;
mod names;
mod open;
mod orders;
mod own;
mod pages;
mod people;
mod projection;
mod reads;
mod select;
mod terms;
mod touched;
mod view;

use std::{
    panic::resume_unwind,
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::Instant,
};

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use quick_cache::sync::Cache;
use tokio::sync::{oneshot, watch};

pub use aside::{discard, holds_a_store, replace, workshop};
pub use fsck::fsck;
pub use open::{Holder, OpenError, Options, SCHEMA, SEGMENT};

use self::{
    commit::{Command, Committer},
    engine::Engine,
    group::{Staged, batch},
    ids::Ids,
    journal::Journal,
    moves::TextMoves,
    open::{Folder, Identity},
    pages::Pages,
    projection::{Effect, Projection},
    view::Before,
};
use crate::{
    store::{Changes, Committed, IdKind, Meters, Store, StoreError, fault, rows::TicketBytes},
    tickets::model::Ticket,
    types::{Seq, TicketId},
};

/// Commits that may wait; more are refused with `Busy`.
const QUEUE: usize = 4_096;
/// Memory for decoded tickets.
const TICKET_CACHE: u64 = 24 * 1024 * 1024;
/// How many decoded tickets that is, roughly.
const TICKETS_CACHED: usize = 24 * 1024;
/// Tickets whose ids are not further apart than this, when there are some, are read one after another, with those between them.
const NEIGHBOURS: i64 = 4;
const SOME: usize = 3;

/// The embedded store.
pub struct SledStore {
    shared: Arc<Shared>,
    commands: Mutex<Option<SyncSender<Command>>>,
    committer: Mutex<Option<JoinHandle<()>>>,
}

/// What the committer and the readers share.
struct Shared {
    state: RwLock<State>,
    cache: Cache<TicketId, Arc<Ticket>, TicketBytes>,
    pages: Pages,
    ids: Ids,
    durable: watch::Sender<Seq>,
    /// What was there before, for whoever reads the store as of an earlier moment.
    view: Mutex<Option<Before>>,
    /// Why nothing can be written, while that is so.
    read_only: RwLock<Option<StoreError>>,
    meters: Meters,
}

/// The engine and what is held in memory beside it.
#[derive(Debug, Default)]
struct State {
    engine: Option<Engine>,
    projection: Projection,
}

/// What is said after a close.
fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".into())
}

struct Loaded {
    state: State,
    identity: Identity,
    checkpoint_seq: Seq,
    journal: Journal,
}

/// Opens the engine, reads the saved projections meanwhile, and brings them up to the log: with a million tickets each takes a second.
fn load(folder: &Folder, cache_mib: u64, ids: &Ids) -> Result<Loaded, OpenError> {
    let (opened, saved) = std::thread::scope(|scope| {
        let reading = std::thread::Builder::new().name("projection".into()).spawn_scoped(scope, || journal::load(folder));
        let opened = folder.open(cache_mib);
        (opened, reading.map(|reading| reading.join().unwrap_or_else(|panic| resume_unwind(panic))))
    });
    let (engine, identity) = opened?;
    let saved = saved.map_err(|source| OpenError::Folder { dir: folder.dir.clone(), source })?;
    let (mut checkpoint_seq, mut projection, mut journal) = (0, None, Journal::default());
    if let Some((saved, end)) = saved {
        let seq = saved.stamp.seq;
        if let Some(own) = saved.of(&identity) {
            (checkpoint_seq, projection, journal) = (seq, Some(own), end.go_on(&folder.journal()));
        } else {
            // They must not be taken for right when the log has come so far again.
            folder.forget_projections().map_err(|source| OpenError::Folder { dir: folder.dir.clone(), source })?;
        }
    }
    let projection = catch_up::catch_up(projection, &engine, identity.seq, &mut journal)?;
    fault::point("open.projection");
    ids.load(&engine)?;
    fault::point("open.ids");
    Ok(Loaded { state: State { engine: Some(engine), projection }, identity, checkpoint_seq, journal })
}

impl SledStore {
    /// Opens the store in a folder, or begins one. Blocks until it is ready.
    ///
    /// # Errors
    /// Why it was not opened; nothing was changed then.
    #[expect(clippy::needless_pass_by_value, reason = "what it opens is its own from then on")]
    pub fn open(options: Options) -> Result<Arc<Self>, OpenError> {
        let folder = Folder::lock(&options.dir)?;
        let ids = Ids::default();
        let loaded = load(&folder, options.cache_mib, &ids).map_err(|error| match error {
            OpenError::Store(StoreError::Corrupt(what)) => folder.damaged(format!("is damaged ({what})")),
            error => error,
        });
        let Loaded { state, identity, checkpoint_seq, journal } = loaded?;
        let seq = identity.seq;
        let shared = Arc::new(Shared {
            state: RwLock::new(state),
            cache: Cache::with_weighter(TICKETS_CACHED, TICKET_CACHE, TicketBytes),
            pages: Pages::new(),
            ids,
            durable: watch::Sender::new(seq),
            view: Mutex::default(),
            read_only: RwLock::new(None),
            meters: Meters::new().map_err(|error| StoreError::Unavailable(error.to_string()))?,
        });
        let (commands, receiver) = sync_channel(QUEUE);
        let committer = Committer {
            shared: shared.clone(),
            folder,
            cache_mib: options.cache_mib,
            commands: receiver,
            identity,
            checkpoint_seq,
            journal,
            seq,
        };
        let thread = std::thread::Builder::new().name("committer".into()).spawn(move || committer.run());
        let thread = thread.map_err(|e| StoreError::Unavailable(e.to_string()))?;
        Ok(Arc::new(Self { shared, commands: Mutex::new(Some(commands)), committer: Mutex::new(Some(thread)) }))
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Command) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let waiting = &self.shared.meters.queue_depth;
        let sent = match self.commands.lock().as_ref() {
            // Counted before the committer can take it.
            Some(commands) => {
                waiting.inc();
                commands.try_send(command(answer)).inspect_err(|_| waiting.dec())
            }
            None => return Err(closed()),
        };
        match sent {
            Ok(()) => answered.await.unwrap_or_else(|_| Err(closed())),
            Err(TrySendError::Full(_)) => Err(StoreError::Busy),
            Err(TrySendError::Disconnected(_)) => Err(closed()),
        }
    }
}

impl Drop for SledStore {
    /// Ends the committer and waits for it, so that the folder is free when this returns.
    fn drop(&mut self) {
        self.commands.lock().take();
        if let Some(thread) = self.committer.lock().take() {
            // A committer that panicked has said so already.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Reads under the lock; nothing is committed to memory meanwhile.
    fn with<T>(&self, read: impl FnOnce(&Projection, &Engine) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let state = self.state.read();
        let engine = state.engine.as_ref().ok_or_else(|| self.read_only.read().clone().unwrap_or_else(closed))?;
        read(&state.projection, engine)
    }

    /// Writes a group durably. Rows and what is held in memory move together, under the lock, so that no reader sees the
    /// one without the other; the sync itself holds up nobody, for only the committer waits for readers.
    fn write(&self, staged: Staged, effects: &[Effect], moves: TextMoves, seq: Seq) -> Result<(), StoreError> {
        let before = durability::syncs();
        let keys = staged.len();
        self.apply(staged, effects, moves, seq)?;
        engine::clear_up(keys);
        let start = Instant::now();
        let flushed = self.with(|_, engine| engine.flush(before));
        self.meters.sync_seconds.observe(start.elapsed().as_secs_f64());
        flushed
    }

    fn apply(&self, staged: Staged, effects: &[Effect], moves: TextMoves, seq: Seq) -> Result<(), StoreError> {
        let mut state = self.state.write();
        let State { engine, projection } = &mut *state;
        let engine = engine.as_ref().ok_or_else(closed)?;
        if let Some(before) = self.view.lock().as_mut() {
            before.keep(engine, staged.keys())?;
        }
        engine.apply(batch(staged))?;
        projection.apply(effects, moves)?;
        projection.seq = seq;
        for effect in effects {
            if let Effect::Ticket { after, .. } = effect {
                self.cache.insert(after.id, after.clone());
            }
        }
        Ok(())
    }

    /// A ticket from the cache, or from the engine into the cache. The lock makes sure that no older state is cached
    /// over a newer one: the committer caches under the write lock.
    fn ticket(&self, engine: &Engine, id: TicketId) -> Result<Option<Arc<Ticket>>, StoreError> {
        if let Some(ticket) = self.cache.get(&id) {
            return Ok(Some(ticket));
        }
        Ok(engine.ticket(id)?.map(|ticket| self.keep(ticket)))
    }

    fn keep(&self, ticket: Ticket) -> Arc<Ticket> {
        let ticket = Arc::new(ticket);
        self.cache.insert(ticket.id, ticket.clone());
        ticket
    }

    /// The tickets with these ids, in their order, likewise; without those that are not there. Neighbours, of which a page far down a
    /// list consists, are read one after another: the engine goes down its tree once for each of its pages.
    fn tickets(&self, engine: &Engine, ids: &[u32]) -> Result<Vec<Arc<Ticket>>, StoreError> {
        let ids = || ids.iter().map(|id| TicketId(i64::from(*id)));
        let mut found: Vec<Option<Arc<Ticket>>> = ids().map(|id| self.cache.get(&id)).collect();
        let mut missing: Vec<(TicketId, usize)> = ids().zip(0..).filter(|(_, at)| found[*at].is_none()).collect();
        missing.sort_unstable();
        for run in missing.chunk_by(|(id, _), (next, _)| next.0 - id.0 <= NEIGHBOURS) {
            let ([(first, _), .., (last, _)], true) = (run, run.len() >= SOME) else {
                for (id, at) in run {
                    found[*at] = self.ticket(engine, *id)?;
                }
                continue;
            };
            let mut wanted = run.iter().peekable();
            for pair in engine.range(keys::ticket(*first)..=keys::ticket(*last)) {
                let (key, value) = pair?;
                let Some(stored) = keys::first_id(&key).map(TicketId) else { continue };
                while wanted.next_if(|(id, _)| *id < stored).is_some() {}
                if let Some((_, at)) = wanted.next_if(|(id, _)| *id == stored) {
                    found[*at] = Some(self.keep(engine.decode(&key, &value)?));
                }
            }
        }
        Ok(found.into_iter().flatten().collect())
    }
}

#[async_trait]
impl Store for SledStore {
    async fn commit(&self, changes: Changes) -> Result<Committed, StoreError> {
        let start = Instant::now();
        let committed = self.ask(|answer| Command::Commit(Box::new(changes), answer)).await;
        self.shared.meters.commit_seconds.observe(start.elapsed().as_secs_f64());
        committed
    }

    async fn reserve(&self, kind: IdKind) -> Result<i64, StoreError> {
        loop {
            if let Some(id) = self.shared.ids.take(kind) {
                return Ok(id);
            }
            self.ask(|answer| Command::Raise(kind, answer)).await?;
        }
    }

    async fn ready(&self) -> Result<(), StoreError> {
        if let Some(reason) = self.shared.read_only.read().clone() {
            return Err(reason);
        }
        self.shared.with(|_, engine| engine.get(keys::PROBE).map(drop))?;
        self.ask(Command::Probe).await
    }

    fn meters(&self) -> &Meters {
        &self.shared.meters
    }

    /// Without the projections, which are held in memory and can be made anew.
    async fn size_bytes(&self) -> Result<u64, StoreError> {
        self.shared.with(|_, engine| engine.size_on_disk())
    }

    async fn close(&self) -> Result<(), StoreError> {
        // Nobody waits for it any more when this is given up: what was acknowledged is on the disk.
        let thread = self.committer.lock().take();
        let closing = self.ask(Command::Close).await;
        self.commands.lock().take();
        if let Some(thread) = thread {
            // It has answered already and only ends.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        closing
    }
}
