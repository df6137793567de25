//! `incident`: which locks a weakness affects, as somebody has to report it.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::ask::{Done, answer, full_digest};
use super::client::Server;
use super::{CliError, show};
use crate::domain::bound::Bound;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Count affected locks by hardware and version.
    Report {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        server: Server,
    },
    /// List every affected lock, as CSV or JSON on standard output.
    Devices {
        #[command(flatten)]
        which: Which,
        /// In what form.
        #[arg(long, value_enum, default_value = "csv")]
        format: Format,
        #[command(flatten)]
        server: Server,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Format {
    Csv,
    Json,
}

/// Which locks are affected. All that is given must hold; something must be given.
#[derive(Args)]
#[group(required = true, multiple = true)]
pub(super) struct Which {
    /// Those that run this release: its digest, or the beginning of it (8 digits at least).
    #[arg(long)]
    release: Option<String>,
    /// Those of this hardware class, by its name.
    #[arg(long)]
    class: Option<String>,
    /// Those that run this version or a later one; X.Y.Z, X.Y and X are versions too, with all that begin so.
    #[arg(long, value_name = "X.Y.Z+B")]
    from: Option<Bound>,
    /// Those that run this version or an earlier one; up to X.Y.Z is up to its last build, up to X.Y to the last X.Y.
    #[arg(long, value_name = "X.Y.Z+B")]
    to: Option<Bound>,
    /// Those whose image has this security counter or a higher one.
    #[arg(long, value_name = "N")]
    counter_from: Option<u32>,
    /// Those whose image has this security counter or a lower one.
    #[arg(long, value_name = "N")]
    counter_to: Option<u32>,
}

const COUNT: &[(&str, &str)] = &[
    ("CLASS", "/class_name"),
    ("VERSION", "/version"),
    ("COUNTER", "/security_counter"),
    ("LOCKS", "/devices"),
    ("SEEN THIS WEEK", "/seen_within_a_week"),
    ("MAY RUN", "/may_run"),
    ("DIGEST", "/digest"),
];

pub(super) async fn run(command: Command, as_json: bool) -> Done {
    match command {
        Command::Report { which, server } => {
            let path = format!("/api/v1/incidents/affected?{}", which.query(&server).await?);
            let report = server.get(&path).await?;
            answer(&report, as_json, show_report)
        }
        Command::Devices {
            which,
            format,
            server,
        } => {
            let form = match format {
                Format::Json => "json",
                Format::Csv if as_json => "json",
                Format::Csv => "csv",
            };
            let path = format!(
                "/api/v1/incidents/affected.{form}?{}",
                which.query(&server).await?
            );
            server.copy(&path, &mut std::io::stdout()).await
        }
    }
}

impl Which {
    async fn query(&self, server: &Server) -> Result<String, CliError> {
        let release = match &self.release {
            Some(release) => Some(full_digest(server, release).await?),
            None => None,
        };
        let fields = [
            ("release", release),
            ("class", self.class.clone()),
            ("from", self.from.map(|bound| bound.to_string())),
            ("to", self.to.map(|bound| bound.to_string())),
            (
                "counter_from",
                self.counter_from.map(|counter| counter.to_string()),
            ),
            ("counter_to", self.counter_to.map(|counter| counter.to_string())),
        ];
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in fields {
            if let Some(value) = value {
                query.append_pair(name, &value);
            }
        }
        Ok(query.finish())
    }
}

fn show_report(report: &Value) {
    show::listing(report.get("counts").unwrap_or(&Value::Null), COUNT);
    show::text(&format!(
        "{} lock(s) are affected{}; {} more may run such a release, which they were told to install or asked their \
         bootloader for; {} more are let in and never said what they run",
        show::field(report, "/devices"),
        within(report),
        show::field(report, "/may_run"),
        show::field(report, "/unknown")
    ));
}

/// Which versions were asked about, if the question had bounds.
fn within(report: &Value) -> String {
    let bound = |path: &str| report.pointer(path).is_some_and(Value::is_string);
    match (bound("/from"), bound("/to")) {
        (false, false) => String::new(),
        (true, false) => format!(", of versions from {}", show::field(report, "/from")),
        (false, true) => format!(", of versions up to {}", show::field(report, "/to")),
        (true, true) => format!(
            ", of versions from {} up to {}",
            show::field(report, "/from"),
            show::field(report, "/to")
        ),
    }
}
