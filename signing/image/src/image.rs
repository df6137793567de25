//! An image in flash, taken apart and not yet believed.
//!
//! Parsing reads header, protected area and the claimed digest once and keeps them: the check hashes these
//! very bytes, so flash that answers differently the second time cannot show one header to the parser and
//! another to the hash. The signatures are read during the check.

use embedded_storage::nor_flash::ReadNorFlash;

use crate::header::{self, Header};
use crate::protected::{MAX_PROTECTED, Protected};
use crate::source::{capacity, read, round_up};
use crate::{ImageDigest, Refusal, SecurityCounter, Uuid, Version, tlv};

use sha2::{Digest, Sha256};

/// The most signatures an image may carry; each costs a lock about two million instructions to check.
pub const MAX_SIGNATURES: u8 = 8;

const DIGEST_LENGTH: u16 = 32;
const KEYHASH_LENGTH: u16 = 32;
const SIGNATURE_LENGTH: u16 = 64;
/// Digest entry with its head.
const DIGEST_ENTRY: u32 = 36;
/// Key hash entry and signature entry with their heads.
const PAIR: u32 = 104;
/// Where in a pair the signature's entry begins.
const SIGNATURE_IN_PAIR: u32 = 36;

/// An image in flash, taken apart. Everything it tells is a claim until [`Authority::verify`] has turned it
/// into a [`Verified`](crate::Verified).
///
/// Holds the flash exclusively: while an image lives, nobody else writes there. (This is as good as the flash
/// type; one that shares the chip behind a `RefCell` or a bus takes the promise away again.)
///
/// [`Authority::verify`]: crate::Authority::verify
pub struct Image<'f, F> {
    flash: &'f mut F,
    raw_header: [u8; header::LENGTH],
    header: Header,
    raw_protected: [u8; MAX_PROTECTED],
    protected: Protected,
    digest: ImageDigest,
    /// Where the trailer begins.
    trailer: u32,
    total_size: u32,
    signatures: u8,
}

