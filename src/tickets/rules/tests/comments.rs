use super::*;

#[rstest]
#[case::requester_public(EVA, "open", false, 200)]
#[case::requester_note(EVA, "open", true, 403)]
#[case::requester_note_when_closed(EVA, "closed", true, 403)]
#[case::requester_when_closed(EVA, "closed", false, 409)]
#[case::agent_when_closed(ANA, "closed", false, 409)]
#[case::note_when_closed(ANA, "closed", true, 200)]
#[case::when_resolved(EVA, "resolved", false, 200)]
fn who_may_comment(#[case] by: i64, #[case] status: &str, #[case] internal: bool, #[case] expected: u16) {
    let new = NewComment::from_json(json!({"content": "c", "is_internal": internal})).unwrap();
    assert_eq!(code(in_status(status).may_get(&actor(by), &new)), expected);
}

#[rstest]
#[case::pending_assigned("pending", Some(ANA), EVA, Some(Status::InProgress), 0)]
#[case::pending_unassigned("pending", None, EVA, Some(Status::Open), 0)]
#[case::resolved_assigned("resolved", Some(ANA), EVA, Some(Status::InProgress), 1)]
#[case::resolved_unassigned("resolved", None, EVA, Some(Status::Open), 1)]
#[case::open("open", None, EVA, None, 0)]
#[case::in_progress("in_progress", Some(ANA), EVA, None, 0)]
fn a_requesters_answer_brings_a_waiting_ticket_back(
    #[case] from: &str,
    #[case] agent: Option<i64>,
    #[case] by: i64,
    #[case] to: Option<Status>,
    #[case] reopened: i64,
) {
    let before = Ticket { assigned_agent_id: agent.map(UserId), ..in_status(from) };
    let (comment, entry, moved) = before.commented(by, false, 3 * HOUR);
    assert_eq!((entry.action, entry.comment_id, entry.internal), (Action::CommentCreated, Some(comment.id), false));
    assert_eq!(moved.as_ref().map(|(next, _)| next.status), to);
    if let Some((next, entry)) = moved {
        assert_eq!((next.reopen_count, next.resolved_at, next.version), (reopened, None, before.version + 1));
        assert_eq!(entry.action, Action::TicketStatusChanged);
    }
}

#[test]
fn staff_never_reopen_by_a_comment_also_not_their_own_requests() {
    let resolved = in_status("resolved");
    assert_eq!(resolved.commented(ANA, false, 9).2.map(|(next, _)| next.status), Some(Status::Resolved), "it is the first answer, no more");
    let own = Ticket { creator_id: UserId(ANA), ..resolved };
    assert!(own.commented(ANA, false, 9).2.is_none());
    let own_pending = Ticket { creator_id: UserId(ANA), ..in_status("pending") };
    assert_eq!(own_pending.commented(ANA, false, 9).2.map(|(next, _)| next.status), Some(Status::Open), "the requester has answered");
}

#[test]
fn a_note_moves_nothing_and_its_entry_is_hidden() {
    let own_pending = Ticket { creator_id: UserId(ANA), ..in_status("pending") };
    let (comment, entry, moved) = own_pending.commented(ANA, true, 9);
    assert!(comment.is_internal && entry.internal && moved.is_none());
}

#[rstest]
#[case::author(EVA, EVA, 200)]
#[case::other_requester(ANA, EVA, 403)]
#[case::other_agent(ANA, BEN, 403)]
#[case::agent_on_requesters(EVA, ANA, 403)]
#[case::admin(ANA, ROOT, 200)]
fn comments_are_changed_by_their_author_and_by_admins(#[case] author: i64, #[case] who: i64, #[case] expected: u16) {
    let (comment, ..) = ticket().commented(author, false, 1);
    assert_eq!(code(comment.may_change(&actor(who))), expected);
}

#[test]
fn notes_and_deleted_comments_are_not_there_for_those_who_may_not_see_them() {
    let (note, ..) = ticket().commented(ANA, true, 1);
    assert_eq!([EVA, BEN, ROOT].map(|who| code(note.visible_to(&actor(who)))), [404, 200, 200]);
    let (gone, entry) = note.delete(&actor(ANA), &ticket(), at(2));
    assert_eq!([EVA, BEN, ROOT].map(|who| code(gone.visible_to(&actor(who)))), [404, 404, 404]);
    assert_eq!((entry.action, entry.internal, gone.version), (Action::CommentDeleted, true, 2));
}

#[test]
fn an_edit_is_told_and_the_same_text_is_none() {
    let (comment, ..) = ticket().commented(EVA, false, 1);
    let (next, entry) = comment.edit("new", &actor(EVA), &ticket(), at(2)).unwrap();
    assert_eq!((next.content.as_str(), next.version, next.updated_at, next.created_at), ("new", 2, at(2), at(1)));
    assert_eq!((entry.action, &entry.changes["content"]), (Action::CommentUpdated, &[json!("c"), json!("new")]));
    assert!(comment.edit("c", &actor(EVA), &ticket(), at(2)).is_none());
}

#[test]
fn counts_and_tags_show_notes_to_staff_only() {
    let ticket = Ticket { public_comments: 2, internal_notes: 3, version: 4, ..ticket() };
    let name = |id: UserId| format!("name {id}");
    assert_eq!((ticket.comment_count(true), ticket.comment_count(false)), (5, 2));
    assert_eq!((ticket.etag(true), ticket.etag(false)), ("\"4-5\"".to_owned(), "\"4-2\"".to_owned()));
    let view = ticket.view(false, at(0), name);
    assert_eq!((view.comment_count, view.creator_name.as_str(), view.assigned_agent_name), (2, "name 1", None));
}
