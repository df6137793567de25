//! What the tests here share: three keys, a policy of two of them, and a small image for the emulated board.
#![allow(dead_code, reason = "each test program uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test data"
)]

pub(crate) mod forge;

use latchkey_image::build::{Description, ImageFile, SigningKey};
use latchkey_image::{
    Authority, Bytes, Hardware, Image, ImageDigest, PublicKey, Refusal, SecurityCounter, TrustPolicy, Version,
};

/// The key of this number; not the examples, so that nothing here depends on them.
pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

pub(crate) fn public(number: u8) -> PublicKey {
    PublicKey::new(key(number).verifying_key().to_bytes())
}

/// Keys 1, 2 and 3.
pub(crate) fn keys() -> [PublicKey; 3] {
    [1, 2, 3].map(public)
}

pub(crate) fn authority(threshold: u8, keys: &[PublicKey]) -> Authority<'_> {
    let Hardware {
        vendor, class, slot, ..
    } = Hardware::EMULATOR;
    Authority {
        policy: TrustPolicy::new(threshold, keys).unwrap(),
        vendor,
        class,
        slot,
    }
}

pub(crate) fn description() -> Description {
    Description {
        version: Version {
            major: 1,
            minor: 2,
            revision: 3,
            build: 4,
        },
        counter: SecurityCounter(7),
        vendor: Hardware::EMULATOR.vendor,
        class: Hardware::EMULATOR.class,
        min_version: None,
        header_size: 0x200,
    }
}

/// A payload of `length` bytes that starts with a vector table for the emulated board.
pub(crate) fn payload(length: usize) -> Vec<u8> {
    let mut payload: Vec<u8> = (0..length)
        .map(|i| (i.wrapping_mul(7).wrapping_add(3) & 0xff) as u8)
        .collect();
    let entry = Hardware::EMULATOR.slot.address + 0x200 + 8 + 1;
    payload[..4].copy_from_slice(&0x2004_0000_u32.to_le_bytes());
    payload[4..8].copy_from_slice(&entry.to_le_bytes());
    payload
}

/// An image with a payload of `length` bytes, signed by the keys of these numbers.
pub(crate) fn image(length: usize, signers: &[u8]) -> ImageFile {
    let mut file = description().build(&payload(length)).unwrap();
    signers
        .iter()
        .for_each(|number| file.sign(&key(*number)).unwrap());
    file
}

/// The whole check over a file, under two of three and floor 7.
pub(crate) fn check(bytes: &[u8]) -> Result<ImageDigest, Refusal> {
    let keys = keys();
    check_by(&authority(2, &keys), SecurityCounter(7), bytes)
}

pub(crate) fn check_by(
    authority: &Authority<'_>,
    floor: SecurityCounter,
    bytes: &[u8],
) -> Result<ImageDigest, Refusal> {
    let mut flash = Bytes::new(bytes);
    let image = Image::parse(&mut flash)?;
    authority.verify(image, floor).map(|verified| verified.digest())
}
