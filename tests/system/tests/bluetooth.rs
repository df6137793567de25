//! The lock over Bluetooth, from a client's packets to the bolt and back: the project's own client, at the smallest
//! and the largest MTU, and everybody in range who means no good.

use latchkey_lab::Phone;
use latchkey_protocol::advertising::{Advertisement, read_scan_response};
use latchkey_protocol::gatt;
use latchkey_protocol::message::{FromLock, StatusReport};
use latchkey_protocol::value::{LockAction, LockState, Status};
use latchkey_system_tests::{Client, Door, PATIENCE, uuid};

/// Where the lock says it went, one state after the other.
fn states(said: &[FromLock]) -> Vec<LockState> {
    said.iter()
        .filter_map(|message| match message {
            FromLock::KeyturnerStates(states) => states.lock_state.known(),
            _ => None,
        })
        .collect()
}

fn ends_well(said: &[FromLock]) -> bool {
    let complete = FromLock::StatusReport(StatusReport {
        status: Status::Complete,
    });
    said.last() == Some(&complete)
}

#[test]
fn client_pairs_and_turns_the_bolt_at_the_smallest_and_the_largest_mtu() {
    for mtu in [gatt::MTU_DEFAULT, gatt::MTU_MAX] {
        let door = Door::with_phones(&["phone"]);
        let mut client = Client::new(door.phone("phone"), &door.address, mtu);
        client.connect();
        client.pair("Ada").unwrap();
        assert_eq!(client.lock_state(), LockState::Unlocked, "at MTU {mtu}");
        let said = client.act(LockAction::Lock);
        assert!(ends_well(&said), "{said:?}");
        assert_eq!(states(&said), [LockState::Locking, LockState::Locked]);
        let said = client.act(LockAction::Unlock);
        assert!(ends_well(&said), "{said:?}");
        assert_eq!(client.lock_state(), LockState::Unlocked);
    }
}

#[test]
fn lock_shows_itself_as_what_it_is() {
    let mut door = Door::with_phones(&["phone"]);
    let mut client = Client::new(door.phone("phone"), &door.address, gatt::MTU_MAX);
    let new = door.seen(&mut client.phone);
    let Advertisement::Uninitialized(id) = Advertisement::read(&new.advertisement).unwrap() else {
        panic!("a new lock says so: {new:?}")
    };
    assert_eq!(read_scan_response(&new.scan_response).unwrap(), id);
    client.connect();
    client.pair("Ada").unwrap();
    client.phone.disconnect().unwrap();
    let at_work = door.seen(&mut client.phone);
    let advertised = Advertisement::read(&at_work.advertisement).unwrap();
    assert!(
        matches!(advertised, Advertisement::DoorMode { .. }),
        "{advertised:?}"
    );
    door.invite();
    let inviting = door.seen(&mut client.phone);
    let advertised = Advertisement::read(&inviting.advertisement).unwrap();
    assert!(matches!(advertised, Advertisement::Pairing(..)), "{advertised:?}");
}

/// Clients keep handles, so these never change; what is new comes last.
const HANDLES: [&str; 10] = [
    "handle 3 2A00 2",
    "handle 5 2A01 2",
    "handle 9 A92EE101-5501-11E4-916C-0800200C9A66 40",
    "handle 13 A92EE201-5501-11E4-916C-0800200C9A66 40",
    "handle 16 A92EE202-5501-11E4-916C-0800200C9A66 40",
    "handle 19 A92EE203-5501-11E4-916C-0800200C9A66 4",
    "handle 22 2A25 2",
    "handle 24 2A26 2",
    "handle 26 2A27 2",
    "handle 29 DA2E7828-FBCE-4E01-AE9E-261174997C48 20",
];

#[test]
fn handles_are_those_that_clients_keep() {
    let door = Door::with_phones(&["phone"]);
    let mut client = Client::new(door.phone("phone"), &door.address, gatt::MTU_MAX);
    client.connect();
    assert_eq!(client.phone.services().unwrap(), HANDLES);
    let serial = client.phone.read("2a25").unwrap();
    assert_eq!(String::from_utf8(serial).unwrap(), door.nuki_id);
    assert_eq!(client.phone.read("2a26").unwrap(), b"1.0.0");
}

#[test]
fn three_clients_are_served_at_once_and_the_fourth_when_one_goes() {
    let names = ["first", "second", "third", "fourth"];
    let door = Door::with_phones(&names);
    let mut clients: Vec<_> = names
        .iter()
        .map(|name| Client::new(door.phone(name), &door.address, gatt::MTU_MAX))
        .collect();
    let mut fourth = clients.pop().unwrap();
    for client in &mut clients {
        client.connect();
    }
    clients[0].pair("Ada").unwrap();
    assert!(door.silent(&mut fourth.phone), "it has no place for a fourth");
    assert_eq!(clients[0].lock_state(), LockState::Unlocked);
    clients[1].phone.disconnect().unwrap();
    fourth.connect();
    assert_eq!(clients[0].lock_state(), LockState::Unlocked);
}

