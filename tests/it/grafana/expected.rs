//! What each panel means, in words of the log: the figures that its query must give.

use std::collections::BTreeMap;

use super::history::{Event, History};
use crate::analytics_log::Told;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
/// 1970 began on a Thursday; weeks begin on Monday.
const MONDAY: i64 = 4 * DAY;

/// Series by the values of their tags; each by the beginnings of its steps in µs, or at 0 when it is one figure.
pub type Shown = BTreeMap<String, BTreeMap<i64, f64>>;

/// What has been chosen at the top of the board, and the time.
pub struct Asked<'a> {
    pub history: &'a History,
    /// Both in µs, both included.
    pub range: (i64, i64),
    /// `None` for all.
    pub agent: Option<&'a str>,
    /// `None` for all.
    pub priorities: Option<&'a [&'a str]>,
    /// The instants for which there are points of the backlog, in µs, ascending.
    pub minutes: &'a [i64],
}

/// How values are put together.
#[derive(Clone, Copy)]
enum Of {
    Count,
    Mean,
    Median,
    P90,
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred values")]
impl Of {
    fn value(self, mut values: Vec<f64>) -> f64 {
        values.sort_by(f64::total_cmp);
        let many = values.len();
        match self {
            Self::Count => many as f64,
            Self::Mean => values.iter().sum::<f64>() / many as f64,
            Self::Median => f64::midpoint(values[(many - 1) / 2], values[many / 2]),
            // The nearest rank.
            Self::P90 => values[((many as f64 * 0.9 + 0.5).floor() as usize).max(1) - 1],
        }
    }
}

/// The beginning of the step in which an instant lies; everything is one step when there is none.
fn step_of(at: i64, step: i64) -> i64 {
    let offset = if step == WEEK { MONDAY } else { 0 };
    if step == 0 { 0 } else { (at - offset).div_euclid(step) * step + offset }
}

impl Asked<'_> {
    fn priority(&self, priority: &str) -> bool {
        self.priorities.is_none_or(|chosen| chosen.contains(&priority))
    }

    fn agent(&self, agent: &str) -> bool {
        self.agent.is_none_or(|chosen| chosen == agent)
    }

    /// Events of a measurement within the range, of the chosen priorities and agents where it has such tags.
    fn events(&self, measurement: &str, of: Of, step: i64, belongs: impl Fn(&Event) -> bool, key: impl Fn(&Event) -> String) -> Shown {
        let mut values: BTreeMap<String, BTreeMap<i64, Vec<f64>>> = BTreeMap::new();
        for event in self.history.events.iter().filter(|event| event.measurement == measurement) {
            let within = (self.range.0..=self.range.1).contains(&event.at);
            let chosen = (!event.tags.contains_key("priority") || self.priority(event.tag("priority")))
                && (!event.tags.contains_key("agent") || self.agent(event.tag("agent")));
            if within && chosen && belongs(event) {
                values.entry(key(event)).or_default().entry(step_of(event.at, step)).or_default().push(event.seconds);
            }
        }
        let put = |steps: BTreeMap<i64, Vec<f64>>| steps.into_iter().map(|(at, values)| (at, of.value(values))).collect();
        values.into_iter().map(|(key, steps)| (key, put(steps))).collect()
    }

    fn count(&self, measurement: &str, belongs: impl Fn(&Event) -> bool, key: impl Fn(&Event) -> String) -> Shown {
        self.events(measurement, Of::Count, 0, belongs, key)
    }

    fn total(&self, measurement: &str) -> Shown {
        self.count(measurement, |_| true, nothing)
    }

    fn by(&self, measurement: &str, tag: &'static str) -> Shown {
        self.count(measurement, |_| true, by(tag))
    }

    fn each(&self, step: i64, measurement: &str, key: impl Fn(&Event) -> String) -> Shown {
        self.events(measurement, Of::Count, step, |_| true, key)
    }

    /// Clocks that were decided; `met` is `true`, `false`, or nothing for both.
    fn clock(&self, step: i64, clock: &str, met: &str, key: impl Fn(&Event) -> String) -> Shown {
        let belongs = |event: &Event| (clock.is_empty() || event.tag("clock") == clock) && (met.is_empty() || event.tag("met") == met);
        self.events("ticket_sla", Of::Count, step, belongs, key)
    }

