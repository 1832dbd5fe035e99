//! `demo`: fills a desk with believable people and tickets.

use std::{fmt::Write, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::{
    Context, Exit, Failure, block_on,
    desk::{self, unopened},
    output::table,
    password::PasswordFrom,
    user::checked,
};
use crate::{
    app::{App, Clock},
    auth::{model::Actor, policy::NewPassword, token::random},
    config::Bootstrap,
    demo::ops::{self, Made, SEED, SignIn, TICKETS, Wanted},
    input::FieldValue,
    types::Timestamp,
};

/// The most that can be asked for.
const MOST_TICKETS: u64 = 10_000_000;

#[derive(Debug, Args)]
#[command(after_help = "The people of the demo can sign in: do not make one on a desk that others reach and that holds real data.")]
pub(super) struct Demo {
    /// How many tickets, such as 500, 100k or 1m.
    #[arg(long, value_name = "N", default_value_t = TICKETS, value_parser = tickets)]
    tickets: u64,
    /// The same seed, end and time zone give the same desk.
    #[arg(long, value_name = "N", default_value_t = SEED)]
    seed: u64,
    /// When the 90 days of the demo end, such as 2026-11-25T12:00:00Z; now when left out.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Put the demo beside the tickets that are there.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    password: PasswordFrom,
}

impl Demo {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let now = Timestamp::now_by_the_clock();
        if self.until.is_some_and(|until| until > now) {
            return Err(Failure::new(Exit::Usage, "--until must not lie in the future"));
        }
        let mut config = context.load_for_verb()?.config;
        config.bootstrap = Bootstrap::default();
        let (password, given) = if self.password.is_given() { (checked(&self.password)?, true) } else { (random_password()?, false) };
        let wanted = Wanted {
            tickets: self.tickets,
            seed: self.seed,
            until: self.until.unwrap_or(now),
            sign_in: SignIn::With(password.clone()),
            beside: self.force,
        };
        let storage = config.storage.url.clone();
        let made = block_on(async {
            let app = App::build(config, Clock::System).await.map_err(|error| unopened(&error, None))?;
            let bar = bar(context, wanted.tickets);
            let outcome = fill(&bar, &app, &wanted).await;
            // With a million tickets that takes seconds.
            bar.reset_elapsed();
            bar.set_style(style("closing the storage, {elapsed}"));
            let closed = desk::close(&app).await;
            bar.finish_and_clear();
            let made = outcome?;
            closed.map(|()| made)
        })??;
        report(context, &made, &wanted, (&password, given), &storage)?;
        Ok(Exit::Ok)
    }
}

/// Fills the desk under a bar; Ctrl+C ends it in good order.
async fn fill(bar: &ProgressBar, app: &App, wanted: &Wanted) -> Result<Made, Failure> {
    let stop = app.shutdown.clone();
    let interrupted = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.cancel();
        }
    });
    let filled = ops::fill(app, &Actor::cli(), wanted, |tickets| bar.set_position(tickets)).await;
    interrupted.abort();
    filled.map_err(|error| match error.status() {
        409 => Failure::new(Exit::Failure, format!("{error} A demo is for an empty desk; --force puts it beside what is there.")),
        _ if app.shutdown.is_cancelled() => Failure::new(Exit::Failure, "interrupted: what was made until then is kept"),
        _ => error.into(),
    })
}

fn bar(context: &Context, tickets: u64) -> ProgressBar {
    let hidden = context.out.json || context.out.quiet;
    let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(tickets), target);
    bar.set_style(style("{bar:30} {human_pos} of {human_len} tickets, {per_sec}, {eta} left"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A number of tickets, in thousands with a `k` behind it, in millions with an `m`.
fn tickets(text: &str) -> Result<u64, String> {
    let factors = [("k", 1_000), ("m", 1_000_000)];
    let lower = text.to_ascii_lowercase();
    let (digits, factor) =
        factors.iter().find_map(|(unit, factor)| Some((lower.strip_suffix(unit)?, *factor))).unwrap_or((lower.as_str(), 1));
    let count = digits.parse::<u64>().map_err(|_| "not a number such as 500, 100k or 1m".to_owned())?.checked_mul(factor);
    count.filter(|count| (1..=MOST_TICKETS).contains(count)).ok_or_else(|| format!("not between 1 and {MOST_TICKETS}"))
}

/// 128 random bits as a text that can be typed.
fn random_password() -> Result<NewPassword, Failure> {
    let text = BASE64_URL_SAFE_NO_PAD.encode(random::<16>());
    NewPassword::from_json(text.into()).map_err(|_| Failure::new(Exit::Failure, "no password could be made"))
}

fn report(context: &Context, made: &Made, wanted: &Wanted, (password, given): (&NewPassword, bool), storage: &str) -> Result<(), Failure> {
    let Made { people, known, tickets, withdrawn, comments, notes } = made;
    // One that was given is known, and is not repeated; one that was made is data, as an API token is.
    let shown = (!given && *known < people.len()).then(|| password.expose());
    let value = json!({
        "tickets": tickets, "withdrawn": withdrawn, "comments": comments, "notes": notes, "seed": wanted.seed, "until": wanted.until,
        "password": shown, "people": people,
    });
    context.out.data(&value, || {
        let cells =
            |person: &crate::users::model::UserView| [person.email.to_string(), person.full_name.clone(), person.role.name().to_owned()];
        let mut text = table(["E-MAIL", "NAME", "ROLE"], &people.iter().map(cells).collect::<Vec<_>>());
        if let Some(password) = shown {
            let _ = write!(text, "\nPassword of all of them: {password}");
        }
        text
    })?;
    context.out.say(&format!(
        "{tickets} tickets, of which {withdrawn} were withdrawn, with {comments} comments and {notes} notes are in {storage} (seed {}, until {}).",
        wanted.seed, wanted.until
    ));
    if *known > 0 {
        context.out.say(&format!("{known} of the people were there already and keep their passwords."));
    }
    if shown.is_some() {
        context.out.say("The password was made for this demo and is shown this once.");
    }
    context.out.say("These people can sign in, one of them as admin: deactivate them before the desk holds anything real.");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_tickets_may_be_told_in_thousands_or_millions() {
        for (text, count) in [("1", 1), ("500", 500), ("1k", 1_000), ("100K", 100_000), ("1m", 1_000_000), ("10M", MOST_TICKETS)] {
            assert_eq!(tickets(text), Ok(count), "{text}");
        }
        for text in ["", "k", "many", "-5", "1.5k", "1 k", "1kk", "1kb"] {
            assert_eq!(tickets(text), Err("not a number such as 500, 100k or 1m".to_owned()), "{text}");
        }
        for text in ["0", "0k", "10000001", "11m", "18446744073709551615m"] {
            assert_eq!(tickets(text), Err("not between 1 and 10000000".to_owned()), "{text}");
        }
    }
}
