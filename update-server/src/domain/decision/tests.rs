//! What must hold of every decision, whatever the rollouts say.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "small numbers that the test itself chose"
)]

use latchkey_directive::DeviceId;
use latchkey_image::{ImageDigest, Version};
use proptest::prelude::*;

use super::*;
use crate::domain::release::ReleaseKind;
use crate::domain::wishes::Updates;
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
        hold: None,
    }
}

fn at_noon() -> Moment {
    Moment {
        now: 1_000_000,
        minute: "12:00".parse().unwrap(),
        battery_percent: Some(80),
        wishes: Wishes::default(),
        alarmed: false,
    }
}

fn brings(candidate: &mut Candidate) -> &mut Release {
    Arc::make_mut(&mut candidate.release)
}

fn candidate(minor: u8, counter: u32) -> Candidate {
    Candidate {
        rollout: format!("to-1.{minor}"),
        made_at: 100,
        forgiven_boot: None,
        release: Arc::new(Release {
            digest: ImageDigest([minor; 32]),
            vendor: VENDOR,
            class: CLASS,
            version: version(minor),
            counter: SecurityCounter(counter),
            min_version: None,
            size: 1,
            file: FileHash([minor; 32]),
            kind: ReleaseKind::Feature,
            notes: None,
            published_at: 0,
            published_by: String::new(),
        }),
        terms: Terms::default(),
        share: Share::ALL,
        place: Place::of(DeviceId([7; 16]), "to"),
        cohort: None,
        cohorts_reached: 0,
        standing: None,
        reverts: 0,
        refusals: 0,
        refused_at: None,
    }
}

fn verdict(device: &Facts, candidate: Candidate) -> Verdict {
    decide(device, &at_noon(), vec![candidate]).0[0].verdict
}

#[test]
fn a_newer_release_is_offered_and_says_so() {
    let decision = decide(&device(), &at_noon(), vec![candidate(2, 6)]);
    assert_eq!(decision.offer().map(|c| c.rollout.as_str()), Some("to-1.2"));
    assert_eq!(decision.explain(), "rollout to-1.2 of 1.2.0+0: offered");
}

#[test]
fn no_rollout_is_explained_too() {
    assert!(
        decide(&device(), &at_noon(), vec![])
            .explain()
            .contains("no running rollout")
    );
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
        |c: &mut Candidate| brings(c).class = VENDOR,
        |c: &mut Candidate| brings(c).vendor = CLASS,
    ] {
        let mut candidate = candidate(2, 6);
        change(&mut candidate);
        assert_eq!(verdict(&device(), candidate), Verdict::OtherHardware);
    }
}

#[test]
fn a_stepping_stone_comes_first() {
    let mut far = candidate(9, 6);
    brings(&mut far).min_version = Some(version(5));
    let decision = decide(&device(), &at_noon(), vec![far, candidate(5, 6)]);
    assert_eq!(decision.offer().map(|c| c.rollout.as_str()), Some("to-1.5"));
    assert!(matches!(decision.0[0].verdict, Verdict::NeedsStep { .. }));
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
    let decision = decide(&device(), &at_noon(), vec![waiting, candidate(1, 6)]);
    assert!(matches!(decision.0[0].verdict, Verdict::NotYet { .. }));
    assert!(
        decision.offer().is_some(),
        "an older rollout that reaches it goes on meanwhile"
    );
}

#[test]
fn a_cohort_is_reached_by_name_and_stays_so_when_shares_follow() {
    let at = |cohort, cohorts_reached, share| {
        let candidate = Candidate {
            cohort,
            cohorts_reached,
            share,
            ..candidate(2, 6)
        };
        verdict(&device(), candidate) == Verdict::Offered
    };
    let least = Share::of_hundredths(1).unwrap();
    assert!(!least.includes(candidate(2, 6).place));
    assert!(at(Some(0), 1, Share::NOBODY));
    assert!(at(Some(0), 2, Share::NOBODY), "a later cohort takes nobody out");
    assert!(at(Some(1), 2, least), "nor does a share");
    assert!(!at(Some(1), 1, Share::NOBODY), "its cohort has yet to come");
    assert!(!at(None, 2, Share::NOBODY));
    assert!(at(None, 2, Share::ALL));
}

