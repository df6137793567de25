//! Rollouts in the operator API.

use std::ops::RangeInclusive;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use latchkey_directive::DeviceId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::devices::{device_id, limit};
use super::payload::{Asked, Input};
use super::problem::Document;
use super::views::{MemberView, PreviewView, RolloutView};
use crate::domain::access::Caller;
use crate::domain::cohort::CohortName;
use crate::domain::decision::Terms;
use crate::domain::gate::Gate;
use crate::domain::moves::Move;
use crate::domain::rollout::{self, Audience};
use crate::domain::share::Share;
use crate::domain::stage::{Advance, Stages};
use crate::domain::watch::Standing;
use crate::failure::{Failure, Kind, Outcome};
use crate::ids;

const HOUR_MS: i64 = 3_600_000;
/// A year.
const HOURS_MAX: u32 = 8_760;

/// What a number of locks, of hours that a stage lasts, of hours of silence, and a battery charge may be.
pub(super) const COUNTS: RangeInclusive<u32> = 1..=1_000_000;
pub(super) const SOAK_HOURS: RangeInclusive<u32> = 0..=HOURS_MAX;
pub(super) const SILENCE_HOURS: RangeInclusive<u32> = 1..=HOURS_MAX;
pub(super) const BATTERY_PERCENTS: RangeInclusive<u32> = 0..=100;

/// A rollout to start.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRollout)]
pub(super) struct Wanted {
    /// Digest of the release, 64 hex digits.
    release: String,
    /// `"all"` devices of the release's hardware class, or `"list"`.
    to: To,
    /// With `"list"`: the devices, 32 hex digits each; at most 10000.
    #[serde(default)]
    devices: Vec<String>,
    /// The cohorts that it begins with, one stage each, before its shares; with `"all"` only. It takes who is in them
    /// now, and nobody who joins them later.
    #[serde(default)]
    cohorts: Vec<String>,
    /// How many of them it reaches, stage by stage, in percent with two decimals, each more than the one before; at
    /// most 20. Without it: all at once.
    #[serde(default)]
    stages: Option<Vec<f64>>,
    /// When the next stage comes by itself. Without it: by hand.
    #[serde(default)]
    advance: Option<AdvanceView>,
    /// What halts it.
    #[serde(default)]
    halt: HaltView,
    /// On what terms it is offered.
    #[serde(default)]
    terms: TermsView,
    /// Whether starting and widening it takes two persons. All do where the server says so.
    #[serde(default)]
    two_persons: bool,
    /// Whether it runs at once. Else it is paused until it is resumed, so that its devices can be looked at first.
    #[serde(default = "at_once")]
    start: bool,
}

impl Wanted {
    /// What was asked for, if it can be.
    pub(super) fn read(self) -> Outcome<rollout::Wanted> {
        let release = ids::digest(&self.release).ok_or_else(|| {
            Failure::new(
                Kind::Invalid,
                "`release` must be an image digest: 64 lower-case hex digits",
            )
        })?;
        let audience = match self.to {
            To::All if self.devices.is_empty() => Audience::All,
            To::All => {
                let detail =
                    "`to` is \"all\" and `devices` names some; say \"list\", or leave `devices` away";
                return Err(Failure::new(Kind::Invalid, detail));
            }
            To::List => {
                let devices = self.devices.iter().map(|id| device_id(id));
                Audience::Listed(devices.collect::<Outcome<Vec<DeviceId>>>()?)
            }
        };
        Ok(rollout::Wanted {
            release,
            to: audience,
            cohorts: self
                .cohorts
                .iter()
                .map(|name| name.parse())
                .collect::<Outcome<Vec<CohortName>>>()?,
            stages: self.stages.map_or_else(|| Ok(Stages::at_once()), stages)?,
            advance: self.advance.map(AdvanceView::advance).transpose()?,
            gate: self.halt.gate()?,
            terms: self.terms.terms()?,
            two_persons: self.two_persons,
            start: self.start,
        })
    }
}

const fn at_once() -> bool {
    true
}

/// Which rollouts to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// Only those that were made before this one: the last of the page before.
    after: Option<String>,
    /// At most so many; 1000 at most.
    limit: Option<u32>,
}

