//! The image, the composition and the unit by which the desk is run: read as their readers read them, since no container
//! engine is needed to test.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::Value;

use crate::binary::Place;

/// A file of the repository.
fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A text in YAML with one document.
pub fn yaml(text: &str) -> Value {
    let documents = Yaml::load_from_str(text).unwrap();
    let [document] = documents.as_slice() else { panic!("one document is expected") };
    plain(document)
}

fn plain(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(truth)) => Value::from(*truth),
        Yaml::Value(Scalar::Integer(number)) => Value::from(*number),
        Yaml::Value(Scalar::FloatingPoint(number)) => Value::from(number.into_inner()),
        Yaml::Value(Scalar::String(text)) => Value::from(text.as_ref()),
        Yaml::Sequence(items) => items.iter().map(plain).collect(),
        Yaml::Mapping(pairs) => pairs.iter().map(|(key, value)| (key.as_str().expect("keys are texts").to_owned(), plain(value))).collect(),
        other => panic!("{other:?} is not used here"),
    }
}

/// The composition.
pub fn compose() -> Value {
    yaml(&file("docker-compose.yml"))
}

/// What a service mounts: the place in the container → the source.
pub fn mounts(service: &str) -> BTreeMap<String, String> {
    let compose = compose();
    let volumes = compose["services"][service]["volumes"].as_array().expect("it mounts something").iter();
    volumes
        .map(|volume| {
            let mut parts = volume.as_str().unwrap().split(':');
            let (source, target) = (parts.next().unwrap(), parts.next().unwrap());
            (target.to_owned(), source.to_owned())
        })
        .collect()
}

fn services(compose: &Value) -> impl Iterator<Item = (&String, &Value)> {
    compose["services"].as_object().unwrap().iter()
}

/// Every `${…}` of a text: the name, and what follows it.
fn variables(text: &str) -> Vec<(String, String)> {
    let parts = text.split("${").skip(1).map(|rest| rest.split('}').next().unwrap());
    parts
        .map(|part| {
            let end = part.find(|c: char| !c.is_ascii_uppercase() && c != '_').unwrap_or(part.len());
            (part[..end].to_owned(), part[end..].to_owned())
        })
        .collect()
}

/// `.env` as the line in `.env.example` makes it.
fn secrets() -> BTreeMap<String, String> {
    let place = Place::new();
    let example = file(".env.example");
    let line = example.lines().find_map(|line| line.strip_prefix("#   (umask")).expect("a line that makes .env");
    fs::write(place.path().join(".env.example"), &example).unwrap();
    let made = Command::new("bash").args(["-euc", &format!("(umask{line}")]).current_dir(place.path()).status().unwrap();
    assert!(made.success());
    let made = place.path().join(".env");
    let rights = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&made).unwrap().permissions());
    assert_eq!(rights & 0o077, 0, "others cannot read it");
    let text = fs::read_to_string(made).unwrap();
    let pairs = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn every_service_is_pinned_watched_and_on_this_machine_only() {
    let compose = compose();
    let names: BTreeSet<&str> = services(&compose).map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["desk", "grafana", "influxdb", "postgres", "prometheus"].into());
    for (name, service) in services(&compose) {
        let image = service["image"].as_str().unwrap();
        let (_, tag) = image.rsplit_once(':').unwrap_or_else(|| panic!("{name}: {image} has no tag"));
        let exact = tag.split(['.', '-']).filter(|part| part.trim_start_matches('v').parse::<u32>().is_ok()).count() >= 2;
        assert!(exact || service.get("build").is_some(), "{name}: {image} may change by itself");
        assert!(!service["healthcheck"]["test"].as_array().unwrap().is_empty(), "{name} is not watched");
        for port in service["ports"].as_array().into_iter().flatten() {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{name}: {port} is open to others");
        }
        assert!(service["security_opt"].as_array().unwrap().contains(&"no-new-privileges:true".into()), "{name}");
        for (other, how) in service["depends_on"].as_object().into_iter().flatten() {
            assert!(names.contains(other.as_str()) && how["condition"] == "service_healthy", "{name} waits for {other}");
        }
    }
    let desk = &compose["services"]["desk"];
    assert_eq!((&desk["read_only"], &desk["cap_drop"]), (&Value::from(true), &serde_json::json!(["ALL"])));
    assert!(compose["services"]["postgres"]["image"].as_str().unwrap().starts_with("postgres:16."));
    assert!(compose["services"]["influxdb"]["image"].as_str().unwrap().starts_with("influxdb:2."));
    assert!(compose["services"]["postgres"].get("ports").is_none(), "only the desk speaks to PostgreSQL");
}

