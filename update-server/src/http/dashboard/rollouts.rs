//! Rollouts: the list, one rollout's page, its locks.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::Shown;
use super::chart::{Bar, CourseChart, Part};
use super::forms::{At, Chosen};
use super::page::{Event, Moment, Page, grouped, html, model, percent};
use crate::Service;
use crate::domain::decision::Terms;
use crate::domain::gate::Health;
use crate::domain::release::Release;
use crate::domain::rollout::{self, Rollout};
use crate::domain::second::{Asked, What};
use crate::domain::session::Session;
use crate::domain::share::Share;
use crate::domain::stage::Reach;
use crate::domain::step::Actions;
use crate::domain::story::{RolloutStory, Which};
use crate::domain::watch::Standing;
use crate::failure::Outcome;
use crate::http::App;
use crate::http::devices::device_id;

const HOUR_MS: i64 = 3_600_000;

/// Rollouts on one page.
const ROWS: u32 = 100;

/// Locks on one page.
const MEMBERS: u32 = 200;

/// A rollout in a few words.
pub(super) struct Summary {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) state: StateMark,
    pub(super) reach: String,
    pub(super) made: Moment,
    pub(super) by: String,
    pub(super) because: Option<String>,
    pub(super) failed: String,
    pub(super) confirmed: String,
}

/// Where a rollout stands, as a sign, a word and a colour.
pub(super) struct StateMark {
    pub(super) look: &'static str,
    pub(super) sign: &'static str,
    pub(super) word: &'static str,
}

impl StateMark {
    pub(super) const fn of(state: rollout::State) -> Self {
        let (sign, word) = match state {
            rollout::State::Aborted => ("■", "aborted"),
            rollout::State::Halted => ("✕", "halted itself"),
            rollout::State::Paused => ("‖", "on hold"),
            rollout::State::Running => ("▶", "running"),
        };
        Self {
            look: state.as_str(),
            sign,
            word,
        }
    }
}

impl Summary {
    fn new(rollout: &Rollout, release: &Release, health: Health) -> Self {
        Self {
            id: rollout.id.clone(),
            title: title(release),
            state: StateMark::of(rollout.state),
            reach: reach(rollout, rollout.reach()),
            made: Moment(rollout.created_at),
            by: rollout.created_by.clone(),
            because: rollout.halted_because.clone(),
            failed: grouped(health.failed().into()),
            confirmed: grouped(health.confirmed.into()),
        }
    }
}

/// How far that is, in a few words.
pub(super) fn reach(rollout: &Rollout, to: Reach) -> String {
    match to {
        Reach::Cohorts(count) => match rollout.last_cohort(count) {
            Some(name) => format!("cohort {name}"),
            None => format!("{count} cohorts"),
        },
        Reach::Share(share) => share.to_string(),
    }
}

/// The same as a step's form has it: the field's name, and what stands in it.
pub(super) fn field(rollout: &Rollout, to: Reach) -> (&'static str, String) {
    match to {
        Reach::Cohorts(count) => {
            let name = rollout.last_cohort(count).map(ToString::to_string);
            ("cohort", name.unwrap_or_default())
        }
        Reach::Share(share) => ("percent", share.percent().to_string()),
    }
}

pub(super) fn title(release: &Release) -> String {
    format!("{} to {}", release.version, model(release.vendor, release.class))
}

/// The newest of some rollouts, or those before one, and the number of the last where there may be more.
pub(super) async fn summaries(
    service: &Service,
    which: Which,
    before: Option<i64>,
) -> Outcome<(Vec<Summary>, Option<i64>)> {
    let found = service.rollouts_before(which, before, ROWS).await?;
    let full = found.len() >= ROWS as usize;
    let last = found
        .last()
        .filter(|_| full)
        .map(|(rollout, _, _)| rollout.number);
    let summary =
        |(rollout, release, health): &(Rollout, Release, Health)| Summary::new(rollout, release, *health);
    Ok((found.iter().map(summary).collect(), last))
}

#[derive(Template)]
#[template(path = "dashboard/rollouts.html")]
struct RolloutsPage {
    page: Page,
    rollouts: Vec<Summary>,
    older: Option<i64>,
    newest: bool,
}

/// Which page of the list.
#[derive(Deserialize)]
pub(in crate::http) struct Before {
    before: Option<i64>,
}

/// The list.
pub(in crate::http) async fn list(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Chosen(Before { before }): Chosen<Before>,
) -> Shown {
    let (rollouts, older) = summaries(&app.service, Which::default(), before).await?;
    Ok(html(&RolloutsPage {
        page: Page::new("Rollouts", "rollouts", Some(&session)),
        rollouts,
        older,
        newest: before.is_none(),
    }))
}

#[derive(Template)]
#[template(path = "dashboard/rollout.html")]
struct RolloutPage {
    page: Page,
    id: String,
    now: RolloutNow,
}

