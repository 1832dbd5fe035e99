//! The command line: verbs, what they print, how they end.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::{binary::Place, support::open_engine};

/// The keys of an object, sorted.
fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn alone_it_prints_its_help_and_ends_with_2() {
    let ran = Place::new().run(&[]).expect(2);
    assert_eq!(ran.out, "");
    for words in ["serve", "healthcheck", "completions", "Exit codes:", "\n  4  the storage is in use by another process"] {
        assert!(ran.err.contains(words), "{words}: {}", ran.err);
    }
}

#[test]
fn help_that_is_asked_for_is_data() {
    let place = Place::new();
    for arguments in [&["--help"][..], &["help"], &["serve", "--help"], &["user", "create", "-h"], &["help", "token", "revoke"]] {
        let ran = place.run(arguments).expect(0);
        assert!(ran.out.contains("Usage: taquilla") && ran.err.is_empty(), "{ran:?}");
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let place = Place::new();
    for arguments in [
        &["dance"][..],
        &["user"],
        &["token"],
        &["config"],
        &["serve", "--port", "1"],
        &["serve", "--log-format", "xml"],
        &["user", "create", "--email", "nobody", "--name", "x"],
        &["user", "create", "--email", "a@example.com", "--name", " ", "--no-password"],
        &["user", "create", "--email", "a@example.com", "--name", "x", "--role", "root"],
        &["user", "create", "--email", "a@example.com", "--name", "x", "--password", "correct horse 1"],
        &["user", "create", "--email", "a@example.com", "--name", "x", "--password-stdin", "--no-password"],
        &["user", "disable"],
        &["user", "set-role", "a@example.com"],
        &["user", "list", "--active", "--disabled"],
        &["token", "create", "--user", "a@example.com"],
        &["token", "create", "--user", "a@example.com", "--name", "x", "--days", "0"],
        &["token", "revoke", "first"],
        &["completions", "cmd"],
    ] {
        let ran = place.run(arguments).expect(2);
        assert!(ran.out.is_empty() && !ran.err.is_empty(), "{ran:?}");
    }
    assert!(!place.path().join("data").exists(), "nothing was begun");
}

#[test]
fn version_is_told_as_text_and_as_json() {
    let place = Place::new();
    let version = env!("CARGO_PKG_VERSION");
    for arguments in [&["version"][..], &["--version"], &["-V"]] {
        assert_eq!(place.run(arguments).expect(0).out, format!("taquilla {version}\n"));
    }
    assert_eq!(place.run(&["version", "--json"]).expect(0).json(), json!({ "name": "taquilla", "version": version }));
}

#[test]
fn the_openapi_document_is_printed() {
    let document = Place::new().run(&["openapi"]).expect(0).json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    assert!(document["paths"]["/api/v1/tickets/{id}"]["get"].is_object());
    assert_eq!(document, serde_json::to_value(taquilla::http::openapi()).unwrap());
}

#[test]
fn completions_are_printed_for_every_shell() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.run(&["completions", shell]).expect(0).out;
        assert!(script.contains("taquilla") && script.contains("healthcheck"), "{shell}");
    }
}

