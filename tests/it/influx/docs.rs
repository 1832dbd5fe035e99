//! docs/METRICS.md tells the schema that the code has.

use taquilla::metrics::schema::{Kind, Measurement, SCHEMA};

fn row(measurement: &Measurement) -> String {
    let tags: Vec<String> = measurement.tags.iter().map(|tag| format!("`{tag}`")).collect();
    let fields = measurement.fields.iter().map(|(field, kind)| match kind {
        Kind::Integer => format!("`{field}` integer"),
        Kind::Float => format!("`{field}` float"),
    });
    format!("| `{}` | {} | {} | {} |", measurement.name, tags.join(", "), fields.collect::<Vec<_>>().join(", "), measurement.when)
}

#[test]
fn the_table_of_measurements_is_that_of_the_code() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/METRICS.md")).unwrap();
    let (_, table) = text.split_once("| measurement | tags | fields | when |\n|---|---|---|---|\n").expect("the table's head");
    let rows: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let expected: Vec<String> = SCHEMA.iter().map(|measurement| row(measurement)).collect();
    assert_eq!(rows, expected, "write in docs/METRICS.md:\n{}", expected.join("\n"));
}
