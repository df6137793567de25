//! The envelope: `[payload, signature]`, both CBOR byte strings, the payload itself CBOR.
//!
//! The signature is Ed25519 (checked strictly) over `SHA-256(purpose ‖ 0x00 ‖ payload)`. The purpose is not
//! sent: who opens a message says what it must be for, so a signed check-in can never pass for a report.
//! Anything after the message, inside the payload or behind the envelope, is refused.

use core::fmt;

use ed25519_dalek::{Signature, VerifyingKey};
use minicbor::encode::write::Cursor;
use minicbor::{Decode, Decoder, Encode, Encoder};
use sha2::{Digest, Sha256};

use crate::MAX_SEALED;
use crate::message::{DeviceId, FromDevice, Purpose};

/// Length of an Ed25519 public key, in bytes.
pub const DIRECTOR_KEY_LENGTH: usize = 32;

/// An Ed25519 public key that is a valid curve point, in its one canonical form, and not of small order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Takes the 32 bytes of RFC 8032; `None` when they are no key, or one under which anything verifies.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; DIRECTOR_KEY_LENGTH]) -> Option<Self> {
        // A second spelling of the same point would be a second name for the same device.
        if !is_canonical(bytes) {
            return None;
        }
        VerifyingKey::from_bytes(bytes)
            .ok()
            .filter(|key| !key.is_weak())
            .map(Self)
    }

    /// The 32 bytes of RFC 8032.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; DIRECTOR_KEY_LENGTH] {
        self.0.as_bytes()
    }

    /// The name of the device that holds this key's other half: the first 16 bytes of the key's SHA-256.
    #[must_use]
    pub fn device_id(&self) -> DeviceId {
        let hash: [u8; 32] = Sha256::digest(self.as_bytes()).into();
        let mut id = [0; 16];
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        DeviceId(id)
    }
}

/// Whether a point's y coordinate is spelled below the prime 2²⁵⁵ − 19 (RFC 8032, section 5.1.3). Where x is zero its
/// sign could be spelled twice too; these points are weak keys.
fn is_canonical([low, middle @ .., high]: &[u8; 32]) -> bool {
    *low < 0xed || high & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
}

/// The message does not fit the buffer, or [`MAX_SEALED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealError;

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the message does not fit; give a buffer of {MAX_SEALED} bytes")
    }
}

impl core::error::Error for SealError {}

/// Encodes and signs a message into `out`; gives the length written.
///
/// `sign` gets the 32 bytes to sign and stays with whoever holds the key.
///
/// # Errors
/// [`SealError`] when `out` is too small.
pub fn seal<M: Purpose + Encode<()>>(
    message: &M,
    sign: impl FnOnce(&[u8; 32]) -> [u8; 64],
    out: &mut [u8],
) -> Result<usize, SealError> {
    let mut payload = [0; MAX_SEALED];
    let mut cursor = Cursor::new(payload.as_mut_slice());
    minicbor::encode(message, &mut cursor).map_err(|_| SealError)?;
    let length = cursor.position();
    let payload = payload.get(..length).ok_or(SealError)?;
    let signature = sign(&digest::<M>(payload));
    let mut encoder = Encoder::new(Cursor::new(out));
    encoder
        .array(2)
        .and_then(|e| e.bytes(payload))
        .and_then(|e| e.bytes(&signature))
        .map_err(|_| SealError)?;
    Ok(encoder.into_writer().position())
}

/// The bytes are not an envelope, or hold no message of the expected form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a sealed message of the expected kind")
    }
}

impl core::error::Error for Malformed {}

/// Why a sealed message was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Signed with another key, for another purpose, or changed on the way.
    BadSignature,
    /// Signed as expected, but the content is not of the expected form: the two sides differ in version.
    Malformed,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadSignature => "the signature is not by the expected key for this purpose",
            Self::Malformed => "signed as expected, but not in a form this version understands",
        })
    }
}

impl core::error::Error for OpenError {}

/// A received envelope whose content is not yet to be believed.
#[derive(Clone, Copy)]
pub struct Sealed<'b> {
    payload: &'b [u8],
    signature: [u8; 64],
}

impl<'b> Sealed<'b> {
    /// Finds the two parts. Believes nothing.
    ///
    /// # Errors
    /// [`Malformed`] for anything but exactly one envelope of at most [`MAX_SEALED`] bytes.
    pub fn parse(bytes: &'b [u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_SEALED {
            return Err(Malformed);
        }
        let mut decoder = Decoder::new(bytes);
        let mut parts = || -> Result<Self, minicbor::decode::Error> {
            if decoder.array()? != Some(2) {
                return Err(minicbor::decode::Error::message("an envelope has two parts"));
            }
            let payload = decoder.bytes()?;
            let signature = decoder
                .bytes()?
                .try_into()
                .map_err(|_| minicbor::decode::Error::message("a signature has 64 bytes"))?;
            Ok(Self { payload, signature })
        };
        let sealed = parts().map_err(|_| Malformed)?;
        if decoder.position() == bytes.len() {
            Ok(sealed)
        } else {
            Err(Malformed)
        }
    }

    /// Checks the signature for this message's purpose, then decodes.
    ///
    /// # Errors
    /// [`OpenError`], without a hint to the sender which byte displeased.
    pub fn open<M: Purpose + Decode<'b, ()>>(&self, key: &PublicKey) -> Result<M, OpenError> {
        let signature = Signature::from_bytes(&self.signature);
        key.0
            .verify_strict(&digest::<M>(self.payload), &signature)
            .map_err(|_| OpenError::BadSignature)?;
        self.decode().map_err(|_| OpenError::Malformed)
    }

    /// Who this message *says* it is from, to look up the key to open it with. Unproven.
    ///
    /// # Errors
    /// [`Malformed`] when the payload is no message of this kind.
    pub fn claimed_sender<M: FromDevice + Decode<'b, ()>>(&self) -> Result<M::Sender, Malformed> {
        self.decode::<M>().map(|message| message.sender())
    }

    fn decode<M: Decode<'b, ()>>(&self) -> Result<M, Malformed> {
        let mut decoder = Decoder::new(self.payload);
        let message = decoder.decode().map_err(|_| Malformed)?;
        if decoder.position() == self.payload.len() {
            Ok(message)
        } else {
            Err(Malformed)
        }
    }
}

fn digest<M: Purpose>(payload: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(M::PURPOSE.as_bytes());
    hash.update([0]);
    hash.update(payload);
    hash.finalize().into()
}
