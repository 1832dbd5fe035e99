//! The one committer. It owns all writes: takes what is waiting, judges and stages it, writes it in one batch with one
//! sync, moves the projections, then answers. The sync itself is the clock that makes groups; nothing waits to fill one.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    Shared, State,
    catch_up::catch_up,
    checkpoint, due,
    engine::{Engine, io_failed},
    group::Group,
    journal::Journal,
    keys,
    moves::TextMoves,
    open::{Folder, Identity, ROOM},
    view::View,
};
use crate::{
    auth::token::random,
    store::{Changes, Committed, IdKind, Record, StoreError},
    types::Seq,
};

/// At most so many commits share a sync,
const MOST_COMMITS: usize = 256;
/// and about so many bytes.
const MOST_BYTES: usize = 1024 * 1024;
/// How long the committer waits for work before it looks around.
const PULSE: Duration = Duration::from_secs(1);
/// How often it tries, after a failure, whether the storage works again.
const BETWEEN_HEALINGS: Duration = Duration::from_secs(1);
/// `IDENTITY` follows the log at most so far behind.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);
/// A desk rests when nothing has been told in its log for so long.
const REST: Duration = Duration::from_secs(5);

/// When sled has written so many bytes of its log since it was opened, it goes through them once more when the store is closed:
/// at an opening, for which people wait, it would have to. A GB takes about a second, from a slow disk three.
const LOG_PER_INDEX: u64 = 128 * 1024 * 1024;

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the committer is asked for.
pub(super) enum Command {
    /// Write this.
    Commit(Box<Changes>, Answer<Committed>),
    /// Take in what another store had.
    TakeIn(Vec<Record>, Answer<()>),
    /// Make what is derived from rows anew.
    Settle(Answer<()>),
    /// Keep the present state in view, when all that came before is durable.
    View(Answer<View>),
    /// Reserve ids.
    Raise(IdKind, Answer<()>),
    /// Write something, to see whether that works.
    Probe(Answer<()>),
    /// Finish and let go.
    Close(Answer<()>),
}

/// Someone who waits for the group's sync.
enum Waiting {
    Commit(Answer<Committed>, Committed),
    Other(Answer<()>),
    View(Answer<View>),
}

impl Waiting {
    // Whoever stopped waiting does not want the answer.
    fn answer(self, outcome: Result<(), StoreError>, shared: &Arc<Shared>, seq: Seq) {
        match self {
            Self::Commit(answer, committed) => drop(answer.send(outcome.map(|()| committed))),
            Self::Other(answer) => drop(answer.send(outcome)),
            Self::View(answer) => drop(answer.send(outcome.and_then(|()| View::begin(shared, seq)))),
        }
    }
}

/// The committer's thread.
pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    pub(super) folder: Folder,
    pub(super) cache_mib: u64,
    pub(super) commands: Receiver<Command>,
    pub(super) identity: Identity,
    /// The log's end in the checkpoint.
    pub(super) checkpoint_seq: Seq,
    /// What came after it.
    pub(super) journal: Journal,
    pub(super) seq: Seq,
}

impl Committer {
    /// Works until it is closed, or until nobody is left who could ask.
    pub(super) fn run(mut self) {
        let mut last_look = Instant::now();
        let mut last_heal = Instant::now();
        let (mut last_seq, mut last_entry) = (self.seq, Instant::now());
        // What an opening had to make anew, or has taken in, can be much.
        self.look_after(false);
        loop {
            let closing = match self.commands.recv_timeout(PULSE) {
                Ok(first) => {
                    self.shared.meters.queue_depth.dec();
                    self.serve(first)
                }
                Err(RecvTimeoutError::Timeout) => None,
                // Dropped without being closed: like a crash, nothing more is written, save what the journal was to hand over.
                Err(RecvTimeoutError::Disconnected) => {
                    self.shared.state.write().engine = None;
                    return;
                }
            };
            if let Some(answer) = closing {
                let closed = self.close();
                // Let go of everything before the answer, so that the folder can be opened again at once.
                drop(self);
                drop(answer.send(closed));
                return;
            }
            if self.seq != last_seq {
                (last_seq, last_entry) = (self.seq, Instant::now());
            }
            let read_only = self.shared.read_only.read().is_some();
            if read_only && last_heal.elapsed() >= BETWEEN_HEALINGS {
                self.heal();
                last_heal = Instant::now();
            } else if !read_only && last_look.elapsed() >= BETWEEN_LOOKS {
                self.look_after(last_entry.elapsed() >= REST);
                last_look = Instant::now();
            }
        }
    }

