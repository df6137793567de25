//! Trust policies as people keep them: a TOML file with a threshold and named public keys.
//!
//! ```toml
//! threshold = 2
//!
//! [[keys]]
//! name = "release-a"
//! public = """
//! -----BEGIN PUBLIC KEY-----
//! MCowBQYDK2VwAyEA…
//! -----END PUBLIC KEY-----
//! """
//! ```
//!
//! Reads text, never files. A field that is not known is refused: a misspelt threshold must not pass.

use std::fmt;
use std::string::String;
use std::vec::Vec;

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::DecodePublicKey;
use serde::Deserialize;

use crate::{EXAMPLE_KEY_HASHES, PolicyError, PublicKey, TrustPolicy};

/// A policy file whose policy makes sense and whose keys are usable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFile {
    threshold: u8,
    names: Vec<String>,
    keys: Vec<PublicKey>,
}

/// Why a policy file was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyFileError {
    /// Not TOML, or not with these fields.
    Syntax(String),
    /// This key is no Ed25519 public key in PEM.
    Key(String),
    /// Two keys have this name.
    RepeatedName(String),
    /// The keys and the threshold make no policy.
    Policy(PolicyError),
}

impl fmt::Display for PolicyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(message) => write!(f, "the policy file cannot be read: {message}"),
            Self::Key(name) => write!(
                f,
                "the policy's key \"{name}\" is no Ed25519 public key in PEM; write it with `latchkey-sign public`"
            ),
            Self::RepeatedName(name) => write!(f, "the policy names two keys \"{name}\"; name each once"),
            Self::Policy(error) => write!(f, "the policy makes no sense: {error}"),
        }
    }
}

impl std::error::Error for PolicyFileError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    threshold: u8,
    #[serde(default)]
    keys: Vec<NamedKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedKey {
    name: String,
    public: String,
}

impl PolicyFile {
    /// Reads a policy from the file's text.
    ///
    /// # Errors
    /// [`PolicyFileError`]
    pub fn parse(text: &str) -> Result<Self, PolicyFileError> {
        let text: Text = toml::from_str(text).map_err(|error| PolicyFileError::Syntax(error.to_string()))?;
        let mut file = Self {
            threshold: text.threshold,
            names: Vec::new(),
            keys: Vec::new(),
        };
        for NamedKey { name, public } in text.keys {
            let key = public_key_from_pem(&public).ok_or_else(|| PolicyFileError::Key(name.clone()))?;
            if file.names.contains(&name) {
                return Err(PolicyFileError::RepeatedName(name));
            }
            file.names.push(name);
            file.keys.push(key);
        }
        TrustPolicy::new(file.threshold, &file.keys).map_err(PolicyFileError::Policy)?;
        Ok(file)
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> TrustPolicy<'_> {
        TrustPolicy::checked_before(self.threshold, &self.keys)
    }

    /// How many different keys must have signed.
    #[must_use]
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// The keys with their names, in the file's order.
    pub fn keys(&self) -> impl Iterator<Item = (&str, PublicKey)> {
        self.names
            .iter()
            .map(String::as_str)
            .zip(self.keys.iter().copied())
    }

    /// The names of keys that everyone has. A release build refuses a policy with any.
    pub fn example_keys(&self) -> impl Iterator<Item = &str> {
        self.keys()
            .filter(|(_, key)| is_example_key(key))
            .map(|(name, _)| name)
    }
}

/// Whether this is one of the keys in `keys-example/`, which everyone has.
#[must_use]
pub fn is_example_key(key: &PublicKey) -> bool {
    EXAMPLE_KEY_HASHES.contains(&key.hash())
}

/// Reads an Ed25519 public key (SubjectPublicKeyInfo in PEM); `None` when it is none, or none that is usable.
#[must_use]
pub fn public_key_from_pem(pem: &str) -> Option<PublicKey> {
    let key = VerifyingKey::from_public_key_pem(pem.trim()).ok()?;
    Some(PublicKey::new(key.to_bytes())).filter(PublicKey::is_usable)
}
