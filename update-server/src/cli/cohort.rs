//! `cohort`: named sets of locks for rollouts to begin with.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::ask::{Done, all_pages, answer, read_file_up_to};
use super::client::Server;
use super::{CliError, show};
use crate::domain::cohort::CohortName;
use crate::limits::LIST_FILE_BYTES_MAX;

const COHORT: &[(&str, &str)] = &[
    ("COHORT", "/name"),
    ("LOCKS", "/devices"),
    ("MADE BY", "/created_by"),
];

const MEMBER: &[(&str, &str)] = &[("DEVICE", "/id")];

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a cohort, of these locks or of none yet. It brings nobody an update by itself.
    Create {
        /// Its name: lower-case letters, digits and dashes.
        #[arg(value_parser = name)]
        name: CohortName,
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        server: Server,
    },
    /// Add locks to a cohort. Nobody is taken out, and rollouts that were made before do not change.
    Add {
        /// Its name.
        #[arg(value_parser = name)]
        name: CohortName,
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        server: Server,
    },
    /// List all cohorts.
    List {
        #[command(flatten)]
        server: Server,
    },
    /// List a cohort's locks.
    Devices {
        /// Its name.
        #[arg(value_parser = name)]
        name: CohortName,
        #[command(flatten)]
        server: Server,
    },
}

/// Which locks.
#[derive(Args)]
pub(super) struct Who {
    /// This lock; may be said again for further ones.
    #[arg(long = "device", value_name = "ID")]
    devices: Vec<String>,
    /// Those in this CSV file: a column `id` or `public_key`, as for `device import`. All of it or nothing.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

fn name(text: &str) -> Result<CohortName, String> {
    text.parse()
        .map_err(|failure: crate::failure::Failure| failure.detail)
}

pub(super) async fn run(command: Command, as_json: bool) -> Done {
    match command {
        Command::Create { name, who, server } => {
            let file = who.file()?;
            let body = json!({ "name": name.as_str(), "devices": who.devices });
            let made = server.post("/api/v1/cohorts", Some(&body)).await?;
            let cohort = match file {
                Some(file) => import(&server, &name, file).await.map_err(|error| {
                    error.and(&format!(
                        "The cohort {name} was made, without the file's locks: mend the file, then `latchkey-server \
                         cohort add {name} --csv FILE`"
                    ))
                })?,
                None => made,
            };
            answer(&cohort, as_json, said)
        }
        Command::Add { name, who, server } => {
            let file = who.file()?;
            if file.is_none() && who.devices.is_empty() {
                return Err(CliError::failed("name locks with --device, or a file with --csv"));
            }
            let mut cohort = Value::Null;
            if !who.devices.is_empty() {
                let path = format!("/api/v1/cohorts/{name}/devices");
                let body = json!({ "devices": who.devices });
                cohort = server.post(&path, Some(&body)).await?;
            }
            if let Some(file) = file {
                cohort = import(&server, &name, file).await?;
            }
            answer(&cohort, as_json, said)
        }
        Command::List { server } => {
            let cohorts = server.get("/api/v1/cohorts").await?;
            answer(&cohorts, as_json, |cohorts| show::listing(cohorts, COHORT))
        }
        Command::Devices { name, server } => {
            let path = format!("/api/v1/cohorts/{name}/devices");
            let devices = all_pages(&server, &path, "").await?;
            answer(&devices, as_json, |devices| show::listing(devices, MEMBER))
        }
    }
}

impl Who {
    /// Read before anything is changed.
    fn file(&self) -> Result<Option<Vec<u8>>, CliError> {
        let read = |path: &PathBuf| read_file_up_to(path, LIST_FILE_BYTES_MAX);
        self.csv.as_ref().map(read).transpose()
    }
}

async fn import(server: &Server, name: &CohortName, file: Vec<u8>) -> Result<Value, CliError> {
    let length = file.len() as u64;
    let path = format!("/api/v1/cohorts/{name}/import");
    server.post_bytes(&path, file.into(), length).await
}

fn said(cohort: &Value) {
    let (name, devices) = (show::field(cohort, "/name"), show::field(cohort, "/devices"));
    show::text(&format!("cohort {name} holds {devices} lock(s)"));
}
