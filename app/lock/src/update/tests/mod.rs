//! The client against a scripted server, well-behaved and not.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "an overflow in a test fails the test"
)]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the bench answers what matters to a test and leaves the rest alone"
)]

mod bench;

use latchkey_directive::{BootOutcome, Event as Reported, Hold as Told, Nonce, ProblemCode};
use latchkey_image::SecurityCounter;
use proptest::prelude::*;

use super::*;
use crate::settings::Settings;
use bench::{Bench, Mischief, NEW, OLD, PACE, SIZE, standing};

const DAY_MS: u64 = 86_400_000;

#[test]
fn an_update_goes_from_the_offer_to_the_report_that_it_runs() {
    let mut lock = Bench::steady();
    assert!(lock.run_for(DAY_MS), "it restarts into the new image");
    assert!(lock.requested);
    assert_eq!(lock.server.fetches, [0], "one request fetches it all");
    assert_eq!(lock.server.events(), [Reported::Requested]);
    assert_eq!(lock.stored.asked(), Some(NEW));

    let mut lock = lock.restarted(standing(NEW, BootOutcome::Trial));
    lock.run_for(60_000);
    assert_eq!(
        lock.server.events(),
        [Reported::Requested],
        "on trial is not yet there"
    );
    assert!(lock.notes.iter().any(|note| note.contains("already runs")));
    lock.tell(Event::Confirmed);
    lock.run_for(60_000);
    assert_eq!(lock.server.events(), [Reported::Requested, Reported::Confirmed]);
    assert_eq!(lock.server.reports[1].image, NEW);
    assert_eq!(lock.stored.asked(), None);
    assert!(lock.server.check_ins.last().unwrap().running.confirmed);
}

#[test]
fn whatever_the_server_does_nothing_is_installed_and_the_lock_recovers() {
    for mischief in Mischief::ALL {
        let mut lock = Bench::steady();
        lock.server.install = None;
        lock.run_for(20_000);
        lock.server.install = Some(bench::install());
        lock.server.mischief = mischief;
        // A dripping server brings the image in the end; that is no harm.
        let harmless = mischief == Mischief::OneByteNowAndThen;
        assert!(!lock.run_for(DAY_MS), "{mischief:?}: restarted");
        assert!(!lock.requested || harmless, "{mischief:?}: installed");
        let calls = lock.server.check_ins.len() + lock.server.fetches.len();
        assert!(
            calls < 2000,
            "{mischief:?}: {calls} calls in a day is no backing off"
        );

        lock.server.mischief = Mischief::None;
        assert!(
            lock.run_for(DAY_MS),
            "{mischief:?}: does not recover: {:?}",
            lock.notes.last()
        );
        assert!(lock.requested, "{mischief:?}");
    }
}

#[test]
fn a_replayed_directive_is_named_so() {
    let mut lock = Bench::steady();
    lock.server.install = None;
    lock.run_for(20_000);
    lock.server.mischief = Mischief::ReplayedDirective;
    lock.run_for(DAY_MS);
    let refused = "the answer is for another lock or another check-in";
    assert!(
        lock.notes.iter().any(|note| note.contains(refused)),
        "{:?}",
        lock.notes
    );
}

#[test]
fn what_the_lock_refuses_it_reports_with_the_reason_and_ever_less_often() {
    for (mischief, reason) in [
        (Mischief::OversizedImage, 150),
        (Mischief::OlderImage, 39),
        (Mischief::ChangedBytes, 35),
    ] {
        let mut lock = Bench::steady();
        lock.server.mischief = mischief;
        lock.server.call_again_s = 0;
        lock.run_for(DAY_MS);
        let reports = &lock.server.reports;
        assert!(
            reports
                .iter()
                .all(|report| report.event == Reported::RefusedByApp)
        );
        assert_eq!((reports[0].reason, reports[0].image), (reason, NEW));
        assert!(
            reports.len() < 60,
            "{mischief:?}: {} reports a day",
            reports.len()
        );
        assert!(lock.server.fetches.is_empty() || mischief == Mischief::ChangedBytes);
    }
}

