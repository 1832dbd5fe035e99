//! P2: a power cut takes back nothing that was acknowledged; and the rig is fair, for sled as it comes loses data in it.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    ONE_AT_A_TIME,
    api::people,
    check::Check,
    desk::{BUILT, Desk, Work, binary, fsck},
    ledger::Ledger,
    load::{self, Running},
    rng::Rng,
    setting, tell,
    volume::{Disk, reason_not_to_run},
};

/// Fewer workers than for kills: what counts is what is on the disk.
const CONNECTIONS: usize = 16;

/// How large the disk is, in MiB.
const DISK: u32 = 1_024;

/// How often the control is tried; it has lost data in every round seen.
const CONTROL_ROUNDS: u64 = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_power_is_cut() {
    let _alone = ONE_AT_A_TIME.lock().await;
    if reason_not_to_run("power cuts") {
        return;
    }
    let cuts = setting("TAQUILLA_CRASH_POWER", 10);
    let longest = if cuts < 50 { 900 } else { 3_000 };
    let mut rng = Rng::for_rig("power cuts");
    let work = Work::new();
    let log = work.path("desk.log");
    let mut volume = Disk::new(work.path("disk"), work.path("mount"), DISK);
    let data = volume.path("data");
    let mut desk = Desk::start(&data, &log).await;
    let people = Arc::new(people(&desk).await);
    let ledger = Arc::new(Ledger::default());
    load::make_group(&desk.api(&people[0].token), &ledger).await;
    for _ in 0..cuts {
        let load = Running::start(&desk, &people, &ledger, CONNECTIONS, &mut rng);
        tokio::time::sleep(Duration::from_millis(rng.between(50, longest))).await;
        ledger.go_dark();
        volume.cut_power();
        desk.kill();
        load.ended().await;
        ledger.book().dark = false;
        volume.power_on();
        desk = Desk::start(&data, &log).await;
        Check::new(&desk, &people, &ledger).after_a_crash(&mut rng).await;
    }
    Check::new(&desk, &people, &ledger).everything(&mut rng).await;
    desk.kill();
    fsck(&data, &log);
    let book = ledger.book();
    assert!(book.acknowledged > cuts * 10, "hardly anything was written: {} acknowledgements", book.acknowledged);
    tell(&format!(
        "power cuts: {cuts}, acknowledgements: {}, lost or halved: 0; answers by status {:?}, in the dark {}",
        book.acknowledged, book.statuses, book.in_the_dark
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rig_finds_what_stock_sled_loses() {
    let _alone = ONE_AT_A_TIME.lock().await;
    if reason_not_to_run("power cuts, control") {
        return;
    }
    let stock = stock_sled();
    assert!(imports_sync_file_range(&stock), "the control has a sync_file_range of its own, so it is no control");
    assert!(!imports_sync_file_range(Path::new(&binary())), "the desk's sync_file_range is the C library's");
    let mut rng = Rng::for_rig("control");
    let work = Work::new();
    let mut volume = Disk::new(work.path("disk"), work.path("mount"), DISK);
    for round in 1..=CONTROL_ROUNDS {
        let data = volume.path(&format!("data-{round}"));
        let last = load_stock(&stock, &data, &volume, &mut rng).await;
        volume.power_on();
        let check = Command::new(&stock).arg("check").arg(&data).arg(last.to_string()).output().unwrap();
        if !check.status.success() {
            let told = [check.stdout, check.stderr].concat();
            let told = String::from_utf8_lossy(&told).lines().find(|line| !line.is_empty()).unwrap_or_default().to_owned();
            return tell(&format!("control: stock sled lost data in round {round}, as it must: {told}"));
        }
    }
    panic!("stock sled lost nothing in {CONTROL_ROUNDS} power cuts: the rig does not cut the power");
}

/// Lets stock sled write until the power is cut; the number of the last batch that it had acknowledged by then.
async fn load_stock(stock: &Path, data: &Path, volume: &Disk, rng: &mut Rng) -> u64 {
    let mut child = Command::new(stock).arg("load").arg(data).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).filter_map(|line| line.parse().ok());
    let last = Arc::new(AtomicU64::new(lines.nth(99).unwrap()));
    // The folder and its files are on the disk for certain: what is lost is lost by sled.
    volume.sync();
    let reader = std::thread::spawn({
        let last = last.clone();
        move || lines.for_each(|number| last.store(number, Ordering::Relaxed))
    });
    tokio::time::sleep(Duration::from_millis(rng.between(200, 1_000))).await;
    let before_the_cut = last.load(Ordering::Relaxed);
    volume.cut_power();
    let _ = child.kill();
    child.wait().unwrap();
    reader.join().unwrap();
    before_the_cut
}

/// Builds the control, which `cargo test --test crash` does not.
fn stock_sled() -> PathBuf {
    let profile = Path::new(BUILT).parent().unwrap();
    let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    cargo.args(["build", "--quiet", "--offline", "--example", "stock_sled", "--manifest-path"]);
    cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).arg("--target-dir").arg(profile.parent().unwrap());
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success(), "the control does not build");
    profile.join("examples/stock_sled")
}

/// Whether a program takes `sync_file_range` from the C library, instead of having its own.
fn imports_sync_file_range(program: &Path) -> bool {
    let output = Command::new("nm").args(["-D", "--undefined-only"]).arg(program).output().unwrap();
    assert!(output.status.success(), "nm: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().any(|line| line.contains(" sync_file_range"))
}