#[test]
fn nothing_is_offered_to_a_device_on_trial() {
    let mut device = device();
    device.running.confirmed = false;
    assert_eq!(verdict(&device, candidate(2, 6)), Verdict::OnTrial);
}

#[test]
fn a_chain_of_stepping_stones_is_walked_one_by_one() {
    // 1.4 needs 1.3, 1.3 needs 1.2; all three are rolled out, the newest first.
    let rollouts = || {
        let mut chain = vec![candidate(4, 6), candidate(3, 6), candidate(2, 6)];
        brings(&mut chain[0]).min_version = Some(version(3));
        brings(&mut chain[1]).min_version = Some(version(2));
        chain
    };
    let mut device = device();
    for next in 2..=4 {
        let decision = decide(&device, &at_noon(), rollouts());
        let offer = decision.offer().unwrap();
        assert_eq!(offer.release.version, version(next));
        device.running.version = version(next);
        device.running.image = offer.release.digest;
        device.running.counter = offer.release.counter;
    }
    assert!(decide(&device, &at_noon(), rollouts()).offer().is_none());
}

#[test]
fn what_the_owner_declined_is_not_offered_and_security_updates_stand_apart() {
    let mut security = candidate(2, 6);
    brings(&mut security).kind = ReleaseKind::Security;
    let feature = candidate(2, 6);
    let wishes = |updates| Moment {
        wishes: Wishes {
            updates,
            postponed_until: None,
        },
        ..at_noon()
    };
    let word = |moment: &Moment, candidate: &Candidate| {
        decide(&device(), moment, vec![candidate.clone()]).0[0]
            .verdict
            .word()
    };
    for (updates, of_feature, of_security) in [
        (Updates::All, "offered", "offered"),
        (Updates::Security, "declined", "offered"),
        (Updates::None, "declined", "declined"),
    ] {
        assert_eq!(word(&wishes(updates), &feature), of_feature, "{updates}");
        assert_eq!(word(&wishes(updates), &security), of_security, "{updates}");
    }
    let mut switched_off = device();
    switched_off.hold = Some(Hold::OWNER);
    assert_eq!(
        verdict(&switched_off, security),
        Verdict::Declined {
            kind: ReleaseKind::Security,
            by_lock: true
        }
    );
}

#[test]
fn nothing_is_offered_before_its_time_and_everything_after() {
    let at = |now| Moment { now, ..at_noon() };
    let mut later = candidate(2, 6);
    later.terms.not_before = Some(500);
    let word = |moment: &Moment, candidate: &Candidate| {
        decide(&device(), moment, vec![candidate.clone()]).0[0]
            .verdict
            .word()
    };
    assert_eq!(word(&at(499), &later), "not-before");
    assert_eq!(word(&at(500), &later), "offered");
    let postponed = |now| Moment {
        wishes: Wishes {
            postponed_until: Some(500),
            ..Wishes::default()
        },
        ..at(now)
    };
    assert_eq!(word(&postponed(499), &candidate(2, 6)), "postponed");
    assert_eq!(word(&postponed(500), &candidate(2, 6)), "offered");
    let mut by_night = candidate(2, 6);
    by_night.terms.hours = Some("22:00-05:00".parse().unwrap());
    assert_eq!(word(&at_noon(), &by_night), "out-of-hours");
    let midnight = Moment {
        minute: "00:00".parse().unwrap(),
        ..at_noon()
    };
    assert_eq!(word(&midnight, &by_night), "offered");
}

#[test]
fn a_low_battery_waits_and_one_that_never_told_does_not() {
    let with = |battery_percent| Moment {
        battery_percent,
        ..at_noon()
    };
    let mut candidate = candidate(2, 6);
    candidate.terms.battery_min = 50;
    let word = |moment: &Moment| {
        decide(&device(), moment, vec![candidate.clone()]).0[0]
            .verdict
            .word()
    };
    assert_eq!(word(&with(Some(49))), "battery-low");
    assert_eq!(word(&with(Some(50))), "offered");
    assert_eq!(word(&with(None)), "offered");
}

