//! Why an image is not accepted: one name, one frozen number, one sentence that says what to do.
//!
//! The numbers travel in boot reports and stand in logs, so none is ever used again for something else.
//! 1 to 99 are the image's; the bootloader and the lock app have their own ranges above.

use core::fmt;

use crate::{SecurityCounter, Uuid};

/// Why an image is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The flash reported an error, or ended before a part the image claims to have.
    FlashUnreadable,
    /// Erased flash: there is no image.
    Empty,
    /// Something else than an image: the magic number is not there.
    NotAnImage,
    /// A header size this project does not use.
    HeaderSize {
        /// As the header gives it, in bytes.
        size: u16,
    },
    /// The image wants to be copied to an address first.
    LoadAddress,
    /// Marked as encrypted, or carrying an encrypted image's key.
    Encrypted,
    /// Marked as compressed, or describing a compressed payload.
    Compressed,
    /// Header flags without a meaning here.
    UnknownFlags {
        /// All of the header's flags.
        flags: u32,
    },
    /// A header field that must be zero is not.
    ReservedField,
    /// The payload is too short to hold a vector table.
    NoPayload,
    /// Header, payload and areas do not fit.
    TooLarge {
        /// Bytes there are.
        room: u32,
    },
    /// No area of fields where the header says that the payload ends.
    NoTrailer,
    /// Header and protected area disagree about the area's length.
    ProtectedSize,
    /// The protected area is longer than anyone needs.
    ProtectedTooLong,
    /// A field's length runs beyond its area.
    FieldOverrun,
    /// A field that may be there once is there twice.
    DuplicateField {
        /// Its TLV kind.
        kind: u16,
    },
    /// A field nobody here knows.
    UnknownField {
        /// Its TLV kind.
        kind: u16,
    },
    /// A known field of another length than it must have.
    FieldLength {
        /// Its TLV kind.
        kind: u16,
    },
    /// A field that must be protected stands where anyone could change it.
    UnprotectedField {
        /// Its TLV kind.
        kind: u16,
    },
    /// No signature at all.
    Unsigned,
    /// The trailer does not begin with a SHA-256 digest.
    NoDigest,
    /// Signed in pure mode: over the image and not over its digest.
    Pure,
    /// Hashed with SHA-384 or SHA-512.
    OtherHash,
    /// Carries the public key itself and not its hash.
    FullKey,
    /// Signed with RSA or ECDSA.
    OtherSignature,
    /// Demands another image beside it.
    Dependency,
    /// No security counter in the protected area.
    NoCounter,
    /// No vendor UUID in the protected area.
    NoVendor,
    /// No class UUID in the protected area.
    NoClass,
    /// A key hash without its signature behind it, or a signature without its key hash before it.
    BrokenPair,
    /// More signatures than a lock will look at.
    TooManySigners,
    /// Signed, but by nobody the trust policy knows.
    UnknownSigner,
    /// Too few of the policy's keys signed.
    TooFewSigners {
        /// Different known keys among the signers.
        have: u8,
        /// How many the policy demands.
        need: u8,
    },
    /// The same known key signed twice.
    RepeatedSigner {
        /// The key's place in the policy, from 0.
        key: u8,
    },
    /// The image is not what its digest says: changed, damaged or half-written.
    DigestMismatch,
    /// A known key's signature is not valid.
    BadSignature {
        /// The key's place in the policy, from 0.
        key: u8,
    },
    /// Made for another vendor's locks.
    OtherVendor {
        /// Whose.
        vendor: Uuid,
    },
    /// Made for other hardware.
    OtherClass {
        /// Which.
        class: Uuid,
    },
    /// Older than what this lock may still run.
    BelowFloor {
        /// The image's counter.
        offered: SecurityCounter,
        /// The lowest counter allowed.
        floor: SecurityCounter,
    },
    /// The first word is no stack pointer into the hardware's memory.
    StackPointer {
        /// The word.
        value: u32,
    },
    /// The second word is no entry address inside the payload, with the Thumb bit set.
    ResetHandler {
        /// The word.
        value: u32,
    },
}

