//! Searching: the words of title, description and visible comments, as they are now.

use taquilla::{
    activity::model::Action,
    store::{Changes, Store},
    tickets::{
        model::{Comment, Status, Ticket},
        query::{COUNT_CAP, Scope, Sort, SortBy, TicketQuery},
        search::Words,
    },
    types::{Page, TicketId, Total, UserId},
};

use super::{arbitrary::sorts, ask::ids, build::*, site::Site};

on_every_store!(
    words_are_found_whole_and_the_last_one_as_a_beginning,
    case_accents_and_scripts_are_folded_alike,
    a_comments_words_are_found_until_it_is_deleted,
    an_edited_comment_is_found_by_its_new_words_only,
    a_word_is_found_as_long_as_one_text_of_the_ticket_has_it,
    an_edited_ticket_is_found_by_its_new_words_only,
    internal_notes_are_found_by_staff_only,
    words_may_stand_in_different_texts_but_only_visible_ones,
    a_deleted_ticket_is_found_among_deleted_ones_only,
    words_narrow_other_filters_and_keep_the_order,
    frequent_words_are_found_in_every_order,
    every_word_of_a_long_text_is_found,
    searches_find_the_same_after_a_stop_and_after_a_crash,
);

/// The requester whose ticket the tests are about.
const REQUESTER: Scope = Scope::Requester(UserId(1));

/// A ticket with these texts.
async fn about(store: &dyn Store, title: &str, description: &str) -> Ticket {
    let id = store.reserve(taquilla::store::IdKind::Ticket).await.unwrap();
    let ticket = Ticket { title: title.into(), description: description.into(), ..ticket(id) };
    commit(store, opened(&ticket)).await;
    ticket
}

fn query(scope: Scope, typed: &str) -> TicketQuery {
    let words = Some(Words::parse(typed).unwrap_or_else(|| panic!("{typed:?} has no words")));
    TicketQuery { words, sort: Sort { by: SortBy::Id, descending: false }, ..TicketQuery::all(scope) }
}

/// What a scope finds: the same before and after the store has put in order what it searches by.
async fn found(store: &dyn Store, scope: Scope, typed: &str) -> Vec<i64> {
    let found = ids(store, &query(scope, typed), 50).await;
    store.settle().await.unwrap();
    assert_eq!(ids(store, &query(scope, typed), 50).await, found, "{typed:?} after it was settled");
    found
}

/// Whether staff finds the ticket by this.
async fn finds(store: &dyn Store, ticket: &Ticket, typed: &str) -> bool {
    found(store, Scope::All, typed).await.contains(&ticket.id.0)
}

async fn edit(store: &dyn Store, comment: &Comment, content: &str) -> Comment {
    let next = Comment { content: content.into(), version: comment.version + 1, ..comment.clone() };
    commit(store, Changes::new().update(next.clone()).log(comment_entry(Action::CommentUpdated, comment))).await;
    next
}

async fn delete(store: &dyn Store, comment: &Comment) {
    let changes = Changes::new().update(taken_back(comment)).add(counted(comment, -1));
    commit(store, changes.log(comment_entry(Action::CommentDeleted, comment))).await;
}

async fn words_are_found_whole_and_the_last_one_as_a_beginning(site: Site) {
    let one = about(&*site, "The printer is on fire", "since Monday, in room 4.12").await.id.0;
    let two = about(&*site, "Printing costs", "The fires of May").await.id.0;
    for (typed, expected) in [
        ("printer", vec![one]),
        ("print", vec![one, two]),
        ("p", vec![one, two]),
        ("fire", vec![one, two]),
        ("fire print", vec![one]),
        ("print fire", vec![]),
        ("MONDAY the pri", vec![one]),
        ("the", vec![one, two]),
        ("the the", vec![one, two]),
        ("4.12", vec![one]),
        ("4.", vec![one]),
        ("printers", vec![]),
        ("inter", vec![]),
        ("costs, the!", vec![two]),
        ("nowhere printer", vec![]),
        ("printer nowhere", vec![]),
    ] {
        assert_eq!(found(&*site, Scope::All, typed).await, expected, "{typed:?}");
    }
}

