//! Cohorts in the operator API.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use latchkey_directive::DeviceId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::devices::{device_id, limit};
use super::payload::{Asked, Input, Payload};
use super::problem::Document;
use crate::domain::access::Caller;
use crate::domain::cohort::{Cohort, CohortName};
use crate::failure::Outcome;

/// A cohort to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCohort)]
pub(super) struct Wanted {
    /// Lower-case letters, digits and dashes, a letter first; at most 40.
    name: String,
    /// Who is in it, 32 hex digits each; at most 10000 at once.
    #[serde(default)]
    devices: Vec<String>,
}

/// Devices for a cohort.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CohortMembers)]
pub(super) struct Members {
    /// Their names, 32 hex digits each; at most 10000 at once.
    devices: Vec<String>,
}

/// Which of a cohort's devices to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// Only those whose name comes after this one: the last of the page before.
    after: Option<String>,
    /// At most so many; 1000 at most.
    limit: Option<u32>,
}

/// A named set of devices.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cohort)]
pub(super) struct CohortView {
    name: String,
    /// How many devices are in it.
    devices: i64,
    created_at_ms: i64,
    created_by: String,
}

impl From<Cohort> for CohortView {
    fn from(cohort: Cohort) -> Self {
        Self {
            name: cohort.name.to_string(),
            devices: cohort.devices,
            created_at_ms: cohort.created_at,
            created_by: cohort.created_by,
        }
    }
}

/// A device in a cohort.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CohortDevice)]
pub(super) struct MemberView {
    /// Its name: 32 hex digits.
    id: String,
    added_at_ms: i64,
}

fn ids(devices: &[String]) -> Outcome<Vec<DeviceId>> {
    devices.iter().map(|id| device_id(id)).collect()
}

/// All cohorts, by name.
#[utoipa::path(
    get, path = "/api/v1/cohorts", tag = "cohorts", security(("token" = [])),
    responses((status = 200, body = Vec<CohortView>), (status = "4XX", body = Document)),
)]
pub(super) async fn list(State(app): State<App>) -> Outcome<Json<Vec<CohortView>>> {
    let cohorts = app.service.cohorts().await?;
    Ok(Json(cohorts.into_iter().map(Into::into).collect()))
}

/// Make a cohort: a named set of devices for rollouts to begin with. It brings nobody an update by itself.
#[utoipa::path(
    post, path = "/api/v1/cohorts", tag = "cohorts", security(("token" = [])), request_body = Wanted,
    responses((status = 201, body = CohortView), (status = "4XX", body = Document)),
)]
pub(super) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Input(wanted): Input<Wanted>,
) -> Outcome<(StatusCode, Json<CohortView>)> {
    let name: CohortName = wanted.name.parse()?;
    let cohort = app
        .service
        .create_cohort(&caller, &name, &ids(&wanted.devices)?)
        .await?;
    Ok((StatusCode::CREATED, Json(cohort.into())))
}

/// A cohort's devices, in the order of their names.
#[utoipa::path(
    get, path = "/api/v1/cohorts/{cohort}/devices", tag = "cohorts", security(("token" = [])),
    params(("cohort" = String, Path, description = "Cohort name"), Page),
    responses((status = 200, body = Vec<MemberView>), (status = "4XX", body = Document)),
)]
pub(super) async fn devices(
    State(app): State<App>,
    Path(name): Path<String>,
    Asked(page): Asked<Page>,
) -> Outcome<Json<Vec<MemberView>>> {
    let after = page.after.as_deref().map(device_id).transpose()?;
    let devices = app
        .service
        .cohort_devices(&name.parse()?, after, limit(page.limit))
        .await?;
    let view = |(id, added_at): (DeviceId, i64)| MemberView {
        id: id.to_string(),
        added_at_ms: added_at,
    };
    Ok(Json(devices.into_iter().map(view).collect()))
}

/// Add devices to a cohort. Nobody is taken out. Rollouts that were made before do not change.
#[utoipa::path(
    post, path = "/api/v1/cohorts/{cohort}/devices", tag = "cohorts", security(("token" = [])), request_body = Members,
    params(("cohort" = String, Path, description = "Cohort name")),
    responses((status = 200, body = CohortView), (status = "4XX", body = Document)),
)]
pub(super) async fn add(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Input(members): Input<Members>,
) -> Outcome<Json<CohortView>> {
    let devices = ids(&members.devices)?;
    let cohort = app
        .service
        .add_to_cohort(&caller, &name.parse()?, &devices)
        .await?;
    Ok(Json(cohort.into()))
}

/// Add devices to a cohort from a CSV file, all or none: a column `id` or `public_key`, as for the import of devices.
#[utoipa::path(
    post, path = "/api/v1/cohorts/{cohort}/import", tag = "cohorts", security(("token" = [])),
    params(("cohort" = String, Path, description = "Cohort name")),
    request_body(
        content_type = "text/csv",
        description = "At most 10000 devices and 1048576 bytes; the first line names the columns",
    ),
    responses((status = 200, body = CohortView), (status = "4XX", body = Document)),
)]
pub(super) async fn import(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Payload(file): Payload,
) -> Outcome<Json<CohortView>> {
    let cohort = app.service.import_cohort(&caller, &name.parse()?, &file).await?;
    Ok(Json(cohort.into()))
}
