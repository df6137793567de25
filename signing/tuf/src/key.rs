//! Keys and their names.

use std::fmt;

use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::Refusal;

/// A key's name: SHA-256 of its canonical JSON. Printed as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId([u8; 32]);

/// An Ed25519 public key: a point on the curve, and none of the weak ones.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Shape", into = "Shape")]
pub struct Key(VerifyingKey);

/// A key as metadata has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    keytype: String,
    keyval: Value,
    scheme: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Value {
    public: String,
}

const ED25519: &str = "ed25519";

impl Key {
    /// The key of these bytes.
    ///
    /// # Errors
    /// [`Refusal::BadKey`] when they are none, or one under which anything verifies.
    pub fn new(public: &[u8; 32]) -> Result<Self, Refusal> {
        VerifyingKey::from_bytes(public)
            .ok()
            .filter(|key| !key.is_weak())
            .map(Self)
            .ok_or_else(|| Refusal::BadKey(hex::encode(public)))
    }

    /// The 32 bytes.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let canonical = format!(
            r#"{{"keytype":"ed25519","keyval":{{"public":"{}"}},"scheme":"ed25519"}}"#,
            hex::encode(self.public())
        );
        KeyId(Sha256::digest(canonical.as_bytes()).into())
    }

    /// Whether this key signed these bytes: strictly, so that there is one reading of a signature.
    #[must_use]
    pub fn signed(&self, bytes: &[u8], signature: &[u8; 64]) -> bool {
        self.0
            .verify_strict(bytes, &Signature::from_bytes(signature))
            .is_ok()
    }
}

impl TryFrom<Shape> for Key {
    type Error = Refusal;

    fn try_from(shape: Shape) -> Result<Self, Refusal> {
        if shape.keytype != ED25519 || shape.scheme != ED25519 {
            return Err(Refusal::OtherScheme(shape.scheme));
        }
        let public = lower_hex(&shape.keyval.public).ok_or(Refusal::BadKey(shape.keyval.public))?;
        Self::new(&public)
    }
}

impl From<Key> for Shape {
    fn from(key: Key) -> Self {
        Self {
            keytype: ED25519.to_owned(),
            keyval: Value {
                public: hex::encode(key.public()),
            },
            scheme: ED25519.to_owned(),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", hex::encode(self.public()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for KeyId {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        lower_hex(&text).map(Self).ok_or(Refusal::NotHex(text))
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

/// Exactly `N` bytes of lower-case hex: one value has one spelling.
pub(crate) fn lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut out = [0; N];
    let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    (lower && hex::decode_to_slice(text, &mut out).is_ok()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_as_other_implementations_name_it() {
        // The public key of RFC 8032's first test vector; the id was computed with Python's json and hashlib.
        let public = lower_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").unwrap();
        let key = Key::new(&public).unwrap();
        assert_eq!(
            key.id().to_string(),
            "74c181c7ad8a0855d4b55e44d2ba87aabdddb196832571f15f92fece332e4916"
        );
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<Key>(&json).unwrap(), key);
    }

    #[test]
    fn keys_under_which_anything_verifies_are_refused() {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert!(matches!(Key::new(&neutral), Err(Refusal::BadKey(_))));
        assert!(Key::new(&[0; 32]).is_err());
    }

    #[test]
    fn keys_of_other_kinds_and_spellings_are_refused() {
        let good = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let json = |kind: &str, scheme: &str, public: &str| {
            format!(r#"{{"keytype":"{kind}","keyval":{{"public":"{public}"}},"scheme":"{scheme}"}}"#)
        };
        assert!(serde_json::from_str::<Key>(&json("ed25519", "ed25519", good)).is_ok());
        for bad in [
            json("rsa", "ed25519", good),
            json("ed25519", "rsassa-pss-sha256", good),
            json("ed25519", "ed25519", &good.to_uppercase()),
            json("ed25519", "ed25519", &good[2..]),
        ] {
            assert!(serde_json::from_str::<Key>(&bad).is_err(), "{bad}");
        }
    }
}
