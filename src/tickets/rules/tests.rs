mod comments;
mod sla;

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::{
    input::FieldValue,
    tickets::{inputs::NewComment, model::Comment},
    types::CommentId,
    users::model::Locale,
};

const EVA: i64 = 1;
const ANA: i64 = 2;
const BEN: i64 = 3;
const ROOT: i64 = 4;
const TOM: i64 = 5;

const HOUR: i64 = 3_600;

fn role(id: i64) -> Role {
    match id {
        EVA | TOM => Role::User,
        ROOT => Role::Admin,
        _ => Role::Agent,
    }
}

fn user(id: i64) -> User {
    User {
        id: UserId(id),
        email: format!("u{id}@example.com").parse().unwrap(),
        full_name: format!("User {id}"),
        role: role(id),
        is_active: true,
        locale: Locale::En,
        password_hash: None,
        created_at: at(0),
        updated_at: at(0),
        version: 1,
    }
}

fn actor(id: i64) -> Actor {
    Actor::person(&user(id), Via::Session, None)
}

/// Seconds after the beginning of the test.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000).plus_seconds(seconds)
}

fn new_ticket(extra: &Value) -> NewTicket {
    let mut body = json!({"title": "t", "description": "d"});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    NewTicket::from_json(body).unwrap()
}

fn change(body: Value) -> TicketChange {
    TicketChange::from_json(body).unwrap()
}

/// A ticket of Eva's, opened at the beginning.
fn ticket() -> Ticket {
    opened(EVA, EVA)
}

fn opened(by: i64, creator: i64) -> Ticket {
    Ticket::open(TicketId(7), new_ticket(&json!({})), &actor(by), &user(creator), SlaTargets::default(), at(0)).unwrap().0
}

impl Ticket {
    /// What an admin makes of it, an hour later.
    fn with(&self, body: Value) -> Self {
        self.after(body, HOUR)
    }

    fn after(&self, body: Value, seconds: i64) -> Self {
        self.change(&actor(ROOT), &change(body), at(seconds)).unwrap().expect("it changes").0
    }

    fn commented(&self, by: i64, internal: bool, seconds: i64) -> (Comment, NewEntry, Option<(Self, NewEntry)>) {
        let new = NewComment::from_json(json!({"content": "c", "is_internal": internal})).unwrap();
        let Commented { comment, entry, moved } = self.comment(CommentId(9), new, &actor(by), at(seconds)).unwrap();
        (comment, entry, moved)
    }
}

fn in_status(status: &str) -> Ticket {
    match status {
        "open" => ticket(),
        "closed" => ticket().with(json!({"status": "resolved"})).with(json!({"status": "closed"})),
        other => ticket().with(json!({"status": other})),
    }
}

fn code(result: Result<(), AppError>) -> u16 {
    result.map_or_else(|error| error.status(), |()| 200)
}

#[rstest]
#[case::own(EVA, EVA, 200)]
#[case::requester_for_another(EVA, TOM, 403)]
#[case::agent_for_another(ANA, EVA, 200)]
#[case::admin_for_another(ROOT, EVA, 200)]
fn staff_open_tickets_on_behalf_of_others(#[case] by: i64, #[case] creator: i64, #[case] expected: u16) {
    assert_eq!(code(may_open_for(&actor(by), UserId(creator))), expected);
}

#[test]
fn a_deactivated_account_gets_neither_tickets_nor_help() {
    let gone = User { is_active: false, ..user(ANA) };
    assert_eq!(code(may_be_helped(&gone)), 400);
    assert_eq!(code(may_be_assigned(&gone)), 400);
    assert_eq!([EVA, ANA, ROOT].map(|id| code(may_be_assigned(&user(id)))), [400, 200, 200]);
}

#[rstest]
#[case::cookie(Via::Session, true, Channel::Web)]
#[case::bearer(Via::Session, false, Channel::Api)]
#[case::api_token(Via::ApiToken, false, Channel::Api)]
#[case::cli(Via::Cli, false, Channel::Cli)]
#[case::system(Via::System, false, Channel::System)]
fn the_door_decides_the_channel(#[case] via: Via, #[case] cookie: bool, #[case] channel: Channel) {
    assert_eq!(Actor { via, cookie, ..actor(EVA) }.channel(), channel);
}

