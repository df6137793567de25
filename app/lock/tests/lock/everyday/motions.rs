//! What a client sets moving, and what becomes of it.

use super::*;

#[test]
fn an_action_is_accepted_told_of_and_done_in_this_order() {
    let (mut house, phone) = paired();
    let replies = phone.act(&mut house, LockAction::Lock);
    let kinds: Vec<Command> = replies.iter().map(FromLock::command).collect();
    let states = KeyturnerStates::COMMAND;
    let status = StatusReport::COMMAND;
    assert_eq!(kinds, [status, states, states, status]);
    let (told, others) = apart(replies);
    assert_eq!(told, [Locking, Locked]);
    assert_eq!(others, [accepted(), complete()]);
    assert_eq!(house.commands.last(), Some(&MotorCommand::Turn { to_deg: 720 }));
    let now = phone.states(&mut house);
    assert_eq!(now.last_action, Some(LockAction::Lock.into()));
    assert_eq!(now.last_completion, Completion::Success.into());
}

#[test]
fn an_action_that_is_done_already_is_complete_at_once() {
    let (mut house, phone) = paired();
    let before = house.commands.len();
    assert_eq!(phone.act(&mut house, LockAction::Unlock), [complete()]);
    assert_eq!(house.commands.len(), before);
    let forced = phone.act_with(&mut house, LockAction::Unlock, ActionFlags(2), None);
    assert_eq!(apart(forced).0, [Unlocking, Unlocked]);
}

#[test]
fn accepted_comes_before_the_motor_is_told() {
    let (mut house, phone) = paired();
    house.motor = Drive::Silent;
    let frame = {
        let nonce = phone.challenge(&mut house);
        phone.seal(
            &mut house,
            &PerformSimpleLockAction {
                action: SimpleAction::Lock,
                nonce,
            },
        )
    };
    house.read(A);
    house.write(A, latchkey_lock::lock::Characteristic::UserData, &frame);
    let (told, others) = apart(phone.hear(&mut house));
    assert_eq!((told, others), (vec![Locking], vec![accepted()]));
    house.event(Event::Motor(Sense::Reached(720)));
    let (told, others) = apart(phone.hear(&mut house));
    assert_eq!((told, others), (vec![Locked], vec![complete()]));
}

#[test]
fn the_latch_is_held_and_let_go_and_the_client_hears_of_each_step() {
    let (mut house, phone) = paired();
    phone.act(&mut house, LockAction::Lock);
    let (told, others) = apart(phone.act(&mut house, LockAction::Unlatch));
    assert_eq!(told, [Unlatching, Unlatched]);
    assert_eq!(others, [accepted()]);
    house.wait(3_000);
    let (told, others) = apart(phone.hear(&mut house));
    assert_eq!((told, others), (vec![Unlocking, Unlocked], vec![complete()]));
}

#[test]
fn lock_n_go_locks_by_itself_after_its_time() {
    for (action, first) in [
        (LockAction::LockNGo, Unlocking),
        (LockAction::LockNGoUnlatch, Unlatching),
    ] {
        let (mut house, phone) = paired();
        phone.act(&mut house, LockAction::Lock);
        let mut replies = phone.act(&mut house, action);
        house.wait(3_000);
        replies.append(&mut phone.hear(&mut house));
        let (told, others) = apart(replies);
        assert_eq!(told.first(), Some(&first));
        assert_eq!(told.last(), Some(&UnlockedLockNGo));
        assert_eq!(others, [accepted(), complete()]);
        assert!(house.lock.is_busy(house.now_ms), "it is about to move");
        let left = phone.states(&mut house).lock_n_go_seconds;
        assert!((17..=20).contains(&left), "{left}");
        house.wait(20_000);
        assert_eq!(house.at_deg, 720);
        assert!(!house.lock.is_busy(house.now_ms));
        house.connect(A);
        let newest = phone.log(&mut house).swap_remove(0);
        let expected = (Some(LockAction::Lock), Trigger::Automatic, Completion::Success);
        assert_eq!(movement(&newest), expected);
    }
}