async fn case_accents_and_scripts_are_folded_alike(site: Site) {
    let ticket = about(&*site, "¿Éxito en la Übergabe? naïve", "ΣΊΣΥΦΟΣ Straße İstanbul 日本語 Ｆｕｌｌ ﬁne").await;
    for typed in
        ["exito", "ÉXITO", "e\u{301}xito", "ubergabe", "Über", "NAIVE", "σίσυφος", "σισυφ", "straße", "istan", "日", "full", "fine"]
    {
        assert!(finds(&*site, &ticket, typed).await, "{typed:?}");
    }
    assert!(!finds(&*site, &ticket, "xito").await);
    let long = about(&*site, &"x".repeat(190), "…").await;
    assert!(finds(&*site, &long, &"x".repeat(200)).await, "long words are cut alike");
}

async fn a_comments_words_are_found_until_it_is_deleted(site: Site) {
    let ticket = open_ticket(&*site).await;
    assert!(!finds(&*site, &ticket, "giraffe").await);
    let comment = add_comment(&*site, &ticket, "A giraffe in the lift", false).await;
    assert!(finds(&*site, &ticket, "giraffe").await);
    assert_eq!(found(&*site, REQUESTER, "lift gir").await, [ticket.id.0]);
    delete(&*site, &comment).await;
    assert!(!finds(&*site, &ticket, "giraffe").await);
    assert!(found(&*site, REQUESTER, "lift").await.is_empty());
    assert!(finds(&*site, &ticket, "special").await, "its own words stay");
}

async fn an_edited_comment_is_found_by_its_new_words_only(site: Site) {
    let ticket = open_ticket(&*site).await;
    let comment = add_comment(&*site, &ticket, "giraffe and zebra", false).await;
    let comment = edit(&*site, &comment, "zebra and okapi").await;
    let now = [finds(&*site, &ticket, "giraffe").await, finds(&*site, &ticket, "zebra").await, finds(&*site, &ticket, "okapi").await];
    assert_eq!(now, [false, true, true]);
    edit(&*site, &comment, "giraffe").await;
    let now = [finds(&*site, &ticket, "giraffe").await, finds(&*site, &ticket, "zebra").await, finds(&*site, &ticket, "okapi").await];
    assert_eq!(now, [true, false, false]);
}

async fn a_word_is_found_as_long_as_one_text_of_the_ticket_has_it(site: Site) {
    let ticket = about(&*site, "Zebra", "okapi okapi").await;
    let (first, second) =
        (add_comment(&*site, &ticket, "zebra giraffe", false).await, add_comment(&*site, &ticket, "giraffe", false).await);
    let note = add_comment(&*site, &ticket, "giraffe okapi", true).await;
    delete(&*site, &first).await;
    assert!(finds(&*site, &ticket, "zebra").await, "the title has it");
    assert!(finds(&*site, &ticket, "giraffe").await, "the second comment has it");
    edit(&*site, &second, "nothing").await;
    assert!(finds(&*site, &ticket, "giraffe").await, "the note has it");
    assert!(found(&*site, REQUESTER, "giraffe").await.is_empty(), "only the note has it");
    let ticket = changed(&ticket, |t| t.description = "once okapi".into());
    commit(&*site, Changes::new().update(ticket.clone())).await;
    assert_eq!(found(&*site, REQUESTER, "okapi").await, [ticket.id.0]);
    let ticket = changed(&ticket, |t| t.description = "gone".into());
    commit(&*site, Changes::new().update(ticket.clone())).await;
    assert!(found(&*site, REQUESTER, "okapi").await.is_empty());
    assert!(finds(&*site, &ticket, "okapi").await, "the note has it");
    delete(&*site, &note).await;
    assert!(!finds(&*site, &ticket, "okapi").await);
    assert!(!finds(&*site, &ticket, "giraffe").await);
}

async fn an_edited_ticket_is_found_by_its_new_words_only(site: Site) {
    let ticket = about(&*site, "Zebra crossing", "okapi").await;
    let next = changed(&ticket, |t| (t.title, t.description) = ("Okapi".into(), "crossing the river".into()));
    commit(&*site, Changes::new().update(next)).await;
    assert!(!finds(&*site, &ticket, "zebra").await);
    for typed in ["okapi", "crossing", "river"] {
        assert!(finds(&*site, &ticket, typed).await, "{typed:?}");
    }
}

