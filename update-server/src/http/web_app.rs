//! The owners' web app: files that were built in, under `/app/`.
//!
//! Knows no folder: what is not in its table is not there, whatever the path says. Every file goes out with a policy
//! that lets the page load from this server alone, run no script but its own files, and be framed by nobody; and with
//! a tag, so that a browser asks each time and loads only what has changed.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use super::App;
use crate::failure::{Failure, Kind};

const INDEX: &str = "index.html";

/// What the page may do. `wasm-unsafe-eval` is for WebAssembly alone; `latchkey` names the one place that gives a
/// script's address to the browser.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types latchkey";

/// What every file goes out with.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CACHE_CONTROL, "no-cache"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "bluetooth=(self), camera=(), geolocation=(), microphone=(), usb=()",
    ),
];

/// One file.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Its name, by whose end its type is known.
    pub name: &'static str,
    /// All of it.
    pub bytes: &'static [u8],
}

/// All files.
#[derive(Debug, Default)]
pub struct WebApp {
    files: BTreeMap<&'static str, Entry>,
}

/// A file with its type and tag.
#[derive(Debug)]
pub(super) struct Entry {
    kind: &'static str,
    tag: String,
    bytes: &'static [u8],
}

impl Entry {
    pub(super) fn new(file: &File) -> Self {
        Self {
            kind: kind(file.name),
            tag: format!("\"{}\"", hex::encode(Sha256::digest(file.bytes))),
            bytes: file.bytes,
        }
    }

    /// The file, or that the client has it.
    pub(super) fn answer(&self, request: &HeaderMap) -> Response {
        let tag = [(header::ETAG, self.tag.as_str())];
        let known = request
            .get(header::IF_NONE_MATCH)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|list| list.split(',').any(|one| one.trim() == self.tag));
        if known {
            return (StatusCode::NOT_MODIFIED, HEADERS, tag).into_response();
        }
        let kind = [(header::CONTENT_TYPE, self.kind)];
        (HEADERS, tag, kind, self.bytes).into_response()
    }
}

impl WebApp {
    /// What this program was built with; without the feature `web-app`, nothing.
    #[must_use]
    pub fn built_in() -> Self {
        Self::new(BUILT_IN)
    }

    /// These files.
    #[must_use]
    pub fn new(files: &[File]) -> Self {
        Self {
            files: files.iter().map(|file| (file.name, Entry::new(file))).collect(),
        }
    }

    fn answer(&self, name: &str, request: &HeaderMap) -> Result<Response, Failure> {
        let entry = self.files.get(name);
        entry
            .map(|entry| entry.answer(request))
            .ok_or_else(|| Failure::new(Kind::NotFound, missing(self.files.is_empty())))
    }
}

const fn missing(all: bool) -> &'static str {
    if all {
        "this server was built without the owners' web app; build it with the feature `web-app`, after `cargo xtask web`"
    } else {
        "the web app has no such file; it begins at /app/"
    }
}

/// The app itself.
#[utoipa::path(
    get, path = "/app/", tag = "owners",
    responses(
        (status = 200, description = "The owners' web app", content_type = "text/html"),
        (status = 304, description = "The client has it"),
        (status = 404, description = "Built without it", body = super::problem::Document),
    ),
)]
pub(super) async fn index(State(app): State<App>, request: HeaderMap) -> Result<Response, Failure> {
    app.web_app.answer(INDEX, &request)
}

/// One of the app's files.
#[utoipa::path(
    get, path = "/app/{file}", tag = "owners",
    params(("file" = String, Path, description = "The file's name")),
    responses(
        (status = 200, description = "The file"),
        (status = 304, description = "The client has it"),
        (status = 404, description = "No such file", body = super::problem::Document),
    ),
)]
pub(super) async fn file(
    State(app): State<App>,
    Path(name): Path<String>,
    request: HeaderMap,
) -> Result<Response, Failure> {
    app.web_app.answer(&name, &request)
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("png") => "image/png",
        Some("svg") => "image/svg+xml",
        Some("wasm") => "application/wasm",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

// `BUILT_IN`, by the build script.
include!(concat!(env!("OUT_DIR"), "/web_app.rs"));
