//! The configuration: its layers, its checks, where values come from.

use std::{collections::BTreeMap, ffi::OsString, os::unix::ffi::OsStringExt};

use serde_json::{Value, json};
use taquilla::config::{self, Config, Flag, Kind, Loaded, Problem, Shown, Sources};

use crate::binary::{Place, Ran};

const GOOD_SECRET: &str = "q3Wc8-zR5t_Yb1Ln7Kx0Pd4Hs6Vm2Gj9";

/// Key → (value, origin), as `config show --json` prints them.
fn shown(ran: &Ran) -> BTreeMap<String, (Value, String)> {
    let rows = ran.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rows.as_array().unwrap().iter().map(|row| (text(&row["key"]), (row["value"].clone(), text(&row["origin"])))).collect()
}

/// Loads the configuration in this process, so that secrets can be looked at.
pub fn load(environment: &[(&str, &str)], flags: &[Flag]) -> Result<Loaded, Vec<Problem>> {
    let environment = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
    config::load(&Sources { environment, flags: flags.to_vec(), ..Sources::default() }).map_err(|refused| refused.problems)
}

#[track_caller]
pub fn problems(environment: &[(&str, &str)]) -> Vec<String> {
    load(environment, &[]).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn the_example_file_names_every_key_with_its_default() {
    let place = Place::new();
    let example = place.run(&["config", "example"]).expect(0).out;
    assert_eq!(example, include_str!("../../config.toml.example"), "config.toml.example is what `config example` prints");
    let parsed: Config = toml::from_str(&example).unwrap();
    assert_eq!(parsed, Config::default());
    // Every key stands in it, and with every comment mark taken away it still names nothing but keys.
    let uncommented: String =
        example.lines().map(|line| line.strip_prefix('#').filter(|l| !l.starts_with(' ')).unwrap_or(line).to_owned() + "\n").collect();
    let table: toml::Table = toml::from_str(&uncommented).unwrap();
    let mut named = Vec::new();
    leaves("", &table, &mut named);
    assert_eq!(named, config::keys().map(|key| key.name).collect::<Vec<_>>());
}

fn leaves(of: &str, table: &toml::Table, names: &mut Vec<String>) {
    // In the order of the file's sections, which `toml` forgets.
    let order = |name: &str| config::keys().position(|key| key.name == name || key.name.starts_with(&format!("{name}.")));
    let full = |name: &String| if of.is_empty() { name.clone() } else { format!("{of}.{name}") };
    let mut entries: Vec<_> = table.iter().map(|(name, value)| (full(name), value)).collect();
    entries.sort_by_key(|(name, _)| order(name));
    for (name, value) in entries {
        match value.as_table() {
            Some(inner) => leaves(&name, inner, names),
            None => names.push(name),
        }
    }
}

#[test]
fn the_table_of_keys_is_the_configuration_tree() {
    for key in config::keys() {
        assert!(!key.doc.is_empty(), "{} has a text", key.name);
        let wanted = format!("TAQUILLA_{}", key.name.to_uppercase().replace('.', "__"));
        assert_eq!(key.variable(), wanted);
    }
    // The names of the fields, as serde knows them, are the names of the keys: a file with all of them is read.
    let sections: Vec<_> = config::SECTIONS.iter().map(|section| section.name).collect();
    let unknown = toml::from_str::<Config>("x = 1").unwrap_err().to_string();
    for section in sections {
        assert!(unknown.contains(&format!("`{section}`")), "{section}: {unknown}");
    }
}

#[test]
fn a_higher_layer_wins_and_every_value_tells_where_it_came_from() {
    let place = Place::new();
    let file =
        place.write("other.toml", "[auth]\naccess_token_minutes = 3\n\n[log]\nlevel = \"debug\"\n[sla.high]\nresolution_minutes = 77\n");
    let path = file.to_str().unwrap();
    let show = ["config", "show", "--origin", "--json"];
    let minutes = |ran: Ran| shown(&ran.expect(0))["auth.access_token_minutes"].clone();
    assert_eq!(minutes(place.run(&show)), (json!(30), "default".into()));

    let old = ("ACCESS_TOKEN_EXPIRE_MINUTES", "2");
    assert_eq!(minutes(place.run_in(&[old], &show)), (json!(2), "environment variable ACCESS_TOKEN_EXPIRE_MINUTES".into()));

    let with_file = [&show[..], &["--config", path]].concat();
    let ran = place.run_in(&[old], &with_file).expect(0);
    let all = shown(&ran);
    assert_eq!(all["auth.access_token_minutes"], (json!(3), format!("file {path}, line 2")));
    assert_eq!(all["log.level"], (json!("debug"), format!("file {path}, line 5")));
    assert_eq!(all["sla.high.resolution_minutes"], (json!(77), format!("file {path}, line 7")));
    assert_eq!(all["sla.high.first_response_minutes"], (json!(240), "default".into()), "its neighbour keeps the default");
    assert!(!ran.err.contains("ACCESS_TOKEN_EXPIRE_MINUTES"), "a variable that loses is not used");

    let new = ("TAQUILLA_AUTH__ACCESS_TOKEN_MINUTES", "4");
    assert_eq!(
        minutes(place.run_in(&[old, new], &with_file)),
        (json!(4), "environment variable TAQUILLA_AUTH__ACCESS_TOKEN_MINUTES".into())
    );

    let flag = Flag { name: "--listen", key: "server.listen", value: "127.0.0.1:9".into() };
    let loaded = load(&[("TAQUILLA_SERVER__LISTEN", "127.0.0.1:8")], &[flag]).unwrap();
    assert_eq!((loaded.config.server.listen.port(), loaded.origin("server.listen")), (9, "flag --listen"));
}

#[test]
fn the_text_form_shows_values_and_origins() {
    let place = Place::new();
    let variable = ("TAQUILLA_DESK__ORGANISATION_NAME", "Acme");
    let out = place.run_in(&[variable], &["config", "show", "--origin"]).expect(0).out;
    assert!(out.contains("desk.organisation_name = \"Acme\"  # environment variable TAQUILLA_DESK__ORGANISATION_NAME\n"), "{out}");
    assert!(out.contains("server.public_url = (unset)  # default\n"), "{out}");
    assert_eq!(out.lines().count(), config::keys().count());
    let out = place.run_in(&[variable], &["config", "show"]).expect(0).out;
    assert!(out.contains("desk.organisation_name = \"Acme\"\n"), "{out}");
}

#[test]
fn a_file_is_found_beside_the_program_or_where_it_is_named() {
    let place = Place::new();
    place.write("config.toml", "[desk]\norganisation_name = \"Here\"\n");
    place.write("named.toml", "[desk]\norganisation_name = \"Named\"\n");
    let name = |ran: Ran| shown(&ran.expect(0))["desk.organisation_name"].clone();
    assert_eq!(name(place.run(&["config", "show", "--json"])), (json!("Here"), "file ./config.toml, line 2".into()));
    assert_eq!(
        name(place.run(&["--config", "named.toml", "config", "show", "--json"])),
        (json!("Named"), "file named.toml, line 2".into())
    );
    place.run(&["--config", "absent.toml", "config", "check"]).expect(3).says("absent.toml: cannot be read");
    place.run(&["--config", ".", "config", "check"]).expect(3).says("cannot be read");
}

#[test]
fn unknown_keys_are_named_with_their_place() {
    let place = Place::new();
    place.write(
        "config.toml",
        "colour = 1\n[server]\nlisten = \"127.0.0.1:1\"\nlissten = \"x\"\n[servers]\n[sla.urgent]\nx = 1\n[auth.secret_key]\nx = 1\n",
    );
    let variables = [("TAQUILLA_SERVER__PORT", "1"), ("TAQUILLA_log__level", "info"), ("TAQUILLA_X__Y__Z", "1")];
    let ran = place.run_in(&variables, &["--json", "config", "check"]).expect(3);
    let found = ran.json();
    assert_eq!(found["ok"], false);
    let found: Vec<_> = found["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["key"].as_str().unwrap().to_owned(), p["origin"].as_str().unwrap().to_owned()))
        .collect();
    let line = |n: usize| format!("file ./config.toml, line {n}");
    let variable = |name: &str| format!("environment variable {name}");
    let wanted = [
        ("auth.secret_key", line(8)),
        ("colour", line(1)),
        ("log.level", variable("TAQUILLA_log__level")),
        ("server.lissten", line(4)),
        ("server.port", variable("TAQUILLA_SERVER__PORT")),
        ("servers", line(5)),
        ("sla.urgent", line(6)),
        ("x.y.z", variable("TAQUILLA_X__Y__Z")),
    ];
    assert_eq!(found, wanted.map(|(key, origin)| (key.to_owned(), origin)));
    assert!(ran.out.contains("server has listen, public_url, cors_origins, trusted_proxies"), "what is meant can be seen: {}", ran.out);
}

#[test]
fn every_bad_value_names_its_key_and_its_origin() {
    let bad = [
        ("server.listen", "localhost:8000"),
        ("server.listen", "127.0.0.1"),
        ("server.public_url", "desk.example.com"),
        ("server.public_url", "https://desk.example.com/desk"),
        ("server.public_url", "https://ana@desk.example.com"),
        ("server.public_url", "ftp://desk.example.com"),
        ("server.public_url", "https://desk.example.com?x"),
        ("server.cors_origins", "*"),
        ("server.cors_origins", "https://Intranet.example.com"),
        ("server.cors_origins", "https://intranet.example.com/"),
        ("server.cors_origins", "https://intranet.example.com:443"),
        ("server.trusted_proxies", "10.0.0.0/33"),
        ("server.trusted_proxies", "10.0.0.1,proxy"),
        ("storage.url", "sled:"),
        ("storage.url", "./data"),
        ("storage.url", "sled://data"),
        ("storage.url", "sled:~/data"),
        ("storage.url", "redis://x"),
        ("storage.url", "postgres://x"),
        ("storage.cache_mib", "much"),
        ("auth.secret_key", "0123456789abcdefghijklmnopqrstu"),
        ("auth.secret_key", "your-secret-key-here-change-in-production"),
        ("auth.secret_key", "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"),
        ("auth.rate_limit", "sometimes"),
        ("auth.access_token_minutes", "1.5"),
        ("auth.argon2_passes", "-2"),
        ("bootstrap.admin_email", "nobody"),
        ("bootstrap.admin_password", "short"),
        ("desk.organisation_name", "   "),
        ("desk.locale", "fr"),
        ("desk.time_zone", "Mars/Olympus"),
        ("desk.registration_open", "perhaps"),
        ("log.format", "xml"),
        ("log.level", "verbose"),
        ("log.level", "info,taquilla=loud"),
    ];
    for (key, value) in bad {
        let variable = format!("TAQUILLA_{}", key.to_uppercase().replace('.', "__"));
        let found = problems(&[(&variable, value)]);
        let origin = format!("(environment variable {variable})");
        let about = |found: &[String]| found.iter().any(|p| p.starts_with(&format!("{key}: ")) && p.ends_with(&origin));
        assert!(about(&found), "{key} = {value:?}: {found:?}");
    }
    let place = Place::new();
    place
        .write("config.toml", "[server]\nlisten = 8000\n[auth]\nrate_limit = false\nsecret_key = 5\n[desk]\norganisation_name = [\"x\"]\n");
    place
        .run(&["config", "check"])
        .expect(3)
        .says("server.listen: must be an address and port such as 127.0.0.1:8000, not 8000 (file ./config.toml, line 2)\n")
        .says("auth.rate_limit: must be \"on\" or \"off\", not false (file ./config.toml, line 4)\n")
        .says("auth.secret_key: must be a text (file ./config.toml, line 5)\n")
        .says("desk.organisation_name: must be a text, not [\"x\"] (file ./config.toml, line 7)\n");
    let flag = Flag { name: "--listen", key: "server.listen", value: "here".into() };
    let found = load(&[], &[flag]).unwrap_err();
    assert_eq!((found[0].key.as_str(), found[0].origin.as_str()), ("server.listen", "flag --listen"));
}

#[test]
fn numbers_are_held_in_their_bounds() {
    let mut ranged = 0;
    for key in config::keys().filter(|key| key.kind == Kind::Number) {
        let (low, high) = key.range.unwrap_or_else(|| panic!("{} has bounds", key.name));
        for (value, good) in [(low, true), (high, true), (low - 1, false), (high + 1, false)] {
            let outcome = load(&[(&key.variable(), &value.to_string())], &[]);
            assert_eq!(outcome.is_ok(), good, "{} = {value}", key.name);
            if let Err(found) = outcome {
                assert_eq!(found[0].message, format!("must be a whole number from {low} to {high}, not {value}"));
            }
        }
        ranged += 1;
    }
    assert!(ranged > 10, "the keys are not read");
}

#[test]
fn good_values_of_every_kind_are_taken_from_variables() {
    let loaded = load(
        &[
            ("TAQUILLA_SERVER__LISTEN", "[::]:9000"),
            ("TAQUILLA_SERVER__PUBLIC_URL", "https://desk.example.com/"),
            ("TAQUILLA_SERVER__CORS_ORIGINS", "https://a.example.com, http://b.example.com:81"),
            ("TAQUILLA_SERVER__TRUSTED_PROXIES", "[\"10.0.0.0/8\", '::1']"),
            ("TAQUILLA_STORAGE__URL", "sled:/var/lib/taquilla"),
            ("TAQUILLA_AUTH__RATE_LIMIT", "off"),
            ("TAQUILLA_AUTH__SECRET_KEY", GOOD_SECRET),
            ("TAQUILLA_DESK__REGISTRATION_OPEN", "false"),
            ("TAQUILLA_DESK__ORGANISATION_NAME", "42"),
            ("TAQUILLA_DESK__TIME_ZONE", "Europe/Madrid"),
            ("TAQUILLA_SLA__HIGH__RESOLUTION_MINUTES", "61"),
            ("TAQUILLA_BOOTSTRAP__ADMIN_EMAIL", "root@example.com"),
            ("TAQUILLA_BOOTSTRAP__ADMIN_PASSWORD", "907512348811"),
            ("TAQUILLA_LOG__LEVEL", "warn,taquilla=debug"),
        ],
        &[],
    )
    .unwrap();
    let config = loaded.config;
    assert_eq!(config.server.listen, "[::]:9000".parse().unwrap());
    assert_eq!(config.server.public_url.as_deref(), Some("https://desk.example.com"), "without its last slash");
    assert_eq!(config.server.cors_origins, ["https://a.example.com", "http://b.example.com:81"]);
    assert_eq!(config.server.trusted_proxies, ["10.0.0.0/8", "::1"]);
    assert_eq!(config.storage_url().unwrap(), config::StorageUrl::Sled("/var/lib/taquilla".into()));
    assert_eq!(config.auth.rate_limit, config::RateLimit::Off);
    assert_eq!(config.auth.secret_key.unwrap().expose(), GOOD_SECRET);
    assert_eq!(config.sla.high.resolution_minutes, 61);
    assert_eq!(config.bootstrap.admin_password.unwrap().expose(), "907512348811", "digits stay a text");
    assert_eq!((config.desk.organisation_name.as_str(), config.desk.registration_open), ("42", false));
}

#[test]
fn an_empty_variable_counts_as_unset_and_one_underscore_is_no_setting() {
    let variables = [
        ("TAQUILLA_SERVER__LISTEN", ""),
        ("TAQUILLA_UNKNOWN__KEY", ""),
        ("TAQUILLA_AUTH__SECRET_KEY_FILE", ""),
        ("SECRET_KEY", ""),
        ("INFLUXDB_URL", ""),
        ("TAQUILLA_TOKEN", "x"),
        ("TAQUILLA_LOG_LEVEL", "x"),
    ];
    let loaded = load(&variables, &[]).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.warnings, ["TAQUILLA_LOG_LEVEL is not a setting: TAQUILLA_LOG__LEVEL is, with two underscores"]);
}

#[test]
fn a_variable_that_is_no_text_is_refused() {
    let strange = OsString::from_vec(vec![b'x', 0xff]);
    let environment = ["TAQUILLA_LOG__LEVEL", "SECRET_KEY"].map(|name| (OsString::from(name), strange.clone())).to_vec();
    let refused = config::load(&Sources { environment, ..Sources::default() }).unwrap_err();
    let found: Vec<_> = refused.problems.iter().map(ToString::to_string).collect();
    let wanted = [("auth.secret_key", "SECRET_KEY"), ("log.level", "TAQUILLA_LOG__LEVEL")];
    assert_eq!(found, wanted.map(|(key, name)| format!("{key}: is not valid UTF-8 (environment variable {name})")));
}

#[test]
fn secrets_are_read_from_files() {
    let place = Place::new();
    let key = place.write("key", &format!("{GOOD_SECRET}\n"));
    let windows = place.write("password", "correct horse 9\r\n");
    let (key, windows) = (key.to_str().unwrap(), windows.to_str().unwrap());
    let loaded = load(
        &[
            ("TAQUILLA_AUTH__SECRET_KEY_FILE", key),
            ("TAQUILLA_BOOTSTRAP__ADMIN_PASSWORD_FILE", windows),
            ("TAQUILLA_BOOTSTRAP__ADMIN_EMAIL", "root@example.com"),
        ],
        &[],
    )
    .unwrap();
    assert_eq!(loaded.config.auth.secret_key.as_ref().unwrap().expose(), GOOD_SECRET);
    assert_eq!(loaded.config.bootstrap.admin_password.as_ref().unwrap().expose(), "correct horse 9");
    assert_eq!(loaded.origin("auth.secret_key"), format!("file {key}, named by environment variable TAQUILLA_AUTH__SECRET_KEY_FILE"));

    let address = place.write("address", "postgres://desk:hunter2@db/desk\n");
    let loaded = load(&[("TAQUILLA_STORAGE__URL_FILE", address.to_str().unwrap())], &[]).unwrap();
    assert_eq!(loaded.config.storage.url, "postgres://desk:hunter2@db/desk", "it may hold a password");

    let both = problems(&[("TAQUILLA_AUTH__SECRET_KEY_FILE", key), ("TAQUILLA_AUTH__SECRET_KEY", GOOD_SECRET)]);
    assert!(both[0].contains("is also set by TAQUILLA_AUTH__SECRET_KEY"), "{both:?}");
    let empty = place.write("empty", "\n");
    for (file, words) in [("/absent/file", "cannot be read"), (empty.to_str().unwrap(), "is empty")] {
        let found = problems(&[("TAQUILLA_AUTH__SECRET_KEY_FILE", file)]);
        assert!(found[0].starts_with("auth.secret_key: the file") && found[0].contains(words), "{found:?}");
        assert!(found[0].contains("TAQUILLA_AUTH__SECRET_KEY_FILE"), "{found:?}");
    }
    assert!(
        problems(&[("TAQUILLA_LOG__LEVEL_FILE", key)])[0].starts_with("log.level_file: is not a setting"),
        "only secrets are read from files"
    );
}

#[test]
fn the_former_desks_variables_are_taken_with_a_warning() {
    let loaded = load(&[("DATABASE_URL", "sled:./old"), ("SECRET_KEY", GOOD_SECRET), ("ACCESS_TOKEN_EXPIRE_MINUTES", "45")], &[]).unwrap();
    assert_eq!((loaded.config.storage.url.as_str(), loaded.config.auth.access_token_minutes), ("sled:./old", 45));
    assert_eq!(loaded.config.auth.secret_key.as_ref().unwrap().expose(), GOOD_SECRET);
    for (name, key) in
        [("DATABASE_URL", "storage.url"), ("SECRET_KEY", "auth.secret_key"), ("ACCESS_TOKEN_EXPIRE_MINUTES", "auth.access_token_minutes")]
    {
        assert!(loaded.warnings.iter().any(|w| w.contains(name) && w.contains(key)), "{:?}", loaded.warnings);
        assert_eq!(loaded.origin(key), format!("environment variable {name}"));
    }

    for secret in ["too-short", "your-secret-key-here-change-in-production"] {
        let found = problems(&[("SECRET_KEY", secret)]);
        assert!(found[0].starts_with("auth.secret_key: ") && found[0].ends_with("(environment variable SECRET_KEY)"), "{found:?}");
        assert!(!found[0].contains(secret), "{found:?}");
    }
}

#[test]
fn an_address_of_postgresql_is_shown_without_its_password() {
    let place = Place::new();
    for name in ["DATABASE_URL", "TAQUILLA_STORAGE__URL"] {
        for url in ["postgres://desk:hunter2@db/desk", "postgresql+asyncpg://desk:hunter2@db:5432/desk?sslmode=require"] {
            let ran = place.run_in(&[(name, url)], &["config", "show"]).expect(0);
            assert!(ran.out.contains("desk:***@db"), "{ran:?}");
            assert!(!ran.err.contains("hunter2") && !ran.out.contains("hunter2"), "{ran:?}");
        }
        let bad = ["postgres://desk:hunter2@db", "postgres:desk:hunter2", "postgresqlx://desk:hunter2@db/desk"];
        for url in bad.into_iter().chain(["postgres://desk:hunter2@db/desk?sslmode=maybe"]) {
            for verb in ["check", "show"] {
                let ran = place.run_in(&[(name, url)], &["config", verb]).expect(3).says("storage.url: ").says(name);
                assert!(!ran.err.contains("hunter2") && !ran.out.contains("hunter2"), "{ran:?}");
            }
        }
    }
    // A variable that loses does no harm.
    place.run_in(&[("DATABASE_URL", "postgres://db"), ("TAQUILLA_STORAGE__URL", "sled:./data")], &["config", "check"]).expect(0);
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let place = Place::new();
    place.write("config.toml", "[server]\nlisten = 5\nnope = 1\n[desk]\ntime_zone = \"Mars\"\n[log]\nlevel = \"loud\"\n");
    let variables = [("TAQUILLA_AUTH__ARGON2_PASSES", "1"), ("TAQUILLA_STORAGE__URL", "mysql://x"), ("SECRET_KEY", "short")];
    let found = place.run_in(&variables, &["--json", "config", "check"]).expect(3).json();
    let keys: Vec<_> = found["problems"].as_array().unwrap().iter().map(|p| p["key"].as_str().unwrap()).collect();
    assert_eq!(
        keys,
        ["auth.argon2_passes", "auth.secret_key", "desk.time_zone", "log.level", "server.listen", "server.nope", "storage.url"]
    );
}

#[test]
fn broken_toml_is_told_by_its_line_and_not_repeated() {
    let place = Place::new();
    place.write("config.toml", "[auth]\nsecret_key = \"hunter2hunter2\n");
    let ran = place.run(&["config", "check"]).expect(3).says("is not valid TOML").says("line 2");
    assert!(!ran.err.contains("hunter2"), "{ran:?}");
    place.write("config.toml", "[log]\nlevel = \"info\"\nlevel = \"warn\"\n");
    place.run(&["config", "check"]).expect(3).says("is not valid TOML").says("line 3");
}

#[test]
fn the_first_admin_is_configured_whole_or_not_at_all() {
    let (email, password) =
        (("TAQUILLA_BOOTSTRAP__ADMIN_EMAIL", "root@example.com"), ("TAQUILLA_BOOTSTRAP__ADMIN_PASSWORD", "correct horse 1"));
    assert!(load(&[email, password], &[]).is_ok());
    assert!(problems(&[email])[0].starts_with("bootstrap.admin_email: needs bootstrap.admin_password"));
    assert!(problems(&[password])[0].starts_with("bootstrap.admin_password: needs bootstrap.admin_email"));
    assert!(
        problems(&[email, ("TAQUILLA_BOOTSTRAP__ADMIN_PASSWORD", "Root@example.com")])[0]
            .starts_with("bootstrap.admin_password: must not be")
    );
}

#[test]
fn secrets_are_never_printed() {
    let place = Place::new();
    let (key, password) = (GOOD_SECRET, "a very private password");
    place.write(
        "config.toml",
        &format!("[auth]\nsecret_key = \"{key}\"\n[bootstrap]\nadmin_email = \"a@example.com\"\nadmin_password = \"{password}\"\n"),
    );
    for arguments in [
        &["config", "show"][..],
        &["config", "show", "--origin"],
        &["config", "show", "--json"],
        &["config", "check"],
        &["--json", "config", "check"],
        &["--quiet", "config", "show"],
    ] {
        let ran = place.run(arguments).expect(0);
        for secret in [key, password] {
            assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "{ran:?}");
        }
    }
    let all = shown(&place.run(&["config", "show", "--json"]));
    assert_eq!(all["auth.secret_key"].0, "[set]");
    assert_eq!(all["bootstrap.admin_password"].0, "[set]");
    let all = shown(&Place::new().run(&["config", "show", "--json"]));
    assert_eq!(all["auth.secret_key"].0, Value::Null);
    assert!(config::keys().filter(|key| key.kind == Kind::Secret).all(|key| key.shown(&Config::default()) == Shown::Unset));
    assert!(!format!("{:?}", load(&[("TAQUILLA_AUTH__SECRET_KEY", key)], &[]).unwrap()).contains(key));
}

#[test]
fn check_says_ok_and_what_one_should_know() {
    let place = Place::new();
    let ran = place.run(&["config", "check"]).expect(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("OK\n", ""));
    let old = ("ACCESS_TOKEN_EXPIRE_MINUTES", "45");
    let ran = place
        .run_in(&[old], &["config", "check"])
        .expect(0)
        .says("warning: auth.access_token_minutes is taken from ACCESS_TOKEN_EXPIRE_MINUTES");
    assert_eq!(ran.out, "OK\n");
    assert_eq!(place.run_in(&[old], &["--quiet", "config", "check"]).expect(0).err, "");
    let json = place.run_in(&[old], &["--json", "config", "check"]).expect(0).json();
    assert_eq!((json["ok"].clone(), json["problems"].clone(), json["warnings"].as_array().unwrap().len()), (json!(true), json!([]), 1));
}

#[test]
fn the_example_as_json_lists_every_key() {
    let rows = Place::new().run(&["--json", "config", "example"]).expect(0).json();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), config::keys().count());
    assert_eq!((rows[0]["key"].as_str(), rows[0]["variable"].as_str()), (Some("server.listen"), Some("TAQUILLA_SERVER__LISTEN")));
}
