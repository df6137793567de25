//! An image as a file: digest over it, signatures added to it.
//!
//! Keeps the invariant that its digest is right and that every signature it was given here is valid.

use alloc::vec::Vec;
use core::fmt;

use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};

use super::{area, entry};
use crate::{Bytes, Image, ImageDigest, KeyHash, MAX_SIGNATURES, PublicKey, Refusal, tlv};

/// A whole, well-formed image whose digest is right; signed by any number of keys, also by none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFile {
    bytes: Vec<u8>,
    /// Where the trailer begins.
    trailer: usize,
    digest: ImageDigest,
    signers: Vec<KeyHash>,
}

/// Why a signature was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachError {
    /// It is not 64 bytes long.
    Length(usize),
    /// It is not this key's signature over this image's digest.
    NotValid,
    /// This key has signed already, and counts once.
    AlreadySigned,
    /// The image has as many signatures as it may have.
    TooMany,
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(0) => f.write_str("the signature is empty; fetch it again from who signed"),
            Self::Length(length) => {
                write!(f, "the signature is {length} bytes long and not 64; give the raw Ed25519 signature")
            }
            Self::NotValid => f.write_str(
                "the signature is not this key's over this image's digest; sign the 32 digest bytes with plain Ed25519",
            ),
            Self::AlreadySigned => f.write_str("this key has signed already, and counts once; use another key"),
            Self::TooMany => write!(f, "the image has {MAX_SIGNATURES} signatures, the most it may have"),
        }
    }
}

impl core::error::Error for AttachError {}

impl ImageFile {
    /// Takes a file apart that is an image: as made here, by imgtool, or come back from another signer. What
    /// follows the image in the file (imgtool's slot padding) is left off.
    ///
    /// # Errors
    /// [`Refusal`] when the container is not of the allowed form or its digest is wrong.
    pub fn open(mut bytes: Vec<u8>) -> Result<Self, Refusal> {
        let mut flash = Bytes::new(&bytes);
        let mut image = Image::parse(&mut flash)?;
        let (digest, _) = image.hash()?;
        if digest != image.digest() {
            return Err(Refusal::DigestMismatch);
        }
        let signers = (0..image.signature_count())
            .map(|index| image.signer(index))
            .collect::<Result<_, _>>()?;
        let total = usize::try_from(image.total_size()).map_err(|_| Refusal::FlashUnreadable)?;
        let trailer = usize::try_from(image.trailer_offset()).map_err(|_| Refusal::FlashUnreadable)?;
        bytes.truncate(total);
        Ok(Self {
            bytes,
            trailer,
            digest,
            signers,
        })
    }

    /// Adds the digest to everything that it covers.
    pub(super) fn finish(mut bytes: Vec<u8>) -> Result<Self, Refusal> {
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        bytes.extend(area(tlv::MAGIC, &entry(tlv::SHA256, &digest)));
        Self::open(bytes)
    }

    /// What signers sign.
    #[must_use]
    pub fn digest(&self) -> ImageDigest {
        self.digest
    }

    /// Whose signatures are on it, by key hash, in their order.
    #[must_use]
    pub fn signers(&self) -> &[KeyHash] {
        &self.signers
    }

    /// The file.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The file.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Adds a signature by `key`. Does not change the image's digest.
    ///
    /// # Errors
    /// [`AttachError`]; the file is unchanged then.
    pub fn sign(&mut self, key: &SigningKey) -> Result<(), AttachError> {
        let signature = key.sign(&self.digest.0).to_bytes();
        self.attach(&PublicKey::new(key.verifying_key().to_bytes()), &signature)
    }

    /// The same file with a signature by `key` more.
    ///
    /// # Errors
    /// [`AttachError`]
    pub fn signed(mut self, key: &SigningKey) -> Result<Self, AttachError> {
        self.sign(key)?;
        Ok(self)
    }

    /// Adds a signature that was made elsewhere, after checking it strictly.
    ///
    /// # Errors
    /// [`AttachError`]; the file is unchanged then.
    pub fn attach(&mut self, key: &PublicKey, signature: &[u8]) -> Result<(), AttachError> {
        let signature: &[u8; 64] = signature
            .try_into()
            .map_err(|_| AttachError::Length(signature.len()))?;
        let hash = key.hash();
        if self.signers.contains(&hash) {
            return Err(AttachError::AlreadySigned);
        }
        if self.signers.len() >= usize::from(MAX_SIGNATURES) {
            return Err(AttachError::TooMany);
        }
        if !key.verifies(&self.digest, signature) {
            return Err(AttachError::NotValid);
        }
        let body = self.bytes.split_off(self.trailer);
        let mut entries = body.get(4..).unwrap_or_default().to_vec();
        entries.extend(entry(tlv::KEYHASH, &hash));
        entries.extend(entry(tlv::ED25519, signature));
        self.bytes.extend(area(tlv::MAGIC, &entries));
        self.signers.push(hash);
        Ok(())
    }
}
