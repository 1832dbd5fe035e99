//! Hashing and checking passwords: argon2id, away from the threads that answer requests, a few at a time.

use std::thread::available_parallelism;

use anyhow::Context;
use argon2::{
    ARGON2ID_IDENT, Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version, password_hash::Error as HashError,
};
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};

use super::{few::Few, token::random};
use crate::{config, error::AppError, types::Secret};

/// Hashes and checks passwords.
pub struct Hasher {
    argon: Argon2<'static>,
    /// A hash that no password fits, made with the same effort as real ones.
    nobodys: Secret,
    few: Few,
}

/// Checks that may wait for a place.
const MOST_WAITING: usize = 128;

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Whether it is the password.
    pub matches: bool,
    /// Whether the hash was made with less effort than is configured now, and should be made anew.
    pub outdated: bool,
}

impl Hasher {
    /// Takes memory and passes from the configuration; never below the floor of 19,456 KiB and two passes.
    ///
    /// # Errors
    /// Values that argon2 cannot work with.
    pub fn new(config: &config::Auth) -> anyhow::Result<Self> {
        let memory = config.argon2_memory_kib.max(Params::DEFAULT_M_COST);
        let passes = config.argon2_passes.max(Params::DEFAULT_T_COST);
        let params = Params::new(memory, passes, 1, None).context("auth.argon2_memory_kib or auth.argon2_passes is out of range")?;
        let part = |bytes: &[u8]| BASE64_STANDARD_NO_PAD.encode(bytes);
        let nobodys = format!("$argon2id$v=19$m={memory},t={passes},p=1${}${}", part(&random::<16>()), part(&random::<32>()));
        let cores = available_parallelism().map_or(1, usize::from);
        Ok(Self {
            argon: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            nobodys: Secret::new(nobodys),
            few: Few::new(cores.saturating_sub(1).max(1), MOST_WAITING),
        })
    }

    /// The hash of a password, in PHC form, with a salt of its own.
    ///
    /// # Errors
    /// Internal.
    pub async fn hash(&self, password: &str) -> Result<Secret, AppError> {
        let (argon, password) = (self.argon.clone(), Secret::new(password));
        let hash = self.few.run(move || argon.hash_password(password.expose().as_bytes())).await?;
        hash.map(|hash| Secret::new(hash.to_string())).map_err(AppError::internal)
    }

    /// Whether `password` has this hash. Without one (no such account, no password set) it takes as long and says no.
    ///
    /// # Errors
    /// Internal, for a hash that cannot be read.
    pub async fn verify(&self, password: &str, hash: Option<&Secret>) -> Result<Verified, AppError> {
        if let Some(old) = hash.filter(|hash| hash.expose().starts_with("$2")) {
            // The former desk's: good for one sign-in, which makes it anew.
            let (old, password) = (old.clone(), Secret::new(password));
            let fits = self.few.run(move || bcrypt::verify(password.expose(), old.expose())).await?;
            return fits.map(|matches| Verified { matches, outdated: true }).map_err(AppError::internal);
        }
        let wanted = PasswordHash::new(hash.unwrap_or(&self.nobodys).expose()).map_err(AppError::internal)?;
        let (argon, password) = (self.argon.clone(), Secret::new(password));
        let outdated = self.is_weak(&wanted);
        match self.few.run(move || argon.verify_password(password.expose().as_bytes(), &wanted)).await? {
            Ok(()) => Ok(Verified { matches: hash.is_some(), outdated }),
            Err(HashError::PasswordInvalid) => Ok(Verified { matches: false, outdated }),
            Err(error) => Err(AppError::internal(error)),
        }
    }

    fn is_weak(&self, hash: &PasswordHash) -> bool {
        let wanted = self.argon.params();
        Params::try_from(hash)
            .map_or(true, |had| hash.algorithm != ARGON2ID_IDENT || had.m_cost() < wanted.m_cost() || had.t_cost() < wanted.t_cost())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(argon2_memory_kib: u32, argon2_passes: u32) -> Hasher {
        Hasher::new(&config::Auth { argon2_memory_kib, argon2_passes, ..config::Auth::default() }).unwrap()
    }

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let hasher = hasher(19_456, 2);
        let hash = hasher.hash("correct horse").await.unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let of = async |password, hash| hasher.verify(password, hash).await.unwrap();
        assert_eq!(of("correct horse", Some(&hash)).await, Verified { matches: true, outdated: false });
        assert_eq!(of("Correct horse", Some(&hash)).await, Verified { matches: false, outdated: false });
        assert_eq!(of("correct horse", None).await, Verified { matches: false, outdated: false });
        assert_ne!(hasher.hash("correct horse").await.unwrap(), hash, "salts differ");
    }

    #[tokio::test]
    async fn a_hash_of_less_effort_is_noticed_and_the_floor_holds() {
        let hash = hasher(1, 1).hash("correct horse").await.unwrap();
        assert!(hash.expose().contains("m=19456,t=2,p=1"), "the floor");
        assert_eq!(hasher(19_456, 3).verify("correct horse", Some(&hash)).await.unwrap(), Verified { matches: true, outdated: true });
        assert_eq!(hasher(20_000, 2).verify("correct horse", Some(&hash)).await.unwrap(), Verified { matches: true, outdated: true });
    }
}
