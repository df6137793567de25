//! `rollout`: bring a release to locks, watch how it goes, stop it.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::ask::{Done, all_pages, answer, full_digest, segment};
use super::client::Server;
use super::{CliError, show};
use crate::domain::cohort::CohortName;
use crate::domain::hours::Hours;
use crate::domain::share::Share;
use crate::domain::watch::Standing;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Start a rollout.
    Create(Create),
    /// List the locks it is for: which it reaches, and what became of each offer.
    Devices {
        /// Its name, 16 hex digits.
        id: String,
        /// Only those that it reaches now.
        #[arg(long)]
        reached: bool,
        /// Only those whose offer came to this: confirmed, declined, deferred, lapsed, offered, refused, requested or reverted.
        #[arg(long)]
        standing: Option<Standing>,
        #[command(flatten)]
        server: Server,
    },
    /// Count which locks would be offered it, were they all to call now, and why not the others. Before it starts too.
    Preview {
        /// Its name, 16 hex digits.
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// Give a lock that refused or reverted it another try.
    Retry {
        /// Its name, 16 hex digits.
        id: String,
        /// The lock's name, 32 hex digits.
        #[arg(long)]
        device: String,
        #[command(flatten)]
        server: Server,
    },
    /// Have it reach more locks. Who was reached stays so.
    Widen {
        /// Its name, 16 hex digits.
        id: String,
        /// In percent of all it is for, and all its cohorts;
        #[arg(long, value_name = "PERCENT", required_unless_present = "cohort")]
        percent: Option<Share>,
        /// or up to this one of the cohorts that it begins with.
        #[arg(long, value_name = "COHORT", conflicts_with = "percent")]
        cohort: Option<CohortName>,
        #[command(flatten)]
        server: Server,
    },
    /// List rollouts, newest first.
    List {
        #[command(flatten)]
        server: Server,
    },
    /// Show how a rollout goes.
    Status {
        /// Its name, 16 hex digits.
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// Stop offering it until it is resumed.
    Pause {
        /// Its name, 16 hex digits.
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// Go on with a paused rollout.
    Resume {
        /// Its name, 16 hex digits.
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// End it for good.
    Abort {
        /// Its name, 16 hex digits.
        id: String,
        #[command(flatten)]
        server: Server,
    },
}

/// A rollout to start.
#[derive(Args)]
pub(super) struct Create {
    /// The release: its digest, or the beginning of it (8 digits at least).
    #[arg(long)]
    release: String,
    #[command(flatten)]
    to: To,
    /// Begin with this cohort, as a stage before those of `--stages`; may be said again for further ones. It takes who is
    /// in the cohort now, and nobody who joins later. With --all.
    #[arg(long = "cohort", value_name = "COHORT", requires = "all")]
    cohorts: Vec<CohortName>,
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
    server: Server,
}

/// Whom a rollout is for. One of the two must be said.
#[derive(Args)]
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
#[derive(Args)]
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
    /// Take a lock that was offered it and then not heard of for so many hours as a failure.
    #[arg(long, value_name = "HOURS")]
    halt_silence: Option<u32>,
}

/// On what terms a rollout is offered.
#[derive(Args)]
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

const ROLLOUT: &[(&str, &str)] = &[
    ("ROLLOUT", "/id"),
    ("STATE", "/state"),
    ("TO", "/to"),
    ("%", "/percent"),
    ("RELEASE", "/release"),
];

const ROLLOUT_CARD: &[(&str, &str)] = &[
    ("rollout", "/id"),
    ("state", "/state"),
    ("because", "/halted_because"),
    ("release", "/release"),
    ("to", "/to"),
    ("cohorts", "/cohorts"),
    ("reaches of these", "/cohorts_reached"),
    ("reaches %", "/percent"),
    ("stages %", "/stages"),
    ("audience", "/progress/included"),
    ("offered", "/progress/offered"),
    ("requested", "/progress/requested"),
    ("on trial", "/progress/on_trial"),
    ("confirmed", "/progress/confirmed"),
    ("refused", "/progress/refused"),
    ("reverted", "/progress/reverted"),
    ("silent", "/health/silent"),
    ("deferred", "/health/deferred"),
    ("declined", "/health/declined"),
];

const PREVIEW: &[(&str, &str)] = &[
    ("LOCKS", "/devices"),
    ("RUN", "/version"),
    ("WOULD BE TOLD", "/verdict"),
];

const STAGE: &[(&str, &str)] = &[
    ("STAGE ADDS LOCKS", "/devices"),
    ("COHORT", "/cohort"),
    ("UP TO %", "/percent"),
];

const MEMBER: &[(&str, &str)] = &[
    ("DEVICE", "/id"),
    ("RUNS", "/version"),
    ("COHORT", "/cohort"),
    ("PLACE %", "/place"),
    ("REACHED", "/reached"),
    ("STANDING", "/standing"),
    ("NOW", "/verdict"),
];

pub(super) async fn run(command: Command, as_json: bool) -> Done {
    match command {
        Command::Create(wanted) => create(wanted, as_json).await,
        Command::Devices {
            id,
            reached,
            standing,
            server,
        } => {
            let filter = standing.map_or_else(String::new, |standing| format!("&standing={standing}"));
            let mut devices = all_pages(&server, &rollout_path(&id, "/devices")?, &filter).await?;
            if reached && let Value::Array(devices) = &mut devices {
                devices.retain(|device| device.pointer("/reached") == Some(&Value::Bool(true)));
            }
            answer(&devices, as_json, |devices| {
                show::listing(devices, MEMBER);
                show::text(&format!("{} locks", devices.as_array().map_or(0, Vec::len)));
            })
        }
        Command::Preview { id, server } => {
            let preview = server.get(&rollout_path(&id, "/preview")?).await?;
            answer(&preview, as_json, |preview| {
                for (list, columns) in [("groups", PREVIEW), ("stages", STAGE)] {
                    if let Some(rows) = preview.get(list) {
                        show::listing(rows, columns);
                    }
                }
                let (offered, included) = (
                    show::field(preview, "/offered"),
                    show::field(preview, "/included"),
                );
                let class = show::field(preview, "/class_name");
                show::text(&format!(
                    "{offered} of {included} locks of {class} would be offered it now"
                ));
            })
        }
        Command::Retry { id, device, server } => {
            let path = rollout_path(&id, &format!("/devices/{}/retry", segment(&device)?))?;
            let rollout = server.post(&path, None).await?;
            answer(&rollout, as_json, |_| {
                show::text(&format!("device {device} gets another try at its next check-in"));
            })
        }
        Command::Widen {
            id,
            percent,
            cohort,
            server,
        } => {
            let body = json!({
                "percent": percent.map(Share::percent),
                "cohort": cohort.as_ref().map(CohortName::as_str),
            });
            let rollout = server.post(&rollout_path(&id, "/widen")?, Some(&body)).await?;
            answer(&rollout, as_json, |rollout| {
                show::text(&format!(
                    "rollout {id} reaches {} of its cohorts and {} %",
                    show::field(rollout, "/cohorts_reached"),
                    show::field(rollout, "/percent")
                ));
                asked(rollout);
            })
        }
        Command::List { server } => {
            let rollouts = all_pages(&server, "/api/v1/rollouts", "").await?;
            answer(&rollouts, as_json, |rollouts| show::listing(rollouts, ROLLOUT))
        }
        Command::Status { id, server } => {
            let rollout = server.get(&rollout_path(&id, "")?).await?;
            answer(&rollout, as_json, |rollout| show::card(rollout, ROLLOUT_CARD))
        }
        Command::Pause { id, server } => moved(&server, &id, "/pause", as_json).await,
        Command::Resume { id, server } => moved(&server, &id, "/resume", as_json).await,
        Command::Abort { id, server } => moved(&server, &id, "/abort", as_json).await,
    }
}

async fn create(wanted: Create, as_json: bool) -> Done {
    let Create {
        release,
        to,
        cohorts,
        stages,
        advance_confirmed,
        advance_soak,
        halt,
        terms,
        two_persons,
        hold,
        server,
    } = wanted;
    let stages: Vec<f64> = stages.into_iter().map(Share::percent).collect();
    let body = json!({
        "release": full_digest(&server, &release).await?,
        "to": if to.all { "all" } else { "list" },
        "devices": to.devices,
        "cohorts": cohorts.iter().map(CohortName::as_str).collect::<Vec<_>>(),
        "stages": stages,
        "advance": advance_confirmed
            .map(|confirmed| json!({ "confirmed": confirmed, "soak_hours": advance_soak })),
        "start": !hold,
        "two_persons": two_persons,
        "terms": {
            "battery_percent": terms.battery_percent,
            "not_before_ms": terms.not_before.map(|time| time.as_millisecond()),
            "hours": terms.hours.map(|hours| hours.to_string()),
        },
        "halt": {
            "failures": halt.halt_failures,
            "percent": halt.halt_percent.map(Share::percent),
            "sample": halt.halt_sample,
            "silence_hours": halt.halt_silence,
        },
    });
    let rollout = server.post("/api/v1/rollouts", Some(&body)).await?;
    answer(&rollout, as_json, |rollout| {
        said(rollout);
    })
}

async fn moved(server: &Server, id: &str, step: &str, as_json: bool) -> Done {
    let rollout = server.post(&rollout_path(id, step)?, None).await?;
    answer(&rollout, as_json, said)
}

/// Where a rollout stands, in words.
fn said(rollout: &Value) {
    let (id, state) = (show::field(rollout, "/id"), show::field(rollout, "/state"));
    show::text(&format!("rollout {id} is {state}"));
    asked(rollout);
}

/// What another person has yet to ask for, if anything.
fn asked(rollout: &Value) {
    if rollout.get("asked").is_some() {
        show::text(&format!(
            "{} asked for this; it is done when another person asks for the same within a day",
            show::field(rollout, "/asked/person")
        ));
    }
}

fn rollout_path(id: &str, rest: &str) -> Result<String, CliError> {
    Ok(format!("/api/v1/rollouts/{}{rest}", segment(id)?))
}
