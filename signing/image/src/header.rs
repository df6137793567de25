//! The header: MCUboot's 32 bytes, and what of their freedom is left here.
//!
//! ```text
//! 0   u32 magic 0x96f3b83d      16  u32 flags, 0
//! 4   u32 load address, 0       20  version: u8, u8, u16, u32
//! 8   u16 header size           28  u32 reserved, 0
//! 10  u16 protected area size
//! 12  u32 payload size
//! ```
//!
//! Knows nothing of what follows the header, but vouches that the sums of its lengths do not overflow.

use crate::{Refusal, Version};

/// Header sizes are multiples of this, so that the vector table behind the header is aligned as the
/// processor demands (up to 112 interrupts).
pub const HEADER_SIZE_STEP: u16 = 0x200;
/// The largest header size.
pub const MAX_HEADER_SIZE: u16 = 0x1000;
/// Length of the part with a meaning; the rest is padding, hashed like everything.
pub const LENGTH: usize = 32;
/// A payload holds at least the stack pointer and the reset handler.
pub(crate) const MIN_PAYLOAD: u32 = 8;

pub(crate) const MAGIC: u32 = 0x96f3_b83d;
const ENCRYPTED: u32 = 0x04 | 0x08;
const COMPRESSED: u32 = 0x200 | 0x400 | 0x800;

/// An image's header, of allowed form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes before the payload.
    pub header_size: u16,
    /// Length of the protected area with its info word; 0 when there is none.
    pub protected_size: u16,
    /// Length of the payload in bytes.
    pub payload_size: u32,
    /// The image's version.
    pub version: Version,
}

impl Header {
    /// Reads a header alone: enough to refuse what is no image before its first byte is written anywhere.
    ///
    /// # Errors
    /// [`Refusal`] when it is not of the allowed form.
    pub fn parse(raw: &[u8; LENGTH]) -> Result<Self, Refusal> {
        let mut fields = Fields(raw);
        match fields.u32() {
            MAGIC => {}
            u32::MAX => return Err(Refusal::Empty),
            _ => return Err(Refusal::NotAnImage),
        }
        let load_address = fields.u32();
        let header_size = fields.u16();
        let protected_size = fields.u16();
        let payload_size = fields.u32();
        let flags = fields.u32();
        let version = fields.version();
        let reserved = fields.u32();

        check_flags(flags)?;
        if load_address != 0 {
            return Err(Refusal::LoadAddress);
        }
        if header_size == 0 || header_size > MAX_HEADER_SIZE || !header_size.is_multiple_of(HEADER_SIZE_STEP)
        {
            return Err(Refusal::HeaderSize { size: header_size });
        }
        if reserved != 0 {
            return Err(Refusal::ReservedField);
        }
        if payload_size < MIN_PAYLOAD {
            return Err(Refusal::NoPayload);
        }
        Ok(Self {
            header_size,
            protected_size,
            payload_size,
            version,
        })
    }

    /// Where the payload ends and the first area begins; `None` when no 32-bit offset reaches it.
    pub(crate) fn payload_end(&self) -> Option<u32> {
        u32::from(self.header_size).checked_add(self.payload_size)
    }
}

fn check_flags(flags: u32) -> Result<(), Refusal> {
    if flags & ENCRYPTED != 0 {
        Err(Refusal::Encrypted)
    } else if flags & COMPRESSED != 0 {
        Err(Refusal::Compressed)
    } else if flags != 0 {
        Err(Refusal::UnknownFlags { flags })
    } else {
        Ok(())
    }
}

/// The fields of a fixed-length record, taken one after the other. Past the end they read as zero, which
/// cannot happen: each record's length is its type.
pub(crate) struct Fields<'b>(pub(crate) &'b [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_first_chunk().unwrap_or((&[0; N], &[]));
        self.0 = rest;
        *taken
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    /// Eight bytes, as the header and [`MIN_VERSION`](crate::tlv::MIN_VERSION) hold a version.
    pub(crate) fn version(&mut self) -> Version {
        let [major, minor] = self.take();
        Version {
            major,
            minor,
            revision: self.u16(),
            build: self.u32(),
        }
    }
}

/// A version as eight bytes.
#[cfg(feature = "build")]
pub(crate) fn version_bytes(version: Version) -> [u8; 8] {
    let [r0, r1] = version.revision.to_le_bytes();
    let [b0, b1, b2, b3] = version.build.to_le_bytes();
    [version.major, version.minor, r0, r1, b0, b1, b2, b3]
}
