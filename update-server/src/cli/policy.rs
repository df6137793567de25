//! `policy`: whose signatures count for a hardware class.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::ask::{Done, answer, read_file, segment};
use super::client::Server;
use super::{CliError, show};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Register a policy file, the same one that is baked into the bootloader.
    Set {
        /// The hardware class's name, such as lock-emulator-1.
        #[arg(long)]
        class: String,
        /// The policy file.
        file: PathBuf,
        #[command(flatten)]
        server: Server,
    },
    /// List registered policies.
    List {
        #[command(flatten)]
        server: Server,
    },
}

pub(super) async fn run(command: Command, as_json: bool) -> Done {
    match command {
        Command::Set { class, file, server } => {
            let document = String::from_utf8(read_file(&file)?).map_err(|_| {
                CliError::failed(format!("{} is no policy file: it is not text", file.display()))
            })?;
            let path = format!("/api/v1/policies/{}", segment(&class)?);
            let policy = server.put(&path, &json!({ "document": document })).await?;
            answer(&policy, as_json, |policy| {
                let threshold = show::field(policy, "/threshold");
                let keys = policy.get("keys").and_then(Value::as_array).map_or(0, Vec::len);
                show::text(&format!(
                    "images for {class} need {threshold} of {keys} signatures"
                ));
            })
        }
        Command::List { server } => {
            let policies = server.get("/api/v1/policies").await?;
            answer(&policies, as_json, |policies| {
                show::listing(
                    policies,
                    &[
                        ("CLASS", "/class_name"),
                        ("THRESHOLD", "/threshold"),
                        ("UUID", "/class"),
                    ],
                );
            })
        }
    }
}