#[test]
fn a_new_ticket_is_open_with_clocks_by_its_priority() {
    let (ticket, entry) = Ticket::open(
        TicketId(7),
        new_ticket(&json!({"priority": "high", "tags": ["VPN", "b", "b"]})),
        &actor(ANA),
        &user(EVA),
        SlaTargets::default(),
        at(0),
    )
    .unwrap();
    assert_eq!((ticket.status, ticket.creator_id, ticket.opened_by_id), (Status::Open, UserId(EVA), UserId(ANA)));
    assert_eq!(ticket.tags, ["b", "vpn"]);
    assert_eq!((ticket.first_response_due_at, ticket.resolution_due_at), (Some(at(4 * HOUR)), Some(at(24 * HOUR))));
    assert_eq!((ticket.version, ticket.updated_at, ticket.status_since), (1, at(0), at(0)));
    assert_eq!(entry.action, Action::TicketCreated);
    assert_eq!(entry.changes["title"], [Value::Null, json!("t")]);
    assert_eq!(entry.changes["creator_id"], [Value::Null, json!(EVA)]);
    assert!(!entry.changes.contains_key("assigned_agent_id"), "what is not there does not change");
}

#[rstest]
#[case::requester(EVA, EVA, Verdict::Running)]
#[case::agent_for_a_requester(ANA, EVA, Verdict::Running)]
#[case::agent_for_themselves(ANA, ANA, Verdict::None)]
#[case::admin_for_themselves(ROOT, ROOT, Verdict::None)]
#[case::admin_for_an_agent(ROOT, ANA, Verdict::Running)]
fn what_staff_open_for_themselves_has_no_clocks(#[case] by: i64, #[case] creator: i64, #[case] verdict: Verdict) {
    let ticket = opened(by, creator);
    assert_eq!((ticket.first_response, ticket.resolution), (verdict, verdict));
    let due = verdict == Verdict::Running;
    assert_eq!((ticket.first_response_due_at.is_some(), ticket.resolution_due_at.is_some()), (due, due));
    let urgent = ticket.with(json!({"priority": "critical"}));
    assert_eq!(urgent.resolution_due_at.is_some(), due, "a priority starts no clock");
}

#[rstest]
#[case::own(EVA, true)]
#[case::stranger(TOM, false)]
#[case::agent(ANA, true)]
#[case::admin(ROOT, true)]
fn requesters_see_their_own_tickets_and_staff_see_all(#[case] who: i64, #[case] sees: bool) {
    assert_eq!(code(ticket().visible_to(&actor(who))), if sees { 200 } else { 404 });
    let (gone, _) = ticket().delete(&actor(ROOT), at(1)).unwrap();
    assert_eq!(code(gone.visible_to(&actor(who))), 404, "nobody sees a deleted one");
}

