//! Comments and internal notes.

use serde_json::{Value, json};

use crate::{
    support::{Client, Desk},
    tickets::faults,
};

async fn desk() -> (Desk, Client, Client, i64) {
    let desk = Desk::start().await;
    let (eva, ana) = (desk.user("eva").await, desk.agent("ana").await);
    let id = eva.open(json!({})).await;
    (desk, eva, ana, id)
}

#[tokio::test]
async fn a_comment_has_every_field_and_the_same_ones_everywhere() {
    let (desk, eva, _, id) = desk().await;
    desk.advance(1);
    let list = format!("/tickets/{id}/comments");
    let made = eva.post(&list, json!({"content": " Still *burning* \n"})).await;
    let comment = made.body["id"].as_i64().unwrap();
    assert_eq!((made.header("location"), made.header("etag")), (format!("/api/v1{list}/{comment}").as_str(), "\"1\""));
    let made = made.expect(201);
    assert_eq!(
        made,
        json!({
            "id": comment, "ticket_id": id, "author_id": eva.id, "author_name": "Eva Example", "content": " Still *burning* \n",
            "is_internal": false, "created_at": "2026-03-02T09:00:01Z", "updated_at": "2026-03-02T09:00:01Z", "version": 1,
        })
    );
    assert_eq!(eva.get(&list).await.expect(200), json!([made]));
    assert_eq!(eva.get(&format!("{list}/{comment}")).await.expect(200), made);

    desk.advance(1);
    let changed = eva.put(&format!("{list}/{comment}"), json!({"content": "Extinguished"})).await;
    assert_eq!(changed.header("etag"), "\"2\"");
    let mut expected = made;
    expected["content"] = json!("Extinguished");
    expected["updated_at"] = json!("2026-03-02T09:00:02Z");
    expected["version"] = json!(2);
    assert_eq!(changed.expect(200), expected);
    desk.advance(1);
    assert_eq!(eva.put(&format!("{list}/{comment}"), json!({"content": "Extinguished"})).await.expect(200), expected, "no change");
    assert_eq!(eva.activity(id).await.len(), 3);

    let gone = eva.delete(&format!("{list}/{comment}")).await;
    assert_eq!((gone.status, gone.body), (204, Value::Null));
    assert_eq!(eva.get(&list).await.expect(200), json!([]));
    eva.get(&format!("{list}/{comment}")).await.expect(404);
    eva.put(&format!("{list}/{comment}"), json!({"content": "x"})).await.expect(404);
    eva.delete(&format!("{list}/{comment}")).await.expect(404);
}

#[tokio::test]
async fn comments_are_paged_oldest_first() {
    let (_desk, eva, ana, id) = desk().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(eva.comment(id, &format!("{n}")).await);
        ana.note(id, "hidden").await;
    }
    let list = format!("/tickets/{id}/comments");
    let first = eva.get(&format!("{list}?limit=2")).await;
    assert_eq!(first.header("x-total-count"), "5");
    let (mut next, mut seen) = (first.next(), first.expect(200).as_array().unwrap().clone());
    while let Some(path) = next {
        let page = eva.get(&path).await;
        assert_eq!(page.header("x-total-count"), "");
        next = page.next();
        seen.extend(page.expect(200).as_array().unwrap().clone());
    }
    assert_eq!(seen.iter().map(|row| row["id"].as_i64().unwrap()).collect::<Vec<_>>(), ids);
    let all = ana.get(&list).await;
    assert_eq!((all.header("x-total-count"), all.next()), ("10", None));
    let all = all.expect(200);
    assert!(all.as_array().unwrap().is_sorted_by_key(|row| row["id"].as_i64().unwrap()));
    assert_eq!(all[1]["is_internal"], true);

    let cursor = eva.get(&format!("{list}?limit=2")).await.next().unwrap().split("cursor=").nth(1).unwrap().to_owned();
    let other = eva.open(json!({})).await;
    eva.get(&format!("/tickets/{other}/comments?cursor={cursor}")).await.expect(422);
    eva.get(&format!("{list}?cursor=x")).await.expect(422);
    eva.get(&format!("{list}?limit=201")).await.expect(422);
    eva.get(&format!("{list}?sort=id")).await.expect(422);
}

