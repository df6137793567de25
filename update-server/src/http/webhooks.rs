//! Webhooks in the operator API.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::payload::Input;
use super::problem::Document;
use crate::domain::access::{Caller, ShownSecret};
use crate::domain::webhook::Webhook;
use crate::failure::Outcome;

/// A webhook to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewWebhook)]
pub(super) struct Wanted {
    /// Where to: `https://…`.
    url: String,
    /// Actions of the audit log it is told of, or their beginnings; without it, what an operator wants to know at once.
    #[serde(default = "usual")]
    events: Vec<String>,
}

fn usual() -> Vec<String> {
    ["device.alarm", "release.publish", "rollout."]
        .map(str::to_owned)
        .into()
}

/// A new webhook, with its secret: shown here and never again.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeWebhook)]
pub(super) struct Made {
    #[serde(flatten)]
    webhook: Webhook,
    /// `whsec_` and base64: what messages are signed with, as Standard Webhooks says.
    #[schema(value_type = String)]
    secret: ShownSecret,
}

/// All webhooks, without their secrets.
#[utoipa::path(
    get, path = "/api/v1/webhooks", tag = "webhooks", security(("token" = [])),
    responses((status = 200, body = Vec<Webhook>), (status = "4XX", body = Document)),
)]
pub(super) async fn list(State(app): State<App>) -> Outcome<Json<Vec<Webhook>>> {
    Ok(Json(app.service.webhooks().await?))
}

/// Make a webhook. It is told of what happens from now on: each line of the audit log that it wants, in order, at least
/// once, signed.
#[utoipa::path(
    post, path = "/api/v1/webhooks", tag = "webhooks", security(("token" = [])), request_body = Wanted,
    responses((status = 201, body = Made), (status = "4XX", body = Document)),
)]
pub(super) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Input(wanted): Input<Wanted>,
) -> Outcome<Response> {
    let (webhook, secret) = app
        .service
        .create_webhook(&caller, &wanted.url, wanted.events)
        .await?;
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, no_store, Json(Made { webhook, secret })).into_response())
}

/// Remove a webhook.
#[utoipa::path(
    delete, path = "/api/v1/webhooks/{id}", tag = "webhooks", security(("token" = [])),
    params(("id" = String, Path, description = "Webhook name, 16 hex digits")),
    responses((status = 200, body = Webhook, description = "It is told nothing any more"), (status = "4XX", body = Document)),
)]
pub(super) async fn remove(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Outcome<Json<Webhook>> {
    Ok(Json(app.service.remove_webhook(&caller, &id).await?))
}
