//! Private keys that the server holds, each in a file of its own: taken when it is there, made when it is not.
//!
//! PKCS#8 PEM, version 1, which OpenSSL and Python read as well. A file that others may read is refused.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use latchkey_image::policy_file::is_example_key;
use zeroize::{Zeroize as _, Zeroizing};

use crate::ids;

/// A key file longer than this is none.
const KEY_FILE_BYTES_MAX: u64 = 4096;

/// What a key is for, in messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purpose {
    /// `director key`.
    pub(crate) name: &'static str,
    /// `--director-key`.
    pub(crate) option: &'static str,
    /// What somebody could do who has it.
    pub(crate) danger: &'static str,
}

/// Takes the key at `path`, or makes one there when there is none.
///
/// # Errors
/// The file cannot be read or made, is readable by others, is no unencrypted Ed25519 PKCS#8 PEM, or is an
/// example key and `allow_example` is not set. Each says what to do.
pub(crate) fn open_or_create(
    path: &Path,
    purpose: Purpose,
    allow_example: bool,
) -> anyhow::Result<SigningKey> {
    match open(path, purpose, allow_example) {
        Err(error) if is_not_found(&error) => create(path, purpose),
        other => other,
    }
}

/// Takes the key at `path`.
///
/// # Errors
/// As [`open_or_create`], and when there is none.
pub(crate) fn open(path: &Path, purpose: Purpose, allow_example: bool) -> anyhow::Result<SigningKey> {
    let shown = path.display();
    let Purpose { name, option, danger } = purpose;
    let (pem, about) = read(path, name)?;
    let key = SigningKey::from_pkcs8_pem(&pem).map_err(|_| {
        anyhow::anyhow!(
            "{shown} is no unencrypted Ed25519 PKCS#8 PEM file; `latchkey-sign keygen --no-passphrase` or \
             the server's first start makes one"
        )
    })?;
    if is_example_key(&latchkey_image::PublicKey::new(key.verifying_key().to_bytes())) {
        if !allow_example {
            bail!(
                "{shown} is an example key that everybody has: {danger}. Leave {option} away to get a key of \
                 your own, or say --allow-example-keys to try things out"
            );
        }
    } else {
        check_private(path, &about)?;
    }
    Ok(key)
}

/// Reads a secret that is text of others' making.
///
/// # Errors
/// The file cannot be read, is too long, is empty, or is readable by others.
pub(crate) fn read_secret(path: &Path, name: &str) -> anyhow::Result<Zeroizing<String>> {
    let (text, about) = read(path, name)?;
    check_private(path, &about)?;
    if text.trim().is_empty() {
        bail!("there is no {name} in {}", path.display());
    }
    Ok(text)
}

fn read(path: &Path, name: &str) -> anyhow::Result<(Zeroizing<String>, Metadata)> {
    let shown = path.display();
    let about = std::fs::metadata(path).with_context(|| format!("cannot read the {name} {shown}"))?;
    if about.len() > KEY_FILE_BYTES_MAX {
        bail!("{shown} is no {name}: it is longer than {KEY_FILE_BYTES_MAX} bytes");
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the {name} {shown}"))?;
    Ok((Zeroizing::new(text), about))
}

fn check_private(path: &Path, about: &Metadata) -> anyhow::Result<()> {
    if about.mode() & 0o077 == 0 {
        return Ok(());
    }
    let shown = path.display();
    bail!(
        "{shown} may be read by others (mode {:o}); run: chmod 600 {shown}",
        about.mode() & 0o777
    );
}

/// Makes a key and puts it at `path`: whole or not at all, on disk before it is used, never over another.
fn create(path: &Path, Purpose { name, .. }: Purpose) -> anyhow::Result<SigningKey> {
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
    let pem = pem.map_err(|_| anyhow::anyhow!("cannot encode the new {name}"))?;

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
    written.with_context(|| format!("cannot keep the new {name} at {shown}"))?;
    removed.with_context(|| format!("cannot remove the draft of the new {name} beside {shown}"))?;
    Ok(key)
}

/// The public half of a key as a PEM file.
///
/// # Errors
/// It cannot be encoded.
pub(crate) fn public_pem(key: &SigningKey) -> anyhow::Result<String> {
    key.verifying_key()
        .to_public_key_pem(LineEnding::LF)
        .map_err(|_| anyhow::anyhow!("cannot encode the public key"))
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

    const PURPOSE: Purpose = Purpose {
        name: "test key",
        option: "--test-key",
        danger: "none",
    };

    fn public(key: &SigningKey) -> [u8; 32] {
        key.verifying_key().to_bytes()
    }

    #[test]
    fn a_key_is_made_once_kept_closed_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        let made = open_or_create(&path, PURPOSE, false).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let found = open_or_create(&path, PURPOSE, false).unwrap();
        assert_eq!(public(&made), public(&found));
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "a draft is left"
        );
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        open_or_create(&path, PURPOSE, false).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = open(&path, PURPOSE, false).err().unwrap().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_key_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        for content in [
            "",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            &"x".repeat(5000),
        ] {
            std::fs::write(&path, content).unwrap();
            assert!(open_or_create(&path, PURPOSE, false).is_err());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
    }
}
