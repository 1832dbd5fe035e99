//! The number of series is bounded by the schema and the agents, not by the tickets.

use std::collections::BTreeSet;

use taquilla::{
    auth::model::Actor,
    demo::ops::{self, SignIn, Wanted},
    metrics::{backlog::Fold, line_protocol::Point, schema::AGES},
};

use crate::{people::log_after, support::Desk};

/// Every series of the points of a demo.
async fn series(tickets: u64) -> BTreeSet<String> {
    let desk = Desk::start().await;
    let wanted = Wanted { tickets, seed: 5, until: desk.now(), sign_in: SignIn::Nobody, beside: true };
    ops::fill(&desk.app, &Actor::cli(), &wanted, |_| {}).await.unwrap();
    let (mut fold, mut series, mut seq) = (Fold::default(), BTreeSet::new(), 0);
    loop {
        let page = log_after(&desk, seq).await;
        let Some(last) = page.last() else { break };
        seq = last.seq;
        for entry in &page {
            series.extend(fold.take(entry).iter().map(name));
        }
    }
    let mut times = 0;
    while let Some(points) = fold.next_backlog(desk.now().plus_seconds(600), desk.now()) {
        series.extend(points.iter().map(name));
        times += 1;
    }
    assert!(times > 0);
    series
}

/// The measurement and the tags of a point.
fn name(point: &Point) -> String {
    let tags = point.measurement().tags.iter().map(|tag| format!(",{tag}={}", point.tag(tag).unwrap()));
    point.measurement().name.to_owned() + &tags.collect::<String>()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_times_the_tickets_make_no_more_series_than_agents_and_states_allow() {
    let (few, many) = (series(200).await, series(2_000).await);
    // Five who can be assigned, and nobody.
    let agents = 6;
    // Created 5 × 4, changed 5 × 4 × 4, assigned, answered and resolved by agents, verdicts 2 × 2 × 4, comments 3 × 2, backlog.
    let most = 20 + 80 + agents * 3 + 2 * agents * 3 * 4 + 16 + 6 + 20 + agents + AGES.len();
    assert!(few.len() > 100 && many.len() <= most, "{} and {} of {most}", few.len(), many.len());
    assert!(many.len() < few.len() * 3 / 2, "{} and {}", few.len(), many.len());
    let slugs: BTreeSet<&str> = many.iter().filter_map(|one| one.strip_prefix("ticket_backlog_agent,agent=")).collect();
    assert!(slugs.len() <= agents, "{slugs:?}");
}
