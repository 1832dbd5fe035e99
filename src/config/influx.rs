//! What InfluxDB's settings must be.

use reqwest::Url;

use super::{
    InfluxApi, Influxdb,
    check::{SAMPLE, is_sample},
};

/// Everything that is wrong.
pub(super) fn check(config: &Influxdb, refuse: &mut impl FnMut(&'static str, String)) {
    if let Some(text) = &config.url {
        match Url::parse(text) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) => {
                refuse("influxdb.url", "must be an address such as http://localhost:8086".to_owned());
            }
            // The address is shown and logged, so nothing secret may be in it.
            Ok(url) if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() => {
                refuse("influxdb.url", "must be an address without user, password and query: there are settings for them".to_owned());
            }
            Ok(_) => {}
            Err(_) => refuse("influxdb.url", "must be an address such as http://localhost:8086".to_owned()),
        }
    }
    let v2 = config.api == InfluxApi::V2;
    if config.url.is_some() && v2 && config.org.is_none() {
        refuse("influxdb.org", "is needed with influxdb.api = \"v2\"".to_owned());
    }
    if config.bucket.trim().is_empty() || config.bucket.chars().any(char::is_control) {
        refuse("influxdb.bucket", "must be the name of a bucket or database".to_owned());
    }
    if config.password.is_some() && config.username.is_none() {
        refuse("influxdb.password", "needs influxdb.username beside it".to_owned());
    }
    if config.token.is_some() && config.username.is_some() {
        refuse("influxdb.token", "and influxdb.username are two ways to sign in: set one of them".to_owned());
    }
    for (key, secret) in [("influxdb.token", &config.token), ("influxdb.password", &config.password)] {
        let Some(secret) = secret else { continue };
        if is_sample(key, secret.expose()) {
            refuse(key, SAMPLE.to_owned());
        } else if secret.expose().is_empty() || secret.expose().chars().any(char::is_control) {
            refuse(key, "must not be empty, nor hold control characters".to_owned());
        }
    }
}
