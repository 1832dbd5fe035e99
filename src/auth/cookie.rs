//! The web app's cookie: it carries the refresh token where no script can read it, and goes nowhere but here.

use axum::http::{
    HeaderMap, HeaderName,
    header::{COOKIE, HOST, ORIGIN},
};

use crate::{config::Config, error::AppError, types::Secret};

/// Whether people reach the desk by https.
fn secure(config: &Config) -> bool {
    config.server.public_url.as_deref().is_some_and(|url| url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")))
}

/// The cookie's name.
fn name(config: &Config) -> &'static str {
    if secure(config) { "__Secure-taquilla" } else { "taquilla" }
}

/// `Set-Cookie` with this refresh token.
#[must_use]
pub fn keep(config: &Config, token: &Secret) -> String {
    written(config, token.expose(), config.auth.refresh_token_days * 86_400)
}

/// `Set-Cookie` that takes the token away.
#[must_use]
pub fn forget(config: &Config) -> String {
    written(config, "", 0)
}

fn written(config: &Config, value: &str, seconds: i64) -> String {
    let only_https = if secure(config) { "; Secure" } else { "" };
    format!("{}={value}; Path=/api/v1/auth; Max-Age={seconds}; HttpOnly; SameSite=Strict{only_https}", name(config))
}

/// The refresh token that the browser sent.
#[must_use]
pub fn read(config: &Config, headers: &HeaderMap) -> Option<Secret> {
    let sent = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    let value = sent.filter_map(|pair| pair.trim().split_once('=')).find(|(key, _)| *key == name(config))?.1;
    (!value.is_empty()).then(|| Secret::new(value))
}

/// Refuses a call that another site's page made. `SameSite=Strict` keeps the cookie out of those already; this holds
/// where a browser or another site on the same host does not.
///
/// # Errors
/// Forbidden.
pub fn refuse_cross_site(config: &Config, headers: &HeaderMap) -> Result<(), AppError> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    let site_ok = text(HeaderName::from_static("sec-fetch-site")).is_none_or(|site| matches!(site, "same-origin" | "none"));
    let origin_ok = text(ORIGIN).is_none_or(|origin| {
        let own = config.server.public_url.as_deref().map(origin_of);
        let host = text(HOST).unwrap_or_default();
        own.is_some_and(|own| own.eq_ignore_ascii_case(origin))
            || origin.split_once("://").is_some_and(|(_, authority)| !host.is_empty() && authority.eq_ignore_ascii_case(host))
    });
    if site_ok && origin_ok { Ok(()) } else { Err(AppError::forbidden("A page of another site may not use this session.")) }
}

/// Scheme and authority of an address.
fn origin_of(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |at| at + 3);
    url[authority..].find('/').map_or(url, |end| &url[..authority + end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(public_url: Option<&str>) -> Config {
        let mut config = Config::default();
        config.server.public_url = public_url.map(str::to_owned);
        config
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_cookie_is_strict_and_secure_behind_https() {
        let token = Secret::new("tqr_x");
        let plain = keep(&config(None), &token);
        assert_eq!(plain, "taquilla=tqr_x; Path=/api/v1/auth; Max-Age=2592000; HttpOnly; SameSite=Strict");
        let secure = keep(&config(Some("HTTPS://desk.example.com")), &token);
        assert_eq!(secure, "__Secure-taquilla=tqr_x; Path=/api/v1/auth; Max-Age=2592000; HttpOnly; SameSite=Strict; Secure");
        assert!(forget(&config(None)).starts_with("taquilla=; Path=/api/v1/auth; Max-Age=0;"));
    }

    #[test]
    fn it_is_found_among_others_by_its_name() {
        let sent = headers(&[("cookie", "a=b; taquilla=tqr_x; c=d=e")]);
        assert_eq!(read(&config(None), &sent).unwrap().expose(), "tqr_x");
        assert!(read(&config(Some("https://desk.example.com")), &sent).is_none());
        assert!(read(&config(None), &headers(&[("cookie", "taquilla=; xtaquilla=1")])).is_none());
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let allowed = |url, pairs: &[_]| refuse_cross_site(&config(url), &headers(pairs)).is_ok();
        let proxied = Some("https://desk.example.com/");
        assert!(allowed(None, &[("host", "127.0.0.1:8000")]));
        assert!(allowed(None, &[("host", "127.0.0.1:8000"), ("origin", "http://127.0.0.1:8000"), ("sec-fetch-site", "same-origin")]));
        assert!(allowed(None, &[("sec-fetch-site", "none")]));
        assert!(allowed(proxied, &[("host", "127.0.0.1:8000"), ("origin", "https://desk.example.com")]));
        for bad in [
            &[("host", "desk"), ("sec-fetch-site", "cross-site")][..],
            &[("host", "desk"), ("sec-fetch-site", "same-site")],
            &[("host", "desk"), ("origin", "http://desk:81")],
            &[("host", "desk"), ("origin", "null")],
            &[("origin", "http://")],
            &[("host", "desk"), ("origin", "http://desk"), ("sec-fetch-site", "cross-site")],
        ] {
            assert!(!allowed(None, bad), "{bad:?}");
        }
        assert!(!allowed(proxied, &[("host", "127.0.0.1:8000"), ("origin", "http://desk.example.com")]), "another scheme");
    }
}