#[test]
fn motion_ends_without_the_client_that_began_it() {
    let mut door = Door::with_phones(&["phone"]);
    let mut client = Client::new(door.phone("phone"), &door.address, gatt::MTU_MAX);
    client.connect();
    client.pair("Ada").unwrap();
    client.begin(LockAction::Lock);
    client.phone.disconnect().unwrap();
    door.lock.wait_for("bolt at rest at 720", PATIENCE).unwrap();
    client.connect();
    assert_eq!(client.lock_state(), LockState::Locked);
}

#[test]
fn hand_at_the_knob_and_jam_are_noticed() {
    let mut door = Door::with_phones(&["phone"]);
    let mut client = Client::new(door.phone("phone"), &door.address, gatt::MTU_MAX);
    client.connect();
    client.pair("Ada").unwrap();
    door.lock.type_line("turn 720").unwrap();
    door.lock.wait_for("bolt at rest at 720", PATIENCE).unwrap();
    assert_eq!(client.lock_state(), LockState::Locked);
    door.lock.type_line("motor jam").unwrap();
    door.lock.wait_for("typed: motor jam", PATIENCE).unwrap();
    let said = client.act(LockAction::Unlock);
    assert!(states(&said).contains(&LockState::MotorBlocked), "{said:?}");
    door.lock.type_line("motor free").unwrap();
    door.lock.wait_for("typed: motor free", PATIENCE).unwrap();
    assert!(ends_well(&client.act(LockAction::Unlock)));
}

#[test]
fn authorization_and_bolt_survive_a_power_cut() {
    let mut door = Door::with_phones(&["phone"]);
    let mut client = Client::new(door.phone("phone"), &door.address, gatt::MTU_MAX);
    client.connect();
    client.pair("Ada").unwrap();
    client.act(LockAction::Lock);
    door.lock.power_on().unwrap();
    client.phone.wait_for_disconnection(PATIENCE).unwrap();
    door.lock.wait_for("radio up", PATIENCE).unwrap();
    client.connect();
    assert_eq!(client.lock_state(), LockState::Locked);
}

#[test]
fn who_says_nothing_is_dropped() {
    let door = Door::with_phones(&["phone"]);
    let mut client = Client::new(door.phone("phone"), &door.address, gatt::MTU_MAX);
    client.connect();
    client.phone.wait_for_disconnection(PATIENCE).unwrap();
}

/// Attribute packets that are none, on the attribute channel.
const DEADLY: [&[u8]; 13] = [
    &[],
    &[0x02],
    &[0x02, 1, 0],
    &[0x04, 1],
    &[0x08, 1, 0, 255],
    &[0x0A],
    &[0x0E],
    &[
        0x10, 1, 0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ],
    &[0x16, 9, 0],
    &[0x18],
    &[0x20],
    &[0x52],
    &[0x1D, 9, 0, 1],
];

#[test]
fn packets_that_are_none_do_no_harm() {
    let mut door = Door::with_phones(&["mallory", "phone"]);
    let mut client = Client::new(door.phone("phone"), &door.address, gatt::MTU_MAX);
    client.connect();
    client.pair("Ada").unwrap();
    let mut mallory = door.phone("mallory");
    for packet in DEADLY {
        if !mallory.is_connected() {
            mallory.connect(&door.address, gatt::MTU_MAX).unwrap();
        }
        mallory.send_raw(packet).unwrap();
        // Whoever comes through this is alive.
        assert_eq!(client.lock_state(), LockState::Unlocked, "after {packet:02x?}");
    }
    for channel in [0, 1, 4, 5, 6, 0x3A, 0x40, 0xFFFF] {
        mallory.send_packet(channel, &[0xFF; 3]).unwrap();
        mallory.send_packet(channel, &[]).unwrap();
        assert_eq!(
            client.lock_state(),
            LockState::Unlocked,
            "after channel {channel:#x}"
        );
    }
    // What would fill a client's buffers, if the lock were one.
    for _ in 0..40 {
        mallory.send_raw(&[0x1B, 9, 0, 0xAA, 0xAA, 0xAA]).unwrap();
    }
    assert_eq!(client.lock_state(), LockState::Unlocked);
    // More at once than the lock has room for; its controller has to wait.
    let flood = [&[0x52, 19, 0], &[0xAA; 200][..]].concat();
    for _ in 0..200 {
        mallory.send_raw(&flood).unwrap();
    }
    assert_eq!(client.lock_state(), LockState::Unlocked);
    assert!(!door.has_restarted());
}

/// What the host knows, what it does not, and what only servers send.
const OPCODES: [u8; 18] = [
    0x02, 0x04, 0x06, 0x08, 0x0A, 0x0C, 0x0E, 0x10, 0x12, 0x16, 0x18, 0x1B, 0x1D, 0x1E, 0x20, 0x22, 0x52,
    0xD2,
];
const RANDOM_PACKETS: usize = 1_000;