impl Refusal {
    /// The frozen number; never 0.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::FlashUnreadable => 1,
            Self::Empty => 2,
            Self::NotAnImage => 3,
            Self::HeaderSize { .. } => 4,
            Self::LoadAddress => 5,
            Self::Encrypted => 6,
            Self::Compressed => 7,
            Self::UnknownFlags { .. } => 8,
            Self::ReservedField => 9,
            Self::NoPayload => 10,
            Self::TooLarge { .. } => 11,
            Self::NoTrailer => 12,
            Self::ProtectedSize => 13,
            Self::ProtectedTooLong => 14,
            Self::FieldOverrun => 15,
            Self::DuplicateField { .. } => 16,
            Self::UnknownField { .. } => 17,
            Self::FieldLength { .. } => 18,
            Self::UnprotectedField { .. } => 19,
            Self::Unsigned => 20,
            Self::NoDigest => 21,
            Self::Pure => 22,
            Self::OtherHash => 23,
            Self::FullKey => 24,
            Self::OtherSignature => 25,
            Self::Dependency => 26,
            Self::NoCounter => 27,
            Self::NoVendor => 28,
            Self::NoClass => 29,
            Self::BrokenPair => 30,
            Self::TooManySigners => 31,
            Self::UnknownSigner => 32,
            Self::TooFewSigners { .. } => 33,
            Self::RepeatedSigner { .. } => 34,
            Self::DigestMismatch => 35,
            Self::BadSignature { .. } => 36,
            Self::OtherVendor { .. } => 37,
            Self::OtherClass { .. } => 38,
            Self::BelowFloor { .. } => 39,
            Self::StackPointer { .. } => 40,
            Self::ResetHandler { .. } => 41,
        }
    }

    /// What a number of the image's range means and what to do about it; `None` for numbers of other ranges.
    #[must_use]
    pub const fn describe(code: u16) -> Option<&'static str> {
        Some(match code {
            1 => "the flash could not be read where the image should be; read again, then suspect the chip",
            2 => "there is no image: the flash is erased; install one",
            3 => "this is not an image: no MCUboot header; sign it with latchkey-sign",
            4 => "the header size is not one of 0x200, 0x400 … 0x1000; sign with --header-size 0x200",
            5 => "the image wants to run from a load address; link it for its slot and sign without one",
            6 => "the image is encrypted, which locks do not take; sign it unencrypted",
            7 => "the image is compressed, which locks do not take; sign it uncompressed",
            8 => "the header has flags that locks do not know; sign without position, RAM or ROM options",
            9 => "a reserved header field is not zero; sign again with a tool that leaves it so",
            10 => "the payload is too short to be a program; build and sign again",
            11 => {
                "the image does not fit its slot, or claims more bytes than there are; make it smaller, or fetch it whole"
            }
            12 => {
                "no fields follow the payload: the image is cut short or its lengths are wrong; fetch or sign it again"
            }
            13 => "header and protected area disagree about a length; sign again",
            14 => "the protected area is longer than 256 bytes; sign with fewer custom fields",
            15 => "a field runs beyond its area; fetch or sign the image again",
            16 => "a field stands twice where it may stand once; sign again",
            17 => "the image carries a field that locks do not know; sign without it",
            18 => "a field has another length than it must; sign again",
            19 => {
                "a field that must be protected by the signature is not; sign with latchkey-sign or imgtool 2.5"
            }
            20 => "the image is not signed; sign it with latchkey-sign",
            21 => "the trailer does not begin with a SHA-256 digest; sign with --sha 256",
            22 => "the image is signed in pure mode; sign its SHA-256 digest",
            23 => "the image is hashed with SHA-384 or SHA-512; sign with --sha 256",
            24 => {
                "the image carries a public key in place of a key's hash; sign with --public-key-format hash"
            }
            25 => "the image is signed with RSA or ECDSA; sign with an Ed25519 key",
            26 => "the image depends on another image, and locks hold only one; sign without dependencies",
            27 => "the image has no security counter; sign with --security-counter",
            28 => "the image names no vendor; sign with --vid",
            29 => "the image names no hardware class; sign with --cid",
            30 => "key hashes and signatures do not come in pairs; sign again",
            31 => "the image has more than 8 signatures; sign again with fewer keys",
            32 => "none of the signers is in the trust policy; sign with its keys",
            33 => "too few of the trust policy's keys have signed; let another key holder sign as well",
            34 => "one key has signed twice, and counts once; let another key holder sign",
            35 => "the image is not what was signed: changed, damaged or half-written; fetch it again",
            36 => {
                "a signature is not valid; the image or its signature was changed: fetch it again, or sign again"
            }
            37 => {
                "the image is for another vendor's locks; choose the right one, or sign with the right --vid"
            }
            38 => "the image is for other hardware; choose the right one, or sign with the right --cid",
            39 => {
                "the image is older than this lock may run; build with a security counter not below the floor"
            }
            40 => {
                "the first word is no stack pointer for this hardware; is it a program, linked for this board?"
            }
            41 => {
                "the second word is no entry into the program; is it linked for its slot, with this header size?"
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::describe(self.code()).unwrap_or("refused"))?;
        match self {
            Self::HeaderSize { size } => write!(f, " (it is {size:#x})"),
            Self::UnknownFlags { flags } => write!(f, " (they are {flags:#x})"),
            Self::TooLarge { room } => write!(f, " (there is room for {room} bytes)"),
            Self::DuplicateField { kind }
            | Self::UnknownField { kind }
            | Self::FieldLength { kind }
            | Self::UnprotectedField { kind } => write!(f, " (kind {kind:#06x})"),
            Self::TooFewSigners { have, need } => write!(f, " ({have} of {need})"),
            Self::RepeatedSigner { key } | Self::BadSignature { key } => {
                write!(
                    f,
                    " (the policy's key number {})",
                    u16::from(*key).saturating_add(1)
                )
            }
            Self::OtherVendor { vendor: uuid } | Self::OtherClass { class: uuid } => write!(f, " ({uuid})"),
            Self::BelowFloor { offered, floor } => write!(f, " (counter {offered}, floor {floor})"),
            Self::StackPointer { value } | Self::ResetHandler { value } => {
                write!(f, " (it is {value:#010x})")
            }
            Self::FlashUnreadable
            | Self::Empty
            | Self::NotAnImage
            | Self::LoadAddress
            | Self::Encrypted
            | Self::Compressed
            | Self::ReservedField
            | Self::NoPayload
            | Self::NoTrailer
            | Self::ProtectedSize
            | Self::ProtectedTooLong
            | Self::FieldOverrun
            | Self::Unsigned
            | Self::NoDigest
            | Self::Pure
            | Self::OtherHash
            | Self::FullKey
            | Self::OtherSignature
            | Self::Dependency
            | Self::NoCounter
            | Self::NoVendor
            | Self::NoClass
            | Self::BrokenPair
            | Self::TooManySigners
            | Self::UnknownSigner
            | Self::DigestMismatch => Ok(()),
        }
    }
}

