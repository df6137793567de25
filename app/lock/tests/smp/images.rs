//! Images, as release engineers sign them and as they do not.

use latchkey_image::build::{Description, ImageFile};
use latchkey_image::{ImageDigest, SecurityCounter, Version};
use sha2::{Digest, Sha256};

use crate::bench::{CLASS, VENDOR, key};

pub(crate) fn description() -> Description {
    Description {
        version: Version {
            major: 2,
            minor: 3,
            revision: 4,
            build: 5,
        },
        counter: SecurityCounter(5),
        vendor: VENDOR,
        class: CLASS,
        min_version: None,
        header_size: 0x200,
    }
}

fn unsigned(description: &Description, length: usize) -> ImageFile {
    let mut payload: Vec<u8> = (0..length).map(|n| (n % 241) as u8).collect();
    payload[..4].copy_from_slice(&0x2000_1000_u32.to_le_bytes());
    payload[4..8].copy_from_slice(&0x1_0221_u32.to_le_bytes());
    description.build(&payload).unwrap()
}

/// Signed by two of three.
pub(crate) fn signed(description: &Description, length: usize) -> Vec<u8> {
    let image = unsigned(description, length).signed(&key(1)).unwrap();
    image.signed(&key(2)).unwrap().into_bytes()
}

/// Signed by one of the two that it takes.
pub(crate) fn signed_once(length: usize) -> Vec<u8> {
    let image = unsigned(&description(), length);
    image.signed(&key(1)).unwrap().into_bytes()
}

pub(crate) fn nobody_signed(length: usize) -> Vec<u8> {
    unsigned(&description(), length).into_bytes()
}

pub(crate) fn release(length: usize) -> Vec<u8> {
    signed(&description(), length)
}

pub(crate) fn digest_of(image: &[u8]) -> ImageDigest {
    ImageFile::open(image.to_vec()).unwrap().digest()
}

pub(crate) fn sha(file: &[u8]) -> [u8; 32] {
    Sha256::digest(file).into()
}
