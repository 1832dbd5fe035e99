//! What people write at a believable desk: topics with their usual course, in two languages.

mod english;
mod spanish;

use fastrand::Rng;

use crate::{tickets::model::Priority, users::model::Locale};

/// What requests of one kind are about, and what is said on the way.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) tags: &'static [&'static str],
    pub(super) priorities: &'static [Priority],
    pub(super) titles: &'static [&'static str],
    pub(super) descriptions: &'static [&'static str],
    /// What an agent has to know first.
    pub(super) questions: &'static [&'static str],
    /// What the requester says to that.
    pub(super) replies: &'static [&'static str],
    /// The agent's solution.
    pub(super) fixes: &'static [&'static str],
    /// What agents tell each other.
    pub(super) notes: &'static [&'static str],
}

/// What is said about requests of any kind.
#[derive(Debug)]
pub(super) struct Phrases {
    /// An agent has seen it.
    pub(super) taken: &'static [&'static str],
    /// The requester is content.
    pub(super) thanks: &'static [&'static str],
    /// The requester, after it was resolved.
    pub(super) again: &'static [&'static str],
    /// The agent, to that.
    pub(super) second_fix: &'static [&'static str],
    /// It is closed without a solution of its own.
    pub(super) duplicate: &'static [&'static str],
    /// The requester has waited long.
    pub(super) chased: &'static [&'static str],
    /// The agent waits for others.
    pub(super) waiting: &'static [&'static str],
    /// A note: somebody else goes on.
    pub(super) escalated: &'static [&'static str],
}

/// What is written in a language.
pub(super) const fn of(locale: Locale) -> (&'static Phrases, &'static [Topic]) {
    match locale {
        Locale::En => (&english::PHRASES, english::TOPICS),
        Locale::Es => (&spanish::PHRASES, spanish::TOPICS),
    }
}

/// One of several.
pub(super) fn pick<T: Copy>(rng: &mut Rng, of: &[T], none: T) -> T {
    of.get(rng.usize(0..of.len().max(1))).copied().unwrap_or(none)
}

/// One of several texts, with its blanks filled in.
pub(super) fn say(rng: &mut Rng, texts: &[&'static str], locale: Locale) -> String {
    const ROOMS: [&str; 8] = ["A1.04", "A2.11", "B0.02", "B1.17", "B3.05", "C2.08", "C2.21", "D1.01"];
    const WEEKDAYS: [[&str; 5]; 2] =
        [["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"], ["lunes", "martes", "miércoles", "jueves", "viernes"]];
    let text = pick(rng, texts, "");
    if !text.contains('{') {
        return text.to_owned();
    }
    text.replace("{asset}", &format!("PC-{:04}", rng.u32(1..10_000)))
        .replace("{room}", pick(rng, &ROOMS, ""))
        .replace("{floor}", &rng.u32(0..6).to_string())
        .replace("{weekday}", pick(rng, &WEEKDAYS[locale as usize], ""))
        .replace("{n}", &rng.u32(10..60).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        input::FieldValue,
        tickets::{inputs::Title, model::Tags},
    };

    #[test]
    fn every_text_is_one_that_the_desk_takes_and_leaves_no_blank() {
        let mut rng = Rng::with_seed(1);
        for locale in [Locale::En, Locale::Es] {
            let (phrases, topics) = of(locale);
            let p = phrases;
            let general = [p.taken, p.thanks, p.again, p.second_fix, p.duplicate, p.chased, p.waiting, p.escalated];
            let mut all: Vec<&[&str]> = general.to_vec();
            for topic in topics {
                assert!(!topic.priorities.is_empty() && Tags::from_json(serde_json::json!(topic.tags)).is_ok(), "{topic:?}");
                for title in topic.titles {
                    let said = say(&mut rng, &[title], locale);
                    assert_eq!(Title::from_json(said.as_str().into()).unwrap().0, said);
                }
                all.extend([topic.titles, topic.descriptions, topic.questions, topic.replies, topic.fixes, topic.notes]);
            }
            for texts in all {
                assert!(!texts.is_empty());
                for text in texts {
                    let said = say(&mut rng, &[text], locale);
                    assert!(!said.is_empty() && !said.contains('{') && !said.contains('}'), "{said}");
                }
            }
        }
    }
}
