//! The command `latchkey-server`: the server itself, and thin commands over its operator API.

mod audit;
mod client;
mod commands;
mod incident;
mod serve;
mod show;
mod tuf;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::domain::access::Role;
use crate::domain::device;
use crate::domain::document::DocumentKind;
use crate::domain::hours::Hours;
use crate::domain::release::ReleaseKind;
use crate::domain::share::Share;
use crate::domain::watch::Standing;
use crate::domain::wishes::Updates;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed or refused; the message says why and what to do
  2  the command line is not understood
  3  the server cannot be reached
  4  the server wants another token";

/// Publishes signed images, enrols locks, and tells each what it may install.
#[derive(Parser)]
#[command(name = "latchkey-server", version, after_help = EXIT_CODES, after_long_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Print facts as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server. Without any option it works: SQLite and a local folder, in ./latchkey-data.
    Serve(serve::Serve),
    /// Print the director's public key as PEM, for building locks. Makes the key when there is none.
    DirectorKey(serve::KeyPlace),
    /// Make, list and revoke tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Say whose signatures count for a hardware class.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Publish until when each model gets security updates.
    #[command(subcommand)]
    Support(SupportCommand),
    /// Have others told of what happens.
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// Publish and list signed images.
    #[command(subcommand)]
    Release(ReleaseCommand),
    /// List, approve and revoke locks.
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Roll a release out, pause it, abort it, see how it goes.
    #[command(subcommand)]
    Rollout(RolloutCommand),
    /// Say which locks a weakness affects, for a report.
    #[command(subcommand)]
    Incident(incident::Command),
    /// Publish releases as a repository of The Update Framework, for standard clients.
    #[command(subcommand)]
    Tuf(tuf::Command),
    /// Show who changed what, and whether the log of it is whole.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Print shell completions.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Make a token. It is shown once.
    Create {
        /// What to call it: what it is for.
        #[arg(long)]
        name: String,
        /// Whose it is. Where two persons are needed, all tokens of one count as one. Without it: the name.
        #[arg(long)]
        person: Option<String>,
        /// administrator, operator, release-engineer or viewer.
        #[arg(long)]
        role: Role,
        /// Without a server: write to the database of --data or --database directly. The way back in when
        /// every administrator's token is lost.
        #[arg(long)]
        offline: bool,
        #[command(flatten)]
        place: serve::DataPlace,
        #[command(flatten)]
        server: client::Server,
    },
    /// List tokens, without their secrets.
    List {
        #[command(flatten)]
        server: client::Server,
    },
    /// Make a token worthless, at once and for good.
    Revoke {
        /// The token's public half: the 16 hex digits behind `lks_`.
        id: String,
        #[command(flatten)]
        server: client::Server,
    },
}

#[derive(Subcommand)]
enum PolicyCommand {
    /// Register a policy file, the same one that is baked into the bootloader.
    Set {
        /// The hardware class's name, such as lock-emulator-1.
        #[arg(long)]
        class: String,
        /// The policy file.
        file: PathBuf,
        #[command(flatten)]
        server: client::Server,
    },
    /// List registered policies.
    List {
        #[command(flatten)]
        server: client::Server,
    },
}

#[derive(Subcommand)]
enum WebhookCommand {
    /// Make a webhook. Its secret is shown once.
    Create {
        /// Where to: https://…
        #[arg(long)]
        url: String,
        /// Actions of the audit log it is told of, or their beginnings: `rollout.`, `device.alarm`. May be said again.
        #[arg(long = "event", value_name = "ACTION")]
        events: Vec<String>,
        #[command(flatten)]
        server: client::Server,
    },
    /// List webhooks, and how far each has been told.
    List {
        #[command(flatten)]
        server: client::Server,
    },
    /// Remove a webhook.
    Remove {
        /// Its name, 16 hex digits.
        id: String,
        #[command(flatten)]
        server: client::Server,
    },
}

#[derive(Subcommand)]
enum SupportCommand {
    /// Say until when a model gets security updates. Anybody can read it.
    Set {
        /// The hardware class's name, such as lock-emulator-1.
        #[arg(long)]
        class: String,
        /// The last day: 2032-12-31.
        #[arg(long, value_name = "DAY")]
        ends_on: String,
        #[command(flatten)]
        server: client::Server,
    },
    /// List models, and until when each is supported.
    List {
        #[command(flatten)]
        server: client::Server,
    },
}