#[test]
fn another_action_ends_a_lock_n_go() {
    let (mut house, phone) = paired();
    phone.act(&mut house, LockAction::Lock);
    phone.act(&mut house, LockAction::LockNGo);
    phone.act(&mut house, LockAction::Lock);
    phone.act(&mut house, LockAction::Unlock);
    house.wait(600_000);
    assert_eq!(house.at_deg, 0);
}

#[test]
fn unlocking_for_good_ends_a_lock_n_go() {
    let (mut house, phone) = paired();
    phone.act(&mut house, LockAction::Lock);
    phone.act(&mut house, LockAction::LockNGo);
    let (told, others) = apart(phone.act(&mut house, LockAction::Unlock));
    assert_eq!((told, others), (vec![Unlocked], vec![complete()]));
    house.wait(600_000);
    assert_eq!(house.at_deg, 0);
    let mut house = house.restart();
    house.wait(600_000);
    assert_eq!(house.at_deg, 0, "on flash too");
}

#[test]
fn the_motion_ends_without_the_client() {
    let (mut house, phone) = paired();
    house.motor = Drive::Silent;
    phone.act(&mut house, LockAction::Lock);
    house.disconnect(A);
    house.event(Event::Motor(Sense::Reached(720)));
    house.connect(A);
    assert_eq!(house.lock_state(&phone), Locked);
    let newest = phone.log(&mut house).swap_remove(0);
    let expected = (Some(LockAction::Lock), Trigger::System, Completion::Success);
    assert_eq!(movement(&newest), expected);
    assert_eq!((newest.authorization, newest.name), (phone.id, phone.name));
}

#[test]
fn the_end_is_told_to_whoever_asked_and_nobody_else() {
    let (mut house, ann) = paired();
    let bob = house.pair(B, App, "Bob").on(A);
    // Bob takes Ann's connection over while the bolt moves.
    house.motor = Drive::Silent;
    ann.act(&mut house, LockAction::Lock);
    bob.states(&mut house);
    house.event(Event::Motor(Sense::Reached(720)));
    assert_eq!(apart(bob.hear(&mut house)), (vec![Locked], vec![]));
    // Ann comes back before the bolt is there.
    ann.act(&mut house, LockAction::Unlock);
    house.disconnect(A);
    house.connect(A);
    ann.states(&mut house);
    house.event(Event::Motor(Sense::Reached(0)));
    assert_eq!(apart(ann.hear(&mut house)), (vec![Unlocked], vec![]));
}

#[test]
fn a_second_action_finds_the_lock_busy() {
    let (mut house, phone) = paired();
    let other = house.pair(B, App, "Bob");
    house.motor = Drive::Silent;
    phone.act(&mut house, LockAction::Lock);
    let busy = [error(ErrorCode::Busy, PerformLockAction::COMMAND)];
    assert_eq!(other.act(&mut house, LockAction::Unlock), busy);
    assert_eq!(phone.act(&mut house, LockAction::Unlock), busy);
    assert!(house.lock.is_busy(house.now_ms));
    house.event(Event::Motor(Sense::Reached(720)));
    assert_eq!(apart(phone.hear(&mut house)).1, [complete()]);
    assert_eq!(apart(other.hear(&mut house)).0, [Locked], "told without asking");
}

#[test]
fn the_button_stops_what_moves() {
    let (mut house, phone) = paired();
    house.motor = Drive::Silent;
    phone.act(&mut house, LockAction::Lock);
    house.at_deg = 100;
    house.event(Event::Button(true));
    house.event(Event::Button(false));
    let (told, others) = apart(phone.hear(&mut house));
    assert_eq!(told.last(), Some(&Unlocked));
    assert_eq!(others, [error(ErrorCode::Canceled, PerformLockAction::COMMAND)]);
    assert_eq!(
        movement(&phone.log(&mut house)[0]),
        (Some(LockAction::Lock), Trigger::System, Completion::Canceled)
    );
    house.wait(2_000);
    assert_eq!(house.at_deg, 100, "the press meant nothing else");
}

