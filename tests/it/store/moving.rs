//! Reading a store as of one moment, filling another one with it, and doing that again after being broken off.

use std::sync::Mutex;

use taquilla::{
    activity::model::Action,
    store::{
        Changes, Collection, Expect, IdKind, Place, Record, Row, RowKey, RowKind, Snapshot, StoreError,
        transfer::{Step, TransferError, is_unfinished, sums, transfer},
    },
    tickets::model::Comment,
};

use super::{
    build::*,
    reopen::{agrees, populate},
    site::Site,
};

on_every_store!(
    a_desk_moves_there_and_back,
    a_transfer_goes_on_where_it_was_broken_off,
    a_target_that_is_not_empty_is_refused,
    a_snapshot_shows_one_moment_whatever_is_written_meanwhile,
    a_hole_in_the_log_is_refused_and_nothing_is_taken_in,
);

const TICKETS: Collection = Collection::Rows(RowKind::Ticket);

async fn read_all(snapshot: &dyn Snapshot) -> Vec<Record> {
    let mut all = Vec::new();
    for collection in Collection::ALL {
        let mut after: Option<Place> = None;
        loop {
            let page = snapshot.page(collection, after.as_ref(), 7).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.place());
            assert!(page.len() <= 7);
            all.extend(page);
        }
    }
    all
}

async fn a_desk_moves_there_and_back(site: Site) {
    let model = populate(&*site).await;
    let before = site.id(IdKind::Ticket).await;
    for mut other in [Site::sled().await, Site::postgres().await] {
        let steps = Mutex::new(Vec::<Step>::new());
        let moved = transfer(&*site, &*other, &|step| steps.lock().unwrap().push(step)).await.unwrap();
        assert!(steps.lock().unwrap().iter().all(|step| step.about > 0));
        assert_eq!(moved.iter().find(|sum| sum.name == "tickets").unwrap().rows, 60);
        agrees(&*other, &model, "in the other store").await;
        other.reopen().await;
        agrees(&*other, &model, "in the other store, opened again").await;
        let mut back = site.fresh().await;
        assert_eq!(transfer(&*other, &*back, &|_| ()).await.unwrap(), moved, "the same rows, the same hashes");
        assert!(!is_unfinished(&*back).await.unwrap());
        back.crash().await;
        agrees(&*back, &model, "back again, after a crash").await;
        assert_eq!(back.id(IdKind::Ticket).await, before + 1, "ids go on");
        let seq = commit(&*back, Changes::new().log(entry(Action::SettingsUpdated))).await;
        assert_eq!(seq, model.state().seq() + 1, "so does the log");
        let changed = changed(model.state().tickets()[0], |t| t.title = "Changed afterwards".into());
        commit(&*back, Changes::new().update(changed.clone()).log(ticket_entry(Action::TicketUpdated, changed.id))).await;
        assert_eq!(stored(&*back, changed.id).await.title, "Changed afterwards");
    }
}

async fn a_transfer_goes_on_where_it_was_broken_off(mut site: Site) {
    let source = Site::sled().await;
    let model = populate(&*source).await;
    // As far as it would have come: the mark, the rows of some collections, a part of the tickets.
    commit(&*site, Changes::new().overwrite(cursor("unfinished transfer", 0, 1))).await;
    assert!(is_unfinished(&*site).await.unwrap());
    let snapshot = source.snapshot().await.unwrap();
    for kind in [RowKind::User, RowKind::Session, RowKind::ApiToken] {
        site.take_in(snapshot.page(Collection::Rows(kind), None, 100).await.unwrap()).await.unwrap();
    }
    site.take_in(snapshot.page(TICKETS, None, 7).await.unwrap()).await.unwrap();
    site.take_in(snapshot.page(Collection::Log, None, 11).await.unwrap()).await.unwrap();
    drop(snapshot);
    site.crash().await;
    transfer(&*source, &*site, &|_| ()).await.unwrap();
    agrees(&*site, &model, "in the end").await;
    assert!(!is_unfinished(&*site).await.unwrap());
    let again = transfer(&*source, &*site, &|_| ()).await;
    assert!(matches!(again, Err(TransferError::NotEmpty)), "a finished one is not written over");
}

