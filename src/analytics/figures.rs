//! The counters that analytics are made from. What a ticket counts for is a function of the ticket alone: a store adds what
//! the ticket counts for after a change and takes away what it counted for before, so the figures are always net. A ticket
//! that is reopened, reassigned or deleted leaves where it was counted; one that is restored comes back.

use std::collections::BTreeMap;

use crate::{
    tickets::model::{Priority, Status, Ticket, Verdict},
    types::{Timestamp, UserId},
};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Tickets of now: `at` is the status, `of` the priority, both by their places in `ALL`.
    Tickets = 1,
    /// Tickets of now, by whose work they are: `at` is a [`Work`], `of` the agent (0 for nobody).
    Work = 2,
    /// Tickets opened: `at` is the day.
    Created = 3,
    /// Tickets that are resolved: `at` is the day of that, `of` the agent (0 for nobody), `micros` from opening to resolution.
    Resolved = 4,
    /// The same, by how long it took: `at` is the day, `of` the [`bucket`].
    ResolutionTime = 5,
    /// Tickets that were answered: `at` is the day of the first public answer, `of` the agent, `micros` from opening to answer.
    Answered = 6,
    /// The same, by how long it took: `at` is the day, `of` the [`bucket`].
    FirstResponseTime = 7,
    /// Recorded verdicts on first responses: `at` is the day of the verdict, `of` 1 when met, 0 when breached.
    FirstResponseVerdict = 8,
    /// Recorded verdicts on resolutions, likewise.
    ResolutionVerdict = 9,
    /// Active tickets of now: `at` is the hour in which they were opened.
    ActiveByCreated = 10,
    /// Active tickets that wait for something due: `at` is the hour in which it is due.
    ActiveByDue = 11,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Tickets,
        Self::Work,
        Self::Created,
        Self::Resolved,
        Self::ResolutionTime,
        Self::Answered,
        Self::FirstResponseTime,
        Self::FirstResponseVerdict,
        Self::ResolutionVerdict,
        Self::ActiveByCreated,
        Self::ActiveByDue,
    ];

    /// The number under which it is stored.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind stored under this number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// Where an agent's ticket stands, as far as [`Kind::Work`] tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Work {
    /// Somebody still has to do something.
    Active = 0,
    /// Resolved, or closed after that.
    Resolved = 1,
    /// Closed without having been resolved.
    Closed = 2,
}

/// The name of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What is counted.
    pub kind: Kind,
    /// A day or an hour since 1970, or what [`Kind`] says.
    pub at: i32,
    /// An agent, a bucket, or what [`Kind`] says; else 0.
    pub of: i64,
}

/// What a counter holds. Amounts add up and can be taken away again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Tickets.
    pub tickets: i64,
    /// Microseconds that they took together; 0 for kinds that measure nothing.
    pub micros: i64,
}

impl Amount {
    /// Whether it is nothing; such a counter need not be kept.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }
}

impl std::ops::AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.tickets += other.tickets;
        self.micros += other.micros;
    }
}

impl std::ops::Neg for Amount {
    type Output = Self;

    fn neg(self) -> Self {
        Self { tickets: -self.tickets, micros: -self.micros }
    }
}

/// A stretch of counters to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// Of this kind.
    pub kind: Kind,
    /// From this `at` on.
    pub from: i32,
    /// Up to this `at`, included.
    pub to: i32,
    /// Whether counters that differ only in `at` are added up; they are then given at `from`.
    pub merged: bool,
}

impl Span {
    /// Every counter of a kind from one `at` to another, both included.
    #[must_use]
    pub const fn each(kind: Kind, from: i32, to: i32) -> Self {
        Self { kind, from, to, merged: false }
    }

    /// The same, added up over `at`.
    #[must_use]
    pub const fn merged(kind: Kind, from: i32, to: i32) -> Self {
        Self { kind, from, to, merged: true }
    }

    /// Every counter of a kind.
    #[must_use]
    pub const fn all(kind: Kind) -> Self {
        Self::each(kind, i32::MIN, i32::MAX)
    }

    /// The first name in it.
    #[must_use]
    pub const fn first(&self) -> Key {
        Key { kind: self.kind, at: self.from, of: i64::MIN }
    }

    /// The last name in it.
    #[must_use]
    pub const fn last(&self) -> Key {
        Key { kind: self.kind, at: self.to, of: i64::MAX }
    }
}

/// What of a ticket decides what it counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// When it was opened.
    pub created_at: Timestamp,
    /// Where the work stands.
    pub status: Status,
    /// How urgent it is.
    pub priority: Priority,
    /// Whose work it is.
    pub assigned_agent_id: Option<UserId>,
    /// The earliest due time that an active ticket still waits for.
    pub due_at: Option<Timestamp>,
    /// The first public answer.
    pub first_response_at: Option<Timestamp>,
    /// When it was resolved, while it is.
    pub resolved_at: Option<Timestamp>,
    /// The recorded verdict on the first response.
    pub first_response: Option<Decided>,
    /// The recorded verdict on the resolution.
    pub resolution: Option<Decided>,
    /// Whether it is put away: then it counts for nothing.
    pub deleted: bool,
}

