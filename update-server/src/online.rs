//! The server's key in the TUF repository: signs which metadata belong together and which are the newest.
//!
//! It stays in this module. It can hold clients at an older list of images until that expires, and choose among lists
//! that release engineers signed; it cannot list an image, and no root that names it for more is accepted.

use std::path::Path;

use ed25519_dalek::SigningKey;
use latchkey_tuf::{Document, Key, Refusal, Snapshot, Timestamp};

use crate::key_file;

const PURPOSE: key_file::Purpose = key_file::Purpose {
    name: "TUF key",
    option: "--tuf-key",
    danger: "anybody could tell clients which list of images is the newest",
};

/// The server's private key for snapshot and timestamp. Neither printable nor copyable; wiped on drop.
pub struct OnlineKey(SigningKey);

impl OnlineKey {
    /// Takes the key at `path`, or makes one there when there is none.
    ///
    /// # Errors
    /// As [`crate::director::DirectorKey::open_or_create`].
    pub fn open_or_create(path: &Path, allow_example: bool) -> anyhow::Result<Self> {
        key_file::open_or_create(path, PURPOSE, allow_example).map(Self)
    }

    /// The public half.
    ///
    /// # Errors
    /// It is no usable key.
    pub fn public(&self) -> Result<Key, Refusal> {
        Key::new(&self.0.verifying_key().to_bytes())
    }

    /// The public half as a PEM file, for `latchkey-sign tuf root`.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn public_pem(&self) -> anyhow::Result<String> {
        key_file::public_pem(&self.0)
    }

    pub(crate) fn snapshot(&self, snapshot: Snapshot) -> Result<Document<Snapshot>, Refusal> {
        let mut document = Document::new(snapshot)?;
        document.sign(&self.0)?;
        Ok(document)
    }

    pub(crate) fn timestamp(&self, timestamp: Timestamp) -> Result<Document<Timestamp>, Refusal> {
        let mut document = Document::new(timestamp)?;
        document.sign(&self.0)?;
        Ok(document)
    }
}
