//! `release`: signed images and the documents about them. Images go up in pieces, so that progress can be seen.

use std::path::PathBuf;

use clap::Subcommand;
use futures_util::stream;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::ask::{Done, answer, full_digest, read_file, read_file_up_to};
use super::client::Server;
use super::{CliError, show};
use crate::domain::document::DocumentKind;
use crate::domain::release::ReleaseKind;
use crate::limits::DOCUMENT_BYTES_MAX;

/// Pieces in which an image is handed to the network, so that progress can be seen.
const PIECE_BYTES: usize = 16 * 1024;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Publish a signed image.
    Upload {
        /// The image, as `latchkey-sign sign` wrote it.
        file: PathBuf,
        /// What it changes, for owners: at most 2000 bytes of text.
        #[arg(long, value_name = "TEXT")]
        notes: Option<String>,
        /// What it is for: feature or security. Owners may want security updates only.
        #[arg(long, default_value = "feature")]
        kind: ReleaseKind,
        #[command(flatten)]
        server: Server,
    },
    /// List releases, newest first.
    List {
        #[command(flatten)]
        server: Server,
    },
    /// Add a bill of materials, an advisory or a file for SWUpdate to a release. Those added before stay, as earlier
    /// versions.
    Attach {
        /// The release: its digest, or the beginning of it (8 digits at least).
        release: String,
        /// A bill of materials: CycloneDX or SPDX, in JSON.
        #[arg(long, value_name = "FILE", required_unless_present_any = ["advisory", "swu"])]
        sbom: Option<PathBuf>,
        /// An advisory: what the release mends and what is to be done, as text.
        #[arg(long, value_name = "FILE")]
        advisory: Option<PathBuf>,
        /// A file for SWUpdate (.swu): sw-description, its signature, and this release's image. Devices that speak
        /// hawkBit's interface are given it in place of the image.
        #[arg(long, value_name = "FILE")]
        swu: Option<PathBuf>,
        #[command(flatten)]
        server: Server,
    },
    /// List the documents of a release.
    Documents {
        /// The release: its digest, or the beginning of it (8 digits at least).
        release: String,
        #[command(flatten)]
        server: Server,
    },
    /// Print a document of a release as it was added.
    Document {
        /// The release: its digest, or the beginning of it (8 digits at least).
        release: String,
        /// sbom, advisory or swu.
        kind: DocumentKind,
        /// This version instead of the newest.
        #[arg(long = "version", value_name = "N")]
        number: Option<u32>,
        #[command(flatten)]
        server: Server,
    },
}

const RELEASE: &[(&str, &str)] = &[
    ("DIGEST", "/digest"),
    ("VERSION", "/version"),
    ("COUNTER", "/security_counter"),
    ("KIND", "/kind"),
    ("CLASS", "/class_name"),
    ("BYTES", "/size"),
];

const DOCUMENT: &[(&str, &str)] = &[
    ("KIND", "/kind"),
    ("VERSION", "/version"),
    ("FORMAT", "/format"),
    ("BYTES", "/size"),
    ("SHA-256", "/sha256"),
];

pub(super) async fn run(command: Command, as_json: bool) -> Done {
    match command {
        Command::Upload {
            file,
            notes,
            kind,
            server,
        } => {
            let bytes = read_file(&file)?;
            let length = bytes.len() as u64;
            let bar = progress(length, as_json);
            let path = releases_path(kind, notes.as_deref());
            let release = server.post_bytes(&path, watched(bytes, &bar), length).await;
            bar.finish_and_clear();
            answer(&release?, as_json, |release| {
                show::text(&format!(
                    "published {} for {}: {}",
                    show::field(release, "/version"),
                    show::field(release, "/class_name"),
                    show::field(release, "/digest")
                ));
            })
        }
        Command::List { server } => {
            let releases = server.get("/api/v1/releases").await?;
            answer(&releases, as_json, |releases| show::listing(releases, RELEASE))
        }
        Command::Attach {
            release,
            sbom,
            advisory,
            swu,
            server,
        } => {
            let digest = full_digest(&server, &release).await?;
            let files = [
                (DocumentKind::Sbom, sbom),
                (DocumentKind::Advisory, advisory),
                (DocumentKind::Swu, swu),
            ];
            let added = attach(&server, &digest, files).await?;
            answer(&Value::Array(added), as_json, |added| {
                show::listing(added, DOCUMENT)
            })
        }
        Command::Documents { release, server } => {
            let digest = full_digest(&server, &release).await?;
            let documents = server
                .get(&format!("/api/v1/releases/{digest}/documents"))
                .await?;
            answer(&documents, as_json, |documents| {
                show::listing(documents, DOCUMENT)
            })
        }
        Command::Document {
            release,
            kind,
            number,
            server,
        } => {
            let digest = full_digest(&server, &release).await?;
            let version = number
                .map(|number| format!("?version={number}"))
                .unwrap_or_default();
            let path = format!("/api/v1/releases/{digest}/documents/{kind}{version}");
            server.copy(&path, &mut std::io::stdout()).await
        }
    }
}

/// Adds documents to a release. All files are read before the first is sent: what is added stays.
async fn attach(
    server: &Server,
    digest: &str,
    files: [(DocumentKind, Option<PathBuf>); 3],
) -> Result<Vec<Value>, CliError> {
    let mut documents = Vec::new();
    for (kind, file) in files {
        let Some(file) = file else { continue };
        documents.push((kind, read_file_up_to(&file, DOCUMENT_BYTES_MAX)?));
    }
    let mut added = Vec::new();
    for (kind, bytes) in documents {
        let length = bytes.len() as u64;
        let path = format!("/api/v1/releases/{digest}/documents/{kind}");
        let answer = server.post_bytes(&path, bytes.into(), length).await;
        added.push(answer.map_err(|error| not_all(error, kind, &added))?);
    }
    Ok(added)
}

/// Why a document was not added, and which were before it.
fn not_all(error: CliError, kind: DocumentKind, added: &[Value]) -> CliError {
    if added.is_empty() {
        return error;
    }
    let named = |added| {
        let (kind, version) = (show::field(added, "/kind"), show::field(added, "/version"));
        format!("{kind} version {version}")
    };
    let before: Vec<String> = added.iter().map(named).collect();
    let message = format!(
        "{kind}: {}; before that {} was added, and stays",
        error.message,
        before.join(" and ")
    );
    CliError { message, ..error }
}

/// Where releases are published, with what is said of this one.
fn releases_path(kind: ReleaseKind, notes: Option<&str>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("kind", kind.as_str());
    if let Some(notes) = notes {
        query.append_pair("notes", notes);
    }
    format!("/api/v1/releases?{}", query.finish())
}

fn progress(length: u64, hidden: bool) -> ProgressBar {
    let target = if hidden {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec}");
    let bar = ProgressBar::with_draw_target(Some(length), target);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A body that moves the bar as it is sent.
fn watched(bytes: Vec<u8>, bar: &ProgressBar) -> reqwest::Body {
    let bar = bar.clone();
    let pieces: Vec<Vec<u8>> = bytes.chunks(PIECE_BYTES).map(<[u8]>::to_vec).collect();
    reqwest::Body::wrap_stream(stream::iter(pieces.into_iter().map(move |piece| {
        bar.inc(piece.len() as u64);
        Ok::<_, std::convert::Infallible>(piece)
    })))
}
