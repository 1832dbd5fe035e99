//! The projection that lists, orders and totals of tickets are read from: one small cell per ticket, bitmaps per value,
//! and their ids in each order.

use std::{collections::HashMap, ops::RangeBounds};

use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use super::{
    bounds::Bounds,
    cells::{Cells, Time},
    orders::Order,
};
use crate::{
    analytics::figures::{Decided, Standing},
    tickets::{
        model::{Priority, Status, Ticket},
        query::SortBy,
    },
    types::{Timestamp, UserId},
};

/// When that is due which is not due.
pub(super) const NEVER: i64 = i64::MAX;

/// What is known of a ticket without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cell {
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
    /// [`NEVER`] when it waits for nothing.
    pub(super) due_at: i64,
    pub(super) creator: i64,
    /// 0 for nobody.
    pub(super) assignee: i64,
    pub(super) status: Status,
    pub(super) priority: Priority,
    pub(super) deleted: bool,
    /// What has come of it; no list needs it, but what it counts for does.
    pub(super) outcome: Outcome,
}

/// Answer, resolution and verdicts of a ticket, in few bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// `i64::MIN` when it has not been answered.
    pub(super) first_response_at: i64,
    /// `i64::MIN` when it is not resolved.
    pub(super) resolved_at: i64,
    /// The day of the verdict, doubled, and one more when met; `i32::MIN` when there is none.
    pub(super) first_response: i32,
    pub(super) resolution: i32,
}

impl Outcome {
    fn of(standing: &Standing) -> Self {
        let instant = |at: Option<Timestamp>| at.map_or(i64::MIN, Timestamp::as_micros);
        let verdict = |decided: Option<Decided>| decided.map_or(i32::MIN, |d| d.day.saturating_mul(2).saturating_add(i32::from(d.met)));
        Self {
            first_response_at: instant(standing.first_response_at),
            resolved_at: instant(standing.resolved_at),
            first_response: verdict(standing.first_response),
            resolution: verdict(standing.resolution),
        }
    }
}

impl Cell {
    pub(super) fn of(ticket: &Ticket) -> Self {
        let standing = Standing::from(ticket);
        Self {
            created_at: ticket.created_at.as_micros(),
            updated_at: ticket.updated_at.as_micros(),
            due_at: standing.due_at.map_or(NEVER, Timestamp::as_micros),
            creator: ticket.creator_id.0,
            assignee: ticket.assigned_agent_id.map_or(0, |id| id.0),
            status: ticket.status,
            priority: ticket.priority,
            deleted: ticket.deleted_at.is_some(),
            outcome: Outcome::of(&standing),
        }
    }

    /// What it counts for.
    pub(super) fn standing(&self) -> Standing {
        let instant = |micros: i64| (micros != i64::MIN).then(|| Timestamp::from_micros(micros));
        let verdict = |code: i32| (code != i32::MIN).then(|| Decided { day: code.div_euclid(2), met: code.rem_euclid(2) == 1 });
        Standing {
            created_at: Timestamp::from_micros(self.created_at),
            status: self.status,
            priority: self.priority,
            assigned_agent_id: (self.assignee != 0).then_some(UserId(self.assignee)),
            due_at: (self.due_at != NEVER).then(|| Timestamp::from_micros(self.due_at)),
            first_response_at: instant(self.outcome.first_response_at),
            resolved_at: instant(self.outcome.resolved_at),
            first_response: verdict(self.outcome.first_response),
            resolution: verdict(self.outcome.resolution),
            deleted: self.deleted,
        }
    }
}

/// The columns of all tickets, deleted ones included.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Columns {
    cells: Cells,
    pub(super) live: RoaringBitmap,
    pub(super) deleted: RoaringBitmap,
    pub(super) status: [RoaringBitmap; Status::ALL.len()],
    pub(super) priority: [RoaringBitmap; Priority::ALL.len()],
    pub(super) creator: HashMap<i64, RoaringBitmap>,
    pub(super) assignee: HashMap<i64, RoaringBitmap>,
    pub(super) tags: HashMap<Box<str>, RoaringBitmap>,
    /// Where in the ids the newest tickets are.
    pub(super) opened: Bounds,
    orders: Orders,
}

/// The ids of all tickets in the order of each time.
#[derive(Debug, Default, PartialEq)]
struct Orders {
    created: Order,
    updated: Order,
    /// Only tickets that wait for something: most of a grown desk's are done.
    due: Order,
}

impl Orders {
    const fn each(&mut self) -> [(&mut Order, Time); 3] {
        [(&mut self.created, Time::Created), (&mut self.updated, Time::Updated), (&mut self.due, Time::Due)]
    }
}

/// Tickets in the order of a time.
#[derive(Clone, Copy)]
pub(super) struct Ordered<'a> {
    order: &'a Order,
    cells: &'a Cells,
    time: Time,
}

impl<'a> Ordered<'a> {
    /// The tickets within these bounds, with their times in microseconds.
    pub(super) fn range<B: RangeBounds<(i64, u32)>>(self, bounds: B) -> impl DoubleEndedIterator<Item = (i64, u32)> + use<'a, B> {
        self.order.range(move |id| at(self.cells, self.time, id), bounds)
    }
}

/// A ticket's time; each that is in an order has a cell.
fn at(cells: &Cells, time: Time, id: u32) -> i64 {
    cells.time(id, time).unwrap_or(NEVER)
}

impl Columns {
    pub(super) fn cell(&self, id: u32) -> Option<Cell> {
        self.cells.get(id)
    }

    /// Every ticket's cell, by id.
    pub(super) fn cells(&self) -> impl Iterator<Item = (u32, Cell)> {
        self.cells.iter()
    }

