//! The device key: made on the lock at its first start, never leaves it, signs check-ins and reports.
//!
//! A secret type: no `Clone`, no `Debug`, no comparison, wiped when dropped. `grep expose` is the audit of who
//! sees it in clear: the settings store, to write it down.

use ed25519_dalek::{Signer, SigningKey};
use latchkey_directive::{DeviceId, PublicKey};
use zeroize::{Zeroize, Zeroizing};

// Length of the seed a device key is made from, in bytes.
const SEED_LENGTH: usize = 32;

/// An Ed25519 key pair. See the module's header.
pub struct DeviceKey {
    // Wipes itself on drop (ed25519-dalek's feature `zeroize`).
    signing: SigningKey,
    public: PublicKey,
}

impl DeviceKey {
    /// Makes the key from 32 bytes of a cryptographic random number generator, or from the settings. Wipes the
    /// seed. `None` when the seed gives no usable key (as no seed of a working generator does) or is nothing
    /// but one byte repeated, as a generator that does not work gives.
    #[must_use]
    pub fn from_seed(seed: &mut [u8; SEED_LENGTH]) -> Option<Self> {
        let [first, rest @ ..] = &*seed;
        let repeated = rest.iter().all(|byte| byte == first);
        let signing = SigningKey::from_bytes(seed);
        seed.zeroize();
        if repeated {
            return None;
        }
        let public = PublicKey::from_bytes(signing.verifying_key().as_bytes())?;
        Some(Self { signing, public })
    }

    /// Lends the seed to whoever stores it.
    pub fn expose<R>(&self, with: impl FnOnce(&[u8; SEED_LENGTH]) -> R) -> R {
        let seed = Zeroizing::new(self.signing.to_bytes());
        with(&seed)
    }

    /// The half that everyone may know.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The lock's name.
    #[must_use]
    pub fn device_id(&self) -> DeviceId {
        self.public.device_id()
    }

    /// Signs a digest, as [`latchkey_directive::seal`] asks for it.
    #[must_use]
    pub fn sign(&self, digest: &[u8; 32]) -> [u8; 64] {
        self.signing.sign(digest).to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_from_its_stored_seed_and_the_seed_is_wiped() {
        let mut seed = core::array::from_fn(|index| u8::try_from(index).unwrap());
        let key = DeviceKey::from_seed(&mut seed).unwrap();
        assert_eq!(seed, [0; 32], "the caller's copy is gone");
        let again = key
            .expose(|seed| DeviceKey::from_seed(&mut seed.clone()))
            .unwrap();
        assert!(key.public() == again.public() && key.device_id() == again.device_id());
        assert_eq!(key.sign(&[1; 32]), again.sign(&[1; 32]));
    }

    #[test]
    fn a_generator_that_does_not_work_makes_no_key() {
        assert!(DeviceKey::from_seed(&mut [0; 32]).is_none());
        assert!(DeviceKey::from_seed(&mut [0xff; 32]).is_none());
    }
}
