//! The boards as files: what Grafana would only show as an empty panel is found here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use taquilla::{
    metrics::schema::{AGES, SCHEMA},
    tickets::model::{Priority, Status},
};

use super::{
    Board, Panel, Target, all,
    influxql::{self, Token},
    list, promql, text,
};
use crate::{metrics::FAMILIES, support::Desk};

/// The boards that there are: file and uid.
const BOARDS: [(&str, &str); 6] = [
    ("agents", "taquilla-agents"),
    ("backlog", "taquilla-backlog"),
    ("overview", "taquilla-overview"),
    ("service", "taquilla-service"),
    ("sla", "taquilla-sla"),
    ("weekly", "taquilla-weekly"),
];

/// What 1.x, 2.x and 3.x do not all understand.
const NOT_EVERYWHERE: [&str; 7] = ["SLIMIT", "SOFFSET", "INTEGRAL", "SAMPLE", "HOLT_WINTERS", "CARDINALITY", "TZ"];

/// The values that a tag may have; nothing for one whose values are not known in advance.
fn values(tag: &str) -> Option<Vec<&'static str>> {
    Some(match tag {
        "status" | "from" | "to" => Status::ALL.map(Status::name).to_vec(),
        "priority" => Priority::ALL.map(Priority::name).to_vec(),
        "met" => vec!["true", "false", "none"],
        "clock" => vec!["first_response", "resolution"],
        "reason" => vec!["manual", "claim", "unassign"],
        "bucket" => AGES.map(|(name, _)| name).to_vec(),
        "agent" => vec!["none"],
        _ => return None,
    })
}

/// Everything wrong with a board.
fn faults(board: &Board) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |good: bool, what: String| {
        if !good {
            found.push(format!("{}: {what}", board.name));
        }
    };
    let json = &board.json;
    check(json["id"].is_null(), "id is not null".into());
    check(json["schemaVersion"] == 39, "schemaVersion is not 39".into());
    check(json["timezone"] == "utc", "days are not those of the API, UTC".into());
    check(json["description"].as_str().is_some_and(|text| text.ends_with('.')), "no description".into());
    check(list(&json["annotations"], "list").is_empty(), "annotations have a data source of their own".into());
    let names: Vec<&str> = board.variables().iter().map(|variable| text(variable, "name")).collect();
    let wanted: &[&str] = if board.is_of_prometheus() { &["datasource", "instance"] } else { &["datasource", "agent", "priority"] };
    check(names == wanted, format!("variables {names:?}"));
    let mut ids = BTreeSet::new();
    let mut titles = BTreeSet::new();
    let mut taken: Vec<[i64; 4]> = Vec::new();
    for panel in board.panels() {
        let title = panel.title();
        let mut check = |good: bool, what: &str| check(good, format!("{title}: {what}"));
        check(ids.insert(panel.0["id"].as_i64()) && panel.0["id"].as_i64() > Some(0), "its id is taken or missing");
        check(titles.insert(title), "its title is taken");
        check(text(panel.0, "description").ends_with('.'), "no description");
        check(panel.0["fieldConfig"]["defaults"]["unit"].as_str().is_some_and(|unit| !unit.is_empty()), "no unit");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel.0["gridPos"][key].as_i64().unwrap());
        check(x >= 0 && y >= 0 && w > 0 && h > 0 && x + w <= 24, "it is beyond the edges");
        let apart = |other: &[i64; 4]| x + w <= other[0] || other[0] + other[2] <= x || y + h <= other[1] || other[1] + other[3] <= y;
        check(taken.iter().all(apart), "it overlaps another one");
        taken.push([x, y, w, h]);
        let targets = panel.targets();
        check(!targets.is_empty(), "it asks for nothing");
        let references: BTreeSet<_> = targets.iter().map(|target| target.reference()).collect();
        check(references.len() == targets.len(), "two targets have one refId");
        let kind = if board.is_of_prometheus() { "prometheus" } else { "influxdb" };
        for source in targets.iter().map(|target| target.0).chain([panel.0]) {
            check(source["datasource"] == serde_json::json!({ "type": kind, "uid": "${datasource}" }), "another data source");
        }
        for target in &targets {
            for what in if board.is_of_prometheus() { promql_faults(*target) } else { influxql_faults(*target) } {
                check(false, &what);
            }
        }
        for name in transformed(panel) {
            check(targets.iter().any(|target| target.alias() == Some(&name)), &format!("no target is called {name}"));
        }
    }
    found
}

