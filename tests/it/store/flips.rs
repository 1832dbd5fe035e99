//! Damage in the folder of the embedded store is noticed, and never served: with any single byte changed, the store either
//! refuses to open and says what to do, or every answer is right, or it says that what it read is damaged.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::mpsc,
    time::Duration,
};

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use taquilla::store::{
    StoreError,
    sled::{Options, SledStore, fsck},
};

use super::{
    ask::{Found, Question, ask},
    reopen::{populate, questions},
    site::Site,
};

/// How many bytes are changed, one after the other.
const FLIPS: usize = 200;

/// Nothing takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Every file of a folder, as a path within it, with its bytes.
fn files(folder: &Path, within: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder.join(within)).unwrap() {
        let file = file.unwrap();
        let path = within.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            found.extend(files(folder, &path));
        } else {
            found.push((path, std::fs::read(file.path()).unwrap()));
        }
    }
    found.sort();
    found
}

fn write(folder: &Path, files: &[(PathBuf, Vec<u8>)]) {
    for (path, bytes) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// How a damaged store has behaved.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Outcome {
    /// It did not open, and said so.
    Refused,
    /// It opened, and said of some answers that they are damaged.
    Told,
    /// All was right.
    Right,
}

/// Opens the store in a folder and compares every answer with the right one.
fn try_out(dir: &Path, all: &[(Question, Result<Found, StoreError>)]) -> Result<Outcome, String> {
    let options = Options { dir: dir.to_owned(), cache_mib: 16 };
    let store = match SledStore::open(options.clone()) {
        Ok(store) => store,
        Err(error) if error.to_string().contains("taquilla restore FILE --force") => return Ok(Outcome::Refused),
        Err(error) => return Err(format!("a refusal that does not say what to do: {error}")),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut outcome = Outcome::Right;
    for (question, right) in all {
        match runtime.block_on(ask(&*store, question)) {
            found if found == *right => {}
            Err(StoreError::Corrupt(_)) => outcome = Outcome::Told,
            found => return Err(format!("{question:?}: {found:.300?} instead of {right:.300?}")),
        }
    }
    drop(store);
    match fsck(&options, false) {
        Ok(report) if outcome == Outcome::Told && report.problems.is_empty() => Err("a check finds nothing".into()),
        // A page that the engine cannot read ends it.
        _ => Ok(outcome),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_byte_is_noticed_or_does_no_harm() {
    let site = Site::sled().await;
    let model = populate(&*site).await;
    let mut all = Vec::new();
    for question in questions(&model) {
        let right = ask(&model, &question).await;
        all.push((question, right));
    }
    site.close().await.unwrap();
    let home = site.folder().unwrap().to_owned();
    let _home = site.let_go().await;
    let good: Vec<_> = files(&home.join("data"), Path::new("")).into_iter().filter(|(path, _)| path != Path::new("LOCK")).collect();
    // Where there is something: a good part of the files is room for what comes.
    let places: Vec<(usize, usize)> = good
        .iter()
        .enumerate()
        .flat_map(|(file, (_, bytes))| bytes.iter().enumerate().filter(|(_, byte)| **byte != 0).map(move |(at, _)| (file, at)))
        .collect();
    let strategy = (any::<proptest::sample::Index>(), 0..8_u32);
    let (send, receive) = mpsc::channel();
    let rig = std::thread::spawn(move || {
        let mut runner = TestRunner::deterministic();
        for n in 0..FLIPS {
            let (place, bit) = strategy.new_tree(&mut runner).unwrap().current();
            let (file, at) = places[place.index(places.len())];
            let mut bad = good.clone();
            bad[file].1[at] ^= 1 << bit;
            let what = format!("flip {n}: {} at {at}, bit {bit}", bad[file].0.display());
            let dir = tempfile::tempdir().unwrap();
            let _ = send.send((what.clone(), None));
            write(dir.path(), &bad);
            let outcome = catch_unwind(AssertUnwindSafe(|| try_out(dir.path(), &all))).unwrap_or_else(|_| Err("it panicked".into()));
            let _ = send.send((what, Some(outcome)));
        }
    });
    let (mut counts, mut faults) = ([0; 3], Vec::new());
    let mut last = String::new();
    loop {
        match receive.recv_timeout(PATIENCE) {
            Ok((what, None)) => last = what,
            Ok((_, Some(Ok(outcome)))) => counts[outcome as usize] += 1,
            Ok((what, Some(Err(fault)))) => faults.push(format!("{what}: {fault}")),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("{last}: it hangs"),
        }
    }
    rig.join().unwrap();
    assert!(faults.is_empty(), "{} of {FLIPS} (refused, told, right: {counts:?}):\n{}", faults.len(), faults.join("\n"));
    assert_eq!(counts.iter().sum::<usize>(), FLIPS);
    assert!(counts[0] > 0 && counts[2] > 0, "refused, told, right: {counts:?}");
}
