//! `taquilla ticket …` against a running desk: every verb, every exit code, and what happens when an answer is lost.

use std::{
    io::{Read, Write},
    net::TcpListener,
    process::Command,
    sync::{Arc, mpsc::channel},
};

use serde_json::{Value, json};

use crate::binary::{Place, Ran, Server};

/// A desk with an admin, an agent and a requester, and a token of each.
struct Remote {
    place: Place,
    server: Server,
    admin: String,
    agent: String,
    user: String,
}

impl Remote {
    fn start() -> Self {
        let place = Place::new();
        let token = |email: &str, role: &str| {
            place.add_user(email, role);
            place.run(&["-q", "token", "create", "--user", email, "--name", "x"]).expect(0).out.trim().to_owned()
        };
        let (admin, agent, user) = (token("ana@example.com", "admin"), token("eva@example.com", "agent"), token("uma@example.com", "user"));
        let server = place.serve(&[], &[]);
        Self { place, server, admin, agent, user }
    }

    fn run(&self, token: &str, arguments: &[&str]) -> Ran {
        self.run_with(token, arguments, "")
    }

    fn run_with(&self, token: &str, arguments: &[&str], input: &str) -> Ran {
        let variables = [("TAQUILLA_SERVER", self.server.url.as_str()), ("TAQUILLA_TOKEN", token)];
        self.place.run_with(&variables, &[&["ticket"], arguments].concat(), input)
    }

    /// Opens a ticket of the requester.
    fn open(&self, title: &str) -> String {
        self.run(&self.user, &["-q", "create", "--title", title, "--description", "Words"]).expect(0).out.trim().to_owned()
    }
}

#[test]
fn a_ticket_is_opened_answered_assigned_and_resolved() {
    let desk = Remote::start();
    let ran = desk.run_with(&desk.user, &["create", "--title", "No Wi-Fi", "--priority", "high", "--tag", "wifi,floor-2"], "From stdin.\n");
    let ran = ran.expect(0).says("ticket 1 is opened: http://");
    assert_eq!(ran.out, "1\n");
    let ran = desk.run(&desk.agent, &["assign", "1", "me"]).expect(0).says("ticket 1 is assigned to Somebody");
    assert_eq!(ran.out, "");
    assert_eq!(desk.run(&desk.agent, &["comment", "1", "Looking into it."]).expect(0).says("comment 1 is on ticket 1").out, "1\n");
    let file = desk.place.write("note", "Only for **us**\n");
    desk.run(&desk.agent, &["comment", "1", "--internal", "--file", file.to_str().unwrap()]).expect(0);
    let comment = desk.run_with(&desk.user, &["--json", "comment", "1", "--file", "-"], "It works.").expect(0).json();
    assert_eq!((comment["content"].as_str(), comment["is_internal"].as_bool()), (Some("It works."), Some(false)));
    desk.run(&desk.agent, &["resolve", "1"]).expect(0).says("ticket 1 is resolved");
    let ticket = desk.run(&desk.agent, &["show", "1", "--json"]).expect(0).json();
    let fields = ["title", "description", "status", "priority", "tags", "comment_count"].map(|field| ticket[field].clone());
    assert_eq!(json!(fields), json!(["No Wi-Fi", "From stdin.", "resolved", "high", ["floor-2", "wifi"], 3]));
    let contents: Vec<_> = ticket["comments"].as_array().unwrap().iter().map(|c| c["content"].as_str().unwrap()).collect();
    assert_eq!(contents, ["Looking into it.", "Only for **us**", "It works."]);

    let text = desk.run(&desk.user, &["show", "1"]).expect(0).out;
    assert!(text.starts_with("#1  No Wi-Fi\n") && text.contains("\nFrom stdin.\n") && !text.contains("Only for"), "{text}");
    let staff = desk.run(&desk.agent, &["show", "1"]).expect(0).out;
    assert!(staff.contains("(internal note)\nOnly for **us**"), "{staff}");
    let changed = desk.run(&desk.admin, &["--json", "assign", "1", "none"]).expect(0).json();
    assert_eq!((&changed["assigned_agent_id"], changed["id"].as_i64()), (&Value::Null, Some(1)));
    assert_eq!(desk.run(&desk.admin, &["-q", "assign", "1", "2"]).expect(0).err, "");
    desk.run(&desk.admin, &["assign", "1", "EVA@example.com"]).expect(0).says("ticket 1 is assigned to Somebody");
    for requester in ["3", "uma@example.com"] {
        let create = ["--json", "create", "--title", "T", "--description", "D", "--creator", requester];
        let on_behalf = desk.run(&desk.agent, &create).expect(0).json();
        assert_eq!((on_behalf["creator_id"].as_i64(), on_behalf["opened_by_id"].as_i64()), (Some(3), Some(2)));
    }
}

