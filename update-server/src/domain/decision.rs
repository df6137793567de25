//! What one device gets: the one function that decides it, with the reasons in words.
//!
//! A pure function of facts, so the answer to a check-in and the explanation an operator reads can never
//! differ. It keeps four rules whatever a rollout says: nothing below the device's floor, nothing that is not
//! newer than what runs, nothing for other hardware, and nothing again that this device has reverted or keeps
//! refusing.

use std::fmt;

use latchkey_directive::{BootOutcome, BootReport, Running};
use latchkey_image::{SecurityCounter, Uuid, Version};

use super::release::Release;
use super::share::{Place, Share};
use super::watch::Standing;

/// How often a device may revert an image in one rollout before it is not offered again.
pub const REVERTS_MAX: u32 = 1;

/// How often a device may refuse an image in one rollout before it is not offered again.
pub const REFUSALS_MAX: u32 = 3;

/// What is known of the device that asks.
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
}

/// A running rollout that includes the device, and how the device has fared with its release since.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Which rollout.
    pub rollout: String,
    /// Since when tries count: when it was made, or when an operator gave the device another try; in milliseconds
    /// since 1970.
    pub tries_since: i64,
    /// What it rolls out.
    pub release: Release,
    /// How much of its audience the rollout reaches.
    pub share: Share,
    /// Where in it the device stands.
    pub place: Place,
    /// What became of the offer, where the device had one.
    pub standing: Option<Standing>,
    /// Reports by this device that it reverted the release, since then.
    pub reverts: u32,
    /// Reports by this device that it refused the release, since then.
    pub refusals: u32,
}

/// What was decided.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What to install, and by which rollout; `None` is "carry on".
    pub offer: Option<Candidate>,
    /// The rollouts looked at, newest first, up to the one that is offered.
    pub passed: Vec<(String, Version, Verdict)>,
}

/// What became of one candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is offered.
    Offered,
    /// The device runs it.
    AlreadyRunning,
    /// The device runs something newer.
    NotNewer {
        /// What runs.
        running: Version,
    },
    /// Its counter is below the device's floor.
    BelowFloor {
        /// The image's counter.
        offered: SecurityCounter,
        /// The device's floor.
        floor: SecurityCounter,
    },
    /// What runs is too old to go to it directly.
    NeedsStep {
        /// The lowest version that may.
        at_least: Version,
    },
    /// Made for other hardware.
    OtherHardware,
    /// The rollout does not reach it yet.
    NotYet {
        /// Where the device stands.
        place: Place,
        /// How far the rollout reaches.
        share: Share,
    },
    /// The device runs an image on trial; one thing after another.
    OnTrial,
    /// The device has reverted it.
    Reverted {
        /// How often.
        times: u32,
    },
    /// The device has refused it too often.
    Refused {
        /// How often.
        times: u32,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offered => f.write_str("offered"),
            Self::AlreadyRunning => f.write_str("not offered, the device runs it"),
            Self::NotNewer { running } => write!(
                f,
                "not offered, the device runs {running}, which is newer; to go back, sign the older code with a \
                 higher security counter"
            ),
            Self::BelowFloor { offered, floor } => write!(
                f,
                "not offered, its security counter {offered} is below the device's floor {floor}; sign a newer \
                 build"
            ),
            Self::NeedsStep { at_least } => write!(
                f,
                "not offered, the device must run at least {at_least} first; roll that out to it"
            ),
            Self::NotYet { place, share } => write!(
                f,
                "not offered yet, the rollout reaches {share} and the device stands at {place}; it comes when the \
                 rollout is widened"
            ),
            Self::OtherHardware => f.write_str("not offered, it is for other hardware"),
            Self::OnTrial => f.write_str(
                "not offered, the device runs a new image on trial; it will be looked at again after that",
            ),
            Self::Reverted { times } => write!(
                f,
                "not offered again, the device reverted it {times} time(s); find out why, then give it another \
                 try, or make a new rollout"
            ),
            Self::Refused { times } => write!(
                f,
                "not offered again, the device refused it {times} time(s); see its reports, then give it another \
                 try, or make a new rollout"
            ),
        }
    }
}

