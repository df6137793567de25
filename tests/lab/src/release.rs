//! Releases for the laboratory: payloads signed with the example keys, also in ways that no engineer would.

use std::fs;

use anyhow::{Context, Result, anyhow};
use ed25519_dalek::pkcs8::DecodePrivateKey;
use latchkey_image::build::{Description, ImageFile, SigningKey};
use latchkey_image::policy_file::PolicyFile;
use latchkey_image::{Bytes, Hardware, Image, ImageDigest, SecurityCounter, Uuid, Version};

use latchkey_phone::release::Signed;

use crate::builds::checkout;

/// Who signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// Example key release-a, in the example policy.
    A,
    /// Example key release-b, in the example policy.
    B,
    /// Example key release-c, in the example policy.
    C,
    /// A key that no policy knows.
    Stranger,
}

impl Signer {
    /// The private key.
    ///
    /// # Errors
    /// The example key's file cannot be read.
    pub fn key(self) -> Result<SigningKey> {
        match self {
            Self::A => example_key("release-a"),
            Self::B => example_key("release-b"),
            Self::C => example_key("release-c"),
            // Made up, and the same at every run, so that a failing test can be run again.
            Self::Stranger => Ok(SigningKey::from_bytes(&[0x5a; 32])),
        }
    }
}

/// The example director's private key.
///
/// # Errors
/// Its file cannot be read.
pub fn example_director() -> Result<SigningKey> {
    example_key("director")
}

fn example_key(name: &str) -> Result<SigningKey> {
    let path = checkout().join("keys-example").join(format!("{name}.pem"));
    let pem = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    SigningKey::from_pkcs8_pem(&pem).with_context(|| format!("{} is no Ed25519 key", path.display()))
}

/// A build about to be signed. Starts as what the emulated lock takes; tests change what they attack.
#[derive(Clone)]
pub struct Release {
    /// The program.
    pub payload: Vec<u8>,
    /// For people.
    pub version: Version,
    /// Decides rollback.
    pub counter: SecurityCounter,
    /// Whose locks it is for.
    pub vendor: Uuid,
    /// Which hardware it is for.
    pub class: Uuid,
    /// Who signs, in this order.
    pub signers: Vec<Signer>,
}

/// A signed image, as a file.
#[derive(Clone)]
pub struct SignedImage {
    /// The file.
    pub bytes: Vec<u8>,
    /// What was signed.
    pub digest: ImageDigest,
    /// Its version, as the header says.
    pub version: Version,
    /// Its security counter, as the protected area says.
    pub counter: SecurityCounter,
}

impl SignedImage {
    /// As an owner's phone takes it, by the example policy.
    ///
    /// # Errors
    /// The phone refuses it, or the policy cannot be read.
    pub fn for_phone(&self) -> Result<Signed<Vec<u8>>> {
        let path = checkout().join("keys-example/policy.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let policy = PolicyFile::parse(&text)?;
        Ok(Signed::check(self.bytes.clone(), policy.policy())?)
    }

    /// Takes a file that someone else signed.
    ///
    /// # Errors
    /// It is no image.
    pub fn open(bytes: Vec<u8>) -> Result<Self> {
        let mut flash = Bytes::new(&bytes);
        let image = Image::parse(&mut flash).map_err(|refusal| anyhow!("{refusal}"))?;
        let (digest, version, counter) = (image.digest(), image.version(), image.security_counter());
        Ok(Self {
            bytes,
            digest,
            version,
            counter,
        })
    }
}

impl Release {
    /// For the emulated lock, version `major`.0.0, security counter the same number, signed by release-a and
    /// release-b.
    #[must_use]
    pub fn new(payload: Vec<u8>, major: u8) -> Self {
        let Hardware { vendor, class, .. } = Hardware::EMULATOR;
        Self {
            payload,
            version: Version {
                major,
                ..Version::default()
            },
            counter: SecurityCounter(major.into()),
            vendor,
            class,
            signers: vec![Signer::A, Signer::B],
        }
    }

    /// Puts the image together and signs it.
    ///
    /// # Errors
    /// An example key cannot be read, or the image is not of a form that can be made.
    pub fn sign(&self) -> Result<SignedImage> {
        let description = Description {
            version: self.version,
            counter: self.counter,
            vendor: self.vendor,
            class: self.class,
            min_version: None,
            header_size: 0x200,
        };
        let mut file: ImageFile = description
            .build(&self.payload)
            .context("cannot make the image")?;
        for signer in &self.signers {
            file.sign(&signer.key()?).context("cannot sign the image")?;
        }
        Ok(SignedImage {
            digest: file.digest(),
            bytes: file.into_bytes(),
            version: self.version,
            counter: self.counter,
        })
    }
}

#[cfg(test)]
mod tests {
    use latchkey_image::{Authority, Refusal};

    use super::*;

    /// A stack pointer and an entry that make sense in ACTIVE, and something behind them.
    fn plausible_payload() -> Vec<u8> {
        let entry = Hardware::EMULATOR.slot.address + 0x200 + 0x41;
        let mut payload = [0x2004_0000_u32.to_le_bytes(), entry.to_le_bytes()].concat();
        payload.resize(5_000, 0x5a);
        payload
    }

    fn judge(release: &Release, floor: u32) -> Result<(), Refusal> {
        let policy = fs::read_to_string(checkout().join("keys-example/policy.toml")).unwrap();
        let policy = PolicyFile::parse(&policy).unwrap();
        let authority = Authority {
            policy: policy.policy(),
            vendor: Hardware::EMULATOR.vendor,
            class: Hardware::EMULATOR.class,
            slot: Hardware::EMULATOR.slot,
        };
        let image = release.sign().unwrap();
        let mut flash = Bytes::new(&image.bytes);
        let parsed = Image::parse(&mut flash)?;
        assert_eq!(parsed.digest(), image.digest);
        authority.verify(parsed, SecurityCounter(floor)).map(drop)
    }

    #[test]
    fn a_release_is_what_the_lock_takes_and_each_change_to_it_is_not() {
        let good = Release::new(plausible_payload(), 2);
        assert_eq!(judge(&good, 2), Ok(()));
        assert!(matches!(judge(&good, 3), Err(Refusal::BelowFloor { .. })));
        let signed_by = |signers: &[Signer]| Release {
            signers: signers.to_vec(),
            ..good.clone()
        };
        assert_eq!(judge(&signed_by(&[Signer::C, Signer::A]), 0), Ok(()));
        assert_eq!(judge(&signed_by(&[]), 0), Err(Refusal::Unsigned));
        assert_eq!(
            judge(&signed_by(&[Signer::Stranger]), 0),
            Err(Refusal::UnknownSigner)
        );
        let lonely = signed_by(&[Signer::A, Signer::Stranger]);
        assert_eq!(
            judge(&lonely, 0),
            Err(Refusal::TooFewSigners { have: 1, need: 2 })
        );
    }
}