async fn internal_notes_are_found_by_staff_only(site: Site) {
    let ticket = open_ticket(&*site).await;
    let note = add_comment(&*site, &ticket, "the customer is a giraffe", true).await;
    assert_eq!(found(&*site, Scope::All, "giraffe").await, [ticket.id.0]);
    assert!(found(&*site, REQUESTER, "giraffe").await.is_empty());
    assert!(found(&*site, REQUESTER, "gir").await.is_empty(), "nor by its beginning");
    let total = site.tickets(&query(REQUESTER, "giraffe"), taquilla::types::Page { after: None, limit: 5 }).await.unwrap().total;
    assert_eq!(total, Some(taquilla::types::Total::Exact(0)), "nor by counting");
    edit(&*site, &note, "the customer is an okapi").await;
    assert_eq!((found(&*site, Scope::All, "okapi").await, found(&*site, REQUESTER, "okapi").await), (vec![ticket.id.0], vec![]));
    assert!(found(&*site, Scope::All, "giraffe").await.is_empty());
    assert!(found(&*site, Scope::Requester(UserId(2)), "special").await.is_empty(), "somebody else's ticket");
}

async fn words_may_stand_in_different_texts_but_only_visible_ones(site: Site) {
    let ticket = about(&*site, "zebra", "okapi").await;
    add_comment(&*site, &ticket, "giraffe", false).await;
    add_comment(&*site, &ticket, "hippo", true).await;
    for (typed, staff, requester) in
        [("zebra okapi gir", true, true), ("zebra hip", true, false), ("hippo zebra", true, false), ("okapi lion", false, false)]
    {
        assert_eq!(finds(&*site, &ticket, typed).await, staff, "{typed:?}");
        assert_eq!(!found(&*site, REQUESTER, typed).await.is_empty(), requester, "{typed:?}");
    }
}

async fn a_deleted_ticket_is_found_among_deleted_ones_only(site: Site) {
    let ticket = about(&*site, "zebra", "okapi").await;
    add_comment(&*site, &ticket, "giraffe", false).await;
    let gone = changed(&ticket, |t| t.deleted_at = Some(at(9)));
    commit(&*site, Changes::new().update(gone.clone())).await;
    for typed in ["zebra", "giraffe"] {
        assert!(!finds(&*site, &ticket, typed).await);
        assert_eq!(ids(&*site, &TicketQuery { deleted: true, ..query(Scope::All, typed) }, 5).await, [ticket.id.0]);
    }
    commit(&*site, Changes::new().update(changed(&gone, |t| t.deleted_at = None))).await;
    assert!(finds(&*site, &ticket, "zebra okapi giraffe").await);
}

async fn words_narrow_other_filters_and_keep_the_order(site: Site) {
    let mut all = Vec::new();
    for i in 0..40 {
        let title = if i % 2 == 0 { "zebra" } else { "okapi" };
        let id = site.id(taquilla::store::IdKind::Ticket).await;
        let tags = if i % 4 == 0 { vec!["vpn".into()] } else { Vec::new() };
        all.push(Ticket { title: title.into(), tags, updated_at: at(i * 7 % 11), ..ticket(id) });
        commit(&*site, opened(all.last().unwrap())).await;
    }
    for descending in [false, true] {
        let sort = Sort { by: SortBy::UpdatedAt, descending };
        let query = TicketQuery { tags: vec!["vpn".into()], sort, ..query(Scope::All, "zeb") };
        let mut expected: Vec<&Ticket> = all.iter().filter(|ticket| query.matches(ticket, &[])).collect();
        expected.sort_by(|a, b| sort.cmp(sort.key(a), sort.key(b)));
        for limit in [1, 3, 50] {
            assert_eq!(ids(&*site, &query, limit).await, expected.iter().map(|ticket| ticket.id.0).collect::<Vec<_>>());
        }
    }
}

