//! How often an address may try: a bucket of tries that fills up again, for each of them.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use governor::{Quota, RateLimiter, clock::Clock as _, middleware::NoOpMiddleware, nanos::Nanos, state::StateStore};
use parking_lot::Mutex;

use crate::app::Clock;

/// Tries at once.
pub const BURST: u32 = 10;

/// Seconds that one try takes to come back.
pub const REFILL_SECONDS: u64 = 6;

/// Addresses that are told apart at once.
const MOST: usize = 100_000;

/// The desk's clock, as the limiter reads it.
#[derive(Debug, Clone)]
struct DeskClock(Clock);

impl governor::clock::Clock for DeskClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(u64::try_from(self.0.now().as_micros()).unwrap_or(0).saturating_mul(1_000))
    }
}

/// When the bucket of each address will be full again, counted from the limiter's start.
#[derive(Debug, Clone)]
struct Buckets {
    full_at: Arc<Mutex<HashMap<IpAddr, Nanos>>>,
    most: usize,
}

impl StateStore for Buckets {
    type Key = IpAddr;

    fn measure_and_replace<T, F, E>(&self, address: &IpAddr, judge: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut full_at = self.full_at.lock();
        let (verdict, next) = judge(full_at.get(address).copied())?;
        if full_at.len() >= self.most && !full_at.contains_key(address) {
            forget_half(&mut full_at);
        }
        full_at.insert(*address, next);
        Ok(verdict)
    }
}

/// Forgets the half whose buckets are the fullest: it makes the least difference to them.
fn forget_half(full_at: &mut HashMap<IpAddr, Nanos>) {
    let mut times: Vec<Nanos> = full_at.values().copied().collect();
    let middle = times.len() / 2;
    let median = *times.select_nth_unstable(middle).1;
    full_at.retain(|_, at| *at > median);
}

/// What an address has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Tries that it may make at once.
    pub tries: u32,
    /// Seconds until its bucket is full again.
    pub full_in: u64,
}

/// The buckets of one kind of try.
pub struct Addresses {
    limiter: RateLimiter<IpAddr, Buckets, DeskClock, NoOpMiddleware<Nanos>>,
    /// The limiter's own, for what it does not do: giving back, and looking without taking.
    buckets: Buckets,
    clock: DeskClock,
    start: Nanos,
}

impl Addresses {
    /// Full buckets for everybody, on this clock.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self::with_room(clock, MOST)
    }

    fn with_room(clock: Clock, most: usize) -> Self {
        let (clock, buckets) = (DeskClock(clock), Buckets { full_at: Arc::default(), most });
        let start = clock.now();
        let burst = NonZeroU32::new(BURST).unwrap_or(NonZeroU32::MIN);
        // The period is not nothing, so that there is a quota.
        let quota = Quota::with_period(Duration::from_secs(REFILL_SECONDS)).unwrap_or(Quota::per_minute(burst)).allow_burst(burst);
        Self { limiter: RateLimiter::new(quota, buckets.clone(), clock.clone()), buckets, clock, start }
    }

    /// Takes a try out of the bucket.
    ///
    /// # Errors
    /// The seconds until there will be one.
    pub fn take(&self, address: IpAddr) -> Result<(), u32> {
        self.limiter.check_key(&holder(address)).map_err(|refused| whole_seconds(refused.wait_time_from(self.clock.now())).max(1))
    }

    /// Puts one back.
    pub fn give_back(&self, address: IpAddr) {
        if let Some(full_at) = self.buckets.full_at.lock().get_mut(&holder(address)) {
            *full_at = full_at.saturating_sub(Duration::from_secs(REFILL_SECONDS).into());
        }
    }

    /// What is in it.
    #[must_use]
    pub fn left(&self, address: IpAddr) -> Left {
        let now = self.clock.now().saturating_sub(self.start);
        let full_at = self.buckets.full_at.lock().get(&holder(address)).copied().unwrap_or(now);
        let missing = Duration::from(full_at.saturating_sub(now));
        let tries = u64::from(BURST).saturating_sub(u64::from(whole_seconds(missing)).div_ceil(REFILL_SECONDS));
        Left { tries: u32::try_from(tries).unwrap_or(0), full_in: whole_seconds(missing).into() }
    }
}

/// Seconds, rounded up.
fn whole_seconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX)
}

/// Who stands behind an address: of IPv6, one customer has a whole /64.
fn holder(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    fn buckets(most: usize) -> (Addresses, impl Fn(i64)) {
        let micros = Arc::new(AtomicI64::new(1_700_000_000_000_000));
        let clock = Clock::Manual(micros.clone());
        (Addresses::with_room(clock, most), move |seconds| {
            micros.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
        })
    }

    fn from(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn ten_at_once_then_one_every_six_seconds() {
        let (addresses, advance) = buckets(MOST);
        assert_eq!(addresses.left(from(1)), Left { tries: 10, full_in: 0 });
        for taken in 1..=10 {
            assert_eq!(addresses.take(from(1)), Ok(()));
            assert_eq!(addresses.left(from(1)), Left { tries: 10 - taken, full_in: u64::from(taken) * 6 });
        }
        assert_eq!(addresses.take(from(1)), Err(6));
        assert_eq!(addresses.take(from(2)), Ok(()), "another address has its own");
        advance(5);
        assert_eq!(addresses.take(from(1)), Err(1));
        advance(1);
        assert_eq!(addresses.take(from(1)), Ok(()));
        assert_eq!(addresses.take(from(1)), Err(6));
        advance(3_600);
        assert_eq!(addresses.left(from(1)), Left { tries: 10, full_in: 0 });
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let (addresses, _) = buckets(MOST);
        for _ in 0..100 {
            assert_eq!(addresses.take(from(1)), Ok(()));
            addresses.give_back(from(1));
        }
        assert_eq!(addresses.left(from(1)), Left { tries: 10, full_in: 0 });
        addresses.give_back(from(1));
        for _ in 0..10 {
            assert_eq!(addresses.take(from(1)), Ok(()));
        }
        assert_eq!(addresses.take(from(1)), Err(6), "never more than the burst");
    }

    #[test]
    fn a_network_of_ipv6_is_one() {
        let (addresses, _) = buckets(MOST);
        for n in 0..10 {
            assert_eq!(addresses.take(format!("2001:db8::{n}:1").parse().unwrap()), Ok(()));
        }
        assert!(addresses.take("2001:db8::ffff".parse().unwrap()).is_err());
        assert!(addresses.take("2001:db8:0:1::1".parse().unwrap()).is_ok());
        assert!(addresses.take("::ffff:9.9.9.9".parse().unwrap()).is_ok());
        assert_eq!(addresses.left("9.9.9.9".parse().unwrap()).tries, 9);
    }

    #[test]
    fn memory_is_bounded_and_the_worst_are_remembered() {
        let (addresses, _) = buckets(100);
        for _ in 0..10 {
            assert_eq!(addresses.take(from(1)), Ok(()));
        }
        for n in 100..10_000 {
            let _ = addresses.take(from(n));
        }
        assert!(addresses.buckets.full_at.lock().len() <= 100);
        assert!(addresses.take(from(1)).is_err());
    }
}
