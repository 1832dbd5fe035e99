//! Export and import: JSON Lines with checksums, tickets from CSV, and the former desk.

use std::path::Path;

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::{
    binary::{Place, Server},
    moving::{block, demo, fsck},
    support::postgres::Database,
};

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_export_has_checksums_and_no_credentials_and_can_be_imported() {
    let place = Place::new();
    demo(&place, "25");
    let made = place.run(&["--json", "export", "out/"]).expect(0).json();
    let folder = place.path().join("out");
    let manifest: Value = serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["taquilla_export"]["credentials"], false);
    for sum in manifest["collections"].as_array().unwrap() {
        let file = folder.join(format!("{}.jsonl", sum["name"].as_str().unwrap()));
        let run = std::process::Command::new("sha256sum").arg(&file).output().unwrap();
        assert!(String::from_utf8(run.stdout).unwrap().starts_with(sum["sha256"].as_str().unwrap()), "{sum}");
        assert_eq!(lines(&file).len() as u64, sum["rows"].as_u64().unwrap(), "{sum}");
    }
    let users = lines(&folder.join("users.jsonl"));
    assert!(users.len() >= 12 && users.iter().all(|user| user["password_hash"].is_null() && user["email"].is_string()));
    let text: String = std::fs::read_dir(&folder).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    assert!(!text.contains("$argon2id$") && !folder.join("signing_secret.jsonl").exists() && !folder.join("sessions.jsonl").exists());
    place.run(&["export", "out/"]).expect(1).says("is not empty");

    place.run(&["import", "out"]).expect(1).says("there is a desk");
    let elsewhere = [("TAQUILLA_STORAGE__URL", "sled:./elsewhere")];
    place.run_in(&elsewhere, &["import", "out", "--dry-run"]).expect(0);
    assert!(!place.path().join("elsewhere").exists());
    let imported = place.run_in(&elsewhere, &["--json", "import", "out"]).expect(0).says("set-password").json();
    let rows = |value: &Value, name: &str| value["collections"].as_array().unwrap().iter().find(|sum| sum["name"] == name).cloned();
    assert_eq!(rows(&imported, "tickets"), rows(&made, "tickets"));
    fsck(&place, "sled:./elsewhere");
    // One file, with credentials.
    place.run(&["export", "all.gz", "--with-credentials"]).expect(0);
    place.run_in(&[("TAQUILLA_STORAGE__URL", "sled:./third")], &["import", "all.gz"]).expect(0);
    fsck(&place, "sled:./third");
    place.run(&["backup", "verify", "all.gz"]).expect(0);

    // Damage is found before anything is written.
    let tickets = folder.join("tickets.jsonl");
    let text = std::fs::read_to_string(&tickets).unwrap();
    std::fs::write(&tickets, text.replacen("\"reopen_count\":0", "\"reopen_count\":9", 1)).unwrap();
    let fourth = [("TAQUILLA_STORAGE__URL", "sled:./fourth")];
    place.run_in(&fourth, &["import", "out"]).expect(1).says("tickets.jsonl");
    std::fs::remove_file(&tickets).unwrap();
    place.run_in(&fourth, &["import", "out"]).expect(1).says("tickets.jsonl");
    assert!(!place.path().join("fourth").exists() && !place.path().join("fourth.restoring").exists());
}

