//! The load runs keep to their own rules; what they measure is not measured here.

use std::process::Command;

#[test]
fn what_the_load_runs_compute_is_right() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/bench");
    let output = Command::new("python3").args(["-B", "-m", "unittest", "suite.tests"]).current_dir(folder).output();
    let output = output.expect("python3 is needed for this test: run ./dev setup, or apt-get install python3");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    // The line is "Ran 18 tests in 0.05s"; no test found would be a success, too.
    let ran = told.lines().find_map(|line| line.strip_prefix("Ran ")?.split(' ').next()?.parse::<u32>().ok());
    assert!(ran >= Some(15), "{told}");
}

#[test]
fn the_load_runs_explain_themselves() {
    let run = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/run");
    let output = Command::new(run).arg("--help").output().expect("bench/run can be run");
    let told = String::from_utf8_lossy(&output.stdout);
    for option in ["--quick", "--tickets", "--compare", "promises"] {
        assert!(output.status.success() && told.contains(option), "{told}");
    }
}