/// The names of series that a panel's transformations work on.
fn transformed(panel: Panel<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for step in panel.0["transformations"].as_array().into_iter().flatten() {
        let options = &step["options"];
        match text(step, "id") {
            "calculateField" => names.extend(["left", "right"].map(|side| text(&options["binary"], side).to_owned())),
            "groupBy" => names.extend(options["fields"].as_object().unwrap().keys().filter(|name| *name != "Time").cloned()),
            "joinByField" | "formatTime" | "sortBy" | "organize" => {}
            other => panic!("{}: {other} is not known to this test", panel.title()),
        }
    }
    names
}

/// Everything wrong with a query.
fn influxql_faults(target: Target<'_>) -> Vec<String> {
    let query = target.query();
    let mut found = Vec::new();
    let mut check = |good: bool, what: String| {
        if !good {
            found.push(format!("{what} in {query}"));
        }
    };
    check(target.0["rawQuery"] == true, "rawQuery is not set".into());
    let used = influxql::used(query);
    for word in &used.words {
        check(!NOT_EVERYWHERE.contains(&word.to_uppercase().as_str()), format!("{word} is not understood everywhere"));
    }
    let selects = used.words.iter().filter(|word| *word == "SELECT").count();
    check(used.words.iter().filter(|word| *word == "$timeFilter").count() == selects, "a part without $timeFilter".into());
    let [measurement] = used.measurements.as_slice() else {
        check(false, "not just one measurement".into());
        return found;
    };
    let Some(schema) = SCHEMA.iter().find(|known| known.name == measurement) else {
        check(false, format!("no measurement {measurement}"));
        return found;
    };
    let tags = schema.tags;
    let is_field = |name: &String| schema.fields.iter().any(|(field, _)| field == name) || used.aliases.contains(name);
    for name in &used.arguments {
        check(is_field(name), format!("{name} is no field"));
    }
    for name in &used.groups {
        check(tags.contains(&name.as_str()), format!("{name} is no tag"));
    }
    for (name, sign, with) in &used.conditions {
        let literals: Vec<&str> = match with {
            Token::Text(text) => vec![text],
            Token::Pattern(pattern) => {
                let inner = pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix('$'));
                let Some(inner) = inner else {
                    check(false, format!("/{pattern}/ is not the whole value"));
                    continue;
                };
                if let Some(variable) = inner.strip_prefix('$') {
                    check(["agent", "priority"].contains(&variable) && name == variable, format!("{name} against ${variable}"));
                    continue;
                }
                inner.trim_start_matches('(').trim_end_matches(')').split('|').collect()
            }
            _ => {
                check(is_field(name) && *sign == ">", format!("{name} {sign}"));
                continue;
            }
        };
        check(tags.contains(&name.as_str()), format!("{name} is no tag"));
        let known = values(name).unwrap_or_default();
        for literal in literals {
            check(known.contains(&literal), format!("{name} is never {literal}"));
        }
    }
    for tag in target.alias().unwrap_or_default().split("$tag_").skip(1) {
        let tag = tag.split(' ').next().unwrap();
        check(used.groups.iter().any(|group| group == tag), format!("the legend names {tag}, which is not grouped by"));
    }
    found
}

/// Everything wrong with an expression, but for its labels.
fn promql_faults(target: Target<'_>) -> Vec<String> {
    let used = promql::used(target.expression());
    let mut found: Vec<String> = Vec::new();
    if used.is_empty() {
        found.push(format!("no metric in {}", target.expression()));
    }
    for metric in used {
        if family(&metric.name).is_none() {
            found.push(format!("no metric {}", metric.name));
        }
        if !metric.labels.iter().any(|label| label == "instance") {
            found.push(format!("{} is not of the chosen instances", metric.name));
        }
    }
    found
}

/// The family that a series belongs to.
pub fn family(series: &str) -> Option<&'static str> {
    let whole = FAMILIES.iter().find(|(name, kind)| *name == series && *kind != "histogram");
    let part = || {
        let name = ["_bucket", "_sum", "_count"].iter().find_map(|end| series.strip_suffix(end))?;
        FAMILIES.iter().find(|(family, kind)| *family == name && *kind == "histogram")
    };
    whole.or_else(part).map(|(name, _)| *name).or((series == "up").then_some("up"))
}

/// The labels of each family, as a desk tells them.
pub fn labels(scraped: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::from([("up", BTreeSet::new())]);
    for line in scraped.lines().filter(|line| !line.starts_with('#')) {
        let (series, braces) = line.split_once('{').unwrap_or_else(|| (line.split(' ').next().unwrap(), ""));
        let outside_texts: Vec<&str> = braces.split('"').step_by(2).collect();
        let names = outside_texts.iter().filter_map(|part| part.trim_start_matches(',').strip_suffix('='));
        all.entry(family(series).unwrap_or_else(|| panic!("{series} is of no family"))).or_default().extend(names);
    }
    all
}