impl Decision {
    /// The decision in one sentence per rollout.
    #[must_use]
    pub fn explain(&self) -> String {
        if self.passed.is_empty() {
            return "no running rollout for this hardware class includes the device".to_owned();
        }
        let sentences: Vec<String> = self
            .passed
            .iter()
            .map(|(rollout, version, verdict)| format!("rollout {rollout} of {version}: {verdict}"))
            .collect();
        sentences.join("; ")
    }
}

/// Decides. `candidates` are the running rollouts that include the device, newest first; the first one that
/// passes is offered.
#[must_use]
pub fn decide(device: &Facts, candidates: Vec<Candidate>) -> Decision {
    let mut passed = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let verdict = judge(device, &candidate);
        passed.push((candidate.rollout.clone(), candidate.release.version, verdict));
        if verdict == Verdict::Offered {
            return Decision {
                offer: Some(candidate),
                passed,
            };
        }
    }
    Decision { offer: None, passed }
}

fn judge(device: &Facts, candidate: &Candidate) -> Verdict {
    let release = &candidate.release;
    let running = &device.running;
    if release.vendor != device.vendor || release.class != device.class {
        return Verdict::OtherHardware;
    }
    if release.digest == running.image {
        return Verdict::AlreadyRunning;
    }
    if release.counter < device.floor {
        return Verdict::BelowFloor {
            offered: release.counter,
            floor: device.floor,
        };
    }
    if (release.counter, release.version) <= (running.counter, running.version) {
        return Verdict::NotNewer {
            running: running.version,
        };
    }
    if let Some(at_least) = release.min_version.filter(|least| running.version < *least) {
        return Verdict::NeedsStep { at_least };
    }
    if !candidate.share.includes(candidate.place) {
        return Verdict::NotYet {
            place: candidate.place,
            share: candidate.share,
        };
    }
    let (reverts, refusals) = attempts(device, candidate);
    if reverts >= REVERTS_MAX {
        return Verdict::Reverted { times: reverts };
    }
    if refusals >= REFUSALS_MAX {
        return Verdict::Refused { times: refusals };
    }
    if !running.confirmed {
        return Verdict::OnTrial;
    }
    Verdict::Offered
}