#[test]
fn accounts_are_made_listed_and_changed() {
    let place = Place::new();
    let made = place.add_user("Ana@Example.com", "admin");
    assert_eq!(keys(&made), ["created_at", "email", "full_name", "id", "is_active", "locale", "role", "updated_at", "version"]);
    assert_eq!(
        (made["email"].as_str(), made["role"].as_str(), made["is_active"].as_bool()),
        (Some("ana@example.com"), Some("admin"), Some(true))
    );
    place.add_user("eva@example.com", "agent");
    place.add_user("uma@example.com", "user");

    let emails = |arguments: &[&str]| {
        let rows = place.run(&[&["--json", "user", "list"], arguments].concat()).expect(0).json();
        rows.as_array().unwrap().iter().map(|row| row["email"].as_str().unwrap().split('@').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(emails(&[]), ["ana", "eva", "uma"]);
    assert_eq!(emails(&["--role", "agent"]), ["eva"]);
    assert_eq!(emails(&["--search", "um"]), ["uma"]);

    let changed = place.run(&["--json", "user", "set-role", "uma@example.com", "agent"]).expect(0).json();
    assert_eq!((changed["role"].as_str(), changed["version"].as_i64()), (Some("agent"), Some(2)));
    let id = changed["id"].to_string();
    assert_eq!(place.run(&["--json", "user", "disable", &id]).expect(0).json()["is_active"], false);
    assert_eq!(emails(&["--disabled"]), ["uma"]);
    assert_eq!(emails(&["--active"]), ["ana", "eva"]);
    assert_eq!(place.run(&["--json", "user", "enable", "UMA@example.com"]).expect(0).json()["is_active"], true);

    let text = place.run(&["user", "list", "--role", "admin"]).expect(0).out;
    assert_eq!(text, "ID  E-MAIL           NAME      ROLE   STATE\n1   ana@example.com  Somebody  admin  active\n");
}

#[test]
fn what_a_verb_does_is_in_the_log_as_done_at_the_command_line() {
    let place = Place::new();
    place.add_user("ana@example.com", "admin");
    place.run(&["user", "disable", "ana@example.com"]).expect(1);
    let token = place.run(&["--quiet", "token", "create", "--user", "ana@example.com", "--name", "x"]).expect(0);
    assert!(token.err.is_empty());
    let server = place.serve(&[], &[]);
    let entries = get(&format!("{}/api/v1/activity", server.url), token.out.trim());
    let found: Vec<_> =
        entries.as_array().unwrap().iter().map(|e| (e["action"].as_str().unwrap(), e["actor"]["via"].as_str().unwrap())).collect();
    assert_eq!(found, [("user.created", "cli"), ("token.created", "cli")]);
}

/// An answer of a running server.
fn get(url: &str, token: &str) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = taquilla::outgoing::client("http:").no_proxy().build().unwrap();
        let answer = client.get(url).bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{url}");
        answer.json().await.unwrap()
    })
}

