//! Makes sled's flush mean what we promise. On Linux sled calls `sync_file_range`, which commits neither file metadata
//! nor the disk's cache: after a power cut acknowledged writes are gone. We define that symbol ourselves, so that the
//! linker binds sled to it, as `fdatasync`; and we check at start that it is ours which is called.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

/// How often our own `sync_file_range` has synced in this process.
static SYNCS: AtomicU64 = AtomicU64::new(0);

/// The number of syncs so far.
pub(super) fn syncs() -> u64 {
    SYNCS.load(Ordering::Acquire)
}

/// Takes the place of libc's function of this name: syncs the whole file instead of a range.
///
/// # Safety
/// As safe as libc's: `fd` is only handed on to `fdatasync`, which checks it.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "sled can only be bound to a sync that holds by defining the C symbol that it calls")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sync_file_range(
    fd: libc::c_int,
    _offset: libc::off64_t,
    _nbytes: libc::off64_t,
    _flags: libc::c_uint,
) -> libc::c_int {
    // SAFETY: fdatasync takes any number for a descriptor and reports a bad one by EBADF.
    let result = unsafe { libc::fdatasync(fd) };
    if result == 0 {
        SYNCS.fetch_add(1, Ordering::AcqRel);
    }
    result
}

/// Syncs sled's log file ourselves, where no sync of ours was seen: other platforms, or a flush that found nothing to do.
pub(super) fn sync_file(folder: &Path) -> std::io::Result<()> {
    std::fs::File::open(folder.join("db"))?.sync_data()
}

/// Syncs what sled makes once and never syncs: its page of settings, and the names of its files.
pub(super) fn sync_settings(folder: &Path) -> std::io::Result<()> {
    std::fs::File::open(folder.join("conf"))?.sync_all()?;
    sync_folder(folder)
}

/// Syncs a folder, so that a file made or renamed in it stays.
pub(super) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

/// Removes a file for good, when it is there.
pub(super) fn remove_file(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| path.parent().map_or(Ok(()), sync_folder)),
    }
}

/// Replaces the file `path` by one with the content that `write` gives it: after a crash it is the old one or the new one, whole.
pub(super) fn replace_file(path: &Path, write: impl FnOnce(&mut std::fs::File) -> std::io::Result<()>) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let written = std::fs::File::create(&fresh).and_then(|mut file| {
        write(&mut file)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)
    });
    if written.is_err() {
        // On a full disk a part of it would take the room that is left.
        let _ = std::fs::remove_file(&fresh);
    }
    written?;
    path.parent().map_or(Ok(()), sync_folder)
}
