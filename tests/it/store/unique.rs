//! Values that only one row may have.

use taquilla::{
    store::{Changes, Field, IdKind, StoreError},
    types::UserId,
    users::model::User,
};

use super::{build::*, site::Site};

on_every_store!(
    a_taken_address_is_refused,
    an_address_is_free_again_when_its_account_has_another,
    a_remembered_answer_is_not_written_twice,
);

async fn a_taken_address_is_refused(site: Site) {
    let (ana, bea) = (add_user(&*site, "ana@example.com").await, add_user(&*site, "bea@example.com").await);
    let taken = Err(StoreError::Duplicate(Field::Email));
    let third = site.id(IdKind::User).await;
    assert_eq!(site.commit(Changes::new().insert(user(third, "ana@example.com"))).await, taken);
    let as_ana = User { email: ana.email.clone(), version: 2, ..bea.clone() };
    assert_eq!(site.commit(Changes::new().update(as_ana.clone())).await, taken);
    assert_eq!(site.commit(Changes::new().overwrite(as_ana)).await, taken);
    // Two of one commit want the same.
    let both = Changes::new().insert(user(third, "cem@example.com")).insert(user(third + 1, "cem@example.com"));
    assert_eq!(site.commit(both).await, taken);
    assert_eq!(site.user(UserId(third)).await.unwrap(), None);
    // Whoever has an address keeps it, also when something else of theirs changes.
    commit(&*site, Changes::new().update(User { full_name: "Ana".into(), version: 2, ..ana.clone() })).await;
    assert_eq!(site.user_by_email(&ana.email).await.unwrap().unwrap().full_name, "Ana");
    assert_eq!(site.user_by_email(&bea.email).await.unwrap().unwrap().id, bea.id);
}

async fn an_address_is_free_again_when_its_account_has_another(site: Site) {
    let (ana, bea) = (add_user(&*site, "ana@example.com").await, add_user(&*site, "bea@example.com").await);
    let renamed = User { email: "ana@example.org".parse().unwrap(), version: 2, ..ana.clone() };
    commit(&*site, Changes::new().update(renamed.clone())).await;
    assert_eq!(site.user_by_email(&ana.email).await.unwrap(), None);
    assert_eq!(site.user_by_email(&renamed.email).await.unwrap().unwrap().id, ana.id);
    commit(&*site, Changes::new().update(User { email: ana.email.clone(), version: 2, ..bea.clone() })).await;
    assert_eq!(site.user_by_email(&ana.email).await.unwrap().unwrap().id, bea.id);
    assert_eq!(site.user_by_email(&bea.email).await.unwrap(), None);
    // And back again, in one go with somebody new.
    let fresh = site.id(IdKind::User).await;
    commit(&*site, Changes::new().insert(user(fresh, "bea@example.com"))).await;
    let back = User { email: ana.email.clone(), version: 3, ..renamed };
    assert_eq!(site.commit(Changes::new().update(back)).await, Err(StoreError::Duplicate(Field::Email)));
}

async fn a_remembered_answer_is_not_written_twice(site: Site) {
    let key = answer_key(1, 1);
    commit(&*site, Changes::new().insert(answer(key, 0, "first"))).await;
    let other = Changes::new().insert(answer(key, 1, "second")).insert(ticket(site.id(IdKind::Ticket).await));
    assert_eq!(site.commit(other).await, Err(StoreError::Duplicate(Field::IdempotencyKey)));
    assert_eq!(site.answer(&key).await.unwrap().unwrap().body, b"first");
    assert_eq!(site.answer(&answer_key(2, 1)).await.unwrap(), None, "somebody else's key");
    commit(&*site, Changes::new().overwrite(answer(key, 2, "third"))).await;
    assert_eq!(site.answer(&key).await.unwrap().unwrap().body, b"third");
}