#[test]
fn passwords_come_from_stdin_or_a_file() {
    let place = Place::new();
    place.add_user("ana@example.com", "admin");
    let file = place.write("password", "another password\r\n");
    let file = file.to_str().unwrap();
    place.run(&["user", "set-password", "ana@example.com", "--password-file", file]).expect(0);
    place.run(&["user", "create", "--email", "b@example.com", "--name", "B", "--password-file", file]).expect(0);
    place.run(&["user", "create", "--email", "c@example.com", "--name", "C", "--no-password"]).expect(0);
    // Without a terminal there is nobody to ask.
    let ran = place.run(&["user", "create", "--email", "d@example.com", "--name", "D"]).expect(2);
    ran.says("--password-stdin or --password-file");
    place.run(&["user", "create", "--name", "D", "--no-password"]).expect(2).says("--email is required");
    place.run(&["user", "set-password", "ana@example.com", "--password-file", "absent"]).expect(1).says("absent");
    for (password, words) in [("short", "at least 8"), ("password123", "most common"), ("ana@example.com", "must not be the e-mail")] {
        let ran = place.run_with(&[], &["user", "set-password", "ana@example.com", "--password-stdin"], password).expect(2).says(words);
        assert!(!ran.err.contains(&format!("\"{password}\"")), "{ran:?}");
    }

    let server = place.serve(&[], &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let login = async |email: &str, password: &str| {
        let client = taquilla::outgoing::client("http:").no_proxy().build().unwrap();
        let form = client.post(format!("{}/api/v1/auth/login", server.url)).form(&[("username", email), ("password", password)]);
        form.send().await.unwrap().status().as_u16()
    };
    runtime.block_on(async {
        assert_eq!(login("ana@example.com", "another password").await, 200);
        assert_eq!(login("ana@example.com", "correct horse 1").await, 401);
        assert_eq!(login("b@example.com", "another password").await, 200);
        assert_eq!(login("c@example.com", "").await, 401);
    });
}

#[test]
fn what_cannot_be_done_says_why_with_its_own_exit_code() {
    let place = Place::new();
    place.add_user("ana@example.com", "admin");
    let again = ["user", "create", "--email", "ANA@example.com", "--name", "Ana", "--no-password"];
    place.run(&again).expect(1).says("already registered");
    place.run(&["user", "disable", "ana@example.com"]).expect(1).says("last active admin");
    place.run(&["user", "set-role", "1", "user"]).expect(1).says("last active admin");
    for arguments in [
        &["user", "disable", "nobody@example.com"][..],
        &["user", "set-role", "99", "agent"],
        &["token", "list", "--user", "nobody@example.com"],
        &["token", "revoke", "77"],
    ] {
        place.run(arguments).expect(5).says("error: ");
    }
    place.add_user("eva@example.com", "agent");
    place.run(&["user", "disable", "eva@example.com"]).expect(0);
    place.run(&["token", "create", "--user", "eva@example.com", "--name", "x"]).expect(6).says("disabled");
    let error = place.run(&["--json", "user", "enable", "nobody@example.com"]).expect(5).error();
    assert_eq!(error, json!({ "code": "not_found", "exit_code": 5, "message": "there is no account nobody@example.com" }));
    let error = place.run_in(&[("TAQUILLA_LOG__LEVEL", "loud")], &["--json", "user", "list"]).expect(3).error();
    assert_eq!((error["code"].as_str(), error["problems"][0]["key"].as_str()), (Some("configuration"), Some("log.level")));
}

#[test]
fn api_tokens_are_made_listed_and_revoked() {
    let place = Place::new();
    place.add_user("ana@example.com", "agent");
    let made = place.run(&["--json", "token", "create", "--user", "ana@example.com", "--name", "ci", "--days", "30"]).expect(0).json();
    assert_eq!(keys(&made), ["created_at", "expires_at", "id", "name", "token"]);
    assert!(made["expires_at"].is_string());
    let ran = place.run(&["token", "create", "--user", "1", "--name", "script"]).expect(0).says("token 2 of 1 does not end by itself");
    let token = ran.out.trim_end();
    assert!(token.starts_with("tqp_") && !token.contains(char::is_whitespace), "the token alone is data: {ran:?}");
    place
        .run(&["token", "create", "--user", "1", "--name", "x", "--expires-at", "2020-01-01T00:00:00Z"])
        .expect(2)
        .says("must lie in the future");

    let rows = place.run(&["--json", "token", "list", "--user", "ana@example.com"]).expect(0);
    assert!(!rows.out.contains("tqp_"));
    let rows = rows.json();
    assert_eq!(keys(&rows[0]), ["created_at", "expires_at", "id", "last_used_at", "name"]);
    assert_eq!((rows[0]["name"].as_str(), rows[1]["name"].as_str()), (Some("ci"), Some("script")));
    assert!(place.run(&["token", "list", "--user", "1"]).expect(0).out.starts_with("ID  NAME"));

    place.add_user("eva@example.com", "agent");
    place.run(&["token", "revoke", "1", "--user", "eva@example.com"]).expect(5);
    assert_eq!(place.run(&["--json", "token", "revoke", "1"]).expect(0).json(), json!({ "id": 1, "revoked": true }));
    assert_eq!(place.run(&["token", "revoke", "2", "--user", "ana@example.com"]).expect(0).out, "");
    assert_eq!(place.run(&["--json", "token", "list", "--user", "1"]).expect(0).json(), json!([]));
    place.run(&["token", "revoke", "2"]).expect(5);
}

#[test]
fn a_storage_is_begun_by_making_an_account_and_by_nothing_else() {
    let place = Place::new();
    for arguments in [&["user", "list"][..], &["user", "enable", "1"], &["token", "list", "--user", "1"], &["fsck"], &["fsck", "--rebuild"]]
    {
        place.run(arguments).expect(4).says("there is no storage in ./data");
        assert!(!place.path().join("data").exists());
    }
    place.add_user("ana@example.com", "admin");
    assert!(place.path().join("data").is_dir());
}

#[test]
fn the_storage_may_be_named_on_the_command_line_of_whatever_opens_it() {
    let place = Place::new();
    let at = ["--storage-url", "sled:./elsewhere"];
    let ana = ["user", "create", "--email", "ana@example.com", "--name", "Ana", "--role", "admin", "--password-stdin"];
    place.run_with(&[], &[&ana[..], &at].concat(), "correct horse 1\n").expect(0);
    for verb in [&["user", "list"][..], &["token", "list", "--user", "1"], &["fsck"], &["audit", "verify"]] {
        place.run(&[&at[..], verb].concat()).expect(0);
        place.run(&[verb, &at[..]].concat()).expect(0);
    }
    place.run(&[&["export", "desk.gz"][..], &at].concat()).expect(0);
    // The variable means a running desk, but the flag is nearer.
    place.run_in(&[("TAQUILLA_TOKEN", "tq_x")], &[&["backup", "create", "--to", "desk.backup"][..], &at].concat()).expect(0);
    place.run(&["config", "check", "--storage-url", "nothing:"]).expect(3).says("--storage-url");
    place.run(&["migrate", "status", "--storage-url", "nothing:"]).expect(3).says("--storage-url");
    assert!(!place.path().join("data").exists());
    for (verb, instead) in [
        (&["ticket", "list"][..], "--server"),
        (&["healthcheck"], "--url"),
        (&["transfer", "--from", "sled:./elsewhere", "--to", "sled:./data"], "--from and --to"),
        (&["openapi"], "opens no storage"),
        (&["backup", "create", "--to", "other", "--server", "http://127.0.0.1:1"], "ask a running desk"),
    ] {
        place.run(&[verb, &at[..]].concat()).expect(2).says("--storage-url").says(instead);
    }
}

#[test]
fn fsck_tells_whether_the_storage_is_sound() {
    let place = Place::new();
    place.add_user("ana@example.com", "admin");
    let report = place.run(&["--json", "fsck"]).expect(0).json();
    assert_eq!(keys(&report), ["comments", "entries", "problems", "rebuilt", "tickets", "users"]);
    assert_eq!(
        (report["users"].as_i64(), report["entries"].as_i64(), &report["problems"], &report["rebuilt"]),
        (Some(1), Some(1), &json!([]), &json!(false))
    );
    assert_eq!(place.run(&["--json", "fsck", "--rebuild"]).expect(0).json()["rebuilt"], true);
    let text = place.run(&["fsck"]).expect(0).out;
    assert!(text.contains("1 accounts") && text.ends_with("The storage is sound.\n"), "{text}");
    // A storage that is not the one that was there is refused.
    std::fs::remove_dir_all(place.path().join("data/store")).unwrap();
    place.run(&["fsck"]).expect(4).says("is empty, though it was not");
    place.run(&["user", "list"]).expect(4).says("is empty, though it was not");
}

#[test]
fn fsck_tells_what_is_wrong_ends_with_1_and_mends_it() {
    let place = Place::new();
    place.add_user("ana@example.com", "admin");
    {
        let engine = open_engine(&place.path().join("data"));
        let (key, _) = engine.scan_prefix(b"e").next().unwrap().unwrap();
        engine.remove(key).unwrap();
        engine.flush().unwrap();
    }
    let report = place.run(&["--json", "fsck"]).expect(1).json();
    assert_eq!(report["problems"].as_array().unwrap().len(), 1, "{report}");
    let text = place.run(&["fsck"]).expect(1).out;
    assert!(text.contains("\nproblem: ") && text.contains("--rebuild"), "{text}");
    place.run(&["fsck", "--rebuild"]).expect(1);
    place.run(&["fsck"]).expect(0);
    place.run(&["user", "set-role", "ana@example.com", "admin"]).expect(0);
}

#[test]
fn the_first_admin_of_the_configuration_is_the_servers_to_make() {
    let place = Place::new();
    place.add_user("root@example.com", "user");
    let variables = [("TAQUILLA_BOOTSTRAP__ADMIN_EMAIL", "root@example.com"), ("TAQUILLA_BOOTSTRAP__ADMIN_PASSWORD", "correct horse 1")];
    let mut server = place.start(&variables, &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(server.end(), Some(1), "an address that is somebody's already: {}", server.said);
    // The verb that mends it works under the same configuration.
    place.run_in(&variables, &["user", "set-role", "root@example.com", "admin"]).expect(0);
    place.serve(&variables, &[]).stop();
}

#[test]
fn messages_are_left_out_when_quiet_is_wanted() {
    let place = Place::new();
    place.add_user("ana@example.com", "admin");
    let old = ("ACCESS_TOKEN_EXPIRE_MINUTES", "45");
    let ran = place
        .run_in(&[old], &["user", "list"])
        .expect(0)
        .says("warning: auth.access_token_minutes is taken from ACCESS_TOKEN_EXPIRE_MINUTES");
    let quiet = place.run_in(&[old], &["-q", "user", "list"]).expect(0);
    assert_eq!((quiet.out, quiet.err.as_str()), (ran.out, ""));
    place.run(&["-q", "user", "disable", "9"]).expect(5).says("error: there is no account 9");
}

#[test]
fn no_colour_is_used_off_a_terminal() {
    let place = Place::new();
    for variables in [&[][..], &[("NO_COLOR", "1")], &[("TERM", "xterm-256color"), ("CLICOLOR", "1")]] {
        for arguments in [&["--help"][..], &["dance"], &["config", "show"]] {
            let ran = place.run_in(variables, arguments);
            assert!(!ran.out.contains('\x1b') && !ran.err.contains('\x1b'), "{ran:?}");
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure_and_a_full_disk_is() {
    let place = Place::new();
    let binary = env!("CARGO_BIN_EXE_taquilla");
    let sh = |script: String| Command::new("sh").args(["-c", &script]).current_dir(place.path()).stderr(Stdio::piped()).output().unwrap();
    let closed = sh(format!("({binary} openapi; echo $? >code) | true; cat code"));
    assert_eq!((String::from_utf8_lossy(&closed.stdout).trim(), String::from_utf8_lossy(&closed.stderr).as_ref()), ("0", ""));
    let full = sh(format!("{binary} version >/dev/full"));
    assert_eq!(full.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&full.stderr).contains("stdout cannot be written"));
}

#[test]
fn healthcheck_asks_the_configured_desk() {
    let place = Place::new();
    let server = place.serve(&[], &[]);
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let listen = ("TAQUILLA_SERVER__LISTEN", address.as_str());
    let healthy = place.run_in(&[listen], &["healthcheck"]).expect(0);
    assert!(healthy.out.starts_with(&format!("ready: {}/health/ready: 200 OK", server.url)), "{healthy:?}");
    let port = address.rsplit(':').next().unwrap();
    place.run_in(&[("TAQUILLA_SERVER__LISTEN", &format!("0.0.0.0:{port}"))], &["healthcheck"]).expect(0);
    let json = place.run(&["--json", "healthcheck", "--url", &server.url]).expect(0).json();
    assert_eq!((json["ready"].as_bool(), json["url"].as_str()), (Some(true), Some(format!("{}/health/ready", server.url).as_str())));
    // An address with a path is asked as it is.
    place.run(&["healthcheck", "--server", &format!("{}/health", server.url)]).expect(0);
    place.run(&["healthcheck", "--url", &format!("{}/nothing", server.url)]).expect(1);
    drop(server);
    let dead = place.run_in(&[listen], &["--json", "healthcheck"]).expect(1).json();
    assert_eq!(dead["ready"], false);
    place.run(&["healthcheck", "--url", "nonsense"]).expect(1);
    place.run_in(&[("TAQUILLA_SERVER__LISTEN", "x")], &["healthcheck"]).expect(3);
}
