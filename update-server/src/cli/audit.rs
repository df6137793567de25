//! The audit log from outside: its lines, and whether each follows from the one before.

use clap::Subcommand;
use serde_json::{Value, json};

use super::ask::{Done, answer};
use super::client::Server;
use super::serve::{DataPlace, open_offline};
use super::{CliError, show};
use crate::domain::audit::Recorded;
use crate::domain::audit::chain::{Broken, Head, Inspection};
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
    /// Check every line against the ones before it, and show the first that does not follow. Prints the log's head:
    /// keep it where the server's keepers cannot write, and give it along the next time.
    Verify {
        /// A head that was printed before. The log must still contain it.
        #[arg(long, value_name = "NUMBER:LINK")]
        noted: Option<Head>,
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
            offline,
            place,
            server,
        } => {
            let source = if offline {
                Source::Database(open_offline(&place).await?)
            } else {
                Source::Server(server)
            };
            verify(&source, noted, as_json).await
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

async fn verify(source: &Source, noted: Option<Head>, as_json: bool) -> Done {
    let mut inspection = Inspection::new(noted);
    let broken = |broken: Broken| {
        CliError::failed(format!(
            "the audit log is broken: {broken}. Keep a copy of the database, and compare it with your backups"
        ))
    };
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
    let head = inspection.end().map_err(broken)?;
    let verdict = json!({ "lines": head.number, "head": head.to_string() });
    answer(&verdict, as_json, |_| {
        show::text(&format!(
            "{} lines, each follows from the one before",
            head.number
        ));
        show::text(&format!("head  {head}"));
    })
}
