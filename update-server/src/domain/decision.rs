//! What one device gets: the one function that decides it, with the reasons in words.
//!
//! A pure function of facts, so the answer to a check-in, the list shown before a rollout starts, and the explanation an
//! operator reads can never differ. It keeps these rules whatever a rollout says: nothing below the device's floor,
//! nothing that is not newer than what runs, nothing for other hardware, nothing that its owner declined, nothing
//! again that this device has reverted or keeps refusing, and nothing at all to a key that two devices seem to have.

#[cfg(test)]
mod tests;
mod verdict;

use std::sync::Arc;

use latchkey_directive::{BootOutcome, BootReport, Hold, Running};
use latchkey_image::{ImageDigest, SecurityCounter, Uuid};

use super::hours::{Hours, Minute};
use super::release::Release;
use super::share::{Place, Share};
use super::watch::Standing;
use super::wishes::Wishes;

pub use verdict::Verdict;

/// How often a device may revert an image in one rollout before it is not offered again.
pub const REVERTS_MAX: u32 = 1;

/// How often a device may refuse an image in one rollout before it is not offered again.
pub const REFUSALS_MAX: u32 = 3;

/// How long an image rests after a device's first refusal, in milliseconds; four times as long after each further one.
pub const REST_MS: i64 = 3_600_000;

/// What a device told of itself.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Whose it is, as enrolled.
    pub vendor: Uuid,
    /// Which hardware it is, as enrolled.
    pub class: Uuid,
    /// What it runs.
    pub running: Running,
    /// The lowest counter it boots.
    pub floor: SecurityCounter,
    /// What its bootloader said last.
    pub boot: BootReport,
    /// When the server first heard that, in milliseconds since 1970.
    pub boot_since: i64,
    /// What spoke against an install when it called.
    pub hold: Option<Hold>,
}

impl Facts {
    /// What its bootloader says against an image: that it has it back out, or refused it. What it said before a rollout
    /// was made does not count there, and neither does what it was forgiven, by the time since when it had said so.
    #[must_use]
    pub fn says_against(&self, image: ImageDigest, made_at: i64, forgiven: Option<i64>) -> Option<Standing> {
        let counts = self.boot_since >= made_at && forgiven != Some(self.boot_since);
        if !counts || !image.0.starts_with(&self.boot.about) {
            return None;
        }
        match self.boot.outcome {
            BootOutcome::Reverted | BootOutcome::Rescued => Some(Standing::Reverted),
            BootOutcome::Refused => Some(Standing::Refused),
            BootOutcome::Steady | BootOutcome::Trial => None,
        }
    }

    /// What it says of an image that it was offered: what its bootloader has against it, or else that it runs it,
    /// confirmed. Of the former no report may come: an image that was confirmed can still be taken back.
    #[must_use]
    pub fn says_of(&self, image: ImageDigest, made_at: i64, forgiven: Option<i64>) -> Option<Standing> {
        let runs = self.running.confirmed && self.running.image == image;
        self.says_against(image, made_at, forgiven)
            .or_else(|| runs.then_some(Standing::Confirmed))
    }
}

/// What else counts at the moment it asks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub now: i64,
    /// The time of day where the device is.
    pub minute: Minute,
    /// Its battery charge in percent; `None`: never told.
    pub battery_percent: Option<u8>,
    /// What is wanted of updates for it.
    pub wishes: Wishes,
    /// Whether two devices seem to have its key.
    pub alarmed: bool,
}

/// On what terms a rollout is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Not to a device with less battery charge, in percent.
    pub battery_min: u8,
    /// Not before, in milliseconds since 1970.
    pub not_before: Option<i64>,
    /// Only at this time of the device's day.
    pub hours: Option<Hours>,
}

impl Default for Terms {
    /// At any time, with the charge that locks ask for themselves.
    fn default() -> Self {
        Self {
            battery_min: latchkey_lock::update::BATTERY_FLOOR_PERCENT,
            not_before: None,
            hours: None,
        }
    }
}

