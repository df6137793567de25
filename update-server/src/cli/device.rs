//! `device`: the locks, one by one or by the file.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::ask::{Done, all_pages, answer, read_file_up_to, segment};
use super::client::Server;
use super::{CliError, show};
use crate::clock::{Clock as _, SystemClock};
use crate::domain::device::State;
use crate::domain::wishes::Updates;
use crate::limits::LIST_FILE_BYTES_MAX;

const DAY_MS: i64 = 24 * 3_600_000;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List locks.
    List {
        /// Only those in this state: approved, awaiting, expected or revoked.
        #[arg(long)]
        state: Option<State>,
        /// Only those whose key two devices seem to have.
        #[arg(long)]
        alarmed: bool,
        #[command(flatten)]
        server: Server,
    },
    /// Show one lock.
    Show {
        /// Its name, 32 hex digits.
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// Let enrolled locks in.
    Approve {
        /// Their names, 32 hex digits each.
        #[arg(required = true)]
        ids: Vec<String>,
        #[command(flatten)]
        server: Server,
    },
    /// Name locks that are approved as soon as they enrol.
    Expect {
        /// Their names, 32 hex digits each.
        #[arg(required = true)]
        ids: Vec<String>,
        #[command(flatten)]
        server: Server,
    },
    /// Name locks from a CSV file, all or none: columns id or public_key, and class where the hardware is known.
    Import {
        /// The file; its first line names the columns.
        file: PathBuf,
        /// Only say what would come of it, and which lines are wrong.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        server: Server,
    },
    /// Let in a device by others, which speaks hawkBit's device interface. Its token is shown here, once.
    Hawkbit {
        /// Its hardware class.
        #[arg(long)]
        class: String,
        #[command(flatten)]
        server: Server,
    },
    /// Shut a lock out for good.
    Revoke {
        /// Its name, 32 hex digits.
        id: String,
        #[command(flatten)]
        server: Server,
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
        server: Server,
    },
    /// End the alarm that two devices have a lock's key: you know that one is left.
    Settle {
        /// Its name, 32 hex digits.
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// Say what a lock would get if it checked in now, and why.
    Decision {
        /// Its name, 32 hex digits.
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// Show a lock's reports, newest first.
    Reports {
        /// Its name, 32 hex digits.
        id: String,
        #[command(flatten)]
        server: Server,
    },
}

const MISTAKE: &[(&str, &str)] = &[("LINE", "/line"), ("MISTAKE", "/what")];

const DEVICE: &[(&str, &str)] = &[
    ("DEVICE", "/id"),
    ("STATE", "/state"),
    ("CLASS", "/class_name"),
    ("RUNS", "/told/version"),
    ("CONFIRMED", "/told/confirmed"),
    ("BOOT", "/told/boot/outcome"),
    ("OFFERED", "/offered"),
    ("ALARM", "/alarm_since_ms"),
];

const DEVICE_CARD: &[(&str, &str)] = &[
    ("device", "/id"),
    ("state", "/state"),
    ("class", "/class_name"),
    ("runs", "/told/version"),
    ("digest", "/told/running"),
    ("counter", "/told/security_counter"),
    ("confirmed", "/told/confirmed"),
    ("floor", "/told/floor"),
    ("boot", "/told/boot/outcome"),
    ("boot reason", "/told/boot/reason"),
    ("in words", "/told/boot/reason_text"),
    ("battery %", "/battery_percent"),
    ("against it", "/told/hold"),
    ("offered", "/offered"),
    ("updates", "/updates"),
    ("postponed", "/postponed_until_ms"),
    ("zone", "/zone"),
    ("alarm since", "/alarm_since_ms"),
];

const REPORT: &[(&str, &str)] = &[
    ("SEQUENCE", "/sequence"),
    ("EVENT", "/event"),
    ("IMAGE", "/image"),
    ("REASON", "/reason"),
    ("IN WORDS", "/reason_text"),
];

pub(super) async fn run(command: Command, as_json: bool) -> Done {
    match command {
        Command::List {
            state,
            alarmed,
            server,
        } => {
            let state = state.map(|state| format!("&state={state}")).unwrap_or_default();
            let filter = format!("{state}&alarmed={alarmed}");
            let devices = all_pages(&server, "/api/v1/devices", &filter).await?;
            answer(&devices, as_json, |devices| show::listing(devices, DEVICE))
        }
        Command::Show { id, server } => {
            let device = server.get(&device_path(&id, "")?).await?;
            answer(&device, as_json, |device| show::card(device, DEVICE_CARD))
        }
        Command::Approve { ids, server } => {
            let mut approved = Vec::new();
            for id in &ids {
                approved.push(server.post(&device_path(id, "/approve")?, None).await?);
            }
            answer(&Value::Array(approved), as_json, |devices| {
                show::listing(devices, DEVICE)
            })
        }
        Command::Expect { ids, server } => {
            let changed = server
                .post("/api/v1/devices", Some(&json!({ "devices": ids })))
                .await?;
            answer(&changed, as_json, |changed| {
                show::text(&format!("{} device(s) changed", show::field(changed, "/changed")));
            })
        }
        Command::Import {
            file,
            dry_run,
            server,
        } => {
            let bytes = read_file_up_to(&file, LIST_FILE_BYTES_MAX)?;
            let length = bytes.len() as u64;
            let path = format!("/api/v1/devices/import?dry_run={dry_run}");
            let imported = server.post_bytes(&path, bytes.into(), length).await?;
            let mistakes = imported
                .get("mistakes")
                .and_then(Value::as_array)
                .map_or(0, Vec::len);
            answer(&imported, as_json, show_import)?;
            if mistakes > 0 {
                return Err(CliError::failed(format!(
                    "{mistakes} line(s) are wrong, so the file would not be imported"
                )));
            }
            Ok(())
        }
        Command::Hawkbit { class, server } => {
            let body = json!({ "class": class });
            let made = server.post("/api/v1/devices/hawkbit", Some(&body)).await?;
            answer(&made, as_json, |made| {
                show::card(made, &[("device", "/id"), ("token", "/token")]);
            })
        }
        Command::Revoke { id, server } => {
            let device = server.post(&device_path(&id, "/revoke")?, None).await?;
            answer(&device, as_json, |_| {
                show::text(&format!("device {id} is revoked"))
            })
        }
        Command::Wishes {
            id,
            updates,
            postpone,
            zone,
            server,
        } => {
            let until = postpone.map(|days| {
                let later = i64::from(days).saturating_mul(DAY_MS);
                SystemClock.now_ms().saturating_add(later)
            });
            let body = json!({ "updates": updates, "postponed_until_ms": until, "zone": zone });
            let device = server.put(&device_path(&id, "/wishes")?, &body).await?;
            answer(&device, as_json, |device| show::card(device, DEVICE_CARD))
        }
        Command::Settle { id, server } => {
            let device = server.post(&device_path(&id, "/settle")?, None).await?;
            answer(&device, as_json, |_| {
                show::text(&format!("the alarm about device {id} is over"));
            })
        }
        Command::Decision { id, server } => {
            let decision = server.get(&device_path(&id, "/decision")?).await?;
            answer(&decision, as_json, |decision| {
                show::text(&show::field(decision, "/explanation"))
            })
        }
        Command::Reports { id, server } => {
            let reports = server.get(&device_path(&id, "/reports")?).await?;
            answer(&reports, as_json, |reports| show::listing(reports, REPORT))
        }
    }
}

fn show_import(imported: &Value) {
    let count = |name| show::field(imported, name);
    let (verb, new) = match imported.get("dry_run") {
        Some(Value::Bool(true)) => ("would be", count("/expected")),
        _ => ("are", count("/expected")),
    };
    show::text(&format!(
        "{new} device(s) {verb} expected, {} {verb} approved, {} known before",
        count("/approved"),
        count("/unchanged")
    ));
    let mistakes = imported.get("mistakes").cloned().unwrap_or_default();
    if mistakes.as_array().is_some_and(|mistakes| !mistakes.is_empty()) {
        show::listing(&mistakes, MISTAKE);
    }
}

fn device_path(id: &str, rest: &str) -> Result<String, CliError> {
    Ok(format!("/api/v1/devices/{}{rest}", segment(id)?))
}
