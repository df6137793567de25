//! Trust policies: which there are, which there are not, and how a file spells them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{key, keys, public};
use ed25519_dalek::pkcs8::EncodePublicKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use latchkey_image::policy_file::{PolicyFile, PolicyFileError, public_key_from_pem};
use latchkey_image::{MAX_KEYS, PolicyError, PublicKey, TrustPolicy};

#[test]
fn senseless_policies_are_none() {
    let [a, b, c] = keys();
    assert_eq!(TrustPolicy::new(0, &[a, b]), Err(PolicyError::NoThreshold));
    assert_eq!(TrustPolicy::new(0, &[]), Err(PolicyError::NoThreshold));
    assert_eq!(TrustPolicy::new(1, &[]), Err(PolicyError::TooFewKeys));
    assert_eq!(TrustPolicy::new(3, &[a, b]), Err(PolicyError::TooFewKeys));
    for repeated in [[a, a, b], [a, b, a], [b, a, a]] {
        assert_eq!(TrustPolicy::new(2, &repeated), Err(PolicyError::RepeatedKey));
    }
    let many: Vec<PublicKey> = (0..=8).map(public).collect();
    assert_eq!(many.len(), MAX_KEYS + 1);
    assert_eq!(TrustPolicy::new(2, &many), Err(PolicyError::TooManyKeys));
    for threshold in 1..=3 {
        let keys = [a, b, c];
        let policy = TrustPolicy::new(threshold, &keys).unwrap();
        assert_eq!((policy.threshold(), policy.keys()), (threshold, keys.as_slice()));
    }
}

/// A bootloader bakes its policy in like this; a senseless one would not compile.
#[test]
fn a_policy_can_be_a_constant() {
    const KEYS: [PublicKey; 2] = [PublicKey::new([1; 32]), PublicKey::new([2; 32])];
    const POLICY: TrustPolicy<'static> = match TrustPolicy::new(2, &KEYS) {
        Ok(policy) => policy,
        Err(_) => panic!("a senseless policy"),
    };
    assert_eq!(POLICY.threshold(), 2);
}

fn pem(number: u8) -> String {
    key(number)
        .verifying_key()
        .to_public_key_pem(LineEnding::LF)
        .unwrap()
}

fn entry(name: &str, pem: &str) -> String {
    format!("[[keys]]\nname = \"{name}\"\npublic = \"\"\"\n{pem}\"\"\"\n")
}

#[test]
fn a_file_gives_its_policy() {
    let text = format!(
        "threshold = 2\n{}{}{}",
        entry("a", &pem(1)),
        entry("b", &pem(2)),
        entry("c", &pem(3))
    );
    let file = PolicyFile::parse(&text).unwrap();
    assert_eq!(file.policy(), TrustPolicy::new(2, &keys()).unwrap());
    assert_eq!(
        file.keys().map(|(name, _)| name).collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    assert_eq!(file.example_keys().count(), 0);
}

#[test]
fn files_that_are_refused_by_name() {
    let a = entry("a", &pem(1));
    let syntax = |text: &str| {
        assert!(
            matches!(PolicyFile::parse(text), Err(PolicyFileError::Syntax(_))),
            "{text}"
        )
    };
    syntax("");
    syntax("threshold");
    syntax(&a);
    syntax(&format!("treshold = 2\nthreshold = 1\n{a}"));
    syntax(&format!("threshold = -1\n{a}"));
    syntax(&format!("threshold = 256\n{a}"));
    syntax(&format!("threshold = 1\n{a}role = \"x\"\n"));

    let refused = |text: String, error: PolicyFileError| assert_eq!(PolicyFile::parse(&text), Err(error));
    refused(
        "threshold = 1".into(),
        PolicyFileError::Policy(PolicyError::TooFewKeys),
    );
    refused(
        format!("threshold = 0\n{a}"),
        PolicyFileError::Policy(PolicyError::NoThreshold),
    );
    let same_key = format!("threshold = 1\n{a}{}", entry("b", &pem(1)));
    refused(same_key, PolicyFileError::Policy(PolicyError::RepeatedKey));
    let same_name = format!("threshold = 1\n{a}{}", entry("a", &pem(2)));
    refused(same_name, PolicyFileError::RepeatedName("a".into()));
    for unusable in [
        "",
        "no key",
        &pem(1).replace("PUBLIC", "PRIVATE"),
        &pem(1).replace("MCow", "MCox"),
    ] {
        let text = format!("threshold = 1\n{}", entry("x", unusable));
        refused(text, PolicyFileError::Key("x".into()));
    }
}

/// The neutral element in PEM: under it, a lax verifier accepts anything.
#[test]
fn a_weak_key_is_no_key() {
    let weak = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n-----END PUBLIC KEY-----\n";
    assert_eq!(public_key_from_pem(weak), None);
}