#[test]
fn tickets_come_from_csv_all_or_none() {
    let place = Place::new();
    place.add_user("ana@example.com", "user");
    place.add_user("eva@example.com", "agent");
    place.write(
        "good.csv",
        "title,description,priority,status,tags,requester,assignee,created_at,resolved_at\n\
         Printer,It does not print,high,resolved,\"printer,paper\",ana@example.com,eva@example.com,2025-01-01T08:00:00Z,2025-01-02T08:00:00Z\n\
         '=1+1,,,,,ana@example.com,,,\n",
    );
    let dry = place.run(&["--json", "import", "good.csv", "--dry-run"]).expect(0).json();
    assert_eq!(dry["tickets"], 2);
    let report = |place: &Place| place.run(&["--json", "fsck"]).expect(0).json();
    assert_eq!(report(&place)["tickets"], 0);
    place.run(&["import", "good.csv"]).expect(0);
    let found = report(&place);
    assert_eq!((found["tickets"].as_u64(), &found["problems"]), (Some(2), &json!([])));
    place.run(&["export", "out/"]).expect(0);
    let tickets = lines(&place.path().join("out/tickets.jsonl"));
    assert_eq!(tickets[0]["tags"], json!(["paper", "printer"]));
    let facts: Vec<&Value> =
        ["title", "status", "channel", "priority", "created_at", "resolved_at"].iter().map(|field| &tickets[0][*field]).collect();
    assert_eq!(json!(facts), json!(["Printer", "resolved", "import", "high", "2025-01-01T08:00:00Z", "2025-01-02T08:00:00Z"]));
    assert_eq!((&tickets[1]["title"], &tickets[1]["description"]), (&json!("=1+1"), &json!("=1+1")));

    place.write(
        "bad.csv",
        "title,requester,status,created_at,assignee\nFine,ana@example.com,open,,\n,nobody@example.com,opened,yesterday,ana@example.com\n",
    );
    let refused = place.run(&["import", "bad.csv"]).expect(1);
    for fault in [
        "line 3: title is empty",
        "line 3: requester nobody@example.com has no account",
        "line 3: status",
        "line 3: created_at",
        "line 3: assignee",
    ] {
        assert!(refused.err.contains(fault), "{fault}: {refused:?}");
    }
    place.write("odd.csv", "title,requester,colour\nx,ana@example.com,red\n");
    place.run(&["import", "odd.csv"]).expect(1).says("no column \"colour\"");
    place.write("none.csv", "title\nx\n");
    place.run(&["import", "none.csv"]).expect(1).says("requester is missing");
    place.run(&["import", "missing.csv"]).expect(1).says("missing.csv");
    assert_eq!(report(&place)["tickets"], 2, "nothing of it was written");
}

/// bcrypt of "old pass phrase 1", of little effort.
const BCRYPT: &str = "bcrypt-of-old-pass-phrase";

const OLD_DESK: &[&str] = &[
    "CREATE TYPE userrole AS ENUM ('USER', 'AGENT', 'ADMIN')",
    "CREATE TABLE users (id serial PRIMARY KEY, email varchar UNIQUE NOT NULL, hashed_password varchar NOT NULL, full_name varchar, \
     role userrole NOT NULL, is_active boolean DEFAULT true, created_at timestamp DEFAULT now())",
    "CREATE TABLE tickets (id serial PRIMARY KEY, title varchar NOT NULL, description text, status varchar, priority varchar, \
     creator_id integer REFERENCES users (id), assigned_agent_id integer REFERENCES users (id), created_at timestamp, updated_at timestamp, \
     resolved_at timestamptz)",
    "CREATE TABLE comments (id serial PRIMARY KEY, ticket_id integer, author_id integer, content text, is_internal boolean, created_at timestamp)",
];

fn sign_in(server: &Server, email: &str, password: &str) -> u16 {
    block(async {
        let http = taquilla::outgoing::client("http:").no_proxy().build().unwrap();
        let form = [("username", email), ("password", password)];
        http.post(format!("{}/api/v1/auth/login", server.url)).form(&form).send().await.unwrap().status().as_u16()
    })
}