#[test]
fn a_stolen_server_wears_the_flash_ever_less_often() {
    // The image is rightly signed and crashes: it is installed, reverted, and offered again at once.
    let mut lock = Bench::steady();
    lock.server.call_again_s = 0;
    let mut passed_ms = 0;
    let mut installs = 0;
    while passed_ms < DAY_MS {
        if lock.run_for(DAY_MS - passed_ms) {
            installs += 1;
        }
        passed_ms += lock.now_ms;
        let mut reverted = standing(OLD, BootOutcome::Reverted);
        reverted.boot.about = [0xee; 16];
        lock = lock.restarted(reverted);
    }
    // The longest wait here is an hour, of which a random half is taken off.
    assert!((9..60).contains(&installs), "{installs} installs a day");

    // Nothing to do in between does not make it forget; an image that confirms itself does.
    lock.server.install = None;
    lock.run_for(1_000);
    assert!(lock.stored.refusals() >= 5);
    let mut asked = lock.stored.clone();
    asked.set_asked(Some(NEW));
    let mut lock = Bench::new(standing(NEW, BootOutcome::Steady), asked);
    lock.run_for(1_000);
    assert_eq!(lock.stored.refusals(), 0);
}

#[test]
fn a_new_lock_enrols_waits_for_approval_and_goes_on() {
    let mut lock = Bench::steady();
    lock.server.enrolled = false;
    lock.server.approved = false;
    lock.run_for(3_600_000);
    assert_eq!(lock.server.enrolments, 1);
    let failed = |note: &String| note.starts_with("failed");
    assert!(
        !lock.notes.iter().any(failed),
        "waiting is no failure: {:?}",
        lock.notes
    );
    let asked = lock.server.check_ins.len();
    assert!(
        (50..=130).contains(&asked),
        "it asks again each 30 s, as told: {asked}"
    );
    lock.server.approved = true;
    assert!(lock.run_for(60_000));
}

#[test]
fn an_unknown_device_that_has_just_enrolled_does_not_enrol_in_circles() {
    let mut lock = Bench::steady();
    lock.server.enrolled = false;
    lock.run_for(8_000);
    assert_eq!(lock.server.enrolments, 1);
    for _ in 0..50 {
        lock.server.enrolled = false;
        lock.run_for(15_000);
    }
    assert!(lock.server.enrolments < 40, "{}", lock.server.enrolments);
}

#[test]
fn a_download_goes_on_where_it_was_cut_off() {
    let mut lock = Bench::steady();
    lock.server.mischief = Mischief::LessThanAsked;
    lock.run_for(20_000);
    lock.server.mischief = Mischief::None;
    assert!(lock.run_for(DAY_MS));
    assert_eq!(lock.server.fetches[0], 0);
    assert!(lock.server.fetches[1] > 50_000 && lock.server.fetches[1] < SIZE);
}

#[test]
fn a_dripping_server_holds_a_connection_for_a_quarter_of_an_hour_and_no_longer() {
    let mut lock = Bench::steady();
    lock.server.mischief = Mischief::OneByteNowAndThen;
    lock.server.call_again_s = 86_400;
    lock.run_for(3_000_000);
    let attempts = lock.server.fetches.len();
    assert!((2..=4).contains(&attempts), "{attempts} attempts");
}

#[test]
fn an_install_waits_for_battery_peace_and_quiet() {
    let ready = Conditions {
        battery_percent: 80,
        busy: false,
        quiet_hours: false,
        opted_out: false,
    };
    let holds = [
        Conditions {
            battery_percent: BATTERY_FLOOR_PERCENT - 1,
            ..ready
        },
        Conditions { busy: true, ..ready },
        Conditions {
            quiet_hours: true,
            ..ready
        },
        Conditions {
            opted_out: true,
            ..ready
        },
    ];
    for hold in holds {
        let mut lock = Bench::steady();
        lock.conditions = hold;
        assert!(!lock.run_for(DAY_MS) && !lock.requested);
        assert_eq!(lock.server.fetches, [0], "fetched once, whatever it waits for");
        assert!(
            lock.server.check_ins.len() > 100,
            "and asked for anew when the directive is old"
        );
        assert!(lock.server.reports.is_empty(), "waiting is not refusing");
        lock.conditions = ready;
        assert!(lock.run_for(1000), "at once, when it may");
    }
}

#[test]
fn a_challenge_is_repeated_in_the_next_check_in_and_then_no_more() {
    let mut lock = Bench::steady();
    lock.server.install = None;
    lock.server.challenge = Some(Nonce([9; 16]));
    lock.run_for(DAY_MS);
    let echoes: Vec<_> = lock
        .server
        .check_ins
        .iter()
        .map(|check_in| check_in.echo)
        .collect();
    assert!(echoes.len() > 3);
    assert_eq!(echoes[..2], [None, Some(Nonce([9; 16]))]);
    assert!(echoes[2..].iter().all(Option::is_none));
}

