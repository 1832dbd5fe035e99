//! `serve`: starting, saying so, stopping; and what others are told meanwhile.

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::binary::Place;

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))
}

async fn status(url: &str) -> u16 {
    taquilla::outgoing::client("http:").no_proxy().build().unwrap().get(url).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn it_says_where_it_listens_answers_and_stops_when_told() {
    for signal in ["TERM", "INT"] {
        let place = Place::new();
        let mut server = place.start(&[], &["serve", "--listen", "127.0.0.1:0"]);
        let line = parse(&server.until("\"listening\""));
        let url = line["url"].as_str().unwrap();
        assert_eq!((line["version"].as_str(), line["store"].as_str()), (Some(env!("CARGO_PKG_VERSION")), Some("sled:./data")));
        assert_eq!(line["docs"], format!("{url}/docs"));
        assert_eq!(format!("http://{}", line["address"].as_str().unwrap()), url);
        assert_eq!((status(&format!("{url}/health")).await, status(&format!("{url}/docs")).await), (200, 200));
        server.signal(signal);
        assert_eq!(server.end(), Some(0), "{}", server.said);
        assert!(server.said.contains("\"stopped\""), "{}", server.said);
        // It starts again on what it left.
        place.serve(&[], &[]).stop();
    }
}

#[test]
fn a_second_signal_stops_it_without_waiting() {
    let place = Place::new();
    let mut server = place.serve(&[], &[]);
    // A request whose body never comes holds up a stop in good order.
    let mut slow = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    let head =
        ["POST /api/v1/auth/login HTTP/1.1", "host: x", "content-type: application/json", "content-length: 9", "expect: 100-continue"];
    slow.write_all(format!("{}\r\n\r\n", head.join("\r\n")).as_bytes()).unwrap();
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
    server.signal("TERM");
    server.until("stopping");
    server.signal("TERM");
    assert_eq!(server.end(), Some(1), "{}", server.said);
    assert!(server.said.contains("SIGTERM again"), "{}", server.said);
    place.serve(&[], &[]).stop();
}

#[test]
fn for_people_it_speaks_in_lines_of_text() {
    let place = Place::new();
    let mut server = place.start(&[], &["serve", "--listen", "127.0.0.1:0", "--log-format", "text", "--storage-url", "sled:./elsewhere"]);
    server.until("/docs");
    let lines: Vec<_> = server.said.lines().map(str::trim).collect();
    assert_eq!(lines[0], format!("Taquilla {}", env!("CARGO_PKG_VERSION")));
    assert_eq!(lines[1], "store    sled:./elsewhere");
    assert!(lines[2].starts_with("address  http://127.0.0.1:"), "{lines:?}");
    server.until("/setup#");
    server.stop();
    assert!(place.path().join("elsewhere").is_dir() && !place.path().join("data").exists());
}

#[test]
fn the_public_address_is_the_one_that_is_printed() {
    let place = Place::new();
    let public = ("TAQUILLA_SERVER__PUBLIC_URL", "https://desk.example.com");
    let mut server = place.start(&[public], &["serve", "--listen", "127.0.0.1:0", "--log-format", "text"]);
    server.until("docs     https://desk.example.com/docs");
    server.until("https://desk.example.com/setup#");
    server.stop();
}

#[test]
fn the_data_folder_is_for_its_owner_alone() {
    let place = Place::new();
    place.serve(&[], &[]).stop();
    let mode = std::fs::metadata(place.path().join("data")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_port_in_use_is_told_with_the_setting_that_names_it() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    place.run(&["serve", "--listen", &address]).expect(1).says("server.listen: cannot listen on").says(&address).says("(flag --listen)");
    let listen = ("TAQUILLA_SERVER__LISTEN", address.as_str());
    place.run_in(&[listen], &["serve"]).expect(1).says("(environment variable TAQUILLA_SERVER__LISTEN)");
    assert!(!place.path().join("data").exists(), "nothing is left behind that looks like a desk");
}

#[test]
fn a_second_process_is_told_who_holds_the_storage() {
    let place = Place::new();
    place.add_user("ana@example.com", "admin");
    let mut server = place.serve(&[], &[]);
    let pid = format!("process {}", server.pid());
    let second = place.run(&["serve", "--listen", "127.0.0.1:0"]).expect(4).says(&pid).says(" since 2");
    assert!(!second.err.contains("/api/v1"), "{second:?}");
    for (arguments, way) in [
        (&["user", "list"][..], "GET http://127.0.0.1:8000/api/v1/users"),
        (&["user", "create", "--email", "b@example.com", "--name", "B", "--no-password"], "POST http://127.0.0.1:8000/api/v1/users"),
        (&["user", "disable", "1"], "PATCH http://127.0.0.1:8000/api/v1/users/{id}"),
        (&["user", "enable", "1"], "PATCH http://127.0.0.1:8000/api/v1/users/{id}"),
        (&["user", "set-role", "1", "user"], "PATCH http://127.0.0.1:8000/api/v1/users/{id}"),
        (&["token", "create", "--user", "1", "--name", "x"], "POST http://127.0.0.1:8000/api/v1/auth/tokens"),
        (&["token", "list", "--user", "1"], "GET http://127.0.0.1:8000/api/v1/auth/tokens"),
        (&["token", "revoke", "1"], "DELETE http://127.0.0.1:8000/api/v1/auth/tokens/{id}"),
    ] {
        let ran = place.run(arguments).expect(4).says(&pid).says(way);
        assert!(ran.out.is_empty(), "{ran:?}");
    }
    place.run(&["fsck"]).expect(4).says(&pid).says("stop it first");
    let error = place.run(&["--json", "user", "list"]).expect(4).error();
    assert_eq!((error["code"].as_str(), error["exit_code"].as_i64()), (Some("storage"), Some(4)));
    server.stop();
    place.run(&["user", "list"]).expect(0);
}

#[test]
fn a_wrong_configuration_stops_the_start() {
    let place = Place::new();
    place.run(&["serve", "--listen", "here"]).expect(3).says("server.listen: must be an address and port").says("(flag --listen)");
    place
        .run(&["serve", "--storage-url", "postgres://desk:hunter2@db"])
        .expect(3)
        .says("must name a database")
        .says("(flag --storage-url)");
    place.run_in(&[("DATABASE_URL", "postgres://db")], &["serve"]).expect(3).says("DATABASE_URL");
    place.run_in(&[("SECRET_KEY", "changeme")], &["serve"]).expect(3).says("SECRET_KEY");
    place.run(&["--config", "absent.toml", "serve"]).expect(3).says("absent.toml");
    assert!(!place.path().join("data").exists(), "nothing was begun");
}

#[test]
fn the_start_says_when_it_uses_the_former_desks_variables() {
    let place = Place::new();
    let variables = [("DATABASE_URL", "sled:./old"), ("ACCESS_TOKEN_EXPIRE_MINUTES", "45"), ("INFLUXDB_URL", "http://influx:8086")];
    let mut server = place.serve(&variables, &[]);
    server.stop();
    for name in ["DATABASE_URL", "ACCESS_TOKEN_EXPIRE_MINUTES", "INFLUXDB_URL"] {
        let line = server.said.lines().find(|line| line.contains(name)).map(parse).unwrap_or_default();
        assert_eq!(line["level"], "WARN", "{name}: {}", server.said);
    }
    assert!(place.path().join("old").is_dir());
}

#[tokio::test]
async fn the_first_admin_comes_from_the_configuration_and_no_secret_is_logged() {
    let place = Place::new();
    let (key, password) = ("q3Wc8-zR5t_Yb1Ln7Kx0Pd4Hs6Vm2Gj9", "a very private password");
    let file = place.write("password", &format!("{password}\n"));
    let variables = [
        ("TAQUILLA_BOOTSTRAP__ADMIN_EMAIL", "root@example.com"),
        ("TAQUILLA_BOOTSTRAP__ADMIN_PASSWORD_FILE", file.to_str().unwrap()),
        ("TAQUILLA_AUTH__SECRET_KEY", key),
        ("TAQUILLA_LOG__LEVEL", "trace"),
    ];
    let mut server = place.serve(&variables, &[]);
    let client = taquilla::outgoing::client("http:").no_proxy().build().unwrap();
    let form = client.post(format!("{}/api/v1/auth/login", server.url)).form(&[("username", "root@example.com"), ("password", password)]);
    let answer = form.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let pair: Value = answer.json().await.unwrap();
    let access = pair["access_token"].as_str().unwrap();
    let me = client.get(format!("{}/api/v1/auth/me", server.url)).bearer_auth(access).send().await.unwrap();
    assert_eq!(me.json::<Value>().await.unwrap()["role"], "admin");
    server.stop();
    for secret in [key, password, access, pair["refresh_token"].as_str().unwrap()] {
        assert!(!server.said.contains(secret), "{}", server.said);
    }
    assert!(!server.said.contains("/setup#"), "there is an admin, so there is nothing to set up");
    assert!(server.said.contains("the first admin was made"), "{}", server.said);
    // Whoever changes the variables later is told why that does nothing.
    let mut again = place.serve(&variables, &[]);
    again.stop();
    assert!(again.said.contains("bootstrap.admin_password are not used") && !again.said.contains("was made"), "{}", again.said);
}

#[tokio::test]
async fn an_api_token_made_at_the_command_line_works() {
    let place = Place::new();
    place.add_user("ana@example.com", "agent");
    let token = place.run(&["-q", "token", "create", "--user", "ana@example.com", "--name", "script"]).expect(0).out;
    let server = place.serve(&[], &[]);
    let client = taquilla::outgoing::client("http:").no_proxy().build().unwrap();
    let me = client.get(format!("{}/api/v1/auth/me", server.url)).bearer_auth(token.trim()).send().await.unwrap();
    assert_eq!(me.json::<Value>().await.unwrap()["email"], "ana@example.com");
}

/// A request on a connection of its own; the status, 0 for none.
fn ask(address: &str) -> u16 {
    let Ok(mut stream) = TcpStream::connect(address) else { return 0 };
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let _ = stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0)
}

#[test]
fn without_descriptors_left_it_goes_on_and_takes_connections_again() {
    let place = Place::new();
    let mut server = place.serve(&[], &[]);
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    assert_eq!(ask(&address), 200);
    // Room for six connections; the bounds that the desk knows of were read at its start.
    let process = format!("/proc/{}", server.pid());
    let open = std::fs::read_dir(format!("{process}/fd")).unwrap().count();
    let limit = format!("--nofile={0}:{0}", open + 6);
    assert!(Command::new("prlimit").args(["--pid", &server.pid().to_string(), &limit]).status().unwrap().success());
    let idle: Vec<_> = (0..40).map(|_| TcpStream::connect(&address).unwrap()).collect();
    server.until("no connection can be accepted");
    // Whoever waits without a request is let go for whoever has one.
    for _ in 0..5 {
        assert_eq!(ask(&address), 200);
    }
    drop(idle);
    for _ in 0..20 {
        assert_eq!(ask(&address), 200);
    }
    server.stop();
    assert_eq!(server.said.matches("no connection can be accepted").count(), 1, "it is told once in a while: {}", server.said);
}