/// A store may read what many tickets have in another way than what few have.
async fn frequent_words_are_found_in_every_order(site: Site) {
    let (mut all, mut changes) = (Vec::new(), Changes::new());
    for i in 0..1_300_i64 {
        let title = if i % 20 == 0 { "okapi" } else { "zebra" };
        let id = site.id(taquilla::store::IdKind::Ticket).await;
        let made = Ticket { title: title.into(), created_at: at(i * 7 % 11), updated_at: at(i * 5 % 13), ..ticket(id) };
        let status = Status::ALL[usize::try_from(i % 3).unwrap()];
        all.push(Ticket { status, deleted_at: (i % 10 == 7).then(|| at(99)), ..made });
        changes = changes.insert(all.last().unwrap().clone());
        if i % 100 == 99 {
            commit(&*site, std::mem::take(&mut changes)).await;
        }
    }
    for settled in [false, true] {
        for sort in sorts() {
            for status in [vec![], vec![Status::Open]] {
                let query = TicketQuery { status, sort, ..query(Scope::All, "ze") };
                let mut expected: Vec<&Ticket> = all.iter().filter(|ticket| query.matches(ticket, &[])).collect();
                expected.sort_by(|a, b| sort.cmp(sort.key(a), sort.key(b)));
                let expected: Vec<i64> = expected.iter().map(|ticket| ticket.id.0).collect();
                assert_eq!(ids(&*site, &query, 200).await, expected, "{sort:?}");
                let first = site.tickets(&query, Page { after: None, limit: 2 }).await.unwrap();
                let total = if expected.len() > COUNT_CAP { Total::MoreThan(COUNT_CAP) } else { Total::Exact(expected.len()) };
                assert_eq!(first.total, Some(total), "{sort:?}");
            }
        }
        if !settled {
            site.settle().await.unwrap();
            let gone = changed(&all[1], |ticket| ticket.deleted_at = Some(at(99)));
            let back = changed(&all[7], |ticket| ticket.deleted_at = None);
            let other = changed(&all[2], |ticket| ticket.title = "okapi".into());
            commit(&*site, Changes::new().update(gone.clone()).update(back.clone()).update(other.clone())).await;
            (all[1], all[7], all[2]) = (gone, back, other);
        }
    }
}

async fn every_word_of_a_long_text_is_found(site: Site) {
    let text = (0..5_000).map(|i| format!("word{i}")).collect::<Vec<_>>().join(" ");
    let ticket = about(&*site, "long", &text).await;
    let comment = add_comment(&*site, &ticket, &text.replace("word", "term"), false).await;
    for i in [0, 1, 999, 2_500, 4_999] {
        assert!(finds(&*site, &ticket, &format!("word{i} term{i}")).await, "{i}");
    }
    delete(&*site, &comment).await;
    assert!(finds(&*site, &ticket, "word4999").await);
    assert!(!finds(&*site, &ticket, "term4999").await);
}

async fn searches_find_the_same_after_a_stop_and_after_a_crash(mut site: Site) {
    let ticket = about(&*site, "Zebra", "okapi").await;
    let comment = add_comment(&*site, &ticket, "giraffe", false).await;
    let note = add_comment(&*site, &ticket, "hippo", true).await;
    let check = async |site: &Site, giraffe: bool, lion: bool| {
        for (typed, staff, requester) in
            [("zebra", true, true), ("giraffe", giraffe, giraffe), ("hippo", !lion, false), ("lion", lion, false)]
        {
            assert_eq!(finds(&**site, &ticket, typed).await, staff, "{typed:?}");
            assert_eq!(found(&**site, REQUESTER, typed).await.contains(&ticket.id.0), requester, "{typed:?}");
        }
    };
    site.reopen().await;
    check(&site, true, false).await;
    delete(&*site, &comment).await;
    site.crash().await;
    check(&site, false, false).await;
    // Without an entry of the log, too.
    let next = Comment { content: "lion".into(), version: 2, ..note };
    commit(&*site, Changes::new().update(next)).await;
    site.crash().await;
    check(&site, false, true).await;
    site.reopen().await;
    check(&site, false, true).await;
    assert_eq!(stored(&*site, TicketId(ticket.id.0)).await.internal_notes, 1);
}
