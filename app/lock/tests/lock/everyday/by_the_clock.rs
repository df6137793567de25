//! What the lock does by itself, because it is time to or somebody came home.

use super::*;

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
