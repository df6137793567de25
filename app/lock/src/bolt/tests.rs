#![allow(
    clippy::arithmetic_side_effects,
    reason = "an overflow in a test fails the test"
)]

use super::*;
use proptest::prelude::*;

const TWO_TURNS: Geometry = Geometry {
    total_deg: Some(720),
    unlocked_deg: 0,
    locked_deg: 0,
    single_locked_deg: 0,
    transition_deg: 0,
    single_lock: false,
    hold_s: 3,
};

fn resting(at_deg: i16) -> Bolt {
    let kept = Kept {
        total_deg: Some(720),
        at_deg: Some(at_deg),
    };
    let mut bolt = Bolt::start(TWO_TURNS, kept, 0);
    assert_eq!(bolt.take_command(), Some(MotorCommand::Locate));
    assert_eq!(bolt.stand(), Stand::Locating);
    assert_eq!(bolt.sense(Sense::Lost, 1), Some(News::Ended(Ok(()))));
    bolt
}

#[test]
fn locking_and_unlocking_go_through_their_states() {
    let mut bolt = resting(0);
    assert_eq!(bolt.stand(), Stand::Unlocked);
    bolt.begin(Goal::Lock, 10).unwrap();
    assert_eq!(bolt.stand(), Stand::Locking);
    assert_eq!(bolt.take_command(), Some(MotorCommand::Turn { to_deg: 720 }));
    assert_eq!(bolt.kept().at_deg, None, "on its way it stands nowhere");
    assert_eq!(bolt.begin(Goal::Unlock, 11), Err(NoMotion::Busy));
    assert_eq!(bolt.sense(Sense::Reached(719), 20), Some(News::Ended(Ok(()))));
    assert_eq!(bolt.stand(), Stand::Locked);
    assert!(bolt.is_at(Goal::Lock) && bolt.is_at(Goal::FullLock) && !bolt.is_at(Goal::Unlock));
    assert_eq!(bolt.kept().at_deg, Some(719));
}

#[test]
fn the_latch_is_held_and_let_go() {
    let mut bolt = resting(720);
    bolt.begin(Goal::Unlatch, 0).unwrap();
    assert_eq!(bolt.stand(), Stand::Unlatching);
    assert_eq!(bolt.take_command(), Some(MotorCommand::Turn { to_deg: -90 }));
    assert_eq!(bolt.sense(Sense::Reached(-90), 5_000), Some(News::Changed));
    assert_eq!(bolt.stand(), Stand::Unlatched);
    assert_eq!(bolt.tick(7_999), None);
    assert_eq!(bolt.tick(8_000), Some(News::Changed));
    assert_eq!(bolt.take_command(), Some(MotorCommand::Turn { to_deg: 0 }));
    assert_eq!(bolt.sense(Sense::Reached(2), 9_000), Some(News::Ended(Ok(()))));
    assert_eq!(bolt.stand(), Stand::Unlocked);
}

#[test]
fn one_turn_is_locked_where_single_locking_is_set() {
    let mut bolt = resting(0);
    bolt.configure(Geometry {
        single_lock: true,
        total_deg: None,
        ..TWO_TURNS
    });
    assert_eq!(
        bolt.geometry().total_deg,
        Some(720),
        "offsets do not undo a calibration"
    );
    bolt.begin(Goal::Lock, 0).unwrap();
    assert_eq!(bolt.take_command(), Some(MotorCommand::Turn { to_deg: 360 }));
    bolt.sense(Sense::Reached(360), 1);
    assert!(bolt.is_at(Goal::Lock) && !bolt.is_at(Goal::FullLock));
    bolt.begin(Goal::FullLock, 2).unwrap();
    assert_eq!(bolt.take_command(), Some(MotorCommand::Turn { to_deg: 720 }));
}