#[test]
fn the_server_is_told_what_speaks_against_an_install_and_the_owners_no_before_all() {
    let mut lock = Bench::steady();
    lock.conditions.opted_out = true;
    lock.conditions.battery_percent = 1;
    assert!(!lock.run_for(DAY_MS));
    assert_eq!(lock.server.check_ins[0].hold, Some(Told::OWNER));
    lock.conditions.opted_out = false;
    assert!(!lock.run_for(DAY_MS));
    assert_eq!(lock.server.check_ins.last().unwrap().hold, Some(Told::BATTERY));
    lock.conditions.battery_percent = 80;
    assert!(lock.run_for(DAY_MS), "once nothing speaks against it");
}

#[test]
fn an_offer_withdrawn_while_the_install_waits_is_not_installed() {
    let mut lock = Bench::steady();
    lock.conditions.busy = true;
    lock.run_for(60_000);
    lock.server.install = None;
    lock.run_for(1_200_000);
    lock.conditions.busy = false;
    assert!(!lock.run_for(DAY_MS) && !lock.requested);
}

#[test]
fn an_offer_withdrawn_while_it_is_downloaded_is_not_installed() {
    let mut lock = Bench::steady();
    lock.server.read_ms = 12_000;
    assert!(!lock.run_for(300_000) && lock.server.fetches == [0]);
    lock.server.install = None;
    assert!(!lock.run_for(DAY_MS) && !lock.requested);
    assert!(lock.notes.iter().any(|note| note.contains("verified")));
}

#[test]
fn a_download_longer_than_its_offer_is_installed_once_it_is_offered_anew() {
    let mut lock = Bench::steady();
    lock.server.read_ms = 12_000;
    assert!(lock.run_for(DAY_MS) && lock.requested);
    assert_eq!((lock.server.check_ins.len(), lock.server.fetches), (2, vec![0]));
}

#[test]
fn while_a_phone_has_the_slot_the_download_waits_and_the_server_hears_of_no_refusal() {
    let mut lock = Bench::steady();
    lock.slot_taken = true;
    assert!(!lock.run_for(DAY_MS));
    assert!(lock.server.fetches.is_empty() && lock.server.reports.is_empty());
    assert!(lock.notes.iter().any(|note| note.contains("from a phone")));
    lock.slot_taken = false;
    assert!(lock.run_for(DAY_MS));
}

#[test]
fn on_trial_no_download_begins() {
    let mut lock = Bench::new(standing(OLD, BootOutcome::Trial), Settings::default());
    lock.run_for(DAY_MS);
    assert!(lock.server.fetches.is_empty() && !lock.requested);
    assert!(!lock.server.check_ins[0].running.confirmed);
}

#[test]
fn what_became_of_an_install_is_reported_after_the_start() {
    let cases = [
        (BootOutcome::Refused, true, Some(Reported::RefusedByBootloader)),
        (BootOutcome::Reverted, true, Some(Reported::Reverted)),
        (BootOutcome::Rescued, true, Some(Reported::Reverted)),
        (BootOutcome::Reverted, false, None),
        (BootOutcome::Steady, false, None),
    ];
    for (outcome, about_new, reported) in cases {
        let mut asked = Settings::default();
        asked.set_asked(Some(NEW));
        let mut standing = standing(OLD, outcome);
        standing.boot.reason = 100;
        if about_new {
            standing.boot.about = [0xee; 16];
        }
        let mut lock = Bench::new(standing, asked);
        lock.server.install = None;
        lock.run_for(60_000);
        let events: Vec<Reported> = reported.into_iter().collect();
        assert_eq!(lock.server.events(), events, "{outcome:?}");
        assert!(lock.server.reports.iter().all(|report| report.reason == 100));
        assert_eq!(lock.stored.asked(), None);
    }
}

#[test]
fn a_report_survives_power_cuts_and_keeps_its_number_until_it_is_receipted() {
    let mut asked = Settings::default();
    asked.set_asked(Some(NEW));
    let confirmed = standing(NEW, BootOutcome::Steady);
    let mut lock = Bench::new(confirmed, asked);
    lock.server.mischief = Mischief::Nonsense;
    lock.run_for(DAY_MS);
    let kept = *lock.stored.next_report().unwrap();
    let mut lock = lock.restarted(confirmed);
    lock.server.mischief = Mischief::None;
    lock.run_for(60_000);
    assert_eq!(lock.server.reports, [kept]);
    assert_eq!(lock.stored.next_report(), None);
    assert_eq!(lock.stored.starts(), 2);
}