#[test]
fn every_mount_has_its_source() {
    let compose = compose();
    for (name, service) in services(&compose) {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let volume = volume.as_str().unwrap();
            let source = volume.split(':').next().unwrap();
            if source.starts_with('.') {
                assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(source).exists(), "{name}: {source}");
                assert!(volume.ends_with(":ro"), "{name}: {volume} could be written to");
            } else {
                assert!(compose["volumes"].get(source).is_some(), "{name}: {source} is not declared");
            }
        }
    }
}

#[test]
fn no_secret_has_a_default_and_a_missing_one_stops_the_start() {
    let (text, example) = (file("docker-compose.yml"), file(".env.example"));
    let secrets = secrets();
    let mut needed = BTreeSet::new();
    for (name, rest) in variables(&text) {
        if let Some(message) = rest.strip_prefix(":?") {
            assert!(message.contains(".env.example"), "{name}: {message:?} does not say what to do");
            needed.insert(name);
        } else {
            assert!(rest.starts_with(":-"), "{name} has no default and is not asked for");
            assert!(example.contains(&format!("\n#{name}=")), "{name} is not in .env.example");
        }
    }
    assert_eq!(needed, secrets.keys().cloned().collect(), "every secret is made, and no other");
    let values: BTreeSet<&String> = secrets.values().collect();
    assert!(values.len() == secrets.len() && values.iter().all(|value| value.len() == 48 && value.chars().all(|c| c.is_ascii_hexdigit())));
    for (name, service) in services(&compose()) {
        for (variable, value) in service["environment"].as_object().into_iter().flatten() {
            let secret = ["PASSWORD", "TOKEN", "SECRET"].iter().any(|word| variable.contains(word)) || variable == "TAQUILLA_STORAGE__URL";
            let value = value.as_str().unwrap();
            assert!(!secret || variables(value).iter().any(|(_, rest)| rest.starts_with(":?")), "{name}: {variable}");
        }
    }
    assert!(file(".gitignore").lines().any(|line| line == "/.env"));
}

#[test]
fn the_desk_understands_what_the_composition_tells_it() {
    let (compose, secrets) = (compose(), secrets());
    let expanded = |text: &str| {
        variables(text).into_iter().fold(text.to_owned(), |text, (name, rest)| {
            let value = secrets.get(&name).map_or_else(|| rest.trim_start_matches(":-").to_owned(), Clone::clone);
            text.replace(&format!("${{{name}{rest}}}"), &value)
        })
    };
    let environment = compose["services"]["desk"]["environment"].as_object().unwrap();
    let environment: Vec<(String, String)> =
        environment.iter().map(|(name, value)| (name.clone(), expanded(value.as_str().unwrap()))).collect();
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let place = Place::new();
    place.run_in(&environment, &["config", "check"]).expect(0);
    let shown = place.run_in(&environment, &["config", "show"]).expect(0);
    for told in ["postgres://taquilla:***@postgres:5432/taquilla", "0.0.0.0:8000"] {
        assert!(shown.out.contains(told), "{told}: {shown:?}");
    }
    for secret in secrets.values() {
        assert!(!shown.out.contains(secret));
    }
}

/// The instructions of the Dockerfile, lines that go on joined.
fn instructions() -> Vec<(String, String)> {
    let text = file("Dockerfile").replace("\\\n", " ");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').map(|(verb, rest)| (verb.to_owned(), rest.trim().to_owned())).unwrap()).collect()
}

