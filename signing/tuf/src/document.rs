//! One metadata file: what is signed, and the signatures.

use std::collections::BTreeMap;

use ed25519_dalek::{Signer as _, SigningKey};
use serde::Deserialize;
use serde_json::Value;

use crate::canonical::canonical;
use crate::key::lower_hex;
use crate::metadata::{Hashes, Role, RoleName};
use crate::{FILE_BYTES_MAX, Hash, Key, KeyId, MetaFile, Refusal, Root};

/// A metadata file. Nobody has verified it: see [`crate::Trusted`].
#[derive(Clone, Debug)]
pub struct Document<R> {
    role: R,
    /// Canonical bytes of `role`: what signatures are over.
    signed: Vec<u8>,
    signatures: BTreeMap<KeyId, [u8; 64]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    signatures: Vec<Entry>,
    signed: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    keyid: KeyId,
    sig: String,
}

impl<R: Role> Document<R> {
    /// A file that nobody has signed yet.
    ///
    /// # Errors
    /// It breaks a rule of its kind, or says something that is not printable ASCII.
    pub fn new(role: R) -> Result<Self, Refusal> {
        let value = serde_json::to_value(&role).map_err(|error| Refusal::Shape(error.to_string()))?;
        let signed = canonical(&value)?;
        role.common().check(R::NAME)?;
        role.check()?;
        Ok(Self {
            role,
            signed,
            signatures: BTreeMap::new(),
        })
    }

    /// Reads a file. What it says beyond what is understood here is refused, so that what is read is what is signed.
    ///
    /// # Errors
    /// The rule that is broken, by name.
    pub fn parse(file: &[u8]) -> Result<Self, Refusal> {
        if file.len() > FILE_BYTES_MAX {
            return Err(Refusal::TooLong);
        }
        let shape = |error: serde_json::Error| Refusal::Shape(error.to_string());
        let file: File = serde_json::from_slice(file).map_err(shape)?;
        let kind = file.signed.get("_type").and_then(Value::as_str).unwrap_or("?");
        if kind != R::NAME.as_str() {
            return Err(Refusal::Shape(format!("it is {kind:?}, not {}", R::NAME)));
        }
        let signed = canonical(&file.signed)?;
        let role: R = serde_json::from_value(file.signed).map_err(shape)?;
        let mut document = Self::new(role)?;
        // No file gets this far today: each field has one spelling. It is for the first field that will have two.
        if document.signed != signed {
            return Err(Refusal::SaysMore);
        }
        for Entry { keyid, sig } in file.signatures {
            let signature = lower_hex(&sig).ok_or(Refusal::NotHex(sig))?;
            if document.signatures.insert(keyid, signature).is_some() {
                return Err(Refusal::SignedTwice(keyid));
            }
        }
        Ok(document)
    }

    /// What it says, proven or not.
    #[must_use]
    pub const fn claims(&self) -> &R {
        &self.role
    }

    /// Adds a signature, in place of one by the same key.
    pub fn sign(&mut self, key: &SigningKey) -> Result<KeyId, Refusal> {
        let id = Key::new(&key.verifying_key().to_bytes())?.id();
        self.signatures.insert(id, key.sign(&self.signed).to_bytes());
        Ok(id)
    }

    /// Which of the keys that this root wants for its kind have signed it: each counts once, whatever the file holds.
    #[must_use]
    pub fn signers(&self, root: &Root) -> Vec<KeyId> {
        let wanted = &root.signers(R::NAME).keyids;
        let signed = |id: &&KeyId| {
            let (key, signature) = (root.keys.get(*id), self.signatures.get(*id));
            key.zip(signature)
                .is_some_and(|(key, signature)| key.signed(&self.signed, signature))
        };
        let mut signers: Vec<KeyId> = wanted.iter().filter(signed).copied().collect();
        signers.sort();
        signers.dedup();
        signers
    }

    /// Takes out every signature but those by these keys.
    pub(crate) fn keep(&mut self, signers: &[KeyId]) {
        self.signatures.retain(|id, _| signers.contains(id));
    }

    /// The file's bytes: canonical JSON and a line break. One document has one file.
    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        let signatures: Vec<String> = self
            .signatures
            .iter()
            .map(|(id, signature)| format!(r#"{{"keyid":"{id}","sig":"{}"}}"#, hex::encode(signature)))
            .collect();
        let mut file = format!(r#"{{"signatures":[{}],"signed":"#, signatures.join(",")).into_bytes();
        file.extend_from_slice(&self.signed);
        file.extend_from_slice(b"}\n");
        file
    }

    /// How other metadata name this file.
    #[must_use]
    pub fn meta(&self) -> MetaFile {
        let file = self.to_file();
        MetaFile {
            hashes: Hashes {
                sha256: Hash::of(&file),
            },
            length: file.len() as u64,
            version: self.role.version(),
        }
    }
}

/// Which kind of metadata a file claims to be.
///
/// # Errors
/// [`Refusal::Shape`] when it is none.
pub fn kind(file: &[u8]) -> Result<RoleName, Refusal> {
    #[derive(Deserialize)]
    struct Outer {
        signed: Inner,
    }
    #[derive(Deserialize)]
    struct Inner {
        #[serde(rename = "_type")]
        kind: RoleName,
    }
    if file.len() > FILE_BYTES_MAX {
        return Err(Refusal::TooLong);
    }
    let outer: Outer = serde_json::from_slice(file).map_err(|error| Refusal::Shape(error.to_string()))?;
    Ok(outer.signed.kind)
}
