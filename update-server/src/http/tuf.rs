//! The TUF repository: what clients fetch, without a token, and what release engineers upload.
//!
//! A file with a version in its name never changes, so it may be kept for good; the timestamp is asked for anew each
//! time. What is not there is 404 and kept by nobody: a client finds the newest root by asking for the next until
//! there is none.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use latchkey_tuf::RoleName;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::payload::Input;
use super::problem::Document;
use super::{App, image_file, tags};
use crate::domain::access::Caller;
use crate::domain::release::Published;
use crate::domain::tuf::{Overview, Upload};
use crate::failure::{Failure, Kind, Outcome};

/// Files to publish, each as `latchkey-sign tuf sign` left it, to the byte.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TufUpload)]
pub(super) struct Wanted {
    /// Roots that lead from the published one, or the first, to `root`, oldest first. Those up to the published one are
    /// passed over. Only the last root of all has to be fresh, and to fit this server and its targets.
    #[serde(default)]
    earlier_roots: Vec<String>,
    /// The root that follows the published one and those, or the first.
    root: Option<String>,
    /// The targets that follow the published ones, or the first.
    targets: Option<String>,
}

/// How the TUF repository stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TufRepository)]
pub(super) struct RepositoryView {
    /// The server's public key, 64 hex digits: a root names it for snapshot and timestamp.
    server_key: String,
    /// Its name in a root, 64 hex digits.
    server_key_id: String,
    /// The newest file of each kind.
    files: Vec<FileView>,
    /// What the newest targets list.
    targets: Vec<TargetView>,
    /// What somebody has to do, one sentence each.
    to_do: Vec<String>,
}

/// The newest file of one kind.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TufFile)]
pub(super) struct FileView {
    /// `root`, `targets`, `snapshot` or `timestamp`.
    role: &'static str,
    version: u64,
    /// Until when it counts: `2027-11-26T00:00:00Z`.
    expires: String,
}

/// An image that clients find.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TufTarget)]
pub(super) struct TargetView {
    name: String,
    /// SHA-256 of the file.
    sha256: String,
    /// Where it is.
    path: String,
}

impl From<Overview> for RepositoryView {
    fn from(overview: Overview) -> Self {
        Self {
            server_key: hex::encode(overview.server_key.public()),
            server_key_id: overview.server_key.id().to_string(),
            files: overview
                .files
                .iter()
                .map(|file| FileView {
                    role: file.role.as_str(),
                    version: file.version,
                    expires: file.expires.to_string(),
                })
                .collect(),
            targets: overview
                .targets
                .iter()
                .map(|(name, target)| TargetView {
                    name: name.to_string(),
                    sha256: target.hashes.sha256.to_string(),
                    path: format!("/tuf/targets/{}.{name}", target.hashes.sha256),
                })
                .collect(),
            to_do: overview.to_do,
        }
    }
}

/// How the TUF repository stands, and what somebody has to do about it.
#[utoipa::path(
    get, path = "/api/v1/tuf", tag = "tuf", security(("token" = [])),
    responses((status = 200, body = RepositoryView), (status = "4XX", body = Document)),
)]
pub(super) async fn overview(State(app): State<App>) -> Outcome<Json<RepositoryView>> {
    Ok(Json(app.service.tuf().await?.into()))
}

/// Publish roots, targets, or both at once. They are taken only when they verify and list published releases; snapshot
/// and timestamp follow in the same change. The same files again are 200 and change nothing. The first root asks for
/// an administrator.
#[utoipa::path(
    post, path = "/api/v1/tuf", tag = "tuf", security(("token" = [])), request_body = Wanted,
    responses(
        (status = 201, body = RepositoryView, description = "Published"),
        (status = 200, body = RepositoryView, description = "These very files were published before"),
        (status = 422, body = Document, description = "They do not verify, or list what is no release"),
        (status = "4XX", body = Document),
    ),
)]
pub(super) async fn publish(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Input(wanted): Input<Wanted>,
) -> Outcome<Response> {
    let upload = Upload {
        roots: wanted.earlier_roots.into_iter().chain(wanted.root).collect(),
        targets: wanted.targets,
    };
    let (overview, published) = app.service.publish_tuf(&caller, &upload).await?;
    let status = match published {
        Published::Now => StatusCode::CREATED,
        Published::Before => StatusCode::OK,
    };
    Ok((status, Json(RepositoryView::from(overview))).into_response())
}

