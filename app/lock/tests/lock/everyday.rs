//! What happens at a door day by day.

use crate::bench::*;
use latchkey_lock::bolt::{MotorCommand, Sense};
use latchkey_lock::lock::{BatteryLevel, DoorSense, Event};
use latchkey_protocol::advertising::Advertisement;
use latchkey_protocol::message::*;
use latchkey_protocol::pairing::Family;
use latchkey_protocol::value::*;
use latchkey_protocol::wire::Tail;

use AuthorizationType::{App, Bridge};
use LockState::{Locked, Locking, Unlatched, Unlatching, Unlocked, UnlockedLockNGo, Unlocking};

fn paired() -> (House, Client) {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    (house, phone)
}

fn movement(entry: &LogEntry) -> (Option<LockAction>, Trigger, Completion) {
    match entry.event {
        LogEvent::LockAction(movement) => (
            movement.action.and_then(Reported::known),
            movement.trigger.known().unwrap(),
            movement.completion.known().unwrap(),
        ),
        other => panic!("no lock action: {other:?}"),
    }
}

pub(crate) fn set_advanced(
    client: &Client,
    house: &mut House,
    change: impl FnOnce(&mut SetAdvancedConfig),
) -> Vec<FromLock> {
    let replies = client.command(house, |nonce| RequestAdvancedConfig { nonce });
    let [FromLock::AdvancedConfig(told)] = &replies[..] else {
        panic!("no configuration: {replies:?}")
    };
    let settings = told.settings;
    let mut set = SetAdvancedConfig {
        settings: AdvancedSettings {
            unlocked_offset: settings.unlocked_offset,
            locked_offset: settings.locked_offset,
            single_locked_offset: settings.single_locked_offset,
            unlocked_to_locked_offset: settings.unlocked_to_locked_offset,
            lock_n_go_seconds: settings.lock_n_go_seconds,
            single_press: settings.single_press.known().unwrap(),
            double_press: settings.double_press.known().unwrap(),
            detached_cylinder: settings.detached_cylinder,
            battery_type: settings.battery_type.known().unwrap(),
            detects_battery: settings.detects_battery,
            unlatch_seconds: settings.unlatch_seconds,
            auto_lock_seconds: settings.auto_lock_seconds,
            auto_unlock_disabled: settings.auto_unlock_disabled,
            night_mode: settings.night_mode,
            night_start: settings.night_start,
            night_end: settings.night_end,
            night_auto_lock: settings.night_auto_lock,
            night_auto_unlock_disabled: settings.night_auto_unlock_disabled,
            night_immediate_lock: settings.night_immediate_lock,
        },
        auto_lock: Tail(told.auto_lock.0),
        motor: Tail(None),
        nonce: client.challenge(house),
        pin: client.pin(0),
    };
    change(&mut set);
    client.say(house, &set)
}

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
        replies.append(&mut house_hear(&mut house, &phone));
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

fn house_hear(house: &mut House, phone: &Client) -> Vec<FromLock> {
    phone.hear(house)
}

#[test]
fn auto_lock_locks_after_its_time_unless_the_door_is_open() {
    let (mut house, phone) = paired();
    let set = set_advanced(&phone, &mut house, |set| {
        set.settings.auto_lock_seconds = 30;
        set.auto_lock = Tail(Some(AutoLock {
            enabled: true,
            immediate: false,
            auto_update: true,
        }));
    });
    assert_eq!(set, [complete()]);
    phone.act(&mut house, LockAction::Lock);
    phone.act(&mut house, LockAction::Unlock);
    house.wait(29_999);
    assert_eq!(house.at_deg, 0);
    house.wait(1);
    assert_eq!(house.at_deg, 720);

    house.connect(A);
    phone.act(&mut house, LockAction::Unlock);
    house.event(Event::Door(DoorSense::Closed));
    house.event(Event::Door(DoorSense::Opened));
    house.wait(600_000);
    assert_eq!(house.at_deg, 0, "the door is open");
    house.event(Event::Door(DoorSense::Closed));
    house.wait(2_000);
    assert_eq!(house.at_deg, 720);
    house.connect(A);
    let log = phone.log(&mut house);
    let expected = (Some(LockAction::Lock), Trigger::AutoLock, Completion::Success);
    assert_eq!(movement(&log[0]), expected);
    assert_eq!(log[1].event, LogEvent::Door(DoorEvent::Closed.into()));
    assert_eq!(log[2].event, LogEvent::Door(DoorEvent::Opened.into()));
}

