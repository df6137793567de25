//! Private keys and passphrases: read, asked for, encrypted, and wiped from memory when done with.
//!
//! Keys are PKCS#8 PEM, version 1, because OpenSSL and Python's cryptography refuse version 2. Encrypted ones are
//! PBES2 with scrypt (N = 2^14, r = 8, p = 5) and AES-256-CBC: the strongest that Rust, OpenSSL 3 and imgtool all
//! read (OpenSSL stops at 32 MiB of scrypt memory, and reads no GCM here).

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use latchkey_image::PublicKey;
use latchkey_image::policy_file::{is_example_key, public_key_from_pem};
use pkcs8::pkcs5::{pbes2, scrypt};
use pkcs8::{LineEnding, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use crate::arguments::PassphraseSource;
use crate::failure::Failure;
use crate::files;

const SCRYPT_LOG_N: u8 = 14;
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 5;
/// Passphrases, with the end of their line, are shorter than this, in bytes.
const MAX_PASSPHRASE: usize = 1024;

/// A private key. Signs; shows itself to nobody.
pub(crate) struct PrivateKey(SigningKey);

/// What turns an encrypted key file back into a key.
pub(crate) struct Passphrase(Zeroizing<String>);

impl PrivateKey {
    /// A new key from the system's random numbers.
    pub(crate) fn generate() -> Result<Self, Failure> {
        let mut seed = Zeroizing::new([0; 32]);
        fill_random(seed.as_mut_slice())?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Reads a key file; asks for the passphrase when the file is encrypted.
    pub(crate) fn load(path: &Path, source: &PassphraseSource) -> Result<Self, Failure> {
        let pem = files::read_secret_text(path)?;
        if pem.contains("BEGIN ENCRYPTED PRIVATE KEY") {
            let passphrase = Passphrase::obtain(source, &format!("Passphrase of {}: ", path.display()))?;
            return SigningKey::from_pkcs8_encrypted_pem(pem.trim(), passphrase.0.as_bytes())
                .map(Self)
                .map_err(|_| Failure::key(path, NOT_DECRYPTED));
        }
        SigningKey::from_pkcs8_pem(pem.trim()).map(Self).map_err(|_| {
            Failure::key(
                path,
                "no Ed25519 private key in PKCS#8 PEM; make one with `latchkey-sign keygen`",
            )
        })
    }

    /// The public half.
    pub(crate) fn public(&self) -> PublicKey {
        PublicKey::new(self.0.verifying_key().to_bytes())
    }

    /// For `latchkey-image`, which signs digests with it.
    pub(crate) fn expose(&self) -> &SigningKey {
        &self.0
    }

    /// The key file, encrypted when there is a passphrase.
    pub(crate) fn to_pem(&self, passphrase: Option<&Passphrase>) -> Result<Zeroizing<String>, Failure> {
        let encode =
            |error: pkcs8::Error| Failure::Key(format!("the key cannot be written as PKCS#8: {error}"));
        let plain = KeypairBytes {
            secret_key: self.0.to_bytes(),
            public_key: None,
        };
        let Some(passphrase) = passphrase else {
            return plain.to_pkcs8_pem(LineEnding::LF).map_err(encode);
        };
        let document = plain.to_pkcs8_der().map_err(encode)?;
        let key = PrivateKeyInfoRef::try_from(document.as_bytes()).map_err(encode)?;
        let encrypted = key
            .encrypt_with_params(encryption()?, passphrase.0.as_bytes())
            .map_err(encode)?;
        encrypted
            .to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF)
            .map_err(|error| Failure::Key(format!("the key cannot be written as PEM: {error}")))
    }
}

const NOT_DECRYPTED: &str = "cannot be decrypted: the passphrase is wrong, or the encryption is not PBES2 with scrypt \
     or PBKDF2-SHA-2; in the latter case convert it with `openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256`";

fn encryption() -> Result<pbes2::Parameters, Failure> {
    let mut salt = [0; 16];
    let mut iv = [0; 16];
    fill_random(&mut salt)?;
    fill_random(&mut iv)?;
    let unusable = |what: &str| Failure::Key(format!("the key cannot be encrypted: {what}"));
    let scrypt = scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P)
        .map_err(|error| unusable(&error.to_string()))?;
    pbes2::Parameters::generate_scrypt_aes256cbc(scrypt, &salt, iv)
        .map_err(|error| unusable(&error.to_string()))
}

