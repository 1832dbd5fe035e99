//! Commits: all or nothing, expectations, guards, additions, unique values, and that the very next read sees them.

use taquilla::{
    activity::model::Action,
    auth::model::{ApiToken, Session},
    store::{Addition, Changes, Expect, Field, IdKind, Row, RowKey, Store, StoreError, Write},
    tickets::{
        model::{Priority, Status, Ticket},
        query::{Scope, TicketQuery},
        search::Words,
    },
    types::{CommentId, Page, SessionId, TicketId, TokenId, Total, UserId},
    users::model::{User, UserQuery},
};

use super::{
    ask::{Found, Question, about, ask, everything, ids},
    build::*,
    model::Model,
    site::Site,
};

on_every_store!(
    a_refused_commit_leaves_nothing,
    a_write_is_made_when_its_row_is_as_expected,
    a_removal_is_made_when_its_row_is_as_expected,
    tickets_comments_and_accounts_are_never_removed,
    expectations_are_judged_before_any_write,
    a_guard_holds_only_while_its_row_has_that_version,
    a_guard_leaves_its_row_alone,
    success_raises_the_version_by_one,
    a_commit_is_in_the_very_next_read,
    a_commit_of_nothing_is_accepted,
);

async fn a_commit_is_in_the_very_next_read(site: Site) {
    let model = Model::default();
    for round in 1..=12 {
        let (ticket_id, user_id) = (site.id(IdKind::Ticket).await, site.id(IdKind::User).await);
        let comment = comment(ticket_id, site.id(IdKind::Comment).await, &format!("word{round}"));
        let changes = Changes::new()
            .insert(Ticket { title: format!("Title{round}"), creator_id: UserId(user_id), ..ticket(ticket_id) })
            .insert(user(user_id, &format!("user{round}@example.com")))
            .add(counted(&comment, 1))
            .insert(comment)
            .insert(session(site.id(IdKind::Session).await, user_id, round))
            .insert(token(site.id(IdKind::Token).await, user_id))
            .insert(answer(answer_key(user_id, round), round, "{}"))
            .overwrite(roster(&[user_id], round))
            .overwrite(settings(&format!("Desk {round}"), round))
            .overwrite(cursor("mail", round, round))
            .log(ticket_entry(Action::TicketCreated, TicketId(ticket_id)).about_comment(CommentId(1), round % 2 == 0));
        assert_eq!(site.commit(changes.clone()).await, model.apply(&changes).map_err(|mut reasons| reasons.remove(0)));
        let search = |typed: String| Question::Tickets {
            query: Box::new(TicketQuery { words: Words::parse(&typed), ..TicketQuery::all(Scope::Requester(UserId(user_id))) }),
            limit: 50,
        };
        let found = UserQuery { words: Words::parse(&format!("user{round}")), ..UserQuery::default() };
        let searches = [search(format!("word{round}")), search(format!("title{round}")), Question::Users { query: found, limit: 50 }];
        for question in everything(&model.state()).into_iter().chain(searches) {
            assert_eq!(ask(&*site, &question).await, ask(&model, &question).await, "{question:?}");
        }
    }
}

async fn a_commit_of_nothing_is_accepted(site: Site) {
    assert_eq!(commit(&*site, Changes::new()).await, 0);
    let ticket = open_ticket(&*site).await;
    assert_eq!(commit(&*site, Changes::new()).await, 1);
    assert_eq!(
        commit(&*site, Changes::new().add(Addition::Comments { ticket: ticket.id, public: 0, internal: 0, touched_at: None })).await,
        1
    );
}
