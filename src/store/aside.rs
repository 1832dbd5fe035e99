//! Keeping a storage aside, so that another one can take its place: nothing is ever written over.

use std::{fmt, path::PathBuf};

use super::{StoreError, postgres, sled};
use crate::{
    config::StorageUrl,
    types::{Secret, Timestamp},
};

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

/// Finishes what a process has left undone that died while it set a storage aside or put another one into its place; tells
/// where that is kept which was set aside.
///
/// # Errors
/// A storage on which a process is still at work.
pub async fn recover(url: &StorageUrl, now: Timestamp) -> anyhow::Result<Option<Aside>> {
    Ok(match url {
        StorageUrl::Sled(dir) => sled::aside::recover(dir, &stamp(now))?.map(Aside::Folder),
        // There it is one transaction.
        StorageUrl::Postgres(_) => None,
    })
}

/// Gives a storage that no desk works on another name, and sees to it that no desk begins in its place before what shall
/// come has come; `None` when there is none.
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
        StorageUrl::Sled(dir) => Ok(sled::aside::is_claimed(dir)),
        StorageUrl::Postgres(url) => postgres::aside::is_claimed(url).await,
    }
}

/// Notes that what shall come has begun to come: from now on the mark of a [`super::transfer::Filling`] tells of it.
///
/// # Errors
/// A storage that cannot be written.
pub async fn unclaim(url: &StorageUrl) -> anyhow::Result<()> {
    match url {
        StorageUrl::Sled(dir) => sled::aside::unclaim(dir)?,
        StorageUrl::Postgres(url) => postgres::aside::unclaim(url).await?,
    }
    Ok(())
}

/// Whether a desk has ever begun in a database, or been announced there.
///
/// # Errors
/// A database that cannot be reached.
pub async fn is_begun(database: &Secret) -> Result<bool, StoreError> {
    postgres::aside::is_begun(database).await
}

/// Removes what a database holds, and sees to it that no desk begins in its place before what shall come has come.
///
/// # Errors
/// A database that is in use or cannot be reached.
pub async fn clear(database: &Secret) -> Result<(), StoreError> {
    postgres::aside::clear(database).await
}

/// Removes what a database holds, and puts back what was set aside.
///
/// # Errors
/// A database that is in use or cannot be reached.
pub async fn put_back(database: &Secret, kept: Option<&Aside>) -> Result<(), StoreError> {
    let schema = if let Some(Aside::Schema(name)) = kept { Some(name.as_str()) } else { None };
    postgres::aside::put_back(database, schema).await
}

/// 2026-11-26T01:02:03.5Z → 20261126t010203.
#[must_use]
pub fn stamp(now: Timestamp) -> String {
    now.to_string().chars().take_while(|c| *c != '.' && *c != 'Z').filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}