#[test]
fn one_turn_is_locked_and_not_enough_where_two_are_wanted() {
    let mut bolt = resting(360);
    assert_eq!(bolt.stand(), Stand::Locked);
    assert!(!bolt.is_at(Goal::Lock) && !bolt.is_at(Goal::Unlock));
    bolt.configure(Geometry {
        single_lock: true,
        ..TWO_TURNS
    });
    assert!(bolt.is_at(Goal::Lock));
    // A lock with less than a turn between its stops.
    let short = Geometry {
        total_deg: Some(270),
        ..TWO_TURNS
    };
    for (at_deg, stand) in [(270, Stand::Locked), (245, Stand::Locked), (100, Stand::Unlocked)] {
        let kept = Kept {
            total_deg: Some(270),
            at_deg: Some(at_deg),
        };
        let mut bolt = Bolt::start(short, kept, 0);
        bolt.sense(Sense::Lost, 1);
        assert_eq!(bolt.stand(), stand, "{at_deg}");
    }
}

#[test]
fn a_blocked_bolt_says_so_and_can_be_tried_again() {
    let mut bolt = resting(0);
    bolt.begin(Goal::Lock, 0).unwrap();
    let ended = bolt.sense(Sense::Blocked(200), 1);
    assert_eq!(ended, Some(News::Ended(Err(Failure::Blocked))));
    assert_eq!(bolt.stand(), Stand::Blocked);
    assert_eq!(bolt.begin(Goal::Unlock, 2), Ok(()));
}

#[test]
fn a_motor_that_says_nothing_ends_in_a_time_out() {
    for goal in [Goal::Unlock, Goal::Lock, Goal::Unlatch, Goal::Calibrate] {
        let mut bolt = resting(300);
        bolt.begin(goal, 100).unwrap();
        bolt.take_command();
        let until_ms = bolt.deadline().unwrap();
        assert_eq!(bolt.tick(until_ms - 1), None);
        assert_eq!(bolt.tick(until_ms), Some(News::Ended(Err(Failure::Timeout))));
        assert_eq!(bolt.take_command(), Some(MotorCommand::Stop));
        assert_eq!((bolt.stand(), bolt.deadline()), (Stand::Undefined, None));
    }
}

#[test]
fn a_canceled_motion_stops_where_it_is() {
    let mut bolt = resting(0);
    bolt.cancel(0);
    assert_eq!(bolt.take_command(), None, "nothing to stop");
    bolt.begin(Goal::Lock, 0).unwrap();
    bolt.take_command();
    bolt.cancel(1);
    assert_eq!(bolt.take_command(), Some(MotorCommand::Stop));
    let ended = bolt.sense(Sense::Reached(100), 2);
    assert_eq!(ended, Some(News::Ended(Err(Failure::Canceled))));
    assert_eq!(bolt.stand(), Stand::Unlocked);
}

#[test]
fn nothing_moves_before_calibration() {
    let geometry = Geometry {
        total_deg: None,
        ..TWO_TURNS
    };
    let mut bolt = Bolt::start(geometry, Kept::default(), 0);
    assert_eq!((bolt.stand(), bolt.take_command()), (Stand::Uncalibrated, None));
    assert_eq!(bolt.begin(Goal::Unlock, 0), Err(NoMotion::NotCalibrated));
    bolt.begin(Goal::Calibrate, 0).unwrap();
    assert_eq!(bolt.stand(), Stand::Calibrating);
    assert_eq!(bolt.sense(Sense::Calibrated(1_080), 9), Some(News::Ended(Ok(()))));
    assert_eq!(bolt.stand(), Stand::Unlocked);
    assert_eq!(bolt.kept().total_deg, Some(1_080));
}

#[test]
fn power_lost_in_a_motion_leaves_an_undefined_bolt_that_still_moves() {
    let kept = Kept {
        total_deg: Some(720),
        at_deg: None,
    };
    let mut bolt = Bolt::start(TWO_TURNS, kept, 0);
    assert_eq!(bolt.begin(Goal::Unlock, 0), Err(NoMotion::Busy));
    bolt.sense(Sense::Lost, 1);
    assert_eq!(bolt.stand(), Stand::Undefined);
    assert_eq!(bolt.begin(Goal::Unlock, 2), Ok(()));
}

