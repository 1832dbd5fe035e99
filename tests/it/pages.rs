//! The pages that the binary carries, and the headers of every answer.

use reqwest::Method;
use serde_json::Value;

use crate::support::{Client, Desk, Response};

const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                           font-src 'self'; connect-src 'self'; worker-src blob:; frame-ancestors 'none'";

async fn accepting(client: &Client, path: &str, accept: &str) -> Response {
    client.send(client.request(Method::GET, path).header("accept", accept)).await
}

/// The addresses that a page loads or links to.
fn references(html: &Value) -> Vec<String> {
    let html = html.as_str().unwrap();
    let quoted = |attribute: &str| html.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect::<Vec<_>>();
    [quoted("src=\""), quoted("href=\"")].concat()
}

#[tokio::test]
async fn every_page_loads_only_files_that_the_desk_itself_has() {
    let desk = Desk::start().await;
    let nobody = desk.anonymous();
    for page in ["//", "//setup", "//docs", "//docs/", "//redoc", "//redoc/"] {
        let html = accepting(&nobody, page, "text/html").await;
        assert_eq!(html.header("content-type"), "text/html; charset=utf-8", "{page}");
        let references = references(&html.expect(200));
        assert!(references.len() >= 3, "{page}: {references:?}");
        for reference in references {
            assert!(reference.starts_with('/'), "{page} loads {reference}, which depends on the page's own address");
            assert_eq!(nobody.get(&format!("/{reference}")).await.status, 200, "{page} loads {reference}");
        }
    }
}

#[tokio::test]
async fn no_page_has_an_inline_script() {
    let desk = Desk::start().await;
    for page in ["//", "//setup", "//docs", "//redoc"] {
        let html = accepting(&desk.anonymous(), page, "text/html").await.expect(200);
        let scripts: Vec<&str> = html.as_str().unwrap().split("<script").skip(1).collect();
        let is_file = |rest: &str| {
            let (attributes, inside) = rest.split_once('>').unwrap();
            attributes.contains(" src=\"/") && inside.starts_with("</script>")
        };
        assert!(!scripts.is_empty() && scripts.into_iter().all(is_file), "{page}: {html}");
        assert!(!html.as_str().unwrap().contains("style="), "{page}");
    }
}

#[tokio::test]
async fn documentation_pages_have_a_policy_of_their_own_and_all_answers_a_strict_one() {
    let desk = Desk::start().await;
    let nobody = desk.anonymous();
    for page in ["//docs", "//docs/swagger-ui.css", "//docs/start.js", "//redoc", "//redoc/redoc.standalone.js"] {
        assert_eq!(nobody.get(page).await.header("content-security-policy"), DOCS_POLICY, "{page}");
    }
    for path in ["//", "//health", "//nowhere", "//openapi.json", "/tickets", "/auth/login", "//docs", "//docs/nothing.js"] {
        let answer = nobody.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; ") && policy.ends_with("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{path}");
    }
    for path in ["/tickets", "/nowhere", "/auth/me", "/setup"] {
        assert_eq!(nobody.get(path).await.header("cache-control"), "no-store", "{path}");
    }
}

#[tokio::test]
async fn the_root_is_a_page_for_browsers_and_json_for_programs() {
    let desk = Desk::start().await;
    let nobody = desk.anonymous();
    let page = accepting(&nobody, "//", "text/html,application/xhtml+xml,*/*;q=0.8").await;
    assert_eq!(page.header("vary"), "accept");
    assert!(page.expect(200).as_str().unwrap().contains("<div id=\"root\">"));
    for accept in ["*/*", "application/json"] {
        let about = accepting(&nobody, "//", accept).await.expect(200);
        assert_eq!(about, serde_json::json!({"message": "Ticket System API", "version": env!("CARGO_PKG_VERSION"), "status": "running"}));
    }
}

#[tokio::test]
async fn browsers_get_the_app_at_every_address_of_its_views() {
    let desk = Desk::start().await;
    let nobody = desk.anonymous();
    let accept = "text/html,application/xhtml+xml,*/*;q=0.8";
    for view in ["//", "//setup", "//tickets/7", "//inbox/unassigned", "//tickets/7/"] {
        let page = accepting(&nobody, view, accept).await;
        let policy = page.header("content-security-policy").to_owned();
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
        let wanted = format!(
            "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data: blob:; font-src 'self'; \
             connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types taquilla"
        );
        assert_eq!((nonce.len(), policy.as_str()), (24, wanted.as_str()), "{view}");
        assert_eq!((page.header("cache-control"), page.header("etag"), page.header("vary")), ("no-store", "", "accept"), "{view}");
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert!(!page.expect(200).as_str().unwrap().contains("__CSP_NONCE__"), "{view}");
        assert_ne!(accepting(&nobody, view, accept).await.header("content-security-policy"), policy, "a nonce is used once");
    }
}

#[tokio::test]
async fn only_views_are_answered_with_the_app() {
    let desk = Desk::start().await;
    let nobody = desk.anonymous();
    let accept = "text/html,*/*;q=0.8";
    for path in
        ["/nowhere", "//api", "//api/v2/x", "//assets/index-old.js", "//docs/nothing", "//redoc/nothing", "//openapi.json/x", "//health/x"]
    {
        accepting(&nobody, path, accept).await.expect(404);
    }
    accepting(&nobody, "//tickets/7", "application/json").await.expect(404);
    nobody.get("//index.html").await.expect(404);
    nobody.send(nobody.request(Method::POST, "//tickets/7").header("accept", accept)).await.expect(404);
    let head = nobody.send(nobody.request(Method::HEAD, "//tickets/7").header("accept", accept)).await;
    assert_eq!((head.status, &head.body), (200, &Value::Null));
}

