//! The form for a new rollout: everything that is decided when one is made, with what most want filled in. What is
//! wrong is told beside its field, and nothing that was written is lost. A rollout that is made here is on hold, so that
//! its locks are looked at before it starts.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::IntoResponse as _;
use latchkey_directive::DeviceId;
use serde::Deserialize;

use super::forms::{Chosen, Filled};
use super::page::{Page, grouped, html};
use super::rollouts::title;
use super::written::{Written, words};
use super::{Shown, see};
use crate::domain::access::Caller;
use crate::domain::cohort::CohortName;
use crate::domain::decision::Terms;
use crate::domain::gate::Gate;
use crate::domain::hours::{self, Hours};
use crate::domain::rollout::{Audience, Wanted};
use crate::domain::session::Session;
use crate::domain::share::Share;
use crate::domain::stage::{Advance, Stages};
use crate::failure::{Failure, Kind, Outcome};
use crate::http::App;
use crate::http::devices::device_id;
use crate::http::problem;
use crate::http::rollouts::{BATTERY_PERCENTS, COUNTS, SILENCE_HOURS, SOAK_HOURS};
use crate::ids;

const HOUR_MS: i64 = 3_600_000;

/// Cohorts named beside their field; `cohort list` names all.
const COHORTS_NAMED: usize = 50;

#[derive(Template)]
#[template(path = "dashboard/new_rollout.html")]
struct NewPage {
    page: Page,
    releases: Vec<Choice>,
    /// The first cohorts by name, with how many locks are in each.
    cohorts: Vec<(String, String)>,
    /// How many further ones there are.
    more_cohorts: usize,
    form: Written,
    /// What spoke against making it, where that is not one field's fault.
    refused: Option<String>,
    /// Of which kind that is.
    problem: &'static str,
    /// Whether this server asks for two persons anyhow.
    always_two: bool,
    zone: String,
}

struct Choice {
    digest: String,
    name: String,
}

impl NewPage {
    async fn new(app: &App, session: &Session, form: Written, failure: Option<Failure>) -> Outcome<Self> {
        let releases = app.service.releases().await?;
        let choices = releases.iter().map(|release| Choice {
            digest: release.digest.to_string(),
            name: format!(
                "{}: {} update, security counter {}",
                title(release),
                release.kind,
                release.counter
            ),
        });
        let cohorts = app.service.cohorts().await?;
        let settings = &app.service.settings;
        let kind = failure.as_ref().map_or(Kind::Invalid, |failure| failure.kind);
        Ok(Self {
            page: Page::new("New rollout", "rollouts", Some(session)),
            releases: choices.collect(),
            more_cohorts: cohorts.len().saturating_sub(COHORTS_NAMED),
            cohorts: cohorts
                .iter()
                .take(COHORTS_NAMED)
                .map(|cohort| (cohort.name.to_string(), grouped(cohort.devices)))
                .collect(),
            form,
            refused: failure.map(|failure| failure.detail),
            problem: problem::named(kind).0,
            always_two: settings.two_persons,
            zone: settings.zone.name().to_owned(),
        })
    }
}

/// Which release to begin with.
#[derive(Deserialize)]
pub(in crate::http) struct OfRelease {
    #[serde(default)]
    release: String,
}

/// The form as it is at first.
pub(in crate::http) async fn show(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Chosen(of): Chosen<OfRelease>,
) -> Shown {
    let (gate, terms) = (Gate::default(), Terms::default());
    let form = Written::fresh([
        ("release", of.release),
        ("to", "all".to_owned()),
        ("stages", "1, 10, 50, 100".to_owned()),
        ("advance", "by-hand".to_owned()),
        ("confirmed", gate.sample_min.to_string()),
        ("soak_hours", "24".to_owned()),
        ("failures", gate.failures_max.to_string()),
        ("percent", gate.failed_share_max.percent().to_string()),
        ("sample", gate.sample_min.to_string()),
        ("silence_hours", (gate.silence_ms / HOUR_MS).to_string()),
        ("battery_percent", terms.battery_min.to_string()),
    ]);
    Ok(html(&NewPage::new(&app, &session, form, None).await?))
}

/// Makes a rollout, on hold.
pub(in crate::http) async fn create(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Extension(caller): Extension<Caller>,
    Filled(mut form): Filled<Written>,
) -> Shown {
    let failure = match wanted(&mut form) {
        None => None,
        Some(wanted) => match app.service.create_rollout(&caller, &wanted).await {
            Ok(rollout) => return Ok(see(&format!("/dashboard/rollouts/{}", rollout.id))),
            Err(failure) if is_for_the_form(failure.kind) => Some(failure),
            Err(failure) => return Err(failure.into()),
        },
    };
    let status = problem::status(failure.as_ref().map_or(Kind::Invalid, |failure| failure.kind));
    let page = NewPage::new(&app, &session, form, failure).await?;
    Ok((status, html(&page)).into_response())
}

