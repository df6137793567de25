//! Locks: who they are, what they run, what became of their updates, and why they get what they get.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use latchkey_directive::{DeviceId, Hold};
use serde::Deserialize;

use super::forms::{At, Chosen, Filled};
use super::page::{Event, Moment, Page, html, model};
use super::{Shown, see};
use crate::domain::device::{self, Device, outcome_name};
use crate::domain::report::event_name;
use crate::domain::session::Session;
use crate::domain::step::Seen;
use crate::domain::story::DeviceStory;
use crate::domain::wishes::Updates;
use crate::failure::{Failure, Kind};
use crate::http::App;
use crate::http::devices::device_id;
use crate::http::problem;
use crate::http::views::reason_text;

/// Locks on one page.
const ROWS: u32 = 100;

/// Which locks to show.
#[derive(Deserialize)]
pub(in crate::http) struct Filter {
    #[serde(default)]
    state: String,
    /// Only those whose key two devices seem to have.
    #[serde(default)]
    alarmed: bool,
    #[serde(default)]
    after: String,
    #[serde(default)]
    name: String,
}

#[derive(Template)]
#[template(path = "dashboard/devices.html")]
struct DevicesPage {
    page: Page,
    name: String,
    state: &'static str,
    states: Vec<(&'static str, bool)>,
    alarmed: bool,
    devices: Vec<Row>,
    more: Option<String>,
}

struct Row {
    id: String,
    state: &'static str,
    model: String,
    running: String,
    battery: String,
    heard: String,
    heard_at: Option<Moment>,
    trouble: Option<&'static str>,
    alarmed: bool,
    may_approve: bool,
}

impl Row {
    fn new(device: &Device, now: i64, operates: bool) -> Self {
        Self {
            id: device.id.to_string(),
            state: device.state.as_str(),
            model: model_of(device),
            running: running(device),
            battery: device
                .battery_percent
                .map_or_else(String::new, |percent| format!("{percent} %")),
            heard: device
                .last_seen
                .map_or_else(|| "never".to_owned(), |at| Moment(at).ago(now)),
            heard_at: device.last_seen.map(Moment),
            trouble: trouble(device),
            alarmed: device.alarm.is_some(),
            may_approve: operates && device.state == device::State::Awaiting,
        }
    }
}

fn model_of(device: &Device) -> String {
    device.hardware.map_or_else(
        || "not told yet".to_owned(),
        |(vendor, class)| model(vendor, class),
    )
}

fn running(device: &Device) -> String {
    let Some(facts) = &device.facts else {
        return "not told yet".to_owned();
    };
    let trial = if facts.running.confirmed { "" } else { ", on trial" };
    format!("{}{trial}", facts.running.version)
}

/// What its bootloader said last, where that is not the usual.
fn trouble(device: &Device) -> Option<&'static str> {
    use latchkey_directive::BootOutcome::{Refused, Rescued, Reverted, Steady, Trial};
    let facts = device.facts.as_ref()?;
    match facts.boot.outcome {
        Steady | Trial => None,
        outcome @ (Refused | Rescued | Reverted) => Some(outcome_name(outcome)),
    }
}

/// The list.
pub(in crate::http) async fn list(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Chosen(filter): Chosen<Filter>,
) -> Shown<Response> {
    let wanted = device::State::parse(&filter.state);
    let name = filter.name.trim().to_lowercase();
    let found = if name.is_empty() {
        let after = match filter.after.as_str() {
            "" => None,
            after => Some(device_id(after)?),
        };
        let asked = device::Filter {
            state: wanted,
            alarmed: filter.alarmed,
        };
        app.service.devices(asked, after, ROWS).await?
    } else {
        app.service.devices_named(&name, ROWS).await?
    };
    if let ([only], false) = (found.as_slice(), name.is_empty()) {
        return Ok(see(&format!("/dashboard/devices/{}", only.id)));
    }
    let page = Page::new("Locks", "devices", Some(&session));
    let (now, operates) = (app.service.now_ms(), page.operates());
    let full = name.is_empty() && found.len() >= ROWS as usize;
    Ok(html(&DevicesPage {
        page,
        state: wanted.map_or("", device::State::as_str),
        states: device::State::ALL
            .iter()
            .map(|state| (state.as_str(), wanted == Some(*state)))
            .collect(),
        alarmed: filter.alarmed,
        more: found.last().filter(|_| full).map(|last| last.id.to_string()),
        devices: found
            .iter()
            .map(|device| Row::new(device, now, operates))
            .collect(),
        name,
    }))
}