#[derive(Subcommand)]
enum ReleaseCommand {
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
        server: client::Server,
    },
    /// List releases, newest first.
    List {
        #[command(flatten)]
        server: client::Server,
    },
    /// Add a bill of materials or an advisory to a release. Those added before stay, as earlier versions.
    Attach {
        /// The release: its digest, or the beginning of it (8 digits at least).
        release: String,
        /// A bill of materials: CycloneDX or SPDX, in JSON.
        #[arg(long, value_name = "FILE", required_unless_present = "advisory")]
        sbom: Option<PathBuf>,
        /// An advisory: what the release mends and what is to be done, as text.
        #[arg(long, value_name = "FILE")]
        advisory: Option<PathBuf>,
        #[command(flatten)]
        server: client::Server,
    },
    /// List the documents of a release.
    Documents {
        /// The release: its digest, or the beginning of it (8 digits at least).
        release: String,
        #[command(flatten)]
        server: client::Server,
    },
    /// Print a document of a release as it was added.
    Document {
        /// The release: its digest, or the beginning of it (8 digits at least).
        release: String,
        /// sbom or advisory.
        kind: DocumentKind,
        /// This version instead of the newest.
        #[arg(long = "version", value_name = "N")]
        number: Option<u32>,
        #[command(flatten)]
        server: client::Server,
    },
}

#[derive(Subcommand)]
enum DeviceCommand {
    /// List locks.
    List {
        /// Only those in this state: approved, awaiting, expected or revoked.
        #[arg(long)]
        state: Option<device::State>,
        /// Only those whose key two devices seem to have.
        #[arg(long)]
        alarmed: bool,
        #[command(flatten)]
        server: client::Server,
    },
    /// Show one lock.
    Show {
        /// Its name, 32 hex digits.
        id: String,
        #[command(flatten)]
        server: client::Server,
    },
    /// Let enrolled locks in.
    Approve {
        /// Their names, 32 hex digits each.
        #[arg(required = true)]
        ids: Vec<String>,
        #[command(flatten)]
        server: client::Server,
    },
    /// Name locks that are approved as soon as they enrol.
    Expect {
        /// Their names, 32 hex digits each.
        #[arg(required = true)]
        ids: Vec<String>,
        #[command(flatten)]
        server: client::Server,
    },
    /// Name locks from a CSV file, all or none: columns id or public_key, and class where the hardware is known.
    Import {
        /// The file; its first line names the columns.
        file: PathBuf,
        /// Only say what would come of it, and which lines are wrong.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        server: client::Server,
    },
    /// Shut a lock out for good.
    Revoke {
        /// Its name, 32 hex digits.
        id: String,
        #[command(flatten)]
        server: client::Server,
    },
    /// Say what is wanted of updates for a lock, and where it is. What is not said is as for any lock.
    Wishes {
        /// Its name, 32 hex digits.
        id: String,
        /// all, security (security updates only) or none (none by the air; its owner's phone still can).
        #[arg(long, default_value = "all")]
        updates: Updates,
        /// None for so many days; 90 at most.
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=90))]
        postpone: Option<u16>,
        /// Where it is, by IANA name such as Europe/Berlin. Without it, where the fleet is.
        #[arg(long)]
        zone: Option<String>,
        #[command(flatten)]
        server: client::Server,
    },
    /// End the alarm that two devices have a lock's key: you know that one is left.
    Settle {
        /// Its name, 32 hex digits.
        id: String,
        #[command(flatten)]
        server: client::Server,
    },
    /// Say what a lock would get if it checked in now, and why.
    Decision {
        /// Its name, 32 hex digits.
        id: String,
        #[command(flatten)]
        server: client::Server,
    },
    /// Show a lock's reports, newest first.
    Reports {
        /// Its name, 32 hex digits.
        id: String,
        #[command(flatten)]
        server: client::Server,
    },
}

#[derive(Subcommand)]
enum RolloutCommand {
    /// Start a rollout.
    Create {
        /// The release: its digest, or the beginning of it (8 digits at least).
        #[arg(long)]
        release: String,
        #[command(flatten)]
        to: To,
        /// How many of them it reaches, stage by stage, in percent: `1,10,50,100`. `rollout widen` goes on by hand.
        #[arg(long, value_name = "PERCENT,…", value_delimiter = ',', default_value = "100")]
        stages: Vec<Share>,
        /// Go on to the next stage once so many locks have confirmed the release since the stage began,
        #[arg(long, value_name = "COUNT")]
        advance_confirmed: Option<u32>,
        /// and the stage has lasted so long.
        #[arg(
            long,
            value_name = "HOURS",
            requires = "advance_confirmed",
            default_value_t = 24
        )]
        advance_soak: u32,
        #[command(flatten)]
        halt: Halt,
        #[command(flatten)]
        terms: Terms,
        /// Starting and widening it takes two persons: another one than you says `rollout resume`. Stopping it takes one.
        #[arg(long)]
        two_persons: bool,
        /// Make it, but do not start it: see with `rollout preview` whom it would reach, then `rollout resume`.
        #[arg(long)]
        hold: bool,
        #[command(flatten)]
        server: client::Server,
    },
    /// List the locks it is for: which it reaches, and what became of each offer.
    Devices {
        /// Its name, 16 hex digits.
        id: String,
        /// Only those that it reaches now.
        #[arg(long)]
        reached: bool,
        /// Only those whose offer came to this: confirmed, declined, deferred, offered, refused, requested or reverted.
        #[arg(long)]
        standing: Option<Standing>,
        #[command(flatten)]
        server: client::Server,
    },
    /// Count which locks would be offered it, were they all to call now, and why not the others. Before it starts too.
    Preview {
        /// Its name, 16 hex digits.
        id: String,
        #[command(flatten)]
        server: client::Server,
    },
    /// Give a lock that refused or reverted it another try.
    Retry {
        /// Its name, 16 hex digits.
        id: String,
        /// The lock's name, 32 hex digits.
        #[arg(long)]
        device: String,
        #[command(flatten)]
        server: client::Server,
    },
    /// Have it reach more locks. Who was reached stays so.
    Widen {
        /// Its name, 16 hex digits.
        id: String,
        /// In percent of all it is for.
        #[arg(long, value_name = "PERCENT")]
        percent: Share,
        #[command(flatten)]
        server: client::Server,
    },
    /// List rollouts, newest first.
    List {
        #[command(flatten)]
        server: client::Server,
    },
    /// Show how a rollout goes.
    Status {
        /// Its name, 16 hex digits.
        id: String,
        #[command(flatten)]
        server: client::Server,
    },
    /// Stop offering it until it is resumed.
    Pause {
        /// Its name, 16 hex digits.
        id: String,
        #[command(flatten)]
        server: client::Server,
    },
    /// Go on with a paused rollout.
    Resume {
        /// Its name, 16 hex digits.
        id: String,
        #[command(flatten)]
        server: client::Server,
    },
    /// End it for good.
    Abort {
        /// Its name, 16 hex digits.
        id: String,
        #[command(flatten)]
        server: client::Server,
    },
}

