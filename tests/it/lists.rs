//! Lists of tickets: filters, orders, pages, totals, and that nobody sees more than their own.

use serde_json::{Value, json};

use crate::{
    support::{Client, Desk},
    tickets::faults,
};

/// Follows the pages of a list to its end.
async fn pages(who: &Client, path: &str) -> Vec<Vec<i64>> {
    let (mut path, mut pages) = (path.to_owned(), Vec::new());
    loop {
        let page = who.get(&path).await;
        let next = page.next();
        assert_eq!(page.header("x-total-count").is_empty(), !pages.is_empty(), "the total is told on the first page only");
        pages.push(page.expect(200).as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect());
        match next {
            Some(next) => path = next,
            None => return pages,
        }
    }
}

fn total(answer: &crate::support::Response) -> (&str, &str) {
    (answer.header("x-total-count"), answer.header("x-total-count-capped"))
}

#[tokio::test]
async fn a_list_that_was_asked_for_before_shows_whatever_has_changed_since() {
    let desk = Desk::start().await;
    let (eva, ana, admin) = (desk.user("eva").await, desk.agent("ana").await, desk.admin().await);
    let (eva, ana, admin) = (eva.lasting().await, ana.lasting().await, admin.lasting().await);
    let (first, second) = (eva.open(json!({"priority": "critical", "title": "First"})).await, eva.open(json!({"title": "Second"})).await);
    let lists = ["/tickets", "/tickets?sort=-priority", "/tickets?q=first", "/tickets?q=..."];
    let read = async || {
        let mut all = Vec::new();
        for who in [&eva, &ana, &admin] {
            for list in lists {
                let (once, again) = (who.get(list).await, who.get(list).await);
                assert_eq!(total(&once), total(&again));
                let (once, again) = (once.expect(200), again.expect(200));
                assert_eq!(once, again);
                for row in once.as_array().unwrap() {
                    assert_eq!(*row, who.get(&format!("/tickets/{}", row["id"])).await.expect(200), "each is as it is by itself");
                }
                all.push(once);
            }
        }
        all
    };
    let mut before = read().await;
    assert!([3, 7, 11].iter().all(|nothing| before[*nothing] == json!([])), "{before:?}");
    let mut differs = async |what: &str| {
        let now = read().await;
        assert_ne!(now, before, "{what}");
        before = now;
    };
    ana.comment(first, "An answer").await;
    differs("a comment").await;
    ana.note(first, "To ourselves").await;
    differs("a note").await;
    ana.change(second, json!({"title": "The first of all"})).await;
    differs("a title").await;
    ana.assign(second, ana.id).await;
    differs("an assignment").await;
    admin.patch(&format!("/users/{}", ana.id), json!({"full_name": "Ana Maria"})).await.expect(200);
    differs("a name").await;
    // The first one's time to be resolved in; others run on.
    desk.advance(4 * 3_600 + 1);
    differs("a clock that has run out").await;
    desk.advance(100 * 3_600);
    differs("the other clocks").await;
    admin.delete(&format!("/tickets/{second}")).await.expect(204);
    differs("a deletion").await;
}