/// What another entry in the form can mend.
const fn is_for_the_form(kind: Kind) -> bool {
    matches!(kind, Kind::Invalid | Kind::NotFound | Kind::Conflict)
}

/// What the form asks for; `None` when something is wrong with one of its fields. All of them are looked at first.
fn wanted(form: &mut Written) -> Option<Wanted> {
    let release = form.read("release", |text| {
        ids::digest(text).ok_or_else(|| "choose one of the releases".to_owned())
    });
    let to = audience(form);
    let cohorts = form.read("cohorts", cohorts);
    let stages = form.read("stages", stages);
    let advance = advance(form);
    let gate = gate(form);
    let terms = terms(form);
    Some(Wanted {
        release: release?,
        to: to?,
        cohorts: cohorts?,
        stages: stages?,
        advance: advance?,
        gate: gate?,
        terms: terms?,
        two_persons: form.is("two_persons", "yes"),
        start: false,
    })
}

/// Said in full: a forgotten button must not mean everybody.
fn audience(form: &mut Written) -> Option<Audience> {
    let devices = form.read("devices", |text| {
        let devices = words(text).map(|name| device_id(name).map_err(|failure| failure.detail));
        devices.collect::<Result<Vec<DeviceId>, String>>()
    })?;
    match (form.text("to"), devices.is_empty()) {
        ("all", true) => return Some(Audience::All),
        ("list", false) => return Some(Audience::Listed(devices)),
        ("list", true) => form.refuse("devices", "name at least one lock, or choose all of them"),
        ("all", false) => form.refuse(
            "devices",
            "locks are named here, but all of them are chosen: choose \"only these\", or take the names out",
        ),
        _ => form.refuse("to", "choose all locks, or only some"),
    }
    None
}

/// Names of cohorts, in the order in which they are reached.
fn cohorts(text: &str) -> Result<Vec<CohortName>, String> {
    let names = words(text).map(|name| name.parse().map_err(|failure: Failure| failure.detail));
    names.collect()
}

fn stages(text: &str) -> Result<Stages, String> {
    let shares = words(text)
        .filter(|word| *word != "%")
        .map(|share| share.trim_end_matches('%').parse());
    Stages::new(shares.collect::<Result<Vec<Share>, String>>()?)
}

fn advance(form: &mut Written) -> Option<Option<Advance>> {
    match form.text("advance") {
        "by-hand" => return Some(None),
        "automatic" => {}
        _ => {
            form.refuse("advance", "choose how the next stage comes");
            return None;
        }
    }
    let confirmed = form.number("confirmed", &COUNTS);
    let soak_hours = form.number("soak_hours", &SOAK_HOURS);
    Some(Some(Advance {
        confirmed_min: confirmed?,
        soak_ms: i64::from(soak_hours?).saturating_mul(HOUR_MS),
    }))
}

fn gate(form: &mut Written) -> Option<Gate> {
    let failures = form.number("failures", &COUNTS);
    let percent = form.read("percent", |text| text.trim_end_matches('%').trim_end().parse());
    let sample = form.number("sample", &COUNTS);
    let silence_hours = form.number("silence_hours", &SILENCE_HOURS);
    Some(Gate {
        failures_max: failures?,
        failed_share_max: percent?,
        sample_min: sample?,
        silence_ms: i64::from(silence_hours?).saturating_mul(HOUR_MS),
    })
}

fn terms(form: &mut Written) -> Option<Terms> {
    let battery = form.number("battery_percent", &BATTERY_PERCENTS);
    let not_before = form.read_if_any("not_before", hours::from_utc);
    let hours = hours_of_day(form);
    Some(Terms {
        battery_min: u8::try_from(battery?).ok()?,
        not_before: not_before?,
        hours: hours?,
    })
}

fn hours_of_day(form: &mut Written) -> Option<Option<Hours>> {
    let (from, until) = (form.text("hours_from").to_owned(), form.text("hours_until"));
    match (from.is_empty(), until.is_empty()) {
        (true, true) => Some(None),
        (false, true) => {
            form.refuse("hours_until", "say until when too, or leave both empty");
            None
        }
        _ => {
            let read = |until: &str| format!("{from}-{until}").parse();
            form.read("hours_until", read).map(Some)
        }
    }
}