#[test]
fn each_refusal_is_followed_by_a_longer_rest() {
    let refused = |refusals| Candidate {
        refusals,
        refused_at: Some(0),
        ..candidate(2, 6)
    };
    let verdict = |now, refusals| {
        let moment = Moment { now, ..at_noon() };
        decide(&device(), &moment, vec![refused(refusals)]).0[0].verdict
    };
    for (refusals, rest) in [(1, REST_MS), (2, 4 * REST_MS)] {
        assert_eq!(verdict(rest - 1, refusals), Verdict::Resting { until: rest });
        assert_eq!(verdict(rest, refusals), Verdict::Offered);
    }
    assert_eq!(verdict(i64::MAX, 3), Verdict::Refused { times: 3 });
}

#[test]
fn a_key_that_two_devices_have_gets_nothing() {
    let moment = Moment {
        alarmed: true,
        ..at_noon()
    };
    let decision = decide(&device(), &moment, vec![candidate(2, 6)]);
    assert!(decision.offer().is_none());
    assert!(
        decision.explain().contains("device settle"),
        "{}",
        decision.explain()
    );
}

#[test]
fn what_a_device_reported_stands_and_only_news_is_written_down() {
    let news = |standing, verdict, held| {
        let candidate = Candidate {
            standing,
            ..candidate(2, 6)
        };
        Judged { candidate, verdict }.news(held)
    };
    let low = Verdict::BatteryLow {
        percent: 1,
        least: 30,
    };
    assert_eq!(news(None, Verdict::Offered, false), Some(Standing::Offered));
    assert_eq!(
        news(None, Verdict::Offered, true),
        Some(Standing::Offered),
        "it has yet to hear of it"
    );
    assert_eq!(
        news(Some(Standing::Offered), Verdict::Offered, true),
        Some(Standing::Deferred)
    );
    assert_eq!(
        news(Some(Standing::Deferred), Verdict::Offered, false),
        Some(Standing::Offered)
    );
    assert_eq!(news(Some(Standing::Offered), Verdict::Offered, false), None);
    assert_eq!(news(None, low, false), Some(Standing::Deferred));
    for reported in [
        Standing::Confirmed,
        Standing::Refused,
        Standing::Requested,
        Standing::Reverted,
    ] {
        assert_eq!(news(Some(reported), low, true), None, "{reported}");
    }
}

/// Each verdict, and what it makes of an offer that stands.
fn every_verdict() -> [(Verdict, Option<Standing>); 18] {
    let at = 2_000_000;
    let (lapsed, deferred) = (Some(Standing::Lapsed), Some(Standing::Deferred));
    let kind = ReleaseKind::Feature;
    [
        (Verdict::AlreadyRunning, None),
        (
            Verdict::BatteryLow {
                percent: 1,
                least: 30,
            },
            deferred,
        ),
        (
            Verdict::BelowFloor {
                offered: SecurityCounter(1),
                floor: SecurityCounter(2),
            },
            lapsed,
        ),
        (
            Verdict::Declined { kind, by_lock: true },
            Some(Standing::Declined),
        ),
        (Verdict::NeedsStep { at_least: version(1) }, lapsed),
        (Verdict::NewerGoesFirst, lapsed),
        (Verdict::NotBefore { at }, lapsed),
        (Verdict::NotNewer { running: version(3) }, lapsed),
        (
            Verdict::NotYet {
                place: Place::of(DeviceId([7; 16]), "to"),
                share: "1".parse().unwrap(),
            },
            lapsed,
        ),
        (Verdict::Offered, None),
        (Verdict::OnTrial, lapsed),
        (Verdict::OtherHardware, lapsed),
        (
            Verdict::OutOfHours {
                hours: "22:00-05:00".parse().unwrap(),
                minute: "12:00".parse().unwrap(),
            },
            deferred,
        ),
        (Verdict::Postponed { until: at }, deferred),
        (Verdict::Refused { times: 3 }, None),
        (Verdict::Resting { until: at }, None),
        (Verdict::Reverted { times: 1 }, None),
        (Verdict::TwoWithOneKey, lapsed),
    ]
}