/// A packet for a channel that a lock serves, more or less well formed.
fn random_packet(random: &mut fastrand::Rng) -> (u16, Vec<u8>) {
    let lengths = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 20, 22, 40, 100, 240, 300];
    let length = lengths[random.usize(..lengths.len())];
    let mut body: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
    if random.u8(..4) == 0 {
        // A signal: code, identifier, length.
        let [low, high] = u16::try_from(length).unwrap().to_le_bytes();
        body.splice(0..0, [random.u8(..0x1B), 1, low, high]);
        return (5, body);
    }
    if body.len() >= 2 && random.bool() {
        // A handle that is there, or an MTU.
        body[..2].copy_from_slice(&random.u16(..30).to_le_bytes());
    }
    if body.len() >= 6 && random.bool() {
        let types = [[0x00, 0x28], [0x03, 0x28], [0x02, 0x29]];
        body[2..4].fill(0xFF);
        body[4..6].copy_from_slice(&types[random.usize(..types.len())]);
    }
    body.insert(0, OPCODES[random.usize(..OPCODES.len())]);
    (4, body)
}

#[test]
fn random_packets_do_no_harm() {
    let mut door = Door::with_phones(&["mallory", "phone"]);
    let mut client = Client::new(door.phone("phone"), &door.address, gatt::MTU_MAX);
    client.connect();
    client.pair("Ada").unwrap();
    let mut mallory = door.phone("mallory");
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for number in 0..RANDOM_PACKETS {
        if !mallory.is_connected() {
            mallory.connect(&door.address, gatt::MTU_MAX).unwrap();
        }
        let (channel, packet) = random_packet(&mut random);
        mallory.send_packet(channel, &packet).unwrap();
        if number % 20 == 0 {
            assert_eq!(
                client.lock_state(),
                LockState::Unlocked,
                "seed {seed}, by packet {number}"
            );
        }
    }
    assert_eq!(client.lock_state(), LockState::Unlocked, "seed {seed}");
    assert!(!door.has_restarted(), "seed {seed}");
}

#[test]
fn stranger_cannot_write_more_than_a_message_nor_read_any() {
    let mut door = Door::with_phones(&["mallory"]);
    let mut mallory = door.phone("mallory");
    mallory.connect(&door.address, gatt::MTU_DEFAULT).unwrap();
    let pairing = uuid(gatt::PAIRING_DATA);
    assert!(mallory.read(&pairing).is_err());
    assert!(
        mallory.write(&pairing, &[0xAA; 400]).is_err(),
        "more than is prepared"
    );
    mallory.write(&pairing, &[0xAA; 200]).unwrap();
    assert!(!door.has_restarted());
}

#[test]
fn three_who_hold_the_line_do_not_keep_the_owner_out() {
    let strangers = ["first", "second", "third"];
    let mut door = Door::with_phones(&["phone", "first", "second", "third"]);
    let mut client = Client::new(door.phone("phone"), &door.address, gatt::MTU_MAX);
    client.connect();
    client.pair("Ada").unwrap();
    client.phone.disconnect().unwrap();
    let mut held: Vec<_> = strangers.iter().map(|name| door.phone(name)).collect();
    for stranger in &mut held {
        stranger.connect(&door.address, gatt::MTU_MAX).unwrap();
    }
    // Never silent, and never with anything to say.
    let talk = uuid(gatt::PAIRING_DATA);
    let mut rounds = 0;
    while door.silent(&mut client.phone) {
        rounds += 1;
        assert!(rounds < 60, "nobody was dropped");
        for stranger in held.iter_mut().filter(|stranger| stranger.is_connected()) {
            // One that has been dropped in this moment is what is waited for.
            let _ = stranger.write(&talk, &[1, 0, 3, 0, 0x27, 0xA7]);
        }
    }
    client.connect();
    assert_eq!(client.lock_state(), LockState::Unlocked);
    assert!(!door.has_restarted());
}

#[test]
fn lock_serves_while_a_phone_confirms_nothing() {
    // A phone that stops at nothing: it subscribes, asks, and is switched off without a word.
    let door = Door::with_phones(&["mallory", "phone"]);
    let mut client = Client::new(door.phone("phone"), &door.address, gatt::MTU_MAX);
    client.connect();
    client.pair("Ada").unwrap();
    let mut mallory = Client::new(door.phone("mallory"), &door.address, gatt::MTU_MAX);
    mallory.connect();
    mallory
        .phone
        .write(&uuid(gatt::PAIRING_DATA), &[1, 0, 3, 0, 0x27, 0xA7])
        .unwrap();
    drop(mallory);
    assert_eq!(client.lock_state(), LockState::Unlocked);
    let mut again: Phone = door.phone("mallory");
    again.connect(&door.address, gatt::MTU_MAX).unwrap();
    assert_eq!(client.lock_state(), LockState::Unlocked);
}