/// A metadata file: `timestamp.json`, `7.root.json`, `7.targets.json`, `7.snapshot.json`.
#[utoipa::path(
    get, path = "/tuf/metadata/{file}", tag = "tuf",
    params(("file" = String, Path, description = "The file's name")),
    responses(
        (status = 200, description = "The file", content_type = "application/json"),
        (status = 304, description = "The client has it"),
        (status = 404, description = "There is no such version", body = Document),
    ),
)]
pub(super) async fn metadata(
    State(app): State<App>,
    Path(file): Path<String>,
    request: HeaderMap,
) -> Result<Response, Response> {
    let Some((role, version)) = named(&file) else {
        return Err(missing(Failure::new(
            Kind::NotFound,
            "the repository has no such file",
        )));
    };
    let document = app.service.tuf_file(role, version).await.map_err(missing)?;
    let tag = tags::of(&Sha256::digest(document.as_bytes()));
    let keep = match version {
        Some(_) => "public, max-age=31536000, immutable",
        // Kept by two caches for different times, it would look to a client as if it went back.
        None => "no-cache",
    };
    let fixed = [
        (header::ETAG, tag.as_str()),
        (header::CACHE_CONTROL, keep),
        (header::CONTENT_TYPE, "application/json"),
    ];
    if tags::has(&request, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, fixed).into_response());
    }
    Ok((fixed, document).into_response())
}

/// A target: `SHA256.NAME` as the targets list it. Ranges, conditions and redirects as for owners' images.
#[utoipa::path(
    get, path = "/tuf/targets/{file}", tag = "tuf",
    params(("file" = String, Path, description = "The file's SHA-256, a dot, and the target's name")),
    responses(
        (status = 200, description = "The image", content_type = "application/octet-stream"),
        (status = 206, description = "The range asked for", content_type = "application/octet-stream"),
        (status = 304, description = "The client has it"),
        (status = 307, description = "It lies there, for a short while"),
        (status = 404, description = "The newest targets do not list it", body = Document),
        (status = 416, description = "No byte of the range exists"),
    ),
)]
pub(super) async fn target(
    State(app): State<App>,
    Path(file): Path<String>,
    method: Method,
    request: HeaderMap,
) -> Result<Response, Response> {
    let (sha256, name) = file.split_once('.').unwrap_or_default();
    let release = app.service.tuf_target(name, sha256).await.map_err(missing)?;
    let answered = image_file::hand_out(&app, &release, &method, &request).await;
    answered.map_err(IntoResponse::into_response)
}

/// A failure that nobody keeps: the file may be there tomorrow.
fn missing(failure: Failure) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], failure).into_response()
}

/// Which file a name is for. One file has one name.
fn named(file: &str) -> Option<(RoleName, Option<u64>)> {
    if file == "timestamp.json" {
        return Some((RoleName::Timestamp, None));
    }
    let (version, role) = file.strip_suffix(".json")?.split_once('.')?;
    let role = match role {
        "root" => RoleName::Root,
        "snapshot" => RoleName::Snapshot,
        "targets" => RoleName::Targets,
        _ => return None,
    };
    let number: u64 = version.parse().ok()?;
    (number.to_string() == version).then_some((role, Some(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_has_one_name() {
        assert_eq!(named("timestamp.json"), Some((RoleName::Timestamp, None)));
        assert_eq!(named("12.root.json"), Some((RoleName::Root, Some(12))));
        assert_eq!(named("1.targets.json"), Some((RoleName::Targets, Some(1))));
        for other in [
            "root.json",
            "1.timestamp.json",
            "01.root.json",
            "+1.root.json",
            "-1.root.json",
            "1.root",
            "1.root.json.json",
            "1..root.json",
            "99999999999999999999.root.json",
            "1.mirrors.json",
            ".root.json",
            "",
        ] {
            assert_eq!(named(other), None, "{other}");
        }
    }
}
