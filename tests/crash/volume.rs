//! File systems of the rigs' own, mounted for a while: one whose power can be cut, and a small one that can be filled.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use crate::tell;

/// Why a rig that needs root is not run, or `None` when it is. In CI it must be run.
pub fn reason_not_to_run(rig: &str) -> bool {
    let root = std::fs::read_to_string("/proc/self/status").is_ok_and(|s| s.lines().any(|l| l.starts_with("Uid:\t0\t")));
    let loops = Command::new("losetup").arg("-f").output().is_ok_and(|o| o.status.success());
    if root && loops {
        return false;
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{rig}: CI must run this as root, with loop devices");
    tell(&format!("NOT RUN: {rig} (needs root and loop devices)"));
    true
}

/// Runs a command that must succeed.
fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Something mounted; unmounted when dropped.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = |args: &[&str]| Command::new("umount").args(args).arg(&self.0).output().is_ok_and(|o| o.status.success());
        // The files of a process that has just ended are closed a little later.
        let deadline = Instant::now() + Duration::from_secs(5);
        while !unmounted(&[]) {
            if Instant::now() > deadline {
                tell(&format!("{} is busy; it is unmounted when its last user lets go", self.0.display()));
                unmounted(&["--lazy"]);
                return;
            }
            std::thread::yield_now();
        }
    }
}

/// An ext4 in a file, on a loop device that goes with the mount.
pub struct Disk {
    image: PathBuf,
    mounted: Option<Mounted>,
    at: PathBuf,
}

impl Disk {
    /// Makes and mounts it, `mib` large.
    pub fn new(image: PathBuf, at: PathBuf, mib: u32) -> Self {
        run("truncate", &["-s", &format!("{mib}M"), text(&image)]);
        run("mkfs.ext4", &["-q", "-F", text(&image)]);
        std::fs::create_dir_all(&at).unwrap();
        let mut disk = Self { image, mounted: None, at };
        disk.mount();
        disk
    }

    fn mount(&mut self) {
        run("mount", &["-o", "loop", text(&self.image), text(&self.at)]);
        self.mounted = Some(Mounted(self.at.clone()));
    }

    /// A path on it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.at.join(name)
    }

    /// Makes everything written so far durable.
    pub fn sync(&self) {
        run("sync", &["-f", text(&self.at)]);
    }

    /// Cuts the power: nothing more reaches the disk, not even the journal. Perl makes the call (`EXT4_IOC_SHUTDOWN`
    /// with `EXT4_GOING_FLAGS_NOLOGFLUSH`), as it is on every Debian machine and needs no unsafe code here.
    pub fn cut_power(&self) {
        let call =
            r#"open(my $d, "<", $ARGV[0]) or die "open: $!"; my $f = pack("L", 2); defined ioctl($d, 0x8004587D, $f) or die "ioctl: $!""#;
        run("perl", &["-e", call, text(&self.at)]);
    }

    /// The machine comes back: unmounts what is left, lets the journal be replayed, and mounts again. Whoever used the
    /// disk must have ended.
    pub fn power_on(&mut self) {
        self.mounted = None;
        let fsck = Command::new("e2fsck").args(["-p", text(&self.image)]).output().unwrap();
        // 1: errors were corrected.
        assert!(matches!(fsck.status.code(), Some(0 | 1)), "e2fsck: {}", String::from_utf8_lossy(&fsck.stdout));
        self.mount();
    }
}

/// A small file system in memory.
pub struct Small(Mounted);

impl Small {
    /// Mounts it, `mib` large.
    pub fn new(at: PathBuf, mib: u32) -> Self {
        std::fs::create_dir_all(&at).unwrap();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs", text(&at)]);
        Self(Mounted(at))
    }

    /// A path on it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.0.join(name)
    }

    /// Bytes that are free.
    pub fn free(&self) -> u64 {
        let output = Command::new("df").args(["--output=avail", "-B1", text(&self.0.0)]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).lines().nth(1).and_then(|line| line.trim().parse().ok()).unwrap()
    }

    /// Fills it with a file, all but `left` bytes, while others write too.
    pub fn fill(&self, left: u64) -> PathBuf {
        let ballast = self.path("ballast");
        let filled = |bytes: u64| {
            let allocated = Command::new("fallocate").arg("-l").arg(bytes.to_string()).arg(&ballast).output().unwrap();
            allocated.status.success()
        };
        while !filled(self.free().saturating_sub(left).max(1)) {}
        ballast
    }
}
