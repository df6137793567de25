//! Documents of releases in the operator API: bills of materials, advisories, files for SWUpdate.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::payload::{Asked, Payload};
use super::problem::Document;
use super::releases::digest;
use super::{App, tags};
use crate::domain::access::Caller;
use crate::domain::document::{DocumentKind, ReleaseDocument};
use crate::domain::release::Published;
use crate::failure::{Failure, Kind, Outcome};

/// A document that belongs to a release.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReleaseDocument)]
pub(super) struct DocumentView {
    kind: DocumentKind,
    /// Counts up from 1 for each release and kind.
    version: i64,
    /// `text`, `CycloneDX 1.6`, `SPDX-2.3`, `SWUpdate crc`.
    format: String,
    /// SHA-256 of the file, 64 hex digits.
    sha256: String,
    /// Length of the file in bytes.
    size: u32,
    added_at_ms: i64,
    added_by: String,
    /// Where it is.
    path: String,
}

impl From<ReleaseDocument> for DocumentView {
    fn from(document: ReleaseDocument) -> Self {
        Self {
            path: format!(
                "/api/v1/releases/{}/documents/{}?version={}",
                document.release, document.kind, document.version
            ),
            kind: document.kind,
            version: document.version,
            format: document.format,
            sha256: hex::encode(document.file.0),
            size: document.size,
            added_at_ms: document.added_at,
            added_by: document.added_by,
        }
    }
}

/// Which version.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The newest when this is left out.
    version: Option<i64>,
}

fn kind(text: &str) -> Outcome<DocumentKind> {
    text.parse()
        .map_err(|error: String| Failure::new(Kind::NotFound, format!("the document {error}")))
}

/// The documents of a release, every version, oldest first.
#[utoipa::path(
    get, path = "/api/v1/releases/{digest}/documents", tag = "documents", security(("token" = [])),
    params(("digest" = String, Path, description = "Image digest, 64 lower-case hex digits")),
    responses((status = 200, body = Vec<DocumentView>), (status = "4XX", body = Document)),
)]
pub(super) async fn list(
    State(app): State<App>,
    Path(release): Path<String>,
) -> Outcome<Json<Vec<DocumentView>>> {
    let documents = app.service.documents(digest(&release)?).await?;
    Ok(Json(documents.into_iter().map(Into::into).collect()))
}

/// Add a document to a release: the next version of its bill of materials, of its advisory, or of its file for SWUpdate.
/// Versions before stay. The newest again is 200 and changes nothing.
#[utoipa::path(
    post, path = "/api/v1/releases/{digest}/documents/{kind}", tag = "documents", security(("token" = [])),
    params(
        ("digest" = String, Path, description = "Image digest, 64 lower-case hex digits"),
        ("kind" = DocumentKind, Path, description = "`sbom`, `advisory` or `swu`"),
    ),
    request_body(
        content_type = "application/octet-stream",
        description = "sbom: CycloneDX or SPDX in JSON, at most 4194304 bytes. advisory: text in UTF-8, at most 65536. \
                       swu: a cpio archive of sw-description, sw-description.sig and the release's image file, at most 524288",
    ),
    responses(
        (status = 201, body = DocumentView, description = "Added"),
        (status = 200, body = DocumentView, description = "It is the newest already"),
        (status = "4XX", body = Document),
    ),
)]
pub(super) async fn add(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((release, name)): Path<(String, String)>,
    Payload(file): Payload,
) -> Outcome<Response> {
    let (document, published) = app
        .service
        .add_document(&caller, digest(&release)?, kind(&name)?, file)
        .await?;
    let status = match published {
        Published::Now => StatusCode::CREATED,
        Published::Before => StatusCode::OK,
    };
    Ok((status, Json(DocumentView::from(document))).into_response())
}

/// A document's file.
#[utoipa::path(
    get, path = "/api/v1/releases/{digest}/documents/{kind}", tag = "documents", security(("token" = [])),
    params(
        ("digest" = String, Path, description = "Image digest, 64 lower-case hex digits"),
        ("kind" = DocumentKind, Path, description = "`sbom`, `advisory` or `swu`"),
        Which,
    ),
    responses(
        (status = 200, description = "The file: JSON, text in UTF-8, or an archive"),
        (status = 304, description = "The client has it"),
        (status = "4XX", body = Document),
    ),
)]
pub(super) async fn get(
    State(app): State<App>,
    Path((release, name)): Path<(String, String)>,
    Asked(which): Asked<Which>,
    request: HeaderMap,
) -> Outcome<Response> {
    let document = app
        .service
        .document(digest(&release)?, kind(&name)?, which.version)
        .await?;
    let media = match document.kind {
        DocumentKind::Advisory => "text/plain; charset=utf-8",
        DocumentKind::Sbom => "application/json",
        DocumentKind::Swu => "application/octet-stream",
    };
    let tag = tags::of(&document.file.0);
    let fixed = [
        (header::ETAG, tag.as_str()),
        (header::CACHE_CONTROL, "private, no-cache"),
    ];
    if tags::has(&request, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, fixed).into_response());
    }
    let own = [
        (header::CONTENT_TYPE, media.to_owned()),
        (header::CONTENT_LENGTH, document.size.to_string()),
    ];
    let bytes = app.service.read_document(&document).await?;
    Ok((fixed, own, Body::from_stream(bytes)).into_response())
}
