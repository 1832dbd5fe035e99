//! How the projections come to the log's end when a store is opened: from their file and what came after it, or from
//! the rows alone.
//!
//! What came after the file and its [journal](super::journal) is told by the log's entries, each with its ticket and its comment, and
//! by [marks](keys::prefix::ANEW) of the tickets of which that is not enough.

use std::collections::HashMap;

use roaring::RoaringBitmap;
use serde::Deserialize;

use super::{
    engine::Engine,
    gathered::{Gathered, in_threads},
    journal::Journal,
    keys,
    log::{self, Stored},
    projection::{Projection, next_revision, position},
};
use crate::{
    store::{Row, StoreError},
    tickets::model::Ticket,
    types::{CommentId, Seq, TicketId},
};

/// So many rows or entries are read before what they say is put into place.
pub(super) const BATCH: usize = 16_384;

/// Brings saved projections up to the end of the log, and their journal with them; or builds everything from the rows.
pub(super) fn catch_up(saved: Option<Projection>, engine: &Engine, seq: Seq, journal: &mut Journal) -> Result<Projection, StoreError> {
    let mut projection = match saved {
        Some(mut saved) => {
            After::of(engine, saved.seq)?.replay(&mut saved, engine, journal)?;
            // Not before all of it is there.
            if saved.seq < seq {
                journal.note_rows(&Gathered::default(), seq);
            }
            journal.flush();
            saved
        }
        None => rebuild(engine)?,
    };
    projection.seq = seq;
    projection.revision = next_revision();
    projection.lists.renew();
    load_people(&mut projection, engine)?;
    Ok(projection)
}

/// The next ones, while there are any.
fn next_batch<T>(items: &mut impl Iterator<Item = Result<T, StoreError>>) -> Result<Option<Vec<T>>, StoreError> {
    let batch = items.take(BATCH).collect::<Result<Vec<_>, _>>()?;
    Ok((!batch.is_empty()).then_some(batch))
}

/// What an entry is about; the rest of it need not be read.
#[derive(Deserialize)]
struct About {
    ticket_id: Option<TicketId>,
    comment_id: Option<CommentId>,
}

/// What came after that.
#[derive(Debug, Default)]
struct After {
    /// The tickets that entries or marks name.
    tickets: RoaringBitmap,
    /// Those that are marked.
    anew: RoaringBitmap,
    /// The first comment of a ticket that an entry names. Whichever follow it may be indexed again.
    comments: HashMap<u32, CommentId>,
}

impl After {
    fn of(engine: &Engine, seq: Seq) -> Result<Self, StoreError> {
        let mut after = Self::default();
        let mut entries = log::entries(engine, seq + 1..=Seq::MAX)?;
        while let Some(entries) = next_batch(&mut entries)? {
            in_threads(&entries, |entry: &Stored, after: &mut Self| after.entry(&entry.read(engine)?))?
                .into_iter()
                .for_each(|part| after.join(part));
        }
        for pair in engine.scan(&[keys::prefix::ANEW]) {
            let (key, marked) = pair?;
            // A mark says at which entry; earlier versions' do not. Of the last entry there may be more than is known.
            let known = marked.as_ref().try_into().is_ok_and(|marked| Seq::from_be_bytes(marked) < seq);
            if let Some(id) = keys::first_id(&key).filter(|_| !known) {
                after.anew.insert(position(TicketId(id))?);
            }
        }
        after.tickets |= &after.anew;
        Ok(after)
    }

    fn entry(&mut self, about: &About) -> Result<(), StoreError> {
        if let Some(ticket) = about.ticket_id {
            let id = position(ticket)?;
            self.tickets.insert(id);
            if let Some(comment) = about.comment_id {
                self.comment(id, comment);
            }
        }
        Ok(())
    }

    fn comment(&mut self, ticket: u32, comment: CommentId) {
        self.comments.entry(ticket).and_modify(|first| *first = comment.min(*first)).or_insert(comment);
    }

    fn join(&mut self, other: Self) {
        self.tickets |= other.tickets;
        other.comments.into_iter().for_each(|(ticket, comment)| self.comment(ticket, comment));
    }

