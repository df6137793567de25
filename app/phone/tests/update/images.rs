//! Images, as release engineers sign them and as they do not.

use std::sync::LazyLock;

use ed25519_dalek::SigningKey;
use latchkey_image::build::{Description, ImageFile};
use latchkey_image::{Hardware, PublicKey, SecurityCounter, TrustPolicy};
use latchkey_phone::release::Signed;

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

static KEYS: LazyLock<[PublicKey; 3]> =
    LazyLock::new(|| [1, 2, 3].map(|seed| PublicKey::new(*key(seed).verifying_key().as_bytes())));

/// Two of three.
pub(crate) fn policy() -> TrustPolicy<'static> {
    TrustPolicy::new(2, &*KEYS).unwrap()
}

pub(crate) fn description() -> Description {
    let Hardware { vendor, class, .. } = Hardware::EMULATOR;
    Description {
        version: "2.0.1+7".parse().unwrap(),
        counter: SecurityCounter(5),
        vendor,
        class,
        min_version: None,
        header_size: 0x200,
    }
}

pub(crate) fn unsigned(description: &Description, length: usize) -> ImageFile {
    let slot = Hardware::find(description.vendor, description.class)
        .unwrap_or(Hardware::EMULATOR)
        .slot;
    let mut payload: Vec<u8> = (0..length).map(|n| (n % 241) as u8).collect();
    payload[..4].copy_from_slice(&slot.ram.end.to_le_bytes());
    payload[4..8].copy_from_slice(&(slot.address + 0x200 + 0x21).to_le_bytes());
    description.build(&payload).unwrap()
}

pub(crate) fn signed_by(description: &Description, length: usize, seeds: &[u8]) -> Vec<u8> {
    let mut file = unsigned(description, length);
    for seed in seeds {
        file.sign(&key(*seed)).unwrap();
    }
    file.into_bytes()
}

pub(crate) fn file(description: &Description, length: usize) -> Vec<u8> {
    signed_by(description, length, &[1, 2])
}

pub(crate) fn release(length: usize) -> Signed<Vec<u8>> {
    Signed::check(file(&description(), length), policy()).unwrap()
}
