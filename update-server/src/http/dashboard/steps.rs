//! What an operator does with a rollout: each step is first shown with whom it touches, and done by one more click.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::forms::Filled;
use super::page::{Page, grouped, html, model};
use super::rollouts::{StateMark, next_share, title};
use super::{Shown, see};
use crate::domain::access::Caller;
use crate::domain::rollout::Move;
use crate::domain::session::Session;
use crate::domain::share::Share;
use crate::domain::story::{Reach, RolloutStory};
use crate::failure::{Failure, Kind, Outcome};
use crate::http::App;
use crate::http::devices::device_id;
use crate::http::rollouts::Wanted;

/// Locks named one by one before a start; all are on the rollout's own list.
const NAMED: usize = 50;

/// A step of a rollout.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Halt,
    Start,
    Resume,
    Widen,
    Abort,
}

impl Step {
    fn read(word: &str) -> Outcome<Self> {
        Ok(match word {
            "halt" => Self::Halt,
            "start" => Self::Start,
            "resume" => Self::Resume,
            "widen" => Self::Widen,
            "abort" => Self::Abort,
            _ => return Err(Failure::new(Kind::NotFound, "a rollout has no such page")),
        })
    }
}

/// How far to widen.
#[derive(Deserialize)]
pub(in crate::http) struct How {
    #[serde(default)]
    percent: String,
}

impl How {
    fn share(&self) -> Outcome<Share> {
        self.percent
            .trim()
            .parse()
            .map_err(|error: String| Failure::new(Kind::Invalid, error))
    }
}

