//! Of many instances on one storage exactly one pushes, and another takes over.

use super::{caught_up, open, settings, some_events, start, stub::Stub};
use crate::{
    people::eventually,
    support::{Desk, postgres::Database},
};

fn state(desk: &Desk) -> &'static str {
    desk.app.metrics.influx.brief(*desk.app.store.durable_seq().borrow()).state
}

#[tokio::test]
async fn exactly_one_instance_pushes_and_another_takes_over_when_it_dies() {
    let database = Database::new().await;
    let first = Desk::start_with(|config| config.storage.url = database.url()).await;
    let second = first.another().await;
    let stub = Stub::start().await;
    let settings = settings(&stub.url);
    let worker = start(&first.app, &settings);
    eventually("the first pushes", async || (state(&first) == "ok").then_some(())).await;
    let other = start(&second.app, &settings);
    eventually("the second stands by", async || (state(&second) == "standby").then_some(())).await;
    some_events(&second).await;
    caught_up(&second).await;
    eventually("who stands by knows how far it is", async || (second.app.metrics.influx.brief(0).lag_events == 0).then_some(())).await;
    assert_eq!((state(&first), state(&second)), ("ok", "standby"));
    assert_eq!(stub.writes(), stub.lines().len(), "nothing came twice");
    let before = stub.lines();

    // Its lease is not given back: the other one waits until it expires.
    drop(worker);
    open(&second.user("eva").await, "low").await;
    eventually("the second has taken over", async || (state(&second) == "ok").then_some(())).await;
    caught_up(&second).await;
    assert_eq!(stub.of("ticket_created").len(), 3);
    assert!(before.iter().all(|line| stub.lines().contains(line)), "what was there is as it was");

    // In good order it is handed over at once.
    let again = start(&first.app, &settings);
    eventually("the first stands by", async || (state(&first) == "standby").then_some(())).await;
    second.stop();
    eventually("the first has taken over", async || (state(&first) == "ok").then_some(())).await;
    drop((other, again));
}