impl core::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Boot reports in the field carry these numbers: they may be added to, never changed.
    #[test]
    fn the_numbers_are_frozen() {
        let kind = 0x50;
        let counter = SecurityCounter(0);
        let uuid = Uuid([0; 16]);
        let frozen = [
            Refusal::FlashUnreadable,
            Refusal::Empty,
            Refusal::NotAnImage,
            Refusal::HeaderSize { size: 0 },
            Refusal::LoadAddress,
            Refusal::Encrypted,
            Refusal::Compressed,
            Refusal::UnknownFlags { flags: 0 },
            Refusal::ReservedField,
            Refusal::NoPayload,
            Refusal::TooLarge { room: 0 },
            Refusal::NoTrailer,
            Refusal::ProtectedSize,
            Refusal::ProtectedTooLong,
            Refusal::FieldOverrun,
            Refusal::DuplicateField { kind },
            Refusal::UnknownField { kind },
            Refusal::FieldLength { kind },
            Refusal::UnprotectedField { kind },
            Refusal::Unsigned,
            Refusal::NoDigest,
            Refusal::Pure,
            Refusal::OtherHash,
            Refusal::FullKey,
            Refusal::OtherSignature,
            Refusal::Dependency,
            Refusal::NoCounter,
            Refusal::NoVendor,
            Refusal::NoClass,
            Refusal::BrokenPair,
            Refusal::TooManySigners,
            Refusal::UnknownSigner,
            Refusal::TooFewSigners { have: 0, need: 0 },
            Refusal::RepeatedSigner { key: 0 },
            Refusal::DigestMismatch,
            Refusal::BadSignature { key: 0 },
            Refusal::OtherVendor { vendor: uuid },
            Refusal::OtherClass { class: uuid },
            Refusal::BelowFloor {
                offered: counter,
                floor: counter,
            },
            Refusal::StackPointer { value: 0 },
            Refusal::ResetHandler { value: 0 },
        ];
        for (code, refusal) in (1..).zip(frozen) {
            assert_eq!(refusal.code(), code, "{refusal:?}");
            let described = Refusal::describe(code).unwrap();
            assert!(refusal.to_string().starts_with(described), "{refusal}");
            assert!(described.contains(';'), "{described}: what happened; what to do");
        }
        assert_eq!(frozen.len(), 41);
        for code in [0, 42, 99, 100, u16::MAX] {
            assert_eq!(Refusal::describe(code), None);
        }
    }
}