/// How often the device has reverted and refused the candidate. Its bootloader's word counts even before the
/// report about it has come, but not what it said before tries began to count.
fn attempts(device: &Facts, candidate: &Candidate) -> (u32, u32) {
    let about_this = candidate.release.digest.0.starts_with(&device.boot.about);
    let told = u32::from(about_this && device.boot_since >= candidate.tries_since);
    match device.boot.outcome {
        BootOutcome::Reverted | BootOutcome::Rescued => (candidate.reverts.max(told), candidate.refusals),
        BootOutcome::Refused => (candidate.reverts, candidate.refusals.max(told)),
        BootOutcome::Steady | BootOutcome::Trial => (candidate.reverts, candidate.refusals),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::arithmetic_side_effects,
        reason = "small numbers that the test itself chose"
    )]

    use latchkey_directive::DeviceId;
    use latchkey_image::ImageDigest;
    use proptest::prelude::*;

    use super::*;
    use crate::objects::FileHash;

    const VENDOR: Uuid = Uuid([1; 16]);
    const CLASS: Uuid = Uuid([2; 16]);

    fn version(minor: u8) -> Version {
        Version {
            major: 1,
            minor,
            ..Version::default()
        }
    }

    fn device() -> Facts {
        Facts {
            vendor: VENDOR,
            class: CLASS,
            running: Running {
                image: ImageDigest([0; 32]),
                version: version(1),
                counter: SecurityCounter(5),
                confirmed: true,
            },
            floor: SecurityCounter(5),
            boot: BootReport {
                outcome: BootOutcome::Steady,
                reason: 0,
                about: [0; 16],
                starts_left: 0,
            },
            boot_since: 0,
        }
    }

    fn candidate(minor: u8, counter: u32) -> Candidate {
        Candidate {
            rollout: format!("to-1.{minor}"),
            tries_since: 100,
            release: Release {
                digest: ImageDigest([minor; 32]),
                vendor: VENDOR,
                class: CLASS,
                version: version(minor),
                counter: SecurityCounter(counter),
                min_version: None,
                size: 1,
                file: FileHash([minor; 32]),
                notes: None,
                published_at: 0,
                published_by: String::new(),
            },
            share: Share::ALL,
            place: Place::of(DeviceId([7; 16]), "to"),
            standing: None,
            reverts: 0,
            refusals: 0,
        }
    }

    fn verdict(device: &Facts, candidate: Candidate) -> Verdict {
        decide(device, vec![candidate]).passed[0].2
    }

    #[test]
    fn a_newer_release_is_offered_and_says_so() {
        let decision = decide(&device(), vec![candidate(2, 6)]);
        assert_eq!(
            decision.offer.as_ref().map(|c| c.rollout.as_str()),
            Some("to-1.2")
        );
        assert_eq!(decision.explain(), "rollout to-1.2 of 1.2.0+0: offered");
    }

    #[test]
    fn no_rollout_is_explained_too() {
        assert!(decide(&device(), vec![]).explain().contains("no running rollout"));
    }

    #[test]
    fn rollback_below_the_floor_is_never_offered() {
        let mut device = device();
        device.running.counter = SecurityCounter(3); // an image older than the floor, however it got there
        assert!(matches!(
            verdict(&device, candidate(9, 4)),
            Verdict::BelowFloor { .. }
        ));
    }

    #[test]
    fn aborting_the_newest_rollout_downgrades_nobody() {
        let mut device = device();
        device.running.version = version(3);
        // The rollout of 1.2 still runs; that of 1.3 is gone.
        assert!(matches!(
            verdict(&device, candidate(2, 5)),
            Verdict::NotNewer { .. }
        ));
    }

    #[test]
    fn older_code_under_a_higher_counter_is_the_way_back() {
        let mut device = device();
        device.running.version = version(3);
        assert_eq!(verdict(&device, candidate(2, 6)), Verdict::Offered);
    }

    #[test]
    fn what_runs_is_not_offered_again() {
        let mut device = device();
        device.running.image = ImageDigest([2; 32]);
        assert_eq!(verdict(&device, candidate(2, 6)), Verdict::AlreadyRunning);
    }

    #[test]
    fn other_hardware_gets_nothing_whatever_the_rollout_says() {
        for change in [
            |c: &mut Candidate| c.release.class = VENDOR,
            |c: &mut Candidate| c.release.vendor = CLASS,
        ] {
            let mut candidate = candidate(2, 6);
            change(&mut candidate);
            assert_eq!(verdict(&device(), candidate), Verdict::OtherHardware);
        }
    }

    #[test]
    fn a_stepping_stone_comes_first() {
        let mut far = candidate(9, 6);
        far.release.min_version = Some(version(5));
        let decision = decide(&device(), vec![far, candidate(5, 6)]);
        assert_eq!(decision.offer.map(|c| c.rollout).as_deref(), Some("to-1.5"));
        assert!(matches!(decision.passed[0].2, Verdict::NeedsStep { .. }));
    }

    #[test]
    fn attempts_are_limited() {
        let with = |reverts, refusals| Candidate {
            reverts,
            refusals,
            ..candidate(2, 6)
        };
        assert_eq!(verdict(&device(), with(0, 2)), Verdict::Offered);
        assert_eq!(verdict(&device(), with(0, 3)), Verdict::Refused { times: 3 });
        assert_eq!(verdict(&device(), with(1, 0)), Verdict::Reverted { times: 1 });
    }

    #[test]
    fn the_bootloaders_word_counts_before_its_report_comes_but_not_for_a_later_rollout() {
        let mut device = device();
        device.boot.outcome = BootOutcome::Reverted;
        device.boot.about = [2; 16];
        device.boot_since = 100;
        assert_eq!(verdict(&device, candidate(2, 6)), Verdict::Reverted { times: 1 });
        device.boot_since = 99; // said before this rollout was made: the operator wants another try
        assert_eq!(verdict(&device, candidate(2, 6)), Verdict::Offered);
        device.boot_since = 100;
        assert_eq!(
            verdict(&device, candidate(3, 6)),
            Verdict::Offered,
            "about another image"
        );
    }

    #[test]
    fn whom_the_rollout_does_not_reach_yet_waits_for_its_turn() {
        let mut waiting = candidate(2, 6);
        waiting.share = Share::of_hundredths(1).unwrap();
        assert!(!waiting.share.includes(waiting.place));
        let decision = decide(&device(), vec![waiting, candidate(1, 6)]);
        assert!(matches!(decision.passed[0].2, Verdict::NotYet { .. }));
        assert!(
            decision.offer.is_some(),
            "an older rollout that reaches it goes on meanwhile"
        );
    }

    #[test]
    fn nothing_is_offered_to_a_device_on_trial() {
        let mut device = device();
        device.running.confirmed = false;
        assert_eq!(verdict(&device, candidate(2, 6)), Verdict::OnTrial);
    }

    /// Few values, so that equal and neighbouring ones meet often.
    fn any_candidate() -> impl Strategy<Value = Candidate> {
        let least = prop::option::of(0..4_u8);
        (0..4_u8, 0..4_u32, least, 0..3_u32, 0..5_u32, any::<bool>()).prop_map(
            |(minor, counter, least, reverts, refusals, ours)| {
                let mut made = candidate(minor, counter);
                made.release.min_version = least.map(version);
                made.reverts = reverts;
                made.refusals = refusals;
                if !ours {
                    made.release.class = VENDOR;
                }
                made
            },
        )
    }

    proptest! {
        #[test]
        fn whatever_is_offered_keeps_every_rule(
            minor in 0..4_u8,
            counter in 0..4_u32,
            floor in 0..4_u32,
            confirmed: bool,
            candidates in prop::collection::vec(any_candidate(), 0..6),
        ) {
            let mut device = device();
            device.running.image = ImageDigest([minor; 32]);
            device.running.version = version(minor);
            device.running.counter = SecurityCounter(counter);
            device.running.confirmed = confirmed;
            device.floor = SecurityCounter(floor);
            let decision = decide(&device, candidates.clone());
            prop_assert!(!decision.explain().is_empty());
            let Some(offer) = decision.offer else {
                prop_assert_eq!(decision.passed.len(), candidates.len());
                prop_assert!(decision.passed.iter().all(|(_, _, verdict)| *verdict != Verdict::Offered));
                return Ok(());
            };
            let release = &offer.release;
            prop_assert!(device.running.confirmed);
            prop_assert_eq!((release.vendor, release.class), (VENDOR, CLASS));
            prop_assert!(release.digest != device.running.image);
            prop_assert!(release.counter >= device.floor);
            prop_assert!(release.counter >= device.running.counter);
            prop_assert!(release.counter > device.running.counter || release.version > device.running.version);
            prop_assert!(release.min_version.is_none_or(|least| device.running.version >= least));
            prop_assert!(offer.reverts < REVERTS_MAX && offer.refusals < REFUSALS_MAX);
            // The newest that passes, and the explanation ends with it.
            prop_assert_eq!(decision.passed.last().map(|(_, _, verdict)| *verdict), Some(Verdict::Offered));
            prop_assert_eq!(&candidates[decision.passed.len() - 1].rollout, &offer.rollout);
        }
    }
}
