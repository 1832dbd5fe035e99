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