#[test]
fn a_hand_at_the_knob_is_told_apart_from_the_motor() {
    let mut bolt = resting(0);
    assert_eq!(bolt.sense(Sense::Turned(10), 0), None, "still unlocked");
    assert_eq!(bolt.sense(Sense::Turned(720), 0), Some(News::Turned));
    assert_eq!(bolt.stand(), Stand::Locked);
}

fn senses() -> impl Strategy<Value = Sense> {
    prop_oneof![
        any::<i16>().prop_map(Sense::Reached),
        any::<i16>().prop_map(Sense::Turned),
        any::<i16>().prop_map(Sense::Blocked),
        any::<u16>().prop_map(Sense::Calibrated),
        Just(Sense::Lost),
        Just(Sense::Failed(MotorFault::Clutch)),
    ]
}

fn goals() -> impl Strategy<Value = Goal> {
    prop_oneof![
        Just(Goal::Unlock),
        Just(Goal::Lock),
        Just(Goal::FullLock),
        Just(Goal::Unlatch),
        Just(Goal::Calibrate)
    ]
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Begin(Goal),
    Cancel,
    Sense(Sense),
    Wait(u32),
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        goals().prop_map(Step::Begin),
        Just(Step::Cancel),
        senses().prop_map(Step::Sense),
        (0..200_000_u32).prop_map(Step::Wait),
    ]
}

proptest! {
    /// No offsets make an open door look locked.
    #[test]
    fn the_unlocked_place_is_never_locked(total: u16, a: i16, b: i16, c: i16, d: i16, single_lock: bool) {
        let geometry = Geometry {
            total_deg: Some(total),
            unlocked_deg: a,
            locked_deg: b,
            single_locked_deg: c,
            transition_deg: d,
            single_lock,
            hold_s: 0,
        };
        let mut bolt = Bolt::start(geometry, Kept { total_deg: Some(total), at_deg: None }, 0);
        bolt.sense(Sense::Lost, 0);
        bolt.begin(Goal::Unlock, 0).unwrap();
        let Some(MotorCommand::Turn { to_deg }) = bolt.take_command() else { panic!("no turn") };
        bolt.sense(Sense::Reached(to_deg), 0);
        prop_assert_eq!(bolt.stand(), Stand::Unlocked);
    }

    /// Whatever motor and hands do: a motion ends once, only what was begun ends, and time alone ends it.
    #[test]
    fn each_motion_ends_exactly_once(steps in proptest::collection::vec(steps(), 0..60), total: u16, offset: i16) {
        let geometry = Geometry { total_deg: Some(total), locked_deg: offset, unlocked_deg: offset, ..TWO_TURNS };
        let mut bolt = Bolt::start(geometry, Kept { total_deg: Some(total), at_deg: None }, 0);
        let (mut now_ms, mut open) = (0, true);
        for step in steps {
            let news = match step {
                Step::Begin(goal) => {
                    let begun = bolt.begin(goal, now_ms);
                    prop_assert_eq!(begun == Err(NoMotion::Busy), open);
                    open = true;
                    None
                }
                Step::Cancel => { bolt.cancel(now_ms); None }
                Step::Sense(sense) => bolt.sense(sense, now_ms),
                Step::Wait(ms) => { now_ms += u64::from(ms); bolt.tick(now_ms) }
            };
            if let Some(News::Ended(_)) = news {
                prop_assert!(open);
                open = false;
            }
            prop_assert_eq!(open, bolt.is_moving());
            prop_assert_eq!(open, bolt.deadline().is_some());
        }
        for _ in 0..4 {
            now_ms += CALIBRATION_MS + 2_000_000;
            bolt.tick(now_ms);
        }
        prop_assert!(!bolt.is_moving());
    }
}