    /// The backlog at the last of its instants in each step: what `value` gives for each ticket, added up by `key`, with
    /// the keys that are there without any ticket.
    fn backlog(
        &self,
        step: i64,
        always: impl Fn(i64) -> Vec<String>,
        value: impl Fn(i64, &Told) -> Option<f64>,
        key: impl Fn(&Told) -> String,
        put: impl Fn(f64, f64) -> f64,
    ) -> Shown {
        let mut last: BTreeMap<i64, i64> = BTreeMap::new();
        for minute in self.minutes.iter().filter(|minute| (self.range.0..=self.range.1).contains(*minute)) {
            last.insert(step_of(*minute, step), *minute);
        }
        let mut shown = Shown::new();
        let stood = self.history.at_each(last.values().copied(), |instant, tickets| {
            let mut sums: BTreeMap<String, f64> = always(instant).into_iter().map(|key| (key, 0.0)).collect();
            for ticket in tickets {
                if let Some(value) = value(instant, ticket) {
                    let sum = sums.entry(key(ticket)).or_insert(0.0);
                    *sum = put(*sum, value);
                }
            }
            sums
        });
        for (at, sums) in last.keys().zip(stood) {
            for (key, sum) in sums {
                shown.entry(key).or_default().insert(*at, sum);
            }
        }
        shown
    }

    /// Active tickets of the chosen priorities.
    fn active(&self, step: i64, always: &[&str], key: impl Fn(&Told) -> String) -> Shown {
        let value = |_, ticket: &Told| (ticket.is_active() && self.priority(ticket.text("priority"))).then_some(1.0);
        self.backlog(step, |_| owned(always), value, key, |a, b| a + b)
    }

    /// Tickets of agents: active or overdue ones.
    fn of_agents(&self, step: i64, overdue: bool, belongs: impl Fn(&str) -> bool, split: bool) -> Shown {
        let agent = |ticket: &Told| self.history.agent(ticket.agent());
        let value = |instant, ticket: &Told| {
            let counts = if overdue { ticket.is_overdue(instant) } else { ticket.is_active() };
            (counts && belongs(&agent(ticket))).then_some(1.0)
        };
        let always = |instant| {
            let known = self.history.known_agents(instant).into_iter().filter(|agent| belongs(agent));
            known.map(|agent| if split { agent } else { String::new() }).collect()
        };
        let key = |ticket: &Told| if split { agent(ticket) } else { String::new() };
        self.backlog(step, always, value, key, |a, b| a + b)
    }

    fn ages(&self, step: i64) -> Shown {
        let bucket = |instant: i64, ticket: &Told| {
            let limits = [4 * HOUR, DAY, 3 * DAY, 7 * DAY, 30 * DAY];
            AGES[limits.iter().filter(|limit| instant - ticket.created_at >= **limit).count()]
        };
        let mut all = Shown::new();
        for age in AGES {
            let value = |instant, ticket: &Told| (ticket.is_active() && bucket(instant, ticket) == age).then_some(1.0);
            all.extend(self.backlog(step, |_| owned(&[age]), value, |_| age.to_owned(), |a, b| a + b));
        }
        all
    }

    fn oldest(&self, step: i64) -> Shown {
        #[expect(clippy::cast_precision_loss, reason = "months in µs are exact in an f64")]
        let value = |instant: i64, ticket: &Told| ticket.is_active().then(|| (instant - ticket.created_at) as f64 / 1e6);
        self.backlog(step, |_| owned(&[""]), value, |_| String::new(), f64::max)
    }
}

const AGES: [&str; 6] = ["00_lt4h", "01_lt1d", "02_lt3d", "03_lt7d", "04_lt30d", "05_ge30d"];
const ACTIVE: [&str; 3] = ["open", "in_progress", "pending"];
const ENDED: [&str; 2] = ["resolved", "closed"];

