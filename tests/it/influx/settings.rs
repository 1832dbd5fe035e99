//! Its settings.

use crate::config::{load, problems};

#[test]
fn the_former_desks_influxdb_is_the_one_that_is_pushed_to() {
    let variables =
        [("INFLUXDB_URL", "http://influx:8086"), ("INFLUXDB_TOKEN", "hunter2"), ("INFLUXDB_ORG", "town"), ("INFLUXDB_BUCKET", "tickets")];
    let loaded = load(&variables, &[]).unwrap();
    let influxdb = &loaded.config.influxdb;
    assert_eq!(
        (influxdb.url.as_deref(), influxdb.org.as_deref(), influxdb.bucket.as_str()),
        (Some("http://influx:8086"), Some("town"), "tickets")
    );
    assert_eq!(influxdb.token.as_ref().unwrap().expose(), "hunter2");
    for (name, _) in variables {
        assert!(loaded.warnings.iter().any(|w| w.contains(name) && !w.contains("hunter2")), "{:?}", loaded.warnings);
    }
}

#[test]
fn a_wrong_influxdb_is_refused_by_its_key() {
    for (variables, key) in [
        (&[("TAQUILLA_INFLUXDB__URL", "localhost:8086")][..], "influxdb.url"),
        (&[("TAQUILLA_INFLUXDB__URL", "ftp://x")], "influxdb.url"),
        (&[("TAQUILLA_INFLUXDB__URL", "http://me:hunter2@x:8086")], "influxdb.url"),
        (&[("TAQUILLA_INFLUXDB__URL", "http://x:8086"), ("TAQUILLA_INFLUXDB__API", "v2")], "influxdb.org"),
        (&[("TAQUILLA_INFLUXDB__API", "v4")], "influxdb.api"),
        (&[("TAQUILLA_INFLUXDB__BUCKET", " ")], "influxdb.bucket"),
        (&[("TAQUILLA_INFLUXDB__PASSWORD", "hunter2")], "influxdb.password"),
        (&[("TAQUILLA_INFLUXDB__USERNAME", "me"), ("TAQUILLA_INFLUXDB__TOKEN", "hunter2")], "influxdb.token"),
        (&[("TAQUILLA_INFLUXDB__BATCH_LINES", "0")], "influxdb.batch_lines"),
    ] {
        let found = problems(variables);
        assert!(found.len() == 1 && found[0].starts_with(key) && !found[0].contains("hunter2"), "{key}: {found:?}");
    }
}