/// Whom a rollout is for. One of the two must be said.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct To {
    /// Every approved lock of the release's hardware class, later ones too.
    #[arg(long)]
    all: bool,
    /// This lock; may be said again for further ones.
    #[arg(long = "device", value_name = "ID")]
    devices: Vec<String>,
}

/// When a rollout halts itself. What is left out is as the server has it for any rollout.
#[derive(clap::Args)]
struct Halt {
    /// Halt it at so many failures: refused, reverted or silent.
    #[arg(long, value_name = "COUNT")]
    halt_failures: Option<u32>,
    /// Halt it above this share of failures, in percent,
    #[arg(long, value_name = "PERCENT")]
    halt_percent: Option<Share>,
    /// once there are so many outcomes.
    #[arg(long, value_name = "COUNT")]
    halt_sample: Option<u32>,
    /// Take a lock that says nothing for so many hours after the offer as a failure.
    #[arg(long, value_name = "HOURS")]
    halt_silence: Option<u32>,
}

/// On what terms a rollout is offered.
#[derive(clap::Args)]
struct Terms {
    /// Not to locks with less battery charge; without it, what locks ask for themselves.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    battery_percent: Option<u8>,
    /// Not before this time: 2027-03-01T08:00:00Z, or with another offset than Z.
    #[arg(long, value_name = "TIME")]
    not_before: Option<jiff::Timestamp>,
    /// Only at this time of each lock's day, such as 22:00-05:30.
    #[arg(long, value_name = "HH:MM-HH:MM")]
    hours: Option<Hours>,
}

/// Why a command did not do what it should, with the exit code for it.
#[derive(Debug)]
pub(crate) struct CliError {
    code: u8,
    message: String,
}

impl CliError {
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self {
            code: 1,
            message: message.into(),
        }
    }

    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self {
            code: 3,
            message: message.into(),
        }
    }

    pub(crate) fn unauthorised(message: impl Into<String>) -> Self {
        Self {
            code: 4,
            message: message.into(),
        }
    }
}

impl From<anyhow::Error> for CliError {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(format!("{error:#}"))
    }
}

/// Reads the command line and does what it says.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    // One TLS implementation for whatever speaks HTTPS here; a second call changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match dispatch(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            show::error(&error.message);
            ExitCode::from(error.code)
        }
    }
}

async fn dispatch(cli: Cli) -> Result<(), CliError> {
    match cli.command {
        Command::Serve(options) => serve::serve(options, cli.json).await,
        Command::DirectorKey(place) => serve::director_key(&place, cli.json),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "latchkey-server",
                &mut std::io::stdout(),
            );
            Ok(())
        }
        Command::Token(command) => commands::token(command, cli.json).await,
        Command::Webhook(command) => commands::webhook(command, cli.json).await,
        Command::Support(command) => commands::support(command, cli.json).await,
        Command::Policy(command) => commands::policy(command, cli.json).await,
        Command::Release(command) => commands::release(command, cli.json).await,
        Command::Device(command) => commands::device(command, cli.json).await,
        Command::Rollout(command) => commands::rollout(command, cli.json).await,
        Command::Incident(command) => incident::run(command, cli.json).await,
        Command::Tuf(command) => tuf::run(command, cli.json).await,
        Command::Audit(command) => audit::run(command, cli.json).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_rollout_to_nobody_in_particular_is_not_understood() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' ')).is_ok();
        let create = "latchkey-server rollout create --release 0123456789";
        assert!(parse(&format!("{create} --all")));
        assert!(parse(&format!("{create} --device a --device b")));
        assert!(!parse(create));
        assert!(!parse(&format!("{create} --all --device a")));
    }
}