/// What is kept fresh of a rollout's page.
#[derive(Template)]
#[template(path = "dashboard/rollout_now.html")]
pub(super) struct RolloutNow {
    id: String,
    at: Moment,
    title: String,
    release: String,
    to_all: bool,
    made: Moment,
    by: String,
    state: StateMark,
    because: Option<String>,
    asked: Option<SecondWanted>,
    terms: Vec<String>,
    two_persons: bool,
    actions: Actions,
    widen: Option<Widening>,
    bar: Bar,
    included: String,
    stages: Vec<Stage>,
    automatic: bool,
    gate: GateNow,
    course: CourseChart,
    events: Vec<Event>,
}

/// How far it would be widened next.
struct Widening {
    /// In a few words.
    to: String,
    /// The page of that step.
    step: String,
}

impl Widening {
    fn new(rollout: &Rollout, to: Reach) -> Self {
        let (field, value) = field(rollout, to);
        Self {
            to: reach(rollout, to),
            step: format!("widen?{field}={value}"),
        }
    }
}

/// What waits for a second person.
struct SecondWanted {
    by: String,
    at: Moment,
    what: String,
    step: String,
}

impl SecondWanted {
    fn new(rollout: &Rollout, asked: &Asked) -> Self {
        let (what, step) = match asked.what {
            What::Start => ("to start it".to_owned(), "start".to_owned()),
            What::Widen(to) => {
                let Widening { to, step } = Widening::new(rollout, to);
                (format!("to widen it to {to}"), step)
            }
        };
        Self {
            by: asked.by.clone(),
            at: Moment(asked.at),
            what,
            step,
        }
    }
}

/// On what terms it is offered, in words.
fn terms(terms: &Terms) -> Vec<String> {
    let mut said = vec![format!("at a battery charge of {} % or more", terms.battery_min)];
    if let Some(not_before) = terms.not_before {
        said.push(format!("not before {}", Moment(not_before)));
    }
    if let Some(hours) = terms.hours {
        said.push(format!("between {hours} in the lock's day"));
    }
    said
}

/// A stage of the strip.
struct Stage {
    look: &'static str,
    sign: &'static str,
    word: &'static str,
    share: String,
    says: String,
}

/// The gate beside what it looks at.
struct GateNow {
    failed: String,
    failures_max: String,
    failures_meter: (u32, u32),
    share: String,
    share_max: String,
    outcomes: String,
    sample: String,
    judged: bool,
    silence_hours: String,
}

/// One rollout.
pub(in crate::http) async fn show(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    At(id): At<String>,
) -> Shown<Response> {
    let story = app.service.rollout_story(&id).await?;
    let page = Page::new(title(&story.release), "rollouts", Some(&session));
    Ok(html(&RolloutPage {
        now: RolloutNow::new(&story, page.operates()),
        page,
        id: story.rollout.id,
    }))
}

impl RolloutNow {
    pub(super) fn new(story: &RolloutStory, operates: bool) -> Self {
        let rollout = &story.rollout;
        let actions = if operates {
            Actions::with(rollout, story.offered > 0)
        } else {
            Actions::default()
        };
        let asked = rollout.asked.as_ref();
        let waits = asked.filter(|asked| story.at < asked.expires_at());
        Self {
            id: rollout.id.clone(),
            at: Moment(story.at),
            title: title(&story.release),
            release: rollout.release.to_string(),
            to_all: rollout.to_all,
            made: Moment(rollout.created_at),
            by: rollout.created_by.clone(),
            state: StateMark::of(rollout.state),
            because: rollout.halted_because.clone(),
            asked: waits.map(|asked| SecondWanted::new(rollout, asked)),
            terms: terms(&rollout.terms),
            two_persons: rollout.two_persons,
            widen: actions.widen.map(|to| Widening::new(rollout, to)),
            actions,
            bar: standing_bar(story),
            included: grouped(story.progress.included),
            stages: stages(story),
            automatic: rollout.advance.is_some(),
            gate: GateNow::new(rollout, story.health),
            course: CourseChart::new(&story.course),
            events: story.events.iter().map(Event::new).collect(),
        }
    }
}

fn standing_bar(story: &RolloutStory) -> Bar {
    let health = &story.health;
    let counted = [
        health.confirmed,
        health.under_way,
        health.refused,
        health.reverted,
        health.silent,
        health.deferred,
        health.declined,
    ];
    let known = counted
        .iter()
        .fold(0_i64, |sum, count| sum.saturating_add((*count).into()));
    let part = |look, label: &str, count: i64| Part {
        look,
        label: label.to_owned(),
        count,
    };
    let mut parts = vec![
        part("good", "confirmed", health.confirmed.into()),
        part("under-way", "under way", health.under_way.into()),
        part("reverted", "reverted", health.reverted.into()),
        part("refused", "refused", health.refused.into()),
        part("silent", "silent", health.silent.into()),
        part("deferred", "deferred", health.deferred.into()),
        part("deferred", "declined", health.declined.into()),
    ];
    // What was before the rollout was last started is not judged any more; it is no longer waiting either.
    let before = story.offered.saturating_sub(known).max(0);
    if before > 0 {
        parts.push(part("deferred", "over, or before it was resumed", before));
    }
    let waiting = story.progress.included.saturating_sub(story.offered).max(0);
    parts.push(part("waiting", "waiting", waiting));
    Bar::new("Locks of this rollout", parts)
}