#[tokio::test]
async fn filters_are_combined_by_and_and_their_values_by_or() {
    let desk = Desk::start().await;
    let (eva, tom, ana, admin) = (desk.user("eva").await, desk.user("tom").await, desk.agent("ana").await, desk.admin().await);
    let a = eva.open(json!({"priority": "low", "tags": ["vpn"]})).await;
    desk.advance(60);
    let b = tom.open(json!({"priority": "high", "tags": ["VPN", "mail"]})).await;
    desk.advance(60);
    let c = tom.open(json!({"priority": "critical"})).await;
    ana.assign(b, ana.id).await;
    admin.assign(c, admin.id).await;
    admin.change(c, json!({"status": "closed"})).await;
    let table = [
        ("", vec![a, b, c]),
        ("status=open", vec![a]),
        ("status=open,in_progress", vec![a, b]),
        ("status=pending", vec![]),
        ("priority=high,critical", vec![b, c]),
        ("tag=vpn", vec![a, b]),
        ("tag=VPN", vec![a, b]),
        ("tag=mail,nothing", vec![b]),
        ("assigned_agent_id=none", vec![a]),
        ("assigned_agent_id=me", vec![b]),
        (&format!("assigned_agent_id={}", admin.id), vec![c]),
        (&format!("creator_id={}", tom.id), vec![b, c]),
        ("creator_id=me", vec![]),
        ("creator_id=999999", vec![]),
        ("status=open,in_progress&priority=high", vec![b]),
        ("status=closed&tag=vpn", vec![]),
        ("created_after=2026-03-02T09:00:00Z", vec![b, c]),
        ("created_before=2026-03-02T09:01:00Z", vec![a]),
        ("created_before=2026-03-02T09:01:00.000001Z", vec![a, b]),
        ("created_after=2026-03-02T09:00:00Z&created_before=2026-03-02T09:02:00Z", vec![b]),
        ("created_after=2026-03-02T10:00:30%2B01:00", vec![b, c]),
        ("updated_after=2026-03-02T09:01:00Z", vec![b, c]),
        ("updated_before=2026-03-02T09:01:00Z", vec![a]),
    ];
    for (query, expected) in table {
        assert_eq!(ana.ids(&format!("/tickets?sort=id&{query}")).await, expected, "{query}");
    }
}

#[tokio::test]
async fn requesters_see_their_own_tickets_whatever_they_filter() {
    let desk = Desk::start().await;
    let (eva, tom, ana) = (desk.user("eva").await, desk.user("tom").await, desk.agent("ana").await);
    let own = eva.open(json!({"tags": ["vpn"]})).await;
    for _ in 0..3 {
        let foreign = tom.open(json!({"tags": ["vpn", "secret"]})).await;
        ana.assign(foreign, ana.id).await;
    }
    for query in ["", "tag=vpn", "creator_id=me", &format!("creator_id={}", eva.id), "status=open", "assigned_agent_id=none", "q=printer"] {
        let list = eva.get(&format!("/tickets?{query}")).await;
        assert_eq!((total(&list), list.next()), (("1", ""), None), "{query}");
        assert_eq!(list.expect(200)[0]["id"], own, "{query}");
    }
    let tom_id = format!("creator_id={}", tom.id);
    let ana_id = format!("assigned_agent_id={}", ana.id);
    for query in [tom_id.as_str(), ana_id.as_str(), "assigned_agent_id=me", "tag=secret", "status=in_progress"] {
        let list = eva.get(&format!("/tickets?{query}")).await;
        assert_eq!((total(&list), list.next()), (("0", ""), None), "{query}");
        assert_eq!(list.expect(200), json!([]), "{query}");
    }
}

#[tokio::test]
async fn every_order_is_total_and_its_reverse_is_exact() {
    let desk = Desk::start().await;
    let (eva, ana) = (desk.user("eva").await, desk.agent("ana").await);
    let mut ids = Vec::new();
    for (i, priority) in ["medium", "critical", "low", "critical", "high", "low"].into_iter().enumerate() {
        // Two each at the same instant, so that the id breaks ties.
        if i % 2 == 0 {
            desk.advance(60);
        }
        ids.push(eva.open(json!({"priority": priority})).await);
    }
    desk.advance(60);
    eva.comment(ids[0], "x").await;
    let of = |places: [usize; 6]| places.map(|i| ids[i]).to_vec();
    let table = [
        ("", of([5, 4, 3, 2, 1, 0])),
        ("sort=created_at", of([0, 1, 2, 3, 4, 5])),
        ("sort=-created_at", of([5, 4, 3, 2, 1, 0])),
        ("sort=updated_at", of([1, 2, 3, 4, 5, 0])),
        ("sort=-updated_at", of([0, 5, 4, 3, 2, 1])),
        ("sort=priority", of([2, 5, 0, 4, 1, 3])),
        ("sort=-priority", of([3, 1, 4, 0, 5, 2])),
        ("sort=id", of([0, 1, 2, 3, 4, 5])),
        ("sort=-id", of([5, 4, 3, 2, 1, 0])),
    ];
    for (query, expected) in table {
        assert_eq!(ana.ids(&format!("/tickets?{query}")).await, expected, "{query}");
        for limit in [1, 2, 5, 6, 7] {
            let paged = pages(&ana, &format!("/tickets?{query}&limit={limit}")).await;
            assert!(paged.iter().rev().skip(1).all(|page| page.len() == limit), "{query} {limit}");
            assert!(!paged.last().unwrap().is_empty(), "{query} {limit}: no empty page at the end");
            assert_eq!(paged.concat(), expected, "{query} {limit}");
        }
    }
}

