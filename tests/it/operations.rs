//! docs/OPERATIONS.md tells the truth, as far as a test can see it.

use std::{fs, path::Path};

use crate::binary::Place;

fn manual() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPERATIONS.md")).unwrap()
}

/// The rows of the table under the heading `title`, cut into cells, without the two lines of its head.
fn rows(title: &str) -> Vec<Vec<String>> {
    let manual = manual();
    let chapter = manual.split(&format!("# {title}\n")).nth(1).unwrap_or_else(|| panic!("no chapter {title}"));
    let table = chapter.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    table.skip(2).map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn the_exit_codes_are_those_of_the_program() {
    let help = Place::new().run(&["--help"]).expect(0).out;
    let told: Vec<String> = help.split("Exit codes:\n").nth(1).unwrap().lines().map(|line| line.trim().to_owned()).collect();
    let shown: Vec<String> =
        rows("Exit codes").iter().map(|cells| format!("{}  {}", cells[0], cells[1].split(';').next().unwrap())).collect();
    let told: Vec<String> = told.iter().filter(|line| !line.is_empty()).map(|line| line.split(';').next().unwrap().to_owned()).collect();
    assert_eq!(shown, told);
}

#[test]
fn every_line_of_the_log_that_is_named_is_written_by_the_code() {
    let rows = rows("The log");
    assert!(rows.len() >= 10);
    for cells in rows {
        let (target, level, message) = (cells[0].trim_matches('`'), &cells[1], cells[2].trim_matches('`'));
        let path = target.strip_prefix("taquilla::").unwrap().replace("::", "/");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let file = [source.join(format!("{path}.rs")), source.join(&path).join("mod.rs")].into_iter().find(|file| file.is_file());
        let text = fs::read_to_string(file.unwrap_or_else(|| panic!("there is no {target}"))).unwrap();
        assert!(text.contains(&format!("\"{message}\"")), "{target} never says {message:?}");
        let name = level.to_lowercase();
        assert!(text.contains(&format!("{name}!(")) || text.contains(&format!("line!({name})")), "{target} has no {level}");
    }
}

#[test]
fn the_proxies_keep_the_stream_open_and_the_metrics_closed() {
    let manual = manual();
    for (proxy, unbuffered) in [("nginx", "proxy_buffering off;"), ("Caddy", "flush_interval -1")] {
        let chapter = manual.split(&format!("\n### {proxy}\n")).nth(1).unwrap().split("\n#").next().unwrap();
        assert!(chapter.contains(unbuffered) && chapter.contains("/metrics"), "{proxy}");
    }
}
