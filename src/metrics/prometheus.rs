//! The desk's own families, and the text in which Prometheus reads them.

use prometheus::{IntCounter, IntGauge, IntGaugeVec, Opts, Result, TextEncoder, core::Collector, process_collector::ProcessCollector};

use super::{families::Families, influx::status::InfluxMeters, requests::Requests, times::TicketMeters};
use crate::{
    activity::{audit, live::Live},
    analytics::ops::backlog_at,
    store::Store,
    tickets::model::{Priority, Status},
    types::{Timestamp, hex},
};

/// How a sign-in ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginOutcome {
    /// Signed in.
    Success,
    /// An unknown address or a wrong password.
    WrongCredentials,
    /// The right password of a disabled account.
    Disabled,
    /// Not looked at: too many attempts.
    Throttled,
}

/// `taquilla_login_total`.
#[derive(Debug)]
pub struct Logins([IntCounter; 4]);

impl Logins {
    fn new(families: &Families) -> Result<Self> {
        let counters = families.counters("taquilla_login_total", "Sign-ins, by how they ended.", &["outcome"])?;
        let of = |outcome: &str| counters.with_label_values(&[outcome]);
        Ok(Self([of("success"), of("wrong_credentials"), of("disabled"), of("throttled")]))
    }

    /// Counts one.
    pub fn count(&self, outcome: LoginOutcome) {
        let Self([success, wrong_credentials, disabled, throttled]) = self;
        match outcome {
            LoginOutcome::Success => success.inc(),
            LoginOutcome::WrongCredentials => wrong_credentials.inc(),
            LoginOutcome::Disabled => disabled.inc(),
            LoginOutcome::Throttled => throttled.inc(),
        }
    }
}

/// The work that waits.
#[derive(Debug)]
struct Waiting {
    overdue: IntGauge,
    unassigned: IntGauge,
    oldest_seconds: IntGauge,
    by_age: IntGaugeVec,
}

impl Waiting {
    fn new(families: &Families) -> Result<Self> {
        Ok(Self {
            overdue: families.gauge("taquilla_tickets_overdue", "Active tickets past a due time that they still wait for.")?,
            unassigned: families.gauge("taquilla_tickets_unassigned", "Active tickets that have no agent.")?,
            oldest_seconds: families.gauge("taquilla_tickets_oldest_seconds", "Age of the oldest active ticket; 0 when there is none.")?,
            by_age: families.add(IntGaugeVec::new(
                Opts::new("taquilla_tickets_active", "Active tickets, by the time since they were opened."),
                &["age"],
            ))?,
        })
    }

    /// Takes over how it stands; what the store cannot tell stays as it was.
    async fn update(&self, store: &dyn Store, now: Timestamp) {
        let Ok(backlog) = backlog_at(store, now).await else { return };
        self.overdue.set(backlog.overdue_tickets);
        self.unassigned.set(backlog.unassigned_tickets);
        self.oldest_seconds.set(backlog.oldest_created_at.map_or(0, |at| (now.as_micros() - at.as_micros()).max(0) / 1_000_000));
        for age in &backlog.ages {
            self.by_age.with_label_values(&[&age.bucket]).set(age.tickets);
        }
    }
}

/// Scheduled backups.
#[derive(Debug)]
pub struct Backups {
    /// As of when the last backup is that was restored for a test, in seconds since 1970; 0 when there is none.
    pub last_verified: IntGauge,
    /// Backups that were not made, or that failed their test.
    pub failures: IntCounter,
}

/// Everything that one desk measures of itself; the store has [`Meters`](crate::store::Meters) of its own.
#[derive(Debug)]
pub struct Metrics {
    families: Families,
    /// Requests and their answers.
    pub requests: Requests,
    /// Sign-ins.
    pub logins: Logins,
    /// How long tickets took.
    pub tickets: TicketMeters,
    /// How pushing to InfluxDB goes.
    pub influx: InfluxMeters,
    /// Scheduled backups.
    pub backups: Backups,
    tickets_now: IntGaugeVec,
    waiting: Waiting,
    activity_seq: IntGauge,
    live_streams: IntGauge,
}

impl Metrics {
    /// Families that have measured nothing yet, for a desk on a store of this kind.
    ///
    /// # Errors
    /// None in fact: the names are well-formed.
    pub fn new(store: &str) -> Result<Self> {
        let families = Families::default();
        let about = Opts::new("taquilla_build_info", "Always 1; its labels tell what runs.")
            .const_label("version", env!("CARGO_PKG_VERSION"))
            .const_label("store", store);
        families.add(IntGauge::with_opts(about))?.set(1);
        families.collect(ProcessCollector::for_self())?;
        Ok(Self {
            requests: Requests::new(&families)?,
            logins: Logins::new(&families)?,
            tickets: TicketMeters::new(&families)?,
            influx: InfluxMeters::new(&families)?,
            backups: Backups {
                last_verified: families.gauge(
                    "taquilla_backup_last_verified_timestamp_seconds",
                    "As of when the last scheduled backup is that was restored for a test and found sound; 0 when there is none.",
                )?,
                failures: families.add(IntCounter::new(
                    "taquilla_backup_failures_total",
                    "Scheduled backups that were not made, or that failed the test of being restored.",
                ))?,
            },
            tickets_now: families.add(IntGaugeVec::new(
                Opts::new("taquilla_tickets", "Tickets that are not deleted, by status and priority."),
                &["status", "priority"],
            ))?,
            waiting: Waiting::new(&families)?,
            activity_seq: families.gauge("taquilla_activity_seq", "The last durable entry of the activity log.")?,
            live_streams: families.gauge("taquilla_live_streams", "Streams of live events.")?,
            families,
        })
    }

    /// Everything as it stands, in Prometheus' text format.
    ///
    /// What the store cannot tell at the moment stays as it was last told.
    ///
    /// # Errors
    /// None in fact: families are encoded into a text.
    pub async fn text(&self, store: &dyn Store, live: &Live, now: Timestamp) -> Result<String> {
        let end = *store.durable_seq().borrow();
        self.activity_seq.set(end);
        self.influx.show_lag(end);
        self.live_streams.set(i64::try_from(live.streams()).unwrap_or(i64::MAX));
        if let Ok(stats) = store.ticket_stats().await {
            for status in Status::ALL {
                for priority in Priority::ALL {
                    self.tickets_now.with_label_values(&[status.name(), priority.name()]).set(stats.count(status, priority));
                }
            }
        }
        self.waiting.update(store, now).await;
        let mut families = self.families.gather();
        if let Ok(head) = audit::head(store).await {
            // Made anew each time: the hash is a label, and there is one head only.
            let opts = Opts::new("taquilla_audit_head", "The last entry that is linked in the chain over the activity log, and its link.");
            let gauge = IntGaugeVec::new(opts, &["hash"])?;
            gauge.with_label_values(&[hex(&head.hash)]).set(head.seq);
            families.extend(gauge.collect());
        }
        families.extend(store.meters().gather(store.size_bytes().await.ok()));
        TextEncoder::new().encode_to_string(&families)
    }
}