#[derive(Template)]
#[template(path = "dashboard/device.html")]
struct DevicePage {
    page: Page,
    row: Row,
    since: Moment,
    key: Option<String>,
    told: Option<Told>,
    installs: Option<String>,
    explanation: Vec<String>,
    offers: Vec<OfferRow>,
    reports: Vec<ReportRow>,
    events: Vec<Event>,
    may_revoke: bool,
    alarm: Option<Moment>,
    /// The alarm that can be settled, as its button carries it.
    settles: Option<Seen>,
    wishes: WishesNow,
    /// Why a button, on a page that was older than this one, has done nothing.
    refused: Option<String>,
}

/// What is wanted of updates for it, and what it says itself.
struct WishesNow {
    updates: &'static str,
    put_off: Option<Moment>,
    /// Whether that time is over.
    put_off_no_more: bool,
    zone: Option<String>,
    hold: Option<&'static str>,
}

impl WishesNow {
    fn new(story: &DeviceStory) -> Self {
        let device = &story.device;
        let until = device.wishes.postponed_until;
        Self {
            updates: match device.wishes.updates {
                Updates::All => "all that are rolled out",
                Updates::None => "none by the air",
                Updates::Security => "security updates only",
            },
            put_off: until.map(Moment),
            put_off_no_more: until.is_some_and(|until| until <= story.at),
            zone: device.zone.as_ref().map(|zone| zone.name().to_owned()),
            hold: device.facts.as_ref().and_then(|facts| facts.hold).map(held),
        }
    }
}

/// What a lock says against an install, in words.
const fn held(hold: Hold) -> &'static str {
    match hold {
        Hold::BATTERY => "its battery is too low",
        Hold::BUSY => "somebody is dealing with it",
        Hold::QUIET_HOURS => "its owner wants it left alone at this time",
        Hold::OWNER => "its owner wants no updates by the air",
        Hold(_) => "it holds back, for a reason that this server has no word for",
    }
}

struct Told {
    image: String,
    counter: String,
    confirmed: bool,
    floor: String,
    /// Nothing is known of the boot loader of a device that speaks hawkBit's interface.
    boot: Option<Boot>,
}

struct Boot {
    outcome: &'static str,
    reason: Option<&'static str>,
    since: Moment,
}

struct OfferRow {
    rollout: String,
    version: String,
    standing: &'static str,
    since: Moment,
}

struct ReportRow {
    at: Moment,
    event: &'static str,
    image: String,
    reason: Option<&'static str>,
}

/// One lock.
pub(in crate::http) async fn show(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    At(id): At<String>,
) -> Shown<Response> {
    shown(&app, &session, device_id(&id)?, None).await
}

/// A lock's page. `refused`: why a button of an older one has done nothing.
async fn shown(app: &App, session: &Session, id: DeviceId, refused: Option<Failure>) -> Shown {
    let story = app.service.device_story(id).await?;
    let page = Page::new(format!("Lock {id}"), "devices", Some(session));
    let status = refused
        .as_ref()
        .map_or(StatusCode::OK, |failure| problem::status(failure.kind));
    let page = DevicePage::new(page, &story, refused.map(|failure| failure.detail));
    Ok((status, html(&page)).into_response())
}