/// Which of a rollout's devices to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MembersPage {
    /// Only those whose offer came to this.
    standing: Option<Standing>,
    /// Only those whose name comes after this one: the last of the page before.
    after: Option<String>,
    /// At most so many; 1000 at most.
    limit: Option<u32>,
}

/// When the next stage of a rollout comes by itself.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RolloutAdvance)]
pub(super) struct AdvanceView {
    /// Once so many locks have confirmed the release since the stage began, 1 to 1000000,
    confirmed: u32,
    /// and the stage has lasted so many hours, 0 to 8760.
    soak_hours: u32,
}

/// When a rollout halts itself. What is left out is as in any rollout.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = RolloutHalt)]
pub(super) struct HaltView {
    /// At so many failures: refused, reverted or silent. 1 to 1000000.
    failures: Option<u32>,
    /// Above this share of failures among all outcomes, in percent with two decimals,
    percent: Option<f64>,
    /// once there are so many outcomes. 1 to 1000000.
    sample: Option<u32>,
    /// A lock that says nothing for so many hours after the offer has failed. 1 to 8760.
    silence_hours: Option<u32>,
}

/// On what terms a rollout is offered. What is left out is as in any rollout.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = RolloutTerms)]
pub(super) struct TermsView {
    /// Not to a lock with less battery charge, in percent; 0 to 100. What locks ask for themselves counts too.
    battery_percent: Option<u8>,
    /// Not before, in milliseconds since 1970.
    not_before_ms: Option<i64>,
    /// Only at this time of the lock's day: `22:00-05:30`.
    hours: Option<String>,
}

/// How far a rollout is to reach: one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RolloutReach)]
pub(super) struct Reach {
    /// In percent of its audience, with two decimals; not less than it reaches. All its cohorts too.
    percent: Option<f64>,
    /// Up to this one of the cohorts that it begins with.
    cohort: Option<String>,
}

/// Whom a rollout is for. Said in full each time: forgetting a list must not mean everybody.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RolloutTo)]
enum To {
    All,
    List,
}

/// Rollouts, newest first.
#[utoipa::path(
    get, path = "/api/v1/rollouts", tag = "rollouts", security(("token" = [])), params(Page),
    responses((status = 200, body = Vec<RolloutView>), (status = "4XX", body = Document)),
)]
pub(super) async fn list(
    State(app): State<App>,
    Asked(page): Asked<Page>,
) -> Outcome<Json<Vec<RolloutView>>> {
    let rollouts = app
        .service
        .rollouts(page.after.as_deref(), limit(page.limit))
        .await?;
    Ok(Json(rollouts.into_iter().map(Into::into).collect()))
}

/// One rollout and how it fares.
#[utoipa::path(
    get, path = "/api/v1/rollouts/{id}", tag = "rollouts", security(("token" = [])),
    params(("id" = String, Path, description = "Rollout name, 16 hex digits")),
    responses((status = 200, body = RolloutView), (status = "4XX", body = Document)),
)]
pub(super) async fn get(State(app): State<App>, Path(id): Path<String>) -> Outcome<Json<RolloutView>> {
    Ok(Json(app.service.rollout(&id).await?.into()))
}

/// Start a rollout. It is offered from the next check-in on. Where that takes two persons, it is paused until another
/// person resumes it.
#[utoipa::path(
    post, path = "/api/v1/rollouts", tag = "rollouts", security(("token" = [])), request_body = Wanted,
    responses((status = 201, body = RolloutView), (status = "4XX", body = Document)),
)]
pub(super) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Input(wanted): Input<Wanted>,
) -> Outcome<(StatusCode, Json<RolloutView>)> {
    let wanted = wanted.read()?;
    let rollout = app.service.create_rollout(&caller, &wanted).await?;
    Ok((StatusCode::CREATED, Json(rollout.into())))
}

/// The devices that it is for, in the order of their names: which it reaches, and what became of each offer.
#[utoipa::path(
    get, path = "/api/v1/rollouts/{id}/devices", tag = "rollouts", security(("token" = [])),
    params(("id" = String, Path, description = "Rollout name, 16 hex digits"), MembersPage),
    responses((status = 200, body = Vec<MemberView>), (status = "4XX", body = Document)),
)]
pub(super) async fn members(
    State(app): State<App>,
    Path(id): Path<String>,
    Asked(page): Asked<MembersPage>,
) -> Outcome<Json<Vec<MemberView>>> {
    let after = page.after.as_deref().map(device_id).transpose()?;
    let (rollout, members) = app
        .service
        .members(&id, page.standing, after, limit(page.limit))
        .await?;
    let views = members.iter().map(|member| MemberView::new(&rollout, member));
    Ok(Json(views.collect()))
}

