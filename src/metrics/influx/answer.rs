//! What an answer of InfluxDB means for the lines that were sent. Pure.

use std::time::Duration;

use crate::types::Timestamp;

/// The longest wait that a receiver may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// How much of an answer's text is told on.
const LONGEST_TEXT: usize = 300;

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// All of it is stored.
    Stored,
    /// All but so many lines are stored; sending them again would not help.
    Partly(u64),
    /// Something in it is refused, and nothing is stored: send its halves.
    Refused,
    /// It is too long: send its halves.
    TooLarge,
    /// There is no such database or bucket.
    NoDatabase,
    /// The token or the password is not good for this.
    Denied,
    /// Not now; perhaps the receiver said when.
    Later(Option<Duration>),
}

/// Judges an answer by its status, its `Retry-After` and its text.
#[must_use]
pub fn judge(status: u16, retry_after: Option<&str>, text: &str, now: Timestamp) -> Answer {
    match status {
        200..=299 => Answer::Stored,
        400 | 422 if text.contains("partial write") => Answer::Partly(lost(text)),
        400 | 422 => Answer::Refused,
        401 | 403 => Answer::Denied,
        404 => Answer::NoDatabase,
        413 => Answer::TooLarge,
        _ => Answer::Later(retry_after.and_then(|value| wait(value, now))),
    }
}

/// How many lines a partial write left out: as many as it says, or as it lists.
fn lost(text: &str) -> u64 {
    let said = text.rsplit_once("dropped=").and_then(|(_, rest)| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().ok()
    });
    let listed = text.matches("unable to parse").count().max(text.matches("line_number").count()) as u64;
    said.unwrap_or(0).max(listed).max(1)
}

/// The wait that a `Retry-After` asks for: seconds, or a date.
fn wait(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let seconds = value.parse::<u64>().ok().or_else(|| {
        let until = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
        Some(u64::try_from(until.as_second().saturating_sub(now.as_seconds())).unwrap_or(0))
    })?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

/// The beginning of an answer's text, in one line, for people.
#[must_use]
pub fn brief(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut short: String = line.chars().filter(|c| !c.is_control()).take(LONGEST_TEXT).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

/// How long to wait before the next try after so many failures: up to `first`, doubled with each, never more than `most`,
/// and anywhere below that by `chance` (0 to 1), so that many senders do not come back at once.
#[must_use]
pub fn backoff(failures: u32, first: Duration, most: Duration, chance: f64) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(failures.min(20))).min(most).mul_f64(chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, text: &str) -> Answer {
        judge(status, None, text, Timestamp::from_micros(0))
    }

    #[test]
    fn every_answer_has_its_meaning() {
        assert_eq!(judged(204, ""), Answer::Stored);
        let partial = r#"{"error":"partial write: points beyond retention policy dropped=3"}"#;
        assert_eq!(judged(400, partial), Answer::Partly(3));
        let unparsed = r#"{"error":"partial write: unable to parse 'a': missing fields\nunable to parse 'b': bad timestamp dropped=0"}"#;
        assert_eq!(judged(400, unparsed), Answer::Partly(2));
        let three = r#"{"error":"partial write of line protocol occurred","data":[{"error_message":"x","line_number":2}]}"#;
        assert_eq!(judged(400, three), Answer::Partly(1));
        assert_eq!(judged(400, r#"{"error":"unable to parse 'x': missing fields"}"#), Answer::Refused);
        assert_eq!(judged(422, r#"{"code":"unprocessable entity"}"#), Answer::Refused);
        assert_eq!((judged(401, ""), judged(403, "")), (Answer::Denied, Answer::Denied));
        assert_eq!(judged(404, r#"{"error":"database not found: \"x\""}"#), Answer::NoDatabase);
        assert_eq!(judged(413, ""), Answer::TooLarge);
        for status in [301, 408, 429, 500, 502, 503, 504] {
            assert_eq!(judged(status, ""), Answer::Later(None), "{status}");
        }
    }

    #[test]
    fn a_wait_is_told_in_seconds_or_by_a_date_and_has_a_bound() {
        let now: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        for (value, seconds) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("999999", Some(3_600)),
            ("Mon, 02 Mar 2026 09:00:30 GMT", Some(30)),
            ("Mon, 02 Mar 2026 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-3", None),
        ] {
            assert_eq!(judge(503, Some(value), "", now), Answer::Later(seconds.map(Duration::from_secs)), "{value}");
        }
    }

    #[test]
    fn waits_double_up_to_a_bound_and_are_spread() {
        let (first, most) = (Duration::from_secs(1), Duration::from_secs(60));
        let longest: Vec<u64> = (0..9).map(|n| backoff(n, first, most, 1.0).as_secs()).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(backoff(5, first, most, 0.25), Duration::from_secs(8));
        assert_eq!(backoff(u32::MAX, first, most, 0.0), Duration::ZERO);
    }

    #[test]
    fn what_a_stranger_answers_is_told_in_one_short_line() {
        assert_eq!(brief("a\nb\t c"), "a b c");
        assert_eq!(brief(&"x".repeat(1_000)).chars().count(), LONGEST_TEXT + 1);
    }
}
