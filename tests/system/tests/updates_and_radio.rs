//! What an update and the radio have to do with each other: clients go on after one, and none stays that has no radio.

use std::net::TcpListener;

use latchkey_handoff::reason;
use latchkey_lab::{Air, Phone, Variant};
use latchkey_protocol::gatt;
use latchkey_protocol::value::{LockAction, LockState};
use latchkey_system_tests::{Client, PATIENCE, Site, address, nuki_id};

/// A motor so slow that a download ends before it does.
const SLOW_DEG_S: u32 = 65;

#[test]
fn clients_go_on_after_an_update() {
    let air = Air::start(&["lock", "phone"]).unwrap();
    let mut site = Site::with_lock(|lock| lock.set_radio(Some(air.address("lock").unwrap())));
    let nuki_id = nuki_id(&mut site.lock);
    site.lock.wait_for("radio up", PATIENCE).unwrap();
    let phone = Phone::start(&air, "phone").unwrap();
    let mut client = Client::new(phone, &address(&nuki_id), gatt::MTU_MAX);
    client.connect();
    client.pair("Ada").unwrap();
    client.act(LockAction::Lock);
    client.phone.disconnect().unwrap();

    let new = site.world.release(Variant::V2, 2);
    site.server.publish(&new).unwrap();
    site.server.roll_out(&new).unwrap();
    site.server
        .wait_for_event(&site.id, "confirmed", PATIENCE)
        .unwrap();
    client.connect();
    assert_eq!(client.phone.read("2a26").unwrap(), b"2.0.0");
    assert_eq!(client.lock_state(), LockState::Locked);
    client.act(LockAction::Unlock);
    assert_eq!(client.lock_state(), LockState::Unlocked);
}

#[test]
fn install_waits_for_the_bolt_and_for_who_is_at_the_lock() {
    let air = Air::start(&["lock", "phone"]).unwrap();
    let mut site = Site::with_lock(|lock| {
        lock.set_radio(Some(air.address("lock").unwrap()));
        lock.set_motor(SLOW_DEG_S);
    });
    let nuki_id = nuki_id(&mut site.lock);
    site.lock.wait_for("radio up", PATIENCE).unwrap();
    let phone = Phone::start(&air, "phone").unwrap();
    let mut client = Client::new(phone, &address(&nuki_id), gatt::MTU_MAX);
    client.connect();
    client.pair("Ada").unwrap();

    let new = site.world.release(Variant::V2, 2);
    site.server.publish(&new).unwrap();
    site.server.roll_out(&new).unwrap();
    site.lock.wait_for("update: offered", PATIENCE).unwrap();
    client.begin(LockAction::Lock);
    client.phone.disconnect().unwrap();
    let order = [
        "install waits",
        "bolt at rest at 720",
        "update: requested",
        "on trial",
    ];
    for line in order {
        site.lock.wait_for(line, PATIENCE).unwrap();
    }
    site.server
        .wait_for_event(&site.id, "confirmed", PATIENCE)
        .unwrap();
}

#[test]
fn image_whose_radio_stays_silent_is_taken_back() {
    // A controller that takes everything and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let controller = mute.local_addr().unwrap().to_string();
    let mut site = Site::with_lock(|lock| lock.set_radio(Some(&controller)));
    let new = site.world.release(Variant::V2, 2);
    site.server.publish(&new).unwrap();
    site.server.roll_out(&new).unwrap();
    for _ in 0..3 {
        site.lock.wait_for("self-test failed: radio", PATIENCE).unwrap();
    }
    let event = site
        .server
        .wait_for_event(&site.id, "reverted", PATIENCE)
        .unwrap();
    assert_eq!(event["image"], new.digest.to_string());
    assert_eq!(event["reason"], reason::NOT_CONFIRMED);
}
