//! What is held in memory beside the rows, and how a commit moves it.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    columns::{Cell, Columns},
    comments,
    engine::Engine,
    figures::Figures,
    gathered::{Bare, Gathered},
    lists::Lists,
    moves::{Moves, Written, has_same_text, has_same_texts, text_of},
    people::People,
    terms::Search,
};
use crate::{
    analytics::figures::Standing,
    store::{Row, RowKey, StoreError},
    tickets::{
        model::{Comment, Ticket},
        search::terms,
    },
    types::{CommentId, Seq, TicketId},
};

/// What a commit did, for the projection to follow.
#[derive(Debug)]
pub(super) enum Effect {
    /// A ticket is new or has changed.
    Ticket { before: Option<Arc<Ticket>>, after: Arc<Ticket> },
    /// A comment is new or has changed.
    Comment { before: Option<Box<Comment>>, after: Box<Comment> },
    /// A ticket's row is gone (only tests and imports remove tickets).
    Gone(RowKey),
    /// A row about people, or a single one.
    People(Box<Row>),
}

impl Effect {
    /// Whether counters or names may be others after it.
    fn shows_in_analytics(&self) -> bool {
        match self {
            Self::Ticket { before, after } => {
                before.as_ref().is_none_or(|before| Standing::from(before.as_ref()) != Standing::from(after.as_ref()))
            }
            Self::Gone(key) => matches!(key, RowKey::Ticket(_) | RowKey::User(_)),
            Self::Comment { .. } => false,
            Self::People(row) => matches!(**row, Row::User(_)),
        }
    }
}

/// Everything that is held in memory.
#[derive(Debug, Default)]
pub(super) struct Projection {
    pub(super) columns: Columns,
    pub(super) figures: Figures,
    pub(super) search: Search,
    pub(super) people: People,
    /// The last entry of the log that it has followed.
    pub(super) seq: Seq,
    /// The state that counters and names are in: another number at each change, in the whole process, so that it is not the
    /// same again either when the store is opened anew.
    pub(super) revision: u64,
    pub(super) lists: Lists,
}

/// A number that no state has had yet; the first state of all has 0.
pub(super) fn next_revision() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// A ticket's place in the bitmaps.
pub(super) fn position(id: TicketId) -> Result<u32, StoreError> {
    u32::try_from(id.0).map_err(|_| StoreError::Full("the embedded store holds tickets up to id 4,294,967,295".into()))
}

impl Projection {
    /// Follows a group of commits that has written these texts. `engine` already holds it.
    pub(super) fn apply(&mut self, engine: &Engine, effects: &[Effect], written: Written) -> Result<(), StoreError> {
        if effects.iter().any(Effect::shows_in_analytics) {
            self.revision = next_revision();
        }
        self.lists.follow(effects, &written);
        let mut moves = TextMoves::default();
        for (effect, terms) in effects.iter().zip(written.0) {
            match effect {
                Effect::Ticket { before, after } => self.put_ticket(engine, before.as_deref(), after, terms, &mut moves)?,
                Effect::Comment { before, after } => moves.comment(engine, before.as_deref(), after, terms)?,
                Effect::Gone(key) => self.people.remove(key),
                Effect::People(row) => self.people.put(row),
            }
        }
        self.search.public.follow(moves.public);
        self.search.notes.follow(moves.notes);
        Ok(())
    }

    fn put_ticket(
        &mut self,
        engine: &Engine,
        before: Option<&Ticket>,
        after: &Ticket,
        terms: Vec<String>,
        moves: &mut TextMoves,
    ) -> Result<(), StoreError> {
        let id = position(after.id)?;
        self.put_cell(id, Cell::of(after), before.map_or(&[], |old| &old.tags), &after.tags);
        if let Some(old) = before.filter(|old| !has_same_texts(old, after)) {
            let mut gone = terms_of([&old.title, &old.description]);
            keep(&mut gone, &terms);
            keep_of_comments(&mut gone, engine, after.id, false)?;
            moves.public.remove(id, gone);
        }
        moves.public.add(id, terms);
        Ok(())
    }

    /// Moves a ticket's cell, and with it the counters. `old_tags` are those that it had here.
    fn put_cell(&mut self, id: u32, cell: Cell, old_tags: &[String], tags: &[String]) {
        let before = self.columns.cell(id).as_ref().map(Cell::standing);
        self.figures.follow(before.as_ref(), &cell.standing());
        self.columns.put(id, cell, old_tags, tags);
    }

    /// Brings in what was read from the rows; what was gathered with its texts has none in the index yet.
    pub(super) fn take_in(&mut self, gathered: Gathered) {
        let Gathered { tickets, public, notes } = gathered;
        let known = tickets.iter().map(|ticket| ticket.id).filter(|id| self.columns.cell(*id).is_some()).collect();
        let mut old_tags = self.columns.tags_of(&known);
        for Bare { id, cell, tags } in tickets {
            self.put_cell(id, cell, &old_tags.remove(&id).unwrap_or_default(), &tags);
        }
        self.search.public.take_in(public);
        self.search.notes.take_in(notes);
    }
}

/// What a group of commits does to both indexes.
#[derive(Default)]
struct TextMoves {
    public: Moves,
    notes: Moves,
}

impl TextMoves {
    /// A comment is new or has changed, and then has these terms.
    fn comment(&mut self, engine: &Engine, before: Option<&Comment>, after: &Comment, terms: Vec<String>) -> Result<(), StoreError> {
        let id = position(after.ticket_id)?;
        if let Some(old) = before.filter(|old| old.deleted_at.is_none() && !has_same_text(old, after)) {
            let mut gone = terms_of([&old.content]);
            if !old.is_internal
                && let Some(ticket) = engine.ticket(after.ticket_id)?
            {
                keep(&mut gone, &terms_of([&ticket.title, &ticket.description]));
            }
            keep_of_comments(&mut gone, engine, after.ticket_id, old.is_internal)?;
            self.of(old).remove(id, gone);
        }
        self.of(after).add(id, terms);
        Ok(())
    }

    /// Those of the index that a comment is in.
    const fn of(&mut self, comment: &Comment) -> &mut Moves {
        if comment.is_internal { &mut self.notes } else { &mut self.public }
    }
}

/// The terms of texts that were.
fn terms_of<'a>(texts: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
    texts.into_iter().flat_map(|text| terms(text)).collect()
}

/// Takes the terms out of `gone` that a ticket still has.
fn keep<'a>(gone: &mut BTreeSet<String>, terms: impl IntoIterator<Item = &'a String>) {
    for term in terms {
        gone.remove(term);
    }
}

/// The same for a ticket's present public comments, or its present internal notes.
fn keep_of_comments(gone: &mut BTreeSet<String>, engine: &Engine, id: TicketId, notes: bool) -> Result<(), StoreError> {
    if gone.is_empty() {
        return Ok(());
    }
    for comment in comments::of_ticket(engine, id, CommentId(0))? {
        let comment = comment?;
        if comment.is_internal == notes {
            for term in text_of(&comment) {
                gone.remove(&term);
            }
        }
    }
    Ok(())
}
