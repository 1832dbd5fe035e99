//! When people work: the days of a history, with their office hours in the desk's time zone.

use fastrand::Rng;
use jiff::{ToSpan, civil::Weekday, tz::TimeZone};

use crate::types::Timestamp;

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;

/// How long a history is.
pub(super) const DAYS: usize = 90;
/// Days after the end that plans may reach into.
const BEYOND: i64 = 60;

/// How busy the days of a week are, from Monday.
const BUSY: [f64; 7] = [1.35, 1.15, 1.05, 1.0, 0.85, 0.12, 0.08];

/// A day; all instants in µs since 1970.
#[derive(Debug, Clone, Copy)]
struct Day {
    midnight: i64,
    /// 08:00 and 18:00.
    office: (i64, i64),
    weekday: Weekday,
}

impl Day {
    fn is_working(&self) -> bool {
        !matches!(self.weekday, Weekday::Saturday | Weekday::Sunday)
    }
}

/// The days of a history and some beyond its end.
#[derive(Debug, Clone)]
pub(super) struct Calendar {
    days: Vec<Day>,
    until: i64,
}

impl Calendar {
    /// The [`DAYS`] days up to `until`.
    pub(super) fn up_to(until: Timestamp, zone: &TimeZone) -> Result<Self, jiff::Error> {
        let today = jiff::Timestamp::from_microsecond(until.as_micros())?.to_zoned(zone.clone()).date();
        let before = i64::try_from(DAYS).unwrap_or(i64::MAX) - 1;
        let day = |offset: i64| {
            let date = today.checked_add(offset.days())?;
            let at = |hour| Ok::<_, jiff::Error>(date.at(hour, 0, 0, 0).to_zoned(zone.clone())?.timestamp().as_microsecond());
            Ok(Day { midnight: at(0)?, office: (at(8)?, at(18)?), weekday: date.weekday() })
        };
        let days = (-before..=BEYOND).map(day).collect::<Result<_, jiff::Error>>()?;
        Ok(Self { days, until: until.as_micros() })
    }

    /// When the history begins.
    pub(super) fn beginning(&self) -> Timestamp {
        Timestamp::from_micros(self.days.first().map_or(self.until, |day| day.midnight.min(self.until)))
    }

    /// How many of `total` requests come in on each day of the history: fewer on weekends, slowly more over the weeks.
    pub(super) fn counts(&self, total: u64, rng: &mut Rng) -> Vec<u64> {
        let weigh = |(at, day): (usize, &Day)| {
            let growth = 0.9 + 0.2 * share(at as u64, DAYS as u64);
            let chance = 0.75 + 0.5 * rng.f64();
            BUSY[day.weekday.to_monday_zero_offset().unsigned_abs() as usize] * growth * chance * self.part_of(day)
        };
        let weights: Vec<f64> = self.days.iter().take(DAYS).enumerate().map(weigh).collect();
        let sum: f64 = weights.iter().sum();
        let (mut so_far, mut given) = (0.0, 0);
        let counts = weights.iter().map(|weight| {
            so_far += weight;
            let upto = round(total, so_far / sum).min(total);
            upto - std::mem::replace(&mut given, upto)
        });
        let mut counts: Vec<u64> = counts.collect();
        if let Some(first) = counts.first_mut() {
            *first += total - given;
        }
        counts
    }

    /// How much of a day's requests has come by the end of the history.
    #[expect(clippy::cast_precision_loss, reason = "a share of a day needs no precision")]
    fn part_of(&self, day: &Day) -> f64 {
        let (from, to) = (day.office.0 - 2 * HOUR, day.office.1 + 4 * HOUR);
        ((self.until - from) as f64 / (to - from) as f64).clamp(0.01, 1.0)
    }

    /// When `count` requests come in on a day: ascending, most in office hours.
    pub(super) fn arrivals(&self, day: usize, count: u64, rng: &mut Rng) -> Vec<i64> {
        let Some(day) = self.days.get(day) else { return Vec::new() };
        let mut times: Vec<i64> = (0..count).map(|_| self.arrival(day, rng)).collect();
        times.sort_unstable();
        times
    }

    fn arrival(&self, day: &Day, rng: &mut Rng) -> i64 {
        for _ in 0..50 {
            let (from, to) = match rng.u8(0..20) {
                // Most come in the morning, a second wave after lunch, the rest between six and ten.
                0..10 => (day.office.0, day.office.0 + 4 * HOUR),
                10..17 => (day.office.0 + 5 * HOUR, day.office.1),
                _ => (day.office.0 - 2 * HOUR, day.office.1 + 4 * HOUR),
            };
            let at = rng.i64(from..to);
            if at < self.until {
                return at;
            }
        }
        // The day is too young for that.
        rng.i64(day.midnight.min(self.until - MINUTE)..self.until)
    }

