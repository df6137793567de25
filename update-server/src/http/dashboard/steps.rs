//! What an operator does with a rollout: each step is first shown with whom it touches, and done by one more click, to
//! the rollout that was shown. Where it has changed meanwhile, the page says how, and nothing is done.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde::Deserialize;

use super::dry_run::{DryRun, locks};
use super::forms::{At, Chosen, Filled};
use super::page::{Event, Page, grouped, html, model};
use super::rollouts::{StateMark, field, reach, title};
use super::{Shown, see};
use crate::domain::audit::Recorded;
use crate::domain::cohort::CohortName;
use crate::domain::preview::Preview;
use crate::domain::rollout::{self, Rollout};
use crate::domain::session::Session;
use crate::domain::share::Share;
use crate::domain::stage::Reach;
use crate::domain::step::{Actions, Seen, Step};
use crate::domain::story::RolloutStory;
use crate::failure::{Failure, Kind, Outcome};
use crate::http::App;
use crate::http::devices::device_id;
use crate::http::problem;

/// Locks named one by one before a start; all are on the rollout's own list.
const NAMED: usize = 50;

/// A step as its address has it: widening is without how far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Halt,
    Start,
    Resume,
    Widen,
    Abort,
}

impl Word {
    fn read(word: &str) -> Outcome<Self> {
        let all = [Self::Halt, Self::Start, Self::Resume, Self::Widen, Self::Abort];
        let found = all.into_iter().find(|known| known.as_str() == word);
        found.ok_or_else(|| Failure::new(Kind::NotFound, "a rollout has no such page"))
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Halt => "halt",
            Self::Start => "start",
            Self::Resume => "resume",
            Self::Widen => "widen",
            Self::Abort => "abort",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Halt => "Halt",
            Self::Start => "Start",
            Self::Resume => "Resume",
            Self::Widen => "Widen",
            Self::Abort => "Abort",
        }
    }

    /// What it does.
    const fn says(self) -> &'static str {
        match self {
            Self::Halt => {
                "No lock is offered it from now on, until somebody resumes it. A lock that has already asked its \
                 bootloader for it goes through with it, and comes back by itself if it is bad."
            }
            Self::Start => {
                "From their next call on, the locks below are offered it. It grows as its stages say, and halts itself \
                 as its gate says."
            }
            Self::Resume => {
                "It is offered again from the next call on. What happened so far does not count against it any more, \
                 only what comes after."
            }
            Self::Widen => {
                "It reaches more locks; who was reached stays so. There is no way to take them out again but to halt it."
            }
            Self::Abort => "It is over for good and cannot be resumed. Locks that have the release keep it.",
        }
    }

    /// Why it cannot be done now.
    fn why_not(self, rollout: &Rollout) -> String {
        let stands = if rollout.state == rollout::State::Halted {
            "has halted itself"
        } else {
            "is on hold"
        };
        match (self, rollout.state) {
            (_, rollout::State::Aborted) => {
                "It was aborted, and that is for good; make a new one.".to_owned()
            }
            (Self::Halt, _) => format!("It does not run: it {stands}."),
            (Self::Start | Self::Resume, rollout::State::Running) => "It runs already.".to_owned(),
            (Self::Start, _) => format!("It was started before and {stands}; it can be resumed."),
            (Self::Resume, _) => {
                "No lock was offered it yet; look at whom it reaches, and start it.".to_owned()
            }
            (Self::Widen, _) => "It reaches all of its locks already.".to_owned(),
            (Self::Abort, _) => "It cannot be aborted.".to_owned(),
        }
    }
}

/// What a step's page is asked for, or its form brings.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::http) struct How {
    /// How far to widen: to a share,
    percent: String,
    /// or to one of its cohorts.
    cohort: String,
    /// What was shown, when its button was pressed.
    seen: String,
}