#[test]
fn lists_take_the_filters_of_the_api_and_all_pages() {
    let desk = Remote::start();
    for number in 0..12 {
        desk.open(&format!("Printer {number:02} \u{1b}[2J{}", "long ".repeat(20)));
    }
    desk.open("VPN");
    desk.run(&desk.agent, &["assign", "13", "me"]).expect(0);
    let ids = |arguments: &[&str]| -> Vec<i64> {
        let rows = desk.run(&desk.agent, &[&["--json", "list"], arguments].concat()).expect(0).json();
        rows.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(ids(&["--sort", "id", "--limit", "3"]), [1, 2, 3]);
    assert_eq!(ids(&["--sort=-id", "-n", "2"]), [13, 12]);
    assert_eq!(ids(&["--assignee", "me"]), [13]);
    assert_eq!(ids(&["--assignee", "none"]).len(), 12);
    assert_eq!(ids(&["--assignee", "eva@example.com"]), [13]);
    assert_eq!(ids(&["--creator", "uma@example.com"]).len(), 13);
    assert_eq!(ids(&["--status", "in_progress,pending"]), [13]);
    assert_eq!(ids(&["--search", "vp"]), [13]);
    assert_eq!(ids(&["--creator", "3", "--priority", "medium", "--created-after", "2020-01-01T00:00:00Z"]).len(), 13);
    for none in [&["--overdue"][..], &["--tag", "x,y"], &["--creator", "me"], &["--updated-before", "2020-01-01T00:00:00Z"]] {
        assert_eq!(ids(none), [] as [i64; 0], "{none:?}");
    }
    let table = desk.run(&desk.user, &["list", "-n", "2"]).expect(0).says("2 of 13 tickets");
    let lines: Vec<_> = table.out.lines().collect();
    assert!(lines.len() == 3 && lines[0].starts_with("ID  TITLE") && lines[1].starts_with("13  VPN"), "{table:?}");
    assert!(lines[2].contains('…') && !table.out.contains('\x1b'), "{table:?}");

    // More than a page, as a demo has.
    let place = Place::new();
    place.run(&["demo", "--tickets", "430"]).expect(0);
    let token = place.run(&["-q", "token", "create", "--user", "eva.okafor@demo.example", "--name", "x"]).expect(0).out;
    let server = place.serve(&[], &[]);
    let list = ["--json", "ticket", "list", "--server", &server.url, "--token", token.trim(), "--sort", "id", "-n", "405"];
    let rows = place.run(&list).expect(0).json();
    let found: Vec<i64> = rows.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert!(found.len() == 405 && found.is_sorted_by(|a, b| a < b), "{}", found.len());
}

#[test]
fn every_refusal_has_its_exit_code() {
    let desk = Remote::start();
    desk.open("First");
    for arguments in [
        &["list", "--status", "new"][..],
        &["list", "--assignee", "you"],
        &["list", "--creator", "none"],
        &["list", "--sort", "title"],
        &["list", "--limit", "0"],
        &["list", "--created-after", "yesterday"],
        &["show"],
        &["show", "first"],
        &["assign", "1"],
        &["create", "--description", "x"],
        &["create", "--title", "x", "--description", "x", "--description-file", "y"],
        &["create", "--title", "x", "--description", ""],
        &["comment", "1"],
        &["comment", "1", "x", "--file", "y"],
        &["list", "--token", "a", "--token-file", "b"],
    ] {
        let ran = desk.run(&desk.agent, arguments).expect(2);
        assert!(ran.out.is_empty() && !ran.err.is_empty(), "{ran:?}");
    }
    let long = "x".repeat(201);
    desk.run(&desk.agent, &["create", "--title", &long, "--description", "x"]).expect(2).says("title must be at most 200");
    desk.run(&desk.agent, &["create", "--title", "x", "--description-file", "absent"]).expect(1).says("absent");
    desk.run("", &["list"]).expect(2).says("TAQUILLA_TOKEN");
    desk.run("a b", &["list"]).expect(2).says("token");
    for server in ["nonsense", "127.0.0.1:8000", "localhost:8000", "ftp://127.0.0.1", "http://u:p@127.0.0.1", "http://127.0.0.1/?x"] {
        let ran = desk.run(&desk.agent, &["list", "--server", server]).expect(2).says("--server");
        assert!(!ran.err.contains("u:p@") || !server.contains("u:p@"), "{ran:?}");
    }

    desk.run("tqp_wrong", &["list"]).expect(6).says("token");
    desk.run(&desk.user, &["resolve", "1"]).expect(6);
    desk.run(&desk.user, &["assign", "1", "none"]).expect(6);
    desk.run(&desk.user, &["list", "--deleted"]).expect(6);
    for verb in [&["show", "77"][..], &["comment", "77", "x"], &["assign", "77", "none"], &["resolve", "77"], &["assign", "1", "77"]] {
        desk.run(&desk.agent, verb).expect(5);
    }
    desk.run(&desk.agent, &["assign", "1", "eva@example.org"]).expect(5).says("there is no account eva@example.org");
    desk.run(&desk.user, &["list", "--assignee", "eva@example.com"]).expect(6);
    desk.run(&desk.agent, &["assign", "1", "3"]).expect(1).says("active agent or admin");
    desk.run(&desk.agent, &["show", "77"]).expect(5).says("tickets/77");
    let error = desk.run(&desk.agent, &["--json", "show", "77"]).expect(5).error();
    assert_eq!((error["code"].as_str(), error["exit_code"].as_i64()), (Some("not_found"), Some(5)));

    // A file of one's own for the token, and a server that is there no more.
    let file = desk.place.write("token", &format!("{}\n", desk.agent));
    let slash = format!("{}/", desk.server.url);
    let by_file = ["ticket", "--server", &slash, "list", "--token-file", file.to_str().unwrap()];
    desk.place.run(&by_file).expect(0);
    desk.place.run(&["ticket", "list", "--token-file", "absent"]).expect(1).says("absent");
    let Remote { place, server, agent, .. } = desk;
    let url = server.url.clone();
    drop(server);
    place.run(&["ticket", "show", "1", "--server", &url, "--token", &agent]).expect(4).says("cannot be reached");
    place.run(&["ticket", "create", "--title", "x", "--description", "x", "--server", &url, "--token", &agent]).expect(4);
}

/// Reads a request with a body.
fn request(stream: &mut std::net::TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if read == 0 || body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
    }
}

