//! What owners ask: whether there is an update. Anybody may, without a token and without a name.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use latchkey_image::SecurityCounter;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use super::payload::Asked;
use super::problem::Document;
use super::{App, tags};
use crate::domain::owner::Running;
use crate::domain::release::Release;
use crate::failure::{Failure, Kind, Outcome};
use crate::ids;

/// An answer is good for five minutes, in caches between here and there too: pausing a rollout takes no longer.
const CACHE: &str = "public, max-age=300";

/// What the owner's lock is and runs. Nothing about the owner, and nothing that tells one lock from another.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Runs {
    /// Vendor UUID.
    vendor: String,
    /// Hardware class UUID.
    class: String,
    /// The version that runs, `major.minor.revision+build` (`%2B` for the `+`).
    version: String,
    /// Its security counter.
    counter: u32,
}

/// Whether there is an update.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OwnerAnswer {
    /// The update; null when what runs is as new as can be.
    update: Option<OwnerUpdate>,
}

/// An update, as an owner needs to know it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OwnerUpdate {
    /// `major.minor.revision+build`.
    version: String,
    /// Decides rollback.
    security_counter: u32,
    /// Length of the file in bytes.
    size: u32,
    /// What engineers signed, 64 hex digits.
    digest: String,
    /// SHA-256 of the file, signatures included.
    file_sha256: String,
    /// What it changes, in its publisher's words.
    notes: Option<String>,
    /// Where to fetch it, on this server, which sends it itself.
    image_path: String,
    /// Where to fetch it, on this server, which may redirect to where the images lie.
    download_path: String,
}

impl From<Release> for OwnerUpdate {
    fn from(release: Release) -> Self {
        Self {
            version: release.version.to_string(),
            security_counter: release.counter.0,
            size: release.size,
            digest: release.digest.to_string(),
            file_sha256: hex::encode(release.file.0),
            notes: release.notes,
            image_path: format!("/device/v1/images/{}", release.digest),
            download_path: format!("/owner/v1/images/{}", release.digest),
        }
    }
}

/// Whether there is an update for a lock: the newest release that running rollouts bring to all locks of its
/// hardware and that it can go to directly. For owners' phones; no token, no account, no name.
#[utoipa::path(
    get, path = "/owner/v1/update", tag = "owners", params(Runs),
    responses(
        (status = 200, body = OwnerAnswer),
        (status = 304, description = "As when it was asked last"),
        (status = "4XX", body = Document),
        (status = 503, body = Document, description = "Ask again later"),
    ),
)]
pub(super) async fn update(
    State(app): State<App>,
    request: HeaderMap,
    Asked(runs): Asked<Runs>,
) -> Outcome<Response> {
    let update = app.service.owner_update(&running(&runs)?).await?;
    let answer = OwnerAnswer {
        update: update.map(OwnerUpdate::from),
    };
    let body = serde_json::to_vec(&answer).map_err(Failure::storage)?;
    let tag = tags::of(&Sha256::digest(&body));
    let fixed = [(header::ETAG, tag.as_str()), (header::CACHE_CONTROL, CACHE)];
    if tags::has(&request, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, fixed).into_response());
    }
    Ok((fixed, Json(answer)).into_response())
}

fn running(runs: &Runs) -> Outcome<Running> {
    let invalid = |what: &str| Failure::new(Kind::Invalid, format!("{what}; see /openapi.json"));
    Ok(Running {
        vendor: ids::uuid(&runs.vendor).ok_or_else(|| invalid("the vendor is no UUID in lower case"))?,
        class: ids::uuid(&runs.class).ok_or_else(|| invalid("the class is no UUID in lower case"))?,
        version: ids::version(&runs.version)
            .ok_or_else(|| invalid("the version is not written as 1.2.3+4, with %2B for the +"))?,
        counter: SecurityCounter(runs.counter),
    })
}