#[tokio::test]
async fn bad_comments_are_refused_with_every_fault() {
    let (_desk, eva, _, id) = desk().await;
    let list = format!("/tickets/{id}/comments");
    let refused = |body: Value| eva.post(&list, body);
    assert_eq!(
        faults(&refused(json!({"content": "", "is_internal": "no", "author_id": 1})).await.expect(422)),
        [("author_id", "unknown_field"), ("content", "too_short"), ("is_internal", "wrong_type"),]
    );
    assert_eq!(faults(&refused(json!({})).await.expect(422)), [("content", "missing")]);
    assert_eq!(faults(&refused(json!({"content": "é".repeat(65_537)})).await.expect(422)), [("content", "too_long")]);
    let comment = refused(json!({"content": "é".repeat(65_536), "is_internal": null})).await.expect(201);
    let path = format!("{list}/{}", comment["id"]);
    assert_eq!(faults(&eva.put(&path, json!({})).await.expect(422)), [("content", "missing")]);
    assert_eq!(faults(&eva.put(&path, json!({"content": "x", "is_internal": true})).await.expect(422)), [("is_internal", "unknown_field")]);
    eva.get(&list).await.expect(200);
}

#[tokio::test]
async fn a_comment_is_reached_through_its_own_ticket_only() {
    let (desk, eva, _, id) = desk().await;
    let admin = desk.admin().await;
    let other = eva.open(json!({})).await;
    let comment = eva.comment(id, "mine").await;
    for ticket in [other, 999_999] {
        let path = format!("/tickets/{ticket}/comments/{comment}");
        for who in [&eva, &admin] {
            who.get(&path).await.expect(404);
            who.put(&path, json!({"content": "x"})).await.expect(404);
            who.delete(&path).await.expect(404);
        }
    }
    assert_eq!(eva.get(&format!("/tickets/{id}/comments")).await.expect(200)[0]["content"], "mine");
}

#[tokio::test]
async fn internal_notes_leave_no_trace_for_requesters() {
    let (desk, eva, ana, id) = desk().await;
    let before = eva.get(&format!("/tickets/{id}")).await;
    desk.advance(60);
    let note = ana.note(id, "between us").await;
    let after = eva.get(&format!("/tickets/{id}")).await;
    assert_eq!((before.header("etag"), &before.body), (after.header("etag"), &after.body));
    let list = eva.get(&format!("/tickets/{id}/comments")).await;
    assert_eq!(list.header("x-total-count"), "0");
    assert_eq!(list.expect(200), json!([]));
    eva.get(&format!("/tickets/{id}/comments/{note}")).await.expect(404);
    assert_eq!(eva.activity(id).await.len(), 1);
    assert_eq!(ana.activity(id).await.len(), 2);
}

#[tokio::test]
async fn the_name_shown_is_the_present_one() {
    let (_desk, eva, ana, id) = desk().await;
    eva.comment(id, "c").await;
    ana.assign(id, ana.id).await;
    let tag = ana.get(&format!("/tickets/{id}")).await.header("etag").to_owned();
    eva.patch("/auth/me", json!({"full_name": "Eva Nueva"})).await.expect(200);
    assert_eq!(ana.get(&format!("/tickets/{id}/comments")).await.expect(200)[0]["author_name"], "Eva Nueva");
    assert_eq!(ana.ticket(id).await["creator_name"], "Eva Nueva");
    assert_eq!(ana.get(&format!("/tickets/{id}")).await.header("etag"), tag, "names are not covered by the tag");
    assert_eq!(eva.get("/tickets").await.expect(200)[0]["creator_name"], "Eva Nueva");
    assert_eq!(ana.activity(id).await[0]["actor"]["name"], "Eva Example", "the log tells the name of then");
}