    /// The instant so many working minutes after `at`.
    pub(super) fn working(&self, at: i64, minutes: f64) -> i64 {
        let mut left = micros(minutes);
        let first = self.days.partition_point(|day| day.office.1 <= at);
        for day in self.days.iter().skip(first).filter(|day| day.is_working()) {
            let start = at.max(day.office.0);
            let room = day.office.1 - start;
            if left < room {
                return start + left;
            }
            left -= room;
        }
        i64::MAX
    }

    /// The instant so many minutes after `at`, moved out of the night.
    pub(super) fn awake(&self, at: i64, minutes: f64) -> i64 {
        let then = at.saturating_add(micros(minutes));
        let next = self.days.partition_point(|day| day.midnight <= then);
        let Some(day) = next.checked_sub(1).and_then(|today| self.days.get(today)) else { return i64::MAX };
        let wakes = day.office.0 - HOUR;
        if then < wakes { wakes + (then - day.midnight) / 8 } else { then }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a duration of days is far from the ends of an i64")]
fn micros(minutes: f64) -> i64 {
    #[expect(clippy::cast_precision_loss, reason = "a small constant")]
    let unit = MINUTE as f64;
    (minutes * unit) as i64
}

#[expect(clippy::cast_precision_loss, reason = "numbers of days and tickets are far below 2^52")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of tickets are positive and far below 2^52"
)]
fn round(total: u64, share: f64) -> u64 {
    (total as f64 * share).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(until: &str, zone: &str) -> Calendar {
        Calendar::up_to(until.parse().unwrap(), &TimeZone::get(zone).unwrap()).unwrap()
    }

    fn instant(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_micros()
    }

    #[test]
    fn every_request_comes_in_once_before_the_end_and_weekends_are_quiet() {
        let calendar = calendar("2026-11-25T11:30:00Z", "Europe/Madrid");
        for total in [0, 1, 7, 400, 100_000] {
            let mut rng = Rng::with_seed(3);
            let counts = calendar.counts(total, &mut rng);
            assert_eq!((counts.len(), counts.iter().sum::<u64>()), (DAYS, total));
        }
        let mut rng = Rng::with_seed(3);
        let counts = calendar.counts(90_000, &mut rng);
        let mut before = i64::MIN;
        for (day, count) in counts.iter().enumerate() {
            for at in calendar.arrivals(day, *count, &mut rng) {
                assert!(before <= at && at < calendar.until && at >= calendar.beginning().as_micros());
                before = at;
            }
        }
        let weekends: u64 = counts.iter().zip(&calendar.days).filter(|(_, day)| !day.is_working()).map(|(count, _)| count).sum();
        assert!((1_000..5_000).contains(&weekends), "{weekends}");
    }

    #[test]
    fn work_is_done_in_office_hours_of_the_desk() {
        let calendar = calendar("2026-11-25T11:30:00Z", "Europe/Madrid");
        // A Friday, 17:50 in Madrid (UTC+1): ten minutes are left, the rest is Monday's.
        let friday = instant("2026-11-20T16:50:00Z");
        assert_eq!(calendar.working(friday, 5.0), instant("2026-11-20T16:55:00Z"));
        assert_eq!(calendar.working(friday, 25.0), instant("2026-11-23T07:15:00Z"));
        // Summer time is another offset.
        assert_eq!(calendar.working(instant("2026-09-05T12:00:00Z"), 60.0), instant("2026-09-07T07:00:00Z"));
        assert_eq!(calendar.working(friday, 1e9), i64::MAX);
    }

    #[test]
    fn nobody_writes_at_night() {
        let calendar = calendar("2026-11-25T11:30:00Z", "UTC");
        let evening = instant("2026-11-20T22:00:00Z");
        assert_eq!(calendar.awake(evening, 30.0), instant("2026-11-20T22:30:00Z"));
        assert_eq!(calendar.awake(evening, 240.0), instant("2026-11-21T07:15:00Z"));
    }

    #[test]
    fn a_history_may_end_just_after_midnight() {
        let calendar = calendar("2026-11-25T00:00:00.5Z", "UTC");
        let mut rng = Rng::with_seed(1);
        let last = calendar.arrivals(DAYS - 1, 20, &mut rng);
        assert!(last.len() == 20 && last.iter().all(|at| *at < calendar.until));
    }
}
