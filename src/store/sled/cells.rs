//! One small cell for each ticket: a million of them are held in memory, so they are packed. Ids are the positions; a block of
//! 1,024 absent ones takes 16 bytes.

use std::collections::HashMap;

use super::columns::{Cell, NEVER, Outcome};
use crate::tickets::model::{Priority, Status};

/// How many cells a block has.
pub(super) const BLOCK: usize = 1_024;
const DAY: i64 = 86_400_000_000;
/// In the place of a time or a verdict that there is none of.
const NO_TIME: i64 = i64::MIN >> 16;
const NO_VERDICT: i16 = i16::MIN;
/// The states of a slot without a ticket, and of one whose cell does not fit; all others are [`state`].
const ABSENT: u8 = 0;
const ODD: u8 = u8::MAX;

/// A time of a ticket that an order goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    Created,
    Updated,
    /// When it is due; [`NEVER`] of tickets that wait for nothing.
    Due,
}

impl Time {
    /// That of a cell, in microseconds.
    pub(super) const fn of(self, cell: &Cell) -> i64 {
        match self {
            Self::Created => cell.created_at,
            Self::Updated => cell.updated_at,
            Self::Due => cell.due_at,
        }
    }
}

/// The cells of all tickets, by id.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Cells {
    blocks: Vec<Option<Box<[Packed]>>>,
    /// Those that do not fit: with times that are years apart, or accounts of giant ids.
    odd: HashMap<u32, Cell>,
}

/// A cell in 45 bytes and not 72: times as microseconds from the opening, in 48 bits; verdicts from its day.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Packed {
    created_at: [u8; 8],
    times: [[u8; 6]; 4],
    creator: [u8; 4],
    assignee: [u8; 4],
    verdicts: [[u8; 2]; 2],
    state: u8,
}

impl Packed {
    const fn without(state: u8) -> Self {
        Self { created_at: [0; 8], times: [[0; 6]; 4], creator: [0; 4], assignee: [0; 4], verdicts: [[0; 2]; 2], state }
    }

    fn of(cell: &Cell) -> Option<Self> {
        let Outcome { first_response_at, resolved_at, first_response, resolution } = cell.outcome;
        let time = |at: i64, none: i64| {
            let after = if at == none { NO_TIME } else { at.checked_sub(cell.created_at).filter(|after| *after != NO_TIME)? };
            (after << 16 >> 16 == after).then(|| after.to_le_bytes()).and_then(|bytes| bytes.first_chunk().copied())
        };
        let verdict = |code: i32| {
            if code == i32::MIN {
                return Some(NO_VERDICT.to_le_bytes());
            }
            let after = i16::try_from(i64::from(code) - 2 * cell.created_at.div_euclid(DAY)).ok()?;
            (after != NO_VERDICT).then(|| after.to_le_bytes())
        };
        Some(Self {
            created_at: cell.created_at.to_le_bytes(),
            times: [
                time(cell.updated_at, i64::MIN)?,
                time(cell.due_at, NEVER)?,
                time(first_response_at, i64::MIN)?,
                time(resolved_at, i64::MIN)?,
            ],
            creator: u32::try_from(cell.creator).ok()?.to_le_bytes(),
            assignee: u32::try_from(cell.assignee).ok()?.to_le_bytes(),
            verdicts: [verdict(first_response)?, verdict(resolution)?],
            state: state(cell),
        })
    }

    const fn created_at(&self) -> i64 {
        i64::from_le_bytes(self.created_at)
    }

    /// The time in one of the four places; `none` when there is none.
    fn later(&self, place: usize, none: i64) -> i64 {
        let mut bytes = [0; 8];
        bytes[..6].copy_from_slice(&self.times[place]);
        let after = i64::from_le_bytes(bytes) << 16 >> 16;
        if after == NO_TIME { none } else { self.created_at() + after }
    }

    /// One time of a cell that is neither absent nor odd, without unpacking the rest.
    fn time(&self, time: Time) -> i64 {
        match time {
            Time::Created => self.created_at(),
            Time::Updated => self.later(0, i64::MIN),
            Time::Due => self.later(1, NEVER),
        }
    }

    /// The cell, unless it is absent or odd.
    fn cell(&self) -> Option<Cell> {
        let state = usize::from(self.state.checked_sub(1)?);
        let created_at = self.created_at();
        let verdict = |n: usize| match i16::from_le_bytes(self.verdicts[n]) {
            NO_VERDICT => i32::MIN,
            // What it was made from is such a number.
            after => i32::try_from(i64::from(after) + 2 * created_at.div_euclid(DAY)).unwrap_or(i32::MIN),
        };
        Some(Cell {
            created_at,
            updated_at: self.time(Time::Updated),
            due_at: self.time(Time::Due),
            creator: u32::from_le_bytes(self.creator).into(),
            assignee: u32::from_le_bytes(self.assignee).into(),
            status: *Status::ALL.get(state / 2 / Priority::ALL.len())?,
            priority: Priority::ALL[state / 2 % Priority::ALL.len()],
            deleted: state % 2 == 1,
            outcome: Outcome {
                first_response_at: self.later(2, i64::MIN),
                resolved_at: self.later(3, i64::MIN),
                first_response: verdict(0),
                resolution: verdict(1),
            },
        })
    }
}

/// Status, priority and whether it is deleted, from 1.
fn state(cell: &Cell) -> u8 {
    let state = (cell.status as usize * Priority::ALL.len() + cell.priority as usize) * 2 + usize::from(cell.deleted) + 1;
    u8::try_from(state).unwrap_or(ODD)
}

