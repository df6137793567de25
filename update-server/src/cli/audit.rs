//! The audit log from outside: its lines, and whether each follows from the one before.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};

use super::ask::{Done, answer};
use super::client::Server;
use super::serve::{DataPlace, open_offline};
use super::{CliError, show};
use crate::domain::audit::Recorded;
use crate::domain::audit::chain::{Anchor, Broken, Head, Inspection};
use crate::limits::PAGE_ROWS_MAX;
use crate::store::Store;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List its lines, oldest first.
    List {
        /// Only lines behind this number.
        #[arg(long, default_value_t = 0)]
        after: i64,
        #[command(flatten)]
        server: Server,
    },
    /// Check every line against the ones before it and the last against where the log ends by what is kept beside it,
    /// and show the first that does not follow. Prints the log's head: keep it where the server's keepers cannot write,
    /// and give it along the next time.
    Verify {
        /// A head that was printed before. The log must still contain it.
        #[arg(long, visible_alias = "expect-head", value_name = "NUMBER:LINK")]
        noted: Option<Head>,
        /// Keep the head in this file: the log must contain the one that is there, and its new head is put in its place.
        /// For a machine where the server's keepers cannot write, once a day.
        #[arg(long, value_name = "FILE", conflicts_with = "noted")]
        checkpoint: Option<PathBuf>,
        /// Without a server: read the database of --data or --database directly.
        #[arg(long)]
        offline: bool,
        #[command(flatten)]
        place: DataPlace,
        #[command(flatten)]
        server: Server,
    },
}

pub(super) async fn run(command: Command, as_json: bool) -> Done {
    match command {
        Command::List { after, server } => list(after, &server, as_json).await,
        Command::Verify {
            noted,
            checkpoint,
            offline,
            place,
            server,
        } => {
            let noted = match &checkpoint {
                Some(file) => read_checkpoint(file)?,
                None => noted,
            };
            let source = if offline {
                Source::Database(open_offline(&place).await?)
            } else {
                Source::Server(server)
            };
            let head = verify(&source, noted).await?;
            if let Some(file) = &checkpoint {
                if head.number == 0 {
                    return Err(CliError::failed(
                        "the log has no lines yet, so there is no head to keep. Nothing was written",
                    ));
                }
                write_checkpoint(file, &head)?;
            }
            tell(&head, as_json)
        }
    }
}

/// Where lines come from.
enum Source {
    Server(Server),
    Database(Store),
}

impl Source {
    /// The next lines behind line `after`; none at the end.
    async fn page(&self, after: i64) -> Result<Vec<Recorded>, CliError> {
        match self {
            Self::Server(server) => serde_json::from_value(page(server, after).await?).map_err(|error| {
                CliError::failed(format!(
                    "the server's audit log is not of the documented form: {error}"
                ))
            }),
            Self::Database(store) => {
                let lines = store.audit(after, PAGE_ROWS_MAX).await;
                lines.map_err(|failure| anyhow::Error::from(failure).into())
            }
        }
    }
}

impl Source {
    /// Where the log ends by what is kept beside it.
    async fn anchor(&self) -> Result<Anchor, CliError> {
        match self {
            Self::Server(server) => {
                let told = server.get("/api/v1/audit/head").await?;
                serde_json::from_value(told).map_err(|error| {
                    CliError::failed(format!(
                        "the server's word on where its audit log ends is not of the documented form: {error}"
                    ))
                })
            }
            Self::Database(store) => {
                let anchor = store.audit_anchor().await;
                anchor.map_err(|failure| anyhow::Error::from(failure).into())
            }
        }
    }
}

async fn page(server: &Server, after: i64) -> Result<Value, CliError> {
    server
        .get(&format!("/api/v1/audit?after={after}&limit={PAGE_ROWS_MAX}"))
        .await
}

async fn list(mut after: i64, server: &Server, as_json: bool) -> Done {
    let mut lines = Vec::new();
    loop {
        let Value::Array(more) = page(server, after).await? else {
            return Err(CliError::failed("the server's audit log is no list"));
        };
        let last = more.last().and_then(|line| line.pointer("/number")?.as_i64());
        lines.extend(more);
        // A page that leads nowhere is the end, whatever the server means by it.
        match last.filter(|last| *last > after) {
            Some(last) => after = last,
            None => break,
        }
    }
    answer(&Value::Array(lines), as_json, |lines| {
        let columns = [
            ("NUMBER", "/number"),
            ("ACTION", "/action"),
            ("SUBJECT", "/subject"),
            ("ACTOR", "/actor"),
        ];
        show::listing(lines, &columns);
    })
}

async fn verify(source: &Source, noted: Option<Head>) -> Result<Head, CliError> {
    let broken = |broken: Broken| {
        CliError::failed(format!(
            "the audit log is broken: {broken}. Keep a copy of the database, and compare it with your backups"
        ))
    };
    let mut inspection = Inspection::default();
    for anchor in noted
        .map(Anchor::from)
        .into_iter()
        .chain([source.anchor().await?])
    {
        inspection.expect(anchor).map_err(broken)?;
    }
    loop {
        let lines = source.page(inspection.reached()).await?;
        if lines.is_empty() {
            break;
        }
        lines
            .iter()
            .try_for_each(|line| inspection.follow(line))
            .map_err(broken)?;
    }
    inspection.end().map_err(broken)
}

fn tell(head: &Head, as_json: bool) -> Done {
    let verdict = json!({ "lines": head.number, "head": head.to_string() });
    answer(&verdict, as_json, |_| {
        show::text(&format!(
            "{} lines, each follows from the one before",
            head.number
        ));
        show::text(&format!("head  {head}"));
    })
}

/// The head in a checkpoint file; none before the first time.
fn read_checkpoint(file: &Path) -> Result<Option<Head>, CliError> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(CliError::failed(format!(
                "cannot read {}: {error}. Nothing was checked",
                file.display()
            )));
        }
    };
    let head = text.trim().parse();
    head.map(Some)
        .map_err(|error| CliError::failed(format!("{}: {error}. Nothing was checked", file.display())))
}

/// Puts a head in the file's place, whole or not at all.
fn write_checkpoint(file: &Path, head: &Head) -> Result<(), CliError> {
    let next = file.with_added_extension("next");
    let written = std::fs::File::create(&next)
        .and_then(|mut opened| {
            writeln!(opened, "{head}")?;
            opened.sync_all()
        })
        .and_then(|()| std::fs::rename(&next, file));
    written.map_err(|error| {
        CliError::failed(format!(
            "the log holds, but its head {head} could not be kept in {}: {error}",
            file.display()
        ))
    })
}
