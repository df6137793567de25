//! Images that break one rule each and are otherwise right: hashed and signed by two known keys, so that
//! nothing but the broken rule can be why they are refused.

use ed25519_dalek::Signer;
use latchkey_image::tlv;
use sha2::{Digest, Sha256};

use super::{image, key, public};

/// The parts of an image, free to be wrong.
pub(crate) struct Forge {
    pub(crate) header: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    /// Entries of the protected area.
    pub(crate) protected: Vec<(u16, Vec<u8>)>,
    /// What to add to the protected size in the header.
    pub(crate) protected_size_off_by: i32,
    /// Entries of the trailer before the digest, between digest and signatures, and behind them.
    pub(crate) first: Vec<(u16, Vec<u8>)>,
    pub(crate) middle: Vec<(u16, Vec<u8>)>,
    pub(crate) last: Vec<(u16, Vec<u8>)>,
    pub(crate) signers: Vec<u8>,
    pub(crate) with_digest: bool,
}

impl Forge {
    /// As `super::image(600, &[1, 2])`.
    pub(crate) fn right() -> Self {
        let file = image(600, &[]).into_bytes();
        let vendor = latchkey_image::Hardware::EMULATOR.vendor.0.to_vec();
        let class = latchkey_image::Hardware::EMULATOR.class.0.to_vec();
        Self {
            header: file[..0x200].to_vec(),
            payload: file[0x200..0x200 + 600].to_vec(),
            protected: vec![
                (tlv::SEC_CNT, vec![7, 0, 0, 0]),
                (tlv::UUID_VID, vendor),
                (tlv::UUID_CID, class),
            ],
            protected_size_off_by: 0,
            first: vec![],
            middle: vec![],
            last: vec![],
            signers: vec![1, 2],
            with_digest: true,
        }
    }

    pub(crate) fn patched(mut self, at: usize, bytes: &[u8]) -> Self {
        self.header[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(crate) fn with_protected(mut self, kind: u16, value: &[u8]) -> Self {
        self.protected.push((kind, value.to_vec()));
        self
    }

    pub(crate) fn without_protected(mut self, kind: u16) -> Self {
        self.protected.retain(|(found, _)| *found != kind);
        self
    }

    pub(crate) fn signed_by(mut self, signers: &[u8]) -> Self {
        self.signers = signers.to_vec();
        self
    }

    pub(crate) fn forge(&self) -> Vec<u8> {
        let mut bytes = self.header.clone();
        let protected = area(tlv::PROTECTED_MAGIC, &self.protected);
        let claimed = protected.len() as i32 + self.protected_size_off_by;
        bytes[10..12].copy_from_slice(&(claimed as u16).to_le_bytes());
        bytes.extend(&self.payload);
        bytes.extend(protected);
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let mut entries = self.first.clone();
        if self.with_digest {
            entries.push((tlv::SHA256, digest.to_vec()));
        }
        entries.extend(self.middle.clone());
        for number in &self.signers {
            entries.push((tlv::KEYHASH, public(*number).hash().to_vec()));
            entries.push((tlv::ED25519, key(*number).sign(&digest).to_bytes().to_vec()));
        }
        entries.extend(self.last.clone());
        bytes.extend(area(tlv::MAGIC, &entries));
        bytes
    }
}

fn area(magic: u16, entries: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, value) in entries {
        body.extend(kind.to_le_bytes());
        body.extend((value.len() as u16).to_le_bytes());
        body.extend(value);
    }
    let total = body.len() as u16 + 4;
    [&magic.to_le_bytes(), &total.to_le_bytes(), body.as_slice()].concat()
}
