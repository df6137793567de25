//! Refusals by name, of images of the right form: signers and signatures, hardware, rollback, slot. Each image breaks
//! one rule and keeps all others.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test data"
)]

mod common;

use common::forge::Forge;
use common::{authority, check, check_by, description, image, key, keys, payload, public};
use ed25519_dalek::Signer;
use latchkey_image::build::ImageFile;
use latchkey_image::{Hardware, Refusal, SecurityCounter, Slot, Uuid, tlv};

#[track_caller]
fn refused(forge: &Forge, refusal: Refusal) {
    assert_eq!(check(&forge.forge()), Err(refusal));
}

#[test]
fn signers() {
    refused(&Forge::right().signed_by(&[]), Refusal::Unsigned);
    refused(&Forge::right().signed_by(&[9]), Refusal::UnknownSigner);
    refused(&Forge::right().signed_by(&[9, 8, 7]), Refusal::UnknownSigner);
    refused(
        &Forge::right().signed_by(&[1]),
        Refusal::TooFewSigners { have: 1, need: 2 },
    );
    refused(
        &Forge::right().signed_by(&[9, 3, 8]),
        Refusal::TooFewSigners { have: 1, need: 2 },
    );
    refused(
        &Forge::right().signed_by(&[1, 1]),
        Refusal::RepeatedSigner { key: 0 },
    );
    refused(
        &Forge::right().signed_by(&[1, 3, 3]),
        Refusal::RepeatedSigner { key: 2 },
    );
    refused(
        &Forge::right().signed_by(&[1, 2, 4, 5, 6, 7, 8, 9, 10]),
        Refusal::TooManySigners,
    );
    assert!(check(&Forge::right().signed_by(&[1, 2, 4, 5, 6, 7, 8, 9]).forge()).is_ok());
}

#[test]
fn signatures_that_are_another_keys_or_over_something_else() {
    let right = image(600, &[1]);
    let other = image(601, &[2]);
    let foreign_image = other.as_bytes()[other.as_bytes().len() - 64..].to_vec();
    let foreign_key = key(9).sign(&right.digest().0).to_bytes().to_vec();
    let over_hex = key(2)
        .sign(right.digest().to_string().as_bytes())
        .to_bytes()
        .to_vec();
    for signature in [foreign_image, foreign_key, over_hex, vec![0; 64], vec![0xff; 64]] {
        let last = vec![
            (tlv::KEYHASH, public(2).hash().to_vec()),
            (tlv::ED25519, signature),
        ];
        let forge = Forge {
            last,
            ..Forge::right().signed_by(&[1])
        };
        refused(&forge, Refusal::BadSignature { key: 1 });
    }
}

#[test]
fn a_malleable_signature() {
    // S plus the group order: what RFC 8032 forbids and a lax verifier takes for the same signature.
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let mut bytes = image(600, &[1, 2]).into_bytes();
    let at = bytes.len() - 32;
    let mut carry = 0_u16;
    for (byte, add) in bytes[at..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = ((sum & 0xff) as u8, sum >> 8);
    }
    assert_eq!(check(&bytes), Err(Refusal::BadSignature { key: 1 }));
}

#[test]
fn a_weak_key_in_the_policy_verifies_nothing() {
    // The neutral element as key and R, with S = 0: valid over every message for a lax verifier.
    let mut weak = [0; 32];
    weak[0] = 1;
    let weak = latchkey_image::PublicKey::new(weak);
    assert!(!weak.is_usable());
    let mut signature = vec![0; 64];
    signature[0] = 1;
    let last = vec![(tlv::KEYHASH, weak.hash().to_vec()), (tlv::ED25519, signature)];
    let forge = Forge {
        last,
        ..Forge::right().signed_by(&[])
    };
    let keys = [weak];
    let answer = check_by(&authority(1, &keys), SecurityCounter(0), &forge.forge());
    assert_eq!(answer, Err(Refusal::BadSignature { key: 0 }));
}