fn owned(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

fn nothing<T>(_: &T) -> String {
    String::new()
}

fn by(tag: &'static str) -> impl Fn(&Event) -> String {
    move |event| event.tag(tag).to_owned()
}

fn field(name: &'static str) -> impl Fn(&Told) -> String {
    move |ticket| ticket.text(name).to_owned()
}

/// What a target of a panel must show.
pub fn expected(title: &str, reference: &str, asked: &Asked<'_>) -> Shown {
    let chosen: Vec<&str> = ["low", "medium", "high", "critical"].into_iter().filter(|name| asked.priority(name)).collect();
    let statuses = [&ACTIVE[..], &ENDED].concat();
    let any = |_: &Event| true;
    let mine = |agent: &str| asked.agent(agent);
    let nobodys = |agent: &str| agent == "none";
    match (title, reference) {
        ("Active tickets", _) => asked.active(0, &[""], nothing),
        ("Overdue tickets", _) => asked.of_agents(0, true, mine, false),
        ("Overdue tickets over time", _) => asked.of_agents(HOUR, true, mine, false),
        ("Overdue tickets by agent", _) => asked.of_agents(0, true, mine, true),
        ("Unassigned tickets", _) => asked.of_agents(0, false, nobodys, false),
        ("Unassigned tickets over time", _) => asked.of_agents(HOUR, false, nobodys, false),
        ("Tickets per agent" | "Active tickets by agent", _) => asked.of_agents(0, false, mine, true),
        ("Active tickets over time", _) => asked.of_agents(HOUR, false, mine, true),
        ("Active tickets by priority", _) => asked.active(0, &chosen, field("priority")),
        ("Backlog by priority", _) => asked.active(HOUR, &chosen, field("priority")),
        ("Backlog by status", _) => asked.active(HOUR, &ACTIVE, field("status")),
        ("Tickets by status", _) => {
            let value = |_, ticket: &Told| asked.priority(ticket.text("priority")).then_some(1.0);
            asked.backlog(0, |_| owned(&statuses), value, field("status"), |a, b| a + b)
        }
        ("Resolved against pending", "B") => {
            let pending = |_, ticket: &Told| (ticket.text("status") == "pending" && asked.priority(ticket.text("priority"))).then_some(1.0);
            asked.backlog(DAY, |_| owned(&[""]), pending, nothing, |a, b| a + b)
        }
        ("Backlog by age", _) => asked.ages(0),
        ("Ageing", _) => asked.ages(HOUR),
        ("Oldest active ticket", _) => asked.oldest(0),
        ("Age of the oldest ticket", _) => asked.oldest(HOUR),
        ("Older than a week", _) => {
            let old = |instant, ticket: &Told| (ticket.is_active() && instant - ticket.created_at >= WEEK).then_some(1.0);
            asked.backlog(0, |_| owned(&[""]), old, nothing, |a, b| a + b)
        }
        ("Created" | "Created this week" | "… a week before" | "Created this month" | "… a month before", _) => {
            asked.total("ticket_created")
        }
        ("Resolved" | "Resolved this week" | "… the week before" | "Resolved this month" | "… the month before", _) => {
            asked.total("ticket_resolved")
        }
        ("Created and resolved" | "Month on month" | "By weekday", "A") => asked.each(DAY, "ticket_created", nothing),
        ("Resolved against pending", "A") | ("Created and resolved", "B") => {
            let all = Asked { agent: None, ..*asked };
            all.each(DAY, "ticket_resolved", nothing)
        }
        ("Month on month" | "By weekday", "B") => asked.each(DAY, "ticket_resolved", nothing),
        ("By hour of the day", "A") => asked.each(HOUR, "ticket_created", nothing),
        ("By hour of the day", "B") => asked.each(HOUR, "ticket_resolved", nothing),
        ("Created and resolved by week", "A") => asked.each(WEEK, "ticket_created", nothing),
        ("Created and resolved by week", "B") => asked.each(WEEK, "ticket_resolved", nothing),
        ("Channels by week", _) => asked.each(WEEK, "ticket_created", by("channel")),
        ("Comments by week", _) => asked.each(WEEK, "comment_created", by("role")),
        ("Comments", _) => asked.each(DAY, "comment_created", by("visibility")),
        ("Resolved by agent", _) => asked.by("ticket_resolved", "agent"),
        ("Resolved by day", _) => asked.each(DAY, "ticket_resolved", by("agent")),
        ("Resolutions out of time by agent", _) => asked.count("ticket_resolved", |event| event.tag("met") == "false", by("agent")),
        ("Resolved again", _) => asked.count("ticket_resolved", |event| event.reopens > 0, by("agent")),
        ("Assignments by agent", _) => asked.count("ticket_assigned", |event| event.is_one_of("reason", &["manual", "claim"]), by("agent")),
        ("How tickets get their agent", _) => asked.by("ticket_assigned", "reason"),
        ("Mean resolution time", _) => asked.events("ticket_resolved", Of::Mean, 0, any, nothing),
        ("Median resolution time", _) => asked.events("ticket_resolved", Of::Median, 0, any, nothing),
        ("90th percentile of resolution time", _) => asked.events("ticket_resolved", Of::P90, 0, any, nothing),
        ("Mean resolution time by agent", _) => asked.events("ticket_resolved", Of::Mean, 0, any, by("agent")),
        ("Mean first response time", _) => asked.events("ticket_first_response", Of::Mean, 0, any, nothing),
        ("Median first response time", _) => asked.events("ticket_first_response", Of::Median, 0, any, nothing),
        ("90th percentile of first response time", _) => asked.events("ticket_first_response", Of::P90, 0, any, nothing),
        ("Mean first response time by agent", _) => asked.events("ticket_first_response", Of::Mean, 0, any, by("agent")),
        ("First response time", "A") => asked.events("ticket_first_response", Of::Mean, DAY, any, nothing),
        ("First response time", "B") => asked.events("ticket_first_response", Of::P90, DAY, any, nothing),
        ("First response time by priority", _) => asked.events("ticket_first_response", Of::P90, DAY, any, by("priority")),
        ("Resolution time by priority", _) => asked.events("ticket_resolved", Of::P90, DAY, any, by("priority")),
        ("Response and resolution times by week", "A") => asked.events("ticket_first_response", Of::Mean, WEEK, any, nothing),
        ("Response and resolution times by week", "B") => asked.events("ticket_resolved", Of::Mean, WEEK, any, nothing),
        ("First responses in time" | "First-response verdicts", "A") => asked.clock(0, "first_response", "true", nothing),
        ("First responses in time", "B") => asked.clock(0, "first_response", "", nothing),
        ("Resolutions in time" | "Resolution verdicts", "A") => asked.clock(0, "resolution", "true", nothing),
        ("Resolutions in time", "B") => asked.clock(0, "resolution", "", nothing),
        ("First-response verdicts", "B") => asked.clock(0, "first_response", "false", nothing),
        ("Resolution verdicts", "B") => asked.clock(0, "resolution", "false", nothing),
        ("First-response verdicts by day", "A") => asked.clock(DAY, "first_response", "true", nothing),
        ("First-response verdicts by day", "B") => asked.clock(DAY, "first_response", "false", nothing),
        ("Resolution verdicts by day", "A") => asked.clock(DAY, "resolution", "true", nothing),
        ("Resolution verdicts by day", "B") => asked.clock(DAY, "resolution", "false", nothing),
        ("First-response breaches by priority", _) => asked.clock(0, "first_response", "false", by("priority")),
        ("Resolution breaches by priority", _) => asked.clock(0, "resolution", "false", by("priority")),
        ("Breaches", _) => asked.clock(0, "", "false", nothing),
        ("Breaches by week", _) => asked.clock(WEEK, "", "false", by("clock")),
        ("Reopened", _) => {
            let back = |event: &Event| event.is_one_of("from", &ENDED) && event.is_one_of("to", &ACTIVE);
            asked.events("ticket_status_change", Of::Count, DAY, back, nothing)
        }
        ("Mean time in each status", _) => asked.events("ticket_status_change", Of::Mean, 0, any, by("from")),
        ("Moves between statuses", _) => {
            asked.count("ticket_status_change", any, |event| format!("{} {}", event.tag("from"), event.tag("to")))
        }
        (title, reference) => panic!("nothing is known of {title} {reference}: say here what it must show"),
    }
}