    /// Commits what is waiting, group by group; gives whoever asked to close, which ends it.
    fn serve(&mut self, first: Command) -> Option<Answer<()>> {
        let mut commands = vec![first];
        while commands.len() < MOST_COMMITS && !matches!(commands.last(), Some(Command::Close(_))) {
            let Ok(command) = self.commands.try_recv() else { break };
            self.shared.meters.queue_depth.dec();
            commands.push(command);
        }
        let closing = match commands.pop() {
            Some(Command::Close(answer)) => Some(answer),
            last => {
                commands.extend(last);
                None
            }
        };
        let mut rest = commands.into_iter().peekable();
        while rest.peek().is_some() {
            self.commit_group(&mut rest);
        }
        closing
    }

    fn commit_group(&mut self, commands: &mut impl Iterator<Item = Command>) {
        let shared = self.shared.clone();
        if let Some(reason) = shared.read_only.read().as_ref() {
            return commands.for_each(|command| refuse(command, reason));
        }
        let state = shared.state.read();
        let Some(engine) = state.engine.as_ref() else { return commands.for_each(|command| refuse(command, &super::closed())) };
        let cached = |id| shared.cache.get(&id);
        let mut group = Group::new(engine, &cached, &shared.ids, self.seq);
        let (mut waiting, mut settling) = (Vec::new(), None);
        for command in commands {
            match command {
                Command::Commit(changes, answer) => match group.add(*changes) {
                    Ok(seq) => waiting.push(Waiting::Commit(answer, Committed { seq })),
                    Err(error) => drop(answer.send(Err(error))),
                },
                Command::TakeIn(records, answer) => {
                    // It follows them as little as the projections do.
                    self.journal = Journal::default();
                    match group.take_in(records) {
                        Ok(()) => waiting.push(Waiting::Other(answer)),
                        Err(error) => drop(answer.send(Err(error))),
                    }
                }
                Command::View(answer) => {
                    waiting.push(Waiting::View(answer));
                    // What follows is not in it.
                    break;
                }
                Command::Settle(answer) => {
                    settling = Some(answer);
                    break;
                }
                Command::Raise(kind, answer) => {
                    group.raise(kind);
                    waiting.push(Waiting::Other(answer));
                }
                Command::Probe(answer) => {
                    group.stage(keys::PROBE.to_vec(), Some(random::<8>().to_vec()));
                    waiting.push(Waiting::Other(answer));
                }
                Command::Close(answer) => drop(answer.send(Ok(()))),
            }
            if group.bytes > MOST_BYTES || group.broken {
                break;
            }
        }
        let told =
            |error: &StoreError| tracing::error!(%error, "something stored cannot be read, and so nothing that depends on it be written");
        let texts = if group.broken { None } else { TextMoves::by(engine, &group.effects).inspect_err(told).ok() };
        let Some(texts) = texts else {
            // Something stored could not be read, maybe while a commit was half staged: nothing of this group is written.
            return waiting.into_iter().for_each(|w| w.answer(Err(StoreError::Busy), &shared, self.seq));
        };
        if group.is_empty() {
            for one in waiting {
                one.answer(Ok(()), &shared, self.seq);
            }
            drop(state);
            if let Some(answer) = settling {
                drop(answer.send(self.settle()));
            }
            return;
        }
        let Group { mut staged, log, effects, seq, passed, raised, .. } = group;
        staged.extend(log.pairs().map(|(key, value)| (key, Some(value))));
        drop(state);
        let step = self.journal.step(&effects, &texts, self.seq, seq);
        let moved = self.room().and_then(|()| shared.write(staged, &effects, texts, seq));
        if let Err(error) = &moved {
            self.go_read_only(error.clone());
        } else {
            for (kind, mark) in passed {
                shared.ids.pass(kind, mark);
            }
            for (kind, limit) in raised {
                shared.ids.raise(kind, limit);
            }
            self.seq = seq;
            shared.durable.send_replace(seq);
            let commits = waiting.iter().filter(|one| matches!(one, Waiting::Commit(..))).count();
            if commits > 0 {
                shared.meters.group_size.observe(f64::from(u16::try_from(commits).unwrap_or(u16::MAX)));
            }
        }
        for one in waiting {
            one.answer(moved.clone(), &shared, self.seq);
        }
        if moved.is_ok() {
            self.journal.note(step);
        }
        if let Some(answer) = settling {
            let settled = moved.and_then(|()| self.settle());
            drop(answer.send(settled));
        }
    }