#[test]
fn the_former_desk_comes_over_with_numbers_times_and_passwords() {
    let place = Place::new();
    let database = block(Database::empty());
    let hash = bcrypt::hash("old pass phrase 1", 4).unwrap();
    let rows = [
        format!("INSERT INTO users VALUES (3, 'Ana@Example.com', '{BCRYPT}', 'Ana Vidal', 'USER', true, '2023-05-01 10:00:00'), \
                 (5, 'eva@example.com', '{BCRYPT}', 'Eva Okafor', 'AGENT', true, '2023-05-01 10:00:00'), \
                 (9, 'root@example.com', '{BCRYPT}', '', 'ADMIN', true, '2023-05-01 10:00:00')"),
        "INSERT INTO tickets VALUES (41, 'Printer', 'It smokes', 'IN_PROGRESS', 'CRITICAL', 3, 5, '2024-01-01 08:00:00.5', '2024-01-02 08:00:00', NULL), \
         (77, 'Old one', '', 'closed', 'low', 3, NULL, '2024-02-01 08:00:00', '2024-02-03 08:00:00', '2024-02-02 10:00:00+02')"
            .to_owned(),
        "INSERT INTO comments VALUES (7, 41, 5, 'Looking', false, '2024-01-01 09:00:00'), (8, 41, 5, 'A note', true, '2024-01-01 10:00:00'), \
         (12, 41, 3, 'Thanks', false, '2024-01-02 08:00:00')"
            .to_owned(),
    ];
    let run = |statements: &[String]| {
        block(async {
            let mut connection = database.connect().await;
            for statement in statements {
                sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut connection).await.unwrap();
            }
        });
    };
    let url = database.url();
    place.run(&["import", "--from", "old-desk", &url]).expect(1).says("no table users");
    run(&OLD_DESK.iter().map(|&sql| sql.to_owned()).collect::<Vec<_>>());
    run(&rows.map(|row| row.replace(BCRYPT, &hash)));
    place.run(&["import", "--from", "old-desk", "sled:./x"]).expect(2).says("postgres://");
    let dry = place.run(&["--json", "import", "--from", "old-desk", &url, "--dry-run"]).expect(0).json();
    assert_eq!((&dry["users"], &dry["tickets"], &dry["comments"]), (&json!(3), &json!(2), &json!(3)));
    assert_eq!(place.run(&["--json", "fsck"]).expect(0).json()["users"], 0);

    // A fault anywhere, and nothing comes.
    run(&[
        "INSERT INTO comments VALUES (13, 99, 3, 'Lost', false, now())".to_owned(),
        "UPDATE tickets SET status = 'gone' WHERE id = 77".to_owned(),
    ]);
    let refused = place.run(&["import", "--from", "old-desk", &url]).expect(1);
    assert!(refused.err.contains("tickets 77: status is \"gone\"") && refused.err.contains("1 comments belong to tickets"), "{refused:?}");
    assert_eq!(place.run(&["--json", "fsck"]).expect(0).json()["users"], 0);
    run(&[
        "DELETE FROM comments WHERE id = 13".to_owned(),
        "UPDATE tickets SET status = 'closed' WHERE id = 77".to_owned(),
        // By a clock that ran ahead.
        "ALTER TABLE comments ADD COLUMN updated_at timestamp".to_owned(),
        "UPDATE comments SET updated_at = '2999-01-01' WHERE id = 12".to_owned(),
    ]);

    let done = place.run(&["--json", "import", "--from", "old-desk", &url]).expect(0).json();
    assert_eq!((&done["users"], &done["tickets"], &done["comments"]), (&json!(3), &json!(2), &json!(3)));
    fsck(&place, "sled:./data");
    place.run(&["import", "--from", "old-desk", &url]).expect(1).says("has tickets already");
    place.run(&["export", "out/", "--with-credentials"]).expect(0);
    let out = |name: &str| lines(&place.path().join("out").join(name));
    let tickets = out("tickets.jsonl");
    let first: Vec<&Value> = [
        "id",
        "status",
        "priority",
        "creator_id",
        "assigned_agent_id",
        "created_at",
        "first_response_at",
        "public_comments",
        "internal_notes",
        "channel",
    ]
    .iter()
    .map(|field| &tickets[0][*field])
    .collect();
    assert_eq!(
        json!(first),
        json!([41, "in_progress", "critical", 3, 5, "2024-01-01T08:00:00.5Z", "2024-01-01T09:00:00Z", 2, 1, "import"])
    );
    assert_eq!((&tickets[1]["resolved_at"], &tickets[1]["closed_at"]), (&json!("2024-02-02T08:00:00Z"), &json!("2024-02-03T08:00:00Z")));
    let comments = out("comments.jsonl");
    assert_eq!(comments.iter().map(|c| c["id"].as_i64().unwrap()).collect::<Vec<_>>(), [7, 8, 12]);
    assert!([&tickets[0], &comments[2]].iter().all(|row| row["updated_at"].as_str().unwrap() < "2999"), "nothing is from the future");
    assert!(out("users.jsonl").iter().all(|user| user["password_hash"] == hash.as_str()));
    assert_eq!(out("roster.jsonl")[0]["admins"], json!([9]));

    // The old password opens the door, and is hashed anew on the way.
    let mut server = place.serve(&[], &[]);
    assert_eq!(sign_in(&server, "ana@example.com", "wrong pass phrase"), 401);
    assert_eq!(sign_in(&server, "ana@example.com", "old pass phrase 1"), 200);
    assert_eq!(sign_in(&server, "ana@example.com", "old pass phrase 1"), 200);
    server.stop();
    place.run(&["export", "after/", "--with-credentials"]).expect(0);
    let hashes: Vec<String> =
        lines(&place.path().join("after/users.jsonl")).iter().map(|user| user["password_hash"].as_str().unwrap()[..4].to_owned()).collect();
    assert_eq!(hashes, ["$arg", "$2b$", "$2b$"]);
}
