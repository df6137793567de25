//! For those who keep the server running: health, metrics, the audit log.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::devices::limit;
use super::payload::Asked;
use super::problem::{self, Document};
use crate::domain::audit::Recorded;
use crate::domain::audit::chain::Anchor;
use crate::failure::{Failure, Outcome};

/// Whether the server can do its work.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// Whether the database answers.
    database: bool,
    /// Whether the image store answers.
    store: bool,
    /// The server's version.
    version: &'static str,
}

/// Which lines of the audit log to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// Only lines behind this number: the last of the page before.
    after: Option<i64>,
    /// At most so many; 1000 at most.
    limit: Option<u32>,
}

/// Where health is asked for.
pub(super) const HEALTH: &str = "/healthz";

/// Whether database and image store answer: in time, and now or some seconds ago.
#[utoipa::path(
    get, path = "/healthz", tag = "operations",
    responses(
        (status = 200, body = Health, description = "Both answer"),
        (status = 503, body = Health, description = "One does not; the log says why"),
    ),
)]
pub(super) async fn health(State(app): State<App>) -> Response {
    // The log says why; the answer itself says only which part it is.
    let found = app.looks.found(&app.service).await;
    let health = Health {
        database: found.database,
        store: found.store,
        version: env!("CARGO_PKG_VERSION"),
    };
    let well = health.database && health.store;
    let status = if well {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(health)).into_response()
}

/// Counters in Prometheus' text form.
#[utoipa::path(
    get, path = "/metrics", tag = "operations", security(("token" = [])),
    responses((status = 200, description = "OpenMetrics", content_type = "application/openmetrics-text"), (status = "4XX", body = Document)),
)]
pub(super) async fn metrics(State(app): State<App>) -> Outcome<Response> {
    let devices = app.service.device_counts().await?;
    let alarmed = app.service.alarmed_devices().await?;
    // Whoever watches has to hear of all the rest, the more so when this is damaged.
    let tuf = app.service.tuf().await.inspect_err(problem::log).ok();
    let text = app
        .service
        .metrics
        .render(&devices, alarmed, tuf.as_ref().map(|tuf| tuf.files.as_slice()))
        .map_err(Failure::storage)?;
    let kind = [(
        header::CONTENT_TYPE,
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    )];
    Ok((kind, text).into_response())
}

/// Where the audit log ends, by what is kept beside it. Whoever follows the log asks before, and must find that line.
#[utoipa::path(
    get, path = "/api/v1/audit/head", tag = "operations", security(("token" = [])),
    responses((status = 200, body = Anchor), (status = "4XX", body = Document)),
)]
pub(super) async fn audit_head(State(app): State<App>) -> Outcome<Json<Anchor>> {
    Ok(Json(app.service.audit_anchor().await?))
}

/// The audit log, oldest first: who changed what. A page may be shorter than its limit, since lines can be long; the log
/// ends where a page has no lines.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "operations", security(("token" = [])), params(Page),
    responses((status = 200, body = Vec<Recorded>), (status = "4XX", body = Document)),
)]
pub(super) async fn audit(State(app): State<App>, Asked(page): Asked<Page>) -> Outcome<Json<Vec<Recorded>>> {
    Ok(Json(
        app.service
            .audit(page.after.unwrap_or(0), limit(page.limit))
            .await?,
    ))
}