#[test]
fn a_blocked_motor_and_a_silent_one_end_in_an_error() {
    for (motor, ms, code, completion, state) in [
        (
            Drive::Blocked(200),
            0,
            ErrorCode::MotorBlocked,
            Completion::MotorBlocked,
            LockState::MotorBlocked,
        ),
        (
            Drive::Silent,
            60_000,
            ErrorCode::MotorTimeout,
            Completion::Incomplete,
            Unlocked,
        ),
    ] {
        let (mut house, phone) = paired();
        house.motor = motor;
        let mut replies = phone.act(&mut house, LockAction::Lock);
        house.wait(ms);
        replies.append(&mut phone.hear(&mut house));
        assert_eq!(
            apart(replies).1,
            [accepted(), error(code, PerformLockAction::COMMAND)]
        );
        if !house.is_connected(A) {
            house.connect(A);
        }
        assert_eq!(house.lock_state(&phone), state);
        assert_eq!(
            movement(&phone.log(&mut house)[0]),
            (Some(LockAction::Lock), Trigger::System, completion)
        );
        house.motor = Drive::Willing;
        assert_eq!(
            apart(phone.act(&mut house, LockAction::Lock)).1.last(),
            Some(&complete())
        );
    }
}

#[test]
fn power_lost_in_a_motion_is_found_out_and_logged() {
    let (mut house, phone) = paired();
    house.motor = Drive::Silent;
    phone.act(&mut house, LockAction::Lock);
    house.at_deg = 200;
    let mut house = house.restart();
    house.connect(A);
    assert_eq!(house.lock_state(&phone), Unlocked);
    let newest = phone.log(&mut house).swap_remove(0);
    assert!(
        matches!(newest.event, LogEvent::InitializationRun(_)),
        "{newest:?}"
    );
    let mut again = house.restart();
    again.connect(A);
    assert_eq!(phone.log(&mut again).len(), 1, "nothing was cut off this time");
}

#[test]
fn a_lock_that_was_never_calibrated_learns_its_stops() {
    let mut identity = identity();
    identity.mounted_deg = None;
    let mut house = House::with(identity);
    let phone = house.pair(A, App, "Ann");
    assert_eq!(house.lock_state(&phone), LockState::Uncalibrated);
    assert_eq!(
        phone.act(&mut house, LockAction::Lock),
        [error(ErrorCode::NotCalibrated, PerformLockAction::COMMAND)]
    );
    let replies = phone.command(&mut house, |nonce| RequestCalibration {
        nonce,
        pin: phone.pin(0),
    });
    let (told, others) = apart(replies);
    assert_eq!(told, [LockState::Calibration, Unlocked]);
    assert_eq!(others, [accepted(), complete()]);
    let mut house = house.restart();
    house.connect(A);
    phone.act(&mut house, LockAction::Lock);
    assert_eq!(house.at_deg, 1_080, "known after a restart too");
    assert!(matches!(phone.log(&mut house)[1].event, LogEvent::Calibration(_)));
}

#[test]
fn unlocking_draws_the_latch_where_the_owner_wants_it() {
    let (mut house, phone) = paired();
    let set = phone.command(&mut house, |nonce| SetConfig {
        auto_unlatch: true,
        ..crate::catalogue::set_config(nonce, phone.pin(0))
    });
    assert_eq!(set, [complete()]);
    phone.act(&mut house, LockAction::Lock);
    phone.act(&mut house, LockAction::Unlock);
    assert_eq!(house.at_deg, -90);
}

#[test]
fn a_lock_n_go_that_a_restart_comes_between_still_locks() {
    let (mut house, phone) = paired();
    phone.act(&mut house, LockAction::Lock);
    phone.act(&mut house, LockAction::LockNGo);
    let mut house = house.restart();
    assert_eq!(house.at_deg, 0);
    house.wait(20_000);
    assert_eq!(house.at_deg, 720);
    let mut house = house.restart();
    house.connect(A);
    phone.act(&mut house, LockAction::Unlock);
    let mut house = house.restart();
    house.wait(600_000);
    assert_eq!(house.at_deg, 0, "once");
    house.connect(A);
    phone.act(&mut house, LockAction::LockNGo);
    let mut house = house.restart();
    house.wait(20_000);
    assert_eq!(house.at_deg, 720, "also when it was unlocked before");
}
