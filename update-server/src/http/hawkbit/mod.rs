//! hawkBit's device interface (DDI), for devices by others: its paths and its JSON, and nothing that decides anything.
//!
//! Links are made of the address that the operator gave, never of what a request says of itself. What a client is told
//! has every hash and both names of a link, whole lengths, and numbers for ids, because clients by others insist on one
//! or the other of these.

mod said;

use axum::Extension;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use serde_json::{Value, json};

use super::App;
use super::image_file::{self, Stored};
use super::payload::Payload;
use crate::domain::device::Device;
use crate::domain::hawkbit::Wanted;
use crate::failure::{Failure, Kind, Outcome};

/// What is to be done, and when to ask again.
pub(super) async fn poll(
    State(app): State<App>,
    Extension(device): Extension<Device>,
) -> Outcome<Json<Value>> {
    let link = |path: String| json!({ "href": format!("{}/{path}", base(&app, &device)) });
    let links = match app.service.hawkbit_poll(&device).await? {
        Wanted::Facts => json!({ "configData": link("configData".to_owned()) }),
        Wanted::Nothing => json!({}),
        Wanted::Install(action) => json!({ "deploymentBase": link(format!("deploymentBase/{action}")) }),
        Wanted::Cancel(action) => json!({ "cancelAction": link(format!("cancelAction/{action}")) }),
    };
    let sleep = clock(app.service.hawkbit_sleep_s());
    Ok(Json(
        json!({ "config": { "polling": { "sleep": sleep } }, "_links": links }),
    ))
}

/// What the device runs, by the attributes `version` and `counter`.
pub(super) async fn config_data(
    State(app): State<App>,
    Extension(device): Extension<Device>,
    Payload(body): Payload,
) -> Outcome<()> {
    app.service.hawkbit_told(&device, said::told(&body)?).await
}

/// What an action says is to be installed: one file.
pub(super) async fn deployment(
    State(app): State<App>,
    Extension(device): Extension<Device>,
    Path((_, action)): Path<(String, String)>,
) -> Outcome<Json<Value>> {
    let number = action_number(&action)?;
    let deployment = app.service.hawkbit_deployment(&device, number).await?;
    let artifact = &deployment.artifact;
    let path = format!("softwaremodules/{number}/artifacts/{}", artifact.name);
    let link = json!({ "href": format!("{}/{path}", base(&app, &device)) });
    Ok(Json(json!({
        "id": number.to_string(),
        "deployment": {
            "download": "forced",
            "update": "forced",
            "chunks": [{
                "part": "bApp",
                "name": "firmware",
                "version": deployment.release.version.to_string(),
                "artifacts": [{
                    "filename": artifact.name,
                    "size": artifact.size,
                    "hashes": {
                        "sha1": hex::encode(deployment.sha1),
                        "md5": hex::encode(deployment.md5),
                        "sha256": hex::encode(artifact.file.0),
                    },
                    "_links": { "download": link, "download-http": link },
                }],
            }],
        },
    })))
}

/// What became of an action.
pub(super) async fn feedback(
    State(app): State<App>,
    Extension(device): Extension<Device>,
    Path((_, action)): Path<(String, String)>,
    Payload(body): Payload,
) -> Outcome<()> {
    let number = action_number(&action)?;
    let said = said::of_deployment(&body)?;
    app.service.hawkbit_feedback(&device, number, said).await
}

/// Which action is to be left.
pub(super) async fn cancel(
    State(app): State<App>,
    Extension(device): Extension<Device>,
    Path((_, action)): Path<(String, String)>,
) -> Outcome<Json<Value>> {
    let number = action_number(&action)?;
    app.service.hawkbit_cancel(&device, number).await?;
    let id = number.to_string();
    Ok(Json(json!({ "id": id, "cancelAction": { "stopId": id } })))
}

/// Whether the device leaves it.
pub(super) async fn cancel_feedback(
    State(app): State<App>,
    Extension(device): Extension<Device>,
    Path((_, action)): Path<(String, String)>,
    Payload(body): Payload,
) -> Outcome<()> {
    let number = action_number(&action)?;
    if said::leaves(&body)? {
        return app.service.hawkbit_canceled(&device, number).await;
    }
    app.service.hawkbit_cancel(&device, number).await
}

/// A file of an action that is open.
pub(super) async fn artifact(
    State(app): State<App>,
    Extension(device): Extension<Device>,
    Path((_, action, file)): Path<(String, String, String)>,
    method: Method,
    request: HeaderMap,
) -> Outcome<Response> {
    let number = action_number(&action)?;
    let artifact = app.service.hawkbit_artifact(&device, number, &file).await?;
    let stored = Stored {
        file: artifact.file,
        size: artifact.size,
    };
    image_file::answer(&app, stored, &method, &request).await
}

/// Where a device's paths begin.
fn base(app: &App, device: &Device) -> String {
    let server = app.service.hawkbit_base().unwrap_or_default();
    format!("{server}/DEFAULT/controller/v1/{}", device.id)
}

fn action_number(text: &str) -> Outcome<i64> {
    text.parse()
        .ok()
        .filter(|number: &i64| number.to_string() == text)
        .ok_or_else(|| Failure::new(Kind::NotFound, "an action's id is a number, as the poll gave it"))
}

/// `HH:MM:SS`.
fn clock(seconds: u32) -> String {
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    format!("{:02}:{:02}:{seconds:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_eight_letters() {
        for (seconds, text) in [(1, "00:00:01"), (3_661, "01:01:01"), (86_399, "23:59:59")] {
            assert_eq!(clock(seconds), text);
        }
    }
}
