//! Keeping a storage aside, so that another one can take its place: nothing is ever written over.

use std::{fmt, path::PathBuf};

use super::{StoreError, postgres, sled};
use crate::{config::StorageUrl, types::Timestamp};

/// Where a storage is kept that another one has taken the place of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aside {
    /// A folder.
    Folder(PathBuf),
    /// A schema of the same database.
    Schema(String),
}

impl fmt::Display for Aside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(dir) => write!(f, "the folder {}", dir.display()),
            Self::Schema(name) => write!(f, "the schema {name} of the database"),
        }
    }
}

/// Insists that no desk works on a storage.
///
/// # Errors
/// One that is in use, or a storage that cannot be reached.
pub async fn unused(url: &StorageUrl) -> anyhow::Result<()> {
    match url {
        StorageUrl::Sled(dir) => sled::aside::unused(dir)?,
        StorageUrl::Postgres(url) => postgres::aside::unused(url).await?,
    }
    Ok(())
}

/// Gives a storage that no desk works on another name; `None` when there is none.
///
/// # Errors
/// One that is in use, or that cannot be renamed.
pub async fn set_aside(url: &StorageUrl, now: Timestamp) -> anyhow::Result<Option<Aside>> {
    let stamp = stamp(now);
    Ok(match url {
        StorageUrl::Sled(dir) => sled::aside::set_aside(dir, &stamp)?.map(Aside::Folder),
        StorageUrl::Postgres(url) => postgres::aside::set_aside(url, &stamp).await?.map(Aside::Schema),
    })
}

/// Whether a storage has been emptied for what shall come in its place, which has not begun to come.
///
/// # Errors
/// A database that cannot be reached.
pub async fn is_claimed(url: &StorageUrl) -> Result<bool, StoreError> {
    match url {
        StorageUrl::Sled(_) => Ok(false),
        StorageUrl::Postgres(url) => postgres::aside::is_claimed(url).await,
    }
}

/// Notes that what shall come has begun to come: from now on the mark of a [`super::transfer::Filling`] tells of it.
///
/// # Errors
/// A database that cannot be reached.
pub async fn unclaim(url: &StorageUrl) -> Result<(), StoreError> {
    match url {
        StorageUrl::Sled(_) => Ok(()),
        StorageUrl::Postgres(url) => postgres::aside::unclaim(url).await,
    }
}

/// Removes a part of a desk, and sees to it that none begins in its place before the whole one comes.
///
/// # Errors
/// A database that is in use or cannot be reached.
pub async fn clear(url: &StorageUrl) -> Result<(), StoreError> {
    match url {
        StorageUrl::Postgres(url) => postgres::aside::clear(url).await,
        StorageUrl::Sled(_) => Ok(()),
    }
}

/// Removes what a database holds, and puts back what was set aside.
///
/// # Errors
/// A database that cannot be reached.
pub async fn put_back(url: &StorageUrl, aside: Option<&Aside>) -> Result<(), StoreError> {
    match (url, aside) {
        (StorageUrl::Postgres(url), Some(Aside::Schema(name))) => postgres::aside::put_back(url, Some(name)).await,
        (StorageUrl::Postgres(url), _) => postgres::aside::put_back(url, None).await,
        (StorageUrl::Sled(_), _) => Ok(()),
    }
}

/// 2026-11-26T01:02:03.5Z → 20261126t010203.
#[must_use]
pub fn stamp(now: Timestamp) -> String {
    now.to_string().chars().take_while(|c| *c != '.' && *c != 'Z').filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}