/// Rights by the role table; `status` is the ticket's own, and Ana its assignee.
#[rstest]
// Title and description: everybody who sees the ticket. (That a closed one does not change is its state, not a right.)
#[case(EVA, "open", json!({"title": "x"}), 200)]
#[case(EVA, "closed", json!({"description": "x"}), 200)]
#[case(BEN, "open", json!({"title": "x", "description": "y"}), 200)]
// Priority and tags: staff.
#[case(EVA, "open", json!({"priority": "high"}), 403)]
#[case(EVA, "closed", json!({"priority": "high"}), 403)]
#[case(EVA, "open", json!({"tags": []}), 403)]
#[case(BEN, "open", json!({"priority": "high", "tags": ["a"]}), 200)]
// Resolving and closing: the assignee and admins; requesters close.
#[case(EVA, "open", json!({"status": "closed"}), 200)]
#[case(EVA, "resolved", json!({"status": "closed"}), 200)]
#[case(EVA, "open", json!({"status": "resolved"}), 403)]
#[case(ANA, "open", json!({"status": "resolved"}), 200)]
#[case(ANA, "pending", json!({"status": "closed"}), 200)]
#[case(BEN, "open", json!({"status": "resolved"}), 403)]
#[case(BEN, "open", json!({"status": "closed"}), 403)]
#[case(BEN, "closed", json!({"status": "resolved"}), 403)]
#[case(BEN, "open", json!({"status": "resolved", "assigned_agent_id": BEN}), 200)]
#[case(ANA, "open", json!({"status": "resolved", "assigned_agent_id": null}), 200)]
#[case(ROOT, "open", json!({"status": "resolved"}), 200)]
#[case(ROOT, "open", json!({"status": "closed"}), 200)]
// Other statuses: staff; requesters reopen.
#[case(EVA, "resolved", json!({"status": "open"}), 200)]
#[case(EVA, "closed", json!({"status": "open"}), 200)]
#[case(EVA, "closed", json!({"status": "in_progress"}), 403)]
#[case(EVA, "pending", json!({"status": "open"}), 403)]
#[case(EVA, "open", json!({"status": "pending"}), 403)]
#[case(BEN, "open", json!({"status": "pending"}), 200)]
#[case(BEN, "closed", json!({"status": "open"}), 200)]
#[case(BEN, "resolved", json!({"status": "in_progress"}), 200)]
// The status that it has already is nobody's change.
#[case(EVA, "pending", json!({"status": "pending"}), 200)]
#[case(BEN, "resolved", json!({"status": "resolved"}), 200)]
#[case(BEN, "closed", json!({"status": "closed"}), 200)]
// Assigning: staff.
#[case(EVA, "open", json!({"assigned_agent_id": ANA}), 403)]
#[case(EVA, "open", json!({"assigned_agent_id": null}), 403)]
#[case(BEN, "open", json!({"assigned_agent_id": BEN}), 200)]
#[case(BEN, "open", json!({"assigned_agent_id": null}), 200)]
// Nothing at all.
#[case(EVA, "open", json!({}), 200)]
fn rights_to_change(#[case] who: i64, #[case] status: &str, #[case] body: Value, #[case] expected: u16) {
    let assigned = Ticket { assigned_agent_id: Some(UserId(ANA)), ..in_status(status) };
    assert_eq!(code(assigned.may_change(&actor(who), &change(body))), expected);
}

#[test]
fn an_agents_own_request_is_resolved_by_its_assignee_only() {
    let own = opened(ANA, ANA);
    assert_eq!(code(own.may_change(&actor(ANA), &change(json!({"status": "closed"})))), 403);
}

#[rstest]
#[case::title(json!({"title": "x"}), Some(409))]
#[case::priority(json!({"priority": "low"}), Some(409))]
#[case::assignment(json!({"assigned_agent_id": ANA}), Some(409))]
#[case::resolving(json!({"status": "resolved"}), Some(409))]
#[case::reopening(json!({"status": "open"}), None)]
#[case::reopening_with_more(json!({"status": "pending", "title": "x", "assigned_agent_id": ANA}), None)]
#[case::same_status(json!({"status": "closed"}), None)]
#[case::same_values(json!({"title": "t", "priority": "medium", "tags": [], "assigned_agent_id": null}), None)]
#[case::nothing(json!({}), None)]
fn a_closed_ticket_changes_only_by_reopening(#[case] body: Value, #[case] refused: Option<u16>) {
    let result = in_status("closed").change(&actor(ROOT), &change(body), at(2 * HOUR));
    assert_eq!(result.err().map(|error| error.status()), refused);
}

#[rstest]
#[case(json!({}))]
#[case(json!({"title": "t"}))]
#[case(json!({"title": " t "}))]
#[case(json!({"title": "t", "description": "d", "status": "open", "priority": "medium", "tags": [], "assigned_agent_id": null}))]
fn the_value_that_it_has_is_no_change(#[case] body: Value) {
    assert!(ticket().change(&actor(ROOT), &change(body), at(1)).unwrap().is_none());
}

