//! The README tells the truth: every line of its shell blocks is run, and what it shows is what comes out.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::binary::{Place, Server};

/// A block of a page.
struct Block {
    language: String,
    text: String,
}

/// The blocks of the chapter `title`.
fn blocks(title: &str) -> Vec<Block> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let chapter = page.split("\n## ").find(|chapter| chapter.starts_with(title)).expect("the chapter is there");
    let fenced = chapter.split("\n```").skip(1).step_by(2);
    fenced
        .map(|block| {
            let (language, text) = block.split_once('\n').unwrap();
            Block { language: language.to_owned(), text: text.to_owned() }
        })
        .collect()
}

/// bash in `place`, where `taquilla` is the program under test.
fn bash(place: &Place, script: &str) -> Command {
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_taquilla"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]).current_dir(place.path()).env("PATH", path).env("no_proxy", "127.0.0.1");
    command
}

/// What bash prints.
fn output(place: &Place, script: &str) -> String {
    let output = bash(place, script).stdin(Stdio::null()).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    out
}

/// Starts the desk as the block says, on a free port.
fn start(place: &Place, block: &str) -> (Server, String) {
    let as_built = block.replace("cargo run --release -- serve", "exec taquilla serve");
    assert!(as_built.contains("exec taquilla serve"), "the first block starts the desk");
    let mut command = bash(place, &as_built);
    command.env("TAQUILLA_SERVER__LISTEN", "127.0.0.1:0");
    let mut server = Server::start(command);
    let line: Value = serde_json::from_str(&server.until("listening")).unwrap();
    let address = line["address"].as_str().unwrap().to_owned();
    (server, address)
}

/// Whether everything in `shown` is in `real` too; lists may go on.
fn holds(real: &Value, shown: &Value) -> bool {
    match (real, shown) {
        (Value::Object(real), Value::Object(shown)) => {
            shown.iter().all(|(key, value)| real.get(key).is_some_and(|real| holds(real, value)))
        }
        (Value::Array(real), Value::Array(shown)) => {
            real.len() >= shown.len() && real.iter().zip(shown).all(|(real, shown)| holds(real, shown))
        }
        (real, shown) => real == shown,
    }
}

#[test]
fn the_quick_start_does_what_it_shows() {
    let place = Place::new();
    let all = blocks("Quick start");
    let (mut server, address) = start(&place, &all[0].text);
    // One shell for all blocks, as for a reader; a line of its own ends the output of each.
    let mut script = String::new();
    let mut shown = Vec::new();
    for block in &all[1..] {
        match block.language.as_str() {
            "sh" => {
                script.extend([&block.text.replace("127.0.0.1:8000", &address), "\nprintf '\\n---\\n'\n"]);
                shown.push(None);
            }
            "json" => *shown.last_mut().unwrap() = Some(serde_json::from_str::<Value>(&block.text).unwrap()),
            other => panic!("a block of {other:?}"),
        }
    }
    let out = output(&place, &script);
    let outputs: Vec<&str> = out.split("\n---\n").collect();
    assert_eq!(outputs.len(), shown.len() + 1, "{out}");
    assert!(shown.iter().flatten().count() >= 6, "register, create, assign, comment, resolve and the log are shown");
    for (output, shown) in outputs.iter().zip(shown) {
        // Where a block has several calls, the last one's answer is shown.
        let answers: Vec<Value> = serde_json::Deserializer::from_str(output).into_iter().map(Result::unwrap).collect();
        match (answers.last(), shown) {
            (Some(real), Some(shown)) => assert!(holds(real, &shown), "shown:\n{shown:#}\nreal:\n{real:#}"),
            (None, None) => {}
            (real, shown) => panic!("shown: {shown:?}, real: {real:?}"),
        }
    }
    server.stop();
}

