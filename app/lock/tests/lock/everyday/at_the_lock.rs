//! Knob, button and fob, what the lock shows and writes of itself, and what it does not.

use super::*;

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
fn the_lock_fits_its_memory() {
    let bytes = size_of::<latchkey_lock::lock::Lock>();
    assert!(bytes <= 16 * 1024, "{bytes} bytes");
}
