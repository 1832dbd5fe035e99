//! Which metrics an expression in `PromQL` uses, and by which labels.

/// How metrics begin that the desk or Prometheus itself makes.
const OURS: [&str; 4] = ["taquilla_", "http_", "process_", "up"];

/// A metric with the labels that it is chosen by.
#[derive(Debug, PartialEq, Eq)]
pub struct Used {
    /// The series' name, with `_bucket` and the like.
    pub name: String,
    /// The labels between its braces.
    pub labels: Vec<String>,
}

/// The metrics of an expression.
pub fn used(expression: &str) -> Vec<Used> {
    let mut found: Vec<Used> = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '$';
        let length = match first {
            '"' => rest[1..].find('"').expect("a text ends") + 2,
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (word, after) = rest.split_at(length);
        if OURS.iter().any(|ours| if *ours == "up" { word == "up" } else { word.starts_with(ours) }) {
            found.push(Used { name: word.to_owned(), labels: labels(after) });
            // What stands between its braces is no metric.
            rest = after.strip_prefix('{').map_or(after, |inside| &inside[inside.find('}').expect("braces end")..]);
        } else {
            rest = after;
        }
    }
    found
}

/// The labels of a selector that begins here.
fn labels(after: &str) -> Vec<String> {
    let Some(inside) = after.strip_prefix('{') else { return Vec::new() };
    let inside = &inside[..inside.find('}').expect("braces end")];
    let outside_texts: String = inside.split('"').step_by(2).collect();
    outside_texts.split(',').map(|part| part.trim_end_matches(['=', '~', '!', ' ']).trim().to_owned()).filter(|l| !l.is_empty()).collect()
}

#[test]
fn metrics_are_told_with_their_labels() {
    let expression = r#"histogram_quantile(0.99, sum by (le, up) (rate(http_x_bucket{instance=~"$instance", route!~"/a/.*"}[5m]))) / (taquilla_y or vector(0)) > up{job="taquilla"}"#;
    let told: Vec<_> = used(expression).into_iter().map(|used| (used.name, used.labels.join(" "))).collect();
    let expected = [("up", ""), ("http_x_bucket", "instance route"), ("taquilla_y", ""), ("up", "job")];
    assert_eq!(told, expected.map(|(name, labels)| (name.to_owned(), labels.to_owned())));
}