/// Why a step is not taken.
enum Objection {
    /// The rollout does not stand so that it could be.
    Standing(String),
    /// It cannot reach so far; what is wrong with which field.
    Reach(&'static str, String),
}

impl Objection {
    const fn kind(&self) -> Kind {
        match self {
            Self::Standing(_) => Kind::Conflict,
            Self::Reach(..) => Kind::Invalid,
        }
    }
}

/// The step that is meant, if it can be taken now.
fn meant(word: Word, how: &How, story: &RolloutStory) -> Result<Step, Objection> {
    let rollout = &story.rollout;
    let actions = Actions::with(rollout, story.offered > 0);
    let step = match word {
        Word::Halt => actions.halt.then_some(Step::Halt),
        Word::Start => actions.start.then_some(Step::Start),
        Word::Resume => actions.resume.then_some(Step::Resume),
        Word::Abort => actions.abort.then_some(Step::Abort),
        Word::Widen if actions.widen.is_none() => None,
        Word::Widen => Some(Step::Widen(further(how, rollout)?)),
    };
    step.ok_or_else(|| Objection::Standing(word.why_not(rollout)))
}

/// How far it is to be widened: to the cohort that is named, else to a share.
fn further(how: &How, rollout: &Rollout) -> Result<Reach, Objection> {
    let already = |to| {
        let reached = reach(rollout, to);
        format!("it reaches {reached} already, and nobody is taken out again")
    };
    let cohort = how.cohort.trim();
    if !cohort.is_empty() {
        let wrong = |why| Objection::Reach("cohort", why);
        let to = CohortName::parse(cohort).and_then(|name| rollout.up_to(&name));
        let to = to.ok_or_else(|| wrong(format!("it does not begin with a cohort {cohort:?}")))?;
        return if rollout.reaching(to) == *rollout {
            Err(wrong(already(to)))
        } else {
            Ok(to)
        };
    }
    let wrong = |why| Objection::Reach("percent", why);
    let percent = how.percent.trim().trim_end_matches('%').trim_end();
    let share: Share = percent.parse().map_err(wrong)?;
    if share <= rollout.share {
        return Err(wrong(already(rollout.reach())));
    }
    Ok(Reach::Share(share))
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
    /// Why nothing was done, or can be.
    refused: Option<String>,
    /// What has happened since the page was made on which a button was pressed for nothing.
    since: Vec<Event>,
    /// What can be done.
    offered: Option<Offered>,
    /// Where it could be widened.
    other: Option<Elsewhere>,
}

/// How far else a rollout could be widened.
struct Elsewhere {
    /// As it was typed.
    percent: String,
    /// Its cohorts that it does not reach yet, and whether it is this one that was asked for.
    cohorts: Vec<(String, bool)>,
    /// Which field something is wrong with, and what.
    wrong: Option<(&'static str, String)>,
}

impl Elsewhere {
    fn new(how: &How, rollout: &Rollout, wrong: Option<(&'static str, String)>) -> Self {
        let ahead = rollout.cohorts.iter().skip(rollout.cohorts_reached.into());
        Self {
            percent: how.percent.clone(),
            cohorts: ahead
                .map(|name| (name.to_string(), name.as_str() == how.cohort.trim()))
                .collect(),
            wrong,
        }
    }

    fn wrong(&self, field: &str) -> Option<&str> {
        let wrong = self.wrong.as_ref().filter(|(wrong, _)| *wrong == field);
        wrong.map(|(_, why)| why.as_str())
    }
}

/// A step that can be taken.
struct Offered {
    says: String,
    second: Option<String>,
    button: String,
    danger: bool,
    seen: String,
    /// How far it is widened: the field, and what stands in it.
    to: Option<(&'static str, String)>,
    counts: Vec<(String, &'static str)>,
    dry_run: Option<DryRun>,
}

impl Offered {
    async fn new(
        app: &App,
        session: &Session,
        word: Word,
        step: Step,
        story: &RolloutStory,
    ) -> Outcome<Self> {
        let rollout = &story.rollout;
        let after = match step {
            Step::Halt | Step::Abort => None,
            Step::Start | Step::Resume => Some(rollout.clone()),
            Step::Widen(to) => Some(rollout.reaching(to)),
        };
        let preview = match after {
            None => None,
            Some(after) => {
                let beyond = matches!(step, Step::Widen(_)) && story.offered > 0;
                let beyond = beyond.then_some(rollout);
                Some(app.service.preview(&after, beyond, NAMED).await?)
            }
        };
        let waits = app.service.waits_for_another(rollout, session.caller(), step);
        Ok(Self {
            says: says(word, rollout),
            second: second(rollout, step, waits),
            button: button(rollout, step, waits, preview.as_ref()),
            danger: matches!(step, Step::Halt | Step::Abort),
            seen: Seen::of(rollout, story.at).as_str().to_owned(),
            to: match step {
                Step::Widen(to) => Some(field(rollout, to)),
                Step::Halt | Step::Start | Step::Resume | Step::Abort => None,
            },
            counts: counts(step, story),
            dry_run: preview.as_ref().map(DryRun::new),
        })
    }
}

fn says(word: Word, rollout: &Rollout) -> String {
    let says = word.says();
    if word == Word::Widen && rollout.state != rollout::State::Running {
        return format!("{says} Nothing is offered to them until it runs.");
    }
    says.to_owned()
}

/// What it means that a step takes two persons, where it does.
fn second(rollout: &Rollout, step: Step, waits: bool) -> Option<String> {
    if waits {
        return Some(
            "It takes two persons: now it is only asked for, and it is done when another person does the same within \
             a day."
                .to_owned(),
        );
    }
    let asked = rollout.asked.as_ref()?;
    matches!(step, Step::Start | Step::Resume | Step::Widen(_)).then(|| {
        format!(
            "{} asked for this; you are the second person, so it is done.",
            asked.by
        )
    })
}

fn button(rollout: &Rollout, step: Step, waits: bool, preview: Option<&Preview>) -> String {
    let does = match (step, preview) {
        (Step::Halt, _) => "Halt now".to_owned(),
        (Step::Start, Some(preview)) if !waits => format!("Start: offer it to {}", locks(preview.offered())),
        (Step::Start, _) => "Start".to_owned(),
        (Step::Resume, _) => "Resume".to_owned(),
        (Step::Widen(to), _) => format!("Widen to {}", reach(rollout, to)),
        (Step::Abort, _) => "Abort for good".to_owned(),
    };
    if waits {
        format!("Ask for it: {does}")
    } else {
        does
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

/// Shows whom a step touches.
pub(in crate::http) async fn ask(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    At((id, word)): At<(String, String)>,
    Chosen(mut how): Chosen<How>,
) -> Shown {
    let word = Word::read(&word)?;
    let story = app.service.rollout_story(&id).await?;
    let next = Actions::with(&story.rollout, story.offered > 0).widen;
    if let (true, Some(next)) = (how.percent.is_empty() && how.cohort.is_empty(), next) {
        match field(&story.rollout, next) {
            ("cohort", name) => how.cohort = name,
            (_, percent) => how.percent = percent,
        }
    }
    show(&app, &session, word, &how, &story, None).await
}

/// Takes the step, or shows it again with why not.
pub(in crate::http) async fn take(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    At((id, word)): At<(String, String)>,
    Filled(how): Filled<How>,
) -> Shown {
    let word = Word::read(&word)?;
    let story = app.service.rollout_story(&id).await?;
    let seen = Seen::written(&how.seen);
    let objection = match meant(word, &how, &story) {
        Ok(step) => match app.service.take_step(session.caller(), &id, step, &seen).await {
            Ok(rollout) => return Ok(see(&format!("/dashboard/rollouts/{}", rollout.id))),
            Err(failure) if failure.kind == Kind::Conflict => Objection::Standing(failure.detail),
            Err(failure) => return Err(failure.into()),
        },
        Err(objection) => objection,
    };
    // As it is after whatever came in between.
    let story = app.service.rollout_story(&id).await?;
    show(&app, &session, word, &how, &story, Some((objection, seen))).await
}

/// A step's page. `refused`: why its button, on a page where that was seen, has done nothing.
async fn show(
    app: &App,
    session: &Session,
    word: Word,
    how: &How,
    story: &RolloutStory,
    refused: Option<(Objection, Seen)>,
) -> Shown {
    let seen_then = refused.as_ref().and_then(|(_, seen)| seen.changed_at());
    let (offered, objection) = match meant(word, how, story) {
        Ok(step) => {
            let offered = Offered::new(app, session, word, step, story).await?;
            (Some(offered), refused.map(|(objection, _)| objection))
        }
        Err(objection) => (None, Some(objection)),
    };
    let status = objection
        .as_ref()
        .map_or(StatusCode::OK, |objection| problem::status(objection.kind()));
    let later = |line: &&Recorded| seen_then.is_some_and(|then| line.at > then);
    let (refused, wrong) = match objection {
        None => (None, None),
        Some(Objection::Standing(why)) => (Some(why), None),
        Some(Objection::Reach(field, why)) => (None, Some((field, why))),
    };
    let widens = word == Word::Widen && (offered.is_some() || wrong.is_some());
    let page = StepPage {
        page: Page::new(
            format!("{} {}?", word.title(), title(&story.release)),
            "rollouts",
            Some(session),
        ),
        id: story.rollout.id.clone(),
        title: title(&story.release),
        word: word.as_str(),
        state: StateMark::of(story.rollout.state),
        model: model(story.release.vendor, story.release.class),
        refused,
        since: story.events.iter().filter(later).map(Event::new).collect(),
        offered,
        other: widens.then(|| Elsewhere::new(how, &story.rollout, wrong)),
    };
    Ok((status, html(&page)).into_response())
}

/// Gives one lock another try.
pub(in crate::http) async fn retry(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    At((id, device)): At<(String, String)>,
) -> Shown {
    app.service
        .retry_device(session.caller(), &id, device_id(&device)?)
        .await?;
    Ok(see(&format!("/dashboard/rollouts/{id}/devices")))
}
