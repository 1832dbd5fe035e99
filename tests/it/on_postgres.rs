//! The API on PostgreSQL: the suites that talk to a desk are run a second time, by this same test program, with desks that
//! store there. So they are the same tests, asking for the same bodies, orders and errors.

use std::process::Command;

use crate::support::ON_POSTGRES;

/// Suites of which a desk's storage can change the outcome.
const SUITES: [&str; 18] = [
    "activity::",
    "analytics::",
    "analytics_log::",
    "api_tokens::",
    "bulk::",
    "comments::",
    "etags::",
    "idempotency::",
    "lists::",
    "old_desk::",
    "pages::",
    "people::",
    "search::",
    "sessions::",
    "settings::",
    "ticket_races::",
    "tickets::",
    "users::",
];

#[test]
fn the_api_is_the_same_on_postgresql() {
    let mut again = Command::new(std::env::current_exe().unwrap());
    // Suites of the stores have cases of their own there.
    let ran = again.args(SUITES).args(["--skip", "store::"]).env(ON_POSTGRES, "1").output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    let passed = said.rsplit_once("test result: ok. ").and_then(|(_, rest)| rest.split(' ').next()?.parse::<u32>().ok());
    assert!(passed.is_some_and(|passed| passed >= 80), "{passed:?} tests ran:\n{said}");
}
