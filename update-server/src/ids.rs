//! The names of things as text: how digests, devices, versions and random names are written and read back.

use latchkey_directive::DeviceId;
use latchkey_image::{ImageDigest, Uuid, Version};

/// Reads exactly `N` bytes of lower-case hex; one value has one spelling.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let mut out = [0; N];
    hex::decode_to_slice(text, &mut out).ok()?;
    Some(out)
}

/// Reads an image digest: 64 lower-case hex digits.
#[must_use]
pub fn digest(text: &str) -> Option<ImageDigest> {
    bytes(text).map(ImageDigest)
}

/// Reads a device's name: 32 lower-case hex digits.
#[must_use]
pub fn device(text: &str) -> Option<DeviceId> {
    bytes(text).map(DeviceId)
}

/// Reads a public key: 64 lower-case hex digits.
#[must_use]
pub fn public_key(text: &str) -> Option<latchkey_directive::PublicKey> {
    latchkey_directive::PublicKey::from_bytes(&bytes(text)?)
}

/// Reads a SHA-256 hash: 64 lower-case hex digits.
#[must_use]
pub fn hash(text: &str) -> Option<[u8; 32]> {
    bytes(text)
}

/// Reads a UUID as RFC 9562 prints it.
#[must_use]
pub fn uuid(text: &str) -> Option<Uuid> {
    let uuid = bytes(&text.replace('-', "")).map(Uuid)?;
    (uuid.to_string() == text).then_some(uuid)
}

/// Reads a version as `Version` prints it, `1.2.3+4`.
#[must_use]
pub fn version(text: &str) -> Option<Version> {
    let (numbers, build) = text.split_once('+')?;
    let mut numbers = numbers.split('.');
    let version = Version {
        major: numbers.next()?.parse().ok()?,
        minor: numbers.next()?.parse().ok()?,
        revision: numbers.next()?.parse().ok()?,
        build: build.parse().ok()?,
    };
    (version.to_string() == text).then_some(version)
}

/// `N` random bytes from the operating system.
///
/// # Errors
/// The system has no randomness to give; nothing may go on without.
pub fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut out = [0; N];
    getrandom::fill(&mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_spelling() {
        let spelled = "00112233445566778899aabbccddeeff";
        assert_eq!(device(spelled).map(|id| id.to_string()).as_deref(), Some(spelled));
        for other in [
            "",
            "00",
            &spelled.to_uppercase(),
            &format!("{spelled}00"),
            &format!(" {spelled}"),
        ] {
            assert_eq!(device(other), None, "{other:?}");
        }
        assert_eq!(
            version("1.2.3+4").map(|v| v.to_string()).as_deref(),
            Some("1.2.3+4")
        );
        for other in [
            "1.2.3",
            "01.2.3+4",
            "256.0.0+0",
            "1.2.3.4+5",
            "1.2.3+",
            "+1.2.3+4",
            "1.2.3+-4",
        ] {
            assert_eq!(version(other), None, "{other:?}");
        }
        assert!(uuid("cfbff0d1-9375-5685-968c-48ce8b15ae17").is_some());
        for other in [
            "cfbff0d193755685968c48ce8b15ae17",
            "CFBFF0D1-9375-5685-968c-48ce8b15ae17",
        ] {
            assert_eq!(uuid(other), None, "{other:?}");
        }
    }
}
