//! The OpenAPI document: what all operations have in common is written here, once. What is particular to one stands
//! at its handler.

use utoipa::{
    ToSchema,
    openapi::{
        Components, Content, Info, License, OpenApi, Ref, RefOr, Required, Response,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem, Paths},
        schema::{Object, ObjectBuilder, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
        tag::Tag,
    },
};

use super::shapes;
use crate::error::Problem;

/// The name of the security scheme.
const BEARER: &str = "bearer";

/// The schema of every error body.
const PROBLEM: &str = "Problem";

/// What answers without a token.
const PUBLIC: &[&str] = &[
    "/",
    "/health",
    "/health/ready",
    "/metrics",
    "/api/v1/setup",
    "/api/v1/desk",
    "/api/v1/auth/login",
    "/api/v1/auth/refresh",
    "/api/v1/auth/register",
];

/// The chapters of the document, in order.
const TAGS: &[(&str, &str)] = &[
    ("setup", "Making the first admin, while there is none."),
    ("auth", "Signing in and out, the caller's own account, sessions and API tokens."),
    ("users", "Accounts. Agents may read them, admins manage them."),
    ("tickets", "Tickets: requesters see their own, agents and admins all."),
    ("comments", "What is said about a ticket, in public or among staff."),
    ("activity", "The log: who did what to what, and when."),
    ("analytics", "How the desk does: figures of now and of the last days."),
    ("settings", "What admins set for the whole desk."),
    ("operations", "Whether the desk runs."),
];

/// What may be refused, by status: the name of the shared response and what it means.
const REFUSALS: &[(u16, &str, &str)] = &[
    (400, "BadRequest", "The body is missing or unreadable, or asks for what cannot be done."),
    (401, "Unauthorized", "No token, or none that is good any more."),
    (403, "Forbidden", "The caller may not do this."),
    (404, "NotFound", "There is no such resource, or the caller may not know of it."),
    (409, "Conflict", "The state of the resource does not allow it."),
    (412, "Stale", "It was changed since the version of `If-Match`."),
    (413, "TooLarge", "The body is longer than 1 MiB."),
    (415, "UnsupportedMediaType", "The body has another type than the one described."),
    (422, "Invalid", "A value does not fit; every field at fault is listed in `errors`."),
    (503, "Unavailable", "The storage does not work or is overloaded; nothing was written."),
];

/// The document before any route is added.
#[must_use]
pub fn base() -> OpenApi {
    let description = "A self-hosted service desk. Ids grow and are never reused; times are RFC 3339 in UTC; errors are \
                       `application/problem+json`. docs/API.md tells the rules that hold for every call.";
    let mut license = License::new("MIT");
    license.identifier = Some("MIT".into());
    let mut info = Info::new("Taquilla", env!("CARGO_PKG_VERSION"));
    info.description = Some(description.into());
    info.license = Some(license);
    OpenApi::new(info, Paths::new())
}

/// Completes the document: security, problem answers, shared parameters and tags.
#[must_use]
pub fn finish(mut document: OpenApi) -> OpenApi {
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            complete(path, method, operation);
        }
    }
    add_components(document.components.get_or_insert_with(Components::new));
    shapes::complete(&mut document);
    document.tags = Some(TAGS.iter().map(|(name, about)| tag(name, about)).collect());
    document
}

fn tag(name: &str, about: &str) -> Tag {
    let mut tag = Tag::new(name);
    tag.description = Some(about.into());
    tag
}

/// The operations of a path, with their methods.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem { get, post, put, patch, delete, .. } = item;
    let all = [("get", get), ("post", post), ("put", put), ("patch", patch), ("delete", delete)];
    all.into_iter().filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
}

fn complete(path: &str, method: &str, operation: &mut Operation) {
    let public = PUBLIC.contains(&path);
    operation.security = Some(if public { Vec::new() } else { vec![SecurityRequirement::new(BEARER, [""; 0])] });
    if method == "post" && !public && !path.starts_with("/api/v1/auth/") && !takes(operation, "Idempotency-Key") {
        operation.parameters.get_or_insert_default().push(RefOr::T(idempotency_key()));
    }
    for response in operation.responses.responses.iter_mut().filter(|(status, _)| status.starts_with(['4', '5'])) {
        if let RefOr::T(response) = response.1 {
            response.content = problem_content();
        }
    }
    let body = operation.request_body.is_some();
    let guarded = takes(operation, "If-Match");
    for (status, name, _) in REFUSALS {
        let applies = match status {
            400 | 413 | 415 => body,
            401 | 403 => !public,
            404 => path.contains('{'),
            409 => !public && method != "get",
            412 => guarded,
            422 => path.starts_with("/api/"),
            _ => path != "/" && path != "/health",
        };
        if applies {
            let shared = RefOr::Ref(Ref::from_response_name(*name));
            operation.responses.responses.entry(status.to_string()).or_insert(shared);
        }
    }
    let any = RefOr::Ref(Ref::from_response_name(PROBLEM));
    operation.responses.responses.entry("default".into()).or_insert(any);
}

/// Whether the operation has a parameter of this name.
fn takes(operation: &Operation, name: &str) -> bool {
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    parameters.iter().any(|p| matches!(p, RefOr::T(p) if p.name.eq_ignore_ascii_case(name)))
}

fn idempotency_key() -> Parameter {
    let about =
        "The same key with the same request, sent again by the same user within 24 hours, gives the first answer again and does nothing.";
    let text: Object = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255)).build();
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(text))
        .build()
}

fn problem_content<C: FromIterator<(String, RefOr<Content>)>>() -> C {
    let content = Content::new(Some(Ref::from_schema_name(PROBLEM)));
    std::iter::once(("application/problem+json".to_owned(), RefOr::T(content))).collect()
}

fn problem_response(about: &str) -> RefOr<Response> {
    let mut response = Response::new(about);
    response.content = problem_content();
    RefOr::T(response)
}

fn add_components(components: &mut Components) {
    let mut schemas = vec![(PROBLEM.to_owned(), <Problem as utoipa::PartialSchema>::schema())];
    Problem::schemas(&mut schemas);
    components.schemas.extend(schemas);
    components.responses.extend(REFUSALS.iter().map(|(_, name, about)| ((*name).to_owned(), problem_response(about))));
    components.responses.insert(PROBLEM.into(), problem_response("Any other refusal or failure."));
    let token = "The access token of a sign-in, or an API token.";
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").description(Some(token)).build();
    components.security_schemes.insert(BEARER.into(), RefOr::T(SecurityScheme::Http(scheme)));
}