#[test]
fn the_command_line_works_as_shown() {
    let place = Place::new();
    let all = blocks("Command line");
    let shell: Vec<&str> = all.iter().filter(|block| block.language == "sh").map(|block| block.text.as_str()).collect();
    assert_eq!(shell.len(), 1);
    let out = output(&place, shell[0]);
    for told in ["eva@example.com", "Eva Okafor", "agent", "tqp_", "server.listen = \"127.0.0.1:8000\"  # "] {
        assert!(out.contains(told), "{told:?} is not in:\n{out}");
    }
}

#[test]
fn every_shell_line_of_the_readme_is_in_a_chapter_that_is_run() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let run: usize =
        ["Quick start", "Command line"].map(|chapter| blocks(chapter).iter().filter(|b| b.language == "sh").count()).iter().sum();
    assert_eq!(page.matches("\n```sh\n").count(), run);
}

#[test]
fn every_file_that_the_readme_links_is_there() {
    let package = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages =
        ["README.md", "README.es.md", "CONTRIBUTING.md", "SECURITY.md", "docs/ARCHITECTURE.md", "docs/API.md", "docs/OPERATIONS.md"];
    for page in pages {
        let text = std::fs::read_to_string(package.join(page)).unwrap();
        let links = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        for link in links.filter(|link| !link.starts_with("http")) {
            let file = link.split('#').next().unwrap();
            let there = match link.strip_prefix('#') {
                Some(chapter) => text.lines().any(|line| anchor(line).as_deref() == Some(chapter)),
                None => package.join(page).parent().unwrap().join(file).exists(),
            };
            assert!(there, "{page} links {link}");
        }
    }
}

/// What a chapter is linked as, if the line is its heading.
fn anchor(line: &str) -> Option<String> {
    let name = line.strip_prefix('#')?.trim_start_matches('#').trim().to_lowercase();
    Some(name.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-').map(|c| if c == ' ' { '-' } else { c }).collect())
}

/// What must be the same on the front page in every language: how its headings nest, its blocks, what its tables begin
/// their rows with where that is code, and the files that it links; of a link to a chapter only that there is one, since
/// chapters are named in the page's language.
struct Frame {
    headings: Vec<usize>,
    blocks: Vec<String>,
    rows: Vec<String>,
    links: std::collections::BTreeSet<String>,
}

fn frame(page: &str) -> Frame {
    let text = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    // The figures are on one page only: whoever measures writes them there.
    let text = match (text.find("<!-- FIGURES -->"), text.find("\n## More")) {
        (Some(from), Some(to)) => format!("{}{}", &text[..from], &text[to..]),
        _ => text,
    };
    let mut parts = text.split("\n```");
    let mut prose = parts.next().unwrap().to_owned();
    let mut blocks = Vec::new();
    while let (Some(block), Some(after)) = (parts.next(), parts.next()) {
        blocks.push(block.to_owned());
        prose.push_str(after);
    }
    let lines = || prose.lines();
    Frame {
        headings: lines().filter(|line| line.starts_with('#')).map(|line| line.find(' ').unwrap()).collect(),
        blocks,
        rows: lines().filter(|line| line.starts_with("| `")).map(|line| line.split('|').nth(1).unwrap().trim().to_owned()).collect(),
        links: prose
            .split("](")
            .skip(1)
            .map(|rest| rest.split(')').next().unwrap())
            .filter(|link| !link.starts_with("README"))
            .map(|link| if link.starts_with('#') { "#".to_owned() } else { link.to_owned() })
            .collect(),
    }
}

#[test]
fn the_front_page_in_spanish_has_the_same_commands_and_headings() {
    let (english, spanish) = (frame("README.md"), frame("README.es.md"));
    assert!(english.headings.len() >= 8 && english.blocks.len() >= 10 && english.rows.len() >= 15);
    assert_eq!(spanish.headings, english.headings);
    assert_eq!(spanish.blocks, english.blocks);
    assert_eq!(spanish.rows, english.rows);
    assert_eq!(spanish.links, english.links);
}
