//! The alerts, by Prometheus' own checker: each fires when it must, and keeps quiet otherwise.

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::Value;

use super::{list, place, text};
use crate::deployment::yaml;

/// The file with the alerts.
pub const RULES: &str = "alerts/taquilla.rules.yml";

/// The tests that promtool runs.
const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/grafana/alerts.test.yml");

/// Every alert.
fn alerts() -> Vec<Value> {
    let rules = yaml(&fs::read_to_string(place(RULES)).unwrap());
    list(&rules, "groups").iter().flat_map(|group| list(group, "rules").to_vec()).collect()
}

/// What they watch.
pub fn expressions() -> Vec<String> {
    alerts().iter().map(|alert| text(alert, "expr").to_owned()).collect()
}

fn promtool(arguments: &[&str]) {
    let ran = Command::new("promtool").args(arguments).output().expect("promtool runs; `./dev setup` installs it");
    let said = [ran.stdout, ran.stderr].concat();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn the_rules_are_well_formed_and_do_what_their_tests_say() {
    promtool(&["check", "rules", place(RULES).to_str().unwrap()]);
    promtool(&["test", "rules", TESTS]);
}

#[test]
fn each_alert_is_seen_firing_and_seen_quiet() {
    let tests = yaml(&fs::read_to_string(TESTS).unwrap());
    let (mut fires, mut quiet) = (BTreeSet::new(), BTreeSet::new());
    for test in list(&tests, "tests") {
        for case in list(test, "alert_rule_test") {
            let seen = if list(case, "exp_alerts").is_empty() { &mut quiet } else { &mut fires };
            seen.insert(text(case, "alertname").to_owned());
        }
    }
    let all: BTreeSet<String> = alerts().iter().map(|alert| text(alert, "alert").to_owned()).collect();
    assert_eq!((&fires, &quiet), (&all, &all));
}

#[test]
fn each_alert_says_what_is_wrong_and_has_its_place_in_the_manual() {
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPERATIONS.md")).unwrap();
    for alert in alerts() {
        let name = text(&alert, "alert");
        assert!(["critical", "warning"].contains(&text(&alert["labels"], "severity")), "{name}");
        for note in ["summary", "description"] {
            assert!(!text(&alert["annotations"], note).is_empty(), "{name}");
        }
        assert!(manual.contains(&format!("\n#### {name}\n")), "docs/OPERATIONS.md has no chapter on {name}");
    }
}
