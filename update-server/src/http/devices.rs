//! Devices in the operator API.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use latchkey_directive::DeviceId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::payload::{Asked, Input, Payload};
use super::problem::Document;
use super::views::{DecisionView, DeviceView, ReportView};
use crate::domain::access::{Caller, ShownSecret};
use crate::domain::device;
use crate::domain::hours::Zone;
use crate::domain::wishes::{Updates, Wishes};
use crate::failure::{Failure, Kind, Outcome};
use crate::ids;
use crate::limits::PAGE_ROWS_MAX;

/// Which devices to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// Only those in this state.
    state: Option<device::State>,
    /// Only those whose key two devices seem to have.
    #[serde(default)]
    alarmed: bool,
    /// Only those whose name comes after this one: the last of the page before.
    after: Option<String>,
    /// At most so many; 1000 at most.
    limit: Option<u32>,
}

/// How many reports to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Latest {
    /// At most so many; 1000 at most.
    limit: Option<u32>,
}

/// Devices to expect.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    /// Their names, 32 hex digits each; at most 10000.
    devices: Vec<String>,
}

/// What is wanted of updates for a device. What is left out is as for any device.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = DeviceWishes)]
pub(super) struct Wanted {
    /// `all`, `security` updates only, or `none` by the air.
    updates: Updates,
    /// None before, in milliseconds since 1970; at most 90 days ahead.
    postponed_until_ms: Option<i64>,
    /// Where it is, by IANA name such as `Europe/Berlin`; without it, where the fleet is.
    zone: Option<String>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            updates: Updates::All,
            postponed_until_ms: None,
            zone: None,
        }
    }
}

/// How many devices changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Changed {
    /// Those that were not expected or approved before.
    changed: u64,
}

pub(super) fn limit(asked: Option<u32>) -> u32 {
    asked.unwrap_or(PAGE_ROWS_MAX).min(PAGE_ROWS_MAX)
}

pub(super) fn device_id(text: &str) -> Outcome<DeviceId> {
    ids::device(text).ok_or_else(|| {
        Failure::new(
            Kind::Invalid,
            format!("{text:?} is no device name: it must be 32 lower-case hex digits"),
        )
    })
}

/// A page of devices, in the order of their names.
#[utoipa::path(
    get, path = "/api/v1/devices", tag = "devices", security(("token" = [])), params(Page),
    responses((status = 200, body = Vec<DeviceView>), (status = "4XX", body = Document)),
)]
pub(super) async fn list(State(app): State<App>, Asked(page): Asked<Page>) -> Outcome<Json<Vec<DeviceView>>> {
    let after = page.after.as_deref().map(device_id).transpose()?;
    let filter = device::Filter {
        state: page.state,
        alarmed: page.alarmed,
    };
    let devices = app.service.devices(filter, after, limit(page.limit)).await?;
    Ok(Json(devices.into_iter().map(Into::into).collect()))
}

/// Name devices that are approved as soon as they enrol; those that wait already are approved now.
#[utoipa::path(
    post, path = "/api/v1/devices", tag = "devices", security(("token" = [])), request_body = Expected,
    responses((status = 200, body = Changed), (status = "4XX", body = Document)),
)]
pub(super) async fn expect(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Input(expected): Input<Expected>,
) -> Outcome<Json<Changed>> {
    let ids: Vec<DeviceId> = expected
        .devices
        .iter()
        .map(|id| device_id(id))
        .collect::<Outcome<_>>()?;
    let changed = app.service.expect_devices(&caller, &ids).await?;
    Ok(Json(Changed { changed }))
}

/// Whether to do it.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Rehearsal {
    /// Only say what would come of it.
    #[serde(default)]
    dry_run: bool,
}

/// What an import did, or would do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Imported)]
pub(super) struct ImportedView {
    dry_run: bool,
    /// Devices that nobody knew: expected from now on.
    expected: u64,
    /// Devices that waited: approved.
    approved: u64,
    /// Devices that were expected or approved before.
    unchanged: u64,
    /// What is wrong with the file, in a dry run.
    mistakes: Vec<MistakeView>,
}

/// What is wrong with a line.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Mistake)]
pub(super) struct MistakeView {
    /// Counts from 1, the line with the columns' names.
    line: u64,
    what: String,
}

/// Name devices from a CSV file, all or none: columns `id` or `public_key`, and `class` where the hardware is known.
/// They are approved as soon as they enrol; those that wait already are approved now.
#[utoipa::path(
    post, path = "/api/v1/devices/import", tag = "devices", security(("token" = [])), params(Rehearsal),
    request_body(
        content_type = "text/csv",
        description = "At most 10000 devices and 1048576 bytes; the first line names the columns",
    ),
    responses(
        (status = 200, body = ImportedView),
        (status = 400, body = Document, description = "Some lines are wrong, each named; nothing was imported"),
        (status = "4XX", body = Document),
    ),
)]
pub(super) async fn import(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Asked(rehearsal): Asked<Rehearsal>,
    Payload(file): Payload,
) -> Outcome<Json<ImportedView>> {
    let dry_run = rehearsal.dry_run;
    let imported = app.service.import_devices(&caller, &file, dry_run).await?;
    let mistakes = imported.mistakes.into_iter().map(|mistake| MistakeView {
        line: mistake.line,
        what: mistake.what,
    });
    Ok(Json(ImportedView {
        dry_run,
        expected: imported.expected,
        approved: imported.approved,
        unchanged: imported.unchanged,
        mistakes: mistakes.collect(),
    }))
}