/// Whom it would be offered to, were all its devices to call now, and why not to the others: decided as in a check-in,
/// from what each told last. Looks at every device of the audience.
#[utoipa::path(
    get, path = "/api/v1/rollouts/{id}/preview", tag = "rollouts", security(("token" = [])),
    params(("id" = String, Path, description = "Rollout name, 16 hex digits")),
    responses((status = 200, body = PreviewView), (status = "4XX", body = Document)),
)]
pub(super) async fn preview(State(app): State<App>, Path(id): Path<String>) -> Outcome<Json<PreviewView>> {
    let (rollout, _, _) = app.service.rollout(&id).await?;
    let preview = app.service.preview(&rollout, None, 0).await?;
    let release = app.service.release(rollout.release).await?;
    let hardware = (release.vendor, release.class);
    Ok(Json(PreviewView::new(&rollout, preview, hardware)))
}

/// Have it reach more of its audience. Who was reached stays so. Where that takes two persons, `asked` says so in the
/// answer, and it is done when another person asks for the same.
#[utoipa::path(
    post, path = "/api/v1/rollouts/{id}/widen", tag = "rollouts", security(("token" = [])), request_body = Reach,
    params(("id" = String, Path, description = "Rollout name, 16 hex digits")),
    responses((status = 200, body = RolloutView), (status = "4XX", body = Document)),
)]
pub(super) async fn widen(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Input(reach): Input<Reach>,
) -> Outcome<Json<RolloutView>> {
    let service = &app.service;
    let rollout = match (reach.percent, reach.cohort) {
        (Some(percent), None) => service.widen_rollout(&caller, &id, share(percent)?).await?,
        (None, Some(cohort)) => service.reach_cohort(&caller, &id, &cohort.parse()?).await?,
        _ => {
            let detail = "say how far: either `percent` or `cohort`";
            return Err(Failure::new(Kind::Invalid, detail));
        }
    };
    Ok(Json(rollout.into()))
}

/// Give a device that refused or reverted it another try.
#[utoipa::path(
    post, path = "/api/v1/rollouts/{id}/devices/{device}/retry", tag = "rollouts", security(("token" = [])),
    params(
        ("id" = String, Path, description = "Rollout name, 16 hex digits"),
        ("device" = String, Path, description = "Device name, 32 hex digits"),
    ),
    responses((status = 200, body = RolloutView), (status = "4XX", body = Document)),
)]
pub(super) async fn retry(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((id, device)): Path<(String, String)>,
) -> Outcome<Json<RolloutView>> {
    let rollout = app
        .service
        .retry_device(&caller, &id, device_id(&device)?)
        .await?;
    Ok(Json(rollout.into()))
}

