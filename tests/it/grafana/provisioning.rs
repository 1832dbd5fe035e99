//! What Grafana and Prometheus are given at their start: that it fits the boards, and the places that
//! `docker-compose.yml` mounts.

use std::{collections::BTreeMap, fs, process::Command};

use serde_json::Value;

use super::{all, list, place, text};
use crate::deployment::{compose, mounts, yaml};

fn read(name: &str) -> Value {
    yaml(&fs::read_to_string(place(name)).unwrap())
}

#[test]
fn the_data_sources_are_those_that_the_boards_choose() {
    let provisioned = read("provisioning/datasources/taquilla.yml");
    let sources: BTreeMap<&str, &Value> = list(&provisioned, "datasources").iter().map(|source| (text(source, "uid"), source)).collect();
    assert_eq!(sources.keys().copied().collect::<Vec<_>>(), ["taquilla-influx", "taquilla-prometheus"]);
    for board in all() {
        let variable = board.variable("datasource");
        let source = sources[text(&variable["current"], "value")];
        assert_eq!((&source["type"], &source["name"]), (&variable["query"], &variable["current"]["text"]), "{}", board.name);
    }
    for (uid, source) in &sources {
        assert_eq!((&source["editable"], &source["access"]), (&Value::from(false), &Value::from("proxy")), "{uid}");
        assert!(source.get("version").is_none(), "{uid}: a version would be kept against newer files");
        let service = text(source, "url").trim_start_matches("http://").split(':').next().unwrap();
        assert!(compose()["services"].get(service).is_some(), "{uid}: there is no service {service}");
    }
    let influx = sources["taquilla-influx"];
    assert_eq!(influx["jsonData"]["httpMode"], "POST");
    assert_eq!(influx["jsonData"]["httpHeaderName1"], "Authorization");
    assert_eq!(influx["secureJsonData"]["httpHeaderValue1"], "Token ${INFLUXDB_TOKEN}");
    assert_eq!(influx["jsonData"]["dbName"], compose()["services"]["influxdb"]["environment"]["DOCKER_INFLUXDB_INIT_BUCKET"]);
    let grafana = &compose()["services"]["grafana"]["environment"];
    assert!(text(grafana, "INFLUXDB_TOKEN").starts_with("${INFLUXDB_TOKEN:?"));
}

#[test]
fn the_boards_are_mounted_where_they_are_looked_for() {
    let mounted = mounts("grafana");
    assert_eq!(mounted["/etc/grafana/provisioning"], "./grafana/provisioning");
    let provisioned = read("provisioning/dashboards/taquilla.yml");
    let [provider] = list(&provisioned, "providers") else { panic!("one provider") };
    assert_eq!((&provider["allowUiUpdates"], &provider["type"]), (&Value::from(false), &Value::from("file")));
    let path = text(&provider["options"], "path");
    assert_eq!(mounted[path], "./grafana/dashboards");
    let home = text(&compose()["services"]["grafana"]["environment"], "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH").to_owned();
    let file = home.strip_prefix(path).expect("the first page is one of the boards");
    assert!(place("dashboards").join(file.trim_start_matches('/')).is_file());
}

#[test]
fn prometheus_finds_its_rules_its_token_and_the_desk() {
    let file = place("prometheus/prometheus.yml");
    let checked = Command::new("promtool").args(["check", "config", "--syntax-only"]).arg(&file).output();
    let checked = checked.expect("promtool runs; `./dev setup` installs it");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let config = read("prometheus/prometheus.yml");
    let mounted = mounts("prometheus");
    assert_eq!(mounted["/etc/prometheus/prometheus.yml"], "./grafana/prometheus/prometheus.yml");
    let rules = list(&config, "rule_files")[0].as_str().unwrap();
    let (folder, pattern) = rules.rsplit_once('/').unwrap();
    assert_eq!(mounted[folder], "./grafana/alerts");
    for entry in fs::read_dir(place("alerts")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.ends_with(pattern.trim_start_matches('*')), "{name} is not read");
    }
    let [job] = list(&config, "scrape_configs") else { panic!("one job") };
    assert_eq!(job["job_name"], "taquilla", "the rules and the boards know it by this name");
    let secret = text(&job["authorization"], "credentials_file").strip_prefix("/run/secrets/").unwrap();
    let compose = compose();
    assert_eq!(compose["services"]["prometheus"]["secrets"], serde_json::json!([secret]));
    let variable = text(&compose["secrets"][secret], "environment");
    let desk = &compose["services"]["desk"]["environment"];
    assert!(text(desk, "TAQUILLA_PROMETHEUS__TOKEN").starts_with(&format!("${{{variable}:?")), "desk and Prometheus have one token");
    let (host, port) = list(&job["static_configs"][0], "targets")[0].as_str().unwrap().split_once(':').unwrap();
    assert!(compose["services"].get(host).is_some() && text(desk, "TAQUILLA_SERVER__LISTEN").ends_with(&format!(":{port}")));
}
