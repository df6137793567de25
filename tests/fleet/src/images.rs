//! Images worth publishing: small, so that thousands of downloads stay cheap, and signed by two keys of this run's own.

use anyhow::{Context as _, Result};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use latchkey_directive::Running;
use latchkey_image::build::Description;
use latchkey_image::policy_file::PolicyFile;
use latchkey_image::{Authority, Bytes, Image};

use crate::lock::{HARDWARE, running};

/// Length of what is signed, in bytes.
const PAYLOAD: usize = 4096;

/// Who signs.
pub(crate) struct Engineers([SigningKey; 2]);

impl Engineers {
    /// New ones.
    pub(crate) fn new(random: &mut fastrand::Rng) -> Self {
        Self([0; 2].map(|_| {
            let mut secret = [0; 32];
            random.fill(&mut secret);
            SigningKey::from_bytes(&secret)
        }))
    }

    /// What counts as signed: both.
    pub(crate) fn policy(&self) -> Result<String> {
        let mut text = "threshold = 2\n".to_owned();
        for (number, key) in self.0.iter().enumerate() {
            let pem = key.verifying_key().to_public_key_pem(LineEnding::LF)?;
            text.push_str(&format!(
                "[[keys]]\nname = \"engineer {number}\"\npublic = \"\"\"\n{pem}\"\"\"\n"
            ));
        }
        Ok(text)
    }

    /// The rule that locks have baked in.
    pub(crate) fn authority(&self) -> Result<Authority<'static>> {
        // As long-lived as the locks that it is baked into.
        let policy: &'static PolicyFile = Box::leak(Box::new(PolicyFile::parse(&self.policy()?)?));
        Ok(Authority {
            policy: policy.policy(),
            vendor: HARDWARE.vendor,
            class: HARDWARE.class,
            slot: HARDWARE.slot.clone(),
        })
    }

    /// A build of version 1.`minor`, signed; and what a lock that runs it says.
    pub(crate) fn release(&self, minor: u8) -> Result<(Vec<u8>, Running)> {
        let mut payload = vec![minor; PAYLOAD];
        let vectors = [HARDWARE.slot.ram.end, HARDWARE.slot.address + 0x200 + 9];
        for (into, vector) in payload.chunks_exact_mut(4).zip(vectors) {
            into.copy_from_slice(&vector.to_le_bytes());
        }
        let about = running(latchkey_image::ImageDigest([0; 32]), minor);
        let description = Description {
            version: about.version,
            counter: about.counter,
            vendor: HARDWARE.vendor,
            class: HARDWARE.class,
            min_version: None,
            header_size: 0x200,
        };
        let mut image = description
            .build(&payload)
            .map_err(|error| anyhow::anyhow!("no image: {error:?}"))?;
        for key in &self.0 {
            image
                .sign(key)
                .map_err(|error| anyhow::anyhow!("not signed: {error:?}"))?;
        }
        let file = image.into_bytes();
        let digest = Image::parse(&mut Bytes::new(&file))
            .ok()
            .context("what was built is no image")?
            .digest();
        Ok((file, running(digest, minor)))
    }
}