#[test]
fn the_six_boards_are_there_and_well_made() {
    let boards = all();
    let told: Vec<(&str, &str)> = boards.iter().map(|board| (board.name.as_str(), board.text("uid"))).collect();
    assert_eq!(told, BOARDS);
    let titles: BTreeSet<&str> = boards.iter().map(|board| board.text("title")).collect();
    assert_eq!(titles.len(), BOARDS.len());
    let found: Vec<String> = boards.iter().flat_map(faults).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(boards.iter().all(|board| board.panels().len() >= 10));
}

#[test]
fn the_overview_shows_what_the_former_desk_promised() {
    let boards = all();
    let overview = boards.iter().find(|board| board.name == "overview").unwrap();
    for (title, kind) in [
        ("Active tickets", "stat"),
        ("Resolved against pending", "timeseries"),
        ("Active tickets by priority", "piechart"),
        ("Mean resolution time", "gauge"),
        ("Tickets per agent", "bargauge"),
        ("First responses in time", "stat"),
    ] {
        let panel = overview.panels().into_iter().find(|panel| panel.title() == title);
        assert_eq!(panel.unwrap_or_else(|| panic!("{title}")).0["type"], kind, "{title}");
    }
}

#[tokio::test]
async fn expressions_choose_by_labels_that_there_are() {
    let desk = Desk::start().await;
    desk.user("eva").await;
    let scraped = crate::metrics::scrape(&desk).await;
    let labels = labels(&scraped);
    let boards = all();
    let panels = boards.iter().filter(|board| board.is_of_prometheus()).flat_map(Board::panels);
    let expressions: Vec<&str> = panels.flat_map(Panel::targets).map(Target::expression).collect();
    let alerts = super::alerts::expressions();
    let mut looked_at = 0;
    for expression in expressions.into_iter().chain(alerts.iter().map(String::as_str)) {
        for metric in promql::used(expression) {
            let name = family(&metric.name).unwrap_or_else(|| panic!("no metric {} in {expression}", metric.name));
            for label in &metric.labels {
                let known = ["instance", "job"].contains(&label.as_str()) || labels[name].contains(label.as_str());
                assert!(known, "{name} has no label {label}, in {expression}");
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 50);
}

/// Makes a board worse.
type Plant = fn(&mut Value);

#[test]
fn planted_faults_are_found() {
    let good = || all().into_iter().find(|board| board.name == "backlog").unwrap();
    assert_eq!(faults(&good()), Vec::<String>::new());
    let plants: [(&str, Plant); 12] = [
        ("no unit", |json| json["panels"][0]["fieldConfig"]["defaults"]["unit"] = Value::Null),
        ("no description", |json| json["panels"][1]["description"] = "".into()),
        ("it asks for nothing", |json| json["panels"][1]["targets"] = serde_json::json!([])),
        ("it overlaps another one", |json| json["panels"][1]["gridPos"]["x"] = 3.into()),
        ("its id is taken", |json| json["panels"][1]["id"] = 1.into()),
        ("another data source", |json| json["panels"][2]["datasource"]["uid"] = "taquilla-influx".into()),
        ("no measurement tickets", |json| change(json, "\"ticket_backlog\"", "\"tickets\"")),
        ("state is no tag", |json| change(json, "\"status\" =~", "\"state\" =~")),
        ("status is never opne", |json| change(json, "open|", "opne|")),
        ("seconds is no field", |json| change(json, "last(\"count\")", "last(\"seconds\")")),
        ("SLIMIT is not understood everywhere", |json| change(json, "GROUP BY \"status\", \"priority\"", "GROUP BY \"status\" SLIMIT 1")),
        ("a part without $timeFilter", |json| change(json, "$timeFilter AND", "")),
    ];
    for (told, plant) in plants {
        let mut board = good();
        plant(&mut board.json);
        let found = faults(&board);
        assert!(found.iter().any(|fault| fault.contains(told)), "{told}: {found:?}");
    }
}

/// Changes the query of the first panel.
fn change(json: &mut Value, from: &str, to: &str) {
    let query = &mut json["panels"][0]["targets"][0]["query"];
    let changed = query.as_str().unwrap().replace(from, to);
    assert_ne!(query.as_str().unwrap(), changed, "the query has {from}");
    *query = changed.into();
}