    /// Takes in whole what is new or marked; of the other tickets their cells and the comments that were written.
    fn replay(self, projection: &mut Projection, engine: &Engine, journal: &mut Journal) -> Result<(), StoreError> {
        let seq = projection.seq;
        if !self.anew.is_empty() {
            projection.search.forget(&self.anew);
            journal.note_forgotten(&self.anew, seq);
        }
        for ids in self.tickets.iter().collect::<Vec<_>>().chunks(BATCH) {
            let columns = &projection.columns;
            let read = in_threads(ids, |id, gathered: &mut Gathered| {
                let Some(ticket) = engine.ticket(TicketId((*id).into()))? else { return Ok(()) };
                if self.anew.contains(*id) || columns.cell(*id).is_none() {
                    return gathered.whole(engine, &ticket);
                }
                gathered.bare(&ticket)?;
                self.comments.get(id).map_or(Ok(()), |first| gathered.comments(engine, &ticket, *first))
            })?;
            for gathered in read {
                journal.note_rows(&gathered, seq);
                projection.take_in(gathered);
            }
        }
        Ok(())
    }
}

/// Builds the columns and the search index from the rows alone.
pub(super) fn rebuild(engine: &Engine) -> Result<Projection, StoreError> {
    let mut projection = Projection::default();
    let mut rows = engine.scan(&[keys::prefix::TICKET]);
    while let Some(rows) = next_batch(&mut rows)? {
        let read = in_threads(&rows, |(key, value), gathered: &mut Gathered| {
            let ticket: Ticket = engine.decode(key, value)?;
            gathered.whole(engine, &ticket)
        })?;
        for gathered in read {
            projection.take_in(gathered);
        }
    }
    Ok(projection)
}