/// Its cohorts and its shares, one after the other, and how far it was widened by hand if that is none of them.
fn stages(story: &RolloutStory) -> Vec<Stage> {
    let rollout = &story.rollout;
    let mut shares: Vec<Share> = rollout.stages.shares().to_vec();
    if !shares.contains(&rollout.share) && rollout.share != Share::NOBODY {
        shares.push(rollout.share);
        shares.sort();
    }
    let cohorts = (1..)
        .zip(&rollout.cohorts)
        .map(|(count, _)| Reach::Cohorts(count));
    let all: Vec<Reach> = cohorts.chain(shares.into_iter().map(Reach::Share)).collect();
    let now = all.iter().position(|stage| *stage == rollout.reach());
    let last = all.len().saturating_sub(1);
    let each = all.into_iter().enumerate();
    each.map(|(index, stage)| {
        let (look, sign, word) = match Some(index).cmp(&now) {
            std::cmp::Ordering::Less => ("done", "✓", "done"),
            std::cmp::Ordering::Equal => ("current", "●", "now"),
            std::cmp::Ordering::Greater => ("ahead", "○", "ahead"),
        };
        Stage {
            look,
            sign,
            word,
            share: reach(rollout, stage),
            says: if look == "current" {
                current_stage(story, index == last)
            } else {
                String::new()
            },
        }
    })
    .collect()
}

/// What the stage it is in has, and has yet to have.
fn current_stage(story: &RolloutStory, is_last: bool) -> String {
    let rollout = &story.rollout;
    let confirmed = story.confirmed_in_stage;
    let hours = story.at.saturating_sub(rollout.soaks_since()).max(0) / HOUR_MS;
    match rollout.advance {
        Some(advance) if !is_last => format!(
            "{confirmed} of {} confirmed, {hours} of {} h",
            advance.confirmed_min,
            advance.soak_ms / HOUR_MS
        ),
        _ => format!("{confirmed} confirmed in {hours} h"),
    }
}

impl GateNow {
    fn new(rollout: &Rollout, health: Health) -> Self {
        let gate = &rollout.gate;
        let (failed, outcomes) = (health.failed(), health.outcomes());
        Self {
            failed: grouped(failed.into()),
            failures_max: grouped(gate.failures_max.into()),
            failures_meter: (failed.min(gate.failures_max), gate.failures_max),
            share: percent(failed.into(), outcomes.into()),
            share_max: gate.failed_share_max.to_string(),
            outcomes: grouped(outcomes.into()),
            sample: grouped(gate.sample_min.into()),
            judged: outcomes >= gate.sample_min,
            silence_hours: grouped(gate.silence_ms / HOUR_MS),
        }
    }
}

/// Which of a rollout's locks to show.
#[derive(Deserialize)]
pub(in crate::http) struct Filter {
    #[serde(default)]
    standing: String,
    #[serde(default)]
    after: String,
}

#[derive(Template)]
#[template(path = "dashboard/members.html")]
struct MembersPage {
    page: Page,
    id: String,
    title: String,
    standing: &'static str,
    standings: Vec<(&'static str, bool)>,
    members: Vec<MemberRow>,
    more: Option<String>,
}

struct MemberRow {
    id: String,
    running: String,
    place: String,
    reached: bool,
    standing: Option<&'static str>,
    since: Option<Moment>,
    may_retry: bool,
}

/// A rollout's locks.
pub(in crate::http) async fn members(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    At(id): At<String>,
    Chosen(filter): Chosen<Filter>,
) -> Shown<Response> {
    let wanted = Standing::parse(&filter.standing);
    let after = match filter.after.as_str() {
        "" => None,
        name => Some(device_id(name)?),
    };
    let (rollout, found) = app.service.members(&id, wanted, after, MEMBERS).await?;
    let release = app.service.release(rollout.release).await?;
    let page = Page::new(
        format!("Locks of {}", title(&release)),
        "rollouts",
        Some(&session),
    );
    let operates = page.operates() && rollout.state != rollout::State::Aborted;
    let members: Vec<MemberRow> = found
        .iter()
        .map(|member| MemberRow {
            id: member.device.id.to_string(),
            running: member.device.facts.as_ref().map_or_else(
                || "not told yet".to_owned(),
                |facts| facts.running.version.to_string(),
            ),
            place: member.place.to_string(),
            reached: member.reached,
            standing: member.offer.map(|(standing, _)| standing.as_str()),
            since: member.offer.map(|(_, since)| Moment(since)),
            may_retry: operates && member.offer.is_some_and(|(standing, _)| standing.is_failure()),
        })
        .collect();
    let full = members.len() >= MEMBERS as usize;
    Ok(html(&MembersPage {
        page,
        title: title(&release),
        standing: wanted.map_or("", Standing::as_str),
        standings: Standing::ALL
            .iter()
            .map(|standing| (standing.as_str(), wanted == Some(*standing)))
            .collect(),
        more: members.last().filter(|_| full).map(|last| last.id.clone()),
        members,
        id,
    }))
}
