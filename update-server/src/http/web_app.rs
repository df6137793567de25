//! The owners' web app: files that were built in, under `/app/`.
//!
//! Knows no folder: what is not in its table is not there, whatever the path says. Every file goes out with a policy
//! that lets the page load from this server alone, run no script but its own files, and be framed by nobody; and with
//! a tag, so that a browser asks each time and loads only what has changed; packed, where the browser takes that.

use std::collections::BTreeMap;
use std::io::Write as _;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use super::{App, tags};
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

/// A file with its type, as it is and packed.
#[derive(Debug)]
pub(super) struct Entry {
    kind: &'static str,
    plain: Form,
    /// Where that is shorter.
    gzip: Option<Form>,
}

/// One of a file's forms. Each has a tag of its own: they are other bytes.
#[derive(Debug)]
struct Form {
    tag: String,
    bytes: Bytes,
}

impl Form {
    fn new(bytes: Bytes) -> Self {
        Self {
            tag: tags::of(&Sha256::digest(&bytes)),
            bytes,
        }
    }
}

impl Entry {
    pub(super) fn new(file: &File) -> Self {
        Self {
            kind: kind(file.name),
            plain: Form::new(Bytes::from_static(file.bytes)),
            gzip: gzip(file.bytes).map(Form::new),
        }
    }

    /// The file, or that the client has it.
    pub(super) fn answer(&self, request: &HeaderMap) -> Response {
        let packed = self.gzip.as_ref().filter(|_| takes_gzip(request));
        let form = packed.unwrap_or(&self.plain);
        let fixed = [
            (header::ETAG, form.tag.as_str()),
            (header::VARY, "accept-encoding"),
        ];
        if tags::has(request, &form.tag) {
            return (StatusCode::NOT_MODIFIED, HEADERS, fixed).into_response();
        }
        let kind = [(header::CONTENT_TYPE, self.kind)];
        let coding = packed.map(|_| [(header::CONTENT_ENCODING, "gzip")]);
        match coding {
            Some(coding) => (HEADERS, fixed, kind, coding, form.bytes.clone()).into_response(),
            None => (HEADERS, fixed, kind, form.bytes.clone()).into_response(),
        }
    }
}

/// The same packed, where that is shorter. Done once, when the server starts.
fn gzip(bytes: &[u8]) -> Option<Bytes> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes).ok()?;
    let packed = packer.finish().ok()?;
    (packed.len() < bytes.len()).then(|| packed.into())
}

/// Whether the client takes gzip (RFC 9110, section 12.5.3): said by name, or of all codings that are not named.
fn takes_gzip(request: &HeaderMap) -> bool {
    let (mut named, mut others) = (None, None);
    let lines = request.get_all(header::ACCEPT_ENCODING).iter();
    for one in lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
    {
        let (coding, weight) = one.split_once(';').unwrap_or((one, "q=1"));
        let weight = weight.trim().strip_prefix("q=");
        let wanted = weight
            .and_then(|weight| weight.parse::<f32>().ok())
            .is_some_and(|weight| weight > 0.0);
        match coding.trim() {
            "*" => others = Some(wanted),
            coding if coding.eq_ignore_ascii_case("gzip") => named = Some(wanted),
            _ => {}
        }
    }
    named.or(others).unwrap_or(false)
}

impl WebApp {
    /// What this program was built with; without the feature `web-app`, nothing.
    #[must_use]
    pub fn built_in() -> Self {
        Self::new(BUILT_IN)
    }

    /// Whether that was built for trying things out, and may trust keys that everyone has.
    #[must_use]
    pub const fn is_for_trial() -> bool {
        TRIAL
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

// `BUILT_IN` and `TRIAL`, by the build script.
include!(concat!(env!("OUT_DIR"), "/web_app.rs"));
