//! The desk's own families, and the text in which Prometheus reads them.

use prometheus::{IntCounter, IntGauge, IntGaugeVec, Opts, Result, TextEncoder, core::Collector, process_collector::ProcessCollector};

use super::{families::Families, requests::Requests, times::TicketMeters};
use crate::{
    activity::{audit, chain::hex, live::Live},
    store::Store,
    tickets::model::{Priority, Status},
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
    tickets_now: IntGaugeVec,
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
            tickets_now: families.add(IntGaugeVec::new(
                Opts::new("taquilla_tickets", "Tickets that are not deleted, by status and priority."),
                &["status", "priority"],
            ))?,
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
    pub async fn text(&self, store: &dyn Store, live: &Live) -> Result<String> {
        self.activity_seq.set(*store.durable_seq().borrow());
        self.live_streams.set(i64::try_from(live.streams()).unwrap_or(i64::MAX));
        if let Ok(stats) = store.ticket_stats().await {
            for status in Status::ALL {
                for priority in Priority::ALL {
                    self.tickets_now.with_label_values(&[status.name(), priority.name()]).set(stats.count(status, priority));
                }
            }
        }
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