/// A running rollout that includes the device, and how the device has fared with its release since.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Which rollout.
    pub rollout: String,
    /// When it was made, in milliseconds since 1970. What the device did with the release before does not count.
    pub made_at: i64,
    /// Since when its bootloader had said what an operator forgave when giving the device another try.
    pub forgiven_boot: Option<i64>,
    /// What it rolls out.
    pub release: Arc<Release>,
    /// On what terms.
    pub terms: Terms,
    /// How much of its audience the rollout reaches.
    pub share: Share,
    /// Where in it the device stands.
    pub place: Place,
    /// Which of the rollout's cohorts the device is in, counted from 0.
    pub cohort: Option<u16>,
    /// How many of its cohorts the rollout reaches.
    pub cohorts_reached: u16,
    /// What became of the offer, where the device had one.
    pub standing: Option<Standing>,
    /// Reports by this device that it reverted the release, without what was forgiven.
    pub reverts: u32,
    /// Reports by this device that it refused the release, without what was forgiven.
    pub refusals: u32,
    /// When the last of these came, in milliseconds since 1970.
    pub refused_at: Option<i64>,
}

impl Candidate {
    /// Whether the rollout reaches the device.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        is_reached((self.cohorts_reached, self.cohort), (self.share, self.place))
    }

    /// What the device's bootloader says against the release, as far as that counts here.
    #[must_use]
    pub fn said(&self, device: &Facts) -> Option<Standing> {
        device.says_against(self.release.digest, self.made_at, self.forgiven_boot)
    }
}

/// Whether a rollout reaches a device: by the name of its cohort, of which it reaches so many, or by its place in the
/// share that it reaches. Both only ever grow.
#[must_use]
pub fn is_reached((cohorts, cohort): (u16, Option<u16>), (share, place): (Share, Place)) -> bool {
    cohort.is_some_and(|cohort| cohort < cohorts) || share.includes(place)
}

/// A candidate and what became of it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Which rollout.
    pub candidate: Candidate,
    /// What became of it.
    pub verdict: Verdict,
}

/// What was decided: every rollout that includes the device, newest first; one of them is offered at most.
#[derive(Clone, Debug)]
pub struct Decision(pub Vec<Judged>);

impl Decision {
    /// What to install, and by which rollout; `None` is "carry on".
    #[must_use]
    pub fn offer(&self) -> Option<&Candidate> {
        let offered = self.0.iter().find(|judged| judged.verdict == Verdict::Offered)?;
        Some(&offered.candidate)
    }

    /// What it comes to while a device has something of this rollout to do or to leave: nothing else is offered.
    #[must_use]
    pub fn beside(&self, rollout: &str) -> Self {
        let stays =
            |judged: &&Judged| judged.verdict != Verdict::Offered || judged.candidate.rollout == rollout;
        Self(self.0.iter().filter(stays).cloned().collect())
    }

    /// The decision in one sentence per rollout.
    #[must_use]
    pub fn explain(&self) -> String {
        if self.0.is_empty() {
            return "no running rollout for this hardware class includes the device".to_owned();
        }
        let sentences: Vec<String> = self.0.iter().map(Judged::explain).collect();
        sentences.join("; ")
    }
}

impl Judged {
    fn explain(&self) -> String {
        let Candidate { rollout, release, .. } = &self.candidate;
        format!("rollout {rollout} of {}: {}", release.version, self.verdict)
    }

    /// What is to be written down of the offer, where that is news. `held`: the device said that it does not install
    /// now.
    ///
    /// An offer stands as long as the device is told of it at each call, or has the release on trial. So whatever else
    /// the device is told ends its offer, until it is offered again. What it has reported stands, whatever it is told
    /// afterwards; but one that asked its bootloader for the release and now runs something beyond it has no more to say
    /// of it. Only an offer that came to no more than this can end in silence; `store/offers.rs` has when.
    #[must_use]
    pub fn news(&self, held: bool) -> Option<Standing> {
        let before = self.candidate.standing;
        let open = before.is_none_or(Standing::is_open);
        let now = match self.verdict {
            Verdict::Offered if held && before.is_some() => Standing::Deferred,
            Verdict::Offered => Standing::Offered,
            Verdict::Declined { .. } => Standing::Declined,
            Verdict::BatteryLow { .. } | Verdict::OutOfHours { .. } | Verdict::Postponed { .. } => {
                Standing::Deferred
            }
            // What came of it is the device's to report, and if it never does, that is silence.
            Verdict::AlreadyRunning
            | Verdict::Refused { .. }
            | Verdict::Resting { .. }
            | Verdict::Reverted { .. } => return None,
            Verdict::BelowFloor { .. } | Verdict::NotNewer { .. } if before == Some(Standing::Requested) => {
                return Some(Standing::Lapsed);
            }
            Verdict::BelowFloor { .. }
            | Verdict::NeedsStep { .. }
            | Verdict::NewerGoesFirst
            | Verdict::NotBefore { .. }
            | Verdict::NotNewer { .. }
            | Verdict::NotYet { .. }
            | Verdict::OnTrial
            | Verdict::OtherHardware
            | Verdict::TwoWithOneKey => {
                before?;
                Standing::Lapsed
            }
        };
        (open && before != Some(now)).then_some(now)
    }
}