/// One device.
#[utoipa::path(
    get, path = "/api/v1/devices/{id}", tag = "devices", security(("token" = [])),
    params(("id" = String, Path, description = "Device name, 32 hex digits")),
    responses((status = 200, body = DeviceView), (status = "4XX", body = Document)),
)]
pub(super) async fn get(State(app): State<App>, Path(id): Path<String>) -> Outcome<Json<DeviceView>> {
    Ok(Json(app.service.device(device_id(&id)?).await?.into()))
}

/// What the device would get if it checked in now, and why.
#[utoipa::path(
    get, path = "/api/v1/devices/{id}/decision", tag = "devices", security(("token" = [])),
    params(("id" = String, Path, description = "Device name, 32 hex digits")),
    responses((status = 200, body = DecisionView), (status = "4XX", body = Document)),
)]
pub(super) async fn decision(State(app): State<App>, Path(id): Path<String>) -> Outcome<Json<DecisionView>> {
    Ok(Json(app.service.explain(device_id(&id)?).await?.into()))
}

/// A device's reports, newest first.
#[utoipa::path(
    get, path = "/api/v1/devices/{id}/reports", tag = "devices", security(("token" = [])),
    params(("id" = String, Path, description = "Device name, 32 hex digits"), Latest),
    responses((status = 200, body = Vec<ReportView>), (status = "4XX", body = Document)),
)]
pub(super) async fn reports(
    State(app): State<App>,
    Path(id): Path<String>,
    Asked(latest): Asked<Latest>,
) -> Outcome<Json<Vec<ReportView>>> {
    let reports = app.service.reports(device_id(&id)?, limit(latest.limit)).await?;
    Ok(Json(reports.into_iter().map(Into::into).collect()))
}

/// Let an enrolled device in.
#[utoipa::path(
    post, path = "/api/v1/devices/{id}/approve", tag = "devices", security(("token" = [])),
    params(("id" = String, Path, description = "Device name, 32 hex digits")),
    responses((status = 200, body = DeviceView), (status = "4XX", body = Document)),
)]
pub(super) async fn approve(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Outcome<Json<DeviceView>> {
    Ok(Json(
        app.service.approve_device(&caller, device_id(&id)?).await?.into(),
    ))
}

/// Shut a device out for good.
#[utoipa::path(
    post, path = "/api/v1/devices/{id}/revoke", tag = "devices", security(("token" = [])),
    params(("id" = String, Path, description = "Device name, 32 hex digits")),
    responses((status = 200, body = DeviceView), (status = "4XX", body = Document)),
)]
pub(super) async fn revoke(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Outcome<Json<DeviceView>> {
    Ok(Json(
        app.service.revoke_device(&caller, device_id(&id)?).await?.into(),
    ))
}

/// Say what is wanted of updates for it, and where it is.
#[utoipa::path(
    put, path = "/api/v1/devices/{id}/wishes", tag = "devices", security(("token" = [])), request_body = Wanted,
    params(("id" = String, Path, description = "Device name, 32 hex digits")),
    responses((status = 200, body = DeviceView), (status = "4XX", body = Document)),
)]
pub(super) async fn wishes(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Input(wanted): Input<Wanted>,
) -> Outcome<Json<DeviceView>> {
    let zone = wanted.zone.as_deref().map(str::parse::<Zone>).transpose();
    let zone = zone.map_err(|error| Failure::new(Kind::Invalid, format!("`zone`: {error}")))?;
    let wishes = Wishes {
        updates: wanted.updates,
        postponed_until: wanted.postponed_until_ms,
    };
    let id = device_id(&id)?;
    Ok(Json(
        app.service.set_wishes(&caller, id, wishes, zone).await?.into(),
    ))
}

/// A device by others, to be let in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewHawkbitDevice)]
pub(super) struct Stranger {
    /// Its hardware class's name.
    class: String,
}

/// A device by others, with its token: shown here and never again.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeHawkbitDevice)]
pub(super) struct Let {
    #[serde(flatten)]
    device: DeviceView,
    /// For the header `Authorization: TargetToken …`.
    #[schema(value_type = String)]
    token: ShownSecret,
}

/// Let in a device that speaks hawkBit's device interface. It proves itself by the token in the answer alone.
#[utoipa::path(
    post, path = "/api/v1/devices/hawkbit", tag = "devices", security(("token" = [])), request_body = Stranger,
    responses((status = 201, body = Let), (status = "4XX", body = Document)),
)]
pub(super) async fn add_hawkbit(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Input(wanted): Input<Stranger>,
) -> Outcome<Response> {
    let (device, token) = app.service.add_hawkbit_device(&caller, &wanted.class).await?;
    let device = device.into();
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, no_store, Json(Let { device, token })).into_response())
}

/// End the alarm that two devices have its key: you know that one is left.
#[utoipa::path(
    post, path = "/api/v1/devices/{id}/settle", tag = "devices", security(("token" = [])),
    params(("id" = String, Path, description = "Device name, 32 hex digits")),
    responses((status = 200, body = DeviceView), (status = "4XX", body = Document)),
)]
pub(super) async fn settle(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Outcome<Json<DeviceView>> {
    Ok(Json(
        app.service.settle_device(&caller, device_id(&id)?).await?.into(),
    ))
}
