//! Whose signatures count, and how many of them it takes.
//!
//! Knows keys and numbers only. Keeps the invariant that each key is in a policy once, so that counting
//! keys and counting signatures come to the same.

use core::fmt;

use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::ImageDigest;

/// The most keys a policy may hold.
pub const MAX_KEYS: usize = 8;

/// SHA-256 of a public key's 44-byte DER SubjectPublicKeyInfo: what an image calls its signer.
pub type KeyHash = [u8; 32];

/// An Ed25519 public key.
///
/// Any 32 bytes make one; under those that are no usable key nothing verifies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes the 32 bytes of RFC 8032.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of RFC 8032.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What images call this key.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        /// DER up to the key bytes: SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING }.
        const SPKI: [u8; 12] = [
            0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
        ];
        let mut hash = Sha256::new();
        hash.update(SPKI);
        hash.update(self.0);
        hash.finalize().into()
    }

    /// Whether this is a point on the curve and not one of the few under which anything verifies.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| !key.is_weak())
    }

    /// Whether `signature` is this key's over `digest`, strictly: no malleable form, no weak key.
    #[must_use]
    pub fn verifies(&self, digest: &ImageDigest, signature: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&self.0)
            .and_then(|key| key.verify_strict(&digest.0, &Signature::from_bytes(signature)))
            .is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Whose signatures make an image: `threshold` different ones of `keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustPolicy<'p> {
    threshold: u8,
    keys: &'p [PublicKey],
}

impl<'p> TrustPolicy<'p> {
    /// A policy of `threshold` of `keys`. `const`, so that a bootloader with a senseless policy does not build.
    ///
    /// # Errors
    /// [`PolicyError`] for what no lock should trust by.
    pub const fn new(threshold: u8, keys: &'p [PublicKey]) -> Result<Self, PolicyError> {
        if threshold == 0 {
            return Err(PolicyError::NoThreshold);
        }
        if keys.len() > MAX_KEYS {
            return Err(PolicyError::TooManyKeys);
        }
        if threshold as usize > keys.len() {
            return Err(PolicyError::TooFewKeys);
        }
        let mut rest = keys;
        while let [key, others @ ..] = rest {
            let mut compared = others;
            while let [other, further @ ..] = compared {
                if same(&key.0, &other.0) {
                    return Err(PolicyError::RepeatedKey);
                }
                compared = further;
            }
            rest = others;
        }
        Ok(Self { threshold, keys })
    }

    /// A policy that [`TrustPolicy::new`] has let through before.
    #[cfg(feature = "std")]
    pub(crate) const fn checked_before(threshold: u8, keys: &'p [PublicKey]) -> Self {
        Self { threshold, keys }
    }

    /// How many different keys must have signed; at least 1, at most the number of keys.
    #[must_use]
    pub const fn threshold(&self) -> u8 {
        self.threshold
    }

    /// The keys, each once.
    #[must_use]
    pub const fn keys(&self) -> &'p [PublicKey] {
        self.keys
    }
}

/// `==` for arrays is not `const` yet.
const fn same(mut a: &[u8], mut b: &[u8]) -> bool {
    while let ([x, a_rest @ ..], [y, b_rest @ ..]) = (a, b) {
        if *x != *y {
            return false;
        }
        (a, b) = (a_rest, b_rest);
    }
    a.is_empty() && b.is_empty()
}

/// Why keys and a number do not make a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyError {
    /// A threshold of 0: everything would be trusted.
    NoThreshold,
    /// More than [`MAX_KEYS`] keys.
    TooManyKeys,
    /// Fewer keys than the threshold: nothing would be trusted.
    TooFewKeys,
    /// A key that is there twice would count twice.
    RepeatedKey,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoThreshold => f.write_str("the threshold is 0; demand at least one signature"),
            Self::TooManyKeys => write!(f, "there are more than {MAX_KEYS} keys; name fewer"),
            Self::TooFewKeys => f.write_str("the threshold exceeds the number of keys; add keys or lower it"),
            Self::RepeatedKey => f.write_str("a key is named twice; name each once"),
        }
    }
}

impl core::error::Error for PolicyError {}
