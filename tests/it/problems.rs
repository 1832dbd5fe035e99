//! docs/API.md lists every kind of problem as the code has it.

use taquilla::error::PROBLEMS;

#[test]
fn every_problem_is_documented_with_its_status_and_title() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/API.md")).unwrap();
    let row = |line: &str| {
        let cells: Vec<String> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
        let slug = cells.get(1)?.strip_prefix('`')?.strip_suffix('`')?.to_owned();
        Some((slug, cells.get(2)?.parse::<u16>().ok()?, cells.get(3)?.clone()))
    };
    let documented: Vec<_> = page.lines().filter_map(row).collect();
    let known: Vec<_> = PROBLEMS.iter().map(|(slug, status, title)| ((*slug).to_owned(), *status, (*title).to_owned())).collect();
    assert_eq!(documented, known);
}
