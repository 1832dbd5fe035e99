//! The API on PostgreSQL: the suites that talk to a desk are run a second time, by this same test program, with desks that
//! store there. So they are the same tests, asking for the same bodies, orders and errors.

use std::process::Command;

use crate::support::ON_POSTGRES;

/// Suites of which a desk's storage can change the outcome.
const SUITES: [&str; 26] = [
    "activity::",
    "analytics::",
    "analytics_log::",
    "api_tokens::",
    "auth::",
    "authz_matrix::",
    "bulk::",
    "comments::",
    "etags::",
    "events::",
    "idempotency::",
    "lists::",
    "old_desk::",
    "pages::",
    "people::",
    "preferences::",
    "search::",
    "sessions::",
    "settings::",
    "security::mass_assignment::",
    "sla::",
    "ticket_races::",
    "ticket_rights::",
    "ticket_state::",
    "tickets::",
    "users::",
];

/// What is left out: these send hundreds of requests at once, of which a database that is short of connections refuses
/// some with 503, as it should. The stores' own tests ask for the same.
const TOO_MANY_AT_ONCE: [&str; 3] = [
    "five_hundred_streams_see_each_entry_once_while_many_write",
    "five_hundred_tickets_change_in_one_commit",
    "totals_are_exact_where_it_is_promised_and_capped_elsewhere",
];

#[test]
fn the_api_is_the_same_on_postgresql() {
    let mut again = Command::new(std::env::current_exe().unwrap());
    // Suites of the stores have cases of their own there.
    for left_out in TOO_MANY_AT_ONCE {
        again.args(["--skip", left_out]);
    }
    let ran = again.args(SUITES).args(["--skip", "store::"]).env(ON_POSTGRES, "1").output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    let passed = said.rsplit_once("test result: ok. ").and_then(|(_, rest)| rest.split(' ').next()?.parse::<u32>().ok());
    assert!(passed.is_some_and(|passed| passed >= 200), "{passed:?} tests ran:\n{said}");
}
