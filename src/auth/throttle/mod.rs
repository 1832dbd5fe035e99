//! What guessing costs: tries with passwords are counted by the account that they name and by the address that they come
//! from. Sessions that live are not touched by any of it.
//!
//! The counts are those of this process, in memory: a restart begins anew, and each of several instances counts for itself.

pub mod accounts;
pub mod addresses;

use std::net::IpAddr;

use self::{
    accounts::{Accounts, Named},
    addresses::Addresses,
};
use crate::{
    app::Clock,
    config::{self, RateLimit},
    error::AppError,
};

/// What is tried; each kind is counted for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Signing in. Only failures use up the tries of an address.
    Login,
    /// Registering. Every try counts: each of them costs a hash, and tells who has an account.
    Register,
}

/// The counts of one kind.
struct Counts {
    accounts: Accounts,
    addresses: Addresses,
}

/// Counts tries, and refuses those that are too many.
pub struct Throttle {
    on: bool,
    clock: Clock,
    login: Counts,
    register: Counts,
    /// Present passwords that were given wrong for a new one, by account.
    changes: Accounts,
}

/// A try that may be made; how it ended is told afterwards. One whose end is not told has used up its address's.
pub struct Attempt<'a> {
    throttle: &'a Throttle,
    counts: &'a Counts,
    account: Named,
    address: IpAddr,
}

impl Throttle {
    /// Nothing has been tried yet.
    #[must_use]
    pub fn new(config: &config::Auth, clock: &Clock) -> Self {
        let counts = || Counts { accounts: Accounts::default(), addresses: Addresses::new(clock.clone()) };
        Self {
            on: config.rate_limit == RateLimit::On,
            clock: clock.clone(),
            login: counts(),
            register: counts(),
            changes: Accounts::default(),
        }
    }

    /// Whether it counts at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.on
    }

    /// The buckets of addresses for tries of this kind.
    #[must_use]
    pub const fn addresses(&self, kind: Kind) -> &Addresses {
        &self.counts(kind).addresses
    }

    const fn counts(&self, kind: Kind) -> &Counts {
        match kind {
            Kind::Login => &self.login,
            Kind::Register => &self.register,
        }
    }

    /// Begins a try with the account that is named so, from this address.
    ///
    /// # Errors
    /// 429, with the seconds to wait.
    pub fn begin(&self, kind: Kind, account: &str, address: IpAddr) -> Result<Attempt<'_>, AppError> {
        let attempt = Attempt { throttle: self, counts: self.counts(kind), account: Named::by(account), address };
        attempt.is_due()?;
        if self.on {
            attempt.counts.addresses.take(address).map_err(|seconds| {
                AppError::too_many("There were too many attempts from this address; wait before the next one.", seconds)
            })?;
        }
        Ok(attempt)
    }

    /// Whether the present password of the account `id` may be asked for.
    ///
    /// # Errors
    /// 429.
    pub fn may_prove(&self, id: &str) -> Result<(), AppError> {
        if self.on { self.changes.may_try(Named::by(id), self.clock.now()).map_err(waiting) } else { Ok(()) }
    }

    /// Notes whether it was right.
    ///
    /// # Errors
    /// 429, for one that must not be told.
    pub fn proved(&self, id: &str, right: bool) -> Result<(), AppError> {
        if !self.on {
            return Ok(());
        }
        if right {
            self.may_prove(id)?;
            self.changes.succeeded(Named::by(id));
            return Ok(());
        }
        self.changes.failed(Named::by(id), self.clock.now()).map_err(waiting)
    }
}

impl Attempt<'_> {
    /// Whether it is not within a wait of its account. Asked again before a success is told.
    ///
    /// # Errors
    /// 429.
    pub fn is_due(&self) -> Result<(), AppError> {
        if !self.throttle.on {
            return Ok(());
        }
        self.counts.accounts.may_try(self.account, self.throttle.clock.now()).map_err(waiting)
    }

    /// It failed.
    ///
    /// # Errors
    /// 429, when the account has come into a wait meanwhile: then the failure must not be told.
    pub fn failed(self) -> Result<(), AppError> {
        if !self.throttle.on {
            return Ok(());
        }
        self.counts.accounts.failed(self.account, self.throttle.clock.now()).map_err(waiting)
    }

    /// It succeeded.
    pub fn succeeded(self) {
        if self.throttle.on {
            self.counts.accounts.succeeded(self.account);
            self.counts.addresses.give_back(self.address);
        }
    }
}

fn waiting(seconds: u32) -> AppError {
    AppError::too_many("There were too many attempts with this account; wait before the next one.", seconds)
}
