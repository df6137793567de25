//! Images to boot and images that must not: flash as an attacker would shape it.

use anyhow::{Context, Result, anyhow};
use ed25519_dalek::pkcs8::DecodePrivateKey;
use latchkey_handoff::layout::ACTIVE;
use latchkey_image::build::{Description, ImageFile, SigningKey};
use latchkey_image::{Hardware, SecurityCounter, Version};

use crate::machine::{FLASH, FLASH_SIZE};

const HEADER: u16 = 0x200;
/// Where in the payload its code begins: far behind its vector table.
const ENTRY: usize = 0x100;

/// The example release keys, by the letter in their name.
///
/// # Errors
/// When there is no such key.
pub fn example_key(letter: char) -> Result<SigningKey> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../keys-example/release-");
    let pem = std::fs::read_to_string(format!("{path}{letter}.pem")).context("no such example key")?;
    SigningKey::from_pkcs8_pem(&pem).map_err(|error| anyhow!("release-{letter}: {error}"))
}

/// An image's payload that shows when it runs, shaped to be run by accident.
///
/// Its free words hold its own entry address, every second one byte-swapped: a stray return, in either byte
/// order, finds it.
#[must_use]
pub fn payload(size: usize) -> Vec<u8> {
    let entry = entry() | 1;
    let mut bytes = Vec::with_capacity(size);
    bytes.extend(0x2004_0000_u32.to_le_bytes());
    while bytes.len() < size {
        let swapped = bytes.len() % 8 == 0;
        bytes.extend(if swapped {
            entry.to_be_bytes()
        } else {
            entry.to_le_bytes()
        });
    }
    bytes.truncate(size);
    // nop; b . : the entry, where the attack waits.
    bytes[ENTRY..ENTRY + 4].copy_from_slice(&[0x00, 0xbf, 0xfe, 0xe7]);
    bytes
}

/// Address of the payload's first instruction.
#[must_use]
pub fn entry() -> u32 {
    FLASH + ACTIVE.offset + u32::from(HEADER) + ENTRY as u32
}

/// What a good image says of itself.
#[must_use]
pub fn description() -> Description {
    Description {
        version: Version {
            major: 1,
            minor: 0,
            revision: 0,
            build: 0,
        },
        counter: SecurityCounter(5),
        vendor: Hardware::EMULATOR.vendor,
        class: Hardware::EMULATOR.class,
        min_version: None,
        header_size: HEADER,
    }
}

/// An image by these signers.
pub fn signed(description: &Description, payload: &[u8], signers: &str) -> Result<ImageFile> {
    let mut file = description.build(payload).map_err(|error| anyhow!("{error}"))?;
    for letter in signers.chars() {
        file.sign(&example_key(letter)?)
            .map_err(|error| anyhow!("{error}"))?;
    }
    Ok(file)
}

/// A chip as it leaves the factory, with these bytes in ACTIVE.
#[must_use]
pub fn factory(active: &[u8]) -> Vec<u8> {
    let mut flash = vec![0xff; FLASH_SIZE];
    let start = ACTIVE.offset as usize;
    flash[start..start + active.len()].copy_from_slice(active);
    flash
}
