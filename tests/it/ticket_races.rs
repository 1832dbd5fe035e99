//! Many people at once: nothing vanishes, nothing slips past a rule.

use std::future::Future;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::{Client, Desk};

/// Runs all at once, and gives their results in order.
async fn together<T: Send + 'static>(work: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let running: Vec<JoinHandle<T>> = work.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::new();
    for one in running {
        results.push(one.await.unwrap());
    }
    results
}

fn version(ticket: &Value) -> usize {
    usize::try_from(ticket["version"].as_i64().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_people_comment_at_once_and_none_is_refused() {
    let desk = Desk::start().await;
    let (eva, ana) = (desk.user("eva").await, desk.agent("ana").await);
    let id = eva.open(json!({})).await;
    let comments = together((0..64).map(|n| {
        let who = if n % 2 == 0 { eva.clone() } else { ana.clone() };
        async move { if n % 4 == 3 { who.note(id, &format!("{n}")).await } else { who.comment(id, &format!("{n}")).await } }
    }))
    .await;
    let mut unique = comments.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), 64);
    assert_eq!((ana.ticket(id).await["comment_count"].clone(), eva.ticket(id).await["comment_count"].clone()), (json!(64), json!(48)));
    assert_eq!(ana.ids(&format!("/tickets/{id}/comments?limit=200")).await, unique);
    let log = ana.activity(id).await;
    assert_eq!(log.iter().filter(|e| e["action"] == "comment.created").count(), 64);
    assert_eq!(version(&ana.ticket(id).await), 2, "only the first response changed the ticket");
    assert_eq!(log.iter().filter(|e| e["action"] == "ticket.updated").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixty_four_writers_with_one_tag_one_is_accepted() {
    let desk = Desk::start().await;
    let (eva, ana) = (desk.user("eva").await, desk.agent("ana").await);
    let id = eva.open(json!({})).await;
    let path = format!("/tickets/{id}");
    for round in 0..4 {
        let before = ana.get(&path).await;
        let (tag, before) = (before.header("etag").to_owned(), version(&before.body));
        let statuses = together((0..64).map(|n| {
            let request = ana.request(Method::PUT, &path).header("if-match", &tag).json(&json!({"title": format!("{round} {n}")}));
            let ana = ana.clone();
            async move { ana.send(request).await.status }
        }))
        .await;
        let accepted = statuses.iter().filter(|s| **s == 200).count();
        assert!(statuses.iter().all(|s| [200, 412].contains(s)), "{statuses:?}");
        assert_eq!((accepted, version(&ana.ticket(id).await) - before), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_without_a_tag_are_decided_again_and_all_succeed() {
    let desk = Desk::start().await;
    let (eva, ana) = (desk.user("eva").await, desk.agent("ana").await);
    let id = eva.open(json!({})).await;
    let path = format!("/tickets/{id}");
    let statuses = together((0..64).map(|n| {
        let (ana, path) = (ana.clone(), path.clone());
        async move { ana.put(&path, json!({"title": format!("title {n}")})).await.status }
    }))
    .await;
    assert!(statuses.iter().all(|s| *s == 200), "{statuses:?}");
    assert_eq!(version(&ana.ticket(id).await), 65);
    let log = ana.activity(id).await;
    assert_eq!(log.len(), 65);
    // Each change began where the one before ended: none was overwritten unseen.
    let titles: Vec<_> = log.iter().map(|entry| entry["changes"]["title"].clone()).collect();
    assert!(titles.windows(2).all(|pair| pair[0][1] == pair[1][0]), "{titles:?}");
    assert_eq!(titles[64][1], ana.ticket(id).await["title"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_different_fields_at_once_are_all_kept() {
    let desk = Desk::start().await;
    let (eva, ana) = (desk.user("eva").await, desk.agent("ana").await);
    for _ in 0..8 {
        let id = eva.open(json!({})).await;
        let changes = [
            json!({"title": "new"}),
            json!({"description": "new"}),
            json!({"priority": "high"}),
            json!({"tags": ["new"]}),
            json!({"assigned_agent_id": ana.id}),
        ];
        together(changes.into_iter().map(|change| {
            let ana = ana.clone();
            async move { ana.change(id, change).await }
        }))
        .await;
        let ticket = ana.ticket(id).await;
        assert_eq!((&ticket["title"], &ticket["description"], &ticket["priority"]), (&json!("new"), &json!("new"), &json!("high")));
        assert_eq!((&ticket["tags"], &ticket["assigned_agent_id"], version(&ticket)), (&json!(["new"]), &json!(ana.id), 6));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_comment_slips_past_the_closing() {
    let desk = Desk::start().await;
    let (eva, admin) = (desk.user("eva").await, desk.admin().await);
    for _ in 0..24 {
        let id = eva.open(json!({})).await;
        let comment = |who: Client| async move { who.post(&format!("/tickets/{id}/comments"), json!({"content": "c"})).await.status };
        let close = |who: Client| async move { who.put(&format!("/tickets/{id}"), json!({"status": "closed"})).await.status };
        let (first, closed, second) =
            tokio::join!(tokio::spawn(comment(eva.clone())), tokio::spawn(close(admin.clone())), tokio::spawn(comment(eva.clone())),);
        assert_eq!(closed.unwrap(), 200);
        let statuses = [first.unwrap(), second.unwrap()];
        assert!(statuses.iter().all(|s| [201, 409].contains(s)), "{statuses:?}");
        let log = admin.activity(id).await;
        let closing = log.iter().position(|e| e["action"] == "ticket.status_changed").unwrap();
        assert!(log[closing + 1..].iter().all(|e| e["action"] != "comment.created"), "{log:#?}");
        let accepted = statuses.iter().filter(|s| **s == 201).count();
        assert_eq!(log.len(), 2 + accepted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_comment_slips_past_the_deletion() {
    let desk = Desk::start().await;
    let (eva, admin) = (desk.user("eva").await, desk.admin().await);
    for _ in 0..24 {
        let id = eva.open(json!({})).await;
        let path = format!("/tickets/{id}");
        let (commenting, deleting) = (eva.clone(), admin.clone());
        let (comments, one) = (format!("{path}/comments"), path.clone());
        let (commented, deleted) = tokio::join!(
            tokio::spawn(async move { commenting.post(&comments, json!({"content": "c"})).await.status }),
            tokio::spawn(async move { deleting.delete(&one).await.status }),
        );
        assert_eq!(deleted.unwrap(), 204);
        let commented = commented.unwrap();
        assert!([201, 404].contains(&commented), "{commented}");
        admin.post(&format!("{path}/restore"), json!({})).await.expect(200);
        let log = admin.activity(id).await;
        let last = log.iter().rposition(|e| e["action"] == "comment.created");
        let deletion = log.iter().position(|e| e["action"] == "ticket.deleted").unwrap();
        assert!(last.is_none_or(|at| at < deletion), "{log:#?}");
        assert_eq!(admin.ticket(id).await["comment_count"], i32::from(commented == 201));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_assigned_after_leaving() {
    let desk = Desk::start().await;
    let (eva, admin) = (desk.user("eva").await, desk.admin().await);
    for n in 0..16 {
        let ben = desk.agent(&format!("ben{n}")).await;
        let id = eva.open(json!({})).await;
        let (assigning, leaving, ben_id) = (admin.clone(), admin.clone(), ben.id);
        let (assigned, left) = tokio::join!(
            tokio::spawn(
                async move { assigning.patch(&format!("/tickets/{id}/assign"), json!({"assigned_agent_id": ben_id})).await.status }
            ),
            tokio::spawn(async move { leaving.delete(&format!("/users/{ben_id}")).await.status }),
        );
        assert_eq!(left.unwrap(), 204);
        let assigned = assigned.unwrap();
        assert!([200, 400].contains(&assigned), "{assigned}");
        let log = admin.get("/activity?before=9223372036854775807&limit=20").await.expect(200);
        let place = |action: &str, field: &str, value: i64| {
            log.as_array().unwrap().iter().find(|e| e["action"] == action && e[field] == value).map(|e| e["seq"].as_i64().unwrap())
        };
        let left = place("user.deactivated", "user_id", ben_id).unwrap();
        let assigned_at = place("ticket.assigned", "ticket_id", id);
        assert_eq!(assigned_at.is_some(), assigned == 200);
        assert!(assigned_at.is_none_or(|at| at < left), "assigned before leaving, or not at all");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_is_edited_by_one_of_many_with_the_same_tag() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let id = eva.open(json!({})).await;
    let path = format!("/tickets/{id}/comments/{}", eva.comment(id, "c").await);
    let statuses = together((0..16).map(|n| {
        let request = eva.request(Method::PUT, &path).header("if-match", "\"1\"").json(&json!({"content": format!("{n}")}));
        let eva = eva.clone();
        async move { eva.send(request).await.status }
    }))
    .await;
    assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 1);
    assert!(statuses.iter().all(|s| [200, 412].contains(s)), "{statuses:?}");
    let gone = together((0..16).map(|_| {
        let (eva, path) = (eva.clone(), path.clone());
        async move { eva.delete(&path).await.status }
    }))
    .await;
    assert_eq!(gone.iter().filter(|s| **s == 204).count(), 1, "{gone:?}");
    assert!(gone.iter().all(|s| [204, 404].contains(s)), "{gone:?}");
    assert_eq!(eva.ticket(id).await["comment_count"], 0, "it is counted down once");
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_changes_and_single_ones_at_once_lose_nothing() {
    let desk = Desk::start().await;
    let (eva, ana) = (desk.user("eva").await, desk.agent("ana").await);
    let ids = together((0..20).map(|_| {
        let eva = eva.clone();
        async move { eva.open(json!({})).await }
    }))
    .await;
    let bulk = |tag: &'static str| {
        let (ana, ids) = (ana.clone(), ids.clone());
        async move { ana.post("/tickets/bulk", json!({"ids": ids, "change": {"add_tags": [tag]}})).await.expect(200) }
    };
    let titles = together(ids.clone().into_iter().map(|id| {
        let eva = eva.clone();
        async move { eva.change(id, json!({"title": "new"})).await }
    }));
    let (one, other, _) = tokio::join!(tokio::spawn(bulk("a")), tokio::spawn(bulk("b")), titles);
    for results in [one.unwrap(), other.unwrap()] {
        assert!(results["results"].as_array().unwrap().iter().all(|r| r["status"] == 200), "{results}");
    }
    for id in ids {
        let ticket = ana.ticket(id).await;
        assert_eq!((&ticket["tags"], &ticket["title"], version(&ticket)), (&json!(["a", "b"]), &json!("new"), 4));
    }
}
