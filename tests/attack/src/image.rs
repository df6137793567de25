//! Images to boot and images that must not: flash as an attacker would shape it.

use anyhow::{Context, Result, anyhow};
use ed25519_dalek::pkcs8::DecodePrivateKey;
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use latchkey_handoff::Floor;
use latchkey_handoff::layout::{ACTIVE, FLOOR, PAGE};
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

/// A chip with an image that must not boot.
pub struct Bad {
    /// What is wrong with it.
    pub name: &'static str,
    /// The chip.
    pub flash: Vec<u8>,
}

/// Payload of the bad images, in bytes: short, so that hashing is.
const SMALL: usize = 2048;

/// One for every reason that an attacker would want overlooked. All are shaped to be run by accident, and none
/// has another image beside it to fall back to.
///
/// # Errors
/// When they cannot be made.
pub fn bad_images() -> Result<Vec<Bad>> {
    let good = description();
    let payload = payload(SMALL);
    let mut other_class = good.clone();
    other_class.class = Hardware::NRF52840.class;
    let mut other_vendor = good.clone();
    other_vendor.vendor = other_vendor.class;

    let mut flipped = signed(&good, &payload, "ab")?.into_bytes();
    flipped[usize::from(HEADER) + SMALL - 1] ^= 1;
    let strangers = [SigningKey::from_bytes(&[7; 32]), SigningKey::from_bytes(&[8; 32])];
    let mut unknown = good.build(&payload).map_err(|error| anyhow!("{error}"))?;
    for key in &strangers {
        unknown.sign(key).map_err(|error| anyhow!("{error}"))?;
    }

    let bad = |name, active: &[u8]| Bad {
        name,
        flash: factory(active),
    };
    let mut old = bad("older than the floor", signed(&good, &payload, "ab")?.as_bytes());
    raise_floor(&mut old.flash, SecurityCounter(good.counter.0 + 1))?;
    Ok(vec![
        // First: every boot of it is attacked from its very first instruction.
        bad(
            "changed payload under old signatures",
            &resigned(&good, &payload)?,
        ),
        bad("flipped bit", &flipped),
        bad("unknown signers", unknown.as_bytes()),
        bad("one signer of two", signed(&good, &payload, "a")?.as_bytes()),
        bad(
            "other hardware class",
            signed(&other_class, &payload, "ab")?.as_bytes(),
        ),
        bad("other vendor", signed(&other_vendor, &payload, "ab")?.as_bytes()),
        old,
    ])
}

/// An image whose digest is right and whose signatures are another image's.
fn resigned(description: &Description, payload: &[u8]) -> Result<Vec<u8>> {
    /// Two key hashes and signatures with their heads.
    const SIGNATURES: usize = 2 * 104;
    let other = signed(description, &payload[..payload.len() - 8], "ab")?.into_bytes();
    let mut changed = signed(description, payload, "ab")?.into_bytes();
    let start = changed.len() - SIGNATURES;
    changed[start..].copy_from_slice(&other[other.len() - SIGNATURES..]);
    Ok(changed)
}

/// Writes the rollback floor, as the bootloader does.
fn raise_floor(flash: &mut [u8], to: SecurityCounter) -> Result<()> {
    let pages = &mut flash[FLOOR.offset as usize..FLOOR.end() as usize];
    let mut floor = Floor::open(Pages(pages)).map_err(|error| anyhow!("{error:?}"))?;
    floor.raise(to).map_err(|error| anyhow!("{error:?}"))
}

/// Flash in memory.
struct Pages<'m>(&'m mut [u8]);

impl ErrorType for Pages<'_> {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Pages<'_> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        let from = offset as usize;
        bytes.copy_from_slice(&self.0[from..from + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl NorFlash for Pages<'_> {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE as usize;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        self.0[from as usize..to as usize].fill(0xff);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        for (to, from) in self.0[offset as usize..].iter_mut().zip(bytes) {
            *to &= from;
        }
        Ok(())
    }
}
