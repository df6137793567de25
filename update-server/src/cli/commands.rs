//! Commands over the operator API: each asks once and shows the answer.

use std::path::Path;

use futures_util::stream;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::client::Server;
use super::serve::create_token_offline;
use super::{
    CliError, DeviceCommand, PolicyCommand, ReleaseCommand, RolloutCommand, SupportCommand, TokenCommand,
    WebhookCommand, show,
};
use crate::clock::{Clock as _, SystemClock};
use crate::domain::access::NewToken;
use crate::domain::document::DocumentKind;
use crate::domain::release::ReleaseKind;
use crate::domain::share::Share;
use crate::limits::{IMAGE_BYTES_MAX, OPERATOR_BODY_BYTES_MAX, PAGE_ROWS_MAX, SBOM_BYTES_MAX};

pub(super) type Done = Result<(), CliError>;

/// Pieces in which an image is handed to the network, so that progress can be seen.
const PIECE_BYTES: usize = 16 * 1024;

/// Fewer digits of a digest than this are no name.
const DIGEST_PREFIX_MIN: usize = 8;

const DAY_MS: i64 = 24 * 3_600_000;

const TOKEN: &[(&str, &str)] = &[
    ("ID", "/id"),
    ("ROLE", "/role"),
    ("PERSON", "/person"),
    ("NAME", "/name"),
    ("REVOKED", "/revoked_at_ms"),
];

const WEBHOOK: &[(&str, &str)] = &[
    ("WEBHOOK", "/id"),
    ("TOLD UP TO LINE", "/told"),
    ("FAILURES", "/failures"),
    ("TROUBLE", "/trouble"),
    ("URL", "/url"),
];

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

const MEMBER: &[(&str, &str)] = &[
    ("DEVICE", "/id"),
    ("RUNS", "/version"),
    ("PLACE %", "/place"),
    ("REACHED", "/reached"),
    ("STANDING", "/standing"),
    ("NOW", "/verdict"),
];

const REPORT: &[(&str, &str)] = &[
    ("SEQUENCE", "/sequence"),
    ("EVENT", "/event"),
    ("IMAGE", "/image"),
    ("REASON", "/reason"),
    ("IN WORDS", "/reason_text"),
];

/// Shows answers: as they are with `--json`, else through `human`.
pub(super) fn answer(value: &Value, as_json: bool, human: impl FnOnce(&Value)) -> Done {
    if as_json {
        show::json(value);
    } else {
        human(value);
    }
    Ok(())
}

pub(super) async fn token(command: TokenCommand, as_json: bool) -> Done {
    match command {
        TokenCommand::Create {
            name,
            person,
            role,
            offline,
            place,
            server,
        } => {
            let wanted = NewToken {
                name: &name,
                person: person.as_deref(),
                role,
            };
            let made = if offline {
                let (token, secret) = create_token_offline(&place, &wanted).await?;
                secret.expose(
                    |secret| json!({ "id": token.id, "name": token.name, "person": token.person, "role": role, "secret": secret }),
                )
            } else {
                server
                    .post(
                        "/api/v1/tokens",
                        Some(&json!({ "name": name, "person": person, "role": role })),
                    )
                    .await?
            };
            answer(&made, as_json, |made| {
                show::text(&format!(
                    "token, shown this once: {}",
                    show::field(made, "/secret")
                ));
            })
        }
        TokenCommand::List { server } => {
            let tokens = server.get("/api/v1/tokens").await?;
            answer(&tokens, as_json, |tokens| show::listing(tokens, TOKEN))
        }
        TokenCommand::Revoke { id, server } => {
            let token = server
                .delete(&format!("/api/v1/tokens/{}", segment(&id)?))
                .await?;
            answer(&token, as_json, |_| show::text(&format!("token {id} is revoked")))
        }
    }
}

