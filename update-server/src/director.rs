//! The director key: signs what a lock may install.
//!
//! It stays in this module; out come signatures and the public half. It cannot make an image that boots.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use ed25519_dalek::pkcs8::spki::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use ed25519_dalek::{Signer as _, SigningKey};
use latchkey_directive::{MAX_SEALED, Purpose, SealError, seal};
use latchkey_image::policy_file::is_example_key;
use zeroize::{Zeroize as _, Zeroizing};

use crate::ids;

/// A key file longer than this is none.
const KEY_FILE_BYTES_MAX: u64 = 4096;

/// The director's private key. Neither printable nor copyable; wiped on drop.
pub struct DirectorKey(SigningKey);

impl DirectorKey {
    /// Takes the key at `path`, or makes one there when there is none.
    ///
    /// # Errors
    /// The file cannot be read or made, is readable by others, is no unencrypted Ed25519 PKCS#8 PEM, or is an
    /// example key and `allow_example` is not set. Each says what to do.
    pub fn open_or_create(path: &Path, allow_example: bool) -> anyhow::Result<Self> {
        match Self::open(path, allow_example) {
            Err(error) if is_not_found(&error) => Self::create(path),
            other => other,
        }
    }

    /// Takes the key at `path`.
    ///
    /// # Errors
    /// As [`Self::open_or_create`], and when there is none.
    pub fn open(path: &Path, allow_example: bool) -> anyhow::Result<Self> {
        let shown = path.display();
        let about =
            std::fs::metadata(path).with_context(|| format!("cannot read the director key {shown}"))?;
        if about.len() > KEY_FILE_BYTES_MAX {
            bail!("{shown} is no director key: it is longer than {KEY_FILE_BYTES_MAX} bytes");
        }
        let pem = Zeroizing::new(
            std::fs::read_to_string(path).with_context(|| format!("cannot read the director key {shown}"))?,
        );
        let key = SigningKey::from_pkcs8_pem(&pem).map_err(|_| {
            anyhow::anyhow!(
                "{shown} is no unencrypted Ed25519 PKCS#8 PEM file; `latchkey-sign keygen --no-passphrase` or \
                 the server's first start makes one"
            )
        })?;
        let key = Self(key);
        if key.is_example() {
            if !allow_example {
                bail!(
                    "{shown} is an example key that everybody has: whoever reaches a lock could direct it. \
                     Leave --director-key away to get a key of your own, or say --allow-example-keys to try \
                     things out"
                );
            }
        } else if about.mode() & 0o077 != 0 {
            bail!(
                "{shown} may be read by others (mode {:o}); run: chmod 600 {shown}",
                about.mode() & 0o777
            );
        }
        Ok(key)
    }

    /// Makes a key and puts it at `path`: whole or not at all, on disk before it is used, never over another.
    fn create(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let mut secret = Zeroizing::new(ids::random::<32>()?);
        let key = SigningKey::from_bytes(&secret);
        // Version 1, without the public half: OpenSSL and others refuse version 2.
        let mut pair = KeypairBytes {
            secret_key: *secret,
            public_key: None,
        };
        let pem = pair.to_pkcs8_pem(LineEnding::LF);
        pair.secret_key.zeroize();
        secret.zeroize();
        let pem = pem.map_err(|_| anyhow::anyhow!("cannot encode the new director key"))?;

        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut draft = path.as_os_str().to_owned();
        draft.push(format!(".{}.new", hex::encode(ids::random::<8>()?)));
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&draft)?;
            file.write_all(pem.as_bytes())?;
            file.sync_all()?;
            // A link, not a rename: it fails when another start was quicker, and its key stays.
            std::fs::hard_link(&draft, path)?;
            File::open(folder)?.sync_all()
        };
        let written = write();
        let removed = std::fs::remove_file(&draft);
        written.with_context(|| format!("cannot keep the new director key at {shown}"))?;
        removed.with_context(|| format!("cannot remove the draft of the new director key beside {shown}"))?;
        Ok(Self(key))
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
        self.0
            .verifying_key()
            .to_public_key_pem(LineEnding::LF)
            .map_err(|_| anyhow::anyhow!("cannot encode the director's public key"))
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

    fn is_example(&self) -> bool {
        is_example_key(&latchkey_image::PublicKey::new(self.public()))
    }
}

fn is_not_found(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_kept_closed_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("director.pem");
        let made = DirectorKey::open_or_create(&path, false).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let found = DirectorKey::open_or_create(&path, false).unwrap();
        assert_eq!(made.public(), found.public());
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "a draft is left"
        );
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("director.pem");
        DirectorKey::open_or_create(&path, false).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = DirectorKey::open(&path, false).err().unwrap().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_key_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("director.pem");
        for content in [
            "",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            &"x".repeat(5000),
        ] {
            std::fs::write(&path, content).unwrap();
            assert!(DirectorKey::open_or_create(&path, false).is_err());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
    }
}
