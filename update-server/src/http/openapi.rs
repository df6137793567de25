//! The OpenAPI document, made from the handlers.

use axum::Json;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{
    devices, documents, image_file, incidents, lifetimes, locks, operations, owners, policies, releases,
    rollouts, tokens, tuf, web_app,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Latchkey update server",
        description = "What locks ask (CBOR, signed by each lock) and what operators do (JSON, with a token). \
                       Failures of the operator API are RFC 9457 problem documents that say what to do.",
        license(name = "MIT OR Apache-2.0"),
    ),
    modifiers(&Token),
    paths(
        locks::enrol, locks::check_in, locks::report, image_file::get,
        owners::update, lifetimes::list, lifetimes::set,
        web_app::index, web_app::file,
        operations::health, operations::metrics, operations::audit, get,
        tokens::list, tokens::create, tokens::revoke,
        policies::list, policies::set,
        releases::list, releases::upload, releases::get,
        documents::list, documents::add, documents::get,
        incidents::report, incidents::csv, incidents::json, devices::import,
        tuf::overview, tuf::publish, tuf::metadata, tuf::target,
        devices::list, devices::expect, devices::get, devices::decision, devices::reports, devices::approve,
        devices::revoke, devices::settle, devices::wishes,
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

/// The document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "operations", responses((status = 200)))]
pub(super) async fn get() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}
