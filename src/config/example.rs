//! The example file: every key with its meaning and its default, made from the table of keys.

use std::fmt::Write;

use super::{Config, Key, SECTIONS, Shown};

const HEAD: &str = "\
# Every setting of Taquilla, with its default.
#
# The file is ./config.toml, else /etc/taquilla/config.toml, or the one named by --config. Keep only what you change.
# An environment variable wins over the file: TAQUILLA_<SECTION>__<KEY> with two underscores, such as
# TAQUILLA_SERVER__LISTEN, and for secrets and storage.url also with _FILE at its end and the path of a file that holds the value.
# A flag wins over both. `taquilla config show --origin` tells each value and where it came from,
# `taquilla config check` what is wrong.
";

/// The example file.
#[must_use]
pub fn example() -> String {
    let defaults = Config::default();
    let mut text = HEAD.to_owned();
    for section in SECTIONS {
        text.push('\n');
        comment(&mut text, section.doc);
        let mut table = "";
        for key in section.keys {
            let (of, name) = key.name.rsplit_once('.').unwrap_or(("", key.name));
            if of != table {
                let gap = if table.is_empty() { "" } else { "\n" };
                let _ = writeln!(text, "{gap}[{of}]");
                table = of;
            }
            comment(&mut text, key.doc);
            line(&mut text, name, key, &defaults);
        }
    }
    text
}

fn comment(text: &mut String, lines: &[&str]) {
    for line in lines {
        let _ = writeln!(text, "#{line}");
    }
}

fn line(text: &mut String, name: &str, key: &Key, defaults: &Config) {
    let range = key.range.map(|(low, high)| format!("  # {low} to {high}")).unwrap_or_default();
    // JSON's texts, numbers and lists of texts are also TOML's.
    let _ = match key.shown(defaults) {
        Shown::Value(value) => writeln!(text, "{name} = {value}{range}"),
        Shown::Unset | Shown::Hidden => writeln!(text, "#{name} = {}", serde_json::json!(key.sample.unwrap_or_default())),
    };
}
