//! Rollouts in the operator API.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use latchkey_directive::DeviceId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::App;
use super::devices::device_id;
use super::payload::Input;
use super::problem::Document;
use super::views::RolloutView;
use crate::domain::access::Caller;
use crate::domain::rollout::{self, Audience};
use crate::failure::{Failure, Kind, Outcome};
use crate::ids;

/// A rollout to start.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRollout)]
pub(super) struct Wanted {
    /// Digest of the release, 64 hex digits.
    release: String,
    /// `"all"` devices of the release's hardware class, or `"list"`.
    to: To,
    /// With `"list"`: the devices, 32 hex digits each; at most 10000.
    #[serde(default)]
    devices: Vec<String>,
}

/// Whom a rollout is for. Said in full each time: forgetting a list must not mean everybody.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RolloutTo)]
enum To {
    All,
    List,
}

/// All rollouts, newest first.
#[utoipa::path(
    get, path = "/api/v1/rollouts", tag = "rollouts", security(("token" = [])),
    responses((status = 200, body = Vec<RolloutView>), (status = "4XX", body = Document)),
)]
pub(super) async fn list(State(app): State<App>) -> Outcome<Json<Vec<RolloutView>>> {
    let rollouts = app.service.rollouts().await?;
    Ok(Json(rollouts.into_iter().map(Into::into).collect()))
}

/// One rollout and how it fares.
#[utoipa::path(
    get, path = "/api/v1/rollouts/{id}", tag = "rollouts", security(("token" = [])),
    params(("id" = String, Path, description = "Rollout name, 16 hex digits")),
    responses((status = 200, body = RolloutView), (status = "4XX", body = Document)),
)]
pub(super) async fn get(State(app): State<App>, Path(id): Path<String>) -> Outcome<Json<RolloutView>> {
    Ok(Json(app.service.rollout(&id).await?.into()))
}

/// Start a rollout. It is offered from the next check-in on.
#[utoipa::path(
    post, path = "/api/v1/rollouts", tag = "rollouts", security(("token" = [])), request_body = Wanted,
    responses((status = 201, body = RolloutView), (status = "4XX", body = Document)),
)]
pub(super) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Input(wanted): Input<Wanted>,
) -> Outcome<(StatusCode, Json<RolloutView>)> {
    let release = ids::digest(&wanted.release).ok_or_else(|| {
        Failure::new(
            Kind::Invalid,
            "`release` must be an image digest: 64 lower-case hex digits",
        )
    })?;
    let audience = match wanted.to {
        To::All if wanted.devices.is_empty() => Audience::All,
        To::All => {
            let detail = "`to` is \"all\" and `devices` names some; say \"list\", or leave `devices` away";
            return Err(Failure::new(Kind::Invalid, detail));
        }
        To::List => {
            let devices = wanted.devices.iter().map(|id| device_id(id));
            Audience::Listed(devices.collect::<Outcome<Vec<DeviceId>>>()?)
        }
    };
    let rollout = app.service.create_rollout(&caller, release, &audience).await?;
    Ok((StatusCode::CREATED, Json(rollout.into())))
}

/// Stop offering it until it is resumed.
#[utoipa::path(
    post, path = "/api/v1/rollouts/{id}/pause", tag = "rollouts", security(("token" = [])),
    params(("id" = String, Path, description = "Rollout name, 16 hex digits")),
    responses((status = 200, body = RolloutView), (status = "4XX", body = Document)),
)]
pub(super) async fn pause(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Outcome<Json<RolloutView>> {
    moved(&app, &caller, &id, rollout::State::Paused).await
}

/// Go on with a paused rollout.
#[utoipa::path(
    post, path = "/api/v1/rollouts/{id}/resume", tag = "rollouts", security(("token" = [])),
    params(("id" = String, Path, description = "Rollout name, 16 hex digits")),
    responses((status = 200, body = RolloutView), (status = "4XX", body = Document)),
)]
pub(super) async fn resume(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Outcome<Json<RolloutView>> {
    moved(&app, &caller, &id, rollout::State::Running).await
}

/// End it for good. Who has the release keeps it.
#[utoipa::path(
    post, path = "/api/v1/rollouts/{id}/abort", tag = "rollouts", security(("token" = [])),
    params(("id" = String, Path, description = "Rollout name, 16 hex digits")),
    responses((status = 200, body = RolloutView), (status = "4XX", body = Document)),
)]
pub(super) async fn abort(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Outcome<Json<RolloutView>> {
    moved(&app, &caller, &id, rollout::State::Aborted).await
}

async fn moved(app: &App, caller: &Caller, id: &str, to: rollout::State) -> Outcome<Json<RolloutView>> {
    let rollout = app.service.move_rollout(caller, id, to).await?;
    Ok(Json(rollout.into()))
}