/// Decides. `candidates` are the running rollouts that include the device, newest first; the first one that
/// passes is offered.
#[must_use]
pub fn decide(device: &Facts, moment: &Moment, candidates: Vec<Candidate>) -> Decision {
    let mut offered = false;
    let judged = candidates.into_iter().map(|candidate| {
        let mut verdict = judge(device, moment, &candidate);
        if offered && verdict == Verdict::Offered {
            verdict = Verdict::NewerGoesFirst;
        }
        offered |= verdict == Verdict::Offered;
        Judged { candidate, verdict }
    });
    Decision(judged.collect())
}

fn judge(device: &Facts, moment: &Moment, candidate: &Candidate) -> Verdict {
    let refused = never(device, moment, candidate).or_else(|| not_now(device, moment, candidate));
    refused.unwrap_or(Verdict::Offered)
}

/// Why this device does not get it until something else than the time of day changes.
fn never(device: &Facts, moment: &Moment, candidate: &Candidate) -> Option<Verdict> {
    let release = &candidate.release;
    let running = &device.running;
    if !release.is_for(device.vendor, device.class) {
        return Some(Verdict::OtherHardware);
    }
    if release.digest == running.image {
        return Some(Verdict::AlreadyRunning);
    }
    if release.counter < device.floor {
        return Some(Verdict::BelowFloor {
            offered: release.counter,
            floor: device.floor,
        });
    }
    if (release.counter, release.version) <= (running.counter, running.version) {
        return Some(Verdict::NotNewer {
            running: running.version,
        });
    }
    if let Some(at_least) = release.step_before(running.version) {
        return Some(Verdict::NeedsStep { at_least });
    }
    if moment.alarmed {
        return Some(Verdict::TwoWithOneKey);
    }
    if !candidate.is_reached() {
        return Some(Verdict::NotYet {
            place: candidate.place,
            share: candidate.share,
        });
    }
    let (reverts, refusals) = attempts(device, candidate);
    if reverts >= REVERTS_MAX {
        return Some(Verdict::Reverted { times: reverts });
    }
    if refusals >= REFUSALS_MAX {
        return Some(Verdict::Refused { times: refusals });
    }
    let declined = device.hold == Some(Hold::OWNER) || moment.wishes.declines(release.kind);
    declined.then_some(Verdict::Declined {
        kind: release.kind,
        by_lock: device.hold == Some(Hold::OWNER),
    })
}

/// Why this device does not get it at this moment.
fn not_now(device: &Facts, moment: &Moment, candidate: &Candidate) -> Option<Verdict> {
    let Terms {
        battery_min,
        not_before,
        hours,
    } = candidate.terms;
    let ahead = |time: Option<i64>| time.filter(|time| moment.now < *time);
    if !device.running.confirmed {
        return Some(Verdict::OnTrial);
    }
    if let Some(at) = ahead(not_before) {
        return Some(Verdict::NotBefore { at });
    }
    if let Some(until) = ahead(moment.wishes.postponed_until) {
        return Some(Verdict::Postponed { until });
    }
    if let Some(until) = ahead(rested(candidate)) {
        return Some(Verdict::Resting { until });
    }
    if let Some(percent) = moment.battery_percent.filter(|percent| *percent < battery_min) {
        return Some(Verdict::BatteryLow {
            percent,
            least: battery_min,
        });
    }
    hours
        .filter(|hours| !hours.include(moment.minute))
        .map(|hours| Verdict::OutOfHours {
            hours,
            minute: moment.minute,
        })
}

/// When an image that the device refused may be offered to it again.
fn rested(candidate: &Candidate) -> Option<i64> {
    let further = candidate.refusals.checked_sub(1)?;
    let rest = REST_MS.saturating_mul(4_i64.saturating_pow(further));
    Some(candidate.refused_at?.saturating_add(rest))
}

/// How often the device has reverted and refused the candidate. Its bootloader's word counts even before the
/// report about it has come.
fn attempts(device: &Facts, candidate: &Candidate) -> (u32, u32) {
    let said = candidate.said(device);
    let told = |standing| u32::from(said == Some(standing));
    (
        candidate.reverts.max(told(Standing::Reverted)),
        candidate.refusals.max(told(Standing::Refused)),
    )
}
