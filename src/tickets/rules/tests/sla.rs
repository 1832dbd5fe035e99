use super::*;
use crate::tickets::{model::SlaState, sla::Target};

#[rstest]
#[case::low("low", 24, 120)]
#[case::medium("medium", 8, 72)]
#[case::high("high", 4, 24)]
#[case::critical("critical", 1, 4)]
fn due_times_follow_the_priority_from_creation(#[case] priority: &str, #[case] first_response: i64, #[case] resolution: i64) {
    let set = |t: &Ticket| (t.first_response_due_at, t.resolution_due_at);
    let expected = (Some(at(first_response * HOUR)), Some(at(resolution * HOUR)));
    let new = new_ticket(&json!({"priority": priority}));
    assert_eq!(set(&Ticket::open(TicketId(7), new, &actor(EVA), &user(EVA), SlaTargets::default(), at(0)).unwrap().0), expected);
    if priority != "medium" {
        assert_eq!(set(&ticket().after(json!({"priority": priority}), 10)), expected);
    }
}

#[test]
fn a_ticket_keeps_the_targets_that_it_was_opened_under() {
    let five = Target { first_response_minutes: 5, resolution_minutes: 10 };
    let targets = SlaTargets { high: five, ..SlaTargets::default() };
    let (ticket, _) = Ticket::open(TicketId(7), new_ticket(&json!({})), &actor(EVA), &user(EVA), targets, at(0)).unwrap();
    assert_eq!(ticket.after(json!({"priority": "high"}), 1).resolution_due_at, Some(at(600)));
}

#[rstest]
#[case::in_time(8 * HOUR, Verdict::Met)]
#[case::late(8 * HOUR + 1, Verdict::Breached)]
fn the_first_response_is_judged_once(#[case] when: i64, #[case] verdict: Verdict) {
    let (_, _, moved) = ticket().commented(ANA, false, when);
    let (next, entry) = moved.unwrap();
    assert_eq!((next.first_response_at, next.first_response), (Some(at(when)), verdict));
    assert_eq!((next.first_response_decided_at, next.resolution_decided_at), (Some(at(when)), None));
    assert_eq!(entry.changes["sla.first_response"], [json!("running"), json!(verdict)]);
    assert_eq!(entry.action, Action::TicketUpdated);
    assert!(next.commented(BEN, false, when + 1).2.is_none(), "the second answer decides nothing");
    let urgent = next.after(json!({"priority": "critical"}), when + 2);
    assert_eq!((urgent.first_response, urgent.first_response_due_at), (verdict, Some(at(HOUR))), "a verdict stands");
}

#[rstest]
#[case::requester(EVA, false, false)]
#[case::note(ANA, true, false)]
#[case::agent(ANA, false, true)]
#[case::admin(ROOT, false, true)]
fn a_public_answer_of_staff_is_the_first_response(#[case] by: i64, #[case] internal: bool, #[case] counts: bool) {
    assert_eq!(ticket().commented(by, internal, 5).2.is_some(), counts);
}

#[test]
fn staff_do_not_answer_themselves() {
    let own = opened(ANA, ANA);
    assert!(own.commented(ANA, false, 5).2.is_none());
    let (answered, _) = own.commented(BEN, false, 5).2.unwrap();
    assert_eq!((answered.first_response_at, answered.first_response), (Some(at(5)), Verdict::None));
    let typed_for_eva = opened(ANA, EVA);
    assert!(typed_for_eva.commented(ANA, false, 5).2.is_some(), "whoever typed it is not its requester");
}

#[rstest]
#[case::resolved_in_time("resolved", 8 * HOUR, Verdict::Met, Verdict::Met)]
#[case::closed_late_for_an_answer("closed", 9 * HOUR, Verdict::Breached, Verdict::Met)]
#[case::resolved_too_late("resolved", 73 * HOUR, Verdict::Breached, Verdict::Breached)]
fn the_end_of_a_ticket_ends_both_waits(
    #[case] status: &str,
    #[case] when: i64,
    #[case] first_response: Verdict,
    #[case] resolution: Verdict,
) {
    let done = ticket().after(json!({"status": status}), when);
    assert_eq!(done.sla(at(1_000 * HOUR)), SlaState { first_response, resolution });
    assert_eq!(done.first_response_at, None);
    let again = done.after(json!({"status": "open"}), when + 1).after(json!({"status": "resolved"}), 1_000 * HOUR);
    assert_eq!((again.first_response, again.resolution), (first_response, resolution), "decided once");
    assert_eq!((again.first_response_decided_at, again.resolution_decided_at), (Some(at(when)), Some(at(when))));
}

#[test]
fn a_verdict_uses_the_target_then_in_force() {
    let both = ticket().after(json!({"priority": "critical", "status": "resolved"}), 5 * HOUR);
    assert_eq!((both.first_response, both.resolution), (Verdict::Breached, Verdict::Breached));
}

#[test]
fn clocks_stand_as_they_do_until_the_next_due_time() {
    let ticket = ticket();
    for (now, until) in [(0, Some(8)), (8 * HOUR, Some(8)), (8 * HOUR + 1, Some(72)), (72 * HOUR, Some(72)), (72 * HOUR + 1, None)] {
        assert_eq!(ticket.next_breach(at(now)), until.map(|hours| at(hours * HOUR)), "{now}");
    }
    let resolved = ticket.after(json!({"status": "resolved"}), HOUR);
    assert_eq!(resolved.next_breach(at(2 * HOUR)), None, "nothing runs any more");
}

#[test]
fn a_running_clock_past_its_time_shows_as_breached_and_makes_overdue() {
    let ticket = ticket();
    let shown = |seconds| (ticket.sla(at(seconds)).first_response, ticket.sla(at(seconds)).resolution, ticket.is_overdue(at(seconds)));
    assert_eq!(shown(8 * HOUR), (Verdict::Running, Verdict::Running, false));
    assert_eq!(shown(8 * HOUR + 1), (Verdict::Breached, Verdict::Running, true));
    assert_eq!(shown(72 * HOUR + 1), (Verdict::Breached, Verdict::Breached, true));
    let (answered, _) = ticket.commented(ANA, false, 9 * HOUR).2.unwrap();
    assert!(!answered.is_overdue(at(10 * HOUR)), "a late answer is no longer waited for");
    assert!(answered.is_overdue(at(73 * HOUR)));
    let resolved = ticket.after(json!({"status": "resolved"}), 80 * HOUR);
    assert!(!resolved.is_overdue(at(90 * HOUR)), "only active tickets are overdue");
}
