//! Means and quantiles of how long things took, from counts by [`bucket`](super::figures::bucket).

use super::figures::{Amount, HOUR};

/// How long some tickets took: one amount for each bucket, by ascending bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Times(Vec<Amount>);

impl Times {
    /// Takes the amounts of the buckets, in their order.
    #[must_use]
    pub fn new(buckets: impl IntoIterator<Item = Amount>) -> Self {
        Self(buckets.into_iter().filter(|amount| amount.tickets > 0).collect())
    }

    /// All of them together.
    #[must_use]
    pub fn total(&self) -> Amount {
        self.0.iter().fold(Amount::default(), |mut sum, amount| {
            sum += *amount;
            sum
        })
    }

    /// The mean in hours.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        mean(self.total())
    }

    /// A quantile in hours (0.5 is the median), within 1 % of the one that the times themselves would give, with a share of
    /// both neighbours where it falls between two tickets. A bucket stands for the mean of what it holds, so that few
    /// tickets give exact figures.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of tickets are far below 2^52")]
    #[expect(clippy::cast_possible_truncation, reason = "a rank is at most a count of tickets")]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let last = self.total().tickets - 1;
        if last < 0 {
            return None;
        }
        let rank = q * last as f64;
        let (low, high) = (self.at(rank.floor() as i64)?, self.at(rank.ceil() as i64)?);
        Some(rounded((high - low).mul_add(rank.fract(), low)))
    }

    /// The hours of the ticket with this rank, from 0.
    fn at(&self, rank: i64) -> Option<f64> {
        let mut seen = 0;
        let holder = self.0.iter().find(|amount| {
            seen += amount.tickets;
            seen > rank
        });
        holder.copied().map(exact_mean)
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with two decimals")]
fn exact_mean(amount: Amount) -> f64 {
    amount.micros as f64 / amount.tickets as f64 / HOUR as f64
}

/// The mean of an amount in hours; `None` for nothing.
#[must_use]
pub fn mean(amount: Amount) -> Option<f64> {
    (amount.tickets > 0).then(|| rounded(exact_mean(amount)))
}

/// Two decimals.
fn rounded(hours: f64) -> f64 {
    (hours * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::analytics::figures::bucket;

    fn times(waits: &[i64]) -> Times {
        let mut buckets: BTreeMap<i64, Amount> = BTreeMap::new();
        for micros in waits {
            *buckets.entry(bucket(*micros)).or_default() += Amount { tickets: 1, micros: *micros };
        }
        Times::new(buckets.into_values())
    }

    #[test]
    fn nothing_has_no_mean_and_no_quantile() {
        assert_eq!((Times::default().mean(), Times::default().quantile(0.5)), (None, None));
        assert_eq!(Times::new([Amount::default()]).quantile(0.9), None);
    }

    #[test]
    fn few_tickets_give_exact_figures() {
        let hours = |hours: &[i64]| times(&hours.iter().map(|h| h * HOUR).collect::<Vec<_>>());
        assert_eq!((hours(&[3]).mean(), hours(&[3]).quantile(0.5), hours(&[3]).quantile(0.9)), (Some(3.0), Some(3.0), Some(3.0)));
        assert_eq!((hours(&[1, 2]).quantile(0.5), hours(&[1, 2]).quantile(0.9)), (Some(1.5), Some(1.9)));
        assert_eq!((hours(&[0, 5, 70]).quantile(0.5), hours(&[0, 5, 70]).mean()), (Some(5.0), Some(25.0)));
        assert_eq!(times(&[HOUR / 3]).mean(), Some(0.33), "two decimals");
    }

    #[test]
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "small numbers")]
    fn quantiles_are_within_one_percent() {
        // Waits that spread over all sizes, from minutes to weeks.
        for n in [2_usize, 7, 100, 5_001] {
            let mut waits: Vec<i64> = (0..n as u64).map(|i| (60_000_000.0 * 1.0019_f64.powf((i * 7_919 % 5_003) as f64)) as i64).collect();
            let found = times(&waits);
            waits.sort_unstable();
            for q in [0.0, 0.1, 0.5, 0.9, 0.99, 1.0] {
                let rank = q * (n - 1) as f64;
                let at = |rank: f64| waits[rank as usize] as f64 / HOUR as f64;
                let exact = at(rank.floor()) + (at(rank.ceil()) - at(rank.floor())) * rank.fract();
                let shown = found.quantile(q).unwrap();
                assert!((shown - exact).abs() <= exact * 0.008 + 0.005, "{n} {q}: {shown} instead of {exact}");
            }
        }
    }
}