fn fill_random(bytes: &mut [u8]) -> Result<(), Failure> {
    getrandom::fill(bytes)
        .map_err(|error| Failure::Key(format!("the system gives no random numbers: {error}")))
}

impl Passphrase {
    /// From the file that was named, else from the terminal.
    pub(crate) fn obtain(source: &PassphraseSource, prompt: &str) -> Result<Self, Failure> {
        let passphrase = match &source.passphrase_file {
            Some(path) if path.as_os_str() == "-" => Self::first_line(std::io::stdin(), path),
            Some(path) => {
                let file = std::fs::File::open(path).map_err(|error| Failure::file(path, "read", error))?;
                Self::first_line(file, path)
            }
            None => Self::ask(prompt),
        }?;
        if passphrase.0.is_empty() {
            return Err(Failure::Key(
                "the passphrase is empty; give one, or say --no-passphrase when making a key".into(),
            ));
        }
        Ok(passphrase)
    }

    /// For a new key: asked twice on the terminal, so that a slip does not cost the key.
    pub(crate) fn obtain_new(source: &PassphraseSource, path: &Path) -> Result<Self, Failure> {
        let passphrase = Self::obtain(source, &format!("New passphrase for {}: ", path.display()))?;
        if source.passphrase_file.is_none() && Self::ask("The same again: ")?.0 != passphrase.0 {
            return Err(Failure::Key(
                "the two passphrases differ; no key was made, try again".into(),
            ));
        }
        Ok(passphrase)
    }

    fn ask(prompt: &str) -> Result<Self, Failure> {
        rpassword::prompt_password(prompt)
            .map(|line| Self(Zeroizing::new(line)))
            .map_err(|error| {
                Failure::Key(format!(
                    "cannot ask for the passphrase ({error}); give it with --passphrase-file"
                ))
            })
    }

    fn first_line(source: impl Read, path: &Path) -> Result<Self, Failure> {
        // Room for all of it at once: growing would leave copies behind.
        let mut line = Zeroizing::new(String::with_capacity(MAX_PASSPHRASE));
        let limit = u64::try_from(MAX_PASSPHRASE).unwrap_or_default();
        BufReader::new(source.take(limit))
            .read_line(&mut line)
            .map_err(|error| Failure::file(path, "read the passphrase from", error))?;
        if line.len() >= MAX_PASSPHRASE {
            return Err(Failure::key(
                path,
                "the passphrase is longer than 1023 bytes; take a shorter one",
            ));
        }
        let length = line.trim_end_matches(['\n', '\r']).len();
        line.truncate(length);
        Ok(Self(line))
    }
}

/// Reads a public key from a file with either half.
pub(crate) fn load_public(path: &Path, source: &PassphraseSource) -> Result<PublicKey, Failure> {
    let pem = files::read_secret_text(path)?;
    if pem.contains("PRIVATE KEY") {
        return PrivateKey::load(path, source).map(|key| key.public());
    }
    public_key_from_pem(&pem).ok_or_else(|| {
        Failure::key(
            path,
            "no Ed25519 public key in PEM; write it with `latchkey-sign public`",
        )
    })
}

/// Keys that everyone has are for trying things out, and only when that is said.
pub(crate) fn refuse_example(key: &PublicKey, allowed: bool, path: &Path) -> Result<(), Failure> {
    if !is_example_key(key) {
        return Ok(());
    }
    if !allowed {
        return Err(Failure::refused(
            path,
            "an example key, which everyone has; use your own, or say --allow-example-keys for a trial",
        ));
    }
    eprintln!(
        "latchkey-sign: note: {} is an example key; no release build trusts it",
        path.display()
    );
    Ok(())
}