#[test]
fn tags_are_the_same_in_any_order_and_case() {
    let tagged = ticket().with(json!({"tags": ["b", "a"]}));
    assert!(tagged.change(&actor(ANA), &change(json!({"tags": ["A", "B", "a"]})), at(1)).unwrap().is_none());
}

/// From each status to each: what stands in the six fields that a status moves.
#[rstest]
#[case("open", "pending", None, None, false, 0)]
#[case("open", "resolved", Some(5), None, true, 0)]
#[case("open", "closed", None, Some(5), false, 0)]
#[case("resolved", "closed", Some(1), Some(5), true, 0)]
#[case("resolved", "open", None, None, true, 1)]
#[case("resolved", "in_progress", None, None, true, 1)]
#[case("closed", "open", None, None, true, 1)]
#[case("closed", "pending", None, None, true, 1)]
#[case("pending", "in_progress", None, None, false, 0)]
fn statuses_set_and_clear_their_times(
    #[case] from: &str,
    #[case] to: &str,
    #[case] resolved: Option<i64>,
    #[case] closed: Option<i64>,
    #[case] was_resolved: bool,
    #[case] reopened: i64,
) {
    let hours = |h: i64| at(h * HOUR);
    let next = in_status(from).after(json!({"status": to}), 5 * HOUR);
    assert_eq!((next.resolved_at, next.closed_at), (resolved.map(hours), closed.map(hours)));
    assert_eq!(next.first_resolved_at.is_some(), was_resolved);
    assert_eq!((next.reopen_count, next.status_since), (reopened, hours(5)));
}

#[test]
fn first_resolved_at_is_set_once_and_reopenings_add_up() {
    let mut ticket = ticket();
    for round in 0..3 {
        ticket = ticket.after(json!({"status": "resolved"}), HOUR * (2 * round + 1));
        ticket = ticket.after(json!({"status": "open"}), HOUR * (2 * round + 2));
    }
    assert_eq!((ticket.first_resolved_at, ticket.resolved_at, ticket.reopen_count), (Some(at(HOUR)), None, 3));
}

#[rstest]
#[case::assigning(None, "open", json!({"assigned_agent_id": ANA}), Status::InProgress)]
#[case::assigning_in_a_whole_form(None, "open", json!({"title": "x", "status": "open", "assigned_agent_id": ANA}), Status::InProgress)]
#[case::assigning_with_a_status(None, "open", json!({"status": "pending", "assigned_agent_id": ANA}), Status::Pending)]
#[case::assigning_a_pending_one(None, "pending", json!({"assigned_agent_id": ANA}), Status::Pending)]
#[case::assigning_a_resolved_one(None, "resolved", json!({"assigned_agent_id": ANA}), Status::Resolved)]
#[case::reassigning(Some(ANA), "open", json!({"assigned_agent_id": BEN}), Status::InProgress)]
#[case::unassigning(Some(ANA), "in_progress", json!({"assigned_agent_id": null}), Status::InProgress)]
#[case::unassigning_an_open_one(Some(ANA), "open", json!({"assigned_agent_id": null}), Status::Open)]
#[case::reopening_an_assigned_one(Some(ANA), "resolved", json!({"status": "open"}), Status::Open)]
fn an_open_ticket_that_gets_an_assignee_is_in_progress(
    #[case] agent: Option<i64>,
    #[case] from: &str,
    #[case] body: Value,
    #[case] to: Status,
) {
    let before = Ticket { assigned_agent_id: agent.map(UserId), ..in_status(from) };
    assert_eq!(before.with(body).status, to);
}

