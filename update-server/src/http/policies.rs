//! Policies in the operator API.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use latchkey_image::Hardware;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::payload::Input;
use super::problem::Document;
use crate::domain::access::Caller;
use crate::domain::policy::Registered;
use crate::failure::Outcome;

/// A policy to register.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPolicy)]
pub(super) struct Wanted {
    /// The policy file, the same one that is baked into the bootloader: TOML, with the keys in PEM.
    document: String,
}

/// Whose signatures count for one hardware class.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Policy)]
pub(super) struct PolicyView {
    /// Vendor UUID.
    vendor: String,
    /// Hardware class UUID.
    class: String,
    class_name: Option<&'static str>,
    /// So many different keys must have signed.
    threshold: u8,
    /// The keys, 64 hex digits each.
    keys: Vec<String>,
    /// The policy file as it was registered.
    document: String,
    set_at_ms: i64,
}

impl From<Registered> for PolicyView {
    fn from(registered: Registered) -> Self {
        let trust = registered.policy.trust();
        Self {
            vendor: registered.vendor.to_string(),
            class: registered.class.to_string(),
            class_name: Hardware::find(registered.vendor, registered.class).map(|found| found.class_name),
            threshold: trust.threshold(),
            keys: trust
                .keys()
                .iter()
                .map(|key| hex::encode(key.as_bytes()))
                .collect(),
            document: registered.policy.document().to_owned(),
            set_at_ms: registered.set_at,
        }
    }
}

/// All registered policies.
#[utoipa::path(
    get, path = "/api/v1/policies", tag = "policies", security(("token" = [])),
    responses((status = 200, body = Vec<PolicyView>), (status = "4XX", body = Document)),
)]
pub(super) async fn list(State(app): State<App>) -> Outcome<Json<Vec<PolicyView>>> {
    let policies = app.service.policies().await?;
    Ok(Json(policies.into_iter().map(Into::into).collect()))
}

/// Register the policy of a hardware class, in place of the one before.
#[utoipa::path(
    put, path = "/api/v1/policies/{class}", tag = "policies", security(("token" = [])), request_body = Wanted,
    params(("class" = String, Path, description = "The hardware class's name, such as lock-emulator-1")),
    responses((status = 200, body = PolicyView), (status = "4XX", body = Document)),
)]
pub(super) async fn set(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(class): Path<String>,
    Input(wanted): Input<Wanted>,
) -> Outcome<Json<PolicyView>> {
    Ok(Json(
        app.service
            .set_policy(&caller, &class, &wanted.document)
            .await?
            .into(),
    ))
}
