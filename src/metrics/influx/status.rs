//! How pushing goes, for `/metrics`, for readiness and for admins.

use parking_lot::Mutex;
use prometheus::{IntCounter, IntGauge, IntGaugeVec, Opts, Result};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    metrics::families::Families,
    types::{Seq, Timestamp},
};

/// A failure, as people are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LastError {
    /// When it was met last.
    pub at: Timestamp,
    /// What is wrong, and what to do about it where that is known.
    pub message: String,
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It cannot be reached, is overloaded or does not work.
    Unavailable,
    /// The database or bucket is missing.
    NoDatabase,
    /// The token or the password is not good for this.
    Denied,
    /// It does not take even a plain line.
    Refused,
}

impl Fault {
    const ALL: [Self; 4] = [Self::Unavailable, Self::NoDatabase, Self::Denied, Self::Refused];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::NoDatabase => "no_database",
            Self::Denied => "denied",
            Self::Refused => "refused",
        }
    }
}

/// How pushing goes.
#[derive(Debug)]
pub struct InfluxMeters {
    lag: IntGauge,
    written: IntCounter,
    dropped: IntCounter,
    rejected: IntCounter,
    faults: IntGaugeVec,
    state: Mutex<State>,
}

/// What this instance does about pushing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Nothing,
    StandingBy,
    Pushing,
}

#[derive(Debug, Clone, Default)]
struct State {
    part: Part,
    sent: Seq,
    last_success_at: Option<Timestamp>,
    error: Option<(Fault, LastError)>,
}

/// How pushing goes, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct InfluxState {
    /// `off` (not configured), `standby` (another instance pushes), `ok`, or `failing`: the last try did not succeed.
    #[schema(example = "ok")]
    pub state: &'static str,
    /// Entries of the log that are not dealt with yet.
    pub lag_events: i64,
    /// While failing: `unavailable`, `no_database`, `denied` (the token or the password) or `refused` (not even a plain
    /// line is taken). Admins are told more at `/api/v1/admin/status`.
    pub error: Option<&'static str>,
}

/// The same in full, for admins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct InfluxReport {
    /// `off`, `standby`, `ok` or `failing`.
    #[schema(example = "ok")]
    pub state: &'static str,
    /// Entries of the log that are not dealt with yet.
    pub lag_events: i64,
    /// Points stored since the start of this process.
    pub points_written: u64,
    /// Points that the receiver left out of a batch that it stored, such as those older than it keeps.
    pub points_dropped: u64,
    /// Points that the receiver refused one by one, and that were put aside.
    pub points_rejected: u64,
    /// When something was stored last.
    pub last_success_at: Option<Timestamp>,
    /// What is wrong, while something is.
    pub last_error: Option<LastError>,
}

impl InfluxMeters {
    pub(in crate::metrics) fn new(families: &Families) -> Result<Self> {
        let points = families.counters("taquilla_influx_points_total", "Points for InfluxDB, by what became of them.", &["outcome"])?;
        let of = |outcome: &str| points.with_label_values(&[outcome]);
        let faults = Opts::new("taquilla_influx_error", "1 while pushing to InfluxDB fails for this reason.");
        let meters = Self {
            lag: families.gauge("taquilla_influx_lag_events", "Entries of the log that are not dealt with for InfluxDB yet.")?,
            written: of("written"),
            dropped: of("dropped"),
            rejected: of("rejected"),
            faults: families.add(IntGaugeVec::new(faults, &["reason"]))?,
            state: Mutex::default(),
        };
        meters.show_fault(None);
        Ok(meters)
    }

    fn show_fault(&self, current: Option<Fault>) {
        for fault in Fault::ALL {
            self.faults.with_label_values(&[fault.name()]).set(i64::from(current == Some(fault)));
        }
    }

    /// Another instance pushes, and has come to this entry.
    pub fn stand_by(&self, sent: Seq) {
        self.is_now(State { part: Part::StandingBy, sent, ..State::default() });
    }

    /// Pushing begins after this entry.
    pub fn begin(&self, sent: Seq) {
        self.is_now(State { part: Part::Pushing, sent, ..State::default() });
    }

    fn is_now(&self, state: State) {
        *self.state.lock() = state;
        self.show_fault(None);
    }

    /// Points are stored, but for those that the receiver left out.
    pub fn stored(&self, written: u64, dropped: u64, now: Timestamp) {
        self.written.inc_by(written);
        self.dropped.inc_by(dropped);
        let mut state = self.state.lock();
        state.last_success_at = Some(now);
        state.error = None;
        self.show_fault(None);
    }

    /// A point is refused for good.
    pub fn rejected(&self) {
        self.rejected.inc();
    }

    /// A try has failed; whether it fails in a new way.
    pub fn failed(&self, fault: Fault, message: String, now: Timestamp) -> bool {
        let mut state = self.state.lock();
        let new = state.error.as_ref().is_none_or(|(_, error)| error.message != message);
        state.error = Some((fault, LastError { at: now, message }));
        self.show_fault(Some(fault));
        new
    }

    /// All is dealt with up to this entry.
    pub fn reached(&self, sent: Seq) {
        self.state.lock().sent = sent;
    }

    /// Sets the gauge of the lag, for a log that ends at `end`.
    pub fn show_lag(&self, end: Seq) {
        self.lag.set(self.brief(end).lag_events);
    }

    /// What is told in public, for a log that ends at `end`.
    #[must_use]
    pub fn brief(&self, end: Seq) -> InfluxState {
        let state = self.state.lock();
        let name = match (state.part, &state.error) {
            (Part::Nothing, _) => "off",
            (Part::StandingBy, _) => "standby",
            (Part::Pushing, None) => "ok",
            (Part::Pushing, Some(_)) => "failing",
        };
        let lag_events = if state.part == Part::Nothing { 0 } else { (end - state.sent).max(0) };
        InfluxState { state: name, lag_events, error: state.error.as_ref().map(|(fault, _)| fault.name()) }
    }

    /// What admins are told.
    #[must_use]
    pub fn report(&self, end: Seq) -> InfluxReport {
        let InfluxState { state, lag_events, .. } = self.brief(end);
        let State { last_success_at, error, .. } = self.state.lock().clone();
        InfluxReport {
            state,
            lag_events,
            points_written: self.written.get(),
            points_dropped: self.dropped.get(),
            points_rejected: self.rejected.get(),
            last_success_at,
            last_error: error.map(|(_, error)| error),
        }
    }
}
