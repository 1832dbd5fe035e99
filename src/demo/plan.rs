//! What becomes of one request: its course, decided in advance, in the order in which it happens.

use fastrand::Rng;

use super::{
    calendar::Calendar,
    people::PEOPLE,
    texts::{self, Phrases, Topic, pick, say},
};
use crate::{
    auth::model::Role,
    tickets::model::{Priority, Status},
    users::model::Locale,
};

/// A person, by their place in [`PEOPLE`].
pub(super) type Who = usize;

/// How a request comes in.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    pub(super) creator: Who,
    /// Whoever types it; an agent, when it came by telephone.
    pub(super) by: Who,
    /// Whether it is typed in the web app.
    pub(super) web: bool,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) priority: Priority,
    pub(super) tags: Vec<String>,
}

/// One thing that happens to a ticket.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Somebody gives it to an agent.
    Assign { by: Who, to: Who },
    /// An agent finds it more or less urgent.
    Priority { by: Who, to: Priority },
    /// An agent adds a tag.
    Tag { by: Who, tag: &'static str },
    /// Somebody writes one of these texts.
    Say { by: Who, texts: &'static [&'static str], internal: bool },
    /// Somebody moves it.
    Status { by: Who, to: Status },
    /// Its requester takes it back.
    Withdraw { by: Who },
}

/// A request and all that follows, with the instants in µs since 1970, growing.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) opening: Opening,
    pub(super) steps: Vec<(i64, Step)>,
}

/// The agents and how much each takes.
const AGENTS: [Who; 9] = [1, 1, 1, 2, 2, 3, 3, 4, 0];
/// The requesters and how much each asks.
const REQUESTERS: [Who; 12] = [5, 5, 5, 6, 6, 7, 8, 8, 9, 9, 10, 11];
/// The admin, who gives work out.
const DISPATCHER: Who = 0;

/// Decides the course of a request that comes in at `at`.
pub(super) fn plan(rng: &mut Rng, calendar: &Calendar, at: i64) -> Plan {
    // Now and then staff need something themselves.
    let creator = if rng.u8(0..100) < 3 { pick(rng, &AGENTS, 1) } else { pick(rng, &REQUESTERS, 5) };
    let (phrases, topics) = texts::of(PEOPLE[creator].locale);
    let Some(topic) = topics.get(rng.usize(0..topics.len().max(1))) else { return empty(creator) };
    let by = if rng.u8(0..100) < 6 { pick(rng, &AGENTS, 1) } else { creator };
    let locale = PEOPLE[creator].locale;
    let opening = Opening {
        creator,
        by,
        web: rng.u8(0..100) < 85,
        title: say(rng, topic.titles, locale),
        description: say(rng, topic.descriptions, locale),
        priority: pick(rng, topic.priorities, Priority::Medium),
        tags: topic.tags.iter().take(rng.usize(1..=topic.tags.len().max(1))).map(|tag| (*tag).to_owned()).collect(),
    };
    let urgent = opening.priority == Priority::Critical;
    let mut course = Course { rng, calendar, phrases, topic, at, creator, agent: 1, urgent, steps: Vec::new() };
    course.run();
    let steps = course.steps;
    Plan { opening, steps }
}

/// A request about nothing, for a language without topics.
fn empty(creator: Who) -> Plan {
    let opening = Opening {
        creator,
        by: creator,
        web: true,
        title: "-".into(),
        description: "-".into(),
        priority: Priority::Medium,
        tags: Vec::new(),
    };
    Plan { opening, steps: Vec::new() }
}

struct Course<'a> {
    rng: &'a mut Rng,
    calendar: &'a Calendar,
    phrases: &'static Phrases,
    topic: &'static Topic,
    at: i64,
    creator: Who,
    agent: Who,
    urgent: bool,
    steps: Vec<(i64, Step)>,
}