impl<'f, F: ReadNorFlash> Image<'f, F> {
    /// Takes apart what lies at offset 0 of `flash`, whose capacity is the limit for every length.
    ///
    /// # Errors
    /// The first [`Refusal`] met: the container is not of the allowed form. An image that nobody signed is
    /// parsed (so that it can be looked at and signed), and refused by the check.
    pub fn parse(flash: &'f mut F) -> Result<Self, Refusal> {
        let mut raw_header = [0; header::LENGTH];
        if capacity(flash) < 32 {
            return Err(Refusal::NotAnImage);
        }
        read(flash, 0, &mut raw_header)?;
        let header = Header::parse(&raw_header)?;
        let room = capacity(flash);
        let too_large = Refusal::TooLarge { room };

        let payload_end = header.payload_end().ok_or(too_large)?;
        let trailer = payload_end
            .checked_add(header.protected_size.into())
            .ok_or(too_large)?;
        let entries = trailer
            .checked_add(tlv::HEAD)
            .filter(|end| *end <= room)
            .ok_or(too_large)?;

        let (magic, length) = read_head(flash, trailer)?;
        if magic != tlv::MAGIC {
            return Err(Refusal::NoTrailer);
        }
        let total_size = trailer
            .checked_add(length.into())
            .filter(|end| *end <= room)
            .ok_or(too_large)?;
        let (digest, signatures) = parse_trailer(flash, entries, total_size)?;

        let mut raw_protected = [0; MAX_PROTECTED];
        let protected = read_protected(flash, &header, payload_end, &mut raw_protected)?;
        Ok(Self {
            flash,
            raw_header,
            header,
            raw_protected,
            protected,
            digest,
            trailer,
            total_size,
            signatures,
        })
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The image's version, for people.
    #[must_use]
    pub fn version(&self) -> Version {
        self.header.version
    }

    /// The number that decides rollback.
    #[must_use]
    pub fn security_counter(&self) -> SecurityCounter {
        self.protected.counter
    }

    /// Whose locks it is for.
    #[must_use]
    pub fn vendor(&self) -> Uuid {
        self.protected.vendor
    }

    /// Which hardware it is for.
    #[must_use]
    pub fn class(&self) -> Uuid {
        self.protected.class
    }

    /// The lowest version that may upgrade to this one, when the signer set one.
    #[must_use]
    pub fn min_version(&self) -> Option<Version> {
        self.protected.min_version
    }

    /// The digest the trailer claims.
    #[must_use]
    pub fn digest(&self) -> ImageDigest {
        self.digest
    }

    /// Header, payload and all areas, in bytes; at most the flash's capacity.
    #[must_use]
    pub fn total_size(&self) -> u32 {
        self.total_size
    }

    /// Where the payload begins, in bytes from the image's start: a multiple of 512.
    #[must_use]
    pub fn payload_offset(&self) -> u32 {
        self.header.header_size.into()
    }

    /// Where the trailer begins: everything before it is hashed.
    #[cfg(feature = "build")]
    pub(crate) fn trailer_offset(&self) -> u32 {
        self.trailer
    }

    /// How many signatures the trailer holds, known or not; at most [`MAX_SIGNATURES`].
    #[must_use]
    pub fn signature_count(&self) -> u8 {
        self.signatures
    }

    /// The key hash of the signature at `index`, counted from 0.
    ///
    /// # Errors
    /// [`Refusal::FlashUnreadable`], also for an index beyond the last.
    pub fn signer(&mut self, index: u8) -> Result<[u8; 32], Refusal> {
        let at = self.pair(index)?;
        read_entry(self.flash, at, tlv::KEYHASH)
    }

    /// The signature at `index`, counted from 0.
    pub(crate) fn signature(&mut self, index: u8) -> Result<[u8; 64], Refusal> {
        let at = self.pair(index)?.checked_add(SIGNATURE_IN_PAIR);
        read_entry(self.flash, at.ok_or(Refusal::FlashUnreadable)?, tlv::ED25519)
    }

    fn pair(&self, index: u8) -> Result<u32, Refusal> {
        let first = self
            .trailer
            .checked_add(tlv::HEAD)
            .and_then(|at| at.checked_add(DIGEST_ENTRY));
        let skipped = u32::from(index).checked_mul(PAIR);
        match (first, skipped) {
            (Some(first), Some(skipped)) if index < self.signatures => first.checked_add(skipped),
            _ => None,
        }
        .ok_or(Refusal::FlashUnreadable)
    }

    /// Hashes everything that is signed, once: the header and protected area that were parsed, the rest from
    /// flash. Gives the digest, and the payload's first eight bytes as they were hashed.
    pub(crate) fn hash(&mut self) -> Result<(ImageDigest, [u8; 8]), Refusal> {
        /// Divides every header size, so that the payload begins where a block does.
        const BLOCK: usize = 512;
        let payload_end = self.header.payload_end().ok_or(Refusal::FlashUnreadable)?;
        let room = capacity(self.flash);
        let mut hash = Sha256::new();
        let mut vectors = [0; 8];
        let mut block = [0; BLOCK];
        for at in (0..payload_end).step_by(BLOCK) {
            let end = payload_end.min(at.saturating_add(512));
            let window = within(&mut block, round_up(end, room).saturating_sub(at))?;
            self.flash
                .read(at, window)
                .map_err(|_| Refusal::FlashUnreadable)?;
            if at == 0 {
                within(window, 32)?.copy_from_slice(&self.raw_header);
            }
            let hashed = within(window, end.saturating_sub(at))?;
            if at == self.payload_offset() {
                vectors = *hashed.first_chunk().ok_or(Refusal::NoPayload)?;
            }
            hash.update(&*hashed);
        }
        let protected = within(&mut self.raw_protected, self.header.protected_size.into())?;
        hash.update(&*protected);
        Ok((ImageDigest(hash.finalize().into()), vectors))
    }
}

/// The first `length` bytes. The lengths asked for always fit; were one not to, nothing is hashed.
fn within(bytes: &mut [u8], length: u32) -> Result<&mut [u8], Refusal> {
    usize::try_from(length)
        .ok()
        .and_then(|length| bytes.get_mut(..length))
        .ok_or(Refusal::FlashUnreadable)
}

fn read_head<F: ReadNorFlash>(flash: &mut F, at: u32) -> Result<(u16, u16), Refusal> {
    let mut head = [0; 4];
    read(flash, at, &mut head)?;
    Ok(tlv::head(head))
}

/// Whether an entry of this kind stands at `at`.
fn follows<F: ReadNorFlash>(flash: &mut F, at: u32, kind: u16) -> bool {
    read_head(flash, at).is_ok_and(|(found, _)| found == kind)
}

/// Reads an entry that must be of this kind and length.
fn read_entry<F: ReadNorFlash, const N: usize>(
    flash: &mut F,
    at: u32,
    kind: u16,
) -> Result<[u8; N], Refusal> {
    let value = at.checked_add(tlv::HEAD).ok_or(Refusal::FieldOverrun)?;
    let (found, length) = read_head(flash, at)?;
    if found != kind {
        return Err(Refusal::BrokenPair);
    }
    if usize::from(length) != N {
        return Err(Refusal::FieldLength { kind });
    }
    let mut bytes = [0; N];
    read(flash, value, &mut bytes)?;
    Ok(bytes)
}

/// Walks the trailer's entries from `at` to `end`: the digest, then pairs, nothing else. Gives the claimed
/// digest and the number of pairs. At most 18 entries are looked at, whatever the lengths say.
fn parse_trailer<F: ReadNorFlash>(flash: &mut F, at: u32, end: u32) -> Result<(ImageDigest, u8), Refusal> {
    let mut at = at;
    let mut digest = None;
    let mut signatures = 0_u8;
    let mut key_hash_open = false;
    while at < end {
        let value = at
            .checked_add(tlv::HEAD)
            .filter(|value| *value <= end)
            .ok_or(Refusal::FieldOverrun)?;
        let (kind, length) = read_head(flash, at)?;
        let next = value.checked_add(length.into()).filter(|next| *next <= end);
        let next = next.ok_or(Refusal::FieldOverrun)?;
        match check_trailer_entry(kind, length) {
            // imgtool hashes with SHA-512 when it signs in pure mode, and says so only afterwards.
            Err(Refusal::OtherHash) if follows(flash, next, tlv::SIG_PURE) => return Err(Refusal::Pure),
            checked => checked?,
        }
        match kind {
            tlv::SHA256 if digest.is_some() => return Err(Refusal::DuplicateField { kind }),
            tlv::SHA256 => digest = Some(ImageDigest(read_entry(flash, at, kind)?)),
            _ if digest.is_none() => return Err(Refusal::NoDigest),
            _ if (kind == tlv::ED25519) != key_hash_open => return Err(Refusal::BrokenPair),
            tlv::KEYHASH => key_hash_open = true,
            _ => {
                key_hash_open = false;
                signatures = signatures.saturating_add(1);
            }
        }
        if signatures > MAX_SIGNATURES {
            return Err(Refusal::TooManySigners);
        }
        at = next;
    }
    if key_hash_open {
        return Err(Refusal::BrokenPair);
    }
    Ok((digest.ok_or(Refusal::NoDigest)?, signatures))
}

/// Which kinds may stand in the trailer, how long, and by what name the others are refused.
fn check_trailer_entry(kind: u16, length: u16) -> Result<(), Refusal> {
    let expected = match kind {
        tlv::SHA256 => DIGEST_LENGTH,
        tlv::KEYHASH => KEYHASH_LENGTH,
        tlv::ED25519 => SIGNATURE_LENGTH,
        tlv::PUBKEY => return Err(Refusal::FullKey),
        tlv::SHA384 | tlv::SHA512 => return Err(Refusal::OtherHash),
        tlv::SIG_PURE => return Err(Refusal::Pure),
        tlv::RSA2048 | tlv::ECDSA224 | tlv::ECDSA | tlv::RSA3072 => return Err(Refusal::OtherSignature),
        tlv::ENCRYPTION_FIRST..=tlv::ENCRYPTION_LAST => return Err(Refusal::Encrypted),
        tlv::SEC_CNT | tlv::UUID_VID | tlv::UUID_CID | tlv::DEPENDENCY | tlv::BOOT_RECORD => {
            return Err(Refusal::UnprotectedField { kind });
        }
        tlv::COMPRESSION_FIRST..=tlv::COMPRESSION_LAST => return Err(Refusal::Compressed),
        tlv::VENDOR_FIRST..=tlv::VENDOR_LAST => return Err(Refusal::UnprotectedField { kind }),
        _ => return Err(Refusal::UnknownField { kind }),
    };
    if length == expected {
        Ok(())
    } else {
        Err(Refusal::FieldLength { kind })
    }
}

/// Reads the protected area into `raw`, once, and parses it from there.
fn read_protected<F: ReadNorFlash>(
    flash: &mut F,
    header: &Header,
    at: u32,
    raw: &mut [u8; MAX_PROTECTED],
) -> Result<Protected, Refusal> {
    if header.protected_size == 0 {
        return Protected::parse(&[]);
    }
    let area = raw
        .get_mut(..usize::from(header.protected_size))
        .ok_or(Refusal::ProtectedTooLong)?;
    read(flash, at, area)?;
    let (info, entries) = area.split_first_chunk().ok_or(Refusal::ProtectedSize)?;
    if tlv::head(*info) != (tlv::PROTECTED_MAGIC, header.protected_size) {
        return Err(Refusal::ProtectedSize);
    }
    Protected::parse(entries)
}
