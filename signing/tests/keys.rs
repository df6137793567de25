//! Keys, passphrases and detached signatures: what is written, what is refused with which exit code, and that a
//! refusal leaves no file behind.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod bench;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bench::{Bench, DONE, FILE, KEY, KEY_A, NEW, REFUSED, USAGE, with_signed};
use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signer, SigningKey};

#[test]
fn a_new_key_is_encrypted_private_to_its_owner_and_never_overwrites() {
    let bench = Bench::new();
    fs::write(bench.path("passphrase"), "correct horse\nsecond line\n").unwrap();
    bench.ends("keygen --out key.pem --passphrase-file passphrase", DONE);
    let pem = fs::read_to_string(bench.path("key.pem")).unwrap();
    assert!(
        pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"),
        "{pem}"
    );
    assert_eq!(
        fs::metadata(bench.path("key.pem")).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let decrypted = SigningKey::from_pkcs8_encrypted_pem(&pem, "correct horse").unwrap();
    let facts = bench.json("public --key key.pem --passphrase-file passphrase --json");
    assert_eq!(
        facts["public_key"],
        hex::encode(decrypted.verifying_key().as_bytes())
    );
    bench.refuses(
        "keygen --out key.pem --passphrase-file passphrase",
        FILE,
        "not overwritten",
    );
    bench.refuses("keygen --out key.pem --no-passphrase", FILE, "not overwritten");
}

#[test]
fn an_unencrypted_key_only_when_it_is_said() {
    let bench = Bench::new();
    bench.refuses(
        "keygen --out key.pem --passphrase-file app.bin --no-passphrase",
        USAGE,
        "cannot be used with",
    );
    bench.ends("keygen --out key.pem --no-passphrase", DONE);
    let pem = fs::read_to_string(bench.path("key.pem")).unwrap();
    assert!(SigningKey::from_pkcs8_pem(&pem).is_ok());
    let public = bench.run("public --key key.pem").stdout;
    fs::write(bench.path("key.pub.pem"), &public).unwrap();
    assert_eq!(
        bench.run("public --key key.pub.pem").stdout,
        public,
        "the public half of a public key"
    );
    bench.refuses("public --key key.pem --out key.pub.pem", FILE, "not overwritten");
}

#[test]
fn passphrases_that_are_wrong_empty_or_missing() {
    let bench = Bench::new();
    fs::write(bench.path("right"), "correct horse").unwrap();
    fs::write(bench.path("wrong"), "incorrect horse").unwrap();
    fs::write(bench.path("empty"), "\n").unwrap();
    bench.ends("keygen --out key.pem --passphrase-file right", DONE);
    bench.refuses(
        "public --key key.pem --passphrase-file wrong",
        KEY,
        "the passphrase is wrong",
    );
    bench.refuses(
        "public --key key.pem --passphrase-file empty",
        KEY,
        "the passphrase is empty",
    );
    bench.refuses(
        "public --key key.pem --passphrase-file nowhere",
        FILE,
        "cannot read nowhere",
    );
    bench.refuses(
        "keygen --out other.pem --passphrase-file empty",
        KEY,
        "the passphrase is empty",
    );
    let piped = bench.run_with_input("public --key key.pem --passphrase-file -", "correct horse\n");
    assert_eq!(piped.status.code(), Some(DONE));
}

#[test]
fn example_keys_sign_only_when_it_is_said() {
    let bench = Bench::new();
    bench.refuses(
        &format!("sign --key keys/release-a.pem {NEW} app.bin out.bin"),
        REFUSED,
        "--allow-example-keys",
    );
    let note = bench.ends(&format!("sign {KEY_A} {NEW} app.bin out.bin"), DONE);
    assert!(note.contains("is an example key"), "{note}");
}

#[test]
fn a_signature_made_elsewhere_gives_the_same_file() {
    let bench = with_signed();
    bench.ends(&format!("sign --digest-out digest {NEW} app.bin image.bin"), DONE);
    bench.refuses(
        "verify --key keys/release-a.pub.pem image.bin",
        REFUSED,
        "not signed",
    );
    let signature = sign_elsewhere(&bench.path("digest"), "release-a.pem");
    fs::write(bench.path("signature"), &signature).unwrap();
    let attach = "attach --allow-example-keys --public keys/release-a.pub.pem --signature";
    bench.ends(&format!("{attach} signature image.bin attached.bin"), DONE);
    let read = |name: &str| fs::read(bench.path(name)).unwrap();
    assert_eq!(read("attached.bin"), read("signed.bin"));

    use base64ct::{Base64, Encoding};
    fs::write(
        bench.path("signature.b64"),
        format!("{}\n", Base64::encode_string(&signature)),
    )
    .unwrap();
    bench.ends(&format!("{attach} signature.b64 image.bin image.bin"), DONE);
    assert_eq!(read("image.bin"), read("signed.bin"), "base64, and in place");
}

/// The offline machine of the detached flow: 32 bytes in, 64 out.
fn sign_elsewhere(digest: &Path, key: &str) -> Vec<u8> {
    let pem = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../keys-example")
            .join(key),
    )
    .unwrap();
    let digest = fs::read(digest).unwrap();
    assert_eq!(digest.len(), 32);
    SigningKey::from_pkcs8_pem(&pem)
        .unwrap()
        .sign(&digest)
        .to_bytes()
        .to_vec()
}

#[test]
fn signatures_that_are_not_one_are_not_attached() {
    let bench = Bench::new();
    bench.ends(&format!("sign --digest-out digest {NEW} app.bin image.bin"), DONE);
    let attach =
        "attach --allow-example-keys --public keys/release-a.pub.pem --signature signature image.bin out.bin";
    let other = sign_elsewhere(&bench.path("digest"), "release-b.pem");
    for (signature, says) in [
        (vec![], "the signature is empty"),
        (vec![1; 63], "63 bytes long and not 64"),
        (vec![0; 64], "not this key's"),
        (other, "not this key's"),
        (b"AAAA".to_vec(), "4 bytes long and not 64"),
    ] {
        fs::write(bench.path("signature"), signature).unwrap();
        bench.refuses(attach, REFUSED, says);
    }
    fs::write(
        bench.path("signature"),
        sign_elsewhere(&bench.path("digest"), "release-a.pem"),
    )
    .unwrap();
    bench.refuses(
        &attach.replace("--allow-example-keys ", ""),
        REFUSED,
        "an example key",
    );
    bench.ends(attach, DONE);
}