async fn a_target_that_is_not_empty_is_refused(site: Site) {
    let source = Site::sled().await;
    populate(&*source).await;
    // What a desk makes at its start is nothing.
    let made = Changes::new().insert(signing_secret(9)).insert(setup_token(1, 1)).insert(cursor("metrics", 0, 1));
    let touched = site.fresh().await;
    commit(&*touched, made).await;
    transfer(&*source, &*touched, &|_| ()).await.unwrap();
    assert_eq!(touched.signing_secret().await.unwrap(), source.signing_secret().await.unwrap());
    let ticket = open_ticket(&*site).await;
    let refused = transfer(&*source, &*site, &|_| ()).await;
    assert!(matches!(refused, Err(TransferError::NotEmpty)), "{refused:?}");
    let snapshot = site.snapshot().await.unwrap();
    assert_eq!(snapshot.page(TICKETS, None, 9).await.unwrap(), [Record::from(Row::Ticket(ticket))], "nothing was written over");
    assert!(!is_unfinished(&*site).await.unwrap());
}

async fn a_snapshot_shows_one_moment_whatever_is_written_meanwhile(site: Site) {
    let model = populate(&*site).await;
    let snapshot = site.snapshot().await.unwrap();
    let before = read_all(snapshot.as_ref()).await;
    let wanted = sums(snapshot.as_ref(), &|_| ()).await.unwrap();
    // New rows, changed rows, longer and shorter ones, removed ones.
    for ticket in model.state().tickets().into_iter().take(20) {
        let long = changed(ticket, |t| t.description = "longer ".repeat(2_000));
        commit(&*site, Changes::new().update(long.clone()).log(ticket_entry(Action::TicketUpdated, ticket.id))).await;
        commit(&*site, Changes::new().update(changed(&long, |t| t.description = "short".into()))).await;
        add_comment(&*site, &stored(&*site, ticket.id).await, "one more", false).await;
    }
    // Comments that get too long to share a key, and what stands around them.
    for comment in model.state().comments().into_iter().step_by(2) {
        let long = Comment { content: "longer ".repeat(600), version: comment.version + 1, ..comment.clone() };
        commit(&*site, Changes::new().update(long.clone()).log(ticket_entry(Action::CommentUpdated, comment.ticket_id))).await;
        let short = Comment { content: "short".into(), version: comment.version + 2, ..long };
        if comment.id.0 % 3 == 0 {
            commit(&*site, Changes::new().update(short)).await;
        }
    }
    add_user(&*site, "later@example.com").await;
    for session in model.state().sessions() {
        commit(&*site, Changes::new().delete(RowKey::Session(session.id), Expect::Any)).await;
    }
    commit(&*site, Changes::new().overwrite(settings("Later", 2)).overwrite(cursor("a later one", 1, 1))).await;
    assert_eq!(read_all(snapshot.as_ref()).await, before);
    assert_eq!(sums(snapshot.as_ref(), &|_| ()).await.unwrap(), wanted);
    drop(snapshot);
    let now = site.snapshot().await.unwrap();
    assert_ne!(sums(now.as_ref(), &|_| ()).await.unwrap(), wanted);
    assert_eq!(now.page(Collection::Rows(RowKind::Session), None, 9).await.unwrap(), []);
}

async fn a_hole_in_the_log_is_refused_and_nothing_is_taken_in(site: Site) {
    let source = Site::sled().await;
    populate(&*source).await;
    let snapshot = source.snapshot().await.unwrap();
    let mut records = snapshot.page(TICKETS, None, 3).await.unwrap();
    records.extend(snapshot.page(Collection::Log, Some(&Place::Seq(1)), 3).await.unwrap());
    let refused = site.take_in(records).await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
    assert_eq!(read_all(site.snapshot().await.unwrap().as_ref()).await.len(), IdKind::ALL.len());
}
