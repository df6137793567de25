//! Locks as far as a server can tell: keys, and messages signed with them.

use ed25519_dalek::{Signer as _, SigningKey};
use latchkey_directive::{
    BootOutcome, BootReport, CheckIn, DeviceId, Enrolment, MAX_SEALED, Nonce, PublicKey, Purpose, Running,
    seal,
};
use latchkey_image::{Hardware, ImageDigest, SecurityCounter, Version};

use crate::load::request;

/// The hardware of all of them.
pub(crate) const HARDWARE: Hardware = Hardware::EMULATOR;

/// A lock.
pub(crate) struct Lock {
    key: SigningKey,
    id: DeviceId,
    sequence: u64,
}

impl Lock {
    /// The lock of this number.
    pub(crate) fn new(number: u64) -> anyhow::Result<Self> {
        let mut seed = [0x4c; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        let key = SigningKey::from_bytes(&seed);
        let public = PublicKey::from_bytes(key.verifying_key().as_bytes());
        let id = public
            .ok_or_else(|| anyhow::anyhow!("a key that is none"))?
            .device_id();
        Ok(Self { key, id, sequence: 0 })
    }

    /// Its name.
    pub(crate) fn id(&self) -> DeviceId {
        self.id
    }

    /// Introduces itself.
    pub(crate) fn enrolment(&self) -> anyhow::Result<Vec<u8>> {
        let message = Enrolment {
            device_key: self.key.verifying_key().to_bytes(),
            vendor: HARDWARE.vendor,
            class: HARDWARE.class,
        };
        Ok(request("POST", "/device/v1/enrol", &self.sealed(&message)?))
    }

    /// The public half of its key.
    pub(crate) fn public(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// A request with its next check-in: with news only the first time.
    pub(crate) fn check_in(&mut self) -> anyhow::Result<Vec<u8>> {
        Ok(request("POST", "/device/v1/check-in", &self.sealed_check_in()?))
    }

    /// Its next check-in.
    pub(crate) fn sealed_check_in(&mut self) -> anyhow::Result<Vec<u8>> {
        self.sequence += 1;
        let mut nonce = [0x7e; 16];
        nonce[..8].copy_from_slice(&self.sequence.to_le_bytes());
        let message = CheckIn {
            device: self.id,
            nonce: Nonce(nonce),
            sequence: self.sequence,
            vendor: HARDWARE.vendor,
            class: HARDWARE.class,
            running: Running {
                image: ImageDigest([1; 32]),
                version: Version {
                    major: 1,
                    ..Version::default()
                },
                counter: SecurityCounter(1),
                confirmed: true,
            },
            floor: SecurityCounter(1),
            boot: BootReport {
                outcome: BootOutcome::Steady,
                reason: 0,
                about: [0; 16],
                starts_left: 0,
            },
            battery_percent: 80,
            echo: None,
            hold: None,
        };
        self.sealed(&message)
    }

    fn sealed<M: Purpose + minicbor::Encode<()>>(&self, message: &M) -> anyhow::Result<Vec<u8>> {
        let mut out = vec![0; MAX_SEALED];
        let length = seal(message, |digest| self.key.sign(digest).to_bytes(), &mut out)
            .map_err(|error| anyhow::anyhow!("a message that cannot be sealed: {error}"))?;
        out.truncate(length);
        Ok(out)
    }
}
