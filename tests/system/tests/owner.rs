//! The owner's session over Bluetooth, against the real firmware: the whole catalogue, at the smallest and the largest
//! MTU.

use crate::tour::{Told, in_short, tour};
use latchkey_lab::Owner;
use latchkey_phone::error::{Effect, Error, Failure};
use latchkey_phone::request::{Act, Administer, Report};
use latchkey_phone::session::News;
use latchkey_protocol::gatt;
use latchkey_protocol::message::{KeyturnerStates, Message};
use latchkey_protocol::value::{
    DateTime, EnteredCode, ErrorCode, KeypadAction, KeypadCode, KeypadSource, Name, Pin, TimeLimits,
};
use latchkey_system_tests::{Door, FAST_MOTOR_DEG_S, PATIENCE};

fn takes_the_tour(mtu: u16) {
    let mut door = Door::new(&["phone"], |lock| lock.set_motor(FAST_MOTOR_DEG_S));
    let mut owner = Owner::new(door.phone("phone"), &door.address, mtu);
    owner.connect().unwrap();
    assert_eq!(owner.pair("Ann").unwrap(), [News::Paired]);
    let pin = |value: u32| Pin::short(value.try_into().unwrap());
    for (request, expected) in tour(pin) {
        let what = format!("{request:?}");
        let news = owner.ask(request).unwrap();
        assert_eq!(in_short(&news), expected, "{what} at MTU {mtu}");
    }
    // The last request was a restart; what was stored is still good.
    door.lock
        .wait_for("an administrator asked for a restart", PATIENCE)
        .unwrap();
    door.lock.wait_for("radio up", PATIENCE).unwrap();
    owner.phone.wait_for_disconnection(PATIENCE).unwrap();
    owner.connect().unwrap();
    let news = owner.ask(Report::States {}).unwrap();
    assert_eq!(in_short(&news), [Told::Answer(KeyturnerStates::COMMAND)]);
}

#[test]
fn every_request_has_its_whole_conversation_at_the_smallest_mtu() {
    takes_the_tour(gatt::MTU_DEFAULT);
}

#[test]
fn every_request_has_its_whole_conversation_at_the_largest_mtu() {
    takes_the_tour(gatt::MTU_MAX);
}

#[test]
fn a_code_for_one_day_still_works_after_a_restart_and_no_more_after_a_power_cut() {
    let mut door = Door::new(&["phone"], |lock| lock.set_motor(FAST_MOTOR_DEG_S));
    let mut owner = Owner::new(door.phone("phone"), &door.address, gatt::MTU_MAX);
    owner.connect().unwrap();
    owner.pair("Ann").unwrap();
    let day = |day| DateTime {
        year: 2027,
        month: 5,
        day,
        ..DateTime::UNSET
    };
    let limits = TimeLimits {
        from: day(1),
        until: day(2),
        ..TimeLimits::default()
    };
    let noon = DateTime { hour: 12, ..day(1) };
    let no_pin = || Pin::short(0);
    let set = Administer::SetTime { time: noon };
    assert_eq!(in_short(&owner.ask(set.with(no_pin())).unwrap()), [Told::Done]);
    let code = Administer::AddCode {
        code: KeypadCode::new(345_678).unwrap(),
        name: Name::new("Plumber").unwrap(),
        limits: Some(limits),
    };
    owner.ask(code.with(no_pin())).unwrap();
    let typed = || Act::Keypad {
        source: KeypadSource::Code,
        code: EnteredCode::new(345_678),
        action: KeypadAction::Lock,
    };

    owner.ask(Administer::Restart {}.with(no_pin())).unwrap();
    door.lock.wait_for("radio up", PATIENCE).unwrap();
    owner.phone.wait_for_disconnection(PATIENCE).unwrap();
    owner.connect().unwrap();
    assert_eq!(
        in_short(&owner.ask(typed()).unwrap()),
        [Told::Accepted, Told::Done],
        "the lock has not forgotten what time it is"
    );

    door.lock.cut_power();
    door.lock.power_on().unwrap();
    door.lock.wait_for("radio up", PATIENCE).unwrap();
    owner.phone.wait_for_disconnection(PATIENCE).unwrap();
    owner.connect().unwrap();
    let refused = Failure {
        error: Error::Refused(ErrorCode::TimeNotAllowed.into()),
        effect: Effect::None,
    };
    assert_eq!(owner.ask(typed()).unwrap(), [News::Failed(refused)]);
}