    /// Makes the projections anew from the rows, and saves them: nothing in the log leads to what was taken in.
    fn settle(&mut self) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        {
            let mut state = shared.state.write();
            let engine = state.engine.as_ref().ok_or_else(super::closed)?;
            let fresh = catch_up(None, engine, self.seq, &mut Journal::default())?;
            shared.cache.clear();
            state.projection = fresh;
        }
        self.checkpoint()?;
        self.identity.seq = self.seq;
        self.folder.write_identity(&self.identity).map_err(io_failed)
    }

    /// Refuses to write when the disk is nearly full. sled must not meet the end itself: a page that it could not split
    /// makes every later read of its keys try again, and fail.
    fn room(&self) -> Result<(), StoreError> {
        let free = self.folder.free().map_err(io_failed)?;
        if free < ROOM { Err(StoreError::Full(format!("{free} bytes are free"))) } else { Ok(()) }
    }

    /// Stops writing until the storage works again. Reads go on.
    fn go_read_only(&self, reason: StoreError) {
        tracing::error!(%reason, "the storage failed: the desk is read-only until it works again");
        self.shared.meters.read_only.set(1);
        *self.shared.read_only.write() = Some(reason);
    }

    /// After a failure: when there is room again, opens the store anew, and what was not acknowledged is forgotten.
    fn heal(&mut self) {
        let usable = self.room().and_then(|()| self.folder.try_writing().map_err(io_failed));
        if let Err(reason) = usable {
            tracing::debug!(%reason, "the storage does not work yet");
            return;
        }
        self.journal = Journal::default();
        // sled holds a lock of its own, so the old one goes first; readers wait meanwhile.
        let mut state = self.shared.state.write();
        state.engine = None;
        self.shared.view.lock().take();
        self.shared.cache.clear();
        match super::load(&self.folder, self.cache_mib, &self.shared.ids) {
            Ok(loaded) => {
                self.seq = loaded.state.projection.seq;
                self.checkpoint_seq = loaded.checkpoint_seq;
                self.journal = loaded.journal;
                *state = loaded.state;
                drop(state);
                self.shared.durable.send_replace(self.seq);
                *self.shared.read_only.write() = None;
                self.shared.meters.read_only.set(0);
                tracing::warn!("the storage works again");
            }
            Err(error) => tracing::error!(%error, "the storage cannot be opened again yet"),
        }
    }

    /// What is done now and then: `IDENTITY` follows the log, and the projections are checkpointed when many entries have come.
    fn look_after(&mut self, rests: bool) {
        if self.identity.seq != self.seq {
            self.identity.seq = self.seq;
            if let Err(error) = self.folder.write_identity(&self.identity) {
                tracing::warn!(%error, "the IDENTITY file could not be written");
            }
        }
        self.journal.flush();
        let far = self.seq - self.checkpoint_seq >= due::checkpoint_distance(self.checkpoint_seq, rests);
        let file = std::fs::metadata(self.folder.projection()).map_or(0, |file| file.len());
        let long = self.journal.bytes() >= due::longest_journal(file);
        if (far || long)
            && let Err(error) = self.checkpoint()
        {
            tracing::warn!(%error, "the projections could not be checkpointed");
            if long {
                // It would take all the room that is left.
                self.journal = Journal::default();
            }
        }
    }

    /// Writes the projections to their file, then forgets the marks of what is not in it.
    fn checkpoint(&mut self) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        let state = shared.state.read();
        let Some(engine) = state.engine.as_ref() else { return Ok(()) };
        let stamp = checkpoint::save(&self.folder.projection(), &self.identity.id, &state.projection).map_err(io_failed)?;
        self.checkpoint_seq = self.seq;
        self.journal.begin_anew(&self.folder.journal(), stamp);
        forget_marks(engine)
    }

    fn close(&mut self) -> Result<(), StoreError> {
        let writable = self.shared.read_only.read().is_none();
        if writable {
            self.save_all()?;
        }
        // All of it, so that its memory is there for sled.
        let State { engine, .. } = std::mem::take(&mut *self.shared.state.write());
        let logged = engine.as_ref().map_or(0, Engine::logged);
        drop(engine);
        if writable && logged >= LOG_PER_INDEX && self.room().is_ok() {
            self.index();
        }
        Ok(())
    }

    /// Has sled write the index of its log anew. All that was acknowledged is on the disk already, and the next opening does the
    /// same when this is cut off or fails.
    fn index(&self) {
        let start = Instant::now();
        match self.folder.open_sled(self.cache_mib).map(drop) {
            Ok(()) => tracing::info!(seconds = start.elapsed().as_secs_f32(), "the storage engine's index is written, for the next start"),
            Err(error) => tracing::warn!(%error, "the storage engine's index could not be written; the next start takes longer"),
        }
    }

    fn save_all(&mut self) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        {
            let state = shared.state.read();
            let Some(engine) = state.engine.as_ref() else { return Ok(()) };
            let mut batch = sled::Batch::default();
            for kind in IdKind::ALL {
                batch.insert(keys::high_water(kind), &shared.ids.seal(kind).to_be_bytes());
            }
            engine.write(batch)?;
        }
        self.identity.seq = self.seq;
        self.folder.write_identity(&self.identity).map_err(io_failed)?;
        self.checkpoint()
    }
}

