//! The walls of the house: which file may name what. The checker is tried on planted violations, so that it cannot
//! fall silent.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The longest file, in lines.
const LONGEST: usize = 500;

/// Files of pure rules and meanings, by name; a folder of that name counts too.
const PURE: &[&str] = &["model.rs", "rules.rs", "query.rs", "search.rs", "sla.rs", "policy.rs", "figures.rs", "times.rs", "insight.rs"];

/// Names under which anything could be put.
const VAGUE: &[&str] = &["utils", "util", "helpers", "helper", "common", "manager", "misc"];

/// Everything wrong with the file `path` (from the package's folder), one line each.
fn faults(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lines = text.lines().count();
    if lines > LONGEST {
        found.push(format!("{path} has {lines} lines; at most {LONGEST} are allowed"));
    }
    let stem = path.rsplit('/').next().unwrap().trim_end_matches(".rs");
    if VAGUE.contains(&stem) {
        found.push(format!("{path} has a name that says nothing"));
    }
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        // Put together, so that this file does not find itself.
        for place in [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")] {
            if line.contains(place) {
                found.push(format!("{path}:{number} names a path of one machine"));
            }
        }
    }
    if path.starts_with("src/") && !is_test(path) {
        let walls = Walls::of(path);
        for (number, line) in product_code(text) {
            found.extend(walls.broken_by(line).map(|why| format!("{path}:{number} {why}")));
        }
    }
    found
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// The lines of a file with their numbers, without comments and without its tests, which stand at the end.
fn product_code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..tests].lines().enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
}

/// What a file may do.
struct Walls {
    pure: bool,
    use_cases: bool,
    wire: bool,
    storage: bool,
    engine: bool,
    durability: bool,
    routes: bool,
}

impl Walls {
    fn of(path: &str) -> Self {
        let folder = |name: &str| path.starts_with(name);
        let in_pure_folder = |name: &&str| path.contains(&format!("/{}/", name.trim_end_matches(".rs")));
        let named = |name: &&str| path.ends_with(&format!("/{name}"));
        Self {
            pure: !folder("src/store/") && PURE.iter().any(|name| named(name) || in_pure_folder(name)),
            use_cases: path.ends_with("/ops.rs"),
            wire: folder("src/http/")
                || folder("src/auth/")
                || path.ends_with("/http.rs")
                || ["src/error.rs", "src/app.rs"].contains(&path),
            storage: folder("src/store/"),
            engine: folder("src/store/sled/"),
            durability: path == "src/store/sled/durability.rs",
            routes: ["src/http/api.rs", "src/http/docs.rs"].contains(&path),
        }
    }

    fn broken_by(&self, line: &str) -> impl Iterator<Item = &'static str> {
        let says = |text: &str| line.contains(text);
        let any = |texts: &[&str]| texts.iter().any(|text| line.contains(text));
        [
            (!self.wire && word(line, "axum"), "names axum outside the wire"),
            (!self.engine && names_engine(line, self.storage), "names the storage engine outside store/sled"),
            (!self.storage && word(line, "sqlx"), "names sqlx outside the storage"),
            (self.pure && word(line, "async"), "waits in a file of pure rules"),
            (self.pure && any(&["crate::store", "crate::app", "crate::http", "tokio::"]), "lets a rule reach out of its room"),
            (self.use_cases && says("crate::http::"), "goes back to the wire from a use case"),
            (self.storage && (any(&["crate::http", "crate::app"]) || says("crate::") && says("::ops")), "goes back from the storage"),
            (any(&[".unwrap()", ".expect(\"", "panic!(", "unreachable!(", "todo!(", "unimplemented!("]), "may panic"),
            (
                any(&["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "unsafe("]) && !self.durability,
                "is unsafe outside store/sled/durability.rs",
            ),
            (says("#[allow(") || says("#![allow("), "allows a lint; expect it, with a reason"),
            (!self.routes && says(".route("), "adds a route that the OpenAPI document does not know"),
        ]
        .into_iter()
        .filter_map(|(broken, why)| broken.then_some(why))
    }
}

/// Whether `line` has `name` as a word of its own.
fn word(line: &str, name: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(name).any(|(at, _)| !part(line[..at].chars().next_back()) && !part(line[at + name.len()..].chars().next()))
}

/// Whether `line` names the crate sled. Its own module is `store::sled`, in `store/` also plain `sled::`.
fn names_engine(line: &str, in_storage: bool) -> bool {
    let names = |at: usize| {
        let before = &line[..at];
        let own = before.contains("store::") || in_storage && !before.ends_with("::");
        let word_before = before.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        !own && !word_before
    };
    line.match_indices("sled::").any(|(at, _)| names(at))
}

/// Every Rust file under `folder`, with its path from the package's folder.
fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

#[test]
fn every_file_keeps_to_its_room() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "examples", "benches", "bench"] {
        let folder = package.join(folder);
        if folder.is_dir() {
            rust_files(&folder, &mut files);
        }
    }
    assert!(files.len() > 50, "the source is not read");
    let found: Vec<String> = files
        .iter()
        .flat_map(|file| faults(file.strip_prefix(package).unwrap().to_str().unwrap(), &fs::read_to_string(file).unwrap()))
        .collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn no_page_names_a_path_of_one_machine() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/ARCHITECTURE.md", "docs/API.md", "dev", "deny.toml", "Cargo.toml"] {
        let text = fs::read_to_string(package.join(page)).unwrap();
        let found: Vec<_> = faults(page, &text).into_iter().filter(|fault| fault.contains("machine")).collect();
        assert!(found.is_empty(), "{found:?}");
    }
}

