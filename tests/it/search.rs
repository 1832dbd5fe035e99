//! Searching tickets: words in title, description and the comments that the caller may see.

use serde_json::json;

use crate::support::{Client, Desk};

async fn found(who: &Client, typed: &str) -> Vec<i64> {
    let request = who.request(reqwest::Method::GET, "/tickets").query(&[("q", typed), ("sort", "id")]);
    let answer = who.send(request).await;
    let total = answer.header("x-total-count").to_owned();
    let ids: Vec<i64> = answer.expect(200).as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert_eq!(total, ids.len().to_string());
    ids
}

#[tokio::test]
async fn every_word_must_occur_and_the_last_one_may_be_a_beginning() {
    let desk = Desk::start().await;
    let (eva, ana) = (desk.user("eva").await, desk.agent("ana").await);
    let a = eva.open(json!({"title": "Printer on fire", "description": "Third floor, since Monday"})).await;
    let b = eva.open(json!({"title": "Printing is slow", "description": "Second floor"})).await;
    let none: [i64; 0] = [];
    assert_eq!(found(&ana, "printer").await, [a]);
    assert_eq!(found(&ana, "print").await, [a, b]);
    assert_eq!(found(&ana, "floor print").await, [a, b]);
    assert_eq!(found(&ana, "print floor").await, none, "only the last word is a beginning");
    assert_eq!(found(&ana, "floor third").await, [a]);
    assert_eq!(found(&ana, "fire second").await, none);
    assert_eq!(found(&ana, "printer printer print").await, [a]);
    assert_eq!(found(&ana, "rinter").await, none, "words are found from their beginning");
}

#[tokio::test]
async fn case_and_accents_do_not_matter() {
    let desk = Desk::start().await;
    let (eva, ana) = (desk.user("eva").await, desk.agent("ana").await);
    let id = eva.open(json!({"title": "Contraseña OLVIDADA", "description": "¿Éxito? Straße, Ærø, 10.0.0.1, don’t, İzmir"})).await;
    for typed in [
        "contrasena",
        "CONTRASEÑA",
        "olvidada contra",
        "exito",
        "ÉXITO?",
        "strasse",
        "aero",
        "10.0.0",
        "don't",
        "izmir",
        "  éxito\tolvid  ",
    ] {
        assert_eq!(found(&ana, typed).await, [id], "{typed}");
    }
}

#[tokio::test]
async fn a_blank_search_is_none_and_one_without_words_finds_nothing() {
    let desk = Desk::start().await;
    let ana = desk.agent("ana").await;
    let id = ana.open(json!({"title": "!!! ???"})).await;
    assert_eq!(found(&ana, "").await, [id]);
    assert_eq!(found(&ana, " \t ").await, [id]);
    for typed in ["!!!", "?", "---", "\"'", "%", "*"] {
        assert_eq!(found(&ana, typed).await, [0; 0], "{typed}");
    }
    let tail = ana.get("/tickets?q=!!!").await;
    assert_eq!((tail.header("x-total-count"), tail.next()), ("0", None));
    ana.get(&format!("/tickets?q={}", "x".repeat(200))).await.expect(200);
    ana.get(&format!("/tickets?q={}", "x".repeat(201))).await.expect(422);
}

#[tokio::test]
async fn comments_are_searched_by_those_who_may_see_them() {
    let desk = Desk::start().await;
    let (eva, tom, ana) = (desk.user("eva").await, desk.user("tom").await, desk.agent("ana").await);
    let id = eva.open(json!({})).await;
    let other = tom.open(json!({})).await;
    let public = eva.comment(id, "The extinguisher is empty").await;
    let note = ana.note(id, "Probably arson").await;
    assert_eq!((found(&ana, "extinguisher").await, found(&eva, "printer exting").await), (vec![id], vec![id]));
    assert_eq!((found(&ana, "arson").await, found(&eva, "arson").await), (vec![id], vec![]));
    assert_eq!((found(&ana, "empty arson").await, found(&eva, "arson empty").await), (vec![id], vec![]));
    assert_eq!(found(&tom, "extinguisher").await, [0; 0]);
    assert_eq!(found(&tom, "printer").await, [other]);

    ana.put(&format!("/tickets/{id}/comments/{note}"), json!({"content": "Surely negligence"})).await.expect(200);
    eva.put(&format!("/tickets/{id}/comments/{public}"), json!({"content": "The bucket is full"})).await.expect(200);
    assert_eq!((found(&ana, "arson").await, found(&ana, "extinguisher").await), (vec![], vec![]));
    assert_eq!(
        (found(&ana, "negligence bucket").await, found(&eva, "bucket").await, found(&eva, "negligence").await),
        (vec![id], vec![id], vec![])
    );

    ana.delete(&format!("/tickets/{id}/comments/{note}")).await.expect(204);
    eva.delete(&format!("/tickets/{id}/comments/{public}")).await.expect(204);
    assert_eq!((found(&ana, "negligence").await, found(&ana, "bucket").await, found(&eva, "bucket").await), (vec![], vec![], vec![]));
}

#[tokio::test]
async fn a_change_is_found_by_the_very_next_search() {
    let desk = Desk::start().await;
    let (eva, ana) = (desk.user("eva").await, desk.agent("ana").await);
    let id = eva.open(json!({"title": "Alpha", "description": "shared word"})).await;
    eva.change(id, json!({"title": "Beta"})).await;
    assert_eq!((found(&ana, "alpha").await, found(&ana, "beta").await), (vec![], vec![id]));
    // A word that stands elsewhere, too, stays found.
    eva.change(id, json!({"description": "Beta", "title": "Gamma"})).await;
    assert_eq!((found(&ana, "beta").await, found(&ana, "shared").await), (vec![id], vec![]));
}

#[tokio::test]
async fn results_come_newest_first_and_with_the_other_filters() {
    let desk = Desk::start().await;
    let (eva, ana) = (desk.user("eva").await, desk.agent("ana").await);
    let (a, b) = (eva.open(json!({})).await, eva.open(json!({"priority": "high"})).await);
    assert_eq!(ana.ids("/tickets?q=printer").await, [b, a]);
    assert_eq!(ana.ids("/tickets?q=printer&priority=high").await, [b]);
    assert_eq!(ana.ids("/tickets?q=printer&sort=id&limit=1").await, [a]);
}

#[tokio::test]
async fn long_texts_are_searched_to_their_end() {
    let desk = Desk::start().await;
    let eva = desk.user("eva").await;
    let filler = "lorem ipsum ".repeat(5_000);
    let id = eva.open(json!({"description": format!("{filler} needle")})).await;
    let other = eva.open(json!({})).await;
    eva.comment(other, &format!("{filler} haystack")).await;
    assert_eq!((found(&eva, "needle").await, found(&eva, "lorem hay").await), (vec![id], vec![other]));
    let long = "x".repeat(180);
    let wordy = eva.open(json!({"title": long.clone()})).await;
    assert_eq!((found(&eva, &long).await, found(&eva, &long[..100]).await), (vec![wordy], vec![wordy]));
}