/// Removes the marks of tickets that would be taken in anew: a checkpoint holds them now.
pub(super) fn forget_marks(engine: &Engine) -> Result<(), StoreError> {
    let mut batch = sled::Batch::default();
    let mut any = false;
    for pair in engine.scan(&[keys::prefix::ANEW]) {
        batch.remove(pair?.0);
        any = true;
    }
    if any { engine.write(batch) } else { Ok(()) }
}

fn refuse(command: Command, reason: &StoreError) {
    match command {
        Command::Commit(_, answer) => drop(answer.send(Err(reason.clone()))),
        Command::View(answer) => drop(answer.send(Err(reason.clone()))),
        Command::TakeIn(_, answer) | Command::Settle(answer) | Command::Raise(_, answer) | Command::Probe(answer) => {
            drop(answer.send(Err(reason.clone())));
        }
        Command::Close(answer) => drop(answer.send(Ok(()))),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{
        super::{Options, SledStore, gathered::Gathered, journal},
        *,
    };
    use crate::{
        store::Store,
        tickets::{model::Ticket, query::tests::ticket},
        types::CommentId,
    };

    fn open(dir: &Path) -> Arc<SledStore> {
        SledStore::open(Options { dir: dir.to_owned(), cache_mib: 16 }).unwrap()
    }

    /// A folder with a store that has a ticket, and was closed.
    async fn with_a_ticket() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        store.commit(Changes::new().insert(ticket())).await.unwrap();
        store.close().await.unwrap();
        dir
    }

    #[tokio::test]
    async fn a_text_that_cannot_be_read_refuses_what_depends_on_it_and_nothing_else() {
        let dir = with_a_ticket().await;
        {
            let engine = Folder::lock(dir.path()).and_then(|folder| folder.open(16)).unwrap().0;
            engine.put(std::iter::once((keys::comment(ticket().id, CommentId(1)), vec![255; 9]))).unwrap();
            engine.flush(0).unwrap();
        }
        let store = open(dir.path());
        let renamed = |title: &str| Changes::new().overwrite(Ticket { title: title.into(), ..ticket() });
        assert_eq!(store.commit(renamed("Another title")).await, Err(StoreError::Busy));
        store.commit(renamed(&ticket().title)).await.unwrap();
        store.ready().await.unwrap();
    }

    #[tokio::test]
    async fn what_is_saved_of_the_projections_goes_when_it_is_ahead_of_the_log() {
        let dir = with_a_ticket().await;
        let saved = {
            let folder = Folder::lock(dir.path()).unwrap();
            let mut journal = journal::load(&folder).unwrap().1.go_on(&folder.journal());
            journal.note_rows(&Gathered::default(), 1_000);
            [folder.journal(), folder.projection()]
        };
        // It is not saved again at once, since nothing is in its log.
        drop(open(dir.path()));
        assert!(saved.iter().all(|file| !file.exists()), "the log could come so far again");
        let store = open(dir.path());
        assert!(store.shared.with(|projection, _| Ok(projection.columns.live.len() == 1)).unwrap());
        store.close().await.unwrap();
        assert!(saved.iter().all(|file| file.exists()));
    }
}
