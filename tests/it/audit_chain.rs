//! The chain over the log of a desk that runs, its head in the metrics, and `audit verify`.

use serde_json::json;
use taquilla::{
    activity::{
        audit,
        model::{Action, ActorRef, NewEntry},
    },
    store::Changes,
    types::hex,
};

use crate::{
    binary::Place,
    people::eventually,
    support::{Desk, open_engine},
};

#[tokio::test]
async fn the_log_of_a_running_desk_is_chained_and_the_head_is_in_the_metrics() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let id = eva.open(json!({})).await;
    eva.comment(id, "Any news?").await;
    audit::extend(desk.app.store.as_ref()).await.unwrap();
    let head = audit::head(desk.app.store.as_ref()).await.unwrap();
    assert_eq!(head.seq, *desk.app.store.durable_seq().borrow());
    let metrics = desk.anonymous().get("//metrics").await.expect(200);
    let line = format!("taquilla_audit_head{{hash=\"{}\"}} {}", hex(&head.hash), head.seq);
    assert!(metrics.as_str().unwrap().lines().any(|told| told == line), "{line} is not in {metrics}");
    let walk = audit::verify(desk.app.store.as_ref(), None).await.unwrap();
    assert_eq!((walk.head, walk.waiting, walk.broken), (head, 0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_until_a_long_log_is_chained() {
    let desk = Desk::start().await;
    let store = desk.app.store.clone();
    let entry = NewEntry::new(Action::SettingsUpdated, ActorRef::system(), desk.now());
    for _ in 0..20 {
        store.commit(Changes { log: vec![entry.clone(); 2_000], ..Changes::new() }).await.unwrap();
    }
    taquilla::jobs::start(&desk.app, "127.0.0.1:1".parse().unwrap());
    let chained = async || audit::head(store.as_ref()).await.unwrap().seq;
    eventually("the chain is on its way", async || (chained().await > 0).then_some(())).await;
    desk.app.shutdown.cancel();
    desk.app.tasks.close();
    desk.app.tasks.wait().await;
    let end = *store.durable_seq().borrow();
    assert!(chained().await < end, "all {end} entries have been chained first");
    // What the job had handed to the store before it was stopped may still come: then it was another one that has linked these.
    eventually("the rest can be chained", async || {
        audit::extend(store.as_ref()).await.unwrap();
        (chained().await == end).then_some(())
    })
    .await;
    assert_eq!(audit::verify(store.as_ref(), None).await.unwrap().head.seq, end);
}

#[tokio::test]
async fn whoever_looks_is_told_whether_the_log_is_what_was_written() {
    let place = Place::new();
    place.run(&["audit", "verify"]).expect(4).says("there is no storage");
    place.add_user("ana@example.com", "admin");
    place.add_user("bea@example.com", "agent");
    let verify = |arguments: &[&str], code: i32| place.run(&[&["--json", "audit", "verify"], arguments].concat()).expect(code);
    let before = verify(&[], 0).json();
    assert_eq!(json!([before["entries"], before["waiting"], before["broken"]]), json!([0, 2, null]));

    let mut server = place.serve(&[], &[]);
    let http = taquilla::outgoing::client("http:").no_proxy().build().unwrap();
    eventually("what is there is chained at the start", async || {
        let text = http.get(format!("{}/metrics", server.url)).send().await.unwrap().text().await.unwrap();
        text.lines().any(|line| line.starts_with("taquilla_audit_head{") && line.ends_with(" 2")).then_some(())
    })
    .await;
    place.run(&["audit", "verify"]).expect(4).says("stop it first");
    server.stop();

    let told = verify(&[], 0).json();
    assert_eq!(json!([told["entries"], told["waiting"], told["broken"]]), json!([2, 0, null]));
    let hash = told["head"].as_str().unwrap();
    for known in [hash, &hash[..16]] {
        verify(&["--head", &format!("2:{known}")], 0);
    }
    assert!(place.run(&["audit", "verify"]).expect(0).out.contains(&format!("head: 2:{hash}")));
    let other = verify(&["--head", &format!("2:{}", "0".repeat(64))], 1).json();
    assert_eq!(other["broken"]["seq"], 2);
    assert_eq!(verify(&["--head", &format!("3:{hash}")], 1).json()["broken"]["seq"], 3);
    for bad in ["2", "2:xyz", "0:0123456789abcdef", "2:0123"] {
        place.run(&["audit", "verify", "--head", bad]).expect(2).says("16 hexadecimal digits");
    }

    let db = open_engine(&place.path().join("data"));
    // The block that both entries are in.
    let (key, block) = db.scan_prefix(b"l").next().unwrap().unwrap();
    let mut entry = block.to_vec();
    let at = entry.windows(12).rposition(|part| part == b"user.created").unwrap();
    entry[at..at + 12].copy_from_slice(b"user.updated");
    db.insert(key, entry).unwrap();
    db.flush().unwrap();
    drop(db);
    let broken = verify(&[], 1).json();
    assert_eq!(json!([broken["entries"], broken["broken"]["seq"]]), json!([1, 2]));
    let text = place.run(&["audit", "verify"]).expect(1).out;
    assert!(text.contains("The first break is at log entry 2: ") && text.contains("last sound link: 1:"), "{text}");
}