#[test]
fn immediate_auto_lock_locks_when_the_door_falls_shut() {
    let (mut house, phone) = paired();
    house.event(Event::Door(DoorSense::Closed));
    set_advanced(&phone, &mut house, |set| {
        set.auto_lock = Tail(Some(AutoLock {
            enabled: true,
            immediate: true,
            auto_update: true,
        }));
    });
    phone.act(&mut house, LockAction::Lock);
    phone.act(&mut house, LockAction::Unlock);
    house.event(Event::Door(DoorSense::Opened));
    house.wait(10_000);
    house.event(Event::Door(DoorSense::Closed));
    assert_eq!(phone.states(&mut house).door, DoorState::Closed.into());
    house.wait(2_000);
    assert_eq!(house.at_deg, 720);
}

#[test]
fn the_night_locks_and_takes_no_auto_unlock() {
    let (mut house, phone) = paired();
    phone.tell_time(&mut house, MONDAY_MORNING);
    set_advanced(&phone, &mut house, |set| {
        set.settings.night_mode = true;
        set.settings.night_start = TimeOfDay { hour: 9, minute: 0 };
        set.settings.night_end = TimeOfDay { hour: 10, minute: 0 };
        set.settings.night_immediate_lock = true;
        set.settings.night_auto_unlock_disabled = true;
    });
    let auto = |house: &mut House| phone.act_with(house, LockAction::Unlock, ActionFlags(1), None);
    house.wait(3_599_000);
    assert_eq!(house.at_deg, 0);
    assert!(!house.lock.is_quiet_time());
    house.wait(1_000);
    assert_eq!(house.at_deg, 720);
    assert!(house.lock.is_quiet_time());
    house.connect(A);
    assert_eq!(phone.states(&mut house).night_mode, Tail(Some(true)));
    let disabled = [error(ErrorCode::Disabled, PerformLockAction::COMMAND)];
    assert_eq!(auto(&mut house), disabled);
    house.wait(3_600_000);
    assert!(!house.lock.is_quiet_time());
    house.connect(A);
    assert_eq!(apart(auto(&mut house)).1, [accepted(), complete()]);
    let soon = [error(ErrorCode::AutoUnlockTooRecent, PerformLockAction::COMMAND)];
    assert_eq!(auto(&mut house), soon);
}

#[test]
fn time_control_acts_on_time_in_the_locks_own_zone() {
    let (mut house, phone) = paired();
    phone.tell_time(&mut house, MONDAY_MORNING);
    let replies = phone.command(&mut house, |nonce| AddTimeControlEntry {
        weekdays: Weekdays::new(&[Weekday::Monday, Weekday::Wednesday]),
        time: TimeOfDay { hour: 8, minute: 30 },
        action: LockAction::Lock,
        nonce,
        pin: phone.pin(0),
    });
    assert_eq!(replies, [TimeControlEntryId { id: TimeControlId(1) }.into()]);
    house.wait(30 * 60_000 - 1);
    assert_eq!(house.at_deg, 0);
    house.wait(1);
    assert_eq!(house.at_deg, 720);
    house.connect(A);
    phone.act(&mut house, LockAction::Unlock);
    house.wait(24 * 3_600_000);
    assert_eq!(house.at_deg, 0, "not on Tuesday");
    house.wait(24 * 3_600_000);
    assert_eq!(house.at_deg, 720, "on Wednesday");
    house.connect(A);
    let expected = (Some(LockAction::Lock), Trigger::Automatic, Completion::Success);
    assert_eq!(movement(&phone.log(&mut house)[0]), expected);
}