#[test]
fn the_image_is_built_from_what_is_there_and_runs_as_nobody_in_particular() {
    let all = instructions();
    let of = |verb: &str| all.iter().filter(|(found, _)| found == verb).map(|(_, rest)| rest.as_str()).collect::<Vec<_>>();
    let [build, run] = of("FROM")[..] else { panic!("two stages") };
    let manifest: toml::Table = file("Cargo.toml").parse().unwrap();
    let oldest = manifest["package"]["rust-version"].as_str().unwrap();
    assert!(build.starts_with(&format!("rust:{oldest}-")) && build.ends_with(" AS build"), "{build}");
    assert!(run.rsplit_once(':').is_some_and(|(_, tag)| tag.contains('.')), "{run} may change by itself");
    // What is copied is there, and goes to the builder.
    let ignored = file(".dockerignore");
    let sent: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let mut copied = BTreeSet::new();
    for copy in of("COPY").into_iter().filter(|copy| !copy.starts_with("--from=")) {
        let parts: Vec<&str> = copy.split_whitespace().collect();
        copied.extend(parts[..parts.len() - 1].to_vec());
    }
    assert_eq!(copied, sent.iter().copied().collect());
    assert!(ignored.lines().any(|line| line == "*"), "all else stays here");
    for name in copied {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(name).exists(), "{name}");
    }
    assert!(of("USER").iter().all(|user| user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0))));
    let user = all.iter().position(|(verb, _)| verb == "USER").expect("it does not run as root");
    assert!(all[user..].iter().all(|(verb, _)| verb != "RUN"), "nothing is done as somebody else later");
    assert!(of("HEALTHCHECK")[0].ends_with(r#"CMD ["taquilla", "healthcheck", "--quiet"]"#));
    assert_eq!((of("ENTRYPOINT"), of("CMD")), (vec![r#"["taquilla"]"#], vec![r#"["serve"]"#]));
}

#[test]
fn everything_that_the_code_reads_while_it_is_built_is_in_the_image() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let ignored = file(".dockerignore");
    let sent: Vec<PathBuf> = ignored.lines().filter_map(|line| line.strip_prefix('!')).map(|name| root.join(name)).collect();
    let mut folders = vec![root.join("src")];
    let mut looked_at = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let beside = ["include_str!(\"", "include_bytes!(\""].iter().flat_map(|mark| text.split(mark).skip(1));
            let beside = beside.map(|rest| path.parent().unwrap().join(rest.split('"').next().unwrap()));
            let at_root = ["#[folder = \"", "migrate!(\""].iter().flat_map(|mark| text.split(mark).skip(1));
            let at_root = at_root.map(|rest| root.join(rest.split('"').next().unwrap()));
            for read in beside.chain(at_root) {
                let read = read.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", read.display()));
                assert!(sent.iter().any(|sent| read.starts_with(sent)), "{} reads {}", path.display(), read.display());
                looked_at += 1;
            }
        }
    }
    assert!(looked_at >= 3);
}

#[test]
fn the_unit_starts_the_desk_in_its_own_folder_without_rights() {
    let unit = file("packaging/taquilla.service");
    let value = |key: &str| unit.lines().filter_map(|line| line.strip_prefix(&format!("{key}="))).collect::<Vec<_>>();
    assert_eq!(value("ExecStart"), ["/usr/local/bin/taquilla serve"]);
    assert_eq!(value("WorkingDirectory"), [format!("/var/lib/{}", value("StateDirectory")[0])]);
    assert_eq!((value("CapabilityBoundingSet"), value("NoNewPrivileges")), (vec![""], vec!["yes"]));
    assert_eq!(value("User"), ["taquilla"]);
    // It stops within ten seconds by itself; the unit waits longer.
    assert!(value("TimeoutStopSec")[0].parse::<u32>().unwrap() > 10);
}
