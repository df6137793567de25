//! What is signed as it should be is accepted, and tells what it was given.
#![allow(clippy::arithmetic_side_effects, reason = "test data")]

mod common;

use common::{authority, check, check_by, description, image, keys, payload};
use latchkey_image::build::ImageFile;
use latchkey_image::{Bytes, Image, SecurityCounter, Version};

#[test]
fn two_of_three_in_any_choice_and_order() {
    for signers in [[1, 2], [2, 1], [1, 3], [3, 2]] {
        let file = image(1000, &signers);
        assert_eq!(check(file.as_bytes()), Ok(file.digest()), "{signers:?}");
    }
}

#[test]
fn strangers_signatures_beside_enough_known_ones() {
    let file = image(1000, &[9, 1, 8, 3]);
    assert_eq!(check(file.as_bytes()), Ok(file.digest()));
}

#[test]
fn a_verified_image_tells_what_it_was_given() {
    let mut given = description();
    given.min_version = Some(Version {
        major: 0,
        minor: 9,
        revision: 500,
        build: 70_000,
    });
    given.header_size = 0x400;
    let mut program = payload(2001);
    program[4..8].copy_from_slice(&(0x2101_8000_u32 + 0x400 + 9).to_le_bytes());
    let file = given.build(&program).unwrap().signed(&common::key(1)).unwrap();

    let keys = keys();
    let mut flash = Bytes::new(file.as_bytes());
    let parsed = Image::parse(&mut flash).unwrap();
    let image = authority(1, &keys).verify(parsed, given.counter).ok().unwrap();
    assert_eq!(image.version(), given.version);
    assert_eq!(image.security_counter(), given.counter);
    assert_eq!((image.vendor(), image.class()), (given.vendor, given.class));
    assert_eq!(image.min_version(), given.min_version);
    assert_eq!(image.payload_offset(), 0x400);
    assert_eq!(image.header().payload_size, 2001);
    assert_eq!(image.digest(), file.digest());
    assert_eq!(
        usize::try_from(image.total_size()).unwrap(),
        file.as_bytes().len()
    );
}

#[test]
fn every_length_around_the_hashing_block() {
    let keys = keys();
    for length in (12..20).chain(505..520).chain(1017..1030) {
        let file = image(length, &[1]);
        assert_eq!(
            check_by(&authority(1, &keys), SecurityCounter(0), file.as_bytes()),
            Ok(file.digest())
        );
    }
}

#[test]
fn an_image_in_a_larger_slot_is_the_same_image() {
    let file = image(1000, &[1, 2]);
    let mut slot = file.as_bytes().to_vec();
    slot.resize(4096, 0xff);
    assert_eq!(check(&slot), Ok(file.digest()));
    assert_eq!(ImageFile::open(slot).unwrap(), file);
}

#[test]
fn a_second_signer_does_not_change_the_digest() {
    let once = image(1000, &[1]);
    let twice = ImageFile::open(once.as_bytes().to_vec())
        .unwrap()
        .signed(&common::key(2))
        .unwrap();
    assert_eq!(once.digest(), twice.digest());
    assert_eq!(twice, image(1000, &[1, 2]));
}