#[test]
fn without_the_time_there_is_no_schedule_and_a_restart_loses_the_time() {
    let (mut house, phone) = paired();
    phone.tell_time(&mut house, MONDAY_MORNING);
    phone.command(&mut house, |nonce| AddTimeControlEntry {
        weekdays: Weekdays::EVERY,
        time: TimeOfDay { hour: 8, minute: 30 },
        action: LockAction::Lock,
        nonce,
        pin: phone.pin(0),
    });
    let mut house = house.restart();
    house.connect(A);
    let told = phone.states(&mut house).time;
    assert_eq!(told, MONDAY_MORNING.date(), "a lower bound");
    house.wait(48 * 3_600_000);
    assert_eq!(house.at_deg, 0);
    house.event(Event::WallClock(MONDAY_MORNING));
    house.wait(3_600_000);
    assert_eq!(house.at_deg, 720, "the board knew it");
}

#[test]
fn a_hand_at_the_knob_is_noticed_and_logged() {
    let (mut house, phone) = paired();
    phone.states(&mut house);
    house.at_deg = 720;
    house.event(Event::Motor(Sense::Turned(720)));
    assert_eq!(apart(phone.hear(&mut house)).0, [Locked]);
    assert_eq!(phone.states(&mut house).trigger, Trigger::Manual.into());
    let newest = phone.log(&mut house).swap_remove(0);
    let expected = (Some(LockAction::Lock), Trigger::Manual, Completion::Success);
    assert_eq!(movement(&newest), expected);
    assert_eq!(newest.authorization, AuthorizationId(0));
}

#[test]
fn the_button_does_what_is_set() {
    let (mut house, phone) = paired();
    house.hold_button(100);
    house.wait(1_000);
    assert_eq!(house.at_deg, 720, "intelligent: it was unlocked");
    house.hold_button(100);
    house.hold_button(100);
    assert_eq!(house.at_deg, 0, "lock'n'go");
    house.wait(20_000);
    assert_eq!(house.at_deg, 720);
    house.connect(A);
    assert_eq!(movement(&phone.log(&mut house)[1]).1, Trigger::Button);
}

#[test]
fn a_fob_does_what_is_set_for_each_press() {
    let mut house = House::new();
    let fob = house.pair(A, AuthorizationType::Fob, "Fob");
    // Intelligent, lock'n'go, nothing.
    assert_eq!(
        apart(fob.act(&mut house, LockAction::FobAction1)).0,
        [Locking, Locked]
    );
    assert_eq!(
        apart(fob.act(&mut house, LockAction::FobAction2)).0,
        [Unlocking, UnlockedLockNGo]
    );
    assert_eq!(fob.act(&mut house, LockAction::FobAction3), [complete()]);
}

#[test]
fn the_beacon_says_that_something_happened_until_a_bridge_asks() {
    let (mut house, phone) = paired();
    let bridge = house.pair(B, Bridge, "Bridge");
    let changed = |house: &House| match house.lock.advertisement(house.now_ms) {
        Advertisement::DoorMode { state_changed, .. } => state_changed,
        other => panic!("not in door mode: {other:?}"),
    };
    assert!(!changed(&house));
    phone.act(&mut house, LockAction::Lock);
    assert!(changed(&house));
    phone.states(&mut house);
    assert!(changed(&house), "a phone is no bridge");
    bridge.states(&mut house);
    assert!(!changed(&house));
}

#[test]
fn what_is_advertised_follows_the_lock() {
    let mut house = House::new();
    let id = house.identity.nuki_id;
    let now = |house: &House| house.lock.advertisement(house.now_ms);
    assert_eq!(now(&house), Advertisement::Uninitialized(id));
    house.hold_button(5_000);
    assert_eq!(now(&house), Advertisement::Pairing(Family::ToFourth, id));
    house.wait(120_000);
    assert_eq!(now(&house), Advertisement::Uninitialized(id));
    house.pair(A, App, "Ann");
    let door = Advertisement::DoorMode {
        id,
        state_changed: false,
    };
    assert_eq!(now(&house), door, "pairing mode ends with the first who came in");
    house.hold_button(5_000);
    house.wait(119_999);
    assert_eq!(now(&house), Advertisement::Pairing(Family::ToFourth, id));
    house.wait(1);
    assert_eq!(now(&house), door);
}