#[test]
fn a_lost_answer_is_asked_for_once_more_under_the_same_key() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (seen, requests) = channel();
    std::thread::spawn(move || {
        let answer = |status: &str, kind: &str, body: &str| {
            format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        };
        let running = answer("409 Conflict", "application/problem+json", r#"{"type": "/problems/already-running", "detail": "Running."}"#);
        let made = answer("201 Created", "application/json", r#"{"id": 41}"#);
        let page = answer("200 OK", "text/html", "<p>");
        // Lost, still running, done; lost twice; a page of something else; a redirect.
        let moved =
            "HTTP/1.1 302 Found\r\nlocation: https://elsewhere.example\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned();
        for answer in [None, Some(running), Some(made), None, None, Some(page), Some(moved)] {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = seen.send(request(&mut stream));
            if let Some(answer) = answer {
                stream.write_all(answer.as_bytes()).unwrap();
            }
        }
    });
    let run = |verb: &[&str]| place.run(&[&["ticket", "--server", &url, "--token", "tqp_x"], verb].concat());
    let key = |text: &str| text.lines().find_map(|line| line.strip_prefix("idempotency-key: ").map(str::to_owned)).expect("a key");
    assert_eq!(run(&["create", "--title", "x", "--description", "x"]).expect(0).out, "41\n");
    let sent: Vec<String> = (0..3).map(|_| requests.recv().unwrap()).collect();
    assert!(sent.iter().all(|text| text.starts_with("POST /api/v1/tickets ") && text.contains("authorization: Bearer tqp_x")), "{sent:?}");
    assert!(key(&sent[0]).len() > 16 && sent.iter().all(|text| key(text) == key(&sent[0])), "{sent:?}");

    run(&["comment", "1", "x"]).expect(4).says("whether it was done is not known");
    let sent: Vec<String> = (0..2).map(|_| requests.recv().unwrap()).collect();
    assert!(key(&sent[0]) == key(&sent[1]) && sent[0].starts_with("POST /api/v1/tickets/1/comments "), "{sent:?}");
    run(&["list"]).expect(1).says("is that a Taquilla desk?");
    run(&["list"]).expect(1).says("https://elsewhere.example");
}

#[test]
fn a_desk_behind_tls_is_asked_when_its_certificate_is_trusted() {
    let desk = Remote::start();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let authorities = desk.place.write("authorities.pem", &made.cert.pem());
    taquilla::outgoing::install_tls();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let behind = desk.server.url.strip_prefix("http://").unwrap().to_owned();
    // A proxy that ends TLS.
    runtime.spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let mut plain = tokio::net::TcpStream::connect(behind).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut plain).await;
                }
            });
        }
    });
    let url = format!("https://localhost:{port}");
    let trusted = ("SSL_CERT_FILE", authorities.to_str().unwrap());
    let list = ["--json", "ticket", "list", "--server", &url, "--token", &desk.agent];
    assert_eq!(desk.place.run_in(&[trusted], &list).expect(0).json(), json!([]));
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let others = desk.place.write("others.pem", &stranger.cert.pem());
    desk.place.run_in(&[("SSL_CERT_FILE", others.to_str().unwrap())], &list).expect(4).says("certificate");
}

#[test]
fn tokens_are_not_shown_by_help_or_errors_and_completions_know_the_verbs() {
    let place = Place::new();
    let help = place.run_in(&[("TAQUILLA_TOKEN", "tqp_secret")], &["ticket", "list", "--help"]).expect(0);
    assert!(help.out.contains("TAQUILLA_TOKEN") && help.out.contains("--overdue") && !help.out.contains("tqp_secret"), "{help:?}");
    let bad = place.run_in(&[("TAQUILLA_TOKEN", "tqp_secret")], &["ticket", "--server", "http://127.0.0.1:1", "list"]).expect(4);
    assert!(!bad.err.contains("tqp_secret"));
    let script = place.run(&["completions", "bash"]).expect(0).out;
    assert!(script.contains("taquilla__subcmd__ticket__subcmd__resolve") || script.contains("taquilla__ticket__resolve"), "verbs");
    let checked = Command::new("bash").args(["-n", "-c", &script]).status().unwrap();
    assert!(checked.success());
}
