//! Support dates: for operators to set, for anybody to read.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::payload::Input;
use super::problem::Document;
use crate::domain::access::Caller;
use crate::domain::lifetime::Lifetime;
use crate::failure::Outcome;

/// A public answer may be kept for an hour.
const CACHE: &str = "public, max-age=3600";

/// A support date to publish.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSupport)]
pub(super) struct Wanted {
    /// The last day with security updates, `2032-12-31`.
    ends_on: String,
}

/// Until when a model gets security updates.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Support)]
pub(super) struct LifetimeView {
    /// Vendor UUID.
    vendor: String,
    /// Hardware class UUID.
    class: String,
    /// The hardware class's name: the model, as on its label.
    class_name: &'static str,
    /// The last day; null as long as nobody has said.
    ends_on: Option<String>,
}

impl From<Lifetime> for LifetimeView {
    fn from(lifetime: Lifetime) -> Self {
        Self {
            vendor: lifetime.hardware.vendor.to_string(),
            class: lifetime.hardware.class.to_string(),
            class_name: lifetime.hardware.class_name,
            ends_on: lifetime.ends_on.map(|day| day.to_string()),
        }
    }
}

/// Until when each model gets security updates. For owners; no token.
#[utoipa::path(
    get, path = "/owner/v1/support", tag = "owners",
    responses((status = 200, body = Vec<LifetimeView>), (status = "4XX", body = Document)),
)]
pub(super) async fn list(State(app): State<App>) -> Outcome<Response> {
    let lifetimes = app.service.lifetimes().await?;
    let views: Vec<LifetimeView> = lifetimes.into_iter().map(Into::into).collect();
    Ok(([(header::CACHE_CONTROL, CACHE)], Json(views)).into_response())
}

/// Publish until when a model gets security updates, in place of what was said before.
#[utoipa::path(
    put, path = "/api/v1/support/{class}", tag = "support", security(("token" = [])), request_body = Wanted,
    params(("class" = String, Path, description = "The hardware class's name, such as lock-emulator-1")),
    responses((status = 200, body = LifetimeView), (status = "4XX", body = Document)),
)]
pub(super) async fn set(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(class): Path<String>,
    Input(wanted): Input<Wanted>,
) -> Outcome<Json<LifetimeView>> {
    let lifetime = app.service.set_lifetime(&caller, &class, &wanted.ends_on).await?;
    Ok(Json(lifetime.into()))
}
