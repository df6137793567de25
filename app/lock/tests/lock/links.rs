//! Connections: several at once, idle ones, ones that stall, ones that do not read.

use crate::bench::*;
use latchkey_lock::lock::{Characteristic, Event, LINKS, LinkId};
use latchkey_protocol::message::*;
use latchkey_protocol::value::*;

use AuthorizationType::App;

#[test]
fn four_clients_are_served_at_once() {
    let mut house = House::new();
    let names = ["Ann", "Bob", "Cyd", "Dan"];
    let clients: Vec<Client> = (0..LINKS)
        .map(|n| house.pair(LinkId(n as u8), App, names[n]))
        .collect();
    // Challenges interleave; each counts for its own connection.
    let nonces: Vec<Nonce> = clients
        .iter()
        .map(|client| client.challenge(&mut house))
        .collect();
    for (client, nonce) in clients.iter().zip(&nonces) {
        let replies = client.say(&mut house, &RequestConfig { nonce: *nonce });
        assert_eq!(replies[0].command(), Config::COMMAND);
    }
    clients[0].act(&mut house, LockAction::Lock);
    for client in &clients[1..] {
        assert_eq!(
            apart(client.hear(&mut house)).0,
            [LockState::Locking, LockState::Locked]
        );
    }
}

#[test]
fn lists_for_two_clients_do_not_mix() {
    let mut house = House::new();
    let ann = house.pair(A, App, "Ann");
    let bob = house.pair(B, App, "Bob");
    let ask = |client: &Client, house: &mut House| {
        let nonce = client.challenge(house);
        let request = RequestAuthorizationEntries {
            offset: 0,
            count: 9,
            nonce,
            pin: client.pin(0),
        };
        house.reading = [false; LINKS];
        let frame = client.seal(house, &request);
        house.write(client.link, Characteristic::UserData, &frame);
        house.reading = [true; LINKS];
    };
    ask(&ann, &mut house);
    ask(&bob, &mut house);
    house.event(Event::Tick);
    let first = |replies: Vec<FromLock>| match &replies[1] {
        FromLock::AuthorizationEntry(entry) => (replies.len(), entry.authorization),
        other => panic!("no entry: {other:?}"),
    };
    assert_eq!(first(ann.hear(&mut house)), (4, ann.id));
    assert_eq!(first(bob.hear(&mut house)), (4, bob.id));
}

#[test]
fn a_client_that_stalls_in_a_message_is_dropped_and_hurts_nobody() {
    let mut house = House::new();
    let ann = house.pair(A, App, "Ann");
    let bob = house.pair(B, App, "Bob");
    let nonce = bob.challenge(&mut house);
    let frame = bob.seal(&mut house, &RequestConfig { nonce });
    house.write(B, Characteristic::UserData, &frame[..40]);
    assert_eq!(
        apart(ann.act(&mut house, LockAction::Lock)).1,
        [accepted(), complete()]
    );
    house.wait(4_999);
    assert!(house.is_connected(B));
    house.wait(1);
    assert!(!house.is_connected(B));
    assert!(house.is_connected(A));
    house.connect(B);
    let rest = &frame[40..];
    house.write(B, Characteristic::UserData, rest);
    house.wait(5_000);
    house.connect(B);
    bob.states(&mut house);
}

#[test]
fn pieces_of_any_size_are_one_message() {
    for size in [1, 7, 20, 130] {
        let mut house = House::new();
        let phone = house.pair(A, App, "Ann");
        let nonce = phone.challenge(&mut house);
        let message = PerformSimpleLockAction {
            action: SimpleAction::Lock,
            nonce,
        };
        let frame = phone.seal(&mut house, &message);
        for piece in frame.chunks(size) {
            house.write(A, Characteristic::UserData, piece);
        }
        assert_eq!(
            apart(phone.hear(&mut house)).1,
            [accepted(), complete()],
            "{size}"
        );
    }
}

#[test]
fn idle_connections_are_dropped_and_busy_ones_are_not() {
    let mut house = House::new();
    let ann = house.pair(A, App, "Ann");
    let bob = house.pair(B, App, "Bob");
    for _ in 0..10 {
        house.wait(19_000);
        if !house.is_connected(B) {
            house.connect(B);
        }
        bob.challenge(&mut house);
    }
    assert!(!house.is_connected(A));
    house.connect(A);
    crate::everyday::set_advanced(&ann, &mut house, |set| set.settings.unlatch_seconds = 30);
    ann.act(&mut house, LockAction::Unlatch);
    // The latch is held for half a minute; nobody says a word.
    house.wait(30_000);
    assert_eq!(apart(ann.hear(&mut house)).1, [complete()]);
    house.wait(20_000);
    assert!(!house.is_connected(A));
}