/// Stop offering it until it is resumed.
#[utoipa::path(
    post, path = "/api/v1/rollouts/{id}/pause", tag = "rollouts", security(("token" = [])),
    params(("id" = String, Path, description = "Rollout name, 16 hex digits")),
    responses((status = 200, body = RolloutView), (status = "4XX", body = Document)),
)]
pub(super) async fn pause(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Outcome<Json<RolloutView>> {
    moved(&app, &caller, &id, Move::Pause).await
}

/// Go on with a paused rollout. Where that takes two persons, `asked` says so in the answer.
#[utoipa::path(
    post, path = "/api/v1/rollouts/{id}/resume", tag = "rollouts", security(("token" = [])),
    params(("id" = String, Path, description = "Rollout name, 16 hex digits")),
    responses((status = 200, body = RolloutView), (status = "4XX", body = Document)),
)]
pub(super) async fn resume(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Outcome<Json<RolloutView>> {
    moved(&app, &caller, &id, Move::Resume).await
}

/// End it for good. Who has the release keeps it.
#[utoipa::path(
    post, path = "/api/v1/rollouts/{id}/abort", tag = "rollouts", security(("token" = [])),
    params(("id" = String, Path, description = "Rollout name, 16 hex digits")),
    responses((status = 200, body = RolloutView), (status = "4XX", body = Document)),
)]
pub(super) async fn abort(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Outcome<Json<RolloutView>> {
    moved(&app, &caller, &id, Move::Abort).await
}

async fn moved(app: &App, caller: &Caller, id: &str, to: Move) -> Outcome<Json<RolloutView>> {
    let rollout = app.service.move_rollout(caller, id, to).await?;
    Ok(Json(rollout.into()))
}

/// Percent as they stand in JSON.
fn share(percent: f64) -> Outcome<Share> {
    percent
        .to_string()
        .parse()
        .map_err(|error| Failure::new(Kind::Invalid, format!("`percent`: {error}")))
}

fn stages(percents: Vec<f64>) -> Outcome<Stages> {
    let shares = percents.into_iter().map(share).collect::<Outcome<Vec<Share>>>()?;
    Stages::new(shares).map_err(|error| Failure::new(Kind::Invalid, format!("`stages`: {error}")))
}

/// A number as it stands in JSON, within its bounds.
fn bounded(name: &str, number: u32, bounds: &RangeInclusive<u32>) -> Outcome<u32> {
    if bounds.contains(&number) {
        return Ok(number);
    }
    let (least, most) = (bounds.start(), bounds.end());
    Err(Failure::new(
        Kind::Invalid,
        format!("`{name}` must be {least} to {most}"),
    ))
}

impl AdvanceView {
    fn advance(self) -> Outcome<Advance> {
        let soak_hours = bounded("soak_hours", self.soak_hours, &SOAK_HOURS)?;
        Ok(Advance {
            confirmed_min: bounded("confirmed", self.confirmed, &COUNTS)?,
            soak_ms: i64::from(soak_hours).saturating_mul(HOUR_MS),
        })
    }
}

impl From<Advance> for AdvanceView {
    fn from(advance: Advance) -> Self {
        Self {
            confirmed: advance.confirmed_min,
            soak_hours: u32::try_from(advance.soak_ms / HOUR_MS).unwrap_or(HOURS_MAX),
        }
    }
}

impl TermsView {
    fn terms(&self) -> Outcome<Terms> {
        let usual = Terms::default();
        let battery_min = self.battery_percent.map_or(Ok(usual.battery_min), |percent| {
            bounded("battery_percent", percent.into(), &BATTERY_PERCENTS).map(|_| percent)
        })?;
        let hours = self.hours.as_deref().map(str::parse).transpose();
        Ok(Terms {
            battery_min,
            not_before: self.not_before_ms,
            hours: hours.map_err(|error: String| Failure::new(Kind::Invalid, format!("`hours`: {error}")))?,
        })
    }
}

impl From<Terms> for TermsView {
    fn from(terms: Terms) -> Self {
        Self {
            battery_percent: Some(terms.battery_min),
            not_before_ms: terms.not_before,
            hours: terms.hours.map(|hours| hours.to_string()),
        }
    }
}

impl HaltView {
    fn gate(&self) -> Outcome<Gate> {
        let usual = Gate::default();
        let number = |name: &str, given: Option<u32>, usual: u32| {
            given.map_or(Ok(usual), |given| bounded(name, given, &COUNTS))
        };
        let silence_ms = self.silence_hours.map_or(Ok(usual.silence_ms), |hours| {
            bounded("silence_hours", hours, &SILENCE_HOURS)
                .map(|hours| i64::from(hours).saturating_mul(HOUR_MS))
        })?;
        Ok(Gate {
            failures_max: number("failures", self.failures, usual.failures_max)?,
            failed_share_max: self.percent.map_or(Ok(usual.failed_share_max), share)?,
            sample_min: number("sample", self.sample, usual.sample_min)?,
            silence_ms,
        })
    }
}

impl From<&Gate> for HaltView {
    fn from(gate: &Gate) -> Self {
        Self {
            failures: Some(gate.failures_max),
            percent: Some(gate.failed_share_max.percent()),
            sample: Some(gate.sample_min),
            silence_hours: u32::try_from(gate.silence_ms / HOUR_MS).ok(),
        }
    }
}
