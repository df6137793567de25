//! Keys: X25519 on both sides, and from it one shared key per authorization, which seals messages
//! (XSalsa20-Poly1305) and authenticates pairing (HMAC-SHA-256).
//!
//! Secrets here have no `Clone`, no `Debug` and no comparison, and are wiped when dropped. `grep expose` is the
//! audit of who sees them in clear. Random bytes come from the caller and are wiped when they became a key.
//!
//! A key is lent, and neither printed nor copied:
//!
//! ```
//! # use latchkey_protocol::key::SharedKey;
//! let key = SharedKey::from_bytes(&mut [1; 32]);
//! key.expose(|bytes| assert_eq!(bytes.len(), 32));
//! ```
//!
//! ```compile_fail
//! # use latchkey_protocol::key::SharedKey;
//! let key = SharedKey::from_bytes(&mut [1; 32]);
//! println!("{key:?}");
//! ```
//!
//! ```compile_fail
//! # use latchkey_protocol::key::SharedKey;
//! let key = SharedKey::from_bytes(&mut [1; 32]);
//! let copy = key.clone();
//! ```

use core::fmt;

use crypto_secretbox::aead::AeadInPlace;
use crypto_secretbox::{Kdf, KeyInit as _, XSalsa20Poly1305};
use hmac::{Hmac, KeyInit as _, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use x25519_dalek::StaticSecret;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::value::CarriedKey;
use crate::wire::{Field, Reader, Writer};

/// Length of every key here, in bytes.
pub const KEY_LENGTH: usize = 32;

/// Length of the tag of a sealed message, in bytes.
pub(crate) const TAG_LENGTH: usize = 16;

// HMAC-SHA-256 pads its key with zeros to one block of the hash.
const HASH_BLOCK: usize = 64;

/// An X25519 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(pub [u8; KEY_LENGTH]);

impl Field for PublicKey {
    const MAX: usize = KEY_LENGTH;

    fn write(&self, out: &mut Writer<'_>) {
        out.bytes(&self.0);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        from.field().map(Self)
    }
}

/// An X25519 secret key. See the module's header.
pub struct SecretKey {
    // Wipes itself on drop (x25519-dalek's feature `zeroize`).
    secret: StaticSecret,
    public: PublicKey,
}

/// The other side's public key gives a shared key that everybody knows (it has low order, such as all zeros).
/// Pairing must end here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeakKey;

impl fmt::Display for WeakKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the other side's public key gives no secret; pairing ended")
    }
}

impl core::error::Error for WeakKey {}

impl SecretKey {
    /// Makes the key from 32 bytes of a cryptographic random number generator, or from where it was stored.
    /// Wipes them. `None` when they are nothing but one byte repeated, as a generator that does not work gives.
    #[must_use]
    pub fn from_bytes(bytes: &mut [u8; KEY_LENGTH]) -> Option<Self> {
        let [first, rest @ ..] = &*bytes;
        let repeated = rest.iter().all(|byte| byte == first);
        let secret = StaticSecret::from(*bytes);
        bytes.zeroize();
        if repeated {
            return None;
        }
        let public = PublicKey(x25519_dalek::PublicKey::from(&secret).to_bytes());
        Some(Self { secret, public })
    }

    /// The half that everyone may know.
    #[must_use]
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// Lends the bytes to whoever stores them.
    pub fn expose<R>(&self, with: impl FnOnce(&[u8; KEY_LENGTH]) -> R) -> R {
        with(self.secret.as_bytes())
    }

    /// The key shared with the holder of `peer`: HSalsa20 over the X25519 secret, NaCl's `crypto_box_beforenm`.
    ///
    /// # Errors
    /// [`WeakKey`].
    pub fn agree(&self, peer: &PublicKey) -> Result<SharedKey, WeakKey> {
        let agreed = self.secret.diffie_hellman(&x25519_dalek::PublicKey::from(peer.0));
        if !agreed.was_contributory() {
            return Err(WeakKey);
        }
        let key = Zeroizing::new(XSalsa20Poly1305::kdf(agreed.as_bytes().into(), &[0; 16].into()));
        Ok(SharedKey((*key).into()))
    }
}

/// The key of one authorization. See the module's header.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SharedKey([u8; KEY_LENGTH]);

/// A sealed message was not sealed with this key, or was changed on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadTag;

impl SharedKey {
    /// Takes the key from where it was stored. Wipes the bytes.
    #[must_use]
    pub fn from_bytes(bytes: &mut [u8; KEY_LENGTH]) -> Self {
        let key = Self(*bytes);
        bytes.zeroize();
        key
    }

    /// Lends the bytes to whoever stores them.
    pub fn expose<R>(&self, with: impl FnOnce(&[u8; KEY_LENGTH]) -> R) -> R {
        with(&self.0)
    }

    /// HMAC-SHA-256 over these parts, one after the other.
    #[must_use]
    pub fn authenticate(&self, parts: &[&[u8]]) -> Authenticator {
        let mut block = Zeroizing::new([0; HASH_BLOCK]);
        for (to, from) in block.iter_mut().zip(&self.0) {
            *to = *from;
        }
        let mut mac = Hmac::<Sha256>::new((&*block).into());
        for part in parts {
            mac.update(part);
        }
        Authenticator(mac.finalize().into_bytes().into())
    }

    /// Whether the holder of this key made the authenticator over these parts. Takes the same time for every
    /// answer.
    #[must_use]
    pub fn authenticates(&self, parts: &[&[u8]], authenticator: &Authenticator) -> bool {
        self.authenticate(parts).ct_eq(authenticator).into()
    }

    /// Encrypts in place and gives the tag; `None` only for lengths that no buffer here has.
    pub(crate) fn seal(&self, nonce: &[u8; 24], text: &mut [u8]) -> Option<[u8; TAG_LENGTH]> {
        XSalsa20Poly1305::new((&self.0).into())
            .encrypt_in_place_detached(nonce.into(), &[], text)
            .ok()
            .map(Into::into)
    }

    /// Decrypts in place if the tag fits; otherwise the bytes stay as they are.
    pub(crate) fn open(
        &self,
        nonce: &[u8; 24],
        text: &mut [u8],
        tag: &[u8; TAG_LENGTH],
    ) -> Result<(), BadTag> {
        XSalsa20Poly1305::new((&self.0).into())
            .decrypt_in_place_detached(nonce.into(), &[], text, tag.into())
            .map_err(|_| BadTag)
    }
}

/// An invitation brings its key along.
impl From<&CarriedKey> for SharedKey {
    fn from(carried: &CarriedKey) -> Self {
        carried.expose(|bytes| Self(*bytes))
    }
}

/// HMAC-SHA-256 with a shared key. Compares in constant time.
#[derive(Clone, Copy, Debug)]
pub struct Authenticator(pub [u8; KEY_LENGTH]);

impl ConstantTimeEq for Authenticator {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl PartialEq for Authenticator {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for Authenticator {}

impl Field for Authenticator {
    const MAX: usize = KEY_LENGTH;

    fn write(&self, out: &mut Writer<'_>) {
        out.bytes(&self.0);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        from.field().map(Self)
    }
}