#[derive(Template)]
#[template(path = "dashboard/step.html")]
struct StepPage {
    page: Page,
    id: String,
    title: String,
    word: &'static str,
    state: StateMark,
    model: String,
    says: &'static str,
    button: String,
    danger: bool,
    counts: Vec<(String, &'static str)>,
    reach: Option<ReachShown>,
    percent: Option<String>,
}

struct ReachShown {
    added: String,
    versions: Vec<(String, String)>,
    first: Vec<String>,
    more: Option<String>,
}

impl ReachShown {
    fn new(reach: &Reach) -> Self {
        let named = i64::try_from(reach.first.len()).unwrap_or(i64::MAX);
        let more = reach.added.saturating_sub(named);
        Self {
            added: grouped(reach.added),
            versions: reach
                .versions
                .iter()
                .map(|(version, count)| {
                    let version =
                        version.map_or_else(|| "not told yet".to_owned(), |version| version.to_string());
                    (version, grouped(*count))
                })
                .collect(),
            first: reach.first.iter().map(ToString::to_string).collect(),
            more: (more > 0).then(|| grouped(more)),
        }
    }
}

/// Shows whom a step touches.
pub(in crate::http) async fn ask(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path((id, word)): Path<(String, String)>,
    Query(how): Query<How>,
) -> Shown<Response> {
    let step = Step::read(&word)?;
    let story = app.service.rollout_story(&id).await?;
    let share = match step {
        Step::Widen if how.percent.is_empty() => Some(next_share(&story.rollout).ok_or_else(|| {
            Failure::new(
                Kind::Conflict,
                "it reaches all of its locks already; nothing was changed",
            )
        })?),
        Step::Widen => Some(how.share()?),
        Step::Start | Step::Resume => Some(story.rollout.share),
        Step::Halt | Step::Abort => None,
    };
    let reach = match share {
        None => None,
        Some(share) => {
            let beyond = (step == Step::Widen).then_some(story.rollout.share);
            let beyond = beyond.filter(|_| story.offered > 0);
            Some(app.service.reach(&id, beyond, share, NAMED).await?)
        }
    };
    let page = Page::new(heading(step, &story), "rollouts", Some(&session));
    Ok(html(&step_page(page, step, &story, share, reach.as_ref())))
}

fn step_page(
    page: Page,
    step: Step,
    story: &RolloutStory,
    share: Option<Share>,
    reach: Option<&Reach>,
) -> StepPage {
    let (word, says) = said(step);
    let button = match (step, share, reach) {
        (Step::Widen, Some(share), _) => format!("Widen to {share}"),
        (Step::Start, _, Some(reach)) => format!("Start: offer it to {}", locks(reach.added)),
        (Step::Resume, _, _) => "Resume".to_owned(),
        (Step::Abort, _, _) => "Abort for good".to_owned(),
        _ => "Halt now".to_owned(),
    };
    StepPage {
        page,
        id: story.rollout.id.clone(),
        title: title(&story.release),
        word,
        state: StateMark::of(story.rollout.state),
        model: model(story.release.vendor, story.release.class),
        says,
        button,
        danger: matches!(step, Step::Halt | Step::Abort),
        counts: counts(step, story),
        reach: reach.map(ReachShown::new),
        percent: (step == Step::Widen)
            .then(|| share.map(|share| share.percent().to_string()))
            .flatten(),
    }
}

/// How many locks are where; before a start there is only one number.
fn counts(step: Step, story: &RolloutStory) -> Vec<(String, &'static str)> {
    let health = &story.health;
    let waiting = story.progress.included.saturating_sub(story.offered).max(0);
    let all: [(i64, _); 4] = [
        (health.confirmed.into(), "run it, confirmed; they keep it"),
        (
            health.under_way.into(),
            "were offered it and may be fetching or trying it now",
        ),
        (health.failed().into(), "refused it, reverted it or fell silent"),
        (waiting, "were not offered it yet"),
    ];
    all.into_iter()
        .filter(|(count, _)| step != Step::Start || *count > 0)
        .map(|(count, what)| (grouped(count), what))
        .collect()
}

fn locks(count: i64) -> String {
    match count {
        1 => "1 lock".to_owned(),
        count => format!("{} locks", grouped(count)),
    }
}

fn heading(step: Step, story: &RolloutStory) -> String {
    let verb = match step {
        Step::Halt => "Halt",
        Step::Start => "Start",
        Step::Resume => "Resume",
        Step::Widen => "Widen",
        Step::Abort => "Abort",
    };
    format!("{verb} {}?", title(&story.release))
}

/// The step's word in addresses, and what it does.
const fn said(step: Step) -> (&'static str, &'static str) {
    match step {
        Step::Halt => (
            "halt",
            "No lock is offered it from now on, until somebody resumes it. A lock that has already asked its bootloader \
             for it goes through with it, and comes back by itself if it is bad.",
        ),
        Step::Start => (
            "start",
            "From their next call on, the locks below are offered it. It grows as its stages say, and halts itself as its \
             gate says.",
        ),
        Step::Resume => (
            "resume",
            "It is offered again from the next call on. What happened so far does not count against it any more, only what \
             comes after.",
        ),
        Step::Widen => (
            "widen",
            "It reaches more locks; who was reached stays so. There is no way to take them out again but to halt it.",
        ),
        Step::Abort => (
            "abort",
            "It is over for good and cannot be resumed. Locks that have the release keep it.",
        ),
    }
}

/// Takes the step.
pub(in crate::http) async fn take(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((id, word)): Path<(String, String)>,
    Filled(how): Filled<How>,
) -> Shown {
    let rollout = match Step::read(&word)? {
        Step::Halt => app.service.move_rollout(&caller, &id, Move::Pause).await?,
        Step::Start | Step::Resume => app.service.move_rollout(&caller, &id, Move::Resume).await?,
        Step::Abort => app.service.move_rollout(&caller, &id, Move::Abort).await?,
        Step::Widen => app.service.widen_rollout(&caller, &id, how.share()?).await?,
    };
    Ok(see(&format!("/dashboard/rollouts/{}", rollout.id)))
}

/// Gives one lock another try.
pub(in crate::http) async fn retry(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((id, device)): Path<(String, String)>,
) -> Shown {
    app.service
        .retry_device(&caller, &id, device_id(&device)?)
        .await?;
    Ok(see(&format!("/dashboard/rollouts/{id}/devices")))
}

#[derive(Template)]
#[template(path = "dashboard/new_rollout.html")]
struct NewPage {
    page: Page,
    releases: Vec<Choice>,
    gate: crate::domain::gate::Gate,
}

struct Choice {
    digest: String,
    name: String,
    chosen: bool,
}

/// Which release to begin with.
#[derive(Deserialize)]
pub(in crate::http) struct OfRelease {
    #[serde(default)]
    release: String,
}

/// The form for a new rollout.
pub(in crate::http) async fn new(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Query(of): Query<OfRelease>,
) -> Shown<Response> {
    let releases = app.service.releases().await?;
    let choice = |release: &crate::domain::release::Release| Choice {
        digest: release.digest.to_string(),
        name: format!("{}, security counter {}", title(release), release.counter),
        chosen: release.digest.to_string() == of.release,
    };
    Ok(html(&NewPage {
        page: Page::new("New rollout", "rollouts", Some(&session)),
        releases: releases.iter().map(choice).collect(),
        gate: crate::domain::gate::Gate::default(),
    }))
}

/// What the form for a new rollout brings, as people write it.
#[derive(Deserialize)]
pub(in crate::http) struct Written {
    release: String,
    to: String,
    #[serde(default)]
    devices: String,
    stages: String,
    advance: String,
    #[serde(default)]
    confirmed: String,
    #[serde(default)]
    soak_hours: String,
    failures: String,
    percent: String,
    sample: String,
    silence_hours: String,
}

impl Written {
    /// As the API would have been asked; always on hold, so that its locks are looked at before it starts.
    fn wanted(&self) -> Outcome<Wanted> {
        let devices: Vec<&str> = words(&self.devices).collect();
        let stages = words(&self.stages).map(|share| number::<f64>("stages", share.trim_end_matches('%')));
        let mut wanted = serde_json::json!({
            "release": self.release,
            "to": self.to,
            "devices": devices,
            "stages": stages.collect::<Outcome<Vec<f64>>>()?,
            "halt": {
                "failures": number::<u32>("failures", &self.failures)?,
                "percent": number::<f64>("percent", &self.percent)?,
                "sample": number::<u32>("sample", &self.sample)?,
                "silence_hours": number::<u32>("silence_hours", &self.silence_hours)?,
            },
            "start": false,
        });
        if self.advance == "automatic"
            && let Some(fields) = wanted.as_object_mut()
        {
            let advance = serde_json::json!({
                "confirmed": number::<u32>("confirmed", &self.confirmed)?,
                "soak_hours": number::<u32>("soak_hours", &self.soak_hours)?,
            });
            fields.insert("advance".to_owned(), advance);
        }
        serde_json::from_value(wanted)
            .map_err(|error| Failure::new(Kind::Invalid, format!("the rollout was not understood: {error}")))
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| letter.is_whitespace() || letter == ',')
        .filter(|word| !word.is_empty())
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Outcome<T> {
    let text = text.trim();
    // What a float takes beyond digits, JSON has no word for.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|_| plain).ok_or_else(|| {
        Failure::new(
            Kind::Invalid,
            format!("{text:?} is no number for {name}; nothing was made, go back and change it"),
        )
    })
}

/// Makes a rollout on hold.
pub(in crate::http) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Filled(written): Filled<Written>,
) -> Shown {
    let wanted = written.wanted()?.read()?;
    let rollout = app.service.create_rollout(&caller, &wanted).await?;
    Ok(see(&format!("/dashboard/rollouts/{}", rollout.id)))
}