#[tokio::test]
async fn files_that_do_not_exist_are_problems() {
    let desk = Desk::start().await;
    for path in ["//docs/nothing.js", "//docs/index.css", "//redoc/x", "//docs/..%2fpage.css", "//redoc/..%2f..%2fCargo.toml", "//nowhere"]
    {
        desk.anonymous().get(path).await.expect(404);
    }
}

#[tokio::test]
async fn a_page_that_the_browser_has_is_not_sent_again() {
    let desk = Desk::start().await;
    let nobody = desk.anonymous();
    for path in ["//docs/swagger-ui-bundle.js", "//redoc/redoc.standalone.js", "//openapi.json", "//favicon.svg"] {
        let first = nobody.get(path).await;
        let request = nobody.request(Method::GET, path).header("if-none-match", first.header("etag"));
        let second = nobody.send(request).await;
        assert_eq!((second.status, &second.body), (304, &Value::Null), "{path}");
    }
}

#[tokio::test]
async fn large_pages_are_sent_compressed_to_whoever_takes_it() {
    let desk = Desk::start().await;
    let nobody = desk.anonymous();
    for path in ["//docs/swagger-ui-bundle.js", "//redoc/redoc.standalone.js", "//openapi.json"] {
        let packed = nobody.request(Method::GET, path).header("accept-encoding", "gzip").send().await.unwrap();
        assert_eq!(packed.headers()["content-encoding"], "gzip", "{path}");
        assert_eq!(nobody.get(path).await.header("content-encoding"), "", "{path}");
    }
}

#[tokio::test]
async fn the_desk_tells_that_it_is_healthy_and_ready() {
    let desk = Desk::start().await;
    for path in ["//health", "//health/"] {
        assert_eq!(desk.anonymous().get(path).await.expect(200), serde_json::json!({ "status": "healthy" }));
    }
    let pushing = serde_json::json!({ "state": "off", "lag_events": 0, "error": null });
    let ready = serde_json::json!({ "status": "ready", "influxdb": pushing });
    assert_eq!(desk.anonymous().get("//health/ready").await.expect(200), ready);
}

#[tokio::test]
async fn a_storage_that_does_not_work_makes_the_desk_unready() {
    let desk = Desk::start().await;
    desk.app.store.close().await.unwrap();
    let problem = desk.anonymous().get("//health/ready").await.expect(503);
    assert_eq!(problem["detail"], "The storage cannot be read and written.");
    desk.anonymous().get("//health").await.expect(200);
}

#[tokio::test]
async fn calls_that_need_the_storage_are_told_when_to_try_again() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    let id = admin.open(serde_json::json!({})).await;
    desk.app.store.close().await.unwrap();
    let login = serde_json::json!({"username": "admin@example.com", "password": crate::support::PASSWORD});
    for answer in [
        admin.get("/tickets").await,
        admin.get(&format!("/tickets/{id}")).await,
        admin.post("/tickets", serde_json::json!({"title": "t", "description": "d"})).await,
        admin.put(&format!("/tickets/{id}"), serde_json::json!({"title": "x"})).await,
        admin.delete(&format!("/tickets/{id}")).await,
        desk.anonymous().post("/auth/login", login).await,
    ] {
        assert_eq!(answer.expect(503)["type"], "/problems/unavailable");
    }
}

/// What a browser asks before a foreign page's call.
async fn preflight(desk: &Desk, origin: &str) -> Response {
    let nobody = desk.anonymous();
    let request = nobody.request(Method::OPTIONS, "/tickets").header("origin", origin).header("access-control-request-method", "POST");
    nobody.send(request.header("access-control-request-headers", "authorization,content-type,idempotency-key")).await
}

#[tokio::test]
async fn only_pages_of_the_configured_origins_may_call_the_api() {
    let desk = Desk::start_with(|config| config.server.cors_origins = vec!["https://intranet.example.com".into()]).await;
    let allowed = preflight(&desk, "https://intranet.example.com").await;
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (200, "https://intranet.example.com"));
    assert!(allowed.header("access-control-allow-headers").contains("idempotency-key"));
    assert!(allowed.header("access-control-allow-methods").contains("PATCH"));
    assert_eq!(allowed.header("access-control-allow-credentials"), "", "cookies are for the desk's own pages");
    assert!(!allowed.header("x-request-id").is_empty() && !allowed.header("x-content-type-options").is_empty());
    assert_eq!(preflight(&desk, "https://evil.example").await.header("access-control-allow-origin"), "");

    let ana = desk.agent("ana").await;
    let list = ana.send(ana.request(Method::GET, "/tickets").header("origin", "https://intranet.example.com")).await;
    assert_eq!(list.header("access-control-allow-origin"), "https://intranet.example.com");
    assert!(list.header("access-control-expose-headers").contains("x-total-count"));
    let refused = ana.send(ana.request(Method::GET, "/tickets/77").header("origin", "https://intranet.example.com")).await;
    assert_eq!(refused.header("access-control-allow-origin"), "https://intranet.example.com", "the page may read why");
}

#[tokio::test]
async fn no_foreign_page_may_call_the_api_unless_configured() {
    let desk = Desk::start().await;
    let asked = preflight(&desk, "https://intranet.example.com").await;
    assert_eq!(asked.header("access-control-allow-origin"), "");
    asked.expect(405);
}