/// A verdict on a service level and its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    /// Days since 1970.
    pub day: i32,
    /// Whether it was in time.
    pub met: bool,
}

impl Decided {
    /// The verdict and the day on which it was recorded, once it is decided.
    #[must_use]
    pub fn of(verdict: Verdict, at: Option<Timestamp>) -> Option<Self> {
        let met = match verdict {
            Verdict::Met => true,
            Verdict::Breached => false,
            Verdict::Running | Verdict::None => return None,
        };
        at.map(|at| Self { day: day(at), met })
    }
}

impl From<&Ticket> for Standing {
    fn from(ticket: &Ticket) -> Self {
        Self {
            created_at: ticket.created_at,
            status: ticket.status,
            priority: ticket.priority,
            assigned_agent_id: ticket.assigned_agent_id,
            due_at: ticket.due_at(),
            first_response_at: ticket.first_response_at,
            resolved_at: ticket.resolved_at,
            first_response: Decided::of(ticket.first_response, ticket.first_response_decided_at),
            resolution: Decided::of(ticket.resolution, ticket.resolution_decided_at),
            deleted: ticket.deleted_at.is_some(),
        }
    }
}

impl Standing {
    /// The counters to which the ticket adds, each once.
    #[must_use]
    pub fn figures(&self) -> Vec<(Key, Amount)> {
        let mut figures = Vec::with_capacity(10);
        if self.deleted {
            return figures;
        }
        let mut add = |kind, at, of, micros| figures.push((Key { kind, at, of }, Amount { tickets: 1, micros }));
        let agent = self.assigned_agent_id.map_or(0, |agent| agent.0);
        let resolved_at = self.resolved_at.filter(|_| !self.status.is_active());
        add(Kind::Tickets, self.status as i32, self.priority as i64, 0);
        let work = match (self.status.is_active(), resolved_at) {
            (true, _) => Work::Active,
            (false, Some(_)) => Work::Resolved,
            (false, None) => Work::Closed,
        };
        add(Kind::Work, work as i32, agent, 0);
        add(Kind::Created, day(self.created_at), 0, 0);
        let times =
            [(Kind::Resolved, Kind::ResolutionTime, resolved_at), (Kind::Answered, Kind::FirstResponseTime, self.first_response_at)];
        for (by_agent, by_time, at) in times {
            if let Some(at) = at {
                let took = micros_between(self.created_at, at);
                add(by_agent, day(at), agent, took);
                add(by_time, day(at), bucket(took), took);
            }
        }
        for (kind, decided) in [(Kind::FirstResponseVerdict, self.first_response), (Kind::ResolutionVerdict, self.resolution)] {
            if let Some(Decided { day, met }) = decided {
                add(kind, day, i64::from(met), 0);
            }
        }
        if self.status.is_active() {
            add(Kind::ActiveByCreated, hour(self.created_at), 0, 0);
            if let Some(due) = self.due_at {
                add(Kind::ActiveByDue, hour(due), 0, 0);
            }
        }
        figures
    }
}

/// What a change of a ticket adds to the counters; negative where it takes away. Nothing for counters that stay.
#[must_use]
pub fn moves(before: Option<&Standing>, after: Option<&Standing>) -> Vec<(Key, Amount)> {
    if before == after {
        return Vec::new();
    }
    let mut moved: BTreeMap<Key, Amount> = BTreeMap::new();
    for (key, amount) in before.map(Standing::figures).unwrap_or_default() {
        *moved.entry(key).or_default() += -amount;
    }
    for (key, amount) in after.map(Standing::figures).unwrap_or_default() {
        *moved.entry(key).or_default() += amount;
    }
    moved.into_iter().filter(|(_, amount)| !amount.is_zero()).collect()
}

/// Microseconds of a day in UTC.
const DAY: i64 = 24 * HOUR;
/// Microseconds of an hour.
pub const HOUR: i64 = 3_600 * 1_000_000;
/// No wait counts for more than this: 30 years. So that no sum of waits leaves an i64.
const LONGEST: i64 = 30 * 366 * DAY;

/// The UTC day of an instant, counted from 1970.
#[must_use]
pub fn day(at: Timestamp) -> i32 {
    i32::try_from(at.as_micros().div_euclid(DAY)).unwrap_or(i32::MAX)
}

/// The hour of an instant, counted from 1970.
#[must_use]
pub fn hour(at: Timestamp) -> i32 {
    i32::try_from(at.as_micros().div_euclid(HOUR)).unwrap_or(i32::MAX)
}