#[test]
fn the_checker_finds_planted_violations() {
    let planted = [
        ("src/tickets/model.rs", "use axum::Json;"),
        ("src/tickets/ops.rs", "    axum::Json(x)"),
        ("src/tickets/model.rs", "pub async fn f() {}"),
        ("src/tickets/rules/comments.rs", "    let x = async { 1 };"),
        ("src/auth/policy.rs", "use tokio::sync::Mutex;"),
        ("src/tickets/rules.rs", "use crate::store::Store;"),
        ("src/tickets/query.rs", "use crate::app::App;"),
        ("src/users/ops.rs", "use crate::http::page::Limit;"),
        ("src/store/sled/reads.rs", "use crate::http::page::Limit;"),
        ("src/store/mod.rs", "use crate::tickets::ops::create;"),
        ("src/app.rs", "let db = sled::open(path);"),
        ("src/cli/fsck.rs", "let db = ::sled::open(path);"),
        ("src/store/mod.rs", "let db = ::sled::open(path);"),
        ("src/app.rs", "use sqlx::PgPool;"),
        ("src/app.rs", "let x = y.unwrap();"),
        ("src/http/mod.rs", "let x = y.expect(\"z\");"),
        ("src/app.rs", "panic!(\"no\");"),
        ("src/app.rs", "unsafe { f() }"),
        ("src/app.rs", "#[allow(dead_code)]"),
        ("src/users/http.rs", "    .route(\"/x\", get(y))"),
        ("src/utils.rs", ""),
        ("src/tickets/helpers.rs", ""),
        ("tests/it/x.rs", concat!("let folder = \"/wo", "rk/main\";")),
        ("src/app.rs", &"\n".repeat(LONGEST + 1)),
        ("tests/it/x.rs", &"\n".repeat(LONGEST + 1)),
    ];
    for (path, text) in planted {
        assert_eq!(faults(path, text).len(), 1, "{path}: {text:.40}: {:?}", faults(path, text));
    }
}

#[test]
fn the_checker_lets_be_what_is_right() {
    let innocent = [
        ("src/http/page.rs", "use axum::Json;"),
        ("src/tickets/http.rs", "use axum::{Json, http::Uri};"),
        ("src/auth/extract.rs", "use axum::extract::FromRequestParts;"),
        ("src/tickets/model.rs", "/// Never named: axum, async, unwrap().unwrap()"),
        ("src/tickets/ops.rs", "pub async fn f(app: &App) {} // not for axum"),
        ("src/cli/fsck.rs", "use crate::store::sled::SledStore;"),
        ("src/cli/desk.rs", "    store::{StoreError, sled::OpenError},"),
        ("src/store/sled/select.rs", "use std::ops::RangeBounds;"),
        ("src/store/sled/group.rs", "self.expect(key, *expect)?;"),
        ("src/store/mod.rs", "    sled::SledStore::open(options)"),
        ("src/store/sled/commit.rs", "use ::sled::Batch;"),
        ("src/store/sled/durability.rs", "unsafe { fdatasync(fd) }"),
        ("src/app.rs", "let x = y.unwrap_or_default();"),
        ("src/tickets/model.rs", "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    fn g() { x.unwrap(); panic!(\"no\") }\n}\n"),
        ("src/tickets/rules/tests.rs", "x.unwrap();"),
        ("src/http/docs.rs", "    .route(\"/docs\", get(y))"),
        ("tests/it/tickets.rs", "x.unwrap();"),
        ("src/app.rs", &"\n".repeat(LONGEST)),
    ];
    for (path, text) in innocent {
        assert!(faults(path, text).is_empty(), "{:?}", faults(path, text));
    }
}
