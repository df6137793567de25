//! The fuzz target's body: gives bytes to the parser and the whole check, and complains when what comes back
//! breaks a promise. Used by `fuzz/` and, with mutated seeds, by `tests/mutations.rs`.
//!
//! The golden vectors tell which images were signed. Anything else that is accepted under two of three is a
//! forgery. As almost nothing gets past a digest by chance, the bytes are also judged with digest and first
//! signature made to fit (under one of three), so that the rules behind them are reached.
#![allow(clippy::unwrap_used, clippy::panic, reason = "complaining is what it is for")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signer, SigningKey};
use latchkey_image::build::ImageFile;
use latchkey_image::policy_file::PolicyFile;
use latchkey_image::{
    Authority, Bytes, Hardware, Image, ImageDigest, PublicKey, Refusal, SecurityCounter, TrustPolicy,
    Verified,
};
use sha2::{Digest, Sha256};

const FLOOR: SecurityCounter = SecurityCounter(7);
const DIGEST_IN_TRAILER: usize = 4 + 4;
const SIGNER_IN_TRAILER: usize = DIGEST_IN_TRAILER + 32 + 4;
const SIGNATURE_IN_TRAILER: usize = SIGNER_IN_TRAILER + 32 + 4;

/// Judges what parser and check say.
pub(crate) struct Judge {
    keys: Vec<PublicKey>,
    signer: SigningKey,
    /// What release engineers signed: the vectors with two signatures.
    signed: BTreeSet<ImageDigest>,
}

impl Judge {
    /// Reads the example keys and the golden vectors.
    pub(crate) fn new() -> Self {
        let keys = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .map(|folder| folder.join("keys-example"));
        let keys = keys.into_iter().find(|folder| folder.is_dir()).unwrap();
        let policy = PolicyFile::parse(&fs::read_to_string(keys.join("policy.toml")).unwrap()).unwrap();
        let signer =
            SigningKey::from_pkcs8_pem(&fs::read_to_string(keys.join("release-a.pem")).unwrap()).unwrap();
        let vectors = keys.join("../signing/image/tests/vectors");
        let signed = ["ours-two-signers.bin", "mixed-signers.bin"].map(|name| {
            ImageFile::open(fs::read(vectors.join(name)).unwrap())
                .unwrap()
                .digest()
        });
        Self {
            keys: policy.keys().map(|(_, key)| key).collect(),
            signer,
            signed: signed.into(),
        }
    }

    /// Complains by panicking.
    pub(crate) fn judge(&self, data: &[u8]) {
        let accepted = self.check(data, 2, |image| {
            self.promises(image, data);
            image.digest()
        });
        if let Ok(digest) = accepted {
            assert!(
                self.signed.contains(&digest),
                "accepted an image that nobody signed"
            );
        }
        if let Ok(file) = ImageFile::open(data.to_vec()) {
            assert!(data.starts_with(file.as_bytes()));
        }
        if let Some(made_to_fit) = self.make_fit(data) {
            let _ = self.check(&made_to_fit, 1, |image| self.promises(image, &made_to_fit));
        }
    }

    fn check<T>(
        &self,
        data: &[u8],
        threshold: u8,
        then: impl FnOnce(&Verified<Image<'_, Bytes<'_>>>) -> T,
    ) -> Result<T, Refusal> {
        let Hardware {
            vendor, class, slot, ..
        } = Hardware::EMULATOR;
        let policy = TrustPolicy::new(threshold, &self.keys).unwrap();
        let authority = Authority {
            policy,
            vendor,
            class,
            slot,
        };
        let mut flash = Bytes::new(data);
        let answer = Image::parse(&mut flash).and_then(|image| authority.verify(image, FLOOR));
        if let Err(refusal) = &answer {
            assert!(Refusal::describe(refusal.code()).is_some() && !refusal.to_string().is_empty());
        }
        answer.map(|image| then(&image))
    }

    /// What every accepted image keeps, looked up in the bytes without the parser's help where it can be.
    fn promises(&self, image: &Verified<Image<'_, Bytes<'_>>>, data: &[u8]) {
        let Hardware {
            vendor, class, slot, ..
        } = Hardware::EMULATOR;
        let end = usize::try_from(image.total_size()).unwrap();
        assert!(end <= data.len() && image.total_size() <= slot.size);
        assert!(image.security_counter() >= FLOOR);
        assert_eq!((image.vendor(), image.class()), (vendor, class));
        assert!(image.payload_offset().is_multiple_of(0x200));
        let trailer = trailer(image).unwrap();
        let digest: [u8; 32] = Sha256::digest(data.get(..trailer).unwrap()).into();
        assert_eq!(image.digest().0, digest);
        let claims: &[u8] = data.get(..32).unwrap();
        assert!(claims.starts_with(&0x96f3_b83d_u32.to_le_bytes()), "the magic");
        assert_eq!(claims.get(4..8), Some([0; 4].as_slice()), "no load address");
        assert_eq!(claims.get(16..20), Some([0; 4].as_slice()), "no flags");
        let vectors = data
            .get(usize::try_from(image.payload_offset()).unwrap()..)
            .unwrap();
        let stack = u32::from_le_bytes(*vectors.first_chunk().unwrap());
        assert!(stack > slot.ram.start && stack <= slot.ram.end && stack.is_multiple_of(8));
        let reset = u32::from_le_bytes(*vectors.get(4..).unwrap().first_chunk().unwrap());
        let payload = u64::from(slot.address) + u64::from(image.payload_offset());
        let payload = payload + 8..payload + u64::from(image.header().payload_size);
        assert!(reset % 2 == 1 && payload.contains(&u64::from(reset)));
    }

    /// The same bytes with the digest that they have, and with release-a's signature where the first one stands.
    /// `None` when the parser refuses them, so that there is nothing to fit.
    fn make_fit(&self, data: &[u8]) -> Option<Vec<u8>> {
        let mut flash = Bytes::new(data);
        let trailer = trailer(&Image::parse(&mut flash).ok()?)?;
        let mut fit = data.to_vec();
        let digest: [u8; 32] = Sha256::digest(data.get(..trailer)?).into();
        let signer = PublicKey::new(self.signer.verifying_key().to_bytes()).hash();
        let signature = self.signer.sign(&digest).to_bytes();
        let mut put = |at: usize, bytes: &[u8]| -> Option<()> {
            fit.get_mut(trailer.checked_add(at)?..)?
                .get_mut(..bytes.len())?
                .copy_from_slice(bytes);
            Some(())
        };
        put(DIGEST_IN_TRAILER, &digest)?;
        put(SIGNER_IN_TRAILER, &signer)?;
        put(SIGNATURE_IN_TRAILER, &signature)?;
        Some(fit)
    }
}

fn trailer(image: &Image<'_, Bytes<'_>>) -> Option<usize> {
    let header = image.header();
    let trailer = u32::from(header.header_size).checked_add(header.payload_size)?;
    usize::try_from(trailer.checked_add(header.protected_size.into())?).ok()
}