impl Course<'_> {
    fn chance(&mut self, percent: u8) -> bool {
        self.rng.u8(0..100) < percent
    }

    /// A time around `mean` minutes: short ones are more frequent than long ones.
    fn minutes(&mut self, mean: f64) -> f64 {
        1.0 + (-mean * (1.0 - self.rng.f64()).ln()).min(mean * 8.0)
    }

    /// An agent does something after about so many working minutes; what is urgent does not wait for the morning.
    fn staff(&mut self, mean: f64, step: Step) {
        let minutes = self.minutes(mean);
        self.at =
            if self.urgent { self.at.saturating_add(minutes_to_micros(minutes / 2.0)) } else { self.calendar.working(self.at, minutes) };
        self.then(step);
    }

    /// The requester does something after about so many minutes.
    fn requester(&mut self, mean: f64, step: Step) {
        let minutes = self.minutes(mean);
        self.at = self.calendar.awake(self.at, minutes);
        self.then(step);
    }

    fn then(&mut self, step: Step) {
        // People do not act on the full minute, nor two at the same instant.
        self.at = self.at.saturating_add(self.rng.i64(1_000..30_000_000));
        self.steps.push((self.at, step));
    }

    fn answer(&mut self, mean: f64, texts: &'static [&'static str]) {
        let by = self.agent;
        self.staff(mean, Step::Say { by, texts, internal: false });
    }

    fn note(&mut self, mean: f64, texts: &'static [&'static str]) {
        let by = self.agent;
        self.staff(mean, Step::Say { by, texts, internal: true });
    }

    fn reply(&mut self, mean: f64, texts: &'static [&'static str]) {
        let by = self.creator;
        self.requester(mean, Step::Say { by, texts, internal: false });
    }

    fn moves(&mut self, mean: f64, to: Status) {
        let by = self.agent;
        self.staff(mean, Step::Status { by, to });
    }

    fn is_requesters(&self) -> bool {
        PEOPLE[self.creator].role == Role::User
    }

    fn run(&mut self) {
        if self.is_requesters() && self.chance(1) {
            let by = self.creator;
            return self.requester(20.0, Step::Withdraw { by });
        }
        self.agent = pick(self.rng, &AGENTS, 1);
        if self.agent == self.creator {
            self.agent = if self.creator == 1 { 2 } else { 1 };
        }
        self.triage();
        match self.rng.u8(0..100) {
            0..46 => self.solve_at_once(),
            46..78 => self.ask_first(),
            78..84 => return self.ask_in_vain(),
            84..90 => return self.turn_down(),
            90..96 => {
                self.hand_over();
                self.solve_at_once();
            }
            _ => return self.leave_waiting(),
        }
        self.resolve();
    }

    fn triage(&mut self) {
        let by = if self.chance(30) { DISPATCHER } else { self.agent };
        let to = self.agent;
        self.staff(45.0, Step::Assign { by, to });
        if self.chance(7) {
            let to = pick(self.rng, &Priority::ALL, Priority::Medium);
            self.staff(5.0, Step::Priority { by, to });
        }
        if self.chance(8) {
            let tag = pick(self.rng, &["vip", "floor-move", "project", "recurring"], "vip");
            self.staff(5.0, Step::Tag { by, tag });
        }
    }

    fn solve_at_once(&mut self) {
        if self.chance(25) {
            self.answer(40.0, self.phrases.taken);
        }
        if self.chance(30) {
            self.note(60.0, self.topic.notes);
        }
        self.answer(120.0, self.topic.fixes);
    }

    fn ask_first(&mut self) {
        self.answer(70.0, self.topic.questions);
        self.moves(2.0, Status::Pending);
        self.reply(180.0, self.topic.replies);
        if self.chance(35) {
            self.note(90.0, self.topic.notes);
        }
        self.answer(150.0, self.topic.fixes);
    }

    /// The requester never says what the agent has to know.
    fn ask_in_vain(&mut self) {
        self.answer(70.0, self.topic.questions);
        self.moves(2.0, Status::Pending);
        if self.chance(88) {
            self.moves(2_500.0, Status::Closed);
        }
    }

    fn turn_down(&mut self) {
        self.answer(60.0, self.phrases.duplicate);
        self.moves(3.0, Status::Closed);
    }

    fn hand_over(&mut self) {
        self.note(120.0, self.phrases.escalated);
        let by = self.agent;
        self.agent = if self.creator == 4 || by == 4 { 3 } else { 4 };
        if self.agent == self.creator {
            self.agent = 2;
        }
        let to = self.agent;
        self.staff(10.0, Step::Assign { by, to });
    }

    /// What is stuck: it waits for somebody else, and grows old.
    fn leave_waiting(&mut self) {
        if self.chance(60) {
            self.answer(200.0, self.phrases.waiting);
            self.moves(5.0, Status::Pending);
        }
        if self.chance(50) {
            self.reply(2_500.0, self.phrases.chased);
            self.answer(400.0, self.phrases.waiting);
            self.moves(2.0, Status::Pending);
        }
        if self.chance(75) {
            self.answer(3_000.0, self.topic.fixes);
            self.resolve();
        }
    }

    fn resolve(&mut self) {
        if self.chance(40) {
            self.reply(90.0, self.phrases.thanks);
        }
        self.moves(20.0, Status::Resolved);
        if self.is_requesters() && self.chance(7) {
            // Whatever its requester says to a resolved ticket opens it again.
            self.reply(1_500.0, self.phrases.again);
            self.answer(120.0, self.phrases.second_fix);
            self.moves(30.0, Status::Resolved);
        }
        if self.chance(60) {
            let by_requester = self.is_requesters() && self.chance(30);
            let by = if by_requester { self.creator } else { self.agent };
            self.staff(1_800.0, Step::Status { by, to: Status::Closed });
            if by_requester && self.chance(5) {
                self.requester(2_000.0, Step::Status { by, to: Status::Open });
                self.reply(5.0, self.phrases.again);
            }
        }
    }
}

fn minutes_to_micros(minutes: f64) -> i64 {
    jiff::SignedDuration::try_from_secs_f64(minutes * 60.0)
        .ok()
        .and_then(|duration| i64::try_from(duration.as_micros()).ok())
        .unwrap_or(i64::MAX)
}

/// The language that somebody writes in.
pub(super) const fn language(who: Who) -> Locale {
    PEOPLE[who].locale
}
