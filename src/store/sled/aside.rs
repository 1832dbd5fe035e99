//! Folders that take each other's place.

use std::{
    fs::{DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{
    durability::{remove_file, sync_folder},
    open::{Folder, OpenError},
};
use crate::store::fault;

/// A file in a folder that shall take another one's place, for as long as it has not: by it the two are told apart when
/// the process dies in between.
const NEW: &str = "NEW";
/// A file in a folder in which a desk is to come, and has not begun to come.
const CLAIMED: &str = "CLAIMED";

/// Insists that no process holds a folder; one that is not there is held by nobody.
pub(in crate::store) fn unused(dir: &Path) -> Result<(), OpenError> {
    if dir.is_dir() { Folder::lock(dir).map(drop) } else { Ok(()) }
}

/// Whether there is a store in a folder.
#[must_use]
pub fn holds_a_store(dir: &Path) -> bool {
    dir.join("store").exists() || dir.join("IDENTITY").exists()
}

/// Whether there is anything in a folder but what says who uses it.
fn holds_anything(dir: &Path) -> io::Result<bool> {
    for entry in std::fs::read_dir(dir)? {
        if !["LOCK", NEW, CLAIMED].iter().any(|name| entry.as_ref().is_ok_and(|entry| entry.file_name() == *name)) {
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

/// Where a store is built before it takes this one's place: on the same disk, beside it.
fn place_to_work(dir: &Path) -> PathBuf {
    beside(dir, "restoring")
}

/// The folder by a name that does not end in `.` or `..`, where it can be told.
fn whole(dir: &Path) -> PathBuf {
    std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned())
}

/// Clears up what a process has left that died while it put a store into the place of the one in `dir`. A store that was
/// not ready is removed; the one whose place was taken already gets the name under which it is kept, and that is told.
///
/// # Errors
/// A folder in which a process is still at work, or that cannot be renamed.
pub(in crate::store) fn recover(dir: &Path, stamp: &str) -> Result<Option<PathBuf>, OpenError> {
    let dir = whole(dir);
    let left = place_to_work(&dir);
    if !left.is_dir() {
        return Ok(None);
    }
    let failed = |source| OpenError::Folder { dir: left.clone(), source };
    let held = Folder::lock(&left)?;
    if left.join(NEW).exists() || !holds_a_store(&left) {
        drop(held);
        std::fs::remove_dir_all(&left).map_err(failed)?;
        return Ok(None);
    }
    keep(&left, &dir, stamp).map(Some)
}

/// A new folder in which a store can be built before it takes the place of the one in `dir`.
///
/// # Errors
/// A folder that cannot be made, also one of which `recover` has not been asked.
pub fn workshop(dir: &Path) -> Result<PathBuf, OpenError> {
    let dir = place_to_work(&whole(dir));
    let made = DirBuilder::new().mode(0o700).create(&dir).and_then(|()| File::create(dir.join(NEW))?.sync_all());
    made.and_then(|()| sync_folder(&dir)).map_err(|source| OpenError::Folder { dir: dir.clone(), source })?;
    Ok(dir)
}

/// Removes a workshop whose store shall not take the other one's place; never a store whose place was taken.
///
/// # Errors
/// The disk's.
pub fn discard(workshop: &Path) -> io::Result<()> {
    if workshop.join(NEW).exists() { std::fs::remove_dir_all(workshop) } else { Ok(()) }
}

/// Gives a folder with a store in it another name and claims its place; `None` when there is none.
pub(in crate::store) fn set_aside(dir: &Path, stamp: &str) -> Result<Option<PathBuf>, OpenError> {
    if !holds_a_store(dir) {
        return Ok(None);
    }
    let fresh = workshop(dir)?;
    let claimed = File::create(fresh.join(CLAIMED)).and_then(|file| file.sync_all()).and_then(|()| sync_folder(&fresh));
    let claimed = claimed.map_err(|source| OpenError::Folder { dir: fresh.clone(), source });
    let kept = claimed.and_then(|()| replace(dir, &fresh, stamp));
    if kept.is_err() {
        let _ = discard(&fresh);
    }
    kept
}

/// Whether a desk is to come in a folder, and has not begun to come.
pub(in crate::store) fn is_claimed(dir: &Path) -> bool {
    dir.join(CLAIMED).exists()
}

/// Notes that it has begun to come.
pub(in crate::store) fn unclaim(dir: &Path) -> Result<(), OpenError> {
    remove_file(&dir.join(CLAIMED)).map_err(|source| OpenError::Folder { dir: dir.to_owned(), source })
}

/// Renames the store in `from` that stood in `dir` before; tells its new name.
fn keep(from: &Path, dir: &Path, stamp: &str) -> Result<PathBuf, OpenError> {
    let to = free_name(dir, stamp);
    let renamed = std::fs::rename(from, &to).and_then(|()| sync_parent(dir));
    renamed.map_err(|source| OpenError::Folder { dir: dir.to_owned(), source })?;
    Ok(to)
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

/// Puts the store of `fresh`, a workshop, into the place of `dir` in one step, and tells where the old one is kept, when
/// there was one.
///
/// # Errors
/// A folder that is held by a process or cannot be renamed. `dir` holds one of the two then, whole, and the other one is
/// not lost: `recover` finds it.
pub fn replace(dir: &Path, fresh: &Path, stamp: &str) -> Result<Option<PathBuf>, OpenError> {
    let dir = whole(dir);
    let failed = |source| OpenError::Folder { dir: dir.clone(), source };
    if !dir.exists() {
        std::fs::rename(fresh, &dir).and_then(|()| sync_parent(&dir)).and_then(|()| remove_file(&dir.join(NEW))).map_err(failed)?;
        return Ok(None);
    }
    let held = Folder::lock(&dir)?;
    let worth_keeping = holds_anything(&dir).map_err(failed)?;
    // One that died at the end of an earlier replacement may have left it.
    remove_file(&dir.join(NEW)).map_err(failed)?;
    fault::point("replace.ready");
    match renameat_with(CWD, fresh, CWD, &dir, RenameFlags::EXCHANGE) {
        Ok(()) => {}
        // A file system that cannot exchange names: the place is empty for a moment.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            let to = keep(&dir, &dir, stamp)?;
            std::fs::rename(fresh, &dir).and_then(|()| sync_parent(&dir)).and_then(|()| remove_file(&dir.join(NEW))).map_err(failed)?;
            return Ok(Some(to));
        }
        Err(errno) => return Err(failed(errno.into())),
    }
    sync_parent(&dir).map_err(failed)?;
    fault::point("replace.exchanged");
    // The old one has the workshop's name now.
    drop(held);
    let kept = if worth_keeping {
        Some(keep(fresh, &dir, stamp)?)
    } else {
        std::fs::remove_dir_all(fresh).map_err(failed)?;
        None
    };
    fault::point("replace.kept");
    remove_file(&dir.join(NEW)).map_err(failed)?;
    Ok(kept)
}
