//! Making and signing images: for engineers' tools, servers and tests. Needs a heap; no bootloader has this.
//!
//! Writes the container byte for byte as imgtool 2.5.0 does for the same fields, so that either tool continues
//! the other's work. Knows no files and no key storage.

mod file;

use alloc::vec::Vec;
use core::fmt;

pub use ed25519_dalek::SigningKey;
pub use file::{AttachError, ImageFile};

use crate::header::{MAGIC, MIN_PAYLOAD, version_bytes};
use crate::{HEADER_SIZE_STEP, MAX_HEADER_SIZE, MAX_PROTECTED, Refusal, SecurityCounter, Uuid, Version, tlv};

/// What an image says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// For people.
    pub version: Version,
    /// Decides rollback.
    pub counter: SecurityCounter,
    /// Whose locks it is for.
    pub vendor: Uuid,
    /// Which hardware it is for.
    pub class: Uuid,
    /// The lowest version that may upgrade to this one.
    pub min_version: Option<Version>,
    /// Bytes before the payload: a multiple of 0x200, at most 0x1000.
    pub header_size: u16,
}

/// Why no image could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// The image would be refused: by this name.
    Refused(Refusal),
    /// More than 4 GiB of payload.
    PayloadTooLarge,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::PayloadTooLarge => f.write_str("the payload exceeds 4 GiB; it is no lock firmware"),
        }
    }
}

impl core::error::Error for BuildError {}

impl Description {
    /// Puts header, payload, protected area and digest together, unsigned.
    ///
    /// # Errors
    /// [`BuildError`] when the result would be refused for its form.
    pub fn build(&self, payload: &[u8]) -> Result<ImageFile, BuildError> {
        if self.header_size == 0
            || self.header_size > MAX_HEADER_SIZE
            || !self.header_size.is_multiple_of(HEADER_SIZE_STEP)
        {
            return Err(BuildError::Refused(Refusal::HeaderSize {
                size: self.header_size,
            }));
        }
        let payload_size = u32::try_from(payload.len()).map_err(|_| BuildError::PayloadTooLarge)?;
        if payload_size < MIN_PAYLOAD {
            return Err(BuildError::Refused(Refusal::NoPayload));
        }
        let protected = area(tlv::PROTECTED_MAGIC, &self.protected_entries());
        let protected_size = u16::try_from(protected.len()).unwrap_or(u16::MAX);

        let mut bytes = Vec::new();
        bytes.extend(MAGIC.to_le_bytes());
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend(self.header_size.to_le_bytes());
        bytes.extend(protected_size.to_le_bytes());
        bytes.extend(payload_size.to_le_bytes());
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend(version_bytes(self.version));
        bytes.extend(0_u32.to_le_bytes());
        bytes.resize(self.header_size.into(), 0xff);
        bytes.extend(payload);
        bytes.extend(protected);
        ImageFile::finish(bytes).map_err(BuildError::Refused)
    }

    /// In imgtool's order.
    fn protected_entries(&self) -> Vec<u8> {
        let mut entries = entry(tlv::SEC_CNT, &self.counter.0.to_le_bytes());
        entries.extend(entry(tlv::UUID_VID, &self.vendor.0));
        entries.extend(entry(tlv::UUID_CID, &self.class.0));
        if let Some(version) = self.min_version {
            entries.extend(entry(tlv::MIN_VERSION, &version_bytes(version)));
        }
        entries
    }
}

/// One entry with its head. Values are ours and short, so that no length exceeds its field.
fn entry(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    [&kind.to_le_bytes(), &length.to_le_bytes(), value].concat()
}

/// Entries behind their info word. At most eight pairs and a digest, so that the length does not exceed its field.
fn area(magic: u16, entries: &[u8]) -> Vec<u8> {
    let total = u16::try_from(entries.len()).unwrap_or(u16::MAX).saturating_add(4);
    [&magic.to_le_bytes(), &total.to_le_bytes(), entries].concat()
}

const _: () = assert!(MAX_PROTECTED >= 4 + 8 + 20 + 20 + 12, "all our own fields fit");
