//! The protected area: the fields that say what an image is for. Hashed, so as true as the signature.
//!
//! The security counter and the two UUIDs must be there, each once. A boot record and vendors' fields may be
//! there and are not looked at, but for our own [`tlv::MIN_VERSION`]. Everything else is refused: a demand that
//! a signer made and nobody here honours must not pass in silence.

use crate::header::Fields;
use crate::{Refusal, SecurityCounter, Uuid, Version, tlv};

/// The longest protected area, in bytes with its info word.
pub const MAX_PROTECTED: usize = 256;

/// What the protected area says.
#[derive(Clone, Copy)]
pub(crate) struct Protected {
    pub(crate) counter: SecurityCounter,
    pub(crate) vendor: Uuid,
    pub(crate) class: Uuid,
    pub(crate) min_version: Option<Version>,
}

impl Protected {
    /// Reads the area's entries; the info word is already off.
    pub(crate) fn parse(entries: &[u8]) -> Result<Self, Refusal> {
        let mut counter = None;
        let mut vendor = None;
        let mut class = None;
        let mut min_version = None;
        let mut rest = entries;
        while !rest.is_empty() {
            let before = entries
                .get(..entries.len().saturating_sub(rest.len()))
                .unwrap_or_default();
            let (kind, value, after) = entry(rest)?;
            if contains(before, kind)? {
                return Err(Refusal::DuplicateField { kind });
            }
            match kind {
                tlv::SEC_CNT => counter = Some(SecurityCounter(u32::from_le_bytes(exactly(kind, value)?))),
                tlv::UUID_VID => vendor = Some(Uuid(exactly(kind, value)?)),
                tlv::UUID_CID => class = Some(Uuid(exactly(kind, value)?)),
                tlv::MIN_VERSION => min_version = Some(Fields(&exactly::<8>(kind, value)?).version()),
                tlv::BOOT_RECORD | tlv::VENDOR_FIRST..=tlv::VENDOR_LAST => {}
                tlv::DEPENDENCY => return Err(Refusal::Dependency),
                tlv::COMPRESSION_FIRST..=tlv::COMPRESSION_LAST => return Err(Refusal::Compressed),
                tlv::ENCRYPTION_FIRST..=tlv::ENCRYPTION_LAST => return Err(Refusal::Encrypted),
                _ => return Err(Refusal::UnknownField { kind }),
            }
            rest = after;
        }
        Ok(Self {
            counter: counter.ok_or(Refusal::NoCounter)?,
            vendor: vendor.ok_or(Refusal::NoVendor)?,
            class: class.ok_or(Refusal::NoClass)?,
            min_version,
        })
    }
}

/// Takes the first entry apart: kind, value, what follows.
fn entry(area: &[u8]) -> Result<(u16, &[u8], &[u8]), Refusal> {
    let (head, rest) = area.split_first_chunk().ok_or(Refusal::FieldOverrun)?;
    let (kind, length) = tlv::head(*head);
    let (value, rest) = rest
        .split_at_checked(usize::from(length))
        .ok_or(Refusal::FieldOverrun)?;
    Ok((kind, value, rest))
}

fn contains(mut area: &[u8], kind: u16) -> Result<bool, Refusal> {
    while !area.is_empty() {
        let (found, _, rest) = entry(area)?;
        if found == kind {
            return Ok(true);
        }
        area = rest;
    }
    Ok(false)
}

fn exactly<const N: usize>(kind: u16, value: &[u8]) -> Result<[u8; N], Refusal> {
    value.try_into().map_err(|_| Refusal::FieldLength { kind })
}