impl DevicePage {
    fn new(page: Page, story: &DeviceStory, refused: Option<String>) -> Self {
        let device = &story.device;
        let operates = page.operates();
        let (installs, explanation) = match &story.decision {
            Err(why) => (None, vec![why.clone()]),
            Ok(decision) => (
                decision.offer().map(|offer| offer.release.version.to_string()),
                decision
                    .explain()
                    .split("; rollout ")
                    .enumerate()
                    .map(sentence)
                    .collect(),
            ),
        };
        Self {
            row: Row::new(device, story.at, operates),
            since: Moment(device.since),
            key: device.key.as_ref().map(|key| hex::encode(key.as_bytes())),
            told: device.facts.as_ref().map(|facts| Told {
                image: facts.running.image.to_string(),
                counter: facts.running.counter.to_string(),
                confirmed: facts.running.confirmed,
                floor: facts.floor.to_string(),
                boot: device.token.is_none().then(|| Boot {
                    outcome: outcome_name(facts.boot.outcome),
                    reason: reason_text(facts.boot.reason),
                    since: Moment(facts.boot_since),
                }),
            }),
            installs,
            explanation,
            offers: story
                .offers
                .iter()
                .map(|offer| OfferRow {
                    rollout: offer.rollout.clone(),
                    version: offer.version.to_string(),
                    standing: offer.standing.as_str(),
                    since: Moment(offer.since),
                })
                .collect(),
            reports: story
                .reports
                .iter()
                .map(|report| ReportRow {
                    at: Moment(report.received_at),
                    event: event_name(report.event),
                    image: report.image.to_string(),
                    reason: reason_text(report.reason),
                })
                .collect(),
            events: story.events.iter().map(Event::new).collect(),
            alarm: device.alarm.map(Moment),
            settles: Seen::of_alarm(device).filter(|_| operates),
            wishes: WishesNow::new(story),
            refused,
            may_revoke: operates && device.state != device::State::Revoked,
            page,
        }
    }
}

/// One rollout's part of the explanation.
fn sentence((index, part): (usize, &str)) -> String {
    if index == 0 {
        part.to_owned()
    } else {
        format!("rollout {part}")
    }
}

#[derive(Template)]
#[template(path = "dashboard/revoke.html")]
struct RevokePage {
    page: Page,
    id: String,
    model: String,
    running: String,
}

/// Shows what revoking means.
pub(in crate::http) async fn ask(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    At((id, word)): At<(String, String)>,
) -> Shown<Response> {
    if word != "revoke" {
        return Err(no_such_step().into());
    }
    let device = app.service.device(device_id(&id)?).await?;
    Ok(html(&RevokePage {
        page: Page::new("Revoke this lock?", "devices", Some(&session)),
        model: model_of(&device),
        running: running(&device),
        id,
    }))
}

/// What a button brings.
#[derive(Deserialize)]
pub(in crate::http) struct Pressed {
    /// The alarm that its page showed.
    #[serde(default)]
    seen: String,
}

/// Lets a lock in, shuts it out, or settles the alarm that was seen.
pub(in crate::http) async fn take(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    At((id, word)): At<(String, String)>,
    Filled(pressed): Filled<Pressed>,
) -> Shown {
    let (device, caller) = (device_id(&id)?, session.caller());
    let seen = Seen::written(&pressed.seen);
    match word.as_str() {
        "approve" => app.service.approve_device(caller, device).await?,
        "settle" => match app.service.settle_alarm(caller, device, &seen).await {
            Ok(settled) => settled,
            Err(failure) if failure.kind == Kind::Conflict => {
                return shown(&app, &session, device, Some(failure)).await;
            }
            Err(failure) => return Err(failure.into()),
        },
        "revoke" => app.service.revoke_device(caller, device).await?,
        _ => return Err(no_such_step().into()),
    };
    Ok(see(&format!("/dashboard/devices/{id}")))
}

fn no_such_step() -> Failure {
    Failure::new(Kind::NotFound, "a lock has no such page")
}