#[test]
fn a_report_the_server_will_not_take_does_not_keep_the_lock_from_updates() {
    let mut asked = Settings::default();
    asked.set_asked(Some(NEW));
    for problem in [ProblemCode::Replayed, ProblemCode::Malformed] {
        let mut lock = Bench::new(standing(NEW, BootOutcome::Steady), asked.clone());
        lock.server.report_problems.extend([problem; 3]);
        lock.server.install = None;
        lock.run_for(60_000);
        assert!(!lock.server.check_ins.is_empty(), "{problem:?}");
        assert!(
            lock.stored.next_report().is_some(),
            "nothing unsigned ends a report"
        );
        lock.run_for(DAY_MS);
        assert_eq!(lock.server.events(), [Reported::Confirmed], "{problem:?}");
    }
}

#[test]
fn without_settings_that_can_be_stored_nothing_is_sent_and_nothing_installed() {
    let mut lock = Bench::steady();
    lock.store_works = false;
    lock.run_for(DAY_MS);
    assert!(lock.server.check_ins.is_empty() && !lock.requested);
    lock.store_works = true;
    assert!(lock.run_for(DAY_MS));
}

#[test]
fn the_server_says_when_to_call_again() {
    let mut lock = Bench::steady();
    lock.server.install = None;
    lock.server.call_again_s = 1800;
    lock.run_for(DAY_MS);
    assert_eq!(lock.server.check_ins.len(), 48);
}

#[test]
fn without_a_network_the_client_waits_for_one() {
    let mut lock = Bench::steady();
    let moment = Moment {
        now_ms: 0,
        random: [0; RANDOM_LENGTH],
        conditions: lock.conditions,
    };
    let step = lock.client.handle(Event::Tick, &moment);
    assert_eq!((step.action, step.until_ms), (Action::Wait, None));
    assert!(lock.client.answers(&moment), "the core works all the same");
}

/// Any event, in or out of turn.
fn any_event() -> impl Strategy<Value = Event<'static>> {
    prop_oneof![
        Just(Event::Tick),
        any::<bool>().prop_map(|up| Event::Network { up }),
        any::<u16>().prop_map(|status| Event::Answer {
            status,
            body: &[0x82, 0x40, 0x40],
        }),
        (any::<u16>(), any::<Option<u64>>()).prop_map(|(status, length)| {
            Event::Head(Head {
                status,
                length,
                range: None,
            })
        }),
        any::<usize>().prop_map(|length| Event::Body { length }),
        Just(Event::BodyEnd),
        any::<u32>().prop_map(|offset| Event::Staged { offset }),
        Just(Event::Proven),
        any::<u16>().prop_map(|reason| Event::Refused { reason }),
        Just(Event::Requested),
        Just(Event::Confirmed),
        Just(Event::Failed(Failure::Connection)),
        Just(Event::Failed(Failure::Settings)),
    ]
}

proptest! {
    #[test]
    fn events_in_any_order_never_panic_and_never_install(
        events in proptest::collection::vec((any_event(), 0_u64..100_000), 0..60),
    ) {
        let mut lock = Bench::steady();
        let mut now_ms = 0;
        for (event, passed) in events {
            now_ms += passed;
            let moment = Moment { now_ms, random: [7; RANDOM_LENGTH], conditions: lock.conditions };
            let step = lock.client.handle(event, &moment);
            // Without a directive there is nothing to fetch, to ask for or to restart into.
            let sane = matches!(step.action, Action::Wait | Action::Post(_));
            prop_assert!(sane, "{step:?}");
            prop_assert!(step.until_ms.is_none_or(|until| until <= now_ms + PACE.most_ms));
        }
    }

    #[test]
    fn a_sequence_is_never_used_twice(starts in 1_usize..6) {
        let mut lock = Bench::steady();
        lock.server.install = None;
        for _ in 0..starts {
            lock.run_for(3_600_000);
            // The server asserts that each exceeds the last.
            lock = lock.restarted(standing(OLD, BootOutcome::Steady));
        }
        prop_assert!(lock.server.check_ins.len() >= starts);
    }
}

#[test]
fn the_floor_decides_before_anything_is_fetched() {
    let mut above = standing(OLD, BootOutcome::Steady);
    above.floor = SecurityCounter(8);
    let mut lock = Bench::new(above, Settings::default());
    lock.run_for(60_000);
    assert!(lock.server.fetches.is_empty());
    assert_eq!(lock.server.reports[0].reason, 39);
}
