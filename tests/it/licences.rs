//! What may be depended on: deny.toml, checked without a network.

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::Value;

/// The rules of deny.toml.
fn rules() -> toml::Table {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml")).unwrap().parse().unwrap()
}

/// Every package that is built here, with its licence.
fn packages() -> Vec<(String, String)> {
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |package: &Value, key: &str| package[key].as_str().unwrap_or_default().to_owned();
    metadata["packages"].as_array().unwrap().iter().map(|p| (text(p, "name"), text(p, "license"))).collect()
}

/// Whether an SPDX expression can be met with the allowed licences: `OR` binds weaker than `AND`, the old `/` is an `OR`.
fn met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    any_of(&words, &mut at, allowed) && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut one = all_of(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        one |= all_of(words, at, allowed);
    }
    one
}

fn all_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut all = licence(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        all &= licence(words, at, allowed);
    }
    all
}

fn licence(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let inner = any_of(words, at, allowed);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return inner && closed;
    }
    let mut name = (*word).to_owned();
    if words.get(*at) == Some(&"WITH") {
        name = format!("{name} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
    }
    allowed.contains(&name)
}

#[test]
fn every_dependency_has_a_licence_that_is_allowed() {
    let rules = rules();
    let allowed: BTreeSet<String> = rules["licenses"]["allow"].as_array().unwrap().iter().map(|l| l.as_str().unwrap().to_owned()).collect();
    let packages = packages();
    assert!(packages.len() > 100, "the list of dependencies is not read");
    let bad: Vec<_> = packages.into_iter().filter(|(_, expression)| !met(expression, &allowed)).collect();
    assert!(bad.is_empty(), "not allowed by deny.toml: {bad:?}");
}

#[test]
fn no_dependency_is_banned() {
    let rules = rules();
    let banned: BTreeSet<&str> = rules["bans"]["deny"].as_array().unwrap().iter().map(|b| b["crate"].as_str().unwrap()).collect();
    let found: Vec<_> = packages().into_iter().filter(|(name, _)| banned.contains(name.as_str())).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn every_exception_has_its_reason() {
    let rules = rules();
    for (table, key) in [("advisories", "ignore"), ("bans", "deny")] {
        for exception in rules[table][key].as_array().unwrap() {
            assert!(exception["reason"].as_str().is_some_and(|reason| reason.len() > 20), "{exception}");
        }
    }
}

#[test]
fn licence_expressions_are_understood() {
    let allowed: BTreeSet<String> = ["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"].map(String::from).into();
    for good in ["MIT", "GPL-3.0 OR MIT", "GPL-3.0/MIT", "MIT AND Zlib", "(MIT OR GPL-3.0) AND Zlib", "Apache-2.0 WITH LLVM-exception"] {
        assert!(met(good, &allowed), "{good}");
    }
    for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT", "Apache-2.0", "GPL-3.0 OR MIT AND GPL-2.0", "MIT Zlib"] {
        assert!(!met(bad, &allowed), "{bad}");
    }
}