#[test]
fn changed_after_signing() {
    let mut bytes = image(600, &[1, 2]).into_bytes();
    bytes[0x200 + 300] ^= 1;
    assert_eq!(check(&bytes), Err(Refusal::DigestMismatch));
    let mut rehashed = Forge::right();
    rehashed.payload[300] ^= 1;
    rehashed.signers = vec![];
    let signed = Forge::right().forge();
    let mut bytes = rehashed.forge();
    bytes.extend(&signed[signed.len() - 2 * 104..]);
    let info = bytes.len() - 2 * 104 - 36 - 4;
    bytes[info + 2..info + 4].copy_from_slice(&(4_u16 + 36 + 2 * 104).to_le_bytes());
    assert_eq!(
        check(&bytes),
        Err(Refusal::BadSignature { key: 0 }),
        "with the digest made to fit"
    );
}

#[test]
fn for_other_hardware_or_too_old() {
    let foreign = Uuid([9; 16]);
    let signed = |description: latchkey_image::build::Description| {
        let file = description.build(&payload(600)).unwrap();
        file.signed(&key(1))
            .unwrap()
            .signed(&key(2))
            .unwrap()
            .into_bytes()
    };
    let mut vendor = description();
    vendor.vendor = foreign;
    assert_eq!(
        check(&signed(vendor)),
        Err(Refusal::OtherVendor { vendor: foreign })
    );
    let mut class = description();
    class.class = Hardware::NRF52840.class;
    assert_eq!(
        check(&signed(class)),
        Err(Refusal::OtherClass {
            class: Hardware::NRF52840.class
        })
    );
    let mut old = description();
    old.counter = SecurityCounter(6);
    let (offered, floor) = (SecurityCounter(6), SecurityCounter(7));
    assert_eq!(check(&signed(old)), Err(Refusal::BelowFloor { offered, floor }));
}

#[test]
fn vector_tables_for_another_place() {
    let slot = Hardware::EMULATOR.slot;
    let base = slot.address + 0x200;
    let with = |stack: u32, reset: u32| {
        let mut forge = Forge::right();
        forge.payload[..4].copy_from_slice(&stack.to_le_bytes());
        forge.payload[4..8].copy_from_slice(&reset.to_le_bytes());
        forge
    };
    for value in [
        0,
        0x1000_0000,
        slot.ram.start,
        slot.ram.end + 8,
        slot.ram.end - 4,
        slot.ram.end - 1,
        u32::MAX,
    ] {
        refused(&with(value, base + 9), Refusal::StackPointer { value });
    }
    for value in [slot.ram.start + 8, slot.ram.end] {
        assert!(check(&with(value, base + 9).forge()).is_ok(), "{value:#x}");
    }
    let end = base + 600;
    for value in [
        0,
        1,
        base + 8,
        base + 10,
        base + 1,
        base + 7,
        base - 0x200 + 1,
        end + 1,
        end - 1 + 2,
        u32::MAX,
    ] {
        refused(&with(slot.ram.end, value), Refusal::ResetHandler { value });
    }
    for value in [base + 9, end - 1] {
        assert!(check(&with(slot.ram.end, value).forge()).is_ok(), "{value:#x}");
    }
}

#[test]
fn larger_than_the_slot_it_runs_from() {
    let file = image(600, &[1, 2]);
    let size = u32::try_from(file.as_bytes().len()).unwrap();
    let keys = keys();
    let mut authority = authority(2, &keys);
    authority.slot = Slot {
        size,
        ..authority.slot
    };
    assert!(check_by(&authority, SecurityCounter(0), file.as_bytes()).is_ok());
    authority.slot.size = size - 1;
    let answer = check_by(&authority, SecurityCounter(0), file.as_bytes());
    assert_eq!(answer, Err(Refusal::TooLarge { room: size - 1 }));
}

#[test]
fn signatures_that_were_not_made_for_this_image_are_not_attached() {
    use latchkey_image::build::AttachError::{AlreadySigned, Length, NotValid, TooMany};
    let mut file = image(600, &[1]);
    let before = file.clone();
    assert_eq!(file.attach(&public(2), &[]), Err(Length(0)));
    assert_eq!(file.attach(&public(2), &[0; 65]), Err(Length(65)));
    assert_eq!(file.attach(&public(2), &[0; 64]), Err(NotValid));
    assert_eq!(file.sign(&key(1)), Err(AlreadySigned));
    assert_eq!(file, before);
    for number in 2..9 {
        file.sign(&key(number)).unwrap();
    }
    assert_eq!(file.sign(&key(9)), Err(TooMany));
    assert_eq!(ImageFile::open(file.as_bytes().to_vec()).unwrap(), file);
}
