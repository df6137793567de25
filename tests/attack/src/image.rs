//! Images as an attacker would shape them: small, and made to be run by accident.

use anyhow::{Context, Result, anyhow};
use ed25519_dalek::pkcs8::DecodePrivateKey;
use latchkey_handoff::layout::ACTIVE;
use latchkey_image::build::{Description, ImageFile, SigningKey};
use latchkey_image::{Hardware, SecurityCounter, Version};

use crate::machine::FLASH;

/// Length of an image's header, in bytes.
pub(crate) const HEADER: u16 = 0x200;
/// Where in the payload the code of a bad image begins: far behind its vector table.
const BAD_ENTRY: usize = 0x100;
/// Where that of a good one begins: elsewhere, so that it shows which one runs.
const GOOD_ENTRY: usize = 0x180;
/// The stack that images ask for: all of RAM.
const STACK: u32 = 0x2004_0000;
/// `nop; b .`: where the attack waits.
const CODE: [u8; 4] = [0x00, 0xbf, 0xfe, 0xe7];

/// The example release keys, by the letter in their name.
///
/// # Errors
/// When there is no such key.
pub fn example_key(letter: char) -> Result<SigningKey> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../keys-example/release-");
    let pem = std::fs::read_to_string(format!("{path}{letter}.pem")).context("no such example key")?;
    SigningKey::from_pkcs8_pem(&pem).map_err(|error| anyhow!("release-{letter}: {error}"))
}

/// The payload of an image that must not run, shaped to be run by accident.
///
/// Its free words hold its own entry address, every second one byte-swapped: a stray return, in either byte
/// order, finds it.
#[must_use]
pub fn bad_payload(size: usize) -> Vec<u8> {
    let entry = bad_entry() | 1;
    let mut bytes = Vec::with_capacity(size);
    bytes.extend(STACK.to_le_bytes());
    while bytes.len() < size {
        let swapped = bytes.len() % 8 == 0;
        bytes.extend(if swapped {
            entry.to_be_bytes()
        } else {
            entry.to_le_bytes()
        });
    }
    bytes.truncate(size);
    bytes[BAD_ENTRY..BAD_ENTRY + CODE.len()].copy_from_slice(&CODE);
    bytes
}

/// The payload of an image that may run. The attacker has no hand in it.
#[must_use]
pub fn good_payload(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    bytes[..4].copy_from_slice(&STACK.to_le_bytes());
    bytes[4..8].copy_from_slice(&(good_entry() | 1).to_le_bytes());
    bytes[GOOD_ENTRY..GOOD_ENTRY + CODE.len()].copy_from_slice(&CODE);
    bytes
}

/// Address of a bad image's first instruction.
#[must_use]
pub fn bad_entry() -> u32 {
    address(BAD_ENTRY)
}

/// Address of a good image's first instruction.
#[must_use]
pub fn good_entry() -> u32 {
    address(GOOD_ENTRY)
}

fn address(offset: usize) -> u32 {
    FLASH + ACTIVE.offset + u32::from(HEADER) + offset as u32
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