#[tokio::test]
async fn a_page_has_50_rows_unless_another_limit_is_given() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    for _ in 0..51 {
        eva.open(json!({})).await;
    }
    let first = eva.get("/tickets").await;
    let next = first.next().unwrap();
    assert!(next.starts_with("/api/v1/tickets?cursor="), "{next}");
    assert_eq!(total(&first), ("51", ""));
    assert_eq!(first.expect(200).as_array().unwrap().len(), 50);
    let last = eva.get(&next).await;
    assert_eq!((last.next(), total(&last)), (None, ("", "")));
    assert_eq!(last.expect(200).as_array().unwrap().len(), 1);
    assert_eq!(eva.get("/tickets?limit=200").await.expect(200).as_array().unwrap().len(), 51);
    for bad in ["0", "201", "-1", "x", "", "1.5", "99999999999999999999"] {
        assert_eq!(faults(&eva.get(&format!("/tickets?limit={bad}")).await.expect(422))[0].0, "limit", "{bad}");
    }
}

#[tokio::test]
async fn a_page_never_repeats_or_skips_a_row_because_others_were_written() {
    let desk = Desk::start().await;
    let (eva, ana) = (desk.user("eva").await, desk.agent("ana").await);
    let mut ids = Vec::new();
    for _ in 0..9 {
        desk.advance(1);
        ids.push(eva.open(json!({})).await);
    }
    for (sort, expected) in [("-created_at", ids.iter().rev().copied().collect::<Vec<_>>()), ("created_at", ids.clone())] {
        let (mut path, mut seen) = (format!("/tickets?sort={sort}&limit=3&creator_id={}", eva.id), Vec::new());
        loop {
            let page = ana.get(&path).await;
            let next = page.next();
            seen.extend(page.expect(200).as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()));
            let Some(next) = next else { break };
            path = next;
            // Between pages: a row that was seen goes, a new one of somebody else comes, and one changes.
            ana.open(json!({})).await;
            ana.change(*seen.last().unwrap(), json!({"title": format!("seen {}", seen.len())})).await;
        }
        assert_eq!(seen, expected, "{sort}");
    }
}

#[tokio::test]
async fn a_cursor_is_bound_to_its_filters_and_sort() {
    let desk = Desk::start().await;
    let (eva, ana) = (desk.user("eva").await, desk.agent("ana").await.lasting().await);
    for _ in 0..4 {
        eva.open(json!({})).await;
    }
    let path = "/tickets?status=open&sort=id&limit=1";
    let next = ana.get(path).await.next().unwrap();
    let cursor = next.split("cursor=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    assert_eq!(
        ana.ids(&format!("/tickets?limit=3&sort=id&cursor={cursor}&status=open")).await.len(),
        3,
        "limit and order of parameters are free"
    );
    for query in ["", "status=open", "status=open&sort=-id", "status=open,closed&sort=id", "sort=id", "status=open&sort=id&q=printer"] {
        let problem = ana.get(&format!("/tickets?{query}&cursor={cursor}")).await.expect(422);
        assert_eq!(faults(&problem), [("cursor", "invalid")], "{query}");
    }
    for bad in ["x", "AAAA", &cursor[1..], &cursor[..cursor.len() - 2]] {
        assert_eq!(faults(&ana.get(&format!("/tickets?status=open&sort=id&cursor={bad}")).await.expect(422)), [("cursor", "invalid")]);
    }
    desk.advance(100_000);
    let overdue = ana.get("/tickets?overdue=true&limit=1").await.next().unwrap();
    desk.advance(60);
    assert_eq!(ana.get(&overdue).await.expect(200).as_array().unwrap().len(), 1, "time passes between pages");
}