impl Cells {
    pub(super) fn get(&self, id: u32) -> Option<Cell> {
        let packed = self.blocks.get(id as usize / BLOCK)?.as_ref()?[id as usize % BLOCK];
        self.read(id, &packed)
    }

    /// One time of a ticket.
    pub(super) fn time(&self, id: u32, time: Time) -> Option<i64> {
        let packed = &self.blocks.get(id as usize / BLOCK)?.as_ref()?[id as usize % BLOCK];
        self.read_time(id, packed, time)
    }

    fn read_time(&self, id: u32, packed: &Packed, time: Time) -> Option<i64> {
        match packed.state {
            ABSENT => None,
            ODD => self.odd.get(&id).map(|cell| time.of(cell)),
            _ => Some(packed.time(time)),
        }
    }

    fn read(&self, id: u32, packed: &Packed) -> Option<Cell> {
        if packed.state == ODD { self.odd.get(&id).copied() } else { packed.cell() }
    }

    /// Puts a ticket's cell in its place; gives the one that was there.
    pub(super) fn put(&mut self, id: u32, cell: Cell) -> Option<Cell> {
        let before = self.get(id);
        let packed = Packed::of(&cell).unwrap_or(Packed::without(ODD));
        if packed.state == ODD {
            self.odd.insert(id, cell);
        } else {
            self.odd.remove(&id);
        }
        let block = id as usize / BLOCK;
        if self.blocks.len() <= block {
            self.blocks.resize_with(block + 1, || None);
        }
        let block = self.blocks[block].get_or_insert_with(|| vec![Packed::without(ABSENT); BLOCK].into_boxed_slice());
        block[id as usize % BLOCK] = packed;
        before
    }

    /// Every ticket's cell, by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Cell)> {
        self.slots().filter_map(|(id, packed)| Some((id, self.read(id, packed)?)))
    }

    /// One time of every ticket, by id.
    pub(super) fn times(&self, time: Time) -> impl Iterator<Item = (u32, i64)> {
        self.slots().filter_map(move |(id, packed)| Some((id, self.read_time(id, packed, time)?)))
    }

    fn slots(&self) -> impl Iterator<Item = (u32, &Packed)> {
        let blocks = self.blocks.iter().zip((0..=u32::MAX).step_by(BLOCK));
        blocks.flat_map(|(block, first)| (first..=u32::MAX).zip(block.iter().flat_map(|cells| cells.iter())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn times() -> impl Strategy<Value = i64> {
        let now = 1_790_000_000_000_000_i64;
        prop_oneof![
            Just(i64::MIN),
            Just(i64::MAX),
            now..now + 4 * 365 * DAY,
            any::<i64>(),
            prop::sample::select(vec![0, 1, -1, now - (1 << 47), now + (1 << 47) - 1, now + (1 << 47), now])
        ]
    }

    fn cells() -> impl Strategy<Value = Cell> {
        let account = prop_oneof![0..2_000_i64, any::<i64>(), Just(i64::from(u32::MAX))];
        let verdict = prop_oneof![Just(i32::MIN), any::<i32>(), 41_000..42_000_i32];
        (
            prop::array::uniform5(times()),
            [account.clone(), account],
            [verdict.clone(), verdict],
            prop::sample::select(Status::ALL.to_vec()),
            prop::sample::select(Priority::ALL.to_vec()),
            any::<bool>(),
        )
            .prop_map(|(times, [creator, assignee], [first_response, resolution], status, priority, deleted)| Cell {
                created_at: times[0],
                updated_at: times[1],
                due_at: times[2],
                creator,
                assignee,
                status,
                priority,
                deleted,
                outcome: Outcome { first_response_at: times[3], resolved_at: times[4], first_response, resolution },
            })
    }

    proptest! {
        #[test]
        fn a_cell_comes_back_as_it_was_put(puts in prop::collection::vec((prop::sample::select(vec![0, 1, 1_023, 1_024, 9_000]), cells()), 1..20)) {
            let mut all = Cells::default();
            let mut expected = std::collections::BTreeMap::new();
            for (id, cell) in puts {
                prop_assert_eq!(all.put(id, cell), expected.insert(id, cell));
            }
            for id in [0, 1, 2, 1_023, 1_024, 9_000, 20_000] {
                prop_assert_eq!(all.get(id), expected.get(&id).copied());
            }
            for time in [Time::Created, Time::Updated, Time::Due] {
                let expected = expected.iter().map(|(id, cell)| (*id, time.of(cell)));
                prop_assert!(all.times(time).eq(expected.clone()), "{time:?}");
                prop_assert!(expected.clone().all(|(id, at)| all.time(id, time) == Some(at)) && all.time(20_000, time).is_none());
            }
            prop_assert!(all.iter().eq(expected));
            prop_assert!(all.odd.keys().all(|id| Packed::of(&all.odd[id]).is_none()));
        }
    }

    #[test]
    fn what_a_desk_has_is_packed() {
        let at = 1_790_000_000_000_000;
        let outcome = Outcome { first_response_at: at + DAY, resolved_at: i64::MIN, first_response: 41_437, resolution: i32::MIN };
        let (status, priority) = (Status::Closed, Priority::Critical);
        let cell =
            Cell { created_at: at, updated_at: at + DAY, due_at: NEVER, creator: 7, assignee: 0, status, priority, deleted: true, outcome };
        assert_eq!(Packed::of(&cell).and_then(|packed| packed.cell()), Some(cell));
        assert_eq!(size_of::<Packed>(), 45);
    }
}
