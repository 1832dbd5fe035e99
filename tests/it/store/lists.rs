//! The other lists: accounts, comments, sessions, tokens, answers.

use std::sync::Arc;

use taquilla::{
    auth::model::{Role, Session},
    store::{Changes, IdKind},
    tickets::search::Words,
    types::{CommentId, Page, TicketId, Total, UserId},
    users::model::{User, UserQuery},
};

use super::{ask::walk, build::*, site::Site};

on_every_store!(
    accounts_are_listed_by_id_and_narrowed,
    comments_are_listed_by_id_without_deleted_ones,
    names_are_given_for_accounts_that_exist,
    sessions_and_tokens_are_listed_by_their_owner,
    expired_sessions_and_old_answers_are_found,
);
async fn accounts_are_listed_by_id_and_narrowed(site: Site) {
    let mut users = Vec::new();
    for (i, (name, role)) in [("Ana Peña", Role::Admin), ("Béa", Role::Agent), ("Cem", Role::User), ("Dan Pena", Role::User)]
        .into_iter()
        .cycle()
        .take(23)
        .enumerate()
    {
        let id = site.id(IdKind::User).await;
        let user = User { full_name: name.into(), role, is_active: i % 5 != 0, ..user(id, &format!("u{i}@example.com")) };
        commit(&*site, Changes::new().insert(user.clone())).await;
        users.push(user);
    }
    let moved = User { full_name: "Zoe".into(), role: Role::Admin, version: 2, ..users[2].clone() };
    commit(&*site, Changes::new().update(moved.clone())).await;
    users[2] = moved;
    let words = ["pena", "an pe", "dan pen", "u1 exam", "u1", "cem u2", "zoe", "example.com", "nobody"].map(Words::parse);
    for role in [None, Some(Role::User), Some(Role::Agent), Some(Role::Admin)] {
        for is_active in [None, Some(true), Some(false)] {
            for words in words.iter().cloned().chain([None]) {
                let query = UserQuery { role, is_active, words };
                let expected: Vec<i64> = users.iter().filter(|user| query.matches(user)).map(|user| user.id.0).collect();
                for limit in [1, 2, 7, 50] {
                    let pages = walk(limit, |page| site.users(&query, page)).await.unwrap();
                    assert_eq!(pages[0].total, Some(Total::Exact(expected.len())), "{query:?}");
                    assert!(pages[1..].iter().all(|page| page.total.is_none()));
                    let walked: Vec<i64> = pages.iter().flat_map(|page| &page.rows).map(|user| user.id.0).collect();
                    assert_eq!(walked, expected, "{query:?} by {limit}");
                }
            }
        }
    }
}

async fn comments_are_listed_by_id_without_deleted_ones(site: Site) {
    let (ticket, other) = (open_ticket(&*site).await, open_ticket(&*site).await);
    let mut comments = Vec::new();
    for i in 0..23 {
        let comment = add_comment(&*site, &ticket, &format!("comment {i}"), i % 3 == 0).await;
        if i % 5 == 0 {
            let gone = taken_back(&comment);
            commit(&*site, Changes::new().update(gone).add(counted(&comment, -1))).await;
        } else {
            comments.push(comment);
        }
        add_comment(&*site, &other, "elsewhere", false).await;
    }
    for notes in [false, true] {
        let expected: Vec<CommentId> = comments.iter().filter(|c| notes || !c.is_internal).map(|c| c.id).collect();
        for limit in [1, 2, 7, 50] {
            let pages = walk(limit, |page| site.comments(ticket.id, notes, page)).await.unwrap();
            assert_eq!(pages[0].total, Some(Total::Exact(expected.len())));
            let walked: Vec<CommentId> = pages.iter().flat_map(|page| &page.rows).map(|comment| comment.id).collect();
            assert_eq!(walked, expected, "by {limit}");
        }
        let nowhere = site.comments(TicketId(999), notes, Page { after: None, limit: 5 }).await.unwrap();
        assert_eq!((nowhere.rows.len(), nowhere.next, nowhere.total), (0, None, Some(Total::Exact(0))));
    }
    assert_eq!(site.comment(other.id, comments[0].id).await.unwrap(), None, "a comment belongs to its ticket");
}

async fn names_are_given_for_accounts_that_exist(site: Site) {
    let (ana, bea) = (add_user(&*site, "ana@example.com").await, add_user(&*site, "bea@example.com").await);
    let names = site.names(&[bea.id, ana.id, UserId(999), bea.id]).await.unwrap();
    assert_eq!(names.len(), 2);
    assert_eq!((&names[&ana.id], &names[&bea.id]), (&ana.full_name, &bea.full_name));
    commit(&*site, Changes::new().update(User { full_name: "Ana María".into(), version: 2, ..ana.clone() })).await;
    assert_eq!(site.names(&[ana.id]).await.unwrap()[&ana.id], "Ana María");
    assert!(site.names(&[]).await.unwrap().is_empty());
}

async fn sessions_and_tokens_are_listed_by_their_owner(site: Site) {
    let (mut sessions, mut tokens) = (Vec::new(), Vec::new());
    for i in 0..10 {
        let (session, token) = (session(site.id(IdKind::Session).await, 1 + i % 2, i), token(site.id(IdKind::Token).await, 1 + i % 2));
        commit(&*site, Changes::new().insert(session.clone()).insert(token.clone())).await;
        sessions.push(Arc::new(session));
        tokens.push(Arc::new(token));
    }
    for user in [1, 2, 3].map(UserId) {
        let of: Vec<_> = sessions.iter().filter(|session| session.user_id == user).cloned().collect();
        assert_eq!(site.sessions_of(user).await.unwrap(), of);
        let of: Vec<_> = tokens.iter().filter(|token| token.user_id == user).cloned().collect();
        assert_eq!(site.api_tokens_of(user).await.unwrap(), of);
    }
    for token in tokens {
        assert_eq!(site.api_token(&token.hash).await.unwrap().as_ref(), Some(&token));
    }
    assert_eq!(site.api_token(&digest(999)).await.unwrap(), None);
}

async fn expired_sessions_and_old_answers_are_found(site: Site) {
    for i in 0..10 {
        let id = site.id(IdKind::Session).await;
        commit(&*site, Changes::new().insert(session(id, 1, i)).insert(answer(answer_key(1, i), i, "{}"))).await;
    }
    for limit in [0, 1, 4, 50] {
        let expired = site.expired_sessions(at(4), limit).await.unwrap();
        assert_eq!(expired.len(), limit.min(4), "those that ended before, not at, the instant");
        assert!(expired.iter().all(|id| id.0 <= 4), "{expired:?}");
        let old = site.old_answers(at(4), limit).await.unwrap();
        assert_eq!(old.len(), limit.min(4));
        assert!(old.iter().all(|key| (0..4).any(|i| *key == answer_key(1, i))), "{old:?}");
    }
    // A longer session and a newer answer are found where they are now.
    let longer = Session { expires_at: at(60), version: 2, ..session(1, 1, 0) };
    commit(&*site, Changes::new().update(longer).overwrite(answer(answer_key(1, 0), 60, "{}"))).await;
    assert_eq!(site.expired_sessions(at(4), 50).await.unwrap().len(), 3);
    assert_eq!(site.old_answers(at(4), 50).await.unwrap().len(), 3);
    assert_eq!(site.expired_sessions(at(61), 50).await.unwrap().len(), 10);
    assert_eq!(site.old_answers(at(61), 50).await.unwrap().len(), 10);
}