#[rstest]
#[case::assigned(json!({"assigned_agent_id": ANA, "status": "pending", "title": "x"}), Action::TicketAssigned, &["assigned_agent_id", "status", "title"])]
#[case::status(json!({"status": "pending", "title": "x"}), Action::TicketStatusChanged, &["status", "title"])]
#[case::updated(json!({"title": "x", "tags": ["a"]}), Action::TicketUpdated, &["tags", "title"])]
#[case::priority(json!({"priority": "high"}), Action::TicketUpdated, &["first_response_due_at", "priority", "resolution_due_at"])]
#[case::resolved(
    json!({"status": "resolved"}), Action::TicketStatusChanged,
    &["first_resolved_at", "resolved_at", "sla.first_response", "sla.resolution", "status"],
)]
fn one_entry_tells_every_changed_field(#[case] body: Value, #[case] action: Action, #[case] fields: &[&str]) {
    let (next, entry) = ticket().change(&actor(ROOT), &change(body), at(HOUR)).unwrap().unwrap();
    assert_eq!(entry.action, action);
    assert_eq!(entry.changes.keys().map(|k| &**k).collect::<Vec<_>>(), fields);
    assert_eq!((entry.ticket_id, entry.internal, entry.at), (Some(TicketId(7)), false, at(HOUR)));
    assert_eq!((next.version, next.updated_at), (2, at(HOUR)));
    assert_eq!(entry.facts.status_since, Some(at(0)), "when the status before began");
}

#[test]
fn updated_at_never_goes_back() {
    let later = ticket().after(json!({"title": "x"}), HOUR);
    assert_eq!(later.after(json!({"title": "y"}), 0).updated_at, at(HOUR));
}

#[rstest]
#[case::own_untouched(EVA, json!({}), 200)]
#[case::own_assigned(EVA, json!({"assigned_agent_id": ANA, "status": "pending"}), 403)]
#[case::own_in_progress(EVA, json!({"status": "in_progress"}), 403)]
#[case::own_resolved(EVA, json!({"status": "resolved"}), 403)]
#[case::own_closed(EVA, json!({"status": "closed"}), 403)]
#[case::agent(ANA, json!({}), 403)]
#[case::admin(ROOT, json!({}), 200)]
#[case::admin_closed(ROOT, json!({"status": "closed"}), 200)]
fn requesters_withdraw_what_nobody_touched_and_admins_delete_anything(#[case] who: i64, #[case] body: Value, #[case] expected: u16) {
    let before = ticket().change(&actor(ROOT), &change(body), at(1)).unwrap().map_or_else(ticket, |(next, _)| next);
    assert_eq!(code(before.delete(&actor(who), at(2)).map(|_| ())), expected);
}

#[test]
fn an_open_but_assigned_ticket_cannot_be_withdrawn() {
    let assigned = Ticket { assigned_agent_id: Some(UserId(ANA)), ..ticket() };
    assert_eq!(assigned.delete(&actor(EVA), at(1)).unwrap_err().status(), 403);
}

#[test]
fn deleting_and_restoring_raise_the_version_and_leave_entries() {
    let (gone, entry) = in_status("closed").delete(&actor(ROOT), at(5 * HOUR)).unwrap();
    assert_eq!((entry.action, gone.version, gone.deleted_at), (Action::TicketDeleted, 4, Some(at(5 * HOUR))));
    let (back, entry) = gone.restore(&actor(ROOT), at(6 * HOUR)).unwrap();
    assert_eq!((entry.action, back.version, back.deleted_at, back.status), (Action::TicketRestored, 5, None, Status::Closed));
    assert_eq!(back.restore(&actor(ROOT), at(7 * HOUR)).unwrap_err().status(), 409);
}

#[test]
fn a_bulk_change_adds_and_takes_off_tags() {
    let tagged = ticket().with(json!({"tags": ["a", "b"]}));
    let bulk = |body| BulkFields::from_json(body).unwrap();
    let tags = |fields: &BulkFields| tagged.bulk_change(fields).tags.map(|t| t.0);
    assert_eq!(tags(&bulk(json!({"add_tags": ["C"], "remove_tags": ["b", "x"]}))), Some(vec!["a".into(), "c".into()]));
    assert_eq!(tags(&bulk(json!({"add_tags": ["a"], "remove_tags": ["a"]}))), Some(vec!["a".into(), "b".into()]));
    assert_eq!(tags(&bulk(json!({"status": "pending"}))), None);
    let many: Vec<_> = (0..19).map(|n| format!("t{n}")).collect();
    let change = tagged.bulk_change(&bulk(json!({"add_tags": many})));
    assert_eq!(tagged.change(&actor(ANA), &change, at(1)).unwrap_err().status(), 422);
}
