//! `tuf`: the TUF repository, as operators and release engineers see it.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};

use super::ask::{Done, answer, read_file_up_to};
use super::client::Server;
use super::{CliError, serve, show};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print the server's public key as PEM, for `latchkey-sign tuf root --server-key`. Makes the key when there is
    /// none.
    Key(serve::TufKeyPlace),
    /// Publish roots, targets, or both at once.
    Publish {
        /// A root, signed. May be said again, oldest first.
        #[arg(long, value_name = "FILE", required_unless_present = "targets")]
        root: Vec<PathBuf>,
        /// Targets, signed.
        #[arg(long, value_name = "FILE")]
        targets: Option<PathBuf>,
        #[command(flatten)]
        server: Server,
    },
    /// Show versions, until when they count, and what somebody has to do.
    Status {
        #[command(flatten)]
        server: Server,
    },
}

const FILE: &[(&str, &str)] = &[
    ("FILE", "/role"),
    ("VERSION", "/version"),
    ("EXPIRES", "/expires"),
];
const TARGET: &[(&str, &str)] = &[("TARGET", "/name"), ("SHA-256", "/sha256")];

pub(super) async fn run(command: Command, as_json: bool) -> Done {
    match command {
        Command::Key(place) => serve::tuf_key(&place, as_json),
        Command::Publish {
            root,
            targets,
            server,
        } => publish(&root, targets.as_deref(), &server, as_json).await,
        Command::Status { server } => {
            let repository = server.get("/api/v1/tuf").await?;
            answer(&repository, as_json, show_repository)
        }
    }
}

/// All go at once: root and targets may need each other, and of several roots only the last has to be fresh.
async fn publish(roots: &[PathBuf], targets: Option<&Path>, server: &Server, as_json: bool) -> Done {
    let targets = targets.map(text).transpose()?;
    let roots: Result<Vec<String>, CliError> = roots.iter().map(|path| text(path)).collect();
    let mut earlier = roots?;
    let root = earlier.pop();
    let body = json!({ "earlier_roots": earlier, "root": root, "targets": targets });
    let repository = server.post("/api/v1/tuf", Some(&body)).await?;
    answer(&repository, as_json, show_repository)
}

fn text(path: &Path) -> Result<String, CliError> {
    String::from_utf8(read_file_up_to(path, latchkey_tuf::FILE_BYTES_MAX)?)
        .map_err(|_| CliError::failed(format!("{} is no metadata file: it is not text", path.display())))
}

fn show_repository(repository: &Value) {
    let part = |name| repository.pointer(name).cloned().unwrap_or_default();
    show::listing(&part("/files"), FILE);
    show::listing(&part("/targets"), TARGET);
    for sentence in part("/to_do").as_array().into_iter().flatten() {
        show::text(&format!("to do: {}", sentence.as_str().unwrap_or_default()));
    }
}