#[tokio::test]
async fn totals_are_exact_where_it_is_promised_and_capped_elsewhere() {
    let desk = Desk::start().await;
    let (eva, ana) = (desk.user("eva").await, desk.agent("ana").await);
    let first = eva.open(json!({"tags": ["x"], "priority": "high"})).await;
    // 1,001 tickets, without a thousand durable writes one after the other.
    let opening: Vec<_> = (0..1_000)
        .map(|_| {
            let eva = eva.clone();
            tokio::spawn(async move { eva.open(json!({"tags": ["x"], "priority": "high"})).await })
        })
        .collect();
    for one in opening {
        one.await.unwrap();
    }
    let creator = format!("creator_id={}", eva.id);
    for query in ["", "status=open", "status=open,closed", "priority=high", "assigned_agent_id=none", &creator] {
        assert_eq!(total(&ana.get(&format!("/tickets?limit=1&{query}")).await), ("1001", ""), "{query}");
    }
    for query in
        ["status=open&priority=high", "tag=x", "q=printer", "created_before=2030-01-01T00:00:00Z", "status=open&assigned_agent_id=none"]
    {
        assert_eq!(total(&ana.get(&format!("/tickets?limit=1&{query}")).await), ("1000", "true"), "{query}");
    }
    assert_eq!(total(&eva.get("/tickets?limit=1").await), ("1001", ""));
    ana.change(first, json!({"tags": []})).await;
    assert_eq!(total(&ana.get("/tickets?limit=1&tag=x").await), ("1000", ""), "a thousand is not more than a thousand");
}

#[tokio::test]
async fn bad_parameters_are_all_named() {
    let desk = Desk::start().await;
    let ana = desk.agent("ana").await;
    let problem =
        ana.get("/tickets?status=opne&priority=&sort=title&limit=0&page=2&overdue=perhaps&created_after=yesterday&tag=").await.expect(422);
    let expected = [
        ("created_after", "invalid"),
        ("limit", "out_of_range"),
        ("overdue", "wrong_type"),
        ("page", "unknown_field"),
        ("priority", "unknown_value"),
        ("sort", "unknown_value"),
        ("status", "unknown_value"),
        ("tag", "too_short"),
    ];
    assert_eq!(faults(&problem), expected);
    assert_eq!(faults(&ana.get("/tickets?status=open&status=closed").await.expect(422)), [("status", "repeated")]);
}

#[tokio::test]
async fn deleted_tickets_have_a_list_with_filters_of_its_own() {
    let desk = Desk::start().await;
    let (eva, admin) = (desk.user("eva").await, desk.admin().await);
    let (low, high, live) =
        (eva.open(json!({"priority": "low"})).await, eva.open(json!({"priority": "high"})).await, eva.open(json!({})).await);
    for id in [low, high] {
        admin.delete(&format!("/tickets/{id}")).await.expect(204);
    }
    assert_eq!(admin.ids("/tickets?deleted=true&sort=id").await, [low, high]);
    assert_eq!(admin.ids("/tickets?deleted=true&priority=high").await, [high]);
    assert_eq!(admin.ids("/tickets?deleted=true&q=printer&sort=-id").await, [high, low]);
    assert_eq!(admin.ids("/tickets?deleted=false").await, [live]);
}

#[tokio::test]
async fn lists_survive_a_restart() {
    let mut desk = Desk::start().await;
    let (eva, ana) = (desk.user("eva").await, desk.agent("ana").await);
    let (a, b) = (eva.open(json!({"tags": ["x"]})).await, eva.open(json!({"priority": "high"})).await);
    ana.assign(b, ana.id).await;
    ana.note(a, "confidential matter").await;
    let answers = |ana: Client, eva: Client| async move {
        let mut answers: Vec<Value> = Vec::new();
        for query in ["", "?tag=x", "?assigned_agent_id=me", "?q=confidential", "?sort=-priority", "?status=in_progress"] {
            answers.push(ana.get(&format!("/tickets{query}")).await.expect(200));
            answers.push(eva.get(&format!("/tickets{query}")).await.expect(200));
        }
        answers
    };
    let before = answers(ana.clone(), eva.clone()).await;
    desk.restart().await;
    assert_eq!(answers(ana, eva).await, before);
}
