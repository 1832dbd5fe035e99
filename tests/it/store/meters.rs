//! What a store tells of its work.

use taquilla::{
    activity::model::Action,
    store::{Changes, Expect, RowKey, Store},
    types::UserId,
};

use super::{build::*, site::Site};

on_every_store!(every_commit_is_measured, the_size_is_told_and_a_closed_store_has_none, nothing_waits_when_nobody_asks);

/// The number in the line of this series.
fn told(store: &dyn Store, series: &str) -> i64 {
    let families = store.meters().gather(Some(7));
    let text = prometheus::TextEncoder::new().encode_to_string(&families).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{series} ")));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
}

async fn every_commit_is_measured(site: Site) {
    let store: &dyn Store = &*site;
    for _ in 0..5 {
        commit(store, Changes::new().log(entry(Action::SettingsUpdated))).await;
    }
    let refused = Changes::new().delete(RowKey::User(UserId(1)), Expect::Version(3));
    store.commit(refused).await.unwrap_err();
    assert!(told(store, "taquilla_store_commit_seconds_count") >= 6, "refused ones take time as well");
    assert!(told(store, "taquilla_store_commit_group_size_sum") >= 5);
    let groups = told(store, "taquilla_store_commit_group_size_count");
    assert!((1..=told(store, "taquilla_store_commit_group_size_sum")).contains(&groups));
    assert!(told(store, "taquilla_store_sync_seconds_count") >= 1);
    assert_eq!(told(store, "taquilla_store_size_bytes"), 7);
}

async fn the_size_is_told_and_a_closed_store_has_none(site: Site) {
    commit(&*site, Changes::new().log(entry(Action::SettingsUpdated))).await;
    assert!(site.size_bytes().await.unwrap() > 0);
    site.close().await.unwrap();
    site.size_bytes().await.unwrap_err();
}

async fn nothing_waits_when_nobody_asks(site: Site) {
    let writers: Vec<_> = (0..64)
        .map(|_| {
            let store = site.shared();
            tokio::spawn(async move { commit(store.as_ref(), Changes::new().log(entry(Action::SettingsUpdated))).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    site.ready().await.unwrap();
    assert_eq!(told(&*site, "taquilla_store_queue_depth"), 0);
    assert_eq!(told(&*site, "taquilla_store_read_only"), 0);
}
