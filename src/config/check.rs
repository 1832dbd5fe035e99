//! What a type cannot say about a value. Every check names its key; none repeats a secret.

use reqwest::Url;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use super::Config;
use crate::{
    auth::{policy::NewPassword, token::check_key},
    http::client::Network,
    input::FieldValue,
    types::Email,
};

/// The shortest token that lets Prometheus in, in characters.
const SHORTEST_SCRAPE_TOKEN: usize = 16;

/// What is said of a secret that everybody can read in the example file.
const SAMPLE: &str = "is the one of the example file, which everybody knows: choose another";

/// Brings values into the form in which they are used.
pub(super) fn tidy(config: &mut Config) {
    if let Some(url) = &mut config.server.public_url {
        *url = url.trim_end_matches('/').to_owned();
    }
}

/// Everything that is wrong: the key, and what its value must be.
pub(super) fn check(config: &Config) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut refuse = |key: &'static str, message: String| found.push((key, message));
    if let Some(url) = &config.server.public_url
        && origin_of(url).is_none()
    {
        refuse("server.public_url", format!("must be an address such as https://desk.example.com, without a path, not {url:?}"));
    }
    for origin in &config.server.cors_origins {
        // Browsers send an origin in one form, and it is compared byte by byte.
        match origin_of(origin) {
            Some(form) if form == *origin => {}
            Some(form) => refuse("server.cors_origins", format!("{origin:?} must be written {form:?}, as browsers send it")),
            None => refuse("server.cors_origins", format!("must hold origins such as https://intranet.example.com, not {origin:?}")),
        }
    }
    for proxy in &config.server.trusted_proxies {
        if proxy.parse::<Network>().is_err() {
            refuse("server.trusted_proxies", format!("must hold addresses or networks such as 10.0.0.0/8, not {proxy:?}"));
        }
    }
    if let Err(error) = config.storage_url() {
        refuse("storage.url", error.to_string());
    }
    if let Some(Err(error)) = config.auth.secret_key.as_ref().map(check_key) {
        let message = error.to_string();
        refuse("auth.secret_key", message.strip_prefix("auth.secret_key ").unwrap_or(&message).to_owned());
    }
    if let Some(token) = &config.prometheus.token
        && let Some(wanted) = scrape_token_fault(token.expose())
    {
        refuse("prometheus.token", wanted);
    }
    bootstrap(config, &mut refuse);
    let name = config.desk.organisation_name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.contains('\0') {
        refuse("desk.organisation_name", "must be 1 to 100 characters long, without NUL".to_owned());
    }
    if jiff::tz::TimeZoneDatabase::bundled().get(&config.desk.time_zone).is_err() {
        refuse("desk.time_zone", format!("must be an IANA time zone such as Europe/Madrid, not {:?}", config.desk.time_zone));
    }
    if !is_filter(&config.log.level) {
        let wanted = "must be error, warn, info, debug, trace or off, or directives such as info,taquilla=debug";
        refuse("log.level", format!("{wanted}, not {:?}", config.log.level));
    }
    found
}

/// What a token that lets Prometheus in must be, when it is not.
fn scrape_token_fault(token: &str) -> Option<String> {
    if is_sample("prometheus.token", token) {
        Some(SAMPLE.to_owned())
    } else if token.len() < SHORTEST_SCRAPE_TOKEN || !token.bytes().all(|b| b.is_ascii_graphic()) {
        Some(format!("must have at least {SHORTEST_SCRAPE_TOKEN} characters, all of them visible ASCII"))
    } else {
        None
    }
}

/// Whether a secret is the one that the example file shows.
fn is_sample(key: &str, secret: &str) -> bool {
    super::keys().any(|known| known.name == key && known.sample == Some(secret))
}

fn bootstrap(config: &Config, refuse: &mut impl FnMut(&'static str, String)) {
    let bootstrap = &config.bootstrap;
    let email = bootstrap.admin_email.as_ref().map(|email| email.parse::<Email>());
    if let Some(Err(message)) = &email {
        refuse("bootstrap.admin_email", (*message).to_owned());
    }
    match (&bootstrap.admin_email, &bootstrap.admin_password) {
        (Some(_), None) => refuse("bootstrap.admin_email", "needs bootstrap.admin_password beside it".to_owned()),
        (None, Some(_)) => refuse("bootstrap.admin_password", "needs bootstrap.admin_email beside it".to_owned()),
        _ => {}
    }
    if bootstrap.admin_password.as_ref().is_some_and(|password| is_sample("bootstrap.admin_password", password.expose())) {
        refuse("bootstrap.admin_password", SAMPLE.to_owned());
    }
    if let Some(password) = &bootstrap.admin_password {
        let faults = match (NewPassword::from_json(password.expose().into()), &email) {
            (Ok(password), Some(Ok(email))) => password.fault_for("", Some(email), Some("Administrator")).into_iter().collect(),
            (Ok(_), _) => Vec::new(),
            (Err(faults), _) => faults,
        };
        for fault in faults {
            refuse("bootstrap.admin_password", fault.message);
        }
    }
}

/// The origin that an address is, when it is nothing more than that.
fn origin_of(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let bare = matches!(url.scheme(), "http" | "https")
        && url.host_str().is_some_and(|host| !host.is_empty())
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && text == text.trim();
    bare.then(|| url.origin().ascii_serialization())
}

/// Whether a text says what to log. A lone word that is no level would be taken for a module, and silence all others.
fn is_filter(text: &str) -> bool {
    let lone_words_are_levels = text.split(',').map(str::trim).all(|part| part.contains(['=', '[']) || part.parse::<LevelFilter>().is_ok());
    !text.trim().is_empty() && lone_words_are_levels && EnvFilter::builder().parse(text).is_ok()
}
