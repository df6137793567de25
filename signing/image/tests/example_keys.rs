//! `keys-example/` holds exactly the keys that [`EXAMPLE_KEY_HASHES`] refuses, and its policy names no others.
//!
//! The keys are derived from their names, so that anyone can see that they are nobody's secret. With
//! `LATCHKEY_WRITE_EXAMPLE_KEYS=1` this test writes the folder anew before it compares.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, KeypairBytes};
use latchkey_image::policy_file::{PolicyFile, is_example_key, public_key_from_pem};
use latchkey_image::{EXAMPLE_KEY_HASHES, PublicKey};
use sha2::{Digest, Sha256};

/// In the order of [`EXAMPLE_KEY_HASHES`].
const NAMES: [&str; 4] = ["release-a", "release-b", "release-c", "director"];
const THRESHOLD: u8 = 2;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../keys-example"))
}

fn key(name: &str) -> SigningKey {
    SigningKey::from_bytes(&Sha256::digest(format!("Latchkey example key, worthless: {name}")).into())
}

/// File name to content, for every file but the README.
fn expected_files() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut policy = format!(
        "# The trust policy of the examples: {THRESHOLD} of 3. Release builds refuse it, because everyone has its keys.\n\
         threshold = {THRESHOLD}\n"
    );
    for name in NAMES {
        let key = key(name);
        let private = KeypairBytes {
            secret_key: key.to_bytes(),
            public_key: None,
        };
        let private = private.to_pkcs8_pem(LineEnding::LF).unwrap();
        let public = key.verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
        if name.starts_with("release") {
            policy.push_str(&format!(
                "\n[[keys]]\nname = \"{name}\"\npublic = \"\"\"\n{public}\"\"\"\n"
            ));
        }
        files.insert(format!("{name}.pem"), private.to_string());
        files.insert(format!("{name}.pub.pem"), public);
    }
    files.insert("policy.toml".into(), policy);
    files
}

#[test]
fn the_folder_holds_these_keys_and_nothing_else() {
    let expected = expected_files();
    if std::env::var_os("LATCHKEY_WRITE_EXAMPLE_KEYS").is_some() {
        for (name, content) in &expected {
            fs::write(folder().join(name), content).unwrap();
        }
    }
    let mut found = BTreeMap::new();
    for file in fs::read_dir(folder()).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        if name != "README.md" {
            found.insert(name, fs::read_to_string(file.path()).unwrap());
        }
    }
    assert_eq!(found, expected);
}

#[test]
fn the_refused_hashes_are_those_of_the_folder() {
    let hashes = NAMES.map(|name| {
        let pem = fs::read_to_string(folder().join(format!("{name}.pub.pem"))).unwrap();
        public_key_from_pem(&pem).unwrap().hash()
    });
    let listing = hashes.map(hex::encode);
    assert_eq!(hashes.as_slice(), EXAMPLE_KEY_HASHES.as_slice(), "{listing:#?}");
}

#[test]
fn the_private_halves_fit_and_are_recognised() {
    for name in NAMES {
        let pem = fs::read_to_string(folder().join(format!("{name}.pem"))).unwrap();
        let public = SigningKey::from_pkcs8_pem(&pem)
            .unwrap()
            .verifying_key()
            .to_bytes();
        assert!(is_example_key(&PublicKey::new(public)), "{name}");
    }
    assert!(!is_example_key(&PublicKey::new(
        key("somebody else").verifying_key().to_bytes()
    )));
}

#[test]
fn the_policy_knows_all_its_keys_for_examples() {
    let text = fs::read_to_string(folder().join("policy.toml")).unwrap();
    let file = PolicyFile::parse(&text).unwrap();
    assert_eq!(file.policy().threshold(), THRESHOLD);
    let examples: Vec<&str> = file.example_keys().collect();
    assert_eq!(examples, ["release-a", "release-b", "release-c"]);
}