pub(super) async fn policy(command: PolicyCommand, as_json: bool) -> Done {
    match command {
        PolicyCommand::Set { class, file, server } => {
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
        PolicyCommand::List { server } => {
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

pub(super) async fn release(command: ReleaseCommand, as_json: bool) -> Done {
    match command {
        ReleaseCommand::Upload {
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
        ReleaseCommand::List { server } => {
            let releases = server.get("/api/v1/releases").await?;
            answer(&releases, as_json, |releases| show::listing(releases, RELEASE))
        }
        ReleaseCommand::Attach {
            release,
            sbom,
            advisory,
            server,
        } => {
            let digest = full_digest(&server, &release).await?;
            let files = [(DocumentKind::Sbom, sbom), (DocumentKind::Advisory, advisory)];
            let mut added = Vec::new();
            for (kind, file) in files {
                let Some(file) = file else { continue };
                let bytes = read_file_up_to(&file, SBOM_BYTES_MAX)?;
                let length = bytes.len() as u64;
                let path = format!("/api/v1/releases/{digest}/documents/{kind}");
                added.push(server.post_bytes(&path, bytes.into(), length).await?);
            }
            answer(&Value::Array(added), as_json, |added| {
                show::listing(added, DOCUMENT)
            })
        }
        ReleaseCommand::Documents { release, server } => {
            let digest = full_digest(&server, &release).await?;
            let documents = server
                .get(&format!("/api/v1/releases/{digest}/documents"))
                .await?;
            answer(&documents, as_json, |documents| {
                show::listing(documents, DOCUMENT)
            })
        }
        ReleaseCommand::Document {
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

pub(super) async fn webhook(command: WebhookCommand, as_json: bool) -> Done {
    match command {
        WebhookCommand::Create { url, events, server } => {
            let body = if events.is_empty() {
                json!({ "url": url })
            } else {
                json!({ "url": url, "events": events })
            };
            let made = server.post("/api/v1/webhooks", Some(&body)).await?;
            answer(&made, as_json, |made| {
                let (id, secret) = (show::field(made, "/id"), show::field(made, "/secret"));
                show::text(&format!("webhook {id}; its secret, shown this once: {secret}"));
            })
        }
        WebhookCommand::List { server } => {
            let webhooks = server.get("/api/v1/webhooks").await?;
            answer(&webhooks, as_json, |webhooks| show::listing(webhooks, WEBHOOK))
        }
        WebhookCommand::Remove { id, server } => {
            let removed = server
                .delete(&format!("/api/v1/webhooks/{}", segment(&id)?))
                .await?;
            answer(&removed, as_json, |_| {
                show::text(&format!("webhook {id} is removed"));
            })
        }
    }
}

pub(super) async fn support(command: SupportCommand, as_json: bool) -> Done {
    match command {
        SupportCommand::Set {
            class,
            ends_on,
            server,
        } => {
            let path = format!("/api/v1/support/{}", segment(&class)?);
            let support = server.put(&path, &json!({ "ends_on": ends_on })).await?;
            answer(&support, as_json, |support| {
                let day = show::field(support, "/ends_on");
                show::text(&format!("{class} gets security updates until {day}"));
            })
        }
        SupportCommand::List { server } => {
            let support = server.get("/owner/v1/support").await?;
            answer(&support, as_json, |support| {
                show::listing(
                    support,
                    &[
                        ("MODEL", "/class_name"),
                        ("UNTIL", "/ends_on"),
                        ("UUID", "/class"),
                    ],
                );
            })
        }
    }
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

pub(super) async fn device(command: DeviceCommand, as_json: bool) -> Done {
    match command {
        DeviceCommand::List {
            state,
            alarmed,
            server,
        } => {
            let state = state.map(|state| format!("&state={state}")).unwrap_or_default();
            let filter = format!("{state}&alarmed={alarmed}");
            let devices = all_pages(&server, "/api/v1/devices", &filter).await?;
            answer(&devices, as_json, |devices| show::listing(devices, DEVICE))
        }
        DeviceCommand::Show { id, server } => {
            let device = server.get(&device_path(&id, "")?).await?;
            answer(&device, as_json, |device| show::card(device, DEVICE_CARD))
        }
        DeviceCommand::Approve { ids, server } => {
            let mut approved = Vec::new();
            for id in &ids {
                approved.push(server.post(&device_path(id, "/approve")?, None).await?);
            }
            answer(&Value::Array(approved), as_json, |devices| {
                show::listing(devices, DEVICE)
            })
        }
        DeviceCommand::Expect { ids, server } => {
            let changed = server
                .post("/api/v1/devices", Some(&json!({ "devices": ids })))
                .await?;
            answer(&changed, as_json, |changed| {
                show::text(&format!("{} device(s) changed", show::field(changed, "/changed")));
            })
        }
        DeviceCommand::Import {
            file,
            dry_run,
            server,
        } => {
            let bytes = read_file_up_to(&file, OPERATOR_BODY_BYTES_MAX)?;
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
        DeviceCommand::Revoke { id, server } => {
            let device = server.post(&device_path(&id, "/revoke")?, None).await?;
            answer(&device, as_json, |_| {
                show::text(&format!("device {id} is revoked"))
            })
        }
        DeviceCommand::Wishes {
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
        DeviceCommand::Settle { id, server } => {
            let device = server.post(&device_path(&id, "/settle")?, None).await?;
            answer(&device, as_json, |_| {
                show::text(&format!("the alarm about device {id} is over"));
            })
        }
        DeviceCommand::Decision { id, server } => {
            let decision = server.get(&device_path(&id, "/decision")?).await?;
            answer(&decision, as_json, |decision| {
                show::text(&show::field(decision, "/explanation"))
            })
        }
        DeviceCommand::Reports { id, server } => {
            let reports = server.get(&device_path(&id, "/reports")?).await?;
            answer(&reports, as_json, |reports| show::listing(reports, REPORT))
        }
    }
}

pub(super) async fn rollout(command: RolloutCommand, as_json: bool) -> Done {
    match command {
        RolloutCommand::Create {
            release,
            to,
            stages,
            advance_confirmed,
            advance_soak,
            halt,
            terms,
            two_persons,
            hold,
            server,
        } => {
            let stages: Vec<f64> = stages.into_iter().map(Share::percent).collect();
            let body = json!({
                "release": full_digest(&server, &release).await?,
                "to": if to.all { "all" } else { "list" },
                "devices": to.devices,
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
        RolloutCommand::Devices {
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
        RolloutCommand::Preview { id, server } => {
            let preview = server.get(&rollout_path(&id, "/preview")?).await?;
            answer(&preview, as_json, |preview| {
                if let Some(groups) = preview.get("groups") {
                    show::listing(groups, PREVIEW);
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
        RolloutCommand::Retry { id, device, server } => {
            let path = rollout_path(&id, &format!("/devices/{}/retry", segment(&device)?))?;
            let rollout = server.post(&path, None).await?;
            answer(&rollout, as_json, |_| {
                show::text(&format!("device {device} gets another try at its next check-in"));
            })
        }
        RolloutCommand::Widen { id, percent, server } => {
            let body = json!({ "percent": percent.percent() });
            let rollout = server.post(&rollout_path(&id, "/widen")?, Some(&body)).await?;
            answer(&rollout, as_json, |rollout| {
                show::text(&format!(
                    "rollout {id} reaches {} %",
                    show::field(rollout, "/percent")
                ));
                asked(rollout);
            })
        }
        RolloutCommand::List { server } => {
            let rollouts = server.get("/api/v1/rollouts").await?;
            answer(&rollouts, as_json, |rollouts| show::listing(rollouts, ROLLOUT))
        }
        RolloutCommand::Status { id, server } => {
            let rollout = server.get(&rollout_path(&id, "")?).await?;
            answer(&rollout, as_json, |rollout| show::card(rollout, ROLLOUT_CARD))
        }
        RolloutCommand::Pause { id, server } => moved(&server, &id, "/pause", as_json).await,
        RolloutCommand::Resume { id, server } => moved(&server, &id, "/resume", as_json).await,
        RolloutCommand::Abort { id, server } => moved(&server, &id, "/abort", as_json).await,
    }
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

/// Every page of a listing of devices.
async fn all_pages(server: &Server, path: &str, filter: &str) -> Result<Value, CliError> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page = server
            .get(&format!("{path}?limit={PAGE_ROWS_MAX}{filter}{after}"))
            .await?;
        let Value::Array(page) = page else {
            return Err(CliError::failed(
                "the server's answer is no list; are both of the same version?",
            ));
        };
        let last = page.last().map(|device| show::field(device, "/id"));
        let full = page.len() >= PAGE_ROWS_MAX as usize;
        all.extend(page);
        match last {
            Some(last) if full => after = format!("&after={last}"),
            _ => return Ok(Value::Array(all)),
        }
    }
}

/// The one release whose digest begins so.
pub(super) async fn full_digest(server: &Server, prefix: &str) -> Result<String, CliError> {
    if prefix.len() < DIGEST_PREFIX_MIN {
        return Err(CliError::failed(format!(
            "give at least {DIGEST_PREFIX_MIN} digits of the release's digest"
        )));
    }
    let releases = server.get("/api/v1/releases").await?;
    let digests = releases
        .as_array()
        .into_iter()
        .flatten()
        .map(|release| show::field(release, "/digest"));
    let mut found = digests.filter(|digest| digest.starts_with(prefix));
    match (found.next(), found.next()) {
        (Some(digest), None) => Ok(digest),
        (None, _) => Err(CliError::failed(format!(
            "no release's digest begins with {prefix}; `latchkey-server release list` shows those there are"
        ))),
        (Some(_), Some(_)) => Err(CliError::failed(format!(
            "{prefix} begins several digests; give more digits"
        ))),
    }
}

fn device_path(id: &str, rest: &str) -> Result<String, CliError> {
    Ok(format!("/api/v1/devices/{}{rest}", segment(id)?))
}

fn rollout_path(id: &str, rest: &str) -> Result<String, CliError> {
    Ok(format!("/api/v1/rollouts/{}{rest}", segment(id)?))
}

/// A name as part of a path: names that could become another path are nobody's.
fn segment(name: &str) -> Result<&str, CliError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !name.is_empty() && name != "." && name != ".." && name.bytes().all(plain) {
        return Ok(name);
    }
    Err(CliError::failed(format!(
        "{name:?} is no name: letters, digits, '-', '_' and '.' only"
    )))
}

/// Reads a file that should fit an image's slot at most.
fn read_file(path: &Path) -> Result<Vec<u8>, CliError> {
    read_file_up_to(path, IMAGE_BYTES_MAX)
}

/// Reads a file of at most so many bytes.
pub(super) fn read_file_up_to(path: &Path, bytes_max: usize) -> Result<Vec<u8>, CliError> {
    use std::io::Read as _;
    let cannot = |error: std::io::Error| CliError::failed(format!("cannot read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    let limit = bytes_max as u64;
    let file = std::fs::File::open(path).map_err(cannot)?;
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() as u64 > limit {
        return Err(CliError::failed(format!(
            "{} is longer than {limit} bytes, which no such file may be",
            path.display()
        )));
    }
    Ok(bytes)
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
