//! P4: on a full disk writes are refused quickly, reads go on, nothing is lost, and the desk heals by itself.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::json;

use crate::{
    ONE_AT_A_TIME,
    api::{Answer, Api, people},
    check::Check,
    desk::{Desk, Work},
    ledger::Ledger,
    load::{self, Running},
    rng::Rng,
    tell,
    volume::{Small, reason_not_to_run},
};

/// How large the disk is, in MiB.
const DISK: u32 = 192;

/// What is left free when it is filled, in bytes.
const LEFT: u64 = 1 << 20;

/// How soon a write must be refused.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);

/// How soon readiness must tell the truth.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// How soon writes must work again when there is room.
const HEALED_WITHIN: Duration = Duration::from_secs(10);

/// Between two tries; a pace, not a wait for something.
const PACE: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_keeps_reads_and_heals() {
    let _alone = ONE_AT_A_TIME.lock().await;
    if reason_not_to_run("full disk") {
        return;
    }
    let mut rng = Rng::for_rig("full disk");
    let work = Work::new();
    let (volume, log) = (Small::new(work.path("mount"), DISK), work.path("desk.log"));
    let data = volume.path("data");
    let mut desk = Desk::start(&data, &log).await;
    let people = Arc::new(people(&desk).await);
    let ledger = Arc::new(Ledger::default());
    let admin = desk.api(&people[0].token);
    load::make_group(&admin, &ledger).await;
    for round in 1..=2 {
        let load = Running::start(&desk, &people, &ledger, 8, &mut rng);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let ballast = volume.fill(LEFT);
        let refused = until(Duration::from_secs(30), || write(&admin, &ledger), |(answer, _)| answer.status == 503).await;
        let (answer, took) = refused.unwrap_or_else(|| panic!("the disk is full ({} bytes free) and writes go on", volume.free()));
        assert!(took < REFUSED_WITHIN, "a write was refused after {took:?}");
        assert!(answer.header("retry-after").parse::<u32>().is_ok(), "503 without Retry-After: {answer:?}");
        load.finish().await;
        let told = until(TOLD_WITHIN, || admin.get("//health/ready"), |answer| answer.status == 503).await;
        assert!(told.is_some(), "writes are refused and /health/ready says that all is well");
        for _ in 0..20 {
            let (answer, took) = write(&admin, &ledger).await;
            assert!(answer.status == 503 && took < REFUSED_WITHIN, "on a full disk: {} after {took:?}", answer.status);
        }
        let check = Check::new(&desk, &people, &ledger);
        check.read_everything(&mut rng).await;
        check.report("on a full disk");
        std::fs::remove_file(ballast).unwrap();
        let healed = until(HEALED_WITHIN, || write(&admin, &ledger), |(answer, _)| answer.status == 201).await;
        assert!(healed.is_some(), "no write works {HEALED_WITHIN:?} after there is room again:\n{}", desk.log_tail());
        admin.get("//health/ready").await.expect(200);
        assert!(desk.ended().is_none(), "the desk ended");
        Check::new(&desk, &people, &ledger).after_a_crash(&mut rng).await;
        tell(&format!("full disk: round {round} of 2 healed"));
    }
    Check::new(&desk, &people, &ledger).everything(&mut rng).await;
    desk.kill();
    desk = Desk::start(&data, &log).await;
    Check::new(&desk, &people, &ledger).everything(&mut rng).await;
}

/// Opens a ticket; the answer, and how long it took.
async fn write(admin: &Api, ledger: &Ledger) -> (Answer, Duration) {
    let word = ledger.word();
    let start = Instant::now();
    let new = json!({ "title": word, "description": "Is there room?" });
    let answer = admin.send(Method::POST, "/tickets", Some(&new), &[]).await.unwrap();
    if answer.status == 201 {
        ledger.book().opened.insert(answer.body["id"].as_i64().unwrap(), word);
    }
    (answer, start.elapsed())
}

/// Tries until the outcome is the wanted one; `None` when the time is over.
async fn until<T, Fut: Future<Output = T>>(within: Duration, mut attempt: impl FnMut() -> Fut, wanted: impl Fn(&T) -> bool) -> Option<T> {
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        let outcome = attempt().await;
        if wanted(&outcome) {
            return Some(outcome);
        }
        tokio::time::sleep(PACE).await;
    }
    None
}
