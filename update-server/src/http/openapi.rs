//! The OpenAPI document, made from the handlers.

use std::sync::LazyLock;

use axum::http::{HeaderName, StatusCode, header};
use bytes::Bytes;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{
    cohorts, devices, documents, image_file, incidents, lifetimes, locks, operations, owners, policies,
    releases, rollouts, sessions, tokens, tuf, web_app, webhooks,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Latchkey update server",
        description = "What locks ask (CBOR, signed by each lock) and what operators do (JSON, with a token). \
                       Failures of the operator API are RFC 9457 problem documents that say what to do.",
        license(name = "MIT OR Apache-2.0"),
    ),
    modifiers(&Token, &Complete),
    paths(
        locks::enrol, locks::check_in, locks::report, image_file::get, image_file::download,
        webhooks::list, webhooks::create, webhooks::remove,
        owners::update, lifetimes::list, lifetimes::set,
        web_app::index, web_app::file,
        operations::health, operations::metrics, operations::audit, operations::audit_head, get,
        tokens::list, tokens::create, tokens::revoke,
        sessions::list, sessions::end,
        policies::list, policies::set,
        releases::list, releases::upload, releases::get,
        documents::list, documents::add, documents::get,
        incidents::report, incidents::csv, incidents::json, devices::import,
        tuf::overview, tuf::publish, tuf::metadata, tuf::target,
        devices::list, devices::expect, devices::get, devices::decision, devices::reports, devices::approve,
        devices::add_hawkbit,
        devices::revoke, devices::settle, devices::wishes,
        cohorts::list, cohorts::create, cohorts::devices, cohorts::add, cohorts::import,
        rollouts::list, rollouts::create, rollouts::get, rollouts::members, rollouts::preview, rollouts::retry, rollouts::widen, rollouts::pause, rollouts::resume, rollouts::abort,
    ),
)]
struct Api;

struct Token;

impl Modify for Token {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token made by an administrator: `lks_…`"));
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme.build()));
    }
}

/// What a document must have for programs that make clients of it, said once for all routes: a name for each
/// operation that no other has, words for each response, and what every route answers when it fails.
struct Complete;

impl Modify for Complete {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        for path in api.paths.paths.values_mut() {
            let methods = [
                &mut path.get,
                &mut path.put,
                &mut path.post,
                &mut path.delete,
                &mut path.patch,
            ];
            methods.into_iter().flatten().for_each(complete);
        }
    }
}

fn complete(operation: &mut Operation) {
    let tag = operation.tags.iter().flatten().next();
    if let (Some(tag), Some(name)) = (tag, &operation.operation_id) {
        operation.operation_id = Some(format!("{tag}_{name}"));
    }
    let responses = &mut operation.responses.responses;
    if let Some(refused) = responses.get("4XX").cloned() {
        responses.insert("5XX".to_owned(), refused);
    }
    for (status, response) in responses {
        let RefOr::T(response) = response else { continue };
        if response.description.is_empty() {
            described(status).clone_into(&mut response.description);
        }
        let failed = status.starts_with(['4', '5']);
        let problem = failed.then(|| response.content.shift_remove("application/json"));
        if let Some(problem) = problem.flatten() {
            let content = &mut response.content;
            content.insert("application/problem+json".to_owned(), problem);
        }
    }
}

fn described(status: &str) -> &str {
    match status {
        "4XX" => "Refused: `detail` says why, and what to do.",
        "5XX" => "Not done, and not for anything in the request: `detail` says what to do.",
        status => {
            let known = status.parse::<StatusCode>().ok();
            known.and_then(|known| known.canonical_reason()).unwrap_or(status)
        }
    }
}

/// The document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "operations", responses((status = 200)))]
pub(super) async fn get() -> ([(HeaderName, &'static str); 1], Bytes) {
    // Anybody may ask, and it is always the same.
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| document().to_json().unwrap_or_default().into());
    ([(header::CONTENT_TYPE, "application/json")], TEXT.clone())
}
