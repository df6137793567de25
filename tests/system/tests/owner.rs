//! The owner's session over Bluetooth, against the real firmware: the whole catalogue, at the smallest and the largest
//! MTU.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests: what is not there must end them"
)]

#[path = "../../../app/phone/tests/session/tour.rs"]
mod tour;

use latchkey_lab::Owner;
use latchkey_phone::request::Report;
use latchkey_phone::session::News;
use latchkey_protocol::gatt;
use latchkey_protocol::message::{KeyturnerStates, Message};
use latchkey_protocol::value::Pin;
use latchkey_system_tests::{Door, FAST_MOTOR_DEG_S, PATIENCE};
use tour::{Told, in_short, tour};

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