#[test]
fn the_battery_report_is_about_the_last_motion() {
    let (mut house, phone) = paired();
    let level = |percent, millivolts| {
        Event::Battery(BatteryLevel {
            percent,
            millivolts,
            charging: false,
            celsius: -3,
        })
    };
    house.event(level(80, 5_800));
    house.motor = Drive::Silent;
    phone.act(&mut house, LockAction::Lock);
    house.event(level(78, 5_100));
    house.event(Event::Motor(Sense::Reached(720)));
    house.event(level(19, 5_600));
    phone.hear(&mut house);
    let report = phone.ask(&mut house, BatteryReport::COMMAND);
    let [FromLock::BatteryReport(report)] = &report[..] else {
        panic!("no report: {report:?}")
    };
    assert_eq!(report.action, Some(LockAction::Lock.into()));
    let volts = (
        report.start_millivolts,
        report.lowest_millivolts,
        report.millivolts,
    );
    assert_eq!(volts, (5_800, 5_100, 5_600));
    assert_eq!((report.distance_degrees, report.start_celsius), (720, -3));
    assert!(report.battery.critical());
    let battery = phone.states(&mut house).battery;
    assert!(battery.critical() && battery.percent() == 18);
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
fn a_start_with_nothing_to_do_writes_nothing() {
    let (mut house, phone) = paired();
    phone.act(&mut house, LockAction::Lock);
    let mut house = house.restart();
    let before = house.chip.flash().work();
    house.wait(3_600_000);
    let mut house = house.restart();
    house.wait(3_600_000);
    let after = house.chip.flash().work();
    assert_eq!((before.bytes, before.erases), (after.bytes, after.erases));
}

#[test]
fn another_firmware_stands_in_the_log_once() {
    let (mut house, phone) = paired();
    house.identity.firmware.minor += 1;
    let newer = house.identity.firmware;
    let mut house = house.restart().restart();
    house.connect(A);
    let log = phone.log(&mut house);
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].event, LogEvent::FirmwareUpdate(newer));
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

#[test]
fn auto_lock_locks_what_a_restart_left_unlocked() {
    let (mut house, phone) = paired();
    set_advanced(&phone, &mut house, |set| {
        set.auto_lock = Tail(Some(AutoLock {
            enabled: true,
            immediate: false,
            auto_update: true,
        }));
    });
    phone.act(&mut house, LockAction::Lock);
    phone.act(&mut house, LockAction::Unlock);
    let mut house = house.restart();
    house.wait(299_000);
    assert_eq!(house.at_deg, 0);
    house.wait(1_000);
    assert_eq!(house.at_deg, 720);
}

#[test]
fn a_clock_that_is_put_right_loses_no_minute_of_the_schedule() {
    let (mut house, phone) = paired();
    phone.tell_time(&mut house, MONDAY_MORNING);
    phone.command(&mut house, |nonce| AddTimeControlEntry {
        weekdays: Weekdays::EVERY,
        time: TimeOfDay { hour: 8, minute: 1 },
        action: LockAction::Lock,
        nonce,
        pin: phone.pin(0),
    });
    house.wait(50_000);
    house.connect(A);
    phone.tell_time(&mut house, MONDAY_MORNING.plus(61));
    assert_eq!(house.at_deg, 720);
    phone.act(&mut house, LockAction::Unlock);
    phone.tell_time(&mut house, MONDAY_MORNING.plus(59));
    house.wait(60_000);
    assert_eq!(house.at_deg, 0, "not twice");
    house.connect(A);
    phone.tell_time(&mut house, MONDAY_MORNING.plus(25 * 3_600));
    house.wait(3_600_000);
    assert_eq!(house.at_deg, 0, "a clock that was set makes up for nothing");
}

#[test]
fn the_lock_fits_its_memory() {
    let bytes = size_of::<latchkey_lock::lock::Lock>();
    assert!(bytes <= 16 * 1024, "{bytes} bytes");
}
