//! The fleet now: what needs somebody, who is there, what runs where, who was heard of when, and what is on its way.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;

use super::Shown;
use super::chart::{Bar, Part, version_look};
use super::page::{Moment, Page, grouped, html, model};
use super::rollouts::{Summary, summaries};
use crate::Service;
use crate::domain::device;
use crate::domain::fleet::{Fleet, Heard, Model};
use crate::domain::lifetime::Lifetime;
use crate::domain::session::Session;
use crate::domain::story::Which;
use crate::failure::Outcome;
use crate::http::{App, problem};

#[derive(Template)]
#[template(path = "dashboard/fleet.html")]
struct FleetPage {
    page: Page,
    now: FleetNow,
}

/// What is kept fresh of it.
#[derive(Template)]
#[template(path = "dashboard/fleet_now.html")]
pub(super) struct FleetNow {
    at: Moment,
    /// How many locks there is an alarm about, where there are any.
    alarmed: Option<String>,
    /// What is to be done about the TUF repository; `None` while it cannot be read.
    tuf: Option<Vec<String>>,
    tiles: Vec<Tile>,
    rollouts: Vec<Summary>,
    more_rollouts: bool,
    models: Vec<ModelCard>,
    heard: Option<Bar>,
}

struct Tile {
    label: &'static str,
    state: &'static str,
    count: String,
    urgent: bool,
}

struct ModelCard {
    name: String,
    total: String,
    support: String,
    bar: Bar,
}

/// The dashboard's first page.
pub(in crate::http) async fn show(
    State(app): State<App>,
    Extension(session): Extension<Session>,
) -> Shown<Response> {
    Ok(html(&FleetPage {
        page: Page::new("Fleet", "fleet", Some(&session)),
        now: FleetNow::look(&app.service).await?,
    }))
}

impl FleetNow {
    pub(super) async fn look(service: &Service) -> Outcome<Self> {
        let fleet = service.fleet().await?;
        let open = Which {
            open: true,
            ..Which::default()
        };
        let (rollouts, more) = summaries(service, open, None).await?;
        let lifetimes = service.lifetimes().await?;
        Ok(Self {
            tuf: tuf_to_do(service).await,
            more_rollouts: more.is_some(),
            ..Self::new(&fleet, rollouts, &lifetimes)
        })
    }

    fn new(fleet: &Fleet, rollouts: Vec<Summary>, lifetimes: &[Lifetime]) -> Self {
        let tile = |label, state| {
            let count = fleet.in_state(state);
            Tile {
                label,
                state: device::State::as_str(state),
                count: grouped(count),
                urgent: state == device::State::Awaiting && count > 0,
            }
        };
        let approved = fleet.in_state(device::State::Approved);
        Self {
            at: Moment(fleet.at),
            alarmed: alarmed(fleet.alarmed),
            tuf: Some(Vec::new()),
            tiles: vec![
                tile("locks in the fleet", device::State::Approved),
                tile("wait for approval", device::State::Awaiting),
                tile("expected, not enrolled", device::State::Expected),
                tile("revoked", device::State::Revoked),
            ],
            rollouts,
            more_rollouts: false,
            models: fleet
                .models
                .iter()
                .map(|model| ModelCard::new(model, lifetimes))
                .collect(),
            heard: (approved > 0).then(|| heard(fleet.heard)),
        }
    }
}

fn alarmed(count: i64) -> Option<String> {
    match count {
        0 => None,
        1 => Some("1 lock".to_owned()),
        _ => Some(format!("{} locks", grouped(count))),
    }
}

/// What `latchkey-server tuf status` says is to be done; nothing where there is no repository.
async fn tuf_to_do(service: &Service) -> Option<Vec<String>> {
    // The rest of the page is needed all the more when this is damaged.
    let overview = service.tuf().await.inspect_err(problem::log).ok()?;
    let there = !overview.files.is_empty();
    Some(if there { overview.to_do } else { Vec::new() })
}

impl ModelCard {
    fn new(model_: &Model, lifetimes: &[Lifetime]) -> Self {
        let name = model(model_.vendor, model_.class);
        let versions = model_.versions.iter().enumerate();
        let mut parts: Vec<Part> = versions
            .map(|(index, running)| Part {
                look: version_look(index),
                label: match running.on_trial {
                    0 => format!("run {}", running.version),
                    on_trial => format!("run {}, {} on trial", running.version, grouped(on_trial)),
                },
                count: running.total(),
            })
            .collect();
        if model_.silent > 0 {
            parts.push(Part {
                look: "waiting",
                label: "have not told yet".to_owned(),
                count: model_.silent,
            });
        }
        Self {
            bar: Bar::new(&format!("Versions on {name}"), parts),
            total: grouped(model_.total()),
            support: support(model_, lifetimes),
            name,
        }
    }
}

/// Until when a model is supported, as its owners are told too.
fn support(model: &Model, lifetimes: &[Lifetime]) -> String {
    let known = lifetimes
        .iter()
        .find(|known| (known.hardware.vendor, known.hardware.class) == (model.vendor, model.class));
    known.and_then(|known| known.ends_on).map_or_else(
        || "nobody has said until when it is supported".to_owned(),
        |day| format!("supported until {day}"),
    )
}

fn heard(heard: Heard) -> Bar {
    let part = |look, label: &str, count| Part {
        look,
        label: label.to_owned(),
        count,
    };
    Bar::new(
        "Last heard of",
        vec![
            part("good", "on time", heard.on_time),
            part("under-way", "late, within a day", heard.day),
            part("deferred", "within a week", heard.week),
            part("silent", "longer ago", heard.longer),
            part("waiting", "never", heard.never),
        ],
    )
}
