//! What `fsck` tells of a store that is damaged, and what it does about it.

use serde_json::{Value, json};

use crate::{binary::Place, moving::demo, support::open_engine};

/// Changes what stands at a key of the embedded store.
fn change(place: &Place, key: &[u8], value: &[u8]) {
    let db = open_engine(&place.path().join("data"));
    db.insert(key, value).unwrap();
    db.flush().unwrap();
}

/// The first key with several comments, and what stands there.
fn block_of_comments(place: &Place) -> (Vec<u8>, Vec<u8>) {
    let db = open_engine(&place.path().join("data"));
    let several = |value: &sled::IVec| {
        let first = usize::from(u16::from_be_bytes([value[9], value[10]]));
        value[0] == 3 && value.len() > 11 + first
    };
    let found = db.scan_prefix(b"c").map(Result::unwrap).find(|(_, value)| several(value));
    found.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap()
}

#[test]
fn a_damaged_comment_is_told_with_all_that_is_sound_and_nothing_is_made_of_what_cannot_be_read() {
    let place = Place::new();
    demo(&place, "40");
    let fsck = |arguments: &[&str], code: i32| place.run(&[&["--json", "fsck"], arguments].concat()).expect(code).json();
    let sound = fsck(&[], 0);
    let (key, block) = block_of_comments(&place);
    change(&place, &key, &block[..block.len() - 3]);

    let told = fsck(&[], 1);
    let about = |report: &Value, part: &str| report["problems"].to_string().contains(part);
    assert!(about(&told, "on that is whole at key"), "{told}");
    assert!(!about(&told, "counts its comments wrongly"), "nobody knows how many there are: {told}");
    assert_eq!(json!([told["tickets"], told["entries"]]), json!([sound["tickets"], sound["entries"]]), "the rest is looked at: {told}");
    assert_eq!(told["comments"].as_u64().unwrap() + 1, sound["comments"].as_u64().unwrap());
    let mended = fsck(&["--rebuild"], 1);
    assert!(about(&mended, "cannot be made anew") && mended["rebuilt"] == json!(false), "{mended}");

    change(&place, &key, &block);
    assert_eq!(fsck(&[], 0), sound, "the rows are as they were");
}

#[test]
fn a_comment_that_stands_at_two_keys_is_told() {
    let place = Place::new();
    demo(&place, "40");
    let (key, block) = block_of_comments(&place);
    // What comes after the first of them, also at a key of its own.
    let second = 11 + usize::from(u16::from_be_bytes([block[9], block[10]]));
    let again = [&key[..9], &block[second..second + 8]].concat();
    change(&place, &again, &[&[3], &block[second..]].concat());
    let told = place.run(&["--json", "fsck"]).expect(1).json();
    assert!(told["problems"].to_string().contains("stands at a foreign key"), "{told}");
}

#[test]
fn tickets_own_logs_are_told_to_be_wrong_and_made_anew_whatever_layout_they_are_of() {
    let place = Place::new();
    demo(&place, "40");
    let fsck = |arguments: &[&str], code: i32| place.run(&[&["--json", "fsck"], arguments].concat()).expect(code).json();
    let sound = fsck(&[], 0);
    let logs = || {
        let db = open_engine(&place.path().join("data"));
        db.scan_prefix(b"o").map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap()).collect::<Vec<_>>()
    };
    let before = logs();
    assert!(before.len() > 5, "{}", before.len());

    let (key, value) = &before[1];
    // Of another ticket, unreadable, and one that an earlier layout would have had.
    change(&place, key, &[&[value[0] ^ 2], &value[1..]].concat());
    change(&place, &before[3].0, &before[3].1[..7]);
    change(&place, &[&b"i"[..], &39_i64.to_be_bytes(), &5_i64.to_be_bytes()].concat(), &[0]);
    // Beside neighbours that have all that they should have.
    change(&place, &[&before[4].0[..9], &9_999_i64.to_be_bytes()].concat(), &[1, 2, 3, 4]);
    let told = fsck(&[], 1)["problems"].to_string();
    for part in ["does not tell just its own entries", "a ticket's log that cannot be read", "the log of ticket 39 "] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(fsck(&["--rebuild"], 1)["rebuilt"], json!(true));
    assert_eq!(fsck(&[], 0), sound);
    assert_eq!(logs(), before);
}
