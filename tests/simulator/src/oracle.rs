//! What has to hold, whatever power does. Each rule names itself when it is broken.

use latchkey_handoff::{BootReport, Floor, Outcome, Region, reason};
use latchkey_image::SecurityCounter;

use crate::nor::Nor;
use crate::story::{App, End, Story};

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub String);

/// What the world outside the flash knows: it does not forget when power goes.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// How often each image ran.
    pub ran: [u8; 3],
    /// The newest image whose confirmation was acknowledged to its app.
    pub confirmed: Option<usize>,
    /// The newest image that began to confirm itself.
    pub confirming: Option<usize>,
    /// The image that ran before the newest install was requested.
    pub before: usize,
    /// The highest floor seen.
    pub floor: u32,
    /// Power cuts so far.
    pub cuts: u8,
    /// DFU was destroyed by the app.
    pub vandalised: bool,
    /// ACTIVE was damaged from outside.
    pub rotten: bool,
}

fn hold(holds: bool, rule: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation(rule())) }
}

/// The image that lies in ACTIVE, every bit of it settled.
fn running<const P: usize>(story: &Story, flash: &Nor<P>) -> Option<usize> {
    let active = story.geometry.map().active.offset as usize;
    story
        .samples
        .iter()
        .position(|sample| flash.holds(active, &sample.bytes))
}

/// Holds at every jump. Gives the image that runs.
///
/// # Errors
/// The rule that is broken.
pub fn at_jump<const P: usize>(
    story: &Story,
    flash: &mut Nor<P>,
    facts: &mut Facts,
) -> Result<usize, Violation> {
    let runs = running(story, flash)
        .ok_or_else(|| Violation("what runs is one of the images, whole and settled".into()))?;
    facts.ran[runs] = facts.ran[runs].saturating_add(1);
    hold(facts.rotten || facts.confirmed <= Some(runs), || {
        format!("confirmed image {:?} was taken back for {runs}", facts.confirmed)
    })?;
    floor_at_jump(story, flash, facts, runs)?;
    let report = report(story, flash)?;
    hold(report.running == Some(story.samples[runs].id), || {
        format!("the report says that {:?} runs, but {runs} does", report.running)
    })?;
    match report.outcome {
        Outcome::Steady => Ok(()),
        Outcome::Trial => trial(story, flash, facts, runs, &report),
        Outcome::Reverted => reverted(story, facts, runs, &report),
        Outcome::Refused => hold(report.reason == story.end.reason && runs == 0, || {
            format!("refused for {} and {runs} runs", report.reason)
        }),
        Outcome::Rescued => hold(facts.rotten, || "rescued from nothing".into()),
    }?;
    Ok(runs)
}

fn report<const P: usize>(story: &Story, flash: &mut Nor<P>) -> Result<BootReport, Violation> {
    let mut record = Region::new(flash, story.geometry.map().record);
    BootReport::read(&mut record)
        .ok()
        .flatten()
        .ok_or_else(|| Violation("the app can read its boot report".into()))
}

fn floor_at_jump<const P: usize>(
    story: &Story,
    flash: &mut Nor<P>,
    facts: &mut Facts,
    runs: usize,
) -> Result<(), Violation> {
    let floor = Floor::read(&mut Region::new(flash, story.geometry.map().floor));
    let Ok(Some(SecurityCounter(floor))) = floor else {
        return Err(Violation("the floor can be read".into()));
    };
    hold(floor >= facts.floor, || {
        format!("the floor fell from {} to {floor}", facts.floor)
    })?;
    facts.floor = floor;
    let counter = |image: usize| story.samples[image].counter.0;
    let highest = counter(0).max(facts.confirming.map_or(0, counter));
    hold(floor <= highest, || {
        format!("the floor rose to {floor} for an image that is not confirmed")
    })?;
    hold(facts.confirmed != Some(runs) || floor >= counter(runs), || {
        format!("confirmed image {runs} started, and the floor is still {floor}")
    })
}

fn trial<const P: usize>(
    story: &Story,
    flash: &Nor<P>,
    facts: &Facts,
    runs: usize,
    report: &BootReport,
) -> Result<(), Violation> {
    hold(facts.confirmed != Some(runs), || {
        format!("confirmed image {runs} is on trial again")
    })?;
    hold(report.about == Some(story.samples[runs].id), || {
        format!("{runs} is on trial, the report is about {:?}", report.about)
    })?;
    let spent = 3 - report.starts_left.min(3);
    let ran = facts.ran[runs];
    hold(ran <= spent && spent <= ran.saturating_add(facts.cuts), || {
        format!(
            "{ran} starts and {} cuts, and {spent} starts are counted",
            facts.cuts
        )
    })?;
    let map = story.geometry.map();
    let held = (map.dfu.offset + story.geometry.page()) as usize;
    let whole = flash.holds(held, &story.samples[facts.before].bytes);
    hold(facts.vandalised || facts.rotten || whole, || {
        "on trial, the old image lies whole and settled in DFU".into()
    })
}

fn reverted(story: &Story, facts: &Facts, runs: usize, report: &BootReport) -> Result<(), Violation> {
    let about = story
        .samples
        .iter()
        .position(|sample| Some(sample.id) == report.about);
    let Some(bad) = about.filter(|bad| *bad > runs) else {
        return Err(Violation(format!("{runs} is back from {about:?}")));
    };
    hold(report.reason == reason::NOT_CONFIRMED, || {
        format!(
            "reverted for {}, but every image installed was good",
            report.reason
        )
    })?;
    // Two cuts leave an image one start of its three.
    let ran = facts.ran[bad] > 0 || facts.cuts > 2;
    hold(facts.ran[bad].saturating_add(facts.cuts) >= 3 && ran, || {
        format!(
            "reverted after {} starts and {} cuts for not confirming itself",
            facts.ran[bad], facts.cuts
        )
    })
}

/// Holds when nothing happens any more.
///
/// # Errors
/// The rule that is broken.
pub fn at_end<const P: usize>(story: &Story, flash: &mut Nor<P>, facts: &Facts) -> Result<(), Violation> {
    let report = report(story, flash)?;
    let ended = End {
        running: running(story, flash).unwrap_or(usize::MAX),
        outcome: report.outcome,
        reason: report.reason,
        about: story
            .samples
            .iter()
            .position(|sample| Some(sample.id) == report.about)
            .unwrap_or(usize::MAX),
        floor: SecurityCounter(facts.floor),
    };
    // An image that cuts kept from confirming itself has used its starts up, and goes.
    let unconfirmed = matches!(story.apps[1], App::Confirm(..)) && facts.confirmed.is_none();
    let expected = if unconfirmed && !facts.rotten {
        story.end_unconfirmed()
    } else {
        story.end
    };
    hold(ended == expected, || {
        format!("ended as {ended:?} and not as {expected:?}")
    })?;
    hold(flash.misused().is_none(), || {
        flash.misused().unwrap_or_default().to_owned()
    })
}
