//! Releases in the operator API.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use latchkey_image::ImageDigest;
use serde::Deserialize;
use utoipa::IntoParams;

use super::App;
use super::payload::{Asked, Payload};
use super::problem::Document;
use super::views::ReleaseView;
use crate::domain::access::Caller;
use crate::domain::release::{Published, ReleaseKind};
use crate::failure::{Failure, Kind, Outcome};
use crate::ids;

/// What is said of a release beside the image.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Words {
    /// What it changes, for owners: at most 2000 bytes of text. Kept from the first upload.
    notes: Option<String>,
    /// What it is for; without it `feature`. Owners may want security updates only. Kept from the first upload.
    #[serde(default = "feature")]
    #[param(default = "feature")]
    kind: ReleaseKind,
}

const fn feature() -> ReleaseKind {
    ReleaseKind::Feature
}

/// All releases, newest first.
#[utoipa::path(
    get, path = "/api/v1/releases", tag = "releases", security(("token" = [])),
    responses((status = 200, body = Vec<ReleaseView>), (status = "4XX", body = Document)),
)]
pub(super) async fn list(State(app): State<App>) -> Outcome<Json<Vec<ReleaseView>>> {
    let releases = app.service.releases().await?;
    Ok(Json(releases.into_iter().map(Into::into).collect()))
}

/// One release.
#[utoipa::path(
    get, path = "/api/v1/releases/{digest}", tag = "releases", security(("token" = [])),
    params(("digest" = String, Path, description = "Image digest, 64 lower-case hex digits")),
    responses((status = 200, body = ReleaseView), (status = "4XX", body = Document)),
)]
pub(super) async fn get(State(app): State<App>, Path(digest): Path<String>) -> Outcome<Json<ReleaseView>> {
    Ok(Json(app.service.release(self::digest(&digest)?).await?.into()))
}

/// The digest in a path. What is written otherwise names no release.
pub(super) fn digest(text: &str) -> Outcome<ImageDigest> {
    ids::digest(text)
        .ok_or_else(|| Failure::new(Kind::NotFound, "an image digest is 64 lower-case hex digits"))
}

/// Publish a signed image. It is judged as a lock of its hardware class would judge it, and safe on disk when
/// this is answered. The same file again is 200 and changes nothing; another file with the same digest or
/// version is 409, naming what is published.
#[utoipa::path(
    post, path = "/api/v1/releases", tag = "releases", security(("token" = [])), params(Words),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The signed image, at most 393216 bytes"),
    responses(
        (status = 201, body = ReleaseView, description = "Published"),
        (status = 200, body = ReleaseView, description = "This very file was published before"),
        (status = 409, body = Document, description = "Another file has this digest or version"),
        (status = 422, body = Document, description = "No lock would boot it, or no policy is registered"),
        (status = "4XX", body = Document),
    ),
)]
pub(super) async fn upload(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Asked(words): Asked<Words>,
    Payload(file): Payload,
) -> Outcome<Response> {
    let (release, published) = app
        .service
        .publish(&caller, file, words.kind, words.notes)
        .await?;
    let location = [(header::LOCATION, format!("/api/v1/releases/{}", release.digest))];
    let body = Json(ReleaseView::from(release));
    Ok(match published {
        Published::Now => (StatusCode::CREATED, location, body).into_response(),
        Published::Before => (StatusCode::OK, location, body).into_response(),
    })
}
