//! Folders that take each other's place.

use std::{
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{
    durability::sync_folder,
    open::{Folder, OpenError},
};

/// Insists that no process holds a folder; one that is not there is held by nobody.
pub(in crate::store) fn unused(dir: &Path) -> Result<(), OpenError> {
    if dir.is_dir() { Folder::lock(dir).map(drop) } else { Ok(()) }
}

/// Whether there is a store in a folder.
#[must_use]
pub fn holds_a_store(dir: &Path) -> bool {
    dir.join("store").exists() || dir.join("IDENTITY").exists()
}

/// Whether there is anything in a folder but the lock.
fn holds_anything(dir: &Path) -> io::Result<bool> {
    for entry in std::fs::read_dir(dir)? {
        if entry?.file_name() != "LOCK" {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A name beside a folder.
fn beside(dir: &Path, what: &str) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{what}"));
    dir.with_file_name(name)
}

/// A folder in which a store can be built before it takes this one's place: on the same disk, beside it.
#[must_use]
pub fn workshop(dir: &Path) -> PathBuf {
    beside(&whole(dir), "restoring")
}

/// The folder by a name that does not end in `.` or `..`, where it can be told.
fn whole(dir: &Path) -> PathBuf {
    std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned())
}

/// Renames a folder with a store in it; `None` when there is none.
pub(in crate::store) fn set_aside(dir: &Path, stamp: &str) -> Result<Option<PathBuf>, OpenError> {
    if !holds_a_store(dir) {
        return Ok(None);
    }
    let dir = whole(dir);
    // Held until it has its new name.
    let _held = Folder::lock(&dir)?;
    let to = free_name(&dir, stamp);
    std::fs::rename(&dir, &to).and_then(|()| sync_parent(&dir)).map_err(|source| OpenError::Folder { dir, source })?;
    Ok(Some(to))
}

fn free_name(dir: &Path, stamp: &str) -> PathBuf {
    let first = beside(dir, &format!("before-{stamp}"));
    let further = (2..).map(|n| beside(dir, &format!("before-{stamp}-{n}")));
    std::iter::once(first.clone()).chain(further).find(|path| !path.exists()).unwrap_or(first)
}

fn sync_parent(dir: &Path) -> io::Result<()> {
    match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_folder(Path::new(".")),
        Some(parent) => sync_folder(parent),
        None => Ok(()),
    }
}

/// Puts the store of `fresh` into the place of `dir` in one step, and tells where the old one is kept, when there was one.
///
/// # Errors
/// A folder that is held by a process or cannot be renamed; `dir` is then as it was.
pub fn replace(dir: &Path, fresh: &Path, stamp: &str) -> Result<Option<PathBuf>, OpenError> {
    let dir = whole(dir);
    let failed = |source| OpenError::Folder { dir: dir.clone(), source };
    if !dir.exists() {
        std::fs::rename(fresh, &dir).and_then(|()| sync_parent(&dir)).map_err(failed)?;
        return Ok(None);
    }
    let held = Folder::lock(&dir)?;
    let worth_keeping = holds_anything(&dir).map_err(failed)?;
    match renameat_with(CWD, fresh, CWD, &dir, RenameFlags::EXCHANGE) {
        Ok(()) => {}
        // A file system that cannot exchange names: the place is empty for a moment.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            let to = free_name(&dir, stamp);
            std::fs::rename(&dir, &to).and_then(|()| std::fs::rename(fresh, &dir)).map_err(failed)?;
            sync_parent(&dir).map_err(failed)?;
            return Ok(Some(to));
        }
        Err(errno) => return Err(failed(errno.into())),
    }
    sync_parent(&dir).map_err(failed)?;
    // The old one has the workshop's name now.
    drop(held);
    if !worth_keeping {
        std::fs::remove_dir_all(fresh).map_err(failed)?;
        return Ok(None);
    }
    let to = free_name(&dir, stamp);
    std::fs::rename(fresh, &to).and_then(|()| sync_parent(&dir)).map_err(failed)?;
    Ok(Some(to))
}