/// Reads the rows about people and the single ones.
fn load_people(projection: &mut Projection, engine: &Engine) -> Result<(), StoreError> {
    let people = &mut projection.people;
    for pair in engine.scan(&[keys::prefix::USER]) {
        let (key, value) = pair?;
        people.put(&Row::User(engine.decode(&key, &value)?));
    }
    for pair in engine.scan(&[keys::prefix::SESSION]) {
        let (key, value) = pair?;
        people.put(&Row::Session(engine.decode(&key, &value)?));
    }
    for pair in engine.scan(&[keys::prefix::API_TOKEN]) {
        let (key, value) = pair?;
        people.put(&Row::ApiToken(engine.decode(&key, &value)?));
    }
    people.roster = engine.read(b"mroster")?.unwrap_or_default();
    people.settings = engine.read::<crate::users::model::Settings>(b"msettings")?.unwrap_or_default().into();
    people.setup_token = engine.read(b"msetup")?;
    people.secret = engine.read(b"msecret")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        activity::model::{Action, ActorRef, Facts, NewEntry},
        store::{
            Changes,
            sled::{
                checkpoint,
                commit::forget_marks,
                group::{Group, batch},
                ids::Ids,
                journal,
                moves::TextMoves,
                open::{Folder, Identity},
            },
        },
        tickets::{
            model::{Comment, Status},
            query::tests::ticket,
        },
        types::{Timestamp, UserId},
    };

    const IDENTITY: &str = "0123456789abcdef";
    const WORDS: [&str; 6] = ["printer", "vpn", "fire", "mail", "slow", "again"];

    /// What becomes of a ticket or a comment; what is `None` stays.
    #[derive(Debug, Clone)]
    enum Turn {
        Ticket { title: Option<String>, description: Option<String>, tags: Vec<String>, closed: bool },
        Comment { id: i64, content: String, internal: bool, deleted: bool },
    }

    /// What the entry of a commit names; some commits have none.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Tells {
        NoEntry,
        Nothing,
        Ticket,
        TicketAndComment,
        AnotherComment,
    }

    fn texts() -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..4).prop_map(|words| words.join(" "))
    }

    fn turns(most: usize) -> impl Strategy<Value = Vec<(i64, Turn, Tells)>> {
        let tags = prop::collection::btree_set("[ab]", 0..2).prop_map(|tags| tags.into_iter().collect());
        let of_ticket = (prop::option::weighted(0.3, texts()), prop::option::weighted(0.3, texts()), tags, any::<bool>())
            .prop_map(|(title, description, tags, closed)| Turn::Ticket { title, description, tags, closed });
        let of_comment = (1..9_i64, texts(), prop::bool::weighted(0.2)).prop_map(|(id, content, deleted)| Turn::Comment {
            id,
            content,
            internal: id % 2 == 0,
            deleted,
        });
        let tells =
            prop::sample::select(vec![Tells::NoEntry, Tells::Nothing, Tells::Ticket, Tells::TicketAndComment, Tells::AnotherComment]);
        prop::collection::vec((1..4_i64, prop_oneof![of_ticket, of_comment], tells), 1..=most)
    }

    /// A store as its committer moves it.
    struct Desk {
        engine: Engine,
        live: Projection,
        journal: Journal,
        folder: Folder,
        _dirs: [tempfile::TempDir; 2],
    }

    impl Desk {
        fn new() -> Self {
            let ((engine, of_engine), dir) = (Engine::temporary().unwrap(), tempfile::tempdir().unwrap());
            let folder = Folder::lock(dir.path()).unwrap();
            Self { engine, live: Projection::default(), journal: Journal::default(), folder, _dirs: [of_engine, dir] }
        }

        fn commit(&mut self, commits: Vec<Changes>) {
            let ids = Ids::default();
            let mut group = Group::new(&self.engine, &|_| None, &ids, self.live.seq);
            for changes in commits {
                group.add(changes).unwrap();
            }
            let Group { mut staged, log, effects, seq, .. } = group;
            staged.extend(log.pairs().map(|(key, value)| (key, Some(value))));
            let moves = TextMoves::by(&self.engine, &effects).unwrap();
            self.engine.apply(batch(staged)).unwrap();
            let step = self.journal.step(&effects, &moves, self.live.seq, seq);
            self.journal.note(step);
            self.live.apply(&effects, moves).unwrap();
            self.live.seq = seq;
        }

        fn take(&mut self, number: i64, turn: Turn, tells: Tells) {
            self.take_all(&[(number, turn, tells)]);
        }

        /// In one group.
        fn take_all(&mut self, turns: &[(i64, Turn, Tells)]) {
            let commits = turns.iter().cloned().map(|(number, turn, tells)| self.changes(number, turn, tells)).collect();
            self.commit(commits);
        }

        fn changes(&self, number: i64, turn: Turn, tells: Tells) -> Changes {
            let id = TicketId(number);
            let mut entry = NewEntry::new(Action::TicketUpdated, ActorRef::system(), Timestamp::from_micros(number));
            if !matches!(tells, Tells::NoEntry | Tells::Nothing) {
                entry = entry.about_ticket(id, Facts::default());
            }
            let changes = match turn {
                Turn::Ticket { title, description, tags, closed } => {
                    let status = if closed { Status::Closed } else { Status::Open };
                    let before = self.engine.ticket(id).unwrap().unwrap_or_else(ticket);
                    let (title, description) = (title.unwrap_or(before.title), description.unwrap_or(before.description));
                    Changes::new().overwrite(Ticket { id, title, description, status, tags, ..ticket() })
                }
                Turn::Comment { id: comment, content, internal, deleted } => {
                    let at = Timestamp::from_micros(comment);
                    let comment = CommentId(number * 10 + comment);
                    match tells {
                        Tells::TicketAndComment => entry = entry.about_comment(comment, internal),
                        Tells::AnotherComment => entry = entry.about_comment(CommentId(comment.0 + 1), internal),
                        Tells::NoEntry | Tells::Nothing | Tells::Ticket => {}
                    }
                    Changes::new().overwrite(Comment {
                        id: comment,
                        ticket_id: id,
                        author_id: UserId(1),
                        content,
                        is_internal: internal,
                        created_at: at,
                        updated_at: at,
                        deleted_at: deleted.then_some(at),
                        version: 1,
                    })
                }
            };
            if tells == Tells::NoEntry { changes } else { changes.log(entry) }
        }

        /// Saves the projections as the committer does.
        fn checkpoint(&mut self) {
            let stamp = checkpoint::save(&self.folder.projection(), IDENTITY, &self.live).unwrap();
            self.journal.begin_anew(&self.folder.journal(), stamp);
            forget_marks(&self.engine).unwrap();
        }

        /// What has been saved, with so much of the journal as a crash has left, in 256th parts.
        fn saved(&mut self, left: u8) -> (Option<Projection>, Journal) {
            self.journal.flush();
            let path = self.folder.journal();
            if let Ok(file) = std::fs::File::options().write(true).open(&path) {
                file.set_len((file.metadata().unwrap().len() * (u64::from(left) + 1)).div_ceil(256)).unwrap();
            }
            let identity = Identity { id: IDENTITY.into(), seq: self.live.seq };
            journal::load(&self.folder).map_or_else(Default::default, |(saved, end)| (saved.of(&identity), end.go_on(&path)))
        }

        /// What an opening after a crash makes of it.
        fn opened(&mut self, left: u8) -> Projection {
            let (saved, mut journal) = self.saved(left);
            let opened = catch_up(saved, &self.engine, self.live.seq, &mut journal).unwrap();
            self.journal = journal;
            opened
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn a_saved_projection_comes_to_be_what_the_commits_since_have_made_of_it(
            before in turns(20), after in turns(20), again in turns(4), checkpoints in any::<[bool; 2]>(), left in any::<[u8; 3]>(),
            together in 1..4_usize,
        ) {
            let mut desk = Desk::new();
            // A ticket has its row before it has comments, as the use cases see to; the third comes later.
            let first = || Turn::Ticket { title: Some("first".into()), description: None, tags: Vec::new(), closed: false };
            (1..3).for_each(|number| desk.take(number, first(), Tells::Ticket));
            let parts = [(before, checkpoints[0], 2), (after, checkpoints[1], 3), (again, false, 3)];
            for ((turns, saves, tickets), left) in parts.into_iter().zip(left) {
                let turns: Vec<_> = turns.into_iter().map(|(number, turn, tells)| (number.min(tickets), turn, tells)).collect();
                turns.chunks(together).for_each(|turns| desk.take_all(turns));
                if saves {
                    desk.checkpoint();
                }
                if tickets == 2 {
                    desk.take(3, first(), Tells::Ticket);
                }
                // The second time from a journal to which the first has added what it took in.
                for found in [desk.opened(left), desk.opened(u8::MAX), rebuild(&desk.engine).unwrap()] {
                    prop_assert_eq!(&found.columns, &desk.live.columns);
                    prop_assert_eq!(&found.search, &desk.live.search);
                    prop_assert_eq!(&found.figures, &desk.live.figures);
                }
            }
        }
    }

    #[test]
    fn the_log_leads_to_new_comments_and_only_tickets_of_which_it_does_not_tell_enough_are_taken_in_whole() {
        let mut desk = Desk::new();
        let told = |content: &str| Turn::Comment { id: 1, content: content.into(), internal: false, deleted: false };
        let titled = |title: &str, closed| Turn::Ticket { title: Some(String::from(title)), description: None, tags: Vec::new(), closed };
        (1..=6).for_each(|number| desk.take(number, titled("first", false), Tells::Ticket));
        desk.checkpoint();
        desk.take(1, told("printer"), Tells::TicketAndComment);
        desk.take(2, titled("first", true), Tells::Ticket);
        desk.take(3, titled("second", false), Tells::Ticket);
        desk.take(4, told("vpn"), Tells::TicketAndComment);
        desk.take(4, told("mail"), Tells::TicketAndComment);
        desk.take(5, titled("first", true), Tells::Nothing);
        desk.take(6, told("slow"), Tells::Ticket);
        desk.take(7, titled("new", false), Tells::Ticket);
        // All of it is in the journal, but of the last entry there could be more.
        let (saved, _) = desk.saved(u8::MAX);
        let of_journal = After::of(&desk.engine, saved.unwrap().seq).unwrap();
        assert!(of_journal.tickets.is_empty() && of_journal.anew.is_empty(), "{of_journal:?}");
        // An earlier version's mark does not say when.
        desk.engine.put(std::iter::once((keys::anew(TicketId(5)), Vec::new()))).unwrap();
        assert!(After::of(&desk.engine, 14).unwrap().anew.iter().eq([5]));
        let After { tickets, anew, comments } = After::of(&desk.engine, 6).unwrap();
        assert!(tickets.iter().eq(1..=7) && anew.iter().eq(3..=6), "{anew:?}");
        assert_eq!(comments, HashMap::from([(1, CommentId(11)), (4, CommentId(41))]));
    }
}