#[test]
fn only_an_offer_that_the_device_is_still_told_of_can_end_in_silence() {
    let news = |standing, verdict| {
        let candidate = Candidate {
            standing,
            ..candidate(2, 6)
        };
        Judged { candidate, verdict }.news(false)
    };
    let mut words: Vec<&str> = Vec::new();
    for (verdict, becomes) in every_verdict() {
        words.push(verdict.word());
        assert_eq!(news(Some(Standing::Offered), verdict), becomes, "{verdict:?}");
        // Nobody has had an offer by being told why there is none.
        let first = news(None, verdict);
        assert_ne!(first, Some(Standing::Lapsed), "{verdict:?}");
        // Who asked for it has yet to say what came of that, unless it runs something beyond it.
        let beyond = matches!(verdict, Verdict::BelowFloor { .. } | Verdict::NotNewer { .. });
        let after_request = beyond.then_some(Standing::Lapsed);
        assert_eq!(
            news(Some(Standing::Requested), verdict),
            after_request,
            "{verdict:?}"
        );
        // And what lapsed is offered again like any other.
        let again = news(Some(Standing::Lapsed), verdict);
        let same = again.is_none() || again == becomes || again == Some(Standing::Offered);
        assert!(same, "{verdict:?}: {again:?}");
    }
    words.dedup();
    assert_eq!(words.len(), 18, "each verdict once");
}

#[test]
fn a_newer_rollout_that_is_offered_ends_the_offer_of_an_older_one() {
    let older = Candidate {
        standing: Some(Standing::Offered),
        ..candidate(2, 6)
    };
    let decision = decide(&device(), &at_noon(), vec![candidate(3, 6), older]);
    assert_eq!(decision.offer().map(|c| c.rollout.as_str()), Some("to-1.3"));
    let [newer, older] = &decision.0[..] else {
        panic!("{decision:?}");
    };
    assert_eq!(newer.news(false), Some(Standing::Offered));
    assert_eq!(
        (older.verdict, older.news(false)),
        (Verdict::NewerGoesFirst, Some(Standing::Lapsed))
    );
}

#[test]
fn what_an_operator_forgave_counts_no_more_and_what_comes_then_does() {
    let mut device = device();
    device.boot = BootReport {
        outcome: BootOutcome::Reverted,
        about: [2; 16],
        ..device.boot
    };
    device.boot_since = 500;
    let forgiven = Candidate {
        forgiven_boot: Some(500),
        ..candidate(2, 6)
    };
    assert_eq!(verdict(&device, candidate(2, 6)), Verdict::Reverted { times: 1 });
    assert_eq!(verdict(&device, forgiven.clone()), Verdict::Offered);
    device.boot_since = 501;
    assert_eq!(verdict(&device, forgiven), Verdict::Reverted { times: 1 });
}

/// Few values, so that equal and neighbouring ones meet often.
fn any_candidate() -> impl Strategy<Value = Candidate> {
    let least = prop::option::of(0..4_u8);
    let counts = (0..3_u32, 0..5_u32, prop::option::of(0..3_i64));
    let terms = (0..3_u8, prop::option::of(0..3_i64), any::<bool>());
    let reach = (1..=3_u16, any::<bool>(), any::<bool>());
    (0..4_u8, 0..4_u32, least, counts, terms, reach).prop_map(
        |(
            minor,
            counter,
            least,
            (reverts, refusals, hours_ago),
            (battery_min, not_before, by_night),
            reach,
        )| {
            let (share, security, ours) = reach;
            let mut made = candidate(minor, counter);
            brings(&mut made).min_version = least.map(version);
            made.reverts = reverts;
            made.refusals = refusals;
            made.refused_at = hours_ago.map(|hours| -hours * REST_MS);
            made.share = Share::of_hundredths(share * 3_333).unwrap();
            made.terms = Terms {
                battery_min,
                not_before,
                hours: by_night.then(|| "22:00-05:00".parse().unwrap()),
            };
            if security {
                brings(&mut made).kind = ReleaseKind::Security;
            }
            if !ours {
                brings(&mut made).class = VENDOR;
            }
            made
        },
    )
}

