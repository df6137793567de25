//! What a lock advertises, and what a phone makes of anything that is advertised.

use latchkey_protocol::advertising::{
    Advertisement, NotALock, PAYLOAD_MAX, read_scan_response, scan_response,
};
use latchkey_protocol::gatt;
use latchkey_protocol::pairing::Family;
use latchkey_protocol::value::NukiId;
use proptest::prelude::*;

const ID: NukiId = NukiId::new(0x1A2B_3C4D).unwrap();

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn payloads_byte_for_byte() {
    let payloads = [
        (
            Advertisement::Uninitialized(ID),
            "0201061521669a0c2000086c91e411015500e02ea91a2b3c4d",
        ),
        (
            Advertisement::Pairing(Family::ToFourth, ID),
            "0201061521669a0c2000086c91e411015500e12ea91a2b3c4d",
        ),
        (
            Advertisement::Pairing(Family::Fifth, ID),
            "0201061521669a0c2000086c91e411015500e32ea91a2b3c4d",
        ),
        (
            Advertisement::DoorMode {
                id: ID,
                state_changed: false,
            },
            "0201061aff4c000215a92ee200550111e4916c0800200c9a661a2b3c4dc4",
        ),
        (
            Advertisement::DoorMode {
                id: ID,
                state_changed: true,
            },
            "0201061aff4c000215a92ee200550111e4916c0800200c9a661a2b3c4dc5",
        ),
    ];
    for (advertisement, payload) in payloads {
        assert_eq!(hex(advertisement.data().as_bytes()), payload);
        assert_eq!(
            Advertisement::read(advertisement.data().as_bytes()),
            Ok(advertisement)
        );
        assert_eq!(advertisement.id(), ID);
    }
    assert_eq!(scan_response(ID).as_bytes(), b"\x0e\x09Nuki_1A2B3C4D");
}

#[test]
fn uuids_as_published() {
    let uuids = [
        (gatt::INITIALIZATION_SERVICE, "a92ee000550111e4916c0800200c9a66"),
        (gatt::PAIRING_SERVICE, "a92ee100550111e4916c0800200c9a66"),
        (gatt::PAIRING_DATA, "a92ee101550111e4916c0800200c9a66"),
        (gatt::PAIRING_SERVICE_FIFTH, "a92ee300550111e4916c0800200c9a66"),
        (gatt::PAIRING_DATA_FIFTH, "a92ee301550111e4916c0800200c9a66"),
        (gatt::KEYTURNER_SERVICE, "a92ee200550111e4916c0800200c9a66"),
        (gatt::KEYTURNER_DATA, "a92ee201550111e4916c0800200c9a66"),
        (gatt::KEYTURNER_USER_DATA, "a92ee202550111e4916c0800200c9a66"),
        (gatt::OPENER_PAIRING_SERVICE, "a92ae100550111e4916c0800200c9a66"),
        (gatt::OPENER_PAIRING_DATA, "a92ae101550111e4916c0800200c9a66"),
        (gatt::OPENER_SERVICE, "a92ae200550111e4916c0800200c9a66"),
        (gatt::OPENER_DATA, "a92ae201550111e4916c0800200c9a66"),
        (gatt::OPENER_USER_DATA, "a92ae202550111e4916c0800200c9a66"),
    ];
    for (uuid, published) in uuids {
        assert_eq!(format!("{uuid:032x}"), published);
    }
}

#[test]
fn newer_locks_beacon_with_another_power() {
    let mut data = Advertisement::DoorMode {
        id: ID,
        state_changed: false,
    }
    .data()
    .as_bytes()
    .to_vec();
    for (power, state_changed) in [(0xC8, false), (0xC9, true)] {
        *data.last_mut().unwrap() = power;
        assert_eq!(
            Advertisement::read(&data),
            Ok(Advertisement::DoorMode {
                id: ID,
                state_changed
            })
        );
    }
}

#[test]
fn what_others_advertise_is_no_lock() {
    let others: [&[u8]; 8] = [
        &[],
        &[0],
        &[2, 1, 6],
        // HomeKit, from the same company number.
        &[2, 1, 6, 7, 0xFF, 0x4C, 0x00, 0x06, 0x31, 0x00, 0x42],
        // A beacon of somebody else.
        &[
            0x1A, 0xFF, 0x4C, 0x00, 0x02, 0x15, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, 1,
            0, 2, 0xC4,
        ],
        // An Opener that pairs.
        &[
            0x15, 0x21, 0x66, 0x9A, 0x0C, 0x20, 0x00, 0x08, 0x6C, 0x91, 0xE4, 0x11, 0x01, 0x55, 0x00, 0xE1,
            0x2A, 0xA9, 0x1A, 0x2B, 0x3C, 0x4D,
        ],
        // Service data without an id.
        &[
            0x11, 0x21, 0x66, 0x9A, 0x0C, 0x20, 0x00, 0x08, 0x6C, 0x91, 0xE4, 0x11, 0x01, 0x55, 0x00, 0xE1,
            0x2E, 0xA9,
        ],
        &[5, 9, b'N', b'u', b'k', b'i'],
    ];
    for other in others {
        assert_eq!(
            Advertisement::read(other),
            Err(NotALock::SomethingElse),
            "{other:x?}"
        );
    }
    assert_eq!(Advertisement::read(&[3, 1, 6]), Err(NotALock::Truncated));
    assert_eq!(Advertisement::read(&[0xFF]), Err(NotALock::Truncated));
    for name in [
        &b"\x0e\x09Nuki_1A2B3C4"[..],
        b"\x0e\x09Nuki_1A2B3C4G",
        b"\x0e\x09Nuki_FFFFFFFF",
        b"\x0e\x08Nuki_1A2B3C4D",
    ] {
        assert!(read_scan_response(name).is_err());
    }
}

proptest! {
    #[test]
    fn every_lock_is_recognised(id in 1_u32..=0x7FFF_FFFF, state_changed: bool, form in 0..4) {
        let id = NukiId::new(id).unwrap();
        let advertisement = match form {
            0 => Advertisement::Uninitialized(id),
            1 => Advertisement::Pairing(Family::ToFourth, id),
            2 => Advertisement::Pairing(Family::Fifth, id),
            _ => Advertisement::DoorMode { id, state_changed },
        };
        let data = advertisement.data();
        prop_assert!(!data.as_bytes().is_empty() && data.as_bytes().len() <= PAYLOAD_MAX);
        prop_assert_eq!(Advertisement::read(data.as_bytes()), Ok(advertisement));
        prop_assert_eq!(read_scan_response(scan_response(id).as_bytes()), Ok(id));
    }
}
