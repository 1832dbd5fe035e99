//! Tickets and texts read from their rows, to be put into the projection many at a time: a term is looked up in the
//! index once for all the tickets that have it, and reading needs no lock, so that threads share it.

use std::{
    panic::resume_unwind,
    thread::{Builder, available_parallelism, scope},
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{
    columns::Cell,
    comments,
    engine::{Engine, io_failed},
    moves::Moves,
    projection::position,
};
use crate::{
    store::StoreError,
    tickets::{
        model::{Comment, Ticket},
        search::terms,
    },
    types::CommentId,
};

/// More threads than this would wait for the disk and for each other.
const MOST_THREADS: usize = 8;
/// So many items are read by one thread before it looks for more; some tickets have many comments.
const PART: usize = 64;

/// A ticket without its texts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Bare {
    pub(super) id: u32,
    pub(super) cell: Cell,
    pub(super) tags: Vec<String>,
}

impl Bare {
    pub(super) fn of(ticket: &Ticket) -> Result<Self, StoreError> {
        Ok(Self { id: position(ticket.id)?, cell: Cell::of(ticket), tags: ticket.tags.clone() })
    }
}

/// What has been read.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) tickets: Vec<Bare>,
    /// Of titles, descriptions, public comments.
    pub(super) public: Moves,
    /// Of internal notes.
    pub(super) notes: Moves,
}

impl Gathered {
    /// A ticket without its texts; gives its place in the bitmaps.
    pub(super) fn bare(&mut self, ticket: &Ticket) -> Result<u32, StoreError> {
        let bare = Bare::of(ticket)?;
        let id = bare.id;
        self.tickets.push(bare);
        Ok(id)
    }

    /// A ticket with its texts and all its comments.
    pub(super) fn whole(&mut self, engine: &Engine, ticket: &Ticket) -> Result<(), StoreError> {
        let id = self.bare(ticket)?;
        self.public.add(id, terms(&ticket.title));
        self.public.add(id, terms(&ticket.description));
        self.comments(engine, ticket, CommentId(0))
    }

    /// A ticket's comments from an id on.
    pub(super) fn comments(&mut self, engine: &Engine, ticket: &Ticket, from: CommentId) -> Result<(), StoreError> {
        let id = position(ticket.id)?;
        comments::of_ticket(engine, ticket.id, from)?.try_for_each(|comment| {
            self.comment(id, &comment?);
            Ok(())
        })
    }

    fn comment(&mut self, id: u32, comment: &Comment) {
        if comment.deleted_at.is_none() {
            let index = if comment.is_internal { &mut self.notes } else { &mut self.public };
            index.add(id, terms(&comment.content));
        }
    }
}

/// Reads items in as many threads as there are processors; gives what each has read. Each goes through the items in
/// their order, though it has only some of them.
pub(super) fn in_threads<T, R>(items: &[T], read: impl Fn(&T, &mut R) -> Result<(), StoreError> + Sync) -> Result<Vec<R>, StoreError>
where
    T: Sync,
    R: Default + Send,
{
    let parts = Mutex::new(items.chunks(PART));
    let next = || parts.lock().next();
    let work = || {
        let mut found = R::default();
        while let Some(part) = next() {
            part.iter().try_for_each(|item| read(item, &mut found))?;
        }
        Ok(found)
    };
    let threads = available_parallelism().map_or(1, usize::from).min(MOST_THREADS).min(items.len().div_ceil(PART));
    scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| Builder::new().name("catch-up".into()).spawn_scoped(scope, work)).collect();
        running.into_iter().map(|thread| thread.map_err(io_failed)?.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}