fn any_moment() -> impl Strategy<Value = Moment> {
    let updates = prop::sample::select(Updates::ALL);
    let postponed = prop::option::of(0..3_i64);
    let battery = prop::option::of(0..3_u8);
    (
        0..3_i64,
        0..1_440_u16,
        battery,
        updates,
        postponed,
        prop::bool::weighted(0.1),
    )
        .prop_map(
            |(now, minute, battery_percent, updates, postponed_until, alarmed)| Moment {
                now,
                minute: Minute::of(minute).unwrap(),
                battery_percent,
                wishes: Wishes {
                    updates,
                    postponed_until,
                },
                alarmed,
            },
        )
}

fn any_device() -> impl Strategy<Value = Facts> {
    let running = (0..4_u8, 0..4_u32, any::<bool>());
    (running, 0..4_u32, prop::option::of(1..6_u8)).prop_map(|((minor, counter, confirmed), floor, hold)| {
        let mut device = device();
        device.running.image = ImageDigest([minor; 32]);
        device.running.version = version(minor);
        device.running.counter = SecurityCounter(counter);
        device.running.confirmed = confirmed;
        device.floor = SecurityCounter(floor);
        device.hold = hold.map(Hold);
        device
    })
}

proptest! {
    #[test]
    fn whatever_is_offered_keeps_every_rule(
        device in any_device(),
        moment in any_moment(),
        candidates in prop::collection::vec(any_candidate(), 0..6),
    ) {
        let decision = decide(&device, &moment, candidates.clone());
        prop_assert_eq!(decision.0.len(), candidates.len(), "all were looked at");
        let is_offered = |judged: &Judged| judged.verdict == Verdict::Offered;
        prop_assert!(decision.0.iter().filter(|judged| is_offered(judged)).count() <= 1);
        let Some(offer) = decision.offer() else {
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
        prop_assert!(offer.share.includes(offer.place));
        prop_assert!(offer.reverts < REVERTS_MAX && offer.refusals < REFUSALS_MAX);
        prop_assert!(!moment.alarmed);
        prop_assert!(device.hold != Some(Hold::OWNER) && moment.wishes.updates != Updates::None);
        prop_assert!(moment.wishes.updates == Updates::All || release.kind == ReleaseKind::Security);
        prop_assert!(moment.wishes.postponed_until.is_none_or(|until| until <= moment.now));
        prop_assert!(offer.terms.not_before.is_none_or(|at| at <= moment.now));
        prop_assert!(offer.terms.hours.is_none_or(|hours| hours.include(moment.minute)));
        prop_assert!(moment.battery_percent.is_none_or(|percent| percent >= offer.terms.battery_min));
        // The newest that passes: none of those before it would be offered alone.
        let newer = decision.0.iter().take_while(|judged| !is_offered(judged));
        for judged in newer {
            let alone = decide(&device, &moment, vec![judged.candidate.clone()]);
            prop_assert!(alone.offer().is_none());
        }
    }

    #[test]
    fn a_refusal_always_explains_itself_and_names_its_rollout(
        device in any_device(),
        moment in any_moment(),
        candidates in prop::collection::vec(any_candidate(), 0..6),
    ) {
        let decision = decide(&device, &moment, candidates);
        prop_assert!(!decision.explain().is_empty());
        for judged in &decision.0 {
            let sentence = judged.explain();
            prop_assert!(sentence.contains(&judged.candidate.rollout));
            let refused = judged.verdict != Verdict::Offered;
            prop_assert_eq!(refused, sentence.contains("not offered"), "{}", sentence);
            prop_assert!(!refused || sentence.len() > 50, "{}", sentence);
        }
    }

    #[test]
    fn the_same_question_gets_the_same_answer_and_widening_takes_it_from_nobody(
        device in any_device(),
        moment in any_moment(),
        candidate in any_candidate(),
        more in 0..10_000_u16,
    ) {
        let narrow = decide(&device, &moment, vec![candidate.clone()]).0[0].verdict;
        prop_assert_eq!(narrow, decide(&device, &moment, vec![candidate.clone()]).0[0].verdict);
        let hundredths = (candidate.share.hundredths() + more).min(10_000);
        let wider = Candidate {
            share: Share::of_hundredths(hundredths).unwrap(),
            ..candidate
        };
        if narrow == Verdict::Offered {
            prop_assert_eq!(decide(&device, &moment, vec![wider]).0[0].verdict, Verdict::Offered);
        }
    }
}