    /// Brings a ticket to its present state. `old_tags` are those that it had here.
    pub(super) fn put(&mut self, id: u32, cell: Cell, old_tags: &[String], tags: &[String]) {
        let before = self.cells.put(id, cell);
        self.opened.take(id, cell.created_at);
        if before == Some(cell) && old_tags == tags {
            return;
        }
        if let Some(old) = before {
            self.unlink(id, &old, &cell);
        }
        for tag in old_tags {
            take(&mut self.tags, tag.as_str(), id);
        }
        self.link(id, &cell, before.as_ref());
        for (order, time) in self.orders.each() {
            let new = time.of(&cell);
            if let Some(old) = before.map(|old| time.of(&old)).filter(|old| *old != new) {
                order.remove(old, id, |id| at(&self.cells, time, id));
            }
            if new != NEVER {
                order.insert(new, id, |id| at(&self.cells, time, id));
            }
        }
        for tag in tags {
            self.tags.entry(tag.as_str().into()).or_default().insert(id);
        }
    }

    /// These cells, and nothing yet that [follows from them](Self::derive).
    pub(super) fn of<E>(cells: impl Iterator<Item = Result<(u32, Cell), E>>) -> Result<Self, E> {
        let mut columns = Self::default();
        for found in cells {
            let (id, cell) = found?;
            columns.cells.put(id, cell);
        }
        Ok(columns)
    }

    /// Makes all that follows from the cells. Orders are made at once, which takes a fraction of the time that it takes to put a
    /// million tickets into them one by one, and half of the memory.
    pub(super) fn derive(&mut self) {
        let cells = std::mem::take(&mut self.cells);
        for (id, cell) in cells.iter() {
            self.link(id, &cell, None);
        }
        let order = |time| cells.times(time).map(|(id, at)| (at, id)).filter(|(at, _)| *at != NEVER).collect();
        self.orders = Orders { created: order(Time::Created), updated: order(Time::Updated), due: order(Time::Due) };
        self.opened = Bounds::of(cells.times(Time::Created));
        self.cells = cells;
    }

    /// Takes a ticket out of where it stood, save where it stays.
    fn unlink(&mut self, id: u32, old: &Cell, new: &Cell) {
        if old.status != new.status {
            self.status[old.status as usize].remove(id);
        }
        if old.priority != new.priority {
            self.priority[old.priority as usize].remove(id);
        }
        if old.creator != new.creator {
            take(&mut self.creator, &old.creator, id);
        }
        if old.assignee != new.assignee {
            take(&mut self.assignee, &old.assignee, id);
        }
        if old.deleted != new.deleted {
            if old.deleted {
                self.deleted.remove(id)
            } else {
                self.live.remove(id)
            };
        }
    }

    fn link(&mut self, id: u32, cell: &Cell, before: Option<&Cell>) {
        let moved = |same: fn(&Cell, &Cell) -> bool| before.is_none_or(|old| !same(old, cell));
        if moved(|a, b| a.status == b.status) {
            self.status[cell.status as usize].insert(id);
        }
        if moved(|a, b| a.priority == b.priority) {
            self.priority[cell.priority as usize].insert(id);
        }
        if moved(|a, b| a.creator == b.creator) {
            self.creator.entry(cell.creator).or_default().insert(id);
        }
        if moved(|a, b| a.assignee == b.assignee) {
            self.assignee.entry(cell.assignee).or_default().insert(id);
        }
        if moved(|a, b| a.deleted == b.deleted) {
            if cell.deleted {
                self.deleted.insert(id)
            } else {
                self.live.insert(id)
            };
        }
    }

    /// The order of a time; of what is due, without the tickets that wait for nothing.
    pub(super) fn ordered(&self, by: SortBy) -> Option<Ordered<'_>> {
        match by {
            SortBy::CreatedAt => Some(self.by_created()),
            SortBy::UpdatedAt => Some(self.by_updated()),
            SortBy::DueAt => Some(self.by_due()),
            SortBy::Priority | SortBy::Id => None,
        }
    }

    pub(super) fn by_created(&self) -> Ordered<'_> {
        Ordered { order: &self.orders.created, cells: &self.cells, time: Time::Created }
    }

    pub(super) fn by_updated(&self) -> Ordered<'_> {
        Ordered { order: &self.orders.updated, cells: &self.cells, time: Time::Updated }
    }

    pub(super) fn by_due(&self) -> Ordered<'_> {
        Ordered { order: &self.orders.due, cells: &self.cells, time: Time::Due }
    }

    /// The tags that each of these tickets has, for where their rows as they were are not at hand.
    pub(super) fn tags_of(&self, tickets: &RoaringBitmap) -> HashMap<u32, Vec<String>> {
        let mut tags: HashMap<u32, Vec<String>> = HashMap::new();
        // What is built anew has none before, and a desk may have many tags.
        if tickets.is_empty() {
            return tags;
        }
        for (tag, ids) in &self.tags {
            (ids & tickets).into_iter().for_each(|id| tags.entry(id).or_default().push(tag.to_string()));
        }
        tags
    }
}

/// Removes an id from the bitmap of a value, and the bitmap when it was the last.
fn take<K, Q>(map: &mut HashMap<K, RoaringBitmap>, value: &Q, id: u32)
where
    K: std::borrow::Borrow<Q> + Eq + std::hash::Hash,
    Q: Eq + std::hash::Hash + ?Sized,
{
    if let Some(ids) = map.get_mut(value) {
        ids.remove(id);
        if ids.is_empty() {
            map.remove(value);
        }
    }
}
