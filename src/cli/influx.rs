//! `influx`: the database that metrics are pushed to.

use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::{Context, Exit, Failure, block_on, desk};
use crate::{
    app::{App, AppState, Clock},
    config::{Bootstrap, Config},
    metrics::influx::{
        backfill::{self, Filled},
        setup,
        target::Target,
    },
    types::Timestamp,
};

#[derive(Debug, Subcommand)]
pub(super) enum InfluxVerb {
    /// Make the database or the bucket, if it is not there.
    Init,
    /// Write one point of the measurement `taquilla_test`, to see whether it is taken.
    Test,
    /// Write the points of a stretch of the past again, from the log; the desk must not run meanwhile.
    Backfill(Backfill),
}

#[derive(Debug, Args)]
pub(super) struct Backfill {
    /// From when on: a day such as 2026-11-01 (UTC), or a time such as 2026-11-01T08:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Timestamp,
    /// Until before when; now when left out.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
}

/// A time, or the beginning of a day in UTC.
fn time(text: &str) -> Result<Timestamp, String> {
    let midnight = || format!("{text}T00:00:00Z").parse();
    text.parse()
        .or_else(|_| midnight())
        .map_err(|_: jiff::Error| "must be a day such as 2026-11-01 or a time such as 2026-11-01T08:00:00Z".into())
}

impl InfluxVerb {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let config = context.load_for_verb()?.config;
        let target = target(&config)?;
        let (address, bucket, api) = (target.address().to_owned(), target.bucket().to_owned(), target.dialect().name());
        let refused = |why: String| Failure::new(Exit::Failure, format!("{address}: {why}"));
        match self {
            Self::Init => {
                block_on(setup::init(&target))?.map_err(refused)?;
                context
                    .out
                    .data(&json!({ "url": address, "api": api, "bucket": bucket }), || format!("{bucket} is there, at {address}"))?;
            }
            Self::Test => {
                block_on(setup::trial(&target, Timestamp::now_by_the_clock()))?.map_err(refused)?;
                context.out.data(&json!({ "url": address, "api": api, "bucket": bucket }), || {
                    format!("{address} takes points for {bucket} ({api})")
                })?;
            }
            Self::Backfill(wanted) => {
                let filled = wanted.run(context, config, &target)?;
                context.out.data(&filled, || format!("{} points of {} log entries were written", filled.points, filled.entries))?;
            }
        }
        Ok(Exit::Ok)
    }
}

/// The configured receiver.
fn target(config: &Config) -> Result<Target, Failure> {
    let target = Target::new(&config.influxdb, None).map_err(|error| Failure::new(Exit::Config, error.to_string()))?;
    target.ok_or_else(|| Failure::new(Exit::Config, "influxdb.url is not set: there is nothing to write to"))
}

impl Backfill {
    fn run(self, context: &Context, mut config: Config, target: &Target) -> Result<Filled, Failure> {
        let now = Timestamp::now_by_the_clock();
        let until = self.until.unwrap_or(now);
        if until <= self.since {
            return Err(Failure::new(Exit::Usage, "--until must lie after --since"));
        }
        desk::existing(&config)?;
        config.bootstrap = Bootstrap::default();
        block_on(async {
            // Before the log is read: what somebody has to mend is told at once.
            setup::trial(target, now).await.map_err(|why| Failure::new(Exit::Failure, format!("{}: {why}", target.address())))?;
            let app = App::build(config, Clock::System).await.map_err(|error| desk::unopened(&error, None))?;
            let outcome = fill(context, &app, target, (self.since, until)).await;
            let closed = desk::close(&app).await;
            let filled = outcome?;
            closed.map(|()| filled)
        })?
    }
}

/// Writes under a bar; Ctrl+C ends it in good order.
async fn fill(context: &Context, app: &AppState, target: &Target, range: (Timestamp, Timestamp)) -> Result<Filled, Failure> {
    let bar = bar(context, u64::try_from(*app.store.durable_seq().borrow()).unwrap_or(0));
    let stop = app.shutdown.clone();
    let interrupted = tokio::spawn({
        let stop = stop.clone();
        async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                stop.cancel();
            }
        }
    });
    let filled = backfill::fill(app, target, range, &stop, |seq, points| {
        bar.set_position(u64::try_from(seq).unwrap_or(0));
        bar.set_message(format!("{points} points"));
    })
    .await;
    interrupted.abort();
    bar.finish_and_clear();
    filled.map_err(Failure::from)
}

fn bar(context: &Context, entries: u64) -> ProgressBar {
    let hidden = context.out.json || context.out.quiet;
    let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} entries, {msg}, {eta} left");
    let bar = ProgressBar::with_draw_target(Some(entries), target);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
