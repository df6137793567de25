//! The director key: signs what a lock may install.
//!
//! It stays in this module; out come signatures and the public half. It cannot make an image that boots.

use std::path::Path;

use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use latchkey_directive::{DeviceId, MAX_SEALED, Nonce, Purpose, SealError, seal};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::key_file;

const PURPOSE: key_file::Purpose = key_file::Purpose {
    name: "director key",
    option: "--director-key",
    danger: "whoever reaches a lock could direct it",
};

/// The director's private key. Neither printable nor copyable; wiped on drop.
pub struct DirectorKey(SigningKey);

impl DirectorKey {
    /// Takes the key at `path`, or makes one there when there is none.
    ///
    /// # Errors
    /// The file cannot be read or made, is readable by others, is no unencrypted Ed25519 PKCS#8 PEM, or is an
    /// example key and `allow_example` is not set. Each says what to do.
    pub fn open_or_create(path: &Path, allow_example: bool) -> anyhow::Result<Self> {
        key_file::open_or_create(path, PURPOSE, allow_example).map(Self)
    }

    /// Takes the key at `path`.
    ///
    /// # Errors
    /// As [`Self::open_or_create`], and when there is none.
    pub fn open(path: &Path, allow_example: bool) -> anyhow::Result<Self> {
        key_file::open(path, PURPOSE, allow_example).map(Self)
    }

    /// The public half, as locks carry it.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The public half as a PEM file, for building locks.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn public_pem(&self) -> anyhow::Result<String> {
        key_file::public_pem(&self.0)
    }

    /// What a device is to repeat, so that it shows that it signed after this server had seen the number `seen`: that
    /// number, and eight bytes that nobody can make who has not this key. Every server with this key knows it again.
    #[must_use]
    pub fn challenge(&self, device: DeviceId, numbering: i64, seen: i64) -> Nonce {
        let number = seen.to_be_bytes();
        let proof = self.derived(
            b"latchkey challenge 2",
            &[&device.0, &numbering.to_be_bytes(), &number],
        );
        let mut nonce = [0; 16];
        let bytes = number.into_iter().chain(*proof);
        nonce.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        Nonce(nonce)
    }

    /// The secret that a webhook's messages are signed with.
    #[must_use]
    pub fn webhook_key(&self, id: &str) -> Zeroizing<[u8; 32]> {
        self.derived(b"latchkey webhook 1", &[id.as_bytes()])
    }

    /// HMAC-SHA256 over a webhook's message.
    #[must_use]
    pub fn sign_webhook(&self, id: &str, message: &[u8]) -> [u8; 32] {
        *hmac(self.webhook_key(id).as_slice(), &[message])
    }

    /// What shows that an attempt to sign in, carried by a browser, is of a server with this key.
    #[must_use]
    pub fn attempt_seal(&self, attempt: &[u8]) -> Zeroizing<[u8; 32]> {
        self.derived(b"latchkey sign-in attempt 1", &[attempt])
    }

    /// A value that nobody knows who has not this key. What it is for is part of it, and no beginning of another.
    fn derived(&self, purpose: &[u8], about: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let key = hmac(self.0.as_bytes(), &[purpose]);
        hmac(key.as_slice(), about)
    }

    /// Signs a message for a lock.
    ///
    /// # Errors
    /// [`SealError`] when it is longer than a sealed message may be.
    pub fn seal<M: Purpose + minicbor::Encode<()>>(&self, message: &M) -> Result<Vec<u8>, SealError> {
        let mut out = vec![0; MAX_SEALED];
        let length = seal(message, |digest| self.0.sign(digest).to_bytes(), &mut out)?;
        out.truncate(length);
        Ok(out)
    }
}
fn hmac(key: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    // HMAC takes keys of any length, so there is always one.
    Hmac::<Sha256>::new_from_slice(key).map_or_else(
        |_| Zeroizing::new([0; 32]),
        |mut mac| {
            parts.iter().for_each(|part| mac.update(part));
            Zeroizing::new(mac.finalize().into_bytes().into())
        },
    )
}