#[test]
fn a_stranger_cannot_hold_a_connection_by_talking() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    let recorded = phone.seal(
        &mut house,
        &RequestData {
            wanted: KeyturnerStates::COMMAND,
            extra: latchkey_protocol::wire::Rest,
        },
    );
    house.connect(B);
    for _ in 0..11 {
        house.wait(5_000);
        house.write(B, Characteristic::UserData, &recorded);
    }
    assert!(house.is_connected(B));
    house.wait(5_000);
    assert!(
        !house.is_connected(B),
        "replays are heard for a minute and no longer"
    );
    // Whoever has just paired has shown that he holds a key.
    let new = house.pair(B, App, "New");
    for _ in 0..20 {
        house.wait(5_000);
        new.states(&mut house);
    }
}

#[test]
fn who_asks_and_does_not_read_is_dropped_and_hurts_nobody() {
    let mut house = House::new();
    let ann = house.pair(A, App, "Ann");
    let bob = house.pair(B, App, "Bob");
    bob.states(&mut house);
    house.reading[1] = false;
    for _ in 0..20 {
        if house.is_connected(B) {
            let frame = bob.seal(
                &mut house,
                &RequestData {
                    wanted: BatteryReport::COMMAND,
                    extra: latchkey_protocol::wire::Rest,
                },
            );
            house.write(B, Characteristic::UserData, &frame);
        }
        ann.act(&mut house, LockAction::Lock);
        ann.act(&mut house, LockAction::Unlock);
    }
    house.wait(20_000);
    assert!(!house.is_connected(B));
    house.reading[1] = true;
    house.connect(B);
    bob.states(&mut house);
}

#[test]
fn a_command_whose_answers_find_no_room_is_not_carried_out() {
    let mut house = House::new();
    let ann = house.pair(A, App, "Ann");
    let nonce = ann.challenge(&mut house);
    house.reading[0] = false;
    for _ in 0..6 {
        let frame = ann.seal(
            &mut house,
            &RequestData {
                wanted: BatteryReport::COMMAND,
                extra: latchkey_protocol::wire::Rest,
            },
        );
        house.write(A, Characteristic::UserData, &frame);
    }
    let action = PerformSimpleLockAction {
        action: SimpleAction::Lock,
        nonce,
    };
    let frame = ann.seal(&mut house, &action);
    house.write(A, Characteristic::UserData, &frame);
    assert_eq!(house.at_deg, 0);
    house.reading[0] = true;
    house.event(Event::Tick);
    assert_eq!(ann.hear(&mut house).len(), 6);
    assert!(!house.is_connected(A), "who does not read is dropped once he has");
}

#[test]
fn a_stranger_cannot_hold_up_an_update() {
    let mut house = House::new();
    let ann = house.pair(A, App, "Ann");
    let recorded = ann.seal(
        &mut house,
        &RequestData {
            wanted: KeyturnerStates::COMMAND,
            extra: latchkey_protocol::wire::Rest,
        },
    );
    house.connect(B);
    house.reading[1] = false;
    house.write(B, Characteristic::UserData, &[0; 60]);
    house.write(B, Characteristic::UserData, &recorded);
    house.write(B, Characteristic::Pairing, &[1, 0, 3, 0, 0, 0]);
    assert!(!house.lock.is_busy(house.now_ms));
    // The owner in the middle of a list can, for as long as that takes.
    house.reading[0] = false;
    ann_lists(&ann, &mut house);
    assert!(house.lock.is_busy(house.now_ms));
    house.reading[0] = true;
    house.event(Event::Tick);
    assert!(!house.lock.is_busy(house.now_ms));
}

fn ann_lists(ann: &Client, house: &mut House) {
    house.reading[0] = true;
    let nonce = ann.challenge(house);
    house.reading[0] = false;
    let request = RequestAuthorizationEntries {
        offset: 0,
        count: 9,
        nonce,
        pin: ann.pin(0),
    };
    let frame = ann.seal(house, &request);
    house.write(ann.link, Characteristic::UserData, &frame);
}

#[test]
fn connections_that_the_lock_does_not_know_are_to_be_dropped() {
    let house = House::new();
    for id in [0, 3, 4, 255] {
        assert!(house.lock.should_disconnect(LinkId(id), 0), "{id}");
    }
}

#[test]
fn what_waited_for_one_client_is_not_told_to_the_next() {
    let mut house = House::new();
    let ann = house.pair(A, App, "Ann");
    let bob = house.pair(B, App, "Bob").on(A);
    house.reading = [false; LINKS];
    for client in [&ann, &bob] {
        let frame = client.seal(
            &mut house,
            &RequestData {
                wanted: BatteryReport::COMMAND,
                extra: latchkey_protocol::wire::Rest,
            },
        );
        house.write(A, Characteristic::UserData, &frame);
    }
    house.reading = [true; LINKS];
    house.event(Event::Tick);
    assert_eq!(bob.hear(&mut house).len(), 1);
}