/// The first instant of an hour.
#[must_use]
pub fn hour_begin(hour: i32) -> Timestamp {
    Timestamp::from_micros(i64::from(hour) * HOUR)
}

/// How long something took; a clock that was set back makes it 0.
fn micros_between(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_micros() - from.as_micros()).clamp(0, LONGEST)
}

/// Waits below 2^20 µs (about a second) share the first bucket: in hours of two decimals they are all 0.
const SHORTEST_LOG: u32 = 20;
/// Buckets in each doubling, as a power of two: 128. A bucket is less than 0.8 % wide.
const PRECISION: u32 = 7;

/// The bucket of a wait in µs: buckets grow with what they hold, so that any two waits of one differ by less than 0.8 %.
/// Whole numbers only, so that every machine puts a wait into the same one.
#[must_use]
pub const fn bucket(micros: i64) -> i64 {
    if micros < 1 << SHORTEST_LOG {
        return 0;
    }
    let log = micros.ilog2();
    let step = (micros >> (log - PRECISION)) - (1 << PRECISION);
    1 + (((log - SHORTEST_LOG) as i64) << PRECISION) + step
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing() -> Standing {
        Standing {
            created_at: Timestamp::from_micros(DAY + 23 * HOUR),
            status: Status::InProgress,
            priority: Priority::High,
            assigned_agent_id: Some(UserId(3)),
            due_at: Some(Timestamp::from_micros(2 * DAY)),
            first_response_at: None,
            resolved_at: None,
            first_response: None,
            resolution: None,
            deleted: false,
        }
    }

    fn key(kind: Kind, at: i32, of: i64) -> Key {
        Key { kind, at, of }
    }

    #[test]
    fn buckets_are_less_than_one_percent_wide_and_in_order() {
        let mut last = 0;
        let mut micros = 1_i64;
        while micros < LONGEST {
            let this = bucket(micros);
            assert!(this >= last, "{micros}");
            last = this;
            if this > 0 {
                assert!(bucket(micros + micros / 100) > this, "{micros} and one percent more share a bucket");
            }
            micros += micros / 300 + 1;
        }
        assert_eq!([bucket(0), bucket((1 << 20) - 1), bucket(1 << 20), bucket(1 << 21)], [0, 0, 1, 129]);
    }

    #[test]
    fn days_and_hours_begin_at_midnight_and_on_the_hour_also_before_1970() {
        let at = |micros| Timestamp::from_micros(micros);
        assert_eq!([day(at(0)), day(at(DAY - 1)), day(at(DAY)), day(at(-1))], [0, 0, 1, -1]);
        assert_eq!([hour(at(0)), hour(at(HOUR - 1)), hour(at(HOUR)), hour(at(-1))], [0, 0, 1, -1]);
        for end in [Timestamp::MIN, Timestamp::MAX] {
            assert!(hour_begin(hour(end)) <= end && day(end) != i32::MAX);
        }
    }

    #[test]
    fn an_active_ticket_counts_by_its_opening_and_its_due_time() {
        let expected = [
            key(Kind::Tickets, 1, 2),
            key(Kind::Work, 0, 3),
            key(Kind::Created, 1, 0),
            key(Kind::ActiveByCreated, 47, 0),
            key(Kind::ActiveByDue, 48, 0),
        ];
        assert_eq!(standing().figures().into_iter().map(|(key, _)| key).collect::<Vec<_>>(), expected);
        assert_eq!(Standing { deleted: true, ..standing() }.figures(), []);
    }

    #[test]
    fn a_wait_that_a_clock_set_back_made_negative_is_zero_and_none_is_endless() {
        let waited = |micros| {
            let answered = Standing { first_response_at: Some(Timestamp::from_micros(micros)), ..standing() };
            answered.figures().into_iter().find(|(key, _)| key.kind == Kind::Answered).unwrap().1.micros
        };
        assert_eq!([waited(0), waited(DAY + 23 * HOUR + 5), waited(Timestamp::MAX.as_micros())], [0, 5, LONGEST]);
    }

    #[test]
    fn moves_are_the_difference() {
        let (before, after) = (standing(), Standing { assigned_agent_id: Some(UserId(4)), ..standing() });
        let one = Amount { tickets: 1, micros: 0 };
        assert_eq!(moves(Some(&before), Some(&after)), [(key(Kind::Work, 0, 3), -one), (key(Kind::Work, 0, 4), one)]);
        assert_eq!(moves(Some(&before), Some(&before)), []);
        assert_eq!(moves(None, Some(&before)), before.figures());
        assert_eq!(moves(Some(&before), None).iter().map(|(_, amount)| amount.tickets).sum::<i64>(), -5);
    }

    #[test]
    fn a_kind_is_stored_by_its_number() {
        assert!(Kind::ALL.into_iter().all(|kind| Kind::from_code(kind.code()) == Some(kind)));
        assert_eq!((Kind::from_code(0), Kind::from_code(12)), (None, None));
    }
}
